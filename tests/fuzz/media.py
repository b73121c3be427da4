"""Media garbage at a running emulator during live calls, from the right address and from strangers, and what must not come of it."""

import json
import random
import re
import socket
import struct
import time
import urllib.request
from base64 import b64decode, b64encode
from collections import Counter
from typing import Any

from tests.fuzz.packets import EVENTS, Datagram, Garbage, rtp
from tests.fuzz.served import PING, descriptors, memory
from tests.support.phone import Phone
from tests.support.serve import Serve, until
from tests.support.srtp_reference import Reference
from tests.wire.test_connections import dial, messages

SHARED = ("--media-port", "20000")
"""Flags of an emulator with one media port for all calls; the number is the system's choice, as of all others."""
RATE = 1000
"""Datagrams a second at each call."""
MOST_LINES, MOST_LINES_A_SECOND = 250, 60
"""Of the log, whatever comes: what the journal lets strangers bring about, and a little."""
MOST_OCTETS_A_LINE = 500
KEY = bytes(range(30, 60))
_STEP = 0.01
_KEPT_SOCKETS = 3
"""That a call leaves open for the next ones; with one port for all there are two, and not of each call."""
_DIGITS = 1000
_HONEST = 50
"""Packets of the echo that must be complete."""
_EVENT_LINES = ("a=rtpmap:101 telephone-event/8000", "a=fmtp:101 0-16")


class Live:
    """A call that is up: its phone, its two media sockets, those of strangers, SRTP where it was agreed."""

    def __init__(self, serve: Serve, secure: bool, chance: random.Random) -> None:
        self.chance = chance
        self.name = "SRTP over TLS" if secure else "RTP over UDP"
        self.sockets = [_udp() for _ in range(2)]
        self.strangers = [_udp("127.0.0.1"), _udp("127.0.0.9")]
        self._dial(serve.proxy(), secure)
        self.garbage = Garbage(chance, KEY if secure else None)
        self._sequence = chance.randrange(1000)
        self.sent: Counter[str] = Counter()

    def _dial(self, proxy: dict[str, Any], secure: bool) -> None:
        if secure:
            self._sip = dial(proxy, "TLS")
        else:
            self._sip = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self._sip.connect((proxy["address"], proxy["udp"]))
            self._sip.settimeout(60)
        host, port = self._sip.getsockname()[:2]
        self.phone = phone = Phone(self._sip.sendall, host, port, transport="TLS" if secure else "UDP")
        phone.call_id = f"garbage-{self.chance.getrandbits(64):x}"
        crypto = [f"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{b64encode(KEY).decode()}"] if secure else []
        media, control = (sock.getsockname()[1] for sock in self.sockets)
        lines = (
            "v=0", f"o=- 1 1 IN IP4 {host}", "s=-", "c=IN IP4 127.0.0.1", "t=0 0",
            f"m=audio {media} RTP/{'SAVP' if secure else 'AVP'} 0 101", *crypto, *_EVENT_LINES, f"a=rtcp:{control}",
        )  # fmt: skip
        body = "\r\n".join([*lines, ""])
        phone.invite(body=body)
        self._receive(1)
        challenged = phone.expect(407)
        phone.ack(challenged)
        phone.invite(extra=phone.credentials(challenged), body=body)
        self._receive(3)
        answered = phone.expect(100, 180, 200)
        phone.ack(answered)
        text = answered.body.decode()
        (number,), (address,) = re.findall(r"m=audio (\d+)", text), re.findall(r"c=IN IP4 (\S+)", text)
        self.at = [(address, int(number)), (address, int(number) + 1)]
        self._ours = Reference(KEY) if secure else None
        self._theirs = Reference(b64decode(re.findall(r"inline:(\S+)", text)[0])) if secure else None

    def _receive(self, count: int) -> None:
        if self.phone.transport == "UDP":
            for _ in range(count):
                self.phone.receive(self._sip.recv(65535))
        else:
            self.phone.inbox.extend(messages(self._sip, count))

    def attack(self) -> None:
        """One datagram, two of three from the right address."""
        datagram = self.garbage.take()
        stranger = self.chance.random() < 1 / 3
        senders = self.strangers if stranger else self.sockets
        sender = senders[self.chance.randrange(2)] if stranger or self.chance.random() < 0.05 else senders[datagram.rtcp]
        try:
            sender.sendto(datagram.data, self.at[datagram.rtcp])
        except OSError:
            return  # full, or longer than the interface takes
        self.sent["from strangers" if stranger else "from the right address"] += 1

    def drain(self) -> None:
        """Read what came back; nothing may come to strangers."""
        for sock in self.sockets:
            self.sent["came back"] += _drained(sock)
        for sock in self.strangers:
            assert not _drained(sock), f"{self.name}: a stranger got a packet"

    def echo(self) -> None:
        """Honest audio comes back, each packet of it, in its order."""
        media = self.sockets[0]
        probe = b"caught up".ljust(160, b"\xff")

        def say(payload: bytes) -> None:
            self._sequence += 1
            packet = rtp(self._sequence, payload, ssrc=0xC0FFEE)
            media.sendto(self._ours.protect(packet) if self._ours else packet, self.at[0])

        def hear() -> bytes:
            """The payload of audio; nothing of a report, and of a digit sent back."""
            data = media.recv(2000)
            return b"" if data[1] & 0x7F else (self._theirs.unprotect(data) if self._theirs else data)[12:]

        def caught_up() -> bool:
            """One comes back: what was sent before it has been read, and there is room for more."""
            say(probe)
            media.settimeout(1)
            try:
                while hear() != probe:
                    pass
            except TimeoutError:
                return False
            return True

        self.drain()
        until(caught_up, f"{self.name}: an echo after the garbage")
        payloads: list[bytes] = []
        came: list[bytes] = []
        media.settimeout(60)
        for number in range(_HONEST):
            payload = b"%03d" % number + self.chance.randbytes(157)
            payloads.append(payload)
            say(payload)
        while len(came) < _HONEST:
            payload = hear()
            if payload and payload != probe:
                came.append(payload)
        assert came == payloads, f"{self.name}: not what was sent"
        media.settimeout(0)

    def press(self, number: int) -> None:
        """A digit of one packet, the most that a packet can make the emulator say."""
        self._sequence += 1
        payload = struct.pack("!BBH", number % 16, 0x80 | 10, 800)
        packet = rtp(self._sequence, payload, 0x80 | EVENTS, number * 1600, 0xC0FFEE)
        self.sockets[0].sendto(self._ours.protect(packet) if self._ours else packet, self.at[0])

    def remember(self) -> None:
        """One honest packet, which garbage may repeat; it makes the SSRC of the echo known before others take its place."""
        self._sequence += 1
        packet = rtp(self._sequence, ssrc=0xC0FFEE)
        data = self._ours.protect(packet) if self._ours else packet
        self.sockets[0].sendto(data, self.at[0])
        self.garbage.remember(Datagram(False, data, True))

    def meet(self) -> None:
        """Learn the emulator's SSRC from an echo: reports are about it."""
        self.remember()
        self.sockets[0].settimeout(60)
        self.garbage.ours = int.from_bytes(self.sockets[0].recv(2000)[8:12], "big")
        self.sockets[0].settimeout(0)

    def hang_up(self) -> None:
        self.phone.in_dialog("BYE")
        self._receive(1)
        self.phone.expect(200)

    def close(self) -> None:
        for sock in (self._sip, *self.sockets, *self.strangers):
            sock.close()


def _udp(host: str = "127.0.0.1") -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    sock.bind((host, 0))
    sock.settimeout(0)
    return sock


def _drained(sock: socket.socket) -> int:
    count = 0
    while True:
        try:
            sock.recv(2000)
        except ConnectionRefusedError:
            continue
        except OSError:
            return count
        count += 1


class Pings:
    """The health check beside it all."""

    def __init__(self, proxy: dict[str, Any]) -> None:
        self._sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._sock.connect((proxy["address"], proxy["udp"]))
        self._sock.settimeout(60)
        self.count = 0
        self.slowest = 0.0

    def ping(self) -> None:
        self.count += 1
        began = time.monotonic()
        self._sock.send(PING.replace(b"%d", b"m%d" % self.count))
        answer = self._sock.recv(65535)
        assert answer.startswith(b"SIP/2.0 200 ") and b"z9hG4bKpingm%d;" % self.count in answer, answer
        self.slowest = max(self.slowest, time.monotonic() - began)

    def close(self) -> None:
        self._sock.close()


def held(serve: Serve) -> dict[str, int]:
    """How much of everything the emulator holds."""
    with urllib.request.urlopen(f"{serve.endpoints['control']}/v1/held", timeout=60) as answer:
        found: dict[str, int] = json.load(answer)
        return found


def attack(serve: Serve, seed: int, seconds: float, most_growth: int, warm_up: float = 1.0) -> dict[str, Any]:
    """`warm_up` and `seconds` of garbage at two calls, then digits. Raises `AssertionError` for anything lost, or kept beyond
    `most_growth` octets, and returns what was measured."""
    process = serve.process.pid
    pings = Pings(serve.proxy())
    pings.ping()
    held(serve)
    descriptors_before = descriptors(process)
    calls = [Live(serve, secure, random.Random(f"{seed}/{secure}")) for secure in (False, True)]
    try:
        for call in calls:
            call.meet()
        _garbage(calls, pings, warm_up)  # what the first packets make and keep is no leak
        memory_before, log_before = memory(process), serve.output.stat().st_size
        for call in calls:
            call.sent.clear()
        began = time.monotonic()
        _garbage(calls, pings, seconds)
        for call in calls:
            call.echo()
        growth = memory(process) - memory_before
        _digits(calls[0], pings)
        took = time.monotonic() - began
        log = serve.output.read_bytes()[log_before:].splitlines()
        sent = sum((call.sent for call in calls), Counter[str]())
        told = {record["call_id"]: record for record in serve.calls()}
        for call in calls:
            assert told[call.phone.call_id]["state"] == "answered", f"{call.name}: {told[call.phone.call_id]}"
            call.hang_up()
        pings.ping()
    finally:
        for call in calls:
            call.close()
        pings.close()
    until(lambda: not _up(serve), "every call and connection gone")
    until(lambda: descriptors(process) <= descriptors_before + _KEPT_SOCKETS * len(calls), "descriptors back to base")
    serve.check()
    measured = {
        "seed": seed, "seconds": round(took, 1), **sent, "pings": pings.count, "slowest_ping_ms": round(1000 * pings.slowest, 1),
        "growth": growth, "log_lines": len(log), "longest_log_line": max(map(len, log), default=0),
        "descriptors": descriptors(process) - descriptors_before,
        "media": {call.name: _told(told[call.phone.call_id]["media"]) for call in calls},
    }  # fmt: skip
    assert growth <= most_growth, f"seed {seed}: {growth} octets more: {measured}"
    assert len(log) <= MOST_LINES + MOST_LINES_A_SECOND * took, f"seed {seed}: {len(log)} lines in {took:.1f} s: {measured}"
    assert max(map(len, log), default=0) <= MOST_OCTETS_A_LINE, f"seed {seed}: {max(log, key=len)!r}"
    return measured


def _up(serve: Serve) -> int:
    now = held(serve)
    return now["calls"] + now["dialogs"] + now["media_ports"] + now["connections"]


def _told(media: dict[str, Any]) -> dict[str, Any]:
    return {name: media[name] for name in ("packets_received", "packets_sent", "malformed", "strangers", "srtp_refused", "rtcp_received")}


def _digits(call: Live, pings: Pings) -> None:
    """A digit with each packet, at the rate of the garbage."""
    began = time.monotonic()
    for number in range(_DIGITS):
        call.press(number)
        if number % 10 == 9:
            call.drain()
            time.sleep(max(0.0, began + number / RATE - time.monotonic()))
    pings.ping()


def _garbage(calls: list[Live], pings: Pings, seconds: float) -> None:
    """At its rate, whatever that costs this process; a health check ten times a second."""
    began = time.monotonic()
    sent = steps = 0
    while (passed := time.monotonic() - began) < seconds:
        due = int(passed * RATE)
        for _ in range(min(due - sent, RATE // 5)):
            for call in calls:
                call.attack()
        sent = due
        steps += 1
        for call in calls:
            call.drain()
        if steps % 10 == 1:
            pings.ping()
        time.sleep(_STEP)
