"""The part of the control API that telephones: calls to the account's numbers, what is done in calls, and the numbers themselves."""

import re
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from emulator.config import Unusable
from emulator.control.model import Digits, Done, ForwardProblem, Hold, NumberChange, NumberList, NumberModel, Placed
from emulator.control.routes import ApiRequest, ApiResponse, Finish, Route, listing, no_call, problem, result
from emulator.journal.events import Event
from emulator.journal.journal import Journal
from emulator.journal.record import CallRecord
from emulator.quantities import duration
from emulator.reading import read

RING_OCTETS = 1_400_000
"""A ring may bring a minute of samples, in base64."""
_LONGEST_WAIT = 3600.0
_WAITING = 100
_OVER = frozenset({"call.ended", "call.refused", "call.cancelled"})
_E164 = re.compile("[1-9][0-9]{6,14}")

_WAIT_QUERY = (
    ("wait", "answer when it is over, or after so long: seconds, or text such as 30s"),
    ("until", "what to wait for: over (the default), or answered"),
)


class Trunk(Protocol):
    """What is asked of the emulator."""

    def ring(self, ring: Any) -> CallRecord:
        """Somebody rings a number: an `emulator.trunk.callers.Ring`. Raises `Unusable` or `ForwardError`."""

    def dial(self, id: str, digits: str) -> bool:
        """Send digits in a call; False when it is not up."""

    def hold(self, id: str, holds: bool) -> bool:
        """Hold the other side of a call, or take it off hold; False when that can't be asked now."""

    def recording(self, record: CallRecord) -> tuple[Iterator[bytes], int]:
        """The WAV file of a call in pieces, and its octets. Raises `Unusable` when there is none, or none that can be had this way."""

    @property
    def directory(self) -> Any:
        """The account's numbers: an `emulator.trunk.directory.Directory`."""

    def callback_problem(self, url: str) -> str | None:
        """Why a URL may not be told how calls end; None when it may."""


ROUTES = (
    Route(
        "POST",
        "/v1/calls",
        "ring a number of the account's; the body is a Ring",
        Placed,
        "ring",
        _WAIT_QUERY,
        dict[str, Any],
        '{"number": "447700900000", "caller": "14155550100"}',
        RING_OCTETS,
        201,
    ),
    Route("POST", "/v1/calls/{id}/dtmf", "send digits as telephone-events", Done, "dtmf", (), Digits, '{"digits": "1234#"}'),
    Route("POST", "/v1/calls/{id}/hold", "hold the other side by re-INVITE, or take it off hold", Done, "hold", (), Hold, '{"hold": true}'),
    Route("GET", "/v1/calls/{id}/recording", "what was recorded, as a WAV file", bytes, "recording", gives="audio/wav"),
    Route("GET", "/v1/numbers", "the account's numbers, and where they are forwarded", NumberList, "numbers"),
    Route("GET", "/v1/numbers/{number}", "one of them", NumberModel, "number"),
    Route(
        "PUT",
        "/v1/numbers/{number}",
        "add or change one, for as long as the emulator runs",
        NumberModel,
        "put_number",
        (),
        NumberChange,
        '{"forward": "sip:100@127.0.0.1:5080"}',
    ),
    Route("DELETE", "/v1/numbers/{number}", "take one away", Done, "remove_number"),
)


class Telephony:
    """Handlers of `ROUTES`, by name."""

    def __init__(self, trunk: Trunk, journal: Journal) -> None:
        self._trunk = trunk
        self._journal = journal
        self._waiting = 0

    # -- calls ----------------------------------------------------------------------------------------------------

    def ring(self, request: ApiRequest) -> ApiResponse:
        from emulator.trunk.callers import ring_from
        from emulator.trunk.forward_list import ForwardError

        wait = duration(request.query.get("wait", "0"))
        until = request.query.get("until", "over")
        if wait is None or wait > _LONGEST_WAIT:
            return problem(400, f"wait is a time of at most {_LONGEST_WAIT:g} s, such as 30s")
        if until not in ("over", "answered"):
            return problem(400, f"until is over or answered, not {until[:20]!r}")
        if wait and self._waiting >= _WAITING:
            return problem(503, f"{_WAITING} requests wait already")
        after = self._journal.last_event
        try:
            ring = ring_from(request.value())
            url = ring.voice_status_callback
            if url is not None and (wrong := self._trunk.callback_problem(url)) is not None:
                return problem(400, f"voice_status_callback: {wrong}")
            record = self._trunk.ring(ring)
        except ForwardError as error:
            return _forward_problem("forward", error)
        except (Unusable, ValueError) as error:
            return problem(400, str(error))
        headers = {"Location": f"/v1/calls/{record.id}"}

        def placed() -> ApiResponse:
            return result({**record.summary(), "events_after": after}, 201, headers)

        kinds = _OVER if until == "over" else _OVER | {"call.answered"}
        if not wait or not record.live or (until == "answered" and record.state == "answered"):
            return placed()
        return ApiResponse(201, later=self._later(record, kinds, wait, placed))

    def _later(self, record: CallRecord, kinds: frozenset[str], wait: float, placed: Callable[[], ApiResponse]) -> Any:
        def begin(finish: Finish) -> Callable[[], None]:
            self._waiting += 1

            def done(event: Event | None) -> None:
                self._waiting -= 1
                finish(placed())

            waiter = self._journal.wait(lambda event: event.call == record.id and event.kind in kinds, wait, done)

            def stop() -> None:
                if waiter.waits:
                    waiter.cancel()
                    self._waiting -= 1

            return stop

        return begin

    def dtmf(self, request: ApiRequest, id: str) -> ApiResponse:
        record, value = self._record(id), _body(request, Digits)
        if not isinstance(record, CallRecord) or isinstance(value, ApiResponse):
            return record if not isinstance(record, CallRecord) else value
        if not self._trunk.dial(record.id, value.digits):
            return problem(409, f"call {record.id} is {record.state}; digits need one that is answered")
        return result(Done(f"{value.digits} goes out in call {record.id}"))

    def hold(self, request: ApiRequest, id: str) -> ApiResponse:
        record, value = self._record(id), _body(request, Hold)
        if not isinstance(record, CallRecord) or isinstance(value, ApiResponse):
            return record if not isinstance(record, CallRecord) else value
        if not self._trunk.hold(record.id, value.hold):
            return problem(
                409,
                f"call {record.id} is {record.state}; only one that is answered and has its ACK, and no re-INVITE under way, can be held",
            )
        return result(Done(f"a re-INVITE that {'holds' if value.hold else 'resumes'} has gone out in call {record.id}"))

    def recording(self, request: ApiRequest, id: str) -> ApiResponse:
        record = self._record(id)
        if not isinstance(record, CallRecord):
            return record
        if record.live:
            return problem(409, f"call {record.id} is {record.state}; its recording is whole when it is over")
        try:
            pieces, octets = self._trunk.recording(record)
        except Unusable as error:
            return problem(404, str(error))
        return ApiResponse(200, b"", "audio/wav", pieces=pieces, length=octets)

    def _record(self, id: str) -> CallRecord | ApiResponse:
        return self._journal.get(id) or no_call(id)

    # -- numbers --------------------------------------------------------------------------------------------------

    def numbers(self, request: ApiRequest) -> ApiResponse:
        directory = self._trunk.directory
        return listing({"numbers": (entry.as_dict(directory.taken(entry.number)) for entry in list(directory))})

    def number(self, request: ApiRequest, number: str) -> ApiResponse:
        directory = self._trunk.directory
        entry = directory.get(number)
        if entry is None:
            return problem(404, f"{number[:20]!r} is no number of the account; GET /v1/numbers lists them")
        return result(entry.as_dict(directory.taken(number)))

    def put_number(self, request: ApiRequest, number: str) -> ApiResponse:
        from emulator.trunk.directory import Entry, Full
        from emulator.trunk.forward_list import ForwardError

        if _E164.fullmatch(number) is None:
            return problem(400, f"{number[:20]!r} is no number; write digits only, country code first, 7 to 15 of them")
        change = _body(request, NumberChange)
        if isinstance(change, ApiResponse):
            return change
        url = change.voice_status_callback
        if url is not None and (wrong := self._trunk.callback_problem(url)) is not None:
            return problem(400, f"voice_status_callback: {wrong}")
        directory = self._trunk.directory
        try:
            entry = directory.put(Entry(number, change.forward, change.region, url))
        except ForwardError as error:
            return _forward_problem("forward", error)
        except Full as error:
            return problem(409, str(error))
        return result(entry.as_dict(directory.taken(number)))

    def remove_number(self, request: ApiRequest, number: str) -> ApiResponse:
        if not self._trunk.directory.remove(number):
            return problem(404, f"{number[:20]!r} is no number of the account; GET /v1/numbers lists them")
        return result(Done(f"{number} is no number of the account any more"))


def _body(request: ApiRequest, kind: Any) -> Any:
    """The body as a value, or the response that says what is wrong with it."""
    try:
        return read(request.value(), kind)
    except (Unusable, ValueError) as error:
        return problem(400, str(error))


def _forward_problem(where: str, error: Any) -> ApiResponse:
    """What is wrong with a forward list, each mistake with its place."""
    from emulator.trunk.directory import problem_as_dict

    problems = [ForwardProblem(**problem_as_dict(one)) for one in error.problems]
    return problem(422, "\n".join(f"{where}, {line}" for line in str(error).splitlines()), problems=problems)
