"""Events as they happen, to a client that reads them (server-sent events): those of the past in turns, and then those of now."""

from collections.abc import Callable, Iterator
from typing import Any

from emulator.clock import Clock
from emulator.control.turns import Turns
from emulator.journal.events import Event
from emulator.journal.journal import Journal

_HEARTBEAT_SECONDS = 15.0
_UNREAD_EVENTS = 1000
"""Events that may wait for a client that does not read."""


class EventStream:
    """Server-sent events to one client; one that does not read is cut off when too many wait for it."""

    def __init__(
        self, request: Any, after: int, journal: Journal, turns: Turns, clock: Clock, on_end: Callable[["EventStream"], None]
    ) -> None:
        """With the events after number `after`; `on_end` is called once, however it ends."""
        self._journal = journal
        self._turns = turns
        self._clock = clock
        self._on_end = on_end
        self._request = request
        self._unread = 0
        self._paused = self._waits = self._over = False
        self._written = after
        """The newest event, as long as there were others before."""
        self._behind: Iterator[Event] | None = iter(()) if after < journal.last_event else None
        if request.channel is not None:
            request.channel.setTimeout(None)  # a stream may be quiet for long
        request.notifyFinish().addBoth(lambda _: self._ended())
        request.registerProducer(self, True)
        request.write(b": events of vsim\n\n")
        self._stop_listening = journal.listen(self._hear)
        self._timer = clock.call_later(_HEARTBEAT_SECONDS, self._beat)
        self._go_on()

    def _hear(self, event: Event) -> None:
        if self._paused:
            self._unread += 1
            if self._unread > _UNREAD_EVENTS:
                self._request.transport.abortConnection()
                return
        if self._behind is None:
            self._write(event)

    def _write(self, event: Event) -> None:
        self._request.write(f"id: {event.id}\nevent: {event.kind}\ndata: {event.as_json()}\n\n".encode())

    def _go_on(self) -> None:
        if self._behind is not None and not self._waits:
            self._waits = True
            self._turns.take(self._catch_up)

    def _catch_up(self, until: float) -> bool:
        """What was before comes from the journal, and so does what happens meanwhile; True when more is left."""
        self._waits = False
        while self._behind is not None and not self._paused and not self._over:
            event = next(self._behind, None)
            if event is not None:
                self._write(event)
                self._written = event.id
            else:
                newer = self._journal.events(self._written)
                self._behind = iter(newer) if newer else None
            if self._clock.seconds() >= until:
                self._waits = self._behind is not None
                break
        return self._waits

    def _beat(self) -> None:
        self._timer = self._clock.call_later(_HEARTBEAT_SECONDS, self._beat)
        if not self._paused:
            self._request.write(b": still here\n\n")

    def _ended(self) -> None:
        self._timer.cancel()
        self._over = True
        self._stop_listening()
        self._on_end(self)

    def end(self) -> None:
        """The emulator stops."""
        self._request.unregisterProducer()
        self._request.finish()

    def pauseProducing(self) -> None:
        self._paused = True

    def resumeProducing(self) -> None:
        self._paused = False
        self._unread = 0
        self._go_on()

    def stopProducing(self) -> None:
        """The client has gone; `notifyFinish` cleans up."""
