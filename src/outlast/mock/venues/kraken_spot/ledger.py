"""What the engine says only once: bars of the public tape, the spread, and money that moved.

Listens to the engine from the start of the venue, because some calls answer about the past.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from outlast.mock.engine.engine import Engine
from outlast.mock.engine.events import EngineEvent, OrderEvent, TradeEvent
from outlast.mock.engine.model import Execution, Order, Side
from outlast.mock.engine.views import PublicTrade

__all__ = ["MINUTE_MS", "Bar", "Flow", "Ledger"]

MINUTE_MS: Final = 60_000
_SPREADS_KEPT: Final = 200
_TAPE_MAX: Final = 1_000_000
_MINUTES_KEPT: Final = 2_880
"""Two days of minutes with trades: twice what 24-hour statistics need."""


@dataclass(slots=True)
class Bar:
    """The public trades of one stretch of time."""

    start_ms: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    qty: Decimal = Decimal(0)
    money: Decimal = Decimal(0)
    count: int = 0

    @classmethod
    def still(cls, start_ms: int, price: Decimal) -> Bar:
        """A stretch without a trade: the price stays where it was."""
        return cls(start_ms, price, price, price, price)

    @property
    def vwap(self) -> Decimal:
        return self.money / self.qty if self.qty else Decimal(0)

    def add(self, trade: PublicTrade) -> None:
        if not self.count:
            self.open = self.high = self.low = trade.price
        self.high, self.low = max(self.high, trade.price), min(self.low, trade.price)
        self.close = trade.price
        self.qty += trade.qty
        self.money += trade.price * trade.qty
        self.count += 1

    def join(self, later: Bar) -> None:
        """Take in the bar that follows this one."""
        if not later.count:
            return
        if not self.count:
            self.open, self.high, self.low = later.open, later.high, later.low
        self.high, self.low = max(self.high, later.high), min(self.low, later.low)
        self.close = later.close
        self.qty += later.qty
        self.money += later.money
        self.count += later.count


@dataclass(frozen=True, slots=True)
class Flow:
    """One leg of a fill on one asset."""

    fill: Execution
    asset: str
    amount: Decimal
    fee: Decimal
    balance: Decimal
    """What the asset's total was after it."""


class Ledger:
    """Remembers what it hears."""

    def __init__(self) -> None:
        self._engine: Engine | None = None
        self._minutes: defaultdict[str, list[Bar]] = defaultdict(list)
        self._spreads: defaultdict[str, deque[tuple[int, Decimal, Decimal]]] = defaultdict(
            lambda: deque(maxlen=_SPREADS_KEPT)
        )
        self._flows: defaultdict[str, dict[int, list[Flow]]] = defaultdict(dict)
        """By account, then by fill: its two legs."""
        self._totals: dict[tuple[str, str], Decimal] = {}

    def attach(self, engine: Engine) -> None:
        """Listen to this engine, and catch up on what its tape still has; again is no more."""
        if self._engine is engine:
            return
        assert self._engine is None, "a ledger belongs to one engine"
        self._engine = engine
        for symbol in engine.instruments:
            for trade in engine.tape(symbol, _TAPE_MAX):
                self._print(trade)
        engine.listen(self._hear)
        engine.on_forgotten(self._forget)

    def minutes(self, symbol: str, since_ms: int) -> list[Bar]:
        """The minutes with trades from `since_ms` on, oldest first."""
        bars = self._minutes.get(symbol, [])
        return bars[bisect_left(bars, since_ms, key=lambda bar: bar.start_ms) :]

    def first_ms(self, symbol: str) -> int | None:
        """The start of the first minute with a trade."""
        bars = self._minutes.get(symbol)
        return bars[0].start_ms if bars else None

    def close_before(self, symbol: str, at_ms: int) -> Decimal | None:
        """The last traded price before an instant that starts a minute, if there was one."""
        bars = self._minutes.get(symbol, [])
        index = bisect_left(bars, at_ms, key=lambda bar: bar.start_ms)
        return bars[index - 1].close if index else None

    def spreads(self, symbol: str) -> list[tuple[int, Decimal, Decimal]]:
        """(instant, best bid, best ask) as they were when trades were printed, oldest first."""
        return list(self._spreads.get(symbol, ()))

    def flows(self, account: str) -> list[Flow]:
        """Every leg of every fill of an account, oldest first."""
        return [flow for legs in self._flows.get(account, {}).values() for flow in legs]

    def newest(self, account: str) -> list[Flow]:
        """The legs of the account's newest fill."""
        fills = self._flows.get(account, {})
        return list(fills[next(reversed(fills))]) if fills else []

    def _forget(self, orders: Sequence[Order]) -> None:
        """The engine no longer knows these orders; what they moved is gone from the list too."""
        for order in orders:
            for fill in order.executions:
                self._flows[fill.account].pop(fill.execution_id, None)

    def _hear(self, event: EngineEvent) -> None:
        if isinstance(event, TradeEvent):
            self._print(event.trade)
        elif isinstance(event, OrderEvent) and event.execution is not None:
            self._book(event.execution)

    def _print(self, trade: PublicTrade) -> None:
        assert self._engine is not None
        bars = self._minutes[trade.symbol]
        start_ms = trade.at_ms // MINUTE_MS * MINUTE_MS
        if not bars or bars[-1].start_ms < start_ms:
            bars.append(Bar.still(start_ms, trade.price))
            del bars[:-_MINUTES_KEPT]
        bars[-1].add(trade)
        spreads = self._spreads[trade.symbol]
        if spreads and spreads[-1][0] // 1000 == trade.at_ms // 1000:
            return  # one a second is enough: the answer has whole seconds
        bid, ask = self._engine.best(trade.symbol)
        if bid is not None and ask is not None:
            spreads.append((trade.at_ms, bid.price, ask.price))

    def _book(self, fill: Execution) -> None:
        """Enter both legs; the running balance is kept here, as the fills are reported."""
        assert self._engine is not None
        instrument = self._engine.instruments[fill.symbol]
        sign = fill.side.sign
        legs = [
            (instrument.base, sign * fill.qty),
            (instrument.quote, -sign * fill.quote_qty),
        ]
        if fill.side is Side.BUY:
            legs.reverse()  # what is given comes first
        for asset, amount in legs:
            fee = fill.fee if asset == fill.fee_currency else Decimal(0)
            balance = self._total(fill.account, asset) + amount - fee
            self._totals[fill.account, asset] = balance
            of_fill = self._flows[fill.account].setdefault(fill.execution_id, [])
            of_fill.append(Flow(fill, asset, amount, fee, balance))

    def _total(self, account: str, asset: str) -> Decimal:
        """The total before the first fill is what the account was opened with."""
        known = self._totals.get((account, asset))
        if known is not None:
            return known
        assert self._engine is not None
        flows = self._engine.flows(account).get(asset)
        return flows.start if flows is not None else Decimal(0)
