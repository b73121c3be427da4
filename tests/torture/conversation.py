"""A torture message, what comes for it, and what a client does next: the same over memory and over sockets."""

import itertools
import re
from enum import Enum
from typing import Protocol

from tests.support.phone import Received, digest
from tests.torture import messages
from tests.torture.messages import Edit
from tests.torture.outcomes import OUTCOMES, Outcome, Statuses, Stream

_serial = itertools.count(1)

REQUIRED = {
    401: "www-authenticate",  # 21.4.2
    405: "allow",  # 21.4.6
    407: "proxy-authenticate",  # 21.4.8
    415: "accept",  # 8.2.3, where the type is what is wrong
    420: "unsupported",  # 8.2.2.3
    501: "allow",  # RFC 4475 3.1.1.2
}
"""What an answer of that status must not lack."""


class Line(Protocol):
    """One path to the emulator, and the only thing that is sent on it: one conversation."""

    @property
    def stream(self) -> bool:
        """Whether it is a connection."""

    @property
    def closed(self) -> bool:
        """The emulator has closed the connection."""

    def exchange(self, data: bytes) -> list[Received]:
        """Send it and a health check behind it; everything that came before the health check's answer, or before the end."""

    def put(self, data: bytes) -> list[Received]:
        """Send it and nothing behind it; what came after a moment."""

    def more(self) -> list[Received]:
        """What comes within the deadline, when something must."""


class Form(Enum):
    """See `outcomes`."""

    PRINTED = "as printed"
    DIGEST = "with credentials"
    VARIANT = "variant"


def cases(stream: bool) -> list[tuple[Outcome, Form]]:
    """What is there to be tried on a datagram path or on a stream."""
    found = []
    for outcome in OUTCOMES:
        if stream and not outcome.whole:
            continue
        found.append((outcome, Form.PRINTED))
        if stream and outcome.stream is not Stream.SAME and outcome.behind is None:
            continue
        if outcome.with_digest is not None:
            found.append((outcome, Form.DIGEST))
        if outcome.variant is not None:
            found.append((outcome, Form.VARIANT))
    return found


def name_of(value: object) -> str | None:
    """A test's parameter in its name."""
    return value.value.replace(" ", "-") if isinstance(value, Form) else f"{value}".replace(", ", "-").replace(" ", "-")


def cut(data: bytes) -> tuple[list[Received], bytes]:
    """The whole messages of a stream, and the octets behind them."""
    found: list[Received] = []
    while True:
        head, separator, rest = data.partition(b"\r\n\r\n")
        if not separator:
            return found, data
        length = int(messages.values(head, "content-length")[0])
        if len(rest) < length:
            return found, data
        found.append(Received(head + separator + rest[:length]))
        data = rest[length:]


def converse(outcome: Outcome, form: Form, line: Line, edit: Edit = lambda data: data) -> None:
    """Have one form of a message and see that the outcome is the RFC's; `edit` changes a variant further."""
    if form is Form.PRINTED:
        _as_printed(outcome, line)
        return
    data = messages.fresh(outcome.data, f"{next(_serial)}")
    if line.stream and outcome.behind is not None:
        data = messages.head_of(data) + b"\r\n\r\n"
    if form is Form.DIGEST:
        assert outcome.with_digest is not None
        _authenticated(data, line, outcome.with_digest)
        return
    variant = outcome.variant
    assert variant is not None
    for change in (*variant.edits, edit):
        data = change(data)
    challenged, answer = _authenticated(data, line, variant.answer)
    for name, text in variant.needs.items():
        assert any(text in value for value in answer.all(name)), f"{name}: {answer.all(name)} in {answer.start}, and {text!r} wanted"
    if answer.status == 200 and variant.bindings is not None:
        assert _bound(answer) == sorted(variant.bindings)
        _fetch_and_remove(data, challenged, line, variant.bindings)


def _as_printed(outcome: Outcome, line: Line) -> None:
    data = outcome.data
    if line.stream and outcome.stream is Stream.WAITS:
        assert line.put(data) == [] and not line.closed, "a message of which octets are missing is not waited for"
        missing = int(messages.values(data, "content-length")[0]) - len(messages.body_of(data))
        data += b" " * missing
        _refused(data, _final(data, line.exchange(b" " * missing), frozenset({407})), line)
        return
    answers = line.exchange(data)
    if line.stream and outcome.stream is Stream.CLOSED:
        assert line.closed, "a connection that can't be framed any more stays open"
        if outcome.behind is None:
            assert [answer.status for answer in answers] in ([], [400])
            return
        assert len(answers) == 2, f"{len(answers)} answers to the two messages before the framing was lost"
        _final(data, answers[:1], outcome.answer)
        _final(messages.body_of(data).lstrip(), answers[1:], outcome.behind)
        return
    if not outcome.answer:
        assert [answer.start for answer in answers] == [], "silence is due"
        return
    _refused(data, _final(data, answers, outcome.answer), line)


def _authenticated(data: bytes, line: Line, wanted: Statuses) -> tuple[Received, Received]:
    """Send, answer the challenge, and see what comes then; the challenge and the final answer."""
    challenge = 401 if messages.method(data) == "REGISTER" else 407
    first = _final(data, line.exchange(data), wanted | {challenge})
    _refused(data, first, line)
    if first.status != challenge:
        return first, first
    again = messages.retry(data, first)
    answers = line.exchange(again)
    if answers and answers[-1].status < 200:
        answers += line.more()
    answer = _final(again, answers, wanted)
    if messages.method(data) != "INVITE" or answer.status >= 300:
        _refused(again, answer, line)
        return first, answer
    _described(again, answer)
    assert line.exchange(messages.ack(again, answer)) == []
    (ended,) = line.exchange(messages.bye(answer))
    assert ended.status == 200, ended.start
    return first, answer


def _refused(data: bytes, answer: Received, line: Line) -> None:
    """Acknowledge the refusal of an INVITE; an ACK is never answered."""
    if data.split(b" ", 1)[0] == b"INVITE":
        assert line.exchange(messages.ack(data, answer)) == []


def _final(data: bytes, answers: list[Received], wanted: Statuses) -> Received:
    """The one final answer, which is one of `wanted` and the request's own."""
    assert answers, f"nothing came, one of {sorted(wanted)} is due"
    *provisional, answer = answers
    assert all(100 <= other.status < 200 for other in provisional), [other.start for other in answers]
    assert answer.status in wanted, f"{answer.start}, one of {sorted(wanted)} is due; {answer.get('warning')}"
    for other in answers:
        _echoes(data, other)
    needed = REQUIRED.get(answer.status)
    assert needed is None or answer.get(needed) is not None, f"{answer.start} without {needed}"
    return answer


def _echoes(data: bytes, answer: Received) -> None:
    """What a client finds its transaction by comes back as it was sent (8.2.6.2), as far as the request had it once."""
    assert messages.vias(answer.all("via")) == messages.vias(messages.values(data, "via"))
    for name in ("call-id", "cseq", "from", "to"):
        sent = messages.values(data, name)
        if len(sent) == 1:
            back = "".join((answer.get(name) or "").split())
            here = "".join(sent[0].split())
            assert back == here or (name == "to" and back.startswith(f"{here};tag=")), f"{name}: {back!r} for {here!r}"


def _described(data: bytes, answer: Received) -> None:
    """An offer's answer has as many m= lines (RFC 3264 6)."""
    offered, answered = (len(re.findall(rb"(?m)^m=", body)) for body in (messages.body_of(data), answer.body))
    assert offered == answered, f"{answered} m= lines for {offered}"


def _bound(answer: Received) -> list[str]:
    """The URIs of a 200 to REGISTER, each in its brackets."""
    return sorted(uri for value in answer.all("contact") for uri in re.findall(r"<([^>]*)>", value))


def _fetch_and_remove(data: bytes, challenged: Received, line: Line, bindings: tuple[str, ...]) -> None:
    """What a later fetch lists (RFC 3261 10.2.3), and nothing once all is removed."""
    uri = messages.request_uri(data)
    challenge = challenged.get("www-authenticate")
    assert challenge is not None
    for count, lines, left in ((2, (), sorted(bindings)), (3, ("Contact: *", "Expires: 0"), []), (4, (), [])):
        value = digest("REGISTER", uri, challenge, messages.USER, messages.SECRET, count)
        (answer,) = line.exchange(messages.register(uri, next(_serial), f"Authorization: {value}", *lines))
        assert (answer.status, _bound(answer)) == (200, left)
