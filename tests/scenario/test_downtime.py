"""What was down and when, looked up quickly; and a verdict over very much of it that lets others have their turn."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from emulator.clock import SteppedClock
from emulator.journal.journal import Journal
from emulator.scenario.downtime import Downtime, Outage, outages, proxies
from emulator.scenario.failover import _longest_gap, failover, judging
from emulator.scenario.likeness import By
from emulator.scenario.trail import Attempt
from emulator.sip.flow import Path

_TIMES = st.integers(0, 20).map(float)
_PROXIES = st.sampled_from(["us-3-1", "us-3-2", "eu-3-1"])
_TRANSPORTS = st.sampled_from(["UDP", "TCP", "TLS"])
_BY: st.SearchStrategy[By] = st.sampled_from(["messages", "connections", "names"])
_OUTAGES = st.lists(
    st.builds(
        Outage, st.sampled_from(["us", "us-3-1", "us-3-2 eu-3-1", "all"]), st.just("drop"), _TIMES, st.none() | _TIMES,
        st.sampled_from(["", "UDP", "TCP TLS"]), _BY,
    ),
    min_size=1, max_size=8,
)  # fmt: skip
_ATTEMPTS = st.builds(Attempt, _TIMES, st.just("192.0.2.1"), st.just("INVITE"), _PROXIES, _TRANSPORTS, st.just("200"))


def spans(one: Outage) -> tuple[float, float]:
    return one.began, one.ended if one.ended is not None else float("inf")


@given(_OUTAGES, _ATTEMPTS, st.sets(_BY))
def test_an_attempt_met_what_was_down(found: list[Outage], one: Attempt, by: set[By]) -> None:
    found = [outage for outage in found if outage.ended is None or outage.began <= outage.ended] or [Outage("us", "drop", 1.0, None)]
    then = [outage for outage in found if spans(outage)[0] <= one.time < spans(outage)[1]]
    down = Downtime(found)
    assert down.lasted(one.time) is bool(then)
    assert down.met(one, *by) is any(
        outage.by in by and one.proxy in proxies(outage.name) and one.transport in (outage.transport.split() or [one.transport])
        for outage in then
    )


@given(st.lists(_ATTEMPTS), st.lists(_ATTEMPTS))
def test_the_longest_gap(met: Sequence[Attempt], calls: list[Attempt]) -> None:
    calls.sort(key=lambda one: one.time)
    gaps = [
        next((other.time - one.time for other in calls if other.time > one.time and other.proxy != one.proxy), 0.0) for one in met
    ]  # fmt: skip
    assert _longest_gap(met, calls) == max(gaps, default=0.0)


def flapping(calls: int, flaps: int) -> Journal:
    """A site that goes down and comes up again and again, and a client that calls it meanwhile."""
    clock = SteppedClock()
    journal = Journal(clock)
    path = Path("UDP", ("127.0.13.1", 5060), ("192.0.2.10", 5070))
    head = "Via: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:1@h>;tag=a\r\nTo: <sip:2@h>{}\r\nCall-ID: {}\r\nCSeq: 1 {}\r\n\r\n"
    for number in range(flaps):
        journal.event("down", name="us-3", how="503", fault="1", transport=None)
        clock.advance(1)
        if number < calls:
            record = journal.call(f"c{number}")
            record.proxy, record.transport, record.peer = "us-3-1", "UDP", "192.0.2.10:5070"
            for incoming, start, tag, method in (
                (True, "INVITE sip:2@h SIP/2.0", "", "INVITE"), (False, "SIP/2.0 503 No", ";tag=b", "INVITE"),
                (True, "ACK sip:2@h SIP/2.0", ";tag=b", "ACK"),
            ):  # fmt: skip
                message = f"{start}\r\n{head.format(tag, record.call_id, method)}".encode()
                journal.message(record, clock.seconds(), incoming, "us-3-1", message, path)
        clock.advance(1)
        journal.event("up", name="us-3", fault="1")
        clock.advance(1)
    return journal


def test_a_long_verdict_stops_now_and_then() -> None:
    journal = flapping(300, 400)
    work = judging(journal)
    stops = sum(1 for _ in work)
    assert stops > 300  # after each call, at least
    found = failover(journal)
    assert found is not None and len(found.outages) == len(outages(journal.events())) == 400
    (client,) = found.clients
    assert (client.refusals, client.acknowledged, client.calls_moved) == (300, 300, False)
