"""Ports of calls on real sockets of the loopback and a reactor that does nothing, and phones that send to them."""

import socket
import struct
from typing import Any

from emulator.clock import SteppedClock
from emulator.ids import Ids
from emulator.journal.datagrams import Datagrams
from emulator.media import rtcp
from emulator.media.codecs import PCMU
from emulator.media.offer import Agreement, Keys
from emulator.media.plan import Plan
from emulator.media.port_pair import MediaPorts
from emulator.media.shared_port import SharedPorts
from emulator.media.sockets import Selector
from emulator.media.stream import Stream
from emulator.media.wire import Wire

HOST = "127.0.0.1"
INSIDE = ("127.0.0.9", 4000)
"""What a client behind a NAT believes to be its address."""
REPORT = rtcp.receiver_report(7, b"") + rtcp.description(7, "phone")
PACKET = struct.pack("!BBHII", 0x80, 0, 1, 160, 7) + b"\xff" * 160


class Reactor:
    """Reads when it is told to; its calls go by `clock`."""

    def __init__(self, clock: SteppedClock) -> None:
        self.readers: list[Any] = []
        self.callLater = clock.call_later

    def addReader(self, reader: Any) -> None:
        self.readers.append(reader)

    def removeReader(self, reader: Any) -> None:
        if reader in self.readers:
            self.readers.remove(reader)


class Ground:
    """Ports, a clock, and phones that send to them."""

    def __init__(self, ports: Any, clock: SteppedClock, selector: Selector) -> None:
        self.ports = ports
        self.clock = clock
        self.selector = selector
        self.phones: list[Phone] = []

    def phone(self, host: str = HOST) -> "Phone":
        phone = Phone(host)
        self.phones.append(phone)
        return phone

    def call(
        self, phone: "Phone", plan: Plan | None = None, announced: tuple[str, int] | None = None, keys: Keys | None = None,
        kept: Datagrams | None = None, rtcp: tuple[str, int] | None = None,
    ) -> tuple[Any, Stream]:  # fmt: skip
        """A call, with its packets `kept` where that is given."""
        port = self.ports.open(HOST)
        remote = announced or phone.address
        agreement = Agreement(PCMU, 0, 101, 8000, remote, rtcp or (HOST, phone.rtcp.getsockname()[1]), True, True, keys=keys)
        stream = Stream(agreement, self.clock, Ids(1), plan, wire=Wire(kept, self.clock, "192.0.2.9") if kept is not None else None)
        port.attach(stream)
        return port, stream

    def settle(self) -> None:
        """Read whatever has come; the loopback delivers at once."""
        for _ in range(3):
            self.selector.doRead()

    def close(self) -> None:
        self.ports.close()
        for phone in self.phones:
            phone.rtp.close()
            phone.rtcp.close()


class Phone:
    """Two sockets."""

    def __init__(self, host: str = HOST) -> None:
        self.rtp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.rtcp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        for sock in (self.rtp, self.rtcp):
            sock.bind((host, 0))
            sock.settimeout(0.2)

    @property
    def address(self) -> tuple[str, int]:
        host, port = self.rtp.getsockname()
        return host, port

    def say(self, number: int, packet: bytes = PACKET) -> None:
        try:
            self.rtp.sendto(packet, (HOST, number))
        except ConnectionRefusedError:
            self.rtp.sendto(packet, (HOST, number))  # the ICMP error was of an earlier packet

    def heard(self) -> tuple[bytes, int] | None:
        """The next packet and the port it came from."""
        try:
            data, peer = self.rtp.recvfrom(2000)
        except (TimeoutError, ConnectionRefusedError):
            return None
        return data, peer[1]


def ground(kind: str, latch: bool = False, tick: float = 0.0, tick_above: int = 100) -> Ground:
    clock = SteppedClock()

    def fail(error: Exception) -> None:
        raise error

    selector = Selector(Reactor(clock), clock, fail, tick, tick_above)
    ports = MediaPorts(selector, clock, ephemeral=True, latch=latch) if kind == "pairs" else SharedPorts(selector, 0, latch)
    return Ground(ports, clock, selector)


def report_of(phone: "Phone", number: int, data: bytes = REPORT, sock: socket.socket | None = None) -> None:
    """A report from the phone to the RTCP port beside `number`."""
    (sock or phone.rtcp).sendto(data, (HOST, number + 1))


def got_report(sock: socket.socket) -> bool:
    try:
        return sock.recv(2000) == REPORT
    except (TimeoutError, ConnectionRefusedError):
        return False
