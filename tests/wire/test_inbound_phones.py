"""baresip and linphonec as the customer: media and digits both ways over each transport, hold, ringing, refusing, hanging up.

What the caller says is looked for in what the phone recorded, and what the phone plays in what the caller heard.
"""

import itertools
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.baresip import Baresip
from tests.support.inbound import codes, hang_up, nothing_left, outcomes, over, press, recording, ring, samples, sent, shown, starts
from tests.support.sbc import PORT
from tests.support.serve import Serve, need, own_address, run, until
from tests.support.sipp import SLOW
from tests.wire.test_linphone import PATIENT, Linphone, together, voice
from tests.wire.test_phones import likeness, recorded

pytestmark = pytest.mark.sound

USER = "447700900000"
ODD = {
    "rtcp.reduced-size", "media.malformed", "media.after-bye", "srtp.forged", "srtp.unusable", "srtp.replayed",
    "message.large-over-udp", "response.large-over-udp",
}  # fmt: skip
"""baresip opens its NAT with an RTCP packet that holds no report, linphone with STUN, both in clear; linphone sends the end packets of a
digit under one sequence number, and media for a moment after its BYE."""


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    emulator = Serve(tmp_path)
    try:
        yield emulator
        nothing_left(emulator)
        emulator.check()
    finally:
        emulator.stop()


def certificate(directory: Path, name: str = "pbx.example.net") -> Path:
    """A self-signed certificate and its key in one file."""
    key, pem, both = directory / "key.pem", directory / "certificate.pem", directory / "both.pem"
    command = [
        need("openssl", "openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout", key, "-out", pem,
        "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}",
    ]  # fmt: skip
    done = run(command)
    assert done.returncode == 0, done.stderr
    both.write_text(key.read_text() + pem.read_text())
    return both


def target(transport: str, port: int, secure: bool, host: str = "127.0.0.1") -> str:
    return f"sip:{USER}@{host}:{port};transport={transport}{';media=srtp' if secure else ''}{SLOW}"


def listening(address: str, transport: str) -> dict[str, object]:
    """How linphone is told to take calls at `PORT` of an address."""
    return {"bind_address": address, "sip_port" if transport == "udp" else f"sip_{transport}_port": PORT}


def odd(call: dict[str, Any]) -> set[str]:
    """Findings that nobody's phone and no busy machine accounts for."""
    found = {code for code in codes(call) - ODD if not code.startswith(("dtmf.", "rtp."))}
    return found - ({"srtp.in-clear"} if call["media"]["srtp"] and call["transport"] != "TLS" else set())


def played(codec: str, said: Path) -> dict[str, Any]:
    """What the caller is to do: speak and be recorded, or echo what no encoder is at hand for."""
    return {"samples": samples(said), "record": True} if codec.startswith("PCM") else {"play": "echo"}


def picked_up(serve: Serve, phone: Linphone, forward: str, **how: Any) -> dict[str, Any]:
    """A call that linphone takes when it rings."""
    with ThreadPoolExecutor(1) as pool:
        placed = pool.submit(ring, serve, forward, "answered", **how)
        phone.sees("Receiving new incoming call")
        phone.say("answer")
        phone.sees("Media streams established")
        call = placed.result()
    assert call["state"] == "answered", call
    return call


def check(serve: Serve, call: dict[str, Any], said: np.ndarray, phone_said: np.ndarray, phone_heard: Path) -> None:
    """Media went both ways, and was this call's own."""
    if not call["codec"].startswith("PCM"):
        assert likeness(phone_said, recorded(phone_heard)) > 0.6, (call["transport"], call["codec"])
        return
    heard, own = recording(serve, call)
    alike = {
        "the caller's own": likeness(said, own), "the phone heard": likeness(said, recorded(phone_heard)),
        "the caller heard": likeness(phone_said, heard),
    }  # fmt: skip
    assert min(alike.values()) > 0.6, (call["transport"], call["codec"], alike)
    assert likeness(said[::-1], recorded(phone_heard)) < 0.3


def test_baresip_takes_calls_over_each_transport_plain_and_secure(serve: Serve, tmp_path: Path) -> None:
    """Digits both ways; half of the calls are ended by the phone. Its certificate is nobody's, which is told and not minded."""
    both = certificate(tmp_path)

    def call(number: int, transport: str, secure: bool, codec: str) -> None:
        directory = tmp_path / f"{transport}-{secure}"
        directory.mkdir()
        phone_said, said = voice(directory / "in.wav", number, PATIENT), voice(directory / "said.wav", 10 + number)
        account = ";answermode=auto" + (";mediaenc=srtp-mand" if secure else "")
        with Baresip(directory, "127.0.0.1", codec, account=account, certificate=both) as phone:
            where = target(transport, phone.listens()[transport], secure)
            call = ring(serve, where, "answered", digits="19#", **played(codec, directory / "said.wav"))
            assert call["state"] == "answered", call
            phone.plays(3)
            phone.hears("19#")
            press(serve, call, phone, "2*8")
            if secure:
                phone.hang_up()
            else:
                hang_up(serve, call)
            call = over(serve, call)
            phone.sees("CALL_CLOSED")
        assert (call["state"], call["ended_by"], call["transport"]) == ("ended", "called" if secure else "trunk", transport.upper())
        assert (call["codec"], call["media"]["srtp"]) == (codec.partition("/")[0], secure)
        assert outcomes(call) == [(1, "answered", 200)] and odd(call) == set(), call["findings"]
        check(serve, call, said, phone_said, phone.recording)

    codecs = ("PCMA", "PCMU", "G722/16000")
    ways = itertools.product(("udp", "tcp", "tls"), (False, True))
    together(call, [(number, *way, codecs[number % 3]) for number, way in enumerate(ways)])
    events = serve.events()
    assert "CN=pbx.example.net" in events and "tls.server-self-signed" in events


def test_linphone_takes_calls_plain_and_secure(serve: Serve, tmp_path: Path) -> None:
    """The same, by keyboard. With wideband speex it knows no telephone-event but that of its clock, which the trunk does not offer."""

    def call(number: int, transport: str, secure: bool, codec: str) -> None:
        directory, address, events = tmp_path / f"{transport}-{secure}", own_address(), not codec.startswith("speex")
        sip = listening(address, transport)
        with Linphone(serve, directory, transport, codec, "mandatory" if secure else "none", number, sip=sip) as phone:
            said = voice(directory / "said.wav", 10 + number)
            phone.say(f"record {directory}/heard.wav")
            phone.say(f"play {directory}/in.wav")
            how = played(codec, directory / "said.wav")
            where = target(transport, PORT, secure, address)
            call = picked_up(serve, phone, where, digits="19#" if events else "", **how)
            phone.heard(seconds=3)
            if events:
                until(lambda: phone.printed().count("Receiving tone") == 3, f"the caller's digits at the phone: {phone.printed()}")
                assert re.findall(r"Receiving tone (.)", phone.printed()) == list("19#")
                phone.say("2*8")
                until(lambda: shown(serve, call)["media"]["digits"] == "2*8", "the phone's digits in the journal")
            if secure:
                phone.hang_up()
            else:
                hang_up(serve, call)
                phone.sees(" ended (")
            call = over(serve, call)
        assert (call["state"], call["ended_by"], call["transport"]) == ("ended", "called" if secure else "trunk", transport.upper())
        assert (call["codec"], call["media"]["srtp"]) == (codec.partition("/")[0], secure)
        assert outcomes(call) == [(1, "answered", 200)] and odd(call) == (set() if events else {"media.no-telephone-event"}), call[
            "findings"
        ]
        check(serve, call, said, phone.sent, directory / "heard.wav")

    codecs = ("PCMA/8000", "G722/8000", "PCMU/8000", "speex/16000")
    ways = itertools.product(("udp", "tcp"), (False, True))
    together(call, [(number, *way, codecs[number]) for number, way in enumerate(ways)])


def test_linphone_takes_no_tls_connection_and_is_reached_over_its_own(serve: Serve, tmp_path: Path) -> None:
    """interop-quirks 23. One that it has opened, as here to register, is used."""
    proxy, address = "us-3-1", own_address()
    sip = listening(address, "tls")
    with Linphone(serve, tmp_path / "linphone", "tls", "PCMA/8000", sip=sip, proxy_0={"reg_sendregister": 1}) as phone:
        registered = until(lambda: re.search(r"  register  .*peer=([0-9.]+):(\d+)", serve.events()), "its registration")
        call = ring(serve, target("tls", PORT, False, address), proxy=proxy)
        assert outcomes(call) == [(1, "unreachable", None)] and (call["state"], call["status"]) == ("refused", 503)
        assert call["attempts"][0]["why"] == "TLS handshake failed: the peer closed the connection"
        call = picked_up(serve, phone, target("tls", int(registered[2]), False, registered[1]), proxy=proxy)
        assert call["transport"] == "TLS"
        phone.hang_up()
        assert over(serve, call)["ended_by"] == "called"


def test_both_hold_a_call_and_take_it_up_again(serve: Serve, tmp_path: Path) -> None:
    """By re-INVITE (interop-quirks 13): nothing is said to who holds; afterwards it is heard again."""

    def media(call: dict[str, Any]) -> dict[str, Any]:
        return dict(shown(serve, call)["media"])

    def held(call: dict[str, Any]) -> None:
        before = until(lambda: (now := media(call))["send"] is False and now, "the call on hold")
        assert before["receive"] is True
        time.sleep(0.5)  # as long as 25 packets
        assert media(call)["packets_sent"] == before["packets_sent"]

    def resumed(call: dict[str, Any]) -> None:
        before = until(lambda: (now := media(call))["send"] is True and now, "the call taken up again")
        until(lambda: media(call)["packets_sent"] > before["packets_sent"] + 50, "a second of the caller")
        until(lambda: media(call)["packets_received"] > before["packets_received"] + 50, "a second of the phone")

    def with_baresip(transport: str, secure: bool) -> None:
        directory = tmp_path / f"baresip-{transport}"
        directory.mkdir()
        voice(directory / "in.wav", 1, PATIENT)
        account = ";answermode=auto" + (";mediaenc=srtp-mand" if secure else "")
        with Baresip(directory, "127.0.0.1", "PCMA", account=account) as phone:
            call = ring(serve, target(transport, phone.listens()[transport], secure), "answered")
            until(lambda: media(call)["packets_received"] > 25, "the phone")
            phone.command("hold")
            held(call)
            phone.command("resume")
            resumed(call)
            phone.hang_up()
            ended(call)

    def with_linphone(transport: str, secure: bool) -> None:
        directory, address = tmp_path / f"linphone-{transport}", own_address()
        sip = listening(address, transport)
        with Linphone(serve, directory, transport, "PCMA/8000", "mandatory" if secure else "none", 1, sip=sip) as phone:
            phone.say(f"play {directory}/in.wav")
            call = picked_up(serve, phone, target(transport, PORT, secure, address))
            until(lambda: media(call)["packets_received"] > 25, "the phone")
            phone.say("pause")
            phone.sees("is now paused")
            held(call)
            phone.say("resume")
            phone.sees("Media streams established")
            resumed(call)
            phone.hang_up()
            ended(call)

    def ended(call: dict[str, Any]) -> None:
        call = over(serve, call)
        assert (call["state"], call["ended_by"]) == ("ended", "called")
        invites = [text for text in sent(serve, call, incoming=True) if text.startswith("INVITE ")]
        assert ["a=sendonly" in text for text in invites] == [True, False]
        assert [start for start in starts(sent(serve, call)) if start not in ("INVITE", "ACK", "BYE", "PRACK")] == ["200"] * 3

    ways: list[tuple[Any, ...]] = [
        (with_baresip, "udp", False),
        (with_baresip, "tcp", True),
        (with_linphone, "udp", True),
        (with_linphone, "tcp", False),
    ]
    together(lambda how, *way: how(*way), ways)


def test_they_ring_and_are_cancelled_refuse_or_answer_in_their_own_time(serve: Serve, tmp_path: Path) -> None:
    """A CANCEL stops the ringing; a refusal is whatever the phone says, and ends the hunt."""
    beyond = f", sip:{USER}@{own_address()}:{PORT}"  # where nobody is to be called

    def with_baresip(what: str) -> dict[str, Any]:
        directory = tmp_path / f"baresip-{what}"
        directory.mkdir()
        voice(directory / "in.wav", 1, PATIENT)
        with Baresip(directory, "127.0.0.1", "PCMA", certificate=both) as phone, ThreadPoolExecutor(1) as pool:
            placed = pool.submit(ring, serve, target("tls", phone.listens()["tls"], False) + beyond, "over")
            phone.sees("CALL_INCOMING")
            call = newest(f"127.0.0.1:{phone.listens()['tls']}")
            if what == "cancel":
                hang_up(serve, call)
            elif what == "refuse":
                phone.hang_up()
            else:
                phone.command("accept")
                phone.sees("CALL_ESTABLISHED")
                phone.hang_up()
            phone.sees("CALL_CLOSED")
            return dict(placed.result())

    def with_linphone(what: str) -> dict[str, Any]:
        address = own_address()
        with (
            Linphone(serve, tmp_path / f"linphone-{what}", "udp", "PCMA/8000", sip=listening(address, "udp")) as phone,
            ThreadPoolExecutor(1) as pool,
        ):
            placed = pool.submit(ring, serve, target("udp", PORT, False, address) + beyond, "over")
            phone.sees("Receiving new incoming call")
            if what == "cancel":
                hang_up(serve, newest(f"{address}:{PORT}"))
                phone.sees(" ended (")
            elif what == "refuse":
                phone.say("terminate")
                phone.sees(" ended (")
            else:
                phone.say("answer")
                phone.sees("Media streams established")
                phone.hang_up()
            return dict(placed.result())

    def newest(where: str) -> dict[str, Any]:
        """The call that rings at an address and port."""
        return next(call for call in serve.calls() if any(attempt["address"].endswith(where) for attempt in call["attempts"]))

    both = certificate(tmp_path)
    whats = ("cancel", "refuse", "answer")
    done = together(lambda how, what: how(what), [(how, what) for how in (with_baresip, with_linphone) for what in whats])
    for phone, calls in (("baresip", done[:3]), ("linphone", done[3:])):
        cancelled, refused, answered = calls
        assert (cancelled["state"], cancelled["status"], outcomes(cancelled)) == ("cancelled", 487, [(1, "cancelled", None)]), phone
        status = refused["status"]
        assert 400 <= status < 500 or status == 603, (phone, status)
        assert (refused["state"], refused["ended_by"], outcomes(refused)) == ("refused", "called", [(1, "refused", status)]), phone
        assert (answered["state"], answered["ended_by"], outcomes(answered)) == ("ended", "called", [(1, "answered", 200)]), phone


def test_they_offer_when_the_trunk_does_not(tmp_path: Path) -> None:
    """`forwarding.offer: late`: their 2xx holds the offer, our ACK the answer; their certificate is verified, by name."""
    both = certificate(tmp_path)
    (tmp_path / "vsim.yaml").write_text("dns: {hosts: {pbx.example.net: 127.0.0.1}}\n")
    serve = Serve(
        tmp_path, env={
            "VSIM_FORWARDING_OFFER": "late", "VSIM_TLS_VERIFY_CUSTOMER": "true",
            "VSIM_TLS_CUSTOMER_CA": str(tmp_path / "certificate.pem"),
        },
    )  # fmt: skip

    def with_baresip() -> None:
        directory = tmp_path / "baresip"
        directory.mkdir()
        phone_said, said = voice(directory / "in.wav", 1, PATIENT), voice(directory / "said.wav", 11)
        with Baresip(directory, "127.0.0.1", "PCMA,PCMU", account=";answermode=auto", certificate=both) as phone:
            where = target("tls", phone.listens()["tls"], False, "pbx.example.net")
            call = ring(serve, where, "answered", samples=samples(directory / "said.wav"), record=True)
            assert call["state"] == "answered", call
            phone.plays(2.5)
            phone.hang_up()
            call = over(serve, call)
        check_late(call)
        check(serve, call, said, phone_said, phone.recording)

    def with_linphone() -> None:
        directory, address = tmp_path / "linphone", own_address()
        with Linphone(serve, directory, "udp", "PCMA/8000", number=2, sip=listening(address, "udp")) as phone:
            said = voice(directory / "said.wav", 12)
            phone.say(f"record {directory}/heard.wav")
            phone.say(f"play {directory}/in.wav")
            call = picked_up(serve, phone, target("udp", PORT, False, address), **played("PCMA", directory / "said.wav"))
            phone.heard()
            phone.hang_up()
            call = over(serve, call)
        check_late(call)
        check(serve, call, said, phone.sent, directory / "heard.wav")

    def check_late(call: dict[str, Any]) -> None:
        ours = sent(serve, call)
        assert starts(ours)[:2] == ["INVITE", "ACK"] and ["m=audio" in text for text in ours[:2]] == [False, True]
        assert (call["state"], call["ended_by"]) == ("ended", "called") and odd(call) == set(), call["findings"]

    try:
        together(lambda how: how(), [(with_baresip,), (with_linphone,)])
        nothing_left(serve)
        serve.check()
    finally:
        serve.stop()
