"""Plays many trials on all cores, and adds up what they came to."""

from __future__ import annotations

import contextlib
import functools
import multiprocessing
import os
import signal
from collections import Counter, deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final

from outlast.trials.checker import Checker
from outlast.trials.generator import (
    FAULT_TYPES,
    STREAM_FAULTS,
    VENUES,
    draw_trial,
    draw_trial_of,
    venues_of,
)
from outlast.trials.model import Trial, TrialResult, Violation
from outlast.trials.world import run_trial

__all__ = ["Totals", "draw", "play", "play_all"]


def draw(seed: int, scenario: str | None = None) -> Trial:
    """The trial of a seed; in the world of a catalogue scenario where one is named."""
    return draw_trial(seed, venues=VENUES) if scenario is None else draw_trial_of(seed, scenario)


def play(
    seed: int, *, scenario: str | None = None, log: Callable[[str], None] | None = None
) -> TrialResult:
    """Draw one trial, play it and check it; `log` hears every event as one line."""
    return run_trial(draw(seed, scenario), watcher=Checker(log=log))


def play_all(
    seeds: Sequence[int], *, scenario: str | None = None, workers: int | None = None
) -> Generator[TrialResult, None, None]:
    """Play the trials of `seeds` in as many processes, and yield their results in this order.

    Whoever stops listening early, by Ctrl-C too, ends the processes with it.

    Args:
        workers: processes at a time; None for one a core. 1 plays them in this process.
    """
    count = min(workers or os.cpu_count() or 1, len(seeds))
    one = functools.partial(_play_or_say_why_not, scenario=scenario)
    if count <= 1:
        yield from map(one, seeds)
        return
    # Fresh interpreters: what a fork copies (locks held, hash seeds, caches) could tell runs apart.
    context = multiprocessing.get_context("spawn")
    others = set(multiprocessing.active_children())
    pool = ProcessPoolExecutor(count, mp_context=context, initializer=_leave_signals_alone)
    under_way: deque[Future[TrialResult]] = deque()
    try:
        for seed in seeds:
            under_way.append(pool.submit(one, seed))
            if len(under_way) >= _AHEAD * count:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        for worker in set(multiprocessing.active_children()) - others:
            worker.terminate()
        raise
    pool.shutdown()


_AHEAD: Final = 4
"""So many trials per process are handed out before the first of them is waited for."""


def _leave_signals_alone() -> None:
    """Ctrl-C reaches all processes of a terminal; the first one alone decides what it means."""
    with contextlib.suppress(ValueError):  # not in the main thread of an embedding program
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def _play_or_say_why_not(seed: int, *, scenario: str | None) -> TrialResult:
    """As `play`. A bug in the trial itself is told with its seed, and the others are played."""
    try:
        return play(seed, scenario=scenario)
    except Exception as error:  # noqa: BLE001 whatever it is, it must not lose the other seeds
        told = Violation("trial-can-be-played", 0.0, f"{type(error).__name__}: {error}")
        return TrialResult(seed=seed, violations=(told,), log_hash="", virtual_s=0.0, requests=0)


@dataclass(slots=True)
class Totals:
    """What many trials came to."""

    seeds: int = 0
    failed: list[int] = field(default_factory=list)
    virtual_s: float = 0.0
    requests: int = 0
    crashes: int = 0
    cpu_s: float = 0.0
    faults: Counter[str] = field(default_factory=lambda: Counter(dict.fromkeys(FAULT_TYPES, 0)))
    """How often each fault type struck; 0 for those that never did."""

    def add(self, result: TrialResult) -> None:
        self.seeds += 1
        if not result.ok:
            self.failed.append(result.seed)
        self.virtual_s += result.virtual_s
        self.requests += result.requests
        self.crashes += result.crashes
        self.cpu_s += result.cpu_s
        self.faults.update(result.faults)

    @property
    def never_struck(self) -> dict[str, str]:
        """The fault types that never did: why that was to be expected, or "" where it was not."""
        return {slug: _why_never(slug) for slug in sorted(self.faults) if not self.faults[slug]}

    def as_json(self) -> dict[str, Any]:
        """The last line of `outlast simulate --json`."""
        return {
            "seeds": self.seeds,
            "failed": self.failed,
            "virtual_s": round(self.virtual_s, 3),
            "requests": self.requests,
            "faults": dict(sorted(self.faults.items())),
            "never_struck": self.never_struck,
            "crashes": self.crashes,
            "cpu_s": round(self.cpu_s, 2),
        }


def _why_never(slug: str) -> str:
    elsewhere = venues_of(slug)
    if not set(elsewhere) & set(VENUES):
        return f"only on {', '.join(elsewhere)}, where no trial is drawn"
    if slug in STREAM_FAULTS:
        return "no client of a trial opens a stream"
    return ""
