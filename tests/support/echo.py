"""A stream that echoes, on a stepped clock, with a sender before it and all that it sends kept."""

import struct

from emulator.clock import SteppedClock
from emulator.ids import Ids
from emulator.media.codecs import PCMU
from emulator.media.dtmf import Digit
from emulator.media.dtmf_sender import Quirk
from emulator.media.dtmf_sender import send as event_packets
from emulator.media.offer import Agreement, Keys
from emulator.media.plan import Plan
from emulator.media.stream import Stream

OURS, THEIRS = b"o" * 30, b"t" * 30


def agreement(send: bool = True, keys: Keys | None = None) -> Agreement:
    return Agreement(PCMU, 0, 101, 8000, ("192.0.2.1", 4000), ("192.0.2.1", 4001), send, True, keys=keys)


class Echo:
    """A stream, what it sent, and a sender with its own numbers."""

    def __init__(self, send: bool = True, plan: Plan | None = None, keys: Keys | None = None) -> None:
        self.clock = SteppedClock()
        self.digits: list[Digit] = []
        self.stream = Stream(agreement(send, keys), self.clock, Ids(1), plan, self.digits.append)
        self.sent: list[bytes] = []
        self.reports: list[bytes] = []
        self.stream.send = lambda data: self.sent.append(bytes(data))
        self.stream.send_rtcp = lambda data: self.reports.append(bytes(data))

    def hear(self, sequence: int, payload_type: int = 0, source: int = 1, timestamp: int = 0, payload: bytes = b"x") -> None:
        self.raw(struct.pack("!BBHII", 0x80, payload_type, sequence & 0xFFFF, timestamp & 0xFFFFFFFF, source) + payload)

    def talk(self, count: int, first: int = 0, step: int = 160, pace: float = 0.02) -> None:
        """`count` packets at their pace."""
        for k in range(first, first + count):
            self.hear(k, timestamp=k * step, payload=b"\xff" * 160)
            self.clock.advance(pace)

    def raw(self, packet: bytes) -> None:
        buffer = bytearray(packet) + bytearray(1500)
        self.stream.reader(buffer, memoryview(buffer), len(packet))

    def press(self, digit: str, first: int = 0, seconds: float = 0.1, quirk: Quirk | None = None, timestamp: int = 8000) -> None:
        """One digit as telephone-events at their pace."""
        began = 0.0
        for k, packet in enumerate(event_packets(digit, timestamp, seconds, quirk=quirk)):
            self.clock.advance(packet.delay - began)
            began = packet.delay
            self.hear(first + k, packet.marker * 0x80 | 101, timestamp=packet.timestamp, payload=packet.payload)

    def codes(self) -> set[str]:
        return {finding.code for finding in self.stream.findings()}
