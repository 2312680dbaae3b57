"""The invariant about scope: the fault of one product leaves the others trading."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from statistics import median
from typing import Final

from outlast.mock.conditions import Span, utc
from outlast.mock.engine.model import EngineMode
from outlast.mock.scenario.model import Phase
from outlast.mock.verdict.case import Argument, Case, Judgement, Offence, judged

__all__ = ["breaker_scope"]

WINDOW_REQUESTS: Final = 20
"""A window of the outage is as long as the client usually takes for this many requests."""
SHARE_MIN: Final = 0.25
"""Less than this share of the usual is a stop. Of 20 requests expected at random times, fewer than
5 come by chance twice in 100,000 windows."""
MINUTES_MIN: Final = 3
"""Minutes outside the outage that show a habit; fewer tell nothing."""
_MINUTE_MS: Final = 60_000


def breaker_scope(case: Case, argument: Argument) -> Judgement:
    """While the products of the argument (`um`, `spot`) fail, the others get their usual requests.

    The usual is the client's own pace on a product: the median of the whole minutes outside the
    outage, before or after it, counted apart for orders (`orders.*`) and for everything else. A
    median of zero is no habit, so bursts at the start make none. The outage (the phases with a
    fault or an engine mode on the failing products) is cut into windows in which 20 requests would
    be usual; one with fewer than 5 is a breach. Only what lies between the client's first and last
    request of any kind counts: an idle bot, or one that has gone, is not judged.
    """
    assert isinstance(argument, tuple)
    asked = case.asked
    if asked.first_ms is None or asked.last_ms is None:
        return Judgement(holds=True, evidence="nothing to judge: no requests")
    alive = Span(asked.first_ms, asked.last_ms, "")
    outage = _outage(case, argument)
    offences, windows = [], 0
    for (product, kind), arrived in sorted(_times(case, argument).items()):
        usual = _median_minute(arrived, alive, outage)
        if usual <= 0:
            continue
        length_ms = round(WINDOW_REQUESTS / usual * _MINUTE_MS)
        for window in _windows(outage, alive, length_ms):
            windows += 1
            got = _between(arrived, window.start_ms, window.end_ms)
            if got < WINDOW_REQUESTS * SHARE_MIN:
                text = f"{got} {kind} on {product} from {utc(window.start_ms)} to "
                text += f"{utc(window.end_ms)} while {', '.join(argument)} failed; "
                text += f"{usual:g} a minute are usual, {WINDOW_REQUESTS} were due"
                offences.append(Offence(window.start_ms, None, text))
    if windows == 0:
        return Judgement(holds=True, evidence="nothing to judge: no habit on the other products")
    return judged(offences, f"the other products kept their pace in {windows} windows")


def _median_minute(arrived: Sequence[int], alive: Span[str], outage: list[Span[str]]) -> float:
    """Requests in the median of the whole minutes outside the outage; 0 for too few minutes."""
    counts = []
    for start in range(alive.start_ms, alive.end_ms - _MINUTE_MS + 1, _MINUTE_MS):
        end = start + _MINUTE_MS
        if all(end <= span.start_ms or span.end_ms <= start for span in outage):
            counts.append(_between(arrived, start, end))
    return median(counts) if len(counts) >= MINUTES_MIN else 0.0


def _times(case: Case, failing: tuple[str, ...]) -> dict[tuple[str, str], Sequence[int]]:
    """By (product, kind) of the products that do not fail: when requests arrived, in order."""
    return {
        (product, kind): arrived
        for (product, kind), arrived in case.asked.arrivals.items()
        if product not in failing
    }


def _between(arrived: Sequence[int], start_ms: int, end_ms: int) -> int:
    return bisect_left(arrived, end_ms) - bisect_left(arrived, start_ms)


def _outage(case: Case, failing: tuple[str, ...]) -> list[Span[str]]:
    """The phases in which one of the products fails, as they ran."""
    phases = {phase.name: phase for phase in case.scenario.phases}
    return [
        span
        for span in case.phases()
        if span.value in phases and _fails(phases[span.value], failing)
    ]


def _fails(phase: Phase, failing: tuple[str, ...]) -> bool:
    if phase.engine.mode not in (None, EngineMode.ONLINE):
        return True
    return any(
        rule.decides
        and (not rule.where.product or any(p.value in failing for p in rule.where.product))
        for rule in phase.faults
    )


def _windows(outage: list[Span[str]], alive: Span[str], length_ms: int) -> Iterator[Span[str]]:
    """Whole windows of `length_ms` inside runs of outage phases, while the client was alive."""
    runs: list[tuple[int, int]] = []
    for span in outage:
        start, end = max(span.start_ms, alive.start_ms), min(span.end_ms, alive.end_ms)
        if runs and runs[-1][1] == start:
            runs[-1] = (runs[-1][0], end)
        else:
            runs.append((start, end))
    for start, end in runs:
        for begin in range(start, end - length_ms + 1, length_ms):
            yield Span(begin, begin + length_ms, "")
