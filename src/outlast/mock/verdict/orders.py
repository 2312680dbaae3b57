"""Invariants about single orders: one intent, at most one order, and nobody left in the dark."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator

from outlast.mock.conditions import utc
from outlast.mock.history import OrderHistory
from outlast.mock.intents import Intent, Unknown
from outlast.mock.verdict.case import Argument, Case, Judgement, Offence, judged

__all__ = [
    "attempts_offences",
    "attempts_per_intent",
    "duplicate_offences",
    "no_duplicate_exposure",
    "no_orphans",
    "orphan",
    "unknown_offences",
    "unknowns_resolved",
    "with_able",
]


def no_duplicate_exposure(case: Case, argument: Argument) -> Judgement:
    """No intent ever had a second order that was live or filled.

    A repeat after the venue has proved the first absent is fine: then only one landed.
    """
    offences = [offence for intent in case.intents for offence in duplicate_offences(intent)]
    count = case.past.intents + len(case.intents)
    return judged(
        offences,
        f"{count} intents, none with a second order",
        case.past.found("no_duplicate_exposure", argument),
    )


def duplicate_offences(intent: Intent) -> list[Offence]:
    """Every order of the intent beyond the first."""
    first = next((order for order in intent.orders if order.existed), None)
    return [
        Offence(
            extra.created_ms,
            _ordinal_of(intent, extra.order_id),
            f"a second order for one intent ({intent.describe()}): {extra}, besides {first}",
        )
        for extra in intent.duplicates()
    ]


def _ordinal_of(intent: Intent, order_id: int) -> int | None:
    for send in intent.sends:
        if any(order.order_id == order_id for order in send.orders):
            return send.record.ordinal
    return None


def no_orphans(case: Case, argument: Argument) -> Judgement:
    """By the end the client was shown every order that was live or filled, whoever made it."""
    offences = [orphan(order) for order in case.truth.lost(case.account)]
    return judged(
        offences,
        "every order that was live or filled was shown to the client",
        case.past.found("no_orphans", argument),
    )


def orphan(order: OrderHistory) -> Offence:
    text = f"never shown to the client: {order}"
    return Offence(order.created_ms, None, text, order.order_id)


def unknowns_resolved(case: Case, argument: Argument) -> Judgement:
    """Each send with an open fate is resolved within the argument (seconds) of the venue answering.

    The clock starts with the first complete answer to `orders.query`, `orders.open` or
    `fills.query` of this account on that venue after the ambiguous reply. A client that asked in
    vain starts it with the last time it asked, one that never asked with the ambiguous reply. What
    is not yet due when the run ends is no breach here.
    """
    assert isinstance(argument, int | float)
    found = case.truth.unknowns(case.account)
    return judged(
        unknown_offences(case, argument, found),
        f"{case.past.unknowns + len(found)} unknown outcomes, each resolved within {argument:g} s",
        case.past.found("unknowns_resolved", argument),
    )


def unknown_offences(case: Case, argument: float, found: Iterable[Unknown]) -> list[Offence]:
    """Those of the unknown outcomes that took too long."""
    limit_ms = round(argument * 1000)
    offences = []
    for unknown, able_ms in with_able(case, found):
        start = _last_asked(case, unknown) if able_ms is None else able_ms
        due = start + limit_ms
        late = unknown.resolved_ms is None or unknown.resolved_ms > due
        if not late or case.end_ms < due:
            continue
        when = (
            "never"
            if unknown.resolved_ms is None
            else f"only {(unknown.resolved_ms - start) / 1000:.1f} s later"
        )
        offences.append(
            Offence(
                unknown.since_ms,
                unknown.send.record.ordinal,
                f"{unknown.describe()}; to be resolved within {argument:g} s of "
                f"{utc(start)}, resolved {when}",
            )
        )
    return offences


def with_able(case: Case, found: Iterable[Unknown]) -> Iterator[tuple[Unknown, int | None]]:
    """Each with when the venue first answered a query after it; None while it has not."""
    answered: dict[str, list[int]] = {}
    for row in case.truth.traffic.answers(case.account):
        answered.setdefault(row.venue, []).append(row.settled_ms)
    for times in answered.values():
        times.sort()
    for unknown in found:
        able_ms = unknown.send.able_ms
        if able_ms is None:
            times = answered.get(unknown.send.record.venue, [])
            first = bisect_left(times, unknown.since_ms)
            able_ms = times[first] if first < len(times) else None
        yield unknown, able_ms


def _last_asked(case: Case, unknown: Unknown) -> int:
    """When the client last asked in vain; never: when it came not to know."""
    asked_ms = case.asked.asked_ms.get(unknown.send.record.venue, unknown.since_ms)
    return max(asked_ms, unknown.since_ms)


def attempts_per_intent(case: Case, argument: Argument) -> Judgement:
    """No intent was sent more often than the argument."""
    assert isinstance(argument, int)
    most = max((intent.attempts for intent in case.intents), default=0)
    return judged(
        attempts_offences(argument, case.intents),
        f"at most {max(most, case.past.attempts)} attempts for one intent, {argument} allowed",
        case.past.found("attempts_per_intent", argument),
    )


def attempts_offences(argument: int, intents: Iterable[Intent]) -> list[Offence]:
    """Those of the intents that were sent too often."""
    return [
        Offence(
            *intent.attempt(argument),
            f"attempt {argument + 1} of {intent.attempts} for one intent ({intent.describe()}), "
            f"{argument} allowed",
        )
        for intent in intents
        if intent.attempts > argument
    ]
