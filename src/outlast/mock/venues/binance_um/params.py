"""The parameters of one request: where they stand, what was signed, and how they are read.

Source: Binance USD-M futures docs, General Info (GET: query string only; the rest: query string
and/or form body, the query string wins), Error Codes (-1100 … -1130).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from decimal import Decimal
from urllib.parse import unquote_plus

from outlast.mock.venues.binance_um.errors import VenueRefusal

__all__ = ["Params", "form_pairs", "merged", "signed_payload"]

_INTEGER = re.compile(r"[0-9]{1,20}\Z")
_DECIMAL = re.compile(r"-?(?:[0-9]{1,20}(?:\.[0-9]{0,20})?|\.[0-9]{1,20})\Z")
_CLIENT_ID = re.compile(r"[.A-Z:/a-z0-9_-]{1,36}\Z")


def form_pairs(raw: bytes) -> list[tuple[str, str]]:
    """Decode `a=1&b=2` in order; `+` and `%20` are both a space, a name without `=` is empty."""
    pairs: list[tuple[str, str]] = []
    for piece in raw.split(b"&"):
        if not piece:
            continue
        name, _, value = piece.partition(b"=")
        pairs.append((unquote_plus(name.decode("latin-1")), unquote_plus(value.decode("latin-1"))))
    return pairs


def merged(query: bytes, body: bytes) -> dict[str, str]:
    """Give every parameter once: the query string wins over the body, the first over a repeat."""
    values: dict[str, str] = {}
    for name, value in form_pairs(query) + form_pairs(body):
        values.setdefault(name, value)
    return values


def signed_payload(query: bytes, body: bytes) -> bytes:
    """Give the bytes that the client signed: query and body as sent, without `signature`.

    Query and body follow each other with no separator. Nothing is sorted or re-encoded: clients
    differ in order and in how they write a space, and each signs what it sends.
    Source: Binance USD-M futures docs, General Info, "SIGNED Endpoint security".
    """
    return _without_signature(query) + _without_signature(body)


def _without_signature(raw: bytes) -> bytes:
    pieces = raw.split(b"&")
    kept = [piece for piece in pieces if not piece.startswith(b"signature=")]
    return raw if len(kept) == len(pieces) else b"&".join(kept)


class Params:
    """Reads parameters the way the venue does and refuses in its words.

    Every reader raises `VenueRefusal` with the venue's own code when the text is not usable.
    """

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values

    def __contains__(self, name: str) -> bool:
        return self._values.get(name, "") != ""

    def text(self, name: str) -> str | None:
        """Give the value, or None when it is missing; an empty one is refused (-1105)."""
        value = self._values.get(name)
        if value == "":
            raise VenueRefusal(-1105, f"Parameter '{name}' was empty.")
        return value

    def need(self, name: str) -> str:
        """Give a mandatory value (-1102 when it is missing or empty)."""
        value = self._values.get(name, "")
        if value == "":
            raise VenueRefusal.mandatory(name)
        return value

    def whole(self, name: str) -> int | None:
        """Give a whole number (order ids, limits, instants in ms)."""
        value = self.text(name)
        if value is None:
            return None
        if not _INTEGER.match(value):
            raise VenueRefusal.illegal(name, "^[0-9]{1,20}$")
        return int(value)

    def limit(self, default: int, largest: int) -> int:
        """Give `limit`, refused outside 1 … `largest` (-1130)."""
        value = self.whole("limit")
        if value is None:
            return default
        if not 1 <= value <= largest:
            raise VenueRefusal.invalid("limit")
        return value

    def decimal(self, name: str) -> Decimal | None:
        """Give an exact decimal; exponents, signs other than `-` and words are refused (-1100)."""
        value = self.text(name)
        if value is None:
            return None
        if not _DECIMAL.match(value):
            raise VenueRefusal.illegal(name, "^([0-9]{1,20})(\\.[0-9]{1,20})?$")
        return Decimal(value)

    def flag(self, name: str) -> bool | None:
        """Give a boolean, in any case: some clients write `False` (-1130 otherwise)."""
        value = self.text(name)
        if value is None:
            return None
        match value.lower():
            case "true":
                return True
            case "false":
                return False
        raise VenueRefusal.invalid(name)

    def choice(self, name: str, allowed: Collection[str]) -> str | None:
        """Give one of the allowed words, upper case; -1130 otherwise."""
        value = self.text(name)
        if value is None:
            return None
        word = value.upper()
        if word not in allowed:
            raise VenueRefusal.invalid(name)
        return word

    def client_id(self, name: str) -> str | None:
        """Give a client order id of 1 to 36 allowed characters (-4015 otherwise).

        Source: Binance USD-M futures docs, New Order: `^[\\.A-Z\\:/a-z0-9_-]{1,36}$`.
        """
        value = self._values.get(name)
        if value is None:
            return None
        if len(value) > 36:
            raise VenueRefusal(-4015, "Client order id length should not be more than 36 chars")
        if not _CLIENT_ID.match(value):
            raise VenueRefusal(-4015, "Client order id is not valid.")
        return value
