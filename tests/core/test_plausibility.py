from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outlast.core.plausibility import Believed, Doubted, Guarded, ZeroGuard, ZeroGuardSettings
from outlast.errors import ConfigurationError

D = Decimal
PERP = "BTC/USDT:USDT"


def positions(**trusted: str) -> ZeroGuard:
    guard = ZeroGuard(Guarded.POSITIONS)
    guard.trust(PERP, D(trusted.get("qty", "1")))
    return guard


def balances(**trusted: str) -> ZeroGuard:
    guard = ZeroGuard(Guarded.BALANCES)
    for name, qty in trusted.items():
        guard.trust(name, D(qty))
    return guard


def report(guard: ZeroGuard, qty: str, now: float, name: str = PERP):
    return guard.assess({name: D(qty)}, as_of=now, now=now)[name]


# The lie.


def test_half_an_hour_of_zero_balances_is_not_believed():
    """Binance futures, 10 October 2025: zeros with status 200 for 33 minutes."""
    guard = balances(USDT="50000", BTC="0.4")
    for minute in range(33):
        verdicts = guard.assess({"USDT": D(0), "BTC": D(0)}, as_of=60.0 * minute, now=60.0 * minute)
        assert all(isinstance(verdict, Doubted) for verdict in verdicts.values())
        assert verdicts["USDT"].since == 0.0
    assert guard.trusted("USDT") == D(50000)
    assert "33 times" in guard.doubt("USDT").reason
    true = guard.assess({"USDT": D(50000), "BTC": D("0.4")}, as_of=2000.0, now=2000.0)
    assert true == {"USDT": Believed(), "BTC": Believed()}
    assert guard.doubt("USDT") is None


def test_an_empty_list_is_a_report_of_zero_for_everything_we_hold():
    guard = positions()
    verdicts = guard.assess({}, as_of=1.0, now=1.0)
    assert isinstance(verdicts[PERP], Doubted)
    assert guard.trusted(PERP) == D(1)


def test_a_partial_report_says_nothing_about_the_names_it_leaves_out():
    guard = balances(USDT="50000", BTC="0.4")
    assert guard.assess({"BTC": D("0.4")}, as_of=1.0, now=1.0, complete=False) == {
        "BTC": Believed()
    }


@pytest.mark.parametrize("qty", ["0", "0.4", "-0.2", "-1"])
def test_a_position_that_shrinks_or_turns_without_a_fill_is_doubted(qty):
    assert isinstance(report(positions(), qty, 1.0), Doubted)


@pytest.mark.parametrize("qty", ["0", "-0.4", "0.2"])
def test_a_short_position_is_guarded_as_well(qty):
    assert isinstance(report(positions(qty="-1"), qty, 1.0), Doubted)


def test_the_doubt_says_what_was_expected_and_what_was_seen():
    guard = positions(qty="1.5")
    guard.flow(PERP, D("-0.5"), at=1.0)
    verdict = report(guard, "0", 2.0)
    assert verdict.since == 2.0
    for part in ("positions report 0 after 1.5", "account for -0.5", "1 times", "not confirmed"):
        assert part in verdict.reason


# The truth.


def test_a_fall_that_the_fills_account_for_is_believed_at_once():
    guard = positions()
    guard.flow(PERP, D("-0.3"), at=1.0)
    guard.flow(PERP, D("-0.7"), at=1.5)
    assert guard.assess({}, as_of=2.0, now=2.0) == {PERP: Believed()}
    assert guard.trusted(PERP) == D(0)


def test_a_report_that_lags_behind_the_fills_does_not_use_them_up():
    guard = positions()
    guard.flow(PERP, D("-0.3"), at=1.0)
    guard.flow(PERP, D("-0.7"), at=1.5)
    for qty, now in (("1", 1.6), ("0.7", 1.7), ("0", 1.8)):
        assert isinstance(report(guard, qty, now), Believed)


def test_a_fill_explains_one_fall_only():
    guard = positions(qty="2")
    guard.flow(PERP, D("-1"), at=1.0)
    assert isinstance(report(guard, "1", 2.0), Believed)
    assert isinstance(report(guard, "0", 3.0), Doubted)


def test_a_round_trip_does_not_explain_a_false_zero():
    """Bought one, sold one, still long one: the sale alone would account for the zero."""
    guard = positions()
    guard.flow(PERP, D(1), at=1.0)
    guard.flow(PERP, D(-1), at=2.0)
    assert isinstance(report(guard, "0", 3.0), Doubted)
    assert isinstance(report(guard, "1", 4.0), Believed)
    assert isinstance(report(guard, "0", 5.0), Doubted)


def test_a_fill_that_arrives_after_the_report_settles_the_doubt():
    guard = positions()
    assert isinstance(report(guard, "0.4", 2.0), Doubted)
    guard.flow(PERP, D("-0.6"), at=1.9)
    assert isinstance(report(guard, "0.4", 2.1), Believed)


def test_a_rise_is_believed_and_its_late_fill_is_not_counted_twice():
    guard = positions(qty="0")
    assert isinstance(report(guard, "1", 2.0), Believed)
    guard.flow(PERP, D(1), at=1.9)  # its execution, after the snapshot that had it already
    guard.flow(PERP, D(-1), at=3.0)
    assert isinstance(report(guard, "0", 3.1), Believed)


def test_a_fill_from_after_the_rise_is_not_swallowed_by_it():
    guard = positions(qty="0")
    report(guard, "1", 2.0)
    guard.flow(PERP, D(1), at=2.5)
    guard.flow(PERP, D(-1), at=2.6)
    assert isinstance(report(guard, "0", 3.0), Doubted)
    assert isinstance(report(guard, "1", 4.0), Believed)


def test_the_first_report_has_nothing_to_be_measured_by():
    guard = ZeroGuard(Guarded.POSITIONS)
    assert guard.trusted(PERP) is None
    guard.flow(PERP, D(1), at=0.0)
    assert isinstance(report(guard, "0", 1.0), Believed)
    assert guard.trusted(PERP) == D(0)


def test_a_balance_may_fall_for_small_reasons_but_not_to_nothing():
    guard = balances(USDT="50000")
    assert isinstance(report(guard, "49993.2", 1.0, "USDT"), Believed)  # funding
    assert isinstance(report(guard, "21000", 2.0, "USDT"), Believed)
    assert isinstance(report(guard, "0", 3.0, "USDT"), Doubted)


def test_a_sale_of_everything_explains_a_zero_balance_fees_included():
    guard = balances(BTC="0.4")
    guard.flow("BTC", D("-0.3997"), at=1.0)
    assert isinstance(report(guard, "0", 2.0, "BTC"), Believed)


def test_a_transfer_explains_a_zero_balance():
    guard = balances(USDT="50000")
    guard.flow("USDT", D(-50000), at=1.0)
    assert isinstance(report(guard, "0", 2.0, "USDT"), Believed)


def test_a_debt_that_is_paid_is_no_loss():
    guard = balances(USDT="-100")
    assert isinstance(report(guard, "0", 1.0, "USDT"), Believed)


# Confirmation.


def test_a_confirmed_zero_is_believed_once_it_has_stood_long_enough():
    guard = positions()
    report(guard, "0", 0.0)
    assert isinstance(guard.confirm(PERP, now=1.0), Doubted)
    assert isinstance(report(guard, "0", 5.0), Doubted)
    assert isinstance(report(guard, "0", 9.9), Doubted)
    assert isinstance(report(guard, "0", 10.0), Believed)
    assert guard.trusted(PERP) == D(0)


def test_confirming_what_has_stood_long_enough_settles_it_at_once():
    guard = positions()
    for now in (0.0, 6.0, 12.0):
        assert isinstance(report(guard, "0", now), Doubted)
    assert guard.confirm(PERP, now=13.0) == Believed()
    assert guard.trusted(PERP) == D(0)


def test_repetition_alone_never_suffices():
    guard = positions()
    assert all(isinstance(report(guard, "0", float(now)), Doubted) for now in range(1000))


def test_two_reports_are_too_few_however_far_apart():
    guard = positions()
    report(guard, "0", 0.0)
    report(guard, "0", 500.0)
    assert isinstance(guard.confirm(PERP, now=500.0), Doubted)


def test_a_confirmation_is_for_one_value():
    guard = positions()
    report(guard, "0", 0.0)
    guard.confirm(PERP, now=0.0)
    verdict = report(guard, "0.2", 1.0)
    assert verdict.since == 0.0  # stale since the first doubtful report
    for now in (8.0, 20.0, 30.0):
        assert isinstance(report(guard, "0.2", now), Doubted)


def test_a_report_of_the_old_value_ends_the_doubt_and_its_confirmation():
    guard = positions()
    report(guard, "0", 0.0)
    guard.confirm(PERP, now=0.0)
    assert isinstance(report(guard, "1", 1.0), Believed)
    for now in (2.0, 8.0, 20.0):
        assert isinstance(report(guard, "0", now), Doubted)


def test_confirming_what_nobody_doubts_is_no_news():
    assert positions().confirm(PERP, now=0.0) == Believed()
    assert positions().confirm("nothing", now=0.0) == Believed()


# Bounds and settings.


def test_a_year_of_fills_without_a_report_does_not_fill_the_memory():
    guard = positions(qty="0")
    for n in range(5_000):
        guard.flow(PERP, D(1), at=float(n))
    assert len(guard._entries[PERP].flows) <= 512
    assert isinstance(report(guard, "5000", 5000.0), Believed)


@pytest.mark.parametrize(
    ("numbers", "field"),
    [
        ({"reports_min": 0}, "reports_min"),
        ({"over_s": -1.0}, "over_s"),
        ({"over_s": float("inf")}, "over_s"),
        ({"balance_tolerance": D(1)}, "balance_tolerance"),
        ({"near_s": -1.0}, "near_s"),
    ],
)
def test_impossible_settings_are_refused_by_name(numbers, field):
    with pytest.raises(ConfigurationError, match=field):
        ZeroGuardSettings(**numbers)


@given(
    fills=st.lists(
        st.tuples(st.integers(-5, 5).filter(bool), st.booleans(), st.booleans()), max_size=40
    )
)
@settings(max_examples=100, deadline=None)
def test_true_reports_are_believed_and_false_zeros_are_not_whatever_the_fills(fills):
    """Fills come at once; after each one perhaps a true report, perhaps a report of zero."""
    guard = positions(qty="3")
    true = D(3)
    reached = [true]  # since the last trusted report: a report of any of these may just be late
    for now, (qty, lied_to, told) in enumerate(fills, start=1):
        true += qty
        guard.flow(PERP, D(qty), at=float(now))
        reached.append(true)
        if lied_to and 0 not in reached:
            assert isinstance(report(guard, "0", now + 0.1), Doubted)
        if told:
            assert isinstance(report(guard, str(true), now + 0.2), Believed)
            reached = [true]


# The venue's own list of fills.


def dated(guard: ZeroGuard, qty: str, at: float, now: float | None = None, name: str = PERP):
    """A report that the venue has dated itself."""
    now = at if now is None else now
    return guard.assess({name: D(qty)}, as_of=now, now=now, dated_at={name: at})[name]


def fills(*listed: tuple[float, str]) -> list[tuple[float, Decimal]]:
    return [(at, D(qty)) for at, qty in listed]


def test_a_fall_is_explained_by_the_list_of_fills():
    guard = ZeroGuard(Guarded.POSITIONS)
    dated(guard, "1", 100.0)
    assert isinstance(report(guard, "0", 200.0), Doubted)
    listed = fills((100.0, "1"), (150.0, "-0.4"), (160.0, "-0.6"))
    assert guard.explain(PERP, listed) == Believed()
    assert guard.trusted(PERP) == guard.held(PERP) == D(0)
    assert guard.doubt(PERP) is None
    assert not guard.doubted()


def test_a_list_that_does_not_lead_to_the_report_explains_nothing():
    guard = ZeroGuard(Guarded.POSITIONS)
    dated(guard, "1", 100.0)
    report(guard, "0", 200.0)
    assert isinstance(guard.explain(PERP, fills((100.0, "1"), (150.0, "-0.4"))), Doubted)
    assert isinstance(guard.explain(PERP, []), Doubted)
    assert guard.trusted(PERP) == D(1)
    assert guard.doubted() == {PERP}


def test_a_fill_of_before_the_trusted_report_explains_nothing():
    guard = ZeroGuard(Guarded.POSITIONS)
    dated(guard, "1", 100.0)
    report(guard, "0", 200.0)
    assert isinstance(guard.explain(PERP, fills((99.999, "-1"))), Doubted)


def test_a_round_trip_in_the_list_does_not_make_a_false_zero_true():
    guard = ZeroGuard(Guarded.POSITIONS)
    dated(guard, "1", 100.0)
    report(guard, "0", 200.0)
    assert isinstance(guard.explain(PERP, fills((150.0, "1"), (160.0, "-1"))), Doubted)


def test_a_fill_near_an_undated_report_may_have_been_in_it_or_not():
    for listed in (fills((99.0, "-1"), (150.0, "-1")), fills((150.0, "-1"))):
        guard = ZeroGuard(Guarded.POSITIONS)
        guard.trust(PERP, D(1), at=100.0)
        report(guard, "0", 200.0)
        assert guard.explain(PERP, listed) == Believed()


def test_what_the_list_has_after_the_reported_state_is_kept_as_known():
    """A zero that is older than the newest fill must not undo it."""
    guard = ZeroGuard(Guarded.POSITIONS)
    dated(guard, "1", 100.0)
    report(guard, "0", 200.0)
    assert guard.explain(PERP, fills((150.0, "-1"), (190.0, "0.198"))) == Believed()
    assert guard.trusted(PERP) == D(0)
    assert guard.held(PERP) == D("0.198")
    assert guard.is_ahead(PERP)


def test_a_zero_that_fills_led_to_does_not_swallow_the_fill_right_after_it():
    """Flat at 150 s, short again at 152 s; a list that lies says zero and goes on saying it."""
    guard = ZeroGuard(Guarded.POSITIONS)
    dated(guard, "20", 100.0)
    report(guard, "0", 200.0)
    listed = fills((150.0, "-20"), (152.0, "-3"))
    for now in (201.0, 202.0, 203.0):
        guard.explain(PERP, listed)
        report(guard, "0", now)
        assert guard.held(PERP) == D(-3)
        assert guard.is_ahead(PERP)
    assert guard.listed_from(PERP) == 100.0
    dated(guard, "-3", 152.0, now=210.0)
    assert guard.held(PERP) == D(-3)
    assert not guard.is_ahead(PERP)


def test_a_zero_is_not_explained_where_the_list_leads_elsewhere():
    """The one fill that was heard of leads to zero; the list has another that came before it."""
    guard = ZeroGuard(Guarded.POSITIONS)
    dated(guard, "20", 100.0)
    guard.flow(PERP, D(-20), at=150.0)
    assert report(guard, "0", 200.0) == Believed()
    assert isinstance(guard.explain(PERP, fills((120.0, "-3"), (150.0, "-20"))), Doubted)


def test_a_fill_after_the_answer_is_not_in_a_first_zero():
    guard = ZeroGuard(Guarded.POSITIONS)
    guard.trust(PERP, D(0), at=100.0, until=100.1)
    guard.flow(PERP, D(-3), at=102.0)
    guard.explain(PERP, fills((102.0, "-3")))
    assert guard.held(PERP) == D(-3)
    assert guard.is_ahead(PERP)


def test_a_fill_right_after_the_answer_is_in_it_only_if_its_order_was_sent_before():
    """The clocks differ by less than a second: only the order of what we did decides."""
    unsure, sure = ZeroGuard(Guarded.POSITIONS), ZeroGuard(Guarded.POSITIONS)
    for guard, is_later in ((unsure, False), (sure, True)):
        guard.trust(PERP, D(0), at=100.0, until=100.1)
        guard.flow(PERP, D(-3), at=100.8, is_later=is_later)
        guard.explain(PERP, fills((100.8, "-3")))
    assert not unsure.is_ahead(PERP)
    assert sure.held(PERP) == D(-3)


def test_what_is_later_than_one_report_may_be_in_the_next():
    guard = ZeroGuard(Guarded.POSITIONS)
    guard.trust(PERP, D(0), at=100.0, until=100.1)
    guard.flow(PERP, D(-3), at=100.8, is_later=True)
    assert report(guard, "-3", 101.0) == Believed()
    assert guard.explain(PERP, fills((100.8, "-3"))) == Believed()
    assert guard.held(PERP) == D(-3)


def test_a_fill_before_the_slow_answer_may_be_in_a_first_zero():
    guard = ZeroGuard(Guarded.POSITIONS)
    guard.trust(PERP, D(0), at=100.0, until=103.0)
    guard.flow(PERP, D(-3), at=102.0)
    assert guard.explain(PERP, fills((102.0, "-3"))) == Believed()
    assert not guard.is_ahead(PERP)


def test_of_two_fills_in_one_millisecond_a_dated_value_may_have_the_first_alone():
    """A stream tells of the position after each of them, with one and the same time."""
    guard = positions()
    guard.trust(PERP, D(2313), at=100.0, is_dated=True)
    assert isinstance(dated(guard, "0", at=100.0), Doubted)
    listed = fills((99.0, "5880"), (100.0, "-3567"), (100.0, "-2313"))
    assert guard.explain(PERP, listed) == Believed()
    assert guard.held(PERP) == 0


def test_the_one_fill_that_a_dated_value_is_of_does_not_explain_a_false_zero():
    guard = positions()
    guard.trust(PERP, D(1), at=100.0, is_dated=True)
    assert isinstance(report(guard, "0", now=120.0), Doubted)
    assert isinstance(guard.explain(PERP, fills((100.0, "-1"))), Doubted)


def test_a_dated_report_is_explained_up_to_its_date_only():
    guard = ZeroGuard(Guarded.POSITIONS)
    dated(guard, "5", 100.0)
    assert isinstance(dated(guard, "3", 160.0), Doubted)
    # At 160 it was 2: that it was 3 at some other time does not make this report true.
    listed = fills((150.0, "-2"), (155.0, "-1"))
    assert isinstance(guard.explain(PERP, listed), Doubted)
    assert guard.explain(PERP, fills((155.0, "-2"), (165.0, "1"))) == Believed()
    assert guard.held(PERP) == D(4)


def test_a_report_that_is_older_than_the_trusted_one_is_doubted_whatever_it_says():
    guard = ZeroGuard(Guarded.POSITIONS)
    dated(guard, "1", 100.0)
    verdict = dated(guard, "9", 90.0, now=110.0)
    assert "older than that by 10.000 s" in verdict.reason
    assert guard.trusted(PERP) == D(1)
    assert dated(guard, "2", 105.0, now=120.0) == Believed()


def test_a_fill_that_the_dated_report_has_already_is_not_added():
    guard = ZeroGuard(Guarded.POSITIONS)
    dated(guard, "1", 100.0)
    guard.flow(PERP, D(1), at=100.0)
    assert guard.held(PERP) == D(1)
    guard.flow(PERP, D(1), at=100.001)
    assert guard.held(PERP) == D(2)


def test_a_repeated_zero_does_not_bury_a_fill_that_is_heard_of_late():
    """Flat, a lie begins, a fill at 150 s is heard of at 300 s only: the zeros are no proof."""
    guard = ZeroGuard(Guarded.POSITIONS)
    for now in (100.0, 200.0, 290.0):
        assert report(guard, "0", now) == Believed()
    guard.flow(PERP, D("0.004"), at=150.0)
    assert report(guard, "0", 310.0) == Believed()
    assert guard.explain(PERP, fills((150.0, "0.004"))) == Believed()
    assert guard.held(PERP) == D("0.004")
    assert guard.is_ahead(PERP)


def test_a_fill_that_was_told_twice_over_is_put_right_by_the_list():
    guard = ZeroGuard(Guarded.POSITIONS)
    dated(guard, "1", 100.0)
    guard.flow(PERP, D(1), at=130.0)  # an order's report, dated by its cancel; the fill was at 100
    dated(guard, "1", 100.0, now=140.0)
    assert guard.held(PERP) == D(2)
    guard.explain(PERP, fills((100.0, "1")))
    assert guard.held(PERP) == D(1)
    assert not guard.is_ahead(PERP)


def test_a_zero_balance_is_explained_by_sales_and_fees():
    guard = ZeroGuard(Guarded.BALANCES)
    report(guard, "0.4", 100.0, "BTC")
    assert isinstance(report(guard, "0", 200.0, "BTC"), Doubted)
    assert guard.explain("BTC", fills((150.0, "-0.3997"))) == Believed()


def test_a_balance_shows_a_sale_within_a_minute_or_something_hides_it():
    guard = balances(BTC="0.4")
    guard.flow("BTC", D("-0.4"), at=100.0)
    report(guard, "0.4", 110.0, "BTC")
    assert guard.is_ahead("BTC")
    report(guard, "0.4", 161.0, "BTC")
    assert not guard.is_ahead("BTC")


def test_a_person_may_accept_what_nothing_explains():
    guard = positions()
    assert not guard.accept(PERP)
    report(guard, "0", 1.0)
    assert guard.accept(PERP)
    assert guard.trusted(PERP) == D(0)
    assert not guard.accept("nothing")


def test_nothing_is_explained_of_a_name_that_nobody_reported():
    assert ZeroGuard(Guarded.POSITIONS).explain(PERP, fills((1.0, "1"))) == Believed()
