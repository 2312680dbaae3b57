"""Two hundred seeds in every run of the tests. What they find is mended, and the seed kept.

Blocks of seeds, so that all cores share them. The seeds are those of `outlast simulate`.
"""

from __future__ import annotations

import pytest

from outlast.trials.model import TrialResult
from outlast.trials.runner import play

SEEDS = range(1, 201)
BLOCK = 5


def told(result: TrialResult) -> str:
    """What a person needs who reads of it in the output of the tests."""
    lines = [f"seed {result.seed} violates what must hold:"]
    lines += [f"  {v.invariant} at {v.at_s:.3f} s: {v.detail}" for v in result.violations]
    lines.append(f"again: outlast simulate --seeds {result.seed} --log seed-{result.seed}.log")
    return "\n".join(lines)


@pytest.mark.parametrize("first", SEEDS[::BLOCK], ids=lambda first: f"{first}..{first + BLOCK - 1}")
def test_every_invariant_holds(first):
    failed = [told(r) for r in map(play, range(first, first + BLOCK)) if not r.ok]
    assert not failed, "\n" + "\n".join(failed)
