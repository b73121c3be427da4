"""Files of `scenarios/` about calls, each beside clients that should pass and clients that should not.

SIPp is the client that does what no good one does, and no more: each of its messages is written here.
"""

from collections.abc import Iterator

import pytest

from tests.support.scenarios import Case, Stage, chosen, server, shell, sipp, together
from tests.support.sipp_parts import call, dial, hang_up, pause, play, receive, refused, request, respond, rung, sdp

TAKES_IT = (
    receive("INVITE"), respond("180 Ringing"), respond("200 OK", sdp(("PCMU",)), repeated=True), receive("ACK"),
    receive("BYE"), respond("200 OK", own_tag=False),
)  # fmt: skip
HAS_NO_ROOM = receive("INVITE"), respond("503 Service Unavailable", repeated=True), receive("ACK")
IS_SILENT = receive("INVITE"), pause(60000)
IS_LATE = (
    receive("INVITE"), pause(2600), respond("200 OK", sdp(("PCMU",)), repeated=True), receive("ACK"), receive("BYE"),
)  # fmt: skip
RINGS = receive("INVITE"), respond("180 Ringing")
CERTIFICATE = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=device -keyout key.pem -out cert.pem\n"
BROKEN = "openssl s_server -accept 127.0.0.1:$VSIM_PORT_BROKEN -tls1_3 -cert cert.pem -key key.pem -quiet &\n"
GOOD = "{phone} answer --listen 127.0.0.1:$VSIM_PORT_GOOD --transport tls --certificate cert.pem --key key.pem &"
CODECS = ("PCMU", "PCMA", "events")

CLIENTS = {
    # callers
    "baresip": shell("exec {clients}/softphone.sh 7"),
    "linphonec": shell("exec {clients}/linphone.sh 5"),
    "phone that finds the region by SRV": shell("exec {phone} call $VSIM_VAR_NUMBER --at us --patience 1s --talk 2s"),
    "phone with a session timer": shell("exec {phone} call $VSIM_VAR_NUMBER --session-expires 90 --talk 0 --hears any"),
    "phone that hangs up when it likes": shell("exec {phone} call $VSIM_VAR_NUMBER --session-expires 90 --talk 1s"),
    "caller without patience": sipp(
        dial(), receive(180), pause(1000), request("CANCEL", 2, inside=False), receive(200), refused(487)
    ),
    "caller who waits for ever": sipp(dial(), rung(), receive(200)),
    "caller with one proxy": sipp(call(), pause(1000), hang_up()),
    "caller who knows 180 alone": sipp(
        dial(), receive(180, optional=True), receive(200, rrs=True), request("ACK", 2), pause(2000), hang_up()
    ),
    "caller who hears that it is busy": sipp(dial(), refused(486), then="sleep 20"),
    "caller who asks another proxy": sipp(dial(), refused(486), also="$VSIM_SIP_US_4_1"),
    "caller deaf to BYE": sipp(call(), play("AUDIO"), pause(30000), flags="-default_behaviors none"),
    "caller who acknowledges once": sipp(call(), play("AUDIO"), pause(30000), flags="-nr"),
    "caller who gives up at once": sipp(
        dial(), receive(180), pause(300), request("CANCEL", 2, inside=False), receive(200), pause(20000)
    ),
    "caller without re-INVITE": sipp(call(), play("AUDIO"), receive("BYE"), then="sleep 20"),
    "caller who refuses re-INVITEs": sipp(
        call(), play("AUDIO"), receive("INVITE"), respond("488 Not Acceptable Here", own_tag=False, repeated=True), receive("ACK"),
        pause(30000),
    ),
    "caller who speaks while held": sipp(
        call(), play("AUDIO"), receive("INVITE"), respond("200 OK", sdp(CODECS, 2, "recvonly"), own_tag=False, repeated=True),
        receive("ACK"), receive("INVITE"), respond("200 OK", sdp(CODECS, 3), own_tag=False, repeated=True), receive("ACK"), pause(2000),
        hang_up(),
    ),
    "caller who changes the codec": sipp(
        call(), play("AUDIO"), receive("INVITE"), respond("200 OK", sdp(("PCMA", "events"), 2), own_tag=False, repeated=True),
        receive("ACK"), play("AUDIO", 8), pause(2000), hang_up(),
    ),
    "caller who says so and speaks on": sipp(
        call(), play("AUDIO"), receive("INVITE"), respond("200 OK", sdp(("PCMA", "events"), 2), own_tag=False, repeated=True),
        receive("ACK"), pause(30000),
    ),
    "phone that has PCMU alone": shell("exec {phone} call $VSIM_VAR_NUMBER --codec PCMU"),
    # devices that are called
    "silent server, then one that takes it": together(server("first", *IS_SILENT), server("second", *TAKES_IT, flags="-t u1 -rtp_echo")),
    "silent server, then one without room": together(server("first", *IS_SILENT), server("second", *HAS_NO_ROOM)),
    "server without room, then one that takes it": together(server("first", *HAS_NO_ROOM), server("second", *TAKES_IT)),
    "server that takes it, then one without room": together(server("first", *TAKES_IT), server("second", *HAS_NO_ROOM)),
    "late server, then one that takes it": together(
        server("first", *IS_LATE, respond("200 OK", own_tag=False)), server("second", *TAKES_IT)
    ),
    "late server deaf to BYE, then one that takes it": together(server("first", *IS_LATE, pause(30000)), server("second", *TAKES_IT)),
    "phone that rings": shell("exec {phone} answer --listen 127.0.0.1:$VSIM_PORT_DEVICE --ring 20s"),
    "server that rings": server(
        "device", *RINGS, receive("CANCEL"), respond("200 OK", own_tag=False), pause(20000), then="wait"
    ),
    "server that answers at once": server("device", *TAKES_IT, then="wait"),
    "phone that reads digits back": shell("exec {phone} answer --listen 127.0.0.1:$VSIM_PORT_DEVICE"),
    "loopback of RTP": server(
        "device", receive("INVITE"), respond("200 OK", sdp(("PCMA", "events")), repeated=True), receive("ACK"), receive("BYE"),
        respond("200 OK", own_tag=False), flags="-t u1 -rtp_echo", then="wait",
    ),
    "IVR without telephone-event": server("device", *TAKES_IT, flags="-t u1 -rtp_echo", then="wait"),
    "broken TLS, then a phone": together(
        shell(CERTIFICATE + BROKEN + GOOD),
    ),
    "broken TLS everywhere": together(shell(CERTIFICATE + BROKEN + BROKEN.replace("BROKEN", "GOOD"))),
}  # fmt: skip

CASES: list[Case] = [
    ("refresh-lost.yaml", "phone with a session timer", 0),
    ("refresh-lost.yaml", "phone that hangs up when it likes", 1),
    ("refresh-lost.yaml", "baresip", 1),
    ("slow-answer.yaml", "baresip", 0),
    ("slow-answer.yaml", "caller without patience", 1),
    ("no-answer.yaml", "baresip", 0),
    ("no-answer.yaml", "caller who waits for ever", 1),
    ("never-even-100.yaml", "phone that finds the region by SRV", 0),
    ("never-even-100.yaml", "caller with one proxy", 1),
    ("early-media.yaml", "baresip", 0),
    ("early-media.yaml", "caller who knows 180 alone", 1),
    ("busy.yaml", "baresip", 0),
    ("busy.yaml", "caller who asks another proxy", 1),
    ("hang-up-at-once.yaml", "baresip", 0),
    ("hang-up-at-once.yaml", "linphonec", 0),
    ("hang-up-at-once.yaml", "caller deaf to BYE", 1),
    ("lost-ack.yaml", "baresip", 0),
    ("lost-ack.yaml", "caller who acknowledges once", 1),
    ("lost-200.yaml", "linphonec", 0),
    ("lost-200.yaml", "caller who gives up at once", 1),
    ("lost-bye.yaml", "baresip", 0),
    ("lost-bye.yaml", "caller deaf to BYE", 1),
    ("session-refresh.yaml", "baresip", 0),
    ("session-refresh.yaml", "caller without re-INVITE", 1),
    ("hold-and-resume.yaml", "linphonec", 0),
    ("hold-and-resume.yaml", "caller who refuses re-INVITEs", 1),
    ("hold-and-resume.yaml", "caller who speaks while held", 1),
    ("codec-change.yaml", "baresip", 0),
    ("codec-change.yaml", "caller who refuses re-INVITEs", 1),
    ("codec-change.yaml", "caller who says so and speaks on", 3),
    ("codec-transport-matrix.yaml", "baresip", 0),
    ("codec-transport-matrix.yaml", "phone that has PCMU alone", 1),
    ("forward-list-failover.yaml", "server without room, then one that takes it", 0),
    ("forward-list-failover.yaml", "server that takes it, then one without room", 1),
    ("forward-list-timeout.yaml", "silent server, then one that takes it", 0),
    ("forward-list-timeout.yaml", "silent server, then one without room", 1),
    ("late-answer.yaml", "late server, then one that takes it", 0),
    ("late-answer.yaml", "late server deaf to BYE, then one that takes it", 1),
    ("caller-gives-up.yaml", "phone that rings", 0),
    ("caller-gives-up.yaml", "server that rings", 1),
    ("caller-gives-up.yaml", "server that answers at once", 1),
    ("inbound-digits.yaml", "phone that reads digits back", 0),
    ("inbound-digits.yaml", "loopback of RTP", 0),
    ("inbound-digits.yaml", "IVR without telephone-event", 3),
    ("tls-target-broken.yaml", "broken TLS, then a phone", 0),
    ("tls-target-broken.yaml", "broken TLS everywhere", 1),
]

FLAGS = {
    "slow-answer.yaml": "--set slow=3s",
    "no-answer.yaml": "--set patience=9s",
    "never-even-100.yaml": "--set patience=6s",
    "busy.yaml": "--set calm=3s",
    "codec-change.yaml": "--set after=1s",
    "codec-transport-matrix.yaml": "--set codec=G722 --parallel 3",
}


@pytest.fixture(scope="module")
def stage(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    made = Stage(tmp_path_factory.mktemp("calls"), chosen(request), CLIENTS, FLAGS)
    yield made
    made.close()


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0].removesuffix('.yaml')}: {case[1]}")
def test_a_file_beside_a_client(stage: Stage, case: Case) -> None:
    done = stage.result(case)
    assert done.returncode == case[2], done.stdout + done.stderr
