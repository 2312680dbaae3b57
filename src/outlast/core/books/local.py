"""What the books of all venues share: trust, silence, lateness, and the reading.

A machine without I/O. It is told what happened and when (`now`: seconds, monotonic), and says
whether it may be read (`reason`) and what it needs of its shell (`needs`).
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Final
from weakref import ref

from outlast.core.books.digits import NotKnown
from outlast.core.books.sides import Side
from outlast.core.books.trust import BOOKS, Action, BookSettings, Distrust, Lag, Pace
from outlast.core.books.view import BookView

__all__ = ["INSPECT_S", "LocalBook"]

INSPECT_S: Final = 0.5
"""How often pause and lateness are looked at while messages flow; always after such a pause."""


class LocalBook:
    """One symbol's book. Use `SpotDiffBook`, `FuturesDiffBook` or `ChecksumBook`.

    Three things keep it from being read, apart from each other: a fault (its levels are not the
    venue's; only a new snapshot mends that), the stream (gone, silent, late; mended by the next
    good message), and the venue (halted).
    """

    __slots__ = (
        "_fault", "_halted", "_inspect_at", "_is_connected", "_is_late", "_is_silent", "_lag",
        "_lateness_s", "_pace", "_pause_era", "_pause_s", "_settings", "_stream_at",
        "_subscribed_at", "_view", "ask_side", "bid_side", "detail", "era", "heard_at", "needs",
        "reason", "resyncs", "symbol", "venue",
    )  # fmt: skip

    def __init__(
        self,
        venue: str,
        symbol: str,
        bids: Side,
        asks: Side,
        *,
        settings: BookSettings = BOOKS,
    ) -> None:
        self.venue = venue
        self.symbol = symbol
        self.bid_side = bids
        self.ask_side = asks
        self.reason: Distrust | None = Distrust.NO_SNAPSHOT
        """Why it must not be read; None while it may."""
        self.detail = ""
        """What was found, in figures."""
        self.needs: Action | None = None
        """What the shell should do for it, when it can."""
        self.era = 0
        """Rises whenever the book stops being believed."""
        self.heard_at = -inf
        """When the venue was last heard about it, by our clock."""
        self.resyncs = 0
        """How often a snapshot has replaced the levels."""
        self._settings = settings
        self._pace = Pace(settings)
        self._lag = Lag()
        self._lateness_s = 0.0
        self._pause_s, self._pause_era = 0.0, 0  # the last pause, while it may still be an outage
        self._fault: Distrust | None = Distrust.NO_SNAPSHOT
        self._halted = ""
        self._is_connected = False
        self._is_silent = False
        self._is_late = False
        self._subscribed_at: float | None = None  # None once data has come
        self._stream_at = -inf  # the last message that was looked at, applied or not
        self._inspect_at = -inf
        self._view: ref[BookView] | None = None

    @property
    def is_trusted(self) -> bool:
        return self.reason is None

    @property
    def as_of(self) -> float | None:
        """When the venue last said that the book is so; None: never."""
        return None if self.heard_at == -inf else self.heard_at - self._lateness_s

    @property
    def silence_limit_s(self) -> float:
        """How old the book may become before it counts as silent."""
        return self._pace.limit_s

    def view(self, clock: Callable[[], float]) -> BookView:
        """The book as it is now. `clock` gives the `now` that this book is told."""
        view = None if self._view is None else self._view()
        if view is None:
            view = BookView(self, clock)
            self._view = ref(view)
        return view

    # What happens around the stream.

    def socket_gone(self, now: float, detail: str = "") -> None:
        """The connection closed or is given up: what comes next does not continue what was."""
        self._is_connected = False
        self._subscribed_at = None
        self._stop_following()
        self._distrust(Distrust.SOCKET_GONE, detail, needs=None)

    def subscribed(self, now: float) -> None:
        """The venue acknowledged the subscription. That alone proves nothing."""
        self._is_connected = True
        self._is_silent = self._is_late = False
        self._subscribed_at = now
        self._inspect_at = -inf
        self._stop_following()
        self._distrust(Distrust.NO_SNAPSHOT, "", needs=None)

    def halted(self, now: float, detail: str) -> None:
        """The venue says that this symbol or all of it has stopped."""
        self._halted = detail or "no word why"
        self._judge_trust()

    def resumed(self, now: float) -> None:
        """The venue trades again. The book is believed if its stream was whole all the time."""
        self._halted = ""
        self._judge_trust()

    def unreadable(self, detail: str, now: float) -> None:
        """A message of this book could not be decoded: what it changed is not known."""
        self._lose(Distrust.UNREADABLE, detail)

    def cannot_say(self, error: NotKnown) -> None:
        """A reader asked for what the book does not know exactly."""
        if self._fault is None:
            market_moved = str(error) == Distrust.OUT_OF_DEPTH.value
            self._lose(Distrust.OUT_OF_DEPTH if market_moved else Distrust.INEXACT, str(error))

    # What the venues' books do in their own way.

    def check(self, now: float) -> None:
        """Look at the time. Call it a few times a second: silence has no message to show it."""
        raise NotImplementedError

    def _stop_following(self) -> None:
        """Nothing that comes now continues what is held."""
        raise NotImplementedError

    def _lose(self, reason: Distrust, detail: str) -> None:
        """The levels are not the venue's any more; ask for what mends that."""
        raise NotImplementedError

    # For them.

    def _distrust(self, fault: Distrust, detail: str, *, needs: Action | None) -> None:
        self._fault = fault
        self.needs = needs
        self._judge_trust(detail)

    def _judge_trust(self, detail: str = "") -> None:
        """Find the reason anew; a book that stops being believed ends its era."""
        reason = self._reason()
        if reason is not None and self.reason is None:
            self.before_change()
            self.era += 1
        self.reason = reason
        self.detail = self._halted if reason is Distrust.HALTED else detail

    def _reason(self) -> Distrust | None:
        if self._halted:
            return Distrust.HALTED
        if self._fault is not None:
            return self._fault
        if self._is_late:
            return Distrust.LATE
        return Distrust.SILENT if self._is_silent else None

    def before_change(self) -> None:
        """A reader who still holds the last reading keeps it as it is."""
        if self._view is not None:
            view = self._view()
            self._view = None
            if view is not None:
                view.detach(self.as_of, self._pace.limit_s)

    def _quiet_since(self) -> float:
        """Since when the stream has said nothing; from the acknowledgement on if that is later."""
        if self._subscribed_at is not None:
            return self._subscribed_at
        return max(self.heard_at, self._stream_at)

    def _inspect(self, venue_time_s: float | None, now: float) -> None:
        """Look at the pause before this message, and at its lateness if the venue gives a time."""
        if self._view is not None:
            self.before_change()  # while the lateness is still that of what was read
        if self._pause_s and self._pause_era == self.era and self.reason is None:
            self._pace.paused(self._pause_s)  # nothing was wrong after it: it was only a pause
        self._pause_s = 0.0
        if self._subscribed_at is not None:
            self._subscribed_at = None
        else:
            pause_s = now - (max(self._stream_at, self.heard_at))
            # Shorter ones cannot matter, longer ones always bring us here.
            if INSPECT_S < pause_s < inf:
                self._pause_s, self._pause_era = pause_s, self.era
        self._stream_at = now
        self._inspect_at = now + INSPECT_S
        self._is_silent = False
        if venue_time_s is not None:
            lateness_s = self._lag.measure(venue_time_s, now)
            self._lateness_s = lateness_s
            self._is_late = lateness_s > self._settings.late_s
