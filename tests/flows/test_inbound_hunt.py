"""Calls from Vonage to several targets, one after the other."""

import pytest

from emulator.trunk.policy import ForwardingPolicy, InviteForm
from tests.support.customer import accepts, answers
from tests.support.network import Network
from tests.support.phone import SDP
from tests.support.rung import ONE, TWO, codes, heard, inbound, outcomes, rest, rung


def test_a_503_brings_the_second_target(network: Network) -> None:
    first, second = network.customer(5080, answers(503)), network.customer(5090, accepts)
    record = rung(network, TWO, talk=3.0)
    network.clock.advance(0)
    assert outcomes(record) == [("refused", 503), ("answered", 200)]
    first.call.expect("INVITE", "ACK")
    second.call.expect("INVITE", "ACK")
    assert first.call.invited is not None and second.call.invited is not None
    assert first.call.invited.get("call-id") != second.call.invited.get("call-id")
    assert (record.state, record.status, record.peer) == ("answered", 200, "192.0.2.10:5090")
    network.clock.advance(3)
    second.call.answer(200, "", to=second.call.expect("BYE"))
    assert (record.state, record.ended_by) == ("ended", "caller")
    first.call.expect_nothing()
    rest(network)


def test_silence_brings_the_second_target_after_its_time(network: Network) -> None:
    """Nothing came back, so nothing is cancelled (RFC 3261 9.1)."""
    first, second = network.customer(5080), network.customer(5090, accepts)
    record = rung(network, TWO)
    network.clock.advance(1.999)
    assert not second.calls
    network.clock.advance(0.001)
    network.clock.advance(0)
    assert outcomes(record) == [("timeout", None), ("answered", 200)] and record.attempts[0].after == pytest.approx(2)
    assert {message.method for message in first.call.inbox} == {"INVITE"}
    assert codes(record)[:1] == ["inbound.timeout"]
    network.trunk.hang_up(record.id)
    second.call.answer(200, "", to=second.call.inbox[-1])
    rest(network)


@pytest.mark.parametrize("status", [302, 401, 404, 407, 486, 603])
def test_a_refusal_that_is_no_5xx_ends_the_call(network: Network, status: int) -> None:
    first, second = network.customer(5080, answers(status)), network.customer(5090, accepts)
    record = rung(network, TWO)
    network.clock.advance(0)
    assert (record.state, record.status, outcomes(record)) == ("refused", status, [("refused", status)])
    assert record.ended_by == "called"
    first.call.expect("INVITE", "ACK")
    assert not second.calls
    rest(network)


@pytest.mark.parametrize("status", [401, 407])
def test_the_accounts_secret_is_never_sent_to_a_customer(network: Network, status: int) -> None:
    """robustness 6; vonage-facts, default 23."""
    name = "WWW-Authenticate" if status == 401 else "Proxy-Authenticate"
    challenge = f'{name}: Digest realm="sip.nexmo.com", nonce="abcdef", algorithm=MD5, qop="auth"\r\n'
    customer = network.customer(5080, answers(status, challenge))
    record = rung(network, TWO)
    network.clock.advance(60)
    assert codes(record) == ["inbound.challenged"] and record.status == status
    assert [message.method for message in customer.call.inbox] == ["INVITE", "ACK"]
    for message in customer.call.inbox:
        assert message.get("authorization") is None and message.get("proxy-authorization") is None and b"OfflineSecret1" not in message.data
    rest(network)


def test_a_redirect_is_not_followed(network: Network) -> None:
    elsewhere = network.customer(5090, accepts)
    network.customer(5080, answers(302, "Contact: <sip:1@192.0.2.10:5090>\r\n"))
    record = rung(network)
    network.clock.advance(10)
    assert (record.state, record.status, codes(record)) == ("refused", 302, ["inbound.redirected"]) and not elsewhere.calls
    rest(network)


@pytest.mark.parametrize(
    ("transport", "why", "code"),
    [
        ("UDP", "port unreachable (ICMP)", "inbound.unreachable"), ("TCP", "connection refused", "inbound.unreachable"),
        ("TLS", "connection refused", "inbound.unreachable"), ("TLS", "TLS handshake failed: self-signed", "inbound.tls"),
        ("TLS", "TLS handshake failed: wrong version number", "inbound.tls"),  # something else than TLS came
        ("TLS", "TLS handshake failed: tlsv1 alert protocol version", "inbound.tls-version"),
        ("TLS", "TLS handshake failed: unsupported protocol", "inbound.tls-version"),
    ],
)  # fmt: skip
def test_who_can_not_be_reached_is_passed_over(network: Network, transport: str, why: str, code: str) -> None:
    network.dead[transport, ("192.0.2.10", 5080)] = why
    second = network.customer(5090, accepts)
    record = rung(network, f"{ONE};transport={transport.lower()}, sip:1234@192.0.2.10:5090")
    network.clock.advance(0)
    assert outcomes(record) == [("unreachable", None), ("answered", 200)] and record.attempts[0].why == why
    assert codes(record)[0] == code
    network.trunk.hang_up(record.id)
    network.clock.advance(0)
    second.call.answer(200, "", to=second.call.inbox[-1])
    rest(network)


def test_a_name_with_two_srv_targets_of_which_the_first_is_dead(network: Network) -> None:
    """RFC 3263 4.3: the same request on another branch."""
    network.names.services["_sip._udp.pbx.example.net"] = [(1, 0, 5080, "a.example.net"), (2, 0, 5090, "b.example.net")]
    network.names.hosts = {"a.example.net": ["192.0.2.10"], "b.example.net": ["192.0.2.10"]}
    first, second = network.customer(5080, answers(503)), network.customer(5090, accepts)
    record = rung(network, "sip:1234@pbx.example.net")
    network.clock.advance(0)
    assert outcomes(record) == [("refused", 503), ("answered", 200)]
    one, two = first.call.expect("INVITE"), second.call.expect("INVITE")
    for name in ("from", "to", "call-id", "cseq", "contact"):
        assert one.get(name) == two.get(name)
    assert one.body == two.body and one.start == two.start == "INVITE sip:1234@pbx.example.net SIP/2.0" and one.get("via") != two.get("via")
    assert [attempt.target for attempt in record.attempts] == [1, 1]
    network.trunk.hang_up(record.id)
    network.clock.advance(0)
    second.call.answer(200, "", to=second.call.inbox[-1])
    rest(network)


def test_the_second_address_of_a_name_makes_an_offer_of_its_own() -> None:
    """An INVITE without an offer: what the first one has offered in a reliable 183 (RFC 3262 5) holds no more."""
    network = inbound(form=InviteForm(supported=("timer", "100rel"), offer="late"))
    network.names.services["_sip._udp.pbx.example.net"] = [(1, 0, 5080, "a.example.net"), (2, 0, 5090, "b.example.net")]
    network.names.hosts = {"a.example.net": ["192.0.2.10"], "b.example.net": ["192.0.2.10"]}
    first, second = network.customer(5080), network.customer(5090, accepts)
    record = rung(network, "sip:1234@pbx.example.net")
    first.call.answer(183, first.call.contact + "Require: 100rel\r\nRSeq: 7\r\n", SDP)
    prack = heard(network, first.call, "INVITE", "PRACK")
    first.call.answer(200, "", to=prack)
    first.call.answer(503)
    network.clock.advance(0)
    network.clock.advance(0)
    assert outcomes(record) == [("refused", 503), ("answered", 200)]
    assert not second.call.expect("INVITE").body
    ack = heard(network, second.call, "ACK")
    assert b"m=audio 10000 RTP/AVP 0 " in ack.body and codes(record) == []


def test_a_name_that_nobody_knows(network: Network) -> None:
    record = rung(network, "sip:1234@pbx.example.net")
    network.clock.advance(10)
    assert (record.state, record.status, outcomes(record)) == ("refused", 503, [("not-found", None)])
    assert codes(record) == ["locate.not-found"]
    rest(network)


def test_who_rings_for_ever_is_cancelled(network: Network) -> None:
    """vonage-facts, default 20."""
    customer = network.customer(5080, answers(180))
    record = rung(network, TWO)
    network.clock.advance(59.999)
    assert record.state == "ringing"
    network.clock.advance(0.002)
    customer.call.expect("INVITE")
    cancel = customer.call.expect("CANCEL")
    customer.call.answer(200, "", to=cancel)
    customer.call.answer(487)
    network.clock.advance(0)
    customer.call.expect("ACK")
    assert (record.state, record.status, outcomes(record)) == ("refused", 480, [("no-answer", None)])
    assert codes(record) == ["inbound.no-answer"]
    assert [(what, status) for _, what, status in record.sounds] == [("ringing", 180), ("unavailable", 480)]
    rest(network)


def test_a_provisional_that_comes_too_late_is_cancelled(network: Network) -> None:
    """RFC 3261 9.1: CANCEL as soon as a provisional response has come."""
    first, second = network.customer(5080), network.customer(5090, accepts)
    record = rung(network, TWO)
    network.clock.advance(2.5)
    first.call.answer(180)
    network.clock.advance(0)
    cancel = first.call.inbox[-1]
    assert cancel.method == "CANCEL" and record.state == "answered"
    first.call.answer(200, "", to=cancel)
    first.call.answer(487)
    network.trunk.hang_up(record.id)
    network.clock.advance(0)
    second.call.answer(200, "", to=second.call.inbox[-1])
    rest(network)


@pytest.mark.parametrize("offset", [0.0, 0.001, 0.01, 0.5, 1.0, 5.0, 10.0, 25.0, 29.9])
def test_a_late_200_is_acknowledged_and_hung_up(network: Network, offset: float) -> None:
    """RFC 3261 13.2.2.4; the finding is on the attempt that it belongs to."""
    first, second = network.customer(5080), network.customer(5090, accepts)
    record = rung(network, TWO)
    network.clock.advance(2 + offset)
    assert record.state == "answered"
    first.call.accept()
    network.clock.advance(0)
    first.call.inbox = [message for message in first.call.inbox if message.method != "INVITE"]
    first.call.expect("ACK")
    first.call.answer(200, "", to=first.call.expect("BYE"))
    assert record.state == "answered" and record.attempts[0].late == 200 and "inbound.late-answer" in codes(record)
    assert [finding.code for finding in record.attempts[0].findings] == ["inbound.timeout", "inbound.late-answer"]
    network.trunk.hang_up(record.id)
    network.clock.advance(0)
    second.call.answer(200, "", to=second.call.inbox[-1])
    rest(network)


def test_a_cancel_that_crosses_the_200(network: Network) -> None:
    """With the clock of a target running until the final response."""
    network = inbound(hunt=ForwardingPolicy(timeout_until="final"))
    first, second = network.customer(5080, answers(180)), network.customer(5090, accepts)
    record = rung(network, TWO)
    network.clock.advance(2)
    first.call.accept()  # before the CANCEL has arrived
    network.clock.advance(0)
    first.call.expect("INVITE", "CANCEL", "ACK")
    first.call.answer(200, "", to=first.call.expect("BYE"))
    first.call.answer(481, "", to=next(message for message in [first.call.invited] if message))
    assert record.state == "answered" and record.attempts[0].late == 200 and outcomes(record) == [("timeout", None), ("answered", 200)]
    network.trunk.hang_up(record.id)
    network.clock.advance(0)
    second.call.answer(200, "", to=second.call.inbox[-1])
    rest(network)


def test_fifty_hunts_at_once(network: Network) -> None:
    """Mixed outcomes, and nothing is left over."""
    network.trunk.exchange.directory.channels = 50
    scripts = {5081: answers(503), 5082: answers(486), 5083: answers(180), 5085: accepts, 5086: answers(302)}
    for port, script in scripts.items():
        network.customer(port, script)
    network.customer(5084)  # silent
    network.dead["UDP", ("192.0.2.10", 5087)] = "port unreachable (ICMP)"
    ports = [5081, 5082, 5083, 5084, 5085, 5086, 5087]
    records = []
    for at in range(50):
        order = [ports[(at + k) % 7] for k in range(7)]
        records.append(rung(network, ",".join(f"sip:{k}@192.0.2.10:{port};timeout=2000" for k, port in enumerate(order)), talk=5.0))
    network.clock.advance(100)
    for customer in network.customers.values():
        for call in customer.calls:
            for message in call.inbox:
                if message.method in ("BYE", "CANCEL"):
                    call.answer(200, "", to=message)
                if message.method == "CANCEL":
                    call.answer(487)
    rest(network)
    states = [(record.state, record.status) for record in records]
    wanted = {0: ("refused", 486), 1: ("refused", 486), 2: ("refused", 480), 3: ("ended", 200), 4: ("ended", 200), 5: ("refused", 302)}
    for at, state in enumerate(states):
        assert state == wanted.get(at % 7, ("refused", 486)), (at, state)
