"""A fault as one value, the same in scenario files, over the API and on the command line: what, where, and when.

    {refuse: {status: 503, headers: {Retry-After: 5}}, where: {site: us-3, method: INVITE}, times: 2, for: 30s}

is also written on one line, each key once and dots for nesting; both read to the same `FaultSpec`:

    refuse 503 headers.Retry-After=5 where site=us-3 method=INVITE times=2 for=30s
"""

import re
from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

import msgspec
from msgspec import Struct

from emulator.annotations import fields
from emulator.did_you_mean import meant, suggest
from emulator.reading import Reader
from emulator.scenario import kinds
from emulator.scenario.kind import PLACE, Kind, meta, named, several, share, span
from emulator.scenario.kinds import KINDS
from emulator.scenario.media_kinds import Dtmf, Media
from emulator.trunk import regions
from emulator.yaml import At, Map, Node, Scalar, Unusable, from_value, is_null

_NUMBER = r"^([0-9*?+]{1,20}|anonymous)$"
_Party = tuple[Annotated[str, meta("", "digits such as 447700900200, with * for any", pattern=_NUMBER)], ...]
_Word = Annotated[str, meta("", pattern=r"^[^\s,]{1,100}$")]
_Name = Annotated[str, meta("", "a name such as sip-us.vonage.com", pattern=r"^[A-Za-z0-9_.*-]{1,253}$")]
_Method = Annotated[str, meta("", "a method such as INVITE", pattern="^[A-Za-z]{1,30}$")]
_Status = Annotated[str, meta("", "a code such as 200, or 18x, 4xx", pattern="^[1-6]([0-9][0-9]|[0-9]x|xx)$")]
_Place = Annotated[str, meta("", "a name such as us-3", regions.short_name, pattern="^[A-Za-z0-9.-]{1,60}$")]


class Where(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="kebab", omit_defaults=True):
    """Which messages, calls, connections or queries are meant. All that is said must hold; of several values one."""

    proxy: Annotated[tuple[_Place, ...], several("A proxy such as us-3-1.")] = ()
    site: Annotated[tuple[_Place, ...], several("A site such as us-3.")] = ()
    region: Annotated[tuple[_Place, ...], several("us, eu or ap.")] = ()
    transport: Annotated[tuple[Literal["UDP", "TCP", "TLS"], ...], several("UDP, TCP or TLS.")] = ()
    direction: Annotated[Literal["in", "out"] | None, meta("`in`: from the client to the trunk. `out`: from the trunk.")] = None
    method: Annotated[
        tuple[_Method, ...], several("The method; with `status` that of the request which is answered, else requests alone.")
    ] = ()
    status: Annotated[tuple[_Status, ...], several("Responses with this code, or of this class: 18x, 5xx.")] = ()
    in_dialog: Annotated[bool | None, meta("Requests inside a call, such as re-INVITEs; or those outside.")] = None
    number: Annotated[_Party, meta("Either number of the call. `*` stands for any digits, `?` for one.")] = ()
    called: Annotated[_Party, meta("The number that is called.")] = ()
    caller: Annotated[_Party, meta("The number that calls, or `anonymous`.")] = ()
    account: Annotated[tuple[_Word, ...], several("The account's key.")] = ()
    authenticated: Annotated[bool | None, meta("Requests with credentials that are right; or those without.")] = None
    call: Annotated[Literal["outbound", "inbound"] | None, meta("Calls from the client (`outbound`), or to it.")] = None
    header: Annotated[
        dict[str, Annotated[str, meta("", max_length=200)]], named("Regular expressions, by header; each is found somewhere in its header.")
    ] = {}
    name: Annotated[tuple[_Name, ...], several("DNS: this name, or one below it.")] = ()
    type: Annotated[tuple[Literal["A", "AAAA", "SRV", "NAPTR"], ...], several("DNS: the type that is asked for.")] = ()

    def proxies(self) -> tuple[str, ...]:
        """The proxies that are concerned, in the order of the table."""
        return tuple(
            proxy
            for proxy in regions.PROXIES
            if (not self.proxy or proxy in self.proxy)
            and (not self.site or regions.site_of(proxy) in self.site)
            and (not self.region or regions.region_of(proxy) in self.region)
        )


class Flapping(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """By turns: `down` the fault is there, `up` it is not, over and over."""

    down: Annotated[float, span("How long the fault is there.", ge=0.001)]
    up: Annotated[float, span("How long it is not.", ge=0.001)]


class DownSpec(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What `vsim down` says."""

    SHORT: ClassVar[str] = "name"
    name: Annotated[str, meta("A proxy, a site, a region, or all.", "a name such as us-3", max_length=60)]
    how: Annotated[Literal["drop", "refuse", "503", "reset"], meta("What clients see.")] = "drop"
    for_: Annotated[float, span("It comes up by itself after so long.", ge=0.001)] | None = msgspec.field(default=None, name="for")
    calls: Annotated[Literal["keep", "cut"], meta("What becomes of the calls that are up.")] = "keep"


class UpSpec(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `vsim up` says."""

    SHORT: ClassVar[str] = "name"
    name: Annotated[str, meta("A proxy, a site, a region, or all.", "a name such as us-3", max_length=60)]


class FaultSpec(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="kebab", omit_defaults=True):
    """One fault: one of the kinds, where it strikes, and when."""

    refuse: kinds.Refuse | None = None
    redirect: kinds.Redirect | None = None
    challenge: kinds.Challenge | None = None
    delay: kinds.Delay | None = None
    drop: kinds.Drop | None = None
    duplicate: kinds.Duplicate | None = None
    retransmit: kinds.Retransmit | None = None
    reorder: kinds.Reorder | None = None
    corrupt: kinds.Corrupt | None = None
    truncate: kinds.Truncate | None = None
    wrong: kinds.Wrong | None = None
    rewrite: kinds.Rewrite | None = None
    withhold: kinds.Withhold | None = None
    reset: kinds.Reset | None = None
    answer: kinds.Answer | None = None
    hang_up: kinds.HangUp | None = None
    hold: kinds.Hold | None = None
    codec: kinds.Codec | None = None
    refresh: kinds.Refresh | None = None
    media: Media | None = None
    dtmf: Dtmf | None = None
    down: kinds.Down | None = None
    half_open: kinds.HalfOpen | None = None
    slow: kinds.Slow | None = None
    tls: kinds.Tls | None = None
    dns: kinds.Dns | None = None

    where: Annotated[Where, meta("What it concerns; everything where nothing is said.")] = Where()
    nth: Annotated[
        tuple[Annotated[int, meta("", "a number such as 3", ge=1, le=1_000_000)], ...],
        several("Only these of those that match, counted from 1."),
    ] = ()
    first: Annotated[int, meta("Only the first so many that match.", ge=1, le=1_000_000)] | None = None
    after: Annotated[int, meta("The first so many that match are spared.", ge=0, le=1_000_000)] = 0
    every: Annotated[int, meta("Of those that match each second, third and so on.", ge=1, le=1_000_000)] = 1
    times: Annotated[int, meta("It strikes at most so often.", ge=1, le=1_000_000)] | None = None
    probability: Annotated[float, share("By chance, from the seed.")] = 1.0
    per: Annotated[Literal["call"] | None, meta("`call` counts for each call by itself.")] = None
    from_: Annotated[float, span("It begins so long after it was added.")] = msgspec.field(default=0.0, name="from")
    for_: Annotated[float, span("It ends so long after its beginning.", ge=0.001)] | None = msgspec.field(default=None, name="for")
    flapping: Annotated[Flapping | None, meta("By turns it is there and is not.")] = None

    def __post_init__(self) -> None:
        """Raises `ValueError` where nothing goes wrong."""
        if not any(getattr(self, fields(FaultSpec)[name].name) is not None for name in KINDS):
            raise ValueError("a fault without a kind")

    @staticmethod
    def written(node: Node) -> Node:
        """A fault as a mapping with one kind in it; text is the same on one line. Raises `Unusable`."""
        if isinstance(node, Scalar) and not is_null(node):
            from emulator.scenario.oneline import parse

            return from_value(parse(node.text, node.place), place=node.place)
        if not isinstance(node, Map):
            raise Unusable(node.place, "no fault; write a mapping such as {refuse: 503, where: {site: us-3}}, or the same on one line")
        chosen = [key for key, _ in node.items if key.text in KINDS]
        unknown = [key for key, _ in node.items if key.text not in fields(FaultSpec)]
        if unknown and not chosen:
            raise Unusable(unknown[0].place, f"unknown fault {unknown[0].text!r:.60}{suggest(unknown[0].text, KINDS)}")
        if not chosen:
            raise Unusable(node.place, f"nothing goes wrong here; write one of {', '.join(KINDS)}")
        if len(chosen) > 1:
            raise Unusable(chosen[1].place, f"{' and '.join(key.text for key in chosen)} in one fault; write a fault for each")
        return Map([(key, Map((), value.place) if key is chosen[0] and is_null(value) else value) for key, value in node.items], node.place)

    @property
    def kind(self) -> str:
        """Its kind as people write it."""
        return next(name for name, field in fields(FaultSpec).items() if name in KINDS and getattr(self, field.name) is not None)

    @property
    def what(self) -> Kind:
        """What it does."""
        made: Kind = getattr(self, fields(FaultSpec)[self.kind].name)
        return made

    def __str__(self) -> str:
        from emulator.scenario.oneline import write

        return write(self)


TIMING = ("nth", "first", "after", "every", "times", "probability", "per", "from", "for", "flapping")
CONDITIONS = tuple(fields(Where))


def fault(value: object) -> FaultSpec:
    """A fault from a mapping (YAML, JSON) or from one line of text. Raises `Unusable` with every mistake, a line each."""
    if isinstance(value, FaultSpec):
        return value
    reader = Reader()
    spec = reader.convert(from_value(value, root=""), FaultSpec)
    reader.judge(problems(spec), "")
    if reader.problems:
        raise Unusable("", "\n".join(reader.problems))
    return spec


def problems(spec: FaultSpec) -> Iterator[tuple[At, str]]:
    """What no single field can know: where in the fault, and what is wrong."""
    kind = spec.kind
    model = KINDS[kind]
    said = msgspec.to_builtins(spec)
    for name in said.get("where", {}):
        if name not in model.CONDITIONS:
            yield ("where", name), f"{name} means nothing for {kind}; it can be told by {', '.join(model.CONDITIONS)}"
    for name in said:
        if name in TIMING and name not in model.TIMING:
            yield (name,), f"{name} means nothing for {kind}; it takes {', '.join(model.TIMING)}"
    where = spec.where
    for name, given, known in (
        ("proxy", where.proxy, regions.PROXIES), ("site", where.site, regions.SITES), ("region", where.region, regions.REGIONS),
    ):  # fmt: skip
        for text in given:
            if text not in known:
                yield ("where", name), f"no {name} {text!r}{meant(text, known) or '; write one of ' + ', '.join(known)}"
    if not where.proxies() and {*where.proxy, *where.site, *where.region} <= {*regions.PROXIES, *regions.SITES, *regions.REGIONS}:
        yield ("where",), "no proxy is in all of these places; write one of proxy, site and region"
    for name, regex in where.header.items():
        try:
            re.compile(regex)
        except re.error as error:
            yield ("where", "header", name), f"{regex!r} is no regular expression ({error}); write one such as ^Asterisk"
    if where.status and where.in_dialog is not None:
        yield ("where", "in-dialog"), "in-dialog says nothing of a response; leave it out, or leave out status"
    yield from _of_kind(spec, kind)


def _of_kind(spec: FaultSpec, kind: str) -> Iterator[tuple[At, str]]:
    answer, media = spec.answer, spec.media
    if answer is not None:
        if answer.never and (answer.delay is not None or answer.status is not None):
            yield (kind,), "answer is never, and yet with a delay or a status; write one of them"
        if not answer.never and answer.delay is None and answer.status is None and answer.ringing is None:
            yield (kind,), "answer is as ever; write a time, never, ringing or status"
    if media is not None and not msgspec.to_builtins(media):
        yield (kind,), f"nothing is done to media; write one of {', '.join(fields(Media))}"
    if spec.rewrite is not None and not spec.rewrite.set and not spec.rewrite.remove:
        yield (kind,), "nothing is rewritten; write set.NAME=TEXT or remove=NAME"
    for name, value in {**(spec.refuse.headers if spec.refuse else {}), **(spec.rewrite.set if spec.rewrite else {})}.items():
        if not re.fullmatch(r"[A-Za-z0-9.!%*_+`'~-]{1,60}", name) or not re.fullmatch(r"[^\r\n]*", value):
            yield (kind,), f"{name!r}: {value!r:.40} is no header; write a name, and text without line breaks"
    for text in spec.redirect.to if spec.redirect is not None else ():
        if text != "self" and text not in regions.PROXIES and not re.match("sips?:.", text):
            yield (kind, "to"), f"to {text!r} is nowhere; write self, a proxy such as us-3-1, or a URI such as sip:1@192.0.2.1"
    if spec.reset is not None and spec.reset.octets is not None:
        for name in sorted(set(msgspec.to_builtins(spec).get("where", {})) - set(PLACE)):
            yield ("where", name), f"{name} is unknown when octets are counted; only {', '.join(PLACE)} are"
    if spec.wrong is not None and spec.wrong.value is not None and spec.wrong.what in ("cseq", "content-length"):
        if not re.fullmatch("[0-9]{1,10}", spec.wrong.value):
            yield (kind, "value"), f"value {spec.wrong.value!r} is no number; write one such as 7"
    if spec.tls is not None and spec.where.transport and "TLS" not in spec.where.transport:
        yield ("where", "transport"), "transport has no TLS; leave it out"
