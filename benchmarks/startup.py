"""From process start to the endpoints file, certificates being there already; beside a bare interpreter."""

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.processes import table, vsim

ROUNDS = 7


def measure() -> dict[str, Any]:
    own: list[float] = []
    bare: list[float] = []
    with tempfile.TemporaryDirectory() as name:
        certificates = Path(name)
        with vsim(certificates=certificates):
            pass
        for _ in range(ROUNDS):
            began = time.monotonic()
            with vsim(certificates=certificates):
                own.append(time.monotonic() - began)
            began = time.monotonic()
            subprocess.run([sys.executable, "-c", "pass"], check=True)
            bare.append(time.monotonic() - began)
    rows: list[list[object]] = [
        ["process", "ms"],
        ["vsim serve, ready", statistics.median(own) * 1000],
        ["python -c pass", statistics.median(bare) * 1000],
    ]
    table(f"Start, median of {ROUNDS}", rows)
    return {"ready_ms": statistics.median(own) * 1000, "python_ms": statistics.median(bare) * 1000}
