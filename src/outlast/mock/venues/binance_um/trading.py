"""Placing, amending, cancelling and looking up orders.

Source: Binance USD-M futures docs, Trade endpoints; Query Order (an unfilled order that ended is
found for three days, any other for ninety).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Final

from outlast.mock.engine import filters
from outlast.mock.engine.engine import Engine
from outlast.mock.engine.events import OrderSnapshot
from outlast.mock.engine.model import (
    Order,
    OrderStatus,
    OrderType,
    TimeInForce,
)
from outlast.mock.venues.binance_um import order_views
from outlast.mock.venues.binance_um.client_ids import ClientIds
from outlast.mock.venues.binance_um.errors import Purpose, VenueRefusal
from outlast.mock.venues.binance_um.params import Params
from outlast.mock.venues.binance_um.questions import Given, Question
from outlast.mock.venues.binance_um.tickets import OrderReader, Ticket, amendment, side_of

__all__ = ["Trading", "batch_entries", "cancel_list", "plain_open_orders"]

_BATCH_MAX: Final = 5
_CANCELS_MAX: Final = 10
_UNFILLED_KEPT_MS: Final = 3 * 86_400_000
_KEPT_MS: Final = 90 * 86_400_000


class Trading:
    """The order endpoints of one running venue."""

    def __init__(self, ids: ClientIds) -> None:
        self._ids = ids
        self._price_matches: dict[int, str] = {}
        """The `priceMatch` an order came with; the engine knows the price it stood for."""

    def forget(self, orders: Sequence[Order]) -> None:
        """The engine no longer knows these orders."""
        for order in orders:
            self._price_matches.pop(order.order_id, None)

    # -- new --------------------------------------------------------------------------------

    def place(self, q: Question) -> Given:
        body, order_id = self._place(q, q.params)
        return Given(body, order_ids=(order_id,), shown=(order_id,))

    def test(self, q: Question) -> Given:
        """Check an order and give the shape of an answer; nothing reaches the engine."""
        ticket = self._reader(q).order(q.params)
        instrument = q.listed(ticket.request.symbol)
        checked = filters.refusal(
            ticket.request,
            instrument,
            reference=q.engine.mark_price(instrument.symbol),
            now_ms=q.engine.now_ms,
        )
        if checked is not None:
            q.taken(checked, instrument, Purpose.PLACE)
        never_placed = OrderSnapshot(
            order_id=0,
            account=q.account,
            request=ticket.request,
            status=OrderStatus.NEW,
            created_ms=q.now_ms,
            updated_ms=q.now_ms,
            filled_qty=Decimal(0),
            filled_quote=Decimal(0),
            end_reason="",
            triggered_from=None,
            became=None,
        )
        return Given(order_views.place(never_placed, instrument, ticket.price_match))

    def place_batch(self, q: Question) -> Given:
        """Place up to five orders; each has its own answer, and the whole is HTTP 200."""
        bodies: list[object] = []
        made: list[int] = []
        for entry in batch_entries(q.params.need("batchOrders")):
            try:
                body, order_id = self._place(q, Params(entry))
            except VenueRefusal as refusal:
                bodies.append(_error_body(refusal))
            else:
                bodies.append(body)
                made.append(order_id)
        return Given(bodies, order_ids=tuple(made), shown=tuple(made))

    def _place(self, q: Question, params: Params) -> tuple[dict[str, object], int]:
        ticket = self._reader(q).order(params)
        instrument = q.listed(ticket.request.symbol)
        order = q.taken(
            q.engine.place(q.account, ticket.request, silent=q.view.silent),
            instrument,
            Purpose.PLACE,
        )
        self._note_price_match(order.order_id, ticket.price_match)
        told = _as_answered(q.engine.reported(order), ticket)
        return order_views.place(told, instrument, ticket.price_match), order.order_id

    def _note_price_match(self, order_id: int, match: str) -> None:
        if match != "NONE":
            self._price_matches[order_id] = match
        else:
            self._price_matches.pop(order_id, None)

    def _reader(self, q: Question) -> OrderReader:
        return OrderReader(q.engine.instruments, q.engine.book, self._ids.next, q.now_ms)

    # -- amend and cancel -------------------------------------------------------------------

    def amend(self, q: Question) -> Given:
        order = self._named(q, missing=-2013)
        instrument = q.listed(order.request.symbol)
        if side_of(q.params) is not order.request.side:
            raise VenueRefusal.invalid("side")
        if order.request.type is not OrderType.LIMIT:
            raise VenueRefusal(-5025)
        qty, price = amendment(q.params, instrument)
        match = "NONE"
        if price is None:
            match = q.params.need("priceMatch")
            price = self._reader(q).matched_price(instrument.symbol, order.request.side, match)
        result = q.engine.amend(q.account, order.order_id, qty=qty, price=price)
        amended = q.taken(result, instrument, Purpose.AMEND)
        self._note_price_match(order.order_id, match)
        body = order_views.place(q.engine.reported(amended), instrument, match)
        return Given(body, order_ids=(order.order_id,), shown=(order.order_id,))

    def cancel(self, q: Question) -> Given:
        order = self._cancel(q, self._named(q, missing=-2011))
        return Given(self._placed(q, order), order_ids=(order.order_id,), shown=(order.order_id,))

    def cancel_batch(self, q: Question) -> Given:
        """Cancel up to ten orders of one symbol; each has its own answer."""
        symbol = q.instrument().symbol
        bodies: list[object] = []
        gone: list[int] = []
        absent: list[str] = []
        for order_id, client_id in cancel_list(q.params):
            try:
                order = self._find(q, symbol, order_id, client_id)
                if order is None:
                    raise VenueRefusal(-2011)
                self._cancel(q, order)
            except VenueRefusal as refusal:
                bodies.append(_error_body(refusal))
                if refusal.code == -2011 and client_id is not None:
                    absent.append(client_id)
            else:
                bodies.append(self._placed(q, order))
                gone.append(order.order_id)
        return Given(bodies, tuple(gone), tuple(gone), tuple(absent))

    def cancel_all(self, q: Question) -> Given:
        """Cancel the plain open orders of a symbol; conditional ones have their own endpoint."""
        instrument = q.instrument()
        gone: list[int] = []
        for order in plain_open_orders(q.engine, q.account, instrument.symbol):
            self._cancel(q, order)
            gone.append(order.order_id)
        return Given(
            {"code": 200, "msg": "The operation of cancel all open order is done."},
            order_ids=tuple(gone),
        )

    def countdown(self, q: Question) -> Given:
        """Set, restart or stop (0) the symbol's dead man's switch."""
        instrument = q.instrument()
        q.params.need("countdownTime")
        countdown_ms = q.params.whole("countdownTime")
        assert countdown_ms is not None
        key = ("countdown", q.account, instrument.symbol)
        engine, account = q.engine, q.account

        def run_out() -> None:
            for order in plain_open_orders(engine, account, instrument.symbol):
                engine.cancel(account, order.order_id, reason="deadman")

        if countdown_ms:
            q.view.timers.later(key, countdown_ms / 1000, run_out)
        else:
            q.view.timers.drop(key)
        return Given({"symbol": instrument.symbol, "countdownTime": str(countdown_ms)})

    def _cancel(self, q: Question, order: Order) -> Order:
        result = q.engine.cancel(q.account, order.order_id)
        return q.taken(result, q.listed(order.request.symbol), Purpose.CANCEL)

    # -- look up ----------------------------------------------------------------------------

    def get(self, q: Question) -> Given:
        return self._shown(q, self._named(q, missing=-2013))

    def get_open(self, q: Question) -> Given:
        """Look up an open order; one that has ended does not exist here."""
        order = self._named(q, missing=-2013)
        if not q.engine.reported(order).status.is_open:
            raise VenueRefusal(-2013)
        return self._shown(q, order)

    def open_orders(self, q: Question) -> Given:
        symbol = q.instrument().symbol if "symbol" in q.params else None
        listed = [
            order
            for order in q.engine.orders(q.account, symbol)
            if not order.request.type.is_conditional and q.engine.reported(order).status.is_open
        ]
        return Given(
            [self.queried(q, q.engine.reported(order)) for order in listed],
            shown=tuple(order.order_id for order in listed),
        )

    def _shown(self, q: Question, order: Order) -> Given:
        body = self.queried(q, q.engine.reported(order))
        return Given(body, shown=(order.order_id,))

    def _placed(self, q: Question, order: Order) -> dict[str, object]:
        match = self._price_matches.get(order.order_id, "NONE")
        instrument = q.listed(order.request.symbol)
        return order_views.place(q.engine.reported(order), instrument, match)

    def queried(self, q: Question, snapshot: OrderSnapshot) -> dict[str, object]:
        """Write an order as the queries do."""
        match = self._price_matches.get(snapshot.order_id, "NONE")
        return order_views.query(snapshot, q.listed(snapshot.request.symbol), match)

    def _named(self, q: Question, *, missing: int) -> Order:
        """Give the order that the parameters name; `missing` is the code when there is none.

        With both ids the order id decides. Source: Binance USD-M futures docs, Cancel Order.
        """
        symbol = q.instrument().symbol
        order_id = q.params.whole("orderId")
        client_id = q.params.text("origClientOrderId")
        if order_id is None and client_id is None:
            raise VenueRefusal.one_of("origClientOrderId", "orderId")
        order = self._find(q, symbol, order_id, None if order_id is not None else client_id)
        if order is None:
            raise VenueRefusal(missing)
        return order

    def _find(
        self, q: Question, symbol: str, order_id: int | None, client_id: str | None
    ) -> Order | None:
        order = q.engine.find(
            q.account, symbol=symbol, order_id=order_id, client_order_id=client_id
        )
        if client_id is not None and (order is None or order.request.type.is_conditional):
            # Conditional orders live elsewhere; an older plain order may bear the same client id.
            order = next(
                (
                    other
                    for other in reversed(q.engine.orders(q.account, symbol))
                    if order_views.client_id_of(other) == client_id
                    and not other.request.type.is_conditional
                ),
                None,
            )
        if order is not None and order.request.type.is_conditional:
            return None
        return None if order is None or _is_forgotten(order, q.engine.now_ms) else order


def plain_open_orders(engine: Engine, account: str, symbol: str) -> list[Order]:
    """Give the open orders of a symbol that are not conditional."""
    return [
        order
        for order in engine.orders(account, symbol, only_open=True)
        if not order.request.type.is_conditional
    ]


def _as_answered(reported: OrderSnapshot, ticket: Ticket) -> OrderSnapshot:
    """Give the order as the answer shows it.

    ACK says only that it was taken. RESULT waits for the end where there is one at once: market
    orders, IOC and FOK. Source: Binance USD-M futures docs, New Order, `newOrderRespType`.
    """
    request = ticket.request
    ends_at_once = request.type is OrderType.MARKET or request.time_in_force in (
        TimeInForce.IOC,
        TimeInForce.FOK,
    )
    if ticket.wants_result and ends_at_once:
        return reported
    return replace(
        reported,
        status=OrderStatus.NEW,
        filled_qty=Decimal(0),
        filled_quote=Decimal(0),
        end_reason="",
        updated_ms=reported.created_ms,
    )


def _is_forgotten(order: Order, now_ms: int) -> bool:
    age_ms = now_ms - order.created_ms
    if order.status.is_open:
        return False
    unfilled = not order.filled_qty
    return age_ms > (_UNFILLED_KEPT_MS if unfilled else _KEPT_MS)


def _error_body(refusal: VenueRefusal) -> dict[str, object]:
    return {"code": refusal.code, "msg": refusal.msg}


def _json_list(text: str, name: str) -> list[object]:
    """Read a JSON list; numbers stay text, so that no digit is lost."""
    try:
        value = json.loads(text, parse_float=str, parse_int=str)
    except ValueError:
        raise VenueRefusal.invalid(name) from None
    if not isinstance(value, list):
        raise VenueRefusal.invalid(name)
    return value


def batch_entries(text: str) -> list[dict[str, str]]:
    """Read `batchOrders`: one to five orders, each as parameters (-1130, -4082)."""
    entries = _json_list(text, "batchOrders")
    if not 1 <= len(entries) <= _BATCH_MAX:
        raise VenueRefusal(-4082)
    return [_flat(entry) for entry in entries]


def _flat(entry: object) -> dict[str, str]:
    if not isinstance(entry, dict):
        raise VenueRefusal.invalid("batchOrders")
    return {
        str(name): str(value).lower() if isinstance(value, bool) else str(value)
        for name, value in entry.items()
        if value is not None
    }


def cancel_list(params: Params) -> list[tuple[int | None, str | None]]:
    """Read which orders a batch of cancels names, by number or by client id (-1130, -4032)."""
    if "orderIdList" in params:
        ids = _json_list(params.need("orderIdList"), "orderIdList")
        if not all(isinstance(item, str) and item.isdigit() for item in ids):
            raise VenueRefusal.invalid("orderIdList")
        named: list[tuple[int | None, str | None]] = [(int(str(item)), None) for item in ids]
    elif "origClientOrderIdList" in params:
        ids = _json_list(params.need("origClientOrderIdList"), "origClientOrderIdList")
        named = [(None, str(item)) for item in ids]
    else:
        raise VenueRefusal.one_of("origClientOrderIdList", "orderIdList")
    if not 1 <= len(named) <= _CANCELS_MAX:
        raise VenueRefusal(-4032)
    return named
