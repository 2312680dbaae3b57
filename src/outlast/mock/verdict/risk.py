"""Invariants about the order of things in an outage: safety first, and a gated way back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from outlast.mock.conditions import utc
from outlast.mock.engine.model import EngineMode, Product
from outlast.mock.history import AccountHistory
from outlast.mock.intents import Send
from outlast.mock.records import RequestRecord, Told
from outlast.mock.scenario.model import Phase, Scenario
from outlast.mock.scenario.vocabulary import PRODUCT_OF_VENUE
from outlast.mock.traffic import settled_ms
from outlast.mock.verdict.case import IN_FLIGHT_MS, Argument, Case, Judgement, Offence, judged

__all__ = [
    "closed_products",
    "early_offences",
    "no_new_exposure_before",
    "outstanding",
    "risk_first",
    "risky_offences",
]

NOTICE_MS: Final = 60_000
"""How long a client may take to notice that the venue is closed: nobody tells it."""
OPEN_SHARE: Final = 0.5
"""A phase that lets less than this share of plain entries through counts as closed."""
_FAR: Final = 1 << 62


# --- risk_first ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Waiting:
    """Safety work on one venue that is not done yet."""

    venue: str
    start_ms: int
    end_ms: int
    text: str


def risk_first(case: Case, argument: Argument) -> Judgement:
    """While safety work is outstanding on a venue, no order that adds exposure is sent to it.

    Outstanding is an exit (a create that can only reduce) that was refused or left unanswered,
    until an exit of that symbol has been accepted and shown, or the position is zero; and a cancel
    left unanswered, until a later answer settles it: its order shown or told absent, a list of open
    orders, or a cancel that succeeds. A second's grace is given for what was on its way.
    """
    return judged(
        risky_offences(case, case.fresh_sends()),
        "no order that adds exposure was sent while safety work waited",
        case.past.found("risk_first", argument),
    )


def risky_offences(case: Case, sends: Iterable[Send]) -> list[Offence]:
    """Those of the sends that add exposure while safety work waits."""
    works = [*_exits(case, _FAR).works, *_cancels(case, _FAR).works]
    waiting = sorted(works, key=lambda w: (w.start_ms, w.text))
    offences = []
    for send in sends:
        if send.facts.reduces:
            continue
        at_ms = send.at_ms
        for work in waiting:
            if work.start_ms + IN_FLIGHT_MS > at_ms:
                break
            if work.venue == send.record.venue and at_ms < work.end_ms:
                text = f"{_asked(send)} adds exposure while {work.text}"
                offences.append(Offence(at_ms, send.record.ordinal, text))
                break
    return offences


@dataclass(slots=True)
class _Exits:
    works: list[_Waiting] = field(default_factory=list)
    wanted: dict[tuple[str, str], Send] = field(default_factory=dict)
    """By (venue, symbol): the exit with which work began that is not done yet."""


@dataclass(slots=True)
class _Cancels:
    works: list[_Waiting] = field(default_factory=list)
    unsettled: list[RequestRecord] = field(default_factory=list)
    """Those left unanswered that nothing has settled yet."""


def outstanding(case: Case, at_ms: int) -> tuple[dict[tuple[str, str], Send], list[RequestRecord]]:
    """The safety work that waits at `at_ms`: exits by (venue, symbol), and cancels."""
    return _exits(case, at_ms).wanted, _cancels(case, at_ms).unsettled


def _asked(send: Send) -> str:
    qty = "all" if send.facts.qty is None else f"{send.facts.qty:f}"
    return f"{send.facts.side.lower()} {qty} {send.facts.symbol}"


def _exits(case: Case, until_ms: int) -> _Exits:
    """The times in which an exit was wanted and not had, symbol by symbol.

    They begin where the past ends; what was wanted then goes on. Exits settled from `until_ms` on
    are left out.
    """
    found, past = _Exits(), case.past
    by_symbol: dict[tuple[str, str], list[Send]] = {key: [] for key in past.exits_wanted}
    for send in case.sends():
        if send.facts.reduces:
            by_symbol.setdefault((send.record.venue, send.facts.symbol), []).append(send)
    for (venue, symbol), sends in by_symbol.items():
        history = case.truth.history.at(venue, case.account)
        if history is None:
            continue
        done = _done_times(history, symbol, sends)
        began = past.exits_wanted.get((venue, symbol))
        for send in sorted(sends, key=lambda s: (s.settled_ms, s.record.ordinal)):
            at_ms = send.settled_ms
            if send.record.told is Told.OK or not past.until_ms <= at_ms < until_ms:
                continue
            if began is not None and (over := _next(done, began.settled_ms)) > at_ms:
                continue  # still the same work
            if began is not None:
                found.works.append(_exit_work(venue, began, over))
            began = send if history.position(symbol, at_ms) != 0 else None
        if began is not None:
            over = _next(done, began.settled_ms)
            found.works.append(_exit_work(venue, began, over))
            if over > until_ms:
                found.wanted[venue, symbol] = began
    return found


def _done_times(history: AccountHistory, symbol: str, sends: Iterable[Send]) -> list[int]:
    """When an exit of `symbol` was shown as accepted, and when the position became zero."""
    done = [o.shown_ms for send in sends for o in send.orders if o.shown_ms is not None]
    tracked = history.positions.get(symbol)
    if tracked is not None:
        done += [span.start_ms for span in tracked.true.spans(_FAR) if span.value == 0]
    return sorted(done)


def _next(times: list[int], at_ms: int) -> int:
    return next((time for time in times if time >= at_ms), _FAR)


def _exit_work(venue: str, send: Send, end_ms: int) -> _Waiting:
    record = send.record
    how = "refused" if record.told is Told.REFUSED else "left unanswered"
    text = f"the exit of {send.facts.symbol} waits, {how} by request {record.ordinal} "
    text += f"({record.code or record.reply}) at {utc(send.settled_ms)}"
    return _Waiting(venue, send.settled_ms, end_ms, text)


def _cancels(case: Case, until_ms: int) -> _Cancels:
    """The times between an unanswered cancel and the answer that settled it.

    They begin where the past ends; what was not settled then goes on. Cancels that ended from
    `until_ms` on are left out.
    """
    found, past = _Cancels(), case.past
    cancels = [
        record
        for record in case.truth.traffic.fresh_writes(case.account)
        if record.endpoint in ("orders.cancel", "orders.cancel_all")
    ]
    unanswered = list(past.cancels_unsettled)
    unanswered += [r for r in cancels if r.told is Told.AMBIGUOUS and settled_ms(r) < until_ms]
    if not unanswered:
        return found
    asked = sorted(
        (row.settled_ms, row.endpoint, row.venue)
        for row in case.truth.traffic.answers(case.account)
    )
    for record in unanswered:
        at_ms = settled_ms(record)
        settled = [
            settled_ms(other)
            for other in cancels
            if other.told is Told.OK and _covers(other, record) and settled_ms(other) >= at_ms
        ]
        named = _named(case, record)
        for answered_ms, endpoint, venue in asked:
            # Without an id in the record any answer about orders is taken for the one meant.
            meant = endpoint == "orders.open" or not (record.asked_ids or record.order_ids)
            if venue == record.venue and answered_ms >= at_ms and meant:
                settled.append(answered_ms)
                break
        settled += [time for time in named if time >= at_ms]
        text = f"the cancel of request {record.ordinal} ({record.reply}) waits for an answer "
        text += f"since {utc(at_ms)}"
        over = min(settled, default=_FAR)
        found.works.append(_Waiting(record.venue, at_ms, over, text))
        if over > until_ms:
            found.unsettled.append(record)
    return found


def _covers(other: RequestRecord, record: RequestRecord) -> bool:
    """Whether cancel `other` would have cancelled what `record` was to cancel."""
    if other.venue != record.venue:
        return False
    if other.endpoint == "orders.cancel_all":
        return other.symbol in (None, record.symbol)
    if record.endpoint == "orders.cancel_all":
        return False
    return bool(
        set(other.asked_ids) & set(record.asked_ids)
        or set(other.order_ids) & set(record.order_ids)
        or (not record.asked_ids and not record.order_ids and other.symbol == record.symbol)
    )


def _named(case: Case, record: RequestRecord) -> list[int]:
    """When the client was told how the orders stand that the cancel names."""
    history = case.truth.history.at(record.venue, case.account)
    told = [
        time
        for name in record.asked_ids
        for time in case.truth.absent_times(case.account, record.venue, name)
    ]
    if history is not None:
        for order in history.orders.values():
            by_id = order.order_id in record.order_ids
            if by_id or (order.client_order_id and order.client_order_id in record.asked_ids):
                told += order.showings
    return told


# --- no_new_exposure_before ----------------------------------------------------------------------


def no_new_exposure_before(case: Case, argument: Argument) -> Judgement:
    """From the first closed phase to the start of the named one, no new exposure came to be.

    A phase is closed for a product when its engine is not simply online, or when its faults let
    through less than half of plain new orders. What counts is an order that adds exposure, was sent
    in that time and was taken by the engine: a request that was refused is no exposure. The first
    minute is free, because a client has to notice first; products that stay open may trade on.
    """
    assert isinstance(argument, str)
    return judged(
        early_offences(case, argument, case.sends()),
        f"no new exposure between the closing and {argument!r}",
        case.past.found("no_new_exposure_before", argument),
    )


def early_offences(case: Case, argument: str, sends: Sequence[Send]) -> list[Offence]:
    """Those of the sends that made new exposure too early."""
    spans = case.phases()
    begun = next((span.start_ms for span in spans if span.value == argument), _FAR)
    phases = {phase.name: phase for phase in case.scenario.phases}
    offences = []
    for venue in case.scenario.venues:
        product = PRODUCT_OF_VENUE[venue]
        shut = next(
            (
                span.start_ms
                for span in spans
                if span.value in phases
                and product in closed_products(case.scenario, phases[span.value])
            ),
            _FAR,
        )
        for send in sends:
            gated = shut + NOTICE_MS <= send.at_ms < begun
            if not gated or send.record.venue != venue or send.facts.reduces:
                continue
            if any(order.existed for order in send.orders):
                text = f"{_asked(send)} was taken and adds exposure before {argument!r}, "
                text += f"{product.value} being closed since {utc(shut)}"
                offences.append(Offence(send.at_ms, send.record.ordinal, text))
    return offences


def closed_products(scenario: Scenario, phase: Phase) -> frozenset[Product]:
    """The products on which a new order is turned away as a rule in `phase`."""
    closed = set()
    for product in {PRODUCT_OF_VENUE[venue] for venue in scenario.venues}:
        in_scope = not scenario.scope or product in scenario.scope
        mode = phase.engine.mode if in_scope else None
        online = mode in (None, EngineMode.ONLINE)
        if not online or _open_share(phase, product) < OPEN_SHARE:
            closed.add(product)
    return frozenset(closed)


def _open_share(phase: Phase, product: Product) -> float:
    """The share of plain new orders on `product` that the phase's faults let through."""
    passed = 1.0
    for rule in phase.faults:
        where = rule.where
        if "orders.create" not in rule.endpoints or rule.reply is None or rule.reply.is_normal:
            continue
        if where.product and product not in where.product:
            continue
        special = where.symbol or where.type or where.channel or where.nth or where.share_of_keys
        if special or where.reduces or where.post_only or rule.times is not None:
            continue
        passed *= 1 - rule.p
    if phase.ramp is not None:
        admitted = (phase.ramp.start + phase.ramp.end) / 2
        passed = admitted + (1 - admitted) * passed
    return passed
