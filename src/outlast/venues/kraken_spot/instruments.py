"""The instrument list: what trades, on which grid, from which minimum.

Source: Kraken docs, Get Tradable Asset Pairs, read 2026-05-27.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

import msgspec

from outlast.errors import Failure
from outlast.model import Instrument
from outlast.venues._answers import UNREADABLE
from outlast.venues.kraken_spot.replies import Row, decode, read
from outlast.venues.kraken_spot.requests import PRODUCT, VENUE
from outlast.venues.kraken_spot.symbols import currency
from outlast.wire import WireReply, WireRequest

__all__ = ["read_instruments"]

_FINEST: Final = Decimal("1E-8")
_UNLIMITED: Final = Decimal("1E+20")
_DECIMALS_MAX: Final = 18

_TRADABLE: Final = frozenset({"online", "post_only", "limit_only"})
"""Pair statuses in which new orders are taken, if not of every shape; which, the venue says. The
others (cancel_only, reduce_only, delisted, …) take none from an account without positions."""


class _Pair(Row):
    altname: str
    base: str
    quote: str
    pair_decimals: int
    lot_decimals: int
    wsname: str | None = None
    tick_size: Decimal | None = None
    ordermin: Decimal | None = None
    costmin: Decimal | None = None
    status: str = "online"


def read_instruments(request: WireRequest, reply: WireReply) -> list[Instrument] | Failure:
    """All pairs, also those that do not trade now.

    One that cannot be read in full is listed as not tradable, with the reason as its status.
    """
    return read(
        request,
        reply,
        lambda result: [
            _instrument(name, row)
            for name, row in decode(result, dict[str, msgspec.Raw]).items()
            if not name.endswith(".d")  # dark pools
        ],
    )


def _instrument(name: str, raw: msgspec.Raw) -> Instrument:
    try:
        row = decode(raw, _Pair)
        if not (0 <= row.pair_decimals <= _DECIMALS_MAX and 0 <= row.lot_decimals <= _DECIMALS_MAX):
            raise ValueError(f"{row.pair_decimals} and {row.lot_decimals} decimals")
    except UNREADABLE as error:
        row = _Pair(name, "", "", 8, 8, status=f"unreadable ({error})")
    base, quote = currency(row.base), currency(row.quote)
    symbol = f"{base}/{quote}" if base else name
    aliases = [name, row.altname, *([row.wsname] if row.wsname else [])]
    tick = row.tick_size or Decimal(1).scaleb(-row.pair_decimals)
    return Instrument(
        venue=VENUE,
        symbol=symbol,
        venue_symbol=row.altname,
        product=PRODUCT,
        base=base,
        quote=quote,
        settle=quote,
        tick_size=tick if tick > 0 else _FINEST,
        qty_step=Decimal(1).scaleb(-row.lot_decimals),
        qty_min=row.ordermin or Decimal(0),
        qty_max=_UNLIMITED,
        market_qty_min=Decimal(0),
        market_qty_max=_UNLIMITED,
        notional_min=row.costmin or Decimal(0),
        price_min=tick,
        price_max=_UNLIMITED,
        price_decimals=row.pair_decimals,
        is_tradable=row.status in _TRADABLE,
        venue_status=row.status,
        aliases=tuple(dict.fromkeys(alias for alias in aliases if alias != row.altname)),
    )
