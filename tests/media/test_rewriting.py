"""What rewrites packets, exactly."""

import pytest

from emulator.clock import SteppedClock
from emulator.media.rewriting import BadTag, Corrupt, SequenceJump, Silence, SsrcChange, TimestampJump, Truncate, WrongPayloadType
from tests.support.impaired import SSRC, Wire, rtp


@pytest.fixture
def wire(clock: SteppedClock) -> Wire:
    return Wire(clock)


def test_silence(wire: Wire) -> None:
    made = wire.make(Silence, octets=b"\xd5")
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
    made = wire.make(Silence, octets=b"123")
    wire.send(packet)
    assert wire.sent == [silent] and made.hit == (packet != silent)


def test_silence_of_a_codec_that_has_none_is_an_empty_payload(wire: Wire) -> None:
    wire.make(Silence, octets=b"")
    wire.send(rtp(1))
    assert wire.sent == [rtp(1)[:12]]


def test_wrong_payload_type(wire: Wire) -> None:
    made = wire.make(WrongPayloadType, number=96)
    wire.send(rtp(1, second=0x80))
    wire.send(rtp(2, second=8))
    wire.send(b"short")
    assert wire.sent == [rtp(1, second=0x80 | 96), rtp(2, second=96), b"short"] and made.hit == 2


def test_another_ssrc_after_some_packets(wire: Wire) -> None:
    made = wire.make(SsrcChange, packets=3)
    for k in (1, 2, 3, 4, 6, 5):
        wire.send(rtp(k))
    assert wire.sent[:3] == [rtp(1), rtp(2), rtp(3)] and made.hit == 3
    ssrcs = {packet[8:12] for packet in wire.sent[3:]}
    start = wire.sequences[3]
    assert len(ssrcs) == 1 and ssrcs != {rtp(1)[8:12]}
    assert start < 0x8000 and start != 4 and wire.sequences[3:] == [start, start + 2, start + 1]  # gaps and disorder stay
    assert [packet[4:8] + packet[12:] for packet in wire.sent] == [rtp(k)[4:8] + rtp(k)[12:] for k in (1, 2, 3, 4, 6, 5)]


def test_another_ssrcs_sequence_follows_the_first_as_it_wraps(wire: Wire) -> None:
    wire.make(SsrcChange, packets=0)
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
    wire.make(SsrcChange, packets=0)
    wire.send(rtp(1))
    assert wire.sent[0][2:4] == (200).to_bytes(2, "big") and wire.sent[0][8:12] == (5).to_bytes(4, "big")


@pytest.mark.parametrize(("by", "expected"), [(1000, 464), (-65535, 65001), (65535, 64999)])
def test_the_sequence_jumps_and_wraps(wire: Wire, by: int, expected: int) -> None:
    wire.make(SequenceJump, by=by, packets=0)
    wire.send(rtp(65000))
    assert wire.sequences == [expected] and wire.sent[0][4:] == rtp(65000)[4:]


@pytest.mark.parametrize(("by", "expected"), [(5, 2), (-0xFFFFFFFE, 0xFFFFFFFF), (-3, 0xFFFFFFFA)])
def test_the_timestamp_jumps_and_wraps(wire: Wire, by: int, expected: int) -> None:
    wire.make(TimestampJump, by=by, packets=0)
    wire.send(rtp(1, timestamp=0xFFFFFFFD))
    assert wire.sent == [rtp(1, timestamp=expected)]


def test_corruption_is_in_one_octet_of_the_payload(wire: Wire) -> None:
    made = wire.make(Corrupt, probability=1)
    places = set()
    for k in range(500):
        wire.send(rtp(k, b"abcd"))
        differing = [at for at, (a, b) in enumerate(zip(wire.sent[-1], rtp(k, b"abcd"), strict=True)) if a != b]
        assert len(differing) == 1
        places.update(differing)
    assert places == {12, 13, 14, 15} and made.hit == 500


@pytest.mark.parametrize("packet", [b"", b"short", rtp(1)[:12], rtp(1, b"ab", first=0x8F)])
def test_nothing_to_corrupt(wire: Wire, packet: bytes) -> None:
    made = wire.make(Corrupt, probability=1)
    wire.send(packet)
    assert wire.sent == [packet] and made.hit == 0


@pytest.mark.parametrize(("octets", "length"), [(0, 0), (11, 11), (12, 12), (171, 171), (172, 172), (1500, 172)])
def test_truncation(wire: Wire, octets: int, length: int) -> None:
    made = wire.make(Truncate, octets=octets)
    wire.send(rtp(1))
    assert wire.sent == [rtp(1)[:length]] and made.hit == (length < 172)


def test_a_bad_tag_is_one_bit_of_the_last_ten_octets(wire: Wire) -> None:
    made = wire.make(BadTag)
    bits = set()
    for _ in range(2000):
        wire.send(rtp(1))
        assert wire.sent[-1][:-10] == rtp(1)[:-10]
        bits.add(int.from_bytes(wire.sent[-1][-10:], "big") ^ int.from_bytes(rtp(1)[-10:], "big"))
    assert bits == {1 << k for k in range(80)} and made.hit == 2000
    wire.send(rtp(1)[:21])
    assert wire.sent[-1] == rtp(1)[:21] and made.hit == 2000
