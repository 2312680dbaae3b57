"""Whatever a client sends, the venue answers in its own shape and never breaks."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from urllib.parse import urlencode

from hypothesis import example, given, settings
from hypothesis import strategies as st
from mock_kraken_world import SocketWorld, World, body, play, request

from outlast.mock.scenario.model import Limits
from outlast.mock.scenario.vocabulary import REQUEST_ENDPOINTS
from outlast.mock.venues.dialect import WireAnswer
from outlast.mock.venues.kraken_spot.routes import ROUTES
from outlast.mock.venues.kraken_spot.stream_requests import METHODS

_WORLD: list[World] = []

NAMES = st.sampled_from(
    [
        *("pair", "type", "ordertype", "volume", "price", "price2", "oflags", "timeinforce"),
        *("cl_ord_id", "userref", "txid", "starttm", "expiretm", "deadline", "validate"),
        *("displayvol", "leverage", "reduce_only", "stptype", "trigger", "close[ordertype]"),
        *("order_qty", "limit_price", "trigger_price", "orders", "cl_ord_ids", "timeout"),
        *("trades", "start", "end", "ofs", "closetime", "without_count", "asset", "id", "count"),
        *("interval", "since", "info", "aclass", "aclass_base"),
    ]
)
VALUES = st.one_of(
    st.sampled_from(
        [
            *("XBTUSD", "BTC/USD", "ETHUSD", "buy", "sell", "limit", "market", "stop-loss"),
            *("take-profit-limit", "trailing-stop", "iceberg", "GTC", "IOC", "FOK", "GTD"),
            *("0.01", "1", "55000.0", "60000", "+1%", "-5", "#3", "post", "fcib", "viqc", "true"),
            *("0", "+30", "", "[", "[1]", "[{}]", '[{"type":"buy"},{}]', "7", "all", "ZUSD"),
            *("2026-09-21T12:00:00Z", "OAAAAA-BBBBB-CCCCCC", "-1", "1e9", "9" * 25),
        ]
    ),
    st.text(max_size=12),
)


def world() -> World:
    if not _WORLD:
        _WORLD.append(World())
        _WORLD[0].view.limits = Limits(enforce=False)
        _WORLD[0].place(cl_ord_id="abc")
        _WORLD[0].place(ordertype="market", price=None)
    return _WORLD[0]


@given(route=st.sampled_from(ROUTES), params=st.dictionaries(NAMES, VALUES, max_size=9))
@settings(max_examples=500, deadline=None)
def test_any_parameters_give_an_answer_or_an_error_of_the_venues_kind(route, params):
    venue = world()
    sent = {"pair": "XBTUSD", **params}
    if route.private:
        answer = venue.answer(route.name, **sent)
    else:
        message = request("GET", route.path, query=urlencode(sent).encode())
        answer = venue.perform(venue.routed(message), None)
    given_ = body(answer)
    assert answer.status == 200
    if answer.code is None:
        assert given_["error"] == []
        assert "result" in given_
    else:
        assert given_ == {"error": [answer.code]}
        assert answer.code.split(":")[0].startswith("E")
        assert not answer.order_ids


@given(
    query=st.binary(max_size=60),
    sent=st.binary(max_size=80),
    kind=st.sampled_from(["application/json", "application/x-www-form-urlencoded", "text/x", ""]),
    signature=st.text(max_size=20),
    route=st.sampled_from([r for r in ROUTES if r.private]),
)
@settings(max_examples=200, deadline=None)
def test_garbage_with_a_good_key_is_refused(query, sent, kind, signature, route):
    venue = world()
    headers = {"api-key": venue.account.key, "api-sign": signature, "content-type": kind}
    message = replace(request("POST", route.path, body=sent, **headers), query=query)
    call = venue.dialect.route(message)
    assert call is not None
    answer = venue.dialect.authenticate(call, venue.keys, venue.now_ms)
    assert isinstance(answer, WireAnswer)
    assert answer.code in ("EAPI:Invalid signature", "EGeneral:Temporary lockout")
    venue.dialect._gate._keys.clear()


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.text(max_size=8),
    st.sampled_from(["BTC/USD", "limit", "buy", "TOKEN", "gtc", "book", "executions", "ohlc"]),
)
ANY_JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner)
)
FIELDS = st.sampled_from(
    [
        *("channel", "symbol", "depth", "interval", "snapshot", "event_trigger", "token"),
        *("order_type", "side", "order_qty", "limit_price", "triggers", "cl_ord_id", "orders"),
        *("order_id", "order_userref", "timeout", "time_in_force", "deadline", "display_qty"),
        *("cash_order_qty", "stp_type", "fee_preference", "conditional", "what"),
    ]
)
FRAMES = st.one_of(
    st.text(max_size=30),
    st.builds(
        lambda method, params, req_id: json.dumps(
            {"method": method, "params": params, "req_id": req_id}
        ),
        st.sampled_from([*METHODS, "subscribe", "unsubscribe", "ping", "x"]),
        st.dictionaries(FIELDS, ANY_JSON, max_size=6) | ANY_JSON,
        SCALARS,
    ),
)


@given(frames=st.lists(FRAMES, min_size=1, max_size=15))
@example(frames=['{"method": "subscribe", "params": {"channel": []}, "req_id": null}'])
@settings(max_examples=60, deadline=None)
def test_any_frame_is_answered_and_the_socket_lives(frames):
    async def story(venue: SocketWorld) -> None:
        client = await venue.dial()
        token = await venue.token()
        for frame in frames:
            client.take()
            await client.say_raw(frame.replace('"TOKEN"', json.dumps(token)))
            answers = [f for f in client.take() if "method" in f]
            assert answers, frame
            for answer in answers:
                assert answer.get("success") is not False or isinstance(answer["error"], str)
        await asyncio.sleep(1)
        assert not client.closed
        assert (await client.answer("ping"))["method"] == "pong"

    play(story)


def test_every_route_has_an_endpoint_class_of_the_language_and_a_handler():
    venue = world()
    for route in ROUTES:
        assert route.endpoint in REQUEST_ENDPOINTS, route
    assert {route.name for route in ROUTES} == set(venue.dialect._handlers)
