"""Seeded mutations of session descriptions, as clients of many kinds write them."""

import random
from base64 import b64encode
from collections.abc import Iterator

from tests.fuzz.mutate import Mutation, mutations

KEY = bytes(range(30, 60))
_INLINE = f"inline:{b64encode(KEY).decode()}"
CRYPTO = f"a=crypto:1 AES_CM_128_HMAC_SHA1_80 {_INLINE}\r\n"


def _description(media: str, session: str = "c=IN IP4 127.0.0.1\r\nt=0 0\r\n") -> bytes:
    return f"v=0\r\no=phone 1 1 IN IP4 127.0.0.1\r\ns=-\r\n{session}{media}".encode()


_EVENTS = "a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\n"
PLAIN = _description("m=audio 4000 RTP/AVP 0 8 101\r\na=rtpmap:0 PCMU/8000\r\n" + _EVENTS + "a=ptime:20\r\na=sendrecv\r\n")
SECURE = _description("m=audio 4000 RTP/SAVP 8 101\r\n" + CRYPTO + _EVENTS)
OFFERS = (
    PLAIN,
    SECURE,
    _description("m=audio 4000 RTP/AVP 101 96\r\na=rtpmap:96 PCMA/8000\r\na=rtcp:4005 IN IP4 127.0.0.1\r\na=recvonly\r\n" + _EVENTS),
    _description(
        "m=audio 4000 RTP/AVP 98 97 18 9 100 101\r\na=rtpmap:98 speex/16000\r\na=rtpmap:97 iLBC/8000\r\na=fmtp:97 mode=20\r\n"
        "a=rtpmap:100 telephone-event/16000\r\na=rtpmap:18 G729/8000\r\na=fmtp:18 annexb=yes\r\na=maxptime:60\r\na=ptime:40\r\n" + _EVENTS
    ),
    _description("m=audio 4000 RTP/AVP 97 100\r\na=rtpmap:97 iLBC/8000\r\na=rtpmap:100 telephone-event/48000\r\n"),
    _description(
        f"m=audio 4000 RTP/SAVP 0 101\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 {_INLINE}|2^31|1:4\r\n"
        f"a=crypto:2 AES_CM_128_HMAC_SHA1_32 {_INLINE}\r\na=crypto:3 F8_128_HMAC_SHA1_80 {_INLINE} KDR=2 WSH=128 UNENCRYPTED_SRTCP\r\n"
        f"a=crypto:4 AES_CM_128_HMAC_SHA1_80 {_INLINE}|1048576\r\na=crypto:5 AES_CM_128_HMAC_SHA1_80 {_INLINE} FEC_KEY={_INLINE}\r\n"
        f"a=crypto:6 AES_CM_128_HMAC_SHA1_80 {_INLINE}|1:1;{_INLINE}|2:1\r\na=crypto:7 AES_CM_128_HMAC_SHA1_80 {_INLINE}\r\n" + _EVENTS
    ),
    _description("m=audio 4000 RTP/AVP 0 8\r\n" + CRYPTO),
    _description("m=audio 4000 RTP/AVP 0\r\n", "c=IN IP6 ::1\r\nt=0 0\r\n"),
    _description("m=audio 4000 RTP/AVP 0 101\r\nc=IN IP4 0.0.0.0\r\na=inactive\r\n" + _EVENTS, "t=0 0\r\n"),
    _description(
        "m=video 4002 RTP/AVP 31\r\na=rtpmap:31 H261/90000\r\nm=audio 0 RTP/AVP 0\r\nm=audio 4000/2 RTP/AVPF 8 101\r\n" + _EVENTS +
        "m=image 4004 udptl t38\r\nm=application 9 TCP/BFCP *\r\n", "b=AS:64\r\nc=IN IP4 127.0.0.1/127\r\nt=0 0\r\na=group:BUNDLE 0 1\r\n",
    ),
    _description(
        "m=audio 4000 UDP/TLS/RTP/SAVPF 111 0\r\na=rtpmap:111 opus/48000/2\r\na=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\n"
        "a=candidate:1 1 udp 2130706431 127.0.0.1 4000 typ host\r\na=fingerprint:sha-256 AB:CD\r\na=setup:actpass\r\na=rtcp-mux\r\n"
        "m=audio 4006 RTP/AVP 0\r\na=rtcp-mux\r\na=rtcp:4006\r\na=mid:0\r\n"
    ),
)  # fmt: skip

_LINES = (
    b"c=IN IP4 127.0.0.2", b"c=IN IP4 0.0.0.0", b"c=IN IP6 ::1", b"c=IN IP6 ::", b"c=IN IP6 fe80::1%lo", b"c=IN IP6 ::1%\0",
    b"c=IN IP6 ::1%\xc3\xa4", b"c=IN IP6 ::ffff:127.0.0.1", b"c=IN IP4 255.255.255.255", b"c=IN IP4 224.0.0.1/1", b"c=IN IP4 localhost",
    b"c=IN IP4 127.1", b"c=IN IP4 ", b"c=IN IP6 ::1%" + 300 * b"x", b"m=audio 4000 RTP/AVP 0", b"m=audio 4000 RTP/SAVP 0",
    b"m=audio 0 RTP/AVP 0", b"m=audio 65535 RTP/AVP 8", b"m=audio 1 RTP/AVP 0", b"m=audio 65536 RTP/AVP 0",
    b"m=audio 4000/4294967296 RTP/AVP 0", b"m=image 4000 udptl t38", b"m=video 4000 RTP/AVP 31",
    b"m=audio 4000 RTP/AVP " + b" ".join(b"%d" % number for number in range(128)), b"m=audio 4000 RTP/AVP 4294967296 -1 0", b"m=",
    b"m=audio", b"a=rtpmap:101 telephone-event/0", b"a=rtpmap:101 telephone-event/1", b"a=rtpmap:101 telephone-event/999999",
    b"a=rtpmap:0 telephone-event/8000", b"a=rtpmap:0 PCMU/0", b"a=rtpmap:0 PCMU/16000", b"a=rtpmap:72 PCMU/8000", b"a=rtpmap:101 PCMU/8000",
    b"a=rtpmap:96 PCMA/8000/2", b"a=rtpmap:", b"a=fmtp:97 mode=20", b"a=fmtp:97 mode=30;mode=20", b"a=fmtp:101 0-255", b"a=ptime:0",
    b"a=ptime:4294967296", b"a=ptime:0.5", b"a=maxptime:1", b"a=ptime:200", b"a=sendonly", b"a=recvonly", b"a=inactive", b"a=rtcp-mux",
    b"a=rtcp:0", b"a=rtcp:65535", b"a=rtcp:4001 IN IP4 127.0.0.9", b"a=rtcp:4000", b"a=rtcp: ", b"a=rtcp:\xd9\xa1", b"a=crypto:",
    b"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:", CRYPTO.encode().rstrip(),
    b"a=crypto:999999999 AES_CM_128_HMAC_SHA1_80 " + _INLINE.encode(), b"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" + 9000 * b"A",
    b"o=phone 1 2 IN IP4 127.0.0.1", b"o=phone 1 99999999999999999999 IN IP4 127.0.0.1", b"o=", b"v=1", b"s=" + 300 * b"\xff",
    b"s=\0\x1b[2J", b"t=", b"k=clear:x", b"a=candidate:\xff", b"a=fingerprint:", b"z=0 0", b"=", b"a", b"a=" + 60000 * b"x",
    b"m=" + 20000 * b"\xff" + b" 1 x 0",
)  # fmt: skip


def _another_line(data: bytearray, chance: random.Random) -> bytearray:
    """One more line somewhere, or in the place of one, sometimes very often."""
    lines = bytes(data).split(b"\r\n")
    at = chance.randrange(len(lines) + 1)
    line = chance.choice(_LINES)
    count = min(chance.choice((1, 1, 1, 1, 1, 2, 17, 40, 1030)), 1 + 66000 // len(line))
    lines[at : at + chance.choice((0, 0, 1))] = [line] * count
    return bytearray(b"\r\n".join(lines))


def _same_kind(data: bytearray, chance: random.Random) -> bytearray:
    """Another line of the same type in the place of one."""
    lines = bytes(data).split(b"\r\n")
    at = chance.randrange(len(lines))
    same = [line for line in _LINES if line[:2] == lines[at][:2]]
    if same:
        lines[at] = chance.choice(same)
    return bytearray(b"\r\n".join(lines))


def _another_word(data: bytearray, chance: random.Random) -> bytearray:
    """A word of one line in the place of one in another."""
    lines = bytes(data).split(b"\r\n")
    at = chance.randrange(len(lines))
    words, others = lines[at].split(b" "), chance.choice(lines).split(b" ")
    words[chance.randrange(len(words))] = chance.choice(others)
    lines[at] = b" ".join(words)
    return bytearray(b"\r\n".join(lines))


def _line_ends(data: bytearray, chance: random.Random) -> bytearray:
    return data.replace(b"\r\n", chance.choice((b"\n", b"\r", b"\n\r", b"\r\n\r\n", b" \r\n", b"\x85")))


_MORE: tuple[Mutation, ...] = (*(_another_line, _same_kind) * 4, *(_another_word,) * 3, _line_ends)


def descriptions(seed: int) -> Iterator[bytes]:
    """Mutated descriptions without end; each sixth is as it was."""
    chance = random.Random(seed)
    source = mutations(seed, OFFERS, _MORE)
    while True:
        yield chance.choice(OFFERS) if chance.random() < 1 / 6 else next(source)
