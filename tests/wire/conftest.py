"""Every test here runs `vsim serve` as a process."""

from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from tests.support.serve import Serve, last_lines
from tests.support.stories import AT_ONCE, Plays

WIRE = Path(__file__).resolve().parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if WIRE in item.path.parents:
            item.add_marker(pytest.mark.wire)
            if item.get_closest_marker("sound") is not None:
                item.add_marker(pytest.mark.real_time)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Whoever reads of a failure finds beside it what became of the calls, and the last that each server said."""
    report = yield
    if call.when == "call" and report.failed:
        fixtures = getattr(item, "funcargs", {}).values()
        for emulator in fixtures:
            if isinstance(emulator, Serve):
                report.sections.append(("the calls", "\n".join(emulator.told())))
        for directory in {path for one in fixtures if isinstance(path := getattr(one, "directory", one), Path)}:
            for log in sorted(directory.glob("*.log")):
                report.sections.append((log.name, last_lines(log)))
    return report


@pytest.fixture(scope="module")
def plays(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plays]:
    """The stories of the module's table; its `AT_ONCE` is how many are under way at once."""
    plays = Plays(request, tmp_path_factory, getattr(request.module, "AT_ONCE", AT_ONCE))
    try:
        yield plays
    finally:
        plays.close()
