"""docs/faults.md says what the code does."""

import json
import re
from pathlib import Path

import jsonschema
from click.testing import CliRunner
from ruamel.yaml import YAML

from emulator.cli.check import check
from emulator.journal.findings import CATALOGUE
from emulator.scenario.guide import _GROUPS, guide
from emulator.scenario.kinds import KINDS
from emulator.scenario.script_schema import schema as script_schema
from emulator.scenario.spec import fault

ROOT = Path(__file__).resolve().parent.parent.parent
DOCUMENT = ROOT / "docs" / "faults.md"


def test_the_document_is_made_from_the_code() -> None:
    assert DOCUMENT.read_text() == guide(), "run: python -m emulator.scenario.guide > docs/faults.md"


def test_it_has_every_kind_once() -> None:
    assert sorted(name for names in _GROUPS.values() for name in names) == sorted(KINDS)


def test_each_line_of_it_reads_and_its_yaml_is_the_same_fault() -> None:
    text = guide()
    for kind, model in KINDS.items():
        section = text.partition(f"### {kind}\n")[2].partition("\n#")[0]
        blocks = re.findall(r"```(?:yaml)?\n(.*?)```", section, re.DOTALL)
        lines, yaml = (block.strip().splitlines() for block in blocks)
        assert tuple(lines) == model.EXAMPLES
        assert [fault(YAML(typ="safe").load(line)) for line in yaml] == [fault(line) for line in lines]


def test_an_editor_finds_nothing_wrong_with_its_yaml() -> None:
    printed = CliRunner().invoke(check, ["--schema", "fault"]).output
    of_a_fault = jsonschema.Draft202012Validator(json.loads(printed))
    of_a_scenario = jsonschema.Draft202012Validator(script_schema())
    lines = [line for block in re.findall(r"```yaml\n(.*?)```", guide(), re.DOTALL) for line in block.strip().splitlines()]
    assert len(lines) > 60
    for line in lines:
        value = YAML(typ="safe").load(line)
        assert not list(of_a_fault.iter_errors(value)), line
        assert not list(of_a_scenario.iter_errors({"name": "x", "steps": [{"fault": value}]})), line


def test_what_it_says_of_events_and_findings_exists() -> None:
    kinds = {
        name
        for row in re.findall(r"^\| (`[a-z.-]+`(?:, `[a-z.-]+`)*) \| ", guide(), re.MULTILINE)
        for name in re.findall("`([a-z.-]+)`", row)
    }
    sources = "".join(path.read_text() for path in (ROOT / "emulator" / "scenario").glob("*.py"))
    for kind in (
        "fault.added", "fault.removed", "fault.over", "fault.hit", "down.request", "down.connection", "outage", "outage.over", "up.failed",
    ):  # fmt: skip
        assert kind in kinds and f'"{kind}"' in sources.replace("guide", "")
    assert {"fault.refused", "fault.down"} <= set(CATALOGUE)
