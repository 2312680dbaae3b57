"""Placing, amending, editing and cancelling over REST."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from urllib.parse import urlencode

import pytest
from mock_kraken_world import T0_MS, World, body, result

from outlast.mock.engine.model import EngineMode, NewOrder, OrderType, Side
from outlast.mock.venues.kraken_spot.counters import STARTER

TXID = re.compile(r"O[A-Z0-9]{5}-[A-Z0-9]{5}-[A-Z0-9]{6}\Z")
LONG = "6D1B345E-2821-40E2-AD83-4ECB18A06876"


def test_a_limit_order_rests_and_says_only_that_it_was_taken():
    world = World()
    given = world.ask("AddOrder", **world.order(cl_ord_id=LONG, userref=None))
    assert given["descr"] == {"order": "buy 0.01000000 XBTUSD @ limit 55000.0"}
    assert TXID.match(given["txid"][0])
    state = world.state(given["txid"][0])
    assert (state["status"], state["cl_ord_id"], state["vol_exec"]) == ("open", LONG, "0.00000000")
    assert "reason" not in state
    assert "closetm" not in state


@pytest.mark.parametrize("name", ["XBTUSD", "XXBTZUSD", "XBT/USD", "BTC/USD", "BTCUSD"])
def test_a_pair_is_known_by_all_its_names(name):
    world = World()
    assert world.state(world.place(pair=name))["descr"]["pair"] == "XBTUSD"


def test_a_market_buy_fills_and_pays_its_fee_in_the_quote_currency():
    world = World()
    state = world.state(world.place(ordertype="market", price=None, volume="0.5"))
    assert (state["status"], state["vol_exec"], state["reason"]) == ("closed", "0.50000000", None)
    cost, fee = Decimal(state["cost"]), Decimal(state["fee"])
    assert abs(fee - cost * Decimal("0.004")) < Decimal("0.0001")
    assert Decimal(world.ask("Balance")["XXBT"]) == Decimal("2.5")
    usd = Decimal(world.ask("Balance")["ZUSD"])
    assert abs(usd - (100_000 - cost - fee)) < Decimal("0.001")
    assert len(state["trades"]) >= 1


def test_fcib_takes_the_fee_of_a_buy_in_the_base_currency():
    world = World()
    world.place(ordertype="market", price=None, volume="0.5", oflags="fcib")
    assert Decimal(world.ask("Balance")["XXBT"]) == Decimal("2.498")


def test_the_whole_wallet_can_be_sold_and_no_wallet_goes_below_zero():
    world = World(btc="1")
    assert world.refused(
        "AddOrder", **world.order(type="sell", price="65000.0", volume="1.00000001")
    ) == ("EOrder:Insufficient funds")
    # With the fee in the base currency a little must stay for it.
    flags = {"type": "sell", "price": "65000.0", "oflags": "fcib"}
    assert world.refused("AddOrder", **world.order(volume="1", **flags)) == (
        "EOrder:Insufficient funds"
    )
    assert world.place(volume="0.996", **flags)
    assert world.ask("CancelAll") == {"count": 1}
    world.place(type="sell", ordertype="market", price=None, volume="1")
    assert all(held.total >= 0 for held in world.engine.balances("trader").values())


def test_volume_in_quote_currency_buys_for_so_much_money():
    world = World()
    state = world.state(
        world.place(ordertype="market", price=None, volume="6000", oflags="viqc,fciq")
    )
    assert abs(Decimal(state["cost"]) - 6000) < 60
    refusal = world.refused("AddOrder", **world.order(oflags="viqc"))
    assert refusal == "EGeneral:Invalid arguments:viqc"


def test_a_crossing_post_only_order_gets_an_id_and_is_cancelled():
    world = World()
    txid = world.place(price=str(world.ask_price() + 10), oflags="post")
    state = world.state(txid)
    assert (state["status"], state["reason"]) == ("canceled", "Post only order")
    assert world.state(world.place(oflags="post"))["status"] == "open"


def test_ioc_takes_what_is_there_and_fok_all_or_nothing():
    world = World(usd="900000000")
    ioc = world.state(world.place(price=str(world.ask_price()), volume="50", timeinforce="IOC"))
    assert ioc["status"] == "canceled"
    assert 0 < Decimal(ioc["vol_exec"]) < 50
    fok = world.state(world.place(price=str(world.ask_price()), volume="50", timeinforce="FOK"))
    assert (fok["status"], Decimal(fok["vol_exec"])) == ("canceled", 0)


def test_an_order_with_an_expiry_ends_by_itself():
    world = World()
    txid = world.place(timeinforce="GTD", expiretm="+30")
    assert world.state(txid)["expiretm"] == Decimal(world.now_ms) / 1000 + 30
    world.wait(31)
    state = world.state(txid)
    assert (state["status"], state["reason"]) == ("expired", "Order expired")
    assert world.refused("AddOrder", **world.order(timeinforce="GTD")) == (
        "EGeneral:Invalid arguments:expiretm"
    )


def test_a_scheduled_order_is_pending_until_its_time():
    world = World()
    txid = world.place(starttm="+20")
    assert world.state(txid)["status"] == "pending"
    assert list(world.ask("OpenOrders")["open"]) == [txid]
    assert world.timers.planned["start", txid][0] == 20
    world.wait(20)
    world.timers.go_off()
    assert world.state(txid)["status"] == "open"
    assert world.engine.orders("trader", only_open=True)
    other = world.place(starttm=str(world.now_ms // 1000 + 60))
    assert world.ask("CancelOrder", txid=other)["count"] == 1
    assert world.state(other)["status"] == "canceled"
    assert not world.timers.planned


def test_a_stop_fires_into_the_market_and_stays_one_order():
    world = World()
    stop = world.bid() - 3
    txid = world.place(type="sell", ordertype="stop-loss", price=str(stop), volume="0.1")
    waiting = world.state(txid)
    assert (waiting["status"], waiting["trigger"]) == ("open", "last")
    assert waiting["descr"]["order"] == f"sell 0.10000000 XBTUSD @ stop loss {stop}"
    for _ in range(600):
        world.wait(1)
        if world.state(txid)["status"] != "open":
            break
    state = world.state(txid)
    assert (state["status"], state["vol_exec"], state["misc"]) == (
        "closed",
        "0.10000000",
        "stopped",
    )
    assert state["descr"]["ordertype"] == "stop-loss"
    assert len(world.ask("ClosedOrders")["closed"]) == 1


def test_a_stop_beyond_the_market_fires_at_once():
    world = World()
    txid = world.place(type="sell", ordertype="stop-loss", price="70000.0", volume="0.1")
    assert world.state(txid)["status"] == "closed"


def test_offsets_and_trailing_stops_are_understood():
    world = World()
    trailing = world.state(
        world.place(type="sell", ordertype="trailing-stop", price="+1.5%", volume="0.1")
    )
    assert trailing["descr"]["price"] == "+1.5000%"
    assert trailing["descr"]["order"] == "sell 0.10000000 XBTUSD @ trailing stop +1.5000%"
    limit = world.state(
        world.place(type="sell", ordertype="stop-loss-limit", price="50000.0", price2="-100")
    )
    assert (limit["descr"]["price"], limit["descr"]["price2"]) == ("50000.0", "49900.0")


def test_an_iceberg_shows_a_part_of_itself():
    world = World()
    state = world.state(world.place(ordertype="iceberg", volume="1.5", displayvol="0.1"))
    assert (state["displayvol"], state["descr"]["ordertype"]) == ("0.10000000", "iceberg")
    text = world.refused("AddOrder", **world.order(ordertype="iceberg", displayvol="0.0001"))
    assert text == "EGeneral:Invalid arguments:displayvol"


def test_validate_checks_and_places_nothing_and_false_is_not_true():
    world = World()
    given = world.ask("AddOrder", **world.order(validate=True))
    assert given == {"descr": {"order": "buy 0.01000000 XBTUSD @ limit 55000.0"}}
    assert not world.engine.orders("trader")
    assert world.place(validate=False)
    text = world.refused("AddOrder", **world.order(validate=True, price="55000.05"))
    assert text.startswith("EOrder:Invalid price:XBT/USD price can only be specified up to 1")


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"pair": "NOSUCH"}, "EQuery:Unknown asset pair"),
        ({"pair": None}, "EGeneral:Invalid arguments:pair"),
        ({"ordertype": "magic"}, "EGeneral:Invalid arguments:ordertype"),
        ({"ordertype": None}, "EGeneral:Invalid arguments:ordertype"),
        ({"type": "hold"}, "EGeneral:Invalid arguments:type"),
        ({"volume": None}, "EGeneral:Invalid arguments:volume"),
        ({"volume": "1e3"}, "EGeneral:Invalid arguments:volume"),
        ({"volume": "0.00001"}, "EOrder:Order minimum not met"),
        ({"price": "55000.01"}, "EOrder:Invalid price:XBT/USD price can only"),
        ({"price": "0"}, "EGeneral:Invalid arguments:price"),
        ({"price": "NaN"}, "EGeneral:Invalid arguments:price"),
        ({"volume": "100"}, "EOrder:Insufficient funds"),
        ({"leverage": "5"}, "EOrder:Cannot open position"),
        ({"reduce_only": True}, "EOrder:Reduce only:No position exists"),
        ({"oflags": "post,what"}, "EGeneral:Invalid arguments:oflags"),
        ({"timeinforce": "GTX"}, "EGeneral:Invalid arguments:timeinforce"),
        ({"cl_ord_id": "x" * 19}, "EGeneral:Invalid arguments:cl_ord_id"),
        ({"cl_ord_id": "a", "userref": "5"}, "EGeneral:Invalid arguments:cl_ord_id"),
        ({"userref": "3000000000"}, "EGeneral:Invalid arguments:userref"),
        ({"trigger": "index"}, "EGeneral:Invalid arguments:Index unavailable"),
        ({"pair": "XDGUSD", "price": "0.1", "volume": "3"}, "EOrder:Order minimum not met"),
        ({"price": "0.1", "volume": "0.001"}, "EOrder:Cost minimum not met"),
    ],
)
def test_what_cannot_be_is_refused_in_the_venues_words(changes, error):
    world = World()
    assert world.refused("AddOrder", **world.order(**changes)).startswith(error)
    assert not world.engine.orders("trader")


def test_a_client_id_is_unique_among_open_orders_only():
    world = World()
    first = world.place(cl_ord_id=LONG)
    respelled = LONG.lower().replace("-", "")
    text = world.refused("AddOrder", **world.order(cl_ord_id=respelled))
    assert text == "EGeneral:Invalid arguments:cl_ord_id not unique"
    world.ask("CancelOrder", cl_ord_id=respelled)
    second = world.place(cl_ord_id=LONG)
    assert second != first
    world.ask("CancelOrder", txid=second)
    assert set(world.ask("ClosedOrders", cl_ord_id=LONG)["closed"]) == {first, second}


def test_cancel_by_txid_userref_and_client_id():
    world = World()
    by_id, by_name = world.place(), world.place(cl_ord_id="mine-1")
    world.place(userref=77)
    world.place(userref=77)
    assert world.ask("CancelOrder", txid=by_id) == {"count": 1, "pending": False}
    assert world.ask("CancelOrder", cl_ord_id="mine-1")["count"] == 1
    assert world.ask("CancelOrder", txid="77")["count"] == 2
    assert world.refused("CancelOrder", txid=by_id) == "EOrder:Unknown order"
    assert world.refused("CancelOrder", txid="OAAAAA-BBBBB-CCCCCC") == "EOrder:Unknown order"
    assert world.refused("CancelOrder", txid="what") == "EOrder:Invalid order"
    gone = world.answer("CancelOrder", cl_ord_id="mine-1")
    assert body(gone)["error"] == ["EOrder:Invalid order"]
    assert gone.told_absent == ("mine-1",)
    assert world.state(by_name)["reason"] == "User requested"


def test_a_batch_of_cancels_counts_those_that_were_open():
    world = World()
    one, two = world.place(), world.place(cl_ord_id="second")
    raw = {"nonce": str(world.nonce + 1), "orders": [one, "OAAAAA-BBBBB-CCCCCC"]}
    raw["cl_ord_ids"] = ["second"]
    world.nonce += 1
    message = world.signed(
        "CancelOrderBatch",
        json.dumps(raw).encode(),
        raw["nonce"],
        content_type="application/json",
    )
    assert result(world.send(message)) == {"count": 2}
    assert world.state(two)["status"] == "canceled"
    assert world.refused("CancelOrderBatch") == "EGeneral:Invalid arguments:orders"


def batch_of(world, orders, **more):
    world.nonce += 1
    raw = {"nonce": world.nonce, "pair": "XBTUSD", "orders": orders, **more}
    content = "application/json"
    return world.signed(
        "AddOrderBatch", json.dumps(raw).encode(), str(world.nonce), content_type=content
    )


def test_a_batch_has_an_answer_a_line_and_is_refused_whole_when_one_cannot_be_read():
    world = World()
    line = {"ordertype": "limit", "type": "buy", "volume": "0.01", "price": "50000.0"}
    rows = result(world.send(batch_of(world, [line, {**line, "volume": "90"}])))["orders"]
    assert TXID.match(rows[0]["txid"])
    assert rows[0]["descr"]["order"] == "buy 0.01000000 XBTUSD @ limit 50000.0"
    assert rows[1] == {"error": "EOrder:Insufficient funds"}
    broken = world.send(batch_of(world, [line, {**line, "type": "hold"}]))
    assert body(broken)["error"] == ["EGeneral:Invalid arguments:type"]
    assert len(world.engine.orders("trader")) == 1
    assert body(world.send(batch_of(world, [line])))["error"] == [
        "EGeneral:Invalid arguments:orders"
    ]


def test_a_batch_can_come_as_form_fields():
    world = World()
    world.nonce += 1
    fields = {"nonce": world.nonce, "pair": "XBTUSD"}
    for index in (0, 1):
        for name, value in (("ordertype", "limit"), ("type", "buy"), ("volume", "0.01")):
            fields[f"orders[{index}][{name}]"] = value
        fields[f"orders[{index}][price]"] = "50000.0"
    message = world.signed("AddOrderBatch", urlencode(fields).encode(), str(world.nonce))
    assert len(result(world.send(message))["orders"]) == 2


def test_amend_keeps_the_id_and_changes_price_and_quantity():
    world = World()
    txid = world.place(cl_ord_id="keep-me")
    given = world.ask("AmendOrder", txid=txid, limit_price="54000.0", order_qty="0.02")
    assert re.match(r"T[A-Z0-9]{5}-[A-Z0-9]{5}-[A-Z0-9]{6}\Z", given["amend_id"])
    state = world.state(txid)
    assert (state["vol"], state["descr"]["price"]) == ("0.02000000", "54000.0")
    world.ask("AmendOrder", cl_ord_id="keep-me", order_qty="0.015")
    assert world.state(txid)["vol"] == "0.01500000"
    assert world.refused("AmendOrder", txid=txid, order_qty="0.015") == (
        "EGeneral:Invalid arguments:no change"
    )
    assert world.refused("AmendOrder", txid=txid) == "EGeneral:Invalid arguments:order_qty"
    assert world.refused("AmendOrder", txid="OAAAAA-BBBBB-CCCCCC", order_qty="1") == (
        "EOrder:Unknown order"
    )


def test_the_trigger_of_a_waiting_stop_can_be_moved():
    world = World()
    txid = world.place(type="sell", ordertype="stop-loss", price="50000.0", volume="0.1")
    world.ask("AmendOrder", txid=txid, trigger_price="51000.0")
    state = world.state(txid)
    assert (state["descr"]["price"], state["stopprice"]) == ("51000.0", "51000.00000")
    assert world.refused("AmendOrder", txid=txid, limit_price="1.0") == (
        "EGeneral:Invalid arguments:limit_price"
    )


def test_edit_gives_a_new_id_and_a_refused_edit_leaves_the_old_order():
    world = World()
    old = world.place()
    given = world.ask("EditOrder", txid=old, pair="XBTUSD", price="54000.0", volume="0.02")
    assert given["originaltxid"] == old
    assert (world.state(old)["status"], world.state(old)["reason"]) == (
        "canceled",
        "Order replaced",
    )
    fresh = given["txid"]
    assert world.state(fresh)["descr"]["price"] == "54000.0"
    text = world.refused("EditOrder", txid=fresh, pair="XBTUSD", volume="90")
    assert text == "EOrder:Insufficient funds"
    assert world.state(fresh)["status"] == "open"
    assert world.ask("CancelOrder", txid=fresh)["count"] == 1


def test_cancel_all_takes_everything_stops_and_scheduled_ones_too():
    world = World()
    world.place()
    world.place(type="sell", ordertype="stop-loss", price="50000.0", volume="0.1")
    world.place(starttm="+60")
    assert world.ask("CancelAll") == {"count": 3}
    assert world.ask("OpenOrders") == {"open": {}}
    assert world.ask("CancelAll") == {"count": 0}


def test_the_dead_mans_switch_fires_once_and_waits_for_the_engine():
    world = World()
    world.place()
    given = world.ask("CancelAllOrdersAfter", timeout=60)
    assert given["currentTime"].endswith("Z")
    assert given["triggerTime"] > given["currentTime"]
    assert [delay for delay, _ in world.timers.planned.values()] == [60]
    assert world.ask("CancelAllOrdersAfter", timeout=0)["triggerTime"] == "0"
    assert not world.timers.planned
    world.ask("CancelAllOrdersAfter", timeout=60)
    world.configure(mode=EngineMode.MAINTENANCE)
    world.timers.go_off()
    assert len(world.ask("OpenOrders")["open"]) == 1
    world.configure(mode=EngineMode.CANCEL_ONLY)
    world.timers.go_off()
    assert world.ask("OpenOrders")["open"] == {}
    assert not world.timers.planned
    for wrong in ("", "-1", "86400", "soon"):
        text = world.refused("CancelAllOrdersAfter", timeout=wrong)
        assert text == "EGeneral:Invalid arguments:timeout", wrong


@pytest.mark.parametrize(
    ("mode", "error"),
    [
        (EngineMode.CANCEL_ONLY, "EService:Market in cancel_only mode"),
        (EngineMode.POST_ONLY, "EService:Market in post_only mode"),
        (EngineMode.MAINTENANCE, "EService:Unavailable"),
        (EngineMode.HALTED, "EService:Unavailable"),
    ],
)
def test_the_trading_modes_refuse_in_their_own_words(mode, error):
    world = World()
    txid = world.place()
    world.configure(mode=mode)
    assert world.refused("AddOrder", **world.order()) == error
    if mode is EngineMode.POST_ONLY:
        assert world.place(oflags="post")
    if mode in (EngineMode.MAINTENANCE, EngineMode.HALTED):
        assert world.refused("CancelOrder", txid=txid) == error
        assert world.refused("CancelAll") == error
    else:
        assert world.ask("CancelOrder", txid=txid)["count"] == 1


def test_limit_only_refuses_market_orders():
    world = World()
    world.configure(mode=EngineMode.LIMIT_ONLY)
    text = world.refused("AddOrder", **world.order(ordertype="market", price=None))
    assert text == "EService:Market in limit_only mode"
    assert world.place()


def test_orders_that_the_scenario_starts_with_have_ids_and_words():
    start = NewOrder(
        symbol="BTC/USD",
        side=Side.SELL,
        type=OrderType.STOP_MARKET,
        qty=Decimal("0.5"),
        stop_price=Decimal(50_000),
    )
    world = World(open_orders=(start,))
    ((txid, row),) = world.ask("OpenOrders")["open"].items()
    assert TXID.match(txid)
    assert row["descr"]["ordertype"] == "stop-loss"
    assert row["opentm"] == Decimal(T0_MS) / 1000


def test_a_pair_takes_only_so_many_open_orders():
    world = World(tier=STARTER)
    world.view.limits = type(world.view.limits)(enforce=False)
    for _ in range(STARTER.open_orders_max):
        world.place(volume="0.001")
    assert world.refused("AddOrder", **world.order()) == "EOrder:Orders limit exceeded"
    assert world.place(pair="ETHUSD", price="1000", volume="1")
