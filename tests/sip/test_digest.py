"""Nonces and the check, apart from any call."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.clock import SteppedClock
from emulator.sip.digest import Demands, Nonces, Verdict, check, same_target
from emulator.trunk.accounts import Account, Accounts
from tests.support.phone import digest


@pytest.fixture
def nonces(clock: SteppedClock) -> Nonces:
    return Nonces("us-3-1", b"k" * 32, clock, 300, ("us-3-1", "us-3-2"))


class OneUser:
    """`u` with the password `p`, in the realm `r`."""

    def ha1(self, username: str, realm: str, algorithm: str) -> str | None:
        return hashlib.md5(f"{username}:{realm}:p".encode()).hexdigest() if (username, realm) == ("u", "r") else None

    def named(self, hashed: str, realm: str, algorithm: str) -> str | None:
        return "u" if hashed == hashlib.md5(f"u:{realm}".encode()).hexdigest() else None


USERS = OneUser()


def verdict(nonces: Nonces, challenge: str, uri: str = "sip:1@h", **how: object) -> Verdict:
    return check(nonces, "INVITE", uri, digest("INVITE", uri, challenge, "u", "p", **how), USERS)  # type: ignore[arg-type]


def test_every_challenge_has_a_nonce_of_its_own(nonces: Nonces) -> None:
    """Two clients challenged in one instant would replay each other's counts."""
    assert len({nonces.issue() for _ in range(1000)}) == 1000


def test_a_nonce_knows_its_maker_and_its_age(nonces: Nonces, clock: SteppedClock) -> None:
    other = Nonces("us-3-2", b"k" * 32, clock, 300, ("us-3-1", "us-3-2"))
    nonce = other.issue()
    clock.advance(10)
    assert nonces.origin(nonce) == ("us-3-2", 10.0)
    assert Nonces("us-3-1", b"x" * 32, clock).origin(nonce) is None


@given(st.text(max_size=60))
def test_no_text_passes_for_a_nonce(text: str) -> None:
    assert Nonces("a", b"k" * 32, SteppedClock()).origin(text) is None


def test_counts_may_have_gaps_and_disorder_but_no_repetition(nonces: Nonces) -> None:
    """RFC 2617 3.2.2."""
    challenge = nonces.challenges("r")[0]
    for count, good in ((1, True), (5, True), (3, True), (3, False), (5, False), (6, True)):
        assert verdict(nonces, challenge, count=count).ok is good
    assert not verdict(nonces, challenge, count=0).ok


def test_a_count_lower_than_one_before_is_a_finding(nonces: Nonces) -> None:
    challenge = nonces.challenges("r")[0]
    verdict(nonces, challenge, count=5)
    assert [finding.code for finding in verdict(nonces, challenge, count=3).findings] == ["digest.nonce-count-order"]
    assert not verdict(nonces, challenge, count=6).findings


def test_a_hashed_username_is_taken_where_it_was_offered(clock: SteppedClock) -> None:
    """RFC 7616 3.4.4: H(username:realm) in the header, the plain name in A1."""
    hashed = hashlib.md5(b"u:r").hexdigest()
    for offered in (True, False):
        nonces = Nonces("us-3-1", b"k" * 32, clock, userhash=offered)
        challenge = nonces.challenges("r")[0]
        assert ("userhash=true" in challenge) is offered
        header = digest("INVITE", "sip:1@h", challenge, "u", "p").replace('username="u"', f'username="{hashed}", userhash=true')
        result = check(nonces, "INVITE", "sip:1@h", header, USERS)
        assert (result.ok, result.username) == ((True, "u") if offered else (False, hashed))


def test_nobody_has_a_hash_that_is_no_hash(nonces: Nonces) -> None:
    accounts = Accounts([Account("abcd1234", "s", [])])
    assert accounts.named("é" * 32, "r", "MD5") is None
    assert accounts.named(hashlib.md5(b"abcd1234:r").hexdigest().upper(), "r", "MD5") == "abcd1234"


def test_qop_may_be_demanded(nonces: Nonces) -> None:
    header = digest("INVITE", "sip:1@h", nonces.challenges("r")[0], "u", "p", qop=False)
    assert check(nonces, "INVITE", "sip:1@h", header, USERS).ok
    refused = check(nonces, "INVITE", "sip:1@h", header, USERS, demands=Demands(qop=True))
    assert not refused.ok and refused.findings[-1].code == "digest.no-qop"


def test_counts_are_remembered_within_bounds(nonces: Nonces) -> None:
    for _ in range(10050):
        nonces.count(nonces.issue(), 1)
    assert len(nonces._counts) == 10000


def test_a_forged_nonce_with_the_right_password_is_stale(nonces: Nonces) -> None:
    result = verdict(nonces, 'Digest realm="r", nonce="made-up"')
    assert not result.ok and result.stale


def test_the_method_is_part_of_the_digest(nonces: Nonces) -> None:
    header = digest("BYE", "sip:1@h", nonces.challenges("r")[0], "u", "p")
    assert [finding.code for finding in check(nonces, "INVITE", "sip:1@h", header, USERS).findings] == ["digest.wrong-password"]


@pytest.mark.parametrize(
    ("digest_uri", "request_uri", "same"),
    [
        ("sip:1@h", "sip:1@h;transport=tls", True),
        ("sip:1@h:5061;transport=tls", "sip:1@H", True),
        ("sip:%31@h", "sip:1@h", True),
        ("sip:h:5060", "sip:1@h:5060", False),
        ("sip:2@h", "sip:1@h", False),
        ("sip:1@[::1]:5060", "sip:1@[::1];x", True),
    ],
)
def test_targets_are_compared_as_real_clients_write_them(digest_uri: str, request_uri: str, same: bool) -> None:
    assert same_target(digest_uri, request_uri) is same


@given(st.text(max_size=200))
def test_no_credentials_raise(text: str) -> None:
    nonces = Nonces("a", b"k" * 32, SteppedClock())
    for header in (text, "Digest " + text, f'Digest username="u", realm="r", uri="{text}", nonce="{text}", response="{text}"'):
        assert not check(nonces, "INVITE", "sip:1@h", header, USERS).ok
