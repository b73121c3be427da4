"""The echo, its counters, SRTP and impairments of one call, without a socket."""

import struct
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.media import rtcp
from emulator.media.codecs import SPEEX
from emulator.media.far_end import FarEnd
from emulator.media.libsrtp import Fault
from emulator.media.offer import Agreement, Keys
from emulator.media.plan import Plan
from emulator.media.srtp import Inbound, Outbound
from tests.support.echo import OURS, THEIRS, Echo, agreement


def test_marker_and_payload_come_back_under_our_header() -> None:
    echo = Echo()
    echo.hear(7, 0x80 | 0, timestamp=12345, payload=b"hello")
    first = echo.stream._echo.sequence
    assert echo.sent == [struct.pack("!BBHII", 0x80, 0x80, first, 12345, echo.stream.ssrc) + b"hello"]


@pytest.mark.parametrize(
    ("sequences", "lost", "duplicates", "reordered"),
    [
        ([1, 2, 3, 4], 0, 0, 0),
        ([1, 2, 5, 6], 2, 0, 0),
        ([1, 3, 2, 4], 0, 0, 1),
        ([1, 2, 2, 3], -1, 1, 0),
        ([65534, 65535, 0, 1], 0, 0, 0),
        ([65534, 1, 2], 2, 0, 0),
        ([1, 2, 9000, 9001], 0, 0, 0),  # began anew (A.1)
    ],
)
def test_loss_duplicates_and_disorder(sequences: list[int], lost: int, duplicates: int, reordered: int) -> None:
    """RFC 3550 A.1, A.3."""
    echo = Echo()
    for sequence in sequences:
        echo.hear(sequence)
    heard = echo.stream.heard
    assert (heard.lost, heard.duplicates, heard.reordered) == (lost, duplicates, reordered)
    assert len(echo.sent) == len(sequences)


def test_our_sequence_wraps() -> None:
    echo = Echo()
    echo.stream._echo.sequence = 65534
    for k in range(3):
        echo.hear(k)
    assert [int.from_bytes(packet[2:4], "big") for packet in echo.sent] == [65535, 0, 1]


@pytest.mark.parametrize("packet", [b"", b"\x80" * 11, b"\x40" + bytes(20), b"\x00" * 50, b"\xc0" * 200])
def test_what_is_no_rtp_is_counted_and_dropped(packet: bytes) -> None:
    echo = Echo()
    echo.raw(packet)
    assert echo.sent == [] and echo.stream.bad == 1 and "media.malformed" in echo.codes()


def test_unknown_payload_types_are_counted_and_dropped() -> None:
    echo = Echo()
    echo.hear(1, 33)
    assert echo.sent == [] and echo.stream.unknown_type == 1 and echo.codes() == {"media.payload-type"}


def test_what_comes_under_our_numbers_goes_back_under_theirs() -> None:
    """RFC 3264 5.1, where the answer to our offer has other payload types; those of theirs are taken as well."""
    echo = Echo()
    echo.stream.change(Agreement(SPEEX, 99, 120, 16000, ("192.0.2.1", 4000), None, True, True, numbers={98: 99, 101: 120}))
    for sequence, number in enumerate((0x80 | 98, 98, 99)):
        echo.hear(sequence, number, timestamp=320 * sequence)
    assert [packet[1] for packet in echo.sent] == [0x80 | 99, 99, 99] and echo.stream.heard.packets == 3
    for k in range(4):
        echo.hear(3 + k, (k == 0) << 7 | 101, timestamp=960, payload=struct.pack("!BBH", 5, (k > 0) << 7 | 10, 1600))
    echo.clock.advance(1)
    assert [digit.name for digit in echo.digits] == ["5"] and {packet[1] & 0x7F for packet in echo.sent[3:]} == {120}
    assert echo.stream.unknown_type == 0


def test_on_hold_nothing_is_sent_and_all_is_heard() -> None:
    echo = Echo(send=False)
    echo.hear(1)
    assert echo.sent == [] and echo.stream.heard.packets == 1


def test_what_comes_although_we_said_that_we_do_not_listen_is_told_and_not_echoed() -> None:
    """RFC 3264 8.4; what crosses the hold does not count."""
    echo = Echo()
    echo.stream.change(replace(agreement(), receive=False))
    echo.talk(50)
    assert not echo.codes() and not echo.sent
    echo.talk(50, 50)
    echo.press("5", 100)
    assert echo.sent == [] and echo.codes() == {"media.direction"} and echo.stream.heard.packets > 100
    echo.stream.change(agreement())
    echo.talk(5, 200)
    assert len(echo.sent) == 5


def marked(echo: Echo) -> list[bool]:
    return [packet[1] >= 0x80 for packet in echo.sent if packet[1] & 0x7F == 0]


@pytest.mark.parametrize("held", [{"send": False}, {"receive": False}, {"send": False, "receive": False}])
@pytest.mark.parametrize("keys", [None, Keys(OURS, THEIRS)])
def test_the_first_packet_of_the_echo_after_a_hold_bears_the_marker(held: dict[str, bool], keys: Keys | None) -> None:
    """RFC 3551 4.1, whoever holds."""
    echo, outbound = Echo(keys=keys), Outbound(THEIRS)

    def talk(first: int) -> None:
        for k in range(first, first + 10):
            echo.hear(k, timestamp=k * 160, payload=b"\xff" * 160) if keys is None else echo.raw(protected(outbound, k, b"\xff" * 160))
            echo.clock.advance(0.02)

    talk(0)
    echo.stream.change(replace(agreement(keys=keys), **held))  # type: ignore[arg-type]
    echo.clock.advance(2)
    echo.stream.change(agreement(keys=keys))
    echo.stream.change(agreement(keys=keys))  # a refresh, before anything is heard
    talk(110)
    assert marked(echo) == [False] * 10 + [True] + [False] * 9


def test_a_digit_after_a_hold_takes_no_marker_from_the_audio() -> None:
    echo = Echo()
    echo.talk(10)
    echo.stream.change(replace(agreement(), send=False))
    echo.stream.change(agreement())
    echo.stream.emit(101, False, 0, b"\x01\x0a\x00\xa0")
    echo.talk(3, 10)
    assert echo.sent[10][1] == 101 and marked(echo) == [False] * 10 + [True, False, False]


def test_what_is_played_goes_on_with_the_marker_after_a_hold() -> None:
    echo = Echo(plan=Plan(play="tone", sent=(("loss", {"probability": 0.0}),)))
    FarEnd(echo.stream, echo.clock).start()
    echo.clock.advance(0.1)
    before = len(echo.sent)
    echo.stream.change(replace(agreement(), send=False))
    echo.clock.advance(2)
    assert len(echo.sent) == before
    echo.stream.change(replace(agreement(), receive=False))  # held once more, from the other side: the tone is for whoever is held
    echo.clock.advance(0.1)
    echo.stream.change(agreement())
    echo.clock.advance(0.1)
    assert [k for k, marker in enumerate(marked(echo)) if marker] == [0, before]


def test_what_is_played_bears_the_marker_after_a_gap_of_a_stalled_process() -> None:
    echo, other = Echo(plan=Plan(play="tone")), Echo()
    FarEnd(echo.stream, echo.clock).start()
    echo.clock.advance(0.5)
    echo.clock.now += 1.0
    for _ in range(20):
        echo.clock.advance(0.02)
    assert sum(marked(echo)) == 2
    for packet in echo.sent:
        other.raw(packet)
    assert other.codes() == {"rtp.dtx"}


# SRTP


def secure() -> tuple[Echo, Outbound, Inbound]:
    """An echo under SRTP, and its peer's contexts."""
    return Echo(keys=Keys(OURS, THEIRS)), Outbound(THEIRS), Inbound(OURS)


def protected(context: Outbound, sequence: int, payload: bytes = b"hello", ssrc: int = 7) -> bytes:
    buffer = bytearray(struct.pack("!BBHII", 0x80, 0, sequence, 160 * sequence, ssrc) + payload)
    length = len(buffer)
    buffer += bytes(200)
    return bytes(buffer[: context.protect(buffer, length)])


def opened(context: Inbound, packet: bytes) -> bytes:
    buffer = bytearray(packet) + bytearray(200)
    return bytes(buffer[: context.unprotect(buffer, len(packet))])


def test_a_secure_packet_is_echoed_under_our_key() -> None:
    echo, outbound, inbound = secure()
    echo.raw(protected(outbound, 1))
    assert opened(inbound, echo.sent[0])[12:] == b"hello" and b"hello" not in echo.sent[0]


def test_forged_replayed_and_plain_packets_get_nothing_back() -> None:
    """robustness 11."""
    echo, outbound, _ = secure()
    good = protected(outbound, 1)
    echo.raw(good)
    echo.raw(good)
    other = protected(outbound, 5)
    echo.raw(other[:-1] + bytes([other[-1] ^ 1]))
    echo.hear(2, payload=bytes(20))
    echo.raw(b"\x16\xfe\xfd" + bytes(60))
    echo.raw(bytes.fromhex("000100002112a442") + bytes(12))
    assert len(echo.sent) == 1
    assert (echo.stream.refused[Fault.REPLAYED], echo.stream.refused[Fault.FORGED], echo.stream.bad) == (1, 2, 2)
    assert {"srtp.forged", "srtp.replayed"} <= echo.codes()


def test_reports_are_secure_where_media_is() -> None:
    echo, outbound, inbound = secure()
    echo.raw(protected(outbound, 1))
    echo.stream.start_reports()
    echo.clock.advance(6)
    assert rtcp.parse(inbound.unprotect_rtcp(echo.reports[0])).sender is not None
    report = rtcp.receiver_report(7, b"") + rtcp.description(7, "peer")
    echo.stream.receive_rtcp(outbound.protect_rtcp(report))
    echo.raw(outbound.protect_rtcp(report))  # muxed
    echo.stream.receive_rtcp(report)  # plain
    assert (echo.stream.reports, sum(echo.stream.refused.values())) == (2, 1)


def test_a_new_key_of_theirs_takes_the_old_ones_place_and_ours_goes_on() -> None:
    echo, outbound, inbound = secure()
    echo.raw(protected(outbound, 1))
    echo.stream.change(agreement(keys=Keys(OURS, b"n" * 30)))
    echo.raw(protected(Outbound(b"n" * 30), 2, b"again"))
    echo.raw(protected(outbound, 3))
    assert [opened(inbound, packet)[12:] for packet in echo.sent] == [b"hello", b"again"]


def test_both_rollover_counters_go_on_when_sequences_wrap() -> None:
    """RFC 3711 3.3.1, theirs and ours in one call; a new answer with the same keys leaves them as they are."""
    echo, outbound, inbound = secure()
    echo.stream._echo.sequence = 0xFFFC
    for k in range(8):
        echo.raw(protected(outbound, (0xFFFD + k) & 0xFFFF, bytes([k]) * 20))
        if k == 5:
            echo.stream.change(agreement(keys=Keys(OURS, THEIRS)))
    assert [opened(inbound, packet)[12:] for packet in echo.sent] == [bytes([k]) * 20 for k in range(8)]
    assert not echo.stream.refused


def test_secure_to_plain_and_back() -> None:
    echo, outbound, inbound = secure()
    echo.stream.change(agreement())
    echo.hear(1, payload=b"plain")
    echo.stream.change(agreement(keys=Keys(OURS, THEIRS)))
    echo.raw(protected(outbound, 2))
    assert echo.sent[0][12:] == b"plain" and opened(inbound, echo.sent[1])[12:] == b"hello"


@pytest.mark.parametrize("how", ["wrong-key", "bad-tag", "plain"])
def test_srtp_that_is_sent_wrongly(how: str) -> None:
    from emulator.media.libsrtp import SrtpError

    echo = Echo(plan=Plan(srtp=how), keys=Keys(OURS, THEIRS))  # type: ignore[arg-type]
    echo.raw(protected(Outbound(THEIRS), 1))
    assert len(echo.sent) == 1
    with pytest.raises(SrtpError):
        opened(Inbound(OURS), echo.sent[0])
    assert (echo.sent[0][12:] == b"hello") is (how == "plain")


# impairments


def test_what_is_sent_is_impaired_before_and_after_protection() -> None:
    specs = (("payload-type", {"number": 33}), ("pattern", {"pattern": ".x"}))
    plain = Echo(plan=Plan(sent=specs))
    plain.talk(4)
    assert [packet[1] & 0x7F for packet in plain.sent] == [33, 33]
    both = Echo(plan=Plan(sent=specs), keys=Keys(OURS, THEIRS))
    outbound, inbound = Outbound(THEIRS), Inbound(OURS)
    for k in range(4):
        both.raw(protected(outbound, k))
    assert [opened(inbound, packet)[1] & 0x7F for packet in both.sent] == [33, 33]
    assert both.stream.snapshot()["impairments"]["pattern"] == {"seen": 4, "hit": 2}


def test_what_is_heard_is_impaired_and_what_waits_is_gone_at_the_end() -> None:
    echo = Echo(plan=Plan(heard=(("delay", {"seconds": 0.1}),)))
    echo.talk(3)
    assert echo.sent == []
    echo.clock.advance(0.1)
    assert len(echo.sent) == 3
    echo.hear(9)
    echo.stream.end()
    echo.clock.advance(1)
    assert len(echo.sent) == 3 and echo.clock.pending == 0


def test_impairments_are_counted_in_their_direction() -> None:
    echo = Echo(plan=Plan(sent=(("pattern", {"pattern": ".x"}),), heard=(("pattern", {"pattern": "x..."}),)))
    echo.talk(8)
    told = echo.stream.snapshot()
    assert told["impairments"] == {"pattern": {"seen": 6, "hit": 3}}
    assert told["impairments_heard"] == {"pattern": {"seen": 8, "hit": 2}} and len(echo.sent) == 3


# what is odd


def test_jitter_is_that_of_the_rfc() -> None:
    """A.8: packets alternately 10 ms early and late tend to 20 ms between neighbours."""
    echo = Echo()
    for k in range(400):
        echo.clock.advance(0.03 if k % 2 else 0.01)
        echo.hear(k, timestamp=k * 160)
    assert echo.stream.heard.jitter == pytest.approx(80, rel=0.01)


def pause_unsteadily(echo: Echo) -> None:
    """Packets that come 15 ms early and late, and a pause of 40 ms: no longer than they are astray."""
    for k in range(40):
        echo.clock.advance(0.035 if k % 2 else 0.005)
        echo.hear(k, timestamp=k * 160)
    echo.clock.advance(0.1)
    echo.hear(40, timestamp=39 * 160 + 480)


@pytest.mark.parametrize(
    ("code", "how"),
    [
        ("rtp.ssrc-changed", lambda echo: (echo.hear(1), echo.hear(2, source=2))),
        ("rtp.timestamp-jump", lambda echo: (echo.talk(5), echo.hear(5, timestamp=99999))),
        ("rtp.timestamp-jump", lambda echo: (echo.talk(5), echo.hear(5, timestamp=-9999))),
        ("rtp.dtx", lambda echo: (echo.talk(5), echo.hear(5, 0x80, timestamp=9999))),
        ("rtp.no-marker", lambda echo: (echo.talk(5), echo.clock.advance(1), echo.hear(5, timestamp=8800))),
        ("rtp.no-marker", pause_unsteadily),
        ("rtp.ptime", lambda echo: echo.talk(10, step=320, pace=0.04)),
        ("rtp.loss", lambda echo: (echo.talk(10), echo.talk(10, first=12))),
        ("rtp.clock-drift", lambda echo: (echo.talk(1200, pace=0.0204), echo.stream.end())),
        ("media.before-answer", lambda echo: (echo.talk(2), echo.stream.answered())),
    ],
)
def test_each_oddity_is_found_alone(code: str, how) -> None:  # type: ignore[no-untyped-def]
    good = Echo()
    good.talk(1200)
    good.stream.end()
    assert good.codes() == set()
    echo = Echo()
    how(echo)
    assert echo.codes() == {code}


def test_audio_that_gives_way_to_a_digit_is_no_oddity() -> None:
    """RFC 4733 2.5.1: events stand in for audio; the sequence goes on, and the timestamp of the audio after them is where it would be."""
    echo = Echo()
    echo.talk(10)
    echo.press("5", first=10, timestamp=1600)
    for k in range(10):
        echo.hear(17 + k, timestamp=1600 + 960 + k * 160)
        echo.clock.advance(0.02)
    assert echo.codes() == set()


def test_another_clock_is_no_oddity() -> None:
    echo = Echo()
    echo.talk(50)
    echo.stream.change(Agreement(SPEEX, 98, 101, 8000, ("192.0.2.1", 4000), None, True, True))
    for k in range(50, 100):
        echo.hear(k, 98, timestamp=8000 + (k - 50) * 320)
        echo.clock.advance(0.02)
    assert echo.codes() == set() and echo.stream.heard.jitter < 1


def test_a_good_call_is_rated_so() -> None:
    echo = Echo()
    echo.talk(100)
    assert echo.stream.snapshot()["heard"]["mos"] == 4.41
    echo.talk(100, first=110)
    assert echo.stream.snapshot()["heard"]["mos"] < 4.3


@given(st.binary(max_size=200), st.booleans())
def test_no_octets_raise(data: bytes, secured: bool) -> None:
    """robustness 10 to 12."""
    echo = Echo(keys=Keys(OURS, THEIRS) if secured else None)
    echo.raw(data)
    echo.raw(b"\x80\x65" + data)
    echo.stream.receive_rtcp(data)
    echo.stream.snapshot()
    echo.stream.findings()
    echo.stream.end()
