"""What the tests of this venue share: an instrument, every request, and replies to them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

from outlast import model
from outlast.errors import Failure
from outlast.model import Instrument, Product
from outlast.venues import binance_um as um
from outlast.wire import WireReply, WireRequest

DATA = Path(__file__).parents[2] / "data"
NOW_MS = 1_700_000_000_123

BTC = Instrument(
    venue="binance-um",
    symbol="BTC/USDT:USDT",
    venue_symbol="BTCUSDT",
    product=Product.USDM_FUTURES,
    base="BTC",
    quote="USDT",
    settle="USDT",
    tick_size=Decimal("0.10"),
    qty_step=Decimal("0.001"),
    qty_min=Decimal("0.001"),
    qty_max=Decimal(1000),
    market_qty_min=Decimal("0.001"),
    market_qty_max=Decimal(120),
    notional_min=Decimal(5),
    price_min=Decimal("0.10"),
    price_max=Decimal(1_000_000),
    venue_status="TRADING",
)
INSTRUMENTS = {BTC.symbol: BTC}
ID = "ol-1"

PLACE = um.place_order(model.limit(BTC.symbol, "buy", "0.4", 9000), BTC, ID, now_ms=NOW_MS)
PLACE_STOP = um.place_order(model.stop(BTC.symbol, "sell", "0.4", 8000), BTC, ID, now_ms=NOW_MS)
CANCEL = um.cancel_order(BTC, ID)
CANCEL_STOP = um.cancel_order(BTC, ID, conditional=True)
CANCEL_ALL = um.cancel_all_orders(BTC)
QUERY = um.query_order(BTC, ID)
OPEN_ORDERS = um.query_open_orders(BTC)
EXECUTIONS = um.query_executions(BTC, since_ms=NOW_MS)
POSITIONS = um.query_positions()
BALANCES = um.query_balances()
EXCHANGE_INFO = um.query_instruments()
BOOK = um.query_book(BTC, depth=5)
MARK_PRICE = um.query_mark_price(BTC)
TIME = um.query_time()
PROBE = um.probe()

WRITES = (PLACE, PLACE_STOP, CANCEL, CANCEL_STOP, CANCEL_ALL)
READS = (
    QUERY,
    OPEN_ORDERS,
    EXECUTIONS,
    POSITIONS,
    BALANCES,
    EXCHANGE_INFO,
    BOOK,
    MARK_PRICE,
    TIME,
    PROBE,
)

ORDER: dict[str, Any] = {
    "avgPrice": "0.00000",
    "clientOrderId": ID,
    "cumQuote": "0",
    "executedQty": "0",
    "orderId": 1573346959,
    "origQty": "0.40",
    "origType": "LIMIT",
    "price": "9000",
    "reduceOnly": False,
    "side": "BUY",
    "positionSide": "BOTH",
    "status": "NEW",
    "stopPrice": "0",
    "closePosition": False,
    "symbol": "BTCUSDT",
    "time": 1579276756075,
    "timeInForce": "GTC",
    "type": "LIMIT",
    "updateTime": 1579276756076,
    "workingType": "CONTRACT_PRICE",
    "priceProtect": False,
}
ALGO: dict[str, Any] = {
    "algoId": 2146760,
    "clientAlgoId": ID,
    "algoType": "CONDITIONAL",
    "orderType": "STOP_MARKET",
    "symbol": "BTCUSDT",
    "side": "SELL",
    "positionSide": "BOTH",
    "timeInForce": "GTC",
    "quantity": "0.40",
    "algoStatus": "NEW",
    "triggerPrice": "8000.0",
    "price": "0.00",
    "reduceOnly": True,
    "createTime": 1750485492076,
    "updateTime": 1750485492077,
    "triggerTime": 0,
}
CANCELED_ALL = {"code": 200, "msg": "The operation of cancel all open order is done."}
EXECUTION: dict[str, Any] = {
    "buyer": False,
    "commission": "0.07819010",
    "commissionAsset": "USDT",
    "id": 698759,
    "maker": False,
    "orderId": 25851813,
    "price": "7819.01",
    "qty": "0.002",
    "quoteQty": "15.63802",
    "realizedPnl": "-0.91539999",
    "side": "SELL",
    "positionSide": "SHORT",
    "symbol": "BTCUSDT",
    "time": 1569514978020,
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
    failure = um.classify(request, answer)
    assert failure is not None
    return failure


def read_any(request: WireRequest, answer: WireReply) -> Any:
    """What the codec's reader for this request makes of the answer."""
    match request.name:
        case "order.place" | "order.cancel" | "order.read":
            return um.read_order(request, answer, BTC)
        case "orders.read":
            return um.read_orders(request, answer, INSTRUMENTS)
        case "executions.read":
            return um.read_executions(request, answer, INSTRUMENTS)
        case "positions.read":
            return um.read_positions(request, answer, INSTRUMENTS, as_of=5.0)
        case "balances.read":
            return um.read_balances(request, answer, as_of=5.0)
        case "instruments.read":
            return um.read_instruments(request, answer)
        case "book.read":
            return um.read_book(request, answer)
        case "mark_price.read":
            return um.read_mark_price(request, answer)
        case "time.read" | "probe":
            return um.read_time(request, answer)
        case "orders.cancel":
            return um.classify(request, answer)
    raise AssertionError(request.name)


def recorded(name: str) -> bytes:
    """The answer in one file of binance.net: what follows method, path and signedness."""
    text = (DATA / "binance.net" / "UsdFutures" / f"{name}.txt").read_text("utf-8-sig")
    return text.split("\n", 3)[3].encode()


def texts(value: Any) -> Iterator[str]:
    """All strings in a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from texts(item)
