"""A template of an INVITE: its mistakes by line and column, and the message that comes of it."""

from pathlib import Path

import pytest

from emulator.sip.message import Request
from emulator.sip.message import parse as parse_message
from emulator.sip.transaction import Outgoing
from emulator.trunk.forward_list import parse as parse_list
from emulator.trunk.invite import Invite, Parties, compose
from emulator.trunk.policy import InviteForm
from emulator.trunk.template import PLACEHOLDERS, TemplateError, parse

WHOLE = """INVITE {uri} SIP/2.0
v: here
Max-Forwards: 12
t: {to}
X-Odd: {{literally}} {number} from {caller}
f: "Reception, {caller}" <sip:{caller}@trunk.example.net;user=phone>
i: whatever
CSeq: 77 INVITE
Subject: folded
 over two lines
m: <sip:{caller}@{address}:5060;x={target}>
l: 99
c: application/sdp

{sdp}
"""
SDP = b"v=0\r\no=- 1 1 IN IP4 127.0.23.1\r\ns=-\r\nc=IN IP4 127.0.23.1\r\nt=0 0\r\nm=audio 10000 RTP/AVP 8\r\n"


def composed(text: str, sdp: bytes = SDP, caller: str = "14155550100") -> tuple[Invite, Request]:
    """What a template gives, and the message as it leaves."""
    target = parse_list("sip:1234@192.0.2.10:5080").targets[0]
    parties = Parties(
        "447700900000", caller, target, "eu-3-1", "127.0.23.1:5060", "UDP", "127.0.23.1", 10000, "the-call", "vsim/test", "INVITE, ACK",
        {"X-Ring": "yes"},
    )  # fmt: skip
    invite = compose(InviteForm(template=parse(text)), parties, sdp)
    assert invite.written is not None
    via = "SIP/2.0/UDP 127.0.23.1:5060;branch=z9hG4bKabc;rport"
    from_ = f"{invite.from_};tag=mine"
    outgoing = Outgoing("INVITE", invite.uri, via, from_, invite.to, "the-call", 3, "", invite.headers, invite.body, invite.written)
    message = parse_message(outgoing.encode())
    assert isinstance(message, Request)
    return invite, message


def test_what_is_written_is_sent_and_what_must_be_right_is() -> None:
    _, message = composed(WHOLE)
    data = composed(WHOLE)[0].written(  # type: ignore[misc]
        Outgoing("INVITE", "sip:1234@192.0.2.10:5080", "VIA", "FROM", "TO", "the-call", 3)
    )
    names = [line.partition(":")[0] for line in data.partition(b"\r\n\r\n")[0].decode().split("\r\n")[1:]]
    assert names == ["v", "Max-Forwards", "t", "X-Odd", "f", "i", "CSeq", "Subject", " over two lines", "m", "l", "c", "X-Ring"]
    assert (message.call_id, message.cseq.number, message.via.params["branch"], message.from_tag) == ("the-call", 3, "z9hG4bKabc", "mine")
    assert message.get("from") == '"Reception, 14155550100" <sip:14155550100@trunk.example.net;user=phone>;tag=mine'
    assert message.get("to") == "<sip:447700900000@sip.nexmo.com>" and message.get("max-forwards") == "12"
    assert message.get("x-odd") == "{literally} 447700900000 from 14155550100" and message.get("subject") == "folded over two lines"
    assert message.get("contact") == "<sip:14155550100@127.0.23.1:5060;x=192.0.2.10>" and message.body == SDP
    assert message.get("content-length") == str(len(SDP)) and message.get("x-ring") == "yes"


def test_what_is_left_out_is_added() -> None:
    invite, message = composed("INVITE sip:fixed@{target} SIP/2.0\nX-Only: this\n")
    assert message.uri == invite.uri == "sip:fixed@192.0.2.10" and message.body == b"" and message.get("content-length") == "0"
    assert message.get("contact") == invite.contact == "<sip:14155550100@127.0.23.1:5060>" and message.get("max-forwards") == "70"
    assert (message.call_id, message.get("to"), message.get("x-only")) == ("the-call", "<sip:447700900000@sip.nexmo.com>", "this")


def test_the_ack_and_the_cancel_of_such_an_invite_are_plain() -> None:
    """Made from the same values, so that they match (RFC 3261 17.1.1.3 and 9.1)."""
    invite, message = composed(WHOLE)
    outgoing = Outgoing(
        "INVITE",
        invite.uri,
        "SIP/2.0/UDP h;branch=z9hG4bKabc",
        f"{invite.from_};tag=mine",
        invite.to,
        "the-call",
        3,
        written=invite.written,
    )
    cancel = parse_message(outgoing.cancel().encode())
    for name in ("from", "to", "call-id"):
        assert cancel.get(name) == message.get(name)
    assert cancel.get("x-odd") is None and cancel.cseq.number == 3 and cancel.body == b""


def test_every_placeholder_has_a_value() -> None:
    text = "INVITE {uri} SIP/2.0\n" + "".join(f"X-{name}: [{{{name}}}]\n" for name in PLACEHOLDERS if name != "sdp")
    _, message = composed(text.replace("call_id:", "call-id2:"))
    assert not [value for name, value in message.fields() if name.startswith("X-") and value == "[]"]


def test_a_body_of_ones_own() -> None:
    invite, message = composed(
        "INVITE {uri} SIP/2.0\nContent-Type: application/sdp\n\nv=0\no=- 1 1 IN IP4 {address}\nm=audio {port} RTP/AVP 0\n"
    )
    assert message.body == invite.body == b"v=0\r\no=- 1 1 IN IP4 127.0.23.1\r\nm=audio 10000 RTP/AVP 0\r\n"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "1:1: '' is no start line; write INVITE {uri} SIP/2.0"),
        ("REGISTER {uri} SIP/2.0\n", "1:1: 'REGISTER {uri} SIP/2.0' is no start line"),
        ("INVITE {uri} SIP/2.0\nnonsense\n", "2:1: 'nonsense' is no header; write Name: value, and an empty line before the body"),
        ("INVITE {uri} SIP/2.0\nX: {nubmer}\n", "2:4: no placeholder {nubmer}; did you mean {number}?"),
        ("INVITE {uri} SIP/2.0\nX: {}\n", "2:4: no placeholder {}; known: uri, number"),
        ("INVITE {uri} SIP/2.0\nX: a { b\n", "2:6: a brace alone; write {{ for a brace"),
        ("INVITE {uri} SIP/2.0\nX: a } b\n", "2:6: a brace alone; write }} for a brace"),
        ("INVITE {uri} SIP/2.0\n\nbody {\n", "3:6: a brace alone"),
        ("INVITE {uri} SIP/2.0\nFrom: <sip:a@b>;tag=1\n", "2:1: a tag in From; leave it out"),
        ("INVITE {uri} SIP/2.0\nTo: <sip:a@b\n", "2:1: To: "),
        ("INVITE {uri} SIP/2.0\nTo: {to}\nt: {to}\n", "3:1: t stands here a second time; remove one"),
        ("INVITE {uri} SIP/2.0\nX: a\x07\n", "2:1: a control character; remove it"),
        ("INVITE {uri} SIP/2.0\n" + "X: y\n" * 600, "513:1: 602 lines; a template has at most 512"),
        ("x" * 70000, "1:1: 70000 characters; a template has at most 65536"),
    ],
)  # fmt: skip
def test_mistakes_have_their_line(text: str, problem: str) -> None:
    with pytest.raises(TemplateError) as caught:
        parse(text)
    assert caught.value.problems[0].startswith(problem), caught.value.problems


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(TemplateError) as caught:
        parse("INVITE x\nX: {a}\nnonsense\nY: {\n")
    assert len(caught.value.problems) == 4


def test_the_documentation_names_every_placeholder() -> None:
    page = (Path(__file__).parents[2] / "docs" / "inbound.md").read_text()
    assert not [name for name in PLACEHOLDERS if f"`{{{name}}}`" not in page]
