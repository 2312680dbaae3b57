"""The matrix of certainty over real sockets and in real time: the cases that take little of it.

All venues and both paths at once, each with a mock of its own: the time is spent waiting. The proof
of absence is given a horizon of seconds; everything else is as it comes.
"""

from __future__ import annotations

import asyncio
import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
from paths_in_sim import VENUES, Watch, booked_qty, ground, settings, truly_filled, until_live
from test_certainty_matrix import (
    CUT,
    PATHS,
    Night,
    Story,
    acked_then_lost,
    answered,
    duplicate_id,
    filled_at_once,
    hold_to_promises,
    one_fill_told_three_times,
)
from test_order_paths import attempts
from venue_in_sim import World

from outlast.backends.clock import SystemClock
from outlast.core.settle import SettleSettings
from outlast.mock.exchange import MockExchange
from outlast.model import OrderStatus

pytestmark = [pytest.mark.sockets, pytest.mark.timeout(120)]

CLOCK = SystemClock()
SOON = SettleSettings(
    look_every_s=1.0,
    look_grows_x=8.0,
    rounds=1,  # Kraken's counter makes ten seconds of a second one: virtual time plays it
    engine_gives_up_s=1.0,
    margin_s=0.5,
    round_spacing_s=0.5,
    fences_in_trouble=2,
    fence_spacing_s=0.2,
    fence_spacing_stuck_s=0.2,
    stuck_s=2.0,
)
LONG_S: Final = 30.0
"""How long an order is valid: one that is to land may be slow to arrive on a busy machine."""
WAITED_FOR_S: Final = {
    "cut off and never landed": 2.0,
    "502 and never landed": 2.0,
    "acked then lost": 6.0,
}
"""Where absence is proved it passes first. Kraken takes no deadline below two seconds."""


@dataclass
class RealWorld(World):
    @property
    def clock(self) -> Any:
        return CLOCK


async def tell(story: Story, venue: str, path: str, folder: Path, *, valid_for_s: float) -> None:
    here = ground(venue)
    tier = {"tier": "pro"} if venue == "kraken-spot" else {}
    async with MockExchange(here.module.calm(), venues=[venue]) as mock:
        w = RealWorld(mock, folder, 1, venue=venue)
        chosen = settings(settle=SOON, valid_for_s=valid_for_s, **tier, **PATHS[path])
        journal = folder / f"{venue}-{path}.journal"
        async with w.connect(settings=chosen, journal=journal) as session:
            watch = Watch()
            listening = asyncio.create_task(watch.listen(session))
            if path == "sockets":
                await until_live(w, session)
            night = Night(w, session, here, path)
            await story(night)
            await night.pause(0.5)
            await session.reconcile()
            assert len(w.requests("orders.create")) == 1
            assert booked_qty(session) == truly_filled(w)
            hold_to_promises(night, watch)
            listening.cancel()
        w.judge()


CASES: dict[str, Story] = {
    "cut off and filled at once": filled_at_once(CUT),
    "cut off and never landed": answered(CUT, lands=False),
    "502 and landed": answered({"http": {"status": 502, "body": ""}}, lands=True),
    "502 and never landed": answered({"http": {"status": 502, "body": ""}}, lands=False),
    "acked then lost": acked_then_lost(1),
    "duplicate id": duplicate_id,
    "one fill told three times": one_fill_told_three_times,
}


@pytest.mark.parametrize("case", CASES)
def test_it_is_known_over_real_sockets_what_became_of_the_order(case, tmp_path):
    valid_for_s = WAITED_FOR_S.get(case, LONG_S)

    async def everywhere() -> None:
        await asyncio.gather(
            *(
                tell(CASES[case], venue, path, tmp_path, valid_for_s=valid_for_s)
                for venue in VENUES
                for path in PATHS
            )
        )

    asyncio.run(everywhere())


async def by_rest_before_its_deadline(venue: str, folder: Path) -> None:
    """The socket is gone when the order comes: nothing has left, and REST takes it."""
    here = ground(venue)
    async with MockExchange(here.module.calm(), venues=[venue]) as mock:
        w = RealWorld(mock, folder, 1, venue=venue)
        chosen = settings(order_entry="websocket-first")
        async with w.connect(settings=chosen, journal=folder / f"{venue}.journal") as session:
            await until_live(w, session)
            w.fault(["ws.user.connect", "ws.market.connect"], reply={"http": {"status": 503}})
            session._open.private.trade.line.drop("the test cuts it")
            began = CLOCK.now()
            order = await session.submit(here.resting, deadline_s=5)
            assert CLOCK.now() - began < 5
            assert order.status is OrderStatus.ACCEPTED
            assert attempts(session) == ["rest"]
            assert len(w.orders) == len(w.requests("orders.create")) == 1
        w.judge()


def test_over_real_sockets_an_order_without_a_socket_goes_by_rest_in_time(tmp_path):
    async def everywhere() -> None:
        one = functools.partial(by_rest_before_its_deadline, folder=tmp_path)
        await asyncio.gather(*(one(venue) for venue in VENUES))

    asyncio.run(everywhere())
