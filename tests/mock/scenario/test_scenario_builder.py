"""Scenarios put together in Python, and the worlds they get when they declare none."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from outlast.mock.engine.model import OrderType, Product
from outlast.mock.scenario import Scenario, ScenarioBuilder, ScenarioError, Script, fault, loads
from outlast.mock.scenario.builder import ramp
from outlast.mock.scenario.defaults import (
    InstrumentDefaults,
    default_world,
    instrument_defaults,
    split_symbol,
    to_instrument,
)
from outlast.mock.scenario.vocabulary import order_type_named


def night() -> ScenarioBuilder:
    return (
        ScenarioBuilder(
            "my-night",
            venue=["binance-um", "binance-spot"],
            seed=3,
            title="a night of my own",
            t0=datetime(2026, 1, 2, tzinfo=UTC),
        )
        .instrument("BTCUSDT", product="um", mid="110500", tick="0.1", taker_fee="0.0004")
        .instrument("BTCUSDT-SPOT", product="spot", mid=Decimal(110520), tick="0.01")
        .account(
            balances={"USDT": 50_000},
            positions={"BTCUSDT": ("0.500", "110900")},
            open_orders=[
                {"symbol": "BTCUSDT", "side": "sell", "type": "stop", "qty": "0.5", "stop": "99000"}
            ],
        )
        .peers("kraken-spot")
        .limits(count="admitted", factor=0.5)
        .phase("calm", timedelta(minutes=2))
        .phase(
            "lockout",
            "30m",
            ramp=ramp(0.1, 1.0, steps=5),
            engine={"mark": {"offset": "-0.12"}},
            market={"drift": -0.01, "over": timedelta(minutes=10)},
            faults=[
                fault("orders.create", where={"reduces": True}, p=0.9, reply="reduce_rejected"),
                fault("ws.user.stream", stream={"delay": "20s"}),
                fault(["orders.*", "account.*"], latency={"p50": "600ms", "p99": "6s"}),
            ],
            timeline=[{"at": "5m", "account": {"balances": "zero"}}],
            events=[{"at": "6m", "kind": "funding", "symbols": ["BTCUSDT"], "rate": "0.0001"}],
        )
        .phase("back", "rest")
        .status("0s", "green")
        .status("12m", "degraded", component="um-futures", incident="investigating", text="slow")
        .expect("no_ban", attempts_per_intent=8, no_new_exposure_before="back", breaker_scope="um")
        .score("exposure_integral", symbols=["BTCUSDT"], compare_with="naive-loop")
    )


YAML = """
scenario: my-night
title: a night of my own
fidelity: synthetic
venue: [binance-um, binance-spot]
seed: 3
t0: 2026-01-02T00:00:00Z
world:
  instruments:
    BTCUSDT: {product: um, mid: 110500, tick: 0.1, taker_fee: 0.0004}
    BTCUSDT-SPOT: {product: spot, mid: 110520, tick: 0.01}
  account:
    balances: {USDT: 50000}
    positions: {BTCUSDT: {qty: "0.500", entry: 110900}}
    open_orders: [{symbol: BTCUSDT, side: sell, type: stop, qty: "0.5", stop: 99000}]
  peers: [kraken-spot]
limits: {count: admitted, factor: 0.5}
phases:
  - {name: calm, for: 2m}
  - name: lockout
    for: 30m
    ramp: {from: 0.1, to: 1.0, steps: 5}
    engine: {mark: {offset: -0.12}}
    market: {drift: -0.01, over: 10m}
    faults:
      - {match: orders.create, where: {reduces: true}, p: 0.9, reply: reduce_rejected}
      - {match: ws.user.stream, stream: {delay: 20s}}
      - {match: ["orders.*", "account.*"], latency: {p50: 600ms, p99: 6s}}
    timeline: [{at: 5m, account: {balances: zero}}]
    events: [{at: 6m, kind: funding, symbols: [BTCUSDT], rate: 0.0001}]
  - {name: back, for: rest}
status_page:
  - {at: 0s, page: green}
  - {at: 12m, page: degraded, component: um-futures, incident: investigating, text: slow}
expect: [no_ban, {attempts_per_intent: 8}, {no_new_exposure_before: back}, {breaker_scope: um}]
score: {exposure_integral: {symbols: [BTCUSDT], compare_with: naive-loop}}
"""


def without_places(scenario: Scenario) -> str:
    """All of a scenario but where it was written."""
    return re.sub(r"line=\d+|source='[^']*'", "", repr(scenario))


def test_python_and_yaml_give_the_same_scenario():
    assert without_places(night().build()) == without_places(loads(YAML))


def test_what_was_built_can_be_written_down_and_read_again():
    built = night().build()
    assert without_places(loads(built.text)) == without_places(built)


def test_the_checker_looks_at_what_was_built():
    with pytest.raises(ScenarioError) as caught:
        ScenarioBuilder("x", venue="binance-um").phase("a", "5").build()
    assert caught.value.key == "phases[0].for"
    assert str(caught.value) == (
        "x: phases[0].for: '5' is not a duration (a number needs its unit);"
        " write 90s, 4m, 1h30m or 800ms"
    )
    with pytest.raises(ScenarioError, match="unknown key; did you mean `tick`"):
        ScenarioBuilder("x", venue="binance-um").instrument("BTCUSDT", mid=1, ticks=1).phase(
            "a", "5m"
        ).build()
    with pytest.raises(ScenarioError, match="no zone"):
        ScenarioBuilder("x", venue="binance-um", t0=datetime(2026, 1, 2)).phase(  # noqa: DTZ001
            "a", "5m"
        ).build()


def test_a_scenario_without_a_world_can_be_traded_in():
    script = Script(loads("{scenario: x, venue: kraken-spot, phases: [{name: a, for: 1m}]}"))
    world = script.scenario.world
    assert list(world.instruments) == ["BTC/USD", "ETH/USD"]
    assert world.account.balances == {
        "USD": Decimal(25000),
        "BTC": Decimal("0.75"),
        "ETH": Decimal("4.0"),
    }
    assert world.peers == ("binance-spot",)
    assert script.at(0).phase.name == "a"


def test_two_binances_share_no_symbol_key_and_have_their_own_balances():
    world = default_world(("binance-spot", "binance-um"))
    assert [s.symbol for s in world.listed_on("binance-um")] == ["BTCUSDT", "ETHUSDT"]
    spot = world.listed_on("binance-spot")
    assert [s.symbol for s in spot] == ["BTCUSDT-SPOT", "ETHUSDT-SPOT"]
    assert [s.venue_symbol for s in spot] == ["BTCUSDT", "ETHUSDT"]
    assert set(world.balances_on("binance-um")) == {"USDT"}
    assert set(world.balances_on("binance-spot")) == {"USDT", "BTC", "ETH"}
    assert world.peers == ("kraken-spot",)


def test_kraken_and_binance_spot_list_their_own_pairs():
    world = default_world(("kraken-spot", "binance-spot"))
    assert [s.symbol for s in world.listed_on("kraken-spot")] == ["BTC/USD", "ETH/USD"]
    assert [s.symbol for s in world.listed_on("binance-spot")] == ["BTCUSDT", "ETHUSDT"]
    assert set(world.balances_on("kraken-spot")) == {"USD", "BTC", "ETH"}
    assert set(world.balances_on("binance-spot")) == {"USDT", "BTC", "ETH"}
    assert world.peers == ()


def test_steps_are_of_the_size_that_the_venues_have():
    def step(mid: str) -> Decimal:
        return instrument_defaults(Decimal(mid)).qty_step

    assert step("0.24") == Decimal(1)
    assert step("2.75") == Decimal("0.1")
    assert step("4350") == Decimal("0.001")
    assert step("117000") == Decimal("0.001")
    assert str(step("0.000012")) == "10000"
    doge = instrument_defaults(Decimal("0.24"))
    assert doge == InstrumentDefaults(
        qty_step=Decimal(1),
        qty_min=Decimal(1),
        qty_max=Decimal(200_000_000),
        market_qty_max=Decimal(40_000_000),
        notional_min=Decimal(5),
        maker_fee=Decimal("0.0002"),
        taker_fee=Decimal("0.0005"),
        leverage=20,
        level_notional=Decimal(20_000),
    )


@pytest.mark.parametrize("venue", ["binance-um", "binance-spot", "kraken-spot"])
@pytest.mark.parametrize("mid", ["0.000012", "0.24", "1", "9.99", "68000", "1234567.8"])
def test_the_smallest_order_is_worth_about_five_and_the_rules_fit_together(venue, mid):
    rules = instrument_defaults(Decimal(mid), venue=venue, quote="USD")
    for qty in (rules.qty_min, rules.qty_max, rules.market_qty_max):
        assert qty % rules.qty_step == 0
    assert rules.qty_step <= rules.qty_min < rules.market_qty_max < rules.qty_max
    least_worth = rules.qty_min * Decimal(mid)
    if venue == "kraken-spot":
        assert 2 <= least_worth <= 5
    else:
        assert rules.notional_min == 5
        finest = Decimal("0.001" if venue == "binance-um" else "0.00001")
        assert least_worth <= 5 or rules.qty_min == finest
    assert 4_000_000 <= rules.market_qty_max * Decimal(mid) <= 10_000_000


def test_kraken_has_a_least_quantity_and_binance_a_least_worth():
    kraken = instrument_defaults(Decimal(68000), venue="kraken-spot", quote="USD")
    assert (kraken.qty_step, kraken.qty_min) == (Decimal("1E-8"), Decimal("0.00005"))
    assert kraken.notional_min == Decimal("0.5")
    ether_quoted = instrument_defaults(Decimal("1.08"), venue="binance-spot", quote="ETH")
    assert ether_quoted.notional_min == Decimal("0.001")
    assert ether_quoted.qty_step == Decimal("0.00001")


def test_what_the_scenario_says_outranks_the_defaults():
    spec = night().build().world.instruments["BTCUSDT"]
    instrument = to_instrument(spec, "binance-um")
    assert (instrument.product, instrument.base, instrument.quote) == (Product.UM, "BTC", "USDT")
    assert (instrument.maker_fee, instrument.taker_fee) == (Decimal("0.0002"), Decimal("0.0004"))
    assert instrument.qty_step == Decimal("0.001")


def test_a_coarser_step_raises_the_least_quantity():
    scenario = (
        ScenarioBuilder("x", venue="binance-um")
        .instrument("BTCUSDT", mid=100, tick="0.1", qty_step="0.5", qty_max="0.5")
        .phase("a", "1m")
        .build()
    )
    instrument = to_instrument(scenario.world.instruments["BTCUSDT"], "binance-um")
    assert (instrument.qty_step, instrument.qty_min) == (Decimal("0.5"), Decimal("0.5"))
    assert instrument.market_qty_max == instrument.qty_max == Decimal("0.5")


def test_symbols_come_apart_at_their_quote():
    assert split_symbol("BTCUSDT") == ("BTC", "USDT")
    assert split_symbol("BTC/USD") == ("BTC", "USD")
    assert split_symbol("WBETHETH") == ("WBETH", "ETH")
    assert split_symbol("ETHBTC-SPOT") == ("ETH", "BTC")
    assert split_symbol("BTCFDUSD") == ("BTC", "FDUSD")
    assert split_symbol("USDT") is None
    assert split_symbol("/USD") is None
    assert split_symbol("GOLD") is None


def test_order_types_are_known_by_every_venues_name():
    assert order_type_named("stop-loss", priced=False) is OrderType.STOP_MARKET
    assert order_type_named("STOP", priced=True) is OrderType.STOP_LIMIT
    assert order_type_named("TAKE_PROFIT", priced=True) is OrderType.TAKE_PROFIT_LIMIT
    assert order_type_named("iceberg", priced=False) is None
