"""What the trunk does where the page leaves it open, as data."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from emulator.media.codecs import CODECS, Codec
from emulator.trunk.behaviour import Behaviour
from emulator.trunk.limits import LimitPolicy
from emulator.trunk.numbers import EMERGENCY
from emulator.trunk.registrar import RegistrarPolicy

if TYPE_CHECKING:
    from emulator.trunk.template import Template


@dataclass(frozen=True, slots=True)
class MediaPolicy:
    """What the trunk speaks; see `emulator.media.offer.LocalMedia`."""

    codecs: tuple[Codec, ...] = CODECS
    crypto_on_avp: bool = False
    crypto_lifetime: bool = False
    ilbc_mode: int | None = 30


@dataclass(frozen=True, slots=True)
class ForwardingPolicy:
    """How a call is offered to the targets of a forward list. Times in seconds; the fields are settings of `forwarding`."""

    timeout_until: Literal["first-response", "18x", "final"] = "first-response"
    """Which response stops the clock of a target."""
    ring_limit: float = 60.0
    """From the first provisional response; then CANCEL, and the hunt ends with `no_answer_status`."""
    failover: frozenset[int] = frozenset(range(500, 600))
    """Final responses after which the next target is tried; any other ends the hunt."""
    hop_timeout: float = 0.0
    """How long one address of a target may be silent while others are left; 0 for all of the target's time."""
    timeout_status: int = 486
    unreachable_status: int = 503
    no_answer_status: int = 480


@dataclass(frozen=True, slots=True)
class InviteForm:
    """What is said in the INVITE that brings a call to a customer; the fields are settings of `forwarding`."""

    host: Literal["legacy", "region", "proxy"] = "legacy"
    plus: bool = False
    asserted_identity: bool = True
    privacy: bool = True
    supported: tuple[str, ...] = ("timer",)
    offer: Literal["early", "late"] = "early"
    headers: Mapping[str, str] = field(default_factory=dict)
    template: "Template | None" = None


@dataclass(frozen=True, slots=True)
class InboundPolicy:
    """What is done with calls to the account's numbers; each field is a setting of `forwarding`."""

    hunt: ForwardingPolicy = field(default_factory=ForwardingPolicy)
    form: InviteForm = field(default_factory=InviteForm)
    proxies: Literal["first", "rotate"] = "first"
    channels: int = 50
    """Calls to one number at once (vonage-facts, default 16)."""
    channels_status: int = 486
    unforwarded_status: int = 480
    timeout_range: Literal["reject", "clamp"] = "reject"
    max_targets: int = 50
    session_expires: int | None = None
    """Seconds of the session timer that is asked for; None asks for none."""


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
    magic_numbers: bool = True
    """Whether some called numbers pick how the call goes; see `emulator.trunk.magic`."""
    behaviour: Behaviour = field(default_factory=Behaviour)
    """How a call goes unless `Trunk.behaviours` say otherwise."""
    media: MediaPolicy = field(default_factory=MediaPolicy)
    registrar: RegistrarPolicy | None = field(default_factory=RegistrarPolicy)
    """None refuses REGISTER with 405: one Vonage guide says registration is not needed (vonage-facts 3)."""
    inbound: InboundPolicy = field(default_factory=InboundPolicy)
