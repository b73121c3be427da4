"""What the API says over HTTP: real sockets, a reactor turned by hand, a clock that is stepped."""

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest

from emulator.clock import SteppedClock
from emulator.control.routes import ApiRequest, ApiResponse, listing
from emulator.control.server import ControlServer
from emulator.control.turns import TURN
from emulator.journal.journal import Journal
from tests.support.loop import Loop, loop


class Answers:
    """An API that answers as a test says."""

    def __init__(self) -> None:
        self.answer: Callable[[ApiRequest], ApiResponse] = lambda request: ApiResponse(200, b"{}")

    def handle(self, request: ApiRequest) -> ApiResponse:
        return self.answer(request)


class Place:
    """A server, and who asks it. `steps` has the time go on with the reactor."""

    def __init__(self, turned: Loop) -> None:
        self.turned = turned
        self.clock = SteppedClock()
        self.journal = Journal(self.clock)
        self.api = Answers()
        self.errors: list[Exception] = []
        api: Any = self.api
        self.server = ControlServer(turned.reactor, self.clock, api, self.journal, self.errors.append)
        self.server.listen("127.0.0.1", 0)
        self.made = 0

    def ask(self, line: str = "GET /x HTTP/1.1", more: str = "", buffer: int = 0) -> socket.socket:
        client = socket.socket()
        if buffer:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        client.connect(("127.0.0.1", self.server.port))
        client.sendall(f"{line}\r\nHost: localhost\r\n{more}\r\n".encode())
        client.setblocking(False)
        return client

    def steps(self, condition: Callable[[], object], what: str) -> None:
        def stepped() -> object:
            self.clock.advance(TURN)
            return condition()

        self.turned.until(stepped, what)

    def stalls(self) -> None:
        """The time goes on until nothing more is made."""
        before = -1

        def stands() -> bool:
            nonlocal before
            self.turned.turn(3)
            before, last = self.made, before
            return last > 0 and self.made == last

        self.steps(stands, "a pause")

    def read(self, client: socket.socket, end: bytes = b"") -> bytes:
        """All up to `end`, or up to the end of the connection."""
        data = b""
        over = False

        def whole() -> bool:
            nonlocal data, over
            try:
                got = client.recv(1 << 20)
                data, over = data + got, not got
            except BlockingIOError:
                pass
            return over or bool(end and data.endswith(end))

        self.steps(whole, "the end of the response")
        return data

    def numbers(self, count: int, octets: int = 100, each: float = TURN / 4) -> ApiResponse:
        """A list; each item takes a while to make."""

        def items() -> Iterator[dict[str, Any]]:
            for number in range(count):
                self.clock.now += each
                self.made += 1
                yield {"number": number, "text": "x" * octets}

        return listing({"numbers": items(), "dropped": 3})


@pytest.fixture
def place() -> Iterator[Place]:
    with loop() as turned:
        place = Place(turned)
        yield place
        closed = place.server.close()
        turned.until(lambda: closed.called, "the end of the server")
        assert not place.errors and not place.clock.pending


def split(data: bytes) -> tuple[str, bytes]:
    head, _, body = data.partition(b"\r\n\r\n")
    return f"{head.decode().lower()}\r\n", body


def unchunked(body: bytes) -> bytes:
    """RFC 9112 7.1, to the letter."""
    whole = b""
    while body:
        size, _, body = body.partition(b"\r\n")
        octets = int(size, 16)
        assert body[octets : octets + 2] == b"\r\n"
        whole, body = whole + body[:octets], body[octets + 2 :]
        if not octets:
            assert not body
            return whole
    raise AssertionError("no last chunk")


def test_what_fits_into_a_turn_has_its_length(place: Place) -> None:
    place.api.answer = lambda request: place.numbers(3)
    with closing(place.ask()) as client:
        head, body = split(place.read(client, b"3}"))
    assert f"content-length: {len(body)}\r\n" in head and "chunked" not in head
    assert [one["number"] for one in json.loads(body)["numbers"]] == [0, 1, 2] and json.loads(body)["dropped"] == 3


def test_what_is_long_comes_in_chunks_and_others_have_their_turn(place: Place) -> None:
    place.api.answer = lambda request: place.numbers(1000) if request.path == "/long" else ApiResponse(200, b"{}")
    with closing(place.ask("GET /long HTTP/1.1")) as client:
        place.turned.until(lambda: place.made, "the first turn")
        assert place.made < 10
        with closing(place.ask()) as other:  # no time passes: the long one rests
            assert place.turned.read(other, end=b"{}") and place.made < 10
        head, body = split(place.read(client, b"0\r\n\r\n"))
        assert "transfer-encoding: chunked" in head and "content-length" not in head
        assert [one["number"] for one in json.loads(unchunked(body))["numbers"]] == list(range(1000))
        client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")  # the connection stays
        assert place.read(client, b"{}").startswith(b"HTTP/1.1 200 ")


def test_a_length_that_is_known_is_said(place: Place) -> None:
    place.api.answer = lambda request: ApiResponse(200, b"", "audio/wav", pieces=iter([b"x" * 60000] * 5), length=300000)
    with closing(place.ask(more="Connection: close\r\n")) as client:
        head, body = split(place.read(client))
    assert "content-length: 300000\r\n" in head and body == b"x" * 300000


def test_http_1_0_has_its_end_with_the_connection(place: Place) -> None:
    place.api.answer = lambda request: place.numbers(100)
    with closing(place.ask("GET /x HTTP/1.0")) as client:
        head, body = split(place.read(client))
    assert "chunked" not in head and len(json.loads(body)["numbers"]) == 100


@pytest.mark.parametrize(
    ("target", "path"),
    [("/v1/calls?a=b", "/v1/calls"), ("http://localhost:8060/v1/calls?a=b", "/v1/calls"), ("HTTP://localhost", "/")],
)
def test_the_whole_uri_of_a_request_means_its_path(place: Place, target: str, path: str) -> None:
    """RFC 9112 3.2.2: what is sent to a proxy, "a server MUST accept the absolute-form in requests"."""
    asked: list[str] = []

    def answer(request: ApiRequest) -> ApiResponse:
        asked.append(request.path)
        return ApiResponse(200, b"{}")

    place.api.answer = answer
    with closing(place.ask(f"GET {target} HTTP/1.1")) as client:
        place.read(client, b"{}")
    assert asked == [path]


def test_head_makes_nothing(place: Place) -> None:
    place.api.answer = lambda request: place.numbers(1000)
    with closing(place.ask("HEAD /x HTTP/1.1", "Connection: close\r\n")) as client:
        assert place.read(client).endswith(b"\r\n\r\n") and not place.made


def test_work_without_octets_has_its_turns_too(place: Place) -> None:
    def pieces() -> Iterator[bytes]:
        for _ in range(50):
            place.clock.now += TURN
            place.made += 1
            yield b""
        yield b"{}"

    place.api.answer = lambda request: ApiResponse(200, pieces=pieces())
    with closing(place.ask()) as client:
        place.turned.until(lambda: place.made, "the first turn")
        assert place.made == 1
        assert unchunked(split(place.read(client, b"0\r\n\r\n"))[1]) == b"{}"


def test_no_more_is_made_than_is_read(place: Place) -> None:
    place.api.answer = lambda request: place.numbers(1200, 10000, 0.0)
    with closing(place.ask(buffer=65536)) as client:
        place.stalls()
        assert place.made < 1000
        _, body = split(place.read(client, b"0\r\n\r\n"))  # and goes on when it is read
        assert len(json.loads(unchunked(body))["numbers"]) == 1200


def test_who_reads_nothing_is_cut_off(place: Place) -> None:
    place.api.answer = lambda request: place.numbers(5000, 10000, 0.0)
    with closing(place.ask(buffer=4096)) as client:
        place.stalls()
        before = place.made
        place.clock.advance(59)
        assert place.server._site._channels and place.made == before
        place.clock.advance(2)
        place.turned.until(lambda: not place.server._site._channels, "the end of the connection")
        assert not place.clock.pending
        with pytest.raises(ConnectionResetError):
            while client.recv(1 << 20):
                pass


def test_who_goes_away_has_nothing_made_any_more(place: Place) -> None:
    place.api.answer = lambda request: place.numbers(5000, 10000)
    client = place.ask()
    place.turned.until(lambda: place.made, "the first turn")
    client.close()
    place.steps(lambda: not place.server._site._channels, "the end of the connection")
    made = place.made
    place.clock.advance(10)
    assert place.made == made < 5000 and not place.clock.pending


def test_half_of_a_response_does_not_pass_for_the_whole(place: Place) -> None:
    def pieces() -> Iterator[bytes]:
        yield b"x" * 100000
        raise RuntimeError("ours")

    place.api.answer = lambda request: ApiResponse(200, pieces=pieces())
    with closing(place.ask()) as client:
        data = b""
        with pytest.raises(ConnectionResetError):
            data = place.read(client)
        assert not data.endswith(b"0\r\n\r\n")
    assert [str(error) for error in place.errors] == ["ours"]
    place.errors.clear()


def test_a_file_that_has_become_shorter_keeps_nobody_waiting_for_the_rest(place: Place) -> None:
    place.api.answer = lambda request: ApiResponse(200, b"", "audio/wav", pieces=iter([b"x" * 60000] * 3), length=300000)
    with closing(place.ask()) as client, pytest.raises(ConnectionResetError):
        place.read(client)
    assert [str(error) for error in place.errors] == ["180000 octets were made of 300000"]
    place.errors.clear()


def test_events_of_the_past_come_in_turns_and_then_those_of_now(place: Place) -> None:
    for number in range(3000):
        place.journal.event("old", number=number)
    place.api.answer = lambda request: ApiResponse(200, b"", "text/event-stream", events_after=1)
    look = place.clock.seconds

    def seconds() -> float:
        place.clock.now += TURN / 100
        return look()

    place.clock.seconds = seconds
    with closing(place.ask()) as client:
        place.turned.until(lambda: place.server.streams, "the stream")
        place.turned.turn(1)
        some = client.recv(1 << 20).count(b"event: old")
        assert 0 < some < 300
        place.journal.event("new")  # while it is behind
        data = b""

        def caught_up() -> bool:
            nonlocal data
            try:
                data += client.recv(1 << 20)
            except BlockingIOError:
                pass
            return b"event: new" in data

        place.steps(caught_up, "the newest event")
        place.journal.event("newer")
        place.steps(lambda: caught_up() and b"event: newer" in data, "the event after it")
    heard = [int(line[4:]) for line in data.decode().splitlines() if line.startswith("id: ")]
    assert heard == list(range(3002 - len(heard) + 1, 3003)) and len(heard) + some == 3001
    place.steps(lambda: not place.server.streams, "the end of the stream")


def test_when_the_emulator_stops_what_was_said_arrives(place: Place) -> None:
    """`vsim tail` prints the last events, and ends as what it reads does."""
    place.api.answer = lambda request: ApiResponse(200, b"", "text/event-stream", events_after=0)
    with closing(place.ask()) as client, closing(place.ask("GET /idle HTTP/1.1")) as idle:
        place.turned.until(lambda: len(place.server.streams) == 2, "the streams")
        place.journal.event("stopping")
        closed = place.server.close()
        for one in (client, idle):
            data = place.turned.read(one, end=b"0\r\n\r\n")
            assert b"event: stopping" in data
        place.turned.until(lambda: closed.called, "the end")
    assert not place.clock.pending


def test_who_reads_nothing_keeps_no_emulator_from_stopping(place: Place) -> None:
    place.api.answer = lambda request: place.numbers(5000, 10000, 0.0)
    with closing(place.ask(buffer=4096)):
        place.stalls()
        closed = place.server.close()
        place.turned.turn()
        assert not closed.called
        place.clock.advance(1)
        place.turned.until(lambda: closed.called, "the end")


def test_a_stream_that_is_not_read_is_cut_off(place: Place) -> None:
    for _ in range(5000):
        place.journal.event("old", text="x" * 1000)
    place.api.answer = lambda request: ApiResponse(200, b"", "text/event-stream", events_after=1)
    with closing(place.ask(buffer=4096)):
        for _ in range(50):
            place.turned.turn(1)
            place.clock.advance(TURN)
        assert place.server.streams
        for _ in range(1001):
            place.journal.event("new")
        place.turned.until(lambda: not place.server.streams, "the end of the stream")
