"""CPU per authenticated call (INVITE–407–ACK–INVITE–100–180–200–ACK–BYE–200) over UDP, and calls per second at saturation.

Peers in the same run: Kamailio (stateful, digest) with the same SIPp scenario, and SIPp's built-in uas, which asks for no digest.
"""

import re
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.processes import HERE, SIPP_TIMEOUT, cpu_seconds, memory_octets, need, running, settled_memory_octets, table, vsim

CALLS = 4000
AT_ONCE = 64
ROUNDS = 3
KAMAILIO_PORT, SIPP_PORT = 15061, 15062
MEMORY_CALLS = 1000


def sipp(target: str, *flags: str) -> tuple[int, float]:
    """Calls that succeeded, and seconds taken."""
    with tempfile.TemporaryDirectory() as directory:
        command = [
            need("sipp", "sip-tester"), target, "-i", "127.0.0.1", "-mi", "127.0.0.1", "-nostdin", "-s", "442071234567",
            "-au", "abcd1234", "-ap", "OfflineSecret1", "-timeout", str(SIPP_TIMEOUT), *flags,
        ]  # fmt: skip
        began = time.monotonic()
        done = subprocess.run(
            command, cwd=directory, capture_output=True, text=True, errors="replace", timeout=SIPP_TIMEOUT + 20, stdin=subprocess.DEVNULL
        )
        took = time.monotonic() - began
    found = re.findall(r"Successful call +\| +\d+ +\| +(\d+)", done.stdout)
    return int(found[-1]) if found else 0, took


def saturated(target: str, *flags: str) -> tuple[int, float]:
    return sipp(target, "-m", str(CALLS), "-l", str(AT_ONCE), "-r", "20000", "-d", "0", *flags)


def with_vsim(measure: Callable[[int, str], dict[str, float]]) -> dict[str, float]:
    with vsim() as (process, endpoints):
        proxy = endpoints["proxies"]["us-3-1"]
        return measure(process.pid, f"{proxy['address']}:{proxy['udp']}")


def with_kamailio(measure: Callable[[int, str], dict[str, float]]) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as name:
        config = Path(name) / "kamailio.cfg"
        config.write_text((HERE / "kamailio.cfg").read_text().replace("PORT", str(KAMAILIO_PORT)))
        command = [need("kamailio", "kamailio"), "-f", str(config), "-DD", "-E", "-m", "256", "-M", "16", "-Y", name]
        with running(command, Path(name)) as process:
            return measure(process.pid, f"127.0.0.1:{KAMAILIO_PORT}")


def with_sipp(measure: Callable[[int, str], dict[str, float]]) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as name:
        command = [need("sipp", "sip-tester"), "-sn", "uas", "-i", "127.0.0.1", "-p", str(SIPP_PORT), "-nostdin", "-l", "100000"]
        with running(command, Path(name)) as process:
            return measure(process.pid, f"127.0.0.1:{SIPP_PORT}")


def one_round(*flags: str) -> Callable[[int, str], dict[str, float]]:
    """Warm up, then measure."""

    def measure(process: int, target: str) -> dict[str, float]:
        sipp(target, "-m", "300", "-l", "64", "-r", "5000", "-d", "0", *flags)
        before = cpu_seconds(process)
        good, took = saturated(target, *flags)
        used = cpu_seconds(process) - before
        if good < CALLS * 0.95:
            raise SystemExit(f"{target}: {good} of {CALLS} calls succeeded")
        return {"us_per_call": used / good * 1e6, "calls_per_second": good / took}

    return measure


def memory() -> float:
    """Octets per established call."""
    with vsim() as (process, endpoints):
        proxy = endpoints["proxies"]["us-3-1"]
        target = f"{proxy['address']}:{proxy['udp']}"
        sipp(target, "-sf", str(HERE / "call.xml"), "-m", "200", "-r", "500", "-d", "0")
        before = most = settled_memory_octets(process.pid)
        command = [
            need("sipp", "sip-tester"), target, "-sf", str(HERE / "call.xml"), "-i", "127.0.0.1", "-nostdin", "-s", "442071234567",
            "-au", "abcd1234", "-ap", "OfflineSecret1", "-m", str(MEMORY_CALLS), "-r", "300", "-l", str(MEMORY_CALLS), "-d", "6000",
            "-timeout", str(SIPP_TIMEOUT),
        ]  # fmt: skip
        with (
            tempfile.TemporaryDirectory() as directory,
            subprocess.Popen(
                command, cwd=directory, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL
            ) as caller,
        ):
            while caller.poll() is None:
                most = max(most, memory_octets(process.pid))
                time.sleep(0.1)
    return (most - before) / MEMORY_CALLS


def measure() -> dict[str, Any]:
    own = ("-sf", str(HERE / "call.xml"))
    servers = {
        "vsim": lambda: with_vsim(one_round(*own)),
        "Kamailio": lambda: with_kamailio(one_round(*own)),
        "SIPp uas, no digest": lambda: with_sipp(one_round("-sf", str(HERE / "call_without_digest.xml"))),
    }
    rounds: dict[str, list[dict[str, float]]] = {name: [] for name in servers}
    for _ in range(ROUNDS):  # in turn, so that a slow spell of the machine meets all of them
        for name, run in servers.items():
            rounds[name].append(run())
    results = {
        name: {key: statistics.median(one[key] for one in found) for key in ("us_per_call", "calls_per_second")}
        for name, found in rounds.items()
    }
    ratios = [own_["us_per_call"] / peer["us_per_call"] for own_, peer in zip(rounds["vsim"], rounds["Kamailio"], strict=True)]
    per_call = memory()
    rows: list[list[object]] = [["server", "CPU µs a call", "calls/s"]]
    rows += [[name, found["us_per_call"], found["calls_per_second"]] for name, found in results.items()]
    table(f"Authenticated calls over UDP, {AT_ONCE} at once, median of {ROUNDS} rounds of {CALLS}", rows)
    print(f"  vsim / Kamailio: {statistics.median(ratios):.2f} (rounds {', '.join(f'{ratio:.2f}' for ratio in ratios)})")
    print(f"  memory per established call: {per_call / 1000:.1f} kB")
    return {**results, "ratio_to_kamailio": statistics.median(ratios), "octets_per_call": per_call}
