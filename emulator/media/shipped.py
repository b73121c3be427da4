"""A tone and silence in each codec, as payloads of one packet each: G.711 is made here, the others come as files (tools/frames)."""

from functools import lru_cache
from importlib.resources import files

from emulator.media import g711
from emulator.media.tone import tone

HERTZ = 450
LEVEL_DBM0 = -10.0
_ONE_SECOND = 1.0
_OCTETS = {"G722": 160, "G729": 20, "speex": 70, "iLBC20": 38, "iLBC30": 50}
"""Of one packet: 20 ms each, and 30 ms of iLBC's longer frame. Speex is at the quality that the files were made with."""


@lru_cache(maxsize=32)
def frames(codec: str, what: str, mode: int = 30) -> tuple[bytes, ...]:
    """`tone` or `silence` in `codec`, to be played over and over; `mode` is iLBC's, 20 or 30. Raises `KeyError` for others."""
    if what not in ("tone", "silence"):
        raise KeyError(what)
    if codec in ("PCMU", "PCMA"):
        samples = tone([HERTZ] if what == "tone" else [], _ONE_SECOND, level_dbm0=LEVEL_DBM0)
        data, size = g711.encode(codec, samples), 160
    else:
        name = f"{codec}{mode}" if codec == "iLBC" else codec
        size = _OCTETS[name]
        data = files("emulator.media").joinpath("frames", f"{name.lower()}-{what}.bin").read_bytes()
    return tuple(data[at : at + size] for at in range(0, len(data), size))


def packet_seconds(codec: str, mode: int = 30) -> float:
    """What a packet of `frames` lasts."""
    return 0.03 if codec == "iLBC" and mode == 30 else 0.02


def timestamp_step(codec: str, mode: int = 30) -> int:
    """The same in units of the RTP clock: G.722's says 8,000 (RFC 3551 4.5.2), speex's 16,000 (RFC 5574 3.1)."""
    return round(packet_seconds(codec, mode) * (16000 if codec == "speex" else 8000))
