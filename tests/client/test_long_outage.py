"""106 minutes of total outage: the reduce-only lockout of October 2025 lasted as long.

Three orders rest; the answer to a fourth was lost when the outage began, and it fills at minute 40.
Nothing is declared dead meanwhile, and once the venue answers again one comparison tells it all.

OUTLAST_EVERY_CASE=1 plays each venue with and without streams; the suite two of the six.
"""

from __future__ import annotations

import asyncio
import os
from decimal import Decimal
from typing import Any

import pytest
from paths_in_sim import VENUES, Watch, ground

import outlast
from outlast.backends.journal import read_records
from outlast.client.settings import Settings
from outlast.core.histories import check
from outlast.model import OrderStatus, Plane

EVERY = os.environ.get("OUTLAST_EVERY_CASE") == "1"
CALM_S, FILLS_AFTER_S, LASTS_S = 60, 40 * 60, 106 * 60
AT_ONCE_S = 120.0
"""How soon after its end it is found out: in so long a silence probes are a minute apart."""

ALL = [(venue_id, streams) for venue_id in VENUES for streams in (False, True)]
SOME = [("binance-um", True), ("kraken-spot", False)]


def falling(module: Any) -> Any:
    """Still for 40 minutes of the outage; then the market falls by two per cent, and stays."""
    made = module.builder().phase("still", f"{CALM_S + FILLS_AFTER_S}s")
    return made.phase("lower", "rest", market={"drift": "-0.02", "over": "10s"}).build()


def all_goes_dark(w: Any) -> None:
    w.fault("*", reply={"reset": "headers"}, effect="none")
    # The rule that was added last is asked first.
    w.fault("orders.create", reply={"reset": "headers"}, effect="apply", times=1)
    for path in ("user", "market"):
        w.fault(f"ws.{path}.connect", reply={"http": {"status": 503}})
        w.fault(f"ws.{path}.stream", stream="mute")


@pytest.mark.timeout(240)
@pytest.mark.parametrize(("venue_id", "streams"), ALL if EVERY else SOME)
def test_106_minutes_of_silence_and_all_four_orders_are_told_as_they_are(
    venue_id, streams, tmp_path
):
    g = ground(venue_id)
    below = [str(Decimal(g.module.PASSIVE) + 100 * n) for n in range(3)]

    async def story(w: Any) -> None:
        settings = Settings(seed=w.seed, streams=streams)
        async with w.connect(settings=settings) as venue:
            watch = Watch()
            listening = asyncio.create_task(watch.listen(venue))
            resting = [
                await venue.submit(outlast.limit(g.btc, "buy", "0.010", price)) for price in below
            ]
            names = [order.client_order_id for order in resting]
            await asyncio.sleep(CALM_S - 5)
            all_goes_dark(w)
            began = w.clock.now()
            with pytest.raises(outlast.OutcomeUnknown) as caught:
                await venue.submit(outlast.limit(g.btc, "buy", "0.010", "67500"), deadline_s=12)
            unheard = caught.value.client_order_id

            def nothing_is_declared_dead() -> None:
                for name in names:
                    assert venue.orders.get(name).status is OrderStatus.ACCEPTED
                assert venue.orders.get(unheard).status is OrderStatus.UNKNOWN
                assert [o.client_order_id for o in venue.orders.unknown()] == [unheard]
                assert venue.trading_state(g.btc) is not outlast.ACTIVE

            while w.clock.now() - began < LASTS_S:
                await asyncio.sleep(60)
                nothing_is_declared_dead()
                if w.clock.now() - began > 300:
                    with pytest.raises(outlast.NotSent):
                        await venue.submit(g.taking, deadline_s=1)
            [true] = [o for o in w.orders if o.client_order_id == unheard]
            assert true.filled_qty == Decimal("0.010")
            assert venue.orders.get(unheard).filled_qty == 0  # nobody has told
            w.heal()
            healed = w.clock.now()
            while venue._open.guard.is_left_alone(Plane.ACCOUNT):
                await asyncio.sleep(0.25)
                assert w.clock.now() - healed < AT_ONCE_S
            print(f"{venue_id}: asked again {w.clock.now() - healed:.1f} s after the end")
            report = await venue.reconcile()
            assert report.failures == ()
            assert report.unknown == ()
            found = {name: venue.orders.get(name) for name in [*names, unheard]}
            assert {o.client_order_id for o in w.orders} == set(found)
            for true in w.orders:
                order = found[true.client_order_id]
                assert order.filled_qty == true.filled_qty
                assert order.status.is_final != true.is_open
            assert found[unheard].status is OrderStatus.FILLED
            fills = venue._open.book.ledger.executions(unheard)
            assert sum(fill.qty for fill in fills) == Decimal("0.010")
            await venue.wait_until(outlast.ACTIVE, g.btc)
            assert (await venue.reconcile()).is_complete
            for name in names:
                assert (await venue.cancel(name)).status is OrderStatus.CANCELED
        await listening
        watch.holds()
        assert check(read_records(tmp_path / "bot.journal")).holds
        w.judge()

    g.play(story, tmp_path, scenario=falling(g.module), time_limit_s=4 * 3600)
