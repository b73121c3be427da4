"""Digits heard as telephone-events, and what is said of their sender."""

import struct
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.journal.findings import CATALOGUE
from emulator.media.dtmf import QUIET, Digit, Digits
from emulator.media.dtmf_sender import Packet, Quirk, rate, send
from emulator.media.telephone_event import NAMES, Event, name_of, parse

CODES = {
    f"dtmf.{code}"
    for code in (
        "no-marker", "marker-repeated", "no-end", "end-once", "clock", "duration-backwards", "timestamp-moved", "timestamp-reused",
        "one-packet", "short", "long", "gap", "event-unknown", "letter", "flash", "volume", "malformed", "reserved", "several",
        "zero-duration",
    )
}  # fmt: skip


def test_each_code_is_in_the_catalogue() -> None:
    assert set(CATALOGUE) >= CODES


class Line:
    """What one call's receiver says of the packets it is given, 20 ms and one sequence number apart unless told otherwise."""

    def __init__(self, clock: int = 8000, sequence: int = 1000) -> None:
        self.digits: list[Digit] = []
        self.receiver = Digits(clock, self.digits.append)
        self.sequence = sequence
        self.now = 50.0

    def say(
        self,
        event: int,
        timestamp: int,
        duration: int,
        flags: str = "",
        *,
        sequence: int | None = None,
        after: float = 0.02,
        volume: int = 10,
    ) -> "Line":
        """One packet, `after` seconds behind the last; `flags`: M marker, E end, R reserved bit."""
        self.now += after
        self.sequence = self.sequence + 1 if sequence is None else sequence
        payload = struct.pack("!BBH", event, 0x80 * ("E" in flags) | 0x40 * ("R" in flags) | volume, duration)
        self.receiver.packet("M" in flags, self.sequence & 0xFFFF, timestamp & 0xFFFFFFFF, payload, self.now)
        return self

    def event(
        self, event: int, timestamp: int, durations: tuple[int, ...] = (160, 320, 480, 640), ends: int = 3, volume: int = 10
    ) -> "Line":
        """A whole event: updates of these durations, then its end one packet later."""
        for k, duration in enumerate(durations):
            self.say(event, timestamp, duration, "" if k else "M", volume=volume)
        for _ in range(ends):
            self.say(event, timestamp, durations[-1] + 160, "E", volume=volume)
        return self

    def quiet(self) -> "Line":
        self.now += QUIET
        self.receiver.expire(self.now)
        return self

    @property
    def names(self) -> list[str]:
        return [digit.name for digit in self.digits]

    @property
    def seen(self) -> dict[str, str]:
        return {finding.code: finding.seen for finding in self.receiver.findings()}


# ------------------------------------------------------------------ digits


def test_a_digit_as_the_rfc_sends_it() -> None:
    line = Line().event(5, 7000)
    assert line.digits == [Digit("5", 0.1, 10, 50.02, 5, True)]
    assert line.quiet().seen == {} and len(line.digits) == 1 and line.receiver.due is None


def test_a_digit_is_told_with_its_first_end_packet() -> None:
    line = Line().say(5, 0, 160, "M").say(5, 0, 320)
    assert line.digits == []
    line.say(5, 0, 480, "E")
    assert line.names == ["5"]


@pytest.mark.parametrize("late", [0.0, 0.1, 0.19, 0.5, 100.0])
def test_ends_that_come_again_make_no_second_digit(late: float) -> None:
    line = Line().event(5, 0)
    line.say(5, 0, 800, "E", after=late).say(5, 0, 800, "E", sequence=line.sequence)
    assert line.names == ["5"]


def test_an_update_after_the_end_changes_nothing() -> None:
    for duration in (640, 960):
        line = Line().event(5, 0).say(5, 0, duration).quiet()
        assert [(digit.name, digit.duration) for digit in line.digits] == [("5", 0.1)] and line.seen == {}


def test_ends_with_markers_make_no_second_digit() -> None:
    line = Line().event(5, 0).say(5, 0, 800, "ME").quiet()
    assert line.names == ["5"] and set(line.seen) == {"dtmf.marker-repeated"}


def test_the_clock_rate_makes_seconds() -> None:
    line = Line(16000).event(5, 0, (320, 640, 960, 1280))
    assert line.digits[0].duration == 1440 / 16000
    assert Line(48000).event(5, 0, (4800,)).digits[0].duration == 4960 / 48000


def test_without_end_the_event_is_over_200_ms_after_its_last_packet() -> None:
    line = Line().say(5, 0, 160, "M").say(5, 0, 320)
    assert line.receiver.due == line.now + QUIET and QUIET == 0.2
    line.receiver.expire(line.now + 0.199)
    assert line.digits == []
    line.receiver.expire(line.now + QUIET)
    assert line.digits == [Digit("5", 0.04, 10, 50.02, 2, False)]
    assert line.receiver.due is None
    line.receiver.expire(line.now + 9)
    assert len(line.digits) == 1


def test_each_packet_puts_the_end_off() -> None:
    line = Line().say(5, 0, 160, "M")
    for k in range(2, 8):
        line.say(5, 0, 1200 * k, after=0.15)
    assert line.digits == []


def test_a_packet_that_comes_after_the_200_ms_belongs_to_the_digit_that_is_over() -> None:
    line = Line().say(5, 0, 160, "M").say(5, 0, 1920, after=0.2)
    assert line.digits == [Digit("5", 0.02, 10, 50.02, 1, False)]
    line.say(5, 0, 2080).say(5, 0, 2240, "E").quiet()
    assert len(line.digits) == 1


def test_without_end_the_event_is_over_when_another_begins() -> None:
    line = Line().say(5, 0, 160, "M").say(5, 0, 320).say(6, 1600, 160, "M")
    assert line.digits == [Digit("5", 0.04, 10, 50.02, 2, False)]
    line.say(5, 0, 480).say(5, 0, 640, "E")
    assert len(line.digits) == 1


def test_the_end_of_the_call_ends_the_event() -> None:
    line = Line().say(5, 0, 160, "M").say(5, 0, 320)
    line.receiver.close(line.now + 0.01)
    line.receiver.close(line.now + 0.02)
    assert line.digits == [Digit("5", 0.04, 10, 50.02, 2, False)] and line.receiver.due is None
    assert line.seen == {}, "who hangs up during a digit sends no end packets"


def test_the_end_of_the_call_is_no_excuse_for_an_event_that_was_over_before() -> None:
    line = Line().event(5, 0, ends=1)
    line.receiver.close(line.now + QUIET)
    assert set(line.seen) == {"dtmf.end-once"}
    line = Line().say(5, 0, 800, "ME")
    line.receiver.close(line.now + 0.1)
    assert line.seen == {} and line.names == ["5"]
    line = Line().say(5, 0, 160, "M")
    line.receiver.close(line.now)
    assert line.seen == {} and line.names == ["5"]
    line = Line().say(5, 0, 200, "ME")
    line.receiver.close(line.now)
    assert line.seen == {"dtmf.short": "5: 25 ms"}


def test_the_same_digit_twice() -> None:
    line = Line().event(5, 0).event(5, 1600).quiet()
    assert line.names == ["5", "5"] and line.seen == {}


@pytest.mark.parametrize(("first", "second"), [(5, 5), (5, 6)])
def test_two_digits_without_a_gap(first: int, second: int) -> None:
    line = Line().event(first, 0).event(second, 800).quiet()
    assert line.names == [NAMES[first], NAMES[second]]
    assert line.seen == {"dtmf.gap": f"{second}: begins 0 ms after the end of {first}"}


def test_the_same_digit_twice_without_markers_ends_or_gap_to_tell() -> None:
    line = Line()
    for timestamp in (0, 1600):
        for k in range(1, 6):
            line.say(5, timestamp, 160 * k)
    line.quiet()
    assert line.names == ["5", "5"] and set(line.seen) == {"dtmf.no-marker", "dtmf.no-end"}
    assert "(2 times)" in line.seen["dtmf.no-end"] and "(2 times)" in line.seen["dtmf.no-marker"]


def test_ends_between_the_packets_of_the_next_event() -> None:
    """Sent by one that begins the next digit while it repeats the end of the last."""
    line = Line()
    for k in range(1, 5):
        line.say(5, 0, 160 * k, "M" if k == 1 else "")
    line.say(5, 0, 800, "E").say(6, 800, 160, "M").say(5, 0, 800, "E").say(6, 800, 320).say(5, 0, 800, "E")
    for k in range(3, 5):
        line.say(6, 800, 160 * k)
    for _ in range(3):
        line.say(6, 800, 800, "E")
    assert line.quiet().names == ["5", "6"] and set(line.seen) == {"dtmf.gap"}
    assert [digit.ended for digit in line.digits] == [True, True]


def test_an_event_that_begins_inside_the_one_before() -> None:
    line = Line().event(5, 0).event(6, 480).quiet()
    assert line.names == ["5", "6"]
    assert line.seen == {"dtmf.gap": "6: begins 40 ms before the end of 5"}


def test_an_event_of_another_code_at_the_same_timestamp_is_another() -> None:
    line = Line().event(5, 0).event(6, 0).quiet()
    assert line.names == ["5", "6"]


def test_sequence_and_timestamp_wrap() -> None:
    line = Line(sequence=0xFFFC).event(5, 0xFFFFFF00).event(6, 0xFFFFFF00 + 1600).quiet()
    assert line.names == ["5", "6"] and line.seen == {} and line.digits[1].at > line.digits[0].at
    line = Line(sequence=0xFFFE).event(5, 0xFFFFFF00).event(6, 0xFFFFFF00 + 800 + 160).quiet()
    assert line.seen == {"dtmf.gap": "6: begins 20 ms after the end of 5"}


def test_a_first_packet_overtaken_by_the_second() -> None:
    line = Line(sequence=0xFFFF)
    line.say(5, 0, 320, sequence=0x10000).say(5, 0, 160, "M", sequence=0xFFFF)
    for k in range(3):
        line.say(5, 0, 480, "E", sequence=0x10001 + k)
    assert line.quiet().seen == {} and line.digits == [Digit("5", 0.06, 10, 50.02, 3, True)]


def test_an_update_overtaken_by_the_end() -> None:
    line = Line().say(5, 0, 160, "M", sequence=1).say(5, 0, 480, "E", sequence=3).say(5, 0, 320, sequence=2)
    line.say(5, 0, 480, "E", sequence=4).say(5, 0, 480, "E", sequence=5)
    assert line.quiet().seen == {} and [(d.name, d.duration) for d in line.digits] == [("5", 0.06)]


def test_updates_overtaken_do_not_shorten_the_digit() -> None:
    line = Line().say(5, 0, 480, "E", sequence=3).say(5, 0, 160, "M", sequence=1)
    assert line.quiet().names == ["5"] and set(line.seen) == {"dtmf.end-once"}
    line = Line().say(5, 0, 160, "M", sequence=1).say(5, 0, 640, sequence=4).say(5, 0, 320, sequence=2).quiet()
    assert line.digits == [Digit("5", 0.08, 10, 50.02, 3, False)]
    assert set(line.seen) == {"dtmf.no-end"}


def test_an_event_overtaken_by_the_next_is_heard_and_ends_nothing() -> None:
    line = Line().say(6, 1600, 160, "M", sequence=9).say(5, 0, 800, "ME", sequence=8)
    assert line.names == ["5"]
    line.say(6, 1600, 320, "E", sequence=10)
    assert line.names == ["5", "6"] and "dtmf.gap" not in line.quiet().seen


def test_duplicates_count_once() -> None:
    line = Line()
    for number in (1, 1, 2, 1, 2, 3, 3, 4, 4):
        line.say(5, 0, 160 * min(number, 3), "M" if number == 1 else "E" if number > 2 else "", sequence=number, after=0.01)
    assert line.quiet().digits[0].packets == 3 and len(line.digits) == 1
    assert line.seen == {"dtmf.end-once": "5: end packet sent twice"}
    line = Line().say(5, 0, 800, "ME", sequence=1).say(5, 0, 800, "ME", sequence=1).quiet()
    assert set(line.seen) == {"dtmf.one-packet"}


def test_duplicates_of_what_was_overtaken_or_came_after_a_gap_count_once() -> None:
    line = Line().say(5, 0, 160, "M", sequence=1).say(5, 0, 480, sequence=3)
    for sequence in (2, 2, 70, 70, 1, 3, 69, 69, 140, 140):
        line.say(5, 0, 480, sequence=sequence)
    assert line.quiet().digits[0].packets == 6
    line = Line().say(5, 0, 800, "ME", sequence=1).say(5, 0, 160, "M", sequence=1).quiet()
    assert line.names == ["5"], "no other event has the same sequence number"


@pytest.mark.parametrize(("back", "packets"), [(63, 3), (64, 2), (0x8000, 2)])
def test_how_far_back_a_packet_is_told_from_a_duplicate(back: int, packets: int) -> None:
    line = Line().say(5, 0, 160, "M", sequence=30000).say(5, 0, 320, sequence=30100)
    assert line.say(5, 0, 160, sequence=30100 - back).quiet().digits[0].packets == packets


def test_a_stream_that_begins_anew_with_lower_numbers() -> None:
    line = Line(sequence=60000).event(5, 0xF0000000).quiet()
    line.sequence = 40000
    assert line.event(5, 77).quiet().names == ["5", "5"] and line.seen == {}


def test_a_call_of_long_digits_and_many() -> None:
    line = Line()
    for k in range(300):
        line.event(k % 16, 1600 * k)
    assert line.names == [NAMES[k % 16] for k in range(300)]


def test_a_long_event_takes_no_more_room_than_a_short_one() -> None:
    line = Line()
    for k in range(300):
        line.say(5, 0, 160 * (k + 1), "" if k else "M")
        assert line.receiver._heard[0].window < 1 << 64
    assert line.quiet().digits[0].packets == 300


def test_the_events_remembered_are_the_newest() -> None:
    line = Line()
    for k in (0, 1, 2, 3, 4, 1):
        line.say(k, 1600 * k, 800, "ME" if k == line.sequence - 1000 else "E", after=0.3)
    assert line.names == ["0", "1", "2", "3", "4"]


def segments(line: Line, event: int, step: int = 160, whole: int = 0xFFFF, total: int = 150_000, repeat: int = 3, flags: str = "") -> None:
    """One long event (2.5.1.3): each segment's last packet `repeat` times, the copies among those of the next segment."""
    base, copies, k = 0, 0, 0
    while k * step < total:
        k += 1
        lasted = min(k * step, total)
        if copies:
            copies -= 1
            line.say(event, base - whole, whole, after=0)
        if lasted - base > whole:
            line.say(event, base, whole, after=0)
            base += whole
            copies = repeat - 1
            line.say(event, base, lasted - base, flags, after=0.02)
        else:
            line.say(event, base, lasted - base, ("" if k > 1 else "M") + ("E" if lasted == total else ""))


@pytest.mark.parametrize("repeat", [1, 3])
@pytest.mark.parametrize("whole", [0xFFFF, 65440])
def test_the_segments_of_a_long_event_are_one_digit(whole: int, repeat: int) -> None:
    line = Line()
    segments(line, 5, whole=whole, repeat=repeat)
    line.say(5, 2 * whole, 150_000 - 2 * whole, "E").say(5, 2 * whole, 150_000 - 2 * whole, "E").quiet()
    assert [(d.name, d.duration, d.ended) for d in line.digits] == [("5", 18.75, True)]
    assert line.seen == {"dtmf.long": "5: 18750 ms"}


def test_a_marker_on_a_segment_is_one_too_many() -> None:
    line = Line()
    segments(line, 5, flags="M")
    line.quiet()
    assert line.names == ["5"] and line.seen["dtmf.marker-repeated"] == "5: marker on 2 later packets"


def test_a_segment_may_begin_after_the_last_packets_of_the_one_before_were_lost() -> None:
    line = Line().say(5, 0, 65000, "M").say(5, 0xFFFF, 160, after=0.1).say(5, 0xFFFF, 320, "E").quiet()
    assert [d.duration for d in line.digits] == [(65535 + 320) / 8000] and "dtmf.timestamp-moved" not in line.seen
    line = Line().say(5, 0, 62334, "M").say(5, 0xFFFF, 160, "M")
    assert line.names == ["5"], "65535 later all the same, but that event can't have lasted until then"
    line = Line().say(5, 0, 62335, "M").say(5, 0xFFFF, 160, "M")
    assert line.names == []


def test_a_segment_overtaken_by_copies_of_the_one_before() -> None:
    line = Line().say(5, 0, 65440, "M", sequence=1).say(5, 0, 65535, sequence=4).say(5, 0xFFFF, 160, sequence=3)
    line.say(5, 0, 65535, sequence=8).say(5, 0xFFFF, 320, sequence=6).say(5, 0xFFFF, 480, "E", sequence=7).quiet()
    assert [d.duration for d in line.digits] == [(65535 + 480) / 8000]
    assert not {"dtmf.timestamp-moved", "dtmf.duration-backwards", "dtmf.no-marker"} & set(line.seen)


def test_a_digit_behind_a_long_one_is_no_segment_of_it() -> None:
    assert Line().say(5, 0, 65440, "M").say(5, 65440 + 400, 160, "M").quiet().names == ["5", "5"]


def test_a_late_packet_of_an_earlier_segment_is_no_digit() -> None:
    line = Line().say(5, 0, 65440, "M", sequence=1).say(5, 0xFFFF, 160, sequence=3).say(5, 0, 65535, sequence=2)
    line.say(5, 0xFFFF, 320, "E", sequence=4).say(5, 0, 65535, sequence=5)
    assert [d.duration for d in line.digits] == [(65535 + 320) / 8000]
    assert not {"dtmf.timestamp-moved", "dtmf.duration-backwards"} & set(line.quiet().seen)


# ------------------------------------------------------------------ what is said of the sender


def test_no_marker() -> None:
    line = Line()
    for k in range(1, 5):
        line.say(5, 0, 160 * k, "E" if k > 1 else "")
    assert line.seen == {}, "the first packet may still come"
    assert line.quiet().seen == {"dtmf.no-marker": "5: first packet without marker"}


def test_marker_repeated() -> None:
    line = Line().say(5, 0, 160, "M").say(5, 0, 320, "M").say(5, 0, 480, "ME").say(5, 0, 480, "E").say(5, 0, 480, "E").quiet()
    assert line.seen == {"dtmf.marker-repeated": "5: marker on 2 later packets"} and line.names == ["5"]


def test_marker_only_on_a_later_packet() -> None:
    line = Line().say(5, 0, 160).say(5, 0, 320, "M").say(5, 0, 480, "E").say(5, 0, 480, "E").say(5, 0, 480, "E").quiet()
    assert set(line.seen) == {"dtmf.no-marker", "dtmf.marker-repeated"} and line.names == ["5"]


def test_no_end() -> None:
    assert Line().event(5, 0, ends=0).quiet().seen == {"dtmf.no-end": "5: no end packet"}


@pytest.mark.parametrize(
    ("ends", "seen"),
    [(1, {"dtmf.end-once": "5: end packet sent once"}), (2, {"dtmf.end-once": "5: end packet sent twice"}), (3, {}), (4, {})],
)
def test_end_once(ends: int, seen: dict[str, str]) -> None:
    """2.5.1.4: three times."""
    assert Line().event(5, 0, ends=ends).quiet().seen == seen


def test_one_packet() -> None:
    assert Line().say(5, 0, 800, "ME").quiet().seen == {"dtmf.one-packet": "5: a single packet"}
    assert set(Line().say(5, 0, 800, "M").quiet().seen) == {"dtmf.one-packet", "dtmf.no-end"}
    assert Line().say(5, 0, 800, "ME").say(5, 0, 800, "E").quiet().seen == {"dtmf.end-once": "5: end packet sent twice"}
    assert Line().say(5, 0, 800, "ME").say(5, 0, 800, "E").say(5, 0, 800, "E").quiet().seen == {}


@pytest.mark.parametrize(
    ("step", "after", "flagged"),
    [
        (160, 0.02, False),
        (320, 0.02, True),
        (80, 0.02, True),
        (0, 0.02, True),
        (100, 0.02, False),
        (92, 0.02, True),
        (252, 0.02, False),
        (260, 0.02, True),
        (320, 0.0149, False),  # 60 ms are not reached
        (320, 0.0, False),
        (320, 0.016, True),
        (480, 0.06, False),
    ],
)
def test_clock(step: int, after: float, flagged: bool) -> None:
    line = Line()
    for k in range(5):
        line.say(5, 0, 400 + step * k, "M" if k == 0 else "E" if k == 4 else "", after=after)
    line.say(5, 0, 400 + step * 4, "E", after=0.1).say(5, 0, 400 + step * 4, "E", after=0.1)
    assert set(line.quiet().seen) == ({"dtmf.clock"} if flagged else set())


def test_clock_says_both_figures() -> None:
    line = Line().event(5, 0, (320, 640, 960, 1280, 1600)).quiet()
    assert line.seen == {"dtmf.clock": "5: grew by 180 ms of a 8000 Hz clock in 100 ms"}


def test_clock_over_segments() -> None:
    line = Line(48000)
    segments(line, 5, 960)
    assert not {"dtmf.clock", "dtmf.timestamp-moved"} & set(line.quiet().seen)
    line = Line(48000)
    segments(line, 5, 1920)
    assert "dtmf.clock" in line.quiet().seen


def test_duration_backwards() -> None:
    line = Line().say(5, 0, 160, "M").say(5, 0, 480).say(5, 0, 320)
    for _ in range(3):
        line.say(5, 0, 640, "E")
    assert line.quiet().seen == {"dtmf.duration-backwards": "5: duration shrank"} and line.digits[0].duration == 0.08
    line = Line().say(5, 0, 160, "M").say(5, 0, 480)
    for _ in range(3):
        line.say(5, 0, 320, "E")
    assert set(line.quiet().seen) == {"dtmf.duration-backwards"} and line.digits[0].duration == 0.04


def test_a_standing_duration_is_not_backwards() -> None:
    line = Line().say(5, 0, 400, "M").say(5, 0, 400).quiet()
    assert set(line.seen) == {"dtmf.no-end"}


def test_timestamp_moved_while_the_next_digit_is_on() -> None:
    line = Line().say(5, 0, 160, "M").say(6, 1600, 160, "M").say(5, 160, 160).quiet()
    assert line.names == ["5", "6"] and line.digits[0].duration == 0.02 and "dtmf.timestamp-moved" in line.seen


@pytest.mark.parametrize("growing", [True, False])
@pytest.mark.parametrize("first", [0, 0xFFFFFE00])
def test_timestamp_moved(growing: bool, first: int) -> None:
    """Each packet stamped with its own time, the duration since the beginning or of the packet alone."""
    line = Line()
    for k in range(8):
        duration = 160 * min(k + 1, 6) if growing else 160
        line.say(5, first + 160 * k, duration, "M" if k == 0 else "E" if k >= 5 else "")
    line.quiet()
    assert [(d.name, d.duration, d.packets) for d in line.digits] == [("5", 0.12, 6)]
    assert line.seen == {"dtmf.timestamp-moved": f"5: timestamp went from {first} to {first + 1120 & 0xFFFFFFFF}"}


def test_timestamp_moved_and_packets_lost_overtaken_or_late() -> None:
    line = Line()
    for k in (1, 0, 3, 2, 6, 9, 8):
        line.say(5, 160 * k, 160, "M" if k == 0 else "E" if k > 7 else "", sequence=100 + k)
    line.quiet()
    assert line.names == ["5"] and set(line.seen) == {"dtmf.timestamp-moved", "dtmf.end-once"}


def test_what_is_too_far_off_is_another_digit() -> None:
    def names(timestamp: int, flags: str, duration: int = 160, first: str = "M") -> list[str]:
        return Line().say(5, 0, 160, first).say(5, timestamp, duration, flags).quiet().names

    assert names(160 + 480, "") == ["5"]
    assert names(160 + 481, "") == ["5", "5"]
    assert names(160, "M") == names(1, "M") == ["5", "5"]
    assert names(480, "E", first="ME") == ["5"]
    assert names(481, "E", first="ME") == ["5", "5"]
    assert names(480, "", first="ME") == ["5", "5"]
    assert names(480, "ME", first="ME") == ["5", "5"]
    assert names(480, "E", 320, first="ME") == ["5", "5"]
    older = Line().say(5, 1000, 160, "M", sequence=5)
    assert older.say(5, 1000 - 480, 160, sequence=4).quiet().names == ["5"] and "dtmf.timestamp-moved" in older.seen
    assert Line().say(5, 1000, 160, "M", sequence=5).say(5, 1000 - 481, 160, sequence=4).quiet().names == ["5", "5"]
    assert Line().say(5, 1000, 160, "M", sequence=5).say(5, 900, 160, sequence=6).quiet().names == ["5", "5"]
    assert Line().say(5, 1000, 160, "M", sequence=5).say(5, 1100, 160, sequence=4).quiet().names == ["5", "5"]
    assert Line().say(5, 0, 160, "M").say(5, 160, 160, after=0.2).quiet().names == ["5", "5"]


def test_a_timestamp_used_again_is_another_digit() -> None:
    line = Line().event(5, 0).event(5, 0).event(6, 0).quiet().event(6, 0).quiet()
    assert line.names == ["5", "5", "6", "6"]
    assert line.seen == {"dtmf.timestamp-reused": "5: 0 again (2 times)"}
    line = Line().event(5, 0, ends=0).quiet().event(5, 0).quiet()
    assert [digit.ended for digit in line.digits] == [False, True]
    line = Line().event(5, 0, ends=0).say(5, 0, 160, "M").quiet()
    assert line.names == ["5"], "an event that is on has no second beginning"


@pytest.mark.parametrize(("duration", "code"), [(319, "dtmf.short"), (320, None), (40_000, None), (40_001, "dtmf.long")])
def test_short_and_long(duration: int, code: str | None) -> None:
    line = Line().say(5, 0, duration, "ME").say(5, 0, duration, "E").say(5, 0, duration, "E").quiet()
    assert set(line.seen) == ({code} if code else set())
    line = Line().say(5, 0, duration, "M").quiet()
    assert set(line.seen) == {"dtmf.no-end", "dtmf.one-packet", *({code} if code else ())}


@pytest.mark.parametrize(("gap", "flagged"), [(-799, True), (-800, False), (0, True), (319, True), (320, False), (-2000, False)])
@pytest.mark.parametrize("codes", [(5, 6), (15, 15), (16, 5), (5, 16)])
def test_gap(gap: int, flagged: bool, codes: tuple[int, int]) -> None:
    line = Line().event(codes[0], 90_000, (160, 320, 480, 640)).event(codes[1], 90_800 + gap).quiet()
    assert ("dtmf.gap" in line.seen) == (flagged and 16 not in codes)


def test_gap_is_of_the_one_before() -> None:
    line = Line().event(5, 0).event(6, 8000).event(7, 9000).quiet()
    assert line.seen == {"dtmf.gap": "7: begins 25 ms after the end of 6"}


@pytest.mark.parametrize(
    ("event", "seen"),
    [
        (11, {}),
        (12, {"dtmf.letter": "A"}),
        (15, {"dtmf.letter": "D"}),
        (16, {"dtmf.flash": "flash"}),
        (17, {"dtmf.event-unknown": "event 17"}),
        (255, {"dtmf.event-unknown": "event 255"}),
    ],
)
def test_what_is_no_plain_digit(event: int, seen: dict[str, str]) -> None:
    line = Line().event(event, 0).quiet()
    assert line.seen == seen and line.names == [name_of(event)]


@pytest.mark.parametrize(
    ("event", "volume", "flagged"), [(5, 0, False), (5, 36, False), (5, 37, True), (5, 63, True), (16, 63, False), (40, 63, False)]
)
def test_volume(event: int, volume: int, flagged: bool) -> None:
    line = Line().event(event, 0, volume=volume).quiet()
    assert line.seen.get("dtmf.volume") == (f"5: -{volume} dBm0" if flagged else None) and line.digits[0].volume == volume


def test_payloads_that_are_none_harm_nothing() -> None:
    line = Line().say(5, 0, 160, "M")
    line.receiver.packet(True, 9, 9, b"\x05\x0a\x03", line.now)
    line.receiver.packet(True, 10, 9, b"", line.now)
    assert line.seen == {"dtmf.malformed": "3 octets, not 4 (2 times)"} and line.digits == []
    line.receiver.packet(False, 0, 0, b"", line.now + QUIET)
    assert line.names == ["5"], "time passes with any packet"


def test_reserved_bit_and_several_events() -> None:
    line = Line()
    for k in range(1, 6):
        line.say(5, 0, 160 * min(k, 3), "R" + ("M" if k == 1 else "E" if k > 2 else ""))
    assert line.quiet().seen == {"dtmf.reserved": "5: reserved bit set (5 times)"} and line.names == ["5"]
    line = Line()
    line.receiver.packet(True, 1, 0, bytes.fromhex("058a0320060a0320"), 1.0)
    assert line.seen == {"dtmf.several": "5: 4 octets behind the first event"} and line.names == ["5"]


def test_duration_of_zero() -> None:
    """2.3.5: for states alone."""
    line = Line().say(5, 0, 0, "M").say(5, 0, 320).say(5, 0, 480, "E").say(5, 0, 480, "E").say(5, 0, 480, "E").quiet()
    assert line.seen == {"dtmf.zero-duration": "5: duration 0"} and line.digits[0].duration == 0.06


def test_each_code_once_with_the_first_case_and_the_number() -> None:
    line = Line()
    for k in range(7):
        line.event(12 + k % 4, 1600 * k)
    assert line.quiet().seen == {"dtmf.letter": "A (7 times)"}


def test_findings_wait_for_the_event_to_be_over() -> None:
    line = Line().event(12, 0, ends=1)
    assert line.seen == {}
    assert set(line.quiet().seen) == {"dtmf.letter", "dtmf.end-once"}
    assert line.quiet().seen["dtmf.letter"] == "A"


def test_more_events_at_once_than_are_remembered() -> None:
    line = Line()
    for k in range(9):
        line.say(12, 1600 * k, 800, "ME", after=0)
    assert line.names == ["A"] * 9 and line.seen["dtmf.one-packet"] == "A: a single packet (5 times)"
    assert line.quiet().seen["dtmf.one-packet"] == "A: a single packet (9 times)"


def test_the_one_told_may_close_the_call() -> None:
    heard: list[Digit] = []

    def digit(one: Digit) -> None:
        heard.append(one)
        receiver.close(one.at)

    receiver = Digits(8000, digit)
    receiver.packet(True, 1, 0, Event(5, False, 10, 800).pack(), 1.0)
    receiver.packet(True, 2, 1600, Event(6, False, 10, 800).pack(), 1.1)
    receiver.packet(True, 3, 3200, Event(7, True, 10, 800).pack(), 1.2)
    assert [one.name for one in heard] == ["5", "6", "7"] and receiver.due is None


@given(
    st.lists(
        st.tuples(
            st.booleans(),
            st.integers(0, 0xFFFF) | st.integers(0, 12),
            st.integers(0, 0xFFFFFFFF) | st.integers(0, 12).map(lambda k: 160 * k) | st.integers(0, 5).map(lambda k: 0xFFFF * k),
            st.binary(max_size=9)
            | st.builds(
                lambda e, f, d: struct.pack("!BBH", e, f, d),
                st.integers(4, 6),
                st.sampled_from((10, 0x8A)),
                st.sampled_from((0, 160, 320, 800, 65440, 65535)),
            ),
            st.floats(-0.1, 0.3),
        ),
        max_size=60,
    ),
    st.sampled_from((1, 8000, 16000, 48000)),
)
def test_nothing_raises_and_nothing_grows(packets: list[tuple[bool, int, int, bytes, float]], clock: int) -> None:
    line = Line(clock)
    begun = 0
    for marker, sequence, timestamp, payload, after in packets:
        line.now += after
        line.receiver.packet(marker, sequence, timestamp, payload, line.now)
        begun += len(payload) >= 4
        assert len(line.receiver._heard) <= 4 and set(line.receiver._seen) <= CODES
        assert all(heard.window < 1 << 64 for heard in line.receiver._heard)
        assert (line.receiver.due is None) == all(heard.settled for heard in line.receiver._heard)
    line.receiver.close(line.now)
    told = len(line.digits)
    line.receiver.expire(line.now + 9)
    assert told == len(line.digits) <= begun and (told > 0) == (begun > 0)
    assert len(line.seen) == len(line.receiver.findings())


# ------------------------------------------------------------------ both ways

EXPECTED = {
    None: set(),
    Quirk.NO_MARKER: {"dtmf.no-marker"},
    Quirk.LOST_END: {"dtmf.no-end"},
    Quirk.ONE_PACKET: {"dtmf.one-packet"},
    Quirk.WRONG_CLOCK: {"dtmf.clock"},
}


@st.composite
def lossy(draw: st.DrawFn, packets: list[Packet], quirk: Quirk | None) -> list[tuple[float, int, Packet]]:
    """Arrivals as (time, place in the sending, packet): updates lost, at most five in a row, packets doubled, each up to 25 ms late."""
    essential = {0, *(k for k, packet in enumerate(packets) if parse(packet.payload).end)}
    if quirk is Quirk.LOST_END:
        essential.add(len(packets) - 1)
    arrivals = []
    lost = 0
    for k, packet in enumerate(packets):
        if k not in essential and lost < 5 and draw(st.booleans()):
            lost += 1
            continue
        lost = 0
        for _ in range(draw(st.integers(1, 2))):
            arrivals.append((packet.delay + draw(st.floats(0, 0.025)), k, packet))
    return sorted(arrivals)


@given(
    st.data(),
    st.text("0123456789*#", min_size=1, max_size=5),
    st.sampled_from((None, *Quirk)),
    st.integers(0, 0xFFFF),
    st.integers(0, 0xFFFFFFFF),
    st.sampled_from((8000, 16000, 48000)),
    st.floats(0.2, 1.0),
    st.floats(0.08, 0.6),
)
def test_what_is_sent_is_heard(
    data: st.DataObject, text: str, quirk: Quirk | None, sequence: int, timestamp: int, clock: int, duration: float, gap: float
) -> None:
    """Each digit once and in order, no finding without a quirk, its own with one, whatever becomes of the packets that may be spared."""
    line = Line(clock)
    begun = 0.0
    arrivals = []
    for name in text:
        packets = list(send(name, timestamp, duration, clock, quirk=quirk))
        arrivals += [(begun + at, sequence + k, packet) for at, k, packet in data.draw(lossy(packets, quirk))]
        sequence += len(packets) + 3
        begun += duration + gap
        timestamp = (timestamp + round((duration + gap) * rate(clock, quirk))) & 0xFFFFFFFF
    arrivals.sort()
    for now, number, packet in arrivals:
        line.receiver.packet(packet.marker, number & 0xFFFF, packet.timestamp, packet.payload, now)
    line.receiver.expire(arrivals[-1][0] + QUIET)
    assert "".join(line.names) == text and set(line.seen) == EXPECTED[quirk]
    said = duration * rate(clock, quirk) / clock
    for digit in line.digits:
        assert digit.ended == (quirk is not Quirk.LOST_END)
        # A sender without end packets is believed up to its last update.
        assert digit.duration == pytest.approx(said, abs=1 / clock) if digit.ended else said - 0.021 < digit.duration < said
    assert all(one.at < other.at for one, other in pairwise(line.digits))
