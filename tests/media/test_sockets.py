"""When media sockets are read, how much at once, and what is sent from them together."""

import struct
from contextlib import closing
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.media import rtcp, shared_port, sockets
from emulator.media.offer import Keys
from emulator.media.srtp import Inbound, Outbound
from tests.media.ground import HOST, INSIDE, PACKET, ground, report_of

KEYS = [Keys(bytes([2 * k] * 30), bytes([2 * k + 1] * 30)) for k in range(4)]


def refuses(data: object) -> None:
    raise ConnectionRefusedError


def protect(outbound: Outbound, packet: bytes) -> bytes:
    buffer = bytearray(packet) + bytearray(148)
    return bytes(buffer[: outbound.protect(buffer, len(packet))])


def unprotect(inbound: Inbound, packet: bytes) -> bytes:
    buffer = bytearray(packet)
    return bytes(buffer[: inbound.unprotect(buffer, len(packet))])


def test_a_socket_that_its_packet_has_closed_is_not_read_again() -> None:
    place = ground("pairs", latch=True)
    place.selector._late = True  # several are read from a socket
    phone = place.phone()
    port, stream = place.call(phone, announced=INSIDE, rtcp=(INSIDE[0], INSIDE[1] + 1))
    phone.say(port.number)
    place.settle()
    report_of(phone, port.number)
    place.settle()
    assert stream.reports == 1 and place.selector.socket_errors == 0
    place.close()


def test_many_sockets_are_read_at_a_fixed_rate() -> None:
    """Above `tick_above` streams the reactor does not watch them: each tick reads what has come, and once they are few it watches again."""
    place = ground("pairs", tick=0.004, tick_above=1)
    selector, clock = place.selector, place.clock
    readers = selector._reactor.readers
    phones = [place.phone(), place.phone()]
    ports = [place.call(phone)[0] for phone in phones]
    assert readers == [selector]
    phones[0].say(ports[0].number)
    selector.doRead()
    assert phones[0].heard() is not None and readers == []
    phones[1].say(ports[1].number)
    clock.advance(0.003)
    phones[1].rtp.setblocking(False)
    with pytest.raises(BlockingIOError):
        phones[1].rtp.recv(1)
    clock.advance(0.001)
    assert phones[1].rtp.recv(2000)[12:] == PACKET[12:] and readers == []
    ports[1].close()
    clock.advance(0.004)
    assert readers == [selector] and clock.pending == 0
    place.close()


def test_all_that_has_come_to_a_shared_port_is_read_at_each_tick() -> None:
    """It has the packets of all calls: one a tick would be 250 a second for all of them."""
    place = ground("shared", tick=0.004, tick_above=0)
    phones = [place.phone(), place.phone()]
    ports = [place.call(phone)[0] for phone in phones]
    place.selector.doRead()
    for _ in range(20):
        for phone, port in zip(phones, ports, strict=True):
            phone.say(port.number)
    place.clock.advance(0.004)
    assert [port.stream.sent for port in ports] == [20, 20]
    for _ in range(10):
        phones[0].rtcp.sendto(rtcp.receiver_report(7, b"") + rtcp.description(7, "phone"), (HOST, ports[0].number + 1))
    place.clock.advance(0.004)
    assert ports[0].stream.reports == 10
    place.close()


def test_a_shared_port_leaves_nothing_for_the_next_tick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where more has come than is read at once the next tick is due at once."""
    monkeypatch.setattr(shared_port, "_READS", 4)
    place = ground("shared", tick=0.004, tick_above=0)
    phone = place.phone()
    port, stream = place.call(phone)
    place.selector.doRead()
    for _ in range(10):
        phone.say(port.number)
    place.clock.advance(0.004)
    assert stream.sent == 10
    place.close()


def test_more_is_read_from_each_socket_when_there_is_no_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few packets of a call in a row cost less than one of each call in turn; where each has but one, one is read."""
    monkeypatch.setattr(sockets, "_EVENTS_PER_ROUND", 1)
    place = ground("pairs", tick=0.004, tick_above=0)
    due: list[Any] = []
    place.selector._reactor.callLater = lambda seconds, call: due.append(call)
    phone = place.phone()
    port, stream = place.call(phone)
    for _ in range(10):
        phone.say(port.number)
    place.selector.doRead()
    sent = [stream.sent]
    while sent[-1] < 10:
        due.pop()()
        sent.append(stream.sent)
    assert sent == [1, 2, 6, 10]
    for _ in range(2):
        due.pop()()  # nothing has come: a rest
    for _ in range(4):
        phone.say(port.number)
        due.pop()()
        sent.append(stream.sent)
    assert sent[-4:] == [11, 12, 13, 14]
    place.close()


@pytest.mark.parametrize("kind", ["pairs", "shared"])
@pytest.mark.parametrize("secure", [False, True])
@given(story=st.lists(st.tuples(st.integers(0, 3), st.sampled_from(["voice", "voice", "voice", "marker", "long", "stray"])), max_size=60))
def test_each_call_gets_its_own_packets_back_in_order(kind: str, secure: bool, story: list[tuple[int, str]]) -> None:
    """Packets that go straight wait for others to be sent with them, and odd ones between them do not."""
    with pytest.MonkeyPatch.context() as patch, closing(ground(kind)) as place:
        patch.setattr(sockets, "_SLOTS", 4)
        place.selector._late = True  # several are read from a socket
        keys = KEYS if secure else [None] * 4
        phones = [place.phone() for _ in keys]
        calls = [place.call(phone, keys=own) for phone, own in zip(phones, keys, strict=True)]
        protected = [Outbound(own.theirs) if own is not None else None for own in keys]
        said: list[list[bytes]] = [[] for _ in phones]
        for sequence, (k, kind) in enumerate([(k, "voice") for k in range(4)] + story):
            payload = struct.pack("!BH", k, sequence) * (54 if kind == "long" else 53)
            packet = struct.pack("!BBHII", 0x80, {"marker": 0x80, "stray": 99}.get(kind, 0), sequence, sequence * 160, 7 + k) + payload
            own = protected[k]
            phones[k].say(calls[k][0].number, packet if own is None else protect(own, packet))
            if kind != "stray":
                said[k].append(payload)
        for _ in range(30):
            place.selector.doRead()
        for k, ((port, stream), phone) in enumerate(zip(calls, phones, strict=True)):
            heard = [phone.heard() for _ in said[k]]
            opener = Inbound(keys[k].ours) if secure else None
            got = [unprotect(opener, one[0]) if opener is not None else one[0] for one in heard if one is not None]
            assert [one[12:] for one in got] == said[k]
            first = struct.unpack_from("!H", got[0], 2)[0]
            assert [struct.unpack_from("!H", one, 2)[0] for one in got] == [(first + n) & 0xFFFF for n in range(len(got))]
            assert (stream.heard.packets, stream.sent, {one[1] for one in heard}) == (len(said[k]), len(said[k]), {port.number})
        assert place.selector.socket_errors == 0


@pytest.mark.parametrize("keys", [None, KEYS[0]])
def test_what_could_not_be_sent_in_a_row_is_counted(keys: Keys | None) -> None:
    place = ground("pairs", tick=0.0)
    phones = [place.phone() for _ in range(3)]
    calls = [place.call(phone, keys=keys) for phone in phones]
    own = [Outbound(keys.theirs) if keys is not None else None for _ in phones]
    for sequence in range(4):
        if sequence == 3:
            calls[1][1].send = refuses
        for (port, _), phone, outbound in zip(calls, phones, own, strict=True):
            packet = struct.pack("!BBHII", 0x80, 0, sequence, sequence * 160, 7) + bytes(160)
            phone.say(port.number, packet if outbound is None else protect(outbound, packet))
        place.settle()
    assert [(stream.heard.packets, stream.sent, stream.sent_octets) for _, stream in calls] == [(4, 4, 688), (4, 3, 516), (4, 4, 688)]
    assert place.selector.socket_errors == 1
    place.close()


def test_what_waits_to_be_sent_goes_before_a_call_ends() -> None:
    place = ground("pairs")
    phones = [place.phone() for _ in range(2)]
    calls = [place.call(phone) for phone in phones]
    for sequence in (1, 2):
        for (port, _), phone in zip(calls, phones, strict=True):
            phone.say(port.number, struct.pack("!BBHII", 0x80, 0, sequence, sequence * 160, 7) + bytes(160))
        place.settle()

    def ends(buffer: bytearray, view: memoryview, length: int) -> None:
        calls[0][1].end()
        calls[0][0].close()

    calls[1][1].otherwise = ends  # as a digit that ends a script does
    phones[0].say(calls[0][0].number, struct.pack("!BBHII", 0x80, 0, 3, 480, 7) + bytes(160))
    phones[1].say(calls[1][0].number, b"odd")
    place.settle()
    assert [phones[0].heard() is not None for _ in range(4)] == [True, True, True, False]
    assert calls[0][1].sent == 3
    place.close()


def test_ticks_end_with_the_selector() -> None:
    place = ground("pairs", tick=0.004, tick_above=0)
    place.call(place.phone())
    place.selector.doRead()
    assert place.selector._reactor.readers == []
    place.close()
    place.clock.advance(1.0)
    assert place.selector._reactor.readers == [] and place.clock.pending == 0
