"""What the telephone-events of one call say (RFC 4733): its digits, and what is odd about them.

Times are seconds of one monotonic clock and are handed in; nothing here arms a timer, `Digits.due` says when to call `expire`.
"""

from collections.abc import Callable
from dataclasses import dataclass

from emulator.counting import counted
from emulator.journal.findings import Finding
from emulator.media.telephone_event import FLASH, DtmfError, Event, code_of, name_of, parse

QUIET = 0.2
"""Seconds without a packet after which an event is over: the end packets were lost or never sent."""

_REMEMBERED = 4  # events: enough for packets that come late, behind those of the next digit
_WINDOW = 64  # sequence numbers within which a duplicate is known as one
_MOVED_MS = 60  # a timestamp this far behind the end of an event, without a marker, belongs to the event
_SHORT_MS = _GAP_MS = 40
_LONG_MS = 5000
_CLOCK_SPAN = 0.06
_CLOCK_SLOW, _CLOCK_FAST = 0.6, 1.6
_QUIETEST = 36


@dataclass(frozen=True, slots=True)
class Digit:
    """One event that has ended. `duration` in seconds is what the sender said, `at` is when its first packet came.

    `packets` counts those heard up to the end, each once; `ended` says whether one of them had the E bit.
    """

    name: str
    duration: float
    volume: int
    at: float
    packets: int
    ended: bool


@dataclass(slots=True)
class _Heard:
    """What is kept of one event. `start` and `timestamp` are those of its first and its newest segment (2.5.1.3).

    `offset` is what the segments before the newest have lasted, `duration` what the newest packet says; both in timestamp units.
    """

    event: int
    start: int
    timestamp: int
    volume: int
    duration: int
    at: float
    last: float
    sequence: int
    latest: int
    """The sequence number of the packet that `duration` is from; copies of the segment before may have higher ones."""
    first_sequence: int
    first_marked: bool
    marked: int
    ends: int
    first_duration: int
    grown_at: float
    offset: int = 0
    packets: int = 1
    window: int = 1
    """Bit k is set when the packet `k` before `sequence` was heard."""
    reported: bool = False
    settled: bool = False
    moved: bool = False
    backwards: bool = False

    @property
    def total(self) -> int:
        return self.offset + self.duration

    def newer(self, sequence: int) -> bool:
        """Whether `sequence` follows the highest one heard."""
        return _follows(sequence, self.sequence)

    def fresh(self, sequence: int) -> bool:
        """Note `sequence`; False when it was heard before, or is too old to tell."""
        if self.newer(sequence):
            step = (sequence - self.sequence) & 0xFFFF
            self.window = (self.window << step | 1) & (1 << _WINDOW) - 1 if step < _WINDOW else 1
            self.sequence = sequence
            return True
        bit = (self.sequence - sequence) & 0xFFFF
        if bit >= _WINDOW or self.window >> bit & 1:
            return False
        self.window |= 1 << bit
        return True


class Digits:
    """The telephone-events of one call, heard in order of arrival. `digit` is called once for each that has ended.

    An event has ended with its first end packet, when another begins, or when `QUIET` has passed since its last packet. What is kept
    does not grow with the call.
    """

    __slots__ = ("_clock", "_digit", "_heard", "_seen")

    def __init__(self, clock: int, digit: Callable[[Digit], None]) -> None:
        """`clock` is the rate of the agreed telephone-event format in Hz."""
        self._clock = clock
        self._digit = digit
        self._heard: list[_Heard] = []
        self._seen: dict[str, tuple[int, str]] = {}

    @property
    def due(self) -> float | None:
        """When `expire` has something to do if no packet comes before; None when all is done."""
        return min((heard.last + QUIET for heard in self._heard if not heard.settled), default=None)

    def packet(self, marker: bool, sequence: int, timestamp: int, payload: bytes | memoryview, now: float) -> None:
        """One packet of the telephone-event payload type: its header fields and its payload without padding."""
        self.expire(now)
        try:
            event = parse(payload)
        except DtmfError as error:
            self._note("dtmf.malformed", str(error))
            return
        name = name_of(event.event)
        if event.reserved:
            self._note("dtmf.reserved", f"{name}: reserved bit set")
        if event.more:
            self._note("dtmf.several", f"{name}: {counted(event.more, 'octet')} behind the first event")
        if not event.duration:
            self._note("dtmf.zero-duration", f"{name}: duration 0")
        heard = self._find(event, marker, sequence, timestamp)
        if heard is None:
            heard = self._begin(event, marker, sequence, timestamp, now)
        else:
            self._take(heard, event, marker, sequence, timestamp, now)
        if heard.ends:
            self._report(heard)

    def expire(self, now: float) -> None:
        """End the events of which nothing came for `QUIET` seconds."""
        for heard in tuple(self._heard):
            if now >= heard.last + QUIET:
                self._settle(heard)

    def close(self, now: float) -> None:
        """The call is over. An event cut short by that is a digit, and nothing is said of the packets it lacks."""
        for heard in tuple(self._heard):
            self._settle(heard, cut=now < heard.last + QUIET)

    def findings(self) -> list[Finding]:
        """What was odd about the packets so far and the events that are over: each code once, with its first case and their number."""
        return [Finding(code, text if count == 1 else f"{text} ({count} times)") for code, (count, text) in self._seen.items()]

    def _find(self, event: Event, marker: bool, sequence: int, timestamp: int) -> _Heard | None:
        """The event this packet belongs to, None when it begins one. Its code and a timestamp of the event make it a part of it."""
        near = _MOVED_MS * self._clock // 1000
        for heard in reversed(self._heard):
            if heard.event != event.event:
                continue
            ahead = _signed(timestamp - heard.timestamp)
            newer = heard.newer(sequence)
            if ahead <= 0 and _signed(timestamp - heard.start) >= 0:
                if marker and newer and heard.reported and event.duration < heard.duration:
                    # A retransmission does not begin anew: this is another digit under a timestamp that stood still.
                    self._note("dtmf.timestamp-reused", f"{name_of(event.event)}: {timestamp} again")
                    return None
                return heard
            if heard.settled:
                continue
            if ahead < 0:
                if not newer and _signed(heard.start - timestamp) <= near:
                    return heard  # its first packet, overtaken, of a sender that moves the timestamp
            elif heard.ends:
                if event.end and not marker and event.duration == heard.duration and ahead <= near:
                    return heard  # the end again, under another timestamp
            elif self._segment(heard, ahead) or (newer and not marker and ahead <= heard.duration + near):
                return heard
        return None

    def _segment(self, heard: _Heard, ahead: int) -> bool:
        """Whether a timestamp `ahead` of the newest segment begins the next: where that one ended, at its greatest duration (2.5.1.3).

        That is 0xFFFF; some stop at the last whole packet before it. The packets just before may be lost, as many as `QUIET` holds, and
        counted at twice the clock.
        """
        return ahead in (0xFFFF, heard.duration) and heard.duration >= 0xFFFF - 2 * QUIET * self._clock

    def _begin(self, event: Event, marker: bool, sequence: int, timestamp: int, now: float) -> _Heard:
        before = self._heard[-1] if self._heard else None
        heard = _Heard(
            event.event, timestamp, timestamp, event.volume, event.duration, now, now, sequence, sequence, sequence,
            marker, int(marker), int(event.end), event.duration, now,
        )  # fmt: skip
        ended = [other for other in self._heard if other.newer(sequence)]
        self._heard.append(heard)
        if before is not None and before.event < FLASH and event.event < FLASH:
            since = _signed(timestamp - before.start)
            gap = self._ms(since - before.total)
            if since > 0 and gap < _GAP_MS:
                side = "after" if gap >= 0 else "before"
                self._note("dtmf.gap", f"{name_of(event.event)}: begins {abs(gap):.0f} ms {side} the end of {name_of(before.event)}")
        for other in ended:
            self._report(other)
        if len(self._heard) > _REMEMBERED:
            self._settle(self._heard.pop(0))
        return heard

    def _take(self, heard: _Heard, event: Event, marker: bool, sequence: int, timestamp: int, now: float) -> None:
        if not heard.fresh(sequence):
            return
        heard.last = now
        heard.packets += 1
        heard.marked += marker
        if _follows(heard.first_sequence, sequence):
            heard.first_sequence, heard.first_marked = sequence, marker
        ahead = _signed(timestamp - heard.timestamp)
        if _signed(timestamp - heard.start) < 0:
            heard.moved = True
        if ahead > 0 or (ahead == 0 and _follows(sequence, heard.latest)):
            if ahead and not self._segment(heard, ahead):
                heard.moved = True
            if not heard.reported:
                if ahead == 0:
                    heard.backwards |= event.duration < heard.duration
                elif event.duration <= heard.duration:
                    heard.offset += ahead  # a segment; else the duration is still the event's, under a timestamp that moved
                heard.duration = event.duration
                heard.grown_at = now
            heard.timestamp, heard.latest = timestamp, sequence
        heard.ends += event.end

    def _report(self, heard: _Heard) -> None:
        if not heard.reported:
            heard.reported = True
            duration = heard.total / self._clock
            self._digit(Digit(name_of(heard.event), duration, heard.volume, heard.at, heard.packets, heard.ends > 0))

    def _settle(self, heard: _Heard, cut: bool = False) -> None:
        """No more packets of this event are waited for: judge it. `cut`: it may have had more to send."""
        if heard.settled:
            return
        heard.settled = True
        self._judge(heard, cut)
        self._report(heard)

    def _judge(self, heard: _Heard, cut: bool) -> None:
        name, milliseconds = name_of(heard.event), self._ms(heard.total)
        if not heard.first_marked:
            self._note("dtmf.no-marker", f"{name}: first packet without marker")
        if heard.marked > heard.first_marked:
            self._note("dtmf.marker-repeated", f"{name}: marker on {heard.marked - heard.first_marked} later packets")
        if not cut:
            if heard.packets == 1:
                self._note("dtmf.one-packet", f"{name}: a single packet")
            if not heard.ends:
                self._note("dtmf.no-end", f"{name}: no end packet")
            elif heard.ends < 3 and heard.packets > 1:
                self._note("dtmf.end-once", f"{name}: end packet sent {'once' if heard.ends == 1 else 'twice'}")
        if heard.moved:
            self._note("dtmf.timestamp-moved", f"{name}: timestamp went from {heard.start} to {heard.timestamp}")
        if heard.backwards:
            self._note("dtmf.duration-backwards", f"{name}: duration shrank")
        span, grown = heard.grown_at - heard.at, self._ms(heard.total - heard.first_duration)
        if span >= _CLOCK_SPAN and not _CLOCK_SLOW * span <= grown / 1000 <= _CLOCK_FAST * span:
            self._note("dtmf.clock", f"{name}: grew by {grown:.0f} ms of a {self._clock} Hz clock in {span * 1000:.0f} ms")
        if heard.event > FLASH:
            self._note("dtmf.event-unknown", name)
        elif heard.event == FLASH:
            self._note("dtmf.flash", name)
        else:
            if heard.event >= code_of("A"):
                self._note("dtmf.letter", name)
            if milliseconds < _SHORT_MS and (heard.ends or not cut):
                self._note("dtmf.short", f"{name}: {milliseconds:.0f} ms")
            if milliseconds > _LONG_MS:
                self._note("dtmf.long", f"{name}: {milliseconds:.0f} ms")
            if heard.volume > _QUIETEST:
                self._note("dtmf.volume", f"{name}: -{heard.volume} dBm0")

    def _ms(self, units: int) -> float:
        return units * 1000 / self._clock

    def _note(self, code: str, text: str) -> None:
        count, first = self._seen.get(code, (0, text))
        self._seen[code] = (count + 1, first)


def _follows(sequence: int, other: int) -> bool:
    """Whether one sequence number is later than another, modulo 2**16."""
    return 0 < (sequence - other) & 0xFFFF < 0x8000


def _signed(difference: int) -> int:
    """A difference of two timestamps, modulo 2**32, as -2**31..2**31-1."""
    return (difference + 0x80000000 & 0xFFFFFFFF) - 0x80000000
