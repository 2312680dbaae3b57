"""Account and market data: nothing dropped, nothing rounded, nothing guessed."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from spot_samples import (
    BALANCES,
    BOOK,
    BTC,
    DATA,
    EXECUTION,
    EXECUTIONS,
    INSTRUMENTS,
    MARK_PRICE,
    NOW_MS,
    OPEN_ORDERS,
    PROBE,
    RECORDED,
    TIME,
    error,
    recorded,
    reply,
)

from outlast.errors import Failure, Outcome, Remedy
from outlast.model import Balance, Execution, Side, Source
from outlast.venues import binance_spot as spot
from outlast.wire import Cost

DAY_MS = 24 * 3600 * 1000


def is_unreadable(found):
    return (
        isinstance(found, Failure)
        and found.kind == "hollow_answer"
        and (found.outcome, found.remedy) == (Outcome.REFUSED, Remedy.RETRY)
    )


# Balances.


def balances(body):
    return spot.read_balances(BALANCES, reply(200, body), as_of=5.0)


def test_a_balance_is_what_is_free_and_what_open_orders_hold():
    row = {"asset": "BTC", "free": "1.50000000", "locked": "0.25000000"}
    assert balances({"updateTime": 7, "balances": [row]}) == [
        Balance(
            currency="BTC",
            total=Decimal("1.75"),
            free=Decimal("1.5"),
            locked=Decimal("0.25"),
            as_of=5.0,
            source=Source.REST,
            venue_time_ms=7,
        )
    ]


def test_an_account_that_holds_nothing_has_no_balances():
    assert balances({"balances": []}) == []


@pytest.mark.parametrize(
    "body",
    [
        {"balances": [{"asset": "BTC", "free": "1"}]},
        {"balances": [{"asset": "BTC", "free": "NaN", "locked": "0"}]},
        {"balances": None},
        {"balances": {}},
    ],
)
def test_one_unreadable_balance_makes_all_of_them_unreadable(body):
    """Leaving it out would say that nothing is held of it."""
    assert is_unreadable(balances(body))


@pytest.mark.parametrize(
    ("account", "count"),
    [
        pytest.param(json.loads(recorded("Account/GetAccountInfo")), 2, id="binance.net"),
        pytest.param(RECORDED["account"], 170, id="gocryptotrader"),
    ],
)
def test_recorded_accounts_decode(account, count):
    found = balances(account)
    assert [(b.currency, f"{b.free:f}", f"{b.locked:f}") for b in found] == [
        (row["asset"], row["free"], row["locked"]) for row in account["balances"]
    ]
    assert len(found) == count
    assert {b.venue_time_ms for b in found} == {account["updateTime"]}


# Executions.


def executions(rows, request=EXECUTIONS):
    return spot.read_executions(request, reply(200, rows), INSTRUMENTS)


def test_an_execution():
    assert executions([EXECUTION]) == [
        Execution(
            symbol="BTC/USDT",
            execution_id="28457",
            venue_order_id="28",
            side=Side.BUY,
            price=Decimal("4.00000100"),
            qty=Decimal("12.00000000"),
            fee=Decimal("10.10000000"),
            fee_currency="BNB",
            is_maker=False,
            venue_time_ms=1499865549590,
        )
    ]
    (sold,) = executions([EXECUTION | {"isBuyer": False, "isMaker": True}])
    assert (sold.side, sold.is_maker) == (Side.SELL, True)


def test_recorded_executions_decode():
    (found,) = executions(recorded("Trading/GetUserTrades"))
    (row,) = json.loads(recorded("Trading/GetUserTrades"))
    assert [str(found.price), str(found.qty), str(found.fee)] == [
        row["price"],
        row["qty"],
        row["commission"],
    ]
    assert found.symbol == "BNBBTC"


@pytest.mark.parametrize(
    "changes",
    [
        {"isBuyer": "B"},
        {"qty": "0"},
        {"qty": "-1"},
        {"price": "-1"},
        {"price": "NaN"},
        {"id": None},
        {"commissionAsset": None},
    ],
)
def test_an_execution_that_cannot_be_is_unreadable(changes):
    assert is_unreadable(executions([EXECUTION | changes]))


# Pages of executions. EXECUTIONS asks for those since NOW_MS.


def page(request, rows, *, later_ms):
    return spot.next_page(request, reply(200, rows), now_ms=NOW_MS + later_ms)


def rows_from(first_id, count):
    return [EXECUTION | {"id": first_id + n} for n in range(count)]


@pytest.mark.parametrize("rows", [[], rows_from(7, 1), rows_from(7, 999)])
def test_a_page_that_is_not_full_and_less_than_a_day_old_is_the_last(rows):
    assert page(EXECUTIONS, rows, later_ms=DAY_MS - 1) is None


def test_after_a_full_page_it_goes_on_by_id():
    found = page(EXECUTIONS, rows_from(7, 1000), later_ms=0)
    assert found.params == (("symbol", "BTCUSDT"), ("limit", "1000"), ("fromId", "1007"))
    further = page(found, rows_from(1007, 1000), later_ms=0)
    assert dict(further.params)["fromId"] == "2007"
    assert page(further, rows_from(2007, 3), later_ms=9 * DAY_MS) is None
    assert page(further, [], later_ms=9 * DAY_MS) is None


def test_the_order_of_rows_does_not_matter():
    found = page(EXECUTIONS, list(reversed(rows_from(7, 1000))), later_ms=0)
    assert dict(found.params)["fromId"] == "1007"


def test_what_happened_after_the_first_day_is_asked_for_by_id():
    """One answer covers 24 hours from the time asked for; ids are not bound to that."""
    found = page(EXECUTIONS, rows_from(7, 2), later_ms=DAY_MS)
    assert dict(found.params) == {"symbol": "BTCUSDT", "limit": "1000", "fromId": "9"}


def test_days_without_an_execution_are_walked_through():
    request, asked = EXECUTIONS, []
    while (request := page(request, [], later_ms=3 * DAY_MS + 5)) is not None:
        asked.append(int(dict(request.params)["startTime"]) - NOW_MS)
        assert "fromId" not in dict(request.params)
    assert asked == [DAY_MS, 2 * DAY_MS, 3 * DAY_MS]


def test_a_full_page_of_one_order_goes_on_within_that_order():
    of_one = spot.query_executions(BTC, since_ms=None, venue_order_id="28")
    found = page(of_one, rows_from(7, 1000), later_ms=0)
    assert dict(found.params) == {
        "symbol": "BTCUSDT",
        "orderId": "28",
        "limit": "1000",
        "fromId": "1007",
    }
    assert found.costs == (Cost("weight_1m", 5), Cost("requests_5m", 1))
    assert page(of_one, rows_from(7, 10), later_ms=9 * DAY_MS) is None


def test_a_failed_page_has_no_next_one():
    """It is asked again, not skipped."""
    for answer in (error(-1000, "", 500), reply(200, b""), reply(200, [{}])):
        assert spot.next_page(EXECUTIONS, answer, now_ms=NOW_MS + 9 * DAY_MS) is None


# Positions.


def test_there_are_no_positions_to_read():
    with pytest.raises(AssertionError, match="read its balances"):
        spot.read_positions(OPEN_ORDERS, reply(200, []), INSTRUMENTS, as_of=5.0)


# Market data.


def book(body):
    return spot.read_book(BOOK, reply(200, body))


def as_texts(levels):
    return [[str(level.price), str(level.qty)] for level in levels]


def test_a_recorded_book_decodes_without_loss():
    bids, asks = book(RECORDED["depth"])
    assert as_texts(bids) == RECORDED["depth"]["bids"]
    assert as_texts(asks) == RECORDED["depth"]["asks"]
    assert bids[0].price < asks[0].price
    assert len(bids) > 10


@pytest.mark.parametrize(
    "side",
    [
        [["0", "1"]],
        [["-1", "1"]],
        [["1", "-1"]],
        [["NaN", "1"]],
        [["1", "Infinity"]],
        [["1", "1e999999"]],
        [["1"]],
        [["1", "1", "1"]],
        ["1"],
        None,
    ],
)
def test_a_book_with_a_level_that_cannot_be_is_unreadable(side):
    for body in ({"bids": side, "asks": []}, {"bids": [], "asks": side}):
        assert is_unreadable(book({"lastUpdateId": 1} | body))


def test_a_book_without_its_sides_is_unreadable():
    assert is_unreadable(book({"lastUpdateId": 1}))


def mark_price(body):
    return spot.read_mark_price(MARK_PRICE, reply(200, body))


def test_the_middle_of_bid_and_ask_stands_for_the_mark_price():
    assert str(mark_price(recorded("ExchangeData/GetBookPrice"))) == "4.00000100"
    in_full = json.loads((DATA / "gocryptotrader" / "binance_api_v3.json").read_text())
    assert mark_price(in_full["/api/v3/ticker/bookTicker"]) == Decimal("6621.825")


@pytest.mark.parametrize(
    ("bid", "ask"),
    [("0.00000000", "5"), ("4", "0.00000000"), ("5", "4"), ("-4", "5"), ("NaN", "5"), ("4", None)],
)
def test_a_book_with_an_empty_side_has_no_middle(bid, ask):
    assert is_unreadable(mark_price({"symbol": "BTCUSDT", "bidPrice": bid, "askPrice": ask}))


def test_the_venues_time():
    answer = reply(200, recorded("ExchangeData/GetServerTime"))
    assert spot.read_time(TIME, answer) == 1499827319559
    assert spot.read_time(PROBE, reply(200, {"serverTime": 1620099477465})) == 1620099477465
    assert is_unreadable(spot.read_time(TIME, reply(200, {"serverTime": "soon"})))
