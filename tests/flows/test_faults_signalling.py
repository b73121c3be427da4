"""Each fault of messages and answers, in whole calls."""

import re

import pytest

from emulator.scenario.seams import Seams
from emulator.trunk.policy import Policy
from tests.support.faulty import Faulty
from tests.support.phone import SDP


def header(data: bytes, name: str) -> str:
    match = re.search(rf"^{name}: *(.*)\r$", data.decode("latin-1"), re.MULTILINE | re.IGNORECASE)
    return match[1] if match else ""


def find(raw: list[bytes], start: bytes) -> bytes:
    return next(data for data in raw if data.startswith(start))


# -- nothing stands where no fault is ------------------------------------------------------------------------------


def test_without_a_fault_nothing_stands_in_the_way() -> None:
    network = Faulty()
    endpoints = {name: network.endpoint(name) for name in ("us-3-1", "us-3-2", "eu-3-1")}
    own = {name: (endpoint.receive, endpoint.transmit, endpoint.core, endpoint.dialogs) for name, endpoint in endpoints.items()}
    assert network.at_rest
    lines = ("drop where proxy=us-3-1", "refuse 503 where proxy=us-3-1", "refuse 488 where proxy=us-3-1 in-dialog=yes", "answer 1s")
    ids = [network.add(line) for line in lines]
    assert endpoints["us-3-1"].receive != own["us-3-1"][0] and endpoints["us-3-1"].core is not network.trunk
    for name in ("us-3-2", "eu-3-1"):  # the fault concerns one proxy alone
        assert "receive" not in vars(endpoints[name]) and "transmit" not in vars(endpoints[name])
        assert endpoints[name].core is network.trunk and endpoints[name].dialogs is own[name][3]
    for id in ids:
        network.faults.remove(id)
    assert network.at_rest
    for name, endpoint in endpoints.items():
        assert (endpoint.receive, endpoint.transmit, endpoint.core) == own[name][:3]


def test_a_fault_that_is_over_costs_nothing_and_stays_listed() -> None:
    network = Faulty("drop where method=OPTIONS times=1", "refuse 503 where method=INVITE for=5s")
    phone = network.phone()
    phone.transmit(phone.request("OPTIONS", "sip:us-3-1"))
    network.clock.advance(5)
    assert network.at_rest
    assert [(one.state, one.hits) for one in network.faults.list()] == [("over", 1), ("over", 0)]
    assert [event.fields["fault"] for event in network.events("fault.over")] == ["1", "2"]
    phone.call()


# -- answers -------------------------------------------------------------------------------------------------------


def test_refuse_with_any_code_reason_and_headers() -> None:
    network = Faulty("refuse 503 reason='Out of order' headers.Retry-After=5 headers.X-Why=because where site=us-3 method=INVITE times=2")
    for _ in range(2):
        phone = network.phone()
        phone.invite()
        refused = phone.expect(503)
        assert refused.start == "SIP/2.0 503 Out of order"
        assert (refused.get("retry-after"), refused.get("x-why")) == ("5", "because")
        assert "fault.refused: refuse 503" in (refused.get("warning") or "")
        phone.ack(refused)
    network.phone("us-4-1").call()
    network.phone().call()
    assert network.hits() == [2]
    assert [event.fields["message"] for event in network.events("fault.hit")] == ["INVITE", "INVITE"]
    record = network.journal.get("1")
    assert record is not None and record.state == "refused" and record.status == 503
    network.clock.advance(40)


def test_a_copy_of_a_request_is_answered_alike_and_counted_once() -> None:
    network = Faulty("refuse 503 where method=INVITE nth=1")
    phone = network.phone()
    text = phone.invite()
    first = phone.expect(503)
    phone.transmit(text)
    assert phone.expect(503).data == first.data
    assert network.hits() == [1]
    network.clock.advance(0)
    other = network.phone()
    again = other.invite()
    other.expect(407)
    other.transmit(again)
    other.expect(407)
    assert [one.matched for one in network.faults.list()] == [1]  # it was over then


@pytest.mark.parametrize("status", [300, 302, 400, 403, 404, 480, 486, 488, 500, 504, 600, 603, 699])
def test_refuse_after_the_challenge(status: int) -> None:
    network = Faulty(f"refuse {status} where authenticated=yes called=44207*")
    phone = network.phone()
    phone.dial()
    refused = phone.expect(status)
    phone.ack(refused)
    network.clock.advance(40)
    assert network.idle


def test_wrong_credentials_are_no_credentials_and_looking_at_them_uses_none_up() -> None:
    network = Faulty("refuse 486 where authenticated=yes account=abcd1234 nth=9")
    phone = network.phone(secret="wrong")
    phone.invite()
    challenged = phone.expect(407)
    phone.ack(challenged)
    phone.invite(extra=phone.credentials(challenged))
    phone.ack(phone.expect(407))
    assert [one.matched for one in network.faults.list()] == [0]
    network.phone().call()  # the nonce-count was looked at twice and taken once
    assert [one.matched for one in network.faults.list()] == [1]


def test_health_checks_are_refused_where_no_method_is_named() -> None:
    network = Faulty("refuse 503 where proxy=us-3-1")
    for proxy, status in (("us-3-1", 503), ("us-3-2", 200)):
        phone = network.phone(proxy)
        phone.transmit(phone.request("OPTIONS", "sip:us-3-1"))
        phone.expect(status)


def test_requests_inside_a_call_are_refused_only_where_that_is_asked_for() -> None:
    network = Faulty("refuse 488 where method=INVITE in-dialog=yes times=1")
    phone = network.phone()
    answered = phone.call()
    phone.in_dialog("INVITE", body=SDP)
    phone.expect(488)
    phone.in_dialog("OPTIONS")
    phone.expect(200)
    phone.in_dialog("BYE")
    phone.expect(200)
    assert answered.to_tag and network.hits() == [1]
    network.clock.advance(40)
    assert network.at_rest and network.idle


def test_redirect_in_circles() -> None:
    network = Faulty("redirect self where method=INVITE")
    phone = network.phone()
    for _ in range(3):
        phone.invite("442071234567")
        moved = phone.expect(302)
        assert moved.get("contact") == "<sip:442071234567@sip-us.vonage.com>"
        phone.ack(moved)


@pytest.mark.parametrize(
    ("transport", "contact"),
    [
        ("UDP", "<sip:442071234567@127.0.14.1:5060>"),
        ("TCP", "<sip:442071234567@127.0.14.1:5060;transport=tcp>"),
        ("TLS", "<sip:442071234567@127.0.14.1:5061;transport=tls>"),
    ],
)
def test_redirect_to_proxies(transport: str, contact: str) -> None:
    network = Faulty("redirect us-4-1,sip:x@192.0.2.1 status=301 where method=INVITE")
    phone = network.phone(transport=transport)
    phone.invite()
    moved = phone.expect(301)
    assert moved.all("contact") == [contact, "<sip:x@192.0.2.1>"]


def test_challenged_again_and_again() -> None:
    network = Faulty("challenge again where method=INVITE times=5")
    phone = network.phone()
    phone.invite()
    nonces = set()
    for _ in range(5):
        challenged = phone.expect(407)
        nonces.add(re.search('nonce="([^"]+)"', challenged.get("proxy-authenticate") or "")[1])  # type: ignore[index]
        assert "stale" not in (challenged.get("proxy-authenticate") or "")
        phone.ack(challenged)
        phone.invite(extra=phone.credentials(challenged))
    phone.expect(100, 180, 200)
    assert len(nonces) == 5


def test_credentials_that_are_said_to_be_stale_for_ever() -> None:
    network = Faulty("challenge stale where method=INVITE times=3")
    phone = network.phone()
    phone.invite()
    first = phone.expect(407)
    assert "stale" not in (first.get("proxy-authenticate") or "")
    phone.ack(first)
    phone.invite(extra=phone.credentials(first))
    for _ in range(3):
        stale = phone.expect(407)
        assert "stale=true" in (stale.get("proxy-authenticate") or "")
        phone.ack(stale)
        phone.invite(extra=phone.credentials(stale))
    phone.expect(100, 180, 200)


def test_a_nonce_that_is_never_accepted() -> None:
    network = Faulty("challenge same-nonce where method=INVITE")
    phone = network.phone()
    phone.invite()
    seen = set()
    for _ in range(4):
        challenged = phone.expect(407)
        seen.add(challenged.get("proxy-authenticate"))
        phone.ack(challenged)
        phone.invite(extra=phone.credentials(challenged))
    assert len(seen) == 1


def test_another_realm() -> None:
    network = Faulty("challenge other-realm realm=sip.example.net where method=INVITE")
    phone = network.phone()
    phone.invite()
    challenged = phone.expect(407)
    assert 'realm="sip.example.net"' in (challenged.get("proxy-authenticate") or "")
    phone.ack(challenged)
    phone.invite(extra=phone.credentials(challenged))
    phone.expect(100, 180, 200)


def test_register_is_challenged_with_401() -> None:
    network = Faulty("challenge again where method=REGISTER", policy=Policy())
    phone = network.phone()
    phone.transmit(phone.request("REGISTER", "sip:sip-us.vonage.com"))
    assert phone.expect(401).get("www-authenticate")


# -- messages on their way -----------------------------------------------------------------------------------------


def test_a_lost_invite_is_sent_again_by_the_client() -> None:
    network = Faulty("drop where method=INVITE direction=in times=1")
    phone = network.phone()
    text = phone.invite()
    phone.expect_nothing()
    phone.transmit(text)
    phone.expect(407)
    (hit,) = network.events("fault.hit")
    assert hit.fields == {
        "fault": "1", "what": "drop", "proxy": "us-3-1", "transport": "UDP", "direction": "in", "message": "INVITE",
        "peer": "192.0.2.10:5070", "call_id": phone.call_id, "unsaid": None,
    }  # fmt: skip


def test_a_lost_200_comes_again() -> None:
    network = Faulty("drop where status=200 method=INVITE direction=out times=2")
    phone = network.phone()
    phone.dial()
    phone.expect(100, 180)
    phone.expect_nothing()
    network.clock.advance(0.5 + 0.5)
    phone.expect_nothing()
    network.clock.advance(0.5)
    phone.ack(phone.expect(200))
    record = network.journal.get("last")
    assert record is not None and record.state == "answered"
    sent = [data.split(b"\r\n")[0] for _, incoming, _, data, _ in record.messages if not incoming]
    assert sent.count(b"SIP/2.0 200 OK") == 1  # the journal has what left


def test_a_lost_ack_ends_in_a_bye() -> None:
    network = Faulty("drop where method=ACK direction=in")
    phone = network.phone()
    phone.call()
    network.clock.advance(32)
    assert [message.status or message.method for message in phone.inbox][-1] == "BYE"
    assert len([message for message in phone.inbox if message.status == 200]) == 10


def test_a_lost_bye_comes_again() -> None:
    network = Faulty("drop where method=BYE direction=out first=3")
    phone = network.phone()
    phone.call()
    network.trunk.hang_up("last")
    phone.expect_nothing()
    network.clock.advance(0.5 + 1 + 2)
    phone.respond(phone.expect("BYE"), 200)


def test_withheld_requests_never_leave() -> None:
    network = Faulty("withhold BYE where called=44207*")
    phone = network.phone()
    phone.call()
    network.trunk.hang_up("last")
    network.clock.advance(60)
    phone.expect_nothing()
    assert network.idle
    assert [event.fields["message"] for event in network.events("fault.hit")] == ["BYE"] * 11


def test_delay() -> None:
    network = Faulty("delay 800ms where method=INVITE direction=in", "delay 200ms where status=407 direction=out")
    phone = network.phone()
    phone.invite()
    network.clock.advance(0.999)
    phone.expect_nothing()
    network.clock.advance(0.001)
    phone.expect(407)
    assert network.hits() == [1, 1]


@pytest.mark.parametrize(
    ("how", "mean", "deviation"),
    [
        ("spread=100ms", 0.3, 0.1),
        ("spread=100ms distribution=uniform", 0.3, 0.1 / 3**0.5),
        ("spread=300ms distribution=lognormal", 0.3, 0.3),
    ],
)
def test_how_a_delay_varies(how: str, mean: float, deviation: float) -> None:
    network = Faulty(f"delay 300ms {how}")
    delay = next(iter(network.faults._messages.values()))
    drawn = [delay.drawn() for _ in range(20000)]  # type: ignore[attr-defined]
    average = sum(drawn) / len(drawn)
    assert abs(average - mean) < 0.01
    assert abs((sum((value - average) ** 2 for value in drawn) / len(drawn)) ** 0.5 - deviation) < 0.05 * mean
    assert min(drawn) >= 0


def test_delayed_messages_are_bounded_and_survive_their_fault() -> None:
    network = Faulty("delay 5s where direction=in")
    phone = network.phone()
    for _ in range(2100):
        phone.transmit(phone.request("OPTIONS", "sip:us-3-1"))
    assert len(phone.inbox) == 100  # beyond 2,000 that wait, messages go on at once
    network.faults.clear()
    assert network.at_rest
    network.clock.advance(5)
    assert len(phone.inbox) == 2100


def test_duplicate() -> None:
    network = Faulty("duplicate 2 where status=180 direction=out")
    phone = network.phone()
    phone.dial()
    phone.expect(100, 180, 180, 180, 200)


def test_a_duplicated_invite_is_one_call() -> None:
    network = Faulty("duplicate 3 where method=INVITE direction=in")
    phone = network.phone()
    phone.invite()
    challenged = phone.expect(407, 407, 407, 407)
    phone.ack(challenged)
    phone.invite(extra=phone.credentials(challenged))
    phone.expect(100, 180, 200)
    phone.expect_nothing()
    assert len(network.trunk.calls) == 1


@pytest.mark.parametrize("transport", ["UDP", "TCP"])
def test_retransmitted_though_nobody_asked(transport: str) -> None:
    network = Faulty("retransmit 2 spacing=700ms where status=200 method=BYE direction=out")
    phone = network.phone(transport=transport)
    phone.call()
    phone.in_dialog("BYE")
    phone.expect(200)
    for _ in range(2):
        network.clock.advance(0.69)
        phone.expect_nothing()
        network.clock.advance(0.01)
        phone.expect(200)
    network.clock.advance(10)
    phone.expect_nothing()


def test_reorder() -> None:
    network = Faulty("reorder 1 where status=180 direction=out")
    phone = network.phone()
    phone.dial()
    phone.expect(100, 200, 180)


def test_a_message_that_nothing_follows_waits_a_second() -> None:
    network = Faulty("reorder 3 where status=407 direction=out")
    phone = network.phone()
    phone.invite()
    network.clock.advance(0.999)
    phone.expect_nothing()
    network.clock.advance(0.001)
    phone.expect(407)


def test_paths_that_wait_are_bounded() -> None:
    network = Faulty("reorder 1 where direction=in")
    for port in range(1024, 1024 + 600):
        phone = network.raw_phone(port=port)
        phone.transmit(phone.request("OPTIONS", "sip:us-3-1"))
    reorder = next(iter(network.faults._messages.values()))
    assert len(reorder._waiting) == 500  # type: ignore[attr-defined]


@pytest.mark.parametrize(("part", "same"), [("any", None), ("headers", "body"), ("body", "head")])
def test_corrupt(part: str, same: str | None) -> None:
    network = Faulty(f"corrupt 3 part={part} where status=200 method=INVITE direction=out")
    other = Faulty()
    bad, good = (_answer_of(one) for one in (network, other))
    assert len(bad) == len(good) and 1 <= sum(a != b for a, b in zip(bad, good, strict=True)) <= 3
    split = good.index(b"\r\n\r\n") + 4
    if same == "body":
        assert bad[split:] == good[split:]
    if same == "head":
        assert bad[:split] == good[:split]


def _answer_of(network: Faulty) -> bytes:
    phone = network.raw_phone()
    phone.dial()
    return phone.raw[3]


def test_the_same_seed_corrupts_alike_whatever_else_draws() -> None:
    def story(seed: int, disturb: bool) -> list[bytes]:
        network = Faulty("corrupt 2 where direction=out probability=50%", seed=1, faults_seed=seed)
        phone = network.raw_phone()
        for _ in range(20):
            if disturb:
                network.ids.take(8)
            phone.transmit(phone.request("OPTIONS", "sip:us-3-1"))
        return phone.raw

    assert story(1, False) == story(1, True) != story(2, False)


def test_truncate() -> None:
    network = Faulty("truncate 40 where status=407", "truncate 0 where status=180")
    phone = network.raw_phone()
    phone.invite()
    assert [len(data) for data in phone.raw] == [40]


@pytest.mark.parametrize(
    ("fault", "name", "pattern"),
    [
        ("wrong to-tag", "To", r".*;tag=[0-9a-f]{8}"),
        ("wrong to-tag value=other", "To", ".*;tag=other"),
        ("wrong from-tag", "From", r".*;tag=[0-9a-f]{8}"),
        ("wrong branch", "Via", r".*;branch=z9hG4bK[0-9a-f]{8};.*"),
        ("wrong call-id value=nobody", "Call-ID", "nobody"),
        ("wrong cseq", "CSeq", "3 INVITE"),
        ("wrong cseq value=77", "CSeq", "77 INVITE"),
        ("wrong content-length value=9999", "Content-Length", "9999"),
    ],
)
def test_wrong(fault: str, name: str, pattern: str) -> None:
    network = Faulty(f"{fault} where status=200 method=INVITE direction=out")
    bad = _answer_of(network)
    good = _answer_of(Faulty())
    assert re.fullmatch(pattern, header(bad, name)) and header(bad, name) != header(good, name)
    lines = [(a, b) for a, b in zip(bad.split(b"\r\n"), good.split(b"\r\n"), strict=True) if a != b]
    assert [a.partition(b":")[0].decode() for a, _ in lines] == [name]


def test_a_number_that_is_one_too_high() -> None:
    network = Faulty("wrong content-length where status=200 method=INVITE direction=out")
    bad = _answer_of(network)
    assert int(header(bad, "Content-Length")) == len(bad.partition(b"\r\n\r\n")[2]) + 1


def test_incoming_messages_can_be_wrong_too() -> None:
    network = Faulty("wrong cseq value=1 where method=BYE direction=in")
    phone = network.phone()
    phone.call()
    phone.in_dialog("BYE")
    phone.expect(500)  # a CSeq lower than the last (12.2.2)


def test_rewrite() -> None:
    network = Faulty("rewrite set.Contact='<sip:nobody@192.0.2.1>' set.X-New=1 remove=Allow,l where status=200 method=INVITE direction=out")
    bad = _answer_of(network)
    assert (header(bad, "Contact"), header(bad, "X-New")) == ("<sip:nobody@192.0.2.1>", "1")
    assert not header(bad, "Allow") and not header(bad, "Content-Length")


def test_reset_loses_the_message_and_its_connection() -> None:
    network = Faulty("reset where method=INVITE nth=2")
    phone = network.phone(transport="TCP")
    phone.invite()
    phone.ack(phone.expect(407))
    phone.invite()
    phone.expect_nothing()
    assert not phone.flow.open  # type: ignore[attr-defined]
    udp = network.phone()
    udp.invite()
    udp.expect(407)


# -- several at once, and what is told -----------------------------------------------------------------------------


def test_faults_act_in_the_order_in_which_they_were_added() -> None:
    network = Faulty("duplicate 1 where status=407", "drop where status=407 nth=2", "wrong cseq value=9 where status=407")
    phone = network.phone()
    phone.invite()
    assert phone.expect(407).get("cseq") == "9 INVITE"
    phone.expect_nothing()
    assert network.hits() == [1, 1, 1]


def test_hits_are_told_at_a_bounded_rate() -> None:
    network = Faulty("drop where method=OPTIONS")
    phone = network.phone()
    for _ in range(500):
        phone.transmit(phone.request("OPTIONS", "sip:us-3-1"))
    assert network.hits() == [500] and len(network.events("fault.hit")) == 20
    network.clock.advance(1)
    phone.transmit(phone.request("OPTIONS", "sip:us-3-1"))
    assert network.events("fault.hit")[-1].fields["unsaid"] == 480


def test_near_misses_tell_of_calls_to_other_places() -> None:
    network = Faulty("refuse 503 where proxy=eu-3-1 method=INVITE")
    for proxy in ("us-3-1", "us-3-2", "us-4-1"):
        network.phone(proxy).call()
    (listed,) = network.faults.list()
    assert (listed.hits, listed.near_misses) == (0, ["3 INVITEs came, none to eu-3-1; the last: us-4-1"])


def test_what_is_no_message_passes_a_gate_without_harm() -> None:
    network = Faulty(
        "drop where method=BYE number=44* header.From=x", "wrong to-tag where status=200", "corrupt 1 part=body where method=INVITE"
    )
    phone = network.raw_phone()
    for octets in (
        b"",
        b"\r\n\r\n",
        b"\x00" * 50,
        b"BYE",
        b"SIP/2.0 ",
        b"SIP/2.0 200 OK\r\n\r\n",
        b"INVITE sip:a SIP/2.0\r\n\r\n",
        b"\xff\xfe",
    ):
        network.endpoint().receive(octets, phone.flow)
    phone.call()
    assert not network.errors


def test_too_many_faults_are_refused_and_old_ones_make_room() -> None:
    from emulator.config import Unusable

    network = Faulty(*["drop where method=BYE"] * 199, "drop for=1s")
    with pytest.raises(Unusable, match="200 faults are in force; clear some"):
        network.add("drop")
    network.clock.advance(1)
    network.add("drop where method=BYE")
    assert len(network.faults.list()) == 200
    assert network.faults.clear() == 200 and network.at_rest


def test_clearing_makes_no_seam_anew_for_what_goes_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two hundred faults at twelve proxies would be made 240,000 times over, while nothing else goes on."""
    network = Faulty("refuse 503", "drop", "duplicate", "corrupt", "challenge stale")
    made: list[object] = []
    for name in ("messages", "requests", "requests_inside"):
        monkeypatch.setattr(Seams, name, lambda self, proxy, faults: made.extend(faults))
    assert network.faults.clear() == 5 and not made


def test_clearing_begins_the_chances_anew() -> None:
    network = Faulty()

    def losses() -> list[int]:
        network.add("drop where method=OPTIONS probability=50%")
        phone = network.phone()
        lost = []
        for number in range(40):
            phone.transmit(phone.request("OPTIONS", "sip:us-3-1"))
            lost += [] if phone.inbox else [number]
            phone.inbox.clear()
        network.faults.clear()
        return lost

    assert losses() == losses() != []


def test_an_unknown_fault_can_not_be_removed() -> None:
    from emulator.config import Unusable

    network = Faulty("drop", "drop")
    with pytest.raises(Unusable, match="no fault '7'; there are 1, 2"):
        network.faults.remove("7")
