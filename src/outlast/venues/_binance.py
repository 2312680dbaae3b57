"""What Binance's products share: signing, looking at bodies and headers, and building a `Failure`.

The tables are not in here. The same code means different things on spot and on futures, so each
product has its own.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, urlencode

import msgspec

from outlast.errors import ConfigurationError, Failure, Layer, Outcome, Remedy, Scope
from outlast.wire import Counter, FaultKind, TransportFault, WireReply, WireRequest

__all__ = [
    "UNREADABLE",
    "Body",
    "Meaning",
    "Signer",
    "banned_until_ms",
    "classify_fault",
    "counter_of",
    "failure_of",
    "form",
    "hmac_sha256",
    "look",
    "read_usage",
    "sign_params",
]

RAW_MAX: Final = 2048
"""Bytes of a body kept as evidence: an error body has 200, a CDN's page says all in its head."""
MESSAGE_MAX: Final = 300
VALID_FOR_MAX_MS: Final = 60_000
"""The largest recvWindow. Source: Binance spot REST docs, Timing security."""

UNREADABLE: Final = (msgspec.MsgspecError, ValueError, RecursionError)
"""What decoding can raise: not JSON, another shape, not UTF-8, nested without end."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """One row of a product's tables: what an answer says about a write, and where that stands."""

    layer: Layer
    kind: str
    outcome: Outcome
    remedy: Remedy
    scope: Scope
    source: str
    wait_s: float | None = None
    """How long to wait when the venue asks for a pause without naming its end."""


# Signing ------------------------------------------------------------------------------------------

Signer = Callable[[bytes], str]
"""Gives the signature text of a payload: hex for HMAC, base64 for the asymmetric kinds of key."""


def hmac_sha256(secret: str) -> Signer:
    """The signer of an HMAC key. Source: Binance spot REST docs, SIGNED endpoint security."""
    key = secret.encode()

    def sign(payload: bytes) -> str:
        return hmac.new(key, payload, hashlib.sha256).hexdigest()

    return sign


def form(params: Sequence[tuple[str, str]]) -> str:
    """`params` percent-encoded, in the order given: these bytes are signed and these are sent.

    Sources: Binance spot changelog, 2025-12-17 (encode first, then sign); derivatives changelog,
    2025-10-09.
    """
    return urlencode(params, quote_via=quote, safe="")


def sign_params(
    params: Sequence[tuple[str, str]], signer: Signer, *, timestamp_ms: int, valid_for_ms: int
) -> str:
    """The form text with timestamp and signature; the signature comes last, as futures require.

    Raises:
        ConfigurationError: `valid_for_ms` is outside the venue's range.
    """
    if not 0 < valid_for_ms <= VALID_FOR_MAX_MS:
        raise ConfigurationError(
            f"valid_for_ms is {valid_for_ms}; Binance takes 1 to {VALID_FOR_MAX_MS} "
            "(5000 or less is its advice)"
        )
    text = form([*params, ("recvWindow", str(valid_for_ms)), ("timestamp", str(timestamp_ms))])
    return f"{text}&signature={quote(signer(text.encode()), safe='')}"


# Bodies -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Body:
    """A body at first sight. `fields` is set for a JSON object, `rows` for a JSON array."""

    fields: Mapping[str, msgspec.Raw] | None
    rows: Sequence[msgspec.Raw] | None
    code: str | None
    """The venue's code as text. None when there is none, and for 0, which says nothing."""
    message: str
    """The venue's words; for what is not JSON, how it begins."""
    is_empty: bool = False

    @property
    def is_json(self) -> bool:
        return self.fields is not None or self.rows is not None


_TOP_LEVEL: Final = msgspec.json.Decoder(dict[str, msgspec.Raw] | list[msgspec.Raw])
_TEXT: Final = msgspec.json.Decoder(str)


def look(body: bytes) -> Body:
    """What kind of body this is. Never raises, whatever the bytes are."""
    if not body.strip():
        return Body(None, None, None, "empty body", is_empty=True)
    try:
        if not body.isascii():
            body.decode()  # the decoder below skips over values, broken text in them included
        top = _TOP_LEVEL.decode(body)
    except UNREADABLE:
        return Body(None, None, None, f"not JSON: {_printable(body)}")
    if isinstance(top, list):
        return Body(None, top, None, "")
    return Body(top, None, _code(top.get("code")), _message(top.get("msg")))


def _code(raw: msgspec.Raw | None) -> str | None:
    if raw is None:
        return None
    text = bytes(raw).decode("utf-8", "replace").strip('"')[:20]
    return None if text in ("", "0", "null") else text


def _message(raw: msgspec.Raw | None) -> str:
    if raw is None:
        return ""
    try:
        return _TEXT.decode(raw)[:MESSAGE_MAX]
    except UNREADABLE:
        return _printable(bytes(raw))


def _printable(body: bytes) -> str:
    text = body[:MESSAGE_MAX].decode("utf-8", "replace")
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:120]


# Headers and limits -------------------------------------------------------------------------------

_RETRY_AFTER: Final = re.compile(r"\d{1,9}(?:\.\d{1,3})?")
_USAGE: Final = re.compile(r"x-mbx-(used-weight|order-count)-(\d{1,4}[smhd])", re.IGNORECASE)
_USAGE_NAMES: Final = {"used-weight": "weight", "order-count": "orders"}
_COUNT: Final = re.compile(r"\d{1,9}")
_BANNED_UNTIL: Final = re.compile(
    r"Way too (?:many requests|much request weight used); IP(?:\([^)]*\))? banned until (\d{13})\b"
)
_LIMIT_WINDOW: Final = re.compile(
    r"Too (?:many new orders|many requests|much request weight used); "
    r"current limit is \d+ [a-z ]+ per (\d{1,4}) (SECOND|MINUTE|HOUR|DAY)\b"
)
_LIMIT_TYPES: Final = {"REQUEST_WEIGHT": "weight", "ORDERS": "orders", "RAW_REQUESTS": "requests"}
_INTERVALS_S: Final = {"SECOND": 1.0, "MINUTE": 60.0, "HOUR": 3600.0, "DAY": 86400.0}


def banned_until_ms(message: str) -> int | None:
    """The end of an IP ban, in venue time, from the words of the ban.

    Sources: Binance docs, -1003; the masked address in brackets is quoted in
    zyairelai/futures-hero issue 10.
    """
    found = _BANNED_UNTIL.match(message)
    return int(found[1]) if found else None


def limit_window_s(message: str) -> float | None:
    """The window that was used up, from the words of a refusal: after it there is room again.

    Source: Binance docs, Error Codes, -1003 and -1015.
    """
    found = _LIMIT_WINDOW.match(message)
    return int(found[1]) * _INTERVALS_S[found[2]] if found else None


def read_usage(headers: Mapping[str, str]) -> dict[str, int]:
    """What the venue says is used: `{"weight_1m": 22, "orders_10s": 3}`.

    A value that is no number is left out, as if the header were missing: our own count stands.

    Source: Binance docs, General Info, "IP Limits" and "Order Rate Limits".
    """
    used = {}
    for name, value in headers.items():
        found = _USAGE.fullmatch(name)
        if found and _COUNT.fullmatch(value):
            used[f"{_USAGE_NAMES[found[1].lower()]}_{found[2].lower()}"] = int(value)
    return used


def counter_of(kind: str, interval: str, interval_num: int, limit: int) -> Counter:
    """One row of exchangeInfo's `rateLimits`. Orders count by account, all else by IP.

    Raises:
        ValueError: the interval is not one of the venue's, or a number is not positive.
    """
    if interval not in _INTERVALS_S or interval_num < 1 or limit < 1:
        raise ValueError(f"rate limit {kind} {limit} per {interval_num} {interval}")
    return Counter(
        name=f"{_LIMIT_TYPES.get(kind, kind.lower())}_{interval_num}{interval[0].lower()}",
        window_s=_INTERVALS_S[interval] * interval_num,
        limit=limit,
        scope=Scope.ACCOUNT if kind == "ORDERS" else Scope.IP,
    )


# Failures -----------------------------------------------------------------------------------------


def failure_of(
    request: WireRequest,
    reply: WireReply,
    meaning: Meaning,
    *,
    code: str | None = None,
    message: str = "",
) -> Failure:
    """`meaning` as the failure of this request.

    A read changes nothing, so what would leave a write unknown only means asking again.
    """
    outcome, remedy = meaning.outcome, meaning.remedy
    if outcome is Outcome.UNKNOWN and not request.is_write:
        outcome, remedy = Outcome.REFUSED, Remedy.RETRY
    asked = reply.headers.get("retry-after", "")
    retry_after_s = float(asked) if _RETRY_AFTER.fullmatch(asked) else None
    until_ms = None
    if remedy is Remedy.WAIT_BAN:
        until_ms = banned_until_ms(message)
        if retry_after_s is None and until_ms is None:
            retry_after_s = limit_window_s(message) or meaning.wait_s
    return Failure(
        layer=meaning.layer,
        kind=meaning.kind,
        outcome=outcome,
        remedy=remedy,
        scope=meaning.scope,
        http_status=reply.status,
        venue_code=code,
        message=message,
        retry_after_s=retry_after_s,
        banned_until_ms=until_ms,
        raw=reply.body[:RAW_MAX],
    )


_LOCAL_FAULTS: Final = frozenset({FaultKind.POOL_TIMEOUT, FaultKind.LOCAL})


def classify_fault(request: WireRequest, fault: TransportFault) -> Failure:
    """No complete answer came. What may have been written may have been done."""
    local = fault.kind in _LOCAL_FAULTS
    outcome, remedy = Outcome.UNKNOWN, Remedy.SETTLE
    if fault.kind.nothing_sent:
        outcome = Outcome.NOT_SENT
        # A bad URL or a closed client will not be better next time.
        remedy = Remedy.GIVE_UP if fault.kind is FaultKind.LOCAL else Remedy.RETRY
    elif not request.is_write:
        outcome, remedy = Outcome.REFUSED, Remedy.RETRY
    return Failure(
        layer=Layer.LOCAL if local else Layer.TRANSPORT,
        kind=fault.kind.value,
        outcome=outcome,
        remedy=remedy,
        scope=Scope.SELF if local else Scope.HOST,
        message=fault.detail[:MESSAGE_MAX],
    )
