"""Finds what was played in what is heard: how much of it came back, after how long, and whether it is the same, octet for octet."""

from collections import deque
from statistics import median
from typing import Any

from emulator.clock import Clock
from emulator.phone.signal import SECONDS, Signal

_TRIPS_KEPT = 10_000


class _Played:
    """One packet that went out: when, and how many of its octets have not come back."""

    __slots__ = ("at", "missing")

    def __init__(self, at: float, octets: int) -> None:
        self.at = at
        self.missing = octets


class Echo:
    """One signal, played on one stream and looked for in what is heard there. An echo may take as long as the signal lasts.

    Each payload that is heard is looked for among those played: a whole one first; where the far end packs anew, in other pieces, those
    are looked for in the signal. With codecs whose packets are alike, one that is lost may be taken for the next of its kind.
    """

    def __init__(self, signal: Signal, clock: Clock) -> None:
        self._clock = clock
        self._out: dict[bytes, deque[_Played]] = {}  # what has not come back, oldest first
        self._order: deque[bytes] = deque()  # the payloads played in the time of one signal
        self._most = len(signal.frames) if signal.distinct else round(SECONDS / signal.seconds)
        self._frames = signal.frames
        self._quiet = signal.quiet
        self._whole = b"".join((*signal.frames, *signal.frames[:2])) if signal.distinct else b""
        self._back: set[bytes] = set()
        self._trips: deque[float] = deque(maxlen=_TRIPS_KEPT)
        self.played = 0
        self.returned = 0
        """Packets played of which every octet was heard again."""
        self.repeated = 0
        """Packets heard that had come back before."""
        self.repacked = 0
        """Packets heard that are part of what was played, and none of its packets."""
        self.silent = 0
        """Packets of silence: what many an echo says when it has nothing to say."""
        self.foreign = 0
        """Packets heard that are nothing of all this."""

    def sent(self, payload: bytes) -> None:
        """A packet goes out."""
        self.played += 1
        self._out.setdefault(payload, deque()).append(_Played(self._clock.seconds(), len(payload)))
        self._order.append(payload)
        if len(self._order) > self._most:  # the signal comes round: what is not back by now is lost
            self._lose(self._order.popleft())

    def _lose(self, payload: bytes) -> None:
        waiting = self._out.get(payload)
        oldest = self._clock.seconds() - SECONDS / 2
        if waiting and waiting[0].at < oldest:
            waiting.popleft()
            if not waiting:
                del self._out[payload]
        self._back.discard(payload)

    def heard(self, payload: bytes) -> None:
        """A packet came."""
        if payload in self._out:
            self._take(payload, len(payload))
        elif payload in self._back:
            self.repeated += 1
        elif not self._find(payload):
            if self._quiet and self._quiet.issuperset(payload):
                self.silent += 1
            else:
                self.foreign += 1

    def _find(self, payload: bytes) -> bool:
        """Look for a payload that is no frame: where the far end packs 30 ms, or begins in the middle of one of ours."""
        size = len(self._frames[0])
        at = self._whole.find(payload) if len(payload) >= size // 2 else -1
        if at < 0:
            return False
        self.repacked += 1
        end = at + len(payload)
        while at < end:
            frame = self._frames[at // size % len(self._frames)]
            octets = min(end, (at // size + 1) * size) - at
            if frame in self._out:
                self._take(frame, octets)
            at += octets
        return True

    def _take(self, payload: bytes, octets: int) -> None:
        waiting = self._out[payload]
        played = waiting[0]
        played.missing -= octets
        if played.missing > 0:
            return
        waiting.popleft()
        if not waiting:
            del self._out[payload]
        self._back.add(payload)
        self.returned += 1
        self._trips.append(self._clock.seconds() - played.at)

    @property
    def complete(self) -> bool:
        """Whether all has come back that can."""
        return self.returned >= self.played

    @property
    def loss(self) -> float:
        """The fraction of what was played that has not come back."""
        return (self.played - self.returned) / self.played if self.played else 0.0

    @property
    def same(self) -> bool:
        """Whether something came back, and nothing that was not played; silence does not count."""
        return self.returned > 0 and not self.foreign

    @property
    def round_trip(self) -> float | None:
        """The median in seconds, from the sending of a packet to the hearing of it; None when none came back."""
        return median(self._trips) if self._trips else None

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        trip = self.round_trip
        return {
            "sent": self.played,
            "returned": self.returned,
            "loss": round(self.loss, 4),
            "same": self.same,
            "round_trip_ms": round(1000 * trip, 2) if trip is not None else None,
            "repeated": self.repeated,
            "repacked": self.repacked,
            "silent": self.silent,
            "foreign": self.foreign,
        }
