"""What the control API and the endpoints file say, as typed values; JSON and the OpenAPI description are made from these."""

from typing import Annotated, Any, Literal

import msgspec

from emulator.trunk.regions import short_name


class ProxyEndpoint(msgspec.Struct, kw_only=True):
    """One proxy."""

    host: str
    address: str
    udp: int
    tcp: int
    tls: int


class DnsEndpoint(msgspec.Struct, kw_only=True):
    """The name server."""

    address: str
    port: int


class AccountKey(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The first account. The file holds the secret, the API does not."""

    key: str
    secret: str | None = None
    numbers: list[str] = []
    """Its own; each is a caller ID that it may show."""


class MediaEndpoint(msgspec.Struct, kw_only=True):
    """First and last media port; empty when the system chooses them."""

    ports: list[int]


class Endpoints(msgspec.Struct, kw_only=True):
    """All of it."""

    pid: int
    version: str
    layout: str
    control: str
    dns: DnsEndpoint
    ca: str
    account: AccountKey
    media: MediaEndpoint
    proxies: dict[str, ProxyEndpoint]

    def without_secret(self) -> "Endpoints":
        """What may go over HTTP."""
        return msgspec.structs.replace(self, account=AccountKey(key=self.account.key, numbers=self.account.numbers))


class Health(msgspec.Struct):
    """Answer of /livez and /readyz."""

    status: str
    version: str


class Held(msgspec.Struct):
    """What the emulator holds right now, over all proxies; all but the journal and the registrations is 0 some time after the last call."""

    calls: int
    dialogs: int
    transactions: int
    timers: int
    media_ports: int
    connections: int
    registrations: int
    journal_calls: int
    journal_octets: int
    media_octets: int
    """Of the packets that are kept for captures."""


class FindingModel(msgspec.Struct):
    """A finding; see `vsim explain`."""

    code: str
    severity: str
    seen: str
    wants: str
    fix: str
    source: str


class AttemptModel(msgspec.Struct, kw_only=True):
    """One INVITE of an inbound call; times in seconds from its INVITE, null where there was nothing. `target` counts from 1."""

    target: int
    uri: str
    transport: str
    address: str
    call_id: str
    first: int | None
    first_after: float | None
    status: int | None
    reason: str
    outcome: str
    after: float | None
    why: str
    late: int | None
    findings: list[str]


class SoundModel(msgspec.Struct):
    """What the caller of an inbound call hears from `at` on, in seconds from the start of the call."""

    at: float
    what: str
    status: int | None


class CallModel(msgspec.Struct, kw_only=True):
    """A call; times are Unix time in seconds, null until they happen."""

    id: str
    call_id: str
    direction: str
    proxy: str
    transport: str
    peer: str
    account: str | None
    caller: str
    called: str
    magic: str
    state: str
    started: float
    answered: float | None
    ended: float | None
    status: int | None
    reason: str
    ended_by: str
    codec: str
    attempts: list[AttemptModel]
    sounds: list[SoundModel]
    again: str
    recording: str
    media: dict[str, Any] | None
    findings: list[FindingModel]


class MessageModel(msgspec.Struct):
    """A SIP message; `at` in seconds from the call's first one, `incoming` as the emulator sees it, `flow` the proxy it passed, `peer` the
    address on the other side. `sent` is false for one that has not left, for there was no connection, or is none yet."""

    at: float
    incoming: bool
    sent: bool
    flow: str
    peer: str
    text: str


class MediaKept(msgspec.Struct):
    """How much of a call's media is kept for its capture. `missed` packets were not kept, or made room for those of other calls."""

    packets: int
    octets: int
    missed: int


class CallDetail(CallModel, kw_only=True):
    """A call with its messages: of very many the first and the newest. `messages_dropped` were not kept, which came after so many of
    those that were as `messages_dropped_after` says. `media_kept` is null where media is not kept (media.capture)."""

    messages: list[MessageModel]
    messages_dropped: int
    messages_dropped_after: int
    media_kept: MediaKept | None


class Placed(CallModel, kw_only=True):
    """A call that was just begun; what happens in it are the events after `events_after`."""

    events_after: int


class Digits(msgspec.Struct, forbid_unknown_fields=True):
    """Digits to send; a comma is half a second."""

    digits: Annotated[str, msgspec.Meta(pattern="^[0-9A-Da-d*#,]{1,64}$", extra={"write": "1 to 64 of 0 to 9, *, #, A to D, and commas"})]


class Hold(msgspec.Struct, forbid_unknown_fields=True):
    """Whether to hold the other side, or to take it off hold."""

    hold: bool


class ForwardProblem(msgspec.Struct):
    """A mistake in a forward list: `length` characters from `position`, which counts from 0."""

    position: int
    length: int
    what: str
    fix: str
    severity: str
    code: str


class TargetModel(msgspec.Struct):
    """One target of a forward list, in the order in which they are tried; `timeout` in seconds."""

    uri: str
    transport: str
    srtp: bool
    timeout: float


class NumberModel(msgspec.Struct, kw_only=True):
    """A number of the account's. `problems` are warnings; an erroneous list is refused."""

    number: str
    forward: str | None
    region: str | None
    voice_status_callback: str | None
    channels_in_use: int
    targets: list[TargetModel]
    problems: list[ForwardProblem]


class NumberList(msgspec.Struct):
    """The account's numbers."""

    numbers: list[NumberModel]


class NumberChange(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What becomes of a number; what is left out is not set any more."""

    forward: str | None = None
    region: Annotated[Literal["us", "eu", "ap"], msgspec.Meta(extra={"reads": short_name})] | None = None
    voice_status_callback: str | None = None


class CallList(msgspec.Struct):
    """Calls, newest first."""

    calls: list[CallModel]


class EventList(msgspec.Struct):
    """Events, oldest first; each has id, time, kind, call, and fields of its kind."""

    events: list[dict[str, Any]]


class Done(msgspec.Struct):
    """What was done."""

    done: str


class Problem(msgspec.Struct, omit_defaults=True):
    """RFC 9457, and the single mistakes in a forward list."""

    type: str
    title: str
    status: int
    detail: str
    problems: list[ForwardProblem] = []


class FaultModel(msgspec.Struct):
    """A fault: on one line, and as it was given. `state` is `on`, `waiting` for its time, `away` for a moment when it flaps, or `over`;
    `added` is Unix time in seconds; `matched` what met every condition, `hits` what was struck."""

    id: str
    fault: str
    spec: dict[str, Any]
    state: str
    added: float
    matched: int
    hits: int
    near_misses: list[str]


class FaultList(msgspec.Struct):
    """Faults, oldest first; how each proxy that is down is so; and the seed from which every chance follows."""

    faults: list[FaultModel]
    down: dict[str, list[str]]
    seed: int


class Outages(msgspec.Struct):
    """Which proxies were taken down or up just now, and how each that is down is so. `fault` is the id of what has taken them down."""

    changed: list[str]
    down: dict[str, list[str]]
    fault: str | None = None


class FailoverModel(msgspec.Struct):
    """What clients did while part of the trunk was down: outages, clients with their attempts and what to fix, and all of it as text, a
    line each."""

    outages: list[dict[str, Any]]
    clients: list[dict[str, Any]]
    text: list[str]
