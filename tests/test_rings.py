"""The architecture holds: imports point inward, and only wires know Twisted."""

import ast
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent / "emulator"

WIRES = {
    "service.py", "proxy_listeners.py",
    "authority.py", "sip/transport.py", "sip/datagram.py", "sip/dialling.py", "sip/tls.py", "sip/tls_client.py",
    "media/sockets.py", "media/port_pair.py", "media/shared_port.py", "dns/nameserver.py", "dns/exchange.py", "dns/resolver.py",
    "control/server.py", "control/client.py", "control/endpoints.py", "control/webhook.py", "scenario/connections.py",
    "scenario/wires.py", "scenario/listeners.py", "__main__.py",
    "reactor_clock.py", "phone/line.py", "own_address.py", "low_ports.py",
}  # fmt: skip
MACHINES = {
    "clock.py", "ids.py", "sip/digest.py", "sip/transaction.py", "sip/endpoint.py", "sip/dialog.py", "sip/session.py",
    "sip/called.py", "sip/calling.py", "sip/calling_session.py", "sip/credentials.py", "sip/dialog_request.py", "sip/reliable.py",
    "sip/session_timer.py", "sip/reinvite.py", "sip/locate.py", "chance.py", "media/stream.py", "media/echo.py",
    "media/wire.py", "media/clear.py", "media/reports.py", "media/events.py", "media/course.py", "media/summary.py", "media/srtp.py",
    "media/impair.py", "media/losing.py", "media/holding.py", "media/rewriting.py",
    "media/chain.py", "media/dialler.py", "media/player.py", "media/far_end.py", "media/ear.py",
    "media/recording.py", "media/decoder.py", "media/wav.py", "media/recorder.py", "trunk/studio.py", "trunk/accounts.py", "trunk/calls.py",
    "trunk/leg.py", "trunk/conversation.py", "trunk/policy.py", "trunk/proxy.py", "trunk/admission.py", "trunk/registrar.py",
    "trunk/limits.py", "trunk/directory.py", "trunk/exchange.py", "trunk/forwarding.py", "trunk/inbound.py", "trunk/rung.py",
    "trunk_settings.py", "forwarding_settings.py", "trunk/trunk.py", "journal/journal.py", "journal/record.py",
    "journal/capture.py", "journal/datagrams.py",
    "control/api.py", "control/telephony.py", "control/openapi.py",
    "control/faults.py", "control/scenarios.py", "control/turns.py",
    "scenario/rules.py", "scenario/schedule.py", "scenario/fault.py", "scenario/faults.py", "scenario/sight.py", "scenario/gate.py",
    "scenario/signalling.py",
    "scenario/answers.py", "scenario/outage.py", "scenario/outages.py", "scenario/seams.py", "scenario/names.py", "scenario/wiring.py",
    "scenario/behaviours.py", "scenario/failover.py", "scenario/downtime.py", "scenario/likeness.py", "scenario/trail.py",
    "scenario/expect.py", "scenario/expect_calls.py", "scenario/expect_named.py", "scenario/expect_requests.py", "scenario/world.py",
    "scenario/stage.py", "scenario/live.py", "scenario/witness.py", "scenario/runner.py", "scenario/acts.py", "scenario/scenarios.py",
    "phone/echo.py", "phone/handset.py", "phone/outcome.py", "phone/report.py", "phone/call.py", "phone/placed.py", "phone/taken.py",
    "phone/phone.py",
}  # fmt: skip
SEPARATE = ("sip", "media", "dns")


def ring(path: str) -> int:
    """0 words, 1 machines, 2 wires."""
    if path in WIRES or path.startswith("cli/"):
        return 2
    return 1 if path in MACHINES else 0


def files() -> list[Path]:
    return sorted(path for path in ROOT.rglob("*.py"))


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def imports(path: Path) -> frozenset[str]:
    """Dotted names of what a file imports, those for type checking alone left out."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            node.body = []
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(found)


def ours(path: Path) -> set[str]:
    """The files of ours that a file imports."""
    found = set()
    for name in imports(path):
        if name.startswith("emulator."):
            candidate = name.removeprefix("emulator.").replace(".", "/") + ".py"
            if (ROOT / candidate).is_file():
                found.add(candidate)
    return found


@pytest.mark.parametrize("path", files(), ids=relative)
def test_imports_point_inward(path: Path) -> None:
    own = relative(path)
    outward = {other for other in ours(path) if ring(other) > ring(own)}
    assert not outward, f"{own} must not import {sorted(outward)}"


@pytest.mark.parametrize("path", files(), ids=relative)
def test_only_wires_know_twisted(path: Path) -> None:
    if ring(relative(path)) < 2:
        assert not {name for name in imports(path) if name.split(".")[0] in ("twisted", "zope", "OpenSSL", "socket")}


@pytest.mark.parametrize("path", files(), ids=relative)
def test_sip_media_and_dns_never_meet_outside_the_trunk(path: Path) -> None:
    own = relative(path).split("/")[0]
    if own in SEPARATE:
        foreign = {other for other in ours(path) if other.split("/")[0] in (*SEPARATE, "trunk") and other.split("/")[0] != own}
        assert not foreign


@pytest.mark.parametrize("path", files(), ids=relative)
def test_the_phone_is_a_stranger_to_the_trunk(path: Path) -> None:
    """It shares the parts of SIP, media and DNS. Of the trunk, its journal and its control API it knows nothing, nor they of it."""
    own = relative(path)
    apart = ("trunk/", "control/", "scenario/", "journal/journal.py", "journal/record.py", "phone/")
    others = {other for other in ours(path) if other.startswith(apart)}
    if own.startswith("phone/"):
        assert not {other for other in others if not other.startswith("phone/")}
    elif not own.startswith("cli/"):
        assert not {other for other in others if other.startswith("phone/")}


@pytest.mark.parametrize("path", files(), ids=relative)
def test_nobody_imports_the_composition_root_or_the_command_line(path: Path) -> None:
    own = relative(path)
    if not own.startswith("cli/") and own != "__main__.py":
        assert not {other for other in ours(path) if other == "service.py" or other.startswith("cli/")}


def test_the_lists_name_files_that_exist() -> None:
    assert not {path for path in WIRES | MACHINES if not (ROOT / path).is_file()}
