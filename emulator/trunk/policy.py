"""What the trunk does where the page leaves it open, as data."""

from dataclasses import dataclass, field

from emulator.media.codecs import CODECS, Codec
from emulator.trunk.behaviour import Behaviour
from emulator.trunk.limits import LimitPolicy
from emulator.trunk.numbers import EMERGENCY
from emulator.trunk.registrar import RegistrarPolicy


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
    magic_numbers: bool = True
    """Whether some called numbers pick how the call goes; see `emulator.trunk.magic`."""
    behaviour: Behaviour = field(default_factory=Behaviour)
    """How a call goes unless `Trunk.behaviours` say otherwise."""
    media: MediaPolicy = field(default_factory=MediaPolicy)
    registrar: RegistrarPolicy | None = field(default_factory=RegistrarPolicy)
    """None refuses REGISTER with 405: one Vonage guide says registration is not needed (vonage-facts 3)."""
