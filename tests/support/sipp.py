"""SIPp as a customer: scenarios of the called side told in steps, and the process that plays one."""

import re
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest

from tests.support.serve import environment, need, own_address, until

PORT = 5060
BUFFER = "425984"
"""Octets of its sockets: twice what the system lets a socket have at first, as much as it may ask for. A burst waits there."""
QUICK, SLOW = ";timeout=2000", ";timeout=20000"
"""What stands behind a target that is to be given up soon, and behind one that is not, however busy the machine is."""
CONTACT = "sip:customer@[local_ip]:[local_port];transport=[transport]"
_TAG = ";tag=[pid]customer[call_number]"
_SDP = """v=0
o=sipp 53655765 2353687637 IN IP[local_ip_type] [local_ip]
s=-
c=IN IP[media_ip_type] [media_ip]
t=0 0
m=audio [media_port] RTP/AVP 8 0 101
a=rtpmap:8 PCMA/8000
a=rtpmap:0 PCMU/8000
a=rtpmap:101 telephone-event/8000
a=fmtp:101 0-15
a=ptime:20
"""


def receive(method: str, *actions: str, optional: bool = False, seconds: float | None = None) -> str:
    """A request or, as digits, a response. An INVITE leaves what its dialog needs."""
    if method == "INVITE":
        actions = (
            '<ereg regexp="sip:([^@;>]+)@" search_in="msg" assign_to="1,user"/>',
            '<ereg regexp="[^ ].*" search_in="hdr" header="Via:" assign_to="via"/>',
            '<ereg regexp="[^ ].*" search_in="hdr" header="From:" assign_to="caller"/>',
            '<ereg regexp="[^ ].*" search_in="hdr" header="To:" assign_to="own"/>',
            '<ereg regexp="&lt;([^&gt;]+)&gt;" search_in="hdr" header="Contact:" assign_to="2,target"/>',
            *actions,
        )
    how = f'{"response" if method.isdecimal() else "request"}="{method}"'
    how += ' optional="true"' if optional else ""
    how += f' timeout="{round(1000 * seconds)}"' if seconds is not None else ""
    return f"<recv {how}><action>{''.join(actions)}</action></recv>" if actions else f"<recv {how}/>"


def answer(
    status: int | str, *lines: str, sdp: bool = False, to: str = "INVITE", early: bool = False, contact: str = CONTACT, body: str = ""
) -> str:
    """A response to the newest request, which was a `to`; or to the INVITE, although a CANCEL has come since, as `early`."""
    again = ' retrans="500"' if to == "INVITE" and str(status).startswith("2") else ""
    body = body or (_SDP if sdp else "")
    own = {"INVITE": _TAG, "CANCEL": _TAG}.get(to, "")
    if early:
        whose = ["Via: [$via]", "From: [$caller]", f"To: [$own]{_TAG}", "[last_Call-ID:]", "CSeq: 1 INVITE"]
    else:
        whose = ["[last_Via:]", "[last_From:]", f"[last_To:]{own}", "[last_Call-ID:]", "[last_CSeq:]"]
    head = [f"SIP/2.0 {status} Said by SIPp", *whose, f"Contact: <{contact}>", *lines]
    return _send(head, body, again)


def request(method: str, number: int, *lines: str, sdp: bool = False) -> str:
    """A request of the customer's inside the dialog; `number` is its CSeq."""
    head = [
        f"{method} [$target] SIP/2.0", "Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch];rport", "Max-Forwards: 70",
        f"From: [$own]{_TAG}", "To: [$caller]", "[last_Call-ID:]", f"CSeq: {number} {method}", f"Contact: <{CONTACT}>", *lines,
    ]  # fmt: skip
    return _send(head, _SDP if sdp else "", "" if method == "ACK" else ' retrans="500"')


def _send(head: list[str], body: str, again: str) -> str:
    if body:
        head = [*head, "Content-Type: application/sdp"]
    return f"<send{again}><![CDATA[\n" + "\n".join([*head, f"Content-Length: {'[len]' if body else 0}", "", body]) + "\n]]></send>"


def wait(seconds: float) -> str:
    return f'<pause milliseconds="{round(1000 * seconds)}"/>'


def refusals(statuses: Sequence[int], *lines: str) -> tuple[str, ...]:
    """Each call is refused with the status that is the user of its Request-URI."""
    found = [f'<ereg regexp="^INVITE sip:{status}@" search_in="msg" assign_to="is{status}"/>' for status in statuses]
    steps = [receive("INVITE", *found), *(f'<nop next="{status}" test="is{status}"/>' for status in statuses)]
    for status in statuses:
        steps += [f'<label id="{status}"/>', answer(status, *lines), '<recv request="ACK" next="999"/>']
    return *steps, '<label id="999"/>'


CANCELLED = (receive("CANCEL"), answer(200, to="CANCEL"), answer(487, early=True), receive("ACK"))
HUNG_UP = (receive("BYE"), answer(200, to="BYE"))
TAKES = (answer(200, sdp=True), receive("ACK"))
ANSWERS = (receive("INVITE"), answer(180), *TAKES, *HUNG_UP)


def listens(address: str, port: int, tcp: bool = False) -> bool:
    """Whether anybody listens on a port of an address."""
    at = f"{int.from_bytes(socket.inet_aton(address), 'little'):08X}:{port:04X}"
    text = Path(f"/proc/net/{'tcp' if tcp else 'udp'}").read_text()
    return re.search(rf": {at} \S+ {'0A' if tcp else '07'} ", text) is not None


def nobody() -> str:
    """`address:port` that nobody listens at: neither a name server of the tests nor a media port ever is there."""
    return f"{own_address()}:{PORT}"


class Sipp:
    """One SIPp that takes calls `at` an address of its own until the block ends; every call follows the steps. Its messages are kept."""

    def __init__(self, directory: Path, *steps: str, transport: str = "udp", flags: tuple[str, ...] = ()) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self.transport = transport
        self.address, self.port = own_address(), PORT
        self._flags = flags
        self._scenario = directory / "scenario.xml"
        referenced = '<Reference variables="1,2,user,via,caller,own,target"/>'
        text = "\n".join(steps)
        self._scenario.write_text(
            f'<?xml version="1.0" encoding="us-ascii"?>\n<scenario name="customer">\n{text}\n{referenced}\n</scenario>\n'
        )
        self.log = directory / "messages.log"

    def __enter__(self) -> "Sipp":
        sipp, tcp = need("sipp", "sip-tester"), self.transport == "tcp"
        command = [
            sipp, "-sf", str(self._scenario), "-i", self.address, "-p", str(self.port), "-mi", self.address, "-buff_size", BUFFER,
            "-t", "t1" if tcp else "u1", "-nostdin", "-trace_msg", "-message_file", str(self.log), "-timeout", "600",
            "-trace_err", "-error_file", str(self.directory / "errors.log"), *self._flags,
        ]  # fmt: skip
        with (self.directory / "output").open("w") as output:
            self._process = subprocess.Popen(
                command, cwd=self.directory, env=environment(), stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )
        try:
            until(lambda: listens(self.address, self.port, tcp) or self._process.poll() is not None, "SIPp's port")
        except BaseException:
            self._process.kill()
            self._process.wait()
            raise
        if self._process.poll() is not None:
            pytest.fail((self.directory / "output").read_text(errors="replace"))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._process.kill()
        self._process.wait()

    @property
    def at(self) -> str:
        return f"{self.address}:{self.port}"

    def target(self, user: str = "1234", parameters: str = SLOW) -> str:
        """An entry of a forward list."""
        return f"sip:{user}@{self.at}{';transport=tcp' if self.transport == 'tcp' else ''}{parameters}"

    def messages(self, incoming: bool = True) -> list[str]:
        """What it got, or sent, so far."""
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        parts = re.split(r"-{20,} [0-9T:. -]+\n", text)
        word = "received" if incoming else "sent"
        return [part.partition("\n\n")[2].strip("\n") for part in parts if re.match(rf"(UDP|TCP) message {word} ", part)]

    def of(self, call: dict[str, Any]) -> list[str]:
        """What it got of one call."""
        names = {attempt["call_id"] for attempt in call["attempts"]}
        return [text for text in self.messages() if re.search(r"^Call-ID: (\S+)$", text, re.M)[1] in names]  # type: ignore[index]

    def got(self, *methods: str) -> list[str]:
        """Wait until it has got a request of each method; the first of each."""

        def found() -> list[str] | None:
            messages = self.messages()
            each = [next((text for text in messages if text.startswith(f"{method} ")), None) for method in methods]
            return [text for text in each if text is not None] if None not in each else None

        return list(until(found, f"{methods} at SIPp; see {self.log}"))
