"""Calls from Vonage over the in-memory network: rung, up, over."""

from typing import Any

from emulator.journal.record import CallRecord
from emulator.trunk.callers import Ring
from emulator.trunk.policy import InboundPolicy, Policy
from tests.support.callee import Callee
from tests.support.customer import accepts
from tests.support.network import Network

NUMBER = "447700900000"
CALLER = "14155550100"
ONE = "sip:1234@192.0.2.10:5080"
TWO = f"{ONE};timeout=2000, sip:1234@192.0.2.10:5090"


def rung(network: Network, forward: str | None = ONE, **how: Any) -> CallRecord:
    """A call to the default number, as far as it comes in no time."""
    how.setdefault("caller", CALLER)
    record = network.trunk.ring(Ring(number=how.pop("number", NUMBER), forward=forward, **how))
    network.clock.advance(0)
    return record


def up(network: Network, forward: str = ONE, **how: Any) -> tuple[CallRecord, Callee]:
    """A call that is up, and the customer's side of it."""
    customer = network.customers.get(("UDP", ("192.0.2.10", 5080))) or network.customer(script=accepts)
    record = rung(network, forward, **how)
    network.clock.advance(0)
    assert record.state == "answered"
    customer.call.expect("INVITE", "ACK")
    return record, customer.call


def inbound(**how: Any) -> Network:
    return Network(Policy(inbound=InboundPolicy(**how)))


def heard(network: Network, customer: Callee, *starts: int | str) -> Any:
    """What the customer has heard by now."""
    network.clock.advance(0)
    return customer.expect(*starts)


def outcomes(record: CallRecord) -> list[tuple[str, int | None]]:
    return [(attempt.outcome, attempt.status) for attempt in record.attempts]


def codes(record: CallRecord) -> list[str]:
    return [finding.code for finding in record.findings]


def rest(network: Network) -> None:
    """Nothing is left over, however long one waits."""
    network.clock.advance(120)
    assert network.idle and not network.clock.pending and not network.errors
    assert not network.trunk.exchange.directory.taken(NUMBER)
