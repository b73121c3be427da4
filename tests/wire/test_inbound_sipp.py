"""SIPp as the customer: it takes calls and refuses them in every way, is silent, rings for ever, answers late, hangs up.

The times of attempts are asserted on the stepped clock; here they are only bounded.
"""

import itertools
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.inbound import codes, hang_up, nothing_left, outcomes, over, recording, ring, samples, sent, shown, starts
from tests.support.serve import Serve, until
from tests.support.sipp import ANSWERS, CANCELLED, HUNG_UP, QUICK, TAKES, Sipp, answer, receive, refusals, request, wait
from tests.wire.test_inbound_phones import odd
from tests.wire.test_linphone import together
from tests.wire.test_phones import likeness, noise

STATUSES = [
    *(300, 301, 302, 305, 380, 399), *range(400, 409), 410, *range(413, 417), 420, 421, 422, 423, *range(480, 489), 491, 493, 499,
    *range(500, 506), 513, 580, 599, 600, 603, 604, 606, 699,
]  # fmt: skip
"""Those that RFCs define, and the last of each class, which none does."""
CHALLENGE = 'Digest realm="pbx.example.net", nonce="4711", qop="auth"'


@pytest.fixture(scope="module")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    """One emulator for all of them; nobody rings longer than five seconds."""
    emulator = Serve(Path(tmp_path_factory.mktemp("sipp")), env={"VSIM_FORWARDING_RING_LIMIT": "5s"})
    try:
        yield emulator
        nothing_left(emulator)
        emulator.check()
    finally:
        emulator.stop()


@pytest.fixture(scope="module")
def takes(serve: Serve, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sipp]:
    """A customer who takes every call."""
    with Sipp(Path(tmp_path_factory.mktemp("takes")), *ANSWERS) as customer:
        yield customer


@pytest.fixture(scope="module")
def refuses(serve: Serve, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sipp]:
    """A customer who refuses a call with the status that is dialled, asks for credentials, and knows another place."""
    headers = (f"WWW-Authenticate: {CHALLENGE}", f"Proxy-Authenticate: {CHALLENGE}", "Retry-After: 300")
    with Sipp(Path(tmp_path_factory.mktemp("refuses")), *refusals(STATUSES, *headers)) as customer:
        yield customer


@pytest.mark.real_time
def test_a_call_with_an_echo(serve: Serve, tmp_path: Path) -> None:
    """The caller hears itself again; SIPp's echo sends digits back packet for packet, and they are heard as digits."""
    said = noise(tmp_path / "said.wav", 5)

    def call_over(transport: str) -> None:
        with Sipp(tmp_path / transport, *ANSWERS, transport=transport, flags=("-rtp_echo",)) as customer:
            call = ring(serve, customer.target(), talk=3.5, samples=samples(tmp_path / "said.wav"), record=True, digits="19#")
            customer.got("INVITE", "ACK", "BYE")
        assert (call["state"], call["status"], call["ended_by"], call["transport"]) == ("ended", 200, "caller", transport.upper())
        assert outcomes(call) == [(1, "answered", 200)] and odd(call) == set()
        heard, own = recording(serve, call)
        assert likeness(said, own) > 0.9 and likeness(said, heard) > 0.6
        assert call["media"]["digits"] == "19#" and call["codec"] == "PCMA"

    together(call_over, [("udp",), ("tcp",)])


@pytest.mark.parametrize("status", STATUSES)
def test_a_refusal_ends_the_hunt_or_brings_the_next_target(serve: Serve, refuses: Sipp, takes: Sipp, status: int) -> None:
    call = ring(serve, f"{refuses.target(str(status))}, {takes.target()}", talk=0)
    if status // 100 == 5:
        assert outcomes(call) == [(1, "refused", status), (2, "answered", 200)] and call["state"] == "ended"
    else:
        assert outcomes(call) == [(1, "refused", status)]
        assert (call["state"], call["status"], call["reason"], call["ended_by"]) == ("refused", status, "Said by SIPp", "called")
    expected = {401: "inbound.challenged", 407: "inbound.challenged"}.get(status, "inbound.redirected" if status < 400 else None)
    assert codes(call) == ({expected} if expected else set())
    until(lambda: "ACK" in starts(refuses.of(call)), "the ACK at SIPp")
    assert starts(refuses.of(call)) == ["INVITE", "ACK"]  # no second one to another place, or with credentials


def test_when_all_targets_refuse_the_caller_gets_the_last_5xx(serve: Serve, refuses: Sipp) -> None:
    call = ring(serve, ", ".join(refuses.target(str(status)) for status in (500, 503, 504)))
    assert outcomes(call) == [(1, "refused", 500), (2, "refused", 503), (3, "refused", 504)]
    assert (call["state"], call["status"]) == ("refused", 504)


def test_no_credentials_are_ever_sent(serve: Serve, refuses: Sipp) -> None:
    """robustness 6."""
    for status in (401, 407):
        call = ring(serve, refuses.target(str(status)))
        assert call["status"] == status and "Authorization" not in "".join(sent(serve, call))
    wire = refuses.log.read_text()
    assert "Authorization" not in wire and "OfflineSecret1" not in wire and "abcd1234" not in wire


def test_a_silent_target_makes_room_for_the_next(serve: Serve, takes: Sipp, tmp_path: Path) -> None:
    """Its INVITE is repeated in its time, and never after; without a response no CANCEL is sent (9.1)."""
    with Sipp(tmp_path, receive("INVITE"), wait(60)) as silent:
        call = ring(serve, f"{silent.target(parameters=QUICK)}, {takes.target()}", talk=4)
        assert outcomes(call) == [(1, "timeout", None), (2, "answered", 200)] and call["state"] == "ended"
        assert call["attempts"][0]["after"] >= 2 and codes(call) == {"inbound.timeout", "media.nothing-heard"}
        assert starts(silent.messages()) == ["INVITE"] and len(silent.messages()) <= 3  # 0, 0.5 and 1.5 s after the first


def test_when_all_targets_are_silent_the_caller_gets_486(serve: Serve, tmp_path: Path) -> None:
    with Sipp(tmp_path, receive("INVITE"), wait(60)) as silent:
        call = ring(serve, f"{silent.target('1', QUICK)}, {silent.target('2', QUICK)}")
        assert outcomes(call) == [(1, "timeout", None), (2, "timeout", None)]
        assert (call["state"], call["status"], call["ended_by"]) == ("refused", 486, "trunk")


def test_ringing_for_ever_ends_at_the_ring_limit(serve: Serve, takes: Sipp, tmp_path: Path) -> None:
    """After 100 and nothing more, 180, 183."""

    def call(status: int, transport: str) -> None:
        steps = (receive("INVITE"), answer(status), *CANCELLED)
        with Sipp(tmp_path / f"{status}-{transport}", *steps, transport=transport) as rings:
            call = ring(serve, f"{rings.target()}, {takes.target()}")
            _, cancel, _ = rings.got("INVITE", "CANCEL", "ACK")
        assert "CSeq: 1 CANCEL" in cancel
        assert outcomes(call) == [(1, "no-answer", None)] and call["attempts"][0]["first"] == status
        assert (call["state"], call["status"]) == ("refused", 480) and codes(call) == {"inbound.no-answer"}
        assert call["attempts"][0]["after"] >= 5

    together(call, list(itertools.product((100, 180, 183), ("udp", "tcp"))))


def test_an_answer_after_we_moved_on_gets_ack_and_bye(serve: Serve, takes: Sipp, tmp_path: Path) -> None:
    with Sipp(tmp_path, receive("INVITE"), wait(3.5), *TAKES, *HUNG_UP) as late:
        call = ring(serve, f"{late.target(parameters=QUICK)}, {takes.target()}", until="answered", play="silence")
        assert call["state"] == "answered" and call["attempts"][1]["status"] == 200
        late.got("ACK", "BYE")
        now = until(lambda: (now := shown(serve, call))["attempts"][0]["late"] and now, "the late answer in the journal")
        assert now["state"] == "answered" and now["attempts"][0]["late"] == 200
        assert codes(now) == {"inbound.timeout", "inbound.late-answer"}
        hang_up(serve, call)
        over(serve, call)
        assert starts(late.messages())[-2:] == ["ACK", "BYE"]


def test_an_answer_after_the_call_is_over_gets_ack_and_bye(serve: Serve, tmp_path: Path) -> None:
    with Sipp(tmp_path, receive("INVITE"), wait(3.5), *TAKES, *HUNG_UP) as late:
        call = ring(serve, late.target(parameters=QUICK))
        assert (call["state"], call["status"]) == ("refused", 486)
        late.got("ACK", "BYE")
        until(lambda: shown(serve, call)["attempts"][0]["late"] == 200, "the late answer in the journal")


def test_ringing_after_we_gave_up_gets_a_cancel(serve: Serve, tmp_path: Path) -> None:
    """9.1: as soon as a provisional response has come, whether the hunt moved on or the caller had enough."""

    def call(name: str, state: str, status: int, **how: float) -> None:
        with Sipp(tmp_path / name, receive("INVITE"), wait(3), answer(180), *CANCELLED) as late:
            call = ring(serve, late.target(parameters=QUICK), **how)
            assert (call["state"], call["status"]) == (state, status)
            late.got("INVITE", "CANCEL", "ACK")

    with ThreadPoolExecutor(2) as pool:
        told = [pool.submit(call, "moved-on", "refused", 486), pool.submit(call, "gone", "cancelled", 487, cancel_after=1)]
        for one in told:
            one.result()


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_the_caller_gives_up_while_it_rings(serve: Serve, tmp_path: Path, transport: str) -> None:
    with Sipp(tmp_path, receive("INVITE"), answer(180), *CANCELLED, transport=transport) as rings:
        call = ring(serve, rings.target(), cancel_after=1)
        rings.got("INVITE", "CANCEL", "ACK")
        assert (call["state"], call["status"], call["ended_by"]) == ("cancelled", 487, "caller")
        assert outcomes(call) == [(1, "cancelled", None)]


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_the_customer_hangs_up(serve: Serve, tmp_path: Path, transport: str) -> None:
    steps = (receive("INVITE"), *TAKES, wait(0.5), request("BYE", 1), receive("200"))
    with Sipp(tmp_path, *steps, transport=transport) as customer:
        call = ring(serve, customer.target())
        assert (call["state"], call["status"], call["ended_by"]) == ("ended", 200, "called")
        until(lambda: any("CSeq: 1 BYE" in text for text in customer.messages()), "the 200 of its BYE")


def test_an_answer_that_fits_nothing_gets_ack_and_bye(serve: Serve, takes: Sipp, tmp_path: Path) -> None:
    body = "v=0\no=- 1 1 IN IP4 127.0.0.1\ns=-\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 9 RTP/AVP 3\na=rtpmap:3 GSM/8000\n"
    with Sipp(tmp_path, receive("INVITE"), answer(200, body=body), receive("ACK"), *HUNG_UP) as customer:
        call = ring(serve, f"{customer.target()}, {takes.target()}")
        customer.got("ACK", "BYE")
    assert outcomes(call) == [(1, "unusable", 200)] and (call["state"], call["status"]) == ("refused", 488)


def test_the_customer_keeps_a_session_timer(serve: Serve, tmp_path: Path) -> None:
    """It asked for none, and gets one from who answers (RFC 4028 9): the refresh is taken, and says so."""
    timer = ("Require: timer", "Supported: timer", "Session-Expires: 90;refresher=uas")
    refresh = ("Supported: timer", "Session-Expires: 90;refresher=uac")
    steps = (
        receive("INVITE"), answer(200, *timer, sdp=True), receive("ACK"), wait(1), request("INVITE", 1, *refresh, sdp=True),
        receive("100", optional=True), receive("200"), request("ACK", 1), *HUNG_UP,
    )  # fmt: skip

    def call(transport: str) -> None:
        with Sipp(tmp_path / transport, *steps, transport=transport, flags=("-rtp_echo",)) as customer:
            call = ring(serve, customer.target(), until="answered")

            def taken() -> list[str]:
                return [text for text in customer.messages() if text.startswith("SIP/2.0 200 ") and "CSeq: 1 INVITE" in text]

            until(taken, "the answer to its refresh")
            hang_up(serve, call)
            call = over(serve, call)
            customer.got("BYE")
        assert "\nSession-Expires: 90;refresher=uac" in taken()[0] and "\nRequire: timer" in taken()[0]
        assert (call["state"], call["ended_by"]) == ("ended", "trunk") and odd(call) == set()

    together(call, [("udp",), ("tcp",)])


def test_a_contact_that_nobody_listens_at_is_reached_over_its_connection(serve: Serve, tmp_path: Path) -> None:
    """interop-quirks 22: ACK and BYE."""
    contact = "sip:customer@127.0.0.1:9;transport=tcp"
    steps = (receive("INVITE"), answer(180, contact=contact), answer(200, sdp=True, contact=contact), receive("ACK"), *HUNG_UP)
    with Sipp(tmp_path, *steps, transport="tcp", flags=("-rtp_echo",)) as customer:
        call = ring(serve, customer.target(), talk=1)
        ack, bye = customer.got("ACK", "BYE")
    assert ack.startswith(f"ACK {contact} ") and bye.startswith(f"BYE {contact} ")
    assert (call["state"], call["ended_by"]) == ("ended", "caller") and odd(call) == set()


def test_an_update_is_refused_and_harms_nothing(serve: Serve, tmp_path: Path) -> None:
    """interop-quirks 24: Allow names no UPDATE."""
    steps = (receive("INVITE"), *TAKES, request("UPDATE", 1, sdp=True), receive("405"), *HUNG_UP)
    with Sipp(tmp_path, *steps, flags=("-rtp_echo",)) as customer:
        call = ring(serve, customer.target(), talk=5)
        customer.got("BYE")
    assert (call["state"], call["ended_by"]) == ("ended", "caller") and call["media"]["packets_received"] > 10


def test_a_reliable_provisional_response_gets_its_prack(tmp_path: Path) -> None:
    """Where the INVITE says that 100rel is supported (RFC 3262); its SDP is early media."""
    serve = Serve(tmp_path, env={"VSIM_FORWARDING_SUPPORTED": "timer,100rel"})
    try:
        steps = (
            receive("INVITE"), answer(183, "Require: 100rel", "RSeq: 7", sdp=True), receive("PRACK"), answer(200, to="PRACK"),
            wait(0.5), answer(200, early=True), receive("ACK"), *HUNG_UP,
        )  # fmt: skip
        with Sipp(tmp_path / "sipp", *steps, flags=("-rtp_echo",)) as customer:
            call = ring(serve, customer.target(), talk=1)
            (prack,) = customer.got("PRACK")
        assert "\nRAck: 7 1 INVITE" in prack and (call["state"], call["ended_by"]) == ("ended", "caller")
        assert [sound["what"] for sound in call["sounds"]] == ["early media", "the customer"] and odd(call) == set()
        serve.check()
    finally:
        serve.stop()
