"""What answers at the other end of a call: an echo, a tone, a file, silence, or nothing, and digits of its own."""

from array import array
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache

from emulator.clock import Clock, Timer
from emulator.media import g711, shipped
from emulator.media.packing import packed
from emulator.media.plan import ECHO, NOTHING, SILENCE, TONE
from emulator.media.player import Player
from emulator.media.stream import Stream

_G711 = frozenset({"PCMU", "PCMA"})
"""What a file can be encoded in here."""

Prompts = Mapping[str, "array[int]"]
"""Samples of the files that may be played, by path, at 8,000 Hz: read before any call needs them."""


class FarEnd:
    """The far end of one call."""

    def __init__(self, stream: Stream, clock: Clock, prompts: Prompts | None = None) -> None:
        self._stream = stream
        self._clock = clock
        self._prompts = prompts or {}
        self._player: Player | None = None
        self._plays = ("", 0, 0)  # codec, its mode, milliseconds a packet
        self._dialling: Timer | None = None
        self._stopped = False
        self.problem: str | None = None
        """What is not played as it was asked for."""

    def start(self) -> None:
        """Media may flow: play what the plan says. Again when a codec has changed; harmless when nothing has."""
        stream = self._stream
        agreement = stream.agreement
        now = (agreement.codec.name, agreement.mode, agreement.ptime)
        if stream.plan.play in (ECHO, NOTHING) or now == self._plays or self._stopped:
            return
        self._plays = now
        if self._player is not None:
            self._player.stop()
        codec, mode, ptime = now
        step = shipped.timestamp_step(codec, mode) * ptime // shipped.packet_milliseconds(codec, mode)
        self._player = Player(stream, self._clock, self._frames(stream.plan.play, *now), ptime / 1000, step)
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

    def _frames(self, play: str, codec: str, mode: int, ptime: int) -> Sequence[bytes]:
        """Payloads of `ptime` milliseconds."""
        if play not in (TONE, SILENCE):
            samples = self._prompts.get(play)
            if samples is not None and codec in _G711 and (frames := _encoded(codec, samples, ptime)):
                return frames
            self.problem = f"{play} in {codec}; the tone instead"
        return _shipped(codec, TONE if play != SILENCE else SILENCE, mode, ptime)


@lru_cache(maxsize=32)
def _shipped(codec: str, what: str, mode: int, ptime: int) -> tuple[bytes, ...]:
    return packed(codec, shipped.frames(codec, what, mode), shipped.packet_milliseconds(codec, mode), ptime)


def _encoded(codec: str, samples: "array[int]", ptime: int) -> list[bytes]:
    """A file in whole packets; the rest at its end is not played."""
    encode: Callable[[str, array[int]], bytes] = g711.encode
    data, octets = encode(codec, samples), 8 * ptime
    return [data[at : at + octets] for at in range(0, len(data) - octets + 1, octets)]
