"""The control API without HTTP."""

import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import msgspec
import pytest

from emulator.clock import SteppedClock
from emulator.config import Unusable
from emulator.control import model, openapi
from emulator.control.api import LONGEST_BODY, ROUTES, Api
from emulator.control.model import AccountKey, DnsEndpoint, Endpoints, MediaEndpoint
from emulator.control.openapi import document
from emulator.control.routes import MAX_BODY, ApiRequest, ApiResponse, Route
from emulator.journal.findings import Finding
from emulator.journal.journal import Journal
from emulator.journal.record import CallRecord
from emulator.sip.flow import Path
from emulator.trunk.callers import Ring
from emulator.trunk.directory import Directory, Entry
from emulator.trunk.status_callback import url_problem
from tests.scenario.stage import memory_scenarios
from tests.support.faulty import Faulty
from tests.support.pcapng import read

PATH = Path("UDP", ("127.0.13.1", 5060), ("192.0.2.10", 5070))


class Emulator:
    def __init__(self, journal: Journal | None = None) -> None:
        self.ready = True
        self.journal = journal
        self.directory = Directory([Entry("447700900000", "sip:1@127.0.0.1:5080")])
        self.rings: list[Ring] = []
        self.endpoints: Endpoints | None = Endpoints(
            pid=1, version="0", layout="loopback", control="http://x", dns=DnsEndpoint(address="a", port=1), ca="ca",
            account=AccountKey(key="k", secret="VerySecret"), media=MediaEndpoint(ports=[1, 2]), proxies={},
        )  # fmt: skip
        self.done: list[str] = []
        self.faults = Faulty().faults
        self.scenarios = memory_scenarios()

    def hang_up(self, id: str) -> bool:
        self.done.append(id)
        return id == "1"

    def reset(self, done: Callable[[bool], None]) -> None:
        self.done.append("reset")
        self.resetting = done

    def ring(self, ring: Ring) -> CallRecord:
        assert self.journal is not None
        if ring.forward is not None:
            self.directory.targets(ring.forward)
        self.rings.append(ring)
        record = self.journal.call(f"ring-{len(self.rings)}")
        record.state, record.called, record.direction = "trying", ring.number, "inbound"
        self.journal.event("call.started", record)
        return record

    def dial(self, id: str, digits: str) -> bool:
        self.done.append(f"dial {id} {digits}")
        return id == "1"

    def hold(self, id: str, holds: bool) -> bool:
        self.done.append(f"hold {id} {holds}")
        return id == "1"

    def recording(self, record: CallRecord) -> tuple[Iterator[bytes], int]:
        if record.id == "1":
            raise Unusable("", "call 1 was not recorded")
        return iter((b"RI", b"FF")), 4

    def callback_problem(self, url: str) -> str | None:
        return url_problem(url)

    def held(self) -> model.Held:
        return model.Held(1, 2, 3, 4, 5, 6, 7, 8, 9, 10)


@pytest.fixture
def emulator(clock: SteppedClock) -> Emulator:
    return Emulator(Journal(clock))


@pytest.fixture
def api(emulator: Emulator, clock: SteppedClock) -> Api:
    journal = emulator.journal
    assert journal is not None
    for name, state in (("a", "answered"), ("b", "ended")):
        record = journal.call(name)
        record.state = state
        record.finding(Finding("called.plus", "+44"))
        journal.message(record, 1.0, True, "us-3-1", b"INVITE sip:x SIP/2.0\r\n\r\n", PATH)
    journal.event("options", None, proxy="us-3-1")
    return Api(emulator, journal, "127.0.0.1", ("vsim.example",))


def call(api: Api, method: str, path: str, **more: Any) -> ApiResponse:
    headers = {"host": "127.0.0.1:8060", **more.pop("headers", {})}
    return api.handle(ApiRequest(method, path, headers=headers, **more))


def body(response: ApiResponse) -> Any:
    return json.loads(response.content())


def test_live_and_ready(api: Api, emulator: Emulator) -> None:
    assert call(api, "GET", "/livez").status == 200 and call(api, "GET", "/readyz").status == 200
    emulator.ready = False
    assert call(api, "GET", "/livez").status == 200 and call(api, "GET", "/readyz").status == 503


def test_the_secret_never_goes_over_http(api: Api) -> None:
    response = call(api, "GET", "/v1/endpoints")
    assert response.status == 200 and b"VerySecret" not in response.body and body(response)["account"] == {"key": "k"}


def test_calls_are_listed_newest_first_and_filtered(api: Api) -> None:
    assert [one["id"] for one in body(call(api, "GET", "/v1/calls"))["calls"]] == ["2", "1"]
    assert [one["id"] for one in body(call(api, "GET", "/v1/calls", query={"state": "ended"}))["calls"]] == ["2"]
    assert len(body(call(api, "GET", "/v1/calls", query={"limit": "1"}))["calls"]) == 1


@pytest.mark.parametrize("limit", ["0", "-1", "x", "1001", "٣", "9" * 5000])
def test_a_limit_that_is_none(api: Api, limit: str) -> None:
    assert call(api, "GET", "/v1/calls", query={"limit": limit}).status == 400


def test_one_call(api: Api) -> None:
    assert body(call(api, "GET", "/v1/calls/last"))["messages"][0]["text"].startswith("INVITE")
    assert call(api, "GET", "/v1/calls/77").status == 404
    by_call_id = call(api, "GET", f"/v1/calls/{quote(body(call(api, 'GET', '/v1/calls/last'))['call_id'], safe='')}")
    assert body(by_call_id) == body(call(api, "GET", "/v1/calls/last"))


def test_a_capture_of_one_call(api: Api) -> None:
    for id in ("2", "last"):
        response = call(api, "GET", f"/v1/calls/{id}/pcap")
        assert (response.status, response.content_type) == (200, "application/x-pcapng")
        assert response.headers["Content-Disposition"] == 'attachment; filename="call-2.pcapng"'
        content = response.content()
        assert [packet.payload[:6] for packet in read(content).packets] == [b"INVITE"]
        assert call(api, "GET", f"/v1/calls/{id}/pcap", query={"decrypt": "true"}).content() == content  # there is nothing to
    assert call(api, "GET", "/v1/calls/77/pcap").status == 404
    refused = call(api, "GET", "/v1/calls/1/pcap", query={"decrypt": "yes"})
    assert refused.status == 400 and "decrypt is true or false, not 'yes'" in refused.body.decode()
    assert call(api, "GET", "/v1/calls/1/pcap", headers={"origin": "http://evil.example"}).status == 403


def test_hanging_up(api: Api, emulator: Emulator) -> None:
    assert call(api, "DELETE", "/v1/calls/1").status == 200
    assert call(api, "DELETE", "/v1/calls/2").status == 409
    assert call(api, "DELETE", "/v1/calls/9").status == 404
    assert emulator.done == ["1", "2"]


def test_events_as_a_list_and_as_a_stream(api: Api) -> None:
    assert [event["kind"] for event in body(call(api, "GET", "/v1/events"))["events"]] == ["options"]
    assert body(call(api, "GET", "/v1/events", query={"after": "1"}))["events"] == []
    stream = call(api, "GET", "/v1/events", headers={"accept": "text/event-stream", "last-event-id": "1"})
    assert (stream.content_type, stream.events_after) == ("text/event-stream", 1)
    stream = call(api, "GET", "/v1/events", headers={"accept": "text/event-stream"}, query={"after": "0"})
    assert stream.events_after == 0, "all that is kept, as in the list"
    assert call(api, "GET", "/v1/events", headers={"accept": "text/event-stream"}).events_after == 1, "from now on"
    assert call(api, "GET", "/v1/events", query={"after": "x"}).status == 400


def test_reset(api: Api, emulator: Emulator) -> None:
    """It answers once it is done, however long that takes."""
    for well, status in ((True, 200), (False, 500)):
        later, answers = call(api, "POST", "/v1/reset").later, []
        assert later is not None
        stop = later(answers.append)
        assert not answers
        stop()  # nobody waits: it goes on
        emulator.resetting(well)
        assert [answer.status for answer in answers] == [status]
    assert emulator.done == ["reset"] * 2


@pytest.mark.parametrize("host", ["localhost:1", "127.0.0.1", "127.9.9.9:80", "[::1]:8060", "vsim.example:1", "LOCALHOST"])
def test_hosts_that_are_its_own(api: Api, host: str) -> None:
    assert call(api, "GET", "/livez", headers={"host": host}).status == 200


@pytest.mark.parametrize(
    "headers",
    [{"host": "evil.example"}, {"host": ""}, {"host": "127.0.0.1.evil.example"}, {"origin": "http://evil.example"}, {"origin": "null"}],
)
def test_foreign_hosts_and_origins_are_refused(api: Api, headers: dict[str, str]) -> None:
    """robustness 17: a web page must not drive it."""
    assert call(api, "POST", "/v1/reset", headers=headers).status == 403


@pytest.mark.parametrize("path", ["", "/", "/v1", "/v1/calls/", "/v1/calls/1/2", "/../etc/passwd", "/v1/calls/..%2f", "/openapi.json/"])
def test_paths_that_are_none(api: Api, path: str) -> None:
    response = call(api, "GET", path)
    assert response.status == 404 and response.content_type == "application/problem+json"


@pytest.mark.parametrize("route", [(route.path, route.method) for route in ROUTES], ids=str)
def test_each_route_has_its_methods_and_no_other(api: Api, route: tuple[str, str]) -> None:
    path = filled(route[0])
    own = {one.method for one in ROUTES if one.path == route[0]}
    for method in {"GET", "POST", "PUT", "DELETE", "PATCH"} - own:
        response = call(api, method, path)
        assert response.status == 405 and set(response.headers["Allow"].split(", ")) == own | ({"HEAD"} if "GET" in own else set())


def test_a_body_is_bounded(api: Api) -> None:
    assert call(api, "POST", "/v1/reset", body=b"[" * (MAX_BODY + 1)).status == 413
    assert call(api, "POST", "/v1/calls", body=b"[" * (LONGEST_BODY + 1)).status == 413
    assert call(api, "POST", "/v1/calls", body=b"[" * (MAX_BODY + 1)).status == 400


TAKING = [route for route in ROUTES if route.takes is not None]


@pytest.mark.parametrize("route", TAKING, ids=lambda route: route.handler)
def test_a_body_that_is_missing_or_no_json_is_told_what_it_looks_like(api: Api, route: Route) -> None:
    if route.handler == "end_command":
        call(api, "POST", "/v1/scenarios", body=BODIES["start_scenario"])
    for sent, told in ((b"", "a JSON body is missing"), (b" \n", "a JSON body is missing"), (b"x", "not JSON: "), (b"{", "not JSON: ")):
        response = call(api, route.method, filled(route.path), body=sent)
        assert response.status == 400
        assert body(response)["detail"].startswith(told) and body(response)["detail"].endswith(f"; write {route.example}")


@pytest.mark.parametrize("route", [route for route in TAKING if route.handler != "end_command"], ids=lambda route: route.handler)
def test_what_a_body_is_said_to_look_like_is_taken(api: Api, route: Route) -> None:
    assert call(api, route.method, filled(route.path), body=route.example.encode()).status == route.status


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_a_query_parameter_that_there_is_not_is_told(api: Api, route: Route) -> None:
    response = call(api, route.method, filled(route.path), query={"bogus": "1"}, body=BODIES.get(route.handler, b""))
    assert response.status == 400
    known = ", ".join(sorted(dict(route.query)))
    assert body(response)["detail"] == "unknown query parameter 'bogus'; " + (f"known here: {known}" if known else "none is known here")


@pytest.mark.parametrize(
    ("method", "path", "query", "told"),
    [
        ("GET", "/v1/calls", {"limt": "5"}, "unknown query parameter 'limt'; did you mean 'limit'?"),
        ("GET", "/v1/failover", {"all": "yes"}, "all is true or false, not 'yes'"),
        ("POST", "/v1/scenarios", {"keep_going": "1"}, "keep_going is true or false, not '1'"),
    ],
)
def test_a_query_says_what_to_write(api: Api, method: str, path: str, query: dict[str, str], told: str) -> None:
    response = call(api, method, path, query=query, body=BODIES["start_scenario"])
    assert (response.status, body(response)["detail"]) == (400, told)


@pytest.mark.parametrize(
    ("method", "path", "sent", "told"),
    [
        ("POST", "/v1/calls", {}, "number is missing; write digits only, country code first"),
        (
            "POST",
            "/v1/calls",
            {"number": 1, "talk": "soon"},
            "number '1': write digits only, country code first, 7 to 15 of them\ntalk 'soon'",
        ),
        ("POST", "/v1/calls", {"number": "447700900000", "from": "1"}, "from: unknown key 'from'; here it is called 'caller'"),
        ("POST", "/v1/calls", {"number": "447700900000", "headers": []}, "headers is a list; write `key: value` lines"),
        ("POST", "/v1/calls", {"number": "447700900000", "again": 5000}, "again '5000': write a whole number from 0 to 1000"),
        ("POST", "/v1/calls", {"number": "447700900000", "talk": -1}, "talk '-1' is no time; write seconds, or text such as 500ms"),
        ("POST", "/v1/calls", {"number": "447700900000", "talk": "9h"}, "talk '9h': write a time such as 500ms, 10s, 2m from 0 to 7200 s"),
        ("POST", "/v1/calls", {"number": "447700900000", "samples": "!!"}, "samples '!!': "),
        ("PUT", "/v1/numbers/447700900000", {"region": "mars"}, "region 'mars' is none of us, eu, ap"),
        ("PUT", "/v1/numbers/447700900000", {"forwad": "x"}, "forwad: unknown key 'forwad'; did you mean 'forward'?"),
        ("PUT", "/v1/numbers/447700900000", [], "this is not a mapping; write `forward: …`, `region: …`, `voice_status_callback: …`"),
        ("POST", "/v1/calls/1/dtmf", {}, "digits is missing; write 1 to 64 of 0 to 9, *, #, A to D, and commas"),
        ("POST", "/v1/calls/1/hold", {"hold": "perhaps"}, "hold 'perhaps' is neither true nor false"),
        ("PATCH", "/v1/calls", None, "PATCH is not for this; write GET or POST"),
    ],
)
def test_a_mistake_in_a_body_says_what_to_write(api: Api, method: str, path: str, sent: Any, told: str) -> None:
    response = call(api, method, path, body=json.dumps(sent).encode())
    assert 400 <= response.status < 500 and body(response)["detail"].startswith(told)


def test_last_where_there_was_no_call_is_told_so(clock: SteppedClock) -> None:
    journal = Journal(clock)
    empty = Api(Emulator(journal), journal, "127.0.0.1")
    for method, path in (("GET", "/v1/calls/last"), ("DELETE", "/v1/calls/last"), ("GET", "/v1/calls/last/recording")):
        assert body(call(empty, method, path))["detail"] == "there was no call yet"


def filled(path: str) -> str:
    """A route's path with something in its place."""
    return path.replace("{id}", "1" if "recording" not in path else "2").replace("{number}", "447700900000").replace("{step}", "0")


BODIES = {
    "ring": b'{"number": "447700900000", "caller": "14155550100"}',
    "dtmf": b'{"digits": "12#"}',
    "hold": b'{"hold": true}',
    "start_scenario": b'{"name": "x", "steps": [{"run": "true"}, {"wait": 5}]}',
    "end_command": b'{"code": 0}',
    "put_number": b'{"forward": "sip:1@127.0.0.1:5080"}',
    "add_fault": b'{"refuse": 503}',
    "down": b'{"name": "us-3", "for": "30s"}',
    "up": b'{"name": "us-3"}',
}
"""Of the requests that have one."""


def test_the_description_says_what_a_ring_may_hold() -> None:
    """Whoever has nothing but /openapi.json can place a call."""
    ring = document()["components"]["schemas"]["Ring"]["properties"]
    assert {name for name, one in ring.items() if not _described(one)} == set()
    assert {"string", "number"} <= {kind.get("type") for kind in _kinds(ring["talk"])}, "5s as well as 5"


def _described(schema: dict[str, Any]) -> bool:
    return any("description" in kind for kind in _kinds(schema))


def _kinds(schema: dict[str, Any]) -> list[dict[str, Any]]:
    return [schema, *(inner for kind in schema.get("anyOf", ()) for inner in _kinds(kind))]


def test_the_description_is_openapi_and_answers_fit_their_models(api: Api, emulator: Emulator) -> None:
    from openapi_spec_validator import validate

    described = document()
    validate(described)
    for route in ROUTES:
        assert route.method.lower() in described["paths"][route.path]
        if route.handler == "_openapi":
            continue
        response = call(api, route.method, filled(route.path), body=BODIES.get(route.handler, b""))
        if response.later is not None:
            answers: list[ApiResponse] = []
            response.later(answers.append)
            emulator.resetting(True)
            (response,) = answers
        assert response.status == route.status and response.content_type == route.gives
        if route.gives != "application/json":
            continue
        content = response.content()
        msgspec.json.decode(content, type=route.result, strict=True)
        missing = set(schema_of(described, route)) - set(json.loads(content))
        assert not missing, f"{route.path} lacks {missing}"


def test_the_description_is_made_once(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes as long as a hundred calls."""
    made: list[None] = []
    monkeypatch.setattr(openapi, "document", lambda: made.append(None) or {"openapi": "3.1.0"})
    openapi.encoded.cache_clear()
    try:
        assert {call(api, "GET", "/openapi.json").content() for _ in range(3)} == {b'{"openapi": "3.1.0"}'} and len(made) == 1
    finally:
        openapi.encoded.cache_clear()


def schema_of(described: dict[str, Any], route: Any) -> list[str]:
    response = described["paths"][route.path][route.method.lower()]["responses"][str(route.status)]
    reference = response["content"]["application/json"]["schema"]
    schema = described["components"]["schemas"][reference["$ref"].rpartition("/")[2]]
    required: list[str] = schema.get("required", [])
    return required


def test_the_description_has_every_kind_of_answer(api: Api, emulator: Emulator) -> None:
    paths = document()["paths"]
    for path in ("/v1/calls/{id}/pcap", "/v1/calls/{id}/recording"):
        (content,) = paths[path]["get"]["responses"]["200"]["content"].values()
        assert content == {}, "octets as they are, as OpenAPI 3.1 writes it, and not base64"
    streamed = call(api, "GET", "/v1/events", headers={"accept": "text/event-stream"})
    assert streamed.content_type in paths["/v1/events"]["get"]["responses"]["200"]["content"]
    emulator.ready = False
    early = call(api, "GET", "/readyz")
    described = paths["/readyz"]["get"]["responses"][str(early.status)]["content"][early.content_type]["schema"]
    assert described == paths["/readyz"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]


def test_a_problem_is_rfc_9457(api: Api) -> None:
    msgspec.json.decode(call(api, "GET", "/none").body, type=model.Problem)


def test_what_is_held(api: Api) -> None:
    held = body(call(api, "GET", "/v1/held"))
    assert held["calls"] == 1 and held["journal_octets"] == 9 and set(held) == set(model.Held.__struct_fields__)
