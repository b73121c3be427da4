"""Captures, read by a reader that knows nothing of who wrote them."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.clock import SteppedClock
from emulator.journal.attempt import Attempt
from emulator.journal.capture import Packet, capture, count, without_savp
from emulator.journal.datagrams import Datagrams, Shelf
from emulator.journal.findings import CATALOGUE, Finding
from emulator.journal.journal import CallRecord, Journal
from emulator.media.srtp import Outbound
from emulator.sip.flow import Path
from tests.support.pcapng import read

FOUR = (("127.0.13.1", 5060), ("192.0.2.10", 5070))
SIX = (("::1", 5060), ("2001:db8::10", 5070))
INVITE = b"INVITE sip:1@h SIP/2.0\r\n\r\n"


def path(transport: str = "UDP", ends: tuple[tuple[str, int], tuple[str, int]] = FOUR, connected: bool = True) -> Path:
    return Path(transport, *ends, connected)


@pytest.mark.parametrize("ends", [FOUR, SIX])
def test_a_datagram(ends: tuple[tuple[str, int], tuple[str, int]]) -> None:
    there = Packet(1_700_000_000.25, True, "us-3-1", path(ends=ends), INVITE, ("odd",))
    back = Packet(1_700_000_000.5, False, "us-3-1", path(ends=ends), b"SIP/2.0 100 Trying\r\n\r\n")
    found = read(capture((there, back), "all of it"))
    assert (found.comments, found.interfaces) == (["all of it"], ["us-3-1"]) and found.program.startswith("vsim ")
    one, two = found.packets
    assert (one.protocol, one.version, one.payload) == ("UDP", 4 if ends is FOUR else 6, INVITE)
    assert (one.source, one.target, two.source, two.target) == (ends[1], ends[0], ends[0], ends[1])
    assert (one.at, two.at) == (1_700_000_000_250_000, 1_700_000_000_500_000)
    assert (one.flags, two.flags) == (1, 2) and (one.comments, two.comments) == (["odd"], [])


def test_a_stream_has_no_gap_and_acknowledges_all_that_came_before() -> None:
    """Two flows between the same addresses are one stream: a connection was opened again from the same port."""
    first, again = path("TCP"), path("TCP")
    other = path("TLS", (("127.0.13.1", 5061), ("192.0.2.10", 5071)))
    sent = [(first, True, b"a" * 10), (first, False, b"b" * 3), (other, True, b"c"), (again, True, b"d" * 5), (first, False, b"e")]
    found = read(capture([Packet(1.0, incoming, "us-3-1", one, data) for one, incoming, data in sent], ""))
    numbers = [(packet.source[1], packet.sequence, packet.acknowledged, packet.payload[:1]) for packet in found.packets]
    assert numbers == [(5070, 1, 1, b"a"), (5060, 1, 11, b"b"), (5071, 1, 1, b"c"), (5070, 11, 4, b"d"), (5060, 4, 16, b"e")]


def test_what_is_too_long_for_a_packet() -> None:
    """Over TCP it is several, with the words at the last, where it is shown; over UDP it never left."""
    long = bytes(range(256)) * 300
    found = read(capture([Packet(1.0, False, "us-3-1", path("TCP"), long, ("odd",)), Packet(1.0, False, "us-3-1", path(), long)], ""))
    *parts, cut = found.packets
    assert len(parts) == 2 and b"".join(part.payload for part in parts) == long
    assert [part.comments for part in parts] == [[], ["odd"]]
    assert len(cut.payload) == 65507 and long.startswith(cut.payload)
    assert cut.comments == ["76800 octets are more than a datagram takes: this did not leave; its first 65507 octets are shown"]


def test_the_longest_datagram_is_whole() -> None:
    for ends in (FOUR, SIX):
        (packet,) = read(capture([Packet(1.0, True, "us-3-1", path(ends=ends), b"x" * 65507)], "")).packets
        assert len(packet.payload) == 65507 and not packet.comments


def test_what_waited_for_a_connection_did_not_leave() -> None:
    found = read(capture([Packet(1.0, False, "us-3-1", path("TLS", connected=False), INVITE, ("odd",))], ""))
    assert found.packets[0].comments == ["this did not leave: the connection has not come about\nodd"]


@pytest.mark.parametrize(
    ("local", "peer", "shown"),
    [
        ("sbc.example", "192.0.2.10", ("0.0.0.0", "192.0.2.10")),
        ("sbc.example", "fe80::1%eth0", ("::", "fe80::1")),
        ("127.0.13.1", "[2001:db8::1]", ("::ffff:127.0.13.1", "2001:db8::1")),
        ("", "", ("0.0.0.0", "0.0.0.0")),
    ],
)
def test_hosts_that_no_packet_can_have(local: str, peer: str, shown: tuple[str, str]) -> None:
    (packet,) = read(capture([Packet(1.0, False, "us-3-1", path(ends=((local, 0), (peer, 65535))), INVITE)], "")).packets
    assert (packet.source[0], packet.target[0]) == shown


def test_a_call_without_messages_is_a_capture_all_the_same() -> None:
    found = read(capture((), "nothing was sent"))
    assert (found.packets, found.comments) == ([], ["nothing was sent"])


def test_words_are_cut_to_what_an_option_holds() -> None:
    found = read(capture([Packet(1.0, True, "us-3-1", path(), INVITE, ("é" * 70000,))], "ü" * 70000 + "\udc80"))
    for text in (*found.comments, *found.packets[0].comments):
        assert text[-1] == "…" and 64000 < len(text.encode()) < 65536


_HOSTS = st.sampled_from(["127.0.13.1", "192.0.2.1", "255.255.255.255", "::1", "2001:db8::1", "", "name"])
_ENDS = st.tuples(_HOSTS, st.integers(0, 65535))
_OCTETS = st.one_of(
    st.binary(min_size=1, max_size=40),
    st.builds(lambda part, times: part * times, st.binary(min_size=1, max_size=9), st.integers(1, 20000)),
)
_PACKETS = st.builds(
    Packet,
    st.floats(0, 4e9),
    st.booleans(),
    st.sampled_from(["us-3-1", "eu-4-2", "é"]),
    st.builds(Path, st.sampled_from(["UDP", "TCP", "TLS"]), _ENDS, _ENDS, st.booleans()),
    _OCTETS,
    st.lists(st.text(max_size=50), max_size=2),
)


@given(st.lists(_PACKETS, max_size=6), st.text(max_size=50))
def test_whatever_is_kept_can_be_read(packets: list[Packet], comment: str) -> None:
    data = capture(packets, comment)
    found = read(data)
    assert count(data) == len(found.packets)
    sent = b"".join(packet.data if packet.path.transport != "UDP" else packet.data[:65507] for packet in packets)
    assert b"".join(packet.payload for packet in found.packets) == sent


# -- of a call ----------------------------------------------------------------------------------------------------


def record(journal: Journal) -> CallRecord:
    made = journal.call("x")
    made.proxy, made.caller, made.called = "us-3-1", "14155550100", "447700900000"
    return made


def test_times_are_those_of_the_wall(clock: SteppedClock) -> None:
    """The journal counts on a clock that nobody sets; a capture is laid beside others."""
    journal = Journal(clock)
    call = record(journal)
    clock.advance(1.5)
    journal.message(call, clock.seconds(), False, "us-3-1 192.0.2.10:5070", INVITE, path())
    found = read(call.capture())
    assert found.packets[0].at == 1_700_000_001_500_000 and found.interfaces == ["us-3-1"]


def test_a_finding_stands_at_the_message_after_which_it_was_made(clock: SteppedClock) -> None:
    journal = Journal(clock)
    call = record(journal)
    call.finding(Finding("called.plus", "before any"))
    for _ in range(3):
        journal.message(call, clock.seconds(), True, "us-3-1", INVITE, path())
        if len(call.messages) == 2:
            call.finding(Finding("called.plus", "+44"))
            call.finding(Finding("called.plus", "+44"))  # known already
            call.finding(Finding("offer.late", "no SDP"))
    found = read(call.capture())
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
        journal.message(call, clock.seconds(), True, "us-3-1", INVITE, path())
    found = read(call.capture())
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
    found = read(call.capture())
    assert not found.packets and found.comments[0].splitlines()[-1].startswith("attempt 1  sip:100@pbx.example  UDP -  not-found after")


def test_nothing_from_the_wire_can_move_a_terminal(clock: SteppedClock) -> None:
    journal = Journal(clock)
    call = record(journal)
    call.caller = "\x1b[2J"
    journal.message(call, clock.seconds(), True, "us-3-1", INVITE, path())
    call.finding(Finding("called.plus", "\x1b]0;x\x07"))
    found = read(call.capture())
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
            journal.message(call, clock.seconds(), True, "us-3-1", INVITE, path())
        else:
            kept.keep(clock.seconds(), kept.way(k % 3 == 1, US, THEM), RTP + bytes([k]))
    found = read(call.capture())
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
    (packet,) = read(call.capture()).packets
    assert (packet.version, packet.source, packet.target, packet.payload) == (6, ("2001:db8::9", 4000), ("::1", 10000), RTP)


def test_a_packet_bears_what_was_found_about_it(clock: SteppedClock) -> None:
    _, call, kept = with_media(clock)
    kept.stranger(1.0, US, ("192.0.2.66", 9), RTP, "media.stranger")
    kept.keep(1.0, kept.way(True, US, THEM), RTP)
    strange, plain = read(call.capture()).packets
    kind = CATALOGUE["media.stranger"]
    assert plain.comments == []
    assert strange.comments == [f"warning: media.stranger: from 192.0.2.66:9; the trunk wants {kind.wants}: {kind.fix} ({kind.source})"]


def test_the_capture_says_which_media_is_not_in_it(clock: SteppedClock) -> None:
    _, call, kept = with_media(clock, packets=8)
    for k in range(10):
        kept.keep(float(k), kept.way(True, US, THEM), RTP)
    kept.stranger(1.0, US, ("192.0.2.66", 9), RTP, "media.stranger")
    about = read(call.capture()).comments[0].splitlines()
    bounds = "media.capture_packets bounds those of a call, media.capture_octets those of all"
    assert f"2 further packets of media were not kept: {bounds}" in about
    assert "1 packets of strangers were not kept: they may be an eighth of media.capture_packets" in about
    kept.drop()
    about = read(call.capture()).comments[0].splitlines()
    assert "the media of this call, 10 packets, made room for that of others: media.capture_octets bounds it" in about


KEYS = (b"o" * 30, b"t" * 30)
SECURE = b"SIP/2.0 200 OK\r\n\r\nv=0\r\nm=audio 4000 RTP/SAVP 0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:k\r\n"


def secured(call: CallRecord, journal: Journal, kept: Datagrams) -> list[bytes]:
    """A call with a packet of the client's under SRTP, and one that is not under its key, both as on the wire."""
    journal.message(call, 0.0, False, "us-3-1", SECURE, path())
    kept.rekey(KEYS)
    for at, plain, key in ((1.0, RTP, KEYS[1]), (2.0, b"\x80\0\0\2" + RTP[4:], b"x" * 30)):
        buffer = bytearray(plain) + bytearray(200)
        wire = bytes(buffer[: Outbound(key).protect(buffer, len(plain))])
        kept.keep(at, kept.way(True, US, THEM), wire)
    return [datagram.data for datagram in kept]


def test_srtp_stays_srtp(clock: SteppedClock) -> None:
    journal, call, kept = with_media(clock)
    wire = secured(call, journal, kept)
    found = read(call.capture())
    assert [packet.payload for packet in found.packets] == [SECURE, *wire] and not any(packet.comments for packet in found.packets)
    assert "Media is SRTP, as on the wire; vsim show --decrypt" in found.comments[0]


def test_srtp_is_left_out_on_demand(clock: SteppedClock) -> None:
    """And the description says so, for tshark would take the end of each packet for its tag."""
    journal, call, kept = with_media(clock)
    wire = secured(call, journal, kept)
    message, clear, forged = read(call.capture(decrypt=True)).packets
    assert message.payload == SECURE.replace(b"RTP/SAVP", b"RTP/AVPF") and len(message.payload) == len(SECURE)
    assert message.comments == ["RTP/SAVP reads RTP/AVPF here, for the media of this capture is shown without SRTP"]
    assert (clear.payload, clear.comments) == (RTP, [])
    assert forged.payload == wire[1]
    assert forged.comments == ["this is as it was on the wire, for SRTP says of it: authentication failed"]


def test_a_call_without_srtp_is_as_it_was(clock: SteppedClock) -> None:
    """Although its offer has some: what was answered is RTP."""
    journal, call, kept = with_media(clock)
    journal.message(call, 0.0, True, "us-3-1", SECURE, path())
    kept.keep(1.0, kept.way(True, US, THEM), RTP)
    assert call.capture(decrypt=True) == call.capture()


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
