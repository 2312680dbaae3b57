"""The same seed is the same run, to the byte, in another process with another hash seed."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

FIRST, LAST, BLOCK = 1001, 1050, 10
"""Other seeds than those of `test_trial_seeds`: these count there as well, by the way."""


def hashes(first: int, last: int, *, hash_seed: str) -> dict[int, str]:
    done = subprocess.run(
        [
            *(sys.executable, "-c", "from outlast.cli.main import main; main()"),
            *("simulate", "--seeds", f"{first}..{last}", "--workers", "1", "--json"),
        ],
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode in (0, 1), done.stderr  # what they violate is no matter here
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    return {row["seed"]: row["hash"] for row in rows if "seed" in row}


@pytest.mark.parametrize(
    "first", range(FIRST, LAST, BLOCK), ids=lambda first: f"{first}..{first + BLOCK - 1}"
)
def test_two_processes_play_the_same_trials(first):
    last = first + BLOCK - 1
    one = hashes(first, last, hash_seed="1")
    other = hashes(first, last, hash_seed="271828")
    assert sorted(one) == list(range(first, last + 1))
    assert one == other
    assert len(set(one.values())) == BLOCK
