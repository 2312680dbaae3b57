"""Binance spot: the dialect that the exchange's pipeline speaks through.

It follows the venue's protocol as of autumn 2026, whatever date a scenario plays at. One object
serves one venue of one running exchange. Not modelled, and refused in the venue's words: order
lists, icebergs, trailing stops, pegged orders, margin.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from outlast.mock.engine.engine import Engine
from outlast.mock.engine.model import Product
from outlast.mock.http.plans import HttpMessage
from outlast.mock.keys import Account, KeyRing
from outlast.mock.limits import Charge, LimitBreach, LimitWindow, Usage
from outlast.mock.records import Told
from outlast.mock.venues.binance_spot import aliases, auth, facts, listing, routes, weights
from outlast.mock.venues.binance_spot.account import AccountDesk
from outlast.mock.venues.binance_spot.errors import SpotRefusal, VenueRefusal, status_of
from outlast.mock.venues.binance_spot.history import History
from outlast.mock.venues.binance_spot.market import Market
from outlast.mock.venues.binance_spot.params import SpotParams
from outlast.mock.venues.binance_spot.questions import Given, Question
from outlast.mock.venues.binance_spot.routes import Security, SocketCall, route_of
from outlast.mock.venues.binance_spot.streams import SpotStreams
from outlast.mock.venues.binance_spot.time_units import in_microseconds, wants_microseconds
from outlast.mock.venues.binance_spot.trading import OrderNotes, Trading
from outlast.mock.venues.binance_um.aliases import to_json
from outlast.mock.venues.binance_um.auth import ClientClocks
from outlast.mock.venues.binance_um.client_ids import ClientIds
from outlast.mock.venues.binance_um.ledger import Ledger
from outlast.mock.venues.binance_um.params import merged, signed_payload
from outlast.mock.venues.dialect import Call, WireAnswer

if TYPE_CHECKING:
    from outlast.mock.scenario.model import Reply
    from outlast.mock.view import VenueView

__all__ = ["BinanceSpotDialect"]

_ENGINE_CHECKED: Final = frozenset({"orders.create", "orders.amend", "orders.cancel"})
"""What the time window of is checked again right before the matching engine."""
_ABSENT: Final = (-2011, -2013)
_JSON: Final = (("Content-Type", "application/json;charset=UTF-8"),)


class BinanceSpotDialect:
    """See `mock/venues/dialect.py` for the port; `seed` makes the ids that clients do not give."""

    def __init__(self, *, seed: int) -> None:
        ids = ClientIds(seed)
        self._clocks = ClientClocks()
        self.ledger = Ledger()
        self.notes = OrderNotes()
        trading, history = Trading(ids, self.notes), History(self.notes)
        market, account = Market(self.ledger), AccountDesk(self.ledger)
        self.handlers: dict[str, Callable[[Question], Given]] = {
            "ping": market.ping,
            "time": market.time,
            "system_status": market.system_status,
            "exchange_info": listing.exchange_info,
            "execution_rules": listing.execution_rules,
            "depth": market.depth,
            "trades": market.trades,
            "historical_trades": market.historical_trades,
            "agg_trades": market.agg_trades,
            "klines": market.klines,
            "avg_price": market.avg_price,
            "ticker": market.ticker,
            "ticker_24hr": market.ticker_24hr,
            "ticker_day": market.ticker_day,
            "ticker_price": market.ticker_price,
            "book_ticker": market.book_ticker,
            "order_new": trading.place,
            "order_test": trading.test,
            "cancel_replace": trading.cancel_replace,
            "order_amend": trading.amend,
            "amendments": trading.amendments,
            "order_get": history.get,
            "order_cancel": trading.cancel,
            "open_orders": history.open_orders,
            "cancel_all": trading.cancel_all,
            "all_orders": history.all_orders,
            "my_trades": history.my_trades,
            "prevented_matches": history.prevented,
            "list_new_oco": trading.list_oco,
            "list_new_oto": trading.list_oto,
            "list_cancel": trading.list_cancel,
            "list_get": trading.list_get,
            "lists_all": trading.lists,
            "lists_open": trading.lists,
            "account": account.account,
            "commission": account.commission,
            "order_limits": account.order_limits,
            "trade_fee": account.trade_fee,
            "coins": account.coins,
            "user_assets": account.user_assets,
            "account_status": account.status,
            "trading_status": account.trading_status,
            "key_rights": account.key_rights,
            "margin_pairs": account.margin_pairs,
        }
        self.streams = SpotStreams(self)

    @property
    def venue(self) -> str:
        return "binance-spot"

    @property
    def product(self) -> Product:
        return Product.SPOT

    @property
    def windows(self) -> tuple[LimitWindow, ...]:
        return weights.WINDOWS

    def shown_balance(self, currency: str, amount: Decimal) -> Decimal:
        return amount  # with all its decimals

    def attach(self, engine: Engine) -> None:
        """Listen to this engine, so that klines and account times know the past.

        Without it the dialect attaches itself at the first request it performs.
        """
        if self.ledger.attach(engine):
            engine.on_forgotten(self.notes.forget)

    def route(self, message: HttpMessage) -> Call | None:
        route = routes.find(message.method, message.path)
        if route is None:
            return None
        # A GET has its parameters in the query string only; its body, if any, is still signed.
        body = b"" if message.method == "GET" else message.body
        params = merged(message.query, body)
        creates = route.name in facts.CREATES
        return Call(
            endpoint=route.endpoint,
            name=route.name,
            message=message,
            params=params,
            payload=auth.encoded(signed_payload(message.query, message.body)),
            symbol=params.get("symbol") or None,
            create=facts.create_facts(params) if creates else None,
            post_only=params.get("type") == "LIMIT_MAKER" if creates else None,
            asked_ids=facts.asked_ids(route.name, params),
        )

    def not_found(self, _message: HttpMessage) -> WireAnswer:
        """Answer a path or method that the venue does not have."""
        return aliases.NOT_FOUND

    def authenticate(self, call: Call, keys: KeyRing, now_ms: int) -> Account | WireAnswer | None:
        try:
            wants_microseconds(call.message.header("x-mbx-time-unit"))
            return self._account_of(call, keys, now_ms)
        except VenueRefusal as refusal:
            return _refused(refusal)

    def _account_of(self, call: Call, keys: KeyRing, now_ms: int) -> Account | None:
        security = route_of(call).security
        if security is Security.NONE:
            return None
        params = SpotParams(call.params)
        if isinstance(call, SocketCall) and call.session is not None:
            if security is Security.SIGNED:
                auth.check_clock(params, call.session.key, self._clocks, now_ms)
            return call.session
        key = _key_of(call)
        account = auth.keyed(key, keys)
        if security is Security.SIGNED:
            auth.check_clock(params, account.key, self._clocks, now_ms)
            auth.check_signature(params, account, key, call.payload)
        return account

    def expired(self, call: Call, now_ms: int) -> WireAnswer | None:
        """Give -1021 for what has waited too long before it could go to the matching engine.

        Source: Binance spot API docs, change log of 2025-05-22: `recvWindow` is checked twice.
        """
        if call.endpoint not in _ENGINE_CHECKED:
            return None
        key = call.session.key if isinstance(call, SocketCall) and call.session else _key_of(call)
        window = auth.window_of(SpotParams(call.params))
        if window.is_over(self._clocks.later(key, window.timestamp_ms, now_ms)):
            return _refused(SpotRefusal(-1021))
        return None

    def perform(
        self, call: Call, account: Account | None, view: VenueView, now_ms: int
    ) -> WireAnswer:
        self.attach(view.engine)
        if call.name == "gone":
            return aliases.GONE
        question = Question(
            call=call,
            params=SpotParams(call.params),
            account=account.name if account else "",
            view=view,
            now_ms=now_ms,
        )
        try:
            given = self.handlers[call.name](question)
        except VenueRefusal as refusal:
            return _refused(refusal, call)
        body = in_microseconds(given.body) if _in_microseconds(call) else given.body
        placed = given.code is None or bool(given.order_ids)
        return WireAnswer(
            status=given.status,
            body=to_json(body),
            headers=_JSON,
            told=Told.OK if placed else Told.REFUSED,
            code=None if given.code is None else str(given.code),
            order_ids=given.order_ids,
            shown=given.shown,
            told_absent=given.told_absent,
            weightless=given.code is None and call.name in weights.FREE_ON_SUCCESS,
        )

    def render(self, reply: Reply, call: Call, now_ms: int) -> WireAnswer:
        return aliases.render(reply, call, now_ms)

    def limited(self, breach: LimitBreach, _call: Call | None, _now_ms: int) -> WireAnswer:
        return aliases.limit_answer(breach)

    def charge(self, call: Call | None) -> Charge:
        return weights.charge(call)

    def decorate(self, answer: WireAnswer, call: Call | None, usage: Usage) -> WireAnswer:
        route = None if call is None else route_of(call)
        return answer.with_headers(
            *weights.weight_headers(usage), *weights.order_headers(answer, route, usage)
        )


def _key_of(call: Call) -> str:
    if isinstance(call, SocketCall):
        return SpotParams(call.params).need("apiKey")
    return call.message.header("x-mbx-apikey")


def _in_microseconds(call: Call) -> bool:
    if isinstance(call, SocketCall):
        return call.microseconds
    return wants_microseconds(call.message.header("x-mbx-time-unit"))


def _refused(refusal: VenueRefusal, call: Call | None = None) -> WireAnswer:
    absent = call is not None and refusal.code in _ABSENT
    return aliases.error_answer(
        refusal.code,
        refusal.msg,
        status=status_of(refusal.code),
        told_absent=call.asked_ids if call is not None and absent else (),
    )
