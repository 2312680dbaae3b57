"""The user's stream: what happens to orders and balances, told over the WebSocket API.

Source: Binance spot API docs, user-data-stream.md, enums.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from outlast.mock.engine.events import BalanceEvent, EngineEvent, OrderEvent, OrderEventKind
from outlast.mock.streams.client import Client, Subscription
from outlast.mock.streams.hub import Sockets
from outlast.mock.venues.binance_spot.order_views import STP_WORDS, type_word
from outlast.mock.venues.binance_spot.spot_orders import SpotOrder
from outlast.mock.venues.binance_spot.time_units import in_microseconds
from outlast.mock.venues.binance_spot.trading import OrderNotes
from outlast.mock.venues.binance_um.aliases import to_json
from outlast.mock.venues.binance_um.figures import fixed
from outlast.mock.venues.streams import Feed, Update

__all__ = ["CHANNEL", "UserFeed", "topic_of"]

CHANNEL: Final = "user"
_ZERO: Final = Decimal(0)
_TYPES: Final = {
    OrderEventKind.NEW: "NEW",
    OrderEventKind.TRADE: "TRADE",
    OrderEventKind.CALCULATED: "TRADE",
    OrderEventKind.CANCELED: "CANCELED",
    OrderEventKind.EXPIRED: "EXPIRED",
    OrderEventKind.REJECTED: "EXPIRED",
    OrderEventKind.AMENDED: "REPLACED",
}


def topic_of(account: str) -> str:
    """Name the topic that an account's events are published on."""
    return f"user/{account}"


class UserFeed:
    """Tells each account what the engine did for it, in the order in which it happened."""

    def __init__(self, sockets: Sockets, notes: OrderNotes) -> None:
        self._sockets, self._notes = sockets, notes
        self._waiting: list[OrderEvent | BalanceEvent] = []
        self._executions = 0
        sockets.engine.listen(self._hear, public_trades=False)

    def join(self, client: Client, account: str, number: int) -> None:
        """Subscribe a client to an account; `number` is what its events are wrapped with."""
        client.subscribe(topic_of(account), channel=CHANNEL, feed=Feed.USER, state=number)

    def leave(self, client: Client, number: int | None) -> list[int]:
        """End one subscription, or all; give the numbers of those that were ended."""
        ended: list[int] = []
        for topic, subscription in list(client.subscriptions.items()):
            if number in (None, subscription.state):
                client.unsubscribe(topic)
                ended.append(subscription.state)
        return ended

    def terminate(self, client: Client) -> None:
        """End every subscription of a client and say so."""
        for number in self.leave(client, None):
            client.send(self.terminated(client, number))

    def terminated(self, client: Client, number: int) -> str:
        event = {"e": "eventStreamTerminated", "E": self._sockets.now_ms}
        return _wrapped(number, event, client)

    # -- what happens -----------------------------------------------------------------------

    def _hear(self, event: EngineEvent) -> None:
        if not isinstance(event, OrderEvent | BalanceEvent) or event.silent:
            return
        if not self._sockets.on(topic_of(event.account)):
            return
        if not self._waiting:
            self._sockets.soon(self._tell)
        self._waiting.append(event)

    def _tell(self) -> None:
        """Send what has happened; balances that changed together go together."""
        waiting, self._waiting = self._waiting, []
        changed: dict[str, BalanceEvent] = {}
        for index, event in enumerate(waiting):
            if isinstance(event, OrderEvent):
                self._tell_order(event)
                continue
            changed[event.asset] = event
            after = waiting[index + 1] if index + 1 < len(waiting) else None
            if not isinstance(after, BalanceEvent) or after.account != event.account:
                self._tell_balances(event.account, changed)
                changed = {}

    def _tell_order(self, event: OrderEvent) -> None:
        if event.kind is OrderEventKind.EXPIRED and event.order.end_reason == "triggered":
            return  # its second half is told of instead: on this venue it is one order
        body = self._report(event)
        self._send(event.account, body, shown=(event.order.order_id,))

    def _tell_balances(self, account: str, changed: Mapping[str, BalanceEvent]) -> None:
        last = list(changed.values())[-1]
        body = {
            "e": "outboundAccountPosition",
            "E": self._sockets.now_ms,
            "u": last.at_ms,
            "B": [
                {"a": asset, "f": fixed(event.free), "l": fixed(event.locked)}
                for asset, event in changed.items()
            ],
        }
        self._send(account, body)

    def _send(self, account: str, body: dict[str, object], *, shown: tuple[int, ...] = ()) -> None:
        def render(subscription: Subscription) -> Update:
            text = _wrapped(subscription.state, body, subscription.client)
            return Update(text, shown=shown, kind=str(body["e"]))

        self._sockets.publish(topic_of(account), render)

    # -- orders -----------------------------------------------------------------------------

    def _report(self, event: OrderEvent) -> dict[str, object]:
        """Write an `executionReport`.

        Of a cancel, `c` is the cancel's own id and `C` the order's; of an amendment `C` is what
        the order was called before.
        """
        order = self._whole(event)
        request, fill = order.first.request, event.execution
        note = self._notes.of(order.order_id)
        name, original = order.client_id, ""
        what = _TYPES[event.kind]
        if event.kind is OrderEventKind.CANCELED:
            if order.status == "EXPIRED":
                what = "EXPIRED"
            else:
                name, original = self._notes.cancel_ids.get(order.order_id, name), name
        elif event.kind is OrderEventKind.AMENDED:
            original = self._notes.renamed.get(order.order_id, name)
        self._executions += 1
        body: dict[str, object] = {
            "e": "executionReport",
            "E": self._sockets.now_ms,
            "s": request.symbol,
            "c": name,
            "S": request.side.name,
            "o": type_word(request),
            "f": request.time_in_force.name,
            "q": fixed(order.last.request.qty),
            "p": fixed(request.price or _ZERO),
            "P": fixed(request.stop_price or _ZERO),
            "F": fixed(_ZERO),
            "g": -1,
            "C": original,
            "x": what,
            "X": order.status,
            "r": "NONE",
            "i": order.order_id,
            "l": fixed(fill.qty if fill else _ZERO),
            "z": fixed(order.filled_qty),
            "L": fixed(fill.price if fill else _ZERO),
            "n": fixed(fill.fee) if fill else "0",
            "N": fill.fee_currency if fill else None,
            "T": event.at_ms,
            "t": fill.execution_id if fill else -1,
            "I": self._executions,
            "w": order.is_working and order.is_open,
            "m": fill.is_maker if fill else False,
            "M": fill is not None,
            "O": order.first.created_ms,
            "Z": fixed(order.filled_quote),
            "Y": fixed(fill.quote_qty if fill else _ZERO),
            "Q": fixed(note.quote_qty),
            "V": STP_WORDS[request.stp],
        }
        if order.is_working:
            body["W"] = order.working_ms
        if note.strategy_id is not None:
            body["j"] = note.strategy_id
        if note.strategy_type is not None:
            body["J"] = note.strategy_type
        if order.expiry_reason is not None:
            body["eR"] = order.expiry_reason
        return body

    def _whole(self, event: OrderEvent) -> SpotOrder:
        """The order right after this event; a fired conditional order keeps its first half."""
        last = event.order
        if last.triggered_from is None:
            return SpotOrder(last, last)
        engine = self._sockets.engine
        first = engine.find(event.account, order_id=last.triggered_from)
        if first is None:  # voided by the scenario since; what it became lives on
            return SpotOrder(last, last)
        return SpotOrder(engine.reported(first), last)


def _wrapped(number: int, event: dict[str, object], client: Client) -> str:
    shown = in_microseconds(event) if client.state.microseconds else event
    return to_json({"subscriptionId": number, "event": shown}).decode()
