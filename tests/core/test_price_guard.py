"""A price is held against other prices of the same thing."""

from decimal import Decimal

import pytest

from outlast.core.price_guard import PriceGuard, PriceGuardSettings
from outlast.errors import ConfigurationError

D = Decimal


def test_a_price_far_from_a_fresh_reference_is_doubted_until_another_is_taken():
    guard = PriceGuard()
    guard.reference("index", D(100), 0)
    assert guard.take(D("100.9"), 1) is None
    why = guard.take(D("97"), 2)
    assert "3.0% off index (100)" in why
    assert guard.doubt(3) is not None
    assert guard.price == D("97")
    assert guard.doubt(500) is not None  # nobody has looked again
    assert guard.take(D("100.1"), 501) is None
    assert guard.doubt(502) is None


def test_a_fresh_price_is_held_against_references_that_move_on():
    guard = PriceGuard()
    guard.take(D(100), 0)
    assert guard.doubt(1) is None
    guard.reference("kraken-spot", D(110), 2)
    assert "kraken-spot" in guard.doubt(3)
    assert guard.doubt(60) is None  # our own is old: that they differ says nothing


def test_an_old_reference_is_not_compared_with():
    guard = PriceGuard()
    guard.reference("index", D(100), 0)
    assert guard.take(D(105), 31) is None


def test_without_a_reference_the_last_trusted_price_bounds_the_impossible():
    guard = PriceGuard()
    guard.take(D(100), 0)
    assert guard.take(D(92), 60) is None
    assert "off the last that was trusted" in guard.take(D(70), 120)
    assert guard.take(D(70), 60 + 601) is None


@pytest.mark.parametrize("price", [D(0), D(-1)])
def test_a_price_of_nothing_is_none(price):
    guard = PriceGuard()
    assert "its price is" in guard.take(price, 0)
    guard.reference("index", price, 0)
    assert guard.take(D(5), 1) is None


@pytest.mark.parametrize("bad", [{"deviation_max": D(0)}, {"moved_max": D(1)}, {"fresh_s": 0}])
def test_settings_that_make_no_sense_are_refused_by_name(bad):
    with pytest.raises(ConfigurationError, match=next(iter(bad))):
        PriceGuardSettings(**bad)
