"""Nothing traded on untruth: for each a planted offender, and a run that keeps it."""

from decimal import Decimal

import pytest
from handmade_run import SPOT, UM, Run, ms

from outlast.mock.history import Standing
from outlast.mock.scenario.model import Expectation

LONG = {"BTCUSDT": "2"}
STALE = Expectation("stale_within", 5.0)


# --- no_trade_on_untrusted -----------------------------------------------------------------------


def deviating(*expect, positions=None):
    """From 60 s to 120 s the venue trades 8 % below its peers."""
    run = Run("no_trade_on_untrusted", *expect, positions=positions)
    run.market(0, 100_100)
    run.market(60, 92_000)
    run.market(120, 99_900)
    return run


def test_an_entry_at_deviating_prices_breaks_no_trade_on_untrusted():
    run = deviating()
    run.create(90, "entry", "buy")
    evidence = run.evidence()
    assert evidence.startswith("2025-10-10T21:08:30.000Z, request 1: buy 1 BTCUSDT adds exposure")
    assert "the venue's price is -8.0 % off its peers" in evidence


def test_entries_before_and_after_the_deviation_and_in_its_first_seconds_are_free():
    run = deviating()
    run.create(50, "before", "buy", "1")
    run.create(64, "noticing", "buy", "2")
    run.create(121, "after", "buy", "3")
    assert run.holds()


def test_the_scenarios_stale_within_says_how_soon_untruth_must_be_seen():
    run = deviating(Expectation("stale_within", 2.0))
    run.create(64, "entry", "buy")
    results = {result["invariant"]: result["holds"] for result in run.truth.verdict()}
    assert results == {"no_trade_on_untrusted": False, "stale_within": True}


def test_an_entry_in_another_instrument_is_free():
    run = deviating()
    run.create(90, "entry", "buy", symbol="ETHUSDT")
    assert run.holds()


def test_an_exit_far_below_the_peers_price_gives_money_away():
    run = deviating(positions=LONG)
    run.create(90, "exit", "sell", price="89000", reduces=True)
    assert "sell BTCUSDT at 89000 gives 11.0 % away (peers trade at 100000)" in run.evidence()


@pytest.mark.parametrize(
    ("side", "price"), [("sell", "91000"), ("sell", "120000"), ("buy", "80000")]
)
def test_exits_at_sane_prices_are_free_while_prices_deviate(side, price):
    run = deviating(positions=LONG)
    run.create(90, "exit", side, price=price, reduces=True)
    assert run.holds()


def test_an_exit_at_market_is_free_while_prices_deviate():
    run = deviating(positions=LONG)
    run.create(90, "exit", reduces=True)
    assert run.holds()


def test_an_entry_while_the_mark_is_shifted_breaks_no_trade_on_untrusted():
    run = Run("no_trade_on_untrusted")
    run.market(0, 100_000, mark=100_000)
    run.market(60, 100_000, mark=88_000)
    run.create(90, "entry", "buy")
    assert "the mark is -12.0 % off the peers' price" in run.evidence()


def test_an_entry_while_the_mark_is_frozen_breaks_no_trade_on_untrusted():
    run = Run("no_trade_on_untrusted")
    run.truth.lies(ms(60), ["mark:frozen"])
    run.create(90, "entry", "buy")
    assert "the venue lies (mark:frozen)" in run.evidence()


def lying(what=("balances:zero", "positions:stale"), positions=None):
    """From 60 s to 120 s account answers lie."""
    run = Run("no_trade_on_untrusted", positions=positions, venues=(UM, SPOT))
    run.truth.lies(ms(60), what, venue=UM)
    run.truth.lies(ms(120), (), venue=UM)
    return run


def test_an_entry_while_balances_lie_breaks_no_trade_on_untrusted():
    run = lying()
    run.create(90, "entry", "buy")
    assert "the venue lies (balances:zero)" in run.evidence()


def stale_account(*, positions=("positions:stale",)):
    """From 60 s on the account is shown as it was then; at 80 s a position comes to be."""
    run = Run("no_trade_on_untrusted", positions=LONG, venues=(UM, SPOT))
    run.truth.lies(ms(60), positions, venue=UM)
    run.position(80, "BTCUSDT", "3")
    return run


def test_an_entry_on_a_stale_picture_that_has_become_untrue_breaks_it():
    run = stale_account()
    run.create(90, "entry", "buy")
    assert "adds exposure while the venue lies (positions:stale)" in run.evidence()


def test_a_stale_picture_is_no_lie_while_it_shows_what_is_true_and_in_the_first_seconds_after():
    run = stale_account()
    run.create(70, "while true", "buy", "1")
    run.create(84, "noticing", "buy", "2")
    assert run.holds()


def test_a_stale_picture_is_no_lie_any_more_once_it_is_true_again():
    run = stale_account()
    run.position(100, "BTCUSDT", "2")
    run.create(110, "entry", "buy")
    assert run.holds()


def test_both_pictures_of_the_account_are_looked_at():
    run = stale_account(positions=("balances:stale", "positions:stale"))
    run.balance(85, "9995")
    run.create(95, "entry", "buy")
    assert "the venue lies (balances:stale, positions:stale)" in run.evidence()


def test_what_a_stale_picture_showed_is_remembered_however_old_it_is():
    run = stale_account()
    run.position(100, "BTCUSDT", "2")
    run.position(4_000, "BTCUSDT", "3")
    run.truth.forget_before(ms(3_990))
    run.create(4_010, "entry", "buy")
    assert "the venue lies (positions:stale)" in run.evidence()


def test_while_changes_are_still_to_be_reported_a_stale_picture_counts_as_untrue():
    run = stale_account()
    run.position(81, "BTCUSDT", "2")
    standing = Standing(balances={}, positions={}, told_until_ms=ms(85))
    run.truth.engines[UM] = lambda _: standing
    run.create(84, "before", "buy", "1")
    assert run.holds()
    run.create(95, "after", "buy", "2")
    assert "the venue lies (positions:stale)" in run.evidence()


def test_entries_around_the_lies_and_on_the_other_venue_are_free():
    run = lying()
    run.create(59, "before", "buy", "1")
    run.create(64, "noticing", "buy", "3")
    run.create(121, "after", "buy", "2")
    run.create(90, "spot", "buy", venue=SPOT)
    assert run.holds()


def account_answer(run, at_s, *, lied):
    run.request(at_s, "account.balances", method="GET", path="/fapi/v3/account", lied=lied)


def test_an_entry_after_the_lies_on_an_answer_from_their_time_breaks_it():
    run = lying()
    account_answer(run, 100, lied=True)
    run.create(130, "entry", "buy")
    assert "the last answer about the account was a lie" in run.evidence()


def test_an_entry_after_a_true_answer_keeps_it():
    run = lying()
    account_answer(run, 100, lied=True)
    account_answer(run, 125, lied=False)
    run.create(130, "entry", "buy")
    assert run.holds()


def test_an_exit_larger_than_the_position_breaks_it_while_accounts_lie():
    run = lying(positions=LONG)
    run.position(80, "BTCUSDT", "1")
    run.create(90, "exit", "sell", "2", reduces=True)
    assert "an exit of 2 BTCUSDT is larger than the position of 1" in run.evidence()


def test_an_exit_of_the_position_just_held_keeps_it_while_accounts_lie():
    run = lying(positions=LONG)
    run.position(89.5, "BTCUSDT", "1")  # filled while the exit was on its way
    run.create(90, "exit", "sell", "2.001", reduces=True)
    assert run.holds()


# --- stale_within --------------------------------------------------------------------------------


def untrue_book(until=120):
    run = Run(STALE)
    run.request(1, "market.read", account=None)
    run.truth.lies(ms(60), ["book:BTCUSDT"], venue=UM)
    run.truth.lies(ms(until), [], venue=UM)
    return run.until(300)


def stale(symbol, at_s, until_s=None):
    until_ms = None if until_s is None else ms(until_s)
    return {"stale": [{"symbol": symbol, "at_ms": ms(at_s), "until_ms": until_ms}]}


def test_a_book_never_marked_breaks_stale_within():
    evidence = untrue_book().evidence({"stale": []})
    assert evidence.startswith("2025-10-10T21:08:00.000Z: the book of BTCUSDT on binance-um")


@pytest.mark.parametrize(
    "belief", [stale("BTCUSDT", 66), stale("ETHUSDT", 62), stale("BTCUSDT", 10, 50)]
)
def test_a_mark_too_late_or_of_another_book_or_taken_back_breaks_stale_within(belief):
    assert not untrue_book().holds(belief)


@pytest.mark.parametrize(
    "belief", [stale("BTCUSDT", 64), stale("BTC/USDT:USDT", 64), stale("BTCUSDT", 10, 70)]
)
def test_a_mark_in_time_keeps_stale_within(belief):
    assert untrue_book().holds(belief)


def test_without_stale_events_there_is_nothing_to_judge():
    result = untrue_book().verdict()
    assert result["holds"]
    assert result["evidence"].startswith("nothing to judge")


def test_a_book_untrue_for_less_than_the_limit_is_not_judged():
    assert untrue_book(until=64).holds({"stale": []})


def test_a_client_that_reads_no_books_is_not_judged():
    run = Run(STALE)
    run.truth.lies(ms(60), ["book"])
    run.request(1, "account.balances")
    assert run.until(300).holds({"stale": []})


def test_prices_of_a_symbol_that_two_products_share_are_told_apart():
    run = Run("no_trade_on_untrusted", venues=(UM, SPOT))
    for venue, symbol, price in ((UM, "BTCUSDT", 100_000), (SPOT, "BTCUSDT-SPOT", 90_000)):
        run.truth.market(ms(0), symbol, Decimal(price), Decimal(100_000), None, venue=venue)
    run.create(30, "um", "buy", "1")
    assert run.holds()
    run.create(31, "spot", "buy", "2", venue=SPOT)
    assert "request 2: buy 2 BTCUSDT" in run.evidence()
