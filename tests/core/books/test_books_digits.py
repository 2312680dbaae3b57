"""Which symbols fit floats, decided from what the venue says of them."""

from decimal import Decimal

import pytest

from outlast.core.books import ExactDigits, FloatDigits, digits_for
from outlast.model import Instrument, Product


def instrument(tick, step, *, price_max="1E+20", qty_max="1E+20", price_decimals=None):
    return Instrument(
        venue="venue",
        symbol="A/B",
        venue_symbol="AB",
        product=Product.SPOT,
        base="A",
        quote="B",
        settle="B",
        tick_size=Decimal(tick),
        qty_step=Decimal(step),
        qty_min=Decimal(0),
        qty_max=Decimal(qty_max),
        market_qty_min=Decimal(0),
        market_qty_max=Decimal(qty_max),
        notional_min=Decimal(0),
        price_min=Decimal(0),
        price_max=Decimal(price_max),
        price_decimals=price_decimals,
    )


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (instrument("0.01000000", "0.00001000", price_max="1000000", qty_max="9000"), (2, 5)),
        (instrument("0.00000001", "1.00", price_max="1", qty_max="46116860414"), (8, 0)),
        (instrument("0.1", "0.00000001"), (1, 8)),
        (instrument("10", "1"), (0, 0)),
        (instrument("0.5", "1", price_decimals=2), (2, 0)),
    ],
)
def test_usual_symbols_fit_floats(found, expected):
    digits = digits_for(found)
    assert isinstance(digits, FloatDigits)
    assert (digits.price_decimals, digits.qty_decimals) == expected


@pytest.mark.parametrize(
    "found",
    [
        instrument("0.00000001", "0.00000001", price_max="1", qty_max="1000000"),
        instrument("0.000000000000001", "1"),
        instrument("0.01", "1", price_max="100000000000000"),
    ],
)
def test_symbols_of_more_digits_are_held_in_decimals(found):
    assert isinstance(digits_for(found), ExactDigits)
