"""How spot reads its parameters, where that differs from futures.

Source: Binance spot API docs, errors.md (-1100 … -1130) and rest-api.md.
"""

from __future__ import annotations

import json
import re
from decimal import Decimal

from outlast.mock.venues.binance_spot.errors import SpotRefusal, VenueRefusal
from outlast.mock.venues.binance_um.figures import decimals
from outlast.mock.venues.binance_um.params import Params

__all__ = ["PLACES", "SpotParams"]

PLACES = 8
"""Decimals that amounts and prices may carry, and are written with."""

_CLIENT_ID = re.compile(r"[.A-Z:/a-z0-9_-]{1,36}\Z")
_CLIENT_ID_RANGE = r"^[\.A-Z\:/a-z0-9_-]{1,36}$"
_SYMBOL = re.compile(r"[\w\-.]{1,50}\Z")
_SYMBOL_RANGE = r"^[\w\-._&&[^a-z]]{1,50}$"


class SpotParams(Params):
    """Reads parameters the way the venue does and refuses in its words."""

    def symbol(self, name: str = "symbol") -> str:
        """Give the mandatory symbol, in upper case as the venue wants it (-1100 otherwise)."""
        value = self.need(name)
        if not _SYMBOL.match(value) or value != value.upper():
            raise VenueRefusal.illegal(name, _SYMBOL_RANGE)
        return value

    def symbols(self) -> list[str] | None:
        """Give the JSON list `symbols`, or None (-1130 no list of names, -1151 twice the same)."""
        text = self.text("symbols")
        if text is None:
            return None
        try:
            named = json.loads(text)
        except (ValueError, RecursionError):
            raise VenueRefusal.invalid("symbols") from None
        if not isinstance(named, list) or not named or not all(isinstance(n, str) for n in named):
            raise VenueRefusal.invalid("symbols")
        if len(set(named)) < len(named):
            raise SpotRefusal(-1151)
        return named

    def client_id(self, name: str) -> str | None:
        """Give a client order id of 1 to 36 allowed characters (-1100 otherwise)."""
        value = self.text(name)
        if value is not None and not _CLIENT_ID.match(value):
            raise VenueRefusal.illegal(name, _CLIENT_ID_RANGE)
        return value

    def amount(self, name: str) -> Decimal | None:
        """Give a price or quantity: no sign (-1100), no more than eight decimals (-1111)."""
        value = self.decimal(name)
        if value is None:
            return None
        if value.is_signed():
            raise VenueRefusal.illegal(name, "^([0-9]{1,20})(\\.[0-9]{1,20})?$")
        if decimals(value) > PLACES:
            raise SpotRefusal.precision(name)
        return value

    def top(self, default: int, largest: int) -> int:
        """Give `limit`; more than the largest is the largest, none at all is refused (-1130)."""
        value = self.whole("limit")
        if value is None:
            return default
        if value < 1:
            raise VenueRefusal.invalid("limit")
        return min(value, largest)
