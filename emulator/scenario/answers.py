"""Faults that answer requests in the trunk's place: they stand before the trunk as its endpoints' core, and before dialogs.

A refusal is raised as the trunk would raise it, so that transactions do the rest.
"""

from collections.abc import Callable, Mapping, Sequence

from emulator.journal.findings import Finding
from emulator.scenario import kinds
from emulator.scenario.rules import Rule
from emulator.scenario.sight import Known, Message
from emulator.sip.endpoint import Core, DialogUser, Endpoint
from emulator.sip.flow import Flow, sent_by
from emulator.sip.message import Request
from emulator.sip.refusal import Refusal
from emulator.sip.uri import Uri, UriError
from emulator.trunk.admission import Admission
from emulator.trunk.proxy import Proxy
from emulator.trunk.regions import Place

_DECISIONS = 2000
"""Requests whose copies get the same answer."""


class Answering:
    """A fault that may answer a request."""

    def __init__(self, rule: Rule, told: Callable[[Message], None]) -> None:
        self.rule = rule
        self._told = told

    def answer(self, message: Message, request: Request) -> Refusal | None:
        """The refusal that the request gets; None when it is none of this fault's."""
        if not self.concerns(request) or not self.rule.strikes(message):
            return None
        self._told(message)
        return self.refusal(message, request)

    def concerns(self, request: Request) -> bool:
        """Whether it is to be counted at all."""
        return True

    def refusal(self, message: Message, request: Request) -> Refusal:
        raise NotImplementedError

    @property
    def finding(self) -> Finding:
        return Finding("fault.refused", str(self.rule.spec))


class Refuse(Answering):
    """With any code."""

    def __init__(self, rule: Rule, told: Callable[[Message], None], what: kinds.Refuse) -> None:
        super().__init__(rule, told)
        self._what = what

    def refusal(self, message: Message, request: Request) -> Refusal:
        what = self._what
        return Refusal(what.status, self.finding, tuple(what.headers.items()), what.reason)


class Redirect(Answering):
    """Elsewhere, or to where it came."""

    def __init__(self, rule: Rule, told: Callable[[Message], None], what: kinds.Redirect, places: Mapping[str, Place]) -> None:
        super().__init__(rule, told)
        self._what = what
        self._places = places

    def refusal(self, message: Message, request: Request) -> Refusal:
        contacts = tuple(("Contact", f"<{self._uri(text, message, request)}>") for text in self._what.to)
        return Refusal(self._what.status, self.finding, contacts)

    def _uri(self, text: str, message: Message, request: Request) -> str:
        if text == "self":
            return request.uri
        place = self._places.get(text)
        if place is None:
            return text
        try:
            user = Uri.parse(request.uri).user or ""
        except UriError:
            user = ""
        transport = message.flow.transport
        port = {"UDP": place.udp, "TCP": place.tcp, "TLS": place.tls}[transport]
        suffix = "" if transport == "UDP" else f";transport={transport.lower()}"
        return f"sip:{user and user + '@'}{sent_by((place.address, port))}{suffix}"


class Challenge(Answering):
    """With one challenge after the other."""

    def __init__(
        self, rule: Rule, told: Callable[[Message], None], what: kinds.Challenge, admission: Admission, proxies: Mapping[str, Proxy],
        status_of: Callable[[str], int],
    ) -> None:  # fmt: skip
        """`status_of` a method is 401 or 407."""
        super().__init__(rule, told)
        self._what = what
        self._admission = admission
        self._proxies = proxies
        self._status_of = status_of
        self._same: tuple[tuple[str, str], ...] = ()

    def concerns(self, request: Request) -> bool:
        """Only an answer to a challenge can be too old; only a first one is answered with another realm."""
        answered = "proxy-authorization" in request.headers or "authorization" in request.headers
        return {"stale": answered, "other-realm": not answered}.get(self._what.how, True)

    def refusal(self, message: Message, request: Request) -> Refusal:
        how, proxy, status = self._what.how, self._proxies[message.proxy], self._status_of(request.method)
        if how == "other-realm":
            name = "Proxy-Authenticate" if status == 407 else "WWW-Authenticate"
            return Refusal(status, self.finding, tuple((name, value) for value in proxy.nonces.challenges(self._what.realm, False)))
        refusal = self._admission.challenge(proxy, request, status, self.finding, how == "stale")
        if how == "same-nonce":
            self._same = self._same or refusal.headers
            return Refusal(status, self.finding, self._same)
        return refusal


class Interposed:
    """The core of an endpoint while faults answer in its place; everything else goes on to the core behind it."""

    def __init__(self, core: Core, known: Known) -> None:
        self.faults: Sequence[Answering] = ()
        self._core = core
        self._known = known
        self._decided: dict[object, Refusal | None] = {}

    @property
    def core(self) -> Core:
        """What stands behind."""
        return self._core

    def on_message(self, endpoint: Endpoint, flow: Flow, incoming: bool, call_id: str, data: bytes) -> None:
        self._core.on_message(endpoint, flow, incoming, call_id, data)

    def on_withdrawn(self, endpoint: Endpoint, call_id: str, branch: str) -> None:
        self._core.on_withdrawn(endpoint, call_id, branch)

    def on_finding(self, endpoint: Endpoint, flow: Flow, call_id: str, finding: Finding, status: int, method: str = "") -> None:
        self._core.on_finding(endpoint, flow, call_id, finding, status, method)

    def on_error(self, endpoint: Endpoint, flow: Flow, call_id: str, error: Exception) -> None:
        self._core.on_error(endpoint, flow, call_id, error)

    def on_request(self, endpoint: Endpoint, request: Request, flow: Flow) -> None:
        """See `emulator.sip.endpoint.Core`. A copy of a request gets what the first one got, and is not counted again."""
        key = (request.via.params.get("branch"), request.call_id, request.cseq.number, request.method)
        if key in self._decided:
            refusal = self._decided[key]
        else:
            refusal = decide(self.faults, Message(self._known, endpoint.name, flow, True, request.raw, request), request)
            if len(self._decided) >= _DECISIONS:
                del self._decided[next(iter(self._decided))]
            self._decided[key] = refusal
        if refusal is not None:
            raise Refusal(refusal.status, refusal.finding, refusal.headers, refusal.reason)
        self._core.on_request(endpoint, request, flow)


def decide(faults: Sequence[Answering], message: Message, request: Request) -> Refusal | None:
    """What the first fault that strikes answers; those behind it neither see nor count the request."""
    for fault in faults:
        refusal = fault.answer(message, request)
        if refusal is not None:
            return refusal
    return None


class Dialogs(dict[str, DialogUser]):
    """The dialogs of an endpoint while faults answer requests inside them."""

    def __init__(self, dialogs: dict[str, DialogUser], endpoint: Endpoint, known: Known) -> None:
        super().__init__(dialogs)
        self.faults: Sequence[Answering] = ()
        self._endpoint = endpoint
        self._known = known

    def get(self, key: str, default: DialogUser | None = None) -> DialogUser | None:  # type: ignore[override]
        """The user of a dialog, behind the faults."""
        user = super().get(key, default)
        return _Guarded(user, self, self._endpoint, self._known) if user is not None else None


class _Guarded:
    """The user of a dialog, when a request is about to reach it."""

    def __init__(self, user: DialogUser, dialogs: Dialogs, endpoint: Endpoint, known: Known) -> None:
        self._user = user
        self._dialogs = dialogs
        self._endpoint = endpoint
        self._known = known
        self.on_ack = user.on_ack

    def on_request(self, request: Request, flow: Flow) -> None:
        """See `emulator.sip.endpoint.DialogUser`."""
        message = Message(self._known, self._endpoint.name, flow, True, request.raw, request)
        refusal = decide(self._dialogs.faults, message, request)
        if refusal is not None:
            raise refusal
        self._user.on_request(request, flow)
