"""Session timers, RFC 4028."""

import pytest

from emulator.sip.timers import SessionTimerPolicy
from emulator.trunk.behaviour import Behaviour
from emulator.trunk.trunk import Policy
from tests.support.network import Network
from tests.support.phone import SDP, Phone, Received


@pytest.fixture
def network() -> Network:
    return Network(Policy(behaviour=Behaviour(silence_timeout=0)))


def answer_reinvite(phone: Phone, request: Received, extra: str = "", status: int = 200, body: str = SDP) -> None:
    """Answer a re-INVITE of the trunk's."""
    lines = [f"SIP/2.0 {status} Whatever"]
    lines += [f"{name.title()}: {value}" for name, value in request.headers if name in ("via", "from", "to", "call-id", "cseq")]
    lines.append(f"Contact: <sip:{phone.caller}@{phone.host}:{phone.port}>")
    if body:
        extra += "Content-Type: application/sdp\r\n"
    phone.transmit("\r\n".join(lines) + f"\r\n{extra}Content-Length: {len(body)}\r\n\r\n{body}")


def ended_by(network: Network) -> str:
    record = network.journal.get("last")
    assert record is not None
    return record.ended_by


@pytest.mark.parametrize(
    ("headers", "answered", "required"),
    [
        ("", None, None),
        ("Supported: timer\r\n", None, None),
        ("Supported: timer\r\nSession-Expires: 1800\r\n", "1800;refresher=uac", "timer"),
        ("k: timer, x\r\nx: 120;refresher=uas\r\n", "120;refresher=uas", "timer"),
        ("Supported: timer\r\nSession-Expires: 90 ;Refresher=UAC;x=y\r\nMin-SE: 90\r\n", "90;refresher=uac", "timer"),
        ("Require: timer\r\nSession-Expires: 1800;refresher=uas\r\n", "1800;refresher=uas", "timer"),
        ("Session-Expires: 1800\r\n", "1800;refresher=uas", None),
        ("Session-Expires: 1800;refresher=uac\r\n", "1800;refresher=uas", None),
        ("Session-Expires: 30\r\n", "90;refresher=uas", None),
        ("Supported: timer\r\nSession-Expires: 100\r\nMin-SE: 200\r\n", "200;refresher=uac", "timer"),
        ("Supported: timer\r\nSession-Expires: 1800;refresher=nobody\r\n", "1800;refresher=uac", "timer"),
    ],
)
def test_what_the_2xx_says(network: Network, headers: str, answered: str | None, required: str | None) -> None:
    """9, table 2, and erratum 1687 for a client that knows no timers."""
    response = network.phone().call(extra=headers)
    assert (response.get("session-expires"), response.get("require")) == (answered, required)


def test_an_interval_that_is_too_small(network: Network) -> None:
    phone = network.phone()
    phone.dial(extra="Supported: timer\r\nSession-Expires: 89\r\n")
    refused = phone.expect(422)
    assert refused.get("min-se") == "90"
    phone.ack(refused)
    network.clock.advance(40)
    assert network.idle


@pytest.mark.parametrize(("header", "value"), [("Session-Expires", "soon"), ("Session-Expires", "-1"), ("Min-SE", "4294967296")])
def test_headers_that_make_no_sense(network: Network, header: str, value: str) -> None:
    phone = network.phone()
    extra = f"Supported: timer\r\n{header}: {value}\r\n" + ("Session-Expires: 100\r\n" if header == "Min-SE" else "")
    phone.dial(extra=extra)
    assert header in (phone.expect(400).get("warning") or "")


def test_a_client_that_does_not_refresh_is_hung_up_before_the_interval_ends(network: Network) -> None:
    """10: 32 s, or a third of the interval if that is less, before its end."""
    for interval, last in ((1800, 1768), (90, 60)):
        phone = network.phone()
        phone.call(extra=f"Supported: timer\r\nSession-Expires: {interval};refresher=uac\r\n")
        network.clock.advance(last - 0.1)
        phone.expect_nothing()
        network.clock.advance(0.1)
        phone.respond(phone.expect("BYE"), 200)
        assert ended_by(network) == "no-refresh"


def test_each_reinvite_of_the_client_starts_the_interval_anew_or_ends_it(network: Network) -> None:
    phone = network.phone()
    extra = "Supported: timer\r\nSession-Expires: 90;refresher=uac\r\n"
    phone.call(extra=extra)
    for again in (extra, extra, "Supported: timer\r\n"):
        network.clock.advance(45)
        phone.dial(extra=again)
        answered = phone.expect(200)
        assert (answered.get("session-expires") is not None) == ("Session-Expires" in again)
        phone.ack(answered)
    network.clock.advance(1000)
    phone.expect_nothing()
    phone.in_dialog("BYE")
    phone.expect(200)
    network.clock.advance(40)
    assert network.idle


def test_the_trunk_refreshes_at_half_the_interval(network: Network) -> None:
    """7.4, 10; by re-INVITE, for the trunk sends no UPDATE (vonage-facts 7)."""
    phone = network.phone()
    phone.call(extra="Supported: timer\r\nSession-Expires: 120;refresher=uas\r\n")
    for _ in range(3):
        network.clock.advance(59.9)
        phone.expect_nothing()
        network.clock.advance(0.1)
        refresh = phone.expect("INVITE")
        assert refresh.get("session-expires") == "120;refresher=uac" and refresh.get("supported") == "timer"
        assert b"m=audio 10000 " in refresh.body
        answer_reinvite(phone, refresh, "Require: timer\r\nSession-Expires: 120;refresher=uac\r\n")
        acknowledged = phone.expect("ACK")
        assert (acknowledged.get("cseq") or "").split()[0] == (refresh.get("cseq") or "").split()[0]
        answer_reinvite(phone, refresh, "Require: timer\r\nSession-Expires: 120;refresher=uac\r\n")
        phone.expect("ACK")  # the first was lost
    phone.in_dialog("BYE")
    phone.expect(200)
    network.clock.advance(40)
    assert network.idle


def test_timer_is_advertised_where_the_rfc_wants_it(network: Network) -> None:
    """RFC 3261 13.3.1.4 and 11.2; vonage-facts, default 38: in the 2xx to INVITE and OPTIONS, outside calls and inside."""
    phone = network.phone()
    phone.remote_target = "sip:sip-us.vonage.com"
    phone.in_dialog("OPTIONS")
    assert phone.expect(200).get("supported") == "timer"
    phone.remote_target = ""
    assert phone.call().get("supported") == "timer"
    phone.in_dialog("OPTIONS")
    assert phone.expect(200).get("supported") == "timer"
    phone.in_dialog("INFO")
    assert phone.expect(200).get("supported") is None


def test_a_refresh_whose_answer_names_no_timer_ends_it(network: Network) -> None:
    phone = network.phone()
    phone.call(extra="Session-Expires: 120\r\n")
    network.clock.advance(60)
    answer_reinvite(phone, phone.expect("INVITE"))
    phone.expect("ACK")
    network.clock.advance(1000)
    phone.expect_nothing()


@pytest.mark.parametrize("status", [408, 481])
def test_a_peer_that_has_forgotten_the_dialog_gets_bye(network: Network, status: int) -> None:
    phone = network.phone()
    phone.call(extra="Session-Expires: 120\r\n")
    network.clock.advance(60)
    answer_reinvite(phone, phone.expect("INVITE"), status=status, body="")
    phone.expect("ACK", "BYE")
    assert ended_by(network) == "gone"


def test_a_refresh_that_is_never_answered(network: Network) -> None:
    phone = network.phone(transport="TCP")
    phone.call(extra="Session-Expires: 400\r\n")
    network.clock.advance(200)
    phone.expect("INVITE")
    network.clock.advance(32)
    phone.expect("BYE")
    assert ended_by(network) == "gone"


def test_glare_is_waited_out(network: Network) -> None:
    """14.1: 0 to 2 s, for the trunk does not own the Call-ID; and 491 for the client's own (14.2)."""
    phone = network.phone()
    phone.call(extra="Session-Expires: 120\r\n")
    network.clock.advance(60)
    refresh = phone.expect("INVITE")
    phone.invite()
    challenged = phone.expect(491)
    phone.ack(challenged)
    answer_reinvite(phone, refresh, status=491, body="")
    phone.expect("ACK")
    waited = 0.0
    while not phone.inbox:
        network.clock.advance(0.01)
        waited += 0.01
    assert waited < 2.02
    answer_reinvite(phone, phone.expect("INVITE"), "Session-Expires: 120;refresher=uac\r\n")
    phone.expect("ACK")
    network.clock.advance(30)
    phone.expect_nothing()


def test_422_to_a_refresh_raises_the_interval(network: Network) -> None:
    """7.3."""
    phone = network.phone()
    phone.call(extra="Session-Expires: 120\r\n")
    network.clock.advance(60)
    answer_reinvite(phone, phone.expect("INVITE"), "Min-SE: 300\r\n", status=422, body="")
    phone.expect("ACK")
    again = phone.expect("INVITE")
    assert (again.get("session-expires"), again.get("min-se")) == ("300;refresher=uac", "300")
    answer_reinvite(phone, again, "Session-Expires: 300;refresher=uac\r\n")
    phone.expect("ACK")
    network.clock.advance(149)
    phone.expect_nothing()
    network.clock.advance(1)
    phone.expect("INVITE")


def test_a_refused_refresh_leaves_the_session_until_it_expires(network: Network) -> None:
    phone = network.phone()
    phone.call(extra="Session-Expires: 120\r\n")
    network.clock.advance(60)
    answer_reinvite(phone, phone.expect("INVITE"), status=488, body="")
    phone.expect("ACK")
    record = network.journal.get("last")
    assert record is not None and [finding.code for finding in record.findings] == ["session-timer.refresh-refused"]
    network.clock.advance(28)
    phone.expect("BYE")
    assert ended_by(network) == "no-refresh"


def test_bye_while_a_refresh_is_under_way(network: Network) -> None:
    phone = network.phone()
    phone.call(extra="Session-Expires: 120\r\n")
    network.clock.advance(60)
    refresh = phone.expect("INVITE")
    phone.in_dialog("BYE")
    phone.expect(200)
    answer_reinvite(phone, refresh, status=481, body="")
    phone.expect("ACK")
    network.clock.advance(40)
    phone.expect_nothing()
    assert ended_by(network) == "caller" and network.idle


def test_who_refreshes_when_the_client_does_not_say_is_a_setting() -> None:
    network = Network(Policy(behaviour=Behaviour(session_timer=SessionTimerPolicy(200, "uas"))))
    assert network.phone().call(extra="Supported: timer\r\nSession-Expires: 200\r\n").get("session-expires") == "200;refresher=uas"
