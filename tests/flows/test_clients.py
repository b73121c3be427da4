"""INVITEs with the headers of particular clients: the call is set up, and our BYE finds its way."""

import pytest

from tests.support.network import Network
from tests.support.phone import SDP, Phone

CLIENTS = {
    "FreeSWITCH": (
        "sip:gw+trunk@192.0.2.10:5070;transport=udp;gw=trunk",
        "Session-Expires: 1800;refresher=uac\r\nMin-SE: 90\r\nSupported: timer, path, replaces\r\nX-FS-Support: update_display\r\n"
        'Remote-Party-ID: "447700900000" <sip:447700900000@192.0.2.10>;party=calling;screen=yes;privacy=off\r\n'
        "Content-Disposition: session\r\nAllow-Events: talk, hold, conference, refer\r\n",
    ),
    "linphone": (
        'sip:192.0.2.10:5070>;+sip.instance="<urn:uuid:0b2c>"',
        "Supported: replaces, outbound, gruu, path, record-aware\r\n",
    ),
    "PJSIP": (
        "sip:447700900000@192.0.2.10:5070;ob",
        "Supported: replaces, 100rel, timer, norefersub\r\nSession-Expires: 1800\r\nMin-SE: 90\r\n",
    ),
    "baresip": ("sip:447700900000-0x55f066f877d0@192.0.2.10:5070", "Supported: gruu, histinfo\r\n"),
}


@pytest.mark.parametrize("client", CLIENTS)
def test_the_headers_of_a_client_do_no_harm(client: str) -> None:
    """interop-quirks 22, 25 and 26."""
    network = Network()
    phone = network.phone()
    contact, headers = CLIENTS[client]
    uri, _, parameters = contact.partition(">")
    send = phone._send
    phone._send = lambda data: send(data.replace(b"<sip:447700900000@192.0.2.10:5070>", f"<{uri}>{parameters}".encode()))
    phone.call(extra=headers)
    network.trunk.hang_up("last")
    bye = phone.expect("BYE")
    assert bye.start == f"BYE {uri} SIP/2.0"
    phone.respond(bye, 200)
    assert network.journal.get("last").ended_by == "trunk"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("uri", "to", "from_"),
    [
        ("sip:442071234567@sip-us.vonage.com:5060", "<sip:442071234567@sip-us.vonage.com>", "f: <sip:447700900000@sip-us.vonage.com>"),
        ("sip:442071234567@127.0.13.1:5061;transport=tls", "<sip:442071234567@sip-us.vonage.com:5061;transport=tls>", ""),
        ("sip:442071234567@127.0.13.1;transport=tls;transport=tls", "<sip:442071234567@127.0.13.1;transport=tls;transport=tls>", ""),
        ("sip:442071234567@sip-us.vonage.com", "sip:442071234567@sip-us.vonage.com", "From: sip:447700900000@192.0.2.10"),
        ("sip:442071234567@sip-us.vonage.com", "<sip:00442071234567@192.0.2.10:5070>", "f: sip:447700900000@192.0.2.10"),
    ],
    ids=["a port", "a transport", "a transport twice", "no brackets", "another To"],
)
def test_addresses_as_clients_write_them(network: Network, uri: str, to: str, from_: str) -> None:
    """interop-quirks 19: baresip, PJSIP, linphone. What To and From say comes back as it was, with our tag behind it, and in our BYE."""
    phone = network.phone()
    own = f"From: <sip:447700900000@{phone.server}>"
    from_ = from_ or own
    send = phone._send
    phone._send = lambda data: send(data.replace(f"To: <{uri}>".encode(), f"To: {to}".encode()).replace(own.encode(), from_.encode()))
    phone.invite(uri=uri)
    challenged = phone.expect(407)
    phone.ack(challenged)
    phone.invite(extra=phone.credentials(challenged), uri=uri)
    answered = phone.expect(100, 180, 200)
    assert (answered.get("to") or "").startswith(f"{to};tag=") and answered.get(
        "from"
    ) == f"{from_.partition(': ')[2]};tag={phone.from_tag}"
    phone.ack(answered)
    network.trunk.hang_up("last")
    bye = phone.expect("BYE")
    assert bye.get("from") == answered.get("to") and bye.get("to") == answered.get("from")
    phone.respond(bye, 200)
    assert network.journal.get("last").findings == []  # type: ignore[union-attr]


def test_an_ipv6_address_in_the_sdp_of_an_ipv4_call_leaves_the_call_up() -> None:
    """interop-quirks 7: linphone with IPv6 on."""
    network = Network()
    phone = network.phone()
    answered = phone.call(body=SDP.replace("c=IN IP4 192.0.2.10", "c=IN IP6 2001:db8::10"))
    assert b"c=IN IP4 127.0.13.1" in answered.body
    phone.in_dialog("BYE")
    phone.expect(200)


def restarted(network: Network, phone: Phone) -> Phone:
    """The same client after it was started anew: it counts from the beginning again, and only its tags are random."""
    again = network.phone()
    again.call_id, again.from_tag = phone.call_id, f"{phone.from_tag}-anew"
    again.branch = phone.branch + 100  # theirs too are made of the counter, and alike again: a transaction lives for 32 s only
    return again


def test_a_call_id_that_a_client_uses_again_is_another_call(network: Network) -> None:
    """pyVoIP and rfcvoip make their Call-IDs of a counter: after a restart each is one that was used before."""
    phone = network.phone()
    phone.call()
    phone.in_dialog("BYE")
    phone.expect(200)
    refused = restarted(network, phone)
    refused.dial("447700900486")
    refused.ack(refused.expect(486))
    challenged = restarted(network, refused)
    challenged.invite()
    challenged.expect(407)
    last = restarted(network, challenged)
    last.call()
    records = list(network.journal.calls())
    assert [(record.id, record.state) for record in records] == [("4", "answered"), ("3", "challenged"), ("2", "refused"), ("1", "ended")]
    assert {record.call_id for record in records} == {phone.call_id}
    last.in_dialog("BYE")
    last.expect(200)
    assert records[0].ended_by == "caller" and [record.messages[0][2][:6] for record in records] == ["us-3-1"] * 4
    assert network.journal.get("1") is records[3] and network.journal.get("last") is records[0]


def test_what_follows_a_refusal_under_its_call_id_is_the_same_call(network: Network) -> None:
    """8.1.3.5: corrected, with a CSeq one higher. pyVoIP takes another From tag when it answers a challenge; kamailio keeps the CSeq."""
    phone = network.phone()
    phone.invite()
    challenged = phone.expect(407)
    phone.from_tag = "another"
    phone.invite("447700900486", phone.credentials(challenged, "sip:447700900486@sip-us.vonage.com"))
    phone.expect(486)
    phone.dial()
    phone.ack(phone.expect(100, 180, 200))
    again = phone.request("INVITE", phone.invite_uri, body=SDP, cseq=phone.cseq, to=f"<{phone.invite_uri}>")
    phone.in_dialog("BYE")
    phone.expect(200)
    phone.transmit(again)  # what a network delivers late is no call
    assert [record.id for record in network.journal.calls()] == ["1"]
