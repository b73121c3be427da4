"""What passes a call's media ports is kept as it passed them; without a wire nothing is in the way of packets."""

import struct
from dataclasses import replace

import pytest

from emulator.ids import Ids
from emulator.media import rtcp
from emulator.media.offer import Keys
from emulator.media.plan import Plan
from emulator.media.srtp import Outbound
from emulator.media.stream import Stream
from emulator.media.wire import Wire
from tests.support.echo import OURS, THEIRS, Echo, agreement
from tests.support.tapped import THEM, US, Tapped

KEYS = Keys(OURS, THEIRS)
REPORT = rtcp.receiver_report(7, b"") + rtcp.description(7, "peer")


def packet(sequence: int, payload: bytes = b"\xff" * 160, second: int = 0) -> bytes:
    return struct.pack("!BBHII", 0x80, second, sequence, 160 * sequence, 1) + payload


def protect(outbound: Outbound, plain: bytes) -> bytes:
    buffer = bytearray(plain) + bytearray(200)
    return bytes(buffer[: outbound.protect(buffer, len(plain))])


def test_without_a_wire_nothing_is_added_to_the_way_of_a_packet() -> None:
    """The port hands packets to the straight line itself, and that sends with the socket's own `send`."""
    echo = Echo()
    send = echo.sent.append
    echo.stream.send = send
    assert echo.stream.wire is None
    assert echo.stream.straight == echo.stream._echo._plain and echo.stream._echo.send is send
    echo.talk(2)
    assert echo.stream._echo._source == 1  # the line is open


@pytest.mark.parametrize("keys", [None, KEYS], ids=["RTP", "SRTP"])
def test_packets_are_kept_as_they_came_and_as_they_left(keys: Keys | None) -> None:
    """Although the echo writes its header, and SRTP its octets, in the buffer that they came in. The straight line stays open."""
    echo, outbound = Tapped(keys=keys), Outbound(THEIRS)
    came = [packet(k) if keys is None else protect(outbound, packet(k)) for k in range(50)]
    for data in came:
        echo.raw(data)
        echo.clock.advance(0.02)
    assert echo.octets(True) == came and echo.octets(False) == echo.sent and len(echo.sent) == 50
    assert [one.incoming for one in echo.ways()] == [True, False] * 50  # each answer after its question
    assert [round(one.at - echo.ways()[0].at, 6) for one in echo.ways()] == [round(0.02 * (k // 2), 6) for k in range(100)]
    assert {(one.local, one.peer, one.keys) for one in echo.ways()} == {(US, THEM, (OURS, THEIRS) if keys else None)}
    assert echo.stream._echo._source == 1 and (echo.stream.heard.packets, echo.stream.sent) == (50, 50)


def test_only_the_first_packets_are_kept_and_the_call_goes_on() -> None:
    echo = Tapped(packets=7)
    echo.talk(50)
    assert (echo.kept.packets, echo.kept.missed, len(echo.sent), echo.stream.heard.packets) == (7, 93, 50, 50)


def test_what_could_not_be_sent_did_not_leave() -> None:
    echo = Tapped()
    echo.talk(2)
    echo.refuses = True
    with pytest.raises(ConnectionRefusedError):
        echo.hear(2, timestamp=320, payload=b"\xff" * 160)
    echo.refuses = False
    echo.talk(1, 3)
    assert len(echo.octets(True)) == 4 and echo.octets(False) == echo.sent and len(echo.sent) == 3


def test_what_is_lost_on_purpose_on_its_way_out_is_not_there_and_on_its_way_in_it_is() -> None:
    """Both as on the wire. What is held back is there when it leaves."""
    plan = Plan(
        sent=(("pattern", {"pattern": "..x"}), ("delay", {"seconds": 0.5})), heard=(("pattern", {"pattern": ".x"}),),
    )  # fmt: skip
    echo = Tapped(plan=plan)
    echo.talk(12)
    assert len(echo.octets(True)) == 12 and echo.octets(False) == []
    echo.clock.advance(1)
    assert len(echo.octets(False)) == 4 and echo.octets(False) == echo.sent
    came, *_, left = echo.ways()
    assert 0.5 < left.at - came.at < 1 and {one.note for one in echo.ways()} == {""}


def test_reports_both_ways_and_those_that_come_to_the_port_of_rtp() -> None:
    for keys in (None, KEYS):
        echo, outbound = Tapped(keys=keys), Outbound(THEIRS)
        theirs = outbound.protect_rtcp(REPORT) if keys is not None else REPORT
        echo.stream.receive_rtcp(theirs)
        echo.raw(theirs if keys is None else outbound.protect_rtcp(REPORT))
        echo.stream.start_reports()
        echo.clock.advance(6)
        first, muxed, *ours = echo.ways()
        above = ((US[0], 10001), ("192.0.2.1", 4001))
        assert (first.incoming, first.local, first.peer, first.data) == (True, *above, theirs)
        assert (muxed.incoming, muxed.local, muxed.peer) == (True, US, THEM) and echo.stream.reports == 2
        assert ours and [one.data for one in ours] == echo.reports
        assert {(one.incoming, one.local, one.peer) for one in ours} == {(False, *above)}


def test_reports_go_where_media_goes_when_there_is_no_other_place() -> None:
    echo = Tapped()
    echo.stream.aimed_rtcp(None)
    echo.stream.start_reports()
    echo.clock.advance(6)
    assert {(one.local, one.peer) for one in echo.ways()} == {(US, THEM)}


def test_packets_of_our_own_digits_and_the_goodbye() -> None:
    echo = Tapped()
    echo.talk(5)
    echo.stream.dialler.dial_all("1")
    echo.clock.advance(1)
    echo.stream.end()
    events = [data for data in echo.octets(False) if data[1] & 0x7F == 101]
    assert len(events) > 3 and echo.octets(False) == [*echo.sent, *echo.reports]
    assert rtcp.BYE in rtcp.parse(echo.ways()[-1].data).types
    assert list(echo.shelf._over) == [echo.kept]  # from now on it may make room


def test_from_another_port_than_announced() -> None:
    echo = Tapped(plan=Plan(other_port=True))
    echo.talk(1)
    assert [one.local for one in echo.ways()] == [US, (US[0], 10001)]


@pytest.mark.parametrize("bound", ["0.0.0.0", "::"])
def test_of_a_socket_bound_to_every_address_it_is_the_described_one(bound: str) -> None:
    echo = Tapped(bound=bound)
    echo.talk(1)
    assert {one.local for one in echo.ways()} == {US}


def test_findings_stand_at_their_packets() -> None:
    echo, outbound = Tapped(keys=KEYS), Outbound(THEIRS)
    good, forged = protect(outbound, packet(1)), protect(outbound, packet(2))
    for data in (good, good, forged[:-1] + bytes([forged[-1] ^ 1]), b"\x16\xfe\xfd" + bytes(60), protect(outbound, packet(3, second=33)),
                 b"\x80\x00short", protect(outbound, packet(4))):  # fmt: skip
        echo.raw(data)
    notes = [one.note for one in echo.ways() if one.incoming]
    assert notes == ["", "srtp.replayed", "srtp.forged", "media.malformed", "media.payload-type", "srtp.unusable", ""]
    assert {one.note for one in echo.ways() if not one.incoming} == {""}
    for report in (outbound.protect_rtcp(REPORT), b"\x80\xc9\0\1", b"\0\0"):  # to the port of RTCP
        echo.stream.receive_rtcp(report)
    assert [one.note for one in echo.ways()[-3:]] == ["", "srtp.unusable", "media.malformed"]


def test_media_against_the_direction_is_noted() -> None:
    """But not what crosses the description that forbids it."""
    echo = Tapped()
    echo.stream.change(replace(agreement(), receive=False))
    echo.talk(60)
    notes = [one.note for one in echo.ways()]
    assert notes[0] == "" and notes[-1] == "media.direction" and len(notes) == 60


def test_a_client_that_moves_and_takes_new_keys() -> None:
    echo = Tapped(keys=KEYS)
    first, new = Outbound(THEIRS), Outbound(b"n" * 30)
    echo.raw(protect(first, packet(1)))
    echo.stream.change(agreement(keys=Keys(OURS, b"n" * 30)))
    echo.stream.aimed(US, ("192.0.2.1", 5000))
    echo.raw(protect(new, packet(2)))
    echo.stream.change(agreement())
    echo.hear(3)
    keys = [(OURS, THEIRS)] * 2 + [(OURS, b"n" * 30)] * 2 + [None] * 2
    assert [one.keys for one in echo.ways()] == keys
    assert [one.peer[1] for one in echo.ways()] == [4000] * 2 + [5000] * 4


def test_another_attempt_of_the_same_call_has_its_own_ports_and_keys() -> None:
    """Early media under SRTP from a customer who is not in; the next one has none."""
    echo = Tapped(keys=KEYS)
    echo.raw(protect(Outbound(THEIRS), packet(1)))
    echo.stream.end()
    again = Stream(agreement(), echo.clock, Ids(1), wire=Wire(echo.kept, echo.clock, US[0]))
    again.aimed((US[0], 10002), THEM)
    again.send = lambda data: None
    assert not echo.shelf._over  # it is up again
    plain = packet(2)
    buffer = bytearray(plain)
    again.reader(buffer, memoryview(buffer), len(plain))
    *_, goodbye, last, back = echo.ways()
    assert (goodbye.keys, last.keys, last.local, last.data) == ((OURS, THEIRS), None, (US[0], 10002), plain)
    assert (back.keys, back.incoming) == (None, False)


def test_what_comes_to_the_port_after_the_end_may_still_be_kept() -> None:
    echo = Tapped()
    echo.talk(1)
    echo.stream.end()
    late = packet(2)
    echo.stream.stray(THEM, memoryview(late), "media.after-bye")
    last = echo.ways()[-1]
    assert (last.note, last.data, last.incoming) == ("media.after-bye", late, True)
