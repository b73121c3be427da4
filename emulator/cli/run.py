"""`vsim run`."""

import glob
import os
import random
import signal
import socket
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from emulator.cli import UNUSABLE, fail
from emulator.config import Unusable

_INTERRUPTED = 130
_PAUSE_SECONDS = 0.2
_SEEDS = 1 << 31
_MOST_PARALLEL = 64


class _WithProgram(click.Command):
    """A command whose arguments end with `-- PROGRAM…`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if "--" in args:
            at = args.index("--")
            ctx.meta["program"] = tuple(args[at + 1 :])
            args = args[:at]
        return super().parse_args(ctx, args)

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        return [*super().collect_usage_pieces(ctx), "[-- COMMAND…]"]


@click.command(cls=_WithProgram)
@click.argument("files", nargs=-1, metavar="FILE|DIR|PATTERN…")
@click.option("--url", metavar="URL", help="Run on this emulator instead of one of the command's own.")
@click.option(
    "--seed", type=click.IntRange(0, (1 << 63) - 1), help="Every random choice follows from it.  [default: the file's, or a new one]"
)
@click.option("--repeat", default=1, show_default=True, type=click.IntRange(1, 1000), help="Run each so many times.")
@click.option("--parallel", default=1, show_default=True, type=click.IntRange(1, _MOST_PARALLEL), help="Run so many at once.")
@click.option("--fail-fast", is_flag=True, help="Begin no other run once one has failed.")
@click.option("--keep-going", is_flag=True, help="Go on with a story after a step that failed.")
@click.option("--set", "settings", metavar="NAME=VALUE", multiple=True, help="A variable of the files; port.NAME sets a port.")
@click.option("--junit", metavar="FILE", help="Write a JUnit report; - is standard output.")
@click.option("--json", "json_file", metavar="FILE", help="Write everything as JSON; - is standard output.")
@click.pass_context
def run(
    ctx: click.Context, files: tuple[str, ...], url: str | None, seed: int | None, repeat: int, parallel: int, fail_fast: bool,
    keep_going: bool, settings: tuple[str, ...], junit: str | None, json_file: str | None,
) -> None:  # fmt: skip
    """Run scenarios, each on an emulator of its own, and say what came of them.

    COMMAND is the program under test: it is started with the variables of `vsim env` when the scenario has begun, and ended when that is
    over. Exit codes: 0 all passed; else that of the first run that failed: 1 signalling, 2 a file is wrong, 3 media, 4 timed out or
    emulator not reachable, 5 a command failed.
    """
    program = ctx.meta.get("program", ())
    if not files:
        raise click.UsageError("name at least one FILE")
    if url is not None and parallel > 1:
        raise click.UsageError("--parallel with --url: one emulator runs one scenario at a time")
    if url is not None and seed is not None:
        raise click.UsageError("--seed with --url: the seed of an emulator that runs can't be changed; start it with --seed")
    if json_file == junit == "-":
        raise click.UsageError("--json and --junit can't both go to standard output")
    scripts = _load(list(_found(files)), dict(_settings(settings)))
    jobs = _jobs(scripts, repeat, seed, url)
    sys.exit(_Session(jobs, url, program, keep_going, fail_fast, parallel, junit, json_file).run())


# -- what is to be run --------------------------------------------------------------------------------------------


def _settings(texts: Sequence[str]) -> Iterator[tuple[str, str]]:
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise click.UsageError(f"--set {text!r}; write NAME=VALUE")
        yield name, value


def _found(names: Sequence[str]) -> Iterator[str]:
    """The files that are meant, each once. Raises `Unusable`."""
    seen: set[str] = set()
    for name in names:
        for path in _matching(name):
            if path not in seen:
                seen.add(path)
                yield path


def _matching(name: str) -> list[str]:
    if Path(name).is_dir():
        found = sorted(str(path) for ending in ("yaml", "yml") for path in Path(name).rglob(f"*.{ending}"))
        found = [path for path in found if _is_scenario(path)]
        if not found:
            raise Unusable(name, "no scenario in this folder; write some as docs/scenarios.md says")
        return found
    if Path(name).exists() or not any(character in name for character in "*?["):
        return [name]
    matched = sorted(path for path in glob.glob(name, recursive=True) if Path(path).is_file())
    if not matched:
        raise Unusable(name, "no file matches; name a file, a folder, or a pattern such as scenarios/*.yaml")
    return matched


def _is_scenario(path: str) -> bool:
    """Whether a file of a folder is one; what can't be read is, so that it is told."""
    from emulator.scenario.script import kind_of
    from emulator.yaml import read

    try:
        return kind_of(read(path)) == "scenario"
    except Unusable:
        return True


def _load(paths: Sequence[str], settings: dict[str, str]) -> list[tuple[str, Any]]:
    """Every script. Raises `Unusable` with the mistakes of all files."""
    from emulator.scenario.script import load

    scripts: list[tuple[str, Any]] = []
    problems: list[str] = []
    for path in paths:
        try:
            script = load(path, settings)
            script.runs()
        except Unusable as error:
            problems.append(str(error))
        else:
            scripts.append((path, script))
    if problems:
        raise Unusable("", "\n".join(problems))
    return scripts


@dataclass(slots=True)
class _Job:
    """One run that is to be."""

    script: Any
    variant: dict[str, str]
    result: Any


def _jobs(scripts: Sequence[tuple[str, Any]], repeat: int, seed: int | None, url: str | None) -> list[_Job]:
    from emulator.scenario.report import Result

    by_chance = random.SystemRandom().randrange(_SEEDS)
    jobs: list[_Job] = []
    for path, script in scripts:
        for variant, one in zip(script.variants, script.runs(), strict=True):
            chosen = next(value for value in (seed, one.scenario.seed, by_chance) if value is not None) if url is None else None
            for repetition in range(1, repeat + 1):
                result = Result(name=one.scenario.name, file=path, seed=chosen, variables=variant, repetition=repetition)
                jobs.append(_Job(script, variant, result))
    return jobs


# -- running ------------------------------------------------------------------------------------------------------


class _Session:
    """All runs of one command."""

    def __init__(
        self, jobs: Sequence[_Job], url: str | None, program: Sequence[str], keep_going: bool, fail_fast: bool, parallel: int,
        junit: str | None, json_file: str | None,
    ) -> None:  # fmt: skip
        from emulator.cli.play import Options
        from emulator.cli.progress import progress, stream_for

        self._jobs = jobs
        self._fail_fast = fail_fast
        self._parallel = parallel
        self._reports = (junit, json_file)
        self._stream = stream_for(junit, json_file)
        width = max(80, min(160, _columns()))
        self._options = Options(url, keep_going, program, dict(os.environ), width)
        self._stop = threading.Event()
        self._enough = threading.Event()
        self._ports = _Ports()
        self._progress = progress(parallel > 1, self._stream)

    def run(self) -> int:
        """Run everything; returns the exit code."""
        from emulator.scenario.report import exit_code, odd_traces, summary

        signal.signal(signal.SIGTERM, _interrupt)
        pool = ThreadPoolExecutor(self._parallel, "run")
        waiting: set[Future[None]] = {pool.submit(self._play, job) for job in self._jobs}
        try:
            while waiting:
                done, waiting = wait(waiting, _PAUSE_SECONDS)
                for future in done:
                    future.result()  # a bug of ours is seen
        except KeyboardInterrupt:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # what was started is being ended: that takes some seconds at most
            self._stop.set()
            wait(waiting)
            self._progress.close()
            print("vsim: interrupted; everything that was started has been ended", file=sys.stderr)
            return _INTERRUPTED
        finally:
            self._stop.set()
            pool.shutdown(cancel_futures=True)
        self._progress.close()
        results = [job.result for job in self._jobs]
        for line in odd_traces(results):
            print(line, file=self._stream)
        if len(results) > 1:
            print(summary(results), file=self._stream)
        self._write(results)
        return exit_code(results)

    def _play(self, job: _Job) -> None:
        """One run, in a thread of its own."""
        from emulator.cli.own_emulator import Interrupted
        from emulator.cli.play import Player, places

        result, progress = job.result, self._progress
        if self._stop.is_set() or self._enough.is_set():
            result.skipped = True
            return
        ports = self._ports.choose(job.script.ports)
        run = job.script.run(job.variant, ports)
        result.places = places(run)
        progress.begin(result)
        try:
            Player(run, result, self._options, lambda report: progress.step(result, report), self._stop.is_set).play(ports)
        except Interrupted:
            result.skipped = True
            return
        finally:
            self._ports.give_back(ports)
        progress.end(result)
        if not result.passed and self._fail_fast:
            self._enough.set()

    def _write(self, results: Sequence[Any]) -> None:
        from emulator.scenario.report import as_json, as_junit

        for file, made in zip(self._reports, (as_junit, as_json), strict=True):
            if file == "-":
                sys.stdout.buffer.write(made(results))
            elif file is not None:
                try:
                    Path(file).write_bytes(made(results))
                except OSError as error:
                    fail(f"{file}: {(error.strerror or str(error)).lower()}; name a file that can be written", UNUSABLE)


class _Ports:
    """Free ports of this machine for programs under test: none is chosen twice while it is in use."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._used: set[str] = set()

    def choose(self, names: Sequence[str]) -> dict[str, str]:
        """A port for each name that is free over UDP and over TCP; that of VSIM_PORT_NAME where the environment has one."""
        chosen: dict[str, str] = {}
        with self._lock:
            for name in names:
                port = os.environ.get(f"VSIM_PORT_{name.upper()}") or _free_port(self._used)
                chosen[name] = port
                self._used.add(port)
        return chosen

    def give_back(self, ports: dict[str, str]) -> None:
        with self._lock:
            self._used -= set(ports.values())


def _free_port(used: set[str]) -> str:
    for _ in range(100):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tcp, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            tcp.bind(("127.0.0.1", 0))
            port = tcp.getsockname()[1]
            try:
                udp.bind(("127.0.0.1", port))
            except OSError:
                continue
            if str(port) not in used:
                return str(port)
    raise Unusable("", "no port is free over UDP and TCP; close some programs")


def _columns() -> int:
    import shutil

    return shutil.get_terminal_size((100, 24)).columns


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt
