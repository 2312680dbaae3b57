"""ccxt's own static vectors through the guard: the same requests leave, the same results come back.

Where the bot gives an order no id of its own, the guard gives it one; a new order on Kraken gets a
deadline as well. Nothing else may differ.
"""

from __future__ import annotations

import json
from urllib.parse import parse_qsl, urlsplit

import pytest
from ccxt_vectors import EXCHANGES, ROOMS, play, vectors

IDS = {"newClientOrderId", "cl_ord_id", "clientAlgoId", "newClientStrategyId"}
OURS = IDS | {"deadline"}
VOLATILE = {"nonce", "signature", "timestamp", "recvWindow"}
_LISTS = (
    "cancelOrders",
    "fetchClosedOrders",
    "fetchDeposits",
    "fetchOrderTrades",
    "fetchPositions",
)
_DONE = {
    "txid": ["OL7LNO-R4SAD-6UINEU"],
    "descr": {"order": ""},
    "count": 1,
    "trades": {},
    "open": {},
    "closed": {},
    "ledger": {},
    "unixtime": 1,
    "currentTime": "2023-03-24T17:41:56Z",
    "triggerTime": "2023-03-24T17:42:56Z",
}
_RESULTS = {
    "fetchPositions": [],
    "fetchDeposits": [],
    "fetchBalance": {},
    "fetchTrades": {"XBTUSDT": [], "last": "1"},
    "fetchOHLCV": {"XBTUSDT": [], "last": 1},
    "fetchOrderBook": {"XBTUSDT": {"bids": [], "asks": []}},
    "fetchTicker": {"XBTUSDT": {"a": ["1"], "b": ["1"], "c": ["1"], "v": ["1", "1"]}},
    "fetchTickers": {},
}
EVERY = [(room, name) for room in ROOMS for name in EXCHANGES]


def params(url: str, body: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(url).query) + parse_qsl(body))


def answer_to(exchange_id: str, vector) -> object:
    """A plain success, so that a call is over with its one request."""
    method = vector["method"]
    if exchange_id == "kraken":
        return {"error": [], "result": _RESULTS.get(method, _DONE)}
    if method in _LISTS:
        return []
    return {"orderId": 1, "algoId": 1, "symbol": "LTCUSDT", "status": "NEW", "tranId": 1}


def told(exchange_id: str) -> list:
    return [(each, answer_to(exchange_id, each)) for each in vectors("request", exchange_id)]


@pytest.mark.parametrize(("room", "exchange_id"), EVERY)
def test_the_requests_of_ccxts_own_vectors_leave_as_they_would_without_the_guard(room, exchange_id):
    rows = told(exchange_id)
    bare = play(room, exchange_id, rows, guarded=False)
    guarded = play(room, exchange_id, rows, guarded=True)
    compared = 0
    for (vector, _), plain, kept in zip(rows, bare, guarded, strict=True):
        name = vector["description"]
        if plain is None:
            assert kept is None
            continue
        assert plain[0], name
        changed = [compare(name, *both) for both in zip(plain[0], kept[0], strict=True)]
        is_new = vector["method"] in ("createOrder", "createMarketBuyOrderWithCost")
        assert changed[-1] is is_new, name
        compared += 1
    assert compared >= len(rows) - 3  # so many are newer than the oldest version


def compare(name, bare, guarded) -> bool:
    """Both requests are one, but for what the guard gives to a new order; True where it did."""
    (method, url, headers, body), (g_method, g_url, g_headers, g_body) = bare, guarded
    asked, g_asked = params(url, body), params(g_url, g_body)
    assert (g_method, g_url.partition("?")[0]) == (method, url.partition("?")[0]), name
    if all(g_asked.get(key) == asked.get(key) for key in OURS):
        skipped = () if "nonce" not in asked else ("API-Sign",)
        assert strip(g_headers, skipped) == strip(headers, skipped), name
        assert strip(g_asked, {"nonce"}) == strip(asked, {"nonce"}), name
        return False
    assert set(g_headers) == set(headers), name
    assert strip(g_asked, OURS | {"nonce", "signature"}) == strip(
        asked, OURS | {"nonce", "signature"}
    ), name
    return True


def strip(found: dict, names) -> dict:
    return {key: value for key, value in found.items() if key not in names}


@pytest.mark.parametrize("exchange_id", EXCHANGES)
def test_the_sample_is_what_this_ccxt_sends(exchange_id):
    """Else the vectors would only show that two broken calls break alike."""
    rows, differs = told(exchange_id), []
    for (vector, _), played in zip(
        rows, play("sync", exchange_id, rows, guarded=False), strict=True
    ):
        if played is None:
            continue
        _, url, _, body = played[0][-1]
        want = strip(params(vector["url"], vector.get("output") or ""), OURS | VOLATILE)
        found = strip(params(url, body), OURS | VOLATILE)
        if urlsplit(url).path != urlsplit(vector["url"]).path or found != want:
            differs.append((vector["description"], want, found))
    assert len(differs) <= 2, differs  # ccxt 4.4 has other addresses for two of them


@pytest.mark.parametrize(("room", "exchange_id"), EVERY)
def test_the_answers_of_ccxts_own_vectors_are_parsed_as_without_the_guard(room, exchange_id):
    rows = [(each, each["httpResponse"]) for each in vectors("response", exchange_id)]
    bare = play(room, exchange_id, rows, guarded=False)
    guarded = play(room, exchange_id, rows, guarded=True)
    for (vector, _), plain, kept in zip(rows, bare, guarded, strict=True):
        name = vector["description"]
        assert json.dumps(kept[1], default=str) == json.dumps(plain[1], default=str), name
        wanted = vector["parsedResponse"]
        found = kept[1] if isinstance(kept[1], list) else [kept[1]]
        for want, row in zip(wanted if isinstance(wanted, list) else [wanted], found, strict=True):
            assert {key: row.get(key) for key in want} == want, name
