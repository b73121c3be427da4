"""Every test here runs `vsim serve` as a process."""

from pathlib import Path

import pytest

WIRE = Path(__file__).resolve().parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if WIRE in item.path.parents:
            item.add_marker(pytest.mark.wire)
