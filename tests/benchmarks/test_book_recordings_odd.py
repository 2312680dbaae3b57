"""Recordings as others write them: odd forms, several books, holes, snapshots in odd places."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import pytest

from benchmarks import book_streams
from benchmarks.book_recordings import replay
from benchmarks.book_streams import Stream
from benchmarks.recordings import read


@cache
def kraken(depth: int = 25, seed: int = 1) -> Stream:
    return book_streams.kraken("k", usual=5, messages=60, depth=depth, seed=seed)


@cache
def binance() -> Stream:
    return book_streams.binance("b", usual=8, messages=60, levels=100)


def frames(stream: Stream) -> list[bytes]:
    return [stream.snapshot, *stream.messages]


def named(raw: bytes, symbol: str) -> bytes:
    return raw.replace(b"BTC/USD", symbol.encode())


def said(path: Path, capsys: pytest.CaptureFixture[str], *, good: bool = True) -> str:
    assert replay(path) is good, capsys.readouterr().out
    return capsys.readouterr().out


@pytest.mark.parametrize("depth", [10, 25, 100, 500, 1000])
def test_bare_lines_of_any_depth(depth: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path = tmp_path / "bare.jsonl"
    path.write_bytes(b"\n".join(frames(kraken(depth))))
    assert "61 messages compared, 0 differed, 61 checksums" in said(path, capsys)


_FORMS = {
    "nanoseconds in front": lambda n, raw: b"%d %s" % (1_700_000_000_000_000_000 + n, raw),
    "seconds in front": lambda n, raw: b"%.3f\t%s" % (1_700_000_000 + n / 10, raw),
    "ISO in front": lambda n, raw: (
        datetime.fromtimestamp(1_700_000_000 + n, UTC).isoformat().encode() + b" " + raw
    ),
    "a log's words in front": lambda n, raw: b"DEBUG received: " + raw,
    "marks of a test file": lambda n, raw: b"= " + raw,
    "an envelope": lambda n, raw: b'{"recv": %d, "frame": %s}' % (1_700_000_000 + n, raw),
    "an envelope in milliseconds": lambda n, raw: (
        b'{"ts": %d, "msg": %s}' % (1_700_000_000_000 + n, raw)
    ),
    "an envelope around text": lambda n, raw: json.dumps(
        {"received_at": f"2026-11-01T00:00:{n % 60:02}Z", "raw": raw.decode()}
    ).encode(),
    "over many lines": lambda n, raw: raw.replace(b",", b",\n  "),
    "Windows": lambda n, raw: raw + b"\r",
}


@pytest.mark.parametrize("form", _FORMS)
@pytest.mark.parametrize("stream", [kraken, binance])
def test_any_form_of_line(form, stream, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path = tmp_path / "recording.txt"
    lines = [_FORMS[form](n, raw) for n, raw in enumerate(frames(stream()))]
    path.write_bytes(b"\n".join(lines))
    assert " 0 differed" in said(path, capsys)


@pytest.mark.parametrize(
    ("name", "pack"),
    [("a.gz", gzip.compress), ("a.bz2", bz2.compress), ("a.xz", lzma.compress)],
)
def test_packed_and_as_one_array(name, pack, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path = tmp_path / name
    path.write_bytes(pack(b"\xef\xbb\xbf[" + b",".join(frames(kraken())) + b"]"))
    assert "61 messages compared" in said(path, capsys)


def test_several_books_in_one_message_and_channels_that_nobody_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    lines = [
        b'{"channel":"status","type":"update","data":[{"system":"online","version":"2.0.9"}]}',
        (
            b'{"method":"subscribe","req_id":1,"result":{"channel":"book","depth":25,"symbol":"BTC/USD",'
            b'"snapshot":true},"success":true}'
        ),
        (
            b'{"channel":"level3","type":"snapshot","data":[{"symbol":"BTC/USD","bids":[{"order_id":"O",'
            b'"limit_price":1.0,"order_qty":1.0}],"asks":[],"checksum":1}]}'
        ),
        b'{"channel":"trade","type":"update","data":[]}',
    ]
    other = [named(raw, "ETH/USD") for raw in frames(kraken(100, 7))]
    for ours, theirs in zip(frames(kraken()), other, strict=True):
        one, two = (raw.decode().partition('"data":[') for raw in (ours, theirs))
        lines.append((one[0] + one[1] + one[2][:-2] + "," + two[2]).encode())
        lines.append(b'{"channel":"heartbeat"}')
    path = tmp_path / "two.jsonl"
    path.write_bytes(b"\n".join(lines))
    told = said(path, capsys)
    assert "BTC/USD: 61 messages compared, 0 differed, 61 checksums" in told
    assert "ETH/USD: 61 messages compared, 0 differed, 61 checksums" in told


def test_a_second_snapshot_at_the_end_begins_the_book_anew(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    path = tmp_path / "trailing.jsonl"
    path.write_bytes(b"\n".join([*frames(kraken()), kraken(25, 3).snapshot]))
    assert "62 messages compared, 0 differed, 62 checksums, 2 snapshots" in said(path, capsys)


def test_a_snapshot_over_rest_after_all_its_diffs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    path = tmp_path / "trailing.jsonl"
    path.write_bytes(b"\n".join([*binance().messages, binance().snapshot]))
    assert "1 messages compared, 0 differed" in said(path, capsys)


def test_snapshots_that_come_again_and_partial_books_are_passed_over(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    partial = b'{"stream":"btcusdt@depth5","data":{"lastUpdateId":5,"bids":[],"asks":[]}}'
    lines = []
    for raw in frames(binance()):
        lines += [raw if b"lastUpdateId" in raw else b'{"stream":"x","data":%s}' % raw, partial]
    path = tmp_path / "more.jsonl"
    path.write_bytes(b"\n".join([*lines, binance().snapshot]))
    assert "60 messages compared, 0 differed" in said(path, capsys)


def test_a_last_line_that_was_cut_short_is_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    path = tmp_path / "cut.jsonl"
    path.write_bytes(b"\n".join(frames(kraken()))[:-40])
    told = said(path, capsys)
    assert "60 messages compared" in told
    assert "1 pieces could not be read" in told


@pytest.mark.parametrize("stream", [kraken, binance])
def test_a_hole_is_seen_by_both_books_and_the_next_snapshot_ends_it(
    stream, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    lines = frames(stream())
    del lines[10:13]
    path = tmp_path / "hole.jsonl"
    path.write_bytes(b"\n".join([*lines, *(frames(kraken()) if stream is kraken else [])]))
    told = said(path, capsys, good=False)
    assert told.count("hole: ") == 1
    assert "our book has not seen it" not in told
    assert " 0 differed" in told


def test_numbers_that_no_float_keeps(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    big = b"123456789012345678.12345678"
    path = tmp_path / "large.jsonl"
    path.write_bytes(
        b'{"lastUpdateId":1,"bids":[["1.5","%s"]],"asks":[["1.6","2"]]}\n'
        b'{"e":"depthUpdate","E":1700000000000,"s":"PEPEUSDT","U":2,"u":3,"b":[["1.4","1"]],"a":[]}'
        % big
    )
    assert "PEPEUSDT: 1 messages compared, 0 differed" in said(path, capsys)


def test_what_is_no_recording_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path = tmp_path / "words.txt"
    path.write_text("no market data")
    with pytest.raises(ValueError, match="in no known form"):
        read(path)
    path.write_text('{"channel":"heartbeat"}')
    assert not replay(path)
    assert "no book in it" in capsys.readouterr().out
