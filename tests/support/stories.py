"""Files of `scenarios/` with clients that should pass, and with clients that should not: each a `vsim run` of its own, some at once."""

import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.support.devices import Device
from tests.support.serve import VSIM, environment, need, run, until
from tests.support.starved import AGAIN, Watch

ROOT = Path(__file__).resolve().parent.parent.parent
SCENARIOS = ROOT / "scenarios"
CLIENTS = ROOT / "tests" / "wire" / "clients"
SEED = "7"
AT_ONCE = 3
"""Most of the time they wait."""
_NEEDED = {
    "sbc.sh": (("kamailio", "kamailio"), ("sipp", "sip-tester"), ("openssl", "openssl")),
    "direct.sh": (("sipp", "sip-tester"),),
    "baresip.sh": (("baresip", "baresip-core"),),
}


@dataclass(frozen=True)
class Story:
    """One row: a file, a client (a program of the folder with its arguments, or a device), the exit code of `vsim run`, and regular
    expressions that must be found in its report; `flags` are more arguments of `vsim run`, `env` more variables of the client's."""

    file: str
    client: Sequence[str] | Device
    code: int = 0
    report: Sequence[str] = ()
    flags: Sequence[str] = ()
    env: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What pytest calls it."""
        outcome = "passes" if self.code == 0 else f"is {self.code}"
        client = (self.client.name,) if isinstance(self.client, Device) else self.client
        return " ".join((self.file.removesuffix(".yaml"), *client, *self.env.values(), outcome))

    @property
    def needed(self) -> Sequence[tuple[str, str]]:
        """Foreign programs, and the packages that they are in."""
        return self.client.needed if isinstance(self.client, Device) else _NEEDED.get(self.client[0], ())

    def program(self, directory: Path) -> list[str | Path]:
        """What stands behind `--`, in this folder."""
        if isinstance(self.client, Device):
            return ["sh", "-c", self.client.command(directory)]
        return [CLIENTS / self.client[0], *self.client[1:]]


@dataclass(frozen=True)
class Played:
    """What came of one."""

    code: int
    output: str
    directory: Path

    def left(self) -> list[str]:
        """Processes that have the run's folder in their command line."""
        found = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if re.search(rf"{re.escape(str(self.directory))}(?!\d)", line):  # another one's folder may begin like this one
                found.append(line)
        return found


def play(story: Story, directory: Path) -> Played:
    """Play one in a folder of its own."""
    command = [*VSIM, "run", SCENARIOS / story.file, "--seed", SEED, *story.flags, "--", *story.program(directory)]
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", ""), "/usr/sbin"))
    # VSIM_PROGRAM is not one of vsim's own variables: the clients know it
    done = run(command, 300, cwd=directory, env=environment(VSIM_PROGRAM=" ".join(VSIM), PATH=path, TMPDIR=str(directory), **story.env))
    return Played(done.returncode, done.stdout + done.stderr, directory)


class Plays:
    """The stories of one file of tests, those that are to be run under way at once."""

    def __init__(self, request: pytest.FixtureRequest, factory: pytest.TempPathFactory, at_once: int) -> None:
        self._pool = ThreadPoolExecutor(at_once)
        self._factory = factory
        self._watch = Watch()
        self._under_way: dict[str, Future[Played]] = {}
        for item in request.session.items:
            story = item.callspec.params.get("story") if item.path == request.path and hasattr(item, "callspec") else None
            if story is not None:
                self._under_way[story.name] = self._pool.submit(play, story, factory.mktemp("story"))

    def close(self) -> None:
        """Begin no other."""
        self._pool.shutdown(cancel_futures=True)
        self._watch.close()

    def check(self, story: Story, record: Callable[[str, object], None]) -> None:
        """It went as its row says, and left nothing behind. It passes in its own time and its client's: where the machine was starved
        meanwhile, one that did not is played once more."""
        for program, package in story.needed:
            need(program, package)
        played = self._under_way[story.name].result()
        try:
            self._judge(story, played)
        except AssertionError as error:
            starving, self._watch = self._watch.starved(), Watch()
            if not starving:
                raise
            record(AGAIN, f"{starving}; {str(error)[-300:]}")
            try:
                self._judge(story, play(story, self._factory.mktemp("again")))
            except AssertionError as again:
                again.add_note(f"the first time, on a machine that was starved ({starving}):\n{error}")
                raise

    @staticmethod
    def _judge(story: Story, played: Played) -> None:
        assert played.code == story.code, played.output
        for expression in story.report:
            assert re.search(expression, played.output, re.MULTILINE), f"{expression!r} is not found in\n{played.output}"
        until(lambda: not played.left(), lambda: f"the end of {played.left()}")  # what was killed may have to wait for its turn to die
        assert not list(played.directory.glob("vsim-run-*"))
