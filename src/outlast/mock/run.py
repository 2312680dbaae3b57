"""One run of a scenario: every part of the exchange, put together at its first instant.

A run is used once. To start again (`reset`), or with another scenario, a new one is made and the
servers are handed its apps.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from outlast.mock.clock import VenueClock
from outlast.mock.engine.engine import Engine
from outlast.mock.engine.events import EngineEvent
from outlast.mock.engine.model import Instrument, Order
from outlast.mock.faults import Chance, FaultDesk
from outlast.mock.keys import Account, KeyRing
from outlast.mock.scenario.defaults import to_instrument
from outlast.mock.scenario.model import FaultRule, Scenario
from outlast.mock.scenario.script import Script
from outlast.mock.stage import Stage
from outlast.mock.status_page import StatusPage
from outlast.mock.streams.hub import brings_back
from outlast.mock.truth import Truth
from outlast.mock.venue import Venue
from outlast.mock.venues.dialect import WRITES, Dialect

__all__ = ["DEFAULT_ACCOUNT", "DialectFactory", "MockError", "Run", "check_rule"]

ENDED_ORDERS_MAX: Final = 2_400
"""Ended orders that the venues of a run remember together, each an equal share."""
_FOLD_EVERY_MS: Final = 1_000
"""How often, in venue time, the truth is told how complete it is."""

DEFAULT_ACCOUNT: Final = "main"
"""The account whose key and secret the mock prints when it starts."""

DialectFactory = Callable[[int], Dialect]
"""Makes a venue's dialect for one run, given the seed."""


class MockError(Exception):
    """The mock cannot do what was asked; the message is one line and says what helps."""


@dataclass(slots=True)
class _Served:
    """One venue of the run."""

    venue: Venue
    stage: Stage
    default: Account


class Run:
    """A scenario from t = 0 on, for the venues in `dialects`."""

    def __init__(
        self,
        scenario: Scenario,
        *,
        dialects: Mapping[str, DialectFactory],
        speed: float,
        on_change: Callable[[], None],
    ) -> None:
        check_scenario(scenario)
        self.scenario = scenario
        self.script = Script(scenario)
        try:
            self.clock = VenueClock(t0_ms=scenario.t0_ms, speed=speed)
        except ValueError as error:
            raise MockError(str(error)) from error
        self.chance = Chance(scenario.seed)
        self.desk = FaultDesk(self.script, self.chance)
        self.truth = Truth(scenario)
        self.status_page = StatusPage(script=self.script, clock=self.clock, desk=self.desk)
        self.notices: list[tuple[int, str]] = []
        """What the venue has announced: (venue time, text)."""
        self._on_change = on_change
        self._ordinals = itertools.count(1)
        self._folded_ms = scenario.t0_ms
        self._fired = 0  # how many of the script's events have been
        self._accounts = {DEFAULT_ACCOUNT}
        self._ended_max = ENDED_ORDERS_MAX // max(1, len(dialects))
        self._served = {name: self._serve(make(scenario.seed)) for name, make in dialects.items()}

    @property
    def venues(self) -> Mapping[str, Venue]:
        return {name: served.venue for name, served in self._served.items()}

    def default_account(self, venue: str) -> Account:
        return self._served[venue].default

    # -- life -------------------------------------------------------------------------------------

    def start(self) -> None:
        """Let time run, from the first instant of the scenario."""
        self._enter()
        for stage in self._stages():
            self.clock.on_step(stage.step)
            stage.report_market()
        self.clock.on_step(self._fold)
        for entry in self.scenario.status_page:
            self.clock.at(entry.at_s, self._on_change)
        self.clock.start()

    def close(self) -> None:
        """Stop time; what is still hanging is told to the truth as it stands."""
        self.clock.catch_up()
        for served in self._served.values():
            served.venue.close()
        self.clock.stop()

    def changed(self) -> None:
        """Rules were added or taken away from outside: judge anew who lets what through."""
        for stage in self._stages():
            stage.enter()
        self._reconsider_sockets()
        self._on_change()

    # -- accounts ---------------------------------------------------------------------------------

    def open_account(self, name: str | None = None) -> tuple[str, dict[str, Account]]:
        """A fresh account on every venue, with the scenario's balances and positions.

        Raises:
            MockError: the name is taken, or the engine refuses what the scenario gives an account
                (its orders no longer fit the market of this hour).
        """
        self.clock.catch_up()
        if name is None:
            free = (f"client-{n}" for n in itertools.count(len(self._accounts)))
            name = next(candidate for candidate in free if candidate not in self._accounts)
        elif name in self._accounts:
            raise MockError(f"name: account {name!r} exists; choose another or leave it out")
        self._accounts.add(name)
        try:
            opened = {venue: s.stage.open_account(name) for venue, s in self._served.items()}
        except ValueError as error:
            raise MockError(f"account {name!r} cannot be opened now: {error}") from error
        return name, opened

    # -- inside -----------------------------------------------------------------------------------

    def _serve(self, dialect: Dialect) -> _Served:
        scenario = self.scenario
        specs = scenario.world.listed_on(dialect.venue)

        def instruments(*, later: bool) -> list[Instrument]:
            # On the wire an instrument has the venue's name; the scenario's key may carry a
            # suffix, where two products share that name.
            return [
                replace(to_instrument(spec, dialect.venue), symbol=spec.venue_symbol)
                for spec in specs
                if (spec.symbol in scenario.listed_later) is later
            ]

        engine = Engine(
            instruments(later=False),
            upcoming=instruments(later=True),
            product=dialect.product,
            seed=scenario.seed,
            start_ms=scenario.t0_ms,
            venue=dialect.venue,
            ended_max=self._ended_max,
        )

        def tell_truth(event: EngineEvent) -> None:
            self.truth.engine_event(dialect.venue, event)

        def tell_forgotten(orders: Sequence[Order]) -> None:
            ids = [order.order_id for order in orders]
            self.truth.forgotten(self.clock.now_ms, dialect.venue, ids)

        engine.listen(tell_truth, public_trades=False)
        engine.on_forgotten(tell_forgotten)
        dialect.attach(engine)
        self.truth.shown_balances[dialect.venue] = dialect.shown_balance
        stage = Stage(
            venue=dialect.venue,
            product=dialect.product,
            engine=engine,
            keys=KeyRing(seed=scenario.seed, venue=dialect.venue),
            clock=self.clock,
            script=self.script,
            desk=self.desk,
            truth=self.truth,
        )
        self.truth.engines[dialect.venue] = stage.standing
        venue = Venue(
            dialect=dialect,
            stage=stage,
            clock=self.clock,
            desk=self.desk,
            chance=self.chance,
            truth=self.truth,
            ordinals=self._ordinals,
            keeps_held=any(brings_back(r) for p in self.scenario.phases for r in p.faults),
        )
        return _Served(venue, stage, stage.open_account(DEFAULT_ACCOUNT))

    def _fold(self) -> None:
        """Let the truth know how far it has been told everything."""
        if self.clock.now_ms - self._folded_ms >= _FOLD_EVERY_MS:
            self._folded_ms = self.clock.now_ms
            venues = self.venues.values()
            self.truth.complete_until(min(venue.told_until_ms() for venue in venues))

    def _stages(self) -> Sequence[Stage]:
        return [served.stage for served in self._served.values()]

    def _reconsider_sockets(self) -> None:
        for served in self._served.values():
            if served.venue.sockets is not None:
                served.venue.sockets.reconsider()

    def _enter(self) -> None:
        """The script has come to an instant at which something changes."""
        stages = self._stages()
        for stage in stages:
            stage.enter()
        events = self.script.events
        while self._fired < len(events) and events[self._fired].at_s <= self.clock.elapsed_s:
            event = events[self._fired]
            if event.kind == "notice":
                self.notices.append((self.clock.now_ms, event.note))
            for stage in stages:
                stage.fire(event)
            self._fired += 1
        self._reconsider_sockets()
        following = self.script.changes_after(self.clock.elapsed_s)
        if following is not None:
            self.clock.at(following, self._enter, first=True)
        self._on_change()


def check_scenario(scenario: Scenario) -> None:
    """Refuse what the exchange cannot play, before anything is started.

    Raises:
        MockError: a rule that contradicts itself (see `check_rule`).
    """
    for phase in scenario.phases:
        for rule in phase.faults:
            problem = check_rule(rule)
            if problem:
                raise MockError(
                    f"{scenario.scenario}: rule {rule.id} (line {rule.line}): {problem}"
                )


def check_rule(rule: FaultRule) -> str:
    """What makes a rule impossible, in words; empty when it is fine.

    A normal answer tells what the engine did, so it cannot be given for a write that the engine has
    not made.
    """
    normal = rule.reply is None or rule.reply.is_normal
    undone = rule.effect is not None and rule.effect.kind in ("none", "apply_after", "apply_share")
    if rule.decides and normal and undone and rule.endpoints & WRITES:
        return (
            "effect: a normal answer (`reply: ok`) tells what the engine did, so it must be done; "
            "use apply, apply_silently or {apply_then_void: 25s}, or another reply"
        )
    return ""
