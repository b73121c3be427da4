"""One proxy's SIP: octets in from a flow, octets out to flows, and between them parsing, Via, transactions and dialogs.

An endpoint decides nothing about calls. What no transaction and no dialog claims goes to its `Core`.
"""

import hashlib
from typing import Protocol

from emulator.clock import Clock
from emulator.counting import counted
from emulator.ids import Ids
from emulator.journal.findings import Finding
from emulator.sip.dialog import dialog_key
from emulator.sip.flow import Flow, Paths
from emulator.sip.headers import HeaderError
from emulator.sip.lint import UDP_OCTETS
from emulator.sip.message import Malformed, Request, Response, parse
from emulator.sip.refusal import Refusal
from emulator.sip.timers import Timers
from emulator.sip.transaction import (
    ClientState,
    ClientUser,
    InviteClient,
    InviteServer,
    NonInviteClient,
    NonInviteServer,
    Outgoing,
)

MAGIC_COOKIE = "z9hG4bK"
_COOKIE_LENGTH = len(MAGIC_COOKIE)


class DialogUser(Protocol):
    """Who receives the requests inside a dialog: a session."""

    def on_request(self, request: Request, flow: Flow) -> None:
        """Any request but ACK and CANCEL; may raise `Refusal`."""

    def on_ack(self, request: Request) -> None:
        """An ACK that belongs to no transaction: that of a 2xx."""


class Core(Protocol):
    """Who owns the endpoint and decides: the trunk."""

    def on_request(self, endpoint: "Endpoint", request: Request, flow: Flow) -> None:
        """A request outside any dialog, not a retransmission, not ACK or CANCEL; may raise `Refusal`."""

    def on_message(self, endpoint: "Endpoint", flow: Flow, incoming: bool, call_id: str, data: bytes) -> None:
        """A message came or goes, for the journal."""

    def on_withdrawn(self, endpoint: "Endpoint", call_id: str, branch: str) -> None:
        """The messages with that branch that were to go wait no more for their connection, and have not left."""

    def on_finding(self, endpoint: "Endpoint", flow: Flow, call_id: str, finding: Finding, status: int, method: str = "") -> None:
        """Something is not as it should be; `status` is the answer it brings to a request of `method`, 0 for none."""

    def on_error(self, endpoint: "Endpoint", flow: Flow, call_id: str, error: Exception) -> None:
        """Handling a message raised an error that is ours."""


class Endpoint:
    """See the module. `name` is the owner's name for it; `product` goes into Server and User-Agent."""

    def __init__(
        self,
        name: str,
        core: Core,
        clock: Clock,
        ids: Ids,
        product: str = "vsim",
        timers: Timers | None = None,
        capacity: int = 20000,
    ) -> None:
        """`capacity` bounds the transactions held at once; above it new requests get 503."""
        self.name = name
        self.core = core
        self.clock = clock
        self.ids = ids
        self.product = product
        self.timers = timers or Timers()
        self.server_line = f"Server: {product}\r\n"
        self.capacity = capacity
        self.paths: Paths | None = None
        """How peers are reached over another transport than they came by; set by whoever opens its listeners."""
        self.dialogs: dict[str, DialogUser] = {}
        self._servers: dict[object, InviteServer | NonInviteServer] = {}
        self._clients: dict[str, InviteClient | NonInviteClient] = {}
        self._first_invites: dict[str, object] = {}
        """Key of the transaction under way, by what a copy of its INVITE that came another way has in common with it (8.2.2.2)."""
        self._tag_key = ids.take(16)

    # -- in -------------------------------------------------------------------------------------------------------

    def receive(self, data: bytes, flow: Flow) -> None:
        """One whole message. Never raises."""
        call_id = ""
        try:
            try:
                message = parse(data)
            except Malformed as malformed:
                self._on_malformed(malformed, data, flow)
                return
            call_id = message.call_id
            self.core.on_message(self, flow, True, call_id, data)
            if isinstance(message, Request):
                self._on_request(message, flow)
            else:
                self._on_response(message, flow)
        except Exception as error:
            self.core.on_error(self, flow, call_id, error)

    def endless(self, head: bytes, what: str, status: int, flow: Flow) -> None:
        """The headers of a message on a stream whose end can't be found: a request is answered all the same (18.3). Never raises."""
        try:
            try:
                message = parse(head)
            except Malformed as malformed:
                if malformed.message is None:
                    return
                message = malformed.message
            self._on_malformed(Malformed(what, message, status), head, flow)
        except Exception as error:
            self.core.on_error(self, flow, "", error)

    def _on_request(self, request: Request, flow: Flow) -> None:
        flow = self._answer_path(request, flow)
        method = request.method
        request.key = key = _server_key(request, "INVITE" if method == "ACK" else method)
        known = self._servers.get(key)
        if method == "ACK":
            self._on_ack(request, known, flow)
            return
        if known is not None:
            known.retransmission(flow)
            return
        try:
            if method == "CANCEL":
                self._on_cancel(request, flow)
            elif request.to_tag:
                user = self.dialogs.get(dialog_key(request.call_id, request.to_tag, request.from_tag))
                if user is None:
                    self._refuse_unmatched(request, flow, Finding("dialog.unknown", f"{method} in no call that is up"))
                else:
                    user.on_request(request, flow)
            else:
                if _merge_key(request) in self._first_invites:
                    raise Refusal(482, Finding("request.merged", "the same request on another branch"))
                self.core.on_request(self, request, flow)
        except Refusal as refusal:
            self._refuse(request, flow, refusal)
        except HeaderError as error:  # a header that is read only when somebody asks for it
            self._refuse(request, flow, Refusal(400, Finding("message.malformed", str(error))))
        except Exception as error:
            self.core.on_error(self, flow, request.call_id, error)
            failed = self._servers.get(key)
            if failed is None:
                self.reply(request, flow, 500)
            elif not failed.answered:  # made before the error: without an answer it would stay for ever
                failed.respond(500, self.server_line)
        server = self._servers.get(key)
        if server is not None and server.answered:
            request.forget_content()

    def _on_ack(self, request: Request, known: InviteServer | NonInviteServer | None, flow: Flow) -> None:
        if isinstance(known, InviteServer):
            known.ack()
        user = self.dialogs.get(dialog_key(request.call_id, request.to_tag, request.from_tag))
        if user is not None:
            user.on_ack(request)
        elif isinstance(known, InviteServer) and known.misses_ack(request.to_tag):
            # Some stacks send the ACK of a 2xx on the branch of its INVITE, by which it is known in spite of its tag.
            seen = f"To tag {request.to_tag!r}, that of the 200 is {known.to_tag!r}"
            self.core.on_finding(self, flow, request.call_id, Finding("ack.to-tag", seen), 0)
        # Any other ACK is silence: the ACK of a stateless refusal, or of nothing (8.2.7, 17.2.1).

    def _on_cancel(self, request: Request, flow: Flow) -> None:
        """9.2: the CANCEL itself gets 200 when its INVITE is known, whatever that INVITE's state."""
        invite = self._servers.get(_server_key(request, "INVITE"))
        if not isinstance(invite, InviteServer):
            self._refuse_unmatched(request, flow, Finding("cancel.unmatched", "no INVITE with the branch of the CANCEL"))
            return
        server = NonInviteServer(self, request.key, request, flow, invite.to_tag)
        self._servers[server.key] = server
        server.respond(200, self.server_line)
        invite.cancel()

    def _on_response(self, response: Response, flow: Flow) -> None:
        client = self._clients.get(_client_key(response.via.params.get("branch") or "", response.cseq.method))
        if client is not None and response.cseq.method == ("INVITE" if isinstance(client, InviteClient) else client.method):
            vias = response.headers["via"]
            if len(vias) > 1 or "," in vias[0]:
                # "If more than one Via header field value is present in a response, the UAC SHOULD discard the message" (8.1.3.3)
                seen = f"{response.status} to {response.cseq.method} with another Via behind ours"
                self.core.on_finding(self, flow, response.call_id, Finding("via.left-over", seen), 0)
                return
            client.receive(response)
        # A response to nothing is dropped (18.1.2, 16.7 item 1 is a proxy's).

    def _on_malformed(self, malformed: Malformed, data: bytes, flow: Flow) -> None:
        """Answer a request that can be answered, by name of what is wrong (21.4.1); never a response, never an ACK."""
        message = malformed.message
        finding = Finding("message.malformed", malformed.what)
        if not isinstance(message, Request) or message.method == "ACK":
            self.core.on_finding(self, flow, "", finding, 0)
            return
        flow = self._answer_path(message, flow)
        self.core.on_message(self, flow, True, message.call_id, data)
        self.core.on_finding(self, flow, message.call_id, finding, malformed.status, message.method)
        self.reply(message, flow, malformed.status, warning(flow, malformed.what))

    def _answer_path(self, request: Request, flow: Flow) -> Flow:
        """Fill in `received` and `rport` (18.2.1, RFC 3581 4) and choose where responses go (18.2.2).

        A `maddr` is not followed: an answer goes only to the address its request came from, or it could be aimed at others.
        """
        via = request.via
        host, port = flow.peer
        if "rport" in via.params:
            via.params["rport"] = str(port)
            via.params["received"] = host
        elif via.host != host and via.host != f"[{host}]":
            via.params["received"] = host
        if flow.reliable:
            flow.answers_at(via.port or (5061 if flow.transport == "TLS" else 5060))
            return flow
        if "rport" in via.params:
            return flow
        wanted = via.port or 5060
        return flow if wanted == port else flow.to((host, wanted))

    # -- out ------------------------------------------------------------------------------------------------------

    def transmit(self, flow: Flow, data: bytes, call_id: str) -> None:
        """Send one message and record it."""
        self.core.on_message(self, flow, False, call_id, data)
        if len(data) > UDP_OCTETS and not flow.reliable:
            self.core.on_finding(self, flow, call_id, Finding("response.large-over-udp", f"{len(data)} octets"), 0)
        flow.send(data)

    def withdraw(self, flow: Flow, branch: str, call_id: str) -> bool:
        """See `Flow.withdraw`."""
        found = flow.withdraw(branch)
        if found:
            self.core.on_withdrawn(self, call_id, branch)
        return found

    def reply(self, request: Request, flow: Flow, status: int, headers: str = "", body: bytes = b"") -> None:
        """Answer without a transaction: the tag is a function of the request, so that a retransmission gets the same one (8.2.7)."""
        self.transmit(
            flow,
            request.respond(status, self.stateless_tag(request), headers + self.server_line, body),
            request.call_id,
        )

    def stateless_tag(self, request: Request) -> str:
        branch = request.via.params.get("branch") or ""
        seed = f"{branch}\n{request.call_id}\n{request.from_tag}\n{request.cseq.number}"
        return hashlib.blake2b(seed.encode("utf-8", "surrogateescape"), key=self._tag_key, digest_size=8).hexdigest()

    def invite_server(self, request: Request, flow: Flow) -> InviteServer:
        """A transaction for an INVITE; `Refusal` 503 when the table is full."""
        self._check_capacity()
        server = InviteServer(self, request.key, request, flow, request.to_tag or self.ids.tag())
        self._servers[server.key] = server
        if not request.to_tag:
            self._first_invites.setdefault(_merge_key(request), server.key)
        return server

    def non_invite_server(self, request: Request, flow: Flow) -> NonInviteServer:
        """A transaction for any other request; `Refusal` 503 when the table is full."""
        self._check_capacity()
        server = NonInviteServer(self, request.key, request, flow, request.to_tag or self.ids.tag())
        self._servers[server.key] = server
        return server

    def _check_capacity(self) -> None:
        if len(self._servers) >= self.capacity:
            finding = Finding("limit.transactions", f"{counted(self.capacity, 'transaction')} at once")
            raise Refusal(503, finding, (("Retry-After", "5"),))

    def _refuse(self, request: Request, flow: Flow, refusal: Refusal) -> None:
        """The one place where a refusal becomes an answer."""
        finding = refusal.finding
        headers = ""
        for name, value in refusal.headers:
            headers += f"{name}: {value}\r\n"
        if finding is not None:
            self.core.on_finding(self, flow, request.call_id, finding, refusal.status, request.method)
            headers += warning(flow, finding.public)
        known = request.authenticated or request.to_tag
        if not known or refusal.status in (401, 407, 503) or request.method != "INVITE":
            # A challenge holds no state, or a flood of INVITEs would (26.3.2.4); nor does "too busy". And a stranger, whose address
            # may be a victim's, gets one answer and no retransmissions of it (8.2.7).
            self.transmit(
                flow,
                request.respond(
                    refusal.status,
                    self.stateless_tag(request),
                    headers + self.server_line,
                    b"",
                    refusal.reason,
                ),
                request.call_id,
            )
        else:
            self.invite_server(request, flow).respond(refusal.status, headers + self.server_line, b"", refusal.reason)

    def _refuse_unmatched(self, request: Request, flow: Flow, finding: Finding) -> None:
        """481 without a transaction, for what it would belong to is not there."""
        self.core.on_finding(self, flow, request.call_id, finding, 481, request.method)
        self.reply(request, flow, 481, warning(flow, finding.public))

    def via(self, flow: Flow) -> tuple[str, str]:
        """A new branch, and the Via value of a request that goes out on `flow` with it."""
        branch = self.ids.branch()
        return branch, f"SIP/2.0/{flow.transport} {flow.sent_by};branch={branch};rport"

    def send(self, request: Outgoing, branch: str, flow: Flow, user: ClientUser) -> InviteClient | NonInviteClient:
        """Send a request in a client transaction of its own; `branch` is the one in its Via. Over a flow that has gone the user hears
        of it before this returns."""
        client: InviteClient | NonInviteClient
        if request.method == "INVITE":
            client = InviteClient(self, branch, request, flow, user)
        else:
            client = NonInviteClient(self, _client_key(branch, request.method), request, flow, user)
        self._clients[client.key] = client
        client.start()
        return client

    def flow_lost(self, flow: Flow) -> None:
        """A connection has gone, or a datagram did not arrive: the requests on it have failed (17.1.4, 18.4).

        An INVITE over UDP that has had a response lives on: what did not arrive was something else.
        """
        for client in [client for client in self._clients.values() if _same_path(client.flow, flow)]:
            if flow.reliable or not (isinstance(client, InviteClient) and client.state is ClientState.PROCEEDING):
                client.lost()

    # -- table ----------------------------------------------------------------------------------------------------

    def forget_server(self, transaction: InviteServer | NonInviteServer) -> None:
        self._servers.pop(transaction.key, None)
        merge_key = _merge_key(transaction.request)
        if self._first_invites.get(merge_key) == transaction.key:
            del self._first_invites[merge_key]

    def forget_client(self, transaction: InviteClient | NonInviteClient) -> None:
        self._clients.pop(transaction.key, None)

    @property
    def transactions(self) -> int:
        """How many transactions are held."""
        return len(self._servers) + len(self._clients)

    def close(self) -> None:
        """Drop every transaction and dialog without a word."""
        for transaction in [*self._servers.values(), *self._clients.values()]:
            transaction.terminate()
        self.dialogs.clear()


def _server_key(request: Request, method: str) -> object:
    """17.2.3: branch, sent-by and method; without the magic cookie the old rule of RFC 2543."""
    via = request.via
    branch = via.params.get("branch")
    if branch is not None and branch[:_COOKIE_LENGTH] == MAGIC_COOKIE and len(branch) > _COOKIE_LENGTH:
        return f"{branch}\n{via.host}:{via.port}\n{method}"
    return (request.uri, request.call_id, request.from_tag, request.cseq.number, via.host, via.port, method)


def _same_path(flow: Flow, lost: Flow) -> bool:
    """Flows of connections are one object each; two of one datagram path may be there."""
    return flow is lost or not (flow.reliable or lost.reliable or flow.peer != lost.peer)


def _client_key(branch: str, method: str) -> str:
    """17.1.3: the branch, and the method too, for a CANCEL has the branch of its INVITE."""
    return f"{branch}\nCANCEL" if method == "CANCEL" else branch


def _merge_key(request: Request) -> str:
    """From tag, Call-ID and CSeq, all that 8.2.2.2 compares."""
    return f"{request.call_id}\n{request.from_tag}\n{request.cseq.number}"


def warning(flow: Flow, text: str) -> str:
    """A Warning line with the miscellaneous code (20.43)."""
    quoted = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'Warning: 399 {flow.sent_by} "{quoted}"\r\n'
