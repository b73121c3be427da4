"""Captures with media of real calls: what tshark makes of them, beside what the emulator and the caller say."""

import json
import os
import re
import socket
import struct
import time
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.support.pcapng import Packet, read
from tests.support.serve import VSIM, Serve, need, run, until
from tests.support.srtp_reference import Reference
from tests.wire.test_media import talk
from tests.wire.test_sipp import sipp_command

pytestmark = pytest.mark.real_time

HERE = Path(__file__).parent
PLAYED = Path("/usr/share/sip-tester/g711a.pcap")
ODD = "_ws.malformed || _ws.expert.severity >= 0x00600000 || udp.checksum.status == 0 || ip.checksum.status == 0 || icmp"
"""Malformed, warned of, or with a wrong checksum."""


@pytest.fixture(scope="module")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    emulator = Serve(Path(tmp_path_factory.mktemp("media")), "--capture-media")
    try:
        yield emulator
        emulator.check()
    finally:
        emulator.stop()


class Stream(NamedTuple):
    """A line of tshark's: packets of telephone-events are counted like all others. Jitter in milliseconds: least, mean, most."""

    source: tuple[str, int]
    payload: str
    packets: int
    lost: int
    jitter: tuple[float, float, float]


class Capture:
    """A call's capture, as tshark has it, and as it is on disk."""

    def __init__(self, serve: Serve, *flags: str, call: str = "last", file: str = "x.pcapng") -> None:
        self.call: dict[str, Any] = json.loads(serve.cli("show", call, "--json").stdout)
        done = serve.cli("show", call, "--pcap", file, *flags)
        assert done.returncode == 0 and done.stderr == "", done.stderr
        self.said = done.stdout
        self.file = serve.directory / file
        here, there = serve.at(transport="udp"), self.call["peer"]
        sip = [part for at in (here, there) for part in ("-d", f"udp.port=={at.rpartition(':')[2]},sip")]
        checked = [part for layer in ("ip", "udp") for part in ("-o", f"{layer}.check_checksum:TRUE")]
        self._command = [need("tshark", "tshark"), "-r", str(self.file), *checked, *(sip if self.call["transport"] == "UDP" else [])]

    def rows(self, where: str, *names: str) -> list[list[str]]:
        chosen = [part for name in names for part in ("-e", name)]
        done = run([*self._command, "-Y", where, "-T", "fields", *chosen])
        assert done.returncode == 0, done.stderr
        return [line.split("\t") for line in done.stdout.splitlines()]

    def odd(self) -> list[list[str]]:
        return self.rows(ODD, "frame.number", "_ws.col.Protocol", "_ws.expert.message")

    @property
    def packets(self) -> list[Packet]:
        """All that are not SIP."""
        return [one for one in read(self.file.read_bytes()).packets if not re.match(rb"[A-Z/0-9.]+ [^\r\n]*SIP/2.0|SIP/2.0 ", one.payload)]

    def streams(self) -> dict[bool, Stream]:
        """What came, and what left; there must be one each way."""
        done = run([*self._command, "-q", "-z", "rtp,streams"])
        (line, *more) = [text.split() for text in done.stdout.splitlines() if "0x" in text]
        found: dict[bool, Stream] = {}
        for words in (line, *more):
            at = words.index(next(word for word in words if word.startswith("0x")))
            start = at + 1 + next(k for k, word in enumerate(words[at + 1 :]) if word.isdecimal())
            # Pkts, Lost, (share), deltas: min mean max, jitters: min mean max
            low, mean, high = (float(word) for word in words[start + 6 : start + 9])
            one = Stream(
                (words[2], int(words[3])), " ".join(words[at + 1 : start]), int(words[start]), int(words[start + 1]), (low, mean, high)
            )
            incoming = one.source == _address(self.call["media"]["remote"])
            assert incoming not in found, done.stdout
            found[incoming] = one
        assert len(found) == 2, done.stdout
        return found


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)


def phone(serve: Serve, *flags: str) -> dict[str, Any]:
    """A call of the emulator's own phone, which finds what it has played in what it hears."""
    done = serve.cli("phone", "call", "442071234567", "--json", *flags)
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def jitter(packets: list[Packet], clock: int = 8000) -> float:
    """RFC 3550 A.8 over the times and octets of a capture, in milliseconds at its end."""
    value = 0.0
    last: tuple[float, int] | None = None
    for one in packets:
        at, timestamp = one.at / 1e6 * clock, int.from_bytes(one.payload[4:8], "big")
        if last is not None:
            value += (abs((at - last[0]) - (timestamp - last[1])) - value) / 16
        last = (at, timestamp)
    return 1000 * value / clock


def of_type(packets: list[Packet], payload_type: int, incoming: bool) -> list[Packet]:
    return [one for one in packets if one.payload[1] & 0x7F == payload_type and one.flags == (1 if incoming else 2)]


def test_both_streams_digits_and_reports(serve: Serve) -> None:
    phone(serve, "--talk", "3s", "--dtmf", "12#")
    capture = Capture(serve)
    media, streams = capture.call["media"], capture.streams()
    assert streams[True].packets == media["packets_received"] and streams[False].packets == media["packets_sent"]
    assert (streams[True].lost, streams[False].lost) == (0, 0) == (media["heard"]["lost"], media["sent"]["lost"])
    assert {one.payload for one in streams.values()} == {"g711U, telephone-event"}
    assert capture.odd() == []
    here = {row[0] for row in capture.rows("rtpevent && rtpevent.end_of_event == 1", "rtpevent.event_id")}
    ways = {tuple(row) for row in capture.rows("rtpevent.end_of_event == 1", "ip.src", "rtpevent.event_id")}
    assert here == {"1", "2", "11"} and len(ways) == 6
    reports = capture.rows("rtcp", "rtcp.pt", "rtcp.senderssrc", "rtcp.ssrc.identifier")
    assert len(reports) == media["rtcp_received"] + media["rtcp_sent"] and reports[-1][0] == "200,202,203"
    count = len(capture.call["messages"]) + len(capture.packets)
    assert capture.said == f"call #{capture.call['id']}: {count} packets, {capture.file.stat().st_size:,} octets; " + (
        "tshark -r x.pcapng -Y 'sip || rtp || rtcp'\n"
    )
    kept = capture.call["media_kept"]
    assert (kept["packets"], kept["missed"]) == (len(capture.packets), 0)


def test_the_order_is_that_of_the_wire(serve: Serve) -> None:
    """Messages and media by one clock: media begins behind the answer, each echo is behind its question, the BYE is behind all but RTCP."""
    phone(serve, "--talk", "1s")
    capture = Capture(serve)
    rows = capture.rows("frame", "sip.Method", "sip.Status-Code", "_ws.col.Protocol", "sip.Via.branch", "sip.CSeq")
    again = {k for k, row in enumerate(rows) if row[3] and row in rows[:k]}  # what a busy machine sends again
    order = ["".join(row[:2]) or row[2] for k, row in enumerate(rows) if k not in again]
    assert re.fullmatch(r"INVITE 407 ACK INVITE 100 180 200 (RTP )*ACK (RTP |RTCP )+BYE 200 RTCP", " ".join(order)), order
    asked: set[bytes] = set()
    for one in capture.packets:
        if one.payload[1] & 0x7F == 0:
            timestamp = one.payload[4:8]
            assert one.flags == 1 or timestamp in asked
            asked.add(timestamp)
    assert {row[0] for row in capture.rows("frame.time_delta < 0", "frame.number")} == set()
    assert {row[0] for row in capture.rows("rtp", "frame.interface_name")} == {"us-3-1"}


def test_loss_and_jitter_are_those_that_we_tell(serve: Serve) -> None:
    """Of a stream with gaps, at an uneven pace, by tshark, by the octets and times of the capture, and by the emulator."""
    with talk(serve, "UDP", "0", "a=rtpmap:0 PCMU/8000", False) as call:
        began = time.monotonic()
        for k in range(150):
            if k % 10 != 5:
                call.say(k, k * 160, 0, bytes([k]) * 160)
            time.sleep(max(0.0, began + 0.02 * (k + 1) + 0.008 * (k % 3) - time.monotonic()))
        for _ in range(135):
            call.hear()
    capture = Capture(serve)
    heard, streams = capture.call["media"]["heard"], capture.streams()
    assert (streams[True].packets, streams[True].lost) == (135, 15) == (heard["packets"], heard["lost"])
    assert (streams[False].packets, streams[False].lost) == (135, 0) and capture.odd() == []
    ours = jitter(of_type(capture.packets, 0, True))
    low, _, high = streams[True].jitter
    assert abs(ours - heard["jitter_ms"]) < 0.1 and low <= heard["jitter_ms"] + 0.1 and heard["jitter_ms"] <= high + 0.1
    assert [one.payload[12:] for one in of_type(capture.packets, 0, False)] == [bytes([k]) * 160 for k in range(150) if k % 10 != 5]


def test_what_is_lost_on_purpose_did_not_leave_and_what_is_not_heard_on_purpose_came(tmp_path: Path) -> None:
    variables = {"VSIM_MEDIA_IMPAIR_SENT": "pattern pattern=....x", "VSIM_MEDIA_IMPAIR_HEARD": "pattern pattern=.........x"}
    serve = Serve(tmp_path, "--capture-media", env=variables)
    try:
        serve.cli("phone", "call", "442071234567", "--json", "--talk", "2s")
        capture = Capture(serve)
        media, streams = capture.call["media"], capture.streams()
        hit = media["impairments_heard"]["pattern"]
        assert streams[True].packets == hit["seen"] == media["packets_received"] + hit["hit"] and streams[True].lost == 0 < hit["hit"]
        assert streams[False].packets == media["sent"]["left"] < media["packets_sent"] and streams[False].lost > 0
        (about,) = read(capture.file.read_bytes()).comments
        assert "impairments of what the trunk hears come after this: what they lose is there, as it came" in about
        serve.check()
    finally:
        serve.stop()


@pytest.mark.parametrize("flags", [("--layout", "ports", "--bind", "::1"), ("--media-port", "0")], ids=["IPv6", "shared port"])
def test_other_ports(tmp_path: Path, flags: tuple[str, ...]) -> None:
    serve = Serve(tmp_path, "--capture-media", *flags)
    try:
        phone(serve, "--talk", "1s", "--dtmf", "5")
        capture = Capture(serve)
        media, streams = capture.call["media"], capture.streams()
        assert streams[True].packets == media["packets_received"] and streams[False].packets == media["packets_sent"]
        assert streams[True].lost == streams[False].lost == 0 and capture.odd() == [] and capture.rows("rtcp", "rtcp.pt")
        serve.check()
    finally:
        serve.stop()


def test_srtp_as_on_the_wire_and_without_it(serve: Serve) -> None:
    """By the keys of the descriptions in the capture itself, and by an SRTP that has nothing of ours."""
    phone(serve, "--transport", "tls", "--srtp", "--talk", "1s", "--dtmf", "5")
    wire, clear = Capture(serve), Capture(serve, "--decrypt", file="clear.pcapng")
    assert {row[0] for row in wire.rows("srtp.auth_tag && rtp", "rtp.version")} == {"2"} and wire.rows(
        "rtpevent", "rtpevent.event_id"
    ) == []
    keys = [message["text"] for message in wire.call["messages"] if "a=crypto" in message["text"]]
    theirs, ours = (b64decode(re.findall(r"inline:(\S+)", text)[0]) for text in (keys[0], keys[-1]))
    for incoming, key in ((True, theirs), (False, ours)):
        reference = Reference(key)
        secure, plain = (of_type(one.packets, 0, incoming) for one in (wire, clear))
        assert [reference.unprotect(one.payload) for one in secure] == [one.payload for one in plain] and len(plain) > 5
        assert [one.at for one in secure] == [one.at for one in plain]
    said = [one.payload[12:] for one in of_type(clear.packets, 0, True)]
    assert [one.payload[12:] for one in of_type(clear.packets, 0, False)] == said and len(set(said)) > 1
    assert clear.odd() == [] and clear.rows("srtp.auth_tag", "frame.number") == []
    for capture in (wire, clear):
        streams = capture.streams()
        assert streams[True].packets == capture.call["media"]["packets_received"] and streams[True].lost == streams[False].lost == 0
    assert {row[0] for row in clear.rows("rtpevent.end_of_event == 1", "rtpevent.event_id")} == {"5"}
    assert clear.rows("rtcp", "rtcp.pt")[-1] == ["200,202,203"]


def test_what_sipp_plays(serve: Serve) -> None:
    """A capture of Debian's, octet for octet as it was played, and the same back."""
    if os.geteuid() != 0 or not PLAYED.exists():
        pytest.skip("SIPp plays captures over raw sockets, as root, and needs its own")
    text = (HERE / "call.xml").read_text().replace("RTP/AVP 0 8 101", "RTP/AVP 8 101")
    text = re.sub(r"( *<pause)", rf'  <nop><action><exec play_pcap_audio="{PLAYED}"/></action></nop>\n\1', text, count=1)
    scenario = serve.directory / "plays.xml"
    scenario.write_text(re.sub(r" *a=rtpmap:0 .*\n", "", text))
    done = run(sipp_command(serve, str(scenario), "u1", "-m", "1", "-d", "15000"), cwd=serve.directory)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    tshark = need("tshark", "tshark")
    played = [bytes.fromhex(line) for line in run([tshark, "-r", PLAYED, "-T", "fields", "-e", "udp.payload"]).stdout.split()]
    capture = Capture(serve)
    assert [one.payload for one in of_type(capture.packets, 8, True)] == played and len(played) == 236
    assert [one.payload[12:] for one in of_type(capture.packets, 8, False)] == [payload[12:] for payload in played]
    assert capture.odd() == [] and {one.packets for one in capture.streams().values()} == {236}


def test_a_stranger_and_what_is_no_rtp_are_there_with_what_was_found(serve: Serve) -> None:
    with talk(serve, "UDP", "0", "a=rtpmap:0 PCMU/8000", False) as call, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.bind(("127.0.0.1", 0))
        for k in range(3):
            call.say(k, k * 160, 0, b"\xff" * 160)
            call.hear()
            stranger.sendto(struct.pack("!BBHII", 0x80, 0, k, k * 160, 0xBAD) + b"\x00" * 160, call.at)
        call.say(3, 480, 33, b"x")
        until(lambda: serve.calls()[0]["media"]["strangers"] == 3 and serve.calls()[0]["media"]["unknown_payload_type"] == 1, "all of them")
        where = "{}:{}".format(*stranger.getsockname())
    capture = Capture(serve)
    payload_type, *strange = sorted(one.comments[0].partition(";")[0] for one in capture.packets if one.comments)
    assert strange == [f"warning: media.stranger: from {where}"] * 3
    assert payload_type.startswith("warning: media.payload-type: from 127.0.0.1:")
    assert len(capture.rows("rtp.ssrc == 0xbad", "frame.number")) == 3  # tshark knows them for RTP by where they went


def test_what_is_kept_is_bounded_and_the_reset_forgets_it(tmp_path: Path) -> None:
    serve = Serve(tmp_path, env={"VSIM_MEDIA_CAPTURE": "true", "VSIM_MEDIA_CAPTURE_PACKETS": "20"})
    try:
        phone(serve, "--talk", "1s")
        capture = Capture(serve)
        kept = capture.call["media_kept"]
        assert kept["packets"] == 20 == len(capture.packets) and kept["missed"] > 0
        assert f"; {kept['missed']} further packets of its media had not been kept; tshark" in capture.said
        held = json.loads(run(["curl", "-s", f"{serve.endpoints['control']}/v1/held"]).stdout)
        assert held["media_octets"] == kept["octets"] > 20 * 180
        assert run(["curl", "-s", "-X", "POST", f"{serve.endpoints['control']}/v1/reset"]).returncode == 0
        assert json.loads(run(["curl", "-s", f"{serve.endpoints['control']}/v1/held"]).stdout)["media_octets"] == 0
        serve.check()
    finally:
        serve.stop()


def test_a_run_that_fails_leaves_its_media(tmp_path: Path) -> None:
    (tmp_path / "story.yaml").write_text(
        "name: A story\nsteps:\n  - expect: {call: {status: 200}, within: 60s, as: up}\n"
        "  - expect: {media: up, dtmf: '9', within: 2s}\n"
    )  # fmt: skip
    program = [*VSIM, "phone", "call", "442071234567", "--talk", "4s", "--srtp", "--transport", "tls"]
    done = run([*VSIM, "run", "story.yaml", "--pcap", "out", "--capture-media", "--decrypt", "--", *program], cwd=tmp_path)
    assert done.returncode == 3, done.stdout + done.stderr
    (kept,) = (tmp_path / "out").iterdir()
    tshark = need("tshark", "tshark")
    listed = run([tshark, "-r", kept, "-q", "-z", "rtp,streams"]).stdout
    assert len(re.findall(r"0x[0-9A-F]{8} +g711U +\d{2,}", listed)) == 2, listed


def test_where_it_is_not_wanted_there_is_none(tmp_path: Path) -> None:
    serve = Serve(tmp_path)
    try:
        phone(serve, "--talk", "500ms")
        capture = Capture(serve)
        assert capture.call["media_kept"] is None and capture.packets == [] and capture.call["media"]["packets_received"] > 0
        assert capture.said.endswith("; tshark -r x.pcapng -Y sip\n")
        serve.check()
    finally:
        serve.stop()
