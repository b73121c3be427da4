"""One call's audio, there and back: what is heard is counted, and echoed or answered with what the plan says.

`reader` is what a port hands its datagrams to, chosen when media was agreed. An honest echo has `Echo` for it, the hot path, which comes
here with whatever is out of the ordinary; `receive` looks at everything. Plain or secure, impaired or not, is a method chosen likewise:
`_out` is what packets leave through.
"""

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from emulator.clock import Clock
from emulator.ids import Ids
from emulator.journal.findings import Finding
from emulator.media import summary
from emulator.media.echo import Echo, Reader, Straight
from emulator.media.libsrtp import Fault, SrtpError, fault
from emulator.media.offer import Agreement, Keys
from emulator.media.plan import Plan
from emulator.media.reception import Reception
from emulator.media.reports import Reports
from emulator.media.rtcp import RtcpError
from emulator.media.rtp import HEADER, HEADER_OCTETS, MARKER, PAYLOAD_TYPE_MASK, VERSION_2, VERSION_MASK, payload_of
from emulator.media.srtp import Inbound, Outbound, bad_tag

if TYPE_CHECKING:  # what only some calls need is imported by those
    from emulator.media.course import Course
    from emulator.media.dialler import Dialler
    from emulator.media.dtmf import Digit
    from emulator.media.events import Events
    from emulator.media.wire import Wire

Address = tuple[str, int]
Tap = Callable[[int, int, bytes], None]
"""Told of audio: payload type and payload."""

_ECHO, _HEARD, _EVENT, _UNWANTED = 1, 2, 3, 4
_CROSSING = 1.0
"""Seconds for which packets may still come after a description has forbidden them: they cross it, and the other side takes a moment."""
_SCRATCH = bytearray(1500 + 148)
"""Where packets of our own are made; one for all calls, for each is sent before the next is made."""
_SCRATCH_VIEW = memoryview(_SCRATCH)


class Stream:
    """The media of one call. `send` and `send_rtcp` are set by the port it is attached to; they may raise `OSError`."""

    __slots__ = (
        "_clock", "_course", "_dialler", "_echo", "_events", "_heard", "_ids", "_inbound", "_kinds", "_listening", "_numbers",
        "_on_digit", "_ordinary", "_out", "_outbound", "_resumes", "_seconds", "_sent", "_sent_octets", "_tap_heard", "_tap_sent",
        "_timestamp", "_timestamp_at", "_unwanted_from", "address_taken", "agreement", "bad", "before_answer", "digits", "events",
        "in_band", "late", "otherwise", "plan", "reader", "refused", "rtcp", "send_rtcp", "ssrc", "straight", "stranger", "strangers",
        "unknown_type", "unwanted", "wire",
    )  # fmt: skip

    def __init__(
        self,
        agreement: Agreement,
        clock: Clock,
        ids: Ids,
        plan: Plan | None = None,
        on_digit: "Callable[[Digit], None] | None" = None,
        cname: str = "vsim",
        wire: "Wire | None" = None,
    ) -> None:
        """SSRC, sequence and timestamp begin at random (RFC 3550 5.1). `on_digit` is told of each digit that has ended, `wire` of each
        packet that passes the ports."""
        self.wire = wire
        self._clock = clock
        self._seconds = clock.seconds
        self._ids = ids
        self._on_digit = on_digit
        self.plan = plan or Plan()
        self.ssrc = ids.ssrc()
        self._echo = Echo(self, clock.seconds, self.ssrc, ids.sequence(), _discard)
        self._timestamp = 0
        self._timestamp_at = -1.0
        self._heard = Reception(agreement.codec.clock)
        self.events = 0
        """Packets of telephone-events heard."""
        self.digits: list[Digit] = []
        """Those heard, the first ones of very many."""
        self.unknown_type = 0
        """Packets of a payload type that was not agreed; they are not echoed."""
        self.unwanted = 0
        """Packets of audio while the descriptions say that there are none, as on hold; they are not echoed."""
        self.bad = 0
        """Octets that are no RTP or no RTCP."""
        self.refused: Counter[Fault] = Counter()
        """Packets that SRTP did not let through."""
        self.strangers = 0
        """Packets that came from elsewhere than the description says; none was looked at."""
        self.stranger: Address | None = None
        """Where the last of them came from."""
        self.late = 0
        """Packets from the right place after the call was over."""
        self.before_answer = 0
        self.address_taken = False
        """On a shared port: another call's description names the same address, and has it."""
        self.in_band: str | None = None
        """A digit that was heard as a tone."""
        self._sent = 0
        self._sent_octets = 0
        self.rtcp = Reports(self, clock, ids, cname)
        self._events: Events | None = None
        self._dialler: Dialler | None = None
        self._inbound: Inbound | None = None
        self._outbound: Outbound | None = None
        self._course: Course | None = None
        self._tap_heard: Tap | None = None
        self._tap_sent: Tap | None = None
        self.send_rtcp: Callable[[Any], Any] = _discard
        self._out: Reader = self._send_plain
        self.reader: Reader = self.receive
        self.straight: Straight | None = None
        self.otherwise: Reader = self.receive
        self._ordinary = False  # whether packets may go straight
        self._resumes = False  # whether the next packet of audio is the first one after a hold
        self._listening = True
        self.agreement = agreement
        self.change(agreement)

    def change(self, agreement: Agreement) -> None:
        """An offer and its answer settled something: payload types, direction, keys."""
        before = self.agreement
        self.agreement = agreement
        self._resumes = self._resumes or (self._speaks(agreement) and not self._speaks(before))
        self.heard.retime(agreement.codec.clock)
        kind = _UNWANTED if not agreement.receive else _ECHO if self.plan.echoes and agreement.send else _HEARD
        self._kinds = {agreement.payload_type: kind}
        self._unwanted_from = self._seconds() + _CROSSING
        if agreement.event_type is not None:
            self._kinds[agreement.event_type] = _EVENT
        self._numbers = {ours: theirs for ours, theirs in agreement.numbers.items() if ours not in self._kinds}
        self._choose_keys(before.keys, agreement.keys)
        self._choose_path()

    def _speaks(self, agreement: Agreement) -> bool:
        """Whether audio of ours flows under it; an echo needs what it hears."""
        return agreement.send and (agreement.receive or not self.plan.echoes)

    # -- heard ----------------------------------------------------------------------------------------------------

    def receive(self, buffer: bytearray, view: memoryview, length: int) -> None:
        """One plain datagram of `length` octets at the start of `buffer`; where it is echoed its header is rewritten in place.

        `view` is a memoryview of `buffer`. Sequence and SSRC are ours, the timestamp is the sender's, so that its clock comes back to it.
        """
        if length < HEADER_OCTETS:
            self.bad += 1
            return
        first, second, sequence, timestamp, source = HEADER.unpack_from(buffer)
        if first & VERSION_MASK != VERSION_2:
            self.bad += 1
            return
        kind = self._kinds.get(second & PAYLOAD_TYPE_MASK)
        if kind is None:
            theirs = self._numbers.get(second & PAYLOAD_TYPE_MASK)
            if theirs is not None:
                buffer[1] = second & MARKER | theirs
                self.receive(buffer, view, length)
            elif 192 <= second <= 223:  # RTCP on the RTP port (RFC 5761 4)
                self._receive_report(bytes(view[:length]))
            else:
                self.unknown_type += 1
            return
        now = self._seconds()
        self._echo.settle()
        self._heard.packet(sequence, timestamp, source, length, second & MARKER, now, kind == _EVENT)
        if kind == _EVENT:
            self._event(second & MARKER, sequence, timestamp, buffer, length, now)
            return
        if self._tap_heard is not None:
            self._tap(self._tap_heard, timestamp, buffer, length)
        if kind == _ECHO:
            self._timestamp, self._timestamp_at = timestamp, now
            HEADER.pack_into(buffer, 0, first, second, self._echo.number(), timestamp, self.ssrc)
            if self._tap_sent is not None:
                self._tap(self._tap_sent, timestamp, buffer, length)
            self._out(buffer, view, length)
            self._sent += 1
            self._sent_octets += length
            if self._ordinary and self._tap_heard is None and self._tap_sent is None:
                self._echo.open(source, second & PAYLOAD_TYPE_MASK, length)
        elif kind == _UNWANTED and now > self._unwanted_from:
            self.unwanted += 1

    def _receive_secure(self, buffer: bytearray, view: memoryview, length: int) -> None:
        if length < 2 or buffer[0] & VERSION_MASK != VERSION_2:  # STUN and DTLS are no SRTP that has gone wrong
            self.bad += 1
            return
        if 192 <= buffer[1] <= 223:
            self._receive_rtcp(bytes(view[:length]))
            return
        assert self._inbound is not None
        try:
            length = self._inbound.unprotect(buffer, length)
        except SrtpError as error:
            self.refused[error.kind] += 1
            return
        self.receive(buffer, view, length)

    def count(self, octets: int, arrivals: tuple[float, ...], timestamps: tuple[int, ...], sequences: tuple[int, ...]) -> None:
        """Packets that went straight; see `emulator.media.echo.Line`."""
        self._heard.run(octets, arrivals, timestamps, sequences)
        self._timestamp, self._timestamp_at = timestamps[-1], arrivals[-1]
        self._sent += len(sequences)
        self._sent_octets += len(sequences) * octets

    def unsent(self, octets: int) -> None:
        """The last packet that went straight went nowhere; see `emulator.media.echo.Line`."""
        self._sent -= 1
        self._sent_octets -= octets

    def refuse(self, status: int) -> None:
        """A packet that SRTP did not let through; see `emulator.media.echo.Line`."""
        self.refused[fault(status).kind] += 1

    def _receive_impaired(self, packet: bytes | memoryview) -> None:
        """What is left of a packet after the impairments on its way here."""
        length = len(packet)
        buffer = bytearray(length + 148)
        buffer[:length] = packet
        path = self._receive_secure if self._inbound is not None else self.receive
        path(buffer, memoryview(buffer), length)

    @staticmethod
    def _tap(tap: Tap, timestamp: int, buffer: bytearray, length: int) -> None:
        place = payload_of(buffer, length)
        if place is not None:
            tap(buffer[1] & PAYLOAD_TYPE_MASK, timestamp, bytes(buffer[place[0] : place[1]]))

    def _event(self, marker: int, sequence: int, timestamp: int, buffer: bytearray, length: int, now: float) -> None:
        self.events += 1
        place = payload_of(buffer, length)
        if place is None:
            self.bad += 1
            return
        if self._events is None:
            from emulator.media.events import Events

            self._events = Events(self, self._clock, self._on_digit)
        self._events.packet(bool(marker), sequence, timestamp, bytes(buffer[place[0] : place[1]]), now)

    @property
    def tap_heard(self) -> Tap | None:
        """Told of audio that was heard."""
        return self._tap_heard

    @tap_heard.setter
    def tap_heard(self, tap: Tap | None) -> None:
        self._tap_heard = tap
        self._echo.shut()

    @property
    def tap_sent(self) -> Tap | None:
        """Told of audio that is sent."""
        return self._tap_sent

    @tap_sent.setter
    def tap_sent(self, tap: Tap | None) -> None:
        self._tap_sent = tap
        self._echo.shut()

    # -- sent -----------------------------------------------------------------------------------------------------

    @property
    def send(self) -> Callable[[Any], Any]:
        """Where packets go: set by the port."""
        return self._echo.send

    @send.setter
    def send(self, send: Callable[[Any], Any]) -> None:
        self._echo.send = send if self.wire is None else self.wire.sends(send)

    def aimed(self, local: Address, remote: Address) -> None:
        """Told by the port, before it sets `send`: RTP goes from and comes to `local`, the other side of which is `remote`."""
        if self.wire is not None:
            self.wire.aim(local, remote, self.plan.other_port)

    def aimed_rtcp(self, remote: Address | None) -> None:
        """Told by the port: RTCP goes from the port behind that of RTP to `remote`; with None from and to where RTP does (RFC 5761)."""
        if self.wire is not None:
            self.wire.aim_reports(remote)

    def stray(self, peer: Address, packet: memoryview, code: str) -> None:
        """Told by the port: a packet that is not handed to `reader`, and the finding that it is."""
        if self.wire is not None:
            self.wire.stray(peer, packet, code)

    @property
    def dialler(self) -> "Dialler":
        """Sends digits."""
        if self._dialler is None:
            from emulator.media.dialler import Dialler

            self._dialler = Dialler(self, self._clock)
        return self._dialler

    def emit(self, payload_type: int, marker: bool, timestamp: int, payload: bytes) -> None:
        """Send a packet of our own; at most 1,400 octets of payload."""
        if not self.agreement.send or not self._listening:
            return
        own = self._echo.number()
        length = HEADER_OCTETS + len(payload)
        HEADER.pack_into(_SCRATCH, 0, VERSION_2, marker * MARKER | payload_type, own, timestamp & 0xFFFFFFFF, self.ssrc)
        _SCRATCH[HEADER_OCTETS:length] = payload
        if self._tap_sent is not None and payload_type == self.agreement.payload_type:
            self._tap_sent(payload_type, timestamp & 0xFFFFFFFF, payload)
        try:
            self._out(_SCRATCH, _SCRATCH_VIEW, length)
        except OSError:
            return  # a timer has nobody to tell; the port counts the errors of what is heard
        self._sent += 1
        self._sent_octets += length

    def media_time(self, clock: int) -> int:
        """The timestamp of now, in `clock` units: that of the newest packet sent and the time since."""
        now = self._seconds()
        self._echo.settle()
        if self._timestamp_at < 0:
            self._timestamp, self._timestamp_at = self._ids.number(1 << 32), now
        own = self.agreement.codec.clock
        units = self._timestamp + (now - self._timestamp_at) * own
        return int(units * clock / own if clock != own else units) & 0xFFFFFFFF

    def mark_time(self, timestamp: int) -> None:
        """A packet of audio of our own bears `timestamp` now."""
        self._echo.settle()
        self._timestamp, self._timestamp_at = timestamp & 0xFFFFFFFF, self._seconds()

    def _send_plain(self, buffer: bytearray, view: memoryview, length: int) -> None:
        self.send(view[:length])

    def _send_secure(self, buffer: bytearray, view: memoryview, length: int) -> None:
        assert self._outbound is not None
        self.send(view[: self._outbound.protect(buffer, length)])

    def _protect(self, packet: bytes | memoryview) -> bytes:
        """A packet that impairments have changed, as it leaves."""
        if self._outbound is None:
            return bytes(packet)
        buffer = bytearray(len(packet) + 148)
        buffer[: len(packet)] = packet
        try:
            length = self._outbound.protect(buffer, len(packet))
        except SrtpError:
            return b""
        if self.plan.srtp == "bad-tag":
            bad_tag(buffer, length)
        return bytes(buffer[:length])

    # -- how packets come and go ----------------------------------------------------------------------------------

    def _choose_keys(self, before: Keys | None, keys: Keys | None) -> None:
        """Contexts for new keys. A key that stays keeps its context, for the rollover counter is in it (RFC 3711 3.3.1)."""
        plain = keys is None or self.plan.srtp == "plain"
        if self._outbound is not None and (plain or before is None or keys is None or before.ours != keys.ours):
            self._outbound.close()
            self._outbound = None
        if self._inbound is not None and (keys is None or before is None or before.theirs != keys.theirs):
            self._inbound.close()
            self._inbound = None
        if keys is not None:
            if self._inbound is None:
                self._inbound = Inbound(keys.theirs)
            if self._outbound is None and not plain:
                ours = keys.ours if self.plan.srtp != "wrong-key" else self._ids.take(len(keys.ours))
                self._outbound = Outbound(ours)

    def _choose_path(self) -> None:
        plan = self.plan
        self._out = self._send_secure if self._outbound is not None else self._send_plain
        self.reader = self.otherwise = self._receive_secure if self._inbound is not None else self.receive
        if self._course is None and (plan.sent or plan.heard or plan.srtp == "bad-tag"):
            from emulator.media.course import Course  # only calls with impairments pay for them

            silence = self.agreement.codec.silence
            self._course = Course(plan, self._clock, self._ids, silence, self._protect, self._leave, self._receive_impaired)
        if self._course is not None:
            leaving, arriving = self._course.leaving, self._course.arriving
            self._out = lambda buffer, view, length: leaving(view[:length])
            if plan.heard:
                self.reader = lambda buffer, view, length: arriving(view[:length])
        if self._resumes:
            self._out = self._marking(self._out)
        straight = self._echo.straight(self._inbound, self._outbound)
        self._ordinary = straight is not None and self._course is None and self._kinds[self.agreement.payload_type] == _ECHO
        self.straight = straight if self._ordinary and self.wire is None else None
        if straight is not None and self._ordinary:
            self.reader = self._echo.reader(straight)
        if self.wire is not None:
            self.wire.rekey(self.agreement.keys)
            self.reader = self.wire.hears(self.reader, self.odd if not plan.heard else None)

    def _marking(self, out: Reader) -> Reader:
        """`out` until a packet of audio has left with the marker: one that comes after silence bears it (RFC 3551 4.1)."""

        def mark(buffer: bytearray, view: memoryview, length: int) -> None:
            if buffer[1] & PAYLOAD_TYPE_MASK == self.agreement.payload_type:
                buffer[1] |= MARKER
                self._resumes, self._out = False, out
            out(buffer, view, length)

        return mark

    def _leave(self, packet: bytes | memoryview) -> None:
        if packet:
            self.send(packet)

    # -- RTCP -----------------------------------------------------------------------------------------------------

    def start_reports(self) -> None:
        """Media flows: reports begin, the first one after half an interval (RFC 3550 6.2)."""
        self.rtcp.start()

    @property
    def reports(self) -> int:
        """Reports that came."""
        return self.rtcp.received

    def send_report(self, data: bytes) -> bool:
        """Send a compound packet, secure where RTP is; whether it could be sent."""
        at = self._seconds()
        try:
            data = self._outbound.protect_rtcp(data) if self._outbound is not None else data
            self.send_rtcp(data)
        except (OSError, SrtpError):
            return False  # the peer has no port for them, which is its right
        if self.wire is not None:
            self.wire.sent_report(at, data)
        return True

    def receive_rtcp(self, data: bytes, peer: Address | None = None) -> None:
        """One datagram to the port of RTCP, secure where RTP is; `peer` sent it, where that is not whom RTCP is aimed at."""
        if self.wire is None:
            self._receive_rtcp(data)
        else:
            self.wire.hear_report(data, peer, self._receive_rtcp, self.odd)

    def _receive_rtcp(self, data: bytes) -> None:
        if not data or data[0] & VERSION_MASK != VERSION_2:
            self.bad += 1
            return
        if self._inbound is not None:
            try:
                data = self._inbound.unprotect_rtcp(data)
            except SrtpError as error:
                self.refused[error.kind] += 1
                return
        self._receive_report(data)

    def _receive_report(self, data: bytes) -> None:
        try:
            self.rtcp.receive(data, self.ssrc)
        except RtcpError:
            self.bad += 1

    # -- the end, and what was ------------------------------------------------------------------------------------

    def answered(self) -> None:
        """The call is answered: what came before came early."""
        self.before_answer = self.heard.packets

    @property
    def heard(self) -> Reception:
        """Counters of what was heard, up to now."""
        self._echo.settle()
        return self._heard

    @property
    def sent(self) -> int:
        """Packets."""
        self._echo.settle()
        return self._sent

    @property
    def sent_octets(self) -> int:
        """Headers included."""
        self._echo.settle()
        return self._sent_octets

    def end(self) -> None:
        """The call is over: say BYE if anything was ever sent (RFC 3550 6.3.7), and give everything back."""
        if not self._listening:
            return
        self._listening = False
        if self._events is not None:
            self._events.close()
        if self._dialler is not None:
            self._dialler.stop()
        self.rtcp.stop()
        if self._course is not None:
            self._course.close()
        self._echo.close()
        for context in (self._inbound, self._outbound):
            if context is not None:
                context.close()
        self._echo.send, self.send_rtcp = _discard, _discard
        if self.wire is not None:
            self.wire.end()
        self._out = self.reader = self.otherwise = _nowhere  # what is bound to us: without it no cycle is left
        self.straight = None
        self._tap_heard = self._tap_sent = None
        self._dialler = None
        self._on_digit = None

    def findings(self) -> list[Finding]:
        """What was odd about the media as a whole."""
        return summary.findings(self)

    def odd(self) -> tuple[int, ...]:
        """How many packets there were of what can be odd about one; see `emulator.media.wire.ODD`."""
        refused = self.refused
        forged, replayed = refused.get(Fault.FORGED, 0), refused.get(Fault.REPLAYED, 0)
        unusable = sum(refused.values()) - forged - replayed if refused else 0
        return self.bad, self.unknown_type, self.unwanted, forged, replayed, unusable

    def snapshot(self) -> dict[str, Any]:
        """What was agreed and counted, ready for JSON."""
        return summary.snapshot(self)

    @property
    def event_findings(self) -> list[Finding]:
        """What was odd about the telephone-events heard."""
        return self._events.findings() if self._events is not None else []

    @property
    def course(self) -> "Course | None":
        """The impairments of this call, if any."""
        return self._course


def _discard(data: object) -> None:
    """Where packets go before a port is attached and after it has closed."""


def _nowhere(buffer: bytearray, view: memoryview, length: int) -> None:
    """What is heard after the end."""
