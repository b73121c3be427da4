"""Offer and answer (RFC 3264)."""

import pytest

from emulator.media.offer import Agreement, LocalMedia, NotAcceptable, agree, answer, offer
from emulator.media.sdp import SessionDescription

LOCAL = LocalMedia("127.0.13.1", 10000, 77)


def described(*lines: str, head: str = "c=IN IP4 192.0.2.1") -> SessionDescription:
    return SessionDescription.parse("\r\n".join(["v=0", "o=- 1 1 IN IP4 192.0.2.1", "s=-", head, "t=0 0", *lines]) + "\r\n")


def answered(*lines: str, head: str = "c=IN IP4 192.0.2.1") -> tuple[str, Agreement]:
    description, agreement = answer(described(*lines, head=head), LOCAL)
    return str(description), agreement


def test_the_answer_names_one_codec_and_telephone_event_with_the_offerers_numbers() -> None:
    """interop-quirks 3, 24: more than one codec makes PJSIP send an UPDATE."""
    text, agreement = answered("m=audio 4000 RTP/AVP 18 8 0 120", "a=rtpmap:120 telephone-event/8000", "a=fmtp:120 0-16")
    assert text == (
        "v=0\r\no=- 77 1 IN IP4 127.0.13.1\r\ns=vsim\r\nc=IN IP4 127.0.13.1\r\nt=0 0\r\nm=audio 10000 RTP/AVP 8 120\r\n"
        "a=rtpmap:8 PCMA/8000\r\na=rtpmap:120 telephone-event/8000\r\na=fmtp:120 0-15\r\na=ptime:20\r\na=sendrecv\r\n"
    )
    assert (agreement.codec.name, agreement.payload_type, agreement.event_type) == ("PCMA", 8, 120)
    assert (agreement.remote, agreement.remote_rtcp) == (("192.0.2.1", 4000), ("192.0.2.1", 4001))


def test_a_dynamic_number_for_a_static_codec_is_kept() -> None:
    assert answered("m=audio 4000 RTP/AVP 96", "a=rtpmap:96 PCMU/8000")[1].payload_type == 96


def test_the_telephone_event_of_the_codecs_clock_is_taken() -> None:
    """interop-quirks 3: several clock rates at once."""
    lines = ("m=audio 4000 RTP/AVP 0 97 101", "a=rtpmap:97 telephone-event/16000", "a=rtpmap:101 telephone-event/8000")
    assert answered(*lines)[1].event_type == 101
    agreement = answered(*lines[:2])[1]
    assert agreement.event_type is None and [finding.code for finding in agreement.findings] == ["media.no-telephone-event"]


@pytest.mark.parametrize(
    ("attribute", "ours", "send", "receive"),
    [
        ("a=sendrecv", "a=sendrecv", True, True),
        ("a=sendonly", "a=recvonly", False, True),
        ("a=recvonly", "a=sendonly", True, False),
        ("a=inactive", "a=inactive", False, False),
    ],
)
def test_directions(attribute: str, ours: str, send: bool, receive: bool) -> None:
    text, agreement = answered("m=audio 4000 RTP/AVP 0", attribute)
    assert ours in text and (agreement.send, agreement.receive) == (send, receive)


def test_hold_by_the_null_address() -> None:
    """RFC 3264 8.4: what RFC 2543 did."""
    _, agreement = answered("m=audio 4000 RTP/AVP 0", head="c=IN IP4 0.0.0.0")
    assert not agreement.send and agreement.receive


def test_a_session_level_direction_holds() -> None:
    assert "a=inactive" in answered("a=inactive", "m=audio 4000 RTP/AVP 0")[0]


def test_other_lines_are_refused_in_their_place() -> None:
    """interop-quirks 10: video before and after, a second audio."""
    text, agreement = answered("m=video 5000 RTP/AVP 97", "m=audio 4000 RTP/AVP 0", "m=audio 4002 RTP/AVP 0", "m=image 5 udptl t38")
    assert [line for line in text.split("\r\n") if line.startswith("m=")] == [
        "m=video 0 RTP/AVP 97", "m=audio 10000 RTP/AVP 0", "m=audio 0 RTP/AVP 0", "m=image 0 udptl t38",
    ]  # fmt: skip
    assert "media.other-lines" in [finding.code for finding in agreement.findings]


def test_of_two_audio_lines_on_one_port_the_plain_one_is_taken() -> None:
    """interop-quirks 9: FreeSWITCH's optional SRTP."""
    text, _ = answered("m=audio 4000 RTP/SAVP 0", "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:x", "m=audio 4000 RTP/AVP 0")
    assert "m=audio 0 RTP/SAVP 0\r\nm=audio 10000 RTP/AVP 0" in text


def test_crypto_in_avp_is_answered_as_plain_rtp() -> None:
    """interop-quirks 9; vonage-facts, default 33."""
    text, _ = answered("m=audio 4000 RTP/AVP 0", "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:x")
    assert "crypto" not in text


def test_connection_in_the_media_section_only() -> None:
    """interop-quirks 6: PJSIP."""
    description = SessionDescription.parse(
        "v=0\r\no=- 1 1 IN IP4 h\r\ns=-\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\nc=IN IP4 192.0.2.9\r\na=rtcp:4005 IN IP4 192.0.2.9\r\n"
    )
    agreement = answer(description, LOCAL)[1]
    assert (agreement.remote, agreement.remote_rtcp) == (("192.0.2.9", 4000), ("192.0.2.9", 4005))


def test_rtcp_is_never_aimed_at_a_third_party() -> None:
    assert answered("m=audio 4000 RTP/AVP 0", "a=rtcp:53 IN IP4 198.51.100.1")[1].remote_rtcp == ("192.0.2.1", 4001)


@pytest.mark.parametrize(
    ("lines", "head", "warning"),
    [
        (("m=audio 4000 RTP/AVP 3 18",), "c=IN IP4 192.0.2.1", 305),
        (("m=audio 4000 RTP/SAVP 0",), "c=IN IP4 192.0.2.1", 302),
        (("m=audio 0 RTP/AVP 0",), "c=IN IP4 192.0.2.1", 304),
        (("m=video 4000 RTP/AVP 97",), "c=IN IP4 192.0.2.1", 304),
        (("m=audio 4000 RTP/AVP 0",), "c=IN IP4 phone.example", 399),
        (("m=audio 4000 RTP/AVP 0",), "a=none", 399),
    ],
)
def test_what_fits_nothing_says_why(lines: tuple[str, ...], head: str, warning: int) -> None:
    with pytest.raises(NotAcceptable) as caught:
        answered(*lines, head=head)
    assert caught.value.warning == warning


def test_our_offer_and_its_answers() -> None:
    ours = offer(LOCAL)
    assert "m=audio 10000 RTP/AVP 8 0 101\r\n" in str(ours)
    agreement = agree(ours, described("m=audio 4000 RTP/AVP 0 101", "a=rtpmap:101 telephone-event/8000"))
    assert (agreement.codec.name, agreement.event_type) == ("PCMU", 101)
    for lines in (
        ("m=audio 0 RTP/AVP 0",),
        ("m=audio 1 RTP/AVP 0", "m=audio 2 RTP/AVP 0"),
        ("m=video 1 RTP/AVP 0",),
        ("m=audio 4000 RTP/AVP 3",),
    ):
        with pytest.raises(NotAcceptable):
            agree(ours, described(*lines))


def test_the_version_counts_up_only_when_something_changed() -> None:
    """RFC 3264 8."""
    first, _ = answer(described("m=audio 4000 RTP/AVP 0"), LOCAL)
    same, _ = answer(described("m=audio 4000 RTP/AVP 0"), LOCAL, first)
    held, _ = answer(described("m=audio 4000 RTP/AVP 0", "a=sendonly"), LOCAL, same)
    assert (first.version, same.version, held.version) == (1, 1, 2)
