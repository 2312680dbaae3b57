"""What the engine no longer knows, the venue does not know either, and keeps nothing of it."""

from mock_spot_world import World


def short(ended_max=2):
    world = World()
    world.engine._ended_max = ended_max
    return world


def market(world, name):
    placed = world.ask("POST", "/api/v3/order", **world.market(newClientOrderId=name))
    world.wait(0.05)
    return placed["orderId"]


def test_the_oldest_ended_orders_and_their_fills_are_gone():
    world = short()
    resting = world.place()["orderId"]
    made = [market(world, f"m{n}") for n in range(5)]
    for named in ({"orderId": made[0]}, {"origClientOrderId": "m0"}):
        asked = world.refused("GET", "/api/v3/order", symbol="BTCUSDT", **named)
        assert asked == (400, -2013, "Order does not exist.")
    listed = world.ask("GET", "/api/v3/allOrders", symbol="BTCUSDT")
    assert [row["orderId"] for row in listed] == [resting, *made[3:]]
    trades = world.ask("GET", "/api/v3/myTrades", symbol="BTCUSDT")
    assert {row["orderId"] for row in trades} == set(made[3:])


def test_nothing_is_left_of_what_was_forgotten():
    world = short(ended_max=0)
    for number in range(10):
        placed = world.place(newClientOrderId=f"c{number}")
        world.ask(
            "PUT",
            "/api/v3/order/amend/keepPriority",
            symbol="BTCUSDT",
            orderId=placed["orderId"],
            newQty="0.005",
        )
        world.ask("DELETE", "/api/v3/order", symbol="BTCUSDT", orderId=placed["orderId"])
        market(world, f"m{number}")
    notes = world.dialect.notes
    assert not any((notes.notes, notes.cancel_ids, notes.renamed, notes.amendments))


def test_a_client_id_is_free_again_and_balances_are_as_before():
    forgetful, whole = short(ended_max=0), World()
    for world in (forgetful, whole):
        first, second = market(world, "same"), market(world, "same")
        assert second == first + 1
    assert forgetful.balance("BTC") == whole.balance("BTC")
