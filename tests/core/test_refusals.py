import pytest

from outlast.core.refusals import (
    REFUSALS,
    RefusalCircuit,
    RefusalKey,
    RefusalSettings,
    shape_of,
)
from outlast.errors import ConfigurationError
from outlast.model import limit, market, stop

SYMBOL = "BTC/USDT:USDT"
EXIT = RefusalKey(SYMBOL, "sell market 0.5 reduce_only")
REFUSED = RefusalKey(EXIT.symbol, EXIT.shape, "reduce_only_rejected")


def opened(at: float = 0.0) -> RefusalCircuit:
    circuit = RefusalCircuit()
    for _ in range(3):
        circuit.refused(REFUSED, at)
    return circuit


def test_three_identical_refusals_are_enough():
    circuit = RefusalCircuit()
    for n in range(3):
        assert circuit.admit(EXIT, float(n)) is None
        circuit.refused(REFUSED, float(n))
    assert circuit.admit(EXIT, 3.0) == 62.0


def test_the_lockout_of_106_minutes_costs_a_refusal_a_minute_and_no_more():
    """In October 2025 the same exit was sent over 200 times. A bot that asks once a second: 108."""
    circuit = RefusalCircuit()
    sent = 0
    for second in range(106 * 60):
        if circuit.admit(EXIT, float(second)) is None:
            sent += 1
            circuit.refused(REFUSED, float(second))
    assert sent <= 3 + 106


def test_the_probe_is_counted_when_it_leaves_even_if_it_never_reports():
    circuit = opened()
    assert circuit.admit(EXIT, 60.0) is None
    assert [circuit.admit(EXIT, 60.0 + n) for n in range(3)] == [120.0] * 3


def test_another_shape_symbol_or_reason_is_not_held():
    circuit = opened()
    assert circuit.admit(RefusalKey(SYMBOL, "sell market 0.25 reduce_only"), 1.0) is None
    assert circuit.admit(RefusalKey("ETH/USDT:USDT", EXIT.shape), 1.0) is None
    assert circuit.admit(RefusalKey(EXIT.symbol, EXIT.shape, "insufficient_margin"), 1.0) is None
    assert circuit.admit(REFUSED, 1.0) == 60.0


def test_different_reasons_are_counted_apart():
    circuit = RefusalCircuit()
    for kind in ("reduce_only_rejected", "insufficient_margin", "position_limit"):
        for _ in range(2):
            circuit.refused(RefusalKey(EXIT.symbol, EXIT.shape, kind), 0.0)
    assert circuit.admit(EXIT, 1.0) is None


def test_a_changed_position_opens_every_shape_of_that_symbol_and_no_other():
    circuit = opened()
    other = RefusalKey("ETH/USDT:USDT", EXIT.shape, "reduce_only_rejected")
    for _ in range(3):
        circuit.refused(other, 0.0)
    circuit.reset(SYMBOL)
    assert circuit.admit(EXIT, 1.0) is None
    assert circuit.admit(other, 1.0) == 60.0


def test_another_mode_opens_everything():
    circuit = opened()
    circuit.refused(RefusalKey("ETH/USDT:USDT", EXIT.shape, "only_reduce_allowed"), 0.0)
    circuit.reset_all()
    assert len(circuit) == 0
    assert circuit.admit(EXIT, 1.0) is None


def test_an_accepted_probe_closes_the_matter():
    circuit = opened()
    assert circuit.admit(EXIT, 60.0) is None
    circuit.accepted(EXIT)
    assert circuit.admit(EXIT, 60.1) is None
    assert circuit.admit(EXIT, 60.2) is None


def test_refusals_of_long_ago_do_not_add_up():
    circuit = RefusalCircuit()
    for n in range(10):
        circuit.refused(REFUSED, 700.0 * n)
    assert circuit.admit(EXIT, 6_301.0) is None
    assert opened(at=0.0).admit(EXIT, 601.0) is None


def test_memory_is_bounded_and_the_oldest_goes_first():
    circuit = RefusalCircuit(RefusalSettings(shapes_max=10))
    for n in range(100):
        for _ in range(3):
            circuit.refused(RefusalKey(SYMBOL, f"shape {n}", "insufficient_margin"), float(n))
    assert len(circuit) == 10
    assert circuit.admit(RefusalKey(SYMBOL, "shape 0"), 100.0) is None
    assert circuit.admit(RefusalKey(SYMBOL, "shape 99"), 100.0) == 159.0


def test_a_venue_that_invents_reasons_does_not_fill_the_memory():
    circuit = RefusalCircuit()
    for n in range(10_000):
        circuit.refused(RefusalKey(SYMBOL, "shape", f"reason {n}"), 0.0)
    (kinds,) = circuit._shapes.values()
    assert len(kinds) <= 16


def test_a_refusal_needs_its_reason():
    with pytest.raises(ValueError, match="kind"):
        RefusalCircuit().refused(EXIT, 0.0)


def test_a_shape_is_the_terms_without_the_price():
    quote = limit(SYMBOL, "sell", "0.50", "60000", reduce_only=True)
    same = [
        limit(SYMBOL, "sell", "0.5", "60001.5", reduce_only=True),
        limit(SYMBOL, "sell", "0.5", "60000", reduce_only=True, client_order_id="another"),
    ]
    other = [
        limit(SYMBOL, "buy", "0.5", "60000", reduce_only=True),
        limit(SYMBOL, "sell", "0.5", "60000"),
        limit(SYMBOL, "sell", "0.25", "60000", reduce_only=True),
        limit(SYMBOL, "sell", "0.5", "60000", reduce_only=True, post_only=True),
        limit(SYMBOL, "sell", "0.5", "60000", reduce_only=True, time_in_force="ioc"),
        market(SYMBOL, "sell", "0.5", reduce_only=True),
        stop(SYMBOL, "sell", "0.5", "60000", reduce_only=True),
    ]
    assert {shape_of(order) for order in same} == {shape_of(quote)}
    assert len({shape_of(order) for order in [quote, *other]}) == 8


def test_with_the_price_another_price_is_another_shape():
    prices = ["60000", "60000.5", "60000.50"]
    quotes = [limit(SYMBOL, "sell", 1, price, post_only=True) for price in prices]
    assert len({shape_of(quote, with_price=True) for quote in quotes}) == 2
    stops = [stop(SYMBOL, "sell", 1, price) for price in prices]
    assert len({shape_of(order, with_price=True) for order in stops}) == 2


@pytest.mark.parametrize(
    ("numbers", "field"),
    [
        ({"refusals_max": 0}, "refusals_max"),
        ({"shapes_max": 0}, "shapes_max"),
        ({"probe_every_s": 0.0}, "probe_every_s"),
        ({"forget_after_s": 30.0}, "forget_after_s"),
        ({"forget_after_s": float("inf")}, "forget_after_s"),
    ],
)
def test_impossible_settings_are_refused_by_name(numbers, field):
    with pytest.raises(ConfigurationError, match=field):
        RefusalSettings(**numbers)


def test_the_defaults_are_three_and_a_minute():
    assert (REFUSALS.refusals_max, REFUSALS.probe_every_s) == (3, 60.0)
