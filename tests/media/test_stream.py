"""The echo, its counters, RTCP, SRTP, digits and impairments of one call, without a socket."""

import struct
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.clock import SteppedClock
from emulator.ids import Ids
from emulator.media import rtcp
from emulator.media.codecs import PCMU, SPEEX
from emulator.media.dtmf import Digit
from emulator.media.dtmf_sender import Quirk
from emulator.media.dtmf_sender import send as event_packets
from emulator.media.offer import Agreement, Keys
from emulator.media.plan import Plan
from emulator.media.srtp import Fault, Inbound, Outbound
from emulator.media.stream import REPORT_INTERVAL, Stream

OURS, THEIRS = b"o" * 30, b"t" * 30


def agreement(send: bool = True, keys: Keys | None = None) -> Agreement:
    return Agreement(PCMU, 0, 101, 8000, ("192.0.2.1", 4000), ("192.0.2.1", 4001), send, True, keys=keys)


class Echo:
    """A stream, what it sent, and a sender with its own numbers."""

    def __init__(self, send: bool = True, plan: Plan | None = None, keys: Keys | None = None) -> None:
        self.clock = SteppedClock()
        self.digits: list[Digit] = []
        self.stream = Stream(agreement(send, keys), self.clock, Ids(1), plan, self.digits.append)
        self.sent: list[bytes] = []
        self.reports: list[bytes] = []
        self.stream.send = lambda data: self.sent.append(bytes(data))
        self.stream.send_rtcp = lambda data: self.reports.append(bytes(data))

    def hear(self, sequence: int, payload_type: int = 0, source: int = 1, timestamp: int = 0, payload: bytes = b"x") -> None:
        self.raw(struct.pack("!BBHII", 0x80, payload_type, sequence & 0xFFFF, timestamp & 0xFFFFFFFF, source) + payload)

    def talk(self, count: int, first: int = 0, step: int = 160, pace: float = 0.02) -> None:
        """`count` packets at their pace."""
        for k in range(first, first + count):
            self.hear(k, timestamp=k * step, payload=b"\xff" * 160)
            self.clock.advance(pace)

    def raw(self, packet: bytes) -> None:
        buffer = bytearray(packet) + bytearray(1500)
        self.stream.reader(buffer, memoryview(buffer), len(packet))

    def press(self, digit: str, first: int = 0, seconds: float = 0.1, quirk: Quirk | None = None, timestamp: int = 8000) -> None:
        """One digit as telephone-events at their pace."""
        began = 0.0
        for k, packet in enumerate(event_packets(digit, timestamp, seconds, quirk=quirk)):
            self.clock.advance(packet.delay - began)
            began = packet.delay
            self.hear(first + k, packet.marker * 0x80 | 101, timestamp=packet.timestamp, payload=packet.payload)

    def codes(self) -> set[str]:
        return {finding.code for finding in self.stream.findings()}


def test_marker_and_payload_come_back_under_our_header() -> None:
    echo = Echo()
    echo.hear(7, 0x80 | 0, timestamp=12345, payload=b"hello")
    first = echo.stream._sequence
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
    echo.stream._sequence = 65534
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


# RTCP


def test_reports_go_out_at_their_interval_and_say_what_was_heard() -> None:
    """RFC 3550 6.2, 6.3.1, 6.4.1: every five seconds on the average, at random between half and one and a half of that."""
    echo = Echo()
    echo.stream.start_reports()
    echo.talk(5000)  # 100 s
    assert 100 / (1.5 * REPORT_INTERVAL) < len(echo.reports) < 100 / (0.4 * REPORT_INTERVAL)
    last = rtcp.parse(echo.reports[-1])
    assert last.types == {rtcp.SR, rtcp.SDES} and last.sender is not None
    assert last.sender.ssrc == echo.stream.ssrc and last.sender.packets == pytest.approx(5000, abs=500)
    (block,) = last.blocks
    assert (block.ssrc, block.fraction, block.lost) == (1, 0, 0) and block.highest == pytest.approx(5000, abs=500)


def test_the_fraction_lost_is_of_the_time_since_the_last_report() -> None:
    """RFC 3550 A.3."""
    echo = Echo()
    echo.hear(0)
    for k in range(1, 101):
        if k % 4 != 1:
            echo.hear(k, timestamp=k * 160)
    assert echo.stream.heard.fraction_lost() == 25 * 256 // 101
    for k in range(101, 201):
        echo.hear(k, timestamp=k * 160)
    assert echo.stream.heard.fraction_lost() == 0 and echo.stream.heard.lost == 25


def test_a_report_of_theirs_gives_round_trip_and_what_they_miss() -> None:
    echo = Echo()
    echo.talk(100)
    then = rtcp.ntp_middle(echo.clock.wall())
    echo.clock.advance(0.5)
    block = rtcp.report_block(echo.stream.ssrc, 0, 30, 200, 80, then, int(0.4 * 65536))
    echo.stream.receive_rtcp(rtcp.receiver_report(1, block) + rtcp.description(1, "peer"))
    told = echo.stream.snapshot()
    assert told["round_trip_ms"] == pytest.approx(100, abs=1) and told["sent"]["lost"] == 30 and told["sent"]["jitter_ms"] == 10
    assert "rtcp.loss" in echo.codes() and told["sent"]["mos"] < 3.5


def test_a_sender_whose_account_does_not_fit_is_told() -> None:
    echo = Echo()
    echo.talk(100)
    report = rtcp.sender_report(1, echo.clock.wall(), 0, 1000, 160000, b"") + rtcp.description(1, "peer")
    echo.stream.receive_rtcp(report)
    assert "rtcp.counts" in echo.codes()


def test_rtcp_that_begins_with_no_report_is_taken_and_told() -> None:
    """baresip opens its NAT with an APP packet alone."""
    echo = Echo()
    echo.stream.receive_rtcp(bytes.fromhex("80cc00037192856b50494e47504f4e47"))
    assert (echo.stream.bad, echo.codes()) == (0, {"rtcp.reduced-size"})


def test_rtcp_on_the_rtp_port_is_rtcp() -> None:
    """RFC 5761 4."""
    echo = Echo()
    echo.raw(rtcp.receiver_report(1, b"") + rtcp.description(1, "peer"))
    assert echo.stream.reports == 1 and echo.stream.bad == 0


def test_the_end_says_bye_only_when_something_was_sent() -> None:
    """RFC 3550 6.3.7."""
    silent, spoken = Echo(), Echo()
    silent.stream.end()
    spoken.hear(1)
    spoken.stream.end()
    assert silent.reports == [] and rtcp.BYE in rtcp.parse(spoken.reports[0]).types
    spoken.hear(2)
    assert len(spoken.sent) == 1 and spoken.clock.pending == 0


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x80",
        b"\x80\xc8\x00\x00",
        b"\x80\xc8\xff\xff" + bytes(24),
        b"\x80\xbf\x00\x00",
        b"\x9f\xc9\x00\x01" + bytes(4),
        b"\x40\xc9\x00\x01" + bytes(4),
    ],
)
def test_rtcp_that_lies_about_its_length(data: bytes) -> None:
    """robustness 12."""
    with pytest.raises(rtcp.RtcpError):
        rtcp.parse(data)


@given(st.integers(0, 0xFFFFFFFF), st.integers(0, 255), st.integers(-0x800000, 0x7FFFFF), st.integers(0, 0xFFFFFFFF))
def test_report_blocks_come_back_as_they_were_made(ssrc: int, fraction: int, lost: int, jitter: int) -> None:
    (block,) = rtcp.parse(rtcp.receiver_report(7, rtcp.report_block(ssrc, fraction, lost, 1, jitter, 2, 3))).blocks
    assert block == rtcp.Block(ssrc, fraction, lost, 1, jitter, 2, 3)


# digits


def test_a_digit_is_told_of_and_echoed_once_it_has_ended() -> None:
    """interop-quirks 1 and 2: an event of our own, with our own timestamps and pace."""
    echo = Echo()
    echo.talk(3)
    echo.sent.clear()
    echo.press("5", first=3)
    assert [(digit.name, round(digit.duration, 3), digit.ended) for digit in echo.digits] == [("5", 0.1, True)]
    echo.clock.advance(1)
    events = [packet for packet in echo.sent if packet[1] & 0x7F == 101]
    assert len(events) == 7 and events[0][1] & 0x80 and all(packet[12] == 5 for packet in events)  # 4 and the end three times
    assert len({packet[4:8] for packet in events}) == 1 and events[0][4:8] != struct.pack("!I", 8000)
    assert [packet[13] >> 7 for packet in events] == [0, 0, 0, 0, 1, 1, 1]
    assert echo.stream.snapshot()["digits"] == "5" and echo.codes() == set()


def test_a_digit_whose_end_never_comes_ends_by_itself() -> None:
    echo = Echo()
    echo.press("#", quirk=Quirk.LOST_END)
    assert not echo.digits
    echo.clock.advance(0.3)
    assert [digit.name for digit in echo.digits] == ["#"] and "dtmf.no-end" in echo.codes()


def test_a_digit_under_way_at_the_end_of_the_call_is_a_digit() -> None:
    echo = Echo()
    echo.press("1", quirk=Quirk.LOST_END)
    echo.stream.end()
    assert [digit.name for digit in echo.digits] == ["1"] and echo.clock.pending == 0


def test_digits_are_not_echoed_where_the_plan_says_so() -> None:
    echo = Echo(plan=Plan(echo_digits=False))
    echo.press("5")
    echo.clock.advance(2)
    assert echo.sent == [] and len(echo.digits) == 1


def test_digits_that_wait_when_events_are_no_longer_agreed_are_dropped() -> None:
    """Found by the fuzzer."""
    echo = Echo()
    echo.stream.dialler.dial_all("12")
    echo.stream.change(Agreement(PCMU, 0, None, 0, ("192.0.2.1", 4000), None, True, True))
    echo.clock.advance(2)
    assert echo.stream.dialler.sent == 1


def test_digits_without_end_are_told_of_within_bounds() -> None:
    """robustness 22."""
    echo = Echo()
    for k in range(400):
        echo.hear(k, 0x80 | 101, timestamp=k * 4000, payload=struct.pack("!BBH", k % 10, 0x8A, 800))
    assert len(echo.digits) == len(echo.stream.digits) == 256


def test_digits_of_our_own_are_read_back_as_they_were_dialled() -> None:
    """RFC 4733 2.5.1; a second stream reads what the first one sends."""
    one, other = Echo(), Echo(plan=Plan(echo_digits=False))
    one.stream.send = lambda data: other.raw(bytes(data))
    one.stream.dialler.dial_all("12,34#")
    for _ in range(300):
        one.clock.advance(0.01)
        other.clock.advance(0.01)
    assert "".join(digit.name for digit in other.digits) == "1234#"
    assert other.codes() == set()
    assert other.digits[2].at - other.digits[1].at > 0.6  # the comma


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


def test_secure_to_plain_and_back() -> None:
    echo, outbound, inbound = secure()
    echo.stream.change(agreement())
    echo.hear(1, payload=b"plain")
    echo.stream.change(agreement(keys=Keys(OURS, THEIRS)))
    echo.raw(protected(outbound, 2))
    assert echo.sent[0][12:] == b"plain" and opened(inbound, echo.sent[1])[12:] == b"hello"


@pytest.mark.parametrize("how", ["wrong-key", "bad-tag", "plain"])
def test_srtp_that_is_sent_wrongly(how: str) -> None:
    from emulator.media.srtp import SrtpError

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


# what is odd


def test_jitter_is_that_of_the_rfc() -> None:
    """A.8: packets alternately 10 ms early and late tend to 20 ms between neighbours."""
    echo = Echo()
    for k in range(400):
        echo.clock.advance(0.03 if k % 2 else 0.01)
        echo.hear(k, timestamp=k * 160)
    assert echo.stream.heard.jitter == pytest.approx(80, rel=0.01)


@pytest.mark.parametrize(
    ("code", "how"),
    [
        ("rtp.ssrc-changed", lambda echo: (echo.hear(1), echo.hear(2, source=2))),
        ("rtp.timestamp-jump", lambda echo: (echo.talk(5), echo.hear(5, timestamp=99999))),
        ("rtp.dtx", lambda echo: (echo.talk(5), echo.hear(5, 0x80, timestamp=9999))),
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
