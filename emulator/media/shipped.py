"""A tone and silence in each codec, as payloads of one packet each: G.711 is made here, the others come as files (tools/frames)."""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from emulator.media import g711
from emulator.media.tone import tone

TONE, SILENCE = "tone", "silence"
HERTZ = 440
LEVEL_DBM0 = -10.0


@dataclass(frozen=True, slots=True)
class _Packet:
    """What one packet has: octets, milliseconds, and units of the RTP clock."""

    octets: int
    milliseconds: int
    step: int


_G711 = _Packet(160, 20, 160)
_PACKETS = {
    ("PCMU", 0): _G711,
    ("PCMA", 0): _G711,
    ("G722", 0): _Packet(160, 20, 160),  # its clock says 8,000 though its samples are twice as many (RFC 3551 4.5.2)
    ("G729", 0): _Packet(20, 20, 160),  # two frames (RFC 3551 4.5.6)
    ("iLBC", 20): _Packet(38, 20, 160),
    ("iLBC", 30): _Packet(50, 30, 240),  # RFC 3952 3
    ("speex", 0): _Packet(70, 20, 320),  # wideband at quality 8, one frame padded to octets (RFC 5574 3)
}


def frames(codec: str, what: str, mode: int = 30) -> tuple[bytes, ...]:
    """`tone` or `silence` in `codec`, a name of `emulator.media.codecs`, as payloads to be played over and over.

    About a second: a whole number of packets, and of the tone's periods. `mode` is iLBC's, 20 or 30. Raises `KeyError` for any other.
    """
    if what not in (TONE, SILENCE):
        raise KeyError(what)
    return _frames(codec, what, _mode(codec, mode))


def packet_milliseconds(codec: str, mode: int = 30) -> int:
    """What one packet of `frames` lasts. Raises `KeyError` like `frames`."""
    return _PACKETS[codec, _mode(codec, mode)].milliseconds


def packet_seconds(codec: str, mode: int = 30) -> float:
    """What one packet of `frames` lasts, in seconds. Raises `KeyError` like `frames`."""
    return _PACKETS[codec, _mode(codec, mode)].milliseconds / 1000


def timestamp_step(codec: str, mode: int = 30) -> int:
    """The same in units of the RTP clock. Raises `KeyError` like `frames`."""
    return _PACKETS[codec, _mode(codec, mode)].step


def _mode(codec: str, mode: int) -> int:
    """Only iLBC has modes."""
    return mode if codec == "iLBC" else 0


@cache
def _frames(codec: str, what: str, mode: int) -> tuple[bytes, ...]:
    packet = _PACKETS[codec, mode]
    if packet is _G711:
        data = g711.encode(codec, tone([HERTZ] if what == TONE else [], 1.0, level_dbm0=LEVEL_DBM0))
    else:
        data = files("emulator.media").joinpath("frames", f"{codec.lower()}{mode or ''}-{what}.bin").read_bytes()
    return tuple(data[at : at + packet.octets] for at in range(0, len(data), packet.octets))
