"""Invariants about knowing: the client's picture at the end, and the evidence it keeps."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Final

from outlast.mock.belief import OPEN, BeliefError, VenueBelief, same_status
from outlast.mock.engine.model import OrderStatus
from outlast.mock.history import AccountHistory, OrderHistory, Tracked
from outlast.mock.verdict.case import Argument, Case, Judgement, Offence, judged

__all__ = ["evidence_complete", "reconciled_by_end", "unread"]

ZERO: Final = Decimal(0)
_AFTER_ORDERS: Final = 1 << 62
SETTLE_MS: Final = 10_000
"""What changed this shortly before the end could not be read any more."""


# --- reconciled_by_end ---------------------------------------------------------------------------


def reconciled_by_end(case: Case, argument: Argument) -> Judgement:
    """By the end the client knows its orders, positions and balances as they truly are.

    On a venue that the belief speaks of, what it says is compared exactly with the truth at the
    end: an order as the venue reports it, an amount as its reports show it or as the engine has it
    (the account's own page may be ahead of reports that are late). On the others: after the last
    change of each, the client got a true and complete answer about it, that is about each changed
    order or the list of open orders, about the positions, and about the balances. Not asked for is
    a change that the venue does not report yet (`fills_delay`), or one in the last ten seconds;
    nothing changed needs no answer.

    Ended orders that are not kept any more are not compared: as many names that the belief has for
    orders that ended, and that are not known here, are taken for theirs.
    """
    offences: list[Offence] = []
    compared = []
    for history in case.truth.history.of(case.account):
        belief = _belief_of(case, history.venue)
        if belief is None:
            offences += _unread(case, history)
        else:
            compared.append(history.venue)
            offences += _differences(case, history, belief)
    if compared:
        return judged(offences, f"the belief equals the truth on {', '.join(compared)}")
    return judged(
        offences,
        "after every change the client got a true and complete answer about it",
        case.past.unread.findings(case.asked.pictures),
    )


def _belief_of(case: Case, venue: str) -> VenueBelief | None:
    """What the bot believes of `venue`; None when it says nothing of it."""
    belief = case.belief
    if belief is None:
        return None
    if venue in belief.venues:
        return belief.venues[venue]
    if belief.anywhere == VenueBelief():
        return None
    talked_to = case.truth.traffic.venues(case.account) or list(case.scenario.venues)
    if len(talked_to) > 1:
        raise BeliefError(
            "belief: orders, positions and balances name no venue, but the bot traded on "
            f"{', '.join(talked_to)}; put them under `venues`, keyed by venue"
        )
    return belief.anywhere if talked_to == [venue] else None


def _differences(case: Case, history: AccountHistory, belief: VenueBelief) -> Iterator[Offence]:
    if belief.orders is not None:
        yield from _order_differences(case, history, belief.orders)
    now = case.truth.standing(history.venue, case.account)
    if belief.positions is not None:
        believed = {case.truth.traded_as(history.venue, s): q for s, q in belief.positions.items()}
        held = now.positions if now is not None else {}
        yield from _amount_differences(
            case, "position of", believed, history.positions, held, _exact
        )
    if belief.balances is not None:
        shown = case.truth.shown_balances.get(history.venue, _exact)
        owned = now.balances if now is not None else {}
        yield from _amount_differences(
            case, "balance of", belief.balances, history.balances, owned, shown
        )


def _order_differences(
    case: Case, history: AccountHistory, believed: Mapping[str, str]
) -> Iterator[Offence]:
    end = case.end_ms
    # An id is unique among open orders only; the newest namesake is the one that is meant.
    newest = {order.client_order_id or str(order.order_id): order for order in _in_order(history)}
    ids = {str(order.order_id) for order in history.orders.values()}
    strange = {
        name: said
        for name, said in sorted(believed.items())
        if name not in newest and name not in ids and said not in ("absent", "rejected")
    }
    for name, order in sorted(newest.items(), key=lambda item: _has_fired(item[1])):
        true = "absent" if order.vanished else _word(order.status)
        said = believed.get(name, believed.get(str(order.order_id)))
        if order.visible_ms > end:
            continue  # the venue itself does not say so yet
        if said is None and not order.client_order_id:
            # The wire has a name for it that the venue made up: it is told by its state.
            wire_name = next((n for n in strange if same_status(strange[n], true)), "")
            said = strange.pop(wire_name, None)
        if said is None:
            if order.existed and not order.vanished and not _has_fired(order):
                yield Offence(end, None, f"the belief does not know {order}")
        elif not same_status(said, true) and not _had_ended(order, said):
            yield Offence(end, None, f"the belief has {name} as {said!r}, in truth {order}")
    ended = [name for name, said in strange.items() if said not in (OPEN, "partially_filled")]
    for name in ended[: history.dropped_orders]:
        del strange[name]
    for name, said in strange.items():
        yield Offence(end, None, f"the belief has {name} as {said!r}; no such order exists")


def _has_fired(order: OrderHistory) -> bool:
    """It was conditional and became another order, which is compared by itself.

    Some venues show the two as one, so that only the later one has a name there.
    """
    return order.end_reason == "triggered" and not order.client_order_id


def _in_order(history: AccountHistory) -> list[OrderHistory]:
    return sorted(history.orders.values(), key=lambda order: (order.created_ms, order.order_id))


def _had_ended(order: OrderHistory, said: str) -> bool:
    """It ended as the belief has it, and only then its record vanished: both are true of it."""
    if order.ended_ms is None or order.voided_ms is None or order.ended_ms >= order.voided_ms:
        return False
    return same_status(said, _word(order.status))


def _word(status: OrderStatus) -> str:
    return OPEN if status in (OrderStatus.NEW, OrderStatus.UNTRIGGERED) else status.value


def _exact(_name: str, amount: Decimal) -> Decimal:
    return amount


def _amount_differences(
    case: Case,
    what: str,
    believed: Mapping[str, Decimal],
    tracked: Mapping[str, Tracked],
    now: Mapping[str, Decimal],
    shown: Callable[[str, Decimal], Decimal],
) -> Iterator[Offence]:
    for name in sorted({*believed, *tracked}):
        said = believed.get(name, ZERO)
        true = tracked[name].reported.at(case.end_ms, ZERO) if name in tracked else ZERO
        actual = now.get(name, true)
        if said not in (true, shown(name, true), actual, shown(name, actual)):
            text = f"the belief has a {what} {name} of {said:f}, in truth it is {true:f}"
            yield Offence(case.end_ms, None, text)


def _unread(case: Case, history: AccountHistory) -> Iterator[Offence]:
    """What changed in the account and was not truly and completely answered afterwards."""
    due = case.end_ms - SETTLE_MS
    pictures, venue = case.asked.pictures, history.venue
    for order in history.orders.values():
        offence = unread(case, history, order)
        if offence is not None and offence.at_ms <= due:
            yield offence
    for what, tracked in (("positions", history.positions), ("balances", history.balances)):
        for name, quantity in sorted(tracked.items()):
            since = quantity.reported.since(due)
            if since is None or since <= history.opened_ms:
                continue
            if pictures.get((venue, what), -1) >= since:
                continue
            value = quantity.reported.at(due, ZERO)
            text = f"no true and complete answer about {what} after {name} became {value:f}"
            yield Offence(since, None, text, _AFTER_ORDERS)


def unread(case: Case, history: AccountHistory, order: OrderHistory) -> Offence | None:
    """The breach that an order is of whose last change the client got no answer about."""
    changed = order.voided_ms if order.vanished else order.visible_ms
    quiet = order.from_the_start and order.visible_ms <= history.opened_ms
    never_mattered = not order.existed or (order.vanished and order.shown_ms is None)
    if changed is None or quiet or never_mattered:
        return None
    known = order.shown_state_ms or -1
    if order.vanished:
        absent = case.truth.absent_times(case.account, history.venue, order.client_order_id)
        known = max(absent, default=-1)
    if max(known, case.asked.pictures.get((history.venue, "open_orders"), -1)) >= changed:
        return None
    return Offence(changed, None, f"no answer after its last change: {order}", order.order_id)


# --- evidence_complete ---------------------------------------------------------------------------


def evidence_complete(case: Case, _argument: Argument) -> Judgement:
    """The bot's journal has a verified chain and one record of every request that arrived here.

    More requests than arrived are fine: some never left the bot's house.
    """
    journal = None if case.belief is None else case.belief.journal
    if journal is None:
        return Judgement(holds=False, evidence="no journal was handed in")
    arrived = case.asked.requests
    problems = []
    if not journal.verified:
        problems.append("the chain of the journal was not verified")
    if journal.doubled:
        problems.append(f"{journal.doubled} requests are journaled more than once")
    if journal.requests < arrived:
        problems.append(f"{journal.requests} requests are journaled and {arrived} arrived")
    if journal.records < journal.requests:
        problems.append(f"{journal.records} records cannot hold {journal.requests} requests")
    if problems:
        return Judgement(holds=False, evidence="; ".join(problems))
    return Judgement(
        holds=True,
        evidence=f"verified, {journal.requests} requests journaled, {arrived} arrived",
    )
