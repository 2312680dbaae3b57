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
