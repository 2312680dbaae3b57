"""ccxt and the mock venue in one simulation; told by the mock's truth, as in `venue_in_sim`."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import ccxt.async_support

import outlast
from outlast import sim
from outlast.adapters.ccxt.guarding import Guarded
from outlast.adapters.ccxt.settings import GuardSettings
from outlast.mock.exchange import MockExchange
from outlast.mock.run import DEFAULT_ACCOUNT
from outlast.mock.scenario.builder import ScenarioBuilder, fault
from outlast.mock.scenario.model import Scenario
from outlast.sim.aiohttp import SimConnector

SYMBOLS = {
    "binance-um": "BTC/USDT:USDT",
    "binance-spot": "BTC/USDT",
    "kraken-spot": "BTC/USD",
}
PASSIVE = 60000.0
QTY = 0.01


class _Recorded:
    """Remembers every request as it would go on the wire."""

    sent: list[tuple[str, str, str]]

    async def fetch(self, url: str, method: str = "GET", headers: Any = None, body: Any = None):
        vars(self).setdefault("sent", []).append((method, url, body or ""))
        return await super().fetch(url, method, headers, body)  # type: ignore[misc]


class Binanceusdm(_Recorded, ccxt.async_support.binanceusdm):
    pass


class Binance(_Recorded, ccxt.async_support.binance):
    pass


class Kraken(_Recorded, ccxt.async_support.kraken):
    pass


CLASSES = {"binance-um": Binanceusdm, "binance-spot": Binance, "kraken-spot": Kraken}


def calm(venue: str = "binance-um", **account: Any) -> Scenario:
    made = ScenarioBuilder("under-test", venue=venue)
    name = {"binance-um": "BTCUSDT", "binance-spot": "BTCUSDT", "kraken-spot": "BTC/USD"}[venue]
    made.instrument(name, mid="68000", tick="0.1", vol_bps_per_min="0.1")
    cash = "USD" if venue == "kraken-spot" else "USDT"
    made.account(**{"balances": {cash: "50000", "BTC": "1"}, **account})
    return made.phase("all", "rest").build()


@dataclass
class World:
    mock: MockExchange
    folder: Path
    venue: str
    session: aiohttp.ClientSession
    made: list[Any] = field(default_factory=list)

    @property
    def symbol(self) -> str:
        return SYMBOLS[self.venue]

    def bare(self, **options: Any) -> Any:
        wires = self.mock.describe()["venues"][self.venue]
        options = {"fetchCurrencies": False, "fetchMargins": False} | options
        if self.venue == "binance-spot":
            # A list until ccxt 4.4.90 or so, a dictionary since.
            usual = CLASSES[self.venue]().options["fetchMarkets"]
            options["fetchMarkets"] = ["spot"] if isinstance(usual, list) else {"types": ["spot"]}
        exchange = CLASSES[self.venue](
            {
                "apiKey": wires["key"],
                "secret": wires["secret"],
                "session": self.session,
                "options": options,
            }
        )
        exchange.id = exchange.describe()["id"]
        for name, address in exchange.urls["api"].items():
            if isinstance(address, str):
                path = "/" + address.split("/", 3)[3] if address.count("/") > 2 else ""
                exchange.urls["api"][name] = wires["endpoints"]["rest"] + path
        self.made.append(exchange)
        return exchange

    def guarded(self, *, settings: dict[str, Any] | None = None, **options: Any) -> Any:
        return outlast.guard(
            self.bare(**options),
            journal=self.folder / "bot.journal",
            settings=GuardSettings(seed=1, **(settings or {})),
            clock=sim.clock(),
        )

    async def buy(self, exchange: Any, price: float = PASSIVE, **params: Any) -> Any:
        return await exchange.create_order(self.symbol, "limit", "buy", QTY, price, params)

    def fault(self, match: str | list[str], **terms: Any) -> None:
        self.mock.run.desk.add(fault(match, **terms))
        self.mock.run.changed()

    def heal(self) -> None:
        for rule in list(self.mock.run.desk.added):
            self.mock.run.desk.remove(rule.id)
        self.mock.run.changed()

    @property
    def orders(self) -> list[Any]:
        found = self.mock.truth.history.at(self.venue, DEFAULT_ACCOUNT)
        assert found is not None
        return [o for o in found.orders.values() if not o.from_the_start]

    def requests(self, endpoint: str | None = None) -> list[Any]:
        return [r for r in self.mock.truth.traffic.kept() if endpoint in (None, r.endpoint)]

    def card(self) -> dict[str, Any]:
        self.mock.run.clock.catch_up()
        return self.mock.truth.scorecard(DEFAULT_ACCOUNT)

    def judge(self) -> None:
        card = self.card()
        zero = ("duplicates", "lost", "unresolved", "bans", "over_limit")
        assert {name: card[name] for name in zero} == dict.fromkeys(zero, 0)


def play(
    story: Callable[[World], Awaitable[None]],
    folder: Path,
    *,
    venue: str = "binance-um",
    scenario: Scenario | None = None,
    seed: int = 1,
) -> None:
    document = calm(venue) if scenario is None else scenario

    async def main() -> None:
        async with (
            MockExchange(document, seed=seed, venues=[venue]) as mock,
            aiohttp.ClientSession(connector=SimConnector()) as session,
        ):
            world = World(mock, folder, venue, session)
            try:
                await story(world)
            finally:
                for exchange in world.made:
                    await exchange.close()
                    if isinstance(getattr(exchange, "outlast", None), Guarded):
                        outlast.unguard(exchange)

    sim.run(functools.partial(main), seed=seed, t0=document.t0_ms / 1000, time_limit_s=7_200)
