"""The public tape in order: each trade once, by its id, with what a broken stream missed put in.

A machine without I/O. It is told what the stream brought and what REST answered, and says which
trades may be given out and where to look for those that are missing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from outlast.stream_wire import PublicTrade

__all__ = ["Missing", "Tape"]

READS_MAX: Final = 5
"""Answers without any of the missing trades, until they count as lost. The venue's own list may lag
behind its stream by a second or two."""
WAITING_MAX: Final = 10_000
"""Trades held back for those before them; more would be minutes of the busiest symbol."""


@dataclass(frozen=True, slots=True)
class Missing:
    """Where to read on: by id where the venue knows ids, else by time."""

    from_id: int
    since_ms: int


class Tape:
    """Of one symbol. Trades are given in the order of their ids, which rise by one."""

    def __init__(self) -> None:
        self._last: PublicTrade | None = None
        self._last_id: int | None = None
        self._waiting: dict[int, PublicTrade] = {}
        self._is_doubted = False
        self._reads = 0
        self.lost = 0
        """Ids that neither the stream nor REST had."""
        self.was_behind = False
        """The last answer had trades that the stream had not told of."""

    @property
    def is_begun(self) -> bool:
        return self._last_id is not None

    @property
    def last_id(self) -> int | None:
        """Of the last trade given out."""
        return self._last_id

    @property
    def is_waiting(self) -> bool:
        """Trades are missing, or may be: read them."""
        return self._is_doubted or bool(self._waiting)

    def begin(self, trade: PublicTrade) -> None:
        """What comes after this trade is wanted, and nothing before it."""
        self._last, self._last_id = trade, trade.trade_id

    def heard(self, trades: Iterable[PublicTrade]) -> list[PublicTrade]:
        """Trades from the stream; returns those that may be given out now."""
        for trade in trades:
            if self._last_id is None:
                self._last_id = trade.trade_id - 1
            if trade.trade_id > self._last_id:
                self._waiting[trade.trade_id] = trade
        if len(self._waiting) > WAITING_MAX:
            self._skip_to(min(self._waiting))
        return self._flush()

    def doubt(self) -> None:
        """Something may have been missed of which nothing tells: ask once."""
        self._is_doubted = self.is_begun

    def next_missing(self) -> Missing | None:
        """Where to read; None when nothing is missing."""
        if self._last_id is None or not self.is_waiting:
            return None
        known = self._last if self._last is not None else next(iter(self._waiting.values()), None)
        since_ms = 0 if known is None else known.venue_time_ms - 1
        return Missing(self._last_id + 1, since_ms)

    def read(self, trades: Iterable[PublicTrade]) -> list[PublicTrade]:
        """The answer to `next_missing`: trades from there on without a gap of its own making.

        An id that it leaves out between others does not exist. Returns what may be given out now.
        """
        assert self._last_id is not None
        news = sorted(
            (trade for trade in trades if trade.trade_id > self._last_id),
            key=lambda trade: trade.trade_id,
        )
        self.was_behind = any(trade.trade_id not in self._waiting for trade in news)
        given: list[PublicTrade] = []
        for trade in news:
            if trade.trade_id <= self._last_id:
                continue  # given out on the way
            self._waiting[trade.trade_id] = trade
            while self._last_id + 1 < trade.trade_id:  # what the answer leaves out is not there,
                self._skip_to(min(self._waiting))  # unless the stream had it after all
                given += self._flush()
            given += self._flush()
        self._is_doubted = False
        self._reads = 0 if news else self._reads + 1
        if self._waiting and self._reads >= READS_MAX:
            self._skip_to(min(self._waiting))
            self._reads = 0
            given += self._flush()
        return given

    def _flush(self) -> list[PublicTrade]:
        given: list[PublicTrade] = []
        while self._last_id is not None and self._last_id + 1 in self._waiting:
            self._last = self._waiting.pop(self._last_id + 1)
            self._last_id += 1
            given.append(self._last)
        return given

    def _skip_to(self, trade_id: int) -> None:
        """Nothing exists between the last trade given and this one, the first that waits."""
        assert self._last_id is not None
        self.lost += trade_id - 1 - self._last_id
        self._last_id = trade_id - 1
