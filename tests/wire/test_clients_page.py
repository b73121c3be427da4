"""What docs/clients.md tells people to type does what it says there."""

import re
import shlex
from pathlib import Path

from tests.support.serve import Serve, environment, need, run, until

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = (ROOT / "docs" / "clients.md").read_text()


def typed(begin: str) -> list[str]:
    """The words of the line of a block that begins so."""
    return shlex.split(next(line for line in PAGE.splitlines() if line.startswith(begin)), comments=True)


def test_sipp_places_its_calls(serve: Serve) -> None:
    program, _, *words = typed("sipp 127.0.13.1 -sf ")
    words[words.index("-sf") + 1] = str(ROOT / words[words.index("-sf") + 1])
    words[words.index("-d") + 1] = "300"
    command = [need(program, "sip-tester"), serve.at(), *words, "-i", "127.0.0.1", "-nostdin", "-timeout", "100", "-timeout_error"]
    assert run(command, cwd=serve.directory).returncode == 0
    calls = serve.calls()
    assert len(calls) == 10 and {call["state"] for call in calls} == {"ended"}
    assert {(call["caller"], call["called"]) for call in calls} == {("447700900000", "442071234567")}


def test_the_scenario_says_how_it_is_run() -> None:
    """The command in the file is that of the page, as far as they are alike."""
    told = re.search(r"^ *(sipp .*)$", (ROOT / "docs/clients/call.xml").read_text(), re.MULTILINE)
    assert told is not None and told[1].split()[4:] == typed("sipp 127.0.13.1 -sf ")[4:-4]


def test_sipp_without_credentials_ends_with_the_finding_that_is_named(serve: Serve) -> None:
    done = run([need("sipp", "sip-tester"), serve.at(), "-sn", "uac", "-i", "127.0.0.1", "-m", "1", "-nostdin", "-timeout", "60"])
    assert done.returncode != 0
    until(lambda: [call for call in serve.calls() if "digest.unanswered" in {one["code"] for one in call["findings"]}], "the finding")


def test_kamailio_takes_the_config(tmp_path: Path) -> None:
    _, rule, source, *_ = typed("sed ")
    _, old, new, _ = rule.split("/")
    config = tmp_path / "sbc.cfg"
    config.write_text((ROOT / source).read_text().replace(old, new))
    variables = dict(word.split("=", 1) for word in typed("TRUNK=") if "=" in word)
    done = run([need("kamailio", "kamailio"), "-c", "-E", "-f", str(config)], cwd=tmp_path, env=environment(**variables))
    assert done.returncode == 0, done.stderr
