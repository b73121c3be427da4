"""Times and shares as people write them: `500ms`, `2m`, `5%`."""

import re
from collections.abc import Callable, Mapping


def duration(text: str) -> float | None:
    """Seconds of `500ms`, `10s`, `2m`, `1h` or a plain number; None for anything else."""
    match = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)\s*(ms|s|m|h)?", text.strip())
    return float(match[1]) * {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, None: 1.0}[match[2]] if match else None


def share(text: str) -> float | None:
    """`5%` or `0.05` as a fraction from 0 to 1; None for anything else."""
    match = re.fullmatch(r"([0-9]{1,3}(?:\.[0-9]{1,15})?)\s*(%)?", text.strip())
    value = float(match[1]) / (100 if match[2] else 1) if match else 2.0
    return value if value <= 1 else None


FORMS: Mapping[str, tuple[Callable[[str], float | None], str]] = {
    "duration": (duration, "no time; write seconds, or text such as 500ms, 10s, 2m"),
    "share": (share, "no share; write a fraction from 0 to 1, or text such as 5%"),
}
"""Values with a way of writing of their own: how they are read, and what to say of one that can't be."""
