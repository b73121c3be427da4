"""The digits of one call: told of, and echoed once they have ended."""

import struct

from emulator.media.codecs import PCMU, SPEEX
from emulator.media.dtmf_sender import Quirk
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


def test_digits_without_end_are_told_of_within_bounds() -> None:
    """robustness 22."""
    echo = Echo()
    for k in range(400):
        echo.hear(k, 0x80 | 101, timestamp=k * 4000, payload=struct.pack("!BBH", k % 10, 0x8A, 800))
    assert len(echo.digits) == len(echo.stream.digits) == 256


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
