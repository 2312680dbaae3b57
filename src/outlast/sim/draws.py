"""Where chance comes from: seeded generators, and the distributions drawn from them."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

__all__ = [
    "Latency",
    "check_chance",
    "check_seconds",
    "fixed",
    "generator",
    "heavy_tailed",
    "lognormal",
    "uniform",
]

Latency = Callable[[random.Random], float]
"""Draws one delay in seconds, one way."""


def generator(seed: int, name: str) -> random.Random:
    """Give a generator for one purpose; what one draws does not shift what another will."""
    return random.Random(f"{seed}/{name}")  # noqa: S311 repeatable, not secret


def fixed(seconds: float) -> Latency:
    """The same delay every time."""
    check_seconds("seconds", seconds)
    return lambda _: seconds


def uniform(low_s: float, high_s: float) -> Latency:
    check_seconds("low_s", low_s)
    if high_s < low_s:
        raise ValueError(f"high_s: expected at least low_s ({low_s}), got {high_s}")
    return lambda rng: rng.uniform(low_s, high_s)


def lognormal(median_s: float, sigma: float = 0.25) -> Latency:
    """A delay as networks have it: half below the median, a few far above.

    Args:
        sigma: 0.25 is a quiet path (1 in 100 takes 1.8 medians), 1.0 a bad one (10 medians).
    """
    if median_s <= 0:
        raise ValueError(f"median_s: expected more than 0, got {median_s}")
    mu = math.log(median_s)
    return lambda rng: rng.lognormvariate(mu, sigma)


def heavy_tailed(median_s: float, *, tail: float, tail_max_s: float) -> Latency:
    """Mostly `lognormal(median_s)`; with chance `tail` anything from there up to `tail_max_s`."""
    check_chance("tail", tail)
    usual = lognormal(median_s)
    if tail_max_s < median_s:
        raise ValueError(f"tail_max_s: expected at least median_s ({median_s}), got {tail_max_s}")

    def draw(rng: random.Random) -> float:
        if rng.random() < tail:
            return median_s * math.exp(rng.random() * math.log(tail_max_s / median_s))
        return usual(rng)

    return draw


def check_seconds(name: str, value: float) -> None:
    if not value >= 0:
        raise ValueError(f"{name}: expected seconds, 0 or more, got {value!r}")


def check_chance(name: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise ValueError(f"{name}: expected a chance from 0 to 1, got {value!r}")
