"""docs/faults.md, made from the models: `python -m emulator.scenario.guide > docs/faults.md`."""

import inspect
import re
import sys
from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin

import msgspec
from msgspec import Struct

from emulator.annotations import about, fields, form, peel, struct_of
from emulator.scenario.kind import Kind
from emulator.scenario.kinds import KINDS
from emulator.scenario.media_kinds import Part
from emulator.scenario.oneline import SHOWN, time
from emulator.scenario.spec import CONDITIONS, TIMING, FaultSpec, Flapping, Where, fault

_GROUPS = {
    "Answers to requests": ("refuse", "redirect", "challenge"),
    "Messages on their way": (
        "delay", "drop", "duplicate", "retransmit", "reorder", "corrupt", "truncate", "wrong", "rewrite", "withhold", "reset",
    ),
    "Calls": ("answer", "hang-up", "hold", "codec", "refresh"),
    "Media": ("media", "dtmf"),
    "Places and connections": ("down", "half-open", "slow", "tls"),
    "Names": ("dns",),
}  # fmt: skip

_HEAD = """# Faults

What goes wrong on purpose. A fault says what, where and when; it is written the same in a scenario file, over the API and on the command
line. This file is made from `emulator/scenario/kinds.py` and its neighbours; `vsim check --schema fault` has the JSON Schema.

In YAML or JSON, for scenario files (`fault:`) and `POST /v1/faults`:

```yaml
{refuse: {status: 503, headers: {Retry-After: 5}}, where: {site: us-3, method: INVITE}, times: 2, for: 30s}
```

The same on one line, for `vsim fault add`, and wherever YAML takes text:

```
refuse 503 headers.Retry-After=5 where site=us-3 method=INVITE times=2 for=30s
```

The kind comes first, a bare value after it is the kind's main one (bold below; `refuse: 503` in YAML). Dots are nesting, commas make
lists, a bare word is a yes, quotes are a shell's. Times are seconds, or text such as 500ms, 10s, 2m, 1h; shares are 0.05 or 5%.

| command | does |
|---|---|
| `vsim fault add FAULT` | adds one, on one line or as YAML; it is in force at once |
| `vsim fault list` | lists them: state, hits, of how many that matched, and near misses |
| `vsim fault remove ID…`, `vsim fault clear` | takes some away, or all; so does `POST /v1/reset` |
| `vsim down NAME [--how HOW] [--for TIME] [--cut]` | takes a proxy, site, region or `all` down, by name or host: `down` below |
| `vsim up NAME` | takes it up again, at the same ports |
| `vsim fault failover [--all]` | says what clients did the last time something was down, or each time |

Faults strike at the seams of the emulator: where none concerns a proxy, nothing stands in its way and nothing is slower. Several faults
that meet the same message act in the order in which they were added; of those that answer a request the first one does. Every chance
follows from the seed (`vsim serve --seed`, else the one that `vsim fault list` shows) and from the order in which faults were added, and
from nothing else: the same messages are struck whatever else happens. The journal, and so a ladder, has what the trunk heard and what
left for the wire; what a fault has swallowed is told by an event.
"""

_TAIL = """## Events

| event | says |
|---|---|
| `fault.added`, `fault.removed`, `fault.over` | a fault by its number, and its hits; `fault.over` when it can't strike any more |
| `fault.hit` | what was struck: fault, proxy, message, call; at most 5 a second for each fault, then with how many were `unsaid` |
| `down`, `up` | what went down, how, with its calls kept or cut, for how long; `up` may name some of it |
| `down.request` | a request reached what was down, copies left out: its method, the number called, the status it got, if any |
| `down.connection` | a connection attempt was reset, or went unanswered: the system counts those, and says nothing of who made them |
| `outage`, `outage.over` | another fault than `down` acts like an outage from now on, or no more: of what, how, over which transports |
| `up.failed` | a port could not be opened again; it is tried again |

At a port that is closed (`refuse`) the system itself answers, so that nothing is seen of attempts there.

## Failover

`vsim fault failover`, and the report of a scenario, tell of each client which targets it tried and when, whether its new calls moved to
what was up, whether 503s were acknowledged, whether it came back, and what to fix. They do so after `down`, and after other faults that a
client can answer in one way alone, by taking the next target:

| fault | what is struck |
|---|---|
| `refuse 503` of INVITEs | requests; other codes have no client move on (RFC 3263 4.3) |
| `drop`, `reset` of INVITEs, or of all messages | requests, or the answers to them |
| `half-open`, `tls` | new connections; calls over one that was there before reach their target all the same |
| `dns nxdomain`, `servfail`, `refused`, `timeout`, `wrong-address` of a proxy's name | queries; calls to an address that is known arrive |
| `dns dead-first` | queries for SRV: the first target is no proxy, and the next ones are up |

Each must concern a part of the trunk, or there is nothing to move to, and all who come there: with `nth`, `first`, `after`, `every`,
`times`, `probability` or `per`, or for some numbers, callers, accounts or headers alone, a fault is none of these. A call over TLS with a
wrong certificate that a client takes is what it has to fix. A query does not say whose it is; with one client it is that one's.

## Near misses

A fault that struck nothing says what came close: `3 INVITEs came, none to eu-3-1; the last: us-4-1`, `2 INVITEs came, none with good
credentials`, `4 matched and were spared; the last: it was number 4`. What is of another nature altogether is told last:
`no BYE came; 12 others did, the last: OPTIONS`.
"""


def guide() -> str:
    """The whole document."""
    return "\n".join([_HEAD, *_where(), *_when(), *_kinds(), _TAIL])


def _where() -> Iterator[str]:
    yield "## Where\n\nAll that is said must hold; of several values one. What says nothing about a kind is refused with what does.\n"
    yield "| condition | meaning | values |\n|---|---|---|"
    for name in CONDITIONS:
        field = fields(Where)[name]
        said = about(field)
        yield f"| `{name}` | {said.description if said else ''} | {_values(field)} |"
    yield "\nA response is meant where `status` is given, a request where `method` is given without it, any message where neither is.\n"


def _when() -> Iterator[str]:
    yield "## When\n\n| key | meaning | values |\n|---|---|---|"
    for name in TIMING:
        field = fields(FaultSpec)[name]
        said = about(field)
        yield f"| `{name}` | {said.description if said else ''} | {_values(field)} |"
    yield "\nWhat comes outside the window of time is not counted. Without any of these a fault strikes all that matches, until it ends.\n"


def _kinds() -> Iterator[str]:
    for title, names in _GROUPS.items():
        yield f"## {title}\n"
        for name in names:
            yield from _kind(name, KINDS[name])


def _kind(name: str, model: type[Kind]) -> Iterator[str]:
    yield f"### {name}\n"
    yield inspect.cleandoc(model.__doc__ or "") + "\n"
    if fields(model):
        yield "| field | meaning | values |\n|---|---|---|"
        yield from _fields(model, "")
        yield ""
    yield "```"
    yield from model.EXAMPLES
    yield "```\n"
    yield "The same in YAML:\n\n```yaml"
    yield from (_yaml(_short(fault(example))) for example in model.EXAMPLES)
    yield "```\n"
    yield f"Where: {', '.join(model.CONDITIONS)}. When: {', '.join(model.TIMING)}.\n"


def _fields(model: type[Struct], before: str) -> Iterator[str]:
    main = getattr(model, "SHORT", "")
    for name, field in fields(model).items():
        inner = struct_of(field.type)
        said = about(field)
        shown = f"**`{before}{name}`**" if name == main and not before else f"`{before}{name}`"
        if inner is None:
            yield f"| {shown} | {said.description if said else ''} | {_values(field)} |"
        else:
            what = inspect.cleandoc(inner.__doc__ or "").replace("\n", " ")
            alone = getattr(inner, "SHORT", "")
            yield f"| {shown} | {what}{f' A bare value is its `{alone}`.' if alone else ''} | |"
            yield from _fields(inner, f"{before}{name}.")


def _values(field: msgspec.structs.FieldInfo) -> str:
    """What a field takes, and what it is when nothing is said."""
    plain = peel(field.type)[0]
    if type(None) in get_args(plain):
        plain = peel(next(arg for arg in get_args(plain) if arg is not type(None)))[0]
    if get_origin(plain) is tuple:
        plain = peel(get_args(plain)[0])[0]
    if get_origin(plain) is Literal:
        text = ", ".join(f"`{choice}`" for choice in get_args(plain))
    elif form(field.type) == "duration":
        text = "a time"
    elif form(field.type) == "share":
        text = "a share"
    else:
        names = {str: "text", int: "a number", float: "a number", bool: "yes or no", Flapping: "`down` and `up`, times"}
        text = names.get(plain, "text, by name")
    if field.required:
        return f"{text}; needed"
    default = field.default
    if default in (None, (), "", False) or default is msgspec.NODEFAULT or isinstance(default, Struct):
        return text
    if isinstance(default, tuple):
        default = ", ".join(map(str, default))
    unit = " s" if form(field.type) == "duration" else ""
    return f"{text}; {default:g}{unit}" if isinstance(default, float) else f"{text}; {default}"


def _short(model: Struct) -> Any:
    """A model as people write it: a bare value where that says all, times and shares as text."""
    kind = type(model)
    said = msgspec.to_builtins(model)
    made: dict[str, Any] = {}
    for name in said:
        field = fields(kind)[name]
        value = getattr(model, field.name)
        if isinstance(value, Struct):
            made[name] = _short(value)
        elif form(field.type) == "duration":
            made[name] = time(value)
        elif form(field.type) == "share":
            made[name] = f"{value * 100:.10g}%"
        else:
            made[name] = list(value) if isinstance(value, tuple) else value
    for word, meant in getattr(kind, "WORDS", {}).items():
        if meant == made:
            return word
    main = getattr(kind, "SHORT", "")
    if isinstance(model, Kind | Part) and (not made or set(made) == {main}):
        default = getattr(model, main) if any(KINDS[name] is kind for name in SHOWN) else True
        return made.get(main, default)
    return made


def _yaml(value: Any) -> str:
    """Plain data as YAML in flow style."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_yaml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return _yaml(value[0]) if len(value) == 1 else "[" + ", ".join(map(_yaml, value)) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:g}"
    text = str(value)
    if re.fullmatch("[1-9][0-9]*", text):
        return text
    plain = re.fullmatch(r"[A-Za-z0-9_./+-][A-Za-z0-9_./+ -]*[A-Za-z0-9_./+%-]|[A-Za-z0-9]", text)
    return text if plain and not re.fullmatch("[0-9.]+|true|false|yes|no|on|off|null", text, re.IGNORECASE) else f'"{text}"'


if __name__ == "__main__":
    sys.stdout.write(guide())
