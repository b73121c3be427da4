"""The CLI's side of the control API: finds the running emulator and asks it."""

import http.client
import json
import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from emulator.config import Unusable
from emulator.problems import in_words


class NotReachable(Exception):
    """No emulator answers; the text says where it was looked for."""


class Refused(Exception):
    """The emulator answered with a problem; the text is its detail."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status


class Client:
    """Talks to one emulator."""

    def __init__(self, url: str, timeout: float = 10.0, named_by: str = "") -> None:
        """`url` as `http://host:port`; `timeout` in seconds. `named_by` is where the URL stands, when nobody gave it. Raises `Unusable`."""
        parts = urlsplit(url)
        try:
            port = parts.port
        except ValueError:
            port = -1
        if parts.scheme != "http" or not parts.hostname or port == -1:
            raise Unusable(url, "not the address of a control API; write http://127.0.0.1:8060")
        self.url = url.rstrip("/")
        self._host = parts.hostname
        self._port = port or 80
        self._timeout = timeout
        self._stream: socket.socket | None = None
        self._left = False
        self._told = f"{self.url}, which {named_by} names" if named_by else self.url

    def get(self, path: str) -> Any:
        return self._ask("GET", path)

    def get_bytes(self, path: str) -> bytes:
        """What is no JSON, such as a recording."""
        return self._exchange("GET", path)[1]

    def post(self, path: str, value: Any = None) -> Any:
        return self._ask("POST", path, value)

    def put(self, path: str, value: Any) -> Any:
        return self._ask("PUT", path, value)

    def delete(self, path: str) -> Any:
        return self._ask("DELETE", path)

    def _ask(self, method: str, path: str, value: Any = None) -> Any:
        _, body = self._exchange(method, path, value)
        return self._parsed(body)

    def _parsed(self, body: bytes) -> Any:
        try:
            return json.loads(body)
        except ValueError:
            raise NotReachable(f"what answers at {self.url} is no vsim") from None

    def _detail(self, body: bytes) -> str:
        """What a problem says."""
        problem = self._parsed(body)
        return str(problem.get("detail") or problem.get("status") or "")

    def _exchange(self, method: str, path: str, value: Any = None) -> tuple[int, bytes]:
        """One request, with `value` as its JSON; the status and the body of a response that is no problem."""
        sent = json.dumps(value).encode() if value is not None else None
        headers = {"Content-Type": "application/json"} if sent is not None else {}
        connection = http.client.HTTPConnection(self._host, self._port, timeout=self._timeout)
        try:
            connection.request(method, path, sent, headers)
            response = connection.getresponse()
            body = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise NotReachable(f"no emulator answers at {self._told} ({_plainly(error)})") from None
        finally:
            connection.close()
        if response.status >= 400:
            raise Refused(response.status, self._detail(body) or response.reason)
        return response.status, body

    def events(self, after: int | None = None) -> Iterator[dict[str, Any]]:
        """The events as they come, from the one behind `after` on, or from now on; ends when the emulator stops."""
        connection = http.client.HTTPConnection(self._host, self._port, timeout=60)
        try:
            path = "/v1/events" if after is None else f"/v1/events?after={after}"
            connection.request("GET", path, headers={"Accept": "text/event-stream"})
            self._stream = connection.sock
            response = connection.getresponse()
            if response.status != 200:
                raise Refused(response.status, self._detail(response.read()) or response.reason)
            while not self._left and (line := response.readline()):
                if line.startswith(b"data: "):
                    yield json.loads(line[6:])
        except (OSError, http.client.HTTPException) as error:
            if not self._left:
                raise NotReachable(f"no emulator answers at {self._told} ({_plainly(error)})") from None
        finally:
            self._stream = None
            connection.close()

    def leave(self) -> None:
        """End `events`, from whichever thread; for good."""
        self._left = True
        stream = self._stream
        if stream is not None:
            with suppress(OSError):  # it has ended by itself
                stream.shutdown(socket.SHUT_RDWR)


def _plainly(error: OSError | http.client.HTTPException) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return in_words(error) if isinstance(error, OSError) else str(error) or type(error).__name__


def find(url: str | None, endpoints: str | None) -> Client:
    """The emulator named by a flag, by VSIM_URL, or by the endpoints file. Raises `NotReachable` or `Unusable`."""
    if url:
        return Client(url)
    if named := os.environ.get("VSIM_URL"):
        return Client(named, named_by="VSIM_URL")
    return Client(str(read_endpoints(endpoints)["control"]), named_by=str(_path(endpoints)))


def _path(endpoints: str | None) -> Path:
    return Path(endpoints or os.environ.get("VSIM_ENDPOINTS") or "vsim.json")


def read_endpoints(endpoints: str | None) -> dict[str, Any]:
    """The endpoints file of a running emulator. Raises `NotReachable`."""
    path = _path(endpoints)
    try:
        value = json.loads(path.read_bytes())
        if not isinstance(value, dict) or "control" not in value:
            raise ValueError("no control address in it")
    except FileNotFoundError:
        raise NotReachable(f"no emulator runs here: {path} does not exist; start one with `vsim serve`, or name it with --url") from None
    except OSError as error:
        raise NotReachable(f"{path}: {in_words(error)}; name the endpoints file of an emulator of your own with --endpoints") from None
    except ValueError as error:
        why = "no JSON" if isinstance(error, json.JSONDecodeError | UnicodeDecodeError) else error
        raise NotReachable(f"{path} is no endpoints file ({why}); name that of an emulator with --endpoints") from None
    return value
