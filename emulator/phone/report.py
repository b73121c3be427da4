"""What came of a call in a few lines for a person: each thing that was looked at, whether it was right, and what was seen."""

from typing import NamedTuple

from emulator.counting import counted
from emulator.journal.findings import printable
from emulator.phone.outcome import Outcome, What

_WIDTH = 10


class Row(NamedTuple):
    """One thing that was looked at."""

    good: bool
    what: What
    text: str

    def __str__(self) -> str:
        return f"{'✓' if self.good else '✗'} {self.what:<{_WIDTH}}  {printable(self.text, 400)}"


def rows(outcome: Outcome) -> list[Row]:
    """Signalling first; of media only what there was, or should have been."""
    found = [_row(outcome, "signalling", _signalling(outcome))]
    media = outcome.media
    if media is None or not outcome.answered:
        return found
    echo = media["echo"]
    if echo is not None:
        told = f"{echo['returned']} of {counted(echo['sent'], 'packet')} back"
        if echo["returned"]:
            told += f", {_likeness(echo)}; round trip {echo['round_trip_ms']:g} ms (p50)"
        found.append(_row(outcome, "echo", told))
    if echo is None or any(problem.what == "audio" for problem in outcome.problems):
        heard, sent = media["heard"], media["sent"]
        found.append(_row(outcome, "audio", f"{counted(heard['packets'], 'packet')} heard, {sent['packets']} sent, {heard['lost']} lost"))
    sent, heard = media["digits_sent"], media["digits_heard"]
    if sent or heard or any(problem.what == "digits" for problem in outcome.problems):
        told = f"{sent} sent, {heard or 'none'} came back" if sent else f"{heard or 'none'} heard"
        found.append(_row(outcome, "digits", told))
    return found


def _row(outcome: Outcome, what: What, told: str) -> Row:
    wrong = [problem.text for problem in outcome.problems if problem.what == what]
    return Row(False, what, "; ".join(wrong)) if wrong else Row(True, what, told)


def _signalling(outcome: Outcome) -> str:
    if outcome.status is None:
        return "nothing was answered" if outcome.direction == "taken" else "no final response"
    if not outcome.answered:
        return f"{outcome.status} {outcome.reason}".rstrip()
    media, by = outcome.media, {"phone": "the phone", "other": "the other side"}.get(outcome.ended_by, outcome.ended_by)
    told = f"answered in {outcome.answered_after or 0.0:.2f} s"
    if media is not None:
        told += f", {media['codec']} over {'SRTP' if media['srtp'] else 'RTP'}"
    told += f"; {by} hung up after {outcome.talked or 0.0:.1f} s"
    return told if outcome.silent is None else f"{told}, the last {outcome.silent:g} s of which were silent"


def _likeness(echo: dict[str, int]) -> str:
    if echo["foreign"]:
        return f"and {echo['foreign']} of something else"
    return "octet for octet" + (" though packed anew" if echo["repacked"] else "")
