"""On spot a balance that is gone is explained by the fills of what we trade, or not at all."""

from __future__ import annotations

from decimal import Decimal

import pytest
from binance_spot_in_sim import BTC, SpotWorld, builder, play

import outlast


def test_a_balance_that_another_program_sold_is_explained_by_its_fills(tmp_path):
    async def story(w: SpotWorld):
        async with w.connect() as venue:
            await venue.submit(outlast.market(BTC, "buy", "0.1"))
            await w.clock.sleep(90)  # a poll has shown it
            held = venue.balances["BTC"].free
            async with w.connect(journal=None, settings=outlast.Settings(seed=99)) as other:
                order = outlast.market(BTC, "sell", held)
                await other.submit(await other.quantize(order))
            left = w.account.balances["BTC"].true.last(Decimal(0))
            await w.clock.sleep(75)
            assert venue.balances["BTC"].total == left == 0
            assert venue.trading_state(BTC) is outlast.ACTIVE

    play(story, tmp_path)


def test_a_lie_about_balances_is_not_explained_by_what_was_bought(tmp_path):
    async def story(w: SpotWorld):
        async with w.connect() as venue:
            await venue.submit(outlast.market(BTC, "buy", "0.1"))
            await w.clock.sleep(200)
            with pytest.raises(outlast.StaleData):
                _ = venue.balances["BTC"]
            assert venue.trading_state(BTC) is outlast.REDUCING
            await w.clock.sleep(200)
            assert venue.balances["BTC"].total > Decimal("0.59")

    lying = builder().phase("calm", "60s").phase("lie", "5m", account={"balances": "zero"})
    play(story, tmp_path, scenario=lying.phase("after", "rest").build())
