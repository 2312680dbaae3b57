"""The scorecard: how one client came through, in numbers that any two clients can be compared by.

Times are venue time. Money is exact and printed as text; durations and shares are floats.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from outlast.mock.conditions import Span
from outlast.mock.history import AccountHistory
from outlast.mock.intents import Send
from outlast.mock.records import Told
from outlast.mock.traffic import Row

if TYPE_CHECKING:
    from outlast.mock.truth import Truth

__all__ = ["outage_spans", "scorecard"]

ZERO: Final = Decimal(0)
_MINUTE_MS: Final = 60_000


def scorecard(truth: Truth, account: str) -> dict[str, Any]:
    """The measures of `account`; `docs/mock.md` says what each is.

    - `intents`, `orders` (live or filled, made by the client), `duplicates`, `lost`, `unresolved`:
      see `intents.py` and the invariants of the same purpose;
    - `requests` in total, `requests_per_intent` (None without an intent), `bans` (unbroken series
      of answers 418, and dials that met a ban), `over_limit` (answers 429 by a limit);
    - `time_to_flat_s`: from the first exit until all positions of that instant are zero;
    - `exposure_minutes`: from the first exit to the end, for each position of that instant the
      integral of its size as a share of what it was then, in minutes, summed;
    - `first_exit_after_s`: from the moment the venue would have taken the client's next exit (not
      before its first) to the first exit it took;
    - `realised_loss`: fees less realised profit, as text, positive is a loss.

    An exit is a create that can only reduce. Measures that need an event that never came are None.
    """
    sends = [send for intent in truth.intents(account) for send in intent.sends]
    sends.sort(key=lambda send: (send.at_ms, send.record.ordinal))
    exits = [send for send in sends if send.facts.reduces]
    rows = sorted(truth.traffic.rows(account), key=lambda row: (row.settled_ms, row.ordinal))
    histories = truth.history.of(account)
    intents = truth.intents(account)
    outage = outage_spans(truth)
    outage_min = sum(span.end_ms - span.start_ms for span in outage) / _MINUTE_MS
    in_outage = sum(
        any(span.start_ms <= row.arrived_ms < span.end_ms for span in outage) for row in rows
    )
    made = {id(order): order for send in sends for order in send.orders if order.existed}
    return {
        "intents": len(intents),
        "orders": len(made),
        "duplicates": sum(len(intent.duplicates()) for intent in intents),
        "lost": len(truth.lost(account)),
        "unresolved": sum(unknown.resolved_ms is None for unknown in truth.unknowns(account)),
        "requests": len(rows),
        "requests_per_intent": round(len(rows) / len(intents), 2) if intents else None,
        "bans": _bans(truth, account, rows),
        "over_limit": sum(row.limited and not row.banned for row in rows),
        "time_to_flat_s": _time_to_flat_s(histories, exits),
        "exposure_minutes": _exposure_minutes(histories, exits, truth.now_ms),
        "first_exit_after_s": _first_exit_after_s(truth, account, exits),
        "realised_loss": f"{_realised_loss(truth, histories):f}",
        "refused_exits": sum(send.record.told is Told.REFUSED for send in exits),
        "accepted_exits": sum(send.accepted for send in exits),
        "requests_in_outage": in_outage,
        "requests_per_minute_in_outage": round(in_outage / outage_min, 2) if outage_min else None,
        "open_position_at_end": _open_positions(histories, truth.now_ms),
    }


def outage_spans(truth: Truth) -> list[Span[str]]:
    """The phases, as they ran, with a fault on orders that does more than add latency."""
    troubled = {
        phase.name
        for phase in truth.scenario.phases
        for rule in phase.faults
        if rule.decides and any(endpoint.startswith("orders.") for endpoint in rule.endpoints)
    }
    spans = truth.conditions.phases.spans(truth.now_ms)
    return [span for span in spans if span.value in troubled]


def _bans(truth: Truth, account: str, rows: Iterable[Row]) -> int:
    """Unbroken series of answers 418 by venue; banned dials of one kind in a row are one ban."""
    banned: dict[str, bool] = {}
    bans = 0
    for row in rows:
        if row.banned and not banned.get(row.venue, False):
            bans += 1
        banned[row.venue] = row.banned
    dialled: dict[tuple[str, str], bool] = {}
    for dial in truth.conditions.dials:
        if dial.account not in (None, account):
            continue
        is_ban = dial.outcome == "banned"
        if is_ban and not dialled.get((dial.venue, dial.kind), False):
            bans += 1
        dialled[dial.venue, dial.kind] = is_ban
    return bans


def _held(histories: Iterable[AccountHistory], exits: list[Send]) -> dict[tuple[str, str], Decimal]:
    """The positions at the first exit, by venue and symbol."""
    at_ms = exits[0].at_ms
    return {
        (history.venue, symbol): qty
        for history in histories
        for symbol, qty in history.positions_before(at_ms).items()
    }


def _time_to_flat_s(histories: list[AccountHistory], exits: list[Send]) -> float | None:
    if not exits:
        return None
    start = exits[0].at_ms
    held = _held(histories, exits)
    steps = {
        (history.venue, symbol): tracked.true
        for history in histories
        for symbol, tracked in history.positions.items()
        if (history.venue, symbol) in held
    }
    changes = sorted({s.start_ms for st in steps.values() for s in st.spans(_FAR)} | {start})
    for at_ms in changes:
        if at_ms >= start and all(track.at(at_ms, ZERO) == 0 for track in steps.values()):
            return (at_ms - start) / 1000
    return None


def _exposure_minutes(
    histories: list[AccountHistory], exits: list[Send], end_ms: int
) -> float | None:
    if not exits:
        return None
    start = exits[0].at_ms
    held = _held(histories, exits)
    total = ZERO
    for history in histories:
        for symbol, tracked in sorted(history.positions.items()):
            first = held.get((history.venue, symbol))
            if first is None:
                continue
            for span in tracked.true.spans(end_ms):
                length_ms = span.end_ms - max(span.start_ms, start)
                if length_ms > 0:
                    total += abs(span.value) / abs(first) * length_ms
    return round(float(total / _MINUTE_MS), 3)


def _first_exit_after_s(truth: Truth, account: str, exits: list[Send]) -> float | None:
    """None when no exit was taken, or when nobody reported whether the venue was willing."""
    taken = next((send for send in exits if send.accepted), None)
    willing = truth.conditions.willingness(account)
    if taken is None or willing is None:
        return None
    if not willing.before(taken.at_ms, False):
        return 0.0  # it became willing with this very request
    since = willing.since(taken.at_ms - 1)
    start = exits[0].at_ms if since is None else max(since, exits[0].at_ms)
    return max(taken.at_ms - start, 0) / 1000


def _realised_loss(truth: Truth, histories: Iterable[AccountHistory]) -> Decimal:
    """Fees less realised profit; a fee in the base currency is counted at the fill's price."""
    loss = ZERO
    for history in histories:
        for fill in history.fills:
            spec = truth.instrument(history.venue, fill.symbol)
            in_base = spec is not None and fill.fee_currency == spec.base
            fee = fill.fee * fill.price if in_base else fill.fee
            loss += fee - fill.realised_pnl
    return loss


def _open_positions(histories: Iterable[AccountHistory], at_ms: int) -> dict[str, str]:
    return {
        symbol: f"{qty:f}"
        for history in histories
        for symbol, qty in history.open_positions(at_ms).items()
    }


_FAR: Final = 1 << 62
