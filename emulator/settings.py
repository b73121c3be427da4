"""Every setting by its name, its variable and its default: docs/settings.md, and the JSON Schema of vsim.yaml."""

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, get_args, get_origin

import msgspec
from msgspec import Struct

from emulator.annotations import not_none, peel
from emulator.config import OURS, SOURCE, Config


@dataclass(frozen=True, slots=True)
class Setting:
    """One row of docs/settings.md."""

    name: str
    variable: str
    default: Any
    description: str
    source: str


def settings() -> list[Setting]:
    """Every setting with a single value, and the lists, in the order of the model."""
    return list(_walk(Config, "", lambda name: "VSIM_" + name.upper().replace(".", "_")))


def _walk(kind: type[Struct], prefix: str, variable: Callable[[str], str]) -> Iterator[Setting]:
    for field in msgspec.structs.fields(kind):
        plain, meta = peel(field.type)
        name = prefix + field.name
        if isinstance(plain, type) and issubclass(plain, Struct):
            yield from _walk(plain, name + ".", variable)
            continue
        extra = (meta.extra or {}) if meta is not None else {}
        default = field.default if field.default is not msgspec.NODEFAULT else field.default_factory
        inner = not_none(plain)
        nested = get_origin(inner) is dict or (
            get_origin(inner) is tuple and isinstance(get_args(inner)[0], type) and issubclass(get_args(inner)[0], Struct)
        )
        yield Setting(
            name, "" if nested else variable(name), default() if callable(default) else default,
            (meta.description or "") if meta is not None else "", str(extra.get(SOURCE, OURS)),
        )  # fmt: skip


def schema() -> dict[str, Any]:
    """The JSON Schema of vsim.yaml, for editors."""
    from emulator.schema import document  # for editors only

    return document(Config, "vsim.yaml")


def table() -> str:
    """docs/settings.md."""
    lines = [
        "# Settings",
        "",
        "Set in `vsim.yaml` by name (dots are nesting), or by variable. Made from `emulator/config.py`.",
        "`page` is Vonage's SIP overview; `vonage-facts, default N` is a choice between what is publicly known, and an invention",
        "where nothing is; `vsim's own` is about the emulator only. [vonage.md](vonage.md) has what is known, its sources and the choices.",
        "",
        "| setting | variable | default | meaning | source |",
        "|---|---|---|---|---|",
    ]
    for setting in settings():
        variable, description = f"`{setting.variable}`" if setting.variable else "", setting.description
        if setting.name == "accounts":  # a list of several values each, which has a form of its own as a variable
            variable, description = "`VSIM_ACCOUNT`", f"{description} The variable is `KEY:SECRET[:NUMBER…]`, and so on after a comma."
        default = json.dumps(msgspec.to_builtins(setting.default)).replace("|", "\\|")
        if setting.name == "layout" and sys.platform == "linux":
            default += " on Linux"
        lines.append(f"| `{setting.name}` | {variable} | `{default}` | {description} | {setting.source} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(table())
