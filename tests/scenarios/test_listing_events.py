"""Events that change the listing: what traders of the three venues may do before and after."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from short_story import ALL, BEGINS_S, play
from stand import Stand
from test_every_word import code

PRODUCT = {"binance-um": "um", "binance-spot": "spot", "kraken-spot": "spot"}
NAMES = {
    "binance-um": ("BTCUSDT", "SOLUSDT"),
    "binance-spot": ("BTCUSDT", "SOLUSDT"),
    "kraken-spot": ("BTC/USD", "SOL/USD"),
}


def instruments(venue: str) -> dict[str, Any]:
    bitcoin, other = NAMES[venue]
    return {
        bitcoin: {"product": PRODUCT[venue], "mid": 68000, "tick": Decimal("0.1")},
        other: {"product": PRODUCT[venue], "mid": 150, "tick": Decimal("0.01")},
    }


def of_solana(venue: str) -> dict[str, str]:
    """The parameters of a small buy order far from the market."""
    if venue == "kraken-spot":
        return {"pair": "SOLUSD", "volume": "1", "price": "120"}
    return {"symbol": "SOLUSDT", "quantity": "1", "price": "120"}


UNKNOWN = {
    "binance-um": -1121,
    "binance-spot": -1121,
    "kraken-spot": "EQuery:Unknown asset pair",
}


@pytest.mark.parametrize("venue", ALL)
def test_orders_in_what_is_listed_later_are_taken_from_then_on(venue):
    async def bot(stand: Stand) -> Any:
        terms, got, priced = of_solana(venue), [], []
        for at_s in (BEGINS_S + 29, BEGINS_S + 31):
            await stand.goto(at_s)
            got.append(code(await stand.ask(stand.new_order(stand.main, **terms))))
            markets = (await stand.tell("GET", "overview"))["venues"][venue]["markets"]
            priced.append(sorted(markets))
        shown = await stand.ask(stand.make("orders.open"))
        return got, priced, b"SOL" in shown.body

    events = [{"at": "30s", "kind": "listing", "symbols": NAMES[venue][1]}]
    got, priced, is_shown = play(venue, bot, instruments=instruments(venue), events=events)
    assert got == [UNKNOWN[venue], None]
    assert priced == [[NAMES[venue][0]], sorted(NAMES[venue])]
    assert is_shown


OFF_TICK = {
    "binance-um": -4014,
    "binance-spot": -1013,
    "kraken-spot": "EOrder:Tick size check failed",
}


@pytest.mark.parametrize("venue", ALL)
def test_new_orders_go_by_the_new_tick_and_old_ones_stay(venue):
    """Source: Binance announcement "Updates on Tick Size for Spot Trading Pairs" (2024-01-12):
    orders from before are matched with the tick they were made with."""

    async def bot(stand: Stand) -> Any:
        price = Decimal("61200.3")
        await stand.goto(BEGINS_S + 20)
        old = stand.new_order(stand.main, price=price)
        got = [code(await stand.ask(old))]
        await stand.goto(BEGINS_S + 31)
        for wanted in (price, Decimal("61200.5")):
            got.append(code(await stand.ask(stand.new_order(stand.main, price=wanted))))
        shown = (await stand.ask(stand.make("orders.open"))).body.decode()
        left = stand.orders_of(stand.main)[old.order]
        return got, "61200.3" in shown, left.is_open, left.price

    events = [{"at": "30s", "kind": "tick_size_change", "symbols": NAMES[venue][0], "tick": "0.5"}]
    got, is_shown, is_open, price = play(venue, bot, instruments=instruments(venue), events=events)
    assert got == [None, OFF_TICK[venue], None]
    assert (is_shown, is_open, price) == (True, True, Decimal("61200.3"))


@pytest.mark.parametrize("venue", ALL)
def test_an_old_order_off_the_tick_is_filled_and_told_at_its_price(venue):
    async def bot(stand: Stand) -> Any:
        heard = await stand.user_stream(stand.main)
        await stand.goto(BEGINS_S + 20)
        old = stand.new_order(stand.main, price=Decimal("66800.3"))
        assert code(await stand.ask(old)) is None
        await stand.goto(BEGINS_S + 60)
        order = stand.orders_of(stand.main)[old.order]
        fills = (await stand.ask(stand.make("fills.query"))).body
        told = [message for _, message in heard if "66800.3" in str(message)]
        return order.status.value, b"66800.3" in fills, bool(told)

    events = [{"at": "30s", "kind": "tick_size_change", "symbols": NAMES[venue][0], "tick": "0.5"}]
    market = {"drift": -0.02, "over": "50s"}
    done = play(venue, bot, instruments=instruments(venue), events=events, market=market)
    assert done == ("filled", True, True)


@pytest.mark.parametrize("venue", ALL)
def test_without_the_events_nothing_of_it_happens(venue):
    async def bot(stand: Stand) -> Any:
        await stand.goto(BEGINS_S + 31)
        first = code(await stand.ask(stand.new_order(stand.main, price=Decimal("61200.3"))))
        return first, code(await stand.ask(stand.new_order(stand.main, **of_solana(venue))))

    assert play(venue, bot, instruments=instruments(venue)) == (None, None)
