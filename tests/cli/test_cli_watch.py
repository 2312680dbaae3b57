"""`outlast watch`: a real command against a mock on real sockets."""

from __future__ import annotations

import asyncio
import json

import pytest
from command_line import outlast_process

from outlast.mock.exchange import MockExchange

pytestmark = pytest.mark.sockets


async def watched(venue: str, *options: str) -> tuple[int, str, str]:
    async with MockExchange(venues=[venue]) as mock:
        endpoints = json.dumps(mock.describe()["venues"][venue]["endpoints"])
        result: tuple[int, str, str] = await asyncio.to_thread(
            outlast_process, "watch", venue, *options, "--endpoints", endpoints
        )
        return result


@pytest.mark.parametrize(
    ("venue", "symbol"), [("kraken-spot", "BTC/USD"), ("binance-um", "BTC/USDT:USDT")]
)
def test_live_books_as_json_lines(venue, symbol):
    code, out, err = asyncio.run(watched(venue, symbol, "--json", "--for", "2", "--every", "0.25"))
    assert (code, err) == (0, "")
    lines = [json.loads(line) for line in out.splitlines()]
    last = lines[-1]
    assert last["symbol"] == symbol
    assert last["is_trusted"] is True
    assert last["resyncs"] == 1
    assert float(last["bid"]) < float(last["ask"])
    assert last["age_s"] < 2
    assert sum(line["changes"] for line in lines) > 0


def test_a_table_for_people():
    code, out, err = asyncio.run(watched("kraken-spot", "BTC/USD", "ETH/USD", "--for", "1"))
    assert (code, err) == (0, "")
    assert "BTC/USD" in out
    assert "ETH/USD" in out
    assert "fresh" in out


def test_a_symbol_that_is_not_listed_is_one_line_with_the_nearest_names():
    code, out, err = asyncio.run(watched("kraken-spot", "BTC/USX", "--for", "1"))
    assert (code, out) == (2, "")
    assert "BTC/USX" in err
    assert "BTC/USD" in err
