"""One call as the journal has it: what it was, its messages, what was found about it and what came of it."""

import re
from collections.abc import Iterator
from typing import Any, Protocol

from emulator.journal.attempt import Attempt
from emulator.journal.datagrams import Datagrams
from emulator.journal.findings import Finding, printable
from emulator.sip.flow import Path, of_transaction

STATES = ("challenged", "trying", "ringing", "answered", "ended", "refused", "cancelled")
"""Of a call."""
_FINDINGS = 64
_SOUNDS = 32


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

    def wall(self, seconds: float) -> float:
        """A time on the monotonic clock as Unix time."""
        return self.started + seconds - self.began

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
        if len(self.findings) >= _FINDINGS:
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
        if len(self.sounds) < _SOUNDS and (not self.sounds or self.sounds[-1][1:] != (what, status)):
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
