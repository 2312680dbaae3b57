"""What a journal says against what the venue says: for people, before a bot is started again."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from outlast.client.journal import History
from outlast.client.session import ReconcileReport, Session
from outlast.errors import OutcomeUnknown
from outlast.model import Order

__all__ = ["Comparison", "Difference", "compare"]


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that the journal has otherwise than the venue."""

    what: str
    """`order`, `balance` or `position`."""
    name: str
    journal: str
    venue: str
    action: str
    """What reconciling does about it."""


@dataclass(frozen=True, slots=True)
class Comparison:
    differences: tuple[Difference, ...]
    unknown: tuple[Order, ...]
    """Orders that may be live, for all that the venue said while it was asked."""
    failures: tuple[str, ...]
    """Questions that the venue did not answer."""
    doubted: Mapping[str, str]
    """By currency or symbol, why the venue's answer about it is not believed."""

    @property
    def is_complete(self) -> bool:
        """True when each question was answered, whatever the answers were."""
        return not (self.unknown or self.failures or self.doubted)


async def compare(session: Session, before: History, *, wait_s: float) -> Comparison:
    """Open `session`, reconcile, and tell what differs from `before`.

    No order is sent or cancelled. Unknown orders are settled by the venue's answers, for at most
    `wait_s` seconds; longer may be needed where the venue proves absence slowly.

    Raises:
        OutlastError: the session cannot be opened.
    """
    async with session as venue:
        report = await venue.reconcile()
        try:
            async with asyncio.timeout(wait_s):
                for order in report.unknown:
                    await venue.settle(order.client_order_id)
        except (TimeoutError, OutcomeUnknown):
            pass  # `unknown` below names them
        return Comparison(
            differences=tuple(_differences(venue, before, report)),
            unknown=tuple(venue.orders.unknown()),
            failures=report.failures,
            doubted=report.doubted,
        )


def _differences(venue: Session, before: History, report: ReconcileReport) -> Iterator[Difference]:
    for order in venue.orders.all():
        name, found = order.client_order_id, _state(order)
        known = before.orders.get(name)
        if known is None:
            if order.is_external:
                action = "note it as another program's, and leave it alone"
                yield Difference("order", name, "not in it", f"{_terms(order)}, {found}", action)
        elif _state(known) != found:
            yield Difference("order", name, _state(known), found, "write it down")
    believed = before.believed
    balances = {} if believed is None else {b.currency: b.total for b in believed.balances}
    held = {currency: venue.balances.peek(currency).total for currency in venue.balances}
    yield from _amounts("balance", balances, held, report, unsaid="nothing")
    positions = {} if believed is None else {p.symbol: p.qty for p in believed.positions}
    taken = {symbol: venue.positions.peek(symbol).qty for symbol in venue.positions}
    # Positions are written down as far as they are not zero, once they have been read.
    is_read = believed is not None and believed.flat_since is not None
    yield from _amounts("position", positions, taken, report, unsaid="0" if is_read else "nothing")


def _amounts(
    what: str,
    before: Mapping[str, Decimal],
    after: Mapping[str, Decimal],
    report: ReconcileReport,
    *,
    unsaid: str,
) -> Iterator[Difference]:
    for name in sorted({*before, *after}):
        was, is_ = before.get(name, Decimal(0)), after.get(name, Decimal(0))
        if was != is_ and name not in report.doubted:
            told = f"{was:f}" if name in before else unsaid
            yield Difference(what, name, told, f"{is_:f}", "write it down")


def _state(order: Order) -> str:
    if not order.filled_qty:
        return order.status.value
    return f"{order.status.value}, {order.filled_qty:f} of {order.qty:f} filled"


def _terms(order: Order) -> str:
    price = "" if order.price is None else f" at {order.price:f}"
    return f"{order.side.value} {order.qty:f} {order.symbol} {order.order_type.value}{price}"
