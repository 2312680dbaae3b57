"""What Binance spot's answers mean, as tables. `classify` in `verdicts.py` reads them.

Each row says what happened to a *write*; a read has only "ask again" or "do not" (see
`failure_of`). Unlike on futures, every 5xx leaves an order unknown here, whatever its body says:
the 503 texts give a failure its name, never its outcome. What no row lists is unknown for a write.

Codes are per product: -2021, -2022 and -2026 mean other things on futures.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from outlast.errors import Layer, Outcome, Remedy, Scope
from outlast.venues._binance import Meaning

__all__ = [
    "CODES",
    "CODES_BY_REQUEST",
    "CONTRADICTION",
    "EMPTY",
    "FILTERS",
    "HOLLOW",
    "MESSAGES",
    "MESSAGES_503",
    "NOT_JSON",
    "SERVER_CODES",
    "SERVER_ERROR",
    "STATUSES",
    "UNLISTED_BUSINESS",
    "UNLISTED_FILTER",
    "UNLISTED_SERVER",
]

# Sources, in the copies of 2026-07-21 (futures: 2026-09-25).
ERRORS: Final = "Binance spot docs, Errors"
MATCHING: Final = "Binance spot docs, Errors, messages for -1010, -2010, -2011 and -2038"
FILTER_FAILURES: Final = "Binance spot docs, Errors, Filter failures"
GENERAL: Final = "Binance spot REST docs, HTTP Return Codes"
LIMITS: Final = "Binance spot REST docs, LIMITS"
TIMING: Final = "Binance spot REST docs, Timing security"
FUTURES_503: Final = "Binance USD-M futures docs, General Info, HTTP 503, for the words alone"
SEEN: Final = "crate maxt, docs/providers/binance.md, measured 2026-07-30"
OURS: Final = "outlast: no page covers it, so nothing is assumed"

WINDOW_S: Final = 60.0
"""The weight's window. One that was longer is named in the refusal itself."""
BAN_MIN_S: Final = 120.0
"""The shortest documented IP ban. Source: Binance spot REST docs, IP Limits."""
WAF_S: Final = 300.0
"""How long a WAF block is reported to last; the venue documents no time."""


def _refused(
    kind: str,
    remedy: Remedy = Remedy.GIVE_UP,
    *,
    scope: Scope = Scope.REQUEST,
    source: str = ERRORS,
) -> Meaning:
    """The venue's rules said no: the engine, or what checks orders before it, has answered."""
    return Meaning(Layer.BUSINESS, kind, Outcome.REFUSED, remedy, scope, source)


def _reshape(kind: str, *, scope: Scope = Scope.REQUEST, source: str = ERRORS) -> Meaning:
    """Refused, and refused again unless it is asked differently."""
    return _refused(kind, Remedy.RESHAPE, scope=scope, source=source)


def _shed(kind: str, source: str, *, scope: Scope) -> Meaning:
    """The venue's machinery did nothing with the request and says so."""
    return Meaning(Layer.VENUE, kind, Outcome.REFUSED, Remedy.RETRY, scope, source)


def _unknown(kind: str, source: str, *, scope: Scope = Scope.PLANE) -> Meaning:
    """The venue's machinery cannot, or does not, say what became of the request."""
    return Meaning(Layer.VENUE, kind, Outcome.UNKNOWN, Remedy.SETTLE, scope, source)


def _wait(kind: str, source: str, *, scope: Scope, wait_s: float) -> Meaning:
    return Meaning(Layer.VENUE, kind, Outcome.REFUSED, Remedy.WAIT_BAN, scope, source, wait_s)


def _local(kind: str, remedy: Remedy, source: str, *, scope: Scope) -> Meaning:
    """Our own clock or address is wrong: no evidence about the venue."""
    return Meaning(Layer.LOCAL, kind, Outcome.REFUSED, remedy, scope, source)


_KEY: Final = _refused("authentication_failed", scope=Scope.ACCOUNT)
_BAD_PARAMETER: Final = _refused("bad_parameter")
_BAD_SYMBOL: Final = _refused("bad_symbol", scope=Scope.SYMBOL)
_OVERLOADED: Final = _unknown("overloaded", ERRORS)
_SHUTTING_DOWN: Final = _shed("shutting_down", ERRORS, scope=Scope.PRODUCT)
_PARTLY_REPLACED: Final = _unknown("replace_partly_done", ERRORS, scope=Scope.REQUEST)
_AMEND: Final = _reshape("amend_rejected")
_NO_STREAM: Final = _refused("no_such_stream")

# fmt: off
_REQUEST_CODES: Final = (
    -1014, -1100, -1101, -1102, -1103, -1104, -1105, -1106, -1108, -1114, -1115, -1116, -1117,
    -1118, -1119, -1120, -1127, -1128, -1130, -1134, -1135, -1139, -1145, -1151, -1152, -1153,
    -1155, -1158, -1160, -1161, -1165, -1166, -1168, -1182, -1194, -1196, -1197, -1198, -1199,
    -2016, -2039,
)
# fmt: on
"""Malformed, or a combination of parameters that does not exist: it stays so when repeated."""

CODES: Final[Mapping[str, Meaning]] = {
    **dict.fromkeys(map(str, _REQUEST_CODES), _BAD_PARAMETER),
    # -10xx: general server and network issues.
    "-1000": _unknown("unknown_error", ERRORS),
    "-1001": _unknown("internal_error", GENERAL),
    "-1002": _KEY,
    "-1003": _wait("rate_limited", LIMITS, scope=Scope.IP, wait_s=WINDOW_S),
    "-1004": _OVERLOADED,  # in the margin docs only
    "-1006": _unknown("unexpected_response_inside_venue", ERRORS),
    "-1007": _unknown("timed_out_inside_venue", ERRORS),
    # "100 % failure" is documented for futures alone.
    "-1008": _OVERLOADED,
    "-1010": _reshape("order_rejected"),
    "-1013": _reshape("order_rejected"),
    "-1015": _wait("orders_rate_limited", LIMITS, scope=Scope.ACCOUNT, wait_s=WINDOW_S),
    "-1016": _SHUTTING_DOWN,
    "-1020": _refused("not_supported"),
    # A burst of them with a good clock means that requests queue for longer than they are valid;
    # health counts them by kind.
    "-1021": _local("clock_skew", Remedy.RESYNC, TIMING, scope=Scope.SELF),
    "-1022": _refused("signature_invalid", scope=Scope.ACCOUNT),
    "-1034": _shed("too_many_connections", ERRORS, scope=Scope.IP),
    # -11xx and -12xx: issues with the request.
    "-1111": _reshape("bad_precision"),
    "-1112": _reshape("no_liquidity", scope=Scope.SYMBOL),
    "-1121": _BAD_SYMBOL,
    "-1122": _BAD_SYMBOL,
    "-1125": _NO_STREAM,
    "-1193": _refused("authentication_failed", scope=Scope.ACCOUNT, source=SEEN),
    "-1220": _BAD_SYMBOL,
    # -20xx: processing issues.
    "-2010": _reshape("order_rejected"),
    "-2014": _KEY,
    "-2015": _KEY,
    "-2021": _PARTLY_REPLACED,
    "-2022": _reshape("replace_rejected"),
    # Of a query: it ended without a fill, over 90 days ago.
    "-2026": _refused("order_archived"),
    "-2028": _refused("authentication_failed", scope=Scope.ACCOUNT, source=SEEN),
    "-2035": _NO_STREAM,
    "-2036": _NO_STREAM,
    "-2038": _AMEND,
    "-2042": _NO_STREAM,
}

_LOOK_IT_UP: Final = _refused("unknown_order", Remedy.SETTLE)

CODES_BY_REQUEST: Final[Mapping[tuple[str, str], Meaning]] = {
    # It may be filled, canceled, or not yet visible: not cancelable now says no more than that.
    ("order.cancel", "-2011"): _LOOK_IT_UP,
    ("order.cancel", "-2013"): _LOOK_IT_UP,
    ("orders.cancel", "-2011"): _LOOK_IT_UP,
    ("order.amend", "-2011"): _LOOK_IT_UP,
    ("order.amend", "-2013"): _LOOK_IT_UP,
    # A proper answer, and for a while after a submit not a proof: queries lag behind the engine.
    ("order.read", "-2013"): _refused("order_not_found"),
}
"""Codes that are an answer to one kind of request only; to any other they are unlisted."""

_ACCOUNT_CLOSED: Final = _refused("account_restricted", scope=Scope.ACCOUNT, source=MATCHING)
_NOT_PERMITTED: Final = _refused("symbol_not_permitted", scope=Scope.SYMBOL, source=MATCHING)
_SHAPE_REFUSED: Final = _refused("bad_parameter", source=MATCHING)
_NO_LIQUIDITY: Final = _reshape("no_liquidity", scope=Scope.SYMBOL, source=MATCHING)
_NO_SUCH_TYPE: Final = _refused("not_supported", scope=Scope.SYMBOL, source=MATCHING)
_NO_TRADING: Final = _shed("maintenance", MATCHING, scope=Scope.PRODUCT)

MESSAGES: Final[Mapping[str, Meaning]] = {
    # An order with this id is open, perhaps from an attempt whose answer was lost: look it up.
    "Duplicate order sent": Meaning(
        Layer.BUSINESS,
        "duplicate_client_order_id",
        Outcome.UNKNOWN,
        Remedy.SETTLE,
        Scope.REQUEST,
        MATCHING,
    ),
    "Market is closed": _refused("symbol_closed", scope=Scope.SYMBOL, source=MATCHING),
    "Account has insufficient balance for requested action": _refused(
        "insufficient_balance", scope=Scope.ACCOUNT, source=MATCHING
    ),
    "This action is disabled on this account": _ACCOUNT_CLOSED,
    "This account may not place or cancel orders": _ACCOUNT_CLOSED,
    "This symbol is not permitted for this account": _NOT_PERMITTED,
    "This symbol is restricted for this account": _NOT_PERMITTED,
    "Order would trigger immediately": _reshape("would_trigger", source=MATCHING),
    "Order would immediately match and take": _reshape("post_only_would_take", source=MATCHING),
    "Unsupported order combination": _SHAPE_REFUSED,
    "Price * QTY is zero or less": _reshape("below_notional_min", source=MATCHING),
    "IcebergQty exceeds QTY": _SHAPE_REFUSED,
    "Cancel order is invalid. Check origClOrdId and orderId": _SHAPE_REFUSED,
    "The relationship of the prices for the orders is not correct": _SHAPE_REFUSED,
    "Order was not canceled due to cancel restrictions": _reshape(
        "cancel_restricted", source=MATCHING
    ),
    "The requested action would change no state; rejecting": _reshape(
        "amend_rejected", source=MATCHING
    ),
    "Rest API trading is not enabled": _NO_TRADING,
    "WebSocket API trading is not enabled": _NO_TRADING,
    "Order book liquidity is less than `LOT_SIZE` filter minimum quantity": _NO_LIQUIDITY,
    "Order book liquidity is less than LOT_SIZE filter minimum quantity": _NO_LIQUIDITY,
    "Order book liquidity is less than `MARKET_LOT_SIZE` filter minimum quantity": _NO_LIQUIDITY,
    "Order book liquidity is less than MARKET_LOT_SIZE filter minimum quantity": _NO_LIQUIDITY,
    "Order book liquidity is less than symbol minimum quantity": _NO_LIQUIDITY,
    "Market orders are not supported for this symbol": _NO_SUCH_TYPE,
    "Iceberg orders are not supported for this symbol": _NO_SUCH_TYPE,
    "Stop loss orders are not supported for this symbol": _NO_SUCH_TYPE,
    "Stop loss limit orders are not supported for this symbol": _NO_SUCH_TYPE,
    "Take profit orders are not supported for this symbol": _NO_SUCH_TYPE,
    "Take profit limit orders are not supported for this symbol": _NO_SUCH_TYPE,
    "Trailing stop orders are not supported for this symbol": _NO_SUCH_TYPE,
    "OCO orders are not supported for this symbol": _NO_SUCH_TYPE,
    "Quote order qty market orders are not support for this symbol": _NO_SUCH_TYPE,
    "Order cancel-replace is not supported for this symbol": _NO_SUCH_TYPE,
}
"""What -1010, -1013, -2010, -2011 and -2038 say in words: whole messages without their last dot,
compared without regard to case. What they do not list is told by the code alone."""

_BAD_PRICE: Final = _reshape("bad_price", source=FILTER_FAILURES)
_BAD_QTY: Final = _reshape("bad_qty", source=FILTER_FAILURES)
_OUT_OF_BAND: Final = _reshape("price_out_of_band", source=FILTER_FAILURES)
_TOO_MANY_HERE: Final = _reshape("too_many_open_orders", scope=Scope.SYMBOL, source=FILTER_FAILURES)
_TOO_MANY: Final = _reshape("too_many_open_orders", scope=Scope.ACCOUNT, source=FILTER_FAILURES)
_TOO_LARGE: Final = _reshape("position_limit", scope=Scope.SYMBOL, source=FILTER_FAILURES)

FILTERS: Final[Mapping[str, Meaning]] = {
    "PRICE_FILTER": _BAD_PRICE,
    "PERCENT_PRICE": _OUT_OF_BAND,
    "PERCENT_PRICE_BY_SIDE": _OUT_OF_BAND,
    "LOT_SIZE": _BAD_QTY,
    "MARKET_LOT_SIZE": _BAD_QTY,
    "MIN_NOTIONAL": _reshape("below_notional_min", source=FILTER_FAILURES),
    "NOTIONAL": _reshape("notional_out_of_range", source=FILTER_FAILURES),
    "ICEBERG_PARTS": _BAD_QTY,
    "MAX_POSITION": _TOO_LARGE,
    "MAX_ASSET": _TOO_LARGE,
    "MAX_NUM_ORDERS": _TOO_MANY_HERE,
    "MAX_NUM_ALGO_ORDERS": _TOO_MANY_HERE,
    "MAX_NUM_ICEBERG_ORDERS": _TOO_MANY_HERE,
    "MAX_NUM_ORDER_LISTS": _TOO_MANY_HERE,
    "MAX_NUM_ORDER_AMENDS": _reshape("amend_rejected", source=FILTER_FAILURES),
    "TRAILING_DELTA": _reshape("bad_trailing_delta", source=FILTER_FAILURES),
    "EXCHANGE_MAX_NUM_ORDERS": _TOO_MANY,
    "EXCHANGE_MAX_NUM_ALGO_ORDERS": _TOO_MANY,
    "EXCHANGE_MAX_NUM_ICEBERG_ORDERS": _TOO_MANY,
    "EXCHANGE_MAX_NUM_ORDER_LISTS": _TOO_MANY,
}
"""The filter that `Filter failure: …` names."""

UNLISTED_FILTER: Final = _reshape("filter_failed", source=FILTER_FAILURES)

SERVER_CODES: Final[Mapping[str, Meaning]] = {
    code: row for code, row in CODES.items() if row.outcome is Outcome.UNKNOWN
} | {"-1016": _unknown("shutting_down", GENERAL, scope=Scope.PRODUCT)}
"""Codes that name a 5xx. The status alone has said that the outcome is unknown."""

MESSAGES_503: Final[tuple[tuple[str, Meaning], ...]] = (
    (
        "Unknown error, please check your request or try again later",
        _unknown("status_unknown", FUTURES_503),
    ),
    ("Service Unavailable", _unknown("unavailable", FUTURES_503)),
    (
        "Request throttled by system-level protection",
        _unknown("overloaded", FUTURES_503),
    ),
    ("Server is currently overloaded with other requests", _OVERLOADED),
    ("Internal error; unable to process your request", _unknown("internal_error", GENERAL)),
)
"""First sentences of HTTP 503 bodies, compared without regard to case."""

STATUSES: Final[Mapping[int, Meaning]] = {
    403: _wait("blocked_by_firewall", GENERAL, scope=Scope.IP, wait_s=WAF_S),
    404: _local("wrong_path", Remedy.GIVE_UP, GENERAL, scope=Scope.REQUEST),
    408: _unknown("timed_out_inside_venue", OURS),
    409: _PARTLY_REPLACED,
    410: _local("wrong_path", Remedy.GIVE_UP, SEEN, scope=Scope.REQUEST),
    418: _wait("ip_banned", LIMITS, scope=Scope.IP, wait_s=BAN_MIN_S),
    429: _wait("rate_limited", LIMITS, scope=Scope.IP, wait_s=WINDOW_S),
    451: _refused("restricted_location", scope=Scope.IP, source="ccxt/ccxt issue 16044"),
}
"""What a status says on its own. 403, 404, 410 and 451 only count where the body has no code."""

SERVER_ERROR: Final = _unknown("server_error", GENERAL)
EMPTY: Final = _unknown("empty_answer", OURS)
NOT_JSON: Final = _unknown("unreadable_answer", OURS, scope=Scope.HOST)
CONTRADICTION: Final = _unknown("contradictory_answer", OURS)
HOLLOW: Final = _unknown("hollow_answer", OURS)
"""JSON, but without what was asked for."""
UNLISTED_SERVER: Final = _unknown("unlisted_code", OURS)
UNLISTED_BUSINESS: Final = Meaning(
    Layer.BUSINESS, "unlisted_code", Outcome.UNKNOWN, Remedy.SETTLE, Scope.REQUEST, OURS
)
