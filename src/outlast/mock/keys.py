"""Who may trade: accounts with keys made from the seed, so that a seed repeats to the byte."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from outlast.mock.scenario.model import Limits

__all__ = ["Account", "KeyRing", "make_key"]

_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_KEY_CHARS = 64  # what Binance issues; also valid base64, which Kraken's secrets have to be


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One client of one venue. `name` is what the engine and the truth call it."""

    name: str
    key: str
    secret: str


def make_key(seed: int, *parts: str) -> str:
    """64 letters and digits drawn from `seed` and `parts`: a key or secret for tests only."""
    text = "\x1f".join([str(seed), *parts]).encode()
    chars: list[str] = []
    block = 0
    while len(chars) < _KEY_CHARS:
        digest = hashlib.blake2b(text, salt=block.to_bytes(8, "big")).digest()
        # Bytes of 248 and more are left out: 248 is 4 × 62, so that no letter is favoured.
        chars += [_ALPHABET[byte % 62] for byte in digest if byte < 248]
        block += 1
    return "".join(chars[:_KEY_CHARS])


class KeyRing:
    """The accounts of one venue, found by their API key."""

    def __init__(self, *, seed: int, venue: str) -> None:
        self._seed, self._venue = seed, venue
        self._by_key: dict[str, Account] = {}
        self._names: set[str] = set()
        self.limits = Limits()
        """The limits in force now, for what a venue counts per key (nonces)."""

    def issue(self, name: str) -> Account:
        """Make the account `name`; the same seed, venue and name give the same key and secret."""
        assert name not in self._names, f"account {name!r} exists"
        account = Account(
            name=name,
            key=make_key(self._seed, self._venue, name, "key"),
            secret=make_key(self._seed, self._venue, name, "secret"),
        )
        self._names.add(name)
        self._by_key[account.key] = account
        return account

    def find(self, key: str) -> Account | None:
        """The account of API key `key`, or None."""
        return self._by_key.get(key)

    def __iter__(self) -> Iterator[Account]:
        return iter(self._by_key.values())

    def __len__(self) -> int:
        return len(self._by_key)
