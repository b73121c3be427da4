"""Each fault of a call's behaviour and of its media, in whole calls."""

from base64 import b64decode, b64encode
from itertools import pairwise

import pytest

from emulator.media.libsrtp import SrtpError
from emulator.media.srtp import Inbound, Outbound
from emulator.trunk.callers import Ring
from tests.flows.test_magic import answer, codes, end, events, heard, kinds, record, sequences, speak
from tests.flows.test_media import rtp
from tests.support.customer import Customer, accepts
from tests.support.faulty import Faulty
from tests.support.network import MemoryPort
from tests.support.phone import SDP, Phone

KEY = b"t" * 30
SECURE = SDP.replace("RTP/AVP", "RTP/SAVP") + f"a=crypto:4 AES_CM_128_HMAC_SHA1_80 inline:{b64encode(KEY).decode()}\r\n"


def called(*lines: str, body: str = SDP, extra: str = "", **how: str) -> tuple[Faulty, Phone]:
    """A call on which these faults act."""
    network = Faulty(*lines)
    phone = network.phone(**how)
    phone.call(extra=extra, body=body)
    return network, phone


# -- how it is answered and ended ----------------------------------------------------------------------------------


def test_a_slow_answer() -> None:
    network = Faulty("answer 20s where called=44207*")
    phone = network.phone()
    phone.dial()
    phone.expect(100, 180)
    network.clock.advance(19.9)
    phone.expect_nothing()
    network.clock.advance(0.1)
    phone.ack(phone.expect(200))
    other = network.phone()
    other.call("14155550199")
    assert network.hits() == [1]
    (hit,) = network.events("fault.hit")
    assert (hit.call, hit.fields["called"], hit.fields["call"]) == ("1", "442071234567", "outbound")


def test_no_answer() -> None:
    network = Faulty("answer never times=1")
    phone = network.phone()
    phone.dial()
    phone.expect(100, 180)
    network.clock.advance(59.9)
    phone.expect_nothing()
    phone.cancel()
    phone.expect(200, 487)
    network.phone().call()


@pytest.mark.parametrize("line", ["answer 4s", "answer never"])
def test_a_number_that_does_not_ring_does_so_when_the_answer_takes_its_time(line: str) -> None:
    network = Faulty(line)
    phone = network.phone()
    phone.dial("447700900200")
    phone.expect(100, 180)


def test_rings_and_then_is_busy() -> None:
    network = Faulty("answer 5s status=486")
    phone = network.phone()
    phone.dial()
    phone.expect(100, 180)
    network.clock.advance(5)
    phone.ack(phone.expect(486))
    network.clock.advance(40)
    assert network.idle


def test_early_media() -> None:
    network = Faulty("answer 3s ringing=183")
    phone = network.phone()
    phone.dial()
    phone.expect(100)
    assert b"m=audio" in phone.expect(183).body
    assert len(speak(network, 50)) == 50
    network.clock.advance(2.01)
    phone.ack(phone.expect(200))


def test_a_fault_has_the_last_word_over_a_magic_number() -> None:
    network = Faulty("answer 1s where called=447700900486")
    phone = network.phone()
    phone.dial("447700900486")
    phone.expect(100, 180)
    network.clock.advance(1)
    phone.expect(200)


@pytest.mark.parametrize(("delay", "seconds"), [("0s", 0.01), ("2s", 2.0)])
def test_hangs_up(delay: str, seconds: float) -> None:
    network, phone = called(f"hang-up {delay}")
    network.clock.advance(seconds)
    phone.respond(phone.expect("BYE"), 200)
    assert record(network)["ended_by"] == "trunk"
    network.clock.advance(40)
    assert network.idle


def test_every_third_call_is_hung_up() -> None:
    network = Faulty("hang-up 1s every=3")
    phones = [network.phone() for _ in range(6)]
    for phone in phones:
        phone.call()
    network.clock.advance(1)
    assert [bool(phone.inbox) for phone in phones] == [False, False, True, False, False, True]


def test_hold() -> None:
    network, phone = called("hold 1s length=3s")
    network.clock.advance(1)
    held = phone.expect("INVITE")
    assert b"a=sendonly" in held.body
    answer(phone, held, SDP.replace("phone 1 1", "phone 1 2").replace("sendrecv", "recvonly"))
    phone.expect("ACK")
    network.clock.advance(3)
    assert b"a=sendrecv" in phone.expect("INVITE").body


PCMA_ONLY = SDP.replace("phone 1 1", "phone 1 2").replace("RTP/AVP 0 8 101", "RTP/AVP 8 101").replace("a=rtpmap:0 PCMU/8000\r\n", "")
assert "RTP/AVP 8 101" in PCMA_ONLY


def test_another_codec_in_mid_call() -> None:
    network, phone = called("codec PCMA delay=1s")
    assert record(network)["codec"] == "PCMU"
    network.clock.advance(1)
    asked = phone.expect("INVITE")
    assert b" RTP/AVP 8 101\r\n" in asked.body and b"PCMU" not in asked.body and b"a=sendrecv" in asked.body
    answer(phone, asked, PCMA_ONLY)
    phone.expect("ACK")
    assert record(network)["codec"] == "PCMA"
    (changed,) = network.events("call.codec-changed")
    assert changed.fields["codec"] == "PCMA"
    network.ports[0].hear(rtp(1, payload_type=8))
    assert network.ports[0].sent[-1][1] & 0x7F == 8
    phone.in_dialog("BYE")
    phone.expect(200)
    assert codes(network) == set()


@pytest.mark.parametrize(("body", "status"), [("", 488), (SDP, 200)])
def test_another_codec_is_refused_and_the_call_goes_on(body: str, status: int) -> None:
    """By a refusal, or by an answer that is none to the offer."""
    network, phone = called("codec G722 delay=1s")
    network.clock.advance(1)
    asked = phone.expect("INVITE")
    assert b"G722" in asked.body
    answer(phone, asked, body, status=status)
    phone.expect("ACK")
    assert record(network)["codec"] == "PCMU" and record(network)["state"] == "answered"
    assert ("codec.refused" if status == 488 else "media.codec") in codes(network)
    network.ports[0].hear(rtp(1))
    assert network.ports[0].sent[-1][1] & 0x7F == 0
    end(network, phone)


def test_a_refresh_that_is_lost() -> None:
    network, phone = called("refresh lost", extra="Supported: timer\r\n")
    speak(network, 6099)
    phone.expect_nothing()
    network.clock.advance(0.03)
    phone.respond(phone.expect("BYE"), 200)
    assert "session-timer.outlived" in codes(network)


def test_a_refresh_that_is_sent() -> None:
    network = Faulty("refresh sent interval=120s")
    phone = network.phone()
    answered = phone.call(extra="Supported: timer\r\n")
    assert answered.get("session-expires") == "120;refresher=uas"
    speak(network, 3001)
    answer(phone, phone.expect("INVITE"), SDP, "Require: timer\r\nSession-Expires: 120;refresher=uac\r\n")
    phone.expect("ACK")
    assert kinds(network)[-1] == "call.refreshed"


def test_a_refresh_so_often_for_a_client_without_session_timers() -> None:
    network, phone = called("refresh sent spacing=2s")
    for _ in range(2):
        speak(network, 99)
        phone.expect_nothing()
        speak(network, 2)
        answer(phone, phone.expect("INVITE"), SDP)
        phone.expect("ACK")
        assert kinds(network)[-1] == "call.refreshed"


# -- media ---------------------------------------------------------------------------------------------------------


def test_loss() -> None:
    network, phone = called("media loss=5%")
    sent = speak(network, 2000)
    assert 1860 < len(sent) < 1940 and heard(sent, network).lost > 50
    end(network, phone)


def test_loss_of_what_the_client_sends() -> None:
    network, _ = called("media loss=50% where direction=in")
    speak(network, 1000)
    assert 400 < record(network)["media"]["heard"]["packets"] < 600  # type: ignore[index]


def test_burst() -> None:
    network, _ = called("media burst=2% burst.length=10")
    numbers = sequences(speak(network, 2000))
    gaps = [b - a for a, b in pairwise(numbers) if b - a > 1]
    assert len(numbers) < 1950 and max(gaps) > 8


def test_a_pattern_of_losses() -> None:
    network, _ = called("media pattern=..x")
    numbers = sequences(speak(network, 30))
    assert [b - a for a, b in pairwise(numbers)] == [1, 2] * 9 + [1]


def test_jitter_and_delay() -> None:
    network, _ = called("media jitter=30ms jitter.deviation=10ms delay=100ms")
    assert len(speak(network, 5)) == 0
    sent = speak(network, 200, 5)
    assert 190 <= len(sent) <= 205


def test_reordering_and_duplicates() -> None:
    network, _ = called("media reorder=10% duplicate=10%")
    sent = speak(network, 1000)
    numbers = sequences(sent)
    assert numbers != sorted(numbers) and 1060 < len(sent) < 1140


def test_one_way() -> None:
    network, _ = called("media one-way")
    assert speak(network, 50) == [] and record(network)["media"]["heard"]["packets"] == 50  # type: ignore[index]
    deaf, _ = called("media one-way where direction=in")
    assert speak(deaf, 50) == [] and record(deaf)["media"]["heard"]["packets"] == 0  # type: ignore[index]


def test_no_media_and_silence() -> None:
    network, _ = called("media none")
    assert speak(network, 50) == []
    silent, _ = called("media silence")
    assert {packet[12:] for packet in speak(silent, 20)} == {b"\xff" * 160}


def test_late_start_and_early_stop() -> None:
    network, _ = called("media late-start=1s early-stop=2s")
    assert len(speak(network, 49)) == 0
    assert 45 <= len(speak(network, 150, 49)) <= 52


def test_another_port() -> None:
    network, _ = called("media other-port")
    assert network.ports[0].source == 10001 and len(speak(network, 5)) == 5


def test_ssrc_sequence_and_timestamp() -> None:
    network, _ = called("media ssrc-change=1s sequence-jump=100 sequence-jump.packets=20 timestamp-jump=1600 timestamp-jump.packets=20")
    sent = speak(network, 100)
    assert len({packet[8:12] for packet in sent[:45]}) == 1 and sent[0][8:12] != sent[99][8:12]
    numbers = sequences(sent)
    assert numbers[20] - numbers[19] == 101
    stamps = [int.from_bytes(packet[4:8], "big") for packet in sent]
    assert stamps[20] - stamps[19] == 1760


def test_wrong_payload_type_corruption_and_cuts() -> None:
    network, _ = called("media payload-type=96")
    assert {packet[1] & 0x7F for packet in speak(network, 10)} == {96}
    broken, _ = called("media corrupt=100% truncate=100")
    sent = speak(broken, 10)
    assert {len(packet) for packet in sent} == {100}


def secure(*lines: str) -> tuple[Faulty, MemoryPort, Inbound]:
    """A secure call, spoken in for 50 packets; what decrypts as the SDP says."""
    network = Faulty(*lines)
    phone = network.phone(transport="TLS")
    answered = phone.call(body=SECURE)
    line = next(text for text in answered.body.decode().split("\r\n") if text.startswith("a=crypto:"))
    outbound, inbound = Outbound(KEY), Inbound(b64decode(line.partition("inline:")[2]))
    for number in range(50):
        packet = bytearray(rtp(number)) + bytearray(200)
        network.ports[0].hear(bytes(packet[: outbound.protect(packet, 172)]))
        network.clock.advance(0.02)
    return network, network.ports[0], inbound


def good(port: MemoryPort, inbound: Inbound) -> int:
    """How many packets decrypt."""
    count = 0
    for packet in port.sent:
        buffer = bytearray(packet) + bytearray(200)
        try:
            inbound.unprotect(buffer, len(packet))
        except SrtpError:
            continue
        count += 1
    return count


def test_secure_media_is_good_where_nothing_is_wrong() -> None:
    _, port, inbound = secure()
    assert good(port, inbound) == len(port.sent) == 50


def test_a_wrong_key() -> None:
    _, port, inbound = secure("media srtp=wrong-key")
    assert len(port.sent) == 50 and good(port, inbound) == 0


def test_plain_rtp_where_srtp_was_agreed() -> None:
    _, port, _ = secure("media srtp=plain")
    assert {len(packet) for packet in port.sent} == {172}


def test_bad_tags() -> None:
    _, port, inbound = secure("media bad-tag=30%")
    assert len(port.sent) == 50 and 20 < good(port, inbound) < 45


@pytest.mark.parametrize("quirk", ["no-marker", "lost-end", "one-packet", "wrong-clock"])
def test_digits_with_a_fault(quirk: str) -> None:
    network, _ = called(f"dtmf {quirk} digits=5 delay=500ms")
    network.clock.advance(0.49)
    assert not events(network.ports[0])
    network.clock.advance(2)
    sent = events(network.ports[0])
    assert {packet[12] for packet in sent} == {5}
    assert sum(packet[1] >> 7 for packet in sent) == (0 if quirk == "no-marker" else 1)
    assert sum(packet[13] >> 7 for packet in sent) == {"lost-end": 0, "one-packet": 1}.get(quirk, 3)
    longest = max(int.from_bytes(packet[14:16], "big") for packet in sent)
    assert longest == {"wrong-clock": 1600, "lost-end": 640}.get(quirk, 800)


def test_the_seed_alone_says_which_packets_are_lost() -> None:
    def lost(seed: int, disturb: int) -> list[int]:
        network = Faulty("media loss=20%", faults_seed=seed)
        network.ids.take(disturb)
        network.phone().call()
        first = sequences(speak(network, 200))
        return [number - first[0] for number in first]

    assert lost(1, 0) == lost(1, 100) != lost(2, 0)


def test_several_faults_of_one_call_and_the_newer_one_counts() -> None:
    network, _ = called("media loss=100%", "media duplicate=100%", "media loss=0% where called=442071234567")
    assert len(speak(network, 10)) == 20
    assert network.hits() == [1, 1, 1]


def test_calls_elsewhere_go_as_ever() -> None:
    network = Faulty("media one-way where region=eu number=44*", "answer never where header.User-Agent=^Bad")
    network.phone("us-3-1").call()
    assert len(speak(network, 10)) == 10
    (first, second) = network.faults.list()
    assert first.near_misses == ["1 call came, not to eu; the last: us-3-1"]
    assert second.near_misses == ["1 call came, not with User-Agent as '^Bad'; the last: none"]


# -- calls in ------------------------------------------------------------------------------------------------------


def rung(*lines: str) -> tuple[Faulty, Customer]:
    """A caller has rung the customer, who has answered."""
    network = Faulty(*lines)
    customer = network.customer(script=accepts)
    network.trunk.ring(Ring(number="447700900000", caller="14155550100", forward="sip:1234@192.0.2.10:5080"))
    network.clock.advance(0)
    return network, customer


def test_no_ack_for_the_customer() -> None:
    network, customer = rung("withhold ACK where call=inbound called=447700900000 for=5s")
    customer.call.expect("INVITE")
    customer.call.expect_nothing()
    network.clock.advance(5)
    customer.call.accept()  # its 2xx once more, as 64*T1 have not passed
    network.clock.advance(0)
    customer.call.expect("ACK")


def test_a_lost_invite_to_the_customer_comes_again() -> None:
    network, customer = rung("drop where direction=out method=INVITE first=1")
    assert not customer.calls
    network.clock.advance(0.5)
    customer.call.expect("INVITE", "ACK")


def test_faults_of_calls_in_and_of_calls_out_are_told_apart() -> None:
    network, customer = rung("hang-up 2s where call=inbound", "media loss=100% where call=outbound")
    customer.call.expect("INVITE", "ACK")
    network.clock.advance(2)
    customer.call.expect("BYE")
    assert network.hits() == [1, 0]
    assert network.faults.list()[1].near_misses == ["1 call came, not with call outbound; the last: inbound"]


def test_a_proxy_that_is_down_calls_nobody() -> None:
    network = Faulty("down drop")
    customer = network.customer(script=accepts)
    record = network.trunk.ring(Ring(number="447700900000", caller="14155550100", forward="sip:1234@192.0.2.10:5080"))
    network.clock.advance(10)
    assert not customer.calls and record.attempts[0].outcome == "timeout"


def test_a_call_in_is_cut_without_a_word() -> None:
    network, customer = rung()
    customer.call.expect("INVITE", "ACK")
    network.faults.down("all", "drop", keep_calls=False)
    network.clock.advance(40)
    customer.call.expect_nothing()
    assert not network.trunk.calls


def test_a_call_in_is_kept() -> None:
    network, customer = rung()
    customer.call.expect("INVITE", "ACK")
    network.faults.down("all", "drop")
    customer.call.request("BYE")
    network.clock.advance(0)
    customer.call.expect(200)
    assert not network.trunk.calls
