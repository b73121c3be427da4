"""Digest on every INVITE, as whole conversations."""

import re

import pytest

from emulator.trunk.trunk import Policy
from tests.support.network import Network
from tests.support.phone import SDP, Received, digest


def codes(network: Network) -> list[str]:
    record = network.journal.get("last")
    assert record is not None
    return [finding.code for finding in record.findings]


def test_the_challenge_names_realm_qop_and_algorithm(network: Network) -> None:
    phone = network.phone()
    phone.invite()
    challenge = phone.expect(407).get("proxy-authenticate") or ""
    assert challenge.startswith('Digest realm="sip-us.vonage.com", nonce="')
    assert challenge.endswith('", algorithm=MD5, qop="auth"')


@pytest.mark.parametrize(
    ("host", "realm"),
    [("sip-eu.vonage.com", "sip-eu.vonage.com"), ("sip-us.nexmo.com", "sip.nexmo.com"), ("127.0.13.1:5060", "sip-us-3-1.vonage.com")],
)
def test_the_realm_follows_the_addressed_host(network: Network, host: str, realm: str) -> None:
    """vonage-facts, default 4."""
    phone = network.phone(server=host)
    phone.invite()
    assert f'realm="{realm}"' in (phone.expect(407).get("proxy-authenticate") or "")


def test_the_challenge_can_be_a_401(network: Network) -> None:
    network = Network(Policy(challenge=401))
    phone = network.phone()
    phone.invite()
    phone.invite(extra=phone.credentials(phone.expect(401)))
    phone.expect(100, 180, 200)


def test_a_challenge_holds_no_state_and_its_retransmission_gets_the_same_tag(network: Network) -> None:
    phone = network.phone()
    text = phone.invite()
    first = phone.expect(407)
    assert network.endpoint().transactions == 0
    phone.transmit(text)
    assert phone.expect(407).to_tag == first.to_tag
    phone.ack(first)
    phone.expect_nothing()


def test_a_second_account_shows_its_own_number(network: Network) -> None:
    phone = network.phone(user="second", secret="Secret2", caller="14155550100")
    phone.call()
    assert network.journal.get("last").account == "second"  # type: ignore[union-attr]


def test_a_response_without_qop_is_taken_with_a_finding(network: Network) -> None:
    phone = network.phone()
    phone.invite()
    phone.invite(extra=phone.credentials(phone.expect(407), qop=False))
    phone.expect(100, 180, 200)
    assert codes(network) == ["digest.no-qop"]


@pytest.mark.parametrize(
    ("user", "secret", "code"), [("abcd1234", "wrong", "digest.wrong-password"), ("nobody", "x", "digest.unknown-user")]
)
def test_wrong_credentials_are_challenged_again_and_the_answers_are_alike(network: Network, user: str, secret: str, code: str) -> None:
    """robustness 4: known and unknown users can't be told apart."""
    phone = network.phone(user=user, secret=secret)
    phone.invite()
    phone.invite(extra=phone.credentials(phone.expect(407)))
    refused = phone.expect(407)
    assert refused.get("warning") == '399 127.0.13.1:5060 "credentials were not accepted"'
    assert "stale" not in (refused.get("proxy-authenticate") or "")
    assert codes(network) == [code]


def test_a_challenge_that_is_not_answered_is_told_of_until_it_is(network: Network) -> None:
    """pyVoIP knows no 407, and says nothing of it."""
    phone = network.phone()
    phone.invite()
    challenged = phone.expect(407)
    record = network.journal.get("last")
    assert record is not None and [finding.code for finding in record.all_findings] == ["digest.unanswered"]
    phone.invite(extra=phone.credentials(challenged))
    phone.expect(100, 180, 200)
    assert record.all_findings == []


def test_an_old_nonce_is_stale_and_the_next_one_works(network: Network) -> None:
    phone = network.phone()
    phone.invite()
    challenged = phone.expect(407)
    network.clock.advance(301)
    phone.invite(extra=phone.credentials(challenged))
    stale = phone.expect(407)
    assert (stale.get("proxy-authenticate") or "").endswith(", stale=true")
    phone.invite(extra=phone.credentials(stale))
    phone.expect(100, 180, 200)
    assert codes(network) == ["digest.stale-nonce"]


def test_a_nonce_is_good_for_its_whole_dialog(network: Network) -> None:
    """interop-quirks 15: a refresh at 45 s, or after an hour, carries the first nonce."""
    phone = network.phone()
    phone.invite()
    challenged = phone.expect(407)
    phone.invite(extra=phone.credentials(challenged))
    phone.ack(phone.expect(100, 180, 200))
    for k in range(40):
        network.ports[0].hear(bytes([0x80, 0, 0, k]) + bytes(168))
        network.clock.advance(50)
    phone.invite(extra=phone.credentials(challenged, count=2))
    phone.expect(200)


def test_a_replayed_nonce_count_is_refused_as_stale(network: Network) -> None:
    phone = network.phone()
    phone.invite()
    challenged = phone.expect(407)
    phone.invite(extra=phone.credentials(challenged))
    phone.ack(phone.expect(100, 180, 200))
    phone.invite(extra=phone.credentials(challenged))
    assert "stale=true" in (phone.expect(407).get("proxy-authenticate") or "")
    assert codes(network) == ["digest.nonce-count-replayed"]


def test_the_same_cseq_after_the_challenge_is_no_merged_request(network: Network) -> None:
    """interop-quirks 14: kamailio repeats a challenged INVITE with a new branch only."""
    phone = network.phone()
    phone.invite()
    challenged = phone.expect(407)
    phone.transmit(phone.request("INVITE", phone.invite_uri, phone.credentials(challenged), SDP, cseq=1))
    phone.expect(100, 180, 200)


def test_acks_and_byes_may_carry_any_nonce_count(network: Network) -> None:
    """interop-quirks 15: linphone's ACK repeats nc=1, its BYE has nc=2; nothing but INVITE is checked."""
    phone = network.phone()
    phone.invite()
    challenged = phone.expect(407)
    credentials = phone.credentials(challenged)
    phone.invite(extra=credentials)
    answered = phone.expect(100, 180, 200)
    phone.to_tag, phone.remote_target = answered.to_tag, "sip:447700900000@127.0.13.1"
    phone.in_dialog("ACK", extra=credentials, cseq=2)
    phone.in_dialog("BYE", extra=credentials)
    phone.expect(200)


def answered_elsewhere(network: Network) -> Received | None:
    first = network.phone("us-3-1")
    first.invite()
    challenged = first.expect(407)
    second = network.phone("us-3-2")
    second.call_id, second.cseq = first.call_id, 1
    second.invite(extra="")
    second.inbox.clear()
    second.invite(extra=second.credentials(challenged))
    return second.inbox[0]


def test_a_challenge_answered_at_another_proxy_is_taken_with_a_finding(network: Network) -> None:
    """interop-quirks 16."""
    assert answered_elsewhere(network).status == 100  # type: ignore[union-attr]
    assert codes(network) == ["digest.foreign-nonce"]


def test_a_challenge_answered_at_another_proxy_is_refused_when_strict() -> None:
    network = Network(Policy(strict=True))
    assert answered_elsewhere(network).status == 407  # type: ignore[union-attr]
    assert codes(network) == ["digest.foreign-nonce"]


def test_authorization_instead_of_proxy_authorization_is_challenged_again(network: Network) -> None:
    """vonage-facts, default 3."""
    phone = network.phone()
    phone.invite()
    line = phone.credentials(phone.expect(407)).removeprefix("Proxy-")
    phone.invite(extra=line)
    phone.expect(407)
    assert codes(network) == ["digest.authorization-header"]


@pytest.mark.parametrize(
    "value",
    [
        "Digest", "Digest ,", "Basic YWJjOmRlZg==", "Digest username", 'Digest username="a', 'Digest username="a", username="b"',
        'Digest realm="r"', "Digest " + ",".join(f"a{k}=1" for k in range(300)), 'Digest username="\\', "", "\x01\x02",
        'Digest username="u", realm="r", nonce="n", uri="u", response="r", qop=auth, nc=1, cnonce="c"',
        'Digest username="u", realm="r", nonce="n", uri="u", response="r", qop=auth, nc=00000001',
        'Digest username="u", realm="r", nonce="n", uri="u", response="r", algorithm=SHA-256',
        'Digest username="u", realm="r", nonce="n", uri="u", response="r", qop=auth-int, nc=00000001, cnonce="c"',
    ],
)  # fmt: skip
def test_malformed_credentials_of_every_kind_are_challenged_again(network: Network, value: str) -> None:
    """robustness 4."""
    phone = network.phone()
    phone.invite(extra=f"Proxy-Authorization: {value}\r\n")
    phone.expect(407)
    assert len(codes(network)) == 1


def test_as_real_clients_write_them(network: Network) -> None:
    """interop-quirks 18: two spaces after Digest, cnonce before nc, the digest uri with port and parameters."""
    phone = network.phone()
    phone.invite(uri="sip:442071234567@127.0.13.1:5060;transport=udp")
    challenged = phone.expect(407)
    line = phone.credentials(challenged, uri="sip:442071234567@127.0.13.1").replace("Digest ", " Digest  ")
    phone.invite(extra=line, uri="sip:442071234567@127.0.13.1:5060;transport=udp")
    phone.expect(100, 180, 200)
    assert codes(network) == []


@pytest.mark.parametrize("chosen", [0, 1, 2])
def test_any_of_several_algorithms_can_be_answered(chosen: int) -> None:
    """RFC 7616 3.7: a challenge for each, the preferred one first."""
    network = Network(Policy(algorithms=("SHA-512-256", "SHA-256", "MD5")))
    phone = network.phone()
    phone.invite()
    challenged = phone.expect(407)
    phone.ack(challenged)
    challenges = challenged.all("proxy-authenticate")
    assert [re.search("algorithm=([^,]+)", value)[1] for value in challenges] == ["SHA-512-256", "SHA-256", "MD5"]  # type: ignore[index]
    credentials = digest("INVITE", phone.invite_uri, challenges[chosen], phone.user, phone.secret)
    phone.invite(extra=f"Proxy-Authorization: {credentials}\r\n")
    phone.ack(phone.expect(100, 180, 200))


def test_an_algorithm_that_was_not_offered_is_challenged_again() -> None:
    network = Network(Policy(algorithms=("SHA-256",)))
    phone = network.phone()
    phone.invite()
    challenged = phone.expect(407)
    phone.ack(challenged)
    value = (challenged.get("proxy-authenticate") or "").replace("SHA-256", "MD5")
    phone.invite(extra=f"Proxy-Authorization: {digest('INVITE', phone.invite_uri, value, phone.user, phone.secret)}\r\n")
    assert "digest.unsupported-algorithm" in (phone.expect(407).get("warning") or "")
