"""Who signed a request, and whether it is still valid: keys, signatures, the time window.

Source: Binance spot API docs, rest-api.md ("SIGNED request security", "Timing security") and its
change log: the window is checked a second time in front of the matching engine (2025-05-22), and
what is not ASCII has to be percent-encoded before it is signed (2025-12-17).
"""

from __future__ import annotations

import base64
import hmac
import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote_from_bytes

from outlast.mock.keys import Account, Ed25519Key, KeyRing
from outlast.mock.venues.binance_spot import ed25519
from outlast.mock.venues.binance_spot.errors import SpotRefusal, VenueRefusal
from outlast.mock.venues.binance_spot.params import SpotParams
from outlast.mock.venues.binance_um.auth import (
    AHEAD_MS,
    RECV_WINDOW_DEFAULT_MS,
    RECV_WINDOW_MAX_MS,
    ClientClocks,
    hmac_hex,
)

__all__ = ["Window", "check_clock", "check_signature", "encoded", "keyed", "window_of"]

AHEAD: Final = "Timestamp for this request was 1000ms ahead of the server's time."
_KEY_SHAPE: Final = re.compile(r"[A-Za-z0-9]{64}\Z")
_WINDOW_SHAPE: Final = re.compile(r"[0-9]{1,20}(\.[0-9]{1,3})?\Z")
_MICROSECONDS_FROM: Final = 100_000_000_000_000
"""A timestamp as large as this is in microseconds: in milliseconds it would be the year 5138."""
_ASCII: Final = bytes(range(0x21, 0x7F)).decode()


@dataclass(frozen=True, slots=True)
class Window:
    """When a request was stamped, and for how long it is valid; both in microseconds."""

    timestamp_us: int
    length_us: int

    @property
    def timestamp_ms(self) -> int:
        return self.timestamp_us // 1000

    def refusal(self, now_ms: int) -> SpotRefusal | None:
        """Give -1021 in the words that fit, or None inside the window."""
        if self.timestamp_us >= (now_ms + AHEAD_MS) * 1000:
            return SpotRefusal(-1021, AHEAD)
        return SpotRefusal(-1021) if self.is_over(now_ms) else None

    def is_over(self, now_ms: int) -> bool:
        return now_ms * 1000 - self.timestamp_us > self.length_us


def keyed(key: str, keys: KeyRing) -> Account:
    """Give the account of an API key (-2014 no or malformed key, -2015 unknown)."""
    account = keys.find(key) or keys.find_ed25519(key)
    if account is None:
        raise SpotRefusal(-2015 if _KEY_SHAPE.match(key) else -2014)
    return account


def window_of(params: SpotParams) -> Window:
    """Read `timestamp` (milliseconds or microseconds) and `recvWindow` (up to three decimals)."""
    params.need("timestamp")
    timestamp = params.whole("timestamp")
    assert timestamp is not None
    if timestamp < _MICROSECONDS_FROM:
        timestamp *= 1000
    text = params.text("recvWindow")
    if text is None:
        return Window(timestamp, RECV_WINDOW_DEFAULT_MS * 1000)
    if not _WINDOW_SHAPE.match(text):
        raise VenueRefusal.illegal("recvWindow", "^[0-9]{1,20}(\\.[0-9]{1,3})?$")
    whole, _, part = text.partition(".")
    length_us = int(whole) * 1000 + int(part.ljust(3, "0"))
    if length_us > RECV_WINDOW_MAX_MS * 1000:
        raise SpotRefusal(-1131)
    return Window(timestamp, length_us)


def check_clock(params: SpotParams, key: str, clocks: ClientClocks, now_ms: int) -> None:
    """Refuse with -1021 what was stamped outside the window."""
    window = window_of(params)
    refusal = window.refusal(clocks.arrived(key, window.timestamp_ms, now_ms))
    if refusal is not None:
        raise refusal


def check_signature(params: SpotParams, account: Account, key: str, payload: bytes) -> None:
    """Refuse with -1022 what was not signed with the key's secret: hex in any case, or base64."""
    given = params.need("signature")
    if account.ed25519 is not None and key == account.ed25519.key:
        valid = _is_signed(account.ed25519, payload, given)
    else:
        expected = hmac_hex(account.secret, payload)
        valid = hmac.compare_digest(given.lower().encode(), expected.encode())
    if not valid:
        raise SpotRefusal(-1022)


def _is_signed(key: Ed25519Key, payload: bytes, signature: str) -> bool:
    try:
        given = base64.b64decode(signature, validate=True)
    except ValueError:
        return False
    return ed25519.verify(ed25519.public_key(key.seed), payload, given)


def encoded(payload: bytes) -> bytes:
    """Percent-encode what is not printable ASCII, as it has to be before it is signed.

    A client that signs raw characters signs other bytes than these, and gets -1022.
    """
    return quote_from_bytes(payload, safe=_ASCII).encode()
