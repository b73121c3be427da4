"""The magic numbers: called numbers, which no one can own, that pick how the call goes. One table.

`python -m emulator.trunk.magic > docs/magic-numbers.md` makes the documentation from it, `vsim explain --magic` prints it.
"""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from emulator.journal.findings import Finding
from emulator.media.dtmf_sender import Quirk
from emulator.media.plan import ECHO, NOTHING, SILENCE
from emulator.sip.message import REASONS
from emulator.trunk.behaviour import Behaviour, Facts, Refuse
from emulator.trunk.numbers import MAGIC_PREFIX as PREFIX


@dataclass(frozen=True, slots=True)
class Magic:
    """One row: the numbers, what happens for a person, and the fields of `Behaviour`, its `Plan` and its session timer that differ from the
    trunk's own. One that `refuses` does so with its number as the status."""

    numbers: tuple[range, ...]
    does: str
    exactly: str = ""
    """What the table in the documentation adds."""
    behaviour: Mapping[str, Any] = field(default_factory=dict)
    media: Mapping[str, Any] = field(default_factory=dict)
    timer: Mapping[str, Any] = field(default_factory=dict)
    refuses: bool = False

    @property
    def name(self) -> str:
        """The numbers as they are written: `486`, or `400–486, 488–699`."""
        return ", ".join(f"{one[0]:03d}" if len(one) == 1 else f"{one[0]:03d}–{one[-1]:03d}" for one in self.numbers)


def _one(number: int, does: str, exactly: str = "", **fields: Mapping[str, Any]) -> Magic:
    return Magic((range(number, number + 1),), does, exactly, **fields)  # type: ignore[arg-type]


_ECHO = {"play": ECHO}
_DIGITS = {**_ECHO, "digits": "1234#", "digits_after": 1.0}


def _impaired(name: str, **parameters: float) -> Mapping[str, Any]:
    """An echo whose packets meet one impairment."""
    return {**_ECHO, "sent": ((name, parameters),)}


TABLE = (
    _one(
        0, "the INVITE is never answered, not even 100",
        "after the challenge; copies of the INVITE are absorbed for 37 s; a CANCEL gets its 200 and changes nothing",
        behaviour={"silent": True},
    ),
    _one(
        100, "100 Trying, then silence", "a CANCEL ends it with 487; after 180 s, as long as timer C, it is dropped without a word",
        behaviour={"ringing": 0, "answer_after": None, "unanswered_after": 180.0, "unanswered_status": 0},
    ),
    _one(180, "rings 5 s, answers, echoes", behaviour={"ringing": 180, "answer_after": 5.0}, media=_ECHO),
    _one(
        183, "early media for 3 s, answers, echoes", "the 183 holds the answer, and what is sent comes back at once",
        behaviour={"ringing": 183, "answer_after": 3.0}, media=_ECHO,
    ),
    _one(200, "answers at once, echoes", "100 and 200, no ringing", behaviour={"ringing": 0, "answer_after": 0.0}, media=_ECHO),
    _one(202, "answers, echoes, hangs up after 2 s", behaviour={"longest": 2.0}, media=_ECHO),
    _one(
        487, "rings until the caller cancels; after 60 s 480",
        behaviour={"ringing": 180, "answer_after": None, "unanswered_after": 60.0, "unanswered_status": 480},
    ),
    Magic(
        (range(400, 487), range(488, 700)), "refuses with that code and its standard reason",
        "after the challenge; a code that nobody has registered has its class's name as the reason; headers that a code must have are "
        "there; 401 and 407 challenge once more each time",
        refuses=True,
    ),
    _one(701, "answers, sends no media", "no RTP; RTCP is sent", media={"play": NOTHING}),
    _one(
        702, "answers, receives but sends comfort silence only (one-way)", "the codec's silence, 50 packets a second",
        media={"play": SILENCE},
    ),
    _one(703, "echo with 5 % loss", media=_impaired("loss", probability=0.05)),
    _one(
        704, "echo with 30 ms jitter", "60 ms later on the average, with a standard deviation of 30 ms, in order: RTCP says about 20 ms",
        media=_impaired("jitter", mean=0.06, deviation=0.03),
    ),
    _one(705, "echo with reordering", "one packet in ten lets the next one pass", media=_impaired("reorder", probability=0.1)),
    _one(706, "echo with duplicates", "one packet in ten comes twice", media=_impaired("duplicate", probability=0.1)),
    _one(707, "echo from another port than announced", "the RTCP port", media={**_ECHO, "other_port": True}),
    _one(708, "SSRC changes mid-call", "after 100 packets, and the sequence begins anew", media=_impaired("ssrc-change", packets=100)),
    _one(
        710, "hold re-INVITE after 2 s, resume 2 s later", "a=sendonly, then a=sendrecv again; held, nothing is echoed",
        behaviour={"hold_after": 2.0, "hold_for": 2.0}, media=_ECHO,
    ),
    _one(
        711, "session refresh re-INVITE every 90 s",
        "also for clients without session timers, for a re-INVITE that changes nothing needs none (RFC 3261 14); one with "
        "`Supported: timer` that asks for no timer gets 180 s with refresher=uas (RFC 4028 9)",
        behaviour={"refresh_every": 90.0}, timer={"ask": True, "interval": 180, "refresher": "uas"}, media=_ECHO,
    ),
    _one(
        712, "the refresh that never comes",
        "a client with `Supported: timer` gets refresher=uas, with 90 s unless it asks for more, and must hang up before they end; the "
        "trunk does 32 s after; without `Supported: timer`, or with refresher=uac from the client, the call is an ordinary one",
        timer={"ask": True, "interval": 90, "refresher": "uas", "refreshes": False}, media=_ECHO,
    ),
    _one(
        720, "sends the digits 1234# as RFC 4733 events after answering", "one second after, 100 ms each",
        media={**_DIGITS, "quirk": None},
    ),
    _one(721, "the same digits without marker bit", media={**_DIGITS, "quirk": Quirk.NO_MARKER}),
    _one(
        722, "the same digits with a lost end packet", "all three copies of each digit's end are lost",
        media={**_DIGITS, "quirk": Quirk.LOST_END},
    ),
)  # fmt: skip

_BY_NUMBER = {number: magic for magic in TABLE for numbers in magic.numbers for number in numbers}

_CLASSES = {4: "Request Failure", 5: "Server Failure", 6: "Global Failure"}
"""The classes' names (RFC 3261 21), for codes that nobody has registered."""

_HEADERS = {
    415: ("Accept", "application/sdp"),
    420: ("Unsupported", "magic"),
    421: ("Require", "magic"),
    422: ("Min-SE", "7200"),
    423: ("Min-Expires", "7200"),
    424: ("Geolocation-Error", '100;code="Cannot Process Location"'),
    469: ("Recv-Info", "nil"),
    489: ("Allow-Events", "magic"),
    494: ("Security-Server", "tls"),
}
"""What a response of that status must have (RFC 3261 21.4, 4028 6, 6442 4.3, 6086 4.2.2, 6665 8.3.2, 3329 2.3.1). Values are invented."""


def of(number: str) -> tuple[str, Magic] | None:
    """The three digits and the row of a called number; None when it is not magic."""
    digits = number.removeprefix(PREFIX)
    if len(digits) != 3 or len(number) != 12 or not digits.isdecimal():
        return None
    magic = _BY_NUMBER.get(int(digits))
    return (digits, magic) if magic is not None else None


def choose(facts: Facts, behaviour: Behaviour) -> Behaviour:
    """See `emulator.trunk.trunk.Trunk.behaviours`: what the called number says of a call from the customer."""
    found = of(facts.called) if facts.direction == "outbound" else None
    if found is None:
        return behaviour
    digits, magic = found
    changes: dict[str, Any] = {"magic": digits, "does": magic.does, **magic.behaviour}
    if magic.media:
        changes["media"] = replace(behaviour.media, **magic.media)
    if magic.timer:
        changes["session_timer"] = replace(behaviour.session_timer, **magic.timer)
    if magic.refuses:
        changes["refuse"] = _refuse(int(digits), facts.called, behaviour)
    return replace(behaviour, **changes)


def reason_of(status: int) -> str:
    """Of a refusal: the registered reason, or its class's name."""
    return REASONS.get(status, _CLASSES[status // 100])


def _refuse(status: int, called: str, behaviour: Behaviour) -> Refuse:
    header = ("Allow", behaviour.methods.allowed) if status == 405 else _HEADERS.get(status)
    return Refuse(status, Finding("magic.refused", called), (header,) if header is not None else (), reason_of(status))


def rows() -> Iterator[tuple[str, str, str]]:
    """The table for people: number, what happens, and exactly how."""
    for magic in TABLE:
        name = f"{PREFIX}{magic.name}" if len(magic.numbers) == 1 else ", ".join(f"{PREFIX}{part}" for part in magic.name.split(", "))
        yield name, magic.does, magic.exactly


def document() -> str:
    """docs/magic-numbers.md."""
    lines = [
        "# Magic numbers",
        "",
        "The called number picks how a call goes, without any configuration. Made from `emulator/trunk/magic.py`;",
        "`vsim explain --magic` prints the same, and `policy.magic_numbers: false` turns all of them off.",
        "",
        f"They are `{PREFIX}` and three digits, numbers that the United Kingdom keeps for drama. They win over what the settings",
        f"say of a call, also `{PREFIX}000`, which is the default account's own number: as a caller ID, and when it is called from",
        "the telephone network, it is an ordinary one. What a call must pass before anybody asks how it shall go stays as it is:",
        "digest, the form of the numbers, the caller ID, `policy.destinations`, limits. Which number acted is in the call's",
        "record as `magic`, and in the event `call.magic`.",
        "",
        "| number | what happens | exactly |",
        "|---|---|---|",
        *(f"| {number} | {does} | {exactly} |" for number, does, exactly in rows()),
        "",
        "Any other number: 100, 180, 200, echo, or what the settings say.",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(document())
