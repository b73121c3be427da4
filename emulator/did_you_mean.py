"""What somebody may have meant who wrote something that is not known."""

import difflib
from collections.abc import Iterable


def meant(text: str, known: Iterable[object]) -> str:
    """`; did you mean 'x'?` where something known is close, else nothing."""
    names = {str(name).lower().replace("_", "-"): str(name) for name in known}
    close = difflib.get_close_matches(text.lower().replace("_", "-"), names, 1)
    return f"; did you mean {names[close[0]]!r}?" if close else ""


def suggest(text: str, known: Iterable[object]) -> str:
    """`; did you mean 'x'?`, or all that is known where nothing is close."""
    names = sorted(str(name) for name in known)
    return meant(text, names) or (f"; known here: {', '.join(names)}" if names else "; none is known here")
