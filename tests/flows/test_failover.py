"""The verdict over clients that meet a proxy that is down: those that do well, and each way of doing badly."""

from collections.abc import Callable

import dns.message
import msgspec
import pytest

from emulator.dns.zone import Zone
from emulator.scenario.downtime import latest
from emulator.scenario.failover import Client, Failover, failover, lines
from emulator.scenario.faults import Faults
from emulator.scenario.likeness import likeness
from emulator.scenario.spec import fault
from emulator.trunk.names import trunk_zone
from emulator.trunk.regions import loopback_layout
from tests.flows.test_faults_outages import Wired
from tests.support.faulty import RawPhone


class Names:
    """The name server as the gate knows it; nobody hears its answers."""

    def __init__(self, zone: Zone) -> None:
        self.zone = zone

    def handle(self, query: bytes, stream: bool, reply: Callable[[bytes], None]) -> None:
        """Nothing to do."""


class Story(Wired):
    """A client at 192.0.2.10 that tries targets one after the other."""

    def __init__(self) -> None:
        super().__init__()
        self.began = self.clock.wall()
        self.names = Names(trunk_zone(loopback_layout(), {}))
        self.faults = Faults(self.clock, self.journal, self.trunk, 5, self.wires, self.names)
        self.port = 6000

    def at(self, proxy: str, transport: str = "UDP") -> RawPhone:
        self.port += 1
        return self.raw_phone(proxy, transport, self.port)

    def invite(self, proxy: str, wait: float = 0.0, ack: bool = True, call_id: str = "") -> RawPhone:
        """A call as far as it comes; a refusal is acknowledged only with `ack`. `wait` seconds pass then."""
        phone = self.at(proxy)
        phone.call_id = call_id or phone.call_id
        phone.invite()
        if phone.starts == ["407"]:
            challenged = phone.expect(407)
            phone.ack(challenged)
            phone.invite(extra=phone.credentials(challenged))
            phone.ack(phone.expect(100, 180, 200))
        elif phone.starts == ["503"] and ack:
            phone.ack(phone.expect(503))
        self.clock.advance(wait)
        return phone

    def options(self, proxy: str, wait: float = 0.0) -> None:
        phone = self.at(proxy)
        phone.transmit(phone.request("OPTIONS", "sip:us-3-1"))
        self.clock.advance(wait)

    def ask(self, name: str, kind: str) -> None:
        """A query for our name server."""
        self.names.handle(dns.message.make_query(name, kind).to_wire(), False, lambda reply: None)

    def verdict(self) -> Failover:
        found = failover(self.journal)
        assert found is not None
        assert msgspec.json.decode(msgspec.json.encode(found), type=Failover) == found
        return found

    def client(self) -> Client:
        (client,) = self.verdict().clients
        return client


@pytest.fixture
def story() -> Story:
    return Story()


def test_nothing_was_down(story: Story) -> None:
    story.invite("us-3-1")
    assert failover(story.journal) is None


def test_a_client_that_does_well(story: Story) -> None:
    story.invite("us-3-1", wait=5)
    story.faults.down("us-3")
    story.options("us-3-1", wait=1)
    story.invite("us-3-1", wait=4, call_id="one")
    story.invite("us-3-2", wait=4, call_id="one")
    story.invite("us-4-1", wait=2, call_id="one")
    story.options("us-4-1", wait=9)
    story.faults.up("us-3")
    story.clock.advance(3)
    story.options("us-3-1")
    found = story.verdict()
    (outage,) = found.outages
    assert (outage.name, outage.how, (outage.ended or 0) - outage.began) == ("us-3", "drop", 20.0)
    (client,) = found.clients
    assert client.address == "192.0.2.10"
    assert [(step.at, step.gap, step.what, step.proxy, step.result, step.down) for step in client.steps] == [
        (0.0, 0.0, "OPTIONS", "us-3-1", "no answer", True), (1.0, 1.0, "INVITE", "us-3-1", "no answer", True),
        (5.0, 4.0, "INVITE", "us-3-2", "no answer", True), (9.0, 4.0, "INVITE", "us-4-1", "200", False),
        (11.0, 2.0, "OPTIONS", "us-4-1", "200", False), (23.0, 12.0, "OPTIONS", "us-3-1", "200", False),
    ]  # fmt: skip
    assert client.tried == ["us-3-1", "us-3-2", "us-4-1"]
    assert (client.calls_moved, client.checks_moved, client.came_back) == (True, True, True)
    assert (client.seconds_to_success, client.longest_gap, client.seconds_to_return) == (9.0, 4.0, 3.0)
    assert client.fixes == []
    assert lines(found) == [
        "us-3 was down by drop for 20.0 s",
        "192.0.2.10:",
        "     0.000 s     +0.000  OPTIONS to us-3-1 (down) over UDP: no answer",
        "     1.000 s     +1.000  INVITE to us-3-1 (down) over UDP: no answer",
        "     5.000 s     +4.000  INVITE to us-3-2 (down) over UDP: no answer",
        "     9.000 s     +4.000  INVITE to us-4-1 over UDP: 200",
        "    11.000 s     +2.000  OPTIONS to us-4-1 over UDP: 200",
        "    23.000 s    +12.000  OPTIONS to us-3-1 over UDP: 200",
        "  new calls moved 9.0 s after the first attempt; health checks reached others too; came back 3.0 s after it was up",
    ]


def test_a_client_that_knows_one_target_alone(story: Story) -> None:
    story.faults.down("us-3")
    for _ in range(3):
        story.options("us-3-1", wait=10)
        story.invite("us-3-1", wait=32)
    client = story.client()
    assert (client.calls_moved, client.checks_moved, client.came_back, client.tried) == (False, False, None, ["us-3-1"])
    assert "resolve the SRV records" in client.fixes[0]


def test_a_client_that_tries_targets_that_are_all_down(story: Story) -> None:
    story.faults.down("us-3")
    story.invite("us-3-1", wait=32)
    story.invite("us-3-2", wait=8)
    assert story.client().fixes == [
        "each target that was tried was down (us-3-1, us-3-2): go on to the next one sooner, and list both sites of the region",
        "a call stayed 32 s at a target that was down: shorten timer B or the connection timeout to some seconds, or check targets with "
        "OPTIONS and leave out those that don't answer",
    ]


def test_a_client_that_takes_its_time(story: Story) -> None:
    story.faults.down("us-3-1")
    story.invite("us-3-1", wait=32)
    story.invite("us-4-1")
    client = story.client()
    assert (client.calls_moved, client.longest_gap, client.seconds_to_success) == (True, 32.0, 32.0)
    (fix,) = client.fixes
    assert fix.startswith("a call stayed 32 s at a target that was down")


def test_a_503_that_is_not_acknowledged(story: Story) -> None:
    story.faults.down("us-3-1", "503")
    story.invite("us-3-1", ack=False)
    story.invite("us-4-1")
    client = story.client()
    assert (client.refusals, client.acknowledged, client.calls_moved) == (1, 0, True)
    assert client.fixes == ["1 of 1 503s had no ACK: each final response to an INVITE gets one (RFC 3261 17.1.1.3)"]
    assert client.steps[0].acknowledged is False and "503, not acknowledged" in "\n".join(lines(story.verdict()))


def test_a_503_after_which_no_other_target_is_tried(story: Story) -> None:
    story.faults.down("us-3", "503")
    for _ in range(2):
        story.invite("us-3-1", wait=5)
    client = story.client()
    assert (client.refusals, client.acknowledged, client.calls_moved) == (2, 2, False)
    assert "a 503 means the next target" in client.fixes[0]


def test_one_call_that_tries_three_targets_with_one_call_id(story: Story) -> None:
    story.faults.down("us-3", "503")
    for proxy in ("us-3-1", "us-3-2", "us-4-1"):
        story.invite(proxy, wait=0.5, call_id="same")
    client = story.client()
    assert [(step.proxy, step.result, step.acknowledged) for step in client.steps] == [
        ("us-3-1", "503", True), ("us-3-2", "503", True), ("us-4-1", "200", None),
    ]  # fmt: skip
    assert client.seconds_to_success == 1.0 and client.fixes == []


def test_a_client_that_does_not_come_back(story: Story) -> None:
    story.faults.down("us-3-1", "503")
    story.invite("us-3-1", wait=1)
    story.invite("us-4-1", wait=1)
    story.faults.up("us-3-1")
    story.invite("us-4-1", wait=60)
    client = story.client()
    assert (client.came_back, client.seconds_to_return) == (False, None)
    assert client.fixes[-1].startswith("it has not come back")


def test_whether_a_client_comes_back_is_told_once_it_has_done_anything_since(story: Story) -> None:
    story.faults.down("us-3-1", "503")
    story.invite("us-3-1")
    story.invite("us-4-1", wait=1)
    story.faults.up("us-3-1")
    story.clock.advance(1)
    assert story.client().came_back is None and story.client().fixes == []
    story.options("us-4-1")
    assert story.client().came_back is False


def test_a_site_that_flaps_and_is_used_again_has_not_been_moved_away_from(story: Story) -> None:
    story.add("down drop where site=us-3 flapping.down=2s flapping.up=2s")
    for _ in range(4):
        story.invite("us-3-1", wait=1)
    assert (story.client().calls_moved, story.client().calls_elsewhere) == (False, 0)
    assert "new calls did not move" in "\n".join(lines(story.verdict()))
    story.invite("us-4-1")
    assert story.client().calls_moved is True


def test_in_short_there_are_no_steps(story: Story) -> None:
    story.faults.down("us-3")
    story.invite("us-3-1", wait=12)
    story.invite("us-4-1")
    assert lines(story.verdict(), short=True) == [
        "us-3 was down by drop and still is",
        "192.0.2.10: new calls moved 12.0 s after the first attempt",
        "  fix: a call stayed 12 s at a target that was down: shorten timer B or the connection timeout to some seconds, or check targets "
        "with OPTIONS and leave out those that don't answer",
    ]


def test_a_call_that_goes_elsewhere_at_once_is_measured_from_the_beginning(story: Story) -> None:
    """Nothing says when it was first tried: a closed port tells nobody, and Kamailio remembers who did not answer."""
    story.faults.down("us-3-1", "refuse")
    story.clock.advance(5)
    story.invite("us-4-1")
    assert "  new calls were answered elsewhere, 5.0 s after it went down" in lines(story.verdict())
    assert (story.client().met, story.client().seconds_to_success) == (0, 5.0)


def test_nobody_is_seen_at_a_closed_port(story: Story) -> None:
    story.faults.down("us-3-1", "refuse")
    assert lines(story.verdict())[1] == "no client was seen meanwhile; at a port that is closed the system answers, and tells nobody"


def test_at_a_closed_port_only_what_follows_is_seen(story: Story) -> None:
    story.faults.down("us-3", "refuse")
    story.clock.advance(0.2)
    story.invite("us-4-1")
    client = story.client()
    assert (client.calls_moved, client.seconds_to_success, client.fixes) == (True, 0.2, [])


def test_unanswered_connection_attempts_are_the_only_clients(story: Story) -> None:
    story.faults.down("us-3-1")
    for count in (1, 2):
        story.wires["us-3-1"].unanswered = count
        story.clock.advance(1)
    story.invite("us-4-1")
    client = story.client()
    assert [(step.what, step.proxy, step.transport, step.result) for step in client.steps] == [
        ("connection", "us-3-1", "TCP", "no answer"), ("connection", "us-3-1", "TCP", "no answer"), ("INVITE", "us-4-1", "UDP", "200"),
    ]  # fmt: skip
    assert client.calls_moved and client.fixes == []


def test_nothing_came(story: Story) -> None:
    story.faults.down("us-3-1")
    found = story.verdict()
    assert lines(found) == ["us-3-1 was down by drop and still is", "no client did anything meanwhile"]


def test_clients_that_use_other_proxies_have_nothing_to_fix_but_prove_nothing(story: Story) -> None:
    story.faults.down("us-3-1")
    story.invite("eu-3-1")
    client = story.client()
    assert client.fixes == ["nothing of it reached what was down: place a call, or a health check, while it is"]


def test_some_of_a_site_comes_up_first_and_flapping_is_several_outages(story: Story) -> None:
    story.faults.down("us-3", "503")
    story.clock.advance(5)
    story.faults.up("us-3-1")
    story.clock.advance(5)
    story.faults.up("us-3-2")
    story.add("down drop where proxy=eu-3-1 flapping.down=1s flapping.up=1s for=4s")
    story.clock.advance(5)
    outages = story.verdict().outages
    assert [(outage.name, round((outage.ended or 0) - outage.began, 1)) for outage in outages] == [
        ("us-3-1", 5.0), ("us-3-2", 10.0), ("eu-3-1", 1.0), ("eu-3-1", 1.0),
    ]  # fmt: skip


def test_one_transport_that_is_down_is_not_the_others(story: Story) -> None:
    story.add("down drop where proxy=us-3-1 transport=UDP")
    story.invite("us-3-1")
    phone = story.at("us-3-1", "TCP")
    phone.transmit(phone.request("OPTIONS", "sip:us-3-1"))
    assert [(step.transport, step.down) for step in story.client().steps] == [("UDP", True), ("TCP", False)]


def test_a_later_period_alone(story: Story) -> None:
    story.faults.down("us-3-1")
    story.invite("us-3-1", wait=1)
    story.faults.up("us-3-1")
    story.clock.advance(10)
    now = story.clock.wall()
    assert failover(story.journal, now) is None
    story.faults.down("eu-3-1")
    story.invite("eu-3-1")
    found = failover(story.journal, now)
    assert found is not None and [outage.name for outage in found.outages] == ["eu-3-1"] and len(found.clients[0].steps) == 1


def test_the_last_time_alone_unless_outages_overlap(story: Story) -> None:
    """What was rehearsed this morning, and the calls since then, are not part of the outage that somebody looks at."""
    assert latest(story.journal.events()) == (0.0, 0)
    story.faults.down("us-3")
    story.invite("us-3-1", wait=1)
    story.faults.up("us-3")
    story.invite("us-3-1", wait=300)
    began = story.clock.wall()
    story.faults.down("eu-3")
    story.clock.advance(5)
    story.faults.down("us-3-1")
    story.invite("us-4-1", wait=1)
    story.faults.up("eu-3")
    assert latest(story.journal.events()) == (began, 1)
    found = failover(story.journal, latest(story.journal.events())[0])
    assert found is not None and [outage.name for outage in found.outages] == ["eu-3", "us-3-1"]
    assert [(step.at, step.proxy) for step in found.clients[0].steps] == [(5.0, "us-4-1")]


def test_flapping_is_one_time(story: Story) -> None:
    began = story.clock.wall()
    story.add("down drop where proxy=eu-3-1 flapping.down=1s flapping.up=1s for=4s")
    story.clock.advance(10)
    assert latest(story.journal.events()) == (began, 0)


def test_calls_that_are_refused_by_what_is_up_have_gone_elsewhere_all_the_same(story: Story) -> None:
    """A client whose health checks met the outage, and whose calls lack something else."""
    story.faults.down("us-3-1")
    story.options("us-3-1")
    phone = story.at("us-4-1")
    phone.invite()
    phone.ack(phone.expect(407))
    client = story.client()
    assert (client.calls_moved, client.calls_elsewhere) == (False, 1)
    (fix,) = client.fixes
    assert fix.startswith("calls went to what was up, and none was answered there")
    assert "new calls went elsewhere, unanswered" in "\n".join(lines(story.verdict()))


def test_steps_and_clients_are_bounded(story: Story) -> None:
    story.faults.down("us-3-1")
    for _ in range(100):
        story.options("us-3-1", wait=0.1)
    client = story.client()
    assert len(client.steps) == 60 and client.steps_left_out == 40 and "  and 40 more" in lines(story.verdict())


# -- other faults that look like an outage -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "name", "how", "transports"),
    [
        ("refuse 503 where site=us-3", "us-3", "refuse 503", ""),
        ("refuse 503 headers.Retry-After=5 where proxy=us-3-1,us-3-2 method=invite", "us-3-1 us-3-2", "refuse 503", ""),
        ("refuse 503 where region=us authenticated=yes method=INVITE transport=UDP for=30s", "us", "refuse 503", "UDP"),
        ("refuse 503 where region=us proxy=us-3-1,eu-3-1", "us-3-1", "refuse 503", ""),
        ("drop where site=us-3", "us-3", "drop messages", ""),
        ("drop where site=us-3 direction=out", "us-3", "drop messages", ""),
        ("drop where site=us-3 direction=in method=INVITE flapping.down=1s flapping.up=1s", "us-3", "drop INVITE", ""),
        ("reset where site=us-3 transport=TCP,TLS method=INVITE authenticated=yes", "us-3", "reset INVITE", "TCP TLS"),
        ("half-open where site=us-3", "us-3", "half-open", "TCP TLS"),
        ("half-open where site=us-3 transport=TCP", "us-3", "half-open", "TCP"),
        ("tls wrong-name where proxy=us-3-1", "us-3-1", "tls wrong-name", "TLS"),
        ("tls stalled where region=eu for=1m", "eu", "tls stalled", "TLS"),
        ("dns wrong-address where name=sip-us-3-1.vonage.com type=A", "us-3-1", "dns wrong-address", ""),
        ("dns timeout where name=sip-us-3-*.vonage.com", "us-3-1 us-3-2", "dns timeout", ""),
        ("dns dead-first where type=SRV", "the first target of SRV", "dns dead-first", ""),
    ],
)
def test_which_faults_look_like_an_outage(line: str, name: str, how: str, transports: str) -> None:
    like = likeness(fault(line))
    assert like is not None and (like.name, like.how, " ".join(like.transports)) == (name, how, transports)


@pytest.mark.parametrize(
    "line",
    [
        "refuse 503", "refuse 503 where region=us,eu,ap", "drop", "tls expired",  # nothing is left to move to
        "refuse 500 where site=us-3", "refuse 503 where site=us-3 method=OPTIONS", "refuse 503 where site=us-3 in-dialog=yes",
        "refuse 503 where site=us-3 times=2", "refuse 503 where site=us-3 probability=30%", "refuse 503 where site=us-3 every=2",
        "refuse 503 where site=us-3 called=447700900200", "refuse 503 where site=us-3 account=abcd1234", "refuse 503 where site=us-3 nth=1",
        "refuse 503 where site=us-3 header.User-Agent=Asterisk", "drop where site=us-3 first=1", "drop where site=us-3 method=ACK",
        "drop where site=us-3 status=200 method=INVITE", "drop where site=us-3 direction=out method=INVITE",
        "drop where site=us-3 call=inbound", "reset 500 where site=us-3", "delay 5s where site=us-3", "slow where site=us-3",
        "withhold ACK where site=us-3", "answer never where site=us-3", "down drop where site=us-3",
        "dns nxdomain", "dns slow where name=sip-us-3-1.vonage.com", "dns nxdomain where name=sip-us.vonage.com",
        "dns nxdomain where name=sip-us-3-1.vonage.com type=SRV", "dns nxdomain where name=vonage.com", "dns dead-first where type=A",
    ],
)  # fmt: skip
def test_which_do_not(line: str) -> None:
    assert likeness(fault(line)) is None


@pytest.mark.parametrize("line", ["refuse 503 where site=us-3 method=INVITE", "refuse 503 where site=us-3 authenticated=yes method=INVITE"])
def test_a_fault_that_refuses_with_503(story: Story, line: str) -> None:
    story.add(line)
    for proxy in ("us-3-1", "us-3-2", "us-4-1"):
        phone = story.at(proxy)
        phone.call_id = "same"
        phone.invite()
        if "authenticated" in line or proxy == "us-4-1":
            challenged = phone.expect(407)
            phone.ack(challenged)
            phone.invite(extra=phone.credentials(challenged))
        phone.ack(phone.expect(100, 180, 200) if proxy == "us-4-1" else phone.expect(503))
        story.clock.advance(1)
    story.faults.clear()
    story.clock.advance(2)
    story.invite("us-3-1")
    found = story.verdict()
    assert [(outage.name, outage.how, (outage.ended or 0) - outage.began) for outage in found.outages] == [("us-3", "refuse 503", 3.0)]
    (client,) = found.clients
    assert [(step.proxy, step.result, step.down) for step in client.steps] == [
        ("us-3-1", "503", True), ("us-3-2", "503", True), ("us-4-1", "200", False), ("us-3-1", "200", False),
    ]  # fmt: skip
    assert (client.refusals, client.acknowledged, client.calls_moved, client.seconds_to_success) == (2, 2, True, 2.0)
    assert (client.came_back, client.seconds_to_return, client.calls_kept) == (True, 2.0, 0)
    assert lines(found)[0] == "us-3 was down by refuse 503 for 3.0 s"


def test_a_fault_that_drops_what_comes(story: Story) -> None:
    """Nothing of it is in the journal but the hits; copies are no attempts of their own."""
    story.add("drop where site=us-3 direction=in")
    phone = story.at("us-3-1")
    sent = phone.invite()
    story.clock.advance(0.5)
    phone.transmit(sent)
    story.clock.advance(3.5)
    story.options("us-3-2", wait=1)
    story.invite("us-4-1")
    client = story.client()
    assert [(step.at, step.what, step.proxy, step.result, step.down) for step in client.steps] == [
        (0.0, "INVITE", "us-3-1", "no answer", True), (4.0, "OPTIONS", "us-3-2", "no answer", True),
        (5.0, "INVITE", "us-4-1", "200", False),
    ]  # fmt: skip
    assert (client.calls_moved, client.longest_gap, client.seconds_to_success, client.fixes) == (True, 5.0, 5.0, [])


def test_a_fault_that_resets_connections(story: Story) -> None:
    story.add("reset where site=us-3 transport=TCP method=INVITE")
    phone = story.at("us-3-1", "TCP")
    phone.invite()
    story.clock.advance(0.1)
    story.invite("us-4-1")
    assert [(step.proxy, step.result) for step in story.client().steps] == [("us-3-1", "reset"), ("us-4-1", "200")]


def test_a_client_that_stays_where_everything_is_dropped(story: Story) -> None:
    story.add("drop where site=us-3 method=INVITE")
    for _ in range(2):
        story.invite("us-3-1", wait=32)
    client = story.client()
    assert client.calls_moved is False and "resolve the SRV records" in client.fixes[0]


def connect(story: Story, proxy: str, transport: str = "TLS") -> None:
    """A connection of the client's, as the listener asks about it."""
    choose = story.wires[proxy].chosen[transport]
    assert choose is not None
    choose("192.0.2.10:7000")


def test_a_certificate_that_a_client_does_not_take(story: Story) -> None:
    story.add("tls expired where site=us-3")
    connect(story, "us-3-1")
    story.clock.advance(0.5)
    story.invite("us-4-1")
    client = story.client()
    assert [(step.what, step.proxy, step.result, step.down) for step in client.steps] == [
        ("connection", "us-3-1", "tls expired", True), ("INVITE", "us-4-1", "200", False),
    ]  # fmt: skip
    assert (client.calls_moved, client.seconds_to_success, client.fixes) == (True, 0.5, [])


def test_a_certificate_that_a_client_takes_all_the_same(story: Story) -> None:
    story.add("tls wrong-name where site=us-3")
    connect(story, "us-3-1")
    story.clock.advance(0.1)
    call_over_tls(story, "us-3-1")
    client = story.client()
    assert (client.calls_kept, client.calls_moved) == (1, None) and [step.down for step in client.steps] == [True, False]
    (fix,) = client.fixes
    assert fix.startswith("1 new call went over TLS with a certificate that is for another name: verify it")
    assert "1 new call reached it all the same" in "\n".join(lines(story.verdict()))


def call_over_tls(story: Story, proxy: str) -> None:
    phone = story.at(proxy, "TLS")
    phone.invite()
    challenged = phone.expect(407)
    phone.ack(challenged)
    phone.invite(extra=phone.credentials(challenged))
    phone.ack(phone.expect(100, 180, 200))


def test_a_connection_that_was_there_before_proves_nothing(story: Story) -> None:
    story.add("tls wrong-name where site=us-3")
    call_over_tls(story, "us-3-1")
    client = story.client()
    assert client.calls_kept == 1 and client.fixes == ["nothing of it reached what was down: place a call, or a health check, while it is"]


def test_a_client_that_gives_up_with_its_connection(story: Story) -> None:
    story.add("half-open where site=us-3 transport=TCP")
    connect(story, "us-3-1", "TCP")
    client = story.client()
    assert (client.calls_moved, client.calls_kept) == (None, 0)
    (fix,) = client.fixes
    assert fix.startswith("no INVITE came after its connections or queries")


def test_a_name_that_leads_nowhere(story: Story) -> None:
    """Who asked is not known; with one client it was that one."""
    story.add("dns nxdomain where name=sip-us-3-1.vonage.com type=A")
    story.ask("sip-us-3-1.vonage.com", "A")
    story.clock.advance(12)
    story.invite("us-4-1")
    client = story.client()
    assert [(step.at, step.what, step.proxy, step.result, step.down) for step in client.steps] == [
        (0.0, "query", "sip-us-3-1.vonage.com", "nxdomain", True), (12.0, "INVITE", "us-4-1", "200", False),
    ]  # fmt: skip
    assert (client.calls_moved, client.seconds_to_success, client.fixes) == (True, 12.0, [])
    story.invite("us-3-1")  # by its address
    assert story.client().calls_kept == 1


def test_a_dead_target_before_all_others(story: Story) -> None:
    story.add("dns dead-first where type=SRV for=60s")
    story.ask("_sip._udp.sip-us.vonage.com", "SRV")
    story.clock.advance(2)
    story.invite("us-3-1")
    story.clock.advance(60)
    story.invite("us-3-1")
    found = story.verdict()
    assert lines(found)[0] == "the first target of SRV was down by dns dead-first for 60.0 s"
    (client,) = found.clients
    assert (client.calls_moved, client.seconds_to_success, client.came_back, client.fixes) == (True, 2.0, None, [])


def test_a_fault_that_flaps_and_one_that_ends_are_told_of(story: Story) -> None:
    story.add("refuse 503 where site=us-3 from=1s for=5s flapping.down=1s flapping.up=1s")
    story.clock.advance(10)
    told = [(event.kind, event.time - story.began) for event in story.journal.events() if event.kind.startswith("outage")]
    assert told == [("outage", 1.0), ("outage.over", 2.0), ("outage", 3.0), ("outage.over", 4.0), ("outage", 5.0), ("outage.over", 6.0)]
    assert latest(story.journal.events())[1] == 0 and story.at_rest
