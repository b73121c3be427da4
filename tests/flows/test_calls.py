"""Whole calls over an in-memory network."""

import re

import pytest

from emulator.trunk.behaviour import Behaviour
from emulator.trunk.calls import Call
from emulator.trunk.trunk import Policy
from tests.support.network import Network
from tests.support.phone import SDP, Phone


def told(network: Network) -> list[str]:
    """The codes of the findings in the events so far."""
    findings = [str(event.fields["finding"]) for event in network.journal.events() if "finding" in event.fields]
    return [finding.partition(":")[0] for finding in findings]


def test_a_call_is_challenged_answered_and_hung_up_by_the_caller(network: Network) -> None:
    phone = network.phone()
    answered = phone.call()
    assert "m=audio 10000 RTP/AVP 0 101" in answered.body.decode()
    assert answered.get("allow") == "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, PRACK"
    phone.in_dialog("BYE")
    phone.expect(200)
    record = network.journal.get("last")
    assert record is not None
    assert (record.state, record.status, record.ended_by, record.codec) == ("ended", 200, "caller", "PCMU")
    assert (record.caller, record.called, record.account) == ("447700900000", "442071234567", "abcd1234")
    network.clock.advance(40)
    assert network.idle


@pytest.mark.parametrize("transport", ["UDP", "TCP", "TLS"])
def test_the_trunk_hangs_up_with_bye(network: Network, transport: str) -> None:
    phone = network.phone(transport=transport)
    phone.call()
    assert network.trunk.hang_up("last")
    bye = phone.expect("BYE")
    phone.respond(bye, 200)
    network.clock.advance(40)
    assert network.idle


def test_bye_goes_to_the_contact_over_udp_and_over_its_connection_otherwise(network: Network) -> None:
    """RFC 3261 12.2.1.1; interop-quirks 22 and 23."""
    for transport, aimed in (("UDP", [("192.0.2.77", 5099)]), ("TCP", [])):
        phone = network.phone(transport=transport)
        phone.host, phone.port = "192.0.2.77", 5099
        phone.call()
        network.trunk.hang_up("last")
        phone.expect("BYE")
        assert phone.flow.aimed[-1:] == aimed  # type: ignore[attr-defined]


def test_a_2xx_is_sent_until_its_ack_comes(network: Network) -> None:
    """13.3.1.4: T1, doubled up to T2, over every transport."""
    for transport in ("UDP", "TLS"):
        phone = network.phone(transport=transport)
        phone.invite()
        challenged = phone.expect(407)
        phone.invite(extra=phone.credentials(challenged))
        answered = phone.expect(100, 180, 200)
        for seconds in (0.5, 1, 2, 4, 4):
            network.clock.advance(seconds - 0.01)
            phone.expect_nothing()
            network.clock.advance(0.01)
            assert phone.expect(200).data == answered.data
        phone.ack(answered)
        network.clock.advance(30)
        phone.expect_nothing()
        phone.in_dialog("BYE")
        phone.expect(200)


def test_a_2xx_that_is_never_acknowledged_ends_in_bye(network: Network) -> None:
    """13.3.1.4: 64*T1, then BYE; robustness goal: 10 to 11 retransmissions, everything freed by 36 s."""
    phone = network.phone()
    phone.invite()
    phone.invite(extra=phone.credentials(phone.expect(407)))
    phone.expect(100, 180, 200)
    network.clock.advance(31.99)
    assert 10 <= len(phone.inbox) <= 11 and {message.status for message in phone.inbox} == {200}
    phone.inbox.clear()
    network.clock.advance(0.02)
    phone.respond(phone.expect("BYE"), 200)
    record = network.journal.get("last")
    assert record is not None and record.ended_by == "no-ack" and [finding.code for finding in record.findings] == ["ack.missing"]
    network.clock.advance(5.01)
    assert network.idle


def test_an_ack_with_a_to_tag_of_its_own_is_told_once_and_ends_nothing(network: Network) -> None:
    """pyVoIP makes up a To tag for each ACK, on the branch of the INVITE: the dialog never hears of it, and the call ends after 32 s."""
    phone = network.phone()
    phone.invite()
    phone.invite(extra=phone.credentials(phone.expect(407)))
    answered = phone.expect(100, 180, 200)
    for tag in ("one", "two"):
        to = f"<{phone.invite_uri}>;tag={tag}"
        phone.transmit(phone.request("ACK", phone.invite_uri, branch=phone.invite_branch, cseq=2, to=to))
    network.clock.advance(0.5)
    phone.expect(200)
    record = network.journal.get("last")
    assert record is not None and [(finding.code, finding.seen) for finding in record.findings] == [
        ("ack.to-tag", f"To tag 'one', that of the 200 is {answered.to_tag!r}")
    ]
    network.clock.advance(32)
    assert record.ended_by == "no-ack"
    assert [finding.code for finding in record.findings] == ["ack.to-tag", "ack.missing"]


def test_an_ack_of_another_cseq_does_not_stop_the_2xx(network: Network) -> None:
    phone = network.phone()
    phone.invite()
    phone.invite(extra=phone.credentials(phone.expect(407)))
    answered = phone.expect(100, 180, 200)
    phone.to_tag = answered.to_tag
    phone.remote_target = "sip:447700900000@127.0.13.1:5060"
    phone.in_dialog("ACK", cseq=1)
    network.clock.advance(0.5)
    phone.expect(200)


def test_a_retransmitted_invite_gets_the_last_provisional_response(network: Network) -> None:
    network = Network(Policy(behaviour=Behaviour(answer_after=3)))
    phone = network.phone()
    phone.invite()
    text = phone.invite(extra=phone.credentials(phone.expect(407)))
    phone.expect(100, 180)
    phone.transmit(text)
    phone.expect(180)
    network.clock.advance(3)
    phone.expect(200)
    phone.transmit(text)
    phone.expect_nothing()  # Accepted absorbs it (RFC 6026 7.1)


def test_cancel_while_it_rings(network: Network) -> None:
    network = Network(Policy(behaviour=Behaviour(answer_after=3)))
    phone = network.phone()
    phone.invite()
    phone.invite(extra=phone.credentials(phone.expect(407)))
    phone.expect(100, 180)
    phone.cancel()
    cancelled = phone.expect(200)
    refused = phone.expect(487)
    assert cancelled.to_tag == refused.to_tag  # 9.2
    phone.ack(refused)
    assert network.journal.get("last").state == "cancelled"  # type: ignore[union-attr]
    network.clock.advance(33)
    phone.expect_nothing()
    assert network.idle


def test_cancel_after_the_answer_changes_nothing(network: Network) -> None:
    phone = network.phone()
    phone.invite()
    phone.invite(extra=phone.credentials(phone.expect(407)))
    answered = phone.expect(100, 180, 200)
    phone.cancel()
    phone.expect(200)
    phone.ack(answered)
    network.clock.advance(1)
    phone.expect_nothing()
    assert len(network.trunk.calls) == 1


def test_cancel_of_nothing_gets_481(network: Network) -> None:
    phone = network.phone()
    phone.invite_uri, phone.invite_branch, phone.cseq = "sip:1@h", "z9hG4bKnone", 1
    phone.cancel()
    assert phone.expect(481).get("warning") == '399 127.0.13.1:5060 "cancel.unmatched: no INVITE with the branch of the CANCEL"'
    assert told(network) == ["cancel.unmatched"]


def test_bye_in_the_early_dialog_ends_the_invite_with_487(network: Network) -> None:
    """15.1.2."""
    network = Network(Policy(behaviour=Behaviour(answer_after=3)))
    phone = network.phone()
    phone.invite()
    phone.invite(extra=phone.credentials(phone.expect(407)))
    ringing = phone.expect(100, 180)
    phone.to_tag, phone.remote_target = ringing.to_tag, phone.invite_uri
    phone.in_dialog("BYE")
    phone.expect(200, 487)


def test_a_late_offer_is_answered_with_an_offer(network: Network) -> None:
    """3261 13.3.1; interop-quirks 28."""
    phone = network.phone()
    phone.invite(body="")
    phone.invite(body="", extra=phone.credentials(phone.expect(407)))
    answered = phone.expect(100, 180, 200)
    assert "m=audio 10000 RTP/AVP 8 0 9 18 97 98 101" in answered.body.decode()
    phone.to_tag, phone.remote_target = answered.to_tag, "sip:x@127.0.13.1"
    phone.in_dialog("ACK", body=SDP, cseq=2)
    assert network.ports[0].stream is not None
    assert network.ports[0].stream.agreement.remote == ("192.0.2.10", 4000)
    assert [finding.code for finding in network.journal.get("last").findings] == ["offer.late"]  # type: ignore[union-attr]


def test_a_late_offer_without_an_answer_in_the_ack_is_hung_up(network: Network) -> None:
    phone = network.phone()
    phone.invite(body="")
    phone.invite(body="", extra=phone.credentials(phone.expect(407)))
    phone.ack(phone.expect(100, 180, 200))
    phone.expect("BYE")


def test_hold_and_resume_by_reinvite(network: Network) -> None:
    """RFC 3264 8.4; interop-quirks 13: sendonly, and back."""
    phone = network.phone()
    challenge_free = phone.call()
    version = re.search(rb"o=- (\d+) (\d+)", challenge_free.body)
    assert version is not None
    for direction, expected, count in (("sendonly", "recvonly", 2), ("inactive", "inactive", 3), ("sendrecv", "sendrecv", 4)):
        answered = reinvite(phone, SDP.replace("sendrecv", direction))
        assert f"a={expected}" in answered.body.decode()
        assert f"o=- {version[1].decode()} {count} " in answered.body.decode()
    assert network.ports[0].stream is not None and network.ports[0].stream.agreement.send


def reinvite(phone: Phone, body: str) -> object:
    phone.invite(body=body)
    challenged = phone.expect(407)
    phone.ack(challenged)
    phone.invite(body=body, extra=phone.credentials(challenged))
    answered = phone.expect(200)
    phone.ack(answered)
    return answered


def test_an_unchanged_reinvite_keeps_the_version(network: Network) -> None:
    phone = network.phone()
    first = phone.call()
    second = reinvite(phone, SDP)
    assert first.body == second.body  # type: ignore[attr-defined]


def test_a_reinvite_that_fits_nothing_gets_488_and_the_call_goes_on(network: Network) -> None:
    phone = network.phone()
    phone.call()
    phone.invite(body=SDP.replace("0 8 101", "3"))
    challenged = phone.expect(407)
    phone.ack(challenged)
    phone.invite(body=SDP.replace("0 8 101", "3"), extra=phone.credentials(challenged))
    phone.ack(phone.expect(488))
    assert len(network.trunk.calls) == 1
    phone.in_dialog("BYE")
    phone.expect(200)


def test_a_second_invite_before_the_first_is_answered_gets_500_and_retry_after(network: Network) -> None:
    """14.2."""
    phone = network.phone()
    phone.dial("447700900487")
    ringing = phone.expect(100, 180)
    phone.to_tag, phone.remote_target = ringing.to_tag, "sip:447700900487@127.0.13.1:5060"
    phone.invite()
    refused = phone.expect(500)
    assert 0 <= int(refused.get("retry-after") or "-1") <= 10
    assert "reinvite.glare: an INVITE before the first one is answered" in (refused.get("warning") or "")
    assert told(network) == ["reinvite.glare"]


def test_a_reinvite_that_overtakes_the_ack_is_answered(network: Network) -> None:
    """RFC 5407 3.1.4: who sends it has our 200 and the answer in it, which need not be sent again."""
    phone = network.phone()
    phone.dial()
    answered = phone.expect(100, 180, 200)
    phone.to_tag, phone.remote_target = answered.to_tag, "sip:442071234567@127.0.13.1:5060"
    phone.invite()
    challenged = phone.expect(407)
    phone.ack(challenged)
    phone.invite(extra=phone.credentials(challenged))
    again = phone.expect(200)
    network.clock.advance(0.4)
    phone.ack(answered)  # this one comes late
    network.clock.advance(0.2)
    assert phone.expect(200).get("cseq") == again.get("cseq")  # and is not that of the re-INVITE
    phone.ack(again)
    network.clock.advance(20)
    phone.expect_nothing()
    phone.in_dialog("BYE")
    phone.expect(200)


def test_a_reinvite_that_overtakes_the_answer_in_the_ack_gets_491(network: Network) -> None:
    """RFC 5407 3.1.5: an offer of ours waits for its answer still (RFC 3264 4)."""
    phone = network.phone()
    phone.dial(body="")
    answered = phone.expect(100, 180, 200)
    phone.to_tag, phone.remote_target = answered.to_tag, "sip:442071234567@127.0.13.1:5060"
    phone.invite()
    phone.ack(phone.expect(491))
    network.clock.advance(0.6)
    assert phone.expect(200).get("cseq") == answered.get("cseq")


@pytest.mark.parametrize("transport", ["UDP", "TCP"])
def test_an_invite_that_expires_while_it_rings_gets_487(network: Network, transport: str) -> None:
    """13.3.1."""
    phone = network.phone(transport=transport)
    phone.dial("447700900487", extra="Expires: 5\r\n")
    phone.expect(100, 180)
    network.clock.advance(4.9)
    phone.expect_nothing()
    network.clock.advance(0.1)
    refused = phone.expect(487)
    assert "invite.expired" in (refused.get("warning") or "")
    phone.ack(refused)
    record = network.journal.get("last")
    assert record is not None and (record.state, record.status) == ("refused", 487)
    assert [finding.code for finding in record.findings] == ["invite.expired"]
    network.clock.advance(40)
    phone.expect_nothing()
    assert network.idle


@pytest.mark.parametrize("expires", ["2", "soon", "99999999999", ""])
def test_an_invite_that_is_answered_in_time_does_not_expire(network: Network, expires: str) -> None:
    phone = network.phone()
    phone.call(extra=f"Expires: {expires}\r\n")
    network.clock.advance(10)
    phone.expect_nothing()
    assert len(network.trunk.calls) == 1


def test_the_timestamp_of_the_invite_is_in_its_100(network: Network) -> None:
    """8.2.6.1: Cisco's gateways measure the round trip by it."""
    phone = network.phone()
    phone.dial(extra="Timestamp: 54.2\r\n")
    assert phone.expect(100).get("timestamp") == "54.2"
    assert phone.expect(180).get("timestamp") is None


def test_a_lower_cseq_inside_the_dialog_gets_500(network: Network) -> None:
    """12.2.2."""
    phone = network.phone()
    phone.call()
    phone.in_dialog("BYE", cseq=1)
    phone.expect(500)
    assert len(network.trunk.calls) == 1


@pytest.mark.parametrize(("method", "status"), [("OPTIONS", 200), ("INFO", 200), ("UPDATE", 405), ("REFER", 405), ("MESSAGE", 405)])
def test_other_methods_inside_the_dialog(network: Network, method: str, status: int) -> None:
    """vonage-facts defaults 39, 40, 43; an UPDATE harms nothing (interop-quirks)."""
    phone = network.phone()
    phone.call()
    text = phone.in_dialog(method)
    answered = phone.expect(status)
    assert "UPDATE" not in (answered.get("allow") or "")
    refused = "method.not-allowed" in told(network)
    assert refused == (status == 405) == (f"method.not-allowed: {method}" in (answered.get("warning") or ""))
    phone.transmit(text)
    assert phone.expect(status).data == answered.data  # a retransmission gets the same answer
    assert len(network.trunk.calls) == 1


def test_a_request_for_no_dialog_gets_481_and_a_stray_ack_silence(network: Network) -> None:
    phone = network.phone()
    phone.to_tag, phone.remote_target = "nobody", "sip:1@127.0.13.1"
    phone.in_dialog("BYE")
    assert phone.expect(481).get("warning") == '399 127.0.13.1:5060 "dialog.unknown: BYE in no call that is up"'
    assert told(network) == ["dialog.unknown"]
    phone.in_dialog("ACK")
    phone.expect_nothing()


def test_what_comes_for_a_call_that_is_over_does_not_change_how_it_ended(network: Network) -> None:
    phone = network.phone()
    phone.call()
    phone.in_dialog("BYE")
    phone.expect(200)
    record = network.journal.get("last")
    assert record is not None
    ended = record.ended
    network.clock.advance(40)
    for to_tag in (phone.to_tag, ""):
        phone.to_tag = to_tag
        for method in ("INFO", "BYE"):
            phone.in_dialog(method)
            phone.expect(481)
    phone.transmit(phone.request("BYE", phone.remote_target).replace("Max-Forwards: 70", "CSeq: 99 BYE"))
    phone.expect(400)
    assert (record.state, record.status, record.ended) == ("ended", 200, ended)
    assert {finding.code for finding in record.findings} == {"dialog.unknown", "dialog.none", "message.malformed"}


def test_what_comes_for_a_call_that_was_refused_does_not_change_why(network: Network) -> None:
    phone = network.phone()
    phone.dial("447700900486")
    phone.ack(phone.expect(486))
    record = network.journal.get("last")
    assert record is not None and (record.state, record.status) == ("refused", 486)
    phone.remote_target = phone.invite_uri
    for to_tag in ("nobody", ""):
        phone.to_tag = to_tag
        phone.in_dialog("BYE")
        phone.expect(481)
    phone.transmit(phone.request("BYE", phone.remote_target).replace("Max-Forwards: 70", "CSeq: 99 BYE"))
    phone.expect(400)
    assert (record.state, record.status) == ("refused", 486)


def test_crossing_byes_both_end(network: Network) -> None:
    phone = network.phone()
    phone.call()
    network.trunk.hang_up("last")
    bye = phone.expect("BYE")
    phone.in_dialog("BYE")
    phone.expect(481)  # our side has left the dialog
    phone.respond(bye, 481, "Call/Transaction Does Not Exist")
    network.clock.advance(40)
    assert network.idle


def test_a_silent_call_is_hung_up(network: Network) -> None:
    phone = network.phone()
    phone.call()
    network.clock.advance(59)
    phone.expect_nothing()
    network.clock.advance(2)
    phone.expect("BYE")
    assert [finding.code for finding in network.journal.get("last").findings] == ["media.silence"]  # type: ignore[union-attr]


@pytest.mark.parametrize("hold", ["inactive", "sendonly", "recvonly"])
def test_a_call_that_talks_or_is_on_hold_is_not_silent(network: Network, hold: str) -> None:
    phone = network.phone()
    phone.call()
    for sequence in range(3):
        network.ports[0].hear(bytes([0x80, 0, 0, sequence]) + bytes(8) + b"\xff" * 160)
        network.clock.advance(50)
    phone.expect_nothing()
    reinvite(phone, SDP.replace("sendrecv", hold))
    network.clock.advance(500)
    phone.expect_nothing()


def test_what_is_heard_is_echoed_with_our_ssrc_and_sequence(network: Network) -> None:
    phone = network.phone()
    phone.call()
    port = network.ports[0]
    for k in range(3):
        port.hear(bytes([0x80, 0, 0x12, k]) + (160 * k).to_bytes(4, "big") + b"SSRC" + bytes([k]) * 160)
    sequences = [int.from_bytes(packet[2:4], "big") for packet in port.sent]
    assert sequences == list(range(sequences[0], sequences[0] + 3))
    assert {packet[8:12] for packet in port.sent} != {b"SSRC"} and len({packet[8:12] for packet in port.sent}) == 1
    assert [packet[4:8] for packet in port.sent] == [(160 * k).to_bytes(4, "big") for k in range(3)]
    assert [packet[12:] for packet in port.sent] == [bytes([k]) * 160 for k in range(3)]


def test_shutdown_says_bye_to_every_call_even_before_its_ack(network: Network) -> None:
    first, second = network.phone(), network.phone("eu-3-1", "TCP")
    first.call()
    second.invite()
    second.invite(extra=second.credentials(second.expect(407)))
    second.expect(100, 180, 200)
    done: list[bool] = []
    network.trunk.hang_up_all(lambda: done.append(True))
    first.respond(first.expect("BYE"), 200)
    assert not done
    second.respond(second.expect("BYE"), 200)
    assert done == [True]


def test_calls_are_hung_up_one_by_one_where_there_is_time(network: Network) -> None:
    """Between two steps calls go on: one ends by itself, another begins, which was not meant."""
    phones = [network.phone() for _ in range(4)]
    for phone in phones[:3]:
        phone.call()
    steps = network.trunk.hang_up_each()
    next(steps)
    phones[0].respond(phones[0].expect("BYE"), 200)
    phones[1].in_dialog("BYE")
    phones[1].expect(200)
    phones[2].expect_nothing()
    phones[3].call()
    assert len(list(steps)) == 1
    phones[2].respond(phones[2].expect("BYE"), 200)
    phones[3].expect_nothing()
    assert len(network.trunk.calls) == 1


def test_the_same_seed_gives_the_same_octets() -> None:
    conversations = []
    for _ in range(2):
        phone = Network(seed=7).phone()
        phone.call_id = "fixed"
        conversations.append(phone.call().data)
    assert conversations[0] == conversations[1]


def test_an_error_of_ours_while_a_call_is_set_up_is_answered_and_leaves_nothing(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    """The INVITE's transaction stands by then: without a final response it would stay for ever."""
    errors: list[Exception] = []
    network.trunk.report = errors.append

    def fail(call: Call) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(Call, "_ring", fail)
    phone = network.phone()
    phone.dial()
    refused = phone.expect(100, 500)
    phone.ack(refused)
    assert [str(error) for error in errors] == ["a bug"]
    network.clock.advance(40)
    assert network.idle


def test_a_reinvite_of_a_call_whose_record_made_room_is_no_new_call() -> None:
    network = Network(journal_calls=1)
    phone, other = network.phone(), network.phone()
    phone.call()
    other.call()
    assert [record.call_id for record in network.journal.calls()] == [other.call_id]
    phone.invite()
    phone.ack(phone.expect(407))
    phone.in_dialog("BYE")
    assert phone.expect(200).status == 200
    assert [(record.call_id, record.state) for record in network.journal.calls()] == [(other.call_id, "answered")]
