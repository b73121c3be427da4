"""The account's numbers: where each is forwarded, from which region, who is told of its calls, and how many of its channels are taken.

What is changed while the emulator runs is kept as long as it runs.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from emulator.trunk.forward_list import MAX_TARGETS, ForwardList, Problem, check, parse

_MOST = 10_000


class Full(Exception):
    """No more numbers are taken."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One number. `forward` is the field as written, None when the number is not forwarded; `targets` what it says."""

    number: str
    forward: str | None = None
    region: str | None = None
    voice_status_callback: str | None = None
    targets: ForwardList | None = None
    problems: tuple[Problem, ...] = ()
    """What is odd about the field: warnings, for errors are refused."""

    def as_dict(self, channels: int) -> dict[str, Any]:
        """Ready for JSON."""
        return {
            "number": self.number,
            "forward": self.forward,
            "region": self.region,
            "voice_status_callback": self.voice_status_callback,
            "channels_in_use": channels,
            "targets": [
                {"uri": target.uri(self.number), "transport": target.transport, "srtp": target.srtp, "timeout": target.timeout}
                for target in (self.targets.targets if self.targets is not None else ())
            ],
            "problems": [problem_as_dict(problem) for problem in self.problems],
        }


def problem_as_dict(problem: Problem) -> dict[str, Any]:
    """A mistake in a forward list, ready for JSON; `position` counts from 0."""
    return {
        "position": problem.position,
        "length": problem.length,
        "what": problem.what,
        "fix": problem.fix,
        "severity": problem.severity,
        "code": problem.code,
    }


class Directory:
    """All numbers. `channels` is how many calls one of them may have at once (vonage-facts, default 16)."""

    def __init__(
        self, entries: Iterable[Entry] = (), channels: int = 50, timeout_range: str = "reject", max_targets: int = MAX_TARGETS
    ) -> None:
        """`timeout_range` and `max_targets` are handed to `emulator.trunk.forward_list.check`. Raises `ForwardError`."""
        self.channels = channels
        self._timeout_range = timeout_range
        self._max_targets = max_targets
        self._entries: dict[str, Entry] = {}
        self._taken: dict[str, int] = {}
        for entry in entries:
            self.put(entry)

    def get(self, number: str) -> Entry | None:
        return self._entries.get(number)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries.values())

    def __len__(self) -> int:
        return len(self._entries)

    def put(self, entry: Entry) -> Entry:
        """Add or replace a number; returns it with its targets. Raises `ForwardError`, or `Full`."""
        if entry.number not in self._entries and len(self._entries) >= _MOST:
            raise Full(f"{_MOST} numbers are the most")
        targets: ForwardList | None = None
        problems: tuple[Problem, ...] = ()
        if entry.forward is not None:
            targets = self.targets(entry.forward)
            problems = check(entry.forward, timeout_range=self._timeout_range, most=self._max_targets)[1]
        made = self._entries[entry.number] = replace(entry, targets=targets, problems=problems)
        return made

    def remove(self, number: str) -> bool:
        """False when it was not there. Calls that are up go on."""
        return self._entries.pop(number, None) is not None

    def targets(self, forward: str) -> ForwardList:
        """What a field says. Raises `ForwardError`."""
        return parse(forward, timeout_range=self._timeout_range, most=self._max_targets)

    # -- channels -------------------------------------------------------------------------------------------------

    def taken(self, number: str) -> int:
        """How many calls to it are up or coming up."""
        return self._taken.get(number, 0)

    def take(self, number: str) -> bool:
        """Take a channel for a call; False when all are taken."""
        taken = self._taken.get(number, 0)
        if taken >= self.channels:
            return False
        self._taken[number] = taken + 1
        return True

    def give_back(self, number: str) -> None:
        """The call is over."""
        left = self._taken.get(number, 0) - 1
        if left > 0:
            self._taken[number] = left
        else:
            self._taken.pop(number, None)
