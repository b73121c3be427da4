"""compose.yaml: well formed, agreed with the image, and Kamailio's part of it, run beside the image on the network it describes."""

import ipaddress
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from emulator.config_sources import load
from emulator.settings import settings
from tests.container.build import ROOT, Image
from tests.container.clients import WIRE, finished
from tests.container.engine import Container
from tests.container.network import Namespace, join, route_elsewhere
from tests.support.serve import environment, need, run, until

KAMAILIO = ROOT / "docs" / "compose" / "kamailio"


@pytest.fixture
def services() -> dict[str, Any]:
    found: dict[str, Any] = YAML(typ="safe").load(ROOT / "compose.yaml")["services"]
    return found


@pytest.fixture
def network(inside: Namespace, services: dict[str, Any]) -> Iterator[Namespace]:
    """Where Kamailio runs, joined with the container's."""
    outside = Namespace()
    vsim, kamailio = address(services["vsim"]), address(services["kamailio"])
    try:
        join(inside, vsim, outside, kamailio)
        route_elsewhere(inside, kamailio)
        yield outside
    finally:
        outside.close()


def address(service: dict[str, Any]) -> str:
    return str(service["networks"]["trunk"]["ipv4_address"])


def test_compose_takes_the_file() -> None:
    """By Docker's plugin where there is one, else by the program of its own; neither needs an engine for this."""
    plugin = shutil.which("docker") and run(["docker", "compose", "version"]).returncode == 0
    compose = ["docker", "compose"] if plugin else [need("docker-compose", "docker-compose")]
    done = run([*compose, "--file", ROOT / "compose.yaml", "config", "--quiet"])
    assert done.returncode == 0 and done.stderr == "", done.stderr


def test_it_agrees_with_the_image_and_with_itself(image: Image, services: dict[str, Any]) -> None:
    vsim, kamailio = services["vsim"], services["kamailio"]
    assert (ROOT / vsim["build"] / "Dockerfile").is_file() and (ROOT / kamailio["build"] / "Dockerfile").is_file()
    assert kamailio["depends_on"] == {"vsim": {"condition": "service_healthy"}} and "Healthcheck" in image.config
    assert kamailio["dns"] == address(vsim)
    for port in vsim["ports"]:
        assert port.rpartition(":")[2] + "/tcp" in image.config["ExposedPorts"]
    (volume,) = vsim["volumes"]
    file, place, mode = volume.split(":")
    assert place == image.config["WorkingDir"] + "/vsim.yaml" and mode == "ro"
    config = load(str(ROOT / file))
    (account,) = config.accounts
    given = kamailio["environment"]
    assert (given["TRUNK_KEY"], given["TRUNK_SECRET"], given["TRUNK_NUMBER"]) == (account.key, account.secret, account.numbers[0])
    assert config.dns.hosts["pbx.example.net"] == address(kamailio)
    assert len({ipaddress.ip_network(f"{address(service)}/24", strict=False) for service in services.values()}) == 1


def test_variables_named_in_it_are_settings() -> None:
    known = {setting.variable for setting in settings()}
    named = [word.strip("# :") for word in (ROOT / "compose.yaml").read_text().split() if word.startswith("VSIM_")]
    assert named and not [name for name in named if name not in known]


@pytest.fixture
def trunk(start: Callable[..., Container], network: Namespace, services: dict[str, Any], tmp_path: Path) -> Container:
    """vsim with the config that compose gives it, and Kamailio with the configuration and the name server that compose gives that."""
    container = start(volumes={ROOT / "docs" / "compose" / "vsim.yaml": "/vsim/vsim.yaml"})
    container.wait_until_healthy()
    resolver = tmp_path / "resolv.conf"
    resolver.write_text(f"nameserver {services['kamailio']['dns']}\n")
    network.start(
        "unshare", "--mount", "--propagation", "private", "sh", "-c", 'mount --bind "$0" /etc/resolv.conf && exec "$@"', resolver,
        need("kamailio", "kamailio"), "-f", KAMAILIO / "kamailio.cfg", "-DD", "-E", "-m", "32", "-M", "4", "-Y", tmp_path,
        env=environment(**services["kamailio"]["environment"]), cwd=tmp_path,
    )  # fmt: skip
    options = (need("sipsak", "sipsak"), "-s", f"sip:{address(services['kamailio'])}")
    until(lambda: network.run(*options).returncode == 0, "Kamailio")
    return container


def call(network: Namespace, directory: Path, own: str) -> None:
    """A phone's call through Kamailio, to its end. Its workers may hand on the 200 before the 180, or then without it."""
    scenario = directory / "call.xml"
    scenario.write_text((WIRE / "call_through_sbc.xml").read_text().replace('"180"/>', '"180" optional="true"/>'))
    calling = network.start(
        need("sipp", "sip-tester"), f"{own}:5060", "-sf", scenario, "-s", "442071234567", "-i", own, "-p", "5070",
        "-nostdin", "-timeout", "100", "-timeout_error", "-m", "1", "-d", "200", cwd=directory,
    )  # fmt: skip
    finished(calling)


def test_kamailio_calls_through_the_trunk(trunk: Container, network: Namespace, services: dict[str, Any], tmp_path: Path) -> None:
    call(network, tmp_path, address(services["kamailio"]))
    listed = trunk.run("vsim", "calls").stdout.splitlines()
    assert len(listed) == 2 and " us-3-1 " in listed[1] and " ended " in listed[1] and " 200 " in listed[1], listed


@pytest.mark.parametrize("how", ["503", "drop"])
def test_kamailio_moves_to_the_next_site(trunk: Container, network: Namespace, services: dict[str, Any], tmp_path: Path, how: str) -> None:
    assert trunk.run("vsim", "down", "us-3", "--how", how).returncode == 0
    call(network, tmp_path, address(services["kamailio"]))
    ladder = trunk.run("vsim", "show", "last").stdout
    assert "ended 200" in ladder and f"ACK sip:442071234567@{address(services['vsim'])}:5064 " in ladder, ladder  # us-4-1
    assert how != "503" or ladder.count("503 Service Unavailable") >= 2, ladder


def test_a_call_from_the_trunk_reaches_kamailio(trunk: Container, services: dict[str, Any]) -> None:
    """Its config knows no phone of that name."""
    rung = trunk.run("vsim", "call", "447700900000", "--from", "14155550100", "--json")
    assert rung.returncode != 0 and address(services["kamailio"]) in rung.stdout and "480" in rung.stdout, rung.stdout + rung.stderr
