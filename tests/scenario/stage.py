"""A stage over the in-memory network: calls are real, what goes down or wrong is only noted."""

from collections.abc import Callable
from typing import Any

from emulator.clock import SteppedClock
from emulator.journal.record import CallRecord
from emulator.scenario.model import Call, Given
from emulator.scenario.runner import Runner
from emulator.scenario.scenarios import Scenarios
from emulator.scenario.script import Script
from emulator.scenario.spec import FaultSpec
from emulator.scenario.stage import Observer
from emulator.scenario.verdict import Verdict
from emulator.trunk.callers import Ring
from emulator.yaml import Unusable, parse
from tests.support.network import Network


class MemoryStage:
    def __init__(self, network: Network) -> None:
        self.network = network
        self.done: list[str] = []
        """What was asked for, in order."""
        self.restored = 0
        self.listeners: set[str] = set()
        self.unusable = ""
        """Why `given` can't be set up."""

    def given(self, given: Given) -> list[str]:
        if self.unusable:
            raise Unusable("", self.unusable)
        self.done += [f"fault {fault}" for fault in given.faults]
        return [f"g{number}" for number in range(len(given.faults))]

    def observe(self, observer: Observer) -> Callable[[], None]:
        self.network.trunk.witness = observer

        def end() -> None:
            self.network.trunk.witness = None

        return end

    def ring(self, call: Call) -> CallRecord:
        return self.network.trunk.ring(Ring(number=call.number, caller=call.from_, forward=call.forward, talk=call.talk))

    def hang_up(self, record: CallRecord) -> None:
        if not self.network.trunk.hang_up(record.id):
            raise Unusable("", f"call #{record.id} is {record.state}")

    def dial(self, record: CallRecord, digits: str) -> None:
        self.done.append(f"dial {digits} in #{record.id}")

    def hold(self, record: CallRecord, on: bool) -> bool:
        if record.state != "answered":
            raise Unusable("", f"call #{record.id} is {record.state}")
        return self.network.trunk.hold(record.id, on)

    def down(self, name: str, how: str, seconds: float | None, keep_calls: bool) -> None:
        self.done.append(f"down {name} {how} {seconds} {keep_calls}")

    def up(self, name: str) -> None:
        self.done.append(f"up {name}")

    def fault(self, spec: FaultSpec) -> str:
        self.done.append(f"fault {spec}")
        return f"f{len(self.done)}"

    def clear(self, fault: str) -> None:
        self.done.append(f"clear {fault}")

    def listening(self, address: str) -> bool:
        return address in self.listeners

    def struck(self) -> list[str]:
        return []

    def failover(self) -> dict[str, Any] | None:
        return None

    def restore(self) -> None:
        self.restored += 1


class Play:
    """A scenario on a network of its own."""

    def __init__(self, text: str, network: Network | None = None, keep_going: bool = False) -> None:
        self.network = network or Network()
        self.clock: SteppedClock = self.network.clock
        self.stage = MemoryStage(self.network)
        (run,) = Script(parse(text, "story.yaml", "scenario")).runs()
        self.runner = Runner("1", run.scenario, self.stage, self.clock, self.network.journal, keep_going)

    def start(self) -> "Play":
        self.runner.start()
        self.clock.advance(0)
        return self

    def after(self, seconds: float) -> "Play":
        self.clock.advance(seconds)
        return self

    def verdict(self, number: int) -> Verdict:
        return next(verdict for verdict in self.runner.report().steps if verdict.where == f"steps.{number}")

    @property
    def over(self) -> int:
        """How often its end was told."""
        return sum(event.kind == "scenario.ended" for event in self.network.journal.events())

    @property
    def outcomes(self) -> list[str]:
        return [verdict.outcome for verdict in self.runner.report().steps]

    @property
    def state(self) -> str:
        return self.runner.state

    @property
    def exit_code(self) -> int:
        return self.runner.report().exit_code


def memory_scenarios(network: Network | None = None) -> Scenarios:
    """Scenarios of an emulator in memory."""
    network = network or Network()
    return Scenarios(network.clock, network.journal, lambda: MemoryStage(network))


def steps(*lines: str, top: str = "") -> str:
    """A scenario of these steps."""
    return "name: A story\n" + top + "steps:\n" + "".join(f"  - {line}\n" for line in lines)
