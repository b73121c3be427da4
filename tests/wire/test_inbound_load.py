"""Many calls from Vonage at once: two hundred with an echo, and fifty hunts that all go another way. Bounded, and nothing is left over."""

import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.support.inbound import CALLER, NUMBER, ask, hang_up, nothing_left, outcomes, ring
from tests.support.serve import Serve, until
from tests.support.sipp import ANSWERS, CANCELLED, HUNG_UP, QUICK, TAKES, Sipp, answer, nobody, receive, refusals, request, wait

CALLS, HUNTS = 200, 50
CUSTOMERS = 8
"""One SIPp has one socket for the media of all its calls, and a thread that echoes what comes there."""


@pytest.fixture(scope="module")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    emulator = Serve(
        Path(tmp_path_factory.mktemp("load")), env={"VSIM_FORWARDING_CHANNELS": str(CALLS), "VSIM_FORWARDING_RING_LIMIT": "10s"}
    )
    try:
        yield emulator
        emulator.check()
    finally:
        emulator.stop()


def calls(serve: Serve) -> list[dict[str, Any]]:
    return list(ask(serve, "GET", "/v1/calls?limit=1000")[1]["calls"])


def test_two_hundred_calls_at_once_with_an_echo(serve: Serve, tmp_path: Path) -> None:
    """All answered, half of them over TCP; each says two seconds of a tone and hears them again."""
    with ExitStack() as stack:
        customers = [
            stack.enter_context(Sipp(tmp_path / f"{number}", *ANSWERS, transport=("udp", "tcp")[number % 2], flags=("-rtp_echo",)))
            for number in range(CUSTOMERS)
        ]
        for number in range(CALLS):
            forward = customers[number % CUSTOMERS].target(f"call{number}")
            assert ask(serve, "POST", "/v1/calls", {"number": NUMBER, "caller": CALLER, "forward": forward})[0] == 201

        def all_are(state: str, enough: Callable[[dict[str, Any]], bool] = lambda call: True) -> bool:
            found = calls(serve)
            return len(found) == CALLS and all(call["state"] == state and enough(call) for call in found)

        until(lambda: all_are("answered"), "two hundred answers", 120)
        until(lambda: all_are("answered", lambda call: call["media"]["packets_received"] >= 100), "two seconds of each", 120)
        held = ask(serve, "GET", "/v1/held")[1]
        assert (held["calls"], held["dialogs"], held["media_ports"]) == (CALLS, CALLS, CALLS)
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda call: hang_up(serve, call), calls(serve)))
        until(lambda: all_are("ended"), "the end of two hundred calls", 120)
        nothing_left(serve)
        ended = calls(serve)
        assert Counter((call["status"], call["ended_by"], call["transport"]) for call in ended) == {
            (200, "trunk", "UDP"): CALLS // 2, (200, "trunk", "TCP"): CALLS // 2,
        }  # fmt: skip
        # SIPp's sockets lose what a busy machine gives them no time to read; whatever it does echo reaches its own call, in order
        for media in (call["media"] for call in ended):
            assert (media["strangers"], media["heard"]["duplicates"], media["heard"]["reordered"]) == (0, 0, 0), media


def test_fifty_hunts_at_once_with_mixed_outcomes(serve: Serve, tmp_path: Path) -> None:
    scenarios = {
        "takes": ANSWERS,
        "refuses": refusals((486, 503, 302)),
        "silent": (receive("INVITE"), wait(120)),
        "rings": (receive("INVITE"), answer(180), *CANCELLED),
        "late": (receive("INVITE"), wait(3.5), *TAKES, *HUNG_UP),
        "ends": (receive("INVITE"), *TAKES, wait(0.5), request("BYE", 1), receive("200")),
    }
    with ExitStack() as stack:
        at = {name: stack.enter_context(Sipp(tmp_path / name, *steps)) for name, steps in scenarios.items()}
        takes, refuses = at["takes"].target("1"), at["refuses"].target
        kinds: list[tuple[str, dict[str, Any], list[tuple[int, str, int | None]], tuple[str, int]]] = [
            (takes, {}, [(1, "answered", 200)], ("ended", 200)),
            (f"{refuses('486')}, {takes}", {}, [(1, "refused", 486)], ("refused", 486)),
            (f"{refuses('503')}, {takes}", {}, [(1, "refused", 503), (2, "answered", 200)], ("ended", 200)),
            (f"{at['silent'].target('1', QUICK)}, {takes}", {}, [(1, "timeout", None), (2, "answered", 200)], ("ended", 200)),
            (at["silent"].target("1", QUICK), {}, [(1, "timeout", None)], ("refused", 486)),
            (at["rings"].target("1"), {}, [(1, "no-answer", None)], ("refused", 480)),
            (at["rings"].target("1"), {"cancel_after": 1}, [(1, "cancelled", None)], ("cancelled", 487)),
            (f"{at['late'].target('1', QUICK)}, {refuses('302')}", {}, [(1, "timeout", None), (2, "refused", 302)], ("refused", 302)),
            (f"sip:1@{nobody()};transport=tcp, {refuses('503')}", {}, [(1, "unreachable", None), (2, "refused", 503)],
             ("refused", 503)),
            (f"sip:1@nobody.example.net, {at['ends'].target('1')}", {}, [(1, "not-found", None), (2, "answered", 200)], ("ended", 200)),
        ]  # fmt: skip

        def hunt(number: int) -> dict[str, Any]:
            forward, how, _, _ = kinds[number % len(kinds)]
            return ring(serve, forward, **{"talk": 1, **how})

        with ThreadPoolExecutor(HUNTS) as pool:
            done = list(pool.map(hunt, range(HUNTS)))
        for call, (forward, _, expected, end) in zip(done, itertools.cycle(kinds), strict=False):
            assert (outcomes(call), (call["state"], call["status"])) == (expected, end), (forward, call["attempts"])
        late = [call["id"] for call, kind in zip(done, itertools.cycle(kinds), strict=False) if kind is kinds[7]]
        until(
            lambda: all(call["attempts"][0]["late"] == 200 for call in calls(serve) if call["id"] in late),
            "the late answers in the journal",
        )
        at["late"].got("ACK", "BYE")
        nothing_left(serve)
        bodies = Counter(text.split(" ")[0] for text in set(at["rings"].messages()))
        assert bodies["CANCEL"] == bodies["ACK"] == 2 * HUNTS // len(kinds)


def test_nothing_is_left_over(serve: Serve) -> None:
    """INVITEs that were answered, or never, are kept for 32 s (RFC 6026 7.2); then transactions and timers are gone too."""
    nothing_left(serve, transactions=True)

    def held() -> dict[str, int]:
        found = ask(serve, "GET", "/v1/held")[1]
        return {name: found[name] for name in ("timers", "connections", "registrations") if found[name]}

    until(lambda: not held(), f"no timers and connections; there are {held()}")
