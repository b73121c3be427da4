"""SRTP of a capture as the RTP in it; what can't be opened stays as it was, with the reason."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.media import rtcp
from emulator.media.clear import clear
from emulator.media.offer import Keys
from emulator.media.plan import Plan
from emulator.media.srtp import Outbound
from tests.media.test_wire import KEYS, packet, protect
from tests.support.echo import OURS, THEIRS, agreement
from tests.support.tapped import Tapped


def opened(echo: Tapped, incoming: bool) -> list[tuple[bytes, str]]:
    return [(one.data, problem) for one, problem in clear(echo.kept) if one.incoming is incoming]


def test_both_directions_and_their_reports() -> None:
    echo, outbound = Tapped(keys=KEYS), Outbound(THEIRS)
    came = [packet(k, bytes([k]) * 160) for k in range(20)]
    for plain in came:
        echo.raw(protect(outbound, plain))
    echo.stream.receive_rtcp(outbound.protect_rtcp(rtcp.receiver_report(7, b"")))
    echo.stream.end()
    *media, report = opened(echo, True)
    assert media == [(plain, "") for plain in came] and rtcp.parse(report[0]).types == {rtcp.RR}
    *ours, goodbye = opened(echo, False)
    assert [data[12:] for data, _ in ours] == [plain[12:] for plain in came] and rtcp.BYE in rtcp.parse(goodbye[0]).types
    assert {problem for _, problem in (*ours, goodbye, report)} == {""}
    assert [one.data for one in echo.ways() if one.incoming][:20] != came  # what is kept is what was on the wire


def test_the_rollover_counter_is_that_of_the_packets() -> None:
    """RFC 3711 3.3.1: our sequence may begin anywhere."""
    echo, outbound = Tapped(keys=KEYS), Outbound(THEIRS)
    echo.stream._echo.sequence = 0xFFFA
    for k in range(12):
        echo.raw(protect(outbound, packet((0xFFF9 + k) & 0xFFFF, bytes([k]) * 20)))
    for incoming in (True, False):
        assert [(data[12:], problem) for data, problem in opened(echo, incoming)] == [(bytes([k]) * 20, "") for k in range(12)]


def test_each_packet_under_the_keys_of_its_time() -> None:
    echo = Tapped(keys=KEYS)
    before, after = Outbound(THEIRS), Outbound(b"n" * 30)
    echo.raw(protect(before, packet(1, b"one")))
    echo.stream.change(agreement(keys=Keys(OURS, b"n" * 30)))
    echo.raw(protect(after, packet(2, b"two")))
    crossing = protect(before, packet(3, b"old"))
    echo.raw(crossing)
    echo.stream.change(agreement())
    echo.hear(4, payload=b"plain")
    assert [(data[12:], problem) for data, problem in opened(echo, True)] == [
        (b"one", ""), (b"two", ""), (crossing[12:], "authentication failed"), (b"plain", ""),
    ]  # fmt: skip
    assert [data[12:] for data, _ in opened(echo, False)] == [b"one", b"two", b"plain"]


def test_what_goes_out_twice_is_there_twice() -> None:
    echo, outbound = Tapped(plan=Plan(sent=(("duplicate", {"probability": 1.0}),)), keys=KEYS), Outbound(THEIRS)
    echo.raw(protect(outbound, packet(1)))
    one, two = opened(echo, False)
    assert one == two and one[0][12:] == packet(1)[12:] and one[1] == ""


@pytest.mark.parametrize("how", ["wrong-key", "bad-tag", "plain"])
def test_what_is_sent_wrongly_can_not_be_opened(how: str) -> None:
    echo, outbound = Tapped(plan=Plan(srtp=how), keys=KEYS), Outbound(THEIRS)  # type: ignore[arg-type]
    echo.raw(protect(outbound, packet(1)))
    assert opened(echo, False) == [(echo.sent[0], "authentication failed")]


def test_strangers_and_what_is_no_rtp_stay_as_they_are() -> None:
    echo = Tapped(keys=KEYS)
    stranger = packet(1)
    echo.stream.stray(("192.0.2.66", 9), memoryview(stranger), "media.stranger")
    stun = bytes.fromhex("000100002112a442") + bytes(12)
    for data in (stun, b"", b"\x80"):
        echo.raw(data)
    assert opened(echo, True) == [(data, "") for data in (stranger, stun, b"", b"\x80")]


@given(st.lists(st.tuples(st.booleans(), st.sampled_from([b"", b"\x80", b"\x80\xc9", b"\x9f\x80"]), st.binary(max_size=40)), max_size=8))
def test_whatever_comes_is_there(packets: list[tuple[bool, bytes, bytes]]) -> None:
    echo = Tapped(keys=KEYS)
    for report, head, tail in packets:
        if report:
            echo.stream.receive_rtcp(head + tail)
        else:
            echo.raw(head + tail)
    assert [one.data for one, _ in clear(echo.kept) if one.incoming] == [head + tail for _, head, tail in packets]


def test_plain_media_stays_as_it_is() -> None:
    echo = Tapped()
    echo.talk(3)
    assert [one for one, _ in clear(echo.kept)] == echo.ways()
