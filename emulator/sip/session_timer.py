"""Session timers (RFC 4028): what an INVITE and its 2xx agree on, and the clock that holds them to it."""

from collections.abc import Callable
from dataclasses import dataclass

from emulator.clock import Clock, Timer
from emulator.journal.findings import Finding
from emulator.sip.grammar import number
from emulator.sip.headers import HeaderError, Params, parse_params
from emulator.sip.message import Message, Request, Response
from emulator.sip.refusal import Refusal
from emulator.sip.timers import LEAST_SESSION_INTERVAL, SessionTimerPolicy

SUPPORTED = "Supported: timer\r\n"
"""What a 2xx to INVITE or OPTIONS says (13.3.1.4 and 11.2 of RFC 3261), as a line."""
_MARGIN = 32
_TRIES = 4


@dataclass(frozen=True, slots=True)
class Terms:
    """What was agreed: the session interval in seconds, whether we refresh, and the header lines of our 2xx that say so."""

    interval: int
    we_refresh: bool
    headers: str = ""


def _delta(message: Message, name: str) -> tuple[int, Params] | None:
    """A header that is delta-seconds and parameters. Raises `HeaderError`."""
    value = message.get(name)
    if value is None:
        return None
    text, semicolon, params = value.partition(";")
    seconds = number(text.strip())
    if seconds is None:
        raise HeaderError(f"{text.strip()[:20]!r} is not a number of seconds")
    return seconds, parse_params(params) if semicolon else {}


def answer(request: Request, policy: SessionTimerPolicy) -> Terms | None:
    """What our 2xx to an INVITE says of the timer; None without one (9).

    Raises `Refusal`: 422 when the interval is too small, 400 when a header makes no sense.
    """
    if "session-expires" not in request.headers:
        if policy.ask and _supported(request):
            return _asked(max(policy.interval, policy.minimum), policy.refresher)
        return None
    supported = _supported(request)
    try:
        name = "Session-Expires"
        asked = _delta(request, "session-expires")
        name = "Min-SE"
        least = _delta(request, "min-se")
    except HeaderError as error:
        raise Refusal(400, Finding("message.malformed", f"{name}: {error}")) from None
    assert asked is not None
    interval, params = asked
    if interval < policy.minimum:
        if supported:
            finding = Finding("session-timer.too-small", f"Session-Expires: {interval}")
            raise Refusal(422, finding, (("Min-SE", str(policy.minimum)),))
        # Without support a 422 would only fail the call: the interval is raised instead (erratum 1687, as 8.1 does for proxies).
        interval = policy.minimum
    if least is not None and interval < least[0]:
        interval = least[0]  # "The UAS ... MUST NOT set it to a value lower than the value in the Min-SE header field" (9)
    wanted = (params.get("refresher") or "").lower()
    refresher = "uas" if not supported else wanted if wanted in ("uac", "uas") else policy.refresher  # table 2
    headers = f"Session-Expires: {interval};refresher={refresher}\r\n"
    return Terms(interval, refresher == "uas", f"Require: timer\r\n{headers}" if supported else headers)


def _supported(request: Request) -> bool:
    return "timer" in request.tokens("supported") or "timer" in request.tokens("require")


def _asked(interval: int, refresher: str) -> Terms:
    """A timer that the peer supports and did not ask for (9)."""
    return Terms(interval, refresher == "uas", f"Require: timer\r\nSession-Expires: {interval};refresher={refresher}\r\n")


def agreed(response: Response) -> Terms | None:
    """What the 2xx to an INVITE of ours says (7.2); None when it sets no timer. A header that makes no sense is none."""
    try:
        found = _delta(response, "session-expires")
    except HeaderError:
        return None
    if found is None:
        return None
    interval, params = found
    return Terms(max(interval, LEAST_SESSION_INTERVAL), (params.get("refresher") or "uac").lower() != "uas")


class Proposal:
    """What an INVITE of ours asks of the session timer (7.1 and 7.4), and how a 422 raises it (7.3)."""

    __slots__ = ("_least", "_refresher", "_tries", "interval")

    def __init__(self, interval: int, least: int, refresher: str | None = None) -> None:
        """`interval` and `least` (our Min-SE) in seconds. `refresher` is `uac` or `uas`; None leaves it to the other side, as is
        RECOMMENDED in an INVITE that sets up a call."""
        self.interval = interval
        self._least = least
        self._refresher = refresher
        self._tries = 1

    @property
    def headers(self) -> str:
        """The header lines of the request."""
        refresher = f";refresher={self._refresher}" if self._refresher is not None else ""
        return f"Supported: timer\r\nSession-Expires: {self.interval}{refresher}\r\nMin-SE: {self._least}\r\n"

    def raised(self, response: Response) -> bool:
        """Whether a refusal is a 422 that the request may be repeated for, with "the largest Min-SE header field value" seen (7.3)."""
        wanted = number(response.get("min-se") or "") if response.status == 422 else None
        if wanted is None or wanted <= self._least or self._tries >= _TRIES:
            return False
        self._tries += 1
        self._least, self.interval = wanted, max(self.interval, wanted)
        return True


class SessionTimer:
    """The clock of one session."""

    __slots__ = ("_clock", "_expiry", "_on_expired", "_on_refresh", "_refresh", "_refreshes", "terms")

    def __init__(self, clock: Clock, on_refresh: Callable[[], None], on_expired: Callable[[Finding], None], refreshes: bool = True) -> None:
        """`on_refresh` is called when it is our turn, unless not `refreshes`; `on_expired` when no refresh has come in time."""
        self._clock = clock
        self._refreshes = refreshes
        self._on_refresh = on_refresh
        self._on_expired = on_expired
        self._refresh: Timer | None = None
        self._expiry: Timer | None = None
        self.terms: Terms | None = None

    def start(self, terms: Terms | None) -> None:
        """A 2xx has been sent or received; None ends the timer (10: a 2xx without Session-Expires means no expiry)."""
        self.stop()
        self.terms = terms
        if terms is None:
            return
        interval = terms.interval
        if terms.we_refresh and not self._refreshes:
            finding = Finding("session-timer.outlived", f"a session {_MARGIN} s older than its interval of {interval} s")
            self._expiry = self._clock.call_later(interval + _MARGIN, self._on_expired, finding)
            return
        if terms.we_refresh:
            self._refresh = self._clock.call_later(interval / 2, self._on_refresh)  # "once half the session interval has elapsed" (10)
        # "It SHOULD send this BYE slightly before session expiration. The minimum of 32 seconds and one third of the session
        # interval is RECOMMENDED" (10)
        finding = Finding("session-timer.expired", "no refresh in the session interval")
        self._expiry = self._clock.call_later(interval - min(_MARGIN, interval / 3), self._on_expired, finding)

    def stop(self) -> None:
        """The session is over, or its timer is."""
        self.terms = None
        for timer in (self._refresh, self._expiry):
            if timer is not None:
                timer.cancel()
        self._refresh = self._expiry = None
