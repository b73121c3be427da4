"""CPU per echoed RTP packet at 50 packets a second and call, beside a C loop in the same run; loss and latency."""

import json
import re
import socket
import statistics
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.processes import HERE, need, running, table, vsim
from tests.support.phone import SDP, Phone

SECONDS = 8
RATE = 50
ROUNDS = 3
SOURCE_PORT = 30000
ECHO_PORT = 42000
CALLS = (500, 1000)


def build(directory: Path, name: str) -> str:
    """A C program of this folder, compiled."""
    target = directory / name
    subprocess.run([need("gcc", "gcc"), "-O2", "-o", str(target), str(HERE / "c" / f"{name}.c")], check=True)
    return str(target)


def place_calls(proxy: dict[str, Any], count: int) -> list[str]:
    """Set up `count` calls; lines for rtpgen."""
    lines: list[str] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.connect((proxy["address"], proxy["udp"]))
        sock.settimeout(5)
        for k in range(count):
            source = SOURCE_PORT + 2 * k
            phone = Phone(sock.send, "127.0.0.1", sock.getsockname()[1])
            phone.call_id = f"bench-{k}"
            body = SDP.replace("192.0.2.10", "127.0.0.1").replace("m=audio 4000", f"m=audio {source}")
            phone.invite(body=body)
            phone.receive(sock.recv(4096))
            challenged = phone.expect(407)
            phone.ack(challenged)
            phone.invite(extra=phone.credentials(challenged), body=body)
            for _ in range(3):
                phone.receive(sock.recv(4096))
            answered = phone.expect(100, 180, 200)
            phone.ack(answered)
            port = re.search(rb"m=audio (\d+)", answered.body)
            assert port is not None
            lines.append(f"{proxy['address']} {int(port[1])} {source}\n")
    return lines


def load(generator: str, directory: Path, lines: list[str], process: int) -> dict[str, Any]:
    file = directory / "calls"
    file.write_text("".join(lines))
    done = subprocess.run(
        [generator, str(file), str(RATE), str(SECONDS), str(process)], capture_output=True, text=True, check=True, timeout=120
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def measure() -> dict[str, Any]:
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        generator, echo = build(directory, "rtpgen"), build(directory, "echo")
        for count in CALLS:
            rounds: list[tuple[dict[str, Any], dict[str, Any]]] = []
            for _ in range(ROUNDS):
                with vsim() as (process, endpoints):
                    own = load(generator, directory, place_calls(endpoints["proxies"]["us-3-1"], count), process.pid)
                with running([echo, "127.0.0.1", str(ECHO_PORT), str(count), "60"], directory, 0.5) as peer:
                    lines = [f"127.0.0.1 {ECHO_PORT + 2 * k} {SOURCE_PORT + 2 * k}\n" for k in range(count)]
                    rounds.append((own, load(generator, directory, lines, peer.pid)))
            rows: list[list[object]] = [["server", "CPU µs a packet", "sent", "received", "p50 µs", "p99 µs", "max µs"]]
            for label, which in (("vsim", 0), ("C loop", 1)):
                found = sorted((pair[which] for pair in rounds), key=lambda one: float(one["cpu_us_per_packet"]))[ROUNDS // 2]
                rows.append([label, *(found[key] for key in ("cpu_us_per_packet", "sent", "received", "p50_us", "p99_us", "max_us"))])
            ratio = statistics.median(own["cpu_us_per_packet"] / peer["cpu_us_per_packet"] for own, peer in rounds)
            table(f"RTP echo, {count} calls of {RATE} packets a second, median of {ROUNDS} rounds of {SECONDS} s", rows)
            lost = sum(own["sent"] - own["received"] for own, _ in rounds)
            print(f"  vsim / C loop: {ratio:.2f}; packets lost in all rounds: {lost}")
            results[str(count)] = {"vsim": rows[1][1:], "c": rows[2][1:], "ratio_to_c": ratio, "lost": lost}
    return results
