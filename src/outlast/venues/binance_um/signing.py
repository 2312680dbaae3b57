"""Timestamp, signature, address: the last step before an attempt is written.

Source: Binance USD-M futures docs, General Info, "SIGNED Endpoint Security", 2026-09.
"""

from __future__ import annotations

from outlast.venues import _binance
from outlast.venues.binance_um.requests import VENUE
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
    so a lost order cannot come to life after that.

    Raises:
        ConfigurationError: key or secret is missing, or `valid_for_ms` is outside 1 to 60000.
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
