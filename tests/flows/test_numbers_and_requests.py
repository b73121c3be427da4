"""What the trunk takes and refuses before it answers: numbers, caller IDs, media, methods, malformed messages."""

import pytest

from emulator.trunk.trunk import Policy
from tests.support.network import Network
from tests.support.phone import SDP, Phone, Received


def attempt(phone: Phone, number: str = "442071234567", body: str = SDP, extra: str = "") -> Received:
    """Place a call up to its first answer after the challenge."""
    phone.invite(number, extra, body)
    challenged = phone.expect(407)
    phone.ack(challenged)
    phone.invite(number, extra + phone.credentials(challenged), body)
    answered = phone.inbox.pop(0)
    if answered.status >= 300:
        phone.ack(answered)
    return answered


def codes(network: Network) -> list[str]:
    record = network.journal.get("last")
    assert record is not None
    return [finding.code for finding in record.findings]


@pytest.mark.parametrize(
    ("number", "status", "code"),
    [
        ("442071234567", 100, None),
        ("+442071234567", 100, "called.plus"),
        ("00442071234567", 100, "called.double-zero"),
        ("44-207-123.4567", 100, "called.separators"),
        ("1234", 484, "called.too-short"),
        ("0207123456789", 484, "called.too-short"),
        ("4420712345671234", 484, "called.too-short"),
        ("alice", 404, "called.not-a-number"),
        ("%2B442071234567", 100, "called.plus"),
        ("442071234567;phone-context=x", 100, None),
        ("911", 403, "called.emergency"),
        ("+112", 403, "called.emergency"),
        ("999", 403, "called.emergency"),
    ],
)
def test_called_numbers(network: Network, number: str, status: int, code: str | None) -> None:
    """vonage-facts, defaults 9, 13 and 51."""
    answered = attempt(network.phone(), number)
    assert answered.status == status
    assert codes(network) == ([code] if code else [])
    if status >= 400:
        assert (answered.get("warning") or "").startswith(f'399 127.0.13.1:5060 "{code}: ')


@pytest.mark.parametrize(
    ("number", "seen"),
    [
        ("1234", "1234: 4 digits"), ("02071234567", "02071234567: no country code begins with 0"),
        ("+4420712345671234", "+4420712345671234: 16 digits"),
    ],
)  # fmt: skip
def test_what_a_called_number_lacks(network: Network, number: str, seen: str) -> None:
    """Eleven digits are not too short, whatever the finding is called."""
    attempt(network.phone(), number)
    record = network.journal.get("last")
    assert record is not None and record.findings[-1].seen == seen


@pytest.mark.parametrize("number", ["+442071234567", "00442071234567"])
def test_strict_refuses_prefixes_with_404(number: str) -> None:
    assert attempt(Network(Policy(strict=True)).phone(), number).status == 404


def test_destinations_outside_the_list_get_404() -> None:
    network = Network(Policy(destinations=("44",)))
    assert attempt(network.phone(), "14155550100").status == 404
    assert codes(network) == ["called.international"]


@pytest.mark.parametrize(
    ("caller", "extra", "status", "code", "shown"),
    [
        ("447700900000", "", 100, None, "447700900000"),
        ("447700900999", "", 100, None, "447700900999"),
        ("+447700900000", "", 100, "caller-id.plus", "447700900000"),
        ("abcd1234", "", 100, "caller-id.api-key", "447700900000"),
        ("15551230000", "", 403, "caller-id.not-owned", ""),
        ("alice", "", 403, "caller-id.not-e164", ""),
        ("15551230000", "P-Asserted-Identity: <sip:447700900000@x>\r\n", 100, None, "447700900000"),
        ("447700900000", "P-Asserted-Identity: <sip:15551230000@x>\r\n", 403, "caller-id.not-owned", ""),
        ("anonymous", "P-Asserted-Identity: <tel:+447700900000>\r\nPrivacy: id\r\n", 100, "caller-id.plus", "447700900000"),
        ("anonymous", "Privacy: id\r\n", 403, "caller-id.anonymous", ""),
        ("447700900000", "Privacy: id\r\n", 403, "caller-id.anonymous", ""),
        ("447700900000", "Privacy: none\r\n", 100, None, "447700900000"),
    ],
)
def test_caller_ids(network: Network, caller: str, extra: str, status: int, code: str | None, shown: str) -> None:
    """vonage-facts, defaults 10 to 12; interop-quirks 27."""
    assert attempt(network.phone(caller=caller), extra=extra).status == status
    assert codes(network) == ([code] if code else [])
    assert network.journal.get("last").caller == shown  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("caller", "asserted", "seen"),
    [
        ("15551230000", "", "15551230000 in From"),
        ("alice", "", "alice in From"),
        ("447700900000", "P-Asserted-Identity: <sip:1001@x>\r\n", "1001 in P-Asserted-Identity"),
        ("447700900000", "P-Asserted-Identity: <tel:+15551230000>\r\n", "+15551230000 in P-Asserted-Identity"),
        ("447700900000", "P-Asserted-Identity: <sip:x.example>\r\n", "nobody in P-Asserted-Identity"),
    ],
)
def test_a_caller_id_that_is_refused_is_named_with_its_header(network: Network, caller: str, asserted: str, seen: str) -> None:
    """Who wrote the right number into From must learn that the other header goes before it (vonage-facts, default 10)."""
    attempt(network.phone(caller=caller), extra=asserted)
    record = network.journal.get("last")
    assert record is not None and [finding.seen for finding in record.findings] == [seen]


def test_a_foreign_caller_id_can_be_shown_as_unknown() -> None:
    network = Network(Policy(caller_id="unknown"))
    assert attempt(network.phone(caller="15551230000")).status == 100
    assert network.journal.get("last").caller == "unknown"  # type: ignore[union-attr]


def test_the_api_key_as_caller_id_is_refused_when_strict() -> None:
    assert attempt(Network(Policy(strict=True)).phone(caller="abcd1234")).status == 403


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (SDP.replace("0 8 101", "3 97"), 488, "media.codec"),
        (SDP.replace("RTP/AVP", "RTP/SAVP"), 488, "srtp.no-crypto"),
        (SDP.replace("RTP/AVP", "UDP/TLS/RTP/SAVPF"), 488, "media.profile"),
        (SDP.replace("m=audio", "m=video"), 488, "media.no-audio"),
        (SDP.replace("IP4 192.0.2.10\r\nt", "IP4 phone.example\r\nt"), 488, "media.address"),
        ("v=0\r\nrubbish", 400, "sdp.malformed"),
        ("rubbish", 400, "sdp.malformed"),
    ],
)
def test_offers_that_can_not_be_taken(network: Network, body: str, status: int, code: str) -> None:
    answered = attempt(network.phone(), body=body)
    assert answered.status == status and code in codes(network)
    assert all(port.closed for port in network.ports) and not network.trunk.calls


def test_another_body_type_gets_415_and_accept(network: Network) -> None:
    answered = attempt(network.phone(), extra="Content-Type: text/plain\r\n")
    assert (answered.status, answered.get("accept")) == (415, "application/sdp")


def test_require_gets_420_and_unsupported(network: Network) -> None:
    phone = network.phone()
    phone.invite(extra="Require: foo, bar\r\n")
    assert phone.expect(420).get("unsupported") == "bar, foo"


@pytest.mark.parametrize("method", ["INVITE", "OPTIONS", "INFO", "BYE"])
def test_require_gets_420_inside_a_call_too(network: Network, method: str) -> None:
    """8.2.2.3 knows no difference; the call stays as it is."""
    phone = network.phone()
    phone.call()
    phone.in_dialog(method, extra="Require: timer, precondition\r\n")
    refused = phone.expect(420)
    assert refused.get("unsupported") == "precondition"
    if method == "INVITE":
        phone.invite_branch = phone.last_branch
        phone.ack(refused)
    network.clock.advance(10)
    phone.expect_nothing()
    phone.in_dialog("BYE", extra="Require: timer\r\n")
    phone.expect(200)


@pytest.mark.parametrize(
    ("method", "status"), [("REFER", 405), ("SUBSCRIBE", 405), ("MESSAGE", 405), ("PUBLISH", 405), ("FROBNICATE", 501)]
)
def test_other_methods_outside_a_dialog(network: Network, method: str, status: int) -> None:
    """robustness 5."""
    phone = network.phone()
    phone.remote_target = "sip:sip-us.vonage.com"
    phone.in_dialog(method)
    assert phone.expect(status).get("allow") == "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, PRACK, REGISTER"
    assert network.idle


@pytest.mark.parametrize("transport", ["UDP", "TCP", "TLS"])
def test_the_health_check_needs_no_credentials_and_no_state(network: Network, transport: str) -> None:
    for proxy in network.trunk.proxies:
        phone = network.phone(proxy, transport)
        phone.remote_target = "sip:ping@anything.example"
        phone.in_dialog("OPTIONS")
        answered = phone.expect(200)
        assert answered.get("accept") == "application/sdp" and {"INVITE", "REGISTER"} <= set((answered.get("allow") or "").split(", "))
    assert network.idle
    assert len([event for event in network.journal.events() if event.kind == "options"]) == 12


@pytest.mark.parametrize(
    ("uri", "status"), [("http://example.com/", 416), ("sip:", 400), ("sip:a b@c", 400), ("tel:+442071234567", 407), ("nonsense", 400)]
)
def test_request_uris(network: Network, uri: str, status: int | None) -> None:
    phone = network.phone()
    phone.transmit(phone.request("INVITE", uri, "", SDP, to="<sip:x@y>"))
    if status is None:
        phone.expect_nothing()
    else:
        phone.expect(status)


INVITE = (
    "INVITE sip:442071234567@h SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.10:5070;branch=z9hG4bKm;rport\r\n"
    "From: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\nCall-ID: m\r\nCSeq: 1 INVITE\r\nContact: <sip:a@b>\r\nContent-Length: 0\r\n\r\n"
)


@pytest.mark.parametrize(
    ("old", "new", "names"),
    [
        ("From: <sip:a@b>;tag=1\r\n", "", "no From"),
        ("Call-ID: m\r\n", "", "no Call-ID"),
        ("CSeq: 1 INVITE", "CSeq: 1 BYE", "CSeq"),
        ("CSeq: 1 INVITE", "CSeq: 4294967296 INVITE", "CSeq"),
        ("CSeq: 1 INVITE", "CSeq: +1 INVITE", "CSeq"),
        ("CSeq: 1 INVITE", "CSeq: ١ INVITE", "CSeq"),
        ("Content-Length: 0", "Content-Length: 99", "Content-Length"),
        ("Content-Length: 0", "Content-Length: 0\r\nContent-Length: 5", "Content-Length"),
        ("Content-Length: 0", "Content-Length: -1", "Content-Length"),
        ("Contact: <sip:a@b>", "Contact", "colon"),
        ("To: <sip:c@d>", 'To: "c <sip:c@d>;tag=2', "To"),
    ],
)
def test_a_malformed_request_gets_a_400_that_names_the_header(network: Network, old: str, new: str, names: str) -> None:
    phone = network.phone()
    phone.transmit(INVITE.replace(old, new))
    assert names in (phone.expect(400).get("warning") or "")
    assert network.idle


def test_another_version_gets_505(network: Network) -> None:
    phone = network.phone()
    phone.transmit(INVITE.replace("SIP/2.0\r\nVia", "SIP/7.0\r\nVia"))
    phone.expect(505)


@pytest.mark.parametrize(
    "data", [b"", b"\0" * 100, b"hello", b"SIP/2.0 200 OK\r\n\r\n", b"ACK sip:x SIP/2.0\r\n\r\n", INVITE.replace("Via", "Vix").encode()]
)
def test_what_can_not_be_answered_is_met_with_silence(network: Network, data: bytes) -> None:
    phone = network.phone()
    phone._send(data)
    phone.expect_nothing()


def test_a_response_to_nothing_is_silence(network: Network) -> None:
    phone = network.phone()
    phone.transmit(INVITE.replace("INVITE sip:442071234567@h SIP/2.0", "SIP/2.0 200 OK"))
    phone.expect_nothing()


def test_without_rport_the_answer_goes_to_the_port_of_the_via(network: Network) -> None:
    """18.2.2; interop-quirks 21."""
    phone = network.phone()
    phone.transmit(INVITE.replace(";rport", "").replace(":5070;", ":6070;"))
    assert phone.flow.aimed == [("192.0.2.10", 6070)]  # type: ignore[attr-defined]
    assert "received" not in (phone.expect(407).get("via") or "")


def test_rport_and_received_are_filled_in(network: Network) -> None:
    """RFC 3581 4."""
    phone = network.phone()
    phone.transmit(INVITE.replace("192.0.2.10:5070", "10.1.1.1"))
    assert phone.expect(407).get("via") == "SIP/2.0/UDP 10.1.1.1;branch=z9hG4bKm;rport=5070;received=192.0.2.10"


def test_an_answer_never_goes_to_a_maddr_or_another_host(network: Network) -> None:
    """robustness 21."""
    phone = network.phone()
    phone.transmit(INVITE.replace("192.0.2.10:5070", "198.51.100.1:5070").replace(";rport", ";maddr=203.0.113.9"))
    phone.expect(407)
    assert not phone.flow.aimed  # type: ignore[attr-defined]


def test_every_via_comes_back_in_order(network: Network) -> None:
    """interop-quirks 21: through an SBC."""
    phone = network.phone()
    phone.transmit(INVITE.replace(";rport\r\n", ";rport;alias, SIP/2.0/UDP b;branch=2\r\nv: SIP/2.0/TCP c;branch=3\r\n"))
    assert phone.expect(407).all("via") == [
        "SIP/2.0/UDP 192.0.2.10:5070;branch=z9hG4bKm;rport=5070;alias;received=192.0.2.10",
        "SIP/2.0/UDP b;branch=2",
        "SIP/2.0/TCP c;branch=3",
    ]


def test_a_route_set_is_followed(network: Network) -> None:
    """12.1.1, 12.2.1.1; interop-quirks 21: Record-Route with ;lr;r2=on."""
    phone = network.phone()
    answered = phone.call(extra="Record-Route: <sip:192.0.2.20:5062;lr;r2=on;ftag=x>, <sip:192.0.2.21;lr>\r\nRecord-Route: <sip:c;lr>\r\n")
    assert answered.all("record-route") == ["<sip:192.0.2.20:5062;lr;r2=on;ftag=x>, <sip:192.0.2.21;lr>", "<sip:c;lr>"]
    network.trunk.hang_up("last")
    bye = phone.expect("BYE")
    assert bye.start == "BYE sip:447700900000@192.0.2.10:5070 SIP/2.0"
    assert bye.all("route") == ["<sip:192.0.2.20:5062;lr;r2=on;ftag=x>", "<sip:192.0.2.21;lr>", "<sip:c;lr>"]
    assert phone.flow.aimed == [("192.0.2.20", 5062)]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("transport", "uri", "extra", "scheme"),
    [
        ("TLS", "sips:442071234567@sip-us.vonage.com", "", "sips"),
        ("TLS", "sip:442071234567@sip-us.vonage.com", "Record-Route: <sips:192.0.2.20;lr>\r\n", "sips"),
        ("TLS", "sip:442071234567@sip-us.vonage.com", "Record-Route: <sip:192.0.2.20;lr>, <sips:192.0.2.21;lr>\r\n", "sip"),
        ("TLS", "sip:442071234567@sip-us.vonage.com", "", "sip"),
        ("TCP", "sips:442071234567@sip-us.vonage.com", "", "sip"),  # where it would have to send the ACK nobody speaks TLS
    ],
)
def test_the_contact_is_sips_where_the_invite_is(network: Network, transport: str, uri: str, extra: str, scheme: str) -> None:
    """12.1.1; RFC 5630: TLS goes without saying."""
    phone = network.phone(transport=transport)
    phone.invite(uri=uri, extra=extra)
    challenged = phone.expect(407)
    phone.ack(challenged)
    phone.invite(uri=uri, extra=extra + phone.credentials(challenged, uri))
    answered = phone.expect(100, 180, 200)
    parameters = f";transport={transport.lower()}" if scheme == "sip" else ""
    contact = answered.get("contact")
    assert contact is not None and contact.startswith(f"<{scheme}:442071234567@127.0.13.1:") and contact.endswith(f"{parameters}>")
    phone.ack(answered)
    phone.in_dialog("BYE")
    phone.expect(200)


def test_a_strict_route_takes_the_request_uri(network: Network) -> None:
    phone = network.phone()
    phone.call(extra="Record-Route: <sip:192.0.2.20>\r\n")
    network.trunk.hang_up("last")
    bye = phone.expect("BYE")
    assert bye.start == "BYE sip:192.0.2.20 SIP/2.0"
    assert bye.all("route") == ["<sip:447700900000@192.0.2.10:5070>"]


def test_compact_headers_and_folding(network: Network) -> None:
    """interop-quirks 20; RFC 3261 7.3.1."""
    phone = network.phone()
    phone.transmit(
        "INVITE sip:442071234567@h;transport=tls;transport=tls SIP/2.0\r\nv: SIP/2.0/UDP 192.0.2.10:5070;branch=z9hG4bKc;rport\r\n"
        "f: sip:447700900000@h;tag=1\r\nt: sip:442071234567@h\r\ni: compact\r\nCSeq: 1\r\n INVITE\r\nm: <sip:a@b;ob>\r\n"
        "k: timer,\r\n\t100rel\r\nx: 1800\r\nl:   0\r\n\r\n"
    )
    challenged = phone.expect(407)
    assert challenged.get("from") == "sip:447700900000@h;tag=1"
    assert challenged.get("cseq") == "1 INVITE"


def test_full_tables_answer_503() -> None:
    network = Network(Policy(max_calls=1))
    network.phone().call()
    refused = attempt(network.phone())
    assert (refused.status, refused.get("retry-after")) == (503, "5")


def test_an_invite_without_contact_gets_400(network: Network) -> None:
    phone = network.phone()
    phone.invite()
    challenged = phone.expect(407)
    text = phone.request("INVITE", phone.invite_uri, phone.credentials(challenged), SDP)
    phone.transmit("\r\n".join(line for line in text.split("\r\n") if not line.startswith("Contact")))
    assert "contact.missing" in (phone.expect(400).get("warning") or "")


def test_a_request_that_comes_by_two_paths_is_served_once(network: Network) -> None:
    """8.2.2.2: same From tag, Call-ID and CSeq on another branch while the first is under way."""
    phone = network.phone()
    phone.invite()
    challenged = phone.expect(407)
    phone.ack(challenged)
    credentials = phone.credentials(challenged)
    text = phone.invite(extra=credentials)
    phone.ack(phone.expect(100, 180, 200))
    phone.transmit(text.replace(phone.invite_branch, "z9hG4bK-the-other-path"))
    assert "request.merged" in (phone.expect(482).get("warning") or "")
    network.clock.advance(33)
    phone.inbox.clear()  # the 482 that nobody acknowledged
    phone.in_dialog("BYE")
    phone.expect(200)


@pytest.mark.parametrize(("value", "status"), [("0", 483), ("256", 400), ("-1", 400), ("1_0", 400), ("70", 407), ("1", 407)])
def test_hops_are_counted(network: Network, value: str, status: int) -> None:
    """16.3, item 3."""
    phone = network.phone()
    phone.transmit(
        phone.request("INVITE", "sip:442071234567@sip-us.vonage.com", body=SDP).replace("Max-Forwards: 70", f"Max-Forwards: {value}")
    )
    phone.expect(status)


def test_the_offer_may_stand_in_a_multipart_body(network: Network) -> None:
    """RFC 5621; a part of another type is passed over."""
    phone = network.phone()
    body = f"--x\r\nContent-Type: text/plain\r\n\r\nhello\r\n--x\r\nContent-Type: application/sdp\r\n\r\n{SDP}\r\n--x--\r\n"
    assert phone.call(extra="Content-Type: multipart/mixed;boundary=x\r\n", body=body).status == 200


def test_an_encoded_body_is_refused_with_what_is_taken(network: Network) -> None:
    """8.2.3."""
    phone = network.phone()
    phone.dial(extra="Content-Encoding: gzip\r\n")
    assert phone.expect(415).get("accept-encoding") == "identity"


@pytest.mark.parametrize(
    ("header", "named"),
    [
        ("Require: " + ",x" * 200, "Require"),
        ('P-Asserted-Identity: <sip:447700900000@h>, "unclosed', "P-Asserted-Identity"),
        ("Contact: <sip:a@b", "Contact"),
        ("Contact: *", "Contact"),
        ('Supported: timer, "', "Supported"),
    ],
)
def test_a_header_that_is_read_late_is_refused_by_name(network: Network, header: str, named: str) -> None:
    """Headers beyond the five that matching needs are read when asked for; a broken one is 400 all the same (21.4.1)."""
    phone = network.phone()
    if named == "Contact":
        send = phone._send
        phone._send = lambda data: send(data.replace(b"Contact: <sip:447700900000@192.0.2.10:5070>", header.encode()))
        extra = ""
    else:
        extra = f"{header}\r\nSession-Expires: 1800\r\n"
    phone.invite(extra=extra)
    if phone.inbox[0].status == 407:
        challenged = phone.expect(407)
        phone.ack(challenged)
        phone.invite(extra=extra + phone.credentials(challenged))
    assert named in (phone.expect(400).get("warning") or "")


@pytest.mark.parametrize(("status", "what"), [(400, "no Content-Length"), (513, "a body of 70000 octets where 65535 are the most")])
def test_a_request_whose_end_is_unknown_is_answered(network: Network, status: int, what: str) -> None:
    """RFC 3261 18.3, 21.5.11; a response or an ACK gets nothing."""
    phone = network.phone(transport="TCP")
    head = INVITE.replace("Content-Length", "X-Content-Length").partition("\r\n\r\n")[0] + "\r\n\r\n"
    for text in (head, head.replace("INVITE", "ACK"), "SIP/2.0 200 OK\r\n\r\n", "rubbish\r\n\r\n"):
        network.endpoint().endless(text.encode(), what, status, phone.flow)  # type: ignore[attr-defined]
    assert what in (phone.expect(status).get("warning") or "")
    phone.expect_nothing()


def test_an_answer_leaves_out_what_the_request_lacked(network: Network) -> None:
    phone = network.phone()
    phone.transmit(INVITE.replace("From:", "X-From:").replace("To:", "X-To:"))
    answer = phone.expect(400)
    assert answer.get("from") is None and answer.get("to") is None and answer.get("cseq")
