"""Races: whatever crosses whatever, in any order and 0 to 50 ms apart, every request gets one final answer and nothing is left over."""

import random
from collections.abc import Callable

import pytest

from emulator.trunk.behaviour import Behaviour
from emulator.trunk.trunk import Policy
from tests.support.network import Network
from tests.support.phone import SDP, Phone, Received

STEPS = 14
T4, GIVE_UP = 5.0, 32.0
"""Seconds: the longest that a message stays in the network, and 64*T1 (RFC 3261 17.1.1.1)."""
SEEDS = range(300)


class Client:
    """A phone that does what chance says, and answers what it is asked, late, or not at all."""

    def __init__(self, network: Network, phone: Phone, chance: random.Random) -> None:
        self.network = network
        self.phone = phone
        self.chance = chance
        self.said: list[str] = []
        self.seen: list[Received] = []
        self.challenge: Received | None = None
        self.answered: Received | None = None
        self.sent: dict[str, tuple[float, float]] = {}
        """When each request went, for the first and for the last time."""
        self.acknowledges = chance.random() < 0.8

    def actions(self) -> list[Callable[[], None]]:
        phone = self.phone
        if self.challenge is None:
            return [self.invite]
        actions = [self.listen, self.listen, self.wait, self.wait, self.again, self.cancel]
        if self.answered is not None:
            actions += [self.ack, self.bye, self.reinvite, lambda: self.ask("UPDATE"), lambda: self.ask("INFO"), self.hang_up]
        elif phone.to_tag:
            actions += [self.bye]
        else:
            actions += [self.credentials, self.credentials]
        return actions

    def note(self, text: str) -> None:
        now = self.network.clock.seconds()
        self.sent[text] = (now, now)

    def invite(self) -> None:
        self.note(self.phone.invite())
        self.challenge = self.phone.inbox.pop(0)
        self.phone.ack(self.challenge)

    def credentials(self) -> None:
        if len(self.sent) < 2:
            assert self.challenge is not None
            self.note(self.phone.invite(extra=self.phone.credentials(self.challenge)))

    def listen(self) -> None:
        while self.phone.inbox:
            message = self.phone.inbox.pop(0)
            self.seen.append(message)
            if message.method:
                if self.chance.random() < 0.7:
                    self.phone.respond(message, self.chance.choice([200, 200, 481, 491, 500]))
                continue
            if message.to_tag and "INVITE" in (message.get("cseq") or ""):
                if message.status == 200:
                    if self.acknowledges:
                        self.phone.ack(message)
                    self.phone.to_tag = message.to_tag
                    self.phone.remote_target = "sip:442071234567@127.0.13.1:5060"
                    self.answered = message
                elif message.status in (180, 183):
                    self.phone.to_tag = message.to_tag
                    self.phone.remote_target = "sip:442071234567@127.0.13.1:5060"
                elif message.status >= 300:
                    self.phone.ack(message)

    def wait(self) -> None:
        self.network.clock.advance(self.chance.choice([0, 0.001, 0.01, 0.05, 0.5, 2.0]))

    def again(self) -> None:
        """A copy of a request: the client sends one until that is answered, or timers B and F end it (17.1.1.2, 17.1.2.2), and the network
        holds one back for T4 at most (17.1.2.2). A reliable transport has none."""
        if self.phone.transport != "UDP":
            return
        now = self.network.clock.seconds()
        unanswered = [text for text, (first, _) in self.sent.items() if now - first < GIVE_UP and not self.heard(text)]
        on_their_way = [text for text, (_, last) in self.sent.items() if now - last < T4 and text not in unanswered]
        if unanswered or on_their_way:
            text = self.chance.choice(unanswered + on_their_way)
            if text in unanswered:
                self.sent[text] = (self.sent[text][0], now)
            self.phone.transmit(text)

    def heard(self, text: str) -> bool:
        """Whether the client has had a response after which it sends that request no more."""
        least = 100 if text.startswith("INVITE ") else 200
        return any(message.status >= least and answers(message, text) for message in self.seen)

    def cancel(self) -> None:
        self.phone.cancel()

    def ack(self) -> None:
        if self.answered is not None:
            self.phone.ack(self.answered)

    def bye(self) -> None:
        self.note(self.phone.in_dialog("BYE"))

    def ask(self, method: str) -> None:
        self.note(self.phone.in_dialog(method))

    def reinvite(self) -> None:
        assert self.challenge is not None
        count = 2 + len(self.sent)
        text = self.phone.request("INVITE", self.phone.remote_target, self.phone.credentials(self.challenge, count=count), SDP)
        self.phone.invite_branch = self.phone.last_branch
        self.phone.transmit(text)
        self.note(text)

    def hang_up(self) -> None:
        self.network.trunk.hang_up("last")


def answers(message: Received, text: str) -> bool:
    return branch_of(text) in (message.get("via") or "") and (message.get("cseq") or "") in text


def branch_of(text: str) -> str:
    return text.partition("branch=")[2].partition(";")[0]


@pytest.mark.parametrize("transport", ["UDP", "TCP"])
@pytest.mark.parametrize("answer_after", [0.0, 0.02])
def test_whatever_crosses_nothing_is_left_over(transport: str, answer_after: float) -> None:
    """robustness 15."""
    for seed in SEEDS:
        chance = random.Random(seed)
        network = Network(Policy(behaviour=Behaviour(answer_after=answer_after)))
        phone = network.phone(transport=transport)
        client = Client(network, phone, chance)
        for _ in range(STEPS):
            chance.choice(client.actions())()
            if transport == "UDP" and chance.random() < 0.1:
                phone.flow.drop.add(phone.flow.sent + 1)  # type: ignore[attr-defined]
        for _ in range(80):  # the last answers, at the pace of a client that lives
            client.listen()
            network.clock.advance(1)
        network.trunk.hang_up("last")
        for _ in range(80):
            client.listen()
            network.clock.advance(1)
        story = f"seed {seed}\n" + "\n".join(phone.log)
        assert network.idle, story
        assert not network.errors, story
        for text in client.sent:
            finals = {message.status for message in client.seen if message.status >= 200 and answers(message, text)}
            assert len(finals) <= 1, f"{text.partition(' ')[0]} got {finals}\n{story}"
            if transport == "TCP":
                assert finals or text == next(iter(client.sent)), f"{text.partition(' ')[0]} got none\n{story}"
