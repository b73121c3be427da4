"""What both kinds of media ports do for a call: a pair of its own, and one that all share."""

import struct

import pytest

from emulator.ids import Ids
from emulator.journal.datagrams import Datagram, Datagrams, Shelf
from emulator.media import rtcp
from emulator.media.codecs import PCMU
from emulator.media.offer import Agreement
from emulator.media.plan import Plan
from emulator.media.port_pair import MediaPorts
from emulator.media.stream import Stream
from emulator.media.wire import Wire
from tests.media.ground import HOST, INSIDE, PACKET, REPORT, Ground, got_report, ground, report_of


def keeper() -> Datagrams:
    return Shelf(1000, 1 << 20).begin()


def ends(kept: Datagrams) -> list[tuple[bool, int, tuple[str, int], str]]:
    """Direction, our port, their address, and what was found; our host must be that of the socket."""
    found: list[Datagram] = list(kept)
    assert {one.local[0] for one in found} <= {HOST}
    return [(one.incoming, one.local[1], one.peer, one.note) for one in found]


def test_what_is_sent_to_the_port_comes_back_from_it(place: Ground) -> None:
    phone = place.phone()
    port, stream = place.call(phone)
    phone.say(port.number)
    place.settle()
    heard = phone.heard()
    assert heard is not None and heard[0][12:] == PACKET[12:] and heard[1] == port.number
    assert (stream.heard.packets, stream.sent) == (1, 1)


def test_what_came_before_the_answer_was_read_is_the_calls_and_comes_first(place: Ground) -> None:
    """Whoever answers our offer speaks at once: its first packets may overtake its answer (RFC 3264 5.1)."""
    phone, stranger = place.phone(), place.phone()
    port = place.ports.open(HOST)

    def say(number: int) -> None:
        phone.say(port.number, PACKET[:2] + struct.pack("!H", number) + PACKET[4:])

    for number in range(3):
        say(number)
    stranger.say(port.number)
    agreement = Agreement(PCMU, 0, 101, 8000, phone.address, (HOST, phone.rtcp.getsockname()[1]), True, True)
    stream = Stream(agreement, place.clock, Ids(1))
    port.attach(stream)
    for number in range(3, 6):
        say(number)
    for _ in range(3):
        place.settle()
    assert (stream.heard.packets, stream.sent, stream.heard.reordered) == (6, 6, 0)
    assert stream.strangers + getattr(place.ports, "strangers", 0) == 1


def test_a_stranger_reaches_no_call_and_moves_none(place: Ground) -> None:
    """robustness 10: before, during and after the client speaks."""
    phone, stranger = place.phone(), place.phone()
    port, stream = place.call(phone)
    stranger.say(port.number)
    phone.say(port.number)
    stranger.say(port.number)
    place.settle()
    assert stranger.heard() is None and phone.heard() is not None
    assert stream.heard.packets == 1
    if isinstance(place.ports, MediaPorts):
        assert stream.strangers == 2
        (finding,) = (finding for finding in stream.findings() if finding.code == "media.stranger")
        (_, heard), (_, said) = stranger.address, phone.address
        assert finding.seen == f"2 packets from elsewhere, the last from {HOST}:{heard}; the description says {HOST}:{said}"
    else:
        assert place.ports.strangers == 2


def test_two_calls_on_one_port_are_told_apart(place: Ground) -> None:
    first, second = place.phone(), place.phone()
    (port_a, a), (port_b, b) = place.call(first), place.call(second)
    first.say(port_a.number)
    second.say(port_b.number)
    second.say(port_b.number, PACKET[:3] + b"\x02" + PACKET[4:])
    place.settle()
    assert (a.heard.packets, b.heard.packets) == (1, 2)


def test_the_first_packet_says_once_where_a_client_behind_a_nat_is(latching: Ground) -> None:
    phone, stranger = latching.phone(), latching.phone()
    port, stream = latching.call(phone, announced=(HOST, 9))
    phone.say(port.number)
    latching.settle()
    assert phone.heard() is not None
    stranger.say(port.number)
    phone.say(port.number, PACKET[:3] + b"\x02" + PACKET[4:])
    latching.settle()
    assert stranger.heard() is None and phone.heard() is not None
    assert stream.heard.packets == 2


def test_a_description_said_again_leaves_a_client_behind_a_nat_where_it_is(latching: Ground) -> None:
    """Its session refresh and its way off hold name the address that it believes in."""
    phone = latching.phone()
    port, stream = latching.call(phone, announced=(HOST, 9))
    for number in range(3):
        phone.say(port.number, PACKET[:3] + bytes((number,)) + PACKET[4:])
        latching.settle()
        assert phone.heard() is not None
        stream.change(stream.agreement)
        port.attach(stream)
    assert stream.heard.packets == 3


def test_reports_of_a_client_behind_a_nat_come_from_another_port_of_its_address(latching: Ground) -> None:
    """What RTP has shown holds for RTCP: its address, not its port, which a NAT chooses anew."""
    phone, stranger = latching.phone(), latching.phone("127.0.0.3")
    port, stream = latching.call(phone, announced=INSIDE, rtcp=(INSIDE[0], INSIDE[1] + 1))
    report_of(phone, port.number)  # nothing has shown yet whose this is
    latching.settle()
    assert stream.reports == 0
    phone.say(port.number)
    latching.settle()
    report_of(stranger, port.number)
    latching.settle()
    assert stream.reports == 0
    report_of(phone, port.number, b"\x80\xc8 none")
    latching.settle()
    assert stream.reports == 0
    report_of(phone, port.number)
    latching.settle()
    assert stream.reports == 1
    stream.send_report(REPORT)
    assert got_report(phone.rtcp) and not got_report(stranger.rtcp)


def test_reports_move_once_in_a_call(latching: Ground) -> None:
    phone, other = latching.phone(), latching.phone()
    port, stream = latching.call(phone, announced=INSIDE, rtcp=(INSIDE[0], INSIDE[1] + 1))
    phone.say(port.number)
    latching.settle()
    for count in range(1, 4):
        report_of(phone, port.number)
        report_of(other, port.number)  # of the same address
        latching.settle()
        assert stream.reports == count
        stream.change(stream.agreement)
        port.attach(stream)  # the description is said again
        stream.send_report(REPORT)
        assert got_report(phone.rtcp) and not got_report(other.rtcp)
    stream.end()
    port.close()
    next_port, following = latching.call(other)
    report_of(phone, next_port.number)
    report_of(other, next_port.number)
    latching.settle()
    assert following.reports == 1 and stream.reports == 3


def test_a_capture_has_reports_where_they_came_from(latching: Ground) -> None:
    phone, kept = latching.phone(), Shelf(100, 1 << 20).begin()
    port, stream = latching.call(phone, announced=INSIDE, rtcp=(INSIDE[0], INSIDE[1] + 1), kept=kept)
    phone.say(port.number)
    latching.settle()
    report_of(phone, port.number)
    latching.settle()
    stream.send_report(REPORT)
    ours, theirs = (HOST, port.number + 1), (HOST, phone.rtcp.getsockname()[1])
    reports = [datagram for datagram in kept if datagram.data == REPORT]
    assert [(one.incoming, one.local, one.peer) for one in reports] == [(True, ours, theirs), (False, ours, theirs)]


def test_a_client_that_says_where_it_is_after_all_has_its_reports_there(latching: Ground) -> None:
    phone = latching.phone()
    port, stream = latching.call(phone, announced=INSIDE, rtcp=(INSIDE[0], INSIDE[1] + 1))
    phone.say(port.number)
    latching.settle()
    named = (HOST, phone.rtcp.getsockname()[1])
    stream.change(Agreement(PCMU, 0, 101, 8000, phone.address, named, True, True))
    port.attach(stream)
    report_of(phone, port.number, sock=latching.phone().rtcp)
    report_of(phone, port.number)
    latching.settle()
    stream.send_report(REPORT)
    assert stream.reports == 1 and got_report(phone.rtcp)


@pytest.mark.parametrize("kind", ["pairs", "shared"])
def test_reports_of_a_client_that_is_where_it_says_move_nowhere(kind: str) -> None:
    for latch in (False, True):
        place = ground(kind, latch)
        phone, other = place.phone(), place.phone()
        port, stream = place.call(phone)
        phone.say(port.number)
        place.settle()
        report_of(other, port.number)
        place.settle()
        assert stream.reports == 0
        report_of(phone, port.number)
        place.settle()
        stream.send_report(REPORT)
        assert stream.reports == 1 and got_report(phone.rtcp) and not got_report(other.rtcp)
        place.close()


def test_reports_on_the_media_port_go_where_media_goes(latching: Ground) -> None:
    phone = latching.phone()
    port, stream = latching.call(phone, announced=INSIDE, rtcp=INSIDE)
    for number in range(2):
        phone.say(port.number, PACKET[:3] + bytes((number,)) + PACKET[4:])
        latching.settle()
        assert phone.heard() is not None
        stream.send_report(REPORT)
        assert got_report(phone.rtp)
        stream.change(stream.agreement)
        port.attach(stream)


def test_rtcp_goes_to_the_next_port_and_comes_from_it(place: Ground) -> None:
    phone = place.phone()
    port, stream = place.call(phone)
    phone.rtcp.sendto(rtcp.receiver_report(7, b"") + rtcp.description(7, "phone"), (HOST, port.number + 1))
    place.settle()
    stream.start_reports()
    place.clock.advance(6)
    data, peer = phone.rtcp.recvfrom(2000)
    assert stream.reports == 1 and peer[1] == port.number + 1 and rtcp.parse(data).types == {rtcp.RR, rtcp.SDES}


def test_rtcp_on_the_port_of_rtp_goes_there_and_comes_from_there(place: Ground) -> None:
    """RFC 5761."""
    phone = place.phone()
    port = place.ports.open(HOST)
    stream = Stream(Agreement(PCMU, 0, 101, 8000, phone.address, phone.address, True, True, muxed=True), place.clock, Ids(1))
    port.attach(stream)
    phone.say(port.number, rtcp.receiver_report(7, b"") + rtcp.description(7, "phone"))
    phone.say(port.number)
    place.settle()
    heard = [phone.heard()]
    stream.start_reports()
    place.clock.advance(6)
    heard.append(phone.heard())
    assert (stream.reports, stream.heard.packets, stream.bad) == (1, 1, 0)
    assert [one is not None and one[1] == port.number for one in heard] == [True, True]
    assert heard[1] is not None and rtcp.SR in rtcp.parse(heard[1][0]).types


def test_media_from_another_port_than_announced(place: Ground) -> None:
    phone = place.phone()
    port, _ = place.call(phone, Plan(other_port=True))
    phone.say(port.number)
    place.settle()
    heard = phone.heard()
    assert heard is not None and heard[1] == port.number + 1


def test_packets_after_the_end_belong_to_the_call_that_was(place: Ground) -> None:
    phone = place.phone()
    port, stream = place.call(phone)
    phone.say(port.number)
    place.settle()
    stream.end()
    port.close()
    phone.say(port.number)  # crosses the BYE
    place.settle()
    place.clock.advance(0.2)
    phone.say(port.number)
    phone.say(port.number)
    place.settle()
    assert (stream.heard.packets, stream.late) == (1, 2)
    assert "media.after-bye" in {finding.code for finding in stream.findings()}
    place.clock.advance(6)
    phone.say(port.number)
    place.settle()
    assert stream.late == 2
    again, other = place.call(phone)
    phone.say(again.number)
    place.settle()
    assert (stream.late, other.heard.packets) == (2, 1)


@pytest.mark.parametrize("other_port", [False, True])
def test_what_passes_the_ports_is_kept_with_its_addresses(place: Ground, other_port: bool) -> None:
    phone, kept = place.phone(), keeper()
    port, stream = place.call(phone, Plan(other_port=other_port), kept=kept)
    phone.say(port.number)
    phone.rtcp.sendto(rtcp.receiver_report(7, b""), (HOST, port.number + 1))
    place.settle()
    heard = phone.heard()
    assert heard is not None
    stream.end()
    rtp, reports = phone.address, (HOST, phone.rtcp.getsockname()[1])
    want = {
        (True, port.number, rtp, ""), (False, port.number + other_port, rtp, ""),
        (True, port.number + 1, reports, ""), (False, port.number + 1, reports, ""),
    }  # fmt: skip
    assert set(ends(kept)) == want and len(ends(kept)) == 4
    by_way = {(one.incoming, one.peer): one.data for one in kept}
    assert by_way[True, rtp] == PACKET and (by_way[False, rtp], port.number + other_port) == heard
    assert by_way[False, reports] == phone.rtcp.recv(2000)


def test_strangers_and_late_packets_are_kept_where_they_are_known(place: Ground) -> None:
    """On a shared port a stranger's belongs to no call."""
    phone, stranger, kept = place.phone(), place.phone(), keeper()
    port, stream = place.call(phone, kept=kept)
    stranger.say(port.number)
    phone.say(port.number)
    place.settle()
    stream.end()
    port.close()
    for wait in (0.01, 1.0):  # the first one crosses the BYE
        place.clock.advance(wait)
        phone.say(port.number)
        place.settle()
    notes = [(peer, note) for incoming, _, peer, note in ends(kept) if note]
    strange = [(stranger.address, "media.stranger")] if isinstance(place.ports, MediaPorts) else []
    assert notes == [*strange, (phone.address, "media.after-bye")] and stream.late == 1


def test_a_client_behind_a_nat_is_kept_where_it_is(latching: Ground) -> None:
    """Its first packet is no stranger's."""
    phone, kept = latching.phone(), keeper()
    port, _ = latching.call(phone, announced=(HOST, 9), kept=kept)
    phone.say(port.number)
    latching.settle()
    assert ends(kept) == [(incoming, port.number, phone.address, "") for incoming in (True, False)]


def test_what_came_before_the_port_knew_its_client_is_kept_once(place: Ground) -> None:
    phone, kept = place.phone(), keeper()
    port = place.ports.open(HOST)
    phone.say(port.number)
    agreement = Agreement(PCMU, 0, 101, 8000, phone.address, None, True, True)
    port.attach(Stream(agreement, place.clock, Ids(1), wire=Wire(kept, place.clock, HOST)))
    place.settle()
    assert [incoming for incoming, *_ in ends(kept)] == [True, False]
