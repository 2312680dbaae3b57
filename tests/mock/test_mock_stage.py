"""What the script makes of a venue: settings, lies, accounts, events, and what the truth hears."""

from __future__ import annotations

from decimal import Decimal

import pytest
from venue_at_hand import T0, play, story

from outlast.mock.engine.knobs import Deviation, Drift, Gap, MarkPolicy, QueuePolicy, TriggerPolicy
from outlast.mock.engine.model import EngineMode, OrderType

CALM = "{name: calm, for: 5m}"
WORLD = (
    '{account: {balances: {USDT: "50000"}, positions: {BTCUSDT: {qty: "0.5", entry: "67000"}}, '
    "open_orders: [{symbol: BTCUSDT, side: SELL, type: LIMIT, qty: '0.1', price: '75000', "
    "reduces: true}, {symbol: BTCUSDT, side: SELL, type: STOP_MARKET, qty: '0.5', stop: '60000', "
    "reduces: true}]}}"
)


def test_phases_set_the_engine_at_their_instant():
    async def tell(desk):
        assert desk.engine.knobs.mode is EngineMode.ONLINE
        await desk.advance(299.9)
        assert desk.engine.knobs.mode is EngineMode.ONLINE
        await desk.advance(0.1)
        knobs = desk.engine.knobs
        assert knobs.mode is EngineMode.HALTED
        assert (knobs.matching, knobs.queue) == (False, QueuePolicy.HOLD)
        assert (knobs.triggers, knobs.mark) == (TriggerPolicy.DEAD, MarkPolicy.FROZEN)
        assert (knobs.fills_delay_ms, knobs.history_lag_ms) == (5000, 90_000)
        assert knobs.cancel_types == (OrderType.TRAILING_STOP_MARKET,)
        await desk.advance(60)
        assert desk.engine.knobs.mark_offset == Decimal("-0.12")
        assert [s.value for s in desk.truth.conditions.phases.spans(T0 + 400_000)] == [
            "calm",
            "halt",
        ]
        assert desk.truth.as_json()["venues"]["binance-um"]["mode"] == "halted"

    halt = (
        "{name: halt, for: 5m, engine: {mode: halted, matching: false, queue: hold, "
        "triggers: dead, mark: frozen, fills_delay: 5s, history_lag: 90s, "
        "cancel_types: [TRAILING_STOP_MARKET]}, "
        "timeline: [{at: 1m, engine: {mark: {offset: -0.12}}}]}"
    )
    play(story(f"{CALM}\n{halt}"), tell)


def test_market_settings_carry_the_instant_at_which_they_began():
    async def tell(desk):
        await desk.advance(300)
        market = desk.engine.market_knobs
        start = T0 + 300_000
        assert market.drift == Drift(Decimal("-0.05"), 120_000, start_ms=start)
        assert market.deviate == Deviation(Decimal("-0.08"), 60_000, 300_000, start_ms=start)
        assert market.reopen_gap == Gap(Decimal("0.02"), start_ms=start)
        assert (market.vol_x, market.spread_x) == (Decimal(3), Decimal("2.5"))
        assert (market.depth_bid_x, market.depth_ask_x) == (Decimal("0.2"), Decimal("0.3"))

    wild = (
        "{name: wild, for: 5m, market: {drift: -0.05, over: 2m, vol_x: 3, spread_x: 2.5, "
        "depth_x: {bid: 0.2, ask: 0.3}, deviate: {by: -0.08, peak: 1m, decay: 5m}, "
        "reopen_gap: 0.02}}"
    )
    play(story(f"{CALM}\n{wild}"), tell)


def test_the_account_begins_with_what_the_world_says_and_the_truth_knows_it():
    async def tell(desk):
        position = desk.engine.positions("main")["BTCUSDT"]
        assert (position.qty, position.entry) == (Decimal("0.5"), Decimal(67000))
        assert len(desk.orders()) == 2
        venue = desk.truth.as_json()["venues"]["binance-um"]["accounts"]["main"]
        assert venue["positions"] == {"BTCUSDT": "0.5"}
        assert [order["from_the_start"] for order in venue["orders"]] == [True, True]

    play(story(CALM, world=WORLD), tell)


def test_every_account_is_alike_and_apart():
    async def tell(desk):
        name, accounts = desk.run.open_account()
        other = accounts["binance-um"]
        assert name == "client-1"
        assert other.key != desk.account.key
        assert len(desk.orders(name)) == 2
        placed = await desk.ask(
            "POST",
            "/fapi/v1/order",
            {"symbol": "BTCUSDT", "side": "SELL", "type": "MARKET", "quantity": "0.5"},
            account=other,
        )
        assert placed.status == 200
        assert desk.engine.positions(name)["BTCUSDT"].qty == 0
        assert desk.engine.positions("main")["BTCUSDT"].qty == Decimal("0.5")
        assert desk.run.open_account()[0] == "client-2"
        assert desk.run.open_account("mine")[0] == "mine"

    play(story(CALM, world=WORLD), tell)


# -- lies -----------------------------------------------------------------------------------------


async def close_half(desk):
    reply = await desk.ask(
        "POST",
        "/fapi/v1/order",
        {"symbol": "BTCUSDT", "side": "SELL", "type": "MARKET", "quantity": "0.25"},
    )
    assert reply.status == 200


async def shown(desk) -> tuple[str, str | None]:
    """(wallet of USDT, position in BTCUSDT) as the venue tells them."""
    balances = (await desk.ask("GET", "/fapi/v2/balance")).json
    positions = (await desk.ask("GET", "/fapi/v3/positionRisk")).json
    wallet = next((row["balance"] for row in balances if row["asset"] == "USDT"), "none")
    return wallet, next((row["positionAmt"] for row in positions), None)


def test_stale_shows_the_account_as_it_was_when_the_lie_began():
    async def tell(desk):
        await desk.advance(300)
        before = await shown(desk)
        await close_half(desk)
        assert await shown(desk) == before
        assert desk.engine.positions("main")["BTCUSDT"].qty == Decimal("0.25")
        assert [r.lied for r in desk.records[-2:]] == [True, True]
        assert desk.truth.conditions.lies_at(T0 + 310_000, "binance-um") == (
            "balances:stale",
            "positions:stale",
        )
        await desk.advance(300)
        wallet, position = await shown(desk)
        assert wallet != before[0]
        assert Decimal(position) == Decimal("0.25")
        assert [r.lied for r in desk.records[-2:]] == [False, False]
        assert desk.truth.conditions.lies_at(T0 + 610_000, "binance-um") == ()

    lie = "{name: lie, for: 5m, account: {balances: stale, positions: stale}}"
    play(story(f"{CALM}\n{lie}\n{CALM.replace('calm', 'after')}", world=WORLD), tell)


def test_a_second_lie_freezes_a_second_picture():
    async def tell(desk):
        await close_half(desk)
        assert Decimal((await shown(desk))[1]) == Decimal("0.5")
        await desk.advance(120)
        await close_half(desk)
        assert Decimal((await shown(desk))[1]) == Decimal("0.25")

    phases = (
        "{name: one, for: 1m, account: {positions: stale}}\n"
        "{name: gap, for: 1m}\n"
        "{name: two, for: 1m, account: {positions: stale}}"
    )
    play(story(phases, world=WORLD), tell)


def test_a_lie_that_runs_on_into_the_next_phase_keeps_its_picture():
    async def tell(desk):
        await close_half(desk)
        await desk.advance(61)
        assert Decimal((await shown(desk))[1]) == Decimal("0.5")

    phases = (
        "{name: one, for: 1m, account: {positions: stale}}\n"
        "{name: two, for: 1m, account: {positions: stale, balances: zero}}"
    )
    play(story(phases, world=WORLD), tell)


@pytest.mark.parametrize("lie", ["zero", "empty"])
def test_balances_may_be_zero_or_not_there_at_all(lie):
    async def tell(desk):
        wallet, position = await shown(desk)
        assert wallet == "none" or Decimal(wallet) == 0
        assert Decimal(position) == Decimal("0.5")  # about positions nobody lies here
        assert desk.engine.balances("main")["USDT"].total == 50000
        assert [r.lied for r in desk.records] == [True, False]

    play(story(f"{{name: lie, for: 5m, account: {{balances: {lie}}}}}", world=WORLD), tell)


def test_positions_may_be_zero():
    async def tell(desk):
        _, position = await shown(desk)
        assert position is None or Decimal(position) == 0
        assert desk.records[-1].lied

    play(story("{name: lie, for: 5m, account: {positions: zero}}", world=WORLD), tell)


def test_an_account_opened_during_a_stale_lie_is_shown_as_it_was_then():
    async def tell(desk):
        await desk.advance(301)
        _, accounts = desk.run.open_account("late")
        account = accounts["binance-um"]
        order = {"symbol": "BTCUSDT", "side": "SELL", "type": "MARKET", "quantity": "0.5"}
        await desk.ask("POST", "/fapi/v1/order", order, account=account)
        rows = (await desk.ask("GET", "/fapi/v3/positionRisk", account=account)).json
        assert Decimal(rows[0]["positionAmt"]) == Decimal("0.5")
        assert desk.engine.positions("late")["BTCUSDT"].qty == 0

    lie = "{name: lie, for: 5m, account: {positions: stale}}"
    play(story(f"{CALM}\n{lie}", world=WORLD), tell)


# -- events and reports ---------------------------------------------------------------------------


def test_funding_is_paid_once_at_its_instant():
    async def tell(desk):
        before = desk.engine.balances("main")["USDT"].total
        await desk.advance(59)
        assert desk.engine.balances("main")["USDT"].total == before
        await desk.advance(1)
        paid = before - desk.engine.balances("main")["USDT"].total
        mark = desk.engine.mark_price("BTCUSDT")
        assert paid == pytest.approx(mark * Decimal("0.5") * Decimal("0.001"), rel=Decimal("1e-6"))
        await desk.advance(200)
        assert before - desk.engine.balances("main")["USDT"].total == paid

    event = "{at: 1m, kind: funding, symbols: [BTCUSDT, ETHUSDT], rate: 0.001}"
    play(story(f"{{name: calm, for: 5m, events: [{event}]}}", world=WORLD), tell)


def test_prices_are_told_to_the_truth_every_second():
    async def tell(desk):
        await desk.advance(120)
        quotes = desk.truth.conditions.quotes("binance-um", "BTCUSDT")
        quote = quotes.at(T0 + 120_000, None)
        assert quote.venue_price == desk.engine.last_price("BTCUSDT")
        assert quote.mark is not None
        assert desk.truth.now_ms == T0 + 120_000

    play(story("{name: wild, for: 5m, market: {vol_x: 20}}"), tell)


def test_nothing_listens_while_everything_is_refused():
    async def tell(desk):
        assert not desk.stage.refuses_dials()
        await desk.advance(300)
        assert desk.stage.refuses_dials()
        assert desk.changes >= 2
        await desk.advance(300)
        assert not desk.stage.refuses_dials()

    dead = '{name: dead, for: 5m, faults: [{match: "*", reply: refuse}]}'
    play(story(f"{CALM}\n{dead}\n{CALM.replace('calm', 'after')}"), tell)


def test_the_same_seed_and_requests_end_in_the_same_exchange():
    digests = []

    async def tell(desk):
        for n in range(20):
            await desk.place(f"o{n}", price=f"{67000 - n * 10}")
            await desk.advance(2.5)
        digests.append(desk.engine.digest())

    rule = "{match: orders.create, p: 0.5, reply: unknown, effect: {apply: 0.5}}"
    for seed in (5, 5, 6):
        text = story(f"{{name: f, for: 5m, faults: [{rule}]}}").replace("seed: 5", f"seed: {seed}")
        play(text, tell)
    assert digests[0] == digests[1] != digests[2]
