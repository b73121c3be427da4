"""What the documents name is there: tests, files, benchmarks, settings, commands and their options; and what is cited of the trunk."""

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from emulator.cli import vsim
from emulator.journal.findings import CATALOGUE
from emulator.settings import settings

ROOT = Path(__file__).parents[1]
PAGES = [
    *sorted((ROOT / "docs").glob("*.md")),
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "scenarios/README.md")),
]


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize(("page", "least"), [("conformance.md", 40), ("robustness.md", 30)])
def test_each_named_test_exists(page: str, least: int) -> None:
    named = re.findall(r"`([a-z_/]+\.py)::(test_\w+)`", (ROOT / "docs" / page).read_text())
    assert len(named) > least
    missing = [f"{file}::{test}" for file, test in named if f"def {test}(" not in (ROOT / "tests" / file).read_text()]
    assert not missing


def test_what_is_called_done_names_a_test_or_another_section() -> None:
    rows = [line.split("|") for line in (ROOT / "docs" / "conformance.md").read_text().splitlines() if line.startswith("| ")]
    unproved = [
        row[2] for row in rows if len(row) == 6 and row[3].strip().startswith("done") and "test_" not in row[4] and "see RFC" not in row[3]
    ]
    assert not unproved


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_what_a_page_names_is_there(page: Path) -> None:
    """Files by their paths, with or without `tests/`, `emulator/` and the like before them; links; benchmarks."""
    text = page.read_text()
    folders = [ROOT, page.parent, *(ROOT / name for name in ("tests", "emulator", "emulator/scenario", "scenarios"))]
    files = set(re.findall(r"`((?:[\w-]+/)*[\w.-]+\.(?:py|sh|cfg|xml|yaml|md))[`:]", text)) - {"vsim.yaml"}  # that one is its reader's
    assert not {file for file in files if not any((folder / file).exists() for folder in folders)}
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text)
    assert not {link for link in links if not (page.parent / link).exists()}
    benchmarks = set(re.findall(r"`python -m benchmarks (\w+)`", text))
    known = set(re.findall(r'^    "(\w+)": ', (ROOT / "benchmarks" / "__main__.py").read_text(), re.M))
    assert benchmarks <= known


def settings_named_in(text: str) -> set[str]:
    """Words such as `media.tick`, which may be findings or kinds of events as well."""
    sections = {setting.name.partition(".")[0] for setting in settings() if "." in setting.name}
    return set(re.findall(rf"(?<![\w./-])(?:{'|'.join(sorted(sections))})\.[a-z][a-z_0-9-]+\b(?!\()", text))


SETTINGS = {setting.name for setting in settings()}


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_the_settings_that_a_page_names_exist(page: Path) -> None:
    known = {*SETTINGS, *CATALOGUE}
    assert not {name for name in settings_named_in(page.read_text()) if name not in known and not name.endswith((".py", ".md", ".yaml"))}


@pytest.mark.parametrize("code", CATALOGUE)
def test_the_settings_that_a_finding_names_exist(code: str) -> None:
    kind = CATALOGUE[code]
    assert settings_named_in(f"{kind.wants} {kind.fix} {kind.source}") <= SETTINGS


def commands(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], set[str]]]:
    """Each command with its options."""
    yield path, {"--help", *(name for one in command.params for name in (*one.opts, *one.secondary_opts))}
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None
            yield from commands(found, (*path, name))


COMMANDS = dict(commands(vsim))


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_the_options_that_a_page_names_exist(page: Path) -> None:
    unknown = []
    for line in page.read_text().splitlines():
        for first, second, rest in re.findall(r"vsim (?!vsim )([a-z][a-z-]*)(?: ([a-z]+))?([^`|#]*)", line):
            path = (first, second) if (first, second) in COMMANDS else (first,)
            options = re.findall(r"(?<=\s)--[a-z][a-z-]+", rest.partition(" -- ")[0])
            unknown += [" ".join((*path, option)) for option in options if option not in COMMANDS.get(path, set())]
    assert not unknown


KNOWN = (ROOT / "docs" / "vonage.md").read_text()
CITING = [*sorted((ROOT / "emulator").rglob("*.py")), *PAGES]
NUMBERS = r"(\d+(?:(?:, and | and |, | to )\d+)*)"


def rows_of(heading: str) -> dict[str, str]:
    """The rows of the first table under a heading of docs/vonage.md, by their first cell."""
    rows = KNOWN.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return dict(re.findall(r"^\| ([\w, -]+?) \| (.+)$", rows, re.M))


SECTIONS = set(re.findall(r"^### (\d+)\. ", KNOWN, re.M))
DEFAULTS = {number: row for number, row in rows_of("Defaults").items() if number.isdigit()}


def cited(pattern: str, text: str) -> set[str]:
    """The numbers in all places of a pattern: `18, 19, 23 to 25` are five."""
    found: set[str] = set()
    for numbers in re.findall(pattern + NUMBERS, text):
        for first, last in re.findall(r"(\d+)(?: to (\d+))?", numbers):
            found.update(str(number) for number in range(int(first), int(last or first) + 1))
    return found


def test_numbers_are_read_in_each_form() -> None:
    assert cited("defaults? ", "its defaults 18, 19, 23 to 25, 27 and 34; default 7") == {"18", "19", "23", "24", "25", "27", "34", "7"}
    assert len(SECTIONS) == 10 and len(DEFAULTS) == 53


@pytest.mark.parametrize("path", CITING, ids=relative)
def test_what_is_cited_of_the_trunk_stands_in_the_page_on_it(path: Path) -> None:
    text = re.sub(r"\s+(?:# )?", " ", path.read_text())
    assert cited(r"vonage-facts(?:\.md)?,? ", text) <= SECTIONS
    assert cited(r"(?:\bdefaults?(?:, item)? |_FACTS \+ \")", text) <= DEFAULTS.keys()
    headings = tuple(rows_of("The page"))
    assert not [heading for heading in re.findall(r"\bpage: ([A-Z].{0,40})", text) if not heading.startswith(headings)]


def test_each_setting_that_is_a_choice_stands_in_the_row_of_the_choice() -> None:
    choices = re.compile(r"vonage-facts, default (\d+)$")
    chosen = [(setting.name, match[1]) for setting in settings() if (match := choices.match(setting.source))]
    assert len(chosen) > 50
    assert not [(name, number) for name, number in chosen if f"`{name}`" not in DEFAULTS[number]]


def test_each_tag_of_a_source_is_in_the_table_of_sources() -> None:
    tags = {tag for cell in rows_of("Sources") for tag in cell.split(", ")}
    said = re.findall(r"\(([DGOCI][,;] [^()]+)\)", KNOWN.partition("\n## Facts\n")[2])
    named = {tag for one in said for tag in re.findall(r"\b[A-Z]{2,}(?:-[a-z]+)?\b", one)}
    assert len(named) > 20 and named <= tags
    assert not {tag for tag in tags if tag.isupper() and tag not in KNOWN.partition("\n## Facts\n")[2]}
