"""The part of the control API that runs scenarios."""

from typing import Any, Protocol

import msgspec

from emulator.config import Unusable
from emulator.control.routes import ApiRequest, ApiResponse, Route, problem, result
from emulator.reading import read
from emulator.scenario.verdict import EXIT_CODES, Kind, Report, State
from emulator.sip.grammar import number

_MOST_STEPS = 1000


class CommandEnd(msgspec.Struct):
    """How a command ended: its exit code, or why there is none."""

    code: int | None = None
    why: str = ""


class ScenarioSummary(msgspec.Struct):
    """A scenario without its steps."""

    id: str
    name: str
    state: State
    kind: Kind | None
    seconds: float


class ScenarioList(msgspec.Struct):
    """Scenarios, newest first."""

    scenarios: list[ScenarioSummary]


_START_QUERY = (("keep_going", "true: go on after a step that failed"),)
_STOP_QUERY = (("why", "a reason for the report"), ("kind", "what failed: signalling, media, time, command; without it nothing"))

ROUTES = (
    Route(
        "POST", "/v1/scenarios", "run a scenario; the body is a scenario file as JSON, whose schema `vsim check --schema scenario` prints",
        Report, "start_scenario", _START_QUERY, dict[str, Any], '{"name": "a call", "steps": [{"expect": {"call": {}}}]}', status=201,
    ),
    Route("GET", "/v1/scenarios", "scenarios, newest first", ScenarioList, "scenarios"),
    Route(
        "GET", "/v1/scenarios/{id}", "a scenario as it stands: steps, verdicts, the command to be run; `last` is the newest", Report,
        "scenario",
    ),
    Route(
        "POST", "/v1/scenarios/{id}/commands/{step}", "tell how the command of a step ended", Report, "end_command", (), CommandEnd,
        '{"code": 0}',
    ),
    Route("DELETE", "/v1/scenarios/{id}", "stop a scenario; `last` is the newest", Report, "stop_scenario", _STOP_QUERY),
)  # fmt: skip


class Emulator(Protocol):
    """What is asked of the emulator."""

    @property
    def scenarios(self) -> Any:
        """An `emulator.scenario.scenarios.Scenarios`, imported by whoever has need of it."""


class Stories:
    """Handlers of `ROUTES`, by name."""

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator

    def start_scenario(self, request: ApiRequest) -> ApiResponse:
        from emulator.scenario.scenarios import Busy

        try:
            runner = self._emulator.scenarios.start(request.value(), request.flag("keep_going"))
        except Busy as error:
            return problem(409, str(error))
        except Unusable as error:
            return problem(422, str(error))
        except ValueError as error:
            return problem(400, str(error))
        return result(runner.report(), 201, {"Location": f"/v1/scenarios/{runner.id}"})

    def scenarios(self, request: ApiRequest) -> ApiResponse:
        reports = [runner.report() for runner in self._emulator.scenarios]
        return result(ScenarioList([ScenarioSummary(one.id, one.name, one.state, one.kind, one.seconds) for one in reports]))

    def scenario(self, request: ApiRequest, id: str) -> ApiResponse:
        runner = self._emulator.scenarios.get(id)
        return result(runner.report()) if runner is not None else _none(id)

    def stop_scenario(self, request: ApiRequest, id: str) -> ApiResponse:
        runner = self._emulator.scenarios.get(id)
        if runner is None:
            return _none(id)
        kind = request.query.get("kind")
        if kind is not None and kind not in EXIT_CODES:
            return problem(400, f"kind is one of {', '.join(EXIT_CODES)}, not {kind[:20]!r}")
        runner.stop(request.query.get("why", "stopped")[:400], next((one for one in EXIT_CODES if one == kind), None))
        return result(runner.report())

    def end_command(self, request: ApiRequest, id: str, step: str) -> ApiResponse:
        runner = self._emulator.scenarios.get(id)
        if runner is None:
            return _none(id)
        try:
            end = read(request.value(), CommandEnd)
        except (Unusable, ValueError) as error:
            return problem(400, str(error))
        at = number(step, _MOST_STEPS)
        if at is None or not runner.command_ended(at, end.code, end.why[:400]):
            return problem(409, f"scenario {runner.id} does not wait for a command of step {step[:20]!r}")
        return result(runner.report())


def _none(id: str) -> ApiResponse:
    return problem(404, "there was no scenario yet" if id == "last" else f"no scenario {id[:40]!r}; GET /v1/scenarios lists them")
