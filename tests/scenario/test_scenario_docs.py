"""docs/scenarios.md and the files of scenarios/ say what the code does."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import jsonschema
import pytest
from msgspec import Struct
from ruamel.yaml import YAML

from emulator.annotations import fields, inside, peel
from emulator.cli import COMMAND_FAILED, MEDIA_FAILED, NOT_REACHABLE, SIGNALLING_FAILED, UNUSABLE
from emulator.scenario import expectation, model
from emulator.scenario.reference import reference
from emulator.scenario.script import Script, load
from emulator.scenario.script_schema import schema
from emulator.scenario.spec import FaultSpec
from emulator.scenario.verdict import EXIT_CODES
from emulator.yaml import parse

ROOT = Path(__file__).resolve().parent.parent.parent
DOCUMENT = (ROOT / "docs" / "scenarios.md").read_text()
FILES = sorted((ROOT / "scenarios").glob("*.yaml"))
VALIDATOR = jsonschema.Draft202012Validator(schema())


def test_the_reference_is_up_to_date() -> None:
    assert DOCUMENT.endswith(reference()), "put the output of python -m emulator.scenario.reference in place of all from ## Reference on"


@pytest.mark.parametrize("text", re.findall(r"```yaml\n(.*?)```", DOCUMENT, re.DOTALL), ids=lambda text: text.partition("\n")[0])
def test_the_examples_are_good(text: str) -> None:
    assert Script(parse(text, "docs/scenarios.md", "scenario")).runs()
    assert not list(VALIDATOR.iter_errors(YAML(typ="safe").load(text)))


def structs(union: Any) -> Iterator[type[Struct]]:
    for kind in get_args(peel(union)[0]):
        yield kind
        inner = inside(fields(kind)[str(kind.__struct_config__.tag)].type)[0]
        if isinstance(inner, type) and issubclass(inner, Struct) and inner is not FaultSpec:  # which docs/faults.md tells of
            yield inner


def test_every_key_of_every_step_and_expectation_is_there() -> None:
    for kind in (*structs(model.Step), *structs(expectation.Expectation), *structs(expectation.Never), model.Scenario, model.Given):
        tag = str(kind.__struct_config__.tag)
        assert kind.__struct_config__.tag is None or any(
            f"#### {lead}{tag}\n" in DOCUMENT or f"`{tag}`" in DOCUMENT for lead in ("", "expect: ")
        )
        for name in fields(kind):
            assert name == tag or f"`{name}`" in DOCUMENT, f"{kind.__name__}.{name}"
    for tag in ("matrix", "variables", "templates", "use"):
        assert f"`{tag}" in DOCUMENT


def test_the_exit_codes_are_those_of_the_commands() -> None:
    assert list(EXIT_CODES.values()) == [SIGNALLING_FAILED, UNUSABLE, MEDIA_FAILED, NOT_REACHABLE, COMMAND_FAILED]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_each_file_is_good_and_says_what_it_is_for(path: Path) -> None:
    script = load(str(path))
    assert script.runs()
    assert not list(VALIDATOR.iter_errors(YAML(typ="safe").load(path.read_text())))
    assert path.read_text().startswith("# ") and f"vsim run scenarios/{path.name}" in path.read_text()
