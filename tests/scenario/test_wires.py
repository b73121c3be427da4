"""What listeners hand messages to, with and without a fault, and who keeps what is held for nothing. No sockets."""

from types import SimpleNamespace
from typing import Any

from emulator.scenario.connections import Faulty as FaultyFactory
from emulator.scenario.fault import Fault
from emulator.scenario.faults import Faults
from emulator.scenario.spec import fault
from emulator.scenario.wires import ProxyWires
from emulator.sip.endpoint import Endpoint
from tests.support.faulty import Faulty


class Quiet:
    """Wires of one transport that are asked for nothing here."""

    def down(self, how: object) -> None: ...

    def connections(self, choose: object) -> None: ...


def wired() -> tuple[Faulty, dict[str, list[Any]]]:
    """A network with listeners that hold what they hand messages to, as the real ones do."""
    network = Faulty()
    listeners: dict[str, list[Any]] = {}
    wires = {}
    for name, proxy in network.trunk.proxies.items():
        udp, tcp, tls = listeners[name] = [SimpleNamespace(receive=proxy.endpoint.receive) for _ in range(3)]
        streams = {"TCP": (tcp, Quiet()), "TLS": (tls, Quiet())}
        wires[name] = ProxyWires(proxy.place, proxy.endpoint, udp, streams, Quiet())  # type: ignore[arg-type]
    network.faults = Faults(network.clock, network.journal, network.trunk, 5, wires)  # type: ignore[arg-type]
    return network, listeners


def own(listener: Any, endpoint: Endpoint) -> bool:
    """Whether a message goes from the socket to the endpoint's own method, with nothing in between."""
    return listener.receive.__func__ is Endpoint.receive and listener.receive.__self__ is endpoint


def test_no_fault_no_gate_no_cost() -> None:
    network, listeners = wired()
    endpoints = {name: proxy.endpoint for name, proxy in network.trunk.proxies.items()}
    assert all(own(listener, endpoints[name]) for name, of_one in listeners.items() for listener in of_one)
    for line in ("drop where site=us-3 method=BYE", "refuse 503 where site=us-3", "answer 1s", "down 503 where site=us-3"):
        id = network.add(line)
        concerned = [name for name, of_one in listeners.items() if not all(own(listener, endpoints[name]) for listener in of_one)]
        assert concerned == (["us-3-1", "us-3-2"] if line.startswith(("drop", "down")) else [])
        for name in ("us-4-1", "eu-3-1"):
            assert "transmit" not in vars(endpoints[name]) and endpoints[name].core is network.trunk
        network.faults.remove(id)
        assert all(own(listener, endpoints[name]) for name, of_one in listeners.items() for listener in of_one)
    assert network.at_rest


class Transport:
    """What a protocol asks of its transport."""

    def __init__(self) -> None:
        self.done: list[str] = []

    def abortConnection(self) -> None:
        self.done.append("abort")

    def pauseProducing(self) -> None:
        self.done.append("pause")


def test_connections_held_for_nothing_are_bounded_in_number_and_time() -> None:
    network = Faulty()
    factory = FaultyFactory(SimpleNamespace(), network.clock, lambda what: SimpleNamespace())  # type: ignore[arg-type, return-value]
    spec = fault("half-open")
    factory.choose = lambda peer: Fault("1", spec, network.clock, network.journal, network.faults._chance.fork())
    transports = []
    for port in range(1010):
        protocol = factory.buildProtocol(SimpleNamespace(host="127.0.0.1", port=port))
        transports.append(Transport())
        protocol.makeConnection(transports[-1])
    assert [transport.done for transport in transports[:12]] == [["pause", "abort"]] * 10 + [["pause"]] * 2
    network.clock.advance(600)
    assert all(transport.done == ["pause", "abort"] for transport in transports) and not network.clock.pending
    factory.release()
