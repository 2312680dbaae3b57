"""What becomes of an order of a guarded ccxt when its answer is lost."""

from __future__ import annotations

import asyncio

import ccxt
import pytest
from guard_in_sim import PASSIVE, QTY, SYMBOLS, World, play

import outlast
from outlast.adapters.ccxt.verdict import OrderHeld
from outlast.errors import Outcome
from outlast.model import OrderStatus

VENUES = list(SYMBOLS)

LOST = {
    "hang": {"hang": "30s"},
    "reset": {"reset": "headers"},
    "empty 200": {"empty": 200},
    "html": {"html": "cdn-502"},
    "hollow": {"json": {}},
    "unknown": "unknown",
}


@pytest.mark.parametrize("venue", VENUES)
@pytest.mark.parametrize("reply", ["hang", "reset", "empty 200", "html"])
def test_an_order_that_landed_without_an_answer_is_handed_out(venue, reply, tmp_path):
    async def story(w: World):
        exchange = w.guarded(settings={"settle_within_s": 120.0})
        w.fault("orders.create", reply=LOST[reply], effect="apply", times=1)
        order = await w.buy(exchange)
        assert order["id"]
        assert len(w.orders) == 1
        assert order["clientOrderId"] == w.orders[0].client_order_id
        assert exchange.outlast.unknown() == []
        w.judge()

    play(story, tmp_path, venue=venue)


@pytest.mark.parametrize("venue", VENUES)
@pytest.mark.parametrize("reply", ["hang", "html", "hollow"])
def test_an_order_that_never_landed_is_proved_absent_before_it_may_be_sent_again(
    venue, reply, tmp_path
):
    async def story(w: World):
        exchange = w.guarded(settings={"settle_within_s": 300.0})
        w.fault("orders.create", reply=LOST[reply], effect="none", times=1)
        with pytest.raises(ccxt.OperationFailed) as caught:
            await w.buy(exchange)
        verdict = caught.value.outlast
        assert verdict.outcome is Outcome.REFUSED
        assert exchange.outlast.order(verdict.client_order_id).status is OrderStatus.NOT_PLACED
        assert w.orders == []
        again = await w.buy(exchange)
        assert again["clientOrderId"] != verdict.client_order_id
        assert len(w.orders) == 1
        w.judge()

    play(story, tmp_path, venue=venue)


def test_the_bots_own_loop_around_a_lost_answer_makes_one_order(tmp_path):
    """As bots do it: except, wait, again. Half of the answers are lost, landed or not."""

    async def story(w: World):
        exchange = w.guarded(settings={"settle_within_s": 2.0}, maxRetriesOnFailure=3)
        w.fault("orders.create", p=0.6, reply="unknown", effect={"apply": 0.5})
        for number in range(6):
            while True:
                try:
                    order = await w.buy(exchange, PASSIVE + number)
                    break
                except ccxt.NetworkError:
                    await asyncio.sleep(1)
            assert order["price"] == PASSIVE + number
        w.heal()
        assert len(w.orders) == 6
        w.judge()

    play(story, tmp_path)


def test_the_same_terms_are_held_while_the_first_may_live_and_adopted_when_it_is_found(tmp_path):
    async def story(w: World):
        exchange = w.guarded(settings={"settle_within_s": 1.0})
        w.fault("orders.create", reply="unknown", effect={"apply_after": "8s"}, times=1)
        with pytest.raises(ccxt.ExchangeNotAvailable) as caught:
            await w.buy(exchange)
        first = caught.value.outlast
        assert first.outcome is Outcome.UNKNOWN
        sent = len(w.requests("orders.create"))
        with pytest.raises(OrderHeld) as held:
            await w.buy(exchange)
        assert held.value.outlast.client_order_id == first.client_order_id
        with pytest.raises(OrderHeld):  # other new risk on the symbol waits too
            await w.buy(exchange, PASSIVE - 1)
        assert len(w.requests("orders.create")) == sent
        await asyncio.sleep(60)
        order = await w.buy(exchange)
        assert order["clientOrderId"] == first.client_order_id
        another = await w.buy(exchange)  # adopted once: from now on it is a new intent
        assert another["clientOrderId"] != first.client_order_id
        assert len(w.orders) == 2
        w.judge()

    play(story, tmp_path)


def test_an_order_that_the_bot_has_seen_itself_is_not_adopted_for_a_later_one(tmp_path):
    async def story(w: World):
        exchange = w.guarded(settings={"settle_within_s": 0.0})
        w.fault("orders.create", reply="unknown", effect="apply", times=1)
        with pytest.raises(ccxt.ExchangeNotAvailable):
            await w.buy(exchange)
        await asyncio.sleep(60)
        shown = await exchange.fetch_open_orders(w.symbol)
        order = await w.buy(exchange)
        assert order["id"] != shown[0]["id"]
        assert len(w.orders) == 2

    play(story, tmp_path)


def test_a_connection_that_is_refused_means_not_sent(tmp_path):
    async def story(w: World):
        exchange = w.guarded()
        await exchange.load_markets()
        w.fault("*", reply="refuse")
        with pytest.raises(ccxt.ExchangeNotAvailable):
            await exchange.fetch_time()  # the connection that was kept breaks
        with pytest.raises(ccxt.ExchangeNotAvailable) as caught:
            await w.buy(exchange)
        assert caught.value.outlast.outcome is Outcome.NOT_SENT
        assert exchange.outlast.unknown() == []
        w.heal()
        await w.buy(exchange)
        w.judge()

    play(story, tmp_path)


def test_a_refusal_keeps_its_class_and_nothing_is_looked_for(tmp_path):
    async def story(w: World):
        exchange = w.guarded()
        await exchange.load_markets()
        before = len(w.requests())
        with pytest.raises(ccxt.ExchangeError) as caught:
            await exchange.create_order(w.symbol, "limit", "buy", 500.0, PASSIVE)
        assert caught.value.outlast.outcome is Outcome.REFUSED
        assert len(w.requests()) == before + 1

    play(story, tmp_path)


def test_the_same_refusal_is_met_three_times_and_then_once_a_minute(tmp_path):
    async def story(w: World):
        exchange = w.guarded()
        for _ in range(20):
            with pytest.raises(ccxt.ExchangeError):
                await exchange.create_order(w.symbol, "limit", "buy", 500.0, PASSIVE)
        assert len(w.requests("orders.create")) == 3
        await asyncio.sleep(61)
        with pytest.raises(ccxt.ExchangeError):
            await exchange.create_order(w.symbol, "limit", "buy", 500.0, PASSIVE)
        assert len(w.requests("orders.create")) == 4

    play(story, tmp_path)


def test_a_bot_that_stops_waiting_leaves_an_order_that_is_settled_behind_it(tmp_path):
    async def story(w: World):
        exchange = w.guarded()
        w.fault("orders.create", reply={"hang": "30s"}, effect="apply", times=1)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(w.buy(exchange), 3.0)
        [doubtful] = exchange.outlast.unknown()
        assert doubtful.status is OrderStatus.UNKNOWN
        order = await w.buy(exchange)
        assert order["clientOrderId"] == doubtful.client_order_id
        assert len(w.orders) == 1
        w.judge()

    play(story, tmp_path)


def test_an_unknown_order_survives_the_process_and_its_journal_can_be_verified(tmp_path):
    async def story(w: World):
        exchange = w.guarded(settings={"settle_within_s": 0.0})
        w.fault("orders.create", reply="unknown", effect="apply", times=1)
        with pytest.raises(ccxt.ExchangeNotAvailable) as caught:
            await w.buy(exchange)
        await exchange.close()
        outlast.unguard(exchange)

        restarted = w.guarded(settings={"settle_within_s": 60.0})
        [doubtful] = restarted.outlast.unknown()
        assert doubtful.client_order_id == caught.value.outlast.client_order_id
        order = await w.buy(restarted)
        assert order["clientOrderId"] == doubtful.client_order_id
        fresh = await w.buy(restarted)
        assert fresh["clientOrderId"] != order["clientOrderId"]
        assert len(w.orders) == 2
        w.judge()

    play(story, tmp_path)
    from outlast.backends.journal import read_records
    from outlast.core.histories import Histories
    from outlast.core.journal import verify

    records = list(read_records(tmp_path / "bot.journal"))
    histories = Histories()
    assert verify(records) is None
    assert [fault for record in records for fault in histories.fold(record)] == []
    assert b"signature" not in b"".join(record.data for record in records)


def test_a_batch_of_orders_has_an_intent_each_and_is_settled_as_one(tmp_path):
    async def story(w: World):
        exchange = w.guarded(settings={"settle_within_s": 120.0})
        asked = [
            {
                "symbol": w.symbol,
                "type": "limit",
                "side": "buy",
                "amount": QTY,
                "price": PASSIVE - n,
            }
            for n in range(3)
        ]
        made = await exchange.create_orders(asked)
        ids = [row["clientOrderId"] for row in made]
        assert len(set(ids)) == 3
        assert all(exchange.outlast.order(name).status is OrderStatus.ACCEPTED for name in ids)
        w.fault("orders.create", reply={"reset": "headers"}, effect="apply", times=1)
        with pytest.raises(ccxt.NetworkError) as caught:
            await exchange.create_orders([{**row, "price": row["price"] - 10} for row in asked])
        assert caught.value.outlast.outcome is Outcome.UNKNOWN
        assert exchange.outlast.unknown() == []  # all three were found
        assert len(w.orders) == 6

    play(story, tmp_path)


def test_a_cancel_is_repeated_until_it_is_answered(tmp_path):
    async def story(w: World):
        exchange = w.guarded()
        order = await w.buy(exchange)
        w.fault("orders.cancel", reply={"html": "cdn-502"}, effect="none", times=2)
        await exchange.cancel_order(order["id"], w.symbol)
        assert len(w.requests("orders.cancel")) == 3
        assert str(w.orders[0]).count("canceled")

    play(story, tmp_path)


def test_ccxts_kraken_does_not_take_an_old_answer_for_that_of_a_lost_cancel(tmp_path):
    """ccxt 4.5 raises OrderNotFound when the answer *before* said so: the order seems gone."""

    async def story(w: World):
        exchange = w.guarded(settings={"cancel_attempts": 1})
        order = await w.buy(exchange)
        with pytest.raises(ccxt.OrderNotFound):
            await exchange.cancel_order("OAAAAA-AAAAA-AAAAAA", w.symbol)
        w.fault("orders.cancel", reply={"reset": "headers"}, effect="none", times=1)
        with pytest.raises(ccxt.ExchangeNotAvailable) as caught:
            await exchange.cancel_order(order["id"], w.symbol)
        assert not isinstance(caught.value, ccxt.OrderNotFound)

    play(story, tmp_path, venue="kraken-spot")


def test_ids_of_the_bot_are_kept(tmp_path):
    async def story(w: World):
        exchange = w.guarded()
        order = await w.buy(exchange, newClientOrderId="mine-1")
        assert order["clientOrderId"] == "mine-1"
        assert exchange.outlast.order("mine-1").status is OrderStatus.ACCEPTED

    play(story, tmp_path)


def test_what_has_landed_minutes_late_once_may_do_so_again(tmp_path):
    """BitMEX, 13 March 2020: requests hung, and were executed minutes later. Found by the drill of
    late-queue-execution with a script that holds positions."""

    async def story(w: World):
        exchange = w.guarded(settings={"settle_within_s": 400.0})
        late = {"reply": {"hang": "30s"}, "effect": {"apply_after": "3m"}}
        w.fault("orders.create", **late, times=1)
        w.fault("orders.cancel", reply={"hang": "30s"}, effect="none")  # no fence comes through
        assert (await w.buy(exchange))["id"]
        w.heal()
        w.fault("orders.create", **late, times=1)
        assert (await w.buy(exchange, PASSIVE - 1))["id"]
        assert len(w.orders) == 2
        w.judge()

    play(story, tmp_path)
