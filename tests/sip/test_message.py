"""Messages: what parsing finds, and what it refuses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.sip import message as messages
from emulator.sip.message import MAX_HEADERS, Malformed, Request, Response, header_name, parse

REQUEST = (
    b"OPTIONS sip:h SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\n"
    b"Call-ID: x\r\nCSeq: 7 OPTIONS\r\nSupported: timer, 100rel\r\nsupported: Path\r\nX-Odd:\r\nContent-Length: 3\r\n\r\nabcdef"
)


def test_a_request() -> None:
    request = parse(REQUEST)
    assert isinstance(request, Request)
    assert (request.method, request.uri, request.call_id, request.from_tag, request.to_tag) == ("OPTIONS", "sip:h", "x", "1", "")
    assert (request.cseq.number, request.via.params["branch"], request.body) == (7, "z9hG4bK1", b"abc")
    assert request.tokens("supported") == {"timer", "100rel", "path"}
    assert request.get("x-odd") == "" and request.get("x-none") is None
    assert ("Call-ID", "x") in request.fields() and ("CSeq", "7 OPTIONS") in request.fields()


def test_a_response() -> None:
    response = parse(REQUEST.replace(b"OPTIONS sip:h SIP/2.0", b"SIP/2.0 183 Session  Progress"))
    assert isinstance(response, Response)
    assert (response.status, response.reason) == (183, "Session  Progress")


def test_a_response_of_ours_repeats_what_it_must() -> None:
    request = parse(REQUEST)
    assert isinstance(request, Request)
    assert request.respond(200, "tag2", "A: b\r\n", b"xy") == (
        b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:c@d>;tag=tag2\r\n"
        b"Call-ID: x\r\nCSeq: 7 OPTIONS\r\nA: b\r\nContent-Length: 2\r\n\r\nxy"
    )


@pytest.mark.parametrize(
    "start",
    [b"OPTIONS sip:h", b"OPTIONS  sip:h SIP/2.0", b"OPTIONS sip:h SIP/2.0 ", b"SIP/2.0 99 x", b"SIP/2.0 20x x", b"SIP/2.0 700 x", b""],
)
def test_start_lines_that_are_none(start: bytes) -> None:
    with pytest.raises(Malformed):
        parse(REQUEST.replace(b"OPTIONS sip:h SIP/2.0", start))


def test_header_lines_are_bounded() -> None:
    with pytest.raises(Malformed):
        parse(REQUEST.replace(b"X-Odd:\r\n", b"X: y\r\n" * MAX_HEADERS))


def test_names_a_peer_invents_are_not_remembered_for_ever() -> None:
    before = dict(messages._names)
    try:
        for k in range(5000):
            header_name(f"X-{k}")
        assert len(messages._names) <= 2000
    finally:
        messages._names.clear()
        messages._names.update(before)


def test_odd_white_space_round_the_colon_is_the_same_header() -> None:
    """robustness 13."""
    request = parse(REQUEST.replace(b"Call-ID: x", b"cAll-id \t:\t x "))
    assert request.call_id == "x"


@given(st.binary(max_size=300))
def test_no_octets_raise_anything_but_malformed(data: bytes) -> None:
    for octets in (data, REQUEST.replace(b"X-Odd:", data), b"INVITE sip:x SIP/2.0\r\nVia: " + data + b"\r\n\r\n"):
        try:
            parse(octets)
        except Malformed:
            pass
