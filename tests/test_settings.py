"""The settings as they are told of."""

import json
from pathlib import Path

from emulator.settings import schema, settings, table


def test_the_schema_and_the_table_know_every_setting() -> None:
    names = {setting.name for setting in settings()}
    assert {"layout", "dns.port", "media.silence_timeout", "digest.nonce_lifetime", "accounts"} <= names
    assert all(setting.description for setting in settings())
    assert json.dumps(schema()).count('"description"') >= len(names)


def test_the_page_says_how_accounts_are_given_by_a_variable() -> None:
    (row,) = (line for line in table().splitlines() if line.startswith("| `accounts`"))
    assert "| `VSIM_ACCOUNT` |" in row and "KEY:SECRET" in row


def test_the_settings_page_is_up_to_date() -> None:
    page = Path(__file__).resolve().parent.parent / "docs" / "settings.md"
    assert page.read_text() == table(), "run: python -m emulator.settings > docs/settings.md"
