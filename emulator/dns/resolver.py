"""Names to records, for the trunk itself: its own zone first, then the upstream, else what the system knows: hosts file and name servers.

Names are absolute; nothing is kept between two questions, but those that are alike at one time are asked once.
"""

import os
from collections.abc import Callable, Sequence
from typing import Any

from emulator.clock import Clock, Timer
from emulator.dns import hosts
from emulator.dns.answer import MAX_ALIASES, Kind, answers, question, read
from emulator.dns.exchange import Address, Exchange, text
from emulator.dns.nameserver import Nameserver
from emulator.ids import Ids

Done = Callable[[Any], None]
_AT_ONCE = 100
_WAITING = 4000
_SERVERS = 3
_HOSTS_OCTETS = 1 << 20
_LOOPBACK = ("127.0.0.1", "::1")
_OWN = "vsim's own zone"


class Resolver:
    """What `emulator.sip.locate.Resolver` asks for. `done` is called once, and never before the question is returned."""

    def __init__(
        self, reactor: Any, clock: Clock, ids: Ids, nameserver: Nameserver | None, upstream: Address | None = None, timeout: float = 2.0,
        servers_file: str = "/etc/resolv.conf", hosts_file: str = "/etc/hosts",
    ) -> None:  # fmt: skip
        """`nameserver` is our own, asked first; None where there is none. `timeout` is for one question with all its tries and CNAMEs, in
        seconds."""
        self.reactor = reactor
        self.clock = clock
        self.ids = ids
        self.timeout = timeout
        self._nameserver = nameserver
        self._upstream = upstream
        self._servers = _File(servers_file, _name_servers)
        self._hosts = _File(hosts_file, _hosts)
        self._asking: dict[tuple[str, Kind], _Asking] = {}

    def __len__(self) -> int:
        """Questions under way."""
        return len(self._asking)

    def srv(self, name: str, done: Done) -> "Question":
        """`done` gets (priority, weight, port, target) for each SRV record of `name`, or why nothing is known."""
        return self._ask(name, "SRV", done)

    def addresses(self, name: str, family: int, done: Done) -> "Question":
        """`done` gets the addresses of `name` as text, of family 4 or 6, or why nothing is known."""
        return self._ask(name, "AAAA" if family == 6 else "A", done)

    def close(self) -> None:
        """Forget every question."""
        for asking in list(self._asking.values()):
            asking.end()
        self._asking.clear()

    def _ask(self, name: str, kind: Kind, done: Done) -> "Question":
        waiting = Question(self.clock, done)
        key = (name.lower().removesuffix("."), kind)
        asking = self._asking.get(key)
        if asking is None:
            if len(self._asking) >= _AT_ONCE:
                waiting.tell(f"more than {_AT_ONCE} questions at once")
                return waiting
            asking = self._asking[key] = _Asking(self, key)
            asking.add(waiting)
            asking.begin(key[0])
        elif len(asking) >= _WAITING:
            waiting.tell(f"more than {_WAITING} times at once")
        else:
            asking.add(waiting)
        return waiting

    def forget(self, key: tuple[str, Kind]) -> None:
        """A question has been answered, or nobody waits for it any more."""
        self._asking.pop(key, None)

    def covers(self, query: bytes) -> bool:
        return self._nameserver is not None and self._nameserver.zone.covers(query)

    def ask_own(self, query: bytes, reply: Callable[[bytes], None]) -> None:
        """Ask the trunk's own name server, as its clients do."""
        assert self._nameserver is not None
        self._nameserver.handle(query, True, reply)

    def known(self, name: str, kind: Kind) -> Sequence[Any] | None:
        """What needs no name server: `localhost` (RFC 6761 6.3), and without an upstream what the hosts file says. Its names have no
        SRV records: whoever writes one there means that address."""
        host = name.split(".", 2)[-1] if kind == "SRV" else name
        found: Sequence[str] | None = None
        if self._upstream is None:
            found = self._hosts.read().get(host)
        if found is None and (host == "localhost" or host.endswith(".localhost")):
            found = _LOOPBACK
        if found is None:
            return None
        return () if kind == "SRV" else tuple(address for address in found if (":" in address) == (kind == "AAAA"))

    def servers(self) -> Sequence[Address] | str:
        """Whom to ask; why nobody."""
        if self._upstream is not None:
            return (self._upstream,)
        found: Sequence[Address] | str = self._servers.read()
        return found


class Question:
    """Somebody who waits for an answer."""

    def __init__(self, clock: Clock, done: Done) -> None:
        self._clock = clock
        self._done: Done | None = done
        self._timer: Timer | None = None
        self._asking: _Asking | None = None

    def cancel(self) -> None:
        """`done` will not be called any more; harmless when it has been."""
        self._done = None
        if self._timer is not None:
            self._timer.cancel()
        if self._asking is not None:
            asking, self._asking = self._asking, None
            asking.remove(self)

    def belongs(self, asking: "_Asking") -> None:
        self._asking = asking

    def tell(self, result: Any) -> None:
        """On the clock, so that what goes wrong in one `done` keeps no other from being called."""
        self._asking = None
        self._timer = self._clock.call_later(0.0, self._call, result)

    def _call(self, result: Any) -> None:
        done, self._done = self._done, None
        if done is not None:
            done(result)


class _Asking:
    """One name and kind of record, asked for until there is an answer, and all who wait for it."""

    def __init__(self, resolver: Resolver, key: tuple[str, Kind]) -> None:
        self._resolver = resolver
        self._key = key
        self._kind: Kind = key[1]
        self._waiting: dict[Question, None] = {}
        self._links = 0
        self._deadline = resolver.clock.seconds() + resolver.timeout
        self._query: bytes | None = None
        self._exchange: Exchange | None = None
        self._timer: Timer | None = None
        self._ended = False

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, waiting: Question) -> None:
        self._waiting[waiting] = None
        waiting.belongs(self)

    def remove(self, waiting: Question) -> None:
        self._waiting.pop(waiting, None)
        if not self._waiting:
            self.end()

    def end(self) -> None:
        """Ask no further."""
        self._ended = True
        self._stop()
        self._resolver.forget(self._key)

    def _stop(self) -> None:
        self._query = None
        if self._timer is not None:
            self._timer.cancel()
        if self._exchange is not None:
            self._exchange.cancel()
            self._exchange = None

    def begin(self, name: str) -> None:
        """Ask for `name`: the one that was wanted, or the one that its CNAMEs led to."""
        resolver, kind = self._resolver, self._kind
        left = self._deadline - resolver.clock.seconds()
        try:
            query = resolver.ids.take(2) + question(name, kind)[2:]
        except ValueError as error:
            self._finish(str(error))
            return
        self._query = query
        if resolver.covers(query):
            self._timer = resolver.clock.call_later(left, self._finish, f"no answer from {_OWN} within {resolver.timeout:g} s")

            def on_reply(data: bytes) -> None:
                if self._query is query and answers(query, data):
                    self._on_octets(name, data, _OWN)

            resolver.ask_own(query, on_reply)
            return
        known = resolver.known(name, kind)
        servers = () if known is not None else resolver.servers()
        if known is not None or isinstance(servers, str):
            self._finish(servers if known is None else known)
            return

        def on_result(result: bytes | str) -> None:
            if isinstance(result, str):
                self._finish(result)
            else:
                self._on_octets(name, result, text(exchange.said_by) if exchange.said_by is not None else "")

        exchange = self._exchange = Exchange(resolver.reactor, resolver.clock, resolver.ids, query, servers, on_result, left)
        exchange.start()

    def _on_octets(self, name: str, data: bytes, server: str) -> None:
        self._stop()
        said = read(data, name, self._kind)
        if isinstance(said, str):
            self._finish(said if said == "NXDOMAIN" else f"{said} from {server}")
        elif not said.alias:
            self._finish(said.records)
        else:
            self._links += said.aliases
            if self._links > MAX_ALIASES:
                self._finish(f"more than {MAX_ALIASES} CNAMEs, one after the other")
            else:
                self.begin(said.alias.lower())

    def _finish(self, result: Any) -> None:
        if self._ended:
            return
        self.end()
        waiting, self._waiting = self._waiting, {}
        for one in waiting:
            one.tell(result)


class _File:
    """A file of the system's, read again when it has changed."""

    def __init__(self, path: str, parse: Callable[[str], Any]) -> None:
        self._path = path
        self._parse = parse
        self._seen: tuple[int, int, int] | None = None
        self._value: Any = None

    def read(self) -> Any:
        """What it says; as an empty file does where there is none."""
        try:
            status = os.stat(self._path)
            seen = (status.st_mtime_ns, status.st_size, status.st_ino)
        except OSError:
            seen = (0, 0, 0)
        if seen != self._seen:
            self._seen = seen
            self._value = self._parse(self._path)
        return self._value


def _hosts(path: str) -> dict[str, tuple[str, ...]]:
    try:
        with open(path, "rb") as file:
            return hosts.parse(file.read(_HOSTS_OCTETS).decode("utf-8", "replace"))
    except OSError:
        return {}


def _name_servers(path: str) -> Sequence[Address] | str:
    """The first three name servers of a resolv.conf, as resolv.conf(5) counts them."""
    import dns.exception  # the resolver of dnspython is needed for this alone
    import dns.inet
    import dns.resolver

    system = dns.resolver.Resolver(configure=False)
    try:
        system.read_resolv_conf(path)
    except (dns.exception.DNSException, OSError, ValueError):
        return f"{path} names no name server; set dns.upstream, or give the name an address in dns.hosts"
    found = [(server, 53) for server in system.nameservers if isinstance(server, str) and dns.inet.is_address(server)]
    return found[:_SERVERS] or f"{path} names no name server that has an address"
