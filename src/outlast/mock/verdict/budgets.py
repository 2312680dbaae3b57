"""Invariants about how much a client asks: totals, bans and dials."""

from __future__ import annotations

from bisect import bisect_right

from outlast.mock.traffic import Quiet, Row
from outlast.mock.verdict.case import IN_FLIGHT_MS, Argument, Case, Judgement, Offence, judged

__all__ = ["connects_max", "no_ban", "requests_total"]


def requests_total(case: Case, argument: Argument) -> Judgement:
    """The client sent no more requests than the argument; requests without a key count too."""
    assert isinstance(argument, int)
    rows = sorted((row.arrived_ms, row.ordinal) for row in case.truth.traffic.rows(case.account))
    if len(rows) <= argument:
        return Judgement(holds=True, evidence=f"{len(rows)} requests, {argument} allowed")
    at_ms, ordinal = rows[argument]
    text = f"request number {argument + 1} of {len(rows)}, {argument} allowed"
    return judged([Offence(at_ms, ordinal, text)], "")


def no_ban(case: Case, _argument: Argument) -> Judgement:
    """No ban was earned, and no wait that a 429 asked for was cut short.

    A ban is an answer 418 or a dial that was banned, given by the venue's limits (a `banned` that
    the scenario plays is nobody's fault). A wait is the `Retry-After` of a 429, or of a 418: until
    it is over, nothing may be sent to that venue; after -1015 (the order counter) nothing but
    orders is meant. A second's grace is given for what was on its way.
    """
    rows = sorted(case.truth.traffic.rows(case.account), key=lambda r: (r.arrived_ms, r.ordinal))
    offences = [
        Offence(row.settled_ms, row.ordinal, f"{row.venue} banned the client")
        for row in rows
        if row.banned
    ]
    offences += [
        Offence(dial.at_ms, None, f"dial to {dial.kind} met a ban for too many dials")
        for dial in case.truth.conditions.dials
        if dial.outcome == "banned" and dial.account in (None, case.account)
    ]
    offences += _impatience(rows, _waits(case))
    return judged(offences, "no ban, and every Retry-After was waited for")


_Wait = tuple[int, int, int]
"""From, until, and the ordinal of the request whose answer asked for it."""


def _waits(case: Case) -> dict[tuple[str, bool], list[_Wait]]:
    """By (venue, orders only): the waits asked for, overlapping ones joined, in order."""
    asked: dict[tuple[str, bool], list[Quiet]] = {}
    for quiet in case.truth.traffic.quiets:
        if quiet.account in (None, case.account):
            asked.setdefault((quiet.venue, quiet.orders_only), []).append(quiet)
    joined: dict[tuple[str, bool], list[_Wait]] = {}
    for key, quiets in asked.items():
        waits: list[_Wait] = []
        for quiet in sorted(quiets, key=lambda q: q.start_ms):
            if waits and quiet.start_ms <= waits[-1][1]:
                start, end, ordinal = waits[-1]
                waits[-1] = (start, max(end, quiet.end_ms), ordinal)
            else:
                waits.append((quiet.start_ms, quiet.end_ms, quiet.ordinal))
        joined[key] = waits
    return joined


def _impatience(rows: list[Row], waits: dict[tuple[str, bool], list[_Wait]]) -> list[Offence]:
    offences = []
    for (venue, orders_only), spans in waits.items():
        starts = [start for start, _end, _ordinal in spans]
        for row in rows:
            if row.venue != venue or (orders_only and row.endpoint != "orders.create"):
                continue
            index = bisect_right(starts, row.arrived_ms - IN_FLIGHT_MS) - 1
            if index >= 0 and row.arrived_ms < spans[index][1]:
                _start, end, ordinal = spans[index]
                early_s = (end - row.arrived_ms) / 1000
                text = f"{row.endpoint} to {venue} {early_s:.1f} s before the Retry-After "
                text += f"that the answer to request {ordinal} gave was over"
                offences.append(Offence(row.arrived_ms, row.ordinal, text))
    return offences


def connects_max(case: Case, argument: Argument) -> Judgement:
    """The client dialled sockets no more often than the argument, over the whole run."""
    assert isinstance(argument, int)
    dials = [
        dial
        for dial in case.truth.conditions.dials
        if dial.kind.startswith("ws") and dial.account in (None, case.account)
    ]
    if len(dials) <= argument:
        return Judgement(holds=True, evidence=f"{len(dials)} dials, {argument} allowed")
    text = f"dial number {argument + 1} of {len(dials)}, {argument} allowed"
    return judged([Offence(dials[argument].at_ms, None, text)], "")
