"""The trunk: twelve proxies, and what they do with a request that belongs to no dialog."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import formatdate

from emulator.clock import Clock
from emulator.ids import Ids
from emulator.journal.findings import Finding
from emulator.journal.journal import CallRecord, Journal
from emulator.media.codecs import CODECS, Codec, for_number
from emulator.media.crypto import KEY_OCTETS
from emulator.media.offer import LocalMedia
from emulator.media.port import Exhausted, Port
from emulator.media.sdp import SessionDescription
from emulator.sip.digest import Demands, Nonces, Verdict, check
from emulator.sip.endpoint import Endpoint
from emulator.sip.flow import Flow, sent_by
from emulator.sip.grammar import number
from emulator.sip.headers import HeaderError, NameAddr
from emulator.sip.lint import lint
from emulator.sip.locate import Locator, Nameless
from emulator.sip.message import Request
from emulator.sip.methods import NOT_ALLOWED, SERVED
from emulator.sip.refusal import Refusal
from emulator.sip.timers import Timers
from emulator.sip.uri import Uri, UriError
from emulator.trunk import regions
from emulator.trunk.accounts import Account, Accounts
from emulator.trunk.behaviour import Behaviour
from emulator.trunk.calls import SDP_TYPE, Call, offered
from emulator.trunk.limits import CallLimits, LimitPolicy
from emulator.trunk.numbers import ANONYMOUS_USERS, EMERGENCY, BadNumber, called, caller, is_emergency
from emulator.trunk.registrar import Registrar, RegistrarPolicy
from emulator.trunk.studio import Studio

_ONLY_IN_DIALOGS = frozenset({"BYE", "INFO", "PRACK"})
_KNOWN_METHODS = frozenset({*SERVED, "REGISTER", "MESSAGE", "SUBSCRIBE", "NOTIFY", "PUBLISH", "REFER", "UPDATE"})
_MAX_CREDENTIALS = 8
_SOURCES_KEPT = 1000
_TRIES_KEPT = 10000


@dataclass(frozen=True, slots=True)
class MediaPolicy:
    """What the trunk speaks; see `emulator.media.offer.LocalMedia`."""

    codecs: tuple[Codec, ...] = CODECS
    crypto_on_avp: bool = False
    crypto_lifetime: bool = False
    ilbc_mode: int | None = 30


@dataclass(slots=True)
class Policy:
    """What the page leaves open; each field is a setting of the same name, and its default is argued in docs/settings.md."""

    strict: bool = False
    challenge: int = 407
    realm: str | None = None
    """Forces one realm; None takes the addressed service host."""
    algorithms: tuple[str, ...] = ("MD5",)
    """Digest algorithms offered and taken, the preferred one first."""
    nonce_lifetime: float = 300.0
    foreign_nonces: bool = True
    """Whether a challenge may be answered at another proxy than its own."""
    authorization_header: bool = False
    """Whether a 407 may be answered in Authorization."""
    require_qop: bool = False
    userhash: bool = False
    """Whether clients are told that they may hash the username (RFC 7616 3.4.4)."""
    refuse_after: int | None = None
    """Wrong credentials of one call that bring 403 instead of another challenge; None challenges for ever."""
    options_status: int = 200
    late_offers: bool = True
    """Whether an INVITE without an offer is taken; without it 488."""
    reliable_provisionals: bool = True
    """Whether 100rel may be required (vonage-facts, default 41); it is never asked for."""
    anonymous_calls: bool = True
    own_from_host: bool = False
    """Whether the host in From must be one of the service's."""
    regionless_status: int = 404
    """Answer to a trunk's host that names no region."""
    lenient_numbers: bool = True
    """Whether `+`, `00` and separators are taken off a called number."""
    caller_id: str = "refuse"
    """`refuse` or `unknown`: what a caller ID that the account may not show brings."""
    destinations: tuple[str, ...] = ("",)
    """Number prefixes that can be called; others get 404 (vonage-facts, default 13). The empty prefix is every number."""
    emergency_status: int = 403
    emergency_numbers: frozenset[str] = EMERGENCY
    max_calls: int = 4000
    max_transactions: int = 100000
    """Per proxy."""
    limits: LimitPolicy = field(default_factory=LimitPolicy)
    behaviour: Behaviour = field(default_factory=Behaviour)
    media: MediaPolicy = field(default_factory=MediaPolicy)
    registrar: RegistrarPolicy | None = field(default_factory=RegistrarPolicy)
    """None refuses REGISTER with 405: one Vonage guide says registration is not needed (vonage-facts 3)."""


class Proxy:
    """One of the twelve: its place, its endpoint with its own transactions, its nonces, its health."""

    __slots__ = ("endpoint", "name", "nonces", "place")

    def __init__(self, place: regions.Place, endpoint: Endpoint, nonces: Nonces) -> None:
        self.name = place.name
        self.place = place
        self.endpoint = endpoint
        self.nonces = nonces


class Trunk:
    """All proxies, the accounts, and the calls that are up. The core of every proxy's endpoint."""

    def __init__(
        self,
        clock: Clock,
        ids: Ids,
        journal: Journal,
        accounts: Accounts,
        places: Sequence[regions.Place],
        open_port: Callable[[str], Port],
        report: Callable[[Exception], None],
        policy: Policy | None = None,
        product: str = "vsim",
        timers: Timers | None = None,
        studio: Studio | None = None,
    ) -> None:
        """`open_port(proxy)` opens a media port pair on that proxy's address and raises `Exhausted` when none is free; `report` is
        told of errors that are ours."""
        self.clock = clock
        self.ids = ids
        self.journal = journal
        self.accounts = accounts
        self.policy = policy or Policy()
        self.studio = studio or Studio(clock)
        self.calls: dict[str, Call] = {}
        self._open_port = open_port
        self._service_hosts = frozenset(regions.service_hosts())
        self.report = report
        self._checked: set[tuple[str, str, str]] = set()
        self._demands = Demands(self.policy.foreign_nonces and not self.policy.strict, self.policy.require_qop)
        key = ids.take(32)
        names = tuple(place.name for place in places)
        self.proxies: Mapping[str, Proxy] = {
            place.name: Proxy(
                place,
                Endpoint(place.name, self, clock, ids, product, timers, self.policy.max_transactions),
                Nonces(place.name, key, clock, self.policy.nonce_lifetime, names, self.policy.algorithms, self.policy.userhash),
            )
            for place in places
        }
        methods = self.policy.behaviour.methods
        self._allow = ("Allow", methods.allowed)
        self._options_lines = f"{methods.allow}Accept: {SDP_TYPE}\r\n"
        self._options = frozenset({"100rel", "timer"} if self.policy.reliable_provisionals else {"timer"})  # what may be required
        self._tries: dict[str, int] = {}  # wrong credentials, by Call-ID
        self._methods: dict[str, Callable[[Endpoint, Request, Flow], None]] = {
            "INVITE": self._on_invite,
            "OPTIONS": self._on_options,
            "REGISTER": self._on_register,
        }
        self.limits = CallLimits(clock, self.policy.limits)
        self.registrar = Registrar(clock, self.policy.registrar)
        self.locator = Locator(Nameless(), ids, clock)  # the one that knows names comes with the name server

    # -- the core of the endpoints --------------------------------------------------------------------------------

    def on_request(self, endpoint: Endpoint, request: Request, flow: Flow) -> None:
        """See `emulator.sip.endpoint.Core`."""
        method = self._methods.get(request.method)
        if method is None:
            if request.method in _ONLY_IN_DIALOGS:
                raise Refusal(481, Finding("dialog.none", f"{request.method} without a To tag"))
            if request.method in _KNOWN_METHODS:
                raise Refusal(
                    self.policy.behaviour.methods.refusal(request.method) or NOT_ALLOWED,
                    Finding("method.not-allowed", request.method),
                    (self._allow,),
                )
            raise Refusal(501, Finding("method.unknown", request.method), (self._allow,))
        method(endpoint, request, flow)

    def on_message(self, endpoint: Endpoint, flow: Flow, incoming: bool, call_id: str, data: bytes) -> None:
        """Keep the messages of calls. The first INVITE of a call makes its record, so a challenged one is there too."""
        record = self.journal.find(call_id)
        if record is None:
            if not incoming or not data.startswith(b"INVITE "):
                return
            record = self.journal.call(call_id)
            record.proxy = endpoint.name
            record.transport = flow.transport
            record.peer = sent_by(flow.peer)
        self.journal.message(record, self.clock.seconds(), incoming, endpoint.name, data)

    def on_finding(self, endpoint: Endpoint, flow: Flow, call_id: str, finding: Finding, status: int) -> None:
        """A finding, with the refusal it brings if any."""
        record = self.journal.find(call_id)
        if record is not None:
            record.finding(finding)
            if status and not record.live:
                record.status = status
                if status not in (401, 407):
                    record.state, record.ended = "refused", self.clock.wall()
        kind = "call.refused" if status and record is not None and not record.live else "finding"
        known = record is not None and record.account is not None
        note = self.journal.event if known else self.journal.event_of_stranger
        note(
            kind,
            record,
            status=status or None,
            proxy=endpoint.name,
            peer=sent_by(flow.peer),
            finding=str(finding),
        )

    def on_error(self, endpoint: Endpoint, flow: Flow, call_id: str, error: Exception) -> None:
        """A bug of ours: it is reported, its call ends, the emulator goes on."""
        record = self.journal.find(call_id)
        self.journal.event("error", record, proxy=endpoint.name, error=f"{type(error).__name__}: {error}")
        self.report(error)
        for call in self._calls_of(record):
            call.hang_up(at_once=True)

    # -- methods --------------------------------------------------------------------------------------------------

    def _on_options(self, endpoint: Endpoint, request: Request, flow: Flow) -> None:
        """The health check: 200 without credentials, for any user and host (page: Health checks; vonage-facts, default 8)."""
        _request_uri(request)
        self._check_required(request)
        status = self.policy.options_status
        endpoint.reply(request, flow, status, self._options_lines)
        source = (endpoint.name, flow.transport, flow.peer[0])
        if source not in self._checked:  # a line for each new source, not for each of its checks
            if len(self._checked) >= _SOURCES_KEPT:
                self._checked.clear()
            self._checked.add(source)
            self.journal.event(
                "options",
                None,
                proxy=endpoint.name,
                transport=flow.transport,
                peer=sent_by(flow.peer),
                status=status,
            )

    def _on_register(self, endpoint: Endpoint, request: Request, flow: Flow) -> None:
        """RFC 3261 10.3, with 401 as its challenge (vonage-facts, defaults 2 and 7)."""
        if self.policy.registrar is None:
            raise Refusal(405, Finding("method.not-allowed", request.method), (self._allow,))
        _request_uri(request)
        self._check_required(request)
        verdict = self._credentials(endpoint, request, flow, self.policy.registrar.challenge, None)
        account = self.accounts.get(verdict.username)
        assert account is not None  # the digest has just been checked against it
        contacts, done = self.registrar.register(request, account)
        date = formatdate(self.clock.wall(), usegmt=True)
        endpoint.non_invite_server(request, flow).respond(200, f"{contacts}Date: {date}\r\n{endpoint.server_line}")
        self.journal.event(
            "register", None, account=account.key, bindings=done, proxy=endpoint.name, transport=flow.transport, peer=sent_by(flow.peer)
        )

    def _on_invite(self, endpoint: Endpoint, request: Request, flow: Flow) -> None:
        """A new call: who calls, whom, from which number, with which media; each question may end it."""
        uri = _request_uri(request)
        _check_hops(request)
        self._check_required(request)
        self._check_host(uri)
        key, nonce = self.authorize(endpoint, request, flow, None)
        account = self.accounts.get(key)
        assert account is not None  # the digest has just been checked against it
        record = self.journal.call(request.call_id)
        self.journal.authenticated(record, key)
        self._check_limits(endpoint, request, flow, key)
        try:
            called_number = self._called(uri, record)
            caller_number = self._caller(request, account, record)
        except BadNumber as bad:
            record.called = record.called or uri.number
            raise Refusal(bad.status, bad.finding) from None
        _check_accepted(request)
        described = offered(request)
        if described is None and not self.policy.late_offers:
            raise Refusal(488, Finding("offer.late", "an INVITE without SDP"))
        if "contact" not in request.headers:
            raise Refusal(400, Finding("contact.missing", "no Contact header"))
        if len(self.calls) >= self.policy.max_calls:
            raise Refusal(503, Finding("limit.calls", f"{self.policy.max_calls} calls at once"), (("Retry-After", "5"),))
        for finding in lint(request, flow, _challenged(record)):
            record.finding(finding)
        region = regions.addressed_region(uri.host)
        if region is not None and region != regions.region_of(endpoint.name):
            record.finding(Finding("uri.other-region", f"{uri.host} at {endpoint.name}"))
        self._start(endpoint, request, flow, record, account, described, called_number, caller_number, nonce)

    def _start(
        self, endpoint: Endpoint, request: Request, flow: Flow, record: CallRecord, account: Account,
        described: SessionDescription | None, called_number: str, caller_number: str, nonce: str,
    ) -> None:  # fmt: skip
        try:
            port = self._open_port(endpoint.name)
        except Exhausted as error:
            raise Refusal(503, Finding("limit.media-ports", str(error)), (("Retry-After", "5"),)) from None
        call = Call(
            self,
            endpoint,
            request,
            record,
            called_number,
            nonce,
            self.policy.behaviour,
            port,
            self._local_media(flow.local[0], port, called_number),
        )
        try:
            answered = call.negotiate(described) if described is not None else None
            if described is None:
                record.finding(Finding("offer.late", "an INVITE without SDP"))
            record.caller, record.called = caller_number, called_number
            self.calls[call.key] = call
            self.limits.began(account.key)
            self.journal.event(
                "call.started", record, caller=caller_number, called=called_number, proxy=endpoint.name, transport=flow.transport,
                peer=record.peer,
            )  # fmt: skip
            call.start(endpoint.invite_server(request, flow), answered)
        except Exception:
            call.abandon()
            raise

    def _local_media(self, address: str, port: Port, number: str) -> LocalMedia:
        """Our side of a call's media; what it offers depends on the number."""
        spoken = self.policy.media
        return LocalMedia(
            address, port.number, self.ids.number(1 << 31), for_number(spoken.codecs, number), lambda: self.ids.take(KEY_OCTETS),
            crypto_on_avp=spoken.crypto_on_avp, take_lifetime=spoken.crypto_lifetime, ilbc_mode=spoken.ilbc_mode,
        )  # fmt: skip

    def _check_limits(self, endpoint: Endpoint, request: Request, flow: Flow, account: str) -> None:
        excess = self.limits.start(account)
        if excess is None:
            return
        if excess.refused:
            raise Refusal(self.limits.policy.status, excess.finding, (("Retry-After", "1"),))
        if excess.told:
            self.on_finding(endpoint, flow, request.call_id, excess.finding, 0)
        else:
            self.journal.call(request.call_id).finding(excess.finding)

    def _check_required(self, request: Request) -> None:
        """8.2.2.3."""
        if "require" in request.headers and (missing := request.tokens("require") - self._options):
            options = ", ".join(sorted(missing))
            raise Refusal(420, Finding("require.unsupported", options), (("Unsupported", options),))

    def _check_host(self, uri: Uri) -> None:
        """A trunk's host without a region fails the call (vonage-facts 8 and default 37)."""
        if uri.host in self._service_hosts:
            return
        domain = regions.trunk_domain(uri.host)
        if domain is not None and domain[1] is None:
            raise Refusal(self.policy.regionless_status, Finding("uri.no-region", uri.host))

    # -- who, whom, from which number -----------------------------------------------------------------------------

    def authorize(self, endpoint: Endpoint, request: Request, flow: Flow, nonce: str | None) -> tuple[str, str]:
        """Digest on an INVITE; see `emulator.trunk.calls.Calls`."""
        verdict = self._credentials(endpoint, request, flow, self.policy.challenge, nonce)
        return verdict.username, verdict.nonce

    def _credentials(self, endpoint: Endpoint, request: Request, flow: Flow, challenge: int, nonce: str | None) -> Verdict:
        """Whoever sends a request, by its credentials; `Refusal` with a `challenge`, 401 or 407, when they won't do."""
        proxy = self.proxies[endpoint.name]
        name = "proxy-authorization" if challenge == 407 else "authorization"
        headers = request.headers.get(name)
        if headers is None and challenge == 407 and self.policy.authorization_header:
            headers = request.headers.get("authorization")
        if headers is None:
            finding = None
            if challenge == 407 and "authorization" in request.headers:
                finding = Finding("digest.authorization-header", "Authorization without Proxy-Authorization")
            raise self._challenge(proxy, request, challenge, finding)
        if len(headers) > _MAX_CREDENTIALS:
            raise self._challenge(proxy, request, challenge, Finding("digest.malformed", f"{len(headers)} {name} headers"))
        verdict: Verdict | None = None
        for header in headers:  # several realms may be answered at once (RFC 3261 22.3); one that is right is enough
            verdict = check(proxy.nonces, request.method, request.uri, header, self.accounts, nonce, self._demands)
            if verdict.ok:
                break
        assert verdict is not None
        if not verdict.ok:
            for finding in verdict.findings[:-1]:
                self.on_finding(endpoint, flow, request.call_id, finding, 0)
            self._count_try(request, verdict)
            raise self._challenge(proxy, request, challenge, verdict.findings[-1], verdict.stale)
        request.authenticated = True
        for finding in verdict.findings:
            self.on_finding(endpoint, flow, request.call_id, finding, 0)
        return verdict

    def _count_try(self, request: Request, verdict: Verdict) -> None:
        """403 in place of one more challenge where the policy has an end to them (vonage-facts, default 6)."""
        most = self.policy.refuse_after
        if most is None or verdict.stale:
            return
        tries = self._tries.pop(request.call_id, 0) + 1
        if tries >= most:
            raise Refusal(403, Finding("digest.too-many-tries", f"{tries} tries"))
        if len(self._tries) >= _TRIES_KEPT:
            del self._tries[next(iter(self._tries))]
        self._tries[request.call_id] = tries

    def _challenge(self, proxy: Proxy, request: Request, status: int, finding: Finding | None, stale: bool = False) -> Refusal:
        name = "Proxy-Authenticate" if status == 407 else "WWW-Authenticate"
        values = proxy.nonces.challenges(self._realm(request.uri, proxy), stale)
        return Refusal(status, finding, tuple((name, value) for value in values))

    def _realm(self, uri: str, proxy: Proxy) -> str:
        """The addressed host of the service or of a trunk; the old global name for any older name (vonage-facts, default 4)."""
        if self.policy.realm is not None:
            return self.policy.realm
        try:
            host = Uri.parse(uri).host.lower()
        except UriError:
            host = ""
        if host not in self._service_hosts:
            return host if regions.trunk_domain(host) else proxy.place.host
        return regions.LEGACY_HOST if host.endswith(regions.LEGACY_DOMAIN) else host

    def _called(self, uri: Uri, record: CallRecord) -> str:
        """The E.164 number dialled (vonage-facts, defaults 9, 13, 51)."""
        policy = self.policy
        user = uri.number
        if is_emergency(user, policy.emergency_numbers):
            raise BadNumber(
                policy.emergency_status,
                Finding("called.emergency", f"{user}; emergency calls are never placed"),
            )
        number, findings = called(user, policy.strict or not policy.lenient_numbers)
        for finding in findings:
            record.finding(finding)
        if not any(number.startswith(prefix) for prefix in policy.destinations):
            raise BadNumber(404, Finding("called.international", number))
        return number

    def _caller(self, request: Request, account: Account, record: CallRecord) -> str:
        """The caller ID (vonage-facts, defaults 10 to 12): P-Asserted-Identity before From, and the account's own."""
        asserted = None
        for value in request.all("p-asserted-identity"):
            try:
                asserted = Uri.parse(NameAddr.parse(value).uri).number
            except (HeaderError, UriError) as error:
                raise BadNumber(400, Finding("message.malformed", f"P-Asserted-Identity: {error}")) from None
            break
        if self.policy.own_from_host and not _is_ours(request.headers["from"][0], self._service_hosts):
            raise BadNumber(403, Finding("caller-id.host", request.headers["from"][0]))
        from_user = _user_of(request.headers["from"][0])
        privacy = request.get("privacy")
        hidden = from_user.lower() in ANONYMOUS_USERS or (privacy is not None and _hides(privacy))
        if hidden and not self.policy.anonymous_calls:
            raise BadNumber(403, Finding("caller-id.anonymous-refused", privacy or from_user))
        number, findings = caller(
            asserted, from_user, hidden, account.caller_ids, account.key, account.numbers[0] if account.numbers else "",
            self.policy.strict, self.policy.caller_id == "unknown",
        )  # fmt: skip
        for finding in findings:
            record.finding(finding)
        return number

    # -- calls ----------------------------------------------------------------------------------------------------

    def forget(self, call: Call) -> None:
        """The call is over."""
        if self.calls.pop(call.key, None) is not None and call.record.account is not None:
            self.limits.ended(call.record.account)

    def hang_up(self, id: str) -> bool:
        """End the call with the journal's number `id`; False when it is not up."""
        calls = self._calls_of(self.journal.get(id))
        for call in calls:
            call.hang_up()
        return bool(calls)

    def _calls_of(self, record: CallRecord | None) -> list[Call]:
        """The calls that share a record: one, unless a client uses a Call-ID for several at once."""
        return [call for call in self.calls.values() if call.record is record]

    def hang_up_all(self, done: Callable[[], None]) -> None:
        """End every call at once; `done` is called when each has been answered or given up."""
        left = len(self.calls)
        if not left:
            done()
            return

        def one_less() -> None:
            nonlocal left
            left -= 1
            if not left:
                done()

        for call in list(self.calls.values()):
            call.hang_up(one_less, at_once=True)

    def close(self) -> None:
        """Drop whatever is left, when the emulator stops."""
        for proxy in self.proxies.values():
            proxy.endpoint.close()


def _challenged(record: CallRecord) -> bytes | None:
    """The call's first INVITE as it came, when the one at hand is another."""
    invites = [data for _, incoming, _, data in record.messages[:8] if incoming and data.startswith(b"INVITE ")]
    return invites[0] if len(invites) > 1 else None


def _check_hops(request: Request) -> None:
    """A call goes on to the telephone network, so the trunk is no final recipient: 16.3, item 3. Without the header it goes on."""
    value = request.get("max-forwards")
    if value is None:
        return
    hops = number(value, 255)
    if hops is None:
        raise Refusal(400, Finding("message.malformed", f"Max-Forwards {value[:20]!r} is not a number from 0 to 255"))
    if not hops:
        raise Refusal(483, Finding("request.too-many-hops", "Max-Forwards: 0"))


def _check_accepted(request: Request) -> None:
    """13.3.1: an answer that the caller can't read helps nobody."""
    if "accept" in request.headers:
        types = {value.partition(";")[0].strip().lower() for value in request.all("accept")}
        if types.isdisjoint({SDP_TYPE, "application/*", "*/*"}):
            raise Refusal(406, Finding("body.accept", ", ".join(sorted(types))))


def _request_uri(request: Request) -> Uri:
    try:
        uri = Uri.parse(request.uri)
    except UriError as error:
        raise Refusal(400, Finding("uri.malformed", str(error))) from None
    if uri.scheme not in ("sip", "sips", "tel"):
        raise Refusal(416, Finding("uri.scheme", uri.scheme))
    return uri


def _user_of(value: str) -> str:
    """The user part of a From or P-Asserted-Identity value, decoded; empty when there is none."""
    try:
        return Uri.parse(NameAddr.parse(value).uri).number
    except (HeaderError, UriError):
        return ""


def _is_ours(value: str, hosts: frozenset[str]) -> bool:
    try:
        return Uri.parse(NameAddr.parse(value).uri).host.lower() in hosts
    except (HeaderError, UriError):
        return False


def _hides(privacy: str) -> bool:
    """Whether a Privacy value asks for the caller to be hidden (RFC 3323 4.2, RFC 3325 9.3)."""
    return not {value.strip().lower() for value in privacy.split(";")}.isdisjoint({"id", "user", "header", "session"})
