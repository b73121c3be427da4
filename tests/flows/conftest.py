"""The trunk as it is without any setting."""

import pytest

from tests.support.network import Network


@pytest.fixture
def network() -> Network:
    return Network()
