"""The stage of a running emulator: its trunk, its numbers, its faults."""

from collections.abc import Callable
from typing import Any

import msgspec

from emulator.journal.record import CallRecord
from emulator.scenario.failover import failover, lines
from emulator.scenario.faults import Faults
from emulator.scenario.kinds import Down
from emulator.scenario.model import Call, Given
from emulator.scenario.spec import FaultSpec
from emulator.scenario.stage import Observer
from emulator.trunk.callers import Ring, ring_from
from emulator.trunk.directory import Entry, Full
from emulator.trunk.forward_list import ForwardError
from emulator.trunk.trunk import Trunk
from emulator.yaml import Unusable

_LIVE = ("trying", "ringing", "answered")


class LiveStage:
    """One scenario's way to the emulator. `listening` asks the system who listens where; `hear_names` is called with True for events of
    questions to the name server, with False when they are of no use any more."""

    def __init__(self, trunk: Trunk, faults: Faults, listening: Callable[[str], bool], hear_names: Callable[[bool], None]) -> None:
        self._trunk = trunk
        self._journal = trunk.journal
        self._began = trunk.clock.wall()
        self._hear_names = hear_names
        self._faults = faults
        self._listening = listening
        self._added: list[str] = []
        """Faults and outages that are not taken away yet."""
        self._struck: dict[str, str] = {}
        """What has come of each fault, by its number."""
        self._calls: list[CallRecord] = []
        self._numbers: dict[str, Entry | None] = {}
        """What the numbers that were changed were before."""

    def given(self, given: Given) -> list[str]:
        if given.config:
            names = ", ".join(given.config)
            raise Unusable("given.config", f"{names} can't be set while the emulator runs; start it so, or let `vsim run` start one")
        for account in given.accounts:
            known = self._trunk.accounts.get(account.key)
            if known is None or known.secret != account.secret or not set(account.numbers) <= set(known.numbers):
                what = "is not an account of the emulator that runs, or has another secret or other numbers"
                raise Unusable("given.accounts", f"{account.key} {what}; start it with this account, or let `vsim run` start one")
        for number, one in given.numbers.items():
            self._put(Entry(number, one.forward, one.region, one.voice_status_callback))
        return [self.fault(fault) for fault in given.faults]

    def _put(self, entry: Entry) -> None:
        directory = self._trunk.exchange.directory
        self._numbers.setdefault(entry.number, directory.get(entry.number))
        try:
            directory.put(entry)
        except (ForwardError, Full) as error:
            raise Unusable(f"given.numbers.{entry.number}", str(error)) from None

    def observe(self, observer: Observer) -> Callable[[], None]:
        self._trunk.witness = observer
        self._hear_names(True)

        def end() -> None:
            self._trunk.witness = None
            self._hear_names(False)

        return end

    # -- calls ----------------------------------------------------------------------------------------------------

    def ring(self, call: Call) -> CallRecord:
        try:
            record = self._trunk.ring(_ring(call))
        except ForwardError as error:
            raise Unusable("", f"forward, {error}") from None
        self._calls.append(record)
        return record

    def hang_up(self, record: CallRecord) -> None:
        if not self._trunk.hang_up(record.id):
            raise Unusable("", f"call #{record.id} is {record.state}; only one that is up can be hung up")

    def dial(self, record: CallRecord, digits: str) -> None:
        if not self._trunk.dial(record.id, digits):
            raise Unusable("", f"call #{record.id} is {record.state}; digits need one that is answered")

    def hold(self, record: CallRecord, on: bool) -> bool:
        if record.state != "answered":
            raise Unusable("", f"call #{record.id} is {record.state}; only one that is answered can be held")
        return self._trunk.hold(record.id, on)

    # -- what goes wrong ------------------------------------------------------------------------------------------

    def down(self, name: str, how: str, seconds: float | None, keep_calls: bool) -> None:
        self._added.append(self._faults.down(name, how, seconds, keep_calls).id)

    def up(self, name: str) -> None:
        self._faults.up(name)

    def fault(self, spec: FaultSpec) -> str:
        added = self._faults.add(spec)
        self._added.append(added.id)
        if not isinstance(added.what, Down):  # of which the failover verdict tells
            self._struck[added.id] = ""
        return added.id

    def clear(self, fault: str) -> None:
        self._added.remove(fault)
        self._look_at(fault)
        self._faults.remove(fault)

    def listening(self, address: str) -> bool:
        return self._listening(address)

    def struck(self) -> list[str]:
        for id in self._added:
            self._look_at(id)
        return [line for line in self._struck.values() if line]

    def _look_at(self, id: str) -> None:
        """Note what has come of a fault, before it is taken away."""
        fault = self._faults.get(id) if id in self._struck else None
        if fault is not None:
            count = f"struck {fault.hits} of {fault.matched}" if fault.hits else "struck nothing"
            self._struck[id] = "; ".join([f"{fault.fault}: {count}", *([] if fault.hits else fault.near_misses)])

    def failover(self) -> dict[str, Any] | None:
        found = failover(self._journal, self._began)
        return {**msgspec.to_builtins(found), "lines": lines(found), "short": lines(found, short=True)} if found is not None else None

    # -- the end --------------------------------------------------------------------------------------------------

    def restore(self) -> None:
        for id in reversed(self._added):
            try:
                self._faults.remove(id)
            except Unusable:
                pass  # it is gone: somebody took it up, or cleared it
        for record in self._calls:
            if record.state in _LIVE:
                self._trunk.hang_up(record.id)
        for number, entry in self._numbers.items():
            if entry is None:
                self._trunk.exchange.directory.remove(number)
            else:
                self._trunk.exchange.directory.put(entry)


def _ring(call: Call) -> Ring:
    """What a step says of a call, as the trunk takes it."""
    said = {
        "number": call.number, "caller": call.from_, "anonymous": call.anonymous, "forward": call.forward, "play": call.play,
        "digits": call.dtmf, "digits_after": call.dtmf_after, "record": call.record, "talk": call.talk, "cancel_after": call.cancel_after,
        "proxy": call.proxy, "region": call.region, "srtp": call.srtp, "headers": call.headers,
    }  # fmt: skip
    return ring_from(said, "call")
