"""Several venues at once: opened together, one view of their health, prices held together."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from decimal import Decimal
from types import TracebackType
from typing import Any, Final, Self

from outlast.client.connect import connect
from outlast.client.exit_hedge import ExitHedger, tell_of_hedges_left
from outlast.client.hedges import Hedge, HedgeReport
from outlast.client.session import Session
from outlast.client.venue_health import VenueHealth
from outlast.errors import ConfigurationError, OutlastError

__all__ = ["Venues", "connect_many"]

COMPARE_EVERY_S: Final = 10.0
"""A third of how long a reference counts as fresh; a price costs 1 of 2,400 weight a minute."""
_DOLLARS: Final = ("USD", "USDT", "USDC")


class Venues(Mapping[str, Session]):
    """Made by `connect_many`; use it with `async with`. `venues["kraken-spot"]` is a `Session`."""

    def __init__(
        self,
        sessions: Mapping[str, Session],
        *,
        compare: Sequence[str],
        alike: Sequence[Sequence[str]],
        hedge: Hedge | None,
    ) -> None:
        self._sessions = dict(sessions)
        self._compare = tuple(compare)
        self._alike = {name: min(group) for group in alike for name in group}
        self._stack = AsyncExitStack()
        self._comparing: asyncio.Task[None] | None = None
        self._hedger: ExitHedger | None = None
        if hedge is not None:
            self._hedger = ExitHedger(self._sessions, hedge, self._name_at)

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            for session in self._sessions.values():
                await stack.enter_async_context(session)
            self._stack = stack.pop_all()
        if self._hedger is not None:
            self._hedger.resume()
        else:
            tell_of_hedges_left(self._sessions.values())
        if self._compare and len(self._sessions) > 1:
            self._comparing = asyncio.create_task(self._compare_for_ever())
        return self

    async def __aexit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._comparing is not None:
            self._comparing.cancel()
            await asyncio.gather(self._comparing, return_exceptions=True)
        if self._hedger is not None:
            await self._hedger.aclose()
        await self._stack.__aexit__(error_type, error, traceback)

    def __getitem__(self, venue: str) -> Session:
        return self._sessions[venue]

    def __iter__(self) -> Iterator[str]:
        return iter(self._sessions)

    def __len__(self) -> int:
        return len(self._sessions)

    def __repr__(self) -> str:
        return f"<Venues {', '.join(self._sessions)}>"

    @property
    def health(self) -> Mapping[str, VenueHealth]:
        """How each venue fares, by its id."""
        return {name: session.health for name, session in self._sessions.items()}

    @property
    def hedges(self) -> tuple[HedgeReport, ...]:
        """What was held at one venue for exits that were shut at another, the oldest first."""
        return () if self._hedger is None else tuple(self._hedger.reports)

    def halt(self, reason: str) -> None:
        """`Session.halt`, everywhere."""
        for session in self._sessions.values():
            session.halt(reason)

    def resume(self) -> None:
        """`Session.resume`, everywhere."""
        for session in self._sessions.values():
            session.resume()

    async def compare(self, symbol: str) -> Mapping[str, Decimal]:
        """Read what `symbol` costs at each venue now, and let each know of the others' price.

        A venue that is not well is asked too, and believed by nobody: its price is no reference.
        """
        named = self._named(symbol)
        read = await asyncio.gather(*(self._price(venue, name) for venue, name in named.items()))
        prices = {
            venue: price for venue, price in zip(named, read, strict=True) if price is not None
        }
        for venue, price in prices.items():
            if self._sessions[venue].is_trusted:
                for other, name in named.items():
                    if other != venue:
                        self._sessions[other].note_reference(name, venue, price)
        return prices

    async def _compare_for_ever(self) -> None:
        while True:
            for symbol in self._compare:
                await self.compare(symbol)
            await asyncio.sleep(COMPARE_EVERY_S)

    async def _price(self, venue: str, symbol: str) -> Decimal | None:
        try:
            return await self._sessions[venue].mark_price(symbol)
        except OutlastError:
            return None  # its own session knows, and has said so

    def _name_at(self, symbol: str, venue: str) -> str | None:
        return self._named(symbol).get(venue)

    def _named(self, symbol: str) -> dict[str, str]:
        """By venue: what it calls the same thing; venues that do not list it are left out."""
        wanted = self._thing(symbol)
        named = {}
        for venue, session in self._sessions.items():
            for name in sorted(session.instruments, key=lambda name: (name != symbol, name)):
                if self._thing(name) == wanted:
                    named[venue] = name
                    break
        return named

    def _thing(self, symbol: str) -> tuple[str, str]:
        """Base and quote; a perpetual is compared with its spot, dollars with dollars."""
        base, _, quote = symbol.partition(":")[0].partition("/")
        return base, self._alike.get(quote, quote)


def connect_many(
    venues: Mapping[str, Mapping[str, Any]] | Sequence[str],
    *,
    compare: Sequence[str] = (),
    alike: Sequence[Sequence[str]] = (_DOLLARS,),
    hedge: Hedge | None = None,
) -> Venues:
    """Prepare sessions at several venues; `async with` opens them one after the other.

    Args:
        venues: by id, the arguments of `outlast.connect`; or only ids, for market data. Each needs
            a journal of its own: left out, it is `outlast-<venue>.journal`, or none without a key.
        compare: symbols whose prices are read at every venue that lists them, every 10 s, and held
            against each other: a venue whose price is more than `Settings.gate.prices` allows off
            another's takes no new risk until it is back.
        alike: currencies that count as one when prices are compared.
        hedge: where a `close_position` that can close nothing is hedged, and from when on. None,
            unless asked for: no session ever trades at another venue by itself.

    Raises:
        ConfigurationError: nothing to connect to, two venues on one journal, nothing that could be
            hedged or nowhere to hedge it, or what `connect` finds wrong.
    """
    terms = venues if isinstance(venues, Mapping) else {venue: {} for venue in venues}
    if not terms:
        raise ConfigurationError("connect_many needs at least one venue; see outlast.venues()")
    sessions: dict[str, Session] = {}
    journals: dict[str, str] = {}
    for venue, given in terms.items():
        arguments = dict(given)
        has_key = arguments.get("key") is not None
        arguments.setdefault("journal", f"outlast-{venue}.journal" if has_key else None)
        journal = arguments["journal"]
        if journal is not None and str(journal) in journals:
            raise ConfigurationError(
                f"{venue} and {journals[str(journal)]} share the journal {journal}; give each "
                "venue its own",
                venue=venue,
            )
        journals[str(journal)] = venue
        sessions[venue] = connect(venue, **arguments)
    return Venues(sessions, compare=compare, alike=alike, hedge=hedge)
