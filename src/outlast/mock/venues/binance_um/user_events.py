"""What the user data stream says, as the venue writes it.

Source: Binance USD-M futures docs, User Data Streams: Event Order Update, Event Balance and
Position Update, Event Trade Lite, Event Algo Order Update, Event User Data Stream Expired.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final

from outlast.mock.engine.engine import Engine
from outlast.mock.engine.events import (
    BalanceEvent,
    FundingEvent,
    OrderEvent,
    OrderEventKind,
    OrderSnapshot,
    PositionEvent,
)
from outlast.mock.engine.model import OrderStatus, Side
from outlast.mock.venues.binance_um import order_views
from outlast.mock.venues.binance_um.figures import decimals, fixed, plain
from outlast.mock.venues.binance_um.order_views import client_id_of, price_places, status_word

__all__ = ["UserViews"]

_EXECUTIONS: Final[Mapping[OrderEventKind, str]] = {
    OrderEventKind.NEW: "NEW",
    OrderEventKind.TRADE: "TRADE",
    OrderEventKind.CANCELED: "CANCELED",
    OrderEventKind.EXPIRED: "EXPIRED",
    OrderEventKind.AMENDED: "AMENDMENT",
    OrderEventKind.CALCULATED: "CALCULATED",
    OrderEventKind.REJECTED: "EXPIRED",
}
_WHY_EXPIRED: Final[Mapping[str, str]] = {
    "stp": "1",
    "ioc": "2",
    "reduce_only": "4",
    "liquidation": "5",
    "triggered": "8",
    "market_bound": "9",
    "no_liquidity": "9",
}
"""`er`; 0 for every other end."""
_REASONS: Final[Mapping[str, str]] = {
    "order": "ORDER",
    "funding": "FUNDING_FEE",
    "insurance": "INSURANCE_CLEAR",
}

Event = dict[str, object]


class UserViews:
    """Writes events of accounts. It remembers wallets, for what changed them apart from trading."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._wallets: dict[tuple[str, str], Decimal] = {}

    def order(self, event: OrderEvent, now_ms: int) -> Event:
        """Write ORDER_TRADE_UPDATE."""
        order, execution = event.order, event.execution
        request = order.request
        instrument = self._engine.instruments[request.symbol]
        price, qty = price_places(instrument), decimals(instrument.qty_step)
        as_answered = order_views.place(order, instrument)
        bids, asks = self._open_notional(event.account, request.symbol)
        zero = Decimal(0)
        return {
            "e": "ORDER_TRADE_UPDATE",
            "T": event.at_ms,
            "E": now_ms,
            "o": {
                "s": request.symbol,
                "c": client_id_of(order),
                "S": request.side.name,
                "o": as_answered["type"],
                "f": as_answered["timeInForce"],
                "q": fixed(request.qty, qty),
                "p": fixed(request.price or zero, price),
                "ap": fixed(order.avg_price, price),
                "sp": fixed(request.stop_price or zero, price),
                "x": _EXECUTIONS[event.kind],
                "X": status_word(order),
                "i": order.order_id,
                "l": fixed(execution.qty if execution else zero, qty),
                "z": fixed(order.filled_qty, qty),
                "L": fixed(execution.price if execution else zero, price),
                "n": fixed(execution.fee) if execution else "0",
                "N": execution.fee_currency if execution else instrument.quote,
                "T": event.at_ms,
                "t": execution.execution_id if execution else 0,
                "b": plain(bids),
                "a": plain(asks),
                "m": bool(execution and execution.is_maker),
                "R": request.reduce_only,
                "wt": as_answered["workingType"],
                "ot": as_answered["origType"],
                "ps": "BOTH",
                "cp": request.close_position,
                "pP": False,
                "si": 0,
                "ss": 0,
                "rp": fixed(execution.realised_pnl) if execution else "0",
                "V": as_answered["selfTradePreventionMode"],
                "pm": as_answered["priceMatch"],
                "gtd": as_answered["goodTillDate"],
                "er": _WHY_EXPIRED.get(order.end_reason, "0"),
            },
        }

    def trade_lite(self, event: OrderEvent, now_ms: int) -> Event:
        """Write the same fill in few words."""
        assert event.execution is not None
        order, execution = event.order, event.execution
        request = order.request
        instrument = self._engine.instruments[request.symbol]
        price, qty = price_places(instrument), decimals(instrument.qty_step)
        return {
            "e": "TRADE_LITE",
            "E": now_ms,
            "T": event.at_ms,
            "s": request.symbol,
            "q": fixed(request.qty, qty),
            "p": fixed(request.price or Decimal(0), price),
            "m": execution.is_maker,
            "c": client_id_of(order),
            "S": request.side.name,
            "L": fixed(execution.price, price),
            "l": fixed(execution.qty, qty),
            "t": execution.execution_id,
            "i": order.order_id,
        }

    def algo(self, event: OrderEvent, now_ms: int, *, child: OrderSnapshot | None) -> Event:
        """Write ALGO_UPDATE; `child` is the order it became."""
        order = event.order
        request = order.request
        instrument = self._engine.instruments[request.symbol]
        status = _algo_status(event, child)
        written = order_views.algo_query(order, instrument, status, child=child)
        body: dict[str, object] = {
            "caid": written["clientAlgoId"],
            "aid": written["algoId"],
            "at": written["algoType"],
            "o": written["orderType"],
            "s": request.symbol,
            "S": request.side.name,
            "ps": "BOTH",
            "f": written["timeInForce"],
            "q": written["quantity"],
            "X": status,
            "ai": written["actualOrderId"],
            "ap": written["actualPrice"],
            "aq": written.get("actualQty", "0"),
            "act": written.get("actualType", "0"),
            "tp": written["triggerPrice"],
            "p": written["price"],
            "V": written["selfTradePreventionMode"],
            "wt": written["workingType"],
            "pm": written["priceMatch"],
            "cp": request.close_position,
            "pP": False,
            "R": request.reduce_only,
            "tt": written["triggerTime"],
            "gtd": written["goodTillDate"],
        }
        if event.kind is OrderEventKind.REJECTED:
            body["rm"] = order.end_reason
        return {"e": "ALGO_UPDATE", "T": event.at_ms, "E": now_ms, "o": body}

    def account(
        self,
        changes: Sequence[BalanceEvent | PositionEvent],
        now_ms: int,
        *,
        funding: FundingEvent | None = None,
    ) -> Event:
        """Write ACCOUNT_UPDATE: the wallets and positions that one cause has changed."""
        first = changes[0]
        balances: list[Event] = []
        positions: dict[str, Event] = {}
        for change in changes:
            if isinstance(change, BalanceEvent):
                balances.append(self._balance(change))
            else:
                positions[change.symbol] = self._position(change)
        account: Event = {"B": balances, "P": list(positions.values())}
        account["m"] = _REASONS[first.reason]
        if funding is not None and first.reason == "funding":
            account["S"] = funding.symbol
        return {"e": "ACCOUNT_UPDATE", "T": first.at_ms, "E": now_ms, "a": account}

    def note(self, change: BalanceEvent) -> Decimal:
        """Remember a wallet; give what changed it, 0 the first time."""
        key = (change.account, change.asset)
        before = self._wallets.get(key, change.total)
        self._wallets[key] = change.total
        return change.total - before

    @staticmethod
    def key_expired(key: str, now_ms: int) -> Event:
        return {"e": "listenKeyExpired", "E": now_ms, "listenKey": key}

    @staticmethod
    def leverage(symbol: str, leverage: int, at_ms: int, now_ms: int) -> Event:
        settings = {"s": symbol, "l": leverage}
        return {"e": "ACCOUNT_CONFIG_UPDATE", "E": now_ms, "T": at_ms, "ac": settings}

    def _balance(self, change: BalanceEvent) -> Event:
        moved = self.note(change)
        return {
            "a": change.asset,
            "wb": fixed(change.total),
            "cw": fixed(change.total),
            "bc": "0" if change.reason == "order" else fixed(moved),
        }

    def _position(self, change: PositionEvent) -> Event:
        instrument = self._engine.instruments[change.symbol]
        price = price_places(instrument)
        fee = instrument.taker_fee if change.qty > 0 else -instrument.taker_fee
        even = change.entry * (1 + fee) if change.qty else Decimal(0)
        return {
            "s": change.symbol,
            "pa": fixed(change.qty, decimals(instrument.qty_step)),
            "ep": fixed(change.entry, price + 3) if change.qty else "0",
            "bep": fixed(even, price + 3) if change.qty else "0",
            "cr": fixed(change.realised),
            "up": fixed(change.unrealised),
            "mt": "cross",
            "iw": "0",
            "ps": "BOTH",
        }

    def _open_notional(self, account: str, symbol: str) -> tuple[Decimal, Decimal]:
        """What the open buys and sells of a symbol are worth."""
        bids = asks = Decimal(0)
        for order in self._engine.orders(account, symbol, only_open=True):
            if order.status is OrderStatus.UNTRIGGERED:
                continue
            worth = order.leaves_qty * (order.request.price or Decimal(0))
            if order.request.side is Side.BUY:
                bids += worth
            else:
                asks += worth
        return bids, asks


def _algo_status(event: OrderEvent, child: OrderSnapshot | None) -> str:
    if child is not None:
        return "TRIGGERED" if child.status.is_open else "FINISHED"
    match event.kind:
        case OrderEventKind.CANCELED:
            return "CANCELED"
        case OrderEventKind.REJECTED:
            return "REJECTED"
        case OrderEventKind.EXPIRED:
            return "TRIGGERED" if event.order.end_reason == "triggered" else "EXPIRED"
    return "NEW"
