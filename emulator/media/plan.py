"""What the far end of one call plays, and what is done to its media on the way, as data. The defaults are an honest echo."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from emulator.media.dtmf_sender import Quirk

Specs = tuple[tuple[str, Mapping[str, float | str]], ...]
"""Names and parameters of impairments, in the order in which packets meet them; see `emulator.media.chain`."""

ECHO, TONE, SILENCE, NOTHING = "echo", "tone", "silence", "nothing"


@dataclass(frozen=True, slots=True)
class Plan:
    """`play` is `echo`, `tone`, `silence`, `nothing` (not one packet), or the name of a prompt: the path of a WAV file
    where that is what `media.play` says."""

    play: str = ECHO
    echo_digits: bool = True
    """A digit that has been heard is sent back once it has ended; telephone-events are never echoed packet for packet, for some stacks
    send their next one for each that they hear."""
    sent: Specs = ()
    """What is done to the packets of the far end."""
    heard: Specs = ()
    """What is done to those of the client before the far end hears them."""
    digits: str = ""
    """Digits that the far end sends by itself; a comma is a pause of half a second."""
    digits_after: float = 1.0
    """Seconds after the answer."""
    quirk: "Quirk | None" = None
    """How they are sent wrongly."""
    srtp: Literal["right", "wrong-key", "bad-tag", "plain"] = "right"
    """What is sent where SRTP was agreed."""
    other_port: bool = False
    """Send from another port than the description announces."""
    seed: int | None = None
    """What happens to packets by chance follows from it; without one from the call's other random choices."""
    record: bool = False
    """Record the call, whether or not all are recorded."""

    @property
    def echoes(self) -> bool:
        return self.play == ECHO
