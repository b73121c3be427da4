"""A scenario file: what is given, and the steps of a story, each a struct known by its first key."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Union

import msgspec
from msgspec import Meta

from emulator.config import AccountSettings, NumberSettings, Seed
from emulator.scenario.expectation import WITHIN, Expectation, Never
from emulator.scenario.matches import EventMatch
from emulator.scenario.spec import FaultSpec
from emulator.scenario.terms import ALL, Name, Part, Place, PlaceName, ProxyName, RegionName, seconds, told

MAX_FILE_OCTETS = 65536
MAX_STEPS = 200
MAX_RUNS = 256
"""Of one file's matrix."""
DEADLINE = 120.0
"""Seconds that a scenario has when it says nothing."""

_Call = Annotated[Name, told("The name of a call.")]
_As = Annotated[Name | None, told("What it is called from here on.")]
_Digits = Annotated[str, Meta(pattern="^[0-9A-Da-d*#,]{0,64}$", extra={"write": "0 to 9, *, #, A to D; a comma is half a second"})]
_Listener = Annotated[
    str,
    Meta(
        pattern=r"^(\[[0-9a-fA-F:.]+\]|[0-9.]+):[0-9]{1,5}$",
        extra={"write": "an address and a port, such as 127.0.0.1:5080"},
    ),
]
E164 = Annotated[str, Meta(pattern="^[1-9][0-9]{6,14}$", extra={"write": "digits only, country code first, 7 to 15 of them"})]


class Given(Part, frozen=True):
    """What holds before the first step."""

    numbers: Annotated[dict[E164, NumberSettings], told("The account's numbers and their forward lists, as in vsim.yaml.")] = msgspec.field(
        default_factory=dict
    )
    accounts: Annotated[tuple[AccountSettings, ...], told("Who may call, as in vsim.yaml; without it the default account.")] = ()
    config: Annotated[dict[str, Any], told("Any other settings, as in vsim.yaml.")] = msgspec.field(default_factory=dict)
    faults: Annotated[tuple[FaultSpec, ...], told("Faults in force from the start, as `fault` takes them.")] = ()
    ports: Annotated[
        tuple[Annotated[str, Meta(pattern="^[a-z][a-z0-9_]{0,19}$", extra={"write": "a word in lower case"})], ...],
        told("Names of free local ports for the program under test: {{port.NAME}} here, VSIM_PORT_NAME there."),
    ] = ()


class Down(Place, frozen=True):
    """Part of the trunk goes down: everything that is named."""

    SHORT = "name"

    name: Annotated[PlaceName | None, told("A proxy, site or region, or all.")] = None
    how: Annotated[
        Literal["drop", "refuse", "503", "reset"],
        told("drop: silence; refuse: ports closed; 503: each request is answered so; reset: connections are reset."),
    ] = "drop"
    for_: Annotated[float | None, seconds("It comes up by itself after so long.")] = None
    keep_calls: Annotated[bool, told("Whether calls that are up there go on.")] = True
    as_: _As = None

    @property
    def names(self) -> list[str]:
        """What goes down, as named."""
        return [*([self.name] if self.name else []), *self.proxy, *self.site, *self.region]


class Up(Place, frozen=True):
    """Part of the trunk comes up again: everything that is named, or all of it."""

    SHORT = "name"

    name: Annotated[PlaceName | None, told("A proxy, site or region, or all.")] = None
    as_: _As = None

    @property
    def names(self) -> list[str]:
        """What comes up, as named; everything where nothing is."""
        return [*([self.name] if self.name else []), *self.proxy, *self.site, *self.region] or [ALL]


class Call(Part, frozen=True):
    """Somebody in the telephone network rings one of the account's numbers."""

    CALLED: ClassVar[Mapping[str, str]] = {"to": "number", "caller": "from", "digits": "dtmf", "digits_after": "dtmf_after"}

    number: Annotated[E164, told("The number that is rung.")]
    from_: Annotated[
        str,
        Meta(
            description="The caller ID, as the network passes it on; empty: hidden.",
            pattern="^(\\+?[0-9A-Za-z*#._-]{1,40})?$",
            extra={"write": "at most 40 digits, letters, or any of + * # . _ -"},
        ),
    ] = ""
    anonymous: Annotated[bool, told("Hide the caller ID.")] = False
    forward: Annotated[str | None, told("A forward list for this call alone; without it the number's own.")] = None
    play: Annotated[str, told("What the caller plays: echo, tone, silence, nothing, or a prompt of media.prompts.", min_length=1)] = "tone"
    dtmf: Annotated[_Digits, told("Dialled once it is answered; a comma is half a second.")] = ""
    dtmf_after: Annotated[float, seconds("From the answer to the first digit.")] = 1.0
    record: Annotated[bool, told("Record both directions.")] = False
    talk: Annotated[float | None, seconds("The caller hangs up so long after the answer; without it the story does, or the device.")] = None
    cancel_after: Annotated[float | None, seconds("The caller gives up so long after it began to ring.")] = None
    proxy: Annotated[ProxyName | None, told("The proxy that calls the device.")] = None
    region: Annotated[RegionName | None, told("A proxy of this region calls the device.")] = None
    srtp: Annotated[bool | None, told("SRTP at every target or at none; without it as each target says.")] = None
    headers: Annotated[dict[str, str], told("Further header fields of the INVITE.")] = msgspec.field(default_factory=dict)
    as_: _As = None


class OnCall(Part, frozen=True):
    """Something is done to a call."""

    SHORT = "call"

    call: _Call
    within: Annotated[float, seconds("How long it may take to come about.")] = WITHIN


class Dtmf(Part, frozen=True):
    """The far end dials digits."""

    call: _Call
    digits: Annotated[_Digits, told("Which; a comma is half a second.")]


class Wait(Part, frozen=True):
    """Time passes; or something must happen before the story goes on, and if it does not the scenario has timed out."""

    SHORT = "for"

    for_: Annotated[float | None, seconds("So long.")] = None
    event: Annotated[EventMatch | None, told("Until there is such an event.")] = None
    listening: Annotated[
        _Listener | None,
        told("Until something listens at this address of this machine, such as 127.0.0.1:5080: the device is there."),
    ] = None
    within: Annotated[float, seconds("How long it may take.")] = WITHIN
    as_: _As = None


class Run(Part, frozen=True):
    """A command is run, by `vsim run`, with the environment of the program under test."""

    SHORT = "command"

    command: Annotated[
        tuple[Annotated[str, Meta(min_length=1, max_length=8192)], ...],
        told("A text for the shell, or a list: a program and its arguments.", min_length=1, max_length=100),
    ]
    code: Annotated[int, told("The exit code that is expected.", ge=0, le=255)] = 0
    within: Annotated[float, seconds("How long it may take; then it is ended.")] = 30.0
    as_: _As = None


class DownStep(Part, frozen=True, tag_field="is", tag="down"):
    """Take a proxy, a site, a region or all down."""

    down: Down


class UpStep(Part, frozen=True, tag_field="is", tag="up"):
    """Take it up again."""

    up: Up


class FaultStep(Part, frozen=True, tag_field="is", tag="fault"):
    """Let something go wrong from here on."""

    fault: Annotated[FaultSpec, told("Where, what and when, as a mapping or on one line: see docs/faults.md.")]
    as_: _As = None


class ClearStep(Part, frozen=True, tag_field="is", tag="clear"):
    """End a fault."""

    clear: Annotated[Name, told("The name of a fault, or all, those that were given too.")]


class ExpectStep(Part, frozen=True, tag_field="is", tag="expect"):
    """What must happen, or be so."""

    expect: Expectation


class NeverStep(Part, frozen=True, tag_field="is", tag="never"):
    """What must not happen."""

    never: Never


class CallStep(Part, frozen=True, tag_field="is", tag="call"):
    """A caller rings a number, and the trunk brings the call to the device."""

    call: Call


class HangupStep(Part, frozen=True, tag_field="is", tag="hangup"):
    """The far end hangs up: BYE."""

    hangup: OnCall


class CancelStep(Part, frozen=True, tag_field="is", tag="cancel"):
    """The caller gives up while it rings: CANCEL."""

    cancel: OnCall


class DtmfStep(Part, frozen=True, tag_field="is", tag="dtmf"):
    """The far end dials digits."""

    dtmf: Dtmf


class HoldStep(Part, frozen=True, tag_field="is", tag="hold"):
    """The far end puts the device on hold: re-INVITE."""

    hold: OnCall


class ResumeStep(Part, frozen=True, tag_field="is", tag="resume"):
    """The far end takes it off hold again."""

    resume: OnCall


class WaitStep(Part, frozen=True, tag_field="is", tag="wait"):
    """Wait."""

    wait: Wait


class RunStep(Part, frozen=True, tag_field="is", tag="run"):
    """Run a command."""

    run: Run


class NoteStep(Part, frozen=True, tag_field="is", tag="note"):
    """Say something in the report."""

    note: Annotated[str, told("What.", max_length=1000)]


Step = Annotated[
    Union[  # noqa: UP007
        DownStep, UpStep, FaultStep, ClearStep, ExpectStep, NeverStep, CallStep, HangupStep, CancelStep, DtmfStep, HoldStep, ResumeStep,
        WaitStep, RunStep, NoteStep,
    ],
    Meta(extra={"noun": "step"}),
]  # fmt: skip


class Scenario(Part, frozen=True, kw_only=True):
    """One story with its verdict."""

    name: Annotated[str, told("What it tells, in a line.", min_length=1, max_length=200)]
    description: Annotated[str, told("Why anybody would run it.", max_length=4000)] = ""
    seed: Annotated[Seed | None, told("Every random choice follows from it; --seed wins.")] = None
    given: Annotated[Given, told("What holds before the first step.")] = Given()
    steps: Annotated[tuple[Step, ...], told("The story.", min_length=1, max_length=MAX_STEPS)]
    never: Annotated[tuple[Never, ...], told("What must not happen from beginning to end.", max_length=50)] = ()
    deadline: Annotated[float, seconds("The whole scenario has timed out after so long.", ge=0.1)] = DEADLINE
