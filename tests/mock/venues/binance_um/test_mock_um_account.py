"""Balances, positions, settings and listen keys."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from mock_um_world import World

from outlast.mock.view import AccountPicture, Lies, Picture


def held() -> World:
    world = World(positions={"BTCUSDT": ("0.5", "59000")})
    world.place(quantity="0.100")
    return world


def test_the_sums_of_the_account_agree_with_each_other() -> None:
    account = held().ask("GET", "/fapi/v3/account")
    amounts = {
        name: Decimal(value)
        for name, value in account.items()
        if name[0] in "tam" and isinstance(value, str)
    }
    assert amounts["totalMarginBalance"] == (
        amounts["totalWalletBalance"] + amounts["totalUnrealizedProfit"]
    )
    assert amounts["totalInitialMargin"] == (
        amounts["totalPositionInitialMargin"] + amounts["totalOpenOrderInitialMargin"]
    )
    assert amounts["availableBalance"] == (
        amounts["totalMarginBalance"] - amounts["totalInitialMargin"]
    )
    assert amounts["totalOpenOrderInitialMargin"] > 0
    (usdt,) = account["assets"]
    assert usdt["walletBalance"] == account["totalWalletBalance"]
    (position,) = account["positions"]
    assert Decimal(position["unrealizedProfit"]) == amounts["totalUnrealizedProfit"]
    assert Decimal(position["initialMargin"]) == amounts["totalInitialMargin"]


def test_a_wallet_is_as_old_as_its_last_change_and_never_without_a_time() -> None:
    world = World()
    (fresh,) = world.ask("GET", "/fapi/v3/account")["assets"]
    assert fresh["updateTime"] > 0  # clients skip a wallet whose time is zero
    world.wait(30)
    world.place(type="MARKET", price=None, timeInForce=None)
    (usdt,) = world.ask("GET", "/fapi/v3/balance")
    assert usdt["updateTime"] == world.now_ms


def test_the_third_version_lists_positions_and_open_orders_the_second_every_symbol() -> None:
    world = World()
    assert world.ask("GET", "/fapi/v3/positionRisk") == []
    assert len(world.ask("GET", "/fapi/v2/positionRisk")) == 2
    world.place(symbol="DOGEUSDT", quantity="100", price="0.23")
    (row,) = world.ask("GET", "/fapi/v3/positionRisk")
    assert (row["symbol"], row["positionAmt"], row["bidNotional"]) == ("DOGEUSDT", "0", "23")


def test_a_short_position_has_a_negative_amount_and_notional() -> None:
    world = World(positions={"BTCUSDT": ("-0.5", "61000")})
    (row,) = world.ask("GET", "/fapi/v3/positionRisk", symbol="BTCUSDT")
    assert row["positionAmt"] == "-0.500"
    assert Decimal(row["notional"]) < 0 < Decimal(row["unRealizedProfit"])
    assert Decimal(row["liquidationPrice"]) > Decimal(row["markPrice"])


@pytest.mark.parametrize(
    ("path", "find"),
    [
        ("/fapi/v3/balance", lambda given: given[0]["balance"]),
        ("/fapi/v2/account", lambda given: given["totalWalletBalance"]),
        ("/fapi/v3/account", lambda given: given["assets"][0]["walletBalance"]),
    ],
)
def test_zero_balances_are_told_on_every_endpoint_alike(path: str, find: Any) -> None:
    world = held()
    assert Decimal(find(world.ask("GET", path))) == 100_000
    world.view.lies = Lies(balances="zero")
    assert Decimal(find(world.ask("GET", path))) == 0
    assert world.view.lied


def test_stale_positions_are_those_of_the_picture() -> None:
    world = held()
    before = Picture(dict(world.engine.positions("trader")), margin=world.engine.margin("trader"))
    world.view.pictures = {"trader": AccountPicture(positions=before)}
    world.view.lies = replace(world.view.lies, positions="stale")
    world.place(
        side="SELL",
        type="MARKET",
        price=None,
        timeInForce=None,
        quantity="0.500",
        reduceOnly="true",
    )
    (row,) = world.ask("GET", "/fapi/v3/positionRisk")
    assert row["positionAmt"] == "0.500"
    world.view.lies = Lies()
    (row,) = world.ask("GET", "/fapi/v3/positionRisk")
    assert row["positionAmt"] == "0.000"  # listed for its open order


def test_an_empty_account_lists_no_asset() -> None:
    world = held()
    world.view.lies = Lies(balances="empty")
    assert world.ask("GET", "/fapi/v3/balance") == []
    assert world.ask("GET", "/fapi/v3/account")["assets"] == []


@pytest.mark.parametrize(
    ("path", "params", "code"),
    [
        ("/fapi/v1/marginType", {"symbol": "BTCUSDT", "marginType": "CROSSED"}, -4046),
        ("/fapi/v1/marginType", {"symbol": "BTCUSDT", "marginType": "ISOLATED"}, -1020),
        ("/fapi/v1/marginType", {"symbol": "BTCUSDT", "marginType": "OTHER"}, -1130),
        ("/fapi/v1/positionSide/dual", {"dualSidePosition": "false"}, -4059),
        ("/fapi/v1/positionSide/dual", {"dualSidePosition": "true"}, -1020),
        ("/fapi/v1/positionSide/dual", {}, -1102),
        ("/fapi/v1/multiAssetsMargin", {"multiAssetsMargin": "false"}, -4171),
        ("/fapi/v1/multiAssetsMargin", {"multiAssetsMargin": "true"}, -1020),
        ("/fapi/v1/leverage", {"symbol": "BTCUSDT", "leverage": "0"}, -4028),
        ("/fapi/v1/leverage", {"symbol": "BTCUSDT", "leverage": "51"}, -4028),
        ("/fapi/v1/leverage", {"symbol": "BTCUSDT"}, -1102),
        ("/fapi/v1/leverage", {"symbol": "NOPE", "leverage": "5"}, -1121),
    ],
)
def test_settings_that_are_so_already_or_cannot_be_are_refused(
    path: str, params: dict[str, object], code: int
) -> None:
    assert World().refused("POST", path, **params)[:2] == (400, code)


def test_leverage_decides_about_the_margin_of_positions_and_orders() -> None:
    world = World(positions={"BTCUSDT": ("0.5", "60000")}, usdt="4000")
    notional = Decimal("0.5") * world.engine.mark_price("BTCUSDT")
    (row,) = world.ask("GET", "/fapi/v3/positionRisk")
    assert Decimal(row["initialMargin"]) == notional / 20
    given = world.ask("POST", "/fapi/v1/leverage", symbol="BTCUSDT", leverage=10)
    assert given == {"symbol": "BTCUSDT", "leverage": 10, "maxNotionalValue": "100000000"}
    (row,) = world.ask("GET", "/fapi/v3/positionRisk")
    assert Decimal(row["initialMargin"]) == notional / 10
    assert world.ask("GET", "/fapi/v1/symbolConfig", symbol="BTCUSDT")[0]["leverage"] == 10
    assert world.refused("POST", "/fapi/v1/order", **world.order(quantity="0.300"))[1] == -2019
    assert world.refused("POST", "/fapi/v1/leverage", symbol="BTCUSDT", leverage=2)[1] == -2028
    world.ask("POST", "/fapi/v1/leverage", symbol="BTCUSDT", leverage=50)
    world.place(quantity="0.300")


def test_a_listen_key_is_kept_for_an_hour_from_the_last_sign_of_life() -> None:
    world = World()
    key = world.ask("POST", "/fapi/v1/listenKey")["listenKey"]
    assert len(key) == 64
    world.wait(59 * 60)
    assert world.ask("PUT", "/fapi/v1/listenKey") == {"listenKey": key}
    world.wait(59 * 60)
    assert world.ask("POST", "/fapi/v1/listenKey") == {"listenKey": key}
    assert world.dialect.listen_keys.owner(key, world.now_ms) == "trader"
    world.wait(60 * 60)
    assert world.dialect.listen_keys.owner(key, world.now_ms) is None
    status, code, msg = world.refused("PUT", "/fapi/v1/listenKey")
    assert (status, code) == (400, -1125)
    assert msg.startswith("This listenKey does not exist.")
    fresh = world.ask("POST", "/fapi/v1/listenKey")["listenKey"]
    assert fresh != key


def test_a_closed_listen_key_is_gone() -> None:
    world = World()
    key = world.ask("POST", "/fapi/v1/listenKey")["listenKey"]
    assert world.ask("DELETE", "/fapi/v1/listenKey") == {}
    assert world.dialect.listen_keys.owner(key, world.now_ms) is None
    assert world.refused("PUT", "/fapi/v1/listenKey")[1] == -1125


def test_a_key_ended_by_the_scenario_is_refused_at_its_next_sign_of_life() -> None:
    world = World()
    key = world.ask("POST", "/fapi/v1/listenKey")["listenKey"]
    assert world.dialect.listen_keys.expire("trader") == key
    assert world.refused("PUT", "/fapi/v1/listenKey")[1] == -1125
