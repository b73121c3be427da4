"""Messages out of a byte stream (RFC 3261 18.3) and the keep-alives between them (RFC 5626 4.4.1)."""

import re
from enum import Enum

_LENGTH = re.compile(rb"\r\n(?:content-length|l)[ \t]*:([^\r\n]*)(?=\r\n)", re.IGNORECASE)
_PINGS = re.compile(rb"(?:\r\n\r\n)+")
_DIGITS = re.compile(rb"[0-9]{1,10}")
_TLS_HANDSHAKE = b"\x16\x03"


class FramingError(ValueError):
    """The stream can't be cut into messages any more; the text says why.

    `items` came whole before that. `head` are the headers of the message that has no end, empty when they are not known either, and
    `status` is what it may be answered with.
    """

    def __init__(self, what: str, status: int = 400) -> None:
        super().__init__(what)
        self.status = status
        self.head = b""
        self.items: list[bytes | Keepalive] = []


class Keepalive(Enum):
    """What may stand between messages."""

    PING = "double CRLF"
    PONG = "single CRLF"


class Framer:
    """Cuts one connection's octets into messages. `max_head` and `max_body` bound what is kept, in octets."""

    def __init__(self, max_head: int = 65535, max_body: int = 65535) -> None:
        self._max_head = max_head
        self._max_body = max_body
        self._buffer = bytearray()
        self._scanned = 0  # no empty line ends before here
        self._needed = 0  # octets of the message whose headers are complete

    @property
    def pending(self) -> bool:
        """True while part of a message is held; a lone CRLF is none."""
        return bool(self._buffer) and self._buffer[0] not in b"\r\n"

    def feed(self, data: bytes) -> list[bytes | Keepalive]:
        """What is complete now, in order. Raises `FramingError`; the connection is of no use after that."""
        items: list[bytes | Keepalive] = []
        try:
            self._feed(data, items)
        except FramingError as error:
            error.items = items
            raise
        return items

    def _feed(self, data: bytes, items: list[bytes | Keepalive]) -> None:
        buffer = self._buffer
        buffer += data
        while buffer:
            if self._needed:
                if len(buffer) < self._needed:
                    break
                items.append(self._cut(self._needed))
                continue
            if buffer[0] in b"\r\n":
                if not self._leading_crlf(items):
                    break
                continue
            if not self._scanned and buffer.startswith(_TLS_HANDSHAKE):
                raise FramingError("a TLS handshake on a port without TLS")
            end = buffer.find(b"\r\n\r\n", max(0, self._scanned - 3))
            if end < 0:
                if len(buffer) > self._max_head:
                    raise FramingError(f"no end of the headers within {self._max_head} octets")
                self._scanned = len(buffer)
                break
            if end > self._max_head:
                raise FramingError(f"headers of more than {self._max_head} octets")
            try:
                self._needed = end + 4 + self._body_length(end)
            except FramingError as error:
                error.head = bytes(buffer[: end + 4])
                raise

    def _cut(self, count: int) -> bytes:
        message = bytes(self._buffer[:count])
        del self._buffer[:count]
        self._needed = self._scanned = 0
        return message

    def _leading_crlf(self, items: list[bytes | Keepalive]) -> bool:
        """Take CRLFs before a message: a double one is a ping, a single one before something else a pong or a stray (18.3).

        False when the next octets decide.
        """
        buffer = self._buffer
        if pings := _PINGS.match(buffer):
            count = pings.end() // 4
            items += [Keepalive.PING] * count
            del pings, buffer[: count * 4]  # the match holds the buffer fast
        elif buffer[:2] == b"\r\n":
            if len(buffer) == 2 or (len(buffer) == 3 and buffer[2] == 13):
                # Half a ping, or a pong: a pong has nothing to be answered, so waiting loses nothing.
                return False
            items.append(Keepalive.PONG)
            del buffer[:2]
        elif len(buffer) == 1 and buffer[0] == 13:
            return False
        else:
            raise FramingError("a line feed or carriage return alone between messages")
        return True

    def _body_length(self, end: int) -> int:
        found = {bytes(match).strip(b" \t") for match in _LENGTH.findall(self._buffer, 0, end + 2)}
        if not found:
            raise FramingError("no Content-Length")
        if len(found) > 1:
            raise FramingError("different Content-Length headers")
        text = found.pop()
        if _DIGITS.fullmatch(text) is None:
            raise FramingError(f"Content-Length {text[:20]!r} is not a number")
        length = int(text)
        if length > self._max_body:
            raise FramingError(f"a body of {length} octets where {self._max_body} are the most", 513)
        return length
