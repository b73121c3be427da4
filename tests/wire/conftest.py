"""Every test here runs `vsim serve` as a process."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.serve import Serve

WIRE = Path(__file__).resolve().parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if WIRE in item.path.parents:
            item.add_marker(pytest.mark.wire)


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    emulator = Serve(tmp_path)
    try:
        yield emulator
        emulator.check()
    finally:
        emulator.stop()
