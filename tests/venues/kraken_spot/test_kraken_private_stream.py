"""The private channels: pieces put together, nothing told twice, gaps noticed."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import settings as modest
from hypothesis import strategies as st
from kraken_samples import BTC, ID, INSTRUMENTS, NOW_MS, TXID

from outlast.errors import Remedy
from outlast.model import OrderStatus, OrderType, Side, Source, TimeInForce
from outlast.private_wire import (
    AccountMoved,
    AmountsShown,
    BalanceTold,
    FillsTold,
    FillTold,
    Moved,
    OpenOrdersTold,
    OrderTold,
    OrderTouched,
    StreamEnding,
    SubscribeAnswered,
    Ticket,
    Unrecognised,
)
from outlast.venues.kraken_spot import _frames as frames
from outlast.venues.kraken_spot import private_stream as stream
from outlast.wire import WireReply

TICKET = Ticket(text="secret-token", good_for_s=900.0)
AT = "2023-09-22T10:33:05.709950Z"
AT_MS = 1_695_378_785_709

# Shapes of the documented example of one order's life (Kraken docs, channel executions).
PENDING = {
    "order_id": TXID,
    "cl_ord_id": ID,
    "symbol": "BTC/USD",
    "order_qty": 0.005,
    "cum_cost": 0.0,
    "time_in_force": "GTC",
    "exec_type": "pending_new",
    "side": "sell",
    "order_type": "limit",
    "limit_price_type": "static",
    "limit_price": 26500.0,
    "stop_price": 0.0,
    "order_status": "pending_new",
    "timestamp": AT,
}
NEW = {"timestamp": AT, "order_status": "new", "exec_type": "new", "order_id": TXID}
TRADE = {
    "order_id": TXID,
    "exec_id": "TGBB7L-HT5LX-J3BZ4A",
    "exec_type": "trade",
    "trade_id": 62887576,
    "symbol": "BTC/USD",
    "side": "sell",
    "last_qty": 0.005,
    "last_price": 26599.9,
    "liquidity_ind": "t",
    "cost": 132.9995,
    "order_type": "limit",
    "timestamp": AT,
    "order_status": "partially_filled",
    "cum_qty": 0.005,
    "cum_cost": 132.9995,
    "avg_price": 26599.9,
    "fees": [{"asset": "USD", "qty": 0.3458}],
}
FILLED = {"timestamp": AT, "order_status": "filled", "exec_type": "filled", "order_id": TXID}


def message(rows, sequence, kind="update", channel="executions"):
    body = {"channel": channel, "type": kind, "data": rows, "sequence": sequence}
    return json.dumps(body).encode()


def begun():
    """A reader that has had its snapshots, both empty."""
    reader = stream.reader(INSTRUMENTS)
    reader.read(message([], 1, "snapshot"))
    return reader


def test_one_order_told_in_pieces_is_reported_whole():
    reader = begun()
    assert reader.read(message([PENDING], 2)) == []  # on its way: not in the book yet
    [placed] = reader.read(message([NEW], 3))
    assert isinstance(placed, OrderTold)
    report = placed.report
    assert (report.client_order_id, report.venue_order_id) == (ID, TXID)
    assert (report.symbol, report.side) == (BTC.symbol, Side.SELL)
    assert (report.order_type, report.time_in_force) == (OrderType.LIMIT, TimeInForce.GTC)
    assert (report.qty, report.price) == (Decimal("0.005"), Decimal("26500.0"))
    assert (report.status, report.source) == (OrderStatus.ACCEPTED, Source.STREAM)
    assert report.created_ms == AT_MS
    fill, after = reader.read(message([TRADE], 4))
    assert isinstance(fill, FillTold)
    assert fill.execution.client_order_id == ID
    assert fill.execution.execution_id == "TGBB7L-HT5LX-J3BZ4A"
    assert (fill.execution.fee, fill.execution.fee_currency) == (Decimal("0.3458"), "USD")
    assert fill.execution.venue_time_ms == AT_MS
    assert not fill.execution.is_maker
    assert after.report.filled_qty == Decimal("0.005")
    [done] = reader.read(message([FILLED], 5))
    assert done.report.status is OrderStatus.FILLED
    assert done.report.avg_price == Decimal("26599.9")


def test_a_snapshot_lists_open_orders_and_the_latest_fills():
    reader = stream.reader(INSTRUMENTS)
    resting = {**PENDING, "exec_type": "new", "order_status": "new"}
    fills, orders = reader.read(message([TRADE, resting], 1, "snapshot"))
    assert isinstance(fills, FillsTold)
    assert [e.execution_id for e in fills.executions] == [TRADE["exec_id"]]
    assert fills.complete_since_ms is None
    assert isinstance(orders, OpenOrdersTold)
    assert [r.client_order_id for r in orders.reports] == [ID]


def test_fifty_fills_are_complete_from_the_oldest_of_them_on():
    reader = stream.reader(INSTRUMENTS)
    rows = [{**TRADE, "exec_id": f"T{n:05}-AAAAA-BBBBBB"} for n in range(50)]
    fills, _ = reader.read(message(rows, 1, "snapshot"))
    assert fills.complete_since_ms == AT_MS


def test_news_of_an_order_whose_terms_were_never_told_is_a_question():
    [touched] = begun().read(message([NEW], 2))
    assert touched == OrderTouched(TXID, None)


@pytest.mark.parametrize(("sequences", "ends"), [((2, 4), True), ((2, 3), False), ((3,), True)])
def test_a_gap_in_the_numbers_ends_the_trust_in_the_connection(sequences, ends):
    reader = begun()
    news = [item for n in sequences for item in reader.read(message([PENDING], n))]
    assert any(isinstance(item, StreamEnding) for item in news) == ends


def test_without_a_snapshot_the_first_number_is_one():
    reader = stream.reader(INSTRUMENTS)
    assert isinstance(reader.read(message([PENDING], 7))[0], StreamEnding)


def test_a_message_that_comes_again_says_nothing():
    reader = begun()
    reader.read(message([PENDING], 2))
    assert len(reader.read(message([NEW], 3))) == 1
    assert reader.read(message([NEW], 3)) == ()


def test_a_row_that_cannot_be_read_is_told_and_ends_the_connection():
    unread, ending = begun().read(message([{**TRADE, "last_qty": "?"}], 2))
    assert isinstance(unread, Unrecognised)
    assert isinstance(ending, StreamEnding)


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("canceled", OrderStatus.CANCELED),
        ("expired", OrderStatus.EXPIRED),
        ("partially_filled", OrderStatus.PARTIALLY_FILLED),
    ],
)
def test_each_end_has_its_status(word, status):
    reader = begun()
    reader.read(message([PENDING], 2))
    row = {**NEW, "exec_type": word, "order_status": word, "reason": "User requested"}
    [told] = reader.read(message([row], 3))
    assert (told.report.status, told.report.reason) == (status, "User requested")


def test_a_cancel_of_what_was_filled_already_is_a_fill():
    reader = begun()
    reader.read(message([PENDING], 2))
    reader.read(message([TRADE], 3))
    row = {**NEW, "exec_type": "canceled", "order_status": "canceled"}
    [told] = reader.read(message([row], 4))
    assert told.report.status is OrderStatus.FILLED


def test_a_status_that_is_new_may_be_live_and_is_named():
    reader = begun()
    reader.read(message([PENDING], 2))
    [told] = reader.read(message([{**NEW, "order_status": "sleeping"}], 3))
    assert told.report.status is OrderStatus.ACCEPTED
    assert told.report.unrecognised == ("order_status=sleeping",)


def test_balances_are_totals_of_the_spot_wallet():
    reader = stream.reader(INSTRUMENTS)
    held = {
        "asset": "BTC",
        "balance": 1.2,
        "wallets": [
            {"type": "spot", "id": "main", "balance": 1.0},
            {"type": "earn", "id": "flex", "balance": 0.2},
        ],
    }
    told, shown = reader.read(message([held], 1, "snapshot", "balances"))
    assert shown == AmountsShown()
    assert told == BalanceTold(currency="BTC", total=Decimal("1.0"), locked=None, at_ms=None)
    traded = {
        "asset": "BTC",
        "type": "trade",
        "wallet_type": "spot",
        "amount": -0.005,
        "balance": 0.995,
        "timestamp": AT,
    }
    [told] = reader.read(message([traded], 2, channel="balances"))
    assert (told.total, told.at_ms, told.cause) == (Decimal("0.995"), AT_MS, "trade")


def test_an_account_that_holds_nothing_is_shown_all_the_same():
    reader = stream.reader(INSTRUMENTS)
    assert reader.read(message([], 1, "snapshot", "balances")) == [AmountsShown()]


@pytest.mark.parametrize(("word", "kind"), [("deposit", Moved.TRANSFER), ("staking", Moved.OTHER)])
def test_what_no_order_explains_is_told_as_such(word, kind):
    reader = stream.reader(INSTRUMENTS)
    reader.read(message([], 1, "snapshot", "balances"))
    row = {"asset": "USD", "type": word, "amount": 10, "balance": 110, "timestamp": AT}
    balance, moved = reader.read(message([row], 2, channel="balances"))
    assert isinstance(balance, BalanceTold)
    assert isinstance(moved, AccountMoved)
    assert (moved.kind, moved.amount) == (kind, Decimal(10))


@pytest.mark.parametrize("text", ["heartbeat", "status"])
def test_signs_of_life_are_no_news(text):
    assert begun().read(json.dumps({"channel": text}).encode()) == ()


def test_pongs_are_no_news():
    assert begun().read(b'{"method":"pong","req_id":0}') == ()


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        ("", None),
        ("ESession:Invalid session", Remedy.RETRY),
        ("EAPI:Invalid token", Remedy.RETRY),
        ("EGeneral:Permission denied", Remedy.GIVE_UP),
        ("Exceeded msg rate", Remedy.WAIT_BAN),
    ],
)
def test_the_answer_to_a_subscription_says_what_to_do(error, remedy):
    body = {"method": "subscribe", "req_id": 1, "success": not error}
    if error:
        body["error"] = error
    [answer] = begun().read(json.dumps(body).encode())
    assert isinstance(answer, SubscribeAnswered)
    assert (answer.number, answer.remedy) == (1, remedy)


def test_an_answer_without_a_clear_yes_is_a_no():
    [answer] = begun().read(b'{"method":"subscribe","req_id":1}')
    assert answer.remedy is Remedy.RETRY


def test_both_channels_are_asked_for_with_their_snapshots():
    hellos = stream.hello(
        key="k", secret="s", ticket=TICKET, timestamp_ms=NOW_MS, valid_for_ms=5000
    )
    said = [json.loads(hello.text) for hello in hellos]
    assert [s["params"]["channel"] for s in said] == ["executions", "balances"]
    assert [s["req_id"] for s in said] == [hello.number for hello in hellos]
    assert said[0]["params"]["snap_orders"]
    assert said[0]["params"]["snap_trades"]
    assert all(s["params"]["token"] == TICKET.text for s in said)
    assert TICKET.text not in repr(hellos)
    assert TICKET.text not in repr(TICKET)


def test_a_token_is_read_with_its_time():
    request = stream.ask_ticket()
    body = b'{"error":[],"result":{"token":"abc","expires":900}}'
    reply = WireReply(status=200, headers={}, body=body, sent_at=0.0, received_at=0.1)
    assert stream.read_ticket(request, reply) == Ticket(text="abc", good_for_s=900.0)
    assert stream.private_url("wss://ws-auth.kraken.com", TICKET).endswith("/v2")


def test_instants_are_whole_milliseconds_rounded_down():
    assert frames.rfc3339(AT_MS) == "2023-09-22T10:33:05.709Z"


@modest(max_examples=150, deadline=None)
@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_garbage_is_told_and_never_raises(body):
    news = stream.reader(INSTRUMENTS).read(body)
    assert all(isinstance(item, Unrecognised | StreamEnding) for item in news)


_VALUES = st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.floats()


@modest(max_examples=150, deadline=None)
@given(st.sampled_from([PENDING, NEW, TRADE, FILLED]), st.data())
def test_a_row_with_one_field_of_another_kind_never_raises(row, data):
    name = data.draw(st.sampled_from(sorted(row)))
    changed = {**row, name: data.draw(_VALUES)}
    begun().read(json.dumps({"channel": "executions", "data": [changed], "sequence": 2}).encode())
