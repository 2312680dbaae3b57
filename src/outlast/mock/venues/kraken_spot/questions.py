"""One call on its way through the dialect, and what its handler gives back."""

from __future__ import annotations

from dataclasses import dataclass

from outlast.mock.engine.engine import Engine
from outlast.mock.engine.model import Order, Rejected
from outlast.mock.venues.kraken_spot.errors import UNKNOWN_PAIR, VenueRefusal, refusal_of
from outlast.mock.venues.kraken_spot.params import Params
from outlast.mock.venues.kraken_spot.symbols import Listing, Pair
from outlast.mock.view import VenueView

__all__ = ["Given", "Question", "taken"]


@dataclass(frozen=True, slots=True)
class Question:
    """One call, who asks, and the venue as it may be seen."""

    params: Params
    account: str
    """The engine's name of the account; empty for public calls."""
    view: VenueView
    listing: Listing
    now_ms: int
    """The venue's clock as the venue shows it."""

    @property
    def engine(self) -> Engine:
        return self.view.engine

    def pair(self) -> Pair:
        """The pair of the mandatory `pair`."""
        return self.listed(self.params.need("pair"))

    def pairs(self) -> list[tuple[str, Pair]]:
        """The pairs of an optional comma list, each with the name it was asked by."""
        names = self.params.words("pair")
        if not names:
            return [(pair.key, pair) for pair in self.listing.pairs]
        return [(name, self.listed(name)) for name in names]

    def listed(self, name: str) -> Pair:
        pair = self.listing.find(name)
        if pair is None:
            raise VenueRefusal(UNKNOWN_PAIR)
        return pair


@dataclass(frozen=True, slots=True)
class Given:
    """What a handler answers: the result, and what it lets the client know."""

    result: object
    order_ids: tuple[int, ...] = ()
    shown: tuple[int, ...] = ()
    told_absent: tuple[str, ...] = ()
    pictures: tuple[str, ...] = ()


def taken(outcome: Order | Rejected, pair: Pair) -> Order:
    """The order, or the venue's refusal when the engine said no."""
    if isinstance(outcome, Rejected):
        raise refusal_of(outcome, pair)
    return outcome
