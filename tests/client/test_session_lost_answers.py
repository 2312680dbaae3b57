"""Answers that get lost: whatever became of the order, there is never a second one (P1, P2)."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest
from venue_in_sim import BTC, ETH, PASSIVE, World, calm, play

import outlast
from outlast.backends.http import HttpxTransport
from outlast.client.venue_health import clock_text
from outlast.errors import Outcome
from outlast.model import OrderStatus
from outlast.wire import HttpRequest, TransportFault, WireReply

BUY = outlast.limit(BTC, "buy", "0.010", PASSIVE)

LOST: dict[str, Any] = {
    "hang": {"hang": "30s"},
    "reset before the headers": {"reset": "headers"},
    "reset in the request": {"reset": "request"},
    "reset in the body": {"reset": "body"},
    "truncated": {"truncate": 0.5},
    "empty 200": {"empty": 200},
    "hollow 200": {"json": {}},
    "html": {"html": "cdn-502"},
    "html 520": {"html": "cdn-520"},
    "dribble and cut": {"dribble": {"over": "45s", "then": "cut"}},
    "503 unknown": "unknown",
    "-1007": "backend_timeout",
    "bare 500": {"http": {"status": 500, "body": ""}},
    "a code nobody listed": {"http": {"status": 400, "body": '{"code":-9999,"msg":"?"}'}},
}


async def find_out(venue: outlast.Session, request: outlast.OrderRequest) -> outlast.Order:
    """Submit as a careful bot does, and wait for the truth however it comes."""
    try:
        return await venue.submit(request)
    except outlast.OutcomeUnknown as error:
        return await venue.settle(error.client_order_id, timeout_s=120)
    except outlast.Refused:
        return venue.orders.all()[-1]


@pytest.mark.parametrize("effect", ["apply", "none"])
@pytest.mark.parametrize("reply", LOST.values(), ids=LOST.keys())
def test_a_lost_answer_never_makes_a_second_order(reply, effect, tmp_path):
    async def story(w: World):
        async with w.connect() as venue:
            w.fault("orders.create", reply=reply, effect=effect, times=1)
            order = await find_out(venue, BUY)
            landed = len(w.orders)
            if effect == "apply" or reply == {"dribble": {"over": "45s", "then": "ok"}}:
                assert (landed, order.status) == (1, OrderStatus.ACCEPTED)
                assert order.venue_order_id == str(w.orders[0].order_id)
            else:
                assert (landed, order.status) == (0, OrderStatus.NOT_PLACED)
            await asyncio.sleep(120)
            assert len(w.requests("orders.create")) == 1
            assert len(w.orders) == landed
            assert venue.orders.unknown() == []
        w.judge()

    play(story, tmp_path)


def test_an_answer_that_dribbles_in_whole_is_the_answer(tmp_path):
    async def story(w: World):
        async with w.connect() as venue:
            reply = {"dribble": {"over": "8s", "then": "ok"}}
            w.fault("orders.create", reply=reply, effect="apply", times=1)
            order = await venue.submit(BUY)
            assert order.status is OrderStatus.ACCEPTED
        assert len(w.orders) == 1
        assert w.requests("orders.query") == []
        w.judge()

    play(story, tmp_path)


def test_a_503_that_landed_is_settled_inside_submit(tmp_path):
    async def story(w: World):
        async with w.connect() as venue:
            w.fault("orders.create", reply="unknown", effect="apply", times=1)
            began = w.clock.now()
            order = await venue.submit(BUY)
            assert (order.status, order.reason) == (OrderStatus.ACCEPTED, "")
            assert w.clock.now() - began < 3
        [made] = w.orders
        assert made.client_order_id == order.client_order_id
        w.judge()

    play(story, tmp_path)


def test_a_503_that_did_not_land_is_proved_absent_and_only_then_refused(tmp_path):
    async def story(w: World):
        async with w.connect() as venue:
            w.fault("orders.create", reply="unknown", effect="none", times=1)
            began = w.clock.now()
            with pytest.raises(outlast.Refused, match="was refused by binance-um") as caught:
                await venue.submit(BUY, deadline_s=60)
            # The order's validity (5 s), the back end's 10 s and a margin have passed before that.
            assert w.clock.now() - began > 20
            assert caught.value.failure.outcome is Outcome.REFUSED
            assert caught.value.evidence_id.startswith("#")
            [order] = venue.orders.all()
            assert order.status is OrderStatus.NOT_PLACED
            # The proof: asked for after its horizon, twice each, and the engine has answered since.
            late = [r for r in w.requests() if r.arrived_ms / 1000 > order.created_at + 20]
            asked = [r.endpoint for r in late]
            for lookup in ("orders.query", "orders.open", "fills.query"):
                assert asked.count(lookup) >= 2, lookup
            assert "orders.cancel" in asked
            again = await venue.submit(BUY)
            assert again.client_order_id != order.client_order_id
        assert [o.client_order_id for o in w.orders] == [again.client_order_id]
        w.judge()

    play(story, tmp_path)


def test_a_short_deadline_ends_in_outcome_unknown_and_settling_goes_on(tmp_path):
    async def story(w: World):
        async with w.connect() as venue:
            w.fault("orders.create", reply="unknown", effect="none", times=1)
            with pytest.raises(outlast.OutcomeUnknown) as caught:
                await venue.submit(BUY, deadline_s=2)
            error = caught.value
            name = error.client_order_id
            assert f"settle({name!r})" in str(error)
            assert "\n" not in str(error)
            assert [o.client_order_id for o in venue.orders.unknown()] == [name]
            with pytest.raises(TimeoutError, match="settling goes on"):
                await venue.settle(name, timeout_s=1)
            assert (await venue.settle(name)).status is OrderStatus.NOT_PLACED
            assert venue.orders.unknown(BTC) == []
        assert w.orders == []
        w.judge()

    play(story, tmp_path)


def test_a_deadline_shorter_than_the_answer_is_kept_and_the_late_answer_settles(tmp_path):
    async def story(w: World):
        async with w.connect() as venue:
            slow = {"p50": "4s", "p99": "4s"}
            rule = w.fault("orders.create", latency=slow)
            w.fault("orders.query", reply="internal")  # nothing but the answer itself can tell
            began = w.clock.now()
            with pytest.raises(outlast.OutcomeUnknown, match="the deadline passed before"):
                await venue.submit(BUY, deadline_s=1)
            assert w.clock.now() - began == pytest.approx(1, abs=0.01)
            [unknown] = venue.orders.unknown()
            order = await venue.settle(unknown.client_order_id)
            assert w.clock.now() - began == pytest.approx(4, abs=1.5)
            assert order.status is OrderStatus.ACCEPTED
            assert rule
        assert len(w.orders) == 1
        w.judge()

    play(story, tmp_path)


def test_an_order_that_lands_twenty_seconds_late_is_found_not_repeated(tmp_path):
    async def story(w: World):
        async with w.connect() as venue:
            late = {"apply_after": "12s"}
            w.fault("orders.create", reply="backend_timeout", effect=late, times=1)
            with pytest.raises(outlast.OutcomeUnknown) as caught:
                await venue.submit(BUY)
            order = await venue.settle(caught.value.client_order_id)
            assert order.status is OrderStatus.ACCEPTED
        assert len(w.orders) == 1
        w.judge()

    play(story, tmp_path)


def test_an_order_that_lands_after_its_own_validity_is_still_found(tmp_path):
    """Later than the venue documents: 20 s after the send, with a validity of 5 s and 10 s inside.

    Between the horizon and the second round of lookups it may land at any instant.
    """

    async def story(w: World):
        for after_s in (18, 20, 21, 22):
            # A journal of its own, so that the ids differ too.
            settings = outlast.Settings(seed=after_s)
            async with w.connect(journal=None, settings=settings) as venue:
                late = {"apply_after": f"{after_s}s"}
                w.fault("orders.create", reply="backend_timeout", effect=late, times=1)
                with pytest.raises(outlast.OutcomeUnknown) as caught:
                    await venue.submit(BUY)
                order = await venue.settle(caught.value.client_order_id)
                assert order.status is OrderStatus.ACCEPTED, f"landed after {after_s} s"
                await venue.cancel(order.client_order_id)
        w.judge()

    play(story, tmp_path)


def test_the_caller_who_leaves_in_mid_submit_has_his_order_settled_behind_him(tmp_path):
    async def story(w: World):
        async with w.connect() as venue:
            w.fault("orders.create", latency={"p50": "4s", "p99": "4s"}, times=1)
            task = asyncio.create_task(venue.submit(BUY))
            await asyncio.sleep(1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            [unknown] = venue.orders.unknown()
            assert unknown.reason == "the caller was cancelled while it was under way"
            order = await venue.settle(unknown.client_order_id)
            assert order.status is OrderStatus.ACCEPTED
        assert len(w.orders) == 1
        w.judge()

    play(story, tmp_path)


def test_a_submit_given_up_by_a_timeout_of_the_callers_own_makes_one_order(tmp_path):
    async def story(w: World):
        async with w.connect() as venue:
            w.fault("orders.create", latency={"p50": "4s", "p99": "4s"}, times=1)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(1):
                    await venue.submit(BUY)
            [unknown] = venue.orders.unknown()
            await venue.settle(unknown.client_order_id)
        assert [o.client_order_id for o in w.orders] == [unknown.client_order_id]

    play(story, tmp_path)


def test_an_unknown_order_holds_new_risk_on_its_symbol_only(tmp_path):
    async def story(w: World):
        async with w.connect() as venue:
            w.fault("orders.create", where={"reduces": False}, reply="unknown", times=1)
            with pytest.raises(outlast.OutcomeUnknown) as caught:
                await venue.submit(BUY, deadline_s=1)
            assert venue.trading_state(BTC) is outlast.REDUCING
            assert venue.trading_state(ETH) is outlast.ACTIVE
            with pytest.raises(outlast.TradingHalted) as held:
                await venue.submit(outlast.limit(BTC, "buy", "0.020", PASSIVE))
            assert str(held.value) == (
                f"new risk on {BTC} is held: order {caught.value.client_order_id} may be live and "
                f"is being settled, since {clock_text(held.value.since)}; reduce-only orders and "
                "cancels pass"
            )
            assert held.value.cause == "unknown order"
            reduced = await venue.submit(outlast.market(BTC, "sell", "0.1", reduce_only=True))
            assert reduced.status is OrderStatus.FILLED
            assert (await venue.submit(outlast.limit(ETH, "buy", "0.1", "1900"))).status is (
                OrderStatus.ACCEPTED
            )
            await venue.wait_until(outlast.ACTIVE, BTC)
            known = venue.orders.get(caught.value.client_order_id)
            assert known.status is OrderStatus.NOT_PLACED
            assert (await venue.submit(BUY)).status is OrderStatus.ACCEPTED
        assert w.position() == Decimal("0.4")
        w.judge()

    play(story, tmp_path, scenario=calm(positions={"BTCUSDT": ("0.5", "68000")}))


@pytest.mark.parametrize("effect", ["apply", "none"])
def test_the_lost_answer_to_a_cancel_is_asked_again(effect, tmp_path):
    async def story(w: World):
        async with w.connect() as venue:
            order = await venue.submit(BUY)
            w.fault("orders.cancel", reply={"reset": "headers"}, effect=effect, times=1)
            assert (await venue.cancel(order.client_order_id)).status is OrderStatus.CANCELED
        assert not w.orders[0].is_open
        w.judge()

    play(story, tmp_path)


def test_a_cancel_that_cannot_be_answered_says_that_asking_again_is_safe(tmp_path):
    async def story(w: World):
        async with w.connect() as venue:
            order = await venue.submit(BUY)
            rule = w.fault(["orders.cancel", "orders.query"], reply={"hang": "60s"}, effect="none")
            with pytest.raises(outlast.OutcomeUnknown) as caught:
                await venue.cancel(order.client_order_id)
            assert "cancel it again" in str(caught.value)
            assert "do not send it again" not in str(caught.value)
            assert rule
            w.heal()
            assert (await venue.cancel(order.client_order_id)).status is OrderStatus.CANCELED

    play(story, tmp_path)


def test_an_accepted_order_that_the_venue_disowns_is_doubted_and_settled(tmp_path):
    """ack-then-lost: acknowledged with an id, then gone without a trace."""

    async def story(w: World):
        async with w.connect() as venue:
            w.fault("orders.create", effect={"apply_then_void": "5s"}, times=1)
            order = await venue.submit(BUY)
            assert order.status is OrderStatus.ACCEPTED
            await asyncio.sleep(10)
            with pytest.raises(outlast.OutcomeUnknown):
                await venue.cancel(order.client_order_id)
            assert [o.client_order_id for o in venue.orders.unknown()] == [order.client_order_id]
            settled = await venue.settle(order.client_order_id)
            assert settled.status is OrderStatus.NOT_PLACED
        w.judge()

    play(story, tmp_path)


def test_leaving_with_an_answer_on_the_wire_waits_for_it_and_writes_it_down(tmp_path):
    async def story(w: World):
        eth = outlast.limit(ETH, "buy", "0.1", "1900")
        for order, reply, effect in (
            (BUY, "ok", "apply"),
            (BUY, "unknown", "none"),
            (eth, {"hang": "60s"}, "apply"),
        ):
            async with w.connect() as venue:
                slow = {"p50": "4s", "p99": "4s"}
                w.fault("orders.create", reply=reply, effect=effect, latency=slow, times=1)
                with pytest.raises(outlast.OutcomeUnknown):
                    await venue.submit(order, deadline_s=1)
                await asyncio.sleep(0.7)  # the first look has been taken
        # The next session settles what the last one had to leave.
        async with w.connect() as venue:
            for order in venue.orders.all():
                await venue.settle(order.client_order_id)
            assert [o.status for o in venue.orders.all()] == [
                OrderStatus.ACCEPTED,
                OrderStatus.NOT_PLACED,
                OrderStatus.ACCEPTED,
            ]
        assert len(w.orders) == 2
        w.judge()

    play(story, tmp_path)


def test_twenty_lost_answers_leave_the_connection_pool_healthy(tmp_path):
    async def story(w: World):
        async with w.connect() as venue:
            rule = w.fault("market.read", reply={"hang": "60s"})
            asked = [asyncio.create_task(venue.mark_price(BTC)) for _ in range(40)]
            await asyncio.sleep(1)
            for task in asked:
                task.cancel()
            await asyncio.gather(*asked, return_exceptions=True)
            assert rule
            w.heal()
            await asyncio.sleep(10)
            began = w.clock.now()
            assert await venue.mark_price(BTC) > 0
            assert w.clock.now() - began < 1

    play(story, tmp_path)


class Watched:
    """A transport of the caller's own that notes requests that were cancelled under way."""

    def __init__(self, inner: HttpxTransport) -> None:
        self.inner = inner
        self.sent = self.ended = self.cancelled = 0

    async def send(self, request: HttpRequest) -> WireReply | TransportFault:
        self.sent += 1
        try:
            answer = await self.inner.send(request)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        self.ended += 1
        return answer

    async def aclose(self) -> None:
        raise AssertionError("the caller's own transport is the caller's to close")


def test_no_request_is_ever_cancelled_not_even_by_leaving(tmp_path):
    async def story(w: World):
        transport = Watched(HttpxTransport(w.clock))
        async with w.connect(http=transport) as venue:
            w.fault("*", reply={"hang": "60s"}, effect="none")
            asked = [asyncio.create_task(venue.mark_price(BTC)) for _ in range(12)]
            asked += [asyncio.create_task(venue.reconcile())]
            with pytest.raises(outlast.OutcomeUnknown):
                await venue.submit(BUY, deadline_s=1)
            await asyncio.sleep(30.1)  # breakers are open by now, and probes are on their way
            for task in asked:
                task.cancel()
            await asyncio.gather(*asked, return_exceptions=True)
        assert (transport.ended, transport.cancelled) == (transport.sent, 0)
        assert [t.get_name() for t in asyncio.all_tasks() if "outlast" in t.get_name()] == []
        await transport.inner.aclose()

    play(story, tmp_path)


def test_a_closed_session_says_so_and_sends_nothing(tmp_path):
    async def story(w: World):
        transport = Watched(HttpxTransport(w.clock))
        async with w.connect(http=transport) as venue:
            order = await venue.submit(BUY)
        sent = transport.sent
        for call in (
            venue.submit(outlast.market(BTC, "sell", "0.010", reduce_only=True)),
            venue.cancel(order.client_order_id),
            venue.close_position(BTC),
        ):
            with pytest.raises(outlast.ConfigurationError, match="this session is closed"):
                await call
        assert transport.sent == sent
        assert venue.orders.get(order.client_order_id) == order  # what it knew can still be read
        await transport.inner.aclose()

    play(story, tmp_path)


def test_leaving_in_the_middle_of_a_poll_leaves_no_task_behind(tmp_path):
    async def story(w: World):
        async with w.connect() as venue:
            w.fault("account.*", reply={"hang": "60s"})
            asked = asyncio.create_task(venue.reconcile())
            await asyncio.sleep(0.5)
            asked.cancel()
        gone = await asyncio.gather(asked, return_exceptions=True)
        assert isinstance(gone[0], asyncio.CancelledError)
        left = [task.get_coro().__qualname__ for task in asyncio.all_tasks()]
        assert [name for name in left if name.startswith("Account.")] == []

    play(story, tmp_path)
