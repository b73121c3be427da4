"""docs/container.md says what the image says; what it gives to copy is well formed."""

import re

from ruamel.yaml import YAML

from emulator.settings import settings
from tests.container.build import ROOT, Image

TEXT = (ROOT / "docs" / "container.md").read_text()
OTHERS = {"VSIM_ACCOUNT"}
"""Variables that are no setting of one value."""


def test_its_table_has_the_variables_of_the_image(image: Image) -> None:
    told: dict[str, str] = {}
    for names, values in re.findall(r"^\| (`(?:VSIM|TMP).*?) \| (.*?) \|", TEXT, re.MULTILINE):
        variables, chosen = re.findall(r"`(\w+)`", names), re.findall(r"`(.+?)`", values)
        if "under" in values:
            chosen = chosen * len(variables)
        told.update(zip(variables, chosen, strict=True))
    given = dict(variable.split("=", 1) for variable in image.config["Env"])
    del given["PATH"]
    assert set(told) == set(given)
    assert all(given[name].startswith(value) for name, value in told.items())


def test_every_variable_it_names_is_a_setting() -> None:
    known = {setting.variable for setting in settings()} | OTHERS
    assert not {name for name in re.findall(r"\bVSIM_[A-Z_]+\b", TEXT) if name not in known}


def test_its_snippets_are_yaml() -> None:
    snippets = re.findall(r"^```yaml\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    assert len(snippets) >= 4
    for snippet in snippets:
        assert list(YAML(typ="safe").load_all(snippet))
