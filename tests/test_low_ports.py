"""Ports below 1024: the capability is raised for the opening and no longer. That it suffices is seen in tests/container."""

import sys
from pathlib import Path

import pytest

from emulator.low_ports import allowed

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="capabilities are Linux's")


def capabilities() -> list[str]:
    return [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("Cap")]


@pytest.mark.parametrize("port", [0, 53, 1023, 1024, 8053])
def test_nothing_stays_raised(port: int) -> None:
    before = capabilities()
    with allowed(port):
        pass
    assert capabilities() == before
    with pytest.raises(PermissionError), allowed(port):
        raise PermissionError
    assert capabilities() == before
