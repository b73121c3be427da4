"""Kamailio with rtpengine as the customer's SBC: it takes the trunk's calls over each transport and gives them to baresip behind it."""

import itertools
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.baresip import Baresip
from tests.support.inbound import codes, hang_up, nothing_left, outcomes, over, press, ring, samples, sent, starts
from tests.support.sbc import PORT, TLS_PORT, kamailio_and_rtpengine
from tests.support.serve import Serve, need, until
from tests.support.sipp import QUICK, SLOW
from tests.wire.test_inbound_phones import check, odd
from tests.wire.test_linphone import PATIENT, together, voice


class Sbc(NamedTuple):
    """Where Kamailio listens."""

    address: str
    directory: Path

    def target(self, transport: str, user: object, parameters: str = SLOW) -> str:
        return f"sip:{user}@{self.address}:{TLS_PORT if transport == 'tls' else PORT};transport={transport}{parameters}"


@pytest.fixture(scope="module")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    emulator = Serve(Path(tmp_path_factory.mktemp("serve")), env={"VSIM_FORWARDING_RING_LIMIT": "15s"})
    try:
        yield emulator
        nothing_left(emulator)
        emulator.check()
    finally:
        emulator.stop()


@pytest.fixture(scope="module")
def sbc(serve: Serve, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sbc]:
    need("baresip", "baresip-core")
    directory = Path(tmp_path_factory.mktemp("sbc"))
    with kamailio_and_rtpengine(serve, directory, "kamailio_customer.cfg") as address:
        yield Sbc(address, directory)


@pytest.mark.real_time
def test_calls_through_it_over_each_transport_plain_and_secure(serve: Serve, sbc: Sbc, tmp_path: Path) -> None:
    """What is sent in the call goes along its Record-Route; rtpengine opens the trunk's SRTP for the phone."""

    def call(number: int, transport: str, secure: bool) -> None:
        directory = tmp_path / f"{transport}-{secure}"
        directory.mkdir()
        phone_said, said = voice(directory / "in.wav", number, PATIENT), voice(directory / "said.wav", 10 + number)
        with Baresip(directory, "127.0.0.1", "PCMA", account=";answermode=auto") as phone:
            where = sbc.target(transport, phone.listens()["udp"], SLOW + (";media=srtp" if secure else ""))
            call = ring(serve, where, "answered", samples=samples(directory / "said.wav"), record=True, digits="19#")
            assert call["state"] == "answered", call
            phone.plays(2.5)
            phone.hears("19#")
            press(serve, call, phone, "5")
            if number % 2:
                phone.hang_up()
            else:
                hang_up(serve, call)
            call = over(serve, call)
            phone.sees("CALL_CLOSED")
        assert (call["state"], call["ended_by"], call["transport"]) == ("ended", "called" if number % 2 else "trunk", transport.upper())
        assert call["media"]["srtp"] is secure and outcomes(call) == [(1, "answered", 200)]
        assert odd(call) == set(), call["findings"]
        ours = {text.split(" ")[0]: text for text in sent(serve, call)}
        assert f"@127.0.0.1:{where.partition('@')[0][4:]}" in ours["ACK"].partition("\r")[0]
        assert f"\nRoute: <sip:{sbc.address}" in ours["ACK"]
        check(serve, call, said, phone_said, phone.recording)

    ways = itertools.product(("udp", "tcp", "tls"), (False, True))
    together(call, [(number, *way) for number, way in enumerate(ways)])


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
@pytest.mark.parametrize(
    ("user", "status", "finding"),
    [("busy", 486, None), ("redirect", 302, "inbound.redirected"), ("challenge", 401, "inbound.challenged"),
     ("proxy-challenge", 407, "inbound.challenged")],
)  # fmt: skip
def test_it_refuses_or_asks_for_credentials(serve: Serve, sbc: Sbc, transport: str, user: str, status: int, finding: str | None) -> None:
    call = ring(serve, f"{sbc.target(transport, user)}, {sbc.target('udp', 'busy')}")
    assert (call["state"], call["status"], outcomes(call)) == ("refused", status, [(1, "refused", status)])
    assert codes(call) == ({finding} if finding else set())
    assert starts(sent(serve, call)) == ["INVITE", "ACK"] and "uthorization:" not in "".join(sent(serve, call))


@pytest.mark.real_time
def test_the_hunt_goes_past_what_is_down_or_silent(serve: Serve, sbc: Sbc, tmp_path: Path) -> None:
    """503, silence over each transport, and at last the phone, which rings before it answers."""
    voice(tmp_path / "in.wav", 1, PATIENT)
    with Baresip(tmp_path, "127.0.0.1", "PCMA") as phone, ThreadPoolExecutor(1) as pool:
        way = [
            sbc.target("tls", "down"), sbc.target("tcp", "silent", QUICK), sbc.target("udp", "silent", QUICK),
            sbc.target("tls", phone.listens()["udp"]),
        ]  # fmt: skip
        placed = pool.submit(ring, serve, ", ".join(way))
        phone.sees("CALL_INCOMING")
        phone.command("accept")
        phone.sees("CALL_ESTABLISHED")
        phone.hang_up()
        call = placed.result()
    assert outcomes(call) == [(1, "refused", 503), (2, "timeout", None), (3, "timeout", None), (4, "answered", 200)]
    assert (call["state"], call["ended_by"]) == ("ended", "called")


def test_cancelled_through_it(serve: Serve, sbc: Sbc, tmp_path: Path) -> None:
    """By the caller while the phone rings, and by the ring limit after 100 and nothing more."""
    voice(tmp_path / "in.wav", 1, PATIENT)

    def given_up() -> None:
        call = ring(serve, sbc.target("tcp", "trying"))
        assert (call["status"], outcomes(call)) == (480, [(1, "no-answer", None)]) and call["attempts"][0]["first"] == 100
        assert "CANCEL" in starts(sent(serve, call))

    with Baresip(tmp_path, "127.0.0.1", "PCMA") as phone, ThreadPoolExecutor(1) as pool:
        other = pool.submit(given_up)
        call = ring(serve, sbc.target("tls", phone.listens()["udp"]), cancel_after=5)
        phone.sees("CALL_CLOSED")
        other.result()
    assert (call["state"], call["status"], outcomes(call)) == ("cancelled", 487, [(1, "cancelled", None)])
    until(lambda: starts(sent(serve, call)) == ["INVITE", "CANCEL", "ACK"], f"the ACK of 487: {starts(sent(serve, call))}")
