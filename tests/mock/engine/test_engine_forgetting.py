"""The engine forgets the oldest ended orders: what they did stays, they themselves are gone."""

from decimal import Decimal

from engine_world import BUY, SELL, STILL, SYMBOL, T0, D, limit, market, pass_s, stop, taken
from hypothesis import given, settings
from hypothesis import strategies as st

from outlast.mock.engine.engine import Engine
from outlast.mock.engine.knobs import EngineKnobs
from outlast.mock.engine.model import OrderType, Product, Rejected, TimeInForce


def forgetful(ended_max, *, seed=7):
    engine = Engine(
        [STILL], product=Product.UM, seed=seed, start_ms=T0, venue="test", ended_max=ended_max
    )
    engine.open_account("me", balances={"USDT": D(100_000)})
    gone = []
    engine.on_forgotten(lambda orders: gone.extend(order.order_id for order in orders))
    return engine, gone


def test_the_newest_ended_orders_are_kept_and_open_ones_besides():
    engine, gone = forgetful(2)
    resting = taken(engine.place("me", limit(BUY, 1, "99", client_order_id="rests")))
    for number in range(5):
        taken(engine.place("me", market(BUY, 1, client_order_id=f"m{number}")))
    assert len(engine.orders("me")) == 6, "nothing is forgotten before time passes"
    pass_s(engine, 0)
    assert [order.order_id for order in engine.orders("me")] == [resting.order_id, 5, 6]
    assert gone == [2, 3, 4]
    assert engine.find("me", client_order_id="m0") is None
    assert engine.find("me", order_id=2) is None
    assert engine.find("me", client_order_id="m4") is not None
    assert [fill.order_id for fill in engine.executions("me")] == [5, 6]
    assert isinstance(engine.cancel("me", 2), Rejected)
    assert engine.void(2) is False
    assert [order.order_id for order in engine.all_orders()] == [1, 5, 6]


def test_what_forgotten_orders_did_stays():
    whole, _ = forgetful(None)
    short, _ = forgetful(0)
    for engine in (whole, short):
        for number in range(6):
            side = SELL if number % 3 == 2 else BUY
            taken(engine.place("me", market(side, 1 + number)))
            pass_s(engine, 0.05)
    assert short.orders("me") == []
    assert short.executions("me") == []
    assert short.balances("me") == whole.balances("me")
    assert short.positions("me") == whole.positions("me")
    assert short.flows("me") == whole.flows("me")
    assert short.turnover("me") == whole.turnover("me") > 0
    assert short.tape(SYMBOL, 99) == whole.tape(SYMBOL, 99)


def test_numbers_go_on_and_names_are_free_again():
    engine, _ = forgetful(0)
    for number in range(1, 4):
        assert engine.next_order_id == number
        order = taken(engine.place("me", market(BUY, 1, client_order_id="same")))
        assert order.order_id == number
        pass_s(engine, 0.05)
    assert [e.execution_id for e in order.executions] == [3]
    assert engine.find("me", client_order_id="same") is None


def test_a_fired_order_is_known_as_long_as_what_it_became():
    engine, gone = forgetful(1)
    waits = taken(
        engine.place("me", stop(BUY, 1, "100.3", type=OrderType.STOP_LIMIT, price=D("99")))
    )
    taken(engine.place("me", market(BUY, 900)))  # the price reaches the stop
    child = engine.find("me", order_id=waits.became)
    assert child is not None
    assert child.status.is_open
    for _ in range(3):
        taken(engine.place("me", market(BUY, 1)))
        pass_s(engine, 0.01)
    assert not {waits.order_id, child.order_id} & set(gone), "one of them is still open"
    engine.cancel("me", child.order_id)
    taken(engine.place("me", market(BUY, 1)))
    pass_s(engine, 0.01)
    assert gone[-2:] == [child.order_id, waits.order_id]


def test_an_order_whose_fills_are_still_held_back_is_not_forgotten():
    engine, gone = forgetful(0)
    engine.configure(EngineKnobs(fills_delay_ms=5_000))
    order = taken(engine.place("me", market(BUY, 1)))
    pass_s(engine, 1)
    assert gone == []
    assert engine.told_until_ms == order.created_ms
    pass_s(engine, 4)
    assert gone == [order.order_id]
    assert engine.told_until_ms == engine.now_ms


def test_good_till_dates_of_forgotten_orders_do_not_pile_up():
    engine, _ = forgetful(3)
    for _ in range(300):
        order = taken(
            engine.place(
                "me",
                limit(
                    BUY,
                    1,
                    "99",
                    time_in_force=TimeInForce.GTD,
                    expires_ms=engine.now_ms + 86_400_000,
                ),
            )
        )
        engine.cancel("me", order.order_id)
        pass_s(engine, 0.01)
    assert len(engine._floor.expiries) < 100
    last = taken(
        engine.place(
            "me",
            limit(BUY, 1, "99", time_in_force=TimeInForce.GTD, expires_ms=engine.now_ms + 700_000),
        )
    )
    pass_s(engine, 701)
    assert last.end_reason == "gtd"


def test_nothing_of_a_forgotten_order_is_left_inside():
    engine, _ = forgetful(0)
    engine.configure(EngineKnobs())
    for number in range(20):
        order = taken(engine.place("me", limit(BUY, 1, "99", client_order_id=f"n{number}")))
        engine.cancel("me", order.order_id)
        pass_s(engine, 0.01)
    floor, account = engine._floor, engine._floor.accounts["me"]
    reports = floor.reports
    left = (floor.orders, floor.ended, floor._silent, reports._told, reports._order_shown_ms)
    assert not any(left)
    assert not any((account.orders, account.executions, account._namesakes, account._locks))


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1_000), ended_max=st.integers(0, 4), pauses=st.integers(1, 4))
def test_forgetting_changes_nothing_but_what_is_listed(seed, ended_max, pauses):
    engines = [forgetful(None, seed=seed)[0], forgetful(ended_max, seed=seed)[0]]
    for number in range(30):
        request = (
            market(SELL if number % 4 == 0 else BUY, 1 + seed % 7)
            if number % 3
            else limit(BUY, 2, D("99.8") + Decimal(seed % 5) / 10)
        )
        outcomes = [engine.place("me", request) for engine in engines]
        assert isinstance(outcomes[0], Rejected) == isinstance(outcomes[1], Rejected)
        for engine in engines:
            pass_s(engine, pauses * 0.05)
            open_orders = engine.orders("me", only_open=True)
            if open_orders and number % 5 == 0:
                engine.cancel("me", open_orders[0].order_id)
    whole, short = engines
    assert short.balances("me") == whole.balances("me")
    assert short.orders("me", only_open=True) == whole.orders("me", only_open=True)
    assert short.book(SYMBOL, 20) == whole.book(SYMBOL, 20)
    kept = short.orders("me")
    assert kept == [order for order in whole.orders("me") if order in kept]


def test_the_digest_covers_what_was_forgotten():
    def played(qty, ended_max):
        engine, _ = forgetful(ended_max)
        for amount in (qty, 2, 3):
            taken(engine.place("me", limit(BUY, amount, "99")))
        engine.cancel_all("me")
        pass_s(engine, 1)
        return engine.digest()

    assert played(1, 0) == played(1, 0)
    assert played(1, 0) != played(4, 0)
