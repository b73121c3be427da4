"""Long work has its turns, and everything else its own."""

from collections.abc import Iterator

import pytest

from emulator.clock import SteppedClock
from emulator.control.turns import TURN, Turns, stepwise


class Work:
    """So many steps of half a turn each."""

    def __init__(self, clock: SteppedClock, steps: int) -> None:
        self.clock = clock
        self.left = steps
        self.turns: list[float] = []

    def __call__(self, until: float) -> bool:
        self.turns.append(round(self.clock.now - 1000.0, 4))
        while self.left and self.clock.now < until:
            self.clock.now += TURN / 2
            self.left -= 1
        return self.left > 0


@pytest.fixture
def errors() -> list[Exception]:
    return []


@pytest.fixture
def turns(clock: SteppedClock, errors: list[Exception]) -> Turns:
    return Turns(clock, errors.append)


def test_short_work_is_done_at_once(clock: SteppedClock, turns: Turns) -> None:
    work = Work(clock, 1)
    turns.take(work)
    assert work.turns == [0.0] and not work.left and not clock.pending


def test_long_work_rests_between_its_turns(clock: SteppedClock, turns: Turns) -> None:
    work = Work(clock, 5)
    turns.take(work)
    assert work.turns == [0.0] and work.left == 3
    clock.advance(1)
    assert work.turns == [0.0, 0.004, 0.008] and not work.left and not clock.pending


def test_however_much_waits_one_has_its_turn_at_a_time(clock: SteppedClock, turns: Turns) -> None:
    """Two hundred clients that ask for a long list in one read of the reactor must not add up."""
    several = [Work(clock, 3) for _ in range(3)]
    for work in several:
        turns.take(work)
    assert [work.left for work in several] == [1, 3, 3]
    clock.advance(1)
    assert [work.turns for work in several] == [[0.0, 0.004], [0.007, 0.015], [0.011, 0.018]] and not clock.pending


def test_work_that_comes_soon_after_other_work_waits(clock: SteppedClock, turns: Turns) -> None:
    turns.take(Work(clock, 1))
    soon = Work(clock, 1)
    turns.take(soon)
    assert not soon.turns
    clock.advance(1)
    assert soon.turns == [0.003] and not clock.pending


def test_an_error_ends_its_own_work_alone(clock: SteppedClock, turns: Turns, errors: list[Exception]) -> None:
    def broken(until: float) -> bool:
        raise RuntimeError("ours")

    others = Work(clock, 3), Work(clock, 1)
    turns.take(others[0])
    turns.take(broken)
    turns.take(others[1])
    clock.advance(1)
    assert [str(error) for error in errors] == ["ours"] and not others[0].left and not others[1].left and not clock.pending
    turns.take(broken)
    assert len(errors) == 2


def test_steps_are_taken_in_turns_and_the_end_is_told(clock: SteppedClock, turns: Turns, errors: list[Exception]) -> None:
    taken: list[float] = []
    told: list[bool] = []

    def steps(last: int) -> Iterator[None]:
        for step in range(4):
            if step == last:
                raise RuntimeError("ours")
            taken.append(round(clock.now - 1000.0, 4))
            clock.now += TURN / 2
            yield

    turns.take(stepwise(steps(9), clock, told.append))
    assert taken == [0.0, 0.001] and not told
    clock.advance(1)
    assert taken == [0.0, 0.001, 0.004, 0.005] and told == [True] and not clock.pending
    turns.take(stepwise(steps(1), clock, told.append))
    assert told == [True, False] and [str(error) for error in errors] == ["ours"] and not clock.pending
