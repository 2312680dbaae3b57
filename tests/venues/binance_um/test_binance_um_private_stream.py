"""The user data stream of USD-M futures, read event by event."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import settings as modest
from hypothesis import strategies as st
from um_samples import BTC, DATA, INSTRUMENTS

from outlast.errors import Failure
from outlast.model import OrderStatus, OrderType, Side, Source
from outlast.private_wire import (
    AccountMoved,
    BalanceTold,
    FillTold,
    Moved,
    OrderTold,
    OrderTouched,
    PositionTold,
    StreamEnding,
    Ticket,
    Unrecognised,
)
from outlast.venues.binance_um import private_stream as stream
from outlast.wire import Auth, Lane, WireReply

AT = 1_568_879_465_650

# Fields of the documented sample (Binance USD-M futures docs, Event Order Update).
ORDER = {
    "s": "BTCUSDT",
    "c": "ol-1",
    "S": "SELL",
    "o": "LIMIT",
    "f": "GTC",
    "q": "0.010",
    "p": "9910",
    "ap": "0",
    "sp": "0",
    "x": "NEW",
    "X": "NEW",
    "i": 8886774,
    "l": "0",
    "z": "0",
    "L": "0",
    "N": "USDT",
    "n": "0",
    "T": AT,
    "t": 0,
    "m": False,
    "R": True,
    "ot": "LIMIT",
    "rp": "0",
    "er": "0",
}
TRADE = {
    **ORDER,
    "x": "TRADE",
    "X": "PARTIALLY_FILLED",
    "l": "0.004",
    "z": "0.004",
    "L": "9911.5",
    "ap": "9911.5",
    "n": "0.0158",
    "t": 77,
    "m": True,
    "rp": "1.5",
}


def read(event):
    return stream.reader(INSTRUMENTS).read(json.dumps(event).encode())


def order_event(**changes):
    return {"e": "ORDER_TRADE_UPDATE", "E": AT + 1, "T": AT, "o": {**ORDER, **changes}}


def test_a_new_order_is_told_whole():
    [told] = read(order_event())
    assert isinstance(told, OrderTold)
    report = told.report
    assert (report.client_order_id, report.venue_order_id) == ("ol-1", "8886774")
    assert (report.symbol, report.side, report.order_type) == (
        BTC.symbol,
        Side.SELL,
        OrderType.LIMIT,
    )
    assert (report.status, report.source) == (OrderStatus.ACCEPTED, Source.STREAM)
    assert (report.qty, report.price) == (Decimal("0.010"), Decimal(9910))
    assert report.reduce_only
    assert report.created_ms == report.updated_ms == AT


def test_a_fill_comes_with_its_execution_first():
    fill, after = read({"e": "ORDER_TRADE_UPDATE", "E": AT, "T": AT, "o": TRADE})
    assert isinstance(fill, FillTold)
    execution = fill.execution
    assert (execution.execution_id, execution.venue_order_id) == ("77", "8886774")
    assert (execution.price, execution.qty) == (Decimal("9911.5"), Decimal("0.004"))
    assert (execution.fee, execution.fee_currency) == (Decimal("0.0158"), "USDT")
    assert execution.is_maker
    assert execution.realised_pnl == Decimal("1.5")
    assert after.report.status is OrderStatus.PARTIALLY_FILLED
    assert after.report.filled_qty == Decimal("0.004")
    assert after.report.created_ms is None


def test_the_light_twin_of_a_fill_is_left_alone():
    assert read({"e": "TRADE_LITE", "E": AT, "T": AT, "s": "BTCUSDT", "t": 77}) == ()


def test_a_conditional_order_that_was_triggered_is_not_told_as_ended():
    assert read(order_event(x="EXPIRED", X="EXPIRED", er="8")) == ()


@pytest.mark.parametrize("name", ["autoclose-1", "adl_autoclose", "settlement_autoclose-1"])
def test_the_venues_own_orders_are_told_as_liquidations(name):
    news = read(order_event(c=name))
    assert [n.kind for n in news if isinstance(n, AccountMoved)] == [Moved.LIQUIDATION]


ALGO = {
    "caid": "ol-2",
    "aid": 2148719,
    "at": "CONDITIONAL",
    "o": "STOP_MARKET",
    "s": "BTCUSDT",
    "S": "SELL",
    "ps": "BOTH",
    "f": "GTC",
    "q": "0.01",
    "X": "NEW",
    "ai": "",
    "ap": "0.00000",
    "aq": "0.00000",
    "act": "0",
    "tp": "750",
    "p": "0",
    "R": False,
}


def algo(**changes):
    return read({"e": "ALGO_UPDATE", "T": AT, "E": AT, "o": {**ALGO, **changes}})


def test_a_conditional_order_is_told_by_its_own_service():
    [told] = algo()
    assert told.report.client_order_id == "ol-2"
    assert told.report.status is OrderStatus.ACCEPTED
    assert told.report.stop_price == Decimal(750)
    [told] = algo(X="FINISHED", aq="0.01", ap="740", ai="991")
    assert told.report.status is OrderStatus.FILLED
    assert (told.report.venue_order_id, told.report.avg_price) == ("991", Decimal(740))
    [told] = algo(X="CANCELED", rm="Reduce Only reject")
    assert (told.report.status, told.report.reason) == (
        OrderStatus.CANCELED,
        "Reduce Only reject",
    )


def test_a_conditional_order_that_is_done_and_not_how_is_a_question():
    assert algo(X="FINISHED", aq="", ai="991") == (OrderTouched("991", BTC.symbol),)


def account(**changes):
    body = {
        "m": "ORDER",
        "B": [{"a": "USDT", "wb": "122624.12", "cw": "100", "bc": "0"}],
        "P": [
            {"s": "BTCUSDT", "pa": "-0.5", "ep": "6563.6", "bep": "0", "cr": "0", "up": "2850.2"}
        ],
    }
    return read({"e": "ACCOUNT_UPDATE", "E": AT, "T": AT, "a": {**body, **changes}})


def test_wallets_and_positions_after_a_fill():
    balance, position = account()
    assert balance == BalanceTold(
        currency="USDT", total=Decimal("122624.12"), locked=None, at_ms=AT, cause="ORDER"
    )
    assert isinstance(position, PositionTold)
    assert (position.symbol, position.qty) == (BTC.symbol, Decimal("-0.5"))


@pytest.mark.parametrize(
    ("cause", "kind"),
    [
        ("FUNDING_FEE", Moved.FUNDING),
        ("DEPOSIT", Moved.TRANSFER),
        ("MARGIN_TRANSFER", Moved.TRANSFER),
        ("INSURANCE_CLEAR", Moved.OTHER),
    ],
)
def test_what_no_order_explains_is_told_with_its_amount(cause, kind):
    wallets = [{"a": "USDT", "wb": "99", "cw": "99", "bc": "-1.5"}]
    news = account(m=cause, B=wallets, P=[], S="BTCUSDT")
    [moved] = [n for n in news if isinstance(n, AccountMoved)]
    assert (moved.kind, moved.amount, moved.currency) == (kind, Decimal("-1.5"), "USDT")
    assert moved.symbol == BTC.symbol


def test_the_end_of_the_key_is_the_end_of_the_stream():
    [ending] = read({"e": "listenKeyExpired", "E": str(AT), "listenKey": "abc"})
    assert ending == StreamEnding("the listen key has run out", ticket_is_dead=True)


def test_margin_calls_settings_and_failed_triggers():
    [call] = read({"e": "MARGIN_CALL", "E": AT, "p": [{"s": "BTCUSDT", "ps": "LONG"}]})
    assert (call.kind, call.symbol) == (Moved.MARGIN_CALL, BTC.symbol)
    [changed] = read({"e": "ACCOUNT_CONFIG_UPDATE", "E": AT, "ac": {"s": "BTCUSDT", "l": 25}})
    assert (changed.kind, changed.symbol) == (Moved.SETTINGS, BTC.symbol)
    rejected = {"s": "BTCUSDT", "i": 155618472834, "r": "rejected"}
    [touched] = read({"e": "CONDITIONAL_ORDER_TRIGGER_REJECT", "E": AT, "or": rejected})
    assert touched == OrderTouched("155618472834", BTC.symbol)


def test_an_event_that_nobody_has_listed_is_told():
    assert isinstance(read({"e": "SOMETHING_NEW", "E": AT})[0], Unrecognised)


@pytest.mark.parametrize("name", ["OrderUpdate", "AccountUpdate", "AlgoOrderUpdate"])
def test_the_documented_examples_are_read(name):
    text = (DATA / f"binance.net/UsdFutures/Streams/{name}.txt").read_text("utf-8")
    example = json.loads(text[text.index("\n=") + 2 :])["data"]
    news = read(example)
    assert news
    assert not any(isinstance(item, Unrecognised) for item in news)


def test_the_listen_key_is_asked_for_with_the_key_alone_and_kept():
    ask, keep = stream.ask_ticket(), stream.keep_ticket(Ticket(text="k" * 64, good_for_s=3600.0))
    assert (ask.method, keep.method, ask.path) == ("POST", "PUT", keep.path)
    assert ask.auth is keep.auth is Auth.KEY
    assert ask.lane is Lane.RECONCILE
    body = json.dumps({"listenKey": "A1" * 32}).encode()
    reply = WireReply(status=200, headers={}, body=body, sent_at=0.0, received_at=0.1)
    ticket = stream.read_ticket(ask, reply)
    assert ticket == Ticket(text="A1" * 32, good_for_s=3600.0)
    assert stream.private_url("wss://host", ticket) == "wss://host/private/ws/" + "A1" * 32
    gone = b'{"code":-1125,"msg":"This listenKey does not exist."}'
    reply = WireReply(status=400, headers={}, body=gone, sent_at=0.0, received_at=0.1)
    assert isinstance(stream.read_ticket(keep, reply), Failure)


def test_a_key_that_could_change_the_address_is_refused():
    body = b'{"listenKey":"../../x"}'
    reply = WireReply(status=200, headers={}, body=body, sent_at=0.0, received_at=0.1)
    assert isinstance(stream.read_ticket(stream.ask_ticket(), reply), Failure)


@modest(max_examples=150, deadline=None)
@given(st.binary(max_size=200))
def test_garbage_is_told_and_never_raises(body):
    assert all(isinstance(n, Unrecognised) for n in stream.reader(INSTRUMENTS).read(body))


_VALUES = st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.floats()


@modest(max_examples=200, deadline=None)
@given(st.sampled_from([ORDER, TRADE]), st.data())
def test_an_event_with_one_field_of_another_kind_never_raises(order, data):
    name = data.draw(st.sampled_from(sorted(order)))
    changed = {**order, name: data.draw(_VALUES)}
    read({"e": "ORDER_TRADE_UPDATE", "E": AT, "T": AT, "o": changed})
