"""What a reader gets of a book: it stays as it is, knows its age, and refuses to lie."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Context, Decimal, Inexact
from typing import TYPE_CHECKING, Final

from outlast.core.books.digits import NotKnown
from outlast.core.books.trust import Distrust
from outlast.errors import StaleData
from outlast.model import Level, Money, Side, money

if TYPE_CHECKING:
    from outlast.core.books.local import LocalBook
    from outlast.core.books.sides import Side as BookSide

__all__ = ["BookPeek", "BookView", "Sweep"]

_SUMS: Final = Context(prec=60, traps=[Inexact])
"""Sums of prices times quantities, never rounded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """What taking a quantity from one side would cost, level by level, before fees."""

    qty: Decimal
    """What the known levels hold of the quantity asked for."""
    notional: Decimal
    """Sum of price times quantity, exact; in the quote currency."""
    worst_price: Decimal
    """The price of the last level taken: the limit price that would take them all."""
    is_complete: bool
    """False when the known levels hold less than was asked for."""

    @property
    def avg_price(self) -> Decimal:
        """Notional over quantity, rounded to the caller's decimal context."""
        return self.notional / self.qty


class BookView:
    """One reading of a book, from `book.view(clock)`.

    It never changes, except that it grows old: `age_s` counts from the moment when the venue last
    said that the book is so. Every read raises `StaleData` once the book was found wrong, or the
    reading is older than the symbol's usual silence. `peek()` shows the same without raising.
    """

    __slots__ = ("__weakref__", "_as_of", "_asks", "_bids", "_book", "_clock", "_era", "_limit_s")

    def __init__(self, book: LocalBook, clock: Callable[[], float]) -> None:
        self._book = book
        self._clock = clock
        self._bids: BookSide = book.bid_side
        self._asks: BookSide = book.ask_side
        # An era ends when the book is found untrue; -1 was never one.
        self._era = book.era if book.reason is None else -1
        self._as_of: float | None = None  # None while the book itself is still as it was read
        self._limit_s = 0.0

    def detach(self, as_of: float | None, limit_s: float) -> None:
        """The book is about to change: keep its levels of now."""
        if self._as_of is None:
            self._bids, self._asks = self._bids.copy(), self._asks.copy()
            self._as_of = _NEVER if as_of is None else as_of
            self._limit_s = limit_s

    @property
    def symbol(self) -> str:
        return self._book.symbol

    @property
    def age_s(self) -> float | None:
        """Seconds since the venue last said that this is the book; None when it never has."""
        as_of = self._book.as_of if self._as_of is None else self._as_of
        return None if as_of is None or as_of == _NEVER else max(0.0, self._clock() - as_of)

    @property
    def is_fresh(self) -> bool:
        """Whether the levels may be read."""
        return self._doubt() is None

    @property
    def reason(self) -> str:
        """Why it must not be read; empty while it is fresh."""
        return self._doubt() or ""

    @property
    def best_bid(self) -> Level:
        """The highest price somebody pays.

        Raises:
            StaleData: the book may be untrue.
            LookupError: nobody bids.
        """
        self._check()
        return self._best(self._bids, "bids")

    @property
    def best_ask(self) -> Level:
        """The lowest price somebody asks.

        Raises:
            StaleData: the book may be untrue.
            LookupError: nobody asks.
        """
        self._check()
        return self._best(self._asks, "asks")

    def bids(self, count: int | None = None) -> list[Level]:
        """The best `count` bids (None: all that are known in full), highest price first.

        Raises:
            StaleData: the book may be untrue.
        """
        self._check()
        return self._levels(self._bids, count)

    def asks(self, count: int | None = None) -> list[Level]:
        """The best `count` asks (None: all that are known in full), lowest price first.

        Raises:
            StaleData: the book may be untrue.
        """
        self._check()
        return self._levels(self._asks, count)

    def sweep(self, side: Side, qty: Money) -> Sweep:
        """What buying (from the asks) or selling (to the bids) `qty` at once would cost or bring.

        Raises:
            StaleData: the book may be untrue.
            LookupError: the side is empty.
            ValueError, TypeError: `qty` is not a positive, exact number.
        """
        wanted = money(qty, field="qty")
        if wanted <= 0:
            raise ValueError(f"qty is {wanted}; it must be above 0")
        taken, notional, worst = Decimal(0), Decimal(0), None
        for level in self.asks() if side is Side.BUY else self.bids():
            part = min(level.qty, _SUMS.subtract(wanted, taken))
            taken = _SUMS.add(taken, part)
            notional = _SUMS.fma(part, level.price, notional)
            worst = level.price
            if taken == wanted:
                break
        if worst is None:
            raise LookupError(f"{self.symbol}: nothing to {side.value} against")
        return Sweep(qty=taken, notional=notional, worst_price=worst, is_complete=taken == wanted)

    def peek(self) -> BookPeek:
        """The same levels, whatever they are worth; with age and reason. Never raises."""
        return BookPeek(
            symbol=self.symbol,
            age_s=self.age_s,
            is_fresh=self.is_fresh,
            reason=self.reason,
            _bids=self._bids if self._as_of is not None else self._bids.copy(),
            _asks=self._asks if self._as_of is not None else self._asks.copy(),
        )

    def _doubt(self) -> str | None:
        book = self._book
        if self._era != book.era:
            if book.reason is not None:
                return f"{book.reason.value}{f' ({book.detail})' if book.detail else ''}"
            return "the book was found untrue since this was read; read it again"
        as_of, limit_s = (
            (book.as_of, book.silence_limit_s)
            if self._as_of is None
            else (self._as_of, self._limit_s)
        )
        assert as_of is not None
        age_s = self._clock() - as_of
        if age_s > limit_s:
            return Distrust.SILENT.value if self._as_of is None else "this reading has grown old"
        try:
            self._bids.best()
            self._asks.best()
        except NotKnown as error:
            return str(error)
        return None

    def _check(self) -> None:
        book = self._book
        if self._era == book.era:
            as_of, limit_s = self._as_of, self._limit_s
            if as_of is None:
                as_of, limit_s = book.heard_at, book.silence_limit_s
            if self._clock() - as_of <= limit_s:
                return
        raise self._stale(self._doubt() or Distrust.SILENT.value)

    def _stale(self, reason: str) -> StaleData:
        age_s = self.age_s
        age = "never seen" if age_s is None else f"{age_s:.2f} s old"
        return StaleData(
            f"{self._book.venue} {self.symbol}: the book is not to be trusted: {reason}; {age}; "
            "peek() shows it as it is",
            age_s=age_s,
            venue=self._book.venue,
        )

    def _best(self, side: BookSide, name: str) -> Level:
        try:
            level = side.best()
        except NotKnown as error:
            self._book.cannot_say(error)
            raise self._stale(str(error)) from error
        if level is None:
            raise LookupError(f"{self.symbol} has no {name}; {name}(1) is empty then")
        return level

    def _levels(self, side: BookSide, count: int | None) -> list[Level]:
        try:
            side.best()
            return side.levels(count)
        except NotKnown as error:
            self._book.cannot_say(error)
            raise self._stale(str(error)) from error


_NEVER: Final = float("-inf")


@dataclass(frozen=True, slots=True, kw_only=True)
class BookPeek:
    """A book as it stood, to look at: no promise that any of it is true."""

    symbol: str
    age_s: float | None
    """None when the venue has never sent it."""
    is_fresh: bool
    reason: str
    """Why it is not fresh; empty when it is."""
    _bids: BookSide
    _asks: BookSide

    @property
    def best_bid(self) -> Level | None:
        return next(iter(self.bids(1)), None)

    @property
    def best_ask(self) -> Level | None:
        return next(iter(self.asks(1)), None)

    def bids(self, count: int | None = None) -> list[Level]:
        """Highest price first."""
        return self._bids.as_seen(count)

    def asks(self, count: int | None = None) -> list[Level]:
        """Lowest price first."""
        return self._asks.as_seen(count)
