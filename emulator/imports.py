"""What a start leaves out is imported once it is over and no call is up: one module at a time, and before anybody asks for it.

Who waits for `vsim serve` waits for its first packet; who uses the control API while calls are up must not hold them up with imports.
"""

import importlib
import sys
from collections.abc import Callable, Iterable, Iterator
from importlib.machinery import SourceFileLoader
from importlib.util import find_spec

from emulator.clock import Clock

_OURS = "emulator."
LATER = (
    "emulator.trunk.exchange", "emulator.trunk.directory", "emulator.trunk.magic", "emulator.trunk.callers",
    "emulator.media.events", "emulator.media.dialler", "emulator.media.far_end", "emulator.media.recorder", "emulator.media.recording",
    "emulator.media.ear", "emulator.media.course", "emulator.scenario.faults", "emulator.scenario.names", "emulator.scenario.wires",
    "emulator.scenario.oneline", "emulator.scenario.downtime", "emulator.scenario.failover", "emulator.scenario.scenarios",
    "emulator.scenario.listeners", "emulator.scenario.live", "emulator.recording_file", "emulator.dns.question", "emulator.control.openapi",
    "email._header_value_parser", "email.policy",
)  # fmt: skip
"""What the API and calls import when they first need it; but not what needs OpenSSL or libsrtp, whose imports are long and can't be cut."""
_AFTER = 1.0
"""Seconds from the start: its first answers come first."""
_REST = 0.02
"""Seconds between two modules."""
_AGAIN = 0.5
"""Seconds until it is looked again whether a call is up: a module takes some milliseconds, which its audio would wait."""


class Imports:
    """`start` is all there is to do."""

    def __init__(self, clock: Clock, busy: Callable[[], object], report: Callable[[Exception], None], done: Callable[[], object]) -> None:
        """`busy` is whether it has to wait; `report` is told of an error, which ends it; `done` is called when everything is there."""
        self._clock = clock
        self._busy = busy
        self._report = report
        self._done = done
        self._steps = each(LATER)

    def start(self) -> None:
        self._clock.call_later(_AFTER, self._step)

    def _step(self) -> None:
        if self._busy():
            self._clock.call_later(_AGAIN, self._step)
            return
        try:
            more = next(self._steps, None)
        except Exception as error:
            self._report(error)
            return
        if more is None:
            self._done()
        else:
            self._clock.call_later(_REST, self._step)


def each(names: Iterable[str], seen: set[str] | None = None) -> Iterator[str]:
    """Import modules, each behind what it needs of ours, one a step; yields its name. `seen` are those that are under way."""
    seen = set() if seen is None else seen
    for name in names:
        if name not in sys.modules and name not in seen:
            seen.add(name)
            yield from each(_needs(name), seen)
            importlib.import_module(name)
            yield name


def _needs(name: str) -> list[str]:
    """Modules of ours that a module imports, as its compiled code has them; those that only types need are among them."""
    spec = find_spec(name) if name.startswith(_OURS) else None
    code = spec.loader.get_code(name) if spec is not None and isinstance(spec.loader, SourceFileLoader) else None
    if code is None:
        return []
    named = [one for one in code.co_names if one.startswith(_OURS)]
    packages = [one for one in named if (there := find_spec(one)) is not None and there.submodule_search_locations is not None]
    within = (f"{package}.{one}" for package in packages for one in code.co_names if "." not in one)
    return [*named, *(one for one in within if find_spec(one) is not None)]  # `from emulator.media import g711`
