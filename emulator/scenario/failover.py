"""What clients did while part of the trunk was down: which targets they tried, when, with what success, and whether they came back.

It is read off the journal: events say what was down and what reached it, calls say what became of INVITEs. At a port that is closed the
system answers, so that attempts there are seen by what follows elsewhere alone.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Generator, Iterable, Sequence
from itertools import islice

import msgspec

from emulator.counting import counted
from emulator.journal.journal import Journal
from emulator.scenario.downtime import Downtime, Outage, outages
from emulator.scenario.trail import Attempt, attempts

_STEPS = 60
"""Of one client that are told."""
_CLIENTS = 20
_A_WHILE = 200
"""Attempts."""
_LONG_GAP = 10.0
"""Seconds at a dead target after which a caller has hung up."""


_CERTIFICATES = {
    "tls expired": "has expired", "tls wrong-name": "is for another name", "tls unknown-ca": "comes from an unknown CA",
    "tls self-signed": "is self-signed",
}  # fmt: skip
_NOT_SEEN = "no client was seen meanwhile; at a port that is closed the system answers, and tells nobody"


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
    met: int
    """Requests of it that what was down had, and did not serve."""
    calls_moved: bool | None
    """Whether one of these was answered."""
    calls_kept: int
    """New calls that reached what was down all the same: over a connection or at an address that it had, or with a certificate that it
    should not have taken."""
    checks_moved: bool | None
    seconds_to_success: float | None
    """From its first attempt at what was down to the first call that was answered elsewhere; where no attempt was seen, from the beginning
    of the outage."""
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
    """`judging`, all at once."""
    work = judging(journal, since)
    while True:
        try:
            next(work)
        except StopIteration as done:
            found: Failover | None = done.value
            return found


def judging(journal: Journal, since: float = 0.0) -> Generator[None, None, Failover | None]:
    """What clients made of what was down after `since`, in Unix time; None when nothing was. A full journal takes a second to read: it
    stops now and then, for whoever wants to do something else meanwhile."""
    events = journal.events()
    found = outages(event for event in events if event.time >= since)
    if not found:
        return None
    yield
    down = Downtime(found)
    yield
    faults = {event.fields["fault"]: event.fields["how"] for event in events if event.kind == "outage"}
    seen = yield from attempts(journal, down.began, faults)
    clients: list[Client] = []
    for address, theirs in islice(seen.items(), _CLIENTS):
        clients.append((yield from _client(address, theirs, down)))
    return Failover(found, clients)


# -- judging -------------------------------------------------------------------------------------------------------


def _client(address: str, seen: Sequence[Attempt], down: Downtime) -> Generator[None, None, Client]:
    dead, kept = set[int](), set[int]()
    for count, one in enumerate(seen):
        if one.struck or down.met(one, "messages"):
            dead.add(id(one))
        elif down.met(one, "connections", "names"):
            kept.add(id(one))
        if count % _A_WHILE == 0:
            yield
    met = [one for one in seen if id(one) in dead]
    meanwhile = [one for one in seen if one.time < down.ended]
    yield
    calls = [one for one in meanwhile if one.what == "INVITE"]
    checks = [one for one in meanwhile if one.what == "OPTIONS"]
    yield
    elsewhere = [one for one in calls if id(one) not in dead and id(one) not in kept and down.lasted(one.time)]
    moved = [one for one in elsewhere if one.result == "200"]
    yield
    first = met[0].time if met else down.began
    success = next((one.time - first for one in moved if one.time >= first), None)
    refused = [one for one in met if one.what == "INVITE" and one.result == "503"]
    asked = bool(seen) and seen[-1].time >= down.ended  # whether it has done anything since: else it had no occasion to come back
    returned = _returned(seen, down) if asked else None
    gap = _longest_gap(met, calls)
    yield
    client = Client(
        address=address, steps=_steps(seen, dead, down.began), steps_left_out=max(0, len(seen) - _STEPS),
        tried=list(dict.fromkeys(one.proxy for one in calls)), refusals=len(refused),
        acknowledged=sum(bool(one.acknowledged) for one in refused), met=len(met),
        calls_elsewhere=len(elsewhere), calls_moved=bool(moved) if any(id(one) not in kept for one in calls) else None,
        calls_kept=sum(id(one) in kept for one in calls),
        checks_moved=any(id(one) not in dead for one in checks if id(one) not in kept) if checks else None,
        seconds_to_success=round(success, 3) if success is not None else None, longest_gap=gap,
        came_back=returned is not None if asked and down.proxies else None,
        seconds_to_return=returned, fixes=[],
    )  # fmt: skip
    yield
    client.fixes = [*_fixes(client, met, down.outages), *_unverified(seen, kept, down.outages)]
    yield
    return client


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
    times = [one.time for one in calls]
    elsewhere: list[int] = [0] * len(calls)  # by call: the next one to another target than its own
    for at in reversed(range(len(calls))):
        following = at + 1
        same = following < len(calls) and calls[following].proxy == calls[at].proxy
        elsewhere[at] = elsewhere[following] if same else following
    longest = 0.0
    for one in met:
        if one.what == "INVITE":
            at = bisect_right(times, one.time)
            if at < len(calls) and calls[at].proxy == one.proxy:
                at = elsewhere[at]
            longest = max(longest, calls[at].time - one.time if at < len(calls) else 0.0)
    return round(longest, 3)


def _returned(seen: Sequence[Attempt], down: Downtime) -> float | None:
    """How long after all of it was up something reached what had been down; None when nothing did."""
    first = next((one.time for one in seen if one.time >= down.ended and one.proxy in down.proxies), None)
    return round(first - down.ended, 3) if first is not None else None


def _unverified(seen: Sequence[Attempt], kept: set[int], found: Iterable[Outage]) -> Iterable[str]:
    """What to change at a client whose calls came over TLS that it should not have taken."""
    struck: set[str] = set()
    taken: list[Attempt] = []
    for one in seen:
        if one.struck:
            struck.add(one.proxy)  # a connection that was there before has nothing to do with it
        if id(one) in kept and one.what == "INVITE" and one.transport == "TLS" and one.proxy in struck:
            taken.append(one)
    for outage in found:
        if outage.how in _CERTIFICATES and outage.by == "connections":
            began = bisect_left(taken, outage.began, key=_time)
            ended = bisect_left(taken, outage.ended, key=_time) if outage.ended is not None else len(taken)
            count = sum(map(outage.holds, taken[began:ended]))
            if count:
                what = f"{counted(count, 'new call')} went over TLS with a certificate that {_CERTIFICATES[outage.how]}"
                yield f"{what}: verify it, and take the next target when it is not good (RFC 5922 4)"


def _time(one: Attempt) -> float:
    return one.time


def _fixes(client: Client, met: Sequence[Attempt], found: Sequence[Outage]) -> Iterable[str]:
    """What to change at the client."""
    closed = any(outage.how in ("refuse", "reset") for outage in found)
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
        elif len(client.tried) > 1:
            tried = ", ".join(client.tried)
            yield f"each target that was tried was down ({tried}): go on to the next one sooner, and list both sites of the region"
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
        yield f"{counted(client.calls_kept, 'new call')} reached it all the same"
    if client.calls_moved is None:
        if not client.calls_kept:
            yield "no new call was placed"
    elif client.calls_moved:
        seconds = client.seconds_to_success
        if client.met:
            yield "new calls moved" + (f" {seconds:.1f} s after the first attempt" if seconds is not None else "")
        else:  # a closed port tells nobody, and a client may have known already
            yield "new calls were answered elsewhere" + (f", {seconds:.1f} s after it went down" if seconds is not None else "")
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
