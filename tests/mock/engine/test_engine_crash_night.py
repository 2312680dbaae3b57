"""The main scenario's market and engine: the night of 10 October 2025, 21:07 to 23:38 UTC.

Goal: a thin, falling, deviating book in which one market order cannot close a DOGE position of
3,413,001 at once, an account that is hurt but not liquidated, and a relief in which it can leave.
"""

from __future__ import annotations

import pytest
from engine_world import BUY, SELL, D, instrument, market, refused, taken

from outlast.mock.engine.engine import Engine
from outlast.mock.engine.knobs import Deviation, Drift, EngineKnobs, MarketKnobs
from outlast.mock.engine.model import OrderStatus, Product, RejectReason

T0 = 1_760_130_420_000  # 2025-10-10T21:07:00Z
DOGE, XRP, BTC = "DOGEUSDT", "XRPUSDT", "BTCUSDT"


def listing() -> list[object]:
    shared = {
        "qty_max": D(10_000_000),
        "market_qty_max": D(5_000_000),
        "depth_levels": 50,
        "market_take_bound": D("0.30"),
    }
    return [
        instrument(
            symbol=symbol,
            base=symbol[:-4],
            mid=D(mid),
            tick=D(tick),
            qty_step=D(step),
            qty_min=D(step),
            vol_bps_per_min=D(vol),
            **shared,
        )
        for symbol, mid, tick, step, vol in (
            (DOGE, "0.2400", "0.00001", "1", 20),
            (XRP, "2.75", "0.0001", "0.1", 20),
            (BTC, "117000", "0.1", "0.001", 10),
        )
    ]


class Night:
    """Plays the scenario's engine and market settings at their minutes."""

    def __init__(self, seed: int = 20251011) -> None:
        self.engine = Engine(
            listing(), product=Product.UM, seed=seed, start_ms=T0, venue="binance-um"
        )
        self.engine.open_account(
            "main",
            balances={"USDT": D(656_832)},
            positions={DOGE: (D(3_413_001), D("0.2480")), XRP: (D("7326.1"), D("2.83"))},
        )
        first = {
            "vol_x": D(12),
            "spread_x": D(15),
            "depth_bid_x": D("0.05"),
            "depth_ask_x": D("0.5"),
        }
        lockout = {
            "vol_x": D(8),
            "spread_x": D(10),
            "depth_bid_x": D("0.1"),
            "depth_ask_x": D("0.4"),
        }
        self._cues: list[tuple[int, MarketKnobs | EngineKnobs]] = [
            (0, MarketKnobs(drift=Drift(D("-0.04"), 300_000), vol_x=D(5), spread_x=D(3),
                            depth_bid_x=D("0.4"), depth_ask_x=D("0.8"))),
            (5, MarketKnobs(drift=Drift(D("-0.25"), 540_000),
                            deviate=Deviation(D("-0.08"), 360_000, 1_500_000), **first)),
            (9, MarketKnobs(drift=Drift(D("0.09"), 3_600_000), **lockout)),
            (9, EngineKnobs(fills_delay_ms=5_000)),
            (13, MarketKnobs(drift=Drift(D("-0.02"), 60_000), **lockout)),
            (29, EngineKnobs(fills_delay_ms=5_000, mark_offset=D("-0.12"))),
            (68, EngineKnobs(fills_delay_ms=5_000)),
            (115, MarketKnobs(vol_x=D(3), spread_x=D(3), depth_bid_x=D("0.5"),
                              depth_ask_x=D("0.8"))),
            (115, EngineKnobs()),
        ]  # fmt: skip

    def until(self, minute: float) -> Engine:
        while self._cues and self._cues[0][0] <= minute:
            at_minute, knobs = self._cues.pop(0)
            self.engine.advance(T0 + at_minute * 60_000)
            if isinstance(knobs, MarketKnobs):
                self.engine.set_market(knobs)
            else:
                self.engine.configure(knobs)
        self.engine.advance(T0 + round(minute * 60_000))
        return self.engine


@pytest.mark.parametrize("seed", [20251011, 1, 2])
def test_the_story_is_told_with_every_seed(seed: int) -> None:
    night = Night(seed)
    start = night.until(0).mark_price(DOGE)
    low = min(night.until(minute / 4).last_price(DOGE) for minute in range(1, 80))
    assert D("0.55") * start < low < D("0.72") * start, "the low is near 21:20"
    end = night.until(131).mark_price(DOGE)
    assert D("0.66") * start < end < D("0.90") * start
    assert night.engine.positions("main")[DOGE].qty == 3_413_001, "hurt, not liquidated"
    assert night.engine.margin("main").margin_balance > 300_000


def test_one_market_order_cannot_close_the_position_at_the_worst_time() -> None:
    engine = Night().until(14)
    order = taken(engine.place("main", market(SELL, 3_000_000, symbol=DOGE, reduce_only=True)))
    assert order.status is OrderStatus.EXPIRED
    assert order.end_reason == "no_liquidity"
    assert D(200_000) < order.filled_qty < D(1_000_000)
    again = refused(engine.place("main", market(SELL, 2_000_000, symbol=DOGE, reduce_only=True)))
    assert again.reason is RejectReason.NO_LIQUIDITY
    engine.advance(engine.now_ms + 6_000)
    later = taken(engine.place("main", market(SELL, 2_000_000, symbol=DOGE, reduce_only=True)))
    assert later.filled_qty > 200_000, "the makers are back"
    assert engine.positions("main")[DOGE].qty == 3_413_001 - order.filled_qty - later.filled_qty


def test_this_venue_leaves_its_peers_by_eight_per_cent_and_comes_back() -> None:
    night = Night()

    def away(minute: float) -> float:
        engine = night.until(minute)
        bid = engine.best(DOGE)[0]
        assert bid is not None
        return float(bid.price / engine.peer_price(DOGE) - 1)

    assert away(4.9) == pytest.approx(0, abs=0.005)
    assert away(11) == pytest.approx(-0.08, abs=0.01)
    assert away(37) == pytest.approx(0, abs=0.01)


def test_the_shifted_mark_is_no_price_anybody_trades_at() -> None:
    night = Night()
    engine = night.until(40)
    assert float(engine.mark_price(BTC) / engine.last_price(BTC)) == pytest.approx(0.88, abs=0.01)
    assert night.until(69).mark_price(BTC) == engine.index_price(BTC)


def test_in_the_relief_the_whole_position_can_leave() -> None:
    engine = Night().until(116)
    left = D(3_413_001)
    for _ in range(4):
        if not left:
            break
        order = taken(engine.place("main", market(SELL, left, symbol=DOGE, reduce_only=True)))
        left -= order.filled_qty
        engine.advance(engine.now_ms + 7_000)
    assert left == engine.positions("main")[DOGE].qty == 0
    realised = engine.positions("main")[DOGE].realised
    assert D(-350_000) < realised < D(-150_000)
    assert engine.place("main", market(BUY, 100, symbol=DOGE)).status is OrderStatus.FILLED


def test_the_night_repeats_to_the_byte() -> None:
    digests = set()
    for _ in range(2):
        night = Night()
        for minute in range(1, 30):
            engine = night.until(minute)
            engine.place("main", market(SELL, 100_000, symbol=DOGE, reduce_only=True))
        digests.add(engine.digest())
    assert len(digests) == 1
