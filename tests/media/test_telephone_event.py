"""The payload of telephone-events, and their names."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.media.telephone_event import NAMES, DtmfError, Event, code_of, name_of, parse


@pytest.mark.parametrize(
    ("octets", "event"),
    [
        ("050a0320", Event(5, False, 10, 800)),
        ("0b8a0320", Event(11, True, 10, 800)),
        ("ff3fffff", Event(255, False, 63, 65535)),
        ("00400000", Event(0, False, 0, 0, reserved=True)),
        ("10c00001", Event(16, True, 0, 1, reserved=True)),
    ],
)
def test_payloads_both_ways(octets: str, event: Event) -> None:
    """RFC 4733 2.3, figure 1."""
    assert parse(bytes.fromhex(octets)) == event == parse(memoryview(bytes.fromhex(octets)))
    assert event.pack() == bytes.fromhex(octets)


def test_of_several_events_in_a_payload_the_first_counts() -> None:
    event = parse(bytes.fromhex("050a0320060a032000"))
    assert (event, event.more) == (Event(5, False, 10, 800), 5)
    assert parse(bytes.fromhex("050a0320")).more == Event(5, False, 10, 800).more == 0


@pytest.mark.parametrize("length", range(4))
def test_fewer_than_four_octets_are_no_event(length: int) -> None:
    with pytest.raises(DtmfError, match=f"^{length} octets, not 4$"):
        parse(bytes(length))
    assert issubclass(DtmfError, ValueError)


@pytest.mark.parametrize(
    "event", [Event(256, False, 0, 0), Event(-1, False, 0, 0), Event(0, False, 64, 0), Event(0, False, -1, 0), Event(0, False, 0, 65536)]
)
def test_fields_out_of_range_are_not_packed(event: Event) -> None:
    with pytest.raises((ValueError, struct.error)):
        event.pack()


def test_names() -> None:
    assert list(NAMES) == [*"0123456789*#ABCD", "flash"]
    assert [code_of(name) for name in NAMES] == list(range(17))
    assert (name_of(15), name_of(16), name_of(17), name_of(255)) == ("D", "flash", "event 17", "event 255")


@pytest.mark.parametrize("code", range(256))
def test_each_code_has_one_name(code: int) -> None:
    assert code_of(name_of(code)) == code


@pytest.mark.parametrize(
    "name", ["", "a", "E", "12", "event 5", "event 16", "event 256", "event 017", "event", "event ", "event ٣٧", "37", "event -1", " 5"]
)
def test_no_names(name: str) -> None:
    with pytest.raises(ValueError, match="is no telephone-event"):
        code_of(name)


@given(st.binary(max_size=12))
def test_parse_refuses_or_is_stable(data: bytes) -> None:
    try:
        event = parse(data)
    except DtmfError:
        assert len(data) < 4
    else:
        assert event.pack() == data[:4] and parse(event.pack()) == event and event.more == len(data) - 4
