"""Chance: it repeats with the seed, it is its own, and it is as likely as it says."""

import statistics
from collections.abc import Callable

import pytest

from emulator.chance import Chance
from emulator.ids import Ids

DRAWS: list[Callable[[Chance], object]] = [
    lambda chance: chance.fraction(),
    lambda chance: chance.happens(0.5),
    lambda chance: chance.uniform(-1, 1),
    lambda chance: chance.normal(0, 1),
    lambda chance: chance.number(1000),
    lambda chance: chance.fork().fraction(),
]


@pytest.mark.parametrize("draw", DRAWS)
def test_the_same_seed_repeats_and_another_differs(draw: Callable[[Chance], object]) -> None:
    def drawn(seed: int) -> list[object]:
        chance = Chance(Ids(seed))
        return [draw(chance) for _ in range(200)]

    assert drawn(7) == drawn(7) != drawn(8)


def test_without_a_seed_nothing_repeats() -> None:
    assert [Chance(Ids()).number(1 << 32) for _ in range(4)] != [Chance(Ids()).number(1 << 32) for _ in range(4)]


def test_what_others_draw_changes_nothing() -> None:
    quiet, busy = Ids(3), Ids(3)
    alone, disturbed = Chance(quiet), Chance(busy)
    expected = [alone.fraction() for _ in range(1000)]
    actual = []
    for _ in range(1000):
        busy.branch()
        actual.append(disturbed.fraction())
    assert actual == expected


def test_a_fork_goes_its_own_way() -> None:
    """Asking the one source more often leaves the other's decisions as they were."""
    first, second = Chance(Ids(3)), Chance(Ids(3))
    one, other = first.fork(), second.fork()
    for _ in range(10):
        second.fraction()
    assert [one.fraction() for _ in range(100)] == [other.fraction() for _ in range(100)]
    assert first.fork().fraction() != first.fork().fraction()


def test_never_and_always(ids: Ids) -> None:
    chance = Chance(ids)
    assert not any(chance.happens(0.0) for _ in range(5000))
    assert all(chance.happens(1.0) for _ in range(5000))


def test_a_higher_probability_adds_events_and_moves_none() -> None:
    rare, often = Chance(Ids(4)), Chance(Ids(4))
    pairs = [(rare.happens(0.05), often.happens(0.2)) for _ in range(5000)]
    assert all(b for a, b in pairs if a) and sum(a for a, _ in pairs) < sum(b for _, b in pairs)


def test_as_likely_as_it_says(ids: Ids) -> None:
    chance = Chance(ids)
    assert 0.18 < sum(chance.happens(0.2) for _ in range(20_000)) / 20_000 < 0.22
    fractions = [chance.fraction() for _ in range(20_000)]
    assert min(fractions) >= 0 and max(fractions) < 1 and 0.49 < statistics.fmean(fractions) < 0.51


def test_the_two_curves(ids: Ids) -> None:
    chance = Chance(ids)
    even = [chance.uniform(2.0, 6.0) for _ in range(20_000)]
    assert 2.0 <= min(even) < 2.1 and 5.9 < max(even) <= 6.0 and 3.9 < statistics.fmean(even) < 4.1
    bell = [chance.normal(10.0, 3.0) for _ in range(20_000)]
    assert 9.8 < statistics.fmean(bell) < 10.2 and 2.8 < statistics.stdev(bell) < 3.2
    assert 0.65 < sum(7.0 < value < 13.0 for value in bell) / len(bell) < 0.71
    assert chance.normal(5.0, 0.0) == 5.0 and chance.uniform(5.0, 5.0) == 5.0


def test_whole_numbers_stay_below(ids: Ids) -> None:
    chance = Chance(ids)
    assert {chance.number(6) for _ in range(500)} == set(range(6))
