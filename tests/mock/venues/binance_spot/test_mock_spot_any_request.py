"""Whatever a client sends, the venue answers in its own shape and never breaks."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
from mock_spot_world import T0_MS, World, body, request

from outlast.mock.scenario.vocabulary import REQUEST_ENDPOINTS
from outlast.mock.venues.binance_spot.routes import ROUTES, Route, Security
from outlast.mock.venues.binance_spot.ws_api import METHODS
from outlast.mock.venues.dialect import WireAnswer

_WORLD: list[World] = []

NAMES = st.sampled_from(
    [
        *("symbol", "symbols", "side", "type", "timeInForce", "quantity", "quoteOrderQty", "price"),
        *("stopPrice", "trailingDelta", "icebergQty", "newClientOrderId", "newOrderRespType"),
        *("orderId", "origClientOrderId", "cancelOrderId", "cancelOrigClientOrderId", "newQty"),
        *("cancelReplaceMode", "cancelRestrictions", "strategyId", "strategyType"),
        *("selfTradePreventionMode", "limit", "interval", "startTime", "endTime", "fromId"),
        *("windowSize", "timeZone", "permissions", "symbolStatus", "recvWindow", "asset"),
        *("omitZeroBalances", "computeCommissionRates", "pegPriceType"),
    ]
)
VALUES = st.one_of(
    st.sampled_from(
        [
            *("BTCUSDT", "ETHBTC", '["BTCUSDT","ETHBTC"]', '["BTCUSDT","BTCUSDT"]', "[]", "["),
            *("BUY", "SELL", "LIMIT", "MARKET", "LIMIT_MAKER", "STOP_LOSS", "STOP_LOSS_LIMIT"),
            *("TAKE_PROFIT", "TAKE_PROFIT_LIMIT", "GTC", "IOC", "FOK", "FULL", "ACK", "MINI"),
            *("0.01", "1", "100", "50000.00", "60000", "70000.1", "0.05", "1m", "1s", "1M", "1w"),
            *("STOP_ON_FAILURE", "ALLOW_FAILURE", "ONLY_NEW", "NONE", "EXPIRE_BOTH", "TRADING"),
            *("SPOT", "true", "False", "7d", "23h", "-1:30", "08", "a1", "", "-1", "0", "1e3"),
            *(str(T0_MS), str(T0_MS + 60_000), "9" * 19, "9" * 30),
        ]
    ),
    st.text(max_size=12),
)


def world() -> World:
    if not _WORLD:
        _WORLD.append(World())
        _WORLD[0].place(newClientOrderId="a1")
    return _WORLD[0]


@given(
    route=st.sampled_from([r for r in ROUTES if r.name != "gone"]),
    params=st.dictionaries(NAMES, VALUES, max_size=9),
)
@settings(max_examples=500, deadline=None)
def test_any_parameters_give_an_answer_or_a_documented_refusal(
    route: Route, params: dict[str, str]
) -> None:
    venue = world()
    sent = {"symbol": "BTCUSDT", "timestamp": str(venue.now_ms)} | params
    answer = venue.send(venue.message(route.method, route.path, **sent))
    told = body(answer)
    if answer.status == 200:
        assert answer.code is None
    else:
        assert set(told) in ({"code", "msg"}, {"code", "msg", "data"})
        assert answer.code == str(told["code"])


@given(
    query=st.binary(max_size=60),
    sent=st.binary(max_size=60),
    route=st.sampled_from([r for r in ROUTES if r.security is Security.SIGNED]),
)
@settings(max_examples=150, deadline=None)
def test_garbage_with_a_good_key_is_refused_and_never_an_error_of_ours(
    query: bytes, sent: bytes, route: Route
) -> None:
    venue = world()
    message = request(route.method, route.path, body=sent, key=venue.account.key)
    call = venue.dialect.route(replace(message, query=query))
    assert call is not None
    answer = venue.dialect.authenticate(call, venue.keys, venue.now_ms)
    assert isinstance(answer, WireAnswer)
    assert answer.status in (400, 401)


def test_every_route_has_an_endpoint_class_of_the_language_and_a_handler() -> None:
    handlers = world().dialect.handlers
    for route in (*ROUTES, *METHODS.values()):
        assert route.endpoint in REQUEST_ENDPOINTS, route
    assert {route.name for route in ROUTES} - set(handlers) == {"gone"}
    assert len({(route.method, route.path) for route in ROUTES}) == len(ROUTES)
