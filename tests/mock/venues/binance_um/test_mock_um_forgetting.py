"""What the engine no longer knows, the venue does not know either, and keeps nothing of it."""

from decimal import Decimal

from mock_um_world import World

NO_PRICE = {"type": "MARKET", "timeInForce": None, "price": None}


def short(ended_max=2):
    world = World()
    world.engine._ended_max = ended_max
    return world


def market(world, name):
    placed = world.place(newClientOrderId=name, **NO_PRICE)
    world.wait(0.05)
    return placed["orderId"]


def test_the_oldest_ended_orders_fills_and_income_are_gone():
    world = short()
    resting = world.place()["orderId"]
    made = [market(world, f"m{n}") for n in range(5)]
    for named in ({"orderId": made[0]}, {"origClientOrderId": "m0"}):
        asked = world.refused("GET", "/fapi/v1/order", symbol="BTCUSDT", **named)
        assert asked[:2] == (400, -2013)
    listed = world.ask("GET", "/fapi/v1/allOrders", symbol="BTCUSDT")
    assert [row["orderId"] for row in listed] == [resting, *made[3:]]
    trades = world.ask("GET", "/fapi/v1/userTrades", symbol="BTCUSDT")
    assert {row["orderId"] for row in trades} == set(made[3:])
    assert len(world.ask("GET", "/fapi/v1/income", incomeType="COMMISSION")) == len(trades)


def test_positions_and_wallets_are_as_before():
    forgetful, whole = short(ended_max=0), World()
    for world in (forgetful, whole):
        for number in range(5):
            market(world, f"m{number}")
    for path in ("/fapi/v3/account", "/fapi/v3/positionRisk", "/fapi/v3/balance"):
        assert forgetful.ask("GET", path) == whole.ask("GET", path)


def test_nothing_is_left_of_what_was_forgotten():
    world = short(ended_max=0)
    for _ in range(5):
        placed = world.place(price=None, priceMatch="QUEUE_5")
        world.ask("DELETE", "/fapi/v1/order", symbol="BTCUSDT", orderId=placed["orderId"])
        world.wait(0.05)
    assert world.dialect._trading._price_matches == {}


def test_old_listen_keys_fundings_and_minutes_do_not_pile_up(monkeypatch):
    monkeypatch.setattr("outlast.mock.venues.binance_um.ledger._MINUTES_KEPT", 3)
    world = World()
    for _ in range(1_100):
        world.ask("POST", "/fapi/v1/listenKey")
        world.ask("DELETE", "/fapi/v1/listenKey")
    assert len(world.dialect.listen_keys._issued) == 1_000
    market(world, "m")
    for _ in range(1_100):
        world.engine.fund("BTCUSDT", Decimal("0.0001"))
        world.wait(0.001)
    assert len(world.dialect.ledger.entries("trader")) == 1_000
    assert len(world.dialect.ledger.fundings("BTCUSDT")) == 1_000
    world.wait(600)
    assert len(world.dialect.ledger.minutes("BTCUSDT", 0)) == 3
