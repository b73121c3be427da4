"""The trunk: twelve proxies, and what they do with a request that belongs to no dialog."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from emulator.clock import Clock
from emulator.ids import Ids
from emulator.journal.findings import Finding
from emulator.journal.journal import CallRecord, Journal
from emulator.sip.digest import Nonces, Verdict
from emulator.sip.endpoint import Endpoint
from emulator.sip.flow import Flow
from emulator.sip.headers import HeaderError, NameAddr, parse_credentials
from emulator.sip.message import Request
from emulator.sip.refusal import Refusal
from emulator.sip.session import ALLOW
from emulator.sip.timers import Timers
from emulator.sip.uri import Uri, UriError
from emulator.trunk import regions
from emulator.trunk.accounts import Account, Accounts
from emulator.trunk.behaviour import Behaviour
from emulator.trunk.calls import SDP_TYPE, Call, Port, offered
from emulator.trunk.numbers import EMERGENCY, BadNumber, called, caller, is_emergency

_SUPPORTED_METHODS = frozenset({"INVITE", "ACK", "CANCEL", "BYE", "OPTIONS", "INFO"})
_KNOWN_METHODS = _SUPPORTED_METHODS | {"REGISTER", "MESSAGE", "SUBSCRIBE", "NOTIFY", "PUBLISH", "REFER", "PRACK", "UPDATE"}
_OPTIONS_LINES = f"{ALLOW}Accept: {SDP_TYPE}\r\n"


@dataclass(slots=True)
class Policy:
    """What the page leaves open; each field is a setting of the same name, and its default is argued in docs/settings.md."""

    strict: bool = False
    challenge: int = 407
    realm: str | None = None
    """Forces one realm; None takes the addressed service host."""
    nonce_lifetime: float = 300.0
    caller_id: str = "refuse"
    """`refuse` or `unknown`: what a caller ID that the account may not show brings."""
    international: bool = True
    """False answers 404 to numbers outside the account's own country codes."""
    emergency_status: int = 403
    emergency_numbers: frozenset[str] = EMERGENCY
    max_calls: int = 2000
    behaviour: Behaviour = field(default_factory=Behaviour)


class MediaPorts(Protocol):
    """Where calls get their media ports."""

    def open(self, address: str) -> Port:
        """A port pair on `address`; raises `Exhausted`."""


class Exhausted(Exception):
    """No media port is free."""


class Proxy:
    """One of the twelve: its place, its endpoint with its own transactions, its nonces, its health."""

    __slots__ = ("endpoint", "media_address", "name", "nonces", "place")

    def __init__(self, place: regions.Place, endpoint: Endpoint, nonces: Nonces, media_address: str) -> None:
        self.name = place.name
        self.place = place
        self.endpoint = endpoint
        self.nonces = nonces
        self.media_address = media_address


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
        policy: Policy | None = None,
        product: str = "vsim",
        timers: Timers | None = None,
    ) -> None:
        """`open_port(address)` opens a media port pair there and raises `Exhausted` when none is free."""
        self.clock = clock
        self.ids = ids
        self.journal = journal
        self.accounts = accounts
        self.policy = policy or Policy()
        self.calls: dict[str, Call] = {}
        self._open_port = open_port
        self._service_hosts = frozenset(regions.service_hosts())
        self._on_error: Callable[[Exception], None] | None = None
        key = ids.take(32)
        self.proxies: Mapping[str, Proxy] = {
            place.name: Proxy(
                place,
                Endpoint(place.name, self, clock, ids, product, timers),
                Nonces(place.name, key, clock, self.policy.nonce_lifetime),
                place.address,
            )
            for place in places
        }
        self._methods: dict[str, Callable[[Endpoint, Request, Flow], None]] = {
            "INVITE": self._on_invite,
            "OPTIONS": self._on_options,
        }
