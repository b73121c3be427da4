"""The journal: the records of calls, and the events, both bounded; queryable, and waitable by callback."""

from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from emulator.clock import Clock, Timer
from emulator.journal.datagrams import Datagrams, Shelf
from emulator.journal.events import Event
from emulator.journal.record import STATES as STATES
from emulator.journal.record import CallRecord
from emulator.pace import Pace
from emulator.sip.flow import Path

_STRANGERS_EVENTS = 200.0
_STRANGERS_EVENTS_PER_SECOND = 50.0


class Waiter:
    """Somebody waits for an event; `cancel` makes it stop."""

    __slots__ = ("_journal", "_timer", "done", "predicate")

    def __init__(self, journal: "Journal", predicate: Callable[[Event], bool], done: Callable[[Event | None], None]) -> None:
        self._journal = journal
        self._timer: Any = None
        self.predicate = predicate
        self.done = done

    @property
    def waits(self) -> bool:
        """Neither has it come nor has anybody given up."""
        return self in self._journal._listeners

    def cancel(self) -> None:
        self._journal._listeners.pop(self, None)
        if self._timer is not None:
            self._timer.cancel()

    def offer(self, event: Event) -> None:
        if self.predicate(event):
            self.cancel()
            self.done(event)

    def expire(self) -> None:
        self.cancel()
        self.done(None)


class Journal:
    """`calls`, `events`, `messages` (per call) and `octets` (of all messages) bound what is kept. Packets of media are kept on `shelf`,
    which has bounds of its own; without one they are not."""

    def __init__(
        self, clock: Clock, calls: int = 1000, events: int = 10000, messages: int = 200, octets: int = 64 << 20, shelf: Shelf | None = None
    ) -> None:
        self._clock = clock
        self._shelf = shelf
        self._max_octets = octets
        self.octets = 0
        """Of all messages of all calls."""
        self._max_calls = calls
        self._max_messages = messages
        self._calls: dict[str, CallRecord] = {}  # the newest of each Call-ID
        self._by_id: dict[str, CallRecord] = {}  # oldest first
        self._further: dict[str, CallRecord] = {}
        """By Call-IDs that were added later."""
        self._strangers: dict[str, CallRecord] = {}
        """Those whose caller has not proved who it is, by number, oldest first."""
        self._events: deque[Event] = deque(maxlen=events)
        self._event_number = 0
        self._call_number = 0
        self._listeners: dict[object, Callable[[Event], None]] = {}
        self._pace = Pace(_STRANGERS_EVENTS, _STRANGERS_EVENTS_PER_SECOND, clock.seconds())
        self._unsaid = 0
        self._telling: Timer | None = None

    # -- calls ----------------------------------------------------------------------------------------------------

    def call(self, call_id: str) -> CallRecord:
        """The record of a Call-ID, made when it is new; the oldest one that is over makes room."""
        return self.find(call_id) or self.another(call_id)

    def another(self, call_id: str) -> CallRecord:
        """A new record, whether or not a call that is over had the same Call-ID."""
        if len(self._by_id) >= self._max_calls:
            self._evict()
        self._call_number += 1
        record = CallRecord(str(self._call_number), call_id, self._clock.wall(), self._clock.seconds())
        self._calls[call_id] = self._by_id[record.id] = self._strangers[record.id] = record
        return record

    def authenticated(self, record: CallRecord, account: str) -> None:
        """The caller has proved to be `account`."""
        record.account = account
        self._strangers.pop(record.id, None)

    def also(self, record: CallRecord, call_id: str) -> None:
        """Messages with this Call-ID belong to the same call."""
        if self._calls.get(record.call_id) is record and call_id not in self._calls and call_id not in self._further:
            self._further[call_id] = record
            record.further.append(call_id)

    def find(self, call_id: str) -> CallRecord | None:
        """The record of a Call-ID, None when there is none."""
        record = self._calls.get(call_id)
        return record if record is not None else self._further.get(call_id)

    def get(self, id: str) -> CallRecord | None:
        """A call by its number or by its Call-ID, of which an attempt to forward it has its own; `last` is the newest."""
        if id == "last":
            return next(reversed(self._by_id.values()), None)
        return self._by_id.get(id) or self.find(id)

    def _evict(self) -> None:
        """Drop the oldest call that is over; when all are up, the oldest: its call goes on, only its record is gone.

        Calls without credentials make room first when they hold more than a quarter: a flood of them must not push out the real ones.
        """
        if len(self._strangers) > self._max_calls >> 2:
            stranger = next((record for record in self._strangers.values() if not record.live), None)
            if stranger is not None:
                self._drop(stranger)
                return
        oldest = next(iter(self._by_id.values()))
        self._drop(oldest if not oldest.live else next((record for record in self._by_id.values() if not record.live), oldest))

    def _drop(self, record: CallRecord) -> None:
        del self._by_id[record.id]
        self._strangers.pop(record.id, None)
        if self._calls.get(record.call_id) is record:
            del self._calls[record.call_id]
        for call_id in record.further:
            self._further.pop(call_id, None)
        self.octets -= record.octets
        if record.datagrams is not None:
            record.datagrams.drop()

    def message(self, record: CallRecord, seconds: float, incoming: bool, flow: str, data: bytes, path: Path) -> None:
        """Keep a message of a call; above the bounds only its count, or that of others. One call may take a sixteenth of all octets, and
        one whose caller has not proved who it is a little: an INVITE, its challenge and the next try.
        """
        size = len(data)
        most = self._max_octets >> (4 if record.account is not None else 12)
        if len(record.messages) >= self._max_messages or record.octets + size > most:
            before = record.octets
            fits = record.make_room(size, most, self._max_messages)
            self.octets += record.octets - before
            if not fits:
                record.dropped += 1
                return
        record.messages.append((seconds, incoming, flow, data, path))
        record.octets += size
        self.octets += size
        while self.octets > self._max_octets and len(self._by_id) > 1:
            self._evict()

    def datagrams(self, record: CallRecord) -> Datagrams | None:
        """Where the packets of a call's media are to be kept; None where they are not, or the call has made room for others."""
        if self._shelf is not None and record.datagrams is None and self._by_id.get(record.id) is record:
            record.datagrams = self._shelf.begin()
        return record.datagrams

    @property
    def media_octets(self) -> int:
        """Of all packets of media that are kept."""
        return self._shelf.octets if self._shelf is not None else 0

    def calls(self) -> Iterator[CallRecord]:
        """Every call, newest first."""
        return reversed(self._by_id.values())

    def __len__(self) -> int:
        return len(self._by_id)

    # -- events ---------------------------------------------------------------------------------------------------

    @property
    def last_event(self) -> int:
        """The number of the newest event, 0 before the first."""
        return self._event_number

    def event(self, kind: str, record: CallRecord | None = None, **fields: Any) -> None:
        """Note an event and tell the listeners."""
        self._event_number = number = self._event_number + 1
        event = Event(number, self._clock.wall(), kind, record.id if record is not None else None, fields)
        self._events.append(event)
        if self._listeners:
            for listener in list(self._listeners.values()):
                listener(event)

    def event_of_stranger(self, kind: str, record: CallRecord | None = None, **fields: Any) -> None:
        """Note an event that anybody can bring about, as `event` does, unless there were very many lately: then only their count."""
        if self._pace.allows(self._clock.seconds()):
            self.event(kind, record, **fields)
            return
        self._unsaid += 1
        if self._telling is None:
            self._telling = self._clock.call_later(1.0, self._tell)

    def _tell(self) -> None:
        self._telling = None
        unsaid, self._unsaid = self._unsaid, 0
        self.event("suppressed", None, events=unsaid, why="too many of callers without credentials")

    def events(self, after: int = 0) -> list[Event]:
        """The events kept with a number above `after`, oldest first."""
        if not after:
            return list(self._events)
        newer: list[Event] = []
        for event in reversed(self._events):
            if event.id <= after:
                break
            newer.append(event)
        newer.reverse()
        return newer

    def listen(self, listener: Callable[[Event], None]) -> Callable[[], None]:
        """Call `listener` with each event from now on; the result ends that."""
        key = object()
        self._listeners[key] = listener
        return lambda: self._listeners.pop(key, None) and None

    def wait(
        self,
        predicate: Callable[[Event], bool],
        timeout: float,
        done: Callable[[Event | None], None],
        after: int = 0,
    ) -> Waiter:
        """Call `done` once: with the first event after number `after` that `predicate` takes, or with None after `timeout` seconds."""
        waiter = Waiter(self, predicate, done)
        for event in self.events(after) if after else ():
            if predicate(event):
                done(event)
                return waiter
        waiter._timer = self._clock.call_later(timeout, waiter.expire)
        self._listeners[waiter] = waiter.offer
        return waiter

    def forget_each(self) -> Iterator[None]:
        """Forget every call that is over at the first step, one a step, and every event at the last one; numbers go on."""
        for record in [record for record in self._by_id.values() if not record.live]:
            if self._by_id.get(record.id) is record:  # between two steps it may have made room for others
                self._drop(record)
                yield
        self._events.clear()
