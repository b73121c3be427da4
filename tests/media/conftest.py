"""Both kinds of media ports, for tests of what they have in common."""

from collections.abc import Iterator

import pytest

from tests.media.ground import Ground, ground


@pytest.fixture(params=["pairs", "shared"])
def place(request: pytest.FixtureRequest) -> Iterator[Ground]:
    made = ground(request.param)
    yield made
    made.close()


@pytest.fixture(params=["pairs", "shared"])
def latching(request: pytest.FixtureRequest) -> Iterator[Ground]:
    made = ground(request.param, latch=True)
    yield made
    made.close()
