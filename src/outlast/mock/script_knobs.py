"""What the script says of one instant, in the engine's own settings: seconds become milliseconds,
offsets from the scenario's start become venue time.
"""

from __future__ import annotations

from decimal import Decimal

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
from outlast.mock.scenario.moment import EngineState, MarketState

__all__ = ["engine_knobs", "market_knobs"]


def engine_knobs(state: EngineState) -> EngineKnobs:
    """The engine's settings for `state`.

    `keep_orders` and `cancel_types` are done once per `sweep_id`; the instant at which the scenario
    said them tells two sweeps apart.
    """
    return EngineKnobs(
        mode=state.mode,
        matching=state.matching,
        queue=QueuePolicy(state.queue),
        triggers=TriggerPolicy(state.triggers),
        liquidations=state.liquidations,
        fills_delay_ms=_ms(state.fills_delay_s),
        history_lag_ms=_ms(state.history_lag_s),
        mark=MarkPolicy.FROZEN if state.mark.kind == "frozen" else MarkPolicy.LIVE,
        mark_offset=state.mark.offset if state.mark.kind == "offset" else Decimal(0),
        keep_orders=state.keep_orders,
        cancel_types=state.cancel_types,
        silent_cancels=state.silent_cancels,
        sweep_id=_ms(state.sweep_s),
    )


def market_knobs(state: MarketState, *, t0_ms: int) -> MarketKnobs:
    """The market's settings for `state`, the scenario having started at `t0_ms`."""
    drift, deviate, jump = state.drift, state.deviate, state.reopen_gap
    return MarketKnobs(
        drift=Drift(drift.by, _ms(drift.over_s), start_ms=t0_ms + _ms(drift.since_s))
        if drift
        else None,
        vol_x=state.vol_x,
        spread_x=state.spread_x,
        depth_bid_x=state.depth_x.bid,
        depth_ask_x=state.depth_x.ask,
        deviate=Deviation(
            by=deviate.by,
            peak_ms=_ms(deviate.peak_s),
            decay_ms=_ms(deviate.decay_s),
            start_ms=t0_ms + _ms(deviate.since_s),
        )
        if deviate
        else None,
        frozen=state.frozen,
        reopen_gap=Gap(jump.by, start_ms=t0_ms + _ms(jump.at_s)) if jump else None,
    )


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
