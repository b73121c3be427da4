"""What a person sees who makes a mistake, or whose surroundings do: each a line that says what to do, and the right exit code."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from emulator.cli.call import Told
from emulator.cli.session import Reports
from emulator.config import Unusable
from emulator.control.client import Client, NotReachable, find, read_endpoints
from emulator.trunk.callers import ring_from
from tests.support.serve import environment

DEADLINE = 120


def vsim(directory: Path, *arguments: str, out: int = subprocess.PIPE) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "emulator", *arguments]
    return subprocess.run(command, cwd=directory, env=environment(), stdout=out, stderr=subprocess.PIPE, text=True, timeout=DEADLINE)


def test_nobody_reads(tmp_path: Path) -> None:
    """`vsim explain | head -1` with pipefail: 1 would say that a signalling expectation failed."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = vsim(tmp_path, "explain", out=writer)
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_there_is_no_room_for_what_is_printed(tmp_path: Path) -> None:
    with open("/dev/full", "w") as full:
        done = vsim(tmp_path, "explain", out=full.fileno())
    assert (done.returncode, done.stderr) == (2, "vsim: standard output: no space left on device; make room, or write elsewhere\n")


def test_a_state_that_no_call_can_have(tmp_path: Path) -> None:
    done = vsim(tmp_path, "calls", "--state", "anwsered")
    assert done.returncode == 2 and "'answered'" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("serv", "no such command 'serv'; did you mean 'serve'?"),
        ("fault lst", "no such command 'lst'; did you mean 'list'?"),
        ("phone serve", "no such command 'serve'; there are answer, call"),
        ("serve --bogus", "no such option '--bogus'; see `vsim serve --help`"),
        ("serve --layout x", "invalid value for '--layout': 'x' is not one of 'loopback', 'ports'; see `vsim serve --help`"),
        ("serve --account x", "--account: an account without a secret; write KEY:SECRET or KEY:SECRET:NUMBER"),
        ("down", "missing argument 'NAME'; see `vsim down --help`"),
        ("call 447700900000", "who calls? write --from NUMBER, or --anonymous"),
        ("call 447700900000 --from 1 --play none.wav", "--play: none.wav: can't be read: no such file or directory; name a file that can"),
        ("fault add {a", "FAULT: expected ',' or '}', but got '<stream end>'; write YAML such as {refuse: 503, where: {site: us-3}}, or"),
        ("run", "nothing to run; name a FILE, a folder, or a pattern such as 'scenarios/*.yaml'"),
        ("run --seed -1 x.yaml", "invalid value for '--seed': -1 is too large, or below 0; write a whole number below 2^63"),
        ("run --set a=b story.yaml", "--set a: no such variable in story.yaml; none is known here"),
        ("run story.yaml -- no-such-program -x", "no-such-program: no such program; name one that can be run"),
        ("run story.yaml -- ./story.yaml", "./story.yaml: no such program; name one that can be run"),
        ("run none.yaml", "none.yaml: no such file or directory; name a file that can be read"),
        ("run vsim.yaml", "vsim.yaml: a config, and no scenario; `vsim check` judges it"),
        ("check", "nothing to check; name a FILE, or write --schema"),
        ("certs --export vsim.yaml/x", "vsim.yaml/x: not a directory; choose a directory that can be written"),
        ("phone answer --listen 127.0.0.1", "--listen: '127.0.0.1'; write ADDRESS:PORT, such as 127.0.0.1:5080"),
        ("phone call 1 --at us-9", "--at: 'us-9' is no place of the trunk; did you mean 'us-"),
        ("phone call 1 --at 127.0.0.1 --account foo", "--account: no secret; write KEY:SECRET"),
        ("phone call 1 --at 127.0.0.1 --ca none.pem", "--ca: none.pem: no such file; name one with CA certificates in PEM"),
        ("explain 999", "no SIP status 999; they go from 100 to 699"),
    ],
)
def test_a_command_line_that_is_wrong_is_told_in_one_line(tmp_path: Path, arguments: str, said: str) -> None:
    (tmp_path / "vsim.yaml").write_text("layout: ports\n")
    (tmp_path / "story.yaml").write_text("name: a story\nsteps: [note: x]\n")
    done = vsim(tmp_path, *arguments.split())
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"vsim: {said}")


@pytest.mark.parametrize("command", ["", "serve", "calls", "run", "fault", "fault list", "phone call"])
def test_help_calls_the_program_by_its_name_and_fits_a_narrow_terminal(tmp_path: Path, command: str) -> None:
    done = vsim(tmp_path, *command.split(), "--help")
    assert done.returncode == 0 and done.stdout.startswith(f"Usage: vsim {command}".rstrip())
    assert "..." not in done.stdout.partition("Commands:")[2] and "INTEGER" not in done.stdout and "9223372036854775807" not in done.stdout
    assert all(len(line) <= 80 for line in done.stdout.splitlines())


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"number": "+447700900000"}, "number '+447700900000': write digits only, country code first, 7 to 15 of them"),
        ({"caller": "a b"}, "caller 'a b': write at most 40 digits, letters, or any of + * # . _ -"),
        ({"digits": "xyz"}, "digits 'xyz': write at most 64 of 0 to 9, *, #, A to D, and commas"),
    ],
)
def test_a_ring_says_what_to_write(given: dict[str, str], said: str) -> None:
    with pytest.raises(Unusable) as caught:
        ring_from({"number": "447700900000", **given}, "")
    assert str(caught.value) == said


def test_where_no_emulator_answers_it_is_said_in_words() -> None:
    with pytest.raises(NotReachable) as caught:
        Client("http://127.0.0.1:1").get("/readyz")
    assert str(caught.value) == "no emulator answers at http://127.0.0.1:1 (connection refused)"


def test_who_names_an_emulator_that_is_gone_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shell that has evaluated `vsim env`, and the file of a process that was killed, name one for longer than it runs."""
    monkeypatch.setenv("VSIM_URL", "http://127.0.0.1:1")
    with pytest.raises(NotReachable) as caught:
        find(None, None).get("/readyz")
    assert str(caught.value) == "no emulator answers at http://127.0.0.1:1, which VSIM_URL names (connection refused)"
    monkeypatch.delenv("VSIM_URL")
    (tmp_path / "vsim.json").write_text('{"control": "http://127.0.0.1:1"}')
    with pytest.raises(NotReachable, match=r"http://127\.0\.0\.1:1, which .*vsim\.json names \(connection refused\)$"):
        find(None, str(tmp_path / "vsim.json")).get("/readyz")
    with pytest.raises(NotReachable, match=r"^no emulator answers at http://127\.0\.0\.1:1 \("):
        find("http://127.0.0.1:1", None).get("/readyz")


def test_an_endpoints_file_that_can_t_be_read_is_another_thing_than_one_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(NotReachable, match=r": is a directory; name the endpoints file"):
        read_endpoints(str(tmp_path))
    (tmp_path / "x.json").write_text("{")
    with pytest.raises(NotReachable, match=r"is no endpoints file \(no JSON\); name that of an emulator with --endpoints"):
        read_endpoints(str(tmp_path / "x.json"))


def test_a_report_that_can_t_be_written_is_told_before_the_runs(tmp_path: Path) -> None:
    with pytest.raises(Unusable, match=r"no/junit.xml: no such file or directory; name a file that can be written"):
        Reports(str(tmp_path / "no/junit.xml")).check()
    old = tmp_path / "old.json"
    old.write_text("old")
    Reports(str(tmp_path / "junit.xml"), str(old)).check()
    assert old.read_text() == "old" and list(tmp_path.iterdir()) == [old]
    Reports("-").check()


def test_a_folder_for_the_recording_that_is_not_there_is_told_before_the_call(tmp_path: Path) -> None:
    done = vsim(tmp_path, "call", "447700900000", "--from", "14155550100", "--record", "no/x.wav")
    assert (done.returncode, done.stderr) == (2, "vsim: --record: no: no such directory; name a file that can be written\n")


@pytest.mark.parametrize("answered", [None, 1.0])
def test_whether_there_can_be_a_recording(answered: float | None, capsys: pytest.CaptureFixture[str]) -> None:
    told = Told(as_json=True)
    told.over({"id": "7", "state": "refused", "status": 486, "ended_by": "called", "answered": answered, "media": None, "findings": []})
    assert (told.last, told.answered) == ("7", answered is not None) and '"7"' in capsys.readouterr().out


def test_a_file_that_is_too_deep_or_too_long_to_be_told_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "deep.yaml").write_text(f"steps: {'[' * 30}{']' * 30}")
    (tmp_path / "long.yaml").write_text("#" * (1 << 20) + "#")
    done = vsim(tmp_path, "check", "deep.yaml", "long.yaml")
    assert done.returncode == 2 and "deep.yaml:1:28: nested too deeply; write a flat file" in done.stderr
    assert "long.yaml: too long; a file has at most 1048576" in done.stderr
