"""Media in whole calls: codecs, keys, digits, what the far end plays, recordings, findings."""

import re
import struct
import wave
from array import array
from base64 import b64decode, b64encode
from itertools import pairwise
from pathlib import Path

import pytest

from emulator.journal.capture import capture
from emulator.journal.datagrams import Shelf
from emulator.media import rtcp
from emulator.media.plan import Plan
from emulator.media.srtp import Inbound, Outbound
from emulator.media.tone import digit_tone
from emulator.trunk.behaviour import Behaviour
from emulator.trunk.studio import Studio
from emulator.trunk.trunk import Policy
from tests.support.network import MemoryPort, Network
from tests.support.pcapng import Packet, read
from tests.support.phone import SDP, Phone, Received

KEY = b"t" * 30
SECURE = SDP.replace("RTP/AVP", "RTP/SAVP") + f"a=crypto:4 AES_CM_128_HMAC_SHA1_80 inline:{b64encode(KEY).decode()}\r\n"


def network_with(**media: object) -> Network:
    return Network(Policy(behaviour=Behaviour(media=Plan(**media))))  # type: ignore[arg-type]


def rtp(sequence: int, payload: bytes = b"\xff" * 160, payload_type: int = 0, marker: bool = False) -> bytes:
    return struct.pack("!BBHII", 0x80, marker << 7 | payload_type, sequence, sequence * 160, 7) + payload


def codes(network: Network) -> set[str]:
    record = network.journal.get("last")
    assert record is not None
    return {finding.code for finding in record.all_findings}


def press(network: Network, port: MemoryPort, digits: str, payload_type: int = 101) -> None:
    """Digits as telephone-events, 100 ms each."""
    sequence = 1000
    for place, digit in enumerate(digits):
        for step in (*range(1, 6), 5, 5):
            end = step == 5
            payload = struct.pack("!BBH", "0123456789*#".index(digit), end << 7 | 10, step * 160)
            port.hear(struct.pack("!BBHII", 0x80, (step == 1) << 7 | payload_type, sequence, 8000 + place * 4000, 7) + payload)
            sequence += 1
            network.clock.advance(0.02)
        network.clock.advance(0.3)


def end(phone: Phone) -> None:
    phone.in_dialog("BYE")
    phone.expect(200)


def kept(network: Network, decrypt: bool = False) -> list[Packet]:
    """The media in the capture of the last call."""
    record = network.journal.get("last")
    assert record is not None
    return [packet for packet in read(capture(record, decrypt)).packets if not packet.payload.endswith(b"\r\n")]


def test_a_capture_has_the_media_of_its_call() -> None:
    """As on the wire, or without SRTP; the goodbye of RTCP is the last of it. With the reset it is gone."""
    network = Network(shelf=Shelf(1000, 1 << 20))
    phone = network.phone(transport="TLS")
    phone.call(body=SECURE)
    outbound, sent = Outbound(KEY), []
    for k in range(20):
        packet = bytearray(rtp(k)) + bytearray(200)
        sent.append(bytes(packet[: outbound.protect(packet, 172)]))
        network.ports[0].hear(sent[-1])
        network.clock.advance(0.02)
    end(phone)
    wire, clear = kept(network), kept(network, decrypt=True)
    assert [one.payload for one in wire if one.flags == 1] == sent
    assert [one.payload for one in wire if one.flags == 2] == [*network.ports[0].sent, *network.ports[0].sent_rtcp]
    assert [one.payload[12:] for one in clear[:-1]] == [b"\xff" * 160] * 40 and rtcp.BYE in rtcp.parse(clear[-1].payload).types
    assert {(one.source, one.target) for one in wire if one.flags == 1} == {(("192.0.2.10", 4000), ("127.0.13.1", 10000))}
    list(network.journal.forget_each())
    assert network.journal.media_octets == 0


def test_media_of_a_call_that_names_no_address_is_kept_as_far_as_it_is_known() -> None:
    """On hold from its first offer on, as RFC 2543 had it: packets may come, from wherever."""
    network = Network(shelf=Shelf(1000, 1 << 20))
    phone = network.phone()
    phone.call(body=SDP.replace("c=IN IP4 192.0.2.10", "c=IN IP4 0.0.0.0"))
    network.ports[0].hear(rtp(1))
    end(phone)
    first = kept(network)[0]
    assert (first.payload, first.source, first.target) == (rtp(1), ("0.0.0.0", 4000), ("127.0.13.1", 10000))


def test_a_call_is_as_it_was_without_its_media_kept() -> None:
    """What is sent, when, and what is counted."""
    told = []
    for shelf in (None, Shelf(50, 1 << 20)):
        network = Network(shelf=shelf)
        phone = network.phone()
        phone.call()
        for k in range(100):
            network.ports[0].hear(rtp(k, payload_type=33 if k == 7 else 0))
            network.clock.advance(0.02)
        press(network, network.ports[0], "1#")
        end(phone)
        record = network.journal.get("last")
        assert record is not None and record.media is not None and (record.datagrams is None) is (shelf is None)
        told.append((network.ports[0].sent, network.ports[0].sent_rtcp, record.media.snapshot(), codes(network)))
    assert told[0] == told[1] and len(told[0][0]) > 99


def test_a_secure_call_is_answered_with_the_offered_tag_and_echoed() -> None:
    network = Network()
    phone = network.phone(transport="TLS")
    answered = phone.call(body=SECURE)
    line = next(text for text in answered.body.decode().split("\r\n") if text.startswith("a=crypto:"))
    assert line.startswith("a=crypto:4 AES_CM_128_HMAC_SHA1_80 inline:") and b"RTP/SAVP" in answered.body
    ours = b64decode(line.partition("inline:")[2])
    outbound, inbound = Outbound(KEY), Inbound(ours)
    packet = bytearray(rtp(1)) + bytearray(200)
    network.ports[0].hear(bytes(packet[: outbound.protect(packet, 172)]))
    echo = bytearray(network.ports[0].sent[0]) + bytearray(200)
    assert bytes(echo[12 : inbound.unprotect(echo, 182)]) == b"\xff" * 160
    assert network.journal.get("last").summary()["media"]["srtp"] is True  # type: ignore[union-attr]
    assert "srtp.in-clear" not in codes(network)
    end(phone)


def test_two_calls_have_two_keys_and_a_reinvite_keeps_ours() -> None:
    network = Network()
    first, second = network.phone(), network.phone()
    keys = [phone.call(body=SECURE).body.partition(b"inline:")[2].split(b"\r\n")[0] for phone in (first, second)]
    assert keys[0] != keys[1] and "srtp.in-clear" in codes(network)
    first.transmit(first.request("INVITE", first.remote_target, body=SECURE.replace("phone 1 1", "phone 1 2")))
    challenged = first.expect(407)
    first.transmit(first.request("INVITE", first.remote_target, first.credentials(challenged), SECURE.replace("phone 1 1", "phone 1 2")))
    assert first.expect(200).body.partition(b"inline:")[2].split(b"\r\n")[0] == keys[0]


def secure(direction: str = "sendrecv", tag: int = 4) -> str:
    return SECURE.replace("sendrecv", direction).replace("crypto:4", f"crypto:{tag}")


@pytest.mark.parametrize("hears", ["nothing", "a packet", "nothing it can open", "less than it takes", "nothing, held"])
def test_a_call_in_which_nothing_is_heard_is_told_of(hears: str) -> None:
    """One-way audio: where the trunk sends to, and how long it listened. What came and was no use has findings of its own."""
    network = Network()
    phone = network.phone()
    phone.call()
    if hears == "a packet":
        network.ports[0].hear(rtp(1))
    elif hears == "nothing it can open":
        network.ports[0].hear(rtp(1, payload_type=77))
    elif hears == "nothing, held":
        reinvite(phone, SDP.replace("sendrecv", "inactive"))
    network.clock.advance(2.9 if hears == "less than it takes" else 4)
    end(phone)
    record = network.journal.get("last")
    assert record is not None
    seen = [finding.seen for finding in record.all_findings if finding.code == "media.nothing-heard"]
    assert seen == (["no RTP in 4.0 s; by its SDP the client is at 192.0.2.10:4000"] if hears == "nothing" else [])


def answer_reinvite(phone: Phone, request: Received, body: str) -> None:
    lines = ["SIP/2.0 200 OK"]
    lines += [f"{name.title()}: {value}" for name, value in request.headers if name in ("via", "from", "to", "call-id", "cseq")]
    lines.append(f"Contact: <sip:{phone.caller}@{phone.host}:{phone.port}>\r\nContent-Type: application/sdp")
    phone.transmit("\r\n".join(lines) + f"\r\nContent-Length: {len(body)}\r\n\r\n{body}")


def test_an_offer_of_ours_in_a_secure_call_repeats_tag_and_key() -> None:
    """RFC 4568 7.1.4: a key that does not change keeps its context."""
    network = Network()
    phone = network.phone(transport="TLS")
    answered = phone.call("447700900710", body=SECURE)
    keys = re.findall(rb"a=crypto:.*", answered.body)
    stream = network.ports[0].stream
    assert stream is not None and len(keys) == 1
    contexts = stream._inbound, stream._outbound
    for after, direction, theirs in ((2, b"sendonly", "recvonly"), (2.1, b"sendrecv", "sendrecv")):
        network.clock.advance(after)
        offer = phone.expect("INVITE")
        assert re.findall(rb"a=crypto:.*", offer.body) == keys and direction in offer.body
        answer_reinvite(phone, offer, secure(theirs))
        phone.expect("ACK")
    assert (stream._inbound, stream._outbound) == contexts and stream.agreement.send and stream.agreement.receive
    assert not codes(network) - {"sdp.version"}
    end(phone)


def test_a_late_reinvite_in_a_secure_call_is_offered_srtp() -> None:
    network = Network()
    phone = network.phone(transport="TLS")
    phone.call(body=SECURE)
    phone.transmit(phone.request("INVITE", phone.remote_target))
    challenged = phone.expect(407)
    phone.transmit(phone.request("INVITE", phone.remote_target, phone.credentials(challenged)))
    offered = phone.expect(200)
    assert b"RTP/SAVP 8 0 9" in offered.body and b"a=crypto:1 " in offered.body
    phone.transmit(phone.request("ACK", phone.remote_target, body=secure(tag=1), cseq=phone.cseq))
    assert "sdp.answer" not in codes(network) and network.trunk.calls
    end(phone)


def test_digits_are_told_of_and_in_the_summary() -> None:
    network = Network()
    phone = network.phone()
    phone.call()
    press(network, network.ports[0], "1234#")
    told = [event.fields for event in network.journal.events() if event.kind == "call.digit"]
    assert [fields["digit"] for fields in told] == list("1234#")
    assert told[0]["ms"] == 100 and told[0]["volume"] == -10
    end(phone)
    last = network.journal.events()[-1]
    assert (last.kind, last.fields["digits"]) == ("call.ended", "1234#")
    echoed = [packet[12] for packet in network.ports[0].sent if packet[1] & 0x7F == 101]
    assert list(dict.fromkeys(echoed)) == [1, 2, 3, 4, 11]


def test_a_codec_of_each_kind_is_echoed_whatever_its_packets() -> None:
    """interop-quirks 11: what counts is the packet, not the attribute."""
    for lines, payload_type, octets in (
        ("9\r\na=ptime:40", 9, 320), ("18\r\na=rtpmap:18 G729/8000", 18, 20), ("111\r\na=rtpmap:111 iLBC/8000", 111, 50),
        ("99\r\na=rtpmap:99 speex/16000", 99, 70),
    ):  # fmt: skip
        network = Network()
        phone = network.phone()
        phone.call(body=SDP.partition("m=")[0] + f"m=audio 4000 RTP/AVP {lines}\r\n")
        network.ports[0].hear(rtp(1, bytes(octets), payload_type))
        assert len(network.ports[0].sent[0]) == 12 + octets


@pytest.mark.parametrize("play", ["tone", "silence"])
def test_the_far_end_plays_at_its_pace_from_the_answer_on(play: str) -> None:
    network = Network(Policy(behaviour=Behaviour(answer_after=1, media=Plan(play))))
    phone = network.phone()
    phone.dial()
    answered = None
    network.clock.advance(0.99)
    assert not network.ports[0].sent
    network.clock.advance(1.01)
    phone.expect(100, 180)
    answered = phone.expect(200)
    phone.ack(answered)
    sent = network.ports[0].sent
    assert len(sent) == 51 and sent[0][1] == 0x80 and sent[1][1] == 0
    stamps = [int.from_bytes(packet[4:8], "big") for packet in sent]
    assert {(b - a) & 0xFFFFFFFF for a, b in pairwise(stamps)} == {160}
    assert (set(sent[5][12:]) == {0xFF}) is (play == "silence")
    network.ports[0].hear(rtp(1))
    assert len(sent) == 51  # no echo
    end(phone)
    network.clock.advance(40)
    assert len(sent) == 51 and network.idle


def test_nothing_is_sent_where_the_far_end_is_mute() -> None:
    network = network_with(play="nothing")
    network.phone().call()
    network.ports[0].hear(rtp(1))
    network.clock.advance(10)
    assert not network.ports[0].sent


def test_early_media_is_played_before_the_answer() -> None:
    network = Network(Policy(behaviour=Behaviour(ringing=183, answer_after=1, media=Plan("tone"))))
    network.phone().dial()
    network.clock.advance(0.5)
    assert len(network.ports[0].sent) == 26


def test_packets_before_the_answer_are_told_unless_media_is_early() -> None:
    for ringing, told in ((180, True), (183, False)):
        network = Network(Policy(behaviour=Behaviour(ringing=ringing, answer_after=1)))
        network.phone().dial()
        network.ports[0].hear(rtp(1))
        network.clock.advance(2)
        assert ("media.before-answer" in codes(network)) is told


def test_the_far_end_dials() -> None:
    network = network_with(digits="12#", digits_after=0.5)
    phone = network.phone()
    phone.call()
    network.clock.advance(3)
    events = [packet for packet in network.ports[0].sent if packet[1] & 0x7F == 101]
    assert list(dict.fromkeys(packet[12] for packet in events)) == [1, 2, 11]
    end(phone)


def test_the_echo_is_impaired_by_the_seed() -> None:
    def sent(seed: int) -> list[bytes]:
        network = Network(Policy(behaviour=Behaviour(media=Plan(sent=(("loss", {"probability": 0.3}),)))), seed=seed)
        network.phone().call()
        for k in range(100):
            network.ports[0].hear(rtp(k))
        return [packet[2:4] for packet in network.ports[0].sent]

    one = sent(1)
    assert 50 < len(one) < 90 and one == sent(1) and one != sent(2)


def test_a_digit_that_is_sent_as_a_tone_is_noticed() -> None:
    network = Network()
    phone = network.phone()
    phone.call()
    from emulator.media import g711

    tone = g711.encode("PCMU", digit_tone("5", 0.2))
    for k in range(10):
        network.ports[0].hear(rtp(k, tone[k * 160 : k * 160 + 160]))
        network.clock.advance(0.02)
    assert "dtmf.in-band" in codes(network)
    end(phone)
    network.clock.advance(40)
    assert network.idle and not network.clock.pending


def test_a_recording_has_what_was_heard_on_the_left_and_what_was_sent_on_the_right(tmp_path: Path) -> None:
    network = Network(Policy(behaviour=Behaviour(media=Plan("tone"))))
    network.trunk.studio = Studio(network.clock, record=tmp_path)
    phone = network.phone()
    phone.call()
    for k in range(50):
        network.ports[0].hear(rtp(k, b"\xff" * 160))
        network.clock.advance(0.02)
    end(phone)
    event = network.journal.events()[-1]
    with wave.open(str(event.fields["recording"])) as recorded:
        assert (recorded.getnchannels(), recorded.getframerate(), recorded.getsampwidth()) == (2, 8000, 2)
        samples = struct.unpack(f"<{2 * recorded.getnframes()}h", recorded.readframes(recorded.getnframes()))
    assert 7000 < len(samples[0::2]) < 9000
    assert max(map(abs, samples[0::2])) < 10 and max(samples[1::2]) > 5000


def test_a_folder_that_can_not_be_written_costs_no_call(tmp_path: Path) -> None:
    network = Network()
    network.trunk.studio = Studio(network.clock, record=tmp_path / "none")
    phone = network.phone()
    phone.call()
    end(phone)
    assert "media.not-recorded" in codes(network)


def test_a_recording_leaves_descriptors_to_others(tmp_path: Path) -> None:
    """The call goes on, and the log says why it is not recorded and what to do, as soon as that is known."""
    network = Network()
    network.trunk.studio = Studio(network.clock, record=tmp_path, descriptors=3)
    phone = network.phone()
    phone.call()
    (event,) = [event for event in network.journal.events() if event.kind == "finding"]
    assert "open files are near their limit; raise it (ulimit -n), or record fewer calls at once" in event.fields["finding"]
    network.ports[0].hear(rtp(0))
    assert len(network.ports[0].sent) == 1 and not list(tmp_path.iterdir())
    end(phone)
    assert "media.not-recorded" in codes(network) and "recording" not in network.journal.events()[-1].fields
    network.trunk.studio = Studio(network.clock, record=tmp_path, descriptors=1000)
    again = network.phone()
    again.call()
    assert len(list(tmp_path.iterdir())) == 1
    end(again)


def test_what_a_call_was_like_is_in_its_last_event() -> None:
    network = Network()
    phone = network.phone()
    phone.call()
    for k in range(100):
        if k % 10:
            network.ports[0].hear(rtp(k))
        network.clock.advance(0.02)
    for late in (50, 51):  # one that was missing, one that was not
        network.ports[0].hear(rtp(late))
    stream = network.ports[0].stream
    assert stream is not None
    stream.receive_rtcp(rtcp.receiver_report(7, rtcp.report_block(stream.ssrc, 0, 9, 200, 80, 0, 0)) + rtcp.description(7, "phone"))
    end(phone)
    last = network.journal.events()[-1].fields
    assert (last["packets"], last["lost"], last["reordered"]) == (92, 7, 2) and last["mos"] < 4 and "rtp.loss" in codes(network)
    assert (last["sent"], last["sent_lost"], last["sent_jitter_ms"]) == (92, 9, 10.0) and last["sent_mos"] < 4


def reinvite(phone: Phone, body: str) -> str:
    """One more offer, with the challenge answered; the body of its answer."""
    phone.invite(body=body)
    challenged = phone.expect(407)
    phone.ack(challenged)
    phone.invite(body=body, extra=phone.credentials(challenged))
    answered = phone.expect(200)
    phone.ack(answered)
    return answered.body.decode()


@pytest.mark.parametrize(
    ("formats", "ptime", "octets", "step"), [("0", 40, 320, 320), ("18", 60, 60, 480), ("99\r\na=rtpmap:99 speex/16000", 40, 139, 640)]
)
def test_what_the_far_end_plays_comes_in_packets_as_long_as_the_client_asks(formats: str, ptime: int, octets: int, step: int) -> None:
    """RFC 8866 6.4; interop-quirks 11."""
    network = network_with(play="tone")
    network.phone().call(body=SDP.partition("m=")[0] + f"m=audio 4000 RTP/AVP {formats}\r\na=ptime:{ptime}\r\na=maxptime:60\r\n")
    network.clock.advance(1.2)
    sent = network.ports[0].sent
    assert {len(packet) - 12 for packet in sent} == {octets} and len(sent) == 1200 // ptime + 1
    stamps = [int.from_bytes(packet[4:8], "big") for packet in sent]
    assert {(b - a) & 0xFFFFFFFF for a, b in pairwise(stamps)} == {step}


@pytest.mark.parametrize(("formats", "stand_in"), [("0", False), ("9", True)])
def test_a_file_is_played_in_g711_and_a_tone_stands_in_elsewhere(formats: str, stand_in: bool) -> None:
    network = network_with(play="hello.wav")
    network.trunk.studio = Studio(network.clock, prompts={"hello.wav": array("h", [1000] * 1600)})
    phone = network.phone()
    phone.call(body=SDP.partition("m=")[0] + f"m=audio 4000 RTP/AVP {formats}\r\n")
    network.clock.advance(1)
    end(phone)
    assert (len({packet[12:] for packet in network.ports[0].sent}) == 1) is not stand_in
    assert ("media.stand-in" in codes(network)) is stand_in


def test_an_echo_with_delay() -> None:
    """`media.impair_sent: [delay seconds=0.5]`: every packet comes back, half a second later."""
    network = network_with(sent=(("delay", {"seconds": 0.5}),))
    network.phone().call()
    port = network.ports[0]
    for k in range(25):
        assert not port.sent
        port.hear(rtp(k, bytes([k]) * 160))
        network.clock.advance(0.02)
    network.clock.advance(0.51)
    assert [packet[12] for packet in port.sent] == list(range(25))


def test_another_key_of_theirs_by_reinvite_in_a_call() -> None:
    """RFC 4568 7.1.4."""
    network = network_with()
    phone = network.phone(transport="TLS")
    ours = b64decode(phone.call(body=SECURE).body.partition(b"inline:")[2].split(b"\r\n")[0])
    inbound, port = Inbound(ours), network.ports[0]

    def echoed(outbound: Outbound, sequence: int) -> bool:
        packet = bytearray(rtp(sequence)) + bytearray(200)
        count = len(port.sent)
        port.hear(bytes(packet[: outbound.protect(packet, 172)]))
        if len(port.sent) == count:
            return False
        echo = bytearray(port.sent[-1]) + bytearray(200)
        return inbound.unprotect(echo, 182) == 172

    old, new = Outbound(KEY), Outbound(b"n" * 30)
    assert echoed(old, 1) and not echoed(new, 2)
    body = SECURE.replace(b64encode(KEY).decode(), b64encode(b"n" * 30).decode()).replace("phone 1 1", "phone 1 2")
    assert b64encode(ours).decode() in reinvite(phone, body)
    assert echoed(new, 3) and not echoed(old, 4)
    assert {"srtp.forged"} <= codes(network)


@pytest.mark.parametrize(
    ("change", "answer"),
    [
        (("a=sendrecv", "a=sendonly"), "a=recvonly"),
        (("a=sendrecv", "a=inactive"), "a=inactive"),
        (("c=IN IP4 192.0.2.10", "c=IN IP4 0.0.0.0"), "a=recvonly"),
    ],
)
def test_each_form_of_hold_silences_us_until_it_is_lifted(change: tuple[str, str], answer: str) -> None:
    """RFC 3264 8.4, and RFC 2543's null address; interop-quirks 13."""
    network = network_with(play="tone")
    phone = network.phone()
    phone.call()
    port = network.ports[0]
    network.clock.advance(0.1)
    assert answer in reinvite(phone, SDP.replace("phone 1 1", "phone 1 2").replace(*change))
    count = len(port.sent)
    network.clock.advance(2)
    assert len(port.sent) == count > 0
    assert "a=sendrecv" in reinvite(phone, SDP.replace("phone 1 1", "phone 1 3"))
    network.clock.advance(1)
    assert len(port.sent) >= count + 49 and "sdp.version" not in codes(network)


@pytest.mark.parametrize(
    ("line", "warning"),
    [
        ("m=audio 4000 RTP/AVP 3", "305"),
        ("m=video 4000 RTP/AVP 97", "304"),
        ("m=audio 4000 RTP/SAVP 0", "399"),
        (f"m=audio 4000 RTP/SAVP 0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{b64encode(KEY).decode()}|2^20|1:4", "399"),
        (f"m=audio 4000 RTP/SAVP 0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_32 inline:{b64encode(KEY).decode()}", "399"),
    ],
)
def test_an_offer_that_fits_nothing_gets_488_with_a_warning(line: str, warning: str) -> None:
    """RFC 3261 20.43, 21.4.26; RFC 4568 6.1: no MKI, no other suite. vonage-facts, default 31, has 304 where no codec fits."""
    network = Network()
    phone = network.phone()
    phone.dial(body=SDP.partition("m=")[0] + line + "\r\n")
    refused = phone.expect(488)
    warnings = [value for name, value in refused.headers if name == "warning"]
    assert warnings[0].startswith(f"{warning} 127.0.13.1")
    assert any(value.startswith('304 127.0.13.1 "') for value in warnings) == (warning in ("304", "305"))
    assert len(set(warnings)) == len(warnings), "the same is said twice"
    network.clock.advance(40)
    assert network.idle


def test_the_offer_after_a_fax_that_was_refused_counts_on_from_it() -> None:
    """RFC 3264 8: the version goes one up from the description before, taken or not."""
    network = Network()
    phone = network.phone()
    phone.call()
    for version, body, status in ((2, SDP.replace("audio 4000 RTP/AVP 0 8 101", "image 4000 udptl t38"), 488), (3, SDP, 200)):
        phone.invite(body=body.replace("1 1 IN", f"1 {version} IN"))
        challenged = phone.expect(407)
        phone.ack(challenged)
        phone.invite(body=body.replace("1 1 IN", f"1 {version} IN"), extra=phone.credentials(challenged))
        phone.ack(phone.expect(status))
    end(phone)
    assert codes(network) == {"media.t38"}


@pytest.mark.parametrize("version", [2, 3, 5])
def test_an_offer_counts_whatever_it_was_refused_for(version: int) -> None:
    """A session interval too small, say, or a glare: the next offer may be the same again, or follow it (RFC 3264 8)."""
    network = Network()
    phone = network.phone()
    phone.call()
    phone.invite(body=SDP.replace("1 1 IN", "1 2 IN"), extra="Supported: timer\r\nSession-Expires: 20\r\n")
    phone.ack(phone.expect(422))
    reinvite(phone, SDP.replace("1 1 IN", f"1 {version} IN"))
    end(phone)
    assert codes(network) == {"session-timer.too-small"} | ({"sdp.version"} if version == 5 else set())


def test_a_recording_that_is_cut_short_says_so(tmp_path: Path) -> None:
    network = Network()
    network.trunk.studio = Studio(network.clock, record=tmp_path, seconds=0.5)
    phone = network.phone()
    phone.call()
    for k in range(50):
        network.ports[0].hear(rtp(k))
        network.clock.advance(0.02)
    end(phone)
    with wave.open(str(network.journal.events()[-1].fields["recording"])) as recorded:
        assert recorded.getnframes() == 4000
    assert "media.not-recorded" in codes(network)


def test_recordings_take_no_more_than_they_may_together(tmp_path: Path) -> None:
    """Three calls of a second each, and room for one and a half; nobody is hung up for it."""
    network = Network()
    network.trunk.studio = Studio(network.clock, record=tmp_path, octets=48_000)
    frames, told = [], []
    for number in range(3):
        phone = network.phone()
        phone.call()
        for k in range(50):
            network.ports[number].hear(rtp(k))
            network.clock.advance(0.02)
        end(phone)
        with wave.open(str(network.journal.events()[-1].fields["recording"])) as recorded:
            frames.append(recorded.getnframes())
        told.append("media.not-recorded" in codes(network))
    assert frames == [8000, 4000, 0] and told == [False, True, True]
