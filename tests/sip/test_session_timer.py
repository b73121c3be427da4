"""The session timer of a call of ours."""

import pytest

from emulator.sip.calling import InvitationState
from emulator.sip.timers import SessionTimerPolicy
from tests.support.calling import ASKS, CONTACT, OFFER, SDP_LINE, CallNetwork
from tests.support.phone import SDP


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
