"""Balances, executions, books, prices, instruments: recorded answers, and answers that lie."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal

import pytest
from kraken_samples import (
    BALANCES,
    BOOK,
    BTC,
    EXECUTIONS,
    INSTRUMENTS,
    NOW_MS,
    PAIRS,
    READS,
    TICKER,
    TIME,
    TRADE,
    WRITES,
    errors,
    given,
    read_any,
    recorded,
    reply,
)

from outlast.errors import Failure, Outcome
from outlast.model import Level, Product, Side
from outlast.venues import kraken_spot as kraken
from outlast.venues.kraken_spot.symbols import OLD_CODES, currency


def test_recorded_pairs_are_read_under_the_names_that_everybody_uses():
    pairs = kraken.read_instruments(PAIRS, reply(200, recorded("GetSymbols")))
    assert not isinstance(pairs, Failure)
    btc = next(p for p in pairs if p.symbol == "BTC/USD")
    assert btc == replace(
        BTC,
        qty_min=Decimal("0.0001"),
        tick_size=Decimal("0.1"),
        price_decimals=1,
        aliases=("XXBTZUSD", "XBT/USD"),
    )
    eth = next(p for p in pairs if p.symbol == "ETH/BTC")
    assert (eth.venue_symbol, eth.base, eth.quote) == ("ETHXBT", "ETH", "BTC")
    assert (eth.tick_size, eth.notional_min) == (Decimal("0.00001"), Decimal("0.00002"))
    assert eth.product is Product.SPOT


def test_recorded_assets_have_the_names_of_the_table():
    assets = json.loads(recorded("GetAssets"))["result"]
    for code, asset in assets.items():
        assert OLD_CODES[code] == {"XBT": "BTC"}.get(asset["altname"], asset["altname"])


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("XXBT", "BTC"),
        ("XBT", "BTC"),
        ("XXDG", "DOGE"),
        ("XDG", "DOGE"),
        ("ZUSD", "USD"),
        ("USDT", "USDT"),
        ("XRP", "XRP"),
        ("ZRX", "ZRX"),
        ("ETH2.S", "ETH2.S"),
        ("USD.M", "USD.M"),
        ("XBT.M", "BTC.M"),
    ],
)
def test_names_are_looked_up_and_never_stripped(code, name):
    assert currency(code) == name


def pair(**changes):
    row = json.loads(recorded("GetSymbols"))["result"]["XXBTZUSD"] | changes
    listed = kraken.read_instruments(PAIRS, given({"XXBTZUSD": row}))
    assert not isinstance(listed, Failure)
    [instrument] = listed
    return instrument


@pytest.mark.parametrize(
    ("status", "tradable"),
    [
        ("online", True),
        ("post_only", True),
        ("limit_only", True),
        ("cancel_only", False),
        ("reduce_only", False),
        ("something_new", False),
    ],
)
def test_a_pair_that_takes_no_orders_is_listed_with_its_status(status, tradable):
    instrument = pair(status=status)
    assert (instrument.is_tradable, instrument.venue_status) == (tradable, status)


def test_optional_fields_may_be_missing():
    row = json.loads(recorded("GetSymbols"))["result"]["XXBTZUSD"]
    for name in ("tick_size", "ordermin", "costmin", "wsname", "status"):
        del row[name]
    listed = kraken.read_instruments(PAIRS, given({"XXBTZUSD": row, "XBTUSD.d": row}))
    assert not isinstance(listed, Failure)
    [instrument] = listed  # the dark pool is left out
    assert instrument.tick_size == Decimal("0.1")
    assert (instrument.qty_min, instrument.notional_min) == (0, 0)
    assert instrument.is_tradable


@pytest.mark.parametrize(
    "changes", [{"pair_decimals": "many"}, {"lot_decimals": 99}, {"tick_size": "NaN"}]
)
def test_a_pair_that_cannot_be_read_does_not_trade_and_hides_no_other(changes):
    assert not pair(**changes).is_tradable
    assert pair(**changes).venue_status.startswith("unreadable")


def test_recorded_balances_say_what_is_held_by_orders():
    held = kraken.read_balances(BALANCES, reply(200, recorded("GetAvailableBalances")), as_of=5.0)
    assert not isinstance(held, Failure)
    usd, btc = held
    assert (usd.currency, usd.total, usd.free) == ("USD", Decimal("25435.21"), Decimal("17185.45"))
    assert (btc.currency, btc.locked) == ("BTC", Decimal("0.8423"))
    assert usd.as_of == 5.0


def test_a_credit_line_counts_as_free_and_zeros_are_left_out():
    row = {"balance": "10", "hold_trade": "1", "credit": "5", "credit_used": "2"}
    held = kraken.read_balances(
        BALANCES, given({"ZEUR": row, "DOT": {"balance": "0.0000"}}), as_of=5.0
    )
    assert not isinstance(held, Failure)
    [eur] = held
    assert (eur.total, eur.free, eur.locked) == (10, 12, 1)


def test_recorded_executions_are_read_oldest_first():
    found = kraken.read_executions(EXECUTIONS, reply(200, recorded("GetUserTrades")), INSTRUMENTS)
    assert not isinstance(found, Failure)
    assert [e.execution_id for e in found] == ["TCWJEG-FL4SZ-3FKGH6", "THVRQM-33VKH-UCI7BS"]
    last = found[-1]
    assert (last.symbol, last.side, last.price) == ("BTC/USD", Side.BUY, Decimal("30010.00000"))
    assert (last.qty, last.fee_currency, last.is_maker) == (Decimal("0.02000000"), "USD", True)
    assert last.venue_time_ms == 1688667796880
    assert last.venue_order_id == "OQCLML-BW3P3-BUCMWZ"


def test_executions_of_other_pairs_are_not_those_that_were_asked_for():
    rows = {"T1": TRADE, "T2": {**TRADE, "pair": "XETHZUSD"}}
    found = kraken.read_executions(EXECUTIONS, given({"trades": rows, "count": 2}), INSTRUMENTS)
    assert not isinstance(found, Failure)
    assert [e.execution_id for e in found] == ["T1"]


def page(count: int | None, rows: int):
    body: dict[str, object] = {"trades": {f"T{n}": TRADE for n in range(rows)}}
    return given(body if count is None else {**body, "count": count})


def test_pages_are_asked_for_until_all_rows_were_seen():
    asked, seen = EXECUTIONS, []
    for rows in (50, 50, 20):
        following = kraken.next_page(asked, page(120, rows), now_ms=NOW_MS)
        seen.append(dict(following.params).get("ofs") if following else None)
        if following:
            assert dict(following.params)["start"] == dict(EXECUTIONS.params)["start"]
            assert following.costs == EXECUTIONS.costs
            asked = following
    assert seen == ["50", "100", None]


def test_without_a_count_a_page_that_is_not_full_is_the_last():
    assert kraken.next_page(EXECUTIONS, page(None, 49), now_ms=NOW_MS) is None
    following = kraken.next_page(EXECUTIONS, page(None, 50), now_ms=NOW_MS)
    assert following is not None
    assert dict(following.params)["ofs"] == "50"


def test_pages_end_also_where_the_count_is_wrong_or_nothing_can_be_read():
    assert kraken.next_page(EXECUTIONS, page(1000, 0), now_ms=NOW_MS) is None
    assert kraken.next_page(EXECUTIONS, errors("EService:Busy"), now_ms=NOW_MS) is None
    assert kraken.next_page(EXECUTIONS, reply(200, "<html>"), now_ms=NOW_MS) is None


def test_a_recorded_book_is_read_best_first():
    book = kraken.read_book(BOOK, reply(200, recorded("GetOrderBook")))
    assert not isinstance(book, Failure)
    bids, asks = book
    assert bids[0] == Level(Decimal("30297.00000"), Decimal("1.115"))
    assert asks[0] == Level(Decimal("30384.10000"), Decimal("2.059"))
    assert len(bids) == len(asks) == 3


def test_the_middle_of_a_recorded_ticker_stands_for_the_mark_price():
    price = kraken.read_mark_price(TICKER, reply(200, recorded("GetTicker")))
    assert price == Decimal("30300.05")


@pytest.mark.parametrize(("bid", "ask"), [("0", "30300"), ("30301", "30300")])
def test_where_there_is_no_middle_the_last_trade_stands_for_it(bid, ask):
    row = {"a": [ask, "1", "1"], "b": [bid, "1", "1"], "c": ["30303.2", "0.1"]}
    assert kraken.read_mark_price(TICKER, given({"XXBTZUSD": row})) == Decimal("30303.2")


def test_the_time_is_in_whole_seconds():
    assert kraken.read_time(TIME, given({"unixtime": 1762820224})) == 1_762_820_224_000
    assert kraken.TRAITS.time_step_ms == 1000


def test_there_are_no_positions():
    assert kraken.read_positions(BALANCES, given({}), INSTRUMENTS, as_of=1.0) == []
    with pytest.raises(Exception, match="kraken-spot has no positions"):
        kraken.query_positions()
    assert not Product.SPOT.has_positions


LIES = [
    (BALANCES, {"ZUSD": {"balance": "NaN"}}),
    (BALANCES, {"ZUSD": {"balance": "1E+999999"}}),
    (BALANCES, {"ZUSD": {}}),
    (BALANCES, {"ZUSD": "17"}),
    (EXECUTIONS, {"trades": {"T1": {**TRADE, "vol": "-1"}}}),
    (EXECUTIONS, {"trades": {"T1": {**TRADE, "type": "short"}}}),
    (EXECUTIONS, {"trades": {"T1": {"pair": "XXBTZUSD"}}}),
    (BOOK, {"XXBTZUSD": {"bids": [["-1", "1", 0]], "asks": []}}),
    (BOOK, {"XXBTZUSD": {"bids": []}}),
    (BOOK, {"A": {"bids": [], "asks": []}, "B": {"bids": [], "asks": []}}),
    (TICKER, {"XXBTZUSD": {"a": ["0", "1", "1"], "b": ["0", "1", "1"], "c": ["0", "1"]}}),
    (TICKER, {"XXBTZUSD": {"a": [], "b": [], "c": []}}),
    (TIME, {"unixtime": "soon"}),
    (PAIRS, {"XXBTZUSD": 17, "XETHZUSD": []}),
]


@pytest.mark.parametrize(("request_", "result"), LIES)
def test_what_cannot_be_true_is_no_answer(request_, result):
    got = read_any(request_, given(result))
    if request_ is PAIRS:
        assert not any(instrument.is_tradable for instrument in got)
    else:
        assert isinstance(got, Failure)
        assert (got.kind, got.outcome) == ("hollow_answer", Outcome.REFUSED)


@pytest.mark.parametrize("request_", [*WRITES, *READS], ids=lambda r: r.path.rpartition("/")[2])
def test_a_failure_passes_through_every_reader(request_):
    got = read_any(request_, errors("EGeneral:Temporary lockout"))
    assert isinstance(got, Failure)
    assert got.kind == "locked_out"
