"""A client that reaches the container through published ports alone: everything it sends arrives from the engine's address and port."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.container.clients import WIRE, ask, dig, echoed, finished, sipp
from tests.container.engine import Container
from tests.container.network import INSIDE, OUTSIDE, Namespace, join
from tests.support.serve import need, until

CLIENT, MACHINE = "198.18.1.1", "198.18.1.254"
_PUBLISHED = f"""
add table nat
add chain nat published {{ type nat hook prerouting priority -100; }}
add chain nat changed {{ type nat hook postrouting priority 100; }}
add rule nat published iif outer meta l4proto {{ tcp, udp }} dnat to {INSIDE}
add rule nat changed oif inner masquerade random
add rule nat changed oif outer masquerade
"""


@pytest.fixture
def client(inside: Namespace, tmp_path: Path) -> Iterator[Namespace]:
    """A host that knows the machine, which passes on what is for a container that the host does not know."""
    machine, client = Namespace(), Namespace()
    try:
        join(machine, OUTSIDE, inside, INSIDE, ("inner", "eth0"))
        join(machine, MACHINE, client, CLIENT, ("outer", "eth0"))
        inside.run("ip", "route", "add", "default", "via", OUTSIDE)
        rules = tmp_path / "published.nft"
        rules.write_text(_PUBLISHED)
        done = machine.run("sh", "-c", 'echo 1 > /proc/sys/net/ipv4/ip_forward && exec "$@"', "sh", need("nft", "nftables"), "-f", rules)
        assert done.returncode == 0, done.stderr
        yield client
    finally:
        client.close()
        machine.close()


@pytest.mark.parametrize("transport", ["u1", "t1"])
def test_a_call_through_published_ports(start: Callable[..., Container], client: Namespace, tmp_path: Path, transport: str) -> None:
    container = start(env={"VSIM_ADVERTISE": MACHINE})
    container.wait_until_healthy()
    assert dig(client, "sip-us-3-1.vonage.com", at=MACHINE) == [MACHINE]
    scenario = tmp_path / "call.xml"
    # RFC 3581: without it the answer goes to the port in Via (RFC 3261 18.2.2), and no engine knows what that is for
    scenario.write_text((WIRE / "call.xml").read_text().replace(";branch=[branch", ";rport;branch=[branch"))
    calling = sipp(client, tmp_path, scenario, "-t", transport, "-d", "8000", at=MACHINE, own=CLIENT)
    until(lambda: "call.answered" in container.logs(), "the call")
    assert echoed(client, 20, at=MACHINE, own=CLIENT) == 20
    finished(calling)
    (call,) = ask(client, "/v1/calls", at=MACHINE)[1]["calls"]
    assert (call["state"], call["status"]) == ("ended", 200)
