"""A wire on which packets go through an impairment, and what comes out of it."""

from collections.abc import Callable, Mapping
from typing import Any

from emulator.chance import Chance
from emulator.clock import SteppedClock
from emulator.ids import Ids
from emulator.media.chain import Chain, chain
from emulator.media.impair import Impairment
from emulator.media.rtp import HEADER

SSRC = 0x11223344


def rtp(sequence: int, payload: bytes = b"", second: int = 0, timestamp: int | None = None, first: int = 0x80) -> bytes:
    """A packet whose timestamp goes with its sequence number, and whose payload is 160 octets that tell it apart."""
    timestamp = sequence * 160 if timestamp is None else timestamp
    return HEADER.pack(first, second, sequence & 0xFFFF, timestamp & 0xFFFFFFFF, SSRC) + (payload or bytes((sequence & 0x7F,)) * 160)


class Wire:
    """A sender with one buffer for all its packets, an impairment, and what came out of it and when."""

    def __init__(self, clock: SteppedClock, seed: int = 1) -> None:
        self.clock = clock
        self.chance = Chance(Ids(seed))
        self.sent: list[bytes] = []
        self.times: list[float] = []
        self.started = clock.now
        self.through: Callable[[bytes | memoryview], None] = lambda packet: None
        self._buffer = bytearray(1500)
        self._view = memoryview(self._buffer)

    def arrive(self, packet: bytes | memoryview) -> None:
        self.sent.append(bytes(packet))
        self.times.append(round(self.clock.now - self.started, 4))

    def make(self, kind: type[Impairment], **parameters: Any) -> Any:
        made = kind(self.arrive, self.clock, self.chance, **parameters)
        self.through = made
        return made

    def chain(self, *specs: tuple[str, Mapping[str, Any]], **options: Any) -> Chain:
        made = chain(specs, self.arrive, self.clock, self.chance, **options)
        self.through = made
        return made

    def send(self, packet: bytes) -> None:
        """Through the one buffer, which is overwritten at once."""
        self._buffer[: len(packet)] = packet
        try:
            self.through(self._view[: len(packet)])
        finally:
            self._buffer[:] = b"\xee" * len(self._buffer)

    def talk(self, count: int, first: int = 1) -> None:
        """`count` packets, one each 20 ms."""
        for k in range(first, first + count):
            self.send(rtp(k))
            self.clock.advance(0.02)

    @property
    def sequences(self) -> list[int]:
        return [int.from_bytes(packet[2:4], "big") for packet in self.sent]
