"""Invariants 9, 11 and 17, promises P6 and P7: how breakers move, and what passes them."""

from __future__ import annotations

from typing import Any

from checked_world import BTC, HandWorld, failure, tell

from outlast.errors import BreakerOpen
from outlast.model import TradingState
from outlast.trials.watching import End

DOWN = failure("unavailable", "refused")


def breaker(w: HandWorld, state: str, era: int, *, plane: str = "trading", by: int | None = None):
    w.write("breaker.changed", plane=plane, state=state, retry_at=None, era=era, moved_by=by)


def failed(w: HandWorld, request: str = "order.place", **changes: Any) -> None:
    w.attempt(request, http_status=503, failure=DOWN, **changes)


def opened(w: HandWorld) -> None:
    """The trading breaker opens as it should: by an order that failed."""
    breaker(w, "open", 1, by=0)
    failed(w)


def reconcile(w: HandWorld) -> None:
    for request in ("orders.read", "positions.read", "balances.read"):
        w.attempt(request, lane="reconcile", plane="account")


# --- generations and steps -----------------------------------------------------------------------


def test_a_result_of_an_older_era_that_moves_a_breaker_is_caught():
    async def story(w: HandWorld):
        w.open()
        opened(w)
        await w.pass_time(1)
        breaker(w, "canary", 2)
        assert w.broken == []
        breaker(w, "ramp", 2, by=0)
        assert w.broken == ["breaker-generations"]

    tell(story)


def test_a_result_of_the_present_era_may_move_it():
    async def story(w: HandWorld):
        w.open()
        opened(w)
        await w.pass_time(1)
        breaker(w, "canary", 2)
        breaker(w, "ramp", 2, by=2)
        assert w.broken == []

    tell(story)


def test_two_canaries_at_a_time_are_caught():
    async def story(w: HandWorld):
        w.open()
        breaker(w, "open", 1, plane="account", by=0)
        failed(w, "positions.read")
        await w.pass_time(1)
        breaker(w, "canary", 2, plane="account")
        sent_at = w.bot.clock.now()
        await w.pass_time(1)
        w.attempt("positions.read", era=2, sent_at=sent_at)
        assert w.broken == []
        w.attempt("balances.read", era=2, sent_at=sent_at + 0.5)
        assert w.broken == ["breaker-generations"]

    tell(story)


def test_more_calls_than_the_step_allows_are_caught_and_later_steps_allow_more():
    async def story(w: HandWorld):
        w.open()
        breaker(w, "open", 1, plane="account", by=0)
        failed(w, "positions.read")
        breaker(w, "canary", 2, plane="account")
        breaker(w, "ramp", 2, plane="account", by=2)
        await w.pass_time(6)
        sent_at = w.bot.clock.now()
        await w.pass_time(1)
        for _ in range(4):
            w.attempt("positions.read", era=2, sent_at=sent_at)
        assert w.broken == []
        w.attempt("positions.read", era=2, sent_at=sent_at)
        assert w.broken == ["breaker-generations"]

    tell(story)


# --- its own plane -------------------------------------------------------------------------------


def test_a_breaker_that_opens_without_a_failure_of_its_plane_is_caught():
    async def story(w: HandWorld):
        w.open()
        failed(w, "positions.read")
        breaker(w, "open", 1, by=0)
        w.attempt(client_order_id="ol-1")  # the order that went well, just then
        assert w.broken == ["p6-failure-stays-where-it-is"]

    tell(story)


def test_a_breaker_that_opens_by_its_own_failure_is_fine():
    async def story(w: HandWorld):
        w.open()
        opened(w)
        assert w.broken == []
        assert w.checker.case.examined["p6-failure-stays-where-it-is"] == 1

    tell(story)


# --- no risk before everything is reconciled -----------------------------------------------------


def test_an_order_through_an_open_breaker_is_caught():
    async def story(w: HandWorld):
        w.open()
        opened(w)
        await w.pass_time(1)
        w.attempt(client_order_id="ol-2")
        assert w.broken == ["no-risk-before-reconcile"]

    tell(story)


def test_an_order_before_the_reconciliation_is_caught():
    async def story(w: HandWorld):
        w.open()
        opened(w)
        await w.pass_time(1)
        breaker(w, "canary", 2)
        await w.pass_time(90)
        w.attempt(client_order_id="ol-2", era=2)
        assert w.broken == ["no-risk-before-reconcile"]

    tell(story)


def test_an_order_in_the_cool_down_is_caught():
    async def story(w: HandWorld):
        w.open()
        opened(w)
        await w.pass_time(1)
        breaker(w, "canary", 2)
        reconcile(w)
        await w.pass_time(59)
        w.attempt(client_order_id="ol-2", era=2)
        assert w.broken == ["no-risk-before-reconcile"]

    tell(story)


def test_an_order_after_reconciliation_and_cool_down_is_fine_and_exits_always_are():
    async def story(w: HandWorld):
        w.open()
        opened(w)
        await w.pass_time(1)
        w.attempt(client_order_id="ol-2", lane="safety")
        breaker(w, "canary", 2)
        w.attempt("order.cancel", lane="safety")
        reconcile(w)
        await w.pass_time(61)
        w.attempt(client_order_id="ol-3", era=2)
        assert w.broken == []

    tell(story)


def test_a_relapse_asks_for_another_reconciliation():
    async def story(w: HandWorld):
        w.open()
        opened(w)
        await w.pass_time(1)
        breaker(w, "canary", 2)
        reconcile(w)
        await w.pass_time(10)
        breaker(w, "open", 3, by=2)
        failed(w, era=2)
        await w.pass_time(5)
        breaker(w, "canary", 4)
        await w.pass_time(60)
        w.attempt(client_order_id="ol-4", era=4)
        assert "no-risk-before-reconcile" in w.broken

    tell(story)


# --- closed in the end ---------------------------------------------------------------------------


def test_a_breaker_that_stays_open_is_caught_when_its_time_is_over():
    async def story(w: HandWorld):
        w.open()
        opened(w)
        w.safety_over()
        await w.pass_time(119)
        assert w.broken == []
        await w.pass_time(3)
        assert w.broken == ["breakers-close"]

    tell(story)


def test_a_canary_that_nobody_calls_cannot_close():
    async def story(w: HandWorld):
        w.open()
        opened(w)
        await w.pass_time(1)
        breaker(w, "canary", 2)
        w.safety_over()
        await w.pass_time(200)
        assert w.broken == []

    tell(story)


def test_a_breaker_that_does_not_close_though_calls_succeed_is_caught():
    async def story(w: HandWorld):
        w.open()
        breaker(w, "open", 1, plane="account", by=0)
        failed(w, "positions.read")
        breaker(w, "canary", 2, plane="account")
        w.safety_over()
        for _ in range(25):
            await w.pass_time(6)
            w.attempt("positions.read", era=2)
        await w.pass_time(3)
        assert w.broken == ["breakers-close"]

    tell(story)


def test_a_symbol_that_is_still_held_at_the_end_is_caught():
    async def story(w: HandWorld):
        session = w.open()
        w.safety_over()
        await w.pass_time(130)
        session.state = TradingState.REDUCING
        w.finish()
        assert "breakers-close" in w.broken

    tell(story)


# --- turned away by the breaker of another plane -------------------------------------------------


def test_a_price_that_is_refused_while_its_own_breaker_is_closed_is_caught():
    async def story(w: HandWorld):
        w.open()
        opened(w)
        await w.pass_time(1)
        shut = BreakerOpen("left alone", venue="binance-um", retry_at=None)
        w.answer(w.ask("submit"), End.RAISED, error=shut)
        assert w.broken == []
        w.answer(w.ask("mark_price", symbol=BTC), End.RAISED, error=shut)
        assert w.broken == []  # the journal may tell of its breaker in the same instant
        await w.pass_time(2)
        assert w.broken == ["p6-failure-stays-where-it-is"]

    tell(story)
