"""A call of ours over each transport."""

import pytest

from tests.support.calling import CallNetwork


@pytest.fixture(params=["UDP", "TCP"])
def network(request: pytest.FixtureRequest) -> CallNetwork:
    return CallNetwork(request.param)
