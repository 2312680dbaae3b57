"""What the tests of this venue share: an instrument, every request, and replies to them."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

from outlast import model
from outlast.errors import Failure
from outlast.model import Instrument, Product
from outlast.venues import kraken_spot as kraken
from outlast.wire import WireReply, WireRequest

DATA = Path(__file__).parents[2] / "data"
NOW_MS = 1_700_000_000_123
ID = "0835958d-c526-4ad8-aea8-af54836de47e"
TXID = "OUF4EM-FRGI2-MQMWZD"

BTC = Instrument(
    venue="kraken-spot",
    symbol="BTC/USD",
    venue_symbol="XBTUSD",
    product=Product.SPOT,
    base="BTC",
    quote="USD",
    settle="USD",
    tick_size=Decimal("0.1"),
    qty_step=Decimal("1E-8"),
    qty_min=Decimal("0.00005"),
    qty_max=Decimal("1E+20"),
    market_qty_min=Decimal(0),
    market_qty_max=Decimal("1E+20"),
    notional_min=Decimal("0.5"),
    price_min=Decimal("0.1"),
    price_max=Decimal("1E+20"),
    venue_status="online",
    aliases=("XXBTZUSD", "XBT/USD"),
)
INSTRUMENTS = {BTC.venue_symbol: BTC}

LIMIT = model.limit("BTC/USD", "buy", "1.25", "27500")
PLACE = kraken.place_order(LIMIT, BTC, ID, now_ms=NOW_MS)
CANCEL = kraken.cancel_order(BTC, ID)
CANCEL_ALL = kraken.cancel_all_orders(BTC)
QUERY = kraken.query_order(BTC, ID)
QUERY_TXID = kraken.query_order(BTC, venue_order_id=TXID)
QUERY_CLOSED = kraken.query_closed_order(BTC, ID, since_ms=NOW_MS)
assert QUERY_CLOSED is not None
OPEN_ORDERS = kraken.query_open_orders(None)
EXECUTIONS = kraken.query_executions(BTC, since_ms=NOW_MS)
BALANCES = kraken.query_balances()
PAIRS = kraken.query_instruments()
BOOK = kraken.query_book(BTC, depth=5)
TICKER = kraken.query_mark_price(BTC)
TIME = kraken.query_time()
PROBE = kraken.probe()

WRITES = (PLACE, CANCEL, CANCEL_ALL)
READS = (
    QUERY,
    QUERY_TXID,
    QUERY_CLOSED,
    OPEN_ORDERS,
    EXECUTIONS,
    BALANCES,
    PAIRS,
    BOOK,
    TICKER,
    TIME,
    PROBE,
)

ORDER: dict[str, Any] = {
    "refid": None,
    "userref": 0,
    "cl_ord_id": ID,
    "status": "open",
    "opentm": 1688666559.8974,
    "starttm": 0,
    "expiretm": 0,
    "descr": {
        "pair": "XBTUSD",
        "type": "buy",
        "ordertype": "limit",
        "price": "27500.0",
        "price2": "0",
        "leverage": "none",
        "order": "buy 1.25000000 XBTUSD @ limit 27500.0",
        "close": "",
    },
    "vol": "1.25000000",
    "vol_exec": "0.00000000",
    "cost": "0.00000",
    "fee": "0.00000",
    "price": "0.00000",
    "stopprice": "0.00000",
    "limitprice": "0.00000",
    "misc": "",
    "oflags": "fciq",
}
TRADE: dict[str, Any] = {
    "ordertxid": TXID,
    "postxid": "TKH2SE-M7IF5-CFI7LT",
    "pair": "XXBTZUSD",
    "time": 1688667796.8802,
    "type": "buy",
    "ordertype": "limit",
    "price": "30010.00000",
    "cost": "600.20000",
    "fee": "0.96000",
    "vol": "0.02000000",
    "margin": "0.00000",
    "misc": "",
    "trade_id": 40274859,
    "maker": True,
}


def reply(status: int, body: Any = b"", headers: dict[str, str] | None = None) -> WireReply:
    """`body` as bytes, as text, or as anything else in JSON."""
    if isinstance(body, str):
        body = body.encode()
    elif not isinstance(body, bytes):
        body = json.dumps(body).encode()
    return WireReply(status=status, headers=headers or {}, body=body, sent_at=1.0, received_at=1.1)


def given(result: Any, *warnings: str) -> WireReply:
    return reply(200, {"error": list(warnings), "result": result})


def errors(*said: str, status: int = 200) -> WireReply:
    return reply(status, {"error": list(said)})


def order(**changes: Any) -> dict[str, Any]:
    """One row; what begins with `descr_` goes into its description."""
    row = {**ORDER, "descr": {**ORDER["descr"]}}
    for name, value in changes.items():
        if name.startswith("descr_"):
            row["descr"][name.removeprefix("descr_")] = value
        else:
            row[name] = value
    return row


def classified(request: WireRequest, answer: WireReply) -> Failure:
    failure = kraken.classify(request, answer)
    assert failure is not None
    return failure


def read_any(request: WireRequest, answer: WireReply) -> Any:
    """What the codec's reader for this request makes of the answer."""
    match request.name:
        case "order.place" | "order.cancel" | "order.read":
            return kraken.read_order(request, answer, BTC)
        case "orders.read":
            return kraken.read_orders(request, answer, INSTRUMENTS)
        case "executions.read":
            return kraken.read_executions(request, answer, INSTRUMENTS)
        case "balances.read":
            return kraken.read_balances(request, answer, as_of=5.0)
        case "instruments.read":
            return kraken.read_instruments(request, answer)
        case "book.read":
            return kraken.read_book(request, answer)
        case "mark_price.read":
            return kraken.read_mark_price(request, answer)
        case "time.read":
            return kraken.read_time(request, answer)
    return kraken.classify(request, answer)


def recorded(name: str) -> bytes:
    """The answer in one file of kraken.net: what follows method, path and signedness."""
    text = (DATA / "kraken.net" / "Endpoints" / f"{name}.txt").read_text("utf-8-sig")
    return text.split("\n", 3)[3].encode()
