"""What an X.509 certificate says that matters to SIP: who it is for (RFC 5922 7), from whom, and until when."""

import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.x509 import Certificate


@dataclass(frozen=True, slots=True)
class Identity:
    """`subject` and `issuer` as RFC 4514 writes them, `not_after` in ISO 8601 (UTC), `domains` what `sip_domains` found."""

    subject: str
    issuer: str
    not_after: str
    domains: tuple[str, ...]


def identity(certificate: "Certificate") -> Identity:
    """Raises `ValueError` for a certificate that does not follow its grammar."""
    return Identity(
        certificate.subject.rfc4514_string(),
        certificate.issuer.rfc4514_string(),
        certificate.not_valid_after_utc.strftime("%Y-%m-%dT%H:%M:%SZ"),
        tuple(sip_domains(certificate)),
    )


def sip_domains(certificate: "Certificate") -> list[str]:
    """The SIP domains that a certificate is for (RFC 5922 7.1), and its addresses. Raises `ValueError`.

    A sip URI without a user part; only when there is none, DNS names; only without any subjectAltName, the common name.
    """
    from cryptography import x509

    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        common = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
        return [name.value for name in common if isinstance(name.value, str)]
    found = []
    for uri in names.get_values_for_type(x509.UniformResourceIdentifier):
        scheme, _, rest = uri.partition(":")
        if scheme.lower() == "sip" and "@" not in rest:
            found.append(_host(rest))
    found = found or list(names.get_values_for_type(x509.DNSName))
    return found + [str(address) for address in names.get_values_for_type(x509.IPAddress)]


def _host(rest: str) -> str:
    """The host of a URI without a user part."""
    host = rest.partition(";")[0].partition("?")[0]
    return host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]


def is_for(domains: tuple[str, ...], host: str) -> bool:
    """Whether one of `domains` is `host`: "a case-insensitive string comparison" of the whole, in which a wildcard matches nothing
    (RFC 5922 7.2) and a NUL ends nothing."""
    try:
        address = str(ipaddress.ip_address(host.strip("[]")))
    except ValueError:
        wanted = host.lower().rstrip(".")
        return "*" not in wanted and any(domain.lower().rstrip(".") == wanted for domain in domains)
    return address in domains
