"""A bot that is started while the venue's REST is dead: it shows what was last known, with its age,
prices nothing off it, and takes everything up by itself when the venue answers again.

OUTLAST_EVERY_CASE=1 tries each way to be dead at each venue; the suite one way at each.
"""

from __future__ import annotations

import asyncio
import os
from decimal import Decimal
from typing import Any

import pytest
from paths_in_sim import VENUES, ground

import outlast
from outlast.backends.journal import read_records
from outlast.client.events import InstrumentsChanged
from outlast.core.histories import check
from outlast.model import OrderStatus, Source

EVERY = os.environ.get("OUTLAST_EVERY_CASE") == "1"
REST = ["*"]
DEAD: dict[str, Any] = {
    "refused": {"reply": "refuse"},
    "silent": {"reply": {"hang": "20s"}, "effect": "none"},
    "busy": {"reply": "unavailable"},
}


async def a_life_before(w: Any, g: Any) -> outlast.Order:
    """Trades, looks at a book, leaves one order resting."""
    async with w.connect() as venue:
        await venue.submit(g.taking)
        await venue.book(g.btc)
        await venue.reconcile()
        order = await venue.submit(g.resting)
        await asyncio.sleep(70)
    return order


ALL = [(venue_id, how) for venue_id in VENUES for how in DEAD]
SOME = list(zip(VENUES, DEAD, strict=True))


@pytest.mark.parametrize(("venue_id", "how"), ALL if EVERY else SOME)
def test_a_start_in_an_outage_shows_the_past_and_comes_back_by_itself(venue_id, how, tmp_path):
    g = ground(venue_id)
    quote = "USD" if venue_id.startswith("kraken") else "USDT"

    async def story(w: Any) -> None:
        before = await a_life_before(w, g)
        await asyncio.sleep(300)
        w.fault(REST, **DEAD[how])
        began = w.clock.now()
        session = w.connect()
        events = session.events()
        async with session as venue:
            assert w.clock.now() - began < 60
            # What was known is there, and says that it is old.
            told = await anext(events)
            while not isinstance(told, InstrumentsChanged):
                told = await anext(events)
            assert not told.is_current
            assert told.age_s > 300
            assert not venue.instruments.is_current
            assert any("not been read since the start" in text for text in venue.health.warnings)
            book = venue.book_peek(g.btc)
            assert book is not None
            assert not book.is_fresh
            assert book.age_s > 300
            assert Decimal(60_000) < book.bids(1)[0].price < book.asks(1)[0].price
            balance = venue.balances.peek(quote)
            assert (balance.is_stale, balance.source) == (True, Source.JOURNAL)
            assert balance.total > 0
            with pytest.raises(outlast.StaleData):
                _ = venue.balances[quote]
            assert [o.client_order_id for o in venue.orders.open()] == [before.client_order_id]
            # Nothing is priced off it.
            sent = len(w.requests("orders.create"))
            with pytest.raises(outlast.StaleData, match="has not been read since the start") as old:
                await venue.quantize(g.resting)
            assert old.value.age_s > 300
            with pytest.raises(outlast.TradingHalted):
                await venue.submit(g.resting, deadline_s=5)
            assert venue.trading_state(g.btc) is not outlast.ACTIVE
            with pytest.raises(outlast.NotSent):
                await venue.submit(outlast.limit("DOGE/EUR", "buy", "1", "1"))
            await asyncio.sleep(240)
            with pytest.raises(outlast.StaleData):
                await venue.quantize(g.resting)
            assert len(w.requests("orders.create")) == sent
            # The venue is back.
            w.heal()
            healed = w.clock.now()
            while not venue.instruments.is_current:
                await asyncio.sleep(0.1)
                assert w.clock.now() - healed < 30
            canceled = await venue.cancel(before.client_order_id)
            assert canceled.status is OrderStatus.CANCELED
            await venue.wait_until(outlast.ACTIVE, g.btc)
            assert venue.balances[quote].total > 0
            await venue.quantize(g.resting)
            assert (await venue.submit(g.resting)).status is OrderStatus.ACCEPTED
            async for told in events:
                if isinstance(told, InstrumentsChanged):
                    break
            assert told.is_current
            assert not any("since the start" in text for text in venue.health.warnings)
            book = await venue.book(g.btc)
            assert book.is_fresh
            await venue.cancel_all()
        await events.aclose()
        assert check(read_records(tmp_path / "bot.journal")).holds
        w.judge()

    g.play(story, tmp_path)


@pytest.mark.parametrize("venue_id", VENUES)
def test_new_risk_waits_until_all_is_compared_with_the_venue(venue_id, tmp_path):
    """The list comes back first; the account stays dead: nothing new is taken."""
    g = ground(venue_id)

    async def story(w: Any) -> None:
        await a_life_before(w, g)
        w.fault(REST, reply="refuse")
        async with w.connect() as venue:
            w.heal()
            dead = w.fault(["account.*", "orders.open", "orders.query"], reply="unavailable")
            await asyncio.sleep(120)
            assert venue.instruments.is_current
            assert venue.trading_state(g.btc) is not outlast.ACTIVE
            with pytest.raises(outlast.TradingHalted):
                await venue.submit(g.resting)
            w.mock.run.desk.remove(dead)
            w.mock.run.changed()
            await venue.wait_until(outlast.ACTIVE, g.btc)
            report = await venue.reconcile()
            assert report.is_complete
            await venue.cancel_all()
        w.judge()

    g.play(story, tmp_path)


@pytest.mark.parametrize("venue_id", VENUES)
def test_an_order_that_nobody_knew_of_is_settled_once_the_venue_answers(venue_id, tmp_path):
    g = ground(venue_id)

    async def story(w: Any) -> None:
        async with w.connect() as venue:
            w.fault("orders.create", reply={"reset": "headers"}, effect="apply", times=1)
            w.fault(["orders.query", "orders.open", "fills.query"], reply="unavailable")
            with pytest.raises(outlast.OutcomeUnknown) as caught:
                await venue.submit(g.resting, deadline_s=1)
        name = caught.value.client_order_id
        w.fault(REST, reply={"hang": "20s"}, effect="none")
        async with w.connect() as venue:
            await asyncio.sleep(300)
            assert [o.client_order_id for o in venue.orders.unknown()] == [name]
            w.heal()
            assert (await venue.settle(name, timeout_s=120)).status is OrderStatus.ACCEPTED
            assert (await venue.cancel(name)).status is OrderStatus.CANCELED
        assert len(w.orders) == 1
        assert check(read_records(tmp_path / "bot.journal")).holds
        w.judge()

    g.play(story, tmp_path)


def test_a_position_can_be_closed_as_soon_as_the_venue_answers(tmp_path):
    g = ground("binance-um")

    async def story(w: Any) -> None:
        async with w.connect() as venue:
            await venue.submit(outlast.market(g.btc, "buy", "0.5"))
            await venue.reconcile()
        w.fault(REST, reply="refuse")
        async with w.connect() as venue:
            assert venue.positions.peek(g.btc).qty == Decimal("0.5")
            assert venue.positions.peek(g.btc).is_stale
            exit_ = outlast.market(g.btc, "sell", "0.5004", reduce_only=True)
            assert (await venue.quantize(exit_)).qty == Decimal("0.5")
            closing = asyncio.create_task(venue.close_position(g.btc))
            await asyncio.sleep(120)
            w.heal()
            healed = w.clock.now()
            assert (await closing).is_flat
            assert w.clock.now() - healed < 15
        assert w.position() == 0
        w.judge()

    g.play(story, tmp_path)


@pytest.mark.parametrize("venue_id", list(VENUES)[:1])
def test_a_journal_that_has_never_seen_the_venues_list_cannot_stand_in_for_it(venue_id, tmp_path):
    g = ground(venue_id)

    async def story(w: Any) -> None:
        w.fault(REST, reply="refuse")
        with pytest.raises(outlast.ReadFailed, match="did not give its list of instruments"):
            async with w.connect():
                raise AssertionError("it cannot have opened")

    g.play(story, tmp_path)


def test_without_keys_the_last_books_are_shown_too(tmp_path):
    g = ground("kraken-spot")

    async def story(w: Any) -> None:
        public = {"key": None, "secret": None}
        async with w.connect(**public) as venue:
            await venue.book(g.btc)
        w.fault(REST, reply="refuse")
        async with w.connect(**public) as venue:
            assert venue.book_peek(g.btc).bids(1)
            w.heal()
            await asyncio.sleep(30)
            assert venue.instruments.is_current

    g.play(story, tmp_path)


def test_a_venue_that_comes_back_taking_only_cancels_is_found_active_once_it_is(tmp_path):
    """The list that is read at last says that nothing trades: it is read again."""
    g = ground("binance-um")
    made = g.module.builder().phase("before", "100s")
    made.phase("dark", "60s", faults=[{"match": "*", "reply": "refuse"}])
    made.phase("limited", "90s", engine={"mode": "cancel_only"})
    scenario = made.phase("well", "rest").build()

    async def story(w: Any) -> None:
        async with w.connect() as venue:
            await venue.submit(g.resting)
        await asyncio.sleep(110 - w.clock.now())
        async with w.connect() as venue:
            assert not venue.instruments.is_current
            await asyncio.sleep(200 - w.clock.now())
            assert venue.instruments.is_current
            assert venue.trading_state(g.btc) is not outlast.ACTIVE
            await asyncio.wait_for(venue.wait_until(outlast.ACTIVE, g.btc), 600)
            await venue.cancel_all()
        w.judge()

    g.play(story, tmp_path, scenario=scenario)
