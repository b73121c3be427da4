"""`vsim explain`: every code the trunk may send and every finding has its text."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

import emulator
from emulator.cli.explain import explain
from emulator.journal.findings import CATALOGUE, Kind
from emulator.settings import settings
from emulator.sip.message import REASONS
from emulator.trunk.codes import CODES, Code


def said(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(explain, arguments)
    return result.exit_code, result.output


@pytest.fixture(autouse=True)
def no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing says how wide the output is."""
    monkeypatch.delenv("COLUMNS", raising=False)


@pytest.mark.parametrize("code", CATALOGUE)
def test_each_finding(code: str) -> None:
    status, text = said(code)
    assert status == 0 and CATALOGUE[code].fix in text and CATALOGUE[code].source in text


@pytest.mark.parametrize("kind", [*CATALOGUE.values(), *CODES.values()], ids=lambda kind: getattr(kind, "code", kind.fix))
def test_the_settings_that_a_fix_names_are_there(kind: Kind | Code) -> None:
    known = {setting.name for setting in settings()}
    sections = "|".join({name.partition(".")[0] for name in known})
    assert set(re.findall(rf"\b(?:{sections})\.[a-z_0-9]+", kind.fix)) - CATALOGUE.keys() <= known | {"numbers.NUMBER"}


def test_each_status_that_stands_in_the_code_is_explained() -> None:
    sources = "\n".join(path.read_text() for path in Path(emulator.__file__).parent.rglob("*.py"))
    calls = r"(?:Refusal|BadNumber|respond|refuse|reply|provisional)\((?:[a-z_, ]+, )?([1-6]\d\d)\b"
    sent = {int(text) for text in re.findall(calls, sources)}
    assert len(sent) > 15 and sent <= set(CODES)
    assert set(CODES) <= set(REASONS)


def test_a_number_is_told_what_it_does_itself() -> None:
    assert "refuses with 486 Busy Here" in said("447700900486")[1] and "rings 5 s" in said("447700900180")[1]
    assert "refuses with 499 Request Failure" in said("447700900499")[1]
    for number in ("442071234567", "+442071234567", "447700900999", "02071234567"):
        status, text = said(number)
        assert status == 2 and f"{number} is no magic number" in text


def test_codes_lists_and_mistakes() -> None:
    assert "Min-SE" in said("422")[1]
    assert "of its own accord" in said("606")[1]
    assert said("digest")[1].count("\n") > 5
    assert said()[1].count("\n") == len(CATALOGUE)
    assert said("digest.wrong-passwort") == (2, said("digest.wrong-passwort")[1]) and "wrong-password" in said("digest.wrong-passwort")[1]
    assert "did you mean 'digest'?" in said("dgest")[1]
    assert said("9" * 5000)[0] == 2
    assert said("799")[0] == 2 and said("nothing of the kind")[0] == 2


@pytest.mark.parametrize("arguments", [(), ("digest",), ("media.not-recorded",), ("503",), ("447700900486",), ("--magic",)])
def test_it_fits_a_terminal_and_stays_in_its_columns(monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]) -> None:
    whole = said(*arguments)[1]
    monkeypatch.setenv("COLUMNS", "80")
    narrow = said(*arguments)[1]
    assert max(map(len, narrow.splitlines())) <= 80 and " ".join(narrow.split()) == " ".join(whole.split())


def test_a_text_that_goes_on_stands_below_its_beginning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    lines = said("media.not-recorded")[1].splitlines()
    assert lines[1].startswith("  wants   a folder") and lines[2].startswith("          ") and lines[2][10] != " "
