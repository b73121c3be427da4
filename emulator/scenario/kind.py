"""What all kinds of faults share, and what each may be told.

Beside its fields a kind says by which conditions it can be told where to strike (`CONDITIONS`), when (`TIMING`), and how it is
written (`EXAMPLES`, as one-liners).
"""

from collections.abc import Mapping
from typing import Annotated, ClassVar

from msgspec import Struct

from emulator.scenario.reading import meta

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

    MAIN: ClassVar[str] = ""
    """The field that a bare value means."""
    WORDS: ClassVar[Mapping[str, Mapping[str, object]]] = {}
    """Bare words and the fields that they stand for."""
    CONDITIONS: ClassVar[tuple[str, ...]] = MESSAGE
    TIMING: ClassVar[tuple[str, ...]] = COUNTED
    EXAMPLES: ClassVar[tuple[str, ...]] = ()
