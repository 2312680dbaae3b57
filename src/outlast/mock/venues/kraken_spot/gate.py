"""Who asks: keys, signatures, nonces, and the lockout that too many bad ones earn.

Source: Kraken docs, "Spot REST Authentication": API-Sign = base64(HMAC-SHA512(base64-decoded
secret, path + SHA256(nonce + body))), over the body as received; the nonce is an unsigned 64-bit
number greater than any before it on that key, or inside the key's nonce window.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from dataclasses import dataclass, field
from typing import Final

from outlast.mock.keys import Account, KeyRing
from outlast.mock.scenario.model import Limits, Nonce
from outlast.mock.venues.dialect import Call
from outlast.mock.venues.kraken_spot.errors import (
    DEADLINE_ELAPSED,
    INVALID_KEY,
    INVALID_NONCE,
    INVALID_SIGNATURE,
    INVALID_TOKEN,
    LOCKOUT,
    VenueRefusal,
    invalid,
)
from outlast.mock.venues.kraken_spot.params import Params
from outlast.mock.venues.kraken_spot.tokens import Tokens

__all__ = ["DEADLINE_MAX_MS", "DEADLINE_MIN_MS", "NONCE_RULE", "Gate", "check_deadline", "sign"]

NONCE_RULE: Final = Nonce(window=0, lockout_after=20, lockout_s=900.0)
"""What holds when the scenario says nothing: no window, and about 15 minutes of lockout. How many
bad ones in a row lead there is not documented."""
DEADLINE_MIN_MS: Final = 2_000
SOCKET_DEADLINE_MIN_MS: Final = 500
DEADLINE_MAX_MS: Final = 60_000

_NONCE: Final = re.compile(r"[0-9]{1,20}\Z")
_NONCE_MAX: Final = 2**64 - 1
_WITH_DEADLINE: Final = frozenset({"AddOrder", "AddOrderBatch", "AmendOrder", "EditOrder"})


def sign(secret: str, path: str, nonce: str, body: bytes) -> str:
    """What `API-Sign` must be."""
    digest = hashlib.sha256(nonce.encode("ascii", "replace") + body).digest()
    key = base64.b64decode(secret)
    return base64.b64encode(hmac.new(key, path.encode() + digest, hashlib.sha512).digest()).decode()


@dataclass(slots=True)
class _Key:
    """What one key has sent so far."""

    highest: int = 0
    seen: set[int] = field(default_factory=set)
    """Nonces inside the window, when there is one."""
    bad_in_a_row: int = 0
    locked_until_ms: int = 0


class Gate:
    """Lets private requests in. It is told the time (venue milliseconds)."""

    def __init__(self) -> None:
        self._keys: dict[str, _Key] = {}

    def admit(self, call: Call, keys: KeyRing, now_ms: int) -> Account:
        """The account a request belongs to.

        Raises:
            VenueRefusal: unknown key, lockout, wrong signature, a nonce that is not new, a deadline
                out of range.
        """
        account = keys.find(call.message.header("api-key"))
        if account is None:
            raise VenueRefusal(INVALID_KEY)
        state = self._keys.setdefault(account.key, _Key())
        rule = keys.limits.nonce or NONCE_RULE
        if now_ms < state.locked_until_ms:
            # Asking on during a lockout makes it longer. Source: Kraken support, "API errors".
            state.locked_until_ms = now_ms + round(rule.lockout_s * 1000)
            raise VenueRefusal(LOCKOUT, limited="418")
        params = Params(call.params)
        nonce = params.text("nonce") or ""
        if not _signed_by(account, call, nonce):
            raise self._bad(state, INVALID_SIGNATURE, keys.limits, now_ms)
        if not _NONCE.match(nonce) or not _is_new(state, int(nonce), rule.window):
            raise self._bad(state, INVALID_NONCE, keys.limits, now_ms)
        state.bad_in_a_row = 0
        if call.name in _WITH_DEADLINE:
            check_deadline(params, now_ms, least_ms=DEADLINE_MIN_MS)
        return account

    def admit_token(self, call: Call, keys: KeyRing, tokens: Tokens, now_ms: int) -> Account:
        """The account of a request on a socket, which shows a token instead of a signature.

        Raises:
            VenueRefusal: no token, a wrong or an old one; a deadline out of range.
        """
        params = Params(call.params)
        name = tokens.account(params.text("token") or "", now_ms)
        account = next((account for account in keys if account.name == name), None)
        if account is None:
            raise VenueRefusal(INVALID_TOKEN)
        if call.name in _WITH_DEADLINE:
            check_deadline(params, now_ms, least_ms=SOCKET_DEADLINE_MIN_MS)
        return account

    def _bad(self, state: _Key, text: str, limits: Limits, now_ms: int) -> VenueRefusal:
        """One more bad one in a row; the last straw is answered by the lockout itself."""
        rule = limits.nonce or NONCE_RULE
        state.bad_in_a_row += 1
        if not limits.enforce or state.bad_in_a_row < rule.lockout_after:
            return VenueRefusal(text)
        state.bad_in_a_row = 0
        state.locked_until_ms = now_ms + round(rule.lockout_s * 1000)
        return VenueRefusal(LOCKOUT, limited="418")


def check_deadline(params: Params, now_ms: int, *, least_ms: int) -> None:
    """Refuse a deadline that has passed, or lies outside now + `least_ms` … now + 60 s.

    Source: Kraken docs, Add Order, `deadline`. Which refusal a deadline out of range gets is not
    documented.
    """
    deadline_ms = params.deadline()
    if deadline_ms is None:
        return
    if deadline_ms <= now_ms:
        raise VenueRefusal(DEADLINE_ELAPSED)
    if not now_ms + least_ms <= deadline_ms <= now_ms + DEADLINE_MAX_MS:
        raise invalid("deadline")


def _signed_by(account: Account, call: Call, nonce: str) -> bool:
    given = call.message.header("api-sign")
    try:
        base64.b64decode(given, validate=True)
    except (binascii.Error, ValueError):
        return False
    expected = sign(account.secret, call.message.path, nonce, call.payload)
    return hmac.compare_digest(given.encode(), expected.encode())


def _is_new(state: _Key, nonce: int, window: int) -> bool:
    """Whether the key may use this nonce now; if so it has been used."""
    if nonce > _NONCE_MAX:
        return False
    if nonce <= max(state.highest - window, 0) or nonce in state.seen:
        return False
    state.highest = max(state.highest, nonce)
    if window:
        state.seen = {used for used in state.seen if used > state.highest - window}
        state.seen.add(nonce)
    return True
