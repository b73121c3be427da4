"""20,000 mutated messages at a running emulator: every health check answered, no traceback, memory and descriptors as before."""

import random

import pytest

from tests.fuzz.served import attack, descriptors
from tests.support.serve import Serve, until

COUNT = 20000
GROWTH = 10_000_000
"""Octets; most of it is what the journal keeps of a thousand calls."""


@pytest.mark.wire
def test_the_emulator_stays_up(serve: Serve) -> None:
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}; repeat it with python -m tests.fuzz --seed {seed} --count {COUNT}")
    before = descriptors(serve.process.pid)
    measured = attack(serve, seed, COUNT)
    print(measured)
    assert measured["growth"] <= GROWTH
    until(lambda: descriptors(serve.process.pid) <= before + 2, "descriptors back to base", 120)
