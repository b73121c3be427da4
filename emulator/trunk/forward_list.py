"""A number's "Forward to SIP" field: the targets that a call is offered to one after the other, as text, as values, and its mistakes.

Sources: the page, Inbound configuration; vonage-facts 6, and its defaults 18, 19, 23 to 25, 27 and 34. Where they are silent:

- A target of the trunk dashboard is a host with a priority from 0, the first, to 100 (vonage-facts 6). The dashboard has a column for
  it; in text it is written `;priority=`, which is vsim's own. Targets without one come after those with one; equals keep their order.
- 50 targets and 4096 characters are vsim's own bounds; the page names none (default 24 knows no limit).
- The Request-URI is the configured URI (default 27) without `timeout`, `media`, `priority` and `transport=udp`, which mean something
  to the trunk only, and without `method` and headers, which RFC 3261 19.1.1 forbids there.
"""

from dataclasses import dataclass

from emulator.trunk.forward_parameters import TIMEOUT_MS
from emulator.trunk.forward_reader import MAX_LENGTH, MAX_TARGETS, read
from emulator.trunk.forward_target import DEFAULT_TIMEOUT_MS, ForwardError, Problem, Severity, Target, Transport

__all__ = [
    "DEFAULT_TIMEOUT_MS", "MAX_LENGTH", "MAX_TARGETS", "TIMEOUT_MS", "ForwardError", "ForwardList", "Problem", "Severity", "Target",
    "Transport", "check", "parse",
]  # fmt: skip


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
    targets, problems = read(text, timeout_range == "clamp", most)
    return (None if targets is None else ForwardList(targets)), problems
