"""What the venue lists, found by either spelling."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from math import inf
from typing import Final, TypeVar, overload

from outlast.client.calls import CallDesk
from outlast.errors import Failure, ReadFailed, UnknownInstrument
from outlast.model import Instrument
from outlast.wire import Counter, VenueCodec

__all__ = ["Instruments"]

_T = TypeVar("_T")


REREAD_AFTER_S: Final = 30.0
"""A bot that asks for a closed symbol in a loop must not read the whole list each time."""


class Instruments(Mapping[str, Instrument]):
    """The venue's instruments by unified symbol; `BTCUSDT` finds `BTC/USDT:USDT` too."""

    def __init__(self, codec: VenueCodec, calls: CallDesk) -> None:
        self._codec = codec
        self._calls = calls
        self._read_at = -inf
        self._by_symbol: dict[str, Instrument] = {}
        self._by_venue_symbol: dict[str, Instrument] = {}
        self._by_alias: dict[str, Instrument] = {}

    async def load(self) -> Sequence[Counter]:
        """Read the list from the venue; instruments that it no longer names stay known.

        Returns the limits that the venue declares in the same answer.

        Raises:
            ReadFailed: the venue gave no usable list; what was known before stands.
        """
        request = self._codec.query_instruments()
        reply = await self._calls.call(request)
        listed: Sequence[Instrument] | Failure = []
        limits: Sequence[Counter] | Failure = []
        if isinstance(reply, Failure):
            listed = reply
        else:
            listed = self._codec.read_instruments(request, reply)
            limits = self._codec.read_limits(request, reply)
        if isinstance(listed, Failure):
            raise ReadFailed(
                f"{self._codec.VENUE} did not give its list of instruments: {listed.describe()}",
                venue=self._codec.VENUE,
                failure=listed,
            )
        self._read_at = self._calls.now()
        for instrument in listed:
            self._by_symbol[instrument.symbol] = instrument
            self._by_venue_symbol[instrument.venue_symbol] = instrument
            for alias in instrument.aliases:
                self._by_alias[alias] = instrument
        # A list without its limits is still a list: the documented ones stay in force.
        return [] if isinstance(limits, Failure) else limits

    async def listed_now(self, symbol: str) -> Instrument:
        """As `[symbol]`; the list is read again where it says that the symbol does not trade.

        What was closed when the session began must not stay closed for it. Where the list cannot be
        read, what is known stands.
        """
        known = self[symbol]
        if known.is_tradable or self._calls.now() - self._read_at < REREAD_AFTER_S:
            return known
        self._read_at = self._calls.now()
        try:
            await self.load()
        except ReadFailed:
            return known
        return self[symbol]

    @property
    def by_venue_symbol(self) -> Mapping[str, Instrument]:
        return self._by_venue_symbol

    def __getitem__(self, symbol: str) -> Instrument:
        """Raises UnknownInstrument with the nearest names for a symbol the venue does not list."""
        found = self._find(symbol)
        if found is not None:
            return found
        near = difflib.get_close_matches(symbol, [*self._by_symbol, *self._by_venue_symbol], n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else "see Session.instruments"
        raise UnknownInstrument(
            f"symbol {symbol!r} is not listed at {self._codec.VENUE}; {hint}",
            field="symbol",
            venue=self._codec.VENUE,
        )

    def __contains__(self, symbol: object) -> bool:
        return isinstance(symbol, str) and self._find(symbol) is not None

    @overload
    def get(self, symbol: str, /) -> Instrument | None: ...
    @overload
    def get(self, symbol: str, /, default: Instrument) -> Instrument: ...
    @overload
    def get(self, symbol: str, /, default: _T) -> Instrument | _T: ...
    def get(self, symbol: str, /, default: object = None) -> object:
        """`default` for a symbol the venue does not list; the mapping's own would raise."""
        return self._find(symbol) or default

    def _find(self, symbol: str) -> Instrument | None:
        name = symbol.upper()
        return (
            self._by_symbol.get(symbol)
            or self._by_venue_symbol.get(name)
            or self._by_alias.get(name)
        )

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_symbol)

    def __len__(self) -> int:
        return len(self._by_symbol)
