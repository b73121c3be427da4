"""The impairments of one call in their places on the way of its packets."""

from collections.abc import Callable

from emulator.chance import Chance
from emulator.clock import Clock
from emulator.ids import Ids
from emulator.media.chain import REWRITING, chain
from emulator.media.holding import Room
from emulator.media.impair import Packets
from emulator.media.plan import Plan


class Course:
    """What rewrites a packet of ours comes before protection, all else after it; what is heard has a chain of its own.

    `leaving` takes a packet of ours, `arriving` one of theirs as it came.
    """

    __slots__ = ("_after", "arriving", "leaving")

    def __init__(
        self,
        plan: Plan,
        clock: Clock,
        ids: Ids,
        silence: bytes,
        protect: Callable[[bytes | memoryview], bytes],
        send: Packets,
        hear: Packets,
    ) -> None:
        """`silence` is the codec's payload for it. `send` takes what leaves, `hear` what is left of what came."""
        chance, room = Chance(ids if plan.seed is None else Ids(plan.seed)), Room()
        rewriting = [spec for spec in plan.sent if spec[0] in REWRITING]
        others = [spec for spec in plan.sent if spec[0] not in REWRITING]
        self._after = after = chain(others, send, clock, chance, silence, room)
        self.leaving = chain(rewriting, lambda packet: after(protect(packet)), clock, chance, silence, room)
        self.arriving = chain(plan.heard, hear, clock, chance, silence, room)

    def close(self) -> None:
        """Drops what waits; nothing goes on from now on. Harmless when done before."""
        for one in (self.leaving, self._after, self.arriving):
            one.close()

    @property
    def counters_sent(self) -> dict[str, dict[str, int]]:
        """Of each impairment by name, of what we send."""
        return {**self.leaving.counters(), **self._after.counters()}

    @property
    def counters_heard(self) -> dict[str, dict[str, int]]:
        """Of each impairment by name, of what comes."""
        return self.arriving.counters()

    @property
    def lost(self) -> int:
        """Packets of ours that went nowhere."""
        return self.leaving.lost + self._after.lost
