"""Timestamp, signature, address: the last step before an attempt is written.

Source: Binance USD-M futures docs, General Info, "SIGNED Endpoint Security", 2026-09.
"""

from __future__ import annotations

from typing import Final

from outlast.errors import ConfigurationError
from outlast.venues._binance import form, hmac_sha256, sign_params
from outlast.wire import Auth, HttpRequest, WireRequest

__all__ = ["sign"]

_FORM: Final = ("Content-Type", "application/x-www-form-urlencoded")


def sign(
    request: WireRequest,
    *,
    base_url: str,
    key: str | None,
    secret: str | None,
    timestamp_ms: int,
    valid_for_ms: int,
) -> HttpRequest:
    """`request` as one attempt. POST carries its parameters in the body, the others in the query.

    The venue drops it when it arrives later than `timestamp_ms + valid_for_ms` by its own clock,
    so a lost order cannot come to life after that.

    Raises:
        ConfigurationError: key or secret is missing, or `valid_for_ms` is outside 1 to 60000.
    """
    headers: list[tuple[str, str]] = []
    if request.auth is not Auth.NONE:
        headers.append(("X-MBX-APIKEY", _needed("key", key, request)))
    if request.auth is Auth.SIGNED:
        signer = hmac_sha256(_needed("secret", secret, request))
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


def _needed(name: str, value: str | None, request: WireRequest) -> str:
    if not value:
        raise ConfigurationError(
            f"{request.name} needs an API {name} and there is none; "
            f"pass {name}=… to outlast.connect or set OUTLAST_BINANCE_UM_{name.upper()}",
            venue="binance-um",
        )
    return value
