"""Account and market data: nothing dropped, nothing rounded, nothing guessed."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from um_samples import (
    BALANCES,
    BOOK,
    BTC,
    DATA,
    EXECUTION,
    EXECUTIONS,
    INSTRUMENTS,
    MARK_PRICE,
    POSITIONS,
    PROBE,
    TIME,
    recorded,
    reply,
)

from outlast.errors import Failure, Outcome, Remedy
from outlast.model import Execution, Position, Side, Source
from outlast.venues import binance_um as um

POSITION = {
    "symbol": "BTCUSDT",
    "positionSide": "BOTH",
    "positionAmt": "-0.030",
    "entryPrice": "0.385",
    "markPrice": "0.41047590",
    "unRealizedProfit": "-0.76427700",
    "updateTime": 1720736417660,
}


def positions(rows):
    return um.read_positions(POSITIONS, reply(200, rows), INSTRUMENTS, as_of=5.0)


def is_unreadable(found):
    return (
        isinstance(found, Failure)
        and found.kind == "hollow_answer"
        and (found.outcome, found.remedy) == (Outcome.REFUSED, Remedy.RETRY)
    )


# Positions.


def test_a_position():
    assert positions([POSITION]) == [
        Position(
            symbol="BTC/USDT:USDT",
            qty=Decimal("-0.030"),
            entry_price=Decimal("0.385"),
            mark_price=Decimal("0.41047590"),
            unrealised_pnl=Decimal("-0.76427700"),
            as_of=5.0,
            source=Source.REST,
            venue_time_ms=1720736417660,
        )
    ]


@pytest.mark.parametrize("zero", ["0", "0.000", "-0.0", 0])
def test_rows_without_a_position_are_left_out(zero):
    assert positions([POSITION | {"positionAmt": zero}, POSITION])[0].qty == Decimal("-0.030")
    assert len(positions([POSITION | {"positionAmt": zero}])) == 0


def test_a_position_in_an_unlisted_symbol_is_not_lost():
    assert positions([POSITION | {"symbol": "GONEUSDT"}])[0].symbol == "GONEUSDT"


def test_instruments_may_be_keyed_by_the_venues_names():
    found = um.read_positions(POSITIONS, reply(200, [POSITION]), {"BTCUSDT": BTC}, as_of=5.0)
    assert found[0].symbol == "BTC/USDT:USDT"


def test_long_and_short_of_one_symbol_are_both_given():
    rows = [
        POSITION | {"positionSide": "LONG", "positionAmt": "0.5"},
        POSITION | {"positionSide": "SHORT", "positionAmt": "-0.5"},
    ]
    assert [p.qty for p in positions(rows)] == [Decimal("0.5"), Decimal("-0.5")]


def test_a_position_without_a_mark_price():
    row = {k: v for k, v in POSITION.items() if k != "markPrice"}
    assert positions([row])[0].mark_price is None


@pytest.mark.parametrize("key", ["symbol", "positionAmt", "entryPrice", "unRealizedProfit"])
def test_one_unreadable_row_makes_all_positions_unreadable(key):
    """Leaving it out would say that there is no position."""
    assert is_unreadable(positions([POSITION, {k: v for k, v in POSITION.items() if k != key}]))


@pytest.mark.parametrize(
    ("name", "sizes"),
    [("Trading/GetPositions", ["0.001"]), ("Account/GetPositionInformation", [])],
    ids=["v3", "v2"],
)
def test_recorded_positions_decode(name, sizes):
    found = positions(recorded(name))
    assert [str(p.qty) for p in found] == sizes
    rows = {row["positionAmt"]: row for row in json.loads(recorded(name))}
    for position in found:
        row = rows[str(position.qty)]
        assert str(position.entry_price) == row["entryPrice"]
        assert str(position.mark_price) == row["markPrice"]
        assert str(position.unrealised_pnl) == row["unRealizedProfit"]


# Balances.


def test_recorded_balances_decode():
    (balance,) = um.read_balances(BALANCES, reply(200, recorded("Account/GetBalances")), as_of=5.0)
    assert balance.currency == "USDT"
    assert str(balance.total) == "122607.35137903"
    assert str(balance.free) == "23.72469206"
    assert balance.locked == Decimal("122583.62668697")
    assert (balance.as_of, balance.venue_time_ms) == (5.0, 1617939110373)


def test_nothing_is_locked_when_more_is_free_than_there_is():
    row = {"asset": "USDT", "balance": "10", "availableBalance": "12"}
    (balance,) = um.read_balances(BALANCES, reply(200, [row]), as_of=5.0)
    assert (balance.free, balance.locked) == (Decimal(12), Decimal(0))


def test_a_zero_balance_is_a_balance():
    row = {"asset": "BNB", "balance": "0.00000000", "availableBalance": "0.00000000"}
    (balance,) = um.read_balances(BALANCES, reply(200, [row]), as_of=5.0)
    assert balance.total == 0


def test_a_balance_without_its_amount_is_unreadable():
    answer = reply(200, [{"asset": "USDT", "balance": "1"}])
    assert is_unreadable(um.read_balances(BALANCES, answer, as_of=5.0))


# Executions.


def executions(rows):
    return um.read_executions(EXECUTIONS, reply(200, rows), INSTRUMENTS)


def test_an_execution():
    assert executions([EXECUTION]) == [
        Execution(
            symbol="BTC/USDT:USDT",
            execution_id="698759",
            venue_order_id="25851813",
            side=Side.SELL,
            price=Decimal("7819.01"),
            qty=Decimal("0.002"),
            fee=Decimal("0.07819010"),
            fee_currency="USDT",
            realised_pnl=Decimal("-0.91539999"),
            is_maker=False,
            venue_time_ms=1569514978020,
        )
    ]


def test_recorded_executions_decode():
    (found,) = executions(recorded("Trading/GetUserTrades"))
    (row,) = json.loads(recorded("Trading/GetUserTrades"))
    assert [str(found.price), str(found.qty), str(found.fee), str(found.realised_pnl)] == [
        row["price"],
        row["qty"],
        row["commission"],
        row["realizedPnl"],
    ]


@pytest.mark.parametrize(
    "changes",
    [{"side": "B"}, {"qty": "0"}, {"qty": "-1"}, {"price": "-1"}, {"price": "NaN"}, {"id": None}],
)
def test_an_execution_that_cannot_be_is_unreadable(changes):
    assert is_unreadable(executions([EXECUTION | changes]))


# Market data.


def book(body):
    return um.read_book(BOOK, reply(200, body))


def as_texts(levels):
    return [[str(level.price), str(level.qty)] for level in levels]


RECORDED_BOOKS = [
    *(
        pytest.param(json.loads(line)["body"], id=f"cryptofeed-{number}")
        for number, line in enumerate(
            (DATA / "cryptofeed" / "binance_usdm_depth_snapshots_20210722.jsonl")
            .read_text()
            .splitlines()
        )
    ),
    *(
        pytest.param(entry["data"], id=f"gocryptotrader-{entry['queryString']}")
        for entry in json.loads((DATA / "gocryptotrader" / "binance_fapi_v1.json").read_text())[
            "routes"
        ]["/fapi/v1/depth"]["GET"]
    ),
    pytest.param(json.loads(recorded("ExchangeData/GetOrderBook")), id="binance.net"),
]


@pytest.mark.parametrize("snapshot", RECORDED_BOOKS)
def test_recorded_books_decode_without_loss(snapshot):
    bids, asks = book(snapshot)
    assert as_texts(bids) == snapshot["bids"]
    assert as_texts(asks) == snapshot["asks"]
    assert bids[0].price < asks[0].price


def test_there_were_books_to_decode():
    assert len(RECORDED_BOOKS) == 8


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


def test_recorded_mark_prices_decode():
    entries = json.loads((DATA / "gocryptotrader" / "binance_fapi_v1.json").read_text())["routes"]
    one, every = (entry["data"] for entry in entries["/fapi/v1/premiumIndex"]["GET"])
    assert str(um.read_mark_price(MARK_PRICE, reply(200, one))) == "26780.82240476"
    assert is_unreadable(um.read_mark_price(MARK_PRICE, reply(200, every)))
    body = recorded("ExchangeData/GetMarkPrice")
    assert str(um.read_mark_price(MARK_PRICE, reply(200, body))) == "11793.63104562"


@pytest.mark.parametrize("price", ["0", "-1", "NaN", "", None])
def test_a_mark_price_that_cannot_be_is_unreadable(price):
    answer = reply(200, {"symbol": BTC.venue_symbol, "markPrice": price})
    assert is_unreadable(um.read_mark_price(MARK_PRICE, answer))


def test_the_venues_time():
    assert um.read_time(TIME, reply(200, recorded("ExchangeData/GetServerTime"))) == 1499827319559
    assert um.read_time(PROBE, reply(200, {"serverTime": 1620099477465})) == 1620099477465
    assert is_unreadable(um.read_time(TIME, reply(200, {"serverTime": "soon"})))
