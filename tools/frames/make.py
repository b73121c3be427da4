"""Makes emulator/media/frames: a second of a tone and of silence in each codec that the emulator can't encode. See README.md."""

import ctypes
import ctypes.util
import math
import random
import sys
from array import array
from collections.abc import Callable
from pathlib import Path

import av

FOLDER = Path(__file__).resolve().parents[2] / "emulator" / "media" / "frames"
HERTZ = 450  # a whole number of periods in 20 and in 30 ms needs a multiple of 50 and of 33.3: 450 runs through a second without a seam
AMPLITUDE = 7200  # -10 dBm0


def sine(rate: int, seconds: float = 1.0, amplitude: int = AMPLITUDE) -> "array[int]":
    return array("h", (round(amplitude * math.sin(2 * math.pi * HERTZ * k / rate)) for k in range(round(rate * seconds))))


def library(name: str) -> ctypes.CDLL:
    found = ctypes.util.find_library(name)
    if found is None:
        sys.exit(f"lib{name} is needed")
    return ctypes.CDLL(found)


def g722(samples: "array[int]") -> bytes:
    encoder = av.codec.CodecContext.create("g722", "w")
    encoder.sample_rate, encoder.layout, encoder.format = 16000, "mono", "s16"
    data = b""
    for at in range(0, len(samples), 320):
        frame = av.AudioFrame(format="s16", layout="mono", samples=320)
        frame.sample_rate = 16000
        frame.planes[0].update(samples[at : at + 320].tobytes())
        data += b"".join(bytes(packet) for packet in encoder.encode(frame))
    return data


def g729(samples: "array[int]") -> bytes:
    lib = library("bcg729")
    lib.initBcg729EncoderChannel.restype = ctypes.c_void_p
    context = ctypes.c_void_p(lib.initBcg729EncoderChannel(ctypes.c_uint8(0)))  # without VAD: no annex B
    out, length, data = (ctypes.c_uint8 * 16)(), ctypes.c_uint8(), b""
    for at in range(0, len(samples), 80):
        chunk = (ctypes.c_int16 * 80)(*samples[at : at + 80])
        lib.bcg729Encoder(context, chunk, out, ctypes.byref(length))
        assert length.value == 10
        data += bytes(out[:10])
    return data


def speex(samples: "array[int]") -> bytes:
    lib = library("speex")
    lib.speex_lib_get_mode.restype = lib.speex_encoder_init.restype = ctypes.c_void_p
    encoder = ctypes.c_void_p(lib.speex_encoder_init(ctypes.c_void_p(lib.speex_lib_get_mode(1))))
    quality = ctypes.c_int(8)
    lib.speex_encoder_ctl(encoder, 4, ctypes.byref(quality))
    bits, out, data = (ctypes.c_uint8 * 256)(), (ctypes.c_char * 400)(), b""
    lib.speex_bits_init(bits)
    for at in range(0, len(samples), 320):
        lib.speex_bits_reset(bits)
        lib.speex_encode_int(encoder, (ctypes.c_int16 * 320)(*samples[at : at + 320]), bits)
        lib.speex_bits_insert_terminator(bits)  # RFC 5574 3.3
        data += out[: lib.speex_bits_write(bits, out, 400)]
    return data


def ilbc_decoded(frames: bytes, size: int) -> list[int]:
    decoder = av.codec.CodecContext.create("ilbc", "r")
    decoder.sample_rate, decoder.layout = 8000, "mono"
    decoder.extradata = b""
    samples: list[int] = []
    for at in range(0, len(frames), size):
        for frame in decoder.decode(av.Packet(frames[at : at + size])):
            samples.extend(array("h", bytes(frame.planes[0])[: 2 * frame.samples]))
    return samples


def purity(samples: list[int]) -> float:
    """How much of the energy is at the tone, and how near its level is to what it should be."""
    energy = sum(x * x for x in samples) or 1
    best = 0.0
    for hertz in range(HERTZ - 20, HERTZ + 21, 10):
        real = sum(x * math.cos(2 * math.pi * hertz * k / 8000) for k, x in enumerate(samples))
        imaginary = sum(x * math.sin(2 * math.pi * hertz * k / 8000) for k, x in enumerate(samples))
        best = max(best, 2 * (real * real + imaginary * imaginary) / len(samples) / energy)
    power, wanted = energy / len(samples), AMPLITUDE**2 / 2
    return best * min(power / wanted, wanted / power) ** 0.2


def ilbc_tone(size: int) -> bytes:
    """No encoder of iLBC was at hand: a frame that decodes to nearly the tone when it is repeated, found by turning bits."""
    chance = random.Random(size)

    def rate(frame: bytes) -> float:
        return purity(ilbc_decoded(frame * 8, size)[-800:])

    best, score = b"", -1.0
    for _ in range(40):
        frame = bytes(chance.randrange(256) for _ in range(size - 1)) + bytes([chance.randrange(128) * 2])
        value = rate(frame)
        if value > score:
            best, score = frame, value
    for _ in range(3):
        order = list(range(size * 8 - 1))  # the last bit says that the frame is empty
        chance.shuffle(order)
        for bit in order:
            frame = bytearray(best)
            frame[bit // 8] ^= 0x80 >> bit % 8
            value = rate(bytes(frame))
            if value > score:
                best, score = bytes(frame), value
    print(f"iLBC {size}: {score:.2f} of the energy at the tone")
    return best


def make(codec: str, encode: Callable[["array[int]"], bytes], rate: int) -> None:
    for what, samples in (("tone", sine(rate, 2.0)), ("silence", sine(rate, 2.0, 0))):
        data = encode(samples)
        (FOLDER / f"{codec}-{what}.bin").write_bytes(data[len(data) // 2 :])


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    make("g722", g722, 16000)
    make("g729", g729, 8000)
    make("speex", speex, 16000)
    for mode, size in ((20, 38), (30, 50)):
        (FOLDER / f"ilbc{mode}-tone.bin").write_bytes(ilbc_tone(size))
        (FOLDER / f"ilbc{mode}-silence.bin").write_bytes(bytes(size - 1) + b"\x01")  # the empty frame: the decoder fades out (RFC 3951 3.8)


main()
