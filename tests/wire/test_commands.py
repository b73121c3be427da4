"""The commands as a user types them, and what happens when something is wrong."""

import http.client
import json
import os
import select
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import pytest

from emulator import service
from emulator.control import server
from tests.support.serve import DEADLINE, VSIM, Serve, environment, own_address, run, until
from tests.wire.test_sipp import sipp_command


def test_the_banner_fits_one_screen_and_names_what_one_needs(serve: Serve) -> None:
    until(lambda: "ready" in serve.events(), "the ready line")
    lines = serve.events().splitlines()
    assert len(lines) <= 24 and max(map(len, lines)) <= 100
    assert lines[-1] == "ready; Ctrl-C stops it"
    for text in ("sip-us-3-1.vonage.com", "sip-ap-4-2.vonage.com", "abcd1234", "OfflineSecret1", "ca.pem", "http://127.0.0.1:"):
        assert any(text in line for line in lines), text


def test_no_call_yet_is_said_for_a_person(serve: Serve) -> None:
    for call, said in (("last", "no calls yet"), ("9", "no call '9'; `vsim calls` lists them")):
        done = run([*VSIM, "show", call], cwd=serve.directory)
        assert (done.returncode, done.stderr) == (2, f"vsim: {said}\n")


def test_what_nobody_reads_changes_no_verdict(tmp_path: Path) -> None:
    """`vsim run … | head -1` with pipefail is red where the run is."""
    (tmp_path / "story.yaml").write_text("name: a\nsteps:\n- expect: {call: {}, within: 100ms}\n")
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [*VSIM, "run", "story.yaml", "--repeat", "2"],
            cwd=tmp_path,
            env=environment(),
            stdout=writer,
            stderr=subprocess.PIPE,
            timeout=60,
        )
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (1, b"")


def test_calls_show_tail_and_reset(serve: Serve) -> None:
    with subprocess.Popen(
        [*VSIM, "tail", "--json"], cwd=serve.directory, env=environment(), stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True
    ) as tail:
        output = tail.stdout
        assert output is not None
        lines: list[str] = []
        reader = threading.Thread(target=lambda: [lines.append(line) for line in output], daemon=True)
        reader.start()

        def call() -> bool:  # until the tail is there to see one from its beginning
            assert run(sipp_command(serve, "call.xml", "u1", "-m", "1"), cwd=serve.directory).returncode == 0
            return any('"call.started"' in line for line in lines)

        try:
            until(call, "a call in the tail")
            until(lambda: lines and '"call.ended"' in lines[-1], "its end")
        finally:
            tail.terminate()  # a job in the background may have been told to ignore Ctrl-C
        reader.join(DEADLINE)
    kinds = [kind for line in lines if (kind := json.loads(line)["kind"]).startswith("call.")]
    assert kinds[-3:] == ["call.started", "call.answered", "call.ended"]
    listed = serve.cli("calls").stdout.splitlines()
    assert listed[0].split()[:3] == ["CALL", "AT", "PROXY"] and "442071234567" in listed[1] and "ended" in listed[1]
    shown = serve.cli("show", "last").stdout
    assert "INVITE sip:442071234567@" in shown and "407 Proxy Authentication Required" in shown and "200 OK (BYE)" in shown
    assert json.loads(serve.cli("show", "1", "--json").stdout)["state"] == "ended"
    assert "v=0" in serve.cli("show", "#1", "--messages").stdout
    missing = serve.cli("show", "99")
    assert missing.returncode == 2 and missing.stderr == "vsim: no call '99'; `vsim calls` lists them\n"


def tcp_pair() -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        ours = socket.create_connection(server.getsockname())
        return ours, server.accept()[0]


def pipe() -> tuple[IO[bytes], IO[bytes]]:
    reader, writer = os.pipe()
    return os.fdopen(reader, "rb", 0), os.fdopen(writer, "wb", 0)


@pytest.mark.parametrize("kind", [pipe, socket.socketpair, tcp_pair])
@pytest.mark.parametrize("begun", [True, False])
def test_a_tail_that_nobody_reads_ends_before_the_next_event(serve: Serve, kind: Callable[[], tuple[Any, Any]], begun: bool) -> None:
    """`vsim tail | head -1`, and standard output that is a socket; `begun` where the reader goes only once something has come."""
    reader, writer = kind()
    with reader, subprocess.Popen(
        [*VSIM, "tail"], cwd=serve.directory, env=environment(), stdout=writer, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL
    ) as tail:  # fmt: skip
        writer.close()
        try:

            def something() -> bool:
                assert serve.cli("down", "ap-4-2").returncode == serve.cli("up", "ap-4-2").returncode == 0
                return bool(select.select([reader], [], [], 0)[0])

            if begun:
                until(something, "an event in the tail")
            reader.close()
            tail.wait(60)
        finally:
            tail.kill()
        assert tail.stderr is not None
        assert (tail.returncode, tail.stderr.read()) == (0, b"")


def test_a_tail_too_many_is_told_why(serve: Serve) -> None:
    address = ("127.0.0.1", int(serve.endpoints["control"].rpartition(":")[2]))
    with ExitStack() as streams:
        for _ in range(50):
            stream = streams.enter_context(socket.create_connection(address, DEADLINE))
            stream.sendall(b"GET /v1/events HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n")
            assert stream.recv(12) == b"HTTP/1.1 200"
        done = serve.cli("tail")
    assert done.returncode == 2 and done.stderr == "vsim: 50 event streams are open already\n"


def test_env_and_wait(serve: Serve) -> None:
    lines = dict(line.removeprefix("export ").split("=", 1) for line in serve.cli("env").stdout.splitlines())
    assert lines["VSIM_URL"] == serve.endpoints["control"] and lines["VSIM_CA"] == serve.endpoints["ca"]
    assert lines["VSIM_SIP_US_3_1"] == serve.at() and lines["VSIM_SIP_AP_4_2_TLS"] == serve.at("ap-4-2", "tls")
    assert serve.cli("wait").returncode == 0
    assert run([*VSIM, "wait", "--url", lines["VSIM_URL"]]).returncode == 0


def test_nothing_to_reach_is_exit_4(tmp_path: Path) -> None:
    for arguments in (["wait", "--timeout", "200ms"], ["calls"], ["show", "last"], ["tail"], ["env"]):
        done = run([*VSIM, *arguments], cwd=tmp_path)
        assert done.returncode == 4 and done.stderr.startswith("vsim: ") and done.stderr.count("\n") == 1, done.stderr
    assert run([*VSIM, "calls", "--url", "http://127.0.0.1:1"]).returncode == 4
    assert run([*VSIM, "calls", "--url", "ftp://x"]).returncode == 2


def one_line(done: subprocess.CompletedProcess[str], *texts: str) -> None:
    """Exit code 2, one line on stderr, nothing else."""
    assert done.returncode == 2 and done.stdout == "", done.stdout + done.stderr
    assert done.stderr.startswith("vsim: ") and done.stderr.count("\n") == 1, done.stderr
    for text in texts:
        assert text in done.stderr


def attempt(directory: Path, *flags: str, **variables: str) -> subprocess.CompletedProcess[str]:
    variables.setdefault("VSIM_TLS_DIRECTORY", str(directory / "certs"))
    return run([*VSIM, "serve", *flags], cwd=directory, env=environment(**variables))


def test_a_second_instance_says_so_and_leaves_the_first_alone(serve: Serve) -> None:
    one_line(attempt(serve.directory, "--ephemeral"), f"process {serve.process.pid}", "--endpoints")
    assert serve.file.exists() and serve.cli("wait").returncode == 0


def test_a_taken_port_is_one_line_and_leaves_nothing_behind(tmp_path: Path) -> None:
    address = own_address()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        one_line(attempt(tmp_path, "--ephemeral", "--layout", "ports", "--bind", "203.0.113.7"), "203.0.113.7", "assign requested address")
        with socket.socket() as control:
            control.bind(("127.0.0.1", 0))
            control.listen()
            taken_port = str(control.getsockname()[1])
            done = attempt(tmp_path, "--layout", "ports", "--bind", address, VSIM_CONTROL_PORT=taken_port, VSIM_DNS_PORT="0")
        one_line(done, f"127.0.0.1:{taken_port}", "control API: address already in use", "control.port", "--ephemeral")
        done = attempt(tmp_path, "--layout", "ports", "--bind", address, VSIM_DNS_PORT=str(port), VSIM_CONTROL_PORT="0")
        one_line(done, f"127.0.0.1:{port}", "DNS: address already in use", "dns.port")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:  # before the first call, not in each of them
        taken.bind((address, 0))
        how = ("--layout", "ports", "--bind", address, "--media-port", str(taken.getsockname()[1]))
        done = attempt(tmp_path, *how, VSIM_CONTROL_PORT="0", VSIM_DNS_PORT="0")
        one_line(done, f"media port {how[-1]} on {address}: address already in use", "media.port")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["certs"]


def test_a_bad_config_is_told_by_line_and_column(tmp_path: Path) -> None:
    (tmp_path / "vsim.yaml").write_text("layuot: ports\n")
    one_line(attempt(tmp_path), "vsim.yaml:1:1: unknown key 'layuot'; did you mean 'layout'?")
    one_line(attempt(tmp_path, "--config", "none.yaml"), "none.yaml: no such file or directory")
    checked = run([*VSIM, "check", "vsim.yaml"], cwd=tmp_path)
    assert checked.returncode == 2 and "vsim.yaml:1:1: unknown key" in checked.stderr
    (tmp_path / "vsim.yaml").write_text("layout: ports\n")
    assert run([*VSIM, "check", "vsim.yaml"], cwd=tmp_path).stdout == "vsim.yaml: good\n"
    assert json.loads(run([*VSIM, "check", "--schema"]).stdout)["$defs"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_directory_that_may_not_be_written(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    one_line(attempt(tmp_path, "--ephemeral"), "permission denied")


def test_a_directory_that_can_not_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    one_line(attempt(tmp_path, "--ephemeral", "--endpoints", "file/vsim.json"), "file", "--endpoints")
    one_line(attempt(tmp_path, "--ephemeral", VSIM_TLS_DIRECTORY=str(tmp_path / "file" / "certs")), "tls.directory")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["certs", "file"]


def test_usage_errors_are_exit_2_and_suggest(tmp_path: Path) -> None:
    done = run([*VSIM, "serv"])
    assert done.returncode == 2 and "did you mean 'serve'" in done.stderr
    assert run([*VSIM, "serve", "--layout", "x"]).returncode == 2
    assert run([*VSIM, "--version"]).stdout.startswith("vsim, version ")


def test_certificates_and_zone_without_an_emulator(tmp_path: Path) -> None:
    variables = environment(VSIM_TLS_DIRECTORY=str(tmp_path / "certs"))
    assert str(tmp_path / "certs" / "ca.pem") in run([*VSIM, "certs"], env=variables).stdout
    run([*VSIM, "certs", "--export", str(tmp_path / "out")], env=variables)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["ca.pem", "server.key", "server.pem"]
    zone = run([*VSIM, "dns-zone"]).stdout
    assert "_sips._tcp.sip-us.vonage.com. 60 IN SRV 10 50 5061 sip-us-3-1.vonage.com." in zone
    assert "127.0.13.1\tsip-us.vonage.com" in run([*VSIM, "dns-zone", "--hosts"]).stdout


def test_the_zone_of_a_running_emulator_has_its_ports(serve: Serve) -> None:
    assert f" {serve.proxy()['tls']} sip-us-3-1.vonage.com." in serve.cli("dns-zone", "--endpoints", "vsim.json").stdout


def test_the_ports_layout(tmp_path: Path) -> None:
    address = own_address()
    serve = Serve(tmp_path, "--layout", "ports", "--bind", address, ephemeral=False, env={"VSIM_DNS_PORT": "0", "VSIM_CONTROL_PORT": "0"})
    try:
        proxies = serve.endpoints["proxies"]
        assert [proxy["udp"] for proxy in proxies.values()] == list(range(5060, 5084, 2))
        assert [proxy["tls"] for proxy in proxies.values()] == list(range(5061, 5085, 2))
        assert {proxy["address"] for proxy in proxies.values()} == {address}
        assert run(sipp_command(serve, "call.xml", "u1", "-m", "5"), cwd=tmp_path).returncode == 0
        serve.check()
    finally:
        assert serve.stop() == 0


@contextmanager
def a_call_whose_client_is_silent(serve: Serve) -> Iterator[None]:
    """Nobody answers the BYE, nor does the system: the port of the client is open, and the client stands still."""
    with subprocess.Popen(
        sipp_command(serve, "waits_for_bye.xml", "u1", "-m", "1"), cwd=serve.directory, env=environment(), stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL,
    ) as sipp:  # fmt: skip
        try:
            until(lambda: any(call["state"] == "answered" for call in serve.calls()), "a call up")
            sipp.send_signal(signal.SIGSTOP)
            yield
        finally:
            sipp.kill()


def test_a_second_signal_stops_at_once(serve: Serve) -> None:
    with a_call_whose_client_is_silent(serve):
        serve.process.send_signal(signal.SIGTERM)
        until(lambda: "stopping" in serve.events(), "the first signal's effect")
        serve.process.send_signal(signal.SIGINT)
        assert serve.process.wait(DEADLINE) == 130  # 0 when it has waited for the answer after all


def test_a_terminal_that_is_closed_stops_it_as_ctrl_c_does(serve: Serve) -> None:
    assert run(sipp_command(serve, "call.xml", "u1", "-m", "1"), cwd=serve.directory).returncode == 0
    ignored = next(line for line in Path(f"/proc/{serve.process.pid}/status").read_text().splitlines() if line.startswith("SigIgn"))
    if int(ignored.split()[1], 16) & 1:
        pytest.skip("the tests run under nohup")
    serve.process.send_signal(signal.SIGHUP)
    assert serve.process.wait(60) == 0 and "stopping" in serve.events() and not serve.file.exists()


def test_without_an_answer_to_its_bye_it_stops_all_the_same(serve: Serve) -> None:
    with a_call_whose_client_is_silent(serve):
        began = time.monotonic()
        assert serve.stop() == 0 and time.monotonic() - began > 3  # it did wait


def test_all_that_a_stop_waits_for_takes_less_than_five_seconds() -> None:
    assert service._STOP_SECONDS + server._CLOSING_SECONDS < 5


def test_requests_in_a_bunch_are_answered_in_part(serve: Serve) -> None:
    """A thousand of them, and nothing else would go on until all are answered."""
    address = ("127.0.0.1", int(serve.endpoints["control"].rpartition(":")[2]))
    with socket.create_connection(address, DEADLINE) as client:
        answered = b""
        with suppress(ConnectionError):
            client.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n" * 1000)
        with suppress(ConnectionError):
            while data := client.recv(65536):
                answered += data
    assert answered.count(b"HTTP/1.1 200 OK") == 8 and answered.count(b"Connection: close") == 1


def test_http_from_elsewhere_is_refused(serve: Serve) -> None:
    """robustness 17."""
    host, _, port = serve.endpoints["control"].removeprefix("http://").partition(":")

    def status(method: str, path: str, headers: dict[str, str], body: bytes = b"") -> int:
        connection = http.client.HTTPConnection(host, int(port), timeout=DEADLINE)
        with suppress(ConnectionError):  # the answer may come, and the connection end, before all is said
            connection.request(method, path, body, headers)
        answer = connection.getresponse()
        assert b"Traceback" not in answer.read()
        assert answer.headers["Server"] == "vsim"
        connection.close()
        return answer.status

    assert status("GET", "/livez", {}) == 200
    assert status("GET", "/livez", {"Host": "evil.example"}) == 403
    assert status("POST", "/v1/reset", {"Origin": "http://evil.example"}) == 403
    assert status("POST", "/v1/reset", {}, b"x" * 200000) == 413
    assert status("TRACE", "/livez", {}) == 405
    assert status("HEAD", "/livez", {}) == 200
    with socket.create_connection((host, int(port)), timeout=DEADLINE) as odd:
        odd.sendall(b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n")
        assert odd.recv(4096).startswith(b"HTTP/1.1 400 ")


def test_events_are_a_stream_that_can_be_resumed(serve: Serve) -> None:
    host, _, port = serve.endpoints["control"].removeprefix("http://").partition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=DEADLINE)
    connection.request("GET", "/v1/events?after=0", headers={"Accept": "text/event-stream"})
    answer = connection.getresponse()
    assert answer.headers["Content-Type"] == "text/event-stream"
    run(sipp_command(serve, "call.xml", "u1", "-m", "1"), cwd=serve.directory)
    lines: list[str] = []
    while "event: call.ended" not in lines:
        lines.append(answer.readline().decode().rstrip("\n"))
    assert "event: ready" in lines, "what was before the stream began"
    last = int(next(line for line in reversed(lines) if line.startswith("id: "))[4:])
    connection.close()
    connection.request("GET", "/v1/events", headers={"Accept": "text/event-stream", "Last-Event-ID": str(last - 1)})
    answer = connection.getresponse()
    answer.readline(), answer.readline()
    assert answer.readline() == f"id: {last}\n".encode()
    connection.close()


def test_output_that_nobody_reads_holds_up_nothing(tmp_path: Path) -> None:
    """`vsim serve | less`, and a log shipper that hangs: the pipe is full after some lines."""
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)
    with suppress(BlockingIOError):
        while os.write(write_end, b"x" * 1024):
            pass
    os.set_blocking(write_end, True)
    command = [*VSIM, "serve", "--ephemeral", "--log-format", "json", "--endpoints", "vsim.json"]
    variables = environment(VSIM_TLS_DIRECTORY=str(tmp_path / "certs"))
    process = subprocess.Popen(command, cwd=tmp_path, env=variables, stdout=write_end, stdin=subprocess.DEVNULL)
    os.close(write_end)
    try:
        assert run([*VSIM, "wait", "--timeout", "60s"], 70, cwd=tmp_path).returncode == 0
        for _ in range(2):  # what each of them says has been written, or waits to be, when the other comes
            assert run([*VSIM, "call", "447700900000", "--from", "14155550100"], cwd=tmp_path).returncode == 1
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait(10)
        os.close(read_end)


def test_it_runs_without_standard_output_and_input(tmp_path: Path) -> None:
    """As some supervisors start it: what it writes must go into no socket that has their number."""
    variables = environment(VSIM_TLS_DIRECTORY=str(tmp_path / "certs"))
    command = 'exec "$@" <&- >&-'
    process = subprocess.Popen(
        ["sh", "-c", command, "sh", *VSIM, "serve", "--ephemeral", "--endpoints", "vsim.json"],
        cwd=tmp_path, env=variables, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert run([*VSIM, "wait", "--timeout", "60s"], 70, cwd=tmp_path).returncode == 0
        process.send_signal(signal.SIGTERM)
        assert process.communicate(timeout=60)[1] == "" and process.returncode == 0
    finally:
        process.kill()
        process.wait(10)
