"""What a journal says against what the venue says, once a bot has been down for a while."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from venue_in_sim import BTC, PASSIVE, World, play

import outlast
from outlast.backends.journal import MemoryStore, read_records
from outlast.client.comparison import Comparison, compare
from outlast.client.journal import read_history

BUY = outlast.limit(BTC, "buy", "0.010", PASSIVE)


async def compared(w: World, **changes: Any) -> Comparison:
    """As `outlast reconcile --dry-run` does it."""
    store = MemoryStore()
    store.write(*read_records(w.folder / "bot.journal"))
    return await compare(
        w.connect(**({"journal": store} | changes)), read_history(store), wait_s=120
    )


def test_a_journal_that_agrees(tmp_path):
    async def story(w: World):
        async with w.connect() as venue:
            await venue.submit(BUY)
        found = await compared(w)
        assert (found.differences, found.unknown, found.failures) == ((), (), ())
        assert found.is_complete

    play(story, tmp_path)


def test_what_happened_meanwhile_is_told_and_the_journal_left_alone(tmp_path):
    async def story(w: World):
        async with w.connect() as venue:
            resting = await venue.submit(BUY)
        journal = (w.folder / "bot.journal").read_bytes()
        # Another program, with a journal of its own, on the same account.
        async with w.connect(journal=None) as other:
            bought = await other.submit(outlast.market(BTC, "buy", "0.002"))
            foreign = await other.submit(outlast.limit(BTC, "buy", "0.003", PASSIVE))
            assert bought.status is outlast.OrderStatus.FILLED
        found = await compared(w)
        assert found.is_complete
        told = {(d.what, d.name): (d.journal, d.venue) for d in found.differences}
        assert told["position", BTC] == ("0", "0.002")
        assert told["order", foreign.client_order_id] == (
            "not in it",
            f"buy 0.003 {BTC} limit at {PASSIVE}.00, accepted",
        )
        assert ("balance", "USDT") in told
        assert ("order", resting.client_order_id) not in told
        assert (w.folder / "bot.journal").read_bytes() == journal

    play(story, tmp_path)


@pytest.mark.parametrize(
    ("effect", "venue"), [("apply", "accepted"), ("none", "not_placed")], ids=["landed", "lost"]
)
def test_an_order_whose_answer_was_lost_is_settled(effect, venue, tmp_path):
    async def story(w: World):
        async with w.connect() as bot:
            w.fault("orders.create", reply="unknown", effect=effect)
            w.fault("orders.query", reply="internal")
            with pytest.raises(outlast.OutcomeUnknown) as lost:
                await bot.submit(BUY, deadline_s=2)
        w.heal()
        await asyncio.sleep(60)
        found = await compared(w)
        [difference] = found.differences
        assert difference.name == lost.value.client_order_id
        assert (difference.journal, difference.venue) == ("unknown", venue)

    play(story, tmp_path)


def test_what_the_venue_does_not_answer_is_not_taken_for_agreement(tmp_path):
    async def story(w: World):
        async with w.connect() as venue:
            await venue.submit(BUY)
        w.fault("orders.open", reply="internal")
        found = await compared(w)
        assert found.failures
        assert not found.is_complete

    play(story, tmp_path)
