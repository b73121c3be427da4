"""Every file of scenarios/ is run beside clients by a test, says who passes and who fails, and stands in the folder's README."""

import ast
import re
from pathlib import Path

import pytest

from emulator.scenario.script import load

ROOT = Path(__file__).resolve().parent.parent.parent
FOLDER = ROOT / "scenarios"
FILES = sorted(path.name for path in FOLDER.iterdir() if path.suffix in (".yaml", ".yml"))
TABLES = sorted((ROOT / "tests" / "wire").glob("test_scenarios_*.py"))
README = (FOLDER / "README.md").read_text()
ROWS = re.findall(r"^\| \[([^]]+)\]\(([^)]+)\) \| (.+?) \| (.+?) \|$", README, re.MULTILINE)


def run_by(test: Path) -> set[str]:
    """The scenario files that a file of tests names."""
    strings = (node.value for node in ast.walk(ast.parse(test.read_text())) if isinstance(node, ast.Constant))
    return {text for text in strings if isinstance(text, str) and re.fullmatch(r"[\w.-]+\.ya?ml", text)}


def test_every_file_is_run_by_a_test() -> None:
    named = set[str]().union(*map(run_by, TABLES))
    assert [name for name in FILES if name not in named] == [], f"run them in one of {', '.join(path.name for path in TABLES)}"
    for table in TABLES:
        assert run_by(table) <= set(FILES), f"{table.name} names files that are not there"


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_good_and_its_first_lines_say_what_one_needs_to_know(name: str) -> None:
    script = load(str(FOLDER / name))
    assert script.runs()
    comment = re.match(r"(#.*\n)+", (FOLDER / name).read_text())
    assert comment is not None
    assert f"vsim run scenarios/{name}" in comment[0]
    for word in ("passes", "fails"):
        assert word in comment[0].lower(), f"say who {word}"


def test_the_readme_lists_them_all_by_what_they_tell() -> None:
    assert all(text == target for text, target, _, _ in ROWS)
    assert sorted(text for text, _, _, _ in ROWS) == FILES, "scenarios/README.md lists other files than there are"
    for name, _, told, passes in ROWS:
        title = re.search(r"^name: (.*)$", (FOLDER / name).read_text(), re.MULTILINE)
        assert title is not None and title[1].strip("\"'") == told, f"{name} is another story in scenarios/README.md"
        assert passes
