"""Stream and queries folded into one account, by the venue's time."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outlast.core.account_fold import LAG_MS, AccountFold, held_of
from outlast.model import Order, OrderStatus, OrderType, Side


def test_an_older_word_of_the_stream_does_not_replace_a_newer_one():
    fold = AccountFold[int]()
    assert fold.tell("BTC", 2, at_ms=2_000)
    assert not fold.tell("BTC", 1, at_ms=1_000)
    assert fold.outranks("BTC", dated_ms=1_500, asked_ms=9_000).value == 2


@pytest.mark.parametrize(("dated_ms", "outranked"), [(1_999, True), (2_000, True), (2_001, False)])
def test_a_dated_report_replaces_what_is_older(dated_ms, outranked):
    fold = AccountFold[int]()
    fold.tell("BTC", 2, at_ms=2_000)
    told = fold.outranks("BTC", dated_ms=dated_ms, asked_ms=10**9)
    assert (told is not None) == outranked


def test_an_undated_report_may_lag_for_a_minute():
    fold = AccountFold[int]()
    fold.tell("BTC", 2, at_ms=2_000)
    assert fold.outranks("BTC", dated_ms=None, asked_ms=2_000 + LAG_MS - 1) is not None
    assert fold.outranks("BTC", dated_ms=None, asked_ms=2_000 + LAG_MS) is None


def test_names_of_which_the_stream_said_nothing_are_left_to_reports():
    fold = AccountFold[int]()
    assert fold.outranks("BTC", dated_ms=None, asked_ms=0) is None
    fold.tell("BTC", 1, at_ms=5)
    fold.forget("BTC")
    assert fold.outranks("BTC", dated_ms=None, asked_ms=0) is None


def test_a_snapshot_replaces_what_an_earlier_connection_said():
    fold = AccountFold[int]()
    fold.tell("BTC", 1, at_ms=5_000)
    fold.tell_snapshot("BTC", 2, not_before_ms=4_000)
    told = fold.outranks("BTC", dated_ms=4_500, asked_ms=0)
    assert (told.value, told.at_ms) == (2, 5_000)
    fold.tell_snapshot("ETH", 3, not_before_ms=None)
    assert fold.tell("ETH", 4, at_ms=1)


@given(st.lists(st.tuples(st.integers(0, 50), st.integers()), min_size=1))
def test_in_whatever_order_words_come_the_newest_stands(words):
    fold = AccountFold[int]()
    for at_ms, value in words:
        fold.tell("BTC", value, at_ms=at_ms)
    newest = max(at_ms for at_ms, _ in words)
    assert fold.outranks("BTC", dated_ms=0, asked_ms=0).at_ms == newest


def resting(side, order_type=OrderType.LIMIT, price="100", filled="0", stop_price=None):
    return Order(
        client_order_id="o",
        symbol="BTC/USD",
        side=side,
        order_type=order_type,
        qty=Decimal(2),
        status=OrderStatus.ACCEPTED,
        price=None if price is None else Decimal(price),
        stop_price=None if stop_price is None else Decimal(stop_price),
        filled_qty=Decimal(filled),
    )


def test_a_sell_holds_the_base_and_a_buy_its_price():
    orders = [
        (resting(Side.SELL, filled="0.5"), "BTC", "USD"),
        (resting(Side.BUY, filled="0.5"), "BTC", "USD"),
        (resting(Side.BUY), "ETH", "EUR"),
    ]
    assert held_of("BTC", orders) == Decimal("1.5")
    assert held_of("USD", orders) == Decimal(150)
    assert held_of("GBP", orders) == 0


def test_a_stop_holds_its_trigger_and_a_market_order_nothing_that_is_known():
    stop = resting(Side.BUY, OrderType.STOP_MARKET, price=None, stop_price="90")
    assert held_of("USD", [(stop, "BTC", "USD")]) == Decimal(180)
    at_once = resting(Side.BUY, OrderType.MARKET, price=None)
    assert held_of("USD", [(at_once, "BTC", "USD")]) == 0
