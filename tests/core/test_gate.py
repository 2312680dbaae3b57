"""New risk passes only while nothing stands; what reduces passes always."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from outlast.core.gate import Cause, Gate, Shape
from outlast.model import TradingState, limit, market, stop

BUY = limit("BTC/USD", "buy", "1", "100")
EXIT = market("BTC/USD", "sell", "1", reduce_only=True)
QUOTE = limit("BTC/USD", "buy", "1", "100", post_only=True)


def test_an_open_gate_lets_everything_pass():
    assert Gate().deny(BUY) is None
    assert Gate().state() is TradingState.ACTIVE


def test_a_reason_keeps_its_beginning_when_it_is_said_again():
    gate = Gate()
    assert gate.close(Cause.BREAKER, "left alone", now=10)
    assert not gate.close(Cause.BREAKER, "left alone still", now=20, retry_at=30)
    denial = gate.deny(BUY)
    assert (denial.first.since, denial.first.retry_at) == (10, 30)
    assert denial.first.why == "left alone still"


def test_opening_one_reason_leaves_the_others():
    gate = Gate()
    gate.close(Cause.BREAKER, "left alone", now=1)
    gate.close(Cause.BY_HAND, "by hand", now=2, state=TradingState.HALTED)
    assert [c.cause for c in gate.standing()] == [Cause.BY_HAND, Cause.BREAKER]
    assert gate.open(Cause.BY_HAND)
    assert not gate.open(Cause.BY_HAND)
    assert gate.deny(BUY).first.cause is Cause.BREAKER


def test_one_symbols_reason_is_not_anothers():
    gate = Gate()
    gate.close(Cause.UNKNOWN_ORDER, "x may be live", now=1, symbol="ETH/USD")
    assert gate.deny(BUY) is None
    assert gate.deny(limit("ETH/USD", "buy", "1", "100")) is not None


def test_the_strictest_state_counts():
    gate = Gate()
    gate.close(Cause.RECOVERY, "on the way back", now=1)
    assert gate.state() is TradingState.REDUCING
    gate.close(Cause.VENUE_MODE, "cancel_only", now=1, state=TradingState.CANCEL_ONLY)
    gate.close(Cause.SYMBOL_MODE, "closed", now=1, symbol="ETH/USD", state=TradingState.HALTED)
    assert gate.state("BTC/USD") is TradingState.CANCEL_ONLY
    assert gate.state("ETH/USD") is TradingState.HALTED


@pytest.mark.parametrize(
    ("shape", "order", "passes"),
    [
        (Shape.POST_ONLY, QUOTE, True),
        (Shape.POST_ONLY, BUY, False),
        (Shape.LIMIT_ONLY, BUY, True),
        (Shape.LIMIT_ONLY, market("BTC/USD", "buy", "1"), False),
        (Shape.LIMIT_ONLY, stop("BTC/USD", "buy", "1", "110"), False),
        (Shape.POST_ONLY, EXIT, True),
    ],
)
def test_a_restricted_mode_takes_the_orders_of_its_shape(shape, order, passes):
    gate = Gate()
    gate.restrict(Cause.VENUE_MODE, shape, now=5)
    denial = gate.deny(order)
    assert (denial is None) is passes
    if denial is not None:
        assert denial.shapes == (shape,)
        assert denial.first.since == 5
    gate.restrict(Cause.VENUE_MODE, None, now=6)
    assert gate.deny(order) is None


SYMBOLS = ("", "BTC/USD", "ETH/USD")


class AnyEvidenceInAnyOrder(RuleBasedStateMachine):
    """Against a plain set of what is closed: the gate is never more open than that."""

    def __init__(self):
        super().__init__()
        self.gate, self.now = Gate(), 0.0
        self.closed, self.shaped = {}, {}

    @rule(
        cause=st.sampled_from(list(Cause)),
        symbol=st.sampled_from(SYMBOLS),
        state=st.sampled_from([s for s in TradingState if s is not TradingState.ACTIVE]),
        retry_in_s=st.none() | st.floats(-10, 100),
    )
    def closes(self, cause, symbol, state, retry_in_s):
        retry_at = None if retry_in_s is None else self.now + retry_in_s
        self.gate.close(cause, "why", now=self.now, symbol=symbol, state=state, retry_at=retry_at)
        self.closed.setdefault((cause, symbol), self.now)

    @rule(cause=st.sampled_from(list(Cause)), symbol=st.sampled_from(SYMBOLS))
    def opens(self, cause, symbol):
        self.gate.open(cause, symbol=symbol)
        self.closed.pop((cause, symbol), None)

    @rule(
        cause=st.sampled_from([Cause.VENUE_MODE, Cause.SYMBOL_MODE]),
        symbol=st.sampled_from(SYMBOLS),
        shape=st.none() | st.sampled_from(list(Shape)),
    )
    def restricts(self, cause, symbol, shape):
        self.gate.restrict(cause, shape, now=self.now, symbol=symbol)
        self.shaped[cause, symbol] = shape

    @rule(seconds=st.floats(0, 1e6))
    def time_passes(self, seconds):
        self.now += seconds

    @invariant()
    def new_risk_passes_only_where_nothing_stands(self):
        for symbol in SYMBOLS[1:]:
            about = [key for key in self.closed if key[1] in ("", symbol)]
            shapes = {s for (_, at), s in self.shaped.items() if s and at in ("", symbol)}
            for order in (
                limit(symbol, "buy", "1", "1"),
                market(symbol, "sell", "1"),
                limit(symbol, "buy", "1", "1", post_only=True),
            ):
                denial = self.gate.deny(order)
                expected = bool(about) or not all(shape.allows(order) for shape in shapes)
                assert (denial is not None) is expected
                if about:
                    began = [self.closed[key] for key in about if key[0] is denial.first.cause]
                    assert denial.first.since in began
                    assert self.gate.state(symbol) is not TradingState.ACTIVE
            assert self.gate.deny(market(symbol, "sell", "1", reduce_only=True)) is None


AnyEvidenceInAnyOrder.TestCase.settings = settings(
    max_examples=60, stateful_step_count=25, deadline=None
)
test_the_gate_over_random_evidence = AnyEvidenceInAnyOrder.TestCase
