"""The validator accepts what the venues sent, and notices every kind of damage to it."""

from __future__ import annotations

import copy
import gzip
import json
from decimal import Decimal
from pathlib import Path

import pytest
from book_validator import BinanceBook, BookFault, KrakenBook

DATA = Path(__file__).parents[2] / "data"


def recorded(name: str) -> list[dict]:
    text = gzip.decompress((DATA / "hftbacktest" / name).read_bytes()).decode()
    return [json.loads(line.split(" ", 1)[1]) for line in text.splitlines()]


def replay(frames: list[dict], *, futures: bool) -> BinanceBook:
    book = BinanceBook(futures=futures)
    for frame in frames:
        if "lastUpdateId" in frame:
            book.snapshot(frame)
        else:
            book.event(frame["data"])
    return book


KINDS = {"spot_btcusdt_depth.txt.gz": False, "usdm_btcusdt_depth.txt.gz": True}


@pytest.mark.parametrize(("name", "futures"), KINDS.items())
def test_recorded_binance_streams_are_in_order(name, futures):
    book = replay(recorded(name), futures=futures)
    assert book.applied > 300
    bid, ask = book.best()
    assert Decimal(60_000) < bid < ask < Decimal(63_000)


@pytest.mark.parametrize(("name", "futures"), KINDS.items())
def test_a_lost_or_swapped_event_is_noticed(name, futures):
    frames = recorded(name)
    lost = frames[:40] + frames[41:]
    with pytest.raises(BookFault, match=r"last u"):
        replay(lost, futures=futures)
    swapped = [*frames[:40], frames[41], frames[40], *frames[42:]]
    with pytest.raises(BookFault, match=r"last u"):
        replay(swapped, futures=futures)


@pytest.mark.parametrize(("name", "futures"), KINDS.items())
def test_a_snapshot_outside_the_stream_is_noticed(name, futures):
    frames = recorded(name)
    place = next(n for n, frame in enumerate(frames) if "lastUpdateId" in frame)
    for shift in (-10_000_000, 10_000_000):
        damaged = copy.deepcopy(frames)
        damaged[place]["lastUpdateId"] += shift
        if shift < 0:
            with pytest.raises(BookFault, match="snapshot"):
                replay(damaged, futures=futures)
        else:
            assert not replay(damaged, futures=futures).synced


def test_a_crossed_book_and_an_empty_event_are_noticed():
    frames = recorded("usdm_btcusdt_depth.txt.gz")
    damaged = copy.deepcopy(frames)
    damaged[100]["data"]["b"].append(["99999.00", "1"])
    with pytest.raises(BookFault, match="crossed"):
        replay(damaged, futures=True)
    damaged = copy.deepcopy(frames)
    damaged[100]["data"].update(a=[], b=[])
    with pytest.raises(BookFault, match="empty"):
        replay(damaged, futures=True)


def kraken_messages() -> list[dict]:
    text = gzip.decompress((DATA / "python-kraken-sdk" / "book_btcusd_d10.jsonl.gz").read_bytes())
    return [json.loads(line, parse_float=Decimal) for line in text.splitlines()]


def test_the_recorded_kraken_book_has_right_checksums_throughout():
    book = KrakenBook(depth=10, price_precision=1, qty_precision=8)
    messages = kraken_messages()
    for message in messages:
        book.message(message)
    assert book.applied == len(messages) == 510


def test_a_lost_kraken_update_is_noticed_unless_the_next_one_repairs_it():
    messages = kraken_messages()
    noticed = 0
    for lost in range(1, 41):
        book = KrakenBook(depth=10, price_precision=1, qty_precision=8)
        try:
            for number, message in enumerate(messages[:80]):
                if number != lost:
                    book.message(message)
        except BookFault as fault:
            noticed += "checksum" in str(fault)
    assert noticed >= 35


def test_a_wrong_kraken_checksum_is_noticed():
    book = KrakenBook(depth=10, price_precision=1, qty_precision=8)
    snapshot, update, *_ = kraken_messages()
    update["data"][0]["checksum"] += 1
    book.message(snapshot)
    with pytest.raises(BookFault, match="checksum"):
        book.message(update)


def test_the_checksums_that_kraken_prints():
    vectors = (DATA / "kraken_docs" / "book_checksum_v2.jsonl").read_text().splitlines()
    for line in vectors:
        message = json.loads(line, parse_float=Decimal)
        (data,) = message["data"]
        places = [
            max(-Decimal(str(level[key])).as_tuple().exponent for level in data["asks"])
            for key in ("price", "qty")
        ]
        book = KrakenBook(depth=10, price_precision=places[0], qty_precision=places[1])
        book.message(message)
    assert len(vectors) == 2
