"""The market by itself: its path, its ladder, its tape, and what clients cannot change of it."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from engine_world import (
    BUY,
    HUGE,
    SELL,
    SYMBOL,
    T0,
    D,
    instrument,
    jump,
    limit,
    market,
    pass_s,
    taken,
)
from engine_world import spot as spot_engine
from engine_world import um as um_engine

from outlast.mock.engine.engine import Engine
from outlast.mock.engine.knobs import (
    Deviation,
    Drift,
    EngineKnobs,
    Gap,
    MarketKnobs,
    MarkPolicy,
)
from outlast.mock.engine.model import Product

LIVELY = instrument(vol_bps_per_min=D(20))


def path(engine: Engine, seconds: int, symbol: str = SYMBOL) -> list[D]:
    prices = []
    for _ in range(seconds):
        pass_s(engine, 1)
        prices.append(engine.peer_price(symbol))
    return prices


def public(engine: Engine) -> list[tuple[object, ...]]:
    tape = engine.tape(SYMBOL, 1000)
    return [(t.at_ms, t.price, t.qty, t.taker_side) for t in tape if not t.by_client]


def test_the_same_seed_gives_the_same_market_and_another_seed_another() -> None:
    one, two, other = (um_engine(LIVELY, seed=seed) for seed in (1, 1, 2))
    assert path(one, 60) == path(two, 60)
    assert public(one) == public(two)
    assert one.book(SYMBOL, 10) == two.book(SYMBOL, 10)
    assert one.digest() == two.digest()
    assert path(other, 60) != path(two, 60)


def test_clients_change_neither_the_path_nor_the_other_traders_tape() -> None:
    quiet, busy = um_engine(LIVELY), um_engine(LIVELY)
    for second in range(120):
        if second % 7 == 0:
            taken(busy.place("me", market(SELL if second % 2 else BUY, 300)))
        if second % 11 == 0:
            taken(busy.place("me", limit(BUY, 5, busy.mark_price(SYMBOL) - D("0.2"))))
        for engine in (quiet, busy):
            pass_s(engine, 1)
        assert quiet.peer_price(SYMBOL) == busy.peer_price(SYMBOL)
        assert quiet.mark_price(SYMBOL) == busy.mark_price(SYMBOL)
    assert public(quiet) == public(busy)
    assert any(trade.by_client for trade in busy.tape(SYMBOL, 1000))


def test_time_may_pass_in_one_piece_or_in_many() -> None:
    whole, pieces = um_engine(LIVELY), um_engine(LIVELY)
    for engine in (whole, pieces):
        taken(engine.place("me", limit(BUY, 5, "99.7")))
    whole.advance(T0 + 60_000)
    for at_ms in range(T0, T0 + 60_001, 77):
        pieces.advance(at_ms)
    pieces.advance(T0 + 60_000)
    assert whole.digest() == pieces.digest()
    pieces.advance(T0 + 60_000)
    assert whole.digest() == pieces.digest(), "the same instant again changes nothing"


def test_time_never_goes_back() -> None:
    engine = um_engine()
    pass_s(engine, 1)
    with pytest.raises(ValueError, match="advance: time is"):
        engine.advance(T0)


def test_the_same_coin_moves_alike_on_every_venue() -> None:
    perpetual = um_engine(LIVELY)
    coin = spot_engine(
        replace(LIVELY, symbol="AAA/USD", product=Product.SPOT, quote="USD"),
        balances={},
    )
    assert path(perpetual, 60) == path(coin, 60, "AAA/USD")


def test_noise_stays_a_band_around_the_price_and_grows_with_vol_x() -> None:
    def spread_of(vol_x: int) -> D:
        engine = um_engine(LIVELY)
        engine.set_market(MarketKnobs(vol_x=D(vol_x)))
        prices = path(engine, 1800)
        return max(prices) - min(prices)

    calm, wild = spread_of(1), spread_of(10)
    assert D("0.3") < calm < D(5)
    assert D(5) * calm < wild < D(30)


# -- drifts ---------------------------------------------------------------------------------


def test_a_drift_is_reached_smoothly_and_stays() -> None:
    engine = um_engine()
    engine.set_market(MarketKnobs(drift=Drift(D("-0.10"), 100_000)))
    prices = [D(100), *path(engine, 100)]
    steps = [before - after for before, after in pairwise(prices)]
    assert prices[50] == D("95.0")
    assert prices[100] == D("90.0")
    assert min(steps) >= 0
    assert max(steps) <= D("0.3"), "no step is a jump"
    engine.set_market(MarketKnobs())
    assert set(path(engine, 60)) == {D("90.0")}


def test_consecutive_drifts_are_relative_to_where_they_start() -> None:
    engine = um_engine()
    for by, expected in (("-0.5", "50.0"), ("0.2", "60.0"), ("-0.5", "30.0")):
        engine.set_market(MarketKnobs(drift=Drift(D(by), 10_000)))
        pass_s(engine, 10)
        assert engine.peer_price(SYMBOL) == D(expected)


def test_an_unfinished_drift_runs_on_under_the_next_one() -> None:
    engine = um_engine()
    engine.set_market(MarketKnobs(drift=Drift(D("-0.2"), 60_000)))
    pass_s(engine, 30)
    assert engine.peer_price(SYMBOL) == D("90.0")
    engine.set_market(MarketKnobs(drift=Drift(D("0.5"), 60_000)))
    assert engine.peer_price(SYMBOL) == D("90.0"), "no jump where they meet"
    pass_s(engine, 60)
    assert engine.peer_price(SYMBOL) == D("120.0")


def test_the_same_drift_set_again_goes_on() -> None:
    engine = um_engine()
    for vol_x in (1, 2, 3):
        engine.set_market(MarketKnobs(drift=Drift(D("-0.1"), 30_000), vol_x=D(vol_x)))
        pass_s(engine, 10)
    assert engine.peer_price(SYMBOL) == D("90.0")
    pass_s(engine, 30)
    assert engine.peer_price(SYMBOL) == D("90.0")


def test_two_equal_drifts_with_starts_of_their_own_both_happen_once() -> None:
    engine = um_engine()
    first, second = Drift(D("-0.1"), 10_000, T0), Drift(D("-0.1"), 10_000, T0 + 10_000)
    for drift in (first, second, None, second, first):
        engine.set_market(MarketKnobs(drift=drift))
        pass_s(engine, 10)
    assert engine.peer_price(SYMBOL) == D("81.0")


def test_a_deviation_moves_this_venue_only_and_comes_back() -> None:
    engine = um_engine()
    engine.set_market(MarketKnobs(deviate=Deviation(D("-0.08"), 60_000, 120_000)))
    pass_s(engine, 60)
    bid, ask = engine.best(SYMBOL)
    assert bid is not None
    assert ask is not None
    assert D("91.8") <= bid.price < ask.price <= D("92.2")
    assert engine.peer_price(SYMBOL) == engine.index_price(SYMBOL) == D(100)
    assert engine.mark_price(SYMBOL) == D(100), "the mark follows the peers"
    engine.set_market(MarketKnobs())
    pass_s(engine, 120)
    assert engine.best(SYMBOL)[0] == (D("99.9"), engine.book(SYMBOL, 1).bids[0].qty)


def test_a_reopening_gap_is_one_jump_that_stays_and_happens_once() -> None:
    engine = um_engine()
    knobs = MarketKnobs(reopen_gap=Gap(D("-0.05")))
    for _ in range(3):
        engine.set_market(knobs)
        assert engine.peer_price(SYMBOL) == D("95.0")
        pass_s(engine, 5)
    engine.set_market(MarketKnobs(reopen_gap=Gap(D("-0.10"), engine.now_ms + 3_000)))
    pass_s(engine, 2)
    assert engine.peer_price(SYMBOL) == D("95.0")
    pass_s(engine, 1)
    assert engine.peer_price(SYMBOL) == D("85.5")


def test_a_frozen_market_stands_still_while_its_peers_go_on() -> None:
    engine = um_engine()
    pass_s(engine, 10)
    engine.set_market(MarketKnobs(frozen=True, drift=Drift(D("-0.1"), 30_000)))
    book, tape = engine.book(SYMBOL, 10), engine.tape(SYMBOL, 50)
    pass_s(engine, 30)
    assert (engine.book(SYMBOL, 10).bids, engine.book(SYMBOL, 10).asks) == (book.bids, book.asks)
    assert engine.book(SYMBOL, 10).update_id == book.update_id
    assert engine.tape(SYMBOL, 50) == tape
    assert engine.peer_price(SYMBOL) == engine.mark_price(SYMBOL) == D("90.0")
    engine.set_market(MarketKnobs())
    bid, ask = engine.best(SYMBOL)
    assert bid is not None
    assert ask is not None
    assert bid.price < D("90.0") < ask.price


def test_in_a_frozen_market_returning_makers_wait_before_they_meet_a_resting_order() -> None:
    engine = um_engine()
    engine.set_market(MarketKnobs(frozen=True))
    ask = engine.book(SYMBOL, 1).asks[0]
    order = taken(engine.place("me", limit(BUY, ask.qty + 5, ask.price)))
    assert order.leaves_qty == 5
    pass_s(engine, 10)
    assert order.leaves_qty == 5
    assert engine.best(SYMBOL)[1] != ask, "the book is not crossed"
    engine.set_market(MarketKnobs())
    assert order.leaves_qty == 0


def test_a_halt_does_not_change_what_the_market_does_after_it() -> None:
    through, halted = um_engine(LIVELY), um_engine(LIVELY)
    halted.set_market(MarketKnobs(frozen=True))
    for engine in (through, halted):
        pass_s(engine, 60)
    halted.set_market(MarketKnobs())
    assert path(through, 30) == path(halted, 30)
    newest_through, newest_halted = (public(e)[-20:] for e in (through, halted))
    assert newest_through == newest_halted


# -- mark -----------------------------------------------------------------------------------


def test_the_mark_can_be_shifted_frozen_and_set_free() -> None:
    engine = um_engine()
    engine.configure(EngineKnobs(mark_offset=D("-0.12")))
    assert engine.mark_price(SYMBOL) == D("88.0")
    assert engine.index_price(SYMBOL) == D(100)
    engine.configure(EngineKnobs(mark=MarkPolicy.FROZEN))
    engine.set_market(MarketKnobs(drift=jump("0.5")))
    pass_s(engine, 1)
    assert engine.mark_price(SYMBOL) == D("88.0")
    engine.configure(EngineKnobs())
    assert engine.mark_price(SYMBOL) == D(150)


# -- ladder ---------------------------------------------------------------------------------


def test_levels_hold_about_their_notional_and_grow_away_from_the_touch() -> None:
    engine = um_engine(instrument(depth_levels=50))
    book = engine.book(SYMBOL, 100)
    assert len(book.bids) == len(book.asks) == 50
    for side in (book.bids, book.asks):
        notionals = [level.price * level.qty for level in side]
        assert all(D(9_990) <= notional <= D(37_500) for notional in notionals)
        assert sum(notionals[25:]) > sum(notionals[:25])


def test_depth_and_spread_factors_thin_and_widen_the_book() -> None:
    engine = um_engine(instrument(depth_levels=50, tick=D("0.01")))
    quiet = engine.book(SYMBOL, 50)
    engine.set_market(MarketKnobs(spread_x=D(15), depth_bid_x=D("0.05"), depth_ask_x=D("0.5")))
    crash = engine.book(SYMBOL, 50)

    def notional(levels: tuple[tuple[D, D], ...]) -> D:
        return sum((price * qty for price, qty in levels), D(0))

    assert D("0.03") < notional(crash.bids) / notional(quiet.bids) < D("0.08")
    assert D("0.3") < notional(crash.asks) / notional(quiet.asks) < D("0.8")
    assert crash.asks[0].price - crash.bids[0].price > 5 * (
        quiet.asks[0].price - quiet.bids[0].price
    )


def test_the_book_is_sorted_and_apart_through_a_wild_market() -> None:
    engine = um_engine(LIVELY)
    engine.set_market(MarketKnobs(vol_x=D(12), spread_x=D(3), drift=Drift(D("-0.3"), 120_000)))
    for _ in range(240):
        pass_s(engine, 0.5)
        book = engine.book(SYMBOL, 20)
        bids, asks = ([level.price for level in side] for side in (book.bids, book.asks))
        assert bids == sorted(set(bids), reverse=True)
        assert asks == sorted(set(asks))
        assert bids[0] < asks[0]
        assert all(level.qty > 0 for level in (*book.bids, *book.asks))


def test_what_a_client_took_is_missing_for_some_seconds_and_comes_back() -> None:
    engine = um_engine()
    before = engine.book(SYMBOL, 10).bids
    half = (before[1].qty / 2).quantize(D("0.01"))
    taken(engine.place("me", market(SELL, before[0].qty + half)))
    after = engine.book(SYMBOL, 10).bids
    assert after[0].price == before[1].price
    assert after[0].qty == before[1].qty - half
    pass_s(engine, 1)
    assert engine.book(SYMBOL, 10).bids[0].price == before[1].price
    pass_s(engine, 6)
    assert engine.book(SYMBOL, 10).bids[0].price == before[0].price
    assert engine.book(SYMBOL, 10).bids[0].qty > D(90)


def test_a_swept_side_is_empty_until_the_makers_return() -> None:
    engine = um_engine(instrument(market_take_bound=D("0.5")), balances={"USDT": D(10_000_000)})
    order = taken(engine.place("me", market(BUY, HUGE)))
    assert order.end_reason == "no_liquidity"
    assert engine.best(SYMBOL)[1] is None
    assert engine.book(SYMBOL, 10).asks == ()
    pass_s(engine, 7)
    assert len(engine.book(SYMBOL, 10).asks) == 10


def test_a_price_of_one_tick_is_the_floor() -> None:
    engine = um_engine()
    engine.set_market(MarketKnobs(drift=jump("-0.9999")))
    pass_s(engine, 1)
    assert engine.peer_price(SYMBOL) == D("0.1")
    assert engine.book(SYMBOL, 10).bids == ()
    assert engine.best(SYMBOL)[1] is not None


# -- tape and ids ---------------------------------------------------------------------------


def test_the_tape_is_oldest_first_and_its_ids_have_no_holes() -> None:
    engine = um_engine(LIVELY)
    pass_s(engine, 30)
    taken(engine.place("me", market(BUY, 500)))
    tape = engine.tape(SYMBOL, 40)
    ids = [trade.trade_id for trade in tape]
    assert ids == list(range(ids[0], ids[0] + 40))
    assert tape[-1].by_client
    assert tape[-1].price == engine.last_price(SYMBOL)
    assert engine.tape(SYMBOL, 0) == []


def test_update_ids_grow_with_the_market_and_with_client_orders() -> None:
    engine = um_engine()
    first = engine.book(SYMBOL, 1).update_id
    pass_s(engine, 1)
    second = engine.book(SYMBOL, 1).update_id
    assert second == first + 4
    taken(engine.place("me", limit(BUY, 1, 99)))
    assert engine.book(SYMBOL, 1).update_id > second


def test_instruments_of_another_product_or_listed_twice_are_refused() -> None:
    with pytest.raises(ValueError, match="this engine trades um"):
        um_engine(instrument(product=Product.SPOT))
    with pytest.raises(ValueError, match="listed twice"):
        um_engine(instrument(), instrument())
