"""What a fault does, as data: one small model for each kind. The docstring of a model is its documentation (docs/faults.md)."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from msgspec import field

from emulator.scenario.kind import CALL, PLACE, QUERY, REQUEST, SERIAL, WINDOW, Kind, Text, meta, named, several, span
from emulator.scenario.media_kinds import Dtmf, Media
from emulator.trunk.regions import short_name

# -- answers to requests ------------------------------------------------------------------------------------------


class Refuse(Kind, frozen=True):
    """A request gets this answer and goes no further; before any challenge, unless `authenticated=yes` waits for credentials.

    Without `method` each request outside a call is refused, health checks too; `in-dialog=yes` refuses those inside calls."""

    SHORT: ClassVar[str] = "status"
    CONDITIONS: ClassVar[tuple[str, ...]] = REQUEST
    EXAMPLES: ClassVar[tuple[str, ...]] = (
        "refuse 503 headers.Retry-After=5 where site=us-3 method=INVITE times=2 for=30s",
        "refuse 486 reason='Gone fishing' where called=447700900200 authenticated=yes",
        "refuse 488 where method=INVITE in-dialog=yes",
    )
    status: Annotated[int, meta("The answer's code.", "a code from 300 to 699 such as 503", ge=300, le=699)]
    reason: Annotated[str, meta("Its reason phrase; without it the usual one.", pattern="^[^\r\n]{1,100}$")] | None = None
    headers: Annotated[dict[str, Text], named("Further headers of the answer, by name.")] = field(default_factory=dict)


class Redirect(Kind, frozen=True):
    """A request is sent elsewhere with a 3xx. `self` is where it came: a client that follows such an answer goes in circles."""

    SHORT: ClassVar[str] = "to"
    CONDITIONS: ClassVar[tuple[str, ...]] = REQUEST
    EXAMPLES: ClassVar[tuple[str, ...]] = (
        "redirect self where proxy=us-3-1 method=INVITE",
        "redirect us-4-1,us-4-2 where site=us-3 method=INVITE",
        "redirect sip:elsewhere@192.0.2.1 status=301 where method=INVITE",
    )
    to: Annotated[
        tuple[Annotated[str, meta("", "self, a proxy such as us-3-1, or a SIP URI", short_name, pattern=r"^[^\s<>,]{1,200}$")], ...],
        several("`self`, names of proxies, or SIP URIs: the contacts of the answer."),
    ] = ("self",)
    status: Annotated[int, meta("300, 301, 302, 305 or 380.", "300, 301, 302, 305 or 380", ge=300, le=399)] = 302


class Challenge(Kind, frozen=True):
    """Requests are challenged for ever.

    `again`: every time with a new nonce, as if credentials were wrong. `stale`: right or wrong, they are said to be too old.
    `same-nonce`: every time with the same nonce, which is never accepted. `other-realm`: the challenge names `realm`, and credentials
    for it are taken."""

    SHORT: ClassVar[str] = "how"
    CONDITIONS: ClassVar[tuple[str, ...]] = REQUEST
    EXAMPLES: ClassVar[tuple[str, ...]] = (
        "challenge again where method=INVITE",
        "challenge stale where method=INVITE times=3",
        "challenge same-nonce where method=REGISTER",
        "challenge other-realm realm=sip.example.net where method=INVITE",
    )
    how: Annotated[Literal["again", "stale", "same-nonce", "other-realm"], meta("What is wrong with it.")] = "again"
    realm: Annotated[str, meta("The realm of `other-realm`.", pattern=r'^[^"\\\r\n]{1,100}$')] = "elsewhere.invalid"


# -- messages on their way ----------------------------------------------------------------------------------------


class Delay(Kind, frozen=True):
    """A message comes later; those behind it may overtake it, over UDP as over TCP and TLS."""

    SHORT: ClassVar[str] = "by"
    EXAMPLES: ClassVar[tuple[str, ...]] = (
        "delay 800ms where region=eu",
        "delay 300ms spread=100ms where direction=out status=200 method=INVITE",
        "delay 300ms spread=250ms distribution=lognormal where site=us-3 probability=20%",
    )
    by: Annotated[float, span("How much later; the mean where it varies.", le=600)]
    spread: Annotated[float, span("The standard deviation; of `uniform`, the most to either side.", le=600)] = 0.0
    distribution: Annotated[Literal["normal", "uniform", "lognormal"], meta("How it varies; it never goes below 0.")] = "normal"


class Drop(Kind, frozen=True):
    """A message never arrives. Retransmissions are messages of their own: `times=1` loses the first copy alone."""

    EXAMPLES: ClassVar[tuple[str, ...]] = (
        "drop where method=ACK direction=in",
        "drop where status=200 method=INVITE direction=out times=1",
        "drop where transport=UDP probability=10%",
    )


class Duplicate(Kind, frozen=True):
    """A message comes more than once."""

    SHORT: ClassVar[str] = "copies"
    EXAMPLES: ClassVar[tuple[str, ...]] = ("duplicate 1 where method=INVITE direction=in", "duplicate 2 where status=200 direction=out")
    copies: Annotated[int, meta("Copies beside the message itself.", ge=1, le=100)] = 1


class Retransmit(Kind, frozen=True):
    """A message is sent again though nobody asked for it, over TCP and TLS too."""

    SHORT: ClassVar[str] = "copies"
    EXAMPLES: ClassVar[tuple[str, ...]] = ("retransmit 3 spacing=500ms where status=200 method=INVITE direction=out",)
    copies: Annotated[int, meta("How often.", ge=1, le=100)] = 3
    spacing: Annotated[float, span("Between one copy and the next.", le=600)] = 0.5


class Reorder(Kind, frozen=True):
    """A message lets those behind it on the same path pass; after a second it goes on in any case."""

    SHORT: ClassVar[str] = "by"
    EXAMPLES: ClassVar[tuple[str, ...]] = ("reorder 1 where status=180 direction=out",)
    by: Annotated[int, meta("How many pass.", ge=1, le=50)] = 1


class Corrupt(Kind, frozen=True):
    """Octets of a message are changed, at places drawn by chance."""

    SHORT: ClassVar[str] = "octets"
    EXAMPLES: ClassVar[tuple[str, ...]] = (
        "corrupt 3 where method=INVITE direction=in probability=10%",
        "corrupt 1 part=body where status=200",
    )
    octets: Annotated[int, meta("How many.", ge=1, le=1000)] = 1
    part: Annotated[Literal["any", "headers", "body"], meta("Where.")] = "any"


class Truncate(Kind, frozen=True):
    """Only the beginning of a message arrives. What the trunk sends over a connection is then made whole by what comes behind it."""

    SHORT: ClassVar[str] = "octets"
    EXAMPLES: ClassVar[tuple[str, ...]] = ("truncate 200 where status=200 method=INVITE direction=out times=1",)
    octets: Annotated[int, meta("What is left.", ge=0, le=65535)]


class Wrong(Kind, frozen=True):
    """One thing in a message is not what it should be."""

    SHORT: ClassVar[str] = "what"
    EXAMPLES: ClassVar[tuple[str, ...]] = (
        "wrong to-tag where status=200 method=INVITE direction=out",
        "wrong branch where status=180 direction=out",
        "wrong cseq value=7 where status=200 method=BYE direction=out",
        "wrong content-length value=9999 where status=200 method=INVITE direction=out",
    )
    what: Annotated[Literal["to-tag", "from-tag", "branch", "call-id", "cseq", "content-length"], meta("What is wrong.")]
    value: (
        Annotated[
            str,
            meta("What stands there instead; without it something random, or a number that is one too high.", pattern=r"^[^\s;,]{1,100}$"),
        ]
        | None
    ) = None


class Rewrite(Kind, frozen=True):
    """Headers of a message are replaced, added or taken away."""

    EXAMPLES: ClassVar[tuple[str, ...]] = (
        "rewrite set.Contact=<sip:nobody@192.0.2.1> where status=200 method=INVITE direction=out",
        "rewrite remove=Allow,Supported where direction=out",
    )
    set: Annotated[dict[str, Text], named("Headers and what they say.")] = field(default_factory=dict)
    remove: Annotated[tuple[Annotated[str, meta("", max_length=60)], ...], several("Headers that go.")] = ()


class Withhold(Kind, frozen=True):
    """The trunk does not send a request that it owes: an ACK, a BYE, a CANCEL. None of its retransmissions leaves either."""

    SHORT: ClassVar[str] = "method"
    CONDITIONS: ClassVar[tuple[str, ...]] = (*PLACE, "number", "called", "caller", "account", "call", "in-dialog")
    TIMING: ClassVar[tuple[str, ...]] = WINDOW
    EXAMPLES: ClassVar[tuple[str, ...]] = ("withhold ACK where call=inbound", "withhold BYE", "withhold CANCEL where number=447700900000")
    method: Annotated[
        Literal["ACK", "BYE", "CANCEL", "INVITE", "PRACK", "OPTIONS"], meta("Which; INVITE with `in-dialog=yes` is a session refresh.")
    ]


class Reset(Kind, frozen=True):
    """The connection that a message came by is reset, and the message lost; or, with `octets`, each connection once it has brought so
    many, which then is told by place alone. Over UDP a message is only lost."""

    SHORT: ClassVar[str] = "octets"
    EXAMPLES: ClassVar[tuple[str, ...]] = ("reset where method=INVITE nth=3", "reset 500 where proxy=us-3-1 transport=TLS")
    octets: Annotated[int, meta("After so many octets from the client.", ge=0, le=1_000_000)] | None = None


# -- calls --------------------------------------------------------------------------------------------------------


class Answer(Kind, frozen=True):
    """How a call to the trunk is answered: late, never, or refused after ringing. `never` rings until the caller gives up, or for a
    minute, then it is 480."""

    SHORT: ClassVar[str] = "delay"
    WORDS: ClassVar[Mapping[str, Mapping[str, object]]] = {"never": {"never": True}}
    CONDITIONS: ClassVar[tuple[str, ...]] = tuple(name for name in CALL if name != "call")
    EXAMPLES: ClassVar[tuple[str, ...]] = (
        "answer 20s where called=447700900100",
        "answer never times=1",
        "answer 5s status=486 where called=4477009*",
        "answer 3s ringing=183",
    )
    delay: Annotated[float, span("From ringing to the answer.")] | None = None
    never: Annotated[bool, meta("It rings for ever.")] = False
    ringing: Annotated[Literal[180, 183] | None, meta("The ringing response; 183 has early media.")] = None
    status: Annotated[int, meta("The refusal that comes instead of the 200.", "a code from 400 to 699", ge=400, le=699)] | None = None


class HangUp(Kind, frozen=True):
    """The trunk hangs up so long after the answer: at once, or in mid-call."""

    SHORT: ClassVar[str] = "delay"
    CONDITIONS: ClassVar[tuple[str, ...]] = CALL
    EXAMPLES: ClassVar[tuple[str, ...]] = ("hang-up 0s where called=447700900100", "hang-up 2s every=3")
    delay: Annotated[float, span("After the answer.")] = 0.0


class Hold(Kind, frozen=True):
    """The trunk puts the client on hold with a re-INVITE, and takes it back with another."""

    SHORT: ClassVar[str] = "delay"
    CONDITIONS: ClassVar[tuple[str, ...]] = CALL
    EXAMPLES: ClassVar[tuple[str, ...]] = ("hold 2s length=5s where caller=447700900000",)
    delay: Annotated[float, span("After the answer.")] = 2.0
    length: Annotated[float, span("How long the hold lasts.")] = 2.0


class Codec(Kind, frozen=True):
    """The trunk changes the codec in mid-call: it offers this one alone in a re-INVITE. A refusal leaves the call as it was."""

    SHORT: ClassVar[str] = "name"
    CONDITIONS: ClassVar[tuple[str, ...]] = CALL
    EXAMPLES: ClassVar[tuple[str, ...]] = ("codec PCMA delay=3s", "codec G722 where called=447700900100")
    name: Annotated[Literal["PCMA", "PCMU", "G722", "G729", "iLBC", "speex"], meta("Which.")]
    delay: Annotated[float, span("After the answer.")] = 2.0


class Refresh(Kind, frozen=True):
    """In a call to the trunk it is the trunk that refreshes the session (RFC 4028), every half `interval`: it does so (`sent`) or never
    does (`lost`), and then the session runs out at the client. With `spacing` any client gets a re-INVITE that changes nothing so often."""

    SHORT: ClassVar[str] = "how"
    CONDITIONS: ClassVar[tuple[str, ...]] = tuple(name for name in CALL if name != "call")
    EXAMPLES: ClassVar[tuple[str, ...]] = (
        "refresh lost", "refresh sent interval=180s where called=447700900100", "refresh sent spacing=2s"
    )  # fmt: skip
    how: Annotated[Literal["lost", "sent"], meta("Whether the re-INVITE goes out.")] = "lost"
    interval: Annotated[float, span("The session interval.", ge=90)] = 90.0
    spacing: Annotated[float, span("From one re-INVITE to the next, for clients without session timers too; of `sent`.", ge=0.5)] | None = (
        None
    )

    def __post_init__(self) -> None:
        if self.how == "lost" and self.spacing is not None:
            raise ValueError("spacing is for a refresh that is sent; write refresh: sent, or leave spacing out")


# -- places -------------------------------------------------------------------------------------------------------


class Down(Kind, frozen=True):
    """Proxies are down; `vsim down` and `vsim up` are short for it.

    `drop`: nothing gets an answer, not even a connection attempt. `refuse`: the sockets are closed, UDP gets ICMP and TCP a reset.
    `503`: requests outside calls get 503. `reset`: connections are taken and reset; UDP as for `refuse`. With a transport only its
    port is concerned. Calls that are up are kept, with their connections, or cut without a word."""

    SHORT: ClassVar[str] = "how"
    CONDITIONS: ClassVar[tuple[str, ...]] = PLACE
    TIMING: ClassVar[tuple[str, ...]] = WINDOW
    EXAMPLES: ClassVar[tuple[str, ...]] = (
        "down drop where site=us-3 for=30s",
        "down refuse where proxy=us-3-1 transport=TLS",
        "down 503 retry-after=10s where region=us",
        "down reset calls=cut where proxy=eu-3-1 flapping.down=5s flapping.up=10s",
    )
    how: Annotated[Literal["drop", "refuse", "503", "reset"], meta("What clients see.")] = "drop"
    calls: Annotated[Literal["keep", "cut"], meta("What becomes of the calls that are up.")] = "keep"
    retry_after: Annotated[float, span("The Retry-After of a 503.")] | None = None


class HalfOpen(Kind, frozen=True):
    """Connections are accepted, and nothing they bring is ever read: a server that hangs."""

    CONDITIONS: ClassVar[tuple[str, ...]] = PLACE
    TIMING: ClassVar[tuple[str, ...]] = SERIAL
    EXAMPLES: ClassVar[tuple[str, ...]] = ("half-open where site=us-3 transport=TCP",)


class Slow(Kind, frozen=True):
    """Octets of a connection trickle: those to the client, or with `direction=in` those from it."""

    SHORT: ClassVar[str] = "octets"
    CONDITIONS: ClassVar[tuple[str, ...]] = (*PLACE, "direction")
    TIMING: ClassVar[tuple[str, ...]] = SERIAL
    EXAMPLES: ClassVar[tuple[str, ...]] = ("slow 200 where proxy=us-3-1 transport=TCP", "slow 50 where direction=in")
    octets: Annotated[int, meta("Octets per second.", ge=1, le=1_000_000)] = 100


class Tls(Kind, frozen=True):
    """TLS is not as it should be: the certificate is `expired`, for a `wrong-name`, of an `unknown-ca`, or `self-signed`; TLS 1.2 is
    not spoken any more (`only-1.3`); the handshake is `cut` after the client's first message, or `stalled` there."""

    SHORT: ClassVar[str] = "fault"
    CONDITIONS: ClassVar[tuple[str, ...]] = ("proxy", "site", "region")
    TIMING: ClassVar[tuple[str, ...]] = SERIAL
    EXAMPLES: ClassVar[tuple[str, ...]] = ("tls expired where proxy=us-3-1", "tls only-1.3", "tls stalled where region=eu for=1m")
    fault: Annotated[Literal["expired", "wrong-name", "unknown-ca", "self-signed", "only-1.3", "cut", "stalled"], meta("What is wrong.")]


class Dns(Kind, frozen=True):
    """The name server answers wrongly: `nxdomain`, `servfail`, `refused`; not at all (`timeout`) or late (`slow`); `truncated` over UDP,
    so that only TCP brings the answer; with a server that is not there before all others (`dead-first`); in another order (`reversed`,
    `shuffled`); with another time to live (`ttl`); with an address where nobody is (`wrong-address`)."""

    SHORT: ClassVar[str] = "answer"
    CONDITIONS: ClassVar[tuple[str, ...]] = QUERY
    TIMING: ClassVar[tuple[str, ...]] = SERIAL
    EXAMPLES: ClassVar[tuple[str, ...]] = (
        "dns servfail where name=sip-us.vonage.com type=SRV",
        "dns slow by=3s",
        "dns dead-first where type=SRV",
        "dns ttl ttl=1",
        "dns wrong-address address=127.0.99.99 where name=sip-us-3-1.vonage.com type=A",
    )
    answer: Annotated[
        Literal[
            "nxdomain", "servfail", "refused", "timeout", "slow", "truncated", "dead-first", "reversed", "shuffled", "ttl", "wrong-address",
        ],
        meta("What is wrong."),
    ]  # fmt: skip
    by: Annotated[float, span("How late a `slow` answer is.", le=60)] = 3.0
    ttl: Annotated[int, meta("The time to live of `ttl`, in seconds.", ge=0, le=86400)] = 0
    address: Annotated[str, meta("Where nobody is.", "an IP address", pattern="^[0-9A-Fa-f.:]{2,45}$")] = "127.0.99.99"


KINDS: dict[str, type[Kind]] = {
    "refuse": Refuse, "redirect": Redirect, "challenge": Challenge,
    "delay": Delay, "drop": Drop, "duplicate": Duplicate, "retransmit": Retransmit, "reorder": Reorder, "corrupt": Corrupt,
    "truncate": Truncate, "wrong": Wrong, "rewrite": Rewrite, "withhold": Withhold, "reset": Reset,
    "answer": Answer, "hang-up": HangUp, "hold": Hold, "codec": Codec, "refresh": Refresh,
    "media": Media, "dtmf": Dtmf,
    "down": Down, "half-open": HalfOpen, "slow": Slow, "tls": Tls, "dns": Dns,
}  # fmt: skip
