"""Two hundred seeds in every run of the tests. What they find is mended, and the seed kept.

Blocks of seeds, so that all cores share them. The seeds are those of `outlast simulate`.
"""

from __future__ import annotations

import pytest

from outlast.trials.model import TrialResult
from outlast.trials.runner import play

SEEDS = range(1, 201)
BLOCK = 5

OPEN: dict[int, str] = {}
"""Seeds that fail and are not mended yet. Whoever mends one moves it to `FOUND`."""


def told(result: TrialResult) -> str:
    """What a person needs who reads of it in the output of the tests."""
    lines = [f"seed {result.seed} violates what must hold:"]
    lines += [f"  {v.invariant} at {v.at_s:.3f} s: {v.detail}" for v in result.violations]
    lines.append(f"again: outlast simulate --seeds {result.seed} --log seed-{result.seed}.log")
    return "\n".join(lines)


@pytest.mark.parametrize("first", SEEDS[::BLOCK], ids=lambda first: f"{first}..{first + BLOCK - 1}")
def test_every_invariant_holds(first):
    seeds = [seed for seed in range(first, first + BLOCK) if seed not in OPEN]
    failed = [told(r) for r in map(play, seeds) if not r.ok]
    assert not failed, "\n" + "\n".join(failed)


@pytest.mark.parametrize(
    "seed",
    [pytest.param(n, marks=pytest.mark.xfail(strict=True, reason=OPEN[n])) for n in OPEN],
)
def test_a_seed_that_is_still_open_fails_as_it_is_known_to(seed):
    result = play(seed)
    assert result.ok, told(result)
