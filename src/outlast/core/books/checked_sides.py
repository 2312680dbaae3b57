"""One side of a book of fixed depth, with the text that its checksum is made of.

Levels are deleted at once, because the depth is cut after each message. Beside the keys stand two
lists: the quantity of each level, and its text, made when it changes near the top or comes up to
it. The text of the side is made only when one of its first ten changed, and the text of a price is
kept, because most changes are of the size at a price. That more than halves the cost of small
messages.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final, Self

from outlast.core.books.digits import Digits, FloatDigits
from outlast.core.books.messages import CheckedRow
from outlast.core.books.sides import Side

__all__ = [
    "CheckedAskSide",
    "CheckedBidSide",
    "CheckedSide",
    "ExactCheckedAskSide",
    "ExactCheckedBidSide",
    "checked_sides",
]

_IN_CHECKSUM: Final = 10
"""Levels of a side that the checksum covers, whatever the depth.

Source: Kraken docs, guide "Spot WebSocket (v2) book", read 2026-05-27."""
_PRICES_MAX: Final = 4096


class CheckedSide(Side):
    """`take` applies all levels of a message and then cuts to `depth`."""

    __slots__ = ("_depth", "_sizes", "_texts", "text")

    def __init__(self, digits: Digits, depth: int) -> None:
        super().__init__(digits)
        self._depth = depth
        self.text: bytes | None = None
        """The digits of the ten best levels, best first. None: they changed, see `new_text`."""
        self._sizes: list[Any] = [0]  # beside `keys`
        self._texts: list[bytes | None] = [None]  # beside `keys`; None: not made

    @staticmethod
    def _key(price: Any) -> Any:
        raise NotImplementedError

    def take(self, rows: Sequence[CheckedRow]) -> None:
        """Apply all levels in their order, then keep the best `depth`."""
        keys, sizes, texts = self.keys, self._sizes, self._texts
        for row in rows:
            key, qty = self._key(row.price), row.qty
            at = bisect_left(keys, key)
            is_held = at < len(keys) and keys[at] == key
            if not qty:
                if is_held:
                    del keys[at], sizes[at], texts[at]
            elif is_held:
                sizes[at], texts[at] = qty, None
            else:
                keys.insert(at, key)
                sizes.insert(at, qty)
                texts.insert(at, None)
        self.text = None
        self._cut()

    def differs(self, rows: Sequence[CheckedRow]) -> bool:
        """Whether any of the levels is held otherwise, or not at all."""
        keys, sizes, key_of = self.keys, self._sizes, self._key
        for row in rows:
            key = key_of(row.price)
            at = bisect_left(keys, key)
            if row.qty != (sizes[at] if at < len(keys) and keys[at] == key else 0):
                return True
        return False

    def renew(self, rows: Sequence[CheckedRow]) -> None:
        """Only `rows` from now on."""
        self.keys[:] = [self.FLOOR]
        self._sizes[:] = [0]
        self._texts[:] = [None]
        self.text = None
        self.take(rows)

    def _cut(self) -> None:
        end = max(1, len(self.keys) - self._depth)
        del self.keys[1:end], self._sizes[1:end], self._texts[1:end]

    def _best_qty(self, price: Any) -> Any:
        return self._sizes[-1]

    def rows(self, count: int | None = None, *, known_only: bool = False) -> list[tuple[Any, Any]]:
        """The best `count` levels as (price, qty), as they are held; all are known."""
        end = 0 if count is None else max(0, len(self.keys) - 1 - count)
        prices = map(self._price, self.keys[:end:-1])
        return list(zip(prices, self._sizes[:end:-1], strict=True))

    def new_text(self) -> bytes:
        """Make the text anew."""
        texts = self._texts
        count = min(_IN_CHECKSUM, len(texts) - 1)
        top = texts[: -count - 1 : -1]
        if None in top:
            for at in range(-count, 0):
                if texts[at] is None:
                    texts[at] = self._digits.text(self._price(self.keys[at]), self._sizes[at])
            top = texts[: -count - 1 : -1]
        text = self.text = b"".join(top)  # type: ignore[arg-type]  # none is None now
        return text

    def top_rows(self) -> list[tuple[Any, Any]]:
        """The levels that the checksum covers."""
        return self.rows(_IN_CHECKSUM)

    def copy(self) -> Self:
        twin = type(self)(self._digits, self._depth)
        twin.keys, twin._sizes = self.keys.copy(), self._sizes.copy()  # noqa: SLF001  # our twin
        return twin

    def compact(self) -> None:
        """Nothing is ever dead here."""


class _FloatCheckedSide(CheckedSide):
    __slots__ = ("_price_texts", "_price_x", "_qty_x")

    def __init__(self, digits: Digits, depth: int) -> None:
        assert isinstance(digits, FloatDigits)
        super().__init__(digits, depth)
        self._price_x, self._qty_x = digits.price_x, digits.qty_x
        self._price_texts: dict[float, bytes] = {}

    def _price_text(self, price: float) -> bytes:
        if len(self._price_texts) > _PRICES_MAX:
            self._price_texts.clear()
        text = self._price_texts[price] = b"%d" % (price * self._price_x + 0.5)
        return text


class CheckedBidSide(_FloatCheckedSide):
    """Bids in floats."""

    __slots__ = ()

    @staticmethod
    def _price(key: Any) -> Any:
        return key

    @staticmethod
    def _key(price: Any) -> Any:
        return price

    def take(self, rows: Sequence[CheckedRow]) -> None:
        keys, sizes, texts = self.keys, self._sizes, self._texts
        text: bytes | None
        for row in rows:
            price, qty = row.price, row.qty
            at, count = bisect_left(keys, price), len(keys)
            if at < count - _IN_CHECKSUM:
                text = None
            else:
                self.text = text = None
                if qty:
                    # As in `FloatDigits.text`: one product of 15 digits rounds right.
                    text = self._price_texts.get(price) or self._price_text(price)
                    text += b"%d" % (qty * self._qty_x + 0.5)
            if at < count and keys[at] == price:
                if qty:
                    sizes[at], texts[at] = qty, text
                else:
                    del keys[at], sizes[at], texts[at]
            elif qty:
                keys.insert(at, price)
                sizes.insert(at, qty)
                texts.insert(at, text)
        if len(keys) > self._depth + 1:
            self._cut()


class CheckedAskSide(_FloatCheckedSide):
    """Asks in floats."""

    __slots__ = ()

    @staticmethod
    def _price(key: Any) -> Any:
        return -key

    @staticmethod
    def _key(price: Any) -> Any:
        return -price

    def take(self, rows: Sequence[CheckedRow]) -> None:  # as for bids, but for the sign of the key
        keys, sizes, texts = self.keys, self._sizes, self._texts
        text: bytes | None
        for row in rows:
            price, qty = row.price, row.qty
            key = -price
            at, count = bisect_left(keys, key), len(keys)
            if at < count - _IN_CHECKSUM:
                text = None
            else:
                self.text = text = None
                if qty:
                    text = self._price_texts.get(price) or self._price_text(price)
                    text += b"%d" % (qty * self._qty_x + 0.5)
            if at < count and keys[at] == key:
                if qty:
                    sizes[at], texts[at] = qty, text
                else:
                    del keys[at], sizes[at], texts[at]
            elif qty:
                keys.insert(at, key)
                sizes.insert(at, qty)
                texts.insert(at, text)
        if len(keys) > self._depth + 1:
            self._cut()


class ExactCheckedBidSide(CheckedSide):
    """Bids in Decimals."""

    __slots__ = ()
    FLOOR = Decimal("-Infinity")

    @staticmethod
    def _price(key: Any) -> Any:
        return key

    @staticmethod
    def _key(price: Any) -> Any:
        return price


class ExactCheckedAskSide(CheckedSide):
    """Asks in Decimals. `-price` would round to the caller's context, so the sign is copied."""

    __slots__ = ()
    FLOOR = Decimal("-Infinity")

    @staticmethod
    def _price(key: Any) -> Any:
        return key.copy_negate()

    @staticmethod
    def _key(price: Any) -> Any:
        return price.copy_negate()


def checked_sides(digits: Digits, depth: int) -> tuple[CheckedSide, CheckedSide]:
    """Bids and asks for these digits."""
    if isinstance(digits, FloatDigits):
        return CheckedBidSide(digits, depth), CheckedAskSide(digits, depth)
    return ExactCheckedBidSide(digits, depth), ExactCheckedAskSide(digits, depth)
