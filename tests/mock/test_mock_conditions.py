"""Values over time: what held when, and what is kept of it."""

from decimal import Decimal
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from outlast.mock.conditions import Conditions, Dial, Quote, Span, Steps, utc


def quote(venue_price, peer_price=100, mark=None):
    return Quote(Decimal(venue_price), Decimal(peer_price), None if mark is None else Decimal(mark))


def test_venue_time_is_printed_to_the_millisecond():
    assert utc(1_760_130_420_007) == "2025-10-10T21:07:00.007Z"


def test_a_value_holds_from_its_instant_until_the_next():
    steps: Steps[str] = Steps()
    steps.put(10, "a")
    steps.put(20, "b")
    assert [steps.at(t, "-") for t in (9, 10, 19, 20)] == ["-", "a", "a", "b"]
    assert [steps.before(t, "-") for t in (10, 11, 20, 21)] == ["-", "a", "a", "b"]
    assert [steps.since(t) for t in (9, 15, 25)] == [None, 10, 20]
    assert steps.within(15, 20, "-") == ["a", "b"]
    assert list(steps.spans(30)) == [Span(10, 20, "a"), Span(20, 30, "b")]
    assert list(steps.spans(15)) == [Span(10, 15, "a")]
    assert steps.last("-") == "b"


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 3)), max_size=20))
def test_steps_reported_in_any_order_equal_the_last_word_on_each_instant(puts):
    steps: Steps[int] = Steps()
    known: dict[int, int] = {}
    for at_ms, value in puts:
        steps.put(at_ms, value)
        known[at_ms] = value
    for at_ms in range(32):
        told = [t for t in known if t <= at_ms]
        assert steps.at(at_ms, -1) == (known[max(told)] if told else -1)
        since = steps.since(at_ms)
        assert (since is None) == (not told)
        assert since is None or steps.before(since, None) != steps.at(at_ms, -1)
        assert since is None or all(known[t] == steps.at(at_ms, -1) for t in told if t >= since)
    spans = list(steps.spans(32))
    assert all(
        span.value == steps.at(t, -1) for span in spans for t in range(span.start_ms, span.end_ms)
    )
    assert all(a.end_ms == b.start_ms and a.value != b.value for a, b in pairwise(spans))


def test_what_is_reported_often_keeps_only_its_changes():
    steps: Steps[bool] = Steps()
    for at_ms, value in enumerate((True, True, False, False, True)):
        steps.put_change(at_ms, value)
    assert len(steps) == 3
    assert steps.since(3) == 2


def test_prices_are_in_doubt_beyond_two_percent_of_the_peers():
    assert quote("98.1").doubt() == ""
    assert "-2.5 % off its peers" in quote("97.5").doubt()
    assert quote(100, 100, "101.9").doubt() == ""
    assert "the mark is +3.0 % off" in quote(100, 100, 103).doubt()
    assert quote(100, 0).doubt() == ""


def test_only_prices_that_moved_are_kept():
    conditions = Conditions()
    for second in range(59):
        conditions.quote(second * 1000, "v", "X", quote("100.01"))
    steps = conditions.quotes("v", "X")
    assert steps is not None
    assert len(steps) == 1
    conditions.quote(59_000, "v", "X", quote("100.2"))
    assert len(steps) == 2
    conditions.quote(59_500, "v", "X", quote("100.2", mark=90))
    assert len(steps) == 3
    conditions.quote(120_000, "v", "X", quote("100.21", mark=90))
    assert steps.at(120_000, None) == quote("100.21", mark=90)


def test_prices_of_no_venue_in_particular_serve_every_venue():
    conditions = Conditions()
    conditions.quote(0, "", "X", quote(100))
    assert conditions.quotes("v", "X") is conditions.quotes("w", "X")
    conditions.quote(0, "v", "X", quote(90))
    assert conditions.quotes("v", "X") is not conditions.quotes("w", "X")


def test_lies_of_every_venue_and_of_one_add_up():
    conditions = Conditions()
    conditions.lie(10, ["balances:zero"], "")
    conditions.lie(20, ["book:X", "positions:stale"], "v")
    conditions.lie(30, [], "")
    assert conditions.lies_at(9, "v") == ()
    assert conditions.lies_at(20, "v") == ("balances:zero", "book:X", "positions:stale")
    assert conditions.lies_at(20, "w") == ("balances:zero",)
    assert conditions.lies_at(30, "v") == ("book:X", "positions:stale")
    assert conditions.lies_about("v", "book") == [("book:X", 20, None)]
    assert conditions.lies_about("w", "book") == []
    assert conditions.lies_about("w", "balances") == [("balances:zero", 10, 30)]


def test_steps_forget_what_was_before_but_not_since_when_the_value_holds():
    steps = Steps()
    for at_ms, value in ((1, "a"), (2, "b"), (5, "b"), (9, "c")):
        steps.put(at_ms, value)
    steps.forget_before(7)
    assert (steps.at(7, None), steps.since(7), len(steps)) == ("b", 2, 3)
    assert [span.start_ms for span in steps.spans(20)] == [2, 9]
    steps.forget_before(0)
    assert len(steps) == 3
    steps.forget_before(9)
    assert (steps.at(9, None), steps.at(8, None), len(steps)) == ("c", None, 1)


def test_old_prices_and_dials_are_forgotten_and_phases_are_not():
    conditions = Conditions()
    for second in range(1_200):
        at_ms = second * 1_000
        price = Decimal(100 + second % 2)
        conditions.quote(at_ms, "v", "X", Quote(price, price, None))
        conditions.be_willing(at_ms, "bot", yes=second % 2 == 0)
        conditions.dialled(Dial(at_ms, "http", "accepted", "v", None))
        conditions.phases.put_change(at_ms, str(second))
    conditions.forget_before(1_150_000)
    quotes, willing = conditions.quotes("v", "X"), conditions.willingness("bot")
    assert (len(quotes), len(willing), len(conditions.phases)) == (50, 50, 1_200)
    assert len(conditions.dials) == 1_000
    conditions.forget_before(100_000)
    assert len(conditions.dials) == 1_000
    assert quotes.at(1_150_000, None).venue_price == 100
