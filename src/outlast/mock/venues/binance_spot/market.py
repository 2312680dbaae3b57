"""Market data: the book, the tape, and prices.

Source: Binance spot API docs, rest-api.md, Market Data endpoints.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Final

from outlast.mock.engine.engine import Engine
from outlast.mock.engine.model import EngineMode, Instrument, Side
from outlast.mock.engine.views import Level, PublicTrade
from outlast.mock.venues.binance_spot import candles
from outlast.mock.venues.binance_spot.errors import SpotRefusal, VenueRefusal
from outlast.mock.venues.binance_spot.questions import Given, Question
from outlast.mock.venues.binance_um.figures import fixed
from outlast.mock.venues.binance_um.ledger import Ledger

__all__ = ["Market", "aggregate", "levels", "touch"]

_WHOLE_TAPE: Final = 1_000_000
_HOUR_MS: Final = 3_600_000


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

    # -- book and tape ----------------------------------------------------------------------

    def depth(self, q: Question) -> Given:
        instrument = q.instrument()
        limit = q.params.top(100, 5000)
        book = q.view.books.now(instrument.symbol)
        return Given(
            {
                "lastUpdateId": book.update_id,
                "bids": levels(book.bids[:limit]),
                "asks": levels(book.asks[:limit]),
            }
        )

    def trades(self, q: Question) -> Given:
        instrument = q.instrument()
        tape = q.engine.tape(instrument.symbol, q.params.top(500, 1000))
        return Given([_trade(trade) for trade in tape])

    def historical_trades(self, q: Question) -> Given:
        """List trades from `fromId` on, or the newest; as far back as the tape reaches."""
        instrument = q.instrument()
        limit, from_id = q.params.top(500, 1000), q.params.whole("fromId")
        tape = q.engine.tape(instrument.symbol, limit if from_id is None else _WHOLE_TAPE)
        if from_id is not None:
            tape = [trade for trade in tape if trade.trade_id >= from_id][:limit]
        return Given([_trade(trade) for trade in tape])

    def agg_trades(self, q: Question) -> Given:
        """List prints as aggregates: the engine prints once per price and taker already."""
        instrument = q.instrument()
        limit, from_id = q.params.top(500, 1000), q.params.whole("fromId")
        since_ms, until_ms = q.params.whole("startTime"), q.params.whole("endTime")
        if from_id is not None and (since_ms is not None or until_ms is not None):
            raise SpotRefusal(-1128)
        chosen = [
            trade
            for trade in q.engine.tape(instrument.symbol, _WHOLE_TAPE)
            if (from_id is None or trade.trade_id >= from_id)
            and (since_ms is None or trade.at_ms >= since_ms)
            and (until_ms is None or trade.at_ms <= until_ms)
        ]
        forwards = from_id is not None or since_ms is not None
        return Given([aggregate(t) for t in (chosen[:limit] if forwards else chosen[-limit:])])

    def klines(self, q: Question) -> Given:
        return candles.klines(q, self._ledger)

    # -- prices -----------------------------------------------------------------------------

    def avg_price(self, q: Question) -> Given:
        """Give the average price of the last five minutes' trades."""
        instrument = q.instrument()
        opens_ms = q.engine.now_ms - candles.AVERAGE_MINS * candles.MINUTE_MS
        window = candles.summed(q.engine, self._ledger, instrument.symbol, opens_ms)
        price = window.quote / window.qty if window.qty else window.close
        return Given(
            {
                "mins": candles.AVERAGE_MINS,
                "price": fixed(price),
                "closeTime": q.engine.now_ms,
            }
        )

    def ticker_24hr(self, q: Question) -> Given:
        opens_ms = q.engine.now_ms - 24 * _HOUR_MS
        row = self._mini_ticker if _is_mini(q) else self._day_ticker
        return _one_or_many(q, lambda instrument: row(q, instrument, opens_ms))

    def ticker(self, q: Question) -> Given:
        """Sum up a rolling window: `windowSize` 1m…59m, 1h…23h or 1d…7d."""
        opens_ms = q.engine.now_ms - _window_size(q)
        return self._named_tickers(q, opens_ms)

    def ticker_day(self, q: Question) -> Given:
        """Sum up the trading day, which begins at midnight of `timeZone`."""
        day_ms = 24 * _HOUR_MS
        offset_ms = candles.time_zone_ms(q)
        opens_ms = (q.engine.now_ms + offset_ms) // day_ms * day_ms - offset_ms
        return self._named_tickers(q, opens_ms, closes_ms=opens_ms + day_ms - 1)

    def _named_tickers(self, q: Question, opens_ms: int, closes_ms: int | None = None) -> Given:
        if "symbol" not in q.params and "symbols" not in q.params:
            raise VenueRefusal.one_of("symbol", "symbols")
        row = self._mini_ticker if _is_mini(q) else self._ticker
        return _one_or_many(q, lambda instrument: row(q, instrument, opens_ms, closes_ms))

    def ticker_price(self, q: Question) -> Given:
        return _one_or_many(
            q,
            lambda instrument: {
                "symbol": instrument.symbol,
                "price": fixed(q.engine.last_price(instrument.symbol)),
            },
        )

    def book_ticker(self, q: Question) -> Given:
        return _one_or_many(
            q, lambda instrument: {"symbol": instrument.symbol} | touch(q.engine, instrument.symbol)
        )

    def _mini_ticker(
        self, q: Question, instrument: Instrument, opens_ms: int, closes_ms: int | None = None
    ) -> dict[str, object]:
        window = candles.summed(q.engine, self._ledger, instrument.symbol, opens_ms)
        return {
            "symbol": instrument.symbol,
            "openPrice": fixed(window.open),
            "highPrice": fixed(window.high),
            "lowPrice": fixed(window.low),
            "lastPrice": fixed(window.close),
            "volume": fixed(window.qty),
            "quoteVolume": fixed(window.quote),
            "openTime": opens_ms,
            "closeTime": q.engine.now_ms if closes_ms is None else closes_ms,
            "firstId": window.first_id,
            "lastId": window.last_id,
            "count": window.count,
        }

    def _ticker(
        self, q: Question, instrument: Instrument, opens_ms: int, closes_ms: int | None = None
    ) -> dict[str, object]:
        window = candles.summed(q.engine, self._ledger, instrument.symbol, opens_ms)
        return {
            "symbol": instrument.symbol,
            **candles.change(window),
            **self._mini_ticker(q, instrument, opens_ms, closes_ms),
        }

    def _day_ticker(self, q: Question, instrument: Instrument, opens_ms: int) -> dict[str, object]:
        window = candles.summed(q.engine, self._ledger, instrument.symbol, opens_ms)
        return {
            **self._ticker(q, instrument, opens_ms),
            "prevClosePrice": fixed(window.open),
            "lastQty": fixed(window.last_qty),
            **touch(q.engine, instrument.symbol),
        }


def levels(side: Sequence[Level]) -> list[list[str]]:
    """Write one side of a book."""
    return [[fixed(price), fixed(qty)] for price, qty in side]


def touch(engine: Engine, symbol: str) -> dict[str, object]:
    """Write the best bid and ask; an empty side is zero at zero."""
    nothing = Level(Decimal(0), Decimal(0))
    bid, ask = (level or nothing for level in engine.best(symbol))
    return {
        "bidPrice": fixed(bid.price),
        "bidQty": fixed(bid.qty),
        "askPrice": fixed(ask.price),
        "askQty": fixed(ask.qty),
    }


def aggregate(trade: PublicTrade) -> dict[str, object]:
    """Write one print as an aggregate of itself."""
    return {
        "a": trade.trade_id,
        "p": fixed(trade.price),
        "q": fixed(trade.qty),
        "f": trade.trade_id,
        "l": trade.trade_id,
        "T": trade.at_ms,
        "m": trade.taker_side is Side.SELL,
        "M": True,
    }


def _trade(trade: PublicTrade) -> dict[str, object]:
    return {
        "id": trade.trade_id,
        "price": fixed(trade.price),
        "qty": fixed(trade.qty),
        "quoteQty": fixed(trade.price * trade.qty),
        "time": trade.at_ms,
        "isBuyerMaker": trade.taker_side is Side.SELL,
        "isBestMatch": True,
    }


def _one_or_many(q: Question, row: Callable[[Instrument], dict[str, object]]) -> Given:
    rows = [row(instrument) for instrument in q.instruments()]
    return Given(rows[0] if "symbol" in q.params else rows)


def _is_mini(q: Question) -> bool:
    match q.params.text("type"):
        case None | "FULL":
            return False
        case "MINI":
            return True
    raise SpotRefusal(-1139)


def _window_size(q: Question) -> int:
    text = q.params.text("windowSize") or "1d"
    number, unit = text[:-1], text[-1:]
    most, length_ms = {
        "m": (59, 60_000),
        "h": (23, _HOUR_MS),
        "d": (7, 24 * _HOUR_MS),
    }.get(unit, (0, 0))
    if not (number.isascii() and number.isdigit() and len(number) < 3 and 1 <= int(number) <= most):
        raise VenueRefusal.invalid("windowSize")
    return int(number) * length_ms
