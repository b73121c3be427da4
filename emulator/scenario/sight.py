"""What a fault can know of the things it may strike: messages, calls, connections, queries to the name server."""

from collections.abc import Mapping

from emulator.journal.journal import Journal
from emulator.journal.record import CallRecord
from emulator.sip.digest import Demands, Nonces, check
from emulator.sip.flow import Flow, sent_by
from emulator.sip.headers import HeaderError, NameAddr
from emulator.sip.message import Malformed, Request, Response, header_name, parse
from emulator.sip.uri import Uri, UriError
from emulator.trunk.accounts import Accounts
from emulator.trunk.behaviour import Facts
from emulator.trunk.proxy import Proxy

_YES_NO = {True: "yes", False: "no"}
_CREDENTIALS = 4
"""Of one request that are looked at."""


class _Uncounted:
    """The nonces of a proxy as far as a look at credentials needs them: looking uses up no nonce-count."""

    def __init__(self, nonces: Nonces) -> None:
        self._nonces = nonces

    def __getattr__(self, name: str) -> object:
        return getattr(self._nonces, name)

    def count(self, nonce: str, count: int) -> tuple[bool, int]:
        return True, 0


class Known:
    """What the trunk knows of who sends a message."""

    def __init__(self, journal: Journal, accounts: Accounts, proxies: Mapping[str, Proxy]) -> None:
        self._journal = journal
        self._accounts = accounts
        self._proxies = proxies

    def record(self, call_id: str) -> CallRecord | None:
        """The call of a Call-ID."""
        return self._journal.find(call_id) if call_id else None

    def account(self, proxy: str, request: Request) -> str:
        """The account whose credentials a request has, and has right; empty without any."""
        nonces = _Uncounted(self._proxies[proxy].nonces)
        for name in ("proxy-authorization", "authorization"):
            for header in request.headers.get(name, ())[:_CREDENTIALS]:
                verdict = check(nonces, request.method, request.uri, header, self._accounts, None, Demands())  # type: ignore[arg-type]
                if verdict.ok:
                    return verdict.username
        return ""


class Message:
    """A SIP message on its way in or out; it is parsed when a condition first asks for what the start line does not say."""

    __slots__ = ("_known", "_message", "_tried", "data", "flow", "incoming", "proxy")

    def __init__(self, known: Known, proxy: str, flow: Flow, incoming: bool, data: bytes, parsed: Request | None = None) -> None:
        self._known = known
        self._message: Request | Response | None = parsed
        self._tried = parsed is not None
        self.data = data
        self.flow = flow
        self.incoming = incoming
        self.proxy = proxy

    def again(self, data: bytes) -> "Message":
        """The same message after something was done to it."""
        return self if data is self.data else Message(self._known, self.proxy, self.flow, self.incoming, data)

    @property
    def message(self) -> Request | Response | None:
        """What can be read of it; None when nothing can."""
        if not self._tried:
            self._tried = True
            try:
                self._message = parse(self.data)
            except Malformed as malformed:
                self._message = malformed.message
        return self._message

    @property
    def noun(self) -> str:
        status = self.value("status")
        method = self.value("method")
        return f"{status} to {method}" if status else method or "something unreadable"

    @property
    def call_id(self) -> str:
        return getattr(self.message, "call_id", "")

    @property
    def record(self) -> CallRecord | None:
        return self._known.record(self.call_id)

    @property
    def peer(self) -> str:
        return sent_by(self.flow.peer)

    def value(self, condition: str) -> str:
        """See `emulator.scenario.conditions.Sight`."""
        if condition == "proxy":
            return self.proxy
        if condition == "transport":
            return self.flow.transport
        if condition == "direction":
            return "in" if self.incoming else "out"
        if condition == "status":
            return self.data[8:11].decode("ascii", "replace") if self.data.startswith(b"SIP/2.0 ") else ""
        if condition == "method":
            return self._method()
        if condition in ("called", "caller"):
            return self._party(condition)
        if condition == "call":
            record = self.record
            return record.direction if record is not None else ("outbound" if self.incoming else "inbound")
        message = self.message
        if not isinstance(message, Request):
            record = self.record
            return (record.account or "") if condition == "account" and record is not None else ""
        inside = bool(getattr(message, "to_tag", ""))
        if condition == "in-dialog":
            return _YES_NO[inside]
        account = self._account(message, inside)
        return account if condition == "account" else _YES_NO[bool(account)]

    def _method(self) -> str:
        if not self.data.startswith(b"SIP/2.0 "):
            return self.data[:32].partition(b" ")[0].decode("ascii", "replace").upper()
        cseq = getattr(self.message, "cseq", None)
        return cseq.method if cseq is not None else ""

    def _account(self, request: Request, inside: bool) -> str:
        """Whoever has shown a secret: in this request, or when the call it is in began."""
        record = self.record
        if (inside or not self.incoming) and record is not None:
            return record.account or ""
        return self._known.account(self.proxy, request) if self.incoming else ""

    def _party(self, which: str) -> str:
        """A number of the call; of one that is not known yet, what the message itself says."""
        record = self.record
        if record is not None and record.called:
            return record.called if which == "called" else record.caller or "anonymous"
        message = self.message
        if message is None:
            return ""
        if which == "called" and isinstance(message, Request):
            return _user(message.uri)
        try:
            return _user(NameAddr.parse(message.get("to" if which == "called" else "from") or "").uri)
        except HeaderError:
            return ""

    def header(self, name: str) -> str:
        """See `emulator.scenario.conditions.Sight`."""
        message = self.message
        return ", ".join(message.headers.get(header_name(name), ())) if message is not None else ""


def _user(uri: str) -> str:
    try:
        return Uri.parse(uri).number
    except UriError:
        return ""


class Placed:
    """A call that begins."""

    noun = "call"

    def __init__(self, facts: Facts) -> None:
        self._facts = facts

    @property
    def call_id(self) -> str:
        request = self._facts.request
        return request.call_id if request is not None else ""

    def value(self, condition: str) -> str:
        """See `emulator.scenario.conditions.Sight`."""
        facts = self._facts
        return {
            "proxy": facts.proxy, "transport": facts.transport, "called": facts.called, "caller": facts.caller or "anonymous",
            "account": facts.account, "call": facts.direction,
        }.get(condition, "")  # fmt: skip

    def header(self, name: str) -> str:
        """See `emulator.scenario.conditions.Sight`."""
        request = self._facts.request
        return ", ".join(request.headers.get(header_name(name), ())) if request is not None else ""


class Connecting:
    """A connection that a client opens."""

    noun = "connection"
    call_id = ""

    def __init__(self, proxy: str, transport: str) -> None:
        self._values = {"proxy": proxy, "transport": transport}

    def value(self, condition: str) -> str:
        """See `emulator.scenario.conditions.Sight`."""
        return self._values.get(condition, "")

    def header(self, name: str) -> str:
        """It has none."""
        return ""


class Query:
    """A question to the name server."""

    call_id = ""

    def __init__(self, name: str, type: str) -> None:
        self._values = {"name": name, "type": type}
        self.noun = f"{type} query"

    def value(self, condition: str) -> str:
        """See `emulator.scenario.conditions.Sight`."""
        return self._values.get(condition, "")

    def header(self, name: str) -> str:
        """It has none."""
        return ""
