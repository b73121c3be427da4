"""Nothing answers a spoofed datagram with much more than it received (robustness: amplification at most 2.0, retransmissions included)."""

import pytest

from tests.support.network import Network

HEAD = (
    "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.10:5070;branch=z9hG4bK-{tag};rport\r\nMax-Forwards: {hops}\r\n"
    "From: <sip:447700900000@sip-us.vonage.com>;tag={tag}\r\nTo: <{uri}>{to}\r\nCall-ID: {tag}\r\nCSeq: 1 {method}\r\n"
    "Contact: <sip:447700900000@192.0.2.10>\r\n{extra}Content-Length: 0\r\n\r\n"
)
INVITE = {"method": "INVITE", "uri": "sip:442071234567@sip-us.vonage.com", "hops": "70", "to": "", "extra": "", "tag": "a"}
REQUESTS: dict[str, dict[str, str]] = {
    "challenged": {},
    "scheme": {"uri": "http://example.com/"},
    "required": {"extra": "Require: nothing-of-the-kind\r\n"},
    "hops": {"hops": "0"},
    "no such hops": {"hops": "many"},
    "no region": {"uri": "sip:442071234567@mytrunk.sip.vonage.com"},
    "wrong credentials": {
        "extra": 'Proxy-Authorization: Digest username="abcd1234", realm="sip-us.vonage.com", nonce="0", uri="sip:1", response="0"\r\n'
    },
    "no dialog": {"to": ";tag=none"},
    "options": {"method": "OPTIONS"},
    "bye": {"method": "BYE", "to": ";tag=none"},
    "cancel": {"method": "CANCEL"},
    "register": {"method": "REGISTER"},
    "message": {"method": "MESSAGE"},
    "unknown": {"method": "FROBNICATE"},
    "prack": {"method": "PRACK", "to": ";tag=none"},
}


@pytest.mark.parametrize("name", REQUESTS)
def test_a_stranger_gets_little_more_than_was_sent(name: str) -> None:
    network = Network()
    phone = network.phone()
    how = {
        "method": "INVITE",
        "uri": "sip:442071234567@sip-us.vonage.com",
        "hops": "70",
        "to": "",
        "extra": "",
        "tag": "a",
        **REQUESTS[name],
    }
    text = HEAD.format(**how)
    phone.transmit(text)
    network.clock.advance(64)  # nobody acknowledges
    octets = sum(len(message.data) for message in phone.inbox)
    assert phone.inbox and octets / len(text) <= 2.0, "\n".join(phone.log)
    assert not network.endpoint().transactions


def test_the_same_request_twice_in_a_row_is_no_lever() -> None:
    """Each datagram pays for its own answer."""
    network = Network()
    phone = network.phone()
    text = HEAD.format(**{**INVITE, "extra": "Require: x\r\n"})
    for _ in range(10):
        phone.transmit(text)
    network.clock.advance(64)
    assert sum(len(message.data) for message in phone.inbox) / (10 * len(text)) <= 2.0
