"""Impairments from descriptions that are data, several for one direction of a call.

A description is a name and parameters, `("loss", {"probability": 0.05})`, or as people write it, `loss probability=0.05`.
"""

import inspect
import re
from collections.abc import Mapping, Sequence
from types import NoneType
from typing import Any, Literal, get_args, get_origin

from emulator.chance import Chance
from emulator.clock import Clock
from emulator.did_you_mean import suggest
from emulator.media.holding import Delay, Holding, Jitter, Reorder, Room
from emulator.media.impair import Duplicate, Impairment, Packets, Pattern, discard
from emulator.media.losing import Burst, EarlyStop, LateStart, LosePattern, Loss, OneWay
from emulator.media.rewriting import (
    BadTag,
    Corrupt,
    SequenceJump,
    Silence,
    SsrcChange,
    TimestampJump,
    Truncate,
    WrongPayloadType,
)

Specs = Sequence[tuple[str, Mapping[str, float | str]]]
"""Names and parameters of impairments, in the order in which packets meet them."""

IMPAIRMENTS: dict[str, type[Impairment]] = {
    "loss": Loss,
    "burst": Burst,
    "pattern": LosePattern,
    "delay": Delay,
    "jitter": Jitter,
    "reorder": Reorder,
    "duplicate": Duplicate,
    "one-way": OneWay,
    "silence": Silence,
    "payload-type": WrongPayloadType,
    "ssrc-change": SsrcChange,
    "sequence-jump": SequenceJump,
    "timestamp-jump": TimestampJump,
    "late-start": LateStart,
    "early-stop": EarlyStop,
    "corrupt": Corrupt,
    "truncate": Truncate,
    "bad-tag": BadTag,
}


def described(texts: Sequence[str]) -> Specs:
    """Descriptions as people write them, `loss probability=0.05`: the name, then `parameter=value`. Raises `ValueError`."""
    specs: list[tuple[str, dict[str, float | str]]] = []
    for text in texts:
        name, *pairs = text.split() or [""]
        parameters: dict[str, float | str] = {}
        for pair in pairs:
            parameter, equals, value = pair.partition("=")
            if not (parameter and equals and value):
                raise ValueError(f"{text!r}: {pair!r} is no parameter; write parameter=value, without blanks")
            parameters[parameter] = float(value) if _PLAIN_NUMBER.fullmatch(value) else value
        specs.append((name, parameters))
    return tuple(specs)


_PLAIN_NUMBER = re.compile(r"-?[0-9]{1,9}(\.[0-9]{1,9})?")

REWRITING = frozenset({"silence", "payload-type", "ssrc-change", "sequence-jump", "timestamp-jump"})
"""Those that change what a packet says: with SRTP they come before protection."""


def check(specs: Specs) -> list[tuple[str, dict[str, Any]]]:
    """`specs` with each value as its class takes it. Raises `ValueError` with the first thing that is wrong and what to write."""
    checked: dict[str, dict[str, Any]] = {}
    for spec in specs:
        try:
            name, given = spec
        except (TypeError, ValueError):
            name, given = "", {}
        if not isinstance(name, str) or not name or not isinstance(given, Mapping):
            raise ValueError(f"{spec!r:.60} is no impairment; write a name and parameters such as ('loss', {{'probability': 0.05}})")
        if name not in IMPAIRMENTS:
            raise ValueError(f"{name!r:.60} is no impairment{_suggestion(name, IMPAIRMENTS)}")
        if name in checked:
            raise ValueError(f"{name} stands there twice; write each impairment once")
        parameters = _parameters(IMPAIRMENTS[name])
        for key in given:
            if key not in parameters:
                raise ValueError(f"{name} has no parameter {key!r:.60}{_suggestion(key, parameters)}")
        values = checked[name] = {}
        for key, parameter in parameters.items():
            if key in given:
                values[key] = _read(f"{name}: {key}", parameter.annotation, given[key])
            elif parameter.default is parameter.empty:
                raise ValueError(f"{name}: {key} is missing; write {_wanted(parameter.annotation)}")
    return list(checked.items())


def _suggestion(text: object, known: Mapping[str, object]) -> str:
    return suggest(str(text), known) if known else "; it takes none"


def _parameters(kind: type[Impairment]) -> dict[str, inspect.Parameter]:
    """What the constructor takes besides `inner`, `clock` and `chance`."""
    return dict(list(inspect.signature(kind).parameters.items())[3:])


def _bare(annotation: Any) -> Any:
    """Without `| None`: what may be left out is not given as None."""
    return get_args(annotation)[0] if NoneType in get_args(annotation) else annotation


def _wanted(annotation: Any) -> str:
    """What a parameter may be, for a person."""
    annotation = _bare(annotation)
    if annotation is bool:
        return "true or false"
    if get_origin(annotation) is Literal:
        return " or ".join(map(repr, get_args(annotation)))
    kind, limits = get_args(annotation)
    if isinstance(limits, Pattern):
        return limits.meaning
    return f"a {'whole ' if kind is int else ''}number {limits}"


def _read(what: str, annotation: Any, value: object) -> Any:
    """`value` as the constructor takes it. Raises `ValueError` that begins with `what`."""
    bare = _bare(annotation)
    if bare is bool:
        if isinstance(value, bool):
            return value
    elif get_origin(bare) is Literal:
        if value in get_args(bare):
            return value
    else:
        kind, limits = get_args(bare)
        if isinstance(limits, Pattern):
            if isinstance(value, str) and re.fullmatch(limits.regex, value):
                return bytes.fromhex(value) if kind is bytes else value
        elif isinstance(value, int | float) and not isinstance(value, bool) and limits.low <= value <= limits.high:
            if kind is float or value == int(value):
                return kind(value)
    raise ValueError(f"{what} is {value!r:.60}; write {_wanted(annotation)}")


class Chain:
    """Impairments one behind the other. Called with one packet."""

    def __init__(self, impairments: Mapping[str, Impairment], first: Packets) -> None:
        """`impairments` by name in the order in which packets meet them; `first` is the first of them."""
        self._impairments = dict(impairments)
        self._first = first

    def __call__(self, packet: bytes | memoryview) -> None:
        """Raises what the last of them is sent to raises."""
        self._first(packet)

    def close(self) -> None:
        """Drops what waits; nothing is sent from now on. Harmless when done before."""
        self._first = discard
        for impairment in self._impairments.values():
            impairment.close()

    @property
    def lost(self) -> int:
        """Packets that went nowhere."""
        return sum(impairment.lost for impairment in self._impairments.values())

    def counters(self) -> dict[str, dict[str, int]]:
        """Of each impairment by name: packets `seen` and `hit`; of those that hold packets, also `early` and `refused`."""
        return {name: impairment.counters() for name, impairment in self._impairments.items()}


def chain(specs: Specs, inner: Packets, clock: Clock, chance: Chance, silence: bytes = b"\xff", room: Room | None = None) -> Chain:
    """The impairments that `specs` describe, before `inner`. Raises `ValueError` as `check` does.

    `silence` is the codec's, for a "silence" without octets. Pass one `room` for both directions of a call.
    """
    room = room or Room()
    impairments: dict[str, Impairment] = {}
    first = inner
    # Chances are dealt front to back, so that one more impairment at the end leaves the patterns of the others as they were.
    checked = [(*each, chance.fork()) for each in check(specs)]
    for name, values, own in reversed(checked):
        if name == "silence":
            values.setdefault("octets", silence)
        impairments[name] = first = impairment = IMPAIRMENTS[name](first, clock, own, **values)
        if isinstance(impairment, Holding):
            impairment.room = room
    return Chain(dict(reversed(impairments.items())), first)
