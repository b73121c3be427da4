"""All runs of one `vsim run`: which there are, who runs when, and what is written when they are over."""

import os
import random
import shlex
import shutil
import signal
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

from emulator.cli import UNUSABLE, fail, say
from emulator.cli.free_ports import FreePorts
from emulator.cli.own_emulator import Interrupted
from emulator.cli.play import Options, Player, places
from emulator.cli.progress import progress
from emulator.cli.reactor import ending_signals
from emulator.config import Unusable
from emulator.problems import in_words
from emulator.scenario.report import Result, as_json, as_junit, exit_code, odd_traces, summary
from emulator.scenario.script import Script

_INTERRUPTED = 130
_PAUSE_SECONDS = 0.2
_SEEDS = 1 << 31
_WIDTHS = (80, 160)


@dataclass(slots=True)
class Job:
    """One run that is to be."""

    script: Script
    variant: dict[str, str]
    result: Result
    number: int
    """Counts from 1."""


def jobs(
    scripts: Sequence[tuple[str, Script]], repeat: int, seed: int | None, url: str | None, program: Sequence[str] = ()
) -> list[Job]:  # fmt: skip
    """Every run of every file, `repeat` times. All that have no seed of their own share one; with `url` the emulator has it."""
    by_chance = random.SystemRandom().randrange(_SEEDS)
    made: list[Job] = []
    for path, script in scripts:
        for variant, one in zip(script.variants, script.runs(), strict=True):
            chosen = next(value for value in (seed, one.scenario.seed, by_chance) if value is not None) if url is None else None
            for repetition in range(1, repeat + 1):
                result = Result(name=one.scenario.name, file=path, seed=chosen, variables=variant, repetition=repetition)
                result.again = _again(result, script.settings, program)
                made.append(Job(script, variant, result, len(made) + 1))
    return made


def _again(result: Result, settings: Mapping[str, str], program: Sequence[str]) -> str:
    """The command line for it."""
    if result.seed is None:
        return ""
    sets = [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]
    return shlex.join(["vsim", "run", "--seed", str(result.seed), *sets, result.file, *(["--", *program] if program else [])])


@dataclass(frozen=True, slots=True)
class Reports:
    """Files to write when everything is over; `-` is standard output."""

    junit: str | None = None
    json: str | None = None

    def check(self) -> None:
        """Raises `Unusable` where nothing can be written: told before the runs, not after them."""
        for file in (self.junit, self.json):
            if file is not None and file != "-":
                path = Path(file)
                new = not path.exists()
                try:
                    with path.open("ab"):
                        pass
                    if new:
                        path.unlink()
                except OSError as error:
                    raise Unusable(file, f"{in_words(error)}; name a file that can be written") from None

    def write(self, results: Sequence[Result]) -> None:
        for file, made in ((self.junit, as_junit), (self.json, as_json)):
            if file == "-":
                say(made(results).decode().removesuffix("\n"))
            elif file is not None:
                try:
                    Path(file).write_bytes(made(results))
                except OSError as error:
                    fail(f"{file}: {in_words(error)}; name a file that can be written", UNUSABLE)


class Session:
    """Runs jobs, `parallel` of them at once."""

    def __init__(
        self, jobs: Sequence[Job], reports: Reports, url: str | None = None, program: Sequence[str] = (), keep_going: bool = False,
        fail_fast: bool = False, parallel: int = 1, patience: float = 0.0, pcap: str | None = None,
        capture_media: bool = False, decrypt: bool = False,
    ) -> None:  # fmt: skip
        self._jobs = jobs
        self._reports = reports
        self._fail_fast = fail_fast
        self._parallel = parallel
        low, high = _WIDTHS
        width = max(low, min(high, shutil.get_terminal_size((100, 24)).columns))
        self._options = Options(url, keep_going, program, dict(os.environ), width, patience, pcap, capture_media, decrypt)
        self._stop = threading.Event()
        self._enough = threading.Event()
        """One has failed, and no other is to begin."""
        self._ports = FreePorts()
        self._stream = sys.stderr if "-" in (reports.junit, reports.json) else sys.stdout  # not where a report is to be read from
        self._progress = progress(parallel > 1, self._stream)

    def run(self) -> int:
        """Run everything, and write the reports; returns the exit code."""
        ending = ending_signals()
        for number in ending:
            if number is not signal.SIGINT:  # that is Python's own, unless a shell has it ignored
                signal.signal(number, _interrupt)
        began = time.monotonic()
        pool = ThreadPoolExecutor(self._parallel, "run")
        waiting: set[Future[None]] = {pool.submit(self._play, job) for job in self._jobs}
        try:
            while waiting:
                done, waiting = wait(waiting, _PAUSE_SECONDS)
                for future in done:
                    future.result()  # a bug of ours is seen
        except KeyboardInterrupt:
            for number in ending:
                signal.signal(number, signal.SIG_IGN)  # what was started is being ended: that takes some seconds at most
            self._stop.set()
            wait(waiting)
            print("vsim: interrupted; everything that was started has been ended", file=sys.stderr)
            return _INTERRUPTED
        finally:
            self._stop.set()
            pool.shutdown(cancel_futures=True)
            self._progress.close()
        results = [job.result for job in self._jobs]
        for line in odd_traces(results):
            say(line, self._stream)
        if len(results) > 1:
            say(summary(results, time.monotonic() - began), self._stream)
        self._reports.write(results)
        return exit_code(results)

    def _play(self, job: Job) -> None:
        """One run, in a thread of its own."""
        result, progress = job.result, self._progress
        if self._stop.is_set() or self._enough.is_set():
            result.skipped = True
            return
        ports = self._ports.choose(job.script.ports, job.script.ports_set)
        run = job.script.run(job.variant, ports)
        result.places = places(run)
        progress.begin(result)
        try:
            player = Player(run, result, self._options, lambda report: progress.step(result, report), self._stop.is_set, job.number)
            player.play(ports)
        except Interrupted:
            result.skipped = True
            return
        finally:
            self._ports.give_back(ports)
        progress.end(result)
        if not result.passed and self._fail_fast:
            self._enough.set()


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt
