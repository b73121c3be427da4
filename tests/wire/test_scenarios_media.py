"""Scenarios of what is heard, each with a client that should pass and one that should not.

Some things only the client's own ears can judge: it has its say with its exit code (`--patience`), and the run fails with 5.
"""

from collections.abc import Callable

import pytest

from tests.support.devices import caller, lines, phone
from tests.support.sipp_scenario import call, pause, play
from tests.support.stories import Plays, Story

HAS_ITS_SAY = ["--patience", "60s"]
SRTP = "SOFTPHONE_ACCOUNT=';mediaenc=srtp-mand'"
RTP_TIMEOUT = "SOFTPHONE_CONFIG='rtp_timeout 2'"
DIGITS = r"""exec CLIENTS/softphone.sh 4 "event: '1' (end={0})" "event: '#' (end={0})" """

AT_ONCE = 6
"""Stories under way at once: SIPp is a small client."""

TABLE = [
    Story("one-way-audio.yaml", lines("baresip, RTP timeout", f"{RTP_TIMEOUT} exec CLIENTS/softphone.sh 30")),
    Story(
        "one-way-audio.yaml", lines("baresip", "exec CLIENTS/softphone.sh 30"), 1, flags=["--set", "patience=3s"],
        report=[r"^ +expected +call ended by the device with 200 within 3 s", r"^ +came +the call is answered$"],
    ),
    Story("jitter-and-loss.yaml", lines("linphonec", "exec CLIENTS/linphone.sh 6"), flags=HAS_ITS_SAY),
    Story("jitter-and-loss.yaml", phone("bears loss", "--talk 6s --most-lost 0.2"), flags=HAS_ITS_SAY),
    Story(
        "jitter-and-loss.yaml", phone("bears none", "--talk 6s --most-lost 0.002"), 5, flags=HAS_ITS_SAY,
        report=[r"ended with exit code 3", r"\| ✗ echo +\d+ of \d+ packets back, \d+\.\d % lost$"],
    ),
    Story(
        "jitter-and-loss.yaml", caller("no RTCP", call(), play("AUDIO"), pause(60000)), 3, flags=["--set", "patience=7s"],
        report=[r"^ +came +no RTCP of the device's yet"],
    ),
    Story("reordered-and-duplicated.yaml", lines("baresip", "exec CLIENTS/softphone.sh 7"), flags=HAS_ITS_SAY),
    Story("reordered-and-duplicated.yaml", phone("counts its echo", "--talk 4s"), flags=HAS_ITS_SAY),
    Story("dtmf-without-marker.yaml", lines("baresip hears digits end", DIGITS.format(1)), flags=HAS_ITS_SAY),
    Story("dtmf-without-marker.yaml", phone("reads digits", "--talk 3s --hears any --hears-digits 1234#"), flags=HAS_ITS_SAY),
    Story(
        "dtmf-without-marker.yaml", phone("expects others", "--talk 3s --hears any --hears-digits 12#"), 5, flags=HAS_ITS_SAY,
        report=[r"\| ✗ digits +12# expected, 1234# came$"],
    ),
    Story("dtmf-lost-end.yaml", phone("reads digits", "--talk 3s --hears any --hears-digits 1234#"), flags=HAS_ITS_SAY),
    Story(
        "dtmf-lost-end.yaml", lines("baresip hears digits end", DIGITS.format(1)), 5, flags=HAS_ITS_SAY, report=[r"ended with exit code 1"]
    ),
    Story(
        "srtp-wrong-key.yaml", lines("baresip, RTP timeout", f"{SRTP} {RTP_TIMEOUT} exec CLIENTS/softphone.sh 30"),
    ),
    Story("srtp-wrong-key.yaml", phone("hears nothing", "--talk 2s --srtp --hears nothing"), flags=HAS_ITS_SAY),
    Story(
        "srtp-wrong-key.yaml", phone("should have heard", "--talk 2s --srtp --hears audio"), 5, flags=HAS_ITS_SAY,
        report=[r"\| ✗ audio +nothing was heard"],
    ),
    Story("srtp-wrong-key.yaml", phone("no SRTP", "--talk 9s"), 1, report=[r"^ +came +1 call came: at us-3-1 with plain RTP"]),
    Story("ssrc-change.yaml", lines("baresip", "exec CLIENTS/softphone.sh 5"), flags=HAS_ITS_SAY),
    Story("ssrc-change.yaml", phone("counts its echo", "--talk 3s"), flags=HAS_ITS_SAY),
]  # fmt: skip


@pytest.mark.parametrize("story", TABLE, ids=lambda story: story.name)
def test_a_client_and_its_verdict(plays: Plays, story: Story, record_property: Callable[[str, object], None]) -> None:
    plays.check(story, record_property)
