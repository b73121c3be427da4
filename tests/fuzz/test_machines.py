"""Mutated messages through a whole trunk in memory: no error of ours, and nothing left over."""

import random
from itertools import islice

from emulator.journal.findings import printable
from tests.fuzz.mutate import MESSAGES, mutations
from tests.support.network import MemoryFlow, Network

COUNT = 4000


def test_no_message_breaks_the_trunk() -> None:
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}")
    survive(seed, COUNT)


def survive(seed: int, count: int) -> None:
    """`count` mutated messages; the network's report raises on any error that is ours."""
    network = Network()
    sent: list[bytes] = []
    flows = [MemoryFlow(sent.append, transport) for transport in ("UDP", "TCP", "TLS")]
    for number, data in enumerate(islice(mutations(seed), count)):
        sent.clear()
        try:
            network.endpoint().receive(data, flows[number % 3])
            for record in network.journal.calls():
                record.detail()
        except Exception as error:
            raise AssertionError(f"seed {seed}, message {number}: {printable(repr(data), 2000)}") from error
        assert len(sent) <= 4 and sum(map(len, sent)) <= 2 * len(data) + 2000, f"seed {seed}, message {number}: {sent}"
        network.clock.advance(0.1)
    network.clock.advance(5000)
    assert network.idle, f"seed {seed}: something is left over"
    assert network.phone().call().status == 200


def test_the_same_seed_gives_the_same_octets() -> None:
    assert list(islice(mutations(7), 200)) == list(islice(mutations(7), 200))
    assert list(islice(mutations(7), 200)) != list(islice(mutations(8), 200))
    assert len(set(islice(mutations(7), 200)) & set(MESSAGES)) == 0
