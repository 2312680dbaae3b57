"""The instrument list: what trades, on which grid, within which bands.

Source: Binance spot REST docs, Exchange information, and Filters, 2026-07.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

import msgspec

from outlast.errors import Failure
from outlast.model import Instrument
from outlast.venues._binance import UNREADABLE
from outlast.venues._binance_rows import Row, decode
from outlast.venues.binance_spot.replies import read
from outlast.venues.binance_spot.requests import PRODUCT, VENUE
from outlast.wire import WireReply, WireRequest

__all__ = ["read_instruments"]

_FINEST: Final = Decimal("0.00000001")
"""The venue takes eight decimals: the step where a filter sets none."""
_UNLIMITED: Final = Decimal("1E+20")
_NEEDED: Final = ("PRICE_FILTER", "LOT_SIZE")


class _Filter(Row):
    """All filters in one shape; `filterType` says which fields are meant."""

    filter_type: str
    min_price: Decimal | None = None
    max_price: Decimal | None = None
    tick_size: Decimal | None = None
    min_qty: Decimal | None = None
    max_qty: Decimal | None = None
    step_size: Decimal | None = None
    min_notional: Decimal | None = None
    # PERCENT_PRICE_BY_SIDE has the first pair of each side; the older PERCENT_PRICE the second.
    bid_multiplier_up: Decimal | None = None
    ask_multiplier_down: Decimal | None = None
    multiplier_up: Decimal | None = None
    multiplier_down: Decimal | None = None


class _Symbol(Row):
    symbol: str
    base_asset: str
    quote_asset: str
    status: str
    filters: list[_Filter]
    is_spot_trading_allowed: bool = True


class _Name(Row):
    symbol: str


class _ExchangeInfo(Row):
    symbols: list[msgspec.Raw]


def read_instruments(request: WireRequest, reply: WireReply) -> list[Instrument] | Failure:
    """All instruments, also those that do not trade: the account may hold their currencies.

    One that cannot be read in full is listed as not tradable, with the reason as its status. Which
    account may trade what (its permissions) is for the venue to say.
    """
    return read(
        request,
        reply,
        lambda body: [_instrument(row) for row in decode(body, _ExchangeInfo).symbols],
    )


def _instrument(raw: msgspec.Raw) -> Instrument:
    try:
        row = decode(raw, _Symbol)
    except UNREADABLE as error:
        name = decode(raw, _Name).symbol
        row = _Symbol(name, "", "", f"unreadable ({error})", [])
    filters = {found.filter_type: found for found in row.filters}
    price = filters.get("PRICE_FILTER") or _Filter("PRICE_FILTER")
    lot = filters.get("LOT_SIZE") or _Filter("LOT_SIZE")
    market = filters.get("MARKET_LOT_SIZE") or lot
    # The newer NOTIONAL has a largest notional too, which the venue checks.
    notional = filters.get("NOTIONAL") or filters.get("MIN_NOTIONAL") or _Filter("NOTIONAL")
    by_side = filters.get("PERCENT_PRICE_BY_SIDE") or _Filter("PERCENT_PRICE_BY_SIDE")
    band = filters.get("PERCENT_PRICE") or _Filter("PERCENT_PRICE")
    status = _status(row, filters)
    # A bound of zero is one that is switched off.
    return Instrument(
        venue=VENUE,
        symbol=f"{row.base_asset}/{row.quote_asset}" if row.base_asset else row.symbol,
        venue_symbol=row.symbol,
        product=PRODUCT,
        base=row.base_asset,
        quote=row.quote_asset,
        settle=row.quote_asset,
        tick_size=price.tick_size or _FINEST,
        qty_step=lot.step_size or _FINEST,
        qty_min=lot.min_qty or Decimal(0),
        qty_max=lot.max_qty or _UNLIMITED,
        market_qty_min=market.min_qty or Decimal(0),
        market_qty_max=market.max_qty or _UNLIMITED,
        notional_min=notional.min_notional or Decimal(0),
        price_min=price.min_price or Decimal(0),
        price_max=price.max_price or _UNLIMITED,
        # Against the average of the last minutes; the bands on the passive side are the venue's.
        price_up_x=by_side.bid_multiplier_up or band.multiplier_up or None,
        price_down_x=by_side.ask_multiplier_down or band.multiplier_down or None,
        is_tradable=status == "TRADING",
        venue_status=status,
    )


def _status(row: _Symbol, filters: dict[str, _Filter]) -> str:
    """The venue's word, with what else keeps a symbol from being traded here."""
    if row.status != "TRADING":
        return row.status
    if not row.is_spot_trading_allowed:
        return "TRADING, but not on spot"
    if not all(name in filters for name in _NEEDED):
        return "TRADING without " + " and ".join(_NEEDED)
    return row.status
