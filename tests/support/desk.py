"""The product's own phone beside a trunk: an in-memory network for both their messages and their media, on one stepped clock."""

from collections.abc import Callable
from typing import Any

from emulator.ids import Ids
from emulator.media.stream import Stream
from emulator.phone.outcome import Outcome
from emulator.phone.phone import Phone
from emulator.phone.placed import Destination, PlacedCall
from emulator.phone.script import Answering, Calling
from emulator.sip.credentials import Credentials
from emulator.sip.flow import Address, Flow, Path, sent_by
from emulator.sip.locate import Hop, Locator, Transport
from emulator.trunk import regions
from tests.support.network import Coming, MemoryFlow, MemoryPort, Network

HERE = "192.0.2.20"
DELAY = 0.01
"""Seconds that a packet of media takes in one direction."""
CALLING = Calling()
PORTS = {"UDP": 5080, "TCP": 5080, "TLS": 5081}


class WiredPort(MemoryPort):
    """A media port whose packets arrive where the description says, after `DELAY`. `lose` names the packets, counted from 1, that don't."""

    def __init__(self, desk: "Desk", address: str, number: int) -> None:
        super().__init__(number)
        self._desk = desk
        self._address = address
        self.lose: Callable[[int], bool] = lambda count: False
        self.count = 0
        desk.wires[address, number] = self

    def attach(self, stream: Stream) -> None:
        super().attach(stream)
        agreement = stream.agreement

        def send(data: Any) -> None:
            self.count += 1
            if not self.lose(self.count):
                self._desk.network.clock.call_later(DELAY, self._desk.deliver, agreement.remote, bytes(data))

        stream.send = send

    def close(self) -> None:
        super().close()
        self._desk.wires.pop((self._address, self.number), None)


class WiredNetwork(Network):
    """A trunk whose media ports are wired."""

    def __init__(self, desk: "Desk", **how: Any) -> None:
        self.desk = desk
        super().__init__(**how)

    def _open(self, proxy: str) -> MemoryPort:
        port = WiredPort(self.desk, self.trunk.proxies[proxy].place.address, 10000 + 2 * len(self.ports))
        self.ports.append(port)
        return port


class _Here:
    """The phone, where the trunk looks for a customer."""

    def __init__(self, desk: "Desk", transport: str) -> None:
        self._desk = desk
        self._transport = transport
        self._flows: dict[str, MemoryFlow] = {}

    def receive(self, data: bytes, send: Callable[[bytes], None]) -> None:
        via = data.partition(b"Via: ")[2].partition(b";")[0] if not data.startswith(b"SIP/2.0 ") else b""
        proxy = next((place for place in regions.loopback_layout() if f" {place.address}:".encode() in via), None)
        flow = MemoryFlow(send, self._transport, (proxy.address, proxy.udp) if proxy is not None else ("127.0.13.1", 5060))
        flow.local = (HERE, PORTS[self._transport])
        flow.sent_by = sent_by(flow.local)
        self._desk.phone.endpoint.receive(data, flow)


class _Paths:
    """The phone's ways to the proxies."""

    def __init__(self, desk: "Desk") -> None:
        self._desk = desk
        self.names: list[str] = []

    def to(self, transport: str, peer: Address, name: str = "") -> Flow:
        self.names.append(name)
        return self._desk.flow_to(transport, peer)


class Desk:
    """One trunk, one phone. `outcomes` are of the calls that came to the phone."""

    def __init__(self, secret: str = "OfflineSecret1", **how: Any) -> None:
        self.wires: dict[Address, WiredPort] = {}
        self.network = network = WiredNetwork(self, **how)
        self.clock = network.clock
        self.ports: list[WiredPort] = []
        ids = Ids(7)
        self.phone = Phone(network.clock, ids, self._open, network._report, "phone/test", Credentials("abcd1234", secret, ids))
        self.paths = self.phone.paths = _Paths(self)
        self.phone.locator = Locator(network.names, ids, network.clock)
        self.outcomes: list[Outcome] = []
        self.dead: dict[Address, str] = {}
        """Why a proxy can't be reached."""
        self.deaf: set[Address] = set()
        """Proxies that hear nothing."""
        self.coming: set[Address] = set()
        """Proxies to which no connection comes about."""
        for transport, port in PORTS.items():
            network.customers[transport, (HERE, port)] = _Here(self, transport)  # type: ignore[assignment]

    def _open(self, address: str) -> WiredPort:
        port = WiredPort(self, address, 30000 + 2 * len(self.ports))
        self.ports.append(port)
        return port

    def deliver(self, to: Address, packet: bytes) -> None:
        port = self.wires.get(to)
        if port is not None and port.stream is not None:
            port.hear(packet)

    def flow_to(self, transport: str, peer: Address) -> MemoryFlow:
        """The phone's way to a proxy, and the proxy's back."""
        network, phone = self.network, self.phone
        proxy = next((proxy for proxy in network.trunk.proxies.values() if proxy.place.address == peer[0]), None)

        def deliver(data: bytes) -> None:
            if peer in self.dead:
                there.failure = self.dead[peer]
                there.open = transport == "UDP"
                network.clock.call_later(0, phone.endpoint.flow_lost, there)
            elif peer not in self.deaf and proxy is not None:
                network.clock.call_later(0, proxy.endpoint.receive, data, back)

        there = (Coming if peer in self.coming else MemoryFlow)(deliver, transport, peer)
        there.local = (HERE, PORTS[transport])
        there.sent_by = sent_by(there.local)
        there.path = Path(transport, there.local, peer, not there.coming)
        back = MemoryFlow(lambda data: network.clock.call_later(0, phone.endpoint.receive, data, there) and None, transport, there.local)
        if proxy is not None:
            back.local = (proxy.place.address, peer[1])
            back.sent_by = sent_by(back.local)
        return there

    # -- what a test says -----------------------------------------------------------------------------------------

    def destination(self, number: str = "442071234567", transport: Transport = "UDP", *proxies: str) -> Destination:
        """A number at these proxies, one after the other."""
        hops = []
        for name in proxies or ("us-3-1",):
            place = self.network.trunk.proxies[name].place
            port = place.tls if transport == "TLS" else place.udp
            hops.append(Hop(transport, (place.address, port), regions.host("us"), place.host))
        return Destination(number, regions.host("us"), transport, None, tuple(hops))

    def place(
        self, to: Destination | None = None, script: Calling = CALLING, caller: str = "447700900000"
    ) -> tuple[PlacedCall, list[Outcome]]:
        """A call under way; its outcome appears in the list."""
        over: list[Outcome] = []
        return self.phone.place(to or self.destination(), caller, script, over.append), over

    def call(self, to: Destination | None = None, script: Calling = CALLING, seconds: float = 100.0) -> Outcome:
        """A call from its beginning to its end."""
        _, over = self.place(to, script)
        self.clock.advance(seconds)
        assert len(over) == 1, over
        return over[0]

    def answer(self, script: Answering) -> None:
        """Calls to the phone go so."""
        self.phone.answer(script, self.outcomes.append)

    @property
    def idle(self) -> bool:
        """Nothing is left over on either side."""
        endpoint = self.phone.endpoint
        return self.network.idle and not (self.phone.calls or endpoint.dialogs or endpoint.transactions or self.wires or self.clock.pending)
