"""Invariants about how much a client asks: totals, bans and dials."""

from __future__ import annotations

from outlast.mock.asked import Asked
from outlast.mock.verdict.case import Argument, Case, Findings, Judgement, Offence, judged

__all__ = ["connects_max", "no_ban", "requests_total"]


def requests_total(case: Case, argument: Argument) -> Judgement:
    """The client sent no more requests than the argument; requests without a key count too."""
    assert isinstance(argument, int)
    asked = case.asked
    if asked.requests <= argument:
        return Judgement(holds=True, evidence=f"{asked.requests} requests, {argument} allowed")
    row = asked.beyond[argument]
    text = f"request number {argument + 1} of {asked.requests}, {argument} allowed"
    return judged([Offence(row.arrived_ms, row.ordinal, text)], "")


def no_ban(case: Case, _argument: Argument) -> Judgement:
    """No ban was earned, and no wait that a 429 asked for was cut short.

    A ban is an answer 418 or a dial that was banned, given by the venue's limits (a `banned` that
    the scenario plays is nobody's fault). A wait is the `Retry-After` of a 429, or of a 418: until
    it is over, nothing may be sent to that venue; after -1015 (the order counter) nothing but
    orders is meant. A second's grace is given for what was on its way.
    """
    asked = case.asked
    return judged(
        (),
        "no ban, and every Retry-After was waited for",
        _banned(asked),
        _banned_dials(asked),
        _impatience(asked),
    )


def _banned(asked: Asked) -> Findings:
    row = asked.first_banned
    if row is None:
        return Findings()
    first = Offence(row.settled_ms, row.ordinal, f"{row.venue} banned the client")
    return Findings(asked.banned, first)


def _banned_dials(asked: Asked) -> Findings:
    dial = asked.first_dial_banned
    if dial is None:
        return Findings()
    first = Offence(dial.at_ms, None, f"dial to {dial.kind} met a ban for too many dials")
    return Findings(asked.dials_banned, first)


def _impatience(asked: Asked) -> Findings:
    early = asked.patience.first
    if early is None:
        return Findings()
    row = early.row
    text = f"{row.endpoint} to {row.venue} {early.early_s:.1f} s before the Retry-After "
    text += f"that the answer to request {early.wait.ordinal} gave was over"
    return Findings(asked.patience.count, Offence(row.arrived_ms, row.ordinal, text))


def connects_max(case: Case, argument: Argument) -> Judgement:
    """The client dialled sockets no more often than the argument, over the whole run."""
    assert isinstance(argument, int)
    asked = case.asked
    if asked.dials <= argument:
        return Judgement(holds=True, evidence=f"{asked.dials} dials, {argument} allowed")
    text = f"dial number {argument + 1} of {asked.dials}, {argument} allowed"
    return judged([Offence(asked.dials_beyond[argument].at_ms, None, text)], "")
