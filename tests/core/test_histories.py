"""What `outlast journal verify` says about the orders of a journal."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from msgspec import structs

from outlast.core.histories import Histories
from outlast.core.journal import Chain
from outlast.model import Execution, Order, OrderStatus, OrderType, Side, Source

ORDER = Order(
    client_order_id="a-1",
    symbol="BTC/USDT",
    side=Side.BUY,
    order_type=OrderType.LIMIT,
    qty=Decimal(2),
    status=OrderStatus.INITIALIZED,
    price=Decimal(100),
)
FILL = Execution(
    symbol="BTC/USDT",
    execution_id="7",
    venue_order_id="77",
    side=Side.BUY,
    price=Decimal(100),
    qty=Decimal(1),
    fee=Decimal(0),
    fee_currency="USDT",
)


def intent(**changes):
    return "order.intent", {"order": structs.replace(ORDER, **changes)}


def changed(status, **changes):
    return "order.changed", {"order": structs.replace(ORDER, status=OrderStatus(status), **changes)}


def execution(**changes):
    return "execution", {"execution": replace(FILL, **changes)}


def sent(outcome=None, name="a-1"):
    failure = None if outcome is None else {"outcome": outcome}
    return "attempt", {"request": "order.place", "client_order_id": name, "failure": failure}


def problems(*entries):
    histories, chain, found = Histories(), Chain(), []
    for kind, fields in entries:
        record = chain.seal(kind, fields, at=1.0)
        chain.accept(record)
        found += [fault.problem for fault in histories.fold(record)]
    return found


HISTORIES_THAT_CAN_BE = {
    "placed, filled in two": [
        intent(),
        sent(),
        changed("accepted", venue_order_id="77"),
        execution(),
        changed("partially_filled", venue_order_id="77", filled_qty=Decimal(1)),
        execution(execution_id="8"),
        changed("filled", venue_order_id="77", filled_qty=Decimal(2)),
    ],
    "refused, and sent again": [intent(), sent("refused"), sent("not_sent"), sent()],
    "lost, settled as never placed": [
        intent(),
        sent("unknown"),
        changed("unknown"),
        changed("not_placed"),
    ],
    "held for absent, then seen filled in part": [
        intent(),
        sent("unknown"),
        changed("not_placed"),
        changed("canceled", venue_order_id="77", filled_qty=Decimal(1)),
    ],
    "cancelled, and filled on the way": [
        intent(),
        sent(),
        changed("canceled"),
        changed("filled", filled_qty=Decimal(2)),
    ],
    "the rest held for gone, by us alone, and shown after all": [
        intent(),
        changed("canceled", filled_qty=Decimal(1), source=Source.DERIVED),
        changed("partially_filled", filled_qty=Decimal(1)),
    ],
    "another program's": [changed("accepted", is_external=True)],
    "a way out with a full disk": [changed("accepted", reduce_only=True)],
    "another call": [("attempt", {"request": "balances.read"})],
}


@pytest.mark.parametrize("name", HISTORIES_THAT_CAN_BE)
def test_a_history_that_can_be_true(name):
    assert problems(*HISTORIES_THAT_CAN_BE[name]) == []


@pytest.mark.parametrize(
    ("entries", "problem"),
    [
        ([intent(), intent()], "written down as a new intent, but the id had been used"),
        ([changed("accepted")], "it is accepted, but was never written down as an intent"),
        ([sent()], "it was sent, but never written down"),
        ([intent(), sent("unknown"), sent()], "sent again while the first may live"),
        ([intent(), sent(), sent("refused")], "sent again while the first may live"),
        ([intent(), changed("filled"), changed("accepted")], "filled and then accepted"),
        ([intent(), changed("canceled"), changed("unknown")], "canceled and then unknown"),
        (
            [intent(), changed("canceled"), changed("partially_filled")],
            "canceled and then partially_filled",
        ),
        (
            [
                intent(),
                changed("accepted", filled_qty=Decimal(1)),
                changed("canceled", filled_qty=Decimal(0)),
            ],
            "1 were filled, then only 0",
        ),
        (
            [intent(), changed("accepted", venue_order_id="1"), changed("filled")],
            "the venue's id changed from 1 to None",
        ),
        ([intent(), changed("accepted", side=Side.SELL)], "its side changed"),
        ([intent(), changed("filled", filled_qty=Decimal(3))], "3 of 2 are filled"),
        (
            [intent(), changed("accepted", venue_order_id="77"), execution(), execution()],
            "execution 7 is booked twice",
        ),
        (
            [intent(), changed("accepted", venue_order_id="77"), execution(qty=Decimal(3))],
            "its executions add up to 3 of 2",
        ),
        ([execution()], "execution 7 is of no order that was written down"),
        (
            [
                intent(),
                changed("accepted", venue_order_id="77"),
                intent(client_order_id="a-2"),
                changed("accepted", client_order_id="a-2", venue_order_id="77"),
            ],
            "the venue's order 77 is said to be a-1's too",
        ),
        ([("order.changed", {"order": {"qty": "two"}})], "order.changed cannot be read"),
        ([("execution", {})], "execution cannot be read"),
    ],
)
def test_a_history_that_cannot(entries, problem):
    [found] = problems(*entries)
    assert problem in found
