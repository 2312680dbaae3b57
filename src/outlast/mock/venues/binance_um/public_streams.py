"""What the market streams say, as the venue writes it.

Source: Binance USD-M futures docs, WebSocket Market Streams, one page per stream; `st` and `ps`
since July 2026.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from outlast.mock.engine.engine import Engine
from outlast.mock.engine.events import OrderEvent
from outlast.mock.engine.model import Instrument, Side
from outlast.mock.engine.views import Level, PublicTrade
from outlast.mock.streams.books import BookDiff, BookState
from outlast.mock.venues.binance_um import candles
from outlast.mock.venues.binance_um.figures import decimals, fixed, plain
from outlast.mock.venues.binance_um.ledger import Ledger
from outlast.mock.venues.binance_um.market import level_rows, premium, symbol_status
from outlast.mock.venues.binance_um.order_views import price_places

__all__ = ["Event", "PublicViews"]

_LINEAR: Final = 1
"""`st`: 1 is USD-M."""
_PERPETUAL_UNTIL_MS: Final = 4_133_404_800_000
_LISTED_MS: Final = 1_569_398_400_000
_MOVING_AVERAGE_S: Final = 30

Event = dict[str, object]


class PublicViews:
    """Writes events; `now_ms` is the venue's clock as it shows it, and becomes `E`."""

    def __init__(self, engine: Engine, ledger: Ledger) -> None:
        self._engine, self._ledger = engine, ledger
        self._marks: dict[str, list[Decimal]] = {}

    def depth(self, diff: BookDiff, now_ms: int, *, previous_id: int | None = None) -> Event:
        """Write a diff. `previous_id`: where this reader really stands, if elsewhere."""
        instrument = self._engine.instruments[diff.symbol]
        after = diff.previous_id if previous_id is None else previous_id
        return {
            "e": "depthUpdate",
            "E": now_ms,
            "T": diff.after.at_ms,
            "s": diff.symbol,
            "ps": diff.symbol,
            "U": after + 1,
            "u": diff.last_id,
            "pu": after,
            "b": level_rows(diff.bids, instrument),
            "a": level_rows(diff.asks, instrument),
            "st": _LINEAR,
        }

    def partial_depth(self, diff: BookDiff, levels: int, now_ms: int) -> Event:
        """Write the top of the book in the same shape."""
        instrument = self._engine.instruments[diff.symbol]
        return {
            **self.depth(diff, now_ms),
            "b": level_rows(diff.after.bids[:levels], instrument),
            "a": level_rows(diff.after.asks[:levels], instrument),
        }

    def book_ticker(self, book: BookState, now_ms: int) -> Event:
        instrument = self._engine.instruments[book.symbol]
        empty = (Level(Decimal(0), Decimal(0)),)
        (bid,), (ask,) = (level_rows(s[:1] or empty, instrument) for s in (book.bids, book.asks))
        return {
            "e": "bookTicker",
            "u": book.update_id,
            "s": book.symbol,
            "ps": book.symbol,
            "b": bid[0],
            "B": bid[1],
            "a": ask[0],
            "A": ask[1],
            "T": book.at_ms,
            "E": now_ms,
            "st": _LINEAR,
        }

    def agg_trade(self, trade: PublicTrade, now_ms: int) -> Event:
        """Write a print as an aggregate: the engine prints once per price and taker already."""
        instrument = self._engine.instruments[trade.symbol]
        qty = fixed(trade.qty, decimals(instrument.qty_step))
        return {
            "e": "aggTrade",
            "E": now_ms,
            "a": trade.trade_id,
            "s": trade.symbol,
            "p": fixed(trade.price, price_places(instrument)),
            "q": qty,
            "nq": qty,
            "f": trade.trade_id,
            "l": trade.trade_id,
            "T": trade.at_ms,
            "m": trade.taker_side is Side.SELL,
            "st": _LINEAR,
        }

    def trade(self, trade: PublicTrade, now_ms: int) -> Event:
        instrument = self._engine.instruments[trade.symbol]
        return {
            "e": "trade",
            "E": now_ms,
            "T": trade.at_ms,
            "s": trade.symbol,
            "t": trade.trade_id,
            "p": fixed(trade.price, price_places(instrument)),
            "q": fixed(trade.qty, decimals(instrument.qty_step)),
            "X": "MARKET",
            "m": trade.taker_side is Side.SELL,
            "st": _LINEAR,
        }

    def note_marks(self) -> None:
        """Remember this second's mark prices, for their moving average."""
        for symbol in self._engine.instruments:
            marks = self._marks.setdefault(symbol, [])
            marks.append(self._engine.mark_price(symbol))
            del marks[:-_MOVING_AVERAGE_S]

    def mark_price(self, symbol: str, now_ms: int) -> Event:
        values = premium(self._engine, self._ledger, symbol)
        marks = self._marks.get(symbol) or [self._engine.mark_price(symbol)]
        return {
            "e": "markPriceUpdate",
            "E": now_ms,
            "s": symbol,
            "p": values["markPrice"],
            "ap": fixed(sum(marks, Decimal(0)) / len(marks)),
            "P": values["estimatedSettlePrice"],
            "i": values["indexPrice"],
            "r": values["lastFundingRate"],
            "T": values["nextFundingTime"],
            "st": _LINEAR,
        }

    def kline(self, symbol: str, interval: str, at_ms: int, now_ms: int, *, closed: bool) -> Event:
        """Write the bar that `at_ms` (true venue time) lies in."""
        return {
            "e": "kline",
            "E": now_ms,
            "s": symbol,
            "k": self._bar(symbol, interval, at_ms, closed=closed, named=True),
            "st": _LINEAR,
        }

    def continuous_kline(
        self, symbol: str, interval: str, at_ms: int, now_ms: int, *, closed: bool
    ) -> Event:
        return {
            "e": "continuous_kline",
            "E": now_ms,
            "ps": symbol,
            "ct": "PERPETUAL",
            "k": self._bar(symbol, interval, at_ms, closed=closed, named=False),
            "st": _LINEAR,
        }

    def opens_ms(self, symbol: str, interval: str, at_ms: int) -> int:
        """Give the start of the bar that an instant lies in."""
        last = self._engine.last_price(symbol)
        return candles.bar_at(self._ledger, symbol, interval, at_ms, last).start_ms

    def _bar(
        self, symbol: str, interval: str, at_ms: int, *, closed: bool, named: bool
    ) -> dict[str, object]:
        instrument = self._engine.instruments[symbol]
        price, qty = price_places(instrument), decimals(instrument.qty_step)
        last = self._engine.last_price(symbol)
        bar = candles.bar_at(self._ledger, symbol, interval, at_ms, last)
        return {
            "t": bar.start_ms,
            "T": candles.closes_ms(interval, bar.start_ms),
            **({"s": symbol} if named else {}),
            "i": interval,
            "f": bar.first_id or -1,
            "L": bar.last_id or -1,
            "o": fixed(bar.open, price),
            "c": fixed(bar.close, price),
            "h": fixed(bar.high, price),
            "l": fixed(bar.low, price),
            "v": fixed(bar.qty, qty),
            "n": bar.count,
            "x": closed,
            "q": fixed(bar.quote, 5),
            "V": fixed(bar.bought, qty),
            "Q": fixed(bar.bought_quote, 5),
            "B": "0",
        }

    def mini_ticker(self, symbol: str, now_ms: int) -> Event:
        whole = self.ticker(symbol, now_ms)
        kept = {name: whole[name] for name in ("E", "s", "c", "o", "h", "l", "v", "q")}
        return {"e": "24hrMiniTicker", **kept, "ps": symbol, "st": _LINEAR}

    def ticker(self, symbol: str, now_ms: int) -> Event:
        instrument = self._engine.instruments[symbol]
        price, qty = price_places(instrument), decimals(instrument.qty_step)
        last = self._engine.last_price(symbol)
        day = candles.rolling_day(self._ledger, symbol, self._engine.now_ms, last)
        change = last - day.open
        average = day.quote / day.qty if day.qty else Decimal(0)
        return {
            "e": "24hrTicker",
            "E": now_ms,
            "s": symbol,
            "ps": symbol,
            "p": fixed(change, price),
            "P": fixed(change / day.open * 100, 3),
            "w": fixed(average, price),
            "c": fixed(last, price),
            "Q": fixed(day.last_qty, qty),
            "o": fixed(day.open, price),
            "h": fixed(day.high, price),
            "l": fixed(day.low, price),
            "v": fixed(day.qty, qty),
            "q": fixed(day.quote, 2),
            "O": day.start_ms,
            "C": self._engine.now_ms,
            "F": day.first_id,
            "L": day.last_id,
            "n": day.count,
            "st": _LINEAR,
        }

    def force_order(self, event: OrderEvent, now_ms: int) -> Event:
        """Write a liquidation's fill."""
        assert event.execution is not None
        order, execution = event.order, event.execution
        instrument = self._engine.instruments[execution.symbol]
        price, qty = price_places(instrument), decimals(instrument.qty_step)
        return {
            "e": "forceOrder",
            "E": now_ms,
            "o": {
                "s": execution.symbol,
                "S": execution.side.name,
                "o": "LIMIT",
                "f": "IOC",
                "q": fixed(order.request.qty, qty),
                "p": fixed(execution.price, price),
                "ap": fixed(order.avg_price, price),
                "X": order.status.name,
                "l": fixed(execution.qty, qty),
                "z": fixed(order.filled_qty, qty),
                "T": execution.at_ms,
            },
            "ps": execution.symbol,
            "st": _LINEAR,
        }

    def contract_info(self, symbol: str, now_ms: int) -> Event:
        instrument: Instrument = self._engine.instruments[symbol]
        leverage = int(instrument.leverage)
        listed_ms = _LISTED_MS if instrument.listed_ms is None else instrument.listed_ms
        return {
            "e": "contractInfo",
            "E": now_ms,
            "s": symbol,
            "ps": symbol,
            "ct": "PERPETUAL",
            "dt": _PERPETUAL_UNTIL_MS,
            "ot": listed_ms,
            "cs": symbol_status(self._engine),
            "bks": [
                {
                    "bs": 1,
                    "bnf": 0,
                    "bnc": 50_000_000,
                    "mmr": float(plain(instrument.maintenance_margin)),
                    "cf": 0,
                    "mi": 1,
                    "ma": max(leverage, 1),
                }
            ],
            "st": _LINEAR,
        }
