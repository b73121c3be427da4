"""Reports: lines, JSON, JUnit."""

import json
from typing import Any

import junitparser
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.scenario.report import Document, Program, Result, as_json, as_junit, exit_code, failure_lines, odd_traces, step_line, summary
from emulator.scenario.verdict import EXIT_CODES, Report, Verdict


def verdict(where: str, outcome: Any = "met", **more: Any) -> Verdict:
    return Verdict(where=where, step=more.pop("step", "expect"), text=more.pop("text", "call at us-4-1"), outcome=outcome, **more)


def result(kind: Any = None, *steps: Verdict, **more: Any) -> Result:
    state = "passed" if kind is None else "failed"
    report = Report(id="1", name="A story", state=state, kind=kind, steps=list(steps), trace=more.pop("trace", []), why=more.pop("why", ""))
    return Result(
        name="A story", file="story.yaml", seed=7, kind=kind, report=report, seconds=1.5, places={"steps.1": "story.yaml:4"}, **more
    )


PASSED = result(None, verdict("steps.0", came="call #1 to 442071234567 at us-4-1 over UDP, 200", after=0.25))
FAILED = result(
    "signalling", verdict("steps.0", "done", step="down", text="us-3 down (drop)", after=0.0),
    verdict("steps.1", "failed", kind="signalling", came="1 call came: at us-3-1", calls=["1"], within=5.0, after=5.0),
    verdict("steps.2", "skipped"), ladders={"1": ["call #1: …", "  0.000s INVITE ───▶"]},
    program=Program(command=["pbx", "--once"], code=None, output="line\x07\n" * 50),
)  # fmt: skip
UNREACHABLE = Result(name="A story", file="other.yaml", seed=7, kind="time", why="no emulator answers at http://127.0.0.1:1")
SKIPPED = Result(name="A story", file="other.yaml", seed=7, skipped=True)


@pytest.mark.parametrize(
    ("one", "line"),
    [
        (verdict("steps.0", came="call #1", after=0.25), "  ✓ call at us-4-1: call #1, 250 ms"),
        (verdict("steps.0", "done", text="us-3 down (drop)", after=0.0), "  ✓ us-3 down (drop)"),
        (verdict("steps.0", "failed", within=5.0, after=5.0, came="no call came"), "  ✗ call at us-4-1 within 5 s (failed, 5 s)"),
        (verdict("steps.0", "timed out", within=200.0, after=200.0), "  ✗ call at us-4-1 within 3.3 min (timed out, 3.3 min)"),
        (
            verdict("steps.0", "failed", step="never", text="never BYE for 3 s", within=3.0, after=1.0),
            "  ✗ never BYE for 3 s (failed, 1 s)",
        ),
        (verdict("steps.0", "skipped"), "  - call at us-4-1 (skipped)"),
        (verdict("never.0", "held", text="never call at eu\x1b"), "  ✓ never call at eu\\x1b"),
    ],
)
def test_a_step_is_a_line(one: Verdict, line: str) -> None:
    assert step_line(one) == line


def test_a_failure_says_where_captures_are() -> None:
    failed = msgspec.structs.replace(FAILED, captures={str(k): f"out/001-call-{k}.pcapng\x1b" for k in range(6)})
    lines = list(failure_lines(failed))
    told = [line for line in lines if "pcapng" in line]
    assert told == [f"    capture of call #{k}: out/001-call-{k}.pcapng\\x1b" for k in range(4)]
    assert lines[lines.index(told[-1]) + 1] == "    … and of 2 more beside it"
    assert "    capture of call #0: out/001-call-0.pcapng" in as_junit([failed]).decode()
    assert len(json.loads(as_json([failed]))["runs"][0]["captures"]) == 6


def test_a_failure_says_what_was_expected_what_came_and_shows_the_call() -> None:
    lines = list(failure_lines(FAILED))
    assert lines[:7] == [
        "    story.yaml:4", "      expected  call at us-4-1 within 5 s", "      came      1 call came: at us-3-1", "", "    call #1: …",
        "      0.000s INVITE ───▶", "",
    ]  # fmt: skip
    assert lines[7] == "    the program under test, pbx --once, was ended when the scenario was over; its last lines:"
    assert lines[8:] == ["      | line\\x07"] * 20
    assert list(failure_lines(UNREACHABLE)) == ["  ✗ no emulator answers at http://127.0.0.1:1"]


def test_a_program_that_ended_too_early_is_told_of_though_it_ended_well() -> None:
    """Nothing else says why no call came."""
    failed = msgspec.structs.replace(FAILED, program=Program(command=["pbx", "--once"], code=0))
    assert list(failure_lines(failed))[-1] == "    the program under test, pbx --once, ended with exit code 0"


def test_a_call_that_two_steps_speak_of_is_drawn_once() -> None:
    broken = verdict("never.0", "failed", step="never", came="call #1", calls=["1"])
    assert FAILED.report is not None
    failed = msgspec.structs.replace(FAILED, report=msgspec.structs.replace(FAILED.report, steps=[*FAILED.report.steps, broken]))
    assert list(failure_lines(failed)).count("    call #1: …") == 1


def test_what_a_program_overwrites_or_leaves_empty_is_not_shown() -> None:
    output = "\x1b[32mready\x1b[;m\r\n\n  1 s\r  2 s\r  3 s\n\r\n\tbye\r"
    failed = msgspec.structs.replace(FAILED, report=None, program=Program(command=["pbx"], code=3, output=output))
    assert list(failure_lines(failed))[-3:] == ["      | ready", "      |   3 s", "      |         bye"]


def test_what_faults_have_struck_is_told() -> None:
    assert FAILED.report is not None
    failed = msgspec.structs.replace(
        FAILED, program=None, report=msgspec.structs.replace(FAILED.report, faults=["tls expired: struck nothing"])
    )
    assert list(failure_lines(failed))[-2:] == ["    fault tls expired: struck nothing", ""]


def test_what_the_device_did_when_something_was_down_is_told() -> None:
    failed = msgspec.structs.replace(FAILED, program=None)
    assert failed.report is not None
    failed = msgspec.structs.replace(
        failed, report=msgspec.structs.replace(failed.report, failover={"lines": ["us-3 was down", "  fix: SRV"]})
    )
    assert list(failure_lines(failed))[-3:] == ["    us-3 was down", "      fix: SRV", ""]


def test_a_scenario_that_was_stopped_says_why() -> None:
    stopped = result("time", verdict("steps.0", "skipped"), why="the whole scenario took more than 5 s")
    assert list(failure_lines(stopped)) == ["  ✗ the whole scenario took more than 5 s"]


def test_the_last_line_and_the_exit_code() -> None:
    assert summary([PASSED, FAILED, UNREACHABLE, SKIPPED], 3.0) == "1 passed, 2 failed, 1 not run in 3 s"
    assert summary([PASSED], 61.0) == "1 passed in 61 s"
    assert exit_code([PASSED]) == 0 and exit_code([PASSED, UNREACHABLE, FAILED]) == 4 and exit_code([FAILED]) == 1
    assert EXIT_CODES == {"signalling": 1, "usage": 2, "media": 3, "time": 4, "command": 5}


def test_titles_tell_runs_of_one_file_apart() -> None:
    one = msgspec.structs.replace(PASSED, variables={"codec": "PCMA", "transport": "TLS"}, repetition=2)
    assert one.title == "A story [codec=PCMA, transport=TLS, repetition 2]" and PASSED.title == "A story"


def test_json_has_it_all_and_fits_its_model() -> None:
    document = msgspec.json.decode(as_json([PASSED, FAILED, UNREACHABLE]), type=Document, strict=True)
    assert (document.passed, document.failed, document.exit_code) == (1, 2, 1)
    assert document.runs[1] == FAILED
    plain = json.loads(as_json([PASSED]))
    assert plain["runs"][0]["report"]["steps"][0]["outcome"] == "met" and plain["runs"][0]["seed"] == 7


def test_junit_has_a_suite_a_file_and_a_case_a_run() -> None:
    document = junitparser.JUnitXml.fromstring(as_junit([PASSED, FAILED, UNREACHABLE, SKIPPED]).decode())
    assert (document.tests, document.failures, document.errors, document.skipped) == (4, 1, 1, 1)
    first, second = document
    assert (first.name, [case.name for case in first]) == ("story.yaml", ["A story", "A story"])
    assert [(one.name, one.value) for one in first.properties()] == [("seed", "7")]
    good, bad = first
    assert good.is_passed and good.time == 1.5 and "✓ call at us-4-1" in good.system_out
    (failure,) = bad.result
    assert isinstance(failure, junitparser.Failure) and failure.type == "signalling"
    assert failure.message == "story.yaml:4: expected call at us-4-1 within 5 s, came: 1 call came: at us-3-1"
    assert "INVITE ───▶" in failure.text
    error, skipped = second
    assert isinstance(error.result[0], junitparser.Error) and error.result[0].message == UNREACHABLE.why and skipped.is_skipped


@given(st.text())
def test_no_text_breaks_the_xml(text: str) -> None:
    odd = Result(name=text, file=text, seed=1, kind="time", why=text, variables={text: text})
    assert junitparser.JUnitXml.fromstring(as_junit([odd]).decode()).errors == 1


def test_repetitions_that_went_another_way_are_told() -> None:
    runs = [result(None, trace=["a", "b"]), result(None, trace=["a", "c"], repetition=2), result(None, trace=["a"], repetition=3), SKIPPED]
    assert odd_traces(runs) == [
        "A story [repetition 2] went another way than the first time: 'c', where it was 'b'",
        "A story [repetition 3] went another way than the first time: the end, where it was 'b'",
    ]
    assert odd_traces(runs[:1] * 2) == []
