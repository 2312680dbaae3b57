"""Whatever a client sends, the venue answers in its own shape and never breaks."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from mock_um_world import T0_MS, World, body, request

from outlast.mock.scenario.vocabulary import REQUEST_ENDPOINTS
from outlast.mock.venues.binance_um.routes import ROUTES, Security
from outlast.mock.venues.dialect import WireAnswer

_WORLD: list[World] = []

NAMES = st.sampled_from(
    [
        *("symbol", "side", "type", "timeInForce", "quantity", "price", "priceMatch"),
        *("reduceOnly", "closePosition", "newClientOrderId", "newOrderRespType", "goodTillDate"),
        *("orderId", "origClientOrderId", "orderIdList", "origClientOrderIdList", "batchOrders"),
        *("algoType", "triggerPrice", "algoId", "clientAlgoId", "callbackRate", "activatePrice"),
        *("limit", "interval", "startTime", "endTime", "fromId", "incomeType", "recvWindow"),
        *("leverage", "marginType", "dualSidePosition", "countdownTime", "positionSide"),
    ]
)
VALUES = st.one_of(
    st.sampled_from(
        [
            *("BTCUSDT", "DOGEUSDT", "BUY", "SELL", "LIMIT", "MARKET", "STOP", "STOP_MARKET"),
            *("GTC", "IOC", "FOK", "GTX", "GTD", "QUEUE", "OPPONENT_20", "true", "False"),
            *("0.010", "1", "5", "55000.00", "61000.1", "0.24", "60000", "1000", "1m", "1M"),
            *("CONDITIONAL", "TRAILING_STOP_MARKET", "RESULT", "ACK", "BOTH", "[1,2]", '["a"]'),
            *("1790000700000", str(T0_MS), "0", "", "-1", "[", "[{}]", "FUNDING_FEE", "CROSSED"),
        ]
    ),
    st.text(max_size=12),
)


def world() -> World:
    if not _WORLD:
        _WORLD.append(World(positions={"BTCUSDT": ("0.5", "59000")}))
        _WORLD[0].ask("POST", "/fapi/v1/listenKey")
    return _WORLD[0]


@given(route=st.sampled_from(ROUTES), params=st.dictionaries(NAMES, VALUES, max_size=9))
@settings(max_examples=400, deadline=None)
def test_any_parameters_give_an_answer_or_a_documented_refusal(
    route: object, params: dict[str, str]
) -> None:
    assert hasattr(route, "method")
    venue = world()
    sent = {"symbol": "BTCUSDT", "timestamp": str(venue.now_ms)} | params
    answer = venue.send(venue.message(route.method, route.path, **sent))
    given_ = body(answer)
    if answer.status == 200:
        assert answer.code is None
    else:
        assert set(given_) == {"code", "msg"}
        assert answer.code == str(given_["code"])
        assert not answer.order_ids


@given(
    query=st.binary(max_size=60),
    sent=st.binary(max_size=60),
    route=st.sampled_from([r for r in ROUTES if r.security is Security.SIGNED]),
)
@settings(max_examples=150, deadline=None)
def test_garbage_with_a_good_key_is_refused_and_never_an_error_of_ours(
    query: bytes, sent: bytes, route: object
) -> None:
    venue = world()
    assert hasattr(route, "method")
    message = request(route.method, route.path, body=sent, key=venue.account.key)
    from dataclasses import replace

    call = venue.dialect.route(replace(message, query=query))
    assert call is not None
    answer = venue.dialect.authenticate(call, venue.keys, venue.now_ms)
    assert isinstance(answer, WireAnswer)
    assert answer.status in (400, 401)


def test_every_route_has_an_endpoint_class_of_the_language_and_a_handler() -> None:
    venue = world()
    for route in ROUTES:
        assert route.endpoint in REQUEST_ENDPOINTS, route
        assert route.name in venue.dialect._handlers, route
    assert len({(route.method, route.path) for route in ROUTES}) == len(ROUTES)
    assert {route.name for route in ROUTES} == set(venue.dialect._handlers)
