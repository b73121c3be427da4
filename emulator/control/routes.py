"""What the control API is made of: a request and a response as values, and a route from one to the other."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

import msgspec

from emulator.control.model import ForwardProblem, Problem

MAX_BODY = 65536
"""Octets of a body, where a route says nothing else."""
JSON = "application/json"
_PROBLEM = "application/problem+json"

_TITLES = {
    400: "Bad request", 403: "Forbidden", 404: "Not found", 405: "Method not allowed", 409: "Conflict", 413: "Body too large",
    422: "Unusable", 503: "Unavailable",
}  # fmt: skip


@dataclass(slots=True)
class ApiRequest:
    """One request; header names in lower case, the last value of a repeated query parameter. `example` is a body that its route takes."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    example: str = ""

    def value(self) -> Any:
        """The body's JSON as plain data. Raises `ValueError`, which says what is wrong."""
        write = f"; write {self.example}" if self.example else ""
        if not self.body.strip():
            raise ValueError(f"a JSON body is missing{write}")
        try:
            return msgspec.json.decode(self.body)
        except RecursionError:
            raise ValueError("nested too deeply; write a flat object") from None
        except msgspec.DecodeError as error:
            raise ValueError(f"not JSON: {error}{write}") from None

    def flag(self, name: str) -> bool:
        """Whether a query parameter is true; it is not where it is left out. Raises `ValueError`."""
        text = self.query.get(name, "false")
        if text not in ("true", "false"):
            raise ValueError(f"{name} is true or false, not {text[:20]!r}")
        return text == "true"


Finish = Callable[["ApiResponse"], None]
Later = Callable[[Finish], Callable[[], None]]
"""Waits for a response and hands it over once; returns what ends the waiting."""


@dataclass(slots=True)
class ApiResponse:
    """One response. `events_after` is set when the body is an event stream that goes on from that event; with `later` there is no
    response yet. `pieces` stand for a body that may be long, or takes long to make: each takes little time, and may be empty; `length`
    is in octets, where it is known before."""

    status: int
    body: bytes = b""
    content_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)
    events_after: int | None = None
    later: Later | None = None
    pieces: Iterator[bytes] | None = None
    length: int | None = None

    def content(self) -> bytes:
        """The whole body; pieces are there once."""
        return self.body if self.pieces is None else b"".join(self.pieces)


@dataclass(frozen=True, slots=True)
class Route:
    """One method of one path; `{id}` or `{number}` in the path stands for one segment. `takes` is the type of the body, `example` one of
    that kind, `most` its octets at most; `gives` the type of content when it is no JSON."""

    method: str
    path: str
    summary: str
    result: Any
    handler: str
    query: Sequence[tuple[str, str]] = ()
    takes: Any = None
    example: str = ""
    most: int = MAX_BODY
    status: int = 200
    gives: str = JSON

    def match(self, path: str) -> list[str] | None:
        """The variable segments of `path` when it fits."""
        wanted, given = self.path.split("/"), path.split("/")
        if len(wanted) != len(given):
            return None
        arguments: list[str] = []
        for want, got in zip(wanted, given, strict=True):
            if want.startswith("{"):
                if not got:
                    return None
                arguments.append(unquote(got))
            elif want != got:
                return None
        return arguments


def result(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> ApiResponse:
    """A JSON response."""
    return ApiResponse(status, json.dumps(msgspec.to_builtins(value), default=str).encode(), headers=headers or {})


def listing(value: Mapping[str, Any]) -> ApiResponse:
    """A JSON object that may be long."""
    return ApiResponse(200, pieces=in_pieces(value))


def in_pieces(value: Mapping[str, Any]) -> Iterator[bytes]:
    """A JSON object, piece by piece; a value that is an iterator becomes a list, item by item."""
    before = "{"
    for name, content in value.items():
        yield f"{before}{json.dumps(name)}: ".encode()
        if isinstance(content, Iterator):
            between = "["
            for item in content:
                yield (between + json.dumps(msgspec.to_builtins(item), default=str)).encode()
                between = ", "
            yield b"]" if between == ", " else b"[]"
        else:
            yield json.dumps(msgspec.to_builtins(content), default=str).encode()
        before = ", "
    yield b"}"


def problem(status: int, detail: str, headers: Mapping[str, str] | None = None, problems: Sequence[ForwardProblem] = ()) -> ApiResponse:
    """An error as RFC 9457 writes it."""
    body = msgspec.to_builtins(Problem("about:blank", _TITLES.get(status, "Error"), status, detail, list(problems)))
    return ApiResponse(status, json.dumps(body).encode(), _PROBLEM, headers or {})


def no_call(id: str) -> ApiResponse:
    """There is no call of that name."""
    return problem(404, "there was no call yet" if id == "last" else f"no call {id[:40]!r}; GET /v1/calls lists them")
