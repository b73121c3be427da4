"""`vsim demo`: the newcomer's first command, in whatever corner it is run."""

import os
import pty
import re
import signal
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.serve import DEADLINE, VSIM, Serve, environment, need, run, until

pytestmark = pytest.mark.real_time

ROOT = Path(__file__).resolve().parent.parent.parent
SEEN = (
    ["SRV", "TLS", "digest", "signalling", "echo", "digits", "SRTP", "trunk"],
    ["first", "second", "failover", "signalling", "echo", "digits", "SRTP", "trunk"],
)


@pytest.fixture
def corner(tmp_path: Path) -> Path:
    """A directory to run in, with one for temporary files beside it."""
    (tmp_path / "tmp").mkdir()
    (tmp_path / "here").mkdir()
    return tmp_path


def demo(corner: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    variables = {"TMPDIR": str(corner / "tmp"), "HOME": str(corner / "nowhere"), "XDG_DATA_HOME": "", **variables}
    return run([*VSIM, "demo"], cwd=corner / "here", env=environment(**variables))


def nothing_left(corner: Path) -> bool:
    return not list((corner / "tmp").iterdir()) and not list((corner / "here").iterdir())


def test_all_of_it_is_seen(corner: Path) -> None:
    """No terminal, 80 columns, no config; a vsim.yaml, settings and an endpoints file that are there count for nothing."""
    done = demo(corner, VSIM_STRICT="nonsense", VSIM_URL="http://127.0.0.1:1", VSIM_TLS_DIRECTORY="/proc")
    assert done.returncode == 0 and done.stderr == "", done.stdout + done.stderr
    assert nothing_left(corner)
    assert "\x1b" not in done.stdout and max(map(len, done.stdout.splitlines())) <= 80
    out, in_ = re.split(r"\nA call in: .*\n", done.stdout)
    for part, names in zip((out, in_), SEEN, strict=True):
        rows = [line for line in part.splitlines() if line.startswith(("✓", "✗"))]
        assert [row.split()[1] for row in rows][: len(names)] == names and all(row.startswith("✓") for row in rows)
    assert re.search(r"✓ echo +(\d+) of \1 packets back, octet for octet; round trip [\d.]+ ms \(p50\)", out), out
    assert "1234# sent, 1234# came back" in out and "certificate verified for sip-us.vonage.com" in out
    drawn = re.findall(r"^ +\d+\.\d{3}s  (.*)$", out, re.MULTILINE)
    assert [re.split(r" \[| sip:", line.strip("─▶◀ "))[0] for line in drawn] == [
        "INVITE", "407 Proxy Authentication Required", "ACK", "INVITE", "100 Trying", "180 Ringing", "200 OK", "ACK", "BYE", "200 OK (BYE)",
    ]  # fmt: skip
    assert "[digest, SDP RTP/SAVP" in out and "503 Service Unavailable ─" in in_
    assert re.search(r"UDP 127.0.0.1:\d+: 503 Service Unavailable", in_) and re.search(r"TLS 127.0.0.1:\d+: 200 OK", in_)
    assert re.search(r"✓ all of it was seen, in \d+\.\d s", in_)


def test_twice_at_the_same_time_beside_an_emulator(corner: Path, serve: Serve) -> None:
    """Ports are the system's to choose: neither the default ones nor another demo is in its way."""
    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(lambda _: demo(corner), range(2)))
    assert [one.returncode for one in done] == [0, 0], done
    assert nothing_left(corner) and serve.calls() == []


@pytest.mark.parametrize("no_color", ["", "1"])
def test_on_a_terminal(corner: Path, no_color: str) -> None:
    """Colours, unless NO_COLOR says otherwise."""
    own, other = pty.openpty()
    variables = {"TMPDIR": str(corner / "tmp"), "TERM": "xterm", "NO_COLOR": no_color}
    with subprocess.Popen(
        [*VSIM, "demo"], cwd=corner / "here", env=environment(**variables), stdin=other, stdout=other, stderr=other
    ) as process:
        os.close(other)
        output = b""
        while True:
            try:
                data = os.read(own, 65536)
            except OSError:
                break
            if not data:
                break
            output += data
        assert process.wait(DEADLINE) == 0, output.decode(errors="replace")
    os.close(own)
    assert (b"\x1b[32m" in output) == (not no_color)
    assert nothing_left(corner)


def test_in_a_terminal_that_lacks_the_characters(corner: Path) -> None:
    done = demo(corner, PYTHONIOENCODING="latin-1")
    assert done.returncode == 0 and "? echo" in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("twice", [False, True])
def test_ctrl_c_leaves_nothing(corner: Path, number: signal.Signals, twice: bool) -> None:
    with subprocess.Popen(
        [*VSIM, "demo"], cwd=corner / "here", env=environment(TMPDIR=str(corner / "tmp")), stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None and process.stderr is not None
        process.stdout.readline()
        until(lambda: list((corner / "tmp").iterdir()), "its folder")
        process.send_signal(number)
        if twice:
            process.send_signal(number)
        assert process.wait(DEADLINE) == 130
        assert process.stderr.read() == ""
    assert nothing_left(corner)


def test_whoever_reads_it_may_stop_reading(corner: Path) -> None:
    done = run(
        ["sh", "-c", f"{sys.executable} -m emulator demo | head -1"], cwd=corner / "here",
        env=environment(TMPDIR=str(corner / "tmp"), PYTHONPATH=str(ROOT)),
    )  # fmt: skip
    assert done.stdout.startswith("vsim demo:") and done.stderr == ""
    until(lambda: nothing_left(corner), "the end of it")


def test_as_a_user_who_may_nothing(corner: Path) -> None:
    """Not root, or root without its powers; and no home."""
    if os.geteuid() != 0:
        pytest.skip("only root can become somebody else; everybody else has run it already")
    program = need("setpriv", "util-linux")
    nobody = ["--reuid=65534", "--regid=65534", "--clear-groups"]
    powerless = ["--bounding-set=-all", "--inh-caps=-all", "--ambient-caps=-all", "--no-new-privs"]
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        folder = Path(name)
        folder.chmod(0o777)
        variables = environment(TMPDIR=name, HOME="/nonexistent", PYTHONPATH=str(ROOT), PYTHONDONTWRITEBYTECODE="1")
        reads = run([program, *nobody, sys.executable, "-c", "import emulator"], cwd=folder, env=variables).returncode == 0
        done = run([program, *(nobody if reads else ()), *powerless, *VSIM, "demo"], cwd=folder, env=variables)
        assert done.returncode == 0 and done.stderr == "", done.stdout + done.stderr
        assert not list(folder.iterdir())


BROKEN = (
    ("", 0, "all of it was seen"),
    ("from emulator.media import plan; plan.Plan.echoes = property(lambda self: False)", 3, "✗ not seen: echo: none of "),
    ("from emulator.media.events import Events; Events._digit = lambda self, digit: None", 3, "✗ not seen: digits: 1234# expected"),
    ("from emulator.trunk.trunk import Trunk; Trunk._on_invite = lambda *_: None", 4, "✗ not seen: signalling: no final"),
    ("from emulator.cli import demo; demo._DIALLED = '447700900486'", 1, "✗ not seen: signalling: 486 Busy"),
)
"""What is broken in the emulator, the exit code that this brings, and what is said. Nothing; no echo; no echo of digits; nobody answers;
whoever is called is busy."""


def test_what_was_not_seen_is_said_and_has_its_exit_code(corner: Path) -> None:
    def broken(how: str) -> subprocess.CompletedProcess[str]:
        return run(
            [sys.executable, "-c", f"{how}\nimport sys; sys.argv = ['vsim', 'demo']\nfrom emulator.cli import main; main()"],
            cwd=corner / "here", env=environment(TMPDIR=str(corner / "tmp"), PYTHONPATH=str(ROOT)),
        )  # fmt: skip

    with ThreadPoolExecutor(3) as pool:
        done = list(pool.map(lambda case: broken(case[0]), BROKEN))
    for (_, code, text), one in zip(BROKEN, done, strict=True):
        assert one.returncode == code and text in one.stdout, one.stdout + one.stderr
        assert "Traceback" not in one.stderr
    assert nothing_left(corner)
