"""The journal: every call with its messages and findings, and the events, both bounded; queryable, and waitable by callback."""

import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from heapq import merge
from typing import Any, Protocol

from emulator import __version__
from emulator.clock import Clock, Timer
from emulator.journal.attempt import Attempt, describe
from emulator.journal.capture import Packet, captured, without_savp
from emulator.journal.datagrams import Datagram, Datagrams, Shelf
from emulator.journal.events import Event
from emulator.journal.findings import Finding, printable
from emulator.sip.flow import Address, Path, of_transaction, sent_by

STATES = ("challenged", "trying", "ringing", "answered", "ended", "refused", "cancelled")
"""Of a call."""
_FINDINGS_PER_CALL = 64
_SOUNDS_PER_CALL = 32
_STRANGERS_EVENTS = 200
_STRANGERS_EVENTS_PER_SECOND = 50.0


class Media(Protocol):
    """What a call's media can say about itself."""

    def snapshot(self) -> dict[str, Any]:
        """Counters and what was negotiated, ready for JSON."""

    def findings(self) -> list[Finding]:
        """What was odd about them."""


_USER = r"(?:sips?:(?=[^\s>]{1,128}@)|tel:)([^@:;>\s]{1,128})"
_FROM_USER = re.compile(rf"^(?:from|f)[ \t]*:[^\r\n]{{0,400}}?\b{_USER}", re.IGNORECASE | re.MULTILINE)
_CALLED_USER = re.compile(f"INVITE {_USER}", re.IGNORECASE)
_TAG = r"[ \t]*:[^\r\n]{0,400}?;[ \t]*tag[ \t]*=[ \t]*([^;\s]{1,256})"
_FROM_TAG = re.compile(rf"^(?:from|f){_TAG}".encode(), re.IGNORECASE | re.MULTILINE)
_TO_TAG = re.compile(rf"^(?:to|t){_TAG}".encode(), re.IGNORECASE | re.MULTILINE)
_CHALLENGES = (b"SIP/2.0 401", b"SIP/2.0 407")
_CSEQ = re.compile(rb"^cseq[ \t]*:[ \t]*(\d{1,10})", re.IGNORECASE | re.MULTILINE)


def _marks(invite: bytes) -> tuple[bytes, int, bool]:
    """From tag and CSeq of an INVITE, and whether it has a To tag: what tells a new call from one more try of the same."""
    head = invite.partition(b"\r\n\r\n")[0]
    from_tag, cseq = _FROM_TAG.search(head), _CSEQ.search(head)
    return from_tag[1] if from_tag is not None else b"", int(cseq[1]) if cseq is not None else 0, _TO_TAG.search(head) is not None


class CallRecord:
    """One call as the journal has it: a challenged INVITE and its retry are one call, for they share their Call-ID, and so are all attempts
    to bring a call to a customer (`Journal.also`).

    Times are Unix time in seconds, None until they happen. `messages` holds (seconds on the monotonic clock, incoming, flow label, octets,
    path); a flow label is the proxy's name, with a blank and the peer's address where a call has more than one peer.
    """

    __slots__ = (
        "account", "again", "answered", "attempts", "began", "call_id", "called", "caller", "codec", "datagrams", "direction", "dropped",
        "ended", "ended_by", "findings", "further", "gap", "id", "magic", "media", "messages", "noted", "octets", "peer", "proxy", "reason",
        "recording", "sounds", "started", "state", "status", "transport",
    )  # fmt: skip

    def __init__(self, id: str, call_id: str, started: float, began: float) -> None:
        """`began` is `started` on the monotonic clock."""
        self.id = id
        self.call_id = call_id
        self.further: list[str] = []
        """Other Call-IDs of the same call."""
        self.direction = "outbound"
        """outbound: a client dialled; inbound: a number was rung, and a customer is"""
        self.proxy = ""
        self.transport = ""
        self.peer = ""
        self.account: str | None = None
        self.caller = ""
        self.called = ""
        self.magic = ""
        """The magic number that chose how the call goes, such as `486`; see docs/magic-numbers.md."""
        self.state = "challenged"
        """One of `STATES`."""
        self.started = started
        self.began = began
        self.answered: float | None = None
        self.ended: float | None = None
        self.status: int | None = None
        self.reason = ""
        self.ended_by = ""
        self.codec = ""
        self.recording = ""
        """The path of its WAV file."""
        self.media: Media | None = None
        self.datagrams: Datagrams | None = None
        """What passed its media ports, where that is kept."""
        self.attempts: list[Attempt] = []
        """Of an inbound call: the INVITEs to the customer, in order."""
        self.sounds: list[tuple[float, str, int | None]] = []
        """What the caller of an inbound call heard: seconds from its start, what, and the response that brought it."""
        self.again = ""
        """The call that this one repeats, by its number."""
        self.findings: list[Finding] = []
        self.noted: list[int] = []
        """How many messages there were when each finding was made."""
        self.messages: list[tuple[float, bool, str, bytes, Path]] = []
        self.octets = 0
        """Of all messages kept."""
        self.dropped = 0
        """Messages that were not kept."""
        self.gap = 0
        """Before which of those that were kept they were; nothing while none was dropped."""

    @property
    def live(self) -> bool:
        """Whether the call is up or coming up."""
        return self.state in ("trying", "ringing", "answered")

    def bears(self, call_id: str) -> bool:
        """Whether messages with this Call-ID are the call's."""
        return call_id == self.call_id or call_id in self.further

    def precedes(self, invite: bytes) -> bool:
        """Whether an INVITE with the Call-ID of this call begins another one. Clients that make Call-IDs of a counter (pyVoIP) use the same
        ones again when they are restarted.

        A copy has the From tag and CSeq of what is there already, and so has the answer of kamailio to a challenge; one more try after a
        refusal counts its CSeq up (8.1.3.5), and has the same From tag, unless it is pyVoIP's.
        """
        if self.live or (self.state == "challenged" and b"uthorization" in invite):  # the common case: it answers the challenge
            return False
        from_tag, cseq, in_dialog = _marks(invite)
        tried = [_marks(data)[:2] for _, incoming, _, data, _ in self.messages if incoming and data.startswith(b"INVITE ")]
        if in_dialog or not tried or (from_tag, cseq) in tried:
            return False
        return self.state in ("ended", "cancelled") or (cseq <= tried[-1][1] and from_tag != tried[-1][0])

    def finding(self, finding: Finding) -> None:
        """Keep a finding, once per code and sight."""
        if len(self.findings) >= _FINDINGS_PER_CALL:
            return
        for known in self.findings:
            if known.code == finding.code and known.seen == finding.seen:
                return
        self.findings.append(finding)
        self.noted.append(len(self.messages))

    def make_room(self, octets: int, most: int, messages: int) -> bool:
        """Whether another message of so many octets may be kept, of `messages` at most that have at most `most` octets. How a call began
        and how it ends counts: what makes room is the oldest of the newer half."""
        kept = self.messages
        gap = self.gap if self.dropped else (len(kept) + 1) // 2
        first = sum(len(data) for _, _, _, data, _ in kept[:gap])
        if gap >= messages or first + octets > most:
            self.gap = self.gap if self.dropped else len(kept)
            return False
        self.gap = gap
        while len(kept) >= messages or self.octets + octets > most:
            self.octets -= len(kept.pop(self.gap)[3])
            self.dropped += 1
            self.noted = [after - (after > self.gap) for after in self.noted]
        return True

    def sound(self, at: float, what: str, status: int | None = None) -> None:
        """The caller hears something else from here on, Unix time `at`."""
        if len(self.sounds) < _SOUNDS_PER_CALL and (not self.sounds or self.sounds[-1][1:] != (what, status)):
            self.sounds.append((max(0.0, at - self.started), what, status))

    def withdrawn(self, branch: str) -> None:
        """The messages of ours with that branch have not left, and won't."""
        for at, (seconds, incoming, flow, data, path) in enumerate(self.messages):
            if not incoming and of_transaction(data, branch):
                self.messages[at] = (seconds, incoming, flow, data, path.never())

    def summary(self) -> dict[str, Any]:
        """The call without its messages, ready for JSON. Who calls whom is as the INVITE says until that is known better."""
        claimed = ("", "") if self.caller and self.called else self._claimed()
        return {
            "id": self.id,
            "call_id": printable(self.call_id),
            "direction": self.direction,
            "proxy": self.proxy,
            "transport": self.transport,
            "peer": self.peer,
            "account": self.account,
            "caller": printable(self.caller or claimed[0]),
            "called": printable(self.called or claimed[1]),
            "magic": self.magic,
            "state": self.state,
            "started": self.started,
            "answered": self.answered,
            "ended": self.ended,
            "status": self.status,
            "reason": self.reason,
            "ended_by": self.ended_by,
            "codec": self.codec,
            "attempts": [attempt.as_dict() for attempt in self.attempts],
            "sounds": [{"at": round(at, 6), "what": what, "status": status} for at, what, status in self.sounds],
            "again": self.again,
            "recording": self.recording,
            "media": self.media.snapshot() if self.media is not None else None,
            "findings": [_finding(finding) for finding in self.all_findings],
        }

    def _claimed(self) -> tuple[str, str]:
        """The users in From and in the Request-URI of a client's first INVITE: a person who looks for a call that was refused, for its
        password or its caller ID, knows it by these. Empty where there is none."""
        if self.direction != "outbound" or not self.messages:
            return "", ""
        head = self.messages[0][3].partition(b"\r\n\r\n")[0].decode("utf-8", "replace")
        from_, to = _FROM_USER.search(head), _CALLED_USER.match(head)
        return from_[1] if from_ is not None else "", to[1] if to is not None else ""

    @property
    def all_findings(self) -> list[Finding]:
        """Those of signalling, and those of media as it stands."""
        if self.state == "challenged" and self._waits_for_credentials:
            return [*self.findings, Finding("digest.unanswered", "no INVITE with credentials after the challenge")]
        return [*self.findings, *(self.media.findings() if self.media is not None else ())]

    @property
    def _waits_for_credentials(self) -> bool:
        """Whether the first challenge has gone, and nothing has come in answer."""
        challenged = any(not incoming and data.startswith(_CHALLENGES) for _, incoming, _, data, _ in self.messages)
        return challenged and not any(finding.code.startswith("digest.") for finding in self.findings)

    def detail(self) -> dict[str, Any]:
        """The call with its messages."""
        return {**self.summary(), "messages": list(self.told()), **self.left_out()}

    def left_out(self) -> dict[str, Any]:
        """How many messages were not kept, and after which of those that were they came; how much of its media is kept, if any is to be."""
        kept = self.datagrams
        media = None if kept is None else {"packets": kept.packets, "octets": kept.octets, "missed": kept.missed + kept.strangers_missed}
        return {"messages_dropped": self.dropped, "messages_dropped_after": self.gap if self.dropped else 0, "media_kept": media}

    def told(self) -> Iterator[dict[str, Any]]:
        """Its messages so far, ready for JSON; `at` counts in seconds from the first one."""
        first = self.messages[0][0] if self.messages else 0.0
        for seconds, incoming, flow, data, path in self.messages.copy():
            yield {
                "at": round(seconds - first, 6),
                "incoming": incoming,
                "sent": path.connected,
                "flow": flow.partition(" ")[0],
                "peer": flow.partition(" ")[2] or self.peer,
                "text": data.decode("utf-8", "replace"),
            }

    def capture(self, decrypt: bool = False) -> bytes:
        """`captured` as a whole."""
        return b"".join(self.captured(decrypt))

    def captured(self, decrypt: bool = False) -> Iterator[bytes]:
        """Its messages so far, and its media where that was kept, as a pcapng file in pieces, with what was found beside the message after
        which it was, or beside the packet. With `decrypt` the media is without SRTP."""
        secure = self.datagrams is not None and self.datagrams.secure
        decrypt = decrypt and secure
        messages = self.messages.copy()
        said: list[list[str]] = [[] for _ in messages]
        about = [_SIP_ALONE if self.datagrams is None else _WITH_MEDIA, _ABOUT_TLS]
        if secure:
            about.append(_WITHOUT_SRTP if decrypt else _WITH_SRTP)
        for finding, after in zip(self.findings, self.noted, strict=True):
            (said[after - 1] if after else about).append(_in_a_line(finding))
        about += [_in_a_line(finding) for finding in (self.media.findings() if self.media is not None else ())]
        about += [f"attempt {describe(attempt.as_dict()).lstrip()}" for attempt in self.attempts]
        if self.dropped:
            what, why = f"{self.dropped} messages of this call", "were not kept: journal.messages and journal.octets bound them"
            about.append(f"{what} {why}")
            if said:
                said[self.gap - 1].append(f"{what}, between this one and the next, {why}")
        about += self._missing()
        call = self.summary()
        title = f"{self.direction} call {self.id} of vsim {__version__}: {call['caller'] or '?'} to {call['called'] or '?'} at {self.proxy}"
        packets: list[Packet] = []
        for (seconds, incoming, flow, data, path), comments in zip(messages, said, strict=True):
            if decrypt and (plain := without_savp(data)) != data:
                data = plain
                comments.append(_CHANGED)
            packets.append(Packet(self._wall(seconds), incoming, flow.partition(" ")[0], path, data, comments))
        interfaces = dict.fromkeys((*(packet.interface for packet in packets), *((self.proxy,) if self.datagrams is not None else ())))
        # Both are in order, and of two at once the message is first.
        return captured(merge(packets, self._passed(decrypt), key=_at), interfaces, "\n".join((title, *about)))

    def _wall(self, seconds: float) -> float:
        return self.started + seconds - self.began

    def _passed(self, decrypt: bool) -> Iterator[Packet]:
        """The packets of its media."""
        if self.datagrams is None:
            return
        paths: dict[tuple[Address, Address], Path] = {}
        passed: Iterable[tuple[Datagram, str]] = ((datagram, "") for datagram in self.datagrams)
        if decrypt:
            from emulator.media.clear import clear  # and with it libsrtp

            passed = clear(self.datagrams)
        for datagram, problem in passed:
            ends = (datagram.local, datagram.peer)
            path = paths.get(ends) or paths.setdefault(ends, Path("UDP", *ends))
            comments = [_noted(datagram)] if datagram.note else []
            if problem:
                comments.append(f"this is as it was on the wire, for SRTP says of it: {problem}")
            yield Packet(self._wall(datagram.at), datagram.incoming, self.proxy, path, datagram.data, comments)

    def _missing(self) -> list[str]:
        """What is not there of its media, and what is that the emulator did not hear."""
        kept = self.datagrams
        if kept is None:
            return []
        told: list[str] = []
        bounds = "media.capture_packets bounds those of a call, media.capture_octets those of all"
        if kept.made_room:
            told.append(f"the media of this call, {kept.missed} packets, made room for that of others: media.capture_octets bounds it")
        elif kept.missed:
            told.append(f"{kept.missed} further packets of media were not kept: {bounds}")
        if kept.strangers_missed:
            told.append(f"{kept.strangers_missed} packets of strangers were not kept: they may be an eighth of media.capture_packets")
        if self.media is not None and self.media.snapshot()["impairments_heard"]:
            told.append("impairments of what the trunk hears come after this: what they lose is there, as it came")
        return told


_SIP_ALONE = "SIP alone, as the journal keeps it: its octets, addresses and times. The packets round it are made from these."
_WITH_MEDIA = (
    "SIP as the journal keeps it, RTP and RTCP as they passed the media ports: their octets, addresses and times. The packets round "
    "them are made from these."
)
_ABOUT_TLS = "TLS is left out: its messages are shown as TCP. Of a connection there is what it brought for this call, without handshake."
_WITH_SRTP = "Media is SRTP, as on the wire; vsim show --decrypt, or decrypt=true of the control API, leaves it out."
_WITHOUT_SRTP = "SRTP is left out as well: of each packet there is the RTP or RTCP in it."
_CHANGED = "RTP/SAVP reads RTP/AVPF here, for the media of this capture is shown without SRTP"


def _at(packet: Packet) -> float:
    return packet.at


def _noted(datagram: Datagram) -> str:
    return _in_a_line(Finding(datagram.note, f"from {sent_by(datagram.peer)}"))


def _in_a_line(finding: Finding) -> str:
    kind = finding.kind
    return f"{kind.severity}: {finding.code}: {finding.seen}; the trunk wants {kind.wants}: {kind.fix} ({kind.source})"


def _finding(finding: Finding) -> dict[str, Any]:
    kind = finding.kind
    return {
        "code": finding.code,
        "severity": kind.severity,
        "seen": finding.seen,
        "wants": kind.wants,
        "fix": kind.fix,
        "source": kind.source,
    }


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
        self._allowance = float(_STRANGERS_EVENTS)
        self._allowance_at = clock.seconds()
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
        """A call by its number; `last` is the newest."""
        if id == "last":
            return next(reversed(self._by_id.values()), None)
        return self._by_id.get(id)

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
        """Note an event that anybody can bring about, as `event` does, unless there were very many lately: then only their count.

        A flood must fill neither the log nor the list of events.
        """
        now = self._clock.seconds()
        left = self._allowance + (now - self._allowance_at) * _STRANGERS_EVENTS_PER_SECOND
        self._allowance, self._allowance_at = min(left, _STRANGERS_EVENTS), now
        if self._allowance >= 1:
            self._allowance -= 1
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

    def reset(self) -> None:
        """Forget every call that is over and every event; numbers go on."""
        for record in [record for record in self._by_id.values() if not record.live]:
            self._drop(record)
        self._events.clear()
