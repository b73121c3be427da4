"""A trunk and its phones on an in-memory network and a stepped clock."""

from collections.abc import Callable, Iterable, Sequence

from emulator.clock import SteppedClock
from emulator.ids import Ids
from emulator.journal.datagrams import Shelf
from emulator.journal.journal import Journal
from emulator.media.sockets import NOWHERE
from emulator.media.stream import Stream
from emulator.sip.endpoint import Endpoint
from emulator.sip.flow import Address, Flow, Path, sent_by
from emulator.sip.locate import NXDOMAIN, Family, Locator, Service
from emulator.trunk import regions
from emulator.trunk.accounts import Account, Accounts
from emulator.trunk.directory import Entry
from emulator.trunk.trunk import Policy, Trunk
from tests.support.customer import Customer, Script
from tests.support.phone import Phone


class MemoryFlow:
    """A path to a phone. `drop` names the messages, counted from 1, that the network loses on their way out."""

    def __init__(self, deliver: Callable[[bytes], None], transport: str = "UDP", peer: Address = ("192.0.2.10", 5070)) -> None:
        self.deliver = deliver
        self.transport = transport
        self.reliable = transport != "UDP"
        self.local: Address = ("127.0.13.1", 5060)
        self.sent_by = sent_by(self.local)
        self.path = Path(transport, self.local, peer)
        self.peer = peer
        self.open = True
        self.failure = ""
        self.ours = False
        self.coming = ""
        self.drop: set[int] = set()
        self.sent = 0
        self.aimed: list[Address] = []
        """Where datagrams were sent instead of to `peer`."""

    def send(self, data: bytes) -> None:
        self.sent += 1
        if self.open and self.sent not in self.drop:
            self.deliver(data)

    def withdraw(self, branch: str) -> bool:
        return False

    def reset(self) -> None:
        self.open = not self.reliable

    def answers_at(self, port: int) -> None:
        self.answer_port = port

    def to(self, peer: Address) -> "MemoryFlow":
        if self.reliable or peer == self.peer:
            return self
        self.aimed.append(peer)
        return self


class Coming(MemoryFlow):
    """A connection that comes about when the test says so; until then what is sent waits for it."""

    def __init__(self, deliver: Callable[[bytes], None], transport: str, peer: Address) -> None:
        super().__init__(deliver, transport, peer)
        self.coming = "connection"
        self.waiting: list[bytes] = []

    def send(self, data: bytes) -> None:
        if self.coming:
            self.waiting.append(data)
        else:
            super().send(data)

    def withdraw(self, branch: str) -> bool:
        left = [data for data in self.waiting if f";branch={branch};".encode() not in data]
        found = len(left) < len(self.waiting)
        self.waiting = left
        return found

    def comes(self) -> None:
        self.coming, self.path.connected = "", True
        while self.waiting:
            super().send(self.waiting.pop(0))


class Names:
    """A resolver that knows what it was told, and answers at once."""

    def __init__(self) -> None:
        self.services: dict[str, list[Service]] = {}
        self.hosts: dict[str, list[str]] = {}

    def srv(self, name: str, done: Callable[[Sequence[Service] | str], None]) -> "Names":
        done(self.services.get(name, NXDOMAIN))
        return self

    def addresses(self, name: str, family: Family, done: Callable[[Sequence[str] | str], None]) -> "Names":
        done(self.hosts.get(name, NXDOMAIN) if family == 4 else NXDOMAIN)
        return self

    def cancel(self) -> None:
        """Every question has been answered."""


class MemoryPaths:
    """A proxy's ways to customers."""

    def __init__(self, network: "Network", proxy: str) -> None:
        self._network = network
        self._proxy = proxy
        self.names: list[str] = []

    def to(self, transport: str, peer: Address, name: str = "") -> Flow:
        self.names.append(name)
        return self._network.flow_to(self._proxy, transport, peer)


class MemoryPort:
    """Media ports without sockets: keeps what the stream sends."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.stream: Stream | None = None
        self.source = number
        """The port that the stream sends from."""
        self.sent: list[bytes] = []
        self.sent_rtcp: list[bytes] = []
        self.closed = False

    def attach(self, stream: Stream) -> None:
        self.stream = stream
        self.source = self.number + stream.plan.other_port
        if stream.agreement.remote[0] not in NOWHERE:
            stream.aimed(("127.0.13.1", self.number), stream.agreement.remote)
            stream.aimed_rtcp(stream.agreement.remote_rtcp)
        stream.send = lambda data: self.sent.append(bytes(data))
        stream.send_rtcp = self.sent_rtcp.append

    def close(self) -> None:
        self.closed = True

    def hear(self, packet: bytes) -> None:
        """A datagram arrives from where the SDP says."""
        assert self.stream is not None
        buffer = bytearray(packet) + bytearray(200)
        self.stream.reader(buffer, memoryview(buffer), len(packet))


class Network:
    """One trunk, its clock, and the phones that call it."""

    def __init__(
        self, policy: Policy | None = None, seed: int = 1, journal_calls: int = 100, numbers: Iterable[Entry] = (Entry("447700900000"),),
        shelf: Shelf | None = None,
    ) -> None:  # fmt: skip
        self.clock = SteppedClock()
        self.ids = Ids(seed)
        self.journal = Journal(self.clock, calls=journal_calls, shelf=shelf)
        self.ports: list[MemoryPort] = []
        self.errors: list[Exception] = []
        accounts = Accounts(
            [Account("abcd1234", "OfflineSecret1", ["447700900000"], ["447700900999"]), Account("second", "Secret2", ["14155550100"])]
        )
        self.trunk = Trunk(
            self.clock, self.ids, self.journal, accounts, regions.loopback_layout(), self._open, self._report, policy, "vsim/test",
            numbers=lambda: numbers,
        )  # fmt: skip
        self.names = Names()
        self.trunk.locator = Locator(self.names, self.ids, self.clock)
        self.customers: dict[tuple[str, Address], Customer] = {}
        self.dead: dict[tuple[str, Address], str] = {}
        """Why nobody can be reached there; of all other addresses without a customer nothing is heard."""
        self.coming: dict[Address, Coming | None] = {}
        """Connections to these addresses wait for a word of the test's; they are here from the first message on."""
        for proxy in self.trunk.proxies.values():
            proxy.paths = MemoryPaths(self, proxy.name)

    def _open(self, proxy: str) -> MemoryPort:
        port = MemoryPort(10000 + 2 * len(self.ports))
        self.ports.append(port)
        return port

    def _report(self, error: Exception) -> None:
        self.errors.append(error)
        raise error

    def endpoint(self, proxy: str = "us-3-1") -> Endpoint:
        return self.trunk.proxies[proxy].endpoint

    def phone(self, proxy: str = "us-3-1", transport: str = "UDP", **how: str) -> Phone:
        """A phone at a proxy; `phone.flow` is its path."""
        flow = MemoryFlow(lambda data: phone.receive(data), transport)
        phone = Phone(lambda data: self.endpoint(proxy).receive(data, flow), transport=transport, **how)  # type: ignore[arg-type]
        phone.flow = flow  # type: ignore[attr-defined]
        return phone

    def customer(self, port: int = 5080, script: Script | None = None, transport: str = "UDP", host: str = "192.0.2.10") -> Customer:
        """A customer at an address; `script` is called with each INVITE."""
        customer = self.customers[transport, (host, port)] = Customer(host, port, transport, script)
        return customer

    def flow_to(self, proxy: str, transport: str, peer: Address) -> Flow:
        """The way from a proxy to an address, whoever is there. Like a real one it takes a moment, if none of the clock's."""
        endpoint, place = self.endpoint(proxy), self.trunk.proxies[proxy].place
        flow: MemoryFlow

        def deliver(data: bytes) -> None:
            customer = self.customers.get((transport, peer))
            if customer is not None:
                self.clock.call_later(0, customer.receive, data, lambda answer: endpoint.receive(answer, flow))
            elif (why := self.dead.get((transport, peer))) is not None:
                flow.failure = why
                flow.open = transport == "UDP"
                self.clock.call_later(0, endpoint.flow_lost, flow)

        if peer in self.coming:
            self.coming[peer] = flow = Coming(deliver, transport, peer)
        else:
            flow = MemoryFlow(deliver, transport, peer)
        flow.local = (place.address, 5061 if transport == "TLS" else 5060)
        flow.sent_by = sent_by(flow.local)
        flow.path = Path(transport, flow.local, peer, not flow.coming)
        return flow

    @property
    def idle(self) -> bool:
        """Nothing is left over: no call, dialog, transaction or open port."""
        endpoints = [proxy.endpoint for proxy in self.trunk.proxies.values()]
        return (
            not self.trunk.calls
            and not any(endpoint.dialogs or endpoint.transactions for endpoint in endpoints)
            and all(port.closed for port in self.ports)
        )
