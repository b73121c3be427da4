"""Digest authentication, the client's side (RFC 3261 22, RFC 7616): challenges to the header lines that answer them."""

from emulator.ids import Ids
from emulator.sip.digest import ALGORITHMS
from emulator.sip.grammar import quote
from emulator.sip.headers import HeaderError, parse_credentials
from emulator.sip.message import Response

_REALMS = 8
_TRIES = 4  # of one request: each proxy on its way may challenge it, and call a nonce stale
_ANSWERS = {"www-authenticate": "Authorization", "proxy-authenticate": "Proxy-Authorization"}


class Credentials:
    """A username and its password."""

    __slots__ = ("_password", "ids", "username")

    def __init__(self, username: str, password: str, ids: Ids) -> None:
        """`ids` makes the cnonces."""
        self.username = username
        self._password = password
        self.ids = ids

    def answer(self, response: Response, method: str, uri: str) -> str | None:
        """The header lines that answer a 401 or 407 to a request outside any dialog; None when it can't be answered."""
        answering = Answers(self).request()
        return answering.lines(method, uri) if answering.take(response) else None

    def secret(self, algorithm: str, realm: str) -> str:
        """H(A1) of RFC 7616 3.4.2."""
        return ALGORITHMS[algorithm](f"{self.username}:{realm}:{self._password}")


class _Challenge:
    """One challenge, and how often its nonce was answered."""

    __slots__ = ("algorithm", "count", "nonce", "opaque", "qop", "stale")

    def __init__(self, nonce: str, algorithm: str, qop: bool, opaque: str | None, stale: bool) -> None:
        self.nonce = nonce
        self.algorithm = algorithm
        self.qop = qop
        self.opaque = opaque
        self.stale = stale
        self.count = 0


class Answers:
    """The challenges that one call has met, by header and realm: later requests of the dialog answer them beforehand (22.3)."""

    __slots__ = ("credentials", "known")

    def __init__(self, credentials: Credentials) -> None:
        self.credentials = credentials
        self.known: dict[tuple[str, str], _Challenge] = {}

    def request(self) -> "Answering":
        """For one request, however often it is repeated."""
        return Answering(self)


class Answering:
    """How one request answers its challenges."""

    __slots__ = ("_answered", "_answers", "_tries")

    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self._answered: set[tuple[str, str]] = set()
        self._tries = 0

    def take(self, response: Response) -> bool:
        """Take the challenges of a refusal; False when the request is not to be repeated.

        That is so when none can be answered, and when the answer to one was wrong: its nonce comes again, or another one that is not
        said to be new only because the old one was stale (RFC 7616 3.3).
        """
        found = _challenges(response) if response.status in (401, 407) else {}
        if not found or self._tries >= _TRIES:
            return False
        kept = self._answers.known
        for key, challenge in found.items():
            known = kept.get(key)
            if known is not None and known.nonce == challenge.nonce and known.count:
                return False
            if key in self._answered and not challenge.stale:
                return False
        for key, challenge in found.items():
            if key in kept or len(kept) < _REALMS:
                kept[key] = challenge
                self._answered.add(key)
        self._tries += 1
        return True

    def lines(self, method: str, uri: str) -> str:
        """The header lines of the request to `uri`, one for each challenge known; each call counts the nonces up."""
        return "".join(
            f"{_ANSWERS[header]}: {_value(self._answers.credentials, challenge, realm, method, uri)}\r\n"
            for (header, realm), challenge in self._answers.known.items()
        )


def _value(credentials: Credentials, challenge: _Challenge, realm: str, method: str, uri: str) -> str:
    """RFC 7616 3.4; without qop as RFC 2069 had it."""
    algorithm, nonce = challenge.algorithm, challenge.nonce
    hashed = ALGORITHMS[algorithm]
    challenge.count += 1
    count, cnonce = f"{challenge.count:08x}", credentials.ids.tag()
    middle = f"{nonce}:{count}:{cnonce}:auth" if challenge.qop else nonce
    response = hashed(f"{credentials.secret(algorithm, realm)}:{middle}:{hashed(f'{method}:{uri}')}")
    parts = [
        f"Digest username={quote(credentials.username)}", f"realm={quote(realm)}", f"nonce={quote(nonce)}", f'uri="{uri}"',
        f'response="{response}"', f"algorithm={algorithm}",
    ]  # fmt: skip
    if challenge.qop:
        parts += [f'cnonce="{cnonce}"', "qop=auth", f"nc={count}"]
    if challenge.opaque is not None:
        parts.append(f"opaque={quote(challenge.opaque)}")
    return ", ".join(parts)


def _challenges(response: Response) -> dict[tuple[str, str], _Challenge]:
    """Of each realm the first challenge that can be answered: "the server ... in order of preference" (RFC 7616 3.7)."""
    found: dict[tuple[str, str], _Challenge] = {}
    for header in _ANSWERS:
        for value in response.headers.get(header, ()):
            try:
                scheme, values = parse_credentials(value)
            except HeaderError:
                continue
            algorithm = values.get("algorithm", "MD5").upper()
            qops = {item.strip().lower() for item in values["qop"].split(",")} if "qop" in values else None
            usable = scheme.lower() == "digest" and "realm" in values and values.get("nonce") and algorithm in ALGORITHMS
            if usable and (qops is None or "auth" in qops):
                stale = values.get("stale", "").lower() == "true"
                challenge = _Challenge(values["nonce"], algorithm, qops is not None, values.get("opaque"), stale)
                found.setdefault((header, values["realm"]), challenge)
    return found
