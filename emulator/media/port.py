"""What a call asks of its media ports; `port_pair` and `shared_port` open the real ones, tests their own."""

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from emulator.media.stream import Stream


class Exhausted(Exception):
    """No media port is free."""


class Port(Protocol):
    """A pair of ports that belongs to one call: RTP on `number`, RTCP one above."""

    @property
    def number(self) -> int:
        """The RTP port."""

    def attach(self, stream: "Stream") -> None:
        """Hand `stream` what arrives from where its agreement points, and nothing else; called again when that changes."""

    def close(self) -> None:
        """Give the ports back; harmless when done before."""
