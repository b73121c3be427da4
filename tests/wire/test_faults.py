"""Faults of a running emulator, seen from sockets: proxies down, connections, TLS, names; and the commands that bring them about."""

import json
import re
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from emulator.control.client import Client
from tests.support.phone import Phone, Received
from tests.support.serve import VSIM, Serve, environment, need, run, until
from tests.wire.test_connections import dial, messages
from tests.wire.test_names_and_tls import resolver
from tests.wire.test_sipp import sipp_command

TRANSPORTS = ["UDP", "TCP", "TLS"]


@pytest.fixture
def control(serve: Serve) -> Client:
    return Client(serve.endpoints["control"])


def request(transport: str, method: str = "OPTIONS", number: int = 1) -> bytes:
    mark = time.monotonic_ns()
    return (
        f"{method} sip:someone@sip-us.vonage.com SIP/2.0\r\nVia: SIP/2.0/{transport} 127.0.0.1:5999;branch=z9hG4bK{mark};rport\r\n"
        f"Max-Forwards: 70\r\nFrom: <sip:a@example.net>;tag=1\r\nTo: <sip:someone@sip-us.vonage.com>\r\nCall-ID: {mark}\r\n"
        f"CSeq: {number} {method}\r\nContent-Length: 0\r\n\r\n"
    ).encode()


def datagram(serve: Serve, name: str) -> socket.socket:
    proxy = serve.proxy(name)
    sock = socket.socket(socket.AF_INET6 if ":" in proxy["address"] else socket.AF_INET, socket.SOCK_DGRAM)
    sock.settimeout(PATIENCE)
    sock.connect((proxy["address"], proxy["udp"]))
    return sock


PATIENCE, SILENCE = 60.0, 0.7
"""Seconds within which an answer comes, and those after which none will."""


def check(serve: Serve, transport: str, name: str = "us-3-1", seconds: float = PATIENCE) -> str:
    """What a health check brings: a status, or the name of an error."""
    try:
        if transport == "UDP":
            with datagram(serve, name) as sock:
                sock.settimeout(seconds)
                sock.send(request(transport))
                return str(Received(sock.recv(65536)).status)
        with _connected(serve.proxy(name), transport, seconds) as sock:
            sock.sendall(request(transport))
            return str(messages(sock, 1)[0].status)
    except (OSError, AssertionError) as error:
        return {"timeout": "TimeoutError"}.get(type(error).__name__, type(error).__name__)


def checks(serve: Serve, expected: dict[str, str], name: str = "us-3-1") -> dict[str, str]:
    """What a health check over each transport brings, with patience where an answer is expected."""
    return {how: check(serve, how, name, SILENCE if seen == "TimeoutError" else PATIENCE) for how, seen in expected.items()}


def _connected(proxy: dict[str, Any], transport: str, seconds: float) -> socket.socket:
    sock = socket.create_connection((proxy["address"], proxy[transport.lower()]), timeout=seconds)
    if transport == "TLS":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        try:
            secure = context.wrap_socket(sock, do_handshake_on_connect=False)
        except OSError:
            sock.close()
            raise
        try:
            secure.do_handshake()
        except OSError:
            secure.close()
            raise
        return secure
    return sock


def events(control: Client, kind: str) -> list[dict[str, Any]]:
    return [event for event in control.get("/v1/events")["events"] if event["kind"] == kind]


# -- down and up ---------------------------------------------------------------------------------------------------

SEEN = {
    "drop": {"UDP": "TimeoutError", "TCP": "TimeoutError", "TLS": "TimeoutError"},
    "refuse": {"UDP": "ConnectionRefusedError", "TCP": "ConnectionRefusedError", "TLS": "ConnectionRefusedError"},
    "503": {"UDP": "503", "TCP": "503", "TLS": "503"},
    "reset": {"UDP": "ConnectionRefusedError", "TCP": "ConnectionResetError", "TLS": "ConnectionResetError"},
}


# CPython's ssl leaves a socket that is reset while it is wrapped to the garbage collector, which complains
RESETS = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@RESETS
@pytest.mark.parametrize("how", SEEN)
def test_down_and_up_at_the_same_ports(serve: Serve, control: Client, how: str) -> None:
    for _ in range(2):
        control.post("/v1/down", {"name": "us-3", "how": how})
        assert checks(serve, SEEN[how]) == SEEN[how]
        assert checks(serve, {"UDP": SEEN[how]["UDP"]}, "us-3-2") == {"UDP": SEEN[how]["UDP"]}
        assert {transport: check(serve, transport, "us-4-1") for transport in TRANSPORTS} == dict.fromkeys(TRANSPORTS, "200")
        assert control.post("/v1/up", {"name": "us-3"})["changed"] == ["us-3-1", "us-3-2"]
        for transport in TRANSPORTS:
            assert until(lambda transport=transport: check(serve, transport, seconds=SILENCE) == "200", f"{transport} up again")  # type: ignore[misc]
    control.post("/v1/down", {"name": "all", "how": how})  # stopping while everything is down leaves nothing behind


@RESETS
def test_one_way_into_another_and_many_changes_at_once(serve: Serve, control: Client) -> None:
    for how in ("refuse", "drop", "reset", "503", "refuse", "reset", "drop"):
        control.post("/v1/down", {"name": "us-3-1", "how": how})
        control.post("/v1/up", {"name": "us-3-1"})
        control.post("/v1/down", {"name": "us-3-1", "how": how})
        assert checks(serve, SEEN[how]) == SEEN[how]
        control.post("/v1/up", {"name": "us-3-1"})
    for transport in TRANSPORTS:
        assert until(lambda transport=transport: check(serve, transport, seconds=SILENCE) == "200", f"{transport} up again")  # type: ignore[misc]


def test_unanswered_attempts_are_told_and_succeed_once_it_is_up(serve: Serve, control: Client) -> None:
    control.post("/v1/down", {"name": "us-3-1"})
    proxy = serve.proxy("us-3-1")
    waiting = socket.socket()
    waiting.settimeout(PATIENCE)
    waiting.setblocking(False)
    waiting.connect_ex((proxy["address"], proxy["tcp"]))
    told = until(lambda: events(control, "down.connection"), "the attempt is told of")
    assert told[0]["proxy"] == "us-3-1" and told[0]["transport"] == "TCP" and told[0]["attempts"] >= 1
    assert not [event for event in told if event["transport"] == "TLS"]
    control.post("/v1/up", {"name": "us-3-1"})
    waiting.setblocking(True)
    waiting.settimeout(PATIENCE)
    until(lambda: _peer(waiting), "the system's next attempt succeeds")
    waiting.sendall(request("TCP"))
    assert messages(waiting, 1)[0].status == 200
    waiting.close()


def _peer(sock: socket.socket) -> bool:
    try:
        sock.getpeername()
    except OSError:
        return False
    return True


def test_for_a_time(serve: Serve, control: Client) -> None:
    control.post("/v1/down", {"name": "us-3-1", "how": "refuse", "for": "5s"})
    assert check(serve, "TCP") == check(serve, "UDP") == "ConnectionRefusedError"
    until(lambda: check(serve, "TCP", seconds=SILENCE) == check(serve, "UDP", seconds=SILENCE) == "200", "up again by itself")
    assert control.get("/v1/faults")["faults"][0]["state"] == "over"


def test_flapping(serve: Serve, control: Client) -> None:
    control.post("/v1/faults", "down refuse where proxy=us-3-1 flapping.down=500ms flapping.up=500ms")
    for state in ("ConnectionRefusedError", "200", "ConnectionRefusedError", "200"):
        until(lambda state=state: check(serve, "TCP", seconds=SILENCE) == state, state)  # type: ignore[misc]
    until(lambda: len(events(control, "down")) >= 3 and len(events(control, "up")) >= 2, "it comes and goes")


def call_up(serve: Serve, transport: str) -> tuple[Phone, socket.socket]:
    """A call over a connection."""
    sock = dial(serve.proxy(), transport)
    phone = Phone(sock.sendall, "127.0.0.1", 5999, transport=transport)
    phone.invite()
    (challenged,) = messages(sock, 1)
    phone.ack(challenged)
    phone.invite(extra=phone.credentials(challenged))
    phone.ack(messages(sock, 3)[-1])
    return phone, sock


@pytest.mark.parametrize("how", ["refuse", "reset", "drop"])
@pytest.mark.parametrize("transport", ["TCP", "TLS"])
def test_calls_keep_their_connection_and_others_lose_it(serve: Serve, control: Client, how: str, transport: str) -> None:
    phone, kept = call_up(serve, transport)
    other = dial(serve.proxy(), transport)
    other.sendall(request(transport))
    assert messages(other, 1)[0].status == 200
    control.post("/v1/down", {"name": "us-3-1", "how": how})
    if how == "drop":
        other.settimeout(0.5)
        other.sendall(request(transport))
        other.sendall(b"\r\n\r\n")  # a keep-alive is not answered either
        with pytest.raises(TimeoutError):
            other.recv(100)
        control.post("/v1/faults", "delay 0s where method=OPTIONS")  # the gate stays
        control.post("/v1/up", {"name": "us-3-1"})
        other.settimeout(PATIENCE)
        other.sendall(b"\r\n\r\n")
        assert other.recv(100) == b"\r\n"
    else:
        try:
            assert other.recv(100) == b"" and transport == "TLS"  # a reset, after TLS has said its own word
        except ConnectionResetError:
            pass
    phone.in_dialog("BYE")
    assert messages(kept, 1)[0].status == 200
    kept.close()
    other.close()


def test_calls_are_cut(serve: Serve, control: Client) -> None:
    _, cut = call_up(serve, "TCP")
    control.post("/v1/down", {"name": "us-3-1", "how": "reset", "calls": "cut"})
    with cut, pytest.raises(ConnectionResetError):
        cut.recv(100)
    assert control.get("/v1/held")["calls"] == 0
    assert control.get("/v1/calls")["calls"][0]["state"] == "ended"


def test_a_port_alone_is_closed(serve: Serve, control: Client) -> None:
    control.post("/v1/faults", "down refuse where proxy=us-3-1 transport=TLS")
    assert {transport: check(serve, transport) for transport in TRANSPORTS} == {"UDP": "200", "TCP": "200", "TLS": "ConnectionRefusedError"}


def test_reset_takes_everything_up_and_away(serve: Serve, control: Client) -> None:
    control.post("/v1/down", {"name": "us", "how": "refuse"})
    control.post("/v1/faults", "dns servfail")
    control.post("/v1/reset")
    assert control.get("/v1/faults")["faults"] == [] and control.get("/v1/faults")["down"] == {}
    until(lambda: check(serve, "TCP", seconds=SILENCE) == "200", "up again")
    assert resolver(serve).resolve("sip-us.vonage.com", "A")


# -- messages on the wire -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("transport", ["u1", "t1"])
def test_sipp_gets_through_losses_and_delays(serve: Serve, control: Client, transport: str) -> None:
    if transport == "u1":
        control.post("/v1/faults", "drop where direction=in method=INVITE,BYE every=5")
    control.post("/v1/faults", "delay 30ms spread=10ms distribution=lognormal where direction=in")
    done = run(sipp_command(serve, "call.xml", transport, "-m", "50", "-r", "50", "-d", "50"), cwd=serve.directory)
    totals = {name: int(count) for name, count in re.findall(r"(Successful call|Failed call) +\| +\d+ +\| +(\d+)", done.stdout)}
    assert done.returncode == 0 and totals == {"Successful call": 50, "Failed call": 0}, done.stdout[-2000:] + done.stderr
    assert all(one["hits"] > 10 for one in control.get("/v1/faults")["faults"])


def test_sipp_counts_the_refusals(serve: Serve, control: Client) -> None:
    control.post("/v1/faults", "refuse 503 where method=INVITE authenticated=yes every=2")
    done = run(sipp_command(serve, "call.xml", "t1", "-m", "20", "-r", "50", "-d", "50"), cwd=serve.directory)
    totals = {name: int(count) for name, count in re.findall(r"(Successful call|Failed call) +\| +\d+ +\| +(\d+)", done.stdout)}
    assert totals == {"Successful call": 10, "Failed call": 10}
    assert [call["status"] for call in serve.calls()].count(503) == 10


def test_the_connection_of_the_third_invite_is_reset(serve: Serve, control: Client) -> None:
    control.post("/v1/faults", "reset where method=INVITE nth=3")
    with dial(serve.proxy(), "TCP") as sock:
        for number in range(2):
            sock.sendall(request("TCP", "INVITE", number + 1))
            messages(sock, 1)
        sock.sendall(request("TCP", "INVITE", 3))
        with pytest.raises(ConnectionResetError):
            sock.recv(100)
    assert check(serve, "TCP") == "200"


# -- connections ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("transport", ["TCP", "TLS"])
def test_half_open(serve: Serve, control: Client, transport: str) -> None:
    id = control.post("/v1/faults", f"half-open where proxy=us-3-1 transport={transport}")["id"]
    proxy = serve.proxy()
    with socket.create_connection((proxy["address"], proxy[transport.lower()]), timeout=PATIENCE) as sock:
        sock.settimeout(0.5)
        with pytest.raises(TimeoutError):
            sock.sendall(b"x" * (32 << 20))  # more than both systems' buffers hold: nobody reads
        control.delete(f"/v1/faults/{id}")
        sock.settimeout(PATIENCE)
        with pytest.raises(OSError):
            while sock.recv(100):
                pass
            raise OSError  # the end, where no reset
    assert check(serve, transport) == "200"


def test_slow_to_leave(serve: Serve, control: Client) -> None:
    control.post("/v1/faults", "slow 400 where proxy=us-3-1 transport=TCP")
    with dial(serve.proxy(), "TCP") as sock:
        sock.settimeout(PATIENCE)
        began, portions = time.monotonic(), list[bytes]()
        sock.sendall(request("TCP"))
        while sum(map(len, portions)) < 250:
            portions.append(sock.recv(4096))
        assert time.monotonic() - began > 0.4
    assert check(serve, "TLS") == "200"


def test_slow_to_arrive(serve: Serve, control: Client) -> None:
    control.post("/v1/faults", "slow 500 where proxy=us-3-1 transport=TCP direction=in")
    with dial(serve.proxy(), "TCP") as sock:
        sock.settimeout(PATIENCE)
        began = time.monotonic()
        sock.sendall(request("TCP"))
        assert messages(sock, 1)[0].status == 200
        assert time.monotonic() - began > 0.5


def test_slow_over_tls(serve: Serve, control: Client) -> None:
    control.post("/v1/faults", "slow 4000 where proxy=us-3-1 transport=TLS")
    began = time.monotonic()
    assert check(serve, "TLS") == "200"
    assert time.monotonic() - began > 0.3


def test_reset_after_so_many_octets(serve: Serve, control: Client) -> None:
    control.post("/v1/faults", "reset 100 where proxy=us-3-1 transport=TCP times=1")
    with dial(serve.proxy(), "TCP") as sock:
        sock.sendall(request("TCP"))
        with pytest.raises(ConnectionResetError):
            sock.recv(100)
    until(lambda: check(serve, "TCP", seconds=SILENCE) == "200", "only one connection is concerned")
    assert control.get("/v1/faults")["faults"][0]["hits"] == 1


# -- TLS -----------------------------------------------------------------------------------------------------------


def s_client(serve: Serve, *flags: str) -> subprocess.CompletedProcess[str]:
    """openssl, as a client that verifies certificate and name."""
    command = [
        need("openssl", "openssl"), "s_client", "-connect", serve.at(transport="tls"), "-CAfile", serve.endpoints["ca"],
        "-verify_return_error", "-verify_hostname", "sip-us.vonage.com", "-servername", "sip-us.vonage.com", *flags,
    ]  # fmt: skip
    return run(command)


@pytest.mark.parametrize(
    ("fault", "verdict"),
    [
        ("expired", "certificate has expired"),
        ("wrong-name", "hostname mismatch"),
        ("unknown-ca", "unable to get local issuer certificate"),
        ("self-signed", "self-signed certificate|self signed certificate"),
    ],
)
def test_certificates_that_clients_should_refuse(serve: Serve, control: Client, fault: str, verdict: str) -> None:
    assert "Verify return code: 0 (ok)" in s_client(serve).stdout
    control.post("/v1/faults", f"tls {fault} where proxy=us-3-1")
    refused = s_client(serve)
    assert re.search(verdict, refused.stdout + refused.stderr, re.IGNORECASE), refused.stdout + refused.stderr
    assert refused.returncode != 0
    until(lambda: events(control, "tls.refused"), "the client's refusal is told of")
    assert check(serve, "TLS") == "200"  # whoever does not verify sees nothing
    assert check(serve, "TLS", "us-3-2") == "200"
    control.delete("/v1/faults")
    assert "Verify return code: 0 (ok)" in s_client(serve).stdout
    private = serve.directory / "certs" / f"{fault}.key"
    assert private.stat().st_mode & 0o777 == 0o600


def test_only_tls_1_3(serve: Serve, control: Client) -> None:
    control.post("/v1/faults", "tls only-1.3")
    old = s_client(serve, "-tls1_2")
    assert old.returncode != 0 and "protocol version" in old.stdout + old.stderr
    new = s_client(serve, "-tls1_3")
    assert "TLSv1.3" in new.stdout and "Verify return code: 0 (ok)" in new.stdout


@RESETS
def test_a_handshake_that_is_cut(serve: Serve, control: Client) -> None:
    control.post("/v1/faults", "tls cut where proxy=us-3-1 times=1")
    assert check(serve, "TLS") in ("ConnectionResetError", "SSLEOFError")
    until(lambda: check(serve, "TLS", seconds=SILENCE) == "200", "only the first is cut")


def test_a_handshake_that_stalls(serve: Serve, control: Client) -> None:
    id = control.post("/v1/faults", "tls stalled where proxy=us-3-1")["id"]
    assert check(serve, "TLS", seconds=1) == "TimeoutError"
    control.delete(f"/v1/faults/{id}")
    assert check(serve, "TLS") == "200"


# -- names ---------------------------------------------------------------------------------------------------------


def dig(serve: Serve, *question: str, seconds: int = 60) -> str:
    server = serve.endpoints["dns"]
    command = [need("dig", "dnsutils"), f"@{server['address']}", "-p", str(server["port"]), "+tries=1", f"+time={seconds}", *question]
    return run(command).stdout


def test_rcodes_as_dig_sees_them(serve: Serve, control: Client) -> None:
    for answer in ("nxdomain", "servfail", "refused"):
        control.post("/v1/faults", f"dns {answer} where name=sip-us.vonage.com type=SRV")
        said = dig(serve, "_sip._udp.sip-us.vonage.com", "SRV")
        assert f"status: {answer.upper()}" in said, said
        assert "status: NOERROR" in dig(serve, "_sip._udp.sip-eu.vonage.com", "SRV")
        control.delete("/v1/faults")
    assert "status: NOERROR" in dig(serve, "_sip._udp.sip-us.vonage.com", "SRV")


def test_timeout_slow_and_truncated_as_dig_sees_them(serve: Serve, control: Client) -> None:
    control.post("/v1/faults", "dns timeout where name=sip-us-3-1.vonage.com")
    assert re.search("no servers could be reached|timed out", dig(serve, "sip-us-3-1.vonage.com", "A", seconds=1))
    control.delete("/v1/faults")
    control.post("/v1/faults", "dns slow by=300ms")
    (milliseconds,) = re.findall(r"Query time: (\d+) msec", dig(serve, "sip-us-3-1.vonage.com", "A"))
    assert int(milliseconds) >= 290
    control.delete("/v1/faults")
    control.post("/v1/faults", "dns truncated")
    said = dig(serve, "+ignore", "_sip._udp.sip-us.vonage.com", "SRV")
    assert re.search(r"flags: qr aa tc|flags: qr aa[^;]* tc", said)
    retried = dig(serve, "_sip._udp.sip-us.vonage.com", "SRV")
    assert retried.count("\tSRV\t") == 4 and "(TCP)" in retried


def test_order_dead_target_and_time_to_live_as_a_resolver_sees_them(serve: Serve, control: Client) -> None:
    names = resolver(serve)
    control.post("/v1/faults", "dns dead-first where type=SRV")
    services = sorted(names.resolve("_sip._tcp.sip-us.vonage.com", "SRV"), key=lambda record: int(record.priority))
    assert services[0].port == 9 and [str(one) for one in names.resolve(services[0].target, "A")] == ["127.0.99.99"]
    with pytest.raises(OSError):
        socket.create_connection(("127.0.99.99", 9), timeout=2)
    control.delete("/v1/faults")
    control.post("/v1/faults", "dns ttl ttl=2")
    assert names.resolve("sip-us-3-1.vonage.com", "A").rrset.ttl == 2
    control.delete("/v1/faults")
    control.post("/v1/faults", "dns wrong-address where name=sip-us-3-1.vonage.com")
    assert [str(one) for one in names.resolve("sip-us-3-1.vonage.com", "A")] == ["127.0.99.99"]
    control.delete("/v1/faults")
    control.post("/v1/faults", "dns reversed where type=SRV")
    backwards = names.resolve("_sip._udp.sip-us.vonage.com", "SRV")
    first = min(backwards, key=lambda record: int(record.priority))
    assert "us-4" in str(first.target)


# -- the commands --------------------------------------------------------------------------------------------------


@pytest.fixture
def cli(serve: Serve) -> Iterator[Any]:
    def ask(*arguments: str, code: int = 0) -> str:
        done = serve.cli(*arguments)
        assert done.returncode == code, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout if not code else done.stderr

    yield ask


def test_down_and_up_commands(serve: Serve, cli: Any) -> None:
    assert cli("down", "us-3", "--how", "503") == "us-3 is down by 503, until vsim up us-3: us-3-1 us-3-2\n"
    assert check(serve, "UDP") == "503"
    assert json.loads(cli("down", "eu-3-1", "--how", "refuse", "--for", "300s", "--cut", "--json"))["down"]["eu-3-1"] == ["refuse"]
    listed = cli("fault", "list").splitlines()
    assert listed[0].split() == ["FAULT", "STATE", "HITS", "OF"]
    assert listed[1].split() == ["1", "on", "1", "1", "down", "503", "where", "site=us-3"]
    assert listed[2].split()[:5] == ["2", "on", "0", "0", "down"]
    assert [line for line in listed if line.endswith(("is down by 503", "is down by refuse"))] == [
        "us-3-1 is down by 503", "us-3-2 is down by 503", "eu-3-1 is down by refuse",
    ]  # fmt: skip
    assert cli("up", "us-3-1") == "us-3-1 is up: us-3-1\nus-3-2 is down by 503\neu-3-1 is down by refuse\n"
    assert cli("up", "all") == "all is up: us-3-2 eu-3-1\n"
    assert cli("up", "all") == "all was not down\n"


def test_fault_commands(serve: Serve, cli: Any) -> None:
    assert cli("fault", "list") == "no faults\n"
    one = "refuse 503 headers.Retry-After=5 where site=us-3 method=INVITE times=2 for=30s"
    assert cli("fault", "add", one) == f"fault 1: {one}\n"
    assert cli("fault", "add", "drop", "where", "header.User-Agent=no such phone", "probability=50%").startswith(
        "fault 2: drop where header"
    )
    assert json.loads(cli("fault", "add", "--json", "{refuse: 404, where: {method: [INVITE, REGISTER]}, from: 1h}"))["state"] == "waiting"
    phone = dial(serve.proxy("us-4-1"), "TCP")
    phone.sendall(request("TCP", "INVITE"))
    messages(phone, 1)
    phone.close()
    listed = cli("fault", "list").splitlines()
    assert listed[1].endswith(one) and listed[2].strip() == "1 INVITE came, not to us-3; the last: us-4-1"
    assert "vsim serve --seed" in listed[-1]
    assert json.loads(cli("fault", "list", "--json"))["faults"][1]["spec"]["drop"] == {}
    assert cli("fault", "remove", "1", "2") == "fault 1 taken away\nfault 2 taken away\n"
    assert cli("fault", "clear") == "1 fault taken away\n"


def test_the_failover_command(serve: Serve, cli: Any) -> None:
    assert cli("fault", "failover") == "nothing was down\n"
    cli("down", "us-3", "--how", "503")
    assert [check(serve, "UDP", name) for name in ("us-3-1", "us-4-1")] == ["503", "200"]
    cli("up", "us-3")
    said = cli("fault", "failover").splitlines()
    assert re.fullmatch(r"us-3 was down by 503 for \d+\.\d s", said[0]) and said[1] == "127.0.0.1:"
    assert said[2].endswith("OPTIONS to us-3-1 (down) over UDP: 503") and said[3].endswith("OPTIONS to us-4-1 over UDP: 200")
    assert json.loads(cli("fault", "failover", "--json"))["clients"][0]["checks_moved"] is True


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("down", "us-5"), "vsim: no proxy, site or region 'us-5'; did you mean"),
        (("down", "us-3", "--how", "gently"), "'gently' is not one of"),
        (("down", "us-3", "--for", "soon"), "vsim: for 'soon' is no time; write seconds, or text such as 500ms, 10s, 2m"),
        (("up", "atlantis"), "vsim: no proxy, site or region 'atlantis'; write all, a region"),
        (("fault", "add", "refsue 503"), "vsim: 'refsue' is no fault; did you mean 'refuse'?"),
        (("fault", "add", "{refuse: 503, were: {site: us-3}}"), "vsim: were: unknown key 'were'; did you mean 'where'?"),
        (("fault", "add", "{refuse: [}"), "write YAML such as"),
        (("fault", "add"), "vsim: missing argument 'FAULT'; see `vsim fault add --help`"),
        (("fault", "remove", "7"), "vsim: no fault '7'; there is none"),
    ],
)
def test_mistakes_are_a_line_and_exit_code_2(cli: Any, arguments: tuple[str, ...], said: str) -> None:
    assert said in cli(*arguments, code=2)


def test_without_an_emulator(tmp_path: Path) -> None:
    for arguments in (["down", "us-3"], ["up", "us-3"], ["fault", "list"], ["fault", "add", "drop"]):
        done = run([*VSIM, *arguments], cwd=tmp_path, env=environment())
        assert done.returncode == 4 and "no emulator runs here" in done.stderr


def test_one_seed_has_the_same_losses(tmp_path: Path) -> None:
    def lost(name: str, seed: str) -> list[int]:
        directory = tmp_path / name
        directory.mkdir()
        serve = Serve(directory, "--seed", seed)
        try:
            Client(serve.endpoints["control"]).post("/v1/faults", "drop where method=OPTIONS direction=in probability=30%")
            with datagram(serve, "us-3-1") as sock:
                sock.settimeout(PATIENCE)
                numbers = []
                for number in range(1, 41):
                    sock.send(request("UDP", number=number))
                sock.send(request("UDP", "MESSAGE"))
                while True:
                    received = Received(sock.recv(65536))
                    if received.status != 200:
                        break
                    numbers.append(int((received.get("cseq") or "").split()[0]))
            serve.check()
            return [number for number in range(1, 41) if number not in numbers]
        finally:
            serve.stop()

    assert lost("a", "7") == lost("b", "7") != lost("c", "8")


@RESETS
@pytest.mark.parametrize("bind", ["0.0.0.0", "::1"])
def test_other_layouts_and_families(tmp_path: Path, bind: str) -> None:
    serve = Serve(tmp_path, "--layout", "ports", "--bind", bind, *(["--advertise", "127.0.0.1"] if bind == "0.0.0.0" else []))
    try:
        control = Client(serve.endpoints["control"])
        for how, seen in SEEN.items():
            control.post("/v1/down", {"name": "us-3-1", "how": how})
            assert checks(serve, seen) == seen
            assert check(serve, "UDP", "us-3-2") == "200"  # at the same address, another port
            control.post("/v1/up", {"name": "us-3-1"})
            for transport in TRANSPORTS:
                until(lambda transport=transport: check(serve, transport, seconds=SILENCE) == "200", f"{transport} up again")  # type: ignore[misc]
        serve.check()
    finally:
        serve.stop()
