"""What the engine says only once: funding, the insurance fund's gifts, and the public tape's bars.

Listens to the engine from the start of the venue, because some endpoints answer about the past.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict, deque
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from outlast.mock.engine.engine import Engine
from outlast.mock.engine.events import BalanceEvent, EngineEvent, FundingEvent, TradeEvent
from outlast.mock.engine.model import Side
from outlast.mock.engine.views import PublicTrade

__all__ = ["MINUTE_MS", "Bar", "Entry", "Funding", "Ledger"]

MINUTE_MS: Final = 60_000
_TAPE_MAX: Final = 1_000_000
_MINUTES_KEPT: Final = 2_880
"""Two days of minutes with trades: twice what 24-hour statistics need."""
_ENTRIES_KEPT: Final = 1_000
"""Fundings and gifts an account, and fundings a symbol: what one answer can hold at most."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One amount that came to a wallet or left it."""

    at_ms: int
    kind: str
    symbol: str
    amount: Decimal
    asset: str
    trade_id: int | None = None


@dataclass(frozen=True, slots=True)
class Funding:
    """One funding of a symbol."""

    at_ms: int
    rate: Decimal
    mark: Decimal


@dataclass(slots=True)
class Bar:
    """The public trades of one stretch of time."""

    start_ms: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    qty: Decimal = Decimal(0)
    quote: Decimal = Decimal(0)
    count: int = 0
    bought: Decimal = Decimal(0)
    """The part of `qty` whose taker bought."""
    bought_quote: Decimal = Decimal(0)
    first_id: int = 0
    last_id: int = 0
    last_qty: Decimal = Decimal(0)

    @classmethod
    def still(cls, start_ms: int, price: Decimal) -> Bar:
        """A stretch without a trade: the price stays where it was."""
        return cls(start_ms, price, price, price, price)

    def add(self, trade: PublicTrade) -> None:
        quote = trade.price * trade.qty
        if not self.count:
            self.open = self.high = self.low = trade.price
            self.first_id = trade.trade_id
        self.high, self.low = max(self.high, trade.price), min(self.low, trade.price)
        self.close, self.last_id, self.last_qty = trade.price, trade.trade_id, trade.qty
        self.qty += trade.qty
        self.quote += quote
        self.count += 1
        if trade.taker_side is Side.BUY:
            self.bought += trade.qty
            self.bought_quote += quote

    def join(self, later: Bar) -> None:
        """Take in the bar that follows this one."""
        if not later.count:
            return
        if not self.count:
            self.open, self.high, self.low = later.open, later.high, later.low
            self.first_id = later.first_id
        self.high, self.low = max(self.high, later.high), min(self.low, later.low)
        self.close, self.last_id, self.last_qty = later.close, later.last_id, later.last_qty
        self.qty += later.qty
        self.quote += later.quote
        self.count += later.count
        self.bought += later.bought
        self.bought_quote += later.bought_quote


class Ledger:
    """Remembers what it hears."""

    def __init__(self) -> None:
        self._engine: Engine | None = None
        self._entries: defaultdict[str, deque[Entry]] = defaultdict(
            lambda: deque(maxlen=_ENTRIES_KEPT)
        )
        self._totals: dict[tuple[str, str], Decimal] = {}
        self._attached_ms = 0
        self._changed_ms: dict[tuple[str, str], int] = {}
        self._fundings: defaultdict[str, deque[Funding]] = defaultdict(
            lambda: deque(maxlen=_ENTRIES_KEPT)
        )
        self._minutes: defaultdict[str, list[Bar]] = defaultdict(list)

    def attach(self, engine: Engine) -> bool:
        """Listen to this engine, and catch up on what its tape still has; again is no more.

        True when it was for the first time.
        """
        if self._engine is engine:
            return False
        assert self._engine is None, "a ledger belongs to one engine"
        self._engine = engine
        self._attached_ms = engine.now_ms
        for symbol in engine.instruments:
            for trade in engine.tape(symbol, _TAPE_MAX):
                self._add(trade)
        engine.listen(self._hear)
        return True

    def changed_ms(self, account: str, asset: str) -> int:
        """Give when a wallet last changed; never 0, which clients take for a wallet not in use."""
        return self._changed_ms.get((account, asset), self._attached_ms)

    def entries(self, account: str) -> list[Entry]:
        """Give the account's flows of money that are not fills, oldest first."""
        return list(self._entries.get(account, ()))

    def fundings(self, symbol: str) -> list[Funding]:
        """Give the fundings of a symbol that moved any money, oldest first."""
        return list(self._fundings.get(symbol, ()))

    def minutes(self, symbol: str, since_ms: int) -> list[Bar]:
        """Give the minutes with trades from `since_ms` on, oldest first."""
        bars = self._minutes.get(symbol, [])
        return bars[bisect_left(bars, since_ms, key=lambda bar: bar.start_ms) :]

    def close_before(self, symbol: str, at_ms: int) -> Decimal | None:
        """Give the last traded price before an instant that starts a minute, if there was one."""
        bars = self._minutes.get(symbol, [])
        index = bisect_left(bars, at_ms, key=lambda bar: bar.start_ms)
        return bars[index - 1].close if index else None

    def first_ms(self, symbol: str) -> int | None:
        """Give the start of the first minute with a trade."""
        bars = self._minutes.get(symbol)
        return bars[0].start_ms if bars else None

    def _hear(self, event: EngineEvent) -> None:
        match event:
            case TradeEvent(trade=trade):
                self._add(trade)
            case FundingEvent():
                self._fund(event)
            case BalanceEvent():
                self._balance(event)

    def _add(self, trade: PublicTrade) -> None:
        bars = self._minutes[trade.symbol]
        start_ms = trade.at_ms // MINUTE_MS * MINUTE_MS
        if not bars or bars[-1].start_ms < start_ms:
            bars.append(Bar.still(start_ms, trade.price))
            del bars[:-_MINUTES_KEPT]
        bars[-1].add(trade)

    def _fund(self, event: FundingEvent) -> None:
        entry = Entry(event.at_ms, "FUNDING_FEE", event.symbol, event.amount, event.asset)
        self._entries[event.account].append(entry)
        known = self._fundings[event.symbol]
        if not known or known[-1].at_ms != event.at_ms:
            assert self._engine is not None
            mark = self._engine.mark_price(event.symbol)
            known.append(Funding(event.at_ms, event.rate, mark))

    def _balance(self, event: BalanceEvent) -> None:
        key = (event.account, event.asset)
        if event.reason == "insurance":
            gift = event.total - self._totals.get(key, Decimal(0))
            entry = Entry(event.at_ms, "INSURANCE_CLEAR", "", gift, event.asset)
            self._entries[event.account].append(entry)
        self._totals[key] = event.total
        self._changed_ms[key] = event.at_ms
