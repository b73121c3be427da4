"""Whom a certificate is for, RFC 5922 7, and what it says else."""

import datetime
import ipaddress

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from emulator.sip.certificate import identity, is_for, sip_domains

KEY = ec.generate_private_key(ec.SECP256R1())
FROM = datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC)


def certificate(common: str = "", names: list[x509.GeneralName] | None = None) -> x509.Certificate:
    """A self-signed certificate; `names` is its subjectAltName."""
    attributes = [x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "Acme")]
    if common:
        attributes.append(x509.NameAttribute(x509.NameOID.COMMON_NAME, common))
    name = x509.Name(attributes)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(KEY.public_key()).serial_number(1)
    builder = builder.not_valid_before(FROM).not_valid_after(FROM + datetime.timedelta(days=1))
    if names is not None:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(KEY, hashes.SHA256())


def uri(text: str) -> x509.GeneralName:
    return x509.UniformResourceIdentifier(text)


def dns(text: str) -> x509.GeneralName:
    return x509.DNSName(text)


@pytest.mark.parametrize(
    ("common", "names", "domains"),
    [
        ("pbx.example", None, ["pbx.example"]),  # "If and only if the subjectAltName does not appear"
        ("pbx.example", [dns("other.example")], ["other.example"]),
        ("pbx.example", [x509.RFC822Name("a@pbx.example")], []),
        ("", [dns("a.example"), dns("b.example")], ["a.example", "b.example"]),
        ("", [uri("sip:a.example"), dns("b.example")], ["a.example"]),  # DNS "if and only if no other identity ... "sip" URI"
        ("", [uri("SIP:a.example:5061;transport=tls"), uri("sip:[2001:db8::1]")], ["a.example", "2001:db8::1"]),
        ("", [uri("sip:alice@a.example"), uri("https://a.example"), uri("sips:a.example"), dns("b.example")], ["b.example"]),
        ("", [x509.IPAddress(ipaddress.ip_address("192.0.2.1"))], ["192.0.2.1"]),
    ],
)
def test_the_domains(common: str, names: list[x509.GeneralName] | None, domains: list[str]) -> None:
    """7.1."""
    assert sip_domains(certificate(common, names)) == domains


@pytest.mark.parametrize(
    ("domain", "host", "good"),
    [
        ("pbx.example", "PBX.Example", True),
        ("pbx.example.", "pbx.example", True),
        ("pbx.example", "pbx.example.com", False),
        ("*.example", "pbx.example", False),  # 7.2: no wildcard
        ("*.example", "*.example", False),
        (".example", "pbx.example", False),
        ("pbx.example\x00.evil.example", "pbx.example", False),
        ("pbx.example", "pbx.example\x00.evil.example", False),
        ("192.0.2.1", "192.0.2.1", True),
        ("2001:db8::1", "[2001:0db8::1]", True),
        ("192.0.2.1", "192.0.2.10", False),
        ("", "", True),
    ],
)
def test_whether_it_is_for_a_host(domain: str, host: str, good: bool) -> None:
    """7.2."""
    assert is_for((domain,), host) == good


def test_a_nul_in_a_name_stays_in_it() -> None:
    domains = tuple(sip_domains(certificate("", [dns("pbx.example\x00.evil.example")])))
    assert not is_for(domains, "pbx.example")


def test_who_it_is() -> None:
    found = identity(certificate("pbx.example"))
    assert found.subject == found.issuer == "CN=pbx.example,O=Acme"
    assert (found.not_after, found.domains) == ("2024-01-02T00:00:00Z", ("pbx.example",))
