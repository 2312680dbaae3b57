"""Books of numbered diffs: the venues' rules, and everything that ends trust."""

import pytest
from book_messages import Diff, quote, snapshot

from outlast.core.books import (
    Distrust,
    FloatDigits,
    FuturesDiffBook,
    NeedSnapshot,
    Resubscribe,
    SpotDiffBook,
)
from outlast.errors import StaleData

SNAPSHOT = snapshot(100, [(10.0, 1.0), (9.0, 2.0)], [(11.0, 1.0), (12.0, 2.0)])


def spot():
    book = SpotDiffBook("binance-spot", "BTC/USDT", FloatDigits(2, 5))
    book.subscribed(0.0)
    return book


def futures():
    book = FuturesDiffBook("binance-um", "BTC/USDT:USDT", FloatDigits(2, 5))
    book.subscribed(0.0)
    return book


def live_spot():
    book = spot()
    book.apply(Diff(95, 101), 0.1)
    book.install(SNAPSHOT, 0.2)
    assert book.is_trusted
    return book


def live_futures():
    book = futures()
    book.apply(Diff(95, 101, previous_id=90), 0.1)
    book.install(SNAPSHOT, 0.2)
    assert book.is_trusted
    return book


def test_spot_diffs_wait_for_the_snapshot_and_go_on_top_of_it():
    book = spot()
    assert book.needs is None
    book.apply(Diff(90, 95, bids=[(8.0, 8.0)]), 0.1)  # older than the snapshot: in it
    assert book.needs == NeedSnapshot("BTC/USDT", 1000, Distrust.NO_SNAPSHOT)
    book.apply(Diff(96, 103, bids=[(9.5, 3.0)]), 0.2)
    book.apply(Diff(104, 104, asks=[(11.0, 0.0)]), 0.3)
    assert book.reason is Distrust.NO_SNAPSHOT
    book.install(SNAPSHOT, 0.4)
    assert book.is_trusted
    assert book.needs is None
    assert book.last_id == 104
    assert book.bid_side.rows() == [(10.0, 1.0), (9.5, 3.0), (9.0, 2.0)]
    assert book.ask_side.rows() == [(12.0, 2.0)]


def test_a_snapshot_older_than_the_first_diff_is_asked_for_again():
    book = spot()
    book.apply(Diff(102, 105), 0.1)  # 101 is missing
    book.install(SNAPSHOT, 0.2)
    assert not book.is_trusted
    assert isinstance(book.needs, NeedSnapshot)
    book.install(snapshot(101, [(10.0, 1.0)], [(11.0, 1.0)]), 0.3)
    assert book.is_trusted
    assert book.last_id == 105


def test_a_snapshot_newer_than_every_diff_waits_for_the_one_that_reaches_it():
    book = spot()
    book.apply(Diff(90, 95), 0.1)
    book.install(SNAPSHOT, 0.2)
    assert not book.is_trusted
    assert book.needs is None
    book.apply(Diff(96, 99), 0.3)
    assert not book.is_trusted
    book.apply(Diff(100, 102, bids=[(10.0, 5.0)]), 0.4)
    assert book.is_trusted
    assert book.bid_side.rows(1) == [(10.0, 5.0)]


def test_a_spot_gap_ends_trust_at_once_and_old_levels_do_not_survive():
    book = live_spot()
    view = book.view(lambda: 0.5)
    assert view.best_bid.price == 10
    book.apply(Diff(103, 104, bids=[(9.9, 1.0)]), 0.5)
    assert book.reason is Distrust.GAP
    assert book.needs == NeedSnapshot("BTC/USDT", 1000, Distrust.GAP)
    with pytest.raises(StaleData, match="updates are missing"):
        view.best_bid  # noqa: B018
    book.install(snapshot(104, [(9.9, 1.0)], [(11.5, 1.0)]), 0.6)
    assert book.is_trusted
    assert book.bid_side.rows() == [(9.9, 1.0)]
    assert book.ask_side.rows() == [(11.5, 1.0)]
    with pytest.raises(StaleData, match="read it again"):
        view.best_bid  # noqa: B018


def test_duplicates_and_stragglers_change_nothing_and_confirm_nothing():
    book = live_spot()
    book.apply(Diff(102, 103, bids=[(10.0, 7.0)]), 0.5)
    heard_at = book.heard_at
    book.apply(Diff(102, 103, bids=[(10.0, 7.0)]), 0.9)
    book.apply(Diff(99, 101, bids=[(10.0, 1.0)]), 0.9)
    assert book.is_trusted
    assert book.bid_side.rows(1) == [(10.0, 7.0)]
    assert book.heard_at == heard_at


def test_overlapping_spot_diffs_are_one_stream():
    book = live_spot()
    book.apply(Diff(100, 105, bids=[(10.0, 7.0)]), 0.5)
    assert book.is_trusted
    assert book.last_id == 105


def test_futures_follow_pu_and_not_the_first_id():
    book = live_futures()
    book.apply(Diff(140, 150, bids=[(10.0, 4.0)], previous_id=101), 0.5)
    assert book.is_trusted
    assert book.last_id == 150
    book.apply(Diff(151, 160, previous_id=149), 0.6)  # the ids touch, pu does not
    assert book.reason is Distrust.GAP
    assert "150 to 149" in book.detail


def test_the_first_futures_diff_must_reach_back_to_the_snapshot():
    book = futures()
    book.apply(Diff(102, 110, previous_id=101), 0.1)
    book.install(SNAPSHOT, 0.2)
    assert not book.is_trusted
    assert isinstance(book.needs, NeedSnapshot)
    just_before = futures()
    just_before.apply(Diff(102, 110, previous_id=100), 0.1)
    just_before.install(SNAPSHOT, 0.2)
    assert just_before.is_trusted


@pytest.mark.parametrize("price", [11.0, 11.5])
def test_a_crossed_or_locked_book_is_not_believed(price):
    book = live_spot()
    book.apply(Diff(102, 102, bids=[(price, 1.0)]), 0.3)
    assert book.reason is Distrust.CROSSED
    assert isinstance(book.needs, NeedSnapshot)


def test_silence_ends_trust_and_a_snapshot_that_says_the_same_restores_it():
    book = live_spot()
    book.check(4.0)
    assert book.is_trusted
    book.check(4.3)
    assert book.reason is Distrust.SILENT
    assert book.needs == NeedSnapshot("BTC/USDT", 1000, Distrust.SILENT)
    book.install(snapshot(101, [(10.0, 1.0), (9.0, 2.0)], SNAPSHOT.asks), 4.5, asked_at=4.4)
    assert book.is_trusted
    assert book.heard_at == 4.4
    book.apply(Diff(102, 103), 5.0)
    assert book.is_trusted


def test_silence_while_the_venue_moves_on_is_a_dead_stream():
    book = live_spot()
    book.check(4.3)
    book.install(snapshot(150, [(9.5, 1.0)], [(9.8, 1.0)]), 4.5)
    assert not book.is_trusted
    assert isinstance(book.needs, Resubscribe)
    book.subscribed(4.8)
    book.apply(Diff(151, 152), 4.9)
    book.install(snapshot(151, [(9.5, 1.0)], [(9.8, 1.0)]), 5.0)
    assert book.is_trusted
    assert book.bid_side.rows() == [(9.5, 1.0)]


def test_a_stream_that_speaks_again_without_a_gap_is_believed_again():
    book = live_spot()
    book.check(4.3)
    assert book.reason is Distrust.SILENT
    book.apply(Diff(102, 103, venue_time_s=5.9), 6.0)
    assert book.is_trusted
    assert book.needs is None


def test_silence_without_an_answer_to_the_snapshot_asks_for_a_new_subscription():
    book = live_spot()
    book.check(4.3)
    book.check(13.0)
    assert isinstance(book.needs, Resubscribe)


def test_an_acknowledgement_without_data_is_not_a_stream():
    book = spot()
    book.check(0.9)
    assert book.needs is None
    book.check(1.0)
    assert isinstance(book.needs, NeedSnapshot)  # the symbol may be quiet
    book.install(SNAPSHOT, 1.2)
    assert not book.is_trusted
    book.check(4.0)
    assert book.reason is Distrust.NO_FIRST_DATA
    book.install(snapshot(108, SNAPSHOT.bids, SNAPSHOT.asks), 4.2)  # it moved, and said nothing
    assert isinstance(book.needs, Resubscribe)
    assert not book.is_trusted


def test_a_quiet_symbol_is_believed_when_two_snapshots_say_the_same():
    book = spot()
    book.check(1.0)
    book.install(SNAPSHOT, 1.2)
    book.check(2.3)
    assert isinstance(book.needs, NeedSnapshot)
    book.install(SNAPSHOT, 2.5, asked_at=2.4)
    assert book.is_trusted
    book.apply(Diff(101, 101, bids=[(10.0, 3.0)]), 3.0)
    assert book.is_trusted
    assert book.bid_side.rows(1) == [(10.0, 3.0)]


def test_neither_data_nor_snapshot_asks_for_a_new_subscription():
    book = spot()
    book.check(8.0)
    assert isinstance(book.needs, Resubscribe)


def test_updates_that_arrive_late_are_not_believed_until_they_are_punctual():
    book = live_spot()
    for number in range(1, 20):
        book.apply(Diff(101 + number, 101 + number, venue_time_s=number / 10), 0.2 + number / 10)
    book.apply(Diff(121, 121, bids=[(10.0, 9.0)], venue_time_s=2.0), 5.0)  # 2.8 s later than usual
    assert book.reason is Distrust.LATE
    assert book.needs is None
    book.apply(Diff(122, 122, venue_time_s=5.5), 5.7)
    assert book.is_trusted
    assert book.bid_side.rows(1) == [(10.0, 9.0)]


def test_a_lost_connection_ends_trust_and_nothing_of_it_is_heard_any_more():
    book = live_spot()
    book.socket_gone(1.0, "closed 1006")
    assert book.reason is Distrust.SOCKET_GONE
    assert book.detail == "closed 1006"
    assert book.needs is None  # the connection comes first
    book.apply(Diff(102, 103), 1.1)
    book.install(SNAPSHOT, 1.2)
    book.check(9.0)
    assert book.reason is Distrust.SOCKET_GONE
    book.subscribed(10.0)
    book.apply(Diff(102, 103), 10.1)
    book.install(snapshot(103, SNAPSHOT.bids, SNAPSHOT.asks), 10.2)
    assert book.is_trusted


def test_a_halt_ends_trust_until_the_venue_resumes():
    book = live_spot()
    book.halted(0.5, "BREAK")
    assert book.reason is Distrust.HALTED
    assert book.detail == "BREAK"
    book.apply(Diff(102, 103, bids=[(10.0, 2.0)]), 0.6)
    assert book.reason is Distrust.HALTED
    book.resumed(0.7)
    assert book.is_trusted
    assert book.bid_side.rows(1) == [(10.0, 2.0)]


def test_a_halt_hides_a_gap_but_does_not_heal_it():
    book = live_spot()
    book.halted(0.5, "")
    book.apply(Diff(110, 111), 0.6)
    book.resumed(0.7)
    assert book.reason is Distrust.GAP


def test_an_unreadable_message_ends_trust():
    book = live_spot()
    book.unreadable("Expected `float` >= 0.0", 0.5)
    assert book.reason is Distrust.UNREADABLE
    assert isinstance(book.needs, NeedSnapshot)


def test_the_book_ticker_agrees_or_ends_trust():
    book = live_spot()
    book.quote(quote(101, 10.0, 1.0, 11.0, 1.0), 0.3)
    book.quote(quote(102, 10.0, 2.0, 11.0, 1.0), 0.31)
    assert book.is_trusted
    book.apply(Diff(102, 102, bids=[(10.0, 2.5)]), 0.4)  # the witness said 2.0 at 102
    book.quote(quote(103, 10.0, 3.0, 11.0, 1.0), 0.41)
    assert book.reason is Distrust.CONTRADICTED
    assert isinstance(book.needs, NeedSnapshot)


def test_quotes_that_may_have_been_missed_prove_nothing():
    book = live_spot()
    book.quote(quote(100, 7.0, 7.0, 8.0, 8.0), 0.3)
    book.quotes_interrupted()
    book.quote(quote(105, 10.0, 1.0, 11.0, 1.0), 0.31)
    book.quote(quote(104, 1.0, 1.0, 2.0, 1.0), 0.32)  # a straggler
    assert book.is_trusted


def test_a_book_that_falls_behind_the_ticker_is_not_believed():
    book = live_spot()
    book.quote(quote(102, 10.0, 2.0, 11.0, 1.0), 0.3)
    book.check(1.7)
    assert book.is_trusted
    book.check(1.9)
    assert book.reason is Distrust.BEHIND
    assert isinstance(book.needs, Resubscribe)


def deep(last_id, low, high, count=1000):
    return snapshot(
        last_id,
        [(low - number / 100, 1.0) for number in range(count)],
        [(high + number / 100, 1.0) for number in range(count)],
    )


def test_the_book_is_fetched_again_before_the_market_leaves_what_is_known():
    book = spot()
    book.apply(Diff(99, 100), 0.1)
    book.install(deep(100, 500.0, 500.01), 0.2)
    gone = [((50000 - number) / 100, 0.0) for number in range(850)]
    book.apply(Diff(101, 101, bids=gone), 0.3)
    book.check(5.3 - 4.0)
    assert book.is_trusted
    assert book.needs == NeedSnapshot("BTC/USDT", 1000, Distrust.OUT_OF_DEPTH, urgent=False)
    book.apply(Diff(102, 102, bids=[(491.0, 4.0)]), 1.4)
    book.install(deep(101, 491.49, 500.01), 1.5)
    assert book.is_trusted
    assert book.needs is None
    assert book.resyncs == 2
    assert dict(book.bid_side.rows())[491.0] == 4.0  # the diff that came meanwhile


def test_a_snapshot_meanwhile_older_than_the_kept_diffs_is_asked_for_again_in_trust():
    book = spot()
    book.apply(Diff(99, 100), 0.1)
    book.install(deep(100, 500.0, 500.01), 0.2)
    book.apply(Diff(101, 101, bids=[((50000 - n) / 100, 0.0) for n in range(850)]), 0.3)
    book.check(1.3)
    book.apply(Diff(102, 102), 1.4)
    book.install(deep(100, 500.0, 500.01), 1.5)
    assert book.is_trusted
    assert book.needs == NeedSnapshot("BTC/USDT", 1000, Distrust.NO_SNAPSHOT, urgent=False)
    book.install(deep(102, 491.49, 500.01), 1.6)
    assert book.needs is None
    assert book.last_id == 102


def test_a_market_that_left_what_is_known_is_not_guessed_at():
    book = spot()
    book.apply(Diff(99, 100), 0.1)
    book.install(deep(100, 500.0, 500.01), 0.2)
    gone = [((50000 - number) / 100, 0.0) for number in range(1000)]
    book.apply(Diff(101, 101, bids=[*gone, (480.0, 1.0)]), 0.3)
    with pytest.raises(StaleData, match="left the levels"):
        book.view(lambda: 0.3).best_bid  # noqa: B018
    assert book.reason is Distrust.OUT_OF_DEPTH
    other = spot()
    other.apply(Diff(99, 100), 0.1)
    other.install(deep(100, 500.0, 500.01), 0.2)
    other.apply(Diff(101, 101, bids=[*gone, (480.0, 1.0)]), 0.3)
    other.check(0.4)
    assert other.reason is Distrust.OUT_OF_DEPTH


def test_a_quantity_too_large_for_floats_is_not_rounded_but_refused():
    book = SpotDiffBook("binance-spot", "X/Y", FloatDigits(8, 8))
    book.subscribed(0.0)
    book.apply(Diff(99, 100), 0.1)
    book.install(snapshot(100, [(0.5, 123456789.12345678)], [(0.6, 1.0)]), 0.2)
    with pytest.raises(StaleData, match="15 digits"):
        book.view(lambda: 0.3).best_bid  # noqa: B018
    assert book.reason is Distrust.INEXACT


def test_a_gap_inside_what_was_kept_makes_the_snapshot_useless():
    book = spot()
    book.apply(Diff(95, 101), 0.1)
    book.apply(Diff(105, 106), 0.2)
    book.install(SNAPSHOT, 0.3)
    assert not book.is_trusted
    book.install(snapshot(104, SNAPSHOT.bids, SNAPSHOT.asks), 0.4)
    assert book.is_trusted
    assert book.last_id == 106
