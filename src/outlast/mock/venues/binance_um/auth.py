"""Who signed a request, and whether it is still valid: keys, signatures, the time window.

Source: Binance USD-M futures docs, General Info ("Endpoint Security Type", "SIGNED Endpoint
security", "Timing security") and Error Codes.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import Final

from outlast.mock.keys import Account, KeyRing
from outlast.mock.venues.binance_um.errors import VenueRefusal
from outlast.mock.venues.binance_um.params import Params
from outlast.mock.venues.binance_um.routes import Security
from outlast.mock.venues.dialect import Call

__all__ = [
    "AHEAD_MS",
    "RECV_WINDOW_DEFAULT_MS",
    "RECV_WINDOW_MAX_MS",
    "ClientClocks",
    "account_of",
    "clock_refusal",
    "clock_words",
    "hmac_hex",
    "is_past_window",
]

RECV_WINDOW_DEFAULT_MS: Final = 5_000
RECV_WINDOW_MAX_MS: Final = 60_000
"""Documented for the venue's WebSocket API and for spot; the REST page is silent."""
AHEAD_MS: Final = 1_000
"""A timestamp this far in front of the venue's clock, or further, is refused."""

ANOTHER_DAY_MS: Final = 3_600_000
"""A clock that is off by more is not wrong: it shows another day than the scenario plays on."""

_OUTSIDE: Final = "Timestamp for this request is outside of the recvWindow."
_AHEAD: Final = "Timestamp for this request was 1000ms ahead of the server's time."
_KEY_SHAPE: Final = re.compile(r"[A-Za-z0-9]{64}\Z")


def hmac_hex(secret: str, payload: bytes) -> str:
    """Sign `payload` as the venue does: lower-case hex of HMAC-SHA256."""
    return hmac.new(secret.encode(), payload, hashlib.sha256).hexdigest()


class ClientClocks:
    """How far away the clocks of those clients are that live on another day than the scenario.

    A scenario plays at its own date, an unmodified client stamps its requests with today's. Such a
    client is judged by its own clock: what it stamps is now, and grows old from there on. Clients
    within an hour of the venue's clock are judged by the venue's.
    """

    def __init__(self) -> None:
        self._leads: dict[str, int] = {}

    def arrived(self, key: str, timestamp: int, now_ms: int) -> int:
        """Give the time that a request arriving now is judged at."""
        lead = timestamp - now_ms
        if abs(lead) <= ANOTHER_DAY_MS:
            return now_ms
        self._leads[key] = lead
        return timestamp

    def later(self, key: str, timestamp: int, now_ms: int) -> int:
        """Give the time that a request which arrived a while ago is judged at."""
        if abs(timestamp - now_ms) <= ANOTHER_DAY_MS:
            return now_ms
        return now_ms + self._leads.get(key, 0)


def account_of(
    call: Call, security: Security, keys: KeyRing, clocks: ClientClocks, now_ms: int
) -> Account | None:
    """Give the account a request belongs to, or None where the path needs no key.

    Raises:
        VenueRefusal: -2014 no or malformed key, -2015 unknown key, -1102 no timestamp or
            signature, -1021 outside the time window, -1022 wrong signature.
    """
    if security is Security.NONE:
        return None
    account = _keyed(call.message.header("x-mbx-apikey"), keys)
    if security is Security.SIGNED:
        params = Params(call.params)
        timestamp, recv_window = _window_of(params)
        at_ms = clocks.arrived(account.key, timestamp, now_ms)
        refusal = clock_refusal(timestamp, recv_window, at_ms)
        if refusal is not None:
            raise refusal
        given = params.need("signature")
        expected = hmac_hex(account.secret, call.payload)
        if not hmac.compare_digest(given.lower().encode(), expected.encode()):
            raise VenueRefusal(-1022)
    return account


def _keyed(key: str, keys: KeyRing) -> Account:
    account = keys.find(key)
    if account is None:
        raise VenueRefusal(-2015 if _KEY_SHAPE.match(key) else -2014)
    return account


def _window_of(params: Params) -> tuple[int, int]:
    params.need("timestamp")
    timestamp = params.whole("timestamp")
    assert timestamp is not None
    recv_window = params.whole("recvWindow")
    if recv_window is None:
        recv_window = RECV_WINDOW_DEFAULT_MS
    elif recv_window > RECV_WINDOW_MAX_MS:
        raise VenueRefusal(-1131)
    return timestamp, recv_window


def clock_refusal(timestamp: int, recv_window: int, now_ms: int) -> VenueRefusal | None:
    """Give -1021 in the words that fit, or None inside the window.

    Valid is `timestamp < now + 1000` and `now - timestamp <= recvWindow`.
    """
    if timestamp >= now_ms + AHEAD_MS:
        return VenueRefusal(-1021, _AHEAD)
    if now_ms - timestamp > recv_window:
        return VenueRefusal(-1021, _OUTSIDE)
    return None


def clock_words(call: Call, now_ms: int) -> str:
    """Give the words of -1021 for a request that is refused whatever its timestamp says."""
    timestamp = call.params.get("timestamp", "")
    ahead = timestamp.isascii() and timestamp.isdigit() and int(timestamp) > now_ms
    return _AHEAD if ahead else _OUTSIDE


def is_past_window(call: Call, clocks: ClientClocks, now_ms: int) -> bool:
    """Tell whether a request that was in time on arrival is too old for the matching engine.

    Only the upper end is asked: the lower one was settled when the request arrived.
    """
    timestamp, recv_window = _window_of(Params(call.params))
    at_ms = clocks.later(call.message.header("x-mbx-apikey"), timestamp, now_ms)
    return at_ms - timestamp > recv_window
