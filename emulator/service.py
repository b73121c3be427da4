"""The composition root: builds each object once, opens the listeners, writes the endpoints file, and stops everything in order."""

import errno
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twisted.internet import defer, error

from emulator import __version__
from emulator.addresses import parse_host_port
from emulator.authority import Authority, Certificates
from emulator.clock import Clock
from emulator.config import Config, Unusable
from emulator.control import endpoints as endpoints_file
from emulator.control.model import AccountKey, DnsEndpoint, Endpoints, Held, MediaEndpoint, ProxyEndpoint
from emulator.counting import counted
from emulator.forwarding_settings import entries
from emulator.ids import Ids
from emulator.journal.datagrams import Shelf
from emulator.journal.findings import Finding
from emulator.journal.journal import Journal
from emulator.journal.record import CallRecord
from emulator.low_ports import FIRST_UNPRIVILEGED, allowed
from emulator.media.port import Exhausted
from emulator.media.port_pair import MediaPorts, PortPair
from emulator.media.shared_port import SharedPort, SharedPorts
from emulator.media.sockets import Selector
from emulator.own_address import with_own_address
from emulator.problems import in_words
from emulator.proxy_listeners import ProxyListeners
from emulator.reactor_clock import ReactorClock
from emulator.sip import tls
from emulator.sip.flow import sent_by
from emulator.sip.locate import Locator
from emulator.sip.transport import Limits
from emulator.trunk import regions
from emulator.trunk.accounts import Accounts
from emulator.trunk.proxy import Proxy
from emulator.trunk.trunk import Trunk
from emulator.trunk_settings import accounts, customer_ca, policy, studio

if TYPE_CHECKING:
    from emulator.scenario.faults import Faults
    from emulator.scenario.scenarios import Scenarios
    from emulator.trunk.callers import Ring
    from emulator.trunk.directory import Directory

PRODUCT = f"vsim/{__version__}"
_STOP_SECONDS = 4.0
"""How long calls may take to answer their BYE; with the rest the emulator stops within five seconds."""

_SPARED = 128
"""File descriptors that media leaves, where there are so many."""
_LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "::1"}
"""Where a process on this machine reaches what listens on every address of it."""


class Service:
    """One emulator. `start` opens everything or nothing; `stop` may be called at any time."""

    def __init__(self, config: Config, reactor: Any, report: Callable[[Exception], None]) -> None:
        """`report` is told of errors that are ours."""
        self.config = config = with_own_address(config)
        self.reactor = reactor
        self.ready = False
        self.clock: Clock = ReactorClock(reactor, report)
        self.ids = Ids(config.seed)
        media, kept = config.media, config.journal
        shelf = Shelf(media.capture_packets, media.capture_octets) if media.capture else None
        self.journal = Journal(self.clock, kept.calls, kept.events, kept.messages, kept.octets, shelf)
        self._report = report
        self._scratch: Path | None = None
        self._endpoints_path = Path(config.endpoints)
        self._authority = Authority(Path(config.tls.directory) if config.tls.directory else None)
        self._customer_ca = customer_ca(config)
        self._listeners: list[ProxyListeners] = []
        self._limits = Limits(
            config.limits.connections, config.limits.connections_per_address, config.limits.message_timeout, config.limits.idle_timeout,
            config.limits.message_octets,
        )  # fmt: skip
        descriptors = _media_descriptors()
        self._selector = Selector(reactor, self.clock, report, media.tick, media.tick_above)
        self._media: MediaPorts | SharedPorts
        if media.port is not None:
            self._media = SharedPorts(self._selector, 0 if config.ephemeral else media.port, media.latch, self._on_stranger)
        else:
            self._media = MediaPorts(
                self._selector, self.clock, media.first, media.last, config.ephemeral, media.latch, descriptors,
            )  # fmt: skip
        self.trunk = Trunk(
            self.clock, self.ids, self.journal, Accounts(accounts(config)), self._places(), self._open_port, report, policy(config),
            config.policy.product or PRODUCT, studio=studio(config, self.clock, self._scratch_folder, descriptors),
            numbers=lambda: entries(config),
        )  # fmt: skip
        self._nameserver: Any = None
        self._resolver: Any = None
        self._control: Any = None
        self._webhook: Any = None
        self.trunk.callback = self._call_back
        self._certificates: Certificates | None = None
        self._stopping: defer.Deferred[None] | None = None
        self._faults: Any = None
        self._scenarios: Any = None
        self._wires: dict[str, Any] = {}
        self.endpoints: Endpoints | None = None

    def _places(self) -> Sequence[regions.Place]:
        config = self.config
        places = regions.loopback_layout() if config.layout == "loopback" else regions.ports_layout(config.bind)
        return [replace(place, udp=0, tcp=0, tls=0) for place in places] if config.ephemeral else places

    def _scratch_folder(self) -> Path:
        """For the recordings of single calls: a new folder of ours alone, gone when the emulator stops. Raises `OSError`."""
        if self._scratch is None:
            self._scratch = Path(tempfile.mkdtemp(prefix="vsim-"))
        return self._scratch

    def _open_port(self, proxy: str) -> PortPair | SharedPort:
        return self._media.open(self.trunk.proxies[proxy].place.address)

    # -- starting -------------------------------------------------------------------------------------------------

    def start(self) -> Endpoints:
        """Open every listener and write the endpoints file. Raises `Unusable`, having closed what was open."""
        try:
            pid = endpoints_file.running(self._endpoints_path)
            if pid is not None:
                raise Unusable(
                    str(self._endpoints_path),
                    f"written by process {pid}, which still runs; stop it, or name another file with --endpoints",
                )
            places = [self._listen(proxy) for proxy in self.trunk.proxies.values()]
            self._take_shared_ports()
            advertised = [replace(place, address=self.config.advertise or place.address) for place in places]
            addresses = tuple(dict.fromkeys(place.address for place in (*places, *advertised)))
            self._certificates = self._authority.ensure(regions.service_hosts(), addresses)
            self._start_dns(advertised)
            self._start_control()
            self.endpoints = self._describe(advertised)
            endpoints_file.write(self._endpoints_path, self.endpoints)
        except BaseException:
            self._close()
            raise
        self.ready = True
        self.journal.event("ready", None, control=self.endpoints.control)
        return self.endpoints

    def _listen(self, proxy: Proxy) -> regions.Place:
        own = ProxyListeners(proxy, self.reactor, self.clock, self.journal, self.config, self._limits, self._tls_context, self._customer_ca)
        self._listeners.append(own)
        return own.open()

    def _take_shared_ports(self) -> None:
        """One media port for all calls is taken now: that somebody else has it must not show in each call."""
        if isinstance(self._media, SharedPorts):
            for address in dict.fromkeys(proxy.place.address for proxy in self.trunk.proxies.values()):
                try:
                    self._media.open(address).close()
                except Exhausted as problem:
                    raise Unusable("", f"{problem}; choose another with media.port") from None

    def _tls_context(self) -> Any:
        assert self._certificates is not None
        settings = self.config.tls
        return tls.server_context(
            self._certificates.certificate,
            self._certificates.key,
            settings.allow_1_3,
            settings.ask_client_certificate,
        )

    def _start_dns(self, places: Sequence[regions.Place]) -> None:
        from emulator.dns.nameserver import Nameserver
        from emulator.dns.resolver import Resolver
        from emulator.trunk.names import Preference, trunk_zone

        settings = self.config.dns
        preference = Preference(settings.priorities, settings.weight, settings.naptr)
        zone = trunk_zone(places, settings.hosts, settings.ttl, preference, settings.services)
        upstream = parse_host_port(settings.upstream) if settings.upstream is not None else None
        self._nameserver = Nameserver(self.reactor, self.clock, self.ids, zone, upstream)
        self._resolver = Resolver(self.reactor, self.clock, self.ids, self._nameserver, upstream, settings.query_timeout)
        self.trunk.locator = Locator(self._resolver, self.ids, self.clock, settings.timeout)
        port = 0 if self.config.ephemeral else settings.port
        try:
            with allowed(port):
                self._nameserver.listen(settings.address, port)
        except error.CannotListenError as problem:
            raise _unopened("DNS", "dns.port", settings.address, port, problem.socketError) from None

    def _start_control(self) -> None:
        from emulator.control.api import Api
        from emulator.control.server import ControlServer

        settings = self.config.control
        port = 0 if self.config.ephemeral else settings.port
        hosts = (*settings.allowed_hosts, *((self.config.advertise,) if self.config.advertise else ()))
        api = Api(self, self.journal, settings.address, hosts)
        self._control = ControlServer(self.reactor, self.clock, api, self.journal, self._report)
        try:
            with allowed(port):
                self._control.listen(settings.address, port)
        except error.CannotListenError as problem:
            raise _unopened("control API", "control.port", settings.address, port, problem.socketError) from None

    def _describe(self, places: Sequence[regions.Place]) -> Endpoints:
        config = self.config
        assert self._certificates is not None
        account = config.accounts[0]
        return Endpoints(
            pid=os.getpid(),
            version=__version__,
            layout=config.layout,
            control=f"http://{sent_by((_LOOPBACK.get(config.control.address, config.control.address), self._control.port))}",
            dns=DnsEndpoint(address=self._reached(config.dns.address), port=self._nameserver.port),
            ca=str(self._certificates.ca),
            account=AccountKey(key=account.key, secret=account.secret, numbers=list(account.numbers)),
            media=MediaEndpoint(ports=self._media_range()),
            proxies={
                place.name: ProxyEndpoint(host=place.host, address=place.address, udp=place.udp, tcp=place.tcp, tls=place.tls)
                for place in places
            },
        )

    def _reached(self, address: str) -> str:
        """Where clients reach what listens at `address`: every address of a machine is none to send to."""
        return (self.config.advertise or _LOOPBACK[address]) if address in _LOOPBACK else address

    def _on_stranger(self, packets: int, peer: tuple[str, int]) -> None:
        """Media came to a shared port that belongs to no call."""
        finding = Finding("media.stranger", f"{counted(packets, 'packet')} of no call")
        self.journal.event_of_stranger("finding", None, peer=sent_by(peer), finding=str(finding))

    def _media_range(self) -> list[int]:
        """First and last media port; nothing where the system chooses them."""
        media = self.config.media
        if self.config.ephemeral:
            return []
        return [media.first, media.last] if media.port is None else [media.port, media.port + 1]

    # -- what the control API asks --------------------------------------------------------------------------------

    def hang_up(self, id: str) -> bool:
        """End one call; False when it is not up."""
        return self.trunk.hang_up(id)

    @property
    def scenarios(self) -> "Scenarios":
        """Those that run here; what runs them is imported when the first comes."""
        if self._scenarios is None:
            from emulator.scenario.listeners import listening
            from emulator.scenario.live import LiveStage
            from emulator.scenario.scenarios import Scenarios

            self._scenarios = Scenarios(self.clock, self.journal, lambda: LiveStage(self.trunk, self.faults, listening, self._hear_names))
        made: Scenarios = self._scenarios
        return made

    def _hear_names(self, on: bool) -> None:
        """Tell of each question to the name server, or no more."""
        from emulator.dns.question import question

        def heard(query: bytes, answer: bytes) -> None:
            asked = question(query, answer)
            if asked is not None:
                self.journal.event_of_stranger("dns.query", None, name=asked.name, type=asked.type, answer=asked.answer)

        self._nameserver.heard = heard if on else None

    @property
    def faults(self) -> "Faults":
        """What goes wrong on purpose; made when it is first asked for."""
        if self._faults is None:
            from emulator.scenario.faults import Faults

            seed = self.config.seed if self.config.seed is not None else self.ids.number(1 << 32)
            self._wires = {listeners.proxy.name: listeners.wires(self._flawed_context) for listeners in self._listeners}
            self._faults = Faults(self.clock, self.journal, self.trunk, seed, self._wires, self._nameserver)
        made: Faults = self._faults
        return made

    def _flawed_context(self, flaw: str) -> Any:
        """TLS as a server should not have it; see `emulator.scenario.kinds.Tls`."""
        assert self._certificates is not None and self.endpoints is not None
        ask = self.config.tls.ask_client_certificate
        if flaw == "only-1.3":
            return tls.server_context(self._certificates.certificate, self._certificates.key, True, ask, allow_1_2=False)
        addresses = tuple(proxy.address for proxy in self.endpoints.proxies.values())
        made = self._authority.flawed(flaw, regions.service_hosts(), addresses)
        return tls.server_context(made.certificate, made.key, self.config.tls.allow_1_3, ask)

    def ring(self, ring: "Ring") -> CallRecord:
        """Somebody rings a number of the account's."""
        return self.trunk.ring(ring)

    def dial(self, id: str, digits: str) -> bool:
        """Send digits in a call."""
        return self.trunk.dial(id, digits)

    def hold(self, id: str, holds: bool) -> bool:
        """Hold the other side of a call, or take it off hold."""
        return self.trunk.hold(id, holds)

    def recording(self, record: CallRecord) -> tuple[Iterator[bytes], int]:
        """A call's recording in pieces, and its octets. Raises `Unusable`."""
        from emulator.recording_file import opened

        return opened(record)

    @property
    def directory(self) -> "Directory":
        """The account's numbers."""
        return self.trunk.exchange.directory

    def callback_problem(self, url: str) -> str | None:
        """Why a URL may not be told how calls end."""
        from emulator.trunk.status_callback import url_problem

        return url_problem(url, self.config.webhook.allowed_hosts)

    def _call_back(self, url: str, said: dict[str, Any], record: CallRecord) -> None:
        """A call is over, and somebody wants to know."""
        if self._webhook is None:
            from emulator.control.webhook import Webhook

            settings = self.config.webhook
            self._webhook = Webhook(
                self.reactor, self.clock, self.journal, self.trunk.product, settings.allowed_hosts, settings.timeout, settings.tries,
                settings.waiting,
            )  # fmt: skip
        self._webhook.send(url, said, record)

    def reset(self, done: Callable[[bool], None]) -> None:
        """End every call, every fault and the scenario, and forget what was; many calls a few at a time. `done` is told whether that went
        well."""
        from itertools import chain

        from emulator.control.turns import stepwise

        if self._scenarios is not None:
            self._scenarios.stop("everything was reset")
        if self._faults is not None:
            self._faults.clear()
        self._control.turns.take(stepwise(chain(self.trunk.hang_up_each(), self.journal.forget_each()), self.clock, done))

    def held(self) -> Held:
        """How much of everything is held."""
        endpoints = [proxy.endpoint for proxy in self.trunk.proxies.values()]
        return Held(
            calls=len(self.trunk.calls),
            dialogs=sum(len(endpoint.dialogs) for endpoint in endpoints),
            transactions=sum(endpoint.transactions for endpoint in endpoints),
            timers=self.clock.pending,
            media_ports=self._media.in_use,
            connections=self._limits.count,
            registrations=len(self.trunk.registrar),
            journal_calls=len(self.journal),
            journal_octets=self.journal.octets,
            media_octets=self.journal.media_octets,
        )

    # -- stopping -------------------------------------------------------------------------------------------------

    def stop(self) -> defer.Deferred[None]:
        """End every call with BYE, wait a little for the answers, then close everything."""
        if self._stopping is not None:
            return self._stopping
        stopped: defer.Deferred[None] = defer.Deferred()
        self._stopping = stopped
        self.ready = False
        if self._scenarios is not None:
            self._scenarios.stop("the emulator stopped")
        self.journal.event("stopping", None, calls=len(self.trunk.calls))
        done = False

        def finish() -> None:
            nonlocal done
            if not done:
                done = True
                timer.cancel()
                self._close().addBoth(lambda _: stopped.callback(None))

        timer = self.clock.call_later(_STOP_SECONDS, finish)
        self.trunk.hang_up_all(finish)
        return stopped

    def _close(self) -> defer.Deferred[Any]:
        """Close whatever is open."""
        self.trunk.close()
        for wires in self._wires.values():
            wires.stop()
        waiting = [deferred for listeners in self._listeners for deferred in listeners.stop()]
        if self._resolver is not None:
            self._resolver.close()
        for server in (self._nameserver, self._control):
            if server is not None:
                waiting.append(server.close())
        self._media.close()
        if self._webhook is not None:
            self._webhook.close()
        if self._scratch is not None:
            shutil.rmtree(self._scratch, ignore_errors=True)
        endpoints_file.remove(self._endpoints_path)
        return defer.DeferredList([one if isinstance(one, defer.Deferred) else defer.succeed(one) for one in waiting])


def _media_descriptors() -> int:
    """From which number on file descriptors are not for media: connections and the control API must go on when the calls are too many."""
    try:
        import resource
    except ImportError:  # not a Unix
        return sys.maxsize
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return sys.maxsize if limit == resource.RLIM_INFINITY else limit - min(_SPARED, limit >> 2)


def _unopened(what: str, setting: str, address: str, port: int, problem: OSError) -> Unusable:
    fix = f"choose another with {setting}"
    if problem.errno == errno.EADDRINUSE:
        fix += ", or use --ephemeral"
    if problem.errno == errno.EACCES and 0 < port < FIRST_UNPRIVILEGED:
        fix += ", or allow low ports: capability NET_BIND_SERVICE, or sysctl net.ipv4.ip_unprivileged_port_start=0"
    return Unusable(sent_by((address, port)), f"{what}: {in_words(problem)}; {fix}")
