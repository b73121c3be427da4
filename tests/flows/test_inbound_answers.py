"""What customers answer to calls from Vonage, early and late, and what the caller hears of it."""

import pytest

from emulator.media.stream import Stream
from emulator.trunk.policy import InviteForm
from tests.support.customer import answers
from tests.support.network import MemoryPort, Network
from tests.support.phone import SDP
from tests.support.rung import TWO, codes, heard, inbound, outcomes, rest, rung, up


def test_the_caller_hears_ringing_and_then_the_customer(network: Network) -> None:
    customer = network.customer()
    record = rung(network)
    network.clock.advance(0.1)
    customer.call.answer(100)
    network.clock.advance(0.1)
    customer.call.answer(180)
    customer.call.answer(180)
    network.clock.advance(3)
    customer.call.accept()
    assert [(round(at, 3), what, status) for at, what, status in record.sounds] == [(0.2, "ringing", 180), (3.2, "the customer", 200)]
    rings = [event.fields for event in network.journal.events() if event.kind == "call.ringing"]
    assert rings == [{"status": 180, "heard": "ringing"}]


def test_early_media_is_heard_and_not_answered(network: Network) -> None:
    """183 with SDP: the caller hears it, and is not heard before the 200; an echo would come back into the announcement."""
    customer = network.customer()
    record = rung(network, play="echo")
    customer.call.answer(183, None, SDP)
    assert record.state == "ringing" and record.sounds[-1][1:] == ("early media", 183)
    port = network.ports[-1]
    packet = bytes.fromhex("80000001000000a0deadbeef") + b"\xff" * 160
    port.hear(packet)
    assert port.sent == [] and port.stream is not None and port.stream.heard.packets == 1
    customer.call.answer(200, None, SDP)
    port.hear(packet.replace(b"\x00\x01", b"\x00\x02", 1))
    assert len(port.sent) == 1 and record.state == "answered"
    assert "media.before-answer" not in [finding.code for finding in record.all_findings] and codes(record) == []


def test_media_that_overtook_the_answer_is_not_early(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    """A port that holds some already hands it over when it is attached: nobody could have waited for what was not read yet."""
    attach = MemoryPort.attach

    def with_one_that_waited(port: MemoryPort, stream: Stream) -> None:
        attach(port, stream)
        if not stream.heard.packets:
            port.hear(bytes.fromhex("80000001000000a0deadbeef") + b"\xff" * 160)

    monkeypatch.setattr(MemoryPort, "attach", with_one_that_waited)
    record, customer = up(network)
    assert record.media is not None and record.media.heard.packets == 1
    assert "media.before-answer" not in [finding.code for finding in record.all_findings]
    customer.request("BYE")
    heard(network, customer, 200)
    rest(network)


def test_a_tone_begins_with_the_answer_not_with_early_media(network: Network) -> None:
    customer = network.customer()
    rung(network, play="tone")
    customer.call.answer(183, None, SDP)
    network.clock.advance(2)
    assert network.ports[-1].sent == []
    customer.call.answer(200, None, SDP)
    network.clock.advance(1)
    assert 49 <= len(network.ports[-1].sent) <= 52


def test_sdp_in_the_provisional_response_alone(network: Network) -> None:
    customer = network.customer()
    record = rung(network)
    customer.call.answer(183, None, SDP)
    customer.call.answer(200, None)
    assert record.state == "answered" and codes(record) == ["inbound.no-sdp-in-answer"]


def test_a_reliable_183_holds_the_answer_alone() -> None:
    """RFC 3262 5, where 100rel is said to be supported."""
    network = inbound(form=InviteForm(supported=("timer", "100rel")))
    customer = network.customer()
    record = rung(network)
    customer.call.answer(183, customer.call.contact + "Require: 100rel\r\nRSeq: 7\r\n", SDP)
    customer.call.answer(200, "", to=heard(network, customer.call, "INVITE", "PRACK"))
    customer.call.answer(200, None)
    assert record.state == "answered" and codes(record) == []


def test_the_prack_holds_the_answer_to_an_offer_in_a_reliable_183() -> None:
    """RFC 3262 5: an INVITE without an offer, and a 183 that makes one, as CUCM's does."""
    network = inbound(form=InviteForm(supported=("timer", "100rel"), offer="late"))
    customer = network.customer()
    record = rung(network, talk=1.0)
    customer.call.answer(183, customer.call.contact + "Require: 100rel\r\nRSeq: 7\r\n", SDP)
    prack = heard(network, customer.call, "INVITE", "PRACK")
    assert prack.get("content-type") == "application/sdp" and b"m=audio 10000 RTP/AVP 0 " in prack.body
    assert record.sounds[-1][1] == "early media"
    customer.call.answer(200, "", to=prack)
    customer.call.answer(200, None)
    ack = heard(network, customer.call, "ACK")
    assert record.state == "answered" and codes(record) == [] and not ack.body
    network.clock.advance(1)
    customer.call.answer(200, "", to=customer.call.expect("BYE"))
    rest(network)


@pytest.mark.parametrize("body", ["", "v=0\r\nrubbish", SDP.replace("0 8 101", "13")])
def test_a_reliable_183_without_a_usable_offer_is_acknowledged_all_the_same(body: str) -> None:
    network = inbound(form=InviteForm(supported=("timer", "100rel"), offer="late"))
    customer = network.customer()
    record = rung(network)
    customer.call.answer(183, customer.call.contact + "Require: 100rel\r\nRSeq: 7\r\n", body)
    prack = heard(network, customer.call, "INVITE", "PRACK")
    assert not prack.body and prack.get("content-type") is None and len(codes(record)) == bool(body)
    customer.call.answer(200, "", to=prack)
    customer.call.answer(200, None, SDP)
    assert record.state == "answered" and heard(network, customer.call, "ACK").body


def test_another_answer_in_the_200_than_in_the_183(network: Network) -> None:
    customer = network.customer()
    record = rung(network)
    customer.call.answer(183, None, SDP)
    customer.call.answer(200, None, SDP.replace("audio 4000", "audio 4444").replace("o=phone 1 1", "o=phone 1 2"))
    assert record.state == "answered" and codes(record) == ["inbound.changed-answer"]
    assert record.media is not None and record.media.snapshot()["remote"] == "192.0.2.10:4444"


def test_an_answer_of_another_fork_is_no_change(network: Network) -> None:
    customer = network.customer()
    record = rung(network)
    customer.call.answer(183, None, SDP, tag="one")
    customer.call.answer(200, None, SDP.replace("o=phone 1 1", "o=mobile 7 7").replace("audio 4000", "audio 5000"), tag="two")
    assert record.state == "answered" and codes(record) == []


@pytest.mark.parametrize("body", ["", "v=0\r\nrubbish", SDP.replace("0 8 101", "13"), SDP.replace("RTP/AVP", "RTP/SAVP")])
def test_an_answer_that_fits_nothing(network: Network, body: str) -> None:
    """RFC 3261 13.2.2.4: ACK, then BYE."""
    customer = network.customer(5080, answers(200, None, body))
    record = rung(network, TWO)
    network.clock.advance(0)
    customer.call.expect("INVITE", "ACK")
    customer.call.answer(200, "", to=customer.call.expect("BYE"))
    assert (record.state, record.status, outcomes(record)) == ("refused", 488, [("unusable", 200)])
    assert record.findings and record.attempts[0].findings[0] == record.findings[0]
    rest(network)


def test_a_late_offer() -> None:
    """By setting: an INVITE without SDP; the 200 brings the offer and the ACK the answer."""
    network = inbound(form=InviteForm(offer="late"))
    customer = network.customer(5080, answers(200, None, SDP))
    record = rung(network)
    network.clock.advance(0)
    invite = customer.call.expect("INVITE")
    assert invite.body == b"" and invite.get("content-type") is None
    ack = customer.call.expect("ACK")
    assert "m=audio 10000 RTP/AVP 0 101" in ack.body.decode() and ack.get("content-type") == "application/sdp"
    assert record.state == "answered" and record.codec == "PCMU"
    network = inbound(form=InviteForm(offer="late"))
    network.customer(5080, answers(200))
    record = rung(network)
    network.clock.advance(0)
    assert (record.state, record.status) == ("refused", 488)
