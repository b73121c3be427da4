"""What the emulator's parser has read of a message, by the names that `outcomes` uses."""

from collections.abc import Callable
from urllib.parse import unquote

from emulator.media.sdp import SessionDescription
from emulator.sip.body import part_of
from emulator.sip.headers import NameAddr
from emulator.sip.message import Message, Request, Response, parse
from emulator.sip.uri import Uri


def _name_addr(message: Message, header: str) -> NameAddr:
    return NameAddr.parse(message.all(header)[0] if header == "contact" else message.headers[header][0])


def _of_uri(uri: Uri, what: str, wanted: object) -> object:
    match what:
        case "user":
            return unquote(uri.user or "")
        case "host":
            return uri.host
        case "port":
            return uri.port
        case "equals":
            return str(wanted) if uri == Uri.parse(str(wanted)) else f"{uri} is another URI"
        case "differs":
            return str(wanted) if uri != Uri.parse(str(wanted)) else f"{uri} is the same URI"
    raise KeyError(what)


def _of_name_addr(value: NameAddr, what: str, wanted: object) -> object:
    match what:
        case "display":
            return value.display
        case "uri":
            return value.uri
        case "tag":
            return value.tag
        case "params":
            return value.params
    return _of_uri(Uri.parse(value.uri), what, wanted)


def _of_request(message: Message, name: str) -> object:
    assert isinstance(message, Request)
    return message.method if name == "method" else message.uri


def _of_response(message: Message, name: str) -> object:
    assert isinstance(message, Response)
    return message.status if name == "status" else message.reason


_PLAIN: dict[str, Callable[[Message, str], object]] = {
    "method": _of_request,
    "uri": _of_request,
    "status": _of_response,
    "reason": _of_response,
    "call-id": lambda message, _: message.call_id,
    "cseq": lambda message, _: message.cseq.number,
    "max-forwards": lambda message, name: int(message.get(name) or -1),
    "vias": lambda message, _: len(message.all("via")),
    "contacts": lambda message, _: len(message.all("contact")),
    "body": lambda message, _: len(message.body),
    "sdp connections": lambda message, _: _connections(SessionDescription.parse(message.body)),
}


def _connections(description: SessionDescription) -> list[str | None]:
    found = [description.connection_of(media) for media in description.media]
    return [connection.address if connection is not None else None for connection in found]


def read(data: bytes, name: str, wanted: object) -> object:
    """The value that fact `name` has in this message; `wanted` is for those that compare."""
    message = parse(data)
    if name in _PLAIN:
        return _PLAIN[name](message, name)
    if name.startswith("header "):
        return message.get(name.removeprefix("header "))
    if name.startswith("part "):
        part = part_of(message, name.removeprefix("part "))
        return len(part) if part is not None else None
    whose, _, what = name.partition(".")
    if whose == "via":
        return message.via.params.get(what) if what in ("branch", "received") else getattr(message.via, what)
    if whose == "uri":
        assert isinstance(message, Request)
        return _of_uri(Uri.parse(message.uri), what, wanted)
    if name in ("from.tag", "to.tag"):
        return (message.from_tag if whose == "from" else message.to_tag) or None  # as transactions and dialogs have it
    return _of_name_addr(_name_addr(message, whose), what, wanted)
