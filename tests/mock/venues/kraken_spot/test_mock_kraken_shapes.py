"""The mock's answers have the keys and the types of the recorded ones."""

from __future__ import annotations

import json
import re
from decimal import Decimal

import pytest
from mock_kraken_world import DATA, World, recorded, request

WORLD: list[World] = []
NEWER = {
    # 2026: both arrays of SystemStatus; `pending` of a cancel; EditOrder's additions.
    "SystemStatus": {"upcoming_maintenance", "emergency"},
    "CancelOrder": {"pending"},
    "EditOrder": {"status", "originaltxid", "volume", "price", "orders_cancelled"},
    "order": {"cl_ord_id", "displayvol", "aclass", "trigger", "reason", "trades"},
    "descr": {"aclass"},
    "trade": {"aclass", "leverage"},
    "TradesHistory": {"count"},
    "TradeBalance": {"uv"},
}
ABSENT = {"TradeBalance": {"ml"}, "order": {"trades", "trigger", "cl_ord_id", "reason", "aclass"}}
"""Fields that only some accounts and orders have."""


def world() -> World:
    """A venue whose account has open, filled and cancelled orders."""
    if not WORLD:
        made = World()
        made.place(userref=45326)
        made.place(ordertype="market", price=None, volume="0.25")
        made.ask("CancelOrder", txid=made.place(userref=1))
        made.wait(60)
        WORLD.append(made)
    return WORLD[0]


def kind(value):
    """The JSON type; instants are whole or broken numbers."""
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int | Decimal):
        return "number"
    return type(value).__name__


def same_shape(own, theirs, name="", path="result"):
    if theirs is None or own is None:
        return
    assert kind(own) == kind(theirs), path
    if isinstance(theirs, dict):
        assert set(theirs) - set(own) <= ABSENT.get(name, set()), path
        assert set(own) - set(theirs) <= NEWER.get(name, set()), path
        for key in set(own) & set(theirs):
            same_shape(own[key], theirs[key], key, f"{path}.{key}")
    elif isinstance(theirs, list) and theirs and own:
        if all(kind(item) == kind(theirs[0]) for item in theirs):
            same_shape(own[0], theirs[0], name, f"{path}[0]")
        else:
            assert [kind(item) for item in own] == [kind(item) for item in theirs], path


def rows_alike(own, theirs, name):
    """Objects keyed by ids or pairs: every row is like each recorded row."""
    assert own
    for row in own.values():
        for other in theirs.values():
            same_shape(row, other, name)


def decimals(text):
    return len(text.partition(".")[2])


@pytest.mark.parametrize(
    ("name", "file", "params"),
    [
        ("SystemStatus", "GetSystemStatus", {}),
        ("Depth", "GetOrderBook", {"pair": "XBTUSD"}),
        ("Ticker", "GetTicker", {"pair": "XBTUSD"}),
        ("OHLC", "GetKlines", {"pair": "XBTUSD"}),
        ("Trades", "GetTradeHistory", {"pair": "XBTUSD"}),
        ("Spread", "GetRecentSpread", {"pair": "XBTUSD"}),
    ],
)
def test_public_answers(name, file, params):
    same_shape(world().public(name, **params), recorded(file), name)


def test_the_listing():
    pairs, theirs = world().public("AssetPairs"), recorded("GetSymbols")
    rows_alike(pairs, theirs, "")
    rows_alike(world().public("Assets"), recorded("GetAssets"), "")
    assert set(pairs) == {"XXBTZUSD", "XETHZUSD", "XDGUSD", "SOLUSDT"}
    own, other = pairs["XXBTZUSD"], theirs["XXBTZUSD"]
    for key in ("altname", "wsname", "base", "quote", "pair_decimals", "lot_decimals", "costmin"):
        assert own[key] == other[key], key


def test_prices_and_quantities_have_the_recorded_decimals():
    own, theirs = world().public("Ticker", pair="XBTUSD")["XXBTZUSD"], recorded("GetTicker")
    for key in ("a", "b", "c", "v", "p", "l", "h"):
        for mine, other in zip(own[key], theirs["XXBTZUSD"][key], strict=True):
            assert decimals(mine) == decimals(other), key
    mine = world().public("OHLC", pair="XBTUSD")["XXBTZUSD"][0]
    other = recorded("GetKlines")["XXBTZUSD"][0]
    assert [decimals(x) for x in mine[1:7]] == [decimals(x) for x in other[1:7]]


@pytest.mark.parametrize(
    ("name", "file", "inside", "row"),
    [
        ("OpenOrders", "GetOpenOrders", "open", "order"),
        ("ClosedOrders", "GetClosedOrders", "closed", "order"),
        ("TradesHistory", "GetUserTrades", "trades", "trade"),
        ("Ledgers", "GetLedgerInfo", "ledger", "ledger"),
    ],
)
def test_lists_of_orders_fills_and_ledger_entries(name, file, inside, row):
    own, theirs = world().ask(name), recorded(file)
    assert set(own) - set(theirs) <= NEWER.get(name, set())
    rows_alike(own[inside], theirs[inside], row)


def test_lookups_by_id():
    venue = world()
    closed = venue.ask("ClosedOrders")["closed"]
    for file in ("GetOrders", "GetOrders2"):
        found = venue.ask("QueryOrders", txid=",".join(closed), trades=True)
        rows_alike(found, recorded(file), "order")
    trades = list(venue.ask("TradesHistory")["trades"])
    found = venue.ask("QueryTrades", txid=",".join(trades[:20]))
    rows_alike(found, recorded("GetUserTradeDetails"), "trade")
    ledger = list(venue.ask("Ledgers")["ledger"])
    rows_alike(venue.ask("QueryLedgers", id=ledger[0]), recorded("GetLedgersEntry"), "")


def test_balances_and_volume():
    venue = world()
    assert {kind(value) for value in venue.ask("Balance").values()} == {"str"}
    own, theirs = venue.ask("Balance"), recorded("GetBalances")
    for asset in ("ZUSD", "XXBT", "XETH"):
        assert decimals(own[asset]) == decimals(theirs[asset]), asset
    # Live values are text; the documentation's example has numbers.
    assert set(venue.ask("BalanceEx")["ZUSD"]) == set(recorded("GetAvailableBalances")["ZUSD"])
    same_shape(venue.ask("TradeBalance"), recorded("GetTradeBalance"), "TradeBalance")
    same_shape(venue.ask("TradeVolume", pair="XBTUSD"), recorded("GetTradeVolume"), "TradeVolume")
    assert venue.ask("OpenPositions") == {}


def test_order_entry():
    venue = world()
    placed = venue.ask("AddOrder", **venue.order())
    theirs = recorded("PlaceOrder")
    assert set(placed) == set(theirs)
    assert re.match(r"buy [0-9.]+ XBTUSD @ limit [0-9.]+", theirs["descr"]["order"])
    edited = venue.ask("EditOrder", txid=placed["txid"][0], pair="XBTUSD", price="54000.0")
    same_shape(edited, recorded("EditOrder"), "EditOrder")
    same_shape(
        venue.ask("CancelOrder", txid=edited["txid"]), recorded("CancelOrder"), "CancelOrder"
    )
    timer = venue.ask("CancelAllOrdersAfter", timeout=60)
    same_shape(timer, recorded("CancelAllOrdersAfter"))


def test_every_recorded_endpoint_is_served():
    """Each file names its method and path; all of them are in the table of routes."""
    venue = world()
    files = sorted((DATA / "kraken.net" / "Endpoints").glob("*.txt"))
    assert len(files) > 20
    for file in files:
        method, path, *_ = file.read_text(encoding="utf-8-sig").splitlines()
        assert venue.dialect.route(request(method, path)) is not None, file.name


def test_json_keeps_every_digit():
    message = world().message("Balance")
    text = world().send(message).body.decode()
    assert json.loads(text)["result"]["ZUSD"] in text
    assert "E-" not in text
