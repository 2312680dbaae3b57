"""Invariants about single orders: one intent, at most one order, and nobody left in the dark."""

from __future__ import annotations

from bisect import bisect_left

from outlast.mock.conditions import utc
from outlast.mock.intents import Intent, Unknown
from outlast.mock.traffic import QUERIES
from outlast.mock.verdict.case import Argument, Case, Judgement, Offence, judged

__all__ = ["attempts_per_intent", "no_duplicate_exposure", "no_orphans", "unknowns_resolved"]


def no_duplicate_exposure(case: Case, _argument: Argument) -> Judgement:
    """No intent ever had a second order that was live or filled.

    A repeat after the venue has proved the first absent is fine: then only one landed.
    """
    offences = []
    for intent in case.intents:
        first = next((order for order in intent.orders if order.existed), None)
        offences += [
            Offence(
                extra.created_ms,
                _ordinal_of(intent, extra.order_id),
                f"a second order for one intent ({intent.describe()}): {extra}, besides {first}",
            )
            for extra in intent.duplicates()
        ]
    return judged(offences, f"{len(case.intents)} intents, none with a second order")


def _ordinal_of(intent: Intent, order_id: int) -> int | None:
    for send in intent.sends:
        if any(order.order_id == order_id for order in send.orders):
            return send.record.ordinal
    return None


def no_orphans(case: Case, _argument: Argument) -> Judgement:
    """By the end the client was shown every order that was live or filled, whoever made it."""
    offences = [
        Offence(order.created_ms, None, f"never shown to the client: {order}")
        for order in case.truth.lost(case.account)
    ]
    return judged(offences, "every order that was live or filled was shown to the client")


def unknowns_resolved(case: Case, argument: Argument) -> Judgement:
    """Each send with an open fate is resolved within the argument (seconds) of the venue answering.

    The clock starts with the first complete answer to `orders.query`, `orders.open` or
    `fills.query` of this account on that venue after the ambiguous reply. A client that asked in
    vain starts it with the last time it asked, one that never asked with the ambiguous reply. What
    is not yet due when the run ends is no breach here.
    """
    assert isinstance(argument, int | float)
    limit_ms = round(argument * 1000)
    found = case.truth.unknowns(case.account)
    asked, answered = _queries(case)
    offences = []
    for unknown in found:
        venue = unknown.send.record.venue
        start = _able_ms(unknown, asked.get(venue, []), answered.get(venue, []))
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
    return judged(offences, f"{len(found)} unknown outcomes, each resolved within {argument:g} s")


def _queries(case: Case) -> tuple[dict[str, list[int]], dict[str, list[int]]]:
    """When this account's queries were settled, by venue: all of them, and those answered."""
    asked: dict[str, list[int]] = {}
    answered: dict[str, list[int]] = {}
    for row in case.truth.traffic.rows(case.account):
        if row.endpoint not in QUERIES:
            continue
        asked.setdefault(row.venue, []).append(row.settled_ms)
        if row.complete:
            answered.setdefault(row.venue, []).append(row.settled_ms)
    for times in (*asked.values(), *answered.values()):
        times.sort()
    return asked, answered


def _able_ms(unknown: Unknown, asked: list[int], answered: list[int]) -> int:
    """When the venue could answer again, as far as this client can know; both lists in order."""
    first = bisect_left(answered, unknown.since_ms)
    if first < len(answered):
        return answered[first]
    return max(asked[-1], unknown.since_ms) if asked else unknown.since_ms


def attempts_per_intent(case: Case, argument: Argument) -> Judgement:
    """No intent was sent more often than the argument."""
    assert isinstance(argument, int)
    most = max((len(intent.sends) for intent in case.intents), default=0)
    offences = [
        Offence(
            intent.sends[argument].at_ms,
            intent.sends[argument].record.ordinal,
            f"attempt {argument + 1} of {len(intent.sends)} for one intent ({intent.describe()}), "
            f"{argument} allowed",
        )
        for intent in case.intents
        if len(intent.sends) > argument
    ]
    return judged(offences, f"at most {most} attempts for one intent, {argument} allowed")
