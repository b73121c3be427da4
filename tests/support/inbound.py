"""Calls from Vonage by the control API of a served emulator, and what is asked of them afterwards."""

import base64
import io
import json
import urllib.error
import urllib.request
import wave
from pathlib import Path
from typing import Any

import numpy as np

from tests.support.baresip import Baresip
from tests.support.serve import DEADLINE, Serve, until

NUMBER, CALLER = "447700900000", "14155550100"
RATE = 8000


def ask(serve: Serve, method: str, path: str, body: Any = None, seconds: float = 2 * DEADLINE) -> tuple[int, Any]:
    """Status and content, read where it is JSON."""
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(serve.endpoints["control"] + path, data, method=method)
    try:
        with urllib.request.urlopen(request, timeout=seconds) as response:
            content = response.read()
            return response.status, json.loads(content) if response.headers["Content-Type"] == "application/json" else content
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def ring(serve: Serve, forward: str, until: str = "over", seconds: int = 100, **how: Any) -> dict[str, Any]:
    """Ring a number, and wait until the call is over or answered; how it went by then."""
    body = {"number": NUMBER, "caller": CALLER, "forward": forward, **how}
    status, call = ask(serve, "POST", f"/v1/calls?wait={seconds}s&until={until}", body, seconds + 20)
    assert status == 201, call
    return dict(call)


def shown(serve: Serve, call: dict[str, Any]) -> dict[str, Any]:
    """A call as it is now, with its messages."""
    status, found = ask(serve, "GET", f"/v1/calls/{call['id']}")
    assert status == 200, found
    return dict(found)


def over(serve: Serve, call: dict[str, Any]) -> dict[str, Any]:
    """The call once it has ended."""
    return dict(until(lambda: (now := shown(serve, call))["state"] not in ("trying", "ringing", "answered") and now, "the end of the call"))


def press(serve: Serve, call: dict[str, Any], phone: Baresip, digits: str) -> None:
    """Digits of the customer's, until the journal has them."""

    def media() -> dict[str, Any]:
        return dict(shown(serve, call)["media"])

    phone.dial_slowly(digits, lambda: int(media()["events_received"]), lambda: str(media()["digits"]))


def hang_up(serve: Serve, call: dict[str, Any]) -> None:
    assert ask(serve, "DELETE", f"/v1/calls/{call['id']}")[0] == 200


def sent(serve: Serve, call: dict[str, Any], incoming: bool = False) -> list[str]:
    """The messages of a call that the emulator sent, or got; what a busy machine brings about again counts once."""
    return list(dict.fromkeys(message["text"] for message in shown(serve, call)["messages"] if message["incoming"] is incoming))


def starts(messages: list[str]) -> list[str]:
    """Method or status of each message; one that was sent again counts once."""
    return [text.split(" ")[1 if text.startswith("SIP/2.0 ") else 0] for text in dict.fromkeys(messages)]


def outcomes(call: dict[str, Any]) -> list[tuple[int, str, int | None]]:
    """Of each attempt: its target, how it ended, and with what status."""
    return [(attempt["target"], attempt["outcome"], attempt["status"]) for attempt in call["attempts"]]


def codes(call: dict[str, Any]) -> set[str]:
    return {finding["code"] for finding in call["findings"]}


def samples(path: Path) -> str:
    """A WAV file as a ring takes it."""
    with wave.open(str(path), "rb") as file:
        assert (file.getnchannels(), file.getframerate(), file.getsampwidth()) == (1, RATE, 2)
        return base64.b64encode(file.readframes(file.getnframes())).decode()


def recording(serve: Serve, call: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """What the caller heard, and what it said."""
    status, content = ask(serve, "GET", f"/v1/calls/{call['id']}/recording")
    assert status == 200, content
    with wave.open(io.BytesIO(content)) as file:
        assert (file.getnchannels(), file.getframerate()) == (2, RATE)
        both = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(float)
    return both[::2], both[1::2]


def nothing_left(serve: Serve, transactions: bool = False, seconds: float = 60) -> None:
    """Calls, dialogs and media ports are gone; and the transactions, which live on for 32 s over UDP."""
    names = ("calls", "dialogs", "media_ports", *(("transactions",) if transactions else ()))

    def held() -> dict[str, int]:
        found: dict[str, int] = ask(serve, "GET", "/v1/held")[1]
        return {name: found[name] for name in names if found[name]}

    until(lambda: not held(), f"nothing left over; there are {held()}", seconds)
