"""One media port for all calls: whose packet it is."""

import struct

import pytest

from emulator.media import rtcp, shared_port
from tests.media.ground import HOST, PACKET, REPORT, got_report, ground, report_of


def test_an_address_that_another_call_has_is_not_taken_from_it() -> None:
    """A description can't fetch another call's media."""
    place = ground("shared")
    phone = place.phone()
    (port, first), (_, second) = place.call(phone), place.call(phone)
    phone.say(port.number)
    place.settle()
    assert (first.heard.packets, second.heard.packets) == (1, 0)
    assert [finding.code for finding in second.findings()] == ["media.address-taken"]
    place.close()


def test_an_address_goes_on_to_the_next_call_when_the_first_is_over() -> None:
    """Who calls again before its BYE has come, or without one, announces the port it had."""
    place = ground("shared")
    phone = place.phone()
    (port, first), (next_port, second), (last_port, third) = place.call(phone), place.call(phone), place.call(phone)
    report = rtcp.receiver_report(7, b"") + rtcp.description(7, "phone")
    for ended, stream, heir in ((port, first, second), (next_port, second, third)):
        stream.end()
        ended.close()
        phone.say(port.number)
        phone.rtcp.sendto(report, (HOST, port.number + 1))
        place.settle()
        assert phone.heard() is not None and (heir.heard.packets, heir.reports) == (1, 1)
        assert "media.address-taken" not in {finding.code for finding in heir.findings()}
    last_port.close()
    assert place.ports.strangers == 0 and not last_port._group.heirs and not last_port._group.by_rtcp_peer
    place.close()


def test_strangers_on_a_shared_port_are_told_of_now_and_then() -> None:
    """Their packets belong to no call whose finding they could be."""
    place = ground("shared")
    told: list[tuple[int, tuple[str, int]]] = []
    place.ports._told = lambda packets, peer: told.append((packets, peer))
    port, _ = place.call(place.phone())
    stranger = place.phone()
    for _ in range(3):
        stranger.say(port.number)
    place.settle()
    assert told == [(1, stranger.address)]
    place.clock.advance(11)
    stranger.say(port.number)
    place.settle()
    assert told == [(1, stranger.address), (3, stranger.address)] and place.ports.strangers == 4
    place.close()


def test_reports_of_two_clients_behind_one_nat_are_told_apart_by_their_source() -> None:
    place = ground("shared", latch=True)
    phones = [place.phone(), place.phone()]
    calls = []
    for source, phone in enumerate(phones):
        port, stream = place.call(phone, announced=("127.0.0.9", 4000 + 2 * source), rtcp=("127.0.0.9", 4001 + 2 * source))
        phone.say(port.number, PACKET[:8] + struct.pack("!I", source) + PACKET[12:])
        place.settle()
        assert phone.heard() is not None
        calls.append((port, stream))
    number = calls[0][0].number
    for source in (1, 0):
        report_of(phones[source], number, rtcp.receiver_report(9, b"") + rtcp.description(9, "neither"))
        report_of(phones[source], number, rtcp.receiver_report(source, b"") + rtcp.description(source, "phone"))
        place.settle()
        calls[source][1].send_report(REPORT)
        assert got_report(phones[source].rtcp)
    assert [stream.reports for _, stream in calls] == [1, 1]
    for port, stream in calls:
        stream.end()
        port.close()
    assert not calls[0][0]._group.moved and not calls[0][0]._group.by_rtcp_peer
    place.close()


def test_a_late_packet_of_one_call_does_not_say_where_the_client_of_the_next_is() -> None:
    place = ground("shared", latch=True)
    phone, other = place.phone(), place.phone()
    port, first = place.call(phone)
    phone.say(port.number)
    place.settle()
    first.end()
    port.close()
    _, second = place.call(other, announced=("127.0.0.9", 9))
    phone.say(port.number)
    place.settle()
    assert second.heard.packets == 0 and place.ports.strangers == 0
    other.say(port.number)
    place.settle()
    assert second.heard.packets == 1
    place.close()


def test_a_client_behind_a_nat_may_call_again_from_the_port_it_had() -> None:
    place = ground("shared", latch=True)
    phone = place.phone()
    announced = ("127.0.0.9", phone.address[1])
    for _ in range(2):
        port, stream = place.call(phone, announced=announced)
        phone.say(port.number)
        place.settle()
        assert stream.heard.packets == 1
        stream.end()
        port.close()
    place.close()


def test_which_of_two_waiting_calls_a_packet_is_for_must_be_certain() -> None:
    place = ground("shared", latch=True)
    phone = place.phone()
    number = phone.address[1]
    port, first = place.call(phone, announced=("127.0.0.9", number))
    _, second = place.call(phone, announced=("127.0.0.8", 9))
    phone.say(port.number)
    place.settle()
    assert (first.heard.packets, second.heard.packets) == (1, 0)  # the port it announced
    other = place.phone()
    place.call(other, announced=("127.0.0.7", 11))
    other.say(port.number)
    place.settle()
    assert place.ports.strangers == 1 and second.heard.packets == 0
    place.close()


def test_a_strangers_packet_costs_no_walk_over_the_calls_that_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where many clients are behind a NAT that changes their ports, each packet is a stranger's."""
    place = ground("shared", latch=True)
    phone, stranger = place.phone(), place.phone()
    ports = [place.call(phone, announced=("127.0.0.9", 1000 + k))[0] for k in range(100)]
    asked = 0

    def latches(port: shared_port.SharedPort) -> bool:
        nonlocal asked
        asked += 1
        return port.stream is not None and not port.stream.heard.packets

    monkeypatch.setattr(shared_port.SharedPort, "latches", property(latches))
    stranger.say(ports[0].number)
    place.settle()
    assert place.ports.strangers == 1 and asked == 2
    for port in ports:
        port.close()
    assert not ports[0]._group.waiting._by_port
    place.close()


def test_rtcp_of_an_address_that_two_calls_announce_stays_with_the_first() -> None:
    place = ground("shared")
    phone = place.phone()
    (port, first), (other_port, second) = place.call(phone), place.call(phone)
    report = rtcp.receiver_report(7, b"") + rtcp.description(7, "phone")
    phone.rtcp.sendto(report, (HOST, port.number + 1))
    place.settle()
    second.end()
    other_port.close()
    phone.rtcp.sendto(report, (HOST, port.number + 1))
    place.settle()
    assert (first.reports, second.reports) == (2, 0)
    place.close()
