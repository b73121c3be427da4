"""Proxies that are down: in each way, for a time, by turns, with the calls that were up kept or cut."""

from collections.abc import Callable

import pytest

from emulator.config import Unusable
from emulator.scenario.faults import Faults
from emulator.scenario.wiring import Choose, How
from emulator.sip.flow import Flow
from emulator.trunk.callers import Ring
from emulator.trunk.regions import Place
from tests.support.customer import accepts
from tests.support.faulty import Faulty, RawPhone
from tests.support.network import MemoryPort


class MemoryWires:
    """The sockets of one proxy, as far as they are asked for anything."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.how: dict[str, How | None] = {}
        self.aimed = 0
        self.cuts: list[tuple[str, Callable[[Flow], bool]]] = []
        self.unanswered = 0
        self.chosen: dict[str, Choose | None] = {}

    def aim(self) -> None:
        self.aimed += 1

    def down(self, transport: str, how: How | None) -> None:
        self.how[transport] = how

    def attempts(self, transport: str) -> int:
        return self.unanswered if transport == "TCP" else 0

    def connections(self, transport: str, choose: Choose | None) -> None:
        assert transport != "UDP"
        self.chosen[transport] = choose

    def cut(self, transport: str, spare: Callable[[Flow], bool]) -> None:
        self.cuts.append((transport, spare))


class Wired(Faulty):
    """With wires for each proxy."""

    def __init__(self) -> None:
        super().__init__()
        self.wires = {name: MemoryWires(proxy.place) for name, proxy in self.trunk.proxies.items()}
        self.faults = Faults(self.clock, self.journal, self.trunk, 5, self.wires)

    def ways(self, proxy: str = "us-3-1") -> dict[str, How | None]:
        return {transport: how for transport, how in self.wires[proxy].how.items() if how is not None}

    @property
    def stopped(self) -> bool:
        """Media has ended."""
        return all(isinstance(port, MemoryPort) and port.closed for port in self.ports)


def options(phone: RawPhone) -> None:
    phone.transmit(phone.request("OPTIONS", "sip:us-3-1"))


def test_dropped_nothing_is_answered_and_what_came_is_told() -> None:
    network = Wired()
    network.faults.down("us-3", "drop")
    for proxy in ("us-3-1", "us-3-2"):
        phone = network.raw_phone(proxy)
        text = phone.invite()
        phone.transmit(text)  # a retransmission is not told of again
        options(phone)
        network.clock.advance(40)
        assert phone.raw == []
        assert network.ways(proxy) == {"UDP": "drop", "TCP": "drop", "TLS": "drop"}
    network.phone("us-4-1").call()
    told = [(event.fields["proxy"], event.fields["method"], event.fields["called"]) for event in network.events("down.request")]
    assert told == [
        ("us-3-1", "INVITE", "442071234567"), ("us-3-1", "OPTIONS", None),
        ("us-3-2", "INVITE", "442071234567"), ("us-3-2", "OPTIONS", None),
    ]  # fmt: skip
    assert network.faults.list()[0].hits == 4
    assert network.journal.get("1").proxy == "us-4-1"  # type: ignore[union-attr]  # what never arrived is no call


def test_up_again_everything_is_as_before() -> None:
    network = Wired()
    network.faults.down("us-3")
    assert network.faults.up("us-3") == ["us-3-1", "us-3-2"]
    assert network.at_rest and not network.ways() and network.faults.list() == []
    network.phone().call()
    assert [(event.kind, event.fields["name"]) for event in network.journal.events() if event.kind in ("down", "up")] == [
        ("down", "us-3"), ("up", "us-3"),
    ]  # fmt: skip


def test_503_for_what_is_outside_calls() -> None:
    network = Wired()
    before = network.phone()
    before.call()
    network.add("down 503 retry-after=10s where site=us-3")
    assert not network.ways()
    phone = network.phone()
    phone.invite()
    refused = phone.expect(503)
    assert refused.get("retry-after") == "10" and "fault.down" in (refused.get("warning") or "")
    phone.ack(refused)
    phone.transmit(phone.request("OPTIONS", "sip:us-3-1"))
    phone.expect(503)
    before.in_dialog("BYE")
    before.expect(200)
    assert [event.fields["status"] for event in network.events("down.request")] == [503, 503]


@pytest.mark.parametrize("how", ["drop", "refuse", "reset"])
def test_calls_that_are_up_are_kept(how: str) -> None:
    network = Wired()
    kept = network.raw_phone(transport="TCP")
    kept.call()
    other = network.raw_phone(transport="TCP", port=5071)
    options(other)
    network.faults.down("us-3-1", how)
    assert not network.stopped
    kept.in_dialog("INFO")
    kept.expect(200)
    options(other)
    assert other.starts == ["200"]
    assert {transport for transport, _ in network.wires["us-3-1"].cuts} == {"TCP", "TLS"}
    spare = network.wires["us-3-1"].cuts[0][1]
    assert spare(kept.flow) and not spare(other.flow)  # only the connections of calls stay
    network.trunk.hang_up("last")
    kept.respond(kept.expect("BYE"), 200)


@pytest.mark.parametrize("how", ["drop", "refuse", "reset", "503"])
def test_calls_that_are_up_are_cut_without_a_word(how: str) -> None:
    network = Wired()
    phone = network.raw_phone()
    phone.call()
    ringing = network.raw_phone(port=5071)
    ringing.dial("447700900487")  # rings until it is cancelled
    elsewhere = network.phone("us-3-2")
    elsewhere.call()
    heard = len(phone.raw), len(ringing.raw)
    network.faults.down("us-3-1", how, keep_calls=False)
    assert len(network.trunk.calls) == 1
    elsewhere.in_dialog("BYE")
    elsewhere.expect(200)
    network.clock.advance(40)
    assert (len(phone.raw), len(ringing.raw)) == heard
    phone.in_dialog("BYE")
    assert len(phone.raw) == heard[0]  # nobody knows the call there any more
    network.faults.up("us-3-1")
    network.clock.advance(60)
    assert len(phone.raw) == heard[0]
    network.clock.advance(40)
    assert network.idle and network.at_rest


def test_a_call_that_was_cut_stays_so_after_up() -> None:
    network = Wired()
    phone = network.raw_phone()
    phone.call()
    network.faults.down("us-3-1", "drop", seconds=2, keep_calls=False)
    network.clock.advance(2)
    assert network.faults.down_now == {}
    heard = len(phone.raw)
    network.clock.advance(32)  # our BYE would still be sent again and again
    assert len(phone.raw) == heard
    network.phone().call()
    network.clock.advance(64)
    assert network.at_rest


def test_for_a_time() -> None:
    network = Wired()
    network.faults.down("us-3-1", "refuse", seconds=30)
    assert network.faults.down_now == {"us-3-1": ["refuse"]}
    network.clock.advance(29.9)
    assert network.ways()
    network.clock.advance(0.1)
    assert not network.ways() and network.at_rest
    (listed,) = network.faults.list()
    assert listed.state == "over"
    assert [event.kind for event in network.journal.events()] == ["fault.added", "down", "up", "fault.over"]
    assert network.faults.up("us-3-1") == []


def test_flapping_begins_and_ends_by_itself() -> None:
    network = Wired()
    network.add("down drop where proxy=us-3-1 from=1s flapping.down=2s flapping.up=3s for=12s")
    states = []
    for _ in range(14):
        states.append((round(network.clock.seconds() - 1000), network.faults.list()[0].state, "us-3-1" in network.faults.down_now))
        network.clock.advance(1)
    assert [state for _, state, _ in states] == [
        "waiting", "on", "on", "away", "away", "away", "on", "on", "away", "away", "away", "on", "on", "over",
    ]  # fmt: skip
    assert [down for _, _, down in states] == [state == "on" for _, state, _ in states]
    assert len(network.events("down")) == len(network.events("up")) == 3
    assert network.at_rest and network.clock.pending == 0


def test_several_outages_of_one_proxy_end_one_by_one() -> None:
    network = Wired()
    network.faults.down("us", "503")
    network.faults.down("us-3", "drop")
    network.add("down refuse where proxy=us-3-1 transport=TLS")
    assert network.faults.down_now["us-3-1"] == ["503", "drop", "refuse TLS"]
    assert network.ways() == {"UDP": "drop", "TCP": "drop", "TLS": "refuse"}
    assert network.faults.up("us-3-1") == ["us-3-1"]
    assert list(network.faults.down_now) == ["us-3-2", "us-4-1", "us-4-2"]
    assert not network.ways()
    phone = network.phone()
    phone.call()
    assert network.faults.up("us") == ["us-3-2", "us-4-1", "us-4-2"]
    assert network.faults.down_now == {} and network.faults.list() == []


def test_one_transport_alone() -> None:
    network = Wired()
    network.add("down drop where proxy=us-3-1 transport=UDP")
    assert network.ways() == {"UDP": "drop"}
    udp, tcp = network.raw_phone(), network.raw_phone(transport="TCP", port=5071)
    options(udp)
    options(tcp)
    assert (udp.starts, tcp.starts) == ([], ["200"])


def test_all_is_all() -> None:
    network = Wired()
    fault = network.faults.down("all")
    assert len(fault.proxies) == 12 and network.events("down")[0].fields["name"] == "all"
    assert len(network.faults.up("eu")) == 4
    assert len(network.faults.down_now) == 8
    assert len(network.faults.up("all")) == 8 and network.at_rest


def test_connection_attempts_that_go_unanswered_are_told() -> None:
    network = Wired()
    network.faults.down("us-3-1")
    network.wires["us-3-1"].unanswered = 2
    network.clock.advance(0.25)
    network.wires["us-3-1"].unanswered = 3
    network.clock.advance(5)
    assert [event.fields["attempts"] for event in network.events("down.connection")] == [2, 1]
    network.faults.up("us-3-1")
    network.clock.advance(1)
    assert network.clock.pending == 0


def test_the_next_health_check_is_told_of_once_things_have_changed() -> None:
    network = Wired()
    phone = network.raw_phone("us-4-1")
    for change in (lambda: None, lambda: network.faults.down("us-3"), lambda: network.faults.up("us-3")):
        change()
        options(phone)
        options(phone)
    assert len(network.events("options")) == 3


def test_reset_of_the_emulator_takes_everything_up() -> None:
    network = Wired()
    network.faults.down("us-3", "drop", keep_calls=False)
    network.add("drop where method=BYE")
    network.faults.clear()
    assert network.at_rest and network.faults.down_now == {}
    network.clock.advance(1)
    assert network.clock.pending == 0


@pytest.mark.parametrize(("name", "how"), [("us-7", "drop"), ("", "drop"), ("us-3", "softly")])
def test_unknown_places_and_ways(name: str, how: str) -> None:
    with pytest.raises(Unusable, match=r"did you mean|write"):
        Wired().faults.down(name, how)


def test_calls_to_customers_go_by_proxies_that_are_up() -> None:
    network = Wired()
    customer = network.customer(script=accepts)

    def by(region: str = "us") -> str:
        record = network.trunk.ring(Ring(number="447700900000", caller="14155550100", forward="sip:1@192.0.2.10:5080", region=region))
        network.clock.advance(0)
        return record.proxy

    assert by() == "us-3-1"
    network.faults.down("us-3-1", "503")
    assert by() == "us-3-2"
    network.faults.down("us-3")
    assert by() == "us-4-1"
    network.faults.down("us-4", "refuse")
    assert by() == "eu-3-1"
    network.faults.down("all")
    assert by() == "us-3-1"
    network.faults.up("all")
    network.add("down drop where proxy=us-3-1 transport=TLS")
    assert by() == "us-3-1" and len(customer.calls) == 5


def test_gates_are_told_to_the_listeners() -> None:
    network = Wired()
    network.faults.down("us-3-1")
    assert (network.wires["us-3-1"].aimed, network.wires["us-4-1"].aimed) == (1, 0)
    network.faults.up("us-3-1")
    assert network.wires["us-3-1"].aimed == 2
