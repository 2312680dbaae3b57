"""How the venue writes numbers: decimals as text, never with an exponent."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal
from functools import lru_cache

__all__ = ["decimals", "fixed", "plain"]


def plain(value: Decimal) -> str:
    """Write the shortest exact form: `0.1`, `5`, `0` (never `1E+1` or `0E-8`)."""
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("", "-0") else text


@lru_cache(maxsize=16_384)  # a book says the same prices over and over
def fixed(value: Decimal, places: int = 8) -> str:
    """Write with exactly `places` decimals, as the venue does for amounts of money."""
    rounded = value.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_EVEN)
    return format(abs(rounded) if rounded == 0 else rounded, "f")


def decimals(step: Decimal) -> int:
    """Give how many decimals a tick or step needs: 1 for 0.10, 0 for 5."""
    exponent = step.normalize().as_tuple().exponent
    assert isinstance(exponent, int)
    return max(0, -exponent)
