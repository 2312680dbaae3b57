"""The instrument list: what trades, on which grid, within which bands.

Source: Binance USD-M futures docs, Exchange Information, and Filters, 2026-09.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

import msgspec

from outlast.errors import Failure
from outlast.model import Instrument
from outlast.venues._binance import UNREADABLE
from outlast.venues.binance_um.replies import Row, decode, read
from outlast.venues.binance_um.requests import PRODUCT, VENUE
from outlast.wire import WireReply, WireRequest

__all__ = ["read_instruments"]

_FINEST: Final = Decimal("0.00000001")
"""The step of an instrument whose own is not known, so that nobody divides by zero."""
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
    notional: Decimal | None = None
    multiplier_up: Decimal | None = None
    multiplier_down: Decimal | None = None


class _Symbol(Row):
    symbol: str
    base_asset: str
    quote_asset: str
    margin_asset: str
    status: str
    filters: list[_Filter]


class _Name(Row):
    symbol: str


class _ExchangeInfo(Row):
    symbols: list[msgspec.Raw]


def read_instruments(request: WireRequest, reply: WireReply) -> list[Instrument] | Failure:
    """All instruments, also those that do not trade: there may be positions in them.

    One that cannot be read in full is listed as not tradable, with the reason as its status.
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
        row = _Symbol(name, "", "", "", f"unreadable ({error})", [])
    filters = {found.filter_type: found for found in row.filters}
    price = filters.get("PRICE_FILTER") or _Filter("PRICE_FILTER")
    lot = filters.get("LOT_SIZE") or _Filter("LOT_SIZE")
    market = filters.get("MARKET_LOT_SIZE") or lot
    notional = filters.get("MIN_NOTIONAL") or _Filter("MIN_NOTIONAL")
    band = filters.get("PERCENT_PRICE") or _Filter("PERCENT_PRICE")
    has_grid = bool(price.tick_size and lot.step_size)
    status = row.status
    if status == "TRADING" and not has_grid:
        status = "TRADING without " + " and ".join(_NEEDED)
    return Instrument(
        venue=VENUE,
        symbol=_unified(row),
        venue_symbol=row.symbol,
        product=PRODUCT,
        base=row.base_asset,
        quote=row.quote_asset,
        settle=row.margin_asset,
        tick_size=price.tick_size or _FINEST,
        qty_step=lot.step_size or _FINEST,
        qty_min=lot.min_qty or Decimal(0),
        qty_max=lot.max_qty or _UNLIMITED,
        market_qty_min=market.min_qty or Decimal(0),
        market_qty_max=market.max_qty or _UNLIMITED,
        notional_min=notional.notional or Decimal(0),
        price_min=price.min_price or Decimal(0),
        price_max=price.max_price or _UNLIMITED,
        price_up_x=band.multiplier_up,
        price_down_x=band.multiplier_down,
        is_tradable=status == "TRADING",
        venue_status=status,
    )


def _unified(row: _Symbol) -> str:
    """`BTC/USDT:USDT`; a contract with a delivery date adds it: `BTC/USDT:USDT-210924`."""
    if not row.base_asset:
        return row.symbol
    symbol = f"{row.base_asset}/{row.quote_asset}:{row.margin_asset}"
    delivery = row.symbol.partition("_")[2]
    return f"{symbol}-{delivery}" if delivery else symbol
