"""Who may call: API keys, secrets, and the numbers each owns."""

from collections.abc import Iterable, Sequence
from hmac import compare_digest

from emulator.sip.digest import ALGORITHMS

_CACHED = 4096


class Account:
    """One account. `numbers` are the E.164 numbers it owns, `verified` the other caller IDs it may show."""

    __slots__ = ("_ha1", "caller_ids", "key", "numbers", "secret")

    def __init__(self, key: str, secret: str, numbers: Sequence[str], verified: Sequence[str] = ()) -> None:
        self.key = key
        self.secret = secret
        self.numbers = tuple(numbers)
        self.caller_ids = frozenset((*numbers, *verified))
        self._ha1: dict[tuple[str, str], str] = {}

    def __repr__(self) -> str:
        return f"Account({self.key!r})"  # never the secret

    def ha1(self, realm: str, algorithm: str) -> str:
        """H(A1) of RFC 7616 3.4.2 for `realm`; computed once a realm and algorithm."""
        known = self._ha1.get((realm, algorithm))
        if known is None:
            if len(self._ha1) >= _CACHED:
                self._ha1.clear()
            known = self._ha1[realm, algorithm] = ALGORITHMS[algorithm](f"{self.key}:{realm}:{self.secret}")
        return known


class Accounts:
    """All accounts, by key."""

    def __init__(self, accounts: Iterable[Account]) -> None:
        self._by_key = {account.key: account for account in accounts}

    def get(self, key: str) -> Account | None:
        return self._by_key.get(key)

    def owner_of(self, number: str) -> str:
        """The key of the account that owns a number; the first account's when none does."""
        owners = (key for key, account in self._by_key.items() if number in account.numbers)
        return next(owners, next(iter(self._by_key), ""))

    def ha1(self, key: str, realm: str, algorithm: str) -> str | None:
        """See `emulator.sip.digest.Users`."""
        account = self._by_key.get(key)
        return account.ha1(realm, algorithm) if account is not None else None

    def named(self, hashed: str, realm: str, algorithm: str) -> str | None:
        """See `emulator.sip.digest.Users`."""
        hash_of, wanted = ALGORITHMS[algorithm], hashed.lower().encode("utf-8", "surrogateescape")
        return next((key for key in self._by_key if compare_digest(hash_of(f"{key}:{realm}").encode(), wanted)), None)
