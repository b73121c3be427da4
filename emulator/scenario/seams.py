"""The seams at which faults strike, and how they are taken up and given back: where nothing is at fault, nothing stands."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from emulator.clock import Clock
from emulator.scenario.answers import Answering, Dialogs, Interposed
from emulator.scenario.fault import Fault
from emulator.scenario.gate import Gate, MessageFault
from emulator.scenario.sight import Known
from emulator.scenario.wiring import Choose, How, Names, Wires
from emulator.trunk.behaviour import Behaviour, Facts
from emulator.trunk.trunk import Trunk

Behave = Callable[[Facts, Behaviour], Behaviour]


class Seams:
    """Each method brings one seam to what is in force now; it is harmless when it is so already."""

    def __init__(self, clock: Clock, trunk: Trunk, known: Known, wires: Mapping[str, Wires], names: Names | None) -> None:
        self.wires = wires
        self._clock = clock
        self._trunk = trunk
        self._known = known
        self._names = names
        self._gates: dict[str, Gate] = {}
        self._name_gate: Any = None

    def messages(self, proxy: str, faults: Sequence[MessageFault]) -> None:
        """Before `Endpoint.receive`, and in place of `Endpoint.transmit`."""
        gate = self._gates.get(proxy)
        if gate is None:
            if not faults:
                return
            gate = self._gates[proxy] = Gate(self._trunk.proxies[proxy].endpoint, self._clock, self._known)
            gate.open()
        gate.faults = faults
        if not faults and gate.close():
            del self._gates[proxy]
        if proxy in self.wires:
            self.wires[proxy].aim()

    def requests(self, proxy: str, faults: Sequence[Answering]) -> None:
        """The endpoint's core."""
        endpoint = self._trunk.proxies[proxy].endpoint
        core = endpoint.core
        if isinstance(core, Interposed):
            core.faults = faults
            if not faults:
                endpoint.core = core.core
        elif faults:
            endpoint.core = interposed = Interposed(core, self._known)
            interposed.faults = faults

    def requests_inside(self, proxy: str, faults: Sequence[Answering]) -> None:
        """The endpoint's dialogs."""
        endpoint = self._trunk.proxies[proxy].endpoint
        dialogs = endpoint.dialogs
        if isinstance(dialogs, Dialogs):
            dialogs.faults = faults
            if not faults:
                endpoint.dialogs = dict(dialogs)
        elif faults:
            endpoint.dialogs = guarded = Dialogs(dialogs, endpoint, self._known)
            guarded.faults = faults

    def listeners(self, proxy: str, transport: str, how: How | None, choose: Choose | None) -> None:
        """Whether a transport is open, and what happens to connections."""
        wires = self.wires.get(proxy)
        if wires is not None:
            wires.down(transport, how)
            if transport != "UDP":
                wires.connections(transport, choose)

    def calls(self, behave: Behave, wanted: bool) -> None:
        """The last of the trunk's behaviours."""
        behaviours = self._trunk.behaviours
        if wanted and behave not in behaviours:
            behaviours.append(behave)
        elif not wanted and behave in behaviours:
            behaviours.remove(behave)

    def queries(self, faults: Sequence[Fault]) -> None:
        """The name server's `handle`."""
        names = self._names
        if names is None:
            return
        if faults and self._name_gate is None:
            from emulator.scenario.names import NameGate  # dnspython's messages: only for those who break names

            self._name_gate = NameGate(self._clock, names.handle)
            names.handle = self._name_gate.handle
        if self._name_gate is not None:
            self._name_gate.faults = faults
            if not faults and vars(names).get("handle") == self._name_gate.handle:
                del names.handle
                self._name_gate = None
