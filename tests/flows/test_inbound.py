"""Calls from Vonage: whether they ring at all, what the caller does, the call once it is up, its end."""

import gc
from typing import Any

import pytest

from emulator.journal.capture import capture
from emulator.journal.ladder import ladder
from emulator.media.port import Exhausted
from emulator.sip.calling import Invitation
from emulator.sip.transaction import InviteClient
from emulator.trunk.forwarding import Hunt
from emulator.trunk.inbound import InboundCall
from emulator.trunk.leg import Leg
from emulator.trunk.policy import Policy
from tests.support.customer import Customer, accepts, answers
from tests.support.network import Network
from tests.support.pcapng import read
from tests.support.phone import SDP
from tests.support.rung import NUMBER, ONE, TWO, codes, heard, inbound, outcomes, rest, rung, up

# -- the caller ----------------------------------------------------------------------------------------------------


def test_the_caller_gives_up_while_it_rings(network: Network) -> None:
    customer = network.customer(5080, answers(180))
    record = rung(network, TWO, cancel_after=3.0)
    network.clock.advance(3)
    customer.call.expect("INVITE")
    customer.call.answer(200, "", to=customer.call.expect("CANCEL"))
    customer.call.answer(487)
    network.clock.advance(0)
    customer.call.expect("ACK")
    assert (record.state, record.status, record.ended_by, outcomes(record)) == ("cancelled", 487, "caller", [("cancelled", None)])
    rest(network)


@pytest.mark.parametrize("crossing", [False, True])
def test_a_cancel_of_the_callers_that_crosses_the_200(network: Network, crossing: bool) -> None:
    customer = network.customer(5080, answers(180))
    record = rung(network, cancel_after=3.0)
    network.clock.advance(2.999)
    if crossing:
        network.clock.advance(0.001)
    customer.call.accept()
    network.clock.advance(0.001)
    if crossing:
        customer.call.expect("INVITE", "CANCEL", "ACK")
        customer.call.answer(200, "", to=customer.call.expect("BYE"))
        assert record.state == "cancelled" and record.attempts[0].late == 200
    else:
        customer.call.expect("INVITE", "ACK")
        assert record.state == "answered"
        network.clock.advance(5)
        customer.call.expect_nothing()
        network.trunk.hang_up(record.id)
        network.clock.advance(0)
        customer.call.answer(200, "", to=customer.call.expect("BYE"))
    rest(network)


def test_the_caller_sends_digits(network: Network) -> None:
    """RFC 4733, with the customer's payload type."""
    record, _ = up(network, play="silence", digits="12#", digits_after=0.5)
    network.clock.advance(2)
    events = [packet for packet in network.ports[-1].sent if packet[1] & 127 == 101]
    assert list(dict.fromkeys(packet[12] for packet in events)) == [1, 2, 11]
    assert network.trunk.dial(record.id, "9")
    network.clock.advance(1)
    assert any(packet[1] & 127 == 101 and packet[12] == 9 for packet in network.ports[-1].sent)


def test_the_caller_plays_what_it_was_given(network: Network) -> None:
    samples = b"\x00\x40" * 160 + b"\x00\xc0" * 160
    record, _ = up(network, samples=samples)
    network.clock.advance(0.1)
    payloads = [packet[12:] for packet in network.ports[-1].sent]
    assert len(payloads) >= 5 and payloads[0] != payloads[1] and payloads[0] == payloads[2] and set(map(len, payloads)) == {160}
    network.trunk.hang_up(record.id)
    assert not [name for name in network.trunk.studio.prompts if name.startswith("given")]


def test_the_caller_rings_again(network: Network) -> None:
    customer = network.customer(5080, answers(486))
    record = rung(network, again=2, again_after=4.0)
    network.clock.advance(3.999)
    assert len(customer.calls) == 1
    network.clock.advance(10)
    assert len(customer.calls) == 3
    last = network.journal.get("last")
    assert last is not None and (record.again, last.again, last.id) == ("", "2", "3")
    rest(network)


def test_nobody_rings_again_when_the_trunk_hung_up_or_is_reset(network: Network) -> None:
    record, customer = up(network, again=5)
    network.trunk.hang_up(record.id)
    network.clock.advance(0)
    customer.answer(200, "", to=customer.expect("BYE"))
    network.customer(5090, answers(486))
    rung(network, "sip:1@192.0.2.10:5090", again=5)
    network.clock.advance(0.5)
    network.trunk.hang_up_all(lambda: None)
    rest(network)
    assert len(list(network.journal.calls())) == 2


# -- the call ------------------------------------------------------------------------------------------------------


def test_the_customer_hangs_up(network: Network) -> None:
    record, customer = up(network)
    network.clock.advance(2)
    customer.request("BYE")
    heard(network, customer, 200)
    assert (record.state, record.ended_by, record.status) == ("ended", "called", 200)
    ended = next(event for event in network.journal.events() if event.kind == "call.ended")
    assert ended.fields["by"] == "called" and ended.fields["seconds"] == 2.0
    rest(network)


def test_byes_that_cross(network: Network) -> None:
    record, customer = up(network, talk=1.0)
    network.clock.advance(1)
    bye = heard(network, customer, "BYE")
    customer.request("BYE")
    customer.answer(200, "", to=bye)
    assert heard(network, customer, 481) and (record.state, record.ended_by) == ("ended", "caller")  # 15.1.2: our dialog is over
    rest(network)


def test_the_customer_holds_and_resumes(network: Network) -> None:
    """No credentials are asked for inside a call that the trunk made."""
    record, customer = up(network, play="tone")
    customer.request("INVITE", body=SDP.replace("sendrecv", "sendonly").replace("o=phone 1 1", "o=phone 1 2"))
    held = heard(network, customer, 200)
    assert "a=recvonly\r\n" in held.body.decode()
    customer.request("ACK", cseq=customer.cseq)
    sent = len(network.ports[-1].sent)
    network.clock.advance(1)
    assert len(network.ports[-1].sent) == sent
    customer.request("INVITE", body=SDP.replace("o=phone 1 1", "o=phone 1 3"))
    assert "a=sendrecv\r\n" in heard(network, customer, 200).body.decode()
    customer.request("ACK", cseq=customer.cseq)
    network.clock.advance(1)
    assert len(network.ports[-1].sent) > sent + 40 and record.state == "answered" and codes(record) == []


def test_what_is_refused_to_the_customer_after_the_caller_gave_up_changes_nothing(network: Network) -> None:
    """An INVITE that crosses our CANCEL in the early dialog (RFC 3261 14.2)."""
    customer = network.customer()
    record = rung(network)
    customer.call.answer(180)
    heard(network, customer.call, "INVITE")
    network.trunk.hang_up(record.id)
    customer.call.request("INVITE", body=SDP)
    cancel = heard(network, customer.call, "CANCEL", 491)
    assert cancel.status == 491
    customer.call.answer(487)
    heard(network, customer.call, "ACK")
    assert (record.state, record.status) == ("cancelled", 487) and "reinvite.glare" in codes(record)
    assert [event.kind for event in network.journal.events()].count("call.refused") == 0
    network.clock.advance(40)
    assert network.idle


def test_the_caller_holds_and_resumes(network: Network) -> None:
    """RFC 3264 8.4, by re-INVITE."""
    record, customer = up(network, play="tone")
    for ask, direction, kind in ((network.trunk.hold, "sendonly", "call.held"), (network.trunk.resume, "sendrecv", "call.resumed")):
        assert ask(record.id)
        assert not ask(record.id)  # one re-INVITE at a time
        invite = heard(network, customer, "INVITE")
        assert f"a={direction}\r\n" in invite.body.decode()
        customer.answer(200, None, SDP.replace("sendrecv", "recvonly" if direction == "sendonly" else "sendrecv"), to=invite)
        heard(network, customer, "ACK")
        assert network.journal.events()[-1].kind == kind
    assert record.state == "answered"


def test_requests_go_to_the_contact_over_udp(network: Network) -> None:
    """interop-quirks 22: whatever stands in Contact, a name is not looked up."""
    customer = network.customer(5080, answers(200, "Contact: <sip:gw+trunk@nowhere.example;transport=udp;gw=trunk>\r\n", SDP))
    record = rung(network, talk=1.0)
    network.clock.advance(1)
    customer.call.expect("INVITE")
    assert customer.call.expect("ACK").start == "ACK sip:gw+trunk@nowhere.example;transport=udp;gw=trunk SIP/2.0"
    bye = customer.call.expect("BYE")
    assert bye.start == "BYE sip:gw+trunk@nowhere.example;transport=udp;gw=trunk SIP/2.0"
    customer.call.answer(200, "", to=bye)
    assert record.state == "ended"
    rest(network)


@pytest.mark.parametrize(
    ("transport", "contact"),
    [
        ("TCP", "sip:there@192.0.2.11:5099;transport=tcp"),
        ("TLS", "sip:there@192.0.2.11:5099;transport=TLS"),
        ("TLS", "sips:there@192.0.2.11:5099"),
    ],
)
def test_requests_go_over_the_transport_that_the_contact_names(network: Network, transport: str, contact: str) -> None:
    """RFC 3261 12.2.1.1, RFC 3263 4.1: who answers over UDP may be elsewhere, without a proxy that stays on the way."""
    front = network.customer(5080, answers(200, f"Contact: <{contact}>\r\n", SDP))
    behind = network.customer(5099, None, transport, "192.0.2.11")
    record = rung(network, talk=1.0)
    network.clock.advance(1)
    front.call.expect("INVITE")
    front.call.expect_nothing()
    assert behind.call.expect("ACK").start == f"ACK {contact} SIP/2.0"
    bye = behind.call.expect("BYE")
    assert (bye.get("via") or "").startswith(f"SIP/2.0/{transport} ")
    behind.call.answer(200, "", to=bye)
    assert record.state == "ended"
    rest(network)


@pytest.mark.parametrize("transport", ["TCP", "TLS"])
def test_the_connection_of_the_invite_is_used_whatever_contact_says(network: Network, transport: str) -> None:
    """interop-quirks 22 and 23: PJSIP's Contact, where nobody listens; linphone takes no new connection."""
    customer = network.customer(5080, answers(200, "Contact: <sip:127.0.0.1:40404;transport=tcp;ob>\r\n", SDP), transport)
    record = rung(network, f"{ONE};transport={transport.lower()}", talk=1.0)
    network.clock.advance(1)
    customer.call.expect("INVITE", "ACK")
    customer.call.answer(200, "", to=customer.call.expect("BYE"))
    assert record.state == "ended"
    rest(network)


def test_an_update_gets_its_405_and_harms_nothing(network: Network) -> None:
    """interop-quirks 24: PJSIP sends an UPDATE with SDP after a 200 with several codecs."""
    record, customer = up(network)
    customer.request("UPDATE", body=SDP)
    assert heard(network, customer, 405).get("allow") is not None and record.state == "answered"


def test_the_customer_wants_a_session_timer(network: Network) -> None:
    """The page: "Session Timers"; RFC 4028 7.2: the trunk refreshes by re-INVITE where the answer says `uac`."""
    customer = network.customer(
        5080, answers(200, "Contact: <sip:c@192.0.2.10:5080>\r\nRequire: timer\r\nSession-Expires: 90;refresher=uac\r\n", SDP)
    )
    record = rung(network, play="tone")
    network.clock.advance(44.9)
    customer.call.expect("INVITE", "ACK")
    customer.call.expect_nothing()
    network.clock.advance(0.2)
    refresh = customer.call.expect("INVITE")
    assert refresh.get("session-expires") == "90;refresher=uac" and refresh.get("contact") == "<sip:14155550100@127.0.23.1:5060>"
    customer.call.answer(200, "Contact: <sip:c@192.0.2.10:5080>\r\nSession-Expires: 90;refresher=uac\r\n", SDP, to=refresh)
    network.clock.advance(0)
    customer.call.expect("ACK")
    assert record.state == "answered"


def test_the_customer_that_promised_to_refresh_and_does_not(network: Network) -> None:
    customer = network.customer(
        5080, answers(200, "Contact: <sip:c@192.0.2.10:5080>\r\nRequire: timer\r\nSession-Expires: 90;refresher=uas\r\n", SDP)
    )
    record = rung(network, play="tone")
    network.clock.advance(30)
    network.ports[-1].hear(bytes.fromhex("80000001000000a0deadbeef") + b"\xff" * 160)
    network.clock.advance(31)
    customer.call.expect("INVITE", "ACK")
    customer.call.answer(200, "", to=customer.call.expect("BYE"))
    assert (record.state, record.ended_by) == ("ended", "no-refresh") and "session-timer.expired" in codes(record)
    rest(network)


def test_too_small_a_session_interval_is_raised() -> None:
    """RFC 4028 7.3."""
    network = inbound(session_expires=120)
    customer = network.customer(5080, answers(422, "Min-SE: 300\r\n"))
    record = rung(network)
    network.clock.advance(0)
    customer.call.expect("INVITE", "ACK")
    again = customer.call.expect("INVITE")
    assert (again.get("session-expires"), again.get("min-se"), again.get("cseq")) == ("300", "300", "2 INVITE")
    customer.call.accept("Session-Expires: 300;refresher=uac\r\n")
    assert record.state == "answered" and len(record.attempts) == 1


def test_a_silent_customer_is_hung_up(network: Network) -> None:
    """robustness 20."""
    record, customer = up(network)
    network.clock.advance(60)
    customer.answer(200, "", to=customer.expect("BYE"))
    assert (record.state, record.ended_by) == ("ended", "trunk") and "media.silence" in codes(record)
    rest(network)


def test_a_200_that_comes_again_is_acknowledged_again(network: Network) -> None:
    customer = network.customer()
    rung(network)
    answer = customer.call.accept()
    network.clock.advance(0)
    customer.call.transmit(answer)
    network.clock.advance(0)
    customer.call.expect("INVITE", "ACK", "ACK")


# -- whether it rings at all ---------------------------------------------------------------------------------------


def test_a_number_that_is_not_forwarded(network: Network) -> None:
    record = rung(network, None)
    assert (record.state, record.status, codes(record)) == ("refused", 480, ["inbound.not-forwarded"]) and not record.attempts
    rest(network)


def test_a_number_that_is_not_the_accounts(network: Network) -> None:
    with pytest.raises(Exception, match="14155559999 is no number of the account"):
        rung(network, None, number="14155559999")
    assert not len(network.journal)


@pytest.mark.parametrize("forward", ["", "sip:1@a b", "sip:1@pbx.example.net;timeout=1", "tel:+14155550100"])
def test_a_forward_list_that_is_none(network: Network, forward: str) -> None:
    with pytest.raises(ValueError, match="column"):
        rung(network, forward)
    assert not len(network.journal)


def test_a_number_has_fifty_channels(network: Network) -> None:
    """vonage-facts, default 16."""
    customer = network.customer(5080, answers(180))
    records = [rung(network) for _ in range(51)]
    assert [record.state for record in records] == ["ringing"] * 50 + ["refused"]
    assert (records[-1].status, codes(records[-1])) == (486, ["limit.channels"])
    assert rung(network, number="447700900001").state == "ringing"
    network.trunk.hang_up(records[0].id)
    assert rung(network).state == "ringing" and len(customer.calls) == 52
    network.trunk.hang_up_all(lambda: None)
    network.clock.advance(120)
    assert network.idle and not network.trunk.exchange.directory.taken(NUMBER)


def test_without_a_media_port_there_is_no_call(network: Network) -> None:
    def none(proxy: str) -> Any:
        raise Exhausted("every port is taken")

    network.trunk._open_port = none
    record = rung(network, TWO)
    assert (record.state, record.status, codes(record)) == ("refused", 503, ["limit.media-ports"]) and not record.attempts
    rest(network)


def test_an_error_of_ours_ends_the_call_and_nothing_else(network: Network) -> None:
    def broken(proxy: str) -> Any:
        raise RuntimeError("ours")

    network.trunk._open_port = broken
    with pytest.raises(RuntimeError, match="ours"):
        rung(network)
    record = network.journal.get("last")
    assert record is not None and (record.state, record.status) == ("refused", 500)
    network.errors.clear()
    rest(network)


def test_calls_at_once_are_bounded() -> None:
    network = Network(Policy(max_calls=3))
    network.customer(5080, answers(180))
    records = [rung(network) for _ in range(4)]
    assert [record.status for record in records] == [None, None, None, 503] and codes(records[-1]) == ["limit.calls"]


def test_the_messages_of_every_attempt_are_kept_with_whom_they_were_exchanged(network: Network) -> None:
    network.customer(5080, answers(503))
    network.customer(5090, accepts)
    record = rung(network, TWO)
    network.clock.advance(0)
    messages = [(one["incoming"], one["peer"], one["text"].split("\r\n")[0].split(" ")[0:2]) for one in record.detail()["messages"]]
    assert [(incoming, peer) for incoming, peer, _ in messages] == [
        (False, "192.0.2.10:5080"), (True, "192.0.2.10:5080"), (False, "192.0.2.10:5080"),
        (False, "192.0.2.10:5090"), (True, "192.0.2.10:5090"), (False, "192.0.2.10:5090"),
    ]  # fmt: skip
    assert record.detail()["messages"][0]["flow"] == "eu-3-1"


def test_an_invite_that_was_withdrawn_does_not_pass_for_one_that_was_sent(network: Network) -> None:
    """Its connection comes about when the next target has been tried already, and takes nothing of it along."""
    peer = ("192.0.2.10", 5080)
    network.coming[peer] = None
    first = network.customer(5080, accepts, "TCP")
    network.customer(5090, accepts)
    record = rung(network, f"{ONE};transport=tcp;timeout=2000, sip:1234@192.0.2.10:5090")
    (waiting,) = record.detail()["messages"]
    assert not waiting["sent"]  # yet
    network.clock.advance(3)
    assert record.state == "answered"
    flow = network.coming[peer]
    assert flow is not None and not flow.waiting
    flow.comes()
    network.clock.advance(1)
    assert not first.calls
    assert [str(finding) for finding in record.findings] == [
        "inbound.unreachable: 192.0.2.10:5080: no connection in 2 s; the trunk wants a target that can be reached"
    ]  # and no advice to answer what could not arrive
    call = record.detail()
    assert [(one["peer"][-4:], one["incoming"], one["sent"]) for one in call["messages"]] == [
        ("5080", False, False), ("5090", False, True), ("5090", True, True), ("5090", False, True)
    ]  # fmt: skip
    drawn = [row for row in ladder(call) if "─ INVITE" in row]
    assert ["not sent" in row for row in drawn] == [True, False] and "◀" not in drawn[0]
    comments = [str(packet.comments) for packet in read(capture(record)).packets]
    assert ["this did not leave: the connection has not come about" in one for one in comments] == [True, False, False, False]


def test_an_invite_that_waited_for_its_connection_was_sent(network: Network) -> None:
    peer = ("192.0.2.10", 5080)
    network.coming[peer] = None
    network.customer(5080, accepts, "TCP")
    record = rung(network, f"{ONE};transport=tcp")
    flow = network.coming[peer]
    assert flow is not None and not record.detail()["messages"][0]["sent"]
    flow.comes()
    network.clock.advance(0)
    assert record.state == "answered" and all(one["sent"] for one in record.detail()["messages"])


def test_two_hundred_calls_at_once_are_up_and_gone(network: Network) -> None:
    network.trunk.exchange.directory.channels = 1000
    network.journal._max_calls = 300
    customer: Customer = network.customer(5080, accepts)
    records = [rung(network, talk=10.0, play="silence") for _ in range(200)]
    network.clock.advance(1)
    assert {record.state for record in records} == {"answered"}
    network.clock.advance(9.5)
    for call in customer.calls:
        call.answer(200, "", to=call.inbox[-1])
    assert {record.state for record in records} == {"ended"}
    rest(network)


def parts_of_calls() -> list[object]:
    return [one for one in gc.get_objects() if isinstance(one, (InboundCall, Hunt, Invitation, InviteClient, Leg))]


def test_a_call_that_is_over_is_freed_at_once() -> None:
    """However it went: nothing waits for the garbage collector, whose walks cost a busy trunk a third of a call."""
    network = Network()
    network.customer(script=accepts)
    network.customer(5090, answers(486))
    gc.collect()
    before = {id(one) for one in parts_of_calls()}  # those of another test, whose echo is the last that there was
    gc.disable()
    try:
        for forward, how in (
            (ONE, {"talk": 1.0}), ("sip:1@192.0.2.10:5090", {}), (ONE, {"cancel_after": 0.0}), ("sip:1@192.0.2.99:5080;timeout=2000", {}),
            ("sip:1@nobody.example.net", {}),
        ):  # fmt: skip
            rung(network, forward, **how)
            network.clock.advance(0)
        network.customers["UDP", ("192.0.2.10", 5080)].calls[0].expect("INVITE", "ACK")
        network.clock.advance(1)
        call = network.customers["UDP", ("192.0.2.10", 5080)].calls[0]
        call.answer(200, to=heard(network, call, "BYE"))
        rest(network)
        left = [type(one).__name__ for one in parts_of_calls() if id(one) not in before]
    finally:
        gc.enable()
    assert left == []
