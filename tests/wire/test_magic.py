"""Magic numbers as SIPp, baresip and linphonec meet them."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.serve import Serve, run
from tests.wire.test_linphone import NUMBER, Linphone, together
from tests.wire.test_phones import baresip, likeness, noise, recorded
from tests.wire.test_sipp import HERE, sipp_command

PREFIX = "447700900"


def refused(scenario: str, status: int) -> str:
    """`call.xml` for a call that is refused."""
    before, _, after = scenario.partition('  <recv response="100"/>')
    ack = after[after.index("  <send><![CDATA[\n      ACK") : after.index("  <pause/>")]
    for ours, theirs in (("[next_url]", "sip:[service]@[remote_ip]:[remote_port]"), ("[branch]", "[branch-3]")):
        ack = ack.replace(ours, theirs)  # the ACK of a refusal belongs to its INVITE (RFC 3261 17.1.1.3)
    return f'{before}  <recv response="{status}"/>\n{ack}</scenario>\n'


def seconds(call: dict[str, Any], to: str = "answered") -> float:
    return float(call[to] - call["started"])


@pytest.mark.real_time
@pytest.mark.parametrize("transport", ["u1", "t1"])
def test_sipp_sees_what_the_table_says(serve: Serve, transport: str) -> None:
    call, bye = (HERE / "call.xml").read_text(), (HERE / "waits_for_bye.xml").read_text()
    scenarios = {
        "180": call,
        "183": call.replace('response="180"', 'response="183"'),
        "200": call.replace('  <recv response="180"/>\n', ""),
        "202": bye,
        "486": refused(call, 486),
        "503": refused(call, 503),
    }

    def dial(digits: str, scenario: str) -> None:
        (serve.directory / f"{digits}.xml").write_text(scenario)
        command = sipp_command(serve, str(serve.directory / f"{digits}.xml"), transport, "-m", "1", "-d", "100")
        done = run([PREFIX + digits if part == "442071234567" else part for part in command], cwd=serve.directory)
        assert done.returncode == 0, digits + done.stdout[-2000:] + done.stderr

    together(dial, list(scenarios.items()))
    calls = {found["magic"]: found for found in serve.calls()}
    assert {digits: (found["state"], found["status"]) for digits, found in calls.items()} == {
        "180": ("ended", 200), "183": ("ended", 200), "200": ("ended", 200), "202": ("ended", 200),
        "486": ("refused", 486), "503": ("refused", 503),
    }  # fmt: skip
    assert seconds(calls["180"]) > 4.9 and seconds(calls["183"]) > 2.9 > seconds(calls["200"])
    assert calls["202"]["ended_by"] == "trunk" and calls["202"]["ended"] - calls["202"]["answered"] > 1.9
    assert serve.events().count("call.magic") == 6
    assert "magic number 486: refuses" in serve.cli("show", calls["486"]["id"]).stdout


@pytest.mark.real_time
def test_baresip_hears_early_media_is_held_and_is_refused(serve: Serve, tmp_path: Path) -> None:
    lengths = {"183": 10, "710": 10, "486": 5}

    def call(digits: str, length: int) -> tuple[np.ndarray, str]:
        directory = tmp_path / digits
        directory.mkdir()
        said = noise(directory / "in.wav", 60)
        return said, baresip(serve, directory, f"/dial sip:{PREFIX}{digits}@sip-us.vonage.com;transport=udp", length).stdout

    done = dict(zip(lengths, together(call, list(lengths.items())), strict=True))
    heard = {digits: printed for digits, (_, printed) in done.items()}
    calls = {found["magic"]: found for found in serve.calls()}
    assert "183 Session Progress" in heard["183"]
    (played,) = (tmp_path / "183").glob("dump-*-dec.wav")
    assert likeness(done["183"][0], recorded(played)) > 0.9
    early = calls["183"]
    assert early["media"]["packets_sent"] > 50 * (early["ended"] - early["answered"]) + 100  # three seconds before the answer
    assert heard["710"].count("re-INVITE") == 2 and "sdp.direction" not in {finding["code"] for finding in calls["710"]["findings"]}
    held = calls["710"]
    assert 0 < held["media"]["packets_received"] < 50 * (held["ended"] - held["answered"] - 1)  # silent for the two seconds of the hold
    assert re.search("call.held .*call.resumed ", serve.events(), re.S)
    assert "486 Busy Here" in heard["486"] and calls["486"]["state"] == "refused"


@pytest.mark.real_time
def test_linphone_hears_digits_without_a_marker_and_none_without_an_end(serve: Serve, tmp_path: Path) -> None:
    def call(digits: str) -> str:
        with Linphone(serve, tmp_path / digits, "udp", number=int(digits) - 720) as phone:
            phone.uri = phone.uri.replace(NUMBER, PREFIX + digits)
            assert phone.dial()
            phone.heard(seconds=4)
            tones = [line.partition("Receiving tone ")[2][0] for line in phone.printed().splitlines() if "Receiving tone" in line]
            phone.hang_up()
            return "".join(tones)

    assert together(call, [("720",), ("721",), ("722",)]) == ["1234#", "1234#", ""]
