"""What every test has: no swallowed errors, time that stands still, one seed."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from _pytest.runner import runtestprotocol
from hypothesis import HealthCheck, settings
from twisted.python import log

from emulator.clock import SteppedClock
from emulator.ids import Ids
from tests.support import starved
from tests.support.serve import Serve

settings.register_profile("vsim", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
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


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    """What speaks of real time and has failed on a machine that was starved is tried once more, with fixtures of its own."""
    if item.get_closest_marker("real_time") is None or not isinstance(item, pytest.Function):
        return None
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    watch = starved.Watch()
    reports = runtestprotocol(item, nextitem=nextitem, log=False)
    starving = watch.starved()
    if starving and any(report.failed for report in reports):
        failure = "".join(report.longreprtext for report in reports if report.failed)
        item._initrequest()
        reports = runtestprotocol(item, nextitem=nextitem, log=False)
        for report in reports:
            report.user_properties.append((starved.AGAIN, f"{starving}; {starved.last_word(failure)}"))
            report.sections.append(("the first time, on a machine that was starved", f"{starving}:\n{failure}"))
    for report in reports:
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What was tried again is told of, whatever came of it."""
    told = {
        report.nodeid: f"TRIED AGAIN {report.nodeid}: {why}"
        for reports in terminalreporter.stats.values() for report in reports if isinstance(report, pytest.TestReport)
        for what, why in report.user_properties if what == starved.AGAIN
    }  # fmt: skip
    for line in told.values():
        terminalreporter.write_line(line)


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
