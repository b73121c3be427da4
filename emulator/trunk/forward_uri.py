"""One target of a "Forward to SIP" field as it was written: wrappings, scheme, user; host, port and parameters have files of their own."""

import difflib
import re
from urllib.parse import quote, unquote

from emulator.journal.findings import printable
from emulator.sip.grammar import SCHEME
from emulator.sip.uri import Uri, UriError
from emulator.trunk.forward_field import BLANKS, Field, Span
from emulator.trunk.forward_parameters import Parameters, not_sent, read_parameters, transport_of
from emulator.trunk.forward_place import read_place
from emulator.trunk.forward_target import USER_SAFE, Target

_OTHER_SCHEMES = frozenset(
    ("tel", "http", "https", "mailto", "h323", "xmpp", "iax", "iax2", "udp", "tcp", "tls", "ws", "wss", "callto", "urn")
)

# Productions of RFC 3261 25.1 as what they leave out. `%` and `,` are looked at apart from the others.
_NOT_USER = re.compile(r"[^A-Za-z0-9\-_.!~*'()&=+$,;?/%]+")  # unreserved / user-unreserved
_NOT_HEADER = re.compile(r"[^A-Za-z0-9\-_.!~*'()\[\]/?:+$&=%]+")  # hnv-unreserved / unreserved, and what stands between them
_SIP = re.compile(r"(sips?)[ \t]*:[ \t]*", re.I)
_QUOTED_SIP = re.compile("'sips?:", re.I)
_SIP_WITHOUT_COLON = re.compile(r"sips?//+", re.I)
_AT = re.compile("@")
_BLANK = re.compile("[ \t]+")
_COMMA = re.compile(r"\\?,")
_ESCAPES = re.compile("(?:%[0-9A-Fa-f]{2})+")
_PORT = re.compile("[0-9]{1,5}")


def read_target(field: Field, start: int, end: int) -> Target | None:
    """The target between two commas, None when something is wrong with it."""
    errors = field.errors
    inner, after = _without_brackets(field, *_without_quotes(field, start, end))
    _blanks(field, *inner)
    secure, body, is_sip = _scheme(field, *inner)
    at = field.clean.rfind("@", body, inner[1])
    if at >= 0 and is_sip:
        _user(field, body, at)
    place = at + 1 if at >= 0 else body
    question = field.clean.find("?", place, inner[1])
    headers = question if question >= 0 else inner[1]
    semicolon = field.clean.find(";", place, headers)
    place_end = semicolon if semicolon >= 0 else headers
    port = read_place(field, place, place_end, at >= 0) if is_sip else None
    given = Parameters()
    if semicolon >= 0:
        read_parameters(field, semicolon + 1, headers, given)
    if question >= 0:
        not_sent(field, (question, inner[1]), "headers")
        field.escapes(question + 1, inner[1], _NOT_HEADER, "parameter")
    if after[0] < after[1]:
        _blanks(field, *after)
        if field.clean[after[0]] == ";":
            read_parameters(field, after[0] + 1, after[1], given)
        else:
            field.error("brackets", after, "text after the angle brackets", "remove it")
    transport = transport_of(field, secure, port, given)
    text = field.text[start:end]
    if field.errors > errors or text != field.clean[start:end]:
        return None
    try:
        uri = Uri.parse(text if _SIP.match(text) else f"sip:{text}")
    except UriError as error:  # a bound of its own: 64 parameters, 4096 characters with the scheme
        why = printable(str(error)).rpartition(": ")[2]
        field.error("uri", (start, end), f"no SIP URI: {why}", "write a plainer one, such as sip:USER@HOST")
        return None
    return Target(
        None if uri.user is None else unquote(uri.user), uri.host, uri.port, transport, given.srtp, given.timeout_ms / 1000, secure,
        text, start, given.priority, None if uri.user is None else quote(uri.user, safe=USER_SAFE + "%"), "".join(given.wire),
    )  # fmt: skip


def _without_quotes(field: Field, start: int, end: int) -> Span:
    """An element without the quotes that people copy together with the whole field or a whole target."""
    if field.clean.find("<", start, end) >= 0:  # those of a display name
        return start, end
    what, fix = "quotes round a target", "write it without them"
    count = field.clean.count('"', start, end)
    leading = field.clean[start] == '"' or _QUOTED_SIP.match(field.clean, start, end) is not None
    if leading:
        field.error("quotes", (start, start + 1), what, fix)
        start += 1
    last = field.clean[end - 1] if start < end else ""
    if (leading and last in ('"', "'")) or (last == '"' and count == 1):
        field.error("quotes", (end - 1, end), what, fix)
        end -= 1
    return field.trim(start, end)


def _without_brackets(field: Field, start: int, end: int) -> tuple[Span, Span]:
    """The URI, and what stands behind the angle brackets around it."""
    less, greater = field.clean.find("<", start, end), field.clean.find(">", start, end)
    if less < 0 and greater < 0:
        return (start, end), (end, end)
    fix = "write the URI alone"
    if less < 0 or (0 <= greater < less):
        field.error("brackets", (greater, greater + 1), "a > without a < before it", fix)
        after = end if less < 0 else less
        return field.trim(start, greater), field.trim(greater + 1, after)
    if greater < 0:
        field.error("brackets", (less, less + 1), "a < without a > after it", fix)
        return field.trim(less + 1, end), (end, end)
    name = less > start
    what = "a display name and angle brackets" if name else "angle brackets"
    field.error("brackets", (start, less + 1), f"{what} round the URI", fix)
    return field.trim(less + 1, greater), field.trim(greater + 1, end)


def _blanks(field: Field, start: int, end: int) -> None:
    for match in _BLANK.finditer(field.text, start, end):
        field.error("blank", match.span(), "a blank inside a target", "remove it, or write a comma between two targets")


def _scheme(field: Field, start: int, end: int) -> tuple[bool, int, bool]:
    """Whether the scheme is `sips`, where the URI goes on behind it, and whether it is one of this field."""
    match = _SIP.match(field.clean, start, end)
    if match is not None:
        at = match.end()
        slashes = at
        while slashes < end and field.clean[slashes] == "/":
            slashes += 1
        if slashes - at > 1:
            field.error("scheme", (at, slashes), "slashes after the scheme", f"write {match[1]}: without them")
            at = slashes
        again = _SIP.match(field.clean, at, end)
        if again is not None:
            field.error("scheme", again.span(), "a second scheme", "write it once")
            at = again.end()
        return len(match[1]) == 4, at, True
    match = _SIP_WITHOUT_COLON.match(field.clean, start, end)
    if match is not None:
        field.error("scheme", match.span(), f"{match[0]} is no scheme", "write sip:")
        return False, match.end(), True
    colon = field.clean.find(":", start, end)
    if colon < 0 or not _is_other_scheme(field, start, colon, end):
        return False, start, True  # without a scheme, as the dashboard's own example is (default 24)
    shown = field.show(start, colon + 1)
    field.error("scheme", (start, colon + 1), f"{shown} is no scheme of this field", "write sip:USER@HOST")
    return False, colon + 1, False


def _is_other_scheme(field: Field, start: int, colon: int, end: int) -> bool:
    """Whether `name:` is a scheme, and not the user of a password or the host of a port."""
    name, rest = field.clean[start:colon].strip(BLANKS).lower(), field.clean[colon + 1 : end].lstrip(BLANKS)
    if SCHEME.fullmatch(name) is None:
        return False
    if name in _OTHER_SCHEMES or rest.startswith("//"):
        return True
    place = re.split("[;?]", rest, maxsplit=1)[0].strip(BLANKS)
    if "@" not in rest and (_PORT.fullmatch(place) or ":" in place):  # sip1:5060, and IPv6
        return False
    return bool(difflib.get_close_matches(name, ("sip", "sips"), 1, 0.7)) or ("@" not in rest and "." in place and "." not in name)


def _user(field: Field, start: int, at: int) -> None:
    colon = field.clean.find(":", start, at)
    end = at if colon < 0 else colon
    if start == end:
        field.error("user-missing", (at, at + 1), "an @ without a user before it", "write USER@HOST, or the host alone")
    if colon >= 0:
        field.error("password", (colon, at), "a password, and Vonage sends none (vonage-facts 6)", "remove it; allow its addresses")
    for match in _AT.finditer(field.clean, start, at):
        field.error("at", match.span(), "a second @ in the target", "write %40 in a user part")
    for match in _COMMA.finditer(field.clean, start, end):
        field.error("comma", match.span(), "a comma inside a user part", "write %2C")
    field.escapes(start, end, _NOT_USER, "user-character")
    for match in _ESCAPES.finditer(field.clean, start, end):
        if not unquote(match[0]).isprintable():
            # the user goes into logs and headers, where no escape may carry the end of a line
            field.error("escape", match.span(), f"{match[0][:40]} is a control or an invisible character", "remove it")
        elif "%2C" in match[0].upper():
            what = "an escaped comma, and nobody knows whether Vonage splits the list before it decodes"
            field.warn("comma-escaped", match.span(), what, "use a user without one")
