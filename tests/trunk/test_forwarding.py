"""The hunt alone: order and times to the millisecond, without SIP."""

from typing import Any

import pytest

from emulator.clock import SteppedClock
from emulator.ids import Ids
from emulator.journal.attempt import Attempt
from emulator.journal.findings import Finding
from emulator.sip.locate import NXDOMAIN, Hop, Locator
from emulator.sip.message import Response
from emulator.trunk.forward_list import Target, parse
from emulator.trunk.forwarding import Hunt, HuntState, Result, Try
from emulator.trunk.policy import ForwardingPolicy
from tests.support.network import Names

A, B, C = "sip:1@192.0.2.1", "sip:2@192.0.2.2", "sip:3@192.0.2.3"


class Line:
    """An INVITE whose outcome a test decides."""

    def __init__(self, customer: "Customer", hop: Hop, tried: Try) -> None:
        self.customer = customer
        self.hop = hop
        self.tried = tried
        self.cancelled = False
        self.coming = ""

    def send(self) -> None:
        self.customer.note(f"INVITE {self.hop.address[0]}")

    def cancel(self) -> None:
        self.cancelled = True
        self.customer.note(f"CANCEL {self.hop.address[0]}")


class Customer:
    """A `HuntUser` that notes what it is told, with the millisecond."""

    def __init__(self, forward: str, usable: bool = True, **policy: Any) -> None:
        self.clock = SteppedClock()
        self.names = Names()
        self.began = self.clock.seconds()
        self.script: list[str] = []
        self.lines: list[Line] = []
        self.attempts: list[Attempt] = []
        self.result: Result | None = None
        self.usable = usable
        self.notes: list[Finding] = []
        locator = Locator(self.names, Ids(1), self.clock)
        targets = parse(forward).targets
        self.hunt = Hunt(self.clock, locator, targets, "447700900000", "127.0.23.1", ForwardingPolicy(**policy), self)

    def note(self, what: str) -> None:
        self.script.append(f"{round(1000 * (self.clock.seconds() - self.began))} {what}")

    def invite(self, target: Target, hop: Hop, attempt: Attempt, tried: Try) -> Line:
        self.lines.append(Line(self, hop, tried))
        return self.lines[-1]

    def on_attempt(self, attempt: Attempt) -> None:
        self.attempts.append(attempt)

    def on_attempt_ended(self, attempt: Attempt) -> None:
        self.note(f"{attempt.outcome} {attempt.status or ''}".strip())

    def on_progress(self, response: Response) -> None:
        self.note(f"progress {response.status}")

    def on_taken(self, attempt: Attempt, response: Response, session: Any) -> tuple[str, bytes] | None:
        return ("", b"") if self.usable else None

    def on_located(self, notes: Any) -> None:
        self.notes.extend(notes)

    def on_late(self, attempt: Attempt, response: Response) -> None:
        self.note(f"late {response.status}")

    def on_failed(self, result: Result) -> None:
        assert self.result is None
        self.result = result
        self.note(f"failed {result.status}")

    def on_error(self, error: Exception) -> None:
        self.note(f"error {error}")

    def start(self) -> "Customer":
        self.hunt.start()
        self.clock.advance(0)
        return self

    def say(self, status: int) -> None:
        """The customer being tried sends a response."""
        response, tried = Response(status, "So"), self.lines[-1].tried
        if status < 200:
            tried.provisional(response)
        elif status < 300:
            tried.accepted(response, None)  # type: ignore[arg-type]
        else:
            tried.refused(response)
        self.clock.advance(0)

    def fail(self, why: str = "connection refused", kind: Any = "transport") -> None:
        self.lines[-1].tried.failed(why, kind)
        self.clock.advance(0)

    def rest(self) -> None:
        """Nothing is left over."""
        self.clock.advance(200)
        assert self.hunt.state is HuntState.OVER and not self.clock.pending


def test_the_first_that_answers_has_the_call() -> None:
    hunt = Customer(f"{A},{B}").start()
    hunt.clock.advance(0.250)
    hunt.say(180)
    hunt.clock.advance(3)
    hunt.say(200)
    hunt.rest()
    assert hunt.script == ["0 INVITE 192.0.2.1", "250 progress 180", "3250 answered 200"]
    assert (hunt.attempts[0].first, hunt.attempts[0].first_after, hunt.attempts[0].after) == (180, 0.25, 3.25)


def test_who_is_silent_has_five_seconds_or_its_own_time() -> None:
    """The page: "Timeouts"; vonage-facts, defaults 18, 19 and 22: 486 when none answered."""
    hunt = Customer(f"{A};timeout=2000,{B},{C};timeout=20000").start()
    hunt.rest()
    assert hunt.script == [
        "0 INVITE 192.0.2.1", "2000 timeout", "2000 CANCEL 192.0.2.1",
        "2000 INVITE 192.0.2.2", "7000 timeout", "7000 CANCEL 192.0.2.2",
        "7000 INVITE 192.0.2.3", "27000 timeout", "27000 CANCEL 192.0.2.3", "27000 failed 486",
    ]  # fmt: skip
    assert hunt.attempts[0].why == "no response in 2 s"


def test_whose_connection_does_not_come_about_in_its_time() -> None:
    """Not the customer's SIP is silent then."""
    hunt = Customer(f"{A};timeout=2000,{B};timeout=2000", timeout_until="final").start()
    hunt.lines[-1].coming = "connection"
    hunt.clock.advance(2)
    hunt.lines[-1].coming = "end of the TLS handshake"
    hunt.rest()
    assert [attempt.why for attempt in hunt.attempts] == ["no connection in 2 s", "no end of the TLS handshake in 2 s"]
    assert [attempt.outcome for attempt in hunt.attempts] == ["timeout", "timeout"] and hunt.result is not None
    assert hunt.result.status == 486


@pytest.mark.parametrize("status", [500, 502, 503, 504, 513, 580, 599])
def test_every_5xx_moves_on_and_the_last_is_what_the_caller_gets(status: int) -> None:
    hunt = Customer(f"{A},{B}").start()
    hunt.say(500)
    hunt.clock.advance(1)
    hunt.say(status)
    hunt.rest()
    assert hunt.script == [
        "0 INVITE 192.0.2.1", "0 refused 500", "0 INVITE 192.0.2.2", f"1000 refused {status}", f"1000 failed {status}",
    ]  # fmt: skip


@pytest.mark.parametrize("status", [300, 302, 400, 401, 403, 404, 407, 408, 480, 486, 487, 488, 600, 603])
def test_any_other_refusal_ends_it(status: int) -> None:
    """vonage-facts, defaults 21 and 23."""
    hunt = Customer(f"{A},{B}").start()
    hunt.say(status)
    hunt.rest()
    assert hunt.script == ["0 INVITE 192.0.2.1", f"0 refused {status}", f"0 failed {status}"]


def test_which_responses_move_on_is_a_setting() -> None:
    hunt = Customer(f"{A},{B},{C}", failover=frozenset({486, 503})).start()
    hunt.say(486)
    hunt.say(503)
    hunt.say(500)
    hunt.rest()
    assert hunt.result is not None and hunt.result.status == 500 and len(hunt.lines) == 3


def test_what_can_not_be_reached_moves_on_at_once_and_counts_as_503() -> None:
    hunt = Customer(f"{A},{B}").start()
    hunt.fail("connection refused")
    hunt.clock.advance(0.5)
    hunt.fail("TLS handshake failed")
    hunt.rest()
    assert hunt.script == [
        "0 INVITE 192.0.2.1", "0 unreachable", "0 INVITE 192.0.2.2", "500 unreachable", "500 failed 503",
    ]  # fmt: skip
    assert hunt.attempts[1].why == "TLS handshake failed"


def test_a_name_that_is_not_found_moves_on() -> None:
    hunt = Customer(f"sip:1@pbx.example.net,{B}").start()
    hunt.say(486)
    hunt.rest()
    assert hunt.script == ["0 not-found", "0 INVITE 192.0.2.2", "0 refused 486", "0 failed 486"]
    assert (hunt.attempts[0].address, hunt.attempts[0].why) == ("", f"pbx.example.net: {NXDOMAIN}")
    assert [finding.code for finding in hunt.attempts[0].findings] == ["locate.not-found"]


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        (("silence", "silence"), 486), ((503, "silence"), 503), (("silence", 500), 500), (("dead", "silence"), 503), ((500, "dead"), 503),
        (("dead", 502), 502), (("silence", 404), 404), ((500, 603), 603),
    ],
)  # fmt: skip
def test_what_the_caller_gets(said: tuple[int | str, int | str], wanted: int) -> None:
    """vonage-facts, default 22, and where it is silent what the module says."""
    hunt = Customer(f"{A},{B}").start()
    for what in said:
        if what == "silence":
            hunt.clock.advance(5)
        elif what == "dead":
            hunt.fail()
        else:
            hunt.say(int(what))
    hunt.rest()
    assert hunt.result is not None and hunt.result.status == wanted


def test_the_statuses_of_failures_are_settings() -> None:
    hunt = Customer(A, timeout_status=408).start()
    hunt.rest()
    assert hunt.result is not None and hunt.result.status == 408
    hunt = Customer(A, unreachable_status=480).start()
    hunt.fail()
    assert hunt.result is not None and hunt.result.status == 480
    hunt = Customer(A, no_answer_status=408, ring_limit=10).start()
    hunt.say(180)
    hunt.rest()
    assert hunt.script[-2:] == ["10000 no-answer", "10000 failed 408"]


# -- which response stops the clock -------------------------------------------------------------------------------


def test_any_response_stops_the_clock_and_then_it_may_ring_for_a_minute() -> None:
    """vonage-facts, defaults 18 and 20: a 100 counts, and 60 s after the first provisional response it is CANCEL and 480."""
    hunt = Customer(f"{A};timeout=2000,{B}").start()
    hunt.clock.advance(1.999)
    hunt.say(100)
    hunt.clock.advance(10)
    hunt.say(180)
    hunt.rest()
    assert hunt.script == [
        "0 INVITE 192.0.2.1", "11999 progress 180", "61999 CANCEL 192.0.2.1", "61999 no-answer", "61999 failed 480",
    ]  # fmt: skip


def test_18x_stops_the_clock_where_that_is_set() -> None:
    hunt = Customer(f"{A};timeout=2000,{B};timeout=3000", timeout_until="18x").start()
    hunt.say(100)
    hunt.clock.advance(2)
    hunt.say(100)
    hunt.clock.advance(2.999)
    hunt.say(183)
    hunt.clock.advance(30)
    hunt.say(200)
    hunt.rest()
    assert hunt.script == [
        "0 INVITE 192.0.2.1", "2000 timeout", "2000 CANCEL 192.0.2.1", "2000 INVITE 192.0.2.2", "4999 progress 183", "34999 answered 200",
    ]  # fmt: skip
    assert hunt.attempts[0].why == "no 18x in 2 s" and hunt.attempts[0].first == 100


def test_only_a_final_response_stops_the_clock_where_that_is_set() -> None:
    hunt = Customer(f"{A};timeout=2000,{B};timeout=3000", timeout_until="final").start()
    hunt.say(180)
    hunt.clock.advance(2)
    hunt.say(183)
    hunt.clock.advance(3)
    hunt.rest()
    assert hunt.script == [
        "0 INVITE 192.0.2.1", "0 progress 180", "2000 timeout", "2000 CANCEL 192.0.2.1",
        "2000 INVITE 192.0.2.2", "2000 progress 183", "5000 timeout", "5000 CANCEL 192.0.2.2", "5000 failed 486",
    ]  # fmt: skip


# -- several addresses of one target ------------------------------------------------------------------------------


def several(*hosts: str, **policy: Any) -> Customer:
    hunt = Customer(f"sip:1@pbx.example.net;timeout=4000,{B}", **policy)
    hunt.names.services["_sip._udp.pbx.example.net"] = [(10 * at, 0, 5070, host) for at, host in enumerate(hosts, 1)]
    hunt.names.hosts = {host: [f"198.51.100.{at}"] for at, host in enumerate(hosts, 1)}
    return hunt.start()


def test_the_next_address_of_a_target_is_tried_when_one_is_dead() -> None:
    """RFC 3263 4.3; the time of the target runs on."""
    hunt = several("a.example.net", "b.example.net")
    hunt.clock.advance(1)
    hunt.fail("port unreachable")
    hunt.rest()
    assert hunt.script[:5] == [
        "0 INVITE 198.51.100.1", "1000 unreachable", "1000 INVITE 198.51.100.2", "4000 timeout", "4000 CANCEL 198.51.100.2",
    ]  # fmt: skip
    assert [attempt.target for attempt in hunt.attempts] == [1, 1, 2] and hunt.attempts[0].address == "198.51.100.1:5070"


def test_503_brings_the_next_address_with_its_time_anew_and_another_5xx_the_next_target() -> None:
    hunt = several("a.example.net", "b.example.net", "c.example.net")
    hunt.clock.advance(3)
    hunt.say(503)
    hunt.clock.advance(3)
    hunt.say(500)
    hunt.say(200)
    hunt.rest()
    assert hunt.script == [
        "0 INVITE 198.51.100.1", "3000 refused 503", "3000 INVITE 198.51.100.2", "6000 refused 500", "6000 INVITE 192.0.2.2",
        "6000 answered 200",
    ]  # fmt: skip


def test_a_silent_address_uses_up_the_time_of_its_target() -> None:
    hunt = several("a.example.net", "b.example.net")
    hunt.rest()
    assert hunt.script[:4] == ["0 INVITE 198.51.100.1", "4000 timeout", "4000 CANCEL 198.51.100.1", "4000 INVITE 192.0.2.2"]


def test_unless_a_setting_gives_each_address_less() -> None:
    hunt = several("a.example.net", "b.example.net", hop_timeout=1.5)
    hunt.rest()
    assert hunt.script[:6] == [
        "0 INVITE 198.51.100.1", "1500 timeout", "1500 CANCEL 198.51.100.1", "1500 INVITE 198.51.100.2",
        "4000 timeout", "4000 CANCEL 198.51.100.2",
    ]  # fmt: skip


def test_a_transaction_that_times_out_brings_the_next_address() -> None:
    hunt = several("a.example.net", "b.example.net")
    hunt.clock.advance(2)
    hunt.fail("no response in 2 s", "timeout")
    hunt.say(200)
    hunt.rest()
    assert hunt.script == ["0 INVITE 198.51.100.1", "2000 timeout", "2000 INVITE 198.51.100.2", "2000 answered 200"]


def test_a_connection_lost_while_it_rings_brings_the_next() -> None:
    hunt = several("a.example.net", "b.example.net")
    hunt.say(180)
    hunt.clock.advance(10)
    hunt.fail("connection lost")
    hunt.clock.advance(4)
    assert hunt.script == [
        "0 INVITE 198.51.100.1", "0 progress 180", "10000 unreachable", "10000 INVITE 198.51.100.2", "14000 timeout",
        "14000 CANCEL 198.51.100.2", "14000 INVITE 192.0.2.2",
    ]  # fmt: skip


# -- races --------------------------------------------------------------------------------------------------------


def test_what_comes_of_an_attempt_that_was_given_up_moves_nothing() -> None:
    hunt = Customer(f"{A};timeout=2000,{B}").start()
    hunt.clock.advance(2)
    first, second = hunt.lines
    first.tried.provisional(Response(180, "Ringing"))
    first.tried.refused(Response(487, "Request Terminated"))
    first.tried.failed("gone", "transport")
    assert first.tried.accepted(Response(200, "OK"), None) is None  # type: ignore[arg-type]
    assert hunt.script[-1] == "2000 late 200" and hunt.attempts[0].late == 200 and hunt.attempts[0].outcome == "timeout"
    assert second.tried.current and not second.cancelled
    hunt.say(200)
    hunt.rest()
    assert hunt.script[-1] == "2000 answered 200"


@pytest.mark.parametrize("said", [None, 100, 180])
def test_the_caller_gives_up(said: int | None) -> None:
    hunt = Customer(f"{A},{B}").start()
    if said:
        hunt.say(said)
    hunt.clock.advance(1)
    hunt.hunt.cancel("the caller gave up")
    hunt.rest()
    assert hunt.script[-2:] == ["1000 CANCEL 192.0.2.1", "1000 cancelled"] and hunt.result is None
    hunt.lines[0].tried.late(Response(200, "OK"))
    assert hunt.attempts[0].late == 200


def test_the_caller_gives_up_before_anything_was_sent_or_after_it_was_answered() -> None:
    hunt = Customer(A)
    hunt.hunt.start()
    hunt.hunt.cancel("changed its mind")
    hunt.rest()
    assert hunt.script == []
    hunt = Customer("sip:1@pbx.example.net")
    hunt.names.srv = lambda name, done: hunt.names  # type: ignore[method-assign]  # no answer yet
    hunt.start()
    hunt.hunt.cancel("changed its mind")
    hunt.rest()
    assert hunt.script == []
    hunt = Customer(A).start()
    hunt.say(200)
    hunt.hunt.cancel("too late")
    assert hunt.script[-1] == "0 answered 200"


def test_an_answer_of_no_use_ends_it_with_488() -> None:
    hunt = Customer(f"{A},{B}", usable=False).start()
    hunt.say(200)
    hunt.rest()
    assert hunt.script == ["0 INVITE 192.0.2.1", "0 unusable 200", "0 failed 488"]


def test_an_error_of_ours_ends_it() -> None:
    hunt = Customer(f"{A},{B}")

    def invite(*_: Any) -> Line:
        raise RuntimeError("ours")

    hunt.invite = invite  # type: ignore[method-assign]
    hunt.start()
    hunt.rest()
    assert hunt.script == ["0 error ours"]


def test_fifty_targets_that_fail_at_once_do_not_nest() -> None:
    hunt = Customer(",".join(f"{n}@192.0.2.{n + 1}" for n in range(50)))
    hunt.hunt.start()
    for _ in range(49):
        hunt.clock.advance(0)
        hunt.lines[-1].tried.failed("connection refused", "transport")
    hunt.clock.advance(0)
    hunt.say(200)
    hunt.rest()
    assert hunt.script[-1] == "0 answered 200" and len(hunt.attempts) == 50
