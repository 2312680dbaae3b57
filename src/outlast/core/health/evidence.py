"""Who can say something about a venue's health, and how far each is believed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

from outlast.model import Health

__all__ = ["BELIEVED_UP_TO", "SEVERITY", "Evidence", "Witness", "believed"]


class Witness(Enum):
    """Where a piece of evidence comes from. What is measured outranks what is said."""

    CALLS = "own calls"
    """Our requests and probes, as the plane's breaker sums them up."""
    STREAM = "stream"
    """A stream of ours: silent, broken, or up."""
    VENUE = "system status"
    """What the venue says over its API, and the status of its symbols."""
    PRICES = "prices"
    """The venue's prices against other prices of the same thing."""
    PAGE = "status page"
    """Written by people, on other machines, minutes later."""


SEVERITY: Final[Mapping[Health, int]] = {
    Health.HEALTHY: 0,
    Health.RECOVERING: 1,
    Health.DEGRADED: 2,
    Health.MAINTENANCE: 3,
    Health.DOWN: 4,
}
"""Of several pieces of evidence the greatest counts; see `PlaneHealth` for MAINTENANCE and DOWN."""

BELIEVED_UP_TO: Final[Mapping[Witness, Health]] = {
    Witness.CALLS: Health.DOWN,
    Witness.STREAM: Health.DEGRADED,
    Witness.VENUE: Health.MAINTENANCE,
    Witness.PRICES: Health.DEGRADED,
    Witness.PAGE: Health.DEGRADED,
}
"""A silent stream may be ours, and a page is about the whole company: neither makes a plane DOWN.
The venue's own word closes it (MAINTENANCE), and never opens what our calls find shut."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What one witness says of one plane."""

    witness: Witness
    says: Health
    detail: str
    """One clause for people: `503 to 18 calls in a row`."""
    since: float
    """Since when it says so, monotonic."""
    until: float | None = None
    """It counts no longer than that (monotonic); None as long as it is not taken back."""


def believed(evidence: Evidence) -> Health:
    """What it counts for: at most what its witness is believed."""
    most = BELIEVED_UP_TO[evidence.witness]
    return evidence.says if SEVERITY[evidence.says] <= SEVERITY[most] else most
