"""SIPp: many authenticated calls, and a call that the trunk hangs up."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.support.serve import Serve, environment, need, run, until
from tests.support.sipp import BUFFER

HERE = Path(__file__).parent


def sipp_command(serve: Serve, scenario: str, transport: str, *flags: str) -> list[str]:
    """SIPp on a port that the system chooses."""
    return [
        need("sipp", "sip-tester"), serve.at(transport="tcp" if transport == "t1" else "udp"), "-sf", str(HERE / scenario),
        "-t", transport, "-au", "abcd1234", "-ap", "OfflineSecret1", "-s", "442071234567", "-i", "127.0.0.1", "-mi", "127.0.0.1",
        "-nostdin", "-timeout", "100", "-timeout_error", "-buff_size", BUFFER, *flags,
    ]  # fmt: skip


@pytest.mark.parametrize("transport", ["u1", "t1"])
def test_a_thousand_calls_at_a_rate_none_failed(serve: Serve, transport: str) -> None:
    done = run(sipp_command(serve, "call.xml", transport, "-m", "1000", "-r", "200", "-d", "50"), cwd=serve.directory)
    totals = {name: int(count) for name, count in re.findall(r"(Successful call|Failed call) +\| +\d+ +\| +(\d+)", done.stdout)}
    assert done.returncode == 0 and totals == {"Successful call": 1000, "Failed call": 0}, done.stdout[-2000:] + done.stderr
    calls = serve.calls()
    assert len(calls) == 1000 and {call["state"] for call in calls} == {"ended"} and {call["status"] for call in calls} == {200}


@pytest.mark.parametrize("transport", ["u1", "t1"])
def test_stopping_says_bye_to_calls_that_are_up(serve: Serve, transport: str) -> None:
    command = sipp_command(serve, "waits_for_bye.xml", transport, "-m", "20", "-r", "100")
    with subprocess.Popen(
        command,
        cwd=serve.directory,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        stdin=subprocess.DEVNULL,
    ) as sipp:
        until(lambda: serve.events().count("call.answered") == 20, "twenty calls up")
        assert serve.stop() == 0
        output, _ = sipp.communicate(timeout=60)
    assert sipp.returncode == 0, output[-2000:]
    assert not serve.file.exists()
    assert serve.events().rstrip().endswith("calls=20") or serve.events().count("call.ended") == 20
