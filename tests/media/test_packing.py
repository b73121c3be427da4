"""Frames in packets of other lengths: as many octets as they should have, and FFmpeg hears the tone in them."""

import pytest

from emulator.media import shipped
from emulator.media.decoder import decoder
from emulator.media.packing import packed
from tests.media.test_shipped import share_at

LONGER = [
    # codec, mode, ptime, octets
    ("PCMU", 30, 10, 80),
    ("PCMA", 30, 30, 240),
    ("PCMA", 30, 170, 1360),
    ("G722", 30, 40, 320),
    ("G729", 30, 10, 10),
    ("G729", 30, 60, 60),
    ("iLBC", 20, 60, 114),
    ("iLBC", 30, 60, 100),
    ("speex", 30, 40, 139),
    ("speex", 30, 60, 209),
]


def made(codec: str, mode: int, ptime: int) -> tuple[bytes, ...]:
    return packed(codec, shipped.frames(codec, "tone", mode), shipped.packet_milliseconds(codec, mode), ptime)


@pytest.mark.parametrize(("codec", "mode", "ptime", "octets"), LONGER)
def test_every_packet_lasts_as_long_and_the_loop_has_no_rest(codec: str, mode: int, ptime: int, octets: int) -> None:
    payloads = made(codec, mode, ptime)
    assert {len(payload) for payload in payloads} == {octets}
    loop = len(shipped.frames(codec, "tone", mode)) * shipped.packet_milliseconds(codec, mode)
    assert len(payloads) * ptime % loop == 0


@pytest.mark.parametrize("codec", ["PCMU", "speex"])
def test_frames_of_the_right_length_stay_as_they_are(codec: str) -> None:
    assert made(codec, 30, 20) == shipped.frames(codec, "tone")


def test_nothing_is_nothing() -> None:
    assert packed("PCMU", (), 20, 40) == ()


@pytest.mark.parametrize(("codec", "mode", "ptime", "octets"), LONGER)
def test_the_tone_is_heard_in_them(codec: str, mode: int, ptime: int, octets: int) -> None:
    if codec not in ("PCMU", "PCMA"):
        pytest.importorskip("av")
    reader = decoder(codec, mode)
    assert reader is not None
    samples: list[int] = []
    for payload in made(codec, mode, ptime):
        samples.extend(reader.decode(payload))
    assert reader.errors == 0
    heard = len(made(codec, mode, ptime)) * ptime * 8
    assert len(samples) == pytest.approx(heard, abs=2)
    assert share_at(shipped.HERTZ, samples[-4000:]) > 0.97  # type: ignore[arg-type]
