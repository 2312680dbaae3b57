"""Kraken's books: a checksum in every message, and a new subscription when it does not match."""

import gzip
import json
from decimal import Decimal
from pathlib import Path

import pytest
from book_messages import Plain, checked

from outlast.core.books import ChecksumBook, Distrust, ExactDigits, FloatDigits, Resubscribe
from outlast.errors import StaleData

DATA = Path(__file__).parents[2] / "data"
BIDS = [(100.0 - number, 1.0 + number) for number in range(12)]
ASKS = [(101.0 + number, 1.0 + number) for number in range(12)]


def live(depth=25, at=0.0):
    book = ChecksumBook("kraken-spot", "BTC/USD", FloatDigits(1, 8), depth=depth)
    plain = Plain(depth)
    book.subscribed(at)
    plain.replace(BIDS, ASKS)
    book.install(checked(plain, BIDS, ASKS), at + 0.1)
    assert book.is_trusted
    return book, plain


def tell(book, plain, bids, asks, now, **more):
    plain.take(bids, asks)
    book.update(checked(plain, bids, asks, **more), now)


@pytest.mark.parametrize("digits", [FloatDigits, ExactDigits])
def test_the_checksums_printed_in_the_documentation_match(digits):
    lines = (DATA / "kraken_docs" / "book_checksum_v2_vectors.jsonl").read_text().splitlines()
    kind = float if digits is FloatDigits else Decimal
    for line, places in zip(lines, ((1, 8), (4, 8)), strict=True):
        data = json.loads(line, parse_float=kind, parse_int=kind)["data"][0]
        message = checked(Plain(), *([(r["price"], r["qty"]) for r in data[s]] for s in SIDES))
        message.checksum = int(data["checksum"])
        book = ChecksumBook("kraken-spot", data["symbol"], digits(*places), depth=25)
        book.subscribed(0.0)
        book.install(message, 0.1)
        assert book.is_trusted, book.detail


SIDES = ("bids", "asks")


@pytest.mark.parametrize("digits", [FloatDigits(1, 8), ExactDigits(1, 8)])
def test_every_checksum_of_the_recorded_stream_matches(digits):
    kind = float if isinstance(digits, FloatDigits) else Decimal
    book = ChecksumBook("kraken-spot", "BTC/USD", digits, depth=10)
    plain = Plain(10)
    book.subscribed(0.0)
    raw = gzip.decompress((DATA / "python-kraken-sdk" / "book_btcusd_d10.jsonl.gz").read_bytes())
    for line in raw.decode().splitlines():
        frame = json.loads(line, parse_float=kind)
        data = frame["data"][0]
        rows = [[(row["price"], row["qty"]) for row in data[side]] for side in SIDES]
        plain.take(*rows)
        message = checked(plain, *rows, timestamp=data.get("timestamp", ""))
        assert message.checksum == data["checksum"]
        (book.install if frame["type"] == "snapshot" else book.update)(message, 0.2)
        assert book.is_trusted, book.detail
        assert (book.bid_side.rows(), book.ask_side.rows()) == plain.rows()


def test_a_mismatch_ends_trust_at_once_and_updates_wait_for_the_new_snapshot():
    book, plain = live()
    plain.take([(99.5, 3.0)], [])
    book.update(checked(plain, [(99.5, 3.0)], [], wrong=1), 0.2)
    assert book.reason is Distrust.CHECKSUM
    assert book.needs == Resubscribe("BTC/USD", Distrust.CHECKSUM)
    with pytest.raises(StaleData, match="checksum does not match"):
        book.view(lambda: 0.3).best_bid  # noqa: B018
    tell(book, plain, [(99.6, 1.0)], [], 0.3)  # right in itself, on top of what is not the book
    assert book.reason is Distrust.CHECKSUM
    book.subscribed(0.5)
    assert book.reason is Distrust.NO_SNAPSHOT
    assert book.needs is None
    plain.replace(BIDS[:2], ASKS[:2])
    book.install(checked(plain, BIDS[:2], ASKS[:2]), 0.6)
    assert book.is_trusted
    assert book.bid_side.rows() == BIDS[:2]


def test_levels_are_cut_after_the_whole_message_and_not_after_each_level():
    book, plain = live(depth=12)
    # The new best pushes the twelfth out, the deletion in the same message makes room for it again.
    tell(book, plain, [(100.5, 1.0), (99.0, 0.0)], [], 0.2)
    assert book.is_trusted
    assert book.bid_side.rows() == plain.rows()[0]
    assert len(book.bid_side.rows()) == 12


def test_a_book_with_fewer_than_ten_levels_uses_what_is_there():
    book, plain = live()
    tell(book, plain, [(price, 0.0) for price, _ in BIDS[:9]], [(105.0, 0.0)], 0.2)
    assert book.is_trusted
    tell(book, plain, [(price, 0.0) for price, _ in BIDS], [], 0.3)
    assert book.is_trusted
    assert book.bid_side.best() is None
    with pytest.raises(LookupError, match="no bids"):
        book.view(lambda: 0.3).best_bid  # noqa: B018
    tell(book, plain, [(95.0, 2.0)], [], 0.4)
    assert book.is_trusted


def stamp(tenths):
    return f"2026-11-01T00:00:00.{tenths}00000Z"


def test_a_late_duplicate_is_ignored():
    book, plain = live()
    first = checked(plain, [(99.5, 1.0)], [], timestamp=stamp(1))
    plain.take([(99.5, 1.0)], [])
    first.checksum = checked(plain, [], []).checksum
    book.update(first, 0.2)
    tell(book, plain, [(99.5, 3.0)], [], 0.3, timestamp=stamp(2))
    before = plain.rows()
    book.update(first, 0.4)
    assert book.is_trusted
    assert book.heard_at == 0.3
    assert book.bid_side.rows() == before[0]


def test_an_update_that_nobody_has_seen_and_comes_too_late_is_missing_in_the_book():
    book, plain = live()
    book.install(checked(plain, [*BIDS, (80.0, 1.0)], ASKS, timestamp=stamp(1)), 0.15)
    tell(book, plain, [(99.5, 3.0)], [], 0.2, timestamp=stamp(3))
    deep = checked(plain, [(70.0, 1.0)], [], timestamp=stamp(2))  # its checksum would not show it
    book.update(deep, 0.3)
    assert book.reason is Distrust.GAP
    assert book.needs == Resubscribe("BTC/USD", Distrust.GAP)


def test_what_is_older_than_the_snapshot_is_in_it():
    book, plain = live()
    plain.take([(80.0, 1.0)], [])
    book.install(checked(plain, *plain.rows(), timestamp=stamp(3)), 0.15)
    book.update(checked(plain, [(99.5, 7.0)], [], timestamp=stamp(2)), 0.3)
    assert book.is_trusted
    assert book.bid_side.rows() == plain.rows()[0]


@pytest.mark.parametrize("digits", [FloatDigits(1, 8), ExactDigits(1, 8)])
def test_a_feed_that_repeats_itself_with_the_time_of_now_confirms_nothing(digits):
    kind = float if isinstance(digits, FloatDigits) else Decimal
    bids, asks = ([(kind(p), kind(q)) for p, q in side] for side in (BIDS, ASKS))
    book, plain = ChecksumBook("kraken-spot", "BTC/USD", digits, depth=25), Plain(25)
    book.subscribed(0.0)
    plain.replace(bids, asks)
    book.install(checked(plain, bids, asks, timestamp=stamp(1)), 0.1)
    level = ([(kind(89), kind(3))], [(kind(112), kind(4))])
    tell(book, plain, *level, 0.2, timestamp=stamp(2), at=1000.2)
    for tenth in range(3, 60):
        now = tenth / 10
        tell(book, plain, *level, now, timestamp=f"2026-11-01T00:00:0{now}00Z", at=1000 + now)
        again = checked(
            plain, *plain.rows(), timestamp=f"2026-11-01T00:00:0{now}01Z", at=1000 + now
        )
        book.install(again, now)
        assert book.heard_at == 0.2
        assert book.resyncs == 1
        book.check(now)
        assert book.is_trusted is (now - 0.2 <= 4.0)
    assert book.reason is Distrust.SILENT
    tell(book, plain, [(kind(89), kind(5))], [], 6.1, timestamp=stamp(9) + "0", at=1006.1)
    assert book.is_trusted


def test_updates_without_their_snapshot_ask_for_it_again_soon():
    book = ChecksumBook("kraken-spot", "BTC/USD", FloatDigits(1, 8), depth=25)
    plain = Plain(25)
    book.subscribed(0.0)
    tell(book, plain, [(99.5, 1.0)], [], 0.1, timestamp=stamp(1))
    book.check(0.3)
    assert book.needs is None
    book.check(0.41)
    assert book.needs == Resubscribe("BTC/USD", Distrust.NO_FIRST_DATA)
    assert book.reason is Distrust.NO_SNAPSHOT


def test_a_snapshot_that_an_update_has_overtaken_lacks_it():
    book = ChecksumBook("kraken-spot", "BTC/USD", FloatDigits(1, 8), depth=25)
    plain = Plain(25)
    plain.replace(BIDS, ASKS)
    book.subscribed(0.0)
    book.update(checked(plain, [(70.0, 1.0)], [], timestamp=stamp(2)), 0.1)
    book.install(checked(plain, BIDS, ASKS, timestamp=stamp(1)), 0.2)
    assert book.reason is Distrust.GAP
    assert book.needs == Resubscribe("BTC/USD", Distrust.GAP)
    book.subscribed(0.3)
    book.install(checked(plain, BIDS, ASKS, timestamp=stamp(1)), 0.4)
    assert book.is_trusted


def test_a_venue_that_is_slow_to_send_snapshots_is_given_more_time_each_time():
    book = ChecksumBook("kraken-spot", "BTC/USD", FloatDigits(1, 8), depth=25)
    now = 0.0
    for patience_s in (1.0, 2.0, 4.0, 4.0):
        book.subscribed(now)
        assert book.needs is None
        book.check(now + patience_s - 0.01)
        assert book.needs is None
        book.check(now + patience_s)
        assert book.needs == Resubscribe("BTC/USD", Distrust.NO_FIRST_DATA)
        assert (book.reason is Distrust.NO_FIRST_DATA) is (patience_s == 4.0)
        now += patience_s + 0.5
    plain = Plain(25)
    plain.replace(BIDS, ASKS)
    book.subscribed(now)
    book.install(checked(plain, BIDS, ASKS), now + 3.9)
    book.subscribed(now + 5)
    book.check(now + 6)
    assert book.needs is not None, "its patience is as it was at first"


def test_a_crossed_book_is_not_believed_though_its_checksum_matches():
    book, plain = live()
    tell(book, plain, [(101.0, 1.0)], [], 0.2)
    assert book.reason is Distrust.CROSSED


def test_silence_asks_for_a_new_subscription_and_data_withdraws_it():
    book, plain = live()
    book.check(4.0)
    assert book.is_trusted
    book.check(4.2)
    assert book.reason is Distrust.SILENT
    assert book.needs == Resubscribe("BTC/USD", Distrust.SILENT)
    tell(book, plain, [(99.5, 3.0)], [], 4.3)
    assert book.is_trusted
    assert book.needs is None


def test_an_acknowledgement_without_a_snapshot_is_found_out():
    book = ChecksumBook("kraken-spot", "BTC/USD", FloatDigits(1, 8), depth=25)
    book.check(100.0)  # not subscribed: nothing to miss
    assert book.needs is None
    book.subscribed(0.0)
    book.check(3.9)
    assert book.reason is Distrust.NO_SNAPSHOT
    book.check(4.0)
    assert book.reason is Distrust.NO_FIRST_DATA
    assert book.needs == Resubscribe("BTC/USD", Distrust.NO_FIRST_DATA)


def test_late_updates_are_not_believed_by_the_venues_own_time():
    book, plain = live()
    for number in range(20):
        now = 1.0 + number / 10
        tell(book, plain, [(99.5, 3.0 + number)], [], now, at=now - 0.05)
    tell(book, plain, [(99.5, 1.0)], [], 6.0, at=3.0)
    assert book.reason is Distrust.LATE
    tell(book, plain, [(99.5, 2.0)], [], 6.6, at=6.5)
    assert book.is_trusted


def test_numbers_too_large_for_floats_are_named_as_the_reason():
    book = ChecksumBook("kraken-spot", "SHIB/USD", FloatDigits(8, 8), depth=25)
    plain = Plain()
    book.subscribed(0.0)
    plain.take([(0.00001, 123456789012.12345678)], [(0.00002, 1.0)])
    message = checked(plain, *plain.rows(), decimals=(8, 8), wrong=1)
    book.install(message, 0.1)
    assert book.reason is Distrust.INEXACT
    assert book.needs == Resubscribe("SHIB/USD", Distrust.INEXACT)


def test_a_lost_connection_is_mended_by_a_new_subscription_only():
    book, plain = live()
    book.socket_gone(1.0)
    tell(book, plain, [(99.5, 1.0)], [], 1.1)
    book.install(checked(plain, *plain.rows()), 1.2)
    assert book.reason is Distrust.SOCKET_GONE
    book.subscribed(2.0)
    book.install(checked(plain, *plain.rows()), 2.1)
    assert book.is_trusted
