"""Customers' hosts found over real sockets: the name server of one emulator is the upstream of another, and that one's the resolver's."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.serve import Serve, environment, need, run

CONFIG = """
dns:
  hosts: {a.pbx.example: 127.0.0.7, b.pbx.example: 127.0.0.8, six.example: "::1"}
  services:
    _sip._udp.pbx.example: [20 0 5080 b.pbx.example, 10 0 5070 a.pbx.example, 5 0 5070 gone.pbx.example]
    _sip._tcp.pbx.example: [0 0 0 .]
    _sips._tcp.pbx.example: [1 0 5061 six.example]
"""


@pytest.fixture
def front(tmp_path: Path) -> Iterator[Serve]:
    """An emulator that passes on what it does not know to another that knows the customer."""
    (tmp_path / "back").mkdir()
    (tmp_path / "front").mkdir()
    (tmp_path / "back" / "vsim.yaml").write_text(CONFIG)
    back = Serve(tmp_path / "back")
    try:
        front = Serve(tmp_path / "front", env={"VSIM_DNS_UPSTREAM": at(back)})
        try:
            yield front
            front.check()
            back.check()
        finally:
            front.stop()
    finally:
        back.stop()


def at(serve: Serve) -> str:
    return f"{serve.endpoints['dns']['address']}:{serve.endpoints['dns']['port']}"


def locate(upstream: str, *targets: str) -> list[str]:
    done = run([sys.executable, "-m", "tests.support.locate", upstream, *targets])
    assert done.returncode == 0 and done.stderr == "", done.stderr
    return done.stdout.splitlines()


def test_a_customers_host_is_found_through_two_name_servers(front: Serve) -> None:
    assert locate(
        at(front), "pbx.example/UDP/127.0.13.1", "pbx.example/TCP/127.0.13.1", "pbx.example/TLS/127.0.13.1", "pbx.example/TLS/::1",
        "a.pbx.example:5090/TLS/127.0.13.1", "a.pbx.example/TLS/127.0.13.1", "nobody.pbx.example/UDP/127.0.13.1",
        "elsewhere.example/UDP/127.0.13.1", "192.0.2.1/TLS/127.0.13.1",
    ) == [
        "a.pbx.example=127.0.0.7:5070 b.pbx.example=127.0.0.8:5080 (locate.not-found)",
        "_sip._tcp.pbx.example says that pbx.example does not offer TCP",
        "six.example has ::1, and the call leaves from 127.0.13.1",
        "six.example=::1:5061",
        "a.pbx.example=127.0.0.7:5090",
        "a.pbx.example=127.0.0.7:5061",
        "nobody.pbx.example: NXDOMAIN",
        f"elsewhere.example: REFUSED from {at(front)} (locate.srv-failed)",
        "192.0.2.1=192.0.2.1:5061",
    ]  # fmt: skip


def test_an_answer_too_large_for_udp_comes_over_tcp(serve: Serve) -> None:
    """Twelve services are more than 512 octets."""
    (line,) = locate(at(serve), "sip.nexmo.com/TLS/127.0.13.1")
    assert sorted(line.split()) == sorted(
        f"sip-{name}.nexmo.com={proxy['address']}:{proxy['tls']}" for name, proxy in serve.endpoints["proxies"].items()
    )
    assert line.index("sip-us-3-1") < line.index("sip-us-4-1") < line.index("sip-eu-4-1")


def test_a_name_server_that_is_not_there(serve: Serve) -> None:
    nobody = f"{serve.endpoints['dns']['address']}:9"
    assert locate(nobody, "pbx.example/UDP/127.0.13.1") == [f"pbx.example: {nobody}: connection refused (locate.srv-failed)"]


def test_dig_gets_a_whole_answer_over_tcp_through_two_name_servers(tmp_path: Path) -> None:
    (tmp_path / "back").mkdir()
    (tmp_path / "front").mkdir()
    records = ", ".join(f"{k} 0 5060 proxy-{k}.a-rather-long-name.pbx.example" for k in range(40))
    (tmp_path / "back" / "vsim.yaml").write_text(f"dns: {{services: {{_sip._udp.pbx.example: [{records}]}}}}\n")
    back = Serve(tmp_path / "back")
    try:
        front = Serve(tmp_path / "front", env={"VSIM_DNS_UPSTREAM": at(back)})
        try:
            host, port = front.endpoints["dns"]["address"], str(front.endpoints["dns"]["port"])
            done = run([need("dig", "dnsutils"), f"@{host}", "-p", port, "_sip._udp.pbx.example", "SRV", "+short"], env=environment())
            assert len(done.stdout.splitlines()) == 40, done.stdout
            front.check()
        finally:
            front.stop()
        back.check()
    finally:
        back.stop()
