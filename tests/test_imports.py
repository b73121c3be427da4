"""What is imported behind the start: everything that the API and calls would else import while calls are up, a module at a time."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

from emulator import imports
from emulator.clock import SteppedClock
from emulator.imports import LATER, Imports
from tests.support.serve import environment

ROOT = Path(__file__).resolve().parent.parent / "emulator"
LEFT_OUT = {
    "emulator.control.webhook", "emulator.media.clear", "emulator.media.wire", "emulator.media.decoder", "emulator.media.wav",
    "emulator.trunk.template", "emulator.trunk.names", "emulator.scenario.schema", "emulator.schema",
}  # fmt: skip
"""What OpenSSL or libsrtp comes with, or what settings alone bring, at the start already."""
PROGRAM = """
import json, sys
import emulator.cli.serve, emulator.service, emulator.control.api, emulator.control.server, emulator.dns.nameserver, emulator.dns.resolver
from emulator.imports import LATER, each
steps = []
before = set(sys.modules)
for name in each(LATER):
    steps.append(sorted(one for one in set(sys.modules) - before if one.startswith("emulator.")))
    before = set(sys.modules)
print(json.dumps([steps, sorted(before)]))
"""


@pytest.fixture(scope="module")
def told() -> list[list[str]]:
    """The modules of ours that each step brings, and all modules at the end."""
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, env=environment(), check=True, timeout=120)
    steps, there = json.loads(done.stdout)
    return [*steps, there]


def test_a_step_is_one_module(told: list[list[str]]) -> None:
    assert len(told) > 60 and [step for step in told[:-1] if len(step) > 2] == []


def test_nothing_long_is_among_them(told: list[list[str]]) -> None:
    assert {"OpenSSL", "pylibsrtp", "av", "numpy"} & set(told[-1]) == set()


def test_nothing_of_ours_is_left_for_later(told: list[list[str]]) -> None:
    left = {
        f"{path.relative_to(ROOT)}: {node.module}"
        for path in [
            *ROOT.glob("control/*.py"),
            *ROOT.glob("trunk/*.py"),
            *ROOT.glob("media/*.py"),
            *ROOT.glob("scenario/*.py"),
            ROOT / "service.py",
        ]
        for function in ast.walk(ast.parse(path.read_text()))
        if isinstance(function, ast.FunctionDef)
        for node in ast.walk(function)
        if isinstance(node, ast.ImportFrom) and node.module is not None and node.module.startswith("emulator.")
        if node.module not in told[-1] and node.module not in LEFT_OUT
    }
    assert left == set()


def test_it_begins_when_the_start_is_over_and_no_call_is_up_and_ends(clock: SteppedClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """One step at a time; whoever hears that all is there hears it once."""
    taken: list[float] = []

    def each(names: object) -> object:
        assert names is LATER
        for name in "ab":
            taken.append(round(clock.now - 1000.0, 2))
            yield name

    monkeypatch.setattr(imports, "each", each)
    done: list[float] = []
    calls = ["one"]
    Imports(clock, lambda: calls, lambda error: pytest.fail(str(error)), lambda: done.append(round(clock.now - 1000.0, 2))).start()
    clock.advance(5.2)
    assert not taken
    calls.clear()
    clock.advance(10)
    assert taken == [5.5, 5.52] and done == [5.54] and not clock.pending


def test_an_error_ends_it(clock: SteppedClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imports, "LATER", ("emulator.nothing_of_the_kind",))
    errors: list[Exception] = []
    Imports(clock, bool, errors.append, lambda: pytest.fail("not everything is there")).start()
    clock.advance(10)
    assert [type(error) for error in errors] == [ModuleNotFoundError] and not clock.pending
