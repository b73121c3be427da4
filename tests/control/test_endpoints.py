"""The endpoints file."""

import json
import os
import stat
from pathlib import Path

import pytest

from emulator.config import Unusable
from emulator.control import endpoints
from emulator.control.model import AccountKey, DnsEndpoint, Endpoints, MediaEndpoint, ProxyEndpoint


def described(pid: int) -> Endpoints:
    return Endpoints(
        pid=pid, version="0.1.0", layout="loopback", control="http://127.0.0.1:8060", dns=DnsEndpoint(address="127.0.0.1", port=8053),
        ca="/x/ca.pem", account=AccountKey(key="abcd1234", secret="OfflineSecret1"), media=MediaEndpoint(ports=[10000, 20000]),
        proxies={"us-3-1": ProxyEndpoint(host="sip-us-3-1.vonage.com", address="127.0.13.1", udp=5060, tcp=5060, tls=5061)},
    )  # fmt: skip


def test_its_shape_is_the_contract(tmp_path: Path) -> None:
    path = tmp_path / "vsim.json"
    endpoints.write(path, described(4711))
    assert json.loads(path.read_text()) == {
        "pid": 4711, "version": "0.1.0", "layout": "loopback", "control": "http://127.0.0.1:8060",
        "dns": {"address": "127.0.0.1", "port": 8053}, "ca": "/x/ca.pem",
        "account": {"key": "abcd1234", "secret": "OfflineSecret1"}, "media": {"ports": [10000, 20000]},
        "proxies": {"us-3-1": {"host": "sip-us-3-1.vonage.com", "address": "127.0.13.1", "udp": 5060, "tcp": 5060, "tls": 5061}},
    }  # fmt: skip
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_whoever_reads_it_meanwhile_has_the_old_one_or_the_new_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "vsim.json"
    endpoints.write(path, described(1))
    seen: list[int] = []
    replace = os.replace

    def looked_at(source: str, target: Path) -> None:
        seen.append(json.loads(path.read_text())["pid"])
        seen.append(json.loads(Path(source).read_text())["pid"])  # whole before it takes the name
        replace(source, target)
        seen.append(json.loads(path.read_text())["pid"])

    monkeypatch.setattr(os, "replace", looked_at)
    endpoints.write(path, described(2))
    assert seen == [1, 2, 2]


def test_a_second_instance_sees_the_first(tmp_path: Path) -> None:
    path = tmp_path / "vsim.json"
    assert endpoints.running(path) is None
    endpoints.write(path, described(os.getppid()))
    assert endpoints.running(path) == os.getppid()
    endpoints.write(path, described(0x3FFFFFFF))
    assert endpoints.running(path) is None
    path.write_text("rubbish")
    assert endpoints.running(path) is None


def test_only_its_own_file_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "vsim.json"
    endpoints.write(path, described(os.getppid()))
    endpoints.remove(path)
    assert path.exists()
    endpoints.write(path, described(os.getpid()))
    endpoints.remove(path)
    endpoints.remove(path)
    assert not path.exists()


def test_a_directory_that_can_not_be_written_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(Unusable, match="--endpoints"):
        endpoints.write(tmp_path / "none" / "vsim.json", described(1))
