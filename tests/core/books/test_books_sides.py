"""Sides of a book against a dictionary that is sorted each time."""

from decimal import Decimal
from random import Random

import pytest
from book_messages import Plain, checked
from hypothesis import given, settings
from hypothesis import strategies as st

from outlast.core.books.checked_sides import checked_sides
from outlast.core.books.digits import ExactDigits, FloatDigits, NotKnown
from outlast.core.books.sides import AskSide, BidSide, ExactAskSide, ExactBidSide

FLOATS, EXACT = FloatDigits(1, 3), ExactDigits(1, 3)


def rows_of(count, seed):
    """Levels at random; a price may come twice, and a third of them are deletions."""
    rng = Random(seed)
    return [
        (rng.randrange(1, 400) / 10, rng.choice((0.0, 1.0, rng.randrange(1, 99_999) / 1000)))
        for _ in range(count)
    ]


ROWS = st.builds(
    rows_of, st.sampled_from([0, 1, 2, 3, 8, 9, 20, 60, 300]), st.integers(0, 10**6)
)  # fmt: skip


def as_decimals(rows):
    return [(Decimal(str(price)), Decimal(str(qty))) for price, qty in rows]


@settings(max_examples=50, deadline=None)
@given(
    messages=st.lists(
        st.tuples(st.sampled_from(["diff", "diff", "diff", "snapshot", "compact"]), ROWS),
        max_size=12,
    ),
    exact=st.booleans(),
)
def test_late_deletion_shows_what_a_sorted_dictionary_shows(messages, exact):
    bids, asks = (
        (ExactBidSide(EXACT), ExactAskSide(EXACT)) if exact else (BidSide(FLOATS), AskSide(FLOATS))
    )
    plain = Plain()
    for kind, raw in messages:
        rows = as_decimals(raw) if exact else raw
        if kind == "diff":
            bids.merge(rows)
            asks.merge(rows)
            plain.take(rows, rows)
        elif kind == "snapshot":
            bids.replace(rows, known_all=True)
            asks.replace(rows, known_all=True)
            plain.replace(rows, rows)
        else:
            bids.compact()
            asks.compact()
        for side, expected in zip((bids, asks), plain.rows(), strict=True):
            assert side.rows() == expected
            assert side.copy().rows(3) == expected[:3]
            best = side.best()
            if expected:
                assert (best.price, best.qty) == as_decimals(expected)[0]
            else:
                assert best is None
    for side in (bids, asks):
        side.compact()
        assert len(side.qtys) == len(side.keys) == len(side.rows()) + 1  # nothing dead is left


@settings(max_examples=50, deadline=None)
@given(
    depth=st.sampled_from([10, 25, 100, 500, 1000]),
    messages=st.lists(st.tuples(st.booleans(), ROWS), max_size=12),
    exact=st.booleans(),
)
def test_checked_sides_keep_depth_and_text_of_a_sorted_dictionary(depth, messages, exact):
    digits = EXACT if exact else FLOATS
    sides = checked_sides(digits, depth)
    plain = Plain(depth)
    for is_snapshot, raw in messages:
        rows = as_decimals(raw) if exact else raw
        if is_snapshot:
            plain.replace(rows, rows)
        else:
            plain.take(rows, rows)
        message = checked(plain, rows, rows)
        for side, levels in zip(sides, (message.bids, message.asks), strict=True):
            (side.renew if is_snapshot else side.take)(levels)
        for side, expected in zip(sides, plain.rows(), strict=True):
            assert side.rows() == expected
            text = "".join(
                f"{number:.{places}f}".replace(".", "").lstrip("0")
                for row in expected[:10]
                for number, places in zip(row, (1, 3), strict=True)
            )
            assert (side.text or side.new_text()) == text.encode()


@settings(max_examples=200, deadline=None)
@given(
    st.integers(0, 12).flatmap(
        lambda places: st.tuples(st.just(places), st.integers(1, 10**15 - 1))
    )
)
def test_a_float_gives_back_fifteen_digits(case):
    places, units = case
    digits = FloatDigits(places, places)
    exact = Decimal(units).scaleb(-places)
    number = float(f"{exact:f}")
    assert digits.price(number) == digits.qty(number) == exact
    assert digits.text(number, number) == str(units).encode() * 2


def test_what_floats_do_not_keep_is_refused_when_it_is_read():
    digits = FloatDigits(1, 8)
    side = BidSide(digits)
    side.merge([(100.5, 12345678.12345678)])
    with pytest.raises(NotKnown, match="more than 15 digits"):
        side.best()
    with pytest.raises(ValueError, match="price_decimals is 15"):
        FloatDigits(15, 2)


def test_levels_below_what_was_fetched_are_kept_but_not_said():
    side = BidSide(FLOATS)
    side.replace([(10.0, 1.0), (9.0, 1.0)], known_all=False)
    side.merge([(8.0, 5.0)])
    assert [level.price for level in side.levels()] == [10, 9]
    assert len(side.rows()) == 3
    side.merge([(10.0, 0.0), (9.0, 0.0)])  # what lies between 9 and 8 was never fetched
    assert side.levels() == []
    with pytest.raises(NotKnown, match="left the levels"):
        side.best()


def test_exact_sides_do_not_depend_on_the_callers_decimal_context():
    from decimal import localcontext

    asks = ExactAskSide(ExactDigits(10, 10))
    price = Decimal("12345678901234567.0000000001")
    with localcontext(prec=4):
        asks.merge([(price, Decimal(1))])
    assert asks.best().price == price
