"""The nouns and the errors: money that is exact, orders that cannot be nonsense, closed sets."""

import dataclasses
import inspect
from decimal import Decimal, localcontext

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from outlast import errors, model
from outlast.errors import Failure, Layer, NotSent, Outcome, OutlastError, Refused, Remedy
from outlast.model import (
    Order,
    OrderRequest,
    OrderStatus,
    OrderType,
    Side,
    TimeInForce,
    limit,
    market,
    money,
    stop,
)

S = "BTC/USDT:USDT"

# Money.


@pytest.mark.parametrize(
    ("given_as", "exactly"),
    [
        ("0.1", "0.1"),
        ("0.10", "0.10"),
        ("-3", "-3"),
        ("1e-8", "1E-8"),
        (7, "7"),
        (10**30, "1" + "0" * 30),
        (Decimal("0.30000000000000000000000000000001"), "0.30000000000000000000000000000001"),
    ],
)
def test_money_is_taken_exactly(given_as, exactly):
    assert str(money(given_as, field="qty")) == exactly


@settings(max_examples=100, deadline=None)
@given(st.decimals(allow_nan=False, allow_infinity=False, places=12))
def test_text_and_decimal_are_the_same_money(value):
    assert money(str(value), field="qty") == money(value, field="qty") == value


@pytest.mark.parametrize("value", [0.1, 1.0, True, False, None, [], b"1", 1j])
def test_what_cannot_hold_money_exactly_is_refused_by_name(value):
    with pytest.raises(TypeError) as error:
        money(value, field="stop_price")
    message = str(error.value)
    assert message.startswith(f"stop_price is {value!r}, a {type(value).__name__}")
    assert f"stop_price={str(value)!r}" in message


@pytest.mark.parametrize("value", ["", "ten", "1,5", "0x10", "1.2.3", "--1"])
def test_what_is_no_number_is_refused_by_name(value):
    with pytest.raises(ValueError, match=r"qty is .* which is not a number") as error:
        money(value, field="qty")
    assert error.value.__cause__ is None


@pytest.mark.parametrize("value", ["nan", "inf", "-Infinity", Decimal("sNaN"), Decimal("NaN")])
def test_what_is_not_finite_is_refused_by_name(value):
    with pytest.raises(ValueError, match=r"price is .* finite"):
        money(value, field="price")


def test_the_callers_decimal_context_changes_nothing():
    with localcontext(prec=3):
        assert str(money("123456.789", field="price")) == "123456.789"


# Constructors.


def test_a_limit_order_carries_every_term():
    order = limit(
        S, "SELL", "0.5", 100_000, post_only=True, reduce_only=True, client_order_id="mine"
    )
    assert order == OrderRequest(
        symbol=S,
        side=Side.SELL,
        order_type=OrderType.LIMIT,
        qty=Decimal("0.5"),
        price=Decimal(100_000),
        post_only=True,
        reduce_only=True,
        client_order_id="mine",
    )


def test_a_market_order_has_no_price():
    order = market(S, Side.BUY, 1, reduce_only=True)
    assert (order.order_type, order.price, order.stop_price) == (OrderType.MARKET, None, None)
    assert order.reduce_only


def test_a_stop_is_a_market_order_unless_a_price_is_given():
    assert stop(S, "buy", 1, 90).order_type is OrderType.STOP_MARKET
    with_price = stop(S, "buy", 1, 90, price=91)
    assert with_price.order_type is OrderType.STOP_LIMIT
    assert (with_price.stop_price, with_price.price) == (90, 91)


@pytest.mark.parametrize("given_as", list(TimeInForce) + [t.value.upper() for t in TimeInForce])
def test_time_in_force_by_name_or_by_text(given_as):
    seconds = 600.0 if given_as in (TimeInForce.GTD, "GTD") else None
    order = limit(S, "buy", 1, 100, time_in_force=given_as, expires_in_s=seconds)
    assert order.time_in_force.value == getattr(given_as, "value", given_as).lower()


REFUSED = {
    "a float qty": (lambda: limit(S, "buy", 0.1, 100), TypeError, "qty"),
    "a float price": (lambda: limit(S, "buy", 1, 100.5), TypeError, "price"),
    "a float stop price": (lambda: stop(S, "buy", 1, 90.5), TypeError, "stop_price"),
    "a float price of a stop": (lambda: stop(S, "buy", 1, 90, price=1.5), TypeError, "price"),
    "no qty": (lambda: market(S, "buy", 0), ValueError, "qty is 0"),
    "a negative qty": (lambda: market(S, "sell", "-1"), ValueError, "qty is -1"),
    "a price of nothing": (lambda: limit(S, "buy", 1, 0), ValueError, "price is 0"),
    "no such side": (lambda: market(S, "long", 1), ValueError, "side is 'long'"),
    "no side": (lambda: market(S, None, 1), ValueError, "side is None"),
    "no such time in force": (
        lambda: limit(S, "buy", 1, 1, time_in_force="day"),
        ValueError,
        "'gtc', 'ioc', 'fok', 'gtd'",
    ),
    "no time in force": (
        lambda: limit(S, "buy", 1, 1, time_in_force=3),
        ValueError,
        "time_in_force is 3",
    ),
    "post-only at once": (
        lambda: limit(S, "buy", 1, 1, post_only=True, time_in_force="ioc"),
        ValueError,
        "post_only contradicts",
    ),
    "gtd without a time": (
        lambda: limit(S, "buy", 1, 1, time_in_force="gtd"),
        ValueError,
        "expires_in_s",
    ),
    "a time without gtd": (
        lambda: limit(S, "buy", 1, 1, expires_in_s=600),
        ValueError,
        "expires_in_s",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_an_order_that_can_be_valid_nowhere_is_refused_by_field(name):
    make, error_type, words = REFUSED[name]
    with pytest.raises(error_type, match=words):
        make()


# Closed sets.


def test_a_status_is_final_or_may_be_live_or_has_not_begun():
    for status in OrderStatus:
        ways = [status.is_final, status.may_be_live, status is OrderStatus.INITIALIZED]
        assert ways.count(True) == 1, status


def test_what_may_fill_counts_and_what_cannot_does_not():
    order = Order(
        client_order_id="x",
        symbol=S,
        side=Side.BUY,
        order_type=OrderType.LIMIT,
        qty=Decimal(3),
        filled_qty=Decimal(1),
        status=OrderStatus.ACCEPTED,
    )
    for status in OrderStatus:
        expected = 2 if status.may_be_live else 0
        assert structs.replace(order, status=status).leaves_qty == expected


def test_conditional_orders_are_all_but_two():
    plain = {kind for kind in OrderType if not kind.is_conditional}
    assert plain == {OrderType.LIMIT, OrderType.MARKET}


def test_opposites():
    assert Side.BUY.opposite is Side.SELL
    assert Side.SELL.opposite is Side.BUY


@pytest.mark.parametrize("module", [model, errors])
def test_all_lists_what_the_module_defines(module):
    defined = {
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and getattr(value, "__module__", None) == module.__name__
        and (inspect.isclass(value) or inspect.isfunction(value))
    }
    assert defined == set(module.__all__) - {"Money"}


@pytest.mark.parametrize(
    "noun",
    [v for v in vars(model).values() if dataclasses.is_dataclass(v)],
    ids=lambda noun: noun.__name__,
)
def test_nouns_are_values(noun):
    """Frozen and slotted: what a caller holds is what it was when it was given."""
    assert noun.__dataclass_params__.frozen
    assert "__slots__" in vars(noun)


@pytest.mark.parametrize("noun", [model.Order, model.OrderReport], ids=lambda noun: noun.__name__)
def test_what_every_call_makes_is_a_value_too(noun):
    assert issubclass(noun, msgspec.Struct)
    assert noun.__struct_config__.frozen
    assert not noun.__struct_config__.dict


# Errors.

EXCEPTIONS = [
    value
    for value in vars(errors).values()
    if inspect.isclass(value) and issubclass(value, OutlastError)
]


def made(error_type, **more):
    """An exception with everything that its constructor asks for."""
    wanted = {
        "client_order_id": "ol-1",
        "field": "qty",
        "age_s": 3.0,
    }
    names = inspect.signature(error_type).parameters
    known = {name: value for name, value in wanted.items() if name in names}
    return error_type("what was found and what to do", **known, **more)


def test_the_tree_has_the_branches_that_a_caller_decides_on():
    second = {error for error in EXCEPTIONS if error.__mro__[1] is OutlastError}
    assert {error.__name__ for error in second} == {
        "ConfigurationError",
        "NotSent",
        "Refused",
        "OutcomeUnknown",
        "StaleData",
    }
    for error in EXCEPTIONS:
        branches = [branch for branch in second if issubclass(error, branch)]
        assert len(branches) == (error is not OutlastError)
    assert not issubclass(errors.OutcomeUnknown, NotSent | Refused)


@pytest.mark.parametrize("error_type", EXCEPTIONS, ids=lambda t: t.__name__)
def test_every_exception_has_its_attributes_whatever_it_was_given(error_type):
    error = made(error_type, venue="binance-um")
    assert str(error) == "what was found and what to do"
    assert error.venue == "binance-um"
    for name in ("retry_at", "evidence_id", "failure"):
        assert getattr(error, name) is None
    assert made(error_type).venue is None


def test_a_failure_is_described_in_one_line():
    failure = Failure(
        layer=Layer.VENUE, kind="overloaded", outcome=Outcome.REFUSED, remedy=Remedy.RETRY
    )
    assert failure.describe() == "overloaded"
    told = dataclasses.replace(failure, http_status=503, venue_code="-1008", message="Busy")
    assert told.describe() == "overloaded (HTTP 503, -1008): Busy"


def test_only_transport_and_venue_are_evidence_about_health():
    for layer in Layer:
        failure = Failure(layer=layer, kind="x", outcome=Outcome.REFUSED, remedy=Remedy.RETRY)
        assert failure.infrastructure == (layer in (Layer.TRANSPORT, Layer.VENUE))
