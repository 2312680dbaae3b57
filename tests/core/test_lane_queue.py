import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outlast.core.limiter import (
    Busy,
    CounterSpec,
    Granted,
    LaneQueue,
    Late,
    Limiter,
    Move,
    MoveKind,
    Slots,
    SlotSettings,
    Ticket,
    Wait,
)
from outlast.errors import ConfigurationError
from outlast.wire import Cost, Lane

NOON = 1_760_011_200.0
SAFETY, RECONCILE, TRADE, DATA = Lane


def ticket(
    lane: Lane, units: int = 1, *, within_s: float = 300.0, counter: str = "weight_1m"
) -> Ticket:
    return Ticket(lane=lane, costs=(Cost(counter, units),), deadline=NOON + within_s)


def make(limit: int = 100, **options) -> tuple[LaneQueue, Limiter]:
    limiter = Limiter(
        [CounterSpec("weight_1m", 60, limit), CounterSpec("orders_10s", 10, 50)], clock_doubt_s=0.5
    )
    return LaneQueue(limiter, **options), limiter


def fill_window(limiter: Limiter) -> None:
    """Another program on the same IP uses up this minute."""
    limiter.observe({"weight_1m": 1_000_000}, NOON + 5)


def test_lanes_go_in_order_and_the_earliest_deadline_first():
    queue, _ = make()
    late_trade, early_trade = ticket(TRADE, within_s=50), ticket(TRADE, within_s=40)
    data, query, cancel = ticket(DATA, within_s=30), ticket(RECONCILE), ticket(SAFETY)
    for waiting in (data, late_trade, query, early_trade, cancel):
        assert queue.push(waiting)
    assert queue.pop_ready(NOON + 5) == [cancel, query, early_trade, late_trade, data]
    assert len(queue) == 0
    assert queue.next_wakeup() is None


def test_equal_deadlines_go_in_the_order_of_arrival():
    queue, _ = make()
    waiting = [ticket(TRADE) for _ in range(10)]
    for one in waiting:
        queue.push(one)
    assert queue.pop_ready(NOON + 5) == waiting


def test_a_full_window_wakes_the_shell_when_the_next_one_begins():
    queue, limiter = make()
    fill_window(limiter)
    cancel = ticket(SAFETY)
    queue.push(cancel)
    assert queue.next_wakeup() == -math.inf
    assert queue.pop_ready(NOON + 6) == []
    wakeup = queue.next_wakeup()
    assert NOON + 60.5 <= wakeup <= NOON + 60.51
    assert queue.pop_ready(wakeup) == [cancel]


def test_a_heavy_request_is_not_overtaken_for_ever_by_light_ones():
    """aiolimiter wakes the smallest first: a heavy one queued first was served last, 21st of 21."""
    queue, limiter = make()
    limiter.try_take((Cost("weight_1m", 50),), SAFETY, NOON + 5)
    snapshot = ticket(DATA, 20, within_s=200)
    pings = [ticket(DATA, 1, within_s=250) for _ in range(20)]
    for waiting in (snapshot, *pings):
        queue.push(waiting)
    assert queue.pop_ready(NOON + 6) == []
    assert queue.pop_ready(NOON + 61)[0] is snapshot


def test_what_does_not_touch_the_counter_goes_past():
    queue, limiter = make()
    fill_window(limiter)
    query, order = ticket(RECONCILE), ticket(TRADE, counter="orders_10s")
    queue.push(query)
    queue.push(order)
    assert queue.pop_ready(NOON + 6) == [order]


def test_a_lower_lane_does_not_take_what_a_higher_one_waits_for():
    queue, limiter = make(limit=1000)
    limiter.try_take((Cost("weight_1m", 240),), TRADE, NOON + 5)  # nearly the burst of this second
    report = ticket(RECONCILE, 40)
    queue.push(report)
    queue.push(ticket(DATA, 1))
    assert queue.pop_ready(NOON + 5.5) == []
    assert isinstance(queue.try_take((Cost("weight_1m", 1),), TRADE, NOON + 5.6), Wait)
    assert queue.pop_ready(NOON + 6.1)[0] is report


def test_a_newcomer_waits_behind_its_own_lane_but_a_cancel_behind_nobody_elses():
    queue, limiter = make(limit=1000)
    limiter.try_take((Cost("weight_1m", 250),), TRADE, NOON + 5)
    queue.push(ticket(DATA))
    queue.push(ticket(RECONCILE))
    queue.pop_ready(NOON + 5.2)
    verdict = queue.try_take((Cost("weight_1m", 1),), RECONCILE, NOON + 5.3)
    assert verdict == Wait(queue.next_wakeup(), "weight_1m")
    assert isinstance(queue.try_take((Cost("weight_1m", 1),), SAFETY, NOON + 5.3), Granted)
    assert isinstance(queue.try_take((Cost("orders_10s", 1),), DATA, NOON + 5.3), Granted)


def test_with_an_empty_queue_a_newcomer_asks_the_limiter_alone():
    queue, limiter = make()
    assert isinstance(queue.try_take((Cost("weight_1m", 1),), DATA, NOON + 5), Granted)
    fill_window(limiter)
    assert isinstance(queue.try_take((Cost("weight_1m", 1),), DATA, NOON + 5), Wait)


def test_what_cannot_leave_before_its_deadline_fails_at_once():
    queue, limiter = make()
    fill_window(limiter)
    quote, patient = ticket(TRADE, within_s=8), ticket(TRADE, within_s=200)
    queue.push(quote)
    queue.push(patient)
    (late,) = queue.pop_late(NOON + 6)
    assert late.ticket is quote
    assert NOON + 60.5 <= late.until <= NOON + 60.51
    assert len(queue) == 1


def test_an_expired_ticket_is_never_sent():
    queue, _ = make()
    old = ticket(TRADE, within_s=8)
    queue.push(old)
    assert queue.pop_ready(NOON + 8.1) == []
    assert queue.next_wakeup() <= NOON + 8.1
    assert queue.pop_late(NOON + 8.1) == [Late(old, NOON + 8.1)]
    assert queue.next_wakeup() is None


def test_what_can_never_leave_is_late_and_stops_nobody():
    queue, _ = make(limit=100)
    huge, small = ticket(DATA, 99, within_s=10), ticket(DATA, 1)
    queue.push(huge)
    queue.push(small)
    assert queue.pop_ready(NOON + 5) == [small]
    assert queue.pop_late(NOON + 5) == [Late(huge, math.inf)]


def test_a_withdrawn_ticket_is_gone():
    queue, limiter = make()
    gone, staying = ticket(TRADE), ticket(TRADE)
    queue.push(gone)
    queue.push(staying)
    queue.withdraw(gone)
    queue.withdraw(gone)
    assert queue.pop_ready(NOON + 5) == [staying]
    assert limiter.used("weight_1m", NOON + 5) == 1


def test_a_lane_that_is_full_takes_no_more_except_for_safety():
    queue, _ = make(entries_max=3)
    assert [queue.push(ticket(DATA)) for _ in range(5)] == [True, True, True, False, False]
    assert queue.push(ticket(TRADE))
    assert all(queue.push(ticket(SAFETY)) for _ in range(50))
    assert len(queue) == 54


def test_an_impossible_bound_is_refused_by_name():
    with pytest.raises(ConfigurationError, match="entries_max"):
        make(entries_max=0)


# Slots.


def with_slots(limit: int = 10_000) -> LaneQueue:
    return make(limit, slots=Slots(SlotSettings(orders=4)))[0]


def test_who_waits_for_a_slot_leaves_in_order_when_one_is_given_back():
    queue = with_slots()
    for _ in range(4):
        granted = queue.try_take((Cost("weight_1m", 1),), TRADE, NOON + 5)
        assert granted == Granted(TRADE)
    assert isinstance(queue.try_take((Cost("weight_1m", 1),), TRADE, NOON + 5), Busy)
    late, early = ticket(TRADE, within_s=90), ticket(TRADE, within_s=80)
    queue.push(late)
    queue.push(early)
    assert queue.pop_ready(NOON + 5) == []
    assert queue.next_wakeup() == early.deadline
    queue.give_back(TRADE)
    assert queue.next_wakeup() == -math.inf
    assert queue.pop_ready(NOON + 6) == [early]
    assert early.slot is TRADE
    assert queue.pop_ready(NOON + 6) == []


def test_orders_that_wait_for_a_slot_hold_no_counter_against_a_read():
    queue = with_slots()
    for _ in range(4):
        queue.try_take((Cost("weight_1m", 1),), TRADE, NOON + 5)
    queue.push(ticket(TRADE))
    report = ticket(RECONCILE)
    queue.push(report)
    assert queue.pop_ready(NOON + 5) == [report]


def test_a_newcomer_does_not_overtake_its_own_lane_by_a_free_slot():
    queue = with_slots()
    taken = [queue.try_take((Cost("weight_1m", 1),), TRADE, NOON + 5) for _ in range(4)]
    queue.push(ticket(TRADE))
    queue.give_back(taken[0].slot)
    assert isinstance(queue.try_take((Cost("weight_1m", 1),), TRADE, NOON + 5), Wait | Busy)
    assert isinstance(queue.try_take((), TRADE, NOON + 5), Busy)


def test_five_hundred_queued_and_a_cancel_and_an_exit_leave_before_any_of_them():
    queue, limiter = make(10_000, slots=Slots())
    limiter.observe({"weight_1m": 9_000}, NOON + 5)  # nothing but SAFETY has room
    for n in range(500):
        queue.push(ticket(DATA if n % 2 else TRADE))
    assert queue.pop_ready(NOON + 5) == []
    cost = (Cost("weight_1m", 1),)
    assert isinstance(queue.try_take(cost, SAFETY, NOON + 5), Granted)
    assert isinstance(queue.try_take(cost, SAFETY, NOON + 5), Granted)


# Newer instead of older.


def quote(name: str) -> Ticket:
    return Ticket(lane=TRADE, costs=(Cost("weight_1m", 1),), deadline=NOON + 90, replaces=name)


def test_a_newer_quote_takes_the_place_of_the_one_that_waits():
    queue, limiter = make()
    fill_window(limiter)
    older, other = quote("BTC buy 1"), quote("BTC sell 1")
    queue.push(older)
    queue.push(other)
    assert queue.pop_replaced("BTC buy 1") is older
    newer = quote("BTC buy 1")
    queue.push(newer)
    assert queue.pop_ready(NOON + 61) == [other, newer]
    assert queue.pop_replaced("BTC buy 1") is None  # it has left


def test_a_withdrawn_quote_is_nobodys_older_one():
    queue, limiter = make()
    fill_window(limiter)
    gone = quote("BTC buy 1")
    queue.push(gone)
    queue.withdraw(gone)
    assert queue.pop_replaced("BTC buy 1") is None


# What can be foreseen.


def test_an_entry_behind_too_many_others_is_known_to_be_late():
    queue, limiter = make(100)
    fill_window(limiter)
    for _ in range(120):
        queue.push(ticket(TRADE, within_s=100))
    costs = (Cost("weight_1m", 1),)
    until = queue.cannot_make_it(costs, TRADE, NOON + 100, NOON + 6, None)
    assert until is not None
    assert until >= NOON + 120
    assert queue.cannot_make_it(costs, TRADE, NOON + 200, NOON + 6, None) is None
    assert queue.cannot_make_it(costs, TRADE, NOON + 90, NOON + 6, None) is None  # before them all


def test_orders_of_one_pair_do_not_hold_those_of_another():
    spec = CounterSpec("trading", 60, 60, 1.0, per_symbol=True)
    queue = LaneQueue(Limiter([spec], flight_s=0.0))

    def order(symbol: str, name: str) -> Ticket:
        return Ticket(
            lane=TRADE,
            costs=(Cost("trading", 1),),
            deadline=300.0,
            move=Move(MoveKind.PLACE, symbol, name),
        )

    btc = [order("BTC/USD", f"b{n}") for n in range(8)]
    eth = order("ETH/USD", "e")
    for one in (*btc, eth):
        queue.push(one)
    assert queue.pop_ready(0.0) == [*btc[:6], eth]
    assert queue.pop_ready(queue.next_wakeup()) == [btc[6]]


@given(
    pushes=st.lists(
        st.tuples(
            st.sampled_from([0.0, 0.0, 0.1, 1.0, 20.0]),
            st.sampled_from(Lane),
            st.integers(1, 50),
            st.sampled_from([0.5, 5.0, 65.0, 500.0]),
        ),
        max_size=60,
    )
)
@settings(max_examples=150, deadline=None)
def test_every_ticket_ends_once_in_time_or_late(pushes):
    """The shell's loop in virtual time: push, fail the late, send the ready, sleep until woken."""
    queue, limiter = make(limit=60)
    now, sent, failed, pushed = NOON, [], [], []

    def look():
        for late in queue.pop_late(now):
            assert late.until > late.ticket.deadline
            failed.append(late.ticket)
        for ready in queue.pop_ready(now):
            assert now <= ready.deadline
            sent.append(ready)

    for gap, lane, units, within_s in pushes:
        now += gap
        one = Ticket(lane=lane, costs=(Cost("weight_1m", units),), deadline=now + within_s)
        pushed.append(one)
        assert queue.push(one)
        look()
    looks = 0
    while (wakeup := queue.next_wakeup()) is not None:
        now = max(math.nextafter(now, math.inf), wakeup)
        look()
        looks += 1
        assert looks <= 10 * len(pushed) + 10, "it wakes again and again for nothing"
    assert len(sent) + len(failed) == len(pushed)
    assert set(sent) | set(failed) == set(pushed)
    assert limiter.used("weight_1m", now) <= 60
