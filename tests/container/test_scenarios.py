"""`vsim run` as the container's command: the verdict is its exit code, and nothing but the one folder is written to."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.container.build import ROOT
from tests.container.clients import WIRE, ask, echoed, finished, sipp
from tests.container.engine import Container
from tests.container.network import INSIDE, Namespace
from tests.support.serve import DEADLINE, need, until

HERE = Path(__file__).resolve().parent


def test_a_scenario_is_met_by_a_client_outside(start: Callable[..., Container], outside: Namespace, tmp_path: Path) -> None:
    container = start("run", "echo.yaml", volumes={HERE: "/vsim"}, read_only=True, tmpfs="/var/lib/vsim")
    until(lambda: outside.run(need("sipsak", "sipsak"), "-s", f"sip:{INSIDE}").returncode == 0, "the emulator of the scenario")
    calling = sipp(outside, tmp_path, WIRE / "waits_for_bye.xml")
    until(lambda: ask(outside, "/v1/calls?state=answered")[1]["calls"], "the call")
    assert echoed(outside, 60, seconds=5.0) > 0  # those after the story are nobody's
    finished(calling)  # the emulator ends with its story, and says BYE first
    assert container.wait() == 0, container.logs()


def test_a_scenario_that_nobody_meets_fails(start: Callable[..., Container], tmp_path: Path) -> None:
    folder = tmp_path / "scenarios"
    folder.mkdir()
    (folder / "nobody.yaml").write_text("name: nobody calls\nsteps:\n  - expect: {call: {to: '442071234567'}, within: 200ms}\n")
    container = start("run", "nobody.yaml", volumes={folder: "/vsim"})
    assert container.wait() == 1 and "no call came" in container.logs(), container.logs()


def test_a_scenario_on_the_emulator_that_runs(start: Callable[..., Container], outside: Namespace, tmp_path: Path) -> None:
    (tmp_path / "twice.yaml").write_text(
        "name: a proxy is down, and then it is not\nsteps:\n  - down: {proxy: us-3-1, how: '503', for: 6s}\n"
        "  - expect: {call: {proxy: us-3-1, status: 503}, within: 60s}\n  - expect: {call: {proxy: us-3-1, status: 200}, within: 60s}\n"
    )
    container = start(volumes={tmp_path / "twice.yaml": "/vsim/twice.yaml"})
    container.wait_until_healthy()
    with ThreadPoolExecutor(1) as pool:
        story = pool.submit(container.run, "vsim", "run", "--url", "http://127.0.0.1:8060", "twice.yaml")
        until(lambda: " down " in container.logs(), "the proxy to be down")
        refused = sipp(outside, tmp_path, WIRE / "call.xml")
        refused.communicate(timeout=2 * DEADLINE)
        assert refused.returncode != 0
        until(lambda: " up " in container.logs(), "the proxy to be up")
        finished(sipp(outside, tmp_path, WIRE / "call.xml", "-d", "100"))
        done = story.result(2 * DEADLINE)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_scenarios_that_come_with_vsim_are_in_the_image(start: Callable[..., Container]) -> None:
    shipped = sorted(path.name for path in (ROOT / "scenarios").glob("*.yaml"))
    assert shipped
    container = start("check", *(f"scenarios/{name}" for name in shipped))
    assert container.wait() == 0 and container.logs().count(": good") == len(shipped), container.logs()
