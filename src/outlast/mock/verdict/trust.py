"""Invariants about believing: no trade on prices, marks or balances that are not true."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Final

from outlast.mock.belief import StaleMark
from outlast.mock.conditions import Steps
from outlast.mock.intents import Send
from outlast.mock.scenario.model import Scenario
from outlast.mock.verdict.case import IN_FLIGHT_MS, Argument, Case, Judgement, Offence, judged

__all__ = ["no_trade_on_untrusted", "notice_of", "stale_within", "untrusting_offences"]

NOTICE_MS: Final = 5_000
"""How long a lie must have lasted before anybody is blamed for not seeing it, unless the scenario's
`stale_within` says otherwise."""
GIVEN_AWAY: Final = Decimal("0.10")
"""A limit price this far on the wrong side of the peers' price gives money away."""
ACCOUNT_LIES: Final = ("balances:", "positions:")
_LONG_AGO_MS: Final = -1


# --- no_trade_on_untrusted -----------------------------------------------------------------------


def no_trade_on_untrusted(case: Case, argument: Argument) -> Judgement:
    """While prices, mark or account answers are untrue, nothing is traded on them.

    Untrue means, for longer than `stale_within` (else 5 s): the venue's price or the mark is more
    than 2 % off the peers' price, the mark is frozen or shifted, or account answers lie; the last
    also as long as the last answer about the account that the client got was a lie. A stale picture
    of the account is a lie from the first change on that it does not show: while it shows what is
    true, nothing in the world could tell that it is old. Meanwhile:

    - no order that adds exposure is sent;
    - no limit price is more than 10 % worse than the peers' price (buying above, selling below);
    - no exit is larger than the true position by more than the quantity step while accounts lie.
    """
    return judged(
        untrusting_offences(case, case.fresh_sends()),
        "nothing was traded on untrue prices, marks or account answers",
        case.past.found("no_trade_on_untrusted", argument),
    )


def untrusting_offences(case: Case, sends: Iterable[Send]) -> list[Offence]:
    """Those of the sends that trade on what is not true."""
    notice_ms = notice_of(case.scenario)
    lied_answers = _lied_answers(case)
    offences = []
    for send in sends:
        venue, at_ms = send.record.venue, send.at_ms
        price_doubt = _price_doubt(case, send, notice_ms)
        told_lies = lied_answers.get(venue)
        account_doubt = _lie_doubt(case, venue, at_ms, notice_ms, ACCOUNT_LIES) or (
            "the last answer about the account was a lie"
            if told_lies is not None and told_lies.at(at_ms, False)
            else ""
        )
        doubt = price_doubt or account_doubt
        if not doubt:
            continue
        problem = _adds(send) or _gives_away(case, send)
        if not problem and account_doubt:
            problem, doubt = _oversized(case, send), account_doubt
        if problem:
            offences.append(Offence(at_ms, send.record.ordinal, f"{problem} while {doubt}"))
    return offences


def notice_of(scenario: Scenario) -> int:
    """How long a lie must have lasted, in milliseconds, before anybody is blamed."""
    wanted = scenario.expectation("stale_within")
    if wanted is None or not isinstance(wanted.argument, int | float):
        return NOTICE_MS
    return round(wanted.argument * 1000)


def _price_doubt(case: Case, send: Send, notice_ms: int) -> str:
    """Why the prices of this order's instrument were not to be trusted, and had not been for
    `notice_ms`."""
    venue, at_ms = send.record.venue, send.at_ms
    quotes = case.truth.quotes(venue, send.facts.symbol)
    if quotes is not None:
        seen = quotes.within(at_ms - notice_ms, at_ms, None)
        doubts = ["" if quote is None else quote.doubt() for quote in seen]
        if all(doubts):
            return doubts[-1]
    return _lie_doubt(case, venue, at_ms, notice_ms, ("mark:",))


def _lie_doubt(case: Case, venue: str, at_ms: int, notice_ms: int, about: tuple[str, ...]) -> str:
    """The lies about `about` that hold now and held `notice_ms` ago."""
    conditions = case.truth.conditions
    then, now = (
        [
            lie
            for lie in conditions.lies_at(instant, venue)
            if lie.startswith(about) and _is_untrue(case, venue, lie, instant)
        ]
        for instant in (at_ms - notice_ms, at_ms)
    )
    if not then or not now:
        return ""
    return "the venue lies (" + ", ".join(now) + ")"


def _is_untrue(case: Case, venue: str, lie: str, at_ms: int) -> bool:
    """Whether what a lie shows was another than the truth; only a stale picture may show it."""
    about, _, how = lie.partition(":")
    history = case.truth.history.at(venue, case.account)
    if how != "stale" or history is None:
        return True
    now = case.truth.standing(venue, case.account)
    if now is not None and now.told_until_ms <= at_ms:
        return True  # changes of then are still to be reported
    taken_ms = max(
        (
            start
            for what, start, _ in case.truth.conditions.lies_about(venue, about)
            if what == lie and start <= at_ms
        ),
        default=at_ms,
    )
    amounts = history.balances if about == "balances" else history.positions
    return any(
        amount.true.at(taken_ms, None) != amount.true.at(at_ms, None) for amount in amounts.values()
    )


def _lied_answers(case: Case) -> dict[str, Steps[bool]]:
    """By venue: whether the last answer about the account that the client got was a lie."""
    heard: dict[str, Steps[bool]] = {}
    for venue, lied in case.past.asked.lied.items():
        heard.setdefault(venue, Steps()).put(_LONG_AGO_MS, lied)
    rows = case.truth.traffic.rows(case.account)
    for row in sorted(rows, key=lambda row: (row.settled_ms, row.ordinal)):
        if "balances" in row.pictures or "positions" in row.pictures:
            heard.setdefault(row.venue, Steps()).put(row.settled_ms, row.lied)
    return heard


def _adds(send: Send) -> str:
    if send.facts.reduces:
        return ""
    qty = "everything" if send.facts.qty is None else f"{send.facts.qty:f}"
    return f"{send.facts.side.lower()} {qty} {send.facts.symbol} adds exposure"


def _gives_away(case: Case, send: Send) -> str:
    facts, venue = send.facts, send.record.venue
    quotes = case.truth.quotes(venue, facts.symbol)
    quote = None if quotes is None else quotes.at(send.at_ms, None)
    if facts.price is None or quote is None or quote.peer_price <= 0:
        return ""
    share = facts.price / quote.peer_price - 1
    worse = share if facts.side.lower() == "buy" else -share
    if worse <= GIVEN_AWAY:
        return ""
    return (
        f"{facts.side.lower()} {facts.symbol} at {facts.price:f} gives {worse * 100:.1f} % away "
        f"(peers trade at {quote.peer_price:f})"
    )


def _oversized(case: Case, send: Send) -> str:
    """An exit larger than what is held: sized from an answer, not from the truth."""
    facts, venue = send.facts, send.record.venue
    history = case.truth.history.at(venue, case.account)
    symbol = case.truth.traded_as(venue, facts.symbol)
    if facts.qty is None or history is None or symbol not in history.positions:
        return ""
    if send.at_ms < history.opened_ms:
        return ""  # nobody's, from before there was this account
    track = history.positions[symbol].true
    lately = track.within(send.at_ms - IN_FLIGHT_MS, send.at_ms, Decimal(0))
    held = max(abs(qty) for qty in [track.before(send.at_ms, Decimal(0)), *lately])
    if facts.qty <= held + case.truth.qty_step(venue, symbol):
        return ""
    return f"an exit of {facts.qty:f} {facts.symbol} is larger than the position of {held:f}"


# --- stale_within --------------------------------------------------------------------------------


def stale_within(case: Case, argument: Argument) -> Judgement:
    """The bot took each book for untrue within the argument (seconds) of its becoming so.

    When a book becomes untrue is the mock's truth (`lies` about `book`), when the bot noticed is
    its own word: `stale` in the belief. Judged are lies that outlast the argument, on venues that
    the client read market data from. Without `stale`, or without such a lie, nothing is judged.
    """
    assert isinstance(argument, int | float)
    limit_ms = round(argument * 1000)
    if case.belief is None or case.belief.stale is None:
        return Judgement(holds=True, evidence="nothing to judge: no `stale` events were handed in")
    offences, judged_lies = [], 0
    for venue, what, start, until in _book_lies(case):
        due = start + limit_ms
        if due > min(case.end_ms, until):
            continue
        judged_lies += 1
        symbol = what.partition(":")[2]
        marks = [m for m in case.belief.stale if _is_about(case, m, venue, symbol)]
        if not any(m.at_ms <= due and (m.until_ms is None or m.until_ms > start) for m in marks):
            named = f"the book of {symbol}" if symbol else "the books"
            text = f"{named} on {venue} became untrue and the bot did not say so within "
            text += f"{argument:g} s"
            offences.append(Offence(start, None, text))
    if judged_lies == 0:
        return Judgement(holds=True, evidence="nothing to judge: no book was untrue long enough")
    return judged(offences, f"{judged_lies} untrue books, each noticed within {argument:g} s")


def _book_lies(case: Case) -> Iterator[tuple[str, str, int, int]]:
    """(venue, what, from, until) of the untrue books on venues that the client read."""
    read = case.asked.read
    for venue in case.scenario.venues:
        if venue in read or "" in read:
            for what, start, until in case.truth.conditions.lies_about(venue, "book"):
                yield venue, what, start, case.end_ms if until is None else until


def _is_about(case: Case, mark: StaleMark, venue: str, symbol: str) -> bool:
    if not symbol:
        return True
    return case.truth.traded_as(venue, mark.symbol) == case.truth.traded_as(venue, symbol)
