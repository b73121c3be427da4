"""An event: something happened that a person or a program beside the emulator may want to know at once."""

import json
import time
from functools import lru_cache
from typing import Any

from emulator.journal.findings import printable

_LONGEST = 300
"""Characters of a value that are shown."""

KINDS = frozenset(
    (
        "call.answered", "call.attempt", "call.attempt-ended", "call.cancelled", "call.codec-changed", "call.digit", "call.ended",
        "call.held", "call.magic", "call.not-repeated", "call.refreshed", "call.refused", "call.resumed", "call.ringing", "call.started",
        "callback.failed", "callback.sent", "dns.query", "down", "down.connection", "down.request", "error", "fault.added", "fault.hit",
        "fault.over", "fault.removed", "finding", "media.silence", "options", "outage", "outage.over", "ready", "register",
        "scenario.command", "scenario.ended", "scenario.failed", "scenario.started", "stopping", "suppressed", "tls.client", "tls.refused",
        "tls.server", "up", "up.failed",
    )
)  # fmt: skip
"""All that there are, for who writes one by hand."""


class Event:
    """`id` counts from 1, `time` is Unix time in seconds, `call` the journal's number of the call or None."""

    __slots__ = ("call", "fields", "id", "kind", "time")

    def __init__(self, id: int, time: float, kind: str, call: str | None, fields: dict[str, Any]) -> None:
        self.id = id
        self.time = time
        self.kind = kind
        self.call = call
        self.fields = fields

    def as_dict(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "time": round(self.time, 6),
            "kind": self.kind,
            "call": self.call,
            **self.fields,
        }

    def as_json(self) -> str:
        return json.dumps(self.as_dict(), separators=(",", ":"), default=str)


def line(event: Event) -> str:
    """An event as one line for a person: local time, kind, call, fields; nothing in it can move a terminal."""
    return describe(event.time, event.kind, event.call, event.fields)


def describe(when: float, kind: str, call: str | None, fields: dict[str, Any]) -> str:
    """The same from an event's parts, as the control API gives them."""
    second = int(when)
    number = f"#{call}" if call else ""
    shown = "  ".join([f"{name}={value}" for name, value in fields.items() if value is not None and value != ""])
    if len(shown) > _LONGEST or not shown.isprintable():
        given = ((name, value) for name, value in fields.items() if value is not None and value != "")
        shown = "  ".join(f"{name}={printable(str(value), _LONGEST)}" for name, value in given)
    milliseconds = str(int((when - second) * 1000)).zfill(3)
    return f"{_clock(second)}.{milliseconds}  {kind.ljust(14)}  {number.ljust(6)}  {shown}".rstrip()


@lru_cache(maxsize=8)
def _clock(second: int) -> str:
    return time.strftime("%H:%M:%S", time.localtime(second))
