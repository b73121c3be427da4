"""What clients did while part of the trunk was down: which targets they tried, when, with what success, and whether they came back.

It is read off the journal: events say what was down and what reached it, calls say what became of INVITEs. At a port that is closed the
system answers, so that attempts there are seen by what follows elsewhere alone.
"""

from collections.abc import Iterable, Sequence

import msgspec

from emulator.journal.events import Event
from emulator.journal.journal import Journal
from emulator.scenario.likeness import By
from emulator.scenario.trail import Attempt, attempts
from emulator.trunk import regions

_STEPS = 60
"""Of one client that are told."""
_CLIENTS = 20
_LONG_GAP = 10.0
"""Seconds at a dead target after which a caller has hung up."""


_CERTIFICATES = {
    "tls expired": "has expired", "tls wrong-name": "is for another name", "tls unknown-ca": "comes from an unknown CA",
    "tls self-signed": "is self-signed",
}  # fmt: skip
_NOT_SEEN = "no client was seen meanwhile; at a port that is closed the system answers, and tells nobody"


class Outage(msgspec.Struct, omit_defaults=True):
    """`ended` is None while it lasts; both are Unix time in seconds. `by` is what is struck, for a fault that acts like an outage: where
    it is connections or names, requests over what was there before are not."""

    name: str
    how: str
    began: float
    ended: float | None
    transport: str = ""
    by: By = "messages"


class Step(msgspec.Struct, omit_defaults=True):
    """One attempt. `at` counts in seconds from the beginning of the first outage, `gap` from the attempt before it; `result` is a status
    or `no answer`; `down` says that the target was down then."""

    at: float
    gap: float
    what: str
    proxy: str
    transport: str
    result: str
    down: bool = False
    acknowledged: bool | None = None
    call: str | None = None


class Client(msgspec.Struct):
    """What one client, told by its address, did. None where there was nothing to see."""

    address: str
    steps: list[Step]
    steps_left_out: int
    tried: list[str]
    """Proxies for new calls, in the order in which they were first tried."""
    refusals: int
    """503 to INVITEs by what was down."""
    acknowledged: int
    calls_elsewhere: int
    """New calls at what was up, while something was down."""
    calls_moved: bool | None
    """Whether one of these was answered."""
    calls_kept: int
    """New calls that reached what was down all the same: over a connection or at an address that it had, or with a certificate that it
    should not have taken."""
    checks_moved: bool | None
    seconds_to_success: float | None
    """From its first attempt at what was down to the first call that was answered elsewhere."""
    longest_gap: float
    came_back: bool | None
    seconds_to_return: float | None
    """From up to its first request there."""
    fixes: list[str]


class Failover(msgspec.Struct):
    """The whole of it."""

    outages: list[Outage]
    clients: list[Client]


def failover(journal: Journal, since: float = 0.0) -> Failover | None:
    """What clients made of what was down after `since`, in Unix time; None when nothing was."""
    outages = _outages([event for event in journal.events() if event.time >= since])
    if not outages:
        return None
    faults = {event.fields["fault"]: event.fields["how"] for event in journal.events() if event.kind == "outage"}
    clients = list(attempts(journal, min(outage.began for outage in outages), faults).items())[:_CLIENTS]
    return Failover(outages, [_client(address, seen, outages) for address, seen in clients])


def latest(journal: Journal) -> tuple[float, int]:
    """When the newest outage began, in Unix time, with those that overlap it or are of the same fault; and how many there were before."""
    spans: dict[str, list[float]] = {}  # by fault: began, ended
    for event in journal.events():
        if event.kind in ("down", "outage"):
            spans.setdefault(event.fields["fault"], [event.time, 0.0])[1] = float("inf")
        elif event.kind in ("up", "outage.over") and event.fields["fault"] in spans:
            spans[event.fields["fault"]][1] = event.time
    newest_first = sorted(spans.values(), reverse=True)
    since = newest_first[0][0] if newest_first else 0.0
    for began, ended in newest_first:
        if ended >= since:
            since = min(since, began)
    return since, sum(began < since for began, _ in newest_first)


# -- what was down -------------------------------------------------------------------------------------------------


def _outages(events: Sequence[Event]) -> list[Outage]:
    begun: dict[str, list[Outage]] = {}
    found: list[Outage] = []
    for event in events:
        if event.kind in ("down", "outage"):
            fields = event.fields
            outage = Outage(
                fields["name"], fields["how"], event.time, None, fields.get("transport") or "", fields.get("by", "messages")
            )  # fmt: skip
            found.append(outage)
            begun.setdefault(fields["fault"], []).append(outage)
        elif event.kind in ("up", "outage.over"):
            for outage in begun.get(event.fields["fault"], ()):
                if outage.ended is None:
                    left = [proxy for proxy in _proxies(outage.name) if proxy not in _proxies(event.fields["name"])]
                    if left and event.fields["name"] != outage.name:  # some of its proxies are up, the others stay down
                        found.append(Outage(" ".join(left), outage.how, outage.began, None, outage.transport))
                        begun[event.fields["fault"]].append(found[-1])
                        outage.name = event.fields["name"]
                    outage.ended = event.time
                    break
    return found


def _proxies(name: str) -> tuple[str, ...]:
    return tuple(proxy for word in name.split() for proxy in regions.proxies_of(word))


# -- judging -------------------------------------------------------------------------------------------------------


def _client(address: str, seen: Sequence[Attempt], outages: Sequence[Outage]) -> Client:
    began = min(outage.began for outage in outages)
    over = max(outage.ended if outage.ended is not None else float("inf") for outage in outages)
    dead = {id(one) for one in seen if one.struck or _was_down(outages, one, "messages")}
    met = [one for one in seen if id(one) in dead]
    kept = {id(one) for one in seen if id(one) not in dead and _was_down(outages, one, "connections", "names")}
    meanwhile = [one for one in seen if one.time < over]
    calls = [one for one in meanwhile if one.what == "INVITE"]
    checks = [one for one in meanwhile if one.what == "OPTIONS"]
    elsewhere = [one for one in calls if id(one) not in dead | kept and _meanwhile(outages, one)]
    moved = [one for one in elsewhere if one.result == "200"]
    first = met[0].time if met else began
    success = next((one.time - first for one in moved if one.time >= first), None)
    refused = [one for one in met if one.what == "INVITE" and one.result == "503"]
    asked = any(one.time >= over for one in seen)  # whether it has done anything since: else it had no occasion to come back
    returned = _returned(seen, outages, over) if asked else None
    client = Client(
        address=address, steps=_steps(seen, dead, began), steps_left_out=max(0, len(seen) - _STEPS),
        tried=list(dict.fromkeys(one.proxy for one in calls)), refusals=len(refused),
        acknowledged=sum(bool(one.acknowledged) for one in refused),
        calls_elsewhere=len(elsewhere), calls_moved=bool(moved) if any(id(one) not in kept for one in calls) else None,
        calls_kept=sum(id(one) in kept for one in calls),
        checks_moved=any(id(one) not in dead for one in checks if id(one) not in kept) if checks else None,
        seconds_to_success=round(success, 3) if success is not None else None, longest_gap=_longest_gap(met, calls),
        came_back=returned is not None if asked and any(_proxies(outage.name) for outage in outages) else None,
        seconds_to_return=returned, fixes=[],
    )  # fmt: skip
    client.fixes = [*_fixes(client, met, outages), *_unverified(seen, kept, outages)]
    return client


def _was_down(outages: Iterable[Outage], one: Attempt, *by: By) -> bool:
    return any(
        outage.by in by
        and outage.began <= one.time < (outage.ended if outage.ended is not None else float("inf"))
        and one.proxy in _proxies(outage.name)
        and (not outage.transport or one.transport in outage.transport.split())
        for outage in outages
    )


def _meanwhile(outages: Iterable[Outage], one: Attempt) -> bool:
    """Whether something was down at that moment: a site that flaps is left only when it is down."""
    return any(outage.began <= one.time < (outage.ended if outage.ended is not None else float("inf")) for outage in outages)


def _steps(seen: Sequence[Attempt], dead: set[int], began: float) -> list[Step]:
    steps: list[Step] = []
    before = began
    for one in seen[:_STEPS]:
        at, gap = round(one.time - began, 3), round(one.time - before, 3)
        steps.append(Step(at, gap, one.what, one.proxy, one.transport, one.result, id(one) in dead, one.acknowledged, one.call))
        before = one.time
    return steps


def _longest_gap(met: Sequence[Attempt], calls: Sequence[Attempt]) -> float:
    """From an INVITE to a target that was down to the next one to another target: the longest of these times."""
    longest = 0.0
    for one in met:
        if one.what == "INVITE":
            then = next((other for other in calls if other.time > one.time and other.proxy != one.proxy), None)
            longest = max(longest, then.time - one.time if then is not None else 0.0)
    return round(longest, 3)


def _returned(seen: Sequence[Attempt], outages: Sequence[Outage], up: float) -> float | None:
    """How long after all of it was up something reached what had been down; None when nothing did."""
    affected = {proxy for outage in outages for proxy in _proxies(outage.name)}
    first = next((one.time for one in seen if one.time >= up and one.proxy in affected), None)
    return round(first - up, 3) if first is not None else None


def _unverified(seen: Sequence[Attempt], kept: set[int], outages: Iterable[Outage]) -> Iterable[str]:
    """What to change at a client whose calls came over TLS that it should not have taken."""
    for outage in outages:
        taken = 0
        for one in seen:
            if id(one) in kept and one.what == "INVITE" and one.transport == "TLS" and _was_down([outage], one, "connections"):
                # a connection that was there before has nothing to do with it
                taken += any(other.struck and other.proxy == one.proxy and other.time <= one.time for other in seen)
        if taken and outage.how in _CERTIFICATES:
            what = f"{taken} new call{'' if taken == 1 else 's'} went over TLS with a certificate that {_CERTIFICATES[outage.how]}"
            yield f"{what}: verify it, and take the next target when it is not good (RFC 5922 4)"


def _fixes(client: Client, met: Sequence[Attempt], outages: Sequence[Outage]) -> Iterable[str]:
    """What to change at the client."""
    closed = any(outage.how in ("refuse", "reset") for outage in outages)
    if not met and not closed:
        yield "nothing of it reached what was down: place a call, or a health check, while it is"
        return
    if client.calls_moved is None and client.checks_moved is None and not met:
        yield "nothing came while it was down: place a call then"
    if client.calls_moved is None and not client.calls_kept and any(one.what in ("connection", "query") for one in met):
        yield (
            "no INVITE came after its connections or queries: if a call was placed, take the next target when one can't be reached "
            "(RFC 3263 4.3)"
        )
    if client.calls_moved is False:
        if client.calls_elsewhere:
            yield "calls went to what was up, and none was answered there: see with `vsim calls` and `vsim show` what they lacked"
        elif client.refusals:
            yield "a 503 means the next target (RFC 3263 4.3): take the next SRV record, or the next trunk of the list, as after no answer"
        else:
            yield "no other target was tried: resolve the SRV records of sip-us.vonage.com (or eu, ap), or list both sites of the region"
    if client.longest_gap > _LONG_GAP:
        yield (
            f"a call stayed {client.longest_gap:.0f} s at a target that was down: shorten timer B or the connection timeout to some "
            "seconds, or check targets with OPTIONS and leave out those that don't answer"
        )
    if client.refusals > client.acknowledged:
        missing = client.refusals - client.acknowledged
        yield f"{missing} of {client.refusals} 503s had no ACK: each final response to an INVITE gets one (RFC 3261 17.1.1.3)"
    if client.came_back is False:
        yield "it has not come back: keep checking a target that failed, and use it again once it answers; Retry-After says when to look"


# -- telling -------------------------------------------------------------------------------------------------------


def lines(found: Failover, short: bool = False) -> list[str]:
    """The verdict for a person; in short without the attempts."""
    text: list[str] = []
    for outage in found.outages:
        lasted = f"for {outage.ended - outage.began:.1f} s" if outage.ended is not None else "and still is"
        text.append(f"{outage.name} was down by {outage.how}{' (' + outage.transport + ')' if outage.transport else ''} {lasted}")
    if not found.clients:
        closed = any(outage.how == "refuse" for outage in found.outages)
        text.append(_NOT_SEEN if closed else "no client did anything meanwhile")
    for client in found.clients:
        if short:
            text.append(f"{client.address}: " + "; ".join(_words(client)))
            text.extend(f"  fix: {fix}" for fix in client.fixes)
            continue
        text.append(f"{client.address}:")
        for step in client.steps:
            acked = {True: ", acknowledged", False: ", not acknowledged", None: ""}[step.acknowledged]
            what = f"{step.what} to {step.proxy}{' (down)' if step.down else ''} over {step.transport}: {step.result}{acked}"
            text.append(f"  {step.at:8.3f} s  {'+' + format(step.gap, '.3f'):>9}  {what}")
        if client.steps_left_out:
            text.append(f"  and {client.steps_left_out} more")
        text.append("  " + "; ".join(_words(client)))
        text.extend(f"  fix: {fix}" for fix in client.fixes)
    return text


def _words(client: Client) -> Iterable[str]:
    if client.calls_kept:
        yield f"{client.calls_kept} new call{'' if client.calls_kept == 1 else 's'} reached it all the same"
    if client.calls_moved is None:
        if not client.calls_kept:
            yield "no new call was placed"
    elif client.calls_moved:
        after = f" {client.seconds_to_success:.1f} s after the first attempt" if client.seconds_to_success is not None else ""
        yield f"new calls moved{after}"
    elif client.calls_elsewhere:
        yield "new calls went elsewhere, unanswered"
    else:
        yield "new calls did not move"
    if client.checks_moved is not None:
        yield "health checks reached others too" if client.checks_moved else "health checks did not move"
    if client.refusals:
        yield f"{client.acknowledged} of {client.refusals} 503s acknowledged"
    if client.came_back is not None:
        yield f"came back {client.seconds_to_return:.1f} s after it was up" if client.came_back else "has not come back"
