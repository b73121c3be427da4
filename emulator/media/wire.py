"""What passes the media ports of one call, as on the wire: for captures, and only where they are wanted.

It goes round what a stream reads with and sends with, so that the octets are those that came, before anything is done to them, and those
that left, after all was done to them: what an impairment loses on its way out is not there, what one loses of that which came is. A call
without one has nothing of it on the way of its packets.
"""

from collections.abc import Callable
from typing import Any

from emulator.clock import Clock
from emulator.journal.datagrams import Datagrams
from emulator.media.echo import Reader
from emulator.media.offer import Keys

Address = tuple[str, int]

ODD = ("media.malformed", "media.payload-type", "media.direction", "srtp.forged", "srtp.replayed", "srtp.unusable")
"""What a stream may find about one packet; `Stream.odd` counts it in this order."""
_ANY = frozenset({"", "0.0.0.0", "::"})


class Wire:
    """`aim` comes before all packets, `end` after those of the call; strangers may come later still."""

    __slots__ = ("_heard", "_kept", "_local", "_remote", "_reports", "_seconds", "_sent", "_unspecified")

    def __init__(self, kept: Datagrams, clock: Clock, unspecified: str) -> None:
        """`unspecified` is our address where the socket is bound to every one: that of our description."""
        self._kept = kept
        self._seconds = clock.seconds
        self._unspecified = unspecified
        self._local: Address = (unspecified, 0)
        self._remote: Address = ("", 0)
        self._reports: Address | None = None
        self._heard = self._sent = 0
        kept.begin_again()

    def aim(self, local: Address, remote: Address, other_port: bool) -> None:
        """RTP goes to and comes from `remote` from now on. `local` is what its socket is bound to; with `other_port` it is sent from that
        of RTCP."""
        host = local[0] if local[0] not in _ANY else self._unspecified
        self._local, self._remote = (host, local[1]), remote
        self._heard = self._kept.way(True, self._local, remote)
        self._sent = self._kept.way(False, (host, local[1] + other_port), remote)

    def aim_reports(self, remote: Address | None) -> None:
        """RTCP goes to and comes from `remote` from now on, at the port behind that of RTP; with None where RTP does."""
        self._reports = remote

    def rekey(self, keys: Keys | None) -> None:
        """What the descriptions agree on from here on."""
        self._kept.rekey((keys.ours, keys.theirs) if keys is not None else None)

    def hears(self, reader: Reader, odd: Callable[[], tuple[int, ...]] | None) -> Reader:
        """`reader`, with what it is handed kept. Where `odd` counts more of something afterwards, that is noted of the packet."""
        kept, seconds = self._kept, self._seconds

        def heard(buffer: bytearray, view: memoryview, length: int) -> None:
            place = kept.keep(seconds(), self._heard, view[:length]) if not kept.full else _missed(kept)
            if place < 0 or odd is None:
                return reader(buffer, view, length)
            before = odd()
            reader(buffer, view, length)
            self._note(place, before, odd())
            return None

        return heard

    def sends(self, send: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """`send`, with what it has sent kept; what it raised for did not leave."""
        kept, seconds = self._kept, self._seconds

        def sent(data: Any) -> None:
            at = seconds()
            send(data)
            if kept.full:
                kept.missed += 1
            else:
                kept.keep(at, self._sent, data)

        return sent

    def hear_report(
        self, data: bytes, peer: Address | None, receive: Callable[[bytes], None], odd: Callable[[], tuple[int, ...]]
    ) -> None:  # fmt: skip
        """RTCP came to a port of its own, from `peer`, or with None from where it is aimed at, and goes on to `receive`."""
        host, port = self._local
        place = self._kept.keep(self._seconds(), self._kept.way(True, (host, port + 1), peer or self._reports or self._remote), data)
        before = odd()
        receive(data)
        self._note(place, before, odd())

    def _note(self, place: int, before: tuple[int, ...], after: tuple[int, ...]) -> None:
        if place >= 0 and after != before:
            self._kept.note(place, next(code for code, was, now in zip(ODD, before, after, strict=True) if now != was))

    def sent_report(self, at: float, data: bytes) -> None:
        """RTCP left at `at`."""
        host, port = self._local
        local, remote = (self._local, self._remote) if self._reports is None else ((host, port + 1), self._reports)
        self._kept.keep(at, self._kept.way(False, local, remote), data)

    def stray(self, peer: Address, data: memoryview, code: str) -> None:
        """A packet came to the RTP port that is not of the call, or not any more."""
        self._kept.stranger(self._seconds(), self._local, peer, data, code)

    def end(self) -> None:
        """The call is over."""
        self._kept.end()


def _missed(kept: Datagrams) -> int:
    kept.missed += 1
    return -1
