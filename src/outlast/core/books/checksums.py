"""The book of a venue that sends a checksum with every message and no sequence: Kraken.

Source: Kraken docs, WebSocket v2 channel book, and guide "Spot WebSocket (v2) book", 2026-05-27.
"""

from __future__ import annotations

from typing import Final
from zlib import crc32

from outlast.core.books.checked_sides import checked_sides
from outlast.core.books.digits import Digits, NotKnown
from outlast.core.books.local import LocalBook
from outlast.core.books.messages import CheckedLevels
from outlast.core.books.trust import BOOKS, BookSettings, Distrust, Resubscribe

__all__ = ["ChecksumBook"]

_NO_TIME: Final = ""


class ChecksumBook(LocalBook):
    """A book kept by snapshot and updates on one subscription, cut to the subscribed depth.

    `depth` is what was subscribed on the wire. All levels of a message are applied, then both sides
    are cut, then the checksum is compared. A mismatch is mended by subscribing again.
    """

    __slots__ = (
        "_ask_keys",
        "_asks",
        "_bid_keys",
        "_bids",
        "_checksum",
        "_is_following",
        "_timestamp",
    )

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
        self._checksum = 0  # of the levels as they were when both texts were last made

    def update(self, message: CheckedLevels, now: float) -> None:
        """Levels that changed."""
        if (
            not self._is_following or now >= self._inspect_at or message.timestamp < self._timestamp
        ) and not self._admit(message, now):
            return
        if self._view is not None:
            self.before_change()
        self.heard_at = now
        self._timestamp = message.timestamp
        bids, asks = self._bids, self._asks
        if message.bids:
            bids.take(message.bids)
        if message.asks:
            asks.take(message.asks)
        if bids.text is None or asks.text is None:
            self._checksum = crc32(
                bids.text or bids.new_text(), crc32(asks.text or asks.new_text())
            )
        if self._checksum != message.checksum:
            self._mismatch(message.checksum)
        elif self._bid_keys[-1] + self._ask_keys[-1] >= 0:
            self._lose(Distrust.CROSSED, "")

    def install(self, message: CheckedLevels, now: float) -> None:
        """A snapshot: nothing of the old levels stays."""
        if not self._is_connected:
            return
        self.before_change()
        self._bids.renew(message.bids)
        self._asks.renew(message.asks)
        self._timestamp = message.timestamp
        self._inspect(message.venue_time_s, now)
        self.heard_at = now
        self._checksum = crc32(self._bids.new_text(), crc32(self._asks.new_text()))
        if self._checksum != message.checksum:
            self._mismatch(message.checksum)
        elif self._bid_keys[-1] + self._ask_keys[-1] >= 0:
            self._lose(Distrust.CROSSED, "")
        else:
            self._is_following = True
            self.resyncs += 1
            self._fault = self.needs = None
            self._judge_trust()

    def check(self, now: float) -> None:
        if not self._is_connected:
            return
        self._pace.passed(now)
        if self._subscribed_at is not None:
            if now - self._subscribed_at >= self._settings.first_data_s:
                self._lose(Distrust.NO_FIRST_DATA, "")
        elif self._is_following and now - self.heard_at > self._pace.limit_s:
            self._is_silent = True
            self.needs = Resubscribe(self.symbol, Distrust.SILENT)
            self._judge_trust()

    def _admit(self, message: CheckedLevels, now: float) -> bool:
        """Whether an update may be applied; looks at pause and lateness."""
        if not self._is_following:
            return False  # until the new snapshot: it would be applied to what is not the book
        if _is_earlier(message.timestamp, self._timestamp):
            return False  # a duplicate or a straggler: the book has moved on
        if now >= self._inspect_at:
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

    def _lose(self, reason: Distrust, detail: str) -> None:
        self._is_following = False
        needs = Resubscribe(self.symbol, reason) if self._is_connected else None
        self._distrust(reason, detail, needs=needs)


def _is_earlier(timestamp: str, other: str) -> bool:
    """Compared as text, so only when both are written to the same decimal."""
    return len(timestamp) == len(other) and timestamp < other
