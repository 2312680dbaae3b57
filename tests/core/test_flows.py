from dataclasses import replace
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from outlast.core.flows import DIFFER_MS, LATE_MS, FlowBook
from outlast.private_wire import AccountMoved, Moved

NOON = 1_760_000_000_000


def funding(at_ms=NOON, amount="-1.25", flow_id="", symbol="BTC/USDT:USDT"):
    return AccountMoved(
        kind=Moved.FUNDING,
        cause="FUNDING_FEE",
        at_ms=at_ms,
        currency="USDT",
        amount=Decimal(amount),
        symbol=symbol,
        flow_id=flow_id,
    )


def book(first_ms=NOON - 1000):
    made = FlowBook()
    made.begin(first_ms)
    return made


def test_what_the_stream_has_told_is_not_new_in_the_list():
    flows = book()
    flows.heard(funding(NOON + 800, symbol=None))  # older streams do not name the symbol
    assert not flows.is_new(funding(flow_id="a"))


def test_each_entry_of_the_list_is_new_once():
    flows = book()
    assert flows.is_new(funding(flow_id="a"))
    assert not flows.is_new(funding(flow_id="a"))
    assert flows.is_new(funding(flow_id="b"))


def test_one_word_of_the_stream_stands_for_one_entry():
    flows = book()
    flows.heard(funding())
    assert [flows.is_new(funding(flow_id=name)) for name in "ab"] == [False, True]


def test_another_amount_or_another_hour_is_another_payment():
    flows = book()
    flows.heard(funding())
    assert flows.is_new(funding(flow_id="a", amount="-1.26"))
    assert flows.is_new(funding(flow_id="b", at_ms=NOON + DIFFER_MS + 1))


def test_nothing_from_before_the_first_session_is_told():
    flows = book(first_ms=NOON)
    assert not flows.is_new(funding(NOON - 1, flow_id="a"))


def test_funding_that_is_booked_a_day_late_is_still_found():
    flows = book(first_ms=NOON)
    flows.read(NOON + LATE_MS)
    assert flows.since_ms == NOON
    assert flows.is_new(funding(NOON + 1, flow_id="late"))


def test_what_cannot_return_is_forgotten():
    flows = book()
    flows.heard(funding())
    flows.is_new(funding(flow_id="a", amount="7"))
    flows.read(NOON + 3 * LATE_MS)
    assert not flows._heard
    assert not flows._listed


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_each_payment_is_told_once_whoever_tells_it_first(data):
    """Payments come by stream, by list or by both, in any order that a venue can produce."""
    flows = book(first_ms=NOON)
    hours = data.draw(st.lists(st.integers(0, 200), unique=True, max_size=12))
    told = 0
    for hour in sorted(hours):
        payment = funding(NOON + hour * 3_600_000)
        by_stream = data.draw(st.booleans())
        if by_stream:
            flows.heard(payment)
            told += 1
        for _ in range(data.draw(st.integers(1, 3))):  # lists overlap
            told += flows.is_new(replace(payment, flow_id=str(hour)))
        flows.read(payment.at_ms + data.draw(st.integers(0, 3_600_000)))
    assert told == len(hours)
