"""Calls to the account's numbers through a served emulator: the command, the API, the callback. The customer is a script on a socket."""

import http.server
import json
import signal
import socket
import subprocess
import threading
import urllib.error
import urllib.request
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.callee import Callee
from tests.support.customer import Customer, Script, accepts, answers
from tests.support.phone import SDP
from tests.support.serve import VSIM, Serve, environment, run, until

NUMBER, CALLER = "447700900000", "14155550100"


class UdpCustomer:
    """A customer on a socket, in a thread, with an echo of the media."""

    def __init__(self, script: Script) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.media = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.media.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.customer = Customer("127.0.0.1", self.port, script=script)
        self.heard = 0
        self.threads = [threading.Thread(target=target, daemon=True) for target in (self._signalling, self._echo)]
        for thread in self.threads:
            thread.start()

    def _signalling(self) -> None:
        while data := self._take(self.socket):
            message, peer = data
            self.customer.receive(message, lambda answer, peer=peer: self.socket.sendto(answer, peer))  # type: ignore[misc]
            call = self.customer.call
            if call.inbox and call.inbox[-1].method in ("BYE", "CANCEL"):
                request = call.inbox.pop()
                call.answer(200, "", to=request)
                if request.method == "CANCEL":
                    call.answer(487)

    def _echo(self) -> None:
        while data := self._take(self.media):
            self.heard += 1
            self.media.sendto(*data)

    @staticmethod
    def _take(sock: socket.socket) -> tuple[bytes, Any] | None:
        try:
            data = sock.recvfrom(65536)
        except OSError:
            return None
        return data if data[0] else None

    def close(self) -> None:
        for sock in (self.socket, self.media):
            address = sock.getsockname()
            sock.sendto(b"", address)
        for thread in self.threads:
            thread.join(60)
        self.socket.close()
        self.media.close()

    @property
    def uri(self) -> str:
        return f"sip:1234@127.0.0.1:{self.port}"


@pytest.fixture
def customer() -> Iterator[UdpCustomer]:
    """One who answers and echoes."""

    def accept(callee: Callee) -> None:
        sdp = SDP.replace("192.0.2.10", "127.0.0.1").replace("audio 4000", f"audio {made.media.getsockname()[1]}")
        callee.answer(200, None, sdp)

    made = UdpCustomer(accept)
    yield made
    made.close()


@pytest.fixture
def busy() -> Iterator[UdpCustomer]:
    made = UdpCustomer(answers(486))
    yield made
    made.close()


@pytest.fixture
def down() -> Iterator[UdpCustomer]:
    made = UdpCustomer(answers(503))
    yield made
    made.close()


def ask(serve: Serve, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    data = json.dumps(body).encode() if body is not None else None
    try:
        with urllib.request.urlopen(urllib.request.Request(serve.endpoints["control"] + path, data, method=method), timeout=60) as response:
            content = response.read()
            return response.status, json.loads(content) if response.headers["Content-Type"] == "application/json" else content
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def test_the_command_tells_each_attempt_and_keeps_the_recording(
    serve: Serve, customer: UdpCustomer, down: UdpCustomer, tmp_path: Path
) -> None:
    forward = f"{down.uri};timeout=20000, {customer.uri}"
    done = serve.cli("call", NUMBER, "--from", CALLER, "--forward", forward, "--talk", "1s", "--record", str(tmp_path / "r.wav"))
    assert done.returncode == 0, done
    lines = done.stdout.splitlines()
    assert f"UDP 127.0.0.1:{down.port}  503 So after " in lines[1] and f"UDP 127.0.0.1:{customer.port}  200 So after " in lines[2]
    assert "the caller got 200 So" in done.stdout and "media: PCMU" in done.stdout
    with wave.open(str(tmp_path / "r.wav")) as file:
        assert file.getnchannels() == 2 and file.getnframes() > 4000
        samples = memoryview(file.readframes(file.getnframes())).cast("h")
        assert max(samples[::2]) > 1000 and max(samples[1::2]) > 1000
    listed, shown = serve.cli("calls").stdout, serve.cli("show", "last").stdout
    assert "←" in listed and "inbound call #1" in shown and shown.count("INVITE sip:1234@") >= 2


def test_exit_codes_and_json(serve: Serve, customer: UdpCustomer, busy: UdpCustomer) -> None:
    refused = serve.cli("call", NUMBER, "--from", CALLER, "--forward", busy.uri, "--json")
    assert refused.returncode == 1 and json.loads(refused.stdout)["attempts"][0]["status"] == 486
    silent = UdpCustomer(accepts)
    try:
        assert serve.cli("call", NUMBER, "--from", CALLER, "--forward", silent.uri, "--talk", "300ms").returncode == 3
        assert serve.cli("call", NUMBER, "--from", CALLER, "--forward", silent.uri, "--talk", "300ms", "--no-media").returncode == 0
    finally:
        silent.close()
    wrong = serve.cli("call", NUMBER, "--from", CALLER, "--forward", "sip:1@h;timeout=1")
    assert wrong.returncode == 2 and wrong.stderr.startswith("vsim: forward, column 9: timeout=1")
    assert serve.cli("call", "447700900777", "--from", CALLER).returncode == 2
    assert serve.cli("call", NUMBER).returncode == 2
    assert run([*VSIM, "call", NUMBER, "--from", "1", "--url", "http://127.0.0.1:1"], env=environment()).returncode == 4


def test_sigterm_hangs_up_as_ctrl_c_does(serve: Serve, customer: UdpCustomer) -> None:
    command = [*VSIM, "call", NUMBER, "--from", CALLER, "--forward", customer.uri, "--talk", "0"]
    with subprocess.Popen(command, cwd=serve.directory, env=environment(), stdout=subprocess.PIPE, text=True) as caller:
        until(lambda: any(call["state"] == "answered" for call in serve.calls()), "the answer")
        until(lambda: customer.heard > 10, "the caller's voice")
        caller.send_signal(signal.SIGTERM)  # a job in the background may have been told to ignore Ctrl-C
        output, _ = caller.communicate(timeout=60)
    assert caller.returncode == 0 and "ended after" in output, output
    assert serve.calls()[0]["ended_by"] == "trunk"


def test_a_body_that_calls_itself_a_form_is_no_query(serve: Serve) -> None:
    """As curl and urllib send JSON by default: what looks like parameters in it is none."""
    forward = {"forward": "sip:1@127.0.0.1:5080;timeout=2000;transport=tcp&wait=1"}
    assert ask(serve, "POST", "/v1/down?name=us-3", {"name": "us-3"})[0] == 400
    assert ask(serve, "POST", "/v1/calls?wait=0", {"number": NUMBER, "caller": CALLER, **forward})[0] == 422
    forward["forward"] = "sip:1@127.0.0.1:5080;timeout=2000;transport=tcp"
    assert ask(serve, "POST", "/v1/calls?wait=0", {"number": NUMBER, "caller": CALLER, **forward})[0] == 201
    assert ask(serve, "GET", "/v1/calls?limit=1&limit=0")[1]["detail"] == "limit is a number from 1 to 1000"
    assert ask(serve, "GET", "/v1/calls?bogus")[1]["detail"] == "unknown query parameter 'bogus'; known here: limit, state"


def test_the_api_waits_for_the_end_and_numbers_are_kept(serve: Serve, customer: UdpCustomer) -> None:
    assert ask(serve, "PUT", f"/v1/numbers/{NUMBER}", {"forward": customer.uri})[0] == 200
    status, call = ask(serve, "POST", "/v1/calls?wait=50s", {"number": NUMBER, "caller": CALLER, "talk": "500ms", "record": True})
    assert status == 201 and (call["state"], call["ended_by"]) == ("ended", "caller") and call["media"]["packets_received"] > 0
    status, recording = ask(serve, "GET", f"/v1/calls/{call['id']}/recording")
    assert status == 200 and recording[:4] == b"RIFF"
    status, call = ask(serve, "POST", "/v1/calls?wait=50s&until=answered", {"number": NUMBER, "caller": CALLER, "play": "silence"})
    assert call["state"] == "answered"
    assert ask(serve, "POST", f"/v1/calls/{call['id']}/dtmf", {"digits": "5"})[0] == 200
    assert ask(serve, "DELETE", f"/v1/calls/{call['id']}")[0] == 200
    status, problem = ask(serve, "PUT", f"/v1/numbers/{NUMBER}", {"forward": "sip:1@h h"})
    assert status == 422 and problem["problems"][0]["position"] == 7
    until(lambda: ask(serve, "GET", "/v1/held")[1]["calls"] == 0, "the end of the calls")


def test_the_api_outlives_its_connections(serve: Serve) -> None:
    """At most 200 at once, and any number one after the other."""
    assert [ask(serve, "GET", "/livez")[0] for _ in range(250)] == [200] * 250


def test_a_client_that_goes_away_while_it_waits_harms_nobody(serve: Serve) -> None:
    silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    silent.bind(("127.0.0.1", 0))
    body = json.dumps({"number": NUMBER, "caller": CALLER, "forward": f"sip:1@127.0.0.1:{silent.getsockname()[1]};timeout=2000"}).encode()
    host, _, port = serve.endpoints["control"].removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), 60) as client:
        client.sendall(b"POST /v1/calls?wait=30s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n\r\n" % (host.encode(), len(body)) + body)
        until(lambda: serve.calls(), "the call")
    until(lambda: serve.calls()[0]["state"] == "refused", "its end")
    assert serve.calls()[0]["status"] == 486 and ask(serve, "GET", "/livez")[0] == 200
    silent.close()


def test_the_callback_is_told(serve: Serve, busy: UdpCustomer) -> None:
    told: list[dict[str, Any]] = []

    class Hook(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *arguments: Any) -> None:
            """Nothing is printed."""

    server = http.server.HTTPServer(("127.0.0.1", 0), Hook)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        url = f"http://127.0.0.1:{server.server_address[1]}/status"
        ring = {"number": NUMBER, "caller": CALLER, "forward": busy.uri, "voice_status_callback": url}
        assert ask(serve, "POST", "/v1/calls?wait=50s", ring)[1]["status"] == 486
        until(lambda: told, "the callback")
        assert (told[0]["sip_code"], told[0]["status"], told[0]["to"]) == (486, "busy", NUMBER)
    finally:
        server.shutdown()
        thread.join(60)
        server.server_close()
