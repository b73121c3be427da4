"""Reliable provisional responses, RFC 3262."""

import pytest

from emulator.trunk.behaviour import Behaviour
from emulator.trunk.trunk import Policy
from tests.support.network import Network
from tests.support.phone import SDP, Phone, Received

REQUIRED = "Require: 100rel\r\n"


def ring(phone: Phone, body: str = SDP) -> Received:
    """A call up to its reliable 180."""
    phone.dial(extra=REQUIRED, body=body)
    ringing = phone.expect(100, 180)
    phone.expect_nothing()
    assert ringing.get("require") == "100rel" and 0 < int(ringing.get("rseq") or 0) < 1 << 31
    phone.to_tag = ringing.to_tag
    phone.remote_target = (ringing.get("contact") or "").strip("<>")
    return ringing


def prack(phone: Phone, ringing: Received, rack: str | None = None, body: str = "") -> None:
    value = f"{ringing.get('rseq')} {ringing.get('cseq')}" if rack is None else rack
    phone.in_dialog("PRACK", f"RAck: {value}\r\n", body)


def test_the_200_waits_for_the_prack(network: Network) -> None:
    phone = network.phone()
    prack(phone, ring(phone))
    phone.ack(phone.expect(200, 200))
    record = network.journal.get("last")
    assert record is not None and record.state == "answered"
    phone.in_dialog("BYE")
    phone.expect(200)
    network.clock.advance(40)
    assert network.idle


def test_a_late_offer_comes_in_the_180_and_its_answer_in_the_prack(network: Network) -> None:
    """RFC 3262 5; then the 200 holds no SDP (RFC 3261 13.2.1)."""
    phone = network.phone()
    ringing = ring(phone, body="")
    assert b"m=audio" in ringing.body
    prack(phone, ringing, body=SDP)
    answered = phone.expect(200, 200)
    assert answered.body == b""
    phone.ack(answered)
    record = network.journal.get("last")
    assert record is not None and record.codec == "PCMU"
    phone.in_dialog("BYE")
    phone.expect(200)


def test_a_prack_without_the_answer_ends_the_call(network: Network) -> None:
    phone = network.phone()
    prack(phone, ring(phone, body=""))
    phone.expect(200, 480)
    network.clock.advance(40)
    assert network.idle


@pytest.mark.parametrize("rack", ["", "1", "0 0 INVITE", "{rseq} 1 INVITE", "{rseq} 2 BYE", "4294967296 2 INVITE", "{rseq} 2 INVITE x"])
def test_a_prack_that_names_no_waiting_response_gets_481(network: Network, rack: str) -> None:
    phone = network.phone()
    ringing = ring(phone)
    prack(phone, ringing, rack.replace("{rseq}", ringing.get("rseq") or ""))
    phone.expect(481)
    prack(phone, ringing)
    phone.expect(200, 200)


def test_a_second_prack_gets_481_and_a_retransmitted_one_its_200(network: Network) -> None:
    phone = network.phone()
    ringing = ring(phone)
    text = phone.in_dialog("PRACK", f"RAck: {ringing.get('rseq')} {ringing.get('cseq')}\r\n")
    phone.ack(phone.expect(200, 200))
    phone.transmit(text)
    phone.expect(200)
    prack(phone, ringing)
    phone.expect(481)


@pytest.mark.parametrize("transport", ["UDP", "TLS"])
def test_the_180_is_sent_again_and_at_last_given_up(network: Network, transport: str) -> None:
    """3: from T1, doubled each time, until 64*T1; then a 5xx."""
    phone = network.phone(transport=transport)
    ringing = ring(phone)
    for wait in (0.5, 1, 2, 4, 8, 16):
        network.clock.advance(wait)
        assert phone.expect(180).data == ringing.data
        phone.expect_nothing()
    network.clock.advance(0.5)
    refused = phone.expect(504)
    assert "prack.missing" in (refused.get("warning") or "")
    phone.ack(refused)
    record = network.journal.get("last")
    assert record is not None and (record.state, record.status) == ("refused", 504)
    assert [finding.code for finding in record.findings][-1:] == ["prack.missing"]
    network.clock.advance(40)
    assert network.idle


def test_cancel_while_the_180_waits(network: Network) -> None:
    phone = network.phone()
    ring(phone)
    phone.remote_target = phone.to_tag = ""
    phone.cancel()
    phone.expect(200, 487)
    network.clock.advance(40)
    assert [message.status for message in phone.inbox if message.status == 180] == []


def test_who_only_supports_100rel_gets_a_plain_180(network: Network) -> None:
    """vonage-facts, default 41."""
    phone = network.phone()
    phone.dial(extra="Supported: 100rel\r\n")
    assert phone.expect(100, 180).get("rseq") is None
    phone.ack(phone.expect(200))


def test_the_200_waits_for_its_own_time_too() -> None:
    network = Network(Policy(behaviour=Behaviour(answer_after=3)))
    phone = network.phone()
    prack(phone, ring(phone))
    phone.expect(200)
    phone.expect_nothing()
    network.clock.advance(3)
    phone.ack(phone.expect(200))


def test_a_broken_offer_in_a_prack_leaves_the_invite_its_answer() -> None:
    """Found by the fuzzer: the PRACK is refused for its offer, and the response that it names is acknowledged all the same."""
    network = Network(Policy(behaviour=Behaviour(ringing=183)))
    phone = network.phone()
    phone.dial(extra=REQUIRED)
    early = phone.expect(100, 183)
    phone.to_tag, phone.remote_target = early.to_tag, "sip:442071234567@127.0.13.1:5060"
    phone.in_dialog("PRACK", f"RAck: {early.get('rseq')} {phone.cseq} INVITE\r\n", "v=0\r\n")
    assert {message.status for message in phone.inbox} == {200, 400}
    network.clock.advance(64)
    assert not network.trunk.calls


def test_a_prack_may_hold_an_offer_when_the_183_held_the_answer() -> None:
    """RFC 3262 5; an offer that fits nothing is refused, and the 183 is acknowledged all the same."""
    for body, status in ((SDP.replace("0 8 101", "8 101"), 200), (SDP.replace("0 8 101", "3"), 488)):
        network = Network(Policy(behaviour=Behaviour(ringing=183, answer_after=1)))
        phone = network.phone()
        phone.dial(extra="Require: 100rel\r\n")
        early = phone.expect(100, 183)
        phone.to_tag, phone.remote_target = early.to_tag, "sip:442071234567@127.0.13.1:5060"
        phone.in_dialog("PRACK", f"RAck: {early.get('rseq')} {phone.cseq} INVITE\r\n", body)
        acknowledged = phone.expect(status)
        if status == 200:
            assert b"RTP/AVP 8 101" in acknowledged.body and b"RTP/AVP 0 101" in early.body
        network.clock.advance(1)
        assert not phone.expect(200).body
