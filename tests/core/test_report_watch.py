"""Reports that stand still while our own fills go on, and orders that cannot be as reported."""

from decimal import Decimal

from outlast.core.report_watch import ReportWatch, ReportWatchSettings

SETTINGS = ReportWatchSettings()
USDT = Decimal("49997.30950860")
FEE = Decimal("-0.07281120")


def watching(value=USDT, *, at=100.0):
    """A report that was asked for at `at` and answered a tenth later."""
    watch = ReportWatch()
    watch.shown("USDT", value, asked_at=at, answered_at=at + 0.1, number=1)
    return watch


def again(watch, at, value=USDT):
    watch.shown("USDT", value, asked_at=at, answered_at=at + 0.1, number=int(at))


def test_a_report_that_moves_with_our_fills_keeps_up():
    watch = watching()
    watch.moved("USDT", FEE, at=110.0, order_id="a")
    again(watch, 130.0, USDT + FEE)
    again(watch, 190.0, USDT + FEE)
    assert watch.behind == {}


def test_a_report_of_well_after_a_fill_that_shows_the_same_is_behind():
    watch = watching()
    watch.moved("USDT", FEE, at=110.0, order_id="a")
    again(watch, 114.9)
    assert watch.behind == {}  # a cache may lag by so much
    again(watch, 115.0)
    assert watch.behind == {"USDT": 110.0}


def test_it_is_behind_until_it_moves():
    watch = watching()
    watch.moved("USDT", FEE, at=110.0, order_id="a")
    for at in (130.0, 700.0, 1500.0):
        again(watch, at)
        assert watch.behind == {"USDT": 110.0}
    again(watch, 1560.0, USDT + FEE)
    assert watch.behind == {}


def test_a_fill_that_the_answer_may_hold_already_says_nothing():
    watch = watching()
    for at in (90.0, 100.1, 100.1 + SETTINGS.clock_s):
        watch.moved("USDT", FEE, at=at, order_id="a")
    again(watch, 200.0)
    assert watch.behind == {}


def test_a_fill_of_an_order_that_was_sent_after_the_answer_is_not_in_it_whatever_the_clocks_say():
    watch = watching()
    watch.moved("USDT", FEE, at=100.05, order_id="a", sent_after=0)
    again(watch, 200.0)
    assert watch.behind == {}
    watch.moved("USDT", FEE, at=100.05, order_id="b", sent_after=1)
    assert watch.behind == {"USDT": 100.05}


def test_a_fill_that_is_told_late_shows_a_stale_report_at_once():
    watch = watching()
    again(watch, 800.0)
    watch.moved("USDT", FEE, at=110.0, order_id="a")
    assert watch.behind == {"USDT": 110.0}


def test_what_adds_up_to_nothing_or_to_less_than_a_digit_is_not_missed():
    watch = watching()
    watch.moved("USDT", Decimal(-40), at=110.0, order_id="a")
    watch.moved("USDT", Decimal(40), at=120.0, order_id="b")
    watch.moved("USDT", Decimal("1e-8"), at=121.0, order_id="b")
    again(watch, 200.0)
    assert watch.behind == {}


def test_a_position_told_as_a_bare_zero_is_not_rounded():
    watch = watching(Decimal(0))
    watch.moved("USDT", Decimal("0.010"), at=110.0, order_id="a")
    again(watch, 200.0, Decimal(0))
    assert watch.behind == {"USDT": 110.0}


def test_of_a_fill_that_only_a_report_tells_of_the_list_is_wanted_and_then_decides():
    watch = watching()
    watch.moved("USDT", None, at=110.0, order_id="a")
    assert watch.unlisted() == {}
    again(watch, 130.0)
    assert watch.behind == {"USDT": 110.0}
    assert watch.unlisted() == {"a": 110.0}
    watch.listed("a")
    watch.moved("USDT", FEE * 0, at=109.0, order_id="a")  # an account that pays no fees
    assert watch.behind == {}
    assert watch.unlisted() == {}


def test_the_list_of_one_order_says_nothing_of_another():
    watch = watching()
    watch.moved("USDT", None, at=110.0, order_id="a")
    watch.moved("USDT", None, at=111.0, order_id="b")
    again(watch, 130.0)
    watch.listed("a")
    assert watch.unlisted() == {"b": 111.0}


def test_a_change_takes_with_it_all_that_is_known_by_then():
    watch = watching()
    watch.moved("USDT", FEE, at=110.0, order_id="a")
    watch.moved("USDT", FEE, at=150.0, order_id="b")  # by a clock that is ahead
    again(watch, 120.0, USDT + FEE)
    again(watch, 160.0, USDT + FEE)
    assert watch.behind == {}
    watch.moved("USDT", FEE, at=170.0, order_id="c")
    again(watch, 180.0, USDT + FEE)
    assert watch.behind == {"USDT": 170.0}


def test_a_fill_that_may_be_in_the_report_or_not_makes_up_for_one_that_is_not():
    watch = watching(Decimal(0))
    watch.moved("USDT", Decimal("0.92"), at=100.3, order_id="a", sent_after=0)
    watch.moved("USDT", Decimal("-0.92"), at=100.5, order_id="b", sent_after=1)
    again(watch, 130.0, Decimal(0))
    assert watch.behind == {}
    watch.moved("USDT", Decimal("0.30"), at=131.0, order_id="c", sent_after=1)
    again(watch, 140.0, Decimal(0))
    assert watch.behind == {"USDT": 100.5}


def test_of_two_that_may_be_in_the_report_the_later_alone_may_be_missing():
    watch = watching(Decimal(0))
    watch.moved("USDT", Decimal(3), at=100.2, order_id="a", sent_after=0)
    watch.moved("USDT", Decimal(5), at=100.3, order_id="b", sent_after=0)
    watch.moved("USDT", Decimal(-5), at=100.5, order_id="c", sent_after=1)
    again(watch, 130.0, Decimal(0))
    assert watch.behind == {}
    watch.moved("USDT", Decimal(2), at=101.0, order_id="d", sent_after=1)
    again(watch, 131.0, Decimal(0))
    assert watch.behind == {"USDT": 100.5}  # the earlier alone cannot be


def test_what_somebody_else_has_moved_back_is_not_missing():
    watch = watching(Decimal(0))
    watch.moved("USDT", Decimal(2), at=110.0, order_id="a")
    again(watch, 130.0, Decimal(0))
    watch.explain("USDT", [(90.0, Decimal(-5))])  # the list is behind as well
    watch.explain("USDT", [(90.0, Decimal(-5)), (110.0, Decimal(2))])
    assert watch.behind == {"USDT": 110.0}
    watch.explain("USDT", [(90.0, Decimal(-5)), (110.0, Decimal(2)), (118.0, Decimal(-2))])
    assert watch.behind == {}
    watch.explain("USDT", [])
    watch.explain("never shown", [])


def test_a_name_that_was_never_shown_is_not_judged():
    watch = watching()
    watch.moved("BNB", FEE, at=110.0, order_id="a")
    assert watch.behind == {}


def test_a_person_may_accept_what_is_shown():
    watch = watching()
    assert not watch.accept("USDT")
    watch.moved("USDT", FEE, at=110.0, order_id="a")
    again(watch, 130.0)
    assert watch.accept("USDT")
    again(watch, 190.0)
    assert watch.behind == {}


def test_the_oldest_of_endless_fills_are_let_go():
    watch = watching()
    for number in range(1000):
        watch.moved("USDT", FEE, at=110.0 + number, order_id=str(number))
    again(watch, 2000.0)
    assert watch.behind["USDT"] > 800.0


def test_an_order_that_cannot_rest_is_overdue_after_some_seconds_and_until_it_ends():
    watch = ReportWatch()
    watch.taken("a", now=10.0)
    watch.taken("a", now=13.0)  # told again
    assert watch.overdue(14.9) is None
    assert watch.overdue(15.0) == "a"
    assert watch.overdue(5_000.0) == "a"
    watch.ended("a")
    assert watch.overdue(5_000.0) is None


def test_a_cancel_that_finds_nothing_of_an_open_order_counts_at_once_and_for_a_quarter_of_an_hour():
    watch = ReportWatch()
    watch.contradicted("a", now=10.0)
    watch.contradicted("a", now=600.0)
    assert watch.overdue(10.0) == "a"
    assert watch.overdue(909.9) == "a"
    assert watch.overdue(910.0) is None
    watch.ended("a")
    watch.ended("never heard of")


def test_a_sale_that_the_picture_lacks_and_our_fill_undoes_is_not_missing():
    """After a restart a stale first reading shows 0; the position was short, and is bought back."""
    watch = watching(Decimal(0))
    watch.moved("USDT", Decimal(8), at=130.0, order_id="a")
    again(watch, 150.0, Decimal(0))
    assert watch.behind == {"USDT": 130.0}
    [since] = watch.listed_from().values()
    assert since <= 80.0
    watch.explain("USDT", [(80.0, Decimal(-8)), (130.0, Decimal(8))])
    assert watch.behind == {}


def test_what_was_sold_long_before_is_in_the_picture():
    watch = watching(Decimal(0))
    watch.moved("USDT", Decimal(8), at=130.0, order_id="a")
    again(watch, 150.0, Decimal(0))
    watch.explain("USDT", [(20.0, Decimal(-8)), (130.0, Decimal(8))])
    assert watch.behind == {"USDT": 130.0}
