"""Each setting of calls from Vonage, from vsim.yaml to the wire (vonage-facts.md, defaults 16, 18 to 23, 27, 28 and 38)."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from emulator.config import Config, Unusable
from emulator.config_sources import load
from emulator.forwarding_settings import entries
from emulator.journal.record import CallRecord
from emulator.trunk.callers import Ring
from emulator.trunk_settings import policy
from tests.support.customer import accepts, answers
from tests.support.network import Network
from tests.support.phone import SDP

NUMBER = "447700900000"
ONE, TWO = "sip:1@192.0.2.10:5080", "sip:2@192.0.2.10:5090"
Make = Callable[..., Network]


@pytest.fixture
def network_of(tmp_path: Path) -> Make:
    def make(text: str = "", forward: str = f"{ONE};timeout=2000,{TWO};timeout=2000", **number: str) -> Network:
        settings = "".join(f", {name}: {json.dumps(value)}" for name, value in number.items())
        config = configured(tmp_path, f'{text}\nnumbers: {{"{NUMBER}": {{forward: {json.dumps(forward)}{settings}}}}}\n')
        return Network(policy(config), numbers=entries(config))

    return make


def configured(tmp_path: Path, text: str) -> Config:
    path = tmp_path / "vsim.yaml"
    path.write_text(text)
    return load(str(path))


def rung(network: Network, seconds: float = 0.0, **how: Any) -> CallRecord:
    record = network.trunk.ring(Ring(number=NUMBER, caller="14155550100", **how))
    network.clock.advance(seconds)
    network.clock.advance(0)
    return record


def outcomes(record: CallRecord) -> list[str]:
    return [str(attempt.status or attempt.outcome) for attempt in record.attempts]


def test_default_16_channels(network_of: Make) -> None:
    for text, most, status in (("", 50, 486), ("forwarding: {channels: 2, channels_status: 503}", 2, 503)):
        network = network_of(text)
        network.customer(5080, answers(180))
        records = [rung(network) for _ in range(most + 1)]
        assert [record.status for record in records] == [None] * most + [status]


@pytest.mark.parametrize(
    ("until", "wanted"),
    [("first-response", ["no-answer"]), ("18x", ["no-answer"]), ("final", ["timeout", "timeout"])],
)
def test_default_18_what_stops_the_clock(network_of: Make, until: str, wanted: list[str]) -> None:
    network = network_of(f"forwarding: {{timeout_until: {until}}}")
    network.customer(5080, answers(180))
    network.customer(5090)
    assert outcomes(rung(network, 62)) == wanted


def test_default_18_a_100_counts_unless_set_otherwise(network_of: Make) -> None:
    for until, wanted in (("first-response", ["no-answer"]), ("18x", ["timeout", "200"])):
        network = network_of(f"forwarding: {{timeout_until: {until}}}")
        network.customer(5080, answers(100))
        network.customer(5090, accepts)
        assert outcomes(rung(network, 61)) == wanted


def test_default_19_the_range_of_timeouts(network_of: Make) -> None:
    with pytest.raises(Unusable, match=r"timeout=99"):
        network_of("", f"{ONE};timeout=99")
    network = network_of("forwarding: {timeout_range: clamp}", f"{ONE};timeout=99")
    assert rung(network, 1.999).state == "trying"
    record = rung(network, 2.0)
    assert record.attempts[0].after == 2.0 and network.trunk.exchange.directory.get(NUMBER).problems  # type: ignore[union-attr]


def test_default_20_how_long_it_may_ring(network_of: Make) -> None:
    for text, seconds, status in (("", 60, 480), ("forwarding: {ring_limit: 10s, no_answer_status: 408}", 10, 408)):
        network = network_of(text)
        network.customer(5080, answers(180))
        record = rung(network, seconds - 0.001)
        assert record.state == "ringing"
        network.clock.advance(0.001)
        assert (record.state, record.status) == ("refused", status)


@pytest.mark.parametrize(
    ("text", "status", "moves"),
    [
        ("", 500, True), ("", 599, True), ("", 486, False), ("", 302, False), ("", 603, False), ("", 408, False),
        ("forwarding: {failover: [5xx, 408, 486]}", 408, True), ("forwarding: {failover: [5xx, 408, 486]}", 480, False),
        ("forwarding: {failover: [503]}", 500, False), ("forwarding: {failover: 6xx}", 603, True),
        ("forwarding: {failover: []}", 503, False),
    ],
)  # fmt: skip
def test_default_21_what_moves_on(network_of: Make, text: str, status: int, moves: bool) -> None:
    network = network_of(text)
    network.customer(5080, answers(status))
    network.customer(5090, accepts)
    assert outcomes(rung(network)) == ([str(status), "200"] if moves else [str(status)])


def test_default_22_when_nobody_answers(network_of: Make) -> None:
    for text, status in (("", 486), ("forwarding: {timeout_status: 480}", 480)):
        assert rung(network_of(text), 4).status == status
    for text, status in (("", 503), ("forwarding: {unreachable_status: 404}", 404)):
        network = network_of(text)
        network.dead = {("UDP", ("192.0.2.10", port)): "port unreachable" for port in (5080, 5090)}
        assert rung(network).status == status


def test_default_24_targets_of_a_list(network_of: Make) -> None:
    with pytest.raises(Unusable, match="2 targets, more than the 1"):
        network_of("forwarding: {max_targets: 1}")
    many = ",".join(f"{n}@192.0.2.10" for n in range(51))
    with pytest.raises(Unusable, match="51 targets"):
        network_of("", many)


def test_default_27_hosts_and_plus(network_of: Make) -> None:
    for text, host, number in (
        ("", "sip.nexmo.com", NUMBER), ("forwarding: {host: region}", "sip-eu.vonage.com", NUMBER),
        ("forwarding: {host: proxy, plus: true}", "sip-eu-3-1.vonage.com", f"+{NUMBER}"),
    ):  # fmt: skip
        network = network_of(text)
        customer = network.customer()
        rung(network)
        assert customer.call.expect("INVITE").get("to") == f"<sip:{number}@{host}>"


def test_default_28_asserted_identity_and_privacy(network_of: Make) -> None:
    for text, asserted, privacy in (("", True, True), ("forwarding: {asserted_identity: false, privacy: false}", False, False)):
        network = network_of(text)
        customer = network.customer()
        rung(network)
        assert (customer.call.expect("INVITE").get("p-asserted-identity") is not None) is asserted
        rung(network, anonymous=True)
        assert (customer.call.expect("INVITE").get("privacy") == "id") is privacy


def test_default_38_the_session_timer(network_of: Make) -> None:
    for text, supported, expires in (
        ("", ["timer"], None), ("forwarding: {supported: []}", [], None), ("forwarding: {session_expires: 1800}", ["timer"], "1800"),
        ("forwarding: {supported: [replaces, timer], session_expires: 90}", ["replaces", "timer"], "90"),
    ):  # fmt: skip
        network = network_of(text)
        customer = network.customer()
        rung(network)
        invite = customer.call.expect("INVITE")
        assert (invite.all("supported"), invite.get("session-expires")) == (supported, expires)


def test_the_address_of_a_name_that_is_silent(network_of: Make) -> None:
    """RFC 3263 4.3, with a clock of its own for each address."""
    for text, wanted in (("", ["timeout"]), ("forwarding: {hop_timeout: 500ms}", ["timeout", "200"])):
        network = network_of(text, "sip:1@pbx.example.net;timeout=2000")
        network.names.services["_sip._udp.pbx.example.net"] = [(1, 0, 5070, "a.example.net"), (2, 0, 5090, "a.example.net")]
        network.names.hosts["a.example.net"] = ["192.0.2.10"]
        network.customer(5090, accepts)
        assert outcomes(rung(network, 2)) == wanted


def test_a_late_offer(network_of: Make) -> None:
    network = network_of("forwarding: {offer: late}")
    customer = network.customer(5080, answers(200, None, SDP))
    assert rung(network).state == "answered" and customer.call.expect("INVITE").body == b""


def test_regions_proxies_and_what_a_number_without_a_list_gets(network_of: Make) -> None:
    network = network_of("forwarding: {proxies: rotate}", region="ap")
    network.customer(5080)
    assert [rung(network).proxy for _ in range(5)] == ["ap-3-1", "ap-3-2", "ap-4-1", "ap-4-2", "ap-3-1"]
    network = network_of("forwarding: {unforwarded_status: 404}\naccounts: [{key: second, secret: b, numbers: [14155550100]}]")
    record = network.trunk.ring(Ring(number="14155550100", caller="1"))
    assert (record.status, record.account) == (404, "second")


def test_headers(network_of: Make) -> None:
    network = network_of("forwarding: {headers: {X-Called: '{number} by {proxy}', Diversion: '<sip:{{x}}@h>'}}")
    customer = network.customer()
    rung(network)
    invite = customer.call.expect("INVITE")
    assert (invite.get("x-called"), invite.get("diversion")) == (f"{NUMBER} by sip-eu-3-1.vonage.com", "<sip:{x}@h>")


@pytest.mark.parametrize(
    ("headers", "problem"),
    [
        ("{Via: x}", "header Via is the trunk's own"), ("{X-A: '{nmber}'}", "no placeholder {nmber}; did you mean {number}?"),
        ("{'X A': y}", "no header name"), ('{X-A: "a\\nb"}', "control character"),
    ],
)  # fmt: skip
def test_headers_that_are_none(network_of: Make, headers: str, problem: str) -> None:
    with pytest.raises(Unusable) as caught:
        network_of(f"forwarding: {{headers: {headers}}}")
    assert "forwarding.headers" in str(caught.value) and problem in str(caught.value)


def test_a_template(network_of: Make, tmp_path: Path) -> None:
    """A whole call whose INVITE somebody else wrote."""
    (tmp_path / "invite.txt").write_text(
        'INVITE {uri} SIP/2.0\nFrom: "PSTN" <sip:{caller}@old.example.net>\nVia: x\nX-First: yes\nContent-Type: application/sdp\n\n{sdp}\n'
    )
    network = network_of(f"forwarding: {{template: {tmp_path}/invite.txt, session_expires: 1800}}")
    customer = network.customer(5080, answers(503))
    other = network.customer(5090, accepts)
    record = rung(network)
    assert outcomes(record) == ["503", "200"]
    invite, ack = customer.call.expect("INVITE"), customer.call.expect("ACK")
    assert (invite.get("from") or "").startswith('"PSTN" <sip:14155550100@old.example.net>;tag=') and invite.get("x-first") == "yes"
    assert invite.get("session-expires") == "1800" and invite.get("via") == ack.get("via") and invite.get("from") == ack.get("from")
    assert b"m=audio" in invite.body and ack.get("x-first") is None
    other.call.expect("INVITE", "ACK")


def test_a_template_with_a_description_of_its_own(network_of: Make, tmp_path: Path) -> None:
    """Its answer is read by what was offered, and by the trunk's own offer where that makes no sense."""
    for body, codec in (
        ("v=0\no=- 1 1 IN IP4 {address}\ns=x\nc=IN IP4 {address}\nt=0 0\nm=audio {port} RTP/AVP 0 101\n", "PCMU"),
        ("v=7\n", "PCMU"),
    ):
        (tmp_path / "invite.txt").write_text(f"INVITE {{uri}} SIP/2.0\nContent-Type: application/sdp\n\n{body}")
        network = network_of(f"forwarding: {{template: {tmp_path}/invite.txt}}")
        customer = network.customer(5080, accepts)
        record = rung(network)
        assert (record.state, record.codec) == ("answered", codec)
        assert customer.call.expect("INVITE").body.startswith(body[:3].encode())


@pytest.mark.parametrize(
    ("text", "problem"),
    [(None, "no such file"), (b"\xff\xfe", "not UTF-8"), (b"INVITE {uri} SIP/2.0\nX: {x}\n", ":2:4: no placeholder {x}")],
)
def test_templates_that_are_none(network_of: Make, tmp_path: Path, text: bytes | None, problem: str) -> None:
    path = tmp_path / "invite.txt"
    if text is not None:
        path.write_bytes(text)
    with pytest.raises(Unusable) as caught:
        network_of(f"forwarding: {{template: {path}}}")
    assert problem in str(caught.value) and "invite.txt" in str(caught.value)


def test_whom_a_number_tells(network_of: Make) -> None:
    network = network_of(voice_status_callback="http://127.0.0.1:9/x")
    told: list[tuple[str, dict[str, Any]]] = []
    network.trunk.callback = lambda url, said, record: told.append((url, said))
    network.customer(5080, answers(486))
    rung(network)
    rung(network, voice_status_callback="http://localhost/y")
    assert [(url, said["sip_code"], said["to"]) for url, said in told] == [
        ("http://127.0.0.1:9/x", 486, NUMBER), ("http://localhost/y", 486, NUMBER),
    ]  # fmt: skip
    with pytest.raises(Unusable, match=r"voice_status_callback, host '198.51.100.1' is not this machine"):
        network_of(voice_status_callback="http://198.51.100.1/")
    network_of("webhook: {allowed_hosts: [198.51.100.1]}", voice_status_callback="http://198.51.100.1/")


def test_prompts(tmp_path: Path) -> None:
    with pytest.raises(Unusable, match=r"media\.prompts 'tone'; write a name"):
        configured(tmp_path, "media: {prompts: {tone: x.wav}}")
