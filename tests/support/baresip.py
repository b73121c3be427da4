"""baresip as its user would drive it, over its control port; it plays one WAV file and records what it hears."""

import json
import re
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.support.serve import DEADLINE, environment, last_lines, need, own_address, until

_END = "\x04"
"""The key that is let go of."""
_PRESSED = 0.15
"""Seconds of a digit."""
RTP_PORTS = "10000-19999"
"""Of each baresip of the tests: it takes them on every address of the machine, and else might take one that a test is about to."""
_CONTROL = 4444
"""Its control port, at an address of its own."""
_HEADER = 44
"""Octets of a WAV file before its samples."""
_WATCHED, _PACKETS = 0.2, 0.05
"""Seconds for which it is watched whether it speaks in time, and by which it may differ then: two packets."""
_LONGEST = 300
"""Seconds after which it ends by itself, when nobody else has ended it."""


def modules() -> Path:
    """Where its modules are."""
    return next(path for path in (Path("/usr/lib/baresip/modules"), Path("/usr/local/lib/baresip/modules")) if path.is_dir())


def _seconds(path: Path) -> float:
    """Of a WAV file that is being written, whose header knows its format and not yet its length."""
    with path.open("rb") as file:
        header = file.read(_HEADER)
    per_second = int.from_bytes(header[28:32], "little")
    return max(0, path.stat().st_size - _HEADER) / per_second if per_second else 0.0


class Baresip:
    """One baresip with one account that needs no credentials. `in.wav` stands in `directory` already."""

    def __init__(
        self, directory: Path, server: str, codec: str = "PCMU", rate: int = 8000, account: str = "", certificate: Path | None = None,
        settings: str = "",
    ) -> None:  # fmt: skip
        """`server` (`address:port`) is whom the account is with. `account` are parameters of it, each with its semicolon. With a
        `certificate`, its key in the same file, it listens for TLS too. `settings` are more lines of its configuration."""
        self.directory = directory
        self.output = directory / "output"
        self._events: list[dict[str, Any]] = []
        self._control = own_address()
        (directory / "config").write_text(
            f"sip_listen 127.0.0.1:0\nrtp_ports {RTP_PORTS}\naudio_player aufile,/dev/null\naudio_source aufile,{directory}/in.wav\n"
            f"audio_alert aufile,/dev/null\nausrc_srate {rate}\nauplay_srate {rate}\nnet_interface 127.0.0.1\nmodule_path {modules()}\n"
            "module g711.so\nmodule g722.so\nmodule srtp.so\nmodule aufile.so\nmodule sndfile.so\n"
            "module_app account.so\nmodule_app menu.so\nmodule_app debug_cmd.so\n"
            + (f"sip_certificate {certificate}\n" if certificate is not None else "")
            + settings
            + f"module_app ctrl_tcp.so\nctrl_tcp_listen {self._control}:{_CONTROL}\nsnd_path {directory}\n"
        )
        (directory / "accounts").write_text(f"<sip:447700900000@{server}>;regint=0;audio_codecs={codec}{account}\n")
        (directory / "contacts").write_text("")

    def __enter__(self) -> "Baresip":
        command = [need("baresip", "baresip-core"), "-4", "-v", "-f", str(self.directory), "-t", str(_LONGEST)]
        with self.output.open("w") as output:
            self._process = subprocess.Popen(
                command, cwd=self.directory, env=environment(), stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )
        try:
            self._sock = until(self._connected, lambda: f"baresip's control port; {self.told()}")
        except BaseException:
            self._process.kill()
            self._process.wait()
            raise
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """`quit`, and whatever happens no process is left."""
        try:
            self.command("quit")
            self._process.wait(DEADLINE)
        except (OSError, subprocess.TimeoutExpired):
            self._process.kill()
            self._process.wait()
        self._reader.join(DEADLINE)
        self._sock.close()

    def _connected(self) -> socket.socket | None:
        try:
            return socket.create_connection((self._control, _CONTROL), 5)
        except OSError:
            return None

    def _read(self) -> None:
        """What it tells: JSON in netstrings."""
        waiting = b""
        self._sock.settimeout(None)
        while True:
            try:
                data = self._sock.recv(65536)
            except OSError:
                return
            if not data:
                return
            waiting += data
            while (match := re.match(rb"([0-9]{1,6}):", waiting)) and len(waiting) > match.end() + int(match[1]):
                end = match.end() + int(match[1])
                self._events.append(json.loads(waiting[match.end() : end].decode(errors="replace")))
                waiting = waiting[end + 1 :]

    def command(self, name: str, parameters: str = "") -> None:
        """As it would be typed."""
        data = json.dumps({"command": name, "params": parameters}).encode()
        self._sock.sendall(b"%d:%b," % (len(data), data))

    def saw(self, kind: str) -> str | None:
        """The parameter of an event that it has told of; None when it has not."""
        return next((str(event.get("param", "")) for event in self._events if event.get("type") == kind), None)

    def sees(self, kind: str) -> None:
        """Wait for an event."""
        until(lambda: self.saw(kind) is not None, lambda: f"{kind}; {self.told()}")

    def plays(self, seconds: float) -> None:
        """Wait until so much of the call has been heard."""
        until(lambda: self.played >= seconds, lambda: f"{seconds:g} seconds of the call, of which {self.played:.2f} were; {self.told()}")

    def hears(self, digits: str) -> None:
        """Wait until these digits are all that have been heard."""
        until(lambda: self.digits == digits, lambda: f"the digits {digits}, of which {self.digits!r} were; {self.told()}")

    def told(self) -> str:
        """Who it is and what it printed last, for who wonders why a test fails."""
        return f"{self.directory.name} printed last:\n{last_lines(self.output)}"

    def printed(self) -> str:
        return self.output.read_text(errors="replace")

    def listens(self) -> dict[str, int]:
        """Where it takes calls: the port of each transport."""

        def found() -> dict[str, int]:
            self.command("sipstat")
            texts = [str(event.get("data", "")) for event in self._events if event.get("response")]
            return {name.lower(): int(port) for text in texts for port, name in re.findall(r":(\d+) \((\w+)\)", text)}

        return dict(until(found, lambda: f"its ports; {self.told()}"))

    def dial(self, uri: str) -> None:
        """Call, and wait for the answer."""
        self.command("dial", uri)
        ends = ("CALL_ESTABLISHED", "CALL_CLOSED")
        until(lambda: any(self.saw(kind) is not None for kind in ends), lambda: f"an answer from {uri}; {self.told()}")
        assert self.saw("CALL_CLOSED") is None, f"{uri}: {self.saw('CALL_CLOSED')}; {self.told()}"

    def press(self, digit: str) -> None:
        """A digit, and wait until it has been heard again.

        Where the machine was busy it says at once what it should have said meanwhile. rtpengine lets that audio pass and keeps to the
        time between the packets of a digit, so that these come too late to be heard: no digit is pressed until it is in time again.
        """
        until(self._in_time, lambda: f"an end of its being late; {self.told()}")
        count = self.digits.count(digit)
        self.command("sndcode", digit)
        time.sleep(_PRESSED)
        self.command("sndcode", _END)
        until(lambda: self.digits.count(digit) > count, lambda: f"the digit {digit} again; heard were {self.digits!r}; {self.told()}")

    def dial_slowly(self, digits: str, events: Callable[[], int], heard: Callable[[], str]) -> None:
        """Digits that nobody sends back: each is let go of once `events`, how many packets of them have come, has grown, and the next one
        waits until `heard` ends with it. However busy the machine is none is lost."""
        for digit in digits:
            before, so_far = events(), heard()
            self.command("sndcode", digit)
            until(lambda: events() > before, lambda: f"the first packet of {digit}; {self.told()}")  # noqa: B023 - called before the next
            self.command("sndcode", _END)
            until(lambda: heard() == so_far + digit, lambda: f"the digit {digit}; {self.told()}")  # noqa: B023 - likewise

    @property
    def digits(self) -> str:
        """Those heard, whole."""
        return "".join(re.findall(r"received event: '(.)' \(end=1\)", self.printed()))

    @property
    def played(self) -> float:
        """Seconds of the call that it has written to its recording."""
        return sum(map(_seconds, self.directory.glob("dump-*-dec.wav")))

    def _said(self) -> float:
        """Seconds of the call that it has spoken."""
        return sum(map(_seconds, self.directory.glob("dump-*-enc.wav")))

    def _in_time(self) -> bool:
        """Whether it says as much as time passes."""
        said, since = self._said(), time.monotonic()
        time.sleep(_WATCHED)
        return abs(self._said() - said - (time.monotonic() - since)) < _PACKETS

    def hang_up(self) -> None:
        self.command("hangup")

    @property
    def recording(self) -> Path:
        """What it heard; complete once the call is over."""
        (heard,) = self.directory.glob("dump-*-dec.wav")
        return heard
