"""Scenarios over the control API."""

import json
from typing import Any

import pytest

from emulator.control.openapi import document
from emulator.control.routes import ApiRequest, ApiResponse
from emulator.control.scenarios import Stories
from tests.scenario.stage import memory_scenarios
from tests.support.network import Network


class Emulator:
    def __init__(self) -> None:
        self.network = Network()
        self.scenarios = memory_scenarios(self.network)


@pytest.fixture
def emulator() -> Emulator:
    return Emulator()


@pytest.fixture
def stories(emulator: Emulator) -> Stories:
    return Stories(emulator)


def start(stories: Stories, *steps: Any, **query: str) -> ApiResponse:
    body = json.dumps({"name": "A story", "steps": list(steps)}).encode()
    return stories.start_scenario(ApiRequest("POST", "/v1/scenarios", query=query, body=body))


def get(stories: Stories, id: str = "1") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(stories.scenario(ApiRequest("GET", ""), id).body)
    return found


def test_a_scenario_is_started_and_looked_at(stories: Stories, emulator: Emulator) -> None:
    answer = start(stories, {"down": "us-3"}, {"expect": {"call": {}, "within": "5s"}})
    assert answer.status == 201 and answer.headers["Location"] == "/v1/scenarios/1"
    report = get(stories)
    assert report["state"] == "running" and [step["outcome"] for step in report["steps"]] == ["done", "running"]
    emulator.network.phone("us-4-1").call()
    emulator.network.clock.advance(0)
    assert get(stories)["state"] == "passed"
    listed = json.loads(stories.scenarios(ApiRequest("GET", "")).body)["scenarios"]
    assert [(one["id"], one["name"], one["state"]) for one in listed] == [("1", "A story", "passed")]


def test_the_newest_is_called_last(stories: Stories, emulator: Emulator) -> None:
    """As of calls."""
    for answer in (stories.scenario(ApiRequest("GET", ""), "last"), stories.stop_scenario(ApiRequest("DELETE", ""), "last")):
        assert answer.status == 404 and json.loads(answer.body)["detail"] == "there was no scenario yet"
    start(stories, {"note": "x"})
    start(stories, {"run": "pbx reload"})
    assert get(stories, "last")["id"] == "2"
    ended = stories.end_command(ApiRequest("POST", "", body=b'{"code": 0}'), "last", "5")
    assert json.loads(ended.body)["detail"] == "scenario 2 does not wait for a command of step '5'"
    assert json.loads(stories.end_command(ApiRequest("POST", "", body=b'{"code": 0}'), "last", "0").body)["state"] == "passed"
    start(stories, {"wait": 5})
    assert json.loads(stories.stop_scenario(ApiRequest("DELETE", ""), "last").body)["state"] == "stopped"


def test_the_description_names_it() -> None:
    described = document()["paths"]
    for path, method in (("/v1/calls/{id}", "get"), ("/v1/scenarios/{id}", "get"), ("/v1/scenarios/{id}", "delete")):
        assert "`last` is the newest" in described[path][method]["summary"], path


def test_one_at_a_time(stories: Stories, emulator: Emulator) -> None:
    start(stories, {"wait": 5})
    assert start(stories, {"wait": 5}).status == 409
    emulator.network.clock.advance(5)
    assert start(stories, {"wait": 5}).status == 201


def test_only_the_last_are_kept(stories: Stories, emulator: Emulator) -> None:
    for _ in range(25):
        start(stories, {"note": "x"})
    assert len(json.loads(stories.scenarios(ApiRequest("GET", "")).body)["scenarios"]) == 20
    assert stories.scenario(ApiRequest("GET", ""), "1").status == 404 and get(stories, "25")["state"] == "passed"


def test_commands(stories: Stories) -> None:
    start(stories, {"run": "pbx reload"})
    assert get(stories)["command"] == {"number": 0, "command": ["pbx reload"], "within": 30.0}

    def end(body: bytes, step: str = "0", id: str = "1") -> ApiResponse:
        return stories.end_command(ApiRequest("POST", "", body=body), id, step)

    assert (
        end(b'{"code": 0}', "1").status == 409 and end(b'{"code": 0}', "x").status == 409 and end(b'{"code": 0}', "9" * 5000).status == 409
    )
    assert end(b'{"code": "x"}').status == 400 and end(b"{").status == 400 and end(b"{}", id="9").status == 404
    assert json.loads(end(b'{"code": 3}').body)["kind"] == "command"


def test_stopping(stories: Stories) -> None:
    start(stories, {"wait": 5})

    def stop(id: str = "1", **query: str) -> ApiResponse:
        return stories.stop_scenario(ApiRequest("DELETE", "", query=query), id)

    assert stop("2").status == 404 and stop(kind="other").status == 400
    report = json.loads(stop(kind="command", why="the program under test ended with exit code 1").body)
    assert (report["state"], report["kind"], report["steps"][0]["came"]) == (
        "failed",
        "command",
        "the program under test ended with exit code 1",
    )
    start(stories, {"wait": 5})
    assert json.loads(stop("2").body)["state"] == "stopped"


def test_going_on_after_a_failure(stories: Stories, emulator: Emulator) -> None:
    start(stories, {"expect": {"call": {}, "within": 1}}, {"wait": 1}, keep_going="true")
    emulator.network.clock.advance(1)
    assert get(stories)["state"] == "running"


@pytest.mark.parametrize(
    ("body", "status", "detail"),
    [
        (b"{", 400, "not JSON"),
        (b"[" * 50000, 400, "nested too deeply"),
        (b"[]", 422, "the document: not a mapping"),
        (b'{"name": "x", "steps": [{"dwon": "us-3"}]}', 422, "steps.0.dwon: unknown step 'dwon'; did you mean 'down'?"),
        (b'{"name": "x", "steps": [{"fault": {"refuse": 99}}]}', 422, "steps.0.fault.refuse: "),
    ],
)
def test_what_is_no_scenario(stories: Stories, body: bytes, status: int, detail: str) -> None:
    answer = stories.start_scenario(ApiRequest("POST", "", body=body))
    assert answer.status == status and json.loads(answer.body)["detail"].startswith(detail), answer.body
