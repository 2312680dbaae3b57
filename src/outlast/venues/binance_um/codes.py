"""What Binance USD-M futures' answers mean, as tables, and the one function that reads them.

Each row says what happened to a *write*; a read has only "ask again" or "do not" (see
`failure_of`). Rows are found by the venue's code, by HTTP status, and on HTTP 503 by the exact
beginning of the message: the same status means *refused* or *may have been done* there. What no row
lists is unknown for a write.

Codes are per product: -2021, -2022 and -2026 mean other things on spot.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from outlast.errors import Failure, Layer, Outcome, Remedy, Scope
from outlast.venues._binance import (
    Body,
    Meaning,
    banned_until_ms,
    classify_fault,
    failure_of,
    look,
)
from outlast.wire import WireReply, WireRequest

__all__ = [
    "ANSWERS",
    "CODES",
    "CODES_BY_REQUEST",
    "HOLLOW",
    "MESSAGES_503",
    "STATUSES",
    "classify",
    "classify_fault",
    "meaning_of_row",
]

# Sources, in the copies of 2026-09-25 (General Info), of after 2025-10-23 (Error Codes) and of
# 2026-07-21 (spot).
ERRORS: Final = "Binance USD-M futures docs, Error Codes"
GENERAL: Final = "Binance USD-M futures docs, General Info, HTTP Return Codes"
GENERAL_503: Final = "Binance USD-M futures docs, General Info, HTTP 503"
SPOT: Final = "Binance spot docs, Errors; futures keep the meaning"
TIMING: Final = "Binance USD-M futures docs, General Info, Timing Security"
OURS: Final = "outlast: no page covers it, so nothing is assumed"

WINDOW_S: Final = 60.0
"""The longest of the documented limit windows: after it every counter has been reset."""
BAN_MIN_S: Final = 120.0
"""The shortest documented IP ban. Source: Binance USD-M futures docs, General Info, IP Limits."""
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


def _reshape(kind: str, *, scope: Scope = Scope.REQUEST) -> Meaning:
    """Refused, and refused again unless it is asked differently."""
    return _refused(kind, Remedy.RESHAPE, scope=scope)


def _shed(kind: str, source: str, *, scope: Scope = Scope.PLANE) -> Meaning:
    """The venue's machinery did nothing with the request and says so."""
    return Meaning(Layer.VENUE, kind, Outcome.REFUSED, Remedy.RETRY, scope, source)


def _unknown(kind: str, source: str, *, scope: Scope = Scope.PLANE) -> Meaning:
    """The venue's machinery cannot, or does not, say what became of the request."""
    return Meaning(Layer.VENUE, kind, Outcome.UNKNOWN, Remedy.SETTLE, scope, source)


def _wait(kind: str, source: str, *, scope: Scope, wait_s: float) -> Meaning:
    return Meaning(Layer.VENUE, kind, Outcome.REFUSED, Remedy.WAIT_BAN, scope, source, wait_s)


def _key(kind: str = "authentication_failed", source: str = SPOT) -> Meaning:
    return _refused(kind, scope=Scope.ACCOUNT, source=source)


OVERLOADED: Final = _shed("overloaded", GENERAL_503)
IP_BANNED: Final = _wait("ip_banned", GENERAL, scope=Scope.IP, wait_s=BAN_MIN_S)
_AMEND: Final = _reshape("amend_rejected")
_ONLY_REDUCE: Final = _refused("only_reduce_allowed", scope=Scope.ACCOUNT)

CODES: Final[Mapping[str, Meaning]] = {
    # -10xx: general server and network issues.
    "-1000": _unknown("unknown_error", SPOT),
    "-1001": _unknown("internal_error", ERRORS),  # refused only as HTTP 503: MESSAGES_503
    "-1002": _key(),
    "-1003": _wait("rate_limited", ERRORS, scope=Scope.IP, wait_s=WINDOW_S),
    "-1004": _refused("authentication_failed", scope=Scope.IP),
    "-1005": _refused("authentication_failed", scope=Scope.IP),
    "-1006": _unknown("unexpected_response_inside_venue", SPOT),
    "-1007": _unknown("timed_out_inside_venue", ERRORS),
    "-1008": OVERLOADED,
    "-1011": _refused("authentication_failed", scope=Scope.IP),
    "-1013": _refused("bad_request"),
    "-1014": _refused("bad_parameter", source=SPOT),
    "-1015": _wait("orders_rate_limited", SPOT, scope=Scope.ACCOUNT, wait_s=WINDOW_S),
    "-1016": _shed("shutting_down", SPOT, scope=Scope.PRODUCT),
    "-1020": _refused("not_supported", source=SPOT),
    # Our clock, so no evidence about the venue. A burst of them with a good clock means that
    # requests queue for longer than they are valid; health counts them by kind.
    "-1021": Meaning(Layer.LOCAL, "clock_skew", Outcome.REFUSED, Remedy.RESYNC, Scope.SELF, TIMING),
    "-1022": _key("signature_invalid"),
    "-1099": _key(source=ERRORS),
    # -11xx: issues with the request.
    "-1100": _refused("bad_parameter", source=SPOT),
    "-1101": _refused("bad_parameter", source=SPOT),
    "-1102": _refused("bad_parameter", source=SPOT),
    "-1103": _refused("bad_parameter", source=SPOT),
    "-1104": _refused("bad_parameter", source=SPOT),
    "-1105": _refused("bad_parameter", source=SPOT),
    "-1106": _refused("bad_parameter", source=SPOT),
    "-1108": _refused("bad_parameter"),
    "-1109": _refused("bad_parameter"),
    "-1110": _refused("bad_parameter"),
    "-1111": _reshape("bad_precision"),
    "-1112": _reshape("no_liquidity", scope=Scope.SYMBOL),
    "-1114": _refused("bad_parameter", source=SPOT),
    "-1115": _refused("bad_parameter", source=SPOT),
    "-1116": _refused("bad_parameter", source=SPOT),
    "-1117": _refused("bad_parameter", source=SPOT),
    "-1121": _refused("bad_symbol", scope=Scope.SYMBOL, source=SPOT),
    "-1122": _refused("bad_symbol", scope=Scope.SYMBOL, source=SPOT),
    "-1126": _refused("bad_parameter"),
    "-1127": _refused("bad_parameter", source=SPOT),
    "-1128": _refused("bad_parameter", source=SPOT),
    "-1130": _refused("bad_parameter", source=SPOT),
    "-1131": _refused("bad_parameter"),
    "-1135": _refused("bad_parameter", source=SPOT),
    "-1136": _refused("bad_parameter"),
    "-1145": _refused("bad_parameter", source=SPOT),
    # -20xx: processing issues.
    "-2010": _reshape("order_rejected"),
    "-2012": _unknown("batch_partly_done", ERRORS, scope=Scope.REQUEST),
    "-2014": _key(),
    "-2015": _key(),
    "-2017": _key(source=ERRORS),
    "-2018": _refused("insufficient_balance", scope=Scope.ACCOUNT),
    "-2019": _refused("insufficient_margin", scope=Scope.ACCOUNT),
    "-2020": _reshape("no_liquidity", scope=Scope.SYMBOL),
    "-2021": _reshape("would_trigger"),
    "-2022": _reshape("reduce_only_rejected", scope=Scope.SYMBOL),
    "-2023": _refused("in_liquidation", scope=Scope.ACCOUNT),
    "-2024": _reshape("insufficient_position", scope=Scope.SYMBOL),
    "-2025": _reshape("too_many_open_orders", scope=Scope.SYMBOL),
    "-2026": _reshape("reduce_only_unsupported"),
    "-2027": _refused("position_limit", scope=Scope.SYMBOL),
    "-2028": _refused("position_limit", scope=Scope.SYMBOL),
    # -40xx: filters and other issues.
    "-4001": _reshape("bad_price"),
    "-4002": _reshape("bad_price"),
    "-4003": _reshape("bad_qty"),
    "-4004": _reshape("bad_qty"),
    "-4005": _reshape("bad_qty"),
    "-4006": _reshape("bad_price"),
    "-4007": _reshape("bad_price"),
    "-4008": _reshape("bad_price"),
    "-4009": _reshape("bad_price"),
    "-4010": _reshape("bad_qty"),
    "-4011": _reshape("bad_qty"),
    "-4012": _reshape("too_many_open_orders"),
    "-4013": _reshape("bad_price"),
    "-4014": _reshape("bad_price"),
    "-4015": _refused("bad_client_order_id"),
    "-4016": _reshape("price_out_of_band"),
    "-4023": _reshape("bad_qty"),
    "-4024": _reshape("price_out_of_band"),
    "-4045": _reshape("too_many_open_orders"),
    "-4061": _refused("position_mode_mismatch", scope=Scope.ACCOUNT),
    "-4062": _refused("bad_parameter"),
    "-4082": _refused("bad_parameter"),
    "-4083": _unknown("batch_partly_done", ERRORS, scope=Scope.REQUEST),
    "-4087": _ONLY_REDUCE,
    "-4088": _refused("account_restricted", scope=Scope.ACCOUNT),
    "-4109": _refused("account_restricted", scope=Scope.ACCOUNT),
    # An order with this id exists, perhaps from an attempt whose answer was lost: look it up.
    "-4116": Meaning(
        Layer.BUSINESS,
        "duplicate_client_order_id",
        Outcome.UNKNOWN,
        Remedy.SETTLE,
        Scope.REQUEST,
        ERRORS,
    ),
    "-4117": _refused("stop_triggering", Remedy.SETTLE),
    "-4118": _reshape("reduce_only_rejected", scope=Scope.SYMBOL),
    "-4120": _refused("wrong_endpoint"),
    "-4131": _reshape("no_liquidity", scope=Scope.SYMBOL),
    "-4137": _refused("bad_parameter"),
    "-4138": _refused("bad_parameter"),
    "-4140": _refused("symbol_closed", scope=Scope.SYMBOL),
    "-4141": _refused("symbol_closed", scope=Scope.SYMBOL),
    "-4142": _reshape("would_trigger"),
    "-4164": _reshape("below_notional_min"),
    "-4183": _reshape("price_out_of_band"),
    "-4184": _reshape("price_out_of_band"),
    "-4192": _refused("account_restricted", scope=Scope.ACCOUNT),
    "-4210": _reshape("price_out_of_band"),
    "-4211": _reshape("price_out_of_band"),
    "-4400": _ONLY_REDUCE,
    "-4401": _ONLY_REDUCE,
    "-4402": _refused("account_restricted", scope=Scope.ACCOUNT),
    "-4403": _refused("account_restricted", scope=Scope.ACCOUNT),
    "-4531": _refused("position_mode_mismatch", scope=Scope.ACCOUNT),
    # -50xx: order execution issues.
    "-5021": _refused("fok_not_filled"),
    "-5022": _reshape("post_only_would_take"),
    "-5024": _AMEND,
    "-5025": _AMEND,
    "-5026": _AMEND,
    "-5027": _AMEND,
    # The engine's own check: the request waited inside the venue. A sign of overload.
    "-5028": Meaning(
        Layer.VENUE, "expired_inside_venue", Outcome.REFUSED, Remedy.RESYNC, Scope.PLANE, ERRORS
    ),
    "-5029": _AMEND,
    "-5037": _refused("bad_parameter"),
    "-5038": _refused("bad_parameter"),
    "-5039": _refused("bad_parameter"),
    "-5040": _refused("bad_parameter"),
    "-5041": _reshape("no_liquidity", scope=Scope.SYMBOL),
    "-5043": _AMEND,
}

_LOOK_IT_UP: Final = _refused("unknown_order", Remedy.SETTLE)

CODES_BY_REQUEST: Final[Mapping[tuple[str, str], Meaning]] = {
    # It may be filled, canceled, or not yet visible: not cancelable now says no more than that.
    ("order.cancel", "-2011"): _LOOK_IT_UP,
    ("orders.cancel", "-2011"): _LOOK_IT_UP,
    ("order.amend", "-2011"): _LOOK_IT_UP,
    ("order.amend", "-2013"): _LOOK_IT_UP,
    ("order.cancel", "-2013"): _LOOK_IT_UP,
    # A proper answer, and for a while after a submit not a proof: queries lag behind the engine.
    ("order.read", "-2013"): _refused("order_not_found"),
}
"""Codes that are an answer to one kind of request only; to any other they are unlisted."""

MESSAGES_503: Final[tuple[tuple[str, str | None, Meaning], ...]] = (
    (
        "Unknown error, please check your request or try again later",
        None,
        _unknown("status_unknown", GENERAL_503),
    ),
    ("Service Unavailable", None, _shed("unavailable", GENERAL_503)),
    ("Request throttled by system-level protection", "-1008", OVERLOADED),
    # The words before 2025-10-23.
    ("Server is currently overloaded with other requests", "-1008", OVERLOADED),
    (
        "Internal error; unable to process your request",
        "-1001",
        _shed("internal_error", GENERAL_503),
    ),
)
"""First sentences of HTTP 503 bodies, compared without regard to case, and the code that may travel
with each. The first has none on the wire, so a code alone cannot tell them apart."""

STATUSES: Final[Mapping[int, Meaning]] = {
    403: _wait("blocked_by_firewall", GENERAL, scope=Scope.IP, wait_s=WAF_S),
    404: Meaning(
        Layer.LOCAL, "wrong_path", Outcome.REFUSED, Remedy.GIVE_UP, Scope.REQUEST, GENERAL
    ),
    408: _unknown("timed_out_inside_venue", GENERAL),
    410: Meaning(
        Layer.LOCAL, "wrong_path", Outcome.REFUSED, Remedy.GIVE_UP, Scope.REQUEST, GENERAL
    ),
    418: IP_BANNED,
    429: _wait("rate_limited", GENERAL, scope=Scope.IP, wait_s=WINDOW_S),
    451: _refused("restricted_location", scope=Scope.IP, source="ccxt/ccxt issue 16044"),
}
"""What a status says on its own. 403, 404, 410 and 451 only count where the body has no code."""

_SERVER_ERROR: Final = _unknown("server_error", GENERAL)
_EMPTY: Final = _unknown("empty_answer", OURS)
_NOT_JSON: Final = _unknown("unreadable_answer", OURS, scope=Scope.HOST)
_CONTRADICTION: Final = _unknown("contradictory_answer", OURS)
_UNLISTED_SERVER: Final = _unknown("unlisted_code", OURS)
_UNLISTED_BUSINESS: Final = Meaning(
    Layer.BUSINESS, "unlisted_code", Outcome.UNKNOWN, Remedy.SETTLE, Scope.REQUEST, OURS
)
HOLLOW: Final = _unknown("hollow_answer", OURS)
"""JSON, but without what was asked for."""

ANSWERS: Final[Mapping[str, tuple[str, ...]]] = {
    "order.place": ("orderId", "algoId"),
    "order.cancel": ("orderId", "algoId"),
    "order.read": ("orderId", "algoId"),
    "orders.cancel": ("code",),
    "order.amend": ("orderId",),
    "orders.cancel_many": (),
    "orders.deadman": ("countdownTime",),
    "instruments.read": ("symbols",),
    "book.read": ("lastUpdateId",),
    "mark_price.read": ("markPrice",),
    "trades.read": (),
    "ticker.read": ("lastPrice",),
    "candles.read": (),
    "time.read": ("serverTime",),
    "probe": ("serverTime",),
    "orders.read": (),
    "executions.read": (),
    "flows.read": (),
    "positions.read": (),
    "balances.read": (),
    "stream.ticket": ("listenKey",),
    "stream.keep": ("listenKey",),
}
"""By request: the keys of which one must be in the object that answers; none means an array."""

_OUTCOME_UNKNOWN: Final = frozenset({"-1006", "-1007"})
_OVER_LIMIT: Final = frozenset({"-1003", "-1015"})
_SHED_AT_ANY_5XX: Final = frozenset({"-1008", "-1016"})


def classify(request: WireRequest, reply: WireReply) -> Failure | None:
    """What the reply's envelope says: None for success, else the failure.

    Success takes a 2xx status, JSON of the right shape, one of the expected keys, and no code.
    """
    body = look(reply.body)
    if 200 <= reply.status < 300:
        meaning = _flaw(request, body)
        if meaning is None:
            return None
    else:
        meaning = _meaning(request, reply.status, body)
    return failure_of(request, reply, meaning, code=body.code, message=body.message)


def meaning_of_row(code: str | None) -> Meaning:
    """What one row of the answer to a batch of cancels says of its order."""
    known = CODES_BY_REQUEST.get(("order.cancel", code or "")) or CODES.get(code or "")
    return known or _UNLISTED_BUSINESS


def _flaw(request: WireRequest, body: Body) -> Meaning | None:
    """What is wrong with the body of a 2xx."""
    if body.is_empty:
        return _EMPTY
    if not body.is_json:
        return _NOT_JSON
    if body.code not in (None, "200"):
        # The status says done, the code says not: trust neither.
        return CODES[body.code] if body.code in _OUTCOME_UNKNOWN else _CONTRADICTION
    expected = ANSWERS[request.name]
    if not expected:
        return HOLLOW if body.rows is None else None
    if body.fields is None or body.fields.keys().isdisjoint(expected):
        return HOLLOW
    if request.name == "orders.cancel" and body.code != "200":
        return HOLLOW
    return None


def _meaning(request: WireRequest, status: int, body: Body) -> Meaning:
    """The row for a reply that is not a 2xx."""
    code = body.code
    if code in _OUTCOME_UNKNOWN:
        return CODES[code]  # whatever the status: 400, 408 and 500 have been seen
    if status == 418 or banned_until_ms(body.message) is not None:
        return IP_BANNED
    if code in _OVER_LIMIT:
        return CODES[code]
    if status in (408, 429):
        return STATUSES[status]
    if status >= 500:
        return _server_error(status, body)
    if 400 <= status < 500:
        return _client_error(request, status, body)
    return _CONTRADICTION  # 1xx and 3xx: nobody asked for these


def _server_error(status: int, body: Body) -> Meaning:
    if status == 503:
        said = body.message.casefold()
        for sentence, code, meaning in MESSAGES_503:
            start = sentence.casefold()
            if said == start or said.startswith(f"{start}."):
                # Words of one row with the code of another prove nothing.
                return meaning if body.code in (None, code) else _CONTRADICTION
    if body.code in _SHED_AT_ANY_5XX:
        return CODES[body.code]
    return _SERVER_ERROR if body.is_empty or body.is_json else _NOT_JSON


def _client_error(request: WireRequest, status: int, body: Body) -> Meaning:
    code = body.code
    if code is None:
        if status in STATUSES:
            return STATUSES[status]
        if body.is_empty:
            return _EMPTY
        return HOLLOW if body.is_json else _NOT_JSON
    meaning = CODES_BY_REQUEST.get((request.name, code)) or CODES.get(code)
    if meaning is not None:
        return meaning
    # By the page's own grouping -10xx is the machinery and the rest an answer of the rules, which
    # must not count against the venue's health.
    return _UNLISTED_SERVER if code.startswith("-10") else _UNLISTED_BUSINESS
