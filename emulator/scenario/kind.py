"""What all kinds of faults share, and what each may be told.

Beside its fields a kind says by which conditions it can be told where to strike (`CONDITIONS`), when (`TIMING`), and how it is
written (`EXAMPLES`, as one-liners).
"""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, ClassVar

from msgspec import Meta, Struct

_MOST = 100
"""Values of a list."""


def meta(description: str, write: str = "", reads: Callable[[str], str] = str, **constraints: Any) -> Meta:
    """`write` says what to write instead of something that does not fit, `reads` makes of a text the one that is meant."""
    return Meta(description=description, extra={"write": write, "reads": reads}, **constraints)


def several(description: str) -> Meta:
    """Values that may stand in one text, with commas between."""
    return Meta(description=description, extra={"commas": True}, min_length=1, max_length=_MOST)


def named(description: str) -> Meta:
    """Values by name."""
    return Meta(description=description, max_length=_MOST)


def span(description: str, ge: float = 0, le: float = 86400) -> Meta:
    """A time, in seconds."""
    return Meta(description=description, extra={"text": "duration"}, ge=ge, le=le)


def share(description: str) -> Meta:
    """A share of 1."""
    return Meta(description=description, extra={"text": "share"}, ge=0, le=1)


PLACE = ("proxy", "site", "region", "transport")
_PARTIES = ("number", "called", "caller", "account")
REQUEST = (*PLACE, "method", "in-dialog", *_PARTIES, "authenticated", "header")
MESSAGE = (*PLACE, "direction", "method", "status", "in-dialog", *_PARTIES, "call", "authenticated", "header")
CALL = (*PLACE, *_PARTIES, "call", "header")
MEDIA = (*CALL, "direction")
QUERY = ("name", "type")

WINDOW = ("from", "for", "flapping")
COUNTED = ("nth", "first", "after", "every", "times", "probability", "per", *WINDOW)
SERIAL = tuple(name for name in COUNTED if name != "per")
"""For what belongs to no call."""

Text = Annotated[str, meta("", max_length=200)]


class Kind(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="kebab", omit_defaults=True):
    """What all kinds share."""

    SHORT: ClassVar[str] = ""
    """The field that a bare value means."""
    WORDS: ClassVar[Mapping[str, Mapping[str, object]]] = {}
    """Bare words and the fields that they stand for."""
    CONDITIONS: ClassVar[tuple[str, ...]] = MESSAGE
    TIMING: ClassVar[tuple[str, ...]] = COUNTED
    EXAMPLES: ClassVar[tuple[str, ...]] = ()
