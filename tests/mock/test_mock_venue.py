"""The pipeline: what the client is told and what the engine does are two independent things."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from venue_at_hand import RESTING, T0, Reply, play, story

from outlast.mock.engine.events import OrderEvent
from outlast.mock.http.plans import Dribble, Hang, Refuse, Reset, Truncate
from outlast.mock.records import Landed, Told
from outlast.mock.venues.binance_um.routes import ROUTES

CALM = "{name: calm, for: 10m}"
POSITION = (
    '{account: {balances: {USDT: "50000"}, positions: {BTCUSDT: {qty: "0.5", entry: "68000"}}}}'
)


def faulty(*rules: str, rest: str = "") -> str:
    return f"{{name: faulty, for: 10m, faults: [{', '.join(rules)}]{rest}}}"


def on_create(reply: str, effect: str = "", more: str = "") -> str:
    effect = f", effect: {effect}" if effect else ""
    return faulty(f"{{match: orders.create, reply: {reply}{effect}{more}}}")


# -- the ordinary way -----------------------------------------------------------------------------


def test_normal_order_is_placed_answered_and_recorded():
    async def tell(desk):
        reply = await desk.place("mine-1")
        assert reply.status == 200
        (order,) = desk.orders()
        assert reply.json["orderId"] == order.order_id
        assert reply.headers["x-mbx-used-weight-1m"] == "0"
        assert reply.headers["x-mbx-order-count-10s"] == "1"
        (record,) = desk.records
        assert (record.endpoint, record.reply, record.effect) == ("orders.create", "ok", "apply")
        assert (record.told, record.landed) == (Told.OK, Landed.YES)
        assert record.order_ids == record.shown == (order.order_id,)
        assert record.create.client_order_id == "mine-1"
        assert (record.account, record.phase, record.rule) == ("main", "calm", None)
        assert record.arrived_ms == record.replied_ms == T0
        assert "signature" not in record.params
        assert desk.account.secret not in repr(record)
        assert desk.truth.lost("main") == []

    play(story(CALM), tell)


def test_path_that_the_venue_does_not_have_is_answered_and_counted():
    async def tell(desk):
        reply = await desk.ask("GET", "/fapi/v1/time/travel")
        assert reply.status == 404
        assert (await desk.ask("GET", "/fapi/v1/time")).headers["x-mbx-used-weight-1m"] != "0"
        assert [r.endpoint for r in desk.records] == ["unknown", "time"]

    play(story(CALM), tell)


def test_websocket_handshake_on_a_path_without_one_is_turned_away():
    async def tell(desk):
        message = desk.message("GET", "/no/such/socket")
        upgrade = {"connection": ["keep-alive, Upgrade"], "upgrade": ["websocket"]}
        object.__setattr__(message, "headers", upgrade)
        assert message.wants_websocket
        assert Reply(await desk.venue(message)).status == 404

    play(story(CALM), tell)


def test_wrong_signature_is_refused_by_the_venue_and_changes_nothing():
    async def tell(desk):
        message = desk.message("POST", "/fapi/v1/order", {**RESTING, "signature": "f" * 64})
        object.__setattr__(message, "query", message.query.rsplit(b"=", 1)[0] + b"=" + b"0" * 64)
        reply = Reply(await desk.venue(message))
        desk.finish(reply)
        assert reply.code == -1022
        assert desk.orders() == []
        (record,) = desk.records
        assert (record.account, record.told, record.landed) == (None, Told.REFUSED, Landed.NO)

    play(story(CALM), tell)


def test_fault_goes_before_a_wrong_signature_and_has_no_effect():
    async def tell(desk):
        message = desk.message("POST", "/fapi/v1/order", RESTING)
        object.__setattr__(message, "query", message.query[:-1] + b"x")
        assert Reply(await desk.venue(message)).status == 502
        assert desk.orders() == []

    play(story(faulty('{match: "*", reply: {html: cdn-502}, effect: apply}')), tell)


def test_clock_step_moves_what_the_venue_takes_for_the_time():
    async def tell(desk):
        assert desk.stage.shown_ms == T0 - 3000
        reply = await desk.ask("GET", "/fapi/v1/time")
        assert reply.json["serverTime"] == T0 - 3000
        ahead = await desk.place(timestamp=str(T0))
        assert ahead.code == -1021
        assert "ahead" in ahead.json["msg"]
        assert desk.records[0].arrived_ms == T0  # the truth keeps the true time

    play(story("{name: stepped, for: 5m, engine: {clock_step: -3s}}"), tell)


# -- reply and effect -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "status", "told"),
    [
        ("unknown", 503, Told.AMBIGUOUS),
        ("overload", 503, Told.REFUSED),
        ("unavailable", 503, Told.REFUSED),
        ("backend_timeout", 408, Told.AMBIGUOUS),
        ("internal", 503, Told.REFUSED),
        ("order_rejected", 400, Told.REFUSED),
        ("{html: cdn-520}", 520, Told.AMBIGUOUS),
        ("{html: waf-403}", 403, Told.REFUSED),
        ("{http: {status: 500, body: ''}}", 500, Told.AMBIGUOUS),
        ("{http: {status: 451, body: no}}", 451, Told.REFUSED),
        ("{empty: 200}", 200, Told.AMBIGUOUS),
        ("{json: {}}", 200, Told.AMBIGUOUS),
    ],
)
@pytest.mark.parametrize("effect", ["none", "apply"])
def test_reply_says_one_thing_and_the_engine_does_another(reply, status, told, effect):
    async def tell(desk):
        answer = await desk.place("mine")
        assert answer.status == status
        assert len(desk.orders()) == (effect == "apply")
        (record,) = desk.records
        assert record.told is told
        assert record.shown == ()
        assert record.landed is (Landed.YES if effect == "apply" else Landed.NO)
        assert record.rule == "faulty/0"
        assert record.status == status
        assert len(desk.truth.lost("main")) == (effect == "apply")

    play(story(on_create(reply, effect)), tell)


@pytest.mark.parametrize(
    ("reply", "delivery"),
    [
        ("{hang: 30s}", Hang),
        ("{reset: request}", Reset),
        ("{reset: body}", Reset),
        ("refuse", Refuse),
        ("{truncate: 0.5}", Truncate),
        ("{dribble: {over: 45s, then: cut}}", Dribble),
    ],
)
@pytest.mark.parametrize("effect", ["none", "apply"])
def test_answers_that_do_not_arrive_leave_it_open(reply, delivery, effect):
    async def tell(desk):
        answer = await desk.place()
        assert isinstance(answer.plan.delivery, delivery)
        assert len(desk.orders()) == (effect == "apply")
        (record,) = desk.records
        assert (record.told, record.shown) == (Told.AMBIGUOUS, ())

    play(story(on_create(reply, effect)), tell)


def test_half_an_answer_is_half_of_the_true_one():
    async def tell(desk):
        applied = await desk.place()
        assert applied.json["orderId"] == desk.orders()[0].order_id
        assert applied.plan.delivery == Truncate(0.5)
        read = await desk.ask("GET", "/fapi/v1/depth", {"symbol": "BTCUSDT"})
        assert read.json["bids"]

    play(story(faulty('{match: "*", reply: {truncate: 0.5}, effect: apply}')), tell)


def test_an_answer_that_drips_to_its_end_never_claims_what_was_not_done():
    async def tell(desk):
        reply = await desk.place()
        assert reply.plan.delivery == Dribble(45.0, cut=False)
        assert (reply.status, reply.code) == (503, -1008)
        assert desk.orders() == []
        assert desk.records[0].told is Told.REFUSED

    play(story(on_create("{dribble: {over: 45s, then: ok}}", "none")), tell)


def test_mode_is_what_the_engine_makes_of_it():
    async def tell(desk):
        reply = await desk.place()
        assert reply.status == 400
        assert desk.orders() == []
        assert desk.records[0].told is Told.REFUSED

    rule = "{match: orders.create, reply: mode}"
    play(story(faulty(rule, rest=", engine: {mode: cancel_only}")), tell)


def test_apply_after_lands_later_whoever_is_still_there():
    async def tell(desk):
        reply = await desk.place("late", recvWindow="60000")
        assert reply.status == 503
        assert desk.orders() == []
        assert desk.records[0].landed is Landed.LATER
        await desk.advance(39.9)
        assert desk.orders() == []
        await desk.advance(0.2)
        (order,) = desk.orders()
        assert order.created_ms == T0 + 40_000
        assert desk.records[0].order_ids == (order.order_id,)
        assert desk.records[0].landed is Landed.LATER
        (lost,) = desk.truth.lost("main")
        assert lost.client_order_id == "late"

    play(story(on_create("unknown", "{apply_after: 40s}")), tell)


def test_a_queued_order_lands_even_after_its_own_window():
    """recvWindow bounds the hand-over to the engine; the queue that it waits in is behind that."""

    async def tell(desk):
        await desk.place("queued", recvWindow="5000")
        await desk.advance(60)
        (order,) = desk.orders()
        assert order.created_ms == T0 + 40_000

    play(story(on_create("unknown", "{apply_after: 40s}")), tell)


def test_a_queued_cancel_lands_later_too():
    async def tell(desk):
        placed = await desk.place("c")
        asked = {"symbol": "BTCUSDT", "orderId": placed.json["orderId"], "recvWindow": "60000"}
        await desk.ask("DELETE", "/fapi/v1/order", asked)
        assert desk.orders()[0].status.is_open
        await desk.advance(31)
        assert not desk.orders()[0].status.is_open

    rule = "{match: orders.cancel, reply: {hang: 10s}, effect: {apply_after: 30s}}"
    play(story(faulty(rule)), tell)


def test_apply_then_void_is_acknowledged_and_then_gone_without_a_trace():
    async def tell(desk):
        reply = await desk.place("ghost")
        assert reply.status == 200
        assert len(desk.orders()) == 1
        events = []
        desk.engine.listen(events.append, public_trades=False)
        await desk.advance(26)
        assert desk.orders() == []
        assert [e for e in events if isinstance(e, OrderEvent) and not e.silent] == []
        assert desk.records[0].landed is Landed.VOIDED
        asked = await desk.ask(
            "GET", "/fapi/v1/order", {"symbol": "BTCUSDT", "origClientOrderId": "ghost"}
        )
        assert asked.code == -2013
        assert desk.records[-1].told_absent == ("ghost",)

    play(story(on_create("ok", "{apply_then_void: 25s}")), tell)


def test_what_has_filled_cannot_vanish():
    async def tell(desk):
        await desk.place(type="MARKET", price="", timeInForce="")
        await desk.advance(26)
        assert desk.engine.positions("main")["BTCUSDT"].qty == Decimal("0.01")
        assert desk.records[0].landed is Landed.YES

    play(story(on_create("ok", "{apply_then_void: 25s}")), tell)


def test_apply_silently_says_nothing_on_the_user_stream():
    async def tell(desk):
        events = []
        desk.engine.listen(events.append, public_trades=False)
        await desk.place()
        orders = [event for event in events if isinstance(event, OrderEvent)]
        assert len(desk.orders()) == 1
        assert all(event.silent for event in orders)

    play(story(on_create("unknown", "{apply_silently: true}")), tell)


def test_shares_of_applied_requests_are_drawn_from_the_seed():
    landed: list[list[bool]] = []

    async def tell(desk):
        for n in range(60):
            await desk.place(f"n{n}", quantity="0.001", price=f"{30000 + n}")
            await desk.advance(1)
        landed.append([r.landed is Landed.YES for r in desk.records])

    for _ in range(2):
        play(story(on_create("unknown", "{apply: 0.5}")), tell)
    assert landed[0] == landed[1]
    assert 15 < sum(landed[0]) < 45


# -- time in front of the engine ------------------------------------------------------------------

SLOW = faulty("{match: orders.create, latency: {p50: 4s, p99: 4s}}")


def test_latency_is_spent_in_front_of_the_engine():
    async def tell(desk):
        sent = await desk.send("POST", "/fapi/v1/order", RESTING)
        await desk.advance(3.9)
        assert (sent.done(), desk.orders()) == (False, [])
        await desk.advance(0.2)
        reply = Reply(await sent)
        desk.finish(reply)
        (order,) = desk.orders()
        assert order.created_ms == T0 + 4000
        (record,) = desk.records
        assert (record.arrived_ms, record.replied_ms) == (T0, T0 + 4100)

    play(story(SLOW), tell)


def test_client_that_hangs_up_while_waiting_has_sent_its_order_all_the_same():
    async def tell(desk):
        sent = await desk.send("POST", "/fapi/v1/order", RESTING)
        await desk.advance(1)
        sent.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sent
        (record,) = desk.records
        assert (record.told, record.replied_ms) == (Told.AMBIGUOUS, None)
        assert desk.orders() == []
        await desk.advance(3.5)
        (order,) = desk.orders()
        assert record.order_ids == (order.order_id,)
        assert record.shown == ()
        assert [lost.order_id for lost in desk.truth.lost("main")] == [order.order_id]

    play(story(SLOW), tell)


def test_client_that_left_before_the_last_byte_was_not_told():
    async def tell(desk):
        reply = Reply(await desk.venue(desk.message("POST", "/fapi/v1/order", RESTING)))
        desk.finish(reply, client_stays=False)
        (record,) = desk.records
        assert (record.told, record.shown, record.replied_ms) == (Told.AMBIGUOUS, (), None)
        assert record.landed is Landed.YES

    play(story(CALM), tell)


def test_order_that_waited_longer_than_its_window_is_refused_at_the_engine():
    async def tell(desk):
        sent = await desk.send("POST", "/fapi/v1/order", {**RESTING, "recvWindow": "2000"})
        await desk.advance(4.1)
        reply = Reply(await sent)
        assert reply.code == -5028
        assert desk.orders() == []

    play(story(SLOW), tell)


def test_a_run_that_ends_reports_what_is_still_hanging():
    async def tell(desk):
        reply = Reply(await desk.venue(desk.message("POST", "/fapi/v1/order", RESTING)))
        assert isinstance(reply.plan.delivery, Hang)
        assert desk.records == []
        desk.run.close()
        (record,) = desk.records
        assert (record.told, record.replied_ms) == (Told.AMBIGUOUS, None)
        desk.finish(reply)
        assert len(desk.records) == 1  # told once

    play(story(on_create("{hang: 30s}")), tell)


# -- limits ---------------------------------------------------------------------------------------


def limited(count: str, factor: float = 0.01) -> str:
    return f"{{enforce: true, count: {count}, factor: {factor}, ban: {{after_429: 3, first: 2m}}}}"


async def flood(desk, times: int) -> list[int]:
    return [(await desk.ask("GET", "/fapi/v1/time")).status for _ in range(times)]


def test_over_the_limit_is_429_then_a_ban_of_everything():
    async def tell(desk):
        answers = await flood(desk, 30)
        assert answers == [200] * 24 + [429] * 3 + [418] * 3  # 1 % of 2400
        for method, path in (
            ("GET", "/fapi/v1/depth"),
            ("POST", "/fapi/v1/order"),
            ("GET", "/no/such/path"),
        ):
            reply = await desk.ask(method, path, RESTING)
            assert reply.status == 418
            assert int(reply.headers["retry-after"]) <= 120
        assert desk.orders() == []
        assert (await desk.ask("GET", "/fapi/v1/time", ip="10.0.0.9")).status == 200
        await desk.advance(121)
        assert (await desk.ask("GET", "/fapi/v1/time")).status == 200

    play(story(CALM, limits=limited("all")), tell)


def test_limits_decide_before_faults_and_are_recorded_as_such():
    async def tell(desk):
        await flood(desk, 25)
        last = desk.records[-1]
        assert (last.limited, last.rule, last.reply) == ("429", None, "rate_limited")
        assert (last.status, last.told) == (429, Told.REFUSED)
        assert 0 < last.retry_after_s <= 60
        assert {r.reply for r in desk.records[:-1]} == {"unavailable"}

    rule = faulty('{match: "*", reply: unavailable}')
    play(story(rule, limits=limited("all")), tell)


@pytest.mark.parametrize(
    ("count", "reply", "expected"),
    [
        ("all", "overload", 20),
        ("all", "unknown", 20),
        ("admitted", "overload", 0),
        ("admitted", "unavailable", 0),
        ("admitted", "refuse", 0),
        ("admitted", "unknown", 20),
        ("admitted", "internal", 20),
        ("unknown_half", "overload", 0),
        ("unknown_half", "internal", 20),
        ("unknown_half", "ok", 20),
        ("unknown_half", "unknown", None),
    ],
)
def test_which_faults_count_against_the_limits(count, reply, expected):
    async def tell(desk):
        await flood(desk, 20)
        used = desk.venue.limiter.usage("127.0.0.1", None, T0).weight["1M"]
        if expected is None:
            assert 3 < used < 17  # about half, the same in every run of this seed
        else:
            assert used == expected

    rule = faulty(f'{{match: "*", reply: {reply}}}')
    play(story(rule, limits=limited(count, factor=1.0)), tell)


def test_without_enforcement_nothing_is_limited():
    async def tell(desk):
        assert set(await flood(desk, 60)) == {200}

    play(story(CALM, limits="{enforce: false, factor: 0.01}"), tell)


def test_used_weight_is_told_on_every_answer_of_the_venue():
    async def tell(desk):
        for n in range(1, 4):
            reply = await desk.ask("GET", "/fapi/v1/time")
            assert reply.headers["x-mbx-used-weight-1m"] == str(n)
        failed = await desk.ask("POST", "/fapi/v1/order", RESTING)
        assert failed.headers["x-mbx-used-weight-1m"] == "3"

    play(story(on_create("internal")), tell)


# -- who asks for what ----------------------------------------------------------------------------


def test_an_order_against_the_position_reduces_even_without_the_flag():
    async def tell(desk):
        for changes, reduces in (
            ({"side": "SELL", "price": "75000"}, True),
            ({"side": "SELL", "price": "75000", "quantity": "0.500"}, True),
            ({"side": "SELL", "price": "75000", "quantity": "0.501"}, False),
            ({"side": "BUY"}, False),
            ({"side": "SELL", "price": "75000", "quantity": "0.600", "reduceOnly": "true"}, True),
        ):
            await desk.place(**changes)
            assert desk.records[-1].create.reduces is reduces, changes

    play(story(CALM, world=POSITION), tell)


def test_rules_ask_for_the_nth_request_and_for_exits_alone():
    async def tell(desk):
        answers = [(await desk.place(f"o{n}")).status for n in range(4)]
        assert answers == [200, 503, 200, 200]
        exits = {"side": "SELL", "price": "75000", "reduceOnly": "true"}
        assert (await desk.place("exit", **exits)).code == -2022

    rules = (
        "{match: orders.create, where: {nth: 2}, reply: internal}",
        "{match: orders.create, where: {reduces: true}, reply: reduce_rejected}",
    )
    play(story(faulty(*rules), world=POSITION), tell)


def test_a_batch_reduces_when_all_of_it_does():
    async def tell(desk):
        exit_ = {"symbol": "BTCUSDT", "side": "SELL", "type": "MARKET", "quantity": "0.1"}
        entry = {**exit_, "side": "BUY"}
        for orders, reduces in (([exit_, exit_], True), ([exit_, entry], False)):
            batch = {"batchOrders": json.dumps(orders)}
            reply = await desk.ask("POST", "/fapi/v1/batchOrders", batch)
            assert (reply.status == 503) is reduces
            assert all(c.reduces for c in desk.records[-1].batch) is reduces

    rule = "{match: orders.create, where: {reduces: true}, reply: overload}"
    play(story(faulty(rule), world=POSITION), tell)


# -- whatever is sent -----------------------------------------------------------------------------

TEXTS = st.one_of(
    st.sampled_from(["BTCUSDT", "BUY", "LIMIT", "0.01", "60000", "true", "-1", "1e400", "NaN", ""]),
    st.text(max_size=12),
)


@settings(max_examples=150, deadline=None)
@given(
    route=st.sampled_from(ROUTES),
    params=st.dictionaries(
        st.sampled_from(
            [
                "symbol",
                "side",
                "type",
                "quantity",
                "price",
                "timeInForce",
                "stopPrice",
                "limit",
                "orderId",
                "orderIdList",
                "origClientOrderId",
                "newClientOrderId",
                "startTime",
                "endTime",
                "recvWindow",
                "timestamp",
                "fromId",
                "reduceOnly",
                "closePosition",
                "batchOrders",
                "countdownTime",
                "interval",
                "leverage",
                "listenKey",
            ]
        ),
        TEXTS,
        max_size=7,
    ),
    junk=st.binary(max_size=20),
)
def test_any_request_gets_an_answer_of_the_venue(route, params, junk):
    """Signed rightly or not, sense or nonsense: an answer in the venue's shape, never an error."""

    async def tell(desk):
        message = desk.message(route.method, route.path, params)
        for query in (message.query, message.query + junk):
            sent = replace(message, query=query, body=junk if route.method != "GET" else b"")
            reply = Reply(await desk.venue(sent))
            desk.finish(reply)
            assert reply.status in (200, 400, 401, 404, 429)
            json.loads(reply.plan.answer.body)

    play(story(CALM), tell)


def test_willingness_to_take_an_exit_is_told_to_the_truth_as_it_changes():
    async def tell(desk):
        willing = desk.truth.conditions.willingness("main")
        assert willing.at(T0, None) is False
        await desk.advance(601)
        assert willing.at(T0 + 599_999, None) is False
        assert willing.at(T0 + 600_000, None) is True

    rule = faulty("{match: orders.create, where: {reduces: true}, reply: reduce_rejected}")
    play(story(f"{rule}\n{CALM}", world=POSITION), tell)


# -- the dead man's switch ------------------------------------------------------------------------


def test_dead_mans_switch_cancels_in_venue_time():
    async def tell(desk):
        await desk.place()
        countdown = {"symbol": "BTCUSDT", "countdownTime": "5000"}
        assert (await desk.ask("POST", "/fapi/v1/countdownCancelAll", countdown)).status == 200
        await desk.advance(4)
        assert (await desk.ask("POST", "/fapi/v1/countdownCancelAll", countdown)).status == 200
        await desk.advance(4)
        assert desk.orders()[0].status.is_open
        await desk.advance(1.5)
        assert not desk.orders()[0].status.is_open

    play(story(CALM), tell)
