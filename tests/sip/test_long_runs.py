"""Long runs of what may be repeated: a pattern that can divide them in more than one way tries every division, and nothing else goes on."""

import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from emulator.sip.body import BrokenBody, WrongBody, part_of
from emulator.sip.framing import Framer, FramingError
from emulator.sip.headers import HeaderError, Via, parse_credentials
from emulator.sip.message import Request

DEADLINE = 60.0
BLANKS = " " * 1_000_000  # of which the square is hours


@pytest.fixture(autouse=True)
def deadline() -> Iterator[None]:
    """A pattern can be interrupted by a signal alone."""

    def too_late(*_: Any) -> None:
        raise TimeoutError(f"not within {DEADLINE:g} s")

    before = signal.signal(signal.SIGALRM, too_late)
    signal.setitimer(signal.ITIMER_REAL, DEADLINE)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def frame(value: str) -> None:
    octets = f"OPTIONS sip:h SIP/2.0\r\nContent-Length:{value}\r\n\r\n".encode()
    Framer(max_head=len(octets)).feed(octets)


def part(head: str) -> None:
    request = Request("INVITE", "sip:h")
    request.headers = {"content-type": ["multipart/mixed;boundary=b"]}
    request.body = f"--b\r\n{head}\r\n\r\nx\r\n--b--".encode()
    part_of(request, "application/sdp")


@pytest.mark.parametrize(
    ("read", "text", "refused"),
    [
        (Via.parse, f"SIP/2.0/UDP h{BLANKS}x", HeaderError),
        (Via.parse, f"SIP/2.0/UDP h{BLANKS}:{BLANKS}x", HeaderError),
        (Via.parse, f"SIP/2.0/UDP h:5{BLANKS}x", HeaderError),
        (parse_credentials, f'Digest a={BLANKS}"', HeaderError),
        (parse_credentials, f"Digest a=b{BLANKS}c", HeaderError),
        (frame, f" 1{BLANKS}x", FramingError),
        (frame, f"{BLANKS}x", FramingError),
        (part, "a" * len(BLANKS), WrongBody),
        (part, f"a:{BLANKS}", WrongBody),
        (part, "a:" + "\r\n " * 300_000, WrongBody),
        (part, f"Content-Type{BLANKS}: multipart/mixed", BrokenBody),
    ],
)
def test_they_are_read_once(read: Callable[[str], object], text: str, refused: type[Exception]) -> None:
    with pytest.raises(refused):
        read(text)


def test_white_space_where_it_may_stand_is_no_harm() -> None:
    via = Via.parse("SIP / 2.0 / UDP  h  :  5062  ;branch=z9hG4bK1")
    assert (via.transport, via.host, via.port, via.params) == ("UDP", "h", 5062, {"branch": "z9hG4bK1"})
    assert Via.parse("SIP/2.0/UDP h  ").port is None
    assert parse_credentials('Digest a = "b" , c =d')[1] == {"a": "b", "c": "d"}
    assert Framer().feed(b"OPTIONS sip:h SIP/2.0\r\nl :  1\t \r\n\r\nx") == [b"OPTIONS sip:h SIP/2.0\r\nl :  1\t \r\n\r\nx"]
    request = Request("INVITE", "sip:h")
    request.headers = {"content-type": ["multipart/mixed;boundary=b"]}
    request.body = b"--b\r\nno header\r\nContent-Type :\r\n  application/sdp \r\n\r\nv=0\r\n--b--"
    assert part_of(request, "application/sdp") == b"v=0"
