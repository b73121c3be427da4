"""Calls from Vonage over an in-memory network: the INVITE, the hunt, the call, its end."""

import gc
import re
from typing import Any

import pytest

from emulator.journal.capture import capture
from emulator.journal.ladder import ladder
from emulator.journal.record import CallRecord
from emulator.media.port import Exhausted
from emulator.media.stream import Stream
from emulator.sip.calling import Invitation
from emulator.sip.transaction import InviteClient
from emulator.trunk.callers import Ring
from emulator.trunk.directory import Entry
from emulator.trunk.forwarding import Hunt
from emulator.trunk.inbound import InboundCall
from emulator.trunk.leg import Leg
from emulator.trunk.policy import ForwardingPolicy, InboundPolicy, InviteForm, Policy
from tests.support.callee import Callee
from tests.support.customer import Customer, accepts, answers
from tests.support.network import MemoryPort, Network
from tests.support.pcapng import read
from tests.support.phone import SDP

NUMBER = "447700900000"
CALLER = "14155550100"
ONE = "sip:1234@192.0.2.10:5080"
TWO = f"{ONE};timeout=2000, sip:1234@192.0.2.10:5090"


@pytest.fixture
def network() -> Network:
    return Network()


def rung(network: Network, forward: str | None = ONE, **how: Any) -> CallRecord:
    """A call to the default number, as far as it comes in no time."""
    how.setdefault("caller", CALLER)
    record = network.trunk.ring(Ring(number=how.pop("number", NUMBER), forward=forward, **how))
    network.clock.advance(0)
    return record


def up(network: Network, forward: str = ONE, **how: Any) -> tuple[CallRecord, Callee]:
    """A call that is up, and the customer's side of it."""
    customer = network.customers.get(("UDP", ("192.0.2.10", 5080))) or network.customer(script=accepts)
    record = rung(network, forward, **how)
    network.clock.advance(0)
    assert record.state == "answered"
    customer.call.expect("INVITE", "ACK")
    return record, customer.call


def inbound(**how: Any) -> Network:
    return Network(Policy(inbound=InboundPolicy(**how)))


def heard(network: Network, customer: Callee, *starts: int | str) -> Any:
    """What the customer has heard by now."""
    network.clock.advance(0)
    return customer.expect(*starts)


def outcomes(record: CallRecord) -> list[tuple[str, int | None]]:
    return [(attempt.outcome, attempt.status) for attempt in record.attempts]


def codes(record: CallRecord) -> list[str]:
    return [finding.code for finding in record.findings]


def rest(network: Network) -> None:
    """Nothing is left over, however long one waits."""
    network.clock.advance(120)
    assert network.idle and not network.clock.pending and not network.errors
    assert not network.trunk.exchange.directory.taken(NUMBER)


# -- the INVITE ---------------------------------------------------------------------------------------------------


def test_the_invite_is_as_vonage_sends_it(network: Network) -> None:
    """vonage-facts, defaults 27, 28 and 30, as far as sources go; the rest is vsim's own."""
    customer = network.customer()
    rung(network)
    invite = customer.call.expect("INVITE")
    assert invite.start == "INVITE sip:1234@192.0.2.10:5080 SIP/2.0"
    assert invite.get("to") == "<sip:447700900000@sip.nexmo.com>"
    assert re.fullmatch(r"<sip:14155550100@sip\.nexmo\.com>;tag=[0-9a-f]{16}", invite.get("from") or "")
    assert invite.get("p-asserted-identity") == "<sip:14155550100@sip.nexmo.com>"
    assert invite.get("contact") == "<sip:14155550100@127.0.23.1:5060>"  # the first proxy of Europe, for the number is British
    assert (invite.get("via") or "").startswith("SIP/2.0/UDP 127.0.23.1:5060;branch=z9hG4bK")
    assert (invite.get("max-forwards"), invite.get("supported"), invite.get("session-expires")) == ("70", "timer", None)
    assert invite.get("allow") == "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, PRACK" and invite.get("user-agent") == "vsim/test"
    assert invite.get("privacy") is None and invite.get("cseq") == "1 INVITE"
    offer = invite.body.decode()
    assert "c=IN IP4 127.0.23.1\r\n" in offer and "m=audio 10000 RTP/AVP 8 0 9 18 97 98 101\r\n" in offer
    for line in ("a=fmtp:18 annexb=no", "a=fmtp:97 mode=30", "a=rtpmap:98 speex/16000", "a=fmtp:101 0-15", "a=ptime:20", "a=sendrecv"):
        assert f"{line}\r\n" in offer


def test_a_us_number_is_offered_pcmu_first_by_the_us_proxy(network: Network) -> None:
    customer = network.customer()
    rung(network, number="14155550199")
    invite = customer.call.expect("INVITE")
    assert "RTP/AVP 0 8 9 18 97 98 101" in invite.body.decode() and (invite.get("contact") or "").endswith("@127.0.13.1:5060>")


@pytest.mark.parametrize(("how", "proxy"), [
    ({"proxy": "ap-4-2"}, "ap-4-2"), ({"region": "ap"}, "ap-3-1"), ({"number": "61255550100"}, "ap-3-1"),
    ({"number": "5511955550100"}, "us-3-1"),
    ({"number": "971501234567"}, "eu-3-1"), ({"number": "27110000000"}, "eu-3-1"),
])  # fmt: skip
def test_which_proxy_calls(network: Network, how: dict[str, Any], proxy: str) -> None:
    customer = network.customer()
    record = rung(network, **how)
    address = network.trunk.proxies[proxy].place.address
    invite = customer.call.expect("INVITE")
    assert (
        record.proxy == proxy and f"@{address}:5060>" in (invite.get("contact") or "") and f"IN IP4 {address}\r\n" in invite.body.decode()
    )


def test_the_region_of_a_number_is_a_setting_and_its_proxies_may_take_turns() -> None:
    network = inbound(proxies="rotate")
    network.trunk.exchange.directory.put(Entry(NUMBER, ONE, region="us"))
    proxies = [rung(network, None).proxy for _ in range(5)]
    assert proxies == ["us-3-1", "us-3-2", "us-4-1", "us-4-2", "us-3-1"]


@pytest.mark.parametrize("how", [{"anonymous": True}, {"caller": ""}])
def test_a_hidden_caller(network: Network, how: dict[str, Any]) -> None:
    """vonage-facts, default 28; RFC 3323 4.1."""
    customer = network.customer()
    record = rung(network, **how)
    invite = customer.call.expect("INVITE")
    assert (invite.get("from") or "").startswith('"Anonymous" <sip:anonymous@anonymous.invalid>;tag=')
    assert invite.get("p-asserted-identity") is None and invite.get("privacy") == "id" and CALLER not in invite.data.decode()
    assert record.caller == "anonymous"


def test_what_the_invite_says_is_settings() -> None:
    form = InviteForm("region", True, False, False, ("timer", "replaces"), headers={"X-Number": "{number}", "X-Proxy": "{proxy}"})
    network = Network(Policy(inbound=InboundPolicy(form=form, session_expires=600)))
    customer = network.customer()
    rung(network, headers={"X-Mine": "yes"})
    invite = customer.call.expect("INVITE")
    assert (invite.get("from") or "").startswith("<sip:+14155550100@sip-eu.vonage.com>;tag=")
    assert invite.get("to") == "<sip:+447700900000@sip-eu.vonage.com>"
    assert invite.all("supported") == ["replaces", "timer"] and (invite.get("session-expires"), invite.get("min-se")) == ("600", "90")
    assert invite.get("p-asserted-identity") is None
    assert (invite.get("x-number"), invite.get("x-proxy"), invite.get("x-mine")) == (NUMBER, "sip-eu-3-1.vonage.com", "yes")


def test_a_host_without_a_user_gets_the_number_and_uris_keep_their_parameters(network: Network) -> None:
    """vonage-facts 6: the dialled number in the Request-URI's user part."""
    customer = network.customer(5060)
    rung(network, "192.0.2.10;timeout=3000;x-line=2")
    assert customer.call.expect("INVITE").start == f"INVITE sip:{NUMBER}@192.0.2.10;x-line=2 SIP/2.0"


@pytest.mark.parametrize("transport", ["TCP", "TLS"])
def test_over_connections(network: Network, transport: str) -> None:
    customer = network.customer(5099, accepts, transport)
    record = rung(network, f"sip:1234@192.0.2.10:5099;transport={transport.lower()}", talk=1.0)
    network.clock.advance(0)
    invite = customer.call.expect("INVITE")
    port = 5061 if transport == "TLS" else 5060
    assert invite.get("contact") == f"<sip:14155550100@127.0.23.1:{port};transport={transport.lower()}>"
    assert record.state == "answered" and record.transport == transport
    customer.call.expect("ACK")
    network.clock.advance(1)
    customer.call.answer(200, "", to=customer.call.expect("BYE"))
    rest(network)


def test_the_contact_of_a_call_to_a_sips_uri_is_one_too(network: Network) -> None:
    """RFC 3261 8.1.1.8."""
    customer = network.customer(5081, accepts, "TLS")
    rung(network, "sips:1234@192.0.2.10:5081")
    invite = customer.call.expect("INVITE")
    assert invite.start == "INVITE sips:1234@192.0.2.10:5081 SIP/2.0"
    assert invite.get("contact") == "<sips:14155550100@127.0.23.1:5061>"


def test_srtp_where_the_target_or_the_ring_says_so(network: Network) -> None:
    """The page: "SRTP"; RTP/SAVP with the one suite."""
    customer = network.customer()
    record = rung(network, f"{ONE};media=srtp")
    offer = customer.call.expect("INVITE").body.decode()
    assert "RTP/SAVP 8 0" in offer and re.search(r"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:[A-Za-z0-9+/]{40}\r\n", offer)
    line = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" + "A" * 40
    customer.call.answer(200, None, SDP.replace("RTP/AVP 0 8", "RTP/SAVP 0 8") + line + "\r\n")
    assert record.state == "answered" and record.media is not None and record.media.snapshot()["srtp"]
    assert "srtp.in-clear" in codes(record)
    rung(network, srtp=True)
    assert "RTP/SAVP" in customer.call.expect("INVITE").body.decode()
    rung(network, f"{ONE};media=srtp", srtp=False)
    assert "RTP/AVP " in customer.call.expect("INVITE").body.decode()


# -- the hunt -----------------------------------------------------------------------------------------------------


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
    ("transport", "why"), [("UDP", "port unreachable (ICMP)"), ("TCP", "connection refused"), ("TLS", "TLS handshake failed: self-signed")]
)
def test_who_can_not_be_reached_is_passed_over(network: Network, transport: str, why: str) -> None:
    network.dead[transport, ("192.0.2.10", 5080)] = why
    second = network.customer(5090, accepts)
    record = rung(network, f"{ONE};transport={transport.lower()}, sip:1234@192.0.2.10:5090")
    network.clock.advance(0)
    assert outcomes(record) == [("unreachable", None), ("answered", 200)] and record.attempts[0].why == why
    assert codes(record)[0] == "inbound.unreachable"
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


# -- what the caller hears ----------------------------------------------------------------------------------------


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


# -- the caller ---------------------------------------------------------------------------------------------------


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


# -- the call -----------------------------------------------------------------------------------------------------


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


# -- whether it rings at all --------------------------------------------------------------------------------------


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


def test_a_call_that_is_over_is_freed_at_once() -> None:
    """However it went: nothing waits for the garbage collector, whose walks cost a busy trunk a third of a call."""
    network = Network()
    network.customer(script=accepts)
    network.customer(5090, answers(486))
    gc.collect()
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
        left = [type(one).__name__ for one in gc.get_objects() if isinstance(one, (InboundCall, Hunt, Invitation, InviteClient, Leg))]
    finally:
        gc.enable()
    assert left == []
