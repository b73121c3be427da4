"""Mutated descriptions and media packets, in memory and at a running emulator during calls: no error of ours, nothing left over, an echo
afterwards (robustness 10, 11, 12, 22)."""

import random
from itertools import islice
from pathlib import Path

import pytest

from tests.fuzz import media, offers, streams
from tests.fuzz.packets import Garbage
from tests.fuzz.sdp import OFFERS, descriptions
from tests.support.serve import Serve

CALLS = 1000
PACKETS = 300
"""At a stream of each kind."""
MOST_GROWTH = 4 << 20
"""In so short a time what is made once, whenever that is, counts for much; by hand it is a quarter."""


def _seed(how: str) -> int:
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}; repeat it with python -m tests.fuzz --seed {seed} {how}")
    return seed


def test_no_description_breaks_a_call() -> None:
    measured = offers.survive(_seed(f"--offers {CALLS}"), CALLS)
    print(measured)
    assert measured["answered"] > CALLS / 4 and measured["echoed"] and measured["re-INVITE 200"], "hardly a call was tried"


def test_no_packet_breaks_a_stream() -> None:
    measured = streams.survive(_seed(f"--packets {PACKETS}"), PACKETS)
    print(measured)
    assert measured["answered"] > PACKETS, "hardly a packet was taken"


@pytest.mark.wire
@pytest.mark.parametrize(("flags", "seconds"), [((), 3.0), (media.SHARED, 1.0)], ids=["a port for each", "one port for all"])
def test_calls_live_through_garbage(tmp_path: Path, flags: tuple[str, ...], seconds: float) -> None:
    seed = _seed(f"--media {seconds:g}{' --shared' if flags else ''}")
    serve = Serve(tmp_path, *flags)
    try:
        print(media.attack(serve, seed, seconds, MOST_GROWTH, warm_up=seconds / 6))
    finally:
        serve.stop()


def test_the_same_seed_gives_the_same_octets() -> None:
    def packets(seed: int, key: bytes | None) -> list[object]:
        garbage = Garbage(random.Random(seed), key)
        return [garbage.take() for _ in range(200)]

    for key in (None, bytes(30)):
        assert packets(7, key) == packets(7, key) != packets(8, key)
    assert list(islice(descriptions(7), 200)) == list(islice(descriptions(7), 200)) != list(islice(descriptions(8), 200))
    assert len(set(islice(descriptions(7), 200)) - set(OFFERS)) > 100
