from decimal import Decimal

import pytest
from um_samples import BTC, reply

from outlast.errors import Failure
from outlast.private_wire import Moved
from outlast.venues.binance_um import flows

# The sample of the venue's page Get Income History, and a funding payment as it describes one.
TRANSFER = {
    "symbol": "",
    "incomeType": "TRANSFER",
    "income": "-0.37500000",
    "asset": "USDT",
    "info": "TRANSFER",
    "time": 1570608000000,
    "tranId": "9689322392",
    "tradeId": "",
}
FUNDING = TRANSFER | {
    "symbol": "BTCUSDT",
    "incomeType": "FUNDING_FEE",
    "income": "-0.01000000",
    "info": "FUNDING_FEE",
    "tranId": 9689322393,
}
BY_VENUE = {BTC.venue_symbol: BTC}
WEEK_MS = 7 * 86_400_000
SINCE_MS = TRANSFER["time"] - 1000
(ASKED, *OTHERS) = flows.query_flows(since_ms=SINCE_MS)


def answer(rows, status=200):
    return reply(status, rows)


def test_each_kind_is_asked_for_by_itself_since_all_would_be_full_of_fees():
    kinds = [dict(request.params)["incomeType"] for request in [ASKED, *OTHERS]]
    assert kinds == ["TRANSFER", "FUNDING_FEE", "INSURANCE_CLEAR"]
    assert {cost.units for request in [ASKED, *OTHERS] for cost in request.costs} == {30}


def test_rows_are_read_with_sign_symbol_and_an_id_of_their_own():
    transfer, funding = flows.read_flows(ASKED, answer([TRANSFER, FUNDING]), BY_VENUE)
    assert (transfer.kind, transfer.amount, transfer.symbol) == (
        Moved.TRANSFER,
        Decimal("-0.375"),
        None,
    )
    assert (funding.kind, funding.symbol, funding.currency) == (Moved.FUNDING, BTC.symbol, "USDT")
    assert transfer.flow_id != funding.flow_id


def test_a_symbol_that_is_not_listed_any_more_keeps_the_venues_name():
    (gone,) = flows.read_flows(ASKED, answer([FUNDING | {"symbol": "LUNAUSDT"}]), BY_VENUE)
    assert gone.symbol == "LUNAUSDT"


@pytest.mark.parametrize("body", [b"", b"{}", b"<html>", b'[{"symbol":"BTCUSDT"}]', b"null"])
def test_what_is_no_list_is_a_failure(body):
    assert isinstance(flows.read_flows(ASKED, reply(200, body), BY_VENUE), Failure)
    assert flows.next_page(ASKED, reply(200, body), now_ms=SINCE_MS + 9 * WEEK_MS) is None


def test_an_answer_covers_a_week_and_the_next_one_is_asked_for():
    page = flows.next_page(ASKED, answer([TRANSFER]), now_ms=SINCE_MS + WEEK_MS)
    assert dict(page.params)["startTime"] == str(SINCE_MS + WEEK_MS)
    assert dict(page.params)["incomeType"] == "TRANSFER"
    assert flows.next_page(ASKED, answer([]), now_ms=SINCE_MS + WEEK_MS - 1) is None


def test_a_full_page_goes_on_from_its_last_row():
    rows = [TRANSFER | {"tranId": n, "time": SINCE_MS + n} for n in range(1000)]
    page = flows.next_page(ASKED, answer(rows), now_ms=SINCE_MS + 5000)
    assert dict(page.params)["startTime"] == str(SINCE_MS + 999)
