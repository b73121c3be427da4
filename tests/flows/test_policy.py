"""Each setting that the page leaves open, from vsim.yaml to the wire (vonage-facts.md, "Defaults we should choose")."""

import re
from pathlib import Path

import pytest

from emulator.authority import Authority
from emulator.config import Config, Unusable
from emulator.config_sources import load
from emulator.trunk_settings import customer_ca, policy
from tests.support.network import Network
from tests.support.phone import SDP, Phone

NO_SDP = ""
FAX = "v=0\r\no=phone 1 1 IN IP4 192.0.2.10\r\ns=-\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\nm=image 4002 udptl t38\r\n"


def config(tmp_path: Path, text: str) -> Config:
    path = tmp_path / "vsim.yaml"
    path.write_text(text)
    return load(str(path))


@pytest.fixture
def network_of(tmp_path: Path):  # type: ignore[no-untyped-def]
    def make(text: str = "") -> Network:
        return Network(policy(config(tmp_path, text)))

    return make


def findings(network: Network) -> set[str]:
    record = network.journal.get("last")
    assert record is not None
    return {finding.code for finding in record.findings}


def test_default_2_the_challenge_of_register(network_of) -> None:  # type: ignore[no-untyped-def]
    for text, status, header in (("", 401, "www-authenticate"), ("registrar: {challenge: 407}", 407, "proxy-authenticate")):
        phone = network_of(text).phone()
        phone.transmit(phone.request("REGISTER", "sip:sip-us.vonage.com", to="<sip:abcd1234@sip-us.vonage.com>"))
        assert phone.expect(status).get(header)


def test_default_3_authorization_in_answer_to_a_407(network_of) -> None:  # type: ignore[no-untyped-def]
    for text, statuses in (("", (407,)), ("digest: {accept_authorization: true}", (100, 180, 200))):
        phone = network_of(text).phone()
        phone.invite()
        phone.invite(extra=phone.credentials(phone.expect(407)).removeprefix("Proxy-"))
        phone.expect(*statuses)


def test_default_5_a_nonce_answered_at_another_proxy(network_of) -> None:  # type: ignore[no-untyped-def]
    for text, statuses in (
        ("", (100, 180, 200)), ("digest: {foreign_nonces: refuse}", (407,)), ("strict: true", (407,)),
    ):  # fmt: skip
        network = network_of(text)
        first, second = network.phone(), network.phone("us-3-2")
        first.invite()
        second.invite_uri = first.invite_uri
        second.invite(extra=second.credentials(first.expect(407)))
        second.expect(*statuses)
        assert "digest.foreign-nonce" in findings(network)


def test_default_5_qop_may_be_required(network_of) -> None:  # type: ignore[no-untyped-def]
    for text, statuses in (("", (100, 180, 200)), ("digest: {require_qop: true}", (407,))):
        phone = network_of(text).phone()
        phone.invite()
        phone.invite(extra=phone.credentials(phone.expect(407), qop=False))
        phone.expect(*statuses)


def test_userhash_is_offered_and_taken(network_of) -> None:  # type: ignore[no-untyped-def]
    import hashlib

    phone = network_of("digest: {userhash: true, algorithms: [SHA-256]}").phone()
    phone.invite()
    challenged = phone.expect(407)
    assert "userhash=true" in (challenged.get("proxy-authenticate") or "")
    hashed = hashlib.sha256(b"abcd1234:sip-us.vonage.com").hexdigest()
    line = phone.credentials(challenged).replace('username="abcd1234"', f'username="{hashed}", userhash=true')
    phone.invite(extra=line)
    phone.expect(100, 180, 200)


def test_default_6_wrong_passwords_may_end_in_403(network_of) -> None:  # type: ignore[no-untyped-def]
    for text, last in (("", 407), ("digest: {refuse_after: 3}", 403)):
        network = network_of(text)
        phone = network.phone(secret="wrong")
        phone.invite()
        for status in (407, 407, last):
            phone.invite(extra=phone.credentials(phone.expect(407)))
            answer = phone.inbox[-1]
            assert answer.status == status
        if last == 403:
            assert "digest.too-many-tries" in findings(network)
            warning = phone.inbox[-1].get("warning") or ""
            assert "credentials were not accepted" in warning
            phone.call_id += "-another"
            phone.invite()
            phone.expect(403, 407)


def test_default_8_options(network_of) -> None:  # type: ignore[no-untyped-def]
    for text, status in (("", 200), ("policy: {options_status: 503}", 503)):
        network = network_of(text)
        phone = network.phone()
        phone.transmit(phone.request("OPTIONS", "sip:sip-us.vonage.com"))
        answered = phone.expect(status)
        told = [event.fields.get("finding", "") for event in network.journal.events()]
        assert any("health-check.refused" in text for text in told) == (status == 503) == ("Warning: 399" in answered.data.decode())


def test_default_9_called_numbers_may_be_exact(network_of) -> None:  # type: ignore[no-untyped-def]
    for text, statuses in (("", (100, 180, 200)), ("policy: {called_number: exact}", (404,))):
        phone = network_of(text).phone()
        phone.dial("+442071234567")
        phone.expect(*statuses)


def test_default_11_anonymous_calls_may_be_refused(network_of) -> None:  # type: ignore[no-untyped-def]
    asserted = "Privacy: id\r\nP-Asserted-Identity: <sip:447700900000@sip-us.vonage.com>\r\n"
    for text, statuses in (("", (100, 180, 200)), ("policy: {anonymous_calls: false}", (403,))):
        phone = network_of(text).phone()
        phone.dial(extra=asserted)
        phone.expect(*statuses)


def test_default_12_the_host_in_from_may_be_checked(network_of) -> None:  # type: ignore[no-untyped-def]
    for text, host, statuses in (
        ("", "pbx.example", (100, 180, 200)),
        ("policy: {from_host: trunk}", "pbx.example", (403,)),
        ("policy: {from_host: trunk}", "sip-eu.vonage.com", (100, 180, 200)),
    ):
        phone = network_of(text).phone()
        send = phone._send
        phone._send = lambda data, send=send, host=host: send(  # type: ignore[misc]
            data.replace(b"From: <sip:447700900000@sip-us.vonage.com>", f"From: <sip:447700900000@{host}>".encode())
        )
        phone.dial()
        phone.expect(*statuses)


def test_default_14_early_media(network_of) -> None:  # type: ignore[no-untyped-def]
    network = network_of("policy: {ringing: 183, answer_after: 3s}")
    phone = network.phone()
    phone.dial()
    early = phone.expect(100, 183)
    network.ports[0].hear(bytes.fromhex("8000000100000001000000ff") + b"\xff" * 160)
    assert len(network.ports[0].sent) == 1  # the echo before the answer
    network.clock.advance(3)
    answered = phone.expect(200)
    assert early.body == answered.body and b"m=audio" in early.body  # RFC 3261 13.2.1: the same answer in both
    assert early.to_tag == answered.to_tag


def test_default_14_reliable_early_media_leaves_nothing_to_the_200(network_of) -> None:  # type: ignore[no-untyped-def]
    network = network_of("policy: {ringing: 183, answer_after: 3s}")
    phone = network.phone()
    phone.dial(extra="Require: 100rel\r\n")
    early = phone.expect(100, 183)
    assert b"m=audio" in early.body
    phone.to_tag, phone.remote_target = early.to_tag, re.findall("<(.*)>", early.get("contact") or "")[0]
    phone.in_dialog("PRACK", f"RAck: {early.get('rseq')} {phone.cseq} INVITE\r\n")
    phone.expect(200)
    network.clock.advance(3)
    assert not phone.expect(200).body


def test_default_15_the_limits_of_older_trunks(network_of) -> None:  # type: ignore[no-untyped-def]
    limits = policy(Config()).limits
    assert (limits.calls_per_second, limits.calls_at_once) == (None, None)
    network = network_of("limits: {preset: legacy, calls_at_once: 2}")
    assert (network.trunk.policy.limits.calls_per_second, network.trunk.policy.limits.calls_at_once) == (30, 2)


def test_default_26_customers_are_verified_by_a_file_that_holds_certificates(tmp_path: Path) -> None:
    tls = Config().tls
    assert (tls.verify_customer, tls.customer_ca) == (False, None) and customer_ca(Config()) is None
    ca = Authority(tmp_path / "certs").ensure(("localhost",), ()).ca
    assert customer_ca(config(tmp_path, f"tls: {{verify_customer: true, customer_ca: {ca}}}")) == ca
    empty = tmp_path / "empty.pem"
    empty.write_text("nothing\n")
    for bad in (empty, tmp_path / "absent.pem"):
        with pytest.raises(Unusable, match="customer_ca"):
            customer_ca(config(tmp_path, f"tls: {{customer_ca: {bad}}}"))


def test_default_29_the_product_is_a_name_of_its_own(network_of, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    assert config(tmp_path, "policy: {product: acme-trunk/1.0}").policy.product == "acme-trunk/1.0"
    for bad in ("Vonage SBC", "a\\r\\nb", ""):
        with pytest.raises(Unusable, match="product"):
            config(tmp_path, f'policy: {{product: "{bad}"}}')


def test_default_32_an_invite_without_an_offer(network_of) -> None:  # type: ignore[no-untyped-def]
    for text, statuses in (("", (100, 180, 200)), ("policy: {late_offer: refuse}", (488,)), ("strict: true", (488,))):
        network = network_of(text)
        phone = network.phone()
        phone.dial(body=NO_SDP)
        phone.expect(*statuses)
        assert "offer.late" in findings(network)


def test_default_37_a_trunk_host_without_a_region(network_of) -> None:  # type: ignore[no-untyped-def]
    for text, host, status in (
        ("", "mytrunk.sip.vonage.com", 404),
        ("policy: {regionless_status: 403}", "mytrunk.sip.nexmo.com", 403),
    ):
        network = network_of(text)
        phone = network.phone()
        phone.invite(uri=f"sip:442071234567@{host}")
        phone.expect(status)
        assert "uri.no-region" in findings(network)


def test_a_trunk_host_is_its_own_realm_and_must_be_of_the_region(network_of) -> None:  # type: ignore[no-untyped-def]
    for proxy, found in (("eu-3-1", False), ("us-3-1", True)):
        network = network_of()
        phone = network.phone(proxy)
        phone.invite(uri="sip:442071234567@mytrunk.sip-eu.vonage.com")
        challenged = phone.expect(407)
        assert 'realm="mytrunk.sip-eu.vonage.com"' in (challenged.get("proxy-authenticate") or "")
        phone.ack(challenged)
        phone.invite(extra=phone.credentials(challenged), uri="sip:442071234567@mytrunk.sip-eu.vonage.com")
        phone.expect(100, 180, 200)
        assert ("uri.other-region" in findings(network)) is found


def test_default_38_a_timer_that_nobody_asked_for(network_of) -> None:  # type: ignore[no-untyped-def]
    text = "session_timer: {ask: true, interval: 300, refresher: uas}\nmedia: {silence_timeout: 0}"
    network = network_of(text)
    plain = network.phone().call()
    assert plain.get("session-expires") is None
    network = network_of(text)
    phone = network.phone()
    answered = phone.call(extra="Supported: timer\r\n")
    assert (answered.get("session-expires"), answered.get("require")) == ("300;refresher=uas", "timer")
    network.clock.advance(150)
    phone.expect("INVITE")


@pytest.mark.parametrize(
    ("method", "setting", "status"),
    [
        ("UPDATE", "", 405), ("UPDATE", "update_status: 501", 501), ("REFER", "", 405), ("REFER", "refer_status: 603", 603),
        ("INFO", "", 200), ("INFO", "info_status: 405", 405),
    ],
)  # fmt: skip
def test_defaults_39_40_and_43_methods_in_a_call(network_of, method: str, setting: str, status: int) -> None:  # type: ignore[no-untyped-def]
    network = network_of(f"policy: {{{setting}}}")
    phone = network.phone()
    answered = phone.call()
    phone.in_dialog(method)
    refused = phone.expect(status)
    if status != 200:
        assert refused.get("allow") == answered.get("allow") and method not in (refused.get("allow") or method)
    if method == "INFO":
        assert "dtmf.info" in findings(network)


def test_default_40_refer_outside_a_call(network_of) -> None:  # type: ignore[no-untyped-def]
    phone = network_of("policy: {refer_status: 603}").phone()
    phone.transmit(phone.request("REFER", "sip:442071234567@sip-us.vonage.com"))
    phone.expect(603)


def test_default_41_reliable_provisional_responses_may_be_refused(network_of) -> None:  # type: ignore[no-untyped-def]
    phone = network_of("policy: {reliable_provisionals: refuse}").phone()
    phone.invite(extra="Require: 100rel\r\n")
    refused = phone.expect(420)
    assert refused.get("unsupported") == "100rel"
    phone.ack(refused)
    assert "PRACK" not in (phone.call().get("allow") or "PRACK")


def test_default_42_new_offers_in_a_call_may_be_refused(network_of) -> None:  # type: ignore[no-untyped-def]
    for text, status in (("", 200), ("policy: {reinvites: refuse}", 488)):
        network = network_of(text)
        phone = network.phone()
        phone.call()
        text = phone.request("INVITE", phone.remote_target, body=SDP)
        phone.transmit(text)
        challenged = phone.expect(407)
        phone.transmit(phone.request("INVITE", phone.remote_target, phone.credentials(challenged), SDP))
        phone.expect(status)


def test_default_44_fax(network_of) -> None:  # type: ignore[no-untyped-def]
    for text, status in (("", 488), ("policy: {t38_status: 415}", 415)):
        network = network_of(text)
        phone = network.phone()
        phone.dial(body=FAX)
        phone.expect(status)
        assert "media.t38" in findings(network)


def test_default_53_a_large_answer_over_udp_is_a_finding(network_of) -> None:  # type: ignore[no-untyped-def]
    routes = "".join(f"Record-Route: <sip:192.0.2.{n};lr;{'x' * 90}>\r\n" for n in range(10))
    network = network_of()
    phone = network.phone()
    phone.dial(extra=routes)
    phone.expect(100, 180, 200)
    assert "response.large-over-udp" in findings(network)


@pytest.mark.parametrize("method", ["BYE", "INFO", "PRACK"])
def test_a_request_that_belongs_to_a_call_needs_one(network_of, method: str) -> None:  # type: ignore[no-untyped-def]
    """RFC 3261 15.1.2: no dialog, 481; such a request without a To tag can match none."""
    phone: Phone = network_of().phone()
    phone.transmit(phone.request(method, "sip:442071234567@sip-us.vonage.com"))
    phone.expect(481)


def test_two_calls_with_one_call_id_are_two_calls(network_of) -> None:  # type: ignore[no-untyped-def]
    """RFC 3261 12: the caller's tag is part of the dialog id."""
    network = network_of()
    first, second = network.phone(), network.phone()
    second.call_id, second.from_tag, second.branch = first.call_id, "anothertag", 100
    first.call()
    second.call()
    assert len(network.trunk.calls) == 2
    assert network.trunk.hang_up("last")
    for phone in (first, second):
        phone.respond(phone.expect("BYE"), 200)
    network.clock.advance(40)
    assert network.idle


def test_a_broken_asserted_identity_is_named(network_of) -> None:  # type: ignore[no-untyped-def]
    network = network_of()
    phone = network.phone()
    phone.dial(extra='P-Asserted-Identity: "Bob <sip:447700900000@sip-us.vonage.com>\r\n')
    assert "P-Asserted-Identity" in (phone.expect(400).get("warning") or "")


def test_what_the_far_end_does_with_media(network_of) -> None:  # type: ignore[no-untyped-def]
    from emulator.media.dtmf_sender import Quirk

    plan = network_of(
        "media: {play: tone, digits: '1,2', digits_after: 2s, digits_quirk: lost-end, srtp: bad-tag, other_port: true, "
        "impair_sent: ['loss probability=0.5', 'delay seconds=0.2'], echo_digits: false}"
    ).trunk.policy.behaviour.media
    assert (plan.play, plan.digits, plan.digits_after, plan.quirk) == ("tone", "1,2", 2.0, Quirk.LOST_END)
    assert (plan.srtp, plan.other_port, plan.echo_digits) == ("bad-tag", True, False)
    assert [name for name, _ in plan.sent] == ["loss", "delay"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("impair_sent: ['los probability=0.5']", "did you mean 'loss'"),
        ("impair_heard: ['loss probability=5']", "from 0 to 1"),
        ("impair_sent: ['loss probability']", "parameter=value"),
        ("digits: '12x'", "digits"),
    ],
)
def test_mistakes_in_it_are_told(network_of, text: str, told: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(Unusable, match=told):
        network_of(f"media: {{{text}}}")


def test_what_the_trunk_speaks(network_of) -> None:  # type: ignore[no-untyped-def]
    network = network_of("media: {codecs: [G722, PCMU], ilbc_mode: offered, crypto_on_avp: true, crypto_lifetime: true}")
    spoken = network.trunk.policy.media
    assert [codec.name for codec in spoken.codecs] == ["G722", "PCMU"]
    assert (spoken.ilbc_mode, spoken.crypto_on_avp, spoken.crypto_lifetime) == (None, True, True)
    phone = network.phone()
    phone.dial(body=SDP.replace("0 8 101", "8 101"))
    phone.expect(488)
