"""What faults ask of the sockets; `emulator.scenario.wires` has the real ones, tests their own."""

from collections.abc import Callable
from typing import Any, Literal, Protocol

from emulator.scenario.fault import Fault
from emulator.sip.flow import Flow
from emulator.trunk.regions import Place

How = Literal["drop", "refuse", "reset"]
Choose = Callable[[str], Fault | None]
"""The fault that strikes a new connection from `host:port`: a `Slow`, `HalfOpen`, `Reset` or `Tls`, None for none."""
Reply = Callable[[bytes], None]
Handle = Callable[[bytes, bool, Reply], None]
"""Answers a query to the name server: octets, whether they came over TCP, and where the answer goes."""


class Wires(Protocol):
    """The sockets of one proxy."""

    place: Place
    """Where they are bound."""

    def aim(self) -> None:
        """The endpoint's `receive` is another now: hand messages to that."""

    def down(self, transport: str, how: How | None) -> None:
        """Close a transport to clients in one of these ways, or open it again at the same port; harmless when it is so already.

        UDP that is dropped or reset stays open: the gate is what loses its messages."""

    def attempts(self, transport: str) -> int:
        """How many connection attempts went unanswered since it is dropped, as far as the system can say."""

    def connections(self, transport: str, choose: Choose | None) -> None:
        """Ask about each new connection; None asks no more."""

    def cut(self, transport: str, spare: Callable[[Flow], bool]) -> None:
        """Reset every open connection but those to spare; where the transport is dropped, send nothing over them until it is not."""


class Names(Protocol):
    """The name server."""

    handle: Any
    """A `Handle`: how it answers a query."""
