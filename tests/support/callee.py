"""A scripted called side that imports nothing of `emulator`: it answers an INVITE as a test says, and keeps all that comes."""

import re
from collections.abc import Callable

from tests.support.phone import SDP, Line, Received


class Callee(Line):
    """`send` puts octets on the wire; whatever comes goes into `receive`. One INVITE at a time; `tag` is its To tag."""

    def __init__(self, send: Callable[[bytes], None], host: str = "192.0.2.10", port: int = 5070, transport: str = "UDP") -> None:
        super().__init__(send)
        self.host = host
        self.port = port
        self.transport = transport
        self.tag = "callee"
        self.cseq = 100
        self.branches = 0
        self.invited: Received | None = None

    def expect(self, *starts: int | str) -> Received:
        """The next messages are exactly these, statuses or methods; the last one is returned. An INVITE is kept as `invited`."""
        for start in starts:
            message = super().expect(start)
            if start == "INVITE":
                self.invited = message
        return message

    @property
    def contact(self) -> str:
        return f"Contact: <sip:callee@{self.host}:{self.port}>\r\n"

    def answer(
        self, status: int, extra: str | None = None, body: str = "", to: Received | None = None, tag: str | None = None, reason: str = "So"
    ) -> str:
        """Answer `to`, the last INVITE unless given; `extra` replaces the Contact. Returns the text, to be sent again."""
        request = to or self.invited
        assert request is not None
        lines = [f"SIP/2.0 {status} {reason}"]
        tag = self.tag if tag is None else tag
        for name, value in request.headers:
            if name == "to" and ";tag=" not in value and status > 100 and tag:
                value = f"{value};tag={tag}"
            if name in ("via", "from", "to", "call-id", "cseq"):
                lines.append(f"{name.title()}: {value}")
        extra = self.contact if extra is None else extra
        if body:
            extra += "Content-Type: application/sdp\r\n"
        text = "\r\n".join(lines) + f"\r\n{extra}Content-Length: {len(body.encode())}\r\n\r\n{body}"
        self.transmit(text)
        return text

    def accept(self, extra: str = "", tag: str | None = None) -> str:
        """200 to the INVITE, with SDP."""
        return self.answer(200, self.contact + extra, SDP, tag=tag)

    def request(self, method: str, extra: str = "", body: str = "", cseq: int | None = None, tag: str | None = None) -> str:
        """Send a request inside the dialog; returns its text."""
        invited = self.invited
        assert invited is not None
        if cseq is None:
            self.cseq += 1
            cseq = self.cseq
        self.branches += 1
        target = re.search(r"<([^>]+)>", invited.get("contact") or "")
        assert target is not None
        if body:
            extra += "Content-Type: application/sdp\r\n"
        text = (
            f"{method} {target[1]} SIP/2.0\r\n"
            f"Via: SIP/2.0/{self.transport} {self.host}:{self.port};branch=z9hG4bK-callee-{self.branches};rport\r\nMax-Forwards: 70\r\n"
            f"From: {invited.get('to')};tag={tag or self.tag}\r\nTo: {invited.get('from')}\r\nCall-ID: {invited.get('call-id')}\r\n"
            f"CSeq: {cseq} {method}\r\n{self.contact}{extra}Content-Length: {len(body.encode())}\r\n\r\n{body}"
        )
        self.transmit(text)
        return text
