"""A stream whose packets are kept for its capture, and one that is not, with everything else alike."""

from emulator.clock import SteppedClock
from emulator.ids import Ids
from emulator.journal.datagrams import Datagram, Datagrams, Shelf
from emulator.media.offer import Keys
from emulator.media.plan import Plan
from emulator.media.stream import Stream
from emulator.media.wire import Wire
from tests.support.echo import Echo, agreement

US, THEM = ("127.0.13.1", 10000), ("192.0.2.1", 4000)


class Tapped(Echo):
    """An echo with `kept`; `sent` has what left."""

    def __init__(
        self, send: bool = True, plan: Plan | None = None, keys: Keys | None = None, packets: int = 1000, bound: str = US[0]
    ) -> None:
        super().__init__(send, plan, keys)
        self.clock = SteppedClock()
        self.shelf = Shelf(packets, 1 << 20)
        self.kept: Datagrams = self.shelf.begin()
        wire = Wire(self.kept, self.clock, US[0])
        self.stream = Stream(agreement(send, keys), self.clock, Ids(1), plan, self.digits.append, wire=wire)
        self.stream.aimed((bound, US[1]), THEM)
        self.stream.aimed_rtcp((THEM[0], THEM[1] + 1))
        self.refuses = False
        self.stream.send = self._leave
        self.stream.send_rtcp = lambda data: self.reports.append(bytes(data))

    def _leave(self, data: memoryview) -> None:
        if self.refuses:
            raise ConnectionRefusedError
        self.sent.append(bytes(data))

    def ways(self) -> list[Datagram]:
        return list(self.kept)

    def octets(self, incoming: bool) -> list[bytes]:
        return [datagram.data for datagram in self.kept if datagram.incoming is incoming]
