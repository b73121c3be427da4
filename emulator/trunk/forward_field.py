"""A "Forward to SIP" field under reading: its text, and the mistakes found in it so far."""

import re
import unicodedata
from urllib.parse import quote

from emulator.journal.findings import printable
from emulator.trunk.forward_target import Problem, Severity

BLANKS = " \t"

_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]+")
_NOT_ASCII = re.compile(r"[^\x00-\x7f]+")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")

Span = tuple[int, int]
"""Start and end in the field."""


class Field:
    """One field. `errors` counts the problems that make it unusable.

    `clean` is the field with each character that is not ASCII replaced by one that is, so that one wrong character is one problem and
    positions stay. Messages never hold the user part: a password may stand in it.
    """

    def __init__(self, text: str, clamp: bool) -> None:
        """`clamp`: a timeout out of its range is brought into it, with a warning."""
        self.text = text
        self.clean = text
        self.clamp = clamp
        self.problems: list[Problem] = []
        self.errors = 0

    def error(self, code: str, span: Span, what: str, fix: str) -> None:
        """Note what makes the field unusable."""
        self._add(code, span, what, fix, "error")

    def warn(self, code: str, span: Span, what: str, fix: str) -> None:
        """Note what is odd and does no harm."""
        self._add(code, span, what, fix, "warning")

    def _add(self, code: str, span: Span, what: str, fix: str, severity: Severity) -> None:
        # what is missing is marked at the character before the gap, so that a caret has something to stand under
        position = min(span[0], max(len(self.text) - 1, 0))
        length = max(span[1] - position, min(1, len(self.text)))
        self.problems.append(Problem(position, length, what, fix, severity, f"forward.{code}"))
        self.errors += severity == "error"

    def show(self, start: int, end: int) -> str:
        """A piece of the field for a person."""
        return printable(self.text[start:end], 40)

    def trim(self, start: int, end: int) -> Span:
        """The same piece without the blanks at its ends."""
        while start < end and self.clean[start] in BLANKS:
            start += 1
        while start < end and self.clean[end - 1] in BLANKS:
            end -= 1
        return start, end

    def make_ascii(self) -> None:
        """Report what is not ASCII, and make `clean`."""
        clean = list(self.text)
        for match in _CONTROL.finditer(self.text):
            for at in range(*match.span()):
                clean[at] = " "
            self.error("control", match.span(), f"the control character {printable(match[0], 40)}", "remove it")
        for match in _NOT_ASCII.finditer(self.text):
            plain = [unicodedata.normalize("NFKC", character) for character in match[0]]
            alike = all(len(text) == 1 and text.isascii() for text in plain)
            for at, text in enumerate(plain, match.start()):
                clean[at] = text if len(text) == 1 and text.isascii() else "x" if self.text[at].isprintable() else " "
            if alike and "".join(plain).strip(BLANKS):
                fix = f"write {''.join(plain)}"
            elif alike or not match[0].isprintable():
                fix = "remove it"
            else:
                fix = "write a host in its xn-- form, and such characters of a user part as %HH"
            shown = printable(match[0], 40) if match[0].isprintable() else " ".join(f"U+{ord(c):04X}" for c in match[0][:4])
            self.error("not-ascii", match.span(), f"{shown} is not ASCII", fix)
        self.clean = "".join(clean)

    def escapes(self, start: int, end: int, wrong: re.Pattern[str], code: str) -> None:
        """Report escapes that are none, and what matches `wrong`, which a part may hold in escaped form only.

        In a user part that is a warning: it can be escaped on the way.
        """
        for match in wrong.finditer(self.clean, start, end):
            shown = match[0].strip(BLANKS + "@")
            if '"' in shown:
                self.error("quotes", match.span(), "quotes in a URI", 'write it without them (" itself is %22)')
            elif "<" in shown or ">" in shown:
                self.error("brackets", match.span(), "angle brackets in a URI", "write the URI alone")
            elif shown and code == "user-character":
                if not (shown == "\\" and self.clean[match.end() : match.end() + 1] == ","):
                    fix = f"write {quote(shown, safe='')}"
                    self.warn(code, match.span(), f"{printable(shown, 40)} stands unescaped in a user part", fix)
            elif shown:
                self.error(code, match.span(), f"{printable(shown, 40)} must be escaped here", f"write {quote(shown, safe='')}")
        for match in _BAD_ESCAPE.finditer(self.clean, start, end):
            self.error("escape", match.span(), "a % that two hexadecimal digits do not follow", "write %25 for the character itself")
