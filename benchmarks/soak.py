"""10,000 calls, 1,000,000 garbage datagrams, 1,000 more calls: memory stays, nothing is left, and health checks are answered throughout."""

import random
import socket
import threading
import time
from itertools import islice
from typing import Any

from benchmarks.processes import HERE, memory_octets, table, vsim
from benchmarks.sip_calls import sipp
from emulator.control.client import Client
from tests.fuzz.mutate import mutations

CALLS, GARBAGE, MORE = 10_000, 1_000_000, 1_000
POOL = 20_000
"""Different datagrams; they are sent in turn, for making one costs more than answering it."""
PING_EVERY = 0.1
LEFT_AFTER = 40.0
"""Seconds until timers L and J have let go of the last transaction."""
_PING = (
    b"OPTIONS sip:h SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bKping%d;rport\r\nFrom: <sip:p@h>;tag=1\r\nTo: <sip:h>\r\n"
    b"Call-ID: ping\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
)


class Pinger(threading.Thread):
    """A health check every so often; `lost` and `slowest` (seconds) say how it went."""

    def __init__(self, address: tuple[str, int]) -> None:
        super().__init__(daemon=True)
        self.address = address
        self.sent = self.lost = 0
        self.slowest = 0.0
        self.stop = threading.Event()

    def run(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(2)
            while not self.stop.wait(PING_EVERY):
                self.sent += 1
                began = time.monotonic()
                sock.sendto(_PING % self.sent, self.address)
                try:
                    while b"ping%d;" % self.sent not in sock.recv(65535):
                        pass
                except TimeoutError:
                    self.lost += 1
                self.slowest = max(self.slowest, time.monotonic() - began)


def garbage(address: tuple[str, int], seed: int) -> None:
    """All of it from one socket, no faster than it is read: every 50 datagrams a health check of its own waits its turn."""
    pool = list(islice(mutations(seed), POOL))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as turn:
        turn.settimeout(2)
        for number in range(GARBAGE):
            sock.sendto(pool[number % POOL], address)
            if number % 50 == 0:
                turn.sendto(_PING % number, address)
                try:
                    turn.recv(65535)
                except TimeoutError:
                    pass


def measure() -> dict[str, Any]:
    seed = random.SystemRandom().randrange(1 << 32)
    rows: list[list[object]] = [["after", "MB", "seconds", "calls", "transactions", "timers", "ports"]]
    with vsim() as (process, endpoints):
        proxy = endpoints["proxies"]["us-3-1"]
        address = (str(proxy["address"]), int(proxy["udp"]))
        target = f"{address[0]}:{address[1]}"
        client = Client(endpoints["control"])
        pinger = Pinger(address)
        pinger.start()

        def note(what: str, began: float) -> int:
            time.sleep(LEFT_AFTER)
            held = client.get("/v1/held")
            octets = memory_octets(process.pid)
            took = time.monotonic() - began - LEFT_AFTER
            rows.append([what, octets / 1e6, took, held["calls"], held["transactions"], held["timers"], held["media_ports"]])
            return octets

        def place(count: int) -> None:
            good, _ = sipp(target, "-sf", str(HERE / "call.xml"), "-m", str(count), "-l", "64", "-r", "1000", "-d", "0")
            if good != count:
                raise SystemExit(f"{good} of {count} calls succeeded")

        began = time.monotonic()
        place(CALLS)
        before = note(f"{CALLS} calls", began)
        began = time.monotonic()
        garbage(address, seed)
        note(f"{GARBAGE} garbage datagrams", began)
        began = time.monotonic()
        place(MORE)
        after = note(f"{MORE} more calls", began)
        pinger.stop.set()
        pinger.join()
    table(f"Soak, seed {seed}; state {LEFT_AFTER:.0f} s after each part", rows)
    checks = f"{pinger.sent}, lost {pinger.lost}, slowest {pinger.slowest * 1000:.0f} ms"
    print(f"  memory: {100 * (after - before) / before:+.1f} %; health checks: {checks}")
    return {
        "seed": seed,
        "growth": (after - before) / before,
        "pings": pinger.sent,
        "lost": pinger.lost,
        "slowest_ms": pinger.slowest * 1000,
    }
