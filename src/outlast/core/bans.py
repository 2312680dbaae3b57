"""When a venue has told us to stay away: of what, until when, and who asks first afterwards."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, isfinite
from typing import Final

from outlast.errors import ConfigurationError

__all__ = [
    "BINANCE_IP_BAN",
    "DIAL_REFUSED",
    "FIREWALL_BLOCK",
    "KRAKEN_LOCKOUT",
    "LIMIT_HIT",
    "BanClock",
    "DefaultBan",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class DefaultBan:
    """How long to stay away when the venue does not say: `first_s`, × `growth` each time again."""

    first_s: float
    growth: float = 1.0
    max_s: float = 259_200.0

    def __post_init__(self) -> None:
        if not 0 < self.first_s <= self.max_s or not isfinite(self.max_s):
            raise ConfigurationError(
                f"first_s is {self.first_s} and max_s is {self.max_s}; "
                "they must be finite with 0 < first_s <= max_s"
            )
        if not self.growth >= 1:
            raise ConfigurationError(f"growth is {self.growth}; it must be at least 1")


BINANCE_IP_BAN: Final = DefaultBan(first_s=120.0, growth=4.0)
"""418 without a time. Source: Binance Spot API docs, "IP Limits": bans scale for repeat offenders,
from 2 minutes to 3 days. How they scale is not said; × 4 reaches 3 days with the seventh."""
FIREWALL_BLOCK: Final = DefaultBan(first_s=300.0)
"""403 from the web application firewall, which names no time. Source: Binance Spot API docs, "HTTP
Return Codes": the limit of the firewall was violated. 5 minutes is our own choice."""
KRAKEN_LOCKOUT: Final = DefaultBan(first_s=900.0)
"""`EGeneral:Temporary lockout`, which names no time. Source: Kraken support, "API errors": about
15 minutes, and asking on makes it longer."""
LIMIT_HIT: Final = DefaultBan(first_s=10.0, growth=2.0, max_s=120.0)
"""A counter of the account is full and the answer says no more. Source: Kraken docs, "Spot REST
Rate Limits": restricted for a few seconds, longer for who calls on."""
DIAL_REFUSED: Final = DefaultBan(first_s=60.0, growth=2.0, max_s=600.0)
"""A WebSocket dial answered with 429 or 403. Source: Kraken docs, "Spot WebSockets Introduction":
an address that dials too often is turned away for 10 minutes."""

_STRIKES_FORGOTTEN_AFTER_S: Final = 86_400.0
"""A ban a day after the end of the last one is a first one again."""
_STRIKES_MAX: Final = 60
_JITTER_SHARE: Final = 0.05
_JITTER_S_MAX: Final = 5.0
"""Of the time to wait, on top of it: everybody behind one address was told the same instant."""
_PROBE_TIMEOUT_S: Final = 15.0
"""A probe that has not reported by then is lost; longer than any read timeout of ours."""
_EXTENSION_S: Final = 5.0
_EXTENSION_S_MAX: Final = 60.0
"""After a probe that failed without naming a time. It may have failed for another reason than the
ban, so these are waits of a back-off, not another ban: the venue would have said so."""


@dataclass(slots=True)
class _Ban:
    until: float
    reason: str
    opens_at: float
    """For the probe of all but SAFETY: `until` and a little more."""
    probe_sent_at: float | None = None
    probe_is_safety: bool = False
    probes_failed: int = 0


@dataclass(slots=True)
class _Strikes:
    count: int = 0
    until: float = -inf


class BanClock:
    """Who may send in which scope. A scope is any name the shell uses: an IP, an account, a venue.

    During a ban nothing passes, of any kind or lane: each request into a ban may prolong it. After
    its end, and a little jitter, one call passes, the probe; the rest waits for its answer.
    """

    def __init__(self, rng: random.Random, *, jitter_share: float = _JITTER_SHARE) -> None:
        self._rng = rng
        self._jitter_share = jitter_share
        self._bans: dict[str, _Ban] = {}
        self._strikes: dict[tuple[str, DefaultBan], _Strikes] = {}

    def ban(
        self,
        scope: str,
        *,
        until: float | None = None,
        now: float,
        reason: str,
        default: DefaultBan | None = None,
    ) -> float:
        """Close `scope` and return when it ends. An earlier end than the known one changes nothing.

        Without `until`, `default` says how long. A stated time is kept as it is, three days
        included.

        Raises:
            ValueError: neither is given, or `until` is not finite.
        """
        if until is None:
            if default is None:
                raise ValueError(f"a ban of {scope!r} needs until=... or default=...; got neither")
            until = self._default_end(scope, default, now)
        elif not isfinite(until):
            raise ValueError(f"until is {until} in a ban of {scope!r}; give a finite time")
        known = self._bans.get(scope)
        if known is None or until > known.until:
            jitter_s = min(_JITTER_S_MAX, self._jitter_share * max(0.0, until - now))
            opens_at = until + self._rng.uniform(0.0, jitter_s)
            if known is None:
                known = self._bans[scope] = _Ban(until, reason, opens_at)
            known.until, known.reason, known.opens_at = until, reason, opens_at
        known.probe_sent_at = None  # If a probe was out, this was its answer.
        return known.until

    @property
    def is_clear(self) -> bool:
        """True while nothing is banned anywhere: every question can be saved."""
        return not self._bans

    def admit(self, scope: str, now: float, *, safety: bool = False) -> bool:
        """True when this call may leave. The first one after a ban is the probe: report it."""
        return self.admit_all((scope,), now, safety=safety)

    def admit_all(self, scopes: Sequence[str], now: float, *, safety: bool = False) -> bool:
        """As `admit`, for a call that is subject to several scopes: all of them or none.

        A SAFETY call does not wait for the answer to somebody's snapshot: it takes the probe over.
        """
        if not self._bans:
            return True
        met = [ban for scope in scopes if (ban := self._bans.get(scope)) is not None]
        if any(now < _free_at(ban, safety=safety) for ban in met):
            return False
        for ban in met:
            ban.probe_sent_at, ban.probe_is_safety = now, safety
        return True

    def probe_result(self, scope: str, *, ok: bool, sent_at: float, now: float) -> None:
        """Report a call that `admit` let pass at `sent_at`. Only the probe's counts, so report all.

        A success lifts the ban; a failure extends it. `ok` is any answer at all that is not another
        ban: a business refusal proves that the door is open. An answer that states a new ban goes
        to `ban` instead.
        """
        ban = self._bans.get(scope)
        if ban is None or ban.probe_sent_at is None or sent_at < ban.probe_sent_at:
            return  # An answer that was under way all through the ban does not lift it.
        if ok:
            del self._bans[scope]
            return
        wait_s = min(_EXTENSION_S_MAX, _EXTENSION_S * 2.0 ** min(ban.probes_failed, 60))
        ban.until = max(ban.until, now + wait_s * self._rng.uniform(0.75, 1.25))
        ban.opens_at = max(ban.opens_at, ban.until)
        ban.probes_failed += 1
        ban.probe_sent_at = None

    def free_at(self, scope: str, now: float, *, safety: bool = False) -> float | None:
        """When a call may next leave in this scope; None when one may leave now."""
        ban = self._bans.get(scope)
        if ban is None:
            return None
        at = _free_at(ban, safety=safety)
        return at if at > now else None

    def reason(self, scope: str) -> str | None:
        """Why the scope is closed, or not yet proved open; None when it is open."""
        ban = self._bans.get(scope)
        return None if ban is None else ban.reason

    def _default_end(self, scope: str, default: DefaultBan, now: float) -> float:
        strikes = self._strikes.setdefault((scope, default), _Strikes())
        if now > strikes.until + _STRIKES_FORGOTTEN_AFTER_S:
            strikes.count = 0
        if now >= strikes.until:  # Else it is one more answer to what was in flight: the same ban.
            strikes.count += 1
        growth = default.growth ** min(strikes.count - 1, _STRIKES_MAX)
        strikes.until = max(strikes.until, now + min(default.max_s, default.first_s * growth))
        return strikes.until


def _free_at(ban: _Ban, *, safety: bool) -> float:
    if safety and (ban.probe_sent_at is None or not ban.probe_is_safety):
        return ban.until
    if ban.probe_sent_at is None:
        return ban.opens_at
    return max(ban.until, ban.probe_sent_at + _PROBE_TIMEOUT_S)
