"""The straight line of an echo: that ordinary packets take it, that others do not, and that nobody can tell by what is sent or counted."""

import struct
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.media import libsrtp
from emulator.media.libsrtp import Fault, Public
from emulator.media.offer import Keys
from emulator.media.plan import Plan
from emulator.media.reception import Reception
from emulator.media.srtp import Outbound
from tests.support.echo import OURS, THEIRS, Echo, agreement

KEYS = Keys(OURS, THEIRS)


class Crooked:
    """Packets that an echo looked at because they did not go straight."""

    def __init__(self, echo: Echo) -> None:
        self.count = 0
        self._look = echo.stream.otherwise
        echo.stream.otherwise = self

    def __call__(self, buffer: bytearray, view: memoryview, length: int) -> None:
        self.count += 1
        self._look(buffer, view, length)


def packet(sequence: int, timestamp: int, payload: bytes = b"\xff" * 160, second: int = 0, source: int = 1, first: int = 0x80) -> bytes:
    return struct.pack("!BBHII", first, second, sequence & 0xFFFF, timestamp & 0xFFFFFFFF, source) + payload


def protect(outbound: Outbound, plain: bytes) -> bytes:
    buffer = bytearray(plain) + bytearray(200)
    return bytes(buffer[: outbound.protect(buffer, len(plain))])


def voice(count: int, first: int = 0) -> list[bytes]:
    return [packet(k, k * 160) for k in range(first, first + count)]


def sender(keys: Keys | None) -> Callable[[bytes], bytes]:
    if keys is None:
        return lambda plain: plain
    outbound = Outbound(keys.theirs, repeats=True)
    return lambda plain: protect(outbound, plain)


@pytest.mark.parametrize("keys", [None, KEYS])
def test_only_the_first_of_ordinary_packets_is_looked_at(keys: Keys | None) -> None:
    echo, secured = Echo(keys=keys), sender(keys)
    crooked = Crooked(echo)
    for plain in voice(100):
        echo.raw(secured(plain))
    assert crooked.count == 1
    assert (echo.stream.heard.packets, echo.stream.sent, len(echo.sent)) == (100, 100, 100)
    assert echo.stream.heard.octets == echo.stream.sent_octets == 100 * 172


@pytest.mark.parametrize(
    "odd",
    [
        packet(50, 8000, source=2),
        packet(50, 8000, second=0x80),
        packet(50, 8000, b"\xff" * 80),
        packet(50, 8000, second=101, payload=b"\x01\x0a\x00\xa0" + b"\xff" * 156),
        packet(50, 8000, second=99),
        packet(50, 8000, second=200),
        packet(50, 8000, first=0x40),
        b"\x80",
        b"",
    ],
)  # fmt: skip
@pytest.mark.parametrize("keys", [None, KEYS])
def test_an_odd_packet_is_looked_at(keys: Keys | None, odd: bytes) -> None:
    echo, secured = Echo(keys=keys), sender(keys)
    for plain in voice(50):
        echo.raw(secured(plain))
    crooked = Crooked(echo)
    echo.raw(secured(odd) if odd[:1] == b"\x80" and len(odd) > 12 and odd[1] != 200 else odd)
    assert crooked.count == 1


def test_who_listens_hears_every_packet_from_then_on() -> None:
    echo = Echo()
    taken: list[int] = []
    for plain in voice(20):
        echo.raw(plain)
    echo.stream.tap_heard = lambda payload_type, timestamp, payload: taken.append(timestamp)
    echo.stream.tap_sent = lambda payload_type, timestamp, payload: taken.append(timestamp)
    for plain in voice(20, 20):
        echo.raw(plain)
    assert taken == [160 * k for k in range(20, 40) for _ in range(2)]
    echo.stream.tap_heard = None
    crooked = Crooked(echo)
    echo.raw(voice(1, 40)[0])
    assert crooked.count == 1  # somebody listens to what is sent
    echo.stream.tap_sent = None
    for plain in voice(20, 41):
        echo.raw(plain)
    assert crooked.count == 2 and echo.stream.heard.packets == echo.stream.sent == 61


@pytest.mark.parametrize(
    "plan", [Plan(play="tone"), Plan(sent=(("loss", {"probability": 0.0}),)), Plan(heard=(("loss", {"probability": 0.0}),))]
)
def test_only_an_honest_echo_is_straight(plan: Plan) -> None:
    echo = Echo(plan=plan)
    crooked = Crooked(echo)
    readers = {getattr(echo.stream.reader, "__self__", None)}
    for plain in voice(5):
        echo.raw(plain)
    assert echo.stream._echo not in readers and crooked.count == 0 and echo.stream.heard.packets == 5


@pytest.mark.parametrize("keys", [None, KEYS])
def test_a_packet_that_could_not_be_sent_was_heard(keys: Keys | None) -> None:
    echo, secured = Echo(keys=keys), sender(keys)
    for plain in voice(20):
        echo.raw(secured(plain))
    echo.stream.send = refuses
    for plain in voice(3, 20):
        with pytest.raises(ConnectionRefusedError):
            echo.raw(secured(plain))
    assert (echo.stream.heard.packets, echo.stream.sent, echo.stream.sent_octets) == (23, 20, 20 * 172)


def refuses(data: object) -> None:
    raise ConnectionRefusedError


def test_what_is_not_authentic_is_counted_and_changes_nothing() -> None:
    echo, secured = Echo(keys=KEYS), sender(KEYS)
    packets = [secured(plain) for plain in voice(30)]
    for one in packets[:20]:
        echo.raw(one)
    crooked = Crooked(echo)
    echo.raw(packets[19])
    echo.raw(packets[20][:-1] + bytes([packets[20][-1] ^ 1]))
    assert echo.stream.refused == {Fault.REPLAYED: 1, Fault.FORGED: 1} and crooked.count == 0
    for one in packets[20:]:
        echo.raw(one)
    assert (echo.stream.heard.packets, len(echo.sent), echo.stream.heard.lost) == (30, 30, 0)


def test_digits_of_ours_and_the_echo_share_their_numbers() -> None:
    echo = Echo()
    for plain in voice(10):
        echo.raw(plain)
    echo.stream.emit(101, True, 0, b"\x01\x0a\x00\xa0")
    for plain in voice(10, 10):
        echo.raw(plain)
    numbers = [int.from_bytes(one[2:4], "big") for one in echo.sent]
    assert [(number - numbers[0]) & 0xFFFF for number in numbers] == list(range(21))


def test_media_time_is_that_of_the_last_packet_and_the_time_since() -> None:
    echo = Echo()
    echo.talk(10)
    assert echo.stream.media_time(8000) in (1599, 1600)  # the clock's seconds are binary


def test_nothing_goes_straight_after_the_end() -> None:
    echo, secured = Echo(keys=KEYS), sender(KEYS)
    packets = [secured(plain) for plain in voice(30)]
    reader = echo.stream.reader
    for one in packets[:20]:
        echo.raw(one)
    echo.stream.end()
    buffer = bytearray(packets[20]) + bytearray(1500)
    reader(buffer, memoryview(buffer), len(packets[20]))
    assert (echo.stream.heard.packets, len(echo.sent)) == (20, 20)


def test_a_reader_from_before_a_change_uses_no_old_key() -> None:
    echo = Echo(keys=KEYS)
    secured, reader = sender(KEYS), echo.stream.reader
    for plain in voice(20):
        echo.raw(secured(plain))
    echo.stream.change(agreement(keys=Keys(b"n" * 30, b"m" * 30)))
    late = secured(voice(1, 20)[0])
    buffer = bytearray(late) + bytearray(1500)
    reader(buffer, memoryview(buffer), len(late))
    assert echo.stream.refused == {Fault.FORGED: 1} and len(echo.sent) == 20


def test_without_the_binding_it_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(libsrtp, "_library", Public())
    echo, secured = Echo(keys=KEYS), sender(KEYS)
    crooked = Crooked(echo)
    for plain in voice(40):
        echo.raw(secured(plain))
    assert crooked.count == 1 and len(echo.sent) == echo.stream.sent == 40
    assert {len(one) for one in echo.sent} == {182}


# -- the same as if every packet were looked at -----------------------------------------------------------------------

_packets = st.lists(
    st.tuples(
        st.sampled_from([1] * 30 + [0, 2, 3, -1, -2, 4000]),  # how far the number goes
        st.sampled_from([160] * 20 + [0, 320, 8000, -160, 1 << 31]),  # and the timestamp
        st.sampled_from([0] * 20 + [0x80, 101, 99, 200]),
        st.sampled_from([1] * 30 + [2]),
        st.sampled_from([160] * 15 + [80, 0]),
        st.sampled_from([0.02] * 20 + [0.0, 0.021, 0.5]),
    ),
    max_size=120,
)


@given(_packets, st.sampled_from([0, 65530]), st.sampled_from([0, (1 << 32) - 1600]), st.booleans())
def test_nobody_can_tell(packets: list[Any], sequence: int, timestamp: int, secure: bool) -> None:
    keys = KEYS if secure else None
    one, other = Echo(keys=keys), Echo(keys=keys)
    secured = sender(keys)
    for ahead, step, second, source, octets, pace in packets:
        sequence, timestamp = sequence + ahead, timestamp + step
        data = secured(packet(sequence, timestamp, b"\xff" * octets, second, source))
        for echo in (one, other):
            if echo is other:
                echo.stream.tap_heard = echo.stream.tap_heard  # shuts the line
            echo.raw(data)
            echo.clock.advance(pace)
    assert one.sent == other.sent
    assert one.stream.snapshot() == other.stream.snapshot()
    assert list(map(str, one.stream.findings())) == list(map(str, other.stream.findings()))
    assert one.stream.media_time(8000) == other.stream.media_time(8000)


@given(_packets, st.integers(1, 16))
def test_counting_many_at_once_is_counting_each(packets: list[Any], most: int) -> None:
    one, other = Reception(8000), Reception(8000)
    for reception in (one, other):
        reception.packet(65500, 0, 7, 172, 0, 0.0, False)
    sequence, timestamp, arrival = 65500, 0, 0.0
    waiting: list[tuple[float, int, int]] = []
    for ahead, step, _, _, _, pace in packets:
        sequence, timestamp, arrival = (sequence + ahead) & 0xFFFF, (timestamp + step) & 0xFFFFFFFF, arrival + pace
        one.packet(sequence, timestamp, 7, 172, 0, arrival, False)
        waiting.append((arrival, timestamp, sequence))
        if len(waiting) == most:
            other.run(172, *zip(*waiting, strict=True))
            waiting.clear()
    if waiting:
        other.run(172, *zip(*waiting, strict=True))
    assert {name: getattr(one, name) for name in Reception.__slots__} == {name: getattr(other, name) for name in Reception.__slots__}
