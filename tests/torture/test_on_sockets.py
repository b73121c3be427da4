"""Every torture message to a running emulator, over UDP, TCP and TLS: the outcome that it has over memory."""

import itertools
import os
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest

from tests.support.phone import Received
from tests.support.serve import Serve
from tests.torture import messages
from tests.torture.conversation import Form, cases, converse, cut, name_of
from tests.torture.outcomes import Outcome

pytestmark = pytest.mark.wire

_DEADLINE = 60.0
_MOMENT = 0.05
"""How long to look for what must not come, where no health check can follow."""
_HERE = f"127.44.{os.getpid() >> 8 & 255}.{os.getpid() & 255}"
"""A loopback address that nothing else uses, for answers go to the port that the message's Via names (RFC 3261 18.2.2)."""

_PROXIES = {"UDP": "us-3-1", "TCP": "us-3-2", "TLS": "us-4-1"}
"""A proxy for each: what comes to one by UDP may not be taken for a copy of what came by TCP."""

_pings = itertools.count(1)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    """One emulator for all messages; at the end it holds no call and nothing has gone wrong inside."""
    emulator = Serve(tmp_path_factory.mktemp("torture"))
    try:
        yield emulator
        emulator.check()
        assert [call for call in emulator.calls() if call["state"] in ("trying", "ringing", "answered")] == []
    finally:
        emulator.stop()


class _Path:
    """What datagrams and connections share: reading until a health check's answer."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.closed = False
        self._inbox: list[Received] = []

    def close(self) -> None:
        self.sock.close()

    def _receive(self, seconds: float) -> bool:
        """Read once and put what came into the inbox; False when nothing came, or nothing will any more."""
        raise NotImplementedError

    def _until(self, done: Callable[[Received], bool]) -> list[Received]:
        """All messages up to the one that is `done`, that one included; those before the end when the connection is closed."""
        found: list[Received] = []
        until = time.monotonic() + _DEADLINE
        while True:
            while self._inbox:
                found.append(self._inbox.pop(0))
                if done(found[-1]):
                    return found
            if self.closed:
                return found
            left = until - time.monotonic()
            if left <= 0:
                pytest.fail(f"not within {_DEADLINE:g} s, after {[message.start for message in found]}")
            self._receive(left)

    def _answers(self, number: int) -> list[Received]:
        """What came before the answer to a health check."""
        found = self._until(lambda message: message.get("call-id") == f"torture-ping-{number}")
        if self.closed:
            return found
        assert found[-1].status == 200
        return found[:-1]

    def put(self, data: bytes) -> list[Received]:
        self.sock.sendall(data)
        while self._receive(_MOMENT):
            pass
        taken, self._inbox = self._inbox, []
        return taken

    def more(self) -> list[Received]:
        return self._until(lambda message: message.status >= 200)


class Datagrams(_Path):
    """A UDP socket on the port that the top Via names."""

    stream = False

    def __init__(self, proxy: dict[str, Any], port: int) -> None:
        super().__init__(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        self.sock.bind((_HERE, port))
        self.sock.connect((proxy["address"], proxy["udp"]))

    def exchange(self, data: bytes) -> list[Received]:
        number = next(_pings)
        self.sock.sendall(data)
        self.sock.sendall(messages.ping(number))
        return self._answers(number)

    def _receive(self, seconds: float) -> bool:
        self.sock.settimeout(seconds)
        try:
            self._inbox.append(Received(self.sock.recv(65535)))
        except TimeoutError:
            return False
        return True


class Connected(_Path):
    """A TCP or TLS connection."""

    stream = True

    def __init__(self, proxy: dict[str, Any], transport: str) -> None:
        sock = socket.create_connection((proxy["address"], proxy[transport.lower()]), timeout=_DEADLINE)
        if transport == "TLS":
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            sock = context.wrap_socket(sock)
        super().__init__(sock)
        self._data = b""

    def exchange(self, data: bytes) -> list[Received]:
        number = next(_pings)
        self.sock.sendall(data + messages.ping(number))
        return self._answers(number)

    def _receive(self, seconds: float) -> bool:
        self.sock.settimeout(seconds)
        try:
            more = self.sock.recv(65535)
        except TimeoutError:
            return False
        except ConnectionResetError:
            more = b""  # closed while octets of ours were still unread
        if not more:
            self.closed = True
            return False
        found, self._data = cut(self._data + more)
        self._inbox += found
        return True


def health(serve: Serve, transport: str) -> None:
    """The proxy answers on a path that had no part in what came before."""
    with closing(Connected(serve.proxy(_PROXIES[transport]), "TCP")) as line:
        assert line.exchange(b"") == []


@pytest.mark.parametrize(("outcome", "form"), cases(stream=False), ids=name_of)
def test_a_datagram(served: Serve, outcome: Outcome, form: Form) -> None:
    with closing(Datagrams(served.proxy(_PROXIES["UDP"]), outcome.port)) as line:
        converse(outcome, form, line, messages.media_here)
    health(served, "UDP")


@pytest.mark.parametrize("transport", ["TCP", "TLS"])
@pytest.mark.parametrize(("outcome", "form"), cases(stream=True), ids=name_of)
def test_a_stream(served: Serve, outcome: Outcome, form: Form, transport: str) -> None:
    with closing(Connected(served.proxy(_PROXIES[transport]), transport)) as line:
        converse(outcome, form, line, messages.media_here)
    health(served, transport)
