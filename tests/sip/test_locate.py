"""RFC 3263 4.2 on a stepped clock, with a resolver that says what the test wants."""

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.clock import SteppedClock
from emulator.ids import Ids
from emulator.sip.locate import NXDOMAIN, Hop, LocateError, Locator, Lookup, Nameless, Service, Transport, ordered

V4, V6 = "127.0.13.1", "::1"
SILENT = "silent"


class Names:
    """A resolver of a table: SRV names to records, (name, family) to addresses; text is an error, `SILENT` no answer. Answers come
    `delay` seconds later; without a delay before the question is returned."""

    def __init__(self, clock: SteppedClock, table: dict[Any, Any], delay: float | None = None) -> None:
        self.clock = clock
        self.table = table
        self.delay = delay
        self.asked: list[Any] = []
        self.cancelled: list[Any] = []

    def srv(self, name: str, done: Callable[[Sequence[Service] | str], None]) -> "Asked":
        return self._ask(name, done)

    def addresses(self, name: str, family: Literal[4, 6], done: Callable[[Sequence[str] | str], None]) -> "Asked":
        return self._ask((name, family), done)

    def _ask(self, key: Any, done: Callable[[Any], None]) -> "Asked":
        self.asked.append(key)
        asked = Asked(self, key)
        known = any(name == key or (isinstance(key, tuple) and name == (key[0], 10 - key[1])) for name in self.table)
        result = self.table.get(key, () if known else NXDOMAIN)
        if self.delay is None:
            if result != SILENT:
                done(result)
        elif result != SILENT:
            asked.timer = self.clock.call_later(self.delay, done, result)
        return asked


class Asked:
    def __init__(self, names: Names, key: Any) -> None:
        self.names = names
        self.key = key
        self.timer: Any = None

    def cancel(self) -> None:
        self.names.cancelled.append(self.key)
        if self.timer is not None:
            self.timer.cancel()


class Heard:
    """What one lookup came to."""

    def __init__(self, names: Names, host: str, port: int | None, transport: Transport, source: str, seed: int, limit: float) -> None:
        self.results: list[list[Hop] | LocateError] = []
        self.lookup: Lookup = Locator(names, Ids(seed), names.clock, limit).locate(host, port, transport, self.results.append, source)
        assert not self.results, "done was called before locate returned"

    @property
    def hops(self) -> list[str]:
        (result,) = self.results
        assert isinstance(result, list), result
        return [f"{hop.target} {hop.address[0]} {hop.address[1]}" for hop in result]

    @property
    def error(self) -> str:
        (result,) = self.results
        assert isinstance(result, LocateError), result
        assert str(result) == result.finding.seen
        return f"{result.finding.code}: {result}"

    @property
    def notes(self) -> list[str]:
        return [f"{note.code}: {note.seen}" for note in self.lookup.notes]


@pytest.fixture(params=[None, 0.01], ids=["at-once", "later"])
def locate(request: pytest.FixtureRequest, clock: SteppedClock) -> Callable[..., Heard]:
    """Run a lookup to its end, with answers at once and with answers later."""

    def run(
        table: dict[Any, Any], host: str = "pbx.example", port: int | None = None, transport: Transport = "UDP", source: str = V4,
        seed: int = 1, limit: float = 5.0,
    ) -> Heard:  # fmt: skip
        names = Names(clock, table, request.param)
        heard = Heard(names, host, port, transport, source, seed, limit)
        clock.advance(limit + 1)
        assert clock.pending == 0
        heard.names = names  # type: ignore[attr-defined]
        return heard

    return run


@pytest.mark.parametrize(
    ("host", "port", "transport", "source", "hop"),
    [
        ("192.0.2.1", None, "UDP", V4, "192.0.2.1 192.0.2.1 5060"),
        ("192.0.2.1", None, "TCP", V4, "192.0.2.1 192.0.2.1 5060"),
        ("192.0.2.1", None, "TLS", V4, "192.0.2.1 192.0.2.1 5061"),
        ("192.0.2.1", 5080, "TLS", V4, "192.0.2.1 192.0.2.1 5080"),
        ("[2001:db8::1]", None, "UDP", V6, "2001:db8::1 2001:db8::1 5060"),
        ("[2001:0DB8:0::1]", 7, "UDP", "", "2001:0DB8:0::1 2001:db8::1 7"),
        ("2001:db8::1", None, "TLS", "", "2001:db8::1 2001:db8::1 5061"),
    ],
)
def test_a_numeric_host_is_itself(locate: Callable[..., Heard], host: str, port: int | None, transport: str, source: str, hop: str) -> None:
    """RFC 3263 4.2; no question is asked."""
    heard = locate({}, host, port, transport, source)
    assert heard.hops == [hop] and heard.names.asked == []  # type: ignore[attr-defined]


def test_a_port_means_addresses_alone(locate: Callable[..., Heard]) -> None:
    heard = locate({"_sip._udp.pbx.example": [(1, 1, 9, "a.example")], ("pbx.example", 4): ["192.0.2.1", "192.0.2.2"]}, port=5070)
    assert heard.hops == ["pbx.example 192.0.2.1 5070", "pbx.example 192.0.2.2 5070"]
    assert heard.names.asked == [("pbx.example", 4)]  # type: ignore[attr-defined]


@pytest.mark.parametrize(("transport", "service"), [("UDP", "_sip._udp"), ("TCP", "_sip._tcp"), ("TLS", "_sips._tcp")])
def test_without_a_port_the_services_of_the_transport_come_first(locate: Callable[..., Heard], transport: str, service: str) -> None:
    table = {
        f"{service}.pbx.example": [(20, 0, 5080, "b.example"), (10, 0, 5070, "a.example")],
        ("a.example", 4): ["192.0.2.1", "192.0.2.2"],
        ("b.example", 4): ["192.0.2.3"],
    }
    heard = locate(table, transport=transport)
    assert heard.hops == ["a.example 192.0.2.1 5070", "a.example 192.0.2.2 5070", "b.example 192.0.2.3 5080"]
    (hops,) = heard.results
    assert isinstance(hops, list) and {hop.name for hop in hops} == {"pbx.example"} and {hop.transport for hop in hops} == {transport}
    assert heard.notes == []


@pytest.mark.parametrize(("transport", "port"), [("UDP", 5060), ("TCP", 5060), ("TLS", 5061)])
@pytest.mark.parametrize("services", [NXDOMAIN, ()])
def test_without_services_the_host_has_the_default_port(locate: Callable[..., Heard], transport: str, port: int, services: Any) -> None:
    table = {f"_{name}.pbx.example": services for name in ("sip._udp", "sip._tcp", "sips._tcp")}
    heard = locate({**table, ("pbx.example", 4): ["192.0.2.1"]}, transport=transport)
    assert heard.hops == [f"pbx.example 192.0.2.1 {port}"] and heard.notes == []


def test_a_final_dot_is_no_part_of_the_name(locate: Callable[..., Heard]) -> None:
    heard = locate({("pbx.example", 4): ["192.0.2.1"]}, "pbx.example.")
    (hops,) = heard.results
    assert isinstance(hops, list) and hops[0].name == "pbx.example"


@pytest.mark.parametrize("why", ["SERVFAIL from 192.0.2.53:53", "REFUSED from 192.0.2.53:53", "no answer within 2 s"])
def test_services_that_nobody_knows_of_are_passed_over_with_a_note(locate: Callable[..., Heard], why: str) -> None:
    heard = locate({"_sip._udp.pbx.example": why, ("pbx.example", 4): ["192.0.2.1"]})
    assert heard.hops == ["pbx.example 192.0.2.1 5060"]
    assert heard.notes == [f"locate.srv-failed: _sip._udp.pbx.example: {why}"]


def test_the_root_as_target_means_that_there_is_no_such_service(locate: Callable[..., Heard]) -> None:
    """RFC 2782. The host's own address is not tried."""
    heard = locate({"_sip._udp.pbx.example": [(0, 0, 0, ".")], ("pbx.example", 4): ["192.0.2.1"]})
    assert heard.error == "locate.no-service: _sip._udp.pbx.example says that pbx.example does not offer UDP"
    assert heard.names.asked == ["_sip._udp.pbx.example"]  # type: ignore[attr-defined]


def test_targets_that_are_none_are_passed_over(locate: Callable[..., Heard]) -> None:
    records = [(0, 0, 0, "."), (1, 0, 0, "a.example"), (2, 0, 5, "192.0.2.9"), (3, 0, 5, "b.example"), (4, 0, 5, "b.example")]
    heard = locate({"_sip._udp.pbx.example": records, ("b.example", 4): ["192.0.2.1"]})
    assert heard.hops == ["b.example 192.0.2.1 5"]
    assert [note.partition(": ")[2] for note in heard.notes] == [
        "_sip._udp.pbx.example: ., port 0", "_sip._udp.pbx.example: a.example, port 0", "_sip._udp.pbx.example: 192.0.2.9, port 5",
    ]  # fmt: skip
    assert locate({"_sip._udp.pbx.example": records[:3]}).error == "locate.not-found: _sip._udp.pbx.example: no usable target"


def test_a_target_that_does_not_resolve_is_passed_over_with_a_note(locate: Callable[..., Heard]) -> None:
    table = {
        "_sip._udp.pbx.example": [(1, 0, 5, "gone.example"), (2, 0, 5, "bad.example"), (3, 0, 5, "empty.example"), (4, 0, 5, "a.example")],
        ("bad.example", 4): "SERVFAIL from 192.0.2.53:53",
        ("empty.example", 4): (),
        ("a.example", 4): ["192.0.2.1"],
    }
    heard = locate(table)
    assert heard.hops == ["a.example 192.0.2.1 5"]
    assert heard.notes == [
        "locate.not-found: gone.example: NXDOMAIN",
        "locate.not-found: bad.example: SERVFAIL from 192.0.2.53:53",
        "locate.not-found: empty.example: no address",
    ]


def test_when_no_target_resolves_the_first_says_why(locate: Callable[..., Heard]) -> None:
    heard = locate({"_sip._udp.pbx.example": [(1, 0, 5, "a.example"), (2, 0, 5, "b.example")], ("b.example", 4): "REFUSED from x"})
    assert heard.error == "locate.not-found: a.example: NXDOMAIN" and heard.notes == ["locate.not-found: b.example: REFUSED from x"]
    assert locate({}).error == "locate.not-found: pbx.example: NXDOMAIN"
    assert locate({("pbx.example", 4): "no name server"}, port=1).error == "locate.not-found: pbx.example: no name server"
    assert locate({("pbx.example", 4): ()}).error == "locate.not-found: pbx.example: no address"


def test_what_the_proxy_can_not_reach_is_left_out(locate: Callable[..., Heard]) -> None:
    table = {
        "_sip._udp.pbx.example": [(1, 0, 5, "six.example"), (2, 0, 5, "both.example")],
        ("six.example", 6): ["2001:db8::6"],
        ("both.example", 4): ["192.0.2.1"],
        ("both.example", 6): ["2001:db8::7"],
    }
    heard = locate(table)
    assert heard.hops == ["both.example 192.0.2.1 5"]
    assert heard.notes == ["locate.family: six.example has 2001:db8::6, and the call leaves from 127.0.13.1"]
    assert ("both.example", 6) not in heard.names.asked  # type: ignore[attr-defined]
    assert locate(table, source=V6).hops == ["six.example 2001:db8::6 5", "both.example 2001:db8::7 5"]
    assert locate(table, source="").hops == ["six.example 2001:db8::6 5", "both.example 192.0.2.1 5"]
    assert locate(table, "six.example", 5).error == "locate.family: six.example has 2001:db8::6, and the call leaves from 127.0.13.1"
    assert locate({}, "[::1]").error == "locate.family: ::1 has ::1, and the call leaves from 127.0.13.1"
    assert locate({}, "127.0.0.1", source=V6).error == "locate.family: 127.0.0.1 has 127.0.0.1, and the call leaves from ::1"


def test_an_address_is_tried_once_at_each_port(locate: Callable[..., Heard]) -> None:
    table = {
        "_sip._udp.pbx.example": [(1, 0, 5, "a.example"), (2, 0, 5, "b.example"), (3, 0, 6, "a.example")],
        ("a.example", 4): ["192.0.2.1"],
        ("b.example", 4): ["192.0.2.1"],
    }
    heard = locate(table)
    assert heard.hops == ["a.example 192.0.2.1 5", "a.example 192.0.2.1 6"]
    assert heard.names.asked.count(("a.example", 4)) == 1  # type: ignore[attr-defined]


def test_hops_are_bounded(locate: Callable[..., Heard]) -> None:
    heard = locate({("pbx.example", 4): [f"192.0.2.{k}" for k in range(1, 200)]}, port=5)
    assert len(heard.hops) == 16 and heard.notes == ["locate.too-many: pbx.example: 199 addresses"]
    records = [(k, 0, 5, f"t{k}.example") for k in range(300)]
    heard = locate({"_sip._udp.pbx.example": records, **{(f"t{k}.example", 4): [f"192.0.2.{k}"] for k in range(250)}})
    assert heard.hops == [f"t{k}.example 192.0.2.{k} 5" for k in range(16)]
    assert heard.notes == ["locate.too-many: _sip._udp.pbx.example: 300 targets"]
    assert len(heard.names.asked) == 17  # type: ignore[attr-defined]


def test_a_lookup_takes_no_longer_than_its_limit(clock: SteppedClock) -> None:
    names = Names(clock, {"_sip._udp.pbx.example": SILENT})
    heard = Heard(names, "pbx.example", None, "UDP", V4, 1, 5.0)
    clock.advance(4.9)
    assert not heard.results
    clock.advance(0.2)
    assert heard.error == "locate.not-found: _sip._udp.pbx.example: no answer within 5 s"
    assert names.cancelled == ["_sip._udp.pbx.example"] and clock.pending == 0


def test_what_is_known_at_the_limit_counts(clock: SteppedClock) -> None:
    table = {
        "_sip._udp.pbx.example": [(1, 0, 5, "slow.example"), (2, 0, 5, "half.example"), (3, 0, 5, "a.example")],
        ("slow.example", 4): SILENT,
        ("half.example", 4): (),
        ("half.example", 6): SILENT,
        ("a.example", 4): ["192.0.2.1"],
    }
    heard = Heard(Names(clock, table), "pbx.example", None, "UDP", V4, 1, 3.0)
    clock.advance(3)
    assert heard.hops == ["a.example 192.0.2.1 5"]
    assert heard.notes == [
        "locate.not-found: slow.example: no answer within 3 s", "locate.not-found: half.example: no answer within 3 s",
    ]  # fmt: skip
    assert clock.pending == 0


@pytest.mark.parametrize("after", [None, 0.0, 0.5, 1.5, 2.5])
@pytest.mark.parametrize("host", ["pbx.example", "192.0.2.1"])
def test_a_lookup_that_is_cancelled_says_nothing(clock: SteppedClock, host: str, after: float | None) -> None:
    names = Names(clock, {"_sip._udp.pbx.example": [(1, 0, 5, "a.example")], ("a.example", 4): ["192.0.2.1"]}, 1.0)
    heard = Heard(names, host, None, "UDP", V4, 1, 5.0)
    if after is not None:
        clock.advance(after)
    told = len(heard.results)
    heard.lookup.cancel()
    heard.lookup.cancel()
    clock.advance(10)
    assert len(heard.results) == told and clock.pending == 0
    assert told == (after is not None and (host != "pbx.example" or after > 2))


def test_an_answer_that_comes_after_all_changes_nothing(clock: SteppedClock) -> None:
    """A resolver that does not keep its word about cancelling."""

    class Late(Names):
        def _ask(self, key: Any, done: Callable[[Any], None]) -> Asked:
            self.clock.call_later(9.0, done, ["192.0.2.1"] if isinstance(key, tuple) else [(1, 1, 5, "a.example")])
            return Asked(self, key)

    for port in (None, 5):
        heard = Heard(Late(clock, {}), "pbx.example", port, "UDP", V4, 1, 5.0)
        clock.advance(20)
        assert len(heard.results) == 1 and "no answer within 5 s" in heard.error


def test_without_a_name_server_only_numeric_hosts_are_found(clock: SteppedClock) -> None:
    results: list[Any] = []
    locator = Locator(Nameless(), Ids(1), clock)
    locator.locate("pbx.example", None, "UDP", results.append).cancel()
    locator.locate("pbx.example", 5, "UDP", results.append)
    locator.locate("127.0.0.1", None, "UDP", results.append)
    clock.advance(0)
    assert str(results[0]) == "pbx.example: no name server" and results[1][0].address == ("127.0.0.1", 5060)


# -- RFC 2782 -----------------------------------------------------------------------------------------------------


def first(records: list[Service], count: int = 20000) -> Counter[str]:
    ids = Ids(7)
    return Counter(ordered(records, ids)[0][3] for _ in range(count))


def test_the_weight_is_the_share_of_calls() -> None:
    """RFC 2782: "in proportion to the weights"."""
    seen = first([(1, 60, 1, "a"), (1, 30, 1, "b"), (1, 10, 1, "c"), (0, 0, 1, "z")][:3])
    assert abs(seen["a"] - 12000) < 350 and abs(seen["b"] - 6000) < 350 and abs(seen["c"] - 2000) < 350


def test_the_second_choice_is_weighted_too() -> None:
    ids = Ids(7)
    records = [(1, 60, 1, "a"), (1, 30, 1, "b"), (1, 10, 1, "c")]
    seconds = Counter(order[1][3] for _ in range(20000) if (order := ordered(records, ids))[0][3] == "a")
    assert 0.70 < seconds["b"] / seconds.total() < 0.80


def test_weight_0_has_a_very_small_chance_beside_others() -> None:
    seen = first([(1, 99, 1, "a"), (1, 0, 1, "b")])
    assert 100 < seen["b"] < 320  # one in a hundred: the number chosen is 0


def test_weight_0_throughout_keeps_the_order_of_the_answer() -> None:
    assert first([(1, 0, 1, "b"), (1, 0, 1, "a")], 100) == {"b": 100}


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 65535), st.integers(0, 65535), st.sampled_from("abcd")), max_size=80),
    st.integers(0, 1000),
)
def test_an_order_is_one_of_priorities_and_loses_nothing(records: list[Service], seed: int) -> None:
    result = ordered(records, Ids(seed))
    assert [record[0] for record in result] == sorted(record[0] for record in records)[:64]
    assert not Counter(result) - Counter(records) and len(result) == min(len(records), 64)


def test_the_same_seed_gives_the_same_order() -> None:
    records = [(1, weight, 1, str(weight)) for weight in range(1, 30)]
    assert ordered(records, Ids(3)) == ordered(records, Ids(3)) != ordered(records, Ids(4))


@given(st.data())
def test_whatever_a_resolver_says_there_is_one_end(data: st.DataObject) -> None:
    clock = SteppedClock()
    text = st.sampled_from(["a.example", "b.example", ".", "192.0.2.1", "pbx.example", "", "\0"])
    services = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3), st.integers(0, 2), text), max_size=5)
    addresses = st.lists(st.sampled_from(["192.0.2.1", "192.0.2.2", "2001:db8::1"]), max_size=3)
    errors = st.sampled_from([NXDOMAIN, SILENT, "SERVFAIL"])
    names = Names(clock, {}, data.draw(st.sampled_from([None, 0.0, 1.0, 6.0])))

    def answer(kind: st.SearchStrategy[Any]) -> Any:
        return data.draw(st.one_of(kind, errors))

    for service in ("_sip._udp", "_sip._tcp", "_sips._tcp"):
        names.table[f"{service}.pbx.example"] = answer(services)
    for host in ("a.example", "b.example", "pbx.example"):
        names.table[host, 4], names.table[host, 6] = answer(addresses), answer(addresses)
    locate = partial(Heard, names, "pbx.example", data.draw(st.sampled_from([None, 5])))
    heard = locate(data.draw(st.sampled_from(["UDP", "TCP", "TLS"])), data.draw(st.sampled_from([V4, V6, ""])), 1, 5.0)
    clock.advance(30)
    (result,) = heard.results
    assert isinstance(result, LocateError) or 0 < len(result) <= 16
    assert clock.pending == 0
