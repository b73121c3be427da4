"""One call's audio, there and back: what is heard is counted, and echoed or answered with what the plan says.

`receive` is the hot path: it asks nothing that was known when the answer was made, and makes no object that outlives the packet. Plain or
secure, impaired or not, is a method chosen when media was agreed: `reader` is what a port hands its datagrams to, `_out` what packets
leave through.
"""

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from emulator.clock import Clock
from emulator.ids import Ids
from emulator.journal.findings import Finding
from emulator.media import summary
from emulator.media.offer import Agreement, Keys
from emulator.media.plan import Plan
from emulator.media.reception import Reception
from emulator.media.reports import Reports
from emulator.media.rtcp import RtcpError
from emulator.media.rtp import HEADER, HEADER_OCTETS, MARKER, PAYLOAD_TYPE_MASK, VERSION_2, VERSION_MASK, payload_of
from emulator.media.srtp import Fault, Inbound, Outbound, SrtpError, bad_tag

if TYPE_CHECKING:  # what only some calls need is imported by those
    from emulator.media.course import Course
    from emulator.media.dialler import Dialler
    from emulator.media.dtmf import Digit
    from emulator.media.events import Events

Reader = Callable[[bytearray, memoryview, int], None]
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
        "_clock", "_course", "_dialler", "_events", "_ids", "_inbound", "_kinds", "_listening", "_numbers", "_on_digit", "_out",
        "_outbound", "_seconds", "_sequence", "_timestamp", "_timestamp_at", "_unwanted_from", "address_taken", "agreement", "bad",
        "before_answer", "digits", "events", "heard", "in_band", "late", "plan", "reader", "refused", "rtcp", "send", "send_rtcp", "sent",
        "sent_octets", "ssrc", "strangers", "tap_heard", "tap_sent", "unknown_type", "unwanted",
    )  # fmt: skip

    def __init__(
        self,
        agreement: Agreement,
        clock: Clock,
        ids: Ids,
        plan: Plan | None = None,
        on_digit: "Callable[[Digit], None] | None" = None,
        cname: str = "vsim",
    ) -> None:
        """SSRC, sequence and timestamp begin at random (RFC 3550 5.1). `on_digit` is told of each digit that has ended."""
        self._clock = clock
        self._seconds = clock.seconds
        self._ids = ids
        self._on_digit = on_digit
        self.plan = plan or Plan()
        self.ssrc = ids.ssrc()
        self._sequence = ids.sequence()
        self._timestamp = 0
        self._timestamp_at = -1.0
        self.heard = Reception(agreement.codec.clock)
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
        self.late = 0
        """Packets from the right place after the call was over."""
        self.before_answer = 0
        self.address_taken = False
        """On a shared port: another call's description names the same address, and has it."""
        self.in_band: str | None = None
        """A digit that was heard as a tone."""
        self.sent = 0
        self.sent_octets = 0
        self.rtcp = Reports(self, clock, ids, cname)
        self._events: Events | None = None
        self._dialler: Dialler | None = None
        self._inbound: Inbound | None = None
        self._outbound: Outbound | None = None
        self._course: Course | None = None
        self.tap_heard: Tap | None = None
        self.tap_sent: Tap | None = None
        self.send: Callable[[Any], Any] = _discard
        self.send_rtcp: Callable[[Any], Any] = _discard
        self._out: Callable[[bytearray, memoryview, int], None] = self._send_plain
        self.reader: Reader = self.receive
        self._listening = True
        self.agreement = agreement
        self.change(agreement)

    def change(self, agreement: Agreement) -> None:
        """An offer and its answer settled something: payload types, direction, keys."""
        before = self.agreement
        self.agreement = agreement
        self.heard.retime(agreement.codec.clock)
        kind = _UNWANTED if not agreement.receive else _ECHO if self.plan.echoes and agreement.send else _HEARD
        self._kinds = {agreement.payload_type: kind}
        self._unwanted_from = self._seconds() + _CROSSING
        if agreement.event_type is not None:
            self._kinds[agreement.event_type] = _EVENT
        self._numbers = {ours: theirs for ours, theirs in agreement.numbers.items() if ours not in self._kinds}
        self._choose_keys(before.keys, agreement.keys)
        self._choose_path()

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
        self.heard.packet(sequence, timestamp, source, length, second & MARKER, now, kind == _EVENT)
        if kind == _EVENT:
            self._event(second & MARKER, sequence, timestamp, buffer, length, now)
            return
        if self.tap_heard is not None:
            self._tap(self.tap_heard, timestamp, buffer, length)
        if kind == _ECHO:
            self._sequence = own = (self._sequence + 1) & 0xFFFF
            self._timestamp, self._timestamp_at = timestamp, now
            HEADER.pack_into(buffer, 0, first, second, own, timestamp, self.ssrc)
            if self.tap_sent is not None:
                self._tap(self.tap_sent, timestamp, buffer, length)
            self._out(buffer, view, length)
            self.sent += 1
            self.sent_octets += length
        elif kind == _UNWANTED and now > self._unwanted_from:
            self.unwanted += 1

    def _receive_secure(self, buffer: bytearray, view: memoryview, length: int) -> None:
        if length < 2 or buffer[0] & VERSION_MASK != VERSION_2:  # STUN and DTLS are no SRTP that has gone wrong
            self.bad += 1
            return
        if 192 <= buffer[1] <= 223:
            self.receive_rtcp(bytes(view[:length]))
            return
        assert self._inbound is not None
        try:
            length = self._inbound.unprotect(buffer, length)
        except SrtpError as error:
            self.refused[error.kind] += 1
            return
        self.receive(buffer, view, length)

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

    # -- sent -----------------------------------------------------------------------------------------------------

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
        self._sequence = own = (self._sequence + 1) & 0xFFFF
        length = HEADER_OCTETS + len(payload)
        HEADER.pack_into(_SCRATCH, 0, VERSION_2, marker * MARKER | payload_type, own, timestamp & 0xFFFFFFFF, self.ssrc)
        _SCRATCH[HEADER_OCTETS:length] = payload
        if self.tap_sent is not None and payload_type == self.agreement.payload_type:
            self.tap_sent(payload_type, timestamp & 0xFFFFFFFF, payload)
        try:
            self._out(_SCRATCH, _SCRATCH_VIEW, length)
        except OSError:
            return  # a timer has nobody to tell; the port counts the errors of what is heard
        self.sent += 1
        self.sent_octets += length

    def media_time(self, clock: int) -> int:
        """The timestamp of now, in `clock` units: that of the newest packet sent and the time since."""
        now = self._seconds()
        if self._timestamp_at < 0:
            self._timestamp, self._timestamp_at = self._ids.number(1 << 32), now
        own = self.agreement.codec.clock
        units = self._timestamp + (now - self._timestamp_at) * own
        return int(units * clock / own if clock != own else units) & 0xFFFFFFFF

    def mark_time(self, timestamp: int) -> None:
        """A packet of audio of our own bears `timestamp` now."""
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
        self.reader = self._receive_secure if self._inbound is not None else self.receive
        if self._course is None and (plan.sent or plan.heard or plan.srtp == "bad-tag"):
            from emulator.media.course import Course  # only calls with impairments pay for them

            silence = self.agreement.codec.silence
            self._course = Course(plan, self._clock, self._ids, silence, self._protect, self._leave, self._receive_impaired)
        if self._course is not None:
            leaving, arriving = self._course.leaving, self._course.arriving
            self._out = lambda buffer, view, length: leaving(view[:length])
            if plan.heard:
                self.reader = lambda buffer, view, length: arriving(view[:length])

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
        try:
            self.send_rtcp(self._outbound.protect_rtcp(data) if self._outbound is not None else data)
        except (OSError, SrtpError):
            return False  # the peer has no port for them, which is its right
        return True

    def receive_rtcp(self, data: bytes) -> None:
        """One RTCP datagram, secure where RTP is."""
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
        for context in (self._inbound, self._outbound):
            if context is not None:
                context.close()
        self.send, self.send_rtcp = _discard, _discard
        self._out, self.reader = _nowhere, _nowhere  # bound methods of ours: without them no cycle is left
        self.tap_heard = self.tap_sent = None
        self._dialler = None
        self._on_digit = None

    def findings(self) -> list[Finding]:
        """What was odd about the media as a whole."""
        return summary.findings(self)

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
