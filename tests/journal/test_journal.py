"""The journal: bounded, queryable, waitable; and how it is shown."""

import ast
import pathlib

from emulator.clock import SteppedClock
from emulator.journal.attempt import Attempt, describe
from emulator.journal.capture import capture
from emulator.journal.events import KINDS, Event, line
from emulator.journal.findings import CATALOGUE, Finding, printable
from emulator.journal.journal import Journal
from emulator.journal.ladder import ladder
from emulator.sip.flow import Path
from tests.support.pcapng import read

PATH = Path("UDP", ("127.0.13.1", 5060), ("192.0.2.1", 5070))


def test_the_oldest_call_that_is_over_makes_room(clock: SteppedClock) -> None:
    journal = Journal(clock, calls=3)
    for name, state in (("a", "answered"), ("b", "ended"), ("c", "answered")):
        journal.call(name).state = state
    journal.call("d")
    assert journal.find("b") is None and [record.call_id for record in journal.calls()] == ["d", "c", "a"]
    for record in journal.calls():
        record.state = "answered"
    journal.call("e")
    assert journal.find("a") is None and len(journal) == 3


def test_messages_and_findings_of_a_call_are_bounded(clock: SteppedClock) -> None:
    journal = Journal(clock, messages=2)
    record = journal.call("a")
    for _ in range(5):
        journal.message(record, 1.0, True, "us-3-1", b"x", PATH)
    assert (len(record.messages), record.dropped) == (2, 3)
    for k in range(200):
        record.finding(Finding("called.plus", str(k)))
        record.finding(Finding("called.plus", str(k)))
    assert len(record.findings) == 64


def test_of_very_many_messages_the_first_and_the_newest_are_kept(clock: SteppedClock) -> None:
    """How a call began and how it ended: what is left out stands between, and the ladder says where."""
    journal = Journal(clock, messages=6)
    record = journal.call("a")
    record.peer, record.proxy = "192.0.2.1:5070", "us-3-1"
    for number in range(100):
        if number == 50:
            record.finding(Finding("called.plus", "in the middle"))
        if number == 99:
            record.finding(Finding("called.plus", "near the end"))
        journal.message(record, float(number), True, "us-3-1", b"INFO sip:%d SIP/2.0\r\n\r\n" % number, PATH)
    call = record.detail()
    assert [one["at"] for one in call["messages"]] == [0, 1, 2, 97, 98, 99]
    assert (call["messages_dropped"], call["messages_dropped_after"]) == (94, 3)
    assert record.octets == journal.octets == sum(len(data) for _, _, _, data, _ in record.messages)
    rows = ladder(call)
    assert rows[4].strip() == "… 94 messages between were not kept" and "97.000s" in rows[5]
    packets = read(capture(record)).packets
    assert [len(packet.comments) for packet in packets] == [0, 0, 1, 0, 1, 0]
    assert "94 messages of this call, between this one and the next, were not kept" in packets[2].comments[0]
    assert "in the middle" in packets[2].comments[0] and "near the end" in packets[4].comments[0]


def test_a_call_none_of_whose_messages_was_kept_says_so_once(clock: SteppedClock) -> None:
    journal = Journal(clock, octets=1 << 20)
    record = journal.call("a")
    journal.message(record, 1.0, True, "us-3-1", b"x" * 2000, PATH)
    assert [row.strip() for row in ladder(record.detail()) if "not kept" in row] == ["… 1 more message was not kept"]


def test_a_message_that_has_no_room_pushes_none_out_in_vain(clock: SteppedClock) -> None:
    journal = Journal(clock, octets=1 << 20)
    record = journal.call("a")
    journal.authenticated(record, "abcd1234")
    for size in (10000, 10000, 10000, 65000, 20000, 30000, 100):
        journal.message(record, 1.0, True, "us-3-1", b"x" * size, PATH)
    assert [len(data) for _, _, _, data, _ in record.messages] == [10000, 10000, 10000, 30000, 100]
    assert (record.dropped, record.gap) == (2, 3) and record.octets == journal.octets == 60100


def test_events_are_numbered_bounded_and_heard(clock: SteppedClock) -> None:
    journal = Journal(clock, events=3)
    heard: list[int] = []
    stop = journal.listen(lambda event: heard.append(event.id))
    for _ in range(5):
        journal.event("options", None)
    stop()
    journal.event("options", None)
    assert heard == [1, 2, 3, 4, 5]
    assert [event.id for event in journal.events()] == [4, 5, 6] and [event.id for event in journal.events(5)] == [6]


def test_waiting_ends_with_the_event_or_the_time(clock: SteppedClock) -> None:
    journal = Journal(clock)
    got: list[str | None] = []

    def done(event: Event | None) -> None:
        got.append(event.kind if event else None)

    journal.wait(lambda event: event.kind == "b", 5, done)
    journal.wait(lambda event: event.kind == "c", 5, done)
    journal.event("a")
    journal.event("b")
    clock.advance(5)
    journal.event("c")
    assert got == ["b", None] and not journal._listeners and clock.pending == 0


def test_waiting_can_begin_in_the_past(clock: SteppedClock) -> None:
    journal = Journal(clock)
    journal.event("a")
    journal.event("b")
    got: list[Event | None] = []
    journal.wait(lambda event: event.kind == "b", 5, got.append, after=1)
    assert got[0] is not None and got[0].id == 2


def test_reset_forgets_every_call_of_a_call_id(clock: SteppedClock) -> None:
    """Clients that count their Call-IDs use one again."""
    journal = Journal(clock)
    for _ in range(3):
        journal.another("a").state = "ended"
    journal.also(journal.another("b"), "c")
    list(journal.forget_each())
    assert not list(journal.calls()) and not journal.octets and journal.find("a") is journal.find("c") is None


def test_what_is_forgotten_meanwhile_is_passed_over(clock: SteppedClock) -> None:
    """One call a step; between two of them others come, for which the oldest make room."""
    journal = Journal(clock, calls=4)
    for name in "abcd":
        journal.call(name).state = "ended"
    journal.event("a")
    steps = journal.forget_each()
    next(steps)
    assert [record.call_id for record in journal.calls()] == ["d", "c", "b"]
    for name in "ef":
        journal.call(name)
    assert journal.find("b") is None and len(journal.events()) == 1
    assert len(list(steps)) == 2 and [record.call_id for record in journal.calls()] == ["f", "e"] and not journal.events()


def test_reset_keeps_calls_that_are_up(clock: SteppedClock) -> None:
    journal = Journal(clock)
    journal.call("a").state = "answered"
    journal.call("b").state = "ended"
    journal.event("a")
    list(journal.forget_each())
    assert [record.call_id for record in journal.calls()] == ["a"] and not journal.events()
    assert journal.call("c").id == "3"


def test_last_is_the_newest(clock: SteppedClock) -> None:
    journal = Journal(clock)
    assert journal.get("last") is None
    journal.call("a")
    newest = journal.call("b")
    assert journal.get("last") is newest and journal.get("2") is newest and journal.get("9") is None


def test_nothing_from_the_wire_can_move_a_terminal(clock: SteppedClock) -> None:
    """robustness 14."""
    assert printable("a\x1b[2Jb\r\n\u202e") == "a\\x1b[2Jb\\x0d\\x0a?"
    assert len(printable("\x00" * 1000)) <= 200
    text = line(Event(1, 0.0, "finding", "1", {"seen": "\x1b]0;x\x07"}))
    assert text.isprintable()
    journal = Journal(clock)
    record = journal.call("\x1b[1m")
    journal.message(record, 0.0, True, "us-3-1", b"INVITE sip:\x1b[2J SIP/2.0\r\nCSeq: 1 INVITE\r\n\r\n", PATH)
    assert all(row.isprintable() for row in ladder(record.detail()))


def test_the_ladder_says_who_sent_what(clock: SteppedClock) -> None:
    journal = Journal(clock)
    record = journal.call("x")
    record.peer, record.proxy = "192.0.2.1:5070", "us-3-1"
    invite = b"INVITE sip:1@h SIP/2.0\r\nProxy-Authorization: Digest\r\nCSeq: 1 INVITE\r\n\r\nm=audio 4000 RTP/AVP 0\r\n"
    journal.message(record, 10.0, True, "us-3-1", invite, PATH)
    journal.message(record, 10.5, False, "us-3-1", b"SIP/2.0 200 OK\r\nCSeq: 2 BYE\r\n\r\n", PATH)
    record.finding(Finding("called.plus", "+44"))
    rows = ladder(record.detail(), 100)
    assert "0.000s  INVITE sip:1@h [digest, SDP RTP/AVP 4000] ─" in rows[1] and rows[1].endswith("▶")
    assert rows[2].startswith("   0.500s  ◀─") and rows[2].endswith(" 200 OK (BYE)")
    assert "called.plus: +44" in rows[3]


def test_what_is_below_the_ladder_is_whole_at_any_width(clock: SteppedClock) -> None:
    record = Journal(clock).call("x")
    record.finding(Finding("caller-id.not-owned", "14155550100"))
    kind = CATALOGUE["caller-id.not-owned"]
    for width in (20, 60, 80, 100, 200):
        rows = ladder(record.detail(), width)
        below = rows[next(k for k, row in enumerate(rows) if "caller-id.not-owned" in row) :]
        assert all(len(row) <= max(40, width) for row in below), width
        assert " ".join(" ".join(below).split()).endswith(f"{kind.fix} ({kind.source})"), width


def test_a_call_that_was_refused_is_known_by_what_its_invite_says(clock: SteppedClock) -> None:
    """Of a call with a wrong password a person must see which it was."""

    def seen(first: bytes) -> tuple[str, str]:
        journal = Journal(clock)
        record = journal.call("x")
        journal.message(record, 0.0, True, "us-3-1", first, PATH)
        summary = record.summary()
        return summary["caller"], summary["called"]

    assert seen(b'INVITE sip:442071234567@127.0.13.1 SIP/2.0\r\nf: "A <b>" <sip:447700900000@h>;tag=1\r\n\r\n') == (
        "447700900000", "442071234567",
    )  # fmt: skip
    assert seen(b"INVITE tel:+442071234567;phone-context=x SIP/2.0\r\nFrom: sip:alice:secret@h\r\n\r\n") == ("alice", "+442071234567")
    assert seen(b"INVITE sip:127.0.13.1 SIP/2.0\r\nFrom: <sip:h>\r\n\r\nFrom: <sip:body@h>") == ("", "")
    assert seen(b"INVITE sip:\x1b[2J@h SIP/2.0\r\n\r\n")[1] == "\\x1b[2J"
    record = Journal(clock).call("y")
    assert (record.summary()["caller"], record.summary()["called"]) == ("", "")
    record.caller, record.called = "1", "2"
    assert (record.summary()["caller"], record.summary()["called"]) == ("1", "2")


def test_every_kind_of_finding_is_whole() -> None:
    for code, kind in CATALOGUE.items():
        assert code == kind.code and kind.wants and kind.fix and kind.source and kind.severity in ("error", "warning", "note")


def test_the_octets_of_all_messages_are_bounded(clock: SteppedClock) -> None:
    """A flood of large messages must not fill the memory: the oldest calls that are over go first, and no call may take it all."""
    journal = Journal(clock, calls=100, messages=100, octets=16000)
    for k in range(50):
        record = journal.call(str(k))
        journal.authenticated(record, "abcd1234")
        record.state = "answered" if k == 0 else "ended"
        for _ in range(3):
            journal.message(record, 0.0, True, "us-3-1", b"x" * 400, PATH)
        assert (len(record.messages), record.dropped, record.octets) == (2, 1, 800)
    assert journal.octets <= 16000 and len(journal) == 20 and journal.find("0") is not None
    list(journal.forget_each())
    assert (journal.octets, len(journal)) == (800, 1)


def test_a_caller_without_credentials_has_room_for_an_invite_its_challenge_and_another(clock: SteppedClock) -> None:
    journal = Journal(clock, octets=64 << 20)
    record = journal.call("stranger")
    for _ in range(100):
        journal.message(record, 0.0, True, "us-3-1", b"x" * 1000, PATH)
    assert (record.octets, record.dropped) == (16000, 84)
    journal.authenticated(record, "abcd1234")
    journal.message(record, 0.0, True, "us-3-1", b"x" * 1000, PATH)
    assert record.octets == 17000


def test_calls_without_credentials_do_not_push_out_the_real_ones(clock: SteppedClock) -> None:
    journal = Journal(clock, calls=100)
    for k in range(100):
        journal.authenticated(journal.call(f"real {k}"), "abcd1234")
        journal.call(f"real {k}").state = "ended"
    for k in range(1000):
        journal.call(f"garbage {k}")
    kept = [record.call_id for record in journal.calls()]
    assert len(kept) == 100 and kept[0] == "garbage 999"
    assert sum(name.startswith("real") for name in kept) == 74
    for k in range(100):
        journal.authenticated(journal.call(f"new {k}"), "abcd1234")
    assert sum(record.call_id.startswith("new") for record in journal.calls()) >= 74


def test_a_flood_of_strangers_fills_neither_log_nor_events(clock: SteppedClock) -> None:
    """robustness 22: what anybody can bring about is told at a bounded rate, and counted beyond it."""
    journal = Journal(clock)
    for _ in range(5000):
        journal.event_of_stranger("finding")
    assert len(journal.events()) == 200
    clock.advance(1)
    last = journal.events()[-1]
    assert (last.kind, last.fields["events"]) == ("suppressed", 4800)
    for _ in range(100):
        journal.event_of_stranger("finding")
    assert sum(event.kind == "finding" for event in journal.events()) == 250
    journal.event("call.started")  # of a known caller
    assert journal.events()[-1].kind == "call.started"


def test_a_call_may_have_several_call_ids(clock: SteppedClock) -> None:
    journal = Journal(clock, calls=2)
    first = journal.call("a")
    for call_id in ("a", "b", "c", "b"):
        journal.also(first, call_id)
    assert journal.find("b") is journal.find("c") is journal.call("c") is first and first.further == ["b", "c"]
    other = journal.call("d")
    journal.also(other, "b")  # it is another's
    journal.also(other, "a")
    assert journal.find("b") is first and not other.further
    journal.call("e")  # the oldest makes room, with all its names
    assert journal.find("a") is None and journal.find("b") is None and len(journal) == 2 and not journal._further


def test_a_call_is_got_by_its_number_by_each_call_id_and_as_the_last(clock: SteppedClock) -> None:
    """Call-IDs stand in the log of whoever called; a number is never taken for one."""
    journal = Journal(clock)
    first, second = journal.call("a1@192.0.2.1"), journal.call("1")
    journal.also(first, "b")
    assert journal.get("a1@192.0.2.1") is journal.get("b") is journal.get("1") is first
    assert journal.get("last") is journal.get("2") is second and journal.get("c") is None


def test_what_a_caller_hears_is_kept_once_and_bounded(clock: SteppedClock) -> None:
    record = Journal(clock).call("a")
    for at in range(100):
        record.sound(clock.wall() + at, "ringing", 180)
    for at in range(100):
        record.sound(clock.wall() + at, "progress", 183 + at % 2)
    assert len(record.sounds) == 32 and record.summary()["sounds"][:2] == [
        {"at": 0.0, "what": "ringing", "status": 180}, {"at": 0.0, "what": "progress", "status": 183},
    ]  # fmt: skip


def test_an_attempt_in_a_line() -> None:
    attempt = Attempt(2, "sip:1@h", "UDP", "192.0.2.1:5060", 1.0)
    assert describe(attempt.as_dict()) == "  2  sip:1@h  UDP 192.0.2.1:5060  trying"
    attempt.end("timeout", "no response in 2 s", 3.0)
    attempt.late = 200
    assert (
        describe(attempt.as_dict()) == "  2  sip:1@h  UDP 192.0.2.1:5060  timeout after 2.000 s: no response in 2 s, then 200 came too late"
    )
    for _ in range(20):
        attempt.finding(Finding("inbound.timeout", "x"))
    assert len(attempt.findings) == 8


def test_every_kind_of_event_is_known_by_its_name() -> None:
    """So that a slip in a scenario is told, and not waited for."""
    sources = [
        path.read_text() for path in (pathlib.Path(__file__).parent.parent.parent / "emulator").rglob("*.py") if path.name != "events.py"
    ]
    calls = [node for source in sources for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call) and node.args]
    named = [call for call in calls if isinstance(call.func, ast.Attribute) and call.func.attr in ("event", "event_of_stranger")]
    written = {call.args[0].value for call in named if isinstance(call.args[0], ast.Constant)}
    assert len(written) > 30 and written <= KINDS
    assert [kind for kind in KINDS if not any(f'"{kind}"' in source for source in sources)] == []
