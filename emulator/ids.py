"""Every random choice: branches, tags, nonces' keys, SSRCs. One seed replays them all; without one the system's generator serves."""

import os
import random

_POOL_OCTETS = 4096


class Ids:
    """A source of identifiers. With `seed` the sequence repeats (for replaying a run); without, it cannot be foretold."""

    def __init__(self, seed: int | None = None) -> None:
        self.seed = seed
        self._octets = os.urandom if seed is None else random.Random(seed).randbytes
        self._pool = b""
        self._at = 0

    def take(self, count: int) -> bytes:
        """`count` random octets (at most 4096); drawn from a pool because a system call each would cost more than the id."""
        end = self._at + count
        if end > len(self._pool):
            self._pool = self._octets(_POOL_OCTETS)
            self._at, end = 0, count
        taken = self._pool[self._at : end]
        self._at = end
        return taken

    def number(self, below: int) -> int:
        """A number from 0 to `below` - 1; `below` at most 2**32."""
        return int.from_bytes(self.take(8), "big") % below

    def branch(self) -> str:
        """A Via branch with the magic cookie (RFC 3261 8.1.1.7)."""
        return "z9hG4bK" + self.take(9).hex()

    def tag(self) -> str:
        """A From or To tag: 64 random bits where RFC 3261 19.3 wants at least 32."""
        return self.take(8).hex()

    def call_id(self) -> str:
        return self.take(12).hex()

    def ssrc(self) -> int:
        """An SSRC (RFC 3550 8.1)."""
        return int.from_bytes(self.take(4), "big")

    def sequence(self) -> int:
        """A first RTP sequence number, low enough that the first packets don't wrap (RFC 3711 3.3.1)."""
        return int.from_bytes(self.take(2), "big") & 0x7FFF
