"""What a fault does to the media of a call, as data: the impairments of `emulator.media.impair`, and digits that are sent wrongly."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from msgspec import Struct

from emulator.scenario.kind import CALL, MEDIA, SERIAL, Kind, meta, share, span


class Dtmf(Kind, frozen=True):
    """The trunk sends digits with a fault (RFC 4733): `no-marker`, `lost-end`, `one-packet`, `wrong-clock`. In a call to the client they
    are those that its caller dials (`vsim call --dtmf`)."""

    SHORT: ClassVar[str] = "quirk"
    CONDITIONS: ClassVar[tuple[str, ...]] = CALL
    EXAMPLES: ClassVar[tuple[str, ...]] = ("dtmf no-marker where called=447700900100", "dtmf lost-end digits=12,34# delay=2s")
    quirk: Annotated[Literal["no-marker", "lost-end", "one-packet", "wrong-clock"], meta("The fault.")]
    digits: Annotated[str, meta("What is sent; a comma is half a second.", "digits such as 1234#", pattern="^[0-9A-Da-d*#,]{1,64}$")] = (
        "1234#"
    )
    delay: Annotated[float, span("After the answer.")] = 1.0


class Part(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="kebab", omit_defaults=True):
    """What the parts of `Media` share. Each is an impairment of `emulator.media.impair`, with the parameters of that."""

    SHORT: ClassVar[str] = ""


class Loss(Part, frozen=True):
    """Packets are lost, each by itself."""

    SHORT: ClassVar[str] = "probability"
    probability: Annotated[float, share("How many.")]


class Burst(Part, frozen=True):
    """Packets are lost in a row."""

    SHORT: ClassVar[str] = "probability"
    probability: Annotated[float, share("How often a row begins, per packet.")]
    length: Annotated[float, meta("Packets of a row, on average.", ge=1, le=10_000)] = 5


class Pattern(Part, frozen=True):
    """Packets are lost by a pattern."""

    SHORT: ClassVar[str] = "pattern"
    pattern: Annotated[str, meta("Over and over: x is lost, . is not.", "dots and x's such as ..x.x", pattern="^[.x]{1,1000}$")]


class PacketDelay(Part, frozen=True):
    """Packets come later."""

    SHORT: ClassVar[str] = "seconds"
    seconds: Annotated[float, span("How much.", le=60)]


class Jitter(Part, frozen=True):
    """Packets come later, each by another time."""

    SHORT: ClassVar[str] = "mean"
    mean: Annotated[float, span("The mean.", le=60)]
    deviation: Annotated[float, span("The standard deviation; of `uniform`, the most to either side.", le=60)] = 0.01
    distribution: Annotated[Literal["normal", "uniform"], meta("How it varies.")] = "normal"
    reorder: Annotated[bool, meta("Packets may overtake.")] = False


class PacketReorder(Part, frozen=True):
    """Packets let those behind them pass."""

    SHORT: ClassVar[str] = "probability"
    probability: Annotated[float, share("How many.")]
    by: Annotated[int, meta("Packets that pass.", ge=1, le=50)] = 1


class PacketDuplicate(Part, frozen=True):
    """Packets come twice."""

    SHORT: ClassVar[str] = "probability"
    probability: Annotated[float, share("How many.")]


class OneWay(Part, frozen=True):
    """Nothing arrives."""


class Silence(Part, frozen=True):
    """Packets hold silence."""

    SHORT: ClassVar[str] = "octets"
    octets: (
        Annotated[str, meta("Instead of the codec's own silence.", "hexadecimal such as ff", pattern="^([0-9A-Fa-f]{2}){1,500}$")] | None
    ) = None


class PayloadType(Part, frozen=True):
    """Packets have another payload type."""

    SHORT: ClassVar[str] = "number"
    number: Annotated[int, meta("Which.", ge=0, le=127)]


class _Later(Part, frozen=True):
    """What changes in mid-call: after so long, or after so many packets; without either after 50 packets."""

    seconds: Annotated[float, span("After the beginning.")] | None = None
    packets: Annotated[int, meta("After so many.", ge=0, le=1_000_000)] | None = None


class SsrcChange(_Later, frozen=True):
    """The SSRC changes in mid-call."""

    SHORT: ClassVar[str] = "seconds"


class SequenceJump(_Later, frozen=True, kw_only=True):
    """The sequence number jumps in mid-call."""

    SHORT: ClassVar[str] = "by"
    by: Annotated[int, meta("How far.", ge=-65535, le=65535)]


class TimestampJump(_Later, frozen=True, kw_only=True):
    """The timestamp jumps in mid-call."""

    SHORT: ClassVar[str] = "by"
    by: Annotated[int, meta("How far, in units of the codec's clock.", ge=-0xFFFFFFFF, le=0xFFFFFFFF)]


class LateStart(Part, frozen=True):
    """Nothing arrives at first."""

    SHORT: ClassVar[str] = "seconds"
    seconds: Annotated[float, span("For so long.")]


class EarlyStop(Part, frozen=True):
    """Nothing arrives any more."""

    SHORT: ClassVar[str] = "seconds"
    seconds: Annotated[float, span("After so long.")]


class PacketCorrupt(Part, frozen=True):
    """Packets have an octet changed."""

    SHORT: ClassVar[str] = "probability"
    probability: Annotated[float, share("How many.")]


class PacketTruncate(Part, frozen=True):
    """Packets are cut short."""

    SHORT: ClassVar[str] = "octets"
    octets: Annotated[int, meta("What is left, header included.", ge=0, le=1500)]


class BadTag(Part, frozen=True):
    """SRTP packets have a tag that is wrong."""

    SHORT: ClassVar[str] = "probability"
    probability: Annotated[float, share("How many.")] = 1.0


class Media(Kind, frozen=True):
    """What is done to the media of a call, from its answer to its end: to the trunk's packets, or with `direction=in` to the client's.

    Several things may be said at once; packets meet them in the order in which they are said. What is counted are calls."""

    WORDS: ClassVar[Mapping[str, Mapping[str, object]]] = {"none": {"play": "nothing"}}
    CONDITIONS: ClassVar[tuple[str, ...]] = MEDIA
    TIMING: ClassVar[tuple[str, ...]] = SERIAL
    EXAMPLES: ClassVar[tuple[str, ...]] = (
        "media loss=5%",
        "media burst=1% burst.length=8 where called=447700900100",
        "media jitter=30ms jitter.deviation=15ms where region=eu",
        "media reorder=10% duplicate=2%",
        "media one-way where direction=in",
        "media none times=1",
        "media late-start=3s",
        "media early-stop=5s",
        "media other-port",
        "media ssrc-change=2s",
        "media payload-type=96",
        "media srtp=wrong-key",
        "media bad-tag=10%",
        "media srtp=plain",
    )
    play: Annotated[Literal["echo", "tone", "silence", "nothing"] | None, meta("What the far end plays; `nothing` sends no packet.")] = None
    other_port: Annotated[bool, meta("Packets come from another port than the SDP announces.")] = False
    srtp: Annotated[Literal["wrong-key", "plain"] | None, meta("What is sent where SRTP was agreed.")] = None
    loss: Loss | None = None
    burst: Burst | None = None
    pattern: Pattern | None = None
    delay: PacketDelay | None = None
    jitter: Jitter | None = None
    reorder: PacketReorder | None = None
    duplicate: PacketDuplicate | None = None
    one_way: OneWay | None = None
    silence: Silence | None = None
    payload_type: PayloadType | None = None
    ssrc_change: SsrcChange | None = None
    sequence_jump: SequenceJump | None = None
    timestamp_jump: TimestampJump | None = None
    late_start: LateStart | None = None
    early_stop: EarlyStop | None = None
    corrupt: PacketCorrupt | None = None
    truncate: PacketTruncate | None = None
    bad_tag: BadTag | None = None


NOT_IMPAIRMENTS = frozenset({"play", "other-port", "srtp"})
"""What else is said in `media`."""
