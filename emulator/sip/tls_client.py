"""TLS of the connections that the trunk opens to a customer: 1.2 and nothing else, and what the customer's certificate is like.

It is not verified unless a setting says so (vonage-facts, default 26); what would have been wrong with it is told all the same.
"""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.internet.protocol import ClientFactory
from zope.interface import implementer

from emulator.journal.findings import Finding
from emulator.sip.certificate import Identity, identity, is_for
from emulator.sip.flow import Flow

if TYPE_CHECKING:
    from OpenSSL import SSL, crypto

# X509_V_ERR_… of OpenSSL's x509_vfy.h: finding and what was seen
_PROBLEMS = {
    2: ("tls.server-untrusted", "its issuer is not known"),
    9: ("tls.server-expired", "it is not valid yet"),
    10: ("tls.server-expired", "it has expired"),
    18: ("tls.server-self-signed", "it is self-signed"),
    19: ("tls.server-self-signed", "it comes from a CA of its own that is not trusted"),
    20: ("tls.server-untrusted", "its issuer is not known"),
    21: ("tls.server-untrusted", "its issuer is not known"),
}
_WRONG_NAME = "tls.server-name"


@cache
def client_context(authorities: Path | None) -> "SSL.Context":
    """Made on the first use: OpenSSL is not needed before."""
    from OpenSSL import SSL

    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    context.set_max_proto_version(SSL.TLS1_2_VERSION)
    context.set_options(SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION)
    if authorities is not None:
        context.load_verify_locations(str(authorities))
    else:
        context.set_default_verify_paths()
    context.set_verify(SSL.VERIFY_PEER, _judge)
    return context


class TlsClient:
    """What all connections that the trunk opens have in common."""

    def __init__(
        self,
        reactor: Any,
        on_server: Callable[[Flow, Identity, bool], None],
        on_finding: Callable[[Flow, Finding], None],
        verify: bool = False,
        authorities: Path | None = None,
    ) -> None:
        """`on_server(flow, identity, good)` hears of each server's certificate, and whether it would stand verification. `authorities` is
        a file of CA certificates; None takes the system's."""
        self.reactor = reactor
        self.on_server = on_server
        self.on_finding = on_finding
        self.verify = verify
        self.authorities = authorities

    def secure(self, factory: ClientFactory, name: str) -> "ClientHandshake":
        """TLS round the one connection of `factory`, to the host `name`."""
        return ClientHandshake(self, factory, name)


def _judge(connection: Any, certificate: "crypto.X509", problem: int, depth: int, good: int) -> bool:
    """OpenSSL asks of each certificate of the chain, and again of each thing that is wrong with it."""
    protocol: Any = connection.get_app_data()
    return bool(protocol.judge(certificate, 0 if good else problem, depth))


@implementer(IOpenSSLClientConnectionCreator)
class ClientHandshake:
    """The handshake of one connection. `factory` makes it."""

    def __init__(self, client: TlsClient, factory: ClientFactory, name: str) -> None:
        from twisted.protocols.tls import TLSMemoryBIOFactory

        self._client = client
        self._name = name
        self._found: dict[str, Finding] = {}  # by code: a chain may say the same thing twice
        self._identity: Identity | None = None
        wrapped = TLSMemoryBIOFactory(self, True, factory, client.reactor)  # type: ignore[arg-type]
        wrapped.noisy = False
        self.factory: Any = wrapped

    def clientConnectionForTLS(self, protocol: Any) -> "SSL.Connection":
        from OpenSSL import SSL

        connection = SSL.Connection(client_context(self._client.authorities), None)
        protocol.judge = self.judge
        connection.set_app_data(protocol)  # newer versions of Twisted do the same, after this
        if any(char.isalpha() for char in self._name) and ":" not in self._name:
            # "Literal IPv4 and IPv6 addresses are not permitted" as server names (RFC 6066 3)
            connection.set_tlsext_host_name(self._name.encode("ascii", "replace"))
        return connection

    def judge(self, certificate: "crypto.X509", problem: int, depth: int) -> bool:
        """Take note of what is wrong; whether the handshake goes on. `problem` is OpenSSL's number, 0 for none."""
        if problem:
            code, seen = _PROBLEMS.get(problem, ("tls.server-untrusted", f"OpenSSL's verification error {problem}"))
            self._note(code, seen)
        if depth == 0 and self._identity is None:
            try:
                self._identity = identity(certificate.to_cryptography())
            except (ValueError, TypeError) as error:
                self._note("tls.server-untrusted", f"a certificate that can't be read: {error}")
            else:
                if not is_for(self._identity.domains, self._name):
                    self._note(_WRONG_NAME, f"it is for {', '.join(self._identity.domains[:4]) or 'nobody'}, not for {self._name}")
        return not (self._client.verify and self._found)

    def _note(self, code: str, seen: str) -> None:
        self._found.setdefault(code, Finding(code, seen))

    @property
    def why(self) -> str:
        """Why it failed, where the certificate was the reason; empty otherwise."""
        if not (self._client.verify and self._found):
            return ""
        return "the certificate is refused: " + "; ".join(finding.seen for finding in self._found.values())

    def completed(self, flow: Flow) -> None:
        """The handshake is done: tell of the other side's certificate."""
        for finding in self._found.values():
            self._client.on_finding(flow, finding)
        if self._identity is not None:
            self._client.on_server(flow, self._identity, not self._found)
