"""The certificate authority on disk: made on first run, with one server certificate for every service name and address.

When everything is there and good, `cryptography` is not imported: it costs more time than the rest of the start.
"""

import json
import os
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from emulator.config import Unusable
from emulator.problems import in_words

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

_CA_DAYS = 3650
_SERVER_DAYS = 397
_RENEW_DAYS = 30
_CA_NAME = "vsim offline CA"
_STRANGE_CA_NAME = "a CA that nobody trusts"
_WRONG_NAME = "elsewhere.invalid"
_ALWAYS = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Certificates:
    """Where the PEM files are."""

    ca: Path
    certificate: Path
    key: Path


def default_directory() -> Path:
    """`certs/` of the checkout this runs from, else the user's data directory."""
    root = Path(__file__).resolve().parent.parent
    if (root / "pyproject.toml").is_file() and (root / "certs").is_dir():
        return root / "certs"
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "vsim"


class Authority:
    """The CA in one directory. The CA itself stays; the server certificate is made anew when it must be."""

    def __init__(self, directory: Path | None = None) -> None:
        self.directory = directory or default_directory()
        self._ca = self.directory / "ca.pem"
        self._ca_key = self.directory / "ca.key"
        self._certificate = self.directory / "server.pem"
        self._key = self.directory / "server.key"
        self._facts = self.directory / "server.json"

    def ensure(self, names: tuple[str, ...], addresses: tuple[str, ...], now: datetime | None = None) -> Certificates:
        """Everything on disk and good for `names` and `addresses`. Raises `Unusable` when it can't be written or read."""
        now = now or datetime.now(UTC)
        wanted = sorted({*names, *addresses, *_ALWAYS})
        try:
            if not self._good(wanted, now):
                self._make(wanted, now)
        except OSError as error:
            raise Unusable(
                str(error.filename or self.directory),
                f"{in_words(error)}; choose another directory with tls.directory",
            ) from None
        return Certificates(self._ca, self._certificate, self._key)

    def _good(self, wanted: list[str], now: datetime) -> bool:
        """Whether the notes beside the certificate say that it covers `wanted` for a while, and the files are there."""
        if not all(path.is_file() for path in (self._ca, self._ca_key, self._certificate, self._key)):
            return False
        try:
            facts = json.loads(self._facts.read_text())
            return set(wanted) <= set(facts["names"]) and now + timedelta(days=_RENEW_DAYS) < datetime.fromisoformat(facts["expires"])
        except (OSError, ValueError, KeyError, TypeError):
            return False

    def _make(self, wanted: list[str], now: datetime) -> None:
        from cryptography.hazmat.primitives.asymmetric import ec

        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        authority, authority_key = self._load_or_make_ca(now)
        key = ec.generate_private_key(ec.SECP256R1())  # 724 µs a handshake where RSA-2048 takes 897
        expires = now + timedelta(days=_SERVER_DAYS)
        certificate = _server_certificate(authority, authority_key, key, wanted, now, expires)
        _write(self._key, _key_pem(key), 0o600)
        _write(self._certificate, _pem(certificate) + _pem(authority), 0o644)
        _write(
            self._facts,
            json.dumps({"names": wanted, "expires": expires.isoformat()}, indent=1).encode(),
            0o644,
        )

    def _load_or_make_ca(self, now: datetime) -> "tuple[x509.Certificate, EllipticCurvePrivateKey]":
        from cryptography import x509
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ec

        if self._ca.is_file() and self._ca_key.is_file():
            try:
                certificate = x509.load_pem_x509_certificate(self._ca.read_bytes())
                key = serialization.load_pem_private_key(self._ca_key.read_bytes(), None)
            except ValueError as error:
                raise Unusable(
                    str(self._ca),
                    f"no certificate and key in PEM ({error}); delete both ca files to have them made anew",
                ) from None
            if not isinstance(key, ec.EllipticCurvePrivateKey):
                raise Unusable(
                    str(self._ca_key),
                    "the CA's key must be an elliptic-curve key; delete both ca files to have them made anew",
                )
            if certificate.not_valid_after_utc > now + timedelta(days=_SERVER_DAYS):
                return certificate, key
        made = ec.generate_private_key(ec.SECP256R1())
        certificate = _ca_certificate(made, now)
        _write(self._ca_key, _key_pem(made), 0o600)
        _write(self._ca, _pem(certificate), 0o644)
        return certificate, made

    def flawed(self, flaw: str, names: tuple[str, ...], addresses: tuple[str, ...], now: datetime | None = None) -> Certificates:
        """A server certificate that clients should refuse: `expired`, for a `wrong-name`, of an `unknown-ca`, or `self-signed`.

        It is made anew each time. Raises `Unusable` when it can't be written.
        """
        from cryptography.hazmat.primitives.asymmetric import ec

        now = now or datetime.now(UTC)
        wanted = [_WRONG_NAME] if flaw == "wrong-name" else sorted({*names, *addresses, *_ALWAYS})
        expires = now - timedelta(days=1) if flaw == "expired" else now + timedelta(days=_SERVER_DAYS)
        key = ec.generate_private_key(ec.SECP256R1())
        authority, authority_key = self._load_or_make_ca(now)
        if flaw in ("unknown-ca", "self-signed"):
            authority_key = key if flaw == "self-signed" else ec.generate_private_key(ec.SECP256R1())
            authority = _ca_certificate(authority_key, now, "vsim" if flaw == "self-signed" else _STRANGE_CA_NAME)
        certificate = _server_certificate(authority, authority_key, key, wanted, expires - timedelta(days=_SERVER_DAYS), expires)
        chain = b"" if flaw in ("unknown-ca", "self-signed") else _pem(authority)
        made = Certificates(self._ca, self.directory / f"{flaw}.pem", self.directory / f"{flaw}.key")
        try:
            _write(made.key, _key_pem(key), 0o600)
            _write(made.certificate, _pem(certificate) + chain, 0o644)
        except OSError as error:
            raise Unusable(
                str(error.filename or self.directory), f"{in_words(error)}; choose another directory with tls.directory"
            ) from None
        return made

    def export(self, directory: Path) -> list[Path]:
        """Copy CA, server certificate and server key; returns what was written. Raises `Unusable`."""
        written: list[Path] = []
        try:
            directory.mkdir(parents=True, exist_ok=True)
            for source, mode in ((self._ca, 0o644), (self._certificate, 0o644), (self._key, 0o600)):
                target = directory / source.name
                _write(target, source.read_bytes(), mode)
                written.append(target)
        except OSError as error:
            raise Unusable(str(error.filename or directory), f"{in_words(error)}; choose a directory that can be written") from None
        return written


def _write(path: Path, data: bytes, mode: int) -> None:
    """Write atomically; the file never exists with more rights than `mode`."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        os.chmod(temporary, mode)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def _pem(certificate: "x509.Certificate") -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding

    return certificate.public_bytes(Encoding.PEM)


def _key_pem(key: "EllipticCurvePrivateKey") -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _ca_certificate(key: "EllipticCurvePrivateKey", now: datetime, subject: str = _CA_NAME) -> "x509.Certificate":
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.x509.oid import NameOID

    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)])
    usage = x509.KeyUsage(
        digital_signature=False, content_commitment=False, key_encipherment=False, data_encipherment=False, key_agreement=False,
        key_cert_sign=True, crl_sign=True, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=_CA_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )


def _server_certificate(
    authority: "x509.Certificate",
    authority_key: "EllipticCurvePrivateKey",
    key: "EllipticCurvePrivateKey",
    wanted: list[str],
    now: datetime,
    expires: datetime,
) -> "x509.Certificate":
    """Every name stands in it by itself: clients refuse wildcards for SIP (RFC 5922 7.2)."""
    import ipaddress

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    alternatives: list[x509.GeneralName] = []
    for text in wanted:
        try:
            alternatives.append(x509.IPAddress(ipaddress.ip_address(text)))
        except ValueError:
            alternatives.append(x509.DNSName(text))
    usage = x509.KeyUsage(
        digital_signature=True, content_commitment=False, key_encipherment=False, data_encipherment=False, key_agreement=False,
        key_cert_sign=False, crl_sign=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    issuer = authority.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "vsim")]))
        .issuer_name(authority.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(expires)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]),
            critical=False,
        )
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
