"""Keys of the user data stream: one an account, valid for an hour from the last sign of life.

Source: Binance USD-M futures docs, Start / Keepalive / Close User Data Stream.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

from outlast.mock.venues.binance_um.client_ids import letters
from outlast.mock.venues.binance_um.errors import VenueRefusal
from outlast.mock.venues.binance_um.questions import Given, Question

__all__ = ["VALID_MS", "ListenKeys"]

VALID_MS: Final = 60 * 60_000
_ISSUED_KEPT: Final = 1_000
"""Old keys that are still known to have been keys, for sockets that hang on to them."""


@dataclass(slots=True)
class _Key:
    text: str
    ends_ms: int


class ListenKeys:
    """The listen keys of one venue. It is told the time by the engine's clock."""

    def __init__(self, seed: int) -> None:
        self._seed, self._made = seed, 0
        self._by_account: dict[str, _Key] = {}
        self._issued: deque[str] = deque(maxlen=_ISSUED_KEPT)

    def new(self, q: Question) -> Given:
        """Give the account's key, a new one if there is none, valid for another hour."""
        now_ms = q.engine.now_ms
        key = self._valid(q.account, now_ms)
        if key is None:
            self._made += 1
            key = _Key(letters(64, self._seed, "listen key", q.account, self._made), 0)
            self._by_account[q.account] = key
            self._issued.append(key.text)
        key.ends_ms = now_ms + VALID_MS
        return Given({"listenKey": key.text})

    def keep(self, q: Question) -> Given:
        """Extend the account's key; -1125 when there is none any more."""
        key = self._valid(q.account, q.engine.now_ms)
        if key is None:
            raise VenueRefusal(-1125)
        key.ends_ms = q.engine.now_ms + VALID_MS
        return Given({"listenKey": key.text})

    def drop(self, q: Question) -> Given:
        self._by_account.pop(q.account, None)
        return Given({})

    def owner(self, text: str, now_ms: int) -> str | None:
        """Give the account a key belongs to, while it is valid."""
        for account, key in self._by_account.items():
            if key.text == text and now_ms < key.ends_ms:
                return account
        return None

    def of(self, account: str, now_ms: int) -> str | None:
        """Give the account's key, while it is valid."""
        key = self._valid(account, now_ms)
        return None if key is None else key.text

    def was_issued(self, text: str) -> bool:
        """Tell whether this was ever a key, valid or not."""
        return text in self._issued

    def ends_ms(self, account: str) -> int | None:
        """Give the instant at which the account's key runs out, if it has one."""
        key = self._by_account.get(account)
        return None if key is None else key.ends_ms

    def expire(self, account: str) -> str | None:
        """End the account's key now, as the scenario's `expire_key` asks; give the dead key."""
        key = self._by_account.pop(account, None)
        return None if key is None else key.text

    def _valid(self, account: str, now_ms: int) -> _Key | None:
        key = self._by_account.get(account)
        return key if key is not None and now_ms < key.ends_ms else None
