"""A whole INVITE as somebody wrote it: text with placeholders, its mistakes by line, and the message that comes of it.

    INVITE {uri} SIP/2.0
    From: "Reception" <sip:{caller}@sip.nexmo.com>
    X-Account: abcd1234
    Content-Type: application/sdp

    {sdp}

Placeholders stand in braces, a brace of one's own is doubled. What is no business of a template is put right: the values of Via, Call-ID,
CSeq and Content-Length, the tag of From; and From, To, Contact and Max-Forwards are added where it has none. Everything else, the order of
the headers above all, is sent as written.
"""

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from emulator.sip.headers import HeaderError, NameAddr
from emulator.sip.message import header_name

PLACEHOLDERS = {
    "uri": "the Request-URI: the target's, with the number as the user where it has none",
    "number": "the number that was rung",
    "caller": "the caller ID, `anonymous` when it is hidden",
    "host": "the host of To and From, as forwarding.host says",
    "user": "the user of the target, or the number",
    "target": "the host of the target, as configured",
    "from": "From as the trunk writes it, without its tag",
    "to": "To as the trunk writes it",
    "contact": "Contact as the trunk writes it",
    "proxy": "the proxy's host name",
    "address": "the proxy's address",
    "port": "the port of the audio",
    "transport": "UDP, TCP or TLS",
    "call_id": "the Call-ID",
    "allow": "the methods the trunk takes",
    "product": "name and version of vsim, or policy.product",
    "sdp": "the trunk's offer, whole",
}
"""What stands for what."""
_SAMPLES = {**dict.fromkeys(PLACEHOLDERS, "1"), **dict.fromkeys(("from", "to", "contact"), "<sip:1@x.example>"), "uri": "sip:1@x.example"}

MAX_OCTETS = 65536
_MAX_LINES = 512
_FIELD = re.compile(r"\{\{|\}\}|\{([^{}\r\n]*)\}|[{}]")
_HEADER = re.compile(r"([A-Za-z0-9\-.!%*_+`'~]+)[ \t]*:[ \t]*(.*)")
_START = re.compile(r"INVITE (\S+) SIP/2\.0")
_PUT_RIGHT = ("via", "call-id", "cseq", "content-length")
_ONCE = ("from", "to", "call-id", "cseq", "contact", "content-length", "content-type", "max-forwards")


class TemplateError(ValueError):
    """A template that can't be used: every mistake as `line:column: what; what to write instead`, a line each."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True)
class Rendered:
    """`headers` are names as written, their lower-case long names, and values; the value is empty where Via and so on stand."""

    uri: str
    headers: tuple[tuple[str, str, str], ...]
    body: str

    def value(self, name: str) -> str | None:
        """The first value of a header, by its lower-case long name."""
        return next((value for _, known, value in self.headers if known == name), None)


@dataclass(frozen=True, slots=True)
class Template:
    """What `parse` made of a text. Each part is text with placeholders."""

    uri: str
    headers: tuple[tuple[str, str, str], ...]
    body: str

    def render(self, values: Mapping[str, str]) -> Rendered:
        """The message for one attempt. `values` has every name of `PLACEHOLDERS`."""
        headers = tuple((written, name, _fill(value, values)) for written, name, value in self.headers)
        return Rendered(_fill(self.uri, values), headers, _fill(self.body, values))


def parse(text: str) -> Template:
    """Raises `TemplateError`."""
    if len(text) > MAX_OCTETS:
        raise TemplateError([f"1:1: {len(text)} characters; a template has at most {MAX_OCTETS}"])
    lines = text.replace("\r\n", "\n").split("\n")
    if len(lines) > _MAX_LINES:
        raise TemplateError([f"{_MAX_LINES + 1}:1: {len(lines)} lines; a template has at most {_MAX_LINES}"])
    problems = [problem for at, line in enumerate(lines, 1) for problem in _mistakes(at, line)]
    start = _START.fullmatch(lines[0])
    if start is None:
        problems.insert(0, f"1:1: {lines[0][:40]!r} is no start line; write INVITE {{uri}} SIP/2.0")
    end = next((at for at, line in enumerate(lines) if at and not line), len(lines))
    headers = _headers(lines[1:end], problems)
    body = lines[end + 1 :]
    if body and body[-1] == "":
        body = body[:-1]  # the line feed that ends a file is no line of its own
    if problems:
        raise TemplateError(problems)
    assert start is not None
    return Template(start[1], tuple(headers), "".join(f"{line}\r\n" for line in body) if body != ["{sdp}"] else "{sdp}")


def _headers(lines: Sequence[str], problems: list[str]) -> list[tuple[str, str, str]]:
    found: list[tuple[str, str, str]] = []
    for at, line in enumerate(lines, 2):
        if line[:1] in (" ", "\t") and found:
            written, name, value = found[-1]
            found[-1] = written, name, f"{value}\r\n{line}"  # a folded line stays one (7.3.1)
            continue
        match = _HEADER.fullmatch(line)
        if match is None:
            problems.append(f"{at}:1: {line[:40]!r} is no header; write Name: value, and an empty line before the body")
            continue
        name = header_name(match[1])
        if name in _ONCE and any(known == name for _, known, _ in found):
            problems.append(f"{at}:1: {match[1]} stands here a second time; remove one")
        if name in ("from", "to") and re.search(r";\s*tag\s*=", match[2].rpartition(">")[2], re.I):
            problems.append(f"{at}:1: a tag in {match[1]}; leave it out, the trunk makes its own")
        elif name in ("from", "to"):
            try:
                NameAddr.parse(_fill(match[2], _SAMPLES))
            except HeaderError as error:
                problems.append(f"{at}:1: {match[1]}: {error}; write <sip:{{caller}}@HOST>")
        put_right = name in _PUT_RIGHT and all(known != name for _, known, _ in found)
        found.append((match[1], name, "" if put_right else match[2]))
    return found


def _mistakes(at: int, line: str) -> Iterator[str]:
    if any(ord(character) < 32 and character != "\t" for character in line) or "\x7f" in line:
        yield f"{at}:1: a control character; remove it"
    for match in _FIELD.finditer(line):
        column = match.start() + 1
        if match[0] in ("{", "}"):
            yield f"{at}:{column}: a brace alone; write {match[0] * 2} for a brace, or {{name}} for a placeholder"
        elif match[1] is not None and match[1] not in PLACEHOLDERS:
            close = difflib.get_close_matches(match[1], PLACEHOLDERS, 1)
            hint = f"did you mean {{{close[0]}}}?" if close else f"known: {', '.join(PLACEHOLDERS)}"
            yield f"{at}:{column}: no placeholder {{{match[1][:40]}}}; {hint}"


def value_problem(text: str) -> str | None:
    """What is wrong with a single value that may hold placeholders; None when nothing is."""
    problem = next(_mistakes(1, text), None)
    return problem.partition(": ")[2] if problem is not None else None


def fill(text: str, values: Mapping[str, str]) -> str:
    """A single value with its placeholders filled in."""
    return _fill(text, values)


def _fill(text: str, values: Mapping[str, str]) -> str:
    def one(match: re.Match[str]) -> str:
        return match[0][0] if match[1] is None else values.get(match[1], "")

    return _FIELD.sub(one, text) if "{" in text or "}" in text else text
