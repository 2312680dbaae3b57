"""The market streams: books, trades, candles and tickers, as they are pushed.

Source: Binance spot API docs, web-socket-streams.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from outlast.mock.engine.events import EngineEvent, TradeEvent
from outlast.mock.engine.model import Side
from outlast.mock.engine.views import Level, PublicTrade
from outlast.mock.streams.client import Client, Subscription
from outlast.mock.streams.hub import Sockets
from outlast.mock.venues.binance_spot import candles
from outlast.mock.venues.binance_spot.market import aggregate, levels
from outlast.mock.venues.binance_spot.time_units import in_microseconds
from outlast.mock.venues.binance_um.aliases import to_json
from outlast.mock.venues.binance_um.figures import fixed
from outlast.mock.venues.binance_um.ledger import Bar, Ledger
from outlast.mock.venues.streams import BookDiff, BookState, Update

__all__ = ["Feeds"]

_FAST_MS: Final = 100
_SLOW_MS: Final = 1000
_HOUR_MS: Final = 3_600_000
_WINDOWS: Final = {"1h": _HOUR_MS, "4h": 4 * _HOUR_MS, "1d": 24 * _HOUR_MS}
_NAME: Final = re.compile(
    r"(?P<symbol>[a-z0-9]+)@(?:"
    r"(?P<depth>depth)(?P<levels>5|10|20)?(?P<cadence>@100ms|@1000ms)?"
    r"|(?P<plain>trade|aggTrade|bookTicker|ticker|miniTicker|avgPrice)"
    r"|kline_(?P<interval>[0-9]{1,2}[smhdwM])"
    r"|ticker_(?P<window>1h|4h|1d)"
    r")\Z"
)
_ALL: Final = {"!ticker@arr": "ticker", "!miniTicker@arr": "miniTicker"}


@dataclass(slots=True)
class _Last:
    """What a stream has sent last, so that it does not repeat itself."""

    touch: tuple[Level | None, Level | None] | None = None
    update_id: int = 0


@dataclass(slots=True)
class _Reader:
    """Where one subscriber to a diff stream stands."""

    last_id: int = 0


class Feeds:
    """Makes the events of every market stream that somebody is on."""

    def __init__(self, sockets: Sockets, ledger: Ledger) -> None:
        self._sockets, self._ledger = sockets, ledger
        self._last: dict[str, _Last] = {}
        self._bars: dict[str, tuple[int, int]] = {}
        self._followed: dict[str, str] = {}
        """The diff streams whose sequence has begun, with their symbols."""
        sockets.engine.listen(self._hear)
        sockets.every(_FAST_MS, self._fast)
        sockets.every(_SLOW_MS, self._slow)

    def join(self, client: Client, name: str) -> None:
        """Put a client on a stream; a name that no stream has gives silence, as on the venue.

        So does one of a symbol that is not listed, until it is.
        """
        if name in _ALL:
            client.subscribe(name, channel=_ALL[name])
            return
        match = _NAME.match(name)
        if match is None:
            return
        symbol = match["symbol"].upper()
        interval = match["interval"]
        if interval is not None and interval not in candles.INTERVALS:
            return
        channel = match["depth"] or match["plain"] or ("kline" if interval else "ticker")
        is_diff = bool(match["depth"]) and not match["levels"]
        if is_diff and self._is_listed(symbol):
            self._follow(name, symbol)
        state = _Reader() if is_diff else None
        client.subscribe(name, channel=channel, symbol=symbol, state=state)
        self._last.pop(name, None)  # whoever joins is told how it stands at the next tick

    def _is_listed(self, symbol: str) -> bool:
        return symbol in self._sockets.engine.instruments

    # -- pushing ----------------------------------------------------------------------------

    def _push(self, name: str, body: object) -> None:
        """Send one event to everybody on a stream, each in the form it asked for."""
        updates: dict[tuple[bool, bool], Update] = {}

        def render(subscription: Subscription) -> Update:
            state = subscription.client.state
            form = (state.combined, state.microseconds)
            if form not in updates:
                updates[form] = Update(_text(name, body, *form))
            return updates[form]

        self._sockets.publish(name, render)

    def _fast(self) -> None:
        for name in self._sockets.topics():
            match = _NAME.match(name)
            if match is None:
                continue
            symbol = match["symbol"].upper()
            if not self._is_listed(symbol):
                continue
            if match["plain"] == "bookTicker":
                self._touch(name, symbol)
            elif match["depth"] and match["cadence"] == "@100ms":
                self._book(name, symbol, match["levels"])

    def _slow(self) -> None:
        self._forget_unheard()
        for name in self._sockets.topics():
            if name in _ALL:
                self._everybody(name)
                continue
            match = _NAME.match(name)
            if match is None:
                continue
            symbol = match["symbol"].upper()
            if not self._is_listed(symbol):
                continue
            if match["depth"] and match["cadence"] != "@100ms":
                self._book(name, symbol, match["levels"])
            elif match["plain"] == "ticker":
                self._push(name, self._ticker(symbol))
            elif match["plain"] == "miniTicker":
                self._push(name, self._mini(symbol))
            elif match["plain"] == "avgPrice":
                self._push(name, self._average(symbol))
            elif match["window"]:
                self._push(name, self._ticker(symbol, match["window"]))
            elif match["interval"]:
                self._kline(name, symbol, match["interval"])

    def _hear(self, event: EngineEvent) -> None:
        """Tell of a print at once."""
        if not isinstance(event, TradeEvent):
            return
        trade = event.trade
        stem = trade.symbol.lower()
        if self._sockets.on(f"{stem}@trade"):
            self._push(f"{stem}@trade", self._trade(trade))
        if self._sockets.on(f"{stem}@aggTrade"):
            head = {"e": "aggTrade", "E": self._sockets.now_ms, "s": trade.symbol}
            self._push(f"{stem}@aggTrade", head | aggregate(trade))

    # -- books ------------------------------------------------------------------------------

    def _follow(self, name: str, symbol: str) -> None:
        """Begin a stream's sequence of diffs where the book stands now, if it has none yet."""
        self._forget_unheard()
        if name not in self._followed:
            self._followed[name] = symbol
            self._sockets.books.diff(name, symbol)

    def _book(self, name: str, symbol: str, depth: str | None) -> None:
        if depth is not None:
            self._partial(name, symbol, int(depth))
            return
        self._followed.setdefault(name, symbol)  # from its listing on
        diff = self._sockets.books.diff(name, symbol)
        if diff is not None:
            self._push_diff(name, diff)

    def _push_diff(self, name: str, diff: BookDiff) -> None:
        """Send what changed to everybody on a stream, from where each of them stands."""
        body = self._diff(diff)
        updates: dict[tuple[bool, bool, int], Update] = {}

        def render(subscription: Subscription) -> Update | None:
            reader, state = subscription.state, subscription.client.state
            first_id = max(diff.first_id, reader.last_id + 1)
            reader.last_id = max(diff.last_id, reader.last_id)
            if first_id > diff.last_id:
                return None  # a burst has told it all of this already
            form = (state.combined, state.microseconds, first_id)
            if form not in updates:
                mine = body | {"U": first_id}
                updates[form] = _chained(name, mine, form[0], form[1], diff.after)
            return updates[form]

        self._sockets.publish(name, render)

    def _diff(self, diff: BookDiff) -> dict[str, object]:
        return {
            "e": "depthUpdate",
            "E": self._sockets.now_ms,
            "s": diff.symbol,
            "U": diff.first_id,
            "u": diff.last_id,
            "b": levels(diff.bids),
            "a": levels(diff.asks),
        }

    def backlog(self, subscription: Subscription, count: int) -> Iterator[Update]:
        """Make updates of the book that change nothing, each with an id of its own.

        Only diff streams have a backlog: of what other streams missed, the newest event says all.
        """
        name, reader = subscription.topic, subscription.state
        symbol = subscription.symbol
        if not isinstance(reader, _Reader) or symbol is None or not self._is_listed(symbol):
            return
        self._book(name, symbol, None)  # everybody is told up to here
        state = subscription.client.state
        for _ in range(count):
            diff = self._sockets.books.touch(symbol)
            reader.last_id = diff.last_id
            body = self._diff(diff)
            yield _chained(name, body, state.combined, state.microseconds, diff.after)

    def _forget_unheard(self) -> None:
        """End the sequences of diffs that nobody follows any more."""
        for name in set(self._followed) - set(self._sockets.topics()):
            self._sockets.books.forget(name, self._followed.pop(name))

    def _partial(self, name: str, symbol: str, depth: int) -> None:
        """Send the top of a book that has changed."""
        state = self._sockets.books.now(symbol)
        last = self._last.setdefault(name, _Last())
        if last.update_id == state.update_id:
            return
        last.update_id = state.update_id
        body = {
            "lastUpdateId": state.update_id,
            "bids": levels(state.bids[:depth]),
            "asks": levels(state.asks[:depth]),
        }
        self._push(name, body)

    def _touch(self, name: str, symbol: str) -> None:
        """Send the best bid and ask that have changed; an empty side is not told of."""
        state = self._sockets.books.now(symbol)
        best = (
            state.bids[0] if state.bids else None,
            state.asks[0] if state.asks else None,
        )
        last = self._last.setdefault(name, _Last())
        if last.touch == best:
            return
        last.touch = best
        bid, ask = best
        if bid is None or ask is None:
            return
        body = {
            "u": state.update_id,
            "s": symbol,
            "b": fixed(bid.price),
            "B": fixed(bid.qty),
            "a": fixed(ask.price),
            "A": fixed(ask.qty),
        }
        self._push(name, body)

    # -- trades, candles, tickers -------------------------------------------------------------

    def _trade(self, trade: PublicTrade) -> dict[str, object]:
        return {
            "e": "trade",
            "E": self._sockets.now_ms,
            "s": trade.symbol,
            "t": trade.trade_id,
            "p": fixed(trade.price),
            "q": fixed(trade.qty),
            "T": trade.at_ms,
            "m": trade.taker_side is Side.SELL,
            "M": True,
        }

    def _kline(self, name: str, symbol: str, interval: str) -> None:
        """Send the bar of now when it has changed, and once more when it has closed."""
        now_ms = self._sockets.engine.now_ms
        opens_ms = candles.start_of(interval, now_ms, 0)
        before = self._bars.get(name)
        if before is not None and before[0] < opens_ms:
            closed = self._bar(symbol, interval, before[0])
            self._push(name, self._kline_event(symbol, interval, closed, is_closed=True))
        bar = self._bar(symbol, interval, now_ms)
        if before != (opens_ms, bar.count):
            self._bars[name] = (opens_ms, bar.count)
            self._push(name, self._kline_event(symbol, interval, bar, is_closed=False))

    def _bar(self, symbol: str, interval: str, at_ms: int) -> Bar:
        return candles.bar_at(self._sockets.engine, self._ledger, symbol, interval, at_ms)

    def _kline_event(
        self, symbol: str, interval: str, bar: Bar, *, is_closed: bool
    ) -> dict[str, object]:
        return {
            "e": "kline",
            "E": self._sockets.now_ms,
            "s": symbol,
            "k": {
                "t": bar.start_ms,
                "T": candles.next_start(interval, bar.start_ms, 0) - 1,
                "s": symbol,
                "i": interval,
                "f": bar.first_id if bar.count else -1,
                "L": bar.last_id if bar.count else -1,
                "o": fixed(bar.open),
                "c": fixed(bar.close),
                "h": fixed(bar.high),
                "l": fixed(bar.low),
                "v": fixed(bar.qty),
                "n": bar.count,
                "x": is_closed,
                "q": fixed(bar.quote),
                "V": fixed(bar.bought),
                "Q": fixed(bar.bought_quote),
                "B": "0",
            },
        }

    def _window(self, symbol: str, length_ms: int) -> tuple[Bar, int]:
        engine = self._sockets.engine
        opens_ms = engine.now_ms - length_ms
        return candles.summed(engine, self._ledger, symbol, opens_ms), opens_ms

    def _mini(self, symbol: str) -> dict[str, object]:
        day, _ = self._window(symbol, _WINDOWS["1d"])
        return {
            "e": "24hrMiniTicker",
            "E": self._sockets.now_ms,
            "s": symbol,
            "c": fixed(day.close),
            "o": fixed(day.open),
            "h": fixed(day.high),
            "l": fixed(day.low),
            "v": fixed(day.qty),
            "q": fixed(day.quote),
        }

    def _ticker(self, symbol: str, window: str | None = None) -> dict[str, object]:
        bar, opens_ms = self._window(symbol, _WINDOWS[window or "1d"])
        moved = bar.close - bar.open
        body: dict[str, object] = {
            "e": "24hrTicker" if window is None else f"{window}Ticker",
            "E": self._sockets.now_ms,
            "s": symbol,
            "p": fixed(moved),
            "P": fixed(moved / bar.open * 100, 3),
            "w": fixed(bar.quote / bar.qty if bar.qty else Decimal(0)),
        }
        if window is None:
            nothing = Level(Decimal(0), Decimal(0))
            bid, ask = (side or nothing for side in self._sockets.engine.best(symbol))
            body |= {
                "x": fixed(bar.open),
                "Q": fixed(bar.last_qty),
                "b": fixed(bid.price),
                "B": fixed(bid.qty),
                "a": fixed(ask.price),
                "A": fixed(ask.qty),
            }
        return body | {
            "c": fixed(bar.close),
            "o": fixed(bar.open),
            "h": fixed(bar.high),
            "l": fixed(bar.low),
            "v": fixed(bar.qty),
            "q": fixed(bar.quote),
            "O": opens_ms,
            "C": self._sockets.engine.now_ms,
            "F": bar.first_id,
            "L": bar.last_id,
            "n": bar.count,
        }

    def _average(self, symbol: str) -> dict[str, object]:
        window, _ = self._window(symbol, candles.AVERAGE_MINS * candles.MINUTE_MS)
        return {
            "e": "avgPrice",
            "E": self._sockets.now_ms,
            "s": symbol,
            "i": f"{candles.AVERAGE_MINS}m",
            "w": fixed(window.quote / window.qty if window.qty else window.close),
            "T": self._sockets.engine.now_ms,
        }

    def _everybody(self, name: str) -> None:
        row = self._ticker if name == "!ticker@arr" else self._mini
        self._push(name, [row(symbol) for symbol in self._sockets.engine.instruments])


def _text(name: str, body: object, combined: bool, microseconds: bool) -> str:
    shown = in_microseconds(body) if microseconds else body
    return to_json({"stream": name, "data": shown} if combined else shown).decode()


def _chained(
    name: str, body: dict[str, object], combined: bool, microseconds: bool, book: BookState
) -> Update:
    """Make an update of a diff stream; damaged, it does not follow the one before it."""

    def broken_chain() -> str:
        number = body["U"]
        assert isinstance(number, int)
        return _text(name, body | {"U": number + 1}, combined, microseconds)

    def crossed() -> str:
        ((price, qty),) = levels((Level(book.asks[:2][-1].price, book.bids[0].qty),))
        bids = body["b"]
        assert isinstance(bids, list)
        others = [row for row in bids if row[0] != price]  # it may have been a bid until now
        return _text(name, body | {"b": [[price, qty], *others]}, combined, microseconds)

    return Update(
        _text(name, body, combined, microseconds),
        corrupt=broken_chain,
        crossed=crossed if book.bids and book.asks else None,
        time_field="E",
    )
