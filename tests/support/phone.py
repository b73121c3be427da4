"""A scripted SIP phone that imports nothing of `emulator`, so that a parser's mistake can't cancel itself out.

It speaks over any function that sends octets, and keeps what it receives until a test asks for it.
"""

import hashlib
import re
from collections.abc import Callable


class Unexpected(AssertionError):
    """What came is not what was expected; the text holds the whole conversation."""


class Received:
    """One message as the phone reads it: start line, headers by lower-case name, body."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        head, separator, self.body = data.partition(b"\r\n\r\n")
        assert separator, f"no empty line ends the headers: {data!r}"
        lines = head.decode().split("\r\n")
        self.start = lines[0]
        self.headers: list[tuple[str, str]] = []
        for line in lines[1:]:
            name, colon, value = line.partition(": ")
            assert colon, f"not a header as we print them: {line!r}"
            self.headers.append((name.lower(), value))
        length = self.get("content-length")
        assert length is not None and int(length) == len(self.body), f"Content-Length {length}, body {len(self.body)}"

    def get(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key == name), None)

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key == name]

    @property
    def status(self) -> int:
        return int(self.start.split(" ")[1]) if self.start.startswith("SIP/2.0 ") else 0

    @property
    def method(self) -> str:
        return "" if self.status else self.start.split(" ")[0]

    @property
    def to_tag(self) -> str:
        match = re.search(r";tag=([^;]+)", self.get("to") or "")
        return match[1] if match else ""


HASHES = {"MD5": "md5", "SHA-256": "sha256", "SHA-512-256": "sha512_256"}


def digest(method: str, uri: str, challenge: str, user: str, secret: str, count: int = 1, qop: bool = True, cnonce: str = "c0ffee") -> str:
    """The credentials for a challenge (RFC 2617 3.2.2)."""
    values = dict(re.findall(r'(\w+)="?([^",]+)"?', challenge.partition(" ")[2]))

    def hashed(text: str) -> str:
        return hashlib.new(HASHES[values.get("algorithm", "MD5")], text.encode()).hexdigest()

    ha1 = hashed(f"{user}:{values['realm']}:{secret}")
    ha2 = hashed(f"{method}:{uri}")
    realm, nonce, algorithm = values["realm"], values["nonce"], values.get("algorithm", "MD5")
    head = f'Digest username="{user}", realm="{realm}", nonce="{nonce}", uri="{uri}"'
    if not qop:
        plain = hashed(f"{ha1}:{nonce}:{ha2}")
        return f'{head}, response="{plain}", algorithm={algorithm}'
    response = hashed(f"{ha1}:{nonce}:{count:08x}:{cnonce}:auth:{ha2}")
    return f'{head}, response="{response}", algorithm={algorithm}, cnonce="{cnonce}", qop=auth, nc={count:08x}'


SDP = (
    "v=0\r\no=phone 1 1 IN IP4 192.0.2.10\r\ns=-\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\n"
    "m=audio 4000 RTP/AVP 0 8 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n"
    "a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=ptime:20\r\na=sendrecv\r\n"
)


class Line:
    """What comes, kept until it is expected, and a log of both directions. `send` puts octets on the wire."""

    def __init__(self, send: Callable[[bytes], None]) -> None:
        self._send = send
        self.inbox: list[Received] = []
        self.log: list[str] = []

    def receive(self, data: bytes) -> None:
        message = Received(data)
        self.log.append(f"  <- {message.start} ({message.get('cseq')})")
        self.inbox.append(message)

    def transmit(self, text: str) -> None:
        self.log.append(f"  -> {text.partition(chr(13))[0]}")
        self._send(text.encode())

    def expect(self, *starts: int | str) -> Received:
        """The next messages are exactly these, statuses or methods; the last one is returned."""
        message: Received | None = None
        for start in starts:
            if not self.inbox:
                raise Unexpected(f"expected {start}, nothing came\n" + "\n".join(self.log))
            message = self.inbox.pop(0)
            if start != (message.status if isinstance(start, int) else message.method):
                raise Unexpected(f"expected {start}, {message.start} came\n" + "\n".join(self.log))
        assert message is not None
        return message

    def expect_nothing(self) -> None:
        if self.inbox:
            raise Unexpected(f"{self.inbox[0].start} was not expected\n" + "\n".join(self.log))


class Phone(Line):
    """One phone and one call. `send` puts octets on the wire; whatever comes goes into `receive`."""

    def __init__(
        self,
        send: Callable[[bytes], None],
        host: str = "192.0.2.10",
        port: int = 5070,
        server: str = "sip-us.vonage.com",
        transport: str = "UDP",
        user: str = "abcd1234",
        secret: str = "OfflineSecret1",
        caller: str = "447700900000",
    ) -> None:
        super().__init__(send)
        self.host = host
        self.port = port
        self.transport = transport
        self.server = server
        self.user = user
        self.secret = secret
        self.caller = caller
        self.cseq = 0
        self.branch = 0
        self.call_id = f"phone-{id(self):x}@{host}"
        self.from_tag = "fromtag"
        self.to_tag = ""
        self.remote_target = ""
        self.invite_branch = ""
        self.invite_uri = ""

    # -- requests -------------------------------------------------------------------------------------------------

    def request(
        self,
        method: str,
        uri: str,
        extra: str = "",
        body: str = "",
        branch: str | None = None,
        cseq: int | None = None,
        to: str | None = None,
    ) -> str:
        """A request as text; a new branch and the next CSeq unless given."""
        if branch is None:
            self.branch += 1
            branch = f"z9hG4bK-phone-{self.call_id}-{self.branch}"
        if cseq is None:
            self.cseq += 1
            cseq = self.cseq
        if to is None:
            to = f"<{uri}>" + (f";tag={self.to_tag}" if self.to_tag else "")
        if method == "INVITE":
            extra = f"Allow: INVITE, ACK, CANCEL, BYE, OPTIONS\r\n{extra}"
        if body and "content-type" not in extra.lower():
            extra += "Content-Type: application/sdp\r\n"
        self.last_branch = branch
        return (
            f"{method} {uri} SIP/2.0\r\nVia: SIP/2.0/{self.transport} {self.host}:{self.port};branch={branch};rport\r\n"
            f"Max-Forwards: 70\r\nFrom: <sip:{self.caller}@{self.server}>;tag={self.from_tag}\r\nTo: {to}\r\n"
            f"Call-ID: {self.call_id}\r\nCSeq: {cseq} {method}\r\n"
            f"Contact: <sip:{self.caller}@{self.host}:{self.port}>\r\n{extra}Content-Length: {len(body.encode())}\r\n\r\n{body}"
        )

    def invite(self, number: str = "442071234567", extra: str = "", body: str = SDP, uri: str | None = None) -> str:
        """Send an INVITE; returns its text."""
        self.invite_uri = uri or f"sip:{number}@{self.server}"
        text = self.request("INVITE", self.remote_target or self.invite_uri, extra, body)
        self.invite_branch = self.last_branch
        self.transmit(text)
        return text

    def credentials(self, challenged: Received, uri: str | None = None, **how: object) -> str:
        """The header line that answers a 401 or 407."""
        proxy = challenged.status == 407
        challenge = challenged.get("proxy-authenticate" if proxy else "www-authenticate")
        assert challenge is not None
        value = digest("INVITE", uri or self.remote_target or self.invite_uri, challenge, self.user, self.secret, **how)  # type: ignore[arg-type]
        return f"{'Proxy-' if proxy else ''}Authorization: {value}\r\n"

    def ack(self, response: Received) -> None:
        """Acknowledge a final response: a refusal on the INVITE's branch, a 2xx on one of its own."""
        cseq = int((response.get("cseq") or "0").split(" ")[0])
        if response.status >= 300:
            uri = self.remote_target or self.invite_uri
            self.transmit(self.request("ACK", uri, branch=self.invite_branch, cseq=cseq, to=response.get("to")))
            return
        self.to_tag = response.to_tag
        contact = re.search(r"<([^>]+)>", response.get("contact") or "")
        assert contact is not None
        self.remote_target = contact[1]
        self.transmit(self.request("ACK", self.remote_target, cseq=cseq, to=response.get("to")))

    def dial(self, number: str = "442071234567", extra: str = "", body: str = SDP) -> str:
        """An INVITE, its challenge, and the INVITE that answers it; returns the text of the second one."""
        self.invite(number, extra, body)
        challenged = self.expect(407)
        self.ack(challenged)
        return self.invite(number, extra + self.credentials(challenged), body)

    def call(self, number: str = "442071234567", extra: str = "", body: str = SDP) -> Received:
        """A whole call set-up: challenge, credentials, 100, 180, 200, ACK; returns the 200."""
        self.dial(number, extra, body)
        answered = self.expect(100, 180, 200)
        self.ack(answered)
        return answered

    def in_dialog(self, method: str, extra: str = "", body: str = "", cseq: int | None = None) -> str:
        """Send a request inside the dialog; returns its text."""
        text = self.request(method, self.remote_target, extra, body, cseq=cseq)
        self.transmit(text)
        return text

    def cancel(self) -> None:
        """Cancel the INVITE under way (RFC 3261 9.1): its branch, its CSeq number."""
        self.transmit(self.request("CANCEL", self.invite_uri, branch=self.invite_branch, cseq=self.cseq))

    def respond(self, request: Received, status: int, reason: str = "OK") -> None:
        """Answer a request of the trunk's."""
        lines = [f"SIP/2.0 {status} {reason}"]
        lines += [f"{name.title()}: {value}" for name, value in request.headers if name in ("via", "from", "to", "call-id", "cseq")]
        self.transmit("\r\n".join(lines) + "\r\nContent-Length: 0\r\n\r\n")
