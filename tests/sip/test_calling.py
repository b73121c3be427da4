"""The side that calls: RFC 3261 13.2, 9.1 and 12.1.2, RFC 6026, on a stepped clock; each test is one rule or one race."""

import random
import re

import pytest

from emulator.sip.calling import InvitationState
from emulator.sip.timers import SessionTimerPolicy
from tests.support.callee import Callee
from tests.support.calling import CONTACT, OFFER, SDP_LINE, Caller, CallNetwork
from tests.support.phone import SDP


@pytest.fixture(params=["UDP", "TCP"])
def network(request: pytest.FixtureRequest) -> CallNetwork:
    return CallNetwork(request.param)


@pytest.fixture
def udp() -> CallNetwork:
    return CallNetwork("UDP")


# -- the INVITE ------------------------------------------------------------------------------------------------------


def test_the_invite_as_it_goes_out(network: CallNetwork) -> None:
    """8.1.1: the six headers each request has, a tag in From and none in To, and what its user gave it."""
    invitation = network.invitation(route="Route: <sip:edge.example;lr>\r\n", call_id="abc")
    assert invitation.state is InvitationState.READY
    network.callee.expect_nothing()
    invitation.send()
    invite = network.callee.expect("INVITE")
    assert invite.start == "INVITE sip:14155550100@192.0.2.10:5070 SIP/2.0"
    assert invite.get("from") == f"<sip:447700900000@sip.nexmo.com>;tag={invitation.from_tag}"
    assert invite.get("to") == "<sip:14155550100@sip.nexmo.com>"
    assert (invite.get("call-id"), invite.get("cseq"), invite.get("max-forwards")) == ("abc", "1 INVITE", "70")
    assert re.fullmatch(rf"SIP/2.0/{network.flow.transport} 127.0.13.1:5060;branch=z9hG4bK[0-9a-f]+;rport", invite.get("via") or "")
    assert invite.get("route") == "<sip:edge.example;lr>" and invite.body == OFFER
    invitation.send()
    network.callee.expect_nothing()


def test_each_invitation_has_a_call_id_and_a_tag_of_its_own(udp: CallNetwork) -> None:
    one, other = udp.invitation(), udp.invitation()
    assert one.call_id != other.call_id and one.from_tag != other.from_tag


def test_provisional_responses_go_up_and_stop_the_retransmissions(udp: CallNetwork) -> None:
    """17.1.1.2, 13.2.2.1."""
    invitation = udp.invite()
    udp.clock.advance(1.5)
    udp.callee.expect("INVITE", "INVITE")
    udp.callee.answer(100)
    udp.callee.answer(183, body=SDP)
    udp.callee.answer(180)
    udp.clock.advance(300)
    udp.callee.expect_nothing()
    assert udp.user.heard == ["100", "183", "180"] and invitation.state is InvitationState.PROCEEDING
    udp.callee.answer(486)
    udp.callee.expect("ACK")
    udp.rest()


def test_no_response_at_all(network: CallNetwork) -> None:
    """Timer B."""
    invitation = network.invite()
    network.clock.advance(31.9)
    assert network.user.heard == []
    network.clock.advance(0.1)
    assert network.user.heard == ["timeout: no response in 32 s"] and invitation.state is InvitationState.ENDED
    network.rest()


@pytest.mark.parametrize("status", [302, 404, 486, 503, 603])
@pytest.mark.parametrize("ringing", [False, True])
def test_a_refusal_is_acknowledged_and_told_of_once(network: CallNetwork, status: int, ringing: bool) -> None:
    """17.1.1.3: the ACK has the INVITE's branch, URI and CSeq number, and the response's To."""
    invitation = network.invite(route="Route: <sip:edge.example;lr>\r\n")
    if ringing:
        network.callee.answer(180)
    text = network.callee.answer(status)
    ack = network.callee.expect("ACK")
    invited = network.callee.invited
    assert invited is not None
    assert (ack.get("via"), ack.get("route")) == (invited.get("via"), invited.get("route"))
    assert (ack.get("cseq"), ack.to_tag) == ("1 ACK", "callee")
    if network.flow.transport == "UDP":
        network.callee.transmit(text)
        network.callee.expect("ACK")
    assert network.user.heard[-1] == f"refused {status}" and len(network.user.heard) == 1 + ringing
    assert invitation.state is InvitationState.ENDED and not network.endpoint.dialogs
    network.rest()


def test_a_provisional_after_the_final_response_is_nothing(network: CallNetwork) -> None:
    network.invite()
    network.callee.answer(486)
    network.callee.expect("ACK")
    network.callee.answer(180)
    network.call()
    network.callee.answer(183)
    network.callee.expect_nothing()
    assert network.user.heard == []
    assert len(network.endpoint.dialogs) == 1


# -- the 2xx ---------------------------------------------------------------------------------------------------------


def test_the_ack_of_a_2xx_is_a_request_of_its_own(network: CallNetwork) -> None:
    """13.2.2.4: CSeq number of the INVITE, a new branch, to the remote target."""
    network.user.accept = lambda response, session: ("X-Note: yes\r\n" + SDP_LINE, b"answer")
    network.invite()
    network.callee.answer(180)
    network.callee.accept()
    ack = network.callee.expect("ACK")
    invited = network.callee.invited
    assert invited is not None
    assert ack.start == "ACK sip:callee@192.0.2.10:5070 SIP/2.0" and ack.get("cseq") == "1 ACK"
    assert ack.get("via") != invited.get("via") and (ack.get("from"), ack.get("call-id")) == (invited.get("from"), invited.get("call-id"))
    assert (ack.get("x-note"), ack.body, ack.to_tag) == ("yes", b"answer", "callee")
    assert network.user.heard == ["180", "accepted callee"]


def test_each_retransmission_of_the_2xx_gets_the_same_ack(network: CallNetwork) -> None:
    """13.2.2.4: "the ACK MUST be passed to the client transport every time a retransmission of the 2xx final response arrives"."""
    network.invite()
    text = network.callee.accept()
    first = network.callee.expect("ACK")
    for _ in range(3):
        network.clock.advance(4)
        network.callee.transmit(text)
        assert network.callee.expect("ACK").data == first.data
    network.callee.expect_nothing()
    assert network.user.heard == ["accepted callee"]


def test_a_2xx_retransmitted_after_our_bye_is_acknowledged_still(network: CallNetwork) -> None:
    network.invite()
    text = network.callee.accept()
    network.callee.expect("ACK")
    assert network.user.session is not None
    network.user.session.hang_up()
    network.callee.answer(200, to=network.callee.expect("BYE"))
    network.callee.transmit(text)
    network.callee.expect("ACK")
    network.callee.expect_nothing()
    network.rest()


def test_a_2xx_after_64_t1_is_nothing(network: CallNetwork) -> None:
    """RFC 6026 7.2, timer M, and 8.4: no transaction, no passing up."""
    network.invite()
    text = network.callee.accept()
    network.callee.expect("ACK")
    network.clock.advance(32)
    network.callee.transmit(text)
    network.callee.expect_nothing()


def test_a_2xx_that_is_not_acceptable_gets_ack_and_bye(network: CallNetwork) -> None:
    """13.2.2.4: "it MUST generate a valid ... ACK, and then send a BYE immediately"."""
    network.user.accept = lambda response, session: None
    network.invite()
    text = network.callee.accept()
    network.callee.expect("ACK")
    bye = network.callee.expect("BYE")
    assert bye.get("cseq") == "2 BYE"
    network.callee.answer(200, to=bye)
    network.callee.transmit(text)
    network.callee.expect("ACK")
    network.callee.expect_nothing()
    assert network.user.heard == ["accepted callee"] and not network.endpoint.dialogs
    network.rest()


def test_hanging_up_while_accepting_waits_for_the_ack(network: CallNetwork) -> None:
    done: list[str] = []

    def accept(response: object, session: object) -> tuple[str, bytes]:
        session.hang_up(lambda: done.append("done"))  # type: ignore[attr-defined]
        return "", b""

    network.user.accept = accept
    network.invite()
    network.callee.accept()
    bye = network.callee.expect("ACK", "BYE")
    assert not done
    network.callee.answer(200, to=bye)
    assert done and network.user.heard == ["accepted callee", "ended trunk"]
    network.rest()


def test_an_error_while_accepting_leaves_no_2xx_without_its_ack(network: CallNetwork) -> None:
    def accept(response: object, session: object) -> tuple[str, bytes]:
        raise RuntimeError("a bug")

    network.user.accept = accept
    network.invite()
    with pytest.raises(RuntimeError):
        network.callee.accept()
    network.callee.answer(200, to=network.callee.expect("ACK", "BYE"))
    network.rest()


# -- dialogs ---------------------------------------------------------------------------------------------------------


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


# -- forks -----------------------------------------------------------------------------------------------------------


def test_the_answer_of_another_fork_gets_ack_and_bye(network: CallNetwork) -> None:
    """13.2.2.4: each 2xx has its dialog, and one that is not wanted is ended at once."""
    network.invite()
    network.callee.answer(180, tag="one")
    network.callee.answer(180, tag="two")
    assert len(network.endpoint.dialogs) == 2
    network.callee.accept(tag="two")
    assert network.callee.expect("ACK").to_tag == "two"
    assert len(network.endpoint.dialogs) == 1
    other = network.callee.accept(tag="one")
    assert network.callee.expect("ACK").to_tag == "one"
    bye = network.callee.expect("BYE")
    assert bye.to_tag == "one"
    network.callee.answer(200, to=bye)
    network.callee.transmit(other)
    assert network.callee.expect("ACK").to_tag == "one"
    network.callee.expect_nothing()
    assert network.user.heard == ["180", "180", "accepted two", "late one"]
    assert network.user.session is not None
    network.user.session.hang_up()
    network.callee.answer(200, to=network.callee.expect("BYE"))
    network.rest()


def test_forks_are_bounded(network: CallNetwork) -> None:
    network.invite()
    for number in range(100):
        network.callee.answer(180, tag=f"early{number}")
    assert len(network.endpoint.dialogs) == 16
    for number in range(100):
        network.callee.accept(tag=f"late{number}")
    assert network.user.findings == ["invite.forks"] * 84
    assert network.endpoint.transactions == 1 + 15
    assert len(network.endpoint.dialogs) == 1


# -- CANCEL ----------------------------------------------------------------------------------------------------------


def test_cancel_after_a_provisional(network: CallNetwork) -> None:
    """9.1: the INVITE's Request-URI, Call-ID, To, From, CSeq number, Via and Route."""
    invitation = network.invite(route="Route: <sip:edge.example;lr>\r\n")
    network.callee.answer(180)
    invitation.cancel()
    cancel = network.callee.expect("CANCEL")
    invited = network.callee.invited
    assert invited is not None
    for name in ("via", "from", "to", "call-id", "route", "max-forwards"):
        assert cancel.get(name) == invited.get(name)
    assert cancel.start == "CANCEL sip:14155550100@192.0.2.10:5070 SIP/2.0" and cancel.get("cseq") == "1 CANCEL"
    invitation.cancel()
    network.callee.answer(200, to=cancel)
    network.callee.answer(487)
    network.callee.expect("ACK")
    network.callee.expect_nothing()
    assert network.user.heard == ["180", "refused 487"]
    network.rest()


def test_cancel_waits_for_a_provisional(network: CallNetwork) -> None:
    """9.1: "If no provisional response has been received, the CANCEL request MUST NOT be sent"."""
    invitation = network.invite()
    invitation.cancel()
    network.clock.advance(0.4)
    network.callee.expect_nothing()
    network.callee.answer(100)
    cancel = network.callee.expect("CANCEL")
    network.callee.answer(180)
    network.callee.answer(200, to=cancel)
    network.callee.answer(487)
    network.callee.expect("ACK")
    assert network.user.heard == ["refused 487"]
    network.rest()


def test_cancel_of_an_invite_that_nobody_answers(network: CallNetwork) -> None:
    invitation = network.invite()
    network.clock.advance(5)
    invitation.cancel()
    network.clock.advance(27)
    assert network.user.heard == ["timeout: no response in 32 s"]
    network.rest()


@pytest.mark.parametrize("status", [None, 180, 200, 486])
def test_an_invite_that_was_given_up_is_not_sent_again(udp: CallNetwork, status: int | None) -> None:
    """Nobody wants it any more; what it brings about late is ended all the same, until timer B."""
    network = udp
    invitation = network.invite()
    network.clock.advance(1.6)
    network.callee.expect("INVITE", "INVITE")  # timer A: 0.5 s and 1.5 s
    invitation.cancel()
    network.clock.advance(30)
    network.callee.expect_nothing()
    if status == 180:
        network.callee.answer(180)
        network.callee.answer(200, to=network.callee.expect("CANCEL"))
        network.callee.answer(487)
        network.callee.expect("ACK")
    elif status == 200:
        network.callee.accept()
        network.callee.answer(200, to=network.callee.expect("ACK", "BYE"))
    elif status == 486:
        network.callee.answer(486)
        network.callee.expect("ACK")
    heard = {None: "timeout: no response in 32 s", 180: "refused 487", 200: "late callee", 486: "refused 486"}
    network.clock.advance(2)
    assert network.user.heard == [heard[status]]
    network.rest()


def test_cancel_in_time_keeps_the_invite_from_going(network: CallNetwork) -> None:
    invitation = network.invitation()
    invitation.cancel()
    invitation.send()
    network.callee.expect_nothing()
    assert network.user.heard == [] and network.idle


@pytest.mark.parametrize("status", [200, 481, None])
def test_a_callee_that_never_ends_what_was_cancelled(network: CallNetwork, status: int | None) -> None:
    """9.1: 64*T1 after the CANCEL "the client SHOULD then consider the original transaction cancelled"."""
    invitation = network.invite()
    network.callee.answer(180)
    network.clock.advance(20)
    invitation.cancel()
    cancel = network.callee.expect("CANCEL")
    if status is not None:
        network.callee.answer(status, to=cancel)
    network.clock.advance(31.9)
    assert network.user.heard == ["180"]
    network.clock.advance(0.1)
    assert network.user.heard[1:] == ["timeout: no final response in 32 s after the CANCEL"]
    network.rest()


def test_a_200_that_crosses_the_cancel_gets_ack_and_bye(network: CallNetwork) -> None:
    invitation = network.invite()
    network.callee.answer(180)
    invitation.cancel()
    cancel = network.callee.expect("CANCEL")
    text = network.callee.accept()
    network.callee.answer(481, to=cancel)
    bye = network.callee.expect("ACK", "BYE")
    network.callee.answer(200, to=bye)
    network.callee.transmit(text)
    network.callee.expect("ACK")
    network.callee.expect_nothing()
    assert network.user.heard == ["180", "late callee"]
    network.rest()


def test_a_200_without_a_provisional_after_cancel_gets_ack_and_bye(network: CallNetwork) -> None:
    invitation = network.invite()
    invitation.cancel()
    network.callee.accept()
    network.callee.answer(200, to=network.callee.expect("ACK", "BYE"))
    assert network.user.heard == ["late callee"]
    network.rest()


def test_every_fork_that_answers_a_cancelled_invite_is_ended(network: CallNetwork) -> None:
    invitation = network.invite()
    network.callee.answer(180)
    invitation.cancel()
    network.callee.expect("CANCEL")
    for tag in ("one", "two"):
        network.callee.accept(tag=tag)
        assert network.callee.expect("ACK", "BYE").to_tag == tag
    assert network.user.heard == ["180", "late one", "late two"]


def test_cancel_after_the_answer_is_nothing(network: CallNetwork) -> None:
    invitation = network.invite()
    network.callee.accept()
    network.callee.expect("ACK")
    invitation.cancel()
    network.callee.expect_nothing()


def test_cancel_from_within_the_provisional(network: CallNetwork) -> None:
    invitation = network.invitation()
    network.user.provisional = lambda response: invitation.cancel()
    invitation.send()
    network.callee.expect("INVITE")
    network.callee.answer(180)
    network.callee.expect("CANCEL")


# -- the flow goes ---------------------------------------------------------------------------------------------------


def lose(network: CallNetwork) -> None:
    network.flow.open = False
    network.flow.failure = "connection reset"
    network.endpoint.flow_lost(network.flow)


def test_a_flow_that_is_gone_already() -> None:
    network = CallNetwork("TCP")
    network.flow.open = False
    network.invitation().send()
    assert network.user.heard == ["transport: the connection has gone"]
    assert network.idle


@pytest.mark.parametrize("at", ["calling", "proceeding", "early", "cancelling", "cancelled"])
def test_the_flow_goes_before_the_answer(at: str) -> None:
    network = CallNetwork("TCP")
    invitation = network.invite()
    if at in ("proceeding", "cancelled"):
        network.callee.answer(100)
    if at == "early":
        network.callee.answer(180)
    if at in ("cancelling", "cancelled"):
        invitation.cancel()
    lose(network)
    assert network.user.heard[-1] == "transport: connection reset" and invitation.state is InvitationState.ENDED
    network.clock.advance(32)
    assert network.idle


def test_the_flow_goes_during_the_call() -> None:
    network = CallNetwork("TCP")
    session = network.call()
    lose(network)
    assert network.user.heard == []
    network.clock.advance(40)
    done: list[bool] = []
    session.hang_up(lambda: done.append(True))
    assert done and network.user.heard == ["ended trunk"] and network.idle


def test_the_flow_goes_during_a_reinvite() -> None:
    network = CallNetwork("TCP")
    session = network.call()
    heard: list[object] = []
    session.reinvite(CONTACT + SDP_LINE, OFFER, heard.append)
    lose(network)
    assert heard == [None] and network.user.heard == []
    session.hang_up()
    network.clock.advance(40)
    assert network.idle


# -- the session -----------------------------------------------------------------------------------------------------


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


def test_a_reinvite_of_the_called_side(network: CallNetwork) -> None:
    """Hold; its 2xx is retransmitted until the ACK comes (13.3.1.4), and a late offer's answer is in that ACK."""
    network.call()
    network.callee.request("INVITE")
    network.callee.expect(200)
    network.clock.advance(0.5)
    network.callee.expect(200)
    network.callee.request("ACK", body=SDP, cseq=network.callee.cseq)
    network.clock.advance(20)
    network.callee.expect_nothing()
    assert network.user.heard == ["re-INVITE"] and network.user.answers == [SDP.encode()]


def test_a_reinvite_of_the_called_side_that_it_never_acknowledges(network: CallNetwork) -> None:
    network.call()
    network.callee.request("INVITE", body=SDP)
    network.clock.advance(32)
    network.callee.expect(*[200] * 11)
    network.callee.answer(200, to=network.callee.expect("BYE"))
    assert network.user.heard == ["re-INVITE", "ended no-ack"]
    network.rest()


def test_a_reinvite_of_ours(network: CallNetwork) -> None:
    session = network.call()
    heard: list[object] = []
    assert session.reinvite(CONTACT + SDP_LINE, OFFER, lambda response: heard.append(response and response.status))
    invite = network.callee.expect("INVITE")
    assert invite.start == "INVITE sip:callee@192.0.2.10:5070 SIP/2.0" and invite.to_tag == "callee"
    assert not session.reinvite("", b"", heard.append)  # one at a time (14.1)
    network.callee.answer(100)
    text = network.callee.answer(200, "Contact: <sip:moved@192.0.2.10:5070>\r\n", SDP)
    ack = network.callee.expect("ACK")
    network.callee.transmit(text)
    assert network.callee.expect("ACK").data == ack.data
    assert heard == [200]
    session.hang_up()
    assert network.callee.expect("BYE").start == "BYE sip:moved@192.0.2.10:5070 SIP/2.0"  # 12.2.1.2
    assert not session.reinvite("", b"", heard.append)
    assert heard == [200]


def test_a_refused_reinvite_leaves_the_call_as_it_is(network: CallNetwork) -> None:
    """14.1."""
    session = network.call()
    heard: list[object] = []
    session.reinvite(CONTACT + SDP_LINE, OFFER, lambda response: heard.append(response and response.status))
    network.callee.expect("INVITE")
    network.callee.answer(488)
    network.callee.expect("ACK")
    assert heard == [488] and network.user.heard == [] and len(network.endpoint.dialogs) == 1
    assert session.reinvite(CONTACT + SDP_LINE, OFFER, lambda response: None)


@pytest.mark.parametrize("status", [408, 481, None])
def test_a_reinvite_that_says_the_dialog_is_gone(network: CallNetwork, status: int | None) -> None:
    """12.2.1.2."""
    session = network.call()
    heard: list[object] = []
    session.reinvite(CONTACT + SDP_LINE, OFFER, lambda response: heard.append(response and response.status))
    network.callee.expect("INVITE")
    if status is not None:
        network.callee.answer(status)
        network.callee.expect("ACK")
    else:
        network.clock.advance(32)
        network.callee.inbox = network.callee.inbox[-1:]
    network.callee.answer(481, to=network.callee.expect("BYE"))
    assert heard == [status] and network.user.heard == ["ended gone"] and network.user.findings == ["reinvite.lost"]
    network.rest()


def until_something_comes(network: CallNetwork) -> float:
    """How many seconds that takes."""
    start = network.clock.now
    while not network.callee.inbox:
        network.clock.advance(0.01)
    return network.clock.now - start


def test_a_reinvite_that_stays_at_its_provisional(network: CallNetwork) -> None:
    """Nothing waits for ever: 180 s, and 64*T1 once the call is over."""
    session = network.call()
    heard: list[object] = []
    session.reinvite(CONTACT + SDP_LINE, OFFER, heard.append)
    network.callee.expect("INVITE")
    network.callee.answer(100)
    network.clock.advance(179.9)
    assert heard == []
    network.clock.advance(0.1)
    assert heard == [None] and network.user.heard == ["ended gone"]
    network.callee.answer(200, to=network.callee.expect("BYE"))
    network.rest()


@pytest.mark.parametrize("before", [False, True])
def test_a_reinvite_that_stays_at_its_provisional_while_the_call_ends(network: CallNetwork, before: bool) -> None:
    session = network.call()
    session.reinvite(CONTACT + SDP_LINE, OFFER, lambda response: None)
    network.callee.expect("INVITE")
    if before:
        network.callee.answer(100)
    session.hang_up()
    network.callee.answer(200, to=network.callee.expect("BYE"))
    if not before:
        network.callee.answer(100)
    network.clock.advance(32)
    network.callee.expect_nothing()
    network.rest()


def test_glare_the_owner_of_the_call_id_waits_longer(network: CallNetwork) -> None:
    """14.1: 2.1 to 4 s; and the other side's re-INVITE gets 491 meanwhile (14.2)."""
    session = network.call()
    heard: list[object] = []
    session.reinvite(CONTACT + SDP_LINE, OFFER, lambda response: heard.append(response and response.status))
    network.callee.expect("INVITE")
    text = network.callee.request("INVITE", body=SDP)
    network.callee.expect(491)
    network.callee.transmit(text.partition("Content-Type")[0].replace("INVITE", "ACK") + "Content-Length: 0\r\n\r\n")
    network.callee.answer(491)
    network.callee.expect("ACK")
    network.clock.advance(2.09)
    network.callee.expect_nothing()
    waited = until_something_comes(network)
    assert waited <= 1.92
    network.callee.expect("INVITE")
    network.callee.accept()
    network.callee.expect("ACK")
    assert heard == [200]


def test_a_peer_that_knows_only_491_is_taken_at_its_word(network: CallNetwork) -> None:
    session = network.call()
    heard: list[object] = []
    session.reinvite(CONTACT + SDP_LINE, OFFER, lambda response: heard.append(response and response.status))
    for _ in range(9):
        network.callee.expect("INVITE")
        network.callee.answer(491)
        network.callee.expect("ACK")
        if not heard:
            assert 2.1 <= until_something_comes(network) <= 4.01
    network.callee.expect_nothing()
    assert heard == [491]


def test_a_bye_that_crosses_our_reinvite(network: CallNetwork) -> None:
    session = network.call()
    heard: list[object] = []
    session.reinvite(CONTACT + SDP_LINE, OFFER, heard.append)
    network.callee.expect("INVITE")
    network.callee.request("BYE")
    network.callee.expect(200)
    network.callee.answer(487)
    network.callee.expect("ACK")
    assert heard == [] and network.user.heard == ["ended called"]
    network.rest()


def test_hanging_up_while_our_reinvite_is_under_way(network: CallNetwork) -> None:
    session = network.call()
    session.reinvite(CONTACT + SDP_LINE, OFFER, lambda response: None)
    network.callee.expect("INVITE")
    session.hang_up()
    bye = network.callee.expect("BYE")
    network.callee.accept()  # too late, and acknowledged all the same
    network.callee.expect("ACK")
    network.callee.answer(200, to=bye)
    network.rest()


# -- the session timer -----------------------------------------------------------------------------------------------

ASKS = SessionTimerPolicy(ask=True, interval=1800)


def test_the_timer_is_asked_for(network: CallNetwork) -> None:
    """RFC 4028 7.1."""
    network.invite(timer_policy=ASKS)
    invite = network.callee.invited
    assert invite is not None
    assert (invite.get("supported"), invite.get("session-expires"), invite.get("min-se")) == ("timer", "1800", "90")


def test_no_timer_unless_asked(network: CallNetwork) -> None:
    network.call()
    invite = network.callee.invited
    assert invite is not None and invite.get("session-expires") is None
    network.clock.advance(10000)
    network.callee.expect_nothing()


@pytest.mark.parametrize("refresher", [";refresher=uac", ""])
def test_we_refresh_when_the_2xx_says_uac(network: CallNetwork, refresher: str) -> None:
    network.call(f"Require: timer\r\nSession-Expires: 200{refresher}\r\n", timer_policy=ASKS)
    for _ in range(3):
        network.clock.advance(99.9)
        network.callee.expect_nothing()
        network.clock.advance(0.1)
        refresh = network.callee.expect("INVITE")
        assert refresh.get("session-expires") == "200;refresher=uac" and refresh.body == OFFER
        network.callee.accept("Session-Expires: 200;refresher=uac\r\n")
        network.callee.expect("ACK")
    assert network.user.heard == ["refresh", "refreshed"] * 3


def test_the_callee_refreshes_when_the_2xx_says_uas(network: CallNetwork) -> None:
    network.call("Require: timer\r\nSession-Expires: 200;refresher=uas\r\n", timer_policy=ASKS)
    network.clock.advance(100)
    network.callee.request("INVITE", "Supported: timer\r\nSession-Expires: 200;refresher=uac\r\n", SDP)
    assert network.callee.expect(200).get("session-expires") == "200;refresher=uac"
    network.callee.request("ACK", cseq=network.callee.cseq)
    network.clock.advance(167.9)
    network.callee.expect_nothing()
    network.clock.advance(0.1)
    network.callee.expect("BYE")
    assert network.user.heard[-1] == "ended no-refresh" and network.user.findings == ["session-timer.expired"]


def test_422_is_tried_again_with_what_it_says(network: CallNetwork) -> None:
    """RFC 4028 7.3: the same Call-ID and From, the next CSeq."""
    invitation = network.invite(timer_policy=SessionTimerPolicy(ask=True, interval=100))
    first = network.callee.invited
    assert first is not None
    network.callee.answer(180)
    network.callee.answer(422, "Min-SE: 600\r\n")
    again = network.callee.expect("ACK", "INVITE")
    assert (again.get("session-expires"), again.get("min-se"), again.get("cseq")) == ("600", "600", "2 INVITE")
    assert (again.get("call-id"), again.get("from"), again.get("to")) == (first.get("call-id"), first.get("from"), first.get("to"))
    assert again.get("via") != first.get("via") and not network.endpoint.dialogs
    network.callee.accept("Session-Expires: 600;refresher=uac\r\n")
    assert network.callee.expect("ACK").get("cseq") == "2 ACK"
    assert network.user.heard == ["180", "accepted callee"] and invitation.state is InvitationState.ACCEPTED


def test_422_that_says_nothing_new_is_a_refusal(network: CallNetwork) -> None:
    network.invite(timer_policy=ASKS)
    network.callee.answer(422, "Min-SE: 90\r\n")
    network.callee.expect("ACK")
    network.callee.expect_nothing()
    assert network.user.heard == ["refused 422"]
    network.rest()


def test_422_again_and_again_is_a_refusal(network: CallNetwork) -> None:
    network.invite(timer_policy=ASKS)
    for least in (2000, 3000, 4000):
        network.callee.answer(422, f"Min-SE: {least}\r\n")
        network.callee.expect("ACK", "INVITE")
    network.callee.answer(422, "Min-SE: 5000\r\n")
    network.callee.expect("ACK")
    assert network.user.heard == ["refused 422"]
    network.rest()


def test_422_after_cancel_is_a_refusal(network: CallNetwork) -> None:
    invitation = network.invite(timer_policy=ASKS)
    network.callee.answer(100)
    invitation.cancel()
    cancel = network.callee.expect("CANCEL")
    network.callee.answer(422, "Min-SE: 2000\r\n")
    network.callee.expect("ACK")
    network.callee.answer(481, to=cancel)
    assert network.user.heard == ["100", "refused 422"]
    network.rest()


def test_a_reinvite_of_ours_keeps_the_timer_and_its_refresher(network: CallNetwork) -> None:
    """RFC 4028 7.4."""
    session = network.call("Session-Expires: 300;refresher=uas\r\n", timer_policy=ASKS)
    session.reinvite(CONTACT + SDP_LINE, OFFER, lambda response: None)
    assert network.callee.expect("INVITE").get("session-expires") == "300;refresher=uas"
    network.callee.accept("Session-Expires: 300;refresher=uas\r\n")
    network.callee.expect("ACK")
    network.clock.advance(267.9)
    network.callee.expect_nothing()
    network.clock.advance(0.1)
    network.callee.expect("BYE")


# -- reliable provisional responses ----------------------------------------------------------------------------------


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


# -- chance ----------------------------------------------------------------------------------------------------------


def test_whatever_crosses_nothing_is_left_over() -> None:
    """robustness 15: a callee that answers as chance says, with losses, repetitions and forks, and a user that cancels and hangs up."""
    for seed in range(400):
        chance = random.Random(seed)
        network = CallNetwork(chance.choice(["UDP", "TCP"]), seed)
        callee, user = network.callee, network.user
        if chance.random() < 0.2:
            user.accept = lambda response, session: None
        invitation = network.invitation(timer_policy=ASKS if chance.random() < 0.3 else None)
        invitation.send()
        callee.expect("INVITE")
        sent: list[str] = []

        def answer_something(chance: random.Random = chance, network: CallNetwork = network, sent: list[str] = sent) -> None:
            status = chance.choice([100, 180, 180, 183, 200, 200, 302, 422, 486, 487, 503])
            extra = "Min-SE: 2000\r\n" if status == 422 else "Require: 100rel\r\nRSeq: 1\r\n" if status == 183 else ""
            sent.append(network.callee.answer(status, network.callee.contact + extra, tag=chance.choice(["callee", "fork"])))

        def answer_requests(chance: random.Random = chance, callee: Callee = callee) -> None:
            while callee.inbox:
                message = callee.inbox.pop(0)
                if message.method == "INVITE":
                    callee.invited = message
                elif message.method and message.method != "ACK" and chance.random() < 0.8:
                    callee.answer(chance.choice([200, 481, 491, 500]), to=message)

        def reinvite(user: Caller = user) -> None:
            if user.session is not None:
                user.session.reinvite(CONTACT + SDP_LINE, OFFER, lambda response: None)

        def hang_up(user: Caller = user) -> None:
            if user.session is not None:
                user.session.hang_up()

        def lose_flow(network: CallNetwork = network) -> None:
            if network.flow.transport == "TCP":
                network.flow.open = False
                network.endpoint.flow_lost(network.flow)

        actions = (
            [answer_something] * 4
            + [answer_requests] * 3
            + [
                lambda: network.clock.advance(chance.choice([0.001, 0.5, 3.0])),  # noqa: B023
                lambda: callee.transmit(chance.choice(sent)) if sent else None,  # noqa: B023
                lambda: callee.request(chance.choice(["BYE", "INFO", "OPTIONS", "INVITE"]), body=SDP),  # noqa: B023
                invitation.cancel,
                reinvite,
                hang_up,
            ]
        )
        for _ in range(16):
            chance.choice(actions)()
            if chance.random() < 0.02:
                lose_flow()
        for _ in range(60):
            answer_requests()
            network.clock.advance(1)
        invitation.cancel()
        hang_up()
        for _ in range(120):
            answer_requests()
            network.clock.advance(1)
        story = f"seed {seed}\n" + "\n".join(callee.log) + f"\n{user.heard}"
        assert network.idle, story
        ends = [word for word in user.heard if word.partition(" ")[0] in ("refused", "timeout:", "transport:", "accepted")]
        assert len(ends) <= 1, story
        assert ends or any(word.startswith("late") for word in user.heard) or invitation.state is InvitationState.ENDED, story


def test_the_ack_of_a_reinvite_goes_to_the_contact_of_its_2xx(network: CallNetwork) -> None:
    """12.2.1.2: "it MUST replace the dialog's remote target URI with the URI from the Contact header field in that response"."""
    session = network.call()
    assert session.reinvite(CONTACT + SDP_LINE, OFFER, lambda response: None)
    network.callee.expect("INVITE")
    moved = network.callee.answer(200, "Contact: <sip:moved@192.0.2.77:5099>\r\n", SDP)
    assert network.callee.expect("ACK").start == "ACK sip:moved@192.0.2.77:5099 SIP/2.0"
    assert network.flow.reliable or network.flow.aimed[-1] == ("192.0.2.77", 5099)
    network.callee.transmit(moved)
    assert network.callee.expect("ACK").start == "ACK sip:moved@192.0.2.77:5099 SIP/2.0"
    session.hang_up()
    assert network.callee.expect("BYE").start == "BYE sip:moved@192.0.2.77:5099 SIP/2.0"


@pytest.mark.parametrize("more", ["\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKproxy", ", SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKproxy"])
def test_a_response_with_a_via_too_many_is_discarded_and_told_of(network: CallNetwork, more: str) -> None:
    """8.1.3.3: it was misrouted, or some proxy forgot to take its own off."""
    network.invite()
    lines = network.callee.answer(200, body=SDP).split("\r\n")
    network.callee.expect("ACK")
    network.user.heard.clear()
    session = network.user.session
    assert session is not None
    session.hang_up()
    bye = network.callee.expect("BYE")
    text = "\r\n".join(
        [lines[0], f"Via: {bye.get('via')}{more}", *[f"{name.title()}: {bye.get(name)}" for name in ("from", "to", "call-id", "cseq")]]
    )
    network.callee.transmit(f"{text}\r\nContent-Length: 0\r\n\r\n")
    assert network.core.findings == ["via.left-over"] and network.endpoint.transactions
    network.rest()


def test_after_a_glare_the_other_sides_turn_comes_first(network: CallNetwork) -> None:
    """14.1: who does not own the Call-ID tries again within 2 s. Our INVITE is not under way then, so that 14.2 has no 491 for it; and
    ours waits until theirs is done."""
    session = network.call()
    heard: list[object] = []
    session.reinvite(CONTACT + SDP_LINE, OFFER, lambda response: heard.append(response and response.status))
    network.callee.expect("INVITE")
    text = network.callee.request("INVITE", body=SDP)
    network.callee.expect(491)
    network.callee.transmit(text.partition("Content-Type")[0].replace("INVITE", "ACK") + "Content-Length: 0\r\n\r\n")
    network.callee.answer(491)
    network.callee.expect("ACK")
    network.clock.advance(1.5)
    network.callee.request("INVITE", body=SDP)
    network.callee.expect(200)
    network.clock.advance(1)
    theirs = network.callee.cseq
    network.callee.inbox.clear()  # copies of the 200, which waits for its ACK
    network.clock.advance(2)
    assert {message.status for message in network.callee.inbox} == {200}
    network.callee.inbox.clear()
    network.callee.request("ACK", cseq=theirs)
    assert until_something_comes(network) <= 4
    network.callee.expect("INVITE")
    network.callee.accept()
    network.callee.expect("ACK")
    assert heard == [200]
