"""Market data: the listing, the book, the tape, prices and funding.

Source: Binance USD-M futures docs, Market Data endpoints.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final

from outlast.mock.engine.engine import Engine
from outlast.mock.engine.model import EngineMode, Instrument, Side
from outlast.mock.engine.views import Level, PublicTrade
from outlast.mock.limits import LimitKind
from outlast.mock.venues.binance_um import candles
from outlast.mock.venues.binance_um.errors import VenueRefusal
from outlast.mock.venues.binance_um.figures import decimals, fixed, plain
from outlast.mock.venues.binance_um.ledger import Ledger
from outlast.mock.venues.binance_um.order_views import price_places
from outlast.mock.venues.binance_um.questions import Given, Question
from outlast.mock.venues.binance_um.weights import rate_limits

__all__ = ["FUNDING_EVERY_MS", "Market", "level_rows", "premium", "symbol_status"]

FUNDING_EVERY_MS: Final = 8 * 3_600_000
_INTEREST: Final = Decimal("0.0001")
"""The interest part of the funding rate; also what is shown before the first funding."""
_DEPTHS: Final = frozenset({5, 10, 20, 50, 100, 500, 1000})
_PERPETUAL_UNTIL_MS: Final = 4_133_404_800_000
_LISTED_MS: Final = 1_569_398_400_000
_STATUSES: Final[Mapping[EngineMode, str]] = {
    EngineMode.CANCEL_ONLY: "TRADING_CANCEL_ONLY",
    EngineMode.MAINTENANCE: "TRADING_HALT",
    EngineMode.HALTED: "TRADING_HALT",
    EngineMode.AUCTION: "PENDING_TRADING",
}
"""The other modes refuse some orders, but the symbol trades."""
_ORDER_TYPES: Final = (
    "LIMIT",
    "MARKET",
    "STOP",
    "STOP_MARKET",
    "TAKE_PROFIT",
    "TAKE_PROFIT_MARKET",
    "TRAILING_STOP_MARKET",
)


class Market:
    """The public endpoints of one running venue."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    # -- reachability -----------------------------------------------------------------------

    def ping(self, _q: Question) -> Given:
        return Given({})

    def time(self, q: Question) -> Given:
        return Given({"serverTime": q.now_ms})

    def system_status(self, q: Question) -> Given:
        """Tell of declared maintenance; an outage nobody declared looks normal here."""
        if q.engine.knobs.mode is EngineMode.MAINTENANCE:
            return Given({"status": 1, "msg": "system_maintenance"})
        return Given({"status": 0, "msg": "normal"})

    # -- listing ----------------------------------------------------------------------------

    def exchange_info(self, q: Question) -> Given:
        instruments = list(q.engine.instruments.values())
        status = symbol_status(q.engine)
        return Given(
            {
                "timezone": "UTC",
                "serverTime": q.now_ms,
                "futuresType": "U_MARGINED",
                "rateLimits": rate_limits(q.view.windows, LimitKind.WEIGHT, LimitKind.ORDERS),
                "exchangeFilters": [],
                "assets": [
                    {"asset": asset, "marginAvailable": True, "autoAssetExchange": "-10000"}
                    for asset in dict.fromkeys(i.quote for i in instruments)
                ],
                "symbols": [_symbol(instrument, status) for instrument in instruments],
            }
        )

    # -- book and tape ----------------------------------------------------------------------

    def depth(self, q: Question) -> Given:
        instrument = q.instrument()
        limit = q.params.whole("limit")
        if limit is not None and limit not in _DEPTHS:
            raise VenueRefusal(-4021, f"{limit} is not valid depth limit.")
        book, most = q.view.books.now(instrument.symbol), limit or 500
        return Given(
            {
                "lastUpdateId": book.update_id,
                "E": q.now_ms,
                "T": book.at_ms,
                "bids": level_rows(book.bids[:most], instrument),
                "asks": level_rows(book.asks[:most], instrument),
            }
        )

    def trades(self, q: Question) -> Given:
        instrument = q.instrument()
        tape = q.engine.tape(instrument.symbol, q.params.limit(500, 1000))
        return Given([_trade(trade, instrument) for trade in tape])

    def historical_trades(self, q: Question) -> Given:
        """List trades from `fromId` on, or the newest; as far back as the tape reaches."""
        instrument = q.instrument()
        limit = q.params.limit(100, 500)
        from_id = q.params.whole("fromId")
        tape = q.engine.tape(instrument.symbol, limit if from_id is None else _WHOLE_TAPE)
        if from_id is not None:
            tape = [trade for trade in tape if trade.trade_id >= from_id][:limit]
        return Given([_trade(trade, instrument) for trade in tape])

    def agg_trades(self, q: Question) -> Given:
        """List prints as aggregates: the engine prints once per price and taker already."""
        instrument = q.instrument()
        limit = q.params.limit(500, 1000)
        from_id = q.params.whole("fromId")
        since_ms, until_ms = q.params.whole("startTime"), q.params.whole("endTime")
        tape = q.engine.tape(instrument.symbol, _WHOLE_TAPE)
        chosen = [
            trade
            for trade in tape
            if (from_id is None or trade.trade_id >= from_id)
            and (since_ms is None or trade.at_ms >= since_ms)
            and (until_ms is None or trade.at_ms <= until_ms)
        ]
        forwards = from_id is not None or since_ms is not None
        return Given(
            [
                _aggregate(trade, instrument)
                for trade in (chosen[:limit] if forwards else chosen[-limit:])
            ]
        )

    def klines(self, q: Question) -> Given:
        return candles.klines(q, self._ledger)

    # -- prices -----------------------------------------------------------------------------

    def ticker_24hr(self, q: Question) -> Given:
        return candles.ticker_24hr(q, self._ledger)

    def ticker_price(self, q: Question) -> Given:
        return _one_or_all(
            q,
            [
                {
                    "symbol": instrument.symbol,
                    "price": fixed(
                        q.engine.last_price(instrument.symbol), price_places(instrument)
                    ),
                    "time": q.engine.now_ms,
                }
                for instrument in q.instruments()
            ],
        )

    def book_ticker(self, q: Question) -> Given:
        return _one_or_all(q, [_touch(q, instrument) for instrument in q.instruments()])

    def premium_index(self, q: Question) -> Given:
        return _one_or_all(
            q,
            [
                {**premium(q.engine, self._ledger, instrument.symbol), "time": q.now_ms}
                for instrument in q.instruments()
            ],
        )

    def funding_rate(self, q: Question) -> Given:
        """List past fundings, oldest first."""
        limit = q.params.limit(100, 1000)
        since_ms, until_ms = q.params.whole("startTime"), q.params.whole("endTime")
        rows = [
            {
                "symbol": instrument.symbol,
                "fundingTime": funding.at_ms,
                "fundingRate": fixed(funding.rate),
                "markPrice": fixed(funding.mark),
            }
            for instrument in q.instruments()
            for funding in self._ledger.fundings(instrument.symbol)
            if (since_ms is None or funding.at_ms >= since_ms)
            and (until_ms is None or funding.at_ms <= until_ms)
        ]
        return Given(rows[:limit] if since_ms is not None else rows[-limit:])


_WHOLE_TAPE: Final = 1_000_000


def premium(engine: Engine, ledger: Ledger, symbol: str) -> dict[str, object]:
    """Write mark, index and funding of a symbol as `GET premiumIndex` does, without its time."""
    index = engine.index_price(symbol)
    fundings = ledger.fundings(symbol)
    rate = fundings[-1].rate if fundings else _INTEREST
    next_ms = engine.now_ms // FUNDING_EVERY_MS * FUNDING_EVERY_MS + FUNDING_EVERY_MS
    return {
        "symbol": symbol,
        "markPrice": fixed(engine.mark_price(symbol)),
        "indexPrice": fixed(index),
        "estimatedSettlePrice": fixed(index),
        "lastFundingRate": fixed(rate),
        "interestRate": fixed(_INTEREST),
        "nextFundingTime": next_ms,
    }


def symbol_status(engine: Engine) -> str:
    """Give what `exchangeInfo` and `contractInfo` say of every symbol now."""
    return _STATUSES.get(engine.knobs.mode, "TRADING")


def _one_or_all(q: Question, rows: list[dict[str, object]]) -> Given:
    return Given(rows[0] if "symbol" in q.params else rows)


def _symbol(instrument: Instrument, status: str) -> dict[str, object]:
    step = plain(instrument.qty_step)
    least = plain(instrument.qty_min)
    return {
        "symbol": instrument.symbol,
        "pair": instrument.symbol,
        "contractType": "PERPETUAL",
        "deliveryDate": _PERPETUAL_UNTIL_MS,
        "onboardDate": _LISTED_MS if instrument.listed_ms is None else instrument.listed_ms,
        "status": status,
        "maintMarginPercent": fixed(instrument.maintenance_margin * 100, 4),
        "requiredMarginPercent": fixed(Decimal(100) / instrument.leverage, 4),
        "baseAsset": instrument.base,
        "quoteAsset": instrument.quote,
        "marginAsset": instrument.quote,
        "pricePrecision": price_places(instrument),
        "quantityPrecision": decimals(instrument.qty_step),
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "underlyingType": "COIN",
        "underlyingSubType": [],
        "settlePlan": 0,
        "triggerProtect": "0.0500",
        "liquidationFee": "0.012500",
        "marketTakeBound": plain(instrument.market_take_bound),
        "maxMoveOrderLimit": 10_000,
        "filters": [
            {
                "filterType": "PRICE_FILTER",
                "minPrice": plain(instrument.tick),
                "maxPrice": plain(instrument.price_max),
                "tickSize": plain(instrument.tick),
            },
            {
                "filterType": "LOT_SIZE",
                "minQty": least,
                "maxQty": plain(instrument.qty_max),
                "stepSize": step,
            },
            {
                "filterType": "MARKET_LOT_SIZE",
                "minQty": least,
                "maxQty": plain(instrument.market_qty_max),
                "stepSize": step,
            },
            {"filterType": "MAX_NUM_ORDERS", "limit": instrument.max_open_orders},
            {"filterType": "MAX_NUM_ALGO_ORDERS", "limit": instrument.max_open_orders},
            {"filterType": "MIN_NOTIONAL", "notional": plain(instrument.notional_min)},
            {
                "filterType": "PERCENT_PRICE",
                "multiplierUp": fixed(instrument.price_band_up, 4),
                "multiplierDown": fixed(instrument.price_band_down, 4),
                "multiplierDecimal": "4",
            },
            {"filterType": "POSITION_RISK_CONTROL", "positionControlSide": "NONE"},
        ],
        "orderTypes": list(_ORDER_TYPES),
        "timeInForce": ["GTC", "IOC", "FOK", "GTX", "GTD"],
        "permissionSets": [],
    }


def level_rows(levels: Sequence[Level], instrument: Instrument) -> list[list[str]]:
    price, qty = price_places(instrument), decimals(instrument.qty_step)
    return [[fixed(level.price, price), fixed(level.qty, qty)] for level in levels]


def _trade(trade: PublicTrade, instrument: Instrument) -> dict[str, object]:
    return {
        "id": trade.trade_id,
        "price": fixed(trade.price, price_places(instrument)),
        "qty": fixed(trade.qty, decimals(instrument.qty_step)),
        "quoteQty": fixed(trade.price * trade.qty, 2),
        "time": trade.at_ms,
        "isBuyerMaker": trade.taker_side is Side.SELL,
    }


def _aggregate(trade: PublicTrade, instrument: Instrument) -> dict[str, object]:
    return {
        "a": trade.trade_id,
        "p": fixed(trade.price, price_places(instrument)),
        "q": fixed(trade.qty, decimals(instrument.qty_step)),
        "f": trade.trade_id,
        "l": trade.trade_id,
        "T": trade.at_ms,
        "m": trade.taker_side is Side.SELL,
    }


def _touch(q: Question, instrument: Instrument) -> dict[str, object]:
    book = q.view.books.now(instrument.symbol)
    empty = (Level(Decimal(0), Decimal(0)),)
    (bid,), (ask,) = (level_rows(side[:1] or empty, instrument) for side in (book.bids, book.asks))
    return {
        "symbol": instrument.symbol,
        "bidPrice": bid[0],
        "bidQty": bid[1],
        "askPrice": ask[0],
        "askQty": ask[1],
        "time": book.at_ms,
        "lastUpdateId": book.update_id,
    }
