"""A small exchange for the engine's tests: a still market at 100.0 with ten levels a side.

Bids stand at 99.9, 99.8, …, asks at 100.1, 100.2, …; each level holds some 100 to 300 units.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

from outlast.mock.engine.engine import Engine
from outlast.mock.engine.events import EngineEvent, OrderEvent, OrderEventKind
from outlast.mock.engine.knobs import Drift
from outlast.mock.engine.model import (
    Instrument,
    NewOrder,
    Order,
    OrderType,
    Product,
    Rejected,
    Side,
    TimeInForce,
)

D = Decimal
T0 = 1_760_130_420_000
SYMBOL = "AAAUSDT"
BUY, SELL = Side.BUY, Side.SELL
HUGE = D(10_000)  # more than a side of the book holds

STILL = Instrument(
    symbol=SYMBOL,
    product=Product.UM,
    base="AAA",
    quote="USDT",
    mid=D(100),
    tick=D("0.1"),
    qty_step=D("0.01"),
    qty_min=D("0.01"),
    qty_max=D(100_000),
    market_qty_max=D(50_000),
    notional_min=D(5),
    price_band_up=D("1.15"),
    price_band_down=D("0.85"),
    market_take_bound=D("0.10"),
    depth_levels=10,
    vol_bps_per_min=D(0),
    maker_fee=D("0.0002"),
    taker_fee=D("0.0005"),
)


def instrument(**changes: Any) -> Instrument:
    return replace(STILL, **changes)


def um(
    *instruments: Instrument,
    balances: Mapping[str, D] | None = None,
    positions: Mapping[str, tuple[D, D]] | None = None,
    seed: int = 7,
) -> Engine:
    """A um engine with the account `me`."""
    engine = Engine(
        instruments or (STILL,), product=Product.UM, seed=seed, start_ms=T0, venue="test"
    )
    engine.open_account(
        "me",
        balances={"USDT": D(100_000)} if balances is None else balances,
        positions=positions,
    )
    return engine


def spot(
    *instruments: Instrument, balances: Mapping[str, D] | None = None, seed: int = 7
) -> Engine:
    """A spot engine with the account `me`."""
    engine = Engine(
        instruments or (instrument(product=Product.SPOT),),
        product=Product.SPOT,
        seed=seed,
        start_ms=T0,
        venue="test",
    )
    engine.open_account(
        "me", balances={"USDT": D(100_000), "AAA": D(1_000)} if balances is None else balances
    )
    return engine


def limit(side: Side, qty: object, price: object, **rest: Any) -> NewOrder:
    fields: dict[str, Any] = {"symbol": SYMBOL, "type": OrderType.LIMIT, **rest}
    return NewOrder(side=side, qty=D(str(qty)), price=D(str(price)), **fields)


def market(side: Side, qty: object, **rest: Any) -> NewOrder:
    fields: dict[str, Any] = {"symbol": SYMBOL, "type": OrderType.MARKET, **rest}
    return NewOrder(side=side, qty=D(str(qty)), **fields)


def stop(side: Side, qty: object, at: object, **rest: Any) -> NewOrder:
    fields: dict[str, Any] = {"symbol": SYMBOL, "type": OrderType.STOP_MARKET, **rest}
    return NewOrder(side=side, qty=D(str(qty)), stop_price=D(str(at)), **fields)


def ioc(side: Side, qty: object, price: object, **rest: Any) -> NewOrder:
    return limit(side, qty, price, time_in_force=TimeInForce.IOC, **rest)


def taken(result: Order | Rejected) -> Order:
    assert isinstance(result, Order), result
    return result


def refused(result: Order | Rejected) -> Rejected:
    assert isinstance(result, Rejected), result
    return result


def pass_s(engine: Engine, seconds: float) -> None:
    engine.advance(engine.now_ms + round(seconds * 1000))


def jump(by: object) -> Drift:
    """The whole market moves at once."""
    return Drift(D(str(by)), 0)


class Tape:
    """Everything an engine has told."""

    def __init__(self, engine: Engine) -> None:
        self.events: list[EngineEvent] = []
        engine.listen(self.events.append)

    def orders(self, order_id: int | None = None) -> list[OrderEvent]:
        return [
            event
            for event in self.events
            if isinstance(event, OrderEvent) and order_id in (None, event.order.order_id)
        ]

    def kinds(self, order_id: int) -> list[OrderEventKind]:
        return [event.kind for event in self.orders(order_id)]

    def of(self, kind: type) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]
