"""What asking costs: calls, and the trading engine's points per pair."""

from __future__ import annotations

import pytest
from mock_kraken_world import VENUE, World, play

from outlast.mock.limits import Charge, DrainingCounter, Limiter
from outlast.mock.scenario.model import Limits
from outlast.mock.venues.kraken_spot.counters import INTERMEDIATE, PRO, STARTER, WORK, windows


def test_a_draining_counter_drains_and_says_when_there_is_room():
    counter = DrainingCounter(decay_per_s=2.0)
    counter.add(10, 1000)
    assert counter.level(1000) == 10
    assert counter.level(3500) == 5
    assert counter.level(60_000) == 0
    assert counter.fits_ms(4, 12, 1000) == 2000
    assert counter.fits_ms(4, 14, 1000) == 1000


@pytest.mark.parametrize("tier", [STARTER, INTERMEDIATE, PRO])
def test_private_calls_fill_a_counter_that_drains(tier):
    limiter, limits = Limiter(windows(tier)), Limits()

    def ask(cost, now_ms):
        charge = Charge(calls=cost)
        breach = limiter.admit("1.2.3.4", "trader", charge, limits, now_ms)
        if breach is None:
            limiter.count("1.2.3.4", "trader", charge, now_ms)
        return breach

    for _ in range(tier.calls_max):
        assert ask(1, 0) is None
    breach = ask(1, 0)
    assert breach is not None
    assert breach.status == 429
    assert breach.until_ms == pytest.approx(1000 / tier.calls_decay_per_s, abs=1)
    assert ask(4, breach.until_ms) is not None
    assert ask(1, breach.until_ms + 3000) is None
    # Another key of the same address has its own, and public calls are counted apart.
    assert limiter.admit("1.2.3.4", "other", Charge(calls=1), limits, 0) is None
    assert limiter.admit("1.2.3.4", None, Charge(weight=1), limits, 0) is None


def test_who_asks_on_is_locked_out_alone():
    limiter, limits = Limiter(windows(PRO)), Limits()
    full = Charge(calls=PRO.calls_max)
    limiter.count("1.2.3.4", "trader", full, 0)
    statuses = [
        limiter.admit("1.2.3.4", "trader", full, limits, n).status
        for n in range(limits.ban.after_429 + 1)
    ]
    assert statuses == [429] * limits.ban.after_429 + [418]
    assert limiter.admit("1.2.3.4", "trader", Charge(calls=1), limits, 60_000).is_ban
    assert limiter.admit("1.2.3.4", "other", Charge(calls=1), limits, 60_000) is None
    assert limiter.banned("1.2.3.4", limits, 60_000) is None
    after_ms = int(limits.ban.first_s * 1000) + 10
    assert limiter.admit("1.2.3.4", "trader", Charge(calls=1), limits, after_ms) is None


def test_150_dials_in_ten_minutes_are_the_venues_own_limit():
    limiter, limits = Limiter(windows(PRO)), Limits()
    for n in range(150):
        assert limiter.dial("1.2.3.4", limits, n) is None
    assert limiter.dial("1.2.3.4", limits, 200) is not None
    assert limiter.dial("1.2.3.4", limits, 599_000) is not None
    assert limiter.dial("1.2.3.4", limits, 601_000) is None


def test_young_orders_cost_more_to_cancel_and_to_amend():
    ages_s = (1, 7, 12, 30, 60, 200, 400)
    table = {
        "amend": [4, 3, 2, 1, 1, 1, 1],
        "edit": [7, 6, 5, 3, 2, 1, 1],
        "cancel": [8, 6, 5, 4, 2, 1, 0],
    }
    for kind, costs in table.items():
        assert [WORK[kind].cost(age * 1000) for age in ages_s] == costs


def test_the_documented_example_costs_eight_points():
    world = World()
    txid = world.place()
    world.wait(7)
    world.ask("AmendOrder", txid=txid, limit_price="54000.0")
    world.wait(36)
    counter = world.dialect.counters
    before = counter.level("trader", "BTC/USD", world.now_ms)
    world.ask("CancelOrder", txid=txid)
    assert counter.level("trader", "BTC/USD", world.now_ms) == before + 4


def test_cancelling_young_orders_one_by_one_fills_a_starters_counter():
    world = World(tier=STARTER)
    txids = [world.place() for _ in range(7)]
    for txid in txids[:6]:
        world.ask("CancelOrder", txid=txid)
    answer = world.answer("CancelOrder", txid=txids[6])
    assert (answer.code, answer.limited) == ("EOrder:Rate limit exceeded", "429")
    assert world.state(txids[6])["status"] == "open"
    # Another pair has a counter of its own, and CancelAll is cheap.
    assert world.place(pair="ETHUSD", price="1000", volume="1")
    assert world.ask("CancelAll") == {"count": 2}


def test_a_refused_order_costs_its_point_and_a_batch_half_a_point_a_line():
    world = World()
    level = world.dialect.counters.level
    world.refused("AddOrder", **world.order(ordertype="magic"))
    world.refused("AddOrder", **world.order(volume="90"))
    assert level("trader", "BTC/USD", world.now_ms) == 2
    line = '{"ordertype":"limit","type":"buy","volume":"0.01","price":"50000"}'
    world.ask("AddOrderBatch", pair="XBTUSD", orders=f"[{line},{line},{line}]")
    assert level("trader", "BTC/USD", world.now_ms) == 3.5


def test_a_full_counter_refuses_new_orders_until_it_has_drained():
    world = World(tier=STARTER)
    for _ in range(STARTER.points_max):
        world.ask("AddOrder", **world.order(validate=True))
    text = world.refused("AddOrder", **world.order(validate=True))
    assert text == "EOrder:Rate limit exceeded"
    world.wait(1.1)
    assert world.ask("AddOrder", **world.order(validate=True))


def test_limits_hold_at_the_pipeline_and_public_calls_are_counted_apart():
    async def story(world):
        for _ in range(PRO.calls_max):
            assert (await world.post("Balance"))["error"] == []
        assert (await world.post("Balance"))["error"] == ["EAPI:Rate limit exceeded"]
        assert (await world.get("Time"))["error"] == []
        # Order entry has the other counter.
        price = str(world.resting())
        order = {"pair": "XBTUSD", "type": "buy", "ordertype": "limit", "volume": "0.01"}
        placed = await world.post("AddOrder", price=price, **order)
        assert placed["error"] == []
        last = world.exchange.truth.traffic.kept()[-3]
        assert (last.venue, last.limited, last.retry_after_s) == (VENUE, "429", None)
        world.exchange.run.clock.pause()
        await world.exchange.run.clock.advance_to(world.exchange.run.clock.elapsed_s + 5)
        assert (await world.post("Balance"))["error"] == []

    play(story)
