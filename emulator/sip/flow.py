"""A flow: the path a message came by and its answer goes back on (RFC 5626 section 3's word, for all transports)."""

from typing import Protocol

Address = tuple[str, int]


def sent_by(address: Address) -> str:
    """An address as Via and Contact write it."""
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


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
    def open(self) -> bool:
        """False once the connection has gone; always true for UDP."""

    @property
    def failure(self) -> str:
        """Why it has gone, for a person; empty while it is open."""

    def send(self, data: bytes) -> None:
        """Send one whole message; errors come back as a closed flow, never as an exception."""

    def answers_at(self, port: int) -> None:
        """For a connection: responses that find it gone go to this port of its peer, over a new one (RFC 3261 18.2.2)."""

    def to(self, peer: Address) -> "Flow":
        """The flow of the same listener toward `peer`: another datagram address, or for a connection the same flow."""
