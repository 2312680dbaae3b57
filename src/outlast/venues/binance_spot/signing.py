"""Timestamp, signature, address: the last step before an attempt is written.

The secret of an HMAC key is its text; that of an Ed25519 key is the private key in PEM, and takes
the package `cryptography`.

Source: Binance spot REST docs, SIGNED endpoint security, and the changelog of 2025-12-17 (encode
first, then sign), 2026-07.
"""

from __future__ import annotations

from outlast.venues import _binance
from outlast.venues.binance_spot.requests import VENUE
from outlast.wire import HttpRequest, WireRequest

__all__ = ["sign"]


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
    """`request` as one attempt. POST carries its parameters in the body, the others in the query.

    The venue drops it when it arrives later than `timestamp_ms + valid_for_ms` by its own clock,
    and looks again just before it hands it to the engine: a lost order cannot come to life after
    that.

    Raises:
        ConfigurationError: key or secret is missing or unusable, or `valid_for_ms` is outside 1 to
            60000.
    """
    return _binance.sign(
        request,
        venue=VENUE,
        base_url=base_url,
        key=key,
        secret=secret,
        timestamp_ms=timestamp_ms,
        valid_for_ms=valid_for_ms,
    )
