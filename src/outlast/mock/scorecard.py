"""The scorecard: how one client came through, in numbers that any two clients can be compared by.

Times are venue time. Money is exact and printed as text; durations and shares are floats.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from outlast.mock.conditions import Span
from outlast.mock.engine.model import Execution
from outlast.mock.history import AccountHistory
from outlast.mock.intents import Send
from outlast.mock.past import Exit, Exposure, Held
from outlast.mock.records import Told
from outlast.mock.scenario.model import Scenario

if TYPE_CHECKING:
    from outlast.mock.truth import Truth

__all__ = [
    "cost_of",
    "exit_of",
    "held_before",
    "is_refused_exit",
    "outage_spans",
    "scorecard",
    "troubled_phases",
    "willing_for",
]

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
    past, asked, intents = truth.past(account), truth.asked(account), truth.intents(account)
    sends = [send for intent in intents for send in intent.sends]
    sends.sort(key=lambda send: (send.at_ms, send.record.ordinal))
    exits = [send for send in sends if send.facts.reduces]
    histories = truth.history.of(account)
    outage_min = sum(s.end_ms - s.start_ms for s in outage_spans(truth)) / _MINUTE_MS
    made = {id(order): order for send in sends for order in send.orders if order.existed}
    exposure = _exposure(truth, account, histories, exits)
    unresolved = sum(unknown.resolved_ms is None for unknown in truth.unknowns(account))
    wanted = past.intents + len(intents)
    return {
        "intents": wanted,
        "orders": past.orders + len(made),
        "duplicates": past.duplicates + sum(len(intent.duplicates()) for intent in intents),
        "lost": past.lost + len(truth.lost(account)),
        "unresolved": past.unresolved + unresolved,
        "requests": asked.requests,
        "requests_per_intent": round(asked.requests / wanted, 2) if wanted else None,
        "bans": asked.bans + asked.dial_bans,
        "over_limit": asked.over_limit,
        "time_to_flat_s": _time_to_flat_s(exposure),
        "exposure_minutes": _exposure_minutes(exposure),
        "first_exit_after_s": _first_exit_after_s(truth, account, exposure, exits),
        "realised_loss": f"{_realised_loss(truth, histories):f}",
        "refused_exits": past.refused_exits + sum(is_refused_exit(send) for send in exits),
        "accepted_exits": past.accepted_exits + sum(send.accepted for send in exits),
        "requests_in_outage": asked.in_outage,
        "requests_per_minute_in_outage": (
            round(asked.in_outage / outage_min, 2) if outage_min else None
        ),
        "open_position_at_end": _open_positions(histories, truth.now_ms),
    }


def is_refused_exit(send: Send) -> bool:
    return send.facts.reduces and send.record.told is Told.REFUSED


def troubled_phases(scenario: Scenario) -> set[str]:
    """The phases with a fault on orders that does more than add latency."""
    return {
        phase.name
        for phase in scenario.phases
        for rule in phase.faults
        if rule.decides and any(endpoint.startswith("orders.") for endpoint in rule.endpoints)
    }


def outage_spans(truth: Truth) -> list[Span[str]]:
    """The phases, as they ran, with a fault on orders that does more than add latency."""
    troubled = troubled_phases(truth.scenario)
    spans = truth.conditions.phases.spans(truth.now_ms)
    return [span for span in spans if span.value in troubled]


def held_before(histories: Iterable[AccountHistory], at_ms: int) -> Held:
    """The positions just before an instant, by venue and symbol."""
    return {
        (history.venue, symbol): qty
        for history in histories
        for symbol, qty in history.positions_before(at_ms).items()
    }


def _exposure(
    truth: Truth, account: str, histories: list[AccountHistory], exits: list[Send]
) -> Exposure | None:
    """What became of the positions of the first exit, up to now; None without an exit."""
    known = truth.past(account).exposure
    if known is None:
        if not exits:
            return None
        known = Exposure(exits[0].at_ms, held_before(histories, exits[0].at_ms))
    return known.copy().follow(histories, truth.now_ms, is_end=True)


def _time_to_flat_s(exposure: Exposure | None) -> float | None:
    if exposure is None or exposure.flat_ms is None:
        return None
    return (exposure.flat_ms - exposure.start_ms) / 1000


def _exposure_minutes(exposure: Exposure | None) -> float | None:
    return None if exposure is None else round(float(exposure.shares_ms() / _MINUTE_MS), 3)


def _first_exit_after_s(
    truth: Truth, account: str, exposure: Exposure | None, exits: list[Send]
) -> float | None:
    """None when no exit was taken, or when nobody reported whether the venue was willing."""
    taken = [exit_of(truth, account, send) for send in exits if send.accepted]
    known = truth.past(account).first_exit
    taken += [] if known is None else [known]
    if not taken or exposure is None or truth.conditions.willingness(account) is None:
        return None
    first = min(taken, key=lambda exit_: (exit_.at_ms, exit_.ordinal))
    was_willing, since = first.willing
    if not was_willing:
        return 0.0  # it became willing with this very request
    start = exposure.start_ms if since is None else max(since, exposure.start_ms)
    return max(first.at_ms - start, 0) / 1000


def exit_of(truth: Truth, account: str, send: Send) -> Exit:
    """An exit, and whether the venue was willing to take it just before."""
    return Exit(send.at_ms, send.record.ordinal, send.willing or willing_for(truth, account, send))


def willing_for(truth: Truth, account: str, send: Send) -> tuple[bool, int | None]:
    """Whether the venue was willing just before a send, and since when."""
    willing = truth.conditions.willingness(account)
    if willing is None:
        return False, None
    return bool(willing.before(send.at_ms, False)), willing.since(send.at_ms - 1)


def _realised_loss(truth: Truth, histories: Iterable[AccountHistory]) -> Decimal:
    """Fees less realised profit; a fee in the base currency is counted at the fill's price."""
    loss = ZERO
    for history in histories:
        loss += history.dropped_loss
        for fill in history.fills:
            loss += cost_of(truth, history.venue, fill)
    return loss


def cost_of(truth: Truth, venue: str, fill: Execution) -> Decimal:
    """The fee of a fill less the profit it realised."""
    spec = truth.instrument(venue, fill.symbol)
    in_base = spec is not None and fill.fee_currency == spec.base
    return (fill.fee * fill.price if in_base else fill.fee) - fill.realised_pnl


def _open_positions(histories: Iterable[AccountHistory], at_ms: int) -> dict[str, str]:
    return {
        symbol: f"{qty:f}"
        for history in histories
        for symbol, qty in history.open_positions(at_ms).items()
    }
