"""What stands between a call and the wire: ban clocks and breakers, fed by what came back."""

from __future__ import annotations

import asyncio
import random
from typing import Final

from outlast.client.events import BanBegan, BreakerChanged, EventBus
from outlast.client.journal import Journal
from outlast.client.logs import logger
from outlast.core.bans import BINANCE_IP_BAN, FIREWALL_BLOCK, BanClock
from outlast.core.breaker import ORDERS, READS, Breaker, Permit, Result
from outlast.core.server_time import ServerClock
from outlast.errors import Failure, Layer, Outcome, Remedy, Scope
from outlast.model import Plane
from outlast.wire import Auth, Clock, Lane, WireRequest

__all__ = ["Guard", "failure_facts", "local_failure"]

RAW_CLIP_BYTES: Final = 2_048
"""How much of a body the journal keeps: an error body is short, and a page of HTML is no news."""

_FORBIDDEN: Final = 403


def local_failure(
    kind: str,
    message: str,
    *,
    remedy: Remedy = Remedy.GIVE_UP,
    retry_after_s: float | None = None,
) -> Failure:
    """A request that we held back ourselves: nothing left this process."""
    return Failure(
        layer=Layer.LOCAL,
        kind=kind,
        outcome=Outcome.NOT_SENT,
        remedy=remedy,
        scope=Scope.SELF,
        message=message,
        retry_after_s=retry_after_s,
    )


def failure_facts(failure: Failure) -> dict[str, object]:
    """A failure as the journal keeps it."""
    return {
        "layer": failure.layer.value,
        "kind": failure.kind,
        "outcome": failure.outcome.value,
        "remedy": failure.remedy.value,
        "scope": failure.scope.value,
        "http_status": failure.http_status,
        "venue_code": failure.venue_code,
        "message": failure.message,
        "retry_after_s": failure.retry_after_s,
        "raw": failure.raw[:RAW_CLIP_BYTES].decode("utf-8", "replace"),
    }


class Guard:
    """Bans by scope and one breaker per plane, for one product of one venue."""

    def __init__(
        self,
        venue: str,
        *,
        clock: Clock,
        server_clock: ServerClock,
        journal: Journal,
        events: EventBus,
        rng: random.Random,
    ) -> None:
        self._clock = clock
        self._server_clock = server_clock
        self._journal = journal
        self._events = events
        self._log = logger(venue=venue)
        self._bans = BanClock(rng)
        self.probe_wanted = asyncio.Event()
        """Set when a breaker may want a probe sooner than it did before."""
        self.breakers = {
            plane: Breaker(ORDERS if plane is Plane.TRADING else READS, rng) for plane in Plane
        }

    def held(self, request: WireRequest, now: float) -> Failure | None:
        """Why `request` must not leave now because of a ban; None when it may. Takes nothing."""
        for scope in _ban_scopes(request):
            free_at = self._bans.free_at(scope, now, safety=request.lane is Lane.SAFETY)
            if free_at is not None:
                return local_failure(
                    "banned",
                    f"the venue asked us to wait ({self._bans.reason(scope)}); nothing leaves",
                    remedy=Remedy.WAIT_BAN,
                    retry_after_s=max(0.0, free_at - now),
                )
        return None

    def permit(self, request: WireRequest, now: float) -> Permit | Failure:
        """Leave for one attempt, from the ban clock and from the breaker of the request's plane."""
        held = self.held(request, now)
        if held is not None:
            return held
        breaker = self.breakers[request.plane]
        permit = breaker.admit(now, safety=request.lane is Lane.SAFETY)
        if permit is not None:
            self._bans.admit_all(_ban_scopes(request), now, safety=request.lane is Lane.SAFETY)
            return permit
        retry_at = breaker.retry_at(now)
        return local_failure(
            "breaker_open",
            f"{request.plane.value} is being left alone after repeated failures",
            remedy=Remedy.RETRY,
            retry_after_s=None if retry_at is None else max(0.0, retry_at - now),
        )

    def feed(
        self,
        request: WireRequest,
        permit: Permit | None,
        failure: Failure | None,
        *,
        sent_at: float,
    ) -> None:
        """Tell breaker and ban clock what became of an attempt. Business refusals move neither.

        A probe has no permit: its sender reports it to the breaker by itself.
        """
        now = self._clock.now()
        breaker = self.breakers[request.plane]
        before = breaker.state
        if permit is not None:
            breaker.record(permit, _result(failure), now)
            self.probe_wanted.set()
        if failure is not None and failure.remedy is Remedy.WAIT_BAN:
            self._ban(failure, now)
        else:
            answered = failure is None or failure.layer in (Layer.VENUE, Layer.BUSINESS)
            for scope in _ban_scopes(request):
                self._bans.probe_result(scope, ok=answered, sent_at=sent_at, now=now)
        if breaker.state is not before:
            self.announce(request.plane)

    def announce(self, plane: Plane) -> None:
        """Tell journal, log and listeners that a breaker has changed."""
        breaker = self.breakers[plane]
        now = self._clock.now()
        retry_at = breaker.retry_at(now)
        wall = None if retry_at is None else self._clock.wall() + retry_at - now
        state = breaker.state.value
        self._log.warning("outlast.breaker_changed", plane=plane.value, state=state, retry_at=wall)
        self._journal.note("breaker.changed", plane=plane.value, state=state, retry_at=wall)
        self._events.publish(BreakerChanged(plane=plane, state=state, retry_at=wall))

    def banned_until(self) -> float | None:
        """Monotonic end of a ban of our address; None when there is none."""
        return self._bans.free_at("ip", self._clock.now())

    def _ban(self, failure: Failure, now: float) -> None:
        scope = "account" if failure.scope is Scope.ACCOUNT else "ip"
        wall_now = self._clock.wall()
        until: float | None = None
        if failure.retry_after_s is not None:
            until = now + failure.retry_after_s
        if failure.banned_until_ms is not None:
            server_now_ms = self._server_clock.server_ms(wall_now * 1000)
            ends = now + (failure.banned_until_ms - server_now_ms) / 1000
            until = ends if until is None else max(until, ends)
        default = FIREWALL_BLOCK if failure.http_status == _FORBIDDEN else BINANCE_IP_BAN
        reason = failure.describe()
        ends_at = self._bans.ban(scope, until=until, now=now, reason=reason, default=default)
        until = wall_now + ends_at - now
        self._log.error("outlast.ban_began", scope=scope, until=until, reason=reason)
        facts = failure_facts(failure)
        self._journal.note("ban.began", scope=scope, until=until, failure=facts)
        self._events.publish(BanBegan(scope=scope, until=until, failure=failure))


def _result(failure: Failure | None) -> Result:
    if failure is None:
        return Result.OK
    if failure.remedy is Remedy.WAIT_BAN or failure.scope is Scope.SELF:
        return Result.NEUTRAL
    return Result.FAILED if failure.infrastructure else Result.NEUTRAL


def _ban_scopes(request: WireRequest) -> tuple[str, ...]:
    """Whose bans hold this request: the address's for all, the account's for what it counts."""
    counts_for_account = request.is_write and request.auth is Auth.SIGNED
    return ("ip", "account") if counts_for_account and not request.safe_to_repeat else ("ip",)
