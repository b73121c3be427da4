"""The control API without HTTP: a request as values in, a response as values out."""

import ipaddress
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any, Protocol

from emulator import __version__
from emulator.control import faults, scenarios, telephony
from emulator.control.model import CallDetail, CallList, Done, Endpoints, EventList, Health, Held
from emulator.control.routes import ApiRequest, ApiResponse, Finish, Route, listing, no_call, problem, result
from emulator.did_you_mean import suggest
from emulator.journal.capture import captured
from emulator.journal.journal import Journal
from emulator.journal.pcapng import CONTENT_TYPE
from emulator.journal.record import STATES
from emulator.sip.grammar import number

_PAGE = 100
_MOST = 1000


class Emulator(telephony.Trunk, faults.Emulator, scenarios.Emulator, Protocol):
    """What the API asks of the emulator."""

    ready: bool
    endpoints: Endpoints | None

    def hang_up(self, id: str) -> bool:
        """End one call; False when it is not up."""

    def reset(self, done: Callable[[bool], None]) -> None:
        """End every call and forget what was, which may take some time; `done` is told whether it went well."""

    def held(self) -> Held:
        """How much of everything is held."""


_RESET = "every call hung up, every fault ended, journal emptied"
_CALLS_QUERY = (("state", "only this state"), ("limit", "at most so many, 1 to 1000"))
_PCAP_QUERY = (("decrypt", "true: SRTP is left out, and of each packet there is the RTP in it"),)
_EVENTS_QUERY = (("after", "only those with a higher id; 0 is all that are kept. Without it a stream has those from now on, a list all"),)

ROUTES = (
    Route("GET", "/livez", "200 while the process serves", Health, "_livez"),
    Route("GET", "/readyz", "200 when every listener is open, else 503", Health, "_readyz"),
    Route("GET", "/v1/endpoints", "where everything listens, without the secret", Endpoints, "_endpoints"),
    Route("GET", "/v1/held", "how much of everything that is bounded is held right now", Held, "_held"),
    Route("GET", "/v1/calls", "calls, newest first", CallList, "_calls", _CALLS_QUERY),
    Route("GET", "/v1/calls/{id}", "one call with its messages, by number or Call-ID; `last` is the newest", CallDetail, "_call"),
    Route(
        "GET", "/v1/calls/{id}/pcap", "its SIP messages, and its media where media.capture keeps that, as a pcapng capture", bytes, "_pcap",
        _PCAP_QUERY, gives=CONTENT_TYPE,
    ),
    Route("DELETE", "/v1/calls/{id}", "hang up; `last` is the newest", Done, "_hang_up"),
    Route("GET", "/v1/events", "events; a server-sent stream when Accept asks for text/event-stream", EventList, "_events", _EVENTS_QUERY),
    Route("POST", "/v1/reset", "hang up every call, end every fault, and forget what was", Done, "_reset"),
    Route("GET", "/openapi.json", "this description", dict[str, Any], "_openapi"),
    *telephony.ROUTES,
    *faults.ROUTES,
    *scenarios.ROUTES,
)  # fmt: skip
LONGEST_BODY = max(route.most for route in ROUTES)
"""Octets; of some routes, most of them take less."""


class Api:
    """Routes to methods. Refuses names and origins that are not its own, so that no web page can drive it (DNS rebinding)."""

    def __init__(self, emulator: Emulator, journal: Journal, address: str, hosts: Sequence[str] = ()) -> None:
        """`address` is where it listens, `hosts` are further names it may be called by."""
        self._emulator = emulator
        self._journal = journal
        self._sections = (
            self, telephony.Telephony(emulator, journal), faults.Troubles(emulator, journal), scenarios.Stories(emulator),
        )  # fmt: skip
        self._hosts = frozenset({"localhost", address.lower(), *(host.lower() for host in hosts)})

    def handle(self, request: ApiRequest) -> ApiResponse:
        """Answer one request; never raises for what a client can send."""
        refusal = self._foreign(request)
        if refusal is not None:
            return refusal
        found = [(route, arguments) for route in ROUTES if (arguments := route.match(request.path)) is not None]
        if not found:
            return problem(404, f"nothing at {request.path[:100]}; GET /openapi.json lists what there is")
        wanted = "GET" if request.method == "HEAD" else request.method
        for route, arguments in found:
            if route.method == wanted:
                if len(request.body) > route.most:
                    return problem(413, f"the body has {len(request.body)} octets, {route.most} are the most")
                if unknown := next((name for name in request.query if name not in dict(route.query)), None):
                    return problem(400, f"unknown query parameter {unknown[:40]!r}{suggest(unknown, dict(route.query))}")
                request.example = route.example
                return self._handler(route)(request, *arguments)
        methods = [route.method for route, _ in found]
        allowed = ", ".join([*methods, *(["HEAD"] if "GET" in methods else [])])
        return problem(405, f"{request.method[:20]} is not for this; write {' or '.join(methods)}", {"Allow": allowed})

    def _handler(self, route: Route) -> Callable[..., ApiResponse]:
        handlers = (getattr(section, route.handler, None) for section in self._sections)
        found: Callable[..., ApiResponse] = next(handler for handler in handlers if handler is not None)
        return found

    def _foreign(self, request: ApiRequest) -> ApiResponse | None:
        host = _host_of(request.headers.get("host", ""))
        if not self._own(host):
            return problem(403, f"Host {host[:60]!r} is not a name of this API; control.allowed_hosts adds one")
        origin = request.headers.get("origin")
        if origin is not None and not self._own(_host_of(origin.partition("://")[2])):
            return problem(403, f"Origin {origin[:60]!r} may not use this API")
        return None

    def _own(self, host: str) -> bool:
        if host in self._hosts:
            return True
        try:
            return ipaddress.ip_address(host.strip("[]")).is_loopback
        except ValueError:
            return False

    # -- handlers -------------------------------------------------------------------------------------------------

    def _livez(self, request: ApiRequest) -> ApiResponse:
        return result(Health("live", __version__))

    def _readyz(self, request: ApiRequest) -> ApiResponse:
        if self._emulator.ready:
            return result(Health("ready", __version__))
        return result(Health("not ready", __version__), 503)

    def _endpoints(self, request: ApiRequest) -> ApiResponse:
        endpoints = self._emulator.endpoints
        if endpoints is None:
            return problem(503, "not ready yet")
        return result(endpoints.without_secret())

    def _held(self, request: ApiRequest) -> ApiResponse:
        return result(self._emulator.held())

    def _calls(self, request: ApiRequest) -> ApiResponse:
        limit = number(request.query.get("limit", str(_PAGE)), _MOST)
        if not limit:
            return problem(400, f"limit is a number from 1 to {_MOST}")
        state = request.query.get("state")
        if state is not None and state not in STATES:
            return problem(400, f"state is one of {', '.join(STATES)}")
        chosen = (record.id for record in self._journal.calls() if state is None or record.state == state)
        return listing({"calls": self._summaries(list(islice(chosen, limit)), state)})

    def _summaries(self, ids: Sequence[str], state: str | None) -> Iterator[dict[str, Any]]:
        """Numbers, not records, are held meanwhile: what makes room for others is left out, and so is what is in another state by now."""
        for id in ids:
            record = self._journal.get(id)
            if record is not None and (state is None or record.state == state):
                yield record.summary()

    def _call(self, request: ApiRequest, id: str) -> ApiResponse:
        record = self._journal.get(id)
        if record is None:
            return no_call(id)
        return listing({**record.summary(), "messages": record.told(), **record.left_out()})

    def _pcap(self, request: ApiRequest, id: str) -> ApiResponse:
        record = self._journal.get(id)
        if record is None:
            return no_call(id)
        try:
            decrypt = request.flag("decrypt")
        except ValueError as error:
            return problem(400, str(error))
        name = {"Content-Disposition": f'attachment; filename="call-{record.id}.pcapng"'}
        return ApiResponse(200, b"", CONTENT_TYPE, name, pieces=captured(record, decrypt))

    def _hang_up(self, request: ApiRequest, id: str) -> ApiResponse:
        record = self._journal.get(id)
        if record is None:
            return no_call(id)
        if not self._emulator.hang_up(record.id):
            return problem(409, f"call {record.id} is {record.state}; only a call that is up can be hung up")
        return result(Done(f"call {record.id} hung up"))

    def _events(self, request: ApiRequest) -> ApiResponse:
        streams = "text/event-stream" in request.headers.get("accept", "")
        text = request.headers.get("last-event-id") or request.query.get("after") or (str(self._journal.last_event) if streams else "0")
        after = number(text)
        if after is None:
            return problem(400, f"after is an event's id, not {text[:20]!r}")
        if streams:
            return ApiResponse(200, b"", "text/event-stream", {"Cache-Control": "no-store"}, after)
        return listing({"events": (event.as_dict() for event in self._journal.events(after))})

    def _reset(self, request: ApiRequest) -> ApiResponse:
        def begin(finish: Finish) -> Callable[[], None]:
            def done(well: bool) -> None:
                finish(result(Done(_RESET)) if well else problem(500, "an error of the emulator's own; its log has it"))

            self._emulator.reset(done)
            return lambda: None  # it goes on, whether or not anybody waits for it

        return ApiResponse(200, later=begin)

    def _openapi(self, request: ApiRequest) -> ApiResponse:
        from emulator.control.openapi import encoded

        return ApiResponse(200, encoded())


def _host_of(text: str) -> str:
    """The host of `host[:port]`, in lower case."""
    if text.startswith("["):
        return text.partition("]")[0].lower() + "]"
    return text.partition(":")[0].partition("/")[0].lower()
