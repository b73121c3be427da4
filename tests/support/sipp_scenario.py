"""SIPp scenarios from parts: a client of which each message is known, and which does nothing of its own accord.

A scenario is the XML of its parts in order. CSeq numbers are given where they matter; SIPp fills in the rest.
"""

import re
from collections.abc import Sequence

_AUDIO = {"PCMU": (0, "PCMU/8000"), "PCMA": (8, "PCMA/8000"), "events": (101, "telephone-event/8000")}
CALLER = "447700900000"
_WHO = """\
Max-Forwards: 70
From: "SIPp" <sip:{caller}@[local_ip]:[local_port]>;tag=[pid]SIPp[call_number]
To: <sip:[service]@[remote_ip]:[remote_port]>{to_tag}
Call-ID: [call_id]
CSeq: {cseq} {method}"""
_CONTACT = "Contact: <sip:447700900000@[local_ip]:[local_port];transport=[transport]>"
_SAME = "[last_Via:]\n[last_From:]\n[last_To:]{tag}\n[last_Call-ID:]\n[last_CSeq:]"
_TAG = ";tag=[pid]SIPp[call_number]"


_OF_INVITE = "[branch of the INVITE]"
_ELEMENT = re.compile(r"^  <(?:send|recv|pause|nop)\b.*?(?=^  <(?:send|recv|pause|nop)\b|\Z)", re.M | re.S)


def scenario(name: str, *parts: str) -> str:
    """A whole file."""
    story, invited = "", 0
    for at, element in enumerate(_ELEMENT.findall("".join(parts))):
        if "\nINVITE " in element:
            invited = at
        story += element.replace(_OF_INVITE, f"[branch-{at - invited}]")  # SIPp counts what stands between
    return f'<?xml version="1.0" encoding="ISO-8859-1" ?>\n<scenario name="{name}">\n{story}</scenario>\n'


def sdp(audio: Sequence[str] = ("PCMU", "PCMA", "events"), version: int = 1, direction: str = "sendrecv") -> str:
    """A description; `audio` are names of codecs and `events`."""
    numbers = [_AUDIO[name] for name in audio]
    lines = [
        "v=0", f"o=sipp 53655765 {version} IN IP[local_ip_type] [local_ip]", "s=-", "c=IN IP[media_ip_type] [media_ip]", "t=0 0",
        f"m=audio [media_port] RTP/AVP {' '.join(str(number) for number, _ in numbers)}",
        *(f"a=rtpmap:{number} {name}" for number, name in numbers), "a=ptime:20", f"a={direction}",
    ]  # fmt: skip
    return "\n".join(lines)


def _send(text: str, repeated: bool) -> str:
    again = ' retrans="500"' if repeated else ""
    return f"  <send{again}><![CDATA[\n{text}\n]]></send>\n"


def _with(body: str) -> str:
    if not body:
        return "Content-Length: 0\n"
    return f"Content-Type: application/sdp\nContent-Length: [len]\n\n{body}"


def request(method: str, cseq: int, *lines: str, body: str = "", inside: bool = True) -> str:
    """A request: inside the dialog; or of the transaction of the last INVITE, as its CANCEL is, and the ACK of a refusal."""
    uri = "[next_url]" if inside else "sip:[service]@[remote_ip]:[remote_port]"
    to_tag = "[peer_tag_param]" if inside or method == "ACK" else ""
    who = _WHO.format(caller=CALLER, to_tag=to_tag, cseq=cseq, method=method)
    branch = "[branch]" if inside or method == "INVITE" else _OF_INVITE
    head = f"{method} {uri} SIP/2.0\nVia: SIP/2.0/[transport] [local_ip]:[local_port];rport;branch={branch}\n{who}"
    return _send("\n".join((head, *lines, _with(body))), method != "ACK")


def invite(cseq: int, *lines: str, body: str = "", inside: bool = False) -> str:
    """An INVITE with an offer."""
    return request("INVITE", cseq, _CONTACT, *lines, body=body or sdp(), inside=inside)


def challenged(cseq: int) -> str:
    """The challenge to an INVITE, and its ACK."""
    return receive(407, auth=True) + request("ACK", cseq, inside=False)


def refused(status: int, cseq: int = 2) -> str:
    """A refusal of the INVITE, and its ACK."""
    return receive(status) + request("ACK", cseq, inside=False)


def dial(*lines: str, body: str = "") -> str:
    """INVITE, challenge, and INVITE with credentials, 100: CSeq 1 and 2."""
    return invite(1, *lines, body=body) + challenged(1) + invite(2, "[authentication]", *lines, body=body) + receive(100, optional=True)


def call(*lines: str, body: str = "") -> str:
    """A call that is answered, and the ACK: CSeq 1 and 2."""
    return dial(*lines, body=body) + rung() + receive(200, rrs=True) + request("ACK", 2)


def rung() -> str:
    """180 or 183, or neither."""
    return receive(180, optional=True) + receive(183, optional=True)


def hang_up(cseq: int = 3) -> str:
    """BYE and its answer."""
    return request("BYE", cseq) + receive(200)


def receive(what: int | str, optional: bool = False, auth: bool = False, rrs: bool = False, timeout: int = 0) -> str:
    """A response or a request; after `timeout` milliseconds without it the call has failed."""
    kind = "response" if isinstance(what, int) else "request"
    flags = (("optional", optional), ("auth", auth), ("rrs", rrs))
    said = "".join(f' {name}="true"' for name, on in flags if on) + (f' timeout="{timeout}"' if timeout else "")
    return f'  <recv {kind}="{what}"{said}/>\n'


def pause(milliseconds: int) -> str:
    return f'  <pause milliseconds="{milliseconds}"/>\n'


def play(path: str, payload_type: int = 0) -> str:
    """Speak what a file of G.711 holds, over and over."""
    return f'  <nop><action><exec rtp_stream="{path},-1,{payload_type}"/></action></nop>\n'


def respond(status: str, body: str = "", own_tag: bool = True, repeated: bool = False) -> str:
    """Answer the last request. A response to a request inside the dialog has its tag already."""
    head = f"SIP/2.0 {status}\n{_SAME.format(tag=_TAG if own_tag else '')}"
    contact = "\nContact: <sip:[local_ip]:[local_port];transport=[transport]>" if own_tag else ""
    return _send(f"{head}{contact}\n{_with(body)}", repeated)
