"""A process that dies at any await of submit, cancel and reconcile: its heir finds everything.

One run of an action counts its steps: each task that goes on, each timer, each piece of news from a
socket. Then it is done again and again, and the process is killed before step 0, 1, 2 … of it, what
it wrote so far being with the operating system. A new process on the same journal must come to the
truth: at most one order per intent, nothing forgotten, a history that verifies.

OUTLAST_CRASH_EVERY=1 kills at every single step (some thousand lives, ten minutes); the suite takes
a step now and then, others each time that its seed (OUTLAST_CRASH_SEED) is.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest
from paths_in_sim import VENUES, Ground, ground

import outlast
from outlast import sim
from outlast.core.histories import check
from outlast.core.journal import decode_fields
from outlast.model import OrderStatus
from outlast.trials.disk import Disk

EVERY = int(os.environ.get("OUTLAST_CRASH_EVERY", "0"))
SEED = int(os.environ.get("OUTLAST_CRASH_SEED", "1"))
SAMPLE = 3
"""Of the steps of one action, where not all are taken."""
REST_S = 45.0
"""Between two lives: a restart costs more of the venue's limits than a bot may use up in a minute.
"""

Act = Callable[["Life"], Awaitable[None]]


@dataclass
class Life:
    """What one process does: first what leads up to it, then the action under the knife."""

    w: Any
    g: Ground
    venue: Any
    name: str = ""
    """Of the order that it is about."""

    def lose(self, reply: Any, effect: str) -> None:
        self.w.fault("orders.create", reply=reply, effect=effect, times=1)


async def nothing(life: Life) -> None:
    """No prologue."""


async def submit(life: Life) -> None:
    await life.venue.submit(life.g.resting)


async def take(life: Life) -> None:
    await life.venue.submit(life.g.taking)


async def submit_unheard(life: Life) -> None:
    """It lands, and its answer is lost: settled within the call."""
    life.lose({"reset": "headers"}, "apply")
    await life.venue.submit(life.g.resting, deadline_s=30)


async def submit_in_vain(life: Life) -> None:
    """It never lands, and nobody says so."""
    life.lose({"reset": "headers"}, "none")
    try:
        await life.venue.submit(life.g.resting, deadline_s=30)
    except outlast.OutcomeUnknown as error:
        await life.venue.settle(error.client_order_id, timeout_s=60)
    except outlast.OutlastError:
        return  # it was proved, and says so


async def resting(life: Life) -> None:
    life.name = (await life.venue.submit(life.g.resting)).client_order_id


async def cancel(life: Life) -> None:
    await life.venue.cancel(life.name)


async def cancel_unheard(life: Life) -> None:
    life.w.fault("orders.cancel", reply={"reset": "headers"}, effect="apply", times=1)
    try:
        await life.venue.cancel(life.name)
    except outlast.OutcomeUnknown:
        await life.venue.cancel(life.name)


async def fills_missed(life: Life) -> None:
    """One order rests, one was filled and nobody has heard of either fill or answer."""
    await resting(life)
    life.lose({"reset": "headers"}, "apply")
    blind = life.w.fault(["orders.query", "orders.open", "fills.query"], reply="unavailable")
    try:
        await life.venue.submit(life.g.taking, deadline_s=0.5)
    except outlast.OutcomeUnknown as error:
        life.name = error.client_order_id
    life.w.mock.run.desk.remove(blind)
    life.w.mock.run.changed()


async def reconcile(life: Life) -> None:
    await life.venue.reconcile()


CASES: dict[str, tuple[Act, Act]] = {
    "submit": (nothing, submit),
    "submit, filled at once": (nothing, take),
    "submit, its answer lost": (nothing, submit_unheard),
    "submit, never landed": (nothing, submit_in_vain),
    "cancel": (resting, cancel),
    "cancel, its answer lost": (resting, cancel_unheard),
    "reconcile, fills missed": (fills_missed, reconcile),
}


class Knife:
    """Kills a process before its step number `at` from `arm` on."""

    def __init__(self, process: sim.Process, disk: Disk, at: int | None) -> None:
        self._process, self._disk, self._at = process, disk, at
        self.steps = 0
        self.has_struck = False

    def arm(self) -> None:
        self._process.before_step = self._step

    def put_away(self) -> None:
        self._process.before_step = None

    def _step(self) -> None:
        if self.steps == self._at and not self.has_struck:
            self.has_struck = True
            self._disk.kill()
            sim.network().kill(self._process)
        self.steps += 1


async def live_and_die(w: Any, g: Ground, disk: Disk, case: str, at: int | None) -> Knife:
    """One life that ends at step `at` of its action, or by itself."""
    prologue, act = CASES[case]
    with sim.network().process("bot") as process:
        knife = Knife(process, disk, at)

        async def program() -> None:
            async with w.connect(journal=disk.open()) as venue:
                life = Life(w, g, venue)
                await prologue(life)
                knife.arm()
                await act(life)
                knife.put_away()

        task = asyncio.create_task(program())
    await asyncio.wait({task})
    if not knife.has_struck:
        task.result()
    return knife


async def inherit(w: Any, g: Ground, disk: Disk, before: set[str], where: str) -> None:
    """A new process on the same journal comes to the truth."""
    w.heal()
    store = disk.open()
    async with w.connect(journal=store) as heir:
        for order in heir.orders.unknown():
            await heir.settle(order.client_order_id, timeout_s=120)
        report = await heir.reconcile()
        assert report.is_complete, where
        told = [o for o in w.orders if o.client_order_id not in before]
        named = [o.client_order_id for o in told]
        assert len(set(named)) == len(named), f"{where}: two orders of one intent"
        known = {o.client_order_id: o for o in heir.orders.all() if o.client_order_id not in before}
        assert set(named) <= set(known), f"{where}: an order was forgotten"
        placed = {n for n, o in known.items() if o.status not in NEVER_LIVE}
        assert placed == set(named), f"{where}: {known}"
        for true in told:
            found = known[true.client_order_id]
            assert found.filled_qty == true.filled_qty, where
            assert found.status.is_final != true.is_open, f"{where}: {found}"
            fills = heir._open.book.ledger.executions(found.client_order_id)
            assert sum((fill.qty for fill in fills), Decimal(0)) == true.filled_qty, where
        canceled = await heir.cancel_all()
        assert not canceled.failed, where
    assert not any(o.is_open for o in w.orders), where
    checked = check(disk.records())
    assert checked.holds, f"{where}: {checked}"


NEVER_LIVE = {OrderStatus.NOT_PLACED, OrderStatus.REJECTED, OrderStatus.DENIED}


def intents(disk: Disk) -> set[str]:
    """The ids of all orders that were written down."""
    found = (decode_fields(r.data) for r in disk.records() if r.kind == "order.intent")
    return {fields["order"]["client_order_id"] for fields in found}


def points(steps: int, case: str) -> list[int]:
    if EVERY:
        return list(range(0, steps, EVERY))
    rng = random.Random(f"{SEED} {case}")
    return sorted(rng.sample(range(steps), min(SAMPLE, steps)))


@pytest.mark.timeout(3_000 if EVERY else 120)
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("venue_id", VENUES)
def test_whichever_await_a_process_dies_at_its_heir_finds_everything(venue_id, case, tmp_path):
    g = ground(venue_id)
    struck = []

    async def story(w: Any) -> None:
        disk = Disk(now=w.clock.now, rng=random.Random(SEED))  # of all lives: a bot keeps its own

        async def one(at: int | None, where: str) -> Knife:
            before = intents(disk)
            knife = await live_and_die(w, g, disk, case, at)
            await inherit(w, g, disk, before, where)
            await asyncio.sleep(REST_S)
            return knife

        whole = await one(None, f"{venue_id}, {case}, alive to its end")
        assert whole.steps > 3
        for at in points(whole.steps, case):
            where = f"{venue_id}, {case}, killed at step {at} of {whole.steps}"
            if (await one(at, where)).has_struck:
                struck.append(at)
        print(f"{venue_id}, {case}: {whole.steps} steps, killed at {len(struck)} of them")

    g.play(story, tmp_path, time_limit_s=1e6)
    assert struck
