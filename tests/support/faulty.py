"""A network on which things go wrong on purpose."""

import re

from emulator.journal.events import Event
from emulator.scenario.faults import Faults
from emulator.scenario.spec import fault
from emulator.trunk.policy import Policy
from tests.support.network import MemoryFlow, Network
from tests.support.phone import Phone


class Faulty(Network):
    """`add` takes faults as people write them."""

    def __init__(self, *lines: str, policy: Policy | None = None, seed: int = 1, faults_seed: int = 5) -> None:
        super().__init__(policy, seed)
        self.faults = Faults(self.clock, self.journal, self.trunk, faults_seed)
        for line in lines:
            self.add(line)

    def add(self, line: str) -> str:
        """Returns the fault's id."""
        return self.faults.add(fault(line)).id

    def raw_phone(self, proxy: str = "us-3-1", transport: str = "UDP", port: int = 5070) -> "RawPhone":
        """A phone that keeps what comes as octets, for what is no message any more."""
        return RawPhone(self, proxy, transport, port)

    def events(self, kind: str) -> list[Event]:
        return [event for event in self.journal.events() if event.kind == kind]

    def hits(self) -> list[int]:
        return [listed.hits for listed in self.faults.list()]

    @property
    def at_rest(self) -> bool:
        """Nothing of any fault stands anywhere."""
        return self.faults.behave not in self.trunk.behaviours and all(
            not {"receive", "transmit"} & set(vars(proxy.endpoint))
            and proxy.endpoint.core is self.trunk
            and type(proxy.endpoint.dialogs) is dict
            for proxy in self.trunk.proxies.values()
        )


class RawPhone(Phone):
    """Its `raw` holds what came, oldest first; what can be read is in `inbox` too."""

    def __init__(self, network: Faulty, proxy: str, transport: str, port: int) -> None:
        self.raw: list[bytes] = []
        self.flow = MemoryFlow(self.take, transport, ("192.0.2.10", port))
        super().__init__(lambda data: network.endpoint(proxy).receive(data, self.flow), port=port, transport=transport)
        self.call_id = f"raw-{port}@192.0.2.10"

    def take(self, data: bytes) -> None:
        self.raw.append(data)
        try:
            self.receive(data)
        except (AssertionError, UnicodeDecodeError):
            pass

    @property
    def starts(self) -> list[str]:
        """Statuses and methods, in the order in which they came."""
        return [re.sub(rb"^SIP/2.0 (\d+).*", rb"\1", data.partition(b"\r\n")[0]).decode("latin-1").split(" ")[0] for data in self.raw]
