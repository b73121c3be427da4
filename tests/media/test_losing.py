"""What loses packets, exactly, on a clock that stands still."""

import itertools
import statistics

import pytest

from emulator.clock import SteppedClock
from emulator.media.losing import Burst, EarlyStop, LateStart, LosePattern, Loss, OneWay
from tests.support.impaired import Wire, rtp


@pytest.fixture
def wire(clock: SteppedClock) -> Wire:
    return Wire(clock)


def test_loss_by_pattern(wire: Wire) -> None:
    made = wire.make(LosePattern, pattern="..x.x")
    wire.talk(12)
    assert wire.sequences == [1, 2, 4, 6, 7, 9, 11, 12]
    assert made.counters() == {"seen": 12, "hit": 4}
    assert wire.sent[0] == rtp(1)


def test_one_way(wire: Wire) -> None:
    made = wire.make(OneWay)
    wire.talk(5)
    assert wire.sent == [] and made.counters() == {"seen": 5, "hit": 5}


def test_late_start(wire: Wire) -> None:
    """From when it was made, not from the first packet."""
    made = wire.make(LateStart, seconds=0.99)
    wire.clock.advance(0.94)
    wire.talk(6)
    assert wire.sequences == [4, 5, 6] and wire.times[0] == 1.0 and made.hit == 3


def test_early_stop(wire: Wire) -> None:
    made = wire.make(EarlyStop, seconds=0.05)
    wire.talk(6)
    assert wire.sequences == [1, 2, 3] and made.hit == 3


def test_an_early_stop_at_once(wire: Wire) -> None:
    wire.make(EarlyStop, seconds=0)
    wire.send(rtp(1))
    assert wire.sent == []


def test_loss_is_as_likely_as_it_says(wire: Wire) -> None:
    made = wire.make(Loss, probability=0.05)
    for k in range(20_000):
        wire.send(rtp(k))
    assert 0.04 < made.hit / 20_000 < 0.06 and len(wire.sent) == 20_000 - made.hit


@pytest.mark.parametrize(("probability", "count"), [(0.0, 100), (1.0, 0)])
def test_loss_never_and_always(wire: Wire, probability: float, count: int) -> None:
    wire.make(Loss, probability=probability)
    wire.talk(100)
    assert len(wire.sent) == count


def test_bursts_are_as_long_and_as_frequent_as_they_say(wire: Wire) -> None:
    """Gilbert: of all packets probability / (probability + 1 / length) are lost."""
    made = wire.make(Burst, probability=0.02, length=5)
    lost = []
    for k in range(20_000):
        before = made.hit
        wire.send(rtp(k))
        lost.append(made.hit > before)
    runs = [len(list(run)) for is_lost, run in itertools.groupby(lost) if is_lost]
    assert 4.3 < statistics.fmean(runs) < 5.7 and max(runs) > 10
    assert 0.07 < made.hit / 20_000 < 0.11


def test_bursts_of_one_are_never_in_a_row(wire: Wire) -> None:
    wire.make(Burst, probability=1.0, length=1)
    wire.talk(6)
    assert wire.sequences == [2, 4, 6]
