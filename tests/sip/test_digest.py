"""Nonces and the check, apart from any call."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.clock import SteppedClock
from emulator.sip.digest import Nonces, Verdict, check, same_target
from tests.support.phone import digest


@pytest.fixture
def nonces(clock: SteppedClock) -> Nonces:
    return Nonces("us-3-1", b"k" * 32, clock, 300, ("us-3-1", "us-3-2"))


def ha1(user: str, realm: str, algorithm: str) -> str | None:
    import hashlib

    return hashlib.md5(f"{user}:{realm}:p".encode()).hexdigest() if (user, realm) == ("u", "r") else None


def verdict(nonces: Nonces, challenge: str, uri: str = "sip:1@h", **how: object) -> Verdict:
    return check(nonces, "INVITE", uri, digest("INVITE", uri, challenge, "u", "p", **how), ha1)  # type: ignore[arg-type]


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


def test_counts_are_remembered_within_bounds(nonces: Nonces) -> None:
    for _ in range(10050):
        nonces.count_is_new(nonces.issue(), 1)
    assert len(nonces._counts) == 10000


def test_a_forged_nonce_with_the_right_password_is_stale(nonces: Nonces) -> None:
    result = verdict(nonces, 'Digest realm="r", nonce="made-up"')
    assert not result.ok and result.stale


def test_the_method_is_part_of_the_digest(nonces: Nonces) -> None:
    header = digest("BYE", "sip:1@h", nonces.challenges("r")[0], "u", "p")
    assert [finding.code for finding in check(nonces, "INVITE", "sip:1@h", header, ha1).findings] == ["digest.wrong-password"]


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
        assert not check(nonces, "INVITE", "sip:1@h", header, ha1).ok
