"""A flow: the path a message came by and its answer goes back on (RFC 5626 section 3's word, for all transports)."""

import re
from typing import Protocol

Address = tuple[str, int]


def sent_by(address: Address) -> str:
    """An address as Via and Contact write it."""
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def of_transaction(data: bytes, branch: str) -> bool:
    """Whether a message of ours has that branch in a Via: the whole of it, for one may begin as another does."""
    head = data.partition(b"\r\n\r\n")[0]
    return re.search(rb";[ \t]*branch[ \t]*=[ \t]*" + re.escape(branch.encode()) + rb"(?![^;,\s])", head) is not None


ANY_ADDRESS = frozenset(("", "0.0.0.0", "::"))
"""What is bound to one of these has no address of its own."""


class Path:
    """The addresses between which the messages of a flow go, for whoever remembers them: it holds nothing of what the flow holds."""

    __slots__ = ("connected", "local", "peer", "transport")

    def __init__(self, transport: str, local: Address, peer: Address, connected: bool = True) -> None:
        """`local` as on the wire, where that is known; `connected` is False for a connection that has not come about, or not yet."""
        self.transport = transport
        self.local = local
        self.peer = peer
        self.connected = connected

    def never(self) -> "Path":
        """The same, for what did not go this way: it was withdrawn before there was a connection, whether or not one comes about."""
        return Path(self.transport, self.local, self.peer, connected=False)


class Flow(Protocol):
    """What the machines know of a path; `emulator.sip.transport` makes the real ones, tests their own."""

    @property
    def transport(self) -> str:
        """`UDP`, `TCP` or `TLS`."""

    @property
    def reliable(self) -> bool:
        """True when the transport retransmits by itself, so that the transaction layer must not."""

    @property
    def local(self) -> Address:
        """Our address and port, as advertised."""

    @property
    def sent_by(self) -> str:
        """`local` as Via and Contact write it: `host:port`, IPv6 in brackets."""

    @property
    def peer(self) -> Address:
        """The other side's address and port."""

    @property
    def path(self) -> Path:
        """Both addresses, as they are on the wire."""

    @property
    def open(self) -> bool:
        """False once the connection has gone, or did not come about; always true for UDP."""

    @property
    def ours(self) -> bool:
        """Whether it is a connection that we opened."""

    @property
    def coming(self) -> str:
        """What is missing still to a connection that comes about, as a noun for a person; empty otherwise."""

    @property
    def failure(self) -> str:
        """Why it has gone, or why the last datagram did not arrive, for a person; empty otherwise."""

    def send(self, data: bytes) -> None:
        """Send one whole message; errors come back as a closed flow, never as an exception."""

    def withdraw(self, branch: str) -> bool:
        """Whether something of the transaction with that branch waited for its connection; now nothing of it does, and it won't go."""

    def reset(self) -> None:
        """Cut a connection off, without a word; a datagram's path has none."""

    def answers_at(self, port: int) -> None:
        """For a connection: responses that find it gone go to this port of its peer, over a new one (RFC 3261 18.2.2)."""

    def to(self, peer: Address) -> "Flow":
        """The flow of the same listener toward `peer`: another datagram address; for a connection the same flow while it is open, and
        a new connection to `peer` when it has gone."""


class Paths(Protocol):
    """How one proxy reaches a peer, from its own address; `emulator.sip.dialling` makes the real ones."""

    def to(self, transport: str, peer: Address, name: str = "") -> Flow:
        """The flow to `peer` over `UDP`, `TCP` or `TLS`. `name` is the host that `peer` is an address of, for TLS.

        A connection that is open is used again, whoever opened it; otherwise one is opened, and what is sent meanwhile waits for it.
        When a peer can't be reached, the endpoint hears of it (`flow_lost`), and the flow's `failure` says why.
        """
