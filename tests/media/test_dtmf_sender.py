"""Telephone-events as they are sent, and digits in a string."""

import pytest

from emulator.media.dtmf import Digit, Digits
from emulator.media.dtmf_sender import PAUSE, Quirk, parse_digits, rate, send
from emulator.media.telephone_event import Event, parse


def sent(*arguments: object, **named: object) -> list[tuple[float, bool, int, Event]]:
    return [(round(p.delay, 9), p.marker, p.timestamp, parse(p.payload)) for p in send(*arguments, **named)]  # type: ignore[arg-type]


def test_send_as_the_rfc_does() -> None:
    assert sent("5", 7000) == [
        (0.0, True, 7000, Event(5, False, 10, 160)),
        (0.02, False, 7000, Event(5, False, 10, 320)),
        (0.04, False, 7000, Event(5, False, 10, 480)),
        (0.06, False, 7000, Event(5, False, 10, 640)),
        (0.08, False, 7000, Event(5, True, 10, 800)),
        (0.1, False, 7000, Event(5, True, 10, 800)),
        (0.12, False, 7000, Event(5, True, 10, 800)),
    ]


def test_send_in_other_measures() -> None:
    assert sent("#", 1, duration=0.07, clock=16000, ptime=0.03, volume=0) == [
        (0.0, True, 1, Event(11, False, 0, 480)),
        (0.03, False, 1, Event(11, False, 0, 960)),
        (0.06, False, 1, Event(11, True, 0, 1120)),
        (0.09, False, 1, Event(11, True, 0, 1120)),
        (0.12, False, 1, Event(11, True, 0, 1120)),
    ]
    assert len(sent("5", 0, duration=1 / 8000, ptime=1 / 8000)) == 3
    assert sent("flash", 1, duration=0.02) == [(0.02 * k, k == 0, 1, Event(16, True, 10, 160)) for k in range(3)]


def test_quirks_of_the_sender() -> None:
    right = sent("5", 0)
    assert sent("5", 0, quirk=Quirk.NO_MARKER) == [(delay, False, timestamp, event) for delay, _, timestamp, event in right]
    assert sent("5", 0, quirk=Quirk.LOST_END) == right[:4]
    assert sent("5", 0, quirk=Quirk.ONE_PACKET) == [(0.1, True, 0, Event(5, True, 10, 800))]
    assert sent("5", 0, quirk=Quirk.ONE_PACKET, duration=10.0) == [(10.0, True, 0, Event(5, True, 10, 65535))]
    wrong = [(delay, marker, 0, Event(5, event.end, 10, 2 * event.duration)) for delay, marker, _, event in right]
    assert sent("5", 0, quirk=Quirk.WRONG_CLOCK) == wrong
    assert [rate(8000, quirk) for quirk in (None, *Quirk)] == [8000, 8000, 8000, 8000, 16000]


def test_a_long_event_is_sent_in_segments() -> None:
    """2.5.1.3, and 2.5.1.4 for each segment's final packet."""
    packets = sent("5", 0xFFFFFF00, duration=16.5)
    assert [(p[0], p[1], p[2], p[3]) for p in packets[408:415]] == [
        (8.16, False, 0xFFFFFF00, Event(5, False, 10, 65440)),
        (8.18, False, 0xFFFFFF00, Event(5, False, 10, 65535)),
        (8.18, False, 0xFEFF, Event(5, False, 10, 65)),
        (8.2, False, 0xFFFFFF00, Event(5, False, 10, 65535)),
        (8.2, False, 0xFEFF, Event(5, False, 10, 225)),
        (8.22, False, 0xFFFFFF00, Event(5, False, 10, 65535)),
        (8.22, False, 0xFEFF, Event(5, False, 10, 385)),
    ]
    assert packets[415] == (8.24, False, 0xFEFF, Event(5, False, 10, 545))
    assert [p[3].end for p in packets[-4:]] == [False, True, True, True] and packets[-1][2] == 2 * 65535 - 256
    assert [p[1] for p in packets].count(True) == 1
    digits: list[Digit] = []
    receiver = Digits(8000, digits.append)
    for sequence, packet in enumerate(send("5", 0xFFFFFF00, duration=16.5)):
        receiver.packet(packet.marker, sequence, packet.timestamp, packet.payload, packet.delay)
    receiver.expire(99)
    assert [(d.name, d.duration) for d in digits] == [("5", 16.5)]
    assert [finding.code for finding in receiver.findings()] == ["dtmf.long"]


def test_a_segment_ends_at_its_greatest_duration_and_no_sooner() -> None:
    assert len(sent("5", 0, duration=65535 / 8000, ptime=1.0)) == 11
    packets = sent("5", 0, duration=65536 / 8000, ptime=9.0)
    assert [(marker, timestamp, event.duration, event.end) for _, marker, timestamp, event in packets] == [
        (True, 0, 65535, False),
        (False, 65535, 1, True),
        (False, 0, 65535, False),
        (False, 65535, 1, True),
        (False, 0, 65535, False),
        (False, 65535, 1, True),
    ]


@pytest.mark.parametrize(
    "wrong",
    [{"digit": "x"}, {"volume": 64}, {"volume": -1}, {"duration": 0.0}, {"duration": -1.0}, {"ptime": 0.0}, {"ptime": -1.0}, {"clock": 0}],
)
def test_what_can_not_be_sent_is_said_at_once(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        send(**{"digit": "5", "timestamp": 0, **wrong})  # type: ignore[arg-type]


def test_digits_in_a_string() -> None:
    assert parse_digits("12,34#") == ["1", "2", PAUSE, "3", "4", "#"] and PAUSE == 0.5
    assert parse_digits(",,*aD") == [PAUSE, PAUSE, "*", "A", "D"] and parse_digits("") == []


@pytest.mark.parametrize(
    ("text", "position", "character"),
    [
        ("12x", 3, "'x'"),
        (" 1", 1, "' '"),
        ("1\x1b2", 2, "'\\x1b'"),
        ("٣", 1, "'٣'"),
        ("1E", 2, "'E'"),
        ("ß", 1, "'ß'"),
        ("0flash", 2, "'f'"),
    ],
)
def test_what_is_no_digit_is_named(text: str, position: int, character: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse_digits(text)
    assert str(caught.value) == f"position {position}: {character} is none of 0-9 * # A-D and the comma"
