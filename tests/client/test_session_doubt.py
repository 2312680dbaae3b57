"""New risk waits while what the venue says of the account is not believed."""

import pytest
from venue_in_sim import builder, play

import outlast

SYMBOL = "BTC/USDT:USDT"


def test_zero_balances_hold_new_risk_and_nothing_else(tmp_path):
    async def story(w):
        async with w.connect() as venue:
            await venue.submit(outlast.market(SYMBOL, "buy", "0.01"))
            await w.clock.sleep(200)  # into the lie, and past a poll
            with pytest.raises(outlast.TradingHalted, match="not believed"):
                await venue.submit(outlast.market(SYMBOL, "buy", "0.01"))
            assert venue.trading_state(SYMBOL) is outlast.REDUCING
            with pytest.raises(outlast.StaleData):
                _ = venue.balances["USDT"]
            report = await venue.close_position(SYMBOL)
            assert report.is_flat
            await w.clock.sleep(400)  # out of it
            assert venue.trading_state(SYMBOL) is outlast.ACTIVE

    lying = builder().phase("calm", "60s")
    lying = lying.phase("zeros", "5m", account={"balances": "zero"}).phase("after", "rest")
    play(story, tmp_path, scenario=lying.build())
