"""Status callbacks over HTTP: a POST of JSON to a URL of the customer's own, tried a few times, never waited for by a call."""

import json
from collections.abc import Collection
from functools import partial
from typing import Any

from twisted.internet import defer, error
from twisted.internet.abstract import isIPAddress, isIPv6Address
from twisted.internet.endpoints import HostnameEndpoint, TCP4ClientEndpoint, TCP6ClientEndpoint, wrapClientTLS
from twisted.internet.protocol import Protocol
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.python.failure import Failure
from twisted.web.client import Agent
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgentEndpointFactory, IBodyProducer
from zope.interface import implementer

from emulator.clock import Clock, Timer
from emulator.counting import counted
from emulator.journal.findings import Finding
from emulator.journal.journal import Journal
from emulator.journal.record import CallRecord
from emulator.trunk.status_callback import url_problem

_FIRST_PAUSE = 1.0
"""Seconds between the first two tries; each further pause is twice as long."""
_ANSWER_OCTETS = 16384
"""Of an answer, up to the end of its headers."""


@implementer(IBodyProducer)
class _Body:
    """The whole body at once."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.length = len(data)

    def startProducing(self, consumer: Any) -> defer.Deferred[None]:
        consumer.write(self._data)
        return defer.succeed(None)

    def pauseProducing(self) -> None:
        """Everything has been written."""

    def resumeProducing(self) -> None:
        """Everything has been written."""

    def stopProducing(self) -> None:
        """Everything has been written."""


class _Unread(Protocol):
    """What the other side says beyond its status is not read."""

    def connectionMade(self) -> None:
        transport: Any = self.transport
        transport.loseConnection()


class _Reader(ProtocolWrapper):
    """Ends a connection over which headers come without end: Twisted keeps them all."""

    _left = _ANSWER_OCTETS

    def dataReceived(self, data: bytes) -> None:
        read, self._left = data[: self._left], self._left - len(data)
        if read:
            super().dataReceived(read)
        if self._left < 0:
            transport: Any = self.transport
            transport.abortConnection()


class _Readers(WrappingFactory):
    """Makes the one connection."""

    noisy = False
    protocol = _Reader


class _Bounded:
    """An endpoint that reads no more of an answer than it needs."""

    def __init__(self, way: Any) -> None:
        self._way = way

    def connect(self, factory: Any) -> Any:
        return self._way.connect(_Readers(factory)).addCallback(lambda reader: reader.wrappedProtocol)


@implementer(IAgentEndpointFactory)
class _Ways:
    """How a URL's host is reached: an address as it is; a name, which only settings can allow, through the system's resolver."""

    def __init__(self, reactor: Any, timeout: float) -> None:
        self._reactor = reactor
        self._timeout = timeout

    def endpointForURI(self, uri: Any) -> Any:
        host, port = uri.host.decode("ascii").strip("[]"), uri.port
        way: Any
        if host.lower() == "localhost":
            host = "127.0.0.1"
        if isIPAddress(host):
            way = TCP4ClientEndpoint(self._reactor, host, port, self._timeout)
        elif isIPv6Address(host):
            way = TCP6ClientEndpoint(self._reactor, host, port, self._timeout)
        else:
            way = HostnameEndpoint(self._reactor, host, port, self._timeout)
        if uri.scheme == b"https":
            from twisted.internet.ssl import optionsForClientTLS  # OpenSSL, which a plain URL has no need of

            way = wrapClientTLS(optionsForClientTLS(host), way)
        return _Bounded(way)


class _Callback:
    """One callback on its way."""

    __slots__ = ("body", "deadline", "record", "request", "tries", "url", "waiting")

    def __init__(self, url: str, body: bytes, record: CallRecord) -> None:
        self.url = url
        self.body = body
        self.record = record
        self.tries = 0
        self.request: defer.Deferred[Any] | None = None
        self.deadline: Timer | None = None
        self.waiting: Timer | None = None


class Webhook:
    """`send` may be called at any rate: what is too much is dropped, with an event."""

    def __init__(
        self, reactor: Any, clock: Clock, journal: Journal, product: str, allowed: Collection[str] = (), timeout: float = 5.0,
        tries: int = 3, waiting: int = 100,
    ) -> None:  # fmt: skip
        """`allowed` are hosts besides loopback addresses, `timeout` the seconds of a try, `waiting` how many callbacks there may be."""
        self._clock = clock
        self._journal = journal
        self._allowed = allowed
        self._timeout = timeout
        self._tries = tries
        self._waiting = waiting
        self._agent: Any = Agent.usingEndpointFactory(reactor, _Ways(reactor, timeout))  # keeps no connections, follows no redirects
        self._headers = Headers({"Content-Type": ["application/json"], "User-Agent": [product]})
        self._under_way: set[_Callback] = set()

    def __len__(self) -> int:
        return len(self._under_way)

    def send(self, url: str, said: dict[str, Any], record: CallRecord) -> None:
        """Tell `url` what is said of a call; what comes of it is an event, and a finding when it is nothing."""
        problem = url_problem(url, self._allowed)
        callback = _Callback(url, json.dumps(said).encode(), record)
        if problem is not None:
            self._fail(callback, problem)
        elif len(self._under_way) >= self._waiting:
            self._fail(callback, f"{self._waiting} callbacks are under way")
        else:
            self._under_way.add(callback)
            self._try(callback)

    def close(self) -> None:
        """Give up whatever is under way."""
        for callback in list(self._under_way):
            self._stop(callback)
            if callback.request is not None:
                callback.request.cancel()

    def _try(self, callback: _Callback) -> None:
        callback.waiting = None
        callback.tries += 1
        callback.request = request = self._agent.request(b"POST", callback.url.encode("ascii"), self._headers, _Body(callback.body))
        callback.deadline = self._clock.call_later(self._timeout, request.cancel)
        request.addCallbacks(partial(self._on_response, callback), partial(self._on_failure, callback))

    def _on_response(self, callback: _Callback, response: Any) -> None:
        response.deliverBody(_Unread())
        if callback not in self._under_way:
            return
        if 200 <= response.code < 300:
            self._stop(callback)
            self._journal.event("callback.sent", callback.record, url=callback.url, status=response.code, tries=callback.tries)
        else:
            self._again(callback, f"status {response.code}")

    def _on_failure(self, callback: _Callback, failure: Failure) -> None:
        if callback in self._under_way:
            self._again(callback, _words(failure) or f"no answer in {self._timeout:g} s")

    def _again(self, callback: _Callback, why: str) -> None:
        """One more try, or none."""
        if callback.deadline is not None:
            callback.deadline.cancel()
        callback.request = None
        if callback.tries < self._tries:
            pause = _FIRST_PAUSE * (1 << (callback.tries - 1))
            callback.waiting = self._clock.call_later(pause, self._try, callback)
            return
        self._stop(callback)
        self._fail(callback, f"{why}, after {counted(callback.tries, 'try', 'tries')}")

    def _fail(self, callback: _Callback, why: str) -> None:
        finding = Finding("callback.failed", why)
        callback.record.finding(finding)
        self._journal.event("callback.failed", callback.record, url=callback.url, finding=str(finding))

    def _stop(self, callback: _Callback) -> None:
        self._under_way.discard(callback)
        for timer in (callback.deadline, callback.waiting):
            if timer is not None:
                timer.cancel()


def _words(failure: Failure) -> str:
    """Why a try failed, for a person; empty when it was given up. `ResponseNeverReceived` and its like hold the reason in a list."""
    reasons = getattr(failure.value, "reasons", None)
    inner = reasons[0] if reasons else failure
    if isinstance(inner.value, defer.CancelledError):
        return ""
    if isinstance(inner.value, error.ConnectionAborted):
        return f"no end of the headers within {_ANSWER_OCTETS} octets"
    if isinstance(inner.value, ValueError):  # of Twisted's parser, and in Python's words
        return "an answer that is no HTTP"
    return inner.getErrorMessage() or type(inner.value).__name__
