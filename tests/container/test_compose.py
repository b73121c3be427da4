"""compose.yaml: well formed, agreed with the image, and Kamailio's part of it, run beside the image on the network it describes."""

import ipaddress
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from emulator.config import load, settings
from tests.container.build import ROOT, Image
from tests.container.engine import Container
from tests.container.network import Namespace, join, route_elsewhere
from tests.support.serve import environment, need, run, until

WIRE = ROOT / "tests" / "wire"
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
    folder, place, mode = volume.split(":")
    assert place == image.config["WorkingDir"] and mode == "ro"
    config = load(str(ROOT / folder / "vsim.yaml"))
    (account,) = config.accounts
    given = kamailio["environment"]
    assert (given["TRUNK_KEY"], given["TRUNK_SECRET"], given["TRUNK_NUMBER"]) == (account.key, account.secret, account.numbers[0])
    assert config.dns.hosts["pbx.example.net"] == address(kamailio)
    assert len({ipaddress.ip_network(f"{address(service)}/24", strict=False) for service in services.values()}) == 1


def test_variables_named_in_it_are_settings() -> None:
    known = {setting.variable for setting in settings()}
    named = [word.strip("# :") for word in (ROOT / "compose.yaml").read_text().split() if word.startswith("VSIM_")]
    assert named and not [name for name in named if name not in known]


def test_kamailio_calls_through_the_trunk(
    start: Callable[..., Container], network: Namespace, services: dict[str, Any], tmp_path: Path
) -> None:
    """The configuration that compose gives Kamailio, with the name server that compose gives it."""
    vsim, own = address(services["vsim"]), address(services["kamailio"])
    container = start(volumes={ROOT / "docs" / "compose" / "vsim": "/vsim"})
    container.wait_until_healthy()
    resolver = tmp_path / "resolv.conf"
    resolver.write_text(f"nameserver {services['kamailio']['dns']}\n")
    program = need("kamailio", "kamailio")
    kamailio = network.start(
        "unshare", "--mount", "--propagation", "private", "sh", "-c", 'mount --bind "$0" /etc/resolv.conf && exec "$@"', resolver,
        program, "-f", KAMAILIO / "kamailio.cfg", "-DD", "-E", "-m", "32", "-M", "4", "-Y", tmp_path,
        env=environment(**services["kamailio"]["environment"]), cwd=tmp_path,
    )  # fmt: skip
    until(lambda: network.run(need("sipsak", "sipsak"), "-s", f"sip:{own}").returncode == 0, "Kamailio", 20)
    calling = network.start(
        need("sipp", "sip-tester"), f"{own}:5060", "-sf", WIRE / "call_through_sbc.xml", "-s", "442071234567", "-i", own, "-p", "5070",
        "-nostdin", "-timeout", "30", "-timeout_error", "-m", "1", "-d", "200", cwd=tmp_path,
    )  # fmt: skip
    output, _ = calling.communicate(timeout=40)
    if calling.returncode:
        kamailio.terminate()
        pytest.fail(output[-2000:] + kamailio.communicate(timeout=20)[0][-3000:] + container.logs())
    listed = container.run("vsim", "calls").stdout.splitlines()
    assert len(listed) == 2 and " us-3-1 " in listed[1] and " ended " in listed[1] and " 200 " in listed[1], listed
    assert f"{vsim}:53" in container.logs()
