"""Each magic number's whole conversation, on a stepped clock."""

import re
import struct

import pytest

from emulator.media.reception import Reception
from emulator.trunk.behaviour import Behaviour
from emulator.trunk.trunk import Policy
from tests.support.network import MemoryPort, Network
from tests.support.phone import SDP, Phone, Received


def magic(digits: str) -> str:
    return "447700900" + digits


def speak(network: Network, packets: int, first: int = 0, port: int = 0) -> list[bytes]:
    """`packets` of audio at their pace; what came back meanwhile."""
    own = network.ports[port]
    before = len(own.sent)
    for k in range(first, first + packets):
        own.hear(struct.pack("!BBHII", 0x80, 0, k, k * 160, 7) + k.to_bytes(2, "big") * 80)
        network.clock.advance(0.02)
    return own.sent[before:]


def answer(phone: Phone, request: Received, body: str = SDP, extra: str = "", status: int = 200) -> None:
    """Answer a re-INVITE."""
    lines = [f"SIP/2.0 {status} So"]
    lines += [f"{name.title()}: {value}" for name, value in request.headers if name in ("via", "from", "to", "call-id", "cseq")]
    lines.append(f"Contact: <sip:{phone.caller}@{phone.host}:{phone.port}>")
    if body:
        extra += "Content-Type: application/sdp\r\n"
    phone.transmit("\r\n".join(lines) + f"\r\n{extra}Content-Length: {len(body)}\r\n\r\n{body}")


def end(network: Network, phone: Phone) -> None:
    """The caller hangs up, and nothing is left over."""
    phone.in_dialog("BYE")
    phone.expect(200)
    over(network)


def over(network: Network) -> None:
    network.clock.advance(40)
    assert network.idle and not network.clock.pending


def record(network: Network) -> dict[str, object]:
    found = network.journal.get("last")
    assert found is not None
    return found.summary()


def codes(network: Network) -> set[str]:
    found = network.journal.get("last")
    assert found is not None
    return {finding.code for finding in found.all_findings}


def kinds(network: Network) -> list[str]:
    return [event.kind for event in network.journal.events()]


def sequences(packets: list[bytes]) -> list[int]:
    return [int.from_bytes(packet[2:4], "big") for packet in packets]


# Signalling


def test_000_is_never_answered(network: Network) -> None:
    phone = network.phone()
    text = phone.dial(magic("000"))
    for seconds in (0.5, 1, 2, 4, 8, 16):  # timer A
        network.clock.advance(seconds)
        phone.transmit(text)
    phone.expect_nothing()
    assert record(network)["state"] == "trying" and record(network)["magic"] == "000"
    assert not network.ports and network.endpoint().transactions == 1
    network.clock.advance(5.6)
    assert network.idle and not network.clock.pending
    phone.expect_nothing()
    assert (record(network)["state"], record(network)["ended_by"]) == ("ended", "unanswered")
    assert kinds(network)[-3:] == ["call.magic", "call.started", "call.ended"]


def test_000_and_a_cancel(network: Network) -> None:
    phone = network.phone()
    phone.dial(magic("000"))
    phone.cancel()
    phone.expect(200)
    phone.expect_nothing()
    over(network)


def test_000_is_dropped_when_the_emulator_stops(network: Network) -> None:
    done: list[bool] = []
    network.phone().dial(magic("000"))
    network.trunk.hang_up_all(lambda: done.append(True))
    assert done and network.idle


def test_100_is_trying_and_then_silence(network: Network) -> None:
    phone = network.phone()
    text = phone.dial(magic("100"))
    phone.expect(100)
    phone.transmit(text)
    phone.expect(100)
    network.clock.advance(179.9)
    phone.expect_nothing()
    assert len(network.trunk.calls) == 1
    network.clock.advance(0.2)
    phone.expect_nothing()
    assert network.idle and not network.clock.pending
    assert (record(network)["state"], record(network)["ended_by"]) == ("ended", "unanswered")


def test_100_can_be_cancelled(network: Network) -> None:
    phone = network.phone()
    phone.dial(magic("100"))
    phone.expect(100)
    phone.cancel()
    phone.ack(phone.expect(200, 487))
    assert record(network)["state"] == "cancelled"
    over(network)


def test_180_rings_five_seconds(network: Network) -> None:
    phone = network.phone()
    phone.dial(magic("180"))
    phone.expect(100, 180)
    network.clock.advance(4.99)
    phone.expect_nothing()
    network.clock.advance(0.01)
    phone.ack(phone.expect(200))
    assert len(speak(network, 20)) == 20
    end(network, phone)


@pytest.mark.parametrize("reliable", [False, True])
def test_183_is_heard_before_it_answers(network: Network, reliable: bool) -> None:
    phone = network.phone()
    phone.dial(magic("183"), "Require: 100rel\r\n" if reliable else "")
    early = phone.expect(100, 183)
    assert b"m=audio 10000 " in early.body
    if reliable:
        phone.to_tag, phone.remote_target = early.to_tag, (early.get("contact") or "")[1:-1]
        phone.in_dialog("PRACK", f"RAck: {early.get('rseq')} {early.get('cseq')}\r\n")
        phone.expect(200)
    assert len(speak(network, 149)) == 149
    phone.expect_nothing()
    network.clock.advance(0.03)
    phone.ack(phone.expect(200))
    assert len(speak(network, 20, 200)) == 20 and "media.before-answer" not in codes(network)
    end(network, phone)


def test_200_answers_at_once_whatever_is_set() -> None:
    network = Network(Policy(behaviour=Behaviour(answer_after=10, ringing=183)))
    phone = network.phone()
    phone.dial(magic("200"))
    phone.ack(phone.expect(100, 200))
    assert len(speak(network, 20)) == 20
    end(network, phone)


def test_202_hangs_up_after_two_seconds(network: Network) -> None:
    phone = network.phone()
    phone.call(magic("202"))
    assert len(speak(network, 99)) == 99
    phone.expect_nothing()
    network.clock.advance(0.03)
    phone.respond(phone.expect("BYE"), 200)
    assert record(network)["ended_by"] == "trunk"
    over(network)


def test_487_rings_until_the_caller_cancels(network: Network) -> None:
    phone = network.phone()
    phone.dial(magic("487"))
    phone.expect(100, 180)
    network.clock.advance(59)
    phone.cancel()
    phone.ack(phone.expect(200, 487))
    assert record(network)["state"] == "cancelled"
    over(network)


def test_487_gives_up_after_a_minute(network: Network) -> None:
    phone = network.phone()
    phone.dial(magic("487"))
    phone.expect(100, 180)
    network.clock.advance(60)
    refused = phone.expect(480)
    assert "call.unanswered: no answer in 60 s" in (refused.get("warning") or "")
    phone.ack(refused)
    assert (record(network)["state"], record(network)["status"]) == ("refused", 480) and "call.unanswered" in codes(network)
    over(network)


@pytest.mark.parametrize("transport", ["UDP", "TLS"])
@pytest.mark.parametrize(
    ("status", "reason"),
    [(400, "Bad Request"), (403, "Forbidden"), (404, "Not Found"), (408, "Request Timeout"), (418, "Request Failure"), (486, "Busy Here"),
     (488, "Not Acceptable Here"), (503, "Service Unavailable"), (599, "Server Failure"), (603, "Decline"), (699, "Global Failure")],
)  # fmt: skip
def test_refusals(network: Network, transport: str, status: int, reason: str) -> None:
    phone = network.phone(transport=transport)
    phone.dial(magic(str(status)))
    refused = phone.expect(status)
    assert refused.start == f"SIP/2.0 {status} {reason}" and "magic.refused" in (refused.get("warning") or "")
    phone.ack(refused)
    assert (record(network)["state"], record(network)["status"], record(network)["magic"]) == ("refused", status, str(status))
    assert record(network)["called"] == magic(str(status)) and not network.ports
    over(network)


def test_a_refusal_comes_before_anybody_looks_at_the_media(network: Network) -> None:
    phone = network.phone()
    phone.dial(magic("486"), body=SDP.replace("0 8 101", "3"))
    phone.expect(486)


@pytest.mark.parametrize(("status", "header"), [(401, "www-authenticate"), (407, "proxy-authenticate")])
def test_endless_challenges(network: Network, status: int, header: str) -> None:
    phone = network.phone()
    phone.dial(magic(str(status)))
    for _ in range(3):
        again = phone.expect(status)
        assert again.get(header)
        phone.ack(again)
        phone.invite(magic(str(status)))
        challenged = phone.expect(407)
        phone.ack(challenged)
        phone.invite(magic(str(status)), phone.credentials(challenged))
    over(network)


def test_a_stranger_is_challenged_first(network: Network) -> None:
    for digits in ("000", "486", "200"):
        phone = network.phone()
        phone.invite(magic(digits))
        phone.expect(407)
        phone.expect_nothing()
    assert not record(network)["magic"]


def test_they_can_be_turned_off() -> None:
    network = Network(Policy(magic_numbers=False))
    phone = network.phone()
    phone.call(magic("486"))
    assert not record(network)["magic"] and "call.magic" not in kinds(network)
    end(network, phone)


def test_later_choosers_have_the_last_word(network: Network) -> None:
    seen: list[tuple[str, str]] = []

    def ordinary(facts, behaviour):  # type: ignore[no-untyped-def]
        seen.append((facts.called, behaviour.magic))
        return Behaviour()

    network.trunk.behaviours.append(ordinary)
    phone = network.phone()
    phone.call(magic("486"))
    assert seen == [(magic("486"), "486")]
    end(network, phone)


# Media


def heard(packets: list[bytes], network: Network) -> Reception:
    """Packets as a receiver counts them that gets them at an even pace."""
    reception = Reception(8000)
    for k, packet in enumerate(packets):
        _, second, sequence, timestamp, source = struct.unpack("!BBHII", packet[:12])
        reception.packet(sequence, timestamp, source, len(packet), second >> 7, k * 0.02, False)
    return reception


def test_701_sends_no_media(network: Network) -> None:
    phone = network.phone()
    phone.call(magic("701"))
    assert speak(network, 500) == [] and network.ports[0].sent_rtcp
    assert record(network)["media"]["packets_received"] == 500  # type: ignore[index]
    end(network, phone)


def test_702_is_silent(network: Network) -> None:
    phone = network.phone()
    phone.call(magic("702"))
    sent = speak(network, 100)
    assert 99 <= len(sent) <= 101 and {packet[12:] for packet in sent} == {b"\xff" * 160}
    assert record(network)["media"]["packets_received"] == 100  # type: ignore[index]
    end(network, phone)


def test_703_loses_one_in_twenty(network: Network) -> None:
    phone = network.phone()
    phone.call(magic("703"))
    sent = speak(network, 2000)
    assert 1860 < len(sent) < 1940
    assert heard(sent, network).lost > 50
    end(network, phone)


def test_704_is_late_by_chance_and_in_order(network: Network) -> None:
    phone = network.phone()
    phone.call(magic("704"))
    port, came = network.ports[0], []
    stream = port.stream
    assert stream is not None
    stream.send = lambda data: came.append((network.clock.seconds(), bytes(data[:12])))
    speak(network, 1000)
    network.clock.advance(1)
    reception = Reception(8000)
    for seconds, packet in came:
        _, second, sequence, timestamp, source = struct.unpack("!BBHII", packet)
        reception.packet(sequence, timestamp, source, 172, second >> 7, seconds, False)
    assert reception.packets == 1000 and reception.reordered == 0 and 10 < reception.jitter_ms < 40
    end(network, phone)


def test_705_reorders(network: Network) -> None:
    phone = network.phone()
    phone.call(magic("705"))
    sent = speak(network, 1000)
    network.clock.advance(1)
    numbers = sequences(sent)
    assert numbers != sorted(numbers) and 60 < heard(sent, network).reordered < 140 and len(set(numbers)) == len(numbers)
    end(network, phone)


def test_706_sends_some_twice(network: Network) -> None:
    phone = network.phone()
    phone.call(magic("706"))
    sent = speak(network, 1000)
    assert 1060 < len(sent) < 1140 and len(set(sent)) == 1000
    end(network, phone)


def test_707_comes_from_another_port(network: Network) -> None:
    phone = network.phone()
    answered = phone.call(magic("707"))
    assert b"m=audio 10000 " in answered.body and network.ports[0].source == 10001
    assert len(speak(network, 20)) == 20
    end(network, phone)


def test_708_changes_its_ssrc(network: Network) -> None:
    phone = network.phone()
    phone.call(magic("708"))
    sent = speak(network, 200)
    sources = [packet[8:12] for packet in sent]
    assert len(set(sources[:100])) == 1 and len(set(sources[100:])) == 1 and sources[0] != sources[199]
    assert sequences(sent)[100] != sequences(sent)[99] + 1
    end(network, phone)


# Inside the call


def test_710_holds_and_resumes(network: Network) -> None:
    """RFC 3264 8.4."""
    phone = network.phone()
    answered = phone.call(magic("710"))
    assert len(speak(network, 99, 1)) == 99
    phone.expect_nothing()
    network.clock.advance(0.03)
    held = phone.expect("INVITE")
    assert held.body == changed(answered.body, 2, b"sendonly")
    answer(phone, held, SDP.replace("phone 1 1", "phone 1 2").replace("sendrecv", "recvonly"))
    phone.expect("ACK")
    assert speak(network, 99, 100) == [] and kinds(network)[-1] == "call.held"
    phone.expect_nothing()
    speak(network, 1, 199)
    network.clock.advance(0.01)
    resumed = phone.expect("INVITE")
    assert resumed.body == changed(answered.body, 3, b"sendrecv")
    answer(phone, resumed, SDP.replace("phone 1 1", "phone 1 3"))
    phone.expect("ACK")
    assert len(speak(network, 20, 200)) == 20 and kinds(network)[-1] == "call.resumed"
    network.clock.advance(30)
    phone.expect_nothing()
    assert codes(network) == {"media.direction"}  # it went on talking while it was held
    end(network, phone)


def changed(body: bytes, version: int, direction: bytes) -> bytes:
    return re.sub(rb"o=- (\d+) 1 ", rb"o=- \1 %d " % version, body).replace(b"sendrecv", direction)


def test_710_and_a_client_that_refuses_it(network: Network) -> None:
    """RFC 3261 14.1: the session goes on as it was; the next offer's version is one higher than the refused one's."""
    phone = network.phone()
    answered = phone.call(magic("710"))
    network.clock.advance(2)
    answer(phone, phone.expect("INVITE"), "", status=488)
    phone.expect("ACK")
    assert "hold.refused" in codes(network) and len(speak(network, 20)) == 20
    network.clock.advance(2)
    resumed = phone.expect("INVITE")
    assert resumed.body == changed(answered.body, 3, b"sendrecv")
    answer(phone, resumed)
    phone.expect("ACK")
    end(network, phone)


def test_710_and_a_client_that_answers_the_hold_as_if_it_were_none(network: Network) -> None:
    phone = network.phone()
    phone.call(magic("710"))
    network.clock.advance(2)
    answer(phone, phone.expect("INVITE"))
    phone.expect("ACK")
    assert codes(network) == {"sdp.direction"}


def test_710_waits_for_an_ack_that_is_late(network: Network) -> None:
    phone = network.phone()
    phone.dial(magic("710"))
    answered = phone.expect(100, 180, 200)
    network.clock.advance(2.9)
    phone.inbox.clear()
    phone.ack(answered)
    network.clock.advance(0.1)
    assert phone.expect("INVITE").body == changed(answered.body, 2, b"sendonly")  # those that were not sent count for nothing


def test_710_makes_way_for_a_client_that_tries_again_first_after_a_glare(network: Network) -> None:
    """RFC 3261 14.1 and 14.2: our INVITE is not under way while it waits. The hold follows, on the description that holds by then."""
    phone = network.phone()
    answered = phone.call(magic("710"))
    network.clock.advance(2)
    held = phone.expect("INVITE")
    answer(phone, held, "", status=491)
    phone.expect("ACK")
    phone.invite(body=SDP.replace("phone 1 1", "phone 1 2"))
    challenged = phone.expect(407)
    phone.ack(challenged)
    phone.invite(extra=phone.credentials(challenged), body=SDP.replace("phone 1 1", "phone 1 2"))
    taken = phone.expect(200)
    assert taken.body == changed(answered.body, 3, b"sendrecv")  # 2 was refused
    network.clock.advance(3)
    while phone.inbox:
        assert phone.inbox.pop(0).status == 200  # nothing else while theirs has no ACK
    phone.ack(taken)
    while not phone.inbox:
        network.clock.advance(0.01)
    held = phone.expect("INVITE")
    assert held.body == changed(answered.body, 4, b"sendonly")
    answer(phone, held, SDP.replace("phone 1 1", "phone 1 3").replace("sendrecv", "recvonly"))
    phone.expect("ACK")
    assert kinds(network)[-1] == "call.held" and codes(network) == set()
    end(network, phone)


def test_711_refreshes_for_a_client_without_timers(network: Network) -> None:
    phone = network.phone()
    answered = phone.call(magic("711"))
    assert answered.get("session-expires") is None and answered.get("require") is None
    for round_ in range(3):
        speak(network, 4498, 5000 * round_)
        phone.expect_nothing()
        network.clock.advance(0.05)
        refresh = phone.expect("INVITE")
        assert refresh.body == answered.body and refresh.get("session-expires") is None
        answer(phone, refresh)
        phone.expect("ACK")
    assert kinds(network).count("call.refreshed") == 3
    end(network, phone)


def test_711_refreshes_by_the_timer_of_a_client_that_knows_them(network: Network) -> None:
    phone = network.phone()
    answered = phone.call(magic("711"), "Supported: timer\r\n")
    assert answered.get("session-expires") == "180;refresher=uas" and answered.get("require") == "timer"
    for round_ in range(3):
        speak(network, 4498, 5000 * round_)
        network.clock.advance(0.05)
        refresh = phone.expect("INVITE")
        assert refresh.body == answered.body and refresh.get("session-expires") == "180;refresher=uac"
        answer(phone, refresh, SDP, "Require: timer\r\nSession-Expires: 180;refresher=uac\r\n")
        phone.expect("ACK")
        phone.expect_nothing()
    assert kinds(network).count("call.refreshed") == 3
    end(network, phone)


def test_711_refreshes_a_session_that_the_client_means_to_refresh(network: Network) -> None:
    phone = network.phone()
    answered = phone.call(magic("711"), "Supported: timer\r\nSession-Expires: 1800;refresher=uac\r\n")
    assert answered.get("session-expires") == "1800;refresher=uac"
    speak(network, 4501)
    assert phone.expect("INVITE").get("session-expires") == "1800;refresher=uas"


@pytest.mark.parametrize(("status", "after"), [(488, {"session-timer.refresh-refused"}), (481, {"reinvite.lost"})])
def test_711_and_a_client_that_wants_none(network: Network, status: int, after: set[str]) -> None:
    phone = network.phone()
    phone.call(magic("711"))
    speak(network, 4501)
    answer(phone, phone.expect("INVITE"), "", status=status)
    phone.expect("ACK")
    assert codes(network) == after
    if status == 481:
        phone.respond(phone.expect("BYE"), 200)
        over(network)
    else:
        speak(network, 4501, 5000)
        phone.expect("INVITE")  # the next one is not held back


def test_712_never_refreshes_and_the_client_hangs_up(network: Network) -> None:
    """RFC 4028 10: a third of the interval before its end."""
    phone = network.phone()
    answered = phone.call(magic("712"), "Supported: timer\r\n")
    assert answered.get("session-expires") == "90;refresher=uas" and answered.get("require") == "timer"
    speak(network, 3000)
    phone.expect_nothing()
    assert not codes(network)
    end(network, phone)


def test_712_and_a_client_that_does_not_notice(network: Network) -> None:
    phone = network.phone()
    phone.call(magic("712"), "Supported: timer\r\n")
    speak(network, 6099)
    phone.expect_nothing()
    network.clock.advance(0.03)
    phone.respond(phone.expect("BYE"), 200)
    assert codes(network) == {"session-timer.outlived"} and record(network)["ended_by"] == "no-refresh"
    over(network)


def test_712_is_an_ordinary_call_without_timers(network: Network) -> None:
    phone = network.phone()
    answered = phone.call(magic("712"))
    assert answered.get("session-expires") is None
    speak(network, 10000)
    phone.expect_nothing()
    end(network, phone)


# Digits


def events(port: MemoryPort) -> list[bytes]:
    return [packet for packet in port.sent if packet[1] & 0x7F == 101]


@pytest.mark.parametrize("digits", ["720", "721", "722"])
def test_digits_after_the_answer(network: Network, digits: str) -> None:
    """RFC 4733 2.5.1: of each digit the first packet has the marker, and three have the end bit."""
    phone = network.phone()
    phone.call(magic(digits))
    network.clock.advance(0.99)
    port = network.ports[0]
    assert not events(port)
    network.clock.advance(2)
    sent = events(port)
    assert list(dict.fromkeys(packet[12] for packet in sent)) == [1, 2, 3, 4, 11]
    for event in (1, 2, 3, 4, 11):
        of_one = [packet for packet in sent if packet[12] == event]
        assert [packet[1] >> 7 for packet in of_one] == [int(digits != "721"), *[0] * (len(of_one) - 1)]
        assert sum(packet[13] >> 7 for packet in of_one) == (0 if digits == "722" else 3)
    assert len(speak(network, 20)) == 20
    end(network, phone)
