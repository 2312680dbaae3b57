"""What another path shows, the stream has to tell as well, soon."""

from __future__ import annotations

from decimal import Decimal

from outlast.core.stream_trust import TOLD_MAX, AccountOwed, Expectations

NONE, HALF, ALL = Decimal(0), Decimal("0.5"), Decimal(1)


def test_what_is_told_in_time_is_not_missed():
    expectations = Expectations(within_s=5.0)
    expectations.expect("a", filled=NONE, is_final=False, now=10.0)
    assert expectations.next_due == 15.0
    expectations.told("a", filled=NONE, is_final=False)
    assert expectations.next_due is None
    assert expectations.overdue(100.0) is None


def test_what_is_not_told_is_missed_when_it_is_due():
    expectations = Expectations(within_s=5.0)
    expectations.expect("a", filled=NONE, is_final=False, now=10.0)
    assert expectations.overdue(14.9) is None
    assert expectations.overdue(15.0) == "a"


def test_a_fill_that_came_before_the_acknowledgement_counts():
    expectations = Expectations()
    expectations.told("a", filled=ALL, is_final=True)
    expectations.expect("a", filled=NONE, is_final=False, now=10.0)
    assert expectations.next_due is None


def test_less_than_what_is_known_is_not_enough():
    expectations = Expectations(within_s=5.0)
    expectations.expect("a", filled=ALL, is_final=True, now=0.0)
    expectations.told("a", filled=HALF, is_final=False)
    expectations.told("a", filled=ALL, is_final=False)
    assert expectations.overdue(5.0) == "a"
    expectations.told("a", filled=ALL, is_final=True)
    assert expectations.overdue(5.0) is None


def test_a_second_expectation_does_not_put_off_the_first():
    expectations = Expectations(within_s=5.0)
    expectations.expect("a", filled=NONE, is_final=False, now=0.0)
    expectations.expect("a", filled=HALF, is_final=False, now=4.0)
    assert expectations.overdue(5.0) == "a"


def test_an_older_word_takes_nothing_back():
    expectations = Expectations()
    expectations.told("a", filled=ALL, is_final=True)
    expectations.told("a", filled=HALF, is_final=False)
    expectations.expect("a", filled=ALL, is_final=True, now=0.0)
    assert expectations.next_due is None


def test_another_connection_owes_nothing_of_the_one_before():
    expectations = Expectations()
    expectations.expect("a", filled=NONE, is_final=False, now=0.0)
    expectations.begin_anew()
    assert expectations.overdue(1e9) is None


def test_it_does_not_grow_without_bound():
    expectations = Expectations()
    for number in range(TOLD_MAX + 10):
        expectations.told(str(number), filled=NONE, is_final=False)
    expectations.expect("0", filled=NONE, is_final=False, now=0.0)
    assert expectations.next_due is not None
    expectations.expect(str(TOLD_MAX), filled=NONE, is_final=False, now=0.0)
    assert expectations.overdue(1e9) == "0"


def test_a_fill_is_followed_by_what_it_did_to_the_account():
    owed = AccountOwed(within_s=5.0)
    owed.filled(1_000, now=0.0)
    owed.filled(2_000, now=1.0)
    assert owed.next_due == 5.0
    owed.told(1_500)
    assert owed.next_due == 6.0
    assert not owed.is_overdue(5.9)
    assert owed.is_overdue(6.0)
    owed.told(2_000)
    assert owed.next_due is None


def test_a_fill_that_is_told_again_owes_nothing_more():
    owed = AccountOwed()
    owed.filled(1_000, now=0.0)
    owed.told(1_000)
    owed.filled(1_000, now=9.0)
    owed.filled(999, now=9.0)
    assert owed.next_due is None


def test_what_one_connection_owed_the_next_does_not():
    owed = AccountOwed()
    owed.filled(1_000, now=0.0)
    owed.begin_anew()
    assert not owed.is_overdue(1e9)
