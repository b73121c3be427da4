"""REGISTER (RFC 3261 10.3): bindings are kept to the letter and route nothing, for calls go where a number's forward list says
(vonage-facts, default 7)."""

from dataclasses import dataclass

from emulator.clock import Clock
from emulator.counting import counted
from emulator.journal.findings import Finding
from emulator.sip.grammar import number
from emulator.sip.headers import HeaderError, NameAddr
from emulator.sip.message import Request
from emulator.sip.refusal import Refusal
from emulator.sip.uri import Uri, UriError
from emulator.trunk.accounts import Account

_AN_HOUR = 3600


@dataclass(frozen=True, slots=True)
class RegistrarPolicy:
    """Seconds; `contacts` bounds the bindings of one address-of-record, `records` the addresses-of-record."""

    default_expires: int = _AN_HOUR
    minimum_expires: int = 60
    maximum_expires: int = 86400
    contacts: int = 10
    records: int = 1000
    challenge: int = 401


class Binding:
    """One contact of an address-of-record; `until` on the monotonic clock."""

    __slots__ = ("call_id", "params", "sequence", "until", "uri")

    def __init__(self, uri: Uri, params: str, call_id: str, sequence: int, until: float) -> None:
        self.uri = uri
        self.params = params
        self.call_id = call_id
        self.sequence = sequence
        self.until = until


class Registrar:
    """The bindings of every account."""

    def __init__(self, clock: Clock, policy: RegistrarPolicy | None = None) -> None:
        self._clock = clock
        self._policy = policy or RegistrarPolicy()
        self._records: dict[tuple[str, str], list[Binding]] = {}

    def register(self, request: Request, account: Account) -> tuple[str, str]:
        """Carry out an authenticated REGISTER: all of it or nothing (10.3, step 7). Returns the Contact lines of the 200, and what was
        done in a few words. Raises `Refusal`."""
        record = self._record_of(request, account)
        bindings = self._current(record)
        contacts = request.all("contact")
        if not contacts:
            return self._lines(bindings), "queried"
        if any(value.strip() == "*" for value in contacts):
            self._check_order(bindings, request)
            if len(contacts) > 1 or self._header_expires(request) != 0:
                raise Refusal(400, Finding("register.star", "Contact: * without Expires: 0, or beside other contacts"))
            self._records.pop(record, None)
            return "", "all removed"
        wanted = [self._wanted(value, request) for value in contacts]
        self._check_order([known for known in bindings if any(known.uri == one.uri for one in wanted)], request)
        now = self._clock.seconds()
        for one in wanted:
            bindings = [known for known in bindings if known.uri != one.uri]
            if one.until > now:
                bindings.append(one)
        if len(bindings) > self._policy.contacts:
            raise Refusal(403, Finding("limit.registrations", f"{counted(len(bindings), 'contact')} of one address"))
        if bindings:
            if record not in self._records and len(self._records) >= self._policy.records:
                self._purge()
                if len(self._records) >= self._policy.records:
                    known = counted(self._policy.records, "address", "addresses")
                    raise Refusal(503, Finding("limit.registrations", known), (("Retry-After", "60"),))
            self._records[record] = bindings
        else:
            self._records.pop(record, None)
        return self._lines(bindings), f"{len(bindings)} bound" if bindings else "removed"

    def bindings(self, account: str) -> dict[str, list[str]]:
        """The contacts of an account by the user of their address-of-record."""
        return {user: [str(binding.uri) for binding in self._current((key, user))] for key, user in list(self._records) if key == account}

    def __len__(self) -> int:
        return len(self._records)

    def _record_of(self, request: Request, account: Account) -> tuple[str, str]:
        """10.3, steps 4 and 5: the To must name the account or a number of its own."""
        try:
            uri = Uri.parse(NameAddr.parse(request.headers["to"][0]).uri)
        except (HeaderError, UriError) as error:
            raise Refusal(400, Finding("message.malformed", f"To: {error}")) from None
        if uri.scheme not in ("sip", "sips"):
            raise Refusal(400, Finding("message.malformed", f"To: {uri.scheme} is no scheme of an address-of-record"))
        user = uri.number.removeprefix("+")
        if user != account.key and user not in account.numbers:
            raise Refusal(404, Finding("register.address", uri.number or "no user part"))
        return account.key, user

    def _wanted(self, value: str, request: Request) -> Binding:
        try:
            contact = NameAddr.parse(value)
            uri = Uri.parse(contact.uri)
        except (HeaderError, UriError) as error:
            raise Refusal(400, Finding("message.malformed", f"Contact: {error}")) from None
        text = contact.params.get("expires")
        expires = number(text) if text is not None else None
        if text is None:
            expires = self._header_expires(request)
        if expires is None:  # "an invalid value should be treated as 3600" (20.19, 10.3 step 6)
            expires = self._policy.default_expires
        if 0 < expires < min(self._policy.minimum_expires, _AN_HOUR):
            finding = Finding("register.too-brief", f"expires {expires}")
            raise Refusal(423, finding, (("Min-Expires", str(self._policy.minimum_expires)),))
        expires = min(expires, self._policy.maximum_expires)
        params = "".join(f";{name}" if text is None else f";{name}={text}" for name, text in contact.params.items() if name != "expires")
        return Binding(uri, params, request.call_id, request.cseq.number, self._clock.seconds() + expires)

    def _header_expires(self, request: Request) -> int | None:
        value = request.get("expires")
        return number(value) if value is not None else None

    def _check_order(self, bindings: list[Binding], request: Request) -> None:
        """Step 7: a request that is older than one of the same Call-ID that was carried out must fail."""
        for known in bindings:
            if known.call_id == request.call_id and request.cseq.number <= known.sequence:
                raise Refusal(500, Finding("register.out-of-order", f"CSeq {request.cseq.number} after {known.sequence}"))

    def _current(self, record: tuple[str, str]) -> list[Binding]:
        now = self._clock.seconds()
        return [binding for binding in self._records.get(record, ()) if binding.until > now]

    def _purge(self) -> None:
        self._records = {record: current for record in self._records if (current := self._current(record))}

    def _lines(self, bindings: list[Binding]) -> str:
        now = self._clock.seconds()
        return "".join(f"Contact: <{binding.uri}>{binding.params};expires={max(1, round(binding.until - now))}\r\n" for binding in bindings)
