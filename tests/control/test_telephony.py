"""The part of the control API that telephones, on a whole trunk."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from emulator.control.api import Api
from emulator.control.routes import ApiRequest, ApiResponse
from emulator.control.telephony import RING_OCTETS
from emulator.journal.record import CallRecord
from emulator.trunk.callers import Ring
from emulator.trunk.status_callback import url_problem
from tests.support.customer import accepts, answers
from tests.support.network import Network

NUMBER = "447700900000"
ONE = "sip:1234@192.0.2.10:5080"


class Emulator:
    """The emulator of an in-memory network."""

    ready = True
    endpoints = None

    def __init__(self, network: Network) -> None:
        self._network = network
        self.directory = network.trunk.exchange.directory
        self.recorded = b"RIFF"

    def ring(self, ring: Ring) -> CallRecord:
        return self._network.trunk.ring(ring)

    def hang_up(self, id: str) -> bool:
        return self._network.trunk.hang_up(id)

    def dial(self, id: str, digits: str) -> bool:
        return self._network.trunk.dial(id, digits)

    def hold(self, id: str, holds: bool) -> bool:
        return self._network.trunk.hold(id, holds)

    def recording(self, record: CallRecord) -> tuple[Iterator[bytes], int]:
        return iter((self.recorded[:2], self.recorded[2:])), len(self.recorded)

    def callback_problem(self, url: str) -> str | None:
        return url_problem(url)

    def reset(self, done: Callable[[bool], None]) -> None:
        raise NotImplementedError

    def held(self) -> Any:
        raise NotImplementedError


@pytest.fixture
def network() -> Network:
    return Network()


@pytest.fixture
def api(network: Network) -> Api:
    return Api(Emulator(network), network.journal, "127.0.0.1")


def ask(api: Api, method: str, path: str, body: Any = None, **query: str) -> ApiResponse:
    data = body if isinstance(body, bytes) else json.dumps(body).encode() if body is not None else b""
    return api.handle(ApiRequest(method, path, query, {"host": "127.0.0.1:8060"}, data))


def ring(api: Api, query: dict[str, str] | None = None, **how: Any) -> ApiResponse:
    return ask(api, "POST", "/v1/calls", {"number": NUMBER, "caller": "14155550100", "forward": ONE, **how}, **(query or {}))


def value(response: ApiResponse) -> Any:
    return json.loads(response.content())


def test_a_call_is_placed_at_once(api: Api, network: Network) -> None:
    network.customer(script=accepts)
    network.journal.event("before")
    response = ring(api)
    call = value(response)
    assert (response.status, response.headers["Location"]) == (201, "/v1/calls/1")
    assert (call["direction"], call["state"], call["called"], call["events_after"]) == ("inbound", "trying", NUMBER, 1)
    network.clock.advance(0)
    call = value(ask(api, "GET", "/v1/calls/1"))
    assert call["state"] == "answered" and [attempt["outcome"] for attempt in call["attempts"]] == ["answered"]
    assert [event["kind"] for event in value(ask(api, "GET", "/v1/events", after="1"))["events"]] == [
        "call.started", "call.attempt", "call.attempt-ended", "call.answered",
    ]  # fmt: skip


def test_waiting_until_it_is_over(api: Api, network: Network) -> None:
    network.customer(script=answers(486))
    heard: list[ApiResponse] = []
    response = ring(api, {"wait": "30s"})
    assert response.later is not None and not response.body
    response.later(heard.append)
    network.clock.advance(0)
    assert [(one.status, *map(value(one).get, ("state", "status", "ended_by"))) for one in heard] == [(201, "refused", 486, "called")]
    network.clock.advance(60)
    assert len(heard) == 1 and not network.clock.pending


def test_waiting_until_it_is_answered_and_no_longer_than_asked(api: Api, network: Network) -> None:
    network.customer(script=answers(180))
    heard: list[ApiResponse] = []
    for until in ("answered", "over"):
        response = ring(api, {"wait": "2", "until": until})
        assert response.later is not None
        response.later(heard.append)
    network.clock.advance(1)
    network.customers["UDP", ("192.0.2.10", 5080)].calls[0].accept()
    assert [value(one)["state"] for one in heard] == ["answered"]
    network.clock.advance(1)
    assert [value(one)["state"] for one in heard] == ["answered", "ringing"]


def test_a_client_that_goes_away_waits_no_more(api: Api, network: Network) -> None:
    network.customer(script=answers(180))
    for _ in range(250):
        response = ring(api, {"wait": "30s"}, number="447700900001")
        assert response.status == 201
        if response.later is not None:
            stop = response.later(lambda response: pytest.fail("nobody waits"))
            stop()
            stop()
        network.trunk.hang_up_all(lambda: None)
    assert not [event for event in network.journal.events() if event.kind == "error"]


def test_those_who_wait_are_bounded(api: Api, network: Network) -> None:
    network.customer(script=answers(180))
    for at in range(100):
        response = ring(api, {"wait": "30s"}, number=f"4477009{at // 50:05d}")
        assert response.later is not None
        response.later(lambda response: None)
    assert ring(api, {"wait": "30s"}, number="447700900009").status == 503
    assert ring(api, number="447700900009").status == 201


@pytest.mark.parametrize("query", [{"wait": "soon"}, {"wait": "2h"}, {"wait": "-1"}, {"wait": "1", "until": "rung"}])
def test_a_wait_that_is_none(api: Api, query: dict[str, str]) -> None:
    assert ring(api, query).status == 400


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ({"number": "+447700900000"}, "number"),
        ({"number": None}, "number"),
        ({"callr": "1"}, "did you mean 'caller'?"),
        ({"play": "x"}, "media.prompts"),
        ({"talk": "soon"}, "talk 'soon' is no time"),
        ({"talk": -1}, "talk"),
        ({"digits": "12E"}, "digits"),
        ({"proxy": "us-9-1"}, "us-3-1"),
        ({"region": "mars"}, "us, eu or ap"),
        ({"region": "us", "proxy": "eu-3-1"}, "leave one out"),
        ({"again": 100000}, "again"),
        ({"headers": {"Via": "x"}}, "trunk's own"),
        ({"headers": {"X-A": "a\r\nVia: b"}}, "control character"),
        ({"headers": {"X A": "b"}}, "header name"),
        ({"samples": "AAA"}, "samples"),
        ({"samples": "AA=="}, "two octets"),
        ({"caller": 'a"b'}, "caller"),
        ({"voice_status_callback": "http://198.51.100.1/"}, "webhook.allowed_hosts"),
        ({"number": "447700900999", "forward": None}, "no number of the account"),
    ],
)
def test_a_ring_that_is_none(api: Api, network: Network, how: dict[str, Any], told: str) -> None:
    response = ring(api, **how)
    assert response.status == 400 and told in value(response)["detail"], value(response)
    assert not len(network.journal)


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"3", b"\xff", b"[" * 50000, b'{"number": "447700900000", "number2": 1}', b'{"a":' * 9000]
)
def test_bodies_that_are_no_ring(api: Api, body: bytes) -> None:
    """robustness 17: deep JSON."""
    assert ask(api, "POST", "/v1/calls", body).status == 400


def test_a_minute_of_samples_fits_and_no_more(api: Api, network: Network) -> None:
    network.customer(script=accepts)
    import base64

    assert ring(api, samples=base64.b64encode(bytes(960_000)).decode()).status == 201
    assert ring(api, samples=base64.b64encode(bytes(960_002)).decode()).status == 400
    assert ring(api, samples="A" * RING_OCTETS).status == 413


def test_mistakes_in_a_forward_list_have_their_place(api: Api) -> None:
    response = ring(api, forward="sip:1@pbx.example.net;timeout=1, tel:+1")
    assert response.status == 422 and [one["position"] for one in value(response)["problems"]] == [22, 33]
    assert "forward, column 23" in value(response)["detail"]


def test_digits_and_hold_in_a_call(api: Api, network: Network) -> None:
    network.customer(script=accepts)
    ring(api, play="silence")
    assert ask(api, "POST", "/v1/calls/1/dtmf", {"digits": "1"}).status == 409
    assert ask(api, "POST", "/v1/calls/1/hold", {"hold": True}).status == 409
    network.clock.advance(0)
    assert ask(api, "POST", "/v1/calls/1/dtmf", {"digits": "12#"}).status == 200
    network.clock.advance(1)
    assert {packet[12] for packet in network.ports[-1].sent if packet[1] & 127 == 101} == {1, 2, 11}
    assert ask(api, "POST", "/v1/calls/1/hold", {"hold": True}).status == 200
    network.clock.advance(0)
    customer = network.customers["UDP", ("192.0.2.10", 5080)].call
    customer.expect("INVITE", "ACK")
    assert "a=sendonly\r\n" in customer.expect("INVITE").body.decode()
    assert ask(api, "POST", "/v1/calls/1/hold", {"hold": False}).status == 409
    for path, body in (
        ("dtmf", {"digits": "x"}),
        ("dtmf", {}),
        ("dtmf", {"digits": "1", "more": 1}),
        ("hold", {"hold": "perhaps"}),
        ("hold", []),
    ):
        assert ask(api, "POST", f"/v1/calls/1/{path}", body).status == 400
        assert ask(api, "POST", f"/v1/calls/7/{path}", body).status == 404


def test_a_recording_is_had_when_the_call_is_over(api: Api, network: Network) -> None:
    network.customer(script=accepts)
    ring(api)
    assert ask(api, "GET", "/v1/calls/1/recording").status == 409
    network.clock.advance(0)
    network.trunk.hang_up("1")
    response = ask(api, "GET", "/v1/calls/1/recording")
    assert (response.status, response.content_type, response.content(), response.length) == (200, "audio/wav", b"RIFF", 4)
    assert ask(api, "GET", "/v1/calls/9/recording").status == 404


def test_numbers_are_read_changed_and_taken_away(api: Api, network: Network) -> None:
    network.customer(script=answers(180))
    assert [one["number"] for one in value(ask(api, "GET", "/v1/numbers"))["numbers"]] == [NUMBER]
    change = {
        "forward": f"{ONE};transport=tcp;media=srtp, pbx.example.net",
        "region": "us",
        "voice_status_callback": "http://localhost:1/x",
    }
    response = ask(api, "PUT", "/v1/numbers/14155550199", change)
    number = value(response)
    assert response.status == 200 and (number["forward"], number["region"]) == (change["forward"], "us")
    assert number["targets"][0] == {"uri": f"{ONE};transport=tcp", "transport": "TCP", "srtp": True, "timeout": 5.0}
    assert number["targets"][1]["uri"] == "sip:14155550199@pbx.example.net"
    assert ask(api, "PUT", f"/v1/numbers/{NUMBER}", {"forward": ONE}).status == 200
    assert ring(api, forward=None).status == 201
    assert value(ask(api, "GET", f"/v1/numbers/{NUMBER}"))["channels_in_use"] == 1
    assert ask(api, "DELETE", "/v1/numbers/14155550199").status == 200
    assert ask(api, "DELETE", "/v1/numbers/14155550199").status == 404
    assert ask(api, "GET", "/v1/numbers/14155550199").status == 404


def test_a_region_may_be_named_by_its_host(api: Api) -> None:
    assert value(ask(api, "PUT", "/v1/numbers/14155550199", {"region": "sip-eu.vonage.com"}))["region"] == "eu"
    assert ask(api, "POST", "/v1/calls", {"number": "14155550199", "proxy": "sip-eu-3-1.nexmo.com", "region": "eu"}).status == 201


@pytest.mark.parametrize(
    ("number", "change", "status"),
    [
        ("x", {}, 400),
        ("0123456789", {}, 400),
        ("1" * 16, {}, 400),
        ("14155550199", {"forwards": "x"}, 400),
        ("14155550199", {"region": "mars"}, 400),
        ("14155550199", {"forward": "sip:1@h;timeout=99"}, 422),
        ("14155550199", {"voice_status_callback": "ftp://localhost/"}, 400),
        ("14155550199", [], 400),
    ],
)
def test_changes_that_are_none(api: Api, number: str, change: Any, status: int) -> None:
    assert ask(api, "PUT", f"/v1/numbers/{number}", change).status == status
    assert len(value(ask(api, "GET", "/v1/numbers"))["numbers"]) == 1
