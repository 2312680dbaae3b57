"""The mock exchange: a scenario's venues on ports of this machine, from start to stop.

Each venue is served at the root of its own port; the status page and the control API have ports of
their own. Everything runs on the event loop that `start` is called on.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from outlast.mock.control import Control
from outlast.mock.http.connection import App
from outlast.mock.http.server import HttpServer
from outlast.mock.run import DialectFactory, MockError, Run
from outlast.mock.scenario.load import from_data, load
from outlast.mock.scenario.model import Scenario
from outlast.mock.scenario.vocabulary import VENUES
from outlast.mock.truth import Truth
from outlast.mock.venues.dialect import Dialect

__all__ = ["MockError", "MockExchange", "dialects"]

_DIALECTS: Final[Mapping[str, tuple[str, str]]] = {
    "binance-spot": ("outlast.mock.venues.binance_spot.dialect", "BinanceSpotDialect"),
    "binance-um": ("outlast.mock.venues.binance_um.dialect", "BinanceUmDialect"),
    "kraken-spot": ("outlast.mock.venues.kraken_spot.dialect", "KrakenSpotDialect"),
}
"""The venues that the mock can serve: module and class of each dialect."""


def dialects() -> dict[str, DialectFactory]:
    """The venues that the mock serves, each with the maker of its dialect."""

    def factory(module: str, name: str) -> DialectFactory:
        def make(seed: int) -> Dialect:
            dialect: Dialect = getattr(importlib.import_module(module), name)(seed=seed)
            return dialect

        return make

    return {venue: factory(*where) for venue, where in _DIALECTS.items()}


_APART = "kraken-spot"
"""It has a host of its own for private connections: here a root of its own."""


class MockExchange:
    """A bundled exchange that behaves as badly as its scenario says.

    `scenario` is a slug of the catalogue, a file, or a `Scenario`; None is a healthy market.
    `venues` leaves out some of the scenario's. `seed` replaces the scenario's own. `speed` is
    scenario seconds per second of the event loop. `port` fixes the first port, the rest follow; 0
    lets the system choose. Reach beyond this machine only by an explicit `host`. `now_ms` is the
    clock of this machine (milliseconds since the epoch): a healthy market begins at its time, so
    that real clients agree with the venue's clock. Without it that too has a date of its own, and
    a run repeats exactly.

    Raises:
        MockError: a venue that the mock does not serve, or a setting that cannot be.
        ScenarioError: no such scenario, or something wrong in it.
    """

    def __init__(
        self,
        scenario: str | Path | Scenario | None = None,
        *,
        venues: Sequence[str] | None = None,
        seed: int | None = None,
        speed: float = 1.0,
        host: str = "127.0.0.1",
        port: int = 0,
        now_ms: Callable[[], int] | None = None,
        available: Mapping[str, DialectFactory] | None = None,
    ) -> None:
        """`available` replaces the venues that come with the package, for other dialects."""
        self._available = dict(dialects() if available is None else available)
        self._wanted = venues
        self._host, self._port = host, port
        self._now_ms = now_ms
        self._servers: dict[str, HttpServer] = {}
        self._status_server: HttpServer | None = None
        self._control = Control(self)
        self._control_server: HttpServer | None = None
        self._opened = 0  # how many ports have been opened; with a fixed first one they follow it
        self._running = False
        self._runs = 0
        self._run = self._make(self._read(scenario), seed=seed, speed=speed)

    # -- life -------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Open the ports and let the scenario begin.

        Raises:
            MockError: a port is in use, or the host is not one of this machine.
        """
        assert not self._running, "the exchange runs already"
        try:
            for venue in self._run.venues:
                self._servers[venue] = await self._open(self._run.venues[venue])
            self._status_server = await self._open(self._run.status_page)
            self._control_server = await self._open(self._control)
        except BaseException:
            await self._close_servers()
            raise
        self._running = True
        self._run.start()

    async def stop(self) -> None:
        """Close everything; nothing is left running afterwards. The truth can still be read."""
        if not self._running:
            return
        self._running = False
        await self._close_servers()
        self._run.close()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    async def restart(
        self,
        scenario: str | Path | Scenario | None = None,
        *,
        seed: int | None = None,
        speed: float | None = None,
    ) -> None:
        """Begin anew at t = 0: the same scenario and seed, or those given.

        Venues keep their ports, keys change with the seed. Connections are kept, except those with
        a request that is still being served: its answer will not come any more.

        Raises:
            MockError, ScenarioError: as when made; the old run goes on then.
        """
        old = self._run
        document = old.scenario if scenario is None else self._read(scenario)
        fresh = self._make(document, seed=seed, speed=old.clock.speed if speed is None else speed)
        if not self._running:
            self._run = fresh
            return
        await self._open_missing(fresh)
        self._run = fresh
        old.close()
        for venue in list(self._servers):
            if venue in fresh.venues:
                self._servers[venue].drop_busy()
                self._servers[venue].app = fresh.venues[venue]
            else:
                await self._servers.pop(venue).stop()
        assert self._status_server is not None
        self._status_server.drop_busy()
        self._status_server.app = fresh.status_page
        fresh.start()

    # -- what it is -------------------------------------------------------------------------------

    @property
    def host(self) -> str:
        """The address that it listens on, or is to."""
        return self._host

    @property
    def run(self) -> Run:
        """The run under way."""
        return self._run

    @property
    def runs(self) -> int:
        """How many runs there have been, this one included: it changes when all begins anew."""
        return self._runs

    @property
    def scenario(self) -> Scenario:
        return self._run.scenario

    @property
    def truth(self) -> Truth:
        """What really happened."""
        return self._run.truth

    def verdict(self, belief: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """The scenario's invariants as they stand now, each with its evidence."""
        self._run.clock.catch_up()
        return self.truth.verdict(belief)

    def endpoints(self, venue: str) -> dict[str, str]:
        """The roots under which clients find a venue."""
        server, status = self._servers[venue], self._status_server
        assert status is not None
        stream = "ws" + server.url.removeprefix("http")
        private = f"{stream}/auth" if venue == _APART else stream
        return {
            "rest": server.url,
            "stream": stream,
            "private_stream": private,
            "trade_stream": private,
            "status_page": status.url,
        }

    def describe(self) -> dict[str, Any]:
        """Where everything is, with the default account's keys: the mock's first line of output.

        Binance spot's have an `ed25519` key besides, the only kind that may log on to its WebSocket
        API.
        `not_served` names venues of the scenario that the mock has no dialect for.
        """
        assert self._control_server is not None, "start the exchange first: its ports are not known"
        scenario = self.scenario
        return {
            "venues": {
                venue: {
                    "endpoints": self.endpoints(venue),
                    **self._run.default_account(venue).credentials(),
                }
                for venue in self._run.venues
            },
            "control": self._control_server.url,
            "scenario": scenario.scenario,
            "seed": scenario.seed,
            "speed": self._run.clock.speed,
            "not_served": [v for v in scenario.venues if v not in self._run.venues],
        }

    # -- inside -----------------------------------------------------------------------------------

    def _read(self, scenario: str | Path | Scenario | None) -> Scenario:
        if isinstance(scenario, Scenario):
            return scenario
        if scenario is not None:
            return load(scenario)
        venues = list(self._wanted or self._available)
        unknown = [venue for venue in venues if venue not in VENUES]
        if unknown:
            raise MockError(f"venue {unknown[0]!r} is not known; one of {', '.join(VENUES)}")
        calm = {"name": "calm", "for": "rest"}
        made = from_data({"scenario": "calm", "venue": venues, "phases": [calm]}, name="calm")
        return replace(made, begins_now=True)

    def _make(self, scenario: Scenario, *, seed: int | None, speed: float) -> Run:
        if scenario.begins_now and self._now_ms is not None:
            scenario = replace(scenario, t0_ms=self._now_ms())
        if seed is not None:
            scenario = replace(scenario, seed=seed)
        run = Run(
            scenario,
            dialects={venue: self._available[venue] for venue in self._served(scenario)},
            speed=speed,
            on_change=self._listen_or_not,
        )
        self._runs += 1
        return run

    def _served(self, scenario: Scenario) -> list[str]:
        can = ", ".join(sorted(self._available))
        for venue in self._wanted or ():
            if venue not in self._available:
                raise MockError(f"the mock does not serve {venue!r}; it serves {can}")
            if venue not in scenario.venues:
                has = ", ".join(scenario.venues)
                raise MockError(f"scenario {scenario.scenario} is about {has}, not about {venue!r}")
        wanted = scenario.venues if self._wanted is None else self._wanted
        served = [venue for venue in scenario.venues if venue in wanted]
        served = [venue for venue in served if venue in self._available]
        if not served:
            has = ", ".join(scenario.venues)
            raise MockError(
                f"scenario {scenario.scenario} is about {has}; the mock serves {can}: "
                "choose another scenario"
            )
        return served

    async def _open(self, app: App) -> HttpServer:
        port = self._port + self._opened if self._port else 0
        server = HttpServer(app, host=self._host, port=port)
        try:
            await server.start()
        except (OSError, OverflowError) as error:
            raise MockError(_why_no_port(self._host, port, error)) from error
        self._opened += 1
        return server

    async def _open_missing(self, run: Run) -> None:
        """Ports for the venues of `run` that have none yet: all of them, or none."""
        opened: dict[str, HttpServer] = {}
        try:
            for venue, app in run.venues.items():
                if venue not in self._servers:
                    opened[venue] = await self._open(app)
        except MockError:
            for server in opened.values():
                await server.stop()
            raise
        self._servers.update(opened)

    async def _close_servers(self) -> None:
        servers = [*self._servers.values(), self._status_server, self._control_server]
        self._servers, self._status_server, self._control_server = {}, None, None
        self._opened = 0
        for server in servers:
            if server is not None:
                await server.stop()

    def _listen_or_not(self) -> None:
        """Close the ports of those who would refuse everything, open them when that is over."""
        for venue, server in self._servers.items():
            if venue in self._run.venues:
                server.refuse_dials(self._run.venues[venue].stage.refuses_dials())
        if self._status_server is not None:
            self._status_server.refuse_dials(self._run.status_page.is_unreachable())


def _why_no_port(host: str, port: int, error: Exception) -> str:
    if isinstance(error, OverflowError) or not 0 <= port <= 65535:
        return f"port {port} does not exist; choose a lower one with --port (0: any free ones)"
    reason = getattr(error, "strerror", None) or str(error)
    return (
        f"port {port} on {host} cannot be opened ({reason}); "
        "choose another with --port (0: any free ones)"
    )
