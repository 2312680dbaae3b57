"""Reads an answer's envelope with the tables of `codes.py`: success, or which failure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from outlast.errors import Failure
from outlast.venues._binance import (
    Body,
    Meaning,
    banned_until_ms,
    classify_fault,
    failure_of,
    look,
)
from outlast.venues.binance_spot.codes import (
    CODES,
    CODES_BY_REQUEST,
    CONTRADICTION,
    EMPTY,
    FILTERS,
    HOLLOW,
    MESSAGES,
    MESSAGES_503,
    NOT_JSON,
    SERVER_CODES,
    SERVER_ERROR,
    STATUSES,
    UNLISTED_BUSINESS,
    UNLISTED_FILTER,
    UNLISTED_SERVER,
)
from outlast.wire import WireReply, WireRequest

__all__ = ["ANSWERS", "classify", "classify_fault", "nothing_was_open"]

ANSWERS: Final[Mapping[str, str | None]] = {
    "order.place": "orderId",
    "order.cancel": "orderId",
    "order.read": "orderId",
    "orders.cancel": None,
    "order.amend": "amendedOrder",
    "orders.read": None,
    "executions.read": None,
    "balances.read": "balances",
    "instruments.read": "symbols",
    "book.read": "lastUpdateId",
    "mark_price.read": "bidPrice",
    "trades.read": None,
    "ticker.read": "lastPrice",
    "candles.read": None,
    "time.read": "serverTime",
    "status.read": "status",
    "probe": "serverTime",
}
"""By request: the key that the object that answers must have; None means an array."""

_OUTCOME_UNKNOWN: Final = frozenset({"-1006", "-1007"})
_OVER_LIMIT: Final = frozenset({"-1003", "-1015"})
_BY_STATUS_ALONE: Final = frozenset({408, 409, 429})
_SPEAKS_IN_WORDS: Final = frozenset({"-1010", "-1013", "-2010", "-2011", "-2038"})
_WORDS: Final = {message.casefold(): meaning for message, meaning in MESSAGES.items()}
_FILTER: Final = re.compile(r"Filter failure: ([A-Z_]{1,60})\.?")
_NOT_ON_THE_BOOK: Final = "unknown order sent"


def classify(request: WireRequest, reply: WireReply) -> Failure | None:
    """What the reply's envelope says: None for success, else the failure.

    Success takes a 2xx status, JSON of the right shape, the expected key, and no code. Canceling
    all orders of a symbol that has none is success too.
    """
    body = look(reply.body)
    if nothing_was_open(request, reply.status, body):
        return None
    if 200 <= reply.status < 300:
        meaning = _flaw(request, body)
        if meaning is None:
            return None
    else:
        meaning = _meaning(request, reply.status, body)
    return failure_of(request, reply, meaning, code=body.code, message=body.message)


def nothing_was_open(request: WireRequest, status: int, body: Body) -> bool:
    """True when a cancel of all orders is answered by -2011: there was none on the book.

    Source: Binance spot REST docs, Cancel all Open Orders on a Symbol.
    """
    return (
        request.name == "orders.cancel"
        and status == 400
        and body.code == "-2011"
        and _words(body.message) == _NOT_ON_THE_BOOK
    )


def _flaw(request: WireRequest, body: Body) -> Meaning | None:
    """What is wrong with the body of a 2xx."""
    if body.is_empty:
        return EMPTY
    if not body.is_json:
        return NOT_JSON
    if body.code is not None:
        # The status says done, the code says not: trust neither.
        return CODES[body.code] if body.code in _OUTCOME_UNKNOWN else CONTRADICTION
    expected = ANSWERS[request.name]
    if expected is None:
        return HOLLOW if body.rows is None else None
    return HOLLOW if body.fields is None or expected not in body.fields else None


def _meaning(request: WireRequest, status: int, body: Body) -> Meaning:
    """The row for a reply that is not a 2xx."""
    code = body.code
    if code in _OUTCOME_UNKNOWN:
        return CODES[code]  # whatever the status: 400, 408 and 500 have been seen
    if status == 418 or banned_until_ms(body.message) is not None:
        return STATUSES[418]
    if code in _OVER_LIMIT:
        return CODES[code]
    if status in _BY_STATUS_ALONE:
        return STATUSES[status]
    if status >= 500:
        return _server_error(status, body)
    if 400 <= status < 500:
        return _client_error(request, status, body)
    return CONTRADICTION  # 1xx and 3xx: nobody asked for these


def _server_error(status: int, body: Body) -> Meaning:
    """Unknown in any case: "could have been a success". Code and words only name it."""
    if body.code is not None and body.code in SERVER_CODES:
        return SERVER_CODES[body.code]
    if status == 503:
        said = body.message.casefold()
        for sentence, meaning in MESSAGES_503:
            start = sentence.casefold()
            if said == start or said.startswith(f"{start}."):
                return meaning
    return SERVER_ERROR if body.is_empty or body.is_json else NOT_JSON


def _client_error(request: WireRequest, status: int, body: Body) -> Meaning:
    code = body.code
    if request.name == "order.amend" and _words(body.message) == _NOT_ON_THE_BOOK:
        return CODES_BY_REQUEST[request.name, "-2011"]  # it may be filled, or canceled
    if code is None:
        if status in STATUSES:
            return STATUSES[status]
        if body.is_empty:
            return EMPTY
        return HOLLOW if body.is_json else NOT_JSON
    if code in _SPEAKS_IN_WORDS:
        told = _in_words(body.message)
        if told is not None:
            return told
    meaning = CODES_BY_REQUEST.get((request.name, code)) or CODES.get(code)
    if meaning is not None:
        return meaning
    # By the page's own grouping -10xx is the machinery and the rest an answer of the rules, which
    # must not count against the venue's health.
    return UNLISTED_SERVER if code.startswith("-10") else UNLISTED_BUSINESS


def _in_words(message: str) -> Meaning | None:
    """The row that a message has of its own, for the codes that mean many things."""
    found = _FILTER.fullmatch(message)
    if found:
        return FILTERS.get(found[1], UNLISTED_FILTER)
    return _WORDS.get(_words(message))


def _words(message: str) -> str:
    return message.strip().removesuffix(".").casefold()
