"""One side of a book of fixed depth, with the text that its checksum is made of.

Levels are deleted at once, because the depth is cut after each message. The text of a level is made
once, the text of a side only when its first ten changed: that halves the cost of small messages.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

from outlast.core.books.digits import Digits
from outlast.core.books.messages import CheckedRow
from outlast.core.books.sides import Side

__all__ = ["CheckedAskSide", "CheckedBidSide", "ExactCheckedAskSide", "ExactCheckedBidSide"]

_IN_CHECKSUM: Final = 10
"""Levels of a side that the checksum covers, whatever the depth.

Source: Kraken docs, guide "Spot WebSocket (v2) book", read 2026-05-27."""


class _CheckedSide(Side):
    """`merge` takes all of a message; `cut` then keeps the best `depth`."""

    __slots__ = ("_depth", "_is_text_old", "_last_in_text", "_level_texts", "_text")

    def __init__(self, digits: Digits, depth: int) -> None:
        super().__init__(digits)
        self._depth = depth
        self._text = b""
        self._is_text_old = True
        self._last_in_text: Any = self.FLOOR
        self._level_texts: dict[Any, tuple[Any, bytes]] = {}

    def take(self, rows: Sequence[CheckedRow]) -> None:
        raise NotImplementedError

    def renew(self, rows: Sequence[CheckedRow]) -> None:
        """Only `rows` from now on."""
        self.qtys.clear()
        self.qtys[self._price(self.FLOOR)] = 1
        self.keys[:] = [self.FLOOR]
        self._is_text_old = True
        self._last_in_text = self.FLOOR
        self._level_texts.clear()
        self.take(rows)

    def _cut(self, excess: int) -> None:
        for key in self.keys[1 : 1 + excess]:
            del self.qtys[self._price(key)]
        del self.keys[1 : 1 + excess]

    def text(self) -> bytes:
        """The digits of the ten best levels, best first."""
        if self._is_text_old:
            self._text = self._new_text()
            self._is_text_old = False
        return self._text

    def _new_text(self) -> bytes:
        keys, qtys, known, price_of = self.keys, self.qtys, self._level_texts, self._price
        first = max(1, len(keys) - _IN_CHECKSUM)
        # With fewer than ten levels any new one belongs to the text.
        self._last_in_text = keys[first] if len(keys) > _IN_CHECKSUM else self.FLOOR
        if len(known) > 8 * _IN_CHECKSUM:
            known.clear()
        texts = []
        for key in keys[: first - 1 : -1]:
            price = price_of(key)
            qty = qtys[price]
            level = known.get(price)
            if level is None or level[0] != qty:
                level = known[price] = (qty, self._digits.text(price, qty))
            texts.append(level[1])
        return b"".join(texts)

    def copy(self) -> _CheckedSide:  # type: ignore[override]
        twin = type(self)(self._digits, self._depth)
        twin.keys, twin.qtys = self.keys.copy(), self.qtys.copy()
        return twin

    def compact(self) -> None:
        """Nothing is ever dead here."""


class CheckedBidSide(_CheckedSide):
    """Bids in floats, or in Decimals: comparing either is exact."""

    __slots__ = ()

    @staticmethod
    def _price(key: Any) -> Any:
        return key

    def take(self, rows: Sequence[CheckedRow]) -> None:
        keys, qtys, last_in_text = self.keys, self.qtys, self._last_in_text
        for row in rows:
            price, qty = row.price, row.qty
            if price >= last_in_text:
                self._is_text_old = True
            if qty:
                if price not in qtys:
                    insort(keys, price)
                qtys[price] = qty
            elif price in qtys:
                del qtys[price]
                del keys[bisect_left(keys, price)]
        excess = len(keys) - 1 - self._depth
        if excess > 0:
            self._cut(excess)


class CheckedAskSide(_CheckedSide):
    """Asks in floats."""

    __slots__ = ()

    @staticmethod
    def _price(key: Any) -> Any:
        return -key

    def take(self, rows: Sequence[CheckedRow]) -> None:  # as for bids, but for the sign of the key
        keys, qtys, last_in_text = self.keys, self.qtys, self._last_in_text
        for row in rows:
            price, qty = row.price, row.qty
            key = -price
            if key >= last_in_text:
                self._is_text_old = True
            if qty:
                if price not in qtys:
                    insort(keys, key)
                qtys[price] = qty
            elif price in qtys:
                del qtys[price]
                del keys[bisect_left(keys, key)]
        excess = len(keys) - 1 - self._depth
        if excess > 0:
            self._cut(excess)


class ExactCheckedBidSide(CheckedBidSide):
    __slots__ = ()
    FLOOR = Decimal("-Infinity")


class ExactCheckedAskSide(_CheckedSide):
    """Asks in Decimals. `-price` would round to the caller's context, so the sign is copied."""

    __slots__ = ()
    FLOOR = Decimal("-Infinity")

    @staticmethod
    def _price(key: Any) -> Any:
        return key.copy_negate()

    def take(self, rows: Sequence[CheckedRow]) -> None:
        keys, qtys, last_in_text = self.keys, self.qtys, self._last_in_text
        for row in rows:
            price, qty = row.price, row.qty
            key = price.copy_negate()
            if key >= last_in_text:
                self._is_text_old = True
            if qty:
                if price not in qtys:
                    insort(keys, key)
                qtys[price] = qty
            elif price in qtys:
                del qtys[price]
                del keys[bisect_left(keys, key)]
        excess = len(keys) - 1 - self._depth
        if excess > 0:
            self._cut(excess)


