"""What one request may see of the venue: the engine, and the account as the venue shows it.

On a bad night the account endpoints lie while the engine is right: balances are zero, positions are
those of an hour ago. Dialects read accounts here, not from the engine, so that a lie told by the
scenario is told by every endpoint alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeVar

from outlast.mock.keys import KeyRing
from outlast.mock.limits import LimitWindow, Usage

if TYPE_CHECKING:
    from outlast.mock.engine.engine import Engine
    from outlast.mock.engine.views import AssetBalance, MarginSummary, PositionState
    from outlast.mock.venues.dialect import Timers

__all__ = ["AccountPicture", "Lies", "NoTimers", "VenueView"]

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


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountPicture:
    """One account as it was when the lie began; None: about this no lie is being told."""

    balances: Mapping[str, AssetBalance] | None = None
    positions: Mapping[str, PositionState] | None = None
    margin: MarginSummary | None = None
    """None on spot too."""


class NoTimers:
    """For views made without a running exchange: planning anything is our own mistake."""

    def later(self, key: object, delay_s: float, action: object) -> None:
        raise AssertionError("this view has no timers: pass timers=")

    def drop(self, key: object) -> None:
        """Nothing is ever planned."""


@dataclass(slots=True, kw_only=True)
class VenueView:
    """One request's view. `lied` tells the record afterwards whether a lie was handed out."""

    engine: Engine
    keys: KeyRing
    lies: Lies = field(default_factory=Lies)
    pictures: Mapping[str, AccountPicture] = field(default_factory=dict)
    """What `stale` shows, by account."""
    windows: tuple[LimitWindow, ...] = ()
    """The venue's counters with the limits in force."""
    usage: Usage = field(default_factory=Usage)
    timers: Timers = field(default_factory=NoTimers)
    silent: bool = False
    """The scenario wants the order applied without a word on the user stream: hand it on to
    `Engine.place`."""
    lied: bool = False

    def balances(self, account: str) -> Mapping[str, AssetBalance]:
        """What the venue says is in the account; maybe not what is."""
        lie, picture = self.lies.balances, self._picture(account)
        if lie == "empty":
            self.lied = True
            return {}
        if lie == "zero":
            self.lied = True
            return {asset: _zeroed(b) for asset, b in self.engine.balances(account).items()}
        if lie == "stale" and picture.balances is not None:
            self.lied = True
            return picture.balances
        return self.engine.balances(account)

    def positions(self, account: str) -> Mapping[str, PositionState]:
        """What the venue says is open; maybe not what is."""
        lie, picture = self.lies.positions, self._picture(account)
        if lie == "zero":
            self.lied = True
            return {symbol: _zeroed(p) for symbol, p in self.engine.positions(account).items()}
        if lie == "stale" and picture.positions is not None:
            self.lied = True
            return picture.positions
        return self.engine.positions(account)

    def margin(self, account: str) -> MarginSummary:
        """The account's sums: they follow the lie about its balances, then about its positions."""
        margin = self._picture(account).margin
        for lie in (self.lies.balances, self.lies.positions):
            if lie in ("zero", "empty"):
                self.lied = True
                return _zeroed(self.engine.margin(account))
            if lie == "stale" and margin is not None:
                self.lied = True
                return margin
        return self.engine.margin(account)

    def _picture(self, account: str) -> AccountPicture:
        return self.pictures.get(account, AccountPicture())


def _zeroed(value: T) -> T:
    """The same record with every decimal in it set to zero."""
    assert is_dataclass(value)
    zeros: dict[str, Any] = {
        f.name: Decimal(0) for f in fields(value) if isinstance(getattr(value, f.name), Decimal)
    }
    return replace(value, **zeros)  # type: ignore[type-var]  # it is a dataclass: asserted
