"""Header values: parse, print, and what is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.sip.headers import CSeq, HeaderError, NameAddr, Via, host_port, parse_credentials, parse_params, split_commas, tag_of


@pytest.mark.parametrize(
    "text",
    [
        "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1",
        "SIP/2.0/TLS host.example;branch=z9hG4bK1;rport;alias",
        "SIP/2.0/TCP [2001:db8::1]:5061;branch=z9hG4bK1;received=192.0.2.4",
        "SIP/2.0/UDP under_score.example",
        'SIP/2.0/UDP a;x="y;z"',
    ],
)
def test_via_prints_back_as_it_came(text: str) -> None:
    assert str(Via.parse(text)) == text


def test_via_takes_the_white_space_of_the_grammar() -> None:
    via = Via.parse("SIP / 2.0 / UDP  first.example.com : 4000 ;ttl=16 ; maddr=224.2.0.1")
    assert (via.transport, via.host, via.port, via.params) == ("UDP", "first.example.com", 4000, {"ttl": "16", "maddr": "224.2.0.1"})


@pytest.mark.parametrize("text", ["", "UDP host", "SIP/2.0/UDP", "SIP/2.0/UDP host:0", "SIP/2.0/UDP host:65536", "SIP/2.0/UDP h:٣"])
def test_via_that_is_none(text: str) -> None:
    with pytest.raises(HeaderError):
        Via.parse(text)


@pytest.mark.parametrize(
    ("text", "display", "uri", "params"),
    [
        ("<sip:a@b>;tag=1", "", "sip:a@b", {"tag": "1"}),
        ("sip:a@b;tag=1", "", "sip:a@b", {"tag": "1"}),
        ('"A \\"B\\" <x>;tag=no" <sip:a@b;x=1>;tag=2', 'A "B" <x>;tag=no', "sip:a@b;x=1", {"tag": "2"}),
        ("Alice Smith <sip:a@b>", "Alice Smith", "sip:a@b", {}),
        ("< sip:a@b > ; q=0.5 ;flag", "", "sip:a@b", {"q": "0.5", "flag": None}),
    ],
)
def test_name_addr(text: str, display: str, uri: str, params: dict[str, str | None]) -> None:
    value = NameAddr.parse(text)
    assert (value.display, value.uri, value.params) == (display, uri, params)
    again = NameAddr.parse(str(value))
    assert (again.display, again.uri, again.params) == (display, uri, params)


@pytest.mark.parametrize("text", ['"open <sip:a@b>', "<sip:a@b", '"x" sip:a@b', "<sip:a@b> rubbish"])
def test_name_addr_that_is_none(text: str) -> None:
    with pytest.raises(HeaderError):
        NameAddr.parse(text)


@pytest.mark.parametrize(
    ("text", "tag"),
    [
        ("<sip:a@b>;tag=abc", "abc"),
        ("<sip:a@b>;x=1;tag=abc;y", "abc"),
        ("<sip:a@b;tag=inside>", None),
        ('"x;tag=no" <sip:a@b>', None),
        ('"x;tag=no" <sip:a@b>;tag=yes', "yes"),
        ("sip:a@b;tag=abc", "abc"),
        ("<sip:a@b>;TAG=abc", "abc"),
        ("<sip:a@b>", None),
    ],
)
def test_tag_of(text: str, tag: str | None) -> None:
    assert tag_of(text) == tag


@pytest.mark.parametrize(
    ("text", "value"), [("1 INVITE", (1, "INVITE")), ("0036  ACK", (36, "ACK")), ("2147483647 BYE", (2147483647, "BYE"))]
)
def test_cseq(text: str, value: tuple[int, str]) -> None:
    cseq = CSeq.parse(text)
    assert (cseq.number, cseq.method) == value


@pytest.mark.parametrize(
    "text", ["", "INVITE", "1", "2147483648 INVITE", "-1 INVITE", "1_0 INVITE", "1 INVITE x", "٣ INVITE", "9" * 5000 + " INVITE"]
)
def test_cseq_that_is_none(text: str) -> None:
    """robustness 1."""
    with pytest.raises(HeaderError):
        CSeq.parse(text)


def test_commas_separate_outside_quotes_and_brackets() -> None:
    assert split_commas('"a, b" <sip:a,b@c>, <sip:d@e>;x="1,2",f') == ['"a, b" <sip:a,b@c>', '<sip:d@e>;x="1,2"', "f"]


def test_counts_are_bounded() -> None:
    """robustness 2."""
    with pytest.raises(HeaderError):
        split_commas("," * 1000)
    with pytest.raises(HeaderError):
        parse_params(";a" * 1000)


@pytest.mark.parametrize(
    "text",
    [
        'Digest username="u",realm="r, s",nonce="n",uri="sip:a@b;x=1",response="x",nc=00000001,qop=auth',
        'Digest   username = "u" , realm="r, s", nonce="n",uri="sip:a@b;x=1", response="x", nc=00000001, qop="auth",',
        'digest username="\\u",realm="r, s",nonce="n",uri="sip:a@b;x=1",response="x",qop=auth,nc=00000001',
    ],
)
def test_credentials_as_clients_write_them(text: str) -> None:
    scheme, values = parse_credentials(text)
    assert scheme.lower() == "digest"
    assert values == {
        "username": "u",
        "realm": "r, s",
        "nonce": "n",
        "uri": "sip:a@b;x=1",
        "response": "x",
        "nc": "00000001",
        "qop": "auth",
    }


@pytest.mark.parametrize(
    ("text", "value"), [("a.b", ("a.b", None)), ("a:5060", ("a", 5060)), ("[::1]:7", ("[::1]", 7)), ("[::1]", ("[::1]", None))]
)
def test_host_port(text: str, value: tuple[str, int | None]) -> None:
    assert host_port(text) == value


@pytest.mark.parametrize("text", ["", ":5060", "a:", "a:0", "a:65536", "[::1", "[x]", "a b", "[::1]x"])
def test_host_port_that_is_none(text: str) -> None:
    with pytest.raises(HeaderError):
        host_port(text)


@given(st.text(max_size=200))
def test_no_text_raises_anything_but_header_error(text: str) -> None:
    for parse in (Via.parse, NameAddr.parse, CSeq.parse, split_commas, parse_params, tag_of, parse_credentials, host_port):
        try:
            parse(text)
        except HeaderError:
            pass


@given(st.text('aZ09<>";,=: \\@sip/', max_size=60))
def test_parse_print_parse_is_stable(text: str) -> None:
    try:
        value = NameAddr.parse(text)
        again = NameAddr.parse(str(value))
    except HeaderError:
        return
    assert (again.display, again.uri, again.params) == (value.display, value.uri, value.params)
