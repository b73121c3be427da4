"""The side that calls: an INVITE until it is answered, refused or given up, over an endpoint whose flows are in memory."""

import random
import re

import pytest

from emulator.sip.calling import InvitationState
from tests.support.callee import Callee
from tests.support.calling import ASKS, CONTACT, OFFER, SDP_LINE, Caller, CallNetwork
from tests.support.phone import SDP


@pytest.fixture
def udp() -> CallNetwork:
    return CallNetwork("UDP")


# -- the INVITE ----------------------------------------------------------------------------------------------------


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


# -- the 2xx -------------------------------------------------------------------------------------------------------


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


# -- forks ---------------------------------------------------------------------------------------------------------


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


# -- CANCEL --------------------------------------------------------------------------------------------------------


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


# -- the flow goes -------------------------------------------------------------------------------------------------


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
    network.lose()
    assert network.user.heard[-1] == "transport: connection reset" and invitation.state is InvitationState.ENDED
    network.clock.advance(32)
    assert network.idle


def test_the_flow_goes_during_the_call() -> None:
    network = CallNetwork("TCP")
    session = network.call()
    network.lose()
    assert network.user.heard == []
    network.clock.advance(40)
    done: list[bool] = []
    session.hang_up(lambda: done.append(True))
    assert done and network.user.heard == ["ended trunk"] and network.idle


# -- chance --------------------------------------------------------------------------------------------------------


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
