"""What stands between a call and the wire: ban clocks and breakers, fed by what came back.

Evidence flows down and never sideways: a host that cannot be dialled counts against all its planes,
one at which nothing answers shortens the way of those that fail, a plane that fails counts against
itself alone, and what is our own fault against no venue.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable, Sequence
from math import isfinite
from typing import Final

from outlast.client.events import BanBegan, BreakerChanged, EventBus
from outlast.client.journal import Journal
from outlast.client.logs import logger
from outlast.core.bans import (
    BINANCE_IP_BAN,
    DIAL_REFUSED,
    FIREWALL_BLOCK,
    KRAKEN_LOCKOUT,
    LIMIT_HIT,
    BanClock,
    DefaultBan,
)
from outlast.core.breaker import (
    COMPONENT_DEGRADED,
    COMPONENT_DOWN,
    ORDERS,
    READS,
    SLOW_CALL,
    STREAM_SILENT,
    USER_STREAM_LOST,
    Breaker,
    BreakerState,
    Permit,
    Result,
)
from outlast.core.breaker_door import Door
from outlast.core.latency import UsualLatency
from outlast.core.own_health import OwnHealth
from outlast.core.server_time import ServerClock
from outlast.errors import Failure, Layer, Outcome, Remedy, Scope
from outlast.model import Plane
from outlast.wire import Auth, Clock, Counter, FaultKind, Lane, WireRequest

__all__ = ["Guard", "failure_facts", "local_failure"]

RAW_CLIP_BYTES: Final = 2_048
"""How much of a body the journal keeps: an error body is short, and a page of HTML is no news."""

_FORBIDDEN: Final = 403
# At hand for every call: to look a member up in its enum takes four times as long.
_SAFETY: Final = Lane.SAFETY
_TRADE: Final = Lane.TRADE
_OK: Final = Result.OK
_CLOCK_UNMEASURED_S: Final = 1.0

_OWN_KINDS: Final = frozenset(kind.value for kind in FaultKind if kind.is_ours)
_OWN_NETWORK: Final = frozenset({FaultKind.NAME_UNRESOLVED.value, FaultKind.NO_ROUTE.value})
_UNDIALLED: Final = frozenset({FaultKind.CONNECT_FAILED.value, FaultKind.CONNECT_TIMEOUT.value})
"""The host did not take the connection: whatever it would have been for would have failed."""
_HOST_PLANES: Final = (Plane.MARKET_DATA, Plane.TRADING, Plane.ACCOUNT)
"""The planes behind one host; the status page has its own."""


def _is_answer(failure: Failure | None) -> bool:
    """True when the venue itself has answered, be it that our clock or our nonce is wrong."""
    return _is_judgement(failure) or (failure is not None and failure.layer is Layer.VENUE)


def _is_judgement(failure: Failure | None) -> bool:
    """True when the call got past the gateway: it was served, or refused for what it says."""
    if failure is None or failure.layer is Layer.BUSINESS:
        return True
    return failure.layer is Layer.LOCAL and failure.outcome is Outcome.REFUSED


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
        counters: Sequence[Counter] = (),
    ) -> None:
        """`counters` tells which of the venue's limits the address shares and which the account."""
        self._clock = clock
        self._server_clock = server_clock
        self._journal = journal
        self._events = events
        self._log = logger(venue=venue)
        self._bans = BanClock(rng)
        self.probe_wanted = asyncio.Event()
        """Set when a breaker may want a probe sooner than it did before."""
        self._door = Door()
        """Whether anything at all answers at the host that all calls go to."""
        self.breakers = {
            plane: Breaker(ORDERS if plane is Plane.TRADING else READS, rng, self._door)
            for plane in Plane
        }
        self._announced = dict.fromkeys(Plane, BreakerState.CLOSED)
        """What of each breaker was told last."""
        self.bans_begun = 0
        """How many there were: for who has passed `permit` and is not on the wire yet."""
        self.on_change: Callable[[], None] = lambda: None
        """Called when a breaker has changed or a ban has begun."""
        self.on_result: Callable[[bool], None] | None = None
        """Hears of each call that says something of the venue's health whether it failed."""
        self.is_shut_by_venue: Callable[[], bool] = lambda: False
        """True while the venue itself says that it is in maintenance."""
        self.hold_risk: Callable[[], Failure | None] = lambda: None
        """Says why an order that adds risk may not leave, whatever breakers and bans allow."""
        self.own = OwnHealth()
        """The domain "self"."""
        # Together, since looking up an enum is what a call would pay for most.
        self._fed = {plane: (breaker, UsualLatency()) for plane, breaker in self.breakers.items()}
        self._is_down = False
        """Whether any breaker is not closed: else nobody wants to hear that the venue is there."""
        self._undialled = 0
        """Dials in a row that the host did not take; what its planes were charged for them."""
        self._ip_counters = frozenset(c.name for c in counters if c.scope is Scope.IP)
        self._symbol_counters = frozenset(c.name for c in counters if c.per_symbol)
        self._resume_bans()
        self._is_calm = False
        """Kept, as every call asks: nothing is banned, no breaker but closed, no fault of our own,
        and the last that was heard of the venue was an answer.
        What ends it says so here; that it has come back, the next `feed` finds out."""
        self._see_if_calm()

    # Before a call.

    def calm_permit(self, request: WireRequest) -> Permit | None:
        """The permit of an attempt in whose way nothing stands at all; None: ask `shut` first.

        The same that `permit` would give, for much less. Takes nothing.
        """
        standing = self._fed[request.plane][0].standing
        if standing is None or not self._is_calm:
            return None
        lane = request.lane
        if lane is _SAFETY:
            return standing[1]
        return standing[0] if lane is not _TRADE or self.hold_risk() is None else None

    def shut(self, request: WireRequest, now: float) -> Failure | None:
        """Why `request` need not even wait for its turn; None when it may. Takes nothing.

        What is turned away is asked for here first: in its turn it would have spent limits that
        others need, for nothing.
        """
        if (held := self.held(request, now)) is not None:
            return held
        if request.lane is Lane.SAFETY:
            return None
        is_shut = self.is_left_alone(request.plane) or self.breakers[request.plane].is_full(now)
        return self._left_alone(request.plane, now) if is_shut else None

    def held(self, request: WireRequest, now: float) -> Failure | None:
        """Why `request` must not leave now because of a ban; None when it may. Takes nothing."""
        if self._bans.is_clear:
            return None
        return self._banned(self._scopes(request), now, safety=request.lane is Lane.SAFETY)

    def permit(self, request: WireRequest, now: float) -> Permit | Failure:
        """Leave for one attempt, from the ban clock and from the breaker of the request's plane."""
        held = self.held(request, now)
        if held is not None:
            return held
        if request.lane is Lane.TRADE and (risk_held := self.hold_risk()) is not None:
            return risk_held
        safety = request.lane is Lane.SAFETY
        breaker = self.breakers[request.plane]
        permit = breaker.admit(now, safety=safety)
        if permit is None:
            return self._left_alone(request.plane, now)
        if not (safety or self.own.admit(now)):
            breaker.record(permit, Result.NEUTRAL, now)
            free_at = self.own.retry_at()
            assert free_at is not None
            return local_failure(
                "own_network_down",
                f"this machine reaches nobody ({self.own.reason}); the venue is not to blame",
                remedy=Remedy.RETRY,
                retry_after_s=max(0.0, free_at - now),
            )
        if not self._bans.is_clear:
            self._bans.admit_all(self._scopes(request), now, safety=safety)
        return permit

    def held_probe(self, request: WireRequest, now: float) -> Failure | None:
        """As `held`, for a probe, which asks no breaker; it takes the first place after a ban."""
        held = self.held(request, now)
        if held is None and not self._bans.is_clear:
            self._bans.admit_all(self._scopes(request), now)
        return held

    def probe_says(self, failure: Failure | None, sent_at: float) -> bool | None:
        """Whether what came back to a probe means that its plane answers; None: it says nothing."""
        if failure is not None and failure.layer is Layer.BUSINESS:
            return True  # no, and said by who knows the account
        result = self._result(failure, sent_at)
        return None if result is Result.NEUTRAL else result is Result.OK

    def is_left_alone(self, plane: Plane) -> bool:
        """True while only SAFETY and probes are sent to a plane."""
        state = self.breakers[plane].state
        return state is BreakerState.OPEN or state is BreakerState.PROBING

    def usual_s(self, plane: Plane) -> float | None:
        """How long 19 of 20 answers on a plane take at most; None while too few have come."""
        return self._fed[plane][1].p95_s

    @property
    def is_outage(self) -> bool:
        """True while any plane is being left alone. Trading that is not tried has no breaker of its
        own to say so: new risk is held when the account cannot be read."""
        return self._is_down and any(self.is_left_alone(plane) for plane in self.breakers)

    def _left_alone(self, plane: Plane, now: float) -> Failure:
        # On the way back a place is free as soon as one of those that hold them is answered.
        is_alone = self.is_left_alone(plane)
        retry_at = self.breakers[plane].retry_at(now) if is_alone else None
        why = "left alone after repeated failures" if is_alone else "let in again, a few at a time"
        return local_failure(
            "breaker_open",
            f"{plane.value} is being {why}",
            remedy=Remedy.RETRY,
            retry_after_s=None if retry_at is None else max(0.0, retry_at - now),
        )

    # After it.

    def succeeded(self, request: WireRequest, permit: Permit, sent_at: float, now: float) -> None:
        """As `feed` without a failure, for much less where nothing is amiss."""
        if not self._is_calm or self.on_result is not None:
            self.feed(request, permit, None, sent_at=sent_at, now=now)
            return
        # One more success, and news for nobody but its own breaker.
        breaker, usual = self._fed[request.plane]
        breaker.record(permit, _OK, now)
        if usual.is_slow(now - sent_at):
            was = breaker.state
            self._weigh_slowness(breaker, permit, sent_at, now)
            if breaker.state is not was:
                self.announce(request.plane, moved_by=permit)

    def feed(
        self,
        request: WireRequest,
        permit: Permit | None,
        failure: Failure | None,
        *,
        sent_at: float,
        now: float | None = None,
    ) -> None:
        """Tell breaker and ban clock what became of an attempt. Business refusals move neither.

        A probe has no permit: its sender reports it to the breaker by itself.
        """
        if now is None:
            now = self._clock.now()
        plane = request.plane
        breaker, usual = self._fed[plane]
        before = breaker.state
        result = self._result(failure, sent_at)
        if result is Result.FAILED:
            self._door.failed(now, sent_at=sent_at)
        elif _is_judgement(failure):
            self._door.answered(now)
        if permit is not None:
            breaker.record(permit, result, now)
            if failure is None and usual.is_slow(now - sent_at):
                self._weigh_slowness(breaker, permit, sent_at, now)
            elif failure is not None:
                self.probe_wanted.set()
        if self.on_result is not None and result is not Result.NEUTRAL:
            self.on_result(result is Result.FAILED)
        if breaker.measured_state is not BreakerState.CLOSED:
            self.probe_wanted.set()
        if failure is not None or self._undialled or self.own.is_troubled:
            self._feed_down(plane, failure, now)
        if self._is_down and (failure is None or failure.layer is Layer.BUSINESS):
            for other in self.breakers.values():
                other.door_answered(now)
        if failure is not None and failure.remedy is Remedy.WAIT_BAN:
            self._ban(request, failure, now)
        elif not self._bans.is_clear:
            for scope in self._scopes(request):
                self._bans.probe_result(scope, ok=_is_answer(failure), sent_at=sent_at, now=now)
        if breaker.state is not before:
            self.announce(plane, moved_by=permit)
        self._see_if_calm()

    @property
    def takes_orders(self) -> bool:
        """True while nothing at all is banned and the breaker of orders is closed."""
        return self._bans.is_clear and self.breakers[Plane.TRADING].standing is not None

    def _weigh_slowness(self, breaker: Breaker, permit: Permit, sent_at: float, now: float) -> None:
        """A call that succeeded took far longer than is usual."""
        speaks = permit.era == breaker.era and not permit.safety
        if speaks and not self.own.was_stalled(since=sent_at):
            breaker.add_evidence(SLOW_CALL, now)

    def _see_if_calm(self) -> None:
        self._is_calm = (
            self._bans.is_clear
            and not self._is_down
            and not self._undialled
            and not self._door.unanswered
            and not self.own.is_troubled
        )

    def never_sent(self, request: WireRequest, permit: Permit | None) -> None:
        """A permit comes back unused, or with an attempt of which nobody will ever know more."""
        if permit is not None:
            self.breakers[request.plane].record(permit, Result.NEUTRAL, self._clock.now())

    def announce(self, plane: Plane, *, moved_by: Permit | None = None) -> None:
        """Tell journal, log and listeners that a breaker has changed; by a probe without permit."""
        breaker = self.breakers[plane]
        self._is_down = any(
            each.measured_state is not BreakerState.CLOSED for each in self.breakers.values()
        )
        self._see_if_calm()
        # A probe that fails opens it anew every few seconds. To everybody else it just stays open.
        shown = BreakerState.OPEN if self.is_left_alone(plane) else breaker.state
        if shown is self._announced[plane]:
            self.on_change()
            return
        self._announced[plane] = shown
        now = self._clock.now()
        retry_at = breaker.retry_at(now)
        wall = None if retry_at is None else self._clock.wall() + retry_at - now
        state = shown.value
        self._log.warning("outlast.breaker_changed", plane=plane.value, state=state, retry_at=wall)
        self._journal.note(
            "breaker.changed",
            plane=plane.value,
            state=state,
            retry_at=wall,
            era=breaker.era,
            moved_by=None if moved_by is None else moved_by.era,
        )
        self._events.publish(BreakerChanged(plane=plane, state=state, retry_at=wall))
        self.on_change()

    # Evidence that is no call of ours. Each is told once per event, not once per poll.

    def stream_silent(self, plane: Plane = Plane.MARKET_DATA) -> None:
        """A market stream has said nothing for more than three times its usual gap."""
        self._add(plane, STREAM_SILENT)

    def user_stream_lost(self) -> None:
        """The stream that tells of our orders and balances is gone."""
        self._add(Plane.ACCOUNT, USER_STREAM_LOST)
        self._add(Plane.TRADING, USER_STREAM_LOST)

    def component_down(self, planes: Iterable[Plane]) -> None:
        """The status page shows a major outage of what carries these planes."""
        for plane in planes:
            self._add(plane, COMPONENT_DOWN)

    def component_degraded(self, planes: Iterable[Plane]) -> None:
        for plane in planes:
            self._add(plane, COMPONENT_DEGRADED)

    def _add(self, plane: Plane, weight: float) -> None:
        def change(breaker: Breaker) -> None:
            breaker.add_evidence(weight, self._clock.now())

        self._change(plane, change)

    # The operator.

    def force_open(self, plane: Plane) -> None:
        """Let nothing of a plane pass but SAFETY, until `auto`."""
        self._force(plane, "open", Breaker.force_open)

    def force_closed(self, plane: Plane) -> None:
        """Let everything pass. What the evidence says meanwhile is `Breaker.measured_state`."""
        self._force(plane, "closed", Breaker.force_closed)

    def auto(self, plane: Plane) -> None:
        """Let the evidence decide again."""
        self._force(plane, "auto", Breaker.auto)

    def shadow(self) -> None:
        """Every breaker measures and none holds anything, to watch it before trusting it."""
        for plane in Plane:
            self.force_closed(plane)

    def _force(self, plane: Plane, to: str, change: Callable[[Breaker], None]) -> None:
        self._journal.note("breaker.forced", plane=plane.value, to=to)
        self._change(plane, change)

    def _change(self, plane: Plane, change: Callable[[Breaker], None]) -> None:
        breaker = self.breakers[plane]
        before = breaker.state
        change(breaker)
        self.probe_wanted.set()
        if breaker.state is not before:
            self.announce(plane)

    # Bans.

    def banned_until(self) -> float | None:
        """Monotonic end of a ban that holds everything; None when there is none."""
        if self._bans.is_clear:
            return None
        now = self._clock.now()
        ends = [self._bans.free_at(scope, now) for scope in ("ip", "venue", "key")]
        return max((end for end in ends if end is not None), default=None)

    def held_dial(self, now: float) -> Failure | None:
        """Why no WebSocket may be dialled now; None when one may: report it to `dialled`."""
        if self._bans.is_clear:
            return None
        scopes = ("ip", "venue", "dials")
        held = self._banned(scopes, now, safety=False)
        if held is None:
            self._bans.admit_all(scopes, now)
        return held

    def dialled(
        self, *, sent_at: float, refused: str | None = None, retry_after_s: float | None = None
    ) -> None:
        """What became of a dial: taken, or `refused` by 429, 418 or 403, which bans further ones.

        A dial that failed otherwise says nothing about bans and is not reported.
        """
        now = self._clock.now()
        if refused is None:
            for scope in ("ip", "venue", "dials"):
                self._bans.probe_result(scope, ok=True, sent_at=sent_at, now=now)
            return
        failure = Failure(
            layer=Layer.VENUE,
            kind="dial_refused",
            outcome=Outcome.REFUSED,
            remedy=Remedy.WAIT_BAN,
            scope=Scope.IP,
            message=refused,
            retry_after_s=retry_after_s,
        )
        until = None if retry_after_s is None else now + retry_after_s
        self._begin_bans(("dials",), failure, until, DIAL_REFUSED, now)

    def _banned(self, scopes: Iterable[str], now: float, *, safety: bool) -> Failure | None:
        for scope in scopes:
            free_at = self._bans.free_at(scope, now, safety=safety)
            if free_at is not None:
                return local_failure(
                    "banned",
                    f"the venue asked us to wait ({self._bans.reason(scope)}); nothing leaves",
                    remedy=Remedy.WAIT_BAN,
                    retry_after_s=max(0.0, free_at - now),
                )
        return None

    def _scopes(self, request: WireRequest) -> list[str]:
        """Whose bans hold this request: address, venue, key, and the account's counters."""
        scopes = ["ip", "venue"]
        if request.auth is Auth.SIGNED:
            scopes.append("key")
        return [*scopes, *self._counters_of(request), *self._symbols_of(request)]

    def _counters_of(self, request: WireRequest) -> list[str]:
        """The account's, by name. A full counter of orders does not stop what it does not count."""
        return [c.counter for c in request.costs if c.counter not in self._ip_counters]

    def _symbols_of(self, request: WireRequest) -> list[str]:
        """Those that are kept per symbol, with the symbol of this request."""
        return [
            f"{cost.counter} {request.symbol}"
            for cost in request.costs
            if cost.counter in self._symbol_counters
        ]

    def _ban(self, request: WireRequest, failure: Failure, now: float) -> None:
        until: float | None = None
        if failure.retry_after_s is not None:
            until = now + failure.retry_after_s
        if failure.banned_until_ms is not None:
            wall_ms = self._clock.wall() * 1000
            ends = now + (failure.banned_until_ms - self._server_clock.server_ms(wall_ms)) / 1000
            # The instant is the venue's; being early by the error of our clock is being early.
            error_s = self._server_clock.uncertainty_ms(now) / 1000
            ends += error_s if isfinite(error_s) else _CLOCK_UNMEASURED_S
            until = ends if until is None else max(until, ends)
        scopes, default = self._reach(request, failure)
        self._begin_bans(scopes, failure, until, default, now)

    def _reach(self, request: WireRequest, failure: Failure) -> tuple[Sequence[str], DefaultBan]:
        """What a ban stops, and how long it lasts where the venue does not say."""
        match failure.scope:
            case Scope.KEY:
                return ("key",), KRAKEN_LOCKOUT
            case Scope.ACCOUNT:
                return self._counters_of(request) or ("key",), LIMIT_HIT
            case Scope.SYMBOL:
                scopes = self._symbols_of(request) or self._counters_of(request)
                return scopes or ("key",), LIMIT_HIT
            case Scope.PRODUCT | Scope.PLANE | Scope.HOST:
                return ("venue",), LIMIT_HIT
            case _:
                is_waf = failure.http_status == _FORBIDDEN
                return ("ip",), FIREWALL_BLOCK if is_waf else BINANCE_IP_BAN

    def _resume_bans(self) -> None:
        """What the sessions before were told binds this one, from its first request on."""
        now, wall = self._clock.now(), self._clock.wall()
        for scope, ban in self._journal.history.bans.items():
            left_s = ban.left_s(now=now, wall=wall)
            if left_s > 0:
                self._bans.ban(scope, until=now + left_s, now=now, reason=ban.reason)
                self._log.warning("outlast.ban_resumed", scope=scope, until=wall + left_s)
                self._journal.note(
                    "ban.resumed", scope=scope, until=wall + left_s, reason=ban.reason
                )

    def _begin_bans(
        self,
        scopes: Sequence[str],
        failure: Failure,
        until: float | None,
        default: DefaultBan,
        now: float,
    ) -> None:
        self.bans_begun += 1
        self._is_calm = False
        reason = failure.describe()
        facts = failure_facts(failure)
        for scope in scopes:
            ends_at = self._bans.ban(scope, until=until, now=now, reason=reason, default=default)
            wall = self._clock.wall() + ends_at - now
            self._log.error("outlast.ban_began", scope=scope, until=wall, reason=reason)
            # At once: it has to outlive this process, however soon that dies.
            self._journal.note_now(
                "ban.began",
                scope=scope,
                until=wall,
                for_s=ends_at - now,
                at=now,
                reason=reason,
                failure=facts,
            )
            self._journal.tidying_wanted.set()
            self._events.publish(BanBegan(scope=scope, until=wall, failure=failure))
        self.on_change()

    # Inside.

    def _result(self, failure: Failure | None, sent_at: float) -> Result:
        if failure is None:
            return Result.OK
        if failure.remedy is Remedy.WAIT_BAN or failure.scope is Scope.SELF:
            return Result.NEUTRAL
        if failure.layer is Layer.TRANSPORT and (
            failure.kind in _OWN_KINDS or self.own.was_stalled(since=sent_at)
        ):
            return Result.NEUTRAL  # Timeouts of a loop that stood still are its own.
        return Result.FAILED if failure.infrastructure else Result.NEUTRAL

    def _feed_down(self, plane: Plane, failure: Failure | None, now: float) -> None:
        """What one attempt says about this machine and about the host behind all planes."""
        if failure is not None and failure.kind in _OWN_KINDS:
            if failure.kind in _OWN_NETWORK:
                self.own.fault(now, failure.describe())
            return
        if failure is not None and failure.outcome is Outcome.NOT_SENT:
            if failure.kind in _UNDIALLED:
                self._undialled += 1
                self._feed_siblings(plane, 1)
            if failure.kind == FaultKind.CONNECT_FAILED.value:
                self.own.reached()  # somebody out there said no
            return
        self.own.reached()
        if self._undialled and (failure is None or failure.layer is not Layer.TRANSPORT):
            # The host answers: what its planes were charged for not being dialled is taken back.
            undialled, self._undialled = self._undialled, 0
            self._feed_siblings(plane, -undialled)

    def _feed_siblings(self, plane: Plane, failures: int) -> None:
        if plane not in _HOST_PLANES:
            return
        for other in _HOST_PLANES:
            if other is not plane:
                self._add(other, failures * self.breakers[other].settings.failure_weight)
