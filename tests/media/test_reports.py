"""RTCP of one call: what is reported, when, and what is made of the reports of the other side."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.media import rtcp
from emulator.media.reports import REPORT_INTERVAL
from tests.support.echo import Echo


def test_reports_go_out_at_their_interval_and_say_what_was_heard() -> None:
    """RFC 3550 6.2, 6.3.1, 6.4.1: every five seconds on the average, at random between half and one and a half of that."""
    echo = Echo()
    echo.stream.start_reports()
    echo.talk(5000)  # 100 s
    assert 100 / (1.5 * REPORT_INTERVAL) < len(echo.reports) < 100 / (0.4 * REPORT_INTERVAL)
    last = rtcp.parse(echo.reports[-1])
    assert last.types == {rtcp.SR, rtcp.SDES} and last.sender is not None
    assert last.sender.ssrc == echo.stream.ssrc and last.sender.packets == pytest.approx(5000, abs=500)
    (block,) = last.blocks
    assert (block.ssrc, block.fraction, block.lost) == (1, 0, 0) and block.highest == pytest.approx(5000, abs=500)


def test_the_fraction_lost_is_of_the_time_since_the_last_report() -> None:
    """RFC 3550 A.3."""
    echo = Echo()
    echo.hear(0)
    for k in range(1, 101):
        if k % 4 != 1:
            echo.hear(k, timestamp=k * 160)
    assert echo.stream.heard.fraction_lost() == 25 * 256 // 101
    for k in range(101, 201):
        echo.hear(k, timestamp=k * 160)
    assert echo.stream.heard.fraction_lost() == 0 and echo.stream.heard.lost == 25


def test_a_report_of_theirs_gives_round_trip_and_what_they_miss() -> None:
    echo = Echo()
    echo.talk(100)
    then = rtcp.ntp_middle(echo.clock.wall())
    echo.clock.advance(0.5)
    block = rtcp.report_block(echo.stream.ssrc, 0, 30, 200, 80, then, int(0.4 * 65536))
    echo.stream.receive_rtcp(rtcp.receiver_report(1, block) + rtcp.description(1, "peer"))
    told = echo.stream.snapshot()
    assert told["round_trip_ms"] == pytest.approx(100, abs=1) and told["sent"]["lost"] == 30 and told["sent"]["jitter_ms"] == 10
    assert "rtcp.loss" in echo.codes() and told["sent"]["mos"] < 3.5


def test_a_sender_whose_account_does_not_fit_is_told() -> None:
    echo = Echo()
    echo.talk(100)
    report = rtcp.sender_report(1, echo.clock.wall(), 0, 1000, 160000, b"") + rtcp.description(1, "peer")
    echo.stream.receive_rtcp(report)
    assert "rtcp.counts" in echo.codes()


def test_packets_that_came_but_were_not_taken_are_not_missed() -> None:
    """A client that announces one port and sends from another is told of that alone."""
    echo = Echo()
    echo.talk(100)
    echo.stream.strangers = 900
    report = rtcp.sender_report(1, echo.clock.wall(), 0, 1000, 160000, b"") + rtcp.description(1, "peer")
    echo.stream.receive_rtcp(report)
    assert "rtcp.counts" not in echo.codes()


def test_rtcp_that_begins_with_no_report_is_taken_and_told() -> None:
    """baresip opens its NAT with an APP packet alone."""
    echo = Echo()
    echo.stream.receive_rtcp(bytes.fromhex("80cc00037192856b50494e47504f4e47"))
    assert (echo.stream.bad, echo.codes()) == (0, {"rtcp.reduced-size"})


def test_rtcp_on_the_rtp_port_is_rtcp() -> None:
    """RFC 5761 4."""
    echo = Echo()
    echo.raw(rtcp.receiver_report(1, b"") + rtcp.description(1, "peer"))
    assert echo.stream.reports == 1 and echo.stream.bad == 0


def test_the_end_says_bye_only_when_something_was_sent() -> None:
    """RFC 3550 6.3.7."""
    silent, spoken = Echo(), Echo()
    silent.stream.end()
    spoken.hear(1)
    spoken.stream.end()
    assert silent.reports == [] and rtcp.BYE in rtcp.parse(spoken.reports[0]).types
    spoken.hear(2)
    assert len(spoken.sent) == 1 and spoken.clock.pending == 0


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x80",
        b"\x80\xc8\x00\x00",
        b"\x80\xc8\xff\xff" + bytes(24),
        b"\x80\xbf\x00\x00",
        b"\x9f\xc9\x00\x01" + bytes(4),
        b"\x40\xc9\x00\x01" + bytes(4),
    ],
)
def test_rtcp_that_lies_about_its_length(data: bytes) -> None:
    """robustness 12."""
    with pytest.raises(rtcp.RtcpError):
        rtcp.parse(data)


@given(st.integers(0, 0xFFFFFFFF), st.integers(0, 255), st.integers(-0x800000, 0x7FFFFF), st.integers(0, 0xFFFFFFFF))
def test_report_blocks_come_back_as_they_were_made(ssrc: int, fraction: int, lost: int, jitter: int) -> None:
    (block,) = rtcp.parse(rtcp.receiver_report(7, rtcp.report_block(ssrc, fraction, lost, 1, jitter, 2, 3))).blocks
    assert block == rtcp.Block(ssrc, fraction, lost, 1, jitter, 2, 3)
