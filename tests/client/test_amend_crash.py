"""The process dies in the middle of an amendment and starts again on its journal (P2).

A copy of the journal's files, taken while the session runs, is what a killed process leaves behind.
"""

from __future__ import annotations

import asyncio
import shutil
from decimal import Decimal

import pytest
from paths_in_sim import VENUES, ground

import outlast
from outlast.backends.journal import read_records
from outlast.core.histories import check
from outlast.model import OrderStatus

KILLED_AFTER_S = (0.0, 0.02, 4.5)


def left_behind(world):
    """The journal as a kill at this very instant would leave it."""
    for suffix in ("", "-wal"):
        source = world.folder / f"bot.journal{suffix}"
        if source.exists():
            shutil.copyfile(source, world.folder / f"killed.journal{suffix}")
    return world.folder / "killed.journal"


@pytest.mark.parametrize("venue", VENUES)
@pytest.mark.parametrize("effect", ["apply", "none"])
@pytest.mark.parametrize("after_s", KILLED_AFTER_S)
def test_killed_in_mid_amendment_the_next_session_finds_the_truth(venue, effect, after_s, tmp_path):
    here = ground(venue)

    async def story(w):
        killed = w.connect()
        async with killed:
            order = await killed.submit(here.resting)
            name = order.client_order_id
            # An answer that nobody hears, so that the dead session cannot help the living one.
            w.fault("orders.amend", reply={"hang": "30s"}, effect=effect, times=1)
            task = asyncio.create_task(killed.amend(name, qty="0.005"))
            await asyncio.sleep(after_s)
            journal = left_behind(w)
            assert [r.kind for r in read_records(journal)].count("order.amend") == 1
            async with w.connect(journal=journal) as heir:
                if effect == "none":
                    with pytest.raises(outlast.InvalidOrder, match="not known yet"):
                        await heir.amend(name, qty="0.004")
                known = await heir.settle(name, timeout_s=120)
                assert known.status is OrderStatus.ACCEPTED
                assert known.qty == (Decimal("0.005") if effect == "apply" else order.qty)
                [truth] = w.orders
                assert (truth.qty, truth.price) == (known.qty, known.price)
                less = await heir.amend(name, qty="0.004")
                assert w.orders[0].qty == less.qty == Decimal("0.004")
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        await asyncio.sleep(30)
        assert len(w.requests("orders.amend")) == 2
        checked = check(read_records(journal))
        assert checked.holds, checked

    here.play(story, tmp_path)
