"""Lines to whoever reads slowly, or not at all."""

import os
import threading
from collections.abc import Iterator

import pytest

from emulator.cli.output import Output

DEADLINE = 60.0


class Pipe:
    def __init__(self) -> None:
        self.read_end, self.write_end = os.pipe()
        self.text = ""

    def close(self) -> None:
        for end in (self.read_end, self.write_end):
            try:
                os.close(end)
            except OSError:
                pass

    def read(self) -> threading.Thread:
        """Take all that comes until the other end is closed."""
        thread = threading.Thread(target=self._read, daemon=True)
        thread.start()
        return thread

    def _read(self) -> None:
        data = b""
        while some := os.read(self.read_end, 65536):
            data += some
        self.text = data.decode()


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    pipe = Pipe()
    yield pipe
    pipe.close()


def output(pipe: Pipe, most: int = 1 << 20) -> tuple[Output, list[float]]:
    """One whose callbacks never come, and when they were to."""
    asked: list[float] = []
    return Output(lambda seconds, _: asked.append(seconds), pipe.write_end, lambda lines: f"{lines} left out", most), asked


def test_lines_are_written_in_bunches(pipe: Pipe) -> None:
    out, asked = output(pipe)
    out.write("one")
    out.write("two")
    assert len(asked) == 1
    reader = pipe.read()
    out.close(DEADLINE)
    os.close(pipe.write_end)
    reader.join(DEADLINE)
    assert pipe.text == "one\ntwo\n"


def test_whoever_reads_nothing_holds_up_nobody_and_is_told_what_was_left_out(pipe: Pipe) -> None:
    """A full pipe: `vsim serve | less`."""
    out, _ = output(pipe, most=1 << 18)
    lines = [f"{number:06} " + "x" * 1000 for number in range(1000)]  # a megabyte, where a pipe takes 64 kB
    for line in lines:
        out.write(line)
        out.flush()
    out.close(0.0)
    reader = pipe.read()
    out.close(DEADLINE)
    os.close(pipe.write_end)
    reader.join(DEADLINE)
    read = pipe.text.splitlines()
    assert read[:-1] == lines[: len(read) - 1] and 256 <= len(read) < 500
    assert read[-1] == f"{1000 - len(read) + 1} left out"


def test_a_reader_that_has_gone_is_no_error(pipe: Pipe) -> None:
    out, _ = output(pipe)
    os.close(pipe.read_end)
    for _ in range(3):
        out.write("x")
        out.close(DEADLINE)


def test_a_descriptor_that_does_not_wait_loses_nothing(pipe: Pipe) -> None:
    os.set_blocking(pipe.write_end, False)
    out, _ = output(pipe)
    lines = ["x" * 1000 for _ in range(300)]
    for line in lines:
        out.write(line)
    out.close(0.0)
    reader = pipe.read()
    out.close(DEADLINE)
    os.close(pipe.write_end)
    reader.join(DEADLINE)
    assert pipe.text.splitlines() == lines


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device that is always full")
def test_a_full_disk_is_no_error(pipe: Pipe) -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    try:
        out = Output(lambda seconds, call: None, full, lambda lines: f"{lines} left out")
        for _ in range(3):
            out.write("x")
            out.close(DEADLINE)
    finally:
        os.close(full)
