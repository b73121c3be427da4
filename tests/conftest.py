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
