"""Calls from Vonage to customers who do what chance says: late, twice, crossed, or not at all. Whatever they do, nothing is left over."""

import random
import re
from collections.abc import Callable

import pytest

from emulator.trunk.callers import Ring
from emulator.trunk.policy import ForwardingPolicy, InboundPolicy, Policy
from tests.support.callee import Callee
from tests.support.network import Network
from tests.support.phone import SDP, Received

NUMBER = "447700900000"
STEPS = 24
PORTS = (5080, 5081, 5082)
FORWARD = ",".join(f"sip:{port}@192.0.2.10:{port};timeout=2000" for port in PORTS)
STATUSES = (100, 180, 180, 183, 183, 200, 200, 200, 302, 407, 481, 486, 487, 500, 503, 503, 603)


class Story:
    """One call, three customers, and what chance makes of them."""

    def __init__(self, seed: int, until: str, transport: str) -> None:
        self.chance = chance = random.Random(seed)
        self.began = 1000.0
        self.network = network = Network(Policy(inbound=InboundPolicy(ForwardingPolicy(until, 10.0))))  # type: ignore[arg-type]
        self.customers = [network.customer(port, transport=transport) for port in PORTS]
        self.sent: list[tuple[Callee, str]] = []
        self.accepted: set[tuple[str, str]] = set()
        self.finals: dict[int, tuple[int, str, str]] = {}  # the first final response of each call: status, Call-ID, tag
        self.acknowledged: set[tuple[str, str]] = set()
        suffix = "" if transport == "UDP" else f";transport={transport.lower()}"
        forward = FORWARD.replace(";timeout", f"{suffix};timeout")
        if chance.random() < 0.2:
            network.dead[transport, ("192.0.2.10", 5081)] = "connection refused"
            del network.customers[transport, ("192.0.2.10", 5081)]
        cancel = chance.choice([None, None, None, 0.0, 0.5, 3.0])
        self.record = network.trunk.ring(
            Ring(number=NUMBER, caller="1", forward=forward, talk=chance.choice([None, 1.0, 5.0]), cancel_after=cancel, play="silence")
        )

    def actions(self) -> list[Callable[[], None]]:
        actions: list[Callable[[], None]] = [self.wait, self.wait, self.wait, self.listen, self.listen]
        if self.calls():
            actions += [self.respond, self.respond, self.respond, self.again]
        if self.accepted:
            actions += [self.bye, self.reinvite, self.update]
        if self.chance.random() < 0.1:
            actions.append(lambda: self.network.trunk.hang_up("last") and None)
        return actions

    def calls(self) -> list[Callee]:
        return [call for customer in self.customers for call in customer.calls]

    def wait(self) -> None:
        self.network.clock.advance(self.chance.choice([0, 0, 0.001, 0.01, 0.05, 0.5, 1.0, 2.0]))

    def respond(self) -> None:
        call = self.chance.choice(self.calls())
        self.say(call, self.chance.choice(STATUSES))

    def say(self, call: Callee, status: int) -> None:
        tag = self.chance.choice([None, None, None, "fork"])
        body = SDP if status in (183, 200) and self.chance.random() < 0.9 else ""
        self.sent.append((call, call.answer(status, None, body, tag=tag)))
        if status == 200:
            self.accepted.add((self.call_id(call.invited), tag or call.tag))
        if status >= 200 and self.network.clock.seconds() - self.began < 12:
            self.finals.setdefault(id(call), (status, self.call_id(call.invited), tag or call.tag))

    @staticmethod
    def call_id(message: Received | None) -> str:
        assert message is not None
        return message.get("call-id") or ""

    def again(self) -> None:
        if self.sent:
            call, text = self.chance.choice(self.sent)
            call.transmit(text)

    def bye(self) -> None:
        self.chance.choice(self.calls()).request("BYE")

    def reinvite(self) -> None:
        self.chance.choice(self.calls()).request("INVITE", body=SDP)

    def update(self) -> None:
        self.chance.choice(self.calls()).request("UPDATE", body=SDP)

    def listen(self, lively: bool = False) -> None:
        """Answer what has come, as chance says; `lively` is somebody who answers everything."""
        for call in self.calls():
            while call.inbox:
                message = call.inbox.pop(0)
                if message.method == "ACK":
                    tag = re.search(r";tag=([^;]+)", message.get("to") or "")
                    self.acknowledged.add((self.call_id(message), tag[1] if tag else ""))
                elif message.method == "CANCEL" and (lively or self.chance.random() < 0.7):
                    call.answer(200, "", to=message)
                    self.say(call, self.chance.choice([487, 487, 200]))
                elif message.method == "BYE" and (lively or self.chance.random() < 0.7):
                    call.answer(self.chance.choice([200, 200, 481]), "", to=message)
                elif message.method == "INVITE" and ";tag=" in (message.get("to") or ""):
                    call.answer(488, to=message)
                elif message.status == 200 and "INVITE" in (message.get("cseq") or ""):
                    call.request("ACK", cseq=int((message.get("cseq") or "").split()[0]))


@pytest.mark.parametrize("transport", ["UDP", "TCP"])
@pytest.mark.parametrize("until", ["first-response", "18x", "final"])
def test_whatever_customers_do_nothing_is_left_over(until: str, transport: str) -> None:
    """robustness 15."""
    for seed in range(300):
        story = Story(seed, until, transport)
        network, record = story.network, story.record
        for _ in range(STEPS):
            story.chance.choice(story.actions())()
        for _ in range(40):
            network.clock.advance(2)
            story.listen(lively=True)
        network.trunk.hang_up("last")
        for _ in range(40):
            network.clock.advance(1)
            story.listen(lively=True)
        network.clock.advance(70)
        told = f"seed {seed}\n" + "\n\n".join("\n".join(call.log) for call in story.calls()) + f"\n{record.summary()}"
        assert not network.errors and network.idle and not network.clock.pending, told
        assert not record.live and not network.trunk.exchange.directory.taken(NUMBER), told
        assert all(attempt.after is not None for attempt in record.attempts), told
        assert [attempt.outcome for attempt in record.attempts].count("answered") == (record.answered is not None), told
        ends = [event.kind for event in network.journal.events() if event.kind in ("call.ended", "call.refused", "call.cancelled")]
        assert len(ends) == 1, told
        for status, call_id, tag in story.finals.values():
            assert (call_id, tag) in story.acknowledged, f"no ACK of the {status} with tag {tag}\n{told}"
