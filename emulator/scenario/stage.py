"""Where a scenario acts: what its steps ask of the emulator."""

from collections.abc import Callable
from typing import Any, Protocol

from emulator.journal.record import CallRecord
from emulator.scenario.model import Call, Given
from emulator.scenario.spec import FaultSpec

Observer = Callable[[str, str, str, bool, bytes], None]
"""Told of each SIP message: proxy, transport, the peer's `address:port`, whether it came in, octets."""


class Stage(Protocol):
    """The emulator as steps see it. Every method raises `Unusable`, with a reason for a person, when it can't be done."""

    def given(self, given: Given) -> list[str]:
        """Set up what holds before the first step; returns the ids of its faults."""

    def observe(self, observer: Observer) -> Callable[[], None]:
        """Tell `observer` of each message from now on; the result ends that."""

    def ring(self, call: Call) -> CallRecord:
        """A caller rings a number."""

    def hang_up(self, record: CallRecord) -> None:
        """End a call that is up, or refuse one that is not answered yet."""

    def dial(self, record: CallRecord, digits: str) -> None:
        """Send digits to the device."""

    def hold(self, record: CallRecord, on: bool) -> bool:
        """Put the device on hold, or take it back; False while that can't be asked, for an ACK or another re-INVITE is under way."""

    def down(self, name: str, how: str, seconds: float | None, keep_calls: bool) -> None:
        """Take a proxy, site, region or all down."""

    def up(self, name: str) -> None:
        """Take it up."""

    def fault(self, spec: FaultSpec) -> str:
        """Add a fault; returns its id."""

    def clear(self, fault: str) -> None:
        """Remove a fault, by its id."""

    def listening(self, address: str) -> bool:
        """Whether somebody listens at `address:port` of this machine."""

    def struck(self) -> list[str]:
        """What has come of each fault that was added, a line each."""

    def failover(self) -> dict[str, Any] | None:
        """What the device made of what was down; None when nothing was."""

    def restore(self) -> None:
        """Undo what `given` and the steps have changed, and end the calls that they began."""
