"""A dialog (RFC 3261 12): who talks to whom, in which order, and where the next request goes."""

from typing import Self

from emulator.sip.headers import HeaderError, uri_of
from emulator.sip.message import Message, Request, Response
from emulator.sip.transaction import Outgoing
from emulator.sip.uri import Uri, UriError

NO_SEQUENCE = -1
"""The remote sequence number of a dialog in which the peer has sent no request: "empty" (12.1.2)."""


def dialog_key(call_id: str, local_tag: str, remote_tag: str) -> str:
    """The dialog id of 12 as one dictionary key; a line feed can stand in none of its parts."""
    return f"{call_id}\n{local_tag}\n{remote_tag}"


class Dialog:
    """One side's state of a dialog. Header values are kept as they came, so that they go back byte for byte."""

    __slots__ = (
        "call_id", "local", "local_sequence", "local_tag", "remote", "remote_sequence", "remote_tag", "route_set", "target",
    )  # fmt: skip

    def __init__(self) -> None:
        self.call_id = ""
        self.local = ""  # our From value, tag included
        self.remote = ""  # our To value
        self.local_tag = ""
        self.remote_tag = ""
        self.local_sequence = 0
        self.remote_sequence = 0  # the last CSeq number of theirs; NO_SEQUENCE before the first
        self.route_set: list[str] = []
        self.target = ""

    @classmethod
    def as_server(cls, request: Request, local_tag: str) -> Self:
        """The dialog that answering `request` makes (12.1.1).

        Raises `HeaderError` when the request has no usable Contact.
        """
        dialog = cls()
        dialog.call_id = request.call_id
        dialog.local = f"{request.headers['to'][0]};tag={local_tag}"
        dialog.remote = request.headers["from"][0]
        dialog.local_tag = local_tag
        dialog.remote_tag = request.from_tag
        dialog.remote_sequence = request.cseq.number
        if "record-route" in request.headers:
            dialog.route_set = _routes(request)
        dialog.target = contact_uri(request)
        return dialog

    @classmethod
    def as_client(cls, invite: Outgoing, local_tag: str, response: Response) -> Self:
        """The dialog that a 101 to 299 to our INVITE makes (12.1.2); `learn` fills in where its requests go."""
        dialog = cls()
        dialog.call_id = invite.call_id
        dialog.local = invite.from_
        dialog.remote = response.headers["to"][0]
        dialog.local_tag = local_tag
        dialog.remote_tag = response.to_tag
        dialog.local_sequence = invite.cseq
        dialog.remote_sequence = NO_SEQUENCE
        dialog.target = invite.uri
        return dialog

    def learn(self, response: Response) -> None:
        """Route set, in reverse order, and target from a response to our INVITE (12.1.2); a 2xx overrules a provisional (13.2.2.4).

        Raises `HeaderError` when one of them makes no sense; the other is taken all the same, and the INVITE's own URI stays the target
        when there is no usable Contact.
        """
        try:
            self.route_set = _routes(response)[::-1] if "record-route" in response.headers else []
        finally:
            self.target = contact_uri(response)

    @property
    def key(self) -> str:
        return dialog_key(self.call_id, self.local_tag, self.remote_tag)

    def in_order(self, request: Request) -> bool:
        """Take note of a request's CSeq; False when it is lower than one seen before (12.2.2: answer 500).

        Equal is let through: a client may repeat a challenged request with the CSeq it had.
        """
        if request.cseq.number < self.remote_sequence:
            return False
        self.remote_sequence = request.cseq.number
        return True

    def refresh_target(self, message: Message) -> None:
        """A target refresh request, or the 2xx to one, moves the remote target (12.2); one without a Contact leaves it."""
        if "contact" in message.headers:
            self.target = contact_uri(message)

    def next_hop(self) -> Uri:
        """Where a request goes: the first route, or the target when there is none (12.2.1.1, 8.1.2).

        Raises `UriError`.
        """
        return Uri.parse(uri_of(self.route_set[0]) if self.route_set else self.target)

    def request(self, method: str, via: str, headers: str = "", body: bytes = b"", sequence: int | None = None) -> Outgoing:
        """A request inside the dialog (12.2.1.1). `sequence` is given for an ACK, which has its INVITE's; others count up."""
        if sequence is None:
            self.local_sequence = sequence = self.local_sequence + 1
        uri, routes = self.target, self.route_set
        if routes and not _is_loose(routes[0]):  # a strict router wants itself in the Request-URI, and the target last
            uri, routes = uri_of(routes[0]), [*routes[1:], f"<{self.target}>"]
        route = "".join(f"Route: {value}\r\n" for value in routes)
        return Outgoing(method, uri, via, self.local, self.remote, self.call_id, sequence, route, headers, body)


def _routes(message: Message) -> list[str]:
    """The Record-Route values of a message. Raises `HeaderError`, also when one is no address: requests would go there."""
    routes = message.all("record-route")
    for route in routes:
        try:
            uri_of(route)
        except HeaderError as error:
            raise HeaderError(f"Record-Route: {error}") from None
    return routes


def contact_uri(message: Message) -> str:
    """The URI of a message's one Contact; `HeaderError` when there is none or it makes no sense (8.1.1.8)."""
    value = message.get("contact")
    if value is None:
        raise HeaderError("no Contact header")
    try:
        uri = uri_of(value)
    except HeaderError as error:
        raise HeaderError(f"Contact: {error}") from None
    if not uri or uri == "*":
        raise HeaderError("Contact: no URI in it")
    return uri


def _is_loose(route: str) -> bool:
    try:
        return "lr" in Uri.parse(uri_of(route)).params
    except UriError:
        return True
