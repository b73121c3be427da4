"""What all calls share to be heard and recorded: the far end's prompts, the folder of recordings, the ear for tones.

What plays, records and listens is imported when a call first needs it: an echo needs none of it, and the start should not wait for it.
"""

import sys
from array import array
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from emulator.clock import Clock
from emulator.journal.findings import Finding
from emulator.media.plan import ECHO, NOTHING
from emulator.media.stream import Stream

if TYPE_CHECKING:
    from emulator.media.ear import Ear
    from emulator.media.far_end import FarEnd, Prompts
    from emulator.media.recorder import Allowance
    from emulator.media.recording import Recording


_KEPT = 32
"""Recordings kept of calls that were recorded because somebody asked for it."""


class Set:
    """What one call has of it."""

    __slots__ = ("_far_end", "_problem", "_recording", "_stream", "_studio", "recorded")

    def __init__(
        self, studio: "Studio", stream: Stream, far_end: "FarEnd | None", recording: "Recording | None", problem: str | None
    ) -> None:
        self._problem = problem
        self._studio = studio
        self._stream = stream
        self._far_end = far_end
        self._recording = recording
        self.recorded = recording.path if recording is not None else ""

    def start(self, answered: bool) -> None:
        """The far end may be heard; harmless when it is already."""
        if self._far_end is not None:
            self._far_end.start()
            if answered:
                self._far_end.dial()
        self._studio.listen(self._stream)

    @property
    def findings(self) -> list[Finding]:
        """What went wrong with the recording, and with what was to be played."""
        found = []
        problem = self._recording.problem if self._recording is not None else self._problem
        if problem is not None:
            found.append(Finding("media.not-recorded", problem))
        if self._far_end is not None and self._far_end.problem is not None:
            found.append(Finding("media.stand-in", self._far_end.problem))
        return found

    def close(self) -> None:
        """The call is over."""
        if self._far_end is not None:
            self._far_end.stop()
        if self._studio.ear is not None:
            self._studio.ear.remove(self._stream)
        if self._recording is not None:
            self._recording.close()


class Studio:
    """`prompts` are the files that may be played, `record` the folder of recordings; `seconds` bounds each of them, `octets` all
    in the folder."""

    def __init__(
        self,
        clock: Clock,
        prompts: "Prompts | None" = None,
        record: Path | None = None,
        seconds: float = 3600.0,
        listens: bool = True,
        scratch: Callable[[], Path] | None = None,
        octets: int = 4 << 30,
        descriptors: int = sys.maxsize,
    ) -> None:
        """`listens` is whether digits sent as tones are looked for. `scratch` makes the folder for the recordings of single calls, which
        are deleted when there are many; it is asked when one is first wanted, and may raise `OSError`. Recordings leave file descriptors
        of a number from `descriptors` on to others."""
        self._clock = clock
        self.prompts = dict(prompts or {})
        self._record = record
        self._scratch = scratch
        self._scratched: deque[Path] = deque()
        self._seconds = seconds
        self._octets = octets
        self._descriptors = descriptors
        self._allowance: Allowance | None = None
        self._listens = listens
        self.ear: Ear | None = None

    def lend(self, name: str, samples: bytes) -> None:
        """A prompt for one call: 16-bit samples, the low octet first, 8,000 a second."""
        played = array("h", samples)
        if sys.byteorder == "big":
            played.byteswap()
        self.prompts[name] = played

    def take_back(self, name: str) -> None:
        """That call is over."""
        self.prompts.pop(name, None)

    def listen(self, stream: Stream) -> None:
        """Look for tones in a call."""
        if not self._listens:
            return
        if self.ear is None:
            from emulator.media.ear import Ear

            self.ear = Ear(self._clock)
        self.ear.add(stream)

    def set_for(self, stream: Stream, name: str) -> Set:
        """What a call with the journal's number `name` gets."""
        plan = stream.plan
        plays = plan.play not in (ECHO, NOTHING) or bool(plan.digits)
        far_end, recording, problem = None, None, None
        if plays:
            from emulator.media.far_end import FarEnd

            far_end = FarEnd(stream, self._clock, self.prompts)
        if self._record is not None or plan.record:
            from emulator.media.recorder import Allowance, Recorder
            from emulator.media.recording import Recording
            from emulator.media.wav import WavError

            if self._allowance is None and self._record is not None:  # those of single calls are bounded by their number
                self._allowance = Allowance(self._octets)
            try:
                path = self._path(f"call-{name}.wav")
                recording = Recording(stream, Recorder(path, self._seconds, self._allowance, self._descriptors), self._clock)
            except (WavError, OSError) as error:
                problem = str(error)  # a call must not fail for its recording
        return Set(self, stream, far_end, recording, problem)

    def _path(self, name: str) -> Path:
        """Where a recording goes. Raises `OSError`."""
        if self._record is not None:
            return self._record / name
        if self._scratch is None:
            raise OSError("no folder for it; set media.record")
        path = self._scratch() / name
        while len(self._scratched) >= _KEPT:
            self._scratched.popleft().unlink(missing_ok=True)
        self._scratched.append(path)
        return path
