"""The Forward-to-SIP field: what its text means, how it prints, and every mistake in it."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.sip.uri import Uri
from emulator.trunk import forward_list
from emulator.trunk.forward_list import MAX_LENGTH, MAX_TARGETS, ForwardError, ForwardList, Target, check, parse

NUMBER = "447700900000"


def only(text: str) -> Target:
    (target,) = parse(text).targets
    return target


def test_the_fields_of_a_target() -> None:
    (target,) = parse(" sip:12%2034@pbx.example.net:5062;transport=TLS;media=srtp;timeout=2500 ").targets
    assert target == Target(
        user="12 34",
        host="pbx.example.net",
        port=5062,
        transport="TLS",
        srtp=True,
        timeout=2.5,
        secure_scheme=False,
        text="sip:12%2034@pbx.example.net:5062;transport=TLS;media=srtp;timeout=2500",
        user_part="12%2034",
        parameters=";transport=tls",
    )
    assert target.position == 1 and target.priority is None
    assert str(target) == target.text


@pytest.mark.parametrize(
    "text",
    [  # the page's own
        "sip:1234@example.com",
        "sip:1234@example.com,sip:1234@example.net,sip:1234@example.org",
        "sip:1234@example.com;transport=tls",
        "sip:1234@example.com:5062;transport=tls",
        "sip:1234@example.com;transport=tls;media=srtp",
        "sip:1234@example.com;timeout=2000,sip:1234@example.net",
    ],
)
def test_the_examples_of_the_page_print_back_without_a_problem(text: str) -> None:
    targets, problems = check(text)
    assert problems == ()
    assert str(targets) == text
    assert parse(text) == targets


def test_the_defaults() -> None:
    target = only("sip:1234@example.com")
    assert (target.transport, target.srtp, target.timeout, target.port, target.default_port) == ("UDP", False, 5.0, None, 5060)
    assert only("sip:1234@example.com;transport=tls").default_port == 5061


@pytest.mark.parametrize(
    ("text", "transport", "secure_scheme"),
    [
        ("sip:a@h", "UDP", False),
        ("sip:a@h;transport=udp", "UDP", False),
        ("sip:a@h;Transport=TCP", "TCP", False),
        ("sip:a@h;transport=tls", "TLS", False),
        ("sips:a@h", "TLS", True),  # until 2017 (vonage-facts 6)
        ("SIPS:a@h;transport=tls", "TLS", True),
        ("sips:a@h;transport=tcp", "TLS", True),  # RFC 3261 26.2.2
    ],
)
def test_the_transport(text: str, transport: str, secure_scheme: bool) -> None:
    target = only(text)
    assert (target.transport, target.secure_scheme) == (transport, secure_scheme)


@pytest.mark.parametrize(
    ("text", "user", "host", "port"),
    [
        ("1234@pbx.example.net", "1234", "pbx.example.net", None),
        ("441122334455@sip.example.com:5080;timeout=3000", "441122334455", "sip.example.com", 5080),
        ("sip:pbx.example.net", None, "pbx.example.net", None),
        ("pbx.example.net", None, "pbx.example.net", None),
        ("pbx.example.com:5063", None, "pbx.example.com", 5063),
        ("44.242.60.185", None, "44.242.60.185", None),
        ("sip1:5080", None, "sip1", 5080),
        ("localhost", None, "localhost", None),
        ("sip:1234@[2001:db8::1]:5062", "1234", "[2001:db8::1]", 5062),
        ("[2001:db8::1]", None, "[2001:db8::1]", None),
        ("1234@[::1]", "1234", "[::1]", None),
        ("sip:+44-1;phone-context=x@h", "+44-1;phone-context=x", "h", None),
        ("sip:a/b?c@h", "a/b?c", "h", None),
        ("sip:a%40b@h", "a@b", "h", None),
        ("sip:a@h:05080", "a", "h", 5080),
    ],
)
def test_user_host_and_port(text: str, user: str | None, host: str, port: int | None) -> None:
    targets, problems = check(text)
    assert problems == () and targets is not None
    (target,) = targets.targets
    assert (target.user, target.host, target.port) == (user, host, port)


@pytest.mark.parametrize(
    ("text", "uri"),
    [
        ("sip:1234@h", "sip:1234@h"),
        ("1234@h:5080", "sip:1234@h:5080"),
        ("SIP:1234@H", "sip:1234@H"),
        ("sips:1234@h", "sips:1234@h"),
        ("sip:h", "sip:447700900000@h"),
        ("h:5063", "sip:447700900000@h:5063"),
        ("sip:[2001:db8::1]:5062", "sip:447700900000@[2001:db8::1]:5062"),
        ("sip:a@h;timeout=2000;transport=UDP;media=srtp;priority=3", "sip:a@h"),
        ("sip:a@h;x=1;Transport=TLS;timeout=2000;Lr;user=phone", "sip:a@h;x=1;transport=tls;Lr;user=phone"),
        ("sip:a@h;transport=tcp", "sip:a@h;transport=tcp"),
        ("sip:a%20b%3bc@h", "sip:a%20b%3bc@h"),  # %3b is not equivalent to ; (19.1.4)
        ("sip:*72#@h", "sip:*72%23@h"),
        ("sip:a@h;method=INVITE;x?Subject=y", "sip:a@h;x"),
    ],
)
def test_the_request_uri(text: str, uri: str) -> None:
    assert only(text).uri(NUMBER) == uri


def test_a_dialled_number_is_escaped_where_the_grammar_wants_it() -> None:
    assert only("h").uri("+44 7@x:%\ud800") == "sip:+44%207%40x%3A%25?@h"
    assert only("h").uri("") == "sip:h"
    assert Target("a b", "h", None, "UDP", False, 5.0, False, "").uri(NUMBER) == "sip:a%20b@h"


def test_blanks_round_commas_are_allowed_and_not_printed() -> None:
    targets = parse("  sip:a@h ,\tsip:b@h  ,sip:c@h ")
    assert [target.position for target in targets.targets] == [2, 12, 22]
    assert str(targets) == "sip:a@h,sip:b@h,sip:c@h"
    assert parse(str(targets)) == targets


def test_other_parameters_and_headers_print_back_in_order() -> None:
    text = "SIP:1%32@Example.COM:5060;X=Y;media=SRTP;lr;TimeOut=20000;transport=TLS?b=c&a=d,h"
    targets, problems = check(text)
    assert str(targets) == text
    assert [problem.code for problem in problems] == ["forward.port-unusual", "forward.not-sent"]


def test_targets_come_in_the_order_of_their_priorities_and_print_as_written() -> None:
    text = "c;priority=100,a;priority=0,d,b;priority=7,e"
    targets, problems = check(text)
    assert targets is not None
    assert [target.host for target in targets.targets] == ["a", "b", "c", "d", "e"]
    assert [target.priority for target in targets.targets] == [0, 7, 100, None, None]
    assert str(targets) == text
    assert [str(problem) for problem in problems] == [
        "column 29: no priority where others have one: it is tried after them; give it one",
        "column 44: no priority where others have one: it is tried after them; give it one",
    ]


# -- mistakes -----------------------------------------------------------------------------------------------------

E, W = "error", "warning"
RANGE = "write timeout=2000 to timeout=20000"
PORTS = "write a port from 1 to 65535, or none"
ALONE = "write the URI alone"
PASSWORD = "a password, and Vonage sends none (vonage-facts 6); remove it; allow its addresses"
NO_HOST = "no host; write sip:USER@HOST, or sip:HOST to have the dialled number as the user"
SEMICOLON = "a semicolon between two targets; write a comma (an @ elsewhere in a URI is %40)"
BLANK = "a blank inside a target; remove it, or write a comma between two targets"
NO_ASCII = "write a host in its xn-- form, and such characters of a user part as %HH"
QUOTES = 'quotes in a URI; write it without them (" itself is %22)'
QUOTED = "quotes round a target; write it without them"
NAMELESS = "a semicolon without a parameter; remove it, or write NAME=VALUE after it"
INVISIBLE = "is a control or an invisible character; remove it"
HYPHENS = "an underscore in a host, which RFC 3261 25.1 does not have; use a name with hyphens"
NO_PRIORITY = "is no priority; write priority=0, the first to be tried, to priority=100"
NO_TRANSPORT = "is no transport of Vonage's; write transport=udp, transport=tcp or transport=tls"
LETTERS = "in a host; use letters, digits, hyphens and dots"
OCTETS = "is no IPv4 address; write four numbers from 0 to 255, as in 192.0.2.1"

# field, what is marked, severity, code without its `forward.`, message
MISTAKES = [
    # the field
    ("", "", E, "empty", "column 1: the field is empty; write a target such as sip:1234@pbx.example.net"),
    (" \t", " \t", E, "empty", "column 1: the field is empty; write a target such as sip:1234@pbx.example.net"),
    (",a@h", ",", E, "empty-target", "column 1: no target before the comma; write one there, or remove the comma"),
    ("a@h,b@h,", ",", E, "empty-target", "column 8: no target after the comma; write one there, or remove the comma"),
    ("a@h, ,,b@h", ", ,,", E, "empty-target", "column 4: no target between the commas; write one there, or remove the comma"),
    (",", ",", E, "empty-target", "column 1: no target before the comma; write one there, or remove the comma"),
    ("a@" + "h" * MAX_LENGTH, "hh", E, "too-long", "column 4097: 4098 characters, more than the 4096 that vsim takes; list fewer targets"),
    (
        ",".join(f"u{n}@h" for n in range(100, 152)), "u150@h", E, "too-many",
        "column 351: 52 targets, more than the 50 that vsim takes; from here on they were not read; list fewer targets",
    ),
    # between targets
    ("sip:a@h;sip:b@h", ";", E, "semicolon", f"column 8: {SEMICOLON}"),
    ("sip:a@h; SIPS:b@h", ";", E, "semicolon", f"column 8: {SEMICOLON}"),
    ("a@h;timeout=2000;b@h", ";", E, "semicolon", f"column 17: {SEMICOLON}"),
    (";sip:a@h", ";", E, "semicolon", "column 1: a semicolon before a target; remove it"),
    ("sip:a@h sip:b@h", " ", E, "blank", "column 8: a blank between two targets; write a comma"),
    ("a@h b@h", " ", E, "blank", "column 4: a blank between two targets; write a comma"),
    # characters
    ("sip:a@h\x1b", "\x1b", E, "control", "column 8: the control character \\x1b; remove it"),
    ("a@h,\r\nb@h", "\r\n", E, "control", "column 5: the control character \\x0d\\x0a; remove it"),
    ("a＠h", "＠", E, "not-ascii", "column 2: ＠ is not ASCII; write @"),
    ("a@h，b@h；transport=tls", "，", E, "not-ascii", "column 4: ， is not ASCII; write ,"),
    ("sip:a@exämple.net", "ä", E, "not-ascii", f"column 9: ä is not ASCII; {NO_ASCII}"),
    ("sip:a@h\u200b", "\u200b", E, "not-ascii", "column 8: U+200B is not ASCII; remove it"),
    ("a@h,\u00a0b@h", "\u00a0", E, "not-ascii", "column 5: U+00A0 is not ASCII; remove it"),
    # the scheme
    ("tel:+447700900000", "tel:", E, "scheme", "column 1: tel: is no scheme of this field; write sip:USER@HOST"),
    ("http://u:p@h/x", "http:", E, "scheme", "column 1: http: is no scheme of this field; write sip:USER@HOST"),
    ("siip:1234@h", "siip:", E, "scheme", "column 1: siip: is no scheme of this field; write sip:USER@HOST"),
    ("foo:pbx.example.net", "foo:", E, "scheme", "column 1: foo: is no scheme of this field; write sip:USER@HOST"),
    ("sip//1234@h", "sip//", E, "scheme", "column 1: sip// is no scheme; write sip:"),
    ("sip://1234@h", "//", E, "scheme", "column 5: slashes after the scheme; write sip: without them"),
    ("sip:sip:1234@h", "sip:", E, "scheme", "column 5: a second scheme; write it once"),
    # brackets, names, quotes
    ("<sip:a@h>;timeout=2000", "<", E, "brackets", f"column 1: angle brackets round the URI; {ALONE}"),
    ('"Doe, J" <sip:a@h>', '"Doe, J" <', E, "brackets", f"column 1: a display name and angle brackets round the URI; {ALONE}"),
    ("Bob <sip:a@h>", "Bob <", E, "brackets", f"column 1: a display name and angle brackets round the URI; {ALONE}"),
    ("<sip:a@h", "<", E, "brackets", f"column 1: a < without a > after it; {ALONE}"),
    ("sip:a@h>", ">", E, "brackets", f"column 8: a > without a < before it; {ALONE}"),
    ("<sip:a@h>x", "x", E, "brackets", "column 10: text after the angle brackets; remove it"),
    ("<sip:a<@h>", "<", E, "brackets", f"column 7: angle brackets in a URI; {ALONE}"),
    ('"sip:a@h,sip:b@h"', '"', E, "quotes", f"column 1: {QUOTED}"),
    ("'sip:a@h'", "'", E, "quotes", f"column 1: {QUOTED}"),
    ('sip:a@h;x="1;2"', '"', E, "quotes", f"column 11: {QUOTES}"),
    # the user part
    ("sip:@h", "@", E, "user-missing", "column 5: an @ without a user before it; write USER@HOST, or the host alone"),
    ("sip:bob:hidden@h", ":hidden", E, "password", f"column 8: {PASSWORD}"),
    ("bob:hidden@h", ":hidden", E, "password", f"column 4: {PASSWORD}"),
    ("sip:bob:@h", ":", E, "password", f"column 8: {PASSWORD}"),
    ("sip:a@b@h", "@", E, "at", "column 6: a second @ in the target; write %40 in a user part"),
    ('sip:"a,b"@h', ",", E, "comma", "column 7: a comma inside a user part; write %2C"),
    ("sip:a\\,b@h", "\\,", E, "comma", "column 6: a comma inside a user part; write %2C"),
    (
        "sip:a%2cb@h", "%2c", W, "comma-escaped",
        "column 6: an escaped comma, and nobody knows whether Vonage splits the list before it decodes; use a user without one",
    ),
    ("sip:*72#@h", "#", W, "user-character", "column 8: # stands unescaped in a user part; write %23"),
    ("sip:50%@h", "%", E, "escape", "column 7: a % that two hexadecimal digits do not follow; write %25 for the character itself"),
    ("sip:a%0D%0A@h", "%0D%0A", E, "escape", f"column 6: %0D%0A {INVISIBLE}"),
    ("sip:a%E2%80%8B@h", "%E2%80%8B", E, "escape", f"column 6: %E2%80%8B {INVISIBLE}"),
    ("sip:a@h;x=%", "%", E, "escape", "column 11: a % that two hexadecimal digits do not follow; write %25 for the character itself"),
    # the host
    ("sip:", ":", E, "host-missing", f"column 4: {NO_HOST}"),
    ("sip:a@;timeout=2000", "@", E, "host-missing", f"column 6: {NO_HOST}"),
    ("a@", "@", E, "host-missing", f"column 2: {NO_HOST}"),
    (";timeout=2000", ";", E, "host-missing", f"column 1: {NO_HOST}"),
    ("sip:a@:5060", "@", E, "host-missing", "column 6: no host; write sip:USER@HOST"),
    ("sip:44770", "44770", E, "host-missing", "column 5: 44770 is a number without a host; write sip:44770@HOST"),
    ("+441", "+441", E, "host-missing", "column 1: +441 is a number without a host; write sip:+441@HOST"),
    ("sip:a@pbx example.net", " ", E, "blank", f"column 10: {BLANK}"),
    ("sip:a@h; timeout=2000", " ", E, "blank", f"column 9: {BLANK}"),
    ("sip:a@pbx_1.example", "_", W, "host-underscore", f"column 10: {HYPHENS}"),
    (
        "sip:a@_sip._udp.h", "_", E, "host-underscore",
        "column 7: _sip._udp.h is the name of a service, not of a host; write the domain alone; its SRV records are looked up",
    ),
    ("sip:a@h/x", "/", E, "host", f"column 8: / {LETTERS}"),
    ("sip:a@h%41", "%", E, "host", f"column 8: % {LETTERS}"),
    ("sip:a@pbx-.net", "pbx-", E, "host", "column 7: pbx- begins or ends with a hyphen; remove it"),
    ("sip:a@-pbx.net", "-pbx", E, "host", "column 7: -pbx begins or ends with a hyphen; remove it"),
    ("sip:a@" + "h" * 64, "h" * 64, E, "host", "column 7: a label of 64 characters; write one of at most 63"),
    ("sip:a@" + "abc." * 63 + "ab", "abc." * 63 + "ab", E, "host", "column 7: a host of 254 characters; write one of at most 253"),
    ("sip:a@256.1.1.1", "256.1.1.1", E, "host", f"column 7: 256.1.1.1 {OCTETS}"),
    ("sip:a@10.0.0", "10.0.0", E, "host", f"column 7: 10.0.0 {OCTETS}"),
    ("sip:a@.h", ".", E, "host-dot", "column 7: a host that begins with a dot; remove it"),
    ("sip:a@h..example", ".", E, "host-dot", "column 9: two dots with nothing between; remove one"),
    ("sip:a@h.", ".", W, "host-dot", "column 8: a host that ends with a dot; remove it; names here are absolute without it"),
    ("sip:2001:db8::1", "2001:db8::1", E, "ipv6", "column 5: an IPv6 address without brackets; write [2001:db8::1]"),
    ("fe80::1", "fe80::1", E, "ipv6", "column 1: an IPv6 address without brackets; write [fe80::1]"),
    ("a@fe80::1%eth0", "fe80::1%eth0", E, "ipv6", "column 3: an IPv6 address without brackets; write [fe80::1]"),
    ("a@fe80::1::2", "fe80::1::2", E, "ipv6", "column 3: an IPv6 address without brackets; write [2001:db8::1]"),
    ("a@[10.0.0.1]", "[10.0.0.1]", E, "ipv6", "column 3: 10.0.0.1 in brackets is no IPv6 address; write [2001:db8::1]"),
    ("a@[fe80::1%eth0]", "[fe80::1%eth0]", E, "ipv6", "column 3: fe80::1%eth0 in brackets is no IPv6 address; write [2001:db8::1]"),
    ("a@[]", "[]", E, "ipv6", "column 3: nothing in brackets is no IPv6 address; write [2001:db8::1]"),
    ("a@[::1", "[", E, "bracket", "column 3: a [ without a ] after it; write [ADDRESS]"),
    ("a@::1]", "]", E, "bracket", "column 6: a ] that does not enclose an address; write [ADDRESS]"),
    ("a@[::1]x", "x", E, "host", "column 8: x after the address; write [ADDRESS]:PORT"),
    # the port
    ("sip:a@h:0", "0", E, "port", f"column 9: port 0 is no port; {PORTS}"),
    ("sip:a@h:65536", "65536", E, "port", f"column 9: port 65536 is above 65535; {PORTS}"),
    ("sip:a@h:000005060", "000005060", E, "port", f"column 9: port 000005060 is above 65535; {PORTS}"),
    ("sip:a@h:;lr", ":", E, "port", f"column 8: a colon without a port; {PORTS}"),
    ("sip:a@h:sip", "sip", E, "port", f"column 9: the port is not a number; {PORTS}"),
    ("sip:a@[::1]:x", "x", E, "port", f"column 13: the port is not a number; {PORTS}"),
    (
        "sip:a@h;transport=tls:5062", "transport=tls:5062", E, "port-misplaced",
        "column 9: a port after transport; write it before the first semicolon, HOST:5062",
    ),
    (
        "a@h:5060;transport=tls", "5060", W, "port-unusual",
        "column 5: TLS on port 5060; write 5061 or no port, unless your server has TLS there",
    ),
    ("a@h:5061", "5061", W, "port-unusual", "column 5: UDP on port 5061; add ;transport=tls, unless your server has no TLS there"),
    # parameters
    ("a@h;", ";", E, "parameter", f"column 4: {NAMELESS}"),
    ("a@h;;;lr", ";;", E, "parameter", f"column 4: {NAMELESS}"),
    ("a@h;=5", "=5", E, "parameter", "column 5: a parameter without a name; write NAME=VALUE"),
    ("a@h;x=", "x=", E, "parameter", "column 5: x= has no value; write x=VALUE, or x alone"),
    ("a@h;x=a=b", "=", E, "parameter", "column 8: = must be escaped here; write %3D"),
    ("a@h;x{=a", "{", E, "parameter", "column 6: { must be escaped here; write %7B"),
    ("a@h;X=1;x=2", "x=2", E, "parameter-twice", "column 9: x stands at column 5 already; remove one"),
    ("a@h;lr;lr", "lr", E, "parameter-twice", "column 8: lr stands at column 5 already; remove one"),
    (
        "a@h;transport=tcp;Transport=tcp", "Transport=tcp", E, "parameter-twice",
        "column 19: Transport stands at column 5 already; remove one",
    ),
    (
        "a@h;timeout=2000;timeout=3000", "timeout=3000", E, "parameter-twice",
        "column 18: timeout stands at column 5 already; remove one",
    ),
    ("a@h;timout=3000", "timout=3000", W, "parameter-unknown", "column 5: timout means nothing to the trunk; did you mean timeout?"),
    ("a@h;tls", "tls", W, "parameter-unknown", "column 5: tls alone changes nothing; write transport=tls"),
    ("a@h;srtp", "srtp", W, "parameter-unknown", "column 5: srtp alone changes nothing; write media=srtp"),
    ("a@h;transport=ws", "transport=ws", E, "transport", f"column 5: transport=ws {NO_TRANSPORT}"),
    ("a@h;transport=sctp", "transport=sctp", E, "transport", f"column 5: transport=sctp {NO_TRANSPORT}"),
    ("a@h;transport", "transport", E, "transport", f"column 5: transport {NO_TRANSPORT}"),
    (
        "sips:a@h;transport=udp", "transport=udp", E, "sips-udp",
        "column 10: sips: is TLS, and transport=udp is not; write sip: for UDP, or leave transport out for TLS",
    ),
    ("a@h;media=rtp", "media=rtp", E, "media", "column 5: media=rtp is not media=srtp; write media=srtp, or leave it out for plain RTP"),
    (
        "a@h;media=srtp", "media=srtp", W, "srtp-in-clear",
        "column 5: media=srtp over UDP sends the keys in clear (vonage-facts, default 34); add transport=tls",
    ),
    ("a@h;priority=101", "priority=101", E, "priority", f"column 5: priority=101 {NO_PRIORITY}"),
    ("a@h;priority=high", "priority=high", E, "priority", f"column 5: priority=high {NO_PRIORITY}"),
    ("a@h;timeout", "timeout", E, "timeout", f"column 5: timeout has no value; {RANGE}"),
    ("a@h;timeout=soon", "timeout=soon", E, "timeout", f"column 5: timeout=soon is not a whole number of milliseconds; {RANGE}"),
    ("a@h;timeout=-1", "timeout=-1", E, "timeout", f"column 5: timeout=-1 is not a whole number of milliseconds; {RANGE}"),
    (
        "a@h;timeout=5s", "timeout=5s", E, "timeout",
        "column 5: timeout=5s has a unit, and milliseconds without one are wanted; write timeout=5000",
    ),
    (
        "a@h;timeout=3000ms", "timeout=3000ms", E, "timeout",
        "column 5: timeout=3000ms has a unit, and milliseconds without one are wanted; write timeout=3000",
    ),
    (
        "a@h;timeout=1min", "timeout=1min", E, "timeout",
        f"column 5: timeout=1min has a unit, and milliseconds without one are wanted; {RANGE}",
    ),
    ("a@example.net.net;timeout=500", "timeout=500", E, "timeout-range", f"column 19: timeout=500 is below 2000 ms; {RANGE}"),
    ("a@h;timeout=1999", "timeout=1999", E, "timeout-range", f"column 5: timeout=1999 is below 2000 ms; {RANGE}"),
    ("a@h;timeout=20001", "timeout=20001", E, "timeout-range", f"column 5: timeout=20001 is above 20000 ms; {RANGE}"),
    (
        "a@h;timeout=5", "timeout=5", E, "timeout-range",
        "column 5: timeout=5 is below 2000 ms; write timeout=5000, for it is in milliseconds",
    ),
    (
        "a@h?Subject=x", "?Subject=x", W, "not-sent",
        "column 4: headers, which a Request-URI never holds (RFC 3261 19.1.1); remove it; it is not sent",
    ),
    (
        "a@h;method=INVITE", "method=INVITE", W, "not-sent",
        "column 5: a method parameter, which a Request-URI never holds (RFC 3261 19.1.1); remove it; it is not sent",
    ),
    (
        "a@h" + "".join(f";p{n}" for n in range(65)), "a@h" + "".join(f";p{n}" for n in range(65)), E, "uri",
        "column 1: no SIP URI: more than 64 parameters; write a plainer one, such as sip:USER@HOST",
    ),
    # among targets
    ("a@h,a@h;timeout=2000", "a@h;timeout=2000", W, "duplicate", "column 5: the same target as at column 1; remove it, or name another"),
    ("sip:a@h.net, a@H.NET;transport=udp", "a@H.NET;transport=udp", W, "duplicate",
     "column 14: the same target as at column 1; remove it, or name another"),
    (
        "g;priority=2,h;priority=2", "h;priority=2", W, "priority-order",
        "column 14: priority=2 as at column 1, where Vonage guarantees no order; give each target a priority of its own",
    ),
    (
        "g;priority=2,h", "h", W, "priority-order",
        "column 14: no priority where others have one: it is tried after them; give it one",
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "marked", "severity", "code", "message"), MISTAKES, ids=[f"{row[3]}-{number}" for number, row in enumerate(MISTAKES)]
)
def test_a_mistake(text: str, marked: str, severity: str, code: str, message: str) -> None:
    targets, problems = check(text)
    problem = problems[[str(problem) for problem in problems].index(message)]
    assert (text[problem.position : problem.position + problem.length], problem.severity, problem.code) == (
        marked,
        severity,
        f"forward.{code}",
    )
    if severity == "warning":
        assert targets is not None and parse(text) == targets
        assert problems == (problem,)
    else:
        assert targets is None
        with pytest.raises(ForwardError) as raised:
            parse(text)
        assert raised.value.problems == problems
        assert message in str(raised.value).splitlines()


def test_every_rule_has_a_mistake() -> None:
    source = "".join(path.read_text() for path in Path(forward_list.__file__).parent.glob("forward_*.py"))
    codes = set(re.findall(r'\.(?:error|warn|escapes)\((?:[^()"]*, )?"([a-z0-9-]+)"', source)) | {"user-character"}
    assert codes == {row[3] for row in MISTAKES}


@pytest.mark.parametrize(
    ("text", "count"),
    [  # one wrong character is one problem
        ("sip:a@h:0", 1),
        ("a＠h，b@h；transport＝tls", 4),
        ("a@h,\u00a0b@h", 1),
        ("a@h\n", 1),
        ("sip:bob:hidden@h", 1),
        ("tel:+44@x;lr", 1),
        ("[::1", 1),
        ('"Doe, John" <sip:a@h>;transport=tls', 1),
        ('"sip:a@h,sip:b@h"', 2),
    ],
)
def test_a_mistake_brings_no_others_along(text: str, count: int) -> None:
    assert len(check(text)[1]) == count


def test_every_mistake_is_found_in_order() -> None:
    text = "tel:1, sip:a@:0;timeout=5s;media=x;transport=ws,, b:c@h_i..j;sip:k@[::1;"
    with pytest.raises(ForwardError) as raised:
        parse(text)
    assert [(problem.position + 1, problem.code.removeprefix("forward.")) for problem in raised.value.problems] == [
        (1, "scheme"),
        (13, "host-missing"),
        (15, "port"),
        (17, "timeout"),
        (28, "media"),
        (36, "transport"),
        (48, "empty-target"),
        (52, "password"),
        (56, "host-underscore"),
        (59, "host-dot"),
        (61, "semicolon"),
        (68, "bracket"),
        (72, "parameter"),
    ]
    assert len(str(raised.value).splitlines()) == 12  # the underscore is a warning
    assert isinstance(raised.value, ValueError)


@pytest.mark.parametrize(
    "text",
    [
        "sip:bob:hidden@h",
        "bob:hidden@h;timeout=1",
        '"bob:hidden@h"',
        "sip:bob:hidden",
        "siip:bob:hidden@h",
        "<sip:bob:hidden@h>,h",
        "a:hidden@h,a:hidden@h",
    ],
)
def test_no_message_shows_a_password(text: str) -> None:
    with pytest.raises(ForwardError) as raised:
        parse(text)
    assert "hidden" not in "".join(map(str, raised.value.problems))


def test_messages_are_printable() -> None:
    for problem in check("a\x1b[31m@h\x1b]0;\ud800=\u202e;x\x9b=\x7f")[1]:
        assert str(problem).isprintable()


def test_a_timeout_out_of_range_can_be_clamped() -> None:
    text = "a@h;timeout=500,b@h;timeout=90000,c@h;timeout=5000"
    targets, problems = check(text, timeout_range="clamp")
    assert targets is not None
    assert [target.timeout for target in targets.targets] == [2.0, 20.0, 5.0]
    assert [str(problem) for problem in problems] == [
        f"column 5: timeout=500 is below 2000 ms, so that 2000 ms are used; {RANGE}",
        f"column 21: timeout=90000 is above 20000 ms, so that 20000 ms are used; {RANGE}",
    ]
    assert {problem.severity for problem in problems} == {"warning"}
    assert str(targets) == text and parse(text, timeout_range="clamp") == targets
    with pytest.raises(ForwardError, match="timeout=5s has a unit"):
        parse("a@h;timeout=5s", timeout_range="clamp")
    with pytest.raises(ValueError, match="neither reject nor clamp"):
        parse("a@h", timeout_range="ignore")


def test_the_bounds_are_inclusive() -> None:
    assert [target.timeout for target in parse("a@h;timeout=2000,b@h;timeout=20000").targets] == [2.0, 20.0]
    assert len(parse(",".join(f"{n}@h" for n in range(MAX_TARGETS))).targets) == MAX_TARGETS
    padded = "a@h".ljust(MAX_LENGTH)
    assert len(padded) == MAX_LENGTH and str(parse(padded)) == "a@h"
    assert [target.port for target in parse("a@h:1,a@h:65535").targets] == [1, 65535]


# -- properties ---------------------------------------------------------------------------------------------------

PIECES = st.sampled_from(
    ["sip:", "sips:", "SIP:", "tel:", "sip//", "a", "1234", "+44", "@", "h", "pbx.example.net", "10.0.0.1", "[2001:db8::1]", "[", "]",
     "::1", ":", "5060", ":5061", "0", ";", "transport=", "tls", "udp", "TCP", "media=srtp", "timeout=", "2000", "5s", "500", "priority=",
     "7", "x=y", "lr", "=", "?", "b=c", ",", " ", "\t", '"', "'", "<", ">", "\\", "%2C", "%0a", "%41", "%", "#", ".", "..", "-", "_", "/",
     "\n", "\x00", "＠", "，", "é", "\u200b", "\ud800"]
)  # fmt: skip
FIELDS = st.one_of(st.text(max_size=60), st.lists(PIECES, max_size=25).map("".join))
NAME = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?\.[a-z]{2,5}", fullmatch=True)
HOST = st.one_of(NAME, st.ip_addresses(v=4).map(str), st.ip_addresses(v=6).map(lambda address: f"[{address}]"))
USER = st.one_of(st.just(""), st.from_regex(r"([A-Za-z0-9+*.!~'()&=$?;/_-]|%[4-6][0-9]){1,12}@", fullmatch=True))
PARAMETER = st.sampled_from(
    [";transport=udp", ";Transport=TCP", ";transport=tls", ";media=srtp", ";timeout=2000", ";TIMEOUT=20000", ";priority=0", ";lr", ";X=%41"]
)
PARAMETERS = st.lists(PARAMETER, max_size=4, unique_by=lambda text: text.partition("=")[0].lower()).map("".join)
PORT = st.one_of(st.just(""), st.integers(1, 65535).map(lambda port: f":{port}"))
CANONICAL = st.lists(st.tuples(st.just("sip:"), USER, HOST, PORT, PARAMETERS).map("".join), min_size=1, max_size=5).map(",".join)


@given(FIELDS, st.sampled_from(["reject", "clamp"]))
def test_any_text_parses_or_raises_forward_error(text: str, timeout_range: str) -> None:
    targets, problems = check(text, timeout_range=timeout_range)
    for problem in problems:
        assert 0 <= problem.position <= problem.position + problem.length <= len(text)
        assert problem.length or not text
        assert str(problem).startswith(f"column {problem.position + 1}: ") and str(problem).isprintable()
    assert [problem.position for problem in problems] == sorted(problem.position for problem in problems)
    assert (targets is None) == any(problem.severity == "error" for problem in problems)
    try:
        assert parse(text, timeout_range=timeout_range) == targets
    except ForwardError as error:
        assert targets is None and error.problems == problems and str(error)
        return
    assert targets is not None
    again = parse(str(targets), timeout_range=timeout_range)
    assert again == targets and str(again) == str(targets)
    for target in targets.targets:
        assert text[target.position :].startswith(target.text)


@given(CANONICAL)
def test_a_canonical_field_prints_as_it_was_written(text: str) -> None:
    targets, problems = check(text)
    assert targets is not None, problems
    assert str(targets) == text
    assert len(targets.targets) == text.count(",") + 1


@given(CANONICAL, st.text(max_size=20))
def test_every_request_uri_is_a_uri(text: str, number: str) -> None:
    for target in parse(text).targets:
        uri = Uri.parse(target.uri(number))
        assert (uri.scheme, uri.host, uri.port, uri.password, uri.headers) == ("sip", target.host, target.port, None, "")
        assert (uri.transport or "udp").upper() == target.transport
        assert not {"timeout", "media", "priority"} & set(uri.params)


def test_an_empty_list_prints_as_an_empty_field() -> None:
    assert str(ForwardList(())) == ""
