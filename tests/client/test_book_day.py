"""An hour with rollovers and disconnects; the whole day is `make book-day`."""

import os
from pathlib import Path

import pytest
from book_day import run_day

HOURS = float(os.environ.get("OUTLAST_BOOK_HOURS", "0.25"))
ROLLOVERS_AN_HOUR = 12


@pytest.mark.timeout(7200)
@pytest.mark.parametrize("venue", ["kraken-spot", "binance-spot", "binance-um"])
def test_hours_with_rollovers_lose_no_trade_and_no_book(venue: str, tmp_path: Path):
    age_s = 3600 / ROLLOVERS_AN_HOUR if HOURS < 24 else 5 * 3600
    day = run_day(venue, tmp_path, hours=HOURS, age_s=age_s, ends=2)
    assert not day.wrong
    assert day.trades > 5000 * HOURS
    assert day.readings > 300 * HOURS
    assert day.rollovers >= 1
    assert day.downs == 2
    assert day.resyncs == 1 + day.downs, "a rollover is no reason to begin the book anew"
    quarter, last = day.objects[2], day.objects[-1]
    assert last <= quarter * 1.1, f"grown by {(day.kinds[-1] - day.kinds[2]).most_common(5)}"
