"""`vsim phone`: beside the trunk, and beside software that shares no code with it, so that our two halves do not merely agree."""

import itertools
import json
import os
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.baresip import RTP_PORTS
from tests.support.serve import DEADLINE, VSIM, Serve, environment, need, own_address, run, until
from tests.support.sipp import BUFFER, SLOW, listens
from tests.support.sipp import PORT as SIPP_PORT
from tests.wire.test_phones import likeness, noise, recorded

HERE = Path(__file__).parent
NUMBER, CALLER = "447700900000", "14155550100"
KINDS = list(itertools.product(("udp", "tcp", "tls"), (False, True)))
"""Transport, and whether media is SRTP."""
BUSY = ("--most-lost", "0.5")
"""Of a call whose subject is not how much comes back: a busy machine may be late with the last packets."""


def odd(findings: list[dict[str, Any]]) -> set[str]:
    """Those that a machine that is busy does not account for."""
    return {code for one in findings if not (code := str(one["code"])).startswith(("dtmf.", "rtp."))}


_TAKEN = itertools.count(0, 2)


def free_port() -> int:
    """An even port that is free, and the next one too, for UDP and TCP; below those that the system hands out by itself."""
    for port in range(20000 + 2 * (7919 * os.getpid() % 5000) + next(_TAKEN), 32000, 2):
        sockets = [socket.socket(socket.AF_INET, kind) for kind in 2 * (socket.SOCK_DGRAM, socket.SOCK_STREAM)]
        try:
            for number, sock in enumerate(sockets):
                sock.bind(("127.0.0.1", port + number // 2))
        except OSError:
            continue
        finally:
            for sock in sockets:
                sock.close()
        return port
    raise AssertionError("no free port")


def phone(serve: Serve, *arguments: str, code: int = 0) -> dict[str, Any]:
    """A call of the phone's to its end; what it says in JSON."""
    done = serve.cli("phone", "call", "--json", *arguments)
    assert done.returncode == code, done.stdout + done.stderr
    assert done.stderr == ""
    said: dict[str, Any] = json.loads(done.stdout)
    return said


class Answering:
    """A phone that takes calls: its process, where it listens by transport, and its calls."""

    def __init__(self, process: "subprocess.Popen[str]", bound: dict[str, str]) -> None:
        self.process = process
        self.bound = bound
        self.calls: list[dict[str, Any]] = []


@contextmanager
def answering(directory: Path, *arguments: str, code: int | None = 0, **variables: str) -> Iterator[Answering]:
    """A phone that takes calls; its calls are there when the context ends."""
    command = [*VSIM, "phone", "answer", "--json", "--listen", "127.0.0.1:0", "--for", "300s", *arguments]
    with tempfile.TemporaryFile("w+", dir=directory) as output, tempfile.TemporaryFile("w+", dir=directory) as errors:

        def said() -> list[str]:
            output.seek(0)
            return output.read().splitlines()

        with subprocess.Popen(
            command, cwd=directory, env=environment(**variables), stdin=subprocess.DEVNULL, stdout=output, stderr=errors
        ) as process:
            try:
                until(lambda: said() or process.poll() is not None, "the phone that answers")
                assert process.poll() is None, (said(), errors.seek(0), errors.read())
                phone = Answering(process, json.loads(said()[0])["listening"])
                yield phone
                if "--once" not in arguments:
                    process.send_signal(signal.SIGINT)
                process.wait(DEADLINE)
            finally:
                if process.poll() is None:
                    process.kill()
        phone.calls.extend(json.loads(line) for line in said()[1:])
        errors.seek(0)
        assert (code is None or process.returncode == code) and errors.read() == "", said()


# -- through the trunk -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trunk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    """One emulator for all tests of this file that need no other."""
    directory = tmp_path_factory.mktemp("trunk")
    (directory / "vsim.yaml").write_text("dns: {hosts: {pbx.example.net: 127.0.13.1}}\n")
    emulator = Serve(directory)
    try:
        yield emulator
        emulator.check()
    finally:
        emulator.stop()


@pytest.mark.real_time
def test_calls_over_each_transport_plain_and_secure(trunk: Serve) -> None:
    def call(transport: str, srtp: bool) -> dict[str, Any]:
        return phone(
            trunk, "442071234567", "--transport", transport, "--dtmf", "1234#", "--talk", "1s", *BUSY, *(["--srtp"] if srtp else [])
        )

    with ThreadPoolExecutor(3) as pool:
        done = list(pool.map(lambda kind: call(*kind), KINDS))
    for (transport, srtp), said in zip(KINDS, done, strict=True):
        assert said["problems"] == []
        assert odd(said["findings"]) == set()
        assert (said["transport"], said["status"], said["media"]["srtp"]) == (transport.upper(), 200, srtp)
        assert said["media"]["digits_heard"] == "1234#"
        assert said["media"]["echo"]["same"]
        call_ = json.loads(trunk.cli("show", called(trunk, said), "--json").stdout)
        assert (call_["state"], call_["ended_by"], call_["transport"], call_["media"]["srtp"]) == (
            "ended",
            "caller",
            transport.upper(),
            srtp,
        )
        expected = {"srtp.in-clear"} if srtp and transport != "tls" else set()
        assert odd(call_["findings"]) - {"limit.calls-per-second"} == expected


def called(trunk: Serve, said: dict[str, Any]) -> str:
    """The trunk's number of a call of the phone's."""
    return next(str(call["id"]) for call in trunk.calls() if call["call_id"] == said["call_id"])


def test_each_codec(trunk: Serve) -> None:
    codecs = ("PCMA", "G722", "G729", "iLBC", "speex")
    with ThreadPoolExecutor(3) as pool:
        done = list(pool.map(lambda codec: phone(trunk, "442071234567", "--codec", codec, "--talk", "1s", *BUSY), codecs))
    assert [said["media"]["codec"] for said in done] == list(codecs) and all(said["media"]["echo"]["same"] for said in done)


def test_a_region_is_found_by_srv_and_its_proxies_are_tried_in_their_order(trunk: Serve) -> None:
    said = phone(trunk, "447700900503", "--at", "us", "--transport", "tls", code=1)
    names = [attempt["uri"].partition("@")[2] for attempt in said["attempts"]]
    assert {*names[:2]} == {"sip-us-3-1.vonage.com", "sip-us-3-2.vonage.com"}
    assert {*names[2:]} == {"sip-us-4-1.vonage.com", "sip-us-4-2.vonage.com"}
    assert [attempt["status"] for attempt in said["attempts"]] == [503] * 4
    assert len(phone(trunk, "447700900503", "--at", "sip-us-4.vonage.com", "--no-failover", code=1)["attempts"]) == 1
    assert phone(trunk, "447700900503", "--at", "eu", "--status", "503")["problems"] == []


WRONG = (
    ("447700900486", 1, "486 Busy Here where 200 was wanted"),
    ("447700900701 --talk 500ms", 3, "none of "),
    ("447700900100 --ring-limit 1s", 4, "no final response in 1 s"),
    ("447700900000 --patience 1s", 4, "no response in 1 s"),
    ("442071234567 --account abcd1234:Wrong1", 1, "407 Proxy Authentication Required where 200 was wanted"),
    ("442071234567 --at 127.0.0.1:1 --transport tcp", 4, "connection refused"),
    ("442071234567 --at 127.0.0.1:1", 4, "port unreachable (ICMP)"),
    ("442071234567 --at sip-mars.vonage.com", 4, "sip-mars.vonage.com was not found"),
    ("447700900202 --talk 20s", 1, "the other side hung up after "),
    ("447700900720 --hears-digits 99 --talk 6s", 3, "99 expected, 1234# came"),
)


def test_what_goes_wrong_has_its_exit_code_and_says_why(trunk: Serve) -> None:
    with ThreadPoolExecutor(4) as pool, socket.create_server(("127.0.0.1", 0)) as mute:
        at = f"442071234567 --patience 1s --at 127.0.0.1:{mute.getsockname()[1]} --transport"
        cases = (*WRONG, (f"{at} tcp", 4, "no response in 1 s"), (f"{at} tls", 4, "no end of the TLS handshake in 1 s"))
        done = list(pool.map(lambda case: phone(trunk, *case[0].split(), code=case[1]), cases))
    for (arguments, _, text), said in zip(cases, done, strict=True):
        assert text in said["problems"][0]["text"], arguments


def test_the_certificate_must_be_the_cas_and_for_the_host(trunk: Serve, tmp_path: Path) -> None:
    """RFC 5922 7.2: what counts is the host that is called, not the address that has it."""
    at = trunk.at(transport="tls")
    phone(trunk, "442071234567", "--at", at, "--transport", "tls", "--talk", "500ms", *BUSY)  # the address is in the certificate
    other = tmp_path / "other"
    exported = run([*VSIM, "certs", "--export", other], env=environment(VSIM_TLS_DIRECTORY=str(other)))
    assert exported.returncode == 0, exported.stderr
    said = phone(trunk, "442071234567", "--transport", "tls", "--ca", str(other / "ca.pem"), code=4)
    assert "the certificate is refused" in said["problems"][0]["text"]
    assert (
        phone(trunk, "442071234567", "--transport", "tls", "--ca", str(other / "ca.pem"), "--insecure", "--talk", "500ms", *BUSY)["status"]
        == 200
    )
    other_name = f"pbx.example.net:{at.rpartition(':')[2]}"
    said = phone(trunk, "442071234567", "--at", other_name, "--transport", "tls", code=4)
    assert "not for pbx.example.net" in said["problems"][0]["text"]


def test_the_environment_of_a_program_under_test_is_enough(trunk: Serve, tmp_path: Path) -> None:
    """`eval "$(vsim env)"` in any directory."""
    lines = trunk.cli("env").stdout.splitlines()
    variables = dict(line.removeprefix("export ").replace("'", "").split("=", 1) for line in lines)
    assert variables["VSIM_NUMBER"] == NUMBER
    command = [*VSIM, "phone", "call", "442071234567", "--at", "us", "--transport", "tls", "--srtp", "--talk", "500ms", *BUSY]
    done = run(command, env=environment(**variables), cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "✓ echo" in done.stdout and "✗" not in done.stdout
    alone = run(command, env=environment(), cwd=tmp_path)
    assert alone.returncode == 4 and "no emulator runs here" in alone.stderr


def test_one_call_after_the_other(trunk: Serve) -> None:
    done = trunk.cli(
        "phone", "call", "447700900200", "--at", "us", "--talk", "300ms", *BUSY, "--again", "2", "--again-after", "100ms", "--json"
    )
    said = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0 and [call["status"] for call in said] == [200] * 3
    assert len({call["call_id"] for call in said}) == 3


def test_what_a_person_reads(trunk: Serve) -> None:
    done = trunk.cli("phone", "call", "442071234567", "--talk", "500ms", "--dtmf", "12", *BUSY, "--ladder")
    lines = done.stdout.splitlines()
    assert done.returncode == 0 and lines[0] == f"{NUMBER} calls 442071234567 at sip-us-3-1.vonage.com over UDP"
    assert lines[1].startswith("  1  sip:442071234567@sip-us-3-1.vonage.com  UDP 127.0.13.1:") and "200 OK after" in lines[1]
    assert [line[:14].rstrip() for line in lines[2:5]] == ["✓ signalling", "✓ echo", "✓ digits"]
    assert "12 sent, 12 came back" in lines[4] and any("407 Proxy Authentication Required" in line for line in lines[5:])


USAGE = (
    ("442071234567 --talk soon", "--talk"),
    ("442071234567 --codec opus", "write one of PCMA, PCMU"),
    ("442071234567 --dtmf 12x", "position 3"),
    ("442071234567 --at no/where", "write a proxy such as us-3-1"),
    ("442071234567 --at 127.0.0.1:99999", "write a proxy such as us-3-1"),
    ("442071234567 --dns nowhere", "write ADDRESS:PORT"),
    ("442071234567 --ca missing.pem", "no such file"),
)


def test_usage(trunk: Serve) -> None:
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda case: trunk.cli("phone", "call", *case[0].split()), USAGE))
    for (arguments, text), said in zip(USAGE, done, strict=True):
        assert said.returncode == 2 and text in said.stderr and "Traceback" not in said.stderr, arguments


# -- as the customer -------------------------------------------------------------------------------------------------


def ring(serve: Serve, forward: str, *arguments: str) -> dict[str, Any]:
    """A call from Vonage, to its end."""
    done = serve.cli("call", NUMBER, "--from", CALLER, "--forward", forward, "--json", *arguments)
    assert done.stdout, done.stderr
    said: dict[str, Any] = json.loads(done.stdout)
    return said


@pytest.mark.real_time
def test_it_takes_calls_over_each_transport_and_hears_itself(trunk: Serve) -> None:
    def take(transport: str, srtp: bool) -> None:
        secure = ";media=srtp" if srtp else ""
        flags = [
            "--signal",
            "--ring",
            "300ms",
            "--hang-up-after",
            "1s",
            *BUSY,
            "--hears-digits",
            "42#",
            "--once",
            "--transport",
            transport.lower(),
        ]
        with answering(trunk.directory, *flags, VSIM_TLS_DIRECTORY=str(trunk.directory / "certs")) as taking:
            uri = f"sip:100@{taking.bound[transport.upper()]};transport={transport}{secure}{SLOW}"
            got = ring(trunk, uri, "--play", "echo", "--dtmf", "42#", "--talk", "20s")
        (said,) = taking.calls
        assert said["problems"] == [] and (said["caller"], said["number"], said["status"]) == (CALLER, "100", 200)
        assert said["media"]["srtp"] == srtp and said["media"]["echo"]["same"] and said["media"]["digits_heard"] == "42#"
        assert (got["state"], got["ended_by"]) == ("ended", "called") and got["media"]["srtp"] == srtp

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda kind: take(*kind), KINDS))


def test_it_refuses_stays_silent_echoes_and_is_hung_up(trunk: Serve) -> None:
    with (
        answering(trunk.directory, "--status", "503") as refuses,
        answering(trunk.directory, "--silent") as hears,
        answering(trunk.directory) as echoes,
    ):
        got = ring(
            trunk,
            f"sip:a@{refuses.bound['UDP']}{SLOW}, sip:b@{hears.bound['UDP']};timeout=2000, sip:c@{echoes.bound['UDP']}{SLOW}",
            "--talk",
            "1s",
        )
    assert [(attempt["outcome"], attempt["status"]) for attempt in got["attempts"]] == [
        ("refused", 503), ("timeout", None), ("answered", 200),
    ]  # fmt: skip
    assert [call["status"] for call in refuses.calls] == [503]
    assert [call["status"] for call in hears.calls] == [None]
    assert [(call["status"], call["ended_by"]) for call in echoes.calls] == [(200, "other")]
    assert echoes.calls[0]["media"]["heard"]["packets"] > 0


def test_it_hangs_up_on_a_caller_that_says_nothing(trunk: Serve) -> None:
    with answering(trunk.directory, "--hang-up-on-silence", "500ms", "--once", code=3) as hears:
        got = ring(trunk, f"sip:a@{hears.bound['UDP']}", "--play", "nothing", "--talk", "50s")
    assert (got["state"], got["ended_by"]) == ("ended", "called")
    assert [(call["ended_by"], call["silent"]) for call in hears.calls] == [("phone", 0.5)]


def test_a_call_that_was_taken_is_told_of_in_words(trunk: Serve) -> None:
    number = free_port()
    with subprocess.Popen(
        [*VSIM, "phone", "answer", "--listen", f"127.0.0.1:{number}", "--once", "--for", "60s"],
        cwd=trunk.directory, env=environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None and process.stdout.readline().startswith("listening at ")
        ring(trunk, f"sip:100@127.0.0.1:{number}", "--talk", "300ms")
        lines = process.stdout.read().splitlines()
    assert lines[0].startswith(f"{CALLER} calls 100 from ") and lines[0].endswith(" over UDP: ended")
    assert "; the other side hung up after " in lines[1], lines


def test_nobody_calls(tmp_path: Path) -> None:
    done = run([*VSIM, "phone", "answer", "--listen", "127.0.0.1:0", "--for", "300ms"], cwd=tmp_path)
    assert done.returncode == 4 and done.stderr == "vsim: no call came in 300ms\n"
    taken = run([*VSIM, "phone", "answer", "--listen", "127.0.0.1:80000"], cwd=tmp_path)
    assert taken.returncode == 2 and "write ADDRESS:PORT" in taken.stderr
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as busy:
        busy.bind(("127.0.0.1", 0))
        done = run([*VSIM, "phone", "answer", "--listen", f"127.0.0.1:{busy.getsockname()[1]}"], cwd=tmp_path)
        assert done.returncode == 2 and "address already in use" in done.stderr


def test_ctrl_c_hangs_up(serve: Serve) -> None:
    command = [*VSIM, "phone", "call", "442071234567", "--talk", "60s"]
    with subprocess.Popen(command, cwd=serve.directory, env=environment(), stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL) as process:
        until(lambda: "call.answered" in serve.events(), "the call is up")
        process.send_signal(signal.SIGINT)
        assert process.wait(DEADLINE) == 130
    until(lambda: [(call["state"], call["ended_by"]) for call in serve.calls()] == [("ended", "caller")], "the BYE")


# -- beside foreign software -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("secret", "code"), [("secret,1", 0), ("wrong", 1)])
@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_sipp_challenges_it_and_checks_its_answer(tmp_path: Path, transport: str, secret: str, code: int) -> None:
    """401 with a realm in which there is a comma, qop with two values, opaque; Record-Route; an echo of RTP that is not ours."""
    address = own_address()
    command = [
        need("sipp", "sip-tester"), "-sf", HERE / "digest_uas.xml", "-i", address, "-p", str(SIPP_PORT), "-mi", address,
        "-rtp_echo", "-m", "1", "-t", "t1" if transport == "tcp" else "u1", "-nostdin", "-timeout", "100", "-timeout_error",
        "-buff_size", BUFFER,
    ]  # fmt: skip
    with subprocess.Popen(
        [str(part) for part in command],
        cwd=tmp_path,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as sipp:
        try:
            until(lambda: listens(address, SIPP_PORT, transport == "tcp") or sipp.poll() is not None, "SIPp")
            flags = [
                "--at",
                f"{address}:{SIPP_PORT}",
                "--transport",
                transport,
                "--account",
                f"me:{secret}",
                "--talk",
                "1s",
                "--dtmf",
                "159D",
                *BUSY,
                "--json",
            ]
            done = run([*VSIM, "phone", "call", "100", *flags], cwd=tmp_path)
            output, _ = sipp.communicate(timeout=2 * DEADLINE)
        finally:
            if sipp.poll() is None:
                sipp.kill()
    assert done.returncode == code, done.stdout + done.stderr
    said = json.loads(done.stdout)
    assert sipp.returncode == 0, output.decode(errors="replace")[-2000:]
    if code:
        assert said["status"] == 403
        return
    media_said = said["media"]
    assert (media_said["codec"], media_said["digits_heard"]) == ("PCMA", "159D")
    assert media_said["echo"]["same"]
    assert said["problems"] == []


def test_sipp_calls_it(tmp_path: Path) -> None:
    """SIPp's own caller: a hundred calls, none failed."""
    with answering(tmp_path, "--hears", "any") as taking:
        host, port = taking.bound["UDP"].split(":")
        flags = [
            "-m",
            "100",
            "-r",
            "50",
            "-d",
            "300",
            "-i",
            "127.0.0.1",
            "-nostdin",
            "-timeout",
            "100",
            "-timeout_error",
            "-buff_size",
            BUFFER,
        ]
        done = run([need("sipp", "sip-tester"), "-sn", "uac", f"{host}:{port}", *flags], cwd=tmp_path)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    assert len(taking.calls) == 100 and {(call["status"], call["ended_by"]) for call in taking.calls} == {(200, "other")}
    assert all(call["problems"] == [] for call in taking.calls)


@contextmanager
def baresip(directory: Path, *modules: str, account: str, execute: str | None = None, **settings: str) -> Iterator[int]:
    """A baresip that listens at a port of its own, TLS at the next."""
    program = need("baresip", "baresip-core")
    found = next(path for path in (Path("/usr/lib/baresip/modules"), Path("/usr/local/lib/baresip/modules")) if path.is_dir())
    directory.mkdir()
    (directory / "accounts").write_text(account + "\n")
    (directory / "contacts").write_text("")
    command = [program, "-4", "-f", str(directory), *(["-e", execute] if execute else [])]
    for left in (2, 1, 0):
        port = free_port()
        lines = [
            f"sip_listen 127.0.0.1:{port}", f"rtp_ports {RTP_PORTS}",
            "audio_alert aufile,/dev/null", "ausrc_srate 8000", "auplay_srate 8000",
            "net_interface 127.0.0.1", f"module_path {found}", "module g711.so", "module srtp.so", "module sndfile.so",
            f"snd_path {directory}", *(f"module {name}.so" for name in modules if name != "echo"), "module_app account.so",
            "module_app menu.so", *(f"module_app {name}.so" for name in modules if name == "echo"),
            *(f"{name} {value}" for name, value in settings.items()),
        ]  # fmt: skip
        (directory / "config").write_text("\n".join(lines) + "\n")
        with (
            (directory / "output").open("w") as output,
            subprocess.Popen(command, cwd=directory, env=environment(), stdin=subprocess.DEVNULL, stdout=output, stderr=output) as process,
        ):
            try:
                until(lambda: listens("127.0.0.1", port) or process.poll() is not None, "baresip")  # noqa: B023
                if process.poll() is None or not left:
                    assert process.poll() is None, (directory / "output").read_text()
                    yield port
                    return
            finally:
                process.terminate()
                try:
                    process.wait(DEADLINE)
                except subprocess.TimeoutExpired:
                    process.kill()


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CA of its own, a certificate for 127.0.0.1, its key, and both in one file."""
    directory = tmp_path_factory.mktemp("certificates")
    done = run([*VSIM, "certs"], env=environment(VSIM_TLS_DIRECTORY=str(directory)))
    assert done.returncode == 0, done.stderr
    (directory / "pair.pem").write_bytes((directory / "server.key").read_bytes() + (directory / "server.pem").read_bytes())
    return directory


@pytest.mark.real_time
def test_baresip_takes_its_calls_and_echoes(tmp_path: Path, certificates: Path) -> None:
    """Its echo decodes and encodes what it hears, through buffers of its own, and still every octet is the same."""

    def call(transport: str, secure: bool) -> None:
        account = "<sip:100@127.0.0.1>;regint=0;answermode=auto;audio_codecs=PCMU" + (";mediaenc=srtp-mand" if secure else "")
        bridge = {"audio_player": "aubridge,x", "audio_source": "aubridge,x", "sip_certificate": str(certificates / "pair.pem")}
        with baresip(tmp_path / f"{transport}-{secure}", "aubridge", "echo", account=account, **bridge) as port:
            at = f"127.0.0.1:{port + (transport == 'tls')}"
            flags = ["--at", at, "--transport", transport, "--ca", certificates / "ca.pem", "--talk", "2s", *BUSY, "--json"]
            done = run([*VSIM, "phone", "call", "100", *flags, *(["--srtp"] if secure else [])], cwd=tmp_path)
        said = json.loads(done.stdout)
        assert done.returncode == 0, (transport, secure, said, done.stderr)
        assert said["media"]["srtp"] == secure and said["media"]["echo"]["returned"] > 20, said["media"]

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda kind: call(*kind), KINDS))


@pytest.mark.real_time
def test_baresip_calls_it_and_hears_itself(tmp_path: Path, certificates: Path) -> None:
    sent = noise(tmp_path / "in.wav", 5)

    def call(transport: str, secure: bool) -> None:
        directory = tmp_path / f"{transport}-{secure}"
        flags = ["--hang-up-after", "3500ms", "--once", "--transport", transport, "--dtmf", "17"]
        with answering(tmp_path, *flags, VSIM_TLS_DIRECTORY=str(certificates)) as taking:
            account = "<sip:200@127.0.0.1>;regint=0;audio_codecs=PCMA" + (";mediaenc=srtp-mand" if secure else "")
            with baresip(
                directory, "aufile", account=account, execute=f"/dial sip:100@{taking.bound[transport.upper()]};transport={transport}",
                sip_cafile=str(certificates / "ca.pem"), audio_player="aufile,/dev/null", audio_source=f"aufile,{tmp_path}/in.wav",
            ):  # fmt: skip
                until(lambda: taking.process.poll() is not None, "the end of the call")
        (said,) = taking.calls
        (heard,) = directory.glob("dump-*-dec.wav")
        assert likeness(sent, recorded(heard)) > 0.6, (transport, secure)
        assert (said["status"], said["caller"], said["ended_by"]) == (200, "200", "phone")
        assert said["media"]["srtp"] == secure and said["media"]["codec"] == "PCMA" and said["media"]["heard"]["packets"] > 20

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda kind: call(*kind), KINDS))
