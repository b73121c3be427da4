"""What a scenario has seen: every request of the device's with its answer, every answer of the device's, every INVITE and what became of
it, every event.

One count runs through all of it, so that what came after what can be told. It is bounded: of very many the oldest are forgotten.
"""

from collections import deque
from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeVar

from emulator.journal.events import Event
from emulator.sip.message import Malformed, Request, Response, parse

_KEPT = 20000
"""Requests, answers, tries and events each."""
_OCTETS = 32 << 20
"""Of all requests kept."""
_CHALLENGES = (401, 407)
_SILENT_FOR = 0.5
"""T1, after which a first INVITE would be sent again: an INVITE without credentials that has no answer by then gets none."""


class Heard:
    """A request that came. `at` is in seconds on the monotonic clock, `answer` the final status it got."""

    __slots__ = ("answer", "at", "copies", "number", "peer", "progress", "proxy", "request", "transport")

    def __init__(self, number: int, at: float, proxy: str, transport: str, peer: str, request: Request) -> None:
        self.number = number
        self.at = at
        self.proxy = proxy
        self.transport = transport
        self.peer = peer
        self.request = request
        self.copies = 0
        """Retransmissions."""
        self.progress: int | None = None
        self.answer: int | None = None


class Answer(NamedTuple):
    """A response of the device's to a request of ours."""

    number: int
    proxy: str
    transport: str
    peer: str
    call_id: str
    method: str
    status: int


class Try:
    """The INVITEs of one Call-ID at one proxy: a challenged one and its retry are one try, and so is what became of them."""

    __slots__ = ("acked", "began", "challenged", "invite", "number", "progress", "status")

    def __init__(self, number: int, invite: Heard) -> None:
        self.number = number
        self.began = invite.at
        self.invite = invite
        """The newest."""
        self.challenged = 0
        self.progress: int | None = None
        self.status: int | None = None
        """The final status of the newest INVITE."""
        self.acked = False

    @property
    def proxy(self) -> str:
        return self.invite.proxy

    @property
    def call_id(self) -> str:
        return self.invite.request.call_id

    @property
    def over(self) -> bool:
        """Whether another INVITE would be another try."""
        return self.status is not None and self.status >= 300 and self.status not in _CHALLENGES

    def came(self, now: float) -> bool:
        """Whether it is a call that the trunk has looked at, and no mere question for a challenge."""
        if self.status is not None:
            return self.status not in _CHALLENGES
        headers = self.invite.request.headers
        return (
            self.progress is not None
            or "proxy-authorization" in headers
            or "authorization" in headers
            or now - self.invite.at >= _SILENT_FOR
        )


_Kept = TypeVar("_Kept", Heard, Answer, Try, "Noted")


class Noted:
    """An event, with its place in the count."""

    __slots__ = ("at", "event", "number")

    def __init__(self, number: int, at: float, event: Event) -> None:
        self.number = number
        self.at = at
        self.event = event


class Witness:
    """`seconds` is the monotonic clock. `heard` is called after each thing seen."""

    def __init__(self, seconds: Callable[[], float], heard: Callable[[], None]) -> None:
        self._seconds = seconds
        self._heard = heard
        self.number = 0
        """Of the newest thing seen."""
        self.requests: deque[Heard] = deque(maxlen=_KEPT)
        self.answers: deque[Answer] = deque(maxlen=_KEPT)
        self.tries: deque[Try] = deque(maxlen=_KEPT)
        self.events: deque[Noted] = deque(maxlen=_KEPT)
        self._octets = 0
        self._open: dict[tuple[str, str, int, str], Heard] = {}
        self._latest: dict[tuple[str, str], Try] = {}
        self._answered: dict[tuple[object, ...], None] = {}
        """What tells an answer from a copy of another."""

    def note(self, event: Event) -> None:
        """An event of the journal."""
        self.number += 1
        self.events.append(Noted(self.number, self._seconds(), event))
        self._heard()

    def message(self, proxy: str, transport: str, peer: str, incoming: bool, data: bytes) -> None:
        """A SIP message, as the endpoint of `proxy` takes or sends it."""
        try:
            message = parse(data)
        except Malformed as malformed:
            if malformed.message is None:
                return
            message = malformed.message
        if incoming and isinstance(message, Request):
            self._request(proxy, transport, peer, message)
        elif not incoming and isinstance(message, Response):
            self._response(proxy, message)
        elif isinstance(message, Response):
            self._answer(proxy, transport, peer, message)
        else:
            return
        self._heard()

    def _request(self, proxy: str, transport: str, peer: str, request: Request) -> None:
        cseq = getattr(request, "cseq", None)
        if cseq is None:  # too broken to be told from any other
            return
        key = (proxy, request.call_id, cseq.number, request.method)
        known = self._open.get(key)
        if known is not None and known.request.via.params.get("branch") == request.via.params.get("branch"):
            known.copies += 1
            return
        self.number += 1
        heard = Heard(self.number, self._seconds(), proxy, transport, peer, request)
        self._keep(key, heard)
        if request.method == "INVITE" and not request.to_tag:
            self._invite(heard)
        elif request.method == "ACK":
            tried = self._latest.get((proxy, request.call_id))
            if tried is not None and tried.status is not None:
                tried.acked = True

    def _invite(self, heard: Heard) -> None:
        place = (heard.proxy, heard.request.call_id)
        tried = self._latest.get(place)
        if tried is None or tried.over:
            tried = Try(heard.number, heard)
            self.tries.append(tried)
            self._latest[place] = tried
            if len(self._latest) > _KEPT:
                del self._latest[next(iter(self._latest))]
        else:
            tried.invite, tried.status, tried.progress, tried.acked = heard, None, None, False

    def _response(self, proxy: str, response: Response) -> None:
        cseq = response.cseq
        heard = self._open.get((proxy, response.call_id, cseq.number, cseq.method))
        if heard is None:
            return
        if response.status < 200:
            heard.progress = response.status
        else:
            heard.answer = response.status
        tried = self._latest.get((proxy, response.call_id))
        if tried is not None and tried.invite is heard:
            if response.status < 200:
                tried.progress = response.status
            else:
                tried.status = response.status
                tried.challenged += response.status in _CHALLENGES

    def _answer(self, proxy: str, transport: str, peer: str, response: Response) -> None:
        cseq = getattr(response, "cseq", None)
        if cseq is None:
            return
        key = (proxy, response.call_id, cseq.number, cseq.method, response.status, response.to_tag)
        if key in self._answered:
            return
        self._answered[key] = None
        if len(self._answered) > _KEPT:
            del self._answered[next(iter(self._answered))]
        self.number += 1
        self.answers.append(Answer(self.number, proxy, transport, peer, response.call_id, cseq.method, response.status))

    def _keep(self, key: tuple[str, str, int, str], heard: Heard) -> None:
        self._open.pop(key, None)
        self._open[key] = heard
        if len(self.requests) == _KEPT:
            self._octets -= len(self.requests[0].request.raw)
        self.requests.append(heard)
        self._octets += len(heard.request.raw)
        while self._octets > _OCTETS:
            self._octets -= len(self.requests.popleft().request.raw)
        if len(self._open) > _KEPT:
            del self._open[next(iter(self._open))]

    # -- looking back ---------------------------------------------------------------------------------------------

    def requests_since(self, number: int) -> Iterator[Heard]:
        """Requests after a moment, oldest first."""
        return _since(self.requests, number)

    def answers_since(self, number: int) -> Iterator[Answer]:
        """Answers of the device's after a moment, oldest first."""
        return _since(self.answers, number)

    def tries_since(self, number: int) -> Iterator[Try]:
        """INVITEs that began after a moment, oldest first."""
        return _since(self.tries, number)

    def events_since(self, number: int) -> Iterator[Noted]:
        """Events after a moment, oldest first."""
        return _since(self.events, number)


def _since(kept: "deque[_Kept]", number: int) -> Iterator[_Kept]:
    newer: list[_Kept] = []
    for one in reversed(kept):
        if one.number <= number:
            break
        newer.append(one)
    newer.reverse()
    return iter(newer)
