"""Public channels: book, ticker, trade, ohlc, instrument, status, heartbeat.

Source: Kraken docs, WebSocket v2, one page per channel.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Final

from outlast.mock.engine.events import EngineEvent, InstrumentEvent, TradeEvent
from outlast.mock.engine.model import EngineMode, Side
from outlast.mock.engine.views import Level, PublicTrade
from outlast.mock.streams.books import BookState
from outlast.mock.venues.kraken_spot import books, frames
from outlast.mock.venues.kraken_spot.candles import day_bars, ohlc_bars
from outlast.mock.venues.kraken_spot.figures import places, rfc3339, to_json, to_places
from outlast.mock.venues.kraken_spot.ids import text_of
from outlast.mock.venues.kraken_spot.ledger import MINUTE_MS, Bar, Ledger
from outlast.mock.venues.kraken_spot.status import SYSTEM_STATUS
from outlast.mock.venues.kraken_spot.symbols import Asset, Listing, Pair
from outlast.mock.venues.streams import Proof, Update

if TYPE_CHECKING:
    from outlast.mock.engine.engine import Engine
    from outlast.mock.streams.client import Client, Subscription
    from outlast.mock.streams.hub import Sockets

__all__ = ["CHANNELS", "MarketStreams"]

CHANNELS: Final = ("book", "ticker", "trade", "ohlc")
"""The channels of one symbol each."""
HEARTBEAT: Final = to_json({"channel": "heartbeat"})
_SNAPSHOT_TRADES: Final = 50
_VERSION: Final = "2.0.10"
_INSTRUMENT_STATUS: Final = {
    EngineMode.MAINTENANCE: "maintenance",
    EngineMode.REDUCE_ONLY: "reduce_only",
}


@dataclass(slots=True)
class BookView:
    """What a client of a book has been told."""

    state: BookState
    depth: int


class MarketStreams:
    """The public channels of one running venue."""

    def __init__(self, sockets: Sockets, listing: Callable[[], Listing], ledger: Ledger) -> None:
        self._sockets, self._listing, self._ledger = sockets, listing, ledger
        self._printed: defaultdict[str, list[PublicTrade]] = defaultdict(list)
        self._touch: dict[str, tuple[Level | None, Level | None]] = {}
        self._shown_mode: EngineMode | None = None
        self._watched: set[str] = set()
        sockets.engine.listen(self._hear)

    @property
    def _engine(self) -> Engine:
        return self._sockets.engine

    # -- subscribing ------------------------------------------------------------------------

    def book(self, client: Client, pair: Pair, depth: int, *, snapshot: bool) -> None:
        state = self._sockets.books.now(pair.symbol)
        subscription = client.subscribe(
            f"book:{depth}:{pair.symbol}",
            channel="book",
            symbol=pair.symbol,
            state=BookView(state, depth),
        )
        if snapshot:
            shown = (state.bids[:depth], state.asks[:depth])
            subscription.send(_book_update("snapshot", pair, state, shown))

    def ticker(self, client: Client, pair: Pair, trigger: str, *, snapshot: bool) -> None:
        subscription = client.subscribe(
            f"ticker:{trigger}:{pair.symbol}", channel="ticker", symbol=pair.symbol
        )
        self._touch.setdefault(pair.symbol, self._engine.best(pair.symbol))
        if snapshot:
            subscription.send(Update(frames.data("ticker", "snapshot", [self._ticker_row(pair)])))

    def trade(self, client: Client, pair: Pair, *, snapshot: bool) -> None:
        subscription = client.subscribe(f"trade:{pair.symbol}", channel="trade", symbol=pair.symbol)
        if snapshot:
            tape = self._engine.tape(pair.symbol, _SNAPSHOT_TRADES)
            rows = [_trade_row(pair, trade) for trade in tape]
            subscription.send(Update(frames.data("trade", "snapshot", rows)))

    def ohlc(self, client: Client, pair: Pair, interval: int, *, snapshot: bool) -> None:
        subscription = client.subscribe(
            f"ohlc:{interval}:{pair.symbol}", channel="ohlc", symbol=pair.symbol
        )
        if snapshot:
            bars = ohlc_bars(self._ledger, pair.symbol, interval, self._engine.now_ms)
            rows = [_bar_row(pair, bar, interval) for bar in bars]
            subscription.send(Update(self._ohlc_text("snapshot", rows)))

    def instrument(self, client: Client, *, snapshot: bool) -> None:
        subscription = client.subscribe("instrument", channel="instrument")
        if snapshot:
            assets = [_asset_row(asset) for asset in self._listing().assets]
            body = {"assets": assets, "pairs": self._pair_rows()}
            subscription.send(Update(frames.data("instrument", "snapshot", body)))

    def status(self, client: Client) -> None:
        """Tell a client the venue's status, and from now on each change of it."""
        subscription = client.subscribe("status", channel="status", state=_connection_id(client))
        subscription.send(self._status_update(subscription))

    def heartbeat(self, client: Client) -> None:
        client.subscribe("heartbeat", channel="heartbeat")

    # -- every 100 ms -----------------------------------------------------------------------

    def tick(self) -> None:
        """Tell everybody what has changed since the last time."""
        self._tell_status()
        for pair in self._listing().pairs:
            printed = self._printed.pop(pair.symbol, [])
            self._tell_books(pair)
            self._tell_tickers(pair, traded=bool(printed))
            if printed:
                self._tell_trades(pair, printed)

    def beat(self) -> None:
        """Every second: a heartbeat for whoever has subscribed to anything."""
        self._sockets.publish("heartbeat", _everybody(Update(HEARTBEAT)))

    def _hear(self, event: EngineEvent) -> None:
        if isinstance(event, TradeEvent) and self._sockets.clients:
            self._printed[event.trade.symbol].append(event.trade)
        elif isinstance(event, InstrumentEvent):
            self._tell_listing(event)  # before any book or trade that goes by it

    def _tell_books(self, pair: Pair) -> None:
        for depth in books.DEPTHS:
            topic = f"book:{depth}:{pair.symbol}"
            if not self._sockets.on(topic):
                continue
            state = self._sockets.books.now(pair.symbol)
            made: dict[int, Update | None] = {}
            render = partial(self._next_book, pair, state, made)
            self._sockets.publish(topic, render)

    def _next_book(
        self,
        pair: Pair,
        state: BookState,
        made: dict[int, Update | None],
        subscription: Subscription,
    ) -> Update | None:
        """The update that brings one client to `state`; clients at the same state share it."""
        view: BookView = subscription.state
        before = view.state
        view.state = state
        if before.update_id == state.update_id:
            return None
        if before.update_id not in made:
            changed = books.changes(before, state, view.depth)
            made[before.update_id] = (
                _book_update("update", pair, state, changed) if any(changed) else None
            )
        return made[before.update_id]

    def backlog(self, subscription: Subscription, count: int) -> Iterable[Update]:
        """For a burst: levels said again as they are, each with the true checksum."""
        view = subscription.state
        if not isinstance(view, BookView) or subscription.symbol is None:
            return
        pair = self._listing().of(subscription.symbol)
        sides = ([(level,), ()] for level in view.state.bids[: view.depth])
        other = ([(), (level,)] for level in view.state.asks[: view.depth])
        said = [(tuple(bids), tuple(asks)) for bids, asks in (*sides, *other)]
        for number in range(count if said else 0):
            yield _book_update("update", pair, view.state, said[number % len(said)])

    def _tell_tickers(self, pair: Pair, *, traded: bool) -> None:
        symbol = pair.symbol
        by_quote, by_trade = f"ticker:bbo:{symbol}", f"ticker:trades:{symbol}"
        touch = self._engine.best(symbol) if self._sockets.on(by_quote) else None
        moved = touch is not None and touch != self._touch.get(symbol)
        if touch is not None:
            self._touch[symbol] = touch
        for topic, due in ((by_quote, moved), (by_trade, traded)):
            if due and self._sockets.on(topic):
                update = Update(frames.data("ticker", "update", [self._ticker_row(pair)]))
                self._sockets.publish(topic, _everybody(update))

    def _tell_trades(self, pair: Pair, printed: list[PublicTrade]) -> None:
        topic = f"trade:{pair.symbol}"
        if self._sockets.on(topic):
            rows = [_trade_row(pair, trade) for trade in printed]
            update = Update(frames.data("trade", "update", rows))
            self._sockets.publish(topic, _everybody(update))
        for topic in self._sockets.topics():
            kind, _, rest = topic.partition(":")
            interval, _, symbol = rest.partition(":")
            if kind == "ohlc" and symbol == pair.symbol:
                bars = ohlc_bars(self._ledger, symbol, int(interval), self._engine.now_ms)
                rows = [_bar_row(pair, bar, int(interval)) for bar in bars[-1:]]
                text = Update(self._ohlc_text("update", rows))
                self._sockets.publish(topic, _everybody(text))

    def _tell_status(self) -> None:
        mode = self._sockets.stage.shown_mode
        if mode is self._shown_mode:
            return
        first, self._shown_mode = self._shown_mode is None, mode
        if first:
            return
        self._sockets.publish("status", self._status_update)
        body = {"assets": [], "pairs": self._pair_rows()}
        text = Update(frames.data("instrument", "update", body))
        self._sockets.publish("instrument", _everybody(text))

    def _tell_listing(self, event: InstrumentEvent) -> None:
        """Tell of a new pair with its assets, or of a pair that has another tick."""
        pair = self._listing().of(event.instrument.symbol)
        assets = [_asset_row(asset) for asset in (pair.base, pair.quote)] if event.is_new else []
        body = {"assets": assets, "pairs": [_pair_row(pair, self._pair_status())]}
        text = Update(frames.data("instrument", "update", body))
        self._sockets.publish("instrument", _everybody(text))

    # -- rows -------------------------------------------------------------------------------

    def _status_update(self, subscription: Subscription) -> Update:
        row = {
            "version": _VERSION,
            "system": SYSTEM_STATUS[self._sockets.stage.shown_mode],
            "api_version": "v2",
            "connection_id": subscription.state,
        }
        return Update(frames.data("status", "update", [row]))

    def _ticker_row(self, pair: Pair) -> dict[str, object]:
        engine, symbol = self._engine, pair.symbol
        price, lot = pair.price_decimals, pair.lot_decimals
        last = engine.last_price(symbol)
        _, day = day_bars(self._ledger, symbol, engine.now_ms, last)
        bid, ask = engine.best(symbol)
        nobody = Level(Decimal(0), Decimal(0))
        change = last - day.open
        return {
            "symbol": pair.name,
            "bid": to_places((bid or nobody).price, price),
            "bid_qty": to_places((bid or nobody).qty, lot),
            "ask": to_places((ask or nobody).price, price),
            "ask_qty": to_places((ask or nobody).qty, lot),
            "last": to_places(last, price),
            "volume": to_places(day.qty, lot),
            "vwap": to_places(day.vwap, pair.cost_decimals),
            "low": to_places(day.low, price),
            "high": to_places(day.high, price),
            "change": to_places(change, price),
            "change_pct": to_places(change / day.open * 100, 2),
            "timestamp": rfc3339(engine.now_ms),
        }

    def _pair_rows(self) -> list[dict[str, object]]:
        return [_pair_row(pair, self._pair_status()) for pair in self._listing().pairs]

    def _pair_status(self) -> str:
        mode = self._sockets.stage.shown_mode
        return _INSTRUMENT_STATUS.get(mode, SYSTEM_STATUS[mode])

    def _ohlc_text(self, kind: str, rows: list[dict[str, object]]) -> str:
        return frames.data("ohlc", kind, rows, timestamp=rfc3339(self._engine.now_ms))


def _everybody(update: Update) -> Callable[[Subscription], Update]:
    """The same update for each."""
    return lambda _subscription: update


def _book_update(kind: str, pair: Pair, state: BookState, changed: books.Changes) -> Update:
    row = books.update_row(pair, state, changed)
    number = row["checksum"]
    assert isinstance(number, int)

    def crossed() -> str:
        above = Level(state.asks[:2][-1].price, state.bids[0].qty)
        now = replace(state, bids=(above, *state.bids))
        bids = [level for level in changed[0] if level.price != above.price]
        worse = books.update_row(pair, now, ((above, *bids), changed[1]))
        return frames.data("book", kind, [worse])

    return Update(
        frames.data("book", kind, [row]),
        corrupt=lambda: frames.data("book", kind, [{**row, "checksum": number ^ 1}]),
        crossed=crossed if state.bids and state.asks else None,
        proof=Proof(
            frozenset(level.price for level in changed[0]),
            frozenset(level.price for level in changed[1]),
            _reach(state.bids, Decimal(0)),
            _reach(state.asks, Decimal("Infinity")),
        ),
        time_field="timestamp",
    )


def _reach(side: Sequence[Level], end: Decimal) -> Decimal:
    """The last price of a side that the checksum covers; with fewer levels, it covers all."""
    checked = books.CHECKED_LEVELS
    return side[checked - 1].price if len(side) >= checked else end


def _connection_id(client: Client) -> int:
    """A number above 2^63, as the venue's are: it does not fit a float or a signed integer."""
    digest = int.from_bytes(text_of(8, "connection", client.number).encode(), "big")
    return digest | 1 << 63


def _trade_row(pair: Pair, trade: PublicTrade) -> dict[str, object]:
    return {
        "symbol": pair.name,
        "side": "buy" if trade.taker_side is Side.BUY else "sell",
        "price": to_places(trade.price, pair.price_decimals),
        "qty": to_places(trade.qty, pair.lot_decimals),
        "ord_type": "market",
        "trade_id": trade.trade_id,
        "timestamp": rfc3339(trade.at_ms),
    }


def _bar_row(pair: Pair, bar: Bar, interval: int) -> dict[str, object]:
    price = pair.price_decimals
    return {
        "symbol": pair.name,
        "open": to_places(bar.open, price),
        "high": to_places(bar.high, price),
        "low": to_places(bar.low, price),
        "close": to_places(bar.close, price),
        "trades": bar.count,
        "volume": to_places(bar.qty, pair.lot_decimals),
        "vwap": to_places(bar.vwap, price),
        "interval_begin": rfc3339(bar.start_ms),
        "interval": interval,
        "timestamp": rfc3339(bar.start_ms + interval * MINUTE_MS),
    }


def _asset_row(asset: Asset) -> dict[str, object]:
    return {
        "id": asset.name,
        "status": "enabled",
        "precision": asset.decimals,
        "precision_display": asset.display_decimals,
        "borrowable": False,
        "collateral_value": Decimal("1.00"),
        "margin_rate": Decimal("0.000000"),
    }


def _pair_row(pair: Pair, status: str) -> dict[str, object]:
    instrument = pair.instrument
    return {
        "symbol": pair.name,
        "base": pair.base.name,
        "quote": pair.quote.name,
        "status": status,
        "qty_precision": pair.lot_decimals,
        "qty_increment": to_places(instrument.qty_step, pair.lot_decimals),
        "qty_min": to_places(instrument.qty_min, places(instrument.qty_min)),
        "price_precision": pair.price_decimals,
        "price_increment": to_places(instrument.tick, pair.price_decimals),
        "cost_precision": pair.cost_decimals,
        "cost_min": f"{instrument.notional_min.normalize():f}",
        "marginable": False,
        "has_index": True,
        "tick_size": to_places(instrument.tick, pair.price_decimals),
    }
