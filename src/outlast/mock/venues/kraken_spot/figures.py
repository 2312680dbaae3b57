"""How numbers and instants are written: fixed decimals, and JSON that keeps every digit."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from functools import lru_cache
from typing import Final

__all__ = ["fixed", "places", "rfc3339", "seconds", "seconds_text", "to_json", "to_places"]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def places(step: Decimal) -> int:
    """How many decimals a tick or step has: 0.1 → 1, 1 → 0."""
    exponent = step.normalize().as_tuple().exponent
    assert isinstance(exponent, int)
    return max(0, -exponent)


@lru_cache(maxsize=16_384)  # a book says the same prices over and over
def to_places(value: Decimal, decimals: int) -> Decimal:
    """`value` with exactly that many decimals: its text has all the zeros, its value is rounded."""
    return value.quantize(Decimal(1).scaleb(-decimals), rounding=ROUND_HALF_EVEN)


def fixed(value: Decimal, decimals: int) -> str:
    """`value` as text with exactly that many decimals, never an exponent."""
    return f"{to_places(value, decimals):f}"


def seconds(at_ms: int) -> Decimal:
    """An instant as REST writes it: unix seconds as a number with a fraction."""
    return Decimal(at_ms) / 1000


def seconds_text(at_ms: int) -> str:
    """An instant as `2026-05-11T08:30:00Z`."""
    return _instant(at_ms).strftime("%Y-%m-%dT%H:%M:%SZ")


def rfc3339(at_ms: int, *, micros: int = 0) -> str:
    """An instant as the streams write it: `2023-09-22T10:33:05.709950Z`."""
    at = _instant(at_ms) + timedelta(microseconds=micros)
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _instant(at_ms: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=at_ms)


def to_json(value: object) -> str:
    """Compact JSON in which a `Decimal` is a number with exactly the digits it has.

    The trailing zeros matter: clients compute the book's checksum from the text on the wire.
    Source: Kraken docs, guide "Book checksum (v2)".
    """
    match value:
        case Decimal():
            return f"{value:f}"
        case Mapping():
            inside = (f"{json.dumps(str(name))}:{to_json(item)}" for name, item in value.items())
            return "{" + ",".join(inside) + "}"
        case list() | tuple():
            return "[" + ",".join(to_json(item) for item in value) + "]"
    return json.dumps(value)
