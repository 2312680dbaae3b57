"""While nothing fails, a guarded ccxt does what a bare one does."""

from __future__ import annotations

import dataclasses
import inspect
import re
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import ccxt
import ccxt.async_support
import ccxt.pro
import pytest
from guard_in_sim import PASSIVE, QTY, SYMBOLS, World, play

import outlast
from outlast.adapters.ccxt.settings import GuardSettings
from outlast.errors import ConfigurationError

VOLATILE = {"timestamp", "signature", "nonce", "recvWindow"}
IDS = {"newClientOrderId", "cl_ord_id", "newclientorderid"}
DEADLINE = {"deadline"}


async def session(w: World, exchange) -> list:
    """What a bot does in a quiet minute."""
    await exchange.load_markets()
    told = [await exchange.fetch_balance()]
    told.append(await exchange.fetch_order_book(w.symbol, 10))
    told.append(await exchange.fetch_ticker(w.symbol))
    order = await exchange.create_limit_buy_order(w.symbol, QTY, PASSIVE)
    told.append(await exchange.fetch_open_orders(w.symbol))
    told.append(await exchange.cancel_order(order["id"], w.symbol))
    second = await exchange.createOrder(w.symbol, "limit", "buy", QTY, PASSIVE - 1)
    told.append(await exchange.cancel_all_orders(w.symbol))
    told.append(await exchange.create_market_sell_order(w.symbol, QTY))
    told.append(await exchange.fetch_my_trades(w.symbol))
    if w.venue == "binance-um":
        told.append(await exchange.fetch_positions([w.symbol]))
        back = await exchange.create_order(
            w.symbol, "market", "buy", QTY, None, {"reduceOnly": True}
        )
        told.append(back)
    return [*told, order, second]


def asked(exchange) -> list[tuple]:
    """Method, path and parameters of everything it sent; without what differs each time."""
    rows = []
    for method, url, body in exchange.sent:
        parts = urlsplit(url)
        params = dict(parse_qsl(parts.query)) | dict(parse_qsl(body))
        kept = {k: v for k, v in params.items() if k not in VOLATILE | IDS | DEADLINE}
        orders = {k: re.sub(r"^\d+$|^O.*", "#", v) for k, v in kept.items() if k.endswith("rderId")}
        rows.append((method, parts.path, tuple(sorted((kept | orders).items()))))
    return [(m, p, tuple((k, "#" if k == "txid" else v) for k, v in q)) for m, p, q in rows]


@pytest.mark.parametrize("venue", list(SYMBOLS))
def test_the_same_requests_leave_and_the_same_shapes_come_back(venue, tmp_path):
    seen = {}

    def story_of(name):
        async def story(w: World):
            exchange = w.bare() if name == "bare" else w.guarded()
            told = await session(w, exchange)
            seen[name] = asked(exchange), [shape(each) for each in told]
            assert w.card()["duplicates"] == 0

        return story

    play(story_of("bare"), tmp_path, venue=venue)
    play(story_of("guarded"), tmp_path, venue=venue)
    assert seen["guarded"][0] == seen["bare"][0]
    assert seen["guarded"][1] == seen["bare"][1]


def shape(value):
    if isinstance(value, dict):
        return {key: shape(each) for key, each in value.items() if key != "info"}
    return [shape(value[0])] if isinstance(value, list) and value else type(value)


@pytest.mark.parametrize("venue", list(SYMBOLS))
def test_every_order_carries_an_id_of_its_own_in_the_venues_form(venue, tmp_path):
    form = (
        r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
        if venue == "kraken-spot"
        else r"ol[0-9a-z]{6}-[0-9a-z]{9}"
    )

    async def story(w: World):
        exchange = w.guarded()
        for number in range(3):
            await w.buy(exchange, PASSIVE + number)
        ids = [order.client_order_id for order in w.orders]
        assert len(set(ids)) == 3
        assert all(re.fullmatch(form, name) for name in ids)

    play(story, tmp_path, venue=venue)


def test_the_instance_stays_the_same_and_unguard_gives_it_back_as_it_was(tmp_path):
    exchange = ccxt.kraken()
    before = dict(vars(exchange))
    guarded = outlast.guard(exchange, journal=tmp_path / "a.journal")
    assert guarded is exchange
    assert isinstance(exchange, ccxt.kraken)
    for name in ("create_order", "cancel_order", "fetch_balance", "createOrder"):
        plain = getattr(ccxt.kraken, name)
        assert list(inspect.signature(getattr(exchange, name)).parameters) == [
            p for p in inspect.signature(plain).parameters if p != "self"
        ]
    assert outlast.unguard(exchange) is exchange
    assert vars(exchange) == before
    outlast.unguard(exchange)  # twice is no more than once
    outlast.unguard(outlast.guard(exchange, journal=tmp_path / "a.journal"))


@pytest.mark.parametrize("room", [ccxt.async_support, ccxt.pro])
def test_methods_of_async_instances_stay_coroutine_functions(room):
    exchange = outlast.guard(room.kraken(), journal=None)
    assert inspect.iscoroutinefunction(exchange.create_order)
    assert inspect.iscoroutinefunction(exchange.fetch_balance)
    outlast.unguard(exchange)
    exchange.session = None


def test_what_cannot_be_guarded_is_refused_with_a_reason(tmp_path):
    with pytest.raises(ConfigurationError, match="takes an instance of a ccxt exchange"):
        outlast.guard(object())
    with pytest.raises(ConfigurationError, match="takes an instance"):
        outlast.guard(ccxt.kraken, journal=None)  # the class
    exchange = outlast.guard(ccxt.kraken(), journal=None)
    with pytest.raises(ConfigurationError, match="has a guard already"):
        outlast.guard(exchange, journal=None)
    with pytest.raises(ConfigurationError, match="does not exist"):
        outlast.guard(ccxt.kraken(), journal=tmp_path / "nowhere" / "a.journal")
    first = outlast.guard(ccxt.kraken(), journal=tmp_path / "a.journal")
    with pytest.raises(ConfigurationError, match="in use by another process"):
        outlast.guard(ccxt.kraken(), journal=tmp_path / "a.journal")
    outlast.unguard(first)


def test_a_journal_belongs_to_one_exchange(tmp_path):
    outlast.unguard(outlast.guard(ccxt.kraken(), journal=tmp_path / "a.journal"))
    with pytest.raises(ConfigurationError, match="ccxt:kraken, not ccxt:binance"):
        outlast.guard(ccxt.binance(), journal=tmp_path / "a.journal")


@pytest.mark.parametrize(
    "wrong",
    [{"valid_for_s": 0.0}, {"settle_within_s": -1.0}, {"cancel_attempts": 0}, {"reask": -1}],
)
def test_a_setting_that_cannot_be_is_named(wrong):
    with pytest.raises(ConfigurationError, match=next(iter(wrong))):
        GuardSettings(**wrong)


def test_every_setting_is_named_in_the_docs():
    page = (Path(__file__).parents[3] / "docs" / "guard.md").read_text(encoding="utf-8")
    names = [field.name for field in dataclasses.fields(GuardSettings)]
    assert [name for name in names if f"`{name}`" not in page] == []
