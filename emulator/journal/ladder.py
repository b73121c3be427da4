"""A call's messages as a ladder, from the JSON form of a call, so that it can be drawn far from the emulator."""

import re
import textwrap
from collections.abc import Mapping
from typing import Any

from emulator.counting import counted, were
from emulator.journal.findings import printable

_NARROWEST = 40
"""Columns that text is never squeezed below."""
_NOT_SENT = " (not sent)"
_CODEC = re.compile(r"^m=audio ([0-9]{1,5}) (\S{1,40})", re.MULTILINE)


def ladder(call: Mapping[str, Any], width: int = 100) -> list[str]:
    """Lines of at most `width` characters: time, arrow, start line, what matters in it."""
    peer, proxy = printable(str(call["peer"])), str(call["proxy"])
    span = max(28, min(60, width - 13 - len(proxy)))
    lines, shown = [], ""
    dropped, gap = call.get("messages_dropped", 0), call.get("messages_dropped_after", 0)
    for count, message in enumerate(call["messages"] or [{}]):
        if dropped and message and count == gap:
            lines.append(f"{'':>9}  … {counted(dropped, 'message')} between {were(dropped)} not kept")
        other = printable(str(message.get("peer") or peer))
        if other != shown:  # a call that is brought to a customer has a leg for each attempt
            shown = other
            lines.append(f"{'':>9}  {other:<{span}}  {proxy}")
        if not message:
            break
        kept = bool(message.get("sent", True))
        text = describe(str(message["text"]), span - 3 - (0 if kept else len(_NOT_SENT))) + ("" if kept else _NOT_SENT)
        line = "─" * max(1, span - len(text) - 2)
        arrow = f"{text} {line}▶" if message["incoming"] else f"{'◀' if kept else '✗'}{line} {text}"
        lines.append(f"{message['at']:>8.3f}s  {arrow}"[:width])
    if dropped and gap >= len(call["messages"]):
        lines.append(f"{'':>9}  … {counted(dropped, 'more message')} {were(dropped)} not kept")
    for finding in call.get("findings", ()):
        lines += _wrapped(f"{_mark(str(finding['severity']))} {finding['code']}: {finding['seen']}", width)
        lines += _wrapped(f"  wants {finding['wants']}; {finding['fix']} ({finding['source']})", width)
    return lines


def _wrapped(text: str, width: int) -> list[str]:
    """Text below the ladder, whole: the end of a fix is as good as its beginning."""
    words = text.lstrip()
    indent = " " * (11 + len(text) - len(words))
    return textwrap.wrap(words, max(width, _NARROWEST), initial_indent=indent, subsequent_indent=" " * 13)


def describe(text: str, width: int = 100) -> str:
    """A message in a few words, at most `width` characters of them: method or status, CSeq, credentials, SDP."""
    head, _, body = text.partition("\r\n\r\n")
    start = head.partition("\r\n")[0]
    lower = head.lower()
    if start.startswith("SIP/2.0 "):
        words = start[8:]
        method = re.search(r"^cseq:\s*\d+\s+(\w+)", head, re.IGNORECASE | re.MULTILINE)
        if method and method[1] != "INVITE":
            words = f"{printable(words, 40)} ({method[1]})"
    else:
        words = start.rpartition(" ")[0]
    notes = []
    if "\nauthorization:" in lower or "\nproxy-authorization:" in lower:
        notes.append("digest")
    if "stale=true" in lower:
        notes.append("stale")
    audio = _CODEC.search(body)
    if audio:
        notes.append(f"SDP {printable(audio[2])} {audio[1]}")
    noted = f" [{', '.join(notes)}]" if notes else ""
    return (printable(words, max(8, min(44, width - len(noted)))) + noted)[:width]


def _mark(severity: str) -> str:
    return {"error": "✗", "warning": "!"}.get(severity, "·")
