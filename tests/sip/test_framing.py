"""Messages out of a stream."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.sip.framing import Framer, FramingError, Keepalive

ONE = b"OPTIONS sip:a SIP/2.0\r\nContent-Length: 4\r\n\r\nbody"
TWO = b"OPTIONS sip:b SIP/2.0\r\nl :  0 \r\n\r\n"


@given(st.lists(st.integers(0, 200), max_size=12))
def test_the_same_messages_come_out_however_the_stream_is_cut(cuts: list[int]) -> None:
    """robustness 13: merge and split at every octet."""
    stream = ONE + b"\r\n\r\n" + TWO + TWO + b"\r\n" + ONE
    framer, items = Framer(), []
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    for start, end in itertools.pairwise(edges):
        items += framer.feed(stream[start:end])
    assert items == [ONE, Keepalive.PING, TWO, TWO, Keepalive.PONG, ONE]
    assert not framer.pending


def test_octet_by_octet() -> None:
    framer, items = Framer(), []
    for octet in ONE + b"\r\n\r\n" + TWO:
        items += framer.feed(bytes([octet]))
    assert items == [ONE, Keepalive.PING, TWO]


@pytest.mark.parametrize(
    "stream",
    [
        b"OPTIONS sip:a SIP/2.0\r\n\r\n",
        b"OPTIONS sip:a SIP/2.0\r\nContent-Length: x\r\n\r\n",
        b"OPTIONS sip:a SIP/2.0\r\nContent-Length: -1\r\n\r\n",
        b"OPTIONS sip:a SIP/2.0\r\nContent-Length: 1\r\nl: 2\r\n\r\nab",
        b"OPTIONS sip:a SIP/2.0\r\nContent-Length: 2000000000\r\n\r\n",
        b"OPTIONS sip:a SIP/2.0\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01",
        b"\nOPTIONS",
        b"x" * 70000,
    ],
)
def test_streams_that_can_not_be_cut(stream: bytes) -> None:
    with pytest.raises(FramingError):
        Framer().feed(stream)


def test_half_a_message_is_pending_and_a_lone_crlf_is_not() -> None:
    framer = Framer()
    framer.feed(ONE[:-1])
    assert framer.pending
    framer = Framer()
    framer.feed(b"\r\n")
    assert not framer.pending


@given(st.binary(max_size=200))
def test_no_octets_raise_anything_but_framing_error(data: bytes) -> None:
    try:
        Framer().feed(data)
    except FramingError:
        pass
