"""One run of a scenario: an emulator, the program under test, the commands of the story, and what came of it all."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import msgspec

from emulator.cli import pcap
from emulator.cli.own_emulator import Interrupted, OwnEmulator
from emulator.cli.processes import Process
from emulator.cli.running import variables
from emulator.config import Unusable
from emulator.control.client import Client, NotReachable, Refused
from emulator.journal.ladder import ladder
from emulator.scenario.report import Program, Result
from emulator.scenario.script import Run
from emulator.scenario.verdict import CommandWanted, Report

_POLL_SECONDS = 0.05
_SHELL = ("/bin/sh", "-c")
_LAST_WORDS_SECONDS = 0.5
"""How long expectations have when the program under test has failed: what it did last may still be on its way to a verdict."""

_NOT_BEGUN = "the story was over before the program under test could begin; have it wait for something, or start that by a `run` step"


@dataclass(slots=True)
class Options:
    """What all runs share."""

    url: str | None = None
    keep_going: bool = False
    program: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    """Of this process, for the programs that are started."""
    width: int = 100
    patience: float = 0.0
    """Seconds that the program under test has to end by itself when the story is over."""
    pcap: str | None = None
    """The folder for captures of the calls of runs that fail."""
    capture_media: bool = False
    """Whether emulators of our own keep media for these."""
    decrypt: bool = False
    """Whether captures have their media without SRTP."""


class Player:
    """Plays one run. `tell` is called with its report whenever it has changed, `stopped` says when to end."""

    def __init__(
        self, run: Run, result: Result, options: Options, tell: Callable[[Report], None], stopped: Callable[[], bool], number: int = 1
    ) -> None:  # fmt: skip
        """`number` is the run's among all."""
        self._number = number
        self._run = run
        self._result = result
        self._options = options
        self._tell = tell
        self._stopped = stopped
        self._client: Client
        self._own: OwnEmulator | None = None
        self._environment: dict[str, str] = {}
        self._ports: Mapping[str, str] = {}
        self._said = ""
        """What the emulator said last, when it answers no more."""

    def play(self, ports: Mapping[str, str]) -> Result:
        """The result, filled in. Raises `Interrupted`, with everything ended."""
        result, self._ports = self._result, ports
        began = time.monotonic()
        try:
            with ExitStack() as stack:
                self._play(stack)
        except (NotReachable, Unusable, Refused) as error:
            result.kind = "time" if isinstance(error, NotReachable) else "usage"
            result.why = f"{error}; {self._said}" if self._said else str(error)
        result.seconds = round(time.monotonic() - began, 3)
        return result

    def _play(self, stack: ExitStack) -> None:
        endpoints = self._emulator(stack)
        try:
            self._run_on(endpoints, stack)
        except NotReachable:
            self._said = self._own.said() if self._own is not None else ""
            raise

    def _run_on(self, endpoints: dict[str, Any], stack: ExitStack) -> None:
        known = {name: value for name, value in variables(endpoints).items() if value}  # an emulator that runs keeps its secret to itself
        self._environment = {**self._options.environment, **known, **self._own_variables()}
        before = self._newest() if self._options.pcap is not None else 0
        report = _report(self._client.post("/v1/scenarios" + ("?keep_going=true" if self._options.keep_going else ""), self._body()))
        path = f"/v1/scenarios/{report.id}"
        stack.callback(self._stop, path)
        program = None
        if self._options.program and report.state == "running":
            program = Process(self._options.program, self._environment)
            stack.callback(program.end)
        report = self._watch(report, path, program)
        result = self._result
        result.report, result.kind = report, report.kind
        if program is not None:
            self._settle(program)
        elif self._options.program and result.kind is None:
            result.kind, result.why = "usage", _NOT_BEGUN
        concerned = _concerned(report)
        self._draw(concerned)
        if result.kind is not None and self._options.pcap is not None:
            name = pcap.name_of(self._number, result.title)
            result.captures = pcap.keep_all(self._client, self._options.pcap, name, concerned, before, self._options.decrypt)

    def _newest(self) -> int:
        """The number of the newest call that there is already: an emulator that runs may have had others."""
        return max((int(call["id"]) for call in self._client.get("/v1/calls?limit=1")["calls"]), default=0)

    def _emulator(self, stack: ExitStack) -> dict[str, Any]:
        """The emulator named, or one of our own; its endpoints."""
        scenario = self._run.scenario
        if self._options.url is not None:
            self._client = Client(self._options.url)
            endpoints: dict[str, Any] = self._client.get("/v1/endpoints")
            return endpoints
        given = scenario.given
        config = dict(given.config)
        if given.accounts:
            config["accounts"] = msgspec.to_builtins(given.accounts)
        if given.numbers:
            config["numbers"] = {"447700900000": {}, **config.get("numbers", {}), **msgspec.to_builtins(given.numbers)}
        if self._options.capture_media:
            config["media"] = {**(config.get("media") or {}), "capture": True}
        assert self._result.seed is not None
        self._own = own = stack.enter_context(OwnEmulator(config, self._result.seed, self._stopped))
        self._client = own.client
        return own.endpoints

    def _body(self) -> dict[str, Any]:
        """The scenario, less what an emulator of our own was started with."""
        body = self._run.value()
        if self._options.url is None and isinstance(body.get("given"), dict):
            body["given"] = {name: value for name, value in body["given"].items() if name not in ("config", "accounts", "numbers")}
        return body

    def _own_variables(self) -> dict[str, str]:
        """What the program under test is told beside `vsim env`."""
        told = {"VSIM_SCENARIO": self._run.scenario.name}
        told.update({f"VSIM_PORT_{name.upper()}": port for name, port in self._ports.items()})
        told.update({f"VSIM_VAR_{name.upper().replace('-', '_')}": value for name, value in self._run.variables.items()})
        return told

    # -- while it runs --------------------------------------------------------------------------------------------

    def _watch(self, report: Report, path: str, program: Process | None) -> Report:
        """Until the scenario is over."""
        command: Process | None = None
        number = -1
        failed_at: float | None = None
        try:
            while report.state == "running":
                self._tell(report)
                if self._stopped():
                    raise Interrupted
                wanted = report.command
                if wanted is not None and wanted.number != number:
                    number, command, began = wanted.number, self._begin(wanted, path), time.monotonic()
                if command is not None and wanted is not None and self._ended(command, wanted, path, began):
                    command = None
                if program is not None and program.code not in (None, 0):
                    failed_at = failed_at or time.monotonic()
                    if time.monotonic() - failed_at >= _LAST_WORDS_SECONDS:
                        why = f"the program under test ended with exit code {program.code}"
                        return _report(self._client.delete(f"{path}?kind=command&why={quote(why)}"))
                time.sleep(_POLL_SECONDS)
                report = _report(self._client.get(path))
        finally:
            if command is not None:
                command.end()
        self._tell(report)
        return report

    def _begin(self, wanted: CommandWanted, path: str) -> Process | None:
        """Start a command of the story; None when it can't be, which is told."""
        command = (*_SHELL, wanted.command[0]) if len(wanted.command) == 1 else wanted.command
        try:
            return Process(command, self._environment)
        except Unusable as error:
            self._client.post(f"{path}/commands/{wanted.number}", {"code": None, "why": str(error)})
            return None

    def _ended(self, command: Process, wanted: CommandWanted, path: str, began: float) -> bool:
        """Whether a command is over, and that is told."""
        code, late = command.code, time.monotonic() - began >= wanted.within
        if code is None and not late:
            return False
        why = ""
        if code is None:
            command.end()
            why = f"it was not over within {wanted.within:g} s"
        else:
            command.settle()
        last = command.output.text().strip().rpartition("\n")[2][-200:]
        if last and (code is None or code != 0):
            why = f"{why}; its last line: {last}" if why else f"its last line: {last}"
        self._client.post(f"{path}/commands/{wanted.number}", {"code": code, "why": why})
        return True

    # -- when it is over ------------------------------------------------------------------------------------------

    def _settle(self, program: Process) -> None:
        """What became of the program under test; a failure of its own is the run's when nothing else has failed. Raises `Interrupted`."""
        result, until = self._result, time.monotonic() + self._options.patience
        while result.kind is None and program.code is None and time.monotonic() < until:
            if self._stopped():
                raise Interrupted
            time.sleep(_POLL_SECONDS)
        code = program.code
        if code is None:
            program.end()
        else:
            program.settle()
        result.program = Program(command=program.command, code=code, output=program.output.text())
        if code not in (None, 0) and result.kind is None:
            result.kind = "command"
            result.why = f"the program under test ended with exit code {code}"

    def _draw(self, concerned: Sequence[str]) -> None:
        """Ladders of calls."""
        for id in concerned:
            try:
                call = self._client.get(f"/v1/calls/{id}")
            except Refused:
                continue  # the journal has no room for all calls
            from emulator.cli.calls import summary

            self._result.ladders[id] = [*summary(call), *ladder(call, self._options.width)]

    def _stop(self, path: str) -> None:
        """The scenario runs no longer, whatever has happened here."""
        try:
            self._client.delete(path)
        except (NotReachable, Refused):
            pass


def _concerned(report: Report) -> list[str]:
    """The calls that failed steps speak of, of many the first and the last."""
    failed = [verdict.calls for verdict in report.steps if verdict.failed]
    return list(dict.fromkeys(call for calls in failed for call in (*calls[:1], *calls[-1:])))


def _report(value: Any) -> Report:
    return msgspec.convert(value, Report)


def places(run: Run) -> dict[str, str]:
    """file:line of each step, by its name in reports."""
    found = {".".join(at): run.place(at) for at in run.places if len(at) == 2 and at[0] in ("steps", "never")}
    return {**found, "given": run.place(("given",))}
