"""URIs (RFC 3261 19.1)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.sip.uri import Uri, UriError


@pytest.mark.parametrize(
    ("text", "user", "host", "port", "params"),
    [
        ("sip:alice@atlanta.com", "alice", "atlanta.com", None, {}),
        ("sips:alice:secret@atlanta.com:5061;transport=tcp;lr?a=b&c=d", "alice", "atlanta.com", 5061, {"transport": "tcp", "lr": None}),
        ("sip:[2001:db8::1]:5060", None, "[2001:db8::1]", 5060, {}),
        ("sip:+1-212;phone-context=x@h;user=phone", "+1-212;phone-context=x", "h", None, {"user": "phone"}),
        ("sip:447700900000@127.0.0.1;transport=tls;transport=tls", "447700900000", "127.0.0.1", None, {"transport": "tls"}),
        ("SIP:a?b@h", "a?b", "h", None, {}),
        ("sip:gw+trunk@127.0.0.1:5080;transport=tls;gw=trunk", "gw+trunk", "127.0.0.1", 5080, {"transport": "tls", "gw": "trunk"}),
    ],
)
def test_sip_uris(text: str, user: str | None, host: str, port: int | None, params: dict[str, str | None]) -> None:
    uri = Uri.parse(text)
    assert (uri.user, uri.host, uri.port, uri.params, str(uri)) == (user, host, port, params, text)


def test_tel_and_other_schemes_are_kept() -> None:
    assert Uri.parse("tel:+442071234567;phone-context=x").number == "+442071234567"
    assert Uri.parse("urn:service:sos").opaque == "service:sos"
    assert Uri.parse("sip:%2B44%20@h").number == "+44 "


@pytest.mark.parametrize(
    "text", ["", "sip", "sip:", "sip:@h", "sip:a@", "sip:a@h:0", "sip:a@h:99999", "sip:a b@h", "1sip:a@h", "sip:a@h>", "sip:" + "a" * 5000]
)
def test_what_is_no_uri(text: str) -> None:
    with pytest.raises(UriError):
        Uri.parse(text)


def test_a_uri_in_brackets_is_told_by_that() -> None:
    """Net::SIP writes what it is given as its registrar into the Request-URI of a REGISTER."""
    with pytest.raises(UriError, match=r"'<sip:127.0.13.1;transport=tcp>' is a URI in brackets; write it without them"):
        Uri.parse("<sip:127.0.13.1;transport=tcp>")


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [  # the examples of 19.1.4
        ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtlanTa.CoM;Transport=tcp", True),
        ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5", True),
        ("sip:carol@chicago.com;newparam=5", "sip:carol@chicago.com;security=on", True),
        ("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP", False),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060", False),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp", False),
        ("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting", False),
        ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4", False),
    ],
)
def test_equivalence(first: str, second: str, same: bool) -> None:
    assert (Uri.parse(first) == Uri.parse(second)) is same


@given(st.text(max_size=100))
def test_no_text_raises_anything_but_uri_error(text: str) -> None:
    for prefix in ("", "sip:", "sips:a@", "tel:"):
        try:
            assert str(Uri.parse(prefix + text)) == prefix + text
        except UriError:
            pass
