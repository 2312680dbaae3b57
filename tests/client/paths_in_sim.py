"""What stories about private streams and order entry share: three venues, two ways, one truth."""

from __future__ import annotations

import importlib
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import outlast
from outlast.client.events import ExecutionBooked, OrderChanged
from outlast.client.settings import Settings
from outlast.model import OrderStatus

VENUES = {
    "binance-um": "venue_in_sim",
    "binance-spot": "binance_spot_in_sim",
    "kraken-spot": "kraken_in_sim",
}
RANK = {
    OrderStatus.INITIALIZED: 0,
    OrderStatus.SUBMITTED: 1,
    OrderStatus.UNKNOWN: 1,
    OrderStatus.ACCEPTED: 2,
    OrderStatus.PARTIALLY_FILLED: 3,
}
ENDED = 4


@dataclass(frozen=True)
class Ground:
    """One venue, and how its orders look in a test."""

    venue: str
    module: Any

    @property
    def btc(self) -> str:
        return self.module.BTC

    @property
    def resting(self) -> outlast.OrderRequest:
        return outlast.limit(self.btc, "buy", "0.010", self.module.PASSIVE)

    @property
    def taking(self) -> outlast.OrderRequest:
        return outlast.market(self.btc, "buy", "0.010")

    def play(
        self,
        story: Callable[[Any], Awaitable[None]],
        folder: Path,
        **terms: Any,
    ) -> None:
        self.module.play(story, folder, **terms)


def ground(venue: str) -> Ground:
    return Ground(venue, importlib.import_module(VENUES[venue]))


def settings(seed: int = 1, **changes: Any) -> Settings:
    return Settings(**{"seed": seed, "streams": True, **changes})


def sockets(session: Any) -> Any:
    """The private sockets behind a session."""
    return session._open.private


async def until_live(world: Any, session: Any, within_s: float = 30.0) -> None:
    """Wait until the stream is relied upon, and the trade socket is up where there is one."""
    found = sockets(session)
    end = world.clock.now() + within_s
    while not (found.stream.is_live and (found.trade is None or found.trade.line.is_up)):
        assert world.clock.now() < end, found.stream.line.last_fault
        await world.clock.sleep(0.05)


class Watch:
    """Hears everything that a session tells, and holds it to its promises."""

    def __init__(self) -> None:
        self.booked: Counter[tuple[str, str]] = Counter()
        self.heard: list[object] = []
        self.backwards: list[str] = []

    async def listen(self, session: Any) -> None:
        async for event in session.events():
            self.heard.append(event)
            if isinstance(event, ExecutionBooked):
                fill = event.execution
                self.booked[fill.venue_order_id, fill.execution_id] += 1
            elif isinstance(event, OrderChanged):
                before, after = event.previous, event.order
                fell = after.filled_qty < before.filled_qty
                if fell or _rank(after.status) < _rank(before.status):
                    self.backwards.append(f"{before.status} -> {after.status}")

    def holds(self) -> None:
        assert not self.backwards
        assert set(self.booked.values()) <= {1}

    def of(self, kind: type) -> list[Any]:
        return [event for event in self.heard if isinstance(event, kind)]


def _rank(status: OrderStatus) -> int:
    return RANK.get(status, ENDED)


async def find_out(session: Any, request: outlast.OrderRequest) -> outlast.Order:
    """Submit as a careful bot does, and wait for the truth however it comes."""
    try:
        return await session.submit(request)
    except outlast.OutcomeUnknown as error:
        return await session.settle(error.client_order_id, timeout_s=180)
    except outlast.Refused:
        return session.orders.all()[-1]


def truly_filled(world: Any) -> Decimal:
    return sum((order.filled_qty for order in world.orders), Decimal(0))


def booked_qty(session: Any) -> Decimal:
    ledger = session._open.book.ledger
    return sum((fill.qty for fill in ledger.executions()), Decimal(0))
