"""Media on real sockets by crafted packets: the codecs that no phone here has, plain and secure, decoded by others; counts by tshark."""

import os
import re
import socket
import struct
import subprocess
import time
from array import array
from base64 import b64decode, b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from emulator.media import shipped
from tests.support.phone import Phone
from tests.support.serve import Serve, environment, need, run, until
from tests.support.srtp_reference import Reference
from tests.wire.test_connections import dial, messages

KEY = bytes(range(30))
EVENTS = 101
CODECS = {
    "G729": (18, "a=rtpmap:18 G729/8000\r\na=fmtp:18 annexb=no", 30),
    "iLBC": (111, "a=rtpmap:111 iLBC/8000\r\na=fmtp:111 mode=30", 30),
    "speex": (99, "a=rtpmap:99 speex/16000", 30),
    "G722": (9, "a=rtpmap:9 G722/8000", 30),
}


@pytest.fixture(scope="module")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    """One emulator for all calls."""
    emulator = Serve(Path(tmp_path_factory.mktemp("media")))
    yield emulator
    emulator.check()
    emulator.stop()


class Talk:
    """A call that is up: its phone, its media socket, and SRTP where it was agreed."""

    def __init__(self, phone: Phone, media: socket.socket, at: tuple[str, int], secure: tuple[Reference, Reference] | None) -> None:
        self.phone = phone
        self.media = media
        self.at = at
        self.secure = secure

    def say(self, sequence: int, timestamp: int, payload_type: int, payload: bytes, marker: bool = False) -> None:
        packet = struct.pack("!BBHII", 0x80, marker << 7 | payload_type, sequence, timestamp, 0xC0FFEE) + payload
        self.media.sendto(self.secure[0].protect(packet) if self.secure else packet, self.at)

    def hear(self) -> bytes:
        """The next packet, opened."""
        packet = self.media.recv(2000)
        return self.secure[1].unprotect(packet) if self.secure else packet


@contextmanager
def talk(serve: Serve, transport: str, formats: str, attributes: str, secure: bool) -> Iterator[Talk]:
    """One call from its INVITE to its BYE."""
    proxy = serve.proxy()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as media:
        media.bind(("127.0.0.1", 0))
        media.settimeout(60)
        if transport == "UDP":
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            sock.connect((proxy["address"], proxy["udp"]))
            sock.settimeout(60)
        else:
            sock = dial(proxy, transport)
        with sock:
            host, port = sock.getsockname()[:2]
            phone = Phone(sock.send, host, port, transport=transport)
            phone.call_id = f"media-{time.monotonic_ns()}"  # one emulator serves all calls: none may look like the one before

            def receive(count: int) -> None:
                if transport == "UDP":
                    for _ in range(count):
                        phone.receive(sock.recv(65535))
                else:
                    phone.inbox.extend(messages(sock, count))

            line = f"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{b64encode(KEY).decode()}\r\n" if secure else ""
            body = (
                f"v=0\r\no=- 1 1 IN IP4 {host}\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
                f"m=audio {media.getsockname()[1]} RTP/{'SAVP' if secure else 'AVP'} {formats} {EVENTS}\r\n{line}{attributes}\r\n"
                f"a=rtpmap:{EVENTS} telephone-event/8000\r\n"
            )
            phone.invite(body=body)
            receive(1)
            challenged = phone.expect(407)
            phone.ack(challenged)
            phone.invite(extra=phone.credentials(challenged), body=body)
            receive(3)
            answered = phone.expect(100, 180, 200)
            phone.ack(answered)
            text = answered.body.decode()
            number = int(re.findall(r"m=audio (\d+)", text)[0])
            keys = None
            if secure:
                keys = Reference(KEY), Reference(b64decode(re.findall(r"inline:(\S+)", text)[0]))
            yield Talk(phone, media, (re.findall(r"c=IN IP4 (\S+)", text)[0], number), keys)
            phone.in_dialog("BYE")
            receive(1)
            phone.expect(200)


def decoded(codec: str, payloads: list[bytes]) -> np.ndarray:
    """What FFmpeg makes of them."""
    av = pytest.importorskip("av")
    name, rate = {"G729": ("g729", 8000), "iLBC": ("ilbc", 8000), "speex": ("speex", 16000), "G722": ("g722", 16000)}[codec]
    context = av.codec.CodecContext.create(name, "r")
    context.sample_rate, context.layout = rate, "mono"
    if codec == "iLBC":
        context.bit_rate = 13333 if len(payloads[0]) == 50 else 15200  # all that tells FFmpeg the mode
    samples: list[float] = []
    for payload in payloads:
        for frame in context.decode(av.Packet(payload)):
            data = bytes(frame.planes[0])
            if frame.format.name.startswith("flt"):
                samples.extend(x * 32767 for x in array("f", data[: 4 * frame.samples]))
            else:
                samples.extend(array("h", data[: 2 * frame.samples]))
    return np.array(samples) if rate == 8000 else np.array(samples)[::2]


@pytest.mark.real_time  # a digit passes in it
@pytest.mark.parametrize("transport", ["UDP", "TCP", "TLS"])
@pytest.mark.parametrize("secure", [False, True], ids=["RTP", "SRTP"])
@pytest.mark.parametrize("codec", CODECS)
def test_a_codec_comes_back_as_it_was_sent(serve: Serve, codec: str, secure: bool, transport: str) -> None:
    """Each payload octet for octet, and a second of it decoded by FFmpeg is the tone; a digit there, the same digit back."""
    payload_type, attributes, mode = CODECS[codec]
    frames = shipped.frames(codec, "tone", mode)
    frames = frames if len(frames) > 1 else frames * 40
    step = shipped.timestamp_step(codec, mode)
    echoed: list[bytes] = []
    with talk(serve, transport, str(payload_type), attributes, secure) as call:
        for k, payload in enumerate(frames):
            call.say(k, k * step, payload_type, payload, marker=k == 0)
            packet = call.hear()
            assert packet[1] & 0x7F == payload_type
            echoed.append(packet[12:])
        for k in range(7):
            end = k >= 4
            call.say(len(frames) + k, 99999, EVENTS, struct.pack("!BBH", 5, end << 7 | 10, 160 * min(k + 1, 5)), marker=k == 0)
        events = [call.hear() for _ in range(7)]
    assert echoed == list(frames)
    assert [packet[12] for packet in events] == [5] * 7 and [packet[13] >> 7 for packet in events][-3:] == [1, 1, 1]
    heard = decoded(codec, echoed)[-2000:]
    spectrum = np.abs(np.fft.rfft(heard * np.hanning(len(heard))))
    assert abs(np.argmax(spectrum) * 8000 / len(heard) - shipped.HERTZ) < 20
    told = serve.calls()[0]
    assert told["codec"] == codec and told["media"]["srtp"] is secure and told["media"]["digits"] == "5"


@pytest.mark.real_time
def test_tshark_counts_what_we_count(serve: Serve, tmp_path: Path) -> None:
    """Packets, loss and jitter of one stream with gaps, by tshark and by us."""
    tshark = need("tshark", "tshark")
    if os.geteuid() != 0:
        pytest.skip("capturing on the loopback needs root")
    capture = tmp_path / "rtp.pcap"
    with talk(serve, "UDP", "0", "a=rtpmap:0 PCMU/8000", False) as call:
        port = call.at[1]
        command = [tshark, "-i", "lo", "-q", "-w", str(capture), "-f", f"udp port {port}", "-a", "duration:300"]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment(), text=True) as sniffer:
            try:
                until(lambda: capture.exists() and capture.stat().st_size > 0, "the capture")
                began = time.monotonic()
                for k in range(150):
                    if k % 10 != 5:
                        call.say(k, k * 160, 0, b"\xff" * 160)
                    time.sleep(max(0.0, began + 0.02 * (k + 1) - time.monotonic()))
                for _ in range(135):
                    call.hear()
                # both ways; what has not been written when tshark is told to stop never is
                until(lambda: capture.read_bytes().count(b"\xff" * 160) == 270, "all packets in the capture")
            finally:
                sniffer.terminate()
                sniffer.wait(60)
    streams = run([tshark, "-r", capture, "-d", f"udp.port=={port},rtp", "-q", "-z", "rtp,streams"]).stdout
    (line,) = [text for text in streams.splitlines() if "0x00C0FFEE" in text]
    packets, lost = re.search(r"(\d+)\s+(-?\d+) \(", line).groups()  # type: ignore[union-attr]
    told = serve.calls()[0]
    heard = told["media"]["heard"]
    assert (heard["packets"], heard["lost"]) == (int(packets), int(lost)) == (135, 15)
    jitter = [float(number) for number in re.findall(r"\d+\.\d+", line.partition("(")[2])]
    assert any(abs(heard["jitter_ms"] - number) < 1 for number in jitter), f"{heard['jitter_ms']} ms; tshark: {line}"


def test_what_is_played_leaves_behind_the_answer(tmp_path: Path) -> None:
    """One socket takes SIP and RTP, so that what comes is in the order in which it left."""
    emulator = Serve(tmp_path, "--play", "tone")
    proxy = emulator.proxy()
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind(("127.0.0.1", 0))
            sock.settimeout(60)
            host, port = sock.getsockname()
            phone = Phone(lambda data: sock.sendto(data, (proxy["address"], proxy["udp"])), host, port)
            body = f"v=0\r\no=- 1 1 IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\nm=audio {port} RTP/AVP 0\r\n"
            phone.invite(body=body)
            phone.receive(sock.recv(65535))
            challenged = phone.expect(407)
            phone.ack(challenged)
            phone.invite(extra=phone.credentials(challenged), body=body)
            came = [sock.recv(65535) for _ in range(5)]
            assert [data[:11] if data.startswith(b"SIP") else data[0] for data in came[:3]] == [
                b"SIP/2.0 100",
                b"SIP/2.0 180",
                b"SIP/2.0 200",
            ]
            assert [data[0] for data in came[3:]] == [0x80, 0x80] and came[3][1] == 0x80  # with the marker
        emulator.check()
    finally:
        emulator.stop()
