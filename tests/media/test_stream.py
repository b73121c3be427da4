"""The echo, its counters, and RTCP."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.clock import SteppedClock
from emulator.media import rtcp
from emulator.media.codecs import PCMU
from emulator.media.offer import Agreement
from emulator.media.stream import Stream


def agreement(send: bool = True) -> Agreement:
    return Agreement(PCMU, 0, 101, 8000, ("192.0.2.1", 4000), ("192.0.2.1", 4001), send, True)


class Echo:
    """A stream and what it sent."""

    def __init__(self, send: bool = True) -> None:
        self.clock = SteppedClock()
        self.stream = Stream(agreement(send), self.clock, 0xAABBCCDD, 100)
        self.sent: list[bytes] = []
        self.reports: list[bytes] = []
        self.stream.send = lambda data: self.sent.append(bytes(data))
        self.stream.send_rtcp = self.reports.append

    def hear(self, sequence: int, payload_type: int = 0, source: int = 1, timestamp: int = 0, payload: bytes = b"x") -> None:
        self.raw(struct.pack("!BBHII", 0x80, payload_type, sequence & 0xFFFF, timestamp, source) + payload)

    def raw(self, packet: bytes) -> None:
        buffer = bytearray(packet) + bytearray(1500)
        self.stream.receive(buffer, memoryview(buffer), len(packet))


def test_marker_and_payload_come_back_under_our_header() -> None:
    echo = Echo()
    echo.hear(7, 0x80 | 0, timestamp=12345, payload=b"hello")
    assert echo.sent == [struct.pack("!BBHII", 0x80, 0x80, 101, 12345, 0xAABBCCDD) + b"hello"]


def test_telephone_events_are_counted_and_never_echoed() -> None:
    """interop-quirks 1 and 2."""
    echo = Echo()
    for k in range(5):
        echo.hear(k, 101)
    assert echo.sent == [] and (echo.stream.events, echo.stream.packets) == (5, 5)


@pytest.mark.parametrize(
    ("sequences", "lost", "duplicates", "reordered"),
    [
        ([1, 2, 3, 4], 0, 0, 0),
        ([1, 2, 5, 6], 2, 0, 0),
        ([1, 3, 2, 4], 0, 0, 1),
        ([1, 2, 2, 3], -1, 1, 0),
        ([65534, 65535, 0, 1], 0, 0, 0),
        ([65534, 1, 2], 2, 0, 0),
    ],
)
def test_loss_duplicates_and_disorder(sequences: list[int], lost: int, duplicates: int, reordered: int) -> None:
    """RFC 3550 A.1, A.3."""
    echo = Echo()
    for sequence in sequences:
        echo.hear(sequence)
    assert (echo.stream.lost, echo.stream.duplicates, echo.stream.reordered) == (lost, duplicates, reordered)
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
    assert echo.sent == [] and echo.stream.bad == 1


def test_unknown_payload_types_are_counted_and_dropped() -> None:
    echo = Echo()
    echo.hear(1, 33)
    assert echo.sent == [] and echo.stream.unknown_type == 1 and echo.stream.findings()[0].code == "media.payload-type"


def test_on_hold_nothing_is_sent() -> None:
    echo = Echo(send=False)
    echo.hear(1)
    assert echo.sent == [] and echo.stream.packets == 1


def test_a_report_is_answered_with_ours_at_most_once_a_second() -> None:
    echo = Echo()
    echo.hear(1)
    echo.hear(3)
    report = rtcp.sender_report(1, 1e9, 0, 1, 1, b"") + rtcp.description(1, "peer")
    for _ in range(3):
        echo.stream.receive_rtcp(report)
    assert len(echo.reports) == 1
    types, sender = rtcp.parse(echo.reports[0])
    assert types == {rtcp.SR, rtcp.SDES} and sender is not None and sender.ssrc == 0xAABBCCDD
    echo.clock.advance(1)
    echo.stream.receive_rtcp(report)
    assert len(echo.reports) == 2


def test_rtcp_on_the_rtp_port_is_rtcp() -> None:
    """RFC 5761 4."""
    echo = Echo()
    echo.raw(rtcp.receiver_report(1, b"") + rtcp.description(1, "peer"))
    assert len(echo.reports) == 1 and rtcp.parse(echo.reports[0])[0] == {rtcp.RR, rtcp.SDES}


def test_the_end_says_bye_only_when_something_was_sent() -> None:
    """RFC 3550 6.3.7."""
    silent, spoken = Echo(), Echo()
    silent.stream.end()
    spoken.hear(1)
    spoken.stream.end()
    assert silent.reports == [] and rtcp.BYE in rtcp.parse(spoken.reports[0])[0]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x80",
        b"\x80\xc8\x00\x00",
        b"\x80\xc8\xff\xff" + bytes(24),
        b"\x80\xca\x00\x00",
        b"\x9f\xc9\x00\x01" + bytes(4),
        b"\x40\xc9\x00\x01" + bytes(4),
    ],
)
def test_rtcp_that_lies_about_its_length(data: bytes) -> None:
    """robustness 12."""
    with pytest.raises(rtcp.RtcpError):
        rtcp.parse(data)


@given(st.binary(max_size=200))
def test_no_octets_raise(data: bytes) -> None:
    echo = Echo()
    echo.raw(data)
    echo.stream.receive_rtcp(data)
    echo.stream.snapshot()
