"""Net::SIP as the customer's software, in both directions over each transport; sip-options of Sofia-SIP as a health check."""

import re
import subprocess
from array import array
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emulator.media import g711
from tests.support.inbound import codes, over, recording, ring
from tests.support.sbc import PORT
from tests.support.serve import Serve, environment, last_lines, need, own_address, run, until
from tests.wire.test_inbound_phones import certificate
from tests.wire.test_linphone import voice
from tests.wire.test_phones import likeness

HERE = Path(__file__).parent
TRANSPORTS = ("udp", "tcp", "tls")
PACKAGES = {"Net::SIP": "libnet-sip-perl", "Net::DNS": "libnet-dns-perl", "IO::Socket::SSL": "libio-socket-ssl-perl"}


def perl() -> str:
    """perl with the modules that Net::SIP needs here."""
    program = need("perl", "perl")
    for module, package in PACKAGES.items():
        if run([program, f"-M{module}", "-e", "1"]).returncode:
            need(module, package)
    return program


def ulaw(directory: Path, number: int) -> np.ndarray:
    """`said` in a directory: a voice as raw PCMU."""
    directory.mkdir()
    samples = voice(directory / "in.wav", number)
    (directory / "said").write_bytes(g711.encode("PCMU", array("h", samples.tobytes())))
    return samples


def heard(directory: Path) -> np.ndarray:
    return np.array(g711.decode("PCMU", (directory / "heard").read_bytes()), float)


def call(serve: Serve, directory: Path, transport: str, number: str, digits: str = "", seconds: float = 4) -> str:
    """A call by Net::SIP; what it printed."""
    command = [
        perl(), HERE / "netsip.pl", "call", transport, serve.at(transport=transport), own_address(), directory / "said",
        directory / "heard", number, digits, str(seconds), serve.endpoints["ca"], serve.proxy()["host"],
    ]  # fmt: skip
    done = run(command)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.sound
def test_net_sip_hears_itself_over_each_transport(serve: Serve, tmp_path: Path) -> None:
    """It takes digits back, early media and a refusal. Its ACKs repeat its credentials, its Supported is empty, its To has no brackets."""
    perl()

    def talk(number: int, transport: str) -> tuple[float, str]:
        sent = ulaw(tmp_path / transport, number)
        printed = call(serve, tmp_path / transport, transport, "447700900200", "12#9")
        return likeness(sent, heard(tmp_path / transport)), printed

    with ThreadPoolExecutor(3) as pool:
        done = list(pool.map(talk, range(3), TRANSPORTS))
    for alike, printed in done:
        assert alike > 0.7, printed
        assert "final OK" in printed and "bye\n" in printed and re.findall("digit (.)", printed) == list("12#9"), printed
    ulaw(tmp_path / "early", 3)
    assert call(serve, tmp_path / "early", "udp", "447700900183", seconds=0.5).startswith("early 100\nearly 183\nfinal OK")
    assert call(serve, tmp_path / "early", "udp", "447700900486") == "final FAIL 486\n"
    found = {found_["transport"]: found_ for found_ in serve.calls() if found_["called"] == "447700900200"}
    assert set(found) == {"UDP", "TCP", "TLS"}
    for transport, one in found.items():
        assert (one["state"], one["ended_by"], one["media"]["digits"]) == ("ended", "caller", "12#9")
        assert "dtmf.end-once" in codes(one)
        odd = {code for code in codes(one) if not code.startswith(("dtmf.", "rtp."))}  # a busy machine accounts for those
        assert odd - {"limit.calls-per-second"} == ({"via.no-rport"} if transport == "UDP" else set())


@pytest.mark.sound
def test_net_sip_takes_calls_over_each_transport(serve: Serve, tmp_path: Path) -> None:
    """It rings nobody: 100, and 200 at once. Its 200 to BYE says Closing."""
    program = perl()

    def take(number: int, transport: str) -> tuple[float, str, dict[str, Any]]:
        directory, address = tmp_path / transport, own_address()
        said = ulaw(directory, number)
        certificate(directory)
        command = [program, HERE / "netsip.pl", "take", transport, "-", address, directory / "said", directory / "heard"]
        with (
            (directory / "printed").open("w") as output,
            subprocess.Popen(
                [str(part) for part in command], stdout=output, stderr=output, stdin=subprocess.DEVNULL, env=environment()
            ) as phone,
        ):
            try:
                until(
                    lambda: "listens" in (directory / "printed").read_text(),
                    lambda: f"Net::SIP to listen; {last_lines(directory / 'printed')}",
                )
                target = f"sip:447700900000@{address}:{PORT};transport={transport}"
                one = over(serve, ring(serve, target, digits="19#", talk=4, record=True))  # it hangs up when its five seconds are said
                until(lambda: "hung up" in (directory / "printed").read_text(), lambda: f"its BYE; {last_lines(directory / 'printed')}")
            finally:
                phone.terminate()
                phone.wait()
        return likeness(said, recording(serve, one)[0]), (directory / "printed").read_text(), one

    with ThreadPoolExecutor(3) as pool:
        done = list(pool.map(take, range(3), TRANSPORTS))
    for alike, printed, one in done:
        assert (one["state"], one["ended_by"]) == ("ended", "caller"), one
        assert alike > 0.7 and re.findall("digit (.)", printed) == list("19#"), printed


def test_sip_options_of_sofia_gets_its_answer(serve: Serve) -> None:
    program = need("sip-options", "sofia-sip-bin")
    for transport in ("udp", "tcp"):
        done = run([program, "--contact=sip:127.0.0.1:*", f"sip:{serve.at()};transport={transport}"])
        assert done.returncode == 0 and done.stdout.startswith("SIP/2.0 200 OK\n"), done.stdout + done.stderr
        assert "Allow: INVITE, ACK, CANCEL, BYE, OPTIONS" in done.stdout and "Accept: application/sdp\n" in done.stdout
    until(lambda: serve.events().count("  options  ") == 2, "an event for each transport")
