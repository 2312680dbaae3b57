"""`close_position`: carries out what `core.exits` plans, until flat, and reports every step."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field, replace
from decimal import ROUND_DOWN, ROUND_UP, Decimal
from math import inf
from typing import Any, Final

from outlast.client.account import Account
from outlast.client.bookkeeping import OrderBookkeeper
from outlast.client.calls import CallDesk
from outlast.client.instruments import Instruments
from outlast.client.journal import Journal
from outlast.client.logs import logger
from outlast.client.lookups import CLOCKS_DIFFER_MS, Lookups
from outlast.client.orders import OrderDesk
from outlast.core.exits import (
    CancelFirst,
    ExitDone,
    ExitPlan,
    ExitSettings,
    ReadState,
    SendExit,
    Wait,
)
from outlast.core.policy import EXIT_TRY
from outlast.errors import Failure, Layer, Outcome, OutlastError
from outlast.model import Execution, Instrument, Order, OrderRequest, Side
from outlast.wire import Clock, VenueCodec

__all__ = ["CloseReport", "ExitAttempt", "Exits"]

REPORT_S: Final = 0.05
"""So much before the deadline of the whole a try ends, so that its outcome is in the report."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitAttempt:
    """One order of an exit and what became of it."""

    at: float
    """Seconds since the epoch."""
    client_order_id: str
    shape: str
    request: OrderRequest
    outcome: str
    """`accepted`, or the failure's kind."""
    venue_code: str | None
    filled_qty: Decimal


@dataclass(slots=True, kw_only=True)
class CloseReport:
    """What `close_position` did."""

    symbol: str
    began_at: float
    is_flat: bool = False
    flat_at: float | None = None
    qty_at_start: Decimal = Decimal(0)
    qty_left: Decimal = Decimal(0)
    first_accepted_at: float | None = None
    attempts: list[ExitAttempt] = field(default_factory=list)
    executions: list[Execution] = field(default_factory=list)
    in_the_way: tuple[str, ...] = ()
    """Open orders of other programs on the exit's side: we do not touch them, the venue may count
    them against the exit."""

    @property
    def refusals(self) -> dict[str, int]:
        """How often each kind of refusal came."""
        counts: dict[str, int] = {}
        for attempt in self.attempts:
            if attempt.outcome != "accepted":
                counts[attempt.outcome] = counts.get(attempt.outcome, 0) + 1
        return counts


class Exits:
    def __init__(
        self,
        codec: VenueCodec,
        calls: CallDesk,
        orders: OrderBookkeeper,
        desk: OrderDesk,
        lookups: Lookups,
        account: Account,
        instruments: Instruments,
        *,
        clock: Clock,
        journal: Journal,
        settings: ExitSettings,
        rng: random.Random,
    ) -> None:
        self._codec = codec
        self._calls = calls
        self._orders = orders
        self._desk = desk
        self._lookups = lookups
        self._account = account
        self._instruments = instruments
        self._clock = clock
        self._journal = journal
        self._settings = settings
        self._rng = rng
        self._log = logger(venue=codec.VENUE)
        self._plans: dict[str, ExitPlan] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    async def close(
        self, symbol: str, *, max_slippage: Decimal | None, deadline_s: float | None
    ) -> CloseReport:
        """See `Session.close_position`. Two callers for one symbol follow one after the other.

        At the deadline it reports, whatever is under way: what is on the wire ends by itself, and
        an order among it is settled in the background.
        """
        instrument = self._instruments[symbol]
        report = CloseReport(symbol=instrument.symbol, began_at=self._clock.wall())
        until = inf if deadline_s is None else self._clock.now() + deadline_s
        try:
            async with asyncio.timeout(deadline_s) as limit:
                async with self._locks.setdefault(instrument.symbol, asyncio.Lock()):
                    await self._run(instrument, report, max_slippage, until)
        except TimeoutError:
            if not limit.expired():
                raise
        self._finish(report)
        return report

    def door_opened(self) -> None:
        """An order of the product was accepted: every exit that waits tries soon."""
        for plan in self._plans.values():
            plan.door_opened(now=self._clock.now())

    async def _run(
        self,
        instrument: Instrument,
        report: CloseReport,
        max_slippage: Decimal | None,
        until: float,
    ) -> None:
        self._log.warning("outlast.exit_began", symbol=instrument.symbol)
        plan = self._plans[instrument.symbol] = ExitPlan(
            instrument,
            self._settings,
            self._rng,
            began_at=self._clock.now(),
            limit_allowed=max_slippage is not None,
        )
        try:
            await self._follow(plan, instrument, report, max_slippage, until)
        finally:
            del self._plans[instrument.symbol]
        if report.first_accepted_at is not None:
            # The answers to orders do not carry the fills; a report without them is only shorter.
            since_ms = self._calls.server_ms_at(report.began_at) - CLOCKS_DIFFER_MS
            await self._lookups.executions(instrument, since_ms=since_ms)

    async def _follow(
        self,
        plan: ExitPlan,
        instrument: Instrument,
        report: CloseReport,
        max_slippage: Decimal | None,
        until: float,
    ) -> None:
        """Do what the plan says, until it is flat or `until` (monotonic)."""
        while self._clock.now() < until:
            self._tell(plan, instrument.symbol)
            action = plan.next_action(self._clock.now())
            match action:
                case ExitDone():
                    report.is_flat, report.flat_at = True, self._clock.wall()
                    return
                case ReadState():
                    await self._read_state(plan, instrument, report)
                case CancelFirst():
                    await self._cancel(plan, action.client_order_ids)
                case Wait():
                    # In short steps: another exit's success may bring the next try forward.
                    left_s = min(action.until, until) - self._clock.now()
                    await self._clock.sleep(max(0.0, min(left_s, 1.0)))
                case SendExit():
                    await self._send(plan, instrument, action, report, max_slippage, until)

    async def _read_state(
        self, plan: ExitPlan, instrument: Instrument, report: CloseReport
    ) -> None:
        """Read position and open orders; what cannot be read leaves the last belief in force."""
        symbol = instrument.symbol
        failed = await self._account.refresh("positions", age_max_s=1.0)
        if self._account.position(symbol).is_stale:
            # Fills that we have not heard of would explain it; without them the old belief stands.
            since_ms = self._calls.server_now_ms() - 10 * CLOCKS_DIFFER_MS
            await self._lookups.executions(instrument, since_ms=since_ms)
        shown = await self._lookups.open_orders(instrument)
        if isinstance(failed, Failure) and self._account.age_s("positions") is None:
            plan.refused_by_load(
                None, now=self._clock.now(), retry_after_s=failed.retry_after_s or 0.0
            )
            await self._clock.sleep(1.0)
            return
        if isinstance(shown, frozenset):
            await self._look_up_the_missing(instrument, shown)
        position = self._account.position(symbol)
        if not report.attempts and report.qty_at_start == 0:
            report.qty_at_start = position.qty
        plan.was_read(now=self._clock.now())
        side = Side.SELL if position.qty > 0 else Side.BUY
        report.in_the_way = tuple(
            order.client_order_id
            for order in self._orders.ledger.open(symbol)
            if order.is_external and order.side is side
        )

    def _tell(self, plan: ExitPlan, symbol: str) -> None:
        """Give the plan what is known at this instant; nothing is asked for."""
        others = [
            order
            for order in self._orders.ledger.open(symbol)
            if order.is_external and order.reduce_only and not order.order_type.is_conditional
        ]
        plan.update(self._account.position(symbol).qty, self._live(symbol), others)

    def _live(self, symbol: str) -> list[Order]:
        """Our own orders that are or may be live."""
        return [
            order
            for order in self._orders.ledger
            if order.symbol == symbol and order.status.may_be_live and not order.is_external
        ]

    async def _look_up_the_missing(self, instrument: Instrument, shown: frozenset[str]) -> None:
        """Orders that we hold for open and that the venue no longer lists: ask what became."""
        for order in self._orders.ledger.open(instrument.symbol):
            is_apart = order.order_type.is_conditional and self._codec.CONDITIONAL_APART
            if order.client_order_id not in shown and not is_apart:
                await self._desk.look_for(order, instrument)

    async def _cancel(self, plan: ExitPlan, client_order_ids: tuple[str, ...]) -> None:
        for client_order_id in client_order_ids:
            try:
                await self._desk.cancel(client_order_id)
            except OutlastError as error:
                # It may have filled, or the venue takes no cancels either: the exit is tried all
                # the same, and the next reading of the open orders tells.
                self._log.warning("outlast.exit_cancel_failed", error=str(error))
        plan.cancels_done(now=self._clock.now())

    async def _send(
        self,
        plan: ExitPlan,
        instrument: Instrument,
        action: SendExit,
        report: CloseReport,
        max_slippage: Decimal | None,
        until: float,
    ) -> None:
        request = action.request
        if action.needs_price:
            assert max_slippage is not None
            price = await self._crossing_price(instrument, request.side, max_slippage)
            self._tell(plan, instrument.symbol)
            if price is None or request.qty > plan.room:
                plan.refused_by_rule(None, now=self._clock.now())
                return
            request = replace(request, price=price)
        at = self._clock.wall()
        left_s = min(EXIT_TRY.deadline_s, until - REPORT_S - self._clock.now())
        if left_s <= 0:
            await self._clock.sleep(REPORT_S)
            return
        done = await self._desk.send(request, instrument, deadline_s=left_s, policy=EXIT_TRY)
        now, failure, order = self._clock.now(), done.failure, done.order
        report.attempts.append(
            ExitAttempt(
                at=at,
                client_order_id=order.client_order_id,
                shape=action.shape.value,
                request=request,
                outcome="accepted" if failure is None else failure.kind,
                venue_code=None if failure is None else failure.venue_code,
                filled_qty=order.filled_qty,
            )
        )
        if failure is None and order.status.is_final and order.filled_qty == 0:
            plan.refused_by_rule(request, now=now)  # taken, and ended without a fill: no liquidity
        elif failure is None:
            if report.first_accepted_at is None:
                report.first_accepted_at = self._clock.wall()
            plan.accepted(now=now)
            self.door_opened()
        elif failure.outcome is Outcome.UNKNOWN:
            plan.unknown(now=now)
        elif failure.layer is Layer.BUSINESS:
            plan.refused_by_rule(request, now=now)
        else:
            plan.refused_by_load(request, now=now, retry_after_s=failure.retry_after_s or 0.0)

    async def _crossing_price(
        self, instrument: Instrument, side: Side, max_slippage: Decimal
    ) -> Decimal | None:
        """The far end of what the caller accepts, from the best price of a book read just now."""
        request = self._codec.query_book(instrument, depth=5)
        reply = await self._calls.call(request)
        book = reply if isinstance(reply, Failure) else self._codec.read_book(request, reply)
        if isinstance(book, Failure):
            return None
        bids, asks = book
        best = bids if side is Side.SELL else asks
        if not best:
            return None
        share = 1 - max_slippage if side is Side.SELL else 1 + max_slippage
        towards = ROUND_UP if side is Side.SELL else ROUND_DOWN
        tick = instrument.tick_size
        return (best[0].price * share / tick).to_integral_value(towards) * tick

    def _finish(self, report: CloseReport) -> None:
        report.qty_left = self._account.position(report.symbol).qty
        for attempt in report.attempts:
            report.executions.extend(self._orders.ledger.executions(attempt.client_order_id))
        facts: dict[str, Any] = {
            "symbol": report.symbol,
            "is_flat": report.is_flat,
            "attempts": len(report.attempts),
            "refusals": report.refusals,
            "qty_left": report.qty_left,
        }
        self._journal.note("exit.ended", **facts)
        self._log.warning("outlast.exit_ended", **facts)
