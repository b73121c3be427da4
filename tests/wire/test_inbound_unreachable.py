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
from tests.support.sbc import TLS_PORT, running
from tests.support.serve import Serve, need, own_address, until
from tests.support.sipp import ANSWERS, QUICK, SLOW, Sipp, listens, nobody, receive, wait
from tests.wire.test_connections import messages
from tests.wire.test_inbound_phones import USER, certificate
from tests.wire.test_linphone import PATIENT, together, voice

NAME = "pbx.example.net"


class Server:
    """A TCP port where each connection is met by `behave(connection)` in a thread, until the block ends."""

    def __init__(self, behave: Callable[[socket.socket], None]) -> None:
        self._behave = behave
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.at = "{}:{}".format(*self._listener.getsockname())
        self._open: list[socket.socket] = []
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> "Server":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join(60)
        for sock in (self._listener, *self._open):
            sock.close()

    def _serve(self) -> None:
        while True:
            try:
                connection = self._listener.accept()[0]
            except OSError:
                return
            connection.settimeout(60)
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
def full_backlog() -> Iterator[str]:
    """A port whose listener takes no more connections: attempts get no answer."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        yield "{}:{}".format(*listener.getsockname())


@contextlib.contextmanager
def openssl(directory: Path, *flags: str) -> Iterator[str]:
    """`openssl s_server` at an address of its own."""
    program = need("openssl", "openssl")
    address = own_address()
    command = [program, "s_server", "-accept", f"{address}:{TLS_PORT}", "-cert", str(directory / "certificate.pem")]
    command += ["-key", str(directory / "key.pem"), "-quiet", *flags]
    with running(command, directory / "openssl.log") as process:
        until(lambda: listens(address, TLS_PORT, tcp=True) or process.poll() is not None, "openssl's port")
        if process.poll() is not None:
            pytest.fail((directory / "openssl.log").read_text())
        yield f"{address}:{TLS_PORT}"


def to(at: str, transport: str) -> str:
    return f"sip:1234@{at};transport={transport}{QUICK}"


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
            (to(nobody(), "tcp"), "unreachable", "connection refused"),
            (to(nobody(), "tls"), "unreachable", "connection refused"),
            (to(nobody(), "udp"), "unreachable", "port unreachable (ICMP)"),
            (to(only_1_3, "tls"), "unreachable", "TLS handshake failed: "),
            (to(closing.at, "tls"), "unreachable", "TLS handshake failed: the peer closed the connection"),
            (to(resetting.at, "tls"), "unreachable", "TLS handshake failed: "),
            (to(plain.at, "tls"), "unreachable", "TLS handshake failed: "),
            (to(silent.at, "tls"), "timeout", "no end of the TLS handshake in 2 s"),
            (to(silent.at, "tcp"), "timeout", "no response in 2 s"),
            (to(other.at, "tls"), "timeout", "no end of the TLS handshake in 2 s"),
            (to(full, "tcp"), "timeout", "no connection in 2 s"),
            (to(full, "tls"), "timeout", "no connection in 2 s"),
            (f"sip:1234@nobody.{NAME}", "not-found", ""),
        ]

        def call(forward: str, outcome: str, why: str) -> tuple[dict[str, Any], dict[str, Any]]:
            return ring(serve, f"{forward}, {takes.target()}", talk=0), ring(serve, forward)

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
        with Server(says_nothing) as silent, socket.create_connection((proxy["address"], proxy["tcp"]), timeout=60):
            call = ring(serve, to(silent.at, "tcp"))
            assert call["attempts"][0]["why"] == "too many connections at once"
            until(lambda: len(events("connection.failed")) == 2, "the events: which bound, and what it cost")
            assert all(silent.at in line for line in events("connection.failed"))
            assert not events("connection.refused")
            with socket.socket() as other:
                other.bind(("127.0.0.1", 0))
                other.settimeout(60)
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
        assert begin.wait(60)
        with context.wrap_socket(connection, server_side=True) as secure:
            callee = Callee(secure.sendall, "127.0.0.1", 9, "TLS")
            (callee.invited,) = messages(secure, 1)
            invited.append(callee.invited.get("call-id") or "")
            callee.answer(486)
            messages(secure, 1)  # ACK

    with Server(late) as server:
        first = ring(serve, to(server.at, "tls"))
        assert outcomes(first) == [(1, "timeout", None)] and first["status"] == 486
        begin.set()
        second = ring(serve, to(server.at, "tls"))
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
        call = ring(serve, to(server.at, "tls"), talk=0)
        assert (call["state"], call["ended_by"], outcomes(call)) == ("ended", "caller", [(1, "answered", 200)])
        until(lambda: len(got) == 2, "ACK and BYE")
    assert got == [f"{method} sip:callee@127.0.0.1:9;transport=tls SIP/2.0" for method in ("ACK", "BYE")]


def test_a_certificate_that_is_not_trusted_when_it_is_looked_at(tmp_path: Path) -> None:
    """`tls.verify_customer`; who is trusted and has another name is refused too."""
    certificate(tmp_path)
    (tmp_path / "other").mkdir()
    certificate(tmp_path / "other", "other.example.net")
    ca = str(tmp_path / "certificate.pem")
    with openssl(tmp_path, "-tls1_2") as trusted, openssl(tmp_path / "other", "-tls1_2") as untrusted:
        at = {NAME: trusted, "wrong.example.net": trusted, "other.example.net": untrusted}
        hosts = ", ".join(f"{name}: {where.partition(':')[0]}" for name, where in at.items())
        (tmp_path / "vsim.yaml").write_text(f"dns: {{hosts: {{{hosts}}}}}\n")
        serve = Serve(tmp_path, env={"VSIM_TLS_VERIFY_CUSTOMER": "true", "VSIM_TLS_CUSTOMER_CA": ca})
        try:
            right, wrong_name, unknown = (ring(serve, f"sip:1@{name}:{TLS_PORT};transport=tls{SLOW}") for name in at)
            serve.check()
        finally:
            serve.stop()
    assert right["attempts"][0]["why"] == "the peer closed the connection"  # openssl has read the INVITE
    refused = "TLS handshake failed: the certificate is refused: "
    assert wrong_name["attempts"][0]["why"] == f"{refused}it is for {NAME}, not for wrong.example.net"
    assert unknown["attempts"][0]["why"].startswith(f"{refused}it is self-signed")
    assert {wrong_name["status"], unknown["status"]} == {503}


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
            "_sip._udp.closed": (nobody(), udp.at), "_sip._udp.silent": (silent.at, udp.at),
            "_sip._tcp.closed": (nobody(), tcp.at), "_sips._tcp.broken": (only_1_3, f"127.0.0.1:{phone.listens()['tls']}"),
        }  # fmt: skip
        lines, hosts = [], []
        for name, both_at in services.items():
            (dead, closed), (alive, taken) = (where.split(":") for where in both_at)
            host = f"{name[1:].replace('._', '-')}.{NAME}"
            lines.append(f'    "{name}.{NAME}": ["10 50 {closed} one.{host}", "20 50 {taken} two.{host}"]')
            hosts += [f"    one.{host}: {dead}", f"    two.{host}: {alive}"]
        (tmp_path / "vsim.yaml").write_text("\n".join(("dns:", "  services:", *lines, "  hosts:", *hosts, "")))
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
