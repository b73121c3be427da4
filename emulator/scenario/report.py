"""What `vsim run` has to say: in words, as JSON, as JUnit's XML."""

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec

from emulator.journal.findings import printable
from emulator.scenario.verdict import EXIT_CODES, Kind, Report, Verdict
from emulator.scenario.wording import time_in_words

_OUTPUT_LINES = 20
"""Of the program under test, shown for a failed run."""
_CAPTURES = 4
"""Told of for a failed run; JSON has them all."""
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_SIGNS = {"done": "✓", "met": "✓", "held": "✓", "failed": "✗", "timed out": "✗", "skipped": "-", "watching": "…", "running": "…"}


class Program(msgspec.Struct, kw_only=True):
    """The program under test, as it ended. `code` is None when it was ended because the scenario was over."""

    command: list[str]
    code: int | None = None
    output: str = ""


class Result(msgspec.Struct, kw_only=True):
    """One run. `report` is None when there was none to be had, for the reason `why`."""

    name: str
    file: str
    seed: int | None = None
    variables: dict[str, str] = msgspec.field(default_factory=dict)
    repetition: int = 1
    seconds: float = 0.0
    kind: Kind | None = None
    """What failed."""
    why: str = ""
    report: Report | None = None
    places: dict[str, str] = msgspec.field(default_factory=dict)
    """file:line of each step."""
    ladders: dict[str, list[str]] = msgspec.field(default_factory=dict)
    """Of the calls concerned, by their number."""
    captures: dict[str, str] = msgspec.field(default_factory=dict)
    """The files of captures, by the call's number; or why there is none."""
    program: Program | None = None
    again: str = ""
    """The command line that repeats it; empty where no seed would."""
    skipped: bool = False
    """It was not run, for another one had failed before."""

    @property
    def passed(self) -> bool:
        return self.kind is None and not self.skipped

    @property
    def exit_code(self) -> int:
        return EXIT_CODES[self.kind] if self.kind is not None else 0

    @property
    def title(self) -> str:
        """Its name, and which of several runs it is."""
        said = [f"{name}={value}" for name, value in self.variables.items()]
        if self.repetition > 1:
            said.append(f"repetition {self.repetition}")
        return printable(self.name) + (f" [{', '.join(said)}]" if said else "")


# -- in words -----------------------------------------------------------------------------------------------------


def step_line(verdict: Verdict) -> str:
    """A step that is over, in a line."""
    took = f", {time_in_words(verdict.after)}" if verdict.after is not None and verdict.after >= 0.05 else ""
    came = f": {printable(verdict.came, 300)}" if verdict.came and verdict.outcome in ("met", "done") else ""
    within = _within(verdict) if verdict.failed else ""
    outcome = f" ({verdict.outcome}{took})" if verdict.outcome not in ("done", "met", "held") else took
    return f"  {_SIGNS[verdict.outcome]} {printable(verdict.text, 300)}{within}{came}{outcome}"


def failure_lines(result: Result) -> Iterator[str]:
    """Everything that helps to see why a run failed."""
    report = result.report
    if report is None or (result.why and result.kind == "usage") or (report.why and not any(verdict.failed for verdict in report.steps)):
        yield f"  ✗ {printable(result.why or (report.why if report is not None else ''), 1000)}"
    drawn: set[str] = set()
    for verdict in report.steps if report is not None else ():
        if verdict.failed:
            yield from _failed_step(verdict, result.places.get(verdict.where, ""))
            for call in verdict.calls:
                if call in result.ladders and call not in drawn:
                    drawn.add(call)
                    yield ""
                    yield from (f"    {line}" for line in result.ladders[call])
            yield ""
    if result.captures:
        yield from _capture_lines(result.captures)
        yield ""
    if report is not None and report.faults:
        yield from (f"    fault {printable(line, 400)}" for line in report.faults)
        yield ""
    if report is not None and report.failover is not None:
        yield from (f"    {line}" for line in failover_lines(report.failover))
        yield ""
    if result.program is not None and (result.program.output or result.program.code is not None):
        yield from _program_lines(result.program)


def _failed_step(verdict: Verdict, place: str) -> Iterator[str]:
    yield f"    {place or verdict.where}"
    yield f"      expected  {printable(verdict.text, 400)}{_within(verdict)}"
    yield f"      came      {printable(verdict.came, 1000) or 'nothing'}"


def _within(verdict: Verdict) -> str:
    told = verdict.within is not None and verdict.step in ("expect", "wait", "run")
    return f" within {time_in_words(verdict.within or 0.0)}" if told else ""


def _capture_lines(captures: dict[str, str]) -> Iterator[str]:
    for call, file in list(captures.items())[:_CAPTURES]:
        yield f"    capture of call #{call}: {printable(file, 400)}"
    if len(captures) > _CAPTURES:
        yield f"    … and of {len(captures) - _CAPTURES} more beside it"


def _program_lines(program: Program) -> Iterator[str]:
    ended = "was ended when the scenario was over" if program.code is None else f"ended with exit code {program.code}"
    yield f"    the program under test, {printable(' '.join(program.command), 200)}, {ended}" + (
        "; its last lines:" if program.output else ""
    )
    for line in _seen_lines(program.output)[-_OUTPUT_LINES:]:
        yield f"      | {printable(line.expandtabs(), 400)}"


def _seen_lines(output: str) -> list[str]:
    """Lines as a terminal leaves them: what is overwritten, colours and empty lines are gone."""
    lines = (_COLOUR.sub("", line).rstrip().rpartition("\r")[2] for line in output.split("\n"))
    return [line for line in lines if line]


def failover_lines(failover: dict[str, Any], short: bool = False) -> list[str]:
    """What the device made of what was down; in short where all went well."""
    lines = failover.get("short" if short else "lines")
    return [printable(str(line), 300) for line in lines] if isinstance(lines, list) else []


def summary(results: Sequence[Result], seconds: float) -> str:
    """The last line; `seconds` is how long all of them took."""
    passed, failed = sum(result.passed for result in results), sum(result.kind is not None for result in results)
    skipped = sum(result.skipped for result in results)
    said = [f"{passed} passed"] if passed or not failed else []
    said += [f"{failed} failed"] if failed else []
    said += [f"{skipped} not run"] if skipped else []
    return f"{', '.join(said)} in {time_in_words(seconds)}"


def exit_code(results: Iterable[Result]) -> int:
    """That of the first run that failed; 0 when none did."""
    return next((result.exit_code for result in results if result.kind is not None), 0)


def odd_traces(results: Iterable[Result]) -> list[str]:
    """Repetitions with one seed that did not go as the first one: a line each."""
    first: dict[tuple[str, tuple[tuple[str, str], ...]], list[str]] = {}
    odd: list[str] = []
    for result in results:
        if result.report is None or result.skipped:
            continue
        trace = result.report.trace
        known = first.setdefault((result.file, tuple(result.variables.items())), trace)
        if known != trace:
            at = next((k for k, (a, b) in enumerate(zip(known, trace, strict=False)) if a != b), min(len(known), len(trace)))
            odd.append(
                f"{result.title} went another way than the first time: {_item(trace, at)}, where it was {_item(known, at)}"
            )  # fmt: skip
    return odd


def _item(lines: list[str], at: int) -> str:
    return repr(lines[at]) if at < len(lines) else "the end"


# -- as JSON ------------------------------------------------------------------------------------------------------


class Document(msgspec.Struct, kw_only=True):
    """The file of `--json`."""

    passed: int
    failed: int
    exit_code: int
    runs: list[Result]


def as_json(results: Sequence[Result]) -> bytes:
    """The whole report."""
    document = Document(
        passed=sum(result.passed for result in results), failed=sum(result.kind is not None for result in results),
        exit_code=exit_code(results), runs=list(results),
    )  # fmt: skip
    return msgspec.json.format(msgspec.json.encode(document), indent=1) + b"\n"


# -- as JUnit -----------------------------------------------------------------------------------------------------


def as_junit(results: Sequence[Result]) -> bytes:
    """A suite for each file, a case for each run. What could not be run is an error, what failed a failure."""
    from junitparser import Error, Failure, JUnitXml, Skipped, TestCase, TestSuite

    document: Any = JUnitXml("vsim run")  # parts of it are not annotated
    suites: dict[str, Any] = {}
    for result in results:
        suite = suites.get(result.file)
        if suite is None:
            suite = suites[result.file] = TestSuite(_xml(result.file))
            if result.seed is not None:
                suite.add_property("seed", str(result.seed))
        case = TestCase(_xml(result.title), _xml(result.file), _seconds(result.seconds))
        if result.skipped:
            case.result = [Skipped("not run: another scenario had failed before")]
        elif result.kind is not None:
            kind = Failure if result.report is not None else Error
            problem = kind(_xml(_why(result)), result.kind)
            problem.text = _xml("\n".join(failure_lines(result)))
            case.result = [problem]
        if result.report is not None:
            case.system_out = _xml("\n".join(step_line(verdict) for verdict in result.report.steps))
        suite.add_testcase(case)
    for suite in suites.values():
        document.add_testsuite(suite)
    document.update_statistics()
    text: bytes = document.tostring()
    return text


def _why(result: Result) -> str:
    """Why a run failed, in a line."""
    failed = next((verdict for verdict in result.report.steps if verdict.failed), None) if result.report is not None else None
    if failed is None:
        return result.why or (result.report.why if result.report is not None else "")
    place = result.places.get(failed.where, failed.where)
    return f"{place}: expected {failed.text}{_within(failed)}, came: {failed.came or 'nothing'}"


def _seconds(value: float) -> float:
    return round(value, 3) if math.isfinite(value) else 0.0


def _xml(text: str) -> str:
    """Text without what XML 1.0 can't hold."""
    return "".join(c if c in "\t\n\r" or (c >= " " and not 0xD800 <= ord(c) <= 0xDFFF and c not in "￾￿") else "?" for c in text)
