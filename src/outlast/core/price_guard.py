"""Is the venue's price the price? Compared with what the same thing costs elsewhere.

After an outage a venue may show prices of before it, a book that is empty or crossed, or a mark
that drifts (BitMEX on 19 May 2020; Binance on 10 October 2025). Nobody can see that from its own
prices alone, so each is held against others: the index, other venues, the last price that was
trusted. An old price proves little, so the last one bounds only the impossible.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from math import inf
from typing import Final

from outlast.errors import ConfigurationError

__all__ = ["PriceGuard", "PriceGuardSettings", "Quote"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceGuardSettings:
    deviation_max: Decimal = Decimal("0.01")
    """How far the venue's price may be from a fresh reference. Liquid pairs differ by a tenth of
    that between venues on a calm day."""
    fresh_s: float = 30.0
    """A reference older than this is not compared with."""
    moved_max: Decimal = Decimal("0.10")
    """How far the price may be from the last one that was trusted before the outage, where there is
    no fresh reference. More is possible, and then a person should look first."""
    moved_for_s: float = 600.0
    """How long that one bounds it; after that the market may have been anywhere."""

    def __post_init__(self) -> None:
        for name in ("deviation_max", "moved_max"):
            value = getattr(self, name)
            if not 0 < value < 1:
                raise ConfigurationError(f"{name} is {value}; it is a share, above 0 and below 1")
        for name in ("fresh_s", "moved_for_s"):
            if not 0 < getattr(self, name) < inf:
                raise ConfigurationError(f"{name} is {getattr(self, name)}; it must be above 0")


PRICES: Final = PriceGuardSettings()


@dataclass(frozen=True, slots=True)
class Quote:
    price: Decimal
    at: float
    """Monotonic."""
    source: str
    """For people: `index`, `kraken-spot`."""


class PriceGuard:
    """The prices of one symbol: the venue's own, and what the same thing costs elsewhere."""

    def __init__(self, settings: PriceGuardSettings = PRICES) -> None:
        self._settings = settings
        self._references: dict[str, Quote] = {}
        self._own: Quote | None = None
        self._why: str | None = None
        """What spoke against it when it was taken."""
        self._last_trusted: Quote | None = None

    @property
    def price(self) -> Decimal | None:
        """The venue's own price as it was taken last."""
        return None if self._own is None else self._own.price

    @property
    def taken_at(self) -> float | None:
        """When the venue's own price was taken last, monotonic; None while it is not known."""
        return None if self._own is None else self._own.at

    def reference(self, source: str, price: Decimal, now: float) -> None:
        """Another price of the same thing."""
        if price > 0:
            self._references[source] = Quote(price, now, source)

    def take(self, price: Decimal, now: float) -> str | None:
        """Take the venue's own price; why it cannot be traded on, None when it can."""
        self._own = Quote(price, now, "the venue")
        self._why = self._against(price, now)
        if self._why is None:
            self._last_trusted = self._own
        return self._why

    def unread(self, why: str) -> None:
        """The venue's own price could not be had. That is a doubt until one is taken."""
        self._own, self._why = None, why

    def doubt(self, now: float) -> str | None:
        """Why the venue's price of last cannot be traded on; None when nothing speaks against it.

        While it is fresh it is held against what references say now. A doubt stands until another
        price is taken; an old price without one says nothing.
        """
        own = self._own
        if own is not None and now - own.at <= self._settings.fresh_s:
            return self._against(own.price, now)
        return self._why

    def _against(self, price: Decimal, now: float) -> str | None:
        if price <= 0:
            return f"its price is {price}"
        fresh_s, most = self._settings.fresh_s, self._settings.deviation_max
        fresh = [q for q in self._references.values() if now - q.at <= fresh_s]
        for quote in sorted(fresh, key=lambda q: q.source):
            share = abs(price / quote.price - 1)
            if share > most:
                return f"its price {price} is {share:.1%} off {quote.source} ({quote.price})"
        last = self._last_trusted
        if fresh or last is None or now - last.at > self._settings.moved_for_s:
            return None
        share = abs(price / last.price - 1)
        if share > self._settings.moved_max:
            return f"its price {price} is {share:.1%} off the last that was trusted ({last.price})"
        return None
