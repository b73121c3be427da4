"""DNS through a real resolver, TLS by openssl, OPTIONS by sipsak, and a capture of it all read by tshark."""

import os
import re
import socket
import ssl
import subprocess
from pathlib import Path

import dns.resolver
import pytest

from tests.support.serve import Serve, environment, need, run, until
from tests.wire.test_sipp import sipp_command


def resolver(serve: Serve) -> dns.resolver.Resolver:
    found = dns.resolver.Resolver(configure=False)
    found.nameservers = [serve.endpoints["dns"]["address"]]
    found.port = serve.endpoints["dns"]["port"]
    found.lifetime = 60
    return found


@pytest.mark.parametrize("tcp", [False, True])
def test_a_resolver_walks_from_service_to_address(serve: Serve, tcp: bool) -> None:
    names = resolver(serve)
    services = sorted(
        names.resolve("_sips._tcp.sip-ap.vonage.com", "SRV", tcp=tcp), key=lambda record: (record.priority, str(record.target))
    )
    assert [str(record.target) for record in services] == [f"sip-ap-{k}.vonage.com." for k in ("3-1", "3-2", "4-1", "4-2")]
    for record in services:
        proxy = serve.proxy(str(record.target).removeprefix("sip-").partition(".")[0])
        assert record.port == proxy["tls"]
        assert [str(address) for address in names.resolve(record.target, "A", tcp=tcp)] == [proxy["address"]]
    with pytest.raises(dns.resolver.NXDOMAIN):
        names.resolve("nobody.sip-us.vonage.com", "A", tcp=tcp)
    with pytest.raises(dns.resolver.NoAnswer):
        names.resolve("sip-us.vonage.com", "NAPTR", tcp=tcp)
    with pytest.raises(dns.resolver.NoNameservers):
        names.resolve("www.vonage.com", "A", tcp=tcp)


def test_names_of_others_go_to_the_upstream_when_there_is_one(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "vsim.yaml").write_text("dns: {hosts: {pbx.example.net: 127.0.0.9}}\n")
    upstream = Serve(tmp_path / "b")
    try:
        server = upstream.endpoints["dns"]
        front = Serve(tmp_path / "a", env={"VSIM_DNS_UPSTREAM": f"{server['address']}:{server['port']}"})
        try:
            for tcp in (False, True):
                assert [str(address) for address in resolver(front).resolve("pbx.example.net", "A", tcp=tcp)] == ["127.0.0.9"]
            front.check()
        finally:
            front.stop()
        upstream.check()
    finally:
        upstream.stop()


def test_dig_agrees(serve: Serve) -> None:
    server = serve.endpoints["dns"]
    done = run(
        [need("dig", "dnsutils"), f"@{server['address']}", "-p", str(server["port"]), "_sip._udp.sip-us.vonage.com", "SRV", "+short"]
    )
    assert done.stdout.splitlines()[0] == f"10 50 {serve.proxy()['udp']} sip-us-3-1.vonage.com."


@pytest.mark.parametrize(("flag", "taken"), [("-tls1", False), ("-tls1_1", False), ("-tls1_2", True), ("-tls1_3", False)])
def test_tls_1_2_and_nothing_else(serve: Serve, flag: str, taken: bool) -> None:
    command = [
        need("openssl", "openssl"), "s_client", "-connect", serve.at(transport="tls"), flag, "-CAfile", serve.endpoints["ca"],
        "-verify_return_error", "-servername", "sip-us.vonage.com", "-verify_hostname", "sip-us.vonage.com",
    ]  # fmt: skip
    if flag in ("-tls1", "-tls1_1"):
        command += ["-cipher", "ALL:@SECLEVEL=0"]
    done = run(command)
    assert (done.returncode == 0) is taken, done.stdout + done.stderr
    if taken:
        assert "Verify return code: 0 (ok)" in done.stdout and "Acceptable client certificate CA names" not in done.stdout
    else:
        offered = {"-tls1": "TLS 1.0", "-tls1_1": "TLS 1.1", "-tls1_3": "TLS 1.3"}[flag]
        line = until(lambda: re.search(r"tls.refused.*", serve.events()), "the finding")[0]
        assert f"tls.version: {offered} offered; the trunk wants TLS 1.2" in line


def test_a_client_that_speaks_no_tls_on_the_tls_port_is_told_so(serve: Serve) -> None:
    with socket.create_connection((serve.proxy()["address"], serve.proxy()["tls"])) as sock:
        sock.sendall(b"OPTIONS sip:x SIP/2.0\r\n\r\n")
        sock.settimeout(60)
        with pytest.raises(ConnectionResetError):
            assert sock.recv(100) == b""
            raise ConnectionResetError
    until(lambda: "tls.plain: SIP without TLS" in serve.events(), "the finding")


@pytest.mark.parametrize("ask", [False, True])
def test_a_client_certificate_is_asked_for_only_by_setting_and_any_is_taken(tmp_path: Path, ask: bool) -> None:
    serve = Serve(tmp_path, env={"VSIM_TLS_ASK_CLIENT_CERTIFICATE": str(ask)})
    try:
        run(
            [
                need("openssl", "openssl"),
                "req",
                "-x509",
                "-newkey",
                "rsa:2048",
                "-nodes",
                "-keyout",
                tmp_path / "k",
                "-out",
                tmp_path / "c",
                "-subj",
                "/CN=pbx",
            ]
        )
        context = ssl.create_default_context(cafile=serve.endpoints["ca"])
        context.load_cert_chain(tmp_path / "c", tmp_path / "k")
        with (
            socket.create_connection((serve.proxy()["address"], serve.proxy()["tls"])) as plain,
            context.wrap_socket(plain, server_hostname="sip-us-3-1.vonage.com") as secure,
        ):
            secure.settimeout(60)
            secure.sendall(
                b"OPTIONS sip:h SIP/2.0\r\nVia: SIP/2.0/TLS a;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:h>\r\n"
                b"Call-ID: x\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
            )
            assert secure.recv(4096).startswith(b"SIP/2.0 200 OK\r\n")
            secure.sendall(b"\r\n\r\n")
            assert secure.recv(10) == b"\r\n"  # RFC 5626 4.4.1
        until(lambda: ("certificate=CN=pbx" in serve.events()) or not ask, "the subject")
        assert ("CN=pbx" in serve.events()) is ask
        serve.check()
    finally:
        serve.stop()


def test_sipsak_gets_its_health_check_from_all_twelve(serve: Serve) -> None:
    program = need("sipsak", "sipsak")
    for proxy in serve.endpoints["proxies"]:
        for transport in ("udp", "tcp"):
            done = run([program, "-s", f"sip:{serve.at(proxy, transport)}", "-E", transport])
            assert done.returncode == 0, f"{proxy} {transport}: {done.stdout}{done.stderr}"


def test_tshark_finds_no_malformed_packet(serve: Serve) -> None:
    """A capture of calls, health checks and names."""
    tshark = need("tshark", "tshark")
    if os.geteuid() != 0:
        pytest.skip("capturing on the loopback needs root")
    capture = serve.directory / "all.pcap"
    dns_port, udp, tcp = serve.endpoints["dns"]["port"], serve.proxy()["udp"], serve.proxy()["tcp"]
    with subprocess.Popen(
        [tshark, "-i", "lo", "-q", "-w", str(capture), "-f", f"port {udp} or port {dns_port}", "-a", "duration:300"],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment(), text=True,
    ) as sniffer:  # fmt: skip
        try:
            until(lambda: capture.exists() and capture.stat().st_size > 0, "the capture")
            for _ in range(3):
                resolver(serve).resolve("_sip._udp.sip-us.vonage.com", "SRV")
                resolver(serve).resolve("sip-us.vonage.com", "A", tcp=True)
            for transport in ("u1", "t1"):
                assert run(sipp_command(serve, "call.xml", transport, "-m", "20", "-r", "50"), cwd=serve.directory).returncode == 0
            run([need("sipsak", "sipsak"), "-s", f"sip:{serve.at()}"])
            until(lambda: b"CSeq: 1 OPTIONS" in capture.read_bytes(), "the last of it in the capture")
        finally:
            sniffer.terminate()
            sniffer.wait(60)
    read = [
        tshark,
        "-r",
        capture,
        "-d",
        f"udp.port=={udp},sip",
        "-d",
        f"tcp.port=={tcp},sip",
        "-d",
        f"udp.port=={dns_port},dns",
        "-d",
        f"tcp.port=={dns_port},dns",
    ]
    protocols = run([*read, "-T", "fields", "-e", "_ws.col.Protocol"]).stdout.split()
    # over TCP a frame may hold several messages: what is certain are the ten of each call over UDP
    assert protocols.count("SIP") + protocols.count("SIP/SDP") > 200 and protocols.count("DNS") >= 6
    broken = run([*read, "-Y", "_ws.malformed || sip.msg_hdr.unknown || _ws.expert.severity == error"]).stdout
    assert broken == ""
