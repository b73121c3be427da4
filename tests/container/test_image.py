"""What the image is: small, not root's, without tools, and made of nothing that belongs to the machine that built it."""

import os
from pathlib import Path

from emulator import __version__
from emulator.trunk.regions import ports_layout
from tests.container.build import Image, mounted
from tests.support.serve import run

LARGEST = 230_000_000
"""Octets on disk; Debian's slim image has 75,000,000 of them."""


def test_it_says_what_an_engine_has_to_know(image: Image) -> None:
    config = image.config
    assert config["User"] == "10001:0" and config["WorkingDir"] == "/vsim" and config["StopSignal"] == "SIGTERM"
    assert config["Entrypoint"] == ["vsim"] and config["Cmd"] == ["serve"]
    assert config["Healthcheck"]["Test"] == ["CMD", "vsim", "wait", "--timeout", "3s"]
    assert config["Labels"]["org.opencontainers.image.version"] == __version__
    assert not config.get("Volumes")


def test_every_port_is_exposed(image: Image) -> None:
    places = ports_layout("0.0.0.0")
    expected = {"53/udp", "53/tcp", "8060/tcp", "10000/udp", "10001/udp"}
    expected |= {f"{place.udp}/udp" for place in places}
    expected |= {f"{port}/tcp" for place in places for port in (place.tcp, place.tls)}
    assert set(image.config["ExposedPorts"]) == expected


def test_it_is_small_and_has_no_tools_and_nothing_of_the_builder(image: Image) -> None:
    assert image.octets < LARGEST, image.octets
    with mounted(image.id) as root:
        for tool in ("pip", "pip3", "gcc", "setcap", "curl", "git"):
            assert not list(root.glob(f"usr/bin/{tool}*")) and not list(root.glob(f"opt/vsim/bin/{tool}*")), tool
        assert not list((root / "opt/vsim/lib").glob("python3*/site-packages/pip*"))
        for left in ("etc/pip.conf", "run/secrets/ca.pem", "run/secrets/pip.conf", "root/.cache", "src", "build", "wheel"):
            path = root / left
            assert not path.exists() or not os.path.getsize(path) or (path.is_dir() and not any(path.iterdir())), left
        for folder in ("opt", "vsim", "etc", "var/lib/vsim"):
            text = run(["grep", "-rlI", "--", str(Path(__file__).parent.parent.parent), root / folder]).stdout
            assert text == "", f"this machine's checkout is named in {text}"
        assert [path.name for path in (root / "vsim").iterdir()] == ["scenarios"]


def test_nothing_in_it_may_become_root(image: Image) -> None:
    """One capability, on the interpreter, and that one only to be raised; the set-uid programs are Debian's own."""
    with mounted(image.id) as root:
        interpreter = root / "usr/bin" / os.readlink(root / "usr/bin/python3")
        capability = os.getxattr(interpreter, "security.capability")
        # linux/capability.h, vfs_cap_data: the revision with the effective bit at its end, then permitted and inheritable
        assert capability[0] & 1 == 0 and int.from_bytes(capability[4:8], "little") == 1 << 10, capability
        assert not [path for path in (root / "opt").rglob("*") if path.is_file() and path.stat().st_mode & 0o6000]
        assert not [path for path in (root / "opt").rglob("*") if not path.is_symlink() and path.stat().st_mode & 0o002]
