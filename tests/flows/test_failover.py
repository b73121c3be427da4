"""The verdict over clients that meet a proxy that is down: those that do well, and each way of doing badly."""

import msgspec
import pytest

from emulator.scenario.failover import Client, Failover, failover, latest, lines
from tests.flows.test_faults_outages import Wired
from tests.support.faulty import RawPhone


class Story(Wired):
    """A client at 192.0.2.10 that tries targets one after the other."""

    def __init__(self) -> None:
        super().__init__()
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
    assert latest(story.journal) == (0.0, 0)
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
    assert latest(story.journal) == (began, 1)
    found = failover(story.journal, latest(story.journal)[0])
    assert found is not None and [outage.name for outage in found.outages] == ["eu-3", "us-3-1"]
    assert [(step.at, step.proxy) for step in found.clients[0].steps] == [(5.0, "us-4-1")]


def test_flapping_is_one_time(story: Story) -> None:
    began = story.clock.wall()
    story.add("down drop where proxy=eu-3-1 flapping.down=1s flapping.up=1s for=4s")
    story.clock.advance(10)
    assert latest(story.journal) == (began, 0)


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
