"""Client order ids that the venue makes up when a client gives none."""

from __future__ import annotations

import hashlib
from typing import Final

__all__ = ["ClientIds", "letters"]

_ALPHABET: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


def letters(count: int, *parts: object) -> str:
    """Give `count` (at most 64) letters and digits that follow from `parts` alone."""
    assert count <= 64
    text = "\x1f".join(str(part) for part in parts).encode()
    return "".join(_ALPHABET[byte % 62] for byte in hashlib.blake2b(text).digest()[:count])


class ClientIds:
    """22 characters each, never the same twice, the same again for the same seed.

    Source: Binance USD-M futures docs, New Order ("automatically generated if not sent"); the
    length is that of the ids in its samples.
    """

    def __init__(self, seed: int) -> None:
        self._seed, self._given = seed, 0

    def next(self) -> str:
        self._given += 1
        return letters(22, self._seed, "client order id", self._given)
