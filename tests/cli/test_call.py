"""`vsim call` and what `vsim show` says of calls in, apart from any emulator."""

import base64
import re
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from emulator.cli.call import Told, follow, lines_of, odd, outcome, ring_of, verdict
from emulator.cli.calls import media_lines, summary, table
from emulator.config import Unusable
from emulator.control.client import Refused
from emulator.journal.ladder import ladder
from tests.support.customer import accepts, answers
from tests.support.network import Network

HOW: dict[str, Any] = {
    "caller": "14155550100", "anonymous": False, "forward": None, "play": "tone", "digits": "", "talk": "5s", "cancel_after": None,
    "region": None, "proxy": None, "srtp": None, "headers": (), "again": 0,
}  # fmt: skip


def test_what_is_asked_for() -> None:
    assert ring_of("447700900000", False, HOW) == {
        "number": "447700900000", "caller": "14155550100", "record": False, "play": "tone", "talk": 5.0,
    }  # fmt: skip
    how = {
        **HOW,
        "caller": "",
        "anonymous": True,
        "talk": "0",
        "cancel_after": "0",
        "srtp": False,
        "headers": ("X-A: b:c",),
        "again": 3,
        "digits": "1",
    }
    assert ring_of("1", True, how) == {
        "number": "1", "caller": "", "record": True, "anonymous": True, "digits": "1", "srtp": False, "again": 3, "cancel_after": 0.0,
        "headers": {"X-A": "b:c"}, "play": "tone",
    }  # fmt: skip


def test_a_file_is_read_here_and_its_samples_go_along(tmp_path: Path) -> None:
    """robustness 17: the emulator opens no file that a request names."""
    path = tmp_path / "hello.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(b"\x01\x02" * 800)
    ring = ring_of("1", False, {**HOW, "play": str(path)})
    assert "play" not in ring and base64.b64decode(ring["samples"]) == b"\x01\x02" * 800
    assert ring_of("1", False, {**HOW, "play": "greeting"})["play"] == "greeting"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(2 * 8000 * 61))
    with pytest.raises(Unusable, match="lasts 61 s; a minute is the most"):
        ring_of("1", False, {**HOW, "play": str(path)})


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ({"talk": "soon"}, "--talk: 'soon' is no time"), ({"headers": ("X",)}, "--header: 'X' has no colon"),
        ({"play": "/no/such.wav"}, "--play: /no/such.wav"),
    ],
)  # fmt: skip
def test_what_can_not_be_asked_for(how: dict[str, Any], told: str) -> None:
    with pytest.raises(Unusable) as caught:
        ring_of("1", False, {**HOW, **how})
    assert told in str(caught.value)


def test_somebody_calls() -> None:
    with pytest.raises(click.UsageError, match="who calls"):
        ring_of("1", False, {**HOW, "caller": ""})


class Emulator:
    """A client of an in-memory network: its events are those that have happened, then time goes on."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.hung_up: list[str] = []
        self.interrupt_at: list[str] = []

    def events(self, after: int) -> Iterator[dict[str, Any]]:
        for _ in range(1000):
            for event in self.network.journal.events(after):
                after = event.id
                yield event.as_dict()
                if event.kind in self.interrupt_at:
                    self.interrupt_at.remove(event.kind)
                    raise KeyboardInterrupt
            self.network.clock.advance(0.1)
        raise AssertionError("nothing happens")

    def get(self, path: str) -> dict[str, Any]:
        record = self.network.journal.get(path.rpartition("/")[2])
        assert record is not None
        return record.detail()

    def delete(self, path: str) -> None:
        id = path.rpartition("/")[2]
        self.hung_up.append(id)
        if not self.network.trunk.hang_up(id):
            raise Refused(409, "it is over")


def test_what_is_odd_about_a_forward_list_is_told_before_the_call() -> None:
    assert list(odd("sip:1@h;timeout=3000, sip:2@h")) == []
    (line,) = odd("sip:1@h;timout=3000")
    assert line == "--forward: warning: column 9: timout means nothing to the trunk; did you mean timeout?"


def rung(network: Network, again: int = 0, **how: Any) -> tuple[Emulator, dict[str, Any], int]:
    from emulator.trunk.callers import Ring

    emulator = Emulator(network)
    network.journal.event("ready")
    after = network.journal.last_event
    record = network.trunk.ring(Ring(number="447700900000", caller="14155550100", again=again, **how))
    return emulator, {"id": record.id, "events_after": after}, again


ONE = "sip:1234@192.0.2.10:5080"
TWO = f"{ONE};timeout=2000,sip:1234@192.0.2.10:5090"


def test_the_story_of_a_call(capsys: pytest.CaptureFixture[str]) -> None:
    network = Network()
    network.customer(5080, answers(503))
    second = network.customer(5090)

    def later(callee: Any) -> None:
        callee.answer(180)
        network.clock.call_later(1.0, callee.accept)

    second.script = later
    emulator, placed, again = rung(network, forward=TWO, talk=2.0)
    told = Told(as_json=False)
    calls = list(follow(emulator, placed, again, told))  # type: ignore[arg-type]
    assert told.over(calls[0], media=True) == 3 and verdict(calls[0], media=False) == 0
    assert capsys.readouterr().out.splitlines() == [
        "call #1: 14155550100 rings 447700900000, eu-3-1 forwards it",
        f"  1  {ONE}  UDP 192.0.2.10:5080  503 So after 0.000 s: 503 moves on",
        "     180: the caller hears ringing",
        "  2  sip:1234@192.0.2.10:5090  UDP 192.0.2.10:5090  200 So after 1.000 s",
        "answered, PCMU",
        "ended after 2.0 s by the caller",
        "the caller got 200 So; it heard ringing at 0.000 s, the customer at 1.000 s",
        "media: PCMU, peer 192.0.2.10:4000",
        "  heard 0 packets, 0 lost, jitter 0.0 ms; sent 101",
    ]


def test_calls_that_are_repeated_are_followed_and_the_worst_code_counts() -> None:
    network = Network()
    network.customer(5080, answers(486))
    emulator, placed, again = rung(network, again=2, forward=ONE)
    calls = list(follow(emulator, placed, again, Told(True)))  # type: ignore[arg-type]
    assert [call["id"] for call in calls] == ["1", "2", "3"] and {verdict(call) for call in calls} == {1}


def test_ctrl_c_hangs_up_and_a_second_one_gives_up() -> None:
    network = Network()
    network.customer(5080, accepts)
    emulator, placed, again = rung(network, forward=ONE)
    emulator.interrupt_at = ["call.answered"]
    told = Told(True)
    (call,) = follow(emulator, placed, again, told)  # type: ignore[arg-type]
    assert (emulator.hung_up, call["state"], told.interrupted) == (["1"], "ended", 1)
    network.customer(5090, answers(180))
    emulator, placed, again = rung(network, forward=ONE.replace("5080", "5090"))
    emulator.interrupt_at = ["call.ringing", "call.attempt-ended"]
    told = Told(True)
    assert list(follow(emulator, placed, again, told)) == [] and told.interrupted == 2  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("call", "media", "digits", "code"),
    [
        ({"answered": None, "state": "refused", "ended_by": "trunk"}, True, False, 1),
        ({"answered": None, "state": "cancelled", "ended_by": "caller"}, True, False, 0),
        ({"answered": None, "state": "cancelled", "ended_by": "trunk"}, True, False, 1),
        ({"answered": 1.0, "media": {"packets_received": 9, "receive": True, "event_payload_type": 101}}, True, True, 0),
        ({"answered": 1.0, "media": {"packets_received": 0, "receive": True, "event_payload_type": 101}}, True, False, 3),
        ({"answered": 1.0, "media": {"packets_received": 0, "receive": True, "event_payload_type": 101}}, False, False, 0),
        ({"answered": 1.0, "media": {"packets_received": 0, "receive": False, "event_payload_type": None}}, True, False, 0),
        ({"answered": 1.0, "media": {"packets_received": 9, "receive": True, "event_payload_type": None}}, True, True, 3),
        ({"answered": 1.0, "media": None}, True, False, 3),
    ],
)
def test_exit_codes(call: dict[str, Any], media: bool, digits: bool, code: int) -> None:
    assert verdict(call, media, digits) == code


def test_nothing_from_the_wire_can_move_a_terminal() -> None:
    """robustness 14."""
    network = Network()
    network.customer(5080, lambda callee: callee.answer(486, reason="\x1b[2JBusy") and None)
    emulator, placed, again = rung(network, forward=ONE)
    (call,) = follow(emulator, placed, again, Told(True))  # type: ignore[arg-type]
    lines = [line for event in network.journal.events() for line in lines_of(event.as_dict())]
    for line in (*lines, *outcome(call), *summary(call), *ladder(call)):
        assert line.isprintable(), line


def test_the_table_of_calls_fits_a_terminal_of_80_columns() -> None:
    call = {
        "id": "12", "direction": "outbound", "started": 0.0, "answered": None, "ended": 1.0, "proxy": "us-3-1", "transport": "UDP",
        "caller": "447700900000", "called": "447700900503", "state": "challenged", "status": 407, "codec": "",
        "findings": [{"code": "digest.wrong-password"}, {"code": "contact.unreachable"}],
    }  # fmt: skip
    wide, narrow = table([call], 1000), table([call], 80)
    assert len(wide) == 2 and wide[0].endswith("CODEC  FINDINGS") and wide[1].endswith("digest.wrong-password, contact.unreachable")
    assert len(narrow) == 3 and max(map(len, narrow)) <= 80 and narrow[1].startswith("#12") and "FINDINGS" not in narrow[0]
    assert narrow[2] == "       digest.wrong-password, contact.unreachable"
    nowhere = table([{**call, "transport": "", "caller": ""}], 80)[1]
    assert nowhere.split()[4:7] == ["-", "-", "447700900503"]  # a customer whose host was not found; nobody who was named


def test_the_ladder_has_a_leg_for_each_attempt() -> None:
    network = Network()
    network.customer(5080, answers(503))
    network.customer(5090, accepts)
    emulator, placed, again = rung(network, forward=TWO, talk=1.0)
    (call,) = follow(emulator, placed, again, Told(True))  # type: ignore[arg-type]
    drawn = [re.sub("[─◀▶]|[0-9.]+s", "", line).split()[0] for line in ladder(call)]
    assert drawn == ["192.0.2.10:5080", "INVITE", "503", "ACK", "192.0.2.10:5090", "INVITE", "200", "ACK", "BYE", *drawn[9:]]
    assert summary(call)[:3] == [
        "inbound call #1: 14155550100 → 447700900000 at eu-3-1 over UDP, ended 200 by caller",
        f"  1  {ONE}  UDP 192.0.2.10:5080  503 So after 0.000 s: 503 moves on",
        "  2  sip:1234@192.0.2.10:5090  UDP 192.0.2.10:5090  200 So after 0.000 s",
    ]


def test_packets_that_a_fault_has_lost_are_not_told_of_as_sent() -> None:
    heard = {"packets": 150, "lost": 0, "jitter_ms": 0.5, "mos": 4.41}
    sent = {"packets": 150, "left": 150, "lost": None, "jitter_ms": None, "mos": None}
    call = {"media": {"codec": "PCMU", "srtp": False, "remote": "127.0.0.1:1", "heard": heard, "sent": sent, "digits": ""}}
    assert media_lines(call)[1] == "  heard 150 packets, 0 lost, jitter 0.5 ms, MOS 4.41; sent 150"
    sent["left"] = 0
    assert media_lines(call)[1] == "  heard 150 packets, 0 lost, jitter 0.5 ms, MOS 4.41; sent 0, 150 lost on purpose"
