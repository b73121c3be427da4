"""Every test here runs `vsim serve` as a process."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.stories import AT_ONCE, Plays

WIRE = Path(__file__).resolve().parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if WIRE in item.path.parents:
            item.add_marker(pytest.mark.wire)


@pytest.fixture(scope="module")
def plays(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plays]:
    """The stories of the module's table; its `AT_ONCE` is how many are under way at once."""
    plays = Plays(request, tmp_path_factory, getattr(request.module, "AT_ONCE", AT_ONCE))
    try:
        yield plays
    finally:
        plays.close()
