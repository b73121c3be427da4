"""What a caller from the telephone network is to do: rings a number of the account's, speaks, hangs up."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

import msgspec
from msgspec import Meta, Struct

from emulator.reading import read
from emulator.trunk.regions import PROXIES, REGIONS, region_of, short_name
from emulator.yaml import Unusable

LONGEST = 7200.0
"""Seconds; more than the longest call of the Voice API (vonage-facts 5)."""
MAX_SAMPLES_OCTETS = 960_000
"""A minute of 8,000 samples a second, two octets each."""
ECHO = "echo"
PLAYS = (ECHO, "tone", "silence", "nothing")
GIVEN = "given"
"""What `play` is called where the samples came with the ring."""

Number = Annotated[
    str,
    Meta(pattern="^[1-9][0-9]{6,14}$", description="E.164 digits.", extra={"write": "digits only, country code first, 7 to 15 of them"}),
]
Seconds = Annotated[float, Meta(ge=0, le=LONGEST, extra={"text": "duration"})]
_Place = Annotated[str, Meta(extra={"reads": short_name})]


class Ring(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One call. Times in seconds; over HTTP also as text such as 500ms or 5s."""

    CALLED: ClassVar[Mapping[str, str]] = {"from": "caller", "to": "number", "dtmf": "digits", "dtmf_after": "digits_after"}

    number: Annotated[Number, Meta(description="The number that is rung, E.164 digits.")]
    caller: Annotated[
        str,
        Meta(
            pattern="^(\\+?[0-9A-Za-z*#._-]{1,40})?$",
            extra={"write": "at most 40 digits, letters, or any of + * # . _ -"},
            description="Its caller ID, shown as it is: networks pass on badly written ones too (vonage-facts 6). Empty: hidden.",
        ),
    ] = ""
    anonymous: Annotated[bool, Meta(description="Hide the caller ID.")] = False
    forward: Annotated[
        Annotated[str, Meta(max_length=4096)] | None, Meta(description="A forward list for this call alone; without it the number's own.")
    ] = None
    play: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=64,
            description="What the caller plays once it is answered: echo, tone, silence, nothing, or a prompt of media.prompts.",
        ),
    ] = "tone"
    samples: Annotated[
        bytes,
        Meta(
            max_length=MAX_SAMPLES_OCTETS,
            description="Played instead, over and over: 16-bit samples, the low octet first, 8,000 a second, at most a minute; base64 over "
            "HTTP.",
        ),
    ] = b""
    digits: Annotated[
        str,
        Meta(
            pattern="^[0-9A-Da-d*#,]{0,64}$",
            extra={"write": "at most 64 of 0 to 9, *, #, A to D, and commas"},
            description="Dialled once it is answered; a comma is half a second.",
        ),
    ] = ""
    digits_after: Annotated[Seconds, Meta(description="From the answer to the first digit.")] = 1.0
    record: Annotated[bool, Meta(description="Record both directions, whatever media.record says.")] = False
    talk: Annotated[
        Seconds | None, Meta(description="The caller hangs up so long after the answer; without it the customer does, or a DELETE.")
    ] = None
    cancel_after: Annotated[
        Seconds | None, Meta(description="The caller gives up so long after it began to ring, unless it is answered before.")
    ] = None
    proxy: Annotated[_Place | None, Meta(description="The proxy that calls the customer, such as us-3-1; without it one of region.")] = None
    region: Annotated[_Place | None, Meta(description="us, eu or ap; without it that of the number.")] = None
    srtp: Annotated[bool | None, Meta(description="SRTP at every target, or at none; without it as each target says.")] = None
    headers: Annotated[dict[str, str], Meta(description="Further header fields of the INVITE.")] = msgspec.field(default_factory=dict)
    again: Annotated[int, Meta(ge=0, le=1000, description="How many times the caller rings again when the call is over.")] = 0
    again_after: Annotated[Seconds, Meta(description="From the end of a call to the next one.")] = 1.0
    voice_status_callback: Annotated[
        Annotated[str, Meta(max_length=2048)] | None, Meta(description="A URL that is told how it ended; without it the number's own.")
    ] = None

    def __post_init__(self) -> None:
        """Raises `ValueError` for what no single field can know."""
        if self.proxy is not None and self.proxy not in PROXIES:
            raise ValueError(f"proxy {self.proxy[:20]!r}; write one of {', '.join(PROXIES)}")
        if self.region is not None and self.region not in REGIONS:
            raise ValueError(f"region {self.region[:20]!r}; write us, eu or ap")
        if self.proxy is not None and self.region is not None and region_of(self.proxy) != self.region:
            raise ValueError(f"proxy {self.proxy} is not of region {self.region}; leave one out")
        if len(self.samples) % 2:
            raise ValueError("samples of 16 bits have two octets each")
        if len(self.headers) > _MAX_HEADERS:
            raise ValueError(f"{len(self.headers)} headers; {_MAX_HEADERS} are the most")
        for name, value in self.headers.items():
            if (problem := header_problem(name, value)) is not None:
                raise ValueError(problem)

    @property
    def hidden(self) -> bool:
        """Whether the customer does not learn who calls."""
        return self.anonymous or not self.caller


_MAX_HEADERS = 32
_TOKEN = re.compile(r"[A-Za-z0-9\-.!%*_+`'~]{1,64}")
_VALUE = re.compile(r"[^\x00-\x1f\x7f]{0,1000}")
OWN_HEADERS = frozenset(
    ("via", "v", "from", "f", "to", "t", "call-id", "i", "cseq", "content-length", "l", "content-type", "c", "max-forwards", "contact", "m")
)
"""Those that the trunk writes itself."""


def header_problem(name: str, value: str) -> str | None:
    """What is wrong with a header that somebody wants to be sent; None when nothing is."""
    if not _TOKEN.fullmatch(name):
        return f"header {name[:40]!r} is no header name; write letters, digits and dashes"
    if name.lower() in OWN_HEADERS:
        return f"header {name} is the trunk's own; set forwarding.template to change it"
    if not _VALUE.fullmatch(value):
        return f"header {name} has a control character in it or more than 1000 characters; write one line"
    return None


def ring_from(values: Any, where: str = "") -> Ring:
    """A `Ring` from plain data, as JSON or YAML gave it. Raises `Unusable` with every mistake, a line each; `where` stands before it."""
    if not isinstance(values, dict):
        raise Unusable(where, "not a mapping; write an object with number and caller")
    try:
        return read(values, Ring)
    except Unusable as error:
        raise Unusable("", "\n".join(f"{where}: {line}" if where else line for line in str(error).splitlines())) from None
