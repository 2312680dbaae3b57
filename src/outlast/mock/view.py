"""What one request may see of the venue: the engine, and the account as the venue shows it.

On a bad night the account endpoints lie while the engine is right: balances are zero, positions are
those of an hour ago. Dialects read accounts here, not from the engine, so that a lie told by the
scenario is told by every endpoint alike.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from outlast.mock.announcements import Announced
from outlast.mock.engine.model import EngineMode
from outlast.mock.keys import KeyRing
from outlast.mock.limits import LimitWindow, Usage
from outlast.mock.scenario.model import Limits
from outlast.mock.streams.books import BookFeed

if TYPE_CHECKING:
    from outlast.mock.engine.engine import Engine
    from outlast.mock.engine.views import AssetBalance, MarginSummary, PositionState
    from outlast.mock.venues.dialect import Timers

__all__ = ["AccountPicture", "Lies", "NoTimers", "Picture", "VenueView"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Lies:
    """How the venue's account endpoints answer at this moment."""

    balances: str = "true_value"
    """`true_value`, `zero`, `empty` or `stale`."""
    positions: str = "true_value"
    """`true_value`, `zero` or `stale`."""
    transfers: str = "ok"
    """`ok`, `slow` or `fail`."""


@dataclass(frozen=True, slots=True)
class Picture(Generic[T]):
    """One side of an account, as it was when a lie about it began."""

    rows: Mapping[str, T]
    margin: MarginSummary | None
    """None on spot."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountPicture:
    """What `stale` shows of one account; None: about this no such lie is being told."""

    balances: Picture[AssetBalance] | None = None
    positions: Picture[PositionState] | None = None


class NoTimers:
    """For views made without a running exchange: planning anything is our own mistake."""

    def later(self, key: object, delay_s: float, action: object) -> None:
        raise AssertionError("this view has no timers: pass timers=")

    def drop(self, key: object) -> None:
        """Nothing is ever planned."""


@dataclass(slots=True, kw_only=True)
class VenueView:
    """One request's view. `lied` tells the record afterwards whether a lie was handed out: an old
    picture of what has not changed since is none."""

    engine: Engine
    keys: KeyRing
    lies: Lies = field(default_factory=Lies)
    pictures: Mapping[str, AccountPicture] = field(default_factory=dict)
    """What `stale` shows, by account."""
    windows: tuple[LimitWindow, ...] = ()
    """The venue's counters with the limits in force."""
    usage: Usage = field(default_factory=Usage)
    timers: Timers = field(default_factory=NoTimers)
    limits: Limits = field(default_factory=Limits)
    """The limits in force, for counters that live in the engine."""
    shown_mode: EngineMode = EngineMode.ONLINE
    """The engine mode that the venue's own status reports show; the real one may be another."""
    announced: Callable[[], Announced] = Announced
    """What the operator has announced so far."""
    silent: bool = False
    """The scenario wants the order applied without a word on the user stream: hand it on to
    `Engine.place`."""
    lied: bool = False
    feed: BookFeed | None = None
    """None: this view begins one of its own."""

    @property
    def books(self) -> BookFeed:
        """Every symbol's book with its update ids, the same that the streams count in."""
        if self.feed is None:
            self.feed = BookFeed(self.engine)
        return self.feed

    def balances(self, account: str) -> Mapping[str, AssetBalance]:
        """What the venue says is in the account; maybe not what is."""
        told, true = self._told_balances(account), self.engine.balances(account)
        self.lied |= told is not None and _totals(told) != _totals(true)
        return true if told is None else told

    def positions(self, account: str) -> Mapping[str, PositionState]:
        """What the venue says is open; maybe not what is."""
        told, true = self._told_positions(account), self.engine.positions(account)
        self.lied |= told is not None and _held(told) != _held(true)
        return true if told is None else told

    def margin(self, account: str) -> MarginSummary:
        """The account's sums. What is in the wallet follows the lie about balances, what positions
        need and gain the lie about positions; what orders need is always true.
        """
        margin = self.engine.margin(account)
        picture = self.pictures.get(account, AccountPicture())
        if self._told_positions(account) is not None:
            self.positions(account)  # whether it is a lie is told by what is held
            then = picture.positions.margin if picture.positions else None
            old = then if self.lies.positions == "stale" and then else _zeroed(margin)
            margin = replace(
                margin,
                unrealised=old.unrealised,
                initial=old.initial,
                maintenance=old.maintenance,
                margin_balance=margin.wallet + old.unrealised,
            )
        if self._told_balances(account) is not None:
            self.balances(account)
            then = picture.balances.margin if picture.balances else None
            old = then if self.lies.balances == "stale" and then else _zeroed(margin)
            margin = replace(
                margin,
                wallet=old.wallet,
                margin_balance=old.margin_balance,
                available=old.available,
            )
        return margin

    def _told_balances(self, account: str) -> Mapping[str, AssetBalance] | None:
        """What is told instead of the truth; None where the truth is told."""
        picture = self.pictures.get(account, AccountPicture()).balances
        if self.lies.balances == "empty":
            return {}
        if self.lies.balances == "zero":
            return {asset: _zeroed(held) for asset, held in self.engine.balances(account).items()}
        return picture.rows if self.lies.balances == "stale" and picture else None

    def _told_positions(self, account: str) -> Mapping[str, PositionState] | None:
        picture = self.pictures.get(account, AccountPicture()).positions
        if self.lies.positions == "zero":
            return {symbol: _zeroed(p) for symbol, p in self.engine.positions(account).items()}
        return picture.rows if self.lies.positions == "stale" and picture else None


def _totals(balances: Mapping[str, AssetBalance]) -> dict[str, Decimal]:
    return {asset: held.total for asset, held in balances.items() if held.total}


def _held(positions: Mapping[str, PositionState]) -> dict[str, Decimal]:
    return {symbol: position.qty for symbol, position in positions.items() if position.qty}


def _zeroed(value: T) -> T:
    """The same record with every decimal in it set to zero."""
    assert is_dataclass(value)
    zeros: dict[str, Any] = {
        f.name: Decimal(0) for f in fields(value) if isinstance(getattr(value, f.name), Decimal)
    }
    return replace(value, **zeros)  # type: ignore[type-var]  # it is a dataclass: asserted
