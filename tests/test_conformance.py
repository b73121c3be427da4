"""docs/conformance.md and docs/robustness.md name only tests that exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


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
