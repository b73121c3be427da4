"""Who may place a call, to whom, and from which number: what an INVITE must pass before anybody looks at its media."""

from collections.abc import Mapping
from typing import Protocol

from emulator.counting import counted
from emulator.journal.findings import Finding
from emulator.journal.record import CallRecord
from emulator.sdp_body import SDP_TYPE
from emulator.sip.digest import Demands, Verdict, check
from emulator.sip.endpoint import Endpoint
from emulator.sip.flow import Flow
from emulator.sip.grammar import number
from emulator.sip.headers import HeaderError, uri_of
from emulator.sip.message import Request
from emulator.sip.refusal import Refusal
from emulator.sip.uri import Uri, UriError
from emulator.trunk import regions
from emulator.trunk.accounts import Account, Accounts
from emulator.trunk.numbers import ANONYMOUS_USERS, BadNumber, called, caller, is_emergency
from emulator.trunk.policy import Policy
from emulator.trunk.proxy import Proxy

_MAX_CREDENTIALS = 8
_TRIES_KEPT = 10000


class Told(Protocol):
    """Who is told of findings that refuse nothing: the trunk."""

    def on_finding(self, endpoint: Endpoint, flow: Flow, call_id: str, finding: Finding, status: int) -> None:
        """See `emulator.sip.endpoint.Core`."""


class Admission:
    """The checks, each of which may raise `Refusal`."""

    def __init__(self, policy: Policy, accounts: Accounts, proxies: Mapping[str, Proxy], told: Told) -> None:
        self._policy = policy
        self._accounts = accounts
        self._proxies = proxies
        self._told = told
        self._service_hosts = frozenset(regions.service_hosts())
        self._demands = Demands(policy.foreign_nonces and not policy.strict, policy.require_qop)
        self._options = frozenset({"100rel", "timer"} if policy.reliable_provisionals else {"timer"})  # what may be required
        self._tries: dict[str, int] = {}  # wrong credentials, by Call-ID

    # -- the request ----------------------------------------------------------------------------------------------

    def check_invite(self, request: Request) -> Uri:
        """What an INVITE is refused for whoever sends it; its Request-URI."""
        uri = request_uri(request)
        _check_hops(request)
        self.check_required(request)
        self._check_host(uri)
        return uri

    def check_required(self, request: Request) -> None:
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
            raise Refusal(self._policy.regionless_status, Finding("uri.no-region", uri.host))

    # -- credentials ----------------------------------------------------------------------------------------------

    def credentials(self, endpoint: Endpoint, request: Request, flow: Flow, challenge: int, nonce: str | None) -> Verdict:
        """Whoever sends a request, by its credentials; `Refusal` with a `challenge`, 401 or 407, when they won't do."""
        proxy = self._proxies[endpoint.name]
        name = "proxy-authorization" if challenge == 407 else "authorization"
        headers = request.headers.get(name)
        if headers is None and challenge == 407 and self._policy.authorization_header:
            headers = request.headers.get("authorization")
        if headers is None:
            finding = None
            if challenge == 407 and "authorization" in request.headers:
                finding = Finding("digest.authorization-header", "Authorization without Proxy-Authorization")
            raise self.challenge(proxy, request, challenge, finding)
        if len(headers) > _MAX_CREDENTIALS:
            raise self.challenge(proxy, request, challenge, Finding("digest.malformed", counted(len(headers), f"{name} header")))
        verdict: Verdict | None = None
        for header in headers:  # several realms may be answered at once (RFC 3261 22.3); one that is right is enough
            verdict = check(proxy.nonces, request.method, request.uri, header, self._accounts, nonce, self._demands)
            if verdict.ok:
                break
        assert verdict is not None
        if not verdict.ok:
            for finding in verdict.findings[:-1]:
                self._told.on_finding(endpoint, flow, request.call_id, finding, 0)
            self._count_try(request, verdict)
            raise self.challenge(proxy, request, challenge, verdict.findings[-1], verdict.stale)
        request.authenticated = True
        for finding in verdict.findings:
            self._told.on_finding(endpoint, flow, request.call_id, finding, 0)
        return verdict

    def _count_try(self, request: Request, verdict: Verdict) -> None:
        """403 in place of one more challenge where the policy has an end to them (vonage-facts, default 6)."""
        most = self._policy.refuse_after
        if most is None or verdict.stale:
            return
        tries = self._tries.pop(request.call_id, 0) + 1
        if tries >= most:
            raise Refusal(403, Finding("digest.too-many-tries", counted(tries, "try", "tries")))
        if len(self._tries) >= _TRIES_KEPT:
            del self._tries[next(iter(self._tries))]
        self._tries[request.call_id] = tries

    def challenge(self, proxy: Proxy, request: Request, status: int, finding: Finding | None, stale: bool = False) -> Refusal:
        """A refusal with `status`, 401 or 407, and a fresh challenge for each algorithm."""
        name = "Proxy-Authenticate" if status == 407 else "WWW-Authenticate"
        values = proxy.nonces.challenges(self._realm(request, proxy), stale)
        return Refusal(status, finding, tuple((name, value) for value in values))

    def _realm(self, request: Request, proxy: Proxy) -> str:
        """The addressed host of the service or of a trunk; the old global name for any older name (vonage-facts, default 4)."""
        if self._policy.realm is not None:
            return self._policy.realm
        try:
            host = request.target.host.lower()
        except UriError:
            host = ""
        if host not in self._service_hosts:
            return host if regions.trunk_domain(host) else proxy.place.host
        return regions.LEGACY_HOST if host.endswith(regions.LEGACY_DOMAIN) else host

    # -- numbers --------------------------------------------------------------------------------------------------

    def numbers(self, uri: Uri, request: Request, account: Account, record: CallRecord) -> tuple[str, str]:
        """The number that is called, and the one that calls; what is odd about them goes to `record`."""
        try:
            return self._called(uri, record), self._caller(request, account, record)
        except BadNumber as bad:
            record.called = record.called or uri.number
            raise Refusal(bad.status, bad.finding) from None

    def _called(self, uri: Uri, record: CallRecord) -> str:
        """The E.164 number dialled (vonage-facts, defaults 9, 13, 51)."""
        policy = self._policy
        user = uri.number
        if is_emergency(user, policy.emergency_numbers):
            raise BadNumber(
                policy.emergency_status,
                Finding("called.emergency", f"{user}; emergency calls are never placed"),
            )
        number, findings = called(user, policy.strict or not policy.lenient_numbers)
        for finding in findings:
            record.finding(finding)
        if not number.startswith(policy.destinations):
            raise BadNumber(404, Finding("called.international", number))
        return number

    def _caller(self, request: Request, account: Account, record: CallRecord) -> str:
        """The caller ID (vonage-facts, defaults 10 to 12): P-Asserted-Identity before From, and the account's own."""
        asserted = None
        identities = request.all("p-asserted-identity") if "p-asserted-identity" in request.headers else []
        if identities:
            try:
                asserted = Uri.parse(uri_of(identities[0])).number
            except (HeaderError, UriError) as error:
                raise BadNumber(400, Finding("message.malformed", f"P-Asserted-Identity: {error}")) from None
        if self._policy.own_from_host and not _is_ours(request.headers["from"][0], self._service_hosts):
            raise BadNumber(403, Finding("caller-id.host", request.headers["from"][0]))
        from_user = _user_of(request.headers["from"][0])
        privacy = request.get("privacy")
        hidden = from_user.lower() in ANONYMOUS_USERS or (privacy is not None and _hides(privacy))
        if hidden and not self._policy.anonymous_calls:
            raise BadNumber(403, Finding("caller-id.anonymous-refused", privacy or from_user))
        number, findings = caller(
            asserted, from_user, hidden, account.caller_ids, account.key, account.numbers[0] if account.numbers else "",
            self._policy.strict, self._policy.caller_id == "unknown",
        )  # fmt: skip
        for finding in findings:
            record.finding(finding)
        return number


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


def check_accepted(request: Request) -> None:
    """13.3.1: an answer that the caller can't read helps nobody."""
    if "accept" in request.headers:
        types = {value.partition(";")[0].strip().lower() for value in request.all("accept")}
        if types.isdisjoint({SDP_TYPE, "application/*", "*/*"}):
            raise Refusal(406, Finding("body.accept", ", ".join(sorted(types))))


def request_uri(request: Request) -> Uri:
    """A request's URI, of a scheme the trunk knows."""
    try:
        uri = request.target
    except UriError as error:
        raise Refusal(400, Finding("uri.malformed", str(error))) from None
    if uri.scheme not in ("sip", "sips", "tel"):
        raise Refusal(416, Finding("uri.scheme", uri.scheme))
    return uri


def _user_of(value: str) -> str:
    """The user part of a From or P-Asserted-Identity value, decoded; empty when there is none."""
    try:
        return Uri.parse(uri_of(value)).number
    except (HeaderError, UriError):
        return ""


def _is_ours(value: str, hosts: frozenset[str]) -> bool:
    try:
        return Uri.parse(uri_of(value)).host.lower() in hosts
    except (HeaderError, UriError):
        return False


def _hides(privacy: str) -> bool:
    """Whether a Privacy value asks for the caller to be hidden (RFC 3323 4.2, RFC 3325 9.3)."""
    return not {value.strip().lower() for value in privacy.split(";")}.isdisjoint({"id", "user", "header", "session"})
