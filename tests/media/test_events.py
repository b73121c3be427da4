"""The digits of one call: told of, and echoed once they have ended."""

import struct

import pytest

from emulator.media.codecs import PCMU, SPEEX
from emulator.media.dtmf_sender import Quirk
from emulator.media.dtmf_sender import send as event_packets
from emulator.media.offer import Agreement
from emulator.media.plan import Plan
from tests.support.echo import Echo


def test_a_digit_is_told_of_and_echoed_once_it_has_ended() -> None:
    """interop-quirks 1 and 2: an event of our own, with our own timestamps and pace."""
    echo = Echo()
    echo.talk(3)
    echo.sent.clear()
    echo.press("5", first=3)
    assert [(digit.name, round(digit.duration, 3), digit.ended) for digit in echo.digits] == [("5", 0.1, True)]
    echo.clock.advance(1)
    events = [packet for packet in echo.sent if packet[1] & 0x7F == 101]
    assert len(events) == 7 and events[0][1] & 0x80 and all(packet[12] == 5 for packet in events)  # 4 and the end three times
    assert len({packet[4:8] for packet in events}) == 1 and events[0][4:8] != struct.pack("!I", 8000)
    assert [packet[13] >> 7 for packet in events] == [0, 0, 0, 0, 1, 1, 1]
    assert echo.stream.snapshot()["digits"] == "5" and echo.codes() == set()


def test_a_digit_whose_end_never_comes_ends_by_itself() -> None:
    echo = Echo()
    echo.press("#", quirk=Quirk.LOST_END)
    assert not echo.digits
    echo.clock.advance(0.3)
    assert [digit.name for digit in echo.digits] == ["#"] and "dtmf.no-end" in echo.codes()


def test_a_digit_under_way_at_the_end_of_the_call_is_a_digit() -> None:
    echo = Echo()
    echo.press("1", quirk=Quirk.LOST_END)
    echo.stream.end()
    assert [digit.name for digit in echo.digits] == ["1"] and echo.clock.pending == 0


def test_digits_are_not_echoed_where_the_plan_says_so() -> None:
    echo = Echo(plan=Plan(echo_digits=False))
    echo.press("5")
    echo.clock.advance(2)
    assert echo.sent == [] and len(echo.digits) == 1


def test_digits_that_wait_when_events_are_no_longer_agreed_are_dropped() -> None:
    """Found by the fuzzer."""
    echo = Echo()
    echo.stream.dialler.dial_all("12")
    echo.stream.change(Agreement(PCMU, 0, None, 0, ("192.0.2.1", 4000), None, True, True))
    echo.clock.advance(2)
    assert echo.stream.dialler.sent == 1


def test_a_digit_under_way_when_events_get_another_clock_is_a_digit() -> None:
    """What was odd about it is told at the end as well."""
    echo = Echo()
    echo.press("7", quirk=Quirk.NO_MARKER)
    echo.press("8", first=20, timestamp=20000, quirk=Quirk.LOST_END)
    echo.stream.change(Agreement(SPEEX, 99, 101, 16000, ("192.0.2.1", 4000), None, True, True))
    echo.hear(40, 0x80 | 101, timestamp=90000, payload=struct.pack("!BBH", 9, 0x8A, 1600))
    assert [digit.name for digit in echo.digits] == ["7", "8", "9"] and echo.digits[2].duration == 0.1
    echo.stream.end()
    assert "dtmf.no-marker" in echo.codes() and echo.clock.pending == 0


def test_what_is_kept_of_the_events_does_not_grow_with_changes_of_their_clock() -> None:
    """Found by the fuzzer."""
    echo = Echo()
    for k in range(20):
        echo.stream.change(Agreement(SPEEX, 99, 101, 16000 if k % 2 else 8000, ("192.0.2.1", 4000), None, True, True))
        echo.press("7", first=20 * k, timestamp=8000 * k, quirk=Quirk.NO_MARKER)
    assert len(echo.digits) == 20 and [finding.code for finding in echo.stream.findings()].count("dtmf.no-marker") == 1


def test_digits_without_end_are_told_of_within_bounds() -> None:
    """robustness 22."""
    echo = Echo()
    for k in range(400):
        echo.hear(k, 0x80 | 101, timestamp=k * 4000, payload=struct.pack("!BBH", k % 10, 0x8A, 800))
    assert len(echo.digits) == len(echo.stream.digits) == 256 and "dtmf.too-many" in echo.codes()


def test_digits_of_our_own_are_read_back_as_they_were_dialled() -> None:
    """RFC 4733 2.5.1; a second stream reads what the first one sends."""
    one, other = Echo(), Echo(plan=Plan(echo_digits=False))
    one.stream.send = lambda data: other.raw(bytes(data))
    one.stream.dialler.dial_all("12,34#")
    for _ in range(300):
        one.clock.advance(0.01)
        other.clock.advance(0.01)
    assert "".join(digit.name for digit in other.digits) == "1234#"
    assert other.codes() == set()
    assert other.digits[2].at - other.digits[1].at > 0.6  # the comma


QUIRKS = {
    Quirk.NO_MARKER: {"dtmf.no-marker"},
    Quirk.LOST_END: {"dtmf.no-end"},
    Quirk.ONE_PACKET: {"dtmf.one-packet"},
    Quirk.WRONG_CLOCK: {"dtmf.clock"},
}


@pytest.mark.parametrize("quirk", [None, *QUIRKS])
def test_digits_of_our_own_with_each_fault(quirk: Quirk | None) -> None:
    """A second stream finds that fault and no other."""
    one, other = Echo(), Echo(plan=Plan(echo_digits=False))
    one.stream.send = lambda data: other.raw(bytes(data))
    one.stream.dialler.quirk = quirk
    one.stream.dialler.dial_all("123")
    for _ in range(200):
        one.clock.advance(0.01)
        other.clock.advance(0.01)
    assert "".join(digit.name for digit in other.digits) == "123"
    assert other.codes() == (QUIRKS[quirk] if quirk else set())


def test_a_digit_echoed_while_we_dial_waits_for_its_turn() -> None:
    """interop-quirks 2: two events at once under one SSRC were read as 45454545."""
    one, other = Echo(), Echo(plan=Plan(echo_digits=False))
    one.stream.send = lambda data: other.raw(bytes(data))
    one.stream.dialler.dial_all("4242")
    one.press("5")
    one.press("5", first=20, timestamp=16000)
    for _ in range(300):
        one.clock.advance(0.01)
        other.clock.advance(0.01)
    assert sorted(digit.name for digit in other.digits) == list("224455") and len(other.digits) == 6
    assert other.codes() == set()


def test_a_digit_is_echoed_in_the_clock_that_was_agreed() -> None:
    """RFC 4733 2.3.5: telephone-event/16000 beside speex."""
    echo = Echo()
    echo.stream.change(Agreement(SPEEX, 99, 101, 16000, ("192.0.2.1", 4000), None, True, True))
    for k, packet in enumerate(event_packets("5", 8000, 0.1, clock=16000)):
        echo.hear(k, packet.marker << 7 | 101, timestamp=packet.timestamp, payload=packet.payload)
        echo.clock.advance(0.02)
    echo.clock.advance(1)
    assert [round(digit.duration, 3) for digit in echo.digits] == [0.1]
    assert [int.from_bytes(packet[14:16]) for packet in echo.sent] == [320, 640, 960, 1280, 1600, 1600, 1600]


@pytest.mark.parametrize(("event", "name", "code"), [(12, "A", "dtmf.letter"), (15, "D", "dtmf.letter"), (16, "<flash>", "dtmf.flash")])
def test_letters_and_flash_are_told_flagged_and_echoed(event: int, name: str, code: str) -> None:
    echo = Echo()
    for k in range(6):
        end = k >= 3
        echo.hear(k, (k == 0) << 7 | 101, timestamp=8000, payload=struct.pack("!BBH", event, end << 7 | 10, 160 * min(k + 1, 4)))
        echo.clock.advance(0.02)
    echo.clock.advance(1)
    assert echo.stream.snapshot()["digits"] == name and echo.codes() == {code}
    assert {packet[12] for packet in echo.sent} == {event}


def test_asterisk_gets_no_event_packet_for_each_that_it_sends() -> None:
    """interop-quirks 1: it sends its next one for every RTP packet that it hears while a digit is on."""
    echo = Echo()
    echo.press("5", quirk=Quirk.LOST_END)
    assert echo.sent == []
