"""Mutated octets at every port of a running emulator, with a health check in between."""

import os
import random
import socket
import struct
from itertools import islice
from pathlib import Path
from typing import Any

from tests.fuzz.mutate import DNS, HTTP, MESSAGES, mutations
from tests.support.serve import Serve

PING = (
    b"OPTIONS sip:h SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bKping%d;rport\r\nFrom: <sip:p@h>;tag=1\r\nTo: <sip:h>\r\n"
    b"Call-ID: ping\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
)
EVERY = 200
"""Messages between two health checks."""


def descriptors(process: int) -> int:
    return len(os.listdir(f"/proc/{process}/fd"))


class Attacker:
    """Sends what `seed` says to one emulator."""

    def __init__(self, serve: Serve, seed: int) -> None:
        self.serve = serve
        self.seed = seed
        self.proxy = serve.proxy("us-3-1")
        self.chance = random.Random(seed)
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind(("127.0.0.1", 0))
        self.pings = 0
        self.ping_socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.ping_socket.settimeout(60)

    def close(self) -> None:
        self.udp.close()
        self.ping_socket.close()

    def ping(self) -> None:
        """One health check; whatever came before is answered in order, so one answer says that all of it was read."""
        self.pings += 1
        data = PING.replace(b"%d", b"%d" % self.pings)
        self.ping_socket.sendto(data, (self.proxy["address"], self.proxy["udp"]))
        answer = self.ping_socket.recv(65535)
        assert answer.startswith(b"SIP/2.0 200 ") and b"z9hG4bKping%d;" % self.pings in answer, f"seed {self.seed}: {answer!r}"

    def run(self, count: int) -> None:
        """`count` messages in all: four of five over UDP, the rest over streams, DNS and HTTP."""
        messages = mutations(self.seed)
        others = [
            (self._stream, mutations(self.seed + 1)),
            (self._dns, mutations(self.seed + 2, DNS)),
            (self._http, mutations(self.seed + 3, HTTP)),
        ]
        for number in range(count // 5):
            for data in islice(messages, 4):
                self.udp.sendto(data, (self.proxy["address"], self.proxy["udp"]))
            send, source = others[number % 3]
            send(next(source))
            if number % (EVERY // 5) == 0:
                self._drain()
                self.ping()
        self.ping()

    def _drain(self) -> None:
        self.udp.setblocking(False)
        try:
            while True:
                self.udp.recv(65535)
        except BlockingIOError:
            pass
        self.udp.setblocking(True)

    def _stream(self, data: bytes) -> None:
        """A good message and a bad one in pieces, over TCP; sometimes cut off with a reset."""
        whole = self.chance.choice(MESSAGES) + data
        self._connect((self.proxy["address"], self.proxy["tcp"]), whole)

    def _dns(self, data: bytes) -> None:
        dns = self.serve.endpoints["dns"]
        if self.chance.random() < 0.5:
            self.udp.sendto(data, (dns["address"], dns["port"]))
        else:
            length = self.chance.choice((len(data), 0, 65535, 1))
            self._connect((dns["address"], dns["port"]), struct.pack("!H", length) + data)

    def _http(self, data: bytes) -> None:
        host, _, port = self.serve.endpoints["control"].rpartition("//")[2].rpartition(":")
        self._connect((host, int(port)), data)

    def _connect(self, address: tuple[str, int], data: bytes) -> None:
        with socket.create_connection(address, timeout=60) as sock:
            try:
                at = 0
                while at < len(data):
                    step = self.chance.choice((1, 7, 500, len(data)))
                    sock.sendall(data[at : at + step])
                    at += step if step > 7 else len(data) // 8 + step
                if self.chance.random() < 0.3:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            except OSError:
                pass  # it has had enough and closed


def memory(process: int) -> int:
    """Resident octets."""
    return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def attack(serve: Serve, seed: int, count: int) -> dict[str, Any]:
    """Attack, and see that nothing is lost: raises `AssertionError` otherwise. Returns what was measured."""
    attacker = Attacker(serve, seed)
    try:
        attacker.run(min(count, 1000))  # what the first requests make and keep is no leak
        before = memory(serve.process.pid)
        attacker.run(count)
    finally:
        attacker.close()
    serve.check()
    return {"seed": seed, "messages": count, "pings": attacker.pings, "growth": memory(serve.process.pid) - before}
