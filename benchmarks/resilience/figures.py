"""What one run says about a client, in numbers (resilience: `docs/resilience.md` defines them)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any, Final

from benchmarks.resilience.rest import entry_price
from benchmarks.resilience.scenarios import SIBLING, VENUE
from benchmarks.resilience.trace import Call, Done, Kind
from benchmarks.resilience.trial import Asked, Trial

__all__ = ["figures", "per_second"]

WINDOW_S: Final = 10.0
WELL_SHARE: Final = 0.95
PROMPT_S: Final = 1.5
"""An answer after recovery counts when it came within this."""
STEP_S: Final = 0.5
FLIGHT_S: Final = 0.05
"""An answer and a request may cross: what arrives within this was on its way already."""

Wanted = Callable[[Call], bool]


def figures(trial: Trial) -> dict[str, Any]:
    """The row of one run. Times in seconds; None where there is nothing to measure."""
    broken = [d for d in trial.done if _is_in(trial, d.call.at_s)]
    ours = [d for d in broken if d.call.venue == VENUE]
    asked = [a for a in trial.asked if a.ours and a.venue == VENUE and _is_in(trial, a.at_s)]
    entries = [d for d in ours if d.call.kind is Kind.ENTRY]
    row: dict[str, Any] = {
        "scenario": trial.outage.name,
        "client": trial.client,
        "seed": trial.seed,
        "calls": len(ours),
        "requests_per_call": _ratio(len(asked), len(ours)),
        "upkeep_per_call": _ratio(sum(_is_upkeep(a) for a in asked), len(ours)),
        "order_requests_per_call": _ratio(
            sum(a.endpoint == "orders.create" and not a.reduces for a in asked), len(entries)
        ),
        "goodput": _goodput(ours),
        "read_goodput": _goodput(d for d in ours if d.call.kind.is_read),
        "entry_goodput": _goodput(entries),
        "cancel_success": _goodput(d for d in ours if d.call.kind is Kind.CANCEL),
        "reduce_success": _goodput(d for d in ours if d.call.kind is Kind.REDUCE),
        "sibling_goodput": _goodput(d for d in broken if d.call.venue == SIBLING),
        "bans": trial.bans,
        "over_limit": sum(a.ours and a.limited == "429" for a in trial.asked),
        "while_banned": _while_banned(trial.asked),
        "duplicates": _duplicates(trial.asked),
        "ghosts": _ghosts(trial),
    }
    if trial.outage.is_hard:
        row |= {
            "detect_s": _detected(trial),
            "recover_s": _recovered(trial, lambda call: call.kind is not Kind.ENTRY),
            "recover_entries_s": _recovered(trial, lambda call: call.kind is Kind.ENTRY),
        }
    return row


def per_second(trial: Trial) -> list[int]:
    """Requests to the failing venue in each second of the scenario, for the plot."""
    counts = Counter(int(a.at_s) for a in trial.asked if a.ours and a.venue == VENUE)
    return [counts[second] for second in range(int(trial.until_s + trial.outage.after_s))]


def _is_in(trial: Trial, at_s: float) -> bool:
    return trial.from_s <= at_s < trial.until_s


def _ratio(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None


def _goodput(done: Iterable[Done]) -> float | None:
    results = [d.in_time for d in done]
    return _ratio(sum(results), len(results))


def _is_upkeep(asked: Asked) -> bool:
    """What no call asked for by itself: probes, polls, lookups, the venue's time."""
    return asked.endpoint not in (
        "market.read",
        "account.positions",
        "orders.create",
        "orders.cancel",
    )


def _while_banned(asked: Iterable[Asked]) -> int:
    """Requests that left although the venue had told this address, before, to stay away."""
    quiets: list[tuple[str, float, float]] = []
    count = 0
    for told in sorted(asked, key=lambda a: a.at_s):
        if not told.ours:
            continue
        count += any(
            venue == told.venue and from_s < told.at_s < until_s
            for venue, from_s, until_s in quiets
        )
        if told.quiet_s is not None:
            heard_s = told.told_s + FLIGHT_S
            quiets.append((told.venue, heard_s, told.told_s + told.quiet_s))
    return count


def _duplicates(asked: Iterable[Asked]) -> int:
    """Orders of entries that the engine has, or will have, more than once."""
    landed = Counter((a.venue, a.price) for a in asked if a.price != "None" and a.landed)
    return sum(count - 1 for (_, price), count in landed.items() if price is not None)


def _ghosts(trial: Trial) -> int:
    """Entries that the client holds for not placed, and that the engine has or will have."""
    priced = ((a.venue, a.price) for a in trial.asked if a.landed)
    landed = {(venue, Decimal(price)) for venue, price in priced if price not in (None, "None")}
    failed = [d.call for d in trial.done if d.call.kind is Kind.ENTRY and not d.ok and d.is_over]
    denied = (call for call in failed if call not in trial.may_live)
    return sum((call.venue, Decimal(entry_price(call))) in landed for call in denied)


def _detected(trial: Trial) -> float | None:
    """From the first failure until the client leaves reads alone, or first turns one away."""
    held = [at_s for at_s in trial.left_alone_s if at_s >= trial.from_s] or [
        d.ended_s
        for d in trial.done
        if d.held and d.call.kind.is_read and d.call.venue == VENUE and d.ended_s >= trial.from_s
    ]
    return round(min(held) - trial.from_s, 2) if held else None


def _recovered(trial: Trial, wanted: Wanted) -> float | None:
    """From the end until the first ten seconds in which 95 % of the calls succeed promptly.

    None when that does not come before the scenario ends.
    """
    ours = [
        d
        for d in trial.done
        if d.call.venue == VENUE and wanted(d.call) and d.call.at_s >= trial.until_s
    ]
    start_s = trial.until_s
    last_s = trial.until_s + trial.outage.after_s - WINDOW_S
    while start_s <= last_s:
        window = [d for d in ours if start_s <= d.call.at_s < start_s + WINDOW_S]
        well = sum(d.ok and d.took_s <= PROMPT_S for d in window)
        if window and well >= WELL_SHARE * len(window):
            return round(start_s - trial.until_s, 2)
        start_s += STEP_S
    return None
