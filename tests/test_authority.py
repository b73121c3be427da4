"""The CA and the server certificate on disk."""

import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store

from emulator.authority import Authority
from emulator.config import Unusable
from emulator.trunk import regions

NAMES = regions.service_hosts()
ADDRESSES = ("127.0.13.1", "127.0.13.2")
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_everything_is_made_with_tight_modes(tmp_path: Path) -> None:
    """robustness 19."""
    made = Authority(tmp_path / "certs").ensure(NAMES, ADDRESSES, NOW)
    assert stat.S_IMODE(made.key.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "certs" / "ca.key").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "certs").stat().st_mode) == 0o700


def test_the_certificate_lists_every_name_by_itself_and_verifies(tmp_path: Path) -> None:
    """interop-quirks 29."""
    made = Authority(tmp_path).ensure(NAMES, ADDRESSES, NOW)
    leaf, issuer = x509.load_pem_x509_certificates(made.certificate.read_bytes())
    alternatives = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert set(NAMES) < set(alternatives.get_values_for_type(x509.DNSName))
    assert not any("*" in name for name in alternatives.get_values_for_type(x509.DNSName))
    assert set(ADDRESSES) < {str(address) for address in alternatives.get_values_for_type(x509.IPAddress)}
    assert issuer.subject == leaf.issuer
    store = Store([x509.load_pem_x509_certificate(made.ca.read_bytes())])
    PolicyBuilder().store(store).time(NOW).build_server_verifier(x509.DNSName("sip-eu.vonage.com")).verify(leaf, [])


def test_what_is_good_is_kept(tmp_path: Path) -> None:
    made = Authority(tmp_path).ensure(NAMES, ADDRESSES, NOW)
    before = made.certificate.read_bytes()
    Authority(tmp_path).ensure(NAMES, ADDRESSES[:1], NOW + timedelta(days=300))
    assert made.certificate.read_bytes() == before


@pytest.mark.parametrize(("addresses", "days"), [(("10.0.0.1",), 0), (ADDRESSES, 370), (ADDRESSES, 2000)])
def test_a_certificate_that_no_longer_does_is_made_anew_under_the_same_ca(tmp_path: Path, addresses: tuple[str, ...], days: int) -> None:
    made = Authority(tmp_path).ensure(NAMES, ADDRESSES, NOW)
    before, ca = made.certificate.read_bytes(), made.ca.read_bytes()
    Authority(tmp_path).ensure(NAMES, addresses, NOW + timedelta(days=days))
    assert made.certificate.read_bytes() != before and made.ca.read_bytes() == ca


def test_a_missing_or_broken_file_is_mended_or_said(tmp_path: Path) -> None:
    made = Authority(tmp_path).ensure(NAMES, ADDRESSES, NOW)
    made.key.unlink()
    (tmp_path / "server.json").write_text("{")
    assert Authority(tmp_path).ensure(NAMES, ADDRESSES, NOW).key.is_file()
    made.ca.write_text("rubbish")
    made.key.unlink()
    with pytest.raises(Unusable, match="delete both ca files"):
        Authority(tmp_path).ensure(NAMES, ADDRESSES, NOW)


def test_a_directory_that_can_not_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Unusable, match=r"choose another directory"):
        Authority(tmp_path / "file" / "certs").ensure(NAMES, ADDRESSES, NOW)


def test_export_copies_what_a_client_and_a_server_need(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "a")
    authority.ensure(NAMES, ADDRESSES, NOW)
    written = authority.export(tmp_path / "out")
    assert [path.name for path in written] == ["ca.pem", "server.pem", "server.key"]
    assert stat.S_IMODE(written[2].stat().st_mode) == 0o600


@pytest.mark.parametrize("flaw", ["expired", "wrong-name", "unknown-ca", "self-signed"])
def test_a_flawed_certificate_has_its_flaw_and_no_other(tmp_path: Path, flaw: str) -> None:
    authority = Authority(tmp_path)
    good = authority.ensure(NAMES, ADDRESSES)
    made = authority.flawed(flaw, NAMES, ADDRESSES)
    own, *chain = x509.load_pem_x509_certificates(made.certificate.read_bytes())
    ca = x509.load_pem_x509_certificate(good.ca.read_bytes())
    names = own.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(x509.DNSName)
    assert (own.not_valid_after_utc < datetime.now(UTC)) is (flaw == "expired")
    assert (names == ["elsewhere.invalid"]) is (flaw == "wrong-name")
    assert (own.issuer == ca.subject) is (flaw in ("expired", "wrong-name")) and bool(chain) is (own.issuer == ca.subject)
    assert (own.issuer == own.subject) is (flaw == "self-signed")
    assert made.key.stat().st_mode & 0o777 == 0o600
    assert authority.ensure(NAMES, ADDRESSES) == good  # the good one stays
