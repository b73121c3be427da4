"""Calls that the phone places, through the trunk and back, on a stepped clock."""

import pytest

from emulator.journal.ladder import ladder
from emulator.media.codecs import CODECS, PCMA
from emulator.phone.script import Calling
from emulator.sip.locate import Transport
from tests.support.desk import Desk


@pytest.mark.parametrize("srtp", [False, True])
@pytest.mark.parametrize("transport", ["UDP", "TCP", "TLS"])
def test_a_whole_call(transport: Transport, srtp: bool) -> None:
    """Digest, media there and back, digits, BYE."""
    desk = Desk()
    outcome = desk.call(desk.destination("442071234567", transport), Calling(srtp=srtp, digits="1234#", talk=2.0))
    assert outcome.problems == [] and outcome.status == 200 and outcome.rang and outcome.ended_by == "phone"
    assert outcome.talked == pytest.approx(2.0, abs=0.1)
    media = outcome.media
    assert media is not None
    assert (media["codec"], media["srtp"]) == ("PCMU", srtp)
    assert (media["digits_sent"], media["digits_heard"]) == ("1234#", "1234#")
    echo = media["echo"]
    assert echo["sent"] == echo["returned"] == 101 and echo["same"] and echo["foreign"] == 0
    assert echo["round_trip_ms"] == pytest.approx(20.0, abs=0.1)
    (attempt,) = outcome.attempts
    assert (attempt.outcome, attempt.status, attempt.transport) == ("answered", 200, transport)
    assert desk.idle
    record = next(iter(desk.network.journal.calls()))
    assert [finding.code for finding in record.all_findings if finding.kind.severity != "note"] == (
        ["srtp.in-clear"] if srtp and transport != "TLS" else []
    )


@pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec.name)
def test_each_codec_comes_back(codec: object) -> None:
    outcome = Desk().call(script=Calling(codecs=(codec,)))  # type: ignore[arg-type]
    assert outcome.problems == []
    assert outcome.media is not None and outcome.media["codec"] == codec.name and outcome.media["echo"]["same"]  # type: ignore[attr-defined]


def test_packets_that_are_lost_are_counted() -> None:
    desk = Desk()
    call, over = desk.place(script=Calling(talk=4.0))
    desk.ports[0].lose = lambda count: count % 10 == 0
    desk.clock.advance(100)
    (outcome,) = over
    assert outcome.media is not None
    echo = outcome.media["echo"]
    assert (echo["sent"], echo["returned"]) == (201, 181) and echo["same"]
    assert [problem.kind for problem in outcome.problems] == ["media"]
    assert outcome.problems[0].text == "181 of 201 packets back, 10.0 % lost"
    assert desk.idle and call.over


def test_a_phone_that_stood_still_reads_what_has_come_meanwhile_before_it_hangs_up() -> None:
    """The machine gives it no time for five seconds: its timers come first then, and its sockets next."""
    desk = Desk()
    call, over = desk.place(script=Calling(talk=2.0))
    desk.ports[0].lose = lambda count: count == 101
    desk.clock.advance(2.1)
    (record,) = desk.network.journal.calls()
    desk.clock.now += 5.0
    desk.clock.run_due()
    assert record.state == "answered", "it has hung up"
    desk.clock.advance(100)
    (outcome,) = over
    assert outcome.media is not None and outcome.media["echo"]["returned"] == 100 and call.over


def test_a_wrong_secret_is_refused_and_not_tried_for_ever() -> None:
    desk = Desk(secret="Wrong1")
    outcome = desk.call()
    assert outcome.status == 407 and [problem.kind for problem in outcome.problems] == ["signalling"]
    assert len([note for note in desk.phone.notes if note.data.startswith(b"INVITE")]) == 2
    assert desk.idle


def test_a_challenge_without_credentials_says_what_is_missing() -> None:
    desk = Desk()
    desk.phone.credentials = None
    outcome = desk.call()
    assert [problem.text for problem in outcome.problems] == [
        "407 Proxy Authentication Required where 200 was wanted: no credentials; give --account, or VSIM_KEY and VSIM_SECRET"
    ]


def test_a_refusal_that_is_wanted() -> None:
    desk = Desk()
    outcome = desk.call(desk.destination("447700900486"), Calling(status=486))
    assert outcome.status == 486 and outcome.problems == [] and outcome.media is None
    outcome = desk.call(desk.destination("447700900486"))
    assert [problem.text for problem in outcome.problems] == ["486 Busy Here where 200 was wanted: magic.refused: 447700900486"]
    outcome = desk.call(script=Calling(status=486))
    assert [problem.text for problem in outcome.problems] == ["answered with 200 where 486 was wanted"]
    assert desk.idle


def test_the_next_target_after_a_503() -> None:
    """RFC 3263 4.3, and the account's credentials are proved to each."""
    desk = Desk()
    outcome = desk.call(desk.destination("447700900503", "UDP", "us-3-1", "us-3-2", "us-4-1"))
    assert [(attempt.address, attempt.status) for attempt in outcome.attempts] == [
        ("127.0.13.1:5060", 503), ("127.0.13.2:5060", 503), ("127.0.14.1:5060", 503),
    ]  # fmt: skip
    assert outcome.status == 503 and outcome.problems[0].kind == "signalling"
    outcome = desk.call(desk.destination("447700900503", "UDP", "us-3-1", "us-3-2"), Calling(failover=False))
    assert len(outcome.attempts) == 1
    assert desk.idle


@pytest.mark.parametrize("transport", ["UDP", "TCP", "TLS"])
def test_the_next_target_after_a_transport_that_fails(transport: Transport) -> None:
    desk = Desk()
    to = desk.destination("442071234567", transport, "us-3-1", "us-3-2")
    assert to.hops is not None
    desk.dead[to.hops[0].address] = "connection refused"
    outcome = desk.call(to)
    first, second = outcome.attempts
    assert (first.outcome, first.why, first.after) == ("unreachable", "connection refused", 0.0)
    assert second.outcome == "answered" and outcome.problems == [] and outcome.peer.startswith("127.0.13.2:")
    assert desk.paths.names == ["sip-us.vonage.com", "sip-us.vonage.com"]  # what a certificate must be for, whatever SRV says
    assert desk.idle


@pytest.mark.parametrize(("patience", "after"), [(None, 32.0), (3.0, 3.0)])
def test_the_next_target_after_silence(patience: float | None, after: float) -> None:
    desk = Desk()
    to = desk.destination("442071234567", "UDP", "us-3-1", "us-3-2")
    desk.deaf.add(("127.0.13.1", 5060))
    outcome = desk.call(to, Calling(patience=patience), 200)
    first, second = outcome.attempts
    assert (first.outcome, first.after) == ("timeout", after) and second.outcome == "answered"
    assert outcome.problems == []
    assert desk.idle


def test_nobody_can_be_reached() -> None:
    desk = Desk()
    to = desk.destination("442071234567", "TCP", "us-3-1", "us-3-2")
    assert to.hops is not None
    desk.dead.update({hop.address: "connection refused" for hop in to.hops})
    outcome = desk.call(to)
    assert outcome.status is None and [(problem.kind, problem.text) for problem in outcome.problems] == [("timeout", "connection refused")]
    assert desk.idle


def test_a_target_that_answers_when_the_next_one_is_tried_is_hung_up() -> None:
    """Its 2xx is acknowledged, and BYE follows (RFC 3261 13.2.2.4): nothing stays up there."""
    desk = Desk()
    to = desk.destination("442071234567", "UDP", "us-3-1", "us-3-2")
    _, over = desk.place(to, Calling(patience=1.0))
    slow = ("127.0.13.1", 5060)
    desk.deaf.add(slow)
    desk.clock.advance(1.0)
    desk.deaf.clear()  # a retransmission arrives: the answer comes late
    desk.clock.advance(100)
    (outcome,) = over
    assert [attempt.outcome for attempt in outcome.attempts] == ["timeout", "answered"] and outcome.problems == []
    assert desk.idle


def test_it_gives_up_while_it_rings() -> None:
    desk = Desk()
    outcome = desk.call(desk.destination("447700900487"), Calling(cancel_after=2.0))
    assert outcome.status == 487 and outcome.problems == []
    assert outcome.attempts[0].after == pytest.approx(2.0, abs=0.01)
    outcome = desk.call(desk.destination("447700900487"), Calling(ring_limit=5.0))
    assert [(problem.kind, problem.text) for problem in outcome.problems] == [("timeout", "no final response in 5 s")]
    assert desk.idle


def test_an_invite_whose_connection_does_not_come_about_was_not_sent() -> None:
    desk = Desk()
    place = [desk.network.trunk.proxies[name].place.address for name in ("us-3-1", "us-3-2")]
    desk.coming.add((place[0], 5060))
    outcome = desk.call(desk.destination("442071234567", "TCP", "us-3-1", "us-3-2"), Calling(patience=1.0))
    assert [attempt.outcome for attempt in outcome.attempts] == ["timeout", "answered"]
    sent = [(note.peer.partition(":")[0], note.path.connected) for note in desk.phone.notes if note.data.startswith(b"INVITE ")]
    assert sent == [(place[0], False), (place[1], True), (place[1], True)]
    rows = [row for row in ladder(desk.phone.ladder(outcome)) if "─ INVITE" in row]
    assert ["(not sent)" in row for row in rows] == [True, False, False]


@pytest.mark.parametrize(("number", "caller", "said"), [
    ("44207", "447700900000", "484 Address Incomplete where 200 was wanted: called.too-short: 44207: 5 digits"),
    ("442071234567", "123", "403 Forbidden where 200 was wanted: caller-id.not-e164: 123 in From"),
])  # fmt: skip
def test_a_refusal_is_told_with_what_it_says_of_itself(number: str, caller: str, said: str) -> None:
    """Its Warning (RFC 3261 20.43): for the reason a person should not have to look elsewhere."""
    desk = Desk()
    _, over = desk.place(desk.destination(number), caller=caller)
    desk.clock.advance(1)
    assert [problem.text for problem in over[0].problems] == [said]


def test_a_number_that_never_answers() -> None:
    desk = Desk()
    outcome = desk.call(desk.destination("447700900000"), Calling(ring_limit=10.0), 200)
    assert [problem.kind for problem in outcome.problems] == ["timeout"]
    assert desk.idle


def test_a_far_end_that_hangs_up_too_early() -> None:
    desk = Desk()
    outcome = desk.call(desk.destination("447700900202"))
    assert (outcome.ended_by, [problem.text for problem in outcome.problems]) == (
        "other", ["the other side hung up after 2.0 s of 3 s"],
    )  # fmt: skip
    assert desk.call(desk.destination("447700900202"), Calling(talk=None)).problems == []
    assert desk.idle


@pytest.mark.parametrize(
    ("number", "kind", "text"),
    [
        ("447700900701", "media", "none of 151 packets came back; no others were heard"),
        ("447700900702", "media", "none of 151 packets came back; 201 others were heard"),
    ],
)
def test_media_that_does_not_come_back(number: str, kind: str, text: str) -> None:
    outcome = Desk().call(Desk().destination(number))
    assert [(problem.kind, problem.text) for problem in outcome.problems] == [(kind, text)]


@pytest.mark.parametrize("number", ["447700900705", "447700900706", "447700900708", "447700900710"])
def test_media_that_comes_back_all_the_same(number: str) -> None:
    """Reordered, doubled, of another SSRC, after a hold."""
    desk = Desk()
    outcome = desk.call(desk.destination(number), Calling(talk=6.0, most_lost=0.4))
    assert outcome.problems == []
    assert outcome.media is not None and outcome.media["echo"]["same"]
    assert (outcome.media["echo"]["repeated"] > 0) == (number == "447700900706")
    assert desk.idle


def test_digits_that_the_far_end_sends_by_itself() -> None:
    outcome = Desk().call(Desk().destination("447700900720"), Calling(hears_digits="1234#"))
    assert outcome.problems == []
    outcome = Desk().call(Desk().destination("447700900720"), Calling(hears_digits="99"))
    assert [problem.text for problem in outcome.problems] == ["99 expected, 1234# came"]


def test_hold_and_back() -> None:
    """RFC 3264 8.4: while on hold nothing is played, and so nothing is missed."""
    desk = Desk()
    outcome = desk.call(desk.destination("442071234567", "TLS"), Calling(srtp=True, talk=4.0, hold_after=1.0))
    assert outcome.problems == [] and outcome.media is not None
    assert outcome.media["echo"]["sent"] - outcome.media["echo"]["returned"] <= 1  # the one that was on its way
    assert 140 <= outcome.media["echo"]["sent"] <= 155
    invites = [note for note in desk.phone.notes if note.data.startswith(b"INVITE")]
    assert [b"a=sendonly" in note.data for note in invites] == [False, False, True, False]
    assert desk.idle


@pytest.mark.parametrize("play", ["signal", "tone"])
@pytest.mark.parametrize("number", ["447700900710", "442071234567"])
def test_a_hold_leaves_no_side_without_the_marker(number: str, play: str) -> None:
    """RFC 3551 4.1: whoever holds, what comes first afterwards bears it."""
    desk = Desk()
    script = Calling(talk=6.0, play=play, hears="echo" if play == "signal" else "audio", hold_after=None if number[-3:] == "710" else 1.0)
    outcome = desk.call(desk.destination(number), script)
    assert outcome.problems == [] and outcome.media is not None
    (record,) = desk.network.journal.calls()
    found = {finding.code for finding in (*outcome.findings, *record.all_findings)}
    assert "rtp.dtx" in found and "rtp.no-marker" not in found, found


def test_a_session_timer_of_the_phones_own() -> None:
    desk = Desk()
    outcome = desk.call(script=Calling(talk=200.0, session_expires=90), seconds=400)
    assert outcome.problems == []
    assert len([note for note in desk.phone.notes if note.data.startswith(b"INVITE")]) >= 4
    assert desk.idle


def test_early_media_and_then_the_answer() -> None:
    desk = Desk()
    outcome = desk.call(desk.destination("447700900183"))
    assert outcome.problems == [] and outcome.answered_after == pytest.approx(3.0, abs=0.1)
    assert desk.idle


def test_the_one_codec_that_is_offered() -> None:
    outcome = Desk().call(script=Calling(codecs=(PCMA,)))
    assert outcome.media is not None and outcome.media["codec"] == "PCMA" and outcome.problems == []


def test_a_host_is_located_and_its_targets_tried_in_order() -> None:
    from emulator.phone.placed import Destination

    desk = Desk()
    desk.network.names.services["_sip._udp.sip-us.vonage.com"] = [
        (20, 50, 5060, "sip-us-4-1.vonage.com"), (10, 50, 5060, "sip-us-3-1.vonage.com"),
    ]  # fmt: skip
    desk.network.names.hosts = {"sip-us-3-1.vonage.com": ["127.0.13.1"], "sip-us-4-1.vonage.com": ["127.0.14.1"]}
    desk.dead["127.0.13.1", 5060] = "port unreachable (ICMP)"
    outcome = desk.call(Destination("442071234567", "sip-us.vonage.com", "UDP"))
    assert [attempt.address for attempt in outcome.attempts] == ["127.0.13.1:5060", "127.0.14.1:5060"]
    assert outcome.problems == []
    outcome = desk.call(Destination("442071234567", "sip-mars.vonage.com", "UDP", hint="; there is us"))
    assert [problem.kind for problem in outcome.problems] == ["timeout"] and "not found" in outcome.problems[0].text
    assert outcome.problems[0].text.endswith("; there is us")
    assert desk.idle


def test_stop_hangs_up_whatever_is_up() -> None:
    desk = Desk()
    _, up = desk.place()
    _, ringing = desk.place(desk.destination("447700900487"))
    desk.clock.advance(1)
    stopped: list[bool] = []
    desk.phone.stop(lambda: stopped.append(True))
    desk.clock.advance(1)
    assert stopped == [True] and len(up) == len(ringing) == 1
    desk.clock.advance(100)
    assert desk.idle
