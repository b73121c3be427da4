"""Clients of a container, on a host beside it: a call, its audio, a resolver, a client of the control API."""

import http.client
import json
import socket
import subprocess
from pathlib import Path
from typing import Any

from tests.container.build import ROOT
from tests.container.network import INSIDE, OUTSIDE, Namespace
from tests.support.serve import DEADLINE, need

WIRE = ROOT / "tests" / "wire"


def ask(outside: Namespace, path: str, host: str = "", at: str = INSIDE) -> tuple[int, Any]:
    """Status and body of a GET of the control API, by a client on another host."""

    def get() -> tuple[int, Any]:
        connection = http.client.HTTPConnection(at, 8060, timeout=DEADLINE)
        try:
            connection.request("GET", path, headers={"Host": host or f"{at}:8060"})
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        finally:
            connection.close()

    return outside.do(get)


def dig(outside: Namespace, *question: str, at: str = INSIDE) -> list[str]:
    """The sorted answers."""
    done = outside.run(need("dig", "dnsutils"), f"@{at}", "+short", f"+time={DEADLINE:.0f}", "+tries=1", *question)
    assert done.returncode == 0, done.stdout
    return sorted(done.stdout.split("\n")[:-1])


def sipp(outside: Namespace, directory: Path, scenario: Path, *flags: str, at: str = INSIDE, own: str = OUTSIDE) -> subprocess.Popen[str]:
    """One call from another host."""
    return outside.start(
        need("sipp", "sip-tester"), f"{at}:5060", "-sf", scenario, "-au", "abcd1234", "-ap", "OfflineSecret1",
        "-s", "442071234567", "-i", own, "-mi", own, "-nostdin", "-timeout", "100", "-timeout_error", "-m", "1", *flags,
        cwd=directory,
    )  # fmt: skip


def finished(calling: subprocess.Popen[str]) -> None:
    """SIPp has seen everything its scenario expects."""
    output, _ = calling.communicate(timeout=2 * DEADLINE)
    assert calling.returncode == 0, output[-2000:]


def echoed(outside: Namespace, packets: int, at: str = INSIDE, own: str = OUTSIDE, seconds: float = DEADLINE) -> int:
    """How many of so many packets came back with their payload, up to the first that did not within so many seconds. They come from
    another port than the call's description says, as what comes through a published port does."""

    def talk() -> int:
        heard = 0
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as media:
            media.bind((own, 0))
            media.settimeout(seconds)
            for number in range(packets):
                payload = bytes([number]) * 160
                media.sendto(b"\x80\x00" + number.to_bytes(2) + (160 * number).to_bytes(4) + b"\xc0\xff\xee\x00" + payload, (at, 10000))
                try:
                    heard += media.recv(2000)[12:] == payload
                except TimeoutError:
                    break
        return heard

    return outside.do(talk)
