"""TLS as the trunk does it: 1.2 and nothing else (page: Protocols), and a word about every handshake that fails.

OpenSSL is imported when the first client connects: nothing before that needs it, and it takes longer than the rest of the start.
"""

import struct
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure

from emulator.clock import Clock, Timer
from emulator.journal.findings import Finding

if TYPE_CHECKING:
    from OpenSSL import SSL

# Forward secrecy and an AEAD first; CBC with SHA stays for the PBXs that have nothing newer. Invented: the real list is not known.
_CIPHERS = b"ECDHE+AESGCM:ECDHE+CHACHA20:ECDHE+AES:AESGCM:AES:!aNULL:!eNULL:!MD5:!DSS"
_VERSIONS = {0x0300: "SSL 3.0", 0x0301: "TLS 1.0", 0x0302: "TLS 1.1", 0x0303: "TLS 1.2", 0x0304: "TLS 1.3"}
_TLS_1_2, _TLS_1_3 = 0x0303, 0x0304
_HELLO_OCTETS = 16384
_SUPPORTED_VERSIONS = 43


def offered_versions(octets: bytes) -> tuple[int, ...] | None:
    """The protocol versions a ClientHello offers, newest first; None when `octets` are not a whole one.

    A client without the supported_versions extension (RFC 8446 4.2.1) names its highest version only.
    """
    try:
        if octets[0] != 22 or octets[5] != 1:
            return None
        length = int.from_bytes(octets[6:9], "big")
        hello = octets[9 : 9 + length]
        if len(hello) < length:
            return None
        (legacy,) = struct.unpack_from("!H", hello)
        at = 34
        at += 1 + hello[at]  # session id
        at += 2 + int.from_bytes(hello[at : at + 2], "big")  # cipher suites
        at += 1 + hello[at]  # compression methods
        end = at + 2 + int.from_bytes(hello[at : at + 2], "big")
        at += 2
        while at + 4 <= min(end, len(hello)):
            kind, size = struct.unpack_from("!HH", hello, at)
            if kind == _SUPPORTED_VERSIONS:
                listed = hello[at + 5 : at + 5 + hello[at + 4]]
                versions = {int.from_bytes(listed[k : k + 2], "big") for k in range(0, len(listed) - 1, 2)}
                return tuple(sorted((version for version in versions if version in _VERSIONS), reverse=True))
            at += 4 + size
    except (IndexError, struct.error):
        return None
    return (legacy,) if legacy in _VERSIONS else ()


def names_of(versions: tuple[int, ...]) -> str:
    return ", ".join(_VERSIONS[version] for version in versions) or "no version known"


def server_context(
    certificate: Path, key: Path, allow_1_3: bool = False, ask_client: bool = False, allow_1_2: bool = True
) -> "SSL.Context":  # fmt: skip
    """The context of the trunk's listeners. A client certificate is asked for only if `ask_client`, and any is taken (page: TLS)."""
    from OpenSSL import SSL

    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_min_proto_version(SSL.TLS1_2_VERSION if allow_1_2 else SSL.TLS1_3_VERSION)
    context.set_max_proto_version(SSL.TLS1_3_VERSION if allow_1_3 else SSL.TLS1_2_VERSION)
    context.set_options(SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION | SSL.OP_CIPHER_SERVER_PREFERENCE)
    context.set_cipher_list(_CIPHERS)
    context.use_certificate_chain_file(str(certificate))
    context.use_privatekey_file(str(key))
    context.set_session_id(b"vsim")
    if ask_client:
        context.set_verify(SSL.VERIFY_PEER, lambda connection, x509, error, depth, ok: True)
    return context


def subject_of(transport: Any) -> str | None:
    """The subject of the certificate a client showed, as `CN=…, O=…`; None without one."""
    get = getattr(transport, "getPeerCertificate", None)
    certificate = get() if get is not None else None
    if certificate is None:
        return None
    return ", ".join(
        f"{name.decode('utf-8', 'replace')}={value.decode('utf-8', 'replace')}"
        for name, value in certificate.get_subject().get_components()
    )


class TlsFactory(Factory):
    """Wraps a factory of plain protocols in TLS. `make_context` is called once, when the first client connects."""

    noisy = False

    def __init__(
        self,
        inner: Factory,
        make_context: Callable[[], "SSL.Context"],
        clock: Clock,
        on_failure: Callable[[tuple[str, int], Finding], None],
        on_client: Callable[[tuple[str, int], str], None],
        reactor: Any,
        handshake_seconds: float = 10.0,
        allow_1_3: bool = False,
    ) -> None:
        """`on_failure(peer, finding)` hears of each handshake that fails; one that takes longer than `handshake_seconds` is cut off.
        `on_client(peer, subject)` hears of each client that showed a certificate."""
        self.inner = inner
        self.clock = clock
        self.on_failure = on_failure
        self.on_client = on_client
        self.handshake_seconds = handshake_seconds
        self.allow_1_3 = allow_1_3
        self.pending = 0
        """Handshakes under way."""
        self._make_context = make_context
        self._reactor = reactor
        self._tls: Any = None

    def like(self, make_context: Callable[[], "SSL.Context"], allow_1_3: bool) -> "TlsFactory":
        """Another one for the same protocols, with a context of its own."""
        return TlsFactory(
            self.inner, make_context, self.clock, self.on_failure, self.on_client, self._reactor, self.handshake_seconds, allow_1_3
        )

    def tls(self) -> Any:
        """Twisted's TLS factory, made on the first use."""
        if self._tls is None:
            from twisted.internet import ssl
            from twisted.protocols.tls import TLSMemoryBIOFactory

            context = self._make_context()

            class ContextFactory(ssl.ContextFactory):
                def getContext(self) -> Any:
                    return context

            factory: Any = ContextFactory()
            inner: Any = self.inner
            self._tls = TLSMemoryBIOFactory(factory, False, inner, self._reactor)
            self._tls.noisy = False
        return self._tls

    def buildProtocol(self, addr: Any) -> "_Handshake":
        protocol = _Handshake(self, addr)
        protocol.factory = self
        return protocol


class _Handshake(Protocol):
    """Stands before Twisted's TLS protocol, reads the ClientHello on its way, and watches the handshake's time."""

    def __init__(self, factory: TlsFactory, address: Any) -> None:
        self._owner = factory
        self._address = address
        self._hello = b""
        self._offered: tuple[int, ...] | None = None
        self._timer: Timer | None = None
        self._wrapped: Any = None
        self._failed = False

    def connectionMade(self) -> None:
        owner = self._owner
        owner.pending += 1
        self._timer = owner.clock.call_later(owner.handshake_seconds, self._too_late)
        self._wrapped = owner.tls().buildProtocol(self._address)
        wrapped = self._wrapped
        wrapped.makeConnection(self.transport)

    def dataReceived(self, data: bytes) -> None:
        if self._timer is not None:
            self._look(data)
        if not self._failed:
            self._wrapped.dataReceived(data)
            if self._timer is not None and self._done():
                self._timer.cancel()
                self._timer = None
                self._owner.pending -= 1
                subject = subject_of(self._wrapped)
                if subject is not None:
                    self._owner.on_client((self._address.host, self._address.port), subject)
                self.dataReceived = self._wrapped.dataReceived  # type: ignore[method-assign]  # nothing more to watch

    def _done(self) -> bool:
        return bool(getattr(self._wrapped, "_handshakeDone", False))

    def _look(self, data: bytes) -> None:
        if self._offered is not None or len(self._hello) > _HELLO_OCTETS:
            return
        first = not self._hello
        self._hello += data
        if first and data[0] != 22:
            shown = "SIP without TLS" if data[:1].isalpha() else "octets that are no TLS"
            self._fail(Finding("tls.plain", shown))
            return
        self._offered = offered_versions(self._hello)
        if self._offered is not None:
            wanted = (_TLS_1_2, _TLS_1_3) if self._owner.allow_1_3 else (_TLS_1_2,)
            if not any(version in wanted for version in self._offered):
                self._report(Finding("tls.version", f"{names_of(self._offered)} offered"))

    def _report(self, finding: Finding) -> None:
        if not self._failed:
            self._owner.on_failure((self._address.host, self._address.port), finding)

    def _fail(self, finding: Finding) -> None:
        self._report(finding)
        self._failed = True
        transport: Any = self.transport
        transport.abortConnection()

    def _too_late(self) -> None:
        self._timer = None
        self._owner.pending -= 1
        self._fail(Finding("tls.handshake", f"no end of it within {self._owner.handshake_seconds:g} s"))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self._owner.pending -= 1
            wanted = (_TLS_1_2, _TLS_1_3) if self._owner.allow_1_3 else (_TLS_1_2,)
            if self._offered is not None and any(version in wanted for version in self._offered):
                why = openssl_words(getattr(self._wrapped, "_reason", None) or reason)
                self._report(Finding("tls.handshake", why or "the client closed the connection"))
        if self._wrapped is not None:
            self._wrapped.connectionLost(reason)


def openssl_words(reason: Failure) -> str:
    """OpenSSL's words for what broke; empty when it was not OpenSSL that said so."""
    args = getattr(reason.value, "args", ())
    if args and isinstance(args[0], list) and args[0]:
        return "; ".join(str(entry[-1]) for entry in args[0])
    return ""
