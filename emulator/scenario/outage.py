"""A proxy that is down: what still reaches it is noted and not answered, or answered with 503."""

from collections.abc import Callable

from emulator.journal.findings import Finding
from emulator.scenario import kinds
from emulator.scenario.answers import Answering
from emulator.scenario.gate import Gate, MessageFault, On
from emulator.scenario.rules import Rule
from emulator.scenario.sight import Message
from emulator.sip.message import Request
from emulator.sip.refusal import Refusal

_SEEN = 1000
"""Requests whose copies are not told of."""

Noted = Callable[[Message, int], None]
"""Hears of each request that reaches a proxy that is down, copies left out, and of the status it got, 0 for none."""


class Outage(MessageFault):
    """One proxy while it is down. Messages of the calls in `kept`, by Call-ID, pass; with 503 all do, for another part answers."""

    def __init__(self, proxy: str, what: kinds.Down, transports: frozenset[str], kept: frozenset[str], noted: Noted) -> None:
        self.proxy = proxy
        self.what = what
        self.transports = transports
        self.kept = kept
        self._noted = noted
        self._seen: dict[object, None] = {}

    def handle(self, message: Message, gate: Gate, on: On) -> None:
        if self.what.how == "503" or message.flow.transport not in self.transports or message.call_id in self.kept:
            on(message.data)
        elif message.incoming:
            self.note(message, 0)

    def note(self, message: Message, status: int) -> None:
        """Tell of a request, once."""
        request = message.message
        if not isinstance(request, Request) or request.method == "ACK":
            return
        key = (request.call_id, request.method, request.via.params.get("branch"))
        if key not in self._seen:
            if len(self._seen) >= _SEEN:
                del self._seen[next(iter(self._seen))]
            self._seen[key] = None
            self._noted(message, status)


class Unavailable(Answering):
    """503 for each request outside calls (RFC 3261 21.5.4)."""

    def __init__(self, rule: Rule, outage: Outage) -> None:
        super().__init__(rule, lambda message: None)
        self._outage = outage

    def answer(self, message: Message, request: Request) -> Refusal | None:
        """See `Answering`; what counts is the proxy and the transport alone."""
        return self.refusal(message, request) if message.flow.transport in self._outage.transports else None

    def refusal(self, message: Message, request: Request) -> Refusal:
        self._outage.note(message, 503)
        after = self._outage.what.retry_after
        headers = (("Retry-After", str(round(after))),) if after is not None else ()
        return Refusal(503, Finding("fault.down", f"{request.method} to {message.proxy}"), headers)


class Severed(MessageFault):
    """Nothing more is heard of the calls that an outage has cut, nor by them."""

    def __init__(self, call_ids: frozenset[str]) -> None:
        self.call_ids = call_ids

    def handle(self, message: Message, gate: Gate, on: On) -> None:
        if message.call_id not in self.call_ids:
            on(message.data)
