"""Whether a call of the story is as expected: its media, the attempts to bring it to the device, its end."""

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any, NamedTuple

from emulator.counting import counted
from emulator.journal.record import CallRecord
from emulator.scenario.expectation import ExpectAttempts, ExpectEnded, ExpectMedia
from emulator.scenario.terms import bounds, matches, status_fits
from emulator.scenario.wording import listed, time_in_words
from emulator.scenario.world import Outlook, World

_ENOUGH = 50
"""Packets over which bounds are judged where nothing is said: a second of audio."""
_ECHOED = 0.5
"""Of what was heard, so much must have been sent back: the last packets may be on their way, and impairments may take some."""
_OVER = ("ended", "refused", "cancelled")


def over(record: CallRecord) -> bool:
    return record.state in _OVER


class _Counts(NamedTuple):
    """What was heard, what left, which digits."""

    heard: int = 0
    left: int = 0
    digits: str = ""

    def since(self, before: "_Counts") -> "_Counts":
        return _Counts(self.heard - before.heard, self.left - before.left, self.digits[len(before.digits) :])


class MediaWatch:
    """The media of a call, by its counters."""

    timed = True

    def __init__(self, world: World, expected: ExpectMedia) -> None:
        self._world = world
        self._expected = expected
        bounded = any(bound is not None for bound in (expected.loss, expected.jitter, expected.mos))
        self._packets = expected.packets if expected.packets is not None else _ENOUGH if bounded else 0
        self._before = self._now() if expected.anew else _Counts()
        """What is not counted."""

    def _now(self) -> _Counts:
        media = self._world.call(self._expected.media).media
        return _counts(media.snapshot()) if media is not None else _Counts()

    def look(self) -> Outlook:
        record = self._world.call(self._expected.media)
        calls = (record.id,)
        if record.media is None:
            if over(record):
                return Outlook(hopeless=True, came=f"the call was {record.state} with {record.status}; it had no media", calls=calls)
            return Outlook(came=f"the call is {record.state}; it has no media yet", calls=calls)
        media = record.media.snapshot()
        counted = _counts(media).since(self._before)
        wrong = list(self._wrong(media, counted))
        came = _told(media)
        if not wrong:
            return Outlook(True, self._may_change and not over(record), came=came, calls=calls)
        return Outlook(hopeless=over(record) or self._too_many_digits(counted.digits), came=f"{listed(wrong)} ({came})", calls=calls)

    @property
    def _may_change(self) -> bool:
        """Whether what is so now may not be so later, though everything goes its way: what is said not to be."""
        return self._expected.echoed is False or self._expected.one_way is True or self._expected.dtmf == ""

    def _too_many_digits(self, digits: str) -> bool:
        wanted = self._expected.dtmf
        return wanted is not None and not wanted.startswith(digits)

    def _wrong(self, media: dict[str, Any], counted: _Counts) -> Iterator[str]:
        """What is not as it should be."""
        expected, heard, sent = self._expected, media["heard"], media["sent"]
        echoed, there = _echoed(media["plays"], counted), " from there on" if expected.anew else ""
        if expected.echoed is not None and expected.echoed != echoed:
            yield "not echoed" if expected.echoed else "echoed"
        if expected.one_way is not None and expected.one_way != _one_way(media["plays"], counted):
            yield "not one way" if expected.one_way else "one way"
        if expected.codec and media["codec"] not in expected.codec:
            yield f"{media['codec']}"
        if expected.srtp is not None and expected.srtp != media["srtp"]:
            yield "SRTP" if media["srtp"] else "plain RTP"
        if expected.dtmf is not None and expected.dtmf != counted.digits:
            yield f"digits {counted.digits or 'none'}{there}"
        if counted.heard < self._packets:
            yield f"only {_packets(counted.heard)} heard{there}"
        if counted.left < expected.sent:
            yield f"only {_packets(counted.left)} sent{there}"
        if expected.loss is not None and heard["loss"] > expected.loss:
            yield f"loss {heard['loss'] * 100:.1f} %"
        if expected.jitter is not None and heard["jitter_ms"] > expected.jitter * 1000:
            yield f"jitter {heard['jitter_ms']} ms"
        if expected.mos is not None and (heard["mos"] is None or heard["mos"] < expected.mos):
            yield f"MOS {heard['mos'] if heard['mos'] is not None else 'unknown'}"
        if expected.seen_loss is not None:
            lost = sent["lost"]
            if lost is None:
                yield "no RTCP of the device's yet"
            elif lost < expected.seen_loss * max(1, sent["packets"]):
                yield f"the device reports {lost} of {sent['packets']} lost"


def _packets(number: int) -> str:
    return counted(number, "packet")


def _counts(media: dict[str, Any]) -> _Counts:
    return _Counts(media["heard"]["packets"], media["sent"]["left"], media["digits"])


def _echoed(plays: str, counted: _Counts) -> bool:
    """Whether the far end plays an echo, hears, and sends back."""
    return bool(plays == "echo" and counted.heard > 0 and counted.left > 0 and counted.left >= counted.heard * _ECHOED)


def _one_way(plays: str, counted: _Counts) -> bool:
    """Whether somebody speaks whom nobody answers. Silence in place of an echo is no answer."""
    return bool((counted.heard > 0) != (counted.left > 0 and plays != "silence"))


def _told(media: dict[str, Any]) -> str:
    heard, sent = media["heard"], media["sent"]
    text = f"{media['codec']}{' over SRTP' if media['srtp'] else ''}, {_packets(heard['packets'])} heard, {sent['left']} sent"
    if heard["packets"]:
        text += f", loss {heard['loss'] * 100:.1f} %, jitter {heard['jitter_ms']} ms, MOS {heard['mos']}"
    return text + (f", digits {media['digits']}" if media["digits"] else "")


class AttemptsWatch:
    """How an inbound call was offered to the device's addresses."""

    timed = False

    def __init__(self, world: World, expected: ExpectAttempts) -> None:
        self._world = world
        self._expected = expected

    def look(self) -> Outlook:
        expected = self._expected
        record = self._world.call(expected.attempts)
        attempts: list[Any] = list(getattr(record, "attempts", ()))
        outcomes = [outcome(attempt) for attempt in attempts]
        came = _attempts_in_words(attempts, outcomes, record)
        calls = (record.id,)
        if "" in outcomes or not (over(record) or record.state == "answered"):
            return Outlook(came=came, calls=calls)
        right = self._right(attempts, outcomes, record)
        return Outlook(met=right, hopeless=not right, came=came, calls=calls)

    def _right(self, attempts: list[Any], outcomes: list[str], record: CallRecord) -> bool:
        """Whether everything is as expected, now that nothing more will come."""
        expected = self._expected
        columns: tuple[tuple[tuple[str, ...], list[str], Callable[[str, str], bool]], ...] = (
            (expected.codes, outcomes, status_fits),
            (expected.targets, [attempt.uri for attempt in attempts], matches),
            (expected.transports, [attempt.transport for attempt in attempts], str.__eq__),
            (expected.gaps, [str(later.began - earlier.began) for earlier, later in pairwise(attempts)], _lasts),
        )
        if any(wanted and (len(wanted) != len(found) or not all(map(fits, wanted, found))) for wanted, found, fits in columns):
            return False
        return not expected.status or any(status_fits(wanted, record.status) for wanted in expected.status)


def _lasts(wanted: str, seconds: str) -> bool:
    low, high = bounds(wanted) or (0.0, 0.0)
    return low <= float(seconds) <= high


def outcome(attempt: Any) -> str:
    """What an attempt ended with: its status, or how else; empty while it is under way."""
    if attempt.outcome == "trying":
        return ""
    if attempt.outcome in ("answered", "refused") and attempt.status is not None:
        return str(attempt.status)
    return str(attempt.outcome)


def _attempts_in_words(attempts: list[Any], outcomes: list[str], record: CallRecord) -> str:
    if not attempts:
        return f"no attempt; the call is {record.state}" + (f" with {record.status}" if record.status else "")
    told = []
    for number, (attempt, code) in enumerate(zip(attempts, outcomes, strict=True)):
        gap = f" {time_in_words(attempt.began - attempts[number - 1].began)} later" if number else ""
        after = f" after {time_in_words(attempt.after)}" if attempt.after is not None else ""
        told.append(f"{attempt.uri} over {attempt.transport}{gap}: {code or 'no answer yet'}{after}")
    return "; ".join(told) + (f"; the caller got {record.status}" if record.status else "")


class EndedWatch:
    """The end of a call."""

    timed = False

    def __init__(self, world: World, expected: ExpectEnded) -> None:
        self._world = world
        self._expected = expected

    def look(self) -> Outlook:
        expected, record = self._expected, self._world.call(self._expected.ended)
        if not over(record):
            return Outlook(came=f"the call is {record.state}", calls=(record.id,))
        theirs = ("trunk", "caller") if record.direction == "inbound" else ("trunk",)  # of a call to the device the caller is the trunk's
        by = "trunk" if record.ended_by in theirs else "device"
        lasted = (record.ended or 0.0) - record.answered if record.answered is not None and record.ended is not None else None
        came = f"{record.state} with {record.status} by the {by}" + (f" after {time_in_words(lasted)}" if lasted is not None else "")
        right = (expected.by is None or expected.by == by) and (
            not expected.code or any(status_fits(wanted, record.status) for wanted in expected.code)
        )
        if right and expected.lasted is not None:
            right = lasted is not None and _lasts(expected.lasted, str(lasted))
        return Outlook(met=right, hopeless=not right, came=came, calls=(record.id,))
