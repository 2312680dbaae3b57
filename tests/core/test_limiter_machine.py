"""What the client admits the venue admits: both Binances, against the mock's own windows.

Kraken's counters have machines of their own, in test_levels.py and test_trading_counter.py.
"""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from outlast.core.limiter import CounterSpec, Granted, Limiter
from outlast.mock.limits import Charge
from outlast.mock.limits import Limiter as MockLimits
from outlast.mock.scenario.model import Limits
from outlast.mock.venues.binance_spot.weights import WINDOWS as SPOT_WINDOWS
from outlast.mock.venues.binance_um.weights import WINDOWS as UM_WINDOWS
from outlast.venues import codec
from outlast.wire import Cost, Lane

NOON = 1_760_011_200.0
MOCKS = {"binance-spot": SPOT_WINDOWS, "binance-um": UM_WINDOWS}
NAMES = {"1M": "1m", "10S": "10s", "1D": "1d"}


def eighths(low: float, high: float):
    """Exact binary fractions, so that neither side rounds a boundary away."""
    return st.integers(round(low * 8), round(high * 8)).map(lambda n: n / 8)


class AgainstTheWindows(RuleBasedStateMachine):
    """Our clock may be off and a flight may last, both together within the doubt of 1 s.

    Strangers spend on the same address. What they spend is told before our next request, as late
    as an answer may be: what nobody has told yet, nobody can know.
    """

    @initialize(venue=st.sampled_from(sorted(MOCKS)), into_s=eighths(0, 59.875))
    def begin(self, venue, into_s):
        self.venue = venue
        self.server = MockLimits(MOCKS[venue])
        specs = [CounterSpec(c.name, c.window_s, c.limit) for c in codec(venue).limits()]
        self.counters = {spec.name for spec in specs}
        self.limiter = Limiter(specs, clock_doubt_s=1.0)
        self.now = NOON + into_s
        self.arrived = self.now
        self.untold: list[tuple[float, dict[str, int]]] = []

    @rule(seconds=st.one_of(eighths(0, 2), eighths(0, 70)))
    def time_passes(self, seconds):
        self.now += seconds

    @rule(weight=st.integers(1, 3_000), times=st.integers(1, 3))
    def strangers_spend(self, weight, times):
        self.arrived = max(self.arrived, self.now)
        for _ in range(times):
            self.server.count("ip", None, Charge(weight=weight), round(self.arrived * 1000))
        self.untold.append((self.arrived, self.used()))

    @rule(
        lane=st.sampled_from(Lane),
        weight=st.sampled_from([1, 2, 5, 20, 50]),
        is_order=st.booleans(),
        times=st.integers(1, 150),
        error=eighths(-0.5, 0.5),
        flight=eighths(0, 0.5),
    )
    def we_ask(self, lane, weight, is_order, times, error, flight):
        self.hear()
        costs = [Cost("weight_1m", weight)]
        if is_order:
            costs += [Cost(name, 1) for name in self.counters if name.startswith("orders")]
        if "requests_5m" in self.counters:
            costs.append(Cost("requests_5m", 1))
        charge = Charge(weight=weight, orders=int(is_order))
        for _ in range(times):
            if not isinstance(self.limiter.try_take(costs, lane, self.now + error), Granted):
                return
            # On its way nothing overtakes what the venue has counted before.
            self.arrived = max(self.arrived, self.now + flight)
            at_ms = round(self.arrived * 1000)
            breach = self.server.admit("ip", "me", charge, Limits(), at_ms)
            assert breach is None, (self.venue, breach)
            self.server.count("ip", "me", charge, at_ms)

    @rule(took=eighths(0, 12))
    def an_answer_comes_in(self, took):
        """It left the venue at some time between its request and now."""
        self.hear()
        self.limiter.observe(self.used(), self.now, asked_at=self.now - took)

    def hear(self):
        for at, used in self.untold:
            self.limiter.observe(used, max(self.now, at), asked_at=at)
        self.untold.clear()

    def used(self) -> dict[str, int]:
        told = self.server.usage("ip", "me", round(self.arrived * 1000))
        weights = {f"weight_{NAMES[name]}": units for name, units in told.weight.items()}
        orders = {f"orders_{NAMES[name]}": units for name, units in told.orders.items()}
        return weights | orders


TestAgainstTheWindows = AgainstTheWindows.TestCase
TestAgainstTheWindows.settings = settings(max_examples=80, stateful_step_count=30, deadline=None)
