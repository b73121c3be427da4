"""Captures of real calls, read by tshark and capinfos."""

import json
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.inbound import over, ring, shown
from tests.support.phone import SDP, Phone
from tests.support.serve import VSIM, Serve, environment, need, own_address, run
from tests.support.sipp import ANSWERS, QUICK, Sipp, nobody, receive, refusals, wait
from tests.wire.test_connections import dial, messages
from tests.wire.test_sipp import sipp_command

PROBLEMS = "_ws.malformed || tcp.analysis.flags || tcp.checksum.status == 0 || udp.checksum.status == 0 || ip.checksum.status == 0"
CHECKED = [part for layer in ("ip", "tcp", "udp") for part in ("-o", f"{layer}.check_checksum:TRUE")]


@pytest.fixture(scope="module")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    emulator = Serve(Path(tmp_path_factory.mktemp("capture")))
    try:
        yield emulator
        emulator.check()
    finally:
        emulator.stop()


class Tshark:
    """What tshark makes of a capture."""

    def __init__(self, file: Path) -> None:
        self._command = [need("tshark", "tshark"), "-r", str(file), *CHECKED]
        ends = self._ask("-T", "fields", "-e", "udp.srcport", "-e", "udp.dstport", "-e", "tcp.srcport", "-e", "tcp.dstport")
        for line in sorted(set(ends)):  # ports that the system chose may be those that tshark knows another protocol by
            names = ("udp", "udp", "tcp", "tcp")
            for port, layer in zip(line.split("\t"), names, strict=True):
                if port:
                    self._command += ["-d", f"{layer}.port=={port},sip"]

    def _ask(self, *arguments: str) -> list[str]:
        done = run([*self._command, *arguments])
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    def fields(self, *names: str, where: str = "sip") -> list[list[str]]:
        """A row for each packet that the filter `where` takes."""
        chosen = [part for name in names for part in ("-e", name)]
        return [line.split("\t") for line in self._ask("-Y", where, "-T", "fields", *chosen)]

    def messages(self, where: str = "sip") -> list[str]:
        """Methods and statuses in their order."""
        return ["".join(row) for row in self.fields("sip.Method", "sip.Status-Code", where=where)]

    def once(self, where: str = "sip") -> list[str]:
        """The same without what was sent again, as a busy machine brings about."""
        rows = self.fields("sip.Method", "sip.Status-Code", "sip.Via.branch", "sip.CSeq", where=where)
        return ["".join(row[:2]) for row in dict.fromkeys(map(tuple, rows))]

    def problems(self) -> list[str]:
        return self._ask("-Y", PROBLEMS)


def capture(serve: Serve, call: str = "last", file: str = "x.pcapng") -> tuple[Tshark, dict[str, Any]]:
    """The capture of a call, and the call as it is shown; every message must be there, in order, in a packet of its own."""
    done = serve.cli("show", call, "--pcap", file)
    found = json.loads(serve.cli("show", call, "--json").stdout)
    path = serve.directory / file
    count, size = len(found["messages"]), path.stat().st_size
    said = f"call #{found['id']}: {count} packets, {size:,} octets; tshark -r {file} -Y sip\n"
    assert (done.returncode, done.stdout, done.stderr) == (0, said, "")
    assert path.stat().st_mode & 0o777 == 0o600
    read = Tshark(path)
    assert read.messages() == [start(message["text"]) for message in found["messages"]]
    assert read.problems() == []
    first, *_, last = (float(at) for (at,) in read.fields("frame.time_epoch"))
    assert abs(first - found["started"]) < 60 and abs(last - first - found["messages"][-1]["at"]) < 0.001
    return read, found


def start(text: str) -> str:
    words = text.split(" ")
    return words[1] if words[0] == "SIP/2.0" else words[0]


@pytest.mark.parametrize("transport", ["UDP", "TCP"])
def test_calls_of_sipp(serve: Serve, transport: str) -> None:
    done = run(sipp_command(serve, "call.xml", {"UDP": "u1", "TCP": "t1"}[transport], "-m", "1"), cwd=serve.directory)
    assert done.returncode == 0, done.stdout
    read, call = capture(serve)
    assert read.once() == ["INVITE", "407", "ACK", "INVITE", "100", "180", "200", "ACK", "BYE", "200"]
    layer = transport.lower()
    ends = {"\t".join(row) for row in read.fields("ip.src", f"{layer}.srcport", "ip.dst", f"{layer}.dstport", "frame.interface_name")}
    here, there = (address.replace(":", "\t") for address in (serve.at(transport=layer), call["peer"]))
    assert ends == {f"{here}\t{there}\tus-3-1", f"{there}\t{here}\tus-3-1"}
    assert read.messages(f'sip.Call-ID == "{call["call_id"]}"') == read.messages() and read.messages('sip.Call-ID == "other"') == []


def test_a_call_over_tls_is_shown_without_it(serve: Serve) -> None:
    done = serve.cli("phone", "call", "442071234567", "--transport", "tls", "--srtp", "--talk", "200ms", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    read, call = capture(serve)
    assert call["transport"] == "TLS"
    assert {row[0] for row in read.fields("tcp.port")} == {f"{call['peer'].rpartition(':')[2]},{serve.proxy()['tls']}"} | {
        f"{serve.proxy()['tls']},{call['peer'].rpartition(':')[2]}"
    }
    assert any("a=crypto" in message["text"] for message in call["messages"])


def test_the_port_of_tls_does_not_mislead_tshark(tmp_path: Path) -> None:
    """5061 is TLS to tshark, until it sees what is in it. Without `-d`, as a person reads it."""
    variables = {"VSIM_DNS_PORT": "0", "VSIM_CONTROL_PORT": "0"}
    serve = Serve(tmp_path, "--layout", "ports", "--bind", own_address(), ephemeral=False, env=variables)
    try:
        assert serve.proxy()["tls"] == 5061
        done = serve.cli("phone", "call", "442071234567", "--transport", "tls", "--talk", "200ms", "--json")
        assert done.returncode == 0, done.stdout + done.stderr
        assert serve.cli("show", "last", "--pcap", "x.pcapng").returncode == 0
        listed = run([need("tshark", "tshark"), "-r", tmp_path / "x.pcapng", "-Y", "sip", "-T", "fields", "-e", "sip.CSeq.method"])
        assert listed.stdout.split() == ["INVITE"] * 2 + ["ACK"] + ["INVITE"] * 4 + ["ACK", "BYE", "BYE"]
        serve.check()
    finally:
        serve.stop()


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
def test_ipv6(tmp_path: Path, transport: str) -> None:
    serve = Serve(tmp_path, "--layout", "ports", "--bind", "::1")
    try:
        done = serve.cli("phone", "call", "442071234567", "--transport", transport, "--talk", "200ms", "--json")
        assert done.returncode == 0, done.stdout + done.stderr
        read, _ = capture(serve)
        assert {tuple(row) for row in read.fields("ipv6.src", "ipv6.dst")} == {("::1", "::1")}
        serve.check()
    finally:
        serve.stop()


def test_a_call_from_the_trunk_with_every_attempt(serve: Serve, tmp_path: Path) -> None:
    """Refused over TCP, nobody there, silent, refused by a status, answered: each leg with its Call-ID, and why it ended beside it."""
    closed = nobody()
    with (
        Sipp(tmp_path / "silent", receive("INVITE"), wait(60)) as silent,
        Sipp(tmp_path / "refuses", *refusals([503]), transport="tcp") as refuses,
        Sipp(tmp_path / "takes", *ANSWERS) as takes,
    ):
        targets = (
            f"sip:nobody@{closed};transport=tcp{QUICK}",
            silent.target("1", QUICK),
            refuses.target("503"),
            takes.target("2"),
        )
        call = over(serve, ring(serve, ", ".join(targets), talk=0.3, until="answered"))
    read, found = capture(serve, call["id"])
    legs = [attempt["call_id"] for attempt in found["attempts"]]
    assert len(set(legs)) == 4
    each = [read.once(f'sip.Call-ID == "{leg}"') for leg in legs]
    assert each[0] == ["INVITE"] and set(each[1]) == {"INVITE"} and each[2] == ["INVITE", "503", "ACK"]
    assert each[3] == ["INVITE", "180", "200", "ACK", "BYE", "200"]
    comments = {row[0]: row[1] for row in read.fields("sip.Call-ID", "frame.comment") if row[1]}
    assert "this did not leave: the connection has not come about" in comments[legs[0]]
    assert f"inbound.unreachable: {closed}" in comments[legs[0]] and "inbound.timeout: " in comments[legs[1]]
    ports = {row[0] for row in read.fields("tcp.srcport", where=f'sip.Call-ID == "{legs[2]}" && sip.Method')}
    assert len(ports) == 1 and ports.isdisjoint({str(serve.proxy(found["proxy"])["tcp"])})  # where the connection came from


def test_a_finding_stands_beside_its_message(serve: Serve) -> None:
    done = serve.cli("phone", "call", "442071234567", "--account", "abcd1234:wrong", "--json", "--talk", "1s", "--transport", "tcp")
    assert done.returncode == 1, done.stdout
    read, call = capture(serve)
    (wrong,) = [finding for finding in call["findings"] if finding["severity"] == "error" and finding["code"] != "digest.missing"]
    (told,) = read.fields("sip.Method", "frame.comment", where=f'frame.comment contains "{wrong["code"]}"')
    assert told[0] == "INVITE" and wrong["fix"] in told[1]


def test_capinfos(serve: Serve) -> None:
    assert run(sipp_command(serve, "call.xml", "u1", "-m", "1"), cwd=serve.directory).returncode == 0
    _, call = capture(serve)
    said = run([need("capinfos", "wireshark-common"), serve.directory / "x.pcapng"])
    assert said.returncode == 0 and "Wireshark/... - pcapng" in said.stdout and "Raw IP" in said.stdout
    assert f"Capture comment:     outbound call {call['id']} of vsim " in said.stdout
    assert "Strict time order:   True" in said.stdout and "Name = us-3-1" in said.stdout


def test_a_pipe_and_the_api(serve: Serve) -> None:
    assert run(sipp_command(serve, "call.xml", "u1", "-m", "1"), cwd=serve.directory).returncode == 0
    with urllib.request.urlopen(f"{serve.endpoints['control']}/v1/calls/last/pcap", timeout=60) as response:
        assert response.headers["Content-Type"] == "application/x-pcapng"
        data = response.read()
    command = [*VSIM, "show", "last", "--pcap", "-"]
    piped = subprocess.run(command, cwd=serve.directory, env=environment(), capture_output=True, stdin=subprocess.DEVNULL, timeout=60)
    assert piped.returncode == 0 and piped.stdout == data and piped.stderr.startswith(b"call #")
    read = subprocess.run([need("tshark", "tshark"), "-r", "-", "-Y", "sip"], input=data, capture_output=True, timeout=60)
    assert read.returncode == 0 and len(read.stdout.splitlines()) >= 10


def test_a_message_that_needs_several_packets(tmp_path: Path) -> None:
    """Over TCP an INVITE of 100,000 octets; tshark puts it together again."""
    serve = Serve(tmp_path, env={"VSIM_JOURNAL_OCTETS": str(1 << 30)})
    try:
        with dial(serve.proxy(), "TCP") as sock:
            phone = Phone(sock.sendall, "127.0.0.1", sock.getsockname()[1], serve.at(transport="tcp"), "TCP")
            phone.invite(body=SDP + "a=long:" + "x" * 60000 + "\r\n", extra="X-Long: " + "y" * 40000 + "\r\n")
            messages(sock, 1)
        assert serve.cli("show", "last", "--pcap", "x.pcapng").returncode == 0
        read = Tshark(tmp_path / "x.pcapng")
        assert read.messages()[0] == "INVITE" and read.problems() == []
        assert read.fields("tcp.segment.count")[0] == ["2"]
        assert shown(serve, {"id": "1"})["messages"][0]["text"].count("y") >= 40000
        serve.check()
    finally:
        serve.stop()
