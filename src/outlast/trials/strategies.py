"""What a trial's strategies do with their session: each action as a trader's program would do it.

An error of the outlast tree is an answer like any other: the strategy lets go and carries on with
its next action. Any other exception is a bug, and left to the caller.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any, Final, Protocol, TypeVar

from outlast.client.session import Session
from outlast.errors import OutcomeUnknown
from outlast.model import Order, OrderRequest, limit, market
from outlast.trials.model import Action, ActionKind

__all__ = ["Desk", "perform"]

T = TypeVar("T")

SETTLED_WITHIN_S: Final = 120.0
"""How long a strategy waits to learn what became of an order, before it leaves that to the session:
longer than any validity, shorter than a trial."""


class Desk(Protocol):
    """Makes the calls of one action, and tells whoever watches of each."""

    async def ask(
        self,
        call: str,
        work: Callable[[], Awaitable[T]],
        *,
        symbol: str = "",
        order: OrderRequest | None = None,
        client_order_id: str | None = None,
        deadline_s: float | None = None,
    ) -> T: ...


async def perform(action: Action, session: Session, desk: Desk) -> None:
    """Do one action.

    Raises:
        OutlastError, TimeoutError: the session said no, and the strategy has let go.
    """
    await _ACTIONS[action.kind](action, session, desk)


async def _quote(action: Action, session: Session, desk: Desk) -> None:
    order = await _rest(action, session, desk)
    if order is None or action.hold_s is None:
        return
    await asyncio.sleep(action.hold_s)
    await _cancel_one(order.client_order_id, session, desk)


async def _take(action: Action, session: Session, desk: Desk) -> None:
    price = await _price(action.symbol, session, desk)
    order = market(action.symbol, action.side, action.worth / price)
    await _submit(action, await session.quantize(order), session, desk)


async def _exit(action: Action, session: Session, desk: Desk) -> None:
    await desk.ask(
        "close_position",
        lambda: session.close_position(action.symbol, deadline_s=action.deadline_s),
        symbol=action.symbol,
        deadline_s=action.deadline_s,
    )


async def _cancel(action: Action, session: Session, desk: Desk) -> None:
    newest = _newest(action.symbol, session)
    if newest is not None:
        await _cancel_one(newest.client_order_id, session, desk)


async def _cancel_all(action: Action, session: Session, desk: Desk) -> None:
    symbol = action.symbol or None
    await desk.ask("cancel_all", lambda: session.cancel_all(symbol), symbol=action.symbol)


async def _resize(action: Action, session: Session, desk: Desk) -> None:
    newest = _newest(action.symbol, session)
    if newest is not None:
        canceled = await _cancel_one(newest.client_order_id, session, desk)
        if not canceled.status.is_final:
            return  # two at a time would be twice the size
    await _rest(action, session, desk)


async def _reconcile(_action: Action, session: Session, desk: Desk) -> None:
    await desk.ask("reconcile", session.reconcile)


async def _read(action: Action, session: Session, desk: Desk) -> None:
    async def balances() -> dict[str, Any]:
        return {currency: session.balances[currency] for currency in session.balances}

    async def position() -> Any:
        return session.positions[action.symbol]

    await desk.ask("balances", balances)
    await desk.ask("positions", position, symbol=action.symbol)
    await _price(action.symbol, session, desk)


_ACTIONS: Final[dict[ActionKind, Callable[[Action, Session, Desk], Awaitable[None]]]] = {
    ActionKind.QUOTE: _quote,
    ActionKind.TAKE: _take,
    ActionKind.EXIT: _exit,
    ActionKind.CANCEL: _cancel,
    ActionKind.CANCEL_ALL: _cancel_all,
    ActionKind.RESIZE: _resize,
    ActionKind.RECONCILE: _reconcile,
    ActionKind.READ: _read,
}


# --- what they are made of -----------------------------------------------------------------------


async def _price(symbol: str, session: Session, desk: Desk) -> Decimal:
    return await desk.ask("mark_price", lambda: session.mark_price(symbol), symbol=symbol)


async def _rest(action: Action, session: Session, desk: Desk) -> Order | None:
    """Rest a limit order away from the market; None when nothing rests."""
    away = -action.price_off if action.side == "buy" else action.price_off
    price = await _price(action.symbol, session, desk) * (1 + away)
    order = limit(action.symbol, action.side, action.worth / price, price)
    placed = await _submit(action, await session.quantize(order), session, desk)
    return None if placed.status.is_final else placed


async def _submit(action: Action, order: OrderRequest, session: Session, desk: Desk) -> Order:
    try:
        return await desk.ask(
            "submit",
            lambda: session.submit(order, deadline_s=action.deadline_s),
            symbol=action.symbol,
            order=order,
            deadline_s=action.deadline_s,
        )
    except OutcomeUnknown as unknown:
        name = unknown.client_order_id
        return await desk.ask(
            "settle",
            lambda: session.settle(name, timeout_s=SETTLED_WITHIN_S),
            symbol=action.symbol,
            client_order_id=name,
            deadline_s=SETTLED_WITHIN_S,
        )


async def _cancel_one(client_order_id: str, session: Session, desk: Desk) -> Order:
    return await desk.ask(
        "cancel", lambda: session.cancel(client_order_id), client_order_id=client_order_id
    )


def _newest(symbol: str, session: Session) -> Order | None:
    """The newest open order on `symbol` that is ours."""
    mine = [order for order in session.orders.open(symbol) if not order.is_external]
    return max(mine, key=lambda order: order.created_at, default=None)
