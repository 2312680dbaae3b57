"""The exit's rules one by one. Whole nights of it: test_exits_nights.py."""

import random
from collections import Counter
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise

import pytest

from outlast.core.exits import (
    CancelFirst,
    ExitDone,
    ExitPlan,
    ExitSettings,
    ReadState,
    SendExit,
    Shape,
    Wait,
)
from outlast.model import (
    Instrument,
    Order,
    OrderStatus,
    OrderType,
    Product,
    Side,
    TimeInForce,
)

S = "BTC/USDT:USDT"
BTC = Instrument(
    venue="binance-um",
    symbol=S,
    venue_symbol="BTCUSDT",
    product=Product.USDM_FUTURES,
    base="BTC",
    quote="USDT",
    settle="USDT",
    tick_size=Decimal("0.1"),
    qty_step=Decimal("0.001"),
    qty_min=Decimal("0.001"),
    qty_max=Decimal(1000),
    market_qty_min=Decimal("0.001"),
    market_qty_max=Decimal(120),
    notional_min=Decimal(100),
    price_min=Decimal(1),
    price_max=Decimal(10_000_000),
)
SETTINGS = ExitSettings()


def plan_of(*, instrument=BTC, limit_allowed=False, seed=1):
    return ExitPlan(
        instrument, SETTINGS, random.Random(seed), began_at=0.0, limit_allowed=limit_allowed
    )


def told(plan, qty, *live, now=0.0):
    plan.update(Decimal(qty), live)
    plan.was_read(now=now)
    return plan


def live_order(qty, side=Side.SELL, **fields):
    known = {
        "client_order_id": "ol-9",
        "symbol": S,
        "order_type": OrderType.LIMIT,
        "status": OrderStatus.ACCEPTED,
        "reduce_only": True,
        "venue_order_id": "9",
    }
    return Order(**(known | {"qty": Decimal(qty), "side": side} | fields))


def unknown_exit(qty, side=Side.SELL):
    return live_order(
        qty,
        side,
        order_type=OrderType.MARKET,
        status=OrderStatus.UNKNOWN,
        venue_order_id=None,
    )


def test_nothing_is_done_before_position_and_orders_were_read():
    plan = plan_of()
    assert plan.next_action(0.0) == ReadState()
    plan.update(Decimal(1), [])
    assert plan.next_action(0.0) == ReadState()
    plan.was_read(now=0.1)
    assert isinstance(plan.next_action(0.1), SendExit)


@pytest.mark.parametrize(("qty", "side"), [("1", Side.SELL), ("-1", Side.BUY)])
def test_the_first_try_is_for_all_of_it_and_can_only_reduce(qty, side):
    action = told(plan_of(), qty).next_action(0.0)
    assert action.shape is Shape.WHOLE
    assert not action.needs_price
    request = action.request
    assert (request.side, request.qty, request.order_type) == (side, 1, OrderType.MARKET)
    assert request.reduce_only


def test_a_flat_position_is_done():
    assert told(plan_of(), 0).next_action(0.0) == ExitDone()


def test_a_flat_position_is_no_reason_to_touch_opening_orders():
    """Whoever closes what is not there keeps the orders that wait to open something."""
    for side in Side:
        resting = live_order(1, side, reduce_only=False)
        assert told(plan_of(), 0, resting).next_action(0.0) == ExitDone()


@pytest.mark.parametrize(("qty", "side"), [("1", Side.SELL), ("-1", Side.BUY)])
def test_flat_is_not_done_while_an_exit_may_still_be_live(qty, side):
    """The lost exit would open the opposite, were it not reduce-only: wait for its end."""
    plan = told(plan_of(), qty)
    assert isinstance(plan.next_action(0.0), SendExit)
    plan.unknown(now=0.5)
    told(plan, 0, unknown_exit(1, side), now=1.0)
    assert not isinstance(plan.next_action(20.0), ExitDone)
    told(plan, 0, now=30.0)
    assert plan.next_action(30.0) == ExitDone()


@pytest.mark.parametrize(("qty", "side"), [("1", Side.SELL), ("-1", Side.BUY)])
def test_what_may_be_live_counts_as_filled(qty, side):
    plan = told(plan_of(), qty, unknown_exit("0.6", side))
    assert plan.room == Decimal("0.4")
    assert plan.next_action(0.0).request.qty == Decimal("0.4")


def test_orders_on_the_other_side_take_nothing_of_the_position():
    plan = told(plan_of(), 1, live_order("5", Side.BUY))
    assert plan.room == 1
    assert isinstance(plan.next_action(0.0), SendExit)


def test_all_of_it_in_doubt_means_waiting_and_reading_once_in_a_while():
    """Every reading costs weight that other exits need."""
    plan = told(plan_of(), 1, unknown_exit(1))
    now, reads, waits = 0.0, 0, 0
    while now < 60.0:
        match plan.next_action(now):
            case ReadState():
                reads += 1
                now += 0.05
                told(plan, 1, unknown_exit(1), now=now)
            case Wait() as wait:
                assert wait.until > now
                waits += 1
                now = min(wait.until, now + 1.0)  # as the shell sleeps
            case other:
                pytest.fail(f"{other} while all of it is in doubt")
    assert 3 <= reads <= 3 + 60.0 / SETTINGS.held_s_max + 1
    assert waits > 20


def test_what_was_in_doubt_is_acted_on_as_soon_as_its_end_is_known():
    plan = told(plan_of(), 1, unknown_exit(1))
    now = 0.0
    for _ in range(4):
        wait = plan.next_action(now)
        assert isinstance(wait, Wait)
        now = wait.until
        assert plan.next_action(now) == ReadState()
        told(plan, 1, unknown_exit(1), now=now)
    assert plan.next_action(now).until - now == SETTINGS.held_s_max
    plan.update(Decimal(1), [])  # proved absent
    assert plan.next_action(now + 0.5) == ReadState()
    told(plan, 1, now=now + 0.6)
    assert isinstance(plan.next_action(now + 0.6), SendExit)


def test_less_room_than_the_smallest_order_waits_for_the_order_that_holds_the_rest():
    """The minimum would exceed the position together with what may be live."""
    plan = told(plan_of(), "1", unknown_exit("0.9995"))
    assert isinstance(plan.next_action(0.0), Wait)


def test_a_rest_below_the_minimum_is_closed_by_the_minimum():
    assert told(plan_of(), "0.0004").next_action(0.0).request.qty == Decimal("0.001")


def test_resting_orders_on_the_exits_side_are_cancelled_first():
    resting = live_order("0.3")
    plan = told(plan_of(), 1, resting)
    assert plan.next_action(0.0) == CancelFirst(("ol-9",))
    plan.cancels_done(now=0.5)
    assert plan.next_action(0.5) == ReadState()
    told(plan, 1, now=0.6)
    assert plan.next_action(0.6).request.qty == 1


def test_what_cannot_rest_is_not_cancelled():
    for order in (
        unknown_exit("0.3"),
        live_order("0.3", order_type=OrderType.MARKET),
        live_order("0.3", time_in_force=TimeInForce.IOC),
        live_order("0.3", time_in_force=TimeInForce.FOK),
    ):
        assert isinstance(told(plan_of(), 1, order).next_action(0.0), SendExit)


def test_a_cancel_that_failed_leaves_the_rest_to_be_closed():
    plan = told(plan_of(), 1, live_order("0.3"))
    plan.next_action(0.0)
    plan.cancels_done(now=0.5)
    told(plan, 1, live_order("0.3"), now=0.6)
    assert plan.next_action(0.6).request.qty == Decimal("0.7")


def test_an_order_that_holds_all_of_it_is_cancelled_again_until_it_is_gone():
    """The first cancel met an overloaded venue. Nothing else can be tried, so it must be."""
    plan = told(plan_of(), 1, live_order(1))
    now, cancels = 0.0, 0
    while cancels < 20:
        match plan.next_action(now):
            case CancelFirst():
                cancels += 1
                now += 0.1
                plan.cancels_done(now=now)
            case ReadState():
                now += 0.1
                told(plan, 1, live_order(1), now=now)
            case Wait() as wait:
                assert wait.until > now
                now = wait.until
            case other:
                pytest.fail(f"{other} while a resting order holds all of the position")
        assert now < 600.0
    assert now > 20.0  # and not in a tight loop
    told(plan, 1, now=now)
    now = max(now, plan._next_at)
    assert isinstance(told(plan, 1, now=now).next_action(now), SendExit)


def test_a_refusal_by_rule_changes_the_shape_and_reads_again():
    plan = told(plan_of(), 10)
    shapes, now = [], 0.0
    while len(shapes) < 13:
        match plan.next_action(now):
            case SendExit() as action:
                shapes.append(action.shape)
                now += 0.1
                plan.refused_by_rule(action.request, now=now)
            case ReadState():
                now += 0.1
                told(plan, 10, now=now)
            case Wait() as wait:
                now = wait.until
    whole = [Shape.WHOLE, Shape.OVER]
    assert shapes[:6] == [*whole, Shape.NEARLY, *whole, Shape.HALF]
    assert shapes[6:] == [*whole, Shape.NEARLY, *whole, Shape.QUARTER, Shape.WHOLE]


def test_one_step_too_many_is_tried_only_while_no_other_exit_is_under_way():
    """The venue cuts it to what there is; of two orders it would not know which to cut."""
    for live, most in (([], "10.001"), ([unknown_exit(4)], "6")):
        plan, now, sizes = plan_of(), 0.0, set()
        for _ in range(5):
            told(plan, 10, *live, now=now)
            while not isinstance(action := plan.next_action(now), SendExit):
                now = getattr(action, "until", now)
                told(plan, 10, *live, now=now)
            sizes.add(action.request.qty)
            plan.refused_by_rule(action.request, now=now)
        assert max(sizes) == Decimal(most)


def test_the_last_lot_has_a_second_size_that_ends_it():
    plan, now, sizes = plan_of(), 0.0, []
    for _ in range(4):
        told(plan, "0.001", now=now)
        while not isinstance(action := plan.next_action(now), SendExit):
            now = getattr(action, "until", now)
            told(plan, "0.001", now=now)
        sizes.append(action.request.qty)
        plan.refused_by_rule(action.request, now=now)
    assert sizes == [Decimal("0.001"), Decimal("0.002")] * 2


def test_a_refusal_by_load_keeps_the_shape_and_waits_as_long_as_asked():
    plan = told(plan_of(), 10)
    action = plan.next_action(0.0)
    plan.refused_by_load(action.request, now=1.0, retry_after_s=12.0)
    waiting = plan.next_action(1.0)
    assert isinstance(waiting, Wait)
    assert waiting.until >= 13.0
    assert plan.next_action(13.0).shape is Shape.WHOLE


def test_after_success_the_whole_rest_follows_once_makers_can_have_requoted():
    plan = told(plan_of(), 10)
    plan.refused_by_rule(plan.next_action(0.0).request, now=0.1)
    plan.accepted(now=5.0)
    assert plan.next_action(5.1) == ReadState()
    told(plan, 6, now=5.2)
    assert plan.next_action(5.2) == Wait(5.0 + SETTINGS.requote_s, "between two tries")
    action = plan.next_action(7.0)
    assert (action.shape, action.request.qty) == (Shape.WHOLE, 6)


def test_an_unknown_exit_is_looked_at_before_anything_else():
    plan = told(plan_of(), 1)
    plan.next_action(0.0)
    plan.unknown(now=10.0)
    assert plan.next_action(10.0) == ReadState()


def test_an_open_door_brings_the_next_try_forward_and_never_puts_it_off():
    plan = told(plan_of(), 10)
    plan.refused_by_load(None, now=1.0, retry_after_s=500.0)
    plan.door_opened(now=2.0)
    assert plan._next_at <= 2.0 + SETTINGS.pace_urgent.base_s
    before = plan._next_at
    plan.door_opened(now=100.0)
    assert plan._next_at == before


def test_old_knowledge_is_read_again():
    plan = told(plan_of(), 1)
    assert isinstance(plan.next_action(SETTINGS.state_age_max_s), SendExit)
    assert plan.next_action(SETTINGS.state_age_max_s + 0.1) == ReadState()


def test_knowledge_of_this_instant_is_never_asked_for_again():
    """Whatever became of the last order: what was read just now is not read again."""
    for tell in (
        lambda plan: plan.refused_by_rule(None, now=9.0),
        lambda plan: plan.refused_by_load(None, now=9.0),
        lambda plan: plan.unknown(now=9.0),
        lambda plan: plan.accepted(now=9.0),
        lambda plan: plan.cancels_done(now=9.0),
    ):
        for live in ([], [unknown_exit(1)], [live_order(1)]):
            plan = told(plan_of(), 1, *live, now=8.0)
            plan.next_action(8.0)
            tell(plan)
            for _ in range(3):
                told(plan, 1, *live, now=9.1)
                assert plan.next_action(9.1) != ReadState()


def test_large_positions_go_in_pieces_of_the_largest_order():
    assert told(plan_of(), 500).next_action(0.0).request.qty == BTC.market_qty_max


@pytest.mark.parametrize("market_max", ["119.9996", "120.0005"])
def test_a_maximum_off_the_step_gives_sizes_on_it(market_max):
    odd = replace(BTC, market_qty_max=Decimal(market_max))
    qty = told(plan_of(instrument=odd), 500).next_action(0.0).request.qty
    assert qty <= odd.market_qty_max
    assert qty % odd.qty_step == 0


def test_few_lots_are_not_split():
    plan = told(plan_of(), "0.019")
    now, sizes = 0.0, set()
    for _ in range(6):
        while not isinstance(action := plan.next_action(now), SendExit):
            now = getattr(action, "until", now)
            told(plan, "0.019", now=now)
        sizes.add(action.request.qty)
        plan.refused_by_rule(action.request, now=now)
    assert sizes == {Decimal("0.019"), Decimal("0.020")}


def test_the_limit_shape_comes_only_where_a_price_bound_was_given():
    for allowed in (True, False):
        plan = told(plan_of(limit_allowed=allowed), 10)
        now, kinds = 0.0, []
        for _ in range(13):
            while not isinstance(action := plan.next_action(now), SendExit):
                now = getattr(action, "until", now)
                told(plan, 10, now=now)
            kinds.append((action.shape, action.needs_price, action.request.order_type))
            plan.refused_by_rule(action.request, now=now)
        limits = [kind for kind in kinds if kind[0] is Shape.LIMIT_HALF]
        assert limits == [(Shape.LIMIT_HALF, True, OrderType.LIMIT)] * allowed
        assert all(price == (kind is OrderType.LIMIT) for _, price, kind in kinds)


def test_the_same_seed_plans_the_same_night():
    def sizes(seed):
        plan, now, made = plan_of(seed=seed), 0.0, []
        for _ in range(12):
            while not isinstance(action := plan.next_action(now), SendExit):
                now = getattr(action, "until", now)
                told(plan, 10, now=now)
            made.append((now, action.request.qty))
            plan.refused_by_rule(action.request, now=now)
        return made

    assert sizes(4) == sizes(4)
    assert sizes(4) != sizes(5)


def test_in_106_minutes_of_refusals_one_size_is_tried_two_dozen_times():
    """The incident of 11 October 2025, in which a bot repeated one order more than 200 times."""
    plan, now, tries = told(plan_of(), "0.001"), 0.0, Counter()
    while now < 106 * 60:
        match plan.next_action(now):
            case SendExit() as action:
                tries[action.request.qty] += 1
                plan.refused_by_rule(action.request, now=now)
            case ReadState():
                told(plan, "0.001", now=now)
            case Wait() as wait:
                now = wait.until
    assert set(tries) == {Decimal("0.001"), Decimal("0.002")}
    assert all(20 <= count <= 25 for count in tries.values())


def others(plan, qty, *theirs, now):
    """Read again: the position, and what other programs have open."""
    plan.update(Decimal(qty), (), theirs)
    plan.was_read(now=now)
    return plan


def test_what_orders_of_other_programs_may_take_is_tried_once_in_ten_minutes():
    plan = plan_of()
    theirs = live_order("0.1", client_order_id="web_1", is_external=True)
    others(plan, "0.1", theirs, now=0.0)
    sends, reads, now = [], [], 0.0
    while now < 3600.0:
        match plan.next_action(now):
            case SendExit(request=request):
                sends.append(now)
                plan.refused_by_rule(request, now=now)
            case ReadState():
                reads.append(now)
                others(plan, "0.1", theirs, now=now)
            case Wait(until=until):
                assert until >= now
                now = max(until, now + 0.01)
    assert len(sends) == 6
    assert min(b - a for a, b in pairwise(sends)) >= SETTINGS.in_the_way_s
    assert max(b - a for a, b in pairwise(reads)) < 60.0


def test_as_soon_as_they_are_gone_the_exit_is_tried():
    plan = plan_of()
    theirs = live_order("0.1", client_order_id="web_1", is_external=True)
    others(plan, "0.1", theirs, now=0.0)
    first = plan.next_action(0.0)
    plan.refused_by_rule(first.request, now=0.0)
    others(plan, "0.1", theirs, now=20.0)
    assert isinstance(plan.next_action(30.0), Wait)
    assert plan.next_action(50.0) == ReadState()
    others(plan, "0.1", now=50.0)
    assert isinstance(plan.next_action(50.0), SendExit)


def test_orders_of_other_programs_that_leave_enough_or_open_more_hold_nothing_up():
    for theirs in (live_order("0.1"), live_order("5", side=Side.BUY)):
        plan = others(plan_of(), "0.5", theirs, now=0.0)
        action = plan.next_action(0.0)
        assert action.request.qty == Decimal("0.5")
        plan.refused_by_load(action.request, now=0.0)
        assert isinstance(plan.next_action(5.0), SendExit)
