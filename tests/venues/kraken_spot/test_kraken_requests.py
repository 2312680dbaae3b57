"""What is sent: every shape of order, and every question."""

from __future__ import annotations

from decimal import Decimal

import pytest
from kraken_samples import (
    BTC,
    CANCEL,
    CANCEL_ALL,
    EXECUTIONS,
    ID,
    NOW_MS,
    PLACE,
    QUERY,
    QUERY_CLOSED,
    QUERY_TXID,
    READS,
    TXID,
    WRITES,
)

from outlast import model
from outlast.errors import ConfigurationError, InvalidOrder, Scope
from outlast.venues import kraken_spot as kraken
from outlast.venues.kraken_spot.limits import TIERS
from outlast.wire import Auth, Cost, Lane


def placed(request: model.OrderRequest, **changes: str) -> dict[str, str]:
    return dict(kraken.place_order(request, BTC, ID, now_ms=NOW_MS).params) | changes


def test_a_limit_order_in_full():
    assert PLACE.path == "/0/private/AddOrder"
    assert dict(PLACE.params) == {
        "pair": "XBTUSD",
        "type": "buy",
        "ordertype": "limit",
        "volume": "1.25",
        "price": "27500",
        "timeinforce": "GTC",
        "oflags": "fciq",
        "cl_ord_id": ID,
    }
    assert (PLACE.lane, PLACE.safe_to_repeat, PLACE.is_write) == (Lane.TRADE, False, True)


def test_conditional_orders_move_their_limit_to_the_second_price():
    stop = placed(model.stop("BTC/USD", "sell", "1", "20000"))
    assert (stop["ordertype"], stop["price"]) == ("stop-loss", "20000")
    assert "price2" not in stop
    limited = placed(model.stop("BTC/USD", "sell", "1", "20000", price="19900"))
    assert (limited["ordertype"], limited["price"], limited["price2"]) == (
        "stop-loss-limit",
        "20000",
        "19900",
    )
    for order_type, name in (
        (model.OrderType.TAKE_PROFIT_MARKET, "take-profit"),
        (model.OrderType.TAKE_PROFIT_LIMIT, "take-profit-limit"),
    ):
        order = model.OrderRequest(
            symbol="BTC/USD",
            side=model.Side.SELL,
            order_type=order_type,
            qty=Decimal(1),
            price=Decimal(40_100) if "limit" in name else None,
            stop_price=Decimal(40_000),
        )
        assert placed(order)["ordertype"] == name


def test_market_orders_have_no_time_in_force():
    fields = placed(model.market("BTC/USD", "sell", "0.5"))
    assert fields["ordertype"] == "market"
    assert not {"timeinforce", "price"} & set(fields)


def test_post_only_is_a_flag_and_expiry_an_instant_of_the_venues_clock():
    assert placed(model.limit("BTC/USD", "buy", 1, 1, post_only=True))["oflags"] == "fciq,post"
    fields = placed(model.limit("BTC/USD", "buy", 1, 1, time_in_force="gtd", expires_in_s=60.0))
    assert (fields["timeinforce"], fields["expiretm"]) == ("GTD", "1700000061")
    for tif in ("ioc", "fok"):
        assert (
            placed(model.limit("BTC/USD", "buy", 1, 1, time_in_force=tif))["timeinforce"]
            == tif.upper()
        )


def test_money_is_written_plainly_and_exactly():
    fields = placed(model.limit("BTC/USD", "buy", "1E-8", "1E+5"))
    assert (fields["volume"], fields["price"]) == ("0.00000001", "100000")
    assert placed(model.limit("BTC/USD", "buy", "1.2500", "0.10"))["volume"] == "1.25"


def order(**changes: object) -> model.OrderRequest:
    fields: dict[str, object] = {
        "symbol": "BTC/USD",
        "side": model.Side.BUY,
        "order_type": model.OrderType.LIMIT,
        "qty": Decimal(1),
        "price": Decimal(1),
    }
    return model.OrderRequest(**(fields | changes))  # type: ignore[arg-type]


CONDITIONAL = {"order_type": model.OrderType.STOP_LIMIT, "stop_price": Decimal(1)}
IMPOSSIBLE = [
    ({"reduce_only": True}, "reduce_only", "kraken-spot has none"),
    ({"price": None}, "price", "need a price"),
    ({"order_type": model.OrderType.STOP_MARKET}, "stop_price", "need a stop_price"),
    ({"order_type": model.OrderType.MARKET, "post_only": True}, "post_only", "only limit"),
    ({**CONDITIONAL, "post_only": True}, "post_only", "only limit"),
    ({**CONDITIONAL, "time_in_force": model.TimeInForce.IOC}, "time_in_force", "gtc or gtd"),
    ({"time_in_force": model.TimeInForce.IOC, "post_only": True}, "post_only", "contradicts"),
    ({"time_in_force": model.TimeInForce.GTD}, "expires_in_s", "5 s or more"),
    (
        {"time_in_force": model.TimeInForce.GTD, "expires_in_s": 4.9},
        "expires_in_s",
        "5 s or more",
    ),
    ({"qty": Decimal(0)}, "qty", "above 0"),
    ({"qty": Decimal("NaN")}, "qty", "above 0"),
    ({"qty": Decimal("1E+40")}, "qty", "no instrument"),
]


@pytest.mark.parametrize(("changes", "field", "said"), IMPOSSIBLE)
def test_an_order_that_the_venue_does_not_have_is_named_before_anything_is_sent(
    changes, field, said
):
    with pytest.raises(InvalidOrder, match=said) as caught:
        kraken.place_order(order(**changes), BTC, ID, now_ms=NOW_MS)
    assert caught.value.field == field
    assert caught.value.venue == "kraken-spot"


@pytest.mark.parametrize("name", [ID, "mybot17", "a", "a" * 18])
def test_ids_that_come_back_as_they_were_sent_are_taken(name):
    wire = kraken.place_order(order(), BTC, name, now_ms=NOW_MS)
    assert wire.client_order_id == dict(wire.params)["cl_ord_id"] == name


@pytest.mark.parametrize(
    "name", ["", "a" * 19, ID.upper(), ID.replace("-", ""), "my bot", "ol7-1", TXID, "ä"]
)
def test_ids_that_could_come_back_otherwise_are_not(name):
    with pytest.raises(InvalidOrder, match="UUID in small letters"):
        kraken.place_order(order(), BTC, name, now_ms=NOW_MS)


def test_cancels_name_one_order_and_go_first():
    assert CANCEL.params == (("cl_ord_id", ID),)
    assert kraken.cancel_order(BTC, TXID).params == (("txid", TXID),)
    assert (CANCEL.lane, CANCEL.safe_to_repeat) == (Lane.SAFETY, True)
    assert (CANCEL_ALL.path, CANCEL_ALL.symbol) == ("/0/private/CancelAll", None)


def test_an_order_is_asked_for_by_either_id():
    assert (QUERY.path, QUERY.params) == ("/0/private/OpenOrders", (("cl_ord_id", ID),))
    assert (QUERY_TXID.path, QUERY_TXID.params) == ("/0/private/QueryOrders", (("txid", TXID),))
    assert kraken.query_order(BTC, TXID).path == "/0/private/QueryOrders"
    assert QUERY_CLOSED is not None
    assert QUERY_CLOSED.path == "/0/private/ClosedOrders"
    assert dict(QUERY_CLOSED.params)["start"] == "1699999999"
    assert kraken.query_closed_order(BTC, TXID, since_ms=NOW_MS) is None


def test_history_begins_before_the_instant_that_it_excludes():
    assert dict(EXECUTIONS.params) == {"start": "1699999999"}
    assert kraken.query_executions(BTC, since_ms=None).params == ()


@pytest.mark.parametrize(("asked", "sent"), [(0, "1"), (5, "5"), (500, "500"), (9999, "500")])
def test_a_book_is_as_deep_as_the_venue_gives_it(asked, sent):
    assert dict(kraken.query_book(BTC, depth=asked).params)["count"] == sent


def test_every_private_call_is_a_signed_post_and_every_public_one_a_plain_get():
    for request in (*WRITES, *READS):
        private = "/private/" in request.path
        assert request.method == ("POST" if private else "GET")
        assert request.auth is (Auth.SIGNED if private else Auth.NONE)


def test_every_call_costs_something_of_a_counter_that_exists():
    names = {counter.name for counter in kraken.limits()}
    for request in (*WRITES, *READS):
        assert request.costs
        assert {cost.counter for cost in request.costs} <= names
    assert PLACE.costs == (Cost("trading", 1),)
    assert CANCEL.costs == (Cost("trading", 0),)
    assert EXECUTIONS.costs == (Cost("rest", 4),)
    assert QUERY_CLOSED is not None
    assert QUERY_CLOSED.costs == (Cost("rest", 4),)
    assert QUERY.costs == (Cost("rest", 1),)


@pytest.mark.parametrize("tier", [None, *TIERS])
def test_limits_follow_the_tier(tier):
    counters = {c.name: c for c in kraken.limits(tier)}
    expected = TIERS[tier or "starter"]
    rest, trading = counters["rest"], counters["trading"]
    assert (rest.limit, rest.decay_per_s) == (expected.calls_max, expected.calls_decay_per_s)
    assert (trading.limit, trading.decay_per_s) == (
        expected.points_max,
        expected.points_decay_per_s,
    )
    assert (trading.per_symbol, rest.per_symbol) == (True, False)
    assert counters["public"].scope is Scope.IP


def test_a_tier_that_does_not_exist_is_named_with_those_that_do():
    with pytest.raises(ConfigurationError, match=r"gold.*starter, intermediate, pro"):
        kraken.limits("gold")


def test_no_answer_tells_limits_or_usage():
    assert kraken.read_usage({"x-whatever": "1"}) == {}
