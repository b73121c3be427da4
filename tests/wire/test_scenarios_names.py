"""Scenarios of connections, TLS, credentials and names that fail, each with a client that should pass and one that should not."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.stories import Plays, Story, play

UDP, TCP, TLS = (f"sip:447700900200@sip-us.vonage.com;transport={transport}" for transport in ("udp", "tcp", "tls"))
IMPATIENT = ["--set", "patience=6s"]
CAUGHT = r"^ +expected +never call at us-3-1\n +came +call #\d+ to 447700900200 at us-3-1 over TLS, 200$"
UNVERIFIED = r"^ +fix: 1 new call went over TLS with a certificate that has expired: verify it"
VERIFIED = r"^  ✓ call to 447700900200 at us-3-2 over TLS, answered 200, acknowledged: "
OVER_TLS = {"SBC_TRANSPORT": "tls"}

TABLE = [
    Story(
        "tcp-refused.yaml", ["baresip.sh", TCP, "1"],
        report=[r"at us-4-\d over TCP, 200", r"new calls were answered elsewhere, \d+\.\d s after it went down"],
    ),
    Story(
        "tcp-refused.yaml", ["baresip.sh", "sip:447700900200@sip-us-3-1.vonage.com;transport=tcp", "1"], 1, flags=IMPATIENT,
        report=[r"no client was seen meanwhile; at a port that is closed the system answers"],
    ),
    # baresip closes a call when its connection breaks.
    Story(
        "reset-in-call-setup.yaml", ["phone.sh", "--at", "us", "--transport", "tcp", "--talk", "500ms"],
        report=[r"^    us-3 was down by reset INVITE \(TCP TLS\)", r"new calls moved \d\.\d s after the first attempt"],
    ),
    Story(
        "reset-in-call-setup.yaml", ["baresip.sh", TCP, "3"], 1, flags=IMPATIENT,
        report=[r"^ +came +no call came", r"^    fault reset where site=us-3 .*: struck \d+ of \d+$"],
    ),
    # Kamailio verifies the chain, and compares no name; baresip 1.0 verifies nothing; the phone does both.
    Story("tls-expired.yaml", ["sbc.sh", "us-3-1", "us-3-2"], env=OVER_TLS, report=[VERIFIED]),
    Story("tls-expired.yaml", ["baresip.sh", TLS, "1"], 1, report=[CAUGHT, r"^    us-3-1 was down by tls expired \(TLS\)", UNVERIFIED]),
    Story("tls-unknown-ca.yaml", ["sbc.sh", "us-3-1", "us-3-2"], env=OVER_TLS, report=[VERIFIED]),
    Story("tls-unknown-ca.yaml", ["baresip.sh", TLS, "1"], 1, report=[CAUGHT]),
    Story("tls-wrong-name.yaml", ["phone.sh", "--at", "us", "--transport", "tls", "--talk", "300ms"], report=[VERIFIED]),
    Story("tls-wrong-name.yaml", ["sbc.sh", "us-3-1", "us-3-2"], 1, env=OVER_TLS, report=[CAUGHT]),
    Story("tls-1.3-only.yaml", ["baresip.sh", TLS, "2"], report=[r"^  ✓ media of secure: echoed"]),
    Story(
        "tls-1.3-only.yaml", ["sbc.sh", "us-3-1"], 1, env={**OVER_TLS, "SBC_TLS_METHOD": "TLSv1.2"},
        report=[r"^ +came +tls\.refused proxy=us-3-1 .* finding=tls\.handshake: unsupported protocol$"],
    ),
    # SIPp's scenario answers one challenge.
    Story("stale-nonces.yaml", ["baresip.sh", UDP, "2"], report=[r"^  ✓ call to 447700900200, answered 200, acknowledged \(up\): "]),
    Story(
        "stale-nonces.yaml", ["direct.sh", "us-3-1"], 1,
        report=[r"^ +came +no call came; only challenged: INVITE to us-3-1", r"^    fault challenge stale .*: struck \d+ of \d+$"],
    ),
    # Kamailio's uac_auth() answers for as long as it is asked.
    Story("endless-challenge.yaml", ["baresip.sh", UDP, "2"], flags=["--set", "during=3s"]),
    Story(
        "endless-challenge.yaml", ["sbc.sh", "us-3-1"], 1,
        report=[r"^ +expected +never 10 times INVITE for 5 s$", r"^ +came +10, the last: INVITE at us-3-1 over UDP"],
    ),
    # Over UDP baresip hears nothing of ICMP.
    Story("dns-dead-target-first.yaml", ["baresip.sh", TCP, "2"], report=[r"found by SRV \(moved\)"]),
    Story("dns-dead-target-first.yaml", ["phone.sh", "--at", "us", "--talk", "500ms"]),
    Story(
        "dns-dead-target-first.yaml", ["baresip.sh", UDP, "5"], 1, flags=IMPATIENT,
        report=[r"^ +came +no call came$", r"^    fault dns dead-first .*: struck 1 of 1$"],
    ),
    Story("dns-servfail.yaml", ["baresip.sh", UDP, "1"], flags=["--set", "outage=500ms"]),
    Story(
        "dns-servfail.yaml", ["baresip.sh", UDP, "20"], 1, flags=["--set", "outage=500ms", *IMPATIENT],
        report=[r"^ +came +no call came$", r"^    fault dns servfail: struck \d+ of \d+$"],
    ),
    Story("dns-slow.yaml", ["baresip.sh", UDP, "6"]),
    Story("dns-slow.yaml", ["phone.sh", "--at", "us", "--cancel-after", "300ms"], 1, flags=IMPATIENT, report=[r"^ +came +no call came$"]),
    # baresip 1.0 has no TCP for names.
    Story("dns-truncated.yaml", ["phone.sh", "--at", "us", "--talk", "500ms"], report=[r"found by SRV \(found\)"]),
    Story("dns-truncated.yaml", ["baresip.sh", UDP, "2"], 1, flags=IMPATIENT, report=[r"^    fault dns truncated: struck \d+ of \d+$"]),
]  # fmt: skip


@pytest.mark.parametrize("story", TABLE, ids=lambda story: story.name)
def test_a_client_and_its_verdict(plays: Plays, story: Story, record_property: Callable[[str, object], None]) -> None:
    plays.check(story, record_property)


@pytest.mark.real_time
def test_two_runs_of_one_seed_have_the_same_trace(tmp_path: Path) -> None:
    story = Story("stale-nonces.yaml", ["baresip.sh", UDP, "2"], flags=["--repeat", "2", "--json", "report.json"])
    played = play(story, tmp_path)
    assert played.code == 0 and "another way" not in played.output, played.output
    first, second = (run["report"]["trace"] for run in json.loads((tmp_path / "report.json").read_text())["runs"])
    assert first == second and any("fault.hit" in line for line in first), first
