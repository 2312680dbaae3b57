"""What became of the order is known, whatever is lost, late, doubled or false: the whole matrix.

Every case on every venue, by REST alone (no stream, no socket) and by sockets (the account's stream
and orders by socket). In each the venue has exactly one order for the intent, or none and a proof;
every fill is booked once; no state goes backwards; no verdict is taken back. The venue's truth
judges, and the journal's histories.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from paths_in_sim import (
    VENUES,
    Ground,
    Watch,
    booked_qty,
    find_out,
    ground,
    settings,
    sockets,
    truly_filled,
    until_live,
)

import outlast
from outlast.client.events import OrderChanged
from outlast.core.histories import check
from outlast.model import OrderStatus

PATHS = {
    "rest": {"streams": False, "order_entry": "rest"},
    "sockets": {"streams": True, "order_entry": "websocket-first"},
}
HANG, CUT = {"hang": "60s"}, {"reset": "headers"}
FALLS_AFTER_S = 20
QUIET_S = 75.0
"""After each story: a poll and whatever was still being settled come by in it."""


@dataclass
class Night:
    """One story: a world, a session in it, and who watches it."""

    w: Any
    session: outlast.Session
    here: Ground
    path: str

    def fault(self, reply: Any, effect: Any = None, **terms: Any) -> None:
        said = {} if effect is None else {"effect": effect}
        self.w.fault("orders.create", **{"reply": reply, "times": 1, **said, **terms})

    async def pause(self, seconds: float) -> None:
        await self.w.clock.sleep(seconds)

    async def placed(self) -> outlast.Order:
        """A bid that rests, whatever its answer is."""
        return await find_out(self.session, self.here.resting)


Story = Callable[[Night], Awaitable[None]]


def one(night: Night, order: outlast.Order, status: OrderStatus) -> None:
    """The venue has one order, which is as it is believed to be."""
    [made] = night.w.orders
    assert order.status is status
    assert order.venue_order_id is not None
    assert made.client_order_id == order.client_order_id
    assert made.filled_qty == order.filled_qty


def none(night: Night, order: outlast.Order) -> None:
    assert order.status is OrderStatus.NOT_PLACED
    assert night.w.orders == []


# The stories -----------------------------------------------------------------------------------


def answered(reply: Any, *, lands: bool) -> Story:
    """The answer says nothing, and the order is in the book or it is not."""

    async def story(n: Night) -> None:
        n.fault(reply, "apply" if lands else "none")
        order = await n.placed()
        if lands:
            one(n, order, OrderStatus.ACCEPTED)
        else:
            none(n, order)

    return story


def filled_at_once(reply: Any) -> Story:
    async def story(n: Night) -> None:
        n.fault(reply, "apply")
        one(n, await find_out(n.session, n.here.taking), OrderStatus.FILLED)

    return story


def lands_late(after_s: int) -> Story:
    """Within its validity, or long after it; either way what is told at the end is the truth."""

    async def story(n: Night) -> None:
        n.fault({"hang": "120s"}, {"apply_after": f"{after_s}s"})
        order = await n.placed()
        if n.w.orders:
            one(n, order, OrderStatus.ACCEPTED)
        else:
            none(n, order)

    return story


def acked_then_lost(after_s: int) -> Story:
    """Accepted with an id, and gone without a word some seconds later."""

    async def story(n: Night) -> None:
        n.fault("ok", {"apply_then_void": f"{after_s}s"})
        order = await n.session.submit(n.here.resting)
        assert order.status is OrderStatus.ACCEPTED
        await n.pause(2 * after_s)
        await n.session.reconcile()
        await n.session.settle(order.client_order_id, timeout_s=180)
        [known] = n.session.orders.all()
        assert known.status in (OrderStatus.NOT_PLACED, OrderStatus.CANCELED, OrderStatus.EXPIRED)
        assert n.session.orders.open() == []

    return story


async def duplicate_id(n: Night) -> None:
    """The first landed unanswered and is in the venue's way: it says so, and no more."""
    n.fault(DUPLICATE[n.here.venue], "apply")
    one(n, await n.placed(), OrderStatus.ACCEPTED)


async def cancel_of_a_filled_order(n: Night) -> None:
    """The market falls through the bid; nobody says so, and then there is no such order."""
    bid = outlast.limit(n.here.btc, "buy", "0.010", "67500")
    order = await find_out(n.session, bid)
    assert order.status is OrderStatus.ACCEPTED
    await n.pause(FALLS_AFTER_S - 1)
    n.w.fault("ws.user.stream", stream="mute")
    await n.pause(6)
    assert n.session.orders.get(order.client_order_id).status is OrderStatus.ACCEPTED
    known = await n.session.cancel(order.client_order_id)
    one(n, known, OrderStatus.FILLED)
    n.w.heal()


async def fill_before_the_ack(n: Night) -> None:
    """The acknowledgement is on its way for eight seconds, and the fill is not."""
    n.fault({"dribble": {"over": "8s", "then": "ok"}}, "apply")
    began = n.w.clock.now()
    order = await n.session.submit(n.here.taking)
    assert n.w.clock.now() - began < (4 if n.path == "sockets" else 11)
    one(n, order, OrderStatus.FILLED)
    await n.pause(20)
    one(n, n.session.orders.get(order.client_order_id), OrderStatus.FILLED)


async def rest_behind_the_stream(n: Night) -> None:
    """For a minute every query tells of the time before the fill."""
    n.fault(CUT, "apply")
    order = await find_out(n.session, n.here.taking)
    one(n, order, OrderStatus.FILLED)
    await n.session.reconcile()
    one(n, n.session.orders.get(order.client_order_id), OrderStatus.FILLED)


async def one_fill_told_three_times(n: Night) -> None:
    """By the stream or the answer, by a query, and by the next connection's snapshot."""
    order = await n.session.submit(n.here.taking)
    lookups, instrument = n.session._open.lookups, n.session.instrument(n.here.btc)
    since_ms = n.w.mock.truth.now_ms - 60_000
    assert await lookups.executions(instrument, since_ms=since_ms) is None
    if n.path == "sockets":
        sockets(n.session).stream.line.drop("the test cuts it")
        await until_live(n.w, n.session)
    await n.session.reconcile()
    one(n, n.session.orders.get(order.client_order_id), OrderStatus.FILLED)


DUPLICATE = {
    "binance-um": {
        "http": {"status": 400, "body": '{"code":-4116,"msg":"ClientOrderId is duplicated."}'}
    },
    "binance-spot": {
        "http": {"status": 400, "body": '{"code":-2010,"msg":"Duplicate order sent."}'}
    },
    "kraken-spot": {"json": {"error": ["EGeneral:Invalid arguments:cl_ord_id not unique"]}},
}
UNLISTED = {
    "binance-um": {"http": {"status": 400, "body": '{"code":-9999,"msg":"?"}'}},
    "binance-spot": {"http": {"status": 400, "body": '{"code":-9999,"msg":"?"}'}},
    "kraken-spot": {"json": {"error": ["EOrder:Something of tomorrow"]}},
}


async def old_namesake(n: Night) -> None:
    """An order of the same name, filled long ago, is not the one that never landed."""
    n.fault(CUT, "none")
    named = replace(n.here.taking, client_order_id=NAMESAKE)
    known = await find_out(n.session, named)
    assert known.status is OrderStatus.NOT_PLACED
    assert len(n.w.orders) == 1  # the old one
    assert booked_qty(n.session) == 0


NAMESAKE = "namesake1"


async def long_ago(w: Any, here: Ground) -> None:
    """The life of the namesake, of which the journal knows nothing."""
    async with w.connect(journal=None, settings=settings(streams=False)) as first:
        named = replace(here.taking, client_order_id=NAMESAKE)
        assert (await first.submit(named)).status is OrderStatus.FILLED
    await w.clock.sleep(180)


def falling(here: Ground, path: str) -> Any:
    calm = here.module.builder().phase("calm", f"{FALLS_AFTER_S}s")
    return calm.phase("falling", "rest", market={"drift": "-0.02", "over": "4s"}).build()


def lagging(here: Ground, path: str) -> Any:
    """Without a stream nobody can see through a lag that is longer than the horizon of proof."""
    stale = {"balances": "stale"} | ({"positions": "stale"} if here.venue == "binance-um" else {})
    lag = {"history_lag": "60s" if path == "sockets" else "8s"}
    made = here.module.builder().phase("calm", "1s")
    made = made.phase("lagging", "60s", engine=lag, account=stale if path == "sockets" else None)
    return made.phase("well-again", "rest", engine={"history_lag": "0s"}).build()


@dataclass(frozen=True)
class Case:
    story: Story
    scenario: Callable[[Ground, str], Any] | None = None
    before: Callable[[Any, Ground], Awaitable[None]] | None = None
    is_judged: bool = True
    """The scorecard has nothing against it; a second order of one name is beyond its words."""


CASES: dict[str, Case] = {
    "unanswered and filled at once": Case(filled_at_once(HANG)),
    "cut off and filled at once": Case(filled_at_once(CUT)),
    "unanswered and never landed": Case(answered(HANG, lands=False)),
    "cut off and never landed": Case(answered(CUT, lands=False)),
    "lands 3 s late": Case(lands_late(3)),
    "lands 45 s late": Case(lands_late(45)),
    "acked then lost": Case(acked_then_lost(5)),
    "duplicate id": Case(duplicate_id),
    "old namesake": Case(old_namesake, before=long_ago, is_judged=False),
    "cancel of a filled order": Case(cancel_of_a_filled_order, falling),
    "fill before the ack": Case(fill_before_the_ack),
    "REST behind the stream": Case(rest_behind_the_stream, lagging),
    "one fill told three times": Case(one_fill_told_three_times),
}
UNTOLD: dict[str, Any] = {
    "502": {"http": {"status": 502, "body": ""}},
    "520": {"html": "cdn-520"},
    "HTML": {"html": "cdn-502"},
    "empty": {"empty": 200},
    "hollow": {"json": {}},
    "unlisted code": None,
}
"""Answers that say nothing; None: of the venue's own kind."""


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("venue", VENUES)
@pytest.mark.parametrize("case", CASES)
def test_it_is_known_what_became_of_the_order(case, venue, path, tmp_path):
    tell(CASES[case], ground(venue), path, tmp_path)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("venue", VENUES)
@pytest.mark.parametrize(("number", "said"), list(enumerate(UNTOLD)), ids=UNTOLD)
def test_an_answer_that_says_nothing_is_no_verdict(number, said, venue, path, tmp_path):
    """Half of them land: on each venue and path the other half than on the next."""
    reply = UNTOLD[said] or UNLISTED[venue]
    lands = (number + list(VENUES).index(venue) + list(PATHS).index(path)) % 2 == 0
    tell(Case(answered(reply, lands=lands)), ground(venue), path, tmp_path)


def tell(case: Case, here: Ground, path: str, folder: Any) -> None:
    async def main(w: Any) -> None:
        if case.before is not None:
            await case.before(w, here)
        before = len(w.requests("orders.create"))
        async with w.connect(settings=settings(**PATHS[path])) as session:
            watch = Watch()
            listening = asyncio.create_task(watch.listen(session))
            if path == "sockets":
                await until_live(w, session)
            night = Night(w, session, here, path)
            await case.story(night)
            await night.pause(QUIET_S)
            assert len(w.requests("orders.create")) == before + 1
            if case.before is None:
                assert booked_qty(session) == truly_filled(w)
            hold_to_promises(night, watch)
            listening.cancel()
        if case.is_judged:
            w.judge()

    scenario = None if case.scenario is None else case.scenario(here, path)
    here.play(main, folder, scenario=scenario)


def hold_to_promises(night: Night, watch: Watch) -> None:
    """What holds in every story, however it ended."""
    session = night.session
    sent = night.w.requests("orders.create")[-1]
    assert sent.transport == ("ws.api" if night.path == "sockets" else "rest")
    assert session.orders.unknown() == []
    assert set(watch.booked.values()) <= {1}
    assert taken_back(watch) == []
    checked = check(session._open.store.records())
    assert checked.holds, checked


def taken_back(watch: Watch) -> list[str]:
    """Verdicts that did not stand."""
    return [
        f"{event.previous.status} -> {event.order.status}"
        for event in watch.of(OrderChanged)
        if event.previous.status.is_final and event.order.status is not event.previous.status
    ]
