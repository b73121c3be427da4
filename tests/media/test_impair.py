"""What holds for every impairment; chains of them; and what their descriptions may say."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.chance import Chance
from emulator.clock import SteppedClock
from emulator.ids import Ids
from emulator.media.chain import IMPAIRMENTS, chain, check
from emulator.media.holding import Room
from emulator.media.impair import Duplicate
from tests.support.impaired import Wire, rtp


@pytest.fixture
def wire(clock: SteppedClock) -> Wire:
    return Wire(clock)


def test_duplicates(wire: Wire) -> None:
    made = wire.make(Duplicate, probability=1)
    wire.talk(2)
    assert wire.sent == [rtp(1), rtp(1), rtp(2), rtp(2)] and made.counters() == {"seen": 2, "hit": 2}


def test_duplicates_are_as_likely_as_they_say(wire: Wire) -> None:
    made = wire.make(Duplicate, probability=0.1)
    for k in range(20_000):
        wire.send(rtp(k))
    assert 0.085 < made.hit / 20_000 < 0.115 and len(wire.sent) == 20_000 + made.hit


def test_the_duplicate_survives_protection_in_place(clock: SteppedClock, ids: Ids) -> None:
    sent: list[bytes] = []

    def protect(packet: bytes | memoryview) -> None:
        sent.append(bytes(packet))
        if isinstance(packet, memoryview):
            packet[:] = b"\0" * len(packet)

    Duplicate(protect, clock, Chance(ids), 1.0)(memoryview(bytearray(rtp(1))))
    assert sent == [rtp(1), rtp(1)]


# What holds for all of them

SAMPLES: dict[str, dict[str, Any]] = {
    "loss": {"probability": 0.3},
    "burst": {"probability": 0.1, "length": 3},
    "pattern": {"pattern": "..x.x"},
    "delay": {"seconds": 0.1},
    "jitter": {"mean": 0.03, "deviation": 0.02, "distribution": "uniform", "reorder": True},
    "reorder": {"probability": 0.3, "by": 2},
    "duplicate": {"probability": 0.3},
    "one-way": {},
    "silence": {"octets": "D5"},
    "payload-type": {"number": 127},
    "ssrc-change": {"seconds": 0.1},
    "sequence-jump": {"by": -5, "packets": 4},
    "timestamp-jump": {"by": 160000},
    "late-start": {"seconds": 0.1},
    "early-stop": {"seconds": 0.5},
    "corrupt": {"probability": 0.3},
    "truncate": {"octets": 40},
    "bad-tag": {"probability": 0.5},
}
BY_CHANCE = ["loss", "burst", "jitter", "reorder", "duplicate", "ssrc-change", "corrupt", "bad-tag"]


def test_there_is_a_sample_of_each() -> None:
    assert SAMPLES.keys() == IMPAIRMENTS.keys()


def course(name: str, seed: int) -> list[tuple[float, bytes]]:
    """What comes out, and when."""
    wire = Wire(SteppedClock(), seed)
    wire.chain((name, SAMPLES[name]))
    wire.talk(200)
    wire.clock.advance(5)
    return list(zip(wire.times, wire.sent, strict=True))


@pytest.mark.parametrize("name", SAMPLES)
def test_a_seed_repeats(name: str) -> None:
    assert course(name, 1) == course(name, 1)
    assert (course(name, 1) != course(name, 2)) == (name in BY_CHANCE)


@pytest.mark.parametrize("name", SAMPLES)
def test_nothing_is_sent_after_the_end(wire: Wire, name: str) -> None:
    made = wire.chain((name, SAMPLES[name]))
    wire.talk(30)
    before, counters = len(wire.sent), made.counters()
    made.close()
    made.close()
    assert wire.clock.pending == 0
    wire.talk(30)
    wire.clock.advance(60)
    assert len(wire.sent) == before and made.counters() == counters


@pytest.mark.parametrize("name", SAMPLES)
def test_one_alone_sends_nothing_after_its_end(wire: Wire, name: str) -> None:
    [(_, values)] = check([(name, SAMPLES[name])])
    made = wire.make(IMPAIRMENTS[name], **values)
    wire.talk(30)
    before, counters = len(wire.sent), made.counters()
    made.close()
    made.close()
    wire.talk(30)
    assert wire.clock.pending == 0
    wire.clock.advance(60)
    assert len(wire.sent) == before and made.counters() == counters


@pytest.mark.parametrize("name", ["duplicate", "reorder", "delay", "jitter"])
def test_the_end_may_come_from_whoever_is_sent_to(wire: Wire, name: str) -> None:
    def arrive(packet: bytes | memoryview) -> None:
        wire.arrive(packet)
        made.close()

    always = {"probability": 1, "by": 1} if name == "reorder" else {"probability": 1} if name == "duplicate" else SAMPLES[name]
    made = chain([(name, always)], arrive, wire.clock, wire.chance, room=Room(3))
    for k in range(6):
        made(rtp(k))
    wire.clock.advance(5)
    assert len(wire.sent) == 1 and wire.clock.pending == 0


# Chains


def test_packets_meet_them_in_order(wire: Wire) -> None:
    made = wire.chain(
        ("truncate", {"octets": 20}), ("pattern", {"pattern": ".x"}), ("payload-type", {"number": 5}), ("duplicate", {"probability": 1})
    )
    wire.talk(4)
    assert wire.sent == [rtp(k, second=5)[:20] for k in (1, 1, 3, 3)]
    assert list(made.counters().items()) == [
        ("truncate", {"seen": 4, "hit": 4}),
        ("pattern", {"seen": 4, "hit": 2}),
        ("payload-type", {"seen": 2, "hit": 2}),
        ("duplicate", {"seen": 2, "hit": 2}),
    ]


def test_an_empty_chain_hands_on_the_very_packet(wire: Wire) -> None:
    given_: list[object] = []
    made = chain([], given_.append, wire.clock, wire.chance)
    packet = rtp(1)
    made(packet)
    made.close()
    made(packet)
    assert given_ == [packet] and given_[0] is packet and made.counters() == {}


def test_one_more_at_the_end_leaves_the_others_as_they_were(clock: SteppedClock) -> None:
    one, two = Wire(clock), Wire(clock)
    one.chain(("loss", {"probability": 0.3}))
    two.chain(("loss", {"probability": 0.3}), ("duplicate", {"probability": 0.5}))
    one.talk(100)
    two.talk(100)
    assert one.sequences == sorted(set(two.sequences)) and len(two.sequences) > len(one.sequences)


def test_silence_is_the_codecs_unless_it_says(wire: Wire) -> None:
    for spec, silence, octet in [({}, b"\xd5", b"\xd5"), ({"octets": "00"}, b"\xd5", b"\0"), ({}, b"\xff", b"\xff")]:
        wire.chain(("silence", spec), silence=silence)
        wire.send(rtp(1))
        assert wire.sent[-1] == rtp(1, octet * 160)


def test_whole_numbers_may_be_written_as_floats() -> None:
    assert check([("payload-type", {"number": 5.0}), ("delay", {"seconds": 1})]) == [
        ("payload-type", {"number": 5}),
        ("delay", {"seconds": 1.0}),
    ]
    assert check([("silence", {"octets": "d5FF"}), ("jitter", {"mean": 0, "deviation": 0, "reorder": True})]) == [
        ("silence", {"octets": b"\xd5\xff"}),
        ("jitter", {"mean": 0.0, "deviation": 0.0, "reorder": True}),
    ]


@pytest.mark.parametrize(
    ("specs", "says"),
    [
        ([("losss", {})], "'losss' is no impairment; did you mean 'loss'?"),
        ([("one_way", {})], "'one_way' is no impairment; did you mean 'one-way'?"),
        ([("zzz", {})], "'zzz' is no impairment; known here: bad-tag, burst, corrupt, delay, duplicate, early-stop, jitter, late-start, "
            "loss, one-way, pattern, payload-type, reorder, sequence-jump, silence, ssrc-change, timestamp-jump, truncate"),
        ([("loss", {"probabilty": 0.1})], "loss has no parameter 'probabilty'; did you mean 'probability'?"),
        ([("delay", {"q": 1})], "delay has no parameter 'q'; known here: seconds"),
        ([("one-way", {"probability": 1})], "one-way has no parameter 'probability'; it takes none"),
        ([("loss", {5: 1})], "loss has no parameter 5; known here: probability"),
        ([("loss", {})], "loss: probability is missing; write a number from 0 to 1"),
        ([("loss", {"probability": 1.5})], "loss: probability is 1.5; write a number from 0 to 1"),
        ([("loss", {"probability": -1})], "loss: probability is -1; write a number from 0 to 1"),
        ([("loss", {"probability": float("nan")})], "loss: probability is nan; write a number from 0 to 1"),
        ([("loss", {"probability": "5%"})], "loss: probability is '5%'; write a number from 0 to 1"),
        ([("loss", {"probability": True})], "loss: probability is True; write a number from 0 to 1"),
        ([("loss", {"probability": None})], "loss: probability is None; write a number from 0 to 1"),
        ([("delay", {"seconds": float("inf")})], "delay: seconds is inf; write a number from 0 to 60 seconds"),
        ([("delay", {"seconds": 10**400})], f"delay: seconds is {str(10**400)[:60]}; write a number from 0 to 60 seconds"),
        ([("burst", {"probability": 0.1, "length": 0.5})], "burst: length is 0.5; write a number from 1 to 10000 packets"),
        ([("pattern", {"pattern": "..o"})], "pattern: pattern is '..o'; write dots and x's such as '..x.x'"),
        ([("pattern", {"pattern": ""})], "pattern: pattern is ''; write dots and x's such as '..x.x'"),
        ([("pattern", {"pattern": 5})], "pattern: pattern is 5; write dots and x's such as '..x.x'"),
        ([("silence", {"octets": "f"})], "silence: octets is 'f'; write octets in hexadecimal such as 'ff'"),
        ([("jitter", {"mean": 1, "deviation": 1, "distribution": "bell"})], "jitter: distribution is 'bell'; write 'normal' or 'uniform'"),
        ([("jitter", {"mean": 1, "deviation": 1, "reorder": "yes"})], "jitter: reorder is 'yes'; write true or false"),
        ([("reorder", {"probability": 1, "by": 0})], "reorder: by is 0; write a whole number from 1 to 50 packets"),
        ([("payload-type", {"number": 5.5})], "payload-type: number is 5.5; write a whole number from 0 to 127"),
        ([("ssrc-change", {"packets": None})], "ssrc-change: packets is None; write a whole number from 0 to 1000000 packets"),
        ([("timestamp-jump", {"by": 1 << 32})], "timestamp-jump: by is 4294967296; write a whole number from -4294967295 to 4294967295"),
        ([("loss", {"probability": 0}), ("loss", {"probability": 0})], "loss stands there twice; write each impairment once"),
        (["loss"], "'loss' is no impairment; write a name and parameters such as ('loss', {'probability': 0.05})"),
        ([("loss", 0.05)], "('loss', 0.05) is no impairment; write a name and parameters such as ('loss', {'probability': 0.05})"),
        ([None], "None is no impairment; write a name and parameters such as ('loss', {'probability': 0.05})"),
        ([([], {})], "([], {}) is no impairment; write a name and parameters such as ('loss', {'probability': 0.05})"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_description(clock: SteppedClock, ids: Ids, specs: Any, says: str) -> None:
    with pytest.raises(ValueError) as caught:
        chain(specs, print, clock, Chance(ids))
    assert str(caught.value) == says


def probability() -> st.SearchStrategy[float]:
    return st.floats(0, 1)


def moment() -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional={"seconds": st.floats(0, 2), "packets": st.integers(0, 60)})


def described(**parameters: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(parameters)


DESCRIPTIONS: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "loss": described(probability=probability()),
    "burst": described(probability=probability(), length=st.floats(1, 10_000)),
    "pattern": described(pattern=st.text(".x", min_size=1, max_size=20)),
    "delay": described(seconds=st.floats(0, 60)),
    "jitter": described(
        mean=st.floats(0, 60), deviation=st.floats(0, 60), distribution=st.sampled_from(["normal", "uniform"]), reorder=st.booleans()
    ),
    "reorder": described(probability=probability(), by=st.integers(1, 50)),
    "duplicate": described(probability=probability()),
    "one-way": described(),
    "silence": st.one_of(described(), described(octets=st.binary(min_size=1, max_size=12).map(bytes.hex))),
    "payload-type": described(number=st.integers(0, 127)),
    "ssrc-change": moment(),
    "sequence-jump": st.builds(lambda when, by: {**when, "by": by}, moment(), st.integers(-65535, 65535)),
    "timestamp-jump": st.builds(lambda when, by: {**when, "by": by}, moment(), st.integers(-0xFFFFFFFF, 0xFFFFFFFF)),
    "late-start": described(seconds=st.floats(0, 2)),
    "early-stop": described(seconds=st.floats(0, 2)),
    "corrupt": described(probability=probability()),
    "truncate": described(octets=st.integers(0, 1500)),
    "bad-tag": described(probability=probability()),
}
SPECS = st.lists(st.sampled_from(sorted(DESCRIPTIONS)), unique=True, max_size=6).flatmap(
    lambda names: st.tuples(*(st.tuples(st.just(name), DESCRIPTIONS[name]) for name in names))
)


@given(
    specs=SPECS,
    packets=st.lists(st.tuples(st.binary(max_size=200), st.sampled_from([0.0, 0.02, 0.02, 0.5])), max_size=60),
    seed=st.integers(0, 1 << 32),
    most=st.integers(1, 10),
)
def test_any_chain_bears_any_packets(specs: Any, packets: list[tuple[bytes, float]], seed: int, most: int) -> None:
    """It never raises, never more than doubles what is sent, never keeps more than it may, and ends when told."""
    wire = Wire(SteppedClock(), seed)
    room = Room(most)
    made = wire.chain(*specs, room=room)
    for packet, pause in packets:
        wire.send(packet)
        assert room.taken <= most and wire.clock.pending == room.taken
        wire.clock.advance(pause)
    wire.clock.advance(1)
    assert len(wire.sent) <= 2 * len(packets)
    assert all(counters["hit"] <= counters["seen"] <= 2 * len(packets) for counters in made.counters().values())
    before = len(wire.sent)
    made.close()
    assert room.taken == 0 and wire.clock.pending == 0
    wire.send(rtp(1))
    wire.clock.advance(1000)
    assert len(wire.sent) == before


@given(specs=SPECS, count=st.integers(0, 60))
def test_whatever_waits_comes_out_when_the_call_is_long_enough(specs: Any, count: int) -> None:
    """Without what loses packets, all come, and not a trace of the buffer's later content."""
    losing = {"loss", "burst", "pattern", "one-way", "late-start", "early-stop"}
    wire = Wire(SteppedClock())
    made = wire.chain(*(spec for spec in specs if spec[0] not in losing | {"corrupt", "bad-tag", "silence"}))
    wire.talk(count)
    wire.clock.advance(10_000)
    assert len(wire.sent) == count + made.counters().get("duplicate", {"hit": 0})["hit"]
    assert not any(b"\xee\xee\xee\xee" in packet for packet in wire.sent)
