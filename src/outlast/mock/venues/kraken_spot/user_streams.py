"""Private channels: executions and balances, each with a sequence of its own from 1.

The venue reports an order's life as deltas: `pending_new`, `new`, then what happens to it. Source:
Kraken docs, WebSocket v2, Executions and Balances.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from outlast.mock.engine.events import EngineEvent, OrderEvent, OrderEventKind, OrderSnapshot
from outlast.mock.engine.model import Execution, OrderStatus, OrderType, TimeInForce
from outlast.mock.venues.kraken_spot import frames
from outlast.mock.venues.kraken_spot.figures import rfc3339, to_places
from outlast.mock.venues.kraken_spot.ids import Ids
from outlast.mock.venues.kraken_spot.ledger import Flow, Ledger
from outlast.mock.venues.kraken_spot.order_log import Entry, OrderLog, OrderState, reason_of
from outlast.mock.venues.kraken_spot.symbols import Listing, Pair, asset_of
from outlast.mock.venues.streams import Feed, Update
from outlast.mock.view import VenueView

if TYPE_CHECKING:
    from outlast.mock.streams.client import Client, Subscription
    from outlast.mock.streams.hub import Sockets

__all__ = ["PRIVATE_CHANNELS", "UserStreams"]

PRIVATE_CHANNELS: Final = ("executions", "balances")
_SNAPSHOT_TRADES: Final = 50
_FEW: Final = frozenset({"new", "trade", "filled", "canceled", "expired"})
"""What `order_status: false` leaves."""

Row = dict[str, object]


@dataclass(slots=True)
class Feedback:
    """One private subscription: its settings and how far it has counted."""

    every_status: bool = True
    sequence: int = 0

    def next(self) -> int:
        self.sequence += 1
        return self.sequence


class UserStreams:
    """The private channels of one running venue."""

    def __init__(
        self,
        sockets: Sockets,
        listing: Callable[[], Listing],
        log: OrderLog,
        ledger: Ledger,
        ids: Ids,
    ) -> None:
        self._sockets, self._listing = sockets, listing
        self._log, self._ledger, self._ids = log, ledger, ids
        sockets.engine.listen(self._hear, public_trades=False)

    # -- subscribing ------------------------------------------------------------------------

    def executions(
        self, client: Client, account: str, *, orders: bool, trades: bool, every_status: bool
    ) -> None:
        """Subscribe, with a snapshot of open orders and of the last fills if they are wanted."""
        subscription = client.subscribe(
            f"executions:{account}",
            channel="executions",
            feed=Feed.USER,
            state=Feedback(every_status),
        )
        if not orders and not trades:
            return
        rows: list[Row] = []
        shown: list[int] = []
        if trades:
            for fill in self._sockets.engine.executions(account)[-_SNAPSHOT_TRADES:]:
                rows.append(self._fill_row(fill))
                shown.append(fill.order_id)
        if orders:
            for state in map(self._log.state, self._log.entries(account)):
                if state.is_open and state.entry.engine_ids:
                    rows.append(self._open_row(state))
                    shown += state.entry.engine_ids
        self._send(subscription, "executions", "snapshot", rows, tuple(shown))

    def balances(self, client: Client, account: str, *, snapshot: bool) -> None:
        subscription = client.subscribe(
            f"balances:{account}", channel="balances", feed=Feed.USER, state=Feedback()
        )
        if snapshot:
            self._send(subscription, "balances", "snapshot", self._balance_rows(account), ())

    # -- listening --------------------------------------------------------------------------

    def _hear(self, event: EngineEvent) -> None:
        if not isinstance(event, OrderEvent) or event.silent:
            return
        topic = f"executions:{event.account}"
        if self._sockets.on(topic):
            for row in self._rows(event):
                self._publish(topic, row, event)
        topic = f"balances:{event.account}"
        if event.execution is not None and self._sockets.on(topic):
            for flow in self._ledger.newest(event.account):
                self._publish_flow(topic, self._flow_row(flow))

    def _publish(self, topic: str, row: Row, event: OrderEvent) -> None:
        shown = (event.order.order_id,)

        def render(subscription: Subscription) -> Update | None:
            feedback: Feedback = subscription.state
            if not feedback.every_status and row["exec_type"] not in _FEW:
                return None
            return self._update(subscription, "executions", "update", [row], shown)

        self._sockets.publish(topic, render)

    def _publish_flow(self, topic: str, row: Row) -> None:
        self._sockets.publish(
            topic,
            lambda subscription: self._update(subscription, "balances", "update", [row], ()),
        )

    def _send(
        self,
        subscription: Subscription,
        channel: str,
        kind: str,
        rows: list[Row],
        shown: tuple[int, ...],
    ) -> None:
        subscription.send(self._update(subscription, channel, kind, rows, shown))

    @staticmethod
    def _update(
        subscription: Subscription,
        channel: str,
        kind: str,
        rows: list[Row],
        shown: tuple[int, ...],
    ) -> Update:
        feedback: Feedback = subscription.state
        text = frames.data(channel, kind, rows, sequence=feedback.next())
        return Update(text, shown=shown)

    # -- executions -------------------------------------------------------------------------

    def _rows(self, event: OrderEvent) -> list[Row]:
        """The messages that one event of the engine becomes."""
        order = event.order
        entry = self._log.of(order.order_id)
        match event.kind:
            case OrderEventKind.NEW if order.triggered_from is not None:
                return [{**self._short(entry, event, "status", "new"), "triggered": True}]
            case OrderEventKind.NEW:
                return [
                    self._whole(entry, order, event.at_ms, "pending_new", "pending_new"),
                    self._short(entry, event, "new", "new"),
                ]
            case OrderEventKind.TRADE | OrderEventKind.CALCULATED:
                assert event.execution is not None
                rows = [self._fill_row(event.execution)]
                if order.status is OrderStatus.FILLED:
                    rows.append(
                        {**self._short(entry, event, "filled", "filled"), **self._sums(order)}
                    )
                return rows
            case OrderEventKind.AMENDED:
                row = self._whole(entry, order, event.at_ms, "amended", _status_word(order))
                return [{**row, "amended": True}]
        if order.end_reason == "triggered":
            return []  # it lives on as the order that it has become
        word = "expired" if order.end_reason == "gtd" else "canceled"
        row = {**self._short(entry, event, word, word), **self._sums(order)}
        return [{**row, "reason": reason_of(order.end_reason)}]

    def _short(self, entry: Entry, event: OrderEvent, kind: str, status: str) -> Row:
        """The least that every message says."""
        row: Row = {
            "timestamp": rfc3339(event.at_ms),
            "order_status": status,
            "exec_type": kind,
            **_names(entry),
            "symbol": self._pair(entry).name,
            "order_id": entry.txid,
        }
        return row

    def _whole(self, entry: Entry, order: OrderSnapshot, at_ms: int, kind: str, status: str) -> Row:
        """Everything about an order."""
        request, detail, pair = order.request, entry.particulars, self._pair(entry)
        price, lot = pair.price_decimals, pair.lot_decimals
        row: Row = {
            "order_id": entry.txid,
            **_names(entry),
            "symbol": pair.name,
            "order_qty": to_places(request.qty, lot),
            "cum_cost": to_places(order.filled_quote, pair.cost_decimals),
            "cum_qty": to_places(order.filled_qty, lot),
            "time_in_force": _time_word(request.time_in_force),
            "exec_type": kind,
            "side": request.side.value,
            "order_type": detail.ordertype,
            "limit_price_type": "static",
            "limit_price": to_places(request.price or Decimal(0), price),
            "stop_price": to_places(request.stop_price or Decimal(0), price),
            "post_only": request.post_only,
            "reduce_only": False,
            "order_status": status,
            "fee_usd_equiv": to_places(Decimal(0), pair.cost_decimals),
            "fee_ccy_pref": detail.oflags[0],
            "timestamp": rfc3339(at_ms),
        }
        if request.type.is_conditional:
            row["triggers"] = self._trigger_row(order, pair, at_ms)
        if request.expires_ms is not None:
            row["expire_time"] = rfc3339(request.expires_ms)
        if detail.display_qty is not None:
            row["display_qty"] = to_places(detail.display_qty, lot)
        return row

    def _trigger_row(self, order: OrderSnapshot, pair: Pair, at_ms: int) -> Row:
        request = order.request
        trailing = request.type is OrderType.TRAILING_STOP_MARKET
        share = request.trailing_rate or Decimal(0)
        fixed_price = to_places(request.stop_price or Decimal(0), pair.price_decimals)
        return {
            "reference": "last",
            "price": to_places(share * 100, 4) if trailing else fixed_price,
            "price_type": "pct" if trailing else "static",
            "status": "untriggered",
            "timestamp": rfc3339(at_ms),
        }

    def _open_row(self, state: OrderState) -> Row:
        order_id = state.entry.engine_ids[-1]
        order = self._sockets.engine.find(state.entry.account, order_id=order_id)
        assert order is not None
        told = self._sockets.engine.reported(order)
        row = self._whole(state.entry, told, state.entry.opened_ms, "new", _status_word(told))
        return {**row, **self._sums(told)} if told.filled_qty else row

    def _fill_row(self, fill: Execution) -> Row:
        entry = self._log.of(fill.order_id)
        pair = self._pair(entry)
        order = self._sockets.engine.find(fill.account, order_id=fill.order_id)
        done = Decimal(0)
        cost = Decimal(0)
        for other in order.executions if order is not None else [fill]:
            done += other.qty
            cost += other.quote_qty
            if other.execution_id == fill.execution_id:
                break
        price, lot, money = pair.price_decimals, pair.lot_decimals, pair.cost_decimals
        return {
            "order_id": entry.txid,
            **_names(entry),
            "exec_id": self._log.trade_id(fill),
            "exec_type": "trade",
            "trade_id": self._log.print_id(fill),
            "symbol": pair.name,
            "side": fill.side.value,
            "last_qty": to_places(fill.qty, lot),
            "last_price": to_places(fill.price, price),
            "liquidity_ind": "m" if fill.is_maker else "t",
            "cost": to_places(fill.quote_qty, money),
            "order_type": entry.particulars.ordertype,
            "timestamp": rfc3339(fill.at_ms),
            "order_status": "partially_filled",
            "cum_qty": to_places(done, lot),
            "cum_cost": to_places(cost, money),
            "avg_price": to_places(cost / done, price),
            "fee_usd_equiv": to_places(self._log.fee_in_quote(fill), money),
            "fees": [{"asset": fill.fee_currency, "qty": to_places(fill.fee, 8)}],
        }

    def _sums(self, order: OrderSnapshot) -> Row:
        pair = self._listing().of(order.request.symbol)
        return {
            "order_qty": to_places(order.request.qty, pair.lot_decimals),
            "cum_qty": to_places(order.filled_qty, pair.lot_decimals),
            "cum_cost": to_places(order.filled_quote, pair.cost_decimals),
            "avg_price": to_places(order.avg_price, pair.price_decimals),
        }

    def _pair(self, entry: Entry) -> Pair:
        return self._listing().of(entry.symbol)

    # -- balances ---------------------------------------------------------------------------

    def _balance_rows(self, account: str) -> list[Row]:
        """Totals, held by open orders or not; what the scenario has the account show."""
        stage = self._sockets.stage
        view = VenueView(
            engine=stage.engine, keys=stage.keys, lies=stage.lies, pictures=stage.pictures
        )
        rows: list[Row] = []
        for name, held in view.balances(account).items():
            total = to_places(held.total, asset_of(name).decimals)
            rows.append(
                {
                    "asset": name,
                    "asset_class": "currency",
                    "balance": total,
                    "wallets": [{"type": "spot", "id": "main", "balance": total}],
                }
            )
        return rows

    def _flow_row(self, flow: Flow) -> Row:
        decimals = asset_of(flow.asset).decimals
        return {
            "ledger_id": self._ids.ledger(flow.fill.execution_id, flow.asset),
            "ref_id": self._log.trade_id(flow.fill),
            "timestamp": rfc3339(flow.fill.at_ms),
            "type": "trade",
            "asset": flow.asset,
            "asset_class": "currency",
            "category": "trade",
            "wallet_type": "spot",
            "wallet_id": "main",
            "amount": to_places(flow.amount, decimals),
            "fee": to_places(flow.fee, decimals),
            "balance": to_places(flow.balance, decimals),
        }


def _names(entry: Entry) -> Row:
    """The client's own names of an order: one or the other."""
    detail = entry.particulars
    if detail.cl_ord_id:
        return {"cl_ord_id": detail.cl_ord_id}
    return {"order_userref": detail.userref}


def _status_word(order: OrderSnapshot) -> str:
    return "partially_filled" if order.filled_qty else "new"


def _time_word(time_in_force: TimeInForce) -> str:
    return time_in_force.name
