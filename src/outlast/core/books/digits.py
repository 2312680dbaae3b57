"""How a symbol's prices and quantities are held inside a book, and given out as `Decimal`.

A float holds every decimal number of up to 15 significant digits, and gives its digits back. So the
books of most symbols have float keys, which cost a fraction; for the others the same numbers are
Decimals throughout.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final, Protocol

from outlast.model import Instrument

__all__ = ["FLOAT_DIGITS", "Digits", "ExactDigits", "FloatDigits", "NotKnown", "digits_for"]

FLOAT_DIGITS: Final = 15
"""Significant digits that any float keeps (IEEE 754 binary64, `sys.float_info.dig`)."""

_NO_LIMIT: Final = Decimal("1E+15")
"""A venue that names a maximum above this names none."""
_ORDERS_AT_ONE_LEVEL: Final = 1000
"""A level is the sum of many orders: so many of the largest must still fit."""


class NotKnown(ValueError):
    """The book cannot say this exactly: too many digits for a float, or not fetched."""


class Digits(Protocol):
    """How many decimals there are, and how a number inside becomes what the venue wrote."""

    @property
    def price_decimals(self) -> int: ...
    @property
    def qty_decimals(self) -> int: ...
    def price(self, price: float | Decimal) -> Decimal:
        """The venue's digits.

        Raises:
            NotKnown: it has more digits than its kind keeps.
        """
        ...

    def qty(self, qty: float | Decimal) -> Decimal:
        """As `price`."""
        ...

    def text(self, price: float | Decimal, qty: float | Decimal) -> bytes:
        """Both as digits alone, without point and leading zeros: the form of Kraken's checksum."""
        ...


@dataclass(frozen=True, slots=True)
class FloatDigits:
    """Numbers are floats. `price_decimals` and `qty_decimals` are the venue's."""

    price_decimals: int
    qty_decimals: int
    price_x: float = field(init=False)
    """A price times this is a whole number."""
    qty_x: float = field(init=False)
    _price_end: float = field(init=False)
    _qty_end: float = field(init=False)

    def __post_init__(self) -> None:
        for name, decimals in (("price", self.price_decimals), ("qty", self.qty_decimals)):
            if not 0 <= decimals < FLOAT_DIGITS:
                raise ValueError(
                    f"{name}_decimals is {decimals}; a float keeps {FLOAT_DIGITS} digits in all, "
                    "use ExactDigits for more"
                )
            object.__setattr__(self, f"{name}_x", float(10**decimals))
            object.__setattr__(self, f"_{name}_end", float(10 ** (FLOAT_DIGITS - decimals)))

    def price(self, price: float | Decimal) -> Decimal:
        if price >= self._price_end:
            raise NotKnown(f"price {price} needs more than {FLOAT_DIGITS} digits")
        return Decimal(repr(price))

    def qty(self, qty: float | Decimal) -> Decimal:
        if qty >= self._qty_end:
            raise NotKnown(f"quantity {qty} needs more than {FLOAT_DIGITS} digits")
        return Decimal(repr(qty))

    def text(self, price: float | Decimal, qty: float | Decimal) -> bytes:
        # One product of at most 15 digits is off by less than an eighth, so it rounds right.
        return b"%d%d" % (float(price) * self.price_x + 0.5, float(qty) * self.qty_x + 0.5)


@dataclass(frozen=True, slots=True)
class ExactDigits:
    """Numbers are Decimals, as the venue wrote them: any precision, for a few times the cost."""

    price_decimals: int
    qty_decimals: int

    def price(self, price: float | Decimal) -> Decimal:
        return Decimal(price)

    def qty(self, qty: float | Decimal) -> Decimal:
        return Decimal(qty)

    def text(self, price: float | Decimal, qty: float | Decimal) -> bytes:
        text = _digits(price, self.price_decimals) + _digits(qty, self.qty_decimals)
        return text.encode("ascii")


def _digits(number: float | Decimal, decimals: int) -> str:
    return f"{number:.{decimals}f}".replace(".", "").lstrip("0")


def digits_for(instrument: Instrument) -> FloatDigits | ExactDigits:
    """Floats where the instrument's precision and maxima fit them, Decimals otherwise.

    A venue that names no maximum gets floats: a quantity too large for them shows when it is read,
    and the book then asks to be made anew with `ExactDigits`.
    """
    price = instrument.price_decimals
    if price is None:
        price = _decimals(instrument.tick_size)
    qty = _decimals(instrument.qty_step)
    fits = _fits(instrument.price_max, price) and _fits(
        instrument.qty_max * (1 if instrument.qty_max >= _NO_LIMIT else _ORDERS_AT_ONE_LEVEL), qty
    )
    return FloatDigits(price, qty) if fits else ExactDigits(price, qty)


def _fits(largest: Decimal, decimals: int) -> bool:
    if decimals >= FLOAT_DIGITS:
        return False
    return largest >= _NO_LIMIT or largest < Decimal(10) ** (FLOAT_DIGITS - decimals)


def _decimals(step: Decimal) -> int:
    exponent = step.normalize().as_tuple().exponent
    assert isinstance(exponent, int), f"{step} is no step"
    return max(0, -exponent)
