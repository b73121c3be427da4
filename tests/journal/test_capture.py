"""Captures of calls: what stands where, and what is said of what is not there."""

import struct

import pytest

from emulator.clock import SteppedClock
from emulator.journal.attempt import Attempt
from emulator.journal.capture import capture, without_savp
from emulator.journal.datagrams import Datagrams, Shelf
from emulator.journal.findings import CATALOGUE, Finding
from emulator.journal.journal import Journal
from emulator.journal.record import CallRecord
from emulator.media.srtp import Outbound
from emulator.sip.flow import Path
from tests.support.pcapng import read

INVITE = b"INVITE sip:1@h SIP/2.0\r\n\r\n"
SIP = Path("UDP", ("127.0.13.1", 5060), ("192.0.2.10", 5070))


def record(journal: Journal) -> CallRecord:
    made = journal.call("x")
    made.proxy, made.caller, made.called = "us-3-1", "14155550100", "447700900000"
    return made


def test_times_are_those_of_the_wall(clock: SteppedClock) -> None:
    """The journal counts on a clock that nobody sets; a capture is laid beside others."""
    journal = Journal(clock)
    call = record(journal)
    clock.advance(1.5)
    journal.message(call, clock.seconds(), False, "us-3-1 192.0.2.10:5070", INVITE, SIP)
    found = read(capture(call))
    assert found.packets[0].at == 1_700_000_001_500_000 and found.interfaces == ["us-3-1"]


def test_a_finding_stands_at_the_message_after_which_it_was_made(clock: SteppedClock) -> None:
    journal = Journal(clock)
    call = record(journal)
    call.finding(Finding("called.plus", "before any"))
    for _ in range(3):
        journal.message(call, clock.seconds(), True, "us-3-1", INVITE, SIP)
        if len(call.messages) == 2:
            call.finding(Finding("called.plus", "+44"))
            call.finding(Finding("called.plus", "+44"))  # known already
            call.finding(Finding("offer.late", "no SDP"))
    found = read(capture(call))
    assert [len(packet.comments) for packet in found.packets] == [0, 1, 0]
    lines = found.packets[1].comments[0].splitlines()
    kind = CATALOGUE["called.plus"]
    assert lines[0] == f"{kind.severity}: called.plus: +44; the trunk wants {kind.wants}: {kind.fix} ({kind.source})"
    assert lines[1].startswith("note: offer.late: no SDP") and len(lines) == 2
    assert "called.plus: before any" in found.comments[0] and "+44;" not in found.comments[0]


def test_the_capture_says_what_is_not_in_it(clock: SteppedClock) -> None:
    journal = Journal(clock, messages=1)
    call = record(journal)
    for _ in range(3):
        journal.message(call, clock.seconds(), True, "us-3-1", INVITE, SIP)
    found = read(capture(call))
    said = "2 messages of this call, between this one and the next, were not kept: journal.messages and journal.octets bound them"
    assert found.packets[0].comments == [said]
    assert said.replace(", between this one and the next,", "") in found.comments[0].splitlines()
    assert found.comments[0].startswith("outbound call 1 of vsim ")
    assert "TLS is left out" in found.comments[0]


def test_the_attempts_of_a_call_from_the_trunk_are_told(clock: SteppedClock) -> None:
    call = record(Journal(clock))
    attempt = Attempt(1, "sip:100@pbx.example", "UDP", "", clock.seconds())
    attempt.end("not-found", "pbx.example: no such name", clock.seconds())
    call.attempts.append(attempt)
    found = read(capture(call))
    assert not found.packets and found.comments[0].splitlines()[-1].startswith("attempt 1  sip:100@pbx.example  UDP -  not-found after")


def test_nothing_from_the_wire_can_move_a_terminal(clock: SteppedClock) -> None:
    journal = Journal(clock)
    call = record(journal)
    call.caller = "\x1b[2J"
    journal.message(call, clock.seconds(), True, "us-3-1", INVITE, SIP)
    call.finding(Finding("called.plus", "\x1b]0;x\x07"))
    found = read(capture(call))
    for text in (*found.comments, *found.packets[0].comments):
        assert all(line.isprintable() for line in text.splitlines())


# -- with its media -----------------------------------------------------------------------------------------------

US, THEM = ("127.0.13.1", 10000), ("192.0.2.10", 4000)
RTP = struct.pack("!BBHII", 0x80, 0, 1, 160, 7) + b"\xff" * 160


def with_media(clock: SteppedClock, packets: int = 100, octets: int = 1 << 20) -> tuple[Journal, CallRecord, Datagrams]:
    journal = Journal(clock, shelf=Shelf(packets, octets))
    call = record(journal)
    kept = journal.datagrams(call)
    assert kept is not None
    return journal, call, kept


def test_media_stands_among_the_messages_by_its_time(clock: SteppedClock) -> None:
    journal, call, kept = with_media(clock)
    for k in range(6):
        clock.advance(0.5)
        if k % 3 == 0:
            journal.message(call, clock.seconds(), True, "us-3-1", INVITE, SIP)
        else:
            kept.keep(clock.seconds(), kept.way(k % 3 == 1, US, THEM), RTP + bytes([k]))
    found = read(capture(call))
    assert [(packet.at, packet.flags, packet.payload) for packet in found.packets] == [
        (1_700_000_000_500_000, 1, INVITE), (1_700_000_001_000_000, 1, RTP + b"\1"), (1_700_000_001_500_000, 2, RTP + b"\2"),
        (1_700_000_002_000_000, 1, INVITE), (1_700_000_002_500_000, 1, RTP + b"\4"), (1_700_000_003_000_000, 2, RTP + b"\5"),
    ]  # fmt: skip
    assert [(packet.source, packet.target) for packet in found.packets[1:3]] == [(THEM, US), (US, THEM)]
    assert found.interfaces == ["us-3-1"] and {packet.protocol for packet in found.packets} == {"UDP"}
    assert "SIP as the journal keeps it, RTP and RTCP as they passed" in found.comments[0] and "SIP alone" not in found.comments[0]
    assert "not kept" not in found.comments[0] and "SRTP" not in found.comments[0]


def test_media_over_ipv6(clock: SteppedClock) -> None:
    _, call, kept = with_media(clock)
    kept.keep(1.0, kept.way(True, ("::1", 10000), ("2001:db8::9", 4000)), RTP)
    (packet,) = read(capture(call)).packets
    assert (packet.version, packet.source, packet.target, packet.payload) == (6, ("2001:db8::9", 4000), ("::1", 10000), RTP)


def test_a_packet_bears_what_was_found_about_it(clock: SteppedClock) -> None:
    _, call, kept = with_media(clock)
    kept.stranger(1.0, US, ("192.0.2.66", 9), RTP, "media.stranger")
    kept.keep(1.0, kept.way(True, US, THEM), RTP)
    strange, plain = read(capture(call)).packets
    kind = CATALOGUE["media.stranger"]
    assert plain.comments == []
    assert strange.comments == [f"warning: media.stranger: from 192.0.2.66:9; the trunk wants {kind.wants}: {kind.fix} ({kind.source})"]


def test_the_capture_says_which_media_is_not_in_it(clock: SteppedClock) -> None:
    _, call, kept = with_media(clock, packets=8)
    for k in range(10):
        kept.keep(float(k), kept.way(True, US, THEM), RTP)
    kept.stranger(1.0, US, ("192.0.2.66", 9), RTP, "media.stranger")
    about = read(capture(call)).comments[0].splitlines()
    bounds = "media.capture_packets bounds those of a call, media.capture_octets those of all"
    assert f"2 further packets of media were not kept: {bounds}" in about
    assert "1 packet of strangers was not kept: they may be an eighth of media.capture_packets" in about
    kept.drop()
    about = read(capture(call)).comments[0].splitlines()
    assert "the media of this call, 10 packets, made room for that of others: media.capture_octets bounds it" in about


KEYS = (b"o" * 30, b"t" * 30)
SECURE = b"SIP/2.0 200 OK\r\n\r\nv=0\r\nm=audio 4000 RTP/SAVP 0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:k\r\n"


def secured(call: CallRecord, journal: Journal, kept: Datagrams) -> list[bytes]:
    """A call with a packet of the client's under SRTP, and one that is not under its key, both as on the wire."""
    journal.message(call, 0.0, False, "us-3-1", SECURE, SIP)
    kept.rekey(KEYS)
    for at, plain, key in ((1.0, RTP, KEYS[1]), (2.0, b"\x80\0\0\2" + RTP[4:], b"x" * 30)):
        buffer = bytearray(plain) + bytearray(200)
        wire = bytes(buffer[: Outbound(key).protect(buffer, len(plain))])
        kept.keep(at, kept.way(True, US, THEM), wire)
    return [datagram.data for datagram in kept]


def test_srtp_stays_srtp(clock: SteppedClock) -> None:
    journal, call, kept = with_media(clock)
    wire = secured(call, journal, kept)
    found = read(capture(call))
    assert [packet.payload for packet in found.packets] == [SECURE, *wire] and not any(packet.comments for packet in found.packets)
    assert "Media is SRTP, as on the wire; vsim show --decrypt" in found.comments[0]


def test_srtp_is_left_out_on_demand(clock: SteppedClock) -> None:
    """And the description says so, for tshark would take the end of each packet for its tag."""
    journal, call, kept = with_media(clock)
    wire = secured(call, journal, kept)
    message, clear, forged = read(capture(call, decrypt=True)).packets
    assert message.payload == SECURE.replace(b"RTP/SAVP", b"RTP/AVPF") and len(message.payload) == len(SECURE)
    assert message.comments == ["RTP/SAVP reads RTP/AVPF here, for the media of this capture is shown without SRTP"]
    assert (clear.payload, clear.comments) == (RTP, [])
    assert forged.payload == wire[1]
    assert forged.comments == ["this is as it was on the wire, for SRTP says of it: authentication failed"]


def test_a_call_without_srtp_is_as_it_was(clock: SteppedClock) -> None:
    """Although its offer has some: what was answered is RTP."""
    journal, call, kept = with_media(clock)
    journal.message(call, 0.0, True, "us-3-1", SECURE, SIP)
    kept.keep(1.0, kept.way(True, US, THEM), RTP)
    assert capture(call, decrypt=True) == capture(call)


@pytest.mark.parametrize(
    ("line", "reads"),
    [
        (b"m=audio 4000 RTP/SAVP 0 101\r\na=crypto:1 x", b"m=audio 4000 RTP/AVPF 0 101\r\na=crypto:1 x"),
        (b"m=audio 4000 RTP/SAVPF 0 101\r\na=crypto:1 x", b"m=audio 4000 RTP/AVPF 0 101\r\na=crypto:01 x"),
        (b"m=audio 4000 RTP/SAVPF 0 101\r\na=fingerprint:x", b"m=audio 4000 RTP/SAVPF 0 101\r\na=fingerprint:x"),
        (b"m=audio 4000 RTP/AVP 0\r\na=crypto:1 x", b"m=audio 4000 RTP/AVP 0\r\na=crypto:1 x"),
        (b"a=note:m=audio 4000 RTP/SAVP 0", b"a=note:m=audio 4000 RTP/SAVP 0"),
    ],
)
def test_a_description_without_savp_is_as_long(line: bytes, reads: bytes) -> None:
    assert without_savp(b"v=0\r\n" + line) == b"v=0\r\n" + reads and len(line) == len(reads)
