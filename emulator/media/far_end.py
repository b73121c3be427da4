"""What answers at the other end of a call: an echo, a tone, a file, silence, or nothing, and digits of its own."""

from array import array
from collections.abc import Callable, Mapping, Sequence

from emulator.clock import Clock, Timer
from emulator.media import g711, shipped
from emulator.media.plan import ECHO, NOTHING, SILENCE, TONE
from emulator.media.player import Player
from emulator.media.stream import Stream

Prompts = Mapping[str, "array[int]"]
"""Samples of the files that may be played, by path, at 8,000 Hz: read before any call needs them."""


class FarEnd:
    """The far end of one call."""

    def __init__(self, stream: Stream, clock: Clock, prompts: Prompts | None = None) -> None:
        self._stream = stream
        self._clock = clock
        self._prompts = prompts or {}
        self._player: Player | None = None
        self._codec = ("", 0)
        self._dialling: Timer | None = None
        self._stopped = False

    def start(self) -> None:
        """Media may flow: play what the plan says. Again when a codec has changed; harmless when nothing has."""
        stream = self._stream
        agreement = stream.agreement
        now = (agreement.codec.name, agreement.mode)
        if stream.plan.play in (ECHO, NOTHING) or now == self._codec or self._stopped:
            return
        self._codec = now
        if self._player is not None:
            self._player.stop()
        frames, seconds, step = self._frames(stream.plan.play, *now)
        self._player = Player(stream, self._clock, frames, seconds, step)
        self._player.start()

    def dial(self) -> None:
        """The call is answered: send the digits of the plan when their time has come."""
        plan = self._stream.plan
        if plan.digits and self._dialling is None and not self._stopped:
            self._dialling = self._clock.call_later(plan.digits_after, self._dial)

    def _dial(self) -> None:
        plan = self._stream.plan
        self._stream.dialler.quirk = plan.quirk
        self._stream.dialler.dial_all(plan.digits)

    def stop(self) -> None:
        """The call is over."""
        self._stopped = True
        if self._player is not None:
            self._player.stop()
        if self._dialling is not None:
            self._dialling.cancel()

    def _frames(self, play: str, codec: str, mode: int) -> tuple[Sequence[bytes], float, int]:
        """Payloads, and what each lasts in seconds and in timestamp units."""
        if play in (TONE, SILENCE):
            frames: Sequence[bytes] = shipped.frames(codec, play, mode)
        else:
            frames = _encoded(codec, self._prompts.get(play)) or shipped.frames(codec, TONE, mode)
        return frames, shipped.packet_seconds(codec, mode), shipped.timestamp_step(codec, mode)


def _encoded(codec: str, samples: "array[int] | None") -> list[bytes]:
    """A file in packets of 20 ms; none for the codecs that can't be encoded here, for which the tone stands in."""
    if samples is None or codec not in ("PCMU", "PCMA"):
        return []
    encode: Callable[[str, array[int]], bytes] = g711.encode
    data = encode(codec, samples)
    return [data[at : at + 160] for at in range(0, len(data) - 159, 160)]
