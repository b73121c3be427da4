"""The one model behind vsim.yaml, VSIM_* variables and flags.

A setting's documentation is its field: type, default, meaning and source are read off the model for `vsim check`, the JSON Schema
and docs/settings.md.
"""

import sys
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from emulator.annotations import OTHERWISE
from emulator.trunk.regions import REGIONS, hosts_of, short_name
from emulator.yaml import Unusable as Unusable

SOURCE = "source"
_PAGE = "page"
_FACTS = "vonage-facts, default "
OURS = "vsim's own"
AUTO = "auto"
_REGION_HOSTS = [host for region in REGIONS for host in hosts_of(region)]


def _meta(description: str, source: str = OURS, **constraints: Any) -> Meta:
    return Meta(description=description, extra={SOURCE: source}, **constraints)


def _seconds(description: str, source: str = OURS, least: float = 0) -> Meta:
    return Meta(
        description=description + " Seconds, or text such as 500ms, 10s, 2m, 1h.",
        extra={SOURCE: source, "text": "duration"},
        ge=least,
    )


Port = Annotated[int, Meta(ge=0, le=65535)]
Seed = Annotated[int, Meta(ge=0, le=(1 << 63) - 1)]
E164 = Annotated[str, Meta(pattern="^[1-9][0-9]{6,14}$", extra={"write": "digits only, country code first, 7 to 15 of them"})]


class _Section(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What all parts of the model share."""


class AccountSettings(_Section, frozen=True):
    """Who may call."""

    key: Annotated[str, _meta("API key: the digest username.", _PAGE, min_length=1, max_length=64)]
    secret: Annotated[str, _meta("API secret: the digest password.", _PAGE, min_length=1, max_length=128)]
    numbers: Annotated[tuple[E164, ...], _meta("Numbers the account owns; each is a caller ID it may show.", _FACTS + "10")] = ()
    verified: Annotated[tuple[E164, ...], _meta("Further caller IDs it may show.", _FACTS + "10")] = ()


class NumberSettings(_Section, frozen=True):
    """What happens to calls to a number of the account's own."""

    forward: Annotated[str | None, _meta("Forward-to-SIP list, as the dashboard takes it.", _PAGE)] = None
    region: Annotated[
        Annotated[Literal["us", "eu", "ap"], Meta(extra={"reads": short_name}, extra_json_schema={OTHERWISE: _REGION_HOSTS})] | None,
        _meta("The region that handles its calls; without it that of its country code.", "vonage-facts 1"),
    ] = None
    voice_status_callback: Annotated[str | None, _meta("URL that is told how each call to it ended.", "vonage-facts 9")] = None


class ForwardingSettings(_Section, frozen=True):
    """Calls to the account's numbers, and how they are brought to the customer."""

    timeout_until: Annotated[
        Literal["first-response", "18x", "final"],
        _meta("Which response stops the clock of `;timeout=`: any, a ringing one, or the final one.", _FACTS + "18"),
    ] = "first-response"
    timeout_range: Annotated[
        Literal["reject", "clamp"],
        _meta("A `;timeout=` outside 2000 to 20000 ms: an error, or taken for the nearest that is allowed.", _FACTS + "19"),
    ] = "reject"
    ring_limit: Annotated[float, _seconds("From the first provisional response to CANCEL.", _FACTS + "20")] = 60.0
    failover: Annotated[
        tuple[Annotated[str, msgspec.Meta(pattern="^[3-6]([0-9][0-9]|xx)$")], ...],
        _meta("Final responses that bring the next target, such as 5xx or 486; all others end the call.", _FACTS + "21"),
    ] = ("5xx",)
    hop_timeout: Annotated[
        float,
        _seconds(
            "How long one address of a target's name may be silent while others are left; 0 for all of the target's time.", "RFC 3263 4.3"
        ),
    ] = 0.0
    timeout_status: Annotated[int, _meta("What the caller gets when no target answered in its time.", _FACTS + "22", ge=400, le=699)] = 486
    unreachable_status: Annotated[
        int,
        _meta("What a target counts as that can't be reached, or whose name is not found.", "RFC 3261 8.1.3.1", ge=400, le=699),
    ] = 503
    no_answer_status: Annotated[int, _meta("What the caller gets when it rang too long.", _FACTS + "20", ge=400, le=699)] = 480
    unforwarded_status: Annotated[
        int, _meta("What the caller of a number without a forward list gets. Invented.", "vonage-facts 6", ge=400, le=699)
    ] = 480
    max_targets: Annotated[int, _meta("Targets of one list; the page names no bound.", _FACTS + "24", ge=1, le=50)] = 50
    channels: Annotated[int, _meta("Calls to one number at once.", _FACTS + "16", ge=1, le=10000)] = 50
    channels_status: Annotated[
        int, _meta("What the caller of a number gets whose channels are taken. Invented.", _FACTS + "16", ge=400, le=699)
    ] = 486
    proxies: Annotated[
        Literal["first", "rotate"], _meta("Which proxy of the region calls the customer: always the first, or each in turn. Invented.")
    ] = "first"
    host: Annotated[
        Literal["legacy", "region", "proxy"],
        _meta("The host in To, From and P-Asserted-Identity: sip.nexmo.com, that of the region, or the proxy's.", _FACTS + "27"),
    ] = "legacy"
    plus: Annotated[bool, _meta("Write numbers with a leading +.", _FACTS + "27")] = False
    asserted_identity: Annotated[bool, _meta("Send the caller in P-Asserted-Identity, unless it is hidden.", _FACTS + "28")] = True
    privacy: Annotated[bool, _meta("Send `Privacy: id` for a hidden caller.", "RFC 3323 4.2; no evidence")] = True
    supported: Annotated[tuple[str, ...], _meta("Option tags of Supported; none leaves the header out.", _FACTS + "38")] = ("timer",)
    session_expires: Annotated[
        Annotated[int, msgspec.Meta(ge=90, le=86400)] | None,
        _meta("Ask for a session timer of so many seconds; without it only what the customer asks for.", _FACTS + "38"),
    ] = None
    offer: Annotated[Literal["early", "late"], _meta("SDP in the INVITE, or none: then the customer offers.", "vonage-facts 6")] = "early"
    headers: Annotated[
        dict[str, str],
        _meta("Further headers of the INVITE; values may hold the placeholders of the template.", "vonage-facts 6: none is known"),
    ] = {}
    template: Annotated[
        str | None, _meta("File with a whole INVITE to send instead, with placeholders; Via, Call-ID, CSeq and Content-Length stay right.")
    ] = None


class WebhookSettings(_Section, frozen=True):
    """Status callbacks. Their fields are invented: the real ones are not known (vonage-facts 9)."""

    allowed_hosts: Annotated[tuple[str, ...], _meta("Hosts that may be told besides those of loopback addresses.")] = ()
    timeout: Annotated[float, _seconds("How long one try may take.")] = 5.0
    tries: Annotated[int, _meta("Tries until a 2xx, 1, 2, 4 … s apart.", ge=1, le=10)] = 3
    waiting: Annotated[int, _meta("Callbacks at once; more are dropped with an event.", ge=1, le=10000)] = 100


class DnsSettings(_Section, frozen=True):
    """The name server."""

    address: Annotated[str, _meta("Where it listens.")] = "127.0.0.1"
    port: Annotated[Port, _meta("UDP and TCP port.")] = 8053
    hosts: Annotated[dict[str, str], _meta("Names of the customer's own, and their addresses.")] = {}
    services: Annotated[
        dict[str, tuple[str, ...]],
        _meta("SRV records of the customer's own: `_sip._udp.pbx.example.net` and its records, each `PRIORITY WEIGHT PORT TARGET`."),
    ] = {}
    upstream: Annotated[
        str | None,
        _meta("`host:port` of a name server for all other names; without one they are refused, and the trunk asks the system's."),
    ] = None
    timeout: Annotated[float, _seconds("How long finding a customer's host may take.", _FACTS + "25", least=0.1)] = 5.0
    query_timeout: Annotated[float, _seconds("How long one question of it may take, over all tries and servers.", least=0.1)] = 2.0
    priorities: Annotated[
        tuple[Annotated[int, msgspec.Meta(ge=0, le=65535)], Annotated[int, msgspec.Meta(ge=0, le=65535)]],
        _meta("SRV priority of a region's first and second site. Invented.", _FACTS + "46"),
    ] = (10, 20)
    weight: Annotated[int, _meta("SRV weight of each proxy. Invented.", _FACTS + "46", ge=0, le=65535)] = 50
    naptr: Annotated[bool, _meta("Serve NAPTR records for TLS, TCP and UDP, in that order.", _FACTS + "46")] = False
    ttl: Annotated[int, _meta("Time to live of every record, in seconds. Invented.", _FACTS + "46", ge=0, le=86400)] = 60


class ControlSettings(_Section, frozen=True):
    """The control API."""

    address: Annotated[str, _meta("Where it listens.")] = "127.0.0.1"
    port: Annotated[Port, _meta("TCP port.")] = 8060
    allowed_hosts: Annotated[
        tuple[str, ...],
        _meta("Further names it may be called by; loopback names and its own address always are."),
    ] = ()


class MediaSettings(_Section, frozen=True):
    """RTP."""

    ports: Annotated[
        str,
        Meta(
            description="First and last UDP port.",
            extra={SOURCE: _FACTS + "45", "write": "FIRST-LAST"},
            pattern="^[0-9]{1,5}-[0-9]{1,5}$",
        ),
    ] = "10000-20000"
    port: Annotated[
        Annotated[int, Meta(ge=0, le=65534)] | None,
        _meta("One port, and the next for RTCP, for all calls of an address, which are told apart by the address in their SDP."),
    ] = None
    latch: Annotated[
        bool,
        _meta(
            "Take the first packet of a call for its client's, wherever it comes from, and RTCP from that address: for clients behind a "
            "NAT. Once, then never."
        ),
    ] = False
    codecs: Annotated[
        tuple[Literal["PCMA", "PCMU", "G722", "G729", "iLBC", "speex"], ...],
        _meta("What is spoken, in the order of our own offers; calls to or from +1 have PCMU before PCMA.", _FACTS + "30", min_length=1),
    ] = ("PCMA", "PCMU", "G722", "G729", "iLBC", "speex")
    ilbc_mode: Annotated[
        Literal["30", "20", "offered"], _meta("The iLBC frame of our answers; 30 is what every stack decodes.", _FACTS + "30")
    ] = "30"
    crypto_on_avp: Annotated[bool, _meta("Answer RTP/AVP with a=crypto as SRTP; without it as plain RTP.", _FACTS + "33")] = False
    crypto_lifetime: Annotated[bool, _meta("Take an a=crypto line with a lifetime.", _FACTS + "33")] = False
    play: Annotated[str, _meta("What the far end plays: echo, tone, silence, nothing, or the path of a WAV file.", min_length=1)] = "echo"
    echo_digits: Annotated[bool, _meta("Send a digit back once it has ended.")] = True
    digits: Annotated[
        str, _meta("Digits that the far end sends once it has answered; a comma is half a second.", pattern="^[0-9A-Da-d*#,]{0,64}$")
    ] = ""
    digits_after: Annotated[float, _seconds("How long after the answer.")] = 1.0
    digits_quirk: Annotated[
        Literal["no-marker", "lost-end", "one-packet", "wrong-clock"] | None, _meta("A fault in the far end's digits.")
    ] = None
    srtp: Annotated[Literal["right", "wrong-key", "bad-tag", "plain"], _meta("What is sent where SRTP was agreed.")] = "right"
    other_port: Annotated[bool, _meta("Send from another port than the one announced.")] = False
    impair_sent: Annotated[
        tuple[str, ...],
        _meta(
            "What is done to the far end's packets, such as `loss probability=0.05`, `jitter mean=0.03 deviation=0.01`, or "
            "`delay seconds=0.5` for an echo with delay."
        ),
    ] = ()
    impair_heard: Annotated[tuple[str, ...], _meta("The same for the client's packets on their way to the far end.")] = ()
    prompts: Annotated[dict[str, str], _meta("WAV files that a caller may play, by the name it knows them by.")] = {}
    record: Annotated[str | None, _meta("Folder for a WAV file of each call, heard on the left and sent on the right.")] = None
    record_seconds: Annotated[float, _seconds("The longest recording.")] = 3600.0
    record_octets: Annotated[int, _meta("What all recordings of a run take at most; then nothing more is recorded.", ge=1 << 20)] = 4 << 30
    capture: Annotated[
        bool, _meta("Keep RTP and RTCP, as on the wire, for captures of calls: the first packets of each call, both ways; see captures.md.")
    ] = False
    capture_packets: Annotated[
        int, _meta("Packets kept of a call at most; there are 100 a second where both sides speak.", ge=1, le=100_000)
    ] = 6000
    capture_octets: Annotated[
        int,
        _meta(
            "Octets kept of all calls at most, of one or of a thousand; a minute of G.711 both ways takes 1.2 million. Where there is no "
            "room, that of the call that ended first goes; while all are up no more is kept.",
            ge=1 << 20,
        ),
    ] = 64 << 20
    tones: Annotated[bool, _meta("Look for digits that are sent as tones, which the trunk does not relay.", _PAGE)] = True
    silence_timeout: Annotated[float, _seconds("A call without RTP for so long is hung up; 0 never.")] = 60.0
    tick: Annotated[float, _seconds("Above `tick_above` sockets, how often they are read; 0 at every wake-up.")] = 0.002
    tick_above: Annotated[int, _meta("Sockets above which the tick is used.", ge=0)] = 200

    @property
    def plays_file(self) -> bool:
        return self.play not in ("echo", "tone", "silence", "nothing")

    @property
    def first(self) -> int:
        return int(self.ports.partition("-")[0])

    @property
    def last(self) -> int:
        return int(self.ports.partition("-")[2])


class TlsSettings(_Section, frozen=True):
    """TLS: the listeners, and the connections to the customer's."""

    directory: Annotated[
        str | None,
        _meta("Where CA and certificate are kept; `certs/` of a checkout, else the user's data directory."),
    ] = None
    ask_client_certificate: Annotated[bool, _meta("Ask clients for a certificate, and take any.", _FACTS + "52")] = False
    allow_1_3: Annotated[bool, _meta("Let TLS 1.3 in as well; the page knows 1.2 only.", _FACTS + "52")] = False
    handshake_timeout: Annotated[float, _seconds("How long a handshake may take.")] = 10.0
    verify_customer: Annotated[
        bool,
        _meta("Verify the certificates of the customer's listeners; without it what is wrong with one is only told.", _FACTS + "26"),
    ] = False
    customer_ca: Annotated[str | None, _meta("File of CA certificates to verify them by; the system's without one.")] = None


class DigestSettings(_Section, frozen=True):
    """Authentication of INVITEs."""

    challenge: Annotated[Literal[407, 401], _meta("Status of the challenge.", _FACTS + "1")] = 407
    realm: Annotated[str | None, _meta("One realm for all; without it the addressed service host.", _FACTS + "4")] = None
    accept_authorization: Annotated[bool, _meta("Take Authorization where a 407 asked for Proxy-Authorization.", _FACTS + "3")] = False
    require_qop: Annotated[bool, _meta("Challenge a response without qop again.", _FACTS + "5")] = False
    userhash: Annotated[bool, _meta("Tell clients that they may hash the username (RFC 7616 3.4.4).", _FACTS + "5")] = False
    foreign_nonces: Annotated[
        Literal["accept", "refuse"],
        _meta("A challenge answered at another proxy: taken with a finding, or challenged again as one lab saw.", _FACTS + "5"),
    ] = "accept"
    refuse_after: Annotated[
        Annotated[int, msgspec.Meta(ge=1, le=100)] | None,
        _meta("Wrong credentials of one call that bring 403; without it each brings another challenge.", _FACTS + "6"),
    ] = None
    algorithms: Annotated[
        tuple[Literal["MD5", "SHA-256", "SHA-512-256"], ...],
        _meta("What is offered and taken, the preferred one first.", _FACTS + "5", min_length=1),
    ] = ("MD5",)
    nonce_lifetime: Annotated[float, _seconds("How long a nonce can be answered.", _FACTS + "5")] = 300.0


class SessionTimerSettings(_Section, frozen=True):
    """Session timers."""

    minimum: Annotated[int, _meta("Min-SE, in seconds: a smaller Session-Expires gets 422.", _FACTS + "38", ge=90, le=86400)] = 90
    ask: Annotated[bool, _meta("Set a timer for clients that support one and asked for none.", _FACTS + "38")] = False
    interval: Annotated[int, _meta("The session interval of such a timer, in seconds.", _FACTS + "38", ge=90, le=86400)] = 1800
    refresher: Annotated[Literal["uac", "uas"], _meta("Who refreshes when the client leaves it open: it, or the trunk.", _FACTS + "38")] = (
        "uac"
    )


class RegistrarSettings(_Section, frozen=True):
    """REGISTER. Bindings never route a call."""

    accept: Annotated[bool, _meta("Take REGISTER; without it 405.", _FACTS + "7")] = True
    challenge: Annotated[Literal[401, 407], _meta("Status of the challenge.", _FACTS + "2")] = 401
    default_expires: Annotated[int, _meta("Expiry of a contact that names none, in seconds.", _FACTS + "7", ge=1, le=86400)] = 3600
    minimum_expires: Annotated[int, _meta("A shorter expiry gets 423, in seconds.", _FACTS + "7", ge=1, le=3600)] = 60
    maximum_expires: Annotated[int, _meta("A longer expiry is shortened to it, in seconds. Invented.", ge=60)] = 86400
    contacts: Annotated[int, _meta("Contacts per address-of-record.", ge=1, le=1000)] = 10


class PolicySettings(_Section, frozen=True):
    """What the page leaves open."""

    caller_id: Annotated[
        Literal["refuse", "unknown"],
        _meta("What a caller ID that is not the account's brings: 403, or `unknown` is shown.", _FACTS + "10"),
    ] = "refuse"
    destinations: Annotated[
        tuple[str, ...],
        _meta(
            "Number prefixes that can be called, others get 404; the empty one is every number.",
            _FACTS + "13",
        ),
    ] = ("",)
    emergency_status: Annotated[Literal[403, 404], _meta("Answer to an emergency number.", _FACTS + "51")] = 403
    emergency_numbers: Annotated[
        tuple[str, ...] | None,
        _meta("Numbers taken for emergency numbers; without it those in use anywhere.", _FACTS + "51"),
    ] = None
    called_number: Annotated[
        Literal["lenient", "exact"], _meta("Whether `+`, `00` and separators are taken off a called number, or bring 404.", _FACTS + "9")
    ] = "lenient"
    anonymous_calls: Annotated[bool, _meta("Take callers who hide their number; without it 403.", _FACTS + "11")] = True
    from_host: Annotated[
        Literal["any", "trunk"], _meta("Whether the host in From may be any, or must be one of the service's; else 403.", _FACTS + "12")
    ] = "any"
    regionless_status: Annotated[
        Literal[404, 403, 480, 488, 503], _meta("Answer to a trunk's host that names no region.", _FACTS + "37")
    ] = 404
    options_status: Annotated[Literal[200, 403, 404, 405, 480, 503], _meta("Answer to OPTIONS outside a call.", _FACTS + "8")] = 200
    late_offer: Annotated[
        Literal["accept", "refuse"], _meta("An INVITE without SDP: taken with a finding, or 488; refused if strict.", _FACTS + "32")
    ] = "accept"
    reliable_provisionals: Annotated[
        Literal["honour", "refuse"], _meta("`Require: 100rel` from a client: honoured, or 420.", _FACTS + "41")
    ] = "honour"
    reinvites: Annotated[Literal["accept", "refuse"], _meta("A new offer in a call that is up: looked at, or 488.", _FACTS + "42")] = (
        "accept"
    )
    update_status: Annotated[Literal[405, 501], _meta("Answer to UPDATE.", _FACTS + "39")] = 405
    refer_status: Annotated[Literal[405, 501, 603], _meta("Answer to REFER.", _FACTS + "40")] = 405
    info_status: Annotated[Literal[200, 405], _meta("Answer to INFO. Its digits are never relayed.", _FACTS + "43")] = 200
    t38_status: Annotated[Literal[488, 415, 606], _meta("Answer to an offer of fax over UDPTL.", _FACTS + "44")] = 488
    ringing: Annotated[
        Literal[180, 183], _meta("The first ringing response; 183 holds the answer, and media flows at once.", _FACTS + "14")
    ] = 180
    answer_after: Annotated[float, _seconds("From ringing to 200 OK.", _FACTS + "14")] = 0.0
    magic_numbers: Annotated[bool, _meta("Whether 447700900000 to 447700900722 pick how a call goes; see docs/magic-numbers.md.")] = True
    product: Annotated[
        str | None,
        _meta("Text of Server and User-Agent; without it vsim and its version.", _FACTS + "29"),
    ] = None
    longest_call: Annotated[float, _seconds("A call is hung up after so long; 0 never.", _FACTS + "17")] = 0.0


class LimitSettings(_Section, frozen=True):
    """Bounds on what grows."""

    calls: Annotated[int, _meta("Calls at once; above it 503.", ge=1)] = 4000
    preset: Annotated[
        Literal["current", "legacy"],
        _meta("`legacy` enforces what older trunks had, 30 calls a second and 30 at once, where the next two say nothing.", _FACTS + "15"),
    ] = "current"
    calls_per_second: Annotated[
        Annotated[int, msgspec.Meta(ge=1, le=10000)] | None,
        _meta("New calls of one account in a second; without it more than 3 bring a finding, and are refused if strict.", _FACTS + "15"),
    ] = None
    calls_at_once: Annotated[
        Annotated[int, msgspec.Meta(ge=1)] | None, _meta("Calls of one account at once; older trunks had 30.", _FACTS + "15")
    ] = None
    excess_status: Annotated[Literal[503, 480, 486, 429, 403], _meta("Answer to a call beyond either. Invented.", _FACTS + "15")] = 503
    transactions: Annotated[int, _meta("SIP transactions at once per proxy; above it 503.", ge=10)] = 100000
    connections: Annotated[int, _meta("TCP and TLS connections at once.", ge=1)] = 4000
    connections_per_address: Annotated[int, _meta("The same from one address.", ge=1)] = 2000
    message_timeout: Annotated[float, _seconds("How long a message on a connection may take to arrive.")] = 20.0
    idle_timeout: Annotated[float, _seconds("A connection that is silent for so long is closed.")] = 3600.0
    connect_timeout: Annotated[float, _seconds("How long a connection to the customer may take to come about, TLS included.")] = 5.0
    message_octets: Annotated[int, _meta("Largest headers, and largest body, on a connection.", _FACTS + "53", ge=2048)] = 65535


class JournalSettings(_Section, frozen=True):
    """What is remembered."""

    calls: Annotated[int, _meta("Calls kept.", ge=1)] = 1000
    events: Annotated[int, _meta("Events kept.", ge=1)] = 10000
    messages: Annotated[int, _meta("SIP messages kept per call: of more the first and the newest.", ge=1)] = 200
    octets: Annotated[int, _meta("Octets of all messages kept; one call may take a sixteenth.", ge=1 << 20)] = 64 << 20


class Config(_Section, frozen=True):
    """Everything."""

    layout: Annotated[
        Literal["loopback", "ports"],
        _meta("`loopback`: each proxy on an address of its own with the standard ports. `ports`: all on one address."),
    ] = "loopback" if sys.platform == "linux" else "ports"
    bind: Annotated[str, _meta("The address of the `ports` layout.")] = "127.0.0.1"
    advertise: Annotated[
        str | None, _meta("The address that SDP, Contact and DNS say instead of `bind`; `auto` takes the one that the default route has.")
    ] = None
    strict: Annotated[bool, _meta("Refuse what would only be warned about.")] = False
    seed: Annotated[Seed | None, _meta("Every random choice follows from it.")] = None
    ephemeral: Annotated[bool, _meta("Let the system choose every port.")] = False
    endpoints: Annotated[str, _meta("The file that says where everything listens.", min_length=1)] = "vsim.json"
    log_format: Annotated[Literal["text", "json"], _meta("How events are printed.")] = "text"
    accounts: Annotated[tuple[AccountSettings, ...], _meta("Who may call.", _PAGE, min_length=1)] = (
        AccountSettings(key="abcd1234", secret="OfflineSecret1", numbers=("447700900000",)),
    )
    numbers: Annotated[dict[E164, NumberSettings], _meta("The account's numbers.", _PAGE)] = msgspec.field(
        default_factory=lambda: {"447700900000": NumberSettings()}
    )
    dns: DnsSettings = DnsSettings()
    control: ControlSettings = ControlSettings()
    forwarding: ForwardingSettings = ForwardingSettings()
    webhook: WebhookSettings = WebhookSettings()
    media: MediaSettings = MediaSettings()
    tls: TlsSettings = TlsSettings()
    digest: DigestSettings = DigestSettings()
    session_timer: SessionTimerSettings = SessionTimerSettings()
    registrar: RegistrarSettings = RegistrarSettings()
    policy: PolicySettings = PolicySettings()
    limits: LimitSettings = LimitSettings()
    journal: JournalSettings = JournalSettings()
