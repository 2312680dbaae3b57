"""What Binance's products share: signing, writing numbers, looking at bodies, building a `Failure`.

The tables are not in here. The same code means different things on spot and on futures, so each
product has its own. How their rows are decoded is in `_binance_rows`.
"""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Final
from urllib.parse import quote, urlencode

import msgspec

from outlast.errors import (
    ConfigurationError,
    Failure,
    InvalidOrder,
    Remedy,
    Scope,
)
from outlast.venues._answers import (
    MESSAGE_MAX,
    UNREADABLE,
    Meaning,
    classify_fault,
    meant,
    printable,
)
from outlast.wire import (
    Auth,
    Counter,
    HttpRequest,
    WireReply,
    WireRequest,
)

__all__ = [
    "UNREADABLE",
    "Body",
    "Meaning",
    "Signer",
    "banned_until_ms",
    "check_client_order_id",
    "classify_fault",
    "counter_of",
    "ed25519",
    "failure_of",
    "form",
    "hmac_sha256",
    "look",
    "plain",
    "read_usage",
    "sign",
    "sign_params",
    "signer_of",
]

VALID_FOR_MAX_MS: Final = 60_000
"""The largest recvWindow. Source: Binance spot REST docs, Timing security."""


# Signing ------------------------------------------------------------------------------------------

Signer = Callable[[bytes], str]
"""Gives the signature text of a payload: hex for HMAC, base64 for the asymmetric kinds of key."""


def hmac_sha256(secret: str) -> Signer:
    """The signer of an HMAC key. Source: Binance spot REST docs, SIGNED endpoint security."""
    keyed = hmac.new(secret.encode(), digestmod="sha256")

    def sign(payload: bytes) -> str:
        signing = keyed.copy()  # the key is taken in once, which is half of the work
        signing.update(payload)
        return signing.hexdigest()

    return sign


def ed25519(pem: str) -> Signer:
    """The signer of an Ed25519 key, whose secret is a private key in PEM (PKCS#8, not encrypted).

    Raises:
        ConfigurationError: `cryptography` is not installed, or it is no such key.

    Source: Binance spot REST docs, SIGNED request example (Ed25519).
    """
    try:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import (  # noqa: PLC0415
            Ed25519PrivateKey,
        )
        from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415
            load_pem_private_key,
        )
    except ImportError as error:
        raise ConfigurationError(
            "secret is a private key in PEM, and signing with it needs the package cryptography; "
            "install it (pip install 'outlast[ed25519]'), or use an HMAC key"
        ) from error
    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError) as error:  # TypeError: it is encrypted
        raise ConfigurationError(
            f"secret begins like a private key in PEM but cannot be read as one ({_kind(error)}); "
            "give the whole file, not encrypted, with its line breaks"
        ) from None
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigurationError(
            "secret is a private key, but not an Ed25519 one; make an Ed25519 or an HMAC key at "
            "the venue (RSA keys are not supported)"
        )
    return lambda payload: base64.b64encode(key.sign(payload)).decode()


def _kind(error: Exception) -> str:
    """The error's class alone: its words might quote the key."""
    return type(error).__name__


@lru_cache(maxsize=4)  # to read a private key takes longer than to sign with it
def signer_of(secret: str) -> Signer:
    """The signer that a secret is for: a private key in PEM is Ed25519, all else HMAC.

    Raises:
        ConfigurationError: see `ed25519`.
    """
    if secret.lstrip().startswith("-----BEGIN"):
        return ed25519(secret.strip())
    return hmac_sha256(secret)


_UNRESERVED: Final = re.compile(r"[A-Za-z0-9_.~=&-]*")
"""What is the same encoded and not, and what holds a form together: orders seldom have anything
else. Source: RFC 3986, 2.3."""


def form(params: Sequence[tuple[str, str]]) -> str:
    """`params` percent-encoded, in the order given: these bytes are signed and these are sent.

    Sources: Binance spot changelog, 2025-12-17 (encode first, then sign); derivatives changelog,
    2025-10-09.
    """
    text = "&".join([f"{name}={value}" for name, value in params])
    joints = max(0, 2 * len(params) - 1)
    if _UNRESERVED.fullmatch(text) and text.count("=") + text.count("&") == joints:
        return text  # no name or value holds one of its own
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
    signature = signer(text.encode())
    return f"{text}&signature={signature if signature.isalnum() else quote(signature, safe='')}"


_FORM: Final = ("Content-Type", "application/x-www-form-urlencoded")


def sign(
    request: WireRequest,
    *,
    venue: str,
    base_url: str,
    key: str | None,
    secret: str | None,
    timestamp_ms: int,
    valid_for_ms: int,
) -> HttpRequest:
    """`request` as one attempt. POST carries its parameters in the body, the others in the query.

    Raises:
        ConfigurationError: key or secret is missing or unusable, or `valid_for_ms` is outside 1 to
            60000.
    """
    headers: list[tuple[str, str]] = []
    if request.auth is not Auth.NONE:
        headers.append(("X-MBX-APIKEY", _needed("key", key, request, venue)))
    if request.auth is Auth.SIGNED:
        signer = signer_of(_needed("secret", secret, request, venue))
        text = sign_params(
            request.params, signer, timestamp_ms=timestamp_ms, valid_for_ms=valid_for_ms
        )
    else:
        text = form(request.params)
    url = base_url.rstrip("/") + request.path
    body = b""
    if request.method == "POST":
        headers.append(_FORM)
        body = text.encode()
    elif text:
        url = f"{url}?{text}"
    return HttpRequest(
        method=request.method,
        url=url,
        headers=tuple(headers),
        body=body,
        answer_within_s=request.answer_within_s,
    )


def _needed(name: str, value: str | None, request: WireRequest, venue: str) -> str:
    if not value:
        variable = f"OUTLAST_{venue.upper().replace('-', '_')}_{name.upper()}"
        raise ConfigurationError(
            f"{request.name} needs an API {name} and there is none; "
            f"pass {name}=… to outlast.connect or set {variable}",
            venue=venue,
        )
    return value


# Orders -------------------------------------------------------------------------------------------

_CLIENT_ORDER_ID: Final = re.compile(r"[.A-Z:/a-z0-9_-]{1,36}")
_EXPONENT_MAX: Final = 20
"""No price or quantity has more digits than this before or after the point."""


def plain(value: Decimal, step: Decimal, *, field: str, venue: str) -> str:
    """`value` as plain text, exactly: no exponent, no zeros behind the digits of `step`.

    Nothing is rounded. What lies between two steps goes out as it is, for the venue to refuse.

    Raises:
        InvalidOrder: it is not a positive number of a size that exists.
    """
    if not value.is_finite() or value <= 0:
        message = f"{field} is {value}; it must be a number above 0"
        raise InvalidOrder(message, field=field, venue=venue)
    if not -_EXPONENT_MAX <= value.adjusted() <= _EXPONENT_MAX:
        message = f"{field} is {value}; no instrument has such a {field}"
        raise InvalidOrder(message, field=field, venue=venue)
    whole, _, fraction = format(value, "f").partition(".")
    fraction = fraction.rstrip("0").ljust(_places(step), "0")
    return f"{whole}.{fraction}" if fraction else whole


@lru_cache(maxsize=1024)
def _places(step: Decimal) -> int:
    return len(format(step, "f").partition(".")[2].rstrip("0"))


def check_client_order_id(client_order_id: str, *, venue: str) -> None:
    """Let through what `newClientOrderId` may be.

    Raises:
        InvalidOrder: it may not be that.

    Sources: Binance USD-M futures docs, New Order; for spot the range that its -1100 names.
    """
    if not _CLIENT_ORDER_ID.fullmatch(client_order_id):
        raise InvalidOrder(
            f"client_order_id is {client_order_id!r}; "
            f"{venue} takes 1 to 36 of A-Z a-z 0-9 . : / _ -",
            field="client_order_id",
            venue=venue,
        )


# Bodies -------------------------------------------------------------------------------------------


class Body(msgspec.Struct, frozen=True):
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
_REMEMBERED_BYTES_MAX: Final = 4096


def look(body: bytes) -> Body:
    """What kind of body this is. Never raises, whatever the bytes are."""
    # Whoever classifies an answer and whoever reads it look at the same one.
    return _looked_before(body) if len(body) <= _REMEMBERED_BYTES_MAX else _look(body)


def _look(body: bytes) -> Body:
    if not body.strip():
        return Body(None, None, None, "empty body", is_empty=True)
    try:
        if not body.isascii():
            body.decode()  # the decoder below skips over values, broken text in them included
        top = _TOP_LEVEL.decode(body)
    except UNREADABLE:
        return Body(None, None, None, f"not JSON: {printable(body)}")
    if isinstance(top, list):
        return Body(None, top, None, "")
    return Body(top, None, _code(top.get("code")), _message(top.get("msg")))


_looked_before = lru_cache(maxsize=32)(_look)


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
        return printable(bytes(raw))


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
        counter = _counter_told_by(name)
        if counter is not None and _COUNT.fullmatch(value):
            used[counter] = int(value)
    return used


@lru_cache(maxsize=256)
def _counter_told_by(header: str) -> str | None:
    found = _USAGE.fullmatch(header)
    return f"{_USAGE_NAMES[found[1].lower()]}_{found[2].lower()}" if found else None


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
    asked = reply.headers.get("retry-after", "")
    retry_after_s = float(asked) if _RETRY_AFTER.fullmatch(asked) else None
    until_ms = None
    if meaning.remedy is Remedy.WAIT_BAN:
        until_ms = banned_until_ms(message)
        if retry_after_s is None and until_ms is None:
            retry_after_s = limit_window_s(message) or meaning.wait_s
    return meant(
        request,
        reply,
        meaning,
        code=code,
        message=message,
        retry_after_s=retry_after_s,
        banned_until_ms=until_ms,
    )
