"""Every request of the exchange passes here: bans, breakers, lanes, evidence.

ccxt makes each request in two steps, and both are wrapped on the instance: `fetch2` waits for the
rate limiter and signs, `fetch` writes the request and reads the answer. What can wait, waits before
the first, since a signature ages; just before the wire there is only yes or no.
"""

from __future__ import annotations

import functools
import random
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from math import inf
from typing import Any, Final

from ccxt.base import errors as ccxt

from outlast.adapters.ccxt.dialects import Dialect
from outlast.adapters.ccxt.driving import Driver
from outlast.adapters.ccxt.reading import Attempt, read_attempt
from outlast.adapters.ccxt.settings import GuardSettings
from outlast.adapters.ccxt.verdict import Verdict, marked
from outlast.client.guard import failure_facts, local_failure
from outlast.client.journal import Journal
from outlast.client.logs import logger
from outlast.core.bans import (
    BINANCE_IP_BAN,
    FIREWALL_BLOCK,
    KRAKEN_LOCKOUT,
    LIMIT_HIT,
    BanClock,
    DefaultBan,
)
from outlast.core.breaker import ORDERS, READS, Breaker, BreakerState, Permit, Result
from outlast.core.budget import RETRIES, SAFETY_RETRIES, RetryBudget
from outlast.errors import Failure, Layer, Outcome, Remedy, Scope
from outlast.model import Plane
from outlast.wire import Lane

__all__ = ["Call", "Gate", "current"]


@dataclass(slots=True)
class Call:
    """One call of the bot that the guard knows the meaning of; it may take several requests."""

    lane: Lane
    symbol: str | None = None
    is_order: bool = False
    """True for new orders and changes of orders."""
    client_order_id: str | None = None
    """Of the one new order that it sends."""
    sent_at: float | None = None
    """When its last write left, monotonic; None while none has."""
    failure: Failure | None = None
    """Of its last request; None when that did what it should."""


current: Final[ContextVar[Call | None]] = ContextVar("outlast_ccxt_call", default=None)


@dataclass(slots=True)
class _Frame:
    """One `fetch2`: a request, and ccxt's own repeats of it."""

    call: Call
    plane: Plane
    is_write: bool
    is_trial: bool = False
    """True for the one that tries whether a plane that was left alone is back."""
    error: Exception | None = None
    """Of the attempt before this one."""


_frame: Final[ContextVar[_Frame | None]] = ContextVar("outlast_ccxt_frame", default=None)
_attempt: Final[ContextVar[Attempt | None]] = ContextVar("outlast_ccxt_attempt", default=None)

_CLOCK_ERROR_S: Final = 1.0
"""Of our own clock against the venue's: to be early by it is to be early."""
_FORBIDDEN: Final = 403
_NONCE_INVALID: Final = "nonce_invalid"
_OPTION_READERS: Final = ("handle_option_and_params", "handle_option_integer_and_params")
"""By which of them `fetch2` reads `maxRetriesOnFailure` depends on ccxt's version."""
_LEFT_ALONE: Final = (BreakerState.OPEN, BreakerState.PROBING)
_BUGS: Final = (KeyError, TypeError, AttributeError, ValueError, IndexError)
"""What ccxt's parsing raises on an answer of a shape that it does not know."""


class Gate:
    """Bans by scope, a breaker per plane, ccxt's throttle with lanes, a record of everything."""

    def __init__(
        self,
        exchange: Any,
        *,
        dialect: Dialect,
        driver: Driver,
        journal: Journal,
        settings: GuardSettings,
        rng: random.Random,
    ) -> None:
        self._exchange = exchange
        self._dialect = dialect
        self._driver = driver
        self._journal = journal
        self._settings = settings
        self._log = logger(venue=f"ccxt:{dialect.exchange_id}")
        self._bans = BanClock(rng)
        self._breakers = {
            plane: Breaker(ORDERS if plane is Plane.TRADING else READS, rng) for plane in Plane
        }
        self._retries = RetryBudget.of(RETRIES)
        self._safety_retries = RetryBudget.of(SAFETY_RETRIES)
        self._fetch2 = exchange.fetch2
        self._fetch = exchange.fetch
        self._sign = exchange.sign
        self._nonce = exchange.nonce
        self._last_nonce = 0
        self._on_rest_response = exchange.on_rest_response
        self.on_trouble: Callable[[], None] = lambda: None
        """Called when something may have happened that nobody could see."""
        self.on_change: Callable[[], None] = lambda: None
        """Called when a plane has begun or ceased to be left alone, and when a ban has begun."""
        self.on_result: Callable[[Plane, bool], None] = lambda _plane, _failed: None
        """Called with what became of each request: on which plane, and whether it failed."""
        self._lanes: dict[int, Lane] = {}
        """Of the places in ccxt's queue, by the identity of their futures."""
        self._resume_bans()

    def wrappers(self) -> dict[str, Callable[..., Any]]:
        """What is put on the instance in place of its own."""
        wrapped: dict[str, Callable[..., Any]] = {
            "fetch2": self._driver.expose(self.fetch2),
            "fetch": self._driver.expose(self.fetch),
            "sign": self.sign,
            "on_rest_response": self.on_rest_response,
        }
        for name in _OPTION_READERS:
            original = getattr(self._exchange, name, None)
            if original is not None:
                wrapped[name] = self._sent_once(original)
        if self._dialect.has_rising_nonce:
            wrapped["nonce"] = self.nonce
        if hasattr(getattr(self._exchange, "throttler", None), "queue"):
            wrapped["throttle"] = self.throttle
        return wrapped

    @property
    def now(self) -> float:
        return self._driver.clock.now()

    def may_retry(self, lane: Lane) -> bool:
        """Leave for one more try of something that is safe to repeat."""
        budget = self._safety_retries if lane is Lane.SAFETY else self._retries
        return budget.try_spend(self.now)

    def is_left_alone(self, plane: Plane) -> bool:
        return self._breakers[plane].state in _LEFT_ALONE

    def wants_probe(self, plane: Plane) -> bool:
        """True when a plane that is left alone may be tried again."""
        at = self._breakers[plane].next_probe_at()
        return self.is_left_alone(plane) and at is not None and self.now >= at

    def try_again(self, plane: Plane) -> None:
        """Let one real call out: nothing cheaper can tell whether the plane is back."""
        breaker = self._breakers[plane]
        if breaker.probe_due(self.now):
            breaker.probe_result(True, self.now)
            self.on_change()

    def banned_for_s(self) -> float:
        """How long orders or account reads are still banned; 0.0 when they are not."""
        if self._bans.is_clear:
            return 0.0
        now, ends = self.now, 0.0
        for scope in ("ip", "venue", "key", "orders", "account reads"):
            ends = max(ends, self._bans.free_at(scope, now, safety=False) or 0.0)
        return max(0.0, ends - now)

    # ccxt's steps.

    async def fetch2(
        self,
        path: str,
        api: Any = "public",
        method: str = "GET",
        params: Any = None,
        *rest: Any,
        **named: Any,
    ) -> Any:
        """Take leave, then let ccxt throttle, sign and send."""
        # What is public changes nothing, whatever its method.
        is_write = self._dialect.is_write(method, path) and not _is_public(api)
        params = {} if params is None else params
        call = current.get() or Call(lane=Lane.TRADE if is_write else Lane.DATA)
        frame = _Frame(call, _plane(api, is_write=is_write), is_write)
        token = _frame.set(frame)
        try:
            await self._wait_for_leave(frame)
            try:
                return await self._driver.call(
                    self._fetch2, path, api, method, params, *rest, **named
                )
            except ccxt.InvalidNonce:
                # Two requests overtook each other: nothing was done, and a new nonce is in order.
                if call.failure is None or call.failure.kind != _NONCE_INVALID:
                    raise
                frame.error = None
                return await self._driver.call(
                    self._fetch2, path, api, method, params, *rest, **named
                )
        finally:
            _frame.reset(token)

    async def fetch(
        self, url: str, method: str = "GET", headers: Any = None, body: Any = None
    ) -> Any:
        """Send one attempt, and judge what came of it."""
        frame = _frame.get()
        if frame is None:  # called by the bot itself, below everything that is known of requests
            return await self._driver.call(self._fetch, url, method, headers, body)
        if frame.error is not None and (frame.is_write or not self.may_retry(frame.call.lane)):
            raise frame.error  # ccxt's loop comes round: never for a write, by budget for a read
        permit = self._permit(frame)
        attempt = Attempt(
            method=method,
            url=url,
            plane=frame.plane,
            lane=frame.call.lane,
            is_write=frame.is_write,
            purpose=self._dialect.purpose(method, url),
            sent_at=self.now,
        )
        if frame.is_write:
            frame.call.sent_at = attempt.sent_at
        token = _attempt.set(attempt)
        try:
            result = await self._driver.call(self._fetch, url, method, headers, body)
        except Exception as raised:
            error = self._said_of_a_closed_one(raised)
            failure = read_attempt(self._dialect, attempt, error, now=self.now)
            self._report(frame, attempt, permit, failure)
            frame.error = self._as_read(error, failure)
            if frame.error is raised:
                raise
            raise frame.error from raised
        except BaseException:  # the caller has stopped waiting: nobody will hear the answer
            attempt.failure = frame.call.failure = _abandoned(is_write=frame.is_write)
            self._breakers[frame.plane].record(permit, Result.NEUTRAL, self.now)
            self._note(frame, attempt)
            raise
        finally:
            _attempt.reset(token)
        failure = read_attempt(self._dialect, attempt, None, now=self.now)
        self._report(frame, attempt, permit, failure)
        if failure is not None:
            frame.error = self.error(ccxt.BadResponse, failure)
            raise frame.error
        self._retries.earn(self.now)
        return result

    def _said_of_a_closed_one(self, error: Exception) -> Exception:
        """ccxt 4.4 looks for a method of the session that it has closed, and finds None."""
        closed = isinstance(error, AttributeError) and self._exchange.session is None
        if not closed or not self._driver.is_async:
            return error
        return ccxt.ExchangeClosedByUser(f"{self._dialect.exchange_id} is closed")

    def sign(
        self, path: str, api: Any = "public", method: str = "GET", params: Any = None, *rest: Any
    ) -> Any:
        """Sign last: a new order's deadline counts from here, after all waiting for the limiter."""
        frame = _frame.get()
        params = {} if params is None else params
        is_new = frame is not None and frame.is_write and frame.call.is_order
        if is_new and isinstance(params, dict):
            venue_ms = float(self._exchange.milliseconds())
            venue_ms -= float(getattr(self._exchange, "options", {}).get("timeDifference") or 0)
            params = self._dialect.with_deadline(
                params, path, venue_ms=venue_ms, valid_for_s=self._settings.valid_for_s
            )
        return self._sign(path, api, method, params, *rest)

    def _sent_once(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """ccxt's own repeats are for reads. Said here, no parameter has to be added for it: older
        versions send those on to the venue."""

        @functools.wraps(original)
        def read(params: Any, path: Any, option: Any, *default: Any) -> Any:
            value, rest = original(params, path, option, *default)
            frame = _frame.get()
            if option == "maxRetriesOnFailure" and frame is not None and frame.is_write:
                return 0, rest
            return value, rest

        return read

    def nonce(self) -> int:
        """ccxt's nonce is the time in milliseconds, and two requests may share one."""
        self._last_nonce = max(int(self._nonce()), self._last_nonce + 1)
        return self._last_nonce

    def on_rest_response(
        self, code: Any, reason: Any, url: Any, method: Any, headers: Any, body: Any, *rest: Any
    ) -> Any:
        """Hear the answer as it came, before ccxt makes something of it."""
        attempt = _attempt.get()
        if attempt is not None:
            attempt.answered(int(code), headers or {}, str(body or ""))
        return self._on_rest_response(code, reason, url, method, headers, body, *rest)

    async def throttle(self, cost: Any = None) -> None:
        """ccxt's own limiter with its own numbers: a place in its queue, by lane."""
        throttler = self._exchange.throttler
        queue = throttler.queue
        future = throttler(cost)
        if not queue or queue[-1][0] is not future:
            await future  # another version, with another queue: first come, first served
            return
        frame = _frame.get()
        lane = Lane.DATA if frame is None else frame.call.lane
        place = queue.pop()
        ahead = sum(self._lanes.get(id(other), Lane.DATA) <= lane for other, *_ in queue)
        queue.insert(ahead, place)
        self._lanes[id(future)] = lane
        try:
            await future
        finally:
            del self._lanes[id(future)]

    # Before a request.

    async def _wait_for_leave(self, frame: _Frame) -> None:
        """Wait for what ends soon; raise for the rest, slowly: a loop around it must not spin."""
        give_up_at = self.now + self._settings.hold_max_s
        while (failure := self._held(frame)) is not None:
            wait_s = inf if failure.retry_after_s is None else failure.retry_after_s
            if self.now + wait_s > give_up_at:
                await self._driver.clock.sleep(min(self._settings.pause_s, wait_s))
                raise self._turned_away(frame, failure)
            await self._driver.clock.sleep(max(wait_s, 0.001))

    def _held(self, frame: _Frame) -> Failure | None:
        """Why a request must not even queue now; None when it may. Takes no permit."""
        now, safety = self.now, frame.call.lane is Lane.SAFETY
        banned = self._banned(frame, now)
        if banned is not None:
            return banned
        breaker = self._breakers[frame.plane]
        if safety or breaker.state not in _LEFT_ALONE:
            return None
        if breaker.probe_due(now):
            # The call that comes when the wait is over tries it. A read is harmless, so it is the
            # probe itself; of orders one at a time is let out, as after any probe.
            if frame.plane is Plane.TRADING:
                breaker.probe_result(True, now)
            else:
                frame.is_trial = True
            return None
        return self._left_alone(frame.plane, now)

    def _permit(self, frame: _Frame) -> Permit:
        """Leave for one attempt, just before it is written."""
        now, safety = self.now, frame.call.lane is Lane.SAFETY
        banned = self._banned(frame, now)
        if banned is not None:
            frame.error = self._turned_away(frame, banned)
            raise frame.error
        breaker = self._breakers[frame.plane]
        permit = breaker.admit(now, safety=safety or frame.is_trial)
        if permit is None:
            frame.error = self._turned_away(frame, self._left_alone(frame.plane, now))
            raise frame.error
        if not self._bans.is_clear:
            self._bans.admit_all(_scopes(frame), now, safety=safety)
        return permit

    def _banned(self, frame: _Frame, now: float) -> Failure | None:
        if self._bans.is_clear:
            return None
        safety = frame.call.lane is Lane.SAFETY
        for scope in _scopes(frame):
            free_at = self._bans.free_at(scope, now, safety=safety)
            if free_at is not None:
                return local_failure(
                    "banned",
                    f"the venue asked us to wait ({self._bans.reason(scope)})",
                    remedy=Remedy.WAIT_BAN,
                    retry_after_s=max(0.0, free_at - now),
                )
        return None

    def _left_alone(self, plane: Plane, now: float) -> Failure:
        retry_at = self._breakers[plane].retry_at(now)
        return local_failure(
            "breaker_open",
            f"{plane.value} is being left alone after repeated failures",
            remedy=Remedy.RETRY,
            retry_after_s=0.1 if retry_at is None else max(0.0, retry_at - now),
        )

    # After it.

    def _report(
        self, frame: _Frame, attempt: Attempt, permit: Permit, failure: Failure | None
    ) -> None:
        """Tell breaker, ban clock and journal what became of an attempt."""
        now = self.now
        attempt.failure = frame.call.failure = failure
        breaker = self._breakers[frame.plane]
        before, result = breaker.state, _result(failure)
        if frame.is_trial:
            frame.is_trial = False
            breaker.probe_result(None if result is Result.NEUTRAL else result is Result.OK, now)
        breaker.record(permit, result, now)
        if failure is not None and (frame.is_write or failure.infrastructure):
            self.on_trouble()
        if failure is None or failure.layer is Layer.BUSINESS:
            for other in self._breakers.values():
                other.door_answered(now)
        if failure is not None and failure.remedy is Remedy.WAIT_BAN:
            self._ban(frame, failure, now)
        elif not self._bans.is_clear:
            answered = failure is None or failure.layer in (Layer.VENUE, Layer.BUSINESS)
            for scope in _scopes(frame):
                self._bans.probe_result(scope, ok=answered, sent_at=attempt.sent_at, now=now)
        self._note(frame, attempt)
        if breaker.state is not before:
            state = breaker.state.value
            self._log.warning("outlast.breaker_changed", plane=frame.plane.value, state=state)
            self._journal.note("breaker.changed", plane=frame.plane.value, state=state)
            self.on_change()
        if result is not Result.NEUTRAL:
            self.on_result(frame.plane, result is Result.FAILED)

    def _note(self, frame: _Frame, attempt: Attempt) -> None:
        failure = attempt.failure
        is_new = frame.is_write and frame.call.client_order_id is not None
        self._journal.note(
            "attempt",
            request="order.place" if is_new else attempt.purpose or attempt.method,
            client_order_id=frame.call.client_order_id if is_new else None,
            method=attempt.method,
            path=attempt.path,  # never the query: it is signed
            lane=attempt.lane.name.lower(),
            symbol=frame.call.symbol,
            took_s=round(self.now - attempt.sent_at, 6),
            status=attempt.status,
            failure=None if failure is None else failure_facts(failure),
        )

    def _ban(self, frame: _Frame, failure: Failure, now: float) -> None:
        until = None if failure.retry_after_s is None else now + failure.retry_after_s
        if failure.banned_until_ms is not None:
            wall = self._driver.clock.wall()
            ends = now + failure.banned_until_ms / 1000 - wall + _CLOCK_ERROR_S
            until = ends if until is None else max(until, ends)
        scope, default = _reach(frame, failure)
        reason = failure.describe()
        ends_at = self._bans.ban(scope, until=until, now=now, reason=reason, default=default)
        wall = self._driver.clock.wall() + ends_at - now
        self._log.error("outlast.ban_began", scope=scope, until=wall, reason=reason)
        self._journal.note_now(
            "ban.began",
            scope=scope,
            until=wall,
            for_s=ends_at - now,
            at=now,
            reason=reason,
            failure=failure_facts(failure),
        )
        self.on_change()

    def _resume_bans(self) -> None:
        """What an earlier process was told binds this one, from its first request on."""
        now, wall = self.now, self._driver.clock.wall()
        for scope, ban in self._journal.history.bans.items():
            left_s = ban.left_s(now=now, wall=wall)
            if left_s > 0:
                self._bans.ban(scope, until=now + left_s, now=now, reason=ban.reason)
                self._log.warning("outlast.ban_resumed", scope=scope, until=wall + left_s)

    # Errors, as ccxt has them.

    def _turned_away(self, frame: _Frame, failure: Failure) -> Exception:
        frame.call.failure = failure
        is_ban = failure.kind == "banned"
        return self.error(ccxt.RateLimitExceeded if is_ban else ccxt.ExchangeNotAvailable, failure)

    def error(self, kind: Any, failure: Failure) -> Exception:
        """A ccxt error of class `kind` that tells a failure."""
        made: Exception = kind(f"{self._dialect.exchange_id} {failure.describe()}")
        return marked(made, self.verdict(failure))

    def verdict(self, failure: Failure, **facts: Any) -> Verdict:
        retry_at = None
        if failure.retry_after_s is not None:
            retry_at = self._driver.clock.wall() + failure.retry_after_s
        return Verdict(
            outcome=failure.outcome,
            retry_at=retry_at,
            failure=failure,
            reason=failure.describe(),
            **facts,
        )

    def _as_read(self, error: Exception, failure: Failure | None) -> Exception:
        """`error` with what is known of it; what is a mere bug in reading becomes BadResponse."""
        if failure is None:
            return error
        if isinstance(error, _BUGS) and not isinstance(error, ccxt.BaseError):
            return self.error(ccxt.BadResponse, failure)
        return marked(error, self.verdict(failure))


def _plane(api: Any, *, is_write: bool) -> Plane:
    if is_write:
        return Plane.TRADING
    return Plane.MARKET_DATA if _is_public(api) else Plane.ACCOUNT


def _is_public(api: Any) -> bool:
    names = [api] if isinstance(api, str) else list(api or ())
    return any("public" in str(name).lower() for name in names)


def _scopes(frame: _Frame) -> list[str]:
    """Whose bans hold this request."""
    scopes = ["ip", "venue"]
    if frame.plane is not Plane.MARKET_DATA:
        scopes.append("key")
    if frame.plane is Plane.ACCOUNT:
        scopes.append("account reads")
    if frame.call.is_order and frame.is_write:
        scopes += ["orders", f"orders {frame.call.symbol}"]
    return scopes


def _reach(frame: _Frame, failure: Failure) -> tuple[str, DefaultBan]:
    """What a ban stops, and how long it lasts where the venue does not say."""
    match failure.scope:
        case Scope.KEY:
            return "key", KRAKEN_LOCKOUT
        case Scope.ACCOUNT:
            return "orders" if frame.is_write else "account reads", LIMIT_HIT
        case Scope.SYMBOL:
            return f"orders {frame.call.symbol}" if frame.is_write else "account reads", LIMIT_HIT
        case Scope.PRODUCT | Scope.PLANE | Scope.HOST:
            return "venue", LIMIT_HIT
        case _:
            is_wall = failure.http_status == _FORBIDDEN
            return "ip", FIREWALL_BLOCK if is_wall else BINANCE_IP_BAN


def _result(failure: Failure | None) -> Result:
    if failure is None:
        return Result.OK
    if failure.remedy is Remedy.WAIT_BAN or failure.scope is Scope.SELF:
        return Result.NEUTRAL
    return Result.FAILED if failure.infrastructure else Result.NEUTRAL


def _abandoned(*, is_write: bool) -> Failure:
    return Failure(
        layer=Layer.LOCAL,
        kind="abandoned",
        outcome=Outcome.UNKNOWN if is_write else Outcome.REFUSED,
        remedy=Remedy.SETTLE if is_write else Remedy.RETRY,
        scope=Scope.SELF,
        message="the caller stopped waiting for the answer",
    )
