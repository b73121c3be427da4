"""Files of captures, read by a reader that knows nothing of who wrote them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.journal.pcapng import Packet, count, pcapng
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
    found = read(pcapng((there, back), "all of it"))
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
    found = read(pcapng([Packet(1.0, incoming, "us-3-1", one, data) for one, incoming, data in sent], ""))
    numbers = [(packet.source[1], packet.sequence, packet.acknowledged, packet.payload[:1]) for packet in found.packets]
    assert numbers == [(5070, 1, 1, b"a"), (5060, 1, 11, b"b"), (5071, 1, 1, b"c"), (5070, 11, 4, b"d"), (5060, 4, 16, b"e")]


def test_what_is_too_long_for_a_packet() -> None:
    """Over TCP it is several, with the words at the last, where it is shown; over UDP it never left."""
    long = bytes(range(256)) * 300
    found = read(pcapng([Packet(1.0, False, "us-3-1", path("TCP"), long, ("odd",)), Packet(1.0, False, "us-3-1", path(), long)], ""))
    *parts, cut = found.packets
    assert len(parts) == 2 and b"".join(part.payload for part in parts) == long
    assert [part.comments for part in parts] == [[], ["odd"]]
    assert len(cut.payload) == 65507 and long.startswith(cut.payload)
    assert cut.comments == ["76800 octets are more than a datagram takes: this did not leave; its first 65507 octets are shown"]


def test_the_longest_datagram_is_whole() -> None:
    for ends in (FOUR, SIX):
        (packet,) = read(pcapng([Packet(1.0, True, "us-3-1", path(ends=ends), b"x" * 65507)], "")).packets
        assert len(packet.payload) == 65507 and not packet.comments


def test_what_waited_for_a_connection_did_not_leave() -> None:
    found = read(pcapng([Packet(1.0, False, "us-3-1", path("TLS", connected=False), INVITE, ("odd",))], ""))
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
    (packet,) = read(pcapng([Packet(1.0, False, "us-3-1", path(ends=((local, 0), (peer, 65535))), INVITE)], "")).packets
    assert (packet.source[0], packet.target[0]) == shown


def test_a_call_without_messages_is_a_capture_all_the_same() -> None:
    found = read(pcapng((), "nothing was sent"))
    assert (found.packets, found.comments) == ([], ["nothing was sent"])


def test_words_are_cut_to_what_an_option_holds() -> None:
    found = read(pcapng([Packet(1.0, True, "us-3-1", path(), INVITE, ("é" * 70000,))], "ü" * 70000 + "\udc80"))
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
    data = pcapng(packets, comment)
    found = read(data)
    assert count(data) == len(found.packets)
    sent = b"".join(packet.data if packet.path.transport != "UDP" else packet.data[:65507] for packet in packets)
    assert b"".join(packet.payload for packet in found.packets) == sent
