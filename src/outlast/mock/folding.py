"""Letting go of what is closed, so that the truth of an endless run stays small.

Up to an instant before which nothing is reported any more, everything that depends on its own time
alone is judged once and kept as sums (`past.py`). Whole stay:

- every order that the venue still knows, with the intent that it belongs to;
- a send with an open fate, or whose order was never shown: the newest `open_max`, older ones are
  taken as they stand;
- an intent that may still go on, because the client has not been told of an order of it: the newest
  `refused_max` sends that came to nothing, and as many intents of which no send is left.

Beyond these bounds a verdict may take a late repeat for a new intent, or an unknown order for
never resolved. Everything else comes out as if all had been kept.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from outlast.mock.history import AccountHistory, OrderHistory
from outlast.mock.intents import Intent, Send, Unknown, sends_of
from outlast.mock.past import Exposure, bounds_of
from outlast.mock.scorecard import exit_of, held_before, is_refused_exit, willing_for
from outlast.mock.verdict.case import Case
from outlast.mock.verdict.knowledge import SETTLE_MS, unread
from outlast.mock.verdict.orders import (
    attempts_offences,
    duplicate_offences,
    orphan,
    unknown_offences,
    with_able,
)
from outlast.mock.verdict.risk import early_offences, outstanding, risky_offences
from outlast.mock.verdict.trust import notice_of, untrusting_offences

if TYPE_CHECKING:
    from outlast.mock.truth import Truth

__all__ = ["fold"]

LOOK_BACK_MS: Final = 60_000
"""How long before the present what was held and quoted may still be asked for; longer where the
scenario gives more time to notice a lie."""


def fold(truth: Truth, until_ms: int, *, open_max: int, refused_max: int) -> None:
    """Let go of what is closed, knowing that nothing before `until_ms` is reported any more."""
    folds = [_Fold(truth, account, until_ms) for account in truth.begin_pasts()]
    for one in folds:
        one.judge_fresh()
    truth.take_asked(until_ms)
    for one in folds:
        one.drop_closed()
    _drop_oldest(folds, open_max, refused_max)
    for one in folds:
        one.finish()
    kept = {id(send.record) for one in folds for send in one.past.runs.sends}
    truth.traffic.keep_writes(until_ms, lambda record: id(record) in kept)
    truth.forget_before(until_ms - LOOK_BACK_MS - notice_of(truth.scenario))


class _Fold:
    """One account's share."""

    def __init__(self, truth: Truth, account: str, until_ms: int) -> None:
        self.past = truth.past(account)
        self.going_on: dict[int, Intent] = {}
        """The intents that stay although the venue knows nothing of them, oldest first."""
        self._truth, self._account, self._until_ms = truth, account, until_ms
        self._case = Case(truth, account, None)
        self._histories = truth.history.of(account)
        self._by_venue = {history.venue: history for history in self._histories}
        self._unknowns: dict[tuple[int, int], Unknown] = {}
        self._closed: set[int] = set()
        self._dropped: set[tuple[int, int]] = set()
        self._stay: list[Intent] = []
        self._intents: list[Intent] = []
        self._expect = [(e.name, e.argument) for e in truth.scenario.expect]
        self._bounds = bounds_of(truth.scenario, "attempts_per_intent")
        self._limits_ms = [
            round(limit * 1000)
            for name, limit in self._expect
            if name == "unknowns_resolved" and isinstance(limit, int | float)
        ]
        self._fates: list[Send] = []

    # -- judging what has come --------------------------------------------------------------

    def judge_fresh(self) -> None:
        """Take the sends that have come, and judge them as far as their own time decides."""
        case, past, until_ms = self._case, self.past, self._until_ms
        fresh = [send for send in case.fresh_sends() if send.at_ms < until_ms]
        for name, argument in self._expect:
            if name == "no_trade_on_untrusted":
                past.found(name, argument).add(untrusting_offences(case, fresh))
            elif name == "risk_first":
                past.found(name, argument).add(risky_offences(case, fresh))
        wanted, unsettled = outstanding(case, until_ms)
        self._follow_exits([send for send in fresh if send.facts.reduces])
        for unknown, able_ms in with_able(case, self._truth.unknowns(self._account)):
            unknown.send.able_ms = able_ms
            self._unknowns[unknown.send.key] = unknown
        writes = self._truth.traffic.fresh_writes(self._account)
        taken = [send for send in sends_of(writes) if send.at_ms < until_ms]
        self._intents = past.runs.take(taken, self._histories)
        self._note_fates()
        past.exits_wanted, past.cancels_unsettled = wanted, unsettled
        past.until_ms = until_ms
        self._truth.look_away(self._account)

    def _follow_exits(self, exits: list[Send]) -> None:
        past = self.past
        if past.exposure is None and exits:
            start_ms = exits[0].at_ms
            past.exposure = Exposure(start_ms, held_before(self._histories, start_ms))
        if past.exposure is not None:
            past.exposure.follow(self._histories, self._until_ms)

    def _note_fates(self) -> None:
        """What is known by now of what the client came to know stays so."""
        runs = self.past.runs
        taken = [send for intent in self._intents for send in intent.sends]
        for send in (*runs.sends, *runs.fates, *taken):
            if send.facts.reduces and send.willing is None:
                send.willing = willing_for(self._truth, self._account, send)
            unknown = self._unknowns.get(send.key)
            if unknown is None:
                continue
            if send.able_ms is None and _is_before(unknown.send.able_ms, self._until_ms):
                send.able_ms = unknown.send.able_ms
            if not self.is_busy(send) and _is_before(unknown.resolved_ms, self._until_ms):
                send.resolved_ms = unknown.resolved_ms

    # -- letting go -------------------------------------------------------------------------

    def drop_closed(self) -> None:
        """Close the intents that nothing can be added to any more."""
        for intent in self._intents:
            if any(map(self.is_busy, intent.sends)) or any(map(self._is_live, intent.orders)):
                self._stay.append(intent)
                continue
            told_ms = intent.told_ms()
            is_over = told_ms is not None and told_ms <= self._until_ms
            open_fates = [send for send in intent.sends if not self._is_settled(send)]
            may_end = not any(send.orders for send in open_fates)
            if is_over and may_end and not any(map(self._is_missed, intent.orders)):
                for send in open_fates:
                    intent.drop(send, self._bounds)
                    self._fates.append(send.bare())
                self.close(intent)
            else:
                self.going_on[intent.number] = intent
        fates, self.past.runs.fates = self.past.runs.fates, []
        for send in fates:
            if self._is_settled(send):
                self._count([send])
            else:
                self._fates.append(send)

    def is_busy(self, send: Send) -> bool:
        """Whether the scenario may still land what it asks for, or make it vanish."""
        busy_ms = send.record.busy_until_ms
        return busy_ms is not None and busy_ms >= self._until_ms

    def _is_live(self, order: OrderHistory) -> bool:
        """Whether the venue, or an answer under way, may still tell of the order."""
        forgotten_ms = order.forgotten_ms
        if forgotten_ms is None or forgotten_ms >= self._until_ms:
            return True
        return max(order.visible_ms, order.voided_ms or 0) > self._until_ms - SETTLE_MS

    def _is_missed(self, order: OrderHistory) -> bool:
        """Whether the client may still be told that an order it knew has vanished."""
        history = self._by_venue[order.venue]
        return order.vanished and unread(self._case, history, order) is not None

    def _is_settled(self, send: Send) -> bool:
        """Whether what became of it, and whether in time, is known for good."""
        unknown = self._unknowns.get(send.key)
        if unknown is None:
            return True
        able_ms, resolved_ms = unknown.send.able_ms, unknown.resolved_ms
        if resolved_ms is not None and resolved_ms < self._until_ms:
            return _is_before(able_ms, self._until_ms) or all(
                resolved_ms <= unknown.since_ms + limit_ms for limit_ms in self._limits_ms
            )
        # The venue has forgotten its order: nothing will tell of it. When it is too late is known.
        never = bool(send.orders) and not any(order.vanished for order in send.orders)
        return never and all(
            _is_before(able_ms, self._until_ms - limit_ms) for limit_ms in self._limits_ms
        )

    def drop_fates(self, count: int) -> None:
        """Take all open fates but the newest as they stand."""
        self._fates.sort(key=lambda send: send.key)
        self._count(self._fates[: max(0, len(self._fates) - count)])
        self._fates = self._fates[max(0, len(self._fates) - count) :]

    def staying(self) -> list[Intent]:
        return [*self._stay, *self.going_on.values()]

    def came_to_nothing(self, send: Send) -> bool:
        """Whether a send made no order, and the client knows it."""
        unknown = self._unknowns.get(send.key)
        is_known = unknown is None or _is_before(unknown.resolved_ms, self._until_ms)
        return not send.orders and is_known

    def is_open(self, send: Send) -> bool:
        return not self.came_to_nothing(send)

    def close(self, intent: Intent) -> None:
        """Count an intent, with everything in it, as it stands."""
        past, orders = self.past, intent.orders
        self.going_on.pop(intent.number, None)
        self._closed.add(intent.number)
        past.intents += 1
        past.attempts = max(past.attempts, intent.attempts)
        past.orders += sum(order.existed for order in orders)
        past.duplicates += len(intent.duplicates())
        for name, argument in self._expect:
            if name == "no_duplicate_exposure":
                past.found(name, argument).add(duplicate_offences(intent))
            elif name == "attempts_per_intent" and isinstance(argument, int):
                past.found(name, argument).add(attempts_offences(argument, [intent]))
        self._count(intent.sends)
        intent.sends = []

    def drop_send(self, intent: Intent, send: Send) -> None:
        """Count a send that made no order, as it stands; its intent goes on."""
        intent.drop(send, self._bounds)
        self._dropped.add(send.key)
        self._count([send])

    def _count(self, sends: list[Send]) -> None:
        case, past = self._case, self.past
        unknown = [u for send in sends if (u := self._unknowns.get(send.key)) is not None]
        past.unknowns += len(unknown)
        past.unresolved += sum(u.resolved_ms is None for u in unknown)
        for send in sends:
            past.refused_exits += is_refused_exit(send)
            if send.facts.reduces and send.accepted:
                past.accepted_exits += 1
                past.note_exit(exit_of(self._truth, self._account, send))
        for name, argument in self._expect:
            if name == "no_new_exposure_before" and isinstance(argument, str):
                past.found(name, argument).add(early_offences(case, argument, sends))
            elif name == "unknowns_resolved" and isinstance(argument, int | float):
                past.found(name, argument).add(unknown_offences(case, argument, unknown))

    def finish(self) -> None:
        """Let go of what has been counted, and of the orders that belong to no intent."""
        self.past.unread.settle(self._case.asked.pictures)
        runs = self.past.runs
        runs.fates = self._fates
        runs.drop_sends(self._dropped, self._bounds)
        runs.drop_intents(self._closed)
        needed = {id(order) for intent in self.staying() for order in intent.orders}
        lost = {id(order) for order in self._truth.lost(self._account)}
        for history in self._histories:
            gone = {
                order.order_id: order
                for order in history.orders.values()
                if id(order) not in needed
                and order.created_ms < self._until_ms
                and not self._is_live(order)
            }
            for order in history.orders.values():
                if order.order_id not in gone:  # it may become known by the one that it was
                    gone.pop(order.triggered_from or 0, None)
            for order in gone.values():
                self._count_order(history, order, is_lost=id(order) in lost)
            self._truth.drop_orders(history, gone)

    def _count_order(self, history: AccountHistory, order: OrderHistory, *, is_lost: bool) -> None:
        past = self.past
        past.lost += is_lost
        for name, argument in self._expect:
            if name == "no_orphans" and is_lost:
                past.found(name, argument).add([orphan(order)])
        offence = unread(self._case, history, order)
        if offence is not None:
            past.unread.add(history.venue, offence)


def _drop_oldest(folds: list[_Fold], open_max: int, refused_max: int) -> None:
    """Keep of what goes on no more than the bounds say."""
    sends = [
        (one, intent, send)
        for one in folds
        for intent in one.staying()
        for send in intent.sends
        if not one.is_busy(send)
    ]
    for one, intent, send in _all_but_newest(sends, refused_max, _Fold.came_to_nothing):
        one.drop_send(intent, send)
    for one in folds:
        one.drop_fates(open_max)
    for one, intent, send in _all_but_newest(sends, open_max, _Fold.is_open):
        if not any(send is kept for kept in intent.sends):
            continue  # counted with an older send
        if not send.orders:
            one.drop_send(intent, send)
        elif intent.number in one.going_on:
            one.close(intent)
    bare = [(one, i) for one in folds for i in one.going_on.values() if not i.sends]
    bare.sort(key=lambda entry: (entry[1].first_ms, entry[1].number))
    for one, intent in bare[: max(0, len(bare) - refused_max)]:
        one.close(intent)


_Going = tuple[_Fold, Intent, Send]


def _all_but_newest(
    sends: list[_Going], count: int, wanted: Callable[[_Fold, Send], bool]
) -> list[_Going]:
    """Those that are wanted, oldest first, without the newest `count`."""
    found = [entry for entry in sends if wanted(entry[0], entry[2])]
    found.sort(key=lambda entry: entry[2].key)
    return found[: max(0, len(found) - count)]


def _is_before(at_ms: int | None, until_ms: int) -> bool:
    return at_ms is not None and at_ms < until_ms
