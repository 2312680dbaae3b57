"""Who hears what happens to an account: listen keys with a socket on them.

A key is a topic of its own. When it dies its listeners are told so once and hear nothing more; the
socket stays open. Source: Binance USD-M futures docs, User Data Streams.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from outlast.mock.engine.events import (
    BalanceEvent,
    EngineEvent,
    FundingEvent,
    InstrumentEvent,
    OrderEvent,
    OrderEventKind,
    PositionEvent,
    TradeEvent,
)
from outlast.mock.venues.binance_um.aliases import to_json
from outlast.mock.venues.binance_um.listen_keys import ListenKeys
from outlast.mock.venues.binance_um.user_events import UserViews
from outlast.mock.venues.streams import Feed, Update

if TYPE_CHECKING:
    from outlast.mock.streams.client import Client, Subscription
    from outlast.mock.streams.hub import Sockets

__all__ = ["UserStreams"]

_PREFIX: Final = "key:"
_WAITING_MAX: Final = 100_000

Event = dict[str, object]


class UserStreams:
    """The user data streams of one venue."""

    def __init__(self, sockets: Sockets, keys: ListenKeys) -> None:
        self._sockets, self._keys = sockets, keys
        self._views = UserViews(sockets.engine)
        self._waiting: list[OrderEvent | BalanceEvent | PositionEvent] = []
        self._funding: FundingEvent | None = None
        self._dead: dict[str, None] = {}
        """The keys whose listeners know that they have run out."""
        sockets.engine.listen(self._hear, public_trades=False)

    def owner(self, key: str) -> str | None:
        """Give the account of a key that is valid now."""
        return self._keys.owner(key, self._sockets.engine.now_ms)

    def join(
        self, client: Client, key: str, *, events: frozenset[str] | None, combined: bool
    ) -> None:
        """Put a client on a key; `events` is an allow list, None lets everything through.

        A key that is not valid is taken without a word, and stays silent.
        """
        owner = self.owner(key)
        if owner is not None and client.account is None:
            client.account = owner
        client.subscribe(_PREFIX + key, channel="user", feed=Feed.USER, state=(events, combined))

    def leave(self, client: Client, key: str) -> bool:
        return client.unsubscribe(_PREFIX + key)

    @staticmethod
    def key_of(topic: str) -> str | None:
        """Give the listen key of a topic, if it is one."""
        return topic.removeprefix(_PREFIX) if topic.startswith(_PREFIX) else None

    def check_keys(self) -> None:
        """Tell the listeners of keys that have run out; call it once a second."""
        for topic in self._sockets.topics():
            key = self.key_of(topic)
            if key is None or key in self._dead or not self._keys.was_issued(key):
                continue
            if self.owner(key) is None:
                self._dead = {k: None for k in self._dead if self._keys.was_issued(k)}
                self._dead[key] = None
                event = self._views.key_expired(key, self._sockets.now_ms)
                self._publish(key, event, ())

    def expire(self, client: Client) -> None:
        """Kill the keys that a client listens on."""
        for topic in list(client.subscriptions):
            key = self.key_of(topic)
            owner = None if key is None else self.owner(key)
            if owner is not None:
                self._keys.expire(owner)
        self.check_keys()

    def leverage_changed(self, account: str, symbol: str, leverage: int) -> None:
        at_ms = self._sockets.engine.now_ms
        self._tell(account, self._views.leverage(symbol, leverage, at_ms, self._sockets.now_ms))

    # -- events -----------------------------------------------------------------------------

    def _hear(self, event: EngineEvent) -> None:
        if isinstance(event, TradeEvent | InstrumentEvent):
            return
        if isinstance(event, FundingEvent):
            self._funding = event
            return
        if event.silent or not self._has_listener(event.account):
            if isinstance(event, BalanceEvent):
                self._views.note(event)
            return
        if not self._waiting:
            self._sockets.soon(self._tell_waiting)
        if len(self._waiting) < _WAITING_MAX:
            self._waiting.append(event)

    def _has_listener(self, account: str) -> bool:
        key = self._keys.of(account, self._sockets.engine.now_ms)
        return key is not None and bool(self._sockets.on(_PREFIX + key))

    def _tell_waiting(self) -> None:
        """Tell what happened in this instant, ledger changes of one cause as one event."""
        waiting, self._waiting = self._waiting, []
        ledger: list[BalanceEvent | PositionEvent] = []
        for event in waiting:
            if isinstance(event, OrderEvent):
                self._tell_ledger(ledger)
                self._tell_order(event)
            else:
                if ledger and (ledger[0].account, ledger[0].reason) != (
                    event.account,
                    event.reason,
                ):
                    self._tell_ledger(ledger)
                ledger.append(event)
        self._tell_ledger(ledger)

    def _tell_ledger(self, ledger: list[BalanceEvent | PositionEvent]) -> None:
        if ledger:
            told = self._views.account(ledger, self._sockets.now_ms, funding=self._funding)
            self._tell(ledger[0].account, told)
            ledger.clear()

    def _tell_order(self, event: OrderEvent) -> None:
        now_ms, account = self._sockets.now_ms, event.account
        order = event.order
        if order.request.type.is_conditional:
            self._tell_algo(event)
            return
        if event.kind in (OrderEventKind.TRADE, OrderEventKind.CALCULATED):
            self._tell(account, self._views.trade_lite(event, now_ms))
        self._tell(account, self._views.order(event, now_ms), (order.order_id,))
        if order.triggered_from is not None and not order.status.is_open:
            parent = self._sockets.engine.find(account, order_id=order.triggered_from)
            if parent is not None:
                self._tell_algo_finished(event, parent.order_id)

    def _tell_algo(self, event: OrderEvent) -> None:
        engine, order = self._sockets.engine, event.order
        child = engine.find(event.account, order_id=order.became) if order.became else None
        told = self._views.algo(
            event,
            self._sockets.now_ms,
            child=None if child is None else engine.reported(child),
        )
        self._tell(event.account, told, (order.order_id,))

    def _tell_algo_finished(self, event: OrderEvent, parent_id: int) -> None:
        """The order that a conditional one became has ended."""
        engine = self._sockets.engine
        parent = engine.find(event.account, order_id=parent_id)
        if parent is None:
            return
        as_event = OrderEvent(
            kind=OrderEventKind.EXPIRED,
            account=event.account,
            order=engine.reported(parent),
            execution=None,
            at_ms=event.at_ms,
            shown_ms=event.shown_ms,
            silent=False,
        )
        told = self._views.algo(as_event, self._sockets.now_ms, child=event.order)
        self._tell(event.account, told, (parent_id,))

    def _tell(self, account: str, event: Event, shown: Sequence[int] = ()) -> None:
        key = self._keys.of(account, self._sockets.engine.now_ms)
        if key is not None:
            self._publish(key, event, tuple(shown))

    def _publish(self, key: str, event: Event, shown: tuple[int, ...]) -> None:
        kind = str(event["e"])
        raw = to_json(event).decode()

        def render(subscription: Subscription) -> Update | None:
            events, combined = subscription.state
            if events is not None and kind not in events:
                return None
            text = f'{{"stream":"{key}","data":{raw}}}' if combined else raw
            return Update(text, shown=shown, kind=kind)

        self._sockets.publish(_PREFIX + key, render)
