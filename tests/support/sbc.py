"""Kamailio and its rtpengine as somebody's SBC, at an address of their own beside an emulator."""

import re
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.support.serve import Serve, environment, last_lines, need, own_address, until

CONFIGS = Path(__file__).parent.parent / "wire"
PORT, TLS_PORT = 5060, 5061
"""Where Kamailio takes calls: UDP and TCP, and TLS."""
_CONTROL = 2223
_MEDIA = (30000, 39999)


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
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()


def answers_options(address: str, port: int = PORT) -> bool:
    """Whether something answers OPTIONS there over UDP."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(0.2)
        sock.connect((address, port))
        own = "{}:{}".format(*sock.getsockname())
        try:
            sock.send(
                f"OPTIONS sip:{address}:{port} SIP/2.0\r\nVia: SIP/2.0/UDP {own};branch=z9hG4bK{time.monotonic_ns()};rport\r\n"
                f"Max-Forwards: 5\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\nCall-ID: {time.monotonic_ns()}\r\nCSeq: 1 OPTIONS\r\n"
                "Content-Length: 0\r\n\r\n".encode()
            )
            return re.match(rb"SIP/2.0 200 ", sock.recv(4096)) is not None
        except OSError:
            return False


def _pongs(address: str) -> bool:
    """Whether rtpengine answers on its control port (a cookie, and a bencoded dictionary)."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(0.2)
        sock.connect((address, _CONTROL))
        try:
            sock.send(b"1 d7:command4:pinge")
            return sock.recv(1000).endswith(b"d6:result4:ponge")
        except OSError:
            return False


def kamailio(directory: Path, config: str, **values: object) -> list[str]:
    """The command that runs one by a configuration of tests/wire, in which each of the names stands for a value."""
    text = (CONFIGS / config).read_text()
    for name, value in values.items():
        text = text.replace(name, str(value))
    path = directory / "kamailio.cfg"
    path.write_text(text)
    return [need("kamailio", "kamailio"), "-f", str(path), "-DD", "-E", "-m", "64", "-M", "8", "-Y", str(directory)]


@contextmanager
def kamailio_and_rtpengine(serve: Serve, directory: Path, config: str) -> Iterator[str]:
    """Both for the time of the block, with the emulator as their trunk; the address that they are at. Their logs are in `directory`.

    rtpengine and Kamailio bind with SO_REUSEADDR, so that a port of media that is somebody's port of signalling too is no error but
    takes datagrams away from it. At an address that nobody else has there is nothing to be had.
    """
    rtpengine, address = need("rtpengine", "rtpengine-daemon"), own_address()
    certificates = Path(serve.endpoints["ca"]).parent
    tls = directory / "tls.cfg"
    tls.write_text(
        f"[server:default]\nmethod = TLSv1.2\nprivate_key = {certificates}/server.key\ncertificate = {certificates}/server.pem\n"
        f"[client:default]\nmethod = TLSv1.2\nverify_certificate = yes\nrequire_certificate = yes\nca_list = {serve.endpoints['ca']}\n"
    )
    proxy = kamailio(
        directory, config, TLS_CONFIG=tls, SBC_ADDRESS=address, SBC_PORT=PORT, SBC_TLS_PORT=TLS_PORT, NG_PORT=_CONTROL,
        TRUNK_REALM=serve.proxy()["host"], TRUNK_UDP=serve.at(), TRUNK_TCP=serve.at(transport="tcp"), TRUNK_TLS=serve.at(transport="tls"),
    )  # fmt: skip
    # One thread, for more of them bring packets of one stream out of order when the machine is busy.
    relay = [
        rtpengine, "--foreground", "--log-stderr", "--log-level=6", "--config-file=none", "--table=-1", f"--interface={address}",
        f"--listen-ng={address}:{_CONTROL}", f"--port-min={_MEDIA[0]}", f"--port-max={_MEDIA[1]}", "--num-threads=1",
        f"--pidfile={directory}/rtpengine.pid",
    ]  # fmt: skip
    both: tuple[tuple[list[str], Callable[[str], bool]], ...] = ((relay, _pongs), (proxy, answers_options))
    with ExitStack() as stack:
        for command, answers in both:
            log = directory / f"{Path(command[0]).name}.log"
            process = stack.enter_context(running(command, log))
            until(lambda: answers(address) or process.poll() is not None, command[0])  # noqa: B023 - called before the next round
            if process.poll() is not None:
                pytest.fail(f"{command[0]} has ended with {process.returncode}:\n{last_lines(log)}")
        yield address
