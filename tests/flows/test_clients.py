"""INVITEs with the headers of particular clients: the call is set up, and our BYE finds its way."""

import pytest

from tests.support.network import Network
from tests.support.phone import SDP

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


def test_an_ipv6_address_in_the_sdp_of_an_ipv4_call_leaves_the_call_up() -> None:
    """interop-quirks 7: linphone with IPv6 on."""
    network = Network()
    phone = network.phone()
    answered = phone.call(body=SDP.replace("c=IN IP4 192.0.2.10", "c=IN IP6 2001:db8::10"))
    assert b"c=IN IP4 127.0.13.1" in answered.body
    phone.in_dialog("BYE")
    phone.expect(200)
