"""Times and shares as people write them."""

import pytest

from emulator.quantities import duration, share


@pytest.mark.parametrize(
    ("text", "seconds"), [("5", 5.0), ("500ms", 0.5), ("1.5s", 1.5), ("2m", 120.0), ("1h", 3600.0), ("", None), ("-1s", None), ("1d", None)]
)
def test_durations(text: str, seconds: float | None) -> None:
    assert duration(text) == seconds


@pytest.mark.parametrize(
    ("text", "fraction"),
    [
        ("0.05", 0.05),
        ("5%", 0.05),
        ("5 %", 0.05),
        ("100%", 1.0),
        ("1", 1.0),
        ("0", 0.0),
        ("101%", None),
        ("2", None),
        ("", None),
        ("-1%", None),
    ],
)  # fmt: skip
def test_shares(text: str, fraction: float | None) -> None:
    assert share(text) == fraction
