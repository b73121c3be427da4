"""Media garbage at streams in memory: no error of ours, nothing that grows, and an echo afterwards."""

import gc
import json
import random
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any

from emulator.clock import SteppedClock
from emulator.ids import Ids
from emulator.media import rtcp
from emulator.media.codecs import CODECS, PCMU, Codec
from emulator.media.ear import Ear
from emulator.media.offer import Agreement, Keys
from emulator.media.plan import Plan, Specs
from emulator.media.recorder import Recorder
from emulator.media.recording import Recording
from emulator.media.stream import Stream
from tests.fuzz.packets import EVENTS, Datagram, Garbage, rtp
from tests.support.srtp_reference import Reference

OURS, THEIRS = bytes(range(30)), bytes(range(30, 60))
MOST_DIGITS = 256
MOST_OBJECTS, MOST_OCTETS = 1500, 200_000
"""What a stream may keep beside them; of the octets a recording has most."""
MOST_MORE = 120
"""Objects that may be there at the end and were not when half of the garbage had come."""
_LOOK = 50
"""Packets between two looks at what the stream says of itself."""
_OPENED = 100
"""Of what a secure stream sends, each so many-th packet is opened; often enough for its rollover counter."""
_HONEST = Plan()


@dataclass(frozen=True, slots=True)
class Kind:
    """What a stream is made of."""

    name: str
    secure: bool = False
    plan: Plan = _HONEST
    codec: Codec = PCMU
    records: bool = False
    changes: bool = False
    """Offers come in between, with other payload types, clocks and directions."""


_SENT: Specs = (
    ("loss", {"probability": 0.1}), ("duplicate", {"probability": 0.1}), ("reorder", {"probability": 0.1}),
    ("payload-type", {"number": 33}), ("silence", {}), ("truncate", {"octets": 30}),
)  # fmt: skip
_HEARD: Specs = (("jitter", {"mean": 0.03, "deviation": 0.02}), ("corrupt", {"probability": 0.1}), ("duplicate", {"probability": 0.1}))
KINDS = (
    Kind("plain"),
    Kind("secure", True),
    Kind("plain, impaired", plan=Plan(sent=_SENT, heard=_HEARD)),
    Kind("secure, impaired", True, Plan(sent=_SENT, heard=_HEARD)),
    Kind("secure, sent wrongly", True, Plan(srtp="bad-tag")),
    Kind("plain, changing", changes=True),
    Kind("secure, changing", True, changes=True),
    *(Kind(f"{codec.name}, recorded", codec=codec, records=True) for codec in CODECS),
)


class Victim:
    """A stream, its clock, and what it sent."""

    def __init__(self, kind: Kind, seed: int, directory: Path) -> None:
        self.kind = kind
        self.clock = SteppedClock()
        self.stream = Stream(self._agreement(), self.clock, Ids(seed), kind.plan)
        self.sent = self.reports = 0
        self.opens_all = False
        self.opened = b""
        """The packet sent last, as plain RTP, where it was looked at."""
        self.stream.send, self.stream.send_rtcp = self._sent, self._reported
        self._opener = Reference(OURS)
        self._buffer = bytearray(1500 + 148)  # as the ports have it
        self._view = memoryview(self._buffer)
        self.ear = Ear(self.clock)
        self.recording = Recording(self.stream, Recorder(directory / "call.wav", 60), self.clock) if kind.records else None
        self.ear.add(self.stream)
        self.stream.start_reports()

    def _agreement(self, event_type: int | None = EVENTS, event_clock: int = 8000, send: bool = True) -> Agreement:
        keys = Keys(OURS, THEIRS) if self.kind.secure else None
        codec = self.kind.codec
        remote = ("127.0.0.1", 4000), ("127.0.0.1", 4001)
        return Agreement(codec, codec.payload_type, event_type, event_clock, *remote, send, True, keys=keys)

    def change(self, chance: random.Random | None) -> None:
        """Another offer of the same peer; without a `chance` the first one again."""
        if chance is None:
            self.stream.change(self._agreement())
        else:
            self.stream.change(
                self._agreement(chance.choice((EVENTS, None, 0)), chance.choice((8000, 16000, 48000)), chance.random() < 0.7)
            )
        self.ear.add(self.stream)

    def take(self, datagram: Datagram) -> None:
        """A datagram at the RTP port, or at the next."""
        data = datagram.data[:1500]
        if datagram.rtcp:
            self.stream.receive_rtcp(data)
        else:
            self._buffer[: len(data)] = data
            self.stream.reader(self._buffer, self._view, len(data))

    def _sent(self, data: Any) -> None:
        self.sent += 1
        if self.kind.plan == _HONEST and (self.opens_all or self.sent % _OPENED == 1):
            self.opened = self._opener.unprotect(bytes(data)) if self.kind.secure else bytes(data)
            assert self.opened[0] >> 6 == 2

    def _reported(self, data: Any) -> None:
        """What we report is right whatever we heard."""
        self.reports += 1
        report = self._opener.unprotect_rtcp(bytes(data)) if self.kind.secure else bytes(data)
        rtcp.parse(report)
        assert report[1] in (rtcp.SR, rtcp.RR)

    def look(self) -> None:
        """The stream says of itself what fits into JSON."""
        json.dumps(self.stream.snapshot(), allow_nan=False)
        json.dumps([(finding.code, finding.seen, finding.kind.fix) for finding in self.stream.findings()])

    def settled(self) -> tuple[int, int]:
        """What is kept once all digits of theirs have been sent back and no packet is held any more."""
        self.clock.advance(80)
        return self.kept

    @property
    def kept(self) -> tuple[int, int]:
        """How many objects are reached from the stream, and their octets; its clock is the emulator's, and this test is not its.

        Digits are counted apart."""
        seen = {id(self), id(self.clock), id(self._buffer), id(self._view), id(self._opener), id(self.ear), id(self.stream.digits)}
        waiting: list[Any] = [self.stream]
        count = octets = 0
        while waiting:
            one = waiting.pop()
            if id(one) in seen or isinstance(one, (type, ModuleType, FunctionType, BuiltinFunctionType)):
                continue
            seen.add(id(one))
            count += 1
            octets += sys.getsizeof(one)
            waiting.extend(gc.get_referents(one))
        return count, octets

    def close(self) -> None:
        self.stream.end()
        if self.recording is not None:
            self.recording.close()
        self.ear.remove(self.stream)


def survive(seed: int, count: int) -> dict[str, Any]:
    """`count` datagrams at one stream of each kind, four times as many at those that do nothing but echo. Raises `AssertionError` with
    what broke one."""
    most = (0, 0)
    answered = total = 0
    for number, kind in enumerate(KINDS):
        share = count * (4 if kind in KINDS[:2] else 1)
        with tempfile.TemporaryDirectory() as directory:
            victim = Victim(kind, seed, Path(directory))
            most = max(most, _attack(victim, random.Random(f"{seed}/{number}"), f"seed {seed}, {kind.name}", share))
            answered += victim.sent
            total += share
    return {"seed": seed, "datagrams": total, "streams": len(KINDS), "answered": answered, "most objects and octets": most}


def _attack(victim: Victim, chance: random.Random, where: str, count: int) -> tuple[int, int]:
    kind, stream, own = victim.kind, victim.stream, victim.kind.codec.payload_type
    honest = _honest(victim)
    garbage = Garbage(chance, THEIRS if kind.secure else None, (own, own, own, 0, 8, EVENTS, 33))
    garbage.ours = stream.ssrc
    first = next(honest)  # its SSRC is known before others take its place
    victim.take(first)
    garbage.remember(first)
    half = (0, 0)
    for number in range(count):
        datagram = garbage.take()
        before = victim.sent, stream.heard.packets, stream.reports
        context = f"{where}, datagram {number} ({'RTCP' if datagram.rtcp else 'RTP'} port): {datagram.data.hex()}"
        try:
            victim.take(datagram)
            if not datagram.fresh and not kind.plan.heard:
                assert (victim.sent, stream.heard.packets, stream.reports) == before, "a packet was taken that nobody signed"
            victim.clock.advance(chance.choice((0, 0, 0.001, 0.02, 0.02, 0.05, 0.3 * (number % 20 == 0), 6.0 * (number % 200 == 0))))
            if kind.changes and chance.random() < 0.02:
                victim.change(chance)
            if number % 500 == 250:
                victim.take(next(honest))
            if number % _LOOK == 0:
                victim.look()
        except Exception as error:
            raise AssertionError(context) from error
        if number == count // 2:
            half = victim.settled()
    if kind.changes:
        victim.change(None)
    most = victim.settled()
    assert most[0] <= MOST_OBJECTS and most[1] <= MOST_OCTETS, f"{where}: {most[0]} objects of {most[1]} octets are kept"
    assert most[0] <= half[0] + MOST_MORE, f"{where}: {half[0]} objects are kept, then {most[0]}"
    assert len(stream.digits) <= MOST_DIGITS, f"{where}: {len(stream.digits)} digits are kept"
    if kind.plan == _HONEST:
        _echoes(victim, honest, where)
    victim.look()
    victim.close()
    victim.look()
    victim.ear.remove(stream)
    victim.clock.advance(1)
    assert victim.clock.pending == 0, f"{where}: {victim.clock.pending} timers are armed after the end"
    return most


def _echoes(victim: Victim, honest: Iterator[Datagram], where: str) -> None:
    """Audio that is right comes back, each packet of it."""
    victim.opens_all = True
    for datagram in [next(honest) for _ in range(20)]:
        before = victim.sent
        victim.take(datagram)
        assert victim.sent == before + 1, f"{where}: no echo after the garbage"
        packet = victim.opened
        assert packet[8:12] == victim.stream.ssrc.to_bytes(4, "big") and packet[12:] == b"honest" * 20, f"{where}: {packet.hex()}"


def _honest(victim: Victim) -> Iterator[Datagram]:
    protect: Callable[[bytes], bytes] = Reference(THEIRS).protect if victim.kind.secure else bytes
    make = partial(rtp, payload=b"honest" * 20, payload_type=victim.kind.codec.payload_type)
    number = 100
    while True:
        number += 1
        yield Datagram(False, protect(make(number)), True)
