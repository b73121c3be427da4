"""The INVITE of a call from Vonage, as settings, numbers and targets have it."""

import re
from typing import Any

import pytest

from emulator.trunk.directory import Entry
from emulator.trunk.policy import InboundPolicy, InviteForm, Policy
from tests.support.customer import accepts
from tests.support.network import Network
from tests.support.phone import SDP
from tests.support.rung import CALLER, NUMBER, ONE, codes, inbound, rest, rung


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
