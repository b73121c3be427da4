"""What was played is found again in what is heard."""

import pytest

from emulator.clock import SteppedClock
from emulator.media import g711
from emulator.media.codecs import CODECS
from emulator.phone.echo import Echo
from emulator.phone.signal import SECONDS, signal


def played(codec: str = "PCMU", packets: int = 50) -> tuple[SteppedClock, Echo, tuple[bytes, ...]]:
    """A signal of which some packets have gone out, 20 ms apart."""
    clock, frames = SteppedClock(), signal(codec).frames
    echo = Echo(signal(codec), clock)
    for number in range(packets):
        echo.sent(frames[number % len(frames)])
        clock.advance(0.02)
    return clock, echo, frames


@pytest.mark.parametrize("codec", ["PCMU", "PCMA"])
def test_no_two_packets_of_the_signal_are_alike(codec: str) -> None:
    """Nor is any piece of it found in two places, and decoding and encoding leave it as it is."""
    found = signal(codec)
    assert found.distinct and len(set(found.frames)) == len(found.frames) == round(SECONDS / found.seconds)
    whole = b"".join(found.frames)
    for at in range(0, len(whole) - 100, 333):
        assert whole.find(whole[at : at + 100]) == at and whole.find(whole[at : at + 100], at + 1) == -1
    assert g711.encode(codec, g711.decode(codec, whole)) == whole


@pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec.name)
def test_each_codec_has_one(codec: object) -> None:
    assert signal(codec.name).frames  # type: ignore[attr-defined]


def test_all_comes_back() -> None:
    clock, frames = SteppedClock(), signal("PCMU").frames
    echo = Echo(signal("PCMU"), clock)
    for number, frame in enumerate(frames[:100]):
        echo.sent(frame)
        clock.advance(0.005)
        if number % 2:
            clock.advance(0.002)
        echo.heard(frame)
    assert (echo.played, echo.returned, echo.foreign, echo.loss) == (100, 100, 0, 0.0)
    assert echo.complete and echo.same and echo.round_trip == pytest.approx(0.006)


def test_nothing_comes_back() -> None:
    _, echo, _ = played()
    assert (echo.returned, echo.loss, echo.same, echo.round_trip, echo.complete) == (0, 1.0, False, None, False)
    assert Echo(signal("PCMU"), SteppedClock()).loss == 0.0


def test_lost_doubled_reordered_and_foreign_packets() -> None:
    _, echo, frames = played()
    for frame in (frames[1], frames[0], frames[1], frames[3]):
        echo.heard(frame)
    assert (echo.returned, echo.repeated, echo.foreign) == (3, 1, 0)
    assert echo.same and echo.loss == pytest.approx(0.94)
    for frame in (b"\xff" * 160, b"\x7f" * 80 + b"\xff" * 80, b"\xfe" * 20):
        echo.heard(frame)
    assert (echo.silent, echo.foreign) == (3, 0) and echo.same
    for frame in (bytes(reversed(frames[0])), frames[0][:20], b"\x00" * 160):
        echo.heard(frame)
    assert echo.foreign == 3 and not echo.same


@pytest.mark.parametrize("octets", [80, 160, 240, 320])
def test_an_echo_that_packs_anew(octets: int) -> None:
    """From the middle of a packet on, in pieces of another size."""
    _, echo, frames = played()
    whole = b"".join(frames[:50])
    for at in range(80, len(whole) - octets, octets):
        echo.heard(whole[at : at + octets])
    assert echo.returned >= 45 and echo.same and echo.repeated == 0 and echo.repacked > 0


def test_an_echo_over_the_signals_end() -> None:
    """It begins anew after eight seconds, and what comes back then belongs to the second time."""
    clock, echo, frames = played(packets=1)
    echo.heard(frames[0])
    for frame in (*frames[1:], frames[0]):
        clock.advance(0.02)
        echo.sent(frame)
    clock.advance(0.003)
    echo.heard(frames[0])
    assert echo.returned == 2 and echo.repeated == 0
    echo.heard(frames[-1][80:] + frames[0][:80])
    assert echo.foreign == 0


def test_what_is_not_back_when_the_signal_comes_round_is_lost() -> None:
    _, echo, frames = played(packets=2 * len(signal("PCMU").frames))
    assert len(echo._out) == len(frames) and all(len(waiting) == 1 for waiting in echo._out.values())
    echo.heard(frames[0])
    assert echo.returned == 1 and echo.round_trip is not None and echo.round_trip < SECONDS + 0.1


@pytest.mark.parametrize("codec", ["G722", "G729", "iLBC", "speex"])
def test_packets_that_are_alike(codec: str) -> None:
    clock, frames = SteppedClock(), signal(codec).frames
    echo = Echo(signal(codec), clock)
    for number in range(1000):
        frame = frames[number % len(frames)]
        echo.sent(frame)
        clock.advance(0.02)
        echo.heard(frame)
    assert echo.returned == 1000 and echo.same and echo.repeated == 0
    assert sum(map(len, echo._out.values())) == 0
