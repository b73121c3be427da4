"""Offer and answer (RFC 3264)."""

from base64 import b64encode
from dataclasses import replace

import pytest

from emulator.media.codecs import CODECS, G722, PCMU, for_number
from emulator.media.description import answer, offer, reoffer, restated
from emulator.media.offer import Agreement, Keys, LocalMedia, NotAcceptable, agree, changed_without_a_version
from emulator.media.sdp import SessionDescription

LOCAL = LocalMedia("127.0.13.1", 10000, 77, key=lambda: b"k" * 30)
THEIR_KEY = "inline:" + b64encode(b"t" * 30).decode()
OUR_KEY = "inline:" + b64encode(b"k" * 30).decode()


def described(*lines: str, head: str = "c=IN IP4 192.0.2.1") -> SessionDescription:
    return SessionDescription.parse("\r\n".join(["v=0", "o=- 1 1 IN IP4 192.0.2.1", "s=-", head, "t=0 0", *lines]) + "\r\n")


def answered(*lines: str, head: str = "c=IN IP4 192.0.2.1") -> tuple[str, Agreement]:
    description, agreement = answer(described(*lines, head=head), LOCAL)
    return str(description), agreement


def codes(agreement: Agreement) -> set[str]:
    return {finding.code for finding in agreement.findings}


def test_the_answer_names_one_codec_and_telephone_event_with_the_offerers_numbers() -> None:
    """interop-quirks 3, 24: more than one codec makes PJSIP send an UPDATE."""
    text, agreement = answered("m=audio 4000 RTP/AVP 3 8 0 120", "a=rtpmap:120 telephone-event/8000", "a=fmtp:120 0-16")
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
    only_other = answered(*lines[:2])[1]
    assert (only_other.event_type, only_other.event_clock) == (97, 16000)
    assert [finding.code for finding in only_other.findings] == ["media.event-clock"]
    assert [finding.code for finding in answered("m=audio 4000 RTP/AVP 0")[1].findings] == ["media.no-telephone-event"]


@pytest.mark.parametrize(
    ("lines", "code", "seen"),
    [
        (("m=audio 4000 RTP/AVP 3 96", "a=rtpmap:96 opus/48000/2"), "media.codec", "GSM/8000, opus/48000/2"),
        (("m=audio 4000 RTP/AVP 11 96 x",), "media.codec", "11 without a=rtpmap, 96 without a=rtpmap, x without a=rtpmap"),
        (("m=audio 4000 RTP/AVP 101", "a=rtpmap:101 telephone-event/8000"), "media.codec", "telephone-event/8000"),
        (("m=audio 4000 RTP/AVP " + " ".join(map(str, range(20, 84))),), "media.codec", None),
        (("m=audio 4000 RTP/AVP 8 101",), "media.no-telephone-event", "PCMA/8000, 101 without a=rtpmap"),
        (("m=audio 0 RTP/AVP 8",), "media.no-audio", "audio with port 0"),
        (("m=video 4000 RTP/AVP 97", "m=audio 0 RTP/AVP 8"), "media.no-audio", "video, audio with port 0"),
    ],
)
def test_what_does_not_fit_is_named_as_the_offer_has_it(lines: tuple[str, ...], code: str, seen: str | None) -> None:
    """Also what the trunk can't read: who forgot an a=rtpmap sees no mistake in a list of numbers."""
    try:
        findings = answered(*lines)[1].findings
    except NotAcceptable as error:
        findings = [error.finding]
    (finding,) = findings
    assert finding.code == code and (finding.seen == seen or seen is None) and len(finding.seen) <= 200


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


def test_crypto_in_avp_is_answered_as_plain_rtp_or_by_setting_as_srtp() -> None:
    """interop-quirks 9; vonage-facts, default 33."""
    line = f"a=crypto:1 AES_CM_128_HMAC_SHA1_80 {THEIR_KEY}"
    text, agreement = answered("m=audio 4000 RTP/AVP 0", line)
    assert "crypto" not in text and agreement.keys is None and "srtp.on-avp" in codes(agreement)
    taking = replace(LOCAL, crypto_on_avp=True)
    description, agreement = answer(described("m=audio 4000 RTP/AVP 0", line), taking)
    assert f"a=crypto:1 AES_CM_128_HMAC_SHA1_80 {OUR_KEY}" in str(description) and agreement.keys == Keys(b"k" * 30, b"t" * 30)
    description, agreement = answer(described("m=audio 4000 RTP/AVP 0", line.replace("_80", "_32")), taking)
    assert "crypto" not in str(description) and agreement.keys is None


@pytest.mark.parametrize(
    ("tags", "taken"),
    [
        (["1 AES_CM_128_HMAC_SHA1_80"], 1),  # Asterisk, baresip
        (["1 AES_256_CM_HMAC_SHA1_80", "2 AES_256_CM_HMAC_SHA1_32", "3 AES_CM_128_HMAC_SHA1_80", "4 AES_CM_128_HMAC_SHA1_32"], 3),  # PJSIP
        (["7 AES_CM_128_HMAC_SHA1_80"], 7),  # FreeSWITCH
        (["1 AES_CM_128_HMAC_SHA1_80", "2 AES_CM_128_HMAC_SHA1_32", "3 AES_256_CM_HMAC_SHA1_80", "4 F8_128_HMAC_SHA1_80"], 1),  # linphone
    ],
)
def test_the_answer_to_srtp_repeats_the_offered_tag(tags: list[str], taken: int) -> None:
    """interop-quirks 8; RFC 4568 5.1.2: PJSIP drops the call for another tag."""
    lines = [f"a=crypto:{tag} {THEIR_KEY if '128' in tag else 'inline:' + b64encode(b'x' * 46).decode()}" for tag in tags]
    text, agreement = answered("m=audio 4000 RTP/SAVP 8", *lines)
    assert f"m=audio 10000 RTP/SAVP 8\r\na=crypto:{taken} AES_CM_128_HMAC_SHA1_80 {OUR_KEY}\r\n" in text
    assert agreement.keys == Keys(b"k" * 30, b"t" * 30)


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (f"1 AES_CM_128_HMAC_SHA1_32 {THEIR_KEY}", "srtp.suite"),
        (f"1 AES_CM_128_HMAC_SHA1_80 {THEIR_KEY}|2^31|1:1", "srtp.mki"),
        (f"1 AES_CM_128_HMAC_SHA1_80 {THEIR_KEY}|2^31", "srtp.lifetime"),
        ("1 AES_CM_128_HMAC_SHA1_80 inline:short", "srtp.malformed"),
        (f"1 AES_CM_128_HMAC_SHA1_80 {THEIR_KEY} UNENCRYPTED_SRTP", "srtp.session-parameter"),
    ],
)
def test_srtp_that_the_trunk_does_not_speak(value: str, code: str) -> None:
    """interop-quirks 8; page: a single crypto suite."""
    with pytest.raises(NotAcceptable) as refused:
        answered("m=audio 4000 RTP/SAVP 0", f"a=crypto:{value}")
    assert code in {finding.code for finding in (refused.value.finding, *refused.value.findings)}


def test_our_secure_offer_and_its_answers() -> None:
    local = replace(LOCAL, secure=True)
    ours = offer(local)
    assert f"RTP/SAVP 8 0 9 18 97 98 101\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 {OUR_KEY}\r\n" in str(ours)
    line = f"a=crypto:1 AES_CM_128_HMAC_SHA1_80 {THEIR_KEY}"
    assert agree(ours, described("m=audio 4000 RTP/SAVP 0", line), local).keys == Keys(b"k" * 30, b"t" * 30)
    for lines in (
        ("m=audio 4000 RTP/SAVP 0", line.replace("crypto:1", "crypto:2")),
        ("m=audio 4000 RTP/AVP 0", line),
        ("m=audio 4000 RTP/SAVP 0",),
    ):
        with pytest.raises(NotAcceptable):
            agree(ours, described(*lines), local)


@pytest.mark.parametrize(
    ("lines", "name", "answers", "annex_b"),
    [
        (("m=audio 4000 RTP/AVP 9",), "G722", "a=rtpmap:9 G722/8000", False),
        (("m=audio 4000 RTP/AVP 18", "a=fmtp:18 annexb=no"), "G729", "a=fmtp:18 annexb=no", False),
        (("m=audio 4000 RTP/AVP 18",), "G729", "a=fmtp:18 annexb=no", True),
        (("m=audio 4000 RTP/AVP 18", "a=fmtp:18 annexb=yes"), "G729", "a=fmtp:18 annexb=no", True),
        (("m=audio 4000 RTP/AVP 111", "a=rtpmap:111 iLBC/8000", "a=fmtp:111 mode=30"), "iLBC", "a=fmtp:111 mode=30", False),
        (("m=audio 4000 RTP/AVP 111", "a=rtpmap:111 ILBC/8000", "a=fmtp:111 mode=20"), "iLBC", "a=fmtp:111 mode=30", False),
        (("m=audio 4000 RTP/AVP 99", "a=rtpmap:99 SPEEX/16000"), "speex", "a=rtpmap:99 speex/16000", False),
    ],
)
def test_each_codec_as_clients_offer_it(lines: tuple[str, ...], name: str, answers: str, annex_b: bool) -> None:
    """interop-quirks 4, 5 and 12."""
    text, agreement = answered(*lines)
    assert agreement.codec.name == name and answers in text.split("\r\n")
    assert ("media.annex-b" in codes(agreement)) is annex_b
    assert f"a=ptime:{30 if name == 'iLBC' else 20}" in text


@pytest.mark.parametrize("clock", [0, 1, 50])
def test_a_telephone_event_that_counts_in_no_clock_of_audio_is_none(clock: int) -> None:
    """Found by the fuzzer: an echoed digit would have no packets."""
    assert answered("m=audio 4000 RTP/AVP 0 101", f"a=rtpmap:101 telephone-event/{clock}")[1].event_type is None


def test_speex_at_another_rate_is_no_codec_of_the_trunk() -> None:
    with pytest.raises(NotAcceptable):
        answered("m=audio 4000 RTP/AVP 99", "a=rtpmap:99 speex/8000")


def test_the_frame_of_ilbc_may_follow_the_offer() -> None:
    """RFC 3952 5."""
    for asked, mode in (("mode=20", 20), ("mode=30", 30), ("", 30)):
        lines = ("m=audio 4000 RTP/AVP 111", "a=rtpmap:111 iLBC/8000", *([f"a=fmtp:111 {asked}"] if asked else []))
        description, agreement = answer(described(*lines), replace(LOCAL, ilbc_mode=None))
        assert f"mode={mode}" in str(description) and f"a=ptime:{mode}" in str(description) and agreement.mode == mode


@pytest.mark.parametrize(
    ("attributes", "ptime"),
    [
        ((), 20),
        (("a=ptime:40",), 40),
        (("a=ptime:30", "a=maxptime:20"), 20),
        (("a=maxptime:300",), 20),
        (("a=ptime:1000000",), 20),
        (("a=ptime:35",), 30),
    ],
)
def test_packets_of_ours_last_what_the_client_asks_for(attributes: tuple[str, ...], ptime: int) -> None:
    """interop-quirks 11; RFC 8866 6.4."""
    assert answered("m=audio 4000 RTP/AVP 0", *attributes)[1].ptime == ptime


def test_calls_to_the_united_states_are_offered_pcmu_first() -> None:
    """vonage-facts, default 30."""
    assert [codec.name for codec in for_number(CODECS, "14155550100")][:2] == ["PCMU", "PCMA"]
    assert [codec.name for codec in for_number(CODECS, "442071234567")][:2] == ["PCMA", "PCMU"]
    assert for_number((G722, PCMU), "14155550100") == (G722, PCMU)


def test_rtcp_on_the_port_of_rtp_where_it_is_offered() -> None:
    """RFC 5761 5.1.3."""
    text, agreement = answered("m=audio 4000 RTP/AVP 0", "a=rtcp-mux")
    assert "a=rtcp-mux" in text and agreement.remote_rtcp == ("192.0.2.1", 4000)


def test_what_browsers_add_is_ignored_and_told() -> None:
    text, agreement = answered(
        "m=audio 4000 RTP/AVP 0",
        "a=ice-ufrag:x",
        "a=candidate:1 1 UDP 1 192.0.2.1 4000 typ host",
        "a=fingerprint:sha-256 AB",
        "a=setup:actpass",
    )
    assert {"media.ice", "media.dtls"} <= codes(agreement) and "ice" not in text and "fingerprint" not in text


@pytest.mark.parametrize(
    ("origin", "change", "code"),
    [
        ("- 1 2 IN IP4 192.0.2.1", True, None), ("- 1 1 IN IP4 192.0.2.1", False, None), ("- 1 1 IN IP4 192.0.2.1", True, "sdp.version"),
        ("- 1 5 IN IP4 192.0.2.1", True, "sdp.version"), ("- 2 1 IN IP4 192.0.2.1", True, "sdp.origin"),
    ],
)  # fmt: skip
def test_the_version_of_a_later_offer(origin: str, change: bool, code: str | None) -> None:
    """RFC 3264 8."""
    before, now = described("m=audio 4000 RTP/AVP 0"), described("m=audio 4000 RTP/AVP 0", *(["a=sendonly"] if change else []))
    now.origin = origin
    finding = changed_without_a_version(before, now)
    assert (finding.code if finding is not None else None) == code


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
        (("m=audio 4000 RTP/AVP 3 13",), "c=IN IP4 192.0.2.1", 305),
        (("m=audio 4000 RTP/SAVP 0",), "c=IN IP4 192.0.2.1", 399),
        (("m=audio 4000 UDP/TLS/RTP/SAVPF 0",), "c=IN IP4 192.0.2.1", 302),
        (("m=audio 0 RTP/AVP 0",), "c=IN IP4 192.0.2.1", 304),
        (("m=video 4000 RTP/AVP 97",), "c=IN IP4 192.0.2.1", 304),
        (("m=audio 4000 RTP/AVP 0",), "c=IN IP4 phone.example", 399),
        (("m=audio 4000 RTP/AVP 0",), "c=IN IP6 fe80::1%\0", 399),
        (("m=audio 4000 RTP/AVP 0",), "a=none", 399),
    ],
)
def test_what_fits_nothing_says_why(lines: tuple[str, ...], head: str, warning: int) -> None:
    with pytest.raises(NotAcceptable) as caught:
        answered(*lines, head=head)
    assert caught.value.warning == warning


def test_our_offer_and_its_answers() -> None:
    ours = offer(LOCAL)
    assert "m=audio 10000 RTP/AVP 8 0 9 18 97 98 101\r\n" in str(ours)
    assert {"a=fmtp:18 annexb=no", "a=fmtp:97 mode=30", "a=rtpmap:98 speex/16000"} <= set(str(ours).split("\r\n"))
    agreement = agree(ours, described("m=audio 4000 RTP/AVP 0 101", "a=rtpmap:101 telephone-event/8000"), LOCAL)
    assert (agreement.codec.name, agreement.event_type) == ("PCMU", 101)
    for lines in (
        ("m=audio 0 RTP/AVP 0",),
        ("m=audio 1 RTP/AVP 0", "m=audio 2 RTP/AVP 0"),
        ("m=video 1 RTP/AVP 0",),
        ("m=audio 4000 RTP/AVP 3",),
    ):
        with pytest.raises(NotAcceptable):
            agree(ours, described(*lines), LOCAL)


def test_the_version_counts_up_only_when_something_changed() -> None:
    """RFC 3264 8."""
    first, _ = answer(described("m=audio 4000 RTP/AVP 0"), LOCAL)
    same, _ = answer(described("m=audio 4000 RTP/AVP 0"), LOCAL, first)
    held, _ = answer(described("m=audio 4000 RTP/AVP 0", "a=sendonly"), LOCAL, same)
    assert (first.version, same.version, held.version) == (1, 1, 2)


HOLDS = replace(LOCAL, holds=True)


def directions(description: SessionDescription) -> list[str | None]:
    return [media.direction for media in description.media]


def test_hold_changes_the_direction_alone_and_resume_changes_it_back() -> None:
    """RFC 3264 8.4: the same lines, numbers and keys, a version one higher."""
    line = f"a=crypto:7 AES_CM_128_HMAC_SHA1_80 {THEIR_KEY}"
    offered = ("m=video 5000 RTP/AVP 96", "m=audio 4000 RTP/SAVP 0 111", "a=rtpmap:111 telephone-event/8000", line)
    first, agreement = answer(described(*offered), LOCAL)
    held = reoffer(first, agreement, HOLDS)
    assert directions(held) == [None, "sendonly"] and held.version == 2
    assert str(held) == str(first).replace(" 77 1 ", " 77 2 ").replace("sendrecv", "sendonly")
    answered_held = agree(held, described(offered[0].replace("5000", "0"), *offered[1:], "a=recvonly"), HOLDS)
    assert (answered_held.send, answered_held.receive, answered_held.keys) == (True, False, Keys(b"k" * 30, b"t" * 30))
    resumed = reoffer(held, answered_held, LOCAL)
    assert directions(resumed) == [None, "sendrecv"] and resumed.version == 3
    assert restated(first, LOCAL, held).version == 3 and directions(restated(first, LOCAL, held)) == [None, "sendrecv"]


@pytest.mark.parametrize(("theirs", "held", "resumed"), [("sendrecv", "sendonly", "sendrecv"), ("sendonly", "inactive", "recvonly")])
def test_two_holds_are_each_sides_own(theirs: str, held: str, resumed: str) -> None:
    first, agreement = answer(described("m=audio 4000 RTP/AVP 0", f"a={theirs}"), LOCAL)
    assert directions(reoffer(first, agreement, HOLDS)) == [held] and directions(reoffer(first, agreement, LOCAL)) == [resumed]
    second, agreement = answer(described("m=audio 4000 RTP/AVP 0", "a=sendrecv"), HOLDS, first)
    assert directions(second) == ["sendonly"] and not agreement.receive


def test_a_later_offer_keeps_places_and_numbers() -> None:
    """RFC 3264 8: m= lines stay where they are, and 8.3.2: payload types keep their meaning."""
    offered = ("m=video 5000 RTP/AVP 96", "m=audio 4000 RTP/AVP 97 98", "a=rtpmap:97 speex/16000", "a=rtpmap:98 telephone-event/16000")
    first, _ = answer(described(*offered), LOCAL)
    later = offer(LOCAL, first)
    assert (later.version, [media.port for media in later.media]) == (2, [0, 10000])
    audio = later.media[1]
    assert audio.formats == ["8", "0", "9", "18", "96", "97", "98"] and audio.attribute("rtpmap") is not None
    assert {"rtpmap:96 iLBC/8000", "rtpmap:97 speex/16000", "rtpmap:98 telephone-event/16000"} <= set(audio.attributes)
    taken = agree(later, described("m=video 0 RTP/AVP 96", "m=audio 4000 RTP/AVP 0"), LOCAL)
    assert taken.codec is PCMU
    with pytest.raises(NotAcceptable):
        agree(later, described("m=audio 4000 RTP/AVP 0"), LOCAL)


def test_the_telephone_event_of_a_later_offer_gets_a_number_that_is_free() -> None:
    first, _ = answer(described("m=audio 4000 RTP/AVP 101", "a=rtpmap:101 iLBC/8000"), LOCAL)
    assert "rtpmap:96 telephone-event/8000" in offer(LOCAL, first).media[0].attributes


def test_of_two_audio_lines_the_secure_one_is_taken_when_it_fits() -> None:
    """interop-quirks 9: FreeSWITCH's optional SRTP, SAVP before AVP on the same port."""
    crypto = f"a=crypto:7 AES_CM_128_HMAC_SHA1_80 {THEIR_KEY}"
    text, agreement = answered("m=audio 4000 RTP/SAVP 0", crypto, "m=audio 4000 RTP/AVP 0", crypto.replace("crypto", "x-nothing"))
    assert "m=audio 10000 RTP/SAVP 0\r\na=crypto:7 " in text and text.rstrip().endswith("m=audio 0 RTP/AVP 0")
    assert agreement.keys == Keys(b"k" * 30, b"t" * 30) and agreement.remote == ("192.0.2.1", 4000)


def test_what_else_clients_write_is_neither_repeated_nor_odd() -> None:
    """interop-quirks 6."""
    text, agreement = answered(
        "a=X-nat:0", "a=rtcp-xr:rcvr-rtt=all:10000", "m=audio 4000 RTP/AVP 0 101", "b=AS:84", "b=TIAS:64000",
        "a=rtcp:4001 IN IP4 192.0.2.1", "a=rtpmap:101 telephone-event/8000", "a=ssrc:1234 cname:x", "a=label:1",
        "a=rtcp-rsize", "a=rtcp-fb:* trr-int 1000",
    )  # fmt: skip
    assert agreement.findings == [] and agreement.remote_rtcp == ("192.0.2.1", 4001)
    for word in ("ssrc", "label", "rtcp", "X-nat", "TIAS"):
        assert word not in text


@pytest.mark.parametrize("fmtp", [("a=fmtp:96 0-15",), ("a=fmtp:96 0-16",), ("a=fmtp:96 0-11",), ()])
@pytest.mark.parametrize("number", [96, 97, 101, 120])
def test_events_are_of_any_number_and_range(number: int, fmtp: tuple[str, ...]) -> None:
    """interop-quirks 3: what the answer says is what the trunk hears, 0-15, under the number of the offer."""
    lines = [f"a=rtpmap:{number} telephone-event/8000", *(text.replace("96", str(number)) for text in fmtp)]
    text, agreement = answered(f"m=audio 4000 RTP/AVP 8 {number}", *lines)
    assert f"a=fmtp:{number} 0-15\r\n" in text and (agreement.event_type, agreement.findings) == (number, [])


def test_speex_with_its_own_telephone_event() -> None:
    """interop-quirks 3: linphone offers telephone-event/16000 only."""
    text, agreement = answered("m=audio 4000 RTP/AVP 97 98", "a=rtpmap:97 speex/16000", "a=rtpmap:98 telephone-event/16000")
    assert "a=rtpmap:98 telephone-event/16000" in text and (agreement.event_type, agreement.event_clock) == (98, 16000)
    assert agreement.findings == []


def test_an_offer_over_ipv6() -> None:
    local = replace(LOCAL, address="2001:db8::9")
    description, agreement = answer(
        described("m=audio 4000 RTP/AVP 0 101", "a=rtpmap:101 telephone-event/8000", head="c=IN IP6 2001:db8::1"), local
    )
    assert "o=- 77 1 IN IP6 2001:db8::9\r\n" in str(description) and "c=IN IP6 2001:db8::9\r\n" in str(description)
    assert (agreement.remote, agreement.findings) == (("2001:db8::1", 4000), [])
    held = answer(described("m=audio 4000 RTP/AVP 0", head="c=IN IP6 ::"), local)[1]
    assert not held.send and held.receive and "media.family" not in codes(held)


@pytest.mark.parametrize("written", ["2001:DB8::1", "2001:0db8:0:0:0:0:0:1", "2001:db8:0::1"])
def test_an_ipv6_address_is_kept_as_the_system_writes_it(written: str) -> None:
    """A shared port knows a call by it (RFC 5952 is one way to write it of many)."""
    agreement = answered("m=audio 4000 RTP/AVP 0", f"a=rtcp:4005 IN IP6 {written}", head=f"c=IN IP6 {written}")[1]
    assert agreement.remote == ("2001:db8::1", 4000) and agreement.remote_rtcp == ("2001:db8::1", 4005)
    assert answered("m=audio 4000 RTP/AVP 0", head="c=IN IP6 0:0:0:0:0:0:0:0")[1].send is False


def test_an_address_of_the_other_family_is_told() -> None:
    """interop-quirks 7: linphone with IPv6 on."""
    assert "media.family" in codes(answered("m=audio 4000 RTP/AVP 0", head="c=IN IP6 2001:db8::1")[1])


def test_an_answer_with_payload_types_of_its_own() -> None:
    """interop-quirks 3, RFC 3264 5.1: PJSIP calls its events 120; we send under its numbers and it under ours."""
    ours = offer(LOCAL)
    lines = ("m=audio 4000 RTP/AVP 99 120", "a=rtpmap:99 speex/16000", "a=rtpmap:120 telephone-event/8000")
    agreement = agree(ours, described(*lines), LOCAL)
    assert (agreement.payload_type, agreement.event_type, agreement.numbers) == (99, 120, {98: 99, 101: 120})
    assert agree(ours, described("m=audio 4000 RTP/AVP 0 101", "a=rtpmap:101 telephone-event/8000"), LOCAL).numbers == {}
