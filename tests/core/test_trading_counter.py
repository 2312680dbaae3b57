"""Kraken's counter per pair, on its own and against the venue's own arithmetic."""

import math

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from outlast.core.limiter import CounterSpec, Granted, Limiter, Move, MoveKind, Wait
from outlast.core.limiter.trading import penalty
from outlast.errors import ConfigurationError
from outlast.mock.scenario.model import Limits
from outlast.mock.venues.kraken_spot.counters import INTERMEDIATE, PRO, STARTER, TradingCounters
from outlast.mock.venues.kraken_spot.errors import VenueRefusal
from outlast.wire import Cost, Lane

SAFETY, RECONCILE, TRADE, DATA = Lane
BTC, ETH = "BTC/USD", "ETH/USD"
FIXED = {MoveKind.PLACE: 1, MoveKind.AMEND: 1, MoveKind.CANCEL: 0, MoveKind.CANCEL_ALL: 1}


def spec(limit: int = 60, decay_per_s: float = 1.0) -> CounterSpec:
    return CounterSpec("trading", limit / decay_per_s, limit, decay_per_s, per_symbol=True)


def make(limit: int = 60, decay_per_s: float = 1.0, *, flight_s: float = 0.0) -> Limiter:
    return Limiter([spec(limit, decay_per_s)], flight_s=flight_s)


def ask(limiter: Limiter, kind: MoveKind, name: str, now: float, symbol: str = BTC):
    lane = SAFETY if kind in (MoveKind.CANCEL, MoveKind.CANCEL_ALL) else TRADE
    costs = (Cost("trading", FIXED[kind]),)
    return limiter.try_take(costs, lane, now, move=Move(kind, symbol, name))


@pytest.mark.parametrize(
    ("kind", "age_s", "points"),
    [
        (MoveKind.CANCEL, 0.0, 8),
        (MoveKind.CANCEL, 4.999, 8),
        (MoveKind.CANCEL, 5.0, 6),
        (MoveKind.CANCEL, 12.0, 5),
        (MoveKind.CANCEL, 44.0, 4),
        (MoveKind.CANCEL, 89.0, 2),
        (MoveKind.CANCEL, 299.0, 1),
        (MoveKind.CANCEL, 300.0, 0),
        (MoveKind.AMEND, 7.0, 2),
        (MoveKind.AMEND, 15.0, 0),
        (MoveKind.EDIT, 0.0, 6),
        (MoveKind.PLACE, 0.0, 0),
    ],
)
def test_what_is_done_to_a_young_order_costs_more(kind, age_s, points):
    assert penalty(kind, age_s) == points


def test_the_documents_worked_example_costs_eight_points():
    """Add (1), amend at 7 s (1 + 2), cancel 36 s later (4). Source: Kraken docs."""
    limiter = make(180, 0.000001)
    assert isinstance(ask(limiter, MoveKind.PLACE, "a", 0.0), Granted)
    assert isinstance(ask(limiter, MoveKind.AMEND, "a", 7.0), Granted)
    assert isinstance(ask(limiter, MoveKind.CANCEL, "a", 43.0), Granted)
    assert limiter.used("trading", 43.0) == pytest.approx(8.0, abs=0.001)


def test_a_starter_has_at_most_six_young_orders_on_a_pair():
    limiter = make()
    placed = [ask(limiter, MoveKind.PLACE, f"o{n}", 0.0) for n in range(10)]
    assert [isinstance(verdict, Granted) for verdict in placed] == [True] * 6 + [False] * 4
    assert all(isinstance(ask(limiter, MoveKind.CANCEL, f"o{n}", 0.0), Granted) for n in range(6))
    assert limiter.used("trading", 0.0) == 54


def test_another_pair_has_a_counter_of_its_own():
    limiter = make()
    for n in range(6):
        ask(limiter, MoveKind.PLACE, f"b{n}", 0.0)
    assert isinstance(ask(limiter, MoveKind.PLACE, "e", 0.0, ETH), Granted)
    assert isinstance(ask(limiter, MoveKind.PLACE, "b", 0.0), Wait)


def test_an_order_that_ended_needs_no_cancel():
    limiter = make()
    for n in range(6):
        ask(limiter, MoveKind.PLACE, f"o{n}", 0.0)
    assert isinstance(ask(limiter, MoveKind.PLACE, "more", 0.0), Wait)
    (counter,) = limiter.trading
    counter.ended("o0")
    counter.ended("nobody")
    assert isinstance(ask(limiter, MoveKind.PLACE, "more", 0.0), Granted)


def test_it_says_when_the_next_order_fits_birthdays_of_the_others_included():
    limiter = make()
    for n in range(6):
        ask(limiter, MoveKind.PLACE, f"o{n}", 0.0)
    verdict = ask(limiter, MoveKind.PLACE, "more", 0.5)
    assert isinstance(verdict, Wait)
    # 6 on the counter, 48 to cancel, 9 for the new one: 3 too many, which drain by 3.0 s.
    assert verdict.until == pytest.approx(3.0, abs=0.001)
    assert isinstance(ask(limiter, MoveKind.PLACE, "more", verdict.until - 0.01), Wait)
    assert isinstance(ask(limiter, MoveKind.PLACE, "more", verdict.until), Granted)


def test_an_exit_keeps_no_reserve():
    limiter = make()
    for n in range(6):
        ask(limiter, MoveKind.PLACE, f"o{n}", 0.0)
    exit_ = Move(MoveKind.PLACE, BTC, "exit")
    assert isinstance(limiter.try_take((Cost("trading", 1),), SAFETY, 0.0, move=exit_), Granted)


def test_an_order_of_an_earlier_session_is_reserved_for_and_ages():
    limiter = make()
    (counter,) = limiter.trading
    counter.adopt(BTC, "old", born_at=-50.0)
    assert counter.reserve(BTC, 0.0) == 2
    assert counter.reserve(BTC, 41.0) == 1
    assert counter.reserve(BTC, 300.0) == 0
    ask(limiter, MoveKind.PLACE, "new", 0.0)
    counter.adopt(BTC, "new", born_at=-400.0)  # told again by a list: its age is known better here
    assert counter.reserve(BTC, 0.0) == 2 + 8


def test_a_strangers_order_is_cancelled_at_the_price_of_a_young_one():
    limiter = make()
    ask(limiter, MoveKind.CANCEL, "not ours", 0.0)
    assert limiter.used("trading", 0.0) == 8


def test_cancelling_all_costs_a_point_on_every_pair():
    limiter = make()
    ask(limiter, MoveKind.PLACE, "b", 0.0)
    ask(limiter, MoveKind.PLACE, "e", 0.0, ETH)
    every = Move(MoveKind.CANCEL_ALL, None)
    assert isinstance(limiter.try_take((Cost("trading", 1),), SAFETY, 0.0, move=every), Granted)
    assert limiter.used("trading", 0.0) == 2


def test_what_the_venue_counts_raises_one_pair():
    limiter = make()
    (counter,) = limiter.trading
    counter.observe_pair(BTC, 55.0, 0.0)
    counter.observe_pair(BTC, 3.0, 0.0)
    assert isinstance(ask(limiter, MoveKind.PLACE, "b", 0.0), Wait)
    assert isinstance(ask(limiter, MoveKind.PLACE, "e", 0.0, ETH), Granted)


def test_a_limit_too_small_for_one_order_and_its_cancel_is_never_granted():
    verdict = ask(make(limit=8), MoveKind.PLACE, "o", 0.0)
    assert verdict == Wait(math.inf, "trading")


def test_memory_of_orders_and_pairs_is_bounded():
    limiter = make(1_000_000, 1.0)
    (counter,) = limiter.trading
    for n in range(10_500):
        counter.adopt(f"PAIR{n}", f"o{n}", born_at=0.0)
    assert len(counter._symbols) <= 10_000
    assert len(counter._pairs) <= 4_096


def test_a_counter_per_symbol_must_drain():
    with pytest.raises(ConfigurationError, match="per_symbol without decay_per_s"):
        CounterSpec("trading", 60, 60, per_symbol=True)


class AgainstTheVenue(RuleBasedStateMachine):
    """*Client admits ⇒ server admits*, over flights that differ; and nothing is placed that could
    not be cancelled: at any instant every live order can be cancelled, one after the other."""

    @initialize(
        tier=st.sampled_from([STARTER, INTERMEDIATE, PRO]),
        flight_s=st.sampled_from([0.0, 0.3, 1.0]),
    )
    def start(self, tier, flight_s):
        self.limits = Limits()
        self.tier, self.flight_s = tier, flight_s
        self.limiter = make(tier.points_max, tier.points_decay_per_s, flight_s=flight_s)
        self.server = TradingCounters(tier)
        self.now_ms, self.arrived_ms = 1_000_000, 0
        self.orders = {}  # id -> when the server took it or amended it last
        self.made = 0

    @rule(ms=st.sampled_from([0, 1, 40, 700, 5_000, 11_000, 60_000, 400_000]))
    def time_passes(self, ms):
        self.now_ms += ms

    @rule(times=st.integers(1, 40), flight=st.floats(0, 1))
    def orders_are_placed(self, times, flight):
        for _ in range(times):
            self.made += 1
            name = f"o{self.made}"
            if self.admits(MoveKind.PLACE, name):
                self.arrives("add", flight)
                self.orders[name] = self.arrived_ms

    @precondition(lambda self: self.orders)
    @rule(which=st.randoms(use_true_random=False), flight=st.floats(0, 1))
    def one_is_amended(self, which, flight):
        name = which.choice(sorted(self.orders))
        if self.admits(MoveKind.AMEND, name):
            self.arrives("amend", flight, name)
            self.orders[name] = self.arrived_ms

    @precondition(lambda self: self.orders)
    @rule(which=st.randoms(use_true_random=False), flight=st.floats(0, 1))
    def one_is_cancelled(self, which, flight):
        name = which.choice(sorted(self.orders))
        assert self.admits(MoveKind.CANCEL, name), "a cancel had to wait"
        self.arrives("cancel", flight, name)
        self.ends(name)

    @precondition(lambda self: self.orders)
    @rule(which=st.randoms(use_true_random=False))
    def one_fills(self, which):
        self.ends(which.choice(sorted(self.orders)))

    @precondition(lambda self: self.orders)
    @rule(flight=st.floats(0, 1))
    def everything_is_cancelled_one_by_one(self, flight):
        for name in sorted(self.orders):
            assert self.admits(MoveKind.CANCEL, name), "a cancel had to wait"
            self.arrives("cancel", flight, name)
            self.ends(name)

    @invariant()
    def the_mirror_is_not_below_the_venue(self):
        if hasattr(self, "server") and not self.flight_s:
            level = self.server.level("me", BTC, max(self.now_ms, self.arrived_ms))
            assert self.limiter.used("trading", self.now_ms / 1000) >= level - 1e-6

    def admits(self, kind, name):
        return isinstance(ask(self.limiter, kind, name, self.now_ms / 1000), Granted)

    def ends(self, name):
        del self.orders[name]
        (counter,) = self.limiter.trading
        counter.ended(name)

    def arrives(self, kind, flight, name=None):
        # On one connection nothing overtakes; two flights differ by at most `flight_s`.
        at_ms = self.now_ms + round(flight * self.flight_s * 1000)
        self.arrived_ms = max(self.arrived_ms, at_ms)
        age_ms = None if name is None else self.arrived_ms - self.orders[name]
        try:
            self.server.charge(kind, "me", BTC, self.limits, self.arrived_ms, age_ms=age_ms)
        except VenueRefusal as refusal:
            raise AssertionError(f"the venue refused what the client admitted: {kind}") from refusal


TestAgainstTheVenue = AgainstTheVenue.TestCase
TestAgainstTheVenue.settings = settings(max_examples=120, stateful_step_count=40, deadline=None)
