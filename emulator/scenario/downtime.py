"""What was down, and when, as the journal's events have it."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from functools import lru_cache

import msgspec

from emulator.journal.events import Event
from emulator.scenario.likeness import By
from emulator.scenario.trail import Attempt
from emulator.trunk import regions

FOREVER = float("inf")


class Outage(msgspec.Struct, omit_defaults=True):
    """`ended` is None while it lasts; both are Unix time in seconds. `by` is what is struck, for a fault that acts like an outage: where
    it is connections or names, requests over what was there before are not."""

    name: str
    how: str
    began: float
    ended: float | None
    transport: str = ""
    by: By = "messages"

    def holds(self, one: Attempt) -> bool:
        """Whether it is of that proxy and transport."""
        return one.proxy in proxies(self.name) and (not self.transport or one.transport in self.transport.split())


def latest(events: Iterable[Event]) -> tuple[float, int]:
    """When the newest outage began, in Unix time, with those that overlap it or are of the same fault; and how many there were before."""
    spans: dict[str, list[float]] = {}  # by fault: began, ended
    for event in events:
        if event.kind in ("down", "outage"):
            spans.setdefault(event.fields["fault"], [event.time, 0.0])[1] = FOREVER
        elif event.kind in ("up", "outage.over") and event.fields["fault"] in spans:
            spans[event.fields["fault"]][1] = event.time
    newest_first = sorted(spans.values(), reverse=True)
    since = newest_first[0][0] if newest_first else 0.0
    for began, ended in newest_first:
        if ended >= since:
            since = min(since, began)
    return since, sum(began < since for began, _ in newest_first)


def outages(events: Iterable[Event]) -> list[Outage]:
    """Each time that something was down, oldest first."""
    lasting: dict[str, list[Outage]] = {}  # by fault
    found: list[Outage] = []
    for event in events:
        fields = event.fields
        if event.kind in ("down", "outage"):
            outage = Outage(
                fields["name"], fields["how"], event.time, None, fields.get("transport") or "", fields.get("by", "messages")
            )  # fmt: skip
            found.append(outage)
            lasting.setdefault(fields["fault"], []).append(outage)
        elif event.kind in ("up", "outage.over") and lasting.get(fields["fault"]):
            outage = lasting[fields["fault"]].pop(0)
            left = [proxy for proxy in proxies(outage.name) if proxy not in proxies(fields["name"])]
            if left and fields["name"] != outage.name:  # some of its proxies are up, the others stay down
                found.append(Outage(" ".join(left), outage.how, outage.began, None, outage.transport))
                lasting[fields["fault"]].append(found[-1])
                outage.name = fields["name"]
            outage.ended = event.time
    return found


@lru_cache(maxsize=256)
def proxies(name: str) -> tuple[str, ...]:
    """Those of the places that are named, with blanks between."""
    return tuple(proxy for word in name.split() for proxy in regions.proxies_of(word))


class _Spans:
    """Spans of time, each up to its end and without it, made one where they overlap."""

    def __init__(self) -> None:
        self._began: list[float] = []
        self._ended: list[float] = []

    def add(self, began: float, ended: float) -> None:
        """In the order of their beginnings."""
        if self._ended and began <= self._ended[-1]:
            self._ended[-1] = max(self._ended[-1], ended)
        else:
            self._began.append(began)
            self._ended.append(ended)

    def hold(self, time: float) -> bool:
        at = bisect_right(self._began, time) - 1
        return at >= 0 and time < self._ended[at]


class Downtime:
    """Looked up by attempt: there may be thousands of outages, where something flaps, and as many attempts."""

    def __init__(self, found: Sequence[Outage]) -> None:
        self.outages = found
        self.began = min(outage.began for outage in found)
        self.ended = max(outage.ended if outage.ended is not None else FOREVER for outage in found)
        self.proxies = frozenset(proxy for outage in found for proxy in proxies(outage.name))
        self._any = _Spans()
        self._of: dict[tuple[By, str, str], _Spans] = {}
        for outage in sorted(found, key=lambda outage: outage.began):
            span = (outage.began, outage.ended if outage.ended is not None else FOREVER)
            self._any.add(*span)
            for proxy in proxies(outage.name):
                for transport in outage.transport.split() or ("",):
                    self._of.setdefault((outage.by, proxy, transport), _Spans()).add(*span)

    def met(self, one: Attempt, *by: By) -> bool:
        """Whether what was tried was down then, in one of these ways."""
        kinds = ((how, one.proxy, transport) for how in by for transport in ("", one.transport))
        return any(kind in self._of and self._of[kind].hold(one.time) for kind in kinds)

    def lasted(self, time: float) -> bool:
        """Whether anything was down at that moment: a site that flaps is left only when it is down."""
        return self._any.hold(time)
