"""Responses that may be long: written in turns, and no faster than they are read, so that neither calls nor memory feel them."""

from collections.abc import Iterator
from typing import Any

from emulator.clock import Clock, Timer
from emulator.control.turns import Turns

_UNREAD_SECONDS = 60.0
"""How long a client may read nothing of a response that is not whole."""
_WRITTEN = 1 << 16
"""Octets of one turn, about."""


class LongResponse:
    """A response that is written piece by piece. One that fits into a turn has its length; others come in chunks (RFC 9112 7.1), and
    where something goes wrong or nobody reads on they end with their connection, so that half of one does not pass for the whole."""

    def __init__(self, request: Any, pieces: Iterator[bytes], length: int | None, turns: Turns, clock: Clock) -> None:
        """`length` in octets, None where it is not known before."""
        self._turns = turns
        self._clock = clock
        self._request: Any = request  # None when it is over
        self._pieces = pieces
        self._length = length
        self._made = 0
        self._begun = self._whole = False
        self._paused = self._waits = False
        self._deadline: Timer | None = None
        request.notifyFinish().addErrback(lambda _: self._end())
        request.registerProducer(self, True)
        self._go_on()

    def _go_on(self) -> None:
        if not self._waits:
            self._waits = True
            self._turns.take(self._turn)

    def _turn(self, until: float) -> bool:
        self._waits = False
        request, seconds = self._request, self._clock.seconds
        if request is None or self._paused:
            return False
        written: list[bytes] = []
        octets = 0
        try:
            while octets < _WRITTEN and seconds() < until and not self._whole:
                piece = next(self._pieces, None)
                if piece is None:
                    self._whole = True
                else:
                    written.append(piece)
                    octets += len(piece)
            self._made += octets
            if self._whole and self._begun and self._length not in (None, self._made):
                raise ValueError(f"{self._made} octets were made of {self._length}")
        except Exception:
            self._cut()
            raise
        if not self._begun:
            self._begun = True
            length = octets if self._whole else self._length
            if length is not None:
                request.setHeader(b"Content-Length", str(length).encode())
        request.write(b"".join(written))
        if not self._paused and self._whole:
            self._finish()
        self._waits = self._request is not None and not self._paused
        return self._waits

    def _finish(self) -> None:
        request = self._end()
        request.unregisterProducer()
        request.finish()

    def _cut(self) -> None:
        self._end().transport.abortConnection()

    def _end(self) -> Any:
        """Nothing more is made or written. The request, where it was not over already."""
        request, self._request = self._request, None
        self._pieces = iter(())
        self._mind(None)
        return request

    def _mind(self, seconds: float | None) -> None:
        """How long nothing may be read from now on."""
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = self._clock.call_later(seconds, self._cut) if seconds is not None else None

    def pauseProducing(self) -> None:
        self._paused = True
        if self._request is not None:
            self._mind(_UNREAD_SECONDS)

    def resumeProducing(self) -> None:
        self._paused = False
        self._mind(None)
        if self._request is None:
            return
        if self._whole:
            self._finish()
        else:
            self._go_on()

    def stopProducing(self) -> None:
        """The client has gone; `notifyFinish` cleans up."""
