"""What a venue says of itself, as values: its mode, what it has planned, what its page shows.

None of it is measured. A venue may be down and say that it is well, so these words can make a
session careful and never trusting (`core.health` weighs them).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from outlast.model import Plane

__all__ = [
    "STANDING_STILL",
    "PageMap",
    "PageRule",
    "PlannedMaintenance",
    "SystemStatus",
    "VenueMode",
]


class VenueMode(Enum):
    """What a venue says that it takes, as a whole or on one symbol."""

    ONLINE = "online"
    LIMIT_ONLY = "limit_only"
    """Limit orders only; market orders are refused."""
    POST_ONLY = "post_only"
    """Only orders that rest: limit orders marked post-only."""
    REDUCE_ONLY = "reduce_only"
    CANCEL_ONLY = "cancel_only"
    MAINTENANCE = "maintenance"
    """Neither orders nor cancels."""
    CLOSED = "closed"
    """A symbol that does not trade now: a halt, a break, before its listing or after its end."""
    UNKNOWN = "unknown"
    """A word that nobody has listed. It is not taken for `online`."""

    @property
    def severity(self) -> int:
        """0 for ONLINE; of two modes that hold at once the greater one counts."""
        return _SEVERITY[self]


STANDING_STILL = frozenset({VenueMode.MAINTENANCE, VenueMode.CLOSED})
"""Modes in which nothing trades and no order can even be cancelled."""

_SEVERITY: Mapping[VenueMode, int] = {
    VenueMode.ONLINE: 0,
    VenueMode.LIMIT_ONLY: 1,
    VenueMode.POST_ONLY: 2,
    VenueMode.UNKNOWN: 3,
    VenueMode.REDUCE_ONLY: 4,
    VenueMode.CANCEL_ONLY: 5,
    VenueMode.CLOSED: 6,
    VenueMode.MAINTENANCE: 7,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedMaintenance:
    """A maintenance that the venue has announced. Both ends are estimates: they slip."""

    id: str
    title: str
    starts_at: float | None
    """Seconds since the epoch; None where the venue does not say."""
    ends_at: float | None
    is_on: bool = False
    """The venue says that it has begun."""
    about: tuple[str, ...] = ()
    """The components or services that it names; empty where it names none."""
    planes: frozenset[Plane] = frozenset()
    """What of this product it touches; empty when it is about something else."""
    source: str = ""
    """`system status` or `status page`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemStatus:
    """The venue's answer to "how are you?", over the API itself."""

    mode: VenueMode
    word: str
    """As the venue said it."""
    planned: tuple[PlannedMaintenance, ...] = ()
    incidents: tuple[str, ...] = ()
    """Open incidents that touch this product, one line each."""
    oddities: tuple[str, ...] = ()
    """What was not recognised, for the log."""


@dataclass(frozen=True, slots=True)
class PageRule:
    """Components of a status page whose name matches `pattern` (a regular expression, any case)
    carry these planes. The name is `Group - Component` where there is a group."""

    pattern: str
    planes: frozenset[Plane]


@dataclass(frozen=True, slots=True, kw_only=True)
class PageMap:
    """Which components of a status page matter to one product."""

    url: str | None = None
    """The page's root; None where the venue has none."""
    page_id: str | None = None
    """What `page.id` must be, so that a captive portal is not taken for the page."""
    rules: tuple[PageRule, ...] = field(default_factory=tuple)
    """The first that matches counts. A component that none matches is not about this product."""
    ignored: tuple[str, ...] = ()
    """Patterns of components that do not count, whatever the rules say."""
