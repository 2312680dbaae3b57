"""What a bot may hand in as its belief, and how it is told what is wrong with it."""

from decimal import Decimal

import pytest

from outlast.mock.belief import Belief, BeliefError, StaleMark, same_status


def test_a_whole_belief_is_read():
    belief = Belief.read(
        {
            "version": 1,
            "orders": {"a": "PARTIALLY_FILLED", "b": "accepted"},
            "positions": {"BTCUSDT": "0.50"},
            "balances": {"USDT": 100},
            "venues": {"binance-spot": {"balances": {"BTC": "1"}}},
            "stale": [{"symbol": "BTCUSDT", "at_ms": 5}],
            "journal": {"records": 3, "verified": True, "requests": [1, 2, 2]},
        }
    )
    assert belief is not None
    assert belief.anywhere.orders == {"a": "partially_filled", "b": "open"}
    assert belief.anywhere.positions == {"BTCUSDT": Decimal("0.5")}
    assert belief.anywhere.balances == {"USDT": Decimal(100)}
    assert belief.venues["binance-spot"].balances == {"BTC": Decimal(1)}
    assert belief.venues["binance-spot"].orders is None
    assert belief.stale == (StaleMark("BTCUSDT", 5, None),)
    assert belief.journal is not None
    assert (belief.journal.requests, belief.journal.doubled) == (2, 1)


def test_no_belief_is_none_and_an_empty_one_says_nothing():
    assert Belief.read(None) is None
    assert Belief.read({}) == Belief()


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ([], r"belief: expected an object, found \[\]"),
        (
            {"order": {}},
            "belief: unknown field 'order'; known are account, balances, journal, orders",
        ),
        ({"account": 3}, "belief.account: expected the name of an account, found 3"),
        ({"orders": []}, "belief.orders: expected an object"),
        ({"orders": {"a": "gone"}}, "belief.orders.a: expected one of .*accepted.*found 'gone'"),
        ({"orders": {"a": 3}}, "belief.orders.a: expected one of"),
        ({"positions": {"X": 0.5}}, "belief.positions.X: expected an amount as text"),
        ({"positions": {"X": True}}, "belief.positions.X: expected an amount as text"),
        ({"balances": {"X": "much"}}, "belief.balances.X: expected a decimal number"),
        ({"balances": {"X": "NaN"}}, "belief.balances.X: expected a finite number"),
        ({"venues": {"v": 1}}, "belief.venues.v: expected an object"),
        ({"venues": {"v": {"cash": {}}}}, "belief.venues.v: unknown field 'cash'"),
        ({"stale": {}}, "belief.stale: expected a list"),
        ({"stale": [{"at_ms": 1}]}, r"belief.stale\[0\].symbol: expected a symbol"),
        ({"stale": [{"symbol": "X"}]}, r"belief.stale\[0\].at_ms: expected a whole number"),
        ({"journal": 3}, "belief.journal: expected an object"),
        ({"journal": {"records": 1, "requests": 1}}, "belief.journal.verified: expected true or"),
        ({"journal": {"verified": True, "requests": 1}}, "belief.journal.records: expected a who"),
        ({"journal": {"verified": True, "records": 1}}, "belief.journal.requests: expected a who"),
        (
            {"journal": {"verified": True, "records": 1, "requests": -1}},
            "belief.journal.requests: expected a whole number from 0 up, found -1",
        ),
    ],
)
def test_a_belief_of_the_wrong_shape_is_told_which_field_and_what_was_expected(document, message):
    with pytest.raises(BeliefError, match=message):
        Belief.read(document)


def test_cancelled_and_expired_are_one_and_nothing_else_is():
    assert same_status("canceled", "expired")
    assert same_status("filled", "filled")
    assert not same_status("canceled", "filled")
    assert not same_status("open", "partially_filled")
