"""An emulator on ::1: whole calls over each transport, media, names."""

import socket
from pathlib import Path

import dns.message
import dns.query
import pytest

from tests.support.phone import SDP, Phone, Received
from tests.support.serve import Serve
from tests.wire.test_connections import dial, messages


@pytest.fixture(scope="module")
def serve(tmp_path_factory: pytest.TempPathFactory):  # type: ignore[no-untyped-def]
    emulator = Serve(Path(tmp_path_factory.mktemp("ipv6")), "--layout", "ports", "--bind", "::1")
    yield emulator
    emulator.check()
    emulator.stop()


class Wire:
    """A socket to a proxy, whichever the transport."""

    def __init__(self, serve: Serve, transport: str) -> None:
        proxy = serve.proxy()
        if transport == "UDP":
            self.sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
            self.sock.connect((proxy["address"], proxy["udp"]))
            self.sock.settimeout(60)
        else:
            self.sock = dial(proxy, transport)
        self.transport = transport

    def receive(self, count: int) -> list[Received]:
        if self.transport == "UDP":
            return [Received(self.sock.recv(65535)) for _ in range(count)]
        return messages(self.sock, count)


@pytest.mark.parametrize("transport", ["UDP", "TCP", "TLS"])
def test_a_call_over_ipv6_with_its_media(serve: Serve, transport: str) -> None:
    wire = Wire(serve, transport)
    host, port = wire.sock.getsockname()[:2]
    with wire.sock, socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as media:
        media.bind(("::1", 0))
        media.settimeout(60)
        sdp = SDP.replace("IP4 192.0.2.10", "IP6 ::1").replace("m=audio 4000", f"m=audio {media.getsockname()[1]}")
        phone = Phone(wire.sock.send, f"[{host}]", port, f"[::1]:{serve.proxy()[transport.lower()]}", transport)
        phone.invite(body=sdp)
        (challenged,) = wire.receive(1)
        assert f";received={host}" in (challenged.get("via") or "")
        phone.ack(challenged)
        phone.invite(extra=phone.credentials(challenged), body=sdp)
        trying, ringing, answered = wire.receive(3)
        assert (trying.status, ringing.status, answered.status) == (100, 180, 200)
        assert "c=IN IP6 ::1\r\n" in answered.body.decode()
        assert "@[::1]:" in (answered.get("contact") or "")
        phone.ack(answered)
        number = int(answered.body.decode().partition("m=audio ")[2].split()[0])
        packet = bytes.fromhex("80000001000000a0deadbeef") + b"\x55" * 160
        media.sendto(packet, ("::1", number))
        echo, peer = media.recvfrom(2000)
        assert echo[12:] == packet[12:] and peer[1] == number
        phone.in_dialog("BYE")
        assert [message.status for message in wire.receive(1)] == [200]


def test_names_have_ipv6_addresses(serve: Serve) -> None:
    at = serve.endpoints["dns"]
    query = dns.message.make_query("sip-us.vonage.com", "AAAA")
    answer = dns.query.udp(query, at["address"], 60, at["port"])
    assert [rdata.to_text() for rdata in answer.answer[0]] == ["::1"]
