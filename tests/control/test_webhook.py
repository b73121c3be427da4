"""Status callbacks: real sockets, a reactor turned by hand, a clock that is stepped."""

import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from emulator.clock import SteppedClock
from emulator.control.webhook import Webhook
from emulator.journal.attempt import Attempt
from emulator.journal.journal import Journal
from emulator.journal.record import CallRecord
from emulator.trunk.status_callback import payload, url_problem
from tests.support.loop import Loop, loop


class Told:
    """A program of the customer's that is told; each connection is answered as a test says."""

    def __init__(self, turned: Loop) -> None:
        self._loop = turned
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.setblocking(False)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/status?x=1"
        self.connections: list[socket.socket] = []

    def accept(self) -> socket.socket:
        def come() -> bool:
            try:
                self.connections.append(self._listener.accept()[0])
            except BlockingIOError:
                return False
            return True

        self._loop.until(come, "a connection")
        return self.connections[-1]

    def request(self) -> tuple[bytes, Any]:
        """The head of the request that comes, and its JSON."""
        data = self._loop.read(self.accept(), end=b"}")
        head, _, body = data.partition(b"\r\n\r\n")
        return head, json.loads(body)

    def answer(self, status: int, more: bytes = b"") -> None:
        self.connections[-1].sendall(b"HTTP/1.1 %d So\r\nContent-Length: %d\r\n\r\n" % (status, len(more)) + more)

    def ended(self) -> bool:
        """Whether the connection has been ended by the other side."""
        try:
            return self.connections[-1].recv(1000) == b""
        except ConnectionResetError:
            return True
        except BlockingIOError:
            return False

    def close(self) -> None:
        for one in (self._listener, *self.connections):
            one.close()


class Bench:
    def __init__(self, turned: Loop, **how: Any) -> None:
        self.loop = turned
        self.clock = SteppedClock()
        self.journal = Journal(self.clock)
        self.webhook = Webhook(turned.reactor, self.clock, self.journal, "vsim/test", **how)
        self.told = Told(turned)
        self.record = self.journal.call("a")
        self.record.state, self.record.status, self.record.caller = "refused", 486, "14155550100"

    def send(self, url: str | None = None) -> None:
        self.webhook.send(url or self.told.url, payload(self.record), self.record)

    def kinds(self) -> list[str]:
        return [event.kind for event in self.journal.events()]

    def wait(self, kind: str) -> dict[str, Any]:
        self.loop.until(lambda: kind in self.kinds(), kind)
        return self.journal.events()[-1].fields


@pytest.fixture
def bench() -> Iterator[Bench]:
    with loop() as turned:
        made = Bench(turned)
        yield made
        made.webhook.close()
        made.told.close()
        turned.turn()
        assert not made.clock.pending and not len(made.webhook)


def test_it_is_told_with_the_final_code(bench: Bench) -> None:
    """vonage-facts 9: the final SIP response of the call; the fields are invented."""
    bench.send()
    head, said = bench.told.request()
    assert head.startswith(b"POST /status?x=1 HTTP/1.1\r\n") and b"user-agent: vsim/test" in head.lower()
    assert b"content-type: application/json" in head.lower() and b"content-length: " in head.lower()
    assert (said["sip_code"], said["status"], said["from"], said["direction"]) == (486, "busy", "14155550100", "outbound")
    bench.told.answer(204)
    assert bench.wait("callback.sent") == {"url": bench.told.url, "status": 204, "tries": 1}


def test_it_is_tried_three_times_one_and_two_seconds_apart(bench: Bench) -> None:
    for pause in (1.0, 2.0, None):
        if pause == 1.0:
            bench.send()
        bench.told.request()
        bench.told.answer(500)
        bench.loop.until(lambda: all(callback.request is None for callback in bench.webhook._under_way), "the end of a try")
        if pause is not None:
            bench.clock.advance(pause - 0.001)
            bench.loop.turn()
            bench.clock.advance(0.001)
    assert bench.kinds() == ["callback.failed"]
    assert [finding.seen for finding in bench.record.findings] == ["status 500, after 3 tries"]


def test_one_that_does_not_answer_has_five_seconds(bench: Bench) -> None:
    bench.send()
    for pause in (1.0, 2.0, 0.0):
        bench.told.request()
        bench.clock.advance(4.999)
        assert bench.clock.pending
        bench.clock.advance(0.001)
        bench.loop.turn()
        bench.clock.advance(pause)
    assert [finding.seen for finding in bench.record.findings] == ["no answer in 5 s, after 3 tries"]


@pytest.mark.parametrize(
    ("begin", "more", "seen"),
    [
        (b"HTTP/1.1 200 OK\r\n", b"X-More: " + b"x" * 1000 + b"\r\n", "no end of the headers within 16384 octets"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n", "no end of the headers within 16384 octets"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n", b"", "an answer that is no HTTP"),
    ],
)
def test_an_answer_without_end_is_not_kept(begin: bytes, more: bytes, seen: str) -> None:
    with loop() as turned:
        bench = Bench(turned, tries=1)
        bench.send()
        bench.told.request()
        there = bench.told.connections[-1]
        there.sendall(begin)

        def over() -> bool:
            try:
                there.send(more)
            except BlockingIOError:
                pass
            except OSError:
                return True
            return "callback.failed" in bench.kinds()

        bench.loop.until(over, "the end of it")
        bench.wait("callback.failed")
        assert [finding.seen for finding in bench.record.findings] == [f"{seen}, after 1 try"]
        bench.told.close()


def test_what_is_behind_the_headers_counts_for_nothing(bench: Bench) -> None:
    bench.send()
    bench.told.request()
    bench.told.answer(200, b"x" * 60_000)
    assert bench.wait("callback.sent")["status"] == 200


def test_nobody_listens(bench: Bench) -> None:
    free = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{free.getsockname()[1]}/"
    free.close()
    bench.send(url)
    for pause in (1.0, 2.0):
        bench.loop.until(lambda: any(not callback.request for callback in bench.webhook._under_way), "a try that failed")
        bench.clock.advance(pause)
    assert "refused" in bench.wait("callback.failed")["finding"]


def test_a_redirect_is_not_followed_and_an_endless_answer_not_read(bench: Bench) -> None:
    elsewhere = Told(bench.loop)
    bench.send()
    bench.told.request()
    bench.told.connections[-1].sendall(f"HTTP/1.1 200 OK\r\nLocation: {elsewhere.url}\r\nContent-Length: 1000000000\r\n\r\nx".encode())
    bench.wait("callback.sent")
    bench.loop.until(bench.told.ended, "the end of the connection")
    bench.send()
    bench.told.request()
    bench.told.connections[-1].sendall(f"HTTP/1.1 302 Found\r\nLocation: {elsewhere.url}\r\nContent-Length: 0\r\n\r\n".encode())
    bench.loop.until(lambda: any(not callback.request for callback in bench.webhook._under_way), "a try that failed")
    bench.loop.turn()
    with pytest.raises(BlockingIOError):
        elsewhere._listener.accept()
    elsewhere.close()


def test_too_many_are_dropped() -> None:
    with loop() as turned:
        bench = Bench(turned, waiting=2)
        for _ in range(5):
            bench.send()
        assert bench.kinds() == ["callback.failed"] * 3 and len(bench.webhook) == 2
        bench.webhook.close()
        turned.turn()
        bench.told.close()
        assert not bench.clock.pending and not len(bench.webhook)


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("http://198.51.100.1/", ()),
        ("http://example.net/", ()),
        ("http://localhost.example.net/", ()),
        ("http://127.0.0.1.example.net/", ()),
        ("ftp://127.0.0.1/", ()),
        ("file:///etc/passwd", ()),
        ("http:///x", ()),
        ("127.0.0.1:80", ()),
        ("http://user:word@127.0.0.1/", ()),
        ("http://127.0.0.1:99999/", ()),
        ("http://127.0.0.1:0/", ()),
        ("http://127.0.0.1/a b", ()),
        ("http://127.0.0.1/\r\nX: y", ()),
        ("http://127.0.0.1/é", ()),
        ("http://0x7f000001/", ()),
        ("http://2130706433/", ()),
        ("http://[::ffff:8.8.8.8]/", ()),
        ("http://[::1/", ()),
        ("http://127.0.0.1/" + "x" * 3000, ()),
        ("http://hooks.example.net/", ("other.example.net",)),
    ],
)
def test_who_may_not_be_told(url: str, allowed: tuple[str, ...]) -> None:
    assert url_problem(url, allowed) is not None


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("http://127.0.0.1:8080/x?y=z", ()),
        ("http://LOCALHOST/", ()),
        ("https://[::1]:8443/", ()),
        ("http://127.9.9.9/", ()),
        ("https://hooks.example.net/", ("Hooks.example.net",)),
    ],
)
def test_who_may_be_told(url: str, allowed: tuple[str, ...]) -> None:
    assert url_problem(url, allowed) is None


@pytest.mark.parametrize(
    ("code", "status", "detail"),
    [
        (200, "completed", ""),
        (404, "failed", "cannot_route"),
        (408, "timeout", ""),
        (480, "unanswered", "unavailable"),
        (486, "busy", ""),
        (487, "cancelled", ""),
        (403, "rejected", "restricted"),
        (503, "failed", "internal_error"),
        (302, "failed", "cannot_route"),
        (603, "rejected", "declined"),
        (484, "rejected", "invalid_number"),
    ],
)
def test_the_words_are_those_of_the_voice_api(clock: SteppedClock, code: int, status: str, detail: str) -> None:
    record = CallRecord("1", "a", clock.wall(), clock.seconds())
    record.status = code
    record.attempts.append(Attempt(1, "sip:1@h", "UDP", "192.0.2.1:5060", 0.0))
    said = payload(record)
    assert (said["status"], said["detail"], said["sip_code"], len(said["attempts"])) == (status, detail, code, 1)
