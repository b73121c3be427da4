"""Calls to the account's numbers: each rings the customer, if its number may ring at all.

Which proxy calls is invented: that of the ring; else the first of the ring's region, of the number's, or of its country code's (1 and South
America `us`; Europe, Africa and the Middle East `eu`; all others `ap`), or each of them in turn.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

import msgspec

from emulator.clock import Timer
from emulator.config import Unusable
from emulator.counting import counted
from emulator.journal.findings import Finding
from emulator.journal.record import CallRecord
from emulator.trunk import regions
from emulator.trunk.accounts import Accounts
from emulator.trunk.behaviour import Behaviour, Facts
from emulator.trunk.callers import GIVEN, PLAYS, Ring
from emulator.trunk.conversation import Up
from emulator.trunk.directory import Directory, Entry
from emulator.trunk.forward_list import ForwardList
from emulator.trunk.inbound import InboundCall, Office
from emulator.trunk.policy import InboundPolicy, Policy
from emulator.trunk.proxy import Proxy
from emulator.trunk.status_callback import payload

Callback = Callable[[str, dict[str, Any], CallRecord], None]
"""Told where to say that a call is over, and what."""


class TrunkOffice(Office, Protocol):
    """The trunk, as the exchange needs it."""

    accounts: Accounts
    calls: dict[Up, None]
    policy: Policy
    proxies: Mapping[str, Proxy]

    def behaviour_of(self, facts: Facts) -> Behaviour: ...

    def began(self, call: Up) -> None: ...


class Exchange:
    """Where callers of the telephone network reach the account's numbers."""

    def __init__(self, office: TrunkOffice, directory: Directory, policy: InboundPolicy) -> None:
        self.directory = directory
        self.callback: Callback | None = None
        """Tells a URL that a call is over."""
        self._office = office
        self._policy = policy
        self._turn = 0
        self._again: dict[str, Timer] = {}

    def ring(self, ring: Ring, again: str = "") -> CallRecord:
        """Somebody rings a number. `again` is the call that this one repeats. Raises `Unusable` or `ForwardError`: then nothing rings."""
        office, policy = self._office, self._policy
        entry = self.directory.get(ring.number)
        if entry is None and ring.forward is None:
            raise Unusable("number", f"{ring.number} is no number of the account; add it to numbers, or say where it is forwarded")
        entry = entry or Entry(ring.number)
        forward: ForwardList | None = entry.targets if ring.forward is None else self.directory.targets(ring.forward)
        if ring.play not in PLAYS and not ring.samples and ring.play not in office.studio.prompts:
            raise Unusable("play", f"{ring.play!r}; write echo, tone, silence, nothing, or the name of a prompt in media.prompts")
        proxy = office.proxies[ring.proxy or self._choose(ring, entry)]
        record = self._record(ring, proxy, again)
        office.journal.event(
            "call.started", record, direction="inbound", caller=record.caller, called=record.called, proxy=proxy.name, again=again or None
        )
        facts = Facts("inbound", ring.number, "" if ring.hidden else ring.caller, record.account or "", proxy.name, "")
        behaviour = self._behaviour(office.behaviour_of(facts), ring, record)
        targets = forward.targets if forward is not None else ()
        call = InboundCall(office, proxy, record, ring, targets, behaviour, policy.form, policy.hunt, self._on_over)
        if not targets:
            call.refuse(policy.unforwarded_status, Finding("inbound.not-forwarded", ring.number))
        elif len(office.calls) >= office.policy.max_calls:
            call.refuse(503, Finding("limit.calls", f"{counted(office.policy.max_calls, 'call')} at once"))
        elif not self.directory.take(ring.number):
            finding = Finding("limit.channels", f"{counted(self.directory.channels, 'call')} to {ring.number} at once")
            call.refuse(policy.channels_status, finding)
        else:
            call.has_channel = True
            office.began(call)
            call.start()
        return record

    def _record(self, ring: Ring, proxy: Proxy, again: str) -> CallRecord:
        office = self._office
        record = office.journal.call(office.ids.call_id())
        record.direction, record.proxy, record.again = "inbound", proxy.name, again
        record.caller, record.called, record.state = ring.caller if not ring.hidden else "anonymous", ring.number, "trying"
        office.journal.authenticated(record, office.accounts.owner_of(ring.number))  # no stranger's call: it was asked for here
        return record

    def _behaviour(self, behaviour: Behaviour, ring: Ring, record: CallRecord) -> Behaviour:
        """What the caller does in place of what a far end would."""
        play = ring.play
        if ring.samples:
            play = f"{GIVEN} {record.id}"
            self._office.studio.lend(play, ring.samples)
        media = replace(behaviour.media, play=play, digits=ring.digits, digits_after=ring.digits_after, record=ring.record)
        timer, seconds = behaviour.session_timer, self._policy.session_expires
        timer = replace(timer, ask=seconds is not None, interval=seconds or timer.interval)
        return replace(behaviour, media=media, session_timer=timer)

    def _choose(self, ring: Ring, entry: Entry) -> str:
        region = ring.region or entry.region or regions.region_of_number(ring.number)
        proxies = self._up(regions.proxies_of(region)) or self._up(regions.PROXIES) or regions.proxies_of(region)
        if self._policy.proxies == "first":
            return proxies[0]
        self._turn += 1
        return proxies[(self._turn - 1) % len(proxies)]

    def _up(self, proxies: Sequence[str]) -> Sequence[str]:
        return [name for name in proxies if not self._office.proxies[name].down]

    # -- when a call is over --------------------------------------------------------------------------------------

    def _on_over(self, call: InboundCall) -> None:
        ring, record, office = call.ring, call.record, self._office
        if call.has_channel:
            self.directory.give_back(ring.number)
        if ring.samples:
            office.studio.take_back(f"{GIVEN} {record.id}")
        entry = self.directory.get(ring.number)
        url = ring.voice_status_callback or (entry.voice_status_callback if entry is not None else None)
        if url is not None and self.callback is not None:
            self.callback(url, payload(record), record)
        if ring.again and call.repeats:
            once_less = msgspec.structs.replace(ring, again=ring.again - 1)
            self._again[record.id] = office.clock.call_later(ring.again_after, self._ring_again, once_less, record.id)

    def _ring_again(self, ring: Ring, id: str) -> None:
        del self._again[id]
        try:
            self.ring(ring, id)
        except (Unusable, ValueError) as error:  # its number has gone in the meantime, or its forward list
            self._office.journal.event("call.not-repeated", None, number=ring.number, why=str(error))

    def stop_repeating(self) -> None:
        """Nobody who waits to ring again does."""
        for timer in self._again.values():
            timer.cancel()
        self._again.clear()
