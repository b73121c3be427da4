"""Scenarios on a stepped clock: each step, each expectation met and missed, deadlines."""

from typing import Any

import pytest

from emulator.scenario.verdict import EXIT_CODES
from tests.scenario.stage import Play, steps
from tests.support.customer import accepts, answers
from tests.support.network import Network
from tests.support.phone import SDP

NUMBER = "442071234567"
ONE = "sip:1234@192.0.2.10:5080"


def rtp(number: int, payload_type: int = 0) -> bytes:
    return b"\x80" + bytes([payload_type]) + number.to_bytes(2, "big") + (160 * number).to_bytes(4, "big") + b"\0\0\0\7" + b"\xd5" * 160


def speak(play: Play, packets: int = 60) -> None:
    """The device sends audio, at its pace, in its newest call."""
    for number in range(packets):
        play.network.ports[-1].hear(rtp(number))
        play.after(0.02)


# -- calls --------------------------------------------------------------------------------------------------------


def test_a_call_that_comes_meets_its_expectation_at_once() -> None:
    play = Play(steps(f"expect: {{call: {{to: '{NUMBER}', proxy: us-3-1}}, within: 40s, as: outbound}}")).start()
    assert play.state == "running" and play.outcomes == ["running"]
    play.after(3)
    play.network.phone().call()
    play.after(0)
    assert play.state == "passed" and play.exit_code == 0 and play.over == 1
    verdict = play.verdict(0)
    assert (verdict.outcome, verdict.after, verdict.calls) == ("met", 3.0, ["1"])
    assert verdict.came == f"call #1 to {NUMBER} at us-3-1 over UDP, 200"
    assert play.network.trunk.witness is None and play.stage.restored == 1


def test_a_challenge_alone_is_no_call() -> None:
    play = Play(steps("expect: {call: {}, within: 5s}")).start()
    phone = play.network.phone()
    phone.invite()
    phone.ack(phone.expect(407))
    play.after(6)
    assert play.state == "failed" and play.exit_code == 1
    assert play.verdict(0).came == "no call came; only challenged: INVITE to us-3-1" and play.verdict(0).after == 5.0


def test_calls_that_came_elsewhere_are_told() -> None:
    play = Play(steps("expect: {call: {proxy: us-4-1}, within: 40s}")).start()
    for proxy in ("us-3-1", "us-4-2"):
        play.network.phone(proxy).call()
    play.after(41)
    assert play.verdict(0).came == "2 calls came: at us-3-1 (answered 200); at us-4-2 (answered 200)"
    assert play.verdict(0).calls == ["1", "2"]


@pytest.mark.parametrize(
    ("match", "came"),
    [
        ("{to: '14155550100'}", f"to {NUMBER} at us-3-1"),
        ("{to: '44*9'}", f"to {NUMBER} at us-3-1"),
        ("{from: '447700900999'}", "from 447700900000"),
        ("{site: us-4}", "at us-3-1 (answered 200)"),
        ("{region: [eu, ap]}", "at us-3-1 (answered 200)"),
        ("{transport: [TCP, TLS]}", "over UDP"),
        ("{host: sip-eu.vonage.com}", "for sip-us.vonage.com"),
        ("{account: second}", "by abcd1234"),
        ("{status: 4xx}", "at us-3-1 answered 200"),
        ("{codec: G722}", "at us-3-1 with PCMU"),
        ("{srtp: true}", "at us-3-1 with plain RTP"),
        ("{headers: {X-Trace: '*'}}", "without X-Trace"),
        ("{headers: {User-Agent: Asterisk*}}", "with User-Agent: phone/1"),
        ("{headers: {User-Agent: null}}", "with User-Agent: phone/1"),
        ("{tried: [us-3-2, us-3-1]}", "tried at us-3-1"),
        ("{srv: true}", "without asking for SRV records"),
        ("{acked: false}", "at us-3-1 acknowledged"),
    ],
)
def test_what_a_call_is_not(match: str, came: str) -> None:
    play = Play(steps(f"expect: {{call: {match}, within: 2s}}")).start()
    play.network.phone().call(extra="User-Agent: phone/1\r\n")
    play.after(3)
    assert play.verdict(0).outcome == "failed" and play.verdict(0).came == f"1 call came: {came}"


@pytest.mark.parametrize(
    "match",
    [
        "{to: '442071234567'}", "{to: '+442071234567'}", "{to: '4420*'}", "{from: '447700900000'}", "{proxy: [us-4-1, us-3-1]}",
        "{site: us-3}",
        "{region: us}", "{transport: UDP}", "{transport: udp}", "{host: sip-us.vonage.com}", "{account: abcd1234}", "{status: 200}",
        "{status: [503, 2xx]}", "{codec: [PCMA, PCMU]}", "{srtp: false}", "{headers: {User-Agent: phone/*, X-Trace: null}}",
        "{tried: us-3-1}",
        "{srv: false}", "{acked: true}",
    ],
)  # fmt: skip
def test_what_a_call_is(match: str) -> None:
    play = Play(steps(f"expect: {{call: {match}, within: 2s}}")).start()
    play.network.phone().call(extra="User-Agent: phone/1\r\n")
    play.after(0)
    assert play.state == "passed", play.verdict(0).came


def test_an_ack_that_must_not_come_is_waited_for_until_the_end() -> None:
    play = Play(steps("expect: {call: {acked: false}, within: 4s}")).start()
    phone = play.network.phone()
    phone.dial()
    phone.expect(100, 180, 200)
    play.after(3.9)
    assert play.state == "running"
    play.after(0.2)
    assert play.state == "passed"


def test_a_refused_call_says_why() -> None:
    play = Play(steps("expect: {call: {status: 200}, within: 1s}")).start()
    phone = play.network.phone(caller="15551234567")
    phone.dial()
    play.after(2)
    assert play.verdict(0).came.startswith("1 call came: at us-3-1 answered 403 (caller-id.")


def test_a_challenge_that_is_expected() -> None:
    play = Play(steps("expect: {call: {status: 407, acked: true}, within: 1s}")).start()
    phone = play.network.phone()
    phone.invite()
    phone.ack(phone.expect(407))
    play.after(0)
    assert play.state == "passed"


def test_the_same_call_elsewhere_is_another_try() -> None:
    """A proxy that was refused with 503 is left for the next one with the same Call-ID, as some stacks do."""
    play = Play(
        steps("expect: {call: {proxy: us-4-1, tried: [us-3-1, us-4-1], status: 200}, within: 5s, as: second}", "hangup: second")
    ).start()
    first = play.network.phone("us-3-1", caller="15551234567")
    first.dial()
    second = play.network.phone("us-4-1")
    second.call_id = first.call_id
    second.call()
    play.after(0)
    assert play.verdict(0).outcome == "met"


def test_each_call_meets_one_expectation_and_those_side_by_side_are_met_in_any_order() -> None:
    play = Play(
        steps(
            "expect: {call: {to: '1415*'}, within: 5s, as: one}", "expect: {call: {to: '44*'}, as: two}", "expect: {call: {}, within: 2s}"
        )
    ).start()
    play.network.phone().call("442071234567")
    play.network.phone().call("14155550100")
    play.after(0)
    assert play.outcomes == ["met", "met", "running"]
    play.after(3)
    assert play.verdict(2).came == "no call came"


def test_a_count_and_what_is_short_of_it() -> None:
    play = Play(steps("expect: {call: {proxy: us-3-1}, count: 3, within: 5s}")).start()
    for proxy in ("us-3-1", "us-3-1", "us-3-2"):
        play.network.phone(proxy).call()
    play.after(6)
    assert play.verdict(0).came == "3 calls came: at us-3-2 (answered 200); 2 of 3 as expected"
    play = Play(steps("expect: {call: {proxy: us-3-1}, count: 2, within: 5s}")).start()
    for proxy in ("us-3-1", "us-3-1"):
        play.network.phone(proxy).call()
    play.after(0)
    assert play.state == "passed" and play.verdict(0).calls == ["1", "2"]


def test_an_expectation_looks_back_to_the_last_step_that_did_something() -> None:
    story = steps(
        "expect: {call: {}, as: first}", "down: us-3", "note: The device calls again.", "wait: 2s", "expect: {call: {}, within: 3s}"
    )
    play = Play(story).start()
    for _ in range(2):
        play.network.phone().call()
    play.after(5.1)
    assert play.verdict(4).came == "no call came"
    play = Play(story).start()
    play.network.phone().call()
    play.after(1)
    play.network.phone("us-4-1").call()
    play.after(1.1)
    assert play.state == "passed"


def test_since_looks_further_back() -> None:
    story = ("expect: {call: {}, as: first}", "down: {site: us-3, as: outage}", "up: us-3")
    play = Play(steps(*story, "expect: {call: {}, since: start, within: 1s}")).start()
    play.network.phone().call()
    play.after(0)
    assert play.state == "passed"
    play = Play(steps(*story, "expect: {call: {}, since: outage, within: 1s}")).start()
    play.network.phone().call()
    play.after(2)
    assert play.state == "failed"


# -- media --------------------------------------------------------------------------------------------------------


def in_call(*lines: str, **how: Any) -> Play:
    play = Play(steps("expect: {call: {}, as: outbound}", *lines)).start()
    play.phone = play.network.phone(**how)  # type: ignore[attr-defined]
    play.phone.call()  # type: ignore[attr-defined]
    play.after(0)
    assert play.outcomes[0] == "met"
    return play


@pytest.mark.parametrize(
    "expected",
    [
        "echoed: true",
        "codec: PCMU",
        "srtp: false",
        "packets: 20",
        "sent: 20",
        "loss: 0%",
        "jitter: 30ms",
        "mos: 4",
        "one_way: false, echoed: true",
    ],
)
def test_media_that_are_as_expected(expected: str) -> None:
    play = in_call(f"expect: {{media: outbound, {expected}, within: 5s}}")
    speak(play)
    play.after(0.2)
    assert play.state == "passed", play.verdict(1).came


@pytest.mark.parametrize(
    ("expected", "came"),
    [
        ("echoed: false", "echoed ("), ("codec: [G722, PCMA]", "PCMU ("), ("srtp: true", "plain RTP ("),
        ("packets: 100", "only 60 packets heard ("),
        ("sent: 100", "only 60 packets sent ("), ("mos: 4.9", "MOS 4."), ("one_way: true", "not one way ("),
        ("dtmf: '12'", "digits none ("),
        ("seen_loss: 5%", "no RTCP of the device's yet ("),
    ],
)  # fmt: skip
def test_media_that_are_not(expected: str, came: str) -> None:
    play = in_call(f"expect: {{media: outbound, {expected}, within: 3s}}")
    speak(play)
    play.after(4)
    assert play.state == "failed" and play.exit_code == EXIT_CODES["media"] == 3
    assert play.verdict(1).came.startswith(came) and "60 packets heard, 60 sent" in play.verdict(1).came
    assert play.verdict(1).calls == ["1"]


def test_lost_packets_are_judged_over_enough_of_them() -> None:
    play = in_call("expect: {media: outbound, loss: 1%, within: 10s}")
    for number in (*range(20), *range(40, 100)):
        play.network.ports[-1].hear(rtp(number))
        play.after(0.02)
    play.after(10)
    assert play.verdict(1).outcome == "failed" and play.verdict(1).came.startswith("loss 20.0 % (")


def test_nothing_heard_is_not_echoed_and_a_call_that_ends_is_judged_at_once() -> None:
    play = in_call("expect: {media: outbound, echoed: true, within: 60s}")
    play.after(1)
    play.phone.in_dialog("BYE")  # type: ignore[attr-defined]
    play.after(0.2)
    assert play.state == "failed" and play.verdict(1).came.startswith("not echoed (PCMU, 0 packets heard")
    assert play.verdict(1).after == pytest.approx(1.1, abs=0.11)


def test_what_must_stay_away_is_watched_to_the_end() -> None:
    play = in_call("expect: {media: outbound, echoed: false, within: 3s}")
    play.after(2.9)
    assert play.state == "running"
    play.after(0.2)
    assert play.state == "passed"


def test_media_from_a_line_on() -> None:
    play = in_call("wait: 1s", "expect: {media: outbound, echoed: true, packets: 30, anew: true, within: 2s}")
    speak(play)
    play.after(0.2)
    assert play.state == "running"
    play.after(2)
    assert play.state == "failed" and play.verdict(2).came.startswith("only 9 packets heard from there on (PCMU, 60 packets")
    play = in_call("wait: 1210ms", "expect: {media: outbound, echoed: true, packets: 30, sent: 25, anew: true, within: 5s}")
    speak(play)
    play.after(0.05)
    assert play.verdict(2).outcome == "running"
    for number in range(60, 91):
        play.network.ports[-1].hear(rtp(number))
        play.after(0.02)
    play.after(0.2)
    assert play.state == "passed", play.verdict(2).came


def test_digits() -> None:
    def dial(play: Play, digit: int, at: int) -> None:
        for number, duration in enumerate((160, 320, 480, 480, 480)):
            end = 0x80 if number >= 2 else 0
            packet = b"\x80" + bytes([101 | (0x80 if number == 0 else 0)]) + (at * 10 + number).to_bytes(2, "big")
            play.network.ports[-1].hear(
                packet + (8000 * at).to_bytes(4, "big") + b"\0\0\0\7" + bytes([digit, end | 10]) + duration.to_bytes(2, "big")
            )
            play.after(0.02)
        play.after(0.2)

    play = in_call("expect: {media: outbound, dtmf: '1#', within: 10s}")
    dial(play, 1, 1)
    assert play.state == "running"
    dial(play, 11, 2)
    assert play.state == "passed"
    play = in_call("expect: {media: outbound, dtmf: '1#', within: 10s}")
    dial(play, 2, 1)
    assert play.state == "failed" and play.verdict(1).came.startswith("digits 2 (")
    play = in_call("wait: 1s", "expect: {media: outbound, dtmf: '2', anew: true, within: 10s}")
    dial(play, 1, 1)
    play.after(1)
    dial(play, 2, 2)
    assert play.state == "passed"


# -- calls to the device ------------------------------------------------------------------------------------------


def rung(expected: str, *more: str, forward: str = f"{ONE}, sip:1234@192.0.2.10:5090", **call: str) -> Play:
    extra = "".join(f", {name}: {value}" for name, value in call.items())
    network = Network()
    network.customer(5080, answers(503))
    network.customer(5090, accepts)
    return Play(
        steps(
            f"call: {{number: '447700900000', from: '14155550100', forward: '{forward}', as: inbound{extra}}}", f"expect: {expected}", *more
        ),
        network,
    ).start()


@pytest.mark.parametrize(
    "expected",
    [
        "codes: [503, 200]", "codes: [5xx, 2xx]", "targets: ['*:5080', '*:5090']", "transports: [UDP, UDP]", "gaps: [0s]", "gaps: 0s..1s",
        "status: 200", "codes: [503, 200], status: 2xx, gaps: [0s]",
    ],
)  # fmt: skip
def test_attempts_as_expected(expected: str) -> None:
    play = rung(f"{{attempts: inbound, {expected}, within: 10s}}")
    play.after(1)
    assert play.state == "passed", play.verdict(1).came


@pytest.mark.parametrize(
    "expected",
    [
        "codes: [200]",
        "codes: [486, 200]",
        "codes: [503, 200, 200]",
        "targets: ['*:5090']",
        "transports: [UDP, TLS]",
        "gaps: [2s]",
        "status: 486",
    ],
)
def test_attempts_that_went_otherwise(expected: str) -> None:
    play = rung(f"{{attempts: inbound, {expected}, within: 10s}}")
    play.after(1)
    assert play.state == "failed" and play.exit_code == 1
    assert play.verdict(1).came == (
        "sip:1234@192.0.2.10:5080 over UDP: 503 after 0 ms; sip:1234@192.0.2.10:5090 over UDP 0 ms later: 200 after 0 ms; "
        "the caller got 200"
    )


def test_targets_that_are_silent_or_not_there() -> None:
    forward = "sip:1@192.0.2.10:5070;timeout=2000, sip:1@192.0.2.10:5071"
    network = Network()
    network.dead["UDP", ("192.0.2.10", 5071)] = "port unreachable"
    play = Play(
        steps(
            f"call: {{number: '447700900000', forward: '{forward}', as: inbound}}",
            "expect: {attempts: inbound, codes: [timeout, unreachable], gaps: [2s], status: [503, 486], within: 10s}",
        ),
        network,
    ).start()
    play.after(5)
    assert play.state == "passed", play.verdict(1).came


def test_hanging_up_ends_a_call_and_its_end_is_as_expected() -> None:
    play = rung("{attempts: inbound, codes: [503, 200]}", "wait: 5s", "hangup: inbound", "expect: {ended: inbound, by: trunk, lasted: 5s}")
    play.after(6)
    play.network.customers["UDP", ("192.0.2.10", 5090)].call.expect("INVITE", "ACK", "BYE")
    play.after(40)
    assert play.state == "passed", [verdict.came for verdict in play.runner.report().steps]


@pytest.mark.parametrize(("by", "state"), [("trunk", "passed"), ("device", "failed")])
def test_a_caller_that_hangs_up_is_of_the_trunk(by: str, state: str) -> None:
    network = Network()
    network.customer(5090, accepts)
    call = "call: {number: '447700900000', from: '14155550100', forward: 'sip:1@192.0.2.10:5090', talk: 2s, as: inbound}"
    play = Play(steps(call, f"expect: {{ended: inbound, by: {by}}}"), network).start()
    play.after(5)
    assert play.state == state and "by the trunk" in play.verdict(1).came, play.verdict(1).came


@pytest.mark.parametrize(
    ("expected", "came"),
    [("by: trunk", "ended with 200 by the device after 1 s"), ("code: 486", "ended with 200"), ("lasted: 5s", "ended with 200")],
)
def test_an_end_that_is_another(expected: str, came: str) -> None:
    play = in_call(f"expect: {{ended: outbound, {expected}, within: 5s}}")
    play.after(1)
    play.phone.in_dialog("BYE")  # type: ignore[attr-defined]
    play.after(0)
    assert play.state == "failed" and play.verdict(1).came.startswith(came)


def test_a_call_that_does_not_end() -> None:
    play = in_call("expect: {ended: outbound, within: 5s}")
    play.after(6)
    assert play.verdict(1).came == "the call is answered"


def test_a_step_that_can_not_be_done_has_failed() -> None:
    play = in_call("expect: {ended: outbound}", "hangup: outbound")
    play.phone.in_dialog("BYE")  # type: ignore[attr-defined]
    play.after(0)
    assert play.verdict(2).outcome == "failed" and play.verdict(2).came == "call #1 is ended"


# -- requests, events, findings -----------------------------------------------------------------------------------


def test_options() -> None:
    play = Play(
        steps("expect: {options: {site: us-4, status: 200}, count: 2, within: 9s}", "expect: {options: {peer: '*:9'}, within: 1s}")
    ).start()
    for proxy in ("us-3-1", "us-4-1", "us-4-2"):
        phone = play.network.phone(proxy)
        phone.transmit(phone.request("OPTIONS", "sip:sip-us.vonage.com"))
    play.after(2)
    assert play.verdict(0).came == "2, the last: OPTIONS at us-4-2 over UDP, 200"
    assert play.verdict(1).came == "3 OPTIONS came: from 192.0.2.10:5070 (3 times)"


def test_a_retransmission_is_no_second_request() -> None:
    play = Play(steps("expect: {options: {}, count: 2, within: 1s}")).start()
    phone = play.network.phone()
    text = phone.request("OPTIONS", "sip:sip-us.vonage.com")
    for _ in range(2):
        phone.transmit(text)
    play.after(2)
    assert play.verdict(0).came == "1 OPTIONS came; 1 of 2 as expected"


def test_register() -> None:
    play = Play(steps("expect: {register: {account: abcd1234}, within: 1s}")).start()
    phone = play.network.phone()
    phone.transmit(phone.request("REGISTER", "sip:sip-us.vonage.com"))
    play.after(2)
    assert play.verdict(0).came == "1 REGISTER came: by nobody"
    play = Play(steps("expect: {register: {status: 401}, within: 1s}")).start()
    phone = play.network.phone()
    phone.transmit(phone.request("REGISTER", "sip:sip-us.vonage.com"))
    play.after(0)
    assert play.state == "passed"


@pytest.mark.parametrize(
    ("match", "came"),
    [
        ("{method: BYE, call: outbound}", None), ("{method: BYE, status: 200, proxy: us-3-1}", None), ("{method: B*}", None),
        ("{method: INVITE, body: '*m=audio*'}", None), ("{method: ACK}", None), ("{method: BYE, headers: {Contact: '*192.0.2.10*'}}", None),
        ("{method: BYE, status: 481}", "1 BYE came: BYE answered 200"), ("{method: REFER}", "no REFER came"),
        ("{method: BYE, body: '*x*'}", "1 BYE came: with no body"), ("{method: BYE, to: '123'}", f"1 BYE came: to {NUMBER}"),
        ("{method: BYE, peer: '10.*'}", "1 BYE came: from 192.0.2.10:5070"), ("{method: BYE, transport: TLS}", "1 BYE came: over UDP"),
        ("{method: BYE, host: x}", "1 BYE came: for 127.0.13.1"), ("{method: BYE, headers: {Reason: '*'}}", "1 BYE came: without Reason"),
        ("{method: BYE, proxy: us-4-1}", "1 BYE came: at us-3-1"),
    ],
)  # fmt: skip
def test_requests(match: str, came: str | None) -> None:
    play = in_call(f"expect: {{request: {match}, within: 2s}}")
    play.phone.in_dialog("BYE")  # type: ignore[attr-defined]
    play.after(3)
    assert (play.state, play.verdict(1).came) == ("failed", came) if came else play.state == "passed", play.verdict(1).came


def test_a_request_of_another_call() -> None:
    play = in_call("expect: {request: {method: BYE, call: outbound}, within: 2s}")
    other = play.network.phone()
    other.call()
    other.in_dialog("BYE")
    play.after(3)
    assert play.verdict(1).came == "1 BYE came: BYE of another call"


@pytest.mark.parametrize(
    ("match", "came"),
    [
        ("{method: BYE, call: outbound}", None), ("{status: 200}", None), ("{method: BYE, status: 20x, proxy: us-3-1}", None),
        ("{method: BYE, peer: '192.0.2.10:*', transport: UDP}", None),
        ("{method: BYE, status: [481, 5xx]}", "2 answers came: 100 to BYE at us-3-1; 200 to BYE at us-3-1"),
        ("{method: CANCEL}", "no answer came"),
        ("{site: us-4}", "1 answer came: 200 to BYE at us-3-1"), ("{transport: TLS}", "1 answer came: 200 to BYE over UDP"),
        ("{peer: '10.*'}", "1 answer came: 200 to BYE from 192.0.2.10:5070"),
    ],
)  # fmt: skip
def test_answers(match: str, came: str | None) -> None:
    """A copy of an answer is no other answer."""
    play = in_call("hangup: outbound", f"expect: {{answer: {match}, within: 2s}}", f"never: {{answer: {match}, count: 2, for: 1s}}")
    phone = play.phone  # type: ignore[attr-defined]
    bye = phone.expect("BYE")
    for _ in range(2):
        phone.respond(bye, 100)
        phone.respond(bye, 200)
        play.after(1)
    play.after(3)
    assert (play.state, play.verdict(2).came) == ("failed", came) if came else play.state == "passed", play.verdict(2).came


def test_answers_to_invites_that_bring_a_call() -> None:
    play = rung(
        "{answer: {call: inbound, peer: '*:5090', status: 200}}",
        "expect: {answer: {call: inbound, method: INVITE, status: 503}}",
        "expect: {answer: {call: inbound, status: 404}, within: 1s}",
    )
    play.after(2)
    assert play.outcomes == ["done", "met", "met", "failed"], [verdict.came for verdict in play.runner.report().steps]
    assert play.verdict(3).came == "2 answers came: 503 to INVITE at eu-3-1; 200 to INVITE at eu-3-1"


def test_events() -> None:
    play = in_call(
        "expect: {event: {kind: call.*, call: outbound, fields: {by: caller}}, as: end, within: 2s}",
        "expect: {event: call.ended, since: end, within: 1s}",
    )
    play.phone.in_dialog("BYE")  # type: ignore[attr-defined]
    play.after(4)
    assert play.verdict(1).outcome == "met" and play.verdict(1).came.startswith("call.ended #1 by=caller")
    assert play.verdict(2).came == "no event call.ended came"
    play = in_call("expect: {event: {kind: call.ended, fields: {by: trunk}}, within: 2s}")
    play.phone.in_dialog("BYE")  # type: ignore[attr-defined]
    play.after(4)
    assert play.verdict(1).came == "1 event call.ended came: by caller"


def test_questions_to_the_name_server() -> None:
    play = Play(
        steps("expect: {dns: {name: '_sip._udp.*', type: SRV, answer: NOERROR}, within: 2s}", "expect: {call: {srv: true}}")
    ).start()
    play.network.journal.event("dns.query", None, name="sip-us.vonage.com", type="A", answer="NOERROR")
    play.network.journal.event("dns.query", None, name="_sip._udp.sip-us.vonage.com", type="SRV", answer="NOERROR")
    play.network.phone().call()
    play.after(0)
    assert play.state == "passed", [verdict.came for verdict in play.runner.report().steps]


@pytest.mark.parametrize(
    ("match", "state"),
    [
        ("{code: called.plus}", "passed"),
        ("'called.*'", "passed"),
        ("{code: called.plus, call: outbound}", "passed"),
        ("{code: called.plus, seen: '*9*9*'}", "failed"),
        ("'dtmf.*'", "failed"),
        ("{severity: warning}", "passed"),
        ("{severity: [error, warning], code: 'called.*', call: outbound}", "passed"),
        ("{severity: [error, note]}", "failed"),
    ],
)
def test_findings(match: str, state: str) -> None:
    play = Play(steps("expect: {call: {}, as: outbound}", f"expect: {{finding: {match}, within: 2s}}")).start()
    play.network.phone().call("+442071234567")
    play.after(3)
    assert play.state == state, play.verdict(1).came


def test_a_finding_of_another_severity_is_told_of_with_its_own() -> None:
    play = Play(steps("expect: {call: {}, as: outbound}", "expect: {finding: {severity: error}, within: 2s}")).start()
    play.network.phone().call("+442071234567")
    play.after(3)
    assert play.verdict(1).came == "found warning called.plus"
    assert play.verdict(1).text == "finding of severity error"


@pytest.mark.parametrize(("severity", "state"), [("error", "running"), ("[error, warning]", "failed")])
def test_never_a_finding_of_a_severity(severity: str, state: str) -> None:
    play = Play(steps("wait: 5s", top=f"never: [{{finding: {{severity: {severity}}}}}]\n")).start()
    play.network.phone().call("+442071234567")
    play.after(1)
    assert play.state == state


def test_findings_of_media_are_found_too() -> None:
    play = in_call("expect: {finding: rtp.loss, within: 9s}")
    for number in (*range(20), *range(40, 100)):
        play.network.ports[-1].hear(rtp(number))
        play.after(0.02)
    play.after(0.2)
    assert play.state == "passed", play.verdict(1).came


def test_order() -> None:
    story = steps(
        "expect: {order: [{call: {proxy: us-3-1}, as: first}, {request: {method: BYE}}, {call: {proxy: us-4-1}, as: second}], within: 9s}",
        "hangup: second",
    )
    play = Play(story).start()
    first = play.network.phone()
    first.call()
    play.after(1)
    first.in_dialog("BYE")
    play.after(1)
    play.network.phone("us-4-1").call()
    play.after(0)
    assert play.verdict(0).outcome == "met" and play.verdict(0).calls == ["1", "2"]
    play = Play(story).start()
    play.network.phone("us-4-1").call()
    play.after(1)
    first = play.network.phone()
    first.call()
    first.in_dialog("BYE")
    play.after(9)
    assert play.verdict(0).outcome == "failed"
    assert play.verdict(0).came.endswith("; BYE at us-3-1 over UDP, 200; then no call came")


# -- what must never be -------------------------------------------------------------------------------------------


def test_never_is_before_and_after() -> None:
    play = Play(steps("expect: {call: {}}", "never: {call: {proxy: us-3-2}}", "wait: 5s")).start()
    play.network.phone("us-3-1").call()
    play.after(0)
    assert play.outcomes == ["met", "watching", "running"]
    play.after(6)
    assert play.outcomes == ["met", "held", "done"] and play.state == "passed"
    play = Play(steps("wait: 1s", "never: {call: {proxy: us-3-2}}", "wait: 5s")).start()
    play.network.phone("us-3-2").call()
    play.after(1)
    assert play.outcomes == ["done", "failed", "skipped"] and play.exit_code == 1
    assert play.verdict(1).came == f"call #1 to {NUMBER} at us-3-2 over UDP, 200"
    play = Play(steps("never: {call: {proxy: us-3-2}}", "wait: 5s")).start()
    play.after(2)
    play.network.phone("us-3-2").call()
    play.after(0)
    assert play.outcomes == ["failed", "skipped"] and play.verdict(0).after == 2.0


def test_never_since_a_step_and_for_a_time() -> None:
    play = Play(steps("expect: {call: {}}", "down: {site: us-3, as: outage}", "never: {call: {}, since: outage}", "wait: 5s")).start()
    play.network.phone().call()
    play.after(6)
    assert play.state == "passed"
    play = Play(steps("expect: {call: {}}", "down: us-3", "never: {call: {}, for: 5s}", "wait: 1s")).start()
    play.network.phone().call()
    play.after(5.5)
    assert play.outcomes == ["met", "done", "held", "running"] and play.verdict(2).after == 5.0
    play = Play(steps("never: {options: {}, for: 5s}")).start()
    play.after(1)
    phone = play.network.phone()
    phone.transmit(phone.request("OPTIONS", "sip:sip-us.vonage.com"))
    play.after(0)
    assert play.state == "failed" and play.verdict(0).after == 1.0


def test_never_in_the_whole_scenario_and_never_so_many() -> None:
    play = Play(steps("wait: 5s", top="never: [{call: {}, count: 2}, {finding: 'called.*'}]\n")).start()
    play.network.phone().call()
    play.after(1)
    assert play.state == "running"
    play.network.phone().call()
    play.after(0)
    report = play.runner.report()
    assert [(verdict.where, verdict.outcome) for verdict in report.steps] == [
        ("steps.0", "skipped"),
        ("never.0", "failed"),
        ("never.1", "skipped"),
    ]


def test_a_call_that_never_ends() -> None:
    play = in_call("never: {ended: outbound, for: 3s}")
    play.after(3)
    assert play.state == "passed"
    play = in_call("never: {ended: outbound, for: 3s}")
    play.phone.in_dialog("BYE")  # type: ignore[attr-defined]
    play.after(0)
    assert play.state == "failed" and play.verdict(1).came.startswith("ended with 200 by the device")


# -- steps --------------------------------------------------------------------------------------------------------


def test_what_steps_ask_of_the_stage() -> None:
    play = Play(
        steps(
            "down: {site: us-3, proxy: us-4-1, how: refuse, for: 30s, keep_calls: false}", "up: us-3", "up: {}",
            "fault: {refuse: 503}\n    as: busy", "fault: {drop: true}", "clear: busy", "clear: all",
            top="given: {faults: [{delay: 1s}]}\n",
        )
    ).start()  # fmt: skip
    assert play.state == "passed"
    assert play.stage.done == [
        "fault delay 1s", "down us-4-1 refuse 30.0 False", "down us-3 refuse 30.0 False", "up us-3", "up all",
        "fault refuse 503",
        "fault drop", "clear f6", "clear g0", "clear f7",
    ]  # fmt: skip


def test_what_steps_do_to_calls() -> None:
    play = in_call("dtmf: {call: outbound, digits: '12#'}", "hangup: {call: outbound, within: 5s}")
    assert play.stage.done == ["dial 12# in #1"] and play.outcomes[-1] == "done"
    bye = play.phone.expect("BYE")  # type: ignore[attr-defined]
    play.phone.respond(bye, 200)  # type: ignore[attr-defined]
    play.after(0)
    assert play.state == "passed"


def accept(play: Play, direction: str) -> None:
    """The device takes a re-INVITE."""
    phone = play.phone  # type: ignore[attr-defined]
    invite = phone.expect("INVITE")
    lines = ["SIP/2.0 200 OK"]
    lines += [f"{name.title()}: {value}" for name, value in invite.headers if name in ("via", "from", "to", "call-id", "cseq")]
    lines += ["Contact: <sip:phone@192.0.2.10:5070>", "Content-Type: application/sdp"]
    body = SDP.replace("a=sendrecv", f"a={direction}").replace("o=phone 1 1", "o=phone 1 2")
    phone.transmit("\r\n".join(lines) + f"\r\nContent-Length: {len(body)}\r\n\r\n{body}")
    play.after(0)
    phone.expect("ACK")


def test_hold_waits_until_the_device_has_taken_it() -> None:
    play = in_call("hold: {call: outbound, within: 5s}", "resume: outbound")
    assert play.outcomes[1:] == ["running", "skipped"]
    accept(play, "recvonly")
    assert play.outcomes[1:] == ["done", "running"]
    accept(play, "sendrecv")
    assert play.state == "passed", [verdict.came for verdict in play.runner.report().steps]


def test_hold_waits_for_the_ack() -> None:
    """A story goes on with the 200, and no re-INVITE may be sent before its ACK (RFC 3261 14.1)."""
    play = Play(steps("expect: {call: {}, as: outbound}", "hold: {call: outbound, within: 5s}")).start()
    phone = play.phone = play.network.phone()  # type: ignore[attr-defined]
    phone.dial()
    answered = phone.expect(100, 180, 200)
    play.after(0.2)
    assert play.outcomes == ["met", "running"] and not phone.inbox
    phone.ack(answered)
    play.after(0.2)
    accept(play, "recvonly")
    assert play.state == "passed", [verdict.came for verdict in play.runner.report().steps]


def test_hold_that_can_not_be_asked_for_in_its_time() -> None:
    play = Play(steps("expect: {call: {}, as: outbound}", "hold: {call: outbound, within: 5s}")).start()
    play.network.phone().dial()
    play.after(6)
    assert play.state == "failed" and play.verdict(1).came == "no re-INVITE could be sent: an ACK, or the end of another one, is missing"


def test_hold_that_is_refused_or_never_answered() -> None:
    play = in_call("hold: {call: outbound, within: 5s}")
    play.phone.respond(play.phone.expect("INVITE"), 488, "Not Acceptable Here")  # type: ignore[attr-defined]
    play.after(0)
    assert play.state == "failed" and play.verdict(1).came.startswith("hold.refused: ")
    play = in_call("hold: {call: outbound, within: 5s}")
    play.after(6)
    assert play.state == "failed" and play.verdict(1).came == "no answer to the re-INVITE"


def test_a_caller_gives_up() -> None:
    network = Network()
    network.customer(5080, answers(180))
    play = Play(
        steps(
            f"call: {{number: '447700900000', forward: '{ONE}', as: inbound}}", "wait: 2s", "cancel: inbound",
            "expect: {attempts: inbound, codes: [cancelled], within: 1s}",
        ),
        network,
    ).start()  # fmt: skip
    play.after(40)
    assert play.state == "passed", [verdict.came for verdict in play.runner.report().steps]


def test_waiting_for_an_event_that_does_not_come_has_timed_out() -> None:
    play = Play(steps("wait: {event: call.refreshed, within: 3s}")).start()
    play.after(4)
    assert play.verdict(0).outcome == "timed out" and play.exit_code == 4
    play = Play(steps("wait: {event: {kind: call.answered}, within: 3s}")).start()
    play.network.phone().call()
    play.after(0)
    assert play.state == "passed"


def test_waiting_for_somebody_to_listen() -> None:
    play = Play(steps("wait: {listening: '127.0.0.1:5080', within: 3s}")).start()
    play.after(1)
    play.stage.listeners.add("127.0.0.1:5080")
    play.after(0.1)
    assert play.state == "passed"
    play = Play(steps("wait: {listening: '127.0.0.1:5080', within: 3s}")).start()
    play.after(3)
    assert play.verdict(0).outcome == "timed out" and play.verdict(0).came == "nobody listens at 127.0.0.1:5080"


def test_a_command_is_asked_for_and_its_code_decides() -> None:
    def asked(code: int | None, why: str = "", wanted: str = "") -> Play:
        play = Play(steps(f"run: {{command: [pbx, reload]{wanted}}}")).start()
        command = play.runner.report().command
        assert command is not None and (command.number, command.command, command.within) == (0, ["pbx", "reload"], 30.0)
        assert not play.runner.command_ended(1, 0) and play.runner.command_ended(0, code, why)
        assert not play.runner.command_ended(0, 0)
        return play

    assert asked(0).state == "passed"
    assert asked(3, wanted=", code: 3").state == "passed"
    failed = asked(2)
    assert failed.exit_code == 5 and failed.verdict(0).came == "exit code 2, not 0"
    assert asked(None, "no such program").verdict(0).came == "no such program"


def test_a_command_that_nobody_runs() -> None:
    play = Play(steps("run: {command: x, within: 5s}")).start()
    play.after(10.1)
    assert play.verdict(0).outcome == "timed out" and play.exit_code == 4


# -- the whole ----------------------------------------------------------------------------------------------------


def test_nothing_hangs() -> None:
    play = Play(steps("wait: 3s", "expect: {call: {}, within: 4s}", "wait: 1s", top="deadline: 5s\n")).start()
    play.after(5)
    assert play.state == "failed" and play.exit_code == 4 and play.over == 1
    assert play.outcomes == ["done", "timed out", "skipped"]
    assert play.verdict(1).came == "the whole scenario took more than 5 s; no call came"
    assert play.clock.pending == 0


def test_what_is_given_and_can_not_be() -> None:
    play = Play(steps("wait: 3s"))
    play.stage.unusable = "accounts can't be changed while it runs"
    play.start()
    assert play.state == "failed" and play.exit_code == 2
    assert play.runner.report().steps[0].came == "accounts can't be changed while it runs"


def test_the_story_may_go_on_after_a_failure() -> None:
    story = steps(
        "expect: {call: {}, within: 1s, as: one}",
        "expect: {media: one, echoed: true}",
        "hangup: one",
        "note: The end.",
        "expect: {options: {}, within: 1s, since: one}",
    )
    play = Play(story, keep_going=True).start()
    play.after(3)
    assert play.outcomes == ["failed", "skipped", "skipped", "done", "skipped"] and play.exit_code == 1
    assert play.verdict(1).came == "no call is called 'one': the step that names it was not met"
    play = Play(story).start()
    play.after(3)
    assert play.outcomes == ["failed", "skipped", "skipped", "skipped", "skipped"]


def test_somebody_stops_it() -> None:
    play = Play(steps("expect: {call: {}}", "wait: 1s")).start()
    play.runner.stop("the program under test ended with exit code 1", "command")
    assert (play.state, play.exit_code, play.outcomes) == ("failed", 5, ["failed", "skipped"])
    assert play.verdict(0).came == "the program under test ended with exit code 1; no call came"
    play = Play(steps("wait: 10s")).start()
    play.runner.stop("stopped")
    play.runner.stop("stopped again")
    assert (play.state, play.exit_code, play.outcomes, play.over) == ("stopped", 0, ["skipped"], 1)


def test_two_runs_of_one_seed_have_the_same_trace() -> None:
    def traced(wait: float, port: int) -> list[str]:
        play = Play(
            steps("expect: {call: {}, as: one}", "expect: {call: {}, as: two}", "hangup: one", "expect: {ended: one}"), Network(seed=port)
        ).start()
        phones = [play.network.phone(port=port), play.network.phone("us-4-1", port=port + 1)]  # type: ignore[arg-type]
        play.after(wait)
        for phone in phones:
            phone.call()
        play.after(wait)
        phones[0].respond(phones[0].expect("BYE"), 200)
        play.after(0)
        assert play.state == "passed"
        return play.runner.report().trace

    first = traced(0.5, 5070)
    assert first == traced(0.1, 5090)
    assert first[:4] == ["steps.0 expect: met", "steps.1 expect: met", "steps.2 hangup: done", "steps.3 expect: met"]
    assert "call 2 call.answered codec=PCMU" in first


def test_messages_that_are_none_disturb_nothing() -> None:
    play = Play(steps("expect: {call: {}}")).start()
    phone = play.network.phone()
    for octets in (b"\0\1\2", b"INVITE sip:x SIP/2.0\r\n\r\n", b"SIP/2.0 200 OK\r\n\r\n", b"OPTIONS sip:x SIP/2.0\r\nCSeq: x\r\n\r\n"):
        phone._send(octets)
    phone.call()
    play.after(0)
    assert play.state == "passed"
