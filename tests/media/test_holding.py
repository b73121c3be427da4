"""What holds packets back, exactly, on a clock that stands still."""

import itertools
import statistics

import pytest

from emulator.chance import Chance
from emulator.clock import SteppedClock
from emulator.ids import Ids
from emulator.media.holding import Delay, Jitter, Reorder, Room
from emulator.media.losing import Loss
from tests.support.impaired import Wire, rtp


@pytest.fixture
def wire(clock: SteppedClock) -> Wire:
    return Wire(clock)


def test_delay(wire: Wire) -> None:
    made = wire.make(Delay, seconds=0.05)
    wire.talk(3)
    assert wire.times == [0.05] and wire.sent == [rtp(1)]
    wire.clock.advance(1)
    assert wire.times == [0.05, 0.07, 0.09] and wire.sent == [rtp(1), rtp(2), rtp(3)]
    assert made.counters() == {"seen": 3, "hit": 3, "early": 0, "refused": 0} and wire.clock.pending == 0


def test_no_delay_is_none(wire: Wire) -> None:
    made = wire.make(Delay, seconds=0)
    wire.send(rtp(1))
    assert wire.times == [0.0] and made.hit == 0


def test_the_oldest_goes_out_at_once_when_too_many_wait(wire: Wire) -> None:
    made = wire.make(Delay, seconds=10)
    for k in range(205):
        wire.send(rtp(k))
    assert wire.sequences == [0, 1, 2, 3, 4] and made.early == 5 and wire.clock.pending == 200
    wire.clock.advance(10)
    assert wire.sequences == list(range(205)) and made.early == 5 and made.room.taken == 0


def test_the_room_is_the_calls_not_the_impairments(clock: SteppedClock) -> None:
    there, back = Wire(clock), Wire(clock)
    room = Room(10)
    one = there.chain(("delay", {"seconds": 1}), ("jitter", {"mean": 1, "deviation": 0}), room=room)
    back.chain(("delay", {"seconds": 1}), room=room)
    for k in range(8):
        there.send(rtp(k))
    for k in range(4):
        back.send(rtp(k))
    assert room.taken == 10 and there.sequences == [] and back.sequences == [0, 1]
    one.close()
    assert room.taken == 2
    clock.advance(3)
    assert room.taken == 0 and there.sequences == [] and back.sequences == [0, 1, 2, 3]


def test_a_refused_packet_is_counted_because_a_timer_has_no_caller(clock: SteppedClock, ids: Ids) -> None:
    def refuse(packet: bytes | memoryview) -> None:
        raise ConnectionRefusedError

    made = Delay(refuse, clock, Chance(ids), 0.1)
    made(rtp(1))
    clock.advance(1)
    assert made.counters() == {"seen": 1, "hit": 1, "early": 0, "refused": 1}
    with pytest.raises(ConnectionRefusedError):
        Loss(refuse, clock, Chance(ids), 0.0)(rtp(1))


@pytest.mark.parametrize("distribution", ["normal", "uniform"])
def test_jitter_keeps_the_order(wire: Wire, distribution: str) -> None:
    made = wire.make(Jitter, mean=0.03, deviation=0.03, distribution=distribution)
    wire.talk(2000)
    wire.clock.advance(1)
    assert wire.sequences == list(range(1, 2001)) and made.early == 0
    steps = {round(b - a, 3) for a, b in itertools.pairwise(wire.times)}
    assert len(steps) > 20 and min(steps) >= 0


def test_jitter_keeps_the_order_of_packets_that_are_due_and_not_yet_sent(clock: SteppedClock, wire: Wire) -> None:
    """A busy reactor reads packets before it runs timers."""
    wire.make(Jitter, mean=0.02, deviation=0.02, distribution="uniform")
    for k in range(200):
        wire.send(rtp(k))
        clock.now += 0.05  # no timer fires
    clock.advance(1)
    assert wire.sequences == list(range(200))


def test_jitter_may_reorder(wire: Wire) -> None:
    wire.make(Jitter, mean=0.03, deviation=0.03, reorder=True)
    wire.talk(500)
    wire.clock.advance(1)
    assert wire.sequences != sorted(wire.sequences) and sorted(wire.sequences) == list(range(1, 501))


def test_jitter_is_as_wide_as_it_says(wire: Wire) -> None:
    wire.make(Jitter, mean=0.1, deviation=0.02, reorder=True)
    came: list[float] = []
    for k in range(5000):
        wire.sent.clear()
        start = wire.clock.now
        wire.send(rtp(k))
        wire.clock.advance(1)
        came.append(wire.times[-1] - (start - wire.started))
    assert 0.098 < statistics.fmean(came) < 0.102 and 0.018 < statistics.stdev(came) < 0.022


def test_uniform_jitter_stays_within_its_deviation(wire: Wire) -> None:
    wire.make(Jitter, mean=0.1, deviation=0.02, distribution="uniform", reorder=True)
    for k in range(200):
        wire.send(rtp(k))
    wire.clock.advance(1)
    assert 0.08 <= min(wire.times) < 0.085 and 0.115 < max(wire.times) <= 0.12


def test_jitter_of_nothing_sends_at_once(wire: Wire) -> None:
    made = wire.make(Jitter, mean=0, deviation=0)
    wire.talk(3)
    assert wire.times == [0.0, 0.02, 0.04] and made.hit == 0


@pytest.mark.parametrize(("by", "order"), [(1, [2, 1, 4, 3, 6, 5]), (2, [2, 3, 1, 5, 6, 4]), (5, [2, 3, 4, 5, 6, 1])])
def test_reordering(wire: Wire, by: int, order: list[int]) -> None:
    made = wire.make(Reorder, probability=1, by=by)
    wire.talk(6)
    assert wire.sequences == order and wire.sent[order.index(1)] == rtp(1) and made.hit == 6 // (by + 1)
    assert wire.clock.pending == 0


def test_a_reordered_packet_does_not_wait_for_ever(wire: Wire) -> None:
    wire.make(Reorder, probability=1, by=3)
    wire.talk(2)
    wire.clock.advance(2)
    assert wire.sequences == [2, 1] and wire.times == [0.02, 1.0]
    wire.talk(4, first=3)
    assert wire.sequences == [2, 1, 4, 5, 6, 3]


def test_reordering_never(wire: Wire) -> None:
    made = wire.make(Reorder, probability=0)
    wire.talk(50)
    assert wire.sequences == list(range(1, 51)) and made.hit == 0


def test_a_refused_packet_still_counts_as_passing(wire: Wire) -> None:
    refusing = True

    def arrive(packet: bytes | memoryview) -> None:
        if refusing:
            raise ConnectionRefusedError
        wire.arrive(packet)

    wire.through = Reorder(arrive, wire.clock, wire.chance, 1.0, 2)
    wire.send(rtp(1))
    with pytest.raises(ConnectionRefusedError):
        wire.send(rtp(2))
    refusing = False
    wire.send(rtp(3))
    assert wire.sequences == [3, 1]
