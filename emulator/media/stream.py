"""One call's audio, there and back: what is heard is counted, and echoed or answered with what the plan says.

`receive` is the hot path: it asks nothing that was known when the answer was made, and makes no object that outlives the packet. Plain or
secure, impaired or not, is a method chosen when media was agreed: `reader` is what a port hands its datagrams to, `_out` what packets
leave through.
"""

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from emulator.clock import Clock, Timer
from emulator.ids import Ids
from emulator.journal.findings import Finding
from emulator.media import rtcp
from emulator.media.offer import PTIME, Agreement, Keys
from emulator.media.plan import Plan
from emulator.media.quality import mos
from emulator.media.reception import Reception
from emulator.media.rtp import HEADER, HEADER_OCTETS, MARKER, PAYLOAD_TYPE_MASK, VERSION_2, VERSION_MASK, payload_of
from emulator.media.srtp import Fault, Inbound, Outbound, SrtpError, bad_tag

if TYPE_CHECKING:  # what only some calls need is imported by those
    from emulator.media.chain import Chain
    from emulator.media.dialler import Dialler
    from emulator.media.dtmf import Digit, Digits

Reader = Callable[[bytearray, memoryview, int], None]
Tap = Callable[[int, bytes], None]
"""Told of audio: payload type and payload."""

REPORT_INTERVAL = 5.0
"""Seconds between RTCP reports, on the average (RFC 3550 6.2: the recommended minimum)."""
_COMPENSATION = 1.21828
"""e - 3/2: what randomising alone would make of the interval (6.3.1)."""
_DIGITS_KEPT = 256

_ECHO, _HEARD, _EVENT, _UNWANTED = 1, 2, 3, 4
_CROSSING = 1.0
"""Seconds for which packets may still come after a description has forbidden them: they cross it, and the other side takes a moment."""
_SCRATCH = bytearray(1500 + 148)
"""Where packets of our own are made; one for all calls, for each is sent before the next is made."""
_SCRATCH_VIEW = memoryview(_SCRATCH)


class Stream:
    """The media of one call. `send` and `send_rtcp` are set by the port it is attached to; they may raise `OSError`."""

    __slots__ = (
        "_chains", "_clock", "_cname", "_dialler", "_digits", "_event_clock", "_ids", "_inbound", "_kinds", "_listening", "_on_digit",
        "_out", "_outbound", "_quiet", "_report_timer", "_rtcp_at", "_seconds", "_sequence", "_timestamp", "_timestamp_at", "address_taken",
        "agreement", "bad", "before_answer", "digits", "events", "heard", "in_band", "late", "plan", "reader", "reduced", "refused",
        "reports", "reports_sent", "round_trip", "send", "send_rtcp", "sent", "sent_octets", "ssrc", "strangers", "tap_heard", "tap_sent",
        "their_sender", "theirs", "unknown_type", "unwanted", "_unwanted_from",
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
        self._cname = cname
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
        self.reports = 0
        self.reports_sent = 0
        self.reduced = 0
        """RTCP packets that began with no report."""
        self.theirs: rtcp.Block | None = None
        """What the other side last said it hears of us."""
        self.their_sender: rtcp.SenderInfo | None = None
        self.round_trip: float | None = None
        """Seconds, from its reports (6.4.1)."""
        self._rtcp_at = 0.0  # when their last SR came
        self._digits: Digits | None = None
        self._event_clock = 0
        self._quiet: Timer | None = None
        self._dialler: Dialler | None = None
        self._report_timer: Timer | None = None
        self._inbound: Inbound | None = None
        self._outbound: Outbound | None = None
        self._chains: list[Chain] = []
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
            if 192 <= second <= 223:  # RTCP on the RTP port (RFC 5761 4)
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
            self._tap(self.tap_heard, buffer, length)
        if kind == _ECHO:
            self._sequence = own = (self._sequence + 1) & 0xFFFF
            self._timestamp, self._timestamp_at = timestamp, now
            HEADER.pack_into(buffer, 0, first, second, own, timestamp, self.ssrc)
            if self.tap_sent is not None:
                self._tap(self.tap_sent, buffer, length)
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
    def _tap(tap: Tap, buffer: bytearray, length: int) -> None:
        place = payload_of(buffer, length)
        if place is not None:
            tap(buffer[1] & PAYLOAD_TYPE_MASK, bytes(buffer[place[0] : place[1]]))

    def _event(self, marker: int, sequence: int, timestamp: int, buffer: bytearray, length: int, now: float) -> None:
        self.events += 1
        digits = self._digits
        if digits is None or self._event_clock != self.agreement.event_clock:
            from emulator.media.dtmf import Digits

            self._event_clock = self.agreement.event_clock
            digits = self._digits = Digits(self._event_clock, self._digit)
        place = payload_of(buffer, length)
        if place is None:
            self.bad += 1
            return
        digits.packet(bool(marker), sequence, timestamp, bytes(buffer[place[0] : place[1]]), now)
        if self._quiet is None and self._listening:
            self._await_quiet()

    def _await_quiet(self) -> None:
        """An event whose end never comes has ended when its packets have."""
        due = self._digits.due if self._digits is not None else None
        self._quiet = self._clock.call_later(max(0.0, due - self._seconds()), self._on_quiet) if due is not None else None

    def _on_quiet(self) -> None:
        assert self._digits is not None
        self._digits.expire(self._seconds())
        self._await_quiet()

    def _digit(self, digit: "Digit") -> None:
        if len(self.digits) >= _DIGITS_KEPT:
            return  # whoever sends so many sends garbage, and each would be a line in the log
        self.digits.append(digit)
        agreed = self.agreement
        if self.plan.echo_digits and self.plan.echoes and agreed.send and agreed.receive and self._listening:
            self.dialler.dial(digit.name, digit.duration)
        if self._on_digit is not None:
            self._on_digit(digit)

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
            self.tap_sent(payload_type, payload)
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
        if not self._chains and (plan.sent or plan.heard or plan.srtp == "bad-tag"):
            self._make_chains()
        if self._chains:
            before_protection, arriving = self._chains[0], self._chains[-1]
            self._out = lambda buffer, view, length: before_protection(view[:length])
            if plan.heard:
                self.reader = lambda buffer, view, length: arriving(view[:length])

    def _make_chains(self) -> None:
        """Rewriting what a packet says comes before protection, all else after it; what is heard has a chain of its own."""
        from emulator.chance import Chance
        from emulator.media.chain import REWRITING, chain  # only calls with impairments pay for them
        from emulator.media.impair import Room

        chance, room, silence = Chance(self._ids), Room(), self.agreement.codec.silence
        rewriting = [spec for spec in self.plan.sent if spec[0] in REWRITING]
        others = [spec for spec in self.plan.sent if spec[0] not in REWRITING]
        leaving = chain(others, self._leave, self._clock, chance, silence, room)
        before = chain(rewriting, lambda packet: leaving(self._protect(packet)), self._clock, chance, silence, room)
        arriving = chain(self.plan.heard, self._receive_impaired, self._clock, chance, silence, room)
        self._chains = [before, leaving, arriving]

    def _leave(self, packet: bytes | memoryview) -> None:
        if packet:
            self.send(packet)

    # -- RTCP -----------------------------------------------------------------------------------------------------

    def start_reports(self) -> None:
        """Media flows: reports begin, the first one after half an interval (RFC 3550 6.2)."""
        if self._report_timer is None and self._listening:
            self._report_timer = self._clock.call_later(self._interval() / 2, self._on_report)

    def _interval(self) -> float:
        return REPORT_INTERVAL * (0.5 + self._ids.number(1001) / 1000) / _COMPENSATION

    def _on_report(self) -> None:
        self._report_timer = self._clock.call_later(self._interval(), self._on_report)
        self.heard.look()
        self._send_report(self._report())

    def _send_report(self, data: bytes) -> None:
        try:
            self.send_rtcp(self._outbound.protect_rtcp(data) if self._outbound is not None else data)
            self.reports_sent += 1
        except (OSError, SrtpError):
            pass  # the peer has no port for them, which is its right

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
            compound = rtcp.parse(data)
        except rtcp.RtcpError:
            self.bad += 1
            return
        self.reports += 1
        self.reduced += compound.reduced
        if compound.sender is not None:
            self.their_sender, self._rtcp_at = compound.sender, self._seconds()
        for block in compound.blocks:
            if block.ssrc == self.ssrc:
                self.theirs = block
                if block.lsr:
                    trip = (rtcp.ntp_middle(self._clock.wall()) - block.lsr - block.dlsr) & 0xFFFFFFFF
                    self.round_trip = trip / 65536 if trip < 0x80000000 else 0.0  # their clock runs a little faster

    def _report(self) -> bytes:
        """SR when we have sent, else RR, with a block on the source, and our CNAME (RFC 3550 6.4)."""
        blocks, heard, sender = b"", self.heard, self.their_sender
        if heard.packets:
            lsr = dlsr = 0
            if sender is not None and sender.ssrc == heard.source:
                lsr, dlsr = sender.ntp_middle, int((self._seconds() - self._rtcp_at) * 65536)
            blocks = rtcp.report_block(
                heard.source, heard.fraction_lost(), heard.lost, heard.extended_highest, int(heard.jitter), lsr, dlsr
            )
        if self.sent:
            at = self.media_time(self.agreement.codec.clock)
            report = rtcp.sender_report(self.ssrc, self._clock.wall(), at, self.sent, self._payload_octets, blocks)
        else:
            report = rtcp.receiver_report(self.ssrc, blocks)
        return report + rtcp.description(self.ssrc, self._cname)

    @property
    def _payload_octets(self) -> int:
        return self.sent_octets - HEADER_OCTETS * self.sent  # headers do not count (6.4.1)

    # -- the end, and what was ------------------------------------------------------------------------------------

    def answered(self) -> None:
        """The call is answered: what came before came early."""
        self.before_answer = self.heard.packets

    def end(self) -> None:
        """The call is over: say BYE if anything was ever sent (RFC 3550 6.3.7), and give everything back."""
        if not self._listening:
            return
        self._listening = False
        if self._digits is not None:
            self._digits.close(self._seconds())
        for timer in (self._quiet, self._report_timer):
            if timer is not None:
                timer.cancel()
        if self._dialler is not None:
            self._dialler.stop()
        self.heard.look()
        if self.sent:
            self._send_report(self._report() + rtcp.bye(self.ssrc))
        for one in self._chains:
            one.close()
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
        agreement = self.agreement
        found = self.heard.findings(agreement.mode if agreement.codec.name == "iLBC" else PTIME)
        if self._digits is not None:
            found.extend(self._digits.findings())
        for count, code, what in (
            (self.unknown_type, "media.payload-type", "of a payload type that was not agreed"),
            (self.unwanted, "media.direction", "while none were to be sent"),
            (self.strangers, "media.stranger", "from elsewhere"),
            (self.late, "media.after-bye", "after the end"),
            (self.before_answer, "media.before-answer", "before the 200"),
            (self.bad, "media.malformed", "that are neither RTP nor RTCP"),
            (self.reduced, "rtcp.reduced-size", "that begin with no report"),
            (self.refused[Fault.FORGED], "srtp.forged", "whose tag is not right"),
            (self.refused[Fault.REPLAYED], "srtp.replayed", "a second time"),
            (self.refused[Fault.MALFORMED] + self.refused[Fault.SOURCES] + self.refused[Fault.OTHER], "srtp.unusable", "that are no SRTP"),
        ):
            if count:
                found.append(Finding(code, f"{count} packets {what}"))
        if self.address_taken:
            found.append(Finding("media.address-taken", f"{agreement.remote[0]}:{agreement.remote[1]}"))
        if self.in_band is not None:
            found.append(Finding("dtmf.in-band", self.in_band))
        theirs, sender = self.theirs, self.their_sender
        if theirs is not None and theirs.lost > 0 and theirs.lost > self.sent // 100:
            found.append(Finding("rtcp.loss", f"the client misses {theirs.lost} packets"))
        if sender is not None and sender.ssrc == self.heard.source and sender.packets > self.heard.expected * 1.05 + 50:
            found.append(Finding("rtcp.counts", f"{sender.packets} sent by its own account, {self.heard.packets} came"))
        return found

    def snapshot(self) -> dict[str, Any]:
        """What was agreed and counted, ready for JSON."""
        agreement, heard, theirs = self.agreement, self.heard, self.theirs
        codec = agreement.codec
        lost = theirs.lost / self.sent if theirs is not None and self.sent else None
        return {
            "codec": codec.name,
            "payload_type": agreement.payload_type,
            "event_payload_type": agreement.event_type,
            "srtp": agreement.keys is not None,
            "remote": f"{agreement.remote[0]}:{agreement.remote[1]}",
            "send": agreement.send,
            "receive": agreement.receive,
            "packets_received": heard.packets,
            "packets_sent": self.sent,
            "heard": heard.snapshot(codec.name),
            "sent": {
                "packets": self.sent,
                "octets": self.sent_octets,
                "lost": theirs.lost if theirs is not None else None,
                "jitter_ms": round(1000 * theirs.jitter / codec.clock, 2) if theirs is not None else None,
                "mos": round(mos(codec.name, min(1.0, max(0.0, lost))), 2) if lost is not None else None,
            },
            "round_trip_ms": round(1000 * self.round_trip, 1) if self.round_trip is not None else None,
            "events_received": self.events,
            "digits": "".join(digit.name if len(digit.name) == 1 else f"<{digit.name}>" for digit in self.digits),
            "unknown_payload_type": self.unknown_type,
            "against_direction": self.unwanted,
            "malformed": self.bad,
            "strangers": self.strangers,
            "srtp_refused": sum(self.refused.values()),
            "rtcp_received": self.reports,
            "rtcp_sent": self.reports_sent,
            "impairments": {name: counts for one in self._chains for name, counts in one.counters().items()},
        }


def _discard(data: object) -> None:
    """Where packets go before a port is attached and after it has closed."""


def _nowhere(buffer: bytearray, view: memoryview, length: int) -> None:
    """What is heard after the end."""
