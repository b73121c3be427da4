"""SRTP: the vectors of RFC 3711, a second implementation on the other side, and everything a stranger may send."""

import gc
import struct
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.media import libsrtp
from emulator.media.libsrtp import TRAILER_OCTETS, WINDOW, Binding, Fault, Public, SrtpError
from emulator.media.srtp import MAX_SOURCES, TAG_OCTETS, Inbound, Outbound, bad_tag
from tests.support.srtp_reference import Reference, Refused, derive, keystream

KEY = bytes.fromhex("e1f97a0d3e018be0d64fa32c06de41390ec675ad498afeebb6960b3aabe6")
WRONG = bytes(range(30))
SSRC = 0xCAFEBABE


@pytest.fixture(autouse=True, params=["binding", "public"])
def library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every test runs through the binding and through the documented interface."""
    monkeypatch.setattr(libsrtp, "_library", Binding() if request.param == "binding" else Public())
    yield


def rtp(sequence: int, payload: bytes = b"\x5a" * 160, ssrc: int = SSRC, first: int = 0x80, extra: bytes = b"") -> bytes:
    return struct.pack("!BBHII", first, 0, sequence & 0xFFFF, 160 * sequence & 0xFFFFFFFF, ssrc) + extra + payload


def report(ssrc: int = SSRC) -> bytes:
    return struct.pack("!BBHI", 0x81, 201, 7, ssrc) + bytes(range(24)) + struct.pack("!BBHI", 0x80, 203, 1, ssrc)


class Buffer:
    """One buffer that every packet goes through, as the media reader has it."""

    def __init__(self) -> None:
        self.octets = bytearray(1500 + TRAILER_OCTETS)

    def through(self, change: Callable[[bytearray, int], int], packet: bytes) -> bytes:
        self.octets[: len(packet)] = packet
        return bytes(self.octets[: change(self.octets, len(packet))])


BUFFER = Buffer()
through = BUFFER.through


def fault(change: Callable[[bytearray, int], int], packet: bytes) -> Fault:
    with pytest.raises(SrtpError) as caught:
        through(change, packet)
    return caught.value.kind


# The reference is held to the vectors of the RFC, libsrtp to the reference.


def test_aes_cm_keystream() -> None:
    """RFC 3711 B.2."""
    key = bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c")
    stream = keystream(key, 0xF0F1F2F3F4F5F6F7F8F9FAFBFCFD0000, 16 * 0xFF02)
    assert stream[:48].hex() == "e03ead0935c95e80e166b16dd92b4eb4d23513162b02d0f72a43a2fe4a5f97ab41e95b3bb0a2e8dd477901e4fca894c0"
    assert stream[-48:].hex() == "ec8cdf7398607cb0f2d21675ea9ea1e4362b7c3c6773516318a077d7fc5073ae6a2cc3787889374fbeb4c81b17ba6c44"


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        (0, "c61e7a93744f39ee10734afe3ff7a087"),
        (2, "30cbbc08863d8c85d49db34a9ae1"),
        (
            1,
            "cebe321f6ff7716b6fd4ab49af256a156d38baa48f0a0acf3c34e2359e6cdbcee049646c43d9327ad175578ef7227098"
            "6371c10c9a369ac2f94a8c5fbcdddc256d6e919a48b610ef17c2041e474035766b68642c59bbfc2f34db60dbdfb2",
        ),
        (3, "4c1aa45a81f73d61c800bbb00fbb1eaa"),  # 3 to 5 are not in the RFC: SRTCP's, as other implementations publish them
        (4, "8d54534feb49ae8e7993a6bd0b844fc323a93dfd"),
        (5, "9581c7ad87b3e530bf3e4454a8b3"),
    ],
)
def test_key_derivation(label: int, expected: str) -> None:
    """RFC 3711 B.3."""
    assert derive(KEY, label, len(expected) // 2).hex() == expected


PLAIN = bytes.fromhex("800f1234decafbadcafebabe" + "ab" * 16)
SECURE = bytes.fromhex("800f1234decafbadcafebabe4e55dc4ce79978d88ca4d215949d2402b78d6acc99ea179b8dbb")
PLAIN_RTCP = bytes.fromhex("81c8000bcafebabe" + "ab" * 16)
SECURE_RTCP = bytes.fromhex("81c8000bcafebabe7128035be487b9bdbef89041f977a5a880000001993e08cd54d6c1230798")


def test_whole_packets_that_libsrtp_publishes() -> None:
    assert through(Outbound(KEY).protect, PLAIN) == SECURE == Reference(KEY).protect(PLAIN)
    assert through(Inbound(KEY).unprotect, SECURE) == PLAIN == Reference(KEY).unprotect(SECURE)
    assert Outbound(KEY).protect_rtcp(PLAIN_RTCP) == SECURE_RTCP == Reference(KEY).protect_rtcp(PLAIN_RTCP)
    assert Inbound(KEY).unprotect_rtcp(SECURE_RTCP) == PLAIN_RTCP == Reference(KEY).unprotect_rtcp(SECURE_RTCP)


@pytest.mark.parametrize("octets", [0, 1, 15, 16, 17, 160, 1200])
def test_both_ways_with_the_reference(octets: int) -> None:
    ours, theirs, sender, receiver = Outbound(KEY), Inbound(WRONG), Reference(WRONG), Reference(KEY)
    for sequence in range(5):
        packet = rtp(sequence, bytes(octets))
        secured = through(ours.protect, packet)
        assert len(secured) == len(packet) + TAG_OCTETS and receiver.unprotect(secured) == packet
        assert through(theirs.unprotect, sender.protect(packet)) == packet
        assert receiver.unprotect_rtcp(ours.protect_rtcp(report())) == report()
        assert theirs.unprotect_rtcp(sender.protect_rtcp(report())) == report()


@pytest.mark.parametrize(
    ("first", "extra"),
    [(0x83, b"\1\2\3\4" * 3), (0x90, b"\xbe\xde\0\1\x10\xff\0\0"), (0x91, b"\1\2\3\4\xbe\xde\0\2" + bytes(8)), (0xA0, b"")],
)
def test_sources_and_extensions_stay_readable(first: int, extra: bytes) -> None:
    """RFC 3711 3.1: the header goes in clear, what follows it does not."""
    packet = rtp(7, first=first, extra=extra)
    secured = through(Outbound(KEY).protect, packet)
    head = 12 + len(extra)
    assert secured[:head] == packet[:head] and secured[head : len(packet)] != packet[head:]
    assert Reference(KEY).unprotect(secured) == packet == through(Inbound(KEY).unprotect, secured)


# Rollover counter and replay list.


def test_the_sequence_number_wraps() -> None:
    sender, receiver, ours, theirs = Reference(KEY), Reference(KEY), Outbound(KEY), Inbound(KEY)
    for sequence in (*range(65530, 65536), *range(6)):
        packet = rtp(sequence)
        secured = through(ours.protect, packet)
        assert receiver.unprotect(secured) == packet
        assert sender.protect(packet) == secured
        assert through(theirs.unprotect, secured) == packet
    assert receiver.index(SSRC, 6) == 0x10006


def test_late_packets_from_before_the_wrap_are_taken() -> None:
    sender, theirs = Reference(KEY), Inbound(KEY)
    secured = {sequence: sender.protect(rtp(sequence)) for sequence in (65533, 65534, 65535, 0, 1, 2)}
    for sequence in (65533, 1, 65535, 0, 65534, 2):
        assert through(theirs.unprotect, secured[sequence]) == rtp(sequence)


def test_two_wraps() -> None:
    sender, theirs = Reference(KEY), Inbound(KEY)
    for step in range(0, 3 * 65536, 20_000):
        assert through(theirs.unprotect, sender.protect(rtp(step))) == rtp(step)


def test_no_forged_packet_moves_the_rollover_counter() -> None:
    """RFC 3711 3.3: only an authentic packet changes it (robustness 11)."""
    sender, stranger, theirs = Reference(KEY), Reference(WRONG), Inbound(KEY)
    assert through(theirs.unprotect, sender.protect(rtp(100))) == rtp(100)
    for sequence in (30_000, 60_000, 20_000, 50_000, 10_000):  # taken for true, these are two wraps
        assert fault(theirs.unprotect, stranger.protect(rtp(sequence))) is Fault.FORGED
    assert through(theirs.unprotect, sender.protect(rtp(101))) == rtp(101)
    assert fault(theirs.unprotect, stranger.protect(rtp(102))) is Fault.FORGED
    assert through(theirs.unprotect, sender.protect(rtp(102))) == rtp(102)  # nor is 102 in the replay list


def test_a_replay_is_dropped() -> None:
    sender, theirs = Reference(KEY), Inbound(KEY)
    packets = [sender.protect(rtp(sequence)) for sequence in range(1, 2 * WINDOW + 1)]
    for packet in packets:
        through(theirs.unprotect, packet)
    for packet in packets:
        assert fault(theirs.unprotect, packet) is Fault.REPLAYED


@pytest.mark.parametrize(("late", "taken"), [(1, True), (WINDOW - 1, True), (WINDOW, False), (WINDOW + 1000, False)])
def test_the_window(late: int, taken: bool) -> None:
    sender, theirs = Reference(KEY), Inbound(KEY)
    old = sender.protect(rtp(2000 - late))
    through(theirs.unprotect, sender.protect(rtp(2000 - late - 1)))
    through(theirs.unprotect, sender.protect(rtp(2000)))
    if taken:
        assert through(theirs.unprotect, old) == rtp(2000 - late)
    else:
        assert fault(theirs.unprotect, old) is Fault.REPLAYED


def test_an_srtcp_replay_is_dropped() -> None:
    theirs, packet = Inbound(KEY), Reference(KEY).protect_rtcp(report())
    assert theirs.unprotect_rtcp(packet) == report()
    with pytest.raises(SrtpError) as caught:
        theirs.unprotect_rtcp(packet)
    assert caught.value.kind is Fault.REPLAYED


def test_a_packet_of_ours_goes_out_twice_only_when_asked() -> None:
    packet = rtp(5)
    once, twice = Outbound(KEY), Outbound(KEY, repeats=True)
    assert through(once.protect, packet) == through(twice.protect, packet) == through(twice.protect, packet)
    assert fault(once.protect, packet) is Fault.REPLAYED


# SSRCs.


def test_another_ssrc_has_a_rollover_counter_of_its_own() -> None:
    sender, theirs, ours, receiver = Reference(KEY), Inbound(KEY), Outbound(KEY), Reference(KEY)
    for sequence in (65534, 65535, 0):
        through(theirs.unprotect, sender.protect(rtp(sequence)))
        receiver.unprotect(through(ours.protect, rtp(sequence)))
    for sequence in (9, 10):
        packet = rtp(sequence, ssrc=7)
        assert through(theirs.unprotect, sender.protect(packet)) == packet
        assert receiver.unprotect(through(ours.protect, packet)) == packet
    assert through(theirs.unprotect, sender.protect(rtp(1))) == rtp(1)


def test_the_number_of_ssrcs_is_bounded_and_those_known_go_on() -> None:
    sender, theirs = Reference(KEY), Inbound(KEY)
    for ssrc in range(MAX_SOURCES):
        through(theirs.unprotect, sender.protect(rtp(1, ssrc=ssrc)))
    assert fault(theirs.unprotect, sender.protect(rtp(1, ssrc=MAX_SOURCES))) is Fault.SOURCES
    with pytest.raises(SrtpError) as caught:
        theirs.unprotect_rtcp(sender.protect_rtcp(report(MAX_SOURCES)))
    assert caught.value.kind is Fault.SOURCES
    for ssrc in (0, MAX_SOURCES - 1, 3):
        assert through(theirs.unprotect, sender.protect(rtp(2, ssrc=ssrc))) == rtp(2, ssrc=ssrc)
    assert theirs.unprotect_rtcp(sender.protect_rtcp(report(3))) == report(3)
    assert fault(theirs.unprotect, sender.protect(rtp(1, ssrc=0))) is Fault.REPLAYED


def test_ssrcs_heard_in_srtcp_alone_count_too() -> None:
    sender, theirs = Reference(KEY), Inbound(KEY)
    for ssrc in range(MAX_SOURCES):
        assert theirs.unprotect_rtcp(sender.protect_rtcp(report(ssrc))) == report(ssrc)
    assert fault(theirs.unprotect, sender.protect(rtp(1))) is Fault.SOURCES
    assert through(theirs.unprotect, sender.protect(rtp(1, ssrc=5))) == rtp(1, ssrc=5)


def test_the_ssrcs_of_strangers_do_not_count() -> None:
    sender, stranger, theirs = Reference(KEY), Reference(WRONG), Inbound(KEY)
    for ssrc in range(2 * MAX_SOURCES):
        assert fault(theirs.unprotect, stranger.protect(rtp(1, ssrc=ssrc))) is Fault.FORGED
        with pytest.raises(SrtpError):
            theirs.unprotect_rtcp(stranger.protect_rtcp(report(ssrc)))
    assert through(theirs.unprotect, sender.protect(rtp(1))) == rtp(1)


# What is no packet of the peer's.


def test_a_bit_flipped_anywhere_is_refused() -> None:
    theirs, secured = Inbound(KEY), Reference(KEY).protect(rtp(4660))
    for bit in range(8 * len(secured)):
        spoiled = bytearray(secured)
        spoiled[bit // 8] ^= 1 << bit % 8
        assert fault(theirs.unprotect, bytes(spoiled)) in (Fault.FORGED, Fault.MALFORMED), bit
    assert through(theirs.unprotect, secured) == rtp(4660)


def test_a_bit_flipped_anywhere_in_srtcp_is_refused() -> None:
    theirs, secured = Inbound(KEY), Reference(KEY).protect_rtcp(report())
    for bit in range(8 * len(secured)):
        spoiled = bytearray(secured)
        spoiled[bit // 8] ^= 1 << bit % 8
        with pytest.raises(SrtpError) as caught:
            theirs.unprotect_rtcp(bytes(spoiled))
        assert caught.value.kind in (Fault.FORGED, Fault.MALFORMED), bit
    assert theirs.unprotect_rtcp(secured) == report()


def test_every_truncation_is_refused() -> None:
    theirs, secured, secured_rtcp = Inbound(KEY), Reference(KEY).protect(rtp(1)), Reference(KEY).protect_rtcp(report())
    for octets in range(len(secured)):
        assert fault(theirs.unprotect, secured[:octets]) in (Fault.FORGED, Fault.MALFORMED)
    for octets in range(len(secured_rtcp)):
        with pytest.raises(SrtpError):
            theirs.unprotect_rtcp(secured_rtcp[:octets])
    assert through(theirs.unprotect, secured) == rtp(1)


@pytest.mark.parametrize(
    "packet",
    [
        rtp(1),
        b"",
        b"\0\1\0\0\x21\x12\xa4\x42" + bytes(12),  # STUN
        b"\x16\xfe\xff" + bytes(60),  # DTLS
    ],
)
def test_plain_rtp_stun_and_dtls_are_refused(packet: bytes) -> None:
    """robustness 11."""
    assert fault(Inbound(KEY).unprotect, packet) in (Fault.FORGED, Fault.MALFORMED)


def test_srtcp_in_clear_is_refused_however_authentic() -> None:
    """RFC 4568 6.3.2: only UNENCRYPTED_SRTCP allows it, which is never agreed."""
    reference = Reference(KEY)
    secured = report() + (1).to_bytes(4, "big")
    packet = secured + reference._rtcp.tag(secured)
    assert reference.unprotect_rtcp(packet) == report()
    with pytest.raises(SrtpError) as caught:
        Inbound(KEY).unprotect_rtcp(packet)
    assert caught.value.kind is Fault.FORGED


def test_a_wrong_key() -> None:
    secured = through(Outbound(WRONG).protect, rtp(1))
    assert fault(Inbound(KEY).unprotect, secured) is Fault.FORGED
    with pytest.raises(Refused):
        Reference(KEY).unprotect(secured)


def test_a_spoiled_tag() -> None:
    ours, theirs = Outbound(KEY), Inbound(KEY)
    buffer = bytearray(rtp(1)) + bytes(TRAILER_OCTETS)
    length = ours.protect(buffer, 172)
    bad_tag(buffer, length)
    assert fault(theirs.unprotect, bytes(buffer[:length])) is Fault.FORGED
    bad_tag(buffer, length)
    assert through(theirs.unprotect, bytes(buffer[:length])) == rtp(1)


@given(data=st.binary(max_size=1500))
def test_no_octets_raise_anything_else(data: bytes) -> None:
    theirs, ours = Inbound(KEY), Outbound(WRONG)
    for headed in (data, b"\x80" + data[:1499], b"\x9f\0" + data[:1498]):
        for change in (theirs.unprotect, ours.protect):
            try:
                through(change, headed)
            except SrtpError:
                pass
        for change_rtcp in (theirs.unprotect_rtcp, ours.protect_rtcp):
            try:
                change_rtcp(headed)
            except SrtpError:
                pass


@given(data=st.binary(max_size=400))
def test_random_octets_are_never_taken(data: bytes) -> None:
    assert fault(Inbound(KEY).unprotect, b"\x80" + data) in (Fault.FORGED, Fault.MALFORMED)


# The buffer.


def test_any_buffer_serves_and_its_neighbours_stay_as_they_are() -> None:
    ours, theirs = Outbound(KEY), Inbound(KEY)
    for sequence, size in enumerate((172 + TRAILER_OCTETS, 2000, 172 + TRAILER_OCTETS, 5000)):
        buffer = bytearray(rtp(sequence)) + b"\xee" * (size - 172)
        length = ours.protect(buffer, 172)
        assert buffer[length:] == b"\xee" * (size - length)
        assert theirs.unprotect(buffer, length) == 172
        assert buffer[:172] == rtp(sequence) and buffer[length:] == b"\xee" * (size - length)


def test_without_room_behind_a_packet_nothing_is_written() -> None:
    buffer = bytearray(rtp(1)) + bytes(TRAILER_OCTETS - 1)
    with pytest.raises(SrtpError) as caught:
        Outbound(KEY).protect(buffer, 172)
    assert caught.value.kind is Fault.MALFORMED and buffer[:172] == rtp(1)


@pytest.mark.parametrize("length", [-1, 0, 11, 183, 1 << 40])
def test_a_length_that_is_no_packets_is_refused(length: int) -> None:
    theirs, buffer = Inbound(KEY), bytearray(Reference(KEY).protect(rtp(1)))
    with pytest.raises(SrtpError) as caught:
        theirs.unprotect(buffer, length)
    assert caught.value.kind is Fault.MALFORMED


# Contexts.


@pytest.mark.parametrize("octets", [0, 16, 29, 31])
def test_a_key_of_another_length(octets: int) -> None:
    for kind in (Inbound, Outbound):
        with pytest.raises(ValueError, match=f"{octets} octets where 30 are wanted"):
            kind(bytes(octets))


def test_after_close_nothing_is_taken_and_closing_again_is_harmless() -> None:
    ours, theirs = Outbound(KEY), Inbound(KEY)
    secured = through(ours.protect, rtp(1))
    through(theirs.unprotect, secured)
    for context in (ours, theirs):
        context.close()
        context.close()
    assert fault(ours.protect, rtp(2)) is Fault.OTHER and fault(theirs.unprotect, secured) is Fault.OTHER
    for change in (ours.protect_rtcp, theirs.unprotect_rtcp):
        with pytest.raises(SrtpError) as caught:
            change(report() + bytes(20))
        assert caught.value.kind is Fault.OTHER
    del ours, theirs
    gc.collect()  # what is freed is not freed again


def test_closing_lets_go_of_the_buffer() -> None:
    context, buffer = Outbound(KEY), bytearray(rtp(1)) + bytes(TRAILER_OCTETS)
    context.protect(buffer, 172)
    context.close()
    buffer.extend(b"it can grow again")


def test_no_repr_shows_a_key() -> None:
    assert "e1f97a" not in repr(Inbound(KEY)) and repr(KEY)[2:10] not in repr(Outbound(KEY))
    assert str(SrtpError(Fault.FORGED)) == "authentication failed"
