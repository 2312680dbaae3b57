"""The closed sets of the scenario language: what may stand in a document, and nothing else.

Each set is a tuple of the words as they are written; the checker names them when a word is wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Final, Literal, TypeAlias, get_args

from outlast.mock.engine.model import OrderType, Product

__all__ = [
    "ALIASES",
    "BALANCE_VIEWS",
    "CONNECT_ENDPOINTS",
    "COUNT_RULES",
    "DRIBBLE_ENDS",
    "ENDPOINTS",
    "EVENT_KINDS",
    "EXPECTATIONS",
    "FIDELITIES",
    "HTML_PAGES",
    "INCIDENT_STATES",
    "ORDER_TYPE_NAMES",
    "PAGE_STATES",
    "POSITION_VIEWS",
    "PRODUCT_OF_VENUE",
    "QUEUE_RULES",
    "REQUEST_ENDPOINTS",
    "RESET_POINTS",
    "SCORES",
    "STREAM_ENDPOINTS",
    "TRANSFERS",
    "TRIGGER_RULES",
    "UM_ONLY_ALIASES",
    "VENUES",
    "WAVE_STARTS",
    "Argument",
    "BalanceView",
    "CountRule",
    "EffectKind",
    "EventKind",
    "Fidelity",
    "PageState",
    "PositionView",
    "QueueRule",
    "StreamKind",
    "Transfers",
    "TriggerRule",
    "WaveStart",
    "expand_pattern",
    "order_type_named",
    "plain",
]

Fidelity: TypeAlias = Literal["documented", "reconstructed", "synthetic"]
CountRule: TypeAlias = Literal["all", "admitted", "unknown_half"]
QueueRule: TypeAlias = Literal["hold", "reject"]
TriggerRule: TypeAlias = Literal["live", "dead", "on_resume", "before_resume"]
BalanceView: TypeAlias = Literal["true_value", "zero", "empty", "stale"]
PositionView: TypeAlias = Literal["true_value", "zero", "stale"]
Transfers: TypeAlias = Literal["ok", "slow", "fail"]
WaveStart: TypeAlias = Literal["good", "bad"]
EventKind: TypeAlias = Literal["funding", "notice", "tick_size_change", "listing"]
PageState: TypeAlias = Literal[
    "green", "degraded", "partial", "major", "maintenance", "unreachable"
]
EffectKind: TypeAlias = Literal[
    "none", "apply", "apply_share", "apply_after", "apply_then_void", "apply_silently"
]
StreamKind: TypeAlias = Literal[
    "mute",
    "delay",
    "gap",
    "dup",
    "reorder",
    "bad_checksum",
    "crossed",
    "frozen",
    "close",
    "no_pong",
    "expire_key",
    "burst_on_resume",
    "ack_only",
]
Argument: TypeAlias = Literal["nothing", "duration", "count", "phase", "products"]
"""What an expectation takes after its name."""

FIDELITIES: Final[tuple[Fidelity, ...]] = get_args(Fidelity)
COUNT_RULES: Final[tuple[CountRule, ...]] = get_args(CountRule)
QUEUE_RULES: Final[tuple[QueueRule, ...]] = get_args(QueueRule)
TRIGGER_RULES: Final[tuple[TriggerRule, ...]] = get_args(TriggerRule)
BALANCE_VIEWS: Final[tuple[BalanceView, ...]] = get_args(BalanceView)
POSITION_VIEWS: Final[tuple[PositionView, ...]] = get_args(PositionView)
TRANSFERS: Final[tuple[Transfers, ...]] = get_args(Transfers)
WAVE_STARTS: Final[tuple[WaveStart, ...]] = get_args(WaveStart)
EVENT_KINDS: Final[tuple[EventKind, ...]] = get_args(EventKind)
PAGE_STATES: Final[tuple[PageState, ...]] = get_args(PageState)

PRODUCT_OF_VENUE: Final[Mapping[str, Product]] = {
    "binance-spot": Product.SPOT,
    "binance-um": Product.UM,
    "kraken-spot": Product.SPOT,
}
VENUES: Final = tuple(PRODUCT_OF_VENUE)

REQUEST_ENDPOINTS: Final = (
    "market.read",
    "market.meta",
    "time",
    "system.status",
    "orders.create",
    "orders.amend",
    "orders.cancel",
    "orders.cancel_all",
    "orders.deadman",
    "orders.query",
    "orders.open",
    "fills.query",
    "account.balances",
    "account.positions",
    "account.transfer",
    "stream.key",
)
"""What a lone `*` stands for: the venue's own requests, by REST or by a request socket."""
STREAM_ENDPOINTS: Final = ("ws.market.stream", "ws.user.stream")
CONNECT_ENDPOINTS: Final = ("ws.market.connect", "ws.user.connect")
ENDPOINTS: Final = (
    *REQUEST_ENDPOINTS,
    "status.page",
    "ws.market.connect",
    "ws.market.stream",
    "ws.user.connect",
    "ws.user.stream",
    "ws.api",
)

ALIASES: Final = (
    "overload",
    "unavailable",
    "unknown",
    "backend_timeout",
    "internal",
    "closing",
    "order_rejected",
    "reduce_rejected",
    "reduce_failed",
    "no_such_order",
    "rate_limited",
    "banned",
    "clock_skew",
    "mode",
)
"""Replies whose wire shape the venue's dialect supplies."""
UM_ONLY_ALIASES: Final = frozenset({"reduce_rejected", "reduce_failed"})

HTML_PAGES: Final = ("cdn-500", "cdn-502", "cdn-520", "cdn-522", "waf-403")
RESET_POINTS: Final = ("connect", "request", "headers", "body")
DRIBBLE_ENDS: Final = ("ok", "cut")
INCIDENT_STATES: Final = (
    "scheduled",
    "in_progress",
    "verifying",
    "completed",
    "investigating",
    "identified",
    "monitoring",
    "resolved",
)

EXPECTATIONS: Final[Mapping[str, Argument]] = {
    "no_duplicate_exposure": "nothing",
    "no_orphans": "nothing",
    "unknowns_resolved": "duration",
    "attempts_per_intent": "count",
    "requests_total": "count",
    "no_ban": "nothing",
    "risk_first": "nothing",
    "stale_within": "duration",
    "no_trade_on_untrusted": "nothing",
    "no_new_exposure_before": "phase",
    "reconciled_by_end": "nothing",
    "breaker_scope": "products",
    "connects_max": "count",
    "evidence_complete": "nothing",
}
SCORES: Final = ("exposure_integral",)

_ORDER_TYPES: Final[Mapping[str, tuple[OrderType, OrderType]]] = {
    # spelling: (without a limit price, with one)
    "limit": (OrderType.LIMIT, OrderType.LIMIT),
    "market": (OrderType.MARKET, OrderType.MARKET),
    "stop": (OrderType.STOP_MARKET, OrderType.STOP_LIMIT),
    "stop_loss": (OrderType.STOP_MARKET, OrderType.STOP_LIMIT),
    "stop_market": (OrderType.STOP_MARKET, OrderType.STOP_MARKET),
    "stop_limit": (OrderType.STOP_LIMIT, OrderType.STOP_LIMIT),
    "stop_loss_limit": (OrderType.STOP_LIMIT, OrderType.STOP_LIMIT),
    "take_profit": (OrderType.TAKE_PROFIT_MARKET, OrderType.TAKE_PROFIT_LIMIT),
    "take_profit_market": (OrderType.TAKE_PROFIT_MARKET, OrderType.TAKE_PROFIT_MARKET),
    "take_profit_limit": (OrderType.TAKE_PROFIT_LIMIT, OrderType.TAKE_PROFIT_LIMIT),
    "trailing_stop": (OrderType.TRAILING_STOP_MARKET, OrderType.TRAILING_STOP_MARKET),
    "trailing_stop_market": (OrderType.TRAILING_STOP_MARKET, OrderType.TRAILING_STOP_MARKET),
}
ORDER_TYPE_NAMES: Final = tuple(_ORDER_TYPES)


def plain(name: str) -> str:
    """A name without the venues' habits of spelling: `Stop-Loss` → `stop_loss`."""
    return name.casefold().replace("-", "_")


def order_type_named(name: str, *, priced: bool) -> OrderType | None:
    """The engine's order type for a venue's spelling; None when no venue spells one so.

    `stop` and `take_profit` alone mean a market order when triggered, unless a limit price is given
    (`priced`): so do both venues, each in its own words.
    """
    pair = _ORDER_TYPES.get(plain(name))
    return None if pair is None else pair[priced]


def expand_pattern(pattern: str) -> frozenset[str]:
    """The endpoint classes that one `match` pattern covers; empty when it covers none.

    A lone `*` covers the venue's requests, but neither the sockets (a running stream has no reply)
    nor the status page (it lives in another house). `orders.*`, `ws.*.connect`, `ws.*` cover
    whatever they spell.
    """
    if pattern == "*":
        return frozenset(REQUEST_ENDPOINTS)
    return frozenset(name for name in ENDPOINTS if fnmatchcase(name, pattern))
