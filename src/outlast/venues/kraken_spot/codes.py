"""What Kraken spot's answers mean, as tables, and the one function that reads them.

Nearly everything comes with HTTP 200: `{"error": [...], "result": ...}`. An error is
`<E|W><category>:<type>[:<extra>]`; rows are found by the longest beginning that matches, after the
spaces behind colons are gone. A `W` is a warning: the call was carried out.

Each row says what happened to a *write*; a read has only "ask again" or "do not". What no row lists
is unknown for a write.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import msgspec

from outlast.errors import Failure, Layer, Outcome, Remedy, Scope
from outlast.venues._answers import (
    MESSAGE_MAX,
    UNREADABLE,
    Meaning,
    classify_fault,
    meant,
    printable,
)
from outlast.wire import WireReply, WireRequest

__all__ = [
    "ERRORS",
    "ERRORS_BY_REQUEST",
    "HOLLOW",
    "MODES",
    "STATUSES",
    "Body",
    "classify",
    "classify_fault",
    "look",
    "meaning_of",
    "normal",
]

# Sources: docs.kraken.com guide "Spot Errors" (2026-05-27), support article 360001491786 "API error
# messages", the SDK's guide "error handling" (2026).
DOCS: Final = "Kraken docs, Spot Errors"
SUPPORT: Final = "Kraken support, API error messages"
SDK: Final = "Kraken SDK guide, error handling"
EDGE: Final = "Cloudflare docs, 5xx errors; krakenex issues 60 and 98: orders behind a 502 landed"
MEASURED: Final = "measured at the venue, 2026-09"
OURS: Final = "outlast: no page covers it, so nothing is assumed"

LOCKOUT_S: Final = 900.0
"""About 15 minutes; asking on makes it longer."""
DECAY_S: Final = 15.0
"""After the call counter was full: room for five calls of the lowest tier. The page asks for "a few
seconds, longer if calls continue"."""
POINTS_S: Final = 10.0
"""After a trading counter was full: at the lowest tier's 1 a second, room for an order and for its
cancel."""
AUTH_S: Final = 30.0
EDGE_S: Final = 60.0
THROTTLED_S: Final = 5.0
WAF_S: Final = 300.0
"""How long a block by the edge lasts is not documented."""


def _refused(
    kind: str,
    remedy: Remedy = Remedy.GIVE_UP,
    *,
    scope: Scope = Scope.REQUEST,
    source: str = DOCS,
) -> Meaning:
    """The venue's rules said no: nothing is live because of this call."""
    return Meaning(Layer.BUSINESS, kind, Outcome.REFUSED, remedy, scope, source)


def _reshape(kind: str, *, scope: Scope = Scope.REQUEST) -> Meaning:
    """Refused, and refused again unless it is asked differently."""
    return _refused(kind, Remedy.RESHAPE, scope=scope)


def _unknown(kind: str, source: str = DOCS, *, scope: Scope = Scope.PLANE) -> Meaning:
    """The venue's machinery cannot, or does not, say what became of the request."""
    return Meaning(Layer.VENUE, kind, Outcome.UNKNOWN, Remedy.SETTLE, scope, source)


def _wait(kind: str, wait_s: float, scope: Scope, source: str = DOCS) -> Meaning:
    return Meaning(Layer.VENUE, kind, Outcome.REFUSED, Remedy.WAIT_BAN, scope, source, wait_s)


def _key(kind: str = "authentication_failed") -> Meaning:
    return _refused(kind, scope=Scope.ACCOUNT)


_BAD_PARAMETER: Final = _refused("bad_parameter")
_BAD_SYMBOL: Final = _refused("bad_symbol", scope=Scope.SYMBOL)
_NO_FUNDS: Final = _refused("insufficient_balance", scope=Scope.ACCOUNT)
_NO_MARGIN: Final = _refused("insufficient_margin", scope=Scope.ACCOUNT)
_FUNDING: Final = _refused("funding_refused", source=SUPPORT)
_UNLISTED_SERVER: Final = _unknown("unlisted_error", OURS)
_UNLISTED_BUSINESS: Final = Meaning(
    Layer.BUSINESS, "unlisted_error", Outcome.UNKNOWN, Remedy.SETTLE, Scope.REQUEST, OURS
)

ERRORS: Final[Mapping[str, Meaning]] = {
    # The service: the machinery in front of and around the engine.
    "EService:Unavailable": _unknown("unavailable", scope=Scope.PRODUCT),
    "EService:Busy": _unknown("overloaded", scope=Scope.PRODUCT),
    "EService:Timeout": _unknown("timed_out_inside_venue", SUPPORT),
    # Refused by definition. Whether one can coexist with a live order nobody has shown: look once.
    "EService:Deadline elapsed": _unknown("expired_inside_venue"),
    "EService:Throttled": _wait("throttled", THROTTLED_S, Scope.KEY),
    # The engine's mode: a proper answer, and the same until the mode changes.
    "EService:Market in cancel_only mode": _refused("maintenance", scope=Scope.SYMBOL),
    "EService:Market in post_only mode": _reshape("post_only_mode", scope=Scope.SYMBOL),
    "EService:Market in limit_only mode": _reshape("limit_only_mode", scope=Scope.SYMBOL),
    "EService:Market in reduce_only mode": _refused("only_reduce_allowed", scope=Scope.SYMBOL),
    "EGeneral:Internal error": _unknown("internal_error"),
    "EDatabase:Internal error": _unknown("internal_error", SUPPORT),
    # Over a limit, and what follows from too many of those.
    "EGeneral:Temporary lockout": _wait("locked_out", LOCKOUT_S, Scope.KEY),
    "EGeneral:Too many requests": _wait("rate_limited", DECAY_S, Scope.IP),
    # Of the REST counter, which order entry and cancels do not use: those go on.
    "EAPI:Rate limit exceeded": _wait("rate_limited", DECAY_S, Scope.ACCOUNT),
    "EAuth:Rate limit exceeded": _wait("rate_limited", AUTH_S, Scope.KEY, SUPPORT),
    "EAuth:Too many requests": _wait("rate_limited", AUTH_S, Scope.KEY, SUPPORT),
    "EOrder:Rate limit exceeded": _wait("orders_rate_limited", POINTS_S, Scope.SYMBOL),
    "EOrder:Domain rate limit exceeded": _wait("orders_rate_limited", POINTS_S, Scope.ACCOUNT),
    # The key and its use. A nonce is ours to make, so it is no evidence about the venue.
    "EAPI:Invalid nonce": Meaning(
        Layer.LOCAL, "nonce_invalid", Outcome.REFUSED, Remedy.RESYNC, Scope.SELF, DOCS
    ),
    "EAPI:Invalid key": _key(),
    "EAPI:Invalid signature": _key("signature_invalid"),
    "EAPI:Bad request": _refused("bad_request"),
    "EAPI:Feature disabled": _key(),
    "EAPI:Invalid token": _refused("token_invalid", scope=Scope.ACCOUNT),
    "ESession:Invalid session": _refused("token_invalid", scope=Scope.ACCOUNT, source=SDK),
    "EGeneral:Permission denied": _key(),
    "EGeneral:Unknown method": Meaning(
        Layer.LOCAL, "wrong_path", Outcome.REFUSED, Remedy.GIVE_UP, Scope.REQUEST, DOCS
    ),
    "EAccount:Invalid permissions": _key(),
    "EAuth:Account temporary disabled": _key(),
    "EAuth:Account unconfirmed": _key(),
    "EAuth:Failed": _key(),
    "ETrade:User Locked": _refused("account_restricted", scope=Scope.ACCOUNT, source=SUPPORT),
    "ETrade:Invalid request": _refused("bad_request", source=SUPPORT),
    # Parameters.
    "EGeneral:Invalid arguments": _BAD_PARAMETER,
    # An open order has this id. We never use one twice, so it is this one.
    "EGeneral:Invalid arguments:cl_ord_id not unique": Meaning(
        Layer.BUSINESS,
        "duplicate_client_order_id",
        Outcome.UNKNOWN,
        Remedy.SETTLE,
        Scope.REQUEST,
        MEASURED,
    ),
    "EGeneral:Invalid arguments:cl_ord_id": _refused("bad_client_order_id"),
    "EGeneral:Invalid arguments:volume": _reshape("bad_qty"),
    "EGeneral:Invalid arguments:price": _reshape("bad_price"),
    "EGeneral:Invalid arguments:Index unavailable": _reshape("index_unavailable"),
    "EQuery:Unknown asset pair": _BAD_SYMBOL,
    "EQuery:Invalid asset pair": _BAD_SYMBOL,
    "EQuery:Unknown asset": _BAD_SYMBOL,
    # The rules for orders.
    "EOrder:Orders limit exceeded": _reshape("too_many_open_orders", scope=Scope.SYMBOL),
    "EOrder:Positions limit exceeded": _reshape("position_limit", scope=Scope.SYMBOL),
    "EOrder:Scheduled orders limit exceeded": _reshape("too_many_open_orders"),
    "EOrder:Insufficient funds": _NO_FUNDS,
    "EOrder:Insufficient margin": _NO_MARGIN,
    "EOrder:Margin allowance exceeded": _NO_MARGIN,
    "EOrder:Margin level too low": _NO_MARGIN,
    "EOrder:Margin position size exceeded": _refused("position_limit", scope=Scope.SYMBOL),
    "EOrder:Cannot open position": _refused("position_refused", scope=Scope.SYMBOL),
    "EOrder:Cannot open opposing position": _refused("position_refused", scope=Scope.SYMBOL),
    "EBM:limit exceeded:CAL": _refused("account_restricted", scope=Scope.ACCOUNT),
    "EOrder:Order minimum not met": _reshape("bad_qty"),
    "EOrder:Cost minimum not met": _reshape("below_notional_min"),
    "EOrder:Tick size check failed": _reshape("bad_price"),
    "EOrder:Invalid price": _reshape("bad_price"),
    "EOrder:Post only order": _reshape("post_only_would_take"),
    "EOrder:Reduce only:No position exists": _reshape("reduce_only_rejected", scope=Scope.SYMBOL),
    "EOrder:Reduce only:Non-PC": _refused("account_restricted", scope=Scope.ACCOUNT),
    # It fills what reduces and cancels the rest: something may have been done.
    "EOrder:Reduce only:Position is closed": Meaning(
        Layer.BUSINESS,
        "reduce_only_rejected",
        Outcome.UNKNOWN,
        Remedy.SETTLE,
        Scope.SYMBOL,
        DOCS,
    ),
    # Deposits and withdrawals, which are not ours; listed so that none is taken for an outage.
    "EFunding:Unknown withdraw key": _FUNDING,
    "EFunding:Invalid amount": _FUNDING,
    "EFunding:No funding method": _FUNDING,
    "EFunding:Unknown asset": _FUNDING,
    "EFunding:Max fee exceeded": _FUNDING,
    "EFunding:Too many addresses": _FUNDING,
    "EFunding:Invalid reference id": _FUNDING,
    "EFunding:Unknown reference id": _FUNDING,
    "EFunding:Invalid staking method": _FUNDING,
}

_NOT_OPEN: Final = _refused("unknown_order", Remedy.SETTLE, source=MEASURED)
_NOT_FOUND: Final = _refused("order_not_found", source=MEASURED)

ERRORS_BY_REQUEST: Final[Mapping[tuple[str, str], Meaning]] = {
    # Nothing is open under this id *now*: filled, cancelled, or not arrived yet. Which of the two
    # strings comes depends on how the order was named, so they mean the same.
    ("order.cancel", "EOrder:Unknown order"): _NOT_OPEN,
    ("order.cancel", "EOrder:Invalid order"): _NOT_OPEN,
    ("order.amend", "EOrder:Unknown order"): _NOT_OPEN,
    ("order.amend", "EOrder:Invalid order"): _NOT_OPEN,
    ("order.read", "EOrder:Unknown order"): _NOT_FOUND,
    ("order.read", "EOrder:Invalid order"): _NOT_FOUND,
}
"""Errors that are an answer to one kind of request only; to any other they are unlisted."""

MODES: Final[Mapping[str, Meaning]] = {
    "maintenance": Meaning(
        Layer.VENUE, "maintenance", Outcome.REFUSED, Remedy.RETRY, Scope.PRODUCT, DOCS
    ),
}
"""System modes in which the probe's answer does not mean that the product answers. In the others
(online, cancel_only, post_only, limit_only) the engine takes cancels at least."""

STATUSES: Final[Mapping[int, Meaning]] = {
    403: _wait("blocked_by_firewall", WAF_S, Scope.IP, EDGE),
    404: Meaning(Layer.LOCAL, "wrong_path", Outcome.REFUSED, Remedy.GIVE_UP, Scope.REQUEST, EDGE),
    429: _wait("rate_limited", EDGE_S, Scope.IP, EDGE),
}
"""What a status says on its own, where the body has no envelope. All others, every 5xx among them,
leave a write unknown: "a request that did not reach our servers" is not one that was not done."""

HOLLOW: Final = _unknown("hollow_answer", OURS)
"""JSON, but without what was asked for."""
_EMPTY: Final = _unknown("empty_body", OURS)
_NOT_JSON: Final = _unknown("not_json", OURS)
_SERVER_ERROR: Final = _unknown("server_error", EDGE, scope=Scope.HOST)
_CONTRADICTION: Final = _unknown("contradictory_answer", OURS)

ANSWERS: Final[Mapping[str, str | None]] = {
    "AddOrder": "txid",
    "CancelOrder": "count",
    "CancelAll": "count",
    "AmendOrder": "amend_id",
    "CancelOrderBatch": "count",
    "CancelAllOrdersAfter": "currentTime",
    "OpenOrders": "open",
    "ClosedOrders": "closed",
    "TradesHistory": "trades",
    "Time": "unixtime",
    "SystemStatus": "status",
    "GetWebSocketsToken": "token",
    # Keyed by what was asked for. Only an account's own rows may all be missing.
    "QueryOrders": None,
    "BalanceEx": None,
    "AssetPairs": "",
    "Depth": "",
    "Ticker": "",
    "Trades": "last",
    "OHLC": "last",
}
"""By method: the key that `result` must have; empty text where it must have any key at all."""


@dataclass(frozen=True, slots=True)
class Body:
    """A body at first sight. `errors` is None where there is no envelope."""

    errors: tuple[str, ...] | None
    """Those that are no warnings, in normal form."""
    result: msgspec.Raw | None
    message: str
    is_empty: bool = False
    is_json: bool = True


class _Envelope(msgspec.Struct):
    error: list[str]
    result: msgspec.Raw = msgspec.Raw(b"null")


_ENVELOPE: Final = msgspec.json.Decoder(_Envelope)
_ANY: Final = msgspec.json.Decoder(msgspec.Raw)
_OBJECT: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_AFTER_COLON: Final = re.compile(r":\s+")


def normal(error: str) -> str:
    """An error as the tables have it: `EService: Throttled: 17` is `EService:Throttled:17`."""
    return _AFTER_COLON.sub(":", error.strip())[:MESSAGE_MAX]


def look(body: bytes) -> Body:
    """What kind of body this is. Never raises, whatever the bytes are."""
    if not body.strip():
        return Body(None, None, "empty body", is_empty=True, is_json=False)
    try:
        if not body.isascii():
            body.decode()  # the decoder skips over values, broken text in them included
        _ANY.decode(body)
    except UNREADABLE:
        return Body(None, None, f"not JSON: {printable(body)}", is_json=False)
    try:
        envelope = _ENVELOPE.decode(body)
    except UNREADABLE:
        return Body(None, None, f"no envelope: {printable(body)}")
    said = [normal(error) for error in envelope.error]
    errors = tuple(error for error in said if not error.startswith("W"))
    return Body(errors, envelope.result, "; ".join(said)[:MESSAGE_MAX])


def meaning_of(request_name: str, error: str) -> Meaning | None:
    """The row of one error in normal form: that of the longest beginning; None for unlisted ones.

    A beginning ends with a word: `EService:Busy` says nothing of `EService:Busybody`.
    """
    best: Meaning | None = None
    length = 0
    for beginning, meaning in ERRORS.items():
        if len(beginning) > length and _begins(error, beginning):
            best, length = meaning, len(beginning)
    for (name, beginning), meaning in ERRORS_BY_REQUEST.items():
        if name == request_name and len(beginning) > length and _begins(error, beginning):
            best, length = meaning, len(beginning)
    return best


def _begins(error: str, beginning: str) -> bool:
    return error.startswith(beginning) and not error[len(beginning) :][:1].isalnum()


def classify(request: WireRequest, reply: WireReply) -> Failure | None:
    """What the reply's envelope says: None for success, else the failure.

    Success takes HTTP 200, an envelope without errors, and in `result` what this call gives.
    """
    body = look(reply.body)
    if body.errors:
        return _failed(request, reply, body)
    if reply.status == 200:
        meaning = _flaw(request, body)
        if meaning is None:
            return None
    elif body.errors is not None:
        meaning = _CONTRADICTION  # a success by its body, and not by its status
    else:
        meaning = STATUSES.get(reply.status, _SERVER_ERROR)
        if reply.status < 500 and reply.status not in STATUSES:
            meaning = _EMPTY if body.is_empty else HOLLOW if body.is_json else _NOT_JSON
    return _failure(request, reply, meaning, message=body.message)


def _failed(request: WireRequest, reply: WireReply, body: Body) -> Failure:
    """The failure that the errors tell: of several, the one that leaves most in doubt."""
    assert body.errors
    found = [(error, _row(request, error)) for error in body.errors]
    error, meaning = next(((e, m) for e, m in found if m.outcome is Outcome.UNKNOWN), found[0])
    if request.name == "order.place" and _has(body.result, "txid"):
        meaning = _CONTRADICTION  # refused, and yet it has an id
    return _failure(request, reply, meaning, code=error, message=body.message)


def _row(request: WireRequest, error: str) -> Meaning:
    meaning = meaning_of(request.name, error)
    if meaning is not None:
        return meaning
    business = error.startswith(("EOrder:", "EQuery:", "ETrade:", "EFunding:"))
    return _UNLISTED_BUSINESS if business else _UNLISTED_SERVER


def _flaw(request: WireRequest, body: Body) -> Meaning | None:
    """What is wrong with the body of a 200 that tells no error."""
    if body.is_empty:
        return _EMPTY
    if not body.is_json:
        return _NOT_JSON
    if body.errors is None:
        return HOLLOW
    fields = _fields(body.result)
    key = ANSWERS[request.path.rpartition("/")[2]]
    if fields is None or (key == "" and not fields) or (key and key not in fields):
        return HOLLOW
    if request.name == "probe":
        return MODES.get(bytes(fields["status"]).decode("utf-8", "replace").strip('"'))
    return None


def _fields(result: msgspec.Raw | None) -> Mapping[str, msgspec.Raw] | None:
    if result is None:
        return None
    try:
        return _OBJECT.decode(result)
    except UNREADABLE:
        return None


def _has(result: msgspec.Raw | None, key: str) -> bool:
    fields = _fields(result)
    return fields is not None and key in fields


_THROTTLED_UNTIL: Final = re.compile(r"EService:Throttled:(\d{9,11})")
_RETRY_AFTER: Final = re.compile(r"\d{1,9}(?:\.\d{1,3})?")


def _failure(
    request: WireRequest,
    reply: WireReply,
    meaning: Meaning,
    *,
    code: str | None = None,
    message: str = "",
) -> Failure:
    asked = reply.headers.get("retry-after", "")
    retry_after_s = float(asked) if _RETRY_AFTER.fullmatch(asked) else None
    until_ms = None
    if meaning.remedy is Remedy.WAIT_BAN:
        named = _THROTTLED_UNTIL.match(code or "")
        if named:
            # To the end of that second: what the venue names is a whole one.
            until_ms = (int(named[1]) + 1) * 1000
        elif retry_after_s is None:
            retry_after_s = meaning.wait_s
    return meant(
        request,
        reply,
        meaning,
        code=code,
        message=message,
        retry_after_s=retry_after_s,
        banned_until_ms=until_ms,
    )
