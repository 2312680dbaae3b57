"""Ids as the venue writes them: groups of base-36 characters, drawn from the seed.

Source: Kraken docs, samples of Add Order, Get Trades History, Get Ledgers Info, Amend Order: orders
`O…`, trades and amendments `T…`, ledger entries `L…`, in groups of 6, 5 and 6.
"""

from __future__ import annotations

import hashlib
import re
from typing import Final

__all__ = ["ORDER_SHAPE", "Ids", "text_of"]

_ALPHABET: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
ORDER_SHAPE: Final = re.compile(r"[A-Z0-9]{6}-[A-Z0-9]{5}-[A-Z0-9]{6}\Z")


def text_of(count: int, *parts: object) -> str:
    """`count` (at most 64) upper-case letters and digits that follow from `parts` alone."""
    text = "\x1f".join(str(part) for part in parts).encode()
    return "".join(_ALPHABET[byte % 32] for byte in hashlib.blake2b(text).digest()[:count])


class Ids:
    """The ids of one run: the same seed gives the same ids."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def order(self, number: int) -> str:
        return self._make("O", "order", number)

    def trade(self, execution_id: int) -> str:
        return self._make("T", "trade", execution_id)

    def ledger(self, execution_id: int, asset: str) -> str:
        return self._make("L", "ledger", execution_id, asset)

    def amend(self, number: int) -> str:
        return self._make("T", "amend", number)

    def position(self, account: str, symbol: str) -> str:
        return self._make("T", "position", account, symbol)

    def _make(self, first: str, *parts: object) -> str:
        text = first + text_of(16, self._seed, *parts)
        return f"{text[:6]}-{text[6:11]}-{text[11:]}"
