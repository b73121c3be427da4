"""Which proxies are down, how, and for how long; and what becomes of their calls."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from emulator.clock import Clock, Timer
from emulator.journal.journal import Journal
from emulator.scenario import kinds
from emulator.scenario.fault import Fault
from emulator.scenario.gate import MessageFault
from emulator.scenario.likeness import name_of
from emulator.scenario.outage import Outage, Severed, Unavailable
from emulator.scenario.sight import Message
from emulator.scenario.wiring import How, Wires
from emulator.sip.flow import Flow, sent_by
from emulator.trunk import regions
from emulator.trunk.trunk import Trunk

TRANSPORTS = ("UDP", "TCP", "TLS")
_POLL = 0.25
"""Seconds between looks at unanswered connection attempts."""
_WORST_FIRST: tuple[How, ...] = ("refuse", "reset", "drop")


class Outages:
    """`refit(proxies)` is called when what is in force there has changed, `over(fault)` when a fault's time is over."""

    def __init__(
        self, clock: Clock, journal: Journal, trunk: Trunk, wires: Mapping[str, Wires], refit: Callable[[Iterable[str]], None],
        over: Callable[[Fault], None],
    ) -> None:  # fmt: skip
        self._clock = clock
        self._journal = journal
        self._trunk = trunk
        self._wires = wires
        self._refit = refit
        self._over = over
        self._begun: dict[Fault, dict[str, Outage]] = {}  # by proxy
        self._changes: dict[Fault, Timer] = {}
        self._severed: dict[str, list[Severed]] = {}  # by proxy
        self._healing: set[Timer] = set()
        self._polling: Timer | None = None
        self._attempts: dict[tuple[str, str], int] = {}

    # -- what is in force ---------------------------------------------------------------------------------------------

    def messages(self, proxy: str) -> list[MessageFault]:
        """What stands in the gate of a proxy."""
        return [*self._severed.get(proxy, ()), *self._at(proxy).values()]

    def requests(self, proxy: str) -> list[Unavailable]:
        """What answers in the trunk's place."""
        return [Unavailable(fault.rule, outage) for fault, outage in self._at(proxy).items() if outage.what.how == "503"]

    def how(self, proxy: str, transport: str) -> How | None:
        """What clients of a transport see of it, of several outages the worst."""
        ways = {outage.what.how for outage in self._at(proxy).values() if transport in outage.transports}
        return next((how for how in _WORST_FIRST if how in ways), None)

    def whole(self, proxy: str) -> bool:
        """Whether every transport of a proxy is down."""
        return {transport for outage in self._at(proxy).values() for transport in outage.transports} == set(TRANSPORTS)

    def now(self) -> dict[str, list[str]]:
        """How each proxy that is down is so, a word for each fault: `drop`, or `refuse TLS` where not every transport is."""
        found: dict[str, list[str]] = {}
        for proxy in regions.PROXIES:
            for outage in self._at(proxy).values():
                only = "" if len(outage.transports) == len(TRANSPORTS) else " " + " ".join(sorted(outage.transports))
                found.setdefault(proxy, []).append(outage.what.how + only)
        return found

    def _at(self, proxy: str) -> dict[Fault, Outage]:
        return {fault: outages[proxy] for fault, outages in self._begun.items() if proxy in outages}

    # -- beginning and ending -----------------------------------------------------------------------------------------

    def follow(self, fault: Fault) -> None:
        """Begin or end an outage as its schedule says, now and whenever that changes."""
        self._changes.pop(fault, None)
        schedule = fault.rule.schedule
        if schedule.open and fault not in self._begun:
            self._begin(fault)
        elif not schedule.open and fault in self._begun:
            self.end(fault)
        change = schedule.next_change()
        if change is not None:
            self._changes[fault] = self._clock.call_later(max(0.0, change - self._clock.seconds()), self.follow, fault)
        elif schedule.spent:
            self._over(fault)

    def stop(self, fault: Fault) -> None:
        """It is taken away; harmless when its time is over."""
        change = self._changes.pop(fault, None)
        if change is not None:
            change.cancel()
        if fault in self._begun:
            self.end(fault)

    def clear(self) -> None:
        """Forget the calls that were cut, too."""
        for timer in self._healing:
            timer.cancel()
        self._healing.clear()
        proxies, self._severed = list(self._severed), {}
        self._refit(proxies)

    def _begin(self, fault: Fault) -> None:
        what, where = fault.what, fault.spec.where
        assert isinstance(what, kinds.Down)
        transports = frozenset(where.transport or TRANSPORTS)
        up = [  # a call to a customer that is not located yet has no transport
            call for call in self._trunk.calls if call.record.proxy in fault.proxies and call.record.transport in (*transports, "")
        ]  # fmt: skip
        keeps = what.calls == "keep"

        def reached(message: Message, status: int) -> None:
            self._reached(fault, message, status)

        self._begun[fault] = {
            proxy: Outage(proxy, what, transports, _call_ids(up, proxy) if keeps else frozenset(), reached) for proxy in fault.proxies
        }
        self._journal.event(
            "down", None, name=name_of(where), how=what.how, transport=" ".join(where.transport) or None, calls=what.calls,
            seconds=fault.spec.for_, fault=fault.id,
        )  # fmt: skip
        self._trunk.forget_checks()
        if not keeps:
            for proxy in {call.record.proxy for call in up}:
                self._sever(proxy, _call_ids(up, proxy))
        self._refit(fault.proxies)
        if what.how != "503":
            peers = {call.record.peer for call in up} if keeps else set()
            self._cut(fault.proxies, transports, lambda flow: sent_by(flow.peer) in peers)
        if not keeps:
            for call in up:
                call.hang_up(at_once=True)
        if self._polling is None:
            self._poll()

    def end(self, fault: Fault, proxies: Iterable[str] = ()) -> None:
        """An outage is over, for all its proxies or for some."""
        outages = self._begun[fault]
        ended = list(proxies) or list(outages)
        for proxy in ended:
            outages.pop(proxy, None)
        name = name_of(fault.spec.where) if not proxies else " ".join(ended)
        if not outages:
            del self._begun[fault]
        self._refit(ended)
        self._journal.event("up", None, name=name, fault=fault.id)
        self._trunk.forget_checks()

    def _cut(self, proxies: Iterable[str], transports: frozenset[str], spare: Callable[[Flow], bool]) -> None:
        for proxy in proxies:
            if proxy in self._wires:
                for transport in transports - {"UDP"}:
                    self._wires[proxy].cut(transport, spare)

    def _sever(self, proxy: str, call_ids: frozenset[str]) -> None:
        """Nothing of these calls leaves or comes in any more, for as long as one of their messages could be sent again."""
        severed = Severed(call_ids)
        self._severed.setdefault(proxy, []).append(severed)
        seconds = 2 * self._trunk.proxies[proxy].endpoint.timers.give_up
        self._healing = {timer for timer in self._healing if timer.pending}
        self._healing.add(self._clock.call_later(seconds, self._heal, proxy, severed))

    def _heal(self, proxy: str, severed: Severed) -> None:
        left = self._severed[proxy]
        left.remove(severed)
        if not left:
            del self._severed[proxy]
        self._refit([proxy])

    # -- what reaches them --------------------------------------------------------------------------------------------

    def _reached(self, fault: Fault, message: Message, status: int) -> None:
        fault.rule.matched += 1
        fault.rule.hits += 1
        method = message.value("method")
        self._journal.event_of_stranger(
            "down.request", message.record, proxy=message.proxy, transport=message.flow.transport, peer=message.peer, method=method,
            called=message.value("called") if method == "INVITE" else None, call_id=message.call_id, status=status or None, fault=fault.id,
        )  # fmt: skip

    def _poll(self) -> None:
        """Tell of connection attempts that go unanswered: the system counts them, and says nothing of who makes them."""
        self._polling = None
        dropped = {
            (proxy, transport): fault
            for fault, outages in self._begun.items()
            for proxy, outage in outages.items()
            if outage.what.how == "drop" and proxy in self._wires
            for transport in outage.transports - {"UDP"}
        }
        self._attempts = {at: count for at, count in self._attempts.items() if at in dropped}
        for (proxy, transport), fault in dropped.items():
            count = self._wires[proxy].attempts(transport)
            new = count - self._attempts.get((proxy, transport), 0)
            self._attempts[proxy, transport] = count
            if new > 0:
                self._journal.event_of_stranger(
                    "down.connection", None, proxy=proxy, transport=transport, attempts=new, fault=fault.id
                )  # fmt: skip
        if dropped:
            self._polling = self._clock.call_later(_POLL, self._poll)


def _call_ids(calls: Iterable[Any], proxy: str) -> frozenset[str]:
    """Of the calls at a proxy: a call to the customer has one for each attempt."""
    here = [call.record for call in calls if call.record.proxy == proxy]
    tried = (attempt.call_id for record in here for attempt in getattr(record, "attempts", ()))
    return frozenset({record.call_id for record in here}.union(tried))
