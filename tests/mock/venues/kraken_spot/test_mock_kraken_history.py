"""Closed orders, fills, ledgers: filters, pages, and a history that is late."""

from __future__ import annotations

from decimal import Decimal

import pytest
from mock_kraken_world import World


@pytest.fixture
def calm() -> World:
    world = World(usd="10000000")
    world.view.limits = type(world.view.limits)(enforce=False)
    return world


def test_query_orders_needs_txids_and_filters_by_client_id(calm):
    txid = calm.place(cl_ord_id="abc")
    assert calm.refused("QueryOrders") == "EGeneral:Invalid arguments:txid"
    assert calm.refused("QueryOrders", txid="OAAAAA-BBBBB-CCCCCC") == "EOrder:Unknown order"
    assert calm.refused("QueryOrders", txid="nonsense") == "EOrder:Invalid order"
    assert list(calm.ask("QueryOrders", txid=txid, cl_ord_id="abc")) == [txid]
    assert calm.ask("QueryOrders", txid=txid, cl_ord_id="other") == {}


def test_one_clients_orders_are_unknown_to_another():
    world = World()
    txid = world.place()
    world.engine.open_account("other", balances={"USD": Decimal(1000)})
    world.account = world.keys.issue("other")
    assert world.refused("QueryOrders", txid=txid) == "EOrder:Unknown order"
    assert world.refused("CancelOrder", txid=txid) == "EOrder:Unknown order"
    assert world.ask("OpenOrders") == {"open": {}}


def test_open_orders_by_userref_and_client_id(calm):
    mine = calm.place(cl_ord_id="abc")
    group = {calm.place(userref=5), calm.place(userref=5)}
    assert set(calm.ask("OpenOrders", userref=5)["open"]) == group
    assert list(calm.ask("OpenOrders", cl_ord_id="abc")["open"]) == [mine]
    whole = calm.answer("OpenOrders")
    assert whole.pictures == ("open_orders",)
    assert calm.answer("OpenOrders", cl_ord_id="abc").pictures == ()


def test_closed_orders_come_in_pages_of_50_newest_first(calm):
    made = []
    for _ in range(60):
        made.append(calm.place(volume="0.001"))
        calm.ask("CancelOrder", txid=made[-1])
        calm.wait(1)
    first = calm.ask("ClosedOrders")
    assert first["count"] == 60
    assert list(first["closed"]) == made[:9:-1]
    rest = calm.ask("ClosedOrders", ofs=50, without_count=True)
    assert list(rest["closed"]) == made[9::-1]
    assert "count" not in rest
    # `start` is excluded, `end` included; ids stand for the instants of their orders.
    some = calm.ask("ClosedOrders", start=made[10], end=made[12], closetime="open")
    assert list(some["closed"]) == [made[12], made[11]]
    opened = calm.ask("QueryOrders", txid=made[58])[made[58]]["opentm"]
    assert list(calm.ask("ClosedOrders", start=opened, closetime="open")["closed"]) == [made[59]]


def test_an_empty_answer_says_that_a_client_id_does_not_exist_unless_it_is_open(calm):
    calm.place(cl_ord_id="open")
    assert calm.answer("ClosedOrders", cl_ord_id="open").told_absent == ()
    assert calm.answer("ClosedOrders", cl_ord_id="never").told_absent == ("never",)
    assert calm.answer("OpenOrders", cl_ord_id="never").told_absent == ()


def test_late_history_does_not_know_what_has_just_happened(calm):
    txid = calm.place(cl_ord_id="late")
    calm.configure(history_lag_ms=60_000)
    calm.ask("CancelOrder", txid=txid)
    calm.place(ordertype="market", price=None)
    assert calm.ask("ClosedOrders")["closed"] == {}
    assert calm.ask("TradesHistory")["trades"] == {}
    assert calm.ask("Ledgers")["ledger"] == {}
    assert calm.state(txid)["status"] == "canceled"
    calm.wait(61)
    assert len(calm.ask("ClosedOrders")["closed"]) == 2
    assert calm.ask("TradesHistory")["trades"]


def test_fills_that_are_reported_late_are_nowhere_before_that(calm):
    calm.configure(fills_delay_ms=45_000)
    txid = calm.place(ordertype="market", price=None, volume="0.2")
    state = calm.state(txid)
    assert (state["status"], state["vol_exec"]) == ("open", "0.00000000")
    assert calm.ask("TradesHistory")["trades"] == {}
    calm.wait(46)
    state = calm.state(txid)
    assert (state["status"], state["vol_exec"]) == ("closed", "0.20000000")
    trades = calm.ask("TradesHistory")["trades"]
    assert set(trades) == set(state["trades"])


def test_fills_sum_up_to_their_order_and_ledgers_to_the_balance(calm):
    buy = calm.place(ordertype="market", price=None, volume="3")
    calm.wait(5)
    calm.place(ordertype="market", price=None, volume="1", type="sell")
    order = calm.state(buy)
    rows = calm.ask("QueryTrades", txid=",".join(order["trades"]))
    for total, field in (("vol_exec", "vol"), ("cost", "cost"), ("fee", "fee")):
        summed = sum(Decimal(row[field]) for row in rows.values())
        assert abs(summed - Decimal(order[total])) < Decimal("0.001"), field
    assert {row["ordertxid"] for row in rows.values()} == {buy}
    balance = calm.ask("Balance")
    ledger = calm.ask("Ledgers", asset="XXBT")["ledger"]
    newest = next(iter(ledger.values()))
    assert Decimal(newest["balance"]) == Decimal(balance["XXBT"])
    paid = sum(
        Decimal(row["amount"]) - Decimal(row["fee"])
        for row in calm.ask("Ledgers", asset="ZUSD")["ledger"].values()
    )
    assert abs(10_000_000 + paid - Decimal(balance["ZUSD"])) < Decimal("0.01")


def test_holds_are_shown_by_the_extended_balance(calm):
    calm.place(volume="0.01", price="55000.0")
    usd = calm.ask("BalanceEx")["ZUSD"]
    assert (usd["balance"], usd["hold_trade"]) == ("10000000.0000", "552.2000")  # with the fee


def test_a_vanished_order_is_known_to_nobody(calm):
    txid = calm.place(cl_ord_id="ghost")
    assert calm.engine.void(calm.dialect.log.find("trader", txid).engine_ids[0])
    assert calm.refused("QueryOrders", txid=txid) == "EOrder:Unknown order"
    assert calm.ask("OpenOrders") == {"open": {}}
    assert calm.answer("ClosedOrders", cl_ord_id="ghost").told_absent == ("ghost",)


def test_unknown_trades_ledgers_and_assets_are_refused(calm):
    assert calm.refused("QueryTrades", txid="TAAAAA-BBBBB-CCCCCC") == "EQuery:Unknown trade"
    assert calm.refused("QueryLedgers", id="LAAAAA-BBBBB-CCCCCC") == "EQuery:Unknown ledger"
    assert calm.refused("Ledgers", asset="NOSUCH") == "EQuery:Unknown asset"
    assert calm.refused("ClosedOrders", start="OAAAAA-BBBBB-CCCCCC") == (
        "EGeneral:Invalid arguments:start"
    )
