"""What a stream and a query say of one account, folded into one by the venue's time.

Queries lag behind the engine, at times by a minute; a stream says when each change was. So the word
of the stream stands against a report that is older, or that was asked for so soon afterwards that
it may be. Nothing is ever replaced by something older.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Generic, TypeVar

from outlast.model import Order, OrderType, Side

__all__ = ["LAG_MS", "AccountFold", "Told", "held_of"]

LAG_MS: Final = 60_000
"""How far a query may lie behind the engine. Source: Binance docs on the data source "Database",
and reports of more than 10 s (ccxt issue 6615); a minute is generous."""

_UNPRICED: Final = OrderType.MARKET

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Told(Generic[T]):
    """The stream's last word on one name."""

    value: T
    at_ms: int
    """The venue's time of the change."""


class AccountFold(Generic[T]):
    """Keeps the stream's word for each name, and says whether a report may replace it."""

    def __init__(self) -> None:
        self._told: dict[str, Told[T]] = {}

    def tell(self, name: str, value: T, *, at_ms: int) -> bool:
        """Take a word of the stream; False where a newer one is known already."""
        known = self._told.get(name)
        if known is not None and known.at_ms > at_ms:
            return False
        self._told[name] = Told(value, at_ms)
        return True

    def tell_snapshot(self, name: str, value: T, *, not_before_ms: int | None) -> None:
        """Take a word that a new connection begins with: it is newer than all that went before.

        `not_before_ms`: an instant of the venue's clock that had passed by then, if one is known.
        """
        known = self._told.get(name)
        instants = [known.at_ms if known is not None else None, not_before_ms, 0]
        self._told[name] = Told(value, max(at for at in instants if at is not None))

    def names(self) -> Iterable[str]:
        return self._told

    def outranks(self, name: str, *, dated_ms: int | None, asked_ms: int) -> Told[T] | None:
        """The stream's word, where a report must not replace it.

        `dated_ms`: when the venue says that the reported value came to be; None where it does not
        say. `asked_ms`: the venue's time when the report was asked for.
        """
        told = self._told.get(name)
        if told is None:
            return None
        if dated_ms is not None:
            return told if dated_ms <= told.at_ms else None
        return told if asked_ms < told.at_ms + LAG_MS else None

    def forget(self, name: str) -> None:
        """A report has replaced it, or a person has."""
        self._told.pop(name, None)


def held_of(currency: str, orders: Iterable[tuple[Order, str, str]]) -> Decimal:
    """What open orders hold of `currency`; `orders` come with base and quote of their instrument.

    A buy holds its price in the quote currency, a sell its quantity of the base. A market order
    holds what nobody knows before it is filled, which it is at once.
    """
    held = Decimal(0)
    for order, base, quote in orders:
        if order.side is Side.SELL and base == currency:
            held += order.leaves_qty
        elif order.side is Side.BUY and quote == currency and order.order_type is not _UNPRICED:
            held += order.leaves_qty * (order.price or order.stop_price or Decimal(0))
    return held
