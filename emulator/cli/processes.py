"""Programs that a command starts: each in a process group of its own, its output kept within bounds, and ended with all its children."""

import os
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path

from emulator.config import Unusable
from emulator.counting import counted
from emulator.problems import in_words

_HEAD_OCTETS = 16 << 10
_TAIL_OCTETS = 48 << 10
_TERM_SECONDS = 3.0
_READ_SECONDS = 1.0


class Output:
    """The beginning and the end of what a program prints."""

    def __init__(self) -> None:
        self._head = bytearray()
        self._tail: deque[bytes] = deque()
        self._tail_octets = 0
        self._left_out = 0

    def add(self, data: bytes) -> None:
        room = _HEAD_OCTETS - len(self._head)
        self._head += data[:room] if room > 0 else b""
        rest = data[max(0, room) :]
        if rest:
            self._tail.append(rest)
            self._tail_octets += len(rest)
        while self._tail and self._tail_octets - len(self._tail[0]) >= _TAIL_OCTETS:
            dropped = self._tail.popleft()
            self._tail_octets -= len(dropped)
            self._left_out += len(dropped)

    def text(self) -> str:
        """All that was kept."""
        tail = b"".join(self._tail)
        gap = f"\n… {counted(self._left_out, 'octet')} left out …\n".encode() if self._left_out else b""
        return (bytes(self._head) + gap + tail).decode("utf-8", "replace")


class Process:
    """A program that runs. It stands in no terminal's way: it has no input, and Ctrl-C does not reach it."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], folder: Path | None = None) -> None:
        """Raises `Unusable` when it can't be started."""
        self.command = list(command)
        self.output = Output()
        try:
            self._process = subprocess.Popen(
                self.command, env=dict(environment), cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                start_new_session=True,
            )  # fmt: skip
        except (OSError, ValueError) as error:
            why = in_words(error) if isinstance(error, OSError) else str(error)
            raise Unusable(self.command[0], f"{why}; name a program that can be run") from None
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        stream = self._process.stdout
        assert stream is not None
        with stream:
            while data := os.read(stream.fileno(), 65536):
                self.output.add(data)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def code(self) -> int | None:
        """Its exit code; None while it runs. Ended by signal N it is 128 + N, as a shell has it."""
        code = self._process.poll()
        return code if code is None or code >= 0 else 128 - code

    def end(self, patience: float = _TERM_SECONDS) -> None:
        """End it and all that it started: SIGTERM, and SIGKILL for what is left after `patience` seconds. Harmless when it has ended."""
        self._signal(signal.SIGTERM)
        try:
            self._process.wait(patience)
        except subprocess.TimeoutExpired:
            pass
        self._signal(signal.SIGKILL)  # to its children too, which may have outlived it
        self._process.wait()
        self._reader.join(_READ_SECONDS)

    def settle(self) -> None:
        """It has ended by itself: its children end too, and its last words are read."""
        self._signal(signal.SIGKILL)
        self._reader.join(_READ_SECONDS)

    def _signal(self, number: int) -> None:
        try:
            os.killpg(self._process.pid, number)
        except (ProcessLookupError, PermissionError):
            pass  # all of them have gone
