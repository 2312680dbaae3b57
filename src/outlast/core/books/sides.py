"""One side of a book: the levels, and their prices in order with the best one last.

Keys are prices for bids and negated prices for asks, so the best key is the largest on both sides,
and the touch, where most changes happen, is the end of the list that moves few elements.

`Side` deletes late: a level that went has a quantity of zero and keeps its key until it reaches the
top or until `compact`. A large message is then one `dict.update`.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Sequence
from decimal import Decimal
from itertools import islice
from math import inf
from typing import Any, ClassVar, Final, Self

from outlast.core.books.digits import Digits, NotKnown
from outlast.model import Level

__all__ = ["AskSide", "BidSide", "ExactAskSide", "ExactBidSide", "Rows", "Side"]

Rows = Sequence[tuple[Any, Any]]
"""(price, qty) as the decoder gives them: floats or Decimals, 0 < price, 0 <= qty, both finite."""

_FEW: Final = 8
"""Up to so many changes go in one by one; more are cheaper as one `dict.update`."""
_MANY_NEW: Final = 64
"""From so many new prices on, sorting once is cheaper than finding the place of each."""


class Side:
    """The levels of one side. `keys[0]` is a floor below all prices, so the list is never empty."""

    __slots__ = ("_digits", "_top", "_top_key", "_top_qty", "keys", "known_key", "qtys")

    FLOOR: ClassVar[Any] = -inf

    def __init__(self, digits: Digits) -> None:
        self._digits = digits
        self.keys: list[Any] = [self.FLOOR]
        """Sorted; some may be dead. The last one is alive, or it is the floor."""
        self.qtys: dict[Any, Any] = {self._price(self.FLOOR): 1}
        """By price. Zero: the level is gone."""
        self.known_key: Any = self.FLOOR
        """From this key up we know every level; below it only those that changed."""
        self._top_key: Any = None
        self._top_qty: Any = None
        self._top: Level | None = None

    @staticmethod
    def _price(key: Any) -> Any:
        raise NotImplementedError

    def merge(self, rows: Rows) -> None:
        raise NotImplementedError

    def replace(self, rows: Rows, *, known_all: bool) -> None:
        """Only `rows` from now on. `known_all`: there is nothing beyond them."""
        self.qtys.clear()
        self.qtys[self._price(self.FLOOR)] = 1
        self.keys[:] = [self.FLOOR]
        self.known_key = self.FLOOR
        self.merge(rows)
        self.compact()
        if not known_all and len(self.keys) > 1:
            self.known_key = self.keys[1]

    def compact(self) -> None:
        """Forget dead levels, and those below what is known in full. Not for every message."""
        known_from = max(1, bisect_left(self.keys, self.known_key))
        for key in self.keys[1:known_from]:
            del self.qtys[self._price(key)]
        del self.keys[1:known_from]
        dead = [key for key in self.keys if not self.qtys[self._price(key)]]
        for key in dead:
            del self.qtys[self._price(key)]
        if dead:
            gone = set(dead)
            self.keys[:] = [key for key in self.keys if key not in gone]

    def best(self) -> Level | None:
        """The best level; None when the side is empty.

        Raises:
            NotKnown: a better level may exist, or a number needs more digits than the book keeps.
        """
        key = self.keys[-1]
        if key < self.known_key:
            raise NotKnown("the market has left the levels that were fetched")
        if key == self.FLOOR:
            return None
        price = self._price(key)
        qty = self._best_qty(price)
        top = self._top
        if key != self._top_key or top is None:
            top = self._top = Level(self._digits.price(price), self._digits.qty(qty))
            self._top_key, self._top_qty = key, qty
        elif qty != self._top_qty:
            top = self._top = Level(top.price, self._digits.qty(qty))
            self._top_qty = qty
        return top

    def _best_qty(self, price: Any) -> Any:
        return self.qtys[price]

    def levels(self, count: int | None = None) -> list[Level]:
        """The best `count` levels (None: all) of those that are known in full, best first.

        Raises:
            NotKnown: a number needs more digits than the book keeps.
        """
        price_of, qty_of = self._digits.price, self._digits.qty
        return [
            Level(price_of(price), qty_of(qty)) for price, qty in self.rows(count, known_only=True)
        ]

    def rows(self, count: int | None = None, *, known_only: bool = False) -> list[tuple[Any, Any]]:
        """The best `count` levels as (price, qty), as they are held."""
        found: list[tuple[Any, Any]] = []
        last_key = self.known_key if known_only else self.FLOOR
        for key in reversed(self.keys):
            if key < last_key or key == self.FLOOR or len(found) == count:
                break
            price = self._price(key)
            qty = self.qtys[price]
            if qty:
                found.append((price, qty))
        return found

    def as_seen(self, count: int | None = None) -> list[Level]:
        """The best `count` levels to look at, as well as they can be said."""
        return [self._as_seen(price, qty) for price, qty in self.rows(count)]

    def _as_seen(self, price: Any, qty: Any) -> Level:
        try:
            return Level(self._digits.price(price), self._digits.qty(qty))
        except NotKnown:
            return Level(Decimal(str(price)), Decimal(str(qty)))

    def known_count(self) -> int:
        """How many levels are known in full; dead ones that linger count too."""
        return len(self.keys) - max(1, bisect_left(self.keys, self.known_key))

    def copy(self) -> Self:
        """The side as it is now, for a reader who keeps it while the book moves on."""
        twin = type(self)(self._digits)
        twin.keys, twin.qtys = self.keys.copy(), self.qtys.copy()
        twin.known_key = self.known_key
        return twin


class BidSide(Side):
    """Bids in floats."""

    __slots__ = ()

    @staticmethod
    def _price(key: Any) -> Any:
        return key

    def merge(self, rows: Rows) -> None:
        keys, qtys = self.keys, self.qtys
        if len(rows) <= _FEW:
            for price, qty in rows:
                if price in qtys:
                    qtys[price] = qty
                elif qty:
                    qtys[price] = qty
                    insort(keys, price)
        else:
            before = len(qtys)
            qtys.update(rows)
            added = len(qtys) - before
            if added > _MANY_NEW:
                keys.extend(islice(reversed(qtys), added))
                keys.sort()
            elif added:  # new prices are the dictionary's last ones
                for price in list(islice(reversed(qtys), added)):
                    if qtys[price]:
                        insort(keys, price)
                    else:
                        del qtys[price]
        while not qtys[keys[-1]]:
            del qtys[keys.pop()]


class AskSide(Side):
    """Asks in floats."""

    __slots__ = ()

    @staticmethod
    def _price(key: Any) -> Any:
        return -key

    def merge(self, rows: Rows) -> None:  # the same as for bids, but for the sign of the key
        keys, qtys = self.keys, self.qtys
        if len(rows) <= _FEW:
            for price, qty in rows:
                if price in qtys:
                    qtys[price] = qty
                elif qty:
                    qtys[price] = qty
                    insort(keys, -price)
        else:
            before = len(qtys)
            qtys.update(rows)
            added = len(qtys) - before
            if added > _MANY_NEW:
                keys.extend(-price for price in islice(reversed(qtys), added))
                keys.sort()
            elif added:
                for price in list(islice(reversed(qtys), added)):
                    if qtys[price]:
                        insort(keys, -price)
                    else:
                        del qtys[price]
        while not qtys[-keys[-1]]:
            del qtys[-keys.pop()]


class ExactBidSide(BidSide):
    """Bids in Decimals: comparing them is exact in any context."""

    __slots__ = ()
    FLOOR = Decimal("-Infinity")


class ExactAskSide(Side):
    """Asks in Decimals. `-price` would round to the caller's context, so the sign is copied."""

    __slots__ = ()
    FLOOR = Decimal("-Infinity")

    @staticmethod
    def _price(key: Any) -> Any:
        return key.copy_negate()

    def merge(self, rows: Rows) -> None:
        keys, qtys = self.keys, self.qtys
        for price, qty in rows:
            if price in qtys:
                qtys[price] = qty
            elif qty:
                qtys[price] = qty
                insort(keys, price.copy_negate())
        while not qtys[self._price(keys[-1])]:
            del qtys[self._price(keys.pop())]
