"""Files of `scenarios/` about what is heard, each beside clients that should pass and clients that should not.

Some things only the client's own ears can judge: there it has its say with its exit code (`--patience`), and the run fails with 5.
"""

from collections.abc import Iterator

import pytest

from tests.support.scenarios import Case, Stage, chosen, shell, sipp
from tests.support.sipp_parts import call, hang_up, pause, play

CLIENTS = {
    "baresip": shell("exec {clients}/softphone.sh 7"),
    "baresip that stays": shell("exec {clients}/softphone.sh 30"),
    "baresip with an RTP timeout": shell('SOFTPHONE_CONFIG="rtp_timeout 2" exec {clients}/softphone.sh 20'),
    "baresip with SRTP and an RTP timeout": shell(
        'SOFTPHONE_ACCOUNT=";mediaenc=srtp-mand" SOFTPHONE_CONFIG="rtp_timeout 2" exec {clients}/softphone.sh 20'
    ),
    "baresip that hears digits begin": shell("""exec {clients}/softphone.sh 4 "event: '1' (end=0)" "event: '#' (end=0)" """),
    "baresip that hears digits end": shell("""exec {clients}/softphone.sh 4 "event: '1' (end=1)" "event: '#' (end=1)" """),
    "linphonec": shell("exec {clients}/linphone.sh 6"),
    "phone that counts its echo": shell("exec {phone} call $VSIM_VAR_NUMBER --talk 4s"),
    "phone that can bear loss": shell("exec {phone} call $VSIM_VAR_NUMBER --talk 6s --most-lost 0.15"),
    "phone that can't": shell("exec {phone} call $VSIM_VAR_NUMBER --talk 6s --most-lost 0.005"),
    "phone that reads digits": shell("exec {phone} call $VSIM_VAR_NUMBER --talk 3s --hears any --hears-digits 1234#"),
    "phone that expects others": shell("exec {phone} call $VSIM_VAR_NUMBER --talk 3s --hears any --hears-digits 12#"),
    "phone that hears nothing": shell("exec {phone} call $VSIM_VAR_NUMBER --talk 2s --srtp --hears nothing"),
    "phone that should have heard": shell("exec {phone} call $VSIM_VAR_NUMBER --talk 2s --srtp --hears audio"),
    "phone without SRTP": shell("exec {phone} call $VSIM_VAR_NUMBER --talk 2s"),
    "caller without RTCP": sipp(call(), play("AUDIO"), pause(9000), hang_up()),
}

CASES: list[Case] = [
    ("one-way-audio.yaml", "baresip with an RTP timeout", 0),
    ("one-way-audio.yaml", "baresip that stays", 1),
    ("jitter-and-loss.yaml", "baresip", 0),
    ("jitter-and-loss.yaml", "linphonec", 0),
    ("jitter-and-loss.yaml", "phone that can bear loss", 0),
    ("jitter-and-loss.yaml", "phone that can't", 5),
    ("jitter-and-loss.yaml", "caller without RTCP", 3),
    ("reordered-and-duplicated.yaml", "baresip", 0),
    ("reordered-and-duplicated.yaml", "phone that counts its echo", 0),
    ("dtmf-without-marker.yaml", "baresip that hears digits end", 0),
    ("dtmf-without-marker.yaml", "phone that reads digits", 0),
    ("dtmf-without-marker.yaml", "phone that expects others", 5),
    ("dtmf-lost-end.yaml", "baresip that hears digits begin", 0),
    ("dtmf-lost-end.yaml", "phone that reads digits", 0),
    ("dtmf-lost-end.yaml", "baresip that hears digits end", 5),
    ("srtp-wrong-key.yaml", "baresip with SRTP and an RTP timeout", 0),
    ("srtp-wrong-key.yaml", "phone that hears nothing", 0),
    ("srtp-wrong-key.yaml", "phone that should have heard", 5),
    ("srtp-wrong-key.yaml", "phone without SRTP", 1),
    ("ssrc-change.yaml", "phone that counts its echo", 0),
    ("ssrc-change.yaml", "baresip", 0),
]

FLAGS = {
    "one-way-audio.yaml": "--set patience=4s",
    "jitter-and-loss.yaml": "--patience 10s",
    "reordered-and-duplicated.yaml": "--patience 10s",
    "dtmf-without-marker.yaml": "--patience 10s",
    "dtmf-lost-end.yaml": "--patience 10s",
    "srtp-wrong-key.yaml": "--patience 10s",
    "ssrc-change.yaml": "--patience 10s",
}


@pytest.fixture(scope="module")
def stage(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    made = Stage(tmp_path_factory.mktemp("media"), chosen(request), CLIENTS, FLAGS)
    yield made
    made.close()


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0].removesuffix('.yaml')}: {case[1]}")
def test_a_file_beside_a_client(stage: Stage, case: Case) -> None:
    done = stage.result(case)
    assert done.returncode == case[2], done.stdout + done.stderr
