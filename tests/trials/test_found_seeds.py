"""Seeds that once found a bug: each stays a test for good.

To add one: mend the bug, then write its seed into `FOUND`, with what it had found in one line, and
the scenario where one was named. A change of the generator deals new trials to old seeds; where
that happens to one of these, look for another seed that finds the old bug (plant it again, see
`planted/`), and replace the number.
"""

from __future__ import annotations

import pytest
from test_trial_seeds import told

from outlast.trials.runner import play

FOUND: dict[tuple[int, str | None], str] = {}
"""(seed, scenario or None) -> what it found."""


@pytest.mark.parametrize(("seed", "scenario"), FOUND, ids=FOUND.values())
def test_what_was_found_once_stays_mended(seed, scenario):
    result = play(seed, scenario=scenario)
    assert result.ok, told(result)
