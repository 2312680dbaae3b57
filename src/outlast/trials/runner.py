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
from dataclasses import dataclass, field, replace
from typing import Any, Final

from outlast.trials.checker import Checker
from outlast.trials.generator import (
    BOOK_FAULTS,
    FAULT_TYPES,
    SOCKET_FAULTS,
    STREAM_FAULTS,
    VENUES,
    draw_focused_trial,
    draw_trial,
    draw_trial_of,
    venues_of,
)
from outlast.trials.model import OrderEntry, Trial, TrialResult, Violation
from outlast.trials.paths import on_paths
from outlast.trials.world import run_trial

__all__ = ["AT_LARGE", "Kind", "Totals", "play", "play_all"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What kind of trials seeds are drawn to: at large, in a known scenario, or about one thing."""

    scenario: str | None = None
    """Of the catalogue; not together with `focus`."""
    focus: str | None = None
    """A name of `focus.FOCUSES`."""
    venue: str | None = None
    """None for those that trials are drawn on by default."""
    streams: bool | None = None
    """Whether every client listens to the stream of its account; None: as drawn."""
    order_entry: OrderEntry | None = None
    """Which way the orders of every client travel; None: as drawn."""

    @property
    def venues(self) -> tuple[str, ...]:
        return VENUES if self.venue is None else (self.venue,)

    def options(self) -> list[str]:
        """The options of `outlast simulate` that choose it."""
        chosen = {"scenario": self.scenario, "focus": self.focus, "venue": self.venue}
        options = [f"--{name} {value}" for name, value in chosen.items() if value is not None]
        if self.streams is not None:
            options.append("--streams" if self.streams else "--no-streams")
        if self.order_entry is not None:
            options.append(f"--order-entry {self.order_entry}")
        return options

    def draw(self, seed: int) -> Trial:
        trial = self._draw(seed)
        clients = on_paths(trial.clients, streams=self.streams, order_entry=self.order_entry)
        return replace(trial, clients=clients)

    def _draw(self, seed: int) -> Trial:
        assert self.scenario is None or self.focus is None
        if self.scenario is not None:
            return draw_trial_of(seed, self.scenario, venues=self.venues)
        if self.focus is not None:
            return draw_focused_trial(seed, self.focus, venues=self.venues)
        return draw_trial(seed, venues=self.venues)

    def play(self, seed: int, *, log: Callable[[str], None] | None = None) -> TrialResult:
        """Draw one trial, play it and check it; `log` hears every event as one line."""
        return run_trial(self.draw(seed), watcher=Checker(log=log))


AT_LARGE: Final = Kind()


def play(
    seed: int,
    *,
    scenario: str | None = None,
    focus: str | None = None,
    venue: str | None = None,
    streams: bool | None = None,
    order_entry: OrderEntry | None = None,
    log: Callable[[str], None] | None = None,
) -> TrialResult:
    """Draw one trial, play it and check it: see `Kind`."""
    kind = Kind(
        scenario=scenario, focus=focus, venue=venue, streams=streams, order_entry=order_entry
    )
    return kind.play(seed, log=log)


def play_all(
    seeds: Sequence[int], kind: Kind = AT_LARGE, *, workers: int | None = None
) -> Generator[TrialResult, None, None]:
    """Play the trials of `seeds` in as many processes, and yield their results in this order.

    Whoever stops listening early, by Ctrl-C too, ends the processes with it.

    Args:
        workers: processes at a time; None for one a core. 1 plays them in this process.
    """
    count = min(workers or os.cpu_count() or 1, len(seeds))
    one = functools.partial(_play_or_say_why_not, kind)
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


def _play_or_say_why_not(kind: Kind, seed: int) -> TrialResult:
    """As `play`. A bug in the trial itself is told with its seed, and the others are played."""
    try:
        return kind.play(seed)
    except Exception as error:  # noqa: BLE001 whatever it is, it must not lose the other seeds
        told = Violation("trial-can-be-played", 0.0, f"{type(error).__name__}: {error}")
        return TrialResult(seed=seed, violations=(told,), log_hash="", virtual_s=0.0, requests=0)


@dataclass(slots=True)
class Totals:
    """What many trials came to."""

    kind: Kind = AT_LARGE
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
        never = [slug for slug in sorted(self.faults) if not self.faults[slug]]
        return {slug: _why_never(slug, self.kind) for slug in never}

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


def _why_never(slug: str, kind: Kind) -> str:
    if kind.focus is not None:
        return f"the trials are about {kind.focus}"
    elsewhere = venues_of(slug)
    if not set(elsewhere) & set(kind.venues):
        return f"only on {', '.join(elsewhere)}, where no trial is drawn"
    if slug in BOOK_FAULTS:
        return "no client of a trial reads a book"
    if slug in STREAM_FAULTS and kind.streams is False:
        return "no client of these trials listens to a stream"
    if slug in SOCKET_FAULTS and kind.order_entry == "rest":
        return "no order of these trials goes by socket"
    return ""
