"""The gate of one proxy: it stands before `Endpoint.receive` and in place of `Endpoint.transmit`, and every message passes its faults.

It is there only while a fault concerns the proxy. The journal has what the endpoint hears and what leaves for the wire: what a fault
loses on its way in or out is in neither, and an event says so.
"""

from collections.abc import Callable, Sequence

from emulator.clock import Clock
from emulator.scenario.sight import Known, Message
from emulator.sip.endpoint import Endpoint
from emulator.sip.flow import Flow

On = Callable[[bytes], None]
"""Hands a message on, as it is or changed."""

MOST_HELD = 2000
"""Messages that wait at one gate; beyond that they go on at once."""


class MessageFault:
    """What happens to messages at a gate."""

    def handle(self, message: Message, gate: "Gate", on: On) -> None:
        """Hand the message on to the next fault, or do otherwise."""
        raise NotImplementedError


class Gate:
    """See the module."""

    def __init__(self, endpoint: Endpoint, clock: Clock, known: Known) -> None:
        self.endpoint = endpoint
        self.clock = clock
        self.faults: Sequence[MessageFault] = ()
        self.held = 0
        """Messages that wait."""
        self._known = known
        self._receive = endpoint.receive
        self._transmit = endpoint.transmit

    def open(self) -> None:
        """Stand in the way. The listeners have to be told: they know the endpoint's own `receive`."""
        self.endpoint.receive = self.receive  # type: ignore[method-assign]  # a seam: there is no gate where no fault is
        self.endpoint.transmit = self.transmit  # type: ignore[method-assign]

    def close(self) -> bool:
        """Go out of the way; what waits goes on at its time. False when somebody else stands before it by now: then it lets all pass."""
        self.faults = ()
        own = vars(self.endpoint)
        if own.get("receive") != self.receive or own.get("transmit") != self.transmit:
            return False
        del own["receive"], own["transmit"]
        return True

    def receive(self, data: bytes, flow: Flow) -> None:
        """A message from the wire. Never raises, as the endpoint does not."""

        def arrive(data: bytes) -> None:
            if data:
                self._receive(data, flow)

        try:
            self._pass(self.faults, Message(self._known, self.endpoint.name, flow, True, data), 0, arrive)
        except Exception as error:
            self.endpoint.core.on_error(self.endpoint, flow, "", error)

    def transmit(self, flow: Flow, data: bytes, call_id: str) -> None:
        """A message for the wire."""

        def leave(data: bytes) -> None:
            if data:
                self._transmit(flow, data, call_id)

        self._pass(self.faults, Message(self._known, self.endpoint.name, flow, False, data), 0, leave)

    def _pass(self, faults: Sequence[MessageFault], message: Message, at: int, last: On) -> None:
        """`faults` are those of when the message came: one of them may end with it."""
        if at >= len(faults):
            last(message.data)
            return
        faults[at].handle(message, self, lambda data: self._pass(faults, message.again(data), at + 1, last))

    def later(self, seconds: float, on: On, data: bytes) -> None:
        """Hand on a message in so many seconds."""
        if self.held >= MOST_HELD:
            on(data)
            return
        self.held += 1
        self.clock.call_later(seconds, self._release, on, data)

    def _release(self, on: On, data: bytes) -> None:
        self.held -= 1
        on(data)
