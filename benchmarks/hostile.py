"""What robustness is measured by: a flood of INVITEs without credentials, half-open connections, a thousand connections, a 2xx that
nobody acknowledges, and what an unauthenticated datagram gets back."""

import random
import socket
import ssl
import statistics
import threading
import time
from typing import Any

from benchmarks.processes import memory_octets, settled_memory_octets, table, vsim
from emulator.control.client import Client
from tests.fuzz.mutate import mutations
from tests.support.phone import Phone, Received

FLOOD_RATE, FLOOD_SECONDS = 500, 10
CORPUS = 10_000
HALF_OPEN = 300
CONNECTIONS = 1000
_INVITE = (
    "INVITE sip:442071234567@sip-us.vonage.com SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:{port};branch=z9hG4bK{n};rport\r\n"
    "Max-Forwards: 70\r\nFrom: <sip:447700900000@sip-us.vonage.com>;tag=f{n}\r\nTo: <sip:442071234567@sip-us.vonage.com>\r\n"
    "Call-ID: flood-{n}\r\nCSeq: 1 INVITE\r\nContact: <sip:447700900000@127.0.0.1:{port}>\r\nAllow: INVITE, ACK, BYE, CANCEL\r\n"
    "Content-Type: application/sdp\r\nContent-Length: {length}\r\n\r\n{body}"
)
_SDP = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n"
_OPTIONS = (
    "OPTIONS sip:h SIP/2.0\r\nVia: SIP/2.0/{transport} 127.0.0.1:{port};branch=z9hG4bKo{n};rport\r\nFrom: <sip:p@h>;tag=1\r\n"
    "To: <sip:h>\r\nCall-ID: ping-{n}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
)


class Pings(threading.Thread):
    """A health check every 20 ms; `times` in seconds."""

    def __init__(self, address: tuple[str, int]) -> None:
        super().__init__(daemon=True)
        self.address = address
        self.times: list[float] = []
        self.lost = 0
        self.done = threading.Event()

    def run(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind(("127.0.0.1", 0))
            sock.settimeout(2)
            number = 0
            while not self.done.wait(0.02):
                number += 1
                began = time.monotonic()
                sock.sendto(_OPTIONS.format(transport="UDP", port=sock.getsockname()[1], n=number).encode(), self.address)
                try:
                    while b"z9hG4bKo%d;" % number not in sock.recv(65535):
                        pass
                except TimeoutError:
                    self.lost += 1
                self.times.append(time.monotonic() - began)

    def end(self) -> dict[str, float]:
        self.done.set()
        self.join()
        ordered = sorted(self.times)
        return {
            "pings": len(ordered),
            "lost": self.lost,
            "p99_ms": 1000 * ordered[int(len(ordered) * 0.99)],
            "worst_ms": 1000 * ordered[-1],
            "median_ms": 1000 * statistics.median(ordered),
        }


def flood(address: tuple[str, int], pid: int) -> dict[str, float]:
    """500 INVITEs a second without credentials."""
    before = settled_memory_octets(pid)
    pings = Pings(address)
    pings.start()
    sent = received = 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.setblocking(False)
        port = sock.getsockname()[1]
        began = time.monotonic()
        for number in range(FLOOD_RATE * FLOOD_SECONDS):
            sent += sock.sendto(_INVITE.format(port=port, n=number, body=_SDP, length=len(_SDP)).encode(), address)
            while time.monotonic() - began < number / FLOOD_RATE:
                try:
                    received += len(sock.recv(65535))
                except BlockingIOError:
                    time.sleep(0.0005)
        deadline = time.monotonic() + 2
        while time.monotonic() < deadline:
            try:
                received += len(sock.recv(65535))
            except BlockingIOError:
                time.sleep(0.001)
    return {**pings.end(), "out_in": received / sent, "growth_mb": (memory_octets(pid) - before) / 1e6}


def corpus(address: tuple[str, int], pid: int, seed: int) -> dict[str, float]:
    """Thousands of malformed messages."""
    pool = [data for _, data in zip(range(CORPUS), mutations(seed), strict=False)]
    before = memory_octets(pid)
    pings = Pings(address)
    pings.start()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for number, data in enumerate(pool):
            sock.sendto(data, address)
            if number % 10 == 0:
                time.sleep(0.005)
    return {**pings.end(), "growth_mb": (memory_octets(pid) - before) / 1e6}


def half_open(host: str, tcp: int, tls: int) -> dict[str, float]:
    """300 connections each that send half a message, or half a hello, and then nothing."""
    pings = Pings((host, tcp))
    pings.start()
    began = time.monotonic()
    socks = []
    for port, octets in ((tcp, b"OPTIONS sip:h SIP/2.0\r\nVia"), (tls, b"\x16\x03\x01\x02\x00\x01")):
        for _ in range(HALF_OPEN):
            sock = socket.create_connection((host, port), timeout=10)
            sock.sendall(octets)
            socks.append(sock)
    for sock in socks:
        sock.settimeout(max(0.1, 60 - (time.monotonic() - began)))
        try:
            while sock.recv(4096):
                pass
        except ConnectionError:
            pass
        sock.close()
    return {**pings.end(), "closed_s": time.monotonic() - began}


def connections(host: str, port: int, pid: int, client: Client) -> dict[str, float]:
    """1,000 TCP connections, a health check on each."""
    before = memory_octets(pid)
    began = time.monotonic()
    socks = [socket.create_connection((host, port), timeout=10) for _ in range(CONNECTIONS)]
    for number, sock in enumerate(socks):
        sock.sendall(_OPTIONS.format(transport="TCP", port=sock.getsockname()[1], n=number).encode())
    answered = sum(sock.recv(4096).startswith(b"SIP/2.0 200") for sock in socks)
    took = time.monotonic() - began
    grown = memory_octets(pid) - before
    for sock in socks:
        sock.close()
    deadline = time.monotonic() + 5
    while client.get("/v1/held")["connections"] and time.monotonic() < deadline:
        time.sleep(0.05)
    return {
        "answered": answered,
        "seconds": took,
        "kb_each": grown / 1e3 / CONNECTIONS,
        "left": client.get("/v1/held")["connections"],
    }


def unacknowledged(address: tuple[str, int], client: Client) -> dict[str, float]:
    """A 2xx that gets no ACK: how often it comes, when the BYE does, and when all is freed."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(40)
        phone = Phone(lambda data: sock.sendto(data, address), "127.0.0.1", sock.getsockname()[1])
        phone.invite(body=_SDP)
        challenged = Received(sock.recv(65535))
        phone.ack(challenged)
        phone.invite(extra=phone.credentials(challenged), body=_SDP)
        times: list[float] = []
        while True:
            message = Received(sock.recv(65535))
            if message.status == 200:
                times.append(time.monotonic())
            elif message.method == "BYE":
                bye = time.monotonic()
                phone.respond(message, 200)
                break
        freed = {}
        for names in (("dialogs", "media_ports"), ("transactions",)):  # the BYE's own transaction stays for timer K, 5 s
            while any(client.get("/v1/held")[name] for name in names):
                time.sleep(0.05)
            freed[names[-1]] = time.monotonic() - times[0]
    return {
        "retransmissions": len(times) - 1,
        "bye_s": bye - times[0],
        "dialog_and_ports_freed_s": freed["media_ports"],
        "transaction_freed_s": freed["transactions"],
    }


def tls_works(host: str, port: int) -> bool:
    """One handshake after everything."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with context.wrap_socket(socket.create_connection((host, port), timeout=10)) as sock:
        return sock.version() == "TLSv1.2"


def measure() -> dict[str, Any]:
    seed = random.SystemRandom().randrange(1 << 32)
    with vsim() as (process, endpoints):
        proxy = endpoints["proxies"]["us-3-1"]
        host, udp, tcp, tls = str(proxy["address"]), int(proxy["udp"]), int(proxy["tcp"]), int(proxy["tls"])
        client = Client(endpoints["control"])
        results = {
            "flood": flood((host, udp), process.pid),
            "corpus": corpus((host, udp), process.pid, seed),
            "connections": connections(host, tcp, process.pid, client),
            "unacknowledged": unacknowledged((host, udp), client),
            "half_open": half_open(host, tcp, tls),
        }
        if not tls_works(host, tls):
            raise SystemExit("no TLS after all that")
    rows: list[list[object]] = [["what", "figures"]]
    for name, values in results.items():
        rows.append([name, ", ".join(f"{key} {value:.4g}" for key, value in values.items())])
    table(f"Hostile traffic, seed {seed}", rows)
    return {"seed": seed, **results}
