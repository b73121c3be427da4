"""The control API over HTTP, on twisted.web: bounded connections, bodies and streams, no traceback to a client."""

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

from twisted.internet import defer
from twisted.web import http, server
from twisted.web.resource import Resource

from emulator.clock import Clock
from emulator.control.api import LONGEST_BODY, Api
from emulator.control.event_stream import EventStream
from emulator.control.long_response import LongResponse
from emulator.control.routes import ApiRequest, ApiResponse, problem
from emulator.control.turns import Turns
from emulator.journal.journal import Journal

_STREAMS = 50
_CONNECTIONS = 200
_IDLE_SECONDS = 60
"""How long a connection may ask for nothing."""
_BUNCH = 8
"""Requests read at once that are answered, at most."""
_CLOSING_SECONDS = 0.5
"""How long connections may take to end when the emulator stops."""


class ControlServer:
    """Listens, and keeps the event streams."""

    def __init__(self, reactor: Any, clock: Clock, api: Api, journal: Journal, report: Callable[[Exception], None]) -> None:
        """`report` is told of errors that are ours."""
        self._reactor = reactor
        self.clock = clock
        self.api = api
        self.journal = journal
        self.turns = Turns(clock, report)
        self.streams: set[EventStream] = set()
        self._port: Any = None
        self.port = 0

    def listen(self, address: str, port: int) -> None:
        """Raises `CannotListenError`."""
        site = _Site(_Root(self), timeout=_IDLE_SECONDS, reactor=self._reactor, requestFactory=_Request)
        site.displayTracebacks = False
        site.noisy = False
        self._site = site
        self._port = self._reactor.listenTCP(port, site, interface=address)
        self.port = self._port.getHost().port

    def close(self) -> Any:
        """Stop listening and end every stream and connection; what was said before that arrives, unless somebody reads too slowly."""
        for stream in list(self.streams):
            stream.end()
        port, self._port = self._port, None
        if port is None:
            return defer.succeed(None)
        return defer.DeferredList([defer.maybeDeferred(port.stopListening), self._site.close(self.clock)])


class _Request(server.Request):
    """A request whose body stops growing at the API's bound."""

    def gotLength(self, length: int | None) -> None:
        if length is not None and length > LONGEST_BODY:
            # Answered by the API's own bound; what is sent is not kept.
            length = None
            self.content = _Sink()
            self._too_long = True
            return
        super().gotLength(length)

    def handleContentChunk(self, data: bytes) -> None:
        content: Any = self.content
        if getattr(self, "_too_long", False) or content.tell() + len(data) > LONGEST_BODY:
            self._too_long = True
            return
        super().handleContentChunk(data)


class _Sink:
    """A body that is not kept."""

    def write(self, data: bytes) -> None: ...

    def read(self) -> bytes:
        return b""

    def seek(self, *place: int) -> None: ...

    def tell(self) -> int:
        return 0

    def close(self) -> None: ...


class _Channel(http.HTTPChannel):
    """One connection. A number that Twisted's parser can't convert, such as a Content-Length of 5,000 digits, is a bad request."""

    _asked = 0  # requests in what was read last

    def checkPersistence(self, request: Any, version: Any) -> Any:
        """Of requests sent in a bunch only some are answered, for the others the connection ends (RFC 9112 9.3.2 has clients bear that):
        they would all be answered in one turn, while nothing else goes on and their responses pile up."""
        self._asked += 1
        stays = super().checkPersistence(request, version) and self._asked < _BUNCH
        if not stays:
            request.responseHeaders.setRawHeaders(b"connection", [b"close"])
        return stays

    def connectionLost(self, reason: Any = None) -> None:
        factory: Any = self.factory
        factory.gone(self)
        super().connectionLost(reason)

    def dataReceived(self, data: bytes) -> None:
        self._asked = 0
        try:
            super().dataReceived(data)
        except ValueError:
            transport: Any = self.transport
            transport.write(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
            transport.loseConnection()


class _Site(server.Site):
    """Bounds the connections, and can drop them."""

    protocol: Any = _Channel

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._channels: set[Any] = set()
        self._closed: defer.Deferred[None] | None = None

    def buildProtocol(self, addr: Any) -> Any:
        if len(self._channels) >= _CONNECTIONS:
            return None
        channel = super().buildProtocol(addr)
        self._channels.add(channel)
        return channel

    def gone(self, channel: Any) -> None:
        """A connection has ended."""
        self._channels.discard(channel)
        if not self._channels and self._closed is not None:
            closed, self._closed = self._closed, None
            closed.callback(None)

    def close(self, clock: Clock) -> "defer.Deferred[None]":
        """End every connection, each when it has what is on its way to it, and all of them soon."""
        ended: defer.Deferred[None] = defer.Deferred()
        if not self._channels:
            ended.callback(None)
            return ended
        self._closed = ended
        late = clock.call_later(_CLOSING_SECONDS, self._drop)
        ended.addCallback(lambda _: late.cancel())
        for channel in list(self._channels):
            channel.loseConnection()
        return ended

    def _drop(self) -> None:
        for channel in list(self._channels):
            channel.transport.abortConnection()

    def log(self, request: Any) -> None:
        """No access log: the journal says what happens."""


_ABSOLUTE = re.compile("https?://[^/]*", re.IGNORECASE)
"""What a client that takes this for a proxy has before the path (RFC 9112 3.2.2); whom it asks is checked by its Host."""


class _Root(Resource):
    """Every path goes to the API."""

    isLeaf = True

    def __init__(self, owner: ControlServer) -> None:
        super().__init__()
        self._owner = owner

    def render(self, request: Any) -> Any:
        headers = {
            name.decode("latin-1").lower(): values[-1].decode("latin-1") for name, values in request.requestHeaders.getAllRawHeaders()
        }
        if getattr(request, "_too_long", False):
            response = problem(413, f"a body has at most {LONGEST_BODY} octets")
        elif len(request.requestHeaders.getRawHeaders(b"host") or []) != 1:
            response = problem(400, "a request has one Host header")
        else:
            # of the URI alone: Twisted adds what is in a body that calls itself a form, as curl's and urllib's do unless told otherwise
            query = dict(parse_qsl(request.uri.partition(b"?")[2].decode("latin-1"), keep_blank_values=True))
            path = _ABSOLUTE.sub("", request.path.decode("latin-1")) or "/"
            method = request.method.decode("latin-1")
            response = self._owner.api.handle(ApiRequest(method, path, query, headers, request.content.read()))
        return self._send(request, response)

    def _send(self, request: Any, response: ApiResponse) -> Any:
        owner = self._owner
        if response.events_after is not None and len(owner.streams) >= _STREAMS:
            response = problem(503, f"{_STREAMS} event streams are open already")
        if response.later is not None:
            _Waiting(self, request, response)
            return server.NOT_DONE_YET
        request.setResponseCode(response.status)
        request.setHeader(b"Server", b"vsim")
        request.setHeader(b"Content-Type", response.content_type.encode())
        request.setHeader(b"X-Content-Type-Options", b"nosniff")
        for name, value in response.headers.items():
            request.setHeader(name.encode(), value.encode())
        if response.events_after is not None:
            if request.method == b"HEAD":
                return b""
            stream = EventStream(request, response.events_after, owner.journal, owner.turns, owner.clock, owner.streams.discard)
            owner.streams.add(stream)
            return server.NOT_DONE_YET
        if response.pieces is not None:
            if request.method == b"HEAD":
                return b""  # how long it would be is known when it is made
            LongResponse(request, response.pieces, response.length, owner.turns, owner.clock)
            return server.NOT_DONE_YET
        request.setHeader(b"Content-Length", str(len(response.body)).encode())
        return b"" if request.method == b"HEAD" else response.body


class _Waiting:
    """A client that waits for its response; one that goes away waits no more."""

    def __init__(self, root: _Root, request: Any, response: ApiResponse) -> None:
        self._root = root
        self._request: Any = request
        if request.channel is not None:
            request.channel.setTimeout(None)  # how long it may wait is the API's to say
        request.notifyFinish().addBoth(lambda _: self._gone())
        assert response.later is not None
        self._stop = response.later(self._finish)

    def _finish(self, response: ApiResponse) -> None:
        request, self._request = self._request, None
        if request is not None:
            sent = self._root._send(request, response)
            if sent is not server.NOT_DONE_YET:
                request.write(sent)
                request.finish()

    def _gone(self) -> None:
        if self._request is not None:
            self._request = None
            self._stop()
