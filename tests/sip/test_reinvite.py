"""Re-INVITEs in a call of ours, either way."""

import pytest

from tests.support.calling import CONTACT, OFFER, SDP_LINE, CallNetwork
from tests.support.phone import SDP


def test_the_flow_goes_during_a_reinvite() -> None:
    network = CallNetwork("TCP")
    session = network.call()
    heard: list[object] = []
    session.reinvite(CONTACT + SDP_LINE, OFFER, heard.append)
    network.lose()
    assert heard == [None] and network.user.heard == []
    session.hang_up()
    network.clock.advance(40)
    assert network.idle


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
