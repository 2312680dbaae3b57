"""The trials of seeds 1 to 500, drawn once for all tests; and what a trial comes to in one line."""

from __future__ import annotations

import functools
import hashlib

from outlast.trials.describe import describe
from outlast.trials.generator import draw_trial
from outlast.trials.model import Trial

SEEDS = range(1, 501)


@functools.cache
def drawn(seed: int) -> Trial:
    return draw_trial(seed)


def all_drawn() -> list[Trial]:
    return [drawn(seed) for seed in SEEDS]


def digest(trial: Trial) -> str:
    """Everything that decides how the trial plays, without the order of any set."""
    parts = [
        *describe(trial),
        trial.scenario.text,
        repr(trial.clients),
        repr(trial.disruptions),
        repr(trial.faults),
        repr(sorted(trial.switched_off)),
    ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
