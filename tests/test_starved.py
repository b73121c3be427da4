"""A machine that had too little time, and the tests that are tried again then."""

import threading
import time
from pathlib import Path

import pytest

from tests.support.starved import LATE, WAITED, Watch, verdict

pytest_plugins = "pytester"

TWICE = """
import pytest
from pathlib import Path
@pytest.fixture
def fresh(tmp_path):
    return tmp_path
@pytest.mark.real_time
@pytest.mark.parametrize("fails", [0, 1, 2])
def test_it(fresh, fails, record_property):
    assert not list(fresh.iterdir())
    (fresh / "dirty").touch()
    count = Path(f"count-{fails}")
    count.write_text(count.read_text() + "x" if count.exists() else "x")
    assert len(count.read_text()) > fails
def test_other():
    count = Path("count-other")
    count.write_text(count.read_text() + "x" if count.exists() else "x")
    assert 0
"""
CONFTEST = """
from tests.conftest import pytest_runtest_protocol, pytest_terminal_summary
from tests.support import starved
starved.verdict = lambda *figures: {!r}
"""
INI = "[pytest]\nmarkers = real_time\n"


@pytest.mark.parametrize(("said", "tried"), [("", (1, 1, 1)), ("all stood still", (1, 2, 2))])
def test_real_time_is_tried_once_more_where_the_machine_was_starved(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, said: str, tried: tuple[int, ...]
) -> None:
    """With fixtures of its own; and a test that does not speak of real time never is."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent.parent))
    pytester.makeconftest(CONFTEST.format(said))
    pytester.makeini(INI)
    pytester.makepyfile(TWICE)
    done = pytester.runpytest_subprocess("-p", "no:xdist", "-p", "no:cacheprovider")
    done.assert_outcomes(passed=2 if said else 1, failed=2 if said else 3)
    assert tuple(len((pytester.path / f"count-{fails}").read_text()) for fails in range(3)) == tried
    assert len((pytester.path / "count-other").read_text()) == 1
    lines = [line for line in done.outlines if line.startswith("TRIED AGAIN ")]
    assert [line.partition("[")[2] for line in lines] == (
        [f"{fails}]: all stood still; AssertionError: assert 1 > {fails}" for fails in (1, 2)] if said else []
    )


def test_what_counts_as_starved() -> None:
    assert verdict(LATE / 2, WAITED / 2, 9.0) == "" == verdict(LATE / 2, None, 0.9)
    assert verdict(1.5, 0.0, 0.0) == "a sleep of 20 ms took 1.50 s longer"
    assert verdict(0.0, 0.75, 0.0) == "for 75% of the time programs waited for a processor"
    assert verdict(0.0, None, 2.5) == "2.5 programs wanted each processor"


def test_a_watch_sees_a_sleep_that_takes_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    now, slept = 100.0, threading.Event()

    def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds + 2 * LATE
        slept.set()

    monkeypatch.setattr(time, "sleep", sleep)
    monkeypatch.setattr(time, "monotonic", lambda: now)
    watch = Watch()
    assert slept.wait(60) and "a sleep of 20 ms took 0.50 s longer" in watch.starved()
