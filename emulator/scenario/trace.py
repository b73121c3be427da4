"""What happened in a scenario, without times and addresses: two runs of one seed have the same trace.

Events of one call stand together, for how those of two calls interleave is up to the machine that runs them. What belongs to no call
stands there once, for how often it comes depends on how long things take.
"""

from collections.abc import Iterable

from emulator.journal.events import Event
from emulator.scenario.verdict import Verdict

_STABLE = (
    "proxy",
    "transport",
    "status",
    "caller",
    "called",
    "codec",
    "by",
    "digit",
    "digits",
    "name",
    "how",
    "method",
    "account",
    "fault",
)
"""Fields that do not depend on when and where."""
_UNSTABLE = frozenset({"options", "register", "dns.query", "down.connection", "suppressed", "ready", "stopping"})
"""Kinds that come when a clock says so: the device's, or the machine's."""
_OWN = "scenario."


def trace(verdicts: Iterable[Verdict], events: Iterable[Event]) -> list[str]:
    """A line for each step, and one for each event."""
    lines = [f"{verdict.where} {verdict.step}: {verdict.outcome}" for verdict in verdicts]
    groups: dict[str | None, list[str]] = {None: []}
    order: dict[str, int] = {}
    for event in events:
        if event.kind.startswith(_OWN) or event.kind in _UNSTABLE:
            continue
        if event.call is not None:
            order.setdefault(event.call, len(order) + 1)
        told, line = groups.setdefault(event.call, []), _line(event)
        if event.call is not None or line not in told:
            told.append(line)
    for call, told in groups.items():
        lines += [f"call {order[call]} {line}" if call is not None else line for line in told]
    return lines


def _line(event: Event) -> str:
    told = [f"{name}={event.fields[name]}" for name in _STABLE if event.fields.get(name) not in (None, "")]
    finding = event.fields.get("finding")
    if finding:
        told.append(f"finding={str(finding).partition(':')[0]}")
    return " ".join([event.kind, *told])
