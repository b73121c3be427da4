"""Telephone-events to send (RFC 4733 2.5.1): the packets of one digit, right or with one fault, and digits written as a string."""

from collections.abc import Iterator
from enum import Enum
from typing import NamedTuple

from emulator.media.telephone_event import NAMES, Event, code_of

PAUSE = 0.5
"""Seconds that a comma in a string of digits stands for."""

_LONGEST = 0xFFFF  # timestamp units in one segment (2.5.1.3)
_COPIES = 3  # of the final packet of each segment (2.5.1.4)
_DIGITS = frozenset(name for name in NAMES if len(name) == 1)


class Quirk(Enum):
    """A fault that senders are known to have."""

    NO_MARKER = "no marker on the first packet"
    LOST_END = "none of the end packets"  # of a digit no longer than one packet nothing is sent
    ONE_PACKET = "a single packet, with the end bit, once the digit is over"
    WRONG_CLOCK = "durations and timestamps counted at twice the agreed clock"


class Packet(NamedTuple):
    """One packet to send `delay` seconds after the event's beginning."""

    delay: float
    marker: bool
    timestamp: int
    payload: bytes


def rate(clock: int, quirk: Quirk | None = None) -> int:
    """The timestamp units a second that a sender counts in; who sends several digits advances their timestamps by it."""
    return 2 * clock if quirk is Quirk.WRONG_CLOCK else clock


def send(
    digit: str, timestamp: int, duration: float = 0.1, clock: int = 8000, ptime: float = 0.02, volume: int = 10, quirk: Quirk | None = None
) -> Iterator[Packet]:
    """The packets of one event that begins at `timestamp` and lasts `duration` seconds, one each `ptime` seconds, in order of sending.

    `digit` is a name of `code_of`, `clock` the event format's rate in Hz, `volume` -dBm0. Raises `ValueError` for what can't be sent.
    """
    event = Event(code_of(digit), False, volume, 0)
    event.pack()
    units = rate(clock, quirk)
    if round(duration * units) < 1 or round(ptime * units) < 1:
        raise ValueError(f"a duration of {duration} s in packets of {ptime} s at {clock} Hz")
    return _packets(event, timestamp, round(duration * units), units, ptime, quirk)


def _packets(event: Event, timestamp: int, total: int, units: int, ptime: float, quirk: Quirk | None) -> Iterator[Packet]:
    def report(delay: float, segment: int, duration: int, end: bool = False, marker: bool = False) -> Packet:
        payload = Event(event.event, end, event.volume, duration).pack()
        return Packet(delay, marker, (timestamp + segment) & 0xFFFFFFFF, payload)

    if quirk is Quirk.ONE_PACKET:
        yield report(total / units, 0, min(total, _LONGEST), end=True, marker=True)
        return
    segment = 0  # where the newest one begins, in units from the event's beginning
    full = copies = 0  # copies still to send of the packet that ended the segment before
    count = ends = 0
    while ends < _COPIES:
        delay = count * ptime
        lasted = min(total, round((count + 1) * ptime * units))
        marker = count == 0 and quirk is not Quirk.NO_MARKER
        if copies:
            yield report(delay, full, _LONGEST)
            copies -= 1
        while lasted - segment > _LONGEST:
            yield report(delay, segment, _LONGEST, marker=marker)
            marker = False
            full, copies = segment, _COPIES - 1
            segment += _LONGEST
        end = lasted == total
        if not (end and quirk is Quirk.LOST_END):
            yield report(delay, segment, lasted - segment, end, marker)
        ends += end
        count += 1


def parse_digits(text: str) -> list[str | float]:
    """'12,34#' as ['1', '2', 0.5, '3', '4', '#']: the names of the digits and pauses in seconds; small letters are taken.

    Raises `ValueError` that names position, counted from 1, and character of what is neither.
    """
    found: list[str | float] = []
    for position, character in enumerate(text, 1):
        if character == ",":
            found.append(PAUSE)
        elif character.upper() in _DIGITS:
            found.append(character.upper())
        else:
            raise ValueError(f"position {position}: {character!r} is none of 0-9 * # A-D and the comma")
    return found
