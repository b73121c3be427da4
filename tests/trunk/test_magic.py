"""The table of magic numbers: whole, said alike everywhere, and never asked when it should not be."""

from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from emulator.cli.explain import explain
from emulator.media.dtmf_sender import Quirk
from emulator.media.plan import Plan
from emulator.sip.message import REASONS
from emulator.trunk.behaviour import Behaviour, Facts
from emulator.trunk.magic import TABLE, choose, document, of

# What the product promises: number and what happens.
PROMISED = """
000 the INVITE is never answered, not even 100
100 100 Trying, then silence
180 rings 5 s, answers, echoes
183 early media for 3 s, answers, echoes
200 answers at once, echoes
202 answers, echoes, hangs up after 2 s
487 rings until the caller cancels; after 60 s 480
400–486, 488–699 refuses with that code and its standard reason
701 answers, sends no media
702 answers, receives but sends comfort silence only (one-way)
703 echo with 5 % loss
704 echo with 30 ms jitter
705 echo with reordering
706 echo with duplicates
707 echo from another port than announced
708 SSRC changes mid-call
710 hold re-INVITE after 2 s, resume 2 s later
711 session refresh re-INVITE every 90 s
712 the refresh that never comes
720 sends the digits 1234# as RFC 4733 events after answering
721 the same digits without marker bit
722 the same digits with a lost end packet
"""


def facts(called: str, direction: str = "outbound") -> Facts:
    return Facts(direction, called, "447700900000", "abcd1234", "us-3-1", "UDP")  # type: ignore[arg-type]


def chosen(digits: str, behaviour: Behaviour | None = None) -> Behaviour:
    return choose(facts("447700900" + digits), behaviour or Behaviour())


def test_every_row_that_the_product_promises() -> None:
    assert [f"{row.name} {row.does}" for row in TABLE] == PROMISED.strip().splitlines()


def test_no_number_stands_there_twice() -> None:
    numbers = [number for row in TABLE for one in row.numbers for number in one]
    assert len(numbers) == len(set(numbers)) == 21 + 87 + 212


@pytest.mark.parametrize("called", ["447700900001", "447700900709", "44770090048", "4477009004860", "442071234486", "447700900", "1"])
def test_other_numbers_are_ordinary(called: str) -> None:
    behaviour = Behaviour()
    assert of(called) is None and choose(facts(called), behaviour) is behaviour


def test_a_call_to_the_customer_is_never_magic() -> None:
    behaviour = Behaviour()
    assert choose(facts("447700900000", "inbound"), behaviour) is behaviour


@pytest.mark.parametrize("status", [*range(400, 487), *range(488, 700)])
def test_each_code_is_refused_with_its_reason(status: int) -> None:
    refuse = chosen(str(status)).refuse
    assert refuse is not None and refuse.status == status and refuse.finding.code == "magic.refused"
    generic = {4: "Request Failure", 5: "Server Failure", 6: "Global Failure"}[status // 100]
    assert refuse.reason == REASONS.get(status, generic)


@pytest.mark.parametrize(
    ("status", "header"),
    [(405, "Allow"), (415, "Accept"), (420, "Unsupported"), (421, "Require"), (422, "Min-SE"), (423, "Min-Expires"), (489, "Allow-Events")],
)
def test_headers_that_a_code_must_have(status: int, header: str) -> None:
    refuse = chosen(str(status)).refuse
    assert refuse is not None and [name for name, _ in refuse.headers] == [header]


def test_what_a_row_does_not_speak_of_stays_as_it_is_set() -> None:
    own = Behaviour(silence_timeout=7, media=Plan("tone", echo_digits=False, heard=(("loss", {"probability": 0.5}),)))
    lossy = chosen("703", own)
    assert (lossy.silence_timeout, lossy.media.play, lossy.media.echo_digits, lossy.media.heard) == (7, "echo", False, own.media.heard)
    assert own.media.play == "tone" and chosen("722").media == replace(Plan(), digits="1234#", quirk=Quirk.LOST_END)


def test_the_page_is_the_table() -> None:
    page = Path(__file__).resolve().parents[2] / "docs" / "magic-numbers.md"
    assert page.read_text() == document(), "run: python -m emulator.trunk.magic > docs/magic-numbers.md"


def test_the_command_prints_the_table_and_single_numbers() -> None:
    whole = CliRunner().invoke(explain, ["--magic"])
    assert whole.exit_code == 0 and "\x1b" not in whole.output
    text = " ".join(whole.output.split())
    for row in TABLE:
        assert row.does in text and row.exactly in text
    one = CliRunner().invoke(explain, ["447700900202"])
    assert one.exit_code == 0 and "hangs up after 2 s" in one.output
    assert CliRunner().invoke(explain, ["447700900709"]).exit_code == 2
