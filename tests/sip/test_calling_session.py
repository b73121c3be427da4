"""The dialog of the side that calls: early, acknowledged and up."""

import pytest

from tests.support.calling import CONTACT, OFFER, SDP_LINE, CallNetwork
from tests.support.phone import SDP

# -- dialogs -------------------------------------------------------------------------------------------------------


def test_record_route_is_reversed_and_the_contact_is_the_target(network: CallNetwork) -> None:
    """12.1.2, 12.2.1.1."""
    session = network.call(extra="Record-Route: <sip:192.0.2.2;lr>, <sip:192.0.2.3;lr>\r\nRecord-Route: <sip:192.0.2.4:5080;lr>\r\n")
    session.hang_up()
    bye = network.callee.expect("BYE")
    assert bye.start == "BYE sip:callee@192.0.2.10:5070 SIP/2.0"
    assert bye.all("route") == ["<sip:192.0.2.4:5080;lr>", "<sip:192.0.2.3;lr>", "<sip:192.0.2.2;lr>"]
    if network.flow.transport == "UDP":
        assert network.flow.aimed == [("192.0.2.4", 5080)] * 2  # the ACK too
    else:
        assert network.flow.aimed == []


def test_the_2xx_overrules_the_routes_and_the_contact_of_the_180(network: CallNetwork) -> None:
    """13.2.2.4: "the route set for the dialog MUST be recomputed based on the 2xx response"."""
    network.invite()
    network.callee.answer(180, "Contact: <sip:early@192.0.2.99>\r\nRecord-Route: <sip:192.0.2.2;lr>\r\n")
    network.callee.accept()
    ack = network.callee.expect("ACK")
    assert ack.start == "ACK sip:callee@192.0.2.10:5070 SIP/2.0" and ack.get("route") is None


def test_a_strict_router_stands_in_the_request_uri(network: CallNetwork) -> None:
    """12.2.1.1."""
    network.invite()
    network.callee.accept("Record-Route: <sip:192.0.2.3;lr>\r\nRecord-Route: <sip:192.0.2.4>\r\n")
    ack = network.callee.expect("ACK")
    assert ack.start == "ACK sip:192.0.2.4 SIP/2.0"
    assert ack.all("route") == ["<sip:192.0.2.3;lr>", "<sip:callee@192.0.2.10:5070>"]


@pytest.mark.parametrize(
    ("extra", "code"), [("", "contact.missing"), ("Contact: <sip:a\r\n", "message.malformed"), ("Contact: *\r\n", "message.malformed")]
)
def test_a_2xx_without_a_usable_contact(network: CallNetwork, extra: str, code: str) -> None:
    """The call goes on, to where the INVITE went."""
    network.invite()
    network.callee.answer(200, extra, SDP)
    assert network.callee.expect("ACK").start == "ACK sip:14155550100@192.0.2.10:5070 SIP/2.0"
    assert network.user.findings == [code] and network.user.heard == ["accepted callee"]


def test_a_record_route_that_makes_no_sense(network: CallNetwork) -> None:
    network.invite()
    network.callee.accept("Record-Route: <sip:192.0.2.3\r\n")
    ack = network.callee.expect("ACK")
    assert ack.start == "ACK sip:callee@192.0.2.10:5070 SIP/2.0" and ack.get("route") is None
    assert network.user.findings == ["message.malformed"]


def test_a_2xx_without_a_tag(network: CallNetwork) -> None:
    """12.1.2: "If the remote tag is not present ... the tag is null" (RFC 2543)."""
    network.invite()
    network.callee.answer(200, None, SDP, tag="")
    assert network.callee.expect("ACK").get("to") == "<sip:14155550100@sip.nexmo.com>"


def test_the_first_request_of_the_peer_may_have_any_cseq_and_later_ones_count_up(network: CallNetwork) -> None:
    """12.1.2: the remote sequence number is empty; 12.2.2: a lower one gets 500."""
    session = network.call()
    network.callee.request("INFO", cseq=5000)
    network.callee.expect(200)
    network.callee.request("INFO", cseq=4999)
    network.callee.expect(500)
    network.callee.request("INFO", cseq=5002)
    network.callee.expect(200)
    assert network.user.heard == ["INFO", "INFO"] and network.user.findings == ["cseq.gap"]
    session.hang_up()
    network.callee.answer(200, to=network.callee.expect("BYE"))
    network.rest()


def test_requests_of_ours_count_on_from_the_invite(network: CallNetwork) -> None:
    session = network.call()
    assert session.reinvite(CONTACT + SDP_LINE, OFFER, lambda response: None)
    assert network.callee.expect("INVITE").get("cseq") == "2 INVITE"
    network.callee.accept()
    assert network.callee.expect("ACK").get("cseq") == "2 ACK"
    session.hang_up()
    assert network.callee.expect("BYE").get("cseq") == "3 BYE"


def test_the_early_dialog_takes_requests(network: CallNetwork) -> None:
    """12.1: a provisional response with a tag makes an early dialog."""
    network.invite()
    network.callee.answer(183, body=SDP)
    network.callee.request("OPTIONS")
    network.callee.expect(200)
    network.callee.request("UPDATE")
    network.callee.expect(405)
    network.callee.request("PRACK", "RAck: 1 1 INVITE\r\n")
    network.callee.expect(481)
    network.callee.request("INVITE", body=SDP)
    network.callee.expect(491)  # 14.2
    network.callee.request("OPTIONS", tag="another")
    network.callee.expect(481)
    network.callee.answer(486)
    network.callee.expect("ACK")
    network.callee.request("OPTIONS")
    network.callee.expect(481)


def test_the_sequence_of_the_early_dialog_goes_on(network: CallNetwork) -> None:
    network.invite()
    network.callee.answer(180)
    network.callee.request("OPTIONS", cseq=7)
    network.callee.expect(200)
    network.callee.accept()
    network.callee.expect("ACK")
    network.callee.request("OPTIONS", cseq=6)
    network.callee.expect(500)


def test_a_bye_before_the_answer_ends_the_early_dialog_and_not_the_invite(network: CallNetwork) -> None:
    """15: a callee must refuse the INVITE instead."""
    network.invite()
    network.callee.answer(180)
    network.callee.request("BYE")
    network.callee.expect(200)
    assert network.user.findings == ["bye.early"]
    network.callee.accept()  # and if it answers after all, it is a call
    network.callee.expect("ACK")
    assert network.user.heard == ["180", "accepted callee"] and len(network.endpoint.dialogs) == 1


# -- its end -------------------------------------------------------------------------------------------------------


def test_the_called_side_hangs_up(network: CallNetwork) -> None:
    network.call()
    text = network.callee.request("BYE")
    network.callee.expect(200)
    if network.flow.transport == "UDP":
        network.callee.transmit(text)
        network.callee.expect(200)
    assert network.user.heard == ["ended called"]
    network.rest()


def test_byes_that_cross(network: CallNetwork) -> None:
    session = network.call()
    session.hang_up()
    bye = network.callee.expect("BYE")
    network.callee.request("BYE")
    network.callee.expect(481)
    network.callee.answer(481, to=bye)
    assert network.user.heard == ["ended trunk"]
    network.rest()


# -- reliable provisional responses --------------------------------------------------------------------------------


def test_a_reliable_provisional_response_gets_its_prack(network: CallNetwork) -> None:
    """RFC 3262 4, 7.2: in the early dialog, with the RSeq, and the CSeq of the INVITE."""
    network.invite()
    text = network.callee.answer(183, f"{network.callee.contact}Require: 100rel\r\nRSeq: 813520\r\n", SDP)
    prack = network.callee.expect("PRACK")
    assert (prack.get("rack"), prack.get("cseq"), prack.to_tag) == ("813520 1 INVITE", "2 PRACK", "callee")
    assert prack.start == "PRACK sip:callee@192.0.2.10:5070 SIP/2.0"
    network.callee.transmit(text)  # "retransmissions of that response MUST be discarded"
    network.callee.answer(200, to=prack)
    network.callee.answer(180, f"{network.callee.contact}Require: 100rel\r\nRSeq: 813522\r\n")  # another should have come before
    network.callee.expect_nothing()
    network.callee.answer(180, f"{network.callee.contact}Require: 100rel\r\nRSeq: 813521\r\n")
    prack = network.callee.expect("PRACK")
    assert prack.get("rack") == "813521 1 INVITE"
    network.callee.answer(481, to=prack)
    network.callee.accept()
    assert network.callee.expect("ACK").get("cseq") == "1 ACK"
    assert network.user.heard == ["183", "180", "accepted callee"]


def test_each_fork_counts_its_own_reliable_responses(network: CallNetwork) -> None:
    network.invite()
    for tag, rseq in (("one", 5), ("two", 9), ("one", 6)):
        network.callee.answer(180, f"{network.callee.contact}Require: 100rel\r\nRSeq: {rseq}\r\n", tag=tag)
        prack = network.callee.expect("PRACK")
        assert (prack.to_tag, prack.get("rack")) == (tag, f"{rseq} 1 INVITE")
        network.callee.answer(200, to=prack)
    assert network.user.heard == ["180"] * 3


@pytest.mark.parametrize("rseq", ["", "RSeq: 0\r\n", "RSeq: x\r\n"])
def test_a_reliable_response_without_a_number_is_heard_and_told_of(network: CallNetwork, rseq: str) -> None:
    network.invite()
    network.callee.answer(180, f"{network.callee.contact}Require: 100rel\r\n{rseq}")
    network.callee.expect_nothing()
    assert network.user.heard == ["180"] and network.user.findings == ["prack.no-rseq"]
