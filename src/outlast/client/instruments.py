"""What the venue lists, found by either spelling; in an outage what the journal kept of it."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from math import inf
from typing import Final, TypeVar, overload

from outlast.client.calls import CallDesk
from outlast.client.journal import Journal, KeptInstrument
from outlast.errors import Failure, ReadFailed, UnknownInstrument
from outlast.model import Instrument
from outlast.wire import Counter, VenueCodec

__all__ = ["Instruments"]

_T = TypeVar("_T")


REREAD_AFTER_S: Final = 30.0
"""A bot that asks for a closed symbol in a loop must not read the whole list each time."""
KEPT_AGAIN_AFTER_S: Final = 86_400.0
"""What has not changed is written down once a day, so that its age tells when it was last true."""


class Instruments(Mapping[str, Instrument]):
    """The venue's instruments by unified symbol; `BTCUSDT` finds `BTC/USDT:USDT` too."""

    def __init__(
        self, codec: VenueCodec, calls: CallDesk, *, journal: Journal | None = None
    ) -> None:
        self._codec = codec
        self._calls = calls
        self._journal = journal
        self._kept = {} if journal is None else dict(journal.history.instruments)
        self._kept_only = False
        """What is known is what the journal kept: the venue's list was not read yet."""
        self._noted: set[str] = set()
        """Symbols that were used since the list was read."""
        self.on_limits: Callable[[Sequence[Counter]], None] = lambda _: None
        """Hears the limits that the venue declares with its list."""
        self._read_at = -inf
        self._by_symbol: dict[str, Instrument] = {}
        self._by_venue_symbol: dict[str, Instrument] = {}
        self._by_alias: dict[str, Instrument] = {}

    async def load(self, *, deadline: float | None = None) -> None:
        """Read the list from the venue; instruments that it no longer names stay known.

        Raises:
            ReadFailed: the venue gave no usable list (by `deadline`, monotonic); what was known
                before stands.
        """
        request = self._codec.query_instruments()
        self._read_at = self._calls.now()
        reply = await self._calls.call(request, deadline=deadline)
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
        self._kept_only = False
        self._noted.clear()
        self._take(listed)
        # A list without its limits is still a list: those of before stay in force.
        if limits and not isinstance(limits, Failure):
            self.on_limits(limits)

    def _take(self, instruments: Iterable[Instrument]) -> None:
        for instrument in instruments:
            self._by_symbol[instrument.symbol] = instrument
            self._by_venue_symbol[instrument.venue_symbol] = instrument
            for alias in instrument.aliases:
                self._by_alias[alias] = instrument

    async def listed_now(self, symbol: str) -> Instrument:
        """As `[symbol]`; the list is read again where it says that the symbol does not trade.

        What was closed when the session began must not stay closed for it. Where the list cannot be
        read, what is known stands.
        """
        known = self[symbol]
        self.note_used(known)
        if known.is_tradable or self._calls.now() - self._read_at < REREAD_AFTER_S:
            return known
        try:
            await self.load()
        except ReadFailed:
            return known
        return self[symbol]

    # Across restarts.

    def note_used(self, instrument: Instrument) -> None:
        """Keep it in the journal, for a session that starts while the venue does not answer."""
        symbol = instrument.symbol
        if symbol in self._noted or self._kept_only or self._journal is None:
            return
        self._noted.add(symbol)
        kept, wall = self._kept.get(symbol), self._journal.wall()
        is_old = kept is None or wall - kept.as_of >= KEPT_AGAIN_AFTER_S
        if kept is None or is_old or kept.instrument != instrument:
            self._kept[symbol] = KeptInstrument(symbol=symbol, instrument=instrument, as_of=wall)
            self._journal.note("instrument.kept", symbol=symbol, instrument=instrument, as_of=wall)

    def restore(self, needed: Iterable[str]) -> bool:
        """Go by what the journal kept until the list is read; False where it lacks one of these."""
        if not self._kept or not set(needed) <= set(self._kept):
            return False
        self._take(kept.instrument for kept in self._kept.values())
        self._kept_only = True
        return True

    @property
    def is_current(self) -> bool:
        """False while what is known is what the journal kept of the sessions before."""
        return not self._kept_only

    @property
    def age_s(self) -> float | None:
        """How old the oldest of what the journal kept is; None while the venue's list is known."""
        if not self._kept_only or self._journal is None:
            return None
        return self._journal.wall() - min(kept.as_of for kept in self._kept.values())

    def why_kept(self) -> str | None:
        """One clause about why no new risk may rest on this list; None when it may."""
        if not self._kept_only:
            return None
        return "the list of instruments has not been read since the start"

    @property
    def by_venue_symbol(self) -> Mapping[str, Instrument]:
        return self._by_venue_symbol

    def __getitem__(self, symbol: str) -> Instrument:
        """Raises UnknownInstrument with the nearest names for a symbol the venue does not list."""
        found = self._find(symbol)
        if found is not None:
            return found
        if self._kept_only:
            raise UnknownInstrument(
                f"symbol {symbol!r} is not among those that the journal kept of "
                f"{self._codec.VENUE}, whose list could not be read since the start; it is asked "
                "for again and again",
                field="symbol",
                venue=self._codec.VENUE,
            )
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
