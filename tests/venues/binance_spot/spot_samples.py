"""What the tests of this venue share: an instrument, every request, and replies to them."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

from outlast import model
from outlast.errors import Failure
from outlast.model import Instrument, Product
from outlast.venues import binance_spot as spot
from outlast.wire import WireReply, WireRequest

DATA = Path(__file__).parents[2] / "data"
NOW_MS = 1_700_000_000_123

BTC = Instrument(
    venue="binance-spot",
    symbol="BTC/USDT",
    venue_symbol="BTCUSDT",
    product=Product.SPOT,
    base="BTC",
    quote="USDT",
    settle="USDT",
    tick_size=Decimal("0.01000000"),
    qty_step=Decimal("0.00001000"),
    qty_min=Decimal("0.00001000"),
    qty_max=Decimal(9000),
    market_qty_min=Decimal(0),
    market_qty_max=Decimal(120),
    notional_min=Decimal(5),
    price_min=Decimal("0.01"),
    price_max=Decimal(1_000_000),
    venue_status="TRADING",
)
INSTRUMENTS = {BTC.symbol: BTC}
ID = "ol-1"

PLACE = spot.place_order(model.limit(BTC.symbol, "buy", "0.4", 9000), BTC, ID, now_ms=NOW_MS)
PLACE_STOP = spot.place_order(model.stop(BTC.symbol, "sell", "0.4", 8000), BTC, ID, now_ms=NOW_MS)
CANCEL = spot.cancel_order(BTC, ID)
CANCEL_ALL = spot.cancel_all_orders(BTC)
QUERY = spot.query_order(BTC, ID)
OPEN_ORDERS = spot.query_open_orders(BTC)
EXECUTIONS = spot.query_executions(BTC, since_ms=NOW_MS)
BALANCES = spot.query_balances()
EXCHANGE_INFO = spot.query_instruments()
BOOK = spot.query_book(BTC, depth=5)
MARK_PRICE = spot.query_mark_price(BTC)
TIME = spot.query_time()
PROBE = spot.probe()

WRITES = (PLACE, PLACE_STOP, CANCEL, CANCEL_ALL)
READS = (
    QUERY,
    OPEN_ORDERS,
    EXECUTIONS,
    BALANCES,
    EXCHANGE_INFO,
    BOOK,
    MARK_PRICE,
    TIME,
    PROBE,
)

QUERIED: dict[str, Any] = {
    "symbol": "BTCUSDT",
    "orderId": 28,
    "orderListId": -1,
    "clientOrderId": ID,
    "price": "9000.00000000",
    "origQty": "0.40000000",
    "executedQty": "0.00000000",
    "cummulativeQuoteQty": "0.00000000",
    "status": "NEW",
    "timeInForce": "GTC",
    "type": "LIMIT",
    "side": "BUY",
    "stopPrice": "0.00000000",
    "icebergQty": "0.00000000",
    "time": 1499827319559,
    "updateTime": 1499827319560,
    "isWorking": True,
    "workingTime": 1499827319559,
    "origQuoteOrderQty": "0.00000000",
    "selfTradePreventionMode": "NONE",
}
FILL: dict[str, Any] = {
    "price": "8999.00000000",
    "qty": "0.15000000",
    "commission": "0.00015000",
    "commissionAsset": "BTC",
    "tradeId": 56,
}
PLACED: dict[str, Any] = {
    "symbol": "BTCUSDT",
    "orderId": 28,
    "orderListId": -1,
    "clientOrderId": ID,
    "transactTime": 1507725176595,
    "price": "9000.00000000",
    "origQty": "0.40000000",
    "executedQty": "0.00000000",
    "origQuoteOrderQty": "0.00000000",
    "cummulativeQuoteQty": "0.00000000",
    "status": "NEW",
    "timeInForce": "GTC",
    "type": "LIMIT",
    "side": "BUY",
    "workingTime": 1507725176595,
    "fills": [],
    "selfTradePreventionMode": "NONE",
}
CANCELED: dict[str, Any] = {
    key: value for key, value in PLACED.items() if key not in ("fills", "workingTime")
} | {"status": "CANCELED", "origClientOrderId": ID, "clientOrderId": "made-by-the-venue"}
ACK: dict[str, Any] = {
    key: PLACED[key] for key in ("symbol", "orderId", "orderListId", "clientOrderId")
} | {"transactTime": 1507725176595}
EXECUTION: dict[str, Any] = {
    "symbol": "BTCUSDT",
    "id": 28457,
    "orderId": 28,
    "orderListId": -1,
    "price": "4.00000100",
    "qty": "12.00000000",
    "quoteQty": "48.000012",
    "commission": "10.10000000",
    "commissionAsset": "BNB",
    "time": 1499865549590,
    "isBuyer": True,
    "isMaker": False,
    "isBestMatch": True,
}


def reply(status: int, body: Any = b"", headers: dict[str, str] | None = None) -> WireReply:
    """`body` as bytes, as text, or as anything else in JSON."""
    if isinstance(body, str):
        body = body.encode()
    elif not isinstance(body, bytes):
        body = json.dumps(body).encode()
    return WireReply(status=status, headers=headers or {}, body=body, sent_at=1.0, received_at=1.1)


def error(code: int, msg: str, status: int = 400) -> WireReply:
    return reply(status, {"code": code, "msg": msg})


def classified(request: WireRequest, answer: WireReply) -> Failure:
    failure = spot.classify(request, answer)
    assert failure is not None
    return failure


def read_any(request: WireRequest, answer: WireReply) -> Any:
    """What the codec's reader for this request makes of the answer."""
    match request.name:
        case "order.place" | "order.cancel" | "order.read":
            return spot.read_order(request, answer, BTC)
        case "orders.read" | "orders.cancel":
            return spot.read_orders(request, answer, INSTRUMENTS)
        case "executions.read":
            return spot.read_executions(request, answer, INSTRUMENTS)
        case "balances.read":
            return spot.read_balances(request, answer, as_of=5.0)
        case "instruments.read":
            return spot.read_instruments(request, answer)
        case "book.read":
            return spot.read_book(request, answer)
        case "mark_price.read":
            return spot.read_mark_price(request, answer)
        case "time.read" | "probe":
            return spot.read_time(request, answer)
    raise AssertionError(request.name)


def recorded(name: str) -> bytes:
    """The answer in one file of binance.net: what follows method, path and signedness."""
    text = (DATA / "binance.net" / "Spot" / f"{name}.txt").read_text("utf-8-sig")
    return text.split("\n", 3)[3].encode()


RECORDED = json.loads((DATA / "gocryptotrader" / "binance_spot.json").read_text())
"""Answers of `/api/v3` in full."""
