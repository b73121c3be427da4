"""The image run by the rules of the engines: health, a call with its echo, DNS, the control API, and a stop in time."""

import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.container.clients import WIRE, ask, dig, echoed, finished, sipp
from tests.container.engine import STOP_SECONDS, Container
from tests.container.network import INSIDE, OUTSIDE, Namespace
from tests.support.serve import need, until

Start = Callable[..., Container]
NET_BIND_SERVICE = 1 << 10


def test_a_container_as_podman_runs_it(start: Start, outside: Namespace, tmp_path: Path) -> None:
    """Low ports are kept for who has the capability, as podman leaves them: the interpreter raises it, and puts it back."""
    container = start()
    until(lambda: container.wait_until_healthy() < 3.0, "a health check in the three seconds that it is allowed")
    status = container.status()
    assert status["NSpid"].split()[1:] == ["1"] and set(status["Uid"].split()) == {"10001"} and set(status["Gid"].split()) == {"0"}
    assert int(status["CapPrm"], 16) == NET_BIND_SERVICE and int(status["CapEff"], 16) == 0

    assert dig(outside, "sip-us.vonage.com") == [INSIDE]
    assert dig(outside, "+tcp", "_sip._udp.sip-us-3.vonage.com", "SRV") == [
        "10 50 5060 sip-us-3-1.vonage.com.", "10 50 5062 sip-us-3-2.vonage.com.",
    ]  # fmt: skip

    calling = sipp(outside, tmp_path, WIRE / "call.xml", "-d", "8000")
    until(lambda: "call.answered" in container.logs(), "the call")
    assert echoed(outside, 40) == 40
    finished(calling)
    status_code, calls = ask(outside, "/v1/calls")
    assert status_code == 200
    (call,) = calls["calls"]
    assert (call["state"], call["status"], call["called"], call["proxy"]) == ("ended", 200, "442071234567", "us-3-1")
    assert ask(outside, f"/v1/calls/{call['id']}")[1]["media"]["heard"]["packets"] == 40

    assert ask(outside, "/readyz", "vsim:8060")[0] == 200 and ask(outside, "/readyz", "localhost:18060")[0] == 200
    assert ask(outside, "/readyz", "attacker.example:8060")[0] == 403
    assert "#1" in container.run("vsim", "calls").stdout
    variables = dict(re.findall(r"export (\w+)=(\S+)", container.run("vsim", "env").stdout))
    assert variables["VSIM_URL"] == "http://127.0.0.1:8060" and variables["VSIM_DNS"] == f"{INSIDE}:53"
    assert variables["VSIM_SIP_AP_4_2"] == f"{INSIDE}:5082" and variables["VSIM_SIP_AP_4_2_TLS"] == f"{INSIDE}:5083"
    code, seconds = container.stop()
    assert code == 0 and seconds < STOP_SECONDS


def test_stopping_says_bye_first(start: Start, outside: Namespace, tmp_path: Path) -> None:
    container = start()
    container.wait_until_healthy()
    calling = sipp(outside, tmp_path, WIRE / "waits_for_bye.xml")
    until(lambda: "call.answered" in container.logs(), "the call")
    code, seconds = container.stop()
    assert code == 0 and seconds < STOP_SECONDS
    finished(calling)


def test_a_container_as_restricted_as_can_be(start: Start, inside: Namespace, outside: Namespace, tmp_path: Path) -> None:
    """Read-only, a user that the platform chose, no capability, no new privileges; low ports are everybody's, as Docker leaves them."""
    inside.let_everybody_have_low_ports()
    container = start(user="1000660000:0", drop_all=True, no_new_privileges=True, read_only=True, tmpfs="/var/lib/vsim")
    container.wait_until_healthy()
    assert int(container.status()["CapBnd"], 16) == 0 and container.status()["NoNewPrivs"] == "1"
    assert container.run("touch", "/vsim/x").returncode != 0, "the file system is not read-only"
    assert dig(outside, "sip-eu-4-2.vonage.com") == [INSIDE]
    authority = tmp_path / "ca.pem"
    authority.write_text(container.run("cat", container.run("vsim", "certs").stdout.split()[1]).stdout)
    shown = outside.run(
        need("openssl", "openssl"), "s_client", "-connect", f"{INSIDE}:5075", "-CAfile", authority, "-verify_return_error",
        "-verify_ip", INSIDE, "-tls1_2", "-brief",
    )  # fmt: skip
    assert "Verification: OK" in shown.stderr, shown.stderr
    code, seconds = container.stop()
    assert code == 0 and seconds < STOP_SECONDS


def test_without_low_ports_it_says_what_to_do(start: Start) -> None:
    container = start(drop_all=True, no_new_privileges=True)
    assert container.wait() == 2
    assert "0.0.0.0:53: DNS: permission denied; choose another with dns.port, or allow low ports" in container.logs(), container.logs()
    other = start(drop_all=True, no_new_privileges=True, env={"VSIM_DNS_PORT": "8053"})
    other.wait_until_healthy()
    assert other.stop()[0] == 0


def test_any_user_may_run_it(start: Start) -> None:
    container = start(user="4711:4711")
    container.wait_until_healthy()
    assert container.stop()[0] == 0


def test_the_address_that_is_advertised(start: Start, inside: Namespace, outside: Namespace) -> None:
    def zone(**env: str) -> str:
        container = start("dns-zone", "--hosts", env=env)
        assert container.wait() == 0, container.logs()
        return container.logs().splitlines()[-1].split()[0]

    assert zone() == INSIDE
    inside.run("ip", "route", "del", "default")  # a network that leads nowhere else, such as compose's `internal: true`
    assert zone() == INSIDE
    assert zone(VSIM_ADVERTISE="192.0.2.7") == "192.0.2.7"
    assert zone(VSIM_LAYOUT="loopback") == "127.0.34.2"
    inside.run("ip", "address", "flush", "dev", "eth0")
    assert zone() == "127.0.0.1"


def test_a_config_in_the_volume_is_found(start: Start, outside: Namespace, tmp_path: Path) -> None:
    folder = tmp_path / "given"
    folder.mkdir()
    (folder / "vsim.yaml").write_text("dns:\n  hosts: {pbx.example.net: 198.18.0.1}\n  port: 5353\n")
    container = start(volumes={folder: "/vsim"})
    container.wait_until_healthy()
    assert dig(outside, "pbx.example.net") == [OUTSIDE], "and the image's variables win: the port is still 53"
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "vsim.yaml").write_text("layoot: ports\n")
    container.stop()
    other = start(volumes={broken: "/vsim"})
    assert other.wait() == 2 and "vsim.yaml:1:1: unknown key 'layoot'" in other.logs()


@pytest.mark.parametrize("command", ["--version", "--help", "check --schema"])
def test_other_commands_need_nothing(start: Start, command: str) -> None:
    container = start(*command.split(), drop_all=True, no_new_privileges=True, read_only=True)
    assert container.wait() == 0, container.logs()


def test_the_demo_without_a_network(start: Start) -> None:
    """No more than a loopback interface is there."""
    container = start("demo", read_only=True, tmpfs="/var/lib/vsim", drop_all=True, no_new_privileges=True)
    assert container.wait() == 0, container.logs()


@pytest.mark.real_time
def test_it_starts_soon(start: Start) -> None:
    before = time.monotonic()
    container = start()
    container.wait_until_healthy()
    assert time.monotonic() - before < 20
