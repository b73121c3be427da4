"""What a scenario may expect, and what must never be: one struct a kind, each known by its first key.

An expectation is met as soon as what it speaks of has happened, and fails when its time is over, or when it can't be met any more. It
looks at what has happened since the last step that did something (so expectations side by side may be met in any order), or since the
step that `since` names. One that names a call looks at the whole call.
"""

from typing import Annotated, Literal, Union

from msgspec import Meta

from emulator.scenario.matches import AnswerMatch, CallMatch, DnsMatch, EventMatch, FindingMatch, OptionsMatch, RegisterMatch, RequestMatch
from emulator.scenario.terms import Bounds, Codec, Glob, Name, Part, Status, Transport, seconds, share, told

WITHIN = 10.0
"""Seconds that an expectation has when it says nothing."""

_Since = Annotated[
    Name | None, told("Look from that step on, by its name; `start` is the beginning. Else from the last step that did something.")
]
_Within = Annotated[float, seconds("How long it may take.")]
_As = Annotated[Name | None, told("What it is called from here on.")]
_Count = Annotated[int, told("How many there must be at least.", ge=1, le=100000)]
_NeverCount = Annotated[int, told("How many are too many.", ge=1, le=100000)]
_For = Annotated[
    float | None, seconds("Wait so long and see that it does not happen. Without it: not in the whole scenario, before or after.")
]
_Call = Annotated[Name, told("The name of a call.")]
_Digits = Annotated[str, Meta(pattern="^[0-9A-Da-d*#]{0,64}$", extra={"write": "0 to 9, *, #, A to D"})]
_Packets = Annotated[int, Meta(ge=0, le=10_000_000)]


class ExpectCall(Part, frozen=True, tag_field="is", tag="call"):
    """The device places a call."""

    call: CallMatch
    count: _Count = 1
    within: _Within = WITHIN
    as_: _As = None
    since: _Since = None


class ExpectMedia(Part, frozen=True, tag_field="is", tag="media"):
    """What a call's media are like. Bounds are judged over at least `packets` packets, and for good when the call is over."""

    media: _Call
    echoed: Annotated[
        bool | None, told("Whether the far end has heard audio and sent it back; in a call to the device, with `play: echo`.")
    ] = None
    one_way: Annotated[bool | None, told("Whether there is audio in one direction only.")] = None
    codec: Annotated[tuple[Codec, ...], told("What is spoken.")] = ()
    srtp: Annotated[bool | None, told("Whether it is SRTP.")] = None
    dtmf: Annotated[_Digits | None, told("The digits heard as RFC 4733 events, in order.")] = None
    packets: Annotated[_Packets | None, told("Packets heard from the device, at least; without it 50 where a bound is given.")] = None
    sent: Annotated[_Packets, told("Packets sent to the device, at least.")] = 0
    loss: Annotated[float | None, share("Packets of the device's that were lost, at most.")] = None
    jitter: Annotated[
        Annotated[float, Meta(ge=0, le=1)] | None,  # milliseconds without their unit would be a bound that nothing reaches
        seconds("Interarrival jitter of what was heard, at most."),
    ] = None
    mos: Annotated[Annotated[float, Meta(ge=1, le=5)] | None, told("MOS of what was heard, at least.")] = None
    seen_loss: Annotated[float | None, share("Loss that the device reports in RTCP, at least.")] = None
    anew: Annotated[bool, told("Count from this step on, not from the beginning: echoed, one_way, dtmf, packets, sent.")] = False
    within: _Within = WITHIN


class ExpectAttempts(Part, frozen=True, tag_field="is", tag="attempts"):
    """How an inbound call was offered to the targets of the forward list, when it is answered or over."""

    attempts: _Call
    codes: Annotated[
        tuple[
            Annotated[
                str,
                Meta(
                    pattern="^([1-6]([0-9][0-9x]|xx)|timeout|no-answer|unreachable|not-found|unusable|cancelled)$",
                    extra={"write": "a status, or timeout, no-answer, unreachable, not-found, unusable, cancelled"},
                ),
            ],
            ...,
        ],
        told("What each attempt ended with: a status, or timeout, no-answer, unreachable, not-found, unusable, cancelled."),
    ] = ()
    targets: Annotated[tuple[Glob, ...], told("The URIs tried, in order; * stands for anything.")] = ()
    transports: Annotated[tuple[Transport, ...], told("How each INVITE went.")] = ()
    gaps: Annotated[
        tuple[Bounds, ...],
        told("Time from each attempt to the next: `2s`, give or take half a second, or bounds, `1.8s..2.5s`."),
    ] = ()
    status: Annotated[tuple[Status, ...], told("What the caller got.")] = ()
    within: _Within = WITHIN


class ExpectEnded(Part, frozen=True, tag_field="is", tag="ended"):
    """A call is over."""

    ended: _Call
    by: Annotated[Literal["device", "trunk"] | None, told("Who ended it.")] = None
    code: Annotated[tuple[Status, ...], told("Its final status: 200 where it had been answered.")] = ()
    lasted: Annotated[Bounds | None, told("From answer to end: `5s`, give or take half a second, or bounds, `4s..6s`.")] = None
    within: _Within = WITHIN


class ExpectOptions(Part, frozen=True, tag_field="is", tag="options"):
    """The device checks the trunk's health."""

    options: OptionsMatch
    count: _Count = 1
    within: _Within = WITHIN
    as_: _As = None
    since: _Since = None


class ExpectRegister(Part, frozen=True, tag_field="is", tag="register"):
    """The device registers."""

    register: RegisterMatch
    count: _Count = 1
    within: _Within = WITHIN
    as_: _As = None
    since: _Since = None


class ExpectRequest(Part, frozen=True, tag_field="is", tag="request"):
    """The device sends a request."""

    request: RequestMatch
    count: _Count = 1
    within: _Within = WITHIN
    as_: _As = None
    since: _Since = None


class ExpectAnswer(Part, frozen=True, tag_field="is", tag="answer"):
    """The device answers a request of the trunk's: its BYE, its CANCEL, its re-INVITE. Copies count once."""

    answer: AnswerMatch
    count: _Count = 1
    within: _Within = WITHIN
    as_: _As = None
    since: _Since = None


class ExpectDns(Part, frozen=True, tag_field="is", tag="dns"):
    """The device asks the name server."""

    dns: DnsMatch
    count: _Count = 1
    within: _Within = WITHIN
    as_: _As = None
    since: _Since = None


class ExpectEvent(Part, frozen=True, tag_field="is", tag="event"):
    """The journal has an event."""

    event: EventMatch
    count: _Count = 1
    within: _Within = WITHIN
    as_: _As = None
    since: _Since = None


class ExpectFinding(Part, frozen=True, tag_field="is", tag="finding"):
    """The device does something that is found odd."""

    finding: FindingMatch
    count: _Count = 1
    within: _Within = WITHIN
    as_: _As = None
    since: _Since = None


Happening = Annotated[
    Union[ExpectCall, ExpectOptions, ExpectRegister, ExpectRequest, ExpectAnswer, ExpectDns, ExpectEvent, ExpectFinding],  # noqa: UP007
    Meta(extra={"noun": "expectation"}),
]
"""What happens at one moment."""


class ExpectOrder(Part, frozen=True, tag_field="is", tag="order"):
    """Several things happen, one after the other; each has the time of the whole."""

    order: Annotated[tuple[Happening, ...], told("What happens, first to last.", min_length=2, max_length=20)]
    within: _Within = WITHIN
    since: _Since = None


Expectation = Annotated[
    Union[  # noqa: UP007
        ExpectCall, ExpectMedia, ExpectAttempts, ExpectEnded, ExpectOptions, ExpectRegister, ExpectRequest, ExpectAnswer, ExpectDns,
        ExpectEvent, ExpectFinding, ExpectOrder,
    ],
    Meta(extra={"noun": "expectation"}),
]  # fmt: skip


class NeverCall(Part, frozen=True, tag_field="is", tag="call"):
    """No such call is placed."""

    call: CallMatch
    count: _NeverCount = 1
    for_: _For = None
    since: _Since = None


class NeverEnded(Part, frozen=True, tag_field="is", tag="ended"):
    """The call does not end."""

    ended: _Call
    for_: _For = None


class NeverOptions(Part, frozen=True, tag_field="is", tag="options"):
    """No such health check comes."""

    options: OptionsMatch
    count: _NeverCount = 1
    for_: _For = None
    since: _Since = None


class NeverRegister(Part, frozen=True, tag_field="is", tag="register"):
    """No such registration comes."""

    register: RegisterMatch
    count: _NeverCount = 1
    for_: _For = None
    since: _Since = None


class NeverRequest(Part, frozen=True, tag_field="is", tag="request"):
    """No such request comes."""

    request: RequestMatch
    count: _NeverCount = 1
    for_: _For = None
    since: _Since = None


class NeverAnswer(Part, frozen=True, tag_field="is", tag="answer"):
    """No such answer comes."""

    answer: AnswerMatch
    count: _NeverCount = 1
    for_: _For = None
    since: _Since = None


class NeverDns(Part, frozen=True, tag_field="is", tag="dns"):
    """No such question comes."""

    dns: DnsMatch
    count: _NeverCount = 1
    for_: _For = None
    since: _Since = None


class NeverEvent(Part, frozen=True, tag_field="is", tag="event"):
    """There is no such event."""

    event: EventMatch
    count: _NeverCount = 1
    for_: _For = None
    since: _Since = None


class NeverFinding(Part, frozen=True, tag_field="is", tag="finding"):
    """Nothing of the kind is found."""

    finding: FindingMatch
    count: _NeverCount = 1
    for_: _For = None
    since: _Since = None


Never = Annotated[
    Union[  # noqa: UP007
        NeverCall, NeverEnded, NeverOptions, NeverRegister, NeverRequest, NeverAnswer, NeverDns, NeverEvent, NeverFinding
    ],
    Meta(extra={"noun": "kind of happening"}),
]
