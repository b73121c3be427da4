"""Counted nouns: how many there are of what, as a person says it."""


def counted(number: int, noun: str, plural: str = "") -> str:
    """`1 packet`, `1,200 packets`, `0 packets`; `plural` where that is not the noun with an s."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def were(number: int) -> str:
    """The verb behind `counted`: `was` of one, `were` of more."""
    return "was" if number == 1 else "were"
