"""Binance USD-M futures: the dialect that the exchange's pipeline speaks through.

It follows the venue's protocol as of autumn 2026, whatever date a scenario plays at; only the words
of -1008 go by the scenario's clock. One object serves one venue of one running exchange.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from outlast.mock.engine.engine import Engine
from outlast.mock.engine.model import Product
from outlast.mock.http.plans import HttpMessage
from outlast.mock.keys import Account, KeyRing
from outlast.mock.limits import Charge, LimitBreach, LimitWindow, Usage
from outlast.mock.records import Told
from outlast.mock.venues.binance_um import aliases, auth, facts, routes, weights
from outlast.mock.venues.binance_um.account import AccountDesk
from outlast.mock.venues.binance_um.algos import Algos
from outlast.mock.venues.binance_um.client_ids import ClientIds
from outlast.mock.venues.binance_um.errors import MESSAGES, VenueRefusal
from outlast.mock.venues.binance_um.history import History
from outlast.mock.venues.binance_um.ledger import Ledger
from outlast.mock.venues.binance_um.listen_keys import ListenKeys
from outlast.mock.venues.binance_um.market import Market
from outlast.mock.venues.binance_um.params import Params, merged, signed_payload
from outlast.mock.venues.binance_um.questions import Given, Question
from outlast.mock.venues.binance_um.settings import Settings
from outlast.mock.venues.binance_um.sockets import UmStreams
from outlast.mock.venues.binance_um.trading import Trading
from outlast.mock.venues.dialect import Call, WireAnswer

if TYPE_CHECKING:
    from outlast.mock.scenario.model import Reply
    from outlast.mock.venues.streams import StreamDialect
    from outlast.mock.view import VenueView

__all__ = ["BinanceUmDialect"]

_ENGINE_CHECKED: Final = frozenset({"orders.create", "orders.amend", "orders.cancel"})
"""What the matching engine checks the time window of again."""


class BinanceUmDialect:
    """See `mock/venues/dialect.py` for the port; `seed` makes client order ids and listen keys."""

    def __init__(self, *, seed: int) -> None:
        ids = ClientIds(seed)
        self._clocks = auth.ClientClocks()
        self.ledger = Ledger()
        self.listen_keys = ListenKeys(seed)
        settings = Settings()
        trading, algos = Trading(ids), Algos(ids)
        self._trading = trading
        history = History(trading, algos, self.ledger)
        market, account = Market(self.ledger), AccountDesk(self.ledger, seed)
        self._streams = UmStreams(self, self.ledger, self.listen_keys)
        self._handlers: Mapping[str, Callable[[Question], Given]] = {
            "ping": market.ping,
            "time": market.time,
            "system_status": market.system_status,
            "exchange_info": market.exchange_info,
            "depth": market.depth,
            "trades": market.trades,
            "historical_trades": market.historical_trades,
            "agg_trades": market.agg_trades,
            "klines": market.klines,
            "premium_index": market.premium_index,
            "funding_rate": market.funding_rate,
            "ticker_24hr": market.ticker_24hr,
            "ticker_price": market.ticker_price,
            "book_ticker": market.book_ticker,
            "order_new": trading.place,
            "order_test": trading.test,
            "order_amend": trading.amend,
            "order_get": trading.get,
            "order_cancel": trading.cancel,
            "batch_new": trading.place_batch,
            "batch_cancel": trading.cancel_batch,
            "open_order_get": trading.get_open,
            "open_orders": trading.open_orders,
            "cancel_all": trading.cancel_all,
            "countdown": trading.countdown,
            "all_orders": history.all_orders,
            "user_trades": history.fills,
            "income": history.income,
            "algo_new": algos.place,
            "algo_cancel": algos.cancel,
            "algo_get": algos.get,
            "open_algos": algos.open_orders,
            "all_algos": history.all_algos,
            "cancel_all_algos": algos.cancel_all,
            "account_v2": account.account_v2,
            "account_v3": account.account_v3,
            "balance": account.balance,
            "position_risk_v2": account.risk_v2,
            "position_risk_v3": account.risk_v3,
            "leverage": settings.set_leverage,
            "margin_type": settings.set_margin_type,
            "leverage_bracket": settings.brackets,
            "symbol_config": settings.symbol_config,
            "account_config": settings.account_config,
            "position_side": settings.position_side,
            "position_side_set": settings.set_position_side,
            "multi_assets": settings.multi_assets,
            "multi_assets_set": settings.set_multi_assets,
            "commission_rate": settings.commission,
            "order_limits": settings.order_limits,
            "trading_status": settings.trading_status,
            "coins": settings.coins,
            "margin_pairs": settings.margin_pairs,
            "listen_key_new": self.listen_keys.new,
            "listen_key_keep": self.listen_keys.keep,
            "listen_key_drop": self.listen_keys.drop,
        }

    @property
    def venue(self) -> str:
        return "binance-um"

    @property
    def product(self) -> Product:
        return Product.UM

    @property
    def streams(self) -> StreamDialect | None:
        return self._streams

    @property
    def windows(self) -> tuple[LimitWindow, ...]:
        return weights.WINDOWS

    def shown_balance(self, currency: str, amount: Decimal) -> Decimal:
        return amount  # with all its decimals

    def attach(self, engine: Engine) -> None:
        """Listen to this engine, so that klines, funding and income know the past.

        Without it the dialect attaches itself at the first request it performs.
        """
        if self.ledger.attach(engine):
            engine.on_forgotten(self._trading.forget)

    def route(self, message: HttpMessage) -> Call | None:
        route = routes.find(message.method, message.path)
        if route is None:
            return None
        # A GET has its parameters in the query string only; its body, if any, is still signed.
        body = b"" if message.method == "GET" else message.body
        params = merged(message.query, body)
        single = route.name in ("order_new", "algo_new")
        return Call(
            endpoint=route.endpoint,
            name=route.name,
            message=message,
            params=params,
            payload=signed_payload(message.query, message.body),
            symbol=params.get("symbol") or None,
            create=facts.create_facts(params) if single else None,
            batch=facts.batch_facts(params) if route.name == "batch_new" else (),
            post_only=facts.is_post_only(params) if single else None,
            asked_ids=facts.asked_ids(route.name, params),
        )

    def not_found(self, message: HttpMessage) -> WireAnswer:
        """Answer a path or method that the venue does not have."""
        msg = f"Path {message.path}, Method {message.method} is invalid"
        return aliases.error_answer(-5000, msg, status=404)

    def authenticate(self, call: Call, keys: KeyRing, now_ms: int) -> Account | WireAnswer | None:
        route = routes.find(call.message.method, call.message.path)
        assert route is not None, f"{call.name} was not routed here"
        try:
            return auth.account_of(call, route.security, keys, self._clocks, now_ms)
        except VenueRefusal as refusal:
            return _refused(refusal)

    def expired(self, call: Call, now_ms: int) -> WireAnswer | None:
        """Give -5028 for what the matching engine gets too late.

        Source: Binance USD-M futures docs, Error Codes, -5028.
        """
        if call.endpoint in _ENGINE_CHECKED and auth.is_past_window(call, self._clocks, now_ms):
            return aliases.error_answer(-5028, MESSAGES[-5028])
        return None

    def perform(
        self, call: Call, account: Account | None, view: VenueView, now_ms: int
    ) -> WireAnswer:
        self.attach(view.engine)
        question = Question(
            call=call,
            params=Params(call.params),
            account=account.name if account else "",
            view=view,
            now_ms=now_ms,
        )
        try:
            given = self._handlers[call.name](question)
        except VenueRefusal as refusal:
            return _refused(refusal, call)
        if call.name == "leverage" and isinstance(given.body, dict):
            self._streams.leverage_changed(
                question.account, given.body["symbol"], given.body["leverage"]
            )
        return WireAnswer(
            status=200,
            body=aliases.to_json(given.body),
            headers=(("Content-Type", "application/json"),),
            told=Told.OK,
            order_ids=given.order_ids,
            shown=given.shown,
            told_absent=given.told_absent,
        )

    def render(self, reply: Reply, call: Call, now_ms: int) -> WireAnswer:
        return aliases.render(reply, call, now_ms)

    def limited(self, breach: LimitBreach, _call: Call | None, _now_ms: int) -> WireAnswer:
        return aliases.limit_answer(breach)

    def charge(self, call: Call | None) -> Charge:
        return weights.charge(call)

    def decorate(self, answer: WireAnswer, call: Call | None, usage: Usage) -> WireAnswer:
        route = None if call is None else routes.find(call.message.method, call.message.path)
        return answer.with_headers(
            *weights.weight_headers(usage), *weights.order_headers(answer, route, usage)
        )


def _refused(refusal: VenueRefusal, call: Call | None = None) -> WireAnswer:
    absent = call is not None and refusal.code in (-2011, -2013)
    return aliases.error_answer(
        refusal.code,
        refusal.msg,
        status=refusal.status,
        told_absent=call.asked_ids if call is not None and absent else (),
    )
