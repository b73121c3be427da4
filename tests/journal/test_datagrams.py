"""What is kept of media, and what is not any more: bounds, order, whose turn it is to make room."""

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.clock import SteppedClock
from emulator.journal.datagrams import Datagrams, Shelf
from emulator.journal.journal import Journal

US, THEM = ("127.0.13.1", 10000), ("192.0.2.10", 4000)
ABOUT = 13
"""Octets that are noted of a packet."""
WAY = 256


def filled(shelf: Shelf, packets: int, octets: int = 172, first: int = 0) -> Datagrams:
    """A call with so many packets of the client's."""
    kept = shelf.begin()
    for k in range(packets):
        kept.keep(float(k), kept.way(True, US, THEM), (first + k).to_bytes(2, "big") + bytes(octets - 2))
    return kept


def numbers(kept: Datagrams) -> list[int]:
    return [int.from_bytes(datagram.data[:2], "big") for datagram in kept]


def test_the_first_packets_of_a_call_are_kept() -> None:
    kept = filled(Shelf(5, 1 << 20), 8)
    assert numbers(kept) == [0, 1, 2, 3, 4] and (kept.packets, kept.missed, kept.full) == (5, 3, True)
    first = next(iter(kept))
    assert (first.at, first.incoming, first.local, first.peer, first.note, first.keys) == (0.0, True, US, THEM, "", None)


def test_those_of_all_calls_together_take_no_more_than_is_allowed() -> None:
    """While all are up the first ones keep what they have, and what one has has no gap."""
    shelf = Shelf(1000, 10_000)
    calls = [shelf.begin() for _ in range(4)]
    for k in range(30):
        for kept in calls:
            kept.keep(float(k), kept.way(True, US, THEM), k.to_bytes(2, "big") + bytes(170 + 600 * (kept is calls[0])))
    assert 9_000 < shelf.octets <= 10_000 and shelf.octets == sum(kept.octets for kept in calls)
    for kept in calls:
        assert numbers(kept) == list(range(kept.packets)) and kept.full and kept.packets + kept.missed == 30


def test_a_thousand_calls_take_the_memory_that_is_said() -> None:
    shelf = Shelf(6000, 1 << 20)
    calls = [filled(shelf, 50) for _ in range(1000)]
    assert shelf.octets <= 1 << 20
    taken = sum(sys.getsizeof(kept._about) for kept in calls)
    assert taken < 1.2 * (1 << 20) and sum(kept.packets for kept in calls) > 5000


def test_what_ended_first_makes_room_first_and_calls_that_are_up_make_none() -> None:
    shelf = Shelf(100, 4 * (WAY + 10 * (ABOUT + 172)))
    up, first, second = (filled(shelf, 10) for _ in range(3))
    second.end()
    first.end()
    second.begin_again()  # it has other ports now
    second.end()
    filled(shelf, 10)
    assert (up.packets, first.packets, second.packets) == (10, 10, 10)
    new = filled(shelf, 10, first=100)
    assert (up.packets, first.packets, second.packets, new.packets) == (10, 0, 10, 10)
    assert (first.made_room, first.missed, list(first), first.octets) == (True, 10, [], 0)
    assert first.keep(1.0, first.way(True, US, THEM), b"late") < 0 and first.missed == 11
    second.begin_again()
    assert filled(shelf, 1).packets == 0 and numbers(second) == list(range(10))


def test_a_call_that_is_over_does_not_make_room_for_its_own_late_packets() -> None:
    shelf = Shelf(100, WAY + 3 * (ABOUT + 172))
    kept = filled(shelf, 3)
    kept.end()
    assert kept.keep(1.0, kept.way(True, US, THEM), bytes(172)) < 0 and numbers(kept) == [0, 1, 2]


def test_what_is_dropped_gives_its_room_back() -> None:
    shelf = Shelf(100, 1 << 20)
    one, two = filled(shelf, 10), filled(shelf, 10)
    one.end()
    for _ in range(2):
        one.drop()
    assert shelf.octets == two.octets > 0
    two.drop()
    assert shelf.octets == 0 and not shelf._over


def test_strangers_may_take_an_eighth_of_a_call() -> None:
    kept = Shelf(80, 1 << 20).begin()
    for k in range(1000):
        kept.stranger(1.0, US, ("192.0.2.66", 1024 + k), b"x", "media.stranger")
    kept.keep(2.0, kept.way(True, US, THEM), b"call")
    assert (kept.packets, kept.strangers_missed, kept.missed, kept.full) == (11, 990, 0, False)
    assert [datagram.note for datagram in kept] == ["media.stranger"] * 10 + [""]
    assert len({datagram.peer for datagram in kept}) == 11


def test_addresses_and_keys_without_end_take_no_memory_without_end() -> None:
    """A client may move its media, or change its keys, with each re-INVITE of a call without media."""
    for moves in (True, False):
        shelf = Shelf(100, 1 << 30)
        kept = shelf.begin()
        for k in range(10_000):
            if moves:
                kept.way(True, US, ("192.0.2.1", k))
            else:
                kept.rekey((k.to_bytes(30, "big"), bytes(30)))
        assert shelf.octets < 130 * 400 and kept.full


def test_keys_are_those_of_their_time() -> None:
    kept = Shelf(100, 1 << 20).begin()
    way = kept.way(False, US, THEM)
    keys = ((b"a" * 30, b"b" * 30), None, (b"c" * 30, b"d" * 30))
    for pair in keys:
        kept.rekey(pair)
        kept.keep(1.0, way, b"x")
    assert tuple(datagram.keys for datagram in kept) == keys


def test_a_packet_of_no_known_way_is_not_kept() -> None:
    kept = Shelf(100, 1 << 20).begin()
    assert kept.keep(1.0, 0, b"x") < 0 and kept.missed == 1 and list(kept) == []
    assert kept.keep(1.0, kept.way(True, US, THEM), b"y") >= 0


def test_a_finding_stands_at_its_packet() -> None:
    kept = Shelf(100, 1 << 20).begin()
    way = kept.way(True, US, THEM)
    places = [kept.keep(1.0, way, b"x" * k) for k in range(5)]
    kept.note(places[1], "srtp.forged")
    kept.note(places[3], "media.malformed")
    assert [datagram.note for datagram in kept] == ["", "srtp.forged", "", "media.malformed", ""]
    kept.drop()
    kept.note(places[1], "srtp.forged")  # what it made has led to the end of the call
    assert list(kept) == []


_PACKET = st.tuples(st.floats(0, 1e6), st.booleans(), st.integers(0, 3), st.binary(max_size=300))


@given(st.lists(_PACKET, max_size=40))
def test_what_is_kept_comes_back(packets: list[tuple[float, bool, int, bytes]]) -> None:
    kept = Shelf(1000, 1 << 20).begin()
    for at, incoming, port, data in packets:
        kept.keep(at, kept.way(incoming, US, ("::1", port)), memoryview(data))
    assert [(one.at, one.incoming, one.peer[1], one.data) for one in kept] == packets
    assert kept.octets == sum(ABOUT + len(data) for *_, data in packets) + WAY * len({packet[1:3] for packet in packets})


# -- in the journal -----------------------------------------------------------------------------------------------


def test_a_journal_without_a_shelf_keeps_none(clock: SteppedClock) -> None:
    journal = Journal(clock)
    call = journal.call("x")
    assert journal.datagrams(call) is None and call.detail()["media_kept"] is None and journal.media_octets == 0


@pytest.mark.parametrize("how", ["reset", "evicted"])
def test_media_goes_with_its_call(clock: SteppedClock, how: str) -> None:
    journal = Journal(clock, calls=1, shelf=Shelf(100, 1 << 20))
    call = journal.call("x")
    kept = journal.datagrams(call)
    assert kept is not None and journal.datagrams(call) is kept
    kept.keep(1.0, kept.way(True, US, THEM), b"x" * 100)
    assert call.detail()["media_kept"] == {"packets": 1, "octets": WAY + ABOUT + 100, "missed": 0}
    assert journal.media_octets == WAY + ABOUT + 100
    if how == "reset":
        list(journal.forget_each())
    else:
        journal.call("y")
    assert journal.media_octets == 0 and kept.packets == 0
    kept.keep(1.0, kept.way(True, US, THEM), b"x")  # of a call that goes on without its record
    assert journal.media_octets == 0


def test_a_call_whose_record_is_gone_begins_nothing(clock: SteppedClock) -> None:
    journal = Journal(clock, calls=1, shelf=Shelf(100, 1 << 20))
    call = journal.call("x")
    journal.call("y")
    assert journal.datagrams(call) is None
