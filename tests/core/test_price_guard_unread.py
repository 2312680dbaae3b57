"""A price that cannot be had is no price to trade on."""

from decimal import Decimal

from outlast.core.price_guard import PriceGuard


def test_a_price_that_cannot_be_read_is_a_doubt_until_one_is_taken():
    guard = PriceGuard()
    assert guard.taken_at is None
    guard.take(Decimal(100), 1)
    assert guard.taken_at == 1
    guard.unread("its price cannot be read (timeout)")
    assert guard.taken_at is None
    assert guard.price is None
    assert guard.doubt(500) == "its price cannot be read (timeout)"
    assert guard.take(Decimal(101), 501) is None
    assert guard.doubt(502) is None
