"""Nonce, deadline, signature, address: the last step before an attempt is written.

Source: Kraken docs, guide "Spot REST Authentication", and Add Order, `deadline`; read 2026-05-27.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote, urlencode

from outlast.errors import ConfigurationError
from outlast.wire import Auth, HttpRequest, WireRequest

__all__ = ["DEADLINE_MAX_MS", "DEADLINE_MIN_MS", "NONCE_MAX", "sign"]

DEADLINE_MIN_MS: Final = 2_000
DEADLINE_MAX_MS: Final = 60_000
"""How far ahead an order's `deadline` may lie. Below about 3 s a slow network alone refuses it."""
NONCE_MAX: Final = 2**64 - 1

_FORM: Final = ("Content-Type", "application/x-www-form-urlencoded")
_JSON: Final = ("Content-Type", "application/json")
_LISTS: Final = frozenset({"orders", "cl_ord_ids"})
"""Parameters that are lists; in a `WireRequest` their text is JSON."""
_DATED: Final = frozenset({"order.place", "order.amend"})
"""What the engine refuses after a deadline."""
_AGENT: Final = ("User-Agent", "outlast")
"""The edge has refused requests without one. Source: Kraken's feature page on API errors."""


def sign(
    request: WireRequest,
    *,
    base_url: str,
    key: str | None,
    secret: str | None,
    timestamp_ms: int,
    valid_for_ms: int,
    nonce: int | None = None,
) -> HttpRequest:
    """`request` as one attempt. Public calls are GETs, private ones POSTs with a form.

    What lists ids goes as JSON: a form has no lists. A new order or amendment carries a deadline:
    the engine refuses it when it arrives later than `timestamp_ms + valid_for_ms` by the venue's
    clock, so a lost one cannot come to life later.

    Raises:
        ConfigurationError: key, secret or nonce is missing or unusable, or `valid_for_ms` is
            outside 2000 to 60000.
    """
    url = base_url.rstrip("/") + request.path
    if request.auth is Auth.NONE:
        query = _form(request.params)
        return HttpRequest(
            method="GET",
            url=f"{url}?{query}" if query else url,
            headers=(_AGENT,),
            answer_within_s=request.answer_within_s,
        )
    if nonce is None or not 0 < nonce <= NONCE_MAX:
        raise ConfigurationError(
            f"nonce is {nonce}; {request.name} needs one above 0 and below 2**64",
            venue="kraken-spot",
        )
    if not DEADLINE_MIN_MS <= valid_for_ms <= DEADLINE_MAX_MS:
        raise ConfigurationError(
            f"valid_for_s is {valid_for_ms / 1000:g}; kraken-spot takes orders that are valid for "
            f"{DEADLINE_MIN_MS // 1000} to {DEADLINE_MAX_MS // 1000} s",
            venue="kraken-spot",
        )
    params = [("nonce", str(nonce)), *request.params]
    if request.name in _DATED:
        params.append(("deadline", _rfc3339(timestamp_ms + valid_for_ms)))
    listed = [name for name, _ in params if name in _LISTS]
    body = _json(params) if listed else _form(params).encode()
    signature = _signature(_needed("secret", secret, request), request.path, str(nonce), body)
    return HttpRequest(
        method="POST",
        url=url,
        headers=(
            _AGENT,
            _JSON if listed else _FORM,
            ("API-Key", _needed("key", key, request)),
            ("API-Sign", signature),
        ),
        body=body,
        answer_within_s=request.answer_within_s,
    )


def _form(params: tuple[tuple[str, str], ...] | list[tuple[str, str]]) -> str:
    return urlencode(params, quote_via=quote, safe="")


def _json(params: list[tuple[str, str]]) -> bytes:
    """The parameters as one object."""
    body: dict[str, object] = {
        name: json.loads(text) if name in _LISTS else text for name, text in params
    }
    return json.dumps(body, separators=(",", ":")).encode()


def _signature(secret: str, path: str, nonce: str, body: bytes) -> str:
    try:
        key = base64.b64decode(secret, validate=True)
    except (binascii.Error, ValueError):
        # Without its cause, which may quote the secret.
        raise ConfigurationError(
            "secret is not base64, as Kraken's are; copy the private key again from its API page",
            venue="kraken-spot",
        ) from None
    digest = hashlib.sha256(nonce.encode() + body).digest()
    return base64.b64encode(hmac.digest(key, path.encode() + digest, hashlib.sha512)).decode()


def _rfc3339(at_ms: int) -> str:
    """An instant, with milliseconds."""
    seconds, milliseconds = divmod(at_ms, 1000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{milliseconds:03d}Z"


def _needed(name: str, value: str | None, request: WireRequest) -> str:
    if not value:
        raise ConfigurationError(
            f"{request.name} needs an API {name} and there is none; "
            f"pass {name}=… to outlast.connect or set OUTLAST_KRAKEN_SPOT_{name.upper()}",
            venue="kraken-spot",
        )
    return value
