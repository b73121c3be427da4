"""One query to name servers: over UDP with an id and a port of its own each time it is sent, over TCP where the answer was cut short."""

import os
import socket
import struct
from collections.abc import Callable, Sequence
from typing import Any

from twisted.internet.interfaces import IReadDescriptor
from twisted.internet.protocol import ClientFactory, Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from emulator.clock import Clock, Timer
from emulator.dns.answer import answers, failed, truncated
from emulator.ids import Ids
from emulator.problems import in_words

Address = tuple[str, int]
_ROUNDS = 2
_READS_PER_WAKE = 16
_MAX_DATAGRAM = 65535


def text(address: Address) -> str:
    """`host:port`, IPv6 in brackets."""
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class Exchange:
    """Asks each server, twice, until one says something; whoever answers first is believed.

    A server that fails (SERVFAIL, REFUSED …), or that can not be reached, is not asked again.
    """

    def __init__(
        self, reactor: Any, clock: Clock, ids: Ids, query: bytes, servers: Sequence[Address], done: Callable[[bytes | str], None],
        timeout: float, whole: bool = True,
    ) -> None:  # fmt: skip
        """`timeout` is for all of it, in seconds. `done` gets an answer's octets with the id of `query`, or why there is none. The
        answer may say that a server failed, when all do. With `whole` one that was cut short is asked for again over TCP."""
        self._reactor = reactor
        self._clock = clock
        self._ids = ids
        self._query = query
        self._done: Callable[[bytes | str], None] | None = done
        self._whole = whole
        self._left = list(servers) * _ROUNDS
        self._step = timeout / max(1, len(self._left))
        self._timeout = timeout
        self._open: set[_Datagrams | _Stream] = set()
        self._result: bytes | str = "no name server"
        self.said_by: Address | None = None
        """Who gave the answer that `done` gets."""
        self._next: Timer | None = None
        self._end: Timer | None = None

    def start(self) -> None:
        self._end = self._clock.call_later(self._timeout, self._too_late)
        self._send()

    def cancel(self) -> None:
        """Forget it: `done` will not be called any more."""
        self._done = None
        for timer in (self._next, self._end):
            if timer is not None:
                timer.cancel()
        for way in self._open:
            way.close()
        self._open.clear()

    def _send(self) -> None:
        """Ask the next server that can be asked; the end when there is none, and none from whom an answer may come."""
        while self._left and self._done is not None:
            if self._next is not None:
                self._next.cancel()
            server = self._left.pop(0)
            if self._left:
                self._next = self._clock.call_later(self._step, self._send)
            way = _Datagrams(self, server, self._ids.take(2) + self._query[2:])
            self._open.add(way)
            problem = way.start(self._reactor)
            if not problem:
                return
            self._drop(way, problem)
        if not self._open:
            self._finish(self._result)

    def on_answer(self, way: "_Datagrams | _Stream", data: bytes) -> None:
        """An answer to the question, by `way`."""
        word = failed(data)
        if truncated(data) and self._whole and isinstance(way, _Datagrams) and not word:
            self._open.discard(way)
            way.close()
            stream = _Stream(self, way.server, way.query)
            self._open.add(stream)
            stream.start(self._reactor)
            return
        if word:
            self.on_failure(way, self._query[:2] + data[2:])
            return
        self.said_by = way.server
        self._finish(self._query[:2] + data[2:])

    def on_failure(self, way: "_Datagrams | _Stream", why: bytes | str) -> None:
        """Nothing is to be had by `way`: an answer that says so, or words. Another server is asked at once."""
        self._drop(way, why)
        self._send()

    def _drop(self, way: "_Datagrams | _Stream", why: bytes | str) -> None:
        way.close()
        self._open.discard(way)
        self._left = [server for server in self._left if server != way.server]
        if isinstance(why, bytes) or isinstance(self._result, str):  # an answer says more than words
            self._result = f"{text(way.server)}: {why}" if isinstance(why, str) else why
            self.said_by = way.server

    def _too_late(self) -> None:
        if isinstance(self._result, str):
            silent = dict.fromkeys(text(way.server) for way in self._open)
            self._result = f"no answer from {', '.join(sorted(silent))} within {self._timeout:.3g} s"
        self._finish(self._result)

    def _finish(self, result: bytes | str) -> None:
        done = self._done
        self.cancel()
        if done is not None:
            done(result)


@implementer(IReadDescriptor)
class _Datagrams:
    """The query over UDP, once. The kernel chooses the port, and drops what comes from anybody but the server."""

    def __init__(self, exchange: Exchange, server: Address, query: bytes) -> None:
        self._exchange = exchange
        self.server = server
        self.query = query
        self._reactor: Any = None
        self._socket: socket.socket | None = None

    def start(self, reactor: Any) -> str:
        """Send it; the reason when it can't be sent."""
        try:
            self._socket = socket.socket(socket.AF_INET6 if ":" in self.server[0] else socket.AF_INET, socket.SOCK_DGRAM)
            self._socket.setblocking(False)
            self._socket.connect(self.server)
            self._socket.send(self.query)
        except OSError as error:
            return in_words(error)
        self._reactor = reactor
        reactor.addReader(self)
        return ""

    def close(self) -> None:
        if self._reactor is not None:
            self._reactor.removeReader(self)
            self._reactor = None
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def fileno(self) -> int:
        return self._socket.fileno() if self._socket is not None else -1

    def logPrefix(self) -> str:
        return "dns"

    def connectionLost(self, reason: Failure) -> None:
        """What the reactor makes of an error that ICMP told of when there is nothing to read; it has dropped the reader by now."""
        if self._socket is not None:
            number = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            self._exchange.on_failure(self, os.strerror(number).lower() if number else "the socket was closed")

    def doRead(self) -> None:
        for _ in range(_READS_PER_WAKE):
            if self._socket is None:
                return
            try:
                data = self._socket.recv(_MAX_DATAGRAM)
            except BlockingIOError:
                return
            except OSError as error:  # what ICMP said
                self._exchange.on_failure(self, in_words(error))
                return
            if answers(self.query, data):
                self._exchange.on_answer(self, data)


class _Stream(Protocol):
    """The query over TCP, with two octets of length before it (RFC 1035 4.2.2)."""

    def __init__(self, exchange: Exchange, server: Address, query: bytes) -> None:
        self._exchange = exchange
        self.server = server
        self.query = query
        self._buffer = b""
        self._connector: Any = None
        self._closed = False

    def start(self, reactor: Any) -> None:
        self._connector = reactor.connectTCP(*self.server, _Streams(self), None)  # the exchange keeps the time

    def connectionMade(self) -> None:
        transport: Any = self.transport
        transport.write(struct.pack("!H", len(self.query)) + self.query)

    def dataReceived(self, data: bytes) -> None:
        self._buffer += data
        end = 2 + int.from_bytes(self._buffer[:2], "big")
        if self._closed or len(self._buffer) < max(2, end):
            return
        answer = self._buffer[2:end]
        if answers(self.query, answer):
            self._exchange.on_answer(self, answer)
        else:
            self._exchange.on_failure(self, "not an answer to the question, over TCP")

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.fail("the TCP connection was closed before the answer")

    def fail(self, why: str) -> None:
        if not self._closed:
            self._exchange.on_failure(self, why)

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            transport: Any = self.transport
            if transport is not None:
                transport.abortConnection()
            elif self._connector is not None:
                self._connector.disconnect()


class _Streams(ClientFactory):
    """Makes the one connection."""

    noisy = False

    def __init__(self, stream: _Stream) -> None:
        self._stream = stream

    def buildProtocol(self, addr: Any) -> Protocol:
        return self._stream

    def clientConnectionFailed(self, connector: Any, reason: Failure) -> None:
        problem: Any = getattr(reason.value, "osError", None)
        self._stream.fail(f"no TCP connection: {in_words(problem) if problem is not None else reason.value}")
