"""The four transactions of RFC 3261 17, with the corrections of RFC 6026: states and timers, no parsing and no I/O.

A server transaction is made by the endpoint when its user wants state for a request; a client transaction when its user
sends one. Each leaves the endpoint's table by itself when it terminates.
"""

from collections.abc import Callable
from enum import Enum
from typing import Protocol

from emulator.clock import Clock, Timer
from emulator.sip.flow import Flow
from emulator.sip.message import Request, Response, encode_request
from emulator.sip.timers import Timers


class Keeper(Protocol):
    """Who owns the table of transactions and puts octets on the wire: the endpoint."""

    clock: Clock
    timers: Timers

    def transmit(self, flow: Flow, data: bytes, call_id: str) -> None:
        """Send one message and record it."""

    def withdraw(self, flow: Flow, branch: str, call_id: str) -> bool:
        """See `Flow.withdraw`; what was recorded as sent is so no more."""

    def forget_server(self, transaction: "InviteServer | NonInviteServer") -> None:
        """The server transaction has terminated."""

    def forget_client(self, transaction: "InviteClient | NonInviteClient") -> None:
        """The client transaction has terminated."""


class ServerState(Enum):
    """RFC 3261 figures 7 and 8, and Accepted from RFC 6026 7.1."""

    TRYING = "Trying"
    PROCEEDING = "Proceeding"
    COMPLETED = "Completed"
    CONFIRMED = "Confirmed"
    ACCEPTED = "Accepted"
    TERMINATED = "Terminated"


# By names of the module, for CPython 3.11 takes ten times as long to find an attribute of an Enum.
_TRYING, _PROCEEDING, _COMPLETED, _CONFIRMED, _ACCEPTED, _TERMINATED = ServerState


class ClientState(Enum):
    """RFC 3261 figures 5 and 6, and Accepted from RFC 6026 7.2."""

    CALLING = "Calling"
    TRYING = "Trying"
    PROCEEDING = "Proceeding"
    COMPLETED = "Completed"
    ACCEPTED = "Accepted"
    TERMINATED = "Terminated"


class InviteServer:
    """One INVITE received (17.2.1, RFC 6026 7.1). Its user answers with `respond`; the ACK of a 2xx goes to the dialog, not here."""

    __slots__ = (
        "_g", "_interval", "_keeper", "_last", "_missed", "_timer", "flow", "key", "on_cancel", "on_no_ack", "request", "state", "to_tag",
    )  # fmt: skip

    def __init__(self, keeper: Keeper, key: object, request: Request, flow: Flow, to_tag: str) -> None:
        self._keeper = keeper
        self.key = key
        self.request = request
        self.flow = flow
        self.to_tag = to_tag
        self.state = _PROCEEDING
        self.on_cancel: Callable[[], None] | None = None
        """Called when a CANCEL matches while no final response has been sent (9.2)."""
        self.on_no_ack: Callable[[], None] | None = None
        """Called when timer H fires: the refusal was never acknowledged."""
        self._last = b""
        self._missed = False
        self._interval = 0.0
        self._g: Timer | None = None  # timer G
        self._timer: Timer | None = None  # timer H, I or L: one at a time

    def respond(self, status: int, headers: str = "", body: bytes = b"", reason: str | None = None) -> None:
        """Send a response; a final one may follow provisional ones, nothing may follow a final one."""
        if self.state is not _PROCEEDING:
            raise ValueError(f"{status} after a final response")
        if status == 100 and (stamp := self.request.get("timestamp")):
            headers = f"Timestamp: {stamp}\r\n{headers}"  # "MUST be copied into this 100 (Trying) response" (8.2.6.1)
        self._last = data = self.request.respond(status, self.to_tag, headers, body, reason)
        if status >= 300:
            self._enter(_COMPLETED)
        elif status >= 200:
            self._enter(_ACCEPTED)
        if status >= 200:
            self.on_cancel = None  # nothing to cancel any more, and nothing to hold for 32 s
        self._send(data)

    @property
    def answered(self) -> bool:
        """The final response has been sent."""
        return self.state not in (_TRYING, _PROCEEDING)

    def resend(self) -> None:
        """Send the last response once more: 13.3.1.4 and RFC 3262 3 leave that to the user of the transaction."""
        self._send(self._last)

    def retransmission(self, flow: Flow) -> None:
        """The same INVITE came again."""
        if self.state in (_PROCEEDING, _COMPLETED):
            self.flow = flow
            if self._last:
                self._send(self._last)
        # Accepted: "any retransmissions of the INVITE ... MUST be absorbed" (RFC 6026 7.1); Confirmed: 17.2.1 likewise.

    def ack(self) -> None:
        """The ACK of a refusal: same branch as the INVITE (17.1.1.3)."""
        if self.state is _COMPLETED:
            self._enter(_CONFIRMED)

    def misses_ack(self, to_tag: str) -> bool:
        """Whether an ACK with this To tag was meant for the 2xx, which has another; true once."""
        if self.state is not _ACCEPTED or to_tag == self.to_tag or self._missed:
            return False
        self._missed = True
        return True

    def cancel(self) -> None:
        """A CANCEL matched; only before the final response does it do anything (9.2)."""
        if self.state is _PROCEEDING and self.on_cancel is not None:
            self.on_cancel()

    def _enter(self, state: ServerState) -> None:
        self.state = state
        if self._g is not None:
            self._g.cancel()
            self._g = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        clock, timers = self._keeper.clock, self._keeper.timers
        if state is _COMPLETED:
            if not self.flow.reliable:
                self._interval = timers.t1
                self._g = clock.call_later(timers.t1, self._on_g)
            self._timer = clock.call_later(timers.give_up, self._on_h)
        elif state is _CONFIRMED:
            if self.flow.reliable:  # timer I is zero
                self._enter(_TERMINATED)
            else:
                self._timer = clock.call_later(timers.t4, self.terminate)
        elif state is _ACCEPTED:
            self._timer = clock.call_later(timers.give_up, self.terminate)  # timer L
        elif state is _TERMINATED:
            self._keeper.forget_server(self)

    def _on_g(self) -> None:
        self._interval = min(self._interval * 2, self._keeper.timers.t2)
        self._g = self._keeper.clock.call_later(self._interval, self._on_g)
        self._send(self._last)

    def _on_h(self) -> None:
        self._enter(_TERMINATED)
        if self.on_no_ack is not None:
            self.on_no_ack()

    def terminate(self) -> None:
        """Go without a word: its time is over, or the emulator stops."""
        if self.state is not _TERMINATED:
            self._enter(_TERMINATED)

    def _send(self, data: bytes) -> None:
        self._keeper.transmit(self.flow, data, self.request.call_id)


class NonInviteServer:
    """One request other than INVITE and ACK received (17.2.2)."""

    __slots__ = ("_keeper", "_last", "_timer", "flow", "key", "request", "state", "to_tag")

    def __init__(self, keeper: Keeper, key: object, request: Request, flow: Flow, to_tag: str) -> None:
        self._keeper = keeper
        self.key = key
        self.request = request
        self.flow = flow
        self.to_tag = to_tag
        self.state = _TRYING
        self._last = b""
        self._timer: Timer | None = None  # timer J

    def respond(self, status: int, headers: str = "", body: bytes = b"", reason: str | None = None) -> None:
        """Send a response; nothing may follow a final one."""
        if self.state not in (_TRYING, _PROCEEDING):
            raise ValueError(f"{status} after a final response")
        self._last = data = self.request.respond(status, self.to_tag, headers, body, reason)
        flow, call_id = self.flow, self.request.call_id
        self._enter(_COMPLETED if status >= 200 else _PROCEEDING)
        self._keeper.transmit(flow, data, call_id)

    @property
    def answered(self) -> bool:
        """The final response has been sent."""
        return self.state not in (_TRYING, _PROCEEDING)

    def retransmission(self, flow: Flow) -> None:
        """The same request came again; in Trying it is discarded (17.2.2)."""
        self.flow = flow
        if self._last:
            self._keeper.transmit(flow, self._last, self.request.call_id)

    def terminate(self) -> None:
        """Go without a word: its time is over, or the emulator stops."""
        if self.state is not _TERMINATED:
            self._enter(_TERMINATED)

    def _enter(self, state: ServerState) -> None:
        self.state = state
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if state is _COMPLETED:
            if self.flow.reliable:  # timer J is zero
                self._enter(_TERMINATED)
            else:
                self._timer = self._keeper.clock.call_later(self._keeper.timers.give_up, self.terminate)
        elif state is _TERMINATED:
            self._keeper.forget_server(self)


class ClientUser(Protocol):
    """Who sent the request."""

    def on_response(self, response: Response) -> None:
        """Every provisional response, and every final one that is not a retransmission (each 2xx of an INVITE comes)."""

    def on_timeout(self) -> None:
        """No final response in 64*T1 (timer B or F)."""

    def on_transport_failure(self) -> None:
        """The flow has gone before a final response came (17.1.4)."""


class NonInviteClient:
    """One request other than INVITE and ACK sent (17.1.2)."""

    __slots__ = (
        "_data",
        "_e",
        "_interval",
        "_keeper",
        "_timer",
        "call_id",
        "flow",
        "key",
        "method",
        "state",
        "user",
    )

    def __init__(self, keeper: Keeper, key: str, request: "Outgoing", flow: Flow, user: ClientUser) -> None:
        self._keeper = keeper
        self.key = key
        self.flow = flow
        self.user = user
        self.method = request.method
        self.call_id = request.call_id
        self._data = request.encode()
        self.state = ClientState.TRYING
        self._interval = keeper.timers.t1
        self._e: Timer | None = None
        self._timer: Timer | None = None

    def start(self) -> None:
        """Send the request."""
        self._enter(ClientState.TRYING)
        self._keeper.transmit(self.flow, self._data, self.call_id)
        if not self.flow.open:
            self.lost()

    def receive(self, response: Response) -> None:
        """A response that matches by branch and method (17.1.3)."""
        if self.state not in (ClientState.TRYING, ClientState.PROCEEDING):
            return
        if response.status < 200:
            if self.state is ClientState.TRYING:
                self.state = ClientState.PROCEEDING  # timers E and F run on
            self.user.on_response(response)
            return
        self._enter(ClientState.COMPLETED)
        self.user.on_response(response)

    def lost(self) -> None:
        """The flow has gone."""
        if self.state in (ClientState.TRYING, ClientState.PROCEEDING):
            self._enter(ClientState.TERMINATED)
            self.user.on_transport_failure()

    def terminate(self) -> None:
        """Go without a word: its time is over, or the emulator stops."""
        if self.state is not ClientState.TERMINATED:
            self._enter(ClientState.TERMINATED)

    def _enter(self, state: ClientState) -> None:
        self.state = state
        for timer in (self._e, self._timer):
            if timer is not None:
                timer.cancel()
        self._e = self._timer = None
        clock, timers = self._keeper.clock, self._keeper.timers
        if state is ClientState.TRYING:
            if not self.flow.reliable:
                self._e = clock.call_later(self._interval, self._on_e)
            self._timer = clock.call_later(timers.give_up, self._on_f)
        elif state is ClientState.COMPLETED:
            if self.flow.reliable:  # timer K is zero
                self._enter(ClientState.TERMINATED)
            else:
                self._timer = clock.call_later(timers.t4, self.terminate)
        elif state is ClientState.TERMINATED:
            self._keeper.forget_client(self)

    def _on_e(self) -> None:
        timers = self._keeper.timers
        # Trying doubles up to T2; Proceeding always waits T2 (17.1.2.2).
        self._interval = timers.t2 if self.state is ClientState.PROCEEDING else min(self._interval * 2, timers.t2)
        self._e = self._keeper.clock.call_later(self._interval, self._on_e)
        self._keeper.transmit(self.flow, self._data, self.call_id)

    def _on_f(self) -> None:
        self._keeper.withdraw(self.flow, self.key, self.call_id)  # no CANCEL waits: it follows a response
        self._enter(ClientState.TERMINATED)
        self.user.on_timeout()


class InviteClient:
    """One INVITE sent (17.1.1, RFC 6026 7.2). It acknowledges refusals itself; the ACK of a 2xx is its user's."""

    __slots__ = (
        "_a", "_ack", "_data", "_interval", "_keeper", "_request", "_timer", "call_id", "flow", "key", "state", "user",
    )  # fmt: skip

    def __init__(self, keeper: Keeper, key: str, request: "Outgoing", flow: Flow, user: ClientUser) -> None:
        self._keeper = keeper
        self.key = key
        self.flow = flow
        self.user = user
        self.call_id = request.call_id
        self._request = request
        self._data = request.encode()
        self._ack = b""
        self.state = ClientState.CALLING
        self._interval = keeper.timers.t1
        self._a: Timer | None = None
        self._timer: Timer | None = None

    def start(self) -> None:
        """Send the INVITE."""
        self._enter(ClientState.CALLING)
        self._keeper.transmit(self.flow, self._data, self.call_id)
        if not self.flow.open:
            self.lost()

    def receive(self, response: Response) -> None:
        """A response that matches by branch and method (17.1.3)."""
        status = response.status
        if self.state in (ClientState.CALLING, ClientState.PROCEEDING):
            if status < 200:
                if self.state is ClientState.CALLING:
                    self._enter(ClientState.PROCEEDING)
            elif status < 300:
                self._enter(ClientState.ACCEPTED)
            else:
                self._ack = self._request.ack_of_refusal(response)
                self._enter(ClientState.COMPLETED)
                self._keeper.transmit(self.flow, self._ack, self.call_id)
            self.user.on_response(response)
        elif self.state is ClientState.ACCEPTED and 200 <= status < 300:
            self.user.on_response(response)  # RFC 6026 7.2: each 2xx goes up, also a fork's
        elif self.state is ClientState.COMPLETED and status >= 300:
            self._keeper.transmit(self.flow, self._ack, self.call_id)

    def lost(self) -> None:
        """The flow has gone."""
        if self.state in (ClientState.CALLING, ClientState.PROCEEDING):
            self._enter(ClientState.TERMINATED)
            self.user.on_transport_failure()

    def unwanted(self) -> None:
        """Nobody waits for it any more: it is not sent again, and what comes of it until timer B goes to its user all the same.

        17.1.1.2 would repeat it until then; 16.8 takes one without a response whose time is up for answered by 408. One that waits for
        its connection still does not leave at all, and the transaction has terminated.
        """
        if self.state is ClientState.CALLING and self._keeper.withdraw(self.flow, self.key, self.call_id):
            self._enter(ClientState.TERMINATED)
        elif self._a is not None:
            self._a.cancel()
            self._a = None

    def terminate(self) -> None:
        """Go without a word: its time is over, or the emulator stops."""
        if self.state is not ClientState.TERMINATED:
            self._enter(ClientState.TERMINATED)

    def _enter(self, state: ClientState) -> None:
        self.state = state
        for timer in (self._a, self._timer):
            if timer is not None:
                timer.cancel()
        self._a = self._timer = None
        clock, timers = self._keeper.clock, self._keeper.timers
        if state is ClientState.CALLING:
            if not self.flow.reliable:
                self._a = clock.call_later(self._interval, self._on_a)
            self._timer = clock.call_later(timers.give_up, self._on_b)
        elif state is ClientState.COMPLETED:
            if self.flow.reliable:  # timer D is zero
                self._enter(ClientState.TERMINATED)
            else:
                self._timer = clock.call_later(timers.give_up, self.terminate)
        elif state is ClientState.ACCEPTED:
            self._timer = clock.call_later(timers.give_up, self.terminate)  # timer M
        elif state is ClientState.TERMINATED:
            self._keeper.forget_client(self)

    def _on_a(self) -> None:
        self._interval *= 2  # no T2 here: timer A doubles until timer B fires (17.1.1.2)
        self._a = self._keeper.clock.call_later(self._interval, self._on_a)
        self._keeper.transmit(self.flow, self._data, self.call_id)

    def _on_b(self) -> None:
        self._keeper.withdraw(self.flow, self.key, self.call_id)
        self._enter(ClientState.TERMINATED)
        self.user.on_timeout()


class Outgoing:
    """A request of ours before it has gone: what its ACK (17.1.1.3) and its CANCEL (9.1) are made of."""

    __slots__ = ("body", "call_id", "credentials", "cseq", "from_", "headers", "method", "route", "to", "uri", "via", "written")

    def __init__(
        self, method: str, uri: str, via: str, from_: str, to: str, call_id: str, cseq: int, route: str = "",
        headers: str = "", body: bytes = b"", written: "Callable[[Outgoing], bytes] | None" = None,
    ) -> None:  # fmt: skip
        """`via`, `from_`, `to` are header values; `route` and `headers` whole lines ending in CRLF. `written` makes the octets of it where
        somebody wants another order or form than ours; its ACK and its CANCEL are written as all others."""
        self.method = method
        self.uri = uri
        self.via = via
        self.from_ = from_
        self.to = to
        self.call_id = call_id
        self.cseq = cseq
        self.route = route
        self.headers = headers
        self.body = body
        self.written = written
        self.credentials = ""
        """Header lines that answer a challenge. "A UAC creating an ACK message will duplicate all of [them] that appeared in the INVITE"
        (22.1)."""

    def encode(self) -> bytes:
        if self.written is not None:
            return self.written(self)
        return self._encode(self.method, self.to, self.credentials + self.headers, self.body)

    def ack_of_refusal(self, response: Response) -> bytes:
        """The ACK of a 3xx to 6xx: the request's own Via, URI and Route, the response's To (17.1.1.3)."""
        return self._encode("ACK", response.headers["to"][0], self.credentials, b"")

    def cancel(self) -> "Outgoing":
        """The CANCEL of this INVITE: the same Via, URI, Route, To and CSeq number (9.1)."""
        return Outgoing("CANCEL", self.uri, self.via, self.from_, self.to, self.call_id, self.cseq, self.route)

    def _encode(self, method: str, to: str, headers: str, body: bytes) -> bytes:
        return encode_request(
            method,
            self.uri,
            f"Via: {self.via}\r\n{self.route}Max-Forwards: 70\r\nFrom: {self.from_}\r\nTo: {to}\r\n"
            f"Call-ID: {self.call_id}\r\nCSeq: {self.cseq} {method}\r\n{headers}",
            body,
        )
