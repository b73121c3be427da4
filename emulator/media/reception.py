"""What one call hears, as RFC 3550 counts it (A.1, A.3, A.8), and what is odd about the sender's sequence numbers and timestamps."""

from typing import Any

from emulator.counting import counted
from emulator.journal.findings import Finding
from emulator.media.quality import mos

_UNKNOWN = -1
_NO_TRANSIT = 1e18
_ASTRAY = 100_000_000
"""Timestamp units that no packet is late by: there the timestamp has jumped or wrapped."""
_MOST_DROPOUT = 3000
_DRIFT = 0.005
"""A sender's clock may be off by half a percent; sound cards are better than a hundredth of that."""
_DRIFT_SPAN = 20.0
"""Seconds of audio before its clock is judged: at this length 50 ms of jitter are a quarter of a percent."""
_UNSTEADY = 4.0
"""Times the mean of its deviation that a packet may be astray."""
_WORTH_TELLING = 0.01
"""Loss above which it is a finding."""


class Reception:
    """Counters of one direction. Timestamps and jitter are in units of the RTP clock."""

    __slots__ = (
        "_base", "_began", "_began_at", "_clock", "_cycles", "_drift", "_expected_before", "_highest", "_last", "_others",
        "_received_before", "_runs", "_step", "_step_seen", "_transit", "dtx", "duplicates", "jitter", "jumps", "octets", "packets",
        "reordered", "source", "sources", "unmarked",
    )  # fmt: skip

    def __init__(self, clock: int) -> None:
        """`clock` is the RTP clock in Hz."""
        self._clock = clock
        self.packets = 0
        self.octets = 0
        """Headers included."""
        self.duplicates = 0
        self.reordered = 0
        self.source = _UNKNOWN
        """The SSRC last heard."""
        self.sources = 0
        self.jumps = 0
        """Timestamps that went elsewhere than the packets before them had them go."""
        self.dtx = 0
        """Pauses: the timestamp moved on, the sequence number did not, and the packet after it bears the marker (RFC 3551 4.1)."""
        self.unmarked = 0
        """Such pauses without the marker: the timestamp moved on as far as time did."""
        self.jitter = 0.0
        """Interarrival jitter (A.8)."""
        self._base = 0
        self._highest = _UNKNOWN
        self._cycles = 0
        self._others = 0  # packets that were expected of sources before this one
        self._runs = 0  # of lost packets, however many in each
        self._last = 0  # timestamp of the newest packet
        self._step = 0  # timestamp units from packet to packet, as the last two had it
        self._step_seen = 0  # how often in a row
        self._transit = 0.0
        self._began = 0.0
        self._began_at = 0
        self._drift = 0.0
        self._expected_before = 0
        self._received_before = 0

    def packet(self, sequence: int, timestamp: int, source: int, length: int, marker: int, arrival: float, event: bool) -> None:
        """One packet, `arrival` in seconds. The timestamps of events say nothing of time (RFC 4733 2.1), so they are left out of it."""
        self.packets += 1
        self.octets += length
        highest = self._highest
        if source == self.source and sequence == (highest + 1) & 0xFFFF:
            self._highest = sequence
            if not sequence:
                self._cycles += 0x10000
        elif not self._out_of_order(sequence, timestamp, source, arrival):
            return
        if event:
            self._step_seen = 0  # audio gave way to it: how far the timestamp goes until it is back says nothing
            return
        step = (timestamp - self._last) & 0xFFFFFFFF
        self._last = timestamp
        if step == self._step:
            self._step_seen += 1
        else:
            self._another_step(step, sequence - highest, marker, arrival * self._clock - timestamp - self._transit)
        transit = arrival * self._clock - timestamp
        off = transit - self._transit
        self._transit = transit
        if -_ASTRAY < off < _ASTRAY:
            self.jitter += ((off if off > 0 else -off) - self.jitter) * 0.0625

    def run(self, octets: int, arrivals: tuple[float, ...], timestamps: tuple[int, ...], sequences: tuple[int, ...]) -> None:
        """Packets of audio of the source heard last, of `octets` each and without marker, as `packet` counts them one by one."""
        count, step, following = len(sequences), self._step, self._highest + 1
        due = self._last + step
        if not step or sequences != tuple(range(following, following + count)) or timestamps != tuple(range(due, due + count * step, step)):
            for arrival, timestamp, sequence in zip(arrivals, timestamps, sequences, strict=True):
                self.packet(sequence, timestamp, self.source, octets, 0, arrival, False)
            return
        self.packets += count
        self.octets += count * octets
        self._highest, self._last = sequences[-1], timestamps[-1]
        self._step_seen += count
        clock, transit, jitter = self._clock, self._transit, self.jitter
        for arrival, timestamp in zip(arrivals, timestamps, strict=True):
            before, transit = transit, arrival * clock - timestamp
            off = transit - before
            if -_ASTRAY < off < _ASTRAY:
                jitter += ((off if off > 0 else -off) - jitter) * 0.0625
        self._transit, self.jitter = transit, jitter

    def _out_of_order(self, sequence: int, timestamp: int, source: int, arrival: float) -> bool:
        """What is not the next packet; False for one that is older than what has been heard."""
        ahead = (sequence - self._highest) & 0xFFFF
        if source != self.source or (ahead > _MOST_DROPOUT and ahead < 0x10000 - 100):  # another source, or one that began anew (A.1)
            self._begin(sequence, timestamp, source, arrival)
            return True
        if not ahead:
            self.duplicates += 1
            return False
        if ahead > 0x8000:
            self.reordered += 1
            return False
        self._runs += 1
        if sequence < self._highest:
            self._cycles += 0x10000
        self._highest = sequence
        return True

    def _begin(self, sequence: int, timestamp: int, source: int, arrival: float) -> None:
        if self.source != source:
            self.sources += 1
        self._others = self.expected
        self.source, self._highest, self._base, self._cycles = source, sequence, sequence, 0
        self._last, self._step, self._step_seen = timestamp, 0, 0
        self._transit = arrival * self._clock - timestamp
        self._began, self._began_at = arrival, timestamp

    def _another_step(self, step: int, ahead: int, marker: int, off: float) -> None:
        """The timestamp did not move as it did before: with lost packets it should not, and a pause is right with a marker. `off` is by
        how much further time went."""
        if ahead & 0xFFFF == 1:
            if self._step_seen >= 3:  # a rhythm was there
                paused = 0 < step < self._clock * 600
                if marker and paused:
                    self.dtx += 1
                elif paused and step > self._step and abs(off) < max((step - self._step) / 4, _UNSTEADY * self.jitter):
                    # time went on as far, as far as that can be told: a pause all the same, as after a hold
                    self.unmarked += 1
                else:
                    self.jumps += 1
                self._step_seen = 1
                return  # the rhythm that was there is what the next packet is held against
            self._step, self._step_seen = step, 1

    @property
    def extended_highest(self) -> int:
        """The highest sequence number with its cycles (A.1); 0 before the first packet."""
        return max(0, self._cycles + self._highest)

    @property
    def expected(self) -> int:
        """Packets that should have come, of all sources."""
        return self._others + self._cycles + self._highest - self._base + 1 if self._highest != _UNKNOWN else 0

    @property
    def lost(self) -> int:
        """Packets that never came; negative when duplicates outnumber them (A.3)."""
        return self.expected - self.packets

    @property
    def loss(self) -> float:
        """The fraction of packets that never came, duplicates apart."""
        expected = self.expected
        return min(1.0, max(0.0, (expected - self.packets + self.duplicates) / expected)) if expected else 0.0

    @property
    def burst(self) -> float:
        """BurstR of G.107: the mean length of a run of lost packets over what chance would make of as much loss."""
        loss = self.loss
        return (self.loss * self.expected / self._runs) * (1 - loss) if self._runs and loss < 1 else 1.0

    def retime(self, clock: int) -> None:
        """Another codec with another RTP clock."""
        if clock != self._clock:
            self.jitter *= clock / self._clock
            self._clock, self._step, self._step_seen, self._transit = clock, 0, 0, _NO_TRANSIT

    def fraction_lost(self) -> int:
        """Since the last call of this, in 1/256 (A.3)."""
        expected, received = self.expected, self.packets
        wanted, got = expected - self._expected_before, received - self._received_before
        self._expected_before, self._received_before = expected, received
        return max(0, min(255, (wanted - got) * 256 // wanted)) if wanted > 0 else 0

    def look(self) -> None:
        """Compare the sender's clock with ours; to be called now and then."""
        if self._highest == _UNKNOWN or self.jumps:
            return
        units = (self._last - self._began_at) & 0xFFFFFFFF
        seconds = (self._transit + self._last) / self._clock - self._began  # from the first packet to the newest
        if seconds >= _DRIFT_SPAN and units < 0x80000000:
            self._drift = units / self._clock / seconds - 1

    @property
    def jitter_ms(self) -> float:
        return 1000 * self.jitter / self._clock

    @property
    def milliseconds(self) -> float:
        """Audio a packet, as the timestamps have it; 0 while they have no rhythm."""
        return 1000 * self._step / self._clock if self._step_seen >= 3 else 0.0

    def mos(self, codec: str) -> float:
        """What the E-model expects of these packets; delay is not known in one direction and left out."""
        return mos(codec, self.loss, 0.0, self.burst)

    def findings(self, ptime: int) -> list[Finding]:
        """What is odd; `ptime` is what our description asked for, in milliseconds."""
        found = []
        if self.sources > 1:
            found.append(Finding("rtp.ssrc-changed", f"{self.sources} SSRCs"))
        if self.jumps:
            found.append(Finding("rtp.timestamp-jump", counted(self.jumps, "time")))
        if self.dtx:
            found.append(Finding("rtp.dtx", counted(self.dtx, "pause")))
        if self.unmarked:
            found.append(Finding("rtp.no-marker", counted(self.unmarked, "pause")))
        if self.milliseconds and abs(self.milliseconds - ptime) > 0.5:
            found.append(Finding("rtp.ptime", f"{self.milliseconds:g} ms a packet"))
        if abs(self._drift) > _DRIFT:
            found.append(Finding("rtp.clock-drift", f"{self._drift * 100:+.1f} %"))
        if self.loss > _WORTH_TELLING:
            found.append(Finding("rtp.loss", f"{self.loss * 100:.1f} % lost"))
        return found

    def snapshot(self, codec: str) -> dict[str, Any]:
        """Ready for JSON; times in milliseconds."""
        return {
            "packets": self.packets,
            "octets": self.octets,
            "lost": max(0, self.lost),
            "loss": round(self.loss, 4),
            "duplicates": self.duplicates,
            "reordered": self.reordered,
            "jitter_ms": round(self.jitter_ms, 2),
            "packet_ms": round(self.milliseconds, 2),
            "sources": self.sources,
            "mos": round(self.mos(codec), 2) if self.packets else None,
        }
