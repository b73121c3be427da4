"""Records one call: what was heard on the left, what was sent on the right, as a WAV file of 8,000 samples a second."""

from array import array
from collections.abc import Callable

from emulator.clock import Clock
from emulator.media.decoder import Decoder, decoder
from emulator.media.recorder import RECORDING_RATE, Recorder
from emulator.media.stream import Stream
from emulator.media.wav import WavError

_SLACK = 1.0
"""Seconds that a packet may come before or after the time of its timestamp until the recording follows it, not the timestamp: what is read
late, on a busy machine or from a busy network, is no silence. A recorder takes what is no older than this."""
_HALF = 1 << 31
"""Timestamps are compared modulo 2^32 (RFC 3550 5.1)."""


class _Side:
    """One direction: a decoder, and where a packet goes by its timestamp."""

    def __init__(self, put: Callable[[int, "array[int]"], None], began: float) -> None:
        self._put = put
        self._began = began
        self._at: int | None = None  # where the last packet went
        self._timestamp = 0  # of that one
        self._decoder: Decoder | None = None
        self._decodes = ("", 0)

    def take(self, codec: str, mode: int, clock: int, timestamp: int, payload: bytes, now: float) -> bool:
        """`clock` is that of the timestamp, in Hz. False when there is no decoder for `codec`."""
        if (codec, mode) != self._decodes:
            self._decoder, self._decodes = decoder(codec, mode), (codec, mode)
        if self._decoder is None:
            return False
        samples = self._decoder.decode(payload)
        at = here = int((now - self._began) * RECORDING_RATE)
        if self._at is not None:
            since = (timestamp - self._timestamp + _HALF) % (2 * _HALF) - _HALF
            at = self._at + since * RECORDING_RATE // clock
            if abs(here - at) > _SLACK * RECORDING_RATE:
                at = here
        self._at, self._timestamp = at, timestamp
        self._put(at, samples)
        return True


class Recording:
    """A recording of `stream`, which it listens to until `close`."""

    def __init__(self, stream: Stream, recorder: Recorder, clock: Clock) -> None:
        self._stream = stream
        self._recorder = recorder
        self._clock = clock
        began = clock.seconds()
        self._heard = _Side(recorder.heard, began)
        self._sent = _Side(recorder.sent, began)
        self.problem: str | None = None
        """Why nothing, or not all, was recorded."""
        stream.tap_heard = self._on_heard
        stream.tap_sent = self._on_sent

    @property
    def path(self) -> str:
        return str(self._recorder.path)

    def _on_heard(self, payload_type: int, timestamp: int, payload: bytes) -> None:
        self._take(self._heard, timestamp, payload)

    def _on_sent(self, payload_type: int, timestamp: int, payload: bytes) -> None:
        self._take(self._sent, timestamp, payload)

    def _take(self, side: _Side, timestamp: int, payload: bytes) -> None:
        agreement = self._stream.agreement
        codec = agreement.codec
        try:
            if not side.take(codec.name, agreement.mode, codec.clock, timestamp, payload, self._clock.seconds()):
                self.problem = f"no decoder for {codec.name}; install vsim[audio]"
        except WavError as error:
            self.problem = str(error)
        self._look()

    def _look(self) -> None:
        if self._recorder.full:
            self.problem = "media.record_octets are used up; the rest is not there"
        elif self._recorder.truncated:
            self.problem = "longer than media.record_seconds; the rest is not there"

    def close(self) -> None:
        """Finish the file; harmless when done before."""
        try:
            self._recorder.close()
        except WavError as error:
            self.problem = str(error)
        self._look()
