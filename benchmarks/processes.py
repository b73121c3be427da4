"""Servers under measurement: started, read, and stopped."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
SIPP_TIMEOUT = 60


def cpu_seconds(process: int) -> float:
    """CPU time of a process over all threads, and of its children that still run."""
    total = 0
    children = {process}
    for entry in sorted(int(name) for name in os.listdir("/proc") if name.isdigit()):
        try:
            parent = int(Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()[1])
        except (OSError, IndexError):
            continue
        if parent in children:
            children.add(entry)
    for one in children:
        try:
            for task in os.listdir(f"/proc/{one}/task"):
                total += int(Path(f"/proc/{one}/task/{task}/schedstat").read_text().split()[0])
        except OSError:
            continue
    return total / 1e9


def memory_octets(process: int) -> int:
    """Resident memory of one process."""
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def settled_memory_octets(process: int) -> int:
    """Resident memory once it has stayed the same for two seconds: what a start leaves out is imported a second after it."""
    before, since = 0, time.monotonic()
    while time.monotonic() < since + 2:
        now = memory_octets(process)
        if now != before:
            before, since = now, time.monotonic()
        time.sleep(0.1)
    return before


@contextmanager
def running(command: Sequence[str], directory: Path, ready: float = 1.0) -> Iterator[subprocess.Popen[bytes]]:
    """A server for the time of the block."""
    with (directory / "server.out").open("wb") as output:
        process = subprocess.Popen(command, cwd=directory, stdin=subprocess.PIPE, stdout=output, stderr=subprocess.STDOUT)
    try:
        time.sleep(ready)
        if process.poll() is not None:
            raise SystemExit(f"{command[0]} ended: {(directory / 'server.out').read_text()[-500:]}")
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def vsim(*flags: str, certificates: Path | None = None) -> Iterator[tuple[subprocess.Popen[bytes], dict[str, Any]]]:
    """An emulator on ports that the system chose, and its endpoints file."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        file = directory / "vsim.json"
        environment = {"VSIM_TLS_DIRECTORY": str(certificates or directory / "certs")}
        os.environ.update(environment)
        command = [sys.executable, "-m", "emulator", "serve", "--ephemeral", "--endpoints", str(file), *flags]
        with running(command, directory, 0) as process:
            deadline = time.monotonic() + 20
            while not file.exists():
                if time.monotonic() > deadline or process.poll() is not None:
                    raise SystemExit(f"vsim did not start: {(directory / 'server.out').read_text()[-500:]}")
                time.sleep(0.001)
            yield process, json.loads(file.read_text())


def need(program: str, package: str) -> str:
    found = shutil.which(program) or shutil.which(program, path="/usr/sbin:/sbin")
    if found is None:
        raise SystemExit(f"{program} is needed: Debian package {package}")
    return found


def need_header(header: str, package: str) -> None:
    """A header that the C programs of these measurements include."""
    found = subprocess.run([need("gcc", "gcc"), "-E", "-"], input=f"#include <{header}>\n", capture_output=True, text=True)
    if found.returncode:
        raise SystemExit(f"{header} is needed: Debian package {package}")


def pin(process: int, core: int) -> None:
    """All threads of a process to one core."""
    for task in os.listdir(f"/proc/{process}/task"):
        os.sched_setaffinity(int(task), {core})


def table(title: str, rows: Sequence[Sequence[object]]) -> None:
    """A titled table on standard output; the first row names the columns."""
    texts = [[f"{cell:.2f}" if isinstance(cell, float) else str(cell) for cell in row] for row in rows]
    widths = [max(len(row[k]) for row in texts) for k in range(len(texts[0]))]
    print(f"\n{title}")
    for row in texts:
        print("  " + "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())
    sys.stdout.flush()
