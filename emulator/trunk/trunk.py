"""The trunk: twelve proxies, and what they do with a request that belongs to no dialog."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from email.utils import formatdate
from typing import TYPE_CHECKING, Any

from emulator.clock import Clock
from emulator.counting import counted
from emulator.ids import Ids
from emulator.journal.findings import Finding
from emulator.journal.journal import Journal
from emulator.journal.record import CallRecord
from emulator.media.codecs import for_number
from emulator.media.crypto import KEY_OCTETS
from emulator.media.offer import LocalMedia
from emulator.media.port import Exhausted, Port
from emulator.media.sdp import SessionDescription
from emulator.sdp_body import SDP_TYPE, offered
from emulator.sip.digest import Nonces
from emulator.sip.endpoint import Endpoint, warning
from emulator.sip.flow import Flow, sent_by
from emulator.sip.lint import lint
from emulator.sip.locate import Locator, Nameless
from emulator.sip.message import Request
from emulator.sip.methods import NOT_ALLOWED, SERVED
from emulator.sip.refusal import Refusal
from emulator.sip.session_timer import SUPPORTED
from emulator.sip.timers import Timers
from emulator.trunk import regions
from emulator.trunk.accounts import Accounts
from emulator.trunk.admission import Admission, check_accepted, request_uri
from emulator.trunk.behaviour import Behaviour, Facts, Refuse
from emulator.trunk.calls import Call, Ignored
from emulator.trunk.conversation import Conversation, Up
from emulator.trunk.leg import Leg, LegUser
from emulator.trunk.limits import CallLimits
from emulator.trunk.numbers import MAGIC_PREFIX
from emulator.trunk.policy import MediaPolicy, Policy
from emulator.trunk.proxy import Proxy
from emulator.trunk.registrar import Registrar
from emulator.trunk.studio import Studio

if TYPE_CHECKING:
    from emulator.trunk.callers import Ring
    from emulator.trunk.directory import Entry
    from emulator.trunk.exchange import Exchange

_IN_DIALOG = re.compile(rb"\n(?:to|t)[ \t]*:[^\r\n]*;[ \t]*tag[ \t]*=", re.IGNORECASE)  # a line feed is found faster than ^ is
_ONLY_IN_DIALOGS = frozenset({"BYE", "INFO", "PRACK"})
_KNOWN_METHODS = frozenset({*SERVED, "REGISTER", "MESSAGE", "SUBSCRIBE", "NOTIFY", "PUBLISH", "REFER", "UPDATE"})
_SOURCES_KEPT = 1000

__all__ = ["MediaPolicy", "Policy", "Proxy", "Trunk"]


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
        numbers: "Callable[[], Iterable[Entry]]" = tuple,
    ) -> None:
        """`open_port(proxy)` opens a media port pair on that proxy's address and raises `Exhausted` when none is free; `report` is
        told of errors that are ours; `numbers` says which the account's are, and where they are forwarded, when the first is rung."""
        self.clock = clock
        self.ids = ids
        self.journal = journal
        self.accounts = accounts
        self.policy = policy or Policy()
        self.studio = studio or Studio(clock)
        self.calls: dict[Up, None] = {}  # in order of their beginning
        self.behaviours: list[Callable[[Facts, Behaviour], Behaviour]] = [_magic] if self.policy.magic_numbers else []
        """How a call shall go: each is asked in turn, with what the one before it said; the first is told the policy's."""
        self._open_port = open_port
        self.report = report
        self.witness: Callable[[str, str, str, bool, bytes], None] | None = None
        """Sees every message while a scenario runs: proxy, transport, the peer's `address:port`, whether it came in, octets."""
        self._checked: set[tuple[str, str, str]] = set()
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
        self.admission = Admission(self.policy, accounts, self.proxies, self)
        methods = self.policy.behaviour.methods
        # 20.5: all methods that are understood; of those none registers inside a dialog
        allowed = methods.allowed if self.policy.registrar is None else f"{methods.allowed}, REGISTER"
        self._allow = ("Allow", allowed)
        self._options_lines = f"Allow: {allowed}\r\nAccept: {SDP_TYPE}\r\n{SUPPORTED}"
        self._methods: dict[str, Callable[[Endpoint, Request, Flow], None]] = {
            "INVITE": self._on_invite,
            "OPTIONS": self._on_options,
            "REGISTER": self._on_register,
        }
        self.limits = CallLimits(clock, self.policy.limits)
        self.registrar = Registrar(clock, self.policy.registrar)
        self.locator = Locator(Nameless(), ids, clock)  # the one that knows names comes with the name server
        self._numbers = numbers
        self._exchange: Exchange | None = None
        self.callback: Callable[[str, dict[str, Any], CallRecord], None] | None = None
        """Tells a URL that a call from Vonage is over; set before the first."""
        self.product = product

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
        if self.witness is not None:
            self.witness(endpoint.name, flow.transport, sent_by(flow.peer), incoming, data)
        record = self.journal.find(call_id)
        begins = incoming and data[:7] == b"INVITE "
        if record is None or (begins and record.precedes(data)):
            if not begins:
                return
            if record is None and _IN_DIALOG.search(data) is not None and any(call.record.bears(call_id) for call in self.calls):
                return  # of a call that goes on, although its record has made room for others
            record = self.journal.another(call_id)
            record.proxy = endpoint.name
            record.transport = flow.transport
            record.peer = sent_by(flow.peer)
        label = endpoint.name if record.direction == "outbound" else f"{endpoint.name} {sent_by(flow.peer)}"
        self.journal.message(record, self.clock.seconds(), incoming, label, data, flow.path)

    def on_withdrawn(self, endpoint: Endpoint, call_id: str, branch: str) -> None:
        """See `emulator.sip.endpoint.Core`."""
        record = self.journal.find(call_id)
        if record is not None:
            record.withdrawn(branch)

    def on_finding(self, endpoint: Endpoint, flow: Flow, call_id: str, finding: Finding, status: int, method: str = "") -> None:
        """A finding, with the refusal it brings if any."""
        record = self.journal.find(call_id)
        refused = False
        if record is not None:
            record.finding(finding)
            # an INVITE in a call that is up, or a BYE too many, does not change how it ended
            refused = status > 0 and method == "INVITE" and record.state in ("challenged", "refused") and record.direction == "outbound"
            if refused:
                record.status = status
                if status not in (401, 407):
                    record.state, record.ended = "refused", self.clock.wall()
        kind = "call.refused" if refused else "finding"
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
        request_uri(request)
        self.admission.check_required(request)
        status = self.policy.options_status
        finding = Finding("health-check.refused", f"policy.options_status is {status}") if status >= 300 else None
        endpoint.reply(request, flow, status, self._options_lines + (warning(flow, finding.public) if finding is not None else ""))
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
                **({"finding": str(finding)} if finding is not None else {}),
            )

    def forget_checks(self) -> None:
        """Tell of the next health check of each source as of a new one: something has changed that may have moved it."""
        self._checked.clear()

    def _on_register(self, endpoint: Endpoint, request: Request, flow: Flow) -> None:
        """RFC 3261 10.3, with 401 as its challenge (vonage-facts, defaults 2 and 7)."""
        if self.policy.registrar is None:
            raise Refusal(405, Finding("method.not-allowed", request.method), (self._allow,))
        request_uri(request)
        self.admission.check_required(request)
        verdict = self.admission.credentials(endpoint, request, flow, self.policy.registrar.challenge, None)
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
        uri = self.admission.check_invite(request)
        key, nonce = self.authorize(endpoint, request, flow, None)
        account = self.accounts.get(key)
        assert account is not None  # the digest has just been checked against it
        record = self.journal.call(request.call_id)
        self.journal.authenticated(record, key)
        self._check_limits(endpoint, request, flow, key)
        called, caller = self.admission.numbers(uri, request, account, record)
        record.caller, record.called = caller, called
        if len(self.calls) >= self.policy.max_calls:
            raise Refusal(503, Finding("limit.calls", f"{counted(self.policy.max_calls, 'call')} at once"), (("Retry-After", "5"),))
        for finding in lint(request, flow, _challenged(record)):
            record.finding(finding)
        region = regions.addressed_region(uri.host)
        if region is not None and region != regions.region_of(endpoint.name):
            record.finding(Finding("uri.other-region", f"{uri.host} at {endpoint.name}"))
        facts = Facts("outbound", called, caller, key, endpoint.name, flow.transport, request)
        behaviour = self.behaviour_of(facts)
        if behaviour.magic:
            record.magic = behaviour.magic
            self.journal.event("call.magic", record, number=called, does=behaviour.does)
        if behaviour.refuse is not None:
            raise self._refusal(endpoint, request, behaviour.refuse)
        if behaviour.silent:
            self._started(endpoint, flow, record)
            self.began(Ignored(self, endpoint, endpoint.invite_server(request, flow), record))
            return
        check_accepted(request)
        described = offered(request)
        if described is None and not self.policy.late_offers:
            raise Refusal(488, Finding("offer.late", "an INVITE without SDP"))
        if "contact" not in request.headers:
            raise Refusal(400, Finding("contact.missing", "no Contact header"))
        self._start(endpoint, request, flow, record, behaviour, described, nonce)

    def _refusal(self, endpoint: Endpoint, request: Request, refuse: Refuse) -> Refusal:
        headers = refuse.headers
        if refuse.status in (401, 407):  # which must have a challenge (RFC 3261 21.4.2, 21.4.8)
            headers += self.admission.challenge(self.proxies[endpoint.name], request, refuse.status, None).headers
        return Refusal(refuse.status, refuse.finding, headers, refuse.reason)

    def _started(self, endpoint: Endpoint, flow: Flow, record: CallRecord) -> None:
        self.journal.event(
            "call.started", record, caller=record.caller, called=record.called, proxy=endpoint.name, transport=flow.transport,
            peer=record.peer,
        )  # fmt: skip

    def _start(
        self, endpoint: Endpoint, request: Request, flow: Flow, record: CallRecord, behaviour: Behaviour,
        described: SessionDescription | None, nonce: str,
    ) -> None:  # fmt: skip
        call = Call(self, endpoint, record, record.called, nonce, behaviour)
        try:
            call.leg = self.leg(call, endpoint.name, flow.local[0], record, record.called, behaviour)
        except Exhausted as error:
            raise Refusal(503, Finding("limit.media-ports", str(error)), (("Retry-After", "5"),)) from None
        try:
            answered = call.leg.negotiate(described) if described is not None else None
            if described is None:
                record.finding(Finding("offer.late", "an INVITE without SDP"))
            self.began(call)
            self._started(endpoint, flow, record)
            call.start(endpoint.invite_server(request, flow), answered)
        except Exception:
            call.abandon()
            raise

    def authorize(self, endpoint: Endpoint, request: Request, flow: Flow, nonce: str | None) -> tuple[str, str]:
        """Digest on an INVITE; see `emulator.trunk.conversation.Calls`."""
        verdict = self.admission.credentials(endpoint, request, flow, self.policy.challenge, nonce)
        return verdict.username, verdict.nonce

    def behaviour_of(self, facts: Facts) -> Behaviour:
        """How a call shall go."""
        behaviour = self.policy.behaviour
        for choose in self.behaviours:
            behaviour = choose(facts, behaviour)
        return behaviour

    def leg(
        self, user: LegUser, proxy: str, address: str, record: CallRecord, number: str, behaviour: Behaviour, secure: bool = False
    ) -> Leg:
        """The media of a new call, at `address` of `proxy`; what it offers depends on the number that is not the customer's, and with
        `secure` is SRTP. Raises `Exhausted`."""
        port = self._open_port(proxy)
        spoken = self.policy.media
        local = LocalMedia(
            address, port.number, self.ids.number(1 << 31), for_number(spoken.codecs, number), lambda: self.ids.take(KEY_OCTETS),
            secure, spoken.crypto_on_avp, spoken.crypto_lifetime, spoken.ilbc_mode,
        )  # fmt: skip
        return Leg(self, user, record, behaviour, port, local, behaviour.ringing == 183)

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

    # -- calls ----------------------------------------------------------------------------------------------------

    def began(self, call: Up) -> None:
        """A call comes up; `forget` ends that."""
        self.calls[call] = None
        if call.record.direction == "outbound" and call.record.account is not None:
            self.limits.began(call.record.account)

    def forget(self, call: Up) -> None:
        """See `emulator.trunk.conversation.Calls`."""
        if call in self.calls:
            del self.calls[call]
            if call.record.direction == "outbound" and call.record.account is not None:
                self.limits.ended(call.record.account)

    @property
    def exchange(self) -> "Exchange":
        """Where calls to the account's numbers come in; made when the first does, for a trunk that only takes calls has no need of it."""
        if self._exchange is None:
            from emulator.trunk.directory import Directory
            from emulator.trunk.exchange import Exchange

            policy = self.policy.inbound
            directory = Directory(self._numbers(), policy.channels, policy.timeout_range, policy.max_targets)
            self._exchange = Exchange(self, directory, policy)
            self._exchange.callback = self.callback
        return self._exchange

    def ring(self, ring: "Ring") -> CallRecord:
        """Somebody rings a number of the account's; see `emulator.trunk.exchange.Exchange.ring`."""
        return self.exchange.ring(ring)

    def hang_up(self, id: str) -> bool:
        """End the call with the journal's number `id`; False when it is not up."""
        calls = self._calls_of(self.journal.get(id))
        for call in calls:
            call.hang_up()
        return bool(calls)

    def dial(self, id: str, digits: str) -> bool:
        """Send digits in the call with the journal's number `id`; False when it is not up. `ValueError` names what is no digit."""
        found = self._calls_of(self.journal.get(id))
        calls = [call for call in found if isinstance(call, Conversation) and call.record.state == "answered"]
        for call in calls:
            call.dial(digits)
        return bool(calls)

    def hold(self, id: str, holds: bool = True) -> bool:
        """Hold the other side of the call with the journal's number `id`, or take it off hold; False when that can't be asked now."""
        found = [call for call in self._calls_of(self.journal.get(id)) if isinstance(call, Conversation)]
        asked = [call.hold(holds) for call in found]
        return any(asked)

    def resume(self, id: str) -> bool:
        """Take the other side off hold; see `hold`."""
        return self.hold(id, False)

    def _calls_of(self, record: CallRecord | None) -> list[Up]:
        """The calls that share a record: one, unless a client uses a Call-ID for several at once."""
        return [call for call in self.calls if call.record is record]

    def hang_up_each(self) -> Iterator[None]:
        """End every call that is up at the first step, one a step, and wait for no answer. Nobody who would ring again does."""
        if self._exchange is not None:
            self._exchange.stop_repeating()
        for call in list(self.calls):
            if call in self.calls:  # between two steps it may have ended by itself
                call.hang_up(at_once=True)
                yield

    def hang_up_all(self, done: Callable[[], None]) -> None:
        """End every call at once; `done` is called when each has been answered or given up. Nobody who would ring again does."""
        if self._exchange is not None:
            self._exchange.stop_repeating()
        left = len(self.calls)
        if not left:
            done()
            return

        def one_less() -> None:
            nonlocal left
            left -= 1
            if not left:
                done()

        for call in list(self.calls):
            call.hang_up(one_less, at_once=True)

    def close(self) -> None:
        """Drop whatever is left, when the emulator stops."""
        for proxy in self.proxies.values():
            proxy.endpoint.close()


def _magic(facts: Facts, behaviour: Behaviour) -> Behaviour:
    """The table of magic numbers is read when the first of them is called."""
    if not facts.called.startswith(MAGIC_PREFIX):
        return behaviour
    from emulator.trunk import magic

    return magic.choose(facts, behaviour)


def _challenged(record: CallRecord) -> bytes | None:
    """The call's first INVITE as it came, when the one at hand is another."""
    first: bytes | None = None
    for _, incoming, _, data, _ in record.messages[:8]:
        if incoming and data[:7] == b"INVITE ":
            if first is not None:
                return first
            first = data
    return None
