"""What may leave for one venue, and what came back: for clients that are not ours.

It sees requests as bytes on their way and knows nothing of the bot behind them. So it keeps bans,
limits and breakers, judges answers, and repeats reads; a signed write it lets through once, as it
is. What became of a lost order it cannot find out: `outlast.guard` and `outlast.connect` do.
"""

from __future__ import annotations

import os
import random
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from outlast.backends.journal import FileStore
from outlast.client.guard import failure_facts, local_failure
from outlast.client.journal import Journal
from outlast.core.backoff import READ
from outlast.core.bans import (
    BINANCE_IP_BAN,
    FIREWALL_BLOCK,
    KRAKEN_LOCKOUT,
    LIMIT_HIT,
    BanClock,
)
from outlast.core.breaker import ORDERS, READS, Breaker, BreakerState, Permit, Result
from outlast.core.budget import RETRIES, RetryBudget
from outlast.errors import ConfigurationError, Failure, Layer, Outcome, Remedy, Scope
from outlast.model import Plane
from outlast.venues import codec, venues
from outlast.venues._answers import RAW_MAX, classify_fault, printable
from outlast.venues.kraken_spot import codes as kraken_codes
from outlast.wire import Clock, FaultKind, Lane, TransportFault, WireReply, WireRequest

__all__ = ["Crossing", "Passage"]

ATTEMPTS_MAX: Final = 3
"""Of a read, the first included."""
HOLD_MAX_S: Final = 5.0
"""The longest that a request waits for leave; otherwise it is turned away at once."""
USED_SHARE_MAX: Final = 0.9
"""From so much of a venue's limit on, as its own headers tell, reads wait for the next window: the
last tenth is for cancels."""
_CLOCK_ERROR_S: Final = 1.0
_FORBIDDEN: Final = 403
_LIMITED: Final = (418, 429)
_LEFT_ALONE: Final = (BreakerState.OPEN, BreakerState.PROBING)

_NAMES: Final[Mapping[tuple[str, str], str]] = {
    ("POST", "AddOrder"): "order.place",
    ("POST", "CancelOrder"): "order.cancel",
    ("POST", "CancelAll"): "orders.cancel",
    ("POST", "QueryOrders"): "order.read",
    ("POST", "order"): "order.place",
    ("DELETE", "order"): "order.cancel",
    ("GET", "order"): "order.read",
    ("GET", "time"): "time.read",
}
_JUDGED: Final = frozenset({"order.place", "order.cancel", "order.read", "time.read"})
"""Requests of which the shape of a good answer is known on Binance."""


@dataclass(slots=True)
class Passage:
    """One request on its way. `answered` or `failed` ends an attempt."""

    method: str
    path: str
    plane: Plane
    lane: Lane
    is_write: bool
    name: str
    attempt: int = 0
    sent_at: float = 0.0
    permit: Permit | None = None
    is_trial: bool = False


class Crossing:
    """Bans, limits, breakers and evidence of one venue."""

    def __init__(
        self,
        venue: str | None,
        *,
        clock: Clock,
        journal: str | os.PathLike[str] | None = None,
        seed: int | None = None,
    ) -> None:
        """`venue`: one of `outlast.venues()`; None for any other, by HTTP's own rules.

        Raises:
            ConfigurationError: no such venue, or the journal cannot be used.
        """
        if venue is not None and venue not in venues():
            raise ConfigurationError(
                f"venue is {venue!r}; choose from {', '.join(venues())}, or None for another venue"
            )
        self._venue = venue
        self._codec = None if venue is None else codec(venue)
        self._clock = clock
        self._rng = random.Random(seed)  # noqa: S311 - jitter is no secret
        self._bans = BanClock(self._rng)
        self._breakers = {
            plane: Breaker(ORDERS if plane is Plane.TRADING else READS, self._rng)
            for plane in Plane
        }
        self._budget = RetryBudget.of(RETRIES)
        self._journal: Journal | None = None
        if journal is not None:
            self._journal = Journal(
                FileStore(Path(journal)),
                venue=f"requests:{venue or 'any'}",
                clock=clock,
                rng=self._rng,
            )
            now, wall = clock.now(), clock.wall()
            for scope, ban in self._journal.history.bans.items():
                if (left_s := ban.left_s(now=now, wall=wall)) > 0:
                    self._bans.ban(scope, until=now + left_s, now=now, reason=ban.reason)

    def close(self) -> None:
        """Let go of the journal."""
        if self._journal is not None:
            self._journal.close()
            self._journal = None

    def passage(self, method: str, url: str) -> Passage:
        """A request as far as it is understood here."""
        path, method = urlsplit(url).path, method.upper()
        last = path.rpartition("/")[2]
        is_read = method in ("GET", "HEAD")
        if self._venue == "kraken-spot" and "/private/" in path:
            is_read = last in _KRAKEN_READS
        is_public = "/public/" in path if self._venue == "kraken-spot" else is_read
        name = _NAMES.get((method, last)) if self._venue is not None else None
        cancels = method == "DELETE" or last.startswith("Cancel")
        lane = Lane.DATA if is_read else Lane.SAFETY if cancels else Lane.TRADE
        plane = Plane.MARKET_DATA if is_public else Plane.ACCOUNT
        return Passage(
            method=method,
            path=path,
            plane=plane if is_read else Plane.TRADING,
            lane=lane,
            is_write=not is_read,
            name=name or ("read" if is_read else "write"),
        )

    # Before an attempt.

    def held(self, passage: Passage) -> Failure | None:
        """Why an attempt must not leave now, with `retry_after_s`; None when it may: `leave`."""
        now, safety = self._clock.now(), passage.lane is Lane.SAFETY
        for scope in _scopes(passage):
            free_at = self._bans.free_at(scope, now, safety=safety)
            if free_at is not None:
                return local_failure(
                    "banned",
                    f"the venue asked us to wait ({self._bans.reason(scope)})",
                    remedy=Remedy.WAIT_BAN,
                    retry_after_s=max(0.0, free_at - now),
                )
        breaker = self._breakers[passage.plane]
        if safety:
            return None
        if breaker.state in _LEFT_ALONE and breaker.probe_due(now):
            if passage.is_write:
                breaker.probe_result(True, now)
            else:
                passage.is_trial = True
        permit = breaker.admit(now, safety=passage.is_trial)
        if permit is None:
            retry_at = breaker.retry_at(now)
            return local_failure(
                "breaker_open",
                f"{passage.plane.value} is being left alone after repeated failures",
                remedy=Remedy.RETRY,
                retry_after_s=0.1 if retry_at is None else max(0.0, retry_at - now),
            )
        passage.permit = permit
        return None

    def leave(self, passage: Passage) -> None:
        """The attempt is about to be written."""
        now, safety = self._clock.now(), passage.lane is Lane.SAFETY
        self._bans.admit_all(_scopes(passage), now, safety=safety)
        if passage.permit is None:
            passage.permit = self._breakers[passage.plane].admit(now, safety=True)
        passage.attempt += 1
        passage.sent_at = now

    # After it.

    def answered(
        self, passage: Passage, status: int, headers: Mapping[str, str], body: bytes
    ) -> Failure | None:
        """What a complete answer means; None where it is good."""
        lowered = {name.lower(): value for name, value in headers.items()}
        reply = WireReply(
            status=status,
            headers=lowered,
            body=body,
            sent_at=passage.sent_at,
            received_at=self._clock.now(),
        )
        failure = self._read(passage, reply)
        self._feed(passage, failure, status)
        self._mind_usage(lowered)
        return failure

    def failed(self, passage: Passage, kind: FaultKind, detail: str) -> Failure:
        """What it means that no complete answer came."""
        fault = TransportFault(
            kind=kind, detail=detail, sent_at=passage.sent_at, received_at=self._clock.now()
        )
        failure = classify_fault(_request(passage), fault)
        self._feed(passage, failure, None)
        return failure

    def abandoned(self, passage: Passage) -> None:
        """The caller has stopped waiting; that says nothing about the venue."""
        if passage.permit is not None:
            permit, passage.permit = passage.permit, None
            self._breakers[passage.plane].record(permit, Result.NEUTRAL, self._clock.now())

    def retry_in_s(self, passage: Passage, failure: Failure) -> float | None:
        """How long to wait before the same read leaves again; None when it must not."""
        if passage.method not in ("GET", "HEAD") or passage.attempt >= ATTEMPTS_MAX:
            return None  # a POST that reads carries a nonce, which is good for once
        if failure.remedy is not Remedy.RETRY or not self._budget.try_spend(self._clock.now()):
            return None
        return READ.delay_s(passage.attempt, self._rng, floor_s=failure.retry_after_s or 0.0)

    # Inside.

    def _read(self, passage: Passage, reply: WireReply) -> Failure | None:
        request = _request(passage)
        if self._codec is not None and self._is_tabled(passage, reply):
            return self._codec.classify(request, reply)
        if 200 <= reply.status < 300:
            return None
        outcome, remedy = Outcome.UNKNOWN, Remedy.SETTLE
        if reply.status in _LIMITED:
            outcome, remedy = Outcome.REFUSED, Remedy.WAIT_BAN
        elif reply.status < 500:
            outcome, remedy = Outcome.REFUSED, Remedy.GIVE_UP
        elif not passage.is_write:
            outcome, remedy = Outcome.REFUSED, Remedy.RETRY
        asked = reply.headers.get("retry-after", "")
        return Failure(
            layer=Layer.BUSINESS if remedy is Remedy.GIVE_UP else Layer.VENUE,
            kind="rate_limited" if remedy is Remedy.WAIT_BAN else f"http_{reply.status}",
            outcome=outcome,
            remedy=remedy,
            scope=Scope.IP if remedy is Remedy.WAIT_BAN else Scope.PLANE,
            http_status=reply.status,
            message=printable(reply.body),
            retry_after_s=float(asked) if asked.isascii() and asked.isdigit() else None,
            raw=reply.body[:RAW_MAX],
        )

    def _is_tabled(self, passage: Passage, reply: WireReply) -> bool:
        """Whether the venue's tables know this kind of answer."""
        if self._venue == "kraken-spot":
            known = passage.path.rpartition("/")[2] in kraken_codes.ANSWERS
            return known or reply.status != 200 or bool(kraken_codes.look(reply.body).errors)
        return passage.name in _JUDGED or not 200 <= reply.status < 300

    def _feed(self, passage: Passage, failure: Failure | None, status: int | None) -> None:
        now = self._clock.now()
        breaker = self._breakers[passage.plane]
        permit, passage.permit = passage.permit, None
        result = Result.OK
        if failure is not None:
            neutral = failure.remedy is Remedy.WAIT_BAN or failure.scope is Scope.SELF
            result = Result.FAILED if failure.infrastructure and not neutral else Result.NEUTRAL
        if passage.is_trial:
            passage.is_trial = False
            breaker.probe_result(None if result is Result.NEUTRAL else result is Result.OK, now)
        if permit is not None:
            breaker.record(permit, result, now)
        if failure is None:
            self._budget.earn(now)
        if failure is not None and failure.remedy is Remedy.WAIT_BAN:
            self._ban(passage, failure, now)
        else:
            answered = failure is None or failure.layer in (Layer.VENUE, Layer.BUSINESS)
            for scope in _scopes(passage):
                self._bans.probe_result(scope, ok=answered, sent_at=passage.sent_at, now=now)
        if self._journal is not None:
            self._journal.note(
                "attempt",
                request=passage.method,  # whose order it was is not known here
                client_order_id=None,
                path=passage.path,  # never the query: it is signed
                took_s=round(now - passage.sent_at, 6),
                status=status,
                failure=None if failure is None else failure_facts(failure),
            )

    def _ban(self, passage: Passage, failure: Failure, now: float) -> None:
        until = None if failure.retry_after_s is None else now + failure.retry_after_s
        wall = self._clock.wall()
        if failure.banned_until_ms is not None:
            ends = now + failure.banned_until_ms / 1000 - wall + _CLOCK_ERROR_S
            until = ends if until is None else max(until, ends)
        match failure.scope:
            case Scope.KEY:
                scope, default = "key", KRAKEN_LOCKOUT
            case Scope.ACCOUNT | Scope.SYMBOL:
                scope, default = passage.plane.value, LIMIT_HIT
            case _:
                is_wall = failure.http_status == _FORBIDDEN
                scope, default = "ip", FIREWALL_BLOCK if is_wall else BINANCE_IP_BAN
        reason = failure.describe()
        ends_at = self._bans.ban(scope, until=until, now=now, reason=reason, default=default)
        if self._journal is not None:
            self._journal.note_now(
                "ban.began",
                scope=scope,
                until=wall + ends_at - now,
                for_s=ends_at - now,
                at=now,
                reason=reason,
                failure=failure_facts(failure),
            )

    def _mind_usage(self, headers: Mapping[str, str]) -> None:
        """Let reads wait where the venue's own headers say that a limit is nearly used up."""
        if self._codec is None:
            return
        used = self._codec.read_usage(headers)
        now, wall = self._clock.now(), self._clock.wall()
        for counter in self._codec.limits():
            share = used.get(counter.name, 0) / counter.limit
            if counter.decay_per_s is None and share >= USED_SHARE_MAX:
                ends_in_s = counter.window_s - wall % counter.window_s + _CLOCK_ERROR_S
                reason = f"{share:.0%} of {counter.name} is used"
                self._bans.ban("reads", until=now + ends_in_s, now=now, reason=reason)


_KRAKEN_READS: Final = frozenset(
    {"Balance", "BalanceEx", "TradeBalance", "OpenOrders", "ClosedOrders", "QueryOrders"}
    | {"TradesHistory", "QueryTrades", "OpenPositions", "Ledgers", "QueryLedgers", "TradeVolume"}
    | {"GetWebSocketsToken", "DepositMethods", "DepositAddresses", "DepositStatus"}
    | {"WithdrawMethods", "WithdrawAddresses", "WithdrawInfo", "WithdrawStatus", "OrderAmends"}
)
"""Source: Kraken docs, Spot REST, the private methods that change nothing."""


def _request(passage: Passage) -> WireRequest:
    return WireRequest(
        name=passage.name,
        method=passage.method,
        path=passage.path,
        plane=passage.plane,
        lane=passage.lane,
        is_write=passage.is_write,
        safe_to_repeat=not passage.is_write,
    )


def _scopes(passage: Passage) -> list[str]:
    scopes = ["ip", passage.plane.value]
    if passage.plane is not Plane.MARKET_DATA:
        scopes.append("key")
    if not passage.is_write:
        scopes.append("reads")
    return scopes
