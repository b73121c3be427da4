"""The INVITE that brings a call to a customer, as text.

Sources: vonage-facts 6 and its defaults 27 to 30. Where they are silent, and so invented: the order of headers, Contact (the caller at the
address that the proxy sends from), Supported, and `Privacy: id` for a hidden caller.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import quote

from emulator.trunk import regions, template
from emulator.trunk.contact import contact
from emulator.trunk.forward_list import Target
from emulator.trunk.template import Rendered

if TYPE_CHECKING:
    from emulator.sip.transaction import Outgoing
    from emulator.trunk.policy import InviteForm

_ANONYMOUS = '"Anonymous" <sip:anonymous@anonymous.invalid>'
"""RFC 3323 4.1.1.3."""
_USER_SAFE = "!*'()&=+$,;?/"


@dataclass(frozen=True, slots=True)
class Parties:
    """Who calls whom, from where to where. `caller` is empty when it is hidden; `sent_by` and `transport` are the flow's."""

    number: str
    caller: str
    target: Target
    proxy: str
    sent_by: str
    transport: str
    address: str
    port: int
    call_id: str
    product: str
    allow: str
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Invite:
    """What an `emulator.sip.calling.Invitation` is made of. `from_`, `to` and `contact` are header values; `written` writes the whole
    INVITE where a template does."""

    uri: str
    from_: str
    to: str
    contact: str
    headers: str
    body: bytes
    written: "Callable[[Outgoing], bytes] | None" = None


def compose(form: "InviteForm", parties: Parties, sdp: bytes, timer: bool = False) -> Invite:
    """`sdp` is the offer, empty for none. `timer` says that the sender asks for a session timer, and writes what that takes itself."""
    host = {"legacy": regions.LEGACY_HOST, "region": regions.host(regions.region_of(parties.proxy)), "proxy": regions.host(parties.proxy)}[
        form.host
    ]
    uri = parties.target.uri(parties.number)
    to = f"<sip:{_written(form, parties.number)}@{host}>"
    caller = _written(form, parties.caller)
    from_ = f"<sip:{caller}@{host}>" if caller else _ANONYMOUS
    # "If the Request-URI or top Route header field value contains a SIPS URI, the Contact ... MUST contain a SIPS URI as well" (8.1.1.8)
    own = contact(caller or "anonymous", parties.sent_by, parties.transport, uri.startswith("sips:"))
    if form.template is not None or form.headers:
        values = {
            "uri": uri, "number": parties.number, "caller": parties.caller or "anonymous", "host": host,
            "user": parties.target.user or parties.number, "target": parties.target.host, "from": from_, "to": to, "contact": f"<{own}>",
            "proxy": regions.host(parties.proxy), "address": parties.address, "port": str(parties.port), "transport": parties.transport,
            "call_id": parties.call_id, "allow": parties.allow, "product": parties.product, "sdp": sdp.decode(),
        }  # fmt: skip
    else:
        values = {}
    if form.template is not None:
        return _from_template(form.template.render(values), values, parties)
    lines = [f"Contact: <{own}>", f"User-Agent: {parties.product}", f"Allow: {parties.allow}"]
    tags = [tag for tag in form.supported if not (timer and tag == "timer")]
    if tags:
        lines.append(f"Supported: {', '.join(tags)}")
    if caller and form.asserted_identity:
        lines.append(f"P-Asserted-Identity: <sip:{caller}@{host}>")
    if not caller and form.privacy:
        lines.append("Privacy: id")
    lines.extend(f"{name}: {template.fill(value, values)}" for name, value in form.headers.items())
    lines.extend(f"{name}: {value}" for name, value in parties.headers.items())
    if sdp:
        lines.append("Content-Type: application/sdp")
    return Invite(uri, from_, to, f"<{own}>", "".join(f"{line}\r\n" for line in lines), sdp)


def _written(form: "InviteForm", number: str) -> str:
    """A number as the user part of a URI."""
    if form.plus and number[:1].isdigit():
        number = f"+{number}"
    return quote(number, safe=_USER_SAFE)


def _from_template(rendered: Rendered, values: Mapping[str, str], parties: Parties) -> Invite:
    """A template's message: its transaction (Via, CSeq, Call-ID, From tag) is filled in when it goes."""
    own = {"from": "From", "to": "To", "contact": "Contact", "call-id": "Call-ID", "cseq": "CSeq", "max-forwards": "Max-Forwards"}
    given = {name for _, name, _ in rendered.headers}
    body = rendered.body.encode()
    from_, to = rendered.value("from") or values["from"], rendered.value("to") or values["to"]

    def written(outgoing: "Outgoing") -> bytes:
        exact = {
            "via": outgoing.via, "from": outgoing.from_, "to": outgoing.to, "call-id": outgoing.call_id,
            "cseq": f"{outgoing.cseq} {outgoing.method}", "content-length": str(len(body)), "contact": values["contact"],
            "max-forwards": "70",
        }  # fmt: skip
        lines = [] if "via" in given else [f"Via: {exact['via']}"]
        lines.extend(f"{title}: {exact[name]}" for name, title in own.items() if name not in given)
        for title, name, value in rendered.headers:
            lines.append(f"{title}: {exact[name] if name in ('from', 'to') or (not value and name in exact) else value}")
        lines.extend(f"{name}: {value}" for name, value in parties.headers.items())
        text = "".join(f"{line}\r\n" for line in lines) + outgoing.headers
        length = "" if "content-length" in given else f"Content-Length: {len(body)}\r\n"
        return f"{outgoing.method} {outgoing.uri} SIP/2.0\r\n{text}{length}\r\n".encode("utf-8", "surrogateescape") + body

    return Invite(rendered.uri, from_, to, rendered.value("contact") or values["contact"], "", body, written)
