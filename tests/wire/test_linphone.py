"""linphonec 5.1: its calls in each codec over each transport, plain and secure, its digits, its hold, and what only it writes.

It is driven by a pipe as its user would by keyboard; it plays one WAV file and records what it hears into another.
"""

import itertools
import json
import subprocess
import urllib.request
import wave
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pytest

from tests.support.serve import DEADLINE, Serve, environment, need, until
from tests.wire.test_phones import RATE, likeness, noise, recorded

pytestmark = pytest.mark.sound

NUMBER = "442071234567"
CALLER = "447700900000"
TRANSPORTS = ("udp", "tcp", "tls")
CODECS = ("PCMU/8000", "PCMA/8000", "G722/8000", "speex/8000", "speex/16000", "G729/8000", "GSM/8000", "opus/48000")
"""What linphonec knows of; one is enabled in a call."""
WIDE = ("G722/8000", "speex/16000")
LIKE = {"PCMU/8000": 0.7, "PCMA/8000": 0.7, "G722/8000": 0.6, "speex/16000": 0.55, "G729/8000": 0.4}
"""So much of white noise is left by each; on a machine that has time 1.00, 1.00, 0.96, 0.85 and 0.6. Other noise is below 0.2."""
PLAIN = {"media.malformed", "media.after-bye"}
"""Of every call: STUN to both media ports, to RTCP's twice a second until some was heard; a packet between its BYE and the end of media."""
SECURE = {"media.malformed", "srtp.unusable", "media.after-bye"}
"""The same, where SRTP was agreed."""


def voice(path: Path, number: int, seconds: float = 5) -> np.ndarray:
    """Five seconds that no other phone says: a call that hears another one is found out. The file goes on in silence up to `seconds`."""
    samples = noise(path, 5 * (number + 1))[5 * number * RATE :]
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(samples.tobytes() + bytes(2 * int((seconds - 5) * RATE)))
    return samples


PATIENT = 120.0
"""Seconds of a file whose end would end the call: baresip hangs up when its file is over, and a busy machine takes its time."""


class Linphone:
    """One linphonec. Its output goes to a file, in which `sees` looks for what comes after the last `say`."""

    def __init__(
        self,
        serve: Serve,
        directory: Path,
        transport: str,
        codec: str = "PCMU/8000",
        encryption: str = "none",
        number: int = 0,
        **settings: dict[str, object],
    ) -> None:
        """`encryption` is none, srtp or mandatory. `settings` are sections of its file that say something else than here."""
        directory.mkdir()
        (directory / ".local" / "share" / "linphone").mkdir(parents=True)  # without its data base it opens no port
        self.directory, self.codec = directory, codec
        self.output = directory / "output"
        proxy = serve.proxy()
        host = str(settings.pop("host", proxy["address"]))
        self.uri = f"sip:{NUMBER}@{host}:{proxy[transport]};transport={transport}"
        self.sent = voice(directory / "in.wav", number)
        self._mark = 0
        sections: dict[str, dict[str, object]] = {
            "sip": {
                **{f"sip{'' if name == 'udp' else '_' + name}_port": -1 if name == transport else 0 for name in TRANSPORTS},
                "bind_address": "127.0.0.1",
                "guess_hostname": 0,
                "use_ipv6": 0,
                "ipv6_migration_done": 1,  # or use_ipv6 is put back
                "root_ca": serve.endpoints["ca"],
                "verify_server_certs": 1,
                "verify_server_cn": 0,  # its mbedTLS knows no address in a certificate (interop-quirks 29)
                "media_encryption": "none" if encryption == "none" else "srtp",
                "media_encryption_mandatory": int(encryption == "mandatory"),
                "default_proxy": 0,
            },
            "net": {"dns_srv_enabled": 0},
            "rtp": {"bind_address": "127.0.0.1", "audio_rtp_port": -1, "audio_jitt_comp": 200, "audio_adaptive_jitt_comp_enabled": 0},
            "sound": {"echocancellation": 0, "echolimiter": 0, "agc": 0, "noisegate": 0},
            # It looks for the name of From, and answers the challenge with `userid`; without that it asks for a password.
            "auth_info_0": {"username": CALLER, "userid": "abcd1234", "passwd": "OfflineSecret1", "realm": proxy["host"]},
            "proxy_0": {
                "reg_proxy": f"<sip:{host}:{proxy[transport]};transport={transport}>",
                "reg_identity": f"sip:{CALLER}@{proxy['host']}",
                "reg_sendregister": 0,
                "publish": 0,
            },
        }
        for at, name in enumerate(CODECS):
            mime, _, rate = name.partition("/")
            sections[f"audio_codec_{at}"] = {
                "mime": mime, "rate": rate, "channels": 2 if mime == "opus" else 1, "enabled": int(name == codec),
            }  # fmt: skip
        for name, values in settings.items():
            sections[name].update(values)
        text = "".join(f"[{name}]\n" + "".join(f"{key}={value}\n" for key, value in has.items()) for name, has in sections.items())
        (directory / "linphonerc").write_text(text)

    def __enter__(self) -> "Linphone":
        command = [need("linphonec", "linphone-cli"), "-c", "linphonerc", "-d", "6", "-l", "log"]
        variables = environment(HOME=str(self.directory), TERM="dumb", COLUMNS="500")
        with self.output.open("w") as output:
            self._process = subprocess.Popen(
                command, cwd=self.directory, env=variables, stdin=subprocess.PIPE, stdout=output, stderr=output, text=True, bufsize=1
            )
        try:
            self.sees("linphonec> ")
            self.say("soundcard use files")
            self.sees("Using wav files")
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """`quit`, and whatever happens no process is left."""
        try:
            if self._process.poll() is None:
                self.say("quit")
            self._process.wait(DEADLINE)
        except (subprocess.TimeoutExpired, OSError):
            self._process.kill()
            self._process.wait(10)
        finally:
            if self._process.stdin is not None:
                self._process.stdin.close()
        if kind is None:
            assert self._process.returncode == 0, self.output.read_text()

    def say(self, command: str) -> None:
        """A line of the keyboard."""
        assert self._process.stdin is not None
        self._mark = len(self.output.read_text(errors="replace"))
        self._process.stdin.write(command + "\n")

    def printed(self) -> str:
        """What it said since."""
        return self.output.read_text(errors="replace")[self._mark :]

    def sees(self, *texts: str) -> str:
        """Wait for one of these in the output and return it."""

        def found() -> str | None:
            printed = self.printed()
            assert self._process.poll() is None or any(text in printed for text in texts), f"linphonec has ended:\n{printed}"
            assert "Password for" not in printed or "Password for" in texts, printed
            return next((text for text in texts if text in printed), None)

        try:
            return str(until(found, f"linphonec to print one of {texts}"))
        except pytest.fail.Exception:
            pytest.fail(f"{self.directory.name}: none of {texts} in {self.output.read_text(errors='replace')}")

    def dial(self) -> bool:
        """Call; whether there is media then."""
        self.say(f"record {self.directory}/heard.wav")
        self.say(f"play {self.directory}/in.wav")
        self.say(f"call {self.uri}")
        return self.sees("Media streams established", " error.") != " error."

    def heard(self, name: str = "heard.wav", seconds: float = 2.4) -> Path:
        """The recording, once it is so long."""
        path = self.directory / name
        size = seconds * RATE * 2 * (2 if self.codec in WIDE else 1)
        until(lambda: path.exists() and path.stat().st_size >= size, f"{seconds} s of {path}")
        return path

    def hang_up(self) -> None:
        self.say("terminate")
        self.sees(" ended (No error)")


def together(function: Callable[..., Any], arguments: list[tuple[Any, ...]]) -> list[Any]:
    """All at once, a thread for each, up to eight. When one fails the others are heard of too."""
    with ThreadPoolExecutor(min(len(arguments), 8)) as pool:
        begun = [pool.submit(function, *how) for how in arguments]
    errors = [(how, error) for how, one in zip(arguments, begun, strict=True) if (error := one.exception()) is not None]
    if errors:
        first = errors[0][1]
        first.add_note(f"{len(errors)} of {len(begun)} failed:")
        for how, error in errors:
            first.add_note(f"{how}: {str(error)[:300]}")
        raise first
    return [one.result() for one in begun]


def codes(call: dict[str, Any]) -> set[str]:
    """Its findings, without those that many calls at once bring, and a phone that a busy machine makes stutter."""
    found = {finding["code"] for finding in call["findings"]} - {"limit.calls-per-second"}
    return {code for code in found if not code.startswith(("rtp.", "dtmf."))}


def expected(call: dict[str, Any]) -> set[str]:
    """The findings that a call of linphonec may have, for its SRTP, its transport and its codec."""
    found = set(SECURE if call["media"]["srtp"] else PLAIN)
    if call["media"]["srtp"] and call["transport"] != "TLS":
        found.add("srtp.in-clear")
    if call["transport"] == "UDP" and call["media"]["srtp"]:
        found.add("message.large-over-udp")
    if call["codec"] == "G729":
        found.add("media.annex-b")
    return found


def calls(serve: Serve) -> dict[str, dict[str, Any]]:
    """The calls by transport, where each transport has one."""
    found = serve.calls()
    by_transport = {call["transport"].lower(): call for call in found}
    assert len(by_transport) == len(found)
    return by_transport


def control(serve: Serve, method: str, path: str) -> Any:
    """A request to the control API."""
    with urllib.request.urlopen(urllib.request.Request(serve.endpoints["control"] + path, method=method), timeout=60) as answer:
        return json.load(answer)


def messages(serve: Serve, call: dict[str, Any], incoming: bool) -> list[str]:
    """What a call's client sent, or was sent; what a busy machine sends again counts once."""
    kept = control(serve, "GET", f"/v1/calls/{call['id']}")["messages"]
    return list(dict.fromkeys(message["text"] for message in kept if message["incoming"] is incoming))


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_linphone_hears_itself_in_each_codec_plain_and_secure(serve: Serve, tmp_path: Path, transport: str) -> None:
    """Eight phones at a time. It offers RTP/SAVP alone whether SRTP is mandatory or not (interop-quirks 9), so that is tried once."""
    need("linphonec", "linphone-cli")
    kinds = [*itertools.product(LIKE, ("none", "srtp")), ("PCMA/8000", "mandatory")]

    def call(number: int, codec: str, encryption: str) -> tuple[np.ndarray, np.ndarray, float]:
        directory = tmp_path / f"{codec.replace('/', '-')}-{encryption}"
        with Linphone(serve, directory, transport, codec, encryption, number % 12) as phone:
            assert phone.dial(), phone.printed()
            phone.heard()
            phone.hang_up()
        heard = recorded(directory / "heard.wav")
        return phone.sent, heard, round(likeness(phone.sent, heard), 2)

    done = together(call, [(number, *kind) for number, kind in enumerate(kinds)])
    assert likeness(done[0][0], done[1][1]) < 0.3
    alike = [(how, *kind) for kind, (_, _, how) in zip(kinds, done, strict=True)]
    assert [one for one in alike if one[0] <= LIKE[one[1]]] == []
    found = serve.calls()
    names = [(codec.partition("/")[0], transport.upper(), encryption != "none") for codec, encryption in kinds]
    assert sorted((one["codec"], one["transport"], one["media"]["srtp"]) for one in found) == sorted(names)
    for one in found:
        assert (one["state"], one["ended_by"]) == ("ended", "caller")
        assert one["media"]["packets_received"] > 10 and one["media"]["packets_sent"] == one["media"]["packets_received"]
        assert codes(one) <= expected(one), (one["transport"], one["findings"])
        assert one["media"]["event_payload_type"] == (97 if one["codec"] == "speex" else 96)


def test_linphone_is_refused_a_codec_that_the_trunk_has_not(serve: Serve, tmp_path: Path) -> None:
    def call(transport: str, codec: str) -> None:
        with Linphone(serve, tmp_path / transport, transport, codec) as phone:
            assert not phone.dial()

    together(call, [("udp", "GSM/8000"), ("tcp", "opus/48000"), ("tls", "speex/8000")])
    for one in serve.calls():
        assert (one["state"], one["status"]) == ("refused", 488)
        assert codes(one) == {"media.codec"}


def test_linphone_sends_digits_and_hears_them_again(serve: Serve, tmp_path: Path) -> None:
    """One a second. It sends the end packet three times with one sequence number: duplicates, which SRTP takes for replayed."""
    kinds = [("udp", "PCMA/8000", "none", "1590"), ("tcp", "PCMU/8000", "srtp", "2*66"), ("tls", "speex/16000", "mandatory", "3#478")]

    def call(transport: str, codec: str, encryption: str, digits: str) -> None:
        with Linphone(serve, tmp_path / transport, transport, codec, encryption) as phone:
            assert phone.dial(), phone.printed()
            phone.heard(seconds=0.5)
            phone.say(digits)
            until(lambda: phone.printed().count("Receiving tone") >= len(digits), f"{digits} to come back: {phone.printed()}")
            echoed = [line.partition("Receiving tone ")[2][0] for line in phone.printed().splitlines() if "Receiving tone" in line]
            assert "".join(echoed) == digits
            phone.hang_up()

    together(call, kinds)
    found = calls(serve)
    assert {transport: found[transport]["media"]["digits"] for transport, *_ in kinds} == {kind[0]: kind[3] for kind in kinds}
    for transport, *_ in kinds:
        one = found[transport]
        assert (one["state"], one["ended_by"]) == ("ended", "caller")
        twice = {"srtp.replayed"} if one["media"]["srtp"] else set()
        assert codes(one) <= expected(one) | twice, one["findings"]
    assert found["udp"]["media"]["heard"]["duplicates"] >= 2
    assert found["tls"]["media"]["event_payload_type"] == 97


def test_linphone_puts_a_call_on_hold_and_takes_it_up_again(serve: Serve, tmp_path: Path) -> None:
    """A re-INVITE that is sendonly and one that is not (interop-quirks 13). On hold its music is heard, and nothing is sent to it."""
    kinds = [("udp", "none"), ("tcp", "srtp"), ("tls", "none")]

    def media(transport: str) -> dict[str, Any]:
        (one,) = [one for one in control(serve, "GET", "/v1/calls")["calls"] if one["transport"].lower() == transport]
        return dict(one["media"])

    def call(number: int, transport: str, encryption: str) -> float:
        with Linphone(serve, tmp_path / transport, transport, "PCMA/8000", encryption, number) as phone:
            assert phone.dial(), phone.printed()
            phone.heard(seconds=1)
            phone.say("pause")
            phone.sees("is now paused")
            held = until(lambda: (now := media(transport))["send"] is False and now, "the call on hold")
            later = until(
                lambda: (now := media(transport))["packets_received"] >= held["packets_received"] + 50 and now, "a second of music on hold"
            )
            assert (later["receive"], later["packets_sent"]) == (True, held["packets_sent"])
            phone.say(f"record {phone.directory}/after.wav")
            phone.say("resume")
            phone.sees("Media streams established")
            assert media(transport)["send"] is True
            after = phone.heard("after.wav")
            phone.hang_up()
        return likeness(phone.sent, recorded(after))

    alike = together(call, [(number, *kind) for number, kind in enumerate(kinds)])
    assert min(alike) > 0.6, alike
    found = calls(serve)
    for transport, _ in kinds:
        one = found[transport]
        assert (one["state"], one["ended_by"]) == ("ended", "caller")
        # its timestamps go on where the pause began, without the marker, which `codes` does not mind
        assert codes(one) <= expected(one) | {"srtp.replayed"}, one["findings"]
        first, hold, again = [text for text in messages(serve, one, True) if text.startswith("INVITE") and "\nProxy-Authorization" in text]
        assert "a=sendonly\r\n" in hold and "a=sendonly\r\n" not in first + again
        answers = [text for text in messages(serve, one, False) if " INVITE\r\n" in text and text.startswith("SIP/2.0 200 ")]
        assert ["a=recvonly\r\n" in answer for answer in answers] == [False, True, False]


def test_linphone_is_hung_up_on_over_its_own_connection(serve: Serve, tmp_path: Path) -> None:
    """It takes no incoming TLS (interop-quirks 23)."""

    def call(transport: str) -> None:
        with Linphone(serve, tmp_path / transport, transport) as phone:
            assert phone.dial(), phone.printed()
            (one,) = [one for one in control(serve, "GET", "/v1/calls")["calls"] if one["transport"].lower() == transport]
            control(serve, "DELETE", f"/v1/calls/{one['id']}")
            phone.sees(" ended (No error)")

    together(call, [(transport,) for transport in TRANSPORTS])
    for one in calls(serve).values():
        assert (one["state"], one["ended_by"]) == ("ended", "trunk")
        assert codes(one) <= expected(one), one["findings"]
        assert messages(serve, one, False)[-1].startswith("BYE sip:127.0.0.1:")
        assert messages(serve, one, True)[-1].startswith("SIP/2.0 200 ")
    assert "stream.gone" not in serve.events()


def test_what_only_linphone_writes_does_no_harm(serve: Serve, tmp_path: Path) -> None:
    """interop-quirks 3, 4, 7, 8, 9, 15, 18 and 22."""

    def call(transport: str, codec: str, encryption: str, ipv6: bool) -> None:
        settings: dict[str, dict[str, object]] = {"sip": {"use_ipv6": 1}, "rtp": {"bind_address": "::ffff:127.0.0.1"}} if ipv6 else {}
        with Linphone(serve, tmp_path / transport, transport, codec, encryption, **settings) as phone:
            assert phone.dial(), phone.printed()
            phone.heard(seconds=0.5)
            phone.hang_up()

    together(call, [("udp", "PCMA/8000", "none", False), ("tcp", "PCMU/8000", "none", True), ("tls", "speex/16000", "srtp", False)])
    found = calls(serve)
    offers, answers = {}, {}
    for transport, one in found.items():
        assert (one["state"], one["ended_by"]) == ("ended", "caller")
        other_family = {"media.family"} if transport == "tcp" else set()
        assert other_family <= codes(one) <= expected(one) | other_family, one["findings"]
        assert one["media"]["packets_received"] > 10 and one["media"]["packets_sent"] == one["media"]["packets_received"]
        _, challenged, invite, ack, bye = messages(serve, one, True)
        assert (challenged[:4], ack[:4], bye[:4]) == ("ACK ", "ACK ", "BYE ")
        assert f"\r\nContact: <sip:127.0.0.1:{one['peer'].rpartition(':')[2]};transport={transport}>;+sip.instance=" in invite
        assert f"\r\nTo: sip:{NUMBER}@127.0.13.1\r\n" in invite
        credentials = [next(line for line in text.split("\r\n") if line.startswith("Proxy-Auth")) for text in (invite, ack, bye)]
        assert all(line.startswith("Proxy-Authorization:  Digest ") for line in credentials)
        assert credentials[1] == credentials[0] and "nc=00000001" in credentials[0] and "nc=00000002" in credentials[2]
        assert f';transport={transport}"' in credentials[0]
        assert messages(serve, one, False)[-1].startswith("SIP/2.0 200 ")
        offers[transport] = invite.partition("\r\n\r\n")[2]
        answers[transport] = next(text for text in messages(serve, one, False) if text.startswith("SIP/2.0 200 ")).partition("\r\n\r\n")[2]
    assert " RTP/AVP 8 96\r\n" in offers["udp"] and "a=rtpmap:8 " not in offers["udp"]
    assert "a=rtpmap:96 telephone-event/8000\r\n" in offers["udp"] and "a=fmtp" not in offers["udp"]
    assert "a=rtpmap:8 PCMA/8000\r\na=rtpmap:96 telephone-event/8000\r\n" in answers["udp"]
    assert "c=IN IP6 ::ffff:127.0.0.1\r\n" in offers["tcp"] and "c=IN IP4 127.0.13.1\r\n" in answers["tcp"]
    assert "a=rtpmap:96 speex/16000\r\n" in offers["tls"] and "a=rtpmap:97 telephone-event/16000\r\n" in answers["tls"]
    assert "telephone-event/8000" not in offers["tls"] + answers["tls"]
    assert " RTP/SAVP " in offers["tls"] and " RTP/SAVP " in answers["tls"]
    suites = [line.split()[:2] for line in offers["tls"].split("\r\n") if line.startswith("a=crypto:")]
    assert suites == [
        ["a=crypto:1", "AES_CM_128_HMAC_SHA1_80"],
        ["a=crypto:2", "AES_CM_128_HMAC_SHA1_32"],
        ["a=crypto:3", "AES_256_CM_HMAC_SHA1_80"],
        ["a=crypto:4", "AES_256_CM_HMAC_SHA1_32"],
    ]
    assert [line.split()[:2] for line in answers["tls"].split("\r\n") if line.startswith("a=crypto:")] == suites[:1]


def test_linphone_verifies_the_name_of_the_certificate(tmp_path: Path) -> None:
    """By the one name that every system resolves; the Contact of the answer is an address, reached over the same connection."""
    serve = Serve(tmp_path, "--layout", "ports", "--bind", "127.0.0.1")
    try:

        def call(name: str, **more: object) -> bool:
            settings: dict[str, Any] = {"host": "localhost", "sip": {"verify_server_cn": 1, **more}}
            with Linphone(serve, tmp_path / name, "tls", "PCMA/8000", "mandatory", **settings) as phone:
                if answered := phone.dial():
                    phone.heard(seconds=0.5)
                    phone.hang_up()
            return answered

        with ThreadPoolExecutor(2) as pool:
            trusting, doubting = pool.submit(call, "trusting"), pool.submit(call, "doubting", root_ca="/dev/null")
            assert (trusting.result(), doubting.result()) == (True, False)
        (one,) = serve.calls()
        assert (one["state"], one["ended_by"], one["transport"], one["media"]["srtp"]) == ("ended", "caller", "TLS", True)
        assert codes(one) <= SECURE
        serve.check()
    finally:
        serve.stop()
