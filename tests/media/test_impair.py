"""Each impairment, exactly, on a clock that stands still; chains of them; and what their descriptions may say."""

import itertools
import statistics
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.chance import Chance
from emulator.clock import SteppedClock
from emulator.ids import Ids
from emulator.media import impair
from emulator.media.chain import IMPAIRMENTS, Chain, chain, check
from emulator.media.impair import Impairment, Room
from emulator.media.rtp import HEADER

SSRC = 0x11223344


def rtp(sequence: int, payload: bytes = b"", second: int = 0, timestamp: int | None = None, first: int = 0x80) -> bytes:
    """A packet whose timestamp goes with its sequence number, and whose payload is 160 octets that tell it apart."""
    timestamp = sequence * 160 if timestamp is None else timestamp
    return HEADER.pack(first, second, sequence & 0xFFFF, timestamp & 0xFFFFFFFF, SSRC) + (payload or bytes((sequence & 0x7F,)) * 160)


class Wire:
    """A sender with one buffer for all its packets, an impairment, and what came out of it and when."""

    def __init__(self, clock: SteppedClock, seed: int = 1) -> None:
        self.clock = clock
        self.chance = Chance(Ids(seed))
        self.sent: list[bytes] = []
        self.times: list[float] = []
        self.started = clock.now
        self.through: Callable[[bytes | memoryview], None] = lambda packet: None
        self._buffer = bytearray(1500)
        self._view = memoryview(self._buffer)

    def arrive(self, packet: bytes | memoryview) -> None:
        self.sent.append(bytes(packet))
        self.times.append(round(self.clock.now - self.started, 4))

    def make(self, kind: type[Impairment], **parameters: Any) -> Any:
        made = kind(self.arrive, self.clock, self.chance, **parameters)
        self.through = made
        return made

    def chain(self, *specs: tuple[str, Mapping[str, Any]], **options: Any) -> Chain:
        made = chain(specs, self.arrive, self.clock, self.chance, **options)
        self.through = made
        return made

    def send(self, packet: bytes) -> None:
        """Through the one buffer, which is overwritten at once."""
        self._buffer[: len(packet)] = packet
        try:
            self.through(self._view[: len(packet)])
        finally:
            self._buffer[:] = b"\xee" * len(self._buffer)

    def talk(self, count: int, first: int = 1) -> None:
        """`count` packets, one each 20 ms."""
        for k in range(first, first + count):
            self.send(rtp(k))
            self.clock.advance(0.02)

    @property
    def sequences(self) -> list[int]:
        return [int.from_bytes(packet[2:4], "big") for packet in self.sent]


@pytest.fixture
def wire(clock: SteppedClock) -> Wire:
    return Wire(clock)


# What loses packets


def test_loss_by_pattern(wire: Wire) -> None:
    made = wire.make(impair.LosePattern, pattern="..x.x")
    wire.talk(12)
    assert wire.sequences == [1, 2, 4, 6, 7, 9, 11, 12]
    assert made.counters() == {"seen": 12, "hit": 4}
    assert wire.sent[0] == rtp(1)


def test_one_way(wire: Wire) -> None:
    made = wire.make(impair.OneWay)
    wire.talk(5)
    assert wire.sent == [] and made.counters() == {"seen": 5, "hit": 5}


def test_late_start(wire: Wire) -> None:
    """From when it was made, not from the first packet."""
    made = wire.make(impair.LateStart, seconds=0.99)
    wire.clock.advance(0.94)
    wire.talk(6)
    assert wire.sequences == [4, 5, 6] and wire.times[0] == 1.0 and made.hit == 3


def test_early_stop(wire: Wire) -> None:
    made = wire.make(impair.EarlyStop, seconds=0.05)
    wire.talk(6)
    assert wire.sequences == [1, 2, 3] and made.hit == 3


def test_an_early_stop_at_once(wire: Wire) -> None:
    wire.make(impair.EarlyStop, seconds=0)
    wire.send(rtp(1))
    assert wire.sent == []


def test_loss_is_as_likely_as_it_says(wire: Wire) -> None:
    made = wire.make(impair.Loss, probability=0.05)
    for k in range(20_000):
        wire.send(rtp(k))
    assert 0.04 < made.hit / 20_000 < 0.06 and len(wire.sent) == 20_000 - made.hit


@pytest.mark.parametrize(("probability", "count"), [(0.0, 100), (1.0, 0)])
def test_loss_never_and_always(wire: Wire, probability: float, count: int) -> None:
    wire.make(impair.Loss, probability=probability)
    wire.talk(100)
    assert len(wire.sent) == count


def test_bursts_are_as_long_and_as_frequent_as_they_say(wire: Wire) -> None:
    """Gilbert: of all packets probability / (probability + 1 / length) are lost."""
    made = wire.make(impair.Burst, probability=0.02, length=5)
    lost = []
    for k in range(20_000):
        before = made.hit
        wire.send(rtp(k))
        lost.append(made.hit > before)
    runs = [len(list(run)) for is_lost, run in itertools.groupby(lost) if is_lost]
    assert 4.3 < statistics.fmean(runs) < 5.7 and max(runs) > 10
    assert 0.07 < made.hit / 20_000 < 0.11


def test_bursts_of_one_are_never_in_a_row(wire: Wire) -> None:
    wire.make(impair.Burst, probability=1.0, length=1)
    wire.talk(6)
    assert wire.sequences == [2, 4, 6]


# What holds packets back


def test_delay(wire: Wire) -> None:
    made = wire.make(impair.Delay, seconds=0.05)
    wire.talk(3)
    assert wire.times == [0.05] and wire.sent == [rtp(1)]
    wire.clock.advance(1)
    assert wire.times == [0.05, 0.07, 0.09] and wire.sent == [rtp(1), rtp(2), rtp(3)]
    assert made.counters() == {"seen": 3, "hit": 3, "early": 0, "refused": 0} and wire.clock.pending == 0


def test_no_delay_is_none(wire: Wire) -> None:
    made = wire.make(impair.Delay, seconds=0)
    wire.send(rtp(1))
    assert wire.times == [0.0] and made.hit == 0


def test_the_oldest_goes_out_at_once_when_too_many_wait(wire: Wire) -> None:
    made = wire.make(impair.Delay, seconds=10)
    for k in range(205):
        wire.send(rtp(k))
    assert wire.sequences == [0, 1, 2, 3, 4] and made.early == 5 and wire.clock.pending == 200
    wire.clock.advance(10)
    assert wire.sequences == list(range(205)) and made.early == 5 and made.room.taken == 0


def test_the_room_is_the_calls_not_the_impairments(clock: SteppedClock) -> None:
    there, back = Wire(clock), Wire(clock)
    room = Room(10)
    one = there.chain(("delay", {"seconds": 1}), ("jitter", {"mean": 1, "deviation": 0}), room=room)
    back.chain(("delay", {"seconds": 1}), room=room)
    for k in range(8):
        there.send(rtp(k))
    for k in range(4):
        back.send(rtp(k))
    assert room.taken == 10 and there.sequences == [] and back.sequences == [0, 1]
    one.close()
    assert room.taken == 2
    clock.advance(3)
    assert room.taken == 0 and there.sequences == [] and back.sequences == [0, 1, 2, 3]


def test_a_refused_packet_is_counted_because_a_timer_has_no_caller(clock: SteppedClock, ids: Ids) -> None:
    def refuse(packet: bytes | memoryview) -> None:
        raise ConnectionRefusedError

    made = impair.Delay(refuse, clock, Chance(ids), 0.1)
    made(rtp(1))
    clock.advance(1)
    assert made.counters() == {"seen": 1, "hit": 1, "early": 0, "refused": 1}
    with pytest.raises(ConnectionRefusedError):
        impair.Loss(refuse, clock, Chance(ids), 0.0)(rtp(1))


@pytest.mark.parametrize("distribution", ["normal", "uniform"])
def test_jitter_keeps_the_order(wire: Wire, distribution: str) -> None:
    made = wire.make(impair.Jitter, mean=0.03, deviation=0.03, distribution=distribution)
    wire.talk(2000)
    wire.clock.advance(1)
    assert wire.sequences == list(range(1, 2001)) and made.early == 0
    steps = {round(b - a, 3) for a, b in itertools.pairwise(wire.times)}
    assert len(steps) > 20 and min(steps) >= 0


def test_jitter_keeps_the_order_of_packets_that_are_due_and_not_yet_sent(clock: SteppedClock, wire: Wire) -> None:
    """A busy reactor reads packets before it runs timers."""
    wire.make(impair.Jitter, mean=0.02, deviation=0.02, distribution="uniform")
    for k in range(200):
        wire.send(rtp(k))
        clock.now += 0.05  # no timer fires
    clock.advance(1)
    assert wire.sequences == list(range(200))


def test_jitter_may_reorder(wire: Wire) -> None:
    wire.make(impair.Jitter, mean=0.03, deviation=0.03, reorder=True)
    wire.talk(500)
    wire.clock.advance(1)
    assert wire.sequences != sorted(wire.sequences) and sorted(wire.sequences) == list(range(1, 501))


def test_jitter_is_as_wide_as_it_says(wire: Wire) -> None:
    wire.make(impair.Jitter, mean=0.1, deviation=0.02, reorder=True)
    came: list[float] = []
    for k in range(5000):
        wire.sent.clear()
        start = wire.clock.now
        wire.send(rtp(k))
        wire.clock.advance(1)
        came.append(wire.times[-1] - (start - wire.started))
    assert 0.098 < statistics.fmean(came) < 0.102 and 0.018 < statistics.stdev(came) < 0.022


def test_uniform_jitter_stays_within_its_deviation(wire: Wire) -> None:
    wire.make(impair.Jitter, mean=0.1, deviation=0.02, distribution="uniform", reorder=True)
    for k in range(200):
        wire.send(rtp(k))
    wire.clock.advance(1)
    assert 0.08 <= min(wire.times) < 0.085 and 0.115 < max(wire.times) <= 0.12


def test_jitter_of_nothing_sends_at_once(wire: Wire) -> None:
    made = wire.make(impair.Jitter, mean=0, deviation=0)
    wire.talk(3)
    assert wire.times == [0.0, 0.02, 0.04] and made.hit == 0


@pytest.mark.parametrize(("by", "order"), [(1, [2, 1, 4, 3, 6, 5]), (2, [2, 3, 1, 5, 6, 4]), (5, [2, 3, 4, 5, 6, 1])])
def test_reordering(wire: Wire, by: int, order: list[int]) -> None:
    made = wire.make(impair.Reorder, probability=1, by=by)
    wire.talk(6)
    assert wire.sequences == order and wire.sent[order.index(1)] == rtp(1) and made.hit == 6 // (by + 1)
    assert wire.clock.pending == 0


def test_a_reordered_packet_does_not_wait_for_ever(wire: Wire) -> None:
    wire.make(impair.Reorder, probability=1, by=3)
    wire.talk(2)
    wire.clock.advance(2)
    assert wire.sequences == [2, 1] and wire.times == [0.02, 1.0]
    wire.talk(4, first=3)
    assert wire.sequences == [2, 1, 4, 5, 6, 3]


def test_reordering_never(wire: Wire) -> None:
    made = wire.make(impair.Reorder, probability=0)
    wire.talk(50)
    assert wire.sequences == list(range(1, 51)) and made.hit == 0


def test_a_refused_packet_still_counts_as_passing(wire: Wire) -> None:
    refusing = True

    def arrive(packet: bytes | memoryview) -> None:
        if refusing:
            raise ConnectionRefusedError
        wire.arrive(packet)

    wire.through = impair.Reorder(arrive, wire.clock, wire.chance, 1.0, 2)
    wire.send(rtp(1))
    with pytest.raises(ConnectionRefusedError):
        wire.send(rtp(2))
    refusing = False
    wire.send(rtp(3))
    assert wire.sequences == [3, 1]


def test_duplicates(wire: Wire) -> None:
    made = wire.make(impair.Duplicate, probability=1)
    wire.talk(2)
    assert wire.sent == [rtp(1), rtp(1), rtp(2), rtp(2)] and made.counters() == {"seen": 2, "hit": 2}


def test_duplicates_are_as_likely_as_they_say(wire: Wire) -> None:
    made = wire.make(impair.Duplicate, probability=0.1)
    for k in range(20_000):
        wire.send(rtp(k))
    assert 0.085 < made.hit / 20_000 < 0.115 and len(wire.sent) == 20_000 + made.hit


def test_the_duplicate_survives_protection_in_place(clock: SteppedClock, ids: Ids) -> None:
    sent: list[bytes] = []

    def protect(packet: bytes | memoryview) -> None:
        sent.append(bytes(packet))
        if isinstance(packet, memoryview):
            packet[:] = b"\0" * len(packet)

    impair.Duplicate(protect, clock, Chance(ids), 1.0)(memoryview(bytearray(rtp(1))))
    assert sent == [rtp(1), rtp(1)]


# What rewrites packets


def test_silence(wire: Wire) -> None:
    made = wire.make(impair.Silence, octets=b"\xd5")
    wire.talk(2)
    assert wire.sent == [rtp(1, b"\xd5" * 160), rtp(2, b"\xd5" * 160)] and made.counters() == {"seen": 2, "hit": 2}


@pytest.mark.parametrize(
    ("packet", "silent"),
    [
        (rtp(1, b"abcd"), rtp(1, b"12312"[:4])),
        (rtp(1, b"ab"), rtp(1, b"12")),
        (rtp(1, b"AAAABBBBabcd", first=0x82), rtp(1, b"AAAABBBB1231", first=0x82)),  # two CSRCs
        (rtp(1, b"\xbe\xde\0\1XXXXabcd", first=0x90), rtp(1, b"\xbe\xde\0\1XXXX1231", first=0x90)),  # a header extension
        (rtp(1, b"abcd\0\0\3", first=0xA0), rtp(1, b"1231\0\0\3", first=0xA0)),  # padding
        (rtp(1, b"abcd\xff", first=0xA0), rtp(1, b"abcd\xff", first=0xA0)),  # padding longer than the packet
        (rtp(1, b"\xbe", first=0x90), rtp(1, b"\xbe", first=0x90)),  # cut within the extension
        (rtp(1)[:12], rtp(1)[:12]),
        (b"short", b"short"),
        (b"", b""),
    ],
)
def test_silence_fills_the_payload_and_nothing_else(wire: Wire, packet: bytes, silent: bytes) -> None:
    made = wire.make(impair.Silence, octets=b"123")
    wire.send(packet)
    assert wire.sent == [silent] and made.hit == (packet != silent)


def test_silence_of_a_codec_that_has_none_is_an_empty_payload(wire: Wire) -> None:
    wire.make(impair.Silence, octets=b"")
    wire.send(rtp(1))
    assert wire.sent == [rtp(1)[:12]]


def test_wrong_payload_type(wire: Wire) -> None:
    made = wire.make(impair.WrongPayloadType, number=96)
    wire.send(rtp(1, second=0x80))
    wire.send(rtp(2, second=8))
    wire.send(b"short")
    assert wire.sent == [rtp(1, second=0x80 | 96), rtp(2, second=96), b"short"] and made.hit == 2


def test_another_ssrc_after_some_packets(wire: Wire) -> None:
    made = wire.make(impair.SsrcChange, packets=3)
    for k in (1, 2, 3, 4, 6, 5):
        wire.send(rtp(k))
    assert wire.sent[:3] == [rtp(1), rtp(2), rtp(3)] and made.hit == 3
    ssrcs = {packet[8:12] for packet in wire.sent[3:]}
    start = wire.sequences[3]
    assert len(ssrcs) == 1 and ssrcs != {rtp(1)[8:12]}
    assert start < 0x8000 and start != 4 and wire.sequences[3:] == [start, start + 2, start + 1]  # gaps and disorder stay
    assert [packet[4:8] + packet[12:] for packet in wire.sent] == [rtp(k)[4:8] + rtp(k)[12:] for k in (1, 2, 3, 4, 6, 5)]


def test_another_ssrcs_sequence_follows_the_first_as_it_wraps(wire: Wire) -> None:
    wire.make(impair.SsrcChange, packets=0)
    for k in (65534, 65535, 0, 1):
        wire.send(rtp(k))
    assert wire.sequences == [wire.sequences[0] + k for k in range(4)]


@pytest.mark.parametrize("kind", ["ssrc-change", "sequence-jump", "timestamp-jump"])
@pytest.mark.parametrize(
    ("when", "untouched"),
    [({}, 50), ({"packets": 0}, 0), ({"packets": 7}, 7), ({"seconds": 0.09}, 5), ({"seconds": 0.09, "packets": 3}, 3), ({"seconds": 0}, 0)],
)
def test_when_it_changes(wire: Wire, kind: str, when: dict[str, float], untouched: int) -> None:
    """After 50 packets unless said otherwise; whichever comes first of two."""
    made = wire.chain((kind, {**when, **({} if kind == "ssrc-change" else {"by": 1000})}))
    wire.talk(80)
    assert [packet == rtp(k) for k, packet in enumerate(wire.sent, 1)] == [True] * untouched + [False] * (80 - untouched)
    assert made.counters() == {kind: {"seen": 80, "hit": 80 - untouched}}


def test_another_ssrc_is_another_even_when_chance_repeats_the_old(wire: Wire) -> None:
    numbers = iter([SSRC, 100, 5, 200])
    wire.chance.number = lambda below: next(numbers)  # type: ignore[method-assign]
    wire.make(impair.SsrcChange, packets=0)
    wire.send(rtp(1))
    assert wire.sent[0][2:4] == (200).to_bytes(2, "big") and wire.sent[0][8:12] == (5).to_bytes(4, "big")


@pytest.mark.parametrize(("by", "expected"), [(1000, 464), (-65535, 65001), (65535, 64999)])
def test_the_sequence_jumps_and_wraps(wire: Wire, by: int, expected: int) -> None:
    wire.make(impair.SequenceJump, by=by, packets=0)
    wire.send(rtp(65000))
    assert wire.sequences == [expected] and wire.sent[0][4:] == rtp(65000)[4:]


@pytest.mark.parametrize(("by", "expected"), [(5, 2), (-0xFFFFFFFE, 0xFFFFFFFF), (-3, 0xFFFFFFFA)])
def test_the_timestamp_jumps_and_wraps(wire: Wire, by: int, expected: int) -> None:
    wire.make(impair.TimestampJump, by=by, packets=0)
    wire.send(rtp(1, timestamp=0xFFFFFFFD))
    assert wire.sent == [rtp(1, timestamp=expected)]


def test_corruption_is_in_one_octet_of_the_payload(wire: Wire) -> None:
    made = wire.make(impair.Corrupt, probability=1)
    places = set()
    for k in range(500):
        wire.send(rtp(k, b"abcd"))
        differing = [at for at, (a, b) in enumerate(zip(wire.sent[-1], rtp(k, b"abcd"), strict=True)) if a != b]
        assert len(differing) == 1
        places.update(differing)
    assert places == {12, 13, 14, 15} and made.hit == 500


@pytest.mark.parametrize("packet", [b"", b"short", rtp(1)[:12], rtp(1, b"ab", first=0x8F)])
def test_nothing_to_corrupt(wire: Wire, packet: bytes) -> None:
    made = wire.make(impair.Corrupt, probability=1)
    wire.send(packet)
    assert wire.sent == [packet] and made.hit == 0


@pytest.mark.parametrize(("octets", "length"), [(0, 0), (11, 11), (12, 12), (171, 171), (172, 172), (1500, 172)])
def test_truncation(wire: Wire, octets: int, length: int) -> None:
    made = wire.make(impair.Truncate, octets=octets)
    wire.send(rtp(1))
    assert wire.sent == [rtp(1)[:length]] and made.hit == (length < 172)


def test_a_bad_tag_is_one_bit_of_the_last_ten_octets(wire: Wire) -> None:
    made = wire.make(impair.BadTag)
    bits = set()
    for _ in range(2000):
        wire.send(rtp(1))
        assert wire.sent[-1][:-10] == rtp(1)[:-10]
        bits.add(int.from_bytes(wire.sent[-1][-10:], "big") ^ int.from_bytes(rtp(1)[-10:], "big"))
    assert bits == {1 << k for k in range(80)} and made.hit == 2000
    wire.send(rtp(1)[:21])
    assert wire.sent[-1] == rtp(1)[:21] and made.hit == 2000


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
        ([("zzz", {})], "'zzz' is no impairment; known here: loss, burst, pattern, delay, jitter, reorder, duplicate, one-way, silence, "
            "payload-type, ssrc-change, sequence-jump, timestamp-jump, late-start, early-stop, corrupt, truncate, bad-tag"),
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
