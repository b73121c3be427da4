"""A scenario file as commands read it: with its faults checked."""

from collections.abc import Mapping

from emulator.scenario.script import Script, load


def load_scenario(path: str, settings: Mapping[str, str] | None = None) -> Script:
    """The script of a file. Raises `Unusable`."""
    return load(path, settings)
