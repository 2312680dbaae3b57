"""What `outlast journal verify` says about amendments."""

from __future__ import annotations

from decimal import Decimal

import pytest
from msgspec import structs

from outlast.core.histories import Histories
from outlast.core.journal import Chain
from outlast.model import Amendment, Execution, Order, OrderStatus, OrderType, Side

D = Decimal
ORDER = Order(
    client_order_id="a-1",
    symbol="BTC/USDT",
    side=Side.BUY,
    order_type=OrderType.LIMIT,
    qty=D(4),
    status=OrderStatus.ACCEPTED,
    price=D(100),
    venue_order_id="77",
)
ASKED = Amendment(qty=D(6), price=D(101), asked_at=5.0)
INTENT = (
    "order.intent",
    {"order": structs.replace(ORDER, status=OrderStatus.INITIALIZED, venue_order_id=None)},
)


def changed(because="report", **changes):
    return "order.changed", {"order": structs.replace(ORDER, **changes), "because": because}


def asks(amendment=ASKED, **changes):
    return "order.amend", {"order": structs.replace(ORDER, amendment=amendment, **changes)}


def sent(outcome=None, qty="6", lane="trade", took_ms=0):
    failure = None if outcome is None else {"outcome": outcome}
    return "attempt", {
        "request": "order.amend",
        "client_order_id": "a-1",
        "failure": failure,
        "params": {"qty": qty},
        "lane": lane,
        "took_ms": took_ms,
    }


def fill(qty):
    return "execution", {
        "execution": Execution(
            symbol="BTC/USDT",
            execution_id="7",
            venue_order_id="77",
            side=Side.BUY,
            price=D(100),
            qty=D(qty),
            fee=D(0),
            fee_currency="USDT",
        )
    }


IN_FORCE = changed("amended", qty=D(6), price=D(101))


def problems(*entries):
    histories, chain, found = Histories(), Chain(), []
    for kind, fields in entries:
        record = chain.seal(kind, fields, at=ASKED.asked_at)
        chain.accept(record)
        found += [fault.problem for fault in histories.fold(record)]
    return found


@pytest.mark.parametrize(
    "story",
    [
        [asks(), sent(), IN_FORCE],
        [asks(), IN_FORCE, sent()],  # the stream was faster than the answer
        [asks(), sent("refused"), changed("amend_refused")],
        [asks(), sent("refused"), sent(), IN_FORCE],  # tried again as the venue allowed
        [asks(), sent("not_sent"), sent(), IN_FORCE],
        [asks(), sent("unknown"), changed("amend_unanswered", amendment=ASKED), IN_FORCE],
        [asks(), sent("unknown"), changed("amend_not_in_force")],
        # held for not in force, and there after all
        [asks(), sent("unknown"), changed("amend_not_in_force"), IN_FORCE],
        [asks(), IN_FORCE, asks(structs.replace(ASKED, qty=D(5)), qty=D(6), price=D(101))],
        [asks(), fill(5)],  # not known yet, and there is room in the new terms
        [asks(), sent(), changed("report", status=OrderStatus.CANCELED)],
        # The answer to an earlier one of the same terms, long after the order had told of it.
        [asks(), sent("unknown", took_ms=12_000), sent(), IN_FORCE],
    ],
)
def test_what_can_be_true(story):
    assert problems(INTENT, changed(), *story) == []


@pytest.mark.parametrize(
    ("story", "problem"),
    [
        ([IN_FORCE], "nobody asked for"),
        ([asks(), changed(qty=D(7), price=D(101))], "nobody asked for"),
        ([asks(), changed(), changed(qty=D(9))], "nobody asked for"),
        ([asks(), asks(structs.replace(ASKED, qty=D(5)))], "amended again while the first"),
        ([asks(), sent("unknown"), sent()], "sent again while the first may be in force"),
        ([sent()], "never written down"),
        ([asks(), fill(7)], "add up to 7 of 6"),
        ([asks(), changed("amend_refused"), fill(5)], "add up to 5 of 4"),
    ],
)
def test_what_cannot(story, problem):
    assert any(problem in found for found in problems(INTENT, changed(), *story))


def test_what_takes_risk_away_may_go_without_a_record():
    """With a full disk."""
    assert problems(INTENT, changed(), sent(lane="safety")) == []


def test_an_amendment_of_an_order_that_was_never_meant():
    assert "never written down as an intent" in problems(asks())[0]


def test_the_venue_may_cut_a_reduce_only_order():
    reduces = {"reduce_only": True}
    story = [
        ("order.intent", {"order": structs.replace(INTENT[1]["order"], **reduces)}),
        changed(**reduces),
        changed(**reduces, qty=D(3)),
        asks(structs.replace(ASKED, qty=D(3), price=D(99)), **reduces, qty=D(3)),
        changed("amended", **reduces, qty=D(2), price=D(99)),
    ]
    assert problems(*story) == []
