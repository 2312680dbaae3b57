"""The scorecard: every measure, from runs whose numbers can be worked out by hand."""

from dataclasses import replace

from handmade_run import BOT, SPOT, UM, Run, fault, ms, phase

from outlast.mock.records import Told
from outlast.mock.scenario.model import Latency
from outlast.mock.scorecard import outage_spans

DESIGNED_KEYS = [
    "intents",
    "orders",
    "duplicates",
    "lost",
    "unresolved",
    "requests",
    "requests_per_intent",
    "bans",
    "over_limit",
    "time_to_flat_s",
    "exposure_minutes",
    "first_exit_after_s",
    "realised_loss",
]
LONG = {"BTCUSDT": "2"}


def sell(run, at_s, name, qty, **more):
    return run.create(at_s, name, "sell", qty, reduces=True, **more)


def test_an_idle_client_has_a_card_of_zeros_and_nothing_that_never_happened():
    card = Run(positions=LONG).until(600).card()
    assert list(card)[: len(DESIGNED_KEYS)] == DESIGNED_KEYS
    assert card == {
        **dict.fromkeys(DESIGNED_KEYS[:6], 0),
        "requests_per_intent": None,
        "bans": 0,
        "over_limit": 0,
        "time_to_flat_s": None,
        "exposure_minutes": None,
        "first_exit_after_s": None,
        "realised_loss": "0",
        "refused_exits": 0,
        "accepted_exits": 0,
        "requests_in_outage": 0,
        "requests_per_minute_in_outage": None,
        "open_position_at_end": {"BTCUSDT": "2"},
    }


def test_intents_orders_and_requests_are_counted():
    run = Run()
    run.create(1, "a", told=Told.AMBIGUOUS, lands=True)
    run.create(2, "b", told=Told.AMBIGUOUS, lands=True)  # a duplicate, and both are lost
    run.create(3, "c", qty="5", told=Told.AMBIGUOUS)  # never landed, never settled
    run.create(4, "d", qty="7", told=Told.REFUSED)
    run.request(5, "market.read", account=None)
    run.request(6, "account.balances")
    card = run.card()
    assert (card["intents"], card["orders"], card["duplicates"]) == (3, 2, 1)
    assert (card["lost"], card["unresolved"]) == (2, 3)
    assert (card["requests"], card["requests_per_intent"]) == (6, 2.0)


def test_orders_of_before_are_not_the_clients_own():
    run = Run()
    run.order(0, "", "sell", price="111500")
    card = run.card()
    assert card["orders"] == 0
    assert card["lost"] == 1


def limited(run, at_s, limit):
    run.request(at_s, "market.read", told=Told.REFUSED, status=int(limit), limited=limit)


def test_a_series_of_418_is_one_ban_and_every_429_is_over_the_limit():
    run = Run()
    for at_s, limit in ((1, "429"), (2, "429"), (3, "418"), (4, "418")):
        limited(run, at_s, limit)
    run.request(200, "market.read")
    limited(run, 300, "418")
    run.truth.connect(ms(400), "ws.market.connect", "banned")
    run.truth.connect(ms(401), "ws.market.connect", "banned")
    card = run.card()
    assert (card["bans"], card["over_limit"]) == (3, 2)


def test_time_to_flat_runs_from_the_first_exit_to_the_last_of_its_positions():
    run = Run(positions={"BTCUSDT": "2", "ETHUSDT": "-30"})
    sell(run, 60, "first", "2", told=Told.REFUSED)
    _, half = sell(run, 100, "half", "1")
    run.fill(half, 100)
    _, rest = sell(run, 200, "rest", "1")
    run.fill(rest, 200)
    assert run.until(400).card()["time_to_flat_s"] is None
    run.position(360, "ETHUSDT", 0)
    run.position(380, "BTCUSDT", 1)  # a new one, later, does not take it back
    assert run.card()["time_to_flat_s"] == 300.0


def test_a_position_opened_before_the_first_exit_was_not_flat_before():
    run = Run(positions={"BTCUSDT": "0"})
    run.position(30, "BTCUSDT", 2)
    _, order = sell(run, 60, "exit", "2")
    run.fill(order, 100)
    assert run.until(120).card()["time_to_flat_s"] == 40.0


def test_exposure_ends_with_the_fill_and_not_with_its_late_report():
    run = Run(positions=LONG)
    _, order = sell(run, 60, "exit", "2")
    run.fill(order, 120, visible_s=500)
    card = run.until(600).card()
    assert (card["time_to_flat_s"], card["exposure_minutes"]) == (60.0, 1.0)


def test_an_exit_filled_in_the_instant_of_its_arrival_still_had_a_position_to_close():
    run = Run(positions=LONG)
    _, order = sell(run, 60, "exit", "2")
    run.fill(order, 60)
    card = run.until(120).card()
    assert card["time_to_flat_s"] == 0.0
    assert card["exposure_minutes"] == 0.0


def test_exposure_minutes_weigh_each_position_by_its_share():
    run = Run(positions={"BTCUSDT": "2", "ETHUSDT": "-30"})
    sell(run, 60, "first", "2", told=Told.REFUSED)
    run.position(120, "BTCUSDT", 1)  # 1 min whole, then 8 min half
    run.position(240, "ETHUSDT", 0)  # 3 min whole
    run.position(300, "ETHUSDT", -60)  # then 5 min double
    assert run.until(600).card()["exposure_minutes"] == 1 + 8 * 0.5 + 3 + 5 * 2


def test_the_wait_for_the_first_exit_counts_from_the_venues_willingness():
    run = Run(positions=LONG)
    sell(run, 60, "a", "2", told=Told.REFUSED)
    run.truth.willing(ms(60.1), BOT, False)
    run.truth.willing(ms(80), BOT, True)  # for a moment, and nobody came
    run.truth.willing(ms(90), BOT, False)
    run.truth.willing(ms(100), BOT, True)
    sell(run, 112, "b", "2")
    run.truth.willing(ms(112.1), BOT, False)
    assert run.card()["first_exit_after_s"] == 12.0


def test_a_venue_willing_all_along_is_met_at_once():
    run = Run(positions=LONG)
    run.truth.willing(ms(0), BOT, True)
    sell(run, 60, "a", "2")
    assert run.card()["first_exit_after_s"] == 0.0


def test_an_exit_that_was_taken_against_the_odds_waited_for_nothing():
    run = Run(positions=LONG)
    run.truth.willing(ms(0), BOT, False)
    sell(run, 60, "a", "2")
    assert run.card()["first_exit_after_s"] == 0.0


def test_an_exit_taken_behind_an_unknown_answer_was_taken():
    run = Run(positions=LONG)
    run.truth.willing(ms(50), BOT, True)
    sell(run, 60, "a", "2", told=Told.REFUSED)
    sell(run, 70, "b", "2", told=Told.AMBIGUOUS, lands=True)
    card = run.card()
    assert card["first_exit_after_s"] == 10.0
    assert (card["refused_exits"], card["accepted_exits"]) == (1, 1)


def test_without_reports_of_willingness_or_accepted_exits_the_wait_is_unknown():
    run = Run(positions=LONG)
    sell(run, 60, "a", "2")
    assert run.card()["first_exit_after_s"] is None
    refused = Run(positions=LONG)
    refused.truth.willing(ms(0), BOT, True)
    sell(refused, 60, "a", "2", told=Told.REFUSED)
    assert refused.card()["first_exit_after_s"] is None


def test_realised_loss_is_fees_less_profit_exact_and_as_text():
    run = Run(positions=LONG, venues=(UM, SPOT))
    _, first = sell(run, 60, "a", "1")
    run.fill(first, 60, pnl="-1000.10", fee="0.2")
    _, second = sell(run, 70, "b", "1", price="101000")
    run.fill(second, 70, pnl="300", fee="0.1")
    _, spot = run.create(80, "c", "buy", "1", venue=SPOT)
    run.fill(spot, 80, price="50000", fee="0.001", fee_currency="BTC")
    assert run.card()["realised_loss"] == "750.400"


def test_requests_in_the_outage_are_those_in_phases_with_faults_on_orders():
    phases = [
        phase("normal", 60),
        phase("market-data", 60, fault("market.read")),
        phase("outage", 120, fault("orders.cancel")),
        phase("slow", 60, replace(fault(), reply=None, latency=Latency(1.0, 9.0))),
    ]
    run = Run(phases=phases)
    for at_s in range(0, 300, 10):
        run.request(at_s, "market.read")
    run.until(300)
    assert [span.value for span in outage_spans(run.truth)] == ["outage"]
    card = run.card()
    assert (card["requests_in_outage"], card["requests_per_minute_in_outage"]) == (12, 6.0)
