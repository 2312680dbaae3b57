"""A venue with one true book, told to us late, twice, out of order, with losses and lies.

Whatever the stream does: a book that may be read is the venue's book as of the id (or the message)
that it claims, level for level, and trust returns once the stream is whole again.
"""

from dataclasses import replace
from random import Random

from book_messages import Diff, Plain, checked, quote, snapshot
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from outlast.core.books import (
    BookSettings,
    ChecksumBook,
    FloatDigits,
    FuturesDiffBook,
    NeedSnapshot,
    SpotDiffBook,
)

SETTINGS = BookSettings(snapshot_depth=200)


class _Venue(RuleBasedStateMachine):
    """The truth, and a stream of messages on its way to the book."""

    def __init__(self):
        super().__init__()
        self.rng = Random(0)
        self.now = 0.0
        self.truth = Plain()
        self.way = []  # sent, not arrived

    def changes(self, count):
        """A market that wanders: levels near the touch come, go and change, never crossed."""
        bids, asks = self.truth.rows()
        low, high = bids[0][0] if bids else 50.0, asks[0][0] if asks else 51.0
        rows = ([], [])
        for _ in range(count):
            which = self.rng.randrange(2)
            away = self.rng.randrange(20) / 10
            price = round((low - away) if which == 0 else (high + away), 1)
            qty = self.rng.choice((0.0, 0.0, 1.5, 2.0, 3.25))
            if price > 0.2:
                rows[which].append((price, qty))
        return rows

    @rule(seconds=st.sampled_from([0.05, 0.2, 0.7, 3.0, 9.0]))
    def time_passes(self, seconds):
        self.now += seconds
        self.book.check(self.now)

    @precondition(lambda self: self.way)
    @rule(seed=st.integers(0, 99))
    def a_message_is_lost(self, seed):
        del self.way[seed % len(self.way)]

    @precondition(lambda self: self.way)
    @rule(seed=st.integers(0, 99))
    def a_message_is_doubled(self, seed):
        at = seed % len(self.way)
        self.way.insert(at, self.way[at])

    @precondition(lambda self: len(self.way) > 1)
    @rule(seed=st.integers(0, 99))
    def two_messages_are_swapped(self, seed):
        at = seed % (len(self.way) - 1)
        self.way[at], self.way[at + 1] = self.way[at + 1], self.way[at]

    @rule()
    def the_connection_is_lost(self):
        self.way.clear()
        self.book.socket_gone(self.now)

    @rule()
    def halt_and_resume(self):
        self.book.halted(self.now, "test")
        assert not self.book.is_trusted
        self.book.resumed(self.now)


class DiffStream(_Venue):
    kind = SpotDiffBook
    shared_ids = False

    def __init__(self):
        super().__init__()
        self.last_id = 100
        self.history = {}
        self.snapshot_made = None
        self.book = self.kind("venue", "X", FloatDigits(1, 2), settings=SETTINGS)
        self.remember()

    def remember(self):
        self.history[self.last_id] = self.truth.rows()

    @rule(count=st.sampled_from([0, 1, 2, 12, 40]), seed=st.integers(0, 10**6))
    def the_market_moves(self, count, seed):
        self.rng.seed(seed)
        bids, asks = self.changes(count)
        previous = self.last_id
        self.last_id += 1 + self.rng.randrange(3)
        first = previous + 1
        if self.shared_ids:
            first = self.last_id = self.last_id + self.rng.randrange(1, 5)
        self.truth.take(bids, asks)
        self.remember()
        self.way.append(Diff(first, self.last_id, bids, asks, previous_id=previous))

    @precondition(lambda self: self.way)
    @rule(count=st.integers(1, 5))
    def messages_arrive(self, count):
        for diff in self.way[:count]:
            self.now += 0.01
            self.book.apply(diff, self.now)
        del self.way[:count]

    @rule()
    def a_snapshot_is_made(self):
        self.snapshot_made = snapshot(self.last_id, *self.truth.rows())

    @precondition(lambda self: self.snapshot_made)
    @rule()
    def the_snapshot_arrives(self):
        self.book.install(self.snapshot_made, self.now)
        self.snapshot_made = None

    @rule()
    def subscribed_anew(self):
        self.way.clear()
        self.book.subscribed(self.now)

    @rule()
    def an_honest_witness_speaks(self):
        bids, asks = self.truth.rows()
        if bids and asks:
            self.book.quotes_interrupted()
            self.book.quote(quote(self.last_id, *bids[0], *asks[0]), self.now)

    @invariant()
    def what_may_be_read_is_true(self):
        if not self.book.is_trusted:
            return
        bids, asks = self.history[self.book.last_id]
        assert self.book.bid_side.rows() == bids
        assert self.book.ask_side.rows() == asks

    def teardown(self):
        """The faults end: whatever happened, trust comes back, and the end is the truth."""
        self.way.clear()
        self.book.subscribed(self.now)
        for _ in range(4):
            self.the_market_moves(2, 7)
            self.messages_arrive(1)
            self.now += 0.1
            self.book.check(self.now)
            if isinstance(self.book.needs, NeedSnapshot):
                self.a_snapshot_is_made()
                self.the_snapshot_arrives()
        self.what_may_be_read_is_true()
        bids, asks = self.truth.rows()
        assert self.book.is_trusted, (self.book.reason, self.book.detail)
        assert self.book.last_id == self.last_id
        assert (self.book.bid_side.rows(), self.book.ask_side.rows()) == (bids, asks)


class FuturesStream(DiffStream):
    kind = FuturesDiffBook
    shared_ids = True


class CheckedStream(_Venue):
    """Messages carry the truth after them, so a trusted book can be compared with what it heard."""

    depth = 10

    def __init__(self):
        super().__init__()
        self.truth = Plain(self.depth)
        self.book = ChecksumBook("venue", "X", FloatDigits(1, 8), depth=self.depth)
        self.heard = None
        self.clock = 0

    def message(self, bids, asks):
        self.clock += 1
        stamp = f"2026-11-01T00:00:00.{self.clock:06}Z"
        return checked(self.truth, bids, asks, timestamp=stamp), self.truth.rows()

    @rule(count=st.sampled_from([1, 2, 12, 40]), seed=st.integers(0, 10**6))
    def the_market_moves(self, count, seed):
        self.rng.seed(seed)
        bids, asks = self.changes(count)
        self.truth.take(bids, asks)
        self.way.append((False, *self.message(bids, asks)))

    @rule()
    def subscribed_anew(self):
        self.way.clear()
        self.book.subscribed(self.now)
        self.way.append((True, *self.message(*self.truth.rows())))

    @precondition(lambda self: self.way)
    @rule(count=st.integers(1, 5))
    def messages_arrive(self, count):
        for is_snapshot, message, rows in self.way[:count]:
            self.now += 0.01
            at = self.book.heard_at
            (self.book.install if is_snapshot else self.book.update)(message, self.now)
            if self.book.heard_at != at:
                self.heard = rows
        del self.way[:count]

    @precondition(lambda self: self.way)
    @rule(seed=st.integers(0, 99))
    def a_checksum_is_wrong(self, seed):
        at = seed % len(self.way)
        is_snapshot, message, rows = self.way[at]
        twin = type(message)(**vars(message))
        twin.checksum ^= 1
        self.way[at] = (is_snapshot, twin, rows)

    @invariant()
    def what_may_be_read_is_true(self):
        if self.book.is_trusted:
            bids, asks = self.heard
            ours = self.book.bid_side.rows(), self.book.ask_side.rows()
            # The checksum covers ten levels a side, and no more can be promised.
            assert (ours[0][:10], ours[1][:10]) == (bids[:10], asks[:10])

    def teardown(self):
        self.subscribed_anew()
        self.messages_arrive(1)
        for _ in range(3):
            self.the_market_moves(3, 7)
            self.messages_arrive(1)
        assert self.book.is_trusted, (self.book.reason, self.book.detail)
        self.what_may_be_read_is_true()


FAST = settings(max_examples=40, stateful_step_count=30, deadline=None)
TestSpot = DiffStream.TestCase
TestSpot.settings = FAST
TestFutures = FuturesStream.TestCase
TestFutures.settings = FAST
TestChecked = CheckedStream.TestCase
TestChecked.settings = FAST


def test_the_generator_itself_finds_a_book_that_forgets_to_look_for_gaps():
    """A check of the check: the same history, a gap, and a machine that does not mind."""

    class Careless(SpotDiffBook):
        __slots__ = ()

        def _continues(self, diff, last_id, *, after_snapshot):
            return True

    venue = DiffStream()
    venue.book = Careless("venue", "X", FloatDigits(1, 2), settings=SETTINGS)
    venue.subscribed_anew()
    venue.the_market_moves(12, 1)
    venue.messages_arrive(1)
    venue.a_snapshot_is_made()
    venue.the_snapshot_arrives()
    assert venue.book.is_trusted
    lost = replace(venue_diff(venue, 2), bids=[(40.0, 9.0)])
    venue.truth.take(lost.bids, lost.asks)
    venue.way.clear()
    venue.the_market_moves(1, 3)
    venue.messages_arrive(1)
    try:
        venue.what_may_be_read_is_true()
    except AssertionError:
        return
    raise AssertionError("a lost diff went unnoticed")


def venue_diff(venue, seed):
    venue.the_market_moves(1, seed)
    return venue.way.pop()
