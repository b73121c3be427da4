"""RTCP of one call (RFC 3550 6): when reports go out, what ours say, and what theirs have said of us."""

from typing import Protocol

from emulator.clock import Clock, Timer
from emulator.ids import Ids
from emulator.media import rtcp
from emulator.media.offer import Agreement
from emulator.media.reception import Reception
from emulator.media.rtp import HEADER_OCTETS

REPORT_INTERVAL = 5.0
"""Seconds between RTCP reports, on the average (RFC 3550 6.2: the recommended minimum)."""
_COMPENSATION = 1.21828
"""e - 3/2: what randomising alone would make of the interval (6.3.1)."""


class Line(Protocol):
    """Whose reports these are: a stream."""

    agreement: Agreement
    ssrc: int

    @property
    def heard(self) -> Reception:
        """What was heard so far."""

    @property
    def sent(self) -> int:
        """Packets."""

    @property
    def sent_octets(self) -> int:
        """Headers included."""

    def media_time(self, clock: int) -> int:
        """The timestamp of now in `clock` units a second."""

    def send_report(self, data: bytes) -> bool:
        """Send a compound packet, protected where media is; whether it could be sent."""


class Reports:
    """The reports of one call, both ways."""

    __slots__ = (
        "_at", "_clock", "_cname", "_ids", "_line", "_timer", "received", "reduced", "round_trip", "sender", "sent", "theirs",
    )  # fmt: skip

    def __init__(self, line: Line, clock: Clock, ids: Ids, cname: str) -> None:
        self._line: Line | None = line
        self._clock = clock
        self._ids = ids
        self._cname = cname
        self._timer: Timer | None = None
        self._at = 0.0  # when their last SR came
        self.received = 0
        self.sent = 0
        self.reduced = 0
        """Those that began with no report."""
        self.theirs: rtcp.Block | None = None
        """What the other side last said it hears of us."""
        self.sender: rtcp.SenderInfo | None = None
        """What the other side last said it sends."""
        self.round_trip: float | None = None
        """Seconds, from its reports (6.4.1)."""

    def start(self) -> None:
        """Media flows: reports begin, the first one after half an interval (6.2)."""
        if self._timer is None and self._line is not None:
            self._timer = self._clock.call_later(self._interval() / 2, self._on_report)

    def _interval(self) -> float:
        return REPORT_INTERVAL * (0.5 + self._ids.number(1001) / 1000) / _COMPENSATION

    def _on_report(self) -> None:
        line = self._line
        assert line is not None
        self._timer = self._clock.call_later(self._interval(), self._on_report)
        line.heard.look()
        self.sent += line.send_report(self._report(line))

    def stop(self) -> None:
        """The call is over: say BYE if anything was ever sent (6.3.7). Harmless when done before."""
        line, self._line = self._line, None  # each knows the other: apart, both are freed at once
        if line is None:
            return
        if self._timer is not None:
            self._timer.cancel()
        line.heard.look()
        if line.sent:
            self.sent += line.send_report(self._report(line) + rtcp.bye(line.ssrc))

    def receive(self, data: bytes, ssrc: int) -> None:
        """A compound packet of theirs, not protected any more; `ssrc` is ours. Raises `RtcpError`."""
        compound = rtcp.parse(data)
        self.received += 1
        self.reduced += compound.reduced
        if compound.sender is not None:
            self.sender, self._at = compound.sender, self._clock.seconds()
        for block in compound.blocks:
            if block.ssrc == ssrc:
                self.theirs = block
                if block.lsr:
                    trip = (rtcp.ntp_middle(self._clock.wall()) - block.lsr - block.dlsr) & 0xFFFFFFFF
                    self.round_trip = trip / 65536 if trip < 0x80000000 else 0.0  # their clock runs a little faster

    def _report(self, line: Line) -> bytes:
        """SR when we have sent, else RR, with a block on the source, and our CNAME (6.4)."""
        blocks, heard, sender = b"", line.heard, self.sender
        if heard.packets:
            lsr = dlsr = 0
            if sender is not None and sender.ssrc == heard.source:
                lsr, dlsr = sender.ntp_middle, int((self._clock.seconds() - self._at) * 65536)
            blocks = rtcp.report_block(
                heard.source, heard.fraction_lost(), heard.lost, heard.extended_highest, int(heard.jitter), lsr, dlsr
            )
        if line.sent:
            at = line.media_time(line.agreement.codec.clock)
            octets = line.sent_octets - HEADER_OCTETS * line.sent  # headers do not count (6.4.1)
            report = rtcp.sender_report(line.ssrc, self._clock.wall(), at, line.sent, octets, blocks)
        else:
            report = rtcp.receiver_report(line.ssrc, blocks)
        return report + rtcp.description(line.ssrc, self._cname)
