"""Every word of the language that no scenario of the catalogue uses, on the wire.

What a word does is held against the same run outside of its phase: without the word nothing of it
is seen.
"""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal
from typing import Any

import pytest
from short_story import ALL, BEGINS_S, ENDS_S, play, rule
from stand import Stand
from venue_wires import request
from wire_client import Heard

BOTH = ["binance-um", "binance-spot"]


def resting(stand: Stand) -> Decimal:
    return stand.market.away(stand.market.mid, "0.1")


def code(heard: Heard) -> Any:
    """The venue's code or words of a refusal; None for success."""
    body = heard.json
    if not isinstance(body, dict):
        return None
    return body["error"][0] if body.get("error") else body.get("code")


# --- replies -------------------------------------------------------------------------------------


@pytest.mark.parametrize("venue", ALL)
def test_a_connection_is_reset_where_it_is_said(venue):
    """At every point of the answer; what the engine does is the other field's affair."""

    async def bot(stand: Stand) -> Any:
        seen = []
        for at in (None, "connect", "request", "headers", "body", None):
            if at is not None:
                reset = rule("orders.create", reply={"reset": at}, effect="apply", times=1)
                await stand.tell("POST", "faults", reset)
            sent = stand.new_order(stand.main, price=resting(stand))
            heard = await stand.ask(sent)
            assert sent.order in stand.orders_of(stand.main), at
            seen.append((heard.error, heard.status))
        return seen

    whole, nothing, half = ("", 200), ("reset", None), ("reset", 200)
    assert play(venue, bot) == [whole, nothing, nothing, nothing, half, whole]


def test_a_reset_alone_leaves_no_order():
    async def bot(stand: Stand) -> Any:
        await stand.goto(BEGINS_S + 10)
        sent = stand.new_order(stand.main, price=resting(stand))
        return (await stand.ask(sent)).error, sent.order in stand.orders_of(stand.main)

    said = [rule("orders.create", reply={"reset": "request"})]
    assert play("binance-um", bot, faults=said) == ("reset", False)


@pytest.mark.parametrize("venue", ALL)
def test_a_firewall_says_403(venue):
    async def bot(stand: Stand) -> Any:
        await stand.goto(BEGINS_S + 1)
        during = await stand.ask(stand.make("time"))
        await stand.goto(ENDS_S + 1)
        return during, await stand.ask(stand.make("time"))

    during, after = play(venue, bot, faults=[rule("time", reply={"html": "waf-403"})])
    assert (during.status, after.status) == (403, 200)
    assert "text/html" in during.headers["content-type"]
    assert b"<html" in during.body


@pytest.mark.parametrize("venue", ALL)
def test_a_dripping_answer_that_comes_whole(venue):
    async def bot(stand: Stand) -> Any:
        await stand.goto(BEGINS_S + 1)
        during = await stand.ask(stand.make("market.meta"))
        await stand.goto(ENDS_S + 1)
        return during, await stand.ask(stand.make("market.meta"))

    said = [rule("market.meta", reply={"dribble": {"over": "45s", "then": "ok"}})]
    during, after = play(venue, bot, faults=said)
    assert 44 < during.seconds < 47
    assert after.seconds < 1
    assert during.json.keys() == after.json.keys()


WORDS = {
    ("banned", "binance-um"): (418, -1003),
    ("banned", "binance-spot"): (418, -1003),
    ("banned", "kraken-spot"): (200, "EGeneral:Temporary lockout"),
    ("clock_skew", "binance-um"): (400, -1021),
    ("clock_skew", "binance-spot"): (400, -1021),
    ("clock_skew", "kraken-spot"): (200, "EAPI:Invalid nonce"),
}


@pytest.mark.parametrize(("alias", "venue"), WORDS)
def test_aliases_that_no_scenario_plays(alias, venue):
    async def bot(stand: Stand) -> Any:
        await stand.goto(BEGINS_S + 1)
        during = await stand.ask(stand.make("account.balances"))
        await stand.goto(ENDS_S + 1)
        return during, await stand.ask(stand.make("account.balances"))

    during, after = play(venue, bot, faults=[rule("account.balances", reply=alias)])
    assert (during.status, code(during)) == WORDS[alias, venue]
    assert after.status == 200
    if alias == "banned" and venue in BOTH:
        assert int(during.headers["retry-after"]) > 0


# --- what the engine does ------------------------------------------------------------------------


@pytest.mark.parametrize("venue", ALL)
def test_an_order_that_is_taken_without_a_word_on_the_stream(venue):
    async def bot(stand: Stand) -> Any:
        heard = await stand.user_stream(stand.main)
        told = []
        for at_s in (30, BEGINS_S + 30, ENDS_S + 30):
            await stand.goto(at_s)
            sent = stand.new_order(stand.main, price=resting(stand))
            assert (await stand.ask(sent)).status == 200
            assert stand.orders_of(stand.main)[sent.order].is_open
            await asyncio.sleep(3)
            told.append(any(sent.order in json.dumps(message) for _, message in heard))
        return told

    said = [rule("orders.create", reply="ok", effect={"apply_silently": True})]
    assert play(venue, bot, faults=said) == [True, False, True]


# --- where ---------------------------------------------------------------------------------------


async def statuses(stand: Stand, *asked: Any) -> list[int | None]:
    return [(await stand.ask(sent)).status for sent in asked]


def test_only_the_third_request_of_an_account():
    async def bot(stand: Stand) -> Any:
        await stand.goto(BEGINS_S + 1)
        other = await stand.account()
        return [
            await statuses(stand, *(stand.make("account.balances", keys) for _ in range(5)))
            for keys in (stand.main, other)
        ]

    said = [rule("account.balances", where={"nth": 3}, reply="unavailable")]
    assert play("binance-um", bot, faults=said) == [[200, 200, 503, 200, 200]] * 2


def test_only_one_symbol_one_type_and_those_that_only_make():
    async def bot(stand: Stand) -> Any:
        await stand.goto(BEGINS_S + 1)
        keys, price = stand.main, resting(stand)
        other = {"symbol": "ETHUSDT", "price": "1900", "quantity": "0.1"}
        return await statuses(
            stand,
            stand.new_order(keys, price=price),
            stand.new_order(keys, price=price, timeInForce="GTX"),
            stand.new_order(keys, type="MARKET", timeInForce=None),
            stand.new_order(keys, **other),
            stand.new_order(keys, **other, timeInForce="GTX"),
        )

    for where, due in [
        ({"symbol": "ETHUSDT"}, [200, 200, 200, 503, 503]),
        ({"type": "MARKET"}, [200, 200, 503, 200, 200]),
        ({"post_only": True}, [200, 503, 200, 200, 503]),
        ({"post_only": False, "symbol": "BTCUSDT"}, [503, 200, 503, 200, 200]),
        ({"venue": "binance-um"}, [503] * 5),
        ({"product": "um", "type": ["LIMIT"], "symbol": ["BTCUSDT"]}, [503, 503, 200, 200, 200]),
    ]:
        said = [rule("orders.create", where=where, reply="unavailable")]
        assert play("binance-um", bot, faults=said) == due, where


def test_a_rule_from_outside_decides_so_often_as_it_is_told():
    async def bot(stand: Stand) -> Any:
        await stand.tell("POST", "faults", rule("time", reply="unavailable", times=2))
        return await statuses(stand, *(stand.make("time") for _ in range(4)))

    assert play("binance-um", bot) == [503, 503, 200, 200]


# --- waves and steps -----------------------------------------------------------------------------


@pytest.mark.parametrize(("start", "due"), [("good", [200, 503, 200]), ("bad", [503, 200, 503])])
def test_a_flap_begins_with_the_half_wave_that_is_said(start, due):
    async def bot(stand: Stand) -> Any:
        heard = []
        for at_s in (10, 70, 110):
            await stand.goto(BEGINS_S + at_s)
            heard += await statuses(stand, stand.make("time"))
        return heard

    said: Any = {"flap": {"good": "60s", "bad": "40s", "start": start}}
    assert play("binance-um", bot, faults=[rule("time", reply="unavailable")], **said) == due


def test_a_ramp_admits_more_from_step_to_step():
    async def bot(stand: Stand) -> Any:
        shares = []
        for step in range(4):
            await stand.goto(BEGINS_S + 30 * step + 1)
            pairs = await stand.ask_all([stand.make("time") for _ in range(200)])
            shares.append(sum(heard.status == 200 for _, heard in pairs) / 200)
        return shares

    said: Any = {"ramp": {"from": 0.1, "to": 1.0, "steps": 4}}
    shares = play("binance-um", bot, faults=[rule("time", reply="unavailable")], **said)
    assert shares == [pytest.approx(due, abs=0.12) for due in (0.1, 0.4, 0.7, 1.0)]


# --- the engine ----------------------------------------------------------------------------------

MARKET: dict[str, dict[str, Any]] = {
    "binance-um": {"type": "MARKET", "timeInForce": None},
    "binance-spot": {"type": "MARKET", "timeInForce": None},
    "kraken-spot": {"ordertype": "market"},
}


@pytest.mark.parametrize("venue", ALL)
def test_limit_orders_only(venue):
    async def bot(stand: Stand) -> Any:
        await stand.goto(BEGINS_S + 1)
        during = [
            code(await stand.ask(stand.new_order(stand.main, **terms)))
            for terms in ({"price": resting(stand)}, MARKET[venue])
        ]
        await stand.goto(ENDS_S + 1)
        return during, code(await stand.ask(stand.new_order(stand.main, **MARKET[venue])))

    (limit, market), after = play(venue, bot, engine={"mode": "limit_only"})
    assert (limit, after) == (None, None)
    assert market is not None, "a market order was taken"


@pytest.mark.parametrize("venue", ALL)
def test_only_orders_that_reduce(venue):
    """On futures that depends on the position; on spot every new order adds something."""
    held = {"positions": {"BTCUSDT": {"qty": "0.010", "entry": "68000"}}}

    async def bot(stand: Stand) -> Any:
        await stand.goto(BEGINS_S + 1)
        adds = code(await stand.ask(stand.new_order(stand.main, **MARKET[venue])))
        reduces = None
        if venue == "binance-um":
            terms = {**MARKET[venue], "side": "SELL", "reduceOnly": "true"}
            reduces = code(await stand.ask(stand.new_order(stand.main, **terms)))
        await stand.goto(ENDS_S + 1)
        after = code(await stand.ask(stand.new_order(stand.main, **MARKET[venue])))
        return adds, reduces, after

    world = held if venue == "binance-um" else None
    adds, reduces, after = play(venue, bot, engine={"mode": "reduce_only"}, world=world)
    assert adds is not None, "an order that adds was taken"
    assert (reduces, after) == (None, None)


@pytest.mark.parametrize("venue", ALL)
@pytest.mark.parametrize("queue", ["hold", "reject"])
def test_a_market_order_while_nothing_matches_waits_or_is_refused(venue, queue):
    async def bot(stand: Stand) -> Any:
        await stand.goto(BEGINS_S + 1)
        sent = stand.new_order(stand.main, **MARKET[venue])
        refusal = code(await stand.ask(sent))
        held = stand.orders_of(stand.main).get(sent.order)
        filled = None if held is None else held.filled_qty
        await stand.goto(ENDS_S + 1)
        order = stand.orders_of(stand.main).get(sent.order)
        return refusal, filled, None if order is None else order.status.value

    said = {"mode": "online", "matching": False, "queue": queue}
    refusal, filled, status = play(venue, bot, engine=said)
    if queue == "hold":
        assert (refusal, filled, status) == (None, 0, "filled")
    else:
        assert refusal is not None
        assert (filled, status) == (None, None)


@pytest.mark.parametrize(("liquidations", "left"), [(True, False), (False, True)])
def test_a_crash_liquidates_unless_the_engine_does_not(liquidations, left):
    world = {
        "balances": {"USDT": "1000"},
        "positions": {"BTCUSDT": {"qty": "0.200", "entry": "68000"}},
    }

    async def bot(stand: Stand) -> Any:
        await stand.goto(BEGINS_S + 60)
        rows = (await stand.ask(stand.make("account.positions"))).json
        return any(row["symbol"] == "BTCUSDT" and Decimal(row["positionAmt"]) for row in rows)

    said = {"drift": -0.1, "over": "30s"}
    engine = {"liquidations": liquidations}
    assert play("binance-um", bot, world=world, market=said, engine=engine) is left


@pytest.mark.parametrize("venue", ALL)
def test_a_clock_that_is_wrong_judges_those_who_are_right(venue):
    """Five seconds behind: on the Binances who stamps the true time is ahead of it and refused."""

    async def bot(stand: Stand) -> Any:
        seen = []
        for at_s in (10, BEGINS_S + 10, ENDS_S + 10):
            await stand.goto(at_s)
            body = (await stand.ask(stand.make("time"))).json
            told_ms = body["serverTime"] if venue in BOTH else body["result"]["unixtime"] * 1000
            mine = request(
                "account.balances",
                stand.market,
                stand.main,
                number=round(at_s),
                now_ms=stand.clock.now_ms,
            )
            answer = await stand.ask(mine)
            seen.append((round((told_ms - stand.clock.now_ms) / 1000), code(answer)))
        return seen

    before, (off_s, refusal), after = play(venue, bot, engine={"clock_step": "-5s"})
    assert abs(before[0]) <= 1
    assert abs(after[0]) <= 1
    assert (before[1], after[1]) == (None, None)
    assert abs(off_s + 5) <= 1
    assert refusal == (-1021 if venue in BOTH else None)


# --- what the account shows ----------------------------------------------------------------------


@pytest.mark.parametrize("venue", ALL)
@pytest.mark.parametrize("view", ["empty", "zero", "stale"])
def test_balances_are_shown_as_it_is_said(venue, view):
    async def bot(stand: Stand) -> Any:
        seen = []
        for at_s in (10, BEGINS_S + 10, ENDS_S + 10):
            await stand.goto(at_s)
            assert code(await stand.ask(stand.new_order(stand.main, **MARKET[venue]))) is None
            seen.append((await holdings(stand), stand.holdings_of(stand.main)["balances"]))
        return seen

    before, during, after = play(venue, bot, account={"balances": view})
    for shown, true in (before, after):
        assert {a: q for a, q in shown.items() if q} == pytest.approx(
            {a: q for a, q in true.items() if q}, abs=Decimal("0.0001")
        )
    shown, true = during
    if view == "stale":
        assert shown == before[0] != true
    else:
        assert any(true.values())
        assert not any(shown.values())
        assert bool(shown) is (view == "zero")


async def holdings(stand: Stand) -> dict[str, Decimal]:
    """Totals by asset, as the venue tells them."""
    body = (await stand.ask(stand.make("account.balances"))).json
    if stand.market.venue == "kraken-spot":
        names = {"XXBT": "BTC", "XETH": "ETH", "ZUSD": "USD"}
        return {names[name]: Decimal(total) for name, total in body["result"].items()}
    if stand.market.venue == "binance-spot":
        return {r["asset"]: Decimal(r["free"]) + Decimal(r["locked"]) for r in body["balances"]}
    return {row["asset"]: Decimal(row["balance"]) for row in body}


@pytest.mark.parametrize(
    ("view", "shown"), [("zero", ["0"]), ("stale", ["0.010"]), (None, ["0.012"])]
)
def test_positions_are_shown_as_it_is_said(view, shown):
    world = {"positions": {"BTCUSDT": {"qty": "0.010", "entry": "68000"}}}

    async def bot(stand: Stand) -> Any:
        await stand.goto(BEGINS_S + 10)
        assert code(await stand.ask(stand.new_order(stand.main, **MARKET["binance-um"]))) is None
        rows = (await stand.ask(stand.make("account.positions"))).json
        return [Decimal(row["positionAmt"]) for row in rows if row["symbol"] == "BTCUSDT"]

    said = {"account": {"positions": view}} if view else {}
    got = play("binance-um", bot, world=world, **said)
    assert (got or [Decimal(0)]) == [Decimal(qty) for qty in shown]


# --- limits --------------------------------------------------------------------------------------


def used(heard: Heard) -> int:
    return int(heard.headers["x-mbx-used-weight-1m"])


@pytest.mark.parametrize(
    ("count", "reply", "low", "high"),
    [
        ("all", "overload", 40, 40),
        ("all", "unknown", 40, 40),
        ("admitted", "overload", 0, 0),
        ("admitted", "unavailable", 0, 0),
        ("unknown_half", "overload", 0, 0),
        ("unknown_half", "unknown", 10, 30),
    ],
)
@pytest.mark.parametrize("venue", BOTH)
def test_which_refused_requests_count(venue, count, reply, low, high):
    async def bot(stand: Stand) -> Any:
        await stand.goto(BEGINS_S + 61)  # early in a minute
        before = used(await stand.ask(stand.make("time")))
        each = used(await stand.ask(stand.make("time"))) - before
        for _ in range(40):
            assert (await stand.ask(stand.make("market.read"))).status == 503
        return used(await stand.ask(stand.make("time"))) - before - 2 * each

    said = [rule("market.read", reply=reply)]
    counted = play(venue, bot, faults=said, from_start={"count": count}) / WEIGHT[venue]
    assert low <= counted <= high


WEIGHT = {"binance-um": 2, "binance-spot": 5}
"""Of a small book."""


def test_limits_that_nobody_enforces():
    async def bot(stand: Stand) -> Any:
        await stand.goto(BEGINS_S + 61)
        return {(await stand.rest.get("/fapi/v1/exchangeInfo")).status for _ in range(60)}

    factor = {"factor": 0.01}
    assert play("binance-um", bot, from_start=factor) == {200, 429, 418}
    assert play("binance-um", bot, from_start={**factor, "enforce": False}) == {200}
    assert play("binance-um", bot, from_start=factor, limits={"enforce": False}) == {200}


def test_every_next_ban_is_longer_and_none_is_longer_than_the_longest():
    ban = {"after_429": 2, "first": "10s", "grow": 3, "max": "60s"}

    async def bot(stand: Stand) -> Any:
        waits = []
        for _ in range(4):
            heard = await stand.rest.get("/fapi/v1/exchangeInfo")
            while heard.status != 418:
                heard = await stand.rest.get("/fapi/v1/exchangeInfo")
            waits.append(int(heard.headers["retry-after"]))
            await asyncio.sleep(waits[-1] + 1)
        return waits

    assert play("binance-um", bot, from_start={"factor": 0.01, "ban": ban}) == [10, 30, 60, 60]


# --- the status page -----------------------------------------------------------------------------


def test_a_page_that_cannot_be_reached_is_not_there():
    """`unreachable` refuses connections; every other word is an answer."""

    async def bot(stand: Stand) -> Any:
        client, seen = stand.client(stand.endpoints["status_page"]), []
        for page in ("green", "unreachable", "green"):
            await stand.goto(10 + 100 * len(seen))
            heard = await client.get("/api/v2/status.json")
            seen.append((page, heard.error))
        return seen

    page = [
        {"at": "0s", "page": "green"},
        {"at": "100s", "page": "unreachable"},
        {"at": "200s", "page": "green"},
    ]
    seen = play("binance-um", bot, status_page=page)
    assert seen == [("green", ""), ("unreachable", "refused"), ("green", "")]
