"""Whether requests, questions to the name server, events and findings have come as expected."""

from collections.abc import Iterable, Iterator

from emulator.journal.events import Event
from emulator.journal.findings import CATALOGUE, printable
from emulator.journal.record import CallRecord
from emulator.scenario.matches import AnswerMatch, DnsMatch, EventMatch, FindingMatch, OptionsMatch, RegisterMatch, RequestMatch
from emulator.scenario.terms import matches, number_fits, status_fits
from emulator.scenario.witness import Answer, Heard
from emulator.scenario.world import Moment, Outlook, World, header_mismatch, how_many, named, shown, the_last, unique
from emulator.sip.headers import HeaderError, parse_credentials

_REGISTERED = ("2xx",)


class RequestWatch:
    """OPTIONS, REGISTER, or any request, after moment `since`."""

    timed = False

    def __init__(self, world: World, match: OptionsMatch | RegisterMatch | RequestMatch, count: int, since: Moment) -> None:
        self._world = world
        self._match = match
        self._count = count
        self._since = since
        self._status = match.status
        if isinstance(match, OptionsMatch):
            self._method: str | None = "OPTIONS"
        elif isinstance(match, RegisterMatch):
            self._method, self._status = "REGISTER", match.status or _REGISTERED
        else:
            self._method = match.method

    def look(self) -> Outlook:
        met: list[Heard] = []
        missed: list[str] = []
        for heard in self._world.witness.requests_since(self._since.number):
            if self._method is not None and not matches(self._method, heard.request.method):
                continue
            why = self._mismatch(heard)
            if why is None:
                met.append(heard)
            else:
                missed.append(why)
        if len(met) >= self._count:
            last = met[self._count - 1]
            return Outlook(True, came=the_last(self._count, _told(last)), calls=tuple(unique(map(self._id, met))), number=last.number)
        came = how_many(len(met) + len(missed), self._method or "request")
        if missed:
            came += ": " + shown(missed)
        if met:
            came += f"; {len(met)} of {self._count} as expected"
        return Outlook(came=came)

    def _id(self, heard: Heard) -> str | None:
        record = self._world.journal.find(heard.request.call_id)
        return record.id if record is not None else None

    def _mismatch(self, heard: Heard) -> str | None:
        match, request = self._match, heard.request
        if match.somewhere and heard.proxy not in match.proxies:
            return f"at {heard.proxy}"
        if match.transport and heard.transport not in match.transport:
            return f"over {heard.transport}"
        if isinstance(match, OptionsMatch | RequestMatch) and match.peer is not None and not matches(match.peer, heard.peer):
            return f"from {heard.peer}"
        if isinstance(match, RegisterMatch) and match.account is not None and not matches(match.account, username(heard)):
            return f"by {username(heard) or 'nobody'}"
        if isinstance(match, RequestMatch) and (why := self._content(match, heard)) is not None:
            return why
        if self._status and not any(status_fits(wanted, heard.answer) for wanted in self._status):
            return f"{request.method} answered {heard.answer or 'nothing yet'}"
        return None

    def _content(self, match: RequestMatch, heard: Heard) -> str | None:
        """What only an expected request can ask for."""
        request = heard.request
        if match.call is not None:
            record = self._world.call(match.call)
            if request.call_id not in call_ids(record):
                return f"{request.method} of another call"
        number, host = named(request)
        if match.to is not None and not number_fits(match.to, number):
            return f"to {number or 'nobody'}"
        if match.host is not None and not matches(match.host, host):
            return f"for {host}"
        if (why := header_mismatch(request, match.headers.items())) is not None:
            return why
        if match.body is not None and not matches(match.body, request.body.decode("utf-8", "replace")):
            return f"with {'another' if request.body else 'no'} body"
        return None


class AnswerWatch:
    """Answers of the device's to the trunk's requests, after moment `since`."""

    timed = False

    def __init__(self, world: World, match: AnswerMatch, count: int, since: Moment) -> None:
        self._world = world
        self._match = match
        self._count = count
        self._since = since

    def look(self) -> Outlook:
        method = self._match.method
        met: list[Answer] = []
        missed: list[str] = []
        for answer in self._world.witness.answers_since(self._since.number):
            if (method is not None and not matches(method, answer.method)) or (answer.status < 200 and not self._match.status):
                continue
            why = self._mismatch(answer)
            if why is None:
                met.append(answer)
            else:
                missed.append(f"{answer.status} to {printable(answer.method, 20)} {why}")
        if len(met) >= self._count:
            last = met[self._count - 1]
            record = self._world.journal.find(last.call_id)
            came = f"{last.status} to {printable(last.method, 20)} at {last.proxy} over {last.transport}"
            return Outlook(True, came=came, calls=(record.id,) if record is not None else (), number=last.number)
        came = how_many(len(met) + len(missed), "answer")
        if missed:
            came += ": " + shown(missed)
        if met:
            came += f"; {len(met)} of {self._count} as expected"
        return Outlook(came=came)

    def _mismatch(self, answer: Answer) -> str | None:
        match = self._match
        if match.call is not None and answer.call_id not in call_ids(self._world.call(match.call)):
            return "in another call"
        if match.transport and answer.transport not in match.transport:
            return f"over {answer.transport}"
        if match.peer is not None and not matches(match.peer, answer.peer):
            return f"from {answer.peer}"
        wrong_status = bool(match.status) and not any(status_fits(wanted, answer.status) for wanted in match.status)
        if wrong_status or (match.somewhere and answer.proxy not in match.proxies):
            return f"at {answer.proxy}"
        return None


def _told(heard: Heard) -> str:
    answer = f", {heard.answer}" if heard.answer is not None else ""
    return f"{printable(heard.request.method, 20)} at {heard.proxy} over {heard.transport}{answer}"


def username(heard: Heard) -> str:
    """The digest username in a request; empty where it has none."""
    for name in ("authorization", "proxy-authorization"):
        value = heard.request.get(name)
        if value is not None:
            try:
                return parse_credentials(value)[1].get("username", "")
            except HeaderError:
                continue
    return ""


def call_ids(record: CallRecord) -> tuple[str, ...]:
    """Every Call-ID of a call: each attempt to bring one to a customer may have its own."""
    return (record.call_id, *getattr(record, "further", ()))


class EventWatch:
    """Events after moment `since`."""

    timed = False

    def __init__(self, world: World, match: EventMatch | DnsMatch, count: int, since: Moment) -> None:
        self._world = world
        self._match = match
        self._count = count
        self._since = since
        if isinstance(match, DnsMatch):
            self._kind = "dns.query"
            said = {"name": match.name, "type": match.type, "answer": match.answer}
            self._fields = {name: value for name, value in said.items() if value is not None}
        else:
            self._kind, self._fields = match.kind, dict(match.fields)

    def look(self) -> Outlook:
        met: list[Event] = []
        missed: list[str] = []
        last = 0
        for noted in self._world.witness.events_since(self._since.number):
            event = noted.event
            if not matches(self._kind, event.kind):
                continue
            why = self._mismatch(event)
            if why is not None:
                missed.append(why)
            elif len(met) < self._count:
                met.append(event)
                last = noted.number
        calls = tuple(unique(event.call for event in met))
        if len(met) >= self._count:
            return Outlook(True, came=the_last(self._count, _event_in_words(met[-1])), calls=calls, number=last)
        what = "question" if self._kind == "dns.query" else f"event {self._kind}"
        came = how_many(len(met) + len(missed), what)
        return Outlook(came=came + (": " + shown(missed) if missed else ""), calls=calls)

    def _mismatch(self, event: Event) -> str | None:
        match = self._match
        if isinstance(match, EventMatch) and match.call is not None and event.call != self._world.call(match.call).id:
            return f"of call #{event.call}" if event.call else "of no call"
        for name, pattern in self._fields.items():
            value = event.fields.get(name)
            if value is None or not matches(pattern, str(value)):
                return f"{name} {printable(str(value), 80)}" if value is not None else f"without {name}"
        return None


def _event_in_words(event: Event) -> str:
    told = {name: str(value).partition("; the trunk wants")[0] for name, value in event.fields.items() if value not in (None, "")}
    fields = " ".join(f"{name}={printable(value, 60)}" for name, value in told.items())
    return f"{event.kind}{f' #{event.call}' if event.call else ''} {fields}".rstrip()


class FindingWatch:
    """Findings: those told of since moment `since`, and those of the calls that were up since then, media included."""

    timed = True

    def __init__(self, world: World, match: FindingMatch, count: int, since: Moment) -> None:
        self._world = world
        self._match = match
        self._count = count
        self._since = since

    def look(self) -> Outlook:
        match = self._match
        others: list[str] = []
        met: list[tuple[str | None, str]] = []
        for call, code, seen in dict.fromkeys(self._found()):
            severity = CATALOGUE[code].severity
            fits = (match.code is None or matches(match.code, code)) and (match.seen is None or matches(match.seen, seen))
            if fits and (not match.severity or severity in match.severity):
                met.append((call, f"{code}: {seen}"))
            else:
                others.append(f"{severity} {code}" if match.severity else code)
        if len(met) >= self._count:
            return Outlook(
                True, came=shown(text for _, text in met), calls=tuple(unique(call for call, _ in met)), number=self._world.witness.number
            )
        return Outlook(came=f"found {shown(others)}" if others else "nothing was found")

    def _found(self) -> Iterator[tuple[str | None, str, str]]:
        """Call, code and what was seen."""
        for record in self._records():
            for finding in record.all_findings:
                yield record.id, finding.code, finding.seen
        if self._match.call is None:
            for noted in self._world.witness.events_since(self._since.number):
                event = noted.event
                text = event.fields.get("finding")
                if text:
                    code, _, rest = str(text).partition(": ")
                    yield event.call, code, rest.partition("; the trunk wants")[0]

    def _records(self) -> Iterable[CallRecord]:
        if self._match.call is not None:
            return [self._world.call(self._match.call)]
        return [record for record in self._world.journal.calls() if record.ended is None or record.ended >= self._since.wall]
