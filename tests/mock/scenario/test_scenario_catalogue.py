"""The scenarios that come with the package: complete, clean, and telling the stories they name."""

from __future__ import annotations

from decimal import Decimal
from importlib import resources

import pytest

from outlast.mock.engine.model import EngineMode, OrderType, Product, Side
from outlast.mock.scenario import catalogue, lint, load, loads, slugs
from outlast.mock.scenario.model import Expectation
from outlast.mock.scenario.vocabulary import ENDPOINTS, EXPECTATIONS

# slug: (seconds, phases)
ALL = {
    "ack-then-lost": (25 * 60, 3),
    "acked-no-data": (6 * 3600, 1),
    "binance-reduce-only-lockout-2025-10-11": (135 * 60, 4),
    "binance-um-halt-2025-08-29": (65 * 60, 5),
    "brownout-ban": (30 * 60, 2),
    "double-restart-failover": (110 * 60, 5),
    "empty-and-slow-bodies": (10 * 60, 1),
    "engine-frozen-socket-alive": (335, 3),
    "fills-reported-late": (31 * 60, 3),
    "five-minute-flap": (5 * 3600 + 36 * 60, 3),
    "gap-and-checksum": (20 * 60, 1),
    "gateway-lost-reply": (35 * 60, 2),
    "green-page-red-api": (161 * 60, 3),
    "kraken-degraded-cancel-only-recovery": (63 * 60, 8),
    "late-queue-execution": (25 * 60, 2),
    "maintenance-overrun": (54 * 3600 + 20 * 60, 5),
    "nonce-and-clock": (22 * 60, 3),
    "preopen-post-only": (59 * 60, 4),
    "quorum-loss-backlog": (18 * 3600 + 12 * 60, 4),
    "reconnect-storm": (17 * 60 + 1, 3),
    "spot-engine-stop": (183 * 60, 3),
    "stops-fire-in-maintenance": (46 * 60, 4),
    "unknown-503-landed": (44 * 60, 3),
    "zero-balances": (55 * 60, 3),
    "zone-power-partial": (63 * 60, 2),
}


def text_of(slug: str) -> str:
    return resources.files("outlast.mock").joinpath("scenarios", f"{slug}.yaml").read_text()


def test_the_catalogue_is_complete_and_in_order():
    assert slugs() == tuple(sorted(ALL))
    assert [scenario.scenario for scenario in catalogue()] == sorted(ALL)


@pytest.mark.parametrize("slug", sorted(ALL))
def test_every_scenario_lints_clean_and_has_its_length(slug):
    assert lint(text_of(slug), name=slug) == ()
    scenario = load(slug)
    assert scenario.scenario == slug
    assert (scenario.duration_s, len(scenario.phases)) == ALL[slug]
    assert scenario.text == text_of(slug)
    assert scenario.source == f"{slug}.yaml"


@pytest.mark.parametrize("slug", sorted(ALL))
def test_every_file_says_what_is_on_record_and_what_is_chosen(slug):
    header = [line for line in text_of(slug).splitlines() if line.startswith("#")]
    scenario = load(slug)
    assert header[0] == f"# Incidents: {', '.join(scenario.incidents)}."
    assert header[1] == f"# Fidelity: {scenario.fidelity}."
    assert any("Choices:" in line for line in header)


def test_every_invariant_of_the_language_is_expected_somewhere():
    expected = {e.name for scenario in catalogue() for e in scenario.expect}
    assert expected == set(EXPECTATIONS)


def test_the_rules_of_the_catalogue_reach_nearly_every_endpoint_class():
    reached = {
        endpoint
        for scenario in catalogue()
        for phase in scenario.phases
        for rule in phase.faults
        for endpoint in rule.endpoints
    }
    assert reached == set(ENDPOINTS)


def test_a_one_key_map_inside_a_list_is_an_expectation_with_its_phase():
    scenario = load("five-minute-flap")
    assert scenario.expectation("no_new_exposure_before") == Expectation(
        "no_new_exposure_before", "slow"
    )
    assert loads(
        "{scenario: a, venue: kraken-spot, phases: [{name: b, for: 1m}],"
        " expect: [no_ban, no_new_exposure_before: b]}"
    ).expect == (Expectation("no_ban"), Expectation("no_new_exposure_before", "b"))


def test_the_lockout_cascades_as_the_log_of_the_night_says():
    scenario = load("binance-reduce-only-lockout-2025-10-11")
    lockout = scenario.phases[2]
    reduce_only = [rule for rule in lockout.faults if rule.where.reduces is True]
    assert [(rule.reply.kind, rule.p) for rule in reduce_only] == [
        ("reduce_rejected", 0.3),
        ("reduce_failed", 0.4),
        ("overload", 0.6),
        ("unavailable", 0.8),
        ("unknown", 0.5),
    ]
    passing = 1.0
    for rule in reduce_only:
        passing *= 1 - rule.p
    assert passing == pytest.approx(0.0168)
    assert scenario.world.account.positions["DOGEUSDT"].qty == Decimal(3413001)
    assert scenario.world.account.positions["XRPUSDT"].qty == Decimal("7326.1")
    assert scenario.world.instruments["DOGEUSDT"].tick == Decimal("0.00001")
    assert (
        scenario.t0_ms == 1_760_130_420_000
    )  # 2025-10-10T21:07:00Z, before -1008 changed its text
    assert scenario.score[0].compare_with == "naive-loop"


def test_the_halt_fails_futures_alone():
    scenario = load("binance-um-halt-2025-08-29")
    assert scenario.scope == (Product.UM,)
    assert load("spot-engine-stop").scope == (Product.SPOT,)
    assert load("nonce-and-clock").scope == ()
    event = scenario.phases[4].events[0]
    assert (event.kind, event.symbols) == ("funding", ("BTCUSDT", "ETHUSDT"))
    assert event.note == "the missed interval, recomputed"


def test_each_venue_gets_its_own_part_of_the_world():
    world = load("binance-um-halt-2025-08-29").world
    assert [s.symbol for s in world.listed_on("binance-um")] == ["BTCUSDT", "ETHUSDT"]
    assert [s.symbol for s in world.listed_on("binance-spot")] == ["BTCUSDT-SPOT"]
    assert world.instruments["BTCUSDT-SPOT"].venue_symbol == "BTCUSDT"
    assert world.balances_on("binance-um") == {"USDT": Decimal(50000)}
    assert world.balances_on("binance-spot") == {"USDT": Decimal(50000), "BTC": Decimal("0.4")}
    assert set(world.positions_on("binance-um")) == {"BTCUSDT", "ETHUSDT"}
    assert world.positions_on("binance-spot") == {}
    assert len(world.open_orders_on("binance-um")) == 3
    assert world.open_orders_on("binance-spot") == ()


def test_open_orders_are_read_in_the_words_of_each_venue():
    orders = load("kraken-degraded-cancel-only-recovery").world.account.open_orders
    assert [(o.side, o.type) for o in orders] == [
        (Side.BUY, OrderType.LIMIT),
        (Side.SELL, OrderType.STOP_MARKET),
        (Side.SELL, OrderType.LIMIT),
    ]
    assert load("spot-engine-stop").phases[0].engine.cancel_types == (
        OrderType.TRAILING_STOP_MARKET,
    )
    assert load("quorum-loss-backlog").phases[2].engine.mode is EngineMode.AUCTION
