"""After trouble: ask the venue what is true, once it is quiet again.

Stops that fired, orders of other programs, liquidations: what happened while nobody could see it is
read once, into the journal. While nothing fails, nothing is asked.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from ccxt.base import errors as ccxt

from outlast.adapters.ccxt.dialects import Dialect
from outlast.adapters.ccxt.driving import Driver
from outlast.adapters.ccxt.gate import Call, current
from outlast.adapters.ccxt.records import OrderRecords
from outlast.client.journal import Journal
from outlast.client.logs import logger
from outlast.wire import Lane

__all__ = ["Survey"]

_QUIET_S: Final = 5.0
"""After the last trouble; else it would be asked into the middle of it."""
_EVERY_S: Final = 60.0
"""Between two surveys: some 20 of Binance's 2,400 weight a minute."""
_AFTERWARDS_S: Final = (300.0, 900.0)
"""So long after a complete one it is asked again: stops that fire when matching begins again, and
fills that are reported late, show minutes after the last trouble (Kraken, January 2018)."""
_LOOK_BACK_S: Final = 60.0
_JOB: Final = "survey"
_CONTRACTS: Final = ("swap", "future", "delivery", "linear", "inverse")


class Survey:
    """Reads open orders, fills, balances and positions when an outage is over."""

    def __init__(
        self,
        exchange: Any,
        *,
        dialect: Dialect,
        driver: Driver,
        journal: Journal,
        records: OrderRecords,
    ) -> None:
        self._exchange = exchange
        self._dialect = dialect
        self._driver = driver
        self._journal = journal
        self._records = records
        self._log = logger(venue=f"ccxt:{dialect.exchange_id}")
        self._troubled_at: float | None = None
        self._first_trouble: float | None = None
        """Wall clock, of what has not been surveyed."""
        self._due_at = 0.0
        self._asked_at = 0.0
        self._is_done_once = False
        """Whether it was complete since the last trouble; what comes then is afterwards."""
        self._afterwards: list[float] = []
        self.on_positions: Callable[[list[Any]], None] = lambda _rows: None
        names = ("fetch_open_orders", "fetch_closed_orders", "fetch_my_trades")
        self._plain = {name: getattr(exchange, name) for name in names}
        self._balance, self._positions = exchange.fetch_balance, exchange.fetch_positions

    def trouble(self) -> None:
        """A request failed in a way that something may have happened unseen."""
        now = self._driver.clock.now()
        self._troubled_at = now
        if self._first_trouble is None:
            self._first_trouble = self._driver.clock.wall()
        if self._is_done_once:
            self._due_at = min(self._due_at, self._asked_at + _EVERY_S)
        self._is_done_once, self._afterwards = False, []
        self._due_at = max(self._due_at, now + _QUIET_S)

    @property
    def is_wanted(self) -> bool:
        return self._first_trouble is not None

    async def tend(self) -> None:
        """Survey when it is due: behind, or at once where there is no event loop."""
        if self.is_wanted and (self._driver.is_async or self._driver.clock.now() >= self._due_at):
            await self._driver.run_apart(_JOB, self._run, self._driver.clock.now())

    async def _run(self, stop_at: float) -> None:
        clock = self._driver.clock
        while self._first_trouble is not None:
            if clock.now() < self._due_at:
                if stop_at < self._due_at:
                    return
                await clock.sleep(min(self._due_at - clock.now(), _EVERY_S))
                continue
            since, began = self._first_trouble, clock.now()
            self._asked_at, self._due_at = began, began + _EVERY_S
            complete = await self.ask_all(since)
            if complete and (self._troubled_at is None or self._troubled_at < began):
                if not self._is_done_once:
                    self._is_done_once, self._afterwards = True, list(_AFTERWARDS_S)
                if self._afterwards:
                    self._due_at = began + self._afterwards.pop(0)
                else:
                    self._first_trouble = None
            if not self._driver.is_async:
                return

    async def ask_all(self, since: float) -> bool:
        """All questions about what was since then (epoch); True when each was answered."""
        symbols = {entry.terms.symbol for entry in self._records}
        token = current.set(Call(lane=Lane.RECONCILE))
        counts: dict[str, int] = {}
        try:
            positions: list[Any] = []
            if self._has("fetchPositions") and self._may_have_positions(symbols):
                positions = await self._driver.call(self._positions)
                self.on_positions(positions)
                symbols |= {str(row["symbol"]) for row in positions if row.get("symbol")}
            counts["positions"] = len(positions)
            await self._driver.call(self._balance)
            for symbol in sorted(symbols):
                counts[symbol] = await self._orders_of(symbol, round((since - _LOOK_BACK_S) * 1000))
        except (ccxt.BaseError, KeyError, TypeError, AttributeError, ValueError) as error:
            self._log.info("outlast.survey_failed", error=type(error).__name__)
            return False
        finally:
            current.reset(token)
        self._journal.note("account.surveyed", since=since, found=counts)
        return True

    async def _orders_of(self, symbol: str, since_ms: int) -> int:
        plain = self._plain
        rows = list(await self._driver.call(plain["fetch_open_orders"], symbol))
        if self._dialect.exchange_id == "binanceusdm":
            # Conditional orders are a service of their own.
            trigger = {"trigger": True}
            rows += await self._driver.call(plain["fetch_open_orders"], symbol, None, None, trigger)
        if self._dialect.exchange_id == "kraken" and self._has("fetchClosedOrders"):
            rows += await self._driver.call(plain["fetch_closed_orders"], symbol, since_ms)
        if self._has("fetchMyTrades"):
            await self._driver.call(plain["fetch_my_trades"], symbol, since_ms)
        for row in rows:
            entry = self._records.by_row(row)
            if entry is not None:
                self._records.found(entry, row)
        return len(rows)

    def _may_have_positions(self, symbols: set[str]) -> bool:
        """Whoever trades on spot only may not ask: a key need not allow it, and ccxt's kraken
        falls over an account without any."""
        if getattr(self._exchange, "has", {}).get("spot") is not True:
            return True
        if getattr(self._exchange, "options", {}).get("defaultType") in _CONTRACTS:
            return True
        return any(":" in symbol for symbol in symbols) or any(
            entry.terms.on_margin for entry in self._records
        )

    def _has(self, name: str) -> bool:
        return getattr(self._exchange, "has", {}).get(name) is True
