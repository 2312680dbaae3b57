"""What a reader gets: exact levels that stay as they were, with an age, or a refusal."""

from decimal import Decimal

import pytest
from book_messages import Diff, snapshot

from outlast.core.books import FloatDigits, SpotDiffBook
from outlast.errors import StaleData
from outlast.model import Level, Side

BIDS = [(10.25, 1.5), (10.0, 2.0), (9.0, 4.0)]
ASKS = [(10.5, 0.5), (11.0, 1.0), (12.0, 2.0)]


class Clock:
    now = 0.3

    def __call__(self):
        return self.now


def live():
    book = SpotDiffBook("binance-spot", "BTC/USDT", FloatDigits(2, 5))
    book.subscribed(0.0)
    book.apply(Diff(95, 100), 0.1)
    book.install(snapshot(100, BIDS, ASKS), 0.2)
    return book, Clock()


def level(price, qty):
    return Level(Decimal(price), Decimal(qty))


def test_levels_are_the_venues_digits_best_first():
    book, clock = live()
    view = book.view(clock)
    assert view.best_bid == level("10.25", "1.5")
    assert view.best_ask == level("10.5", "0.5")
    assert view.bids(2) == [level("10.25", "1.5"), level("10", "2")]
    assert view.asks() == [level("10.5", "0.5"), level("11", "1"), level("12", "2")]
    assert view.bids(0) == []
    assert view.is_fresh
    assert view.reason == ""
    assert view.age_s == pytest.approx(0.1)
    assert view.symbol == "BTC/USDT"


def test_a_reading_stays_as_it_was_while_the_book_moves_on_and_grows_old():
    book, clock = live()
    view = book.view(clock)
    assert book.view(clock) is view
    book.apply(Diff(101, 101, bids=[(10.25, 0.0), (10.1, 7.0)]), 0.4)
    clock.now = 0.5
    assert view.best_bid == level("10.25", "1.5")
    assert view.bids(2)[1] == level("10", "2")
    assert view.age_s == pytest.approx(0.3)
    assert book.view(clock).best_bid == level("10.1", "7")
    clock.now = 9.0
    assert not view.is_fresh
    assert "grown old" in view.reason
    with pytest.raises(StaleData, match="grown old") as caught:
        view.bids()
    assert caught.value.age_s == pytest.approx(8.8)
    assert caught.value.venue == "binance-spot"
    assert view.peek().best_bid == level("10.25", "1.5")


def test_a_reader_that_let_go_costs_no_copy():
    book, clock = live()
    bids = book.bid_side
    book.view(clock).best_bid  # noqa: B018
    book.apply(Diff(101, 101, bids=[(10.3, 1.0)]), 0.4)
    assert book.bid_side is bids
    assert book.view(clock).best_bid == level("10.3", "1")


def test_silence_shows_to_a_reader_even_if_nobody_checks_the_book():
    book, clock = live()
    view = book.view(clock)
    clock.now = 4.5
    with pytest.raises(StaleData, match="silent"):
        view.best_bid  # noqa: B018
    assert not view.is_fresh
    assert "silent" in view.reason


def test_a_book_that_never_was_has_nothing_to_read_and_peek_does_not_raise():
    book = SpotDiffBook("binance-spot", "BTC/USDT", FloatDigits(2, 5))
    view = book.view(Clock())
    for read in (lambda: view.best_bid, lambda: view.best_ask, view.bids, view.asks):
        with pytest.raises(StaleData, match="no snapshot yet; never seen"):
            read()
    with pytest.raises(StaleData):
        view.sweep(Side.BUY, 1)
    peek = view.peek()
    assert (peek.best_bid, peek.best_ask, peek.bids(), peek.asks(3)) == (None, None, [], [])
    assert peek.age_s is None
    assert peek.reason == "no snapshot yet"
    assert not peek.is_fresh


def test_peek_shows_what_must_not_be_read():
    book, clock = live()
    book.socket_gone(0.3, "closed")
    clock.now = 2.2
    peek = book.view(clock).peek()
    assert peek.best_ask == level("10.5", "0.5")
    assert peek.age_s == pytest.approx(2.0)
    assert peek.reason == "the connection is gone (closed)"


def test_peek_never_raises_on_numbers_that_floats_did_not_keep():
    book, clock = live()
    book.apply(Diff(101, 101, bids=[(10.4, 123456789012345.0)]), 0.3)
    view = book.view(clock)
    with pytest.raises(StaleData, match="15 digits"):
        view.bids()
    assert view.peek().best_bid.price == Decimal("10.4")


def test_a_sweep_adds_up_levels_exactly():
    book, clock = live()
    view = book.view(clock)
    buy = view.sweep(Side.BUY, "1.2")
    assert buy.qty == Decimal("1.2")
    assert buy.notional == Decimal("0.5") * Decimal("10.5") + Decimal("0.7") * 11
    assert buy.worst_price == 11
    assert buy.is_complete
    assert buy.avg_price == buy.notional / Decimal("1.2")
    sell = view.sweep(Side.SELL, 100)
    assert sell.qty == Decimal("7.5")
    assert not sell.is_complete
    assert sell.worst_price == 9


def test_a_sweep_refuses_what_is_no_quantity_and_an_empty_side():
    book, clock = live()
    view = book.view(clock)
    with pytest.raises(TypeError, match="float"):
        view.sweep(Side.BUY, 0.1)
    with pytest.raises(ValueError, match="above 0"):
        view.sweep(Side.BUY, 0)
    book.apply(Diff(101, 101, asks=[(price, 0.0) for price, _ in ASKS]), 0.3)
    with pytest.raises(LookupError, match="nothing to buy"):
        book.view(clock).sweep(Side.BUY, 1)
