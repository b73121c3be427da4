"""SDES (RFC 4568): the value of an `a=crypto` attribute to a `Crypto` and back, and which line of an offer is taken.

No error, finding or `repr` made here shows a key; `str` of a `Crypto` does, for it is what stands in the SDP.
"""

import re
from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass

from emulator.counting import counted
from emulator.journal.findings import Finding

SUITE = "AES_CM_128_HMAC_SHA1_80"
"""The one suite of the trunk (6.2.1)."""
KEY_OCTETS = 30
"""Master key, 16 octets, then master salt, 14 (6.1)."""
MAX_LINES = 16
MAX_LIFETIME = 1 << 48
"""Packets under one master key (RFC 3711 9.2)."""
MAX_MKI_OCTETS = 128
_MAX_WINDOW = (1 << 48) - 1  # the RFC names no greatest window; packet indices have 48 bits (RFC 3711 3.3.1)

_WSP = re.compile(r"[ \t]+")
_NAME = re.compile(r"[A-Za-z0-9_]+")
_DIGITS = re.compile(r"[0-9]+")
_BASE64 = re.compile(r"([A-Za-z0-9+/]+)(={0,2})")
_EXTENSION = re.compile(r"-?[!-,.-~][!-~]*")
_FLAGS = frozenset({"UNENCRYPTED_SRTP", "UNENCRYPTED_SRTCP", "UNAUTHENTICATED_SRTP"})
_KNOWN_SUITES = frozenset({SUITE, "AES_CM_128_HMAC_SHA1_32", "F8_128_HMAC_SHA1_80"})


class CryptoError(ValueError):
    """A value that is not as RFC 4568 9 writes it; the text says where and what, never with the key in it."""


class NoCrypto(Exception):
    """No line of the offer can be taken. `findings` begins with the one that decides, those of single lines follow."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        super().__init__("; ".join(f"{finding.code}: {finding.seen}" for finding in findings))
        self.findings = tuple(findings)


@dataclass(frozen=True, slots=True, repr=False)
class MasterKey:
    """One key-param: key and salt in one, lifetime in packets, MKI as value and length in octets."""

    key: bytes
    lifetime: int | None = None
    mki: tuple[int, int] | None = None

    def __str__(self) -> str:
        text = f"inline:{b64encode(self.key).decode()}"
        if self.lifetime is not None:
            power = self.lifetime.bit_length() - 1
            text += f"|2^{power}" if power and self.lifetime == 1 << power else f"|{self.lifetime}"
        if self.mki is not None:
            text += f"|{self.mki[0]}:{self.mki[1]}"
        return text

    def __repr__(self) -> str:
        return f"MasterKey(lifetime={self.lifetime}, mki={self.mki})"


@dataclass(frozen=True, slots=True, repr=False)
class Crypto:
    """One `a=crypto` line.

    `key` is master key and salt in one, 30 octets for the suites of AES_CM_128; `lifetime` is in packets, `mki` value and length in
    octets. `session` are the session parameters as they print, `more` the second and further keys, which only an MKI tells apart.
    """

    tag: int
    suite: str
    key: bytes
    lifetime: int | None = None
    mki: tuple[int, int] | None = None
    session: tuple[str, ...] = ()
    more: tuple[MasterKey, ...] = ()

    def __str__(self) -> str:
        """The value of the attribute, key included."""
        keys = ";".join(str(key) for key in (MasterKey(self.key, self.lifetime, self.mki), *self.more))
        return " ".join((str(self.tag), self.suite, keys, *self.session))

    def __repr__(self) -> str:
        names = tuple(_name(parameter) for parameter in self.session)  # FEC_KEY holds a key too
        return f"Crypto(tag={self.tag}, suite={self.suite!r}, lifetime={self.lifetime}, mki={self.mki}, session={names})"


@dataclass(frozen=True, slots=True)
class Choice:
    """The line of an offer that is taken, and what was wrong with those before it."""

    crypto: Crypto
    findings: tuple[Finding, ...] = ()


def parse(value: str) -> Crypto:
    """What stands behind `a=crypto:` (9.1, 9.2). Raises `CryptoError`.

    Literals are taken in either case, as ABNF has it, and printed as the RFC writes them.
    """
    fields = _WSP.split(value)
    if len(fields) < 3:
        raise CryptoError("tag, crypto-suite and key-params are wanted, with white space between them")
    tag = _number(fields[0], "tag", 0, 999_999_999)
    suite = fields[1]
    if _NAME.fullmatch(suite) is None:
        raise CryptoError("crypto-suite: letters, digits and _ are wanted")
    if suite.upper() in _KNOWN_SUITES:
        suite = suite.upper()
    first, *more = _keys(fields[2], "", suite)
    session = tuple(_session_parameter(text, f"session parameter {at}", suite) for at, text in enumerate(fields[3:], 1))
    return Crypto(tag, suite, first.key, first.lifetime, first.mki, session, tuple(more))


def choose(values: Sequence[str], *, take_lifetime: bool = False) -> Choice:
    """The first line of an offer, in its own order of preference (5.1.2), that is well-formed, of our suite and asks for nothing we lack.

    A line with an MKI or a session parameter is passed over, and one with a lifetime unless `take_lifetime`: keys are not changed
    while a stream lasts. Raises `NoCrypto` when none is left; the first 16 lines are looked at.
    """
    findings: list[Finding] = []
    if len(values) > MAX_LINES:
        findings.append(Finding("srtp.too-many", f"{len(values)} a=crypto lines, of which {MAX_LINES} are looked at"))
    tags: dict[int, int] = {}
    others: dict[str, None] = {}
    ours = False
    for at, value in enumerate(values[:MAX_LINES], 1):
        try:
            crypto = parse(value)
        except CryptoError as error:
            findings.append(Finding("srtp.malformed", f"a=crypto line {at}: {error}"))
            continue
        earlier = tags.setdefault(crypto.tag, at)
        if earlier != at:
            findings.append(Finding("srtp.malformed", f"a=crypto line {at}: tag {crypto.tag} is that of line {earlier}"))
        elif crypto.suite != SUITE:
            others[crypto.suite] = None
        else:
            problems = _problems(crypto, take_lifetime)
            if not problems:
                return Choice(crypto, tuple(findings))
            ours = True
            findings.extend(problems)
    raise NoCrypto((_decisive(len(values), () if ours else tuple(others)), *findings))


def answer(chosen: Crypto, key: bytes) -> Crypto:
    """Our line for the offered one: its tag and suite, our own key (5.1.2). `key` is key and salt, 30 octets; else `ValueError`."""
    return _own(chosen.tag, key)


def offer(key: bytes) -> Crypto:
    """The one line of an offer of ours. `key` is key and salt, 30 octets; else `ValueError`."""
    return _own(1, key)


def _own(tag: int, key: bytes) -> Crypto:
    if len(key) != KEY_OCTETS:
        raise ValueError(f"key and salt are {len(key)} octets where {KEY_OCTETS} are wanted")
    return Crypto(tag, SUITE, bytes(key))


def _decisive(lines: int, others: tuple[str, ...]) -> Finding:
    if others:
        return Finding("srtp.suite", ", ".join(others))
    return Finding("srtp.no-crypto", f"none of {lines} a=crypto lines can be used" if lines else "no a=crypto line")


def _problems(crypto: Crypto, take_lifetime: bool) -> list[Finding]:
    """Why a well-formed line of our suite can't be taken."""
    found = []
    if crypto.mki is not None:
        keys = f", {1 + len(crypto.more)} keys" if crypto.more else ""
        found.append(Finding("srtp.mki", f"tag {crypto.tag}: an MKI of {counted(crypto.mki[1], 'octet')}{keys}"))
    if crypto.lifetime is not None and not take_lifetime:
        found.append(Finding("srtp.lifetime", f"tag {crypto.tag}: a lifetime of {counted(crypto.lifetime, 'packet')}"))
    if crypto.session:
        found.append(Finding("srtp.session-parameter", f"tag {crypto.tag}: {', '.join(map(_name, crypto.session))}"))
    return found


def _name(parameter: str) -> str:
    """A session parameter without its value, which may be a key."""
    return parameter.partition("=")[0][:40]


def _number(text: str, where: str, least: int, most: int) -> int:
    """A decimal number; "leading zeroes MUST NOT be used" says the RFC of each (4.1, 6.1, 6.3)."""
    if _DIGITS.fullmatch(text) is None:
        raise CryptoError(f"{where}: a decimal number is wanted")
    if text[0] == "0" and len(text) > 1:
        raise CryptoError(f"{where}: a leading zero")
    if len(text) > len(str(most)) or not least <= int(text) <= most:
        raise CryptoError(f"{where}: not from {least} to {most}")
    return int(text)


def _keys(text: str, where: str, suite: str) -> tuple[MasterKey, ...]:
    keys = tuple(_key(part, f"{where}key {at}", suite) for at, part in enumerate(text.split(";"), 1))
    if len(keys) > 1:
        # The receiver finds the key of a packet by its MKI, and the MKI by its length (RFC 3711 8.1.1).
        identifiers = {key.mki for key in keys if key.mki is not None}
        if len(identifiers) < len(keys) or len({length for _, length in identifiers}) > 1:
            raise CryptoError(f"{where}keys: each of several needs an MKI of its own, all of one length")
    return keys


def _key(text: str, where: str, suite: str) -> MasterKey:
    method, colon, info = text.partition(":")
    if not colon or _NAME.fullmatch(method) is None:
        raise CryptoError(f"{where}: a key method and a colon are wanted")
    if method.lower() != "inline":
        raise CryptoError(f"{where}: the key method is not inline")
    encoded, *policy = info.split("|")
    key = _octets(encoded, where)
    if suite.startswith("AES_CM_128_") and len(key) != KEY_OCTETS:
        raise CryptoError(f"{where}: key and salt are {counted(len(key), 'octet')} where {suite} has {KEY_OCTETS}")
    # "the lifetime field never includes a colon, whereas the third field always does" (6.1)
    lifetime = _lifetime(policy.pop(0), where) if policy and ":" not in policy[0] else None
    mki = _mki(policy.pop(0), where) if policy else None
    if policy:
        raise CryptoError(f"{where}: more than key, lifetime and MKI")
    return MasterKey(key, lifetime, mki)


def _octets(text: str, where: str) -> bytes:
    match = _BASE64.fullmatch(text)
    # Padding that other suites need may be left out, as it is discarded when decoding (6.1); what is there must be right.
    if match is None or len(match[1]) % 4 == 1 or (match[2] and len(text) % 4):
        raise CryptoError(f"{where}: key and salt are not base64")
    return b64decode(match[1] + "=" * (-len(match[1]) % 4))


def _lifetime(text: str, where: str) -> int:
    if text.startswith("2^"):
        return 1 << _number(text[2:], f"{where}, exponent of the lifetime", 0, MAX_LIFETIME.bit_length() - 1)
    return _number(text, f"{where}, lifetime", 1, MAX_LIFETIME)


def _mki(text: str, where: str) -> tuple[int, int]:
    value, colon, octets = text.partition(":")
    if not colon:
        raise CryptoError(f"{where}, MKI: no length")
    length = _number(octets, f"{where}, length of the MKI", 1, MAX_MKI_OCTETS)
    return _number(value, f"{where}, MKI of {counted(length, 'octet')}", 0, (1 << 8 * length) - 1), length


def _session_parameter(text: str, where: str, suite: str) -> str:
    """A session parameter (6.3) as it prints."""
    if _EXTENSION.fullmatch(text) is None:
        raise CryptoError(f"{where}: visible characters are wanted, and at most one dash before them")
    if text.upper() in _FLAGS:
        return text.upper()
    name, equals, value = text.partition("=")
    known = name.upper() if equals else ""
    if known == "KDR":
        return f"KDR={_number(value, f'{where}, KDR', 0, 24)}"
    if known == "WSH":
        return f"WSH={_number(value, f'{where}, WSH', 64, _MAX_WINDOW)}"
    if known == "FEC_ORDER":
        if value.upper() not in ("FEC_SRTP", "SRTP_FEC"):
            raise CryptoError(f"{where}, FEC_ORDER: FEC_SRTP or SRTP_FEC is wanted")
        return f"FEC_ORDER={value.upper()}"
    if known == "FEC_KEY":
        return f"FEC_KEY={';'.join(map(str, _keys(value, f'{where}, FEC_KEY, ', suite)))}"
    return text
