"""Public data: time, listing, book, tape, bars.

Source: Kraken docs, Get Server Time, Get Asset Info, Get Tradable Asset Pairs, Get Ticker
Information, Get OHLC Data, Get Order Book, Get Recent Trades, Get Recent Spreads.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from outlast.mock.engine.model import Side
from outlast.mock.engine.views import Level, PublicTrade
from outlast.mock.venues.kraken_spot.candles import day_bars, ohlc_bars
from outlast.mock.venues.kraken_spot.errors import VenueRefusal, invalid
from outlast.mock.venues.kraken_spot.figures import fixed, seconds
from outlast.mock.venues.kraken_spot.ledger import Bar, Ledger
from outlast.mock.venues.kraken_spot.questions import Given, Question
from outlast.mock.venues.kraken_spot.status import PAIR_STATUS
from outlast.mock.venues.kraken_spot.symbols import Asset, Pair

__all__ = ["INTERVALS", "Market"]

INTERVALS: Final = (1, 5, 15, 30, 60, 240, 1440, 10080, 21600)
"""Minutes."""
_DEPTH_DEFAULT: Final = 100
_DEPTH_MAX: Final = 500
_TRADES_MAX: Final = 1000
_BARS_MAX: Final = 720
_WHOLE_TAPE: Final = 1_000_000
_LEVERAGES: Final[tuple[int, ...]] = ()


class Market:
    """The public calls of one running venue."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def time(self, q: Question) -> Given:
        now = datetime.fromtimestamp(q.now_ms // 1000, tz=UTC)
        return Given(
            {
                "unixtime": q.now_ms // 1000,
                "rfc1123": now.strftime("%a, %d %b %y %H:%M:%S +0000"),
            }
        )

    # -- listing ----------------------------------------------------------------------------

    def assets(self, q: Question) -> Given:
        names = q.params.words("asset")
        if q.params.text("aclass") not in (None, "currency"):
            return Given({})
        if not names:
            return Given({asset.code: _asset(asset) for asset in q.listing.assets})
        found = [q.listing.asset(name) for name in names]
        if None in found:
            raise VenueRefusal("EQuery:Unknown asset")
        return Given({asset.code: _asset(asset) for asset in found if asset is not None})

    def asset_pairs(self, q: Question) -> Given:
        """The listing; asked for by name, a pair answers under the name it was asked by."""
        info = q.params.choice("info", ("info", "leverage", "fees", "margin")) or "info"
        if q.params.text("aclass_base") not in (None, "currency"):
            return Given({})
        status = PAIR_STATUS[q.view.shown_mode]
        return Given({name: _pair(pair, status, info) for name, pair in q.pairs()})

    # -- book and tape ----------------------------------------------------------------------

    def depth(self, q: Question) -> Given:
        pair = q.pair()
        count = q.params.whole("count", least=1, most=_DEPTH_MAX) or _DEPTH_DEFAULT
        book = q.engine.book(pair.symbol, count)
        at_s = book.at_ms // 1000
        return Given(
            {
                pair.key: {
                    "asks": _levels(book.asks, pair, at_s),
                    "bids": _levels(book.bids, pair, at_s),
                }
            }
        )

    def trades(self, q: Question) -> Given:
        """Trades after `since` (an id of nanoseconds as `last` gives it, or unix seconds)."""
        pair = q.pair()
        count = q.params.whole("count", least=1, most=_TRADES_MAX) or _TRADES_MAX
        since = q.params.decimal("since")
        tape = q.engine.tape(pair.symbol, _WHOLE_TAPE)
        if since is not None:
            since_ns = int(since * 10**9) if since < 10**12 else int(since)
            tape = [trade for trade in tape if _nanos(trade) > since_ns][:count]
        rows = tape[-count:]
        last = _nanos(rows[-1]) if rows else int(since or q.now_ms * 10**6)
        return Given({pair.key: [_trade(row, pair) for row in rows], "last": str(last)})

    def spread(self, q: Question) -> Given:
        pair = q.pair()
        since = q.params.whole("since", least=0) or 0
        rows = [row for row in self._ledger.spreads(pair.symbol) if row[0] // 1000 >= since]
        money = pair.cost_decimals
        return Given(
            {
                pair.key: [
                    [at_ms // 1000, fixed(bid, money), fixed(ask, money)]
                    for at_ms, bid, ask in rows
                ],
                "last": q.now_ms // 1000,
            }
        )

    # -- bars -------------------------------------------------------------------------------

    def ohlc(self, q: Question) -> Given:
        """Bars, oldest first, at most 720; the last one is still open, `last` is the one before."""
        pair = q.pair()
        interval = q.params.whole("interval")
        interval = 1 if interval is None else interval
        if interval not in INTERVALS:
            raise invalid("interval")
        since_s = q.params.whole("since", least=0) or 0
        bars = ohlc_bars(self._ledger, pair.symbol, interval, q.engine.now_ms)[-_BARS_MAX:]
        rows = [_bar(bar, pair) for bar in bars if bar.start_ms // 1000 > since_s]
        closed = bars[-2].start_ms if len(bars) > 1 else bars[-1].start_ms if bars else 0
        return Given({pair.key: rows, "last": closed // 1000})

    def ticker(self, q: Question) -> Given:
        rows = {pair.key: self._ticker(q, pair) for _, pair in q.pairs()}
        return Given(rows)

    def _ticker(self, q: Question, pair: Pair) -> dict[str, object]:
        symbol, money = pair.symbol, pair.cost_decimals
        today, day = day_bars(self._ledger, symbol, q.engine.now_ms, q.engine.last_price(symbol))
        tape = q.engine.tape(symbol, 1)
        last_qty = tape[-1].qty if tape else Decimal(0)
        bid, ask = q.engine.best(symbol)
        lot = pair.lot_decimals
        return {
            "a": _touch(ask, money),
            "b": _touch(bid, money),
            "c": [fixed(q.engine.last_price(symbol), money), fixed(last_qty, lot)],
            "v": [fixed(today.qty, lot), fixed(day.qty, lot)],
            "p": [fixed(today.vwap, money), fixed(day.vwap, money)],
            "t": [today.count, day.count],
            "l": [fixed(today.low, money), fixed(day.low, money)],
            "h": [fixed(today.high, money), fixed(day.high, money)],
            "o": fixed(today.open, money),
        }


def _asset(asset: Asset) -> dict[str, object]:
    return {
        "aclass": "currency",
        "altname": asset.altname,
        "decimals": asset.decimals,
        "display_decimals": asset.display_decimals,
        "collateral_value": 1,
        "status": "enabled",
    }


def _pair(pair: Pair, status: str, info: str) -> dict[str, object]:
    instrument = pair.instrument
    fees: dict[str, object] = {
        "fees": [[0, instrument.taker_fee * 100]],
        "fees_maker": [[0, instrument.maker_fee * 100]],
        "fee_volume_currency": "ZUSD",
    }
    leverage: dict[str, object] = {
        "leverage_buy": list(_LEVERAGES),
        "leverage_sell": list(_LEVERAGES),
    }
    margin: dict[str, object] = {"margin_call": 80, "margin_stop": 40}
    if info != "info":
        return {"leverage": leverage, "fees": fees, "margin": margin}[info]
    return {
        "altname": pair.altname,
        "wsname": pair.wsname,
        "aclass_base": "currency",
        "base": pair.base.code,
        "aclass_quote": "currency",
        "quote": pair.quote.code,
        "lot": "unit",
        "cost_decimals": pair.cost_decimals,
        "pair_decimals": pair.price_decimals,
        "lot_decimals": pair.lot_decimals,
        "lot_multiplier": 1,
        **leverage,
        **fees,
        **margin,
        "ordermin": f"{instrument.qty_min:f}",
        "costmin": f"{instrument.notional_min.normalize():f}",
        "tick_size": f"{instrument.tick:f}",
        "status": status,
        "long_position_limit": 0,
        "short_position_limit": 0,
    }


def _levels(levels: Sequence[Level], pair: Pair, at_s: int) -> list[list[object]]:
    return [
        [fixed(level.price, pair.cost_decimals), fixed(level.qty, 3), at_s]
        if level.qty >= 1
        else [fixed(level.price, pair.cost_decimals), fixed(level.qty, pair.lot_decimals), at_s]
        for level in levels
    ]


def _touch(level: Level | None, money: int) -> list[str]:
    if level is None:
        return [fixed(Decimal(0), money), "0", "0.000"]
    return [fixed(level.price, money), f"{max(1, int(level.qty))}", fixed(level.qty, 3)]


def _nanos(trade: PublicTrade) -> int:
    """The venue's id of a trade in `since` and `last`: nanoseconds, told apart by the number."""
    return trade.at_ms * 10**6 + trade.trade_id % 10**6


def _trade(trade: PublicTrade, pair: Pair) -> list[object]:
    return [
        fixed(trade.price, pair.cost_decimals),
        fixed(trade.qty, pair.lot_decimals),
        seconds(trade.at_ms),
        "b" if trade.taker_side is Side.BUY else "s",
        "m",
        "",
        trade.trade_id,
    ]


def _bar(bar: Bar, pair: Pair) -> list[object]:
    price = pair.price_decimals
    return [
        bar.start_ms // 1000,
        fixed(bar.open, price),
        fixed(bar.high, price),
        fixed(bar.low, price),
        fixed(bar.close, price),
        fixed(bar.vwap, price),
        fixed(bar.qty, pair.lot_decimals),
        bar.count,
    ]
