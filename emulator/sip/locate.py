"""Where a target is (RFC 3263 4.2): its host and port as the list of addresses to try, in order. The transport is known beforehand.

A numeric host is itself. A port that is given means addresses alone; without one the SRV records of the transport come first, and
where there are none the host's own addresses with the default port. Names are absolute: no search list is tried. Nothing is kept
from one lookup to the next: a record that a test changes counts at once.
"""

import ipaddress
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal, Protocol

from emulator.clock import Clock, Timer
from emulator.ids import Ids
from emulator.journal.findings import Finding
from emulator.sip.flow import Address

Transport = Literal["UDP", "TCP", "TLS"]
Family = Literal[4, 6]
Service = tuple[int, int, int, str]
"""An SRV record: priority, weight, port, target without its final dot; the root as `.` (RFC 2782)."""

NXDOMAIN = "NXDOMAIN"
"""The error text of a name that does not exist; every other one means that nothing is known."""

_SERVICES: dict[Transport, str] = {"UDP": "_sip._udp", "TCP": "_sip._tcp", "TLS": "_sips._tcp"}
_PORTS: dict[Transport, int] = {"UDP": 5060, "TCP": 5060, "TLS": 5061}
_MAX_HOPS = 16
_MAX_SERVICES = 64


class Question(Protocol):
    """One question under way."""

    def cancel(self) -> None:
        """Its `done` will not be called any more; harmless when it has been."""


class Resolver(Protocol):
    """Who knows names. `done` is called once: with the records, none where the name has no such data; or with the reason why nothing
    is known, for a person (`NXDOMAIN` exactly where there is no such name). It may be called before the question is returned."""

    def srv(self, name: str, done: Callable[[Sequence[Service] | str], None]) -> Question:
        """The SRV records of `name`, such as `_sip._udp.pbx.example.net`."""

    def addresses(self, name: str, family: Family, done: Callable[[Sequence[str] | str], None]) -> Question:
        """The numeric addresses of `name` in one family, in the order of the answer."""


class Nameless:
    """The resolver of a trunk that has no name server behind it: only numeric hosts are found."""

    def srv(self, name: str, done: Callable[[Sequence[Service] | str], None]) -> Question:
        done("no name server")
        return self

    def addresses(self, name: str, family: Family, done: Callable[[Sequence[str] | str], None]) -> Question:
        done("no name server")
        return self

    def cancel(self) -> None:
        """Nothing is under way."""


@dataclass(frozen=True, slots=True)
class Hop:
    """One place to try. `address` is numeric; `name` the host as configured, without brackets and final dot: what a certificate must be
    for (RFC 5922 7.2), whatever SRV says; `target` the name that has the address, which SRV may have given."""

    transport: Transport
    address: Address
    name: str
    target: str


@dataclass(frozen=True, slots=True)
class LocateError:
    """There is nothing to try. The text is for a person."""

    finding: Finding

    def __str__(self) -> str:
        return self.finding.seen


Done = Callable[[list[Hop] | LocateError], None]


class Locator:
    """Finds targets. At most 16 hops each."""

    def __init__(self, resolver: Resolver, ids: Ids, clock: Clock, limit: float = 5.0) -> None:
        """`limit` is how long one lookup may take, in seconds; what is known by then counts."""
        self.resolver = resolver
        self.ids = ids
        self.clock = clock
        self.limit = limit

    def locate(self, host: str, port: int | None, transport: Transport, done: Done, source: str = "") -> "Lookup":
        """Find `host`, brackets of IPv6 allowed. `done` is called once, and never before this returns.

        `source` is the numeric address that the call leaves from: what is of another family is left out, with a finding. Without a
        source IPv6 addresses count where there are none of IPv4.
        """
        return Lookup(self, host, port, transport, done, source)


class Lookup:
    """One lookup under way. `notes` holds a finding for each thing that was passed over; it is whole when `done` is called."""

    def __init__(self, locator: Locator, host: str, port: int | None, transport: Transport, done: Done, source: str) -> None:
        self.notes: list[Finding] = []
        self._locator = locator
        self._host = host.removeprefix("[").removesuffix("]").removesuffix(".")
        self._port = port
        self._transport = transport
        self._done: Done | None = done
        self._source = source
        self._family: Family | None = _family(source)
        self._targets: list[tuple[str, int]] = []
        self._found: dict[str, dict[Family, Sequence[str] | str]] = {}
        self._waiting: set[str] = set()
        self._questions: list[Question] = []
        self._timer: Timer = locator.clock.call_later(0.0, self._start)

    def cancel(self) -> None:
        """`done` will not be called any more; harmless when it has been."""
        self._done = None
        self._timer.cancel()
        for question in self._questions:
            question.cancel()
        self._questions.clear()

    # -- the steps ------------------------------------------------------------------------------------------------

    def _start(self) -> None:
        self._timer = self._locator.clock.call_later(self._locator.limit, self._on_limit)
        host, transport = self._host, self._transport
        family = _family(host)
        if family is not None:
            # "If TARGET is a numeric IP address, the client uses that address."
            self._found[host] = {family: [str(ipaddress.ip_address(host))]}
            self._ask_addresses([(host, self._port or _PORTS[transport])])
        elif self._port is not None:
            # "If the TARGET was not a numeric IP address, but a port is present in the URI, the client performs an A or AAAA record
            # lookup of the domain name."
            self._ask_addresses([(host, self._port)])
        else:
            self._questions.append(self._locator.resolver.srv(f"{_SERVICES[transport]}.{host}", self._on_services))

    def _on_services(self, records: Sequence[Service] | str) -> None:
        if self._done is None:
            return
        host, transport = self._host, self._transport
        service = f"{_SERVICES[transport]}.{host}"
        if isinstance(records, str):
            if records != NXDOMAIN:
                self._note("locate.srv-failed", f"{service}: {records}")
            records = ()
        if records and all(target == "." for *_, target in records):
            # RFC 2782: "A Target of "." means that the service is decidedly not available at this domain."
            self._fail("locate.no-service", f"{service} says that {host} does not offer {transport}")
            return
        targets: list[tuple[str, int]] = []
        for _, _, port, target in ordered(records, self._locator.ids):
            if not port or target == "." or _family(target) is not None:
                self._note("locate.srv-unusable", f"{service}: {target}, port {port}")
            elif (target, port) not in targets:
                targets.append((target, port))
        if records and not targets:
            self._fail("locate.not-found", f"{service}: no usable target")
        else:
            # "If no SRV records were found, the client performs an A or AAAA record lookup of the domain name."
            if len(targets) > _MAX_HOPS:
                self._note("locate.too-many", f"{service}: {len(records)} targets")
            self._ask_addresses(targets[:_MAX_HOPS] or [(host, _PORTS[transport])])

    def _ask_addresses(self, targets: list[tuple[str, int]]) -> None:
        self._targets = targets
        names = [name for name in dict.fromkeys(name for name, _ in targets) if name not in self._found]
        self._waiting.update(names)
        for name in names:
            self._ask(name, self._family or 4)
        if not names:
            self._finish()

    def _ask(self, name: str, family: Family) -> None:
        self._found.setdefault(name, {})[family] = ()
        self._questions.append(self._locator.resolver.addresses(name, family, partial(self._on_addresses, name, family)))

    def _on_addresses(self, name: str, family: Family, addresses: Sequence[str] | str) -> None:
        if self._done is None:
            return
        found = self._found[name]
        found[family] = addresses
        other: Family = 6 if family == 4 else 4
        if not addresses and other not in found:
            self._ask(name, other)  # where it is of no use it tells why
            return
        self._waiting.discard(name)
        if not self._waiting:
            self._finish()

    def _on_limit(self) -> None:
        late = f"no answer within {self._locator.limit:g} s"
        if not self._targets:
            self._fail("locate.not-found", f"{_SERVICES[self._transport]}.{self._host}: {late}")
            return
        for name in self._waiting:
            found = self._found[name]
            found[next(reversed(found))] = late
        self._finish()

    # -- the end --------------------------------------------------------------------------------------------------

    def _finish(self) -> None:
        """Make the list of what was found."""
        hops: list[Hop] = []
        passed: list[Finding] = []
        told: set[str] = set()
        for name, port in self._targets:
            found = self._found[name]
            wanted = [known for family, known in found.items() if family == (self._family or family)]
            usable = [address for known in wanted if not isinstance(known, str) for address in known]
            if not usable and name not in told:
                told.add(name)
                passed.append(self._why_not(name, found))
            for address in usable:
                hop = Hop(self._transport, (address, port), self._host, name)
                if all(hop.address != known.address for known in hops):
                    hops.append(hop)
        if not hops:
            self.notes.extend(passed[1:])
            self._end(LocateError(passed[0]))
            return
        self.notes.extend(passed)
        if len(hops) > _MAX_HOPS:
            self._note("locate.too-many", f"{self._host}: {len(hops)} addresses")
        self._end(hops[:_MAX_HOPS])

    def _why_not(self, name: str, found: dict[Family, Sequence[str] | str]) -> Finding:
        """Why a target gave no hop."""
        others = [address for known in found.values() if not isinstance(known, str) for address in known]
        if others:
            return Finding("locate.family", f"{name} has {others[0]}, and the call leaves from {self._source}")
        errors = dict.fromkeys(known for known in found.values() if isinstance(known, str))
        return Finding("locate.not-found", f"{name}: {'; '.join(errors) or 'no address'}")

    def _note(self, code: str, seen: str) -> None:
        self.notes.append(Finding(code, seen))

    def _fail(self, code: str, seen: str) -> None:
        self._end(LocateError(Finding(code, seen)))

    def _end(self, result: list[Hop] | LocateError) -> None:
        done = self._done
        self.cancel()
        if done is not None:
            done(result)


def ordered(records: Sequence[Service], ids: Ids) -> list[Service]:
    """SRV records in the order to try them: lowest priority first, by weighted chance among equals (RFC 2782, "Weight"). At most 64."""
    left = sorted(records, key=lambda record: record[0])[:_MAX_SERVICES]
    result: list[Service] = []
    while left:
        equals = [record for record in left if record[0] == left[0][0]]
        del left[: len(equals)]
        # "arrange all SRV RRs (that have not been ordered yet) in any order, except that all those with weight 0 are placed at the
        # beginning of the list."
        equals.sort(key=lambda record: record[1] != 0)
        while equals:
            # "choose a uniform random number between 0 and the sum computed (inclusive), and select the RR whose running sum value is
            # the first in the selected order which is greater than or equal to the random number selected."
            chosen = ids.number(sum(record[1] for record in equals) + 1)
            at = 0
            while chosen > equals[at][1]:
                chosen -= equals[at][1]
                at += 1
            result.append(equals.pop(at))
    return result


def _family(text: str) -> Family | None:
    """The family of a numeric address; None for any other text."""
    try:
        return 6 if ipaddress.ip_address(text).version == 6 else 4
    except ValueError:
        return None
