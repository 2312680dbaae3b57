"""The knobs refuse what no scenario can mean."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from engine_world import D

from outlast.mock.engine.knobs import (
    Deviation,
    Drift,
    EngineKnobs,
    Gap,
    MarketKnobs,
    MarkPolicy,
    QueuePolicy,
    TriggerPolicy,
)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: EngineKnobs(keep_orders=D("1.1")), "keep_orders is a share"),
        (lambda: EngineKnobs(keep_orders=D("-0.1")), "keep_orders is a share"),
        (lambda: EngineKnobs(mark_offset=D(-1)), "mark_offset must be greater"),
        (lambda: EngineKnobs(fills_delay_ms=-1), "fills_delay_ms cannot be negative"),
        (lambda: EngineKnobs(history_lag_ms=-1), "history_lag_ms cannot be negative"),
        (lambda: Drift(D(-1), 1_000), "drift: by must be greater"),
        (lambda: Drift(D("0.1"), -1), "drift: over_ms cannot be negative"),
        (lambda: Deviation(D(-1), 1, 1), "deviate: by must be greater"),
        (lambda: Deviation(D("0.1"), -1, 1), "deviate: peak_ms and decay_ms"),
        (lambda: Gap(D("-1.5")), "reopen_gap: by must be greater"),
        (lambda: MarketKnobs(vol_x=D(-1)), "vol_x cannot be negative"),
        (lambda: MarketKnobs(depth_bid_x=D(-1)), "depth_bid_x cannot be negative"),
        (lambda: MarketKnobs(depth_ask_x=D(-1)), "depth_ask_x cannot be negative"),
        (lambda: MarketKnobs(spread_x=D(0)), "spread_x must be positive"),
    ],
)
def test_impossible_settings_are_errors_that_name_the_field(
    make: Callable[[], object], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_the_words_are_the_scenario_languages() -> None:
    assert {policy.value for policy in TriggerPolicy} == {
        "live",
        "dead",
        "on_resume",
        "before_resume",
    }
    assert {policy.value for policy in QueuePolicy} == {"hold", "reject"}
    assert {policy.value for policy in MarkPolicy} == {"live", "frozen"}
