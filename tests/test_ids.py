"""Random choices that one seed repeats."""

import pytest

from emulator.ids import Ids


def test_one_seed_repeats_everything_and_no_seed_nothing() -> None:
    def draw(ids: Ids) -> list[object]:
        return [ids.branch(), ids.tag(), ids.call_id(), ids.ssrc(), ids.sequence(), ids.number(1000), ids.take(4096)]

    assert draw(Ids(5)) == draw(Ids(5)) != draw(Ids(6))
    assert draw(Ids()) != draw(Ids())


@pytest.mark.parametrize("below", [1, 2, 11, 1 << 31])
def test_numbers_stay_below(below: int) -> None:
    ids = Ids(1)
    assert all(0 <= ids.number(below) < below for _ in range(100))
