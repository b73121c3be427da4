"""Counted nouns, and the texts that have them."""

from collections.abc import Callable

import pytest

from emulator.counting import counted, were
from emulator.journal.ladder import ladder
from emulator.phone.report import rows
from emulator.phone.script import Answering
from emulator.trunk.callers import Ring
from tests.support.desk import HERE, Desk
from tests.support.echo import Echo


def test_one_is_one() -> None:
    assert [counted(number, "packet") for number in (0, 1, 2, 1200)] == ["0 packets", "1 packet", "2 packets", "1,200 packets"]
    assert [counted(number, "try", "tries") for number in (1, 3)] == ["1 try", "3 tries"]
    assert [were(number) for number in (0, 1, 2)] == ["were", "was", "were"]


@pytest.mark.parametrize(
    ("code", "seen", "how"),
    [
        ("rtp.dtx", "1 pause", lambda echo: (echo.talk(5), echo.hear(5, 0x80, timestamp=9999))),
        ("rtp.no-marker", "1 pause", lambda echo: (echo.talk(5), echo.clock.advance(1), echo.hear(5, timestamp=8800))),
        ("rtp.timestamp-jump", "1 time", lambda echo: (echo.talk(5), echo.hear(5, timestamp=99999))),
        ("media.malformed", "1 packet of neither RTP nor RTCP", lambda echo: echo.raw(b"")),
        ("media.malformed", "2 packets of neither RTP nor RTCP", lambda echo: (echo.raw(b""), echo.raw(b"\x80"))),
        ("media.payload-type", "1 packet of a payload type that was not agreed", lambda echo: echo.hear(1, 33)),
    ],
)
def test_findings_of_media(code: str, seen: str, how: Callable[[Echo], object]) -> None:
    echo = Echo()
    how(echo)
    assert [(finding.code, finding.seen) for finding in echo.stream.findings()] == [(code, seen)]


@pytest.mark.parametrize(("dropped", "said"), [(1, "… 1 message between was not kept"), (2, "… 2 messages between were not kept")])
def test_ladders(dropped: int, said: str) -> None:
    message = {"at": 0.0, "incoming": True, "text": "BYE sip:1@192.0.2.1 SIP/2.0\r\n\r\n", "peer": "192.0.2.1:5060"}
    call = {"peer": "192.0.2.1:5060", "proxy": "us-3-1", "messages": [message, message]}
    assert any(said in line for line in ladder({**call, "messages_dropped": dropped, "messages_dropped_after": 1}))
    told = said.replace("message between", "more message").replace("messages between", "more messages")
    assert any(told in line for line in ladder({**call, "messages_dropped": dropped, "messages_dropped_after": 2}))


def test_verdicts_of_the_phone() -> None:
    desk = Desk()
    desk.answer(Answering(hears="nothing"))
    ring = Ring(number="447700900000", caller="14155550100", forward=f"sip:100@{HERE}:5080", play="tone", talk=2.0)
    desk.network.trunk.exchange.ring(ring)
    desk.clock.advance(0.005)
    desk.network.ports[-1].lose = lambda count: count > 1  # type: ignore[attr-defined]
    desk.clock.advance(100)
    (outcome,) = desk.outcomes
    assert [problem.text for problem in outcome.problems] == ["1 packet was heard where there should be none"]
    assert rows(outcome)[1].text == "1 packet was heard where there should be none"
