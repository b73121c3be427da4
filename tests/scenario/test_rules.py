"""Conditions, counts, chance and windows of time, without any message."""

from collections.abc import Iterator

import pytest

from emulator.chance import Chance
from emulator.clock import SteppedClock
from emulator.ids import Ids
from emulator.scenario.conditions import Match
from emulator.scenario.rules import Rule
from emulator.scenario.spec import fault


class Seen:
    """A thing with given values."""

    def __init__(self, noun: str = "INVITE", call_id: str = "c1", headers: dict[str, str] | None = None, **values: str) -> None:
        self.noun = noun
        self.call_id = call_id
        self._headers = headers or {}
        self._values = {"method": noun if noun.isalpha() else "INVITE", **{name.replace("_", "-"): value for name, value in values.items()}}

    def value(self, condition: str) -> str:
        return self._values.get(condition, "")

    def header(self, name: str) -> str:
        return self._headers.get(name, "")


OK_TO_BYE = Seen("200 to BYE", status="200", call="outbound")
BARESIP = Seen(headers={"User-Agent": "baresip"})


def rule(line: str, clock: SteppedClock, seed: int = 7) -> Rule:
    return Rule(fault(line), clock, Chance(Ids(seed)))


def struck(one: Rule, count: int) -> list[int]:
    """Which of `count` things in a row are struck, counted from 1."""
    return [number for number in range(1, count + 1) if one.strikes(Seen())]


@pytest.mark.parametrize(
    ("line", "seen", "meets"),
    [
        ("drop", Seen(), True),
        ("drop where method=INVITE", Seen(), True),
        ("drop where method=invite,bye", Seen("BYE"), True),
        ("drop where method=INVITE", Seen("BYE"), False),
        ("drop where method=INVITE", Seen("200 to INVITE", status="200"), False),
        ("drop where method=INVITE status=200", Seen("200 to INVITE", status="200"), True),
        ("drop where method=BYE status=200", Seen("200 to INVITE", status="200"), False),
        ("drop where status=18x", Seen("183 to INVITE", status="183"), True),
        ("drop where status=18x", Seen("199 to INVITE", status="199"), False),
        ("drop where status=5xx,486", Seen("486 to INVITE", status="486"), True),
        ("drop where status=2xx", Seen(), False),
        ("drop where direction=in", Seen(direction="in"), True),
        ("drop where direction=in", Seen(direction="out"), False),
        ("drop where site=us-3", Seen(proxy="us-3-2"), True),
        ("drop where site=us-3", Seen(proxy="us-4-1"), False),
        ("drop where region=eu proxy=eu-4-1", Seen(proxy="eu-4-1"), True),
        ("drop where transport=tcp,tls", Seen(transport="TLS"), True),
        ("drop where transport=TCP", Seen(transport="UDP"), False),
        ("drop where called=447700900200", Seen(called="+447700900200"), True),
        ("drop where called=+447700900200", Seen(called="00447700900200"), True),
        ("drop where called=4477009*", Seen(called="447700900200"), True),
        ("drop where called=44*00*2*0", Seen(called="447700900200"), True),
        ("drop where called=44*00*2*0", Seen(called="440020"), True),
        ("drop where called=44*00*2*0", Seen(called="44020"), False),
        ("drop where called=*9?0**", Seen(called="447700900200"), True),
        ("drop where called=*9?1*", Seen(called="447700900200"), False),
        ("drop where called=1*1", Seen(called="1"), False),
        ("drop where called=*1*1*1*1*1*1*1*2*", Seen(called="1" * 4000), False),  # of which the eighth power is never
        ("drop where called=44770090020?", Seen(called="4477009002000"), False),
        ("drop where caller=anonymous", Seen(caller="anonymous"), True),
        ("drop where number=14155550100", Seen(called="1", caller="14155550100"), True),
        ("drop where number=14155550100", Seen(), False),
        ("drop where account=abcd1234", Seen(account="abcd1234"), True),
        ("drop where authenticated=yes", Seen(authenticated="no"), False),
        ("drop where in-dialog=no", Seen(in_dialog="no"), True),
        ("drop where call=inbound", Seen(call="outbound"), False),
        ("drop where header.User-Agent=^Asterisk", Seen(headers={"User-Agent": "Asterisk PBX 22"}), True),
        ("drop where header.User-Agent=^Asterisk", Seen(headers={"User-Agent": "baresip"}), False),
        ("drop where header.Diversion=.", Seen(), False),
        ("dns nxdomain where name=sip-us.vonage.com", Seen("SRV query", name="_sip._udp.sip-us.vonage.com.", type="SRV"), True),
        ("dns nxdomain where name=sip-us.vonage.com type=SRV", Seen("A query", name="sip-us.vonage.com", type="A"), False),
        ("dns nxdomain where name=sip-us.vonage.com", Seen("A query", name="xsip-us.vonage.com", type="A"), False),
        ("dns nxdomain where name=a*b*a*b*a*b.example", Seen("A query", name="ab" * 100 + ".x", type="A"), False),
        ("dns nxdomain where name=a*c.example", Seen("A query", name="x.abbc.example", type="A"), True),
        ("dns nxdomain where name=*.vonage.com", Seen("A query", name="SIP-EU.vonage.com", type="A"), True),
    ],
)
def test_conditions(line: str, seen: Seen, meets: bool) -> None:
    assert (Match(fault(line).where).missed(seen) is None) is meets


@pytest.mark.parametrize(
    ("timing", "numbers"),
    [
        ("", [1, 2, 3, 4, 5, 6, 7, 8, 9]),
        ("nth=3", [3]),
        ("nth=1,4,8", [1, 4, 8]),
        ("first=2", [1, 2]),
        ("after=6", [7, 8, 9]),
        ("every=3", [3, 6, 9]),
        ("after=2 every=3", [5, 8]),
        ("times=2", [1, 2]),
        ("every=2 times=3", [2, 4, 6]),
        ("after=1 first=4", [2, 3, 4]),
    ],
)
def test_counts(timing: str, numbers: list[int], clock: SteppedClock) -> None:
    one = rule(f"drop {timing}", clock)
    assert struck(one, 9) == numbers
    assert (one.matched, one.hits) == (9, len(numbers))


def test_chance_is_the_seeds_and_nobody_elses(clock: SteppedClock) -> None:
    first, again, other = (struck(rule("drop probability=30%", clock, seed), 200) for seed in (1, 1, 2))
    assert first == again != other
    assert 40 < len(first) < 80
    assert struck(rule("drop probability=0", clock), 50) == []


def test_what_chance_spares_is_no_hit_of_times(clock: SteppedClock) -> None:
    one = rule("drop probability=50% times=3", clock)
    assert len(struck(one, 100)) == 3 and one.schedule.spent


def test_a_window_opens_and_closes(clock: SteppedClock) -> None:
    one = rule("drop nth=2 from=10s for=30s", clock)
    ended: list[float] = []
    one.on_spent = lambda: ended.append(clock.seconds())
    assert not one.strikes(Seen())
    clock.advance(10)
    assert struck(one, 2) == [2]  # what came before the window was not counted
    assert one.schedule.spent and not ended
    clock.advance(0)
    assert ended == [clock.seconds()]
    assert one.spared == {"it begins in 10.0 s": 1, "it was number 1": 1}


def test_the_end_of_a_window_is_told_though_nothing_comes(clock: SteppedClock) -> None:
    one = rule("drop for=30s", clock)
    ended: list[float] = []
    one.on_spent = lambda: ended.append(clock.seconds())
    clock.advance(29.9)
    assert one.schedule.open and not ended
    clock.advance(0.1)
    assert ended == [1030.0] and not one.schedule.open
    assert not one.strikes(Seen()) and clock.pending == 0


def test_flapping(clock: SteppedClock) -> None:
    one = rule("drop from=1s flapping.down=2s flapping.up=3s for=9s", clock)
    seen: list[tuple[float, bool]] = []
    changes: list[float] = []
    for _ in range(24):
        seen.append((clock.seconds() - 1000, one.schedule.open))
        change = one.schedule.next_change()
        if change is not None and change - 1000 not in changes:
            changes.append(change - 1000)
        clock.advance(0.5)
    assert [at for at, is_open in seen if is_open] == [1.0, 1.5, 2.0, 2.5, 6.0, 6.5, 7.0, 7.5]
    assert changes == [1.0, 3.0, 6.0, 8.0, 10.0]
    assert one.schedule.next_change() is None


def test_each_call_counts_by_itself(clock: SteppedClock) -> None:
    one = rule("drop first=1 per=call", clock)
    assert [one.strikes(Seen(call_id=call)) for call in ("a", "a", "b", "a", "b", "c")] == [True, False, True, False, False, True]
    assert not one.schedule.spent


def test_calls_counted_are_bounded(clock: SteppedClock) -> None:
    one = rule("drop nth=1 per=call", clock)
    for number in range(10100):
        assert one.strikes(Seen(call_id=str(number)))
    assert len(one.schedule._counts) == 10000


def test_near_misses_name_the_condition_and_what_was_there(clock: SteppedClock) -> None:
    one = rule("refuse 503 where proxy=eu-3-1 method=INVITE", clock)
    assert one.near_misses() == []
    one.strikes(Seen("OPTIONS", proxy="eu-3-1"))
    assert one.near_misses() == ["no INVITE came; 1 other did, the last: OPTIONS"]
    for proxy in ("us-3-1", "us-3-2", "us-4-1"):
        one.strikes(Seen(proxy=proxy))
    assert one.near_misses() == ["3 INVITEs came, none to eu-3-1; the last: us-4-1"]
    assert one.strikes(Seen(proxy="eu-3-1"))
    assert one.hits == 1


@pytest.mark.parametrize(
    ("line", "seen", "said"),
    [
        ("drop where method=BYE called=44*", Seen("BYE", called="14155550100"), "1 BYE came, not to 44*; the last: 14155550100"),
        ("drop where method=BYE number=44*", Seen("BYE", called="1", caller="2"), "1 BYE came, not with number 44*; the last: 1 and 2"),
        ("drop where method=INVITE authenticated=yes", Seen(authenticated="no"), "1 INVITE came, not with good credentials; the last: no"),
        ("drop where method=INVITE in-dialog=no", Seen(in_dialog="yes"), "1 INVITE came, not outside calls; the last: yes"),
        ("drop where transport=TLS", Seen(transport="UDP"), "1 message came, not over TLS; the last: UDP"),
        ("drop where status=200 call=inbound", OK_TO_BYE, "1 200 came, not with call inbound; the last: outbound"),
        ("drop where header.User-Agent=^A", BARESIP, "1 message came, not with User-Agent as '^A'; the last: baresip"),
        ("dns nxdomain where name=a.b type=A", Seen("A query", name="c.b", type="A"), "1 A query came, not of a.b; the last: c.b"),
        ("drop nth=5", Seen(), "1 matched and was spared; the last: it was number 1"),
        ("drop from=5s", Seen(), "1 matched and was spared; the last: it begins in 5.0 s"),
    ],
)  # fmt: skip
def test_near_misses_in_words(line: str, seen: Seen, said: str, clock: SteppedClock) -> None:
    one = rule(line, clock)
    assert not one.strikes(seen)
    assert one.near_misses() == [said]


def test_near_misses_do_not_grow(clock: SteppedClock) -> None:
    one = rule("drop nth=999999", clock)
    for _ in range(500):
        one.strikes(Seen())
    assert len(one.spared) <= 100 and one.matched == 500


@pytest.fixture
def clock() -> Iterator[SteppedClock]:
    yield SteppedClock()
