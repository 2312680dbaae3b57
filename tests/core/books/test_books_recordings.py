"""Recorded streams, by the command that also replays any other recording of the same forms."""

import gzip
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
DATA = ROOT / "tests" / "data"


def replay(*files):
    return subprocess.run(
        [sys.executable, "-m", "benchmarks.book", "--recording", *map(str, files)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (["hftbacktest/spot_btcusdt_depth.txt.gz"], ["BTCUSDT: 317 messages compared, 0 differed"]),
        (["hftbacktest/usdm_btcusdt_depth.txt.gz"], ["BTCUSDT: 314 messages compared, 0 differed"]),
        (["hftbacktest/spot_btcusdt_depth_and_quotes.txt.gz"], ["0 differed"]),
        (["hftbacktest/usdm_btcusdt_depth_and_quotes.txt.gz"], ["0 differed"]),
        (
            [
                "cryptofeed/binance_usdm_depth_snapshots_20210722.jsonl",
                "cryptofeed/binance_usdm_ws_20210722.jsonl.gz",
            ],
            [
                "SUSHIUSDT: 252 messages compared, 0 differed",
                "AKROUSDT: 188 messages compared, 0 differed",
                "KEEPUSDT: 132 messages compared, 0 differed",
                "CTKUSDT: 180 messages compared, 0 differed",
            ],
        ),
        (
            ["python-kraken-sdk/kraken_ws_v2_book_btcusd_d10_20230730.json"],
            ["BTC/USD: 510 messages compared, 0 differed, 510 checksums"],
        ),
        (
            ["kraken_docs/book_checksum_v2_vectors.jsonl"],
            ["BTC/USD: 1 messages compared", "MATIC/USD: 1 messages compared"],
        ),
    ],
    ids=lambda value: str(value[0]).split("/")[-1] if isinstance(value, list) else None,
)
def test_a_recorded_stream_is_right_after_every_message(files, expected):
    done = replay(*(DATA / name for name in files))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "WRONG" not in done.stdout
    for line in expected:
        assert line in done.stdout


def test_a_recording_with_a_lost_line_is_not_called_right(tmp_path):
    lines = gzip.decompress((DATA / "hftbacktest" / "spot_btcusdt_depth.txt.gz").read_bytes())
    kept = lines.splitlines()
    del kept[100]
    broken = tmp_path / "broken.txt"
    broken.write_bytes(b"\n".join(kept))
    done = replay(broken)
    assert done.returncode == 1
    assert "updates are missing" in done.stdout
