"""One coherent feed of every book: numbered states, and what changed between two looks.

The engine's book is looked at when somebody asks, by REST or on a stream's timer. Each level that
differs from the last look gets the next update id, so a REST snapshot and the diffs of all streams
count in the same numbers: a snapshot's id always lies inside a later diff's range, or ends it.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from outlast.mock.engine.model import Side
from outlast.mock.engine.views import Level

if TYPE_CHECKING:
    from outlast.mock.engine.engine import Engine

__all__ = ["BookDiff", "BookFeed", "BookState"]

_FIRST_ID: Final = 1_000_000
_WHOLE: Final = 1_000_000
_ZERO: Final = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class BookState:
    """The whole book at one look; best prices first."""

    symbol: str
    update_id: int
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]
    at_ms: int
    """When it last changed, as far as anybody has looked; true venue time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BookDiff:
    """What changed: every level touched since the last diff of the same key, as it is now.

    A quantity of zero: the level is gone. `first_id` is `previous_id` + 1.
    """

    symbol: str
    previous_id: int
    """`last_id` of the diff before it."""
    last_id: int
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]
    before: BookState
    after: BookState

    @property
    def first_id(self) -> int:
        return self.previous_id + 1


@dataclass(slots=True)
class _Look:
    """One reader of the diffs: where it stands, and what it has not been told."""

    state: BookState
    last_id: int
    touched: dict[tuple[Side, Decimal], None]


class BookFeed:
    """The books of one venue; `depth` levels a side at the most (None: all there are)."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._states: dict[str, BookState] = {}
        self._versions: dict[str, tuple[int, int]] = {}
        self._levels: dict[str, dict[Side, dict[Decimal, Decimal]]] = {}
        self._looks: dict[str, dict[Hashable, _Look]] = {}

    def now(self, symbol: str) -> BookState:
        """The book at this instant, with the id that a snapshot of it carries.

        Raises:
            KeyError: no such symbol.
        """
        version = self._engine.book_version(symbol)
        state = self._states.get(symbol)
        if state is None or self._versions[symbol] != version:
            self._versions[symbol] = version
            state = self._look(symbol, state)
        return state

    def diff(self, key: Hashable, symbol: str) -> BookDiff | None:
        """What changed since the last call with this key; None for nothing, or the first time.

        The first call begins the sequence: what it would have said is in `now(symbol)`.
        """
        state = self.now(symbol)
        looks = self._looks.setdefault(symbol, {})
        look = looks.get(key)
        if look is None:
            looks[key] = _Look(state, state.update_id, {})
            return None
        if look.last_id == state.update_id:
            return None
        diff = BookDiff(
            symbol=symbol,
            previous_id=look.last_id,
            last_id=state.update_id,
            bids=self._changed(symbol, Side.BUY, look),
            asks=self._changed(symbol, Side.SELL, look),
            before=look.state,
            after=state,
        )
        look.state, look.last_id = state, state.update_id
        look.touched.clear()
        return diff

    def following(self, key: Hashable, symbol: str) -> bool:
        """Whether a sequence of diffs has begun under this key."""
        return key in self._looks.get(symbol, ())

    def forget(self, key: Hashable, symbol: str) -> None:
        """End a sequence that nobody reads any more."""
        self._looks.get(symbol, {}).pop(key, None)

    def touch(self, symbol: str) -> BookDiff:
        """One more update of a level that stays as it is: an id of its own, nothing else.

        Venues send such updates all the time (two orders at a price that cancel each other out); a
        burst is made of them. It belongs in front of everybody's next diff, which covers it again.
        """
        state = self.now(symbol)
        update_id = state.update_id + 1
        number = update_id % max(1, len(state.bids) + len(state.asks))
        sides = [(Side.BUY, level) for level in state.bids]
        sides += [(Side.SELL, level) for level in state.asks]
        side, level = sides[number] if sides else (Side.BUY, Level(_ZERO, _ZERO))
        after = BookState(
            symbol=symbol,
            update_id=update_id,
            bids=state.bids,
            asks=state.asks,
            at_ms=state.at_ms,
        )
        self._states[symbol] = after
        for look in self._looks.get(symbol, {}).values():
            look.touched[side, level.price] = None
        return BookDiff(
            symbol=symbol,
            previous_id=state.update_id,
            last_id=update_id,
            bids=(level,) if side is Side.BUY else (),
            asks=(level,) if side is Side.SELL else (),
            before=state,
            after=after,
        )

    # -- inside -----------------------------------------------------------------------------------

    def _look(self, symbol: str, old: BookState | None) -> BookState:
        book = self._engine.book(symbol, _WHOLE)
        fresh = {Side.BUY: dict(book.bids), Side.SELL: dict(book.asks)}
        known = self._levels.get(symbol)
        update_id = _FIRST_ID if old is None else old.update_id
        if old is not None and known is not None:
            looks = list(self._looks.get(symbol, {}).values())
            for side in (Side.BUY, Side.SELL):
                for price in _different(known[side], fresh[side]):
                    update_id += 1
                    for look in looks:
                        look.touched[side, price] = None
            if update_id == old.update_id:
                return old
        self._levels[symbol] = fresh
        state = BookState(
            symbol=symbol,
            update_id=update_id,
            bids=book.bids,
            asks=book.asks,
            at_ms=book.at_ms,
        )
        self._states[symbol] = state
        return state

    def _changed(self, symbol: str, side: Side, look: _Look) -> tuple[Level, ...]:
        """The touched levels of one side, best first, as they are now."""
        levels = self._levels[symbol][side]
        prices = sorted((p for s, p in look.touched if s is side), reverse=side is Side.BUY)
        return tuple(Level(price, levels.get(price, _ZERO)) for price in prices)


def _different(old: dict[Decimal, Decimal], new: dict[Decimal, Decimal]) -> Iterator[Decimal]:
    """The prices whose quantity is not what it was."""
    for price, qty in new.items():
        if old.get(price) != qty:
            yield price
    for price in old:
        if price not in new:
            yield price
