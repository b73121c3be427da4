"""Faults over the control API, without HTTP."""

import json
from typing import Any

import pytest

from emulator.control.api import Api
from emulator.control.routes import ApiRequest
from emulator.trunk import regions
from tests.control.test_api import Emulator
from tests.support.faulty import Faulty


class Control:
    """An API over a network on which things go wrong."""

    def __init__(self) -> None:
        self.network = Faulty()
        emulator = Emulator(self.network.journal)
        emulator.faults = self.network.faults
        self._api = Api(emulator, self.network.journal, "127.0.0.1")  # type: ignore[arg-type]

    def ask(self, method: str, path: str, value: Any = None, status: int = 200) -> Any:
        body = b"" if value is None else value if isinstance(value, bytes) else json.dumps(value).encode()
        response = self._api.handle(ApiRequest(method, path, headers={"host": "127.0.0.1"}, body=body))
        assert response.status == status, response.body
        return json.loads(response.content())


@pytest.fixture
def control() -> Control:
    return Control()


def test_added_listed_and_taken_away(control: Control) -> None:
    assert control.ask("GET", "/v1/faults") == {"faults": [], "down": {}, "seed": 5}
    added = control.ask("POST", "/v1/faults", {"refuse": 503, "where": {"site": "us-3", "method": "INVITE"}, "for": "30s"}, 201)
    assert added == {
        "id": "1", "fault": "refuse 503 where site=us-3 method=INVITE for=30s", "state": "on", "added": 1_700_000_000.0, "matched": 0,
        "hits": 0, "near_misses": [], "spec": {"refuse": {"status": 503}, "where": {"site": ["us-3"], "method": ["INVITE"]}, "for": 30.0},
    }  # fmt: skip
    assert control.ask("POST", "/v1/faults", "drop where method=BYE", 201)["id"] == "2"
    phone = control.network.phone()
    phone.invite()
    phone.expect(503)
    control.network.clock.advance(30)
    listed = control.ask("GET", "/v1/faults")["faults"]
    assert [(one["id"], one["state"], one["hits"]) for one in listed] == [("1", "over", 1), ("2", "on", 0)]
    assert listed[1]["near_misses"] == ["no BYE came; 2 others did, the last: 503 to INVITE"]
    assert control.ask("DELETE", "/v1/faults/2") == {"done": "fault 2 taken away"}
    assert control.ask("DELETE", "/v1/faults") == {"done": "1 fault taken away"}
    assert control.network.at_rest
    assert [event.kind for event in control.network.journal.events()][:3] == ["fault.added", "outage", "fault.added"]


def test_what_was_given_can_be_given_again(control: Control) -> None:
    spec = control.ask("POST", "/v1/faults", "media jitter=30ms loss=5% where direction=in called=44* every=2", 201)["spec"]
    assert control.ask("POST", "/v1/faults", spec, 201)["spec"] == spec


@pytest.mark.parametrize(
    ("value", "status", "detail"),
    [
        ("refsue 503", 422, "did you mean 'refuse'?"),
        ({"drop": True, "where": {"sit": "us-3"}}, 422, "where.sit: unknown key 'sit'; did you mean 'site'?"),
        ({"drop": True, "where": {"sit": "us-3"}, "times": 0}, 422, "'site'?\ntimes '0': write a whole"),
        (b"{", 400, "not JSON"),
        (b"[" * 50000, 400, "nested too deeply"),
        (b"", 400, 'a JSON body is missing; write {"refuse": 503, "where": {"site": "us-3"}}'),
        (7, 422, "'7' is no fault; known here: "),
    ],
)  # fmt: skip
def test_mistakes_say_what_to_write(control: Control, value: Any, status: int, detail: str) -> None:
    said = control.ask("POST", "/v1/faults", value, status)
    assert detail in said["detail"]


def test_down_and_up(control: Control) -> None:
    said = control.ask("POST", "/v1/down", {"name": "us-3", "how": "503", "for": "1m", "calls": "cut"})
    assert said == {"changed": ["us-3-1", "us-3-2"], "down": {"us-3-1": ["503"], "us-3-2": ["503"]}, "fault": "1"}
    assert control.ask("POST", "/v1/down", {"name": "us-3-1"})["down"] == {"us-3-1": ["503", "drop"], "us-3-2": ["503"]}
    assert control.ask("GET", "/v1/faults")["down"] == {"us-3-1": ["503", "drop"], "us-3-2": ["503"]}
    assert control.ask("POST", "/v1/up", {"name": "us-3-1"}) == {"changed": ["us-3-1"], "down": {"us-3-2": ["503"]}, "fault": None}
    assert control.ask("POST", "/v1/up", "all") == {"changed": ["us-3-2"], "down": {}, "fault": None}
    assert control.ask("POST", "/v1/up", "all")["changed"] == []
    assert control.network.at_rest


@pytest.mark.parametrize(
    ("host", "changed"),
    [
        ("sip-eu-3-1.vonage.com", ["eu-3-1"]),
        ("SIP-US-3.nexmo.com.", ["us-3-1", "us-3-2"]),
        ("sip-us.vonage.com", ["us-3-1", "us-3-2", "us-4-1", "us-4-2"]),
        ("sip.nexmo.com", list(regions.PROXIES)),
    ],
)
def test_a_host_name_stands_for_its_place(control: Control, host: str, changed: list[str]) -> None:
    assert control.ask("POST", "/v1/down", {"name": host})["changed"] == changed
    assert control.ask("POST", "/v1/up", host) == {"changed": changed, "down": {}, "fault": None}


@pytest.mark.parametrize(
    ("path", "value", "detail"),
    [
        ("/v1/down", "sip-us-33.vonage.com", "no proxy, site or region 'us-33'; did you mean 'us-3'?"),
        ("/v1/down", "sip-all.vonage.com", "no proxy, site or region 'sip-all.vonage.com'; write all"),
        ("/v1/down", {"name": "us-5"}, "no proxy, site or region 'us-5'; did you mean"),
        ("/v1/down", {"name": "nowhere"}, "write all, a region (us, eu, ap), a site (us-3, "),
        ("/v1/down", {"name": "us-3", "how": "gently"}, "how 'gently' is none of drop, refuse, 503, reset"),
        ("/v1/down", {"name": "us-3", "for": "soon"}, "for 'soon' is no time; write seconds"),
        ("/v1/down", {}, "name is missing; write a name such as us-3"),
        ("/v1/up", {"name": "us", "how": "drop"}, "how: unknown"),
        ("/v1/up", {"name": "mars"}, "no proxy, site or region 'mars'"),
    ],
)
def test_unknown_places_and_ways(control: Control, path: str, value: Any, detail: str) -> None:
    assert detail in control.ask("POST", path, value, 422)["detail"]


def test_an_unknown_fault_is_not_found(control: Control) -> None:
    assert control.ask("DELETE", "/v1/faults/9", status=404)["detail"] == "no fault '9'; there is none"
