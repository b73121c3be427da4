"""What is odd about an INVITE that is served all the same: each rule looks at the request alone, and at the one that was challenged."""

import re
from collections.abc import Iterator

from emulator.counting import counted
from emulator.journal.findings import Finding
from emulator.sip.flow import Flow
from emulator.sip.headers import HeaderError, uri_of
from emulator.sip.message import Request
from emulator.sip.uri import Uri, UriError

UDP_OCTETS = 1300
"""A request larger than this must go over TCP where the path MTU is not known (RFC 3261 18.1.1)."""

_COOKIE = "z9hG4bK"
# A line feed to begin with is found many times faster than ^ is.
_BRANCH = re.compile(rb"\n(?:via|v)[ \t]*:[^\r\n]*?;[ \t]*branch[ \t]*=[ \t]*([^;,\s]+)", re.IGNORECASE)
_CSEQ = re.compile(rb"\ncseq[ \t]*:[ \t]*([0-9]{1,10})", re.IGNORECASE)
_SUSPECT_NEAR = ("0.0.0.0", "[::]", "localhost", ".invalid")
"""What a Contact must hold to be worth parsing here, of somebody on this machine, and of anybody else."""
_SUSPECT = ("127.", "[::1]", *_SUSPECT_NEAR)
_NOWHERE = frozenset({"0.0.0.0", "[::]", "localhost"})


def lint(request: Request, flow: Flow, challenged: bytes | None = None) -> Iterator[Finding]:
    """Findings about an INVITE; `challenged` is the raw one that it repeats with credentials, None when there was none."""
    via, headers = request.via, request.headers
    branch = via.params.get("branch") or ""
    if not branch.startswith(_COOKIE):
        yield Finding("via.no-cookie", f"branch={branch}" if branch else "no branch")
    if not flow.reliable:
        if "rport" not in via.params:
            yield Finding("via.no-rport", str(via))
        if len(request.raw) > UDP_OCTETS:
            yield Finding("message.large-over-udp", f"{len(request.raw)} octets")
        excess = len(request.raw) - request.raw.find(b"\r\n\r\n") - 4 - len(request.body)
        if excess and "content-length" in headers:
            yield Finding("message.longer-than-its-length", f"{counted(excess, 'octet')} behind the body")
    if "max-forwards" not in headers:
        yield Finding("max-forwards.missing", "no Max-Forwards header")
    if not request.from_tag:
        yield Finding("from.no-tag", headers["from"][0])
    if "allow" not in headers:
        yield Finding("allow.missing", "no Allow header")
    unreachable = _unreachable(request, flow)
    if unreachable is not None:
        yield Finding("contact.unreachable", unreachable)
    if challenged is not None:
        octets = branch.encode("utf-8", "surrogateescape")
        if octets and octets in challenged and (before := _BRANCH.search(challenged)) is not None and before[1] == octets:
            yield Finding("via.branch-reused", branch)
        sequence = _CSEQ.search(challenged)
        if sequence is not None and int(sequence[1]) == request.cseq.number:
            yield Finding("cseq.not-increased", f"CSeq {request.cseq.number} again")


def _unreachable(request: Request, flow: Flow) -> str | None:
    """The Contact's host when nothing sent to it can arrive: an address of nobody, or a loopback address of another machine."""
    contact, peer = request.get("contact") or "", flow.peer[0]
    near = peer[:4] == "127." or peer == "::1"
    lowered = contact.lower()
    for suspect in _SUSPECT_NEAR if near else _SUSPECT:
        if suspect in lowered:
            break
    else:
        return None
    try:
        uri = Uri.parse(uri_of(contact))
    except (HeaderError, UriError):
        return None
    host = uri.host.lower()
    loops = host.startswith("127.") or host == "[::1]"
    if host in _NOWHERE or host.endswith(".invalid") or (loops and not near):
        return host
    return None
