"""Orders and fills as REST writes them.

Source: Kraken docs, Get Open Orders, Get Closed Orders, Query Orders Info, Get Trades History.
"""

from __future__ import annotations

from decimal import Decimal

from outlast.mock.engine.model import Execution, OrderType
from outlast.mock.venues.kraken_spot.figures import fixed, seconds
from outlast.mock.venues.kraken_spot.order_log import OrderLog, OrderState
from outlast.mock.venues.kraken_spot.symbols import Pair
from outlast.mock.venues.kraken_spot.tickets import order_sentence

__all__ = ["order", "trade"]


def order(state: OrderState, pair: Pair, log: OrderLog, *, with_trades: bool) -> dict[str, object]:
    """One order. Fields that only some orders have are left out of the others."""
    entry, request, detail = state.entry, state.request, state.entry.particulars
    money = pair.cost_decimals
    body: dict[str, object] = {
        "refid": None,
        "userref": detail.userref,
        "status": state.status,
        "opentm": seconds(entry.opened_ms),
        "starttm": _instant(detail.starts_ms),
        "expiretm": _instant(detail.expires_ms),
        "descr": {
            "pair": pair.altname,
            "aclass": "forex",
            "type": request.side.value,
            "ordertype": detail.ordertype,
            "price": detail.price,
            "price2": detail.price2,
            "leverage": "none",
            "order": order_sentence(pair, request, detail),
            "close": "",
        },
        "vol": fixed(request.qty, pair.lot_decimals),
        "vol_exec": fixed(state.filled_qty, pair.lot_decimals),
        "cost": fixed(state.filled_quote, money),
        "fee": fixed(state.fee, money),
        "price": fixed(state.avg_price, money),
        "stopprice": fixed(request.stop_price or Decimal(0), money),
        "limitprice": fixed(_limit_behind_trigger(state), money),
        "misc": "stopped" if state.triggered else "",
        "oflags": ",".join(detail.oflags),
    }
    if detail.cl_ord_id:
        body["cl_ord_id"] = detail.cl_ord_id
    if entry.amended_ms is not None:
        body["amended"] = True
    if request.type.is_conditional:
        body["trigger"] = detail.trigger
    if detail.display_qty is not None:
        body["displayvol"] = fixed(detail.display_qty, pair.lot_decimals)
    if not state.is_open:
        body["reason"] = state.reason
        body["closetm"] = seconds(state.closed_ms or entry.opened_ms)
    if with_trades and state.executions:
        body["trades"] = [log.trade_id(fill) for fill in state.executions]
    return body


def trade(fill: Execution, pair: Pair, log: OrderLog, *, position: str) -> dict[str, object]:
    """One fill; `fee` is in the quote currency."""
    entry = log.of(fill.order_id)
    money = pair.cost_decimals
    return {
        "ordertxid": entry.txid,
        "postxid": position,
        "pair": pair.key,
        "aclass": "forex",
        "time": seconds(fill.at_ms),
        "type": fill.side.value,
        "ordertype": entry.particulars.ordertype,
        "price": fixed(fill.price, money),
        "cost": fixed(fill.quote_qty, money),
        "fee": fixed(log.fee_in_quote(fill), money),
        "vol": fixed(fill.qty, pair.lot_decimals),
        "margin": fixed(Decimal(0), money),
        "leverage": "0",
        "misc": "",
        "trade_id": log.print_id(fill),
        "maker": fill.is_maker,
    }


def _instant(at_ms: int | None) -> object:
    return 0 if at_ms is None else seconds(at_ms)


def _limit_behind_trigger(state: OrderState) -> Decimal:
    """The limit where `descr` alone does not tell it: behind a trigger, or amended."""
    request = state.request
    behind = request.type in (OrderType.STOP_LIMIT, OrderType.TAKE_PROFIT_LIMIT)
    was_amended = state.entry.amended_ms is not None
    return request.price or Decimal(0) if behind or was_amended else Decimal(0)
