"""Clients for `tests.support.stories` that are a few lines of shell, or SIPp with a scenario of `tests.support.sipp_scenario`."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.support.sipp_scenario import scenario

_SIPP = ("sipp", "sip-tester")
_NEEDED = {
    "softphone.sh": (("baresip", "baresip-core"), ("sox", "sox")),
    "linphone.sh": (("linphonec", "linphone-cli"), ("sox", "sox")),
    "openssl ": (("openssl", "openssl"),),
    "sipp ": (_SIPP,),
}
"""Programs and the Debian packages that they are in, by what stands in a command line."""


@dataclass(frozen=True)
class Device:
    """`command` makes the lines of shell, given the folder that they are run in."""

    name: str
    command: Callable[[Path], str]

    @property
    def needed(self) -> list[tuple[str, str]]:
        """The foreign programs in it, with their packages."""
        text = self.command(Path("/nonexistent"))
        return [needed for word, programs in _NEEDED.items() if word in text for needed in programs]


def lines(name: str, *text: str) -> Device:
    """Lines of shell; `CLIENTS` stands for the folder of clients."""
    return Device(name, lambda directory: "\n".join(text).replace("CLIENTS", str(Path(__file__).parent.parent / "wire" / "clients")))


def phone(name: str, flags: str) -> Device:
    """The product's own phone, calling once."""
    return lines(name, f"exec $VSIM_PROGRAM phone call $VSIM_VAR_NUMBER {flags}")


def caller(name: str, *parts: str, flags: str = "", at: tuple[str, ...] = ("US_3_1",), then: str = "") -> Device:
    """SIPp calls the scenario's number at one proxy, or at each in turn, whatever comes of it; `then` is what follows."""

    def command(directory: Path) -> str:
        audio = _written(directory / "audio.ul", b"\xd5" * 80000)
        path = _written(directory / "caller.xml", scenario(name, *parts).replace("AUDIO", str(audio)).encode())
        fixed = "-t u1 -au $VSIM_KEY -ap $VSIM_SECRET -i 127.0.0.1 -mi 127.0.0.1 -nostdin -m 1 -timeout 100 -timeout_error"
        return "\n".join((*(f"sipp $VSIM_SIP_{proxy} -sf {path} -s $VSIM_VAR_NUMBER {fixed} {flags}" for proxy in at), then))

    return Device(name, command)


def server(port: str, *parts: str, flags: str = "-t u1", name: str = "") -> Device:
    """SIPp listens at the scenario's port of this name, in the background."""

    def command(directory: Path) -> str:
        path = _written(directory / f"{port}.xml", scenario(port, *parts).encode())
        fixed = f"-i 127.0.0.1 -mi 127.0.0.1 -p $VSIM_PORT_{port.upper()} -nostdin {flags}"
        return f"sipp -sf {path} {fixed} > {directory}/{port}.out 2>&1 &"

    return Device(name or port, command)


def together(name: str, *devices: Device) -> Device:
    """Several in the background, until the story is over."""
    return Device(name, lambda directory: "\n".join((*(device.command(directory) for device in devices), "wait")))


def _written(path: Path, data: bytes) -> Path:
    if path.parent.exists():
        path.write_bytes(data)
    return path
