"""What every test has: no swallowed errors, time that stands still, one seed."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from twisted.python import log

from emulator.clock import SteppedClock
from emulator.ids import Ids
from tests.support.serve import Serve

settings.register_profile("vsim", deadline=None, derandomize=True)
settings.load_profile("vsim")


TESTS = Path(__file__).parent
LONGEST = (
    "wire/test_faults.py", "wire/test_scenarios_calls.py", "wire/test_phone.py", "wire/test_run.py", "wire/test_capture.py",
    "wire/test_demo.py", "wire/test_capture_media.py", "container/test_running.py", "wire/test_inbound_sipp.py", "wire/test_commands.py",
    "wire/test_magic.py", "wire/test_scenarios_names.py", "wire/test_scenarios_network.py", "wire/test_media.py",
    "wire/test_scenarios_media.py", "wire/test_inbound_load.py", "cli/test_mistakes.py",
)  # fmt: skip
"""Files of tests, those that take longest first."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Among workers that get a file each the long ones go first, else one of them is still at work when all others have done theirs."""
    if not hasattr(config, "workerinput"):
        return
    ranks = {TESTS / name: rank for rank, name in enumerate(LONGEST)}
    folders = {TESTS / "container": len(ranks), TESTS / "wire": len(ranks) + 1}
    items.sort(key=lambda item: ranks.get(item.path, folders.get(item.path.parent, len(ranks) + 2)))


@pytest.fixture(autouse=True)
def no_swallowed_errors() -> Iterator[None]:
    """Twisted logs an exception in a callback and goes on; here it fails the test that caused it."""
    errors: list[dict[str, Any]] = []

    def observe(event: dict[str, Any]) -> None:
        if event.get("isError"):
            errors.append(event)

    log.addObserver(observe)
    try:
        yield
    finally:
        log.removeObserver(observe)
    for event in errors:
        failure = event.get("failure")
        pytest.fail(failure.getTraceback() if failure is not None else log.textFromEventDict(event) or "an error was logged")


@pytest.fixture
def clock() -> SteppedClock:
    return SteppedClock()


@pytest.fixture
def ids() -> Ids:
    return Ids(seed=1)


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """A running emulator on ports that the system chose; nothing may have gone wrong inside it."""
    emulator = Serve(tmp_path)
    try:
        yield emulator
        emulator.check()
    finally:
        emulator.stop()
