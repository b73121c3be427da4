"""Session descriptions as real clients write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.media.sdp import SdpError, SessionDescription

CANONICAL = (
    "v=0\r\no=alice 2890844526 2890844527 IN IP4 host.example\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nb=AS:84\r\nt=0 0\r\na=X-nat:0\r\n"
    "m=audio 4000/2 RTP/AVP 0 96\r\ni=title\r\nc=IN IP6 2001:db8::1\r\nb=TIAS:64000\r\na=rtpmap:96 telephone-event/8000\r\n"
    "a=fmtp:96 0-15\r\na=sendonly\r\nm=video 0 RTP/AVP 97\r\n"
)


def test_canonical_text_prints_back_octet_for_octet() -> None:
    assert str(SessionDescription.parse(CANONICAL)) == CANONICAL


def test_what_is_read() -> None:
    description = SessionDescription.parse(CANONICAL)
    audio, video = description.media
    assert description.version == 2890844527 and description.attribute("X-nat") == "0"
    assert (audio.kind, audio.port, audio.ports, audio.profile, audio.formats) == ("audio", 4000, 2, "RTP/AVP", ["0", "96"])
    assert audio.encodings() == [(0, "PCMU", 8000), (96, "TELEPHONE-EVENT", 8000)]
    assert audio.format_parameters(96) == "0-15" and audio.format_parameters(0) == ""
    assert description.direction_of(audio) == "sendonly" and description.direction_of(video) == "sendrecv"
    assert str(description.connection_of(audio)) == "IN IP6 2001:db8::1" and str(description.connection_of(video)) == "IN IP4 192.0.2.1"


def test_linphone_maps_only_its_dynamic_types() -> None:
    """interop-quirks 4."""
    description = SessionDescription.parse(
        "v=0\no=- 1 1 IN IP4 h\ns=Talk\nc=IN IP4 1.2.3.4\nt=0 0\nm=audio 7078 RTP/AVP 8 96\na=rtpmap:96 telephone-event/8000\n"
    )
    assert description.media[0].encodings() == [(8, "PCMA", 8000), (96, "TELEPHONE-EVENT", 8000)]


def test_capitals_and_comfort_noise_of_freeswitch() -> None:
    """interop-quirks 4."""
    description = SessionDescription.parse("v=0\r\nm=audio 1 RTP/AVP 99 13\r\na=rtpmap:99 SPEEX/16000\r\na=rtpmap:13 CN/8000\r\n")
    assert description.media[0].encodings() == [(99, "SPEEX", 16000), (13, "CN", 8000)]


@pytest.mark.parametrize(
    "text",
    [
        "", "v=1\r\nm=audio 1 RTP/AVP 0\r\n", "o=x\r\n", "v=0\r\n", "v=0\r\nm=audio\r\n", "v=0\r\nm=audio x RTP/AVP 0\r\n",
        "v=0\r\nm=audio 70000 RTP/AVP 0\r\n", "v=0\r\nm=audio 1 RTP/AVP 0\r\nc=IN IP5 x\r\n", "v=0\r\nnonsense\r\n",
        "v=0\r\n" + "m=audio 1 RTP/AVP 0\r\n" * 100, "v=0\r\nm=audio 1 RTP/AVP" + " 0" * 100 + "\r\n", "v=0\r\n" + "a=x\r\n" * 2000,
        "v=0\r\n" + "a=" + "x" * 70000,
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(text: str) -> None:
    """robustness 2: counts are bounded."""
    with pytest.raises(SdpError):
        SessionDescription.parse(text)


@given(st.text(max_size=300))
def test_no_text_raises_anything_but_sdp_error_and_printing_is_stable(text: str) -> None:
    for candidate in (text, "v=0\r\n" + text, CANONICAL + text, "v=0\r\nm=audio 1 RTP/AVP 0\r\na=rtpmap:" + text):
        try:
            description = SessionDescription.parse(candidate)
        except SdpError:
            continue
        for media in description.media:
            media.encodings()
        printed = str(description)
        assert str(SessionDescription.parse(printed)) == printed


def test_a_line_that_would_come_back_larger_than_a_datagram_is_refused() -> None:
    """Found by the fuzzer: octets that are no UTF-8 come back as three each."""
    with pytest.raises(SdpError, match="m= of"):
        SessionDescription.parse(b"v=0\r\nm=audio 4000 RTP/AVP 0\r\nm=" + b"\xff" * 22000 + b" 1 x 0\r\n")
