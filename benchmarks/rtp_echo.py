"""CPU per echoed RTP or SRTP packet at 50 packets a second and call, loss and latency, health checks beside it, and packets per second
at saturation on one core; beside a C loop, which echoes too, and rtpengine in user space, which relays: one packet in, one out in each.
"""

import json
import os
import statistics
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.calls import HOST, SOURCE_PORT, Call, key_of, place_calls
from benchmarks.hostile import Pings
from benchmarks.processes import HERE, need, need_header, pin, running, table, vsim
from benchmarks.rtpengine import relayed_calls, rtpengine

SECONDS = 8
RATE = 50
ROUNDS = 3
CALLS = (500, 1000)
SATURATED_CALLS, SATURATED_SECONDS = 500, 4
ECHO_PORT = 26000
SHARED_PORT = 25000
_OPTIONS = ("-O2", "-Wall", "-Wextra", "-Werror")


class Server(NamedTuple):
    """One that runs with its calls set up; `sip` is where it answers health checks."""

    process: int
    calls: list[Call]
    sip: tuple[str, int] | None = None


@contextmanager
def own(directory: Path, count: int, secure: bool) -> Iterator[Server]:
    with vsim() as (process, endpoints):
        proxy = endpoints["proxies"]["us-3-1"]
        yield Server(process.pid, place_calls(proxy, count, secure), (str(proxy["address"]), int(proxy["udp"])))


@contextmanager
def one_port(directory: Path, count: int, secure: bool) -> Iterator[Server]:
    """`own` with all calls on one port, as in a container."""
    with vsim("--media-port", str(SHARED_PORT)) as (process, endpoints):
        proxy = endpoints["proxies"]["us-3-1"]
        yield Server(process.pid, place_calls(proxy, count, secure), (str(proxy["address"]), int(proxy["udp"])))


@contextmanager
def c_loop(directory: Path, count: int, secure: bool) -> Iterator[Server]:
    calls = [Call(HOST, ECHO_PORT + 2 * k, SOURCE_PORT + 2 * k) for k in range(count)]
    if secure:
        calls = [call._replace(key=key_of(f"ours {k}"), back_key=key_of(f"theirs {k}")) for k, call in enumerate(calls)]
    with running([str(directory / "echo"), write(directory, calls), "60"], directory, 0.5) as process:
        yield Server(process.pid, calls)


@contextmanager
def relay(directory: Path, count: int, secure: bool) -> Iterator[Server]:
    with rtpengine(directory) as process:
        yield Server(process, relayed_calls(count, secure))


SERVERS = {"vsim": own, "vsim, one port": one_port, "C loop": c_loop, "rtpengine": relay}


def build(directory: Path, name: str) -> None:
    """A C program of this folder, compiled into `directory`."""
    need_header("openssl/evp.h", "libssl-dev")
    command = [need("gcc", "gcc"), *_OPTIONS, "-o", str(directory / name), str(HERE / "c" / f"{name}.c"), "-lcrypto"]
    subprocess.run(command, check=True)


def write(directory: Path, calls: list[Call]) -> str:
    file = directory / "calls"
    file.write_text("".join(map(str, calls)))
    return str(file)


def load(directory: Path, server: Server, rate: int, seconds: int, core: int | None = None) -> dict[str, Any]:
    """What the generator found, run on `core` if one is given."""
    command = [str(directory / "rtpgen"), write(directory, server.calls), str(rate), str(seconds), str(server.process)]
    if core is not None:
        command = [need("taskset", "util-linux"), "-c", str(core), *command]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def paced(directory: Path, server: Server) -> dict[str, Any]:
    """50 packets a second and call; a health check every 20 ms beside them, where there is SIP."""
    pings = Pings(server.sip) if server.sip is not None else None
    if pings is not None:
        pings.start()
    found = load(directory, server, RATE, SECONDS)
    if pings is not None:
        found["pings"] = pings.end()
    return found


def saturated(directory: Path, server: Server) -> dict[str, Any]:
    """As many packets as all threads of the server do on one core; the generator has another."""
    first, second, *_ = sorted(os.sched_getaffinity(0))
    pin(server.process, first)
    return load(directory, server, 0, SATURATED_SECONDS, second)


Rounds = dict[str, list[dict[str, Any]]]


def rounds_of(directory: Path, count: int, secure: bool, run: Callable[[Path, Server], dict[str, Any]]) -> Rounds:
    """The servers in turn, so that a slow spell of the machine meets all of them."""
    found: Rounds = {name: [] for name in SERVERS}
    for _ in range(ROUNDS):
        for name, begin in SERVERS.items():
            with begin(directory, count, secure) as server:
                found[name].append(run(directory, server))
    return found


def median(found: list[dict[str, Any]], key: str) -> float:
    return statistics.median(float(one[key]) for one in found)


def ratio(rounds: Rounds, peer: str) -> float:
    """The median over rounds of vsim's CPU time per packet over the peer's."""
    pairs = zip(rounds["vsim"], rounds[peer], strict=True)
    return statistics.median(float(ours["cpu_us_per_packet"]) / float(theirs["cpu_us_per_packet"]) for ours, theirs in pairs)


def tell(title: str, columns: dict[str, str], rounds: Rounds) -> dict[str, Any]:
    """Print the table of the median rounds; columns are keys of what the generator found by their headings."""
    middle = {name: sorted(found, key=lambda one: float(one["cpu_us_per_packet"]))[len(found) // 2] for name, found in rounds.items()}
    cells = {name: [one[key] for key in columns.values()] for name, one in middle.items()}
    table(title, [["server", *columns], *([name, *row] for name, row in cells.items())])
    to_c, to_rtpengine = ratio(rounds, "C loop"), ratio(rounds, "rtpengine")
    lost = sum(one["sent"] - one["received"] for one in rounds["vsim"])
    wrong = sum(one["wrong"] for found in rounds.values() for one in found)
    print(f"  vsim / C loop: {to_c:.2f}; vsim / rtpengine: {to_rtpengine:.2f}")
    print(f"  packets of vsim's lost in all rounds: {lost}; packets of anybody's that came back wrong: {wrong}")
    return {**cells, "ratio_to_c": to_c, "ratio_to_rtpengine": to_rtpengine, "lost": lost}


def measure(secure: bool = False) -> dict[str, Any]:
    what = "SRTP" if secure else "RTP"
    results: dict[str, Any] = {}
    columns = {"CPU µs a packet": "cpu_us_per_packet", "sent": "sent", "received": "received"}
    columns |= {"p50 µs": "p50_us", "p99 µs": "p99_us", "max µs": "max_us"}
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        build(directory, "rtpgen")
        build(directory, "echo")
        for count in CALLS:
            rounds = rounds_of(directory, count, secure, paced)
            title = f"{what} echo, {count} calls of {RATE} packets a second, median of {ROUNDS} rounds of {SECONDS} s"
            results[str(count)] = tell(title, columns, rounds)
            late = {name: [round(one["p99_us"] / 1000, 1) for one in found] for name, found in rounds.items()}
            print("  p99 of each round, ms: " + "; ".join(f"{name} {' '.join(map(str, found))}" for name, found in late.items()))
            results[str(count)]["p99_ms"] = late
            pings = [one["pings"] for one in rounds["vsim"]]
            p99, worst = median(pings, "p99_ms"), max(one["worst_ms"] for one in pings)
            unanswered = sum(one["lost"] for one in pings)
            print(f"  health checks beside vsim's: p99 {p99:.1f} ms, slowest {worst:.1f} ms, {unanswered} lost")
            results[str(count)] |= {"ping_p99_ms": p99, "ping_worst_ms": worst, "pings_lost": unanswered}
        rounds = rounds_of(directory, SATURATED_CALLS, secure, saturated)
        title = f"{what} echo at saturation on one core, {SATURATED_CALLS} calls, median of {ROUNDS} rounds of {SATURATED_SECONDS} s"
        columns = {"packets/s": "per_second", "CPU µs a packet": "cpu_us_per_packet", "cores": "cores"}
        results["saturated"] = tell(title, columns, rounds)
    return results


def measure_secure() -> dict[str, Any]:
    return measure(secure=True)
