"""Scenarios of calls and their signalling, each with a client that should pass and one that should not.

SIPp is the client that does what no good one does, and no more: each of its messages is written here.
"""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support import stories
from tests.support.devices import caller, lines, phone, server, together
from tests.support.sipp_scenario import call, dial, pause, play, receive, refused, request, respond, sdp
from tests.support.stories import Plays, Story

BARE = "-default_behaviors none"  # what is not expected is not answered
UP = call(), play("AUDIO")
OK_TO_BYE = receive("BYE"), respond("200 OK", own_tag=False)
TAKES_IT = (
    receive("INVITE"), respond("180 Ringing"), respond("200 OK", sdp(("PCMU",)), repeated=True), receive("ACK"), *OK_TO_BYE,
)  # fmt: skip
NO_ROOM = receive("INVITE"), respond("503 Service Unavailable", repeated=True), receive("ACK")
SILENCE = receive("INVITE"), pause(60000)
LATE = receive("INVITE"), pause(2600), respond("200 OK", sdp(("PCMU",)), repeated=True), receive("ACK")


def agrees(*audio: str, version: int, direction: str = "sendrecv") -> str:
    """A re-INVITE comes, and is answered."""
    return receive("INVITE") + respond("200 OK", sdp(audio, version, direction), own_tag=False, repeated=True) + receive("ACK")


BARESIP = lines("baresip", "exec CLIENTS/softphone.sh 6")
LINPHONE = lines("linphonec", "exec CLIENTS/linphone.sh 4")
IMPATIENT = caller("impatient", dial(), receive(180), pause(600), request("CANCEL", 2, inside=False), receive(200), refused(487))
DEAF_TO_BYE = caller("deaf to BYE", *UP, pause(60000), flags=BARE)
REFUSES_OFFERS = caller(
    "refuses offers", *UP, receive("INVITE"), respond("488 Not Acceptable Here", own_tag=False, repeated=True), receive("ACK"),
    pause(60000), flags=BARE,
)  # fmt: skip
CERTIFICATE = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=device -keyout key.pem -out cert.pem"
TLS_13_ALONE = "openssl s_server -accept 127.0.0.1:$VSIM_PORT_{} -tls1_3 -cert cert.pem -key key.pem -quiet &"
ANSWERS_TLS = "$VSIM_PROGRAM phone answer --listen 127.0.0.1:$VSIM_PORT_GOOD --transport tls --certificate cert.pem --key key.pem"

ANSWERS = "$VSIM_PROGRAM phone answer --listen 127.0.0.1:$VSIM_PORT_DEVICE"
RUNG = "until $VSIM_PROGRAM calls --state answered | grep -q 14155550100; do :; done"
PASSES_ON = f"({RUNG}; exec $VSIM_PROGRAM phone call $VSIM_VAR_NUMBER {{}}) &"
NO_NOBODY = together(
    "no calls of nobody", server("device", receive("INVITE"), respond("433 Anonymity Disallowed", repeated=True), receive("ACK"))
)

AT_ONCE = 6
"""Stories under way at once: SIPp is a small client."""

TABLE = [
    # It takes a minute, for 90 s is the shortest session interval that there is.
    Story("refresh-lost.yaml", phone("session timer", "--session-expires 90 --talk 0 --hears any"), report=[r"device after [56]\d s"]),
    Story("refresh-lost.yaml", BARESIP, 1, report=[r"^ +came +1 call came: with Supported:"]),
    Story("slow-answer.yaml", BARESIP, flags=["--set", "slow=3s"]),
    Story("slow-answer.yaml", IMPATIENT, 1, report=[r"^ +expected +never CANCEL$", r"^ +came +CANCEL at us-3-1 over UDP, 200$"]),
    Story("no-answer.yaml", BARESIP),
    Story(
        "no-answer.yaml", caller("waits for ever", dial(), receive(180), receive(200)), 1, flags=["--set", "patience=2s"],
        report=[r"^ +expected +CANCEL in ringing", r"^ +came +no CANCEL came$"],
    ),
    Story("never-even-100.yaml", ["sbc.sh", "us-3-1", "us-4-1"]),
    Story(
        "never-even-100.yaml", ["direct.sh", "us-3-1", "us-3-2"], 1, flags=["--set", "patience=8s"],
        report=[
            r"^ +expected +call to 447700900300 at us-4", r"^    fault drop .*: struck \d+ of",
            r"INVITE to us-3-1 \(down\) over UDP: no answer$", r"^ +new calls did not move$",
        ],
    ),
    Story("early-media.yaml", BARESIP, flags=["--set", "early=2s"]),
    Story(
        "early-media.yaml", caller("knows 180 alone", dial(), receive(180, optional=True), receive(200), then="sleep 20"), 1,
        report=[r"^ +came +cancelled with 487 by the device$", r"◀─+ 183 Session Progress"],
    ),
    Story("busy.yaml", BARESIP, flags=["--set", "calm=3s"]),
    Story(
        "busy.yaml", caller("asks another proxy", dial(), refused(486), at=("US_3_1", "US_4_1")), 1,
        report=[r"^ +expected +never call to 447700900300 since busy", r"^ +came +call #2 to 447700900300 at us-4-1"],
    ),
    Story("hang-up-at-once.yaml", LINPHONE),
    Story("hang-up-at-once.yaml", DEAF_TO_BYE, 1, report=[r"^ +expected +200 to BYE in short", r"^ +came +no answer came$"]),
    Story("lost-ack.yaml", BARESIP),
    Story(
        "lost-ack.yaml", caller("never acknowledges", dial(), receive(180), receive(200), pause(60000), flags=BARE), 1,
        report=[r"^ +expected +call to 447700900300, acknowledged", r"^ +came +1 call came: at us-3-1 not acknowledged"],
    ),
    Story("lost-200.yaml", LINPHONE),
    Story("lost-200.yaml", IMPATIENT, 1, report=[r"^ +expected +never CANCEL$"]),
    Story("lost-bye.yaml", BARESIP),
    Story("lost-bye.yaml", DEAF_TO_BYE, 1, report=[r"^ +expected +200 to BYE in call", r"^ +came +no answer came$"]),
    Story("session-refresh.yaml", BARESIP),
    Story("session-refresh.yaml", REFUSES_OFFERS, 1, report=[r"^ +came +session-timer\.refresh-refused: 488"]),
    Story("hold-and-resume.yaml", LINPHONE, flags=["--set", "held=1s"]),
    Story("hold-and-resume.yaml", REFUSES_OFFERS, 1, report=[r"^ +came +hold\.refused: 488 Not Acceptable Here$"]),
    Story(
        "hold-and-resume.yaml", caller("speaks while held", *UP, agrees("PCMU", version=2, direction="recvonly"), pause(60000)), 1,
        report=[r"^ +came +media\.direction: \d+ packets? while none were to be sent"],
    ),
    Story("codec-change.yaml", BARESIP, flags=["--set", "after=1s"]),
    Story("codec-change.yaml", REFUSES_OFFERS, 1, flags=["--set", "after=0s"], report=[r"codec\.refused: 488 Not Acceptable Here$"]),
    Story(
        "codec-change.yaml", caller("speaks on", *UP, agrees("PCMA", "events", version=2), pause(60000)), 3, flags=["--set", "after=1s"],
        report=[r"^ +came +not echoed and only 0 packets heard from there on \(PCMA,"],
    ),
    Story("codec-transport-matrix.yaml", BARESIP, flags=["--set", "codec=G722", "--parallel", "3"], report=[r"^6 passed in"]),
    Story(
        "codec-transport-matrix.yaml", phone("has PCMU alone", "--codec PCMU"), 1,
        flags=[part for said in ("codec=PCMA", "transport=TLS", "media=RTP", "patience=10s") for part in ("--set", said)],
        report=[r"^ +came +1 call came: over UDP"],
    ),
    Story(
        "forward-list-failover.yaml", together("no room, room", server("first", *NO_ROOM), server("second", *TAKES_IT)),
        report=[r"503 after .* 200 after .*the caller got 200"],
    ),
    Story(
        "forward-list-failover.yaml", together("room, no room", server("first", *TAKES_IT), server("second", *NO_ROOM)), 1,
        report=[r"expected  attempts of inbound: 503 then 200, 0s..1s apart, the caller gets 200"],
    ),
    Story(
        "forward-list-timeout.yaml", together("silence, room", server("first", *SILENCE), server("second", *TAKES_IT)),
        report=[r"timeout after 2 s; .* 2 s later: 200 after"],
    ),
    Story(
        "forward-list-timeout.yaml", together("silence, no room", server("first", *SILENCE), server("second", *NO_ROOM)), 1,
        report=[r"timeout after 2 s; .* 503 after .*; the caller got 503$"],
    ),
    Story("late-answer.yaml", together("late", server("first", *LATE, *OK_TO_BYE), server("second", *TAKES_IT))),
    Story(
        "late-answer.yaml",
        together("late and deaf to BYE", server("first", *LATE, pause(60000), flags=f"-t u1 {BARE}"), server("second", *TAKES_IT)), 1,
        report=[r"^ +expected +200 to BYE in inbound", r"^ +came +no answer came$"],
    ),
    Story(
        "caller-gives-up.yaml", lines("phone that rings", "exec $VSIM_PROGRAM phone answer --listen 127.0.0.1:$VSIM_PORT_DEVICE --ring 20s")
    ),
    Story(
        "caller-gives-up.yaml",
        together(
            "rings on",
            server("device", receive("INVITE"), respond("180 Ringing"), receive("CANCEL"), respond("200 OK", own_tag=False), pause(60000)),
        ), 1,
        report=[r"^ +expected +487 to INVITE in inbound", r"^ +came +1 answer came: 180 to INVITE"],
    ),
    Story(
        "inbound-digits.yaml", lines("phone that reads back", "exec $VSIM_PROGRAM phone answer --listen 127.0.0.1:$VSIM_PORT_DEVICE")
    ),
    Story(
        "inbound-digits.yaml", together("no telephone-event", server("device", *TAKES_IT, flags="-t u1 -rtp_echo")), 3,
        report=[r"^ +came +digits none \(PCMU, \d+ packets heard"],
    ),
    Story("silent-caller.yaml", lines("hangs up", f"exec {ANSWERS} --hang-up-after 2s --hears any")),
    Story(
        "silent-caller.yaml", lines("waits for ever", f"exec {ANSWERS}"), 1, flags=["--set", "patience=3s"],
        report=[r"^ +expected +inbound ended by the device", r"^ +came +the call is answered$"],
    ),
    Story("two-callers.yaml", lines("two at once", f"exec {ANSWERS}")),
    Story(
        "two-callers.yaml", together("reads to nobody", server("device", *TAKES_IT)), 3,
        report=[r"^ +expected +media of one: digits 12", r"^ +came +digits none"],
    ),
    Story("hidden-caller.yaml", lines("takes all", f"exec {ANSWERS}")),
    Story("hidden-caller.yaml", NO_NOBODY, 1, report=[r"^ +came +.*: 433 after .*the caller got \d+$"]),
    Story("hidden-caller.yaml", NO_NOBODY, flags=["--set", "code=433"]),
    Story("passed-on.yaml", lines("passes on", f"{ANSWERS} &", PASSES_ON.format("--talk 6s"), "wait"), flags=["--set", "patience=20s"]),
    Story(
        "passed-on.yaml", lines("forgets", f"{ANSWERS} &", PASSES_ON.format("--talk 0"), "wait"), 1, flags=["--set", "patience=2s"],
        report=[r"^ +expected +outbound ended by the device", r"^ +came +the call is answered$"],
    ),
    Story(
        "tls-target-broken.yaml", lines("TLS 1.3 alone, then a phone", CERTIFICATE, TLS_13_ALONE.format("BROKEN"), ANSWERS_TLS),
        report=[r"unreachable after .*unreachable after .*: 200 after"],
    ),
    Story(
        "tls-target-broken.yaml",
        lines("TLS 1.3 alone", CERTIFICATE, TLS_13_ALONE.format("BROKEN"), TLS_13_ALONE.format("GOOD"), "wait"), 1,
        report=[r"the caller got 503$", r"inbound\.tls-version: 127\.0\.0\.1:\d+: TLS handshake failed: "],
    ),
]  # fmt: skip


@pytest.mark.parametrize("story", TABLE, ids=lambda story: story.name)
def test_a_client_and_its_verdict(plays: Plays, story: Story, record_property: Callable[[str, object], None]) -> None:
    plays.check(story, record_property)


@pytest.mark.real_time
def test_two_runs_of_one_seed_have_the_same_trace(tmp_path: Path) -> None:
    devices = together("no room, room", server("first", *NO_ROOM), server("second", *TAKES_IT))
    twice = ["--repeat", "2", "--parallel", "2", "--json", "report.json"]
    for file, device in (("forward-list-failover.yaml", devices), ("lost-bye.yaml", caller("hung up on", *UP, *OK_TO_BYE, pause(9000)))):
        (tmp_path / file).mkdir()
        played = stories.play(Story(file, device, flags=twice), tmp_path / file)
        assert played.code == 0 and "another way" not in played.output, played.output
        first, second = (run["report"]["trace"] for run in json.loads((tmp_path / file / "report.json").read_text())["runs"])
        assert first == second and any(line.startswith("call 1 call.ended") for line in first), first
