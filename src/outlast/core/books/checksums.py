"""The book of a venue that sends a checksum with every message and no sequence: Kraken.

Source: Kraken docs, WebSocket v2 channel book, and guide "Spot WebSocket (v2) book", 2026-05-27.
"""

from __future__ import annotations

from collections import deque
from typing import Final
from zlib import crc32

from outlast.core.books.checked_sides import checked_sides
from outlast.core.books.digits import Digits, NotKnown
from outlast.core.books.local import LocalBook
from outlast.core.books.messages import CheckedLevels
from outlast.core.books.trust import BOOKS, BookSettings, Distrust, Resubscribe

__all__ = ["ChecksumBook"]

_NO_TIME: Final = ""
_SEEN_MAX: Final = 64
"""Times of updates that are remembered: seconds, much longer than duplicates are apart."""
_SNAPSHOT_AFTER_UPDATE_S: Final = 0.3
"""The snapshot is the first message of a subscription. If updates come and it does not, it was
lost; a little patience, should the venue ever send them the other way round."""


class ChecksumBook(LocalBook):
    """A book kept by snapshot and updates on one subscription, cut to the subscribed depth.

    `depth` is what was subscribed on the wire. All levels of a message are applied, then both sides
    are cut, then the checksum is compared. A mismatch is mended by subscribing again.

    A message that says only what is known already confirms nothing, whatever its time: a feed that
    stands still repeats itself.
    """

    __slots__ = (
        "_ask_keys", "_asks", "_asks_crc", "_bid_keys", "_bids", "_checksum", "_early_at",
        "_early_timestamp", "_is_following", "_patience_s", "_saw", "_seen", "_timestamp",
    )  # fmt: skip

    def __init__(
        self,
        venue: str,
        symbol: str,
        digits: Digits,
        *,
        depth: int,
        settings: BookSettings = BOOKS,
    ) -> None:
        bids, asks = checked_sides(digits, depth)
        super().__init__(venue, symbol, bids, asks, settings=settings)
        self._bids, self._bid_keys = bids, bids.keys
        self._asks, self._ask_keys = asks, asks.keys
        self._is_following = False
        self._timestamp = _NO_TIME
        self._seen: deque[str] = deque((_NO_TIME,), _SEEN_MAX)
        self._saw = self._seen.append
        # Of the levels as they were when both texts were last made, and of the asks alone.
        self._checksum = self._asks_crc = 0
        self._early_at: float | None = None  # when an update came before its snapshot
        self._early_timestamp = _NO_TIME
        self._patience_s = settings.quiet_first_s  # for the snapshot after an acknowledgement

    def update(self, message: CheckedLevels, now: float) -> None:
        """Levels that changed."""
        timestamp = message.timestamp
        if (
            not self._is_following or now >= self._inspect_at or timestamp < self._timestamp
        ) and not self._admit(message, now):
            return
        if message.checksum == self._checksum and not self._is_news(message):
            return
        if self._view is not None:
            self.before_change()
        self.heard_at = now
        self._timestamp = timestamp
        self._saw(timestamp)
        bids, asks, rows = self._bids, self._asks, message.bids
        if rows:
            bids.take(rows)
        rows = message.asks
        if rows:
            asks.take(rows)
        if asks.text is None:
            self._asks_crc = crc32(asks.new_text())
            self._checksum = crc32(bids.text or bids.new_text(), self._asks_crc)
        elif bids.text is None:
            self._checksum = crc32(bids.new_text(), self._asks_crc)
        if self._checksum != message.checksum:
            self._mismatch(message.checksum)
        elif self._bid_keys[-1] + self._ask_keys[-1] >= 0:
            self._lose(Distrust.CROSSED, "")

    def install(self, message: CheckedLevels, now: float) -> None:
        """A snapshot: nothing of the old levels stays."""
        if not self._is_connected or (self._is_following and not self._is_news(message)):
            return
        early, self._early_at, self._early_timestamp = self._early_timestamp, None, _NO_TIME
        self.before_change()
        self._bids.renew(message.bids)
        self._asks.renew(message.asks)
        self._timestamp = message.timestamp
        self._seen.clear()
        self._seen.append(message.timestamp)
        self._inspect(message.venue_time_s, now)
        self.heard_at = now
        self._asks_crc = crc32(self._asks.new_text())
        self._checksum = crc32(self._bids.new_text(), self._asks_crc)
        if self._checksum != message.checksum:
            self._mismatch(message.checksum)
        elif _is_earlier(message.timestamp, early):
            self._lose(Distrust.GAP, "an update came before the snapshot that lacks it")
        elif self._bid_keys[-1] + self._ask_keys[-1] >= 0:
            self._lose(Distrust.CROSSED, "")
        else:
            self._is_following = True
            self._patience_s = self._settings.quiet_first_s
            self.resyncs += 1
            self._fault = self.needs = None
            self._judge_trust()

    def check(self, now: float) -> None:
        if not self._is_connected:
            return
        self._pace.passed(now)
        if self._subscribed_at is not None:
            self._check_snapshot(self._subscribed_at, now)
        elif self._is_following and now - self.heard_at > self._pace.limit_s:
            self._is_silent = True
            self.needs = Resubscribe(self.symbol, Distrust.SILENT)
            self._judge_trust()

    def _check_snapshot(self, subscribed_at: float, now: float) -> None:
        """The snapshot comes with the acknowledgement, or it was lost and will not come.

        The venue may be slow, and asking again does not make it faster: more patience each time.
        """
        waited_s = now - subscribed_at
        if waited_s >= self._settings.first_data_s:
            if self._fault is not Distrust.NO_FIRST_DATA:
                self._lose(Distrust.NO_FIRST_DATA, "")
        elif self.needs is None and (
            waited_s >= self._patience_s
            or (self._early_at is not None and now - self._early_at >= _SNAPSHOT_AFTER_UPDATE_S)
        ):
            self._patience_s = min(2 * self._patience_s, self._settings.first_data_s)
            self.needs = Resubscribe(self.symbol, Distrust.NO_FIRST_DATA)

    def _is_news(self, message: CheckedLevels) -> bool:
        """Whether a message says anything that is not held already."""
        return self._bids.differs(message.bids) or self._asks.differs(message.asks)

    def _admit(self, message: CheckedLevels, now: float) -> bool:
        """Whether an update may be applied; looks at pause and lateness."""
        if not self._is_following:
            if self._subscribed_at is not None:
                self._early_timestamp = max(self._early_timestamp, message.timestamp)
                if self._early_at is None:
                    self._early_at = now
            return False  # until the new snapshot: it would be applied to what is not the book
        if _is_earlier(message.timestamp, self._timestamp):
            # The book has moved on. A duplicate is harmless, and so is what the snapshot contains;
            # one that nobody has seen is missing in the book, deep down where no checksum reaches.
            if message.timestamp not in self._seen and message.timestamp > self._seen[0]:
                self._lose(Distrust.GAP, f"an update of {message.timestamp} came too late")
            return False
        if now >= self._inspect_at:
            if not self._is_news(message):
                return False
            if self._is_silent:
                self.needs = None
            self._inspect(message.venue_time_s, now)
            self._judge_trust()
        return True

    def _mismatch(self, checksum: int) -> None:
        """Say whether the levels are wrong, or only too large for their kind of number."""
        try:
            for side in (self._bids, self._asks):
                side.levels(len(side.top_rows()))
        except NotKnown as error:
            self._lose(Distrust.INEXACT, str(error))
        else:
            self._lose(Distrust.CHECKSUM, f"{checksum} there")

    def _stop_following(self) -> None:
        self._is_following = False
        self._early_at, self._early_timestamp = None, _NO_TIME

    def _lose(self, reason: Distrust, detail: str) -> None:
        self._is_following = False
        needs = Resubscribe(self.symbol, reason) if self._is_connected else None
        self._distrust(reason, detail, needs=needs)


def _is_earlier(timestamp: str, other: str) -> bool:
    """Compared as text, so only when both are written to the same decimal."""
    return len(timestamp) == len(other) and timestamp < other
