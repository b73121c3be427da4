"""`advertise: auto`. What it finds on networks of all kinds is in tests/container, where there are some."""

import ipaddress
from pathlib import Path

import pytest

from emulator.config import Config, Unusable
from emulator.config_sources import load
from emulator.own_address import with_own_address


def test_it_is_an_address_of_this_machine() -> None:
    config = load(None, {"VSIM_LAYOUT": "ports", "VSIM_BIND": "0.0.0.0", "VSIM_ADVERTISE": "auto"})
    found = with_own_address(config).advertise
    assert found is not None and not ipaddress.IPv4Address(found).is_unspecified


def test_where_every_proxy_has_its_own_there_is_none_for_all() -> None:
    assert with_own_address(Config(layout="loopback", advertise="auto")).advertise is None


@pytest.mark.parametrize("advertise", [None, "192.0.2.7"])
def test_what_is_given_stays(advertise: str | None) -> None:
    config = Config(layout="ports", advertise=advertise)
    assert with_own_address(config) is config


def test_neither_an_address_nor_auto(tmp_path: Path) -> None:
    with pytest.raises(Unusable, match="advertise 'automatic' is no IP address"):
        load(None, {"VSIM_ADVERTISE": "automatic"})
