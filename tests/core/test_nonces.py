"""Numbers that only rise: through bursts, clocks that are set back, restarts and refusals."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from outlast.core.nonces import RAISES, RESERVE, NonceSource

NOW = 1_700_000_000_000_000_000
SECOND = 1_000_000_000


def test_nonces_are_the_clock_where_it_moves_and_one_more_where_it_does_not():
    source = NonceSource()
    assert [source.next(NOW), source.next(NOW), source.next(NOW + 5)] == [NOW, NOW + 1, NOW + 5]


def test_a_clock_that_is_set_back_does_not_lower_them():
    source = NonceSource()
    source.next(NOW)
    assert source.next(NOW - 3600 * SECOND) == NOW + 1


def test_a_floor_is_reserved_ahead_once_a_minute():
    source = NonceSource()
    source.next(NOW)
    assert source.reserved == NOW + RESERVE
    source.next(NOW + 59 * SECOND)
    assert source.reserved == NOW + RESERVE
    source.next(NOW + 61 * SECOND)
    assert source.reserved == NOW + 61 * SECOND + RESERVE


def test_a_restart_begins_above_everything_that_may_have_been_used():
    first = NonceSource()
    used = [first.next(NOW + n) for n in range(1000)]
    second = NonceSource(floor=first.reserved)
    assert second.next(NOW - SECOND) > max(used)


def test_refusals_in_a_row_raise_the_floor_by_more_each_time():
    source = NonceSource()
    last = source.next(NOW)
    for step in (*RAISES, RAISES[-1]):
        source.refused(last)
        following = source.next(NOW)
        assert following == last + step + 1
        last = following


def test_late_refusals_of_the_same_overtaking_say_nothing_new():
    source = NonceSource()
    nonces = [source.next(NOW + n) for n in range(10)]
    source.refused(nonces[3])
    raised = source.next(NOW)
    for nonce in nonces:
        source.refused(nonce)
    assert source.next(NOW) == raised + 1


def test_after_an_acceptance_a_refusal_is_a_first_one_again():
    source = NonceSource()
    source.refused(source.next(NOW))
    accepted = source.next(NOW)
    source.accepted(accepted)
    source.refused(accepted)
    assert source.next(NOW) == accepted + RAISES[0] + 1


def test_the_acceptance_of_an_old_one_changes_nothing():
    source = NonceSource()
    old = source.next(NOW)
    source.refused(source.next(NOW))
    source.accepted(old)
    last = source.next(NOW)
    source.refused(last)
    assert source.next(NOW) == last + RAISES[1] + 1


MOVES = st.lists(
    st.one_of(
        st.integers(min_value=-(10**13), max_value=10**13),  # the clock moves by so much
        st.sampled_from(["refused", "accepted", "restart"]),
    ),
    max_size=60,
)


@settings(max_examples=60, deadline=None)
@given(MOVES)
def test_whatever_happens_they_rise_and_stay_below_what_was_reserved(moves):
    source, clock, last = NonceSource(), NOW, 0
    for move in moves:
        match move:
            case "refused":
                source.refused(last)
            case "accepted":
                source.accepted(last)
            case "restart":
                source = NonceSource(floor=source.reserved)
            case _:
                clock += move
        nonce = source.next(clock)
        assert last < nonce <= source.reserved
        last = nonce
    assert last < 2**64
