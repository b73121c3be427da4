"""Whether the device has placed the call that is expected, and what it did instead."""

from collections.abc import Iterator

from emulator.journal.record import CallRecord
from emulator.scenario.matches import CallMatch
from emulator.scenario.terms import matches, number_fits, status_fits
from emulator.scenario.witness import Try
from emulator.scenario.wording import listed
from emulator.scenario.world import Moment, Outlook, World, caller_of, header_mismatch, how_many, named, shown, the_last, unique

_CHALLENGES = ("401", "407")


class CallWatch:
    """Calls that began after moment `since`; with `claims` each call meets one expectation alone."""

    timed = True  # a call without credentials counts once it has got no challenge for a while

    def __init__(self, world: World, match: CallMatch, count: int, since: Moment, claims: bool) -> None:
        self._world = world
        self._match = match
        self._count = count
        self._since = since
        self._claims = claims
        self._challenged_too = any(status_fits(wanted, status) for wanted in match.status for status in _CHALLENGES)

    def look(self) -> Outlook:
        world, now = self._world, self._world.clock.seconds()
        met: list[Try] = []
        for_now = False
        challenged: list[str] = []
        missed: list[tuple[Try, str]] = []
        for tried in world.witness.tries_since(self._since.number):
            if self._claims and tried.number in world.claimed:
                continue
            if not tried.came(now) and not (self._challenged_too and tried.status is not None):
                if tried.status is not None:
                    challenged.append(f"INVITE to {tried.proxy}")
                continue
            why = self._identity(tried) or self._outcome(tried)
            if why is None:
                met.append(tried)
                for_now = for_now or self._match.acked is False
            else:
                missed.append((tried, why))
        if len(met) >= self._count:
            met = met[: self._count]
            last = met[-1]
            return Outlook(
                True, for_now, came=the_last(self._count, self._told(last)), calls=tuple(unique(map(world.number_of, met))),
                binds=world.journal.find(last.call_id), claims=tuple(tried.number for tried in met), number=last.number,
            )  # fmt: skip
        came = how_many(len(met) + len(missed), "call")
        if missed:
            came += ": " + shown(why for _, why in missed)
        if met:
            came += f"; {len(met)} of {self._count} as expected"
        if challenged:
            came += "; only challenged: " + shown(challenged)
        lost = [proxy for _, proxy, _ in self._lost()]
        if lost:
            came += "; lost where it is down: " + shown(f"INVITE to {proxy}" for proxy in lost)
        return Outlook(came=came, calls=tuple(unique(world.number_of(tried) for tried, _ in missed)))

    def _told(self, tried: Try) -> str:
        """What met it."""
        id = self._world.number_of(tried)
        status = f", {tried.status}" if tried.status is not None else ""
        return f"call {f'#{id} ' if id else ''}to {self._called(tried)} at {tried.proxy} over {tried.invite.transport}{status}"

    def _called(self, tried: Try) -> str:
        record = self._world.record(tried)
        return (record.called if record is not None else "") or named(tried.invite.request)[0] or "nobody"

    # -- what a call is -------------------------------------------------------------------------------------------

    def _identity(self, tried: Try) -> str | None:
        """Why it is another call, in words that follow `call`."""
        match, record, request = self._match, self._world.record(tried), tried.invite.request
        number, host = named(request)
        if match.to is not None and not (number_fits(match.to, number) or (record and record.called and matches(match.to, record.called))):
            return f"to {number or 'nobody'} at {tried.proxy}"
        if match.somewhere and tried.proxy not in match.proxies:
            return f"at {tried.proxy}{self._fate(tried)}"
        caller = (record.caller if record is not None else "") or caller_of(request)
        if match.from_ is not None and not number_fits(match.from_, caller):
            return f"from {caller or 'nobody'}"
        if match.transport and tried.invite.transport not in match.transport:
            return f"over {tried.invite.transport}"
        if match.host is not None and not matches(match.host, host):
            return f"for {host}"
        if match.account is not None and not (record is not None and record.account and matches(match.account, record.account)):
            return f"by {record.account if record is not None and record.account else 'nobody known'}"
        if (why := header_mismatch(request, match.headers.items())) is not None:
            return why
        if match.tried and not _same(match.tried, order := self._order(tried)):
            return f"tried at {listed(order, 'then')}"
        if match.srv is not None and match.srv != self._asked_for_srv(tried, host):
            return "without asking for SRV records" if match.srv else "after asking for SRV records"
        return None

    def _fate(self, tried: Try) -> str:
        return f" (answered {tried.status})" if tried.status is not None else ""

    def _order(self, tried: Try) -> list[str]:
        """Where INVITEs for the same number came since one was answered, this one last; the same proxy twice in a row counts once. One
        that was lost at a proxy that is down has been there too."""
        number = named(tried.invite.request)[0]
        came = [
            (one.number, one.proxy, one.status is not None and one.status < 300)
            for one in self._world.witness.tries_since(self._since.number)
            if one.number <= tried.number and named(one.invite.request)[0] == number
        ]
        came += [(at, proxy, False) for at, proxy, called in self._lost() if at < tried.number and number_fits(called, number)]
        order: list[str] = []
        for at, proxy, answered in sorted(came):
            if not order or order[-1] != proxy:
                order.append(proxy)
            if answered and at < tried.number:
                order.clear()
        return order

    def _lost(self) -> Iterator[tuple[int, str, str]]:
        """INVITEs that were lost at proxies that are down: when, where, for which number."""
        for noted in self._world.witness.events_since(self._since.number):
            fields = noted.event.fields
            if noted.event.kind == "down.request" and fields.get("method") == "INVITE" and not fields.get("status"):
                yield noted.number, str(fields.get("proxy")), str(fields.get("called"))

    def _asked_for_srv(self, tried: Try, host: str) -> bool:
        """Whether the name server was asked before, for the service that the transport has (RFC 3263 4.2)."""
        service = {"UDP": "_sip._udp.", "TCP": "_sip._tcp.", "TLS": "_sips._tcp."}[tried.invite.transport] + host
        for noted in self._world.witness.events:
            if noted.number > tried.number:
                break
            fields = noted.event.fields
            if noted.event.kind == "dns.query" and fields.get("type") == "SRV" and str(fields.get("name")).lower() == service.lower():
                return True
        return False

    # -- what became of it ----------------------------------------------------------------------------------------

    def _outcome(self, tried: Try) -> str | None:
        """What is not as it should be (yet), in words that follow `call`."""
        match, record, where = self._match, self._world.record(tried), f"at {tried.proxy}"
        if match.status and not any(status_fits(wanted, tried.status) for wanted in match.status):
            return f"{where} {_answer(tried, record)}"
        if match.acked is not None and match.acked != tried.acked:
            return f"{where} {'acknowledged' if tried.acked else 'not acknowledged'}"
        if not match.codec and match.srtp is None:
            return None
        if record is None or record.answered is None:
            return f"{where} {_answer(tried, record)}"
        if match.codec and record.codec not in match.codec:
            return f"{where} with {record.codec or 'no codec'}"
        media = record.media.snapshot() if record.media is not None else {}
        if match.srtp is not None and bool(media.get("srtp")) != match.srtp:
            return f"{where} with {'SRTP' if media.get('srtp') else 'plain RTP'}"
        return None


def _answer(tried: Try, record: CallRecord | None) -> str:
    """`answered 403 (caller-id.not-owned: …)`, or `without an answer yet`."""
    if tried.status is None:
        return "without an answer yet"
    if record is not None and tried.status >= 300:
        error = next((finding for finding in record.findings if finding.kind.severity == "error"), None)
        if error is not None:
            return f"answered {tried.status} ({error.code}: {error.seen})"
    return f"answered {tried.status}"


def _same(patterns: tuple[str, ...], order: list[str]) -> bool:
    return len(patterns) == len(order) and all(map(matches, patterns, order))
