"""The mock exchange for one test: in a thread on real sockets, or in a simulation."""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from outlast import sim
from outlast.errors import ConfigurationError
from outlast.mock.exchange import MockExchange
from outlast.mock.scenario.load import load
from outlast.mock.scenario.model import Scenario
from outlast.testing.truths import Truth

__all__ = ["Mock", "scenario"]

_START_S: Final = 30.0


class Mock:
    """A mock exchange, and what a bot needs to trade on it."""

    def __init__(
        self,
        scenario: str | Path | Scenario | None = None,
        *,
        phase: str | None = None,
        venue: str | None = None,
        seed: int | None = None,
    ) -> None:
        """`phase` begins the story there; `venue` is the one that `endpoints` are of.

        Raises:
            ScenarioError: no such scenario, or something wrong in it.
            ConfigurationError: the scenario has no such phase, or is not about this venue.
        """
        story = load(scenario) if isinstance(scenario, str | Path) else scenario
        if story is not None and phase is not None:
            story = _from_phase(story, phase)
        if story is not None and venue is not None and venue not in story.venues:
            raise ConfigurationError(
                f"scenario {story.scenario} is about {', '.join(story.venues)}, not {venue}"
            )
        self._scenario = story
        self._seed = seed
        self._venue = venue
        self._exchange: MockExchange | None = None
        self._described: Mapping[str, Any] | None = None
        self._ask: Callable[[Callable[[MockExchange], Any]], Any] = self._ask_here
        self.truth = Truth(self._answer)

    # What a bot needs.

    @property
    def venue(self) -> str:
        """The venue's id."""
        return self._venue or next(iter(self.describe()["venues"]))

    @property
    def endpoints(self) -> dict[str, str]:
        """For `outlast.connect(endpoints=...)`."""
        return dict(self.describe()["venues"][self.venue]["endpoints"])

    @property
    def url(self) -> str:
        """The root of the REST API."""
        return self.endpoints["rest"]

    @property
    def key(self) -> str:
        return str(self.describe()["venues"][self.venue]["key"])

    @property
    def secret(self) -> str:
        return str(self.describe()["venues"][self.venue]["secret"])

    def describe(self) -> Mapping[str, Any]:
        """The object that `outlast mock` prints first.

        Raises:
            ConfigurationError: the mock is not running.
        """
        if self._described is None:
            raise ConfigurationError(
                "the mock is not running here; in an async test use it inside the test"
            )
        return self._described

    def environment(self) -> dict[str, str]:
        """What `outlast drill` hands to a command: OUTLAST_MOCK, and per venue its three."""
        described = self.describe()
        told = {"OUTLAST_MOCK": json.dumps(described)}
        for venue, wires in described["venues"].items():
            name = "OUTLAST_" + venue.upper().replace("-", "_")
            told[f"{name}_ENDPOINTS"] = json.dumps(wires["endpoints"])
            told[f"{name}_KEY"], told[f"{name}_SECRET"] = wires["key"], wires["secret"]
        return told

    # Two ways to run.

    def play(self, test: Callable[[], Awaitable[None]]) -> None:
        """Run an async test beside the mock in a simulation: what waits, waits no time."""

        async def main() -> None:
            async with MockExchange(self._scenario, seed=self._seed, venues=self._venues()) as mock:
                self._begin(mock)
                with _environment(self.environment()):
                    await test()

        if "ccxt" in sys.modules:
            # What a guard needs is loaded before virtual time begins: imports touch real sockets.
            importlib.import_module("outlast.adapters.ccxt.guarding")
        t0 = sim.T0 if self._scenario is None else self._scenario.t0_ms / 1000
        seed = self._seed if self._seed is not None else getattr(self._scenario, "seed", 1)
        try:
            sim.run(main, seed=seed, t0=t0)
        finally:
            self._end()

    @contextmanager
    def serve(self) -> Iterator[Mock]:
        """Serve on real sockets of this machine, from a thread of its own, in real time."""
        if self._scenario is not None:
            # Real clients date their requests by this machine's clock: the story is told as of now.
            self._scenario = replace(self._scenario, t0_ms=round(time.time() * 1000))
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever, name="outlast-mock", daemon=True)
        thread.start()
        now_ms = None if self._scenario else lambda: round(time.time() * 1000)
        mock = MockExchange(self._scenario, seed=self._seed, venues=self._venues(), now_ms=now_ms)

        def ask(question: Callable[[MockExchange], Any]) -> Any:
            async def answer() -> Any:
                return question(mock)

            return asyncio.run_coroutine_threadsafe(answer(), loop).result(_START_S)

        try:
            asyncio.run_coroutine_threadsafe(mock.start(), loop).result(_START_S)
            try:
                self._ask = ask
                self._exchange, self._described = mock, ask(lambda it: it.describe())
                with _environment(self.environment()):
                    yield self
            finally:
                asyncio.run_coroutine_threadsafe(mock.stop(), loop).result(_START_S)
                self._end()
        finally:
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()

    def _answer(self, question: Callable[[MockExchange], Any]) -> Any:
        return self._ask(question)

    def _venues(self) -> list[str] | None:
        return None if self._venue is None else [self._venue]

    def _begin(self, mock: MockExchange) -> None:
        self._exchange, self._described = mock, mock.describe()

    def _end(self) -> None:
        """From now on only what was true at the end can be asked."""
        self._ask = self._ask_here
        self._described = None

    def _ask_here(self, question: Callable[[MockExchange], Any]) -> Any:
        if self._exchange is None:
            raise ConfigurationError("the mock has not run yet: nothing is true so far")
        return question(self._exchange)


@contextmanager
def scenario(
    slug: str | Path | Scenario | None = None,
    *,
    phase: str | None = None,
    venue: str | None = None,
    seed: int | None = None,
) -> Iterator[Mock]:
    """A scenario on real sockets, for as long as the block lasts.

    Inside it the environment names the mock, as `outlast drill` does for a command, so that
    `outlast.connect_from_env` finds it.
    """
    with Mock(slug, phase=phase, venue=venue, seed=seed).serve() as mock:
        yield mock


def _from_phase(story: Scenario, name: str) -> Scenario:
    names = [phase.name for phase in story.phases]
    if name not in names:
        raise ConfigurationError(
            f"scenario {story.scenario} has no phase {name!r}; it has {', '.join(names)}"
        )
    return replace(story, phases=story.phases[names.index(name) :])


@contextmanager
def _environment(told: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in told}
    os.environ.update(told)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
