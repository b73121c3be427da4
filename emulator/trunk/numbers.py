"""Numbers as the trunk reads them: called numbers, caller IDs, emergency numbers.

Sources: the page, Recipient and Caller ID; vonage-facts, defaults 9 to 14 and 51.
"""

import re
from collections.abc import Iterable

from emulator.counting import counted
from emulator.journal.findings import Finding

# E.164: country code first, 15 digits at most; fewer than 7 is no whole number (default 9)
_E164 = re.compile(r"[1-9][0-9]{6,14}")
_DIGITS = re.compile(r"[0-9]+")
# RFC 3966 visual separators, and the blanks people put between groups
_SEPARATORS = re.compile(r"[\-.() ]")
ANONYMOUS_USERS = frozenset({"anonymous", "restricted", "unavailable", "unknown", "private"})
EMERGENCY = frozenset({"000", "110", "111", "112", "113", "117", "118", "119", "911", "988", "995", "996", "997", "998", "999"})
"""Short numbers that reach emergency services somewhere."""

MAGIC_PREFIX = "447700900"
"""Three digits follow: numbers that Ofcom keeps for drama, so that no one can own them; see `emulator.trunk.magic`."""


class BadNumber(Exception):
    """A number that brings the call `status`, and why."""

    def __init__(self, status: int, finding: Finding) -> None:
        super().__init__(f"{status} {finding}")
        self.status = status
        self.finding = finding


def called(user: str, strict: bool = False) -> tuple[str, list[Finding]]:
    """The E.164 digits of a dialled user part, and what was odd about it.

    One leading `+` or `00` and visual separators are taken off; `strict` refuses them with 404. Digits that are too few or too
    many bring 484, anything else 404 (default 9).
    """
    if _E164.fullmatch(user):
        return user, []
    findings: list[Finding] = []
    number = user
    if _SEPARATORS.search(number) and _DIGITS.fullmatch(bare := _SEPARATORS.sub("", number.removeprefix("+"))):
        findings.append(Finding("called.separators", user))
        number = ("+" if number.startswith("+") else "") + bare
    if number.startswith("+"):
        findings.append(Finding("called.plus", user))
        number = number[1:]
    elif number.startswith("00") and len(number) > 2 and number not in EMERGENCY:
        findings.append(Finding("called.double-zero", user))
        number = number[2:]
    if not number.isascii() or not _DIGITS.fullmatch(number):
        raise BadNumber(404, Finding("called.not-a-number", user or "no user part"))
    if not _E164.fullmatch(number):
        raise BadNumber(484, Finding("called.too-short", f"{user}: {_short_of(number)}"))
    if strict and findings:
        raise BadNumber(404, findings[0])
    return number, findings


def _short_of(digits: str) -> str:
    """What digits that are no E.164 number lack: the finding's name tells the commonest alone."""
    if digits.startswith("0"):
        return "no country code begins with 0"
    return counted(len(digits), "digit")


def is_emergency(user: str, numbers: Iterable[str] = EMERGENCY) -> bool:
    """Whether a dialled user part is an emergency number; a `+` before it changes nothing."""
    return user.removeprefix("+") in numbers


def caller(
    asserted: str | None,
    from_user: str,
    anonymous: bool,
    owned: frozenset[str],
    account_key: str,
    first_owned: str,
    strict: bool = False,
    unknown: bool = False,
) -> tuple[str, list[Finding]]:
    """The caller ID to show, and what was odd about it.

    `asserted` is the user part of P-Asserted-Identity, which goes before From (default 10); `anonymous` says that From or Privacy hides
    the caller (default 11). `owned` are the numbers the account may show. `unknown` shows a foreign number as `unknown` instead of
    refusing it with 403. A From that holds the API key, as simple clients send it, shows `first_owned`, with a finding.
    """
    findings: list[Finding] = []
    user = asserted if asserted is not None else from_user
    if anonymous and asserted is None:
        raise BadNumber(403, Finding("caller-id.anonymous", f"{from_user!r} without P-Asserted-Identity"))
    if user in owned:
        return user, findings
    number = user
    if number.startswith("+"):
        number = number[1:]
        findings.append(Finding("caller-id.plus", user))
    elif number.startswith("00"):
        number = number[2:]
        findings.append(Finding("caller-id.plus", user))
    if number in owned:
        return number, findings
    if user == account_key and first_owned and not strict:
        return first_owned, [Finding("caller-id.api-key", user)]
    code = "caller-id.not-owned" if _E164.fullmatch(number) else "caller-id.not-e164"
    if unknown:
        return "unknown", [*findings, Finding("caller-id.replaced", user or "nobody")]
    header = "From" if asserted is None else "P-Asserted-Identity"
    raise BadNumber(403, Finding(code, f"{user or 'nobody'} in {header}"))
