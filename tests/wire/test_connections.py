"""TCP and TLS connections that do not behave: gone before the answer, half open, reset, or full of what is no SIP."""

import socket
import ssl
import struct
from pathlib import Path

import pytest

from tests.support.phone import Phone, Received
from tests.support.serve import DEADLINE, Serve, until


def dial(proxy: dict[str, object], transport: str) -> socket.socket:
    """A connection to a proxy."""
    sock = socket.create_connection((str(proxy["address"]), int(str(proxy[transport.lower()]))), timeout=DEADLINE)
    if transport == "TLS":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return context.wrap_socket(sock)
    return sock


def messages(sock: socket.socket, count: int) -> list[Received]:
    """The next `count` messages of a stream."""
    data, found = b"", []
    while len(found) < count:
        head, separator, rest = data.partition(b"\r\n\r\n")
        length = int(next(line for line in head.split(b"\r\n") if line.startswith(b"Content-Length")).split()[1]) if separator else 0
        if separator and len(rest) >= length:
            found.append(Received(head + separator + rest[:length]))
            data = rest[length:]
            continue
        more = sock.recv(65536)
        assert more, f"closed after {len(found)} of {count} messages"
        data += more
    return found


@pytest.mark.parametrize("transport", ["TCP", "TLS"])
def test_an_answer_whose_connection_has_gone_comes_to_the_port_of_the_via(tmp_path: Path, transport: str) -> None:
    (tmp_path / "vsim.yaml").write_text("policy: {answer_after: 3}\n")
    serve = Serve(tmp_path)
    try:
        proxy = serve.proxy("us-3-1")
        with socket.create_server(("127.0.0.1", 0)) as listening:
            listening.settimeout(DEADLINE)
            sock = dial(proxy, transport)
            phone = Phone(sock.sendall, "127.0.0.1", listening.getsockname()[1], transport=transport)
            phone.invite()
            (challenged,) = messages(sock, 1)
            phone.ack(challenged)
            phone.invite(extra=phone.credentials(challenged))
            assert [message.status for message in messages(sock, 2)] == [100, 180]
            sock.close()
            back, _ = listening.accept()
            if transport == "TLS":
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(
                    Path(serve.endpoints["ca"]).with_name("server.pem"), Path(serve.endpoints["ca"]).with_name("server.key")
                )
                back = context.wrap_socket(back, server_side=True)
            back.settimeout(DEADLINE)
            with back:
                (answered,) = messages(back, 1)
                assert answered.status == 200
                phone._send = back.sendall
                phone.ack(answered)
                phone.in_dialog("BYE")
                assert [message.status for message in messages(back, 1)] == [200]
        serve.check()
    finally:
        serve.stop()


def test_an_answer_that_nobody_takes_is_a_finding(tmp_path: Path) -> None:
    (tmp_path / "vsim.yaml").write_text("policy: {answer_after: 3}\n")
    serve = Serve(tmp_path)
    try:
        port = 9  # nobody's: the system hands it to no one
        sock = dial(serve.proxy("us-3-1"), "TCP")
        phone = Phone(sock.sendall, "127.0.0.1", port, transport="TCP")
        phone.invite()
        (challenged,) = messages(sock, 1)
        phone.ack(challenged)
        phone.invite(extra=phone.credentials(challenged))
        messages(sock, 2)
        sock.close()
        until(lambda: "stream.gone" in serve.events(), "the finding")
        serve.check()
    finally:
        serve.stop()


def test_connections_that_are_reset_or_stall_harm_nobody(serve: Serve) -> None:
    proxy = serve.proxy("eu-3-1")
    for k in range(1000):
        sock = socket.create_connection((proxy["address"], proxy["tls" if k % 2 else "tcp"]), timeout=DEADLINE)
        if k % 3:
            sock.send((b"INVITE sip:1@x SIP/2.0\r\nVia: ", b"\x16\x03\x01\x02\x00\x01\x00")[k % 2])
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.close()
    with dial(proxy, "TCP") as sock:
        sock.sendall(b"OPTIONS sip:x SIP/2.0\r\nContent-Length: 2147483648\r\n\r\n")
        assert sock.recv(100) == b""  # closed at once: a body that large is never waited for
    half = [socket.create_connection((proxy["address"], proxy[("tcp", "tls")[k % 2]]), timeout=DEADLINE) for k in range(300)]
    try:
        for transport in ("TCP", "TLS"):
            with dial(proxy, transport) as sock:
                phone = Phone(sock.sendall, transport=transport)
                phone.transmit(phone.request("OPTIONS", "sip:sip-eu.vonage.com"))
                assert [message.status for message in messages(sock, 1)] == [200]
    finally:
        for sock in half:
            sock.close()
    serve.check()


def test_the_control_api_answers_however_many_connections_there_were(serve: Serve) -> None:
    """Those that were reset, cut or nonsense as well; at most 200 at a time (robustness 17)."""
    host, _, port = serve.endpoints["control"].rpartition("//")[2].rpartition(":")
    for octets, resets in (
        (b"GET /v1/held HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n", False),
        (b"GET / HTTP/1.1\r\nHo", True),
        (b"POST /v1/reset HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2000\r\n\r\nxx", False),
        (b"GE\0T / HTTP/1.1\r\nHost: x\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n", False),
    ):
        for _ in range(120):
            with socket.create_connection((host, int(port)), timeout=DEADLINE) as sock:
                sock.sendall(octets)
                if resets:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                elif octets.startswith(b"GET"):
                    assert sock.recv(100).startswith(b"HTTP/1.1 200 ")
    assert serve.cli("calls").returncode == 0
