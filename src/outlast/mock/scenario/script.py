"""The scenario laid out in time: what holds at each instant, and when that next changes.

A phase begins with a healthy venue and says what is different; nothing said in one phase holds in
the next, except what was set in motion: a drift and a deviation run their full length. The timeline
changes the running phase's settings key by key.

Instants are seconds since the start of the scenario. Inside they are whole microseconds, so that
the instant told by `changes_after` is the instant at which `at` sees the change.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Final, TypeVar

from outlast.mock.scenario.model import (
    AccountSettings,
    EngineSettings,
    Event,
    Flap,
    Limits,
    LimitSettings,
    MarketSettings,
    Phase,
    Ramp,
    Scenario,
    StatusPageEntry,
)
from outlast.mock.scenario.moment import (
    AccountState,
    EngineState,
    Jump,
    MarketState,
    Moment,
    RunningDeviation,
    RunningDrift,
)
from outlast.mock.scenario.vocabulary import PageState

__all__ = ["Script", "StatusView"]

_S: Final = 1_000_000
_SWEEP_KEYS: Final = ("keep_orders", "silent_cancels", "cancel_types")
_State = TypeVar("_State", EngineState, MarketState, AccountState, Limits)


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusView:
    """What the status page shows; `entries` are those published so far, oldest first."""

    page: PageState = "green"
    since_s: float = 0.0
    entries: tuple[StatusPageEntry, ...] = ()


@dataclass(frozen=True, slots=True)
class _Span:
    """A phase in time; `end_us` is None for one without an end."""

    phase: Phase
    index: int
    start_us: int
    end_us: int | None

    def holds(self, at_us: int) -> bool:
        return self.start_us <= at_us and (self.end_us is None or at_us < self.end_us)


@dataclass(frozen=True, slots=True)
class _Stretch:
    """What holds from `start_us` to the next stretch."""

    start_us: int
    span: _Span
    engine: EngineState
    market: MarketState
    account: AccountState
    limits: Limits
    admitted_share: float
    ended: bool


class Script:
    """A scenario on its own time axis. Pure: it is told the time and remembers nothing."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.duration_s = scenario.duration_s
        """None: the last phase has no end."""
        self._spans = tuple(_spans(scenario.phases))
        self._end_us = self._spans[-1].end_us
        self._stretches = tuple(self._lay_out())
        self._starts_us = [stretch.start_us for stretch in self._stretches]
        self.starts: Mapping[str, float] = {s.phase.name: s.start_us / _S for s in self._spans}
        """When each phase begins."""
        self.events: tuple[Event, ...] = tuple(
            sorted(
                (
                    replace(event, at_s=(span.start_us + _us(event.at_s)) / _S)
                    for span in self._spans
                    for event in span.phase.events
                ),
                key=lambda event: event.at_s,
            )
        )
        """All events with `at_s` counted from the start of the scenario, in order."""

    def at(self, elapsed_s: float) -> Moment:
        """What holds `elapsed_s` after the start; before it, what holds at the start."""
        at_us = max(0, _us(elapsed_s))
        stretch = self._stretches[bisect_right(self._starts_us, at_us) - 1]
        span = stretch.span
        flap = span.phase.flap
        is_bad = flap is None or _wave(flap, at_us - span.start_us)[0]
        return Moment(
            phase=span.phase,
            phase_index=span.index,
            phase_elapsed_s=(at_us - span.start_us) / _S,
            elapsed_s=at_us / _S,
            engine=stretch.engine,
            market=stretch.market,
            account=stretch.account,
            limits=stretch.limits,
            admitted_share=stretch.admitted_share,
            faults_active=is_bad and not stretch.ended,
            ended=stretch.ended,
            scope=self.scenario.scope,
        )

    def changes_after(self, elapsed_s: float) -> float | None:
        """The next instant at which the moment changes or an event is due; None: never again.

        Strictly later than `elapsed_s`. The status page is not part of the moment: ask `status_at`.
        """
        at_us = _us(elapsed_s)
        nexts = [start for start in self._starts_us if start > at_us][:1]
        nexts += [_us(event.at_s) for event in self.events if _us(event.at_s) > at_us][:1]
        span = self._span_at(max(0, at_us))
        if span is not None and span.phase.flap is not None:
            edge_us = span.start_us + _wave(span.phase.flap, max(0, at_us) - span.start_us)[1]
            if span.end_us is None or edge_us < span.end_us:
                nexts.append(edge_us)
        return min(nexts) / _S if nexts else None

    def status_at(self, elapsed_s: float) -> StatusView:
        """What the status page says; before its first entry it is green."""
        at_us = _us(elapsed_s)
        shown = tuple(e for e in self.scenario.status_page if _us(e.at_s) <= at_us)
        if not shown:
            return StatusView()
        return StatusView(page=shown[-1].page, since_s=shown[-1].at_s, entries=shown)

    def _span_at(self, at_us: int) -> _Span | None:
        return next((span for span in self._spans if span.holds(at_us)), None)

    def _lay_out(self) -> Iterator[_Stretch]:
        account = AccountState()
        for at_us in sorted(self._knots()):
            span = self._span_at(at_us)
            ended = span is None
            if span is None:
                # After the end the venue is well: a bot that still reconciles must be able to.
                span = replace(self._spans[-1], phase=_AFTERWARDS)
            account = _account(span, at_us, account)
            yield _Stretch(
                start_us=at_us,
                span=self._spans[span.index],
                engine=_engine(span, at_us),
                market=_market(span, at_us),
                account=account,
                limits=_with_said(_with_said(Limits(), self.scenario.limits), span.phase.limits),
                admitted_share=_admitted(span, at_us),
                ended=ended,
            )

    def _knots(self) -> set[int]:
        """Every instant at which something may change, but for the edges of flaps."""
        knots = set()
        for span in self._spans:
            knots.add(span.start_us)
            knots.update(span.start_us + _us(change.at_s) for change in span.phase.timeline)
            if span.phase.ramp is not None:
                knots.update(_steps(span, span.phase.ramp))
            if span.end_us is not None:
                knots.add(span.end_us)
        return knots


_AFTERWARDS: Final = Phase(name="afterwards", duration_s=None)


# --- what a span says at an instant --------------------------------------------------------------


def _us(seconds: float) -> int:
    return round(seconds * _S)


def _spans(phases: tuple[Phase, ...]) -> Iterator[_Span]:
    start_us = 0
    for index, phase in enumerate(phases):
        end_us = None if phase.duration_s is None else start_us + _us(phase.duration_s)
        yield _Span(phase, index, start_us, end_us)
        if end_us is None:
            return
        start_us = end_us


def _with_said(
    state: _State,
    settings: EngineSettings | MarketSettings | AccountSettings | LimitSettings,
    *,
    skip: tuple[str, ...] = (),
) -> _State:
    """`state` with everything that `settings` says; fields of one name mean the same in both."""
    said: dict[str, Any] = {
        f.name: getattr(settings, f.name) for f in fields(settings) if f.name not in skip
    }
    return replace(state, **{name: value for name, value in said.items() if value is not None})


def _engine(span: _Span, at_us: int) -> EngineState:
    sayings = [(span.start_us, span.phase.engine)]
    sayings += [
        (span.start_us + _us(change.at_s), change.engine)
        for change in span.phase.timeline
        if change.engine is not None
    ]
    state = EngineState()
    for said_us, said in sayings:
        if said_us > at_us:
            break
        state = _with_said(state, said)
        if any(getattr(said, key) is not None for key in _SWEEP_KEYS):
            state = replace(state, sweep_s=said_us / _S)
    return state


def _market(span: _Span, at_us: int) -> MarketState:
    sayings = [(span.start_us, span.phase.market)]
    sayings += [
        (span.start_us + _us(change.at_s), change.market)
        for change in span.phase.timeline
        if change.market is not None
    ]
    state = MarketState()
    for said_us, said in sayings:
        if said_us > at_us:
            break
        since_s = said_us / _S
        state = _with_said(state, said, skip=("drift", "over_s", "deviate", "reopen_gap"))
        if said.drift is not None:
            over_s = said.over_s
            if over_s is None:
                assert span.end_us is not None, "the checker asks for `over` in such a phase"
                over_s = (span.end_us - said_us) / _S
            state = replace(state, drift=RunningDrift(said.drift, over_s, since_s))
        if said.deviate is not None:
            by, peak_s, decay_s = said.deviate.by, said.deviate.peak_s, said.deviate.decay_s
            state = replace(state, deviate=RunningDeviation(by, peak_s, decay_s, since_s))
        if said.reopen_gap is not None:
            state = replace(state, reopen_gap=Jump(said.reopen_gap, since_s))
    return state


def _account(span: _Span, at_us: int, before: AccountState) -> AccountState:
    state = _with_said(AccountState(), span.phase.account)
    for change in span.phase.timeline:
        if change.account is not None and span.start_us + _us(change.at_s) <= at_us:
            state = _with_said(state, change.account)
    now_s = at_us / _S
    same_balances = state.balances == before.balances
    same_positions = state.positions == before.positions
    return replace(
        state,
        balances_since_s=before.balances_since_s if same_balances else now_s,
        positions_since_s=before.positions_since_s if same_positions else now_s,
    )


def _steps(span: _Span, ramp: Ramp) -> list[int]:
    """When each step of the ramp begins."""
    assert span.end_us is not None, "the checker refuses a ramp in a phase without an end"
    length_us = span.end_us - span.start_us
    return [span.start_us + length_us * step // ramp.steps for step in range(ramp.steps)]


def _admitted(span: _Span, at_us: int) -> float:
    """The ramp's share: its first value in the first step, its last value in the last."""
    ramp = span.phase.ramp
    if ramp is None:
        return 0.0
    if ramp.steps == 1:
        return ramp.start
    step = bisect_right(_steps(span, ramp), at_us) - 1
    return ramp.start + (ramp.end - ramp.start) * step / (ramp.steps - 1)


def _wave(flap: Flap, elapsed_us: int) -> tuple[bool, int]:
    """Whether this half-wave is the bad one, and when it ends, since the start of the phase."""
    good_us, bad_us = _us(flap.good_s), _us(flap.bad_s)
    starts_bad = flap.start == "bad"
    first_us = bad_us if starts_bad else good_us
    waves, into_us = divmod(elapsed_us, good_us + bad_us)
    if into_us < first_us:
        return starts_bad, waves * (good_us + bad_us) + first_us
    return not starts_bad, (waves + 1) * (good_us + bad_us)
