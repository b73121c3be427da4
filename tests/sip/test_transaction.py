"""The four transactions (RFC 3261 17, RFC 6026): states and timers on a stepped clock."""

from collections.abc import Callable
from typing import Any

import pytest

from emulator.clock import SteppedClock
from emulator.sip.message import Request, Response, parse
from emulator.sip.timers import Timers
from emulator.sip.transaction import ClientState, InviteClient, InviteServer, NonInviteClient, NonInviteServer, Outgoing, ServerState
from tests.support.network import MemoryFlow


class Keeper:
    """An endpoint's side of a transaction: what was sent and when, and which transactions are held."""

    def __init__(self) -> None:
        self.clock = SteppedClock(start=0)
        self.timers = Timers()
        self.sent: list[tuple[float, str]] = []
        self.held: set[Any] = set()

    def transmit(self, flow: Any, data: bytes, call_id: str) -> None:
        self.sent.append((round(self.clock.now, 3), data.split(b"\r\n")[0].decode()))
        flow.send(data)

    def withdraw(self, flow: Any, branch: str, call_id: str) -> bool:
        return bool(flow.withdraw(branch))

    def forget_server(self, transaction: Any) -> None:
        self.held.discard(transaction)

    def forget_client(self, transaction: Any) -> None:
        self.held.discard(transaction)

    @property
    def times(self) -> list[float]:
        return [when for when, _ in self.sent]


class User:
    def __init__(self) -> None:
        self.heard: list[str] = []

    def on_response(self, response: Response) -> None:
        self.heard.append(str(response.status))

    def on_timeout(self) -> None:
        self.heard.append("timeout")

    def on_transport_failure(self) -> None:
        self.heard.append("failure")


def request(method: str) -> Request:
    message = parse(
        f"{method} sip:h SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\n"
        f"Call-ID: x\r\nCSeq: 1 {method}\r\nContent-Length: 0\r\n\r\n".encode()
    )
    assert isinstance(message, Request)
    return message


def response(status: int, method: str) -> Response:
    message = parse(request(method).respond(status, "2"))
    assert isinstance(message, Response)
    return message


@pytest.fixture
def keeper() -> Keeper:
    return Keeper()


def flow(transport: str) -> MemoryFlow:
    return MemoryFlow(lambda data: None, transport)


def invite_server(keeper: Keeper, transport: str = "UDP") -> InviteServer:
    transaction = InviteServer(keeper, "key", request("INVITE"), flow(transport), "2")
    keeper.held.add(transaction)
    return transaction


def outgoing(method: str) -> Outgoing:
    return Outgoing(method, "sip:h", "SIP/2.0/UDP a;branch=z9hG4bKc", "<sip:a@b>;tag=1", "<sip:c@d>", "x", 1)


def client(keeper: Keeper, kind: Callable[..., Any], method: str, transport: str = "UDP") -> tuple[Any, User]:
    user = User()
    transaction = kind(keeper, "z9hG4bKc", outgoing(method), flow(transport), user)
    keeper.held.add(transaction)
    transaction.start()
    return transaction, user


def test_invite_server_timer_g_doubles_to_t2_and_timer_h_gives_up(keeper: Keeper) -> None:
    transaction = invite_server(keeper)
    lost: list[bool] = []
    transaction.on_no_ack = lambda: lost.append(True)
    transaction.respond(486)
    keeper.clock.advance(31.99)
    assert keeper.times == [0, 0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
    assert not lost
    keeper.clock.advance(0.01)
    assert lost and not keeper.held and keeper.clock.pending == 0


def test_invite_server_over_a_reliable_flow_does_not_retransmit(keeper: Keeper) -> None:
    transaction = invite_server(keeper, "TCP")
    transaction.respond(486)
    keeper.clock.advance(10)
    assert keeper.times == [0]
    transaction.ack()
    assert not keeper.held  # timer I is zero


def test_invite_server_ack_stops_timer_g_and_timer_i_absorbs(keeper: Keeper) -> None:
    transaction = invite_server(keeper)
    transaction.respond(486)
    transaction.ack()
    transaction.ack()
    transaction.retransmission(transaction.flow)
    assert transaction.state is ServerState.CONFIRMED
    keeper.clock.advance(4.99)
    assert keeper.held and keeper.times == [0]
    keeper.clock.advance(0.01)
    assert not keeper.held


def test_invite_server_accepted_lives_for_timer_l_and_absorbs(keeper: Keeper) -> None:
    transaction = invite_server(keeper)
    transaction.respond(180)
    transaction.respond(200)
    transaction.retransmission(transaction.flow)
    assert keeper.times == [0, 0] and transaction.state is ServerState.ACCEPTED
    transaction.resend()
    keeper.clock.advance(31.99)
    assert keeper.held and len(keeper.sent) == 3
    keeper.clock.advance(0.01)
    assert not keeper.held


def test_nothing_follows_a_final_response(keeper: Keeper) -> None:
    transaction = invite_server(keeper)
    transaction.respond(200)
    with pytest.raises(ValueError, match="after a final"):
        transaction.respond(486)


def test_cancel_reaches_the_user_only_before_the_final_response(keeper: Keeper) -> None:
    transaction = invite_server(keeper)
    cancelled: list[bool] = []
    transaction.on_cancel = lambda: cancelled.append(True)
    transaction.cancel()
    transaction.respond(487)
    transaction.cancel()
    assert cancelled == [True]


@pytest.mark.parametrize(("transport", "life"), [("UDP", 32), ("TLS", 0)])
def test_non_invite_server_timer_j(keeper: Keeper, transport: str, life: float) -> None:
    transaction = NonInviteServer(keeper, "key", request("BYE"), flow(transport), "2")
    keeper.held.add(transaction)
    transaction.retransmission(transaction.flow)
    assert not keeper.sent  # Trying: discarded
    transaction.respond(200)
    if life:
        transaction.retransmission(transaction.flow)
        assert len(keeper.sent) == 2
        keeper.clock.advance(life - 0.01)
        assert keeper.held
        keeper.clock.advance(0.01)
    assert not keeper.held


def test_invite_client_timer_a_doubles_and_timer_b_gives_up(keeper: Keeper) -> None:
    _, user = client(keeper, InviteClient, "INVITE")
    keeper.clock.advance(32)
    assert keeper.times == [0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5]
    assert user.heard == ["timeout"] and not keeper.held


def test_invite_client_stops_at_a_provisional_and_acknowledges_a_refusal(keeper: Keeper) -> None:
    transaction, user = client(keeper, InviteClient, "INVITE")
    transaction.receive(response(100, "INVITE"))
    keeper.clock.advance(100)
    transaction.receive(response(486, "INVITE"))
    transaction.receive(response(486, "INVITE"))
    assert [line for _, line in keeper.sent] == ["INVITE sip:h SIP/2.0", "ACK sip:h SIP/2.0", "ACK sip:h SIP/2.0"]
    assert user.heard == ["100", "486"] and transaction.state is ClientState.COMPLETED
    keeper.clock.advance(32)
    assert not keeper.held


def test_invite_client_passes_every_2xx_up_for_timer_m(keeper: Keeper) -> None:
    """RFC 6026 7.2."""
    transaction, user = client(keeper, InviteClient, "INVITE")
    transaction.receive(response(200, "INVITE"))
    transaction.receive(response(200, "INVITE"))
    transaction.receive(response(486, "INVITE"))
    assert user.heard == ["200", "200"] and transaction.state is ClientState.ACCEPTED
    keeper.clock.advance(32)
    assert not keeper.held


def test_the_ack_of_a_refusal_repeats_the_request_with_the_responses_to() -> None:
    """17.1.1.3."""
    ack = outgoing("INVITE").ack_of_refusal(response(486, "INVITE")).decode()
    assert "Via: SIP/2.0/UDP a;branch=z9hG4bKc\r\n" in ack
    assert "To: <sip:c@d>;tag=2\r\n" in ack and "CSeq: 1 ACK\r\n" in ack


def test_the_cancel_repeats_the_request() -> None:
    """9.1."""
    cancel = outgoing("INVITE").cancel().encode().decode()
    assert cancel.startswith("CANCEL sip:h SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bKc\r\n")
    assert "To: <sip:c@d>\r\n" in cancel and "CSeq: 1 CANCEL\r\n" in cancel


def test_non_invite_client_timer_e_caps_at_t2_and_timer_f_gives_up(keeper: Keeper) -> None:
    _, user = client(keeper, NonInviteClient, "BYE")
    keeper.clock.advance(32)
    assert keeper.times == [0, 0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
    assert user.heard == ["timeout"] and not keeper.held


def test_non_invite_client_goes_on_every_t2_after_a_provisional(keeper: Keeper) -> None:
    transaction, _ = client(keeper, NonInviteClient, "BYE")
    transaction.receive(response(100, "BYE"))
    keeper.clock.advance(10)
    assert keeper.times == [0, 0.5, 4.5, 8.5]


def test_non_invite_client_absorbs_for_timer_k(keeper: Keeper) -> None:
    transaction, user = client(keeper, NonInviteClient, "BYE")
    transaction.receive(response(200, "BYE"))
    transaction.receive(response(200, "BYE"))
    assert user.heard == ["200"]
    keeper.clock.advance(5)
    assert not keeper.held


@pytest.mark.parametrize(("kind", "method"), [(InviteClient, "INVITE"), (NonInviteClient, "BYE")])
def test_a_lost_flow_fails_the_request_at_once(keeper: Keeper, kind: Callable[..., Any], method: str) -> None:
    transaction, user = client(keeper, kind, method, "TCP")
    transaction.lost()
    transaction.lost()
    assert user.heard == ["failure"] and not keeper.held
    keeper.clock.advance(100)
    assert len(keeper.sent) == 1
