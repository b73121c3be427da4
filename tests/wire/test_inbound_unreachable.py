"""Customers who can't be reached: closed ports, broken TLS, names without addresses, and names with two of which the first is dead."""

import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.baresip import Baresip
from tests.support.callee import Callee
from tests.support.inbound import codes, hang_up, nothing_left, outcomes, over, ring, sent
from tests.support.phone import SDP
from tests.support.sbc import running
from tests.support.serve import Serve, need, until
from tests.support.sipp import ANSWERS, Sipp, free_port, listens, receive, wait
from tests.wire.test_connections import messages
from tests.wire.test_inbound_phones import USER, certificate
from tests.wire.test_linphone import PATIENT, together, voice

QUICK = ";timeout=2000"
NAME = "pbx.example.net"


class Server:
    """A TCP port where each connection is met by `behave(connection)` in a thread, until the block ends."""

    def __init__(self, behave: Callable[[socket.socket], None]) -> None:
        self._behave = behave
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> "Server":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join(10)
        for sock in (self._listener, *self._open):
            sock.close()

    def _serve(self) -> None:
        while True:
            try:
                connection = self._listener.accept()[0]
            except OSError:
                return
            connection.settimeout(10)
            self._open.append(connection)
            with contextlib.suppress(OSError):
                self._behave(connection)


def closes(connection: socket.socket) -> None:
    """In the middle of the handshake."""
    connection.recv(4096)
    connection.close()


def resets(connection: socket.socket) -> None:
    connection.recv(4096)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def speaks_sip(connection: socket.socket) -> None:
    """And no TLS."""
    connection.recv(4096)
    connection.sendall(b"SIP/2.0 400 Bad Request\r\nContent-Length: 0\r\n\r\n")


def says_nothing(connection: socket.socket) -> None:
    """The connection is there, and that is all."""


@contextlib.contextmanager
def full_backlog() -> Iterator[int]:
    """A port whose listener takes no more connections: attempts get no answer."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


@contextlib.contextmanager
def openssl(directory: Path, *flags: str) -> Iterator[int]:
    """`openssl s_server` at a port of its own."""
    program = need("openssl", "openssl")
    for _ in range(5):
        port = free_port(tcp=True)
        command = [program, "s_server", "-accept", f"127.0.0.1:{port}", "-cert", str(directory / "certificate.pem")]
        command += ["-key", str(directory / "key.pem"), "-quiet", *flags]
        with running(command, directory / "openssl.log") as process:
            until(lambda: listens(port, tcp=True) or process.poll() is not None, "openssl's port")  # noqa: B023 - called in this round
            if process.poll() is None:
                yield port
                return
    pytest.fail((directory / "openssl.log").read_text())


def to(port: int, transport: str) -> str:
    return f"sip:1234@127.0.0.1:{port};transport={transport}{QUICK}"


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    emulator = Serve(tmp_path)
    try:
        yield emulator
        nothing_left(emulator)
        emulator.check()
    finally:
        emulator.stop()


def test_what_can_not_be_reached_makes_room_for_the_next(serve: Serve, tmp_path: Path) -> None:
    """Each is told in plain words, and the next target takes the call; alone it is a 503 for the caller (RFC 3261 8.1.3.1)."""
    certificate(tmp_path)
    with (
        Sipp(tmp_path / "takes", *ANSWERS) as takes, openssl(tmp_path, "-tls1_3") as only_1_3, Server(closes) as closing,
        Server(resets) as resetting, Server(speaks_sip) as plain, Server(says_nothing) as silent,
        Sipp(tmp_path / "tcp", *ANSWERS, transport="tcp") as other, full_backlog() as full,
    ):  # fmt: skip
        cases = [
            (to(free_port(tcp=True), "tcp"), "unreachable", "connection refused"),
            (to(free_port(tcp=True), "tls"), "unreachable", "connection refused"),
            (to(free_port(), "udp"), "unreachable", "port unreachable (ICMP)"),
            (to(only_1_3, "tls"), "unreachable", "TLS handshake failed: "),
            (to(closing.port, "tls"), "unreachable", "TLS handshake failed: the peer closed the connection"),
            (to(resetting.port, "tls"), "unreachable", "TLS handshake failed: "),
            (to(plain.port, "tls"), "unreachable", "TLS handshake failed: "),
            (to(silent.port, "tls"), "timeout", "no end of the TLS handshake in 2 s"),
            (to(silent.port, "tcp"), "timeout", "no response in 2 s"),
            (to(other.port, "tls"), "timeout", "no end of the TLS handshake in 2 s"),
            (to(full, "tcp"), "timeout", "no connection in 2 s"),
            (to(full, "tls"), "timeout", "no connection in 2 s"),
            (f"sip:1234@nobody.{NAME}", "not-found", ""),
        ]

        def call(forward: str, outcome: str, why: str) -> tuple[dict[str, Any], dict[str, Any]]:
            return ring(serve, f"{forward}, {takes.target(parameters=QUICK)}", talk=0), ring(serve, forward)

        for case, (first, alone) in zip(cases, together(call, cases), strict=True):
            forward, outcome, why = case
            assert outcomes(first) == [(1, outcome, None), (2, "answered", 200)] and first["state"] == "ended", (case, first)
            assert first["attempts"][0]["why"].startswith(why), (case, first["attempts"][0])
            assert outcomes(alone) == [(1, outcome, None)] and alone["state"] == "refused", (case, alone)
            assert alone["status"] == (486 if outcome == "timeout" else 503), case
            assert len(codes(first)) == 1 and codes(first) == codes(alone), case
            version = forward == to(only_1_3, "tls")
            assert "TLS" not in why or codes(first) == {"inbound.tls-version" if version else "inbound.tls"}, case
    until(lambda: "connection.failed" in serve.events(), "the event")
    assert "connection.refused" not in serve.events()


def test_whose_connection_it_was_is_told_when_there_are_too_many(tmp_path: Path) -> None:
    serve = Serve(tmp_path, env={"VSIM_LIMITS_CONNECTIONS": "1"})
    proxy = serve.proxy("us-3-1")

    def events(kind: str) -> list[str]:
        return [line for line in serve.events().splitlines() if f" {kind} " in line]

    try:
        with Server(says_nothing) as silent, socket.create_connection((proxy["address"], proxy["tcp"]), timeout=10):
            call = ring(serve, to(silent.port, "tcp"))
            assert call["attempts"][0]["why"] == "too many connections at once"
            until(lambda: len(events("connection.failed")) == 2, "the events: which bound, and what it cost")
            assert all(f"127.0.0.1:{silent.port}" in line for line in events("connection.failed"))
            assert not events("connection.refused")
            with socket.socket() as other:
                other.bind(("127.0.0.1", 0))
                other.settimeout(10)
                with contextlib.suppress(ConnectionResetError):  # it may be over before it is seen to have come about
                    other.connect((proxy["address"], proxy["tcp"]))
                    assert other.recv(1) == b""
                until(lambda: events("connection.refused"), "the event")
                assert f"127.0.0.1:{other.getsockname()[1]}" in events("connection.refused")[0]
        assert len(events("connection.failed")) == 2
        serve.check()
    finally:
        serve.stop()


def test_what_the_hunt_gave_up_does_not_leave_when_its_connection_comes_about_late(serve: Serve, tmp_path: Path) -> None:
    """RFC 3261 9.1; the next call has that connection."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate(tmp_path))
    begin, invited = threading.Event(), list[str]()

    def late(connection: socket.socket) -> None:
        assert begin.wait(10)
        with context.wrap_socket(connection, server_side=True) as secure:
            callee = Callee(secure.sendall, "127.0.0.1", 9, "TLS")
            (callee.invited,) = messages(secure, 1)
            invited.append(callee.invited.get("call-id") or "")
            callee.answer(486)
            messages(secure, 1)  # ACK

    with Server(late) as server:
        first = ring(serve, to(server.port, "tls"))
        assert outcomes(first) == [(1, "timeout", None)] and first["status"] == 486
        begin.set()
        second = ring(serve, to(server.port, "tls"))
        assert outcomes(second) == [(1, "refused", 486)], second["attempts"]
    assert invited == [second["attempts"][0]["call_id"]] != [first["attempts"][0]["call_id"]]


def test_over_tls_a_contact_that_nobody_listens_at_is_reached_over_its_connection(serve: Serve, tmp_path: Path) -> None:
    """interop-quirks 22: ACK and BYE come over the connection that the INVITE came by."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate(tmp_path))
    got: list[str] = []

    def takes(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as secure:
            callee = Callee(secure.sendall, "127.0.0.1", 9, "TLS")
            (callee.invited,) = messages(secure, 1)
            callee.answer(200, "Contact: <sip:callee@127.0.0.1:9;transport=tls>\r\n", SDP.replace("192.0.2.10", "127.0.0.1"))
            ack, bye = messages(secure, 2)
            callee.answer(200, "", to=bye)
            got.extend((ack.start, bye.start))

    with Server(takes) as server:
        call = ring(serve, to(server.port, "tls"), talk=0)
        assert (call["state"], call["ended_by"], outcomes(call)) == ("ended", "caller", [(1, "answered", 200)])
        until(lambda: len(got) == 2, "ACK and BYE")
    assert got == [f"{method} sip:callee@127.0.0.1:9;transport=tls SIP/2.0" for method in ("ACK", "BYE")]


def test_a_certificate_that_is_not_trusted_when_it_is_looked_at(tmp_path: Path) -> None:
    """`tls.verify_customer`; who is trusted and has another name is refused too."""
    certificate(tmp_path)
    (tmp_path / "other").mkdir()
    certificate(tmp_path / "other", "other.example.net")
    (tmp_path / "vsim.yaml").write_text(f"dns: {{hosts: {{{NAME}: 127.0.0.1, wrong.example.net: 127.0.0.1}}}}\n")
    ca = str(tmp_path / "certificate.pem")
    serve = Serve(tmp_path, env={"VSIM_TLS_VERIFY_CUSTOMER": "true", "VSIM_TLS_CUSTOMER_CA": ca})
    try:
        with openssl(tmp_path, "-tls1_2") as trusted, openssl(tmp_path / "other", "-tls1_2") as untrusted:
            right = ring(serve, f"sip:1@{NAME}:{trusted};transport=tls{QUICK}")
            wrong_name = ring(serve, f"sip:1@wrong.example.net:{trusted};transport=tls{QUICK}")
            unknown = ring(serve, f"sip:1@{NAME}:{untrusted};transport=tls{QUICK}")
        assert right["attempts"][0]["why"] == "the peer closed the connection"  # openssl has read the INVITE
        refused = "TLS handshake failed: the certificate is refused: "
        assert wrong_name["attempts"][0]["why"] == f"{refused}it is for {NAME}, not for wrong.example.net"
        assert unknown["attempts"][0]["why"].startswith(f"{refused}it is self-signed")
        assert {wrong_name["status"], unknown["status"]} == {503}
        serve.check()
    finally:
        serve.stop()


def test_a_name_with_two_addresses_of_which_the_first_is_dead(tmp_path: Path) -> None:
    """SRV over each transport (RFC 3263 4.3): closed, silent, broken TLS; the second is tried inside the same target."""
    both = certificate(tmp_path)
    voice(tmp_path / "in.wav", 1, PATIENT)
    with (
        Sipp(tmp_path / "udp", *ANSWERS) as udp, Sipp(tmp_path / "tcp", *ANSWERS, transport="tcp") as tcp,
        Sipp(tmp_path / "silent", receive("INVITE"), wait(20)) as silent, openssl(tmp_path, "-tls1_3") as only_1_3,
        Baresip(tmp_path, "127.0.0.1", "PCMA", account=";answermode=auto", certificate=both) as phone,
    ):  # fmt: skip
        services = {
            "_sip._udp.closed": (free_port(), udp.port), "_sip._udp.silent": (silent.port, udp.port),
            "_sip._tcp.closed": (free_port(tcp=True), tcp.port), "_sips._tcp.broken": (only_1_3, phone.listens()["tls"]),
        }  # fmt: skip
        lines = [
            f'    "{name}.{NAME}": ["10 50 {dead} one.{NAME}", "20 50 {alive} two.{NAME}"]' for name, (dead, alive) in services.items()
        ]
        hosts = f"    one.{NAME}: 127.0.0.1\n    two.{NAME}: 127.0.0.1\n"
        (tmp_path / "vsim.yaml").write_text("dns:\n  services:\n" + "\n".join(lines) + "\n  hosts:\n" + hosts)
        serve = Serve(tmp_path, env={"VSIM_FORWARDING_HOP_TIMEOUT": "1s"})
        try:

            def call(host: str, transport: str, outcome: str) -> None:
                forward = f"sip:{USER}@{host}.{NAME};transport={transport}, {udp.target('never')}"
                call = ring(serve, forward, until="answered")
                assert outcomes(call) == [(1, outcome, None), (1, "answered", 200)], call["attempts"]
                first, second = call["attempts"]
                assert first["call_id"] == second["call_id"] and first["address"] != second["address"]
                invites = [text for text in sent(serve, call) if text.startswith("INVITE ")]
                assert len({text.split("branch=")[1].split(";")[0] for text in invites}) == (2 if outcome == "timeout" else len(invites))
                hang_up(serve, call)
                assert over(serve, call)["state"] == "ended"

            ways = [
                ("closed", "udp", "unreachable"), ("silent", "udp", "timeout"), ("closed", "tcp", "unreachable"),
                ("broken", "tls", "unreachable"),
            ]  # fmt: skip
            together(call, ways)
            assert not [text for text in udp.messages() if "sip:never@" in text]
            nothing_left(serve)
            serve.check()
        finally:
            serve.stop()
