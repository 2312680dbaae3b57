"""Books kept by a REST snapshot and a stream of numbered diffs: Binance spot and USD-M futures.

Sources: Binance spot docs, web-socket-streams.md, "How to manage a local order book correctly",
2026-07; Binance USD-M futures docs, "How to manage a local order book correctly", 2026.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from outlast.core.books.digits import Digits, ExactDigits
from outlast.core.books.local import LocalBook
from outlast.core.books.messages import DiffSnapshot, Quote, SequencedDiff
from outlast.core.books.quotes import QuoteCheck
from outlast.core.books.sides import AskSide, BidSide, ExactAskSide, ExactBidSide
from outlast.core.books.trust import BOOKS, BookSettings, Distrust, NeedSnapshot, Resubscribe

__all__ = ["DiffBook", "FuturesDiffBook", "SpotDiffBook"]

_NOWHERE: Final = -1
_HOUSE_S: Final = 5.0
_THIN: Final = 5
"""A fifth of the levels fetched is left on a side: fetch again while the book is still whole."""


class DiffBook(LocalBook):
    """What both products share; they differ in how a diff continues the one before it.

    Diffs are kept while a snapshot is fetched. The snapshot is put under them when they reach it:
    then it is known that nothing lies between. A snapshot that says the same as the one before it
    proves that a silent stream had nothing to say.
    """

    __slots__ = (
        "_ask_keys", "_bid_keys", "_house_at", "_is_fresh_snapshot", "_is_keeping", "_kept",
        "_last_id", "_next", "_pending", "_pending_at", "_pending_depth", "_quotes",
    )  # fmt: skip

    def __init__(
        self, venue: str, symbol: str, digits: Digits, *, settings: BookSettings = BOOKS
    ) -> None:
        is_exact = isinstance(digits, ExactDigits)
        bids = (ExactBidSide if is_exact else BidSide)(digits)
        asks = (ExactAskSide if is_exact else AskSide)(digits)
        super().__init__(venue, symbol, bids, asks, settings=settings)
        self._bid_keys, self._ask_keys = bids.keys, asks.keys
        self._last_id = _NOWHERE  # what the levels are as of, while they are the venue's
        self._next = _NOWHERE  # what the next diff must say to be applied without further questions
        self._is_fresh_snapshot = False  # no diff has continued it yet
        self._kept: deque[SequencedDiff] = deque(maxlen=settings.buffer_max)
        self._is_keeping = False
        self._pending: DiffSnapshot | None = None  # newer than every diff so far
        self._pending_at = 0.0
        self._pending_depth = settings.snapshot_depth
        self._house_at = 0.0
        self._quotes = QuoteCheck(settings.behind_s)

    @property
    def last_id(self) -> int | None:
        """The update id that the levels are as of; None while they are not the venue's."""
        return None if self._last_id == _NOWHERE else self._last_id

    # The two products.

    def apply(self, diff: SequencedDiff, now: float) -> None:
        """A diff from the stream."""
        raise NotImplementedError

    def _continues(self, diff: SequencedDiff, last_id: int, *, after_snapshot: bool) -> bool:
        """Whether nothing lies between `last_id` and this diff."""
        raise NotImplementedError

    def _expect(self, last_id: int) -> int:
        """What the diff after `last_id` says of itself if all is well."""
        raise NotImplementedError

    # The stream.

    def _merge(self, diff: SequencedDiff, now: float) -> None:
        if self._view is not None:
            self.before_change()
        self.heard_at = now
        if diff.bids:
            self.bid_side.merge(diff.bids)
        if diff.asks:
            self.ask_side.merge(diff.asks)
        if self._bid_keys[-1] + self._ask_keys[-1] >= 0:
            self._lose(Distrust.CROSSED, f"at update {diff.last_id}")

    def _judge(self, diff: SequencedDiff, now: float) -> None:
        """A diff that is not simply the next one, or a moment to look closer."""
        if not self._is_connected:
            return  # of a connection that was given up
        if diff.last_id <= self._last_id:
            return  # a duplicate or a straggler; it confirms nothing
        self._inspect(diff.venue_time_s, now)
        if self._last_id == _NOWHERE:
            self._keep(diff)
            self._try_pending(now)
            self._judge_trust(self.detail)
            return
        if not self._continues(diff, self._last_id, after_snapshot=self._is_fresh_snapshot):
            self._lose(
                Distrust.GAP, f"from {self._last_id} to {diff.previous_id}, at {diff.last_id}"
            )
            self._keep(diff)
            return
        if self._is_keeping:
            self._kept.append(diff)
        else:
            self.needs = self._pending = None  # it was silence; the stream speaks again, whole
        self._last_id = diff.last_id
        self._next = _NOWHERE if self._is_keeping else self._expect(diff.last_id)
        self._is_fresh_snapshot = False
        self._merge(diff, now)
        if self._fault is None:
            if self._pending is not None:
                self._try_pending(now)
            if self.reason is not None or self._is_late:
                self._judge_trust()

    def _keep(self, diff: SequencedDiff) -> None:
        self._kept.append(diff)
        if self.needs is None and self._pending is None:
            self._ask(Distrust.NO_SNAPSHOT)

    def _ask(self, reason: Distrust, *, urgent: bool = True) -> None:
        self.needs = NeedSnapshot(self.symbol, self._settings.snapshot_depth, reason, urgent=urgent)

    # The snapshot.

    def install(
        self,
        snapshot: DiffSnapshot,
        now: float,
        *,
        asked_at: float | None = None,
        depth: int | None = None,
    ) -> None:
        """The answer to `NeedSnapshot`, asked for at `asked_at`. It is used when diffs reach it.

        `depth` is how many levels were asked for, if not those of `NeedSnapshot`: what lies beyond
        as many is not known.
        """
        if not self._is_connected:
            return
        before, self._pending, self._pending_at = self._pending, snapshot, now
        self._pending_depth = depth or self._settings.snapshot_depth
        reached = max(self._last_id, self._kept[-1].last_id if self._kept else _NOWHERE)
        if reached < snapshot.last_id:
            if before is not None and before.last_id == snapshot.last_id:
                self._replace(snapshot, [], now)  # nothing happened: the symbol is quiet
                self.heard_at = now if asked_at is None else asked_at
            elif self._is_silent or (
                before is not None and now - self._quiet_since() > 2 * self._settings.quiet_first_s
            ):
                # The venue has moved on, and the stream did not say so.
                self.needs = Resubscribe(self.symbol, self.reason or Distrust.SILENT)
            else:
                self.needs = None  # the diffs up to it are on their way
            return
        self._try_pending(now)
        if self._is_fresh_snapshot and asked_at is not None:
            self.heard_at = min(now, asked_at)  # no diff says that it is newer

    def _try_pending(self, now: float) -> None:
        """Put the snapshot under the diffs if they reach it without a gap; else ask for a newer."""
        snapshot = self._pending
        if snapshot is None:
            return
        last_id = snapshot.last_id
        rest = [diff for diff in self._kept if diff.last_id > last_id]
        reached = max(self._last_id, self._kept[-1].last_id if self._kept else _NOWHERE)
        if reached < last_id:
            return
        if not rest and reached > last_id:
            self._ask_again(Distrust.NO_SNAPSHOT)  # older than the book, whose diffs were not kept
            return
        for diff in rest:
            if not self._continues(diff, last_id, after_snapshot=last_id == snapshot.last_id):
                while self._kept and self._kept[0] is not diff:
                    self._kept.popleft()
                self._ask_again(Distrust.NO_SNAPSHOT)  # older than the oldest diff kept
                return
            last_id = diff.last_id
        self._replace(snapshot, rest, now)

    def _ask_again(self, reason: Distrust) -> None:
        self._pending = None
        self._ask(reason, urgent=self.reason is not None)

    def _replace(self, snapshot: DiffSnapshot, rest: list[SequencedDiff], now: float) -> None:
        self.before_change()
        if self._is_silent or self._subscribed_at is not None:
            # A quiet symbol, by the venue's own word: so long a pause is usual.
            self._pace.paused(now - max(self.heard_at, self._quiet_since()))
            self._is_silent = False
            self._subscribed_at = None
        depth = self._pending_depth
        self.bid_side.replace(snapshot.bids, known_all=len(snapshot.bids) < depth)
        self.ask_side.replace(snapshot.asks, known_all=len(snapshot.asks) < depth)
        for diff in rest:
            self.bid_side.merge(diff.bids)
            self.ask_side.merge(diff.asks)
        self._last_id = rest[-1].last_id if rest else snapshot.last_id
        self._is_fresh_snapshot = not rest
        self._next = self._expect(self._last_id) if rest else _NOWHERE
        self._pending = None
        self._kept.clear()
        self._is_keeping = False
        self.heard_at = now
        self.resyncs += 1
        self._fault = self.needs = None
        if self._bid_keys[-1] + self._ask_keys[-1] >= 0:
            self._lose(Distrust.CROSSED, f"at update {self._last_id}")
        else:
            self._judge_trust()

    # The book ticker.

    def quote(self, quote: Quote, now: float) -> None:
        """The venue's own best bid and ask, from another stream: a witness."""
        if self._last_id == _NOWHERE or self.reason is not None:
            self._quotes.forget()
            return
        expected = self._quotes.expected(quote, self._last_id, now)
        if expected is None:
            return
        bid, ask = self.bid_side.rows(1), self.ask_side.rows(1)
        if bid != [(expected.bid, expected.bid_qty)] or ask != [(expected.ask, expected.ask_qty)]:
            self._lose(
                Distrust.CONTRADICTED,
                f"at update {self._last_id}: {expected.bid} × {expected.bid_qty} / "
                f"{expected.ask} × {expected.ask_qty} there",
            )

    def quotes_interrupted(self) -> None:
        """The book ticker's stream was cut or resubscribed: what came before proves nothing."""
        self._quotes.forget()

    # Time.

    def check(self, now: float) -> None:
        if not self._is_connected:
            return
        settings = self._settings
        self._pace.passed(now)
        if self._subscribed_at is not None:
            self._check_first_data(now - self._subscribed_at)
            self._check_pending(now)
        elif self._last_id == _NOWHERE:
            self._check_pending(now)
        elif now - self.heard_at > self._pace.limit_s:
            if not self._is_silent:
                self._is_silent = True
                self._ask(Distrust.SILENT)
                self._judge_trust()
            elif now - self.heard_at > 2 * self._pace.limit_s + settings.first_data_s:
                self.needs = Resubscribe(self.symbol, Distrust.SILENT)  # no snapshot came either
        elif self._quotes.is_ahead(self._last_id, now):
            self._lose(Distrust.BEHIND, f"at update {self._last_id}")
            self.needs = Resubscribe(self.symbol, Distrust.BEHIND)
        else:
            self._check_pending(now)
            self._keep_house(now)

    def _check_first_data(self, waited_s: float) -> None:
        settings = self._settings
        if waited_s >= 2 * settings.first_data_s:
            self.needs = Resubscribe(self.symbol, Distrust.NO_FIRST_DATA)
        elif waited_s >= settings.first_data_s:
            if self._fault is not Distrust.NO_FIRST_DATA:
                self._fault = Distrust.NO_FIRST_DATA
                self._ask(Distrust.NO_FIRST_DATA)
                self._judge_trust()
        elif waited_s >= settings.quiet_first_s and self._pending is None and self.needs is None:
            self._ask(Distrust.NO_SNAPSHOT)

    def _check_pending(self, now: float) -> None:
        """A snapshot waits for diffs that do not come: see whether it is still the book."""
        waited_s = now - self._pending_at
        if (
            self.needs is None
            and self._pending is not None
            and waited_s > self._settings.quiet_first_s
        ):
            self._ask(self.reason or Distrust.OUT_OF_DEPTH, urgent=self.reason is not None)

    def _keep_house(self, now: float) -> None:
        """Forget what is dead; fetch again before the market leaves the levels that are known."""
        for side in (self.bid_side, self.ask_side):
            if side.keys[-1] < side.known_key:
                self._lose(Distrust.OUT_OF_DEPTH, "")
                return
        if now < self._house_at:
            return
        self._house_at = now + _HOUSE_S
        thin = self._settings.snapshot_depth // _THIN
        for side in (self.bid_side, self.ask_side):
            side.compact()
            if side.known_key > side.FLOOR and side.known_count() < thin and not self._is_keeping:
                self._is_keeping = True  # the diffs around the snapshot
                self._next = _NOWHERE
                self._ask(Distrust.OUT_OF_DEPTH, urgent=False)

    # Loss.

    def _stop_following(self) -> None:
        self._last_id = self._next = _NOWHERE
        self._kept.clear()
        self._is_keeping = False
        self._pending = None
        self._quotes.forget()

    def _lose(self, reason: Distrust, detail: str) -> None:
        self._stop_following()
        self._distrust(reason, detail, needs=None)
        if self._is_connected:
            self._ask(reason)


class SpotDiffBook(DiffBook):
    """Spot: a diff's first id is at most the last id + 1; it may overlap."""

    __slots__ = ()

    def apply(self, diff: SequencedDiff, now: float) -> None:
        if diff.first_id != self._next or now >= self._inspect_at:
            self._judge(diff, now)
            return
        last_id = diff.last_id
        self._last_id = last_id
        self._next = last_id + 1
        # From here on as `_merge`; written out, because calls cost more than what they would do.
        if self._view is not None:
            self.before_change()
        self.heard_at = now
        if diff.bids:
            self.bid_side.merge(diff.bids)
        if diff.asks:
            self.ask_side.merge(diff.asks)
        if self._bid_keys[-1] + self._ask_keys[-1] >= 0:
            self._lose(Distrust.CROSSED, f"at update {last_id}")

    def _continues(self, diff: SequencedDiff, last_id: int, *, after_snapshot: bool) -> bool:
        return diff.first_id <= last_id + 1

    def _expect(self, last_id: int) -> int:
        return last_id + 1


class FuturesDiffBook(DiffBook):
    """USD-M futures: `pu` must be the `u` before it. Ids are shared by all symbols, so they jump.

    The first diff after a snapshot must reach back to it: `U <= lastUpdateId <= u` in the venue's
    words. We accept `pu <= lastUpdateId`, which is the same where there is such a diff, and holds
    for the next one where the snapshot was taken just between two.
    """

    __slots__ = ()

    def apply(self, diff: SequencedDiff, now: float) -> None:
        if diff.previous_id != self._next or now >= self._inspect_at:
            self._judge(diff, now)
            return
        last_id = diff.last_id
        self._last_id = self._next = last_id
        # From here on as `_merge`; written out, because calls cost more than what they would do.
        if self._view is not None:
            self.before_change()
        self.heard_at = now
        if diff.bids:
            self.bid_side.merge(diff.bids)
        if diff.asks:
            self.ask_side.merge(diff.asks)
        if self._bid_keys[-1] + self._ask_keys[-1] >= 0:
            self._lose(Distrust.CROSSED, f"at update {last_id}")

    def _continues(self, diff: SequencedDiff, last_id: int, *, after_snapshot: bool) -> bool:
        if after_snapshot:
            return diff.previous_id <= last_id
        return diff.previous_id == last_id

    def _expect(self, last_id: int) -> int:
        return last_id
