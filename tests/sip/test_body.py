"""Bodies: the session description wherever it stands."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.sip.body import MAX_PARTS, BrokenBody, WrongBody, part_of
from emulator.sip.message import Request, parse

SDP = "application/sdp"


def message(body: bytes, type_: str | None, more: str = "") -> Request:
    head = (
        "INVITE sip:h SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\nCall-ID: x\r\n"
        f"CSeq: 7 INVITE\r\n{f'Content-Type: {type_}' + chr(13) + chr(10) if type_ is not None else ''}{more}"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    request = parse(head.encode() + body)
    assert isinstance(request, Request)
    return request


MIXED = (
    b"preamble\r\n--b1\r\nContent-Type: text/plain\r\n\r\nhello\r\n--b1 \r\ncontent-type: Application/SDP; charset=x\r\n"
    b"Content-Length: 5\r\n\r\nv=0\r\n\r\n--b1--\r\nepilogue"
)


@pytest.mark.parametrize(
    ("body", "type_", "more", "found"),
    [
        (b"", SDP, "", None),
        (b"v=0\r\n", SDP, "", b"v=0\r\n"),
        (b"v=0\r\n", "Application/Sdp ; x=y", "", b"v=0\r\n"),
        (b"v=0\r\n", None, "", b"v=0\r\n"),
        (b"v=0\r\n", SDP, "Content-Encoding: identity\r\n", b"v=0\r\n"),
        (MIXED, 'multipart/mixed; boundary="b1"', "", b"v=0\r\n"),
        (MIXED, "multipart/mixed;boundary=b1", "MIME-Version: 1.0\r\n", b"v=0\r\n"),
        (
            b'--o\r\nContent-Type: multipart/alternative; boundary=b1\r\n\r\n' + MIXED + b"\r\n--o--",
            "multipart/mixed;boundary=o",
            "",
            b"v=0\r\n",
        ),
        (b"<x/>", "application/xml", "Content-Disposition: render; handling=optional\r\n", None),
        (
            b"--b\r\nContent-Type: application/xml\r\nContent-Disposition: x;handling = optional\r\n\r\n<x/>\r\n--b--",
            "multipart/mixed;boundary=b",
            "",
            None,
        ),
    ],
)  # fmt: skip
def test_the_description_is_found(body: bytes, type_: str | None, more: str, found: bytes | None) -> None:
    assert part_of(message(body, type_, more), SDP) == found


@pytest.mark.parametrize(
    ("body", "type_", "more", "seen"),
    [
        (b"x", "text/plain", "", "text/plain"),
        (b"x", SDP, "Content-Encoding: gzip\r\n", "application/sdp in encoding gzip"),
        (b"--b\r\n\r\ntext\r\n--b--", "multipart/mixed;boundary=b", "", "text/plain"),
    ],
)
def test_another_body_is_refused(body: bytes, type_: str, more: str, seen: str) -> None:
    with pytest.raises(WrongBody) as caught:
        part_of(message(body, type_, more), SDP)
    assert caught.value.type == seen


@pytest.mark.parametrize(
    ("body", "type_"),
    [
        (MIXED, "multipart/mixed"),
        (MIXED, "multipart/mixed;boundary="),
        (MIXED, "multipart/mixed;boundary=" + "b" * 71),
        (MIXED, "multipart/mixed;boundary=other"),
        (MIXED[:-14], "multipart/mixed;boundary=b1"),
        (b"--b\r\nContent-Type: text/plain\r\n--b--", "multipart/mixed;boundary=b"),
        (b"--b\r\n\r\n" * (MAX_PARTS + 1) + b"\r\n--b--", "multipart/mixed;boundary=b"),
        (b"--b--" * 3, "multipart/mixed;boundary=b;" + "x;" * 99),
    ],
)
def test_broken_multiparts_are_told(body: bytes, type_: str) -> None:
    with pytest.raises(BrokenBody):
        part_of(message(body, type_), SDP)


def test_nesting_is_bounded() -> None:
    body = b"x"
    for _ in range(5):
        body = b"--b\r\nContent-Type: multipart/mixed;boundary=b\r\n\r\n" + body + b"\r\n--b--"
    with pytest.raises(BrokenBody):
        part_of(message(body, "multipart/mixed;boundary=b"), SDP)


@given(st.binary(max_size=200), st.sampled_from(["multipart/mixed;boundary=b", SDP, "a/b", ";;", "multipart/x;boundary"]))
def test_nothing_but_our_own_errors(body: bytes, type_: str) -> None:
    for text in (body, b"--b\r\n" + body + b"\r\n--b\r\n\r\n" + body + b"\r\n--b--"):
        try:
            part_of(message(text, type_), SDP)
        except (WrongBody, BrokenBody):
            pass
