"""Real phones and an SBC: found by name, authenticated, and their own voice comes back."""

import itertools
import subprocess
import wave
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.baresip import RTP_PORTS, Baresip, modules
from tests.support.sbc import PORT, answers_options, kamailio, running
from tests.support.serve import Serve, last_lines, need, own_address, run, until

pytestmark = pytest.mark.sound

HERE = Path(__file__).parent
RATE = 8000
ENOUGH, LONG = 2.5, 60.0
"""Seconds of a call that are listened to, and that a phone has to say: it hangs up when that is over."""


def noise(path: Path, seconds: float) -> np.ndarray:
    """A recording that looks like nothing but itself: white noise, smoothed a little, 8 kHz, 16 bit."""
    samples = np.convolve(np.random.default_rng(1).normal(0, 4000, int(seconds * RATE)), [0.5, 0.5], "same").astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(samples.tobytes())
    return samples


def recorded(path: Path) -> np.ndarray:
    with wave.open(str(path), "rb") as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")[:: file.getnchannels()].astype(float)
        assert file.getframerate() in (RATE, 2 * RATE)
        return samples if file.getframerate() == RATE else (samples[:-1:2] + samples[1::2]) / 2


def similarity(sent: np.ndarray, heard: np.ndarray, first: int = RATE, count: int = RATE) -> float:
    """The best normalised correlation of `count` samples of `sent` anywhere in `heard`: 1 for the same, near 0 for anything else."""
    piece = sent[first : first + count].astype(float)
    heard = heard.astype(float)
    size = len(heard) + len(piece)
    product = np.fft.irfft(np.fft.rfft(heard, size) * np.conj(np.fft.rfft(piece, size)), size)[: len(heard) - len(piece)]
    energy = np.convolve(heard**2, np.ones(len(piece)), "valid")[: len(product)]
    return float(np.max(product / np.sqrt(np.maximum(energy, 1.0) * np.sum(piece**2))))


def likeness(sent: np.ndarray, heard: np.ndarray) -> float:
    """The similarity of a fifth of a second of `sent`: the third best of ten. A busy machine makes a phone stutter; whoever has heard
    something else, or in another codec, has heard none of them. Of other noise it is below 0.2."""
    size = RATE // 5
    alike = [similarity(sent, heard, (at + 1) * size, size) for at in range(10)]
    return sorted(alike)[-3]


def odd(call: dict[str, Any]) -> set[str]:
    """Findings of a call of baresip's that neither it nor a busy machine accounts for: it opens its NAT with an RTCP packet that holds no
    report, and may have a packet in hand when its BYE goes."""
    found = {str(finding["code"]) for finding in call["findings"]} - {"rtcp.reduced-size", "media.after-bye"}
    return {code for code in found if not code.startswith("rtp.")}


def baresip(serve: Serve, directory: Path, command: str, seconds: int, register: int = 0) -> subprocess.CompletedProcess[str]:
    """One run of baresip by its command line, for so long; the same phone. `register` in seconds."""
    program = need("baresip", "baresip-core")
    dns = serve.endpoints["dns"]
    (directory / "config").write_text(
        f"sip_listen 127.0.0.1:0\nrtp_ports {RTP_PORTS}\nsip_cafile {serve.endpoints['ca']}\naudio_player aufile,/dev/null\n"
        f"audio_source aufile,{directory}/in.wav\naudio_alert aufile,/dev/null\nausrc_srate {RATE}\nauplay_srate {RATE}\n"
        f"net_interface 127.0.0.1\ndns_server {dns['address']}:{dns['port']}\nmodule_path {modules()}\n"
        "module g711.so\nmodule g722.so\nmodule srtp.so\n"
        f"module aufile.so\nmodule sndfile.so\nmodule_app account.so\nmodule_app menu.so\nsnd_path {directory}\n"
    )
    (directory / "accounts").write_text(
        f"<sip:447700900000@sip-us.vonage.com>;auth_user=abcd1234;auth_pass=OfflineSecret1;regint={register};audio_codecs=PCMU,PCMA\n"
    )
    (directory / "contacts").write_text("")
    return run([program, "-4", "-f", directory, "-e", command, "-t", str(seconds)], seconds + 120, cwd=directory)


def phone(serve: Serve, directory: Path, codec: str = "PCMU,PCMA", encryption: str = "") -> Baresip:
    """One with an account of ours, that resolves through our name server and plays `in.wav`."""
    dns, account = serve.endpoints["dns"], ";auth_user=abcd1234;auth_pass=OfflineSecret1"
    return Baresip(
        directory, "sip-us.vonage.com", codec, account=account + (f";mediaenc={encryption}" if encryption else ""),
        settings=f"sip_cafile {serve.endpoints['ca']}\ndns_server {dns['address']}:{dns['port']}\n",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("uri", "transport"), [("sip:442071234567@sip-us.vonage.com;transport=udp", "UDP"), ("sip:442071234567@sip-eu.vonage.com", "TLS")]
)
def test_baresip_finds_us_by_name_and_hears_itself(serve: Serve, tmp_path: Path, uri: str, transport: str) -> None:
    """interop-quirks 30: a bare name takes TLS, because _sips._tcp exists."""
    directory = tmp_path / "baresip"
    directory.mkdir()
    sent = noise(directory / "in.wav", LONG)
    with phone(serve, directory) as caller:
        caller.dial(uri)
        caller.plays(ENOUGH)
        caller.hang_up()
        caller.sees("CALL_CLOSED")
    (call,) = serve.calls()
    assert odd(call) == set(), caller.told()
    assert (call["state"], call["transport"]) == ("ended", transport), caller.told()
    assert call["media"]["packets_received"] > 100 and call["media"]["packets_sent"] == call["media"]["packets_received"]
    assert likeness(sent, recorded(caller.recording)) > 0.7
    assert likeness(noise(directory / "other.wav", 5)[::-1], recorded(caller.recording)) < 0.3


@pytest.mark.parametrize("codec", ["PCMU/8000", "PCMA/8000", "G722/16000"])
def test_baresip_hears_itself_in_each_codec_over_each_transport_plain_and_secure(serve: Serve, tmp_path: Path, codec: str) -> None:
    """RTP; SRTP by RTP/SAVP; a=crypto on RTP/AVP, which is answered as plain RTP. Nine phones at once."""

    def call(transport: str, encryption: str) -> tuple[float, Baresip]:
        directory = tmp_path / f"{transport}-{encryption or 'plain'}"
        directory.mkdir()
        sent = noise(directory / "in.wav", LONG)
        with phone(serve, directory, codec, encryption) as caller:
            caller.dial(f"sip:442071234567@sip-us.vonage.com;transport={transport}")
            caller.plays(ENOUGH)
            caller.hang_up()
            caller.sees("CALL_CLOSED")
        return likeness(sent, recorded(caller.recording)), caller

    with ThreadPoolExecutor(9) as pool:
        done = list(pool.map(lambda how: call(*how), itertools.product(("udp", "tcp", "tls"), ("", "srtp-mand", "srtp"))))
    for alike, caller in done:
        assert alike > 0.6, f"{alike}; {caller.told()}"
    calls = serve.calls()
    assert len(calls) == 9 and {call["codec"] for call in calls} == {codec.partition("/")[0]}
    for call_ in calls:
        codes = odd(call_) - {"limit.calls-per-second"}
        secure = call_["media"]["srtp"]
        if secure:  # the packets that open its NAT are plain
            codes -= {"srtp.forged", "srtp.unusable"}
            assert call_["media"]["srtp_refused"] < 5
        assert codes <= ({"srtp.in-clear"} if secure and call_["transport"] != "TLS" else {"srtp.on-avp"}), codes
    assert sum(call_["media"]["srtp"] for call_ in calls) == 3


def test_baresip_registers(serve: Serve, tmp_path: Path) -> None:
    directory = tmp_path / "baresip"
    directory.mkdir()
    done = baresip(serve, directory, "/reginfo", 8, register=120)
    (event,) = [line for line in serve.events().splitlines() if "  register  " in line]
    assert "bindings=1 bound" in event and "transport=TLS" in event
    assert "200 OK" in done.stdout and "[1 binding]" in done.stdout


def test_kamailio_as_an_sbc_answers_the_challenge_for_its_clients(serve: Serve, tmp_path: Path) -> None:
    """interop-quirks 14 and 21: same CSeq after the challenge, two Vias, Record-Route."""
    sipp, address = need("sipp", "sip-tester"), own_address()
    command = kamailio(tmp_path, "kamailio.cfg", SBC_ADDRESS=address, SBC_PORT=PORT, TRUNK_REALM=serve.proxy()["host"], TRUNK=serve.at())
    log = tmp_path / "kamailio.log"
    with running(command, log) as process:
        until(lambda: answers_options(address) or process.poll() is not None, lambda: f"kamailio; {last_lines(log)}")
        assert process.poll() is None, last_lines(log)
        flags = [
            "-m", "10", "-r", "20", "-d", "200", "-s", "442071234567", "-i", "127.0.0.1", "-nostdin", "-timeout", "30", "-timeout_error",
        ]  # fmt: skip
        done = run([sipp, f"{address}:{PORT}", "-sf", HERE / "call_through_sbc.xml", *flags], 60, cwd=tmp_path)
    assert done.returncode == 0, done.stderr[:1500]
    calls = serve.calls()
    assert len(calls) == 10 and {(call["account"], call["state"], call["ended_by"]) for call in calls} == {("abcd1234", "ended", "caller")}
    codes = {finding["code"] for call in calls for finding in call["findings"]}
    assert "cseq.not-increased" in codes and codes <= {
        "cseq.not-increased",
        "allow.missing",
        "limit.calls-per-second",
        "via.no-rport",
    }, codes
