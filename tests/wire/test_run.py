"""`vsim run` end to end, with SIPp as the program under test."""

import json
import os
import re
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import junitparser
import pytest

from tests.support.serve import VSIM, Serve, environment, need, own_address, run, until
from tests.wire.test_capture import Tshark
from tests.wire.test_sipp import sipp_command

HERE = Path(__file__).parent
NUMBER = "442071234567"


def vsim_run(directory: Path, *arguments: str | Path, program: Sequence[str] = (), **how: Any) -> subprocess.CompletedProcess[str]:
    return run(command(*arguments, program=program), 120, cwd=directory, **how)


def command(*arguments: str | Path, program: Sequence[str] = ()) -> list[str | Path]:
    return [*VSIM, "run", *arguments, *(("--", *program) if program else ())]


def sipp(variable: str, scenario: Path, *flags: str) -> str:
    """SIPp as a shell has it: at an address that the environment names."""
    fixed = "-t u1 -au abcd1234 -ap OfflineSecret1 -i 127.0.0.1 -mi 127.0.0.1 -nostdin -m 1 -timeout 100 -timeout_error"
    return " ".join((need("sipp", "sip-tester"), f"${variable}", "-sf", str(scenario), fixed, *flags))


@pytest.fixture
def caller(tmp_path: Path) -> Path:
    """A caller that may be answered without having heard it ring, and speaks."""
    (tmp_path / "audio.ul").write_bytes(b"\xd5" * 80000)
    text = (HERE / "call.xml").read_text()
    text = text.replace('<recv response="180"/>', '<recv response="180" optional="true"/>')
    text = re.sub(r"( *<pause)", rf'  <nop><action><exec rtp_stream="{tmp_path}/audio.ul,1,0"/></action></nop>\n\1', text, count=1)
    assert "rtp_stream" in text and "optional" in text
    path = tmp_path / "caller.xml"
    path.write_text(text)
    return path


def story(directory: Path, *steps: str, name: str = "story.yaml", top: str = "") -> str:
    (directory / name).write_text(f"name: A story\n{top}steps:\n" + "".join(f"  - {step}\n" for step in steps))
    return name


def calls(caller: Path, variable: str = "VSIM_SIP_US_3_1", seconds: float = 1.5, number: str = NUMBER) -> list[str]:
    return ["sh", "-c", "exec " + sipp(variable, caller, f"-s {number}", f"-d {seconds * 1000:.0f}")]


def leftovers(directory: Path) -> list[str]:
    """Processes that have this test's folder in their command line."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(directory) in line and str(os.getpid()) != path.parent.name:
            found.append(line)
    return found


def nothing_runs(directory: Path) -> None:
    """What was killed may have to wait for its turn to die."""
    until(lambda: not leftovers(directory), lambda: f"the end of {leftovers(directory)}")


def report(directory: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((directory / "report.json").read_text())
    return found


@pytest.mark.real_time
def test_a_story_that_comes_true(tmp_path: Path, caller: Path) -> None:
    file = story(
        tmp_path,
        f"expect: {{call: {{to: '{NUMBER}', proxy: us-3-1, codec: PCMU, acked: true}}, as: outbound}}",
        "expect: {media: outbound, echoed: true, loss: 5%, mos: 4}",
        "run: test -n \"$VSIM_URL\" && test \"$VSIM_VAR_WHO\" = nobody",
        "expect: {ended: outbound, by: device, code: 200}",
        "expect: {request: {call: outbound, method: BYE, status: 200}}",
        top="variables: {who: nobody}\nnever: [{call: {region: eu}}]\n",
    )  # fmt: skip
    done = vsim_run(
        tmp_path,
        file,
        "--seed",
        "7",
        "--junit",
        "junit.xml",
        "--json",
        "report.json",
        program=calls(caller),
        env=environment(TMPDIR=str(tmp_path)),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("story.yaml: A story  (seed 7)\n  ✓ call to 442071234567 at us-3-1") and "passed in" in done.stdout
    (suite,) = junitparser.JUnitXml.fromfile(str(tmp_path / "junit.xml"))
    (case,) = suite
    assert case.is_passed and case.name == "A story"
    (result,) = report(tmp_path)["runs"]
    assert [step["outcome"] for step in result["report"]["steps"]] == ["met", "met", "done", "met", "met", "held"]
    assert result["seed"] == 7 and result["places"]["steps.1"] == "story.yaml:6"
    assert not list(tmp_path.glob("vsim-run-*"))
    nothing_runs(tmp_path)


@pytest.mark.real_time
def test_signalling_that_was_not_as_expected_is_exit_1(tmp_path: Path, caller: Path) -> None:
    file = story(tmp_path, "down: us-3", "expect: {call: {site: us-4}, within: 3s}", "note: never told", top="variables: {who: x}\n")
    done = vsim_run(
        tmp_path,
        file,
        "--junit",
        "junit.xml",
        "--set",
        "who=the PBX",
        program=["sh", "-c", f"{calls(caller)[2].removeprefix('exec ')}; sleep 20"],
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert (
        "    story.yaml:5\n      expected  call at us-4 within 3 s\n      came      no call came; lost where it is down: INVITE to us-3-1"
        in done.stdout
    )
    assert re.search(r"^  again: vsim run --seed \d+ --set 'who=the PBX' story.yaml -- sh -c ", done.stdout, re.MULTILINE), done.stdout
    assert "| " in done.stdout
    (suite,) = junitparser.JUnitXml.fromfile(str(tmp_path / "junit.xml"))
    (failure,) = next(iter(suite)).result
    assert isinstance(failure, junitparser.Failure) and failure.type == "signalling"
    assert failure.message.startswith("story.yaml:5: expected call at us-4 within 3 s, came: no call came")
    nothing_runs(tmp_path)


@pytest.mark.real_time
def test_a_refused_call_is_drawn(tmp_path: Path, caller: Path) -> None:
    file = story(tmp_path, "fault: refuse 503 where proxy=us-3-1 method=INVITE", "expect: {call: {status: 200}, within: 2s}")
    done = vsim_run(tmp_path, file, program=["sh", "-c", f"{calls(caller)[2].removeprefix('exec ')}; sleep 20"])
    assert done.returncode == 1 and "came      1 call came: at us-3-1 answered 503" in done.stdout, done.stdout
    assert re.search(r"\d\.\d{3}s  ◀─+ 503 Service Unavailable", done.stdout)


@pytest.mark.real_time
def test_runs_that_fail_leave_captures(tmp_path: Path, caller: Path) -> None:
    """Of two runs with a call each the second fails; nothing is kept of the first."""
    file = story(
        tmp_path, "fault: refuse {{code}} where proxy=us-3-1 method=INVITE", "expect: {call: {status: 503}, within: 3s}",
        top="matrix: {code: [503, 486]}\n",
    )  # fmt: skip
    program = ["sh", "-c", f"{calls(caller)[2].removeprefix('exec ')}; sleep 20"]
    done = vsim_run(tmp_path, file, "--pcap", "out/captures", "--json", "report.json", program=program)
    assert done.returncode == 1 and "1 passed, 1 failed" in done.stdout, done.stdout
    (kept,) = (tmp_path / "out/captures").iterdir()
    assert kept.name == "002-a-story-code-486-call-1.pcapng" and f"    capture of call #1: out/captures/{kept.name}\n" in done.stdout
    assert [run["captures"] for run in report(tmp_path)["runs"]] == [{}, {"1": f"out/captures/{kept.name}"}]
    read = Tshark(kept)
    assert read.messages()[0] == "INVITE" and "486" in read.messages() and read.problems() == []


def test_sections_of_a_config_that_are_empty(tmp_path: Path) -> None:
    """`media:` with nothing behind it, and what the command itself has to say in it."""
    file = story(tmp_path, "note: x", top="given: {config: {media: null, tls: null}}\n")
    done = vsim_run(tmp_path, file, "--pcap", "out", "--capture-media")
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr


@pytest.mark.real_time
def test_calls_that_an_emulator_had_before_are_not_captured(serve: Serve) -> None:
    assert run(sipp_command(serve, "call.xml", "u1", "-m", "1"), cwd=serve.directory).returncode == 0
    file = story(serve.directory, "expect: {call: {status: 486}, within: 3s}")
    program = sipp_command(serve, "call.xml", "u1", "-m", "1")
    done = vsim_run(serve.directory, file, "--url", serve.endpoints["control"], "--pcap", ".", program=program)
    assert done.returncode == 1, done.stdout + done.stderr
    assert [path.name for path in serve.directory.glob("*.pcapng")] == ["001-a-story-call-2.pcapng"]


def test_where_no_capture_can_be_written_nothing_runs(tmp_path: Path) -> None:
    file = story(tmp_path, f"run: touch {tmp_path}/ran")
    done = vsim_run(tmp_path, file, "--pcap", file)
    assert (done.returncode, done.stdout) == (2, "") and not (tmp_path / "ran").exists()
    assert done.stderr == "vsim: --pcap story.yaml: file exists; name a folder that can be written\n"


def test_a_file_that_is_wrong_is_exit_2_and_nothing_runs(tmp_path: Path) -> None:
    good = story(tmp_path, f"run: touch {tmp_path}/ran", name="good.yaml")
    bad = story(tmp_path, "down: us-33", "hangup: nobody", name="bad.yaml")
    done = vsim_run(tmp_path, good, bad)
    assert done.returncode == 2 and done.stdout == "" and not (tmp_path / "ran").exists()
    assert done.stderr.splitlines() == [
        "vsim: bad.yaml:3:11: name 'us-33' is unknown; did you mean 'us-3'?",
        "vsim: bad.yaml:4:13: no call is called 'nobody' yet; give a call this name with `as: nobody` in a step before",
    ]
    config = f"{{ephemeral: false, layout: ports, bind: {own_address()}, dns: {{address: 203.0.113.1}}}}"
    (tmp_path / "given.yaml").write_text(f"name: x\ngiven: {{config: {config}}}\nsteps: [note: x]\n")
    done = vsim_run(tmp_path, "given.yaml")
    assert done.returncode == 2 and "203.0.113.1" in done.stdout, done.stdout


@pytest.mark.real_time
def test_media_that_were_not_as_expected_are_exit_3(tmp_path: Path, caller: Path) -> None:
    file = story(tmp_path, "expect: {call: {}, as: outbound}", "expect: {media: outbound, dtmf: '12', within: 2s}")
    done = vsim_run(tmp_path, file, program=calls(caller, seconds=4))
    assert done.returncode == 3 and "expected  media of outbound: digits 12 within 2 s" in done.stdout, done.stdout
    assert re.search(r"came      digits none \(PCMU, [1-9]\d* packets heard, [1-9]\d* sent", done.stdout)


def test_what_does_not_come_in_time_and_nobody_there_is_exit_4(tmp_path: Path) -> None:
    file = story(tmp_path, "wait: {event: call.answered, within: 1s}")
    done = vsim_run(tmp_path, file)
    assert done.returncode == 4 and "failed (time)" in done.stdout
    done = vsim_run(tmp_path, story(tmp_path, "wait: 3s", "wait: 1s", top="deadline: 4s\n"), "--url", "http://127.0.0.1:1")
    assert done.returncode == 4 and "no emulator answers at http://127.0.0.1:1" in done.stdout
    (tmp_path / "long.yaml").write_text("name: x\ndeadline: 1s\nsteps: [{expect: {call: {}}}]\n")
    done = vsim_run(tmp_path, "long.yaml")
    assert done.returncode == 4 and "the whole scenario took more than 1 s; no call came" in done.stdout


def test_a_command_that_fails_is_exit_5(tmp_path: Path) -> None:
    file = story(tmp_path, "expect: {call: {}, within: 20s}")
    done = vsim_run(tmp_path, file, program=["sh", "-c", "echo no licence; exit 3"])
    assert done.returncode == 5, done.stdout
    assert "came      the program under test ended with exit code 3; no call came" in done.stdout and "| no licence" in done.stdout
    done = vsim_run(tmp_path, file, program=["no-such-program"])
    assert done.returncode == 2 and "no-such-program: no such program; name one that can be run" in done.stderr
    for step, came in (
        ("run: 'echo oh; exit 2'", "exit code 2, not 0; its last line: oh"),
        ("run: [no-such-program, x]", "no-such-program: no such file"),
    ):
        done = vsim_run(tmp_path, story(tmp_path, step))
        assert done.returncode == 5 and f"came      {came}" in done.stdout, done.stdout
    done = vsim_run(tmp_path, story(tmp_path, "run: {command: sleep 30, within: 1s}"))
    assert done.returncode == 5 and "came      it was not over within 1 s" in done.stdout
    assert vsim_run(tmp_path, story(tmp_path, "run: {command: exit 3, code: 3}", "wait: 1s"), program=["true"]).returncode == 0


def test_a_program_that_never_began_has_not_passed(tmp_path: Path) -> None:
    file = story(tmp_path, "fault: media loss=5%")
    assert vsim_run(tmp_path, file).returncode == 0
    done = vsim_run(tmp_path, file, "--patience", "20s", "--junit", "report.xml", program=["touch", "begun"])
    assert done.returncode == 2 and not (tmp_path / "begun").exists(), done.stdout
    told = "the story was over before the program under test could begin; have it wait for something, or start that by a `run` step"
    assert told in done.stdout
    assert next(iter(next(iter(junitparser.JUnitXml.fromfile(str(tmp_path / "report.xml")))))).result[0].message == told


def test_a_program_may_have_its_say_when_the_story_is_over(tmp_path: Path) -> None:
    file = story(tmp_path, "wait: 100ms")
    program = ["sh", "-c", "sleep 1; echo heard noise; exit 3"]
    assert vsim_run(tmp_path, file, program=program).returncode == 0
    done = vsim_run(tmp_path, file, "--patience", "20s", program=program)
    assert done.returncode == 5 and "ended with exit code 3; its last lines:\n      | heard noise" in done.stdout
    assert vsim_run(tmp_path, file, "--patience", "20s", program=["sh", "-c", "sleep 0.5"]).returncode == 0
    done = vsim_run(tmp_path, file, "--patience", "300ms", "--json", "report.json", program=["sleep", "60"])
    assert done.returncode == 0 and report(tmp_path)["runs"][0]["program"]["code"] is None
    assert vsim_run(tmp_path, file, "--patience", "soon", program=["true"]).returncode == 2


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_ctrl_c_ends_everything(tmp_path: Path, number: signal.Signals) -> None:
    """As does a terminal that is closed. Ctrl-C itself a job in the background may have been told to ignore."""
    file = story(tmp_path, "run: {command: 'echo $$ > command.pid; sleep 60', within: 60s}")
    program = ["sh", "-c", "echo $$ > program.pid; echo $VSIM_URL > url; trap '' TERM; sleep 60 & echo $! > child.pid; wait"]
    pids = [tmp_path / name for name in ("command.pid", "program.pid", "child.pid")]
    with subprocess.Popen(
        [str(part) for part in command(file, program=program)], cwd=tmp_path, env=environment(TMPDIR=str(tmp_path)), stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL, preexec_fn=hang_up_by_default,
    ) as running:  # fmt: skip
        until(lambda: all(path.exists() and path.read_text().strip() for path in pids), "everything started")
        emulator = json.loads(next(tmp_path.glob("vsim-run-*/vsim.json")).read_text())["pid"]
        running.send_signal(number)
        said, problems = running.communicate(timeout=60)
    assert running.returncode == 130 and problems == "vsim: interrupted; everything that was started has been ended\n", said + problems
    for pid in (emulator, *(int(path.read_text()) for path in pids)):
        until(lambda pid=pid: not alive(pid), f"the end of process {pid}")  # type: ignore[misc]
    assert not list(tmp_path.glob("vsim-run-*"))


def hang_up_by_default() -> None:
    """The tests may run under nohup."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and waits to be looked after does not."""
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False


@pytest.mark.real_time
def test_runs_at_once_and_again_have_one_trace(tmp_path: Path, caller: Path) -> None:
    file = story(tmp_path, f"expect: {{call: {{to: '{NUMBER}', status: 200, acked: true}}, as: outbound}}", "expect: {ended: outbound}")
    done = vsim_run(
        tmp_path, file, "--repeat", "4", "--parallel", "2", "--seed", "5", "--json", "report.json", program=calls(caller, seconds=0.3)
    )
    assert done.returncode == 0 and "another way" not in done.stdout, done.stdout + done.stderr
    assert re.search(r"^4 passed in ", done.stdout, re.MULTILINE)
    traces = [one["report"]["trace"] for one in report(tmp_path)["runs"]]
    assert len(traces) == 4 and all(trace == traces[0] for trace in traces) and "call 1 call.ended codec=PCMU by=caller" in traces[0]


def test_the_first_failure_may_end_it_all(tmp_path: Path) -> None:
    story(tmp_path, "wait: {event: never, within: 200ms}", name="a.yaml")
    story(tmp_path, f"run: touch {tmp_path}/ran", name="b.yaml")
    (tmp_path / "vsim.yaml").write_text("layout: ports\n")  # in the folder, and no scenario
    done = vsim_run(tmp_path, tmp_path, "--fail-fast", "--json", "report.json", "--junit", "-")
    assert done.returncode == 4 and not (tmp_path / "ran").exists() and "1 failed, 1 not run in" in done.stderr, done.stderr
    suites = list(junitparser.JUnitXml.fromstring(done.stdout))
    assert [next(iter(suite)).is_skipped for suite in suites] == [False, True]
    done = vsim_run(tmp_path, "*.yaml", "--set", "x=1")
    assert done.returncode == 2 and "--set x: no such variable" in done.stderr


def test_on_an_emulator_that_runs(serve: Serve, caller: Path) -> None:
    directory, url = serve.directory, serve.endpoints["control"]
    file = story(
        directory, "down: us-4", "fault: delay 100ms where region=eu\n    as: slow", f"expect: {{call: {{to: '{NUMBER}'}}, as: outbound}}",
        "hangup: outbound", top="given: {numbers: {'447700900111': {forward: 'sip:1@127.0.0.1:9'}}}\n",
    )  # fmt: skip
    program = sipp_command(serve, "waits_for_bye.xml", "u1", "-m", "1")
    done = vsim_run(directory, file, "--url", url, program=program)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "up                      name=us-4" in serve.events() and "fault.removed" in serve.events()
    given = story(directory, "note: x", name="given.yaml", top="given: {config: {strict: true}}\n")
    done = vsim_run(directory, given, "--url", url)
    assert done.returncode == 2 and "strict can't be set while the emulator runs; start it so" in done.stdout, done.stdout
    assert vsim_run(directory, file, "--url", url, "--parallel", "2").returncode == 2
    assert vsim_run(directory, file, "--url", url, "--seed", "2").returncode == 2
