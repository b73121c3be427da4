"""Digest authentication, the server's side (RFC 2617, RFC 7616 with RFC 3261 22): nonces that hold their own proof, and the check."""

import hashlib
import hmac
import re
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import unquote

from emulator.clock import Clock
from emulator.journal.findings import Finding
from emulator.sip.headers import HeaderError, parse_credentials

_STAMP = 8  # hexadecimal digits of the time a nonce was made, in units of 1/16 s
_NAME = 4  # of the proxy's name digest
_SERIAL = 4  # of a counter: two clients challenged in the same instant must not share a nonce, or one's count is the other's replay
_STEM = _STAMP + _NAME + _SERIAL
_PROOF = 24  # of the HMAC
_TICKS = 16
_COUNTS_KEPT = 10000
_COUNT = re.compile(r"[0-9a-fA-F]{8}")  # nc-value = 8LHEX; some write capitals


def _md5(text: str) -> str:
    return hashlib.md5(text.encode("utf-8", "surrogateescape"), usedforsecurity=False).hexdigest()


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def _sha512_256(text: str) -> str:
    return hashlib.new("sha512_256", text.encode("utf-8", "surrogateescape")).hexdigest()


ALGORITHMS: dict[str, Callable[[str], str]] = {"MD5": _md5, "SHA-256": _sha256, "SHA-512-256": _sha512_256}
"""H of RFC 7616 3.2 by its name; the session variants (…-sess) are not offered."""


class Users(Protocol):
    """Who may authenticate."""

    def ha1(self, username: str, realm: str, algorithm: str) -> str | None:
        """H(A1) of RFC 7616 3.4.2; None for an unknown user."""

    def named(self, hashed: str, realm: str, algorithm: str) -> str | None:
        """The user whose H(username:realm) this is (RFC 7616 3.4.4); None for nobody's."""


@dataclass(frozen=True, slots=True)
class Demands:
    """What a check asks beyond the RFC, which lets a client answer at any proxy, and without qop as RFC 2069 had it."""

    foreign_nonces: bool = True
    qop: bool = False


class Verdict:
    """What a check found. `ok` says whether the request may go on; `stale` that only the nonce was too old (RFC 2617 3.2.1)."""

    __slots__ = ("findings", "nonce", "ok", "stale", "username")

    def __init__(self) -> None:
        self.ok = False
        self.stale = False
        self.username = ""
        self.nonce = ""
        self.findings: list[Finding] = []

    def refuse(self, code: str, seen: str) -> "Verdict":
        self.ok = False
        self.findings.append(Finding(code, seen))
        return self


class Nonces:
    """The nonces of one proxy.

    A nonce is its time, its maker's mark, a counter and an HMAC over them, so nothing is stored until one is answered. All proxies of an
    emulator share `key`: each can tell which proxy made a nonce, which is how an answer at another proxy is recognised.
    """

    def __init__(
        self,
        name: str,
        key: bytes,
        clock: Clock,
        lifetime: float = 300.0,
        siblings: tuple[str, ...] = (),
        algorithms: tuple[str, ...] = ("MD5",),
        userhash: bool = False,
    ) -> None:
        """`lifetime` in seconds. `siblings` are the names of all proxies, for findings. `algorithms`, the preferred one first, are
        what is offered and taken. `userhash` lets clients hash the username."""
        self.name = name
        self.algorithms = algorithms
        self.lifetime = lifetime
        self._key = key
        self._clock = clock
        self._mark = _mark(name)
        self._serial = 0
        self._names = {_mark(sibling): sibling for sibling in (*siblings, name)}
        self._counts: OrderedDict[str, int | _Counts] = OrderedDict()
        """Nonce-counts seen, by nonce, oldest nonce first; a number is all from 1 to it. A plain dict would look for its oldest entry
        behind all that were deleted."""
        self.userhash = userhash

    def issue(self) -> str:
        """A new nonce."""
        self._serial = serial = (self._serial + 1) & 0xFFFF
        stem = f"{int(self._clock.seconds() * _TICKS) & 0xFFFFFFFF:08x}{self._mark}{serial:04x}"
        return stem + self._prove(stem)

    def challenges(self, realm: str, stale: bool = False) -> list[str]:
        """The values of WWW- or Proxy-Authenticate headers, one for each algorithm in the order of preference (RFC 7616 3.7)."""
        flag = (", userhash=true" if self.userhash else "") + (", stale=true" if stale else "")
        nonce = self.issue()
        return [f'Digest realm="{realm}", nonce="{nonce}", algorithm={name}, qop="auth"{flag}' for name in self.algorithms]

    def origin(self, nonce: str) -> tuple[str, float] | None:
        """The proxy that made a nonce and its age in seconds; None for one that none of ours made."""
        stem, proof = nonce[:_STEM], nonce[_STEM:]
        if len(proof) != _PROOF or not hmac.compare_digest(proof.encode("utf-8", "replace"), self._prove(stem).encode()):
            return None
        age = ((int(self._clock.seconds() * _TICKS) - int(stem[:_STAMP], 16)) & 0xFFFFFFFF) / _TICKS
        return self._names.get(stem[_STAMP : _STAMP + _NAME], "another proxy"), age

    def _prove(self, stem: str) -> str:
        return hashlib.blake2b(stem.encode("utf-8", "replace"), key=self._key, digest_size=_PROOF // 2).hexdigest()

    def count(self, nonce: str, count: int) -> tuple[bool, int]:
        """Take note of a nonce-count: whether it is new (RFC 2617 3.2.2; gaps and disorder are no replay), and the highest before it."""
        seen = self._counts.get(nonce, 0)
        if not seen and len(self._counts) >= _COUNTS_KEPT:
            self._counts.popitem(last=False)
        if isinstance(seen, int):
            if count == seen + 1 <= _COUNTS_KEPT:  # as nearly all clients count
                self._counts[nonce] = count
                return True, seen
            seen = self._counts[nonce] = _Counts(seen)
        highest = seen.highest
        if count in seen.used or len(seen.used) >= _COUNTS_KEPT:
            return False, highest
        seen.used.add(count)
        if count > highest:
            seen.highest = count
        return True, highest


class _Counts:
    """The nonce-counts of one nonce."""

    __slots__ = ("highest", "used")

    def __init__(self, highest: int) -> None:
        """`highest` and all from 1 on below it are used."""
        self.used = set(range(1, highest + 1))
        self.highest = highest


def _mark(name: str) -> str:
    return hashlib.blake2b(name.encode(), digest_size=_NAME // 2).hexdigest()


def check(
    nonces: Nonces,
    method: str,
    uri: str,
    header: str,
    users: Users,
    dialog_nonce: str | None = None,
    demands: Demands = Demands(),
) -> Verdict:
    """Check one Authorization or Proxy-Authorization value against a request.

    `uri` is the Request-URI as received; `dialog_nonce` is the nonce that set up the dialog, good for as long as the dialog lasts.
    """
    verdict = Verdict()
    try:
        scheme, values = parse_credentials(header)
    except HeaderError as error:
        return verdict.refuse("digest.malformed", str(error))
    if scheme.lower() != "digest":
        return verdict.refuse("digest.malformed", f"scheme {scheme}")
    given = values.get
    if not (given("username") and given("realm") and given("nonce") and given("uri") and given("response")):
        missing = [name for name in ("username", "realm", "nonce", "uri", "response") if not given(name)]
        return verdict.refuse("digest.malformed", f"no {', '.join(missing)}")
    algorithm = values.get("algorithm", "MD5").upper()  # "If it is not present, it is assumed to be "MD5"" (RFC 7616 3.4)
    if algorithm not in nonces.algorithms:
        return verdict.refuse("digest.unsupported-algorithm", algorithm)
    verdict.username, verdict.nonce = username, nonce = values["username"], values["nonce"]

    qop = values.get("qop", "").lower()
    count = -1
    if qop:
        if qop != "auth":
            return verdict.refuse("digest.unsupported-qop", qop)
        text = values.get("nc", "")
        if _COUNT.fullmatch(text) is None:
            return verdict.refuse("digest.malformed", f"nc={text[:20]!r} is not eight hexadecimal digits")
        if not values.get("cnonce"):
            return verdict.refuse("digest.malformed", "qop=auth without a cnonce")
        count = int(text, 16)

    # Known and unknown users take the same path and the same time: the digest is computed against a value that can't match.
    hashed = ALGORITHMS[algorithm]
    if values.get("userhash", "").lower() == "true" and nonces.userhash:
        verdict.username = username = users.named(username, values["realm"], algorithm) or username
    ha1 = users.ha1(username, values["realm"], algorithm)
    ha2 = hashed(f"{method}:{values['uri']}")
    middle = f"{nonce}:{values['nc']}:{values['cnonce']}:{values['qop']}" if qop else nonce
    expected = hashed(f"{ha1 or 'x' * 32}:{middle}:{ha2}")
    matches = hmac.compare_digest(expected.encode(), values["response"].lower().encode("utf-8", "replace"))
    if ha1 is None:
        return verdict.refuse("digest.unknown-user", f"user {username!r}, realm {values['realm']!r}")
    if not matches:
        return verdict.refuse("digest.wrong-password", f"user {username!r}")

    if nonce != dialog_nonce:
        origin = nonces.origin(nonce)
        if origin is None:
            verdict.stale = True  # the password is right, so the client needs only a nonce of ours (RFC 2617 3.2.1)
            return verdict.refuse("digest.forged-nonce", "a nonce that no proxy here has made")
        name, age = origin
        if age > nonces.lifetime:
            verdict.stale = True
            return verdict.refuse("digest.stale-nonce", f"a nonce {age:.0f} s old")
        if name != nonces.name:
            finding = Finding("digest.foreign-nonce", f"a nonce of {name} answered at {nonces.name}")
            verdict.findings.append(finding)
            if not demands.foreign_nonces:
                return verdict
    if count == 0:
        return verdict.refuse("digest.nonce-count-replayed", "nc=00000000; counting starts at 1")
    if count > 0:
        new, highest = nonces.count(nonce, count)
        if not new:
            verdict.stale = True
            return verdict.refuse("digest.nonce-count-replayed", f"nc={count:08x} again")
        if count < highest:
            verdict.findings.append(Finding("digest.nonce-count-order", f"nc={count:08x} after {highest:08x}"))
    if not qop:
        if demands.qop:
            return verdict.refuse("digest.no-qop", "a response without qop")
        verdict.findings.append(Finding("digest.no-qop", "a response without qop"))
    if not same_target(values["uri"], uri):
        verdict.findings.append(Finding("digest.uri-mismatch", f"uri={values['uri']!r}, Request-URI {uri!r}"))
    verdict.ok = True
    return verdict


def same_target(digest_uri: str, request_uri: str) -> bool:
    """Whether a digest `uri` names the Request-URI; port, parameters, case and escapes differ in what real clients send (RFC 3261 22.4)."""
    return digest_uri == request_uri or _bare(digest_uri) == _bare(request_uri)


def _bare(uri: str) -> str:
    user, at, host = uri.partition(";")[0].partition("?")[0].rpartition("@")
    scheme, _, name = user.partition(":") if at else ("", "", "")
    host = host.partition(":")[2] if not at else host
    host = host.partition("]")[0] if host.startswith("[") else host.partition(":")[0]
    return f"{scheme.lower()}:{unquote(name)}@{host.lower()}"
