"""Who may trade: accounts with keys made from the seed, so that a seed repeats to the byte."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from outlast.mock.scenario.model import Limits

__all__ = ["Account", "Ed25519Key", "KeyRing", "make_key"]

_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_PKCS8_ED25519 = bytes.fromhex("302e020100300506032b657004220420")
_ED25519_VENUES = frozenset({"binance-spot"})
"""Where a session is opened with a key of this kind only (spot's WebSocket API)."""
_KEY_CHARS = 64  # what Binance issues; also valid base64, which Kraken's secrets have to be


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One client of one venue. `name` is what the engine and the truth call it."""

    name: str
    key: str
    secret: str
    ed25519: Ed25519Key | None = None
    """A second key of the same account, where the venue has keys of that kind."""

    def credentials(self) -> dict[str, Any]:
        """What a client needs to trade as this account."""
        shown: dict[str, Any] = {"key": self.key, "secret": self.secret}
        if self.ed25519 is not None:
            shown["ed25519"] = {"key": self.ed25519.key, "private_key": self.ed25519.pem}
        return shown


@dataclass(frozen=True, slots=True, kw_only=True)
class Ed25519Key:
    """An API key whose requests are signed with a private key instead of a secret."""

    key: str
    seed: bytes
    """The private key, 32 bytes (RFC 8032)."""

    @property
    def pem(self) -> str:
        """The private key as clients load it: PKCS#8, unencrypted (RFC 8410)."""
        inside = base64.b64encode(_PKCS8_ED25519 + self.seed).decode()
        return f"-----BEGIN PRIVATE KEY-----\n{inside}\n-----END PRIVATE KEY-----\n"


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
        self._by_ed25519: dict[str, Account] = {}
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
            ed25519=self._ed25519(name) if self._venue in _ED25519_VENUES else None,
        )
        self._names.add(name)
        self._by_key[account.key] = account
        if account.ed25519 is not None:
            self._by_ed25519[account.ed25519.key] = account
        return account

    def _ed25519(self, name: str) -> Ed25519Key:
        text = make_key(self._seed, self._venue, name, "ed25519 private key")
        return Ed25519Key(
            key=make_key(self._seed, self._venue, name, "ed25519 key"),
            seed=hashlib.sha256(text.encode()).digest(),
        )

    def find(self, key: str) -> Account | None:
        """The account of API key `key`, or None."""
        return self._by_key.get(key)

    def find_ed25519(self, key: str) -> Account | None:
        """The account of an API key that signs with Ed25519, or None."""
        return self._by_ed25519.get(key)

    def __iter__(self) -> Iterator[Account]:
        return iter(self._by_key.values())

    def __len__(self) -> int:
        return len(self._by_key)
