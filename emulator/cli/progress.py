"""How runs are shown while they run: a live line on a terminal, plain lines elsewhere."""

import threading
from typing import Any, Protocol, TextIO

from emulator.cli import say
from emulator.journal.findings import printable
from emulator.scenario.report import Result, failover_lines, failure_lines, step_line
from emulator.scenario.verdict import Report
from emulator.scenario.wording import time_in_words

_OVER = ("done", "met", "held", "failed", "timed out")
_REFRESH = 8


class Progress(Protocol):
    """Told of each run. Its methods may be called from any thread."""

    def begin(self, result: Result) -> None: ...

    def step(self, result: Result, report: Report) -> None: ...

    def end(self, result: Result) -> None: ...

    def close(self) -> None: ...


def progress(parallel: bool, stream: TextIO) -> Progress:
    """What suits the stream."""
    if stream.isatty():
        return _Live(parallel, stream)
    return _Plain(parallel, stream)


def heading(result: Result) -> str:
    seed = f"  (seed {result.seed})" if result.seed is not None else ""
    return f"{result.file}: {result.title}{seed}"


def ending(result: Result) -> list[str]:
    """What is said when a run is over."""
    if result.passed:
        failover = result.report.failover if result.report is not None else None
        said = failover_lines(failover, short=True) if failover is not None else []
        return [*(f"    {line}" for line in said), f"  passed in {time_in_words(result.seconds)}"]
    again = [f"  again: {printable(result.again, 1000)}"] if result.again and result.report is not None else []
    return [f"  failed ({result.kind}) after {time_in_words(result.seconds)}", *failure_lines(result), *again]


class _Steps:
    """Which steps of a run have been told of."""

    def __init__(self) -> None:
        self._told: dict[str, None] = {}

    def new(self, report: Report) -> list[str]:
        """Lines for the steps that are over since the last time."""
        lines = []
        for verdict in report.steps:
            if verdict.outcome in _OVER and verdict.where not in self._told:
                self._told[verdict.where] = None
                lines.append(step_line(verdict))
        return lines


class _Plain:
    """Lines; those of runs that run at once stand together."""

    def __init__(self, parallel: bool, stream: TextIO) -> None:
        self._parallel = parallel
        self._stream = stream
        self._lock = threading.Lock()
        self._lines: dict[int, list[str]] = {}
        self._steps: dict[int, _Steps] = {}

    def begin(self, result: Result) -> None:
        self._steps[id(result)] = _Steps()
        self._say(result, [heading(result)])

    def step(self, result: Result, report: Report) -> None:
        self._say(result, self._steps[id(result)].new(report))

    def end(self, result: Result) -> None:
        self._say(result, ending(result), last=True)

    def _say(self, result: Result, lines: list[str], last: bool = False) -> None:
        waiting = self._lines.setdefault(id(result), [])
        waiting += lines
        if waiting and (last or not self._parallel):
            with self._lock:
                self._print(waiting)
            waiting.clear()

    def _print(self, lines: list[str]) -> None:
        say("\n".join(lines), self._stream)

    def close(self) -> None:
        """Nothing to put away."""


class _Live(_Plain):
    """The same, in colour, with a line below for the step under way in each run."""

    def __init__(self, parallel: bool, stream: TextIO) -> None:
        from rich.console import Console
        from rich.live import Live

        super().__init__(parallel, stream)
        self._console: Console = Console(file=stream, highlight=False)
        self._now: dict[int, str] = {}
        self._live: Live = Live(console=self._console, refresh_per_second=_REFRESH, transient=True, get_renderable=self._running)
        self._live.start()

    def begin(self, result: Result) -> None:
        self._now[id(result)] = f"  … {printable(result.name, 60)}: starting"
        super().begin(result)

    def step(self, result: Result, report: Report) -> None:
        waiting = next((verdict for verdict in report.steps if verdict.outcome == "running"), None)
        if waiting is not None:
            within = f" within {time_in_words(waiting.within)}" if waiting.within is not None else ""
            since = time_in_words(round(max(0.0, report.seconds - waiting.at), 1))
            name = f"{printable(report.name, 40)}: " if self._parallel else ""
            self._now[id(result)] = f"  … {name}{printable(waiting.text, 200)}{within} ({since})"
        super().step(result, report)

    def end(self, result: Result) -> None:
        self._now.pop(id(result), None)
        super().end(result)

    def _print(self, lines: list[str]) -> None:
        for line in lines:
            self._console.print(_coloured(line), soft_wrap=True)

    def _running(self) -> Any:
        from rich.text import Text

        width = self._console.width
        lines = [line[: width - 1] for line in list(self._now.values())]
        return Text("\n".join(lines) or " ", style="dim")  # rich does not go back over a line that is empty

    def close(self) -> None:
        self._live.stop()


def _coloured(line: str) -> Any:
    from rich.text import Text

    word = line.strip()
    style = {"✓": "green", "✗": "bold red"}.get(word[:1], "")
    if word.startswith(("passed", "failed (")):
        style = "bold green" if word.startswith("passed") else "bold red"
    return Text(line, style=style)
