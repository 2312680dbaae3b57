"""Trials on the venues that are played on only when asked for: `--venue`."""

from __future__ import annotations

import pytest
from test_trial_seeds import told

from outlast.trials.generator import draw_trial
from outlast.trials.runner import play

FOUND: dict[tuple[str, int], str] = {
    ("kraken-spot", 15): "lookups of lost orders leave nothing of the counter for the balances",
    ("kraken-spot", 42): "a cancel leaves a second after its deadline, having waited for its nonce",
    ("kraken-spot", 66): "a cancel that waits for its pair's counter is held for overtaken",
}
"""Venue and seed -> what it found once."""


@pytest.mark.parametrize(("venue", "seed"), FOUND, ids=FOUND.values())
def test_what_was_found_once_stays_mended(venue, seed):
    result = play(seed, venue=venue)
    assert result.ok, told(result)


@pytest.mark.parametrize("venue", ["binance-spot", "kraken-spot"])
@pytest.mark.parametrize("first", [1, 5, 9])
def test_every_invariant_holds_on(venue, first):
    results = (play(seed, venue=venue) for seed in range(first, first + 4))
    failed = [told(result) for result in results if not result.ok]
    assert not failed, f"{venue}:\n" + "\n".join(failed)


def test_where_questions_are_few_all_has_more_time_and_limits_are_left_as_they_are():
    """Kraken tells no limits: tighter ones would be a trap, not a trial."""
    tight = 0
    for seed in range(1, 60):
        usual, few = draw_trial(seed), draw_trial(seed, venues=("kraken-spot",))
        assert few.liveness_s == usual.liveness_s + 150
        assert few.safety_s == usual.safety_s
        assert few.scenario.limits.factor is None
        tight += usual.scenario.limits.factor is not None
    assert tight
