"""Calls that come to the phone, from the trunk and from a scripted caller, on a stepped clock."""

import pytest

from emulator.phone.outcome import Outcome
from emulator.phone.report import rows
from emulator.phone.script import Answering, Calling
from emulator.trunk.callers import Ring
from tests.support.desk import HERE, PORTS, Desk
from tests.support.network import MemoryFlow
from tests.support.phone import SDP, Phone


def ring(desk: Desk, forward: str, **how: object) -> str:
    """A call from Vonage to the phone; returns the journal's number of it."""
    return desk.network.trunk.exchange.ring(
        Ring(number="447700900000", caller="14155550100", forward=forward, **how)  # type: ignore[arg-type]
    ).id


@pytest.mark.parametrize("srtp", [False, True])
@pytest.mark.parametrize("transport", ["UDP", "TCP", "TLS"])
def test_a_call_from_the_trunk(transport: str, srtp: bool) -> None:
    """The caller echoes, the phone plays, and reads the caller's digits."""
    desk = Desk()
    desk.answer(Answering(play="signal", hears="echo", hears_digits="42#", ring=1.0))
    media = ";media=srtp" if srtp else ""
    port = PORTS[transport]
    id = ring(desk, f"sip:100@{HERE}:{port};transport={transport.lower()}{media}", play="echo", digits="42#", talk=3.0)
    desk.clock.advance(100)
    (outcome,) = desk.outcomes
    assert outcome.problems == [] and (outcome.status, outcome.ended_by, outcome.rang) == (200, "other", True)
    assert (outcome.caller, outcome.number, outcome.transport) == ("14155550100", "100", transport)
    assert outcome.answered_after == pytest.approx(1.0)
    assert outcome.media is not None and outcome.media["srtp"] == srtp and outcome.media["digits_heard"] == "42#"
    assert outcome.media["echo"]["same"] and outcome.media["echo"]["returned"] >= 148
    record = desk.network.journal.get(id)
    assert record is not None and record.state == "ended"
    desk.network.trunk.hang_up_all(lambda: None)
    assert desk.idle


def test_the_phone_echoes_and_hangs_up() -> None:
    desk = Desk()
    desk.answer(Answering(talk=2.0))
    ring(desk, f"sip:100@{HERE}:5080")
    desk.clock.advance(100)
    (outcome,) = desk.outcomes
    assert outcome.problems == [] and outcome.ended_by == "phone" and outcome.talked == pytest.approx(2.0, abs=0.1)
    assert outcome.media is not None and outcome.media["heard"]["packets"] >= 99 and outcome.media["sent"]["packets"] >= 99
    assert desk.idle


@pytest.mark.parametrize(("play", "talked"), [("nothing", 3.0), ("tone", 5.0)])
def test_it_hangs_up_on_silence(play: str, talked: float) -> None:
    """Also on a caller that was heard before."""
    desk = Desk()
    desk.answer(Answering(longest_silence=3.0))
    ring(desk, f"sip:100@{HERE}:5080", play=play)
    desk.clock.advance(0.005)
    desk.network.ports[-1].lose = lambda count: count > 100  # type: ignore[attr-defined]
    desk.clock.advance(100)
    (outcome,) = desk.outcomes
    assert (outcome.ended_by, outcome.silent, outcome.as_dict()["silent"]) == ("phone", 3.0, 3.0)
    assert outcome.talked == pytest.approx(talked, abs=0.4)
    assert [problem.text for problem in outcome.problems] == (["nothing was heard"] if play == "nothing" else [])
    assert rows(outcome)[0].text.endswith("s, the last 3 s of which were silent")
    assert desk.idle


def test_a_hold_is_no_silence() -> None:
    desk = Desk()
    desk.answer(Answering(play="tone", longest_silence=0.5, hold_after=1.0, talk=4.0))
    ring(desk, f"sip:100@{HERE}:5080", play="echo")
    desk.clock.advance(100)
    (outcome,) = desk.outcomes
    assert outcome.problems == [] and outcome.silent is None and outcome.talked == pytest.approx(4.0, abs=0.1)


@pytest.mark.parametrize("status", [302, 404, 486, 503, 603])
@pytest.mark.parametrize("ringing", [None, 1.0])
def test_it_refuses(status: int, ringing: float | None) -> None:
    desk = Desk()
    desk.answer(Answering(status=status, ring=ringing))
    id = ring(desk, f"sip:100@{HERE}:5080")
    desk.clock.advance(100)
    record = desk.network.journal.get(id)
    assert record is not None and [attempt.status for attempt in record.attempts] == [status]
    assert [(outcome.status, outcome.problems) for outcome in desk.outcomes] == [(status, [])]
    assert desk.idle


def test_it_stays_silent() -> None:
    """Nothing goes out, however often the INVITE comes, and it is told of once."""
    desk = Desk()
    desk.answer(Answering(silent=True))
    id = ring(desk, f"sip:100@{HERE}:5080;timeout=3000")
    desk.clock.advance(100)
    record = desk.network.journal.get(id)
    assert record is not None and [attempt.outcome for attempt in record.attempts] == ["timeout"]
    assert [(outcome.status, outcome.media) for outcome in desk.outcomes] == [(None, None)]
    assert all(note.incoming for note in desk.phone.notes)
    assert desk.idle


def test_the_caller_gives_up_while_it_rings() -> None:
    desk = Desk()
    desk.answer(Answering(ring=30.0))
    ring(desk, f"sip:100@{HERE}:5080", cancel_after=2.0)
    desk.clock.advance(100)
    (outcome,) = desk.outcomes
    assert outcome.status == 487 and [problem.text for problem in outcome.problems] == ["the caller gave up before the answer"]
    assert desk.idle


def test_a_503_and_then_the_next_target() -> None:
    """Two phones at two ports: the one refuses, the other takes the call."""
    desk = Desk()
    scripts = iter([Answering(status=503), Answering(play="signal", hears="echo", talk=2.0)])

    def over(*outcomes: Outcome) -> None:
        desk.outcomes.extend(outcomes)
        desk.phone.answer(next(scripts, None), over)

    over()
    id = ring(desk, f"sip:100@{HERE}:5080, sip:100@{HERE}:5081;transport=tls;media=srtp", play="echo")
    desk.clock.advance(100)
    record = desk.network.journal.get(id)
    assert record is not None and [attempt.status for attempt in record.attempts] == [503, 200]
    assert [outcome.status for outcome in desk.outcomes] == [503, 200]
    assert desk.outcomes[1].problems == [] and desk.outcomes[1].media is not None and desk.outcomes[1].media["srtp"]
    assert desk.idle


def test_a_phone_that_takes_no_calls() -> None:
    desk = Desk()
    id = ring(desk, f"sip:100@{HERE}:5080")
    desk.clock.advance(100)
    record = desk.network.journal.get(id)
    assert record is not None and [attempt.status for attempt in record.attempts] == [480]
    assert desk.idle


def test_it_can_be_called_while_it_calls() -> None:
    desk = Desk()
    desk.answer(Answering(talk=1.0))
    _, over = desk.place(script=Calling(talk=3.0))
    desk.clock.advance(0.5)
    ring(desk, f"sip:100@{HERE}:5080")
    desk.clock.advance(100)
    assert over[0].problems == [] and desk.outcomes[0].problems == []
    assert desk.idle


# -- by a caller that shares no code with it -------------------------------------------------------------------------


class Caller:
    """A scripted caller at the phone's door."""

    def __init__(self, script: Answering) -> None:
        self.desk = desk = Desk()
        desk.answer(script)
        self.flow = MemoryFlow(lambda data: self.scripted.receive(data))
        self.flow.local = (HERE, 5080)
        self.scripted = Phone(lambda data: desk.phone.endpoint.receive(data, self.flow), server=f"{HERE}:5080")


def test_the_answer_as_it_is_on_the_wire() -> None:
    caller = Caller(Answering(ring=0.5))
    scripted = caller.scripted
    scripted.invite("100")
    scripted.expect(100, 180)
    caller.desk.clock.advance(0.5)
    answered = scripted.expect(200)
    assert b"m=audio 30000 RTP/AVP 0 101" in answered.body
    assert answered.get("contact") == f"<sip:100@{caller.flow.sent_by}>"
    scripted.ack(answered)
    scripted.in_dialog("BYE")
    scripted.expect(200)
    (outcome,) = caller.desk.outcomes
    assert (outcome.status, outcome.ended_by) == (200, "other")
    assert [problem.text for problem in outcome.problems] == ["nothing was heard"]
    caller.desk.clock.advance(100)
    assert caller.desk.idle


def test_an_offer_that_fits_nothing() -> None:
    caller = Caller(Answering())
    caller.scripted.invite(
        "100", body=SDP.replace("RTP/AVP 0 8 101", "RTP/AVP 18").replace("a=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n", "")
    )
    caller.scripted.expect(488)
    (outcome,) = caller.desk.outcomes
    assert outcome.status == 488 and [problem.kind for problem in outcome.problems] == ["signalling"]
    assert all(port.closed for port in caller.desk.ports)


@pytest.mark.parametrize(
    ("extra", "status"), [("Require: 100rel\r\n", 420), ("Require: foo\r\n", 420), ("Supported: timer\r\nSession-Expires: 30\r\n", 422)]
)
def test_what_can_not_be_taken(extra: str, status: int) -> None:
    caller = Caller(Answering())
    caller.scripted.invite("100", extra)
    refused = caller.scripted.expect(status)
    if status == 420:
        assert refused.get("unsupported") in ("100rel", "foo")
    else:
        caller.scripted.ack(refused)
    assert [outcome.status for outcome in caller.desk.outcomes] == [status]
    caller.desk.clock.advance(100)
    assert caller.desk.idle


def test_an_invite_without_an_offer() -> None:
    """RFC 3261 13.2.1: the offer is in the 200, its answer in the ACK."""
    caller = Caller(Answering())
    scripted = caller.scripted
    scripted.invite("100", body="")
    answered = scripted.expect(100, 200)
    assert b"RTP/AVP 0 8 101" in answered.body
    scripted.ack(answered)  # without the answer that is due
    scripted.expect("BYE")
    (outcome,) = caller.desk.outcomes or [None]
    assert outcome is None
    caller.desk.clock.advance(100)
    (outcome,) = caller.desk.outcomes
    assert [problem.kind for problem in outcome.problems][:1] == ["media"]
    assert caller.desk.idle


def test_options_and_what_it_does_not_serve() -> None:
    caller = Caller(Answering())
    caller.scripted.transmit(caller.scripted.request("OPTIONS", f"sip:{HERE}:5080"))
    answered = caller.scripted.expect(200)
    assert "INVITE" in (answered.get("allow") or "")
    caller.scripted.transmit(caller.scripted.request("MESSAGE", f"sip:{HERE}:5080"))
    caller.scripted.expect(405)
