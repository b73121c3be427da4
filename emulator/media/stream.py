"""One call's audio, there and back: what is heard is counted and echoed.

`receive` is the hot path: it asks nothing that was known when the answer was made, and makes no object that outlives the packet.
"""

from collections.abc import Callable
from typing import Any

from emulator.clock import Clock
from emulator.journal.findings import Finding
from emulator.media import rtcp
from emulator.media.offer import Agreement
from emulator.media.rtp import HEADER, HEADER_OCTETS, PAYLOAD_TYPE_MASK, VERSION_2, VERSION_MASK

_RTCP_INTERVAL = 1.0
"""Reports are answered at most once in so many seconds, or a peer could have us send without end."""

_ECHO, _EVENT = 1, 2


class Stream:
    """The echo of one call. `send` and `send_rtcp` are set by the port it is attached to; they may raise `OSError`."""

    __slots__ = (
        "_clock", "_cname", "_cycles", "_first", "_highest", "_kinds", "_last_report", "_sending", "_sequence", "_timestamp",
        "agreement", "bad", "duplicates", "events", "octets", "packets", "reordered", "reports", "send", "send_rtcp", "sent",
        "sent_octets", "source", "ssrc", "unknown_type",
    )  # fmt: skip

    def __init__(self, agreement: Agreement, clock: Clock, ssrc: int, sequence: int, cname: str = "vsim") -> None:
        """`ssrc` and `sequence` are where our own header fields start (RFC 3550 5.1: both random)."""
        self._clock = clock
        self._cname = cname
        self.ssrc = ssrc
        self._sequence = sequence
        self._timestamp = 0
        self.source = 0  # the SSRC last heard
        self._first = -1
        self._highest = 0
        self._cycles = 0
        self.packets = 0
        """RTP packets heard, telephone-events included."""
        self.octets = 0
        self.events = 0
        self.duplicates = 0
        self.reordered = 0
        self.unknown_type = 0
        """Packets of a payload type that was not agreed; they are not echoed."""
        self.bad = 0
        """Octets that are no RTP or no RTCP."""
        self.sent = 0
        self.sent_octets = 0
        self.reports = 0
        self._last_report = float("-inf")
        self.send: Callable[[memoryview], Any] = _discard
        self.send_rtcp: Callable[[bytes], Any] = _discard
        self.change(agreement)

    def change(self, agreement: Agreement) -> None:
        """A re-INVITE settled something new: payload types, direction."""
        self.agreement = agreement
        self._sending = agreement.send
        self._kinds = {agreement.payload_type: _ECHO}
        if agreement.event_type is not None:
            self._kinds[agreement.event_type] = _EVENT

    def receive(self, buffer: bytearray, view: memoryview, length: int) -> None:
        """One datagram of `length` octets at the start of `buffer`; the header is rewritten in place and the packet sent back.

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
                self.receive_rtcp(bytes(view[:length]))
            else:
                self.unknown_type += 1
            return
        self.packets += 1
        self.octets += length
        step = (sequence - self._highest) & 0xFFFF
        if step == 1 and source == self.source:
            self._highest = sequence
            if not sequence:
                self._cycles += 0x10000
        elif source != self.source or self._first < 0:
            self.source, self._first, self._highest, self._cycles = source, sequence, sequence, 0
        elif step == 0:
            self.duplicates += 1
        elif step < 0x8000:
            if sequence < self._highest:
                self._cycles += 0x10000
            self._highest = sequence
        else:
            self.reordered += 1
        if kind == _EVENT:
            # Events are never echoed packet for packet: some stacks send their next one for each that they hear.
            self.events += 1
            return
        if self._sending:
            self._sequence = own = (self._sequence + 1) & 0xFFFF
            self._timestamp = timestamp
            HEADER.pack_into(buffer, 0, first, second, own, timestamp, self.ssrc)
            self.send(view[:length])
            self.sent += 1
            self.sent_octets += length

    def receive_rtcp(self, data: bytes) -> None:
        """One RTCP datagram; a report is answered with one of ours."""
        try:
            types, sender = rtcp.parse(data)
        except rtcp.RtcpError:
            self.bad += 1
            return
        self.reports += 1
        now = self._clock.seconds()
        if now - self._last_report < _RTCP_INTERVAL or rtcp.BYE in types:
            return
        self._last_report = now
        self.send_rtcp(self._report(sender))

    def _report(self, sender: rtcp.SenderInfo | None) -> bytes:
        """SR when we have sent, else RR, with a block on the source, and our CNAME (RFC 3550 6.4)."""
        blocks = b""
        if self._first >= 0:
            lsr = sender.ntp_middle if sender is not None and sender.ssrc == self.source else 0
            blocks = rtcp.report_block(self.source, 0, self.lost, self._cycles + self._highest, 0, lsr, 0)
        if self.sent:
            report = rtcp.sender_report(self.ssrc, self._clock.wall(), self._timestamp, self.sent, self._payload_octets, blocks)
        else:
            report = rtcp.receiver_report(self.ssrc, blocks)
        return report + rtcp.description(self.ssrc, self._cname)

    @property
    def _payload_octets(self) -> int:
        return self.sent_octets - HEADER_OCTETS * self.sent  # headers do not count (6.4.1)

    @property
    def lost(self) -> int:
        """Packets of the last source that never came; negative when duplicates outnumber them (A.3)."""
        if self._first < 0:
            return 0
        return self._cycles + self._highest - self._first + 1 - self.packets

    def end(self) -> None:
        """The call is over: say BYE if anything was ever sent (RFC 3550 6.3.7)."""
        if self.sent:
            try:
                self.send_rtcp(self._report(None) + rtcp.bye(self.ssrc))
            except OSError:
                pass  # a peer that has closed its port already needs no BYE
        self.send, self.send_rtcp = _discard, _discard

    def findings(self) -> list[Finding]:
        """What was odd about the media as a whole."""
        if self.unknown_type:
            return [Finding("media.payload-type", f"{self.unknown_type} packets of a payload type that was not agreed")]
        return []

    def snapshot(self) -> dict[str, Any]:
        """Counters, ready for JSON."""
        agreement = self.agreement
        return {
            "codec": agreement.codec.name,
            "payload_type": agreement.payload_type,
            "event_payload_type": agreement.event_type,
            "remote": f"{agreement.remote[0]}:{agreement.remote[1]}",
            "send": agreement.send,
            "receive": agreement.receive,
            "packets_received": self.packets,
            "octets_received": self.octets,
            "packets_sent": self.sent,
            "events_received": self.events,
            "lost": max(0, self.lost),
            "duplicates": self.duplicates,
            "reordered": self.reordered,
            "unknown_payload_type": self.unknown_type,
            "malformed": self.bad,
            "rtcp_received": self.reports,
        }


def _discard(data: object) -> None:
    """Where packets go before a port is attached and after it has closed."""
