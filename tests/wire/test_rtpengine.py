"""Kamailio with rtpengine as an SBC: plain RTP on its client's side, on the other what the trunk speaks, transcoded where it must be.

The client is baresip. rtpengine runs in user space; which transport, profile and codec it is to use with the trunk stands in the
Request-URI (`kamailio_rtpengine.cfg`).
"""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.support.baresip import Baresip
from tests.support.sbc import PORT, kamailio_and_rtpengine
from tests.support.serve import Serve, need
from tests.wire.test_linphone import PATIENT, codes, messages, together, voice
from tests.wire.test_phones import likeness, recorded

pytestmark = pytest.mark.sound

DIGITS = "19#"
SBC = {"via.no-rport", "cseq.not-increased", "message.large-over-udp", "rtcp.reduced-size", "media.after-bye"}
"""Of every call: the first three are Kamailio's; baresip opens its NAT; rtpengine may have a packet in hand when its BYE goes."""
LIKE = {"PCMU": 0.7, "G722": 0.6, "G729": 0.4, "speex": 0.4}
"""How much of white noise is left of it; G.729 and speex leave 0.6, other noise is below 0.15."""


@pytest.fixture
def sbc(serve: Serve, tmp_path: Path) -> Iterator[str]:
    """Kamailio and rtpengine beside an emulator; `address:port` for clients."""
    need("baresip", "baresip-core")
    with kamailio_and_rtpengine(serve, tmp_path, "kamailio_rtpengine.cfg") as address:
        yield f"{address}:{PORT}"


def calls_through(serve: Serve, sbc: str, directory: Path, ways: list[tuple[str, str, str]]) -> None:
    """A call each, all at once: transport, profile and codec on the trunk's side. Voice and digits come back to the client."""

    def call(number: int, transport: str, profile: str, codec: str) -> tuple[np.ndarray, Path]:
        own = directory / f"{transport}-{profile}-{codec}"
        own.mkdir()
        sent = voice(own / "in.wav", number, PATIENT)
        transcoded = "" if codec == "PCMU" else f".{codec}"
        with Baresip(own, sbc) as phone:
            phone.dial(f"sip:4420712345{number:02}@{sbc};way={transport}.{profile}{transcoded}")
            phone.plays(2.5)
            for digit in DIGITS:
                phone.press(digit)
            phone.hang_up()
            phone.sees("CALL_CLOSED")
            assert phone.digits == DIGITS, phone.told()
        return sent, phone.recording

    done = together(call, [(number, *way) for number, way in enumerate(ways)])
    for (transport, profile, codec), (sent, heard) in zip(ways, done, strict=True):
        assert likeness(sent, recorded(heard)) > LIKE[codec], (transport, profile, codec, likeness(sent, recorded(heard)))
    assert likeness(done[0][0], recorded(done[1][1])) < 0.3
    found = {int(one["called"][-2:]): one for one in serve.calls()}
    for number, (transport, profile, codec) in enumerate(ways):
        one = found[number]
        assert (one["state"], one["ended_by"], one["transport"], one["codec"]) == ("ended", "caller", transport.upper(), codec)
        assert (one["media"]["srtp"], one["media"]["digits"], one["media"]["srtp_refused"]) == (profile == "SAVP", DIGITS, 0)
        # What a busy machine does to packets is no fault of theirs; where rtpengine makes the events itself, each of the three end
        # packets of a digit has a timestamp of its own.
        odd = {code for code in codes(one) - SBC if not code.startswith(("dtmf.", "rtp."))}
        assert odd == ({"srtp.in-clear"} if profile == "SAVP" and transport != "tls" else set()), one["findings"]


def test_plain_and_secure_over_each_transport(serve: Serve, sbc: str, tmp_path: Path) -> None:
    """The client speaks plain RTP; rtpengine offers the trunk a dozen suites, of which one is taken under its tag."""
    ways = [(transport, profile, "PCMU") for transport in ("udp", "tcp", "tls") for profile in ("AVP", "SAVP")]
    calls_through(serve, sbc, tmp_path, ways)
    for one in serve.calls():
        if one["media"]["srtp"]:
            offered = re.findall(r"a=crypto:(\d+) (\S+)", next(text for text in messages(serve, one, True) if text.startswith("INVITE")))
            answered = re.findall(r"a=crypto:(\d+) (\S+)", next(text for text in messages(serve, one, False) if " 200 OK" in text))
            assert len(offered) > 3 and len(answered) == 1 and answered[0] in offered
            assert answered[0][1] == "AES_CM_128_HMAC_SHA1_80"


def test_what_rtpengine_transcodes(serve: Serve, sbc: str, tmp_path: Path) -> None:
    """G.722, G.729 and wideband speex; Debian's rtpengine decodes iLBC and can't encode it."""
    ways = [(transport, profile, codec) for codec in ("G722", "G729", "speex") for transport, profile in (("udp", "AVP"), ("tls", "SAVP"))]
    calls_through(serve, sbc, tmp_path, ways)
