"""Candidates that take turns in one run, in shuffled order, and are compared round by round.

A machine that others use swings by half within minutes; the ratio of two candidates in the same
round hardly does. So every figure that counts is the median of the rounds' ratios.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

Call = Callable[[], Awaitable[object]]


@dataclass
class Measured:
    """One candidate: CPU of this process per call in each round, and the wall time of each call."""

    cpu_us: list[float] = field(default_factory=list)
    wall_ms: list[float] = field(default_factory=list)

    def percentile(self, share: float) -> float:
        ordered = sorted(self.wall_ms)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


async def measure(
    candidates: Mapping[str, Call], *, rounds: int, calls: int, at_once: int = 1, seed: int = 1
) -> dict[str, Measured]:
    """Let each candidate make `calls` calls a round, so many of them at once."""
    results = {name: Measured() for name in candidates}
    rng = random.Random(seed)
    for call in candidates.values():
        # The first pay for connections and imports: as many as will be needed.
        await asyncio.gather(*(call() for _ in range(at_once)))
    for _ in range(rounds):
        names = list(candidates)
        rng.shuffle(names)
        for name in names:
            await _one_round(candidates[name], results[name], calls, at_once)
    return results


async def _one_round(call: Call, measured: Measured, calls: int, at_once: int) -> None:
    async def timed() -> None:
        began = time.perf_counter()
        await call()
        measured.wall_ms.append((time.perf_counter() - began) * 1e3)

    began = time.process_time()
    done = 0
    while done < calls:
        if at_once == 1:
            await timed()
        else:
            await asyncio.gather(*(timed() for _ in range(at_once)))
        done += at_once
    measured.cpu_us.append((time.process_time() - began) / done * 1e6)


def ratio(ours: Measured, peer: Measured) -> float:
    """CPU of ours over the peer's: the median of the paired rounds."""
    return statistics.median(a / b for a, b in zip(ours.cpu_us, peer.cpu_us, strict=True))


def table(results: Mapping[str, Measured], *, peers: list[str]) -> str:
    """One line a candidate: CPU, its ratio to each peer, median and p99 of the wall time."""
    head = f"{'candidate':34} {'CPU us':>8}" + "".join(f" {'x ' + p:>18}" for p in peers)
    lines = [f"{head} {'p50 ms':>8} {'p99 ms':>8}"]
    for name, measured in results.items():
        row = f"{name:34} {statistics.median(measured.cpu_us):8.0f}"
        row += "".join(f" {ratio(measured, results[peer]):18.2f}" for peer in peers)
        lines.append(f"{row} {measured.percentile(0.5):8.2f} {measured.percentile(0.99):8.2f}")
    return "\n".join(lines)
