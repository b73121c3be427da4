"""The part of the control API by which things go wrong on purpose: faults, and proxies that are down."""

from collections.abc import Generator, Iterator, Sequence
from typing import Any, Protocol

from emulator.config import Unusable
from emulator.control.model import Done, FailoverModel, FaultList, FaultModel, Outages
from emulator.control.routes import ApiRequest, ApiResponse, Route, in_pieces, problem, result
from emulator.counting import counted
from emulator.journal.journal import Journal

_LISTED = "every fault, what it has struck and what it narrowly missed, and which proxies are down"
_ADD = "add a fault; the body is a FaultSpec, or a JSON string: the same on one line"
_A_FAULT = '{"refuse": 503, "where": {"site": "us-3"}}'
_DOWN = "take a proxy, site, region or all down; the body is a DownSpec"

ROUTES = (
    Route("GET", "/v1/faults", _LISTED, FaultList, "faults"),
    Route("POST", "/v1/faults", _ADD, FaultModel, "add_fault", (), dict[str, Any], _A_FAULT, status=201),
    Route("DELETE", "/v1/faults/{id}", "take one away", Done, "remove_fault"),
    Route("DELETE", "/v1/faults", "take every fault away, and every proxy up", Done, "clear_faults"),
    Route(
        "GET",
        "/v1/failover",
        "what clients did while something was down, the last time",
        FailoverModel,
        "failover",
        query=(("all", "true: each time that the journal knows of"),),
    ),
    Route("POST", "/v1/down", _DOWN, Outages, "down", (), dict[str, Any], '{"name": "us-3", "how": "refuse"}'),
    Route("POST", "/v1/up", "take it up again; the body is an UpSpec", Outages, "up", (), dict[str, Any], '{"name": "us-3"}'),
)


class Emulator(Protocol):
    """What is asked of the emulator."""

    @property
    def faults(self) -> Any:
        """An `emulator.scenario.faults.Faults`, imported by whoever has need of it."""


class Troubles:
    """Handlers of `ROUTES`, by name."""

    def __init__(self, emulator: Emulator, journal: Journal) -> None:
        self._emulator = emulator
        self._journal = journal

    def faults(self, request: ApiRequest) -> ApiResponse:
        faults = self._emulator.faults
        return result(FaultList(list(faults.list()), dict(faults.down_now), faults.seed))

    def add_fault(self, request: ApiRequest) -> ApiResponse:
        from emulator.scenario.spec import fault

        return self._done(request, lambda value, faults: result(faults.get(faults.add(fault(value)).id), 201))

    def clear_faults(self, request: ApiRequest) -> ApiResponse:
        count = self._emulator.faults.clear()
        return result(Done(f"{counted(count, 'fault')} taken away"))

    def remove_fault(self, request: ApiRequest, id: str) -> ApiResponse:
        try:
            self._emulator.faults.remove(id)
        except Unusable as unusable:
            return problem(404, str(unusable))
        return result(Done(f"fault {id} taken away"))

    def down(self, request: ApiRequest) -> ApiResponse:
        from emulator.reading import read
        from emulator.scenario.spec import DownSpec

        def act(value: Any, faults: Any) -> ApiResponse:
            spec = read(value, DownSpec)
            fault = faults.down(spec.name, spec.how, spec.for_, spec.calls == "keep")
            return self._outages(faults, fault.proxies, fault.id)

        return self._done(request, act)

    def up(self, request: ApiRequest) -> ApiResponse:
        from emulator.reading import read
        from emulator.scenario.spec import UpSpec

        return self._done(request, lambda value, faults: self._outages(faults, faults.up(read(value, UpSpec).name)))

    def failover(self, request: ApiRequest) -> ApiResponse:
        from emulator.scenario.downtime import latest
        from emulator.scenario.failover import judging

        try:
            since, before = (0.0, 0) if request.flag("all") else latest(self._journal.events())
        except ValueError as error:
            return problem(400, str(error))
        return ApiResponse(200, pieces=_judged(judging(self._journal, since), before))

    def _outages(self, faults: Any, changed: Sequence[str], id: str | None = None) -> ApiResponse:
        return result(Outages(list(changed), dict(faults.down_now), id))

    def _done(self, request: ApiRequest, act: Any) -> ApiResponse:
        """What `act` makes of the body; a problem where it can't be."""
        try:
            response: ApiResponse = act(request.value(), self._emulator.faults)
        except Unusable as unusable:
            return problem(422, str(unusable))
        except ValueError as error:
            return problem(400, str(error))
        return response


def _judged(work: Generator[None, None, Any], before: int) -> Iterator[bytes]:
    """The verdict in JSON; until it is there, nothing again and again. `before` counts the outages that are left out."""
    from emulator.scenario.failover import lines

    while True:
        try:
            next(work)
        except StopIteration as done:
            found = done.value
            break
        yield b""
    text = lines(found) if found is not None else ["nothing was down"]
    if before:
        text.append(f"{before} earlier outage{'s are' if before > 1 else ' is'} left out; --all tells of {'them' if before > 1 else 'it'}")
    yield b""
    some = (iter(found.outages), iter(found.clients)) if found is not None else (iter(()), iter(()))
    yield from in_pieces({"outages": some[0], "clients": some[1], "text": iter(text)})
