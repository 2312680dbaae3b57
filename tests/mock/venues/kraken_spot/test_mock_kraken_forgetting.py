"""What the engine no longer knows, the venue does not know either, and keeps nothing of it."""

from decimal import Decimal

import pytest
from mock_kraken_world import World


@pytest.fixture
def short() -> World:
    world = World(usd="10000000")
    world.view.limits = type(world.view.limits)(enforce=False)
    world.engine._ended_max = 2
    return world


def market(world, volume="0.01", **more):
    txid = world.place(ordertype="market", price=None, volume=volume, **more)
    world.wait(0.05)
    return txid


def test_the_oldest_ended_orders_their_fills_and_ledgers_are_gone(short):
    resting = short.place(cl_ord_id="rests")
    made = [market(short, cl_ord_id=f"m{n}") for n in range(5)]
    assert short.refused("QueryOrders", txid=made[0]) == "EOrder:Unknown order"
    assert list(short.ask("ClosedOrders")["closed"]) == made[:2:-1]
    assert list(short.ask("OpenOrders")["open"]) == [resting]
    trades = short.ask("TradesHistory")
    assert trades["count"] == 2
    assert [row["ordertxid"] for row in trades["trades"].values()] == made[:2:-1]
    assert short.ask("Ledgers")["count"] == 4
    assert {row["refid"] for row in short.ask("Ledgers")["ledger"].values()} == set(
        trades["trades"]
    )
    assert short.state(made[4])["status"] == "closed"


def test_what_the_account_has_and_has_traded_is_as_before(short):
    whole = World(usd="10000000")
    for world in (short, whole):
        for _ in range(5):
            market(world)
    for call in ("Balance", "TradeVolume"):
        assert short.ask(call) == whole.ask(call)
    assert Decimal(short.ask("TradeVolume")["volume"]) > 0
    # The running balance of the ledger goes on from what is gone.
    newest = next(iter(whole.ask("Ledgers")["ledger"].items()))
    assert next(iter(short.ask("Ledgers")["ledger"].items())) == newest


def test_a_stop_is_one_order_with_what_it_became_until_both_are_gone(short):
    price = (short.ask_price() + 2).quantize(Decimal("0.1"))
    txid = short.place(ordertype="stop-loss-limit", price=price, price2="50000", volume="0.01")
    while short.state(txid)["status"] == "open" and len(short.dialect.log.of(1).engine_ids) < 2:
        short.place(ordertype="market", price=None, volume="50")
        short.wait(0.2)
    for _ in range(4):
        market(short)
    assert short.state(txid)["status"] == "open", "it fired, and rests at its limit"
    short.ask("CancelOrder", txid=txid)
    for _ in range(4):
        market(short)
    assert short.refused("QueryOrders", txid=txid) == "EOrder:Unknown order"


def test_nothing_is_left_of_what_was_forgotten(short):
    short.engine._ended_max = 0
    for number in range(20):
        txid = market(short, cl_ord_id=f"m{number}")
    short.place(price="54000.0")
    log, ledger = short.dialect.log, short.dialect.ledger
    assert txid not in log._by_txid
    assert [len(part) for part in (log._by_txid, log._by_engine_id)] == [1, 1]
    assert not any((log._prints, log._sides, log._by_trade, ledger._flows["trader"]))


def test_scheduled_orders_that_never_started_do_not_pile_up(short, monkeypatch):
    monkeypatch.setattr("outlast.mock.venues.kraken_spot.order_log._UNSTARTED_KEPT", 3)
    made = []
    for _ in range(10):
        made.append(short.place(starttm="+600"))
        short.ask("CancelOrder", txid=made[-1])
    assert list(short.dialect.log._by_txid) == made[-3:]
    assert short.refused("QueryOrders", txid=made[0]) == "EOrder:Unknown order"
    assert short.state(made[-1])["status"] == "canceled"


def test_minutes_of_the_tape_are_kept_for_two_days_at_most(short, monkeypatch):
    monkeypatch.setattr("outlast.mock.venues.kraken_spot.ledger._MINUTES_KEPT", 3)
    short.wait(600)
    assert len(short.dialect.ledger.minutes("BTC/USD", 0)) == 3
    assert 3 <= len(short.public("OHLC", pair="XBTUSD")["XXBTZUSD"]) <= 4
