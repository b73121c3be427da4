"""Telephone-events (RFC 4733 2.3): the payload as values and back, and the names of events."""

import struct
from dataclasses import dataclass, field

EVENT = struct.Struct("!BBH")
"""Event, E/R/volume, duration (RFC 4733 2.3)."""

NAMES = ("0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "*", "#", "A", "B", "C", "D", "flash")
"""By event code (RFC 4733 3.2; 16 was flash in RFC 2833 3.10 and still is in use)."""
FLASH = 16

_END, _RESERVED, _VOLUME = 0x80, 0x40, 0x3F


class DtmfError(ValueError):
    """Octets that are no telephone-event."""


@dataclass(slots=True)
class Event:
    """One event report. `volume` is 0..63 in -dBm0, `duration` 0..65535 in timestamp units.

    `reserved` is the R bit, which senders must clear and receivers ignore; `more` counts the octets behind this report.
    """

    event: int
    end: bool
    volume: int
    duration: int
    reserved: bool = False
    more: int = field(default=0, compare=False)

    def pack(self) -> bytes:
        """The four octets; `struct.error` or `ValueError` when a field is out of its range."""
        if not 0 <= self.volume <= _VOLUME:
            raise ValueError(f"volume {self.volume} is not in 0..63")
        return EVENT.pack(self.event, self.end * _END | self.reserved * _RESERVED | self.volume, self.duration)


def parse(payload: bytes | memoryview) -> Event:
    """The first report of a payload (2.5.1.5 allows several); raises `DtmfError` for fewer than four octets."""
    if len(payload) < EVENT.size:
        raise DtmfError(f"{len(payload)} octets, not {EVENT.size}")
    event, flags, duration = EVENT.unpack_from(payload)
    return Event(event, bool(flags & _END), flags & _VOLUME, duration, bool(flags & _RESERVED), len(payload) - EVENT.size)


def name_of(code: int) -> str:
    """'5', '#', 'A', 'flash' or 'event 37'."""
    return NAMES[code] if code < len(NAMES) else f"event {code}"


def code_of(name: str) -> int:
    """The event code of a name as `name_of` writes it; raises `ValueError` for any other."""
    code = _CODES.get(name)
    if code is None:
        raise ValueError(f"{name!r} is no telephone-event")
    return code


_CODES = {name_of(code): code for code in range(256)}
