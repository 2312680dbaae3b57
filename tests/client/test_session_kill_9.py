"""`kill -9` at random points of a busy session: real processes, real sockets, one journal.

`OUTLAST_KILLS=500 pytest tests/client/test_session_kill_9.py` kills more often than the suite has
time for; `OUTLAST_KILL_SEED` repeats the points of a run, as far as real time can be repeated.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import random
import signal
import sys
from pathlib import Path

import killed_bot
import pytest
from killed_bot import SYMBOLS, connect

from outlast.backends.journal import read_records
from outlast.core.histories import Histories
from outlast.core.journal import verify
from outlast.errors import ConfigurationError
from outlast.mock.exchange import MockExchange
from outlast.mock.run import DEFAULT_ACCOUNT
from outlast.mock.scenario.builder import ScenarioBuilder, fault
from outlast.model import OrderStatus
from outlast.wire import Record

KILLS = int(os.environ.get("OUTLAST_KILLS", "20"))
SEED = int(os.environ.get("OUTLAST_KILL_SEED", "0")) or random.SystemRandom().randrange(1, 10**6)

pytestmark = [
    pytest.mark.sockets,
    pytest.mark.timeout(120 + 3 * KILLS),
    pytest.mark.skipif(sys.platform == "win32", reason="kill -9 is a signal of POSIX"),
]


def scenario():
    made = ScenarioBuilder("under-test", venue="binance-um")
    for symbol, mid in SYMBOLS.items():
        tick = "0.1" if float(mid) > 1000 else "0.0001"
        name = symbol.partition("/")[0] + "USDT"
        made.instrument(name, product="um", mid=mid, tick=tick, vol_bps_per_min="0.1")
    made.account(balances={"USDT": "5000000"})
    lost = [
        fault("orders.create", p=0.01, reply="unknown", effect=effect)
        for effect in ("apply", "none")
    ]
    # A restart every half second costs more than the venue allows, which is another story.
    return made.phase("all", "rest", faults=lost, limits={"factor": 100}).build()


def written(journal: Path) -> list[Record]:
    """Its records; none where the first life died before the file was a journal."""
    try:
        return list(read_records(journal))
    except ConfigurationError:
        assert not journal.exists() or journal.stat().st_size == 0
        return []


async def kill_and_kill(folder: Path) -> None:
    rng = random.Random(SEED)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["outlast", "outlast.venues.binance_um"])
    journal = folder / "bot.journal"
    async with MockExchange(scenario(), venues=["binance-um"]) as mock:
        wires = mock.describe()["venues"]["binance-um"]
        for life in range(KILLS):
            begins = context.Event()
            terms = (wires, str(journal), SEED + life, begins)
            bot = context.Process(target=killed_bot.main, args=terms)
            await asyncio.to_thread(bot.start)
            await asyncio.to_thread(begins.wait, 30)
            await asyncio.sleep(rng.uniform(0.0, 0.6))  # the point of its work at which it dies
            assert bot.is_alive(), f"life {life} ended by itself, exit code {bot.exitcode}"
            bot.kill()
            await asyncio.to_thread(bot.join)
            assert bot.exitcode == -signal.SIGKILL
            records = written(journal)
            assert verify(records) is None
            histories = Histories()
            assert [f for record in records for f in histories.fold(record)] == []
        async with connect(wires, str(journal)) as heir:
            for order in heir.orders.unknown():
                await heir.settle(order.client_order_id, timeout_s=60)
            report = await heir.reconcile()
            assert report.is_complete
            known = {order.client_order_id: order for order in heir.orders.all()}
            flat = {symbol: heir.positions[symbol].qty for symbol in SYMBOLS}
        mock.run.clock.catch_up()
        truth, now_ms = mock.truth, mock.truth.now_ms
        account = truth.history.at("binance-um", DEFAULT_ACCOUNT)
        assert account is not None
        true = {order.client_order_id: order for order in account.orders.values()}
        assert len(true) == len(account.orders), "two orders of one id: one intent, one order"
        forgotten = true.keys() - known.keys()
        assert not forgotten
        placed = {o for o in known if known[o].status is not OrderStatus.NOT_PLACED}
        live = {o for o in placed if known[o].status is not OrderStatus.DENIED}
        rejected = {o for o in live if known[o].status is OrderStatus.REJECTED}
        assert live - rejected == true.keys()
        for symbol, qty in flat.items():
            assert qty == account.position(symbol.partition("/")[0] + "USDT", now_ms)
        assert account.orders, "nothing was traded: the kills came too early to mean anything"
        card = truth.scorecard(DEFAULT_ACCOUNT)
        assert (card["duplicates"], card["lost"], card["bans"]) == (0, 0, 0)


def test_killed_at_random_points_nothing_is_doubled_and_nothing_forgotten(tmp_path):
    print(f"OUTLAST_KILL_SEED={SEED} OUTLAST_KILLS={KILLS}")
    asyncio.run(kill_and_kill(tmp_path))
