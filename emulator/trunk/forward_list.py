"""A number's "Forward to SIP" field: the targets that a call is offered to one after the other, as text, as values, and its mistakes.

Sources: the page, Inbound configuration; vonage-facts 6, and its defaults 18, 19, 23 to 25, 27 and 34. Where they are silent:

- A target of the trunk dashboard is a host with a priority from 0, the first, to 100 (vonage-facts 6). The dashboard has a column for
  it; in text it is written `;priority=`, which is vsim's own. Targets without one come after those with one; equals keep their order.
- 50 targets and 4096 characters are vsim's own bounds; the page names none (default 24 knows no limit).
- The Request-URI is the configured URI (default 27) without `timeout`, `media`, `priority` and `transport=udp`, which mean something
  to the trunk only, and without `method` and headers, which RFC 3261 19.1.1 forbids there.
"""

import difflib
import ipaddress
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal
from urllib.parse import quote, unquote

from emulator.journal.findings import printable
from emulator.sip.grammar import QUOTED_STRING, SCHEME
from emulator.sip.uri import Uri, UriError

MAX_LENGTH = 4096
"""Characters of a field; vsim's own bound."""
MAX_TARGETS = 50
"""Targets of a field; vsim's own bound."""
TIMEOUT_MS = (2000, 20000)
"""Lowest and highest `timeout=` (the page)."""
DEFAULT_TIMEOUT_MS = 5000

Severity = Literal["error", "warning"]
Transport = Literal["UDP", "TCP", "TLS"]

_TRANSPORTS: dict[str, Transport] = {"udp": "UDP", "tcp": "TCP", "tls": "TLS"}
_KNOWN = ("transport", "media", "timeout", "priority")
_RFC_PARAMETERS = frozenset({"transport", "user", "method", "ttl", "maddr", "lr"})
_BARE = {"tls": "transport=tls", "tcp": "transport=tcp", "udp": "transport=udp", "srtp": "media=srtp"}
_OTHER_SCHEMES = frozenset(
    ("tel", "http", "https", "mailto", "h323", "xmpp", "iax", "iax2", "udp", "tcp", "tls", "ws", "wss", "callto", "urn")
)
_RANGE = f"write timeout={TIMEOUT_MS[0]} to timeout={TIMEOUT_MS[1]}"
_FIRST, _LAST = 0, 100  # priorities
_BLANKS = " \t"

# Productions of RFC 3261 25.1 as what they leave out. `%` and `,` are looked at apart from the others.
_NOT_USER = re.compile(r"[^A-Za-z0-9\-_.!~*'()&=+$,;?/%]+")  # unreserved / user-unreserved
_NOT_PARAMETER = re.compile(r"[^A-Za-z0-9\-_.!~*'()\[\]/:&+$%]+")  # paramchar
_NOT_HEADER = re.compile(r"[^A-Za-z0-9\-_.!~*'()\[\]/?:+$&=%]+")  # hnv-unreserved / unreserved, and what stands between them
_NOT_HOST = re.compile(r"[^A-Za-z0-9\-_. \t]+")
_USER_SAFE = "!*'()&=+$,;?/"  # quote() leaves the rest of unreserved alone
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")

_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]+")
_NOT_ASCII = re.compile(r"[^\x00-\x7f]+")
_SIP = re.compile(r"(sips?)[ \t]*:[ \t]*", re.I)
_QUOTED_SIP = re.compile("'sips?:", re.I)
_SIP_WITHOUT_COLON = re.compile(r"sips?//+", re.I)
_NEXT_URI = re.compile(r"(?:;[ \t]*|(?<=[^ \t<;])[ \t]+)(?=sips?[ \t]*:)", re.I)
_DISPLAY_OR_USER = re.compile(r"@|[ \t]*<")  # what follows a quoted string that was meant as one
_UNITS = {"ms": 1, "mse": 1, "mil": 1, "s": 1000, "sec": 1000, "m": 60000, "min": 60000}
_WITH_UNIT = re.compile(r"([0-9]+(?:\.[0-9]+)?)[ \t]*(ms|msecs?|milliseconds?|s|secs?|seconds?|m|mins?|minutes?)", re.I)
_WITH_PORT = re.compile(r"[^:]*:([0-9]{1,5})")

_AT = re.compile("@")
_BLANK = re.compile("[ \t]+")
_COMMA = re.compile(r"\\?,")
_ESCAPES = re.compile("(?:%[0-9A-Fa-f]{2})+")
_LABEL = re.compile("[^.]+")
_LIKE_IPV6 = re.compile("[0-9A-Fa-f:.]+")
_MORE_DOTS = re.compile(r"(?<=\.)\.+")
_PORT = re.compile("[0-9]{1,5}")
_SEMICOLON = re.compile(";")

_Span = tuple[int, int]
"""Start and end in the field."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake: `length` characters from `position` (0-based). `code` is stable."""

    position: int
    length: int
    what: str
    fix: str
    severity: Severity
    code: str

    def __str__(self) -> str:
        return f"column {self.position + 1}: {self.what}; {self.fix}"


class ForwardError(ValueError):
    """A field that can't be used. `problems` holds every error and warning by position; the text is the errors, one a line."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems if problem.severity == "error"))


@dataclass(frozen=True, slots=True)
class Target:
    """One entry of the list.

    `user` is decoded, None for a host-only target; `host` as written, brackets included; `port` as written, None without one;
    `transport` what is used; `timeout` in seconds; `text` as written; `position` the 0-based column where it begins.
    """

    user: str | None
    host: str
    port: int | None
    transport: Transport
    srtp: bool
    timeout: float
    secure_scheme: bool
    text: str
    position: int = field(default=0, compare=False)
    priority: int | None = None
    user_part: str | None = None
    """The user with the escapes it was written with: those of reserved characters are not equivalent to the character (19.1.4)."""
    parameters: str = ""
    """The parameters of the Request-URI, each with its semicolon."""

    @property
    def default_port(self) -> int:
        """Where a target without a port is reached when SRV has no answer (the page; default 25)."""
        return 5061 if self.transport == "TLS" else 5060

    def uri(self, number: str) -> str:
        """The Request-URI of a call to `number`, which is the user of a host-only target."""
        user = self.user_part
        if user is None:
            user = quote(number if self.user is None else self.user, safe=_USER_SAFE, errors="replace")
        scheme = "sips:" if self.secure_scheme else "sip:"
        port = "" if self.port is None else f":{self.port}"
        return f"{scheme}{user}{'@' if user else ''}{self.host}{port}{self.parameters}"

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class ForwardList:
    """The targets in the order in which they are tried."""

    targets: tuple[Target, ...]

    def __str__(self) -> str:
        """The field: targets as and in the order they were written, with commas and no blanks between, as the page has it."""
        return ",".join(target.text for target in sorted(self.targets, key=lambda target: target.position))


def parse(text: str, *, timeout_range: str = "reject", most: int = MAX_TARGETS) -> ForwardList:
    """The list in a field. Raises `ForwardError` with all that is wrong.

    `timeout_range` says what becomes of a timeout outside 2000 to 20000 ms: `reject`, or `clamp` with a warning (default 19). `most` is
    how many targets it may have.
    """
    targets, problems = check(text, timeout_range=timeout_range, most=most)
    if targets is None:
        raise ForwardError(problems)
    return targets


def check(text: str, *, timeout_range: str = "reject", most: int = MAX_TARGETS) -> tuple[ForwardList | None, tuple[Problem, ...]]:
    """The list in a field, None when it can't be used, and its problems by position, warnings included."""
    if timeout_range not in ("reject", "clamp"):
        raise ValueError(f"timeout_range {timeout_range!r} is neither reject nor clamp")
    reader = _Reader(text, timeout_range == "clamp", most)
    targets = reader.read()
    problems = tuple(sorted(reader.problems, key=lambda problem: problem.position))
    return (None if reader.errors else ForwardList(targets)), problems


@dataclass(slots=True)
class _Parameters:
    """What the parameters of one target say, and where."""

    transport: Transport | None = None
    srtp: bool = False
    timeout_ms: int = DEFAULT_TIMEOUT_MS
    priority: int | None = None
    spans: dict[str, _Span] = field(default_factory=dict)
    wire: list[str] = field(default_factory=list)


class _Reader:
    """One pass over a field that goes on after a mistake.

    `clean` is the field with each character that is not ASCII replaced by one that is, so that one wrong character is one problem and
    positions stay. Messages never hold the user part: a password may stand in it.
    """

    def __init__(self, text: str, clamp: bool, most: int) -> None:
        self.text = text
        self.clean = text
        self.clamp = clamp
        self.most = most
        self.problems: list[Problem] = []
        self.errors = 0

    def read(self) -> tuple[Target, ...]:
        if len(self.text) > MAX_LENGTH:
            what = f"{len(self.text)} characters, more than the {MAX_LENGTH} that vsim takes"
            self._error("too-long", (MAX_LENGTH, len(self.text)), what, "list fewer targets")
            return ()
        self._make_ascii()
        if not self.clean.strip(_BLANKS):
            self._error("empty", (0, len(self.text)), "the field is empty", "write a target such as sip:1234@pbx.example.net")
            return ()
        spans = [part for element in self._elements() for part in self._divided(*element)]
        if len(spans) > self.most:
            what = f"{len(spans)} targets, more than the {self.most} that vsim takes; from here on they were not read"
            self._error("too-many", spans[self.most], what, "list fewer targets")
        targets = []
        for span in spans[: self.most]:
            target = self._target(*span)
            if target is not None:
                targets.append(target)
        self._compare(targets)
        return tuple(sorted(targets, key=lambda target: _LAST + 1 if target.priority is None else target.priority))

    def _error(self, code: str, span: _Span, what: str, fix: str) -> None:
        self._add(code, span, what, fix, "error")

    def _warn(self, code: str, span: _Span, what: str, fix: str) -> None:
        self._add(code, span, what, fix, "warning")

    def _add(self, code: str, span: _Span, what: str, fix: str, severity: Severity) -> None:
        # what is missing is marked at the character before the gap, so that a caret has something to stand under
        position = min(span[0], max(len(self.text) - 1, 0))
        length = max(span[1] - position, min(1, len(self.text)))
        self.problems.append(Problem(position, length, what, fix, severity, f"forward.{code}"))
        self.errors += severity == "error"

    def _show(self, start: int, end: int) -> str:
        return printable(self.text[start:end], 40)

    def _trim(self, start: int, end: int) -> _Span:
        while start < end and self.clean[start] in _BLANKS:
            start += 1
        while start < end and self.clean[end - 1] in _BLANKS:
            end -= 1
        return start, end

    # -- the field as a whole ---------------------------------------------------------------------------------------

    def _make_ascii(self) -> None:
        clean = list(self.text)
        for match in _CONTROL.finditer(self.text):
            for at in range(*match.span()):
                clean[at] = " "
            self._error("control", match.span(), f"the control character {printable(match[0], 40)}", "remove it")
        for match in _NOT_ASCII.finditer(self.text):
            plain = [unicodedata.normalize("NFKC", character) for character in match[0]]
            alike = all(len(text) == 1 and text.isascii() for text in plain)
            for at, text in enumerate(plain, match.start()):
                clean[at] = text if len(text) == 1 and text.isascii() else "x" if self.text[at].isprintable() else " "
            if alike and "".join(plain).strip(_BLANKS):
                fix = f"write {''.join(plain)}"
            elif alike or not match[0].isprintable():
                fix = "remove it"
            else:
                fix = "write a host in its xn-- form, and such characters of a user part as %HH"
            shown = printable(match[0], 40) if match[0].isprintable() else " ".join(f"U+{ord(c):04X}" for c in match[0][:4])
            self._error("not-ascii", match.span(), f"{shown} is not ASCII", fix)
        self.clean = "".join(clean)

    def _elements(self) -> list[_Span]:
        """What stands between commas; empty elements are reported and left out."""
        commas = list(self._commas())
        bounds = [-1, *commas, len(self.text)]
        pieces = [self._trim(before + 1, after) for before, after in pairwise(bounds)]
        found: list[_Span] = []
        index = 0
        while index < len(pieces):
            if pieces[index][0] < pieces[index][1]:
                found.append(pieces[index])
                index += 1
                continue
            first = index
            while index < len(pieces) and pieces[index][0] >= pieces[index][1]:
                index += 1
            span = commas[max(first - 1, 0)], commas[min(index, len(commas)) - 1] + 1
            where = "before the comma" if first == 0 else "after the comma" if index == len(pieces) else "between the commas"
            self._error("empty-target", span, f"no target {where}", "write one there, or remove the comma")
        return found

    def _commas(self) -> Iterator[int]:
        """Where the field is split: not in a quoted string that stands where people write one, nor after a backslash.

        Both are mistakes, and are reported as such; splitting there would only add others.
        """
        at = 0
        while at < len(self.clean):
            character = self.clean[at]
            if character == "\\":
                at += 1
            elif character == '"':
                quoted = QUOTED_STRING.match(self.clean, at)
                if quoted and (self.clean[at - 1 : at] == "=" or _DISPLAY_OR_USER.match(self.clean, quoted.end())):
                    at = quoted.end() - 1
            elif character == ",":
                yield at
            at += 1

    def _divided(self, start: int, end: int) -> Iterator[_Span]:
        """An element cut where it holds a second URI, which only a comma may separate from the first."""
        cuts = [match.span() for match in _NEXT_URI.finditer(self.clean, start, end)]
        ats = [] if "<" in self.clean[start:end] else [match.start() for match in _AT.finditer(self.clean, start, end)]
        for before, after in pairwise(ats):  # `1234@a;1234@b`: no host or parameter holds an @
            at = self.clean.rfind(";", before, after)
            if at < 0:
                at = self.clean.rfind(" ", before, after)
            if at >= 0 and not any(before < cut[1] <= after for cut in cuts):
                cuts.append((at, at + 1))
        for cut in sorted(cuts):
            mark = cut[0], cut[0] + 1
            if cut[0] == start:
                self._error("semicolon", mark, "a semicolon before a target", "remove it")
            elif self.clean[cut[0]] == ";":
                self._error("semicolon", mark, "a semicolon between two targets", "write a comma (an @ elsewhere in a URI is %40)")
            else:
                self._error("blank", cut, "a blank between two targets", "write a comma")
            piece = self._trim(start, cut[0])
            if piece[0] < piece[1]:
                yield piece
            start = cut[1]
        piece = self._trim(start, end)
        if piece[0] < piece[1]:
            yield piece

    def _compare(self, targets: list[Target]) -> None:
        """What no single target can know."""
        seen: dict[tuple[str, str], int] = {}
        priorities: dict[int, int] = {}
        for target in targets:
            span = target.position, target.position + len(target.text)
            at = seen.setdefault((target.transport, str(_folded(target))), target.position)
            if at != target.position:
                self._warn("duplicate", span, f"the same target as at column {at + 1}", "remove it, or name another")
            if target.priority is not None:
                at = priorities.setdefault(target.priority, target.position)
                if at != target.position:
                    what = f"priority={target.priority} as at column {at + 1}, where Vonage guarantees no order"
                    self._warn("priority-order", span, what, "give each target a priority of its own")
        for target in targets:
            if priorities and target.priority is None:
                span = target.position, target.position + len(target.text)
                self._warn("priority-order", span, "no priority where others have one: it is tried after them", "give it one")

    # -- one target -------------------------------------------------------------------------------------------------

    def _target(self, start: int, end: int) -> Target | None:
        """The target between two commas, None when something is wrong with it."""
        errors = self.errors
        inner, after = self._without_brackets(*self._without_quotes(start, end))
        self._blanks(*inner)
        secure, body, is_sip = self._scheme(*inner)
        at = self.clean.rfind("@", body, inner[1])
        if at >= 0 and is_sip:
            self._user(body, at)
        place = at + 1 if at >= 0 else body
        question = self.clean.find("?", place, inner[1])
        headers = question if question >= 0 else inner[1]
        semicolon = self.clean.find(";", place, headers)
        place_end = semicolon if semicolon >= 0 else headers
        port = self._place(place, place_end, at >= 0) if is_sip else None
        given = _Parameters()
        if semicolon >= 0:
            self._parameters(semicolon + 1, headers, given)
        if question >= 0:
            self._not_sent((question, inner[1]), "headers")
            self._characters(question + 1, inner[1], _NOT_HEADER, "parameter")
        if after[0] < after[1]:
            self._blanks(*after)
            if self.clean[after[0]] == ";":
                self._parameters(after[0] + 1, after[1], given)
            else:
                self._error("brackets", after, "text after the angle brackets", "remove it")
        transport = self._transport(secure, port, given)
        text = self.text[start:end]
        if self.errors > errors or text != self.clean[start:end]:
            return None
        try:
            uri = Uri.parse(text if _SIP.match(text) else f"sip:{text}")
        except UriError as error:  # a bound of its own: 64 parameters, 4096 characters with the scheme
            why = printable(str(error)).rpartition(": ")[2]
            self._error("uri", (start, end), f"no SIP URI: {why}", "write a plainer one, such as sip:USER@HOST")
            return None
        return Target(
            None if uri.user is None else unquote(uri.user), uri.host, uri.port, transport, given.srtp, given.timeout_ms / 1000, secure,
            text, start, given.priority, None if uri.user is None else quote(uri.user, safe=_USER_SAFE + "%"), "".join(given.wire),
        )  # fmt: skip

    def _without_quotes(self, start: int, end: int) -> _Span:
        """An element without the quotes that people copy together with the whole field or a whole target."""
        if self.clean.find("<", start, end) >= 0:  # those of a display name
            return start, end
        what, fix = "quotes round a target", "write it without them"
        count = self.clean.count('"', start, end)
        leading = self.clean[start] == '"' or _QUOTED_SIP.match(self.clean, start, end) is not None
        if leading:
            self._error("quotes", (start, start + 1), what, fix)
            start += 1
        last = self.clean[end - 1] if start < end else ""
        if (leading and last in ('"', "'")) or (last == '"' and count == 1):
            self._error("quotes", (end - 1, end), what, fix)
            end -= 1
        return self._trim(start, end)

    def _without_brackets(self, start: int, end: int) -> tuple[_Span, _Span]:
        """The URI, and what stands behind the angle brackets around it."""
        less, greater = self.clean.find("<", start, end), self.clean.find(">", start, end)
        if less < 0 and greater < 0:
            return (start, end), (end, end)
        fix = "write the URI alone"
        if less < 0 or (0 <= greater < less):
            self._error("brackets", (greater, greater + 1), "a > without a < before it", fix)
            after = end if less < 0 else less
            return self._trim(start, greater), self._trim(greater + 1, after)
        if greater < 0:
            self._error("brackets", (less, less + 1), "a < without a > after it", fix)
            return self._trim(less + 1, end), (end, end)
        name = less > start
        what = "a display name and angle brackets" if name else "angle brackets"
        self._error("brackets", (start, less + 1), f"{what} round the URI", fix)
        return self._trim(less + 1, greater), self._trim(greater + 1, end)

    def _blanks(self, start: int, end: int) -> None:
        for match in _BLANK.finditer(self.text, start, end):
            self._error("blank", match.span(), "a blank inside a target", "remove it, or write a comma between two targets")

    def _scheme(self, start: int, end: int) -> tuple[bool, int, bool]:
        """Whether the scheme is `sips`, where the URI goes on behind it, and whether it is one of this field."""
        match = _SIP.match(self.clean, start, end)
        if match is not None:
            at = match.end()
            slashes = at
            while slashes < end and self.clean[slashes] == "/":
                slashes += 1
            if slashes - at > 1:
                self._error("scheme", (at, slashes), "slashes after the scheme", f"write {match[1]}: without them")
                at = slashes
            again = _SIP.match(self.clean, at, end)
            if again is not None:
                self._error("scheme", again.span(), "a second scheme", "write it once")
                at = again.end()
            return len(match[1]) == 4, at, True
        match = _SIP_WITHOUT_COLON.match(self.clean, start, end)
        if match is not None:
            self._error("scheme", match.span(), f"{match[0]} is no scheme", "write sip:")
            return False, match.end(), True
        colon = self.clean.find(":", start, end)
        if colon < 0 or not self._is_other_scheme(start, colon, end):
            return False, start, True  # without a scheme, as the dashboard's own example is (default 24)
        shown = self._show(start, colon + 1)
        self._error("scheme", (start, colon + 1), f"{shown} is no scheme of this field", "write sip:USER@HOST")
        return False, colon + 1, False

    def _is_other_scheme(self, start: int, colon: int, end: int) -> bool:
        """Whether `name:` is a scheme, and not the user of a password or the host of a port."""
        name, rest = self.clean[start:colon].strip(_BLANKS).lower(), self.clean[colon + 1 : end].lstrip(_BLANKS)
        if SCHEME.fullmatch(name) is None:
            return False
        if name in _OTHER_SCHEMES or rest.startswith("//"):
            return True
        place = re.split("[;?]", rest, maxsplit=1)[0].strip(_BLANKS)
        if "@" not in rest and (_PORT.fullmatch(place) or ":" in place):  # sip1:5060, and IPv6
            return False
        return bool(difflib.get_close_matches(name, ("sip", "sips"), 1, 0.7)) or ("@" not in rest and "." in place and "." not in name)

    def _user(self, start: int, at: int) -> None:
        colon = self.clean.find(":", start, at)
        end = at if colon < 0 else colon
        if start == end:
            self._error("user-missing", (at, at + 1), "an @ without a user before it", "write USER@HOST, or the host alone")
        if colon >= 0:
            self._error("password", (colon, at), "a password, and Vonage sends none (vonage-facts 6)", "remove it; allow its addresses")
        for match in _AT.finditer(self.clean, start, at):
            self._error("at", match.span(), "a second @ in the target", "write %40 in a user part")
        for match in _COMMA.finditer(self.clean, start, end):
            self._error("comma", match.span(), "a comma inside a user part", "write %2C")
        self._characters(start, end, _NOT_USER, "user-character")
        for match in _ESCAPES.finditer(self.clean, start, end):
            if not unquote(match[0]).isprintable():
                # the user goes into logs and headers, where no escape may carry the end of a line
                self._error("escape", match.span(), f"{match[0][:40]} is a control or an invisible character", "remove it")
            elif "%2C" in match[0].upper():
                what = "an escaped comma, and nobody knows whether Vonage splits the list before it decodes"
                self._warn("comma-escaped", match.span(), what, "use a user without one")

    def _characters(self, start: int, end: int, wrong: re.Pattern[str], code: str) -> None:
        """What a part may hold in escaped form only. In a user part it is a warning: it can be escaped on the way."""
        for match in wrong.finditer(self.clean, start, end):
            shown = match[0].strip(_BLANKS + "@")
            if '"' in shown:
                self._error("quotes", match.span(), "quotes in a URI", 'write it without them (" itself is %22)')
            elif "<" in shown or ">" in shown:
                self._error("brackets", match.span(), "angle brackets in a URI", "write the URI alone")
            elif shown and code == "user-character":
                if not (shown == "\\" and self.clean[match.end() : match.end() + 1] == ","):
                    fix = f"write {quote(shown, safe='')}"
                    self._warn(code, match.span(), f"{printable(shown, 40)} stands unescaped in a user part", fix)
            elif shown:
                self._error(code, match.span(), f"{printable(shown, 40)} must be escaped here", f"write {quote(shown, safe='')}")
        for match in _BAD_ESCAPE.finditer(self.clean, start, end):
            self._error("escape", match.span(), "a % that two hexadecimal digits do not follow", "write %25 for the character itself")

    # -- host and port ----------------------------------------------------------------------------------------------

    def _place(self, start: int, end: int, has_user: bool) -> tuple[int, _Span] | None:
        """The port and where it stands; None without one."""
        gap = max(start - 1, 0), start
        start, end = self._trim(start, end)
        text = self.clean[start:end]
        if not text:
            self._error("host-missing", gap, "no host", "write sip:USER@HOST, or sip:HOST to have the dialled number as the user")
            return None
        if text[0] == "[":
            close = self.clean.find("]", start, end)
            if close < 0:
                self._error("bracket", (start, start + 1), "a [ without a ] after it", "write [ADDRESS]")
                return None
            if not _is_ipv6(self.clean[start + 1 : close]):
                shown = self._show(start + 1, close)
                self._error("ipv6", (start, close + 1), f"{shown or 'nothing'} in brackets is no IPv6 address", "write [2001:db8::1]")
            rest, end = self._trim(close + 1, end)
            if rest == end:
                return None
            if self.clean[rest] == ":":
                return self._port(rest, end)
            self._error("host", (rest, end), f"{self._show(rest, end)} after the address", "write [ADDRESS]:PORT")
            return None
        bracket = re.search(r"[\[\]]", text)
        if bracket is not None:
            at = start + bracket.start()
            self._error("bracket", (at, at + 1), f"a {bracket[0]} that does not enclose an address", "write [ADDRESS]")
            return None
        address = text.partition("%")[0]
        if _is_ipv6(address) or ("::" in address and _LIKE_IPV6.fullmatch(address)):
            fix = f"write [{address}]" if _is_ipv6(address) else "write [2001:db8::1]"
            self._error("ipv6", (start, end), "an IPv6 address without brackets", fix)
            return None
        colon = self.clean.find(":", start, end)
        if colon < 0:
            self._host(start, end, has_user)
            return None
        self._host(*self._trim(start, colon), has_user)
        return self._port(colon, end)

    def _port(self, colon: int, end: int) -> tuple[int, _Span] | None:
        span = self._trim(colon + 1, end)
        text = self.clean[span[0] : span[1]]
        fix = "write a port from 1 to 65535, or none"
        if not text:
            self._error("port", (colon, colon + 1), "a colon without a port", fix)
        elif re.fullmatch("[0-9]+", text) is None:
            self._error("port", span, "the port is not a number", fix)  # it may be the password of a user without a host
        elif len(text) > 5 or int(text) > 65535:
            self._error("port", span, f"port {self._show(*span)} is above 65535", fix)
        elif int(text) == 0:
            self._error("port", span, "port 0 is no port", fix)
        else:
            return int(text), span
        return None

    def _host(self, start: int, end: int, has_user: bool) -> None:
        text = self.clean[start:end]
        if not text:
            self._error("host-missing", (max(start - 1, 0), start), "no host", "write sip:USER@HOST")
            return
        shown = self._show(start, end)
        if not has_user and re.fullmatch(r"\+?[0-9]+", text):
            self._error("host-missing", (start, end), f"{shown} is a number without a host", f"write sip:{shown}@HOST")
            return
        for match in _NOT_HOST.finditer(self.clean, start, end):
            what = f"{self._show(*match.span())} in a host"
            self._error("host", match.span(), what, "use letters, digits, hyphens and dots")
        if text[0] == ".":
            self._error("host-dot", (start, start + 1), "a host that begins with a dot", "remove it")
        if len(text) > 1 and text[-1] == ".":
            self._warn("host-dot", (end - 1, end), "a host that ends with a dot", "remove it; names here are absolute without it")
        for match in _MORE_DOTS.finditer(self.clean, start, end):
            self._error("host-dot", match.span(), "two dots with nothing between", "remove one")
        if text[0] == "_":
            what = f"{shown} is the name of a service, not of a host"
            self._error("host-underscore", (start, start + 1), what, "write the domain alone; its SRV records are looked up")
        elif "_" in text:
            at = start + text.index("_")
            what = "an underscore in a host, which RFC 3261 25.1 does not have"
            self._warn("host-underscore", (at, at + 1), what, "use a name with hyphens")
        labels = list(_LABEL.finditer(self.clean, start, end))
        for match in labels:
            if match[0][0] == "-" or match[0][-1] == "-":
                self._error("host", match.span(), f"{printable(match[0], 40)} begins or ends with a hyphen", "remove it")
            if len(match[0]) > 63:
                self._error("host", match.span(), f"a label of {len(match[0])} characters", "write one of at most 63")
        if len(text.rstrip(".")) > 253:
            self._error("host", (start, end), f"a host of {len(text)} characters", "write one of at most 253")
        if labels and all(re.fullmatch("[0-9]+", match[0]) for match in labels) and not _is_ipv4(text.rstrip(".")):
            self._error("host", (start, end), f"{shown} is no IPv4 address", "write four numbers from 0 to 255, as in 192.0.2.1")

    # -- parameters -------------------------------------------------------------------------------------------------

    def _parameters(self, start: int, end: int, given: _Parameters) -> None:
        nameless: _Span | None = None
        bounds = [start - 1, *(match.start() for match in _SEMICOLON.finditer(self.clean, start, end)), end]
        for before, after in pairwise(bounds):
            span = self._trim(before + 1, after)
            if span[0] == span[1]:
                nameless = (nameless[0] if nameless else before), before + 1
                continue
            if nameless:
                self._nameless(nameless)
                nameless = None
            self._parameter(span, given)
        if nameless:
            self._nameless(nameless)

    def _nameless(self, span: _Span) -> None:
        self._error("parameter", span, "a semicolon without a parameter", "remove it, or write NAME=VALUE after it")

    def _parameter(self, span: _Span, given: _Parameters) -> None:
        equals = self.clean.find("=", *span)
        name_span = self._trim(span[0], equals if equals >= 0 else span[1])
        value_span = self._trim(equals + 1, span[1]) if equals >= 0 else None
        written = self.clean[slice(*name_span)]
        name = written.lower()
        value = None if value_span is None else self.clean[slice(*value_span)]
        if not name:
            self._error("parameter", span, "a parameter without a name", "write NAME=VALUE")
            return
        if name in given.spans:
            where = given.spans[name][0] + 1
            self._error("parameter-twice", span, f"{self._show(*name_span)} stands at column {where} already", "remove one")
        else:
            given.spans[name] = span
        if name in _KNOWN:
            self._known(name, value or "", span, given)
            return
        self._characters(*name_span, _NOT_PARAMETER, "parameter")
        if value_span is not None:
            if value:
                self._characters(*value_span, _NOT_PARAMETER, "parameter")
            else:
                shown = self._show(*name_span)
                self._error("parameter", span, f"{shown}= has no value", f"write {shown}=VALUE, or {shown} alone")
        if name == "method":
            self._not_sent(span, "a method parameter")
            return
        self._suggest(name, value, span)
        given.wire.append(f";{written}" if value is None else f";{written}={value}")

    def _suggest(self, name: str, value: str | None, span: _Span) -> None:
        """A parameter that is kept as it is, but looks like one of the trunk's own."""
        if value is None and name in _BARE:
            self._warn("parameter-unknown", span, f"{name} alone changes nothing", f"write {_BARE[name]}")
        elif name not in _RFC_PARAMETERS:
            close = difflib.get_close_matches(name, _KNOWN, 1, 0.8)
            if close:
                shown = printable(name, 40)
                self._warn("parameter-unknown", span, f"{shown} means nothing to the trunk", f"did you mean {close[0]}?")

    def _known(self, name: str, value: str, span: _Span, given: _Parameters) -> None:
        port = _WITH_PORT.fullmatch(value)
        if port is not None:
            fix = f"write it before the first semicolon, HOST:{port[1]}"
            self._error("port-misplaced", span, f"a port after {name}", fix)
        elif name == "transport":
            if value.lower() in _TRANSPORTS:
                given.transport = _TRANSPORTS[value.lower()]
                if given.transport != "UDP":
                    given.wire.append(f";transport={value.lower()}")
            else:
                fix = "write transport=udp, transport=tcp or transport=tls"
                self._error("transport", span, f"{self._show(*span)} is no transport of Vonage's", fix)
        elif name == "media":
            given.srtp = value.lower() == "srtp"
            if not given.srtp:
                self._error("media", span, f"{self._show(*span)} is not media=srtp", "write media=srtp, or leave it out for plain RTP")
        elif name == "priority":
            if re.fullmatch("[0-9]{1,3}", value) and int(value) <= _LAST:
                given.priority = int(value)
            else:
                fix = f"write priority={_FIRST}, the first to be tried, to priority={_LAST}"
                self._error("priority", span, f"{self._show(*span)} is no priority", fix)
        else:
            self._timeout(value, span, given)

    def _timeout(self, value: str, span: _Span, given: _Parameters) -> None:
        shown = self._show(*span)
        unit = _WITH_UNIT.fullmatch(value)
        lowest, highest = TIMEOUT_MS
        if unit is not None:
            meant = float(unit[1]) * _UNITS[unit[2][:3].lower()]
            fix = f"write timeout={meant:.0f}" if lowest <= meant <= highest else _RANGE
            self._error("timeout", span, f"{shown} has a unit, and milliseconds without one are wanted", fix)
        elif re.fullmatch("[0-9]+", value) is None:
            what = f"{shown} is not a whole number of milliseconds" if value else "timeout has no value"
            self._error("timeout", span, what, _RANGE)
        else:
            number = int(value)
            given.timeout_ms = min(max(number, lowest), highest)
            if number == given.timeout_ms:
                return
            what = f"{shown} is below {lowest} ms" if number < lowest else f"{shown} is above {highest} ms"
            meant = number * 1000
            fix = f"write timeout={meant}, for it is in milliseconds" if lowest <= meant <= highest else _RANGE
            if self.clamp:
                self._warn("timeout-range", span, f"{what}, so that {given.timeout_ms} ms are used", fix)
            else:
                self._error("timeout-range", span, what, fix)

    def _transport(self, secure: bool, port: tuple[int, _Span] | None, given: _Parameters) -> Transport:
        """The transport that is used, and what does not go with it."""
        if secure and given.transport == "UDP":
            fix = "write sip: for UDP, or leave transport out for TLS"
            self._error("sips-udp", given.spans["transport"], "sips: is TLS, and transport=udp is not", fix)
        # RFC 3261 26.2.2: sips with transport=tcp is TLS over TCP
        transport = "TLS" if secure else given.transport or "UDP"
        if port is not None and port[0] == 5060 and transport == "TLS":
            self._warn("port-unusual", port[1], "TLS on port 5060", "write 5061 or no port, unless your server has TLS there")
        elif port is not None and port[0] == 5061 and transport != "TLS":
            self._warn("port-unusual", port[1], f"{transport} on port 5061", "add ;transport=tls, unless your server has no TLS there")
        if given.srtp and transport != "TLS":
            what = f"media=srtp over {transport} sends the keys in clear (vonage-facts, default 34)"
            self._warn("srtp-in-clear", given.spans["media"], what, "add transport=tls")
        return transport

    def _not_sent(self, span: _Span, what: str) -> None:
        self._warn("not-sent", span, f"{what}, which a Request-URI never holds (RFC 3261 19.1.1)", "remove it; it is not sent")


def _folded(target: Target) -> tuple[str | None, str, int | None, str]:
    """What makes two targets the same one; case matters in the user only (19.1.4)."""
    return target.user, target.host.lower().rstrip("."), target.port, target.parameters.lower()


def _is_ipv6(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return "%" not in text  # no zone in an IPv6reference


def _is_ipv4(text: str) -> bool:
    try:
        ipaddress.IPv4Address(text)
    except ValueError:
        return False
    return True
