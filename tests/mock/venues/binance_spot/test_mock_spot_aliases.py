"""The scenario language's replies on spot, limits in the pipeline, and other clients' dates."""

from __future__ import annotations

import asyncio
import json

import pytest
from mock_spot_sockets import CALM, Sockets, play
from mock_spot_world import DATA, World, body, sign

from outlast.mock.exchange import MockExchange
from outlast.mock.http.plans import HttpMessage
from outlast.mock.records import Told
from outlast.mock.scenario.model import Reply

UNKNOWN = "Unknown error, please check your request or try again later."
ALIASES = [
    ("overload", 503, -1008, "Server is currently overloaded", Told.AMBIGUOUS),
    ("unavailable", 503, 0, "Service Unavailable.", Told.AMBIGUOUS),
    ("unknown", 503, None, UNKNOWN, Told.AMBIGUOUS),
    ("backend_timeout", 504, -1007, "Timeout waiting for response", Told.AMBIGUOUS),
    ("internal", 500, -1001, "Internal error; unable to process", Told.AMBIGUOUS),
    ("closing", 503, -1016, "This service is no longer available.", Told.REFUSED),
    ("order_rejected", 400, -2010, "NEW_ORDER_REJECTED", Told.REFUSED),
    ("no_such_order", 400, -2013, "Order does not exist.", Told.REFUSED),
    (
        "rate_limited",
        429,
        -1003,
        "Too much request weight used; current limit is 6000",
        Told.REFUSED,
    ),
    ("banned", 418, -1003, "Way too much request weight used; IP banned until", Told.REFUSED),
    ("clock_skew", 400, -1021, "Timestamp for this request is outside", Told.REFUSED),
]


@pytest.mark.parametrize(("kind", "status", "code", "words", "told"), ALIASES)
def test_an_alias_has_the_venues_shape(
    kind: str, status: int, code: int | None, words: str, told: Told
) -> None:
    world = World()
    call = world.routed(world.message("POST", "/api/v3/order", **world.order()))
    answer = world.dialect.render(Reply(kind=kind), call, world.now_ms)
    given = body(answer)
    assert (answer.status, given.get("code"), answer.told) == (status, code, told)
    assert given["msg"].startswith(words)
    waits = dict(answer.headers).get("Retry-After")
    assert (waits is not None) == (status in (418, 429))


def test_what_cancels_ask_for_is_unknown_in_their_own_words() -> None:
    world = World()
    message = world.message("DELETE", "/api/v3/order", symbol="BTCUSDT", origClientOrderId="me")
    answer = world.dialect.render(Reply(kind="no_such_order"), world.routed(message), world.now_ms)
    assert (answer.code, answer.told_absent) == ("-2011", ("me",))


def test_the_words_are_those_that_were_seen_in_the_field() -> None:
    quoted = json.loads((DATA / "error_bodies" / "binance.json").read_text())
    seen = [row["body"] for row in quoted if "-1007" in str(row.get("body"))]
    assert seen
    world = World()
    call = world.routed(world.message("POST", "/api/v3/order", **world.order()))
    answer = world.dialect.render(Reply(kind="backend_timeout"), call, world.now_ms)
    assert json.loads(seen[0]) == body(answer)


# -- in the pipeline --------------------------------------------------------------------------

ORDER = {
    "symbol": "BTCUSDT",
    "side": "BUY",
    "type": "LIMIT",
    "timeInForce": "GTC",
    "quantity": "0.001",
    "price": "40000",
}


def test_the_order_limit_counts_unfilled_orders_only() -> None:
    async def story(world: Sockets) -> None:
        for _ in range(100):
            assert "orderId" in await world.rest("POST", "/api/v3/order", **ORDER)
        refused = await world.rest("POST", "/api/v3/order", **ORDER)
        assert refused == {
            "code": -1015,
            "msg": "Too many new orders; current limit is 100 orders per 10 SECOND.",
        }
        await asyncio.sleep(10)
        market = {n: v for n, v in ORDER.items() if n not in ("timeInForce", "price")}
        for _ in range(120):  # each is filled at once and gives its place back
            answer = await world.rest("POST", "/api/v3/order", **market | {"type": "MARKET"})
            assert answer["status"] == "FILLED"
        limits = await world.rest("GET", "/api/v3/rateLimit/order")
        assert [row["count"] for row in limits] == [0, 100]

    play(story)


def test_headers_tell_the_weight_and_the_order_counts() -> None:
    async def story(world: Sockets) -> None:
        async def headers(method: str, path: str, query: str) -> dict[str, str]:
            query += f"&timestamp={world.now_ms}"
            query += f"&signature={sign(world.account.secret, query.encode())}"
            message = HttpMessage(
                method=method,
                target=path,
                path=path,
                query=query.encode(),
                headers={"x-mbx-apikey": (world.account.key,)},
            )
            plan = await world.venue(message)
            return dict(plan.answer.headers)

        order = "&".join(f"{name}={value}" for name, value in ORDER.items())
        placed = await headers("POST", "/api/v3/order", order)
        assert (placed["X-MBX-USED-WEIGHT-1M"], placed["X-MBX-ORDER-COUNT-10S"]) == ("0", "1")
        refused = await headers("POST", "/api/v3/order", order.replace("40000", "1"))
        assert refused["X-MBX-USED-WEIGHT-1M"] == "1"
        assert "X-MBX-ORDER-COUNT-10S" not in refused
        read = await headers("GET", "/api/v3/account", "omitZeroBalances=true")
        assert read["X-MBX-USED-WEIGHT"] == read["X-MBX-USED-WEIGHT-1M"] == "21"

    play(story)


def test_a_lie_about_balances_is_told_by_every_endpoint() -> None:
    phase = "  - {name: blank, for: rest, account: {balances: %s}}"

    def lied(how: str, check: object) -> None:
        async def story(world: Sockets) -> None:
            account = await world.rest("GET", "/api/v3/account")
            assert callable(check)
            assert check(account["balances"])

        play(story, CALM.replace("  - {name: calm, for: rest}", phase % how))

    lied("empty", lambda rows: rows == [])
    lied("zero", lambda rows: rows and all(float(row["free"]) == 0 for row in rows))


def test_the_exchange_serves_spot_and_prints_both_kinds_of_key() -> None:
    exchange = MockExchange(venues=["binance-spot"])
    account = exchange.run.default_account("binance-spot")
    shown = account.credentials()
    assert set(shown) == {"key", "secret", "ed25519"}
    assert shown["ed25519"]["private_key"].startswith("-----BEGIN PRIVATE KEY-----")
