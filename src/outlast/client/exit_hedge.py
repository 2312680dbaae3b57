# ruff: noqa: SLF001 - it sits between two sessions and speaks to the rooms behind them
"""The hedge of an exit that is shut, carried out between two sessions: see `core.exit_hedge`.

Only where the user has asked for it (`connect_many(hedge=...)`). While `close_position` cannot
close anything at one venue for long enough, the opposite is opened at another, once. As the exit
opens again and closes the position, the hedge is given back in step. Each of its orders has its id
in the journal of the hedge's venue before it leaves, so that a session after a crash goes on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from decimal import ROUND_DOWN, Decimal
from math import inf
from typing import Any, Final

from outlast.client.assembly import Rooms
from outlast.client.events import HedgeChanged
from outlast.client.hedges import Hedge, HedgeOffer, HedgeReport
from outlast.client.logs import logger
from outlast.client.session import Session
from outlast.core.exit_hedge import HedgePlan
from outlast.errors import ConfigurationError, NotSent, OutcomeUnknown, OutlastError
from outlast.model import Order, OrderStatus, Side, market, money

__all__ = ["ExitHedger", "tell_of_hedges_left"]

LOOK_EVERY_S: Final = 1.0
AGAIN_S: Final = 10.0
"""Between two tries of an order of ours that was not sent, or not taken."""
ZERO: Final = Decimal(0)


@dataclass(slots=True)
class _Case:
    """One hedge that may be needed, or is."""

    session: Session
    symbol: str
    report: HedgeReport
    plan: HedgePlan
    order_id: str = ""
    """Of the order that is under way, or was when the session before ended."""
    not_before: float = -inf
    """When the next try is due, monotonic."""


class ExitHedger:
    def __init__(
        self,
        sessions: Mapping[str, Session],
        terms: Hedge,
        named: Callable[[str, str], str | None],
    ) -> None:
        """`named(symbol, venue)`: what the same thing is called at another venue; None where it is
        not listed there.

        Raises:
            ConfigurationError: the hedge's venue is not connected with a key, or nothing that has
                positions is connected besides it.
        """
        hedge = sessions.get(terms.venue)
        if hedge is None or not _has_keys(hedge):
            raise ConfigurationError(
                f"the hedge's venue {terms.venue} is not connected with key and secret",
                venue=terms.venue,
            )
        self._hedged = {
            name: session
            for name, session in sessions.items()
            if session is not hedge and _has_keys(session) and _has_positions(session)
        }
        if not self._hedged:
            raise ConfigurationError(
                f"nothing to hedge at {terms.venue}: no other venue with positions is connected "
                "with key and secret",
                venue=terms.venue,
            )
        self._hedge = hedge
        self._terms = terms
        self._worth_max = money(terms.worth_max, field="worth_max")
        self._named = named
        self._clock = hedge._wiring.clock
        self._log = logger(venue=terms.venue)
        self._cases: dict[tuple[str, str], _Case] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.reports: list[HedgeReport] = []
        """Every hedge of this session, and those that the sessions before left open."""
        for session in self._hedged.values():
            session.around_exit = self._watching(session)

    def resume(self) -> None:
        """Take up what sessions before on these journals have left open."""
        for fields in _held_before(self._hedge):
            session = self._hedged.get(fields["venue"])
            if session is None:
                left = f"{fields['qty_left']} {fields['hedge_symbol']}"
                of = f"{fields['venue']} {fields['symbol']}"
                self._log.critical("outlast.hedge_left_alone", of=of, held=left)
                continue
            report = HedgeReport(
                venue=fields["venue"],
                symbol=fields["symbol"],
                hedge_venue=self._hedge.venue,
                hedge_symbol=fields["hedge_symbol"],
                side=Side(fields["side"]),
                state=fields["state"],
                opened_at=fields["opened_at"],
                opened_qty=Decimal(fields["opened_qty"]),
                qty_left=Decimal(fields["qty_left"]),
            )
            held = report.qty_left if report.side is Side.SELL else -report.qty_left
            plan = HedgePlan(
                hedge_after_s=self._terms.hedge_after_s,
                position=held,
                now=self._clock.now(),
                hedged=report.qty_left,
            )
            case = _Case(session, report.symbol, report, plan, order_id=fields["order_id"])
            self.reports.append(report)
            self._begin(case)

    async def aclose(self) -> None:
        """Stop looking. What is held stays, and the next session on these journals goes on."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for case in self._cases.values():
            if case.plan.hedged:
                held = f"{case.plan.hedged} {case.report.hedge_symbol}"
                self._log.critical("outlast.hedge_left_open", of=case.symbol, held=held)

    # What is watched.

    def _watching(self, session: Session) -> Callable[[str], Any]:
        @contextmanager
        def watch(symbol: str) -> Iterator[None]:
            case = self._case(session, symbol)
            if case is None:
                yield
                return
            case.plan.exit_began(self._clock.now())
            try:
                yield
            finally:
                case.plan.exit_ended()

        return watch

    def _case(self, session: Session, symbol: str) -> _Case | None:
        """The case of a position; None where there is none, or nothing to hedge it with."""
        known = self._cases.get((session.venue, symbol))
        if known is not None:
            return known
        position = session.positions.peek(symbol).qty
        hedge_symbol = self._terms.symbols.get(symbol) or self._named(symbol, self._terms.venue)
        if position == 0 or hedge_symbol is None:
            return None
        report = HedgeReport(
            venue=session.venue,
            symbol=symbol,
            hedge_venue=self._hedge.venue,
            hedge_symbol=hedge_symbol,
            side=Side.SELL if position > 0 else Side.BUY,
        )
        plan = HedgePlan(
            hedge_after_s=self._terms.hedge_after_s, position=position, now=self._clock.now()
        )
        case = _Case(session, symbol, report, plan)
        self._begin(case)
        return case

    def _begin(self, case: _Case) -> None:
        self._cases[case.session.venue, case.symbol] = case
        task = asyncio.create_task(self._see_through(case), name=f"outlast hedge {case.symbol}")
        self._tasks.add(task)
        task.add_done_callback(self._ended_task)

    def _ended_task(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:  # a mistake of ours
            self._log.critical("outlast.hedge_stopped", error=repr(task.exception()))

    async def _see_through(self, case: _Case) -> None:
        while case.order_id or not case.plan.is_over:
            await self._look_after(case)
            await self._clock.sleep(LOOK_EVERY_S)
        del self._cases[case.session.venue, case.symbol]

    async def _look_after(self, case: _Case) -> None:
        now = self._clock.now()
        if case.order_id:
            await self._take_up(case)  # the session before did not learn what became of it
            return
        position = case.session.positions.peek(case.symbol)
        if position.is_stale and case.plan.hedged:
            return  # nothing is given back on the strength of a position that may be untrue
        case.plan.update(position.qty, now)
        if now < case.not_before:
            return
        if case.plan.surplus:
            await self._unwind(case)
        elif self._wanted(case):
            await self._open(case)

    def _wanted(self, case: _Case) -> Decimal:
        """How much of the opposite to open at this instant."""
        tries = self._tries(case)
        if any(order.status is OrderStatus.SUBMITTED for order in tries):
            return ZERO  # one is on its way just now: what becomes of it is known in a moment
        may_fill = sum((order.leaves_qty for order in tries), ZERO)
        return case.plan.wanted(may_fill=may_fill, now=self._clock.now())

    def _tries(self, case: _Case) -> list[Order]:
        """Our own orders at the shut venue that may still close some of the position."""
        side = case.report.side  # the exit's side too: both are opposite to the position's
        return [
            order
            for order in case.session.orders.all()
            if order.symbol == case.symbol
            and order.side is side
            and order.status.may_be_live
            and not order.is_external
        ]

    # What is done.

    async def _open(self, case: _Case) -> None:
        terms, report = self._terms, case.report
        case.not_before = self._clock.now() + AGAIN_S
        try:
            price = await self._hedge.mark_price(report.hedge_symbol)
        except OutlastError as error:
            self._put_off(case, error)
            return
        most = self._worth_max / price
        wanted = self._wanted(case)
        if not wanted:
            return  # the exit has opened, or is being tried just now
        qty = self._floored(report.hedge_symbol, min(wanted, most))
        if qty <= 0:
            self._end(case, "refused", f"{wanted} is less than the smallest order there")
            return
        offer = HedgeOffer(
            venue=report.venue,
            symbol=report.symbol,
            position=case.session.positions.peek(report.symbol).qty,
            shut_for_s=case.plan.shut_for_s(self._clock.now()),
            hedge_symbol=report.hedge_symbol,
            side=report.side,
            qty=qty,
            worth=qty * price,
        )
        if terms.ask is not None and not await terms.ask(offer):
            self._end(case, "declined", "Hedge.ask said no")
            return
        if terms.ask is not None:  # that may have taken a while
            case.plan.update(case.session.positions.peek(report.symbol).qty, self._clock.now())
            qty = self._floored(report.hedge_symbol, min(self._wanted(case), most))
            if qty <= 0:
                return
        order = await self._send(case, report.side, qty)
        if order is None:
            return
        case.plan.opened(order.filled_qty)
        report.opened_at, report.opened_qty = self._clock.wall(), order.filled_qty
        report.qty_left = order.filled_qty
        if order.filled_qty:
            self._tell(case, "open", f"the exit was shut for {offer.shut_for_s:.0f} s")
        else:
            self._tell(case, "refused", f"the order ended without a fill ({order.status.value})")

    async def _unwind(self, case: _Case) -> None:
        report = case.report
        case.not_before = self._clock.now() + AGAIN_S
        qty = self._floored(report.hedge_symbol, case.plan.surplus)
        if qty <= 0:
            if case.plan.surplus == case.plan.hedged:  # dust: less than can be sold there
                case.plan.unwound(case.plan.hedged)
                self._tell(case, "unwound", "what is left is less than the smallest order")
            return
        if report.state != "unwinding":
            self._tell(case, "unwinding", "the exit is open again")
        order = await self._send(case, report.side.opposite, qty)
        if order is None or order.filled_qty == 0:
            return
        case.not_before = -inf
        case.plan.unwound(order.filled_qty)
        report.qty_left = case.plan.hedged
        if case.plan.hedged == 0:
            report.unwound_at = self._clock.wall()
            self._tell(case, "unwound", "the position is closed")
        else:
            self._tell(case, "unwinding", "")

    async def _send(self, case: _Case, side: Side, qty: Decimal) -> Order | None:
        """Send one order and wait for its fate; None where nothing came of it."""
        hedge, report = self._hedge, case.report
        reduces = _has_positions(hedge) and side is not report.side and self._can_reduce(case, qty)
        request = market(report.hedge_symbol, side, qty, reduce_only=reduces)
        case.order_id = _rooms(hedge).journal.ids.next()
        self._write(case)
        try:
            order = await hedge.submit(replace(request, client_order_id=case.order_id))
        except OutcomeUnknown:
            order = await hedge.settle(case.order_id)
        except OutlastError as error:
            case.order_id = ""
            if side is report.side and not isinstance(error, NotSent):
                self._end(case, "refused", str(error))
            else:
                self._put_off(case, error)
                self._write(case)
            return None
        return self._ended(case, order)

    async def _take_up(self, case: _Case) -> None:
        """What became of the order that was under way when the session before ended."""
        known = self._hedge.orders.get(case.order_id)
        if known is None or known.status.is_final:
            order = known
        else:
            order = await self._hedge.settle(case.order_id)
        side = None if order is None else order.side
        filled = ZERO if order is None else order.filled_qty
        if order is not None:
            self._ended(case, order)
        case.order_id = ""
        if side is case.report.side:
            case.report.opened_qty = case.report.qty_left = filled
            case.report.opened_at = self._clock.wall()
            case.plan = HedgePlan(
                hedge_after_s=self._terms.hedge_after_s,
                position=filled if case.report.side is Side.SELL else -filled,
                now=self._clock.now(),
                hedged=filled,
            )
            self._tell(case, "open" if filled else "refused", "it was opened before a restart")
        elif filled:
            case.plan.unwound(filled)
            case.report.qty_left = case.plan.hedged
            state = "unwinding" if case.plan.hedged else "unwound"
            self._tell(case, state, "it was given back before a restart")
        else:
            self._write(case)

    def _ended(self, case: _Case, order: Order) -> Order:
        case.order_id = ""
        case.report.orders.append(order)
        return order

    def _can_reduce(self, case: _Case, qty: Decimal) -> bool:
        """True where the position at the hedge's venue is at least what is given back."""
        held = self._hedge.positions.peek(case.report.hedge_symbol).qty
        return (held < 0 if case.report.side is Side.SELL else held > 0) and abs(held) >= qty

    def _floored(self, symbol: str, qty: Decimal) -> Decimal:
        """On the instrument's grid, downwards; 0 where that is less than it takes."""
        instrument = self._hedge.instrument(symbol)
        step = instrument.qty_step
        floored = (qty / step).to_integral_value(ROUND_DOWN) * step
        return floored if floored >= instrument.qty_min else ZERO

    # Telling.

    def _put_off(self, case: _Case, error: OutlastError) -> None:
        self._log.warning("outlast.hedge_put_off", symbol=case.symbol, reason=str(error))

    def _end(self, case: _Case, state: str, reason: str) -> None:
        case.plan.opened(ZERO)
        self._tell(case, state, reason)

    def _tell(self, case: _Case, state: str, reason: str) -> None:
        report = case.report
        if report not in self.reports:
            self.reports.append(report)
        report.state, report.reason = state, reason
        self._log.critical(
            "outlast.hedge_changed",
            of=f"{report.venue} {report.symbol}",
            state=state,
            reason=reason,
            qty=report.qty_left,
        )
        self._write(case)
        case.session._events.publish(
            HedgeChanged(
                symbol=report.symbol,
                hedge_venue=report.hedge_venue,
                hedge_symbol=report.hedge_symbol,
                state=state,
                reason=reason,
                qty=report.qty_left,
            )
        )

    def _write(self, case: _Case) -> None:
        report = case.report
        _rooms(self._hedge).journal.note_now(
            "hedge.changed",
            venue=report.venue,
            symbol=report.symbol,
            hedge_symbol=report.hedge_symbol,
            side=report.side.value,
            state=report.state,
            order_id=case.order_id,
            opened_at=report.opened_at,
            opened_qty=report.opened_qty,
            qty_left=report.qty_left,
        )


def _rooms(session: Session) -> Rooms:
    return session._open


def _has_keys(session: Session) -> bool:
    return session._has_keys


def _has_positions(session: Session) -> bool:
    return session._codec.PRODUCT.has_positions


def _held_before(session: Session) -> list[dict[str, Any]]:
    """The hedges at this venue that were not over when its journal was written last."""
    written = _rooms(session).journal.history.hedges.values()
    return [row for row in written if row["order_id"] or Decimal(row["qty_left"]) != 0]


def tell_of_hedges_left(sessions: Iterable[Session]) -> None:
    """Say loudly what sessions before have left open, where nobody is asked to look after it."""
    for session in sessions:
        for fields in _held_before(session):
            logger(venue=session.venue).critical(
                "outlast.hedge_left_alone",
                of=f"{fields['venue']} {fields['symbol']}",
                held=f"{fields['qty_left']} {fields['hedge_symbol']}",
            )
