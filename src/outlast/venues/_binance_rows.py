"""How rows of Binance's products are decoded: amounts, sides, symbols and book levels.

Money is decoded from its text, exactly. What cannot be is one of `UNREADABLE`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import cache
from typing import Any, Final, TypeVar, get_type_hints

import msgspec

from outlast.model import Instrument, Level, Side
from outlast.venues._answers import check_amount

__all__ = ["BookRow", "Row", "check_amount", "decode", "levels", "side_of", "symbol_of"]

T = TypeVar("T")

_MONEY: Final = (Decimal, Decimal | None)
_SIDES: Final = {"BUY": Side.BUY, "SELL": Side.SELL}


class Row(msgspec.Struct, rename="camel"):
    """A JSON object of the venue. Fields that are not named are ignored."""

    def __post_init__(self) -> None:
        for name in _amounts(type(self)):
            value = getattr(self, name)
            # At first sight here, since it is asked of each amount of each row.
            if value is not None and not (value.is_finite() and -9 <= value.adjusted() <= 9):
                check_amount(name, value)


@cache
def _amounts(row: type[Row]) -> tuple[str, ...]:
    """The names of its fields that hold money."""
    hints = get_type_hints(row)
    return tuple(name for name in row.__struct_fields__ if hints[name] in _MONEY)


class BookRow(msgspec.Struct):
    bids: list[tuple[Decimal, Decimal]]
    asks: list[tuple[Decimal, Decimal]]


def decode(body: bytes | msgspec.Raw, kind: type[T]) -> T:
    """`body` as `kind`. Numbers and truths in quotes are read as what they are.

    Raises:
        one of `UNREADABLE`: it is something else.
    """
    value: T = _decoder(kind).decode(body)  # type: ignore[arg-type]
    return value


@cache
def _decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind, strict=False)


def symbol_of(venue_symbol: str, instruments: Mapping[str, Instrument]) -> str:
    """The unified symbol; the venue's own where it is not listed, so that nothing is dropped."""
    known = instruments.get(venue_symbol)
    if known is not None and known.venue_symbol == venue_symbol:
        return known.symbol
    for instrument in instruments.values():
        if instrument.venue_symbol == venue_symbol:
            return instrument.symbol
    return venue_symbol


def side_of(text: str) -> Side:
    """Nothing may be assumed about a side.

    Raises:
        ValueError: it is neither.
    """
    side = _SIDES.get(text)
    if side is None:
        raise ValueError(f"side {text[:20]!r}")
    return side


def levels(side: Sequence[tuple[Decimal, Decimal]]) -> list[Level]:
    """One side of a book.

    Raises:
        ValueError: a level has no price above 0, or a quantity below it.
    """
    for price, qty in side:
        check_amount("price", price)
        check_amount("qty", qty)
        if price <= 0 or qty < 0:
            raise ValueError(f"level {price} × {qty}")
    return [Level(price, qty) for price, qty in side]
