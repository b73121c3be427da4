"""Where captures are written, and what is said where they can't be; no emulator."""

import os
import pty
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from emulator.cli import pcap
from emulator.config import Unusable
from emulator.control.client import Refused
from emulator.journal.pcapng import Packet, pcapng
from emulator.sip.flow import Path as Way
from tests.support.serve import environment

WAY = Way("UDP", ("127.0.13.1", 5060), ("192.0.2.10", 5070))
ONE = pcapng([Packet(1.0, True, "us-3-1", WAY, b"x")], "")


class Client:
    """An emulator that has one capture."""

    def __init__(self, query: str = "") -> None:
        self._query = query

    def get_bytes(self, path: str) -> bytes:
        assert path == f"/v1/calls/3/pcap{self._query}"
        return ONE


def keep(file: str, dropped: int = 0, media: dict[str, int] | None = None) -> None:
    client: Any = Client()
    pcap.keep(client, {"id": "3", "messages_dropped": dropped, "media_kept": media}, file)


def test_what_was_written_is_said_in_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    keep("a b.pcapng")
    assert Path("a b.pcapng").read_bytes() == ONE and Path("a b.pcapng").stat().st_mode & 0o777 == 0o600
    assert capsys.readouterr().out == f"call #3: 1 packet, {len(ONE)} octets; tshark -r 'a b.pcapng' -Y sip\n"
    keep("x.pcapng", 1200)
    assert "; 1,200 further messages of it had not been kept; tshark" in capsys.readouterr().out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a b.pcapng", "x.pcapng"]


def test_media_is_said_where_there_is_some(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    keep("x.pcapng", media={"packets": 0, "octets": 0, "missed": 6000})
    assert capsys.readouterr().out.endswith("; 6,000 further packets of its media had not been kept; tshark -r x.pcapng -Y sip\n")
    keep("x.pcapng", media={"packets": 2, "octets": 400, "missed": 0})
    assert capsys.readouterr().out.endswith(f"{len(ONE)} octets; tshark -r x.pcapng -Y 'sip || rtp || rtcp'\n")
    client: Any = Client("?decrypt=true")
    pcap.keep(client, {"id": "3", "messages_dropped": 0}, "x.pcapng", decrypt=True)  # of an emulator that knows nothing of media


def test_standard_output_holds_the_capture_alone(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    keep("-")
    said = capfdbinary.readouterr()
    assert (said.out, said.err) == (ONE, f"call #3: 1 packet, {len(ONE)} octets\n".encode())


def test_a_file_is_replaced_and_a_link_goes_on_to_name_it(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_bytes(b"before")
    target.chmod(0o644)
    link.symlink_to(target)
    pcap.write(str(link), ONE)
    assert link.is_symlink() and target.read_bytes() == ONE and target.stat().st_mode & 0o777 == 0o600


def test_what_is_no_file_is_written_to(tmp_path: Path) -> None:
    """`--pcap >(tshark -r -)`; and /dev/null stays what it is."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append(fifo.read_bytes()), daemon=True)
    reader.start()
    pcap.write(str(fifo), ONE)
    reader.join(60)
    assert read == [ONE] and fifo.is_fifo()
    pcap.write("/dev/null", ONE)
    assert Path("/dev/null").is_char_device()


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("none/x.pcapng", "--pcap none/x.pcapng: no such file or directory; name a file that can be written"),
        (".", "--pcap .: is a directory; name a file that can be written"),
        ("new/", "--pcap new/: is a directory; name a file that can be written"),
        ("", "--pcap '': is a directory; name a file that can be written"),
        ("file/x.pcapng", "--pcap file/x.pcapng: not a directory; name a file that can be written"),
    ],
)
def test_where_nothing_can_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, said: str) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").write_bytes(b"")
    with pytest.raises(Unusable) as caught:
        pcap.write(file, ONE)
    assert str(caught.value) == said and [path.name for path in tmp_path.iterdir()] == ["file"]


def test_the_longest_name_that_a_file_can_have(tmp_path: Path) -> None:
    pcap.write(str(tmp_path / ("x" * 255)), ONE)
    assert (tmp_path / ("x" * 255)).read_bytes() == ONE


def show(directory: Path, *arguments: str, out: int = subprocess.PIPE) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "emulator", "show", "last", *arguments]
    return subprocess.run(command, cwd=directory, env=environment(), stdout=out, stderr=subprocess.PIPE, text=True, timeout=20)


@pytest.mark.parametrize(
    ("forms", "said"),
    [
        (("--pcap", "x", "--json"), "--json and --pcap"),
        (("--messages", "--ladder"), "--ladder and --messages"),
        (("--json", "--messages", "--pcap", ""), "--json, --messages and --pcap"),
    ],
)
def test_a_call_is_shown_in_one_way_at_a_time(tmp_path: Path, forms: tuple[str, ...], said: str) -> None:
    done = show(tmp_path, *forms)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.endswith(f"vsim: {said} show a call in different ways; write one of them\n")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("forms", [("--decrypt",), ("--decrypt", "--json")])
def test_there_is_nothing_to_decrypt_but_a_capture(tmp_path: Path, forms: tuple[str, ...]) -> None:
    done = show(tmp_path, *forms)
    assert (done.returncode, done.stdout) == (2, "") and "--decrypt is of a capture; write --pcap FILE as well" in done.stderr


def test_a_capture_is_nothing_for_a_terminal(tmp_path: Path) -> None:
    main, terminal = pty.openpty()
    try:
        done = show(tmp_path, "--pcap", "-", out=terminal)
    finally:
        os.close(main)
        os.close(terminal)
    assert done.returncode == 2 and "--pcap -: a capture is nothing for a terminal; write | tshark -r - behind it" in done.stderr


def test_without_an_emulator_nothing_is_written(tmp_path: Path) -> None:
    assert show(tmp_path, "--pcap", "x.pcapng").returncode == 4 and not list(tmp_path.iterdir())


# -- of runs that failed ------------------------------------------------------------------------------------------


class Journal:
    """An emulator that had calls 1 to `calls`, and has those from `oldest` on still."""

    def __init__(self, calls: int, oldest: int = 1) -> None:
        self.numbers = range(oldest, calls + 1)

    def get(self, path: str) -> Any:
        newest = reversed(self.numbers[-int(path.removeprefix("/v1/calls?limit=")) :])
        return {"calls": [{"id": str(number)} for number in newest]}

    def get_bytes(self, path: str) -> bytes:
        number = int(path.split("/")[3])
        if number not in self.numbers:
            raise Refused(404, f"no call '{number}'")
        return b"%d" % number


def keep_all(journal: Journal, folder: Path, concerned: list[str], after: int = 0) -> dict[str, str]:
    client: Any = journal
    return pcap.keep_all(client, str(folder), "001-a-story", concerned, after)


def test_the_calls_that_failed_come_first_then_the_newest(tmp_path: Path) -> None:
    kept = keep_all(Journal(100, 2), tmp_path, ["1", "3", "100"])
    assert list(kept) == ["3", "100", *(str(number) for number in range(99, 82, -1))]  # twenty, of which the first is there no more
    assert kept["3"] == str(tmp_path / "001-a-story-call-3.pcapng") and Path(kept["3"]).read_bytes() == b"3"
    assert sorted(kept.values()) == sorted(str(path) for path in tmp_path.iterdir())


def test_calls_of_before_are_none_of_the_run(tmp_path: Path) -> None:
    assert list(keep_all(Journal(5), tmp_path, [], after=3)) == ["5", "4"]


def test_a_capture_that_can_not_be_written_changes_no_verdict(tmp_path: Path) -> None:
    (tmp_path / "001-a-story-call-1.pcapng").mkdir()
    (said,) = keep_all(Journal(1), tmp_path, ["1"]).values()
    assert said.startswith("none: --pcap ") and "is a directory" in said


@pytest.mark.parametrize(
    ("number", "title", "name"),
    [
        (1, "Virginia goes down [transport=udp, repetition 2]", "001-virginia-goes-down-transport-udp-repetition-2"),
        (1234, "../../etc/passwd\x00\n", "1234-etc-passwd"),
        (7, "Ærø → 東京", "007-r"),
        (7, "東京", "007"),
        (7, "x" * 300, "007-" + "x" * 60),
    ],
)
def test_a_name_that_every_file_system_takes(number: int, title: str, name: str) -> None:
    assert pcap.name_of(number, title) == name


def test_a_folder_is_made_and_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    pcap.prepare("new/er")
    assert Path("new/er").is_dir() and not list(Path("new/er").iterdir())
    Path("file").write_bytes(b"")
    for folder, said in (("file", "file exists"), ("file/x", "not a directory"), ("", "no such file or directory")):
        with pytest.raises(Unusable, match=f"{said}; name a folder that can be written"):
            pcap.prepare(folder)
