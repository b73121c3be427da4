"""CPU per call from Vonage (INVITE–200–ACK–BYE–200 over UDP), and calls per second, to a customer that answers at once: SIPp.

Peer in the same run: SIPp as the caller, with the same messages to the same customer.
"""

import json
import resource
import statistics
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.processes import HERE, SIPP_TIMEOUT, cpu_seconds, need, running, table, vsim

CALLS = 4032
AT_ONCE = 48
"""Below the 50 channels of a number."""
ROUNDS = 3
CUSTOMER_PORT = 15063
NUMBER = "447700900000"
BUFFERS = ("-buff_size", "4000000")
"""SIPp's own size is too small for two datagrams of each call at once: what is lost costs half a second."""


@contextmanager
def customer(calls: int) -> Iterator[subprocess.Popen[bytes]]:
    """SIPp that takes so many calls, and then ends."""
    with tempfile.TemporaryDirectory() as name:
        command = [
            need("sipp", "sip-tester"), "-sf", str(HERE / "answers.xml"), "-i", "127.0.0.1", "-p", str(CUSTOMER_PORT), "-mi", "127.0.0.1",
            "-nostdin", "-m", str(calls), "-l", "100000", *BUFFERS,
        ]  # fmt: skip
        with running(command, Path(name)) as process:
            yield process


def taken(process: subprocess.Popen[bytes], began: float) -> float:
    """Seconds until the customer has had all its calls."""
    try:
        status = process.wait(SIPP_TIMEOUT)
    except subprocess.TimeoutExpired:
        raise SystemExit("the customer has not had all its calls") from None
    if status != 0:
        raise SystemExit(f"the customer ended with {status}: not every call was a whole one")
    return time.monotonic() - began


def ask(endpoints: dict[str, Any], method: str, path: str, body: dict[str, Any]) -> None:
    request = urllib.request.Request(endpoints["control"] + path, json.dumps(body).encode(), method=method)
    with urllib.request.urlopen(request, timeout=10) as response:
        response.read()


def ring(endpoints: dict[str, Any], calls: int) -> None:
    """Callers who ring, hang up as soon as they are answered, and ring again at once."""
    ask(endpoints, "PUT", f"/v1/numbers/{NUMBER}", {"forward": f"sip:1234@127.0.0.1:{CUSTOMER_PORT}"})
    again = calls // AT_ONCE - 1
    caller = {"number": NUMBER, "caller": "14155550100", "play": "nothing", "talk": 0, "again": again, "again_after": 0}
    for _ in range(AT_ONCE):
        ask(endpoints, "POST", "/v1/calls", caller)


def with_vsim() -> dict[str, float]:
    with vsim() as (process, endpoints):
        for calls in (AT_ONCE * 6, CALLS):  # the first to warm up
            with customer(calls) as answers:
                before, began = cpu_seconds(process.pid), time.monotonic()
                ring(endpoints, calls)
                took = taken(answers, began)
            used = cpu_seconds(process.pid) - before
    return {"us_per_call": used / CALLS * 1e6, "calls_per_second": CALLS / took}


def with_sipp() -> dict[str, float]:
    with customer(CALLS) as answers, tempfile.TemporaryDirectory() as directory:
        command = [
            need("sipp", "sip-tester"), f"127.0.0.1:{CUSTOMER_PORT}", "-sf", str(HERE / "calls.xml"), "-i", "127.0.0.1", "-mi", "127.0.0.1",
            "-nostdin", "-s", "1234", "-m", str(CALLS), "-l", str(AT_ONCE), "-r", "20000", "-timeout", str(SIPP_TIMEOUT), *BUFFERS,
        ]  # fmt: skip
        began, before = time.monotonic(), _children()
        done = subprocess.run(command, cwd=directory, capture_output=True, timeout=SIPP_TIMEOUT + 20, stdin=subprocess.DEVNULL)
        used = _children() - before
        if done.returncode:
            raise SystemExit(f"SIPp as the caller ended with {done.returncode}")
        taken(answers, began)
    return {"us_per_call": used / CALLS * 1e6}


def _children() -> float:
    """CPU seconds of the processes that have been waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def measure() -> dict[str, Any]:
    own, peer = [], []
    for _ in range(ROUNDS):  # in turn, so that a slow spell of the machine meets both
        own.append(with_vsim())
        peer.append(with_sipp())
    result = {key: statistics.median(one[key] for one in own) for key in ("us_per_call", "calls_per_second")}
    sipp = statistics.median(one["us_per_call"] for one in peer)
    ratios = [one["us_per_call"] / other["us_per_call"] for one, other in zip(own, peer, strict=True)]
    rows: list[list[object]] = [["caller", "CPU µs a call", "calls/s"]]
    rows += [["vsim", result["us_per_call"], result["calls_per_second"]], ["SIPp", sipp, "-"]]
    table(f"Calls to a customer over UDP, {AT_ONCE} at once, median of {ROUNDS} rounds of {CALLS}", rows)
    print(f"  vsim / SIPp: {statistics.median(ratios):.2f} (rounds {', '.join(f'{ratio:.2f}' for ratio in ratios)})")
    return {"vsim": result, "SIPp": {"us_per_call": sipp}, "ratio_to_sipp": statistics.median(ratios)}
