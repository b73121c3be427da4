"""Kamailio with rtpengine as an SBC: plain RTP on its client's side, on the other what the trunk speaks, transcoded where it must be.

The client is baresip. rtpengine runs in user space; which transport, profile and codec it is to use with the trunk stands in the
Request-URI (`kamailio_rtpengine.cfg`).
"""

import re
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import pytest

from tests.support.baresip import Baresip
from tests.support.serve import Serve, environment, need, until
from tests.wire.test_linphone import PATIENT, codes, likeness, messages, together, voice
from tests.wire.test_phones import answers_options, recorded

pytestmark = pytest.mark.sound

HERE = Path(__file__).parent
DIGITS = "19#"
SBC = {"via.no-rport", "cseq.not-increased", "message.large-over-udp", "rtcp.reduced-size"}
"""Of every call: the first three are Kamailio's, the last is baresip opening its NAT."""
LIKE = {"PCMU": 0.9, "G722": 0.9, "G729": 0.5, "speex": 0.5}
"""How much of white noise is left of it; G.729 and speex leave 0.6, other noise is below 0.15."""


def free_port() -> int:
    """Free over UDP and TCP, a moment ago."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe, socket.socket() as other:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
        try:
            other.bind(("127.0.0.1", port))
        except OSError:
            return free_port()
        return port


@contextmanager
def running(command: list[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process for the time of the block; its output goes to `log`."""
    with (
        log.open("w") as output,
        subprocess.Popen(command, stdout=output, stderr=output, stdin=subprocess.DEVNULL, env=environment(), cwd=log.parent) as process,
    ):
        try:
            yield process
        finally:
            process.terminate()
            process.wait(10)


def pongs(port: int) -> bool:
    """Whether rtpengine answers on its control port (a cookie, and a bencoded dictionary)."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(0.2)
        sock.connect(("127.0.0.1", port))
        try:
            sock.send(b"1 d7:command4:pinge")
            return sock.recv(1000).endswith(b"d6:result4:ponge")
        except OSError:
            return False


def both(serve: Serve, directory: Path, port: int, tls_port: int, config_name: str = "kamailio_rtpengine.cfg") -> ExitStack | None:
    """Kamailio at its two ports and its rtpengine, until the stack is closed; None when one found a port of its taken, which their logs
    say."""
    kamailio, rtpengine = need("kamailio", "kamailio"), need("rtpengine", "rtpengine-daemon")
    ng_port, first = free_port(), min(free_port(), 65000) & ~1
    certificates = Path(serve.endpoints["ca"]).parent
    tls, config = directory / "tls.cfg", directory / "kamailio.cfg"
    tls.write_text(
        f"[server:default]\nmethod = TLSv1.2\nprivate_key = {certificates}/server.key\ncertificate = {certificates}/server.pem\n"
        f"[client:default]\nmethod = TLSv1.2\nverify_certificate = yes\nrequire_certificate = yes\nca_list = {serve.endpoints['ca']}\n"
    )
    text = (HERE / config_name).read_text()
    for name, value in (
        ("TLS_CONFIG", tls), ("SBC_PORT", port), ("SBC_TLS_PORT", tls_port), ("NG_PORT", ng_port), ("TRUNK_REALM", serve.proxy()["host"]),
        ("TRUNK_UDP", serve.at()), ("TRUNK_TCP", serve.at(transport="tcp")), ("TRUNK_TLS", serve.at(transport="tls")),
    ):  # fmt: skip
        text = text.replace(name, str(value))
    config.write_text(text)
    relay = [
        rtpengine, "--foreground", "--log-stderr", "--log-level=4", "--config-file=none", "--table=-1", "--interface=127.0.0.1",
        f"--listen-ng=127.0.0.1:{ng_port}", f"--port-min={first}", f"--port-max={first + 400}", f"--pidfile={directory}/rtpengine.pid",
    ]  # fmt: skip
    proxy = [kamailio, "-f", str(config), "-DD", "-E", "-m", "64", "-M", "8", "-Y", str(directory)]
    with ExitStack() as stack:
        for command, answers in ((relay, lambda: pongs(ng_port)), (proxy, lambda: answers_options(port))):
            process = stack.enter_context(running(command, directory / f"{Path(command[0]).name}.log"))
            until(lambda: answers() or process.poll() is not None, command[0])  # noqa: B023 - called before the next round
            if process.poll() is not None:
                return None
        return stack.pop_all()


@pytest.fixture
def sbc(serve: Serve, tmp_path: Path) -> Iterator[str]:
    """Kamailio and rtpengine beside an emulator; `address:port` for clients."""
    need("baresip", "baresip-core")
    for _ in range(5):
        port = free_port()
        stack = both(serve, tmp_path, port, free_port())
        if stack is not None:
            with stack:
                yield f"127.0.0.1:{port}"
            return
    pytest.fail("\n".join(log.read_text() for log in tmp_path.glob("*.log")))


def calls_through(serve: Serve, sbc: str, directory: Path, ways: list[tuple[str, str, str]]) -> None:
    """A call each, all at once: transport, profile and codec on the trunk's side. Voice and digits come back to the client."""

    def call(number: int, transport: str, profile: str, codec: str) -> tuple[np.ndarray, Path]:
        own = directory / f"{transport}-{profile}-{codec}"
        own.mkdir()
        sent = voice(own / "in.wav", number, PATIENT)
        transcoded = "" if codec == "PCMU" else f".{codec}"
        with Baresip(own, sbc) as phone:
            phone.dial(f"sip:4420712345{number:02}@{sbc};way={transport}.{profile}{transcoded}")
            until(lambda: phone.played >= 2.5, "two and a half seconds of the call")
            for digit in DIGITS:
                phone.press(digit)
            phone.hang_up()
            until(lambda: phone.saw("CALL_CLOSED") is not None, "the end of the call")
            assert phone.digits == DIGITS
        return sent, phone.recording

    done = together(call, [(number, *way) for number, way in enumerate(ways)])
    for (transport, profile, codec), (sent, heard) in zip(ways, done, strict=True):
        assert likeness(sent, recorded(heard)) > LIKE[codec], (transport, profile, codec, likeness(sent, recorded(heard)))
    assert likeness(done[0][0], recorded(done[1][1])) < 0.3
    found = {int(one["called"][-2:]): one for one in serve.calls()}
    for number, (transport, profile, codec) in enumerate(ways):
        one = found[number]
        assert (one["state"], one["ended_by"], one["transport"], one["codec"]) == ("ended", "caller", transport.upper(), codec)
        assert (one["media"]["srtp"], one["media"]["digits"], one["media"]["srtp_refused"]) == (profile == "SAVP", DIGITS, 0)
        # What a busy machine does to packets is no fault of theirs; where rtpengine makes the events itself, each of the three end
        # packets of a digit has a timestamp of its own.
        odd = {code for code in codes(one) - SBC if not code.startswith(("dtmf.", "rtp."))}
        assert odd == ({"srtp.in-clear"} if profile == "SAVP" and transport != "tls" else set()), one["findings"]


def test_plain_and_secure_over_each_transport(serve: Serve, sbc: str, tmp_path: Path) -> None:
    """The client speaks plain RTP; rtpengine offers the trunk a dozen suites, of which one is taken under its tag."""
    ways = [(transport, profile, "PCMU") for transport in ("udp", "tcp", "tls") for profile in ("AVP", "SAVP")]
    calls_through(serve, sbc, tmp_path, ways)
    for one in serve.calls():
        if one["media"]["srtp"]:
            offered = re.findall(r"a=crypto:(\d+) (\S+)", next(text for text in messages(serve, one, True) if text.startswith("INVITE")))
            answered = re.findall(r"a=crypto:(\d+) (\S+)", next(text for text in messages(serve, one, False) if " 200 OK" in text))
            assert len(offered) > 3 and len(answered) == 1 and answered[0] in offered
            assert answered[0][1] == "AES_CM_128_HMAC_SHA1_80"


def test_what_rtpengine_transcodes(serve: Serve, sbc: str, tmp_path: Path) -> None:
    """G.722, G.729 and wideband speex; Debian's rtpengine decodes iLBC and can't encode it."""
    ways = [(transport, profile, codec) for codec in ("G722", "G729", "speex") for transport, profile in (("udp", "AVP"), ("tls", "SAVP"))]
    calls_through(serve, sbc, tmp_path, ways)
