"""What is listed, and the rules it trades by: `exchangeInfo`.

Every filter it shows is enforced, by the engine or by the reader of orders.
Source: Binance spot API docs, rest-api.md (Exchange information), filters.md, enums.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from outlast.mock.engine.model import EngineMode, Instrument
from outlast.mock.limits import LimitKind
from outlast.mock.venues.binance_spot.errors import SpotRefusal, VenueRefusal
from outlast.mock.venues.binance_spot.order_views import STP_WORDS
from outlast.mock.venues.binance_spot.params import PLACES
from outlast.mock.venues.binance_spot.questions import Given, Question
from outlast.mock.venues.binance_spot.tickets import (
    ASK_UP,
    BID_DOWN,
    NOTIONAL_MAX,
    ORDER_TYPES,
    STP_DEFAULT,
)
from outlast.mock.venues.binance_spot.trading import ALGO_ORDERS_MAX, AMENDS_MAX
from outlast.mock.venues.binance_spot.weights import rate_limits
from outlast.mock.venues.binance_um.figures import fixed, plain

__all__ = ["exchange_info", "execution_rules", "status_of_mode"]

_STATUSES: Final[Mapping[EngineMode, str]] = {
    EngineMode.CANCEL_ONLY: "CANCEL_ONLY",
    EngineMode.MAINTENANCE: "BREAK",
    EngineMode.HALTED: "HALT",
    EngineMode.AUCTION: "HALT",
}
"""The other modes refuse some orders, but the symbol trades."""
_STATUS_WORDS: Final = frozenset({"TRADING", "HALT", "BREAK", "END_OF_DAY", "CANCEL_ONLY"})
_PERMISSION: Final = "SPOT"


def status_of_mode(mode: EngineMode) -> str:
    """Give the symbol status that the venue shows in this mode."""
    return _STATUSES.get(mode, "TRADING")


def exchange_info(q: Question) -> Given:
    """List the symbols: one, several, or all with the asked permission and status."""
    named = "symbol" in q.params or "symbols" in q.params
    permissions, wanted = q.params.text("permissions"), q.params.text("symbolStatus")
    if named and (permissions is not None or wanted is not None):
        raise SpotRefusal(-1128)
    if wanted is not None and wanted not in _STATUS_WORDS:
        raise SpotRefusal(-1122)
    status = status_of_mode(q.engine.knobs.mode)
    instruments = q.instruments()
    if permissions is not None and permissions.strip('[]"') != _PERMISSION:
        asked = {word.strip(' "') for word in permissions.strip("[]").split(",")}
        instruments = instruments if _PERMISSION in asked else []
    if wanted not in (None, status):
        instruments = []
    shows_sets = q.params.flag("showPermissionSets")
    symbols = [_symbol(instrument, status) for instrument in instruments]
    if shows_sets is False:
        for symbol in symbols:
            symbol["permissionSets"] = []
    return Given(
        {
            "timezone": "UTC",
            "serverTime": q.now_ms,
            "rateLimits": rate_limits(
                q.view.windows, LimitKind.WEIGHT, LimitKind.ORDERS, LimitKind.RAW
            ),
            "exchangeFilters": [],
            "symbols": symbols,
        }
    )


def execution_rules(q: Question) -> Given:
    """List the price range execution rules: market orders stop at the instrument's bound."""
    if q.params.text("symbolStatus") not in (None, *_STATUS_WORDS):
        raise SpotRefusal(-1122)
    rows = []
    for instrument in q.instruments():
        up, down = 1 + instrument.market_take_bound, 1 - instrument.market_take_bound
        rule = {
            "ruleType": "PRICE_RANGE",
            "bidLimitMultUp": fixed(up, 4),
            "bidLimitMultDown": fixed(down, 4),
            "askLimitMultUp": fixed(up, 4),
            "askLimitMultDown": fixed(down, 4),
        }
        rows.append({"symbol": instrument.symbol, "rules": [rule]})
    if not rows:
        raise VenueRefusal.invalid("symbols")
    return Given({"symbolRules": rows})


def _symbol(instrument: Instrument, status: str) -> dict[str, object]:
    return {
        "symbol": instrument.symbol,
        "status": status,
        "baseAsset": instrument.base,
        "baseAssetPrecision": PLACES,
        "quoteAsset": instrument.quote,
        "quotePrecision": PLACES,
        "quoteAssetPrecision": PLACES,
        "baseCommissionPrecision": PLACES,
        "quoteCommissionPrecision": PLACES,
        "orderTypes": list(ORDER_TYPES),
        "icebergAllowed": False,
        "ocoAllowed": False,
        "otoAllowed": False,
        "opoAllowed": False,
        "quoteOrderQtyMarketAllowed": True,
        "allowTrailingStop": False,
        "cancelReplaceAllowed": True,
        "amendAllowed": True,
        "pegInstructionsAllowed": False,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": _filters(instrument),
        "permissions": [],
        "permissionSets": [[_PERMISSION]],
        "defaultSelfTradePreventionMode": STP_WORDS[STP_DEFAULT],
        "allowedSelfTradePreventionModes": list(STP_WORDS.values()),
    }


def _filters(instrument: Instrument) -> list[dict[str, object]]:
    tick, step = fixed(instrument.tick), fixed(instrument.qty_step)
    return [
        {
            "filterType": "PRICE_FILTER",
            "minPrice": tick,
            "maxPrice": fixed(instrument.price_max),
            "tickSize": tick,
        },
        {
            "filterType": "LOT_SIZE",
            "minQty": fixed(instrument.qty_min),
            "maxQty": fixed(instrument.qty_max),
            "stepSize": step,
        },
        {
            "filterType": "MARKET_LOT_SIZE",
            "minQty": fixed(instrument.qty_min),
            "maxQty": fixed(instrument.market_qty_max),
            "stepSize": step,
        },
        {
            "filterType": "PERCENT_PRICE_BY_SIDE",
            "bidMultiplierUp": plain(instrument.price_band_up),
            "bidMultiplierDown": plain(BID_DOWN),
            "askMultiplierUp": plain(ASK_UP),
            "askMultiplierDown": plain(instrument.price_band_down),
            "avgPriceMins": 0,
        },
        {
            "filterType": "NOTIONAL",
            "minNotional": fixed(instrument.notional_min),
            "applyMinToMarket": True,
            "maxNotional": fixed(Decimal(NOTIONAL_MAX)),
            "applyMaxToMarket": False,
            "avgPriceMins": 0,
        },
        {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": instrument.max_open_orders},
        {"filterType": "MAX_NUM_ALGO_ORDERS", "maxNumAlgoOrders": ALGO_ORDERS_MAX},
        {"filterType": "MAX_NUM_ORDER_AMENDS", "maxNumOrderAmends": AMENDS_MAX},
    ]
