"""How a symbol's prices and quantities are held inside a book, and given out as `Decimal`.

A float holds every decimal number of up to 15 significant digits, and gives its digits back. So the
books of most symbols have float keys, which cost a fraction; for the others the same numbers are
Decimals throughout.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Protocol

from outlast.model import Instrument, Level

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
    def level(self, price: float | Decimal, qty: float | Decimal) -> Level:
        """The level in Decimals.

        Raises:
            NotKnown: a number has more digits than its kind keeps.
        """
        ...

    def text(self, price: float | Decimal, qty: float | Decimal) -> bytes:
        """Both as digits alone, without point and leading zeros: the form of Kraken's checksum."""
        ...


@dataclass(frozen=True, slots=True)
class FloatDigits:
    """Numbers are floats. `price_decimals` and `qty_decimals` are the venue's."""

    price_decimals: int
    qty_decimals: int
    _price_form: str = ""
    _qty_form: str = ""
    _price_x: float = 0.0
    _qty_x: float = 0.0
    _price_end: float = 0.0
    _qty_end: float = 0.0

    def __post_init__(self) -> None:
        for name, decimals in (("price", self.price_decimals), ("qty", self.qty_decimals)):
            if not 0 <= decimals <= FLOAT_DIGITS:
                raise ValueError(
                    f"{name}_decimals is {decimals}; floats keep 0 to {FLOAT_DIGITS}, "
                    "use ExactDigits for more"
                )
            object.__setattr__(self, f"_{name}_form", f"%.{decimals}f")
            object.__setattr__(self, f"_{name}_x", float(10**decimals))
            object.__setattr__(self, f"_{name}_end", float(10 ** (FLOAT_DIGITS - decimals)))

    def level(self, price: float | Decimal, qty: float | Decimal) -> Level:
        if price >= self._price_end or qty >= self._qty_end:
            raise NotKnown(f"{price} × {qty} needs more than {FLOAT_DIGITS} digits")
        price_text, qty_text = self._price_form % price, self._qty_form % qty
        # The venue may have come to quote finer than its list said: then its own digits count.
        if float(price_text) != price:
            price_text = repr(price)
        if float(qty_text) != qty:
            qty_text = repr(qty)
        return Level(Decimal(price_text), Decimal(qty_text))

    def text(self, price: float | Decimal, qty: float | Decimal) -> bytes:
        # One product of at most 15 digits is off by less than half a unit, so it rounds right.
        return b"%.0f%.0f" % (price * self._price_x, qty * self._qty_x)  # type: ignore[operator]


@dataclass(frozen=True, slots=True)
class ExactDigits:
    """Numbers are Decimals, as the venue wrote them: any precision, at two to five times the cost."""

    price_decimals: int
    qty_decimals: int

    def level(self, price: float | Decimal, qty: float | Decimal) -> Level:
        return Level(Decimal(price), Decimal(qty))

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
