"""Keys, signatures, the time window, time units, weights and the pages that are gone."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest
from mock_spot_world import DATA, World, body, request, sign

from outlast.mock.http.plans import HttpMessage
from outlast.mock.keys import Account, KeyRing
from outlast.mock.limits import Limiter
from outlast.mock.scenario.model import Limits
from outlast.mock.venues.binance_spot import weights
from outlast.mock.venues.binance_spot.ws_api import signed_text, texts_of
from outlast.mock.venues.dialect import WireAnswer

VECTORS = json.loads((DATA / "signing_vectors" / "binance.json").read_text())
REST = [v for v in VECTORS if v["venue"] == "binance-spot"]
SOCKET = [v for v in VECTORS if v["venue"] == "binance-spot-ws-api"]
SECRET = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"
KEY = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A"


class OneKey(KeyRing):
    """A ring with one published key."""

    def __init__(self, key: str, secret: str) -> None:
        super().__init__(seed=1, venue="binance-spot")
        self._by_key[key] = Account(name="published", key=key, secret=secret)


def message_of(vector: dict[str, Any]) -> HttpMessage:
    sent = vector["request"]
    path, _, query = sent["target"].partition("?")
    headers = {name.lower(): value for name, value in sent["headers"].items()}
    return request(
        sent["method"], path, query=query.encode(), body=sent["body"].encode(), headers=headers
    )


@pytest.mark.parametrize("vector", REST, ids=range(len(REST)))
def test_published_and_real_signed_requests_are_accepted(vector: dict[str, Any]) -> None:
    world = World()
    keys = OneKey(vector["key"], vector["secret"])
    call = world.dialect.route(message_of(vector))
    assert call is not None, vector["request"]["target"]
    known = world.dialect.authenticate(call, keys, int(vector["timestamp"]) + 10)
    assert isinstance(known, Account), known
    spoiled = OneKey(vector["key"], vector["secret"] + "x")
    known = world.dialect.authenticate(call, spoiled, int(vector["timestamp"]) + 10)
    assert isinstance(known, WireAnswer)
    assert known.code == "-1022"


def test_published_socket_requests_sign_the_sorted_parameters() -> None:
    # Source: Binance spot API docs, web-socket-api.md, "SIGNED request security"; the other
    # vectors are samples of order.place and session.logon.
    (vector,) = SOCKET
    params = texts_of(vector["request"]["params"])
    assert signed_text(params) == vector["payload"].encode()
    assert sign(SECRET, signed_text(params)) == params["signature"]
    wide = {
        "apiKey": KEY,
        "symbol": "１２３４５６",
        "side": "BUY",
        "type": "LIMIT",
        "timeInForce": "GTC",
        "quantity": "1.00000000",
        "price": "0.10000000",
        "recvWindow": 5000,
        "timestamp": 1645423376532,
    }
    signature = "b33892ae8e687c939f4468c6268ddd4c40ac1af18ad19a064864c47bae0752cd"
    assert sign(SECRET, signed_text(texts_of(wide))) == signature
    logon = texts_of({"apiKey": KEY, "timestamp": 1649729878532})
    signature = "1cf54395b336b0a9727ef27d5d98987962bc47aca6e13fe978612d0adee066ed"
    assert sign(SECRET, signed_text(logon)) == signature


def test_what_is_not_ascii_has_to_be_encoded_before_it_is_signed() -> None:
    world = World()
    raw = f"symbol=１２３&timestamp={world.now_ms}"
    plain = quote(raw, safe="=&")
    for signed_over, code in ((plain, "-1121"), (raw, "-1022")):
        query = f"{plain}&signature={sign(world.account.secret, signed_over.encode())}"
        answer = world.send(
            request("GET", "/api/v3/myTrades", query=query.encode(), key=world.account.key)
        )
        assert answer.code == code


def test_a_mixed_request_is_signed_without_a_separator_and_the_query_wins() -> None:
    world = World()
    query = f"symbol=BTCUSDT&timestamp={world.now_ms}"
    sent = "symbol=ETHBTC&side=BUY&type=LIMIT&timeInForce=GTC&quantity=0.01&price=50000"
    signature = sign(world.account.secret, (query + sent).encode()).upper()
    message = request(
        "POST",
        "/api/v3/order",
        query=f"{query}&signature={signature}".encode(),
        body=sent.encode(),
        key=world.account.key,
    )
    assert body(world.send(message))["symbol"] == "BTCUSDT"


@pytest.mark.parametrize(
    ("key", "status", "code"),
    [("", 401, "-2014"), ("short", 401, "-2014"), ("A" * 64, 401, "-2015")],
)
def test_unknown_keys_are_refused(key: str, status: int, code: str) -> None:
    world = World()
    answer = world.send(request("GET", "/api/v3/account", query=b"timestamp=1", key=key))
    assert (answer.status, answer.code) == (status, code)


@pytest.mark.parametrize(
    ("offset_ms", "window", "words"),
    [
        (-5001, None, "Timestamp for this request is outside of the recvWindow."),
        (1000, None, "Timestamp for this request was 1000ms ahead of the server's time."),
        (-3, "2.999", "Timestamp for this request is outside of the recvWindow."),
    ],
)
def test_the_time_window_is_kept(offset_ms: int, window: str | None, words: str) -> None:
    world = World()
    status, code, msg = world.refused(
        "GET", "/api/v3/account", timestamp=world.now_ms + offset_ms, recvWindow=window
    )
    assert (status, code, msg) == (400, -1021, words)


def test_windows_have_three_decimals_and_timestamps_may_be_in_microseconds() -> None:
    world = World()
    for params in (
        {"timestamp": world.now_ms - 3, "recvWindow": "3.001"},
        {"timestamp": (world.now_ms - 3) * 1000, "recvWindow": "3"},
        {"timestamp": world.now_ms + 999},
    ):
        world.ask("GET", "/api/v3/account", **params)
    assert world.refused("GET", "/api/v3/account", recvWindow="60001")[1] == -1131
    assert world.refused("GET", "/api/v3/account", recvWindow="1.2345")[1] == -1100


def test_an_order_that_waited_too_long_is_refused_right_before_the_engine() -> None:
    world = World()
    call = world.routed(world.message("POST", "/api/v3/order", recvWindow=2000, **world.order()))
    assert isinstance(world.dialect.authenticate(call, world.keys, world.now_ms), Account)
    assert world.dialect.expired(call, world.now_ms + 2000) is None
    late = world.dialect.expired(call, world.now_ms + 2001)
    assert late is not None
    assert (late.status, late.code) == (400, "-1021")


def test_times_come_in_microseconds_when_asked_for() -> None:
    world = World()
    micro = {"x-mbx-time-unit": "MICROSECOND"}
    answer = world.send(request("GET", "/api/v3/time", headers=micro))
    assert body(answer) == {"serverTime": world.now_ms * 1000}
    placed = world.place()
    message = world.message(
        "GET", "/api/v3/order", symbol="BTCUSDT", orderId=placed["orderId"], headers=micro
    )
    assert body(world.send(message))["time"] == placed["transactTime"] * 1000
    candles = world.send(
        request("GET", "/api/v3/klines", query=b"symbol=BTCUSDT&interval=1m", headers=micro)
    )
    assert all(bar[0] % 60_000_000 == 0 and bar[6] > bar[0] > 10**15 for bar in body(candles))
    bad = world.send(request("GET", "/api/v3/time", headers={"x-mbx-time-unit": "HOUR"}))
    assert bad.code == "-1194"


def test_the_listen_key_endpoints_are_gone() -> None:
    world = World()
    for method in ("POST", "PUT", "DELETE"):
        answer = world.send(request(method, "/api/v3/userDataStream"))
        assert answer.status == 410
        assert b"<h1>410 Gone</h1>" in answer.body


def test_an_unknown_path_is_a_page_too() -> None:
    world = World()
    message = request("GET", "/api/v3/nothing")
    assert world.dialect.route(message) is None
    answer = world.dialect.not_found(message)
    assert (answer.status, answer.headers[0][1]) == (404, "text/html")


# -- weights ----------------------------------------------------------------------------------

WEIGHTS = [
    ("GET", "/api/v3/ping", b"", 1),
    ("GET", "/api/v3/exchangeInfo", b"", 20),
    ("GET", "/api/v3/depth", b"limit=100", 5),
    ("GET", "/api/v3/depth", b"limit=500", 25),
    ("GET", "/api/v3/depth", b"limit=1000", 50),
    ("GET", "/api/v3/depth", b"limit=5000", 250),
    ("GET", "/api/v3/ticker/24hr", b"symbol=BTCUSDT", 2),
    ("GET", "/api/v3/ticker/24hr", b"", 80),
    ("GET", "/api/v3/ticker/price", b"", 4),
    ("GET", "/api/v3/openOrders", b"symbol=BTCUSDT", 6),
    ("GET", "/api/v3/openOrders", b"", 80),
    ("GET", "/api/v3/myTrades", b"orderId=1", 5),
    ("GET", "/api/v3/myTrades", b"", 20),
    ("GET", "/api/v3/account", b"", 20),
    ("GET", "/api/v3/rateLimit/order", b"", 40),
    ("POST", "/api/v3/order", b"", 1),
    ("POST", "/api/v3/order/test", b"computeCommissionRates=true", 20),
]


@pytest.mark.parametrize(("method", "path", "query", "weight"), WEIGHTS)
def test_weights_are_the_documented_ones(method: str, path: str, query: bytes, weight: int) -> None:
    dialect = World().dialect
    assert dialect.charge(dialect.route(request(method, path, query=query))).weight == weight


def test_a_first_fill_gives_the_order_count_back_and_never_below_zero() -> None:
    limiter, limits = Limiter(weights.WINDOWS), Limits()
    charge = World().dialect.charge(World().routed(request("POST", "/api/v3/order")))
    for _ in range(6):
        assert limiter.admit("ip", "me", charge, limits, 0) is None
        limiter.count("ip", "me", charge, 0)
    limiter.first_fill("me", is_maker=False, now_ms=0)
    assert limiter.usage("ip", "me", 0).orders == {"10S": 5, "1D": 5}
    limiter.first_fill("me", is_maker=True, now_ms=0)
    limiter.first_fill("me", is_maker=True, now_ms=0)
    assert limiter.usage("ip", "me", 0).orders == {"10S": 0, "1D": 0}


def test_orders_and_cancels_that_succeed_weigh_nothing() -> None:
    world = World()
    placed = world.send(world.message("POST", "/api/v3/order", **world.order()))
    assert placed.weightless
    refused = world.send(world.message("POST", "/api/v3/order", **world.order(price="1")))
    assert not refused.weightless
    order_id = body(placed)["orderId"]
    which = {"symbol": "BTCUSDT", "orderId": order_id}
    assert world.send(world.message("DELETE", "/api/v3/order", **which)).weightless
    assert not world.send(world.message("DELETE", "/api/v3/order", **which)).weightless
    assert not world.send(world.message("GET", "/api/v3/order", **which)).weightless
