"""What clients did, attempt by attempt, as the journal has it: INVITEs with what became of them, health checks, registrations, and what
reached proxies that were down, or was struck by a fault that acts like that."""

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from itertools import islice

from emulator.journal.events import Event
from emulator.journal.journal import Journal
from emulator.journal.record import CallRecord
from emulator.sip.message import Malformed, Request, Response, parse

NO_ANSWER = "no answer"
_UNFINISHED = (NO_ANSWER, "401", "407")
_A_WHILE = 200
"""Attempts."""
_COPIES = 32.0
"""Seconds within which the same request at the same proxy is a copy: timer B of RFC 3261."""


class Attempt:
    """`time` is Unix time, `client` an address without its port, `result` a status or `no answer`."""

    __slots__ = ("acknowledged", "call", "call_id", "client", "proxy", "result", "struck", "time", "transport", "what")

    def __init__(self, time: float, client: str, what: str, proxy: str, transport: str, result: str, call_id: str = "") -> None:
        self.time = time
        self.client = client
        self.what = what
        """A method, `connection`, or `query`: then `proxy` is the name that was asked for."""
        self.proxy = proxy
        self.transport = transport
        self.result = result
        self.call_id = call_id
        self.acknowledged: bool | None = None
        """Whether a refused INVITE got its ACK; None for anything else."""
        self.call: str | None = None
        """The journal's number of the call."""
        self.struck = False
        """It met what was down, whatever became of it."""


def attempts(journal: Journal, since: float, faults: Mapping[str, str] | None = None) -> Generator[None, None, dict[str, list[Attempt]]]:
    """By client, oldest first, from `since` on, in Unix time. Attempts to connect that nobody signed are the only client's, when there is
    one; else `unknown`'s, and so are queries. `faults` that act like outages are told by their ids, with how they do. It stops now and
    then, for whoever wants to do something else meanwhile."""
    events = [event for event in journal.events() if event.time >= since]
    seen: list[Attempt] = []
    for record in list(journal.calls())[::-1]:
        seen.extend(_from_call(record, since))
        yield
    for some in (_from_events(events), _from_hits(events, faults or {})):
        while few := list(islice(some, _A_WHILE)):
            seen.extend(few)
            yield
    once = _once(seen)
    yield
    once.sort(key=lambda one: one.time)
    yield
    clients: dict[str, list[Attempt]] = {}
    for one in once:
        clients.setdefault(one.client, []).append(one)
    unknown = clients.pop("", [])
    if unknown and len(clients) == 1:
        (own,) = clients.values()
        own[:] = sorted([*own, *unknown], key=lambda one: one.time)
    elif unknown:
        clients["unknown"] = unknown
    yield
    return clients


def _from_call(record: CallRecord, since: float) -> Iterator[Attempt]:
    """The INVITEs of a call from a client, each with its final answer. A challenge and what answers it are one attempt."""
    if record.direction != "outbound" or not record.messages:
        return
    offset = record.started - record.messages[0][0]  # from the monotonic clock to Unix time
    last: Attempt | None = None
    for seconds, incoming, proxy, data, _ in record.messages:
        time = seconds + offset
        if time < since:
            continue
        if incoming and data.startswith(b"INVITE "):
            invite = _parsed(data)
            if isinstance(invite, Request) and not invite.to_tag:
                if last is None or last.proxy != proxy or last.result not in _UNFINISHED:
                    if last is not None:
                        yield last
                    last = Attempt(time, _host(record.peer), "INVITE", proxy, record.transport, NO_ANSWER, record.call_id)
                    last.call = record.id
        elif last is None:
            continue
        elif incoming and data.startswith(b"ACK ") and last.acknowledged is False:
            last.acknowledged = _parsed(data) is not None
        elif not incoming and data.startswith(b"SIP/2.0 ") and not data.startswith(b"SIP/2.0 1") and last.result in _UNFINISHED:
            answer = _parsed(data)
            if isinstance(answer, Response) and answer.cseq.method == "INVITE":
                last.result = str(answer.status)
                last.acknowledged = False if answer.status >= 300 else None
    if last is not None:
        yield last


def _parsed(data: bytes) -> Request | Response | None:
    try:
        return parse(data)
    except Malformed:
        return None


def _from_events(events: Iterable[Event]) -> Iterator[Attempt]:
    for event in events:
        fields = event.fields
        if event.kind == "down.request":
            result = str(fields["status"]) if fields.get("status") else NO_ANSWER
            yield Attempt(
                event.time, _host(fields["peer"]), fields["method"], fields["proxy"], fields["transport"], result, fields["call_id"]
            )
        elif event.kind == "down.connection":
            client = _host(fields["peer"]) if fields.get("peer") else ""
            yield _struck(Attempt(event.time, client, "connection", fields["proxy"], fields["transport"], "reset" if client else NO_ANSWER))
        elif event.kind == "options":
            yield Attempt(event.time, _host(fields["peer"]), "OPTIONS", fields["proxy"], fields["transport"], str(fields["status"]))
        elif event.kind == "register":
            yield Attempt(event.time, _host(fields["peer"]), "REGISTER", fields["proxy"], fields["transport"], "200")


def _from_hits(events: Iterable[Event], faults: Mapping[str, str]) -> Iterator[Attempt]:
    """Requests, connections and queries that these faults have struck, copies of requests left out."""
    first: dict[tuple[str, ...], float] = {}
    for event in events:
        fields = event.fields
        if event.kind != "fault.hit" or fields["fault"] not in faults:
            continue
        how, message, transport = faults[fields["fault"]], fields.get("message"), fields["transport"]
        if fields.get("name"):
            yield _struck(Attempt(event.time, "", "query", fields["name"], transport, how.removeprefix("dns ")))
        elif message is None:
            yield _struck(Attempt(event.time, _host(fields["peer"]), "connection", fields["proxy"], transport, how))
        elif fields["direction"] == "in" and message.isalpha() and message not in ("ACK", "CANCEL"):
            copies = (fields["call_id"], message, fields["proxy"], transport)
            if event.time - first.get(copies, -_COPIES) >= _COPIES:
                first[copies] = event.time
                result = "503" if how.startswith("refuse") else "reset" if how.startswith("reset") else NO_ANSWER
                yield Attempt(event.time, _host(fields["peer"]), message, fields["proxy"], transport, result, fields["call_id"])


def _struck(attempt: Attempt) -> Attempt:
    attempt.struck = True
    return attempt


def _once(seen: Sequence[Attempt]) -> list[Attempt]:
    """Without what an event says of an INVITE that a call has too."""
    calls = {(one.call_id, one.proxy) for one in seen if one.call is not None}
    return [one for one in seen if one.call is not None or one.what != "INVITE" or (one.call_id, one.proxy) not in calls]


def _host(peer: str) -> str:
    return peer.rpartition(":")[0].strip("[]")
