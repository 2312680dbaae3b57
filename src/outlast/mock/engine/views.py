"""What the engine shows when asked: values, made at the instant of the question."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from outlast.mock.engine.model import Side

__all__ = [
    "AssetBalance",
    "BookSnapshot",
    "Flows",
    "Level",
    "MarginSummary",
    "PositionState",
    "PublicTrade",
]


class Level(NamedTuple):
    price: Decimal
    qty: Decimal


@dataclass(frozen=True, slots=True)
class AssetBalance:
    """`total` is `free` + `locked`. On um `total` is the wallet, and `free` what is available for
    new orders; it may be less than `total` - `locked` there, never below zero."""

    total: Decimal
    free: Decimal
    locked: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Flows:
    """Where an asset's total came from: it is always the sum of these, fees taken off."""

    start: Decimal
    traded: Decimal
    """Spot: received minus given in fills. Um: realised profit and loss."""
    fees: Decimal
    funding: Decimal
    insurance: Decimal
    """What the venue put in after a liquidation left less than nothing."""

    @property
    def total(self) -> Decimal:
        return self.start + self.traded - self.fees + self.funding + self.insurance


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionState:
    """One open position (one-way mode): `qty` is negative when short."""

    symbol: str
    qty: Decimal
    entry: Decimal
    mark: Decimal
    unrealised: Decimal
    realised: Decimal
    """Over the account's whole life on this symbol, before fees and funding."""
    initial_margin: Decimal
    maint_margin: Decimal
    liquidation_price: Decimal
    """With everything else as it is; zero when no price of this symbol liquidates."""
    updated_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MarginSummary:
    """The cross-margin account in one currency."""

    asset: str
    wallet: Decimal
    unrealised: Decimal
    margin_balance: Decimal
    """wallet + unrealised"""
    initial: Decimal
    """Initial margin of the positions."""
    order_initial: Decimal
    """What the open orders need on top of it."""
    maintenance: Decimal
    available: Decimal
    """margin_balance - initial - order_initial, at least zero."""


@dataclass(frozen=True, slots=True)
class BookSnapshot:
    """`bids` and `asks`: (price, qty) best first, client orders included; never crossed."""

    bids: tuple[Level, ...]
    asks: tuple[Level, ...]
    update_id: int
    """Grows whenever the book may have changed."""
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicTrade:
    """One print of the public tape."""

    trade_id: int
    symbol: str
    price: Decimal
    qty: Decimal
    taker_side: Side
    at_ms: int
    by_client: bool
    """True when a client order took part; the others are the same for every client behaviour."""
