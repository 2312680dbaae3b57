"""Orders for Kraken spot over WebSocket v2: REST's parameters in the socket's words.

The venue closes an authenticated connection that subscribes to nothing, so this one asks for
`executions` without a snapshot, and does not read them: the private stream does. The counters are
the same as over REST, and a deadline goes with every new order.

Source: Kraken docs, WebSocket v2: add_order, amend_order, cancel_order, batch_cancel,
cancel_all; read 2026-05-27. The count of a batch at the top level: seen by kraken-async-rs. That an
idle connection without a subscription is closed: Kraken SDK guide, websockets.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from outlast.private_wire import SocketAnswer, StreamEnding, Ticket
from outlast.venues._answers import UNREADABLE
from outlast.venues.kraken_spot import _frames as frames
from outlast.wire import Cost, WireRequest

__all__ = [
    "DIAL_COSTS",
    "NEEDS_TICKET",
    "PING",
    "SILENCE_LIMIT_S",
    "frame",
    "greeting",
    "read_answer",
    "refuses_ticket",
    "trade_url",
]

NEEDS_TICKET: Final = True
DIAL_COSTS: Final[tuple[Cost, ...]] = ()
SILENCE_LIMIT_S: Final[float | None] = 10.0
"""Heartbeats come every second once something is subscribed."""
PING: Final[bytes | None] = frames.PING

_GREETING: Final = 0
"""The number of the greeting and of pings: no request has it."""
_METHODS: Final = frozenset(
    {"add_order", "amend_order", "batch_cancel", "cancel_order", "cancel_all"}
)

_encode: Final = msgspec.json.Encoder().encode


def trade_url(base_url: str) -> str:
    return f"{base_url}/v2"


def greeting(ticket: Ticket | None) -> bytes | None:
    assert ticket is not None
    params = {
        "channel": "executions",
        "snap_orders": False,
        "snap_trades": False,
        "order_status": False,
        "token": ticket.text,
    }
    return frames.request("subscribe", params, _GREETING)


def frame(
    request: WireRequest,
    *,
    number: int,
    key: str,
    secret: str,
    ticket: Ticket | None,
    timestamp_ms: int,
    valid_for_ms: int,
) -> bytes | None:
    if ticket is None:
        return None
    given = dict(request.params)
    params: dict[str, object] = {"token": ticket.text}
    match request.path.rpartition("/")[2]:
        case "CancelAll":
            return frames.request("cancel_all", params, number)
        case "AddOrder" if request.symbol is not None:
            params |= _order(given, request.symbol)
            params["deadline"] = frames.rfc3339(timestamp_ms + valid_for_ms)
            return frames.request("add_order", params, number)
        case "AmendOrder":
            params |= _amendment(given)
            params["deadline"] = frames.rfc3339(timestamp_ms + valid_for_ms)
            return frames.request("amend_order", params, number)
        case "CancelOrderBatch":
            params["orders"] = msgspec.json.decode(given.get("orders", "[]"))
            if "cl_ord_ids" in given:
                params["cl_ord_id"] = msgspec.json.decode(given["cl_ord_ids"])
            return frames.request("batch_cancel", params, number)
        case "CancelOrder":
            txid = given.get("txid")
            params |= {"order_id": [txid]} if txid else {"cl_ord_id": [given["cl_ord_id"]]}
            return frames.request("cancel_order", params, number)
    return None


def _order(given: Mapping[str, str], symbol: str) -> dict[str, object]:
    """REST has `price` for the trigger where there is one, and `price2` for the limit then."""
    order_type = given["ordertype"]
    params: dict[str, object] = {
        "order_type": order_type,
        "side": given["type"],
        "order_qty": frames.number(given["volume"]),
        "symbol": symbol,
        "cl_ord_id": given["cl_ord_id"],
        "fee_preference": "quote",
    }
    limit = given.get("price")
    if order_type.startswith(("stop-loss", "take-profit")):
        trigger, limit = given["price"], given.get("price2")
        params["triggers"] = {
            "reference": "last",
            "price": frames.number(trigger),
            "price_type": "static",
        }
    if limit is not None:
        params["limit_price"] = frames.number(limit)
    if "timeinforce" in given:
        params["time_in_force"] = given["timeinforce"].lower()
    if "expiretm" in given:
        params["expire_time"] = frames.rfc3339(int(given["expiretm"]) * 1000)
    if "post" in given.get("oflags", "").split(","):
        params["post_only"] = True
    return params


def _amendment(given: Mapping[str, str]) -> dict[str, object]:
    """`order_qty` has to be there, whether it changes or not."""
    txid = given.get("txid")
    params: dict[str, object] = {"order_id": txid} if txid else {"cl_ord_id": given["cl_ord_id"]}
    params["order_qty"] = frames.number(given["order_qty"])
    if "limit_price" in given:
        params["limit_price"] = frames.number(given["limit_price"])
    if "post_only" in given:
        params["post_only"] = True
    return params


class _Answer(msgspec.Struct):
    method: str
    req_id: int | None = None
    success: bool | None = None
    error: str | None = None
    result: msgspec.Raw = msgspec.Raw(b"null")
    orders_cancelled: int | None = None
    """Of a batch of cancels; its page has a `count` in `result` instead."""


class _Placed(msgspec.Struct):
    order_id: str


_ANSWER: Final = msgspec.json.Decoder(_Answer)


def read_answer(message: bytes) -> SocketAnswer | StreamEnding | None:
    """The answer in REST's envelope; None for heartbeats, data and what is not ours."""
    try:
        answer = _ANSWER.decode(message)
    except UNREADABLE:
        return None
    if answer.method == "subscribe" and answer.req_id == _GREETING and answer.error:
        return StreamEnding(f"the venue does not keep the connection: {answer.error}")
    if answer.method not in _METHODS or answer.req_id is None:
        return None
    return SocketAnswer(number=answer.req_id, status=200, headers={}, body=_body(answer))


def _body(answer: _Answer) -> bytes:
    """As REST would have it. Success without what it should bring is handed on as it came."""
    if answer.success is not True:
        # Whatever is no clear yes is no: but only words of the venue make it a refusal.
        return _encode({"error": [answer.error]}) if answer.error else b"{}"
    result: object = answer.result
    if answer.method == "add_order":
        try:
            placed = msgspec.json.decode(answer.result, type=_Placed)
        except UNREADABLE:
            return b"{}"
        result = {"txid": [placed.order_id]}
    elif answer.method == "batch_cancel" and answer.orders_cancelled is not None:
        result = {"count": answer.orders_cancelled}
    elif answer.method == "cancel_order":
        result = {"count": 1}  # one answer for each order: this one is canceled
    return _encode({"error": [], "result": result})


def refuses_ticket(answer: SocketAnswer) -> bool:
    """Told by the words in the envelope; both of them say that nothing was done."""
    try:
        errors = msgspec.json.decode(answer.body, type=dict[str, msgspec.Raw]).get("error")
        said = msgspec.json.decode(errors, type=list[str]) if errors is not None else []
    except UNREADABLE:
        return False
    return any(frames.is_bad_ticket(error) for error in said)
