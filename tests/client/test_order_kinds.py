"""Every kind of order reaches every venue over both ways as it was meant, or is refused here."""

from __future__ import annotations

import pytest
from paths_in_sim import VENUES, ground, settings, until_live

import outlast
from outlast.mock.engine.model import OrderStatus as Truth
from outlast.mock.engine.model import OrderType as Kind
from outlast.mock.engine.model import TimeInForce as Time
from outlast.model import OrderStatus

WAYS = ["rest", "websocket-first"]
each_venue = pytest.mark.parametrize("venue", VENUES)
each_way = pytest.mark.parametrize("way", WAYS)

ENDED = (OrderStatus.FILLED, OrderStatus.EXPIRED, OrderStatus.CANCELED)


def kinds(btc, venue):
    """By name: the request, and what the engine has to hold: type and time in force."""
    limits = {"symbol": btc, "side": "buy", "qty": "0.001", "price": "60000"}
    table = {
        "limit": (outlast.limit(**limits), Kind.LIMIT, Time.GTC),
        "post-only": (outlast.limit(**limits, post_only=True), Kind.LIMIT, Time.GTC),
        "ioc": (outlast.limit(**limits, time_in_force="ioc"), Kind.LIMIT, Time.IOC),
        "market": (outlast.market(btc, "buy", "0.001"), Kind.MARKET, None),
        "stop": (outlast.stop(btc, "sell", "0.001", "65000"), Kind.STOP_MARKET, None),
        "stop-limit": (
            outlast.stop(btc, "sell", "0.001", "65000", price="64900"),
            Kind.STOP_LIMIT,
            Time.GTC,
        ),
        "take-profit": (
            outlast.take_profit(btc, "sell", "0.001", "72000"),
            Kind.TAKE_PROFIT_MARKET,
            None,
        ),
        "take-profit-limit": (
            outlast.take_profit(btc, "sell", "0.001", "72000", price="71900"),
            Kind.TAKE_PROFIT_LIMIT,
            Time.GTC,
        ),
    }
    if venue != "binance-spot":
        gtd = outlast.limit(**limits, time_in_force="gtd", expires_in_s=700)
        table["gtd"] = (gtd, Kind.LIMIT, Time.GTD)
    return table


@each_venue
@each_way
def test_every_kind_is_at_the_venue_what_was_asked_for(venue, way, tmp_path):
    here = ground(venue)

    async def story(w):
        tier = "pro" if venue == "kraken-spot" else None
        async with w.connect(settings=settings(order_entry=way, tier=tier)) as session:
            await until_live(w, session)
            for said, (request, kind, time) in kinds(here.btc, venue).items():
                order = await session.submit(request)
                history = next(o for o in w.orders if o.client_order_id == order.client_order_id)
                truth = w.mock.run.venues[venue].stage.engine.find(
                    "main", order_id=history.order_id
                )
                assert truth is not None, said
                asked = truth.request
                assert asked.type is kind, said
                assert time in (None, asked.time_in_force), said
                assert asked.post_only is request.post_only, said
                assert (asked.qty, asked.stop_price) == (request.qty, request.stop_price), said
                assert order.order_type is request.order_type, said
                if time is Time.GTD:
                    left_s = (asked.expires_ms - asked_at(truth)) / 1000
                    assert 695 < left_s <= 702, said
                if said in ("market", "ioc"):
                    assert order.status in ENDED, said
                    continue
                assert order.status is OrderStatus.ACCEPTED, said
                ended = await session.cancel(order.client_order_id)
                assert ended.status is OrderStatus.CANCELED, said
            assert {o.status for o in w.orders} <= {
                Truth.CANCELED,
                Truth.FILLED,
                Truth.EXPIRED,
            }
        w.judge()

    here.play(story, tmp_path)


def asked_at(order):
    return order.created_ms


@each_venue
@each_way
def test_all_at_once_or_nothing(venue, way, tmp_path):
    """Too far from the market to be filled: some venues take it and let it expire, one refuses."""
    here = ground(venue)

    async def story(w):
        async with w.connect(settings=settings(order_entry=way)) as session:
            await until_live(w, session)
            fok = outlast.limit(here.btc, "buy", "0.001", "60000", time_in_force="fok")
            if venue == "binance-um":
                with pytest.raises(outlast.OrderRejected) as caught:
                    await session.submit(fok)
                assert caught.value.failure.kind == "fok_not_filled"
            else:
                order = await session.submit(fok)
                assert order.status in (OrderStatus.EXPIRED, OrderStatus.CANCELED)
            assert session.orders.open() == []
        w.judge()

    here.play(story, tmp_path)


@each_way
def test_a_reduce_only_order_reduces_and_goes_first(way, tmp_path):
    here = ground("binance-um")

    async def story(w):
        async with w.connect(settings=settings(order_entry=way)) as session:
            await until_live(w, session)
            await session.submit(here.taking)
            rests = outlast.limit(here.btc, "sell", "0.02", "70000", reduce_only=True)
            order = await session.submit(rests)
            await w.clock.sleep(5)
            assert session.orders.get(order.client_order_id).reduce_only
            truth = next(o for o in w.orders if o.client_order_id == order.client_order_id)
            assert truth.reduces
            stop = outlast.stop(here.btc, "sell", "0.01", "65000", reduce_only=True)
            waiting = await session.submit(stop)
            assert waiting.status is OrderStatus.ACCEPTED
            assert len((await session.cancel_all()).canceled) == 2
        w.judge()

    here.play(story, tmp_path)


@each_venue
def test_what_a_venue_has_not_is_refused_here_with_its_remedy(venue, tmp_path):
    here = ground(venue)

    async def story(w):
        async with w.connect() as session:
            limits = {"symbol": here.btc, "side": "buy", "qty": "0.001", "price": "60000"}
            soon = outlast.limit(**limits, time_in_force="gtd", expires_in_s=3)
            with pytest.raises(outlast.InvalidOrder, match=r"expires|expire at a time"):
                await session.submit(soon)
            if venue != "binance-um":
                reduces = outlast.limit(**limits, reduce_only=True)
                with pytest.raises(outlast.InvalidOrder, match="drop it"):
                    await session.submit(reduces)
            assert w.orders == []

    here.play(story, tmp_path)
