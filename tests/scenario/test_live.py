"""The stage of a running emulator: what it does to trunk, numbers and faults, and what it undoes."""

import json
from pathlib import Path
from typing import Any

import pytest

from emulator.scenario.live import LiveStage
from emulator.scenario.scenarios import Scenarios
from emulator.trunk.directory import Entry
from tests.support.customer import accepts, answers
from tests.support.faulty import Faulty

ONE = "sip:1234@192.0.2.10:5080"


class Live:
    def __init__(self) -> None:
        self.network = Faulty()
        self.names: list[bool] = []
        self.scenarios = Scenarios(
            self.network.clock, self.network.journal,
            lambda: LiveStage(self.network.trunk, self.network.faults, lambda address: address.endswith(":5080"), self.names.append),
        )  # fmt: skip

    def start(self, *steps: Any, **top: Any) -> Any:
        runner = self.scenarios.start({"name": "x", "steps": list(steps), **top})
        self.network.clock.advance(0)
        return runner


@pytest.fixture
def live() -> Live:
    return Live()


def came(runner: Any) -> list[str]:
    return [verdict.came for verdict in runner.report().steps]


def test_what_is_down_is_down_and_comes_up_when_the_scenario_is_over(live: Live) -> None:
    runner = live.start({"down": {"site": "us-3", "how": "503"}}, {"expect": {"call": {"proxy": "us-3-1", "status": 503}}}, {"wait": "1s"})
    phone = live.network.phone()
    phone.invite()
    phone.ack(phone.expect(503))
    live.network.clock.advance(0.5)
    assert runner.state == "running" and set(live.network.faults.down_now) == {"us-3-1", "us-3-2"}
    live.network.clock.advance(1)
    assert runner.state == "passed", came(runner)
    assert not live.network.faults.down_now and not live.network.faults.list() and live.names == [True, False]
    failover = runner.report().failover
    assert failover is not None and failover["lines"][0].startswith("us-3 was down by 503") and json.dumps(failover)


def test_an_invite_that_is_lost_where_it_is_down_has_been_there(live: Live) -> None:
    runner = live.start(
        {"down": {"site": "us-3", "how": "drop"}},
        {"expect": {"call": {"to": "442071234567", "proxy": "us-4-1", "tried": ["us-3-1", "us-3-2", "us-4-1"], "status": 200}}},
    )
    for proxy in ("us-3-1", "us-3-1", "us-3-2"):
        live.network.phone(proxy).invite()
    live.network.phone("us-4-1").call()
    live.network.clock.advance(0)
    assert runner.state == "passed", came(runner)
    runner = live.start({"down": "us-3"}, {"expect": {"call": {}, "within": 1}})
    live.network.phone().invite()
    live.network.clock.advance(1)
    assert came(runner)[1] == "no call came; lost where it is down: INVITE to us-3-1"


def test_where_a_call_was_tried_begins_anew_once_one_was_answered(live: Live) -> None:
    runner = live.start({"down": "us-3-1"}, {"expect": {"call": {"tried": ["us-3-1", "us-3-2"], "status": 200}}})
    live.network.phone("us-3-2").call()
    live.network.clock.advance(0)
    assert runner.state == "running"
    live.network.phone("us-3-1").invite()
    live.network.phone("us-3-2").call()
    live.network.clock.advance(0)
    assert runner.state == "passed", came(runner)


def test_faults_are_added_cleared_and_taken_away(live: Live) -> None:
    runner = live.start(
        {"fault": {"refuse": 486, "where": {"method": "INVITE"}}, "as": "busy"}, {"fault": "drop where method=BYE"}, {"clear": "busy"},
        {"wait": 1}, given={"faults": ["delay 10ms where method=REGISTER"]},
    )  # fmt: skip
    assert [fault.fault.split()[0] for fault in live.network.faults.list()] == ["delay", "drop"]
    live.network.clock.advance(1)
    assert runner.state == "passed" and not live.network.faults.list()


def test_the_report_says_what_faults_have_struck_and_narrowly_missed(live: Live) -> None:
    runner = live.start(
        {"fault": "refuse 503 where site=us-3 method=INVITE every=2", "as": "full"}, {"fault": "drop where proxy=us-4-1 method=BYE"},
        {"down": "eu-3"}, {"fault": "down refuse where site=ap-3"}, {"wait": 1}, {"clear": "full"}, {"wait": 1},
    )  # fmt: skip
    for _ in range(3):
        live.network.phone().invite()
    live.network.clock.advance(3)
    assert runner.report().faults == [
        "refuse 503 where site=us-3 method=INVITE every=2: struck 1 of 3",
        "drop where proxy=us-4-1 method=BYE: struck nothing",
    ]
    runner = live.start({"fault": "refuse 503 where proxy=us-4-1 method=INVITE"}, {"expect": {"call": {"proxy": "us-4-1"}, "within": 1}})
    live.network.phone().invite()
    live.network.clock.advance(1)
    assert runner.report().faults == [
        "refuse 503 where proxy=us-4-1 method=INVITE: struck nothing; 1 INVITE came, not to us-4-1; the last: us-3-1"
    ]


def test_all_that_is_cleared_is_what_was_given_too(live: Live) -> None:
    live.start({"fault": "drop where method=BYE"}, {"clear": "all"}, {"wait": 1}, given={"faults": ["delay 10ms where method=REGISTER"]})
    assert not live.network.faults.list()


def test_what_somebody_else_took_up_is_no_trouble(live: Live) -> None:
    runner = live.start({"down": "us-3"}, {"down": {"proxy": ["us-4-1", "us-4-2"]}}, {"up": "us-3"}, {"wait": 1})
    live.network.faults.clear()
    live.network.clock.advance(1)
    assert runner.state == "passed"


def test_numbers_are_as_they_were_when_it_is_over(live: Live) -> None:
    directory = live.network.trunk.exchange.directory
    directory.put(Entry("447700900000", ONE))
    numbers = {"447700900000": {"forward": "sip:2@192.0.2.10"}, "447700900111": {"forward": ONE}}
    live.start({"wait": 1}, given={"numbers": numbers})
    assert [(entry.number, entry.forward) for entry in directory] == [("447700900000", "sip:2@192.0.2.10"), ("447700900111", ONE)]
    live.network.clock.advance(1)
    assert [(entry.number, entry.forward) for entry in directory] == [("447700900000", ONE)]


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (
            {"config": {"strict": True}},
            "given.config: strict can't be set while the emulator runs; start it so, or let `vsim run` start one",
        ),
        ({"accounts": [{"key": "other", "secret": "x"}]}, "given.accounts: other is not an account of the emulator that runs"),
        ({"accounts": [{"key": "abcd1234", "secret": "x"}]}, "given.accounts: abcd1234 is not an account of the emulator that runs"),
    ],
)
def test_what_can_not_be_given_to_an_emulator_that_runs(live: Live, given: Any, why: str) -> None:
    runner = live.start({"note": "x"}, given=given)
    assert runner.report().exit_code == 2 and came(runner)[0].startswith(why)


def test_an_account_that_is_there_may_be_given(live: Live) -> None:
    given = {"accounts": [{"key": "abcd1234", "secret": "OfflineSecret1", "numbers": ["447700900000"]}]}
    assert live.start({"note": "x"}, given=given).state == "passed"


def test_calls_are_placed_as_the_step_says_and_ended_when_it_is_over(live: Live) -> None:
    customer = live.network.customer(5080, accepts)
    runner = live.start(
        {"call": {"number": "447700900000", "from": "+14155550100", "forward": ONE, "as": "inbound", "headers": {"X-A": "b"}}},
        {"expect": {"attempts": "inbound", "codes": 200}}, {"dtmf": {"call": "inbound", "digits": "1"}}, {"wait": 2},
    )  # fmt: skip
    live.network.clock.advance(1)
    invite = customer.call.expect("INVITE")
    assert "+14155550100" in (invite.get("from") or "") and invite.get("x-a") == "b"
    live.network.clock.advance(1)
    assert runner.state == "passed", came(runner)
    customer.call.expect("ACK", "BYE")


def test_steps_that_can_not_be_done_say_why(live: Live) -> None:
    live.network.customer(5080, answers(486))
    ring = {"call": {"number": "447700900000", "forward": ONE, "as": "inbound"}}
    for step, why in (
        ({"dtmf": {"call": "inbound", "digits": "1"}}, "call #1 is refused; digits need one that is answered"),
        ({"hold": "inbound"}, "call #2 is refused; only one that is answered"),
        ({"hangup": "inbound"}, "call #3 is refused; only one that is up can be hung up"),
    ):
        runner = live.start(ring, {"expect": {"attempts": "inbound", "codes": 486}}, step)
        live.network.clock.advance(0.1)
        assert runner.state == "failed" and came(runner)[2].startswith(why), came(runner)
    runner = live.start({"call": {"number": "447700900000", "play": "no-such-prompt"}})
    assert runner.state == "failed" and came(runner)[0].startswith("play: 'no-such-prompt'; write echo, tone")
    runner = live.start({"call": {"number": "447700900222"}})
    assert runner.state == "failed" and came(runner)[0].startswith("number: 447700900222 is no number of the account")


def test_somebody_listens(live: Live) -> None:
    assert live.start({"wait": {"listening": "127.0.0.1:5080"}}).state == "passed"


def test_who_listens_on_this_machine() -> None:
    import socket

    from emulator.scenario.listeners import listening

    if not Path("/proc/net/udp").exists():
        pytest.skip("no tables of sockets here")
    for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
        for host, asked in (("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("127.0.0.1", "127.0.0.2")):
            with socket.socket(socket.AF_INET, kind) as own:
                own.bind((host, 0))
                port = own.getsockname()[1]
                if kind == socket.SOCK_STREAM:
                    assert not listening(f"{asked}:{port}")
                    own.listen()
                assert listening(f"{asked}:{port}") is (host != "127.0.0.1" or asked == host)
            assert not listening(f"{asked}:{port}")
