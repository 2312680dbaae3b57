"""What changes in the listing while an exchange runs: new instruments, and other ticks."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from math import gcd

from outlast.mock.engine.floor import Floor
from outlast.mock.engine.matching import OrderBook
from outlast.mock.engine.model import Instrument
from outlast.mock.engine.triggers import TriggerDesk

__all__ = ["change_tick", "common_unit", "list_instrument"]


def list_instrument(floor: Floor, symbol: str) -> Instrument:
    """Put an upcoming instrument on the floor, its makers quoting at the price of now.

    Raises:
        KeyError: no upcoming instrument of this name.
    """
    market = floor.upcoming.pop(symbol)
    instrument = replace(market.instrument, listed_ms=floor.now_ms)
    market.instrument = instrument
    market.set_mark(floor.knobs)
    market.requote()
    market.open()
    floor.markets[symbol] = market
    floor.books[symbol] = OrderBook(instrument, market.ladder, floor.reducible)
    floor.desks[symbol] = TriggerDesk()
    floor.quotes = tuple(dict.fromkeys((*floor.quotes, instrument.quote)))
    return instrument


def change_tick(floor: Floor, symbol: str, tick: Decimal) -> Instrument:
    """Give an instrument another tick; everything that stands keeps its price.

    Raises:
        ValueError: `tick` is not positive.
    """
    if tick <= 0:
        raise ValueError(f"tick of {symbol} must be positive, found {tick}")
    market = floor.markets[symbol]
    old = market.instrument
    unit = common_unit(old.price_unit, tick)
    instrument = replace(old, tick=tick, unit=None if unit == tick else unit)
    factor = int(old.price_unit / unit)
    market.regrid(instrument, factor)
    floor.books[symbol].regrid(instrument, factor)
    return instrument


def common_unit(one: Decimal, other: Decimal) -> Decimal:
    """The largest number of which both are multiples: 0.01 for 0.05 and 0.02."""
    places = max(0, *(-_exponent(value) for value in (one, other)))
    scale = Decimal(1).scaleb(places)
    whole = gcd(int(one * scale), int(other * scale))
    return Decimal(whole).scaleb(-places)


def _exponent(value: Decimal) -> int:
    exponent = value.as_tuple().exponent
    assert isinstance(exponent, int)
    return exponent
