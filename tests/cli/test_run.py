"""`vsim run` without an emulator: which files are meant, what is refused, how progress looks, what programs leave behind."""

import io
import json
import os
import time
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from emulator.cli import vsim
from emulator.cli.free_ports import FreePorts
from emulator.cli.own_emulator import _environment
from emulator.cli.processes import Output, Process
from emulator.cli.progress import progress
from emulator.cli.run import _found, _load, run
from emulator.cli.session import jobs
from emulator.config import Unusable
from emulator.scenario.report import Result
from emulator.scenario.script import load
from emulator.scenario.verdict import Report, Verdict

STORY = "name: A story\nsteps: [note: x]\n"


def write(directory: Path, *names: str, text: str = STORY) -> None:
    for name in names:
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(text)


def until(condition: Any) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


# -- files --------------------------------------------------------------------------------------------------------


def test_files_folders_and_patterns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path, "b.yaml", "a.yaml", "deep/er/c.yml", "deep/d.yaml")
    write(tmp_path, "vsim.yaml", text="layout: ports\n")
    write(tmp_path, "deep/broken.yaml", text="a: [")
    assert list(_found(["b.yaml", "a.yaml", "b.yaml"])) == ["b.yaml", "a.yaml"]
    assert list(_found(["."])) == ["a.yaml", "b.yaml", "deep/broken.yaml", "deep/d.yaml", "deep/er/c.yml"]
    assert list(_found(["*.yaml", "deep/**/*.yml"])) == ["a.yaml", "b.yaml", "vsim.yaml", "deep/er/c.yml"]
    assert list(_found(["none.yaml"])) == ["none.yaml"]
    for name in ("none*.yaml", "empty"):
        (tmp_path / "empty").mkdir(exist_ok=True)
        with pytest.raises(Unusable, match=name.partition("*")[0]):
            list(_found([name]))


def test_every_run_of_every_file(tmp_path: Path) -> None:
    write(tmp_path, "a.yaml", text="name: '{{x}}'\nmatrix: {x: [1, 2]}\nsteps: [note: x]\n")
    write(tmp_path, "b.yaml", text="name: b\nseed: 9\nsteps: [note: x]\n")
    scripts = [(name, load(str(tmp_path / name))) for name in ("a.yaml", "b.yaml")]

    def made(seed: int | None, url: str | None = None) -> list[tuple[str, int | None, int]]:
        return [(job.result.name, job.result.seed, job.result.repetition) for job in jobs(scripts, 2, seed, url)]

    assert made(5) == [("1", 5, 1), ("1", 5, 2), ("2", 5, 1), ("2", 5, 2), ("b", 5, 1), ("b", 5, 2)]
    by_chance = made(None)
    assert {seed for _, seed, _ in by_chance[:4]} == {by_chance[0][1]} and by_chance[0][1] is not None and by_chance[4][1] == 9
    assert {seed for _, seed, _ in made(None, "http://127.0.0.1:1")} == {None}


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ([], "nothing to run; name a FILE"),
        (["--", "program"], "nothing to run; name a FILE"),
        (["a.yaml", "--"], "nothing follows --; write the program under test there, or leave -- out"),
        (["a.yaml", "--url", "http://127.0.0.1:1", "--parallel", "2"], "one emulator runs one scenario at a time"),
        (["a.yaml", "--url", "http://127.0.0.1:1", "--seed", "2"], "can't be changed"),
        (["a.yaml", "--capture-media"], "--capture-media is of captures; write --pcap DIR as well"),
        (["a.yaml", "--decrypt"], "--decrypt is of captures; write --pcap DIR as well"),
        (["a.yaml", "--url", "http://127.0.0.1:1", "--pcap", "x", "--capture-media"], "start it with --capture-media"),
        (["a.yaml", "--junit", "-", "--json", "-"], "can't both go to standard output"),
        (["a.yaml", "--set", "x"], "write NAME=VALUE"),
        (["a.yaml", "--parallel", "0"], "0"),
    ],
)
def test_usage_that_is_wrong(arguments: list[str], problem: str) -> None:
    done = CliRunner().invoke(vsim, ["run", *arguments])
    assert done.exit_code == 2 and problem in done.output


def test_what_follows_two_dashes_is_the_program() -> None:
    context = run.make_context("run", ["a.yaml", "--repeat", "2", "--", "sipp", "--", "-m", "1"])
    assert isinstance(context, click.Context)
    assert context.meta["program"] == ("sipp", "--", "-m", "1") and context.params["files"] == ("a.yaml",) and context.params["repeat"] == 2


def test_a_variable_of_some_files_is_set_there_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path, "a.yaml", text="name: '{{who}}'\nvariables: {who: nobody}\ngiven: {ports: [pbx]}\nsteps: [note: x]\n")
    write(tmp_path, "b.yaml")
    loaded = [script for _, script in _load(["a.yaml", "b.yaml"], {"who": "me", "port.pbx": "5080"})]
    assert [script.settings for script in loaded] == [{"who": "me", "port.pbx": "5080"}, {}]
    with pytest.raises(Unusable) as caught:
        _load(["a.yaml", "b.yaml"], {"hwo": "me"})
    assert str(caught.value).splitlines() == [
        "--set hwo: no such variable in a.yaml; did you mean 'who'?", "--set hwo: no such variable in b.yaml; none is known here",
    ]  # fmt: skip


# -- ports, environment -------------------------------------------------------------------------------------------


def test_ports_are_free_chosen_once_and_may_be_settled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VSIM_PORT_SBC", "5090")
    ports = FreePorts()
    first, second = ports.choose(("pbx", "sbc", "phone"), {"phone": "5080"}), ports.choose(("pbx",), {})
    assert first["sbc"] == "5090" and first["phone"] == "5080" and first["pbx"] != second["pbx"]
    ports.give_back(first)
    with pytest.raises(Unusable, match="'x' is no port"):
        ports.choose(("pbx",), {"pbx": "x"})


def test_a_port_that_is_free_is_none_that_another_program_is_handed_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """By the system, between the choice and the moment when the program under test takes it."""
    (tmp_path / "range").write_text("24000\t60999\n")
    for path, end in ((tmp_path / "range", 24000), (tmp_path / "none", 32768)):
        monkeypatch.setattr("emulator.cli.free_ports._HANDED_OUT", path)
        chosen = [int(FreePorts().choose(("pbx",), {})["pbx"]) for _ in range(50)]
        assert all(20000 <= port < end for port in chosen) and len(set(chosen)) > 10


def test_what_is_given_goes_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("VSIM_STRICT", "VSIM_DNS_PORT", "VSIM_LAYOUT", "VSIM_CONFIG", "VSIM_SEED", "VSIM_URL", "VSIM_ACCOUNT"):
        monkeypatch.setenv(name, "x")
    kept = {name for name in _environment({"strict": True, "dns": {"port": 1}}) if name.startswith("VSIM_")}
    assert "VSIM_LAYOUT" in kept and not kept & {"VSIM_STRICT", "VSIM_DNS_PORT", "VSIM_CONFIG", "VSIM_SEED", "VSIM_URL", "VSIM_ACCOUNT"}
    assert "PATH" in _environment({})


# -- programs -----------------------------------------------------------------------------------------------------


def test_of_much_output_the_beginning_and_the_end_are_kept() -> None:
    output = Output()
    output.add(b"")
    output.add(b"first\n")
    for number in range(20000):
        output.add(f"line {number}\n".encode())
    output.add(b"last \xff\n")
    text = output.text()
    assert (
        text.startswith("first\nline 0\n") and text.endswith("line 19999\nlast �\n") and "octets left out" in text and len(text) < 100_000
    )
    whole = Output()
    whole.add(b"x" * 60000)
    assert whole.text() == "x" * 60000


def test_a_program_that_ends() -> None:
    process = Process(["sh", "-c", "echo out; echo err >&2; exit 3"], os.environ)
    until(lambda: process.code is not None)
    process.settle()
    assert process.code == 3 and sorted(process.output.text().split()) == ["err", "out"]
    process.end()
    process = Process(["sh", "-c", "kill -9 $$"], os.environ)
    until(lambda: process.code is not None)
    assert process.code == 137
    process.settle()


def test_a_program_is_ended_with_all_that_it_started() -> None:
    process = Process(["sh", "-c", "trap '' TERM; (trap '' TERM; echo $$; exec sleep 60) & echo child $!; wait"], os.environ)
    until(lambda: "child" in process.output.text())
    child = int(process.output.text().split("child ")[1].split()[0])
    process.end(0.2)
    assert process.code == 137
    until(lambda: not Path(f"/proc/{child}").exists() or "Z" in Path(f"/proc/{child}/stat").read_text().rpartition(")")[2])


@pytest.mark.parametrize("command", [["no-such-program"], ["/"], ["a\0b"]])
def test_a_program_that_is_none(command: list[str]) -> None:
    with pytest.raises(Unusable, match="name a program that can be run"):
        Process(command, os.environ)


# -- progress -----------------------------------------------------------------------------------------------------


def reports(*outcomes: Any) -> Report:
    steps = [
        Verdict(where=f"steps.{k}", step="expect", text=f"step {k}", outcome=outcome, within=5.0) for k, outcome in enumerate(outcomes)
    ]
    return Report(id="1", name="A story", state="running", seconds=1.5, steps=steps)


def told(parallel: bool, stream: io.StringIO) -> str:
    shown = progress(parallel, stream)
    first, second = (Result(name=name, file=f"{name}.yaml", seed=1, seconds=2.0) for name in ("one", "two"))
    shown.begin(first)
    shown.begin(second)
    shown.step(first, reports("met", "running"))
    shown.step(second, reports("running", "skipped"))
    shown.step(first, reports("met", "done"))
    second.kind, second.why = "time", "no emulator answers"
    shown.end(second)
    shown.end(first)
    shown.close()
    return stream.getvalue()


FIRST = ["one.yaml: one  (seed 1)", "  ✓ step 0", "  ✓ step 1", "  passed in 2 s"]
SECOND = ["two.yaml: two  (seed 1)", "  failed (time) after 2 s", "  ✗ no emulator answers"]


def test_plain_lines_come_as_they_are_or_together_when_runs_go_beside_each_other() -> None:
    assert told(False, io.StringIO()).splitlines() == [FIRST[0], SECOND[0], *FIRST[1:3], *SECOND[1:], FIRST[3]]
    assert told(True, io.StringIO()).splitlines() == [*SECOND, *FIRST]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_on_a_terminal_the_step_under_way_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    text = told(False, Terminal())
    assert "\x1b[32m  ✓ step 0" in text and "\x1b[1;31m  ✗ no emulator answers" in text and "\x1b[1;32m  passed in 2 s" in text
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[32m" not in told(False, Terminal()) and "  ✓ step 0" in told(False, Terminal())


def test_check_tells_scenarios_from_configs(tmp_path: Path) -> None:
    write(tmp_path, "story.yaml", text="name: x\nmatrix: {a: [1, 2]}\nsteps: [note: x]\n")
    write(tmp_path, "one.yaml")
    write(tmp_path, "vsim.yaml", text="layout: ports\n")
    write(tmp_path, "bad.yaml", text="name: x\nsteps: [dwon: us-3]\n")
    done = CliRunner().invoke(vsim, ["check", *(str(tmp_path / name) for name in ("story.yaml", "one.yaml", "vsim.yaml", "bad.yaml"))])
    assert done.exit_code == 2
    lines = [line.removeprefix(f"{tmp_path}/") for line in done.output.splitlines()]
    assert lines == [
        "story.yaml: good, 2 runs",
        "one.yaml: good",
        "vsim.yaml: good",
        "bad.yaml:2:9: unknown step 'dwon'; did you mean 'down'?",
    ]


@pytest.mark.parametrize(
    ("arguments", "title"), [([], "vsim.yaml"), (["config"], "vsim.yaml"), (["scenario"], "vsim scenario"), (["fault"], "vsim fault")]
)
def test_schemas(arguments: list[str], title: str) -> None:

    done = CliRunner().invoke(vsim, ["check", "--schema", *arguments])
    assert json.loads(done.output)["title"] == title
