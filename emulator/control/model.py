"""What the control API and the endpoints file say, as typed values; JSON and the OpenAPI description are made from these."""

from typing import Any

import msgspec


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
        return msgspec.structs.replace(self, account=AccountKey(key=self.account.key))


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


class FindingModel(msgspec.Struct):
    """A finding; see `vsim explain`."""

    code: str
    severity: str
    seen: str
    wants: str
    fix: str
    source: str


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
    media: dict[str, Any] | None
    findings: list[FindingModel]


class MessageModel(msgspec.Struct):
    """A SIP message; `at` in seconds from the call's first one, `incoming` as the emulator sees it."""

    at: float
    incoming: bool
    flow: str
    text: str


class CallDetail(CallModel, kw_only=True):
    """A call with its messages."""

    messages: list[MessageModel]
    messages_dropped: int


class CallList(msgspec.Struct):
    """Calls, newest first."""

    calls: list[CallModel]


class EventList(msgspec.Struct):
    """Events, oldest first; each has id, time, kind, call, and fields of its kind."""

    events: list[dict[str, Any]]


class Done(msgspec.Struct):
    """What was done."""

    done: str


class Problem(msgspec.Struct):
    """RFC 9457."""

    type: str
    title: str
    status: int
    detail: str
