"""rtpengine in user space as a peer: started, and given calls over its ng protocol (a cookie and a bencoded dictionary, over UDP)."""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.calls import HOST, SHORT_TAG, SOURCE_PORT, Call, agreed, described, key_of
from benchmarks.processes import need, running

NG_PORT = 19999
FIRST_PORT, LAST_PORT = 20000, 27999
BACK_PORT = 28000
STARTS_WITHIN = 10.0


@contextmanager
def rtpengine(directory: Path) -> Iterator[int]:
    """Its process, in user space, with the threads it chooses, for the time of the block."""
    command = [
        need("rtpengine", "rtpengine-daemon"), "--foreground", "--log-stderr", "--log-level=4", "--config-file=none", "--table=-1",
        f"--interface={HOST}", f"--listen-ng={HOST}:{NG_PORT}", f"--port-min={FIRST_PORT}", f"--port-max={LAST_PORT}",
    ]  # fmt: skip
    with running(command, directory, 0.2) as process:
        _await()
        yield process.pid


def _await() -> None:
    """Until it answers."""
    deadline = time.monotonic() + STARTS_WITHIN
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect((HOST, NG_PORT))
        sock.settimeout(0.2)
        while True:
            try:
                sock.send(b"up " + _printed({"command": "ping"}))
                if sock.recv(65535).startswith(b"up "):
                    return
            except OSError:
                if time.monotonic() > deadline:
                    raise SystemExit(f"rtpengine did not start within {STARTS_WITHIN:g} s") from None
                time.sleep(0.1)


def relayed_calls(count: int, secure: bool) -> list[Call]:
    """Set up `count` calls, each from a source port of the generator to a back port of it; secure on both sides where on one.

    Where both sides took the same suite rtpengine hands the caller's key on and packets through as they are. So that it decrypts and
    encrypts as an echo does, the callee takes the suite with the shorter tag: the cipher, the hash and its octets are the same.
    """
    calls: list[Call] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect((HOST, NG_PORT))
        sock.settimeout(5)
        for k in range(count):
            source, back = SOURCE_PORT + 2 * k, BACK_PORT + 2 * k
            names = {"call-id": f"bench-{k}", "from-tag": "a", "to-tag": "b"}
            key, other = (key_of(f"ours {k}"), key_of(f"theirs {k}")) if secure else ("-", "-")
            offered = agreed(_command(sock, {"command": "offer", "sdp": described(source, key), **names}), SHORT_TAG)
            answer = described(back, other, SHORT_TAG, offered.line)
            answered = agreed(_command(sock, {"command": "answer", "sdp": answer, **names}))
            calls.append(Call(HOST, answered.port, source, back, key, f"{offered.key}/{SHORT_TAG}" if secure else "-"))
    return calls


def _command(sock: socket.socket, message: dict[str, str]) -> bytes:
    """The description that rtpengine makes of ours."""
    cookie = f"{message['call-id']}-{message['command']} ".encode()
    sock.send(cookie + _printed(message))
    while not (data := sock.recv(65535)).startswith(cookie):
        pass
    answer: dict[str, Any] = _parsed(data, len(cookie))[0]
    if answer["result"] != b"ok":
        raise SystemExit(f"rtpengine: {answer}")
    description: bytes = answer["sdp"]
    return description


def _printed(message: dict[str, str]) -> bytes:
    """A dictionary of texts, bencoded."""
    texts = [text.encode() for pair in sorted(message.items()) for text in pair]
    return b"d" + b"".join(b"%d:%b" % (len(text), text) for text in texts) + b"e"


def _parsed(data: bytes, at: int) -> tuple[Any, int]:
    """The bencoded value that begins at `at`, and where it ends."""
    kind = data[at : at + 1]
    if kind == b"i":
        end = data.index(b"e", at)
        return int(data[at + 1 : end]), end + 1
    if kind in b"dl":
        values, at = [], at + 1
        while data[at : at + 1] != b"e":
            value, at = _parsed(data, at)
            values.append(value)
        if kind == b"l":
            return values, at + 1
        return {name.decode(): value for name, value in zip(values[::2], values[1::2], strict=True)}, at + 1
    colon = data.index(b":", at)
    end = colon + 1 + int(data[at:colon])
    return data[colon + 1 : end], end
