"""When a WebSocket may be dialled: how often from one address, and how soon after a failure."""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass
from typing import Final

from outlast.core.backoff import RECONNECT, Backoff
from outlast.errors import ConfigurationError

__all__ = ["DIALS", "DialBudget", "DialSettings", "Redial"]

_POLICY_VIOLATION: Final = 1008
_POLICY_FLOOR_S: Final = 5.0
"""Closed for something that we did: at once again would be the same again.

Source: RFC 6455, 7.4.1; Kraken docs, "Spot WebSockets Introduction": no faster than every 5 s."""
_REFUSED_FLOOR_S: Final = 5.0
"""A handshake answered with 4xx: an address, key or token that is wrong stays wrong for a while."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DialSettings:
    """How many dials one address may make. All sockets of a session share them."""

    dials_max: int = 60
    window_s: float = 300.0
    """Binance takes 300 in 5 minutes and Kraken's front 150 in 10, both counted per address, which
    other programs share. Sources: Binance spot docs, web-socket-streams.md; Kraken docs, "Spot
    WebSockets Introduction"."""
    urgent_share: int = 20
    """Of them, kept for the sockets that orders depend on."""
    stable_s: float = 30.0
    """A connection that lasted this long begins the back-off anew."""

    def __post_init__(self) -> None:
        if self.dials_max < 1 or not 0 <= self.urgent_share < self.dials_max:
            raise ConfigurationError(
                f"dials_max is {self.dials_max} and urgent_share is {self.urgent_share}; "
                "they must be 0 <= urgent_share < dials_max"
            )
        for name in ("window_s", "stable_s"):
            if not 0 < getattr(self, name) < float("inf"):
                raise ConfigurationError(f"{name} is {getattr(self, name)}; it must be above 0")


DIALS: Final = DialSettings()


class DialBudget:
    """Dials of the last `window_s` seconds, never more than `dials_max` of them."""

    def __init__(self, settings: DialSettings = DIALS) -> None:
        self._settings = settings
        self._dials: deque[float] = deque()

    def free_at(self, now: float, *, urgent: bool = False) -> float:
        """When the next dial may be made: `now`, or later."""
        self._forget(now)
        limit = self._settings.dials_max - (0 if urgent else self._settings.urgent_share)
        over = len(self._dials) - limit
        return now if over < 0 else self._dials[over] + self._settings.window_s

    def spend(self, now: float) -> None:
        """Count a dial that is being made, whatever becomes of it."""
        self._dials.append(now)

    def spent(self, now: float) -> int:
        """How many were made within the window."""
        self._forget(now)
        return len(self._dials)

    def _forget(self, now: float) -> None:
        while self._dials and self._dials[0] <= now - self._settings.window_s:
            self._dials.popleft()


class Redial:
    """When one socket is dialled again. Full jitter, so that a thousand clients come one by one."""

    def __init__(
        self,
        rng: random.Random,
        *,
        backoff: Backoff = RECONNECT,
        stable_s: float = DIALS.stable_s,
    ) -> None:
        self._rng = rng
        self._backoff = backoff
        self._stable_s = stable_s
        self._up_at: float | None = None
        self.attempts = 0
        """Since the last connection that lasted."""

    def up(self, now: float) -> None:
        """Connected and subscribed. Whether it lasts will be seen."""
        self._up_at = now

    def lost(self, now: float, *, code: int | None = None) -> float:
        """When to dial after the connection was lost with this close code."""
        if self._up_at is not None and now - self._up_at >= self._stable_s:
            self.attempts = 0
        self._up_at = None
        return self._next(now, _POLICY_FLOOR_S if code == _POLICY_VIOLATION else 0.0)

    def failed(self, now: float, *, http_status: int | None = None, floor_s: float = 0.0) -> float:
        """When to dial after a dial that failed. `floor_s` is what the venue asked for."""
        if http_status is not None and 400 <= http_status < 500:
            floor_s = max(floor_s, _REFUSED_FLOOR_S)
        return self._next(now, floor_s)

    def rollover_at(self, opened_at: float, max_age_s: float) -> float:
        """When to replace a connection that the venue ends after `max_age_s`.

        In the last tenth before it, each at another time: sockets that were opened together must
        not be replaced together.
        """
        return opened_at + max_age_s * self._rng.uniform(0.9, 1.0)

    def _next(self, now: float, floor_s: float) -> float:
        self.attempts += 1
        return now + self._backoff.delay_s(self.attempts, self._rng, floor_s=floor_s)
