"""Calls per second and at once, vonage-facts default 15."""

from emulator.trunk.limits import LimitPolicy
from emulator.trunk.trunk import Policy
from tests.support.network import Network
from tests.support.phone import Phone


def try_call(network: Network, user: str = "abcd1234", secret: str = "OfflineSecret1", caller: str = "447700900000") -> tuple[int, Phone]:
    """One attempt; its final status."""
    phone = network.phone(user=user, secret=secret, caller=caller)
    phone.dial()
    final = phone.inbox[-1]
    phone.inbox.clear()
    phone.ack(final)
    return final.status, phone


def findings(network: Network) -> list[str]:
    return [finding.code for record in network.journal.calls() for finding in record.findings]


def events(network: Network) -> int:
    return sum("limit.calls-per-second" in str(event.fields) for event in network.journal.events())


def test_more_than_three_a_second_are_told_of_and_placed() -> None:
    network = Network()
    assert [try_call(network)[0] for _ in range(6)] == [200] * 6
    assert findings(network) == ["limit.calls-per-second"] * 3
    assert events(network) == 1  # a flood is not worth an event each
    network.clock.advance(1)
    assert try_call(network)[0] == 200
    assert findings(network).count("limit.calls-per-second") == 3


def test_strict_refuses_what_is_beyond_and_does_not_count_it() -> None:
    network = Network(Policy(limits=LimitPolicy(strict=True)))
    assert [try_call(network)[0] for _ in range(5)] == [200, 200, 200, 503, 503]
    network.clock.advance(0.99)
    assert try_call(network)[0] == 503
    network.clock.advance(0.01)
    assert try_call(network)[0] == 200


def test_each_account_has_its_own_count() -> None:
    network = Network(Policy(limits=LimitPolicy(calls_per_second=1, status=480)))
    assert [try_call(network)[0] for _ in range(2)] == [200, 480]
    assert try_call(network, "second", "Secret2", "14155550100")[0] == 200


def test_calls_at_once_are_given_back_when_they_end() -> None:
    network = Network(Policy(limits=LimitPolicy(calls_per_second=1000, calls_at_once=2)))
    first = try_call(network)[1]
    assert [try_call(network)[0] for _ in range(2)] == [200, 503]
    first.in_dialog("BYE")
    first.expect(200)
    assert [try_call(network)[0] for _ in range(2)] == [200, 503]
    network.trunk.hang_up_all(lambda: None)
    assert [try_call(network)[0] for _ in range(3)] == [200, 200, 503]


def test_a_refused_call_takes_no_place() -> None:
    network = Network(Policy(limits=LimitPolicy(calls_per_second=1000, calls_at_once=1)))
    phone = network.phone()
    body = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4 RTP/AVP 3\r\n"
    phone.dial(body=body)
    phone.ack(phone.expect(488))
    assert [try_call(network)[0] for _ in range(2)] == [200, 503]
