"""What must hold in every trial: 15 invariants of safety, 5 of liveness, and the eight promises.

`docs/simulation.md` and the command list this table; the modules of this package check it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

__all__ = ["INVARIANTS", "Invariant", "Kind", "by_slug", "numbered"]


class Kind(Enum):
    SAFETY = "safety"
    """Holds at every instant."""
    LIVENESS = "liveness"
    """Comes true in time, once nothing goes wrong any more."""
    PROMISE = "promise"
    """What a user is told; it rests on invariants, and some have a check of their own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Invariant:
    number: str
    """`1` to `20`, `P1` to `P8`."""
    slug: str
    kind: Kind
    statement: str
    rests_on: tuple[str, ...] = ()
    """Of a promise: the invariants that must hold for it."""
    needs: str = ""
    """The capability without which nothing can be checked yet; empty when it can."""


def _safety(number: int, slug: str, statement: str) -> Invariant:
    return Invariant(number=str(number), slug=slug, kind=Kind.SAFETY, statement=statement)


def _liveness(number: int, slug: str, statement: str, *, needs: str = "") -> Invariant:
    return Invariant(
        number=str(number), slug=slug, kind=Kind.LIVENESS, statement=statement, needs=needs
    )


def _promise(number: int, slug: str, statement: str, *rests_on: str) -> Invariant:
    return Invariant(
        number=f"P{number}", slug=slug, kind=Kind.PROMISE, statement=statement, rests_on=rests_on
    )


INVARIANTS: Final = (
    _safety(
        1,
        "one-order-per-intent",
        "one call makes at most one intent, an intent at most one order that is live or filled, "
        "and the live exits of a position never sum to more than it",
    ),
    _safety(
        2,
        "no-blind-repeat",
        "no order is sent twice unless the attempt before was known not to have been applied",
    ),
    _safety(
        3,
        "verdicts-stand",
        "what the client says of an order is true at the venue, stays true, and never goes back; "
        "a late application beyond the declared horizon is the venue's own contradiction",
    ),
    _safety(
        4,
        "limits-kept",
        "no 429, 418 or -1015 of our causing, and no request before the time that one asked for",
    ),
    _safety(
        5,
        "books-balance",
        "position and balance are the sum of the fills, at the venue at all times and in the "
        "client after a sync; every fill is booked once, as it was",
    ),
    _safety(
        6,
        "nothing-stale-as-fresh",
        "a balance, position or mark that is handed out was true at the venue within its age, and "
        "a position has every fill that the client has heard of",
    ),
    _safety(
        7,
        "safety-lane-first",
        "a cancel or a reducing order never waits behind orders that add risk, or behind data",
    ),
    _safety(
        8,
        "sibling-unaffected",
        "a healthy sibling's requests are those of the same trial without the fault",
    ),
    _safety(
        9,
        "no-risk-before-reconcile",
        "no order that adds risk between the opening of the trading breaker and the end of "
        "reconcile and cool-down",
    ),
    _safety(
        10,
        "retry-budget-balances",
        "every retry was paid for, and no more was spent than earned",
    ),
    _safety(
        11,
        "breaker-generations",
        "no result of an older era moves a breaker, and on the way back no more calls are in "
        "flight than its step allows",
    ),
    _safety(
        12,
        "queues-bounded",
        "every queue keeps its bound, and a closed session leaves no task behind",
    ),
    _safety(
        13,
        "deadlines-kept",
        "no attempt starts after its deadline, and no call outlasts the one it was given",
    ),
    _safety(
        14,
        "evidence-complete",
        "each request that the venue got is one attempt in the journal, with its outcome, and the "
        "other way round",
    ),
    _safety(
        15,
        "crash-safe",
        "an intent is in the journal before its request arrives; a restart forgets nothing that "
        "the disk kept, uses no id again, and its chain verifies",
    ),
    _liveness(
        16,
        "intents-end",
        "every intent is known, live or ended, within its horizon + 30 s",
    ),
    _liveness(
        17,
        "breakers-close",
        "breakers are closed and new risk is taken within 60 s + cool-down",
    ),
    _liveness(
        18,
        "caches-fresh",
        "balances and positions can be read as fresh within 30 s and one poll",
    ),
    _liveness(
        19,
        "nothing-unknown-or-orphaned",
        "no order is unknown, and every open order at the venue is one that the client holds open",
    ),
    _liveness(
        20,
        "dead-mans-switch-armed",
        "the dead man's switch is armed again",
        needs="Session.dead_mans_switch",
    ),
    _promise(
        1,
        "p1-one-live-order",
        "one intent, at most one live order; a lost answer is settled, never repeated",
        "one-order-per-intent",
        "no-blind-repeat",
    ),
    _promise(
        2,
        "p2-unknown-ends-by-proof",
        "unknown ends by an answer or by the venue's own proof of absence, never by a timer",
        "verdicts-stand",
        "crash-safe",
    ),
    _promise(
        3,
        "p3-limits-never-exceeded",
        "the venue's limits are never exceeded, in an outage least of all",
        "limits-kept",
        "retry-budget-balances",
    ),
    _promise(
        4,
        "p4-exits-never-shed",
        "cancels and reducing orders are never shed while the venue takes any request",
        "safety-lane-first",
    ),
    _promise(
        5,
        "p5-untrue-never-as-true",
        "what may be untrue is never handed out as true",
        "nothing-stale-as-fresh",
        "books-balance",
    ),
    _promise(
        6,
        "p6-failure-stays-where-it-is",
        "a breaker opens by failures of its own plane alone; the others trade on",
        "sibling-unaffected",
    ),
    _promise(
        7,
        "p7-return-in-steps",
        "after an outage: reconcile, cool down, return in steps; a relapse steps back",
        "no-risk-before-reconcile",
        "breaker-generations",
    ),
    _promise(
        8,
        "p8-shown-without-secrets",
        "everything can be shown afterwards, in order, without a secret in it",
        "evidence-complete",
        "crash-safe",
    ),
)

by_slug: Final[Mapping[str, Invariant]] = {i.slug: i for i in INVARIANTS}


def numbered(number: str) -> Invariant:
    """The invariant of this number: `7`, `P4`."""
    return next(i for i in INVARIANTS if i.number == number)
